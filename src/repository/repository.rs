//! Owns the bare clone of one remote repository and the order in which it is used. Must never block the async runtime for
//! longer than one small object takes, and never let a step that waits for the network delay one that does not.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::Mutex;

use super::conversation::{Conversation, Limit};
use super::credentials::Credentials;
use super::directory::PrivateDirectory;
use super::history;
use super::libgit2::Libgit2;
use super::tree::Blobs;
use super::url::GitUrl;
use super::{
    BlobId, CommitId, LoggedCommit, NewCommit, PushError, Remote, RepositoryError, Visit, commit, failure, fetch,
    housekeeping, local, pack, push, tree,
};
use crate::object::RepoPath;

/// So many bytes are read at once, without another thread.
const SMALL: u64 = 64 << 10;

/// Which repository, and how it is used.
#[derive(Clone, Debug)]
pub struct RepositorySettings {
    /// Where it is.
    pub url: GitUrl,
    /// The branch, without `refs/heads/`; `None` is the one that the remote's HEAD names.
    pub branch: Option<String>,
    /// The folder to which reading and writing is limited (`gitPath`); `None` is the whole repository.
    pub folder: Option<RepoPath>,
    /// Where the credentials are found.
    pub credentials: Credentials,
    /// Larger files are not read.
    pub file_bytes: u64,
    /// How long one step may take in all, however busily the remote sends.
    pub longest_step: Duration,
    /// Where the private clone is made.
    pub directory: PathBuf,
}

impl RepositorySettings {
    /// The usual settings for a repository.
    pub fn new(url: GitUrl) -> Self {
        Self {
            url,
            branch: None,
            folder: None,
            credentials: Credentials::default(),
            file_bytes: 4 << 20,
            longest_step: Duration::from_secs(900),
            directory: std::env::temp_dir(),
        }
    }
}

/// `gitPath` of the rules file as a folder: `None` is the whole repository (`.`, `/` or nothing).
///
/// # Errors
///
/// [`RepositoryError::Invalid`] when it could lie outside of the repository.
pub fn parse_git_path(text: &str) -> Result<Option<RepoPath>, RepositoryError> {
    let inner = text.trim_matches('/');
    let inner = inner.strip_prefix("./").unwrap_or(inner).trim_matches('/');
    if inner.is_empty() || inner == "." {
        return Ok(None);
    }
    RepoPath::parse(inner).map(Some).map_err(|error| RepositoryError::Invalid(format!("gitPath {error}")))
}

/// A remote repository and our bare clone of it. The clone is gone with the last copy of this and of its futures.
pub struct Repository {
    inner: Arc<Inner>,
}

struct Inner {
    settings: RepositorySettings,
    libgit2: Libgit2,
    /// For fetch and push, one at a time.
    network: Arc<Mutex<git2::Repository>>,
    /// For everything else: a second handle on the same files, so that a slow remote delays nobody.
    objects: Arc<Mutex<git2::Repository>>,
    /// What the latest fetch or push found out about the branch. Changed only by who holds `network`.
    branch: std::sync::Mutex<Option<fetch::Branch>>,
    blobs_read: AtomicU64,
    /// Last, so that the files go after the handles.
    _directory: PrivateDirectory,
}

impl Repository {
    /// Makes an empty private clone. Nothing is asked of the remote yet.
    ///
    /// # Errors
    ///
    /// When the branch name is not one, or the directory cannot be written.
    pub fn new(libgit2: &Libgit2, settings: RepositorySettings) -> Result<Self, RepositoryError> {
        if let Some(branch) = &settings.branch {
            fetch::check_branch_name(branch)?;
        }
        let directory = PrivateDirectory::new(&settings.directory, "clone")?;
        let path = directory.path().join("clone.git");
        let mut options = git2::RepositoryInitOptions::new();
        options.bare(true).no_reinit(true).external_template(false);
        let git = git2::Repository::init_opts(&path, &options).map_err(|error| failure::local(&error))?;
        // Within one server a redirect is followed (renamed repositories); to another one never.
        let configured = git.config().and_then(|mut config| {
            config.set_bool("http.followRedirects", false)?;
            // Packs hold whole objects: to look for similar ones takes most of the time and memory of a large push. libgit2
            // 1.9 reads this size under the name of another.
            config.set_i64("core.bigFileThreshold", 1)?;
            config.set_i64("pack.deltaCacheSize", 1)
        });
        configured.map_err(|error| failure::local(&error))?;
        let objects = git2::Repository::open_bare(&path).map_err(|error| failure::local(&error))?;
        Ok(Self {
            inner: Arc::new(Inner {
                settings,
                libgit2: libgit2.clone(),
                network: Arc::new(Mutex::new(git)),
                objects: Arc::new(Mutex::new(objects)),
                branch: std::sync::Mutex::default(),
                blobs_read: AtomicU64::default(),
                _directory: directory,
            }),
        })
    }

    /// How many blobs were read so far: as many as differed, never as many as there are.
    pub fn blobs_read(&self) -> u64 {
        self.inner.blobs_read.load(Ordering::Relaxed)
    }

    /// The branch that is followed: the configured one, or the remote's default once [`Remote::fetch`] has found it.
    pub fn branch(&self) -> Option<String> {
        self.inner.settings.branch.clone().or_else(|| self.inner.branch().as_ref().map(|branch| branch.name.clone()))
    }

    /// Runs a step that talks to the remote. It ends early when the future is dropped and `may_end` says so.
    fn talk<T, E, F>(&self, may_end: bool, step: F) -> BoxFuture<'static, Result<T, E>>
    where
        T: Send + 'static,
        E: From<RepositoryError> + Send + 'static,
        F: FnOnce(&mut git2::Repository, &Conversation<'_>, &Inner) -> Result<T, E> + Send + 'static,
    {
        let inner = self.inner.clone();
        async move {
            let limit = Limit::new(inner.settings.longest_step);
            let _guard = may_end.then(|| AbandonOnDrop(limit.clone()));
            let longest = inner.settings.longest_step;
            let remote = inner.settings.url.to_string();
            let work = async move {
                let mut git = inner.network.clone().lock_owned().await;
                blocking(move || {
                    let settings = &inner.settings;
                    if settings.url.is_web() {
                        inner.libgit2.trust_authorities()?;
                    }
                    let talk = Conversation::new(&settings.url, &settings.credentials, &inner.libgit2, &limit);
                    step(&mut git, &talk, &inner)
                })
                .await
            };
            match tokio::time::timeout(longest, work).await {
                Ok(result) => result,
                Err(_) => {
                    let message = format!("not done within {} s", longest.as_secs_f32());
                    Err(RepositoryError::Unreachable { remote, message }.into())
                }
            }
        }
        .boxed()
    }

    /// One small blob, where nothing else is being done: it is read before another thread would be awake.
    fn read_small(&self, blobs: &[BlobId]) -> Option<Vec<u8>> {
        let [blob] = blobs else { return None };
        let git = self.inner.objects.try_lock().ok()?;
        let most_bytes = self.inner.settings.file_bytes.min(SMALL);
        Blobs { git: &git, most_bytes, read: &self.inner.blobs_read }.read(*blob).ok()
    }

    /// Runs a step on objects that are here already.
    fn local<T, F>(&self, step: F) -> BoxFuture<'static, Result<T, RepositoryError>>
    where
        T: Send + 'static,
        F: FnOnce(&mut git2::Repository, &Inner) -> Result<T, RepositoryError> + Send + 'static,
    {
        let inner = self.inner.clone();
        async move {
            let mut objects = inner.objects.clone().lock_owned().await;
            blocking(move || step(&mut objects, &inner)).await
        }
        .boxed()
    }
}

impl Inner {
    fn branch(&self) -> MutexGuard<'_, Option<fetch::Branch>> {
        // Each change is one assignment, so it is whole whoever panicked meanwhile.
        self.branch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// libgit2 keeps what others are made from in a pack, up to 16 MiB for each, as long as any handle has it open. After
    /// everything was read once nothing asks for that again.
    fn forget_unpacked(&self, objects: &mut git2::Repository) {
        if let Ok(mut network) = self.network.try_lock() {
            reopen(&mut network, objects);
        }
    }

    /// Nothing that a fetch depends on, so trouble with it is only told. Another time if the objects are in use.
    fn tidy(&self, network: &mut git2::Repository) {
        if !housekeeping::is_due(network) {
            return;
        }
        let Ok(mut objects) = self.objects.try_lock() else { return };
        let tidied = housekeeping::tidy(network);
        // Also after trouble: handles do not notice that files have gone.
        reopen(network, &mut objects);
        if let Err(error) = tidied {
            tracing::warn!(%error, "cannot tidy up the private clone; it grows");
        }
    }
}

/// Opens both handles anew. Neither opens a pack before it is asked for an object. Where a shallow history ends is known only
/// to a handle that was opened with `open`; a push that does not know looks for what is before it.
fn reopen(network: &mut git2::Repository, objects: &mut git2::Repository) {
    let path = network.path().to_owned();
    let opened = (git2::Repository::open(&path), git2::Repository::open_bare(&path));
    if let (Ok(for_network), Ok(for_objects)) = opened {
        *network = for_network;
        *objects = for_objects;
    }
}

/// Tells the thread of a step that nobody waits for its result.
struct AbandonOnDrop(Limit);

impl Drop for AbandonOnDrop {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// libgit2 blocks, so each step runs on a thread for such work.
async fn blocking<T, E>(step: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<RepositoryError> + Send + 'static,
{
    match tokio::task::spawn_blocking(step).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(RepositoryError::Git("the runtime is shutting down".to_owned()).into()),
    }
}

impl Remote for Repository {
    fn fetch(&self) -> BoxFuture<'static, Result<Option<CommitId>, RepositoryError>> {
        self.talk(true, |git, talk, inner| {
            let branch = fetch::fetch(git, talk, inner.settings.branch.as_deref())?;
            let tip = branch.tip;
            *inner.branch() = Some(branch);
            inner.tidy(git);
            Ok(tip)
        })
    }

    fn changes(
        &self,
        from: Option<CommitId>,
        to: Option<CommitId>,
        mut visit: Visit,
    ) -> BoxFuture<'static, Result<(), RepositoryError>> {
        self.local(move |git, inner| {
            let blobs = Blobs { git, most_bytes: inner.settings.file_bytes, read: &inner.blobs_read };
            let visited = tree::changes(&blobs, inner.settings.folder.as_ref(), from, to, &mut visit);
            if from.is_none() {
                inner.forget_unpacked(git);
            }
            visited
        })
    }

    fn read(&self, blobs: Vec<BlobId>) -> BoxFuture<'static, Result<Vec<Vec<u8>>, RepositoryError>> {
        if let Some(small) = self.read_small(&blobs) {
            return std::future::ready(Ok(vec![small])).boxed();
        }
        self.local(move |git, inner| {
            let source = Blobs { git, most_bytes: inner.settings.file_bytes, read: &inner.blobs_read };
            blobs.into_iter().map(|blob| source.read(blob)).collect()
        })
    }

    fn store(&self, contents: Vec<Vec<u8>>) -> BoxFuture<'static, Result<Vec<BlobId>, RepositoryError>> {
        self.local(move |git, _| {
            let blobs = pack::store(git, contents.iter().map(Vec::as_slice)).map_err(|error| failure::local(&error))?;
            Ok(blobs.into_iter().map(tree::blob_id).collect())
        })
    }

    fn commit(&self, new: NewCommit) -> BoxFuture<'static, Result<Option<CommitId>, RepositoryError>> {
        self.local(move |git, inner| commit::commit(git, inner.settings.folder.as_ref(), &new))
    }

    fn source(&self) -> Option<String> {
        let settings = &self.inner.settings;
        let folder = settings.folder.as_ref().map_or(".", |folder| folder.as_str());
        Some(format!("{}\n{}\n{folder}", settings.url, self.branch()?))
    }

    fn obtain(&self, commits: Vec<CommitId>) -> BoxFuture<'static, Result<Vec<bool>, RepositoryError>> {
        self.talk(true, move |git, talk, inner| history::obtain(git, talk, inner.branch().clone().as_ref(), &commits))
    }

    fn is_before(&self, earlier: CommitId, later: CommitId) -> BoxFuture<'static, Result<bool, RepositoryError>> {
        self.local(move |git, _| history::is_before(git, earlier, later))
    }

    fn log(&self, from: CommitId, to: CommitId) -> BoxFuture<'static, Result<Vec<LoggedCommit>, RepositoryError>> {
        self.local(move |git, _| history::log(git, from, to))
    }

    fn blobs(
        &self,
        commit: CommitId,
        paths: Vec<RepoPath>,
    ) -> BoxFuture<'static, Result<Vec<Option<BlobId>>, RepositoryError>> {
        self.local(move |git, _| history::blobs(git, commit, &paths))
    }

    fn push(&self, commit: CommitId) -> BoxFuture<'static, Result<(), PushError>> {
        // Once begun it may arrive whatever we do; giving up half-way would only hide that.
        self.talk(false, move |git, talk, inner| {
            let Some(branch) = inner.branch().clone() else {
                return Err(RepositoryError::Invalid(
                    "nothing was fetched yet, so there is no branch to push to".into(),
                )
                .into());
            };
            match inner.settings.url.as_file() {
                Some(path) => local::push(git, path, talk, &branch, commit)?,
                None => push::push(git, talk, &branch, commit)?,
            }
            fetch::remember(git, commit).map_err(|error| failure::local(&error))?;
            *inner.branch() = Some(fetch::Branch { exists: true, tip: Some(commit), ..branch });
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_git_path_is_a_folder_or_the_whole_repository() {
        for root in ["", ".", "/", "./", "/./"] {
            assert_eq!(parse_git_path(root).unwrap(), None, "{root:?}");
        }
        for folder in ["clusters/prod", "/clusters/prod/", "./clusters/prod"] {
            assert_eq!(parse_git_path(folder).unwrap().unwrap().as_str(), "clusters/prod", "{folder:?}");
        }
        for outside in ["..", "a/../..", ".git", "a//b"] {
            assert!(matches!(parse_git_path(outside), Err(RepositoryError::Invalid(_))), "{outside:?}");
        }
    }
}
