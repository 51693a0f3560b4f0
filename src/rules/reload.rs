//! Owns the watch over the rules file: a mounted ConfigMap, or a file that people edit. Must never parse what it reads,
//! and never give up the last text because the file is away for a moment.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::reader::MAX_BYTES;
use crate::object::Digest;

/// The state of the file after the latest look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The latest text that could be read.
    pub text: Arc<str>,
    /// Why the file cannot be read now; `None` when it can.
    pub problem: Option<String>,
}

/// Why the rules file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// It is missing or not readable.
    #[error("cannot read the rules file {}: {source}; name it with -f FILE", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// It holds bytes that are no text.
    #[error("the rules file {} is not UTF-8 text: byte {position} is the first wrong one", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// Offset of the first wrong byte, from 0.
        position: usize,
    },
}

/// How soon and how often the file is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Pause after an event: a swap of a mounted ConfigMap is seven of them.
    pub settle: Duration,
    /// Time between looks without any event: some file systems report nothing.
    pub poll: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { settle: Duration::from_millis(200), poll: Duration::from_secs(30) }
    }
}

/// Reads the file at once, then again whenever it changes, in a task of the current runtime that ends when every
/// receiver is dropped. The receiver is told only of readings that differ from the one before.
///
/// # Errors
///
/// When the first reading fails; later ones that fail are in [`Reading::problem`].
pub fn follow(path: &Path, timing: Timing) -> Result<watch::Receiver<Reading>, ReloadError> {
    let (events, woken) = mpsc::channel(1);
    // Watching starts before the first reading, so that no change falls in between.
    let watcher = match watch_folder(path, events) {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "changes of the rules file are not reported here; it is read every {:?}", timing.poll);
            None
        }
    };
    let text: Arc<str> = read(path)?.into();
    let (sender, receiver) = watch::channel(Reading { text, problem: None });
    tokio::spawn(run(path.to_owned(), timing, sender, watcher, woken));
    Ok(receiver)
}

/// Watches the folder, not the file: a mounted ConfigMap is replaced by renaming a link beside it, and a watch of the
/// file itself sees that once and never again.
fn watch_folder(path: &Path, events: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Our own reading is an access; without this test it would wake us again for ever.
        if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
            // A full channel means that a look is due anyway.
            let _ = events.try_send(());
        }
    })?;
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

async fn run(
    path: PathBuf,
    timing: Timing,
    sender: watch::Sender<Reading>,
    watcher: Option<RecommendedWatcher>,
    mut woken: mpsc::Receiver<()>,
) {
    let mut poll = interval_at(Instant::now() + timing.poll, timing.poll);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = sender.closed() => return,
            Some(()) = woken.recv(), if watcher.is_some() => {
                sleep(timing.settle).await;
                // What came in the meantime is covered by the look that follows.
                while woken.try_recv().is_ok() {}
            }
            _ = poll.tick() => {}
        }
        let file = path.clone();
        let result = tokio::task::spawn_blocking(move || read(&file)).await;
        if let Ok(result) = result {
            sender.send_if_modified(|reading| take(reading, result));
        }
    }
}

/// Takes a look's result over; whether that is news.
fn take(reading: &mut Reading, result: Result<String, ReloadError>) -> bool {
    let next = match result {
        Ok(text) if Digest::of_bytes(text.as_bytes()) == Digest::of_bytes(reading.text.as_bytes()) => {
            Reading { text: reading.text.clone(), problem: None }
        }
        Ok(text) => Reading { text: text.into(), problem: None },
        Err(error) => Reading { text: reading.text.clone(), problem: Some(error.to_string()) },
    };
    let is_news = *reading != next;
    *reading = next;
    is_news
}

fn read(path: &Path) -> Result<String, ReloadError> {
    let unreadable = |source| ReloadError::Unreadable { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // One byte more than a rules file may have, so that the loader can say that it is too large.
    file.take(MAX_BYTES as u64 + 4).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_BYTES {
        // The cut may have gone through a character.
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    String::from_utf8(bytes)
        .map_err(|error| ReloadError::NotText { path: path.to_owned(), position: error.utf8_error().valid_up_to() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// Long enough for any machine; never waited for when all is well.
    const LIMIT: Duration = Duration::from_secs(20);

    fn events_only() -> Timing {
        Timing { settle: Duration::from_millis(20), poll: Duration::from_secs(3600) }
    }

    async fn until(receiver: &mut watch::Receiver<Reading>, wanted: impl FnMut(&Reading) -> bool) -> Reading {
        tokio::time::timeout(LIMIT, receiver.wait_for(wanted)).await.unwrap().unwrap().clone()
    }

    /// One revision of a mounted ConfigMap, laid out as the kubelet does.
    fn mount(folder: &Path, revision: &str, text: &str) {
        fs::create_dir(folder.join(revision)).unwrap();
        fs::write(folder.join(revision).join("config.yaml"), text).unwrap();
        symlink(revision, folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    }

    #[tokio::test]
    async fn a_swapped_config_map_is_read_again_and_again() {
        let folder = tempfile::tempdir().unwrap();
        mount(folder.path(), "..1", "one");
        let file = folder.path().join("config.yaml");
        symlink("..data/config.yaml", &file).unwrap();
        let mut receiver = follow(&file, events_only()).unwrap();
        assert_eq!(&*receiver.borrow().text, "one");
        for (revision, text) in [("..2", "two"), ("..3", "three"), ("..4", "four")] {
            mount(folder.path(), revision, text);
            until(&mut receiver, |reading| &*reading.text == text).await;
        }
    }

    #[tokio::test]
    async fn a_file_that_vanishes_keeps_its_last_text() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        fs::write(&file, "one").unwrap();
        let mut receiver = follow(&file, events_only()).unwrap();
        fs::remove_file(&file).unwrap();
        let gone = until(&mut receiver, |reading| reading.problem.is_some()).await;
        assert_eq!(&*gone.text, "one");
        fs::write(&file, "two").unwrap();
        assert_eq!(&*until(&mut receiver, |reading| reading.problem.is_none()).await.text, "two");
        fs::write(&file, [0x61, 0xff]).unwrap();
        let problem = until(&mut receiver, |reading| reading.problem.is_some()).await;
        assert!(problem.problem.unwrap().contains("byte 1 is the first wrong one"));
        assert_eq!(&*problem.text, "two");
    }

    #[tokio::test]
    async fn without_events_the_file_is_polled() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        fs::write(&file, "one").unwrap();
        let (sender, mut receiver) = watch::channel(Reading { text: "one".into(), problem: None });
        let (_events, woken) = mpsc::channel(1);
        let timing = Timing { poll: Duration::from_millis(10), ..Timing::default() };
        tokio::spawn(run(file.clone(), timing, sender, None, woken));
        fs::write(&file, "two").unwrap();
        until(&mut receiver, |reading| &*reading.text == "two").await;
    }

    #[test]
    fn the_same_text_again_is_no_news() {
        let mut reading = Reading { text: "one".into(), problem: None };
        assert!(!take(&mut reading, Ok("one".to_owned())));
        assert!(take(&mut reading, Ok("two".to_owned())));
        let missing = || read(Path::new("/nowhere/config.yaml"));
        assert!(take(&mut reading, missing()) && !take(&mut reading, missing()));
        assert!(take(&mut reading, Ok("two".to_owned())));
    }

    #[tokio::test]
    async fn a_first_reading_that_fails_is_an_error() {
        let error = follow(Path::new("/nowhere/config.yaml"), Timing::default()).unwrap_err().to_string();
        assert!(error.starts_with("cannot read the rules file /nowhere/config.yaml"), "{error}");
    }

    #[test]
    fn a_huge_file_is_cut_so_that_the_loader_refuses_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        fs::write(&file, "ä".repeat(MAX_BYTES)).unwrap();
        let text = read(&file).unwrap();
        assert!(text.len() > MAX_BYTES && text.len() < MAX_BYTES + 16);
        assert!(crate::rules::load(&text, "f").is_err());
    }
}
