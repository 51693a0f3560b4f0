//! Owns the rules that are read straight from a ConfigMap. Must never read another object than that one.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::address::in_namespace;
use super::backoff::Backoff;
use super::client::Connection;
use super::error::{ClusterError, Texts};
use super::stream::{ObjectStream, Step};

/// The key that holds the rules.
const KEY: &str = "config.yaml";

/// How long to wait at most before trying again.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What is known of the ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigMapText {
    /// Not read yet.
    Unread,
    /// There is no such ConfigMap, it has no key `config.yaml`, or it may not be read; the text says which.
    Missing(Arc<str>),
    /// The value of the key `config.yaml`.
    Text(Arc<str>),
}

/// A ConfigMap that is watched until this is dropped.
pub struct ConfigMapWatch {
    text: watch::Receiver<ConfigMapText>,
    _task: AbortOnDropHandle<()>,
}

impl ConfigMapWatch {
    /// Starts to watch the ConfigMap `namespace/name`.
    ///
    /// # Errors
    ///
    /// When the namespace can't be one.
    pub fn start(connection: &Connection, namespace: &str, name: &str) -> Result<Self, ClusterError> {
        let path = in_namespace("/api/v1", namespace, "configmaps")?;
        let stream = ObjectStream::new(connection.clone(), path, Texts::Shown).named(name);
        let (tell, text) = watch::channel(ConfigMapText::Unread);
        let task = follow(stream, format!("ConfigMap {namespace}/{name}"), tell);
        Ok(Self { text, _task: AbortOnDropHandle::new(tokio::spawn(task)) })
    }

    /// The text now, and every change of it.
    pub fn text(&self) -> watch::Receiver<ConfigMapText> {
        self.text.clone()
    }
}

async fn follow(mut stream: ObjectStream, object: String, tell: watch::Sender<ConfigMapText>) {
    let missing = |why: &str| ConfigMapText::Missing(format!("{object}: {why}").into());
    let mut backoff = Backoff::new(Duration::from_millis(500), LONGEST_WAIT);
    // Whether the current list has shown it.
    let mut shown = false;
    loop {
        let text = match stream.next().await {
            Ok(Step::Listing) => {
                shown = false;
                continue;
            }
            Ok(Step::Seen(map)) => {
                shown = true;
                text_of(&map).map_or_else(|| missing("it has no key config.yaml"), ConfigMapText::Text)
            }
            Ok(Step::Synced) => {
                backoff.reset();
                if shown {
                    continue;
                }
                missing("it does not exist")
            }
            Ok(Step::Gone(_)) => missing("it was deleted"),
            Err(error) => {
                if !error.is_transient() {
                    set(&tell, missing(&error.to_string()));
                }
                tracing::debug!(object, %error, "the watch of the rules failed; trying again");
                tokio::time::sleep(backoff.next()).await;
                continue;
            }
        };
        set(&tell, text);
    }
}

fn text_of(map: &Value) -> Option<Arc<str>> {
    map.get("data")?.get(KEY)?.as_str().map(Arc::from)
}

fn set(tell: &watch::Sender<ConfigMapText>, text: ConfigMapText) {
    tell.send_if_modified(|current| {
        let modified = *current != text;
        *current = text;
        modified
    });
}
