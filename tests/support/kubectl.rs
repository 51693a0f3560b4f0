//! What a person does in the cluster with kubectl, without kubectl, so that it works on any API server. Must never act under
//! the names of kubeferry.

#![allow(dead_code, reason = "each test binary uses a part")]

use http::Method;
use kube::Client;
use serde::Deserialize as _;
use serde_json::{Value, json};

/// Group-version, kind and plural of what the journeys use; those that stand in no namespace come last.
const KINDS: [(&str, &str, &str); 15] = [
    ("v1", "ConfigMap", "configmaps"),
    ("v1", "Secret", "secrets"),
    ("v1", "Service", "services"),
    ("v1", "ServiceAccount", "serviceaccounts"),
    ("apps/v1", "Deployment", "deployments"),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    ("coordination.k8s.io/v1", "Lease", "leases"),
    ("rbac.authorization.k8s.io/v1", "Role", "roles"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
    ("snapshot.storage.k8s.io/v1", "VolumeSnapshot", "volumesnapshots"),
    ("snapshot.storage.k8s.io/v1", "VolumeSnapshotContent", "volumesnapshotcontents"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions"),
    ("v1", "Namespace", "namespaces"),
];

/// How many of [`KINDS`], from the end, stand in no namespace.
const CLUSTER_SCOPED: usize = 5;

/// A person at work in a cluster, in one namespace unless an object names another.
#[derive(Clone)]
pub struct Kubectl {
    client: Client,
    namespace: String,
}

impl Kubectl {
    /// Acts through `client`.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self { client, namespace: namespace.to_owned() }
    }

    /// The live object; `None` when there is none.
    pub async fn get(&self, kind: &str, name: &str) -> Option<Value> {
        self.call(Method::GET, &self.path(kind, &self.namespace, name), None).await.ok()
    }

    /// Creates every object of a YAML text; one that exists is left.
    pub async fn create(&self, yaml: &str) {
        for object in documents(yaml) {
            let kind = object["kind"].as_str().unwrap();
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or(&self.namespace);
            let path = format!("{}?fieldManager=kubectl-create", self.path(kind, namespace, ""));
            match self.call(Method::POST, &path, Some(&object)).await {
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                answer => drop(answer.unwrap()),
            }
        }
    }

    /// As `kubectl patch --type merge`.
    pub async fn patch(&self, kind: &str, name: &str, patch: Value) {
        let path = format!("{}?fieldManager=kubectl-edit", self.path(kind, &self.namespace, name));
        self.call(Method::PATCH, &path, Some(&patch)).await.unwrap();
    }

    /// As `kubectl scale`: by the subresource.
    pub async fn scale(&self, name: &str, replicas: i32) {
        let path = format!("{}/scale?fieldManager=kubectl", self.path("Deployment", &self.namespace, name));
        self.call(Method::PATCH, &path, Some(&json!({"spec": {"replicas": replicas}}))).await.unwrap();
    }

    /// Deletes an object.
    pub async fn delete(&self, kind: &str, name: &str) {
        self.call(Method::DELETE, &self.path(kind, &self.namespace, name), None).await.unwrap();
    }

    /// Sends any request; answers what came back.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> kube::Result<Value> {
        let content = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let body = body.map(|body| serde_json::to_vec(body).unwrap()).unwrap_or_default();
        let request = http::Request::builder().method(method).uri(path).header(http::header::CONTENT_TYPE, content);
        self.client.request(request.body(body).unwrap()).await
    }

    fn path(&self, kind: &str, namespace: &str, name: &str) -> String {
        let at = KINDS.iter().position(|known| known.1 == kind).unwrap_or_else(|| panic!("add {kind} to KINDS"));
        let (version, _, plural) = KINDS[at];
        let root = if version.contains('/') { "/apis/" } else { "/api/" };
        let within = if at < KINDS.len() - CLUSTER_SCOPED { format!("namespaces/{namespace}/") } else { String::new() };
        format!("{root}{version}/{within}{plural}/{name}").trim_end_matches('/').to_owned()
    }
}

/// Every object of a YAML text.
pub fn documents(yaml: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(yaml).map(|document| Value::deserialize(document).unwrap()).collect()
}
