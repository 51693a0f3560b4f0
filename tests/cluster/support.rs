//! What these tests share: one server, a namespace of one's own, objects, and waiting for events with an end.

use std::time::Duration;

use kubeferry::cluster::{ApiServer, Cluster, ClusterEvent, ClusterOptions, Connection, FieldManager};
use kubeferry::object::{GroupKind, ObjectId};
use serde_json::{Value, json};

use crate::envtest::{Options, RealServer};

/// The service account whose requests are in the audit log.
pub const AUDITED: (&str, &str) = ("audited", "reader");

/// How long anything may take.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The server of this test binary.
pub fn server() -> &'static RealServer {
    let (namespace, name) = AUDITED;
    let audited_users = vec![format!("system:serviceaccount:{namespace}:{name}")];
    RealServer::shared(Options { audited_users, ..Options::default() })
}

/// A connection of the administrator.
pub async fn connection() -> Connection {
    crate::envtest::rustls_provider();
    let options = ClusterOptions { kubeconfig: Some(server().kubeconfig()), context: None };
    Connection::open(options).await.unwrap()
}

/// A connection of this service account.
pub async fn connection_as(namespace: &str, name: &str) -> Connection {
    let token = server().service_account_token(namespace, name).await;
    let options = ClusterOptions { kubeconfig: Some(server().kubeconfig_for(&token)), context: None };
    Connection::open(options).await.unwrap()
}

/// The cluster as the administrator, under the name of an instance.
pub async fn cluster(instance: &str) -> ApiServer {
    ApiServer::start(connection().await, FieldManager::new("kubeferry", instance).unwrap()).await.unwrap()
}

pub fn kind(group: &str, kind: &str) -> GroupKind {
    GroupKind::new(group, kind)
}

pub fn id(object: &Value) -> ObjectId {
    ObjectId::of(object).unwrap()
}

pub fn config_map(namespace: &str, name: &str, data: Value) -> Value {
    let metadata = json!({"namespace": namespace, "name": name});
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
}

/// A custom resource definition of `kind` in `example.org`, cluster-wide names being its own.
pub fn definition(kind: &str, fields: &Value) -> Value {
    let (singular, plural) = (kind.to_lowercase(), format!("{}s", kind.to_lowercase()));
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.example.org")},
        "spec": {
            "group": "example.org", "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": singular, "shortNames": [format!("{singular}x")]},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    })
}

/// Makes a namespace.
pub async fn namespace(cluster: &ApiServer, name: &str) {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    cluster.apply(&id(&namespace), namespace, true, false).await.unwrap();
}

/// Reads events until `done` says so; answers all of them. Panics when that takes too long.
pub async fn events_until(cluster: &ApiServer, mut done: impl FnMut(&ClusterEvent) -> bool) -> Vec<ClusterEvent> {
    let mut all = Vec::new();
    let reading = async {
        loop {
            cluster.changed().await;
            for event in cluster.events(7) {
                let last = done(&event);
                all.push(event);
                if last {
                    return;
                }
            }
        }
    };
    let in_time = tokio::time::timeout(LIMIT, reading).await.is_ok();
    assert!(in_time, "what was waited for did not come: {:?}", all.iter().map(short).collect::<Vec<_>>());
    all
}

/// Asks again and again until the answer is as wanted. Panics when that takes too long.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, asking).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// An event in short, for comparing and for messages.
pub fn short(event: &ClusterEvent) -> String {
    let name = |object: &Value| format!("{}", ObjectId::of(object).unwrap());
    match event {
        ClusterEvent::Kinds(_) => "kinds".into(),
        ClusterEvent::Listing(kind) => format!("listing {kind}"),
        ClusterEvent::Seen(object) => format!("seen {}", name(object)),
        ClusterEvent::Gone(object) => format!("gone {}", name(object)),
        ClusterEvent::Synced(kind) => format!("synced {kind}"),
        ClusterEvent::Unwatched(kind, why) => format!("unwatched {kind}: {why}"),
        ClusterEvent::State(_) => "state".into(),
    }
}
