//! Owns what a commit brings: its files are read, the index follows, and what that touches is planned. Must never take a
//! manifest for gone that may only be unreadable.

use std::collections::BTreeSet;

use crate::cluster::Cluster;
use crate::manifest::{Caps, Found, Index, ManifestFile};
use crate::object::{Kinds, ObjectId, RepoPath};
use crate::repository::{BlobId, CommitId, FileState, Remote, RepositoryError};

use super::super::autoscalers::Aim;
use super::super::clock::Clock;
use super::Engine;
use super::readers::Readers;

/// How many earlier heads are remembered.
const HISTORY: usize = 100;

/// One file that a read found.
pub(super) struct ReadFile {
    pub(super) path: RepoPath,
    pub(super) file: Option<(Option<BlobId>, ManifestFile)>,
    /// What autoscalers in it aim at.
    pub(super) aims: Vec<Aim>,
}

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// The index follows to a new head; what it touches is planned.
    pub(super) fn take_commit(&mut self, to: Option<CommitId>, went_back: bool, files: Vec<ReadFile>) {
        let count = files.len();
        let (mut touched, mut concerned) = (Vec::new(), BTreeSet::new());
        let mut unreadable = None;
        let emptied = self.emptied(&files);
        for file in files {
            let path = file.path.clone();
            concerned.extend(self.claims.of(&path).cloned());
            let (of_file, targets) = self.take_file(file, emptied.contains(&path));
            touched.extend(of_file);
            concerned.extend(targets);
            if self.unreadable.contains(&path) {
                unreadable = Some(path);
            }
        }
        let mut touched = self.expand(touched);
        self.disallow(&touched);
        self.suspects.retain(|_, path| self.unreadable.contains(path));
        for id in &touched {
            // A branch that went back deletes nothing: what it lacks never agreed.
            if went_back {
                self.bases.forget(id, self.is_listed(id));
            } else if self.bases.get(id).is_some() || self.is_listed(id) {
                self.bases.differ(id, self.head);
            }
            match &unreadable {
                Some(path) if !self.in_git(id) => drop(self.suspects.insert(id.clone(), path.clone())),
                _ => drop(self.suspects.remove(id)),
            }
        }
        if let Some(head) = self.head.filter(|head| Some(*head) != to) {
            self.history.push_back(head);
            if self.history.len() > HISTORY {
                self.history.pop_front();
            }
        }
        let short = to.map(|head| head.short()).unwrap_or_default();
        tracing::info!(commit = %short, files = count, objects = touched.len(), "read");
        self.head = to;
        self.head_read = true;
        self.went_back = None;
        self.caught_up();
        // What could not be read names no identity: whatever waited for a readable manifest is asked again.
        touched.extend(std::mem::take(&mut self.hidden_ids));
        touched.extend(concerned);
        self.push_all(touched);
    }

    /// What is known of one file follows to what was read of it. `is_emptied`: something has gone that it held. Returns the
    /// identities that it touches, and the objects whose fields may have another writer now.
    pub(super) fn take_file(&mut self, read: ReadFile, is_emptied: bool) -> (Vec<ObjectId>, Vec<ObjectId>) {
        let ReadFile { path, file, aims } = read;
        let targets = self.autoscalers.set_file(&path, aims);
        let (blob, file) = file.unzip();
        match blob.flatten() {
            Some(blob) => self.blobs.insert(path.clone(), blob),
            None => self.blobs.remove(&path),
        };
        if file.as_ref().is_some_and(hides_something) || is_emptied {
            self.unreadable.insert(path.clone());
        } else {
            self.unreadable.remove(&path);
        }
        (self.index.update(&path, file), targets)
    }

    /// Files that held manifests when their objects last agreed and now hold something that shows nothing of them. Nobody
    /// minds a text that was never a manifest, but these manifests have gone somewhere.
    fn emptied(&self, files: &[ReadFile]) -> BTreeSet<RepoPath> {
        let shows_nothing = |file: &&ReadFile| file.file.as_ref().is_some_and(|(_, file)| shows_nothing(file));
        let candidates: BTreeSet<&RepoPath> = files.iter().filter(shows_nothing).map(|file| &file.path).collect();
        if candidates.is_empty() {
            return BTreeSet::new();
        }
        self.bases.paths().filter(|path| candidates.contains(path)).cloned().collect()
    }

    /// Whether Git has a manifest of the object, or something that may be one.
    pub(super) fn in_git(&self, id: &ObjectId) -> bool {
        !matches!(self.index.find(id), Found::Absent)
    }

    /// Why an object without a manifest may still have one (`docs/decisions.md` 9).
    pub(super) fn hidden(&self, id: &ObjectId) -> Option<String> {
        let last_path = self.bases.get(id).map(|base| &base.place.path);
        self.index.unreadable(id, last_path).or_else(|| {
            let path = self.suspects.get(id)?;
            Some(format!("it vanished in a commit that also left {path} unreadable; mend that file"))
        })
    }
}

/// Every file that differs between two commits.
pub(super) async fn gather<R: Remote>(
    remote: &R,
    from: Option<CommitId>,
    to: Option<CommitId>,
    caps: &Caps,
) -> Result<Vec<ReadFile>, RepositoryError> {
    let (mut reader, read) = Readers::new(caps.clone());
    let visit = move |path: RepoPath, state: FileState<'_>| match state {
        FileState::Gone => reader.put(ReadFile { path, file: None, aims: Vec::new() }),
        FileState::File { blob, bytes } => reader.read(path, blob, bytes),
        FileState::Unread(reason) => {
            let file = ManifestFile::unread(path.clone(), reason);
            reader.put(ReadFile { path, file: Some((None, file)), aims: Vec::new() });
        }
    };
    remote.changes(from, to, Box::new(visit)).await?;
    read.all().await
}

/// The objects in what differs between two commits, as the latter has them.
pub(in super::super) async fn gather_index<R: Remote>(
    remote: &R,
    from: CommitId,
    to: CommitId,
    kinds: &Kinds,
    caps: &Caps,
) -> Result<Index, RepositoryError> {
    let mut index = Index::default();
    index.set_kinds(kinds);
    for ReadFile { path, file, .. } in gather(remote, Some(from), Some(to), caps).await? {
        index.update(&path, file.map(|(_, file)| file));
    }
    Ok(index)
}

/// Whether something in the file cannot be read and does not show what it is.
pub(super) fn hides_something(file: &ManifestFile) -> bool {
    file.skips.iter().any(|skip| !skip.reason.is_quiet() && skip.shows.is_empty())
}

/// Whether there is something in the file, and none of it shows what it is.
fn shows_nothing(file: &ManifestFile) -> bool {
    let is_blank = file.objects.is_empty() && file.kustomization.is_none() && !file.skips.is_empty();
    is_blank && file.skips.iter().all(|skip| skip.shows.is_empty())
}
