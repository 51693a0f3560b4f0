//! Owns the files of a commit that is being made. They leave the memory in parts, for the clone, so that a commit of a
//! hundred thousand files holds a few megabytes of them. Must never lose what was stored: who changes such a file further
//! reads it again first.

use std::collections::{BTreeMap, BTreeSet};

use crate::object::RepoPath;
use crate::repository::{BlobId, FileContent};

/// So many bytes of files are stored together.
const PART: usize = 4 << 20;

/// Larger files stay in memory: what many objects share would be stored and read again and again.
const SMALL: usize = 64 << 10;

/// A file as the commit will have it.
#[derive(Debug)]
enum Draft {
    Bytes(Vec<u8>),
    /// The same while it is being stored.
    Leaving(Vec<u8>),
    Stored(BlobId),
}

/// Files as the commit will have them, by path.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    files: BTreeMap<RepoPath, Draft>,
    /// Those that are in memory and may be stored, and how many bytes they have.
    small: BTreeSet<RepoPath>,
    small_bytes: usize,
    /// Whether some are being stored.
    is_storing: bool,
}

/// Files that are to be stored, and what they hold.
pub(super) type Part = (Vec<RepoPath>, Vec<Vec<u8>>);

impl Drafts {
    /// What a file will hold, unless it is stored.
    pub(super) fn bytes(&self, path: &RepoPath) -> Option<&Vec<u8>> {
        match self.files.get(path) {
            Some(Draft::Bytes(bytes) | Draft::Leaving(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// The blob of a file that has to be read again before it can be changed.
    pub(super) fn stored(&self, path: &RepoPath) -> Option<BlobId> {
        match self.files.get(path) {
            Some(Draft::Stored(blob)) => Some(*blob),
            _ => None,
        }
    }

    pub(super) fn contains(&self, path: &RepoPath) -> bool {
        self.files.contains_key(path)
    }

    /// Every path from this one on.
    pub(super) fn paths_from(&self, path: &RepoPath) -> impl Iterator<Item = &RepoPath> {
        self.files.range::<RepoPath, _>(path..).map(|(path, _)| path)
    }

    pub(super) fn insert(&mut self, path: RepoPath, bytes: Vec<u8>) {
        self.remove(&path);
        if bytes.len() <= SMALL {
            self.small_bytes += bytes.len();
            self.small.insert(path.clone());
        }
        self.files.insert(path, Draft::Bytes(bytes));
    }

    pub(super) fn remove(&mut self, path: &RepoPath) {
        if let Some(Draft::Bytes(bytes)) = self.files.remove(path)
            && self.small.remove(path)
        {
            self.small_bytes -= bytes.len();
        }
    }

    /// Files to be stored now; how that ends goes to [`Drafts::note_stored`].
    pub(super) fn take_part(&mut self) -> Option<Part> {
        if self.is_storing || self.small_bytes < PART {
            return None;
        }
        self.is_storing = true;
        self.small_bytes = 0;
        let mut part = Part::default();
        for path in std::mem::take(&mut self.small) {
            if let Some(draft) = self.files.get_mut(&path)
                && let Draft::Bytes(bytes) = draft
            {
                part.0.push(path);
                part.1.push(bytes.clone());
                *draft = Draft::Leaving(std::mem::take(bytes));
            }
        }
        Some(part)
    }

    /// Files of a part were stored as these blobs; none, where that failed. One that changed meanwhile stays in memory.
    pub(super) fn note_stored(&mut self, paths: Vec<RepoPath>, blobs: Vec<BlobId>) {
        self.is_storing = false;
        for (path, blob) in paths.into_iter().zip(blobs) {
            if let Some(draft) = self.files.get_mut(&path)
                && matches!(draft, Draft::Leaving(_))
            {
                *draft = Draft::Stored(blob);
            }
        }
    }

    pub(super) fn is_storing(&self) -> bool {
        self.is_storing
    }

    /// Every file and what it will hold.
    pub(super) fn into_contents(self) -> impl Iterator<Item = (RepoPath, FileContent)> {
        self.files.into_iter().map(|(path, draft)| match draft {
            Draft::Bytes(bytes) | Draft::Leaving(bytes) => (path, FileContent::Bytes(bytes)),
            Draft::Stored(blob) => (path, FileContent::Stored(blob)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(number: usize) -> RepoPath {
        RepoPath::parse(&format!("a/{number}.yaml")).unwrap()
    }

    #[test]
    fn small_files_leave_the_memory_unless_they_changed_meanwhile() {
        let mut drafts = Drafts::default();
        let small = |digit: u8| vec![digit; SMALL];
        drafts.insert(path(1_000), vec![b'x'; 2 * PART]);
        assert!(drafts.take_part().is_none(), "it is too large to be read again and again");
        for number in 1..PART / SMALL {
            drafts.insert(path(number), small(0));
            drafts.insert(path(number), small(1));
        }
        assert!(drafts.take_part().is_none(), "a file counts once");
        drafts.insert(path(0), small(0));
        drafts.remove(&path(0));
        assert!(drafts.take_part().is_none(), "what is gone does not count");
        drafts.insert(path(0), small(0));
        assert_eq!(drafts.take_part().map(|(paths, _)| paths.len()), Some(PART / SMALL));
    }

    #[test]
    fn what_changed_while_it_was_stored_stays() {
        let mut drafts = Drafts::default();
        (0..PART / SMALL).for_each(|number| drafts.insert(path(number), vec![0; SMALL]));
        let (paths, contents) = drafts.take_part().unwrap();
        assert_eq!((paths.len(), contents.len(), drafts.is_storing()), (PART / SMALL, PART / SMALL, true));
        drafts.insert(path(1), b"changed".to_vec());
        drafts.remove(&path(2));
        drafts.note_stored(paths, (0..PART / SMALL).map(|number| BlobId([number as u8; 20])).collect());
        assert!(!drafts.is_storing() && drafts.take_part().is_none());
        let of_first = [0, 1, 2, 3].map(|number| (drafts.stored(&path(number)), drafts.bytes(&path(number)).cloned()));
        let [first, changed, gone, last] = of_first;
        assert!(first.0.is_some() && first.1.is_none() && last.0.is_some());
        assert_eq!((changed, gone), ((None, Some(b"changed".to_vec())), (None, None)));
        drafts.insert(path(0), b"read again".to_vec());
        let bytes = |(_, content)| matches!(content, FileContent::Bytes(_));
        assert_eq!(drafts.into_contents().map(bytes).take(3).collect::<Vec<_>>(), [true, true, false]);
    }

    #[test]
    fn what_could_not_be_stored_stays() {
        let mut drafts = Drafts::default();
        (0..PART / SMALL).for_each(|number| drafts.insert(path(number), vec![0; SMALL]));
        let (paths, _) = drafts.take_part().unwrap();
        drafts.note_stored(paths, Vec::new());
        assert!(drafts.into_contents().all(|(_, content)| matches!(content, FileContent::Bytes(_))));
    }
}
