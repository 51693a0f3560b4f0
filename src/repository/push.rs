//! Owns bringing a commit to the remote's branch. Must never force, delete, or push onto anything but the commit's own
//! parent, and never take silence for success.

use git2::{Direction, ErrorCode, PushOptions, RemoteRedirect};

use super::conversation::Conversation;
use super::fetch::{Branch, commit_id, proxy};
use super::tree::oid;
use super::{CommitId, PushError, RepositoryError, failure};

/// What is to be done, seen from where the remote's branch stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The branch stands where the commit begins, or does not exist and is to be made.
    Ready,
    /// The commit is its tip: an earlier push arrived whose answer did not.
    Arrived,
    /// It stands somewhere else.
    Moved,
}

impl Standing {
    /// Git itself would also push onto an older commit of the same line, and make a deleted branch again. Both would undo
    /// what a person did on the remote, so the commit must follow on exactly what is there.
    pub fn of(there: Option<CommitId>, parent: Option<CommitId>, commit: CommitId, fetched: &Branch) -> Self {
        match there {
            Some(there) if there == commit => Self::Arrived,
            Some(there) if Some(there) == parent => Self::Ready,
            None if !fetched.exists && fetched.tip == parent => Self::Ready,
            _ => Self::Moved,
        }
    }
}

/// The first parent of a commit that is here.
pub(super) fn parent_of(git: &git2::Repository, commit: CommitId) -> Result<Option<CommitId>, RepositoryError> {
    let commit = git.find_commit(oid(&commit.0)?).map_err(|error| failure::local(&error))?;
    commit.parent_ids().next().map(commit_id).transpose()
}

/// Pushes over the network.
pub(super) fn push(
    git: &git2::Repository,
    talk: &Conversation<'_>,
    fetched: &Branch,
    commit: CommitId,
) -> Result<(), PushError> {
    let failed = |error: git2::Error| PushError::from(failure::remote(&error, talk));
    let reference = fetched.reference();
    let parent = parent_of(git, commit)?;

    let mut remote = git.remote_anonymous(&talk.url.for_libgit2()).map_err(failed)?;
    let mut connection =
        remote.connect_auth(Direction::Push, Some(talk.callbacks()), Some(proxy(talk))).map_err(failed)?;
    let heads = connection.list().map_err(failed)?;
    let there = heads.iter().find(|head| head.name() == reference).map(|head| commit_id(head.oid())).transpose()?;
    match Standing::of(there, parent, commit, fetched) {
        Standing::Ready => {}
        Standing::Arrived => return Ok(()),
        Standing::Moved => return Err(PushError::Raced),
    }

    let mut options = PushOptions::new();
    options.remote_callbacks(talk.callbacks()).proxy_options(proxy(talk)).follow_redirects(RemoteRedirect::None);
    // The server compares with what it told us just now and refuses if that changed meanwhile.
    let pushed = connection.remote().push(&[format!("{commit}:{reference}")], Some(&mut options));

    let answer =
        talk.seen.borrow().references.iter().find(|(name, _)| *name == reference).map(|(_, status)| status.clone());
    match (answer, pushed) {
        (Some(Some(status)), _) => Err(failure::declined(&status, talk)),
        (Some(None), Ok(())) => Ok(()),
        (None, Ok(())) => {
            Err(RepositoryError::Git(format!("{} did not say what became of {reference}", talk.url)).into())
        }
        (_, Err(error)) if error.code() == ErrorCode::NotFastForward => Err(PushError::Raced),
        (_, Err(error)) if error.message().contains("unpacking the sent packfile failed") => {
            Err(failure::declined(error.message(), talk))
        }
        (_, Err(error)) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_only_ever_follows_on_its_own_parent() {
        let [old, parent, commit, other] = [1, 2, 3, 4].map(|digit| CommitId([digit; 20]));
        let existing = Branch { name: "main".into(), exists: true, tip: Some(parent) };
        let missing = Branch { exists: false, ..existing.clone() };
        let empty = Branch { exists: false, tip: None, ..existing.clone() };
        for (there, parent, fetched, standing) in [
            (Some(parent), Some(parent), &existing, Standing::Ready),
            (Some(commit), Some(parent), &existing, Standing::Arrived),
            (Some(other), Some(parent), &existing, Standing::Moved),
            // Somebody took the latest commit back.
            (Some(old), Some(parent), &existing, Standing::Moved),
            // Somebody deleted the branch.
            (None, Some(parent), &existing, Standing::Moved),
            (None, Some(parent), &missing, Standing::Ready),
            (None, Some(old), &missing, Standing::Moved),
            // Somebody made the branch that we were about to make.
            (Some(other), Some(parent), &missing, Standing::Moved),
            (Some(parent), Some(parent), &missing, Standing::Ready),
            (None, None, &empty, Standing::Ready),
            (Some(other), None, &empty, Standing::Moved),
        ] {
            assert_eq!(Standing::of(there, parent, commit, fetched), standing, "{there:?} {parent:?} {fetched:?}");
        }
    }
}
