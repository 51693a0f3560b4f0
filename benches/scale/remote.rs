//! Owns the remote: a bare repository on this machine, filled at once, committed to by a person, and looked at when its
//! branch moves. Must never leave a push unseen.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use git2::{ObjectType, Oid};
use notify::Watcher as _;
use tokio::sync::watch;

use super::git::BareRepo;
use super::objects::Object;

/// A remote repository.
pub struct Remote {
    pub repo: BareRepo,
}

impl Remote {
    /// Without a commit.
    pub fn empty() -> Self {
        Self { repo: BareRepo::new() }
    }

    /// With one commit of these manifests, in one pack as a server keeps it.
    pub fn filled(objects: &[Object], more: &[(&str, String)]) -> Result<Self> {
        let remote = Self::empty();
        let mut stream =
            b"commit refs/heads/main\ncommitter Ada <ada@example.com> 1700000000 +0000\ndata 5\nstart".to_vec();
        let files = objects.iter().map(|object| (object.file.as_str(), object.text()));
        for (path, text) in files.chain(more.iter().map(|(path, text)| (*path, text.clone()))) {
            write!(stream, "\nM 100644 inline {path}\ndata {}\n{text}", text.len())?;
        }
        stream.push(b'\n');
        let mut git = git(remote.repo.path());
        let mut child = git.args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().context("git is needed")?;
        child.stdin.take().context("no stdin")?.write_all(&stream)?;
        ensure!(child.wait()?.success(), "git fast-import failed");
        Ok(remote)
    }

    /// Commits one manifest as a person does.
    pub fn commit(&self, object: &Object) -> String {
        self.repo.write(&format!("Change {}", object.file), &[(&object.file, &object.text())]).to_string()
    }

    /// How many commits the branch has.
    pub fn commits(&self) -> Result<usize> {
        let git = self.repo.git();
        let mut walk = git.revwalk()?;
        if walk.push_ref("refs/heads/main").is_err() {
            return Ok(0);
        }
        Ok(walk.count())
    }

    /// How many files a commit has.
    pub fn files(&self, commit: &str) -> Result<usize> {
        let git = self.repo.git();
        let mut files = 0;
        git.find_commit(commit.parse::<Oid>()?)?.tree()?.walk(git2::TreeWalkMode::PreOrder, |_, entry| {
            files += usize::from(entry.kind() == Some(ObjectType::Blob));
            git2::TreeWalkResult::Ok
        })?;
        Ok(files)
    }

    /// How many files differ between two commits.
    pub fn changed(&self, from: &str, to: &str) -> Result<usize> {
        let git = self.repo.git();
        let tree = |commit: &str| git.find_commit(commit.parse::<Oid>()?)?.tree();
        Ok(git.diff_tree_to_tree(Some(&tree(from)?), Some(&tree(to)?), None)?.deltas().len())
    }

    /// Whether a file of a commit has this text in it.
    pub fn holds(&self, commit: &str, path: &str, text: &str) -> Result<bool> {
        let git = self.repo.git();
        let tree = git.find_commit(commit.parse::<Oid>()?)?.tree()?;
        let blob = tree.get_path(Path::new(path))?.to_object(&git)?.peel_to_blob()?;
        Ok(memchr::memmem::find(blob.content(), text.as_bytes()).is_some())
    }

    /// Follows the branch from now on.
    pub fn tips(&self) -> Result<Tips> {
        let folder = self.repo.path().join("refs/heads");
        let file = folder.join("main");
        let read = move || std::fs::read_to_string(&file).map(|text| text.trim().to_owned()).unwrap_or_default();
        let first = match self.repo.tip("main") {
            Some(tip) => tip.to_string(),
            None => String::new(),
        };
        let (sender, receiver) = watch::channel(Tip { commit: first, at: Instant::now(), moves: 0 });
        let look = move |event: notify::Result<notify::Event>| {
            // Our own reading is told too.
            if event.is_ok_and(|event| event.kind.is_access()) {
                return;
            }
            let (at, commit) = (Instant::now(), read());
            sender.send_if_modified(|tip| {
                let moved = !commit.is_empty() && tip.commit != commit;
                if moved {
                    *tip = Tip { commit, at, moves: tip.moves + 1 };
                }
                moved
            });
        };
        let mut watcher = notify::recommended_watcher(look)?;
        watcher.watch(&folder, notify::RecursiveMode::NonRecursive)?;
        Ok(Tips { receiver, _watcher: watcher })
    }
}

/// Where the branch is.
#[derive(Clone, Debug)]
pub struct Tip {
    pub commit: String,
    /// When it was seen there.
    pub at: Instant,
    /// How often it has moved.
    pub moves: usize,
}

/// Follows a branch.
pub struct Tips {
    receiver: watch::Receiver<Tip>,
    _watcher: notify::RecommendedWatcher,
}

impl Tips {
    pub fn now(&self) -> Tip {
        self.receiver.borrow().clone()
    }

    /// Waits until the branch is where it is wanted.
    pub async fn until(&mut self, limit: Duration, wanted: impl Fn(&Tip) -> Result<bool>) -> Result<Tip> {
        let waiting = async {
            loop {
                let tip = self.receiver.borrow_and_update().clone();
                if !tip.commit.is_empty() && wanted(&tip)? {
                    return Ok(tip);
                }
                self.receiver.changed().await?;
            }
        };
        tokio::time::timeout(limit, waiting).await.context("the branch does not come to where it should")?
    }
}

/// git by itself in a folder, without anybody's settings.
pub fn git(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    git.env("HOME", folder).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
    for role in ["AUTHOR", "COMMITTER"] {
        git.env(format!("GIT_{role}_NAME"), "Ada").env(format!("GIT_{role}_EMAIL"), "ada@example.com");
    }
    git
}
