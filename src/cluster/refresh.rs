//! Owns when discovery is asked again: when a CustomResourceDefinition changed what is served, when a kind turned out to be
//! gone, and every ten minutes. Must never ask in a loop: what does not come is given up until then.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::definition::{Promise, promise};
use super::discovery::Discovery;
use crate::object::{GroupKind, Kinds};

/// At the latest then discovery is asked: an aggregated API may come and go without a word.
const LATEST: Duration = Duration::from_secs(600);

/// Definitions come in groups; this long after the first the others are there too.
const SETTLE: Duration = Duration::from_millis(300);

/// How often discovery is asked for what a definition promises before that is left to the next regular time.
const PATIENCE: usize = 8;

/// What is known of the kinds, and what should be known soon.
pub(super) struct Refresh {
    kinds: RwLock<Arc<Kinds>>,
    promises: Mutex<HashMap<GroupKind, Promise>>,
    wake: Notify,
    /// Counts what happened to definitions, so that who waits for a kind may look again.
    news: watch::Sender<u64>,
}

impl Refresh {
    /// Starts from what a first discovery found.
    pub(super) fn new(kinds: Kinds) -> Self {
        Self {
            kinds: RwLock::new(Arc::new(kinds)),
            promises: Mutex::default(),
            wake: Notify::new(),
            news: watch::Sender::new(0),
        }
    }

    /// The kinds as of the latest discovery.
    pub(super) fn kinds(&self) -> Arc<Kinds> {
        self.kinds.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes when a definition came, changed or went, and when discovery found something new.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Takes note of a definition that was listed, changed or deleted; discovery is asked if it does not show that already.
    pub(super) fn definition(&self, definition: &Value, deleted: bool) {
        let Some((kind, promise)) = promise(definition, deleted) else { return };
        let kept = promise.is_kept(&kind, &self.kinds());
        if kept {
            self.promises().remove(&kind);
        } else {
            self.promises().insert(kind, promise);
            self.wake.notify_one();
        }
        self.news.send_modify(|count| *count += 1);
    }

    /// Asks discovery soon: a kind answered 404.
    pub(super) fn ask(&self) {
        self.wake.notify_one();
    }

    /// Keeps the kinds up to date; `changed` is called with the new ones and awaited. Never returns.
    pub(super) async fn run<F: Future<Output = ()>>(
        &self,
        mut discovery: Discovery,
        changed: impl Fn(Arc<Kinds>) -> F,
    ) {
        let mut next = Instant::now() + LATEST;
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
        let mut tries = 0;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = self.wake.notified() => {
                    tokio::time::sleep(SETTLE).await;
                    (backoff, tries) = (Backoff::new(Duration::from_millis(500), Duration::from_secs(30)), 0);
                }
            }
            match discovery.run().await {
                Ok(kinds) => {
                    self.replace(kinds, &changed).await;
                    let pending = self.forget_kept();
                    tries += 1;
                    next = Instant::now() + LATEST;
                    if pending && tries < PATIENCE {
                        next = Instant::now() + backoff.next();
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "discovery failed; the kinds stay as they were");
                    next = Instant::now() + backoff.next();
                }
            }
        }
    }

    async fn replace<F: Future<Output = ()>>(&self, kinds: Kinds, changed: &impl Fn(Arc<Kinds>) -> F) {
        let kinds = Arc::new(kinds);
        if same(&self.kinds(), &kinds) {
            return;
        }
        *self.kinds.write().unwrap_or_else(PoisonError::into_inner) = kinds.clone();
        changed(kinds).await;
        self.news.send_modify(|count| *count += 1);
    }

    /// Forgets the promises that discovery shows; whether any are left.
    fn forget_kept(&self) -> bool {
        let kinds = self.kinds();
        let mut promises = self.promises();
        promises.retain(|kind, promise| !promise.is_kept(kind, &kinds));
        !promises.is_empty()
    }

    fn promises(&self) -> MutexGuard<'_, HashMap<GroupKind, Promise>> {
        self.promises.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn same(one: &Kinds, other: &Kinds) -> bool {
    one.len() == other.len() && one.iter().all(|kind| other.get(&kind.group_kind) == Some(kind))
}
