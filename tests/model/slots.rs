//! The objects of the model and the fields that people change in them. Each value that is written is written once only, so
//! that a lost one is missed.

use kubeferry::object::{FieldPath, GroupKind, ObjectId, PathElement, Scalar};
use serde_json::{Value, json};

/// How many objects there are.
pub const OBJECTS: usize = 7;

/// How many fields an object has that people change.
pub const SLOTS: usize = 5;

/// An object of the model. The last one is selected by no rule.
pub fn object(number: usize) -> ObjectId {
    let (group, kind, namespace, name) = [
        ("", "ConfigMap", "shop", "a"),
        ("", "ConfigMap", "lab", "a"),
        ("apps", "Deployment", "shop", "web"),
        ("example.com", "Widget", "lab", "w"),
        ("", "Service", "shop", "web"),
        ("", "ConfigMap", "shop", "b"),
        ("", "ConfigMap", "wild", "a"),
    ][number % OBJECTS];
    ObjectId::new(GroupKind::new(group, kind), namespace, name)
}

/// Every object of the model.
pub fn objects() -> impl Iterator<Item = ObjectId> {
    (0..OBJECTS).map(object)
}

/// The fields of an object that people change.
pub fn slots(id: &ObjectId) -> Vec<FieldPath> {
    let note = FieldPath::fields(["metadata", "annotations", "note"]);
    let container = |name: &str, field: &str| {
        let key = PathElement::key(vec![("name".into(), Scalar::String(name.into()))]);
        let mut path = FieldPath::fields(["spec", "template", "spec", "containers"]);
        path.push(key);
        path.child(PathElement::field(field))
    };
    let mut slots = match id.kind() {
        "ConfigMap" => ["a", "b", "c"].map(|key| FieldPath::fields(["data", key])).to_vec(),
        "Service" => vec![FieldPath::fields(["spec", "selector"])],
        "Deployment" => vec![
            FieldPath::fields(["spec", "replicas"]),
            FieldPath::fields(["spec", "minReadySeconds"]),
            container("web", "image"),
            container("side", "image"),
        ],
        _ => vec![
            FieldPath::fields(["spec", "size"]),
            FieldPath::fields(["spec", "nested", "x"]),
            FieldPath::fields(["spec", "nested", "y"]),
            FieldPath::fields(["spec", "list"]),
        ],
    };
    slots.push(note);
    slots
}

/// The `number`-th value that anybody writes, as this slot takes it.
fn value(id: &ObjectId, slot: usize, number: u64) -> Value {
    match (id.kind(), slot) {
        ("Deployment", 0 | 1) | ("Widget", 0) => number.into(),
        ("Deployment", 2 | 3) => format!("web:{number}").into(),
        ("Service", 0) => json!({"app": format!("v{number}")}),
        ("Widget", 3) => json!([number]),
        _ => format!("v{number}").into(),
    }
}

/// A new object.
pub fn new(id: &ObjectId, number: u64) -> Value {
    let metadata = json!({"name": id.name(), "namespace": id.namespace().unwrap()});
    match id.kind() {
        "ConfigMap" => json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
            "data": {"a": value(id, 0, number), "c": value(id, 2, number)}}),
        "Service" => json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": {"selector": value(id, 0, number), "ports": [{"name": "http", "port": 80}]}}),
        "Deployment" => json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
            "spec": {"replicas": number, "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [
                    {"name": "web", "image": value(id, 2, number), "ports": [{"containerPort": 80}]},
                    {"name": "side", "image": value(id, 3, number)}]}}}}),
        _ => json!({"apiVersion": "example.com/v1", "kind": id.kind(), "metadata": metadata,
            "spec": {"size": number, "nested": {"x": value(id, 1, number)}, "list": [number]}}),
    }
}

/// Sets a field of an object to the `number`-th value, or takes it away where an object can do without.
pub fn change(id: &ObjectId, object: &mut Value, slot: usize, remove: bool, number: u64) {
    let slots = slots(id);
    let slot = slot % slots.len();
    let value = value(id, if slot + 1 == slots.len() { SLOTS } else { slot }, number);
    let mut at = object;
    let elements = slots[slot].elements();
    for (position, element) in elements.iter().enumerate() {
        let is_last = position + 1 == elements.len();
        match element {
            PathElement::Field(name) if is_last => {
                let fields = at.as_object_mut().unwrap();
                // Without an image there is no container, without a selector no Service.
                let is_needed = matches!(&**name, "image" | "selector");
                return if remove && !is_needed {
                    drop(fields.shift_remove(&**name));
                } else {
                    drop(fields.insert(name.to_string(), value));
                };
            }
            PathElement::Field(name) => {
                let fields = at.as_object_mut().unwrap();
                let below = fields.entry(name.to_string()).or_insert_with(|| json!({}));
                if below.is_null() {
                    *below = json!({});
                }
                at = below;
            }
            PathElement::Key(keys) => {
                let name = keys[0].1.to_value();
                let items = if at.is_array() { at.as_array_mut().unwrap() } else { return };
                let there = items.iter().position(|item| item["name"] == name);
                match there {
                    // The container goes as a whole.
                    Some(position) if remove && name == "side" => return drop(items.remove(position)),
                    Some(position) => at = &mut items[position],
                    None => {
                        items.push(json!({"name": name}));
                        at = items.last_mut().unwrap();
                    }
                }
            }
            _ => return,
        }
    }
}
