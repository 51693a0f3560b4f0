//! Owns the rules that are read straight from a ConfigMap. Must never read another object than that one.

use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube_runtime::WatchStreamExt as _;
use kube_runtime::watcher::{self, watch_object};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::address::in_namespace;
use super::client::Connection;
use super::error::{ClusterError, Texts, of_client};

/// The key that holds the rules.
const KEY: &str = "config.yaml";

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
        // Only a name that can be one may become part of a URL.
        in_namespace("/api/v1", namespace, "configmaps")?;
        let api = Api::namespaced(connection.client.clone(), namespace);
        let (tell, text) = watch::channel(ConfigMapText::Unread);
        let task = follow(api, name.to_owned(), format!("ConfigMap {namespace}/{name}"), tell);
        Ok(Self { text, _task: AbortOnDropHandle::new(tokio::spawn(task)) })
    }

    /// The text now, and every change of it.
    pub fn text(&self) -> watch::Receiver<ConfigMapText> {
        self.text.clone()
    }
}

async fn follow(api: Api<ConfigMap>, name: String, object: String, tell: watch::Sender<ConfigMapText>) {
    let missing = |why: &str| ConfigMapText::Missing(format!("{object}: {why}").into());
    let mut states = pin!(watch_object(api, &name).default_backoff());
    while let Some(state) = states.next().await {
        let text = match state {
            Ok(Some(map)) => match map.data.as_ref().and_then(|data| data.get(KEY)) {
                Some(text) => ConfigMapText::Text(text.as_str().into()),
                None => missing("it has no key config.yaml"),
            },
            Ok(None) => missing("it does not exist"),
            // The watcher tries again by itself; what was read last is still good meanwhile.
            Err(error) => {
                tracing::debug!(object, %error, "the watch of the rules failed; trying again");
                match refusal(&error) {
                    Some(why) => missing(&why),
                    None => continue,
                }
            }
        };
        set(&tell, text);
    }
}

/// Why the API server will not show the object, if it is that and not a passing failure.
fn refusal(error: &watcher::Error) -> Option<String> {
    let (watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error)) = error else {
        return None;
    };
    match of_client(error, Texts::Shown) {
        error if error.is_transient() => None,
        error => Some(error.to_string()),
    }
}

fn set(tell: &watch::Sender<ConfigMapText>, text: ConfigMapText) {
    tell.send_if_modified(|current| {
        let modified = *current != text;
        *current = text;
        modified
    });
}
