//! Owns the bench's own watch: which objects exist, what their marker says, and when the event came. Must never miss an
//! event without saying so.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, bail};
use http::Method;
use http_body_util::BodyExt as _;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::api::{Access, Ask};

/// The latest event of one object.
#[derive(Clone, Debug)]
pub struct Sight {
    pub marker: String,
    /// What it said before that.
    pub before: String,
    pub at: Instant,
    pub wall: SystemTime,
}

#[derive(Default)]
struct State {
    live: HashMap<String, Sight>,
    /// When the latest object came or went.
    counted: Option<Instant>,
    ended: Option<String>,
}

/// A running watch. Ends when it is dropped.
pub struct Seen {
    state: watch::Receiver<State>,
    _watches: JoinSet<()>,
}

#[derive(Deserialize)]
struct Event {
    r#type: String,
    object: Shown,
}

#[derive(Deserialize)]
struct Shown {
    metadata: Metadata,
    #[serde(default)]
    data: Data,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
}

#[derive(Default, Deserialize)]
struct Data {
    #[serde(default)]
    marker: String,
}

#[derive(Deserialize)]
struct List {
    metadata: Version,
}

#[derive(Deserialize)]
struct Version {
    #[serde(rename = "resourceVersion")]
    resource_version: String,
}

impl Seen {
    /// Watches these kinds in all namespaces, from now on; counts what is in namespaces that begin with `prefix`.
    pub async fn start(access: &Access, kinds: &[&str], prefix: &'static str) -> Result<Self> {
        let (sender, state) = watch::channel(State::default());
        let mut watches = JoinSet::new();
        for kind in kinds {
            let mut connection = access.connect().await?;
            let list = connection.call(&Ask::without_body(Method::GET, &format!("{kind}?limit=1"))).await?;
            let list: List = serde_json::from_slice(&list)?;
            let version = list.metadata.resource_version;
            let path = format!("{kind}?watch=1&timeoutSeconds=36000&resourceVersion={version}");
            let answer = connection.open(&Ask::without_body(Method::GET, &path)).await?;
            if !answer.status().is_success() {
                bail!("{path}: {}", answer.status());
            }
            let sender = sender.clone();
            watches.spawn(async move {
                // The connection lives as long as what it answers.
                let _connection = connection;
                let ended = follow(answer.into_body(), prefix, &sender).await;
                let why = ended.err().map_or("closed by the server".to_owned(), |error| format!("{error:#}"));
                sender.send_modify(|state| state.ended = Some(why));
            });
        }
        Ok(Self { state, _watches: watches })
    }

    /// Waits until so many objects exist; answers when the last of them was seen.
    pub async fn until_live(&self, count: usize, limit: Duration) -> Result<Instant> {
        let found = |state: &State| if state.live.len() == count { state.counted } else { None };
        self.until(limit, found).await.with_context(|| format!("of {count} objects {} are live", self.live()))
    }

    /// Waits until the object's marker says so.
    pub async fn until_marker(&self, key: &str, marker: &str, limit: Duration) -> Result<Sight> {
        let found = |state: &State| state.live.get(key).filter(|sight| sight.marker == marker).cloned();
        self.until(limit, found).await.with_context(|| format!("{key} does not get the marker {marker}"))
    }

    /// Waits until the object's marker was `from` and says `to` again; answers when that was seen.
    pub async fn until_restored(&self, key: &str, from: &str, to: &str, limit: Duration) -> Result<Instant> {
        let is_back = |sight: &&Sight| sight.before == from && sight.marker == to;
        let found = |state: &State| state.live.get(key).filter(is_back).map(|sight| sight.at);
        self.until(limit, found).await.with_context(|| format!("{key} does not go from {from} to {to}"))
    }

    /// How many objects exist that came while this watched.
    pub fn live(&self) -> usize {
        self.state.borrow().live.len()
    }

    async fn until<T>(&self, limit: Duration, found: impl Fn(&State) -> Option<T>) -> Result<T> {
        let mut state = self.state.clone();
        let waiting = state.wait_for(|state| state.ended.is_some() || found(state).is_some());
        let state = tokio::time::timeout(limit, waiting).await.context("waited in vain")??;
        match &state.ended {
            Some(why) => bail!("the bench's watch ended: {why}"),
            None => found(&state).context("waited in vain"),
        }
    }
}

async fn follow(mut body: hyper::body::Incoming, prefix: &str, sender: &watch::Sender<State>) -> Result<()> {
    let mut buffer = Vec::new();
    while let Some(frame) = body.frame().await {
        let (at, wall) = (Instant::now(), SystemTime::now());
        let Ok(data) = frame?.into_data() else { continue };
        buffer.extend_from_slice(&data);
        let mut start = 0;
        while let Some(length) = buffer[start..].iter().position(|byte| *byte == b'\n') {
            let event: Event = serde_json::from_slice(&buffer[start..start + length])?;
            start += length + 1;
            if event.r#type == "ERROR" {
                bail!("the server says that events were lost");
            }
            let Metadata { name, namespace } = event.object.metadata;
            if !namespace.starts_with(prefix) {
                continue;
            }
            let (key, marker) = (format!("{namespace}/{name}"), event.object.data.marker);
            sender.send_modify(|state| {
                let before = state.live.len();
                match state.live.get_mut(&key) {
                    _ if event.r#type == "DELETED" => drop(state.live.remove(&key)),
                    // Something else of it changed.
                    Some(sight) if sight.marker == marker => {}
                    Some(sight) => {
                        let before = std::mem::take(&mut sight.marker);
                        *sight = Sight { marker, before, at, wall };
                    }
                    None => drop(state.live.insert(key, Sight { marker, before: String::new(), at, wall })),
                }
                if state.live.len() != before {
                    state.counted = Some(at);
                }
            });
        }
        buffer.drain(..start);
    }
    Ok(())
}
