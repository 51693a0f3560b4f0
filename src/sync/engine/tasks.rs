//! Owns what the engine has running beside it, and where the end of each goes. Must never wait for any of it, but for what
//! is written when the process stops.

use futures::StreamExt;
use futures::future::BoxFuture;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio_util::task::AbortOnDropHandle;

use crate::cluster::{Cluster, ClusterError, Listed, StateText};
use crate::object::{GroupKind, ObjectId, RepoPath};
use crate::repository::{BlobId, Remote, RepositoryError};

use super::super::act::Acted;
use super::super::clock::{Clock, Instant};
use super::super::observe::{ObserveError, Observed};
use super::{Engine, Preview, compose, git_side, judging, paging, recalling};

/// The end of a task.
pub(super) enum Done {
    Observed(ObjectId, bool, Result<Box<Observed>, ObserveError>),
    Acted(Instant, Box<Acted>, Option<Box<Observed>>),
    LookedInto(judging::Doomed, Result<Option<String>, ClusterError>),
    Previewed(Box<Preview>),
    Loaded(Box<compose::Loaded>),
    Stored(Vec<RepoPath>, Result<Vec<BlobId>, RepositoryError>),
    StoredRead(Vec<RepoPath>, Result<Vec<Vec<u8>>, RepositoryError>),
    Paged(paging::For, GroupKind, Result<Listed, ClusterError>),
    StateRead(Result<Box<recalling::StateRead>, ClusterError>),
    Remembered(Result<(Option<StateText>, bool), ClusterError>),
    Git(git_side::GitDone),
}

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// Lets a push and the writes to the cluster that are under way end, and starts nothing new.
    pub async fn drain(&mut self) {
        while matches!(self.git, git_side::Git::Pushing | git_side::Git::Committing) || !self.flights.is_empty() {
            match self.tasks.next().await {
                Some(Done::Git(done)) => self.git_done(done),
                Some(Done::Acted(_, acted, _)) => drop(self.flights.remove(&acted.id)),
                Some(Done::Observed(id, ..)) => drop(self.flights.remove(&id)),
                Some(_) => {}
                None => return,
            }
        }
    }

    /// Lets a task run: on another thread where there are several, else whenever the engine waits.
    pub(super) fn run(&mut self, task: BoxFuture<'static, Done>) {
        if !has_threads() {
            return self.tasks.push(task);
        }
        let running = AbortOnDropHandle::new(tokio::spawn(task));
        self.tasks.push(Box::pin(async move {
            match running.await {
                Ok(done) => done,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // The runtime is shutting down, and with it whoever waits.
                Err(_) => futures::future::pending().await,
            }
        }));
    }

    pub(super) fn done(&mut self, done: Done) {
        match done {
            Done::Observed(id, shown, observed) => {
                self.observed(&id, shown, observed);
                self.turn_ended(&id);
            }
            Done::Acted(since, acted, observed) => {
                self.standings.metrics().applied(self.clock.now().saturating_sub(since));
                let id = acted.id.clone();
                self.acted(*acted, observed);
                self.turn_ended(&id);
            }
            Done::LookedInto(doomed, found) => self.looked_into(doomed, found),
            Done::Previewed(preview) => self.previewed(*preview),
            Done::Loaded(loaded) => {
                self.loaded(*loaded);
            }
            Done::Stored(paths, blobs) => self.stored(paths, blobs),
            Done::StoredRead(paths, files) => self.stored_read(paths, files),
            Done::Paged(purpose, kind, listed) => self.paged(purpose, &kind, listed),
            Done::StateRead(read) => self.state_read(read),
            Done::Remembered(written) => self.remembered(written),
            Done::Git(done) => self.git_done(done),
        }
    }
}

/// Whether there is a runtime that can do several things at the same time.
pub(super) fn has_threads() -> bool {
    Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
}
