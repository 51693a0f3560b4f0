//! Owns the evidence of what somebody declared, as against what the server filled in, allocated or counted. Must never name
//! a default, an allocation, `status` or a controller's stamp, and never leave out what somebody wrote.

use serde_json::{Map, Value};

use super::clean::{self, LAST_APPLIED};
use super::compare;
use super::defaults;
use super::fieldset::FieldSet;
use super::managed::{self, ManagedEntry, Manager, Operation};
use super::path::{FieldPath, PathElement};
use super::schema::{ListKind, SchemaView};
use super::stamps::Stamps;

/// Manager under which client-side apply writes what its annotation tells better.
const CLIENT_SIDE_APPLY: &str = "kubectl-client-side-apply";

/// Parts of the control plane: what they write into an object itself (bindings, aggregated rules) is no one's declaration.
const CONTROL_PLANE: [&str; 6] = [
    "cloud-controller-manager",
    "clusterrole-aggregation-controller",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
];

/// The fields of `live` that somebody declared. Evidence: exact sets of Apply managers; what client-side apply was given;
/// sets of Update managers less defaults. What nobody owns (allocated) is never in it. Managers for which `ignore` says yes
/// are no evidence; our own Apply entry is, unless ignored.
pub fn declared(live: &Value, view: SchemaView<'_>, ignore: &dyn Fn(&Manager) -> bool) -> FieldSet {
    let given = last_applied(live, ignore);
    let mut set = match &given {
        Some(given) => FieldSet::of(&clean::for_apply(given), view),
        None => FieldSet::new(),
    };
    let copied = defaults::copied(live, view);
    for entry in managed::entries(live) {
        let ManagedEntry { manager, fields, .. } = &entry;
        let told_better = given.is_some() && is_client_side_apply(&entry);
        if ignore(manager) || told_better || is_control_plane(manager) {
            continue;
        }
        let fields = if manager.subresource.is_empty() { fields.clone() } else { through_subresource(fields) };
        set = set.union(&match manager.operation {
            Operation::Apply => fields,
            // Scaling says what it says; elsewhere the entry holds what was filled in as well.
            Operation::Update if manager.subresource == "scale" => fields,
            Operation::Update => without_defaults(&fields, live, view).subtract(&copied),
        });
    }
    always_there(live, view).for_each(|path| set.insert(&path));
    declarable(&set, live)
}

/// Type, field, and whether this is the value that the server writes for a missing one.
type AlwaysThere = (&'static str, &'static str, fn(&Value) -> bool);

/// Fields that an object of a type always has, for which the server writes a value that means something. After a plain create
/// nobody owns that value (tried); it is the sense of the object all the same: a policy for all pods, a priority of 0.
const ALWAYS_THERE: [AlwaysThere; 2] = [
    ("io.k8s.api.networking.v1.NetworkPolicy", "spec.podSelector", |value| *value == Value::Object(Map::new())),
    ("io.k8s.api.scheduling.v1.PriorityClass", "value", |value| *value == 0),
];

fn always_there(live: &Value, view: SchemaView<'_>) -> impl Iterator<Item = FieldPath> {
    let of = view.type_name();
    ALWAYS_THERE.into_iter().filter(move |(name, ..)| of == Some(name)).filter_map(move |(_, path, is_written)| {
        let path = FieldPath::fields(path.split('.'));
        compare::get(live, &path, view).is_some_and(is_written).then_some(path)
    })
}

/// A manifest for `live` as a person would have written it: what was [`declared`], cleaned, and without the defaults that
/// the server filled into atomic parts.
pub fn manifest(live: &Value, view: SchemaView<'_>, ignore: &dyn Fn(&Manager) -> bool) -> Value {
    let given = last_applied(live, ignore);
    let has_evidence = given.is_some() || !managed::entries(live).is_empty();
    let set = if has_evidence { declared(live, view, ignore) } else { not_filled_in(live, view) };
    let part = set.project(live, view);
    clean::for_git(&plain(&part, given.as_ref(), view, false))
}

/// What of an object that has no manager at all may have been written: all that is neither a default nor allocated. (Kinds
/// whose spec is never owned, objects older than field management, entries that somebody cleared.)
fn not_filled_in(live: &Value, view: SchemaView<'_>) -> FieldSet {
    let fields = FieldSet::of(&clean::for_git(live), view);
    let set = without_defaults(&fields, live, view).subtract(&defaults::copied(live, view));
    declarable(&set.filter(|path| !defaults::is_allocated(live, path, view)), live)
}

/// What client-side apply was last given, if it was in the version that `live` is in, and by somebody who counts.
fn last_applied(live: &Value, ignore: &dyn Fn(&Manager) -> bool) -> Option<Value> {
    let text = live.get("metadata")?.get("annotations")?.get(LAST_APPLIED)?.as_str()?;
    let given: Value = serde_json::from_str(text).ok()?;
    let entries = managed::entries(live);
    let mut appliers = entries.iter().filter(|entry| is_client_side_apply(entry)).peekable();
    let counts = appliers.peek().is_none() || appliers.any(|entry| !ignore(&entry.manager));
    (given.get("apiVersion") == live.get("apiVersion") && counts).then_some(given)
}

/// Whether the entry is that of a client-side apply: what it sent, the annotation tells better. Argo CD does as kubectl does,
/// under its own name.
fn is_client_side_apply(entry: &ManagedEntry) -> bool {
    let annotation = || FieldPath::fields(["metadata", "annotations", LAST_APPLIED]);
    entry.manager.operation == Operation::Update
        && (entry.manager.name == CLIENT_SIDE_APPLY || entry.fields.contains(&annotation()))
}

/// Whether this is a part of the control plane, whose writing is no one's declaration.
pub fn is_control_plane(manager: &Manager) -> bool {
    // An autoscaler's scaling is a decision like a person's.
    manager.subresource != "scale" && CONTROL_PLANE.contains(&manager.name.as_str())
}

/// What was written through a subresource is a decision only about the desired state: `status` and the stamps that come with
/// it (`deployment.kubernetes.io/revision`) are not.
fn through_subresource(fields: &FieldSet) -> FieldSet {
    let metadata = PathElement::field("metadata");
    fields.filter(|path| path.elements().first() != Some(&metadata))
}

/// `fields` less what the server filled in, and less what is not live any more.
fn without_defaults(fields: &FieldSet, live: &Value, view: SchemaView<'_>) -> FieldSet {
    let mut rest = FieldSet::new();
    for (element, owned, below) in fields.entries() {
        let path = FieldPath::from(vec![element.clone()]);
        let Some(value) = compare::get(live, &path, view) else { continue };
        if let (PathElement::Field(name), Some(siblings)) = (element, live.as_object())
            && defaults::is_default(view, name, value, siblings)
        {
            continue;
        }
        let kept = without_defaults(below, value, view.below(element));
        // A struct that the server makes is owned together with its fields; when all of them were defaults, nobody declared it.
        let vanished = match (element, live.as_object()) {
            (PathElement::Field(name), Some(siblings)) => {
                !below.is_empty() && kept.is_empty() && defaults::is_made(view, name, siblings)
            }
            _ => false,
        };
        rest.insert_node(element.clone(), owned && !vanished, kept);
    }
    rest
}

/// Leaves out what no manifest ever holds.
fn declarable(set: &FieldSet, live: &Value) -> FieldSet {
    let names = |path: &FieldPath| -> Vec<String> {
        let name = |element: &PathElement| match element {
            PathElement::Field(name) => name.to_string(),
            _ => String::new(),
        };
        path.elements().iter().take(3).map(name).collect()
    };
    let stamps = Stamps::of(live);
    let mut kept = set.filter(|path| {
        let names = names(path);
        match names.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["status", ..] => false,
            ["metadata", "finalizers" | "ownerReferences" | "generateName", ..] => false,
            ["metadata", "annotations" | "labels", key] => !stamps.contains(key),
            _ => true,
        }
    });
    for map in ["annotations", "labels"] {
        let path = FieldPath::fields(["metadata", map]);
        let is_empty = live.pointer(&format!("/metadata/{map}")).and_then(Value::as_object).is_none_or(Map::is_empty);
        // Only stamps were left in it: the map itself is none of anybody's either.
        if kept.contains(&path) && !is_empty && kept.paths().iter().filter(|found| path.covers(found)).count() == 1 {
            kept = kept.subtract(&FieldSet::from_paths([&path]));
        }
    }
    kept
}

/// `value` without the defaults inside its atomic parts. Where client-side apply was `given` the same, its spelling is used
/// (`1000m`, which the server turned into `1`).
fn plain(value: &Value, given: Option<&Value>, view: SchemaView<'_>, inside: bool) -> Value {
    let starts = match value {
        Value::Object(_) => view.is_atomic_map(),
        Value::Array(_) => view.list() == ListKind::Atomic,
        _ => false,
    };
    if starts
        && !inside
        && let Some(given) = given.filter(|given| compare::same(given, value, view))
    {
        return given.clone();
    }
    let inside = inside || starts;
    match value {
        Value::Object(map) => {
            let unfilled = if inside { defaults::unfilled(view, map) } else { None };
            let map = unfilled.as_ref().unwrap_or(map);
            let kept = map.iter().filter(|(name, value)| !inside || !is_filled_in(view, name, value, map));
            let each = kept.filter(|(_, value)| !value.is_null()).map(|(name, value)| {
                let given = given.and_then(|given| given.get(name));
                (name.clone(), plain(value, given, view.field(name), inside))
            });
            Value::Object(each.collect())
        }
        Value::Array(items) => {
            let each = items.iter().map(|item| {
                let key = view.item_key(item);
                let named = given.and_then(Value::as_array).into_iter().flatten();
                let given =
                    key.and_then(|key| named.into_iter().find(|item| view.item_key(item).as_ref() == Some(&key)));
                plain(item, given, view.item(), inside)
            });
            Value::Array(each.collect())
        }
        scalar => given.filter(|given| compare::same(given, scalar, view)).unwrap_or(scalar).clone(),
    }
}

fn is_filled_in(of: SchemaView<'_>, name: &str, value: &Value, siblings: &Map<String, Value>) -> bool {
    // People do write the group of roles and subjects, and every example shows it.
    let is_rbac = of.type_name().is_some_and(|name| name.starts_with("io.k8s.api.rbac."));
    !is_rbac && defaults::is_default(of, name, value, siblings)
}

#[cfg(test)]
mod tests;
