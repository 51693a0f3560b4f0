//! Owns what is asked of commits that are not the tip: whether the remote still gives them, which came first, and what a
//! file said in one. Must never get more history than it was asked for.

use git2::{AutotagOption, Direction, ErrorClass, ErrorCode, FetchOptions, ObjectType, Oid, RemoteRedirect};

use super::conversation::Conversation;
use super::fetch::{Branch, proxy};
use super::tree::oid;
use super::{BlobId, CommitId, LoggedCommit, RepositoryError, failure};
use crate::object::RepoPath;

/// How many commits before one that is asked for by its id come with it, so that an earlier head is known as one.
const BEFORE: i32 = 50;

/// How far back the branch is looked through on servers that give no commit by its id.
const DEPTHS: [i32; 2] = [50, 1_000];

/// How many commits are told of at most.
const LOG: usize = 500;

/// Gets the commits that are not here yet. For each whether it is here now; those that the remote gives neither by their id
/// nor as one of the branch's latest thousand are not.
pub(super) fn obtain(
    git: &git2::Repository,
    talk: &Conversation<'_>,
    branch: Option<&Branch>,
    wanted: &[CommitId],
) -> Result<Vec<bool>, RepositoryError> {
    let here = |git: &git2::Repository| -> Result<Vec<bool>, RepositoryError> {
        let odb = git.odb().map_err(|error| failure::local(&error))?;
        wanted.iter().map(|commit| Ok(odb.exists(oid(&commit.0)?))).collect()
    };
    let mut known = here(git)?;
    // A clone from the same machine is never shallow: what is not here does not belong to the branch.
    if known.iter().all(|known| *known) || talk.url.as_file().is_some() {
        return Ok(known);
    }
    for (commit, _) in wanted.iter().zip(&known).filter(|(_, known)| !**known) {
        match download(git, talk, &commit.to_string(), BEFORE) {
            Ok(()) => {}
            Err(error) if is_refusal(&error) => tracing::debug!(%commit, %error, "not given by its id"),
            Err(error) => return Err(failure::remote(&error, talk)),
        }
    }
    known = here(git)?;
    let Some(branch) = branch.filter(|branch| branch.exists) else { return Ok(known) };
    for depth in DEPTHS {
        if known.iter().all(|known| *known) {
            break;
        }
        download(git, talk, &branch.reference(), depth).map_err(|error| failure::remote(&error, talk))?;
        known = here(git)?;
    }
    Ok(known)
}

fn download(git: &git2::Repository, talk: &Conversation<'_>, what: &str, depth: i32) -> Result<(), git2::Error> {
    let mut remote = git.remote_anonymous(&talk.url.for_libgit2())?;
    let mut connection = remote.connect_auth(Direction::Fetch, Some(talk.callbacks()), Some(proxy(talk)))?;
    let mut options = FetchOptions::new();
    options.remote_callbacks(talk.callbacks()).proxy_options(proxy(talk)).depth(depth);
    options.download_tags(AutotagOption::None).follow_redirects(RemoteRedirect::None).update_fetchhead(false);
    connection.remote().download(&[what], Some(&mut options))
}

/// Whether a server gave a commit by its id neither before nor after it was asked. What breaks off in between looks the same
/// to libgit2 as a refusal; the branch is looked through then, and that tells whether the server is there.
fn is_refusal(error: &git2::Error) -> bool {
    error.code() == ErrorCode::Eof
        || matches!(error.class(), ErrorClass::Invalid | ErrorClass::Net | ErrorClass::Odb | ErrorClass::Reference)
        || error.message().contains("not our ref")
}

/// Whether `later` was made from `earlier`, as far as the history that is here tells.
pub(super) fn is_before(git: &git2::Repository, earlier: CommitId, later: CommitId) -> Result<bool, RepositoryError> {
    match git.graph_descendant_of(oid(&later.0)?, oid(&earlier.0)?) {
        Ok(descends) => Ok(descends),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(false),
        Err(error) => Err(failure::local(&error)),
    }
}

/// What each path holds in a commit; `None` where that is no file.
pub(super) fn blobs(
    git: &git2::Repository,
    commit: CommitId,
    paths: &[RepoPath],
) -> Result<Vec<Option<BlobId>>, RepositoryError> {
    let tree = git.find_commit(oid(&commit.0)?).and_then(|commit| commit.tree()).map_err(|e| failure::local(&e))?;
    let blob = |path: &RepoPath| {
        let entry = tree.get_path(std::path::Path::new(path.as_str())).ok()?;
        let is_file = entry.kind() == Some(ObjectType::Blob) && entry.filemode_raw() & 0o170_000 == 0o100_000;
        is_file.then(|| blob_id(entry.id()))?
    };
    Ok(paths.iter().map(blob).collect())
}

fn blob_id(id: Oid) -> Option<BlobId> {
    id.as_bytes().try_into().map(BlobId).ok()
}

/// The commits after `from` up to `to`, by first parents, newest first; none when `from` is not reached.
pub(super) fn log(git: &git2::Repository, from: CommitId, to: CommitId) -> Result<Vec<LoggedCommit>, RepositoryError> {
    let mut all = Vec::new();
    let mut id = to;
    while id != from {
        // Beyond what is here there is nothing to be told.
        let Ok(commit) = git.find_commit(oid(&id.0)?) else { return Ok(Vec::new()) };
        let Some(parent) = commit.parent_id(0).ok().and_then(|parent| parent.as_bytes().try_into().ok()) else {
            return Ok(Vec::new());
        };
        let parent = CommitId(parent);
        let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
        all.push(LoggedCommit { id, parent, message });
        if all.len() > LOG {
            return Ok(Vec::new());
        }
        id = parent;
    }
    Ok(all)
}
