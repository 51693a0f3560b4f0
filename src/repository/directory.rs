//! Owns a directory that only this process uses and that goes away with it, or at the latest when the next one starts.
//! Must never remove a directory that a living process holds.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use tempfile::TempDir;

use super::RepositoryError;

/// What the names of all our directories begin with.
const PREFIX: &str = "kubeferry-";

/// The file inside that a living process keeps locked.
const LOCK: &str = "lock";

/// A directory of our own, removed when this is dropped. Only its owner may enter.
#[derive(Debug)]
pub struct PrivateDirectory {
    dir: TempDir,
    /// The operating system gives the lock back however the process ends.
    _lock: File,
}

impl PrivateDirectory {
    /// Makes one below `parent`, and removes those that processes left behind which were killed.
    ///
    /// # Errors
    ///
    /// When `parent` cannot be written.
    pub fn new(parent: &Path, purpose: &str) -> Result<Self, RepositoryError> {
        remove_abandoned(parent);
        let make = || {
            let dir = tempfile::Builder::new().prefix(&format!("{PREFIX}{purpose}-")).tempdir_in(parent)?;
            // Locked before it has its name: one that is seen unlocked has no owner.
            let unnamed = dir.path().join("new-lock");
            let lock = File::create_new(&unnamed)?;
            lock.lock()?;
            std::fs::rename(unnamed, dir.path().join(LOCK))?;
            Ok(Self { dir, _lock: lock })
        };
        make().map_err(|error: io::Error| {
            RepositoryError::Git(format!(
                "cannot make a private directory in {}: {error}; mount a writable volume there or set TMPDIR",
                parent.display()
            ))
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// A container that is killed and started again keeps its volumes: without this each crash would leave a clone.
fn remove_abandoned(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    for path in entries.flatten().filter(|entry| is_ours(&entry.file_name())).map(|entry| entry.path()) {
        if is_abandoned(&path)
            && let Err(error) = std::fs::remove_dir_all(&path)
        {
            tracing::warn!(path = %path.display(), %error, "cannot remove the directory of a process that has ended");
        }
    }
}

fn is_ours(name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(PREFIX))
}

/// Without a lock file it is somebody's who is just about to make it.
fn is_abandoned(path: &Path) -> bool {
    let real = std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    real && OpenOptions::new()
        .write(true)
        .open(path.join(LOCK))
        .is_ok_and(|file| !matches!(file.try_lock(), Err(TryLockError::WouldBlock | TryLockError::Error(_))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let alive = PrivateDirectory::new(parent.path(), "clone").unwrap();
        let killed = parent.path().join("kubeferry-clone-killed");
        let foreign = parent.path().join("other-clone");
        let starting = parent.path().join("kubeferry-clone-starting");
        for dir in [&killed, &foreign, &starting] {
            std::fs::create_dir(dir).unwrap();
        }
        File::create_new(killed.join(LOCK)).unwrap();
        File::create_new(foreign.join(LOCK)).unwrap();

        let second = PrivateDirectory::new(parent.path(), "clone").unwrap();

        assert!(alive.path().exists() && second.path().exists() && alive.path() != second.path());
        assert!(!killed.exists());
        assert!(foreign.exists() && starting.exists());
    }

    #[test]
    fn it_goes_away_with_its_owner() {
        let parent = tempfile::tempdir().unwrap();
        let path = PrivateDirectory::new(parent.path(), "clone").unwrap().path().to_owned();
        assert!(!path.exists());
    }
}
