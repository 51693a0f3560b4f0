//! Owns one endless list-and-watch of one path: streaming list, paged list, resuming, relisting after 410. Must never keep
//! an object once it is handed out, and never skip one without a new list.

use std::time::Duration;

use futures::StreamExt;
use http::StatusCode;
use kube::api::WatchEvent;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use super::address::encoded;
use super::backoff::between;
use super::client::Connection;
use super::error::{ClusterError, Texts, of_client};
use super::listing::{PAGE_LIMIT, complete};
use super::request::{Call, WatchStream};

/// How many objects one page of a list holds.
const PAGE: u32 = 500;

/// How long the server keeps one watch open, in seconds; different for each, so that they do not all end together.
const OPEN: (u64, u64) = (240, 300);

/// How much later than agreed a watch may end before it counts as dead.
const GRACE: Duration = Duration::from_secs(10);

/// How long a streaming list may be silent before the server counts as one that does not know them.
const SILENCE: Duration = Duration::from_secs(30);

/// What a stream tells next.
#[derive(Debug)]
pub(super) enum Step {
    /// A list begins.
    Listing,
    /// An object as it is now.
    Seen(Value),
    /// An object has gone.
    Gone(Value),
    /// The list was read to its end; from here on changes follow.
    Synced,
}

/// An endless list-and-watch. After an error the next step tries again: who asks waits in between.
pub(super) struct ObjectStream {
    connection: Connection,
    path: String,
    texts: Texts,
    /// Whether to try a streaming list; `None` until the server's version is known.
    streaming: Option<bool>,
    /// Whether lists come in pages: not after the server forgot where a list was.
    paged: bool,
    state: State,
}

enum State {
    /// Nothing listed.
    Start,
    /// Reading a list in pages; the rest of the current page, and what comes after it.
    Page { rest: std::vec::IntoIter<Value>, after: After },
    /// Reading a streaming list.
    Initial { events: WatchStream, silence: Duration },
    /// Everything listed; a watch has to be opened after this version.
    Resume { version: String },
    /// Watching; the latest version seen.
    Watching { events: WatchStream, version: String, opened: Instant, open: Duration },
}

/// What follows a page.
enum After {
    Token(String),
    Version(String),
}

impl ObjectStream {
    /// A stream of every object under `path`.
    pub(super) fn new(connection: Connection, path: String, texts: Texts) -> Self {
        Self { connection, path, texts, streaming: None, paged: true, state: State::Start }
    }

    /// Forgets where it was: the next step lists anew.
    pub(super) fn restart(&mut self) {
        self.state = State::Start;
    }

    /// Whether a list was read to its end and changes follow, as far as is known.
    pub(super) fn is_synced(&self) -> bool {
        matches!(self.state, State::Resume { .. } | State::Watching { .. })
    }

    /// What comes next; waits for it.
    ///
    /// # Errors
    ///
    /// When the server refuses, ends the stream early or can't be reached. [`ClusterError::Changed`] is 410: listed anew.
    pub(super) async fn next(&mut self) -> Result<Step, ClusterError> {
        loop {
            // Taken out, so that an error leaves `Start` unless an arm says otherwise.
            match std::mem::replace(&mut self.state, State::Start) {
                State::Start => {
                    self.begin().await?;
                    return Ok(Step::Listing);
                }
                State::Page { mut rest, after } => match (rest.next(), after) {
                    (Some(object), after) => {
                        self.state = State::Page { rest, after };
                        return Ok(Step::Seen(object));
                    }
                    (None, After::Token(token)) => self.state = self.page(Some(&token)).await?,
                    (None, After::Version(version)) => {
                        self.state = State::Resume { version };
                        return Ok(Step::Synced);
                    }
                },
                State::Initial { events, silence } => {
                    if let Some(step) = self.initial(events, silence).await? {
                        return Ok(step);
                    }
                }
                State::Resume { version } => self.resume(version).await?,
                State::Watching { events, version, opened, open } => {
                    if let Some(step) = self.watching(events, version, opened, open).await? {
                        return Ok(step);
                    }
                }
            }
        }
    }

    /// Opens a streaming list, or reads the first page of a list.
    async fn begin(&mut self) -> Result<(), ClusterError> {
        let streaming = match self.streaming {
            Some(streaming) => streaming,
            None => *self.streaming.insert(self.connection.streams_lists().await?),
        };
        if streaming {
            let (query, open) = self.watch_query("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
            match self.connection.open_watch(&query).await {
                Ok(events) => {
                    self.state = State::Initial { events, silence: SILENCE.min(open) };
                    return Ok(());
                }
                // An aggregated API server may be older than the server in front of it.
                Err(kube::Error::Api(status)) if matches!(status.code, 400 | 422) => self.streaming = Some(false),
                Err(error) => return Err(of_client(&error, self.texts)),
            }
        }
        self.state = self.page(None).await?;
        Ok(())
    }

    async fn page(&mut self, token: Option<&str>) -> Result<State, ClusterError> {
        let mut query = String::new();
        if self.paged {
            query.push_str(&format!("&limit={PAGE}"));
        }
        if let Some(token) = token {
            query.push_str(&format!("&continue={}", encoded(token)));
        }
        let call = Call::get(format!("{}?{}", self.path, query.trim_start_matches('&'))).with_texts(self.texts);
        let read = self.connection.with_limit(PAGE_LIMIT).json::<List>(&call).await;
        if token.is_some() && matches!(read, Err(ClusterError::Changed(_))) {
            // The server forgot the list while its pages were being worked through: next time all at once.
            self.paged = false;
        }
        let mut list = read?;
        let kind = list.kind.strip_suffix("List").unwrap_or_default();
        for object in &mut list.items {
            complete(object, &list.api_version, kind);
        }
        let after = match (list.metadata.next, list.metadata.resource_version) {
            (Some(token), _) if !token.is_empty() => After::Token(token),
            (_, Some(version)) if !version.is_empty() => After::Version(version),
            _ => return Err(ClusterError::Other("the list has no resourceVersion: it can't be watched".into())),
        };
        Ok(State::Page { rest: list.items.into_iter(), after })
    }

    async fn initial(&mut self, mut events: WatchStream, silence: Duration) -> Result<Option<Step>, ClusterError> {
        let Ok(event) = timeout(silence, events.next()).await else {
            self.streaming = Some(false);
            return Err(ClusterError::Unreachable("a streaming list fell silent".into()));
        };
        let step = match self.event(event)? {
            Some(WatchEvent::Added(object) | WatchEvent::Modified(object)) => Some(Step::Seen(object)),
            Some(WatchEvent::Deleted(object)) => Some(Step::Gone(object)),
            Some(WatchEvent::Bookmark(mark)) if mark.metadata.annotations.contains_key("k8s.io/initial-events-end") => {
                // The stream goes on as a watch, for as long as was asked for at most.
                let (version, open) = (mark.metadata.resource_version, Duration::from_secs(OPEN.1));
                self.state = State::Watching { events, version, opened: Instant::now(), open };
                return Ok(Some(Step::Synced));
            }
            Some(WatchEvent::Bookmark(_) | WatchEvent::Error(_)) => None,
            None => return Err(ClusterError::Unreachable("the list ended early".into())),
        };
        self.state = State::Initial { events, silence };
        Ok(step)
    }

    async fn resume(&mut self, version: String) -> Result<(), ClusterError> {
        let (query, open) = self.watch_query(&format!("&resourceVersion={}", encoded(&version)));
        match self.connection.open_watch(&query).await {
            Ok(events) => {
                self.state = State::Watching { events, version, opened: Instant::now(), open };
                Ok(())
            }
            Err(error) => {
                let error = of_client(&error, self.texts);
                if !matches!(error, ClusterError::Changed(_)) {
                    self.state = State::Resume { version };
                }
                Err(error)
            }
        }
    }

    async fn watching(
        &mut self,
        mut events: WatchStream,
        version: String,
        opened: Instant,
        open: Duration,
    ) -> Result<Option<Step>, ClusterError> {
        // Whatever goes wrong but 410, it goes on from here.
        self.state = State::Resume { version: version.clone() };
        let Ok(event) = timeout_at(opened + open + GRACE, events.next()).await else {
            return Err(ClusterError::Unreachable("a watch did not end when it should".into()));
        };
        let event = self.event(event)?;
        let (step, version) = match event {
            Some(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                let version = version_of(&object).unwrap_or(version);
                (Some(Step::Seen(object)), version)
            }
            Some(WatchEvent::Deleted(object)) => {
                let version = version_of(&object).unwrap_or(version);
                (Some(Step::Gone(object)), version)
            }
            Some(WatchEvent::Bookmark(mark)) => (None, mark.metadata.resource_version),
            Some(WatchEvent::Error(_)) => return Ok(None),
            // The usual end; one that comes at once would otherwise be a busy loop.
            None if opened.elapsed() > Duration::from_secs(1) => return Ok(None),
            None => return Err(ClusterError::Unreachable("a watch ended at once".into())),
        };
        self.state = State::Watching { events, version, opened, open };
        Ok(step)
    }

    /// An event, or the error it stands for; forgets where it was when the server forgot it.
    fn event(&mut self, event: Option<EventOrError>) -> Result<Option<WatchEvent<Value>>, ClusterError> {
        let error = match event {
            None => return Ok(None),
            Some(Ok(WatchEvent::Error(status))) => kube::Error::Api(status),
            Some(Ok(event)) => return Ok(Some(event)),
            Some(Err(error)) => error,
        };
        if matches!(&error, kube::Error::Api(status) if status.code == StatusCode::GONE.as_u16()) {
            self.state = State::Start;
        }
        Err(of_client(&error, self.texts))
    }

    fn watch_query(&self, what: &str) -> (String, Duration) {
        let open = between(Duration::from_secs(OPEN.0), Duration::from_secs(OPEN.1)).as_secs();
        let query = format!("watch=1&allowWatchBookmarks=true&timeoutSeconds={open}{what}");
        (format!("{}?{query}", self.path), Duration::from_secs(open))
    }
}

type EventOrError = Result<WatchEvent<Value>, kube::Error>;

fn version_of(object: &Value) -> Option<String> {
    object.pointer("/metadata/resourceVersion").and_then(Value::as_str).map(String::from)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    metadata: ListMetadata,
    #[serde(default, deserialize_with = "super::discovery::or_default")]
    items: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMetadata {
    resource_version: Option<String>,
    #[serde(rename = "continue")]
    next: Option<String>,
}

#[cfg(test)]
mod tests;
