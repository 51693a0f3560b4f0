//! Owns fetching from and pushing to a repository on the same machine. libgit2's own way to push overwrites the branch
//! without looking again; this must never do so, nor leave a branch that names what is not there. Its own way to fetch
//! looks for similar objects before it copies them, which takes longer than all the rest.

use std::collections::HashSet;
use std::path::Path;

use git2::{ErrorCode, Oid, Sort, Tree};

use super::conversation::Conversation;
use super::fetch::{Branch, TIP, commit_id};
use super::links::{self, Pack};
use super::push::{Standing, parent_of};
use super::tree::oid;
use super::{CommitId, PushError, failure, pack};

/// Up to so many objects are written one by one, more go into one pack. As `git` itself does it (`unpackLimit`), because
/// a pack for each small push would make every later look-up slower.
const LOOSE: usize = 100;

/// Pushes into the bare repository at `path`. No hook runs.
pub(super) fn push(
    git: &git2::Repository,
    path: &Path,
    talk: &Conversation<'_>,
    fetched: &Branch,
    commit: CommitId,
) -> Result<(), PushError> {
    let failed = |error: git2::Error| PushError::from(failure::remote(&error, talk));
    let remote = git2::Repository::open(path).map_err(failed)?;
    if !remote.is_bare() {
        return Err(PushError::Refused(format!(
            "{} has a work tree, which a push would leave behind; use a bare repository",
            talk.url
        )));
    }
    let reference = fetched.reference();
    let there = match remote.refname_to_id(&reference) {
        Ok(id) => Some(commit_id(id)?),
        Err(error) if error.code() == ErrorCode::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    let parent = parent_of(git, commit)?;
    match Standing::of(there, parent, commit, fetched) {
        Standing::Ready => {}
        Standing::Arrived => return Ok(()),
        Standing::Moved => return Err(PushError::Raced),
    }

    send(git, &remote, parent, commit).map_err(failed)?;

    // Both compare under the reference's lock.
    let moved = match there {
        Some(there) => remote.reference_matching(&reference, oid(&commit.0)?, true, oid(&there.0)?, "push"),
        None => remote.reference(&reference, oid(&commit.0)?, false, "push"),
    };
    match moved {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.code(), ErrorCode::Modified | ErrorCode::Exists | ErrorCode::Locked) => {
            Err(PushError::Raced)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Copies what the commit has and its parent has not.
fn send(
    git: &git2::Repository,
    remote: &git2::Repository,
    parent: Option<CommitId>,
    commit: CommitId,
) -> Result<(), git2::Error> {
    let id = Oid::from_bytes(&commit.0)?;
    let parent = parent.map(|parent| git.find_commit(Oid::from_bytes(&parent.0)?)?.tree()).transpose()?;
    let mut new = Vec::new();
    collect(git, parent.as_ref(), &git.find_commit(id)?.tree()?, &mut new)?;
    new.push(id);
    copy(git, remote, new)
}

/// Copies a commit and all that it is made from out of the repository at `path`, as far as it is not here. What is here by
/// then is whole: no commit comes before what belongs to it.
pub(super) fn fetch(git: &git2::Repository, path: &Path, tip: Oid) -> Result<(), git2::Error> {
    let remote = git2::Repository::open(path)?;
    let objects = remote.commondir().join("objects");
    let alternate = objects.to_str().ok_or_else(|| git2::Error::from_str("the path is no text"))?;
    // Opened once more, so that nothing else of ours depends on objects that are only there.
    let both = git2::Repository::open_bare(git.path())?;
    both.odb()?.add_disk_alternate(alternate)?;
    let here = git.odb()?;
    let (mut new, mut seen) = (Vec::new(), HashSet::new());
    let mut walk = both.revwalk()?;
    walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE)?;
    walk.push(tip)?;
    let known = git.refname_to_id(TIP).ok();
    if let Some(known) = known {
        walk.hide(known)?;
    }
    for id in walk {
        let commit = both.find_commit(id?)?;
        let before = commit.parents().next().map(|parent| parent.tree()).transpose()?;
        let mut of_commit = Vec::new();
        collect(&both, before.as_ref(), &commit.tree()?, &mut of_commit)?;
        of_commit.push(commit.id());
        new.extend(of_commit.into_iter().filter(|id| seen.insert(*id) && !here.exists(*id)));
    }
    if known.is_some() {
        return copy(&both, git, new);
    }
    // The tip comes last, alone or with its pack: without it nothing of this counts as fetched.
    let (last, packs): (Vec<Pack>, Vec<Pack>) =
        links::packs(&objects, &seen).unwrap_or_default().into_iter().partition(|pack| pack.has(tip));
    for pack in packs.iter().filter(|pack| pack.link(git).is_ok()) {
        for id in &pack.ids {
            seen.remove(id);
        }
    }
    new.retain(|id| seen.contains(id));
    let (of_last, others) = new.into_iter().partition(|id| last.iter().any(|pack| pack.has(*id)));
    copy(&both, git, others)?;
    match last.iter().all(|pack| pack.link(git).is_ok()) {
        true => Ok(()),
        false => copy(&both, git, of_last),
    }
}

/// Copies objects: what others name comes before them.
fn copy(git: &git2::Repository, remote: &git2::Repository, new: Vec<Oid>) -> Result<(), git2::Error> {
    if new.len() <= LOOSE {
        let (from, to) = (git.odb()?, remote.odb()?);
        for id in new {
            let object = from.read(id)?;
            to.write(object.kind(), object.data())?;
        }
        return Ok(());
    }
    pack::copy(git, remote, new)
}

/// The trees and blobs of `new` that `old` has not at the same place, what is inside before what it is in.
fn collect(
    git: &git2::Repository,
    old: Option<&Tree<'_>>,
    new: &Tree<'_>,
    out: &mut Vec<Oid>,
) -> Result<(), git2::Error> {
    if old.is_some_and(|old| old.id() == new.id()) {
        return Ok(());
    }
    for entry in new {
        let before = old.and_then(|old| old.get_name_bytes(entry.name_bytes()));
        if before.as_ref().is_some_and(|before| before.id() == entry.id()) {
            continue;
        }
        match entry.kind() {
            Some(git2::ObjectType::Tree) => {
                let before = before.filter(|before| before.kind() == entry.kind());
                let before = before.map(|before| git.find_tree(before.id())).transpose()?;
                collect(git, before.as_ref(), &git.find_tree(entry.id())?, out)?;
            }
            Some(git2::ObjectType::Blob) => out.push(entry.id()),
            // A submodule's commit is in another repository.
            _ => {}
        }
    }
    out.push(new.id());
    Ok(())
}
