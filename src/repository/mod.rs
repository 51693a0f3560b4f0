//! One Git repository: credentials, fetch, trees and blobs, commit, push.
//!
//! The engine sees it through [`Remote`] only. Nothing here knows what a manifest is: it carries bytes.

mod commit;
mod conversation;
pub mod credentials;
mod directory;
mod failure;
mod fetch;
mod history;
mod housekeeping;
mod known_hosts;
pub mod libgit2;
mod links;
mod local;
mod pack;
mod push;
#[allow(clippy::module_inception)]
mod repository;
mod tree;
pub mod url;

use std::fmt;

pub use credentials::{Credentials, Source};
pub use libgit2::{Libgit2, Libgit2Settings};
pub use repository::{Repository, RepositorySettings, parse_git_path};
pub use url::{GitUrl, LocalUrls};

use futures::future::BoxFuture;

use crate::object::RepoPath;

/// Id of a commit (SHA-1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommitId(pub [u8; 20]);

/// Id of a blob (SHA-1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobId(pub [u8; 20]);

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl CommitId {
    /// The first 12 hexadecimal digits, for people.
    pub fn short(&self) -> String {
        self.to_string().chars().take(12).collect()
    }
}

impl std::str::FromStr for CommitId {
    type Err = NoCommitId;

    /// Reads 40 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, NoCommitId> {
        let is_one = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let byte = |at: usize| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok();
        let digits: Option<Vec<u8>> = is_one.then(|| (0..20).filter_map(byte).collect());
        digits.and_then(|digits| digits.try_into().ok()).map(CommitId).ok_or(NoCommitId)
    }
}

/// A text that is not the id of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a commit: 40 hexadecimal digits")]
pub struct NoCommitId;

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What stands at a path that differs between two commits.
#[derive(Debug)]
pub enum FileState<'a> {
    /// Nothing any more.
    Gone,
    /// A regular file.
    File {
        /// Its blob, by which [`Remote::read`] gives the bytes again.
        blob: BlobId,
        /// Its content.
        bytes: &'a [u8],
    },
    /// Something that is never read: a symlink, a submodule, a file over the size cap. Says which.
    Unread(&'static str),
}

/// Called once for each path that differs, on a blocking thread. Bytes are only borrowed, so that no commit is ever
/// held in memory whole.
pub type Visit = Box<dyn FnMut(RepoPath, FileState<'_>) + Send>;

/// One file of a new commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileWrite {
    /// Where, from the repository's root.
    pub path: RepoPath,
    /// What it is to hold.
    pub content: FileContent,
}

/// What a file of a new commit is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileContent {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What [`Remote::store`] made a blob of.
    Stored(BlobId),
    /// Nothing: it is removed.
    Gone,
}

/// A commit to be made.
#[derive(Clone, Debug)]
pub struct NewCommit {
    /// The commit that the writes were planned on; `None` in an empty repository.
    pub parent: Option<CommitId>,
    /// What changes. Never empty.
    pub writes: Vec<FileWrite>,
    /// The whole message with trailers.
    pub message: String,
    /// Author and committer name.
    pub name: String,
    /// Author and committer mail address.
    pub email: String,
}

/// A commit as the history tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedCommit {
    /// The commit.
    pub id: CommitId,
    /// Its first parent.
    pub parent: CommitId,
    /// Its whole message.
    pub message: String,
}

/// One branch of one remote repository, as the engine sees it.
///
/// Every future is independent of `&self`, finishes within the network timeouts, and may be dropped.
pub trait Remote: Send + Sync + 'static {
    /// Asks the remote for the branch's tip and fetches it when it is not known yet.
    /// `None`: the branch does not exist and there is nothing to make it from (an empty repository).
    fn fetch(&self) -> BoxFuture<'static, Result<Option<CommitId>, RepositoryError>>;

    /// Visits every path below `gitPath` that differs between two fetched commits (`None`: the empty tree), and returns when all are visited. Only
    /// blobs that differ are read.
    fn changes(
        &self,
        from: Option<CommitId>,
        to: Option<CommitId>,
        visit: Visit,
    ) -> BoxFuture<'static, Result<(), RepositoryError>>;

    /// The content of blobs that a visit named, in the order asked for.
    fn read(&self, blobs: Vec<BlobId>) -> BoxFuture<'static, Result<Vec<Vec<u8>>, RepositoryError>>;

    /// Stores contents of files that a later commit is to have. Returns their blobs in the same order.
    fn store(&self, contents: Vec<Vec<u8>>) -> BoxFuture<'static, Result<Vec<BlobId>, RepositoryError>>;

    /// Makes the commit locally. Same writes on the same parent with an equal result tree as the parent's: `Ok(None)`, nothing to do.
    fn commit(&self, commit: NewCommit) -> BoxFuture<'static, Result<Option<CommitId>, RepositoryError>>;

    /// What is followed: the repository, the branch and the folder. The same text means the same place. `None` before the
    /// first [`Remote::fetch`] has told which branch that is.
    fn source(&self) -> Option<String>;

    /// Gets commits that the branch had once. For each whether it is here now; `false`: the remote no longer gives it.
    fn obtain(&self, commits: Vec<CommitId>) -> BoxFuture<'static, Result<Vec<bool>, RepositoryError>>;

    /// Whether `later` was made from `earlier`, as far as the history that is here tells.
    fn is_before(&self, earlier: CommitId, later: CommitId) -> BoxFuture<'static, Result<bool, RepositoryError>>;

    /// The commits after `from` up to `to`, by first parents, newest first; none when they are too many, or when `from` does
    /// not come before `to` as far as the history that is here tells.
    fn log(&self, from: CommitId, to: CommitId) -> BoxFuture<'static, Result<Vec<LoggedCommit>, RepositoryError>>;

    /// The blobs of files as a commit has them; `None` where there is no file.
    fn blobs(
        &self,
        commit: CommitId,
        paths: Vec<RepoPath>,
    ) -> BoxFuture<'static, Result<Vec<Option<BlobId>>, RepositoryError>>;

    /// Pushes a commit made by [`Remote::commit`] to the branch, never by force.
    fn push(&self, commit: CommitId) -> BoxFuture<'static, Result<(), PushError>>;
}

/// Why a push did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The branch moved in the meantime: fetch, plan again on the new head, push again.
    #[error("the branch moved on the remote since it was fetched")]
    Raced,
    /// The remote refused (protected branch, hook, quota); the text is the remote's.
    #[error("the remote refused the push: {0}")]
    Refused(String),
    /// The remote could not be reached or did not let us in.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
}

/// Why the repository could not be used. Never holds a credential.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// Network, name resolution or timeout: worth trying again.
    #[error("cannot reach {remote}: {message}")]
    Unreachable {
        /// The remote without credentials.
        remote: String,
        /// What happened and what to do.
        message: String,
    },
    /// The remote did not accept the credentials, or its host key is not known.
    #[error("{remote} did not let us in: {message}")]
    Denied {
        /// The remote without credentials.
        remote: String,
        /// What happened and what to do.
        message: String,
    },
    /// The URL or branch is not one that can be used.
    #[error("{0}")]
    Invalid(String),
    /// Anything else that libgit2 reports.
    #[error("git: {0}")]
    Git(String),
}
