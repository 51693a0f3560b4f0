//! Owns which kinds are watched and turns their streams into events for the engine. Must never keep an object, and never
//! give up a kind for good.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::ClusterEvent;
use super::address::of_kind;
use super::backoff::Backoff;
use super::client::Connection;
use super::error::{ClusterError, Texts};
use super::queue::Queue;
use super::refresh::Refresh;
use super::schemas::Schemas;
use super::stream::{ObjectStream, Step};
use crate::object::{GroupKind, Kind, Kinds};

/// How long a kind that may not be listed rests before it is tried again.
const REST: Duration = Duration::from_secs(600);

/// How often a kind that answers 404 is tried before it rests: a new one is served a moment after it is shown.
const EAGER: usize = 6;

/// The longest pause before the next attempt.
const LONGEST: Duration = Duration::from_secs(30);

/// How many failures in a row make a kind that was never listed unwatched, so that nobody waits for it.
const PATIENCE: usize = 5;

/// The watches of one API server.
pub(super) struct Watches {
    world: World,
    /// Whoever says what is wanted need not be in the runtime.
    runtime: Handle,
    running: Mutex<Running>,
}

/// What every watch works with. Cloning is cheap.
#[derive(Clone)]
pub(super) struct World {
    pub(super) connection: Connection,
    pub(super) queue: Arc<Queue<ClusterEvent>>,
    pub(super) refresh: Arc<Refresh>,
    pub(super) schemas: Arc<Schemas>,
}

#[derive(Default)]
struct Running {
    wanted: HashSet<GroupKind>,
    /// By kind: the path that is watched, and the task, which ends when it is dropped.
    tasks: HashMap<GroupKind, (String, AbortOnDropHandle<()>)>,
}

impl Watches {
    /// Watches nothing yet. Called within the runtime that the watches will run in.
    pub(super) fn new(world: World) -> Self {
        Self { world, runtime: Handle::current(), running: Mutex::default() }
    }

    /// Wants exactly these kinds, and Namespaces and CustomResourceDefinitions, from now on.
    pub(super) fn want(&self, kinds: Vec<GroupKind>) {
        let always = [GroupKind::new("", "Namespace"), definitions()];
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.wanted = kinds.into_iter().chain(always).collect();
        self.start_and_stop(&mut running, &self.world.refresh.kinds());
    }

    /// Ends every watch. What is wanted from then on is listed from its start.
    pub(super) async fn stop(&self) {
        let tasks = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.wanted.clear();
            std::mem::take(&mut running.tasks)
        };
        for (_, (_, task)) in tasks {
            task.abort();
            // Ended, it tells nothing more; that it was ended is no error.
            let _ = task.await;
        }
    }

    /// Follows a new discovery; the wanted kinds that were watched and are no longer served.
    pub(super) fn follow(&self, kinds: &Kinds) -> Vec<GroupKind> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        self.start_and_stop(&mut running, kinds)
    }

    fn start_and_stop(&self, running: &mut Running, kinds: &Kinds) -> Vec<GroupKind> {
        let Running { wanted, tasks } = running;
        let mut vanished = Vec::new();
        tasks.retain(|group_kind, (path, _)| match kinds.get(group_kind) {
            _ if !wanted.contains(group_kind) => false,
            Some(kind) => *path == path_of(kind),
            None => {
                vanished.push(group_kind.clone());
                false
            }
        });
        for kind in wanted.iter().filter_map(|group_kind| kinds.get(group_kind)) {
            tasks.entry(kind.group_kind.clone()).or_insert_with(|| {
                let task = self.runtime.spawn(keep(self.world.clone(), kind.clone()));
                (path_of(kind), AbortOnDropHandle::new(task))
            });
        }
        vanished
    }
}

fn path_of(kind: &Kind) -> String {
    of_kind(kind, kind.preferred_version())
}

fn definitions() -> GroupKind {
    GroupKind::new("apiextensions.k8s.io", "CustomResourceDefinition")
}

/// Keeps one kind watched until it is aborted.
async fn keep(world: World, kind: Arc<Kind>) {
    let group_kind = kind.group_kind.clone();
    if !kind.is_watchable() {
        let why = "the API server does not let it be listed and watched".to_owned();
        return world.queue.push(ClusterEvent::Unwatched(group_kind, why)).await;
    }
    let stream = ObjectStream::new(world.connection.clone(), path_of(&kind), Texts::of(&group_kind));
    let follower = Follower {
        news: world.refresh.news(),
        follows_definitions: group_kind == definitions(),
        world,
        group_kind,
        stream,
        backoff: Backoff::new(Duration::from_millis(500), LONGEST),
        relists: Backoff::new(Duration::from_millis(500), LONGEST),
        forgotten: None,
        eager: EAGER,
        failures: 0,
        told: None,
    };
    follower.run().await;
}

/// One kind's watch.
struct Follower {
    world: World,
    group_kind: GroupKind,
    follows_definitions: bool,
    stream: ObjectStream,
    news: watch::Receiver<u64>,
    backoff: Backoff,
    /// The pauses before lists that the server asks for by forgetting where we were, and when it last did.
    relists: Backoff,
    forgotten: Option<Instant>,
    /// How many more times a 404 is tried soon.
    eager: usize,
    /// How many times in a row it failed.
    failures: usize,
    /// The reason that was last given for not watching it.
    told: Option<String>,
}

impl Follower {
    async fn run(mut self) {
        loop {
            let live = self.stream.is_synced();
            match self.stream.next().await {
                Ok(step) => self.pass_on(step, live).await,
                Err(error) => self.failed(error).await,
            }
        }
    }

    async fn pass_on(&mut self, step: Step, live: bool) {
        if live || matches!(step, Step::Synced) {
            self.backoff.reset();
            (self.eager, self.failures, self.told) = (EAGER, 0, None);
        }
        let event = match step {
            Step::Listing => ClusterEvent::Listing(self.group_kind.clone()),
            Step::Seen(object) => {
                self.note(&object, false, live);
                ClusterEvent::Seen(Box::new(object))
            }
            Step::Gone(object) => {
                self.note(&object, true, live);
                ClusterEvent::Gone(Box::new(object))
            }
            Step::Synced => ClusterEvent::Synced(self.group_kind.clone()),
        };
        self.world.queue.push(event).await;
    }

    fn note(&self, object: &Value, deleted: bool, live: bool) {
        if self.follows_definitions {
            self.world.refresh.definition(object, deleted);
            if live {
                self.world.schemas.suspect();
            }
        }
    }

    /// Tells why it is not watched, when that is so, and waits until it is worth trying again.
    async fn failed(&mut self, error: ClusterError) {
        self.failures += 1;
        match error {
            ClusterError::Unreachable(_) | ClusterError::Unauthorized(_) => {
                tracing::debug!(kind = %self.group_kind, %error, "a watch failed; trying again");
                tokio::time::sleep(self.backoff.next()).await;
            }
            ClusterError::Changed(_) => {
                tracing::debug!(kind = %self.group_kind, %error, "listing anew");
                // That a list could be read says nothing: a server that forgets again and again would have to list the
                // kind again and again.
                let now = Instant::now();
                if self.forgotten.replace(now).is_none_or(|last| now - last > LONGEST * 4) {
                    self.relists.reset();
                }
                tokio::time::sleep(self.relists.next()).await;
            }
            ClusterError::Busy(_) => {
                if self.failures >= PATIENCE && !self.stream.is_synced() {
                    self.tell(&error).await;
                }
                tokio::time::sleep(self.backoff.next()).await;
            }
            ClusterError::NotFound(_) => {
                // What is gone is listed anew when it comes back.
                self.stream.restart();
                self.tell(&error).await;
                self.rest_until_news().await;
            }
            error => {
                self.stream.restart();
                self.tell(&error).await;
                tokio::time::sleep(REST).await;
            }
        }
    }

    async fn tell(&mut self, error: &ClusterError) {
        let why = error.to_string();
        if self.told.as_ref() != Some(&why) {
            tracing::warn!(kind = %self.group_kind, why, "not watched");
            self.told = Some(why.clone());
            self.world.queue.push(ClusterEvent::Unwatched(self.group_kind.clone(), why)).await;
        }
    }

    /// A kind that answers 404 comes back with its definition, or never.
    async fn rest_until_news(&mut self) {
        if self.eager > 0 {
            self.eager -= 1;
            return tokio::time::sleep(self.backoff.next()).await;
        }
        self.world.refresh.ask();
        tokio::select! {
            () = tokio::time::sleep(REST) => {}
            // An error means that nothing will come any more; then everything is about to end.
            _ = self.news.changed() => {
                self.eager = EAGER;
                self.backoff.reset();
            }
        }
    }
}

#[cfg(test)]
mod tests;
