//! Owns the ConfigMap in which an instance keeps what it must know after a restart: read, written and followed as a whole.
//! Must never know what its sections mean, nor write over what somebody else wrote meanwhile.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;

use futures::StreamExt as _;
use http::Method;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube_runtime::WatchStreamExt as _;
use kube_runtime::watcher::watch_object;
use serde_json::{Value, json};

use super::address::{encoded, in_namespace};
use super::calls::FieldManager;
use super::client::Connection;
use super::error::ClusterError;
use super::request::Call;

/// What a state ConfigMap is called after: the instance's name comes before it.
const SUFFIX: &str = "-state";

/// The state as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateText {
    /// UID of the ConfigMap; empty before it was made.
    pub uid: String,
    /// Its resourceVersion, which a write must still find; empty before it was made.
    pub version: String,
    /// The keys of its data, each with a text of its own.
    pub sections: BTreeMap<String, String>,
}

/// The state ConfigMap of one instance.
#[derive(Clone)]
pub struct StateMap {
    connection: Connection,
    manager: FieldManager,
    all: String,
    namespace: String,
    name: String,
}

impl StateMap {
    /// The state of the instance `instance` in `namespace`; `manager` is who writes.
    ///
    /// # Errors
    ///
    /// When the namespace or the name can't be one.
    pub fn new(
        connection: &Connection,
        manager: FieldManager,
        namespace: &str,
        instance: &str,
    ) -> Result<Self, ClusterError> {
        let name = format!("{instance}{SUFFIX}");
        let all = in_namespace("/api/v1", namespace, "configmaps")?;
        Ok(Self { connection: connection.clone(), manager, all, namespace: namespace.to_owned(), name })
    }

    /// Reads it; `None` when it does not exist.
    ///
    /// # Errors
    ///
    /// What the server answered.
    pub async fn read(&self) -> Result<Option<StateText>, ClusterError> {
        let call = Call::get(format!("{}/{}", self.all, encoded(&self.name)));
        let Some(answer) = self.connection.call_if_there(&call).await? else { return Ok(None) };
        let map: Value = serde_json::from_slice(&answer.body).map_err(|_| {
            ClusterError::Other(format!("ConfigMap {}/{} could not be read", self.namespace, self.name))
        })?;
        Ok(Some(text_of(&map)))
    }

    /// Writes it whole, or makes it when it has no version yet. Returns it as it is stored.
    ///
    /// # Errors
    ///
    /// [`ClusterError::Changed`] when it is not what `state` was made from any more, else what the server answered.
    pub async fn write(&self, state: StateText) -> Result<StateText, ClusterError> {
        let mut metadata = json!({"name": self.name, "namespace": self.namespace,
            "labels": {"app.kubernetes.io/managed-by": "kubeferry"}});
        let manager = encoded(self.manager.as_str());
        let (method, path) = if state.version.is_empty() {
            (Method::POST, format!("{}?fieldManager={manager}", self.all))
        } else {
            if let Some(metadata) = metadata.as_object_mut() {
                metadata.insert("uid".to_owned(), state.uid.into());
                metadata.insert("resourceVersion".to_owned(), state.version.into());
            }
            (Method::PUT, format!("{}/{}?fieldManager={manager}", self.all, encoded(&self.name)))
        };
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": state.sections});
        let call = Call::with_body(method, path, "application/json", map.to_string().into_bytes());
        let stored: Value = self.connection.json(&call).await?;
        Ok(text_of(&stored))
    }

    /// Tells the state as it is, and each change of it, for as long as the future is polled.
    pub(super) async fn follow<F: Future<Output = ()>>(&self, tell: impl Fn(Option<StateText>) -> F) {
        let api: Api<ConfigMap> = Api::namespaced(self.connection.client.clone(), &self.namespace);
        let mut states = pin!(watch_object(api, &self.name).default_backoff());
        while let Some(state) = states.next().await {
            match state {
                Ok(map) => tell(map.map(of_map)).await,
                // It tries again by itself. What people wrote meanwhile is seen then, or by our next write.
                Err(error) => tracing::debug!(map = self.name, %error, "the watch of the state failed; trying again"),
            }
        }
    }
}

fn of_map(map: ConfigMap) -> StateText {
    StateText {
        uid: map.metadata.uid.unwrap_or_default(),
        version: map.metadata.resource_version.unwrap_or_default(),
        sections: map.data.unwrap_or_default(),
    }
}

fn text_of(map: &Value) -> StateText {
    let text = |pointer: &str| map.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let data = map.get("data").and_then(Value::as_object).into_iter().flatten();
    StateText {
        uid: text("/metadata/uid"),
        version: text("/metadata/resourceVersion"),
        sections: data.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect(),
    }
}
