//! Objects at random, changes to them, and what differs between two.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use kubeferry::object::{FieldPath, FieldSet, ObjectId, Schema, compare};
use serde_json::{Value, json};

use super::memory_cluster::{at, is_leaf};
use super::pace::Dice;

/// A new object of this identity.
pub fn new(id: &ObjectId, dice: &mut Dice) -> Value {
    let metadata = json!({"name": id.name(), "namespace": id.namespace().unwrap()});
    let number = dice.below(4);
    match id.kind() {
        "ConfigMap" => json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
            "data": {"a": number.to_string(), "c": "x"}}),
        "Service" => json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80 + number}]}}),
        "Deployment" => json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
            "spec": {"replicas": number, "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [
                    {"name": "web", "image": format!("web:{number}"), "ports": [{"containerPort": 80}]},
                    {"name": "side", "image": "side:1"}]}}}}),
        _ => json!({"apiVersion": "example.com/v1", "kind": id.kind(), "metadata": metadata,
            "spec": {"size": number, "nested": {"x": "1"}, "list": [1, 2]}}),
    }
}

/// Sets, adds or removes one field.
pub fn change(object: &mut Value, dice: &mut Dice) {
    let number = dice.below(5);
    if dice.once_in(6) {
        let metadata = object["metadata"].as_object_mut().unwrap();
        if dice.once_in(3) {
            metadata.shift_remove("annotations");
        } else {
            metadata.insert("annotations".into(), json!({"note": number.to_string()}));
        }
        return;
    }
    let remove = dice.once_in(3);
    let set = |object: &mut Value, parents: &[&str], key: &str, value: Value| {
        let mut at = object;
        for parent in parents {
            if !at[*parent].is_object() {
                at[*parent] = json!({});
            }
            at = &mut at[*parent];
        }
        let fields = at.as_object_mut().unwrap();
        if remove { drop(fields.shift_remove(key)) } else { drop(fields.insert(key.into(), value)) }
    };
    match object["kind"].as_str().unwrap() {
        "ConfigMap" => {
            let key = *dice.pick(&["a", "b", "c"]).unwrap();
            set(object, &["data"], key, number.to_string().into());
        }
        "Service" => {
            if let Some(ports) = object.pointer_mut("/spec/ports").and_then(Value::as_array_mut) {
                // No two of one number: no server takes them.
                ports.truncate(1);
                ports.iter_mut().for_each(|port| port["port"] = (80 + number).into());
            }
        }
        "Deployment" => match dice.below(4) {
            0 => set(object, &["spec"], "replicas", number.into()),
            1 => set(object, &["spec"], "minReadySeconds", (1 + number).into()),
            at => {
                let containers = object.pointer_mut("/spec/template/spec/containers").and_then(Value::as_array_mut);
                let Some(container) = containers.and_then(|containers| containers.get_mut(at - 2)) else { return };
                if number == 0 {
                    set(container, &[], "env", json!([{"name": "A", "value": "1"}]));
                } else {
                    container["image"] = format!("web:{number}").into();
                }
            }
        },
        _ => match dice.below(3) {
            0 => set(object, &["spec"], "size", number.into()),
            1 => set(object, &["spec", "nested"], "y", number.to_string().into()),
            _ => set(object, &["spec"], "list", json!([number])),
        },
    }
}

/// Every field that is owned as a whole.
pub fn leaves(object: &Value) -> Vec<FieldPath> {
    let schema = Schema::builtin();
    let view = schema.view_of(object);
    let is_leaf =
        |path: &FieldPath| compare::get(object, path, view).is_some_and(|value| is_leaf(value, at(view, path)));
    FieldSet::of(object, view).paths().into_iter().filter(is_leaf).collect()
}

/// Every leaf that is not the same in both.
pub fn changed(before: &Value, after: &Value) -> Vec<FieldPath> {
    let schema = Schema::builtin();
    let view = schema.view_of(before);
    let mut paths = leaves(before);
    paths.extend(leaves(after));
    paths.sort();
    paths.dedup();
    // A map that is emptied has lost its fields; that it is empty now says no more.
    let empties = |path: &FieldPath| {
        let of = |side| compare::get(side, path, view).is_some_and(|value| !is_leaf(value, at(view, path)));
        of(before) || of(after)
    };
    paths.retain(|path| compare::get(before, path, view) != compare::get(after, path, view) && !empties(path));
    paths
}
