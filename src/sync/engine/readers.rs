//! Owns the reading of many files at once: one thread takes them out of the repository, others parse them. Must never hold
//! more bytes than a few files per thread.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::oneshot;

use crate::manifest::{Caps, ManifestFile};
use crate::object::RepoPath;
use crate::repository::{BlobId, RepositoryError};

use super::super::autoscalers;
use super::has_threads;
use super::reading::ReadFile;

/// So many files are parsed as they come: threads are not worth it for fewer.
const FEW: usize = 64;

/// How many files wait for a thread.
const WAITING: usize = 64;

/// The most threads beside the one that reads.
const THREADS: usize = 3;

/// A file with its position among all.
type Raw = (usize, RepoPath, BlobId, Vec<u8>);

type Files = Mutex<Vec<(usize, ReadFile)>>;

/// Parses what one thread takes out of the repository. What was sent is parsed when it is dropped.
pub(super) struct Readers {
    caps: Caps,
    threads: usize,
    files: Arc<Files>,
    count: usize,
    sender: Option<SyncSender<Raw>>,
    ends: Option<oneshot::Sender<Vec<oneshot::Receiver<()>>>>,
}

/// What was read.
pub(super) struct Read {
    files: Arc<Files>,
    ends: oneshot::Receiver<Vec<oneshot::Receiver<()>>>,
}

impl Readers {
    pub(super) fn new(caps: Caps) -> (Self, Read) {
        let files = Arc::new(Mutex::new(Vec::new()));
        let (ends, ended) = oneshot::channel();
        let read = Read { files: files.clone(), ends: ended };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if has_threads() { cores.saturating_sub(1).min(THREADS) } else { 0 };
        (Self { caps, threads, files, count: 0, sender: None, ends: Some(ends) }, read)
    }

    /// Takes a file of which there is nothing to parse.
    pub(super) fn put(&mut self, file: ReadFile) {
        self.count += 1;
        put(&self.files, self.count, file);
    }

    /// Parses a file, here or on another thread.
    pub(super) fn read(&mut self, path: RepoPath, blob: BlobId, bytes: &[u8]) {
        self.count += 1;
        if self.count > FEW && self.ends.is_some() {
            self.start();
        }
        let raw = (self.count, path, blob, bytes.to_vec());
        let sent = match &self.sender {
            Some(sender) => sender.try_send(raw),
            None => Err(TrySendError::Full(raw)),
        };
        if let Err(TrySendError::Full(raw) | TrySendError::Disconnected(raw)) = sent {
            parse(raw, &self.files, &self.caps);
        }
    }

    /// Starts the threads. Without any, every file is parsed where it is read.
    fn start(&mut self) {
        let (sender, receiver) = sync_channel(WAITING);
        let receiver = Arc::new(Mutex::new(receiver));
        let mut ends = Vec::new();
        for _ in 0..self.threads {
            let (end, ended) = oneshot::channel();
            let (receiver, files, caps) = (receiver.clone(), self.files.clone(), self.caps.clone());
            let work = move || {
                work(&receiver, &files, &caps);
                // Nobody waits any more when nobody listens.
                let _ = end.send(());
            };
            if std::thread::Builder::new().name("read-manifests".to_owned()).spawn(work).is_ok() {
                ends.push(ended);
            }
        }
        if !ends.is_empty() {
            self.sender = Some(sender);
        }
        if let Some(all) = self.ends.take() {
            let _ = all.send(ends);
        }
    }
}

impl Read {
    /// Waits for the threads, whose sender must be gone, and takes what they read in the order in which it came.
    ///
    /// # Errors
    ///
    /// When a thread did not end as it should: its file is missing, and would be taken for one that is not there.
    pub(super) async fn all(self) -> Result<Vec<ReadFile>, RepositoryError> {
        // None were started when nobody tells of them.
        for end in self.ends.await.unwrap_or_default() {
            let failed = |_| RepositoryError::Git("a file could not be parsed; see the log".to_owned());
            end.await.map_err(failed)?;
        }
        let mut files = std::mem::take(&mut *self.files.lock().unwrap_or_else(PoisonError::into_inner));
        files.sort_by_key(|(number, _)| *number);
        Ok(files.into_iter().map(|(_, file)| file).collect())
    }
}

fn work(receiver: &Mutex<Receiver<Raw>>, files: &Files, caps: &Caps) {
    loop {
        let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(raw) = next else { return };
        parse(raw, files, caps);
    }
}

fn parse((number, path, blob, bytes): Raw, files: &Files, caps: &Caps) {
    let file = ManifestFile::read(path.clone(), &bytes, caps);
    let aims = autoscalers::in_file(&file, &bytes);
    put(files, number, ReadFile { path, file: Some((Some(blob), file)), aims });
}

fn put(files: &Files, number: usize, file: ReadFile) {
    files.lock().unwrap_or_else(PoisonError::into_inner).push((number, file));
}
