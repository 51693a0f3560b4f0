//! Owns what is taken off an object before it is applied, or before it is written to Git. Must never change a value that
//! somebody declared.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::stamps::Stamps;

/// The annotation in which client-side apply keeps what it was given.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Metadata that the server owns, or that means nothing in another cluster.
const SERVER_METADATA: [&str; 9] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The object as it is applied: without `status` and server-owned metadata, with `stringData` of a Secret turned into
/// `data` (a key of `stringData` that is taken away later would never leave `data`).
pub fn for_apply(object: &Value) -> Value {
    let mut object = cleaned(object);
    with_metadata(&mut object, |metadata| drop_keys(metadata, "annotations", |key| key == LAST_APPLIED));
    encode_string_data(&mut object);
    object
}

/// The object as it is written to Git: as [`for_apply`], and without finalizers and the stamps of controllers and other
/// tools, which would mean nothing, or harm, in a manifest.
pub fn for_git(object: &Value) -> Value {
    let mut object = cleaned(object);
    encode_string_data(&mut object);
    let is_namespace = is_core(&object, "Namespace");
    let stamps = Stamps::of(&object);
    with_metadata(&mut object, |metadata| {
        metadata.shift_remove("finalizers");
        if metadata.contains_key("name") {
            metadata.shift_remove("generateName");
        }
        drop_keys(metadata, "annotations", |key| stamps.contains(key));
        drop_keys(metadata, "labels", |key| stamps.contains(key));
    });
    if let Some(root) = object.as_object_mut().filter(|_| is_namespace) {
        if let Some(Value::Object(spec)) = root.get_mut("spec") {
            spec.shift_remove("finalizers");
        }
        drop_if_empty(root, "spec");
    }
    object
}

/// Whether this is a Secret, whose values are never shown.
pub fn is_secret(object: &Value) -> bool {
    is_core(object, "Secret")
}

fn is_core(object: &Value, kind: &str) -> bool {
    object.get("apiVersion").and_then(Value::as_str) == Some("v1")
        && object.get("kind").and_then(Value::as_str) == Some(kind)
}

fn cleaned(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(root) = object.as_object_mut() {
        root.shift_remove("status");
    }
    with_metadata(&mut object, |metadata| metadata.retain(|key, _| !SERVER_METADATA.contains(&key.as_str())));
    object
}

fn with_metadata(object: &mut Value, change: impl FnOnce(&mut Map<String, Value>)) {
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        change(metadata);
    }
}

/// Drops keys of the map `name`, and the map with its last key.
fn drop_keys(metadata: &mut Map<String, Value>, name: &str, is_dropped: impl Fn(&str) -> bool) {
    if let Some(Value::Object(map)) = metadata.get_mut(name) {
        let before = map.len();
        map.retain(|key, _| !is_dropped(key));
        if map.len() < before {
            drop_if_empty(metadata, name);
        }
    }
}

fn drop_if_empty(map: &mut Map<String, Value>, name: &str) {
    if map.get(name).and_then(Value::as_object).is_some_and(Map::is_empty) {
        map.shift_remove(name);
    }
}

/// As the server does it: each key of `stringData` replaces that of `data`. What is no text stays where it stands, for the
/// server to refuse it by name.
fn encode_string_data(object: &mut Value) {
    if !is_secret(object) {
        return;
    }
    let Some(root) = object.as_object_mut() else { return };
    let Some(position) = root.keys().position(|key| key == "stringData") else { return };
    let Some(Value::Object(texts)) = root.get_mut("stringData") else {
        return;
    };
    let mut encoded = Map::new();
    texts.retain(|key, value| {
        let text = match value {
            Value::String(text) => text.as_str(),
            Value::Null => "",
            _ => return true,
        };
        encoded.insert(key.clone(), Value::String(STANDARD.encode(text)));
        false
    });
    if texts.is_empty() {
        root.shift_remove("stringData");
    }
    if encoded.is_empty() {
        return;
    }
    match root.get_mut("data") {
        Some(Value::Object(data)) => data.extend(encoded),
        _ => {
            root.shift_remove("data");
            root.shift_insert(position.min(root.len()), "data".to_owned(), Value::Object(encoded));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_server_owns_is_never_applied() {
        let live = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b", "uid": "1",
            "resourceVersion": "2", "generation": 3, "creationTimestamp": null, "managedFields": [], "selfLink": "/",
            "ownerReferences": [{}], "finalizers": ["x"], "labels": {},
            "annotations": {LAST_APPLIED: "{}"}}, "data": {"k": "v"}, "status": {"x": 1}});
        let wanted = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "a", "namespace": "b", "finalizers": ["x"], "labels": {}}, "data": {"k": "v"}});
        assert_eq!(for_apply(&live), wanted);
        assert_eq!(for_apply(&wanted), wanted);
    }

    #[test]
    fn stamps_and_finalizers_never_reach_git() {
        let live = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "finalizers": ["x"],
            "labels": {"kubernetes.io/metadata.name": "a", "team": "t", "argocd.argoproj.io/instance": "i"},
            "annotations": {"deployment.kubernetes.io/revision": "1", "argocd.argoproj.io/sync-wave": "2"}},
            "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}});
        let wanted = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"team": "t"},
            "annotations": {"argocd.argoproj.io/sync-wave": "2"}}});
        assert_eq!(for_git(&live), wanted);
    }

    #[test]
    fn string_data_becomes_data_and_wins() {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"a": "eA==", "b": "eQ=="},
            "stringData": {"a": "hunter2", "c": null}});
        let wanted = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "data": {"a": "aHVudGVyMg==", "b": "eQ==", "c": ""}});
        assert_eq!(for_apply(&secret), wanted);
        let refused = json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"a": 1}});
        assert_eq!(for_apply(&refused), refused);
        let other = json!({"apiVersion": "example.io/v1", "kind": "Secret", "stringData": {"a": "b"}});
        assert_eq!(for_apply(&other), other);
    }

    #[test]
    fn data_takes_the_place_of_string_data() {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "b"}, "type": "Opaque"});
        let cleaned = for_apply(&secret);
        let keys: Vec<_> = cleaned.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["apiVersion", "kind", "data", "type"]);
    }
}
