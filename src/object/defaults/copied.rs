//! Owns what the server copies from elsewhere in the same object when it is left out. Must never name a field whose value
//! differs from what would be copied.

use serde_json::{Map, Value, json};

use super::super::compare;
use super::super::fieldset::FieldSet;
use super::super::path::{FieldPath, PathElement};
use super::super::schema::SchemaView;
use super::super::stamps::is_stamp;

/// Fields, by type, that [`copied`] looks after: no table can.
pub const COPIED: [(&str, &str); 2] =
    [("core.v1.ContainerPort", "hostPort"), ("core.v1.ResourceRequirements", "requests")];

/// The fields of `live` that would come back with the same values if they were left out, because the server copies them from
/// elsewhere in the object. (Tried: the labels of a Job from its template, what a Pod requests from its limits.)
pub fn copied(live: &Value, view: SchemaView<'_>) -> FieldSet {
    let mut set = FieldSet::new();
    match view.type_name() {
        Some("io.k8s.api.batch.v1.Job" | "io.k8s.api.core.v1.ReplicationController") => {
            labels_of_template(live, &mut set)
        }
        Some("io.k8s.api.core.v1.Pod") => parts_of_pod(live, view, &mut set),
        _ => {}
    }
    set
}

/// Fields that the server chooses, by type: where nobody owns anything they cannot be told from what was written.
const ALLOCATED: [(&str, &str); 15] = [
    ("certificates.v1.CertificateSigningRequestSpec", "extra"),
    ("certificates.v1.CertificateSigningRequestSpec", "groups"),
    ("certificates.v1.CertificateSigningRequestSpec", "uid"),
    ("certificates.v1.CertificateSigningRequestSpec", "username"),
    ("core.v1.NamespaceSpec", "finalizers"),
    ("core.v1.PersistentVolumeClaimSpec", "volumeName"),
    ("core.v1.PersistentVolumeSpec", "claimRef"),
    ("core.v1.PodSpec", "nodeName"),
    ("core.v1.ServiceAccount", "secrets"),
    ("core.v1.ServicePort", "nodePort"),
    ("core.v1.ServiceSpec", "clusterIP"),
    ("core.v1.ServiceSpec", "clusterIPs"),
    ("core.v1.ServiceSpec", "healthCheckNodePort"),
    ("core.v1.ServiceSpec", "ipFamilies"),
    ("core.v1.ServiceSpec", "ipFamilyPolicy"),
];

/// Whether the field at `path` is one that the server chooses, or lies below one.
pub(in super::super) fn is_allocated(live: &Value, path: &FieldPath, view: SchemaView<'_>) -> bool {
    let mut at = view;
    let mut above = FieldPath::root();
    path.elements().iter().any(|element| {
        let of = at.type_name().and_then(super::short);
        at = at.below(element);
        above.push(element.clone());
        let PathElement::Field(name) = element else { return false };
        match (of, &**name) {
            // A person's word: the server never chooses to have no address.
            (Some("core.v1.ServiceSpec"), "clusterIP") => compare::get(live, &above, view) != Some(&json!("None")),
            // Without one of its own a Job gets a selector, and its pods the labels for it.
            (Some("batch.v1.JobSpec"), "selector") => live.pointer("/spec/manualSelector") != Some(&json!(true)),
            (Some(of), name) => ALLOCATED.contains(&(of, name)),
            (None, key) => path.elements().len() > 3 && is_stamp(key),
        }
    })
}

fn labels_of_template(live: &Value, set: &mut FieldSet) {
    let labels = |pointer: &str| -> Map<String, Value> {
        let labels = live.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
        let own = labels.filter(|(name, _)| !is_stamp(name));
        own.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let own = labels("/metadata/labels");
    if !own.is_empty() && own == labels("/spec/template/metadata/labels") {
        insert_map(set, &FieldPath::fields(["metadata", "labels"]), own.keys());
    }
}

fn insert_map<'k>(set: &mut FieldSet, path: &FieldPath, keys: impl Iterator<Item = &'k String>) {
    set.insert(path);
    keys.for_each(|key| set.insert(&path.child(PathElement::field(key))));
}

fn parts_of_pod(live: &Value, view: SchemaView<'_>, set: &mut FieldSet) {
    let (pod, spec) = (FieldPath::fields(["spec"]), view.field("spec"));
    let Some(Value::Object(fields)) = live.get("spec") else { return };
    let on_host = fields.get("hostNetwork") == Some(&json!(true));
    let mut requested = Vec::new();
    for list in ["containers", "initContainers"] {
        for container in fields.get(list).and_then(Value::as_array).into_iter().flatten() {
            let Some(item) = spec.field(list).item_key(container) else { continue };
            let path = pod.child(PathElement::field(list)).child(item);
            if let Some(Value::Object(resources)) = container.get("resources") {
                requested.extend(resources.get("requests").and_then(Value::as_object).into_iter().flat_map(Map::keys));
                requests(resources, &path.child(PathElement::field("resources")), set);
            }
            let ports = spec.field(list).item().field("ports");
            for port in container.get("ports").and_then(Value::as_array).into_iter().flatten() {
                if let Some(item) = ports.item_key(port)
                    && on_host
                    && port.get("hostPort") == port.get("containerPort")
                {
                    let port = path.child(PathElement::field("ports")).child(item);
                    set.insert(&port.child(PathElement::field("hostPort")));
                }
            }
        }
    }
    if let Some(Value::Object(resources)) = fields.get("resources")
        && requested.is_empty()
    {
        requests(resources, &pod.child(PathElement::field("resources")), set);
    }
}

/// Requests that are what the limits are.
fn requests(resources: &Map<String, Value>, path: &FieldPath, set: &mut FieldSet) {
    let part = |key: &str| resources.get(key).and_then(Value::as_object);
    let (Some(requests), Some(limits)) = (part("requests"), part("limits")) else { return };
    let (like, other): (Vec<_>, Vec<_>) = requests.iter().partition(|(name, value)| limits.get(*name) == Some(value));
    let path = path.child(PathElement::field("requests"));
    like.iter().for_each(|(name, _)| set.insert(&path.child(PathElement::field(name))));
    if other.is_empty() {
        set.insert(&path);
    }
}

/// A struct in which the server fills the keys of one map from another: `LimitRangeItem` as it would come back. `None` for
/// every other type.
pub(in super::super) fn filled(of: SchemaView<'_>, fields: &Map<String, Value>) -> Option<Map<String, Value>> {
    if !is_container_limit(of, fields) {
        return None;
    }
    let mut filled = fields.clone();
    for (to, from) in FILLED_FROM {
        let source = filled.get(from).and_then(Value::as_object).cloned().unwrap_or_default();
        if let Value::Object(target) = filled.entry(to).or_insert_with(|| json!({})) {
            source.into_iter().for_each(|(key, value)| {
                target.entry(key).or_insert(value);
            });
        }
    }
    Some(filled)
}

/// [`filled`] undone: without the keys that it would bring back.
pub(in super::super) fn unfilled(of: SchemaView<'_>, fields: &Map<String, Value>) -> Option<Map<String, Value>> {
    if !is_container_limit(of, fields) {
        return None;
    }
    let map = |key: &str| fields.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
    let (max, min, limits) = (map("max"), map("min"), map("default"));
    let mut unfilled = fields.clone();
    let mut keep = |key: &str, keep: &dyn Fn(&String, &Value) -> bool| {
        if let Some(Value::Object(map)) = unfilled.get_mut(key) {
            map.retain(|key, value| keep(key, value));
            if map.is_empty() {
                unfilled.shift_remove(key);
            }
        }
    };
    keep("default", &|key, value| max.get(key) != Some(value));
    keep("defaultRequest", &|key, value| limits.get(key).or_else(|| min.get(key)) != Some(value));
    Some(unfilled)
}

/// What is filled from what, in this order.
const FILLED_FROM: [(&str, &str); 3] = [("default", "max"), ("defaultRequest", "default"), ("defaultRequest", "min")];

fn is_container_limit(of: SchemaView<'_>, fields: &Map<String, Value>) -> bool {
    of.type_name() == Some("io.k8s.api.core.v1.LimitRangeItem")
        && fields.get("type").and_then(Value::as_str) == Some("Container")
}
