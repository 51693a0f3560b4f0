//! What the facts ask with: one server, a namespace of one's own, requests as they go over the wire.

use std::time::Duration;

use futures::stream::BoxStream;
use futures::{AsyncBufReadExt as _, StreamExt as _};
use http::{HeaderMap, Request};
use kube::Client;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kubeferry::sandbox;
use kubeferry::sandbox::store::{Options as StoreOptions, Store};
use serde_json::{Value, json};

use crate::envtest::{Options, RealServer};

/// How long anything may take.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Changes that the sandbox of a test remembers.
const HISTORY: usize = 60;

/// Media types of patches.
pub const APPLY: &str = "application/apply-patch+yaml";
pub const JSON_PATCH: &str = "application/json-patch+json";
pub const MERGE: &str = "application/merge-patch+json";
pub const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// An API server, and a namespace in it.
pub struct Server {
    client: Client,
    pub namespace: String,
    sandbox: Option<sandbox::Server>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub headers: HeaderMap,
    pub body: Value,
    pub text: String,
}

impl Answer {
    /// The body of an answer that is no refusal.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(self.code < 300, "{}: {}", self.code, self.text);
        self.body
    }

    /// The message of a refusal with this code.
    #[track_caller]
    pub fn refused(&self, code: u16) -> &str {
        assert_eq!(self.code, code, "{}", self.text);
        self.body["message"].as_str().unwrap()
    }

    /// Each cause of a refusal: field and message.
    #[track_caller]
    pub fn causes(&self) -> Vec<(&str, &str)> {
        let causes = self.body["details"]["causes"].as_array().unwrap();
        let mut told: Vec<_> =
            causes.iter().map(|one| (one["field"].as_str().unwrap(), one["message"].as_str().unwrap())).collect();
        // A real server tells some of them twice.
        told.dedup();
        told
    }
}

impl Server {
    /// A sandbox of one's own.
    pub async fn sandbox(fact: &str) -> Self {
        let store = Store::new(StoreOptions { seed: 7, history: HISTORY, ..StoreOptions::default() });
        let server = sandbox::Server::serve(([127, 0, 0, 1], 0).into(), store).await.unwrap();
        let kubeconfig = Kubeconfig::from_yaml(&server.kubeconfig()).unwrap();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        crate::envtest::rustls_provider();
        Self::within(Client::try_from(config).unwrap(), fact, Some(server)).await
    }

    /// The real server of this test binary.
    pub async fn real(fact: &str) -> Self {
        let server = RealServer::shared(Options { controllers: true, ..Options::default() });
        Self::within(server.client().await, fact, None).await
    }

    async fn within(client: Client, fact: &str, sandbox: Option<sandbox::Server>) -> Self {
        let namespace: String = fact.replace('_', "-").chars().take(63).collect();
        let server = Self { client, namespace: namespace.trim_end_matches('-').to_owned(), sandbox };
        let space = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": server.namespace}});
        server.post("/api/v1/namespaces", &space).await.ok();
        server
    }

    /// Path of a collection in the namespace, or of an object: `configmaps`, `deployments/web/scale`.
    pub fn path(&self, rest: &str) -> String {
        let prefix = match rest.split(['/', '?']).next().unwrap() {
            "deployments" => "/apis/apps/v1",
            "leases" => "/apis/coordination.k8s.io/v1",
            _ => "/api/v1",
        };
        format!("{prefix}/namespaces/{}/{rest}", self.namespace)
    }

    /// Sends one request. A path without a leading `/` is one of the namespace.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let path = if path.starts_with('/') { path.to_owned() } else { self.path(path) };
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).unwrap();
        let answer = async {
            let response = self.client.send(request).await.unwrap();
            let (parts, body) = response.into_parts();
            let bytes = body.collect_bytes().await.unwrap();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let body = serde_json::from_str(&text).unwrap_or_default();
            Answer { code: parts.status.as_u16(), headers: parts.headers, body, text }
        };
        tokio::time::timeout(LIMIT, answer).await.unwrap()
    }

    async fn send_json(&self, method: &str, path: &str, of: &str, body: &Value) -> Answer {
        self.send(method, path, &[("content-type", of)], body.to_string().into_bytes()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], Vec::new()).await
    }

    pub async fn get_as(&self, path: &str, accept: &str) -> Answer {
        self.send("GET", path, &[("accept", accept)], Vec::new()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send_json("POST", path, "application/json", body).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send_json("PUT", path, "application/json", body).await
    }

    pub async fn patch(&self, path: &str, of: &str, body: &Value) -> Answer {
        self.send_json("PATCH", path, of, body).await
    }

    /// Server-side apply to where the object says that it lives.
    pub async fn apply(&self, manager: &str, object: &Value) -> Answer {
        self.apply_with(&format!("fieldManager={manager}"), object).await
    }

    pub async fn apply_with(&self, query: &str, object: &Value) -> Answer {
        let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
        let path = format!("{plural}/{}?{query}", object["metadata"]["name"].as_str().unwrap());
        self.patch(&path, APPLY, object).await
    }

    pub async fn delete(&self, path: &str, options: Option<&Value>) -> Answer {
        match options {
            Some(options) => self.send_json("DELETE", path, "application/json", options).await,
            None => self.send("DELETE", path, &[], Vec::new()).await,
        }
    }

    /// Asks until `fits`.
    pub async fn until(&self, path: &str, what: &str, fits: impl Fn(&Answer) -> bool) -> Answer {
        let end = tokio::time::Instant::now() + LIMIT;
        loop {
            let answer = self.get(path).await;
            if fits(&answer) {
                return answer;
            }
            assert!(tokio::time::Instant::now() < end, "{what}: {}", answer.text);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Starts a watch; `path` with its options.
    pub async fn watch(&self, path: &str) -> Watched {
        let path = if path.starts_with('/') { path.to_owned() } else { self.path(path) };
        let request = Request::get(path).body(Vec::new()).unwrap();
        Watched(self.client.request_stream(request).await.unwrap().lines().boxed())
    }

    /// A collection that exists since long after version 1, or whose history no longer goes back so far.
    pub async fn aged_collection(&self) -> String {
        if self.sandbox.is_some() {
            for number in 0..HISTORY {
                self.post("configmaps", &self.config_map(&format!("aged-{number}"), json!({}))).await.ok();
            }
            return self.path("configmaps");
        }
        let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "agings.example.org"},
            "spec": {"group": "example.org", "scope": "Namespaced", "names": {"plural": "agings", "kind": "Aging"},
                     "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]},
        });
        self.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition).await.ok();
        let path = "/apis/example.org/v1/agings";
        self.until(path, "the new kind is served", |answer| answer.code == 200).await;
        path.to_owned()
    }

    pub fn config_map(&self, name: &str, data: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
    }

    /// A small Deployment with a container that has one port.
    pub fn deployment(&self, name: &str) -> Value {
        let container = json!({"name": "c", "image": "nginx", "ports": [{"containerPort": 80}]});
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}},
                     "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}}},
        })
    }
}

/// The events of a watch.
pub struct Watched(BoxStream<'static, std::io::Result<String>>);

impl Watched {
    /// The next event; `None` when the watch ended.
    pub async fn next(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(LIMIT, self.0.next()).await.expect("an event or the end in time")?;
        Some(serde_json::from_str(&line.unwrap()).unwrap())
    }

    /// Type and name of the next event.
    pub async fn told(&mut self) -> (String, String) {
        let event = self.next().await.expect("the watch goes on");
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        (text(&event["type"]), text(&event["object"]["metadata"]["name"]))
    }
}

/// The entry of a manager: its fields, or null.
pub fn owned(object: &Value, manager: &str) -> Value {
    entry(object, manager)["fieldsV1"].clone()
}

/// The entry of a manager, or null.
pub fn entry(object: &Value, manager: &str) -> Value {
    let entries = object["metadata"]["managedFields"].as_array();
    entries.into_iter().flatten().find(|entry| entry["manager"] == manager).cloned().unwrap_or_default()
}

/// Names of an answer's items.
pub fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

pub fn version(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().unwrap()
}
