//! Owns when discovery is asked again: when a CustomResourceDefinition changed what is served, when a kind turned out to be
//! gone, and every ten minutes. Must never ask in a loop: what does not come is given up until then.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use futures::FutureExt;
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
                    // What was asked for meanwhile is answered by the same discovery.
                    let _ = self.wake.notified().now_or_never();
                    backoff.reset();
                    tries = 0;
                }
            }
            match discovery.run().await {
                Ok(kinds) => {
                    self.replace(kinds, &changed).await;
                    tries += 1;
                    let wait = if self.forget_kept() && tries < PATIENCE {
                        backoff.next()
                    } else {
                        backoff.reset();
                        LATEST
                    };
                    next = Instant::now() + wait;
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

#[cfg(test)]
mod tests {
    use super::super::stub::{Answer, Script, status};
    use super::*;
    use serde_json::json;
    use tokio_util::task::AbortOnDropHandle;

    /// The answers to one discovery that finds these kinds of `example.org`.
    fn finds(kinds: &[&str]) -> [Answer; 2] {
        let resource = |kind: &&str| json!({"resource": format!("{}s", kind.to_lowercase()), "responseKind": {"kind": kind}, "scope": "Namespaced"});
        let resources: Vec<_> = kinds.iter().map(resource).collect();
        let versions = json!([{"version": "v1", "resources": resources}]);
        let group = json!({"metadata": {"name": "example.org"}, "versions": versions});
        [Answer::Plain(200, json!({"items": []})), Answer::Plain(200, json!({"items": [group]}))]
    }

    fn definition(kind: &str) -> Value {
        let names = json!({"kind": kind, "plural": format!("{}s", kind.to_lowercase())});
        json!({"spec": {"group": "example.org", "scope": "Namespaced", "names": names,
                "versions": [{"name": "v1", "served": true}]},
            "status": {"conditions": [{"type": "Established", "status": "True"}]}})
    }

    /// A running refresh, and how many times it told of new kinds.
    async fn running(script: &Script) -> (Arc<Refresh>, watch::Receiver<usize>, AbortOnDropHandle<()>) {
        let mut discovery = Discovery::new(script.connection());
        let refresh = Arc::new(Refresh::new(discovery.run().await.unwrap()));
        let (tell, told) = watch::channel(0);
        let running = refresh.clone();
        let task = tokio::spawn(async move {
            let changed = |_| {
                tell.send_modify(|count| *count += 1);
                std::future::ready(())
            };
            running.run(discovery, changed).await;
        });
        (refresh, told, AbortOnDropHandle::new(task))
    }

    fn discoveries(script: &Script) -> usize {
        script.asked().iter().filter(|path| *path == "/api").count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_definition_that_is_shown_already_costs_no_request() {
        let script = Script::new(finds(&["Snap"]));
        let (refresh, _, _task) = running(&script).await;
        refresh.definition(&definition("Snap"), false);
        tokio::time::sleep(LATEST / 2).await;
        assert_eq!(discoveries(&script), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_definition_is_asked_for_until_it_is_shown() {
        let answers = [finds(&[]), finds(&[]), finds(&[]), finds(&["Snap"])];
        let script = Script::new(answers.into_iter().flatten());
        let (refresh, told, _task) = running(&script).await;
        refresh.definition(&definition("Snap"), false);
        tokio::time::sleep(LATEST / 2).await;
        assert_eq!((discoveries(&script), *told.borrow()), (4, 1));
        assert_eq!(refresh.kinds().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_comes_is_given_up_until_the_regular_time() {
        let script = Script::new((0..99).flat_map(|_| finds(&[])));
        let (refresh, told, _task) = running(&script).await;
        refresh.definition(&definition("Snap"), false);
        tokio::time::sleep(LATEST / 2).await;
        assert_eq!(discoveries(&script), 1 + PATIENCE);
        tokio::time::sleep(LATEST).await;
        assert_eq!((discoveries(&script), *told.borrow()), (2 + PATIENCE, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_definitions_is_one_discovery() {
        let script = Script::new([finds(&[]), finds(&["Snap", "Snip"])].into_iter().flatten());
        let (refresh, told, _task) = running(&script).await;
        for kind in ["Snap", "Snip"] {
            refresh.definition(&definition(kind), false);
            tokio::time::sleep(SETTLE / 4).await;
        }
        tokio::time::sleep(LATEST / 2).await;
        assert_eq!((discoveries(&script), *told.borrow()), (2, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_discovery_that_fails_leaves_the_kinds_and_is_tried_again() {
        let script = Script::new(finds(&["Snap"]).into_iter().chain([status(500, "InternalError")]).chain(finds(&[])));
        let (refresh, told, _task) = running(&script).await;
        refresh.ask();
        tokio::time::sleep(SETTLE + Duration::from_millis(1)).await;
        assert_eq!((refresh.kinds().len(), *told.borrow()), (1, 0));
        tokio::time::sleep(LATEST / 2).await;
        assert_eq!((refresh.kinds().len(), *told.borrow()), (0, 1));
    }
}
