//! A remote repository for tests, written to as a person would, without any program but this one. Also sets libgit2 up
//! for the whole test binary. Must never share state between two repositories.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use git2::build::TreeUpdateBuilder;
use git2::{ErrorCode, FileMode, Oid, Signature};
use kubeferry::repository::{CommitId, GitUrl, Libgit2, Libgit2Settings, LocalUrls};

/// What a child process of a test sets to make libgit2 give up sooner: milliseconds. Processes that run at the same time
/// need different values.
pub const PATIENCE: &str = "KUBEFERRY_TEST_PATIENCE";

/// What a child process of a test sets to trust an authority: a file.
pub const AUTHORITY: &str = "KUBEFERRY_TEST_AUTHORITY";

struct Setup {
    libgit2: Libgit2,
    known_hosts: PathBuf,
    writing: Mutex<()>,
}

fn setup() -> &'static Setup {
    static SETUP: OnceLock<Setup> = OnceLock::new();
    SETUP.get_or_init(|| {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let patience = std::env::var(PATIENCE).ok().map(|text| Duration::from_millis(text.parse().unwrap()));
        let program = std::env::current_exe().unwrap().file_stem().unwrap().to_string_lossy().into_owned();
        let known_hosts = directory.join(format!("{program}-{}-known_hosts", patience.unwrap_or_default().as_millis()));
        std::fs::write(&known_hosts, "# Written by tests.\n").unwrap();
        let default = Libgit2Settings::default();
        let settings = Libgit2Settings {
            connect_timeout: patience.unwrap_or(default.connect_timeout),
            server_timeout: patience.unwrap_or(default.server_timeout),
            known_hosts: known_hosts.clone(),
            ca_file: std::env::var_os(AUTHORITY).map(PathBuf::from),
            directory,
        };
        Setup { libgit2: Libgit2::initialise(&settings).unwrap(), known_hosts, writing: Mutex::default() }
    })
}

/// libgit2 as set up for this test binary.
pub fn libgit2() -> &'static Libgit2 {
    &setup().libgit2
}

/// The known-hosts file of this test binary. Hosts differ by port, so tests do not disturb each other.
pub fn known_hosts() -> &'static Path {
    &setup().known_hosts
}

/// Adds lines to the known hosts, and takes away those that begin with `without`.
pub fn change_known_hosts(without: &str, lines: &[String]) {
    let setup = setup();
    let _one_at_a_time = setup.writing.lock().unwrap();
    let old = std::fs::read_to_string(&setup.known_hosts).unwrap();
    let mut text: String = old
        .lines()
        .filter(|line| without.is_empty() || !line.starts_with(without))
        .map(|line| format!("{line}\n"))
        .collect();
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    // Renamed into place, as a mounted Secret is: readers see the old or the new file.
    let new = setup.known_hosts.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, &setup.known_hosts).unwrap();
}

/// One commit as a log shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    pub id: String,
    pub message: String,
    pub name: String,
    pub email: String,
}

/// A bare repository in a temporary directory. Its HEAD names `main`, which does not exist until something is committed.
pub struct BareRepo {
    path: PathBuf,
    /// Taken away with it.
    _dir: Option<tempfile::TempDir>,
}

impl Default for BareRepo {
    fn default() -> Self {
        Self::new()
    }
}

impl BareRepo {
    pub fn new() -> Self {
        libgit2();
        let dir = tempfile::Builder::new().prefix("remote-").suffix(".git").tempdir().unwrap();
        let mut options = git2::RepositoryInitOptions::new();
        options.bare(true).initial_head("main").external_template(false);
        git2::Repository::init_opts(dir.path(), &options).unwrap();
        Self { path: dir.path().to_owned(), _dir: Some(dir) }
    }

    /// One that somebody else has, for as long as they have it.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), _dir: None }
    }

    /// With one commit on `main`.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let repo = Self::new();
        repo.write("start", files);
        repo
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    pub fn git_url(&self) -> GitUrl {
        GitUrl::parse(&self.url(), LocalUrls::Allowed).unwrap()
    }

    pub fn git(&self) -> git2::Repository {
        git2::Repository::open_bare(self.path()).unwrap()
    }

    /// Commits files to `main` as a person.
    pub fn write(&self, message: &str, files: &[(&str, &str)]) -> CommitId {
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, Some(text.as_bytes()))).collect();
        self.commit("main", message, &files)
    }

    /// Commits to a branch, which is made if it is not there; `None` removes a file.
    pub fn commit(&self, branch: &str, message: &str, files: &[(&str, Option<&[u8]>)]) -> CommitId {
        self.commit_on(branch, self.tip(branch), message, files).unwrap()
    }

    /// Changes a file on `main` as a person who pushes beside others: what `change` answers is committed on the very files
    /// that it was given, and asked again when somebody was faster. Without a text the file goes.
    pub fn edit(
        &self,
        message: &str,
        change: impl Fn(&BTreeMap<String, String>) -> (String, Option<String>),
    ) -> CommitId {
        loop {
            let tip = self.tip("main");
            let (path, text) = change(&self.files_of(tip));
            let changed = [(path.as_str(), text.as_ref().map(String::as_bytes))];
            match self.commit_on("main", tip, message, &changed) {
                Ok(commit) => return commit,
                Err(error) if matches!(error.code(), ErrorCode::Modified | ErrorCode::Locked) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn commit_on(
        &self,
        branch: &str,
        parent: Option<CommitId>,
        message: &str,
        files: &[(&str, Option<&[u8]>)],
    ) -> Result<CommitId, git2::Error> {
        let git = self.git();
        let parent = parent.map(|tip| git.find_commit(Oid::from_bytes(&tip.0).unwrap()).unwrap());
        let base = match &parent {
            Some(parent) => parent.tree().unwrap(),
            None => git.find_tree(git.treebuilder(None).unwrap().write().unwrap()).unwrap(),
        };
        let mut update = TreeUpdateBuilder::new();
        for (path, content) in files {
            match content {
                Some(content) => {
                    let mode = base.get_path(Path::new(path)).map_or(0o100_644, |entry| entry.filemode());
                    let mode = if mode == 0o100_755 { FileMode::BlobExecutable } else { FileMode::Blob };
                    update.upsert(*path, git.blob(content).unwrap(), mode)
                }
                None => update.remove(*path),
            };
        }
        self.finish(&git, branch, message, parent.as_ref(), update.create_updated(&git, &base).unwrap())
    }

    /// Puts something other than an ordinary file at the top: a link to `content`, a submodule, an executable file, a
    /// name that is no text.
    pub fn put(&self, message: &str, name: &[u8], content: &str, mode: FileMode) -> CommitId {
        let git = self.git();
        let parent = self.tip("main").map(|tip| git.find_commit(Oid::from_bytes(&tip.0).unwrap()).unwrap());
        let id = match mode {
            FileMode::Commit => Oid::from_bytes(&[7; 20]).unwrap(),
            _ => git.blob(content.as_bytes()).unwrap(),
        };
        // By hand, because libgit2 makes no tree with a submodule that it has not.
        let mut entries = vec![(name.to_vec(), i32::from(mode), id)];
        if let Some(parent) = &parent {
            let tree = parent.tree().unwrap();
            entries.extend(tree.iter().map(|entry| (entry.name_bytes().to_vec(), entry.filemode(), entry.id())));
        }
        entries.sort_by_key(|(name, mode, _)| [&name[..], if *mode == 0o40_000 { b"/" } else { b"" }].concat());
        entries.dedup_by(|later, first| later.0 == first.0);
        let raw: Vec<u8> = entries
            .iter()
            .flat_map(|(name, mode, id)| [format!("{mode:o} ").as_bytes(), name, b"\0", id.as_bytes()].concat())
            .collect();
        let tree = git.odb().unwrap().write(git2::ObjectType::Tree, &raw).unwrap();
        self.finish(&git, "main", message, parent.as_ref(), tree).unwrap()
    }

    /// A commit without history that replaces the branch: a force-push.
    pub fn replace(&self, branch: &str, message: &str, files: &[(&str, &str)]) -> CommitId {
        self.delete_branch(branch);
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, Some(text.as_bytes()))).collect();
        self.commit(branch, message, &files)
    }

    /// Lets a branch name another commit.
    pub fn set_branch(&self, branch: &str, commit: CommitId) {
        let id = Oid::from_bytes(&commit.0).unwrap();
        self.git().reference(&format!("refs/heads/{branch}"), id, true, "").unwrap();
    }

    pub fn delete_branch(&self, branch: &str) {
        if let Ok(mut reference) = self.git().find_reference(&format!("refs/heads/{branch}")) {
            reference.delete().unwrap();
        }
    }

    pub fn set_head(&self, branch: &str) {
        self.git().set_head(&format!("refs/heads/{branch}")).unwrap();
    }

    pub fn tip(&self, branch: &str) -> Option<CommitId> {
        let id = self.git().refname_to_id(&format!("refs/heads/{branch}")).ok()?;
        Some(CommitId(id.as_bytes().try_into().unwrap()))
    }

    /// A file's text at the tip of a branch.
    pub fn read(&self, branch: &str, path: &str) -> Option<String> {
        self.files(branch).remove(path)
    }

    /// Every file at the tip of a branch.
    pub fn files(&self, branch: &str) -> BTreeMap<String, String> {
        self.files_of(self.tip(branch))
    }

    /// Every file of a commit.
    pub fn files_of(&self, commit: Option<CommitId>) -> BTreeMap<String, String> {
        let git = self.git();
        let mut files = BTreeMap::new();
        let Some(tip) = commit else { return files };
        let tree = git.find_commit(Oid::from_bytes(&tip.0).unwrap()).unwrap().tree().unwrap();
        tree.walk(git2::TreeWalkMode::PreOrder, |folder, entry| {
            if entry.kind() == Some(git2::ObjectType::Blob) {
                let text = String::from_utf8_lossy(git.find_blob(entry.id()).unwrap().content()).into_owned();
                files.insert(format!("{folder}{}", entry.name().unwrap()), text);
            }
            git2::TreeWalkResult::Ok
        })
        .unwrap();
        files
    }

    /// The mode of an entry at the tip of `main`.
    pub fn mode(&self, path: &str) -> Option<i32> {
        let git = self.git();
        let tip = Oid::from_bytes(&self.tip("main")?.0).unwrap();
        let tree = git.find_commit(tip).unwrap().tree().unwrap();
        tree.get_path(Path::new(path)).ok().map(|entry| entry.filemode())
    }

    /// The commits of a branch, latest first.
    pub fn log(&self, branch: &str) -> Vec<LogEntry> {
        let git = self.git();
        let mut log = Vec::new();
        let mut next = self.tip(branch).map(|tip| git.find_commit(Oid::from_bytes(&tip.0).unwrap()).unwrap());
        while let Some(commit) = next {
            log.push(LogEntry {
                id: commit.id().to_string(),
                message: commit.message().unwrap().to_owned(),
                name: commit.author().name().unwrap().to_owned(),
                email: commit.author().email().unwrap().to_owned(),
            });
            next = commit.parents().next();
        }
        log
    }

    /// A hook that the git program runs (libgit2 runs none).
    pub fn hook(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let hooks = self.path().join("hooks");
        std::fs::create_dir_all(&hooks).unwrap();
        std::fs::write(hooks.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(hooks.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// `parent` comes from the same handle `git`: libgit2 leaves one of another handle out without a word.
    fn finish(
        &self,
        git: &git2::Repository,
        branch: &str,
        message: &str,
        parent: Option<&git2::Commit<'_>>,
        tree: Oid,
    ) -> Result<CommitId, git2::Error> {
        let person = Signature::now("Ada", "ada@example.com").unwrap();
        let tree = git.find_tree(tree).unwrap();
        let parents: Vec<_> = parent.into_iter().collect();
        let id = git.commit(None, &person, &person, message, &tree, &parents).unwrap();
        let reference = format!("refs/heads/{branch}");
        match parent {
            Some(parent) => git.reference_matching(&reference, id, true, parent.id(), message)?,
            None => git.reference(&reference, id, false, message)?,
        };
        Ok(CommitId(id.as_bytes().try_into().unwrap()))
    }
}
