//! Owns one watch: a stream of events as lines of JSON, from a list or from a version on. Must never hold more of them
//! than one read of the history gives.

use std::collections::VecDeque;
use std::time::Duration;

use axum::body::Bytes;
use futures::stream::{self, Stream};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::events;
use super::kinds::Resource;
use super::list::{forbidden_option, selector};
use super::respond::{Form, bookmark};
use super::route::Query;
use super::selector::Selector;
use super::status::Status;
use super::storage::TooOld;
use super::store::Store;

/// How long a watch lasts when nothing is said.
const DEFAULT_DURATION: Duration = Duration::from_secs(45 * 60);
/// How often a quiet watch says that it is up to date.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(10);

pub(super) struct Watch {
    store: Store,
    resource: &'static Resource,
    namespace: String,
    selector: Selector,
    form: Form,
    /// The version up to which everything was told.
    cursor: u64,
    waiting: VecDeque<Bytes>,
    changes: watch::Receiver<u64>,
    bookmarks: bool,
    deadline: Instant,
    next_bookmark: Instant,
    is_over: bool,
    stopped: CancellationToken,
}

impl Watch {
    /// Reads the options of a watch and prepares its first events.
    ///
    /// # Errors
    ///
    /// The server's answer to options that it does not take. A version that is too old is an event, not an error.
    pub fn start(
        store: &Store,
        resource: &'static Resource,
        namespace: &str,
        query: &Query,
        form: Form,
        stopped: CancellationToken,
    ) -> Result<Self, Status> {
        let selector = selector(resource, query)?;
        let from = query.resource_version()?;
        let initial = query.get("sendInitialEvents");
        let exactly = query.get("resourceVersionMatch");
        if !initial.is_empty() && exactly != "NotOlderThan" {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            return Err(forbidden_option("resourceVersionMatch", why));
        }
        if initial.is_empty() && !exactly.is_empty() {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            return Err(forbidden_option("resourceVersionMatch", why));
        }
        let lists = query.is_on("sendInitialEvents") || (initial.is_empty() && from.is_none());
        let duration = query.number("timeoutSeconds").filter(|seconds| *seconds > 0);
        let duration = duration.map_or(DEFAULT_DURATION, Duration::from_secs);
        let now = Instant::now();
        let mut watch = Self {
            store: store.clone(),
            resource,
            namespace: namespace.to_owned(),
            selector,
            form,
            cursor: 0,
            waiting: VecDeque::new(),
            changes: store.changes(),
            bookmarks: query.is_on("allowWatchBookmarks"),
            deadline: now + duration,
            next_bookmark: now + BOOKMARK_INTERVAL,
            is_over: false,
            stopped,
        };
        let state = store.state();
        // A version that is yet to come is waited for.
        watch.cursor = from.filter(|_| !lists).unwrap_or_else(|| state.storage.version());
        if lists {
            let all: Vec<_> =
                state.storage.list(&resource.plural, namespace).map(|(_, object)| object.clone()).collect();
            drop(state);
            for object in all {
                if watch.selector.matches(resource, &object) {
                    watch.tell("ADDED", (*object).clone());
                }
            }
            if query.is_on("sendInitialEvents") && watch.bookmarks {
                watch.tell_version(true);
            }
        }
        Ok(watch)
    }

    /// The watch as the body of an answer.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
        stream::unfold(self, |mut watch| async move { watch.next().await.map(|line| (Ok(line), watch)) })
    }

    fn push(&mut self, of: &str, object: Value) {
        let mut line = json!({"type": of, "object": object}).to_string();
        line.push('\n');
        self.waiting.push_back(line.into());
    }

    fn tell(&mut self, of: &str, stored: Value) {
        let object = self.form.of_object(self.resource, events::from_stored(self.resource, stored));
        self.push(of, object);
    }

    fn tell_version(&mut self, ends_list: bool) {
        let object = bookmark(self.form, self.resource, self.cursor, ends_list);
        self.push("BOOKMARK", object);
    }

    /// The next line; `None` when the watch is over.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.waiting.pop_front() {
                return Some(line);
            }
            if self.is_over {
                return None;
            }
            self.changes.borrow_and_update();
            self.read();
            if self.waiting.is_empty() {
                self.wait().await;
            }
        }
    }

    fn read(&mut self) {
        let changes = {
            let state = self.store.state();
            state.storage.since(self.cursor)
        };
        match changes {
            Ok(changes) => {
                for change in changes {
                    self.cursor = change.version;
                    let here = self.namespace.is_empty() || change.key.namespace == self.namespace;
                    if change.key.plural != self.resource.plural || !here {
                        continue;
                    }
                    if let Some((of, object)) = change.event(|object| self.selector.matches(self.resource, object)) {
                        self.tell(of.name(), object);
                    }
                }
            }
            Err(TooOld { oldest }) => {
                let message = format!("too old resource version: {} ({oldest})", self.cursor);
                self.push("ERROR", Status::expired(message).to_value());
                self.is_over = true;
            }
        }
    }

    async fn wait(&mut self) {
        tokio::select! {
            changed = self.changes.changed() => self.is_over |= changed.is_err(),
            () = self.stopped.cancelled() => self.is_over = true,
            () = tokio::time::sleep_until(self.deadline) => {
                self.is_over = true;
                if self.bookmarks {
                    self.tell_version(false);
                }
            }
            () = tokio::time::sleep_until(self.next_bookmark), if self.bookmarks => {
                self.next_bookmark += BOOKMARK_INTERVAL;
                self.tell_version(false);
            }
        }
    }
}
