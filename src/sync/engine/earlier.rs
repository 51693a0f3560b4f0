//! Owns the reading of commits at which objects once agreed. Must never decide what that is worth.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::{Caps, ManifestFile};
use crate::object::{ObjectId, RepoPath};
use crate::repository::{BlobId, CommitId, Remote, RepositoryError};

use super::super::base::Base;
use super::super::state::SavedBase;
use super::reading::{ReadFile, gather};

/// What of the past could be read.
pub(super) struct Recalled {
    /// The branch's tip as it was fetched.
    pub(super) head: Option<CommitId>,
    pub(super) saved: Box<SavedBase>,
    /// Commits that the remote still gives.
    pub(super) given: BTreeSet<CommitId>,
    /// Whether the fetched tip is older than what is remembered.
    pub(super) is_behind: bool,
    /// What differs between the commit that the index shows and the one at which both sides agreed.
    pub(super) files: Vec<ReadFile>,
    /// Identities that agreed at an earlier commit.
    pub(super) earlier: Vec<(ObjectId, CommitId, Base)>,
    /// Objects whose manifests were removed by a commit that may have arrived just before the process ended.
    pub(super) removed: Vec<ObjectId>,
}

/// Reads what was remembered, and how it stands to the branch as it is.
pub(super) async fn read_past<R: Remote>(
    remote: &R,
    head: Option<CommitId>,
    saved: Box<SavedBase>,
    from: Option<CommitId>,
    commit: CommitId,
    caps: Caps,
) -> Result<Recalled, RepositoryError> {
    let mut listed: BTreeMap<CommitId, Vec<(ObjectId, RepoPath)>> = BTreeMap::new();
    for (id, past) in saved.listed() {
        if let Some((commit, path)) = past
            && let Ok(path) = RepoPath::parse(path)
        {
            listed.entry(commit).or_default().push((id, path));
        }
    }
    let mut wanted: BTreeSet<CommitId> = listed.keys().copied().chain([commit]).collect();
    wanted.extend(saved.was_removing().map(|removing| removing.commit));
    let wanted: Vec<CommitId> = wanted.into_iter().collect();
    let known = remote.obtain(wanted.clone()).await?;
    let given: BTreeSet<CommitId> =
        wanted.into_iter().zip(known).filter(|(_, known)| *known).map(|(id, _)| id).collect();
    let is_given = given.contains(&commit);
    let is_behind = match head {
        Some(head) if is_given && head != commit => remote.is_before(head, commit).await?,
        _ => false,
    };
    let mut removed = Vec::new();
    if let Some(removing) = saved.was_removing().filter(|removing| given.contains(&removing.commit)) {
        // What was made from the tip is not in its history: servers also give commits that no branch has.
        let is_ahead = match head {
            Some(head) => remote.is_before(head, removing.commit).await?,
            None => false,
        };
        if !is_ahead {
            removed = removing.ids;
        }
    }
    let files = if is_given { gather(remote, from, Some(commit), &caps).await? } else { Vec::new() };
    let mut earlier = Vec::new();
    for (commit, ids) in listed.into_iter().filter(|(commit, _)| given.contains(commit)) {
        for (id, base) in bases_at(remote, commit, ids, &caps).await? {
            earlier.push((id, commit, base));
        }
    }
    Ok(Recalled { head, saved, given, is_behind, files, earlier, removed })
}

/// What files said of some objects at a commit.
async fn bases_at<R: Remote>(
    remote: &R,
    commit: CommitId,
    ids: Vec<(ObjectId, RepoPath)>,
    caps: &Caps,
) -> Result<Vec<(ObjectId, Base)>, RepositoryError> {
    let paths: BTreeSet<RepoPath> = ids.iter().map(|(_, path)| path.clone()).collect();
    let paths: Vec<RepoPath> = paths.into_iter().collect();
    let blobs = remote.blobs(commit, paths.clone()).await?;
    let mut found = Vec::new();
    for (path, blob) in paths.into_iter().zip(blobs) {
        let Some(blob) = blob else { continue };
        let Some(bytes) = remote.read(vec![blob]).await?.pop() else { continue };
        let file = ManifestFile::read(path.clone(), &bytes, caps);
        for (id, _) in ids.iter().filter(|(_, at)| *at == path) {
            found.extend(base_in_file(id, blob, &file).map(|base| (id.clone(), base)));
        }
    }
    Ok(found)
}

/// What a file says of an object. The file may leave out its namespace.
fn base_in_file(id: &ObjectId, blob: BlobId, file: &ManifestFile) -> Option<Base> {
    let is_it = |other: &ObjectId| {
        let same = other.group_kind() == id.group_kind() && other.name() == id.name();
        same && (other.namespace() == id.namespace() || other.namespace().is_none() || id.namespace().is_none())
    };
    let mut all = file.objects.iter().filter(|manifest| is_it(&manifest.id));
    let manifest = all.next().filter(|_| all.next().is_none())?;
    let labels = manifest.labels.clone();
    Some(Base {
        place: manifest.place.clone(),
        blob,
        manifest: manifest.digest,
        uid: None,
        manifest_labels: labels.clone(),
        live_labels: labels,
        existence: None,
        opts_out: manifest.prune_disabled,
        is_whole: true,
    })
}
