//! Owns comparing two trees and reading blobs. Must never read what did not change, follow a link, or hold more than one
//! file in memory.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::sync::atomic::{AtomicU64, Ordering as Memory};

use git2::{ErrorCode, ObjectType, Oid, Tree, TreeEntry};

use super::{BlobId, CommitId, FileState, RepositoryError, failure};
use crate::object::RepoPath;

/// Folders in folders beyond this are not looked into. Git has no limit, but the stack has.
const MAX_DEPTH: usize = 64;

/// A commit may describe billions of files in a few kilobytes, by naming the same folder again and again.
const MAX_FILES: u64 = 2_000_000;

/// The kinds of entries in a tree, by their mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum EntryKind {
    File,
    Folder,
    Link,
    Submodule,
    Other,
}

fn kind(entry: &TreeEntry<'_>) -> EntryKind {
    match entry.filemode_raw() & 0o170_000 {
        0o100_000 => EntryKind::File,
        0o040_000 => EntryKind::Folder,
        0o120_000 => EntryKind::Link,
        0o160_000 => EntryKind::Submodule,
        _ => EntryKind::Other,
    }
}

/// Reads blobs and counts them.
pub(super) struct Blobs<'a> {
    pub git: &'a git2::Repository,
    pub most_bytes: u64,
    pub read: &'a AtomicU64,
}

impl Blobs<'_> {
    /// The content of a blob that was not too large when it was visited.
    pub fn read(&self, blob: BlobId) -> Result<Vec<u8>, RepositoryError> {
        let mut bytes = Vec::new();
        let known = self.with(oid(&blob.0)?, |content| bytes = content.to_vec())?;
        if known { Ok(bytes) } else { Err(RepositoryError::Git(format!("blob {blob} is larger than what is read"))) }
    }

    /// `false`: too large, and not read.
    fn with(&self, id: Oid, then: impl FnOnce(&[u8])) -> Result<bool, RepositoryError> {
        let odb = self.git.odb().map_err(|error| failure::local(&error))?;
        let (size, _) = odb.read_header(id).map_err(|error| failure::local(&error))?;
        if size as u64 > self.most_bytes {
            return Ok(false);
        }
        let object = odb.read(id).map_err(|error| failure::local(&error))?;
        if object.kind() != ObjectType::Blob {
            return Err(RepositoryError::Git(format!("{id} is no blob")));
        }
        self.read.fetch_add(1, Memory::Relaxed);
        then(object.data());
        Ok(true)
    }
}

/// Visits each path below `folder` that differs between two commits, in Git's order.
pub(super) fn changes(
    blobs: &Blobs<'_>,
    folder: Option<&RepoPath>,
    from: Option<CommitId>,
    to: Option<CommitId>,
    visit: &mut (dyn FnMut(RepoPath, FileState<'_>) + Send),
) -> Result<(), RepositoryError> {
    let old = from.map(|commit| folder_of(blobs.git, commit, folder)).transpose()?.flatten();
    let new = to.map(|commit| folder_of(blobs.git, commit, folder)).transpose()?.flatten();
    if old.as_ref().map(Tree::id) == new.as_ref().map(Tree::id) {
        return Ok(());
    }
    let path = folder.map(|folder| folder.as_str().to_owned()).unwrap_or_default();
    Comparison { blobs, visit, path, seen: 0 }.trees(old.as_ref(), new.as_ref(), 0)
}

/// The tree of `folder` in a commit; `None` when there is nothing at that path.
fn folder_of<'a>(
    git: &'a git2::Repository,
    commit: CommitId,
    folder: Option<&RepoPath>,
) -> Result<Option<Tree<'a>>, RepositoryError> {
    let found = git.find_commit(oid(&commit.0)?).and_then(|commit| commit.tree());
    let mut tree = found.map_err(|error| match error.code() {
        ErrorCode::NotFound => RepositoryError::Git(format!("commit {commit} is not here; fetch first")),
        _ => failure::local(&error),
    })?;
    let Some(folder) = folder else { return Ok(Some(tree)) };
    for segment in folder.as_str().split('/') {
        let Some((kind, id)) = tree.get_name_bytes(segment.as_bytes()).map(|entry| (kind(&entry), entry.id())) else {
            return Ok(None);
        };
        if kind != EntryKind::Folder {
            return Err(RepositoryError::Invalid(format!(
                "gitPath {folder} is no folder in commit {}: {segment:?} is a file, a link or a submodule there",
                commit.short()
            )));
        }
        tree = git.find_tree(id).map_err(|error| failure::local(&error))?;
    }
    Ok(Some(tree))
}

struct Comparison<'a, 'v> {
    blobs: &'a Blobs<'a>,
    visit: &'v mut (dyn FnMut(RepoPath, FileState<'_>) + Send),
    /// The folder in hand, without a `/` at its end.
    path: String,
    seen: u64,
}

impl Comparison<'_, '_> {
    fn trees(&mut self, old: Option<&Tree<'_>>, new: Option<&Tree<'_>>, depth: usize) -> Result<(), RepositoryError> {
        let mut old = old.into_iter().flatten().peekable();
        let mut new = new.into_iter().flatten().peekable();
        while let Some((old, new)) = next_pair(&mut old, &mut new) {
            let same = |a: &TreeEntry<'_>, b: &TreeEntry<'_>| a.id() == b.id() && kind(a) == kind(b);
            if let (Some(old), Some(new)) = (&old, &new)
                && same(old, new)
            {
                continue;
            }
            self.entry(old.as_ref(), new.as_ref(), depth)?;
        }
        Ok(())
    }

    /// One name that differs. Where a folder took the place of a file, or the other way round, this comes twice.
    fn entry(
        &mut self,
        old: Option<&TreeEntry<'_>>,
        new: Option<&TreeEntry<'_>>,
        depth: usize,
    ) -> Result<(), RepositoryError> {
        self.seen = self.seen.saturating_add(1);
        if self.seen > MAX_FILES {
            return Err(RepositoryError::Git(format!("more than {MAX_FILES} paths differ; limit gitPath to fewer")));
        }
        let Some(name) = new.or(old).map(TreeEntry::name_bytes) else { return Ok(()) };
        let parent = self.path.len();
        if parent > 0 {
            self.path.push('/');
        }
        // A name that is no text is shown as well as it can be.
        let shown = String::from_utf8_lossy(name);
        let readable = matches!(shown, std::borrow::Cow::Borrowed(_)) && !shown.chars().any(char::is_control);
        self.path.extend(shown.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }));

        let is_folder = |entry: Option<&TreeEntry<'_>>| entry.is_some_and(|entry| kind(entry) == EntryKind::Folder);
        let result = if is_folder(old) || is_folder(new) {
            self.folder(old, new, readable, depth)
        } else {
            self.file(new, readable)
        };
        self.path.truncate(parent);
        result
    }

    fn folder(
        &mut self,
        old: Option<&TreeEntry<'_>>,
        new: Option<&TreeEntry<'_>>,
        readable: bool,
        depth: usize,
    ) -> Result<(), RepositoryError> {
        if depth >= MAX_DEPTH {
            return self.tell(new.map_or(FileState::Gone, |_| FileState::Unread("folders nested too deeply")));
        }
        if !readable {
            return self.tell(new.map_or(FileState::Gone, |_| FileState::Unread(UNREADABLE_NAME)));
        }
        let tree = |entry: Option<&TreeEntry<'_>>| {
            entry.map(|entry| self.blobs.git.find_tree(entry.id())).transpose().map_err(|error| failure::local(&error))
        };
        let (old, new) = (tree(old)?, tree(new)?);
        self.trees(old.as_ref(), new.as_ref(), depth + 1)
    }

    fn file(&mut self, new: Option<&TreeEntry<'_>>, readable: bool) -> Result<(), RepositoryError> {
        let Some(new) = new else { return self.tell(FileState::Gone) };
        let unread = match kind(new) {
            _ if !readable => UNREADABLE_NAME,
            EntryKind::File => {
                let Some(path) = self.repo_path() else { return Ok(()) };
                let blob = blob_id(new.id());
                let visit = &mut *self.visit;
                let read = self.blobs.with(new.id(), |bytes| visit(path, FileState::File { blob, bytes }))?;
                return if read { Ok(()) } else { self.tell(FileState::Unread("a file over the size limit")) };
            }
            EntryKind::Link => "a symbolic link",
            EntryKind::Submodule => "a submodule",
            EntryKind::Folder | EntryKind::Other => "neither file nor folder",
        };
        self.tell(FileState::Unread(unread))
    }

    fn tell(&mut self, state: FileState<'_>) -> Result<(), RepositoryError> {
        if let Some(path) = self.repo_path() {
            (self.visit)(path, state);
        }
        Ok(())
    }

    /// Git refuses to make the few paths that have none, so this is for the log only.
    fn repo_path(&self) -> Option<RepoPath> {
        RepoPath::parse(&self.path)
            .inspect_err(|error| tracing::warn!(%error, "a path of the repository is not looked at"))
            .ok()
    }
}

const UNREADABLE_NAME: &str = "a name that is no plain text";

/// The next entry of either tree, or of both when they have the same name and both are folders or both are not.
fn next_pair<'a, 'b, A, B>(
    old: &mut Peekable<A>,
    new: &mut Peekable<B>,
) -> Option<(Option<TreeEntry<'a>>, Option<TreeEntry<'b>>)>
where
    A: Iterator<Item = TreeEntry<'a>>,
    B: Iterator<Item = TreeEntry<'b>>,
{
    let order = match (old.peek(), new.peek()) {
        (None, None) => return None,
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some(old), Some(new)) => sort_key(old).cmp(sort_key(new)),
    };
    let old = if order.is_le() { old.next() } else { None };
    let new = if order.is_ge() { new.next() } else { None };
    Some((old, new))
}

/// Git sorts a folder as if its name ended with `/`.
fn sort_key<'e>(entry: &'e TreeEntry<'_>) -> impl Iterator<Item = &'e u8> + use<'e> {
    let slash: &[u8] = if kind(entry) == EntryKind::Folder { b"/" } else { b"" };
    entry.name_bytes().iter().chain(slash)
}

pub(super) fn blob_id(id: Oid) -> BlobId {
    BlobId(id.as_bytes().try_into().unwrap_or_default())
}

pub(super) fn oid(bytes: &[u8; 20]) -> Result<Oid, RepositoryError> {
    Oid::from_bytes(bytes).map_err(|error| failure::local(&error))
}
