//! Owns the Kubernetes Events that kubeferry writes. Must never hold anybody up, never flood the API server, and never be
//! given a value of a Secret.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::address::in_namespace;
use super::client::Connection;
use super::error::ClusterError;
use super::lease::micro_time;
use super::request::Call;
use crate::object::ObjectId;

/// How many Events wait to be written; more are dropped, and counted in the log.
const WAITING: usize = 64;

/// The same Event is not written again for this long.
const QUIET: Duration = Duration::from_secs(600);

/// How many Events may be written at once, and how long each takes to be earned back.
const BURST: u32 = 25;
const EARNED: Duration = Duration::from_secs(6);

/// How many Events are remembered to know which are the same.
const REMEMBERED: usize = 1_000;

/// The API server's limit for a note, in bytes.
const LONGEST_NOTE: usize = 1_024;

/// How serious an Event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventLevel {
    /// For information.
    Normal,
    /// Somebody should look.
    Warning,
}

/// Something to tell beside an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Event {
    /// The object.
    pub regarding: ObjectId,
    /// The version by which the object is named, for example `v1`.
    pub version: Arc<str>,
    /// The object's UID, when it is known: then `kubectl describe` shows the Event.
    pub uid: Option<String>,
    /// How serious it is.
    pub level: EventLevel,
    /// What was done or tried, in one word: `Apply`, `Delete`, `WriteBack`.
    pub action: &'static str,
    /// Why, in one word: `Applied`, `FieldConflict`, `Held`.
    pub reason: &'static str,
    /// The whole story; cut after 1,024 bytes.
    pub note: String,
}

/// Writes Events in the background. Dropping it drops what waits.
pub struct Events {
    waiting: mpsc::Sender<Event>,
    _task: AbortOnDropHandle<()>,
}

impl Events {
    /// A writer in the name of `instance` (a pod's name).
    pub fn start(connection: &Connection, instance: &str) -> Self {
        let (waiting, events) = mpsc::channel(WAITING);
        let writer = Writer { connection: connection.clone(), instance: instance.into(), written: HashMap::new() };
        Self { waiting, _task: AbortOnDropHandle::new(tokio::spawn(writer.run(events))) }
    }

    /// Takes an Event to be written soon. Never waits: when too many wait, it is dropped.
    pub fn tell(&self, event: Event) {
        if let Err(error) = self.waiting.try_send(event) {
            tracing::debug!(%error, "an Event was dropped");
        }
    }
}

struct Writer {
    connection: Connection,
    instance: String,
    /// When each Event was last written.
    written: HashMap<Event, Instant>,
}

impl Writer {
    async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        let mut allowance = Allowance { left: BURST, since: Instant::now() };
        while let Some(event) = events.recv().await {
            if !self.is_news(&event) {
                continue;
            }
            if !allowance.take() {
                tracing::debug!(object = %event.regarding, reason = event.reason, "an Event was dropped: too many");
                continue;
            }
            match self.write(&event).await {
                Ok(()) => drop(self.written.insert(event, Instant::now())),
                Err(error) => tracing::debug!(object = %event.regarding, %error, "an Event could not be written"),
            }
        }
    }

    fn is_news(&mut self, event: &Event) -> bool {
        if self.written.len() >= REMEMBERED {
            self.written.retain(|_, written| written.elapsed() < QUIET);
        }
        if self.written.len() >= REMEMBERED {
            self.written.clear();
        }
        self.written.get(event).is_none_or(|written| written.elapsed() >= QUIET)
    }

    async fn write(&self, event: &Event) -> Result<(), ClusterError> {
        // The API server wants Events of cluster-scoped objects there.
        let namespace = event.regarding.namespace().unwrap_or("default");
        let path = in_namespace("/apis/events.k8s.io/v1", namespace, "events")?;
        let body = self.body(event, namespace).to_string().into_bytes();
        self.connection.call(&Call::with_body(Method::POST, path, "application/json", body)).await.map(drop)
    }

    fn body(&self, event: &Event, namespace: &str) -> Value {
        let (id, version) = (&event.regarding, &event.version);
        let api_version = match id.group() {
            "" => version.to_string(),
            group => format!("{group}/{version}"),
        };
        let mut regarding = json!({"apiVersion": api_version, "kind": id.kind(), "name": id.name()});
        if let Some(regarding) = regarding.as_object_mut() {
            let further = [("namespace", id.namespace()), ("uid", event.uid.as_deref())];
            for (key, value) in further.into_iter().filter_map(|(key, value)| Some((key, value?))) {
                regarding.insert(key.into(), value.into());
            }
        }
        let note = event.note.get(..event.note.floor_char_boundary(LONGEST_NOTE)).unwrap_or_default();
        json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event",
            "metadata": {"generateName": "kubeferry-", "namespace": namespace},
            "eventTime": micro_time(), "type": format!("{:?}", event.level), "action": event.action,
            "reason": event.reason, "note": note, "regarding": regarding,
            "reportingController": "kubeferry", "reportingInstance": self.instance,
        })
    }
}

/// How many Events may still be written now.
struct Allowance {
    left: u32,
    since: Instant,
}

impl Allowance {
    fn take(&mut self) -> bool {
        let earned = u32::try_from(self.since.elapsed().as_millis() / EARNED.as_millis()).unwrap_or(BURST);
        self.since += EARNED * earned;
        self.left = self.left.saturating_add(earned).min(BURST);
        let taken = self.left.checked_sub(1);
        self.left = taken.unwrap_or(0);
        taken.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;
    use axum::Router;
    use std::sync::Mutex;

    fn event(name: &str, note: &str) -> Event {
        Event {
            regarding: ObjectId::new(GroupKind::new("apps", "Deployment"), "shop", name),
            version: "v1".into(),
            uid: Some("u".into()),
            level: EventLevel::Warning,
            action: "Apply",
            reason: "FieldConflict",
            note: note.into(),
        }
    }

    /// A writer to a server that keeps the bodies it gets.
    fn stub() -> (Events, Arc<Mutex<Vec<Value>>>) {
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let kept = bodies.clone();
        let router = Router::new().fallback(move |body: axum::Json<Value>| async move {
            kept.lock().unwrap().push(body.0);
            "{}"
        });
        (Events::start(&Connection::over(kube::Client::new(router, "default")), "pod-1"), bodies)
    }

    /// Lets the writer work until it has nothing left to do.
    async fn settle() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_event_is_written_once_in_ten_minutes() {
        let (events, bodies) = stub();
        for note in ["a", "a", "b"] {
            events.tell(event("web", note));
        }
        settle().await;
        let notes: Vec<_> = bodies.lock().unwrap().iter().map(|body| body["note"].clone()).collect();
        assert_eq!(notes, ["a", "b"]);
        assert_eq!(bodies.lock().unwrap()[0]["regarding"]["apiVersion"], "apps/v1");

        tokio::time::advance(QUIET).await;
        events.tell(event("web", "a"));
        settle().await;
        assert_eq!(bodies.lock().unwrap().len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn events_come_in_bursts_and_then_slowly() {
        let (events, bodies) = stub();
        for number in 0..BURST + 10 {
            events.tell(event(&number.to_string(), "a"));
        }
        settle().await;
        assert_eq!(bodies.lock().unwrap().len(), BURST as usize);
        tokio::time::advance(EARNED * 2).await;
        for number in 100..110 {
            events.tell(event(&number.to_string(), "a"));
        }
        settle().await;
        assert_eq!(bodies.lock().unwrap().len(), BURST as usize + 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_note_is_cut_between_characters() {
        let (events, bodies) = stub();
        events.tell(event("web", &"é".repeat(2_000)));
        settle().await;
        assert_eq!(bodies.lock().unwrap()[0]["note"].as_str().unwrap().len(), LONGEST_NOTE);
    }
}
