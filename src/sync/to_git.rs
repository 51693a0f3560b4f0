//! Owns the manifest of an object whose fields go from the cluster to Git: what it says after a write-back, and what a new
//! one says. Must never touch a field of another direction, nor write what nobody declared.

use serde_json::{Map, Value};

use crate::manifest;
use crate::object::declared;
use crate::object::schema::SchemaView;
use crate::object::stamps::Stamps;
use crate::object::{FieldPath, PathElement, clean, compare};

use super::carried::Destination;
use super::directions::{Directions, Way};
use super::evidence::{self, Evidence};
use super::existence::{SECRET_STAYS, is_withheld_secret};
use super::merge::{Document, Writing};
use super::plan::{Action, Note, Plan, Side, Verb};
use super::planner::Subject;
use super::spots::Spots;
use super::to_cluster::is_replicas;

/// Plans the edit of a manifest whose object is live, and reports what differs under `observe`.
pub(super) fn plan(
    plan: &mut Plan,
    subject: &Subject<'_>,
    manifest: &Value,
    live: &Value,
    directions: &Directions<'_>,
    spots: &Spots<'_>,
) {
    let seen = directions.seen(live, subject.view);
    if directions.any(Way::ToGit) {
        let writing = Writing::new(subject, directions, live, &seen, Document::Manifest(spots));
        let mut wanted = writing.wanted(manifest, &seen);
        put_here(plan, &mut wanted, subject, directions);
        writing.report(plan);
        let changed = compare::differences(&wanted, manifest, subject.view);
        if let Some(rule) = changed.iter().find_map(|path| directions.of(path).1) {
            plan.actions.push(Action::Edit { wanted, changed, rule: rule.index });
        }
    }
    if directions.any(Way::Observed) {
        let writing = Writing::new(subject, directions, live, live, Document::Observed);
        let wanted = writing.wanted(manifest, live);
        writing.report(plan);
        let changed = compare::differences(&wanted, manifest, subject.view);
        let Some(rule) = changed.iter().find_map(|path| directions.of(path).1) else { return };
        plan.notes.push(Note {
            verb: Verb::Differs,
            side: Side::Git,
            rule: Some(rule.index),
            reason: "differs between Git and the cluster".to_owned(),
            fields: changed,
        });
    }
}

/// Writes the fields that go to another path of the manifest.
fn put_here(plan: &mut Plan, wanted: &mut Value, subject: &Subject<'_>, directions: &Directions<'_>) {
    for carried in directions.carried().iter().filter(|carried| !carried.rule.suspend) {
        let Some(Destination::Here(steps, _)) = &carried.to else { continue };
        if is_withheld_secret(subject, carried.rule) {
            plan.note(Verb::Skipped, Side::Git, Some(carried.rule.index), SECRET_STAYS);
            continue;
        }
        let there = manifest::value_at(wanted, steps);
        let is_same = match (there, &carried.value) {
            (Some(there), Some(value)) => compare::same(there, value, SchemaView::unknown()),
            (there, value) => there.is_none() && value.is_none(),
        };
        if is_same {
            continue;
        }
        let mut put = wanted.clone();
        match manifest::put(&mut put, steps, carried.value.clone()) {
            Ok(()) => *wanted = put,
            Err(error) => plan.notes.push(Note {
                verb: Verb::Held,
                side: Side::Git,
                rule: Some(carried.rule.index),
                reason: format!("{} of its manifest is not written: {error}", manifest::shown(steps)),
                fields: vec![carried.source.clone()],
            }),
        }
    }
}

/// What a new manifest of a live object says: what somebody declared, whichever way each field goes afterwards.
pub(super) fn new_manifest(plan: &mut Plan, live: &Value, subject: &Subject<'_>, directions: &Directions<'_>) -> Value {
    let mut object = declared_object(live, subject, directions);
    put_here(plan, &mut object, subject, directions);
    object
}

/// What somebody declared, with identity, and with the values that transforms make.
pub(super) fn declared_object(live: &Value, subject: &Subject<'_>, directions: &Directions<'_>) -> Value {
    let ignored = directions.whole().map_or(&[][..], |rule| &rule.ignore_managers);
    let mut object = declared::manifest(live, subject.view, &|manager| evidence::is_in(ignored, manager));
    let replicas = FieldPath::fields(["spec", "replicas"]);
    if is_replicas(&replicas, subject)
        && !Evidence::new(live, subject.view, directions).is_ignored(&replicas)
        && let Some(count) = live.pointer("/spec/replicas").filter(|count| **count != 1)
        && let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut)
    {
        // Scaled by hand it may have no owner at all.
        spec.entry("replicas").or_insert_with(|| count.clone());
    }
    if directions.names_below("status")
        && let (Some(object), Some(value)) = (object.as_object_mut(), live.get("status"))
    {
        object.insert("status".to_owned(), value.clone());
    }
    for carried in directions.carried() {
        match (&carried.to, &carried.value) {
            // What goes to another file stays as a first value: without it the object may not be whole.
            (Some(Destination::File(..)), _) => {}
            (None, _) if !carried.is_transformed => {}
            (None, Some(value)) => drop(compare::set(&mut object, &carried.source, value.clone(), subject.view)),
            _ => drop(compare::remove(&mut object, &carried.source, subject.view)),
        }
    }
    let mut document = identity(live, subject, subject.id.namespace());
    if let (Some(Value::Object(own)), Some(Value::Object(fields))) =
        (document.get_mut("metadata"), object.get("metadata"))
    {
        own.extend(fields.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    if let Value::Object(fields) = object {
        document
            .extend(fields.into_iter().filter(|(key, _)| !matches!(key.as_str(), "apiVersion" | "kind" | "metadata")));
    }
    Value::Object(document)
}

/// What says which object a document is about.
pub(super) fn identity(live: &Value, subject: &Subject<'_>, namespace: Option<&str>) -> Map<String, Value> {
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), subject.id.name().into());
    if let Some(namespace) = namespace {
        metadata.insert("namespace".to_owned(), namespace.into());
    }
    let mut document = Map::new();
    for key in ["apiVersion", "kind"] {
        document.insert(key.to_owned(), live.get(key).cloned().unwrap_or_default());
    }
    document.insert("metadata".to_owned(), Value::Object(metadata));
    document
}

/// The live object as far as it may be added to Git.
pub(super) fn cleaned(live: &Value, directions: &Directions<'_>) -> Value {
    let mut cleaned = clean::for_git(live);
    if directions.names_below("status")
        && let (Some(cleaned), Some(status)) = (cleaned.as_object_mut(), live.get("status"))
    {
        cleaned.insert("status".to_owned(), status.clone());
    }
    cleaned
}

/// Whether a write-back leaves the field as the document has it: identity, and what the server owns.
pub(super) fn is_fixed(path: &FieldPath, with_status: bool, stamps: &Stamps) -> bool {
    match path.elements() {
        [PathElement::Field(root)] => matches!(&**root, "apiVersion" | "kind") || &**root == "status" && !with_status,
        [PathElement::Field(root), PathElement::Field(name)] => {
            &**root == "metadata" && !matches!(&**name, "labels" | "annotations")
        }
        // A stamp that somebody committed stays as it is, whatever the tool has written since.
        [PathElement::Field(root), PathElement::Field(map), PathElement::Field(key)] => {
            &**root == "metadata" && matches!(&**map, "labels" | "annotations") && stamps.contains(key)
        }
        _ => false,
    }
}
