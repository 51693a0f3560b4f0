//! Owns what the API server fills into built-in kinds, by schema type and field, and what it drops. Must never take a
//! value for a default that means something else when it is left out. What custom resources default to stands in their
//! schema.
//!
//! `table.json` is generated from a running server (`examples/record.rs`): what came back for a field that was left out.
//! What depends on neighbours stands in `rules`, what is copied from elsewhere in the object in `copied`.

mod copied;
mod rules;

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::compare;
use super::schema::SchemaView;

pub use copied::{COPIED, copied};
pub(super) use copied::{filled, is_allocated, unfilled};
pub use rules::RULES;

/// Fields of one type, and what the server fills in. `{}` stands for a struct that it makes, with what it fills into that.
type Fields = HashMap<Box<str>, Value>;

/// What is filled in wherever a type stands (`None`), or only within objects of one type.
type ByRoot = Vec<(Option<Box<str>>, Fields)>;

/// Whether `value` at `field` of a struct is what the server fills in when the field is left out. `siblings` is the struct
/// as it is live: some defaults depend on neighbours.
pub fn is_default(of: SchemaView<'_>, field: &str, value: &Value, siblings: &Map<String, Value>) -> bool {
    let declared = of.field(field).default();
    if !of.is_built_in() {
        return declared.is_some_and(|default| compare::same_part(default, value, of.field(field)));
    }
    let is = |default: &Value| {
        if *default == json!({}) { is_filled_struct(of.field(field), value) } else { default == value }
    };
    if let Some(name) = of.type_name().and_then(short) {
        if let Some(rule) = rules::of(name, field) {
            return rule(of, siblings).is_some_and(|default| is(&default));
        }
        if let Some(default) = in_table(name, of.root_type().and_then(short), field) {
            return is(default);
        }
    }
    // Schemas of built-in kinds write zero values for "required": those are not filled in.
    declared.is_some_and(|default| default == value && !is_zero(default))
}

/// Whether the server makes the struct at `field` of a struct when it is left out. One that holds nothing but defaults then
/// says the same as none.
pub(super) fn is_made(of: SchemaView<'_>, field: &str, siblings: &Map<String, Value>) -> bool {
    let Some(name) = of.type_name().and_then(short).filter(|_| of.is_built_in()) else {
        return of.field(field).default().is_some_and(Value::is_object);
    };
    match rules::of(name, field) {
        Some(rule) => rule(of, siblings).is_some_and(|default| default.is_object()),
        None => in_table(name, of.root_type().and_then(short), field).is_some_and(Value::is_object),
    }
}

/// Whether a struct holds no more than what the server fills into it.
fn is_filled_struct(view: SchemaView<'_>, value: &Value) -> bool {
    let Value::Object(fields) = value else { return false };
    fields.iter().all(|(name, value)| view.is_struct_field(name) && is_default(view, name, value, fields))
}

fn in_table<'t>(of: &str, root: Option<&str>, field: &str) -> Option<&'t Value> {
    static TABLE: LazyLock<HashMap<Box<str>, ByRoot>> = LazyLock::new(|| {
        // The file is part of the program and a test reads it, so it never fails to parse.
        let types: HashMap<String, Fields> = serde_json::from_str(include_str!("table.json")).unwrap_or_default();
        let mut table: HashMap<Box<str>, ByRoot> = HashMap::new();
        for (name, fields) in types {
            let (of, root) = name.split_once(" in ").map_or((&*name, None), |(of, root)| (of, Some(root.into())));
            table.entry(of.into()).or_default().push((root, fields));
        }
        table
    });
    let fits = |(within, _): &&(Option<Box<str>>, Fields)| within.is_none() || within.as_deref() == root;
    TABLE.get(of)?.iter().filter(fits).find_map(|(_, fields)| fields.get(field))
}

/// `core.v1.Container` of `io.k8s.api.core.v1.Container`: how the table names a type.
pub fn short(name: &str) -> Option<&str> {
    ["io.k8s.api.", "io.k8s.apiextensions-apiserver.pkg.apis.", "io.k8s.kube-aggregator.pkg.apis."]
        .into_iter()
        .find_map(|prefix| name.strip_prefix(prefix))
}

/// Whether the server drops this zero value instead of storing it: then a missing field says the same.
pub fn is_dropped(of: SchemaView<'_>, field: &str, value: &Value) -> bool {
    !value.is_object() && is_zero(value) && of.is_built_in() && of.is_struct_field(field) && DROPPED.contains(&field)
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Null | Value::Array(_) => false,
    }
}

/// Fields that are stored only when they are not zero, whatever their type; `storageClassName: ""` of a claim and
/// `automountServiceAccountToken: false`, for example, are stored and mean something.
const DROPPED: [&str; 52] = [
    "chapAuthDiscovery",
    "chapAuthSession",
    "clusterIP",
    "containerName",
    "deprecated",
    "description",
    "directory",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "externalName",
    "format",
    "fsType",
    "globalDefault",
    "healthCheckNodePort",
    "host",
    "hostIP",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostPort",
    "hostname",
    "initialDelaySeconds",
    "loadBalancerIP",
    "medium",
    "minReadySeconds",
    "namespace",
    "nodeName",
    "nodePort",
    "nullable",
    "operator",
    "path",
    "paused",
    "pattern",
    "prefix",
    "preserveUnknownFields",
    "priorityClassName",
    "publishNotReadyAddresses",
    "readOnly",
    "secretName",
    "serviceAccountName",
    "stdin",
    "stdinOnce",
    "subPath",
    "subPathExpr",
    "subdomain",
    "title",
    "tty",
    "uniqueItems",
    "value",
    "workingDir",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Schema;

    fn container(image: &str, policy: &str) -> bool {
        let schema = Schema::builtin();
        let pod = schema.root("apps", "v1", "Deployment").unwrap().field("spec").field("template").field("spec");
        let container = json!({"image": image, "imagePullPolicy": policy});
        is_default(pod.field("containers").item(), "imagePullPolicy", &json!(policy), container.as_object().unwrap())
    }

    #[test]
    fn the_pull_policy_follows_the_tag() {
        for image in ["nginx", "nginx:latest", "registry:5000/nginx", "a.b/c/d:latest", "nginx:latest@sha256:00"] {
            assert!(container(image, "Always") && !container(image, "IfNotPresent"), "{image}");
        }
        for image in ["nginx:1", "registry:5000/nginx:1", "nginx@sha256:00"] {
            assert!(container(image, "IfNotPresent") && !container(image, "Always"), "{image}");
        }
    }

    #[test]
    fn a_target_port_is_a_default_only_beside_its_port() {
        let schema = Schema::builtin();
        let port = schema.root("", "v1", "Service").unwrap().field("spec").field("ports").item();
        let siblings = json!({"port": 80, "targetPort": 80});
        assert!(is_default(port, "targetPort", &json!(80), siblings.as_object().unwrap()));
        assert!(!is_default(port, "targetPort", &json!(8080), siblings.as_object().unwrap()));
        assert!(!is_default(port, "targetPort", &json!("http"), siblings.as_object().unwrap()));
    }

    #[test]
    fn what_means_something_when_left_out_is_no_default() {
        let schema = Schema::builtin();
        let none = Map::new();
        let policy = schema.root("networking.k8s.io", "v1", "NetworkPolicy").unwrap().field("spec");
        assert!(!is_default(policy, "podSelector", &json!({}), &none));
        let claim = schema.root("", "v1", "PersistentVolumeClaim").unwrap().field("spec");
        assert!(!is_dropped(claim, "storageClassName", &json!("")));
        assert!(!is_default(claim, "volumeMode", &json!("Block"), &none));
        let pod = schema.root("", "v1", "Pod").unwrap().field("spec");
        assert!(!is_dropped(pod, "automountServiceAccountToken", &json!(false)));
        assert!(is_dropped(pod, "hostNetwork", &json!(false)) && !is_dropped(pod, "hostNetwork", &json!(true)));
        assert!(!is_dropped(SchemaView::unknown(), "hostNetwork", &json!(false)));
        let job = schema.root("batch", "v1", "Job").unwrap().field("spec");
        let several = json!({"parallelism": 3, "completions": 1});
        assert!(!is_default(job, "completions", &json!(1), several.as_object().unwrap()));
    }
}
