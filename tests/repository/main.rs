//! The repository module against real remotes: a bare repository on disk, a real sshd, a real `git http-backend`, and
//! servers that never answer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../support/git.rs"]
mod git;
#[path = "../support/git_http.rs"]
mod git_http;
#[path = "../support/sshd.rs"]
mod sshd;

mod branches;
mod commits;
mod http;
mod silence;
mod ssh;
mod tls;
mod trees;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use git::BareRepo;
use kubeferry::repository::{
    BlobId, CommitId, Credentials, FileContent, FileState, FileWrite, GitUrl, LocalUrls, NewCommit, PushError, Remote,
    Repository, RepositoryError, RepositorySettings, parse_git_path,
};

/// Fails instead of hanging.
async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(120), work).await.expect("done in time")
}

fn settings(url: &str) -> RepositorySettings {
    RepositorySettings {
        directory: env!("CARGO_TARGET_TMPDIR").into(),
        ..RepositorySettings::new(GitUrl::parse(url, LocalUrls::Allowed).unwrap())
    }
}

fn open(settings: RepositorySettings) -> Repository {
    Repository::new(git::libgit2(), settings).unwrap()
}

fn open_file(repo: &BareRepo) -> Repository {
    open(settings(&repo.url()))
}

/// A path that differs, as text: its content, `gone`, or why it was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    Gone,
    File(String, BlobId),
    Unread(String),
}

async fn changes(
    repository: &Repository,
    from: Option<CommitId>,
    to: Option<CommitId>,
) -> Result<Vec<(String, Change)>, RepositoryError> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let into = seen.clone();
    let visit = Box::new(move |path: kubeferry::object::RepoPath, state: FileState<'_>| {
        let change = match state {
            FileState::Gone => Change::Gone,
            FileState::File { blob, bytes } => Change::File(String::from_utf8_lossy(bytes).into_owned(), blob),
            FileState::Unread(why) => Change::Unread(why.to_owned()),
        };
        into.lock().unwrap().push((path.as_str().to_owned(), change));
    });
    within(repository.changes(from, to, visit)).await?;
    Ok(Arc::try_unwrap(seen).unwrap().into_inner().unwrap())
}

/// Paths and contents, without ids.
async fn texts(repository: &Repository, from: Option<CommitId>, to: Option<CommitId>) -> Vec<String> {
    let shown = |(path, change)| match change {
        Change::Gone => format!("{path} gone"),
        Change::File(text, _) => format!("{path}={text}"),
        Change::Unread(why) => format!("{path}: {why}"),
    };
    changes(repository, from, to).await.unwrap().into_iter().map(shown).collect()
}

fn new_commit(parent: Option<CommitId>, writes: &[(&str, Option<&str>)]) -> NewCommit {
    NewCommit {
        parent,
        writes: writes
            .iter()
            .map(|(path, text)| FileWrite {
                path: path.parse().unwrap(),
                content: text.map_or(FileContent::Gone, |text| FileContent::Bytes(text.as_bytes().to_vec())),
            })
            .collect(),
        message: "Update web\n\nKubeferry-Instance: a/b c\n".to_owned(),
        name: "kubeferry".to_owned(),
        email: "kubeferry@example.com".to_owned(),
    }
}

async fn commit(
    repository: &Repository,
    parent: Option<CommitId>,
    writes: &[(&str, Option<&str>)],
) -> Option<CommitId> {
    within(repository.commit(new_commit(parent, writes))).await.unwrap()
}

/// Fetches, changes one file on top of that, pushes.
async fn edit(repository: &Repository, path: &str, text: &str) -> Result<CommitId, PushError> {
    let tip = within(repository.fetch()).await?;
    let made = commit(repository, tip, &[(path, Some(text))]).await.expect("a change");
    within(repository.push(made)).await?;
    Ok(made)
}

fn git_path(text: &str) -> Option<kubeferry::object::RepoPath> {
    parse_git_path(text).unwrap()
}

fn with_key(url: &str, key: &sshd::KeyPair) -> RepositorySettings {
    let credentials = Credentials { ssh_key: key.path(), ..Credentials::default() };
    RepositorySettings { credentials, ..settings(url) }
}

/// Runs one of the ignored tests in a process of its own, because libgit2's settings are those of a process: its patience
/// in milliseconds, the known hosts, an authority.
fn child(test: &str, patience: &str) {
    child_with(test, patience, &[]);
}

fn child_with(test: &str, patience: &str, variables: &[(&str, Option<&std::ffi::OsStr>)]) {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]).env(git::PATIENCE, patience);
    command.envs(variables.iter().filter_map(|(name, value)| value.map(|value| (name, value))));
    let output = command.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
