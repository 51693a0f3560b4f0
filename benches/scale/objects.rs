//! Owns the objects that the bench makes: 2 KB each, as people write them, over 20 namespaces, from a counter, so that two
//! runs have the same. Must never depend on a clock or on chance.

use std::collections::BTreeSet;

use http::Method;
use kubeferry::manifest;
use serde_json::{Value, json};

use super::api::Ask;

/// The value that is changed, as it is at first.
pub const MARKER: &str = "first";

/// Namespaces of a set.
pub const NAMESPACES: usize = 20;

/// One object, in both forms.
#[derive(Clone, Debug)]
pub struct Object {
    pub namespace: String,
    pub name: String,
    /// Its collection, for example `/api/v1/namespaces/team-03/configmaps`.
    pub collection: String,
    /// Its file in Git, where kubeferry too would write it.
    pub file: String,
    pub value: Value,
}

impl Object {
    fn new(collection: &str, value: Value) -> Self {
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        let (namespace, name, kind) = (text("/metadata/namespace"), text("/metadata/name"), text("/kind"));
        Self {
            collection: collection.replace("NAMESPACE", &namespace),
            file: format!("{namespace}/{kind}/{name}.yaml"),
            namespace,
            name,
            value,
        }
    }

    /// The manifest.
    pub fn text(&self) -> String {
        manifest::render(&self.value)
    }

    pub fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The server-side apply that kubeferry sends for it, by another manager.
    pub fn apply(&self) -> Ask {
        let path = format!(
            "{}/{}?fieldManager=kubeferry:bench%2Ffloor&fieldValidation=Strict&force=true",
            self.collection, self.name
        );
        let body = self.value.to_string().into();
        Ask { method: Method::PATCH, path, content_type: "application/apply-patch+yaml", body }
    }

    /// What a person does who sets one value.
    pub fn edit(&self, marker: &str) -> Ask {
        let path = format!("{}/{}?fieldManager=kubectl-edit", self.collection, self.name);
        Ask::new(Method::PATCH, path, &json!({"data": {"marker": marker}}))
    }

    /// The object with another value.
    pub fn marked(&self, marker: &str) -> Self {
        let mut marked = self.clone();
        marked.value["data"]["marker"] = marker.into();
        marked
    }
}

/// ConfigMaps of namespaces `PREFIX-00` to `PREFIX-19`.
pub fn config_maps(count: usize, prefix: &str) -> Vec<Object> {
    let object = |number| Object::new("/api/v1/namespaces/NAMESPACE/configmaps", config_map(number, prefix));
    (0..count).map(object).collect()
}

/// Deployments, Services and custom resources ([`shelf_definition`]), mixed.
pub fn mixed(count: usize, prefix: &str) -> Vec<Object> {
    let kind = |number: usize| match number % 10 {
        0..=3 => Object::new("/apis/apps/v1/namespaces/NAMESPACE/deployments", deployment(number, prefix)),
        4..=6 => Object::new("/api/v1/namespaces/NAMESPACE/services", service(number, prefix)),
        _ => Object::new("/apis/bench.kubeferry.io/v1/namespaces/NAMESPACE/shelves", shelf(number, prefix)),
    };
    (0..count).map(kind).collect()
}

/// The namespaces of these objects.
pub fn namespaces(objects: &[Object]) -> BTreeSet<String> {
    objects.iter().map(|object| object.namespace.clone()).collect()
}

/// The collections of these objects.
pub fn collections(objects: &[Object]) -> BTreeSet<String> {
    objects.iter().map(|object| object.collection.clone()).collect()
}

/// Spreads numbers over a range without meeting one twice before all were met.
pub fn spread(number: usize, range: usize) -> usize {
    number * 7_919 % range
}

fn metadata(kind: &str, number: usize, prefix: &str) -> Value {
    json!({"name": format!("{kind}-{number:06}"), "namespace": format!("{prefix}-{:02}", number % NAMESPACES),
        "labels": {"app.kubernetes.io/part-of": "shop", "app.kubernetes.io/name": format!("app-{}", number % 97)}})
}

fn config_map(number: usize, prefix: &str) -> Value {
    let mut data = json!({"marker": MARKER});
    for line in 0..24 {
        data[format!("setting-{line:02}")] = words(number * 100 + line, 9).into();
    }
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("settings", number, prefix), "data": data})
}

fn deployment(number: usize, prefix: &str) -> Value {
    let (metadata, app) = (metadata("web", number, prefix), format!("web-{number:06}"));
    let variable = |n: usize| json!({"name": format!("SETTING_{n:02}"), "value": words(number * 100 + n, 7)});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": app}},
            "template": {"metadata": {"labels": {"app": app}}, "spec": {"containers": [{
                "name": "web", "image": format!("registry.example.com/web:1.{number}.0"),
                "env": (0..14).map(variable).collect::<Vec<_>>(),
                "ports": [{"containerPort": 8080, "name": "http"}],
                "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 10},
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}}]}}}})
}

fn service(number: usize, prefix: &str) -> Value {
    let mut metadata = metadata("front", number, prefix);
    metadata["annotations"] = (0..18)
        .map(|n| (format!("example.com/note-{n:02}"), words(number * 100 + n, 9).into()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata,
        "spec": {"selector": {"app": format!("web-{number:06}")}, "type": "ClusterIP", "ports": [
            {"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"},
            {"name": "metrics", "port": 9090, "protocol": "TCP", "targetPort": 9090}]}})
}

fn shelf(number: usize, prefix: &str) -> Value {
    let slot = |n: usize| json!({"name": format!("slot-{n:02}"), "count": n, "note": words(number * 100 + n, 8)});
    json!({"apiVersion": "bench.kubeferry.io/v1", "kind": "Shelf", "metadata": metadata("shelf", number, prefix),
        "spec": {"width": 10 + number % 90, "slots": (0..16).map(slot).collect::<Vec<_>>()}})
}

/// The definition of the custom resource.
pub fn shelf_definition() -> Value {
    let slot = json!({"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string"}, "count": {"type": "integer"}, "note": {"type": "string"}}});
    let spec = json!({"type": "object", "properties": {"width": {"type": "integer"}, "slots": {"type": "array",
        "items": slot, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "shelves.bench.kubeferry.io"},
        "spec": {"group": "bench.kubeferry.io", "scope": "Namespaced",
            "names": {"kind": "Shelf", "listKind": "ShelfList", "plural": "shelves", "singular": "shelf"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}]}})
}

/// A line as it stands in settings: neither all the same nor noise.
fn words(seed: usize, count: usize) -> String {
    const WORDS: [&str; 32] = [
        "orders",
        "customer",
        "timeout",
        "enabled",
        "eu-west",
        "cache",
        "invoice",
        "retry",
        "https",
        "example.com",
        "basket",
        "limit",
        "queue",
        "7200",
        "worker",
        "stock",
        "payment",
        "region",
        "debug",
        "false",
        "shipping",
        "mail",
        "token",
        "window",
        "batch",
        "4096",
        "primary",
        "replica",
        "feature",
        "beta",
        "catalog",
        "price",
    ];
    let mut state = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut word = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        WORDS[(state >> 59) as usize]
    };
    (0..count).map(&mut word).collect::<Vec<_>>().join(" ")
}
