//! Owns the fields that go from the cluster to Git: what a manifest says after a write-back, and what a new one says.
//! Must never touch a field of another direction, nor write what nobody declared.

use serde_json::{Map, Value};

use crate::object::declared;
use crate::object::schema::{ListKind, SchemaView};
use crate::object::{FieldPath, PathElement, Scalar, clean, compare, defaults};

use super::directions::{Directions, Way};
use super::evidence::{self, Evidence};
use super::existence::{SECRET_STAYS, is_withheld_secret};
use super::plan::{Action, Note, Plan, Side, Verb};
use super::planner::Subject;
use super::to_cluster::is_replicas;

/// Plans the edit of a manifest whose object is live, and reports what differs under `observe`.
pub(super) fn plan(
    plan: &mut Plan,
    subject: &Subject<'_>,
    manifest: &Value,
    live: &Value,
    directions: &Directions<'_>,
) {
    for way in [Way::ToGit, Way::Observed] {
        if !directions.any(way) {
            continue;
        }
        let writing = Writing {
            subject,
            directions,
            evidence: Evidence::new(live, subject.view, directions),
            cleaned: cleaned(live, directions),
            with_status: directions.names_below("status"),
            way,
        };
        let wanted = writing.merge(Some(manifest), Some(live), subject.view, &FieldPath::root()).unwrap_or_default();
        let changed = compare::differences(&wanted, manifest, subject.view);
        let Some(rule) = changed.iter().find_map(|path| directions.of(path).1) else { continue };
        if way == Way::Observed {
            let reason = "differs between Git and the cluster".to_owned();
            plan.notes.push(Note {
                verb: Verb::Differs,
                side: Side::Git,
                rule: Some(rule.index),
                reason,
                fields: changed,
            });
        } else if is_withheld_secret(subject, rule) {
            plan.note(Verb::Skipped, Side::Git, Some(rule.index), SECRET_STAYS);
        } else {
            plan.actions.push(Action::Edit { wanted, changed, rule: rule.index });
        }
    }
}

/// What a new manifest of a live object says: what somebody declared, whichever way each field goes afterwards.
pub(super) fn new_manifest(live: &Value, subject: &Subject<'_>, directions: &Directions<'_>) -> Value {
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
    let id = subject.id;
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), id.name().into());
    if let Some(namespace) = id.namespace() {
        metadata.insert("namespace".to_owned(), namespace.into());
    }
    let mut document = Map::new();
    for key in ["apiVersion", "kind"] {
        document.insert(key.to_owned(), live.get(key).cloned().unwrap_or_default());
    }
    if let Some(Value::Object(fields)) = object.get("metadata") {
        metadata.extend(fields.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    document.insert("metadata".to_owned(), Value::Object(metadata));
    if let Value::Object(fields) = object {
        document
            .extend(fields.into_iter().filter(|(key, _)| !matches!(key.as_str(), "apiVersion" | "kind" | "metadata")));
    }
    Value::Object(document)
}

/// The live object as far as it may be added to Git.
fn cleaned(live: &Value, directions: &Directions<'_>) -> Value {
    let mut cleaned = clean::for_git(live);
    if directions.names_below("status")
        && let (Some(cleaned), Some(status)) = (cleaned.as_object_mut(), live.get("status"))
    {
        cleaned.insert("status".to_owned(), status.clone());
    }
    cleaned
}

/// One walk over manifest and live object.
struct Writing<'a> {
    subject: &'a Subject<'a>,
    directions: &'a Directions<'a>,
    /// Whose the live fields are.
    evidence: Evidence<'a>,
    /// What of the live object may be added; what stands in the manifest already is compared with the whole.
    cleaned: Value,
    /// Whether a filter names the status.
    with_status: bool,
    /// The way that is written; every other field stays as it is in the manifest.
    way: Way,
}

impl Writing<'_> {
    /// What stands at `path` afterwards; `None`: nothing.
    fn merge(
        &self,
        manifest: Option<&Value>,
        live: Option<&Value>,
        view: SchemaView<'_>,
        path: &FieldPath,
    ) -> Option<Value> {
        if self.is_fixed(path) {
            return manifest.cloned();
        }
        let map = |value: Option<&Value>| value.is_none_or(Value::is_object);
        let list = |value: Option<&Value>| value.is_none_or(Value::is_array);
        if map(manifest) && map(live) && !view.is_atomic_map() {
            return self.merge_maps(manifest.and_then(Value::as_object), live.and_then(Value::as_object), view, path);
        }
        if list(manifest) && list(live) {
            let items = (manifest.and_then(Value::as_array), live.and_then(Value::as_array));
            match view.list() {
                ListKind::Map(_) => return self.merge_keyed(items.0, items.1, view, path),
                ListKind::Set => return self.merge_set(items.0, items.1, path),
                ListKind::Atomic => {}
            }
        }
        self.leaf(manifest, live, view, path)
    }

    /// Identity never changes by a write-back, and what the server owns is left as the manifest has it.
    fn is_fixed(&self, path: &FieldPath) -> bool {
        match path.elements() {
            [PathElement::Field(root)] => {
                matches!(&**root, "apiVersion" | "kind") || &**root == "status" && !self.with_status
            }
            [PathElement::Field(root), PathElement::Field(name)] => {
                &**root == "metadata" && !matches!(&**name, "labels" | "annotations")
            }
            _ => false,
        }
    }

    fn leaf(
        &self,
        manifest: Option<&Value>,
        live: Option<&Value>,
        view: SchemaView<'_>,
        path: &FieldPath,
    ) -> Option<Value> {
        if self.directions.way(path) != self.way {
            return manifest.cloned();
        }
        match (manifest, live) {
            (Some(manifest), Some(live)) if compare::same(manifest, live, view) => Some(manifest.clone()),
            (Some(manifest), Some(_)) if self.evidence.is_ignored(path) => Some(manifest.clone()),
            (Some(manifest), None) if self.evidence.is_gone_by_ignored(path) => Some(manifest.clone()),
            (Some(_), live) => live.cloned(),
            (None, Some(live)) if self.adds(live, path) => Some(live.clone()),
            (None, _) => None,
        }
    }

    /// Whether a live field that the manifest lacks is written.
    fn adds(&self, live: &Value, path: &FieldPath) -> bool {
        let replicas = is_replicas(path, self.subject);
        if compare::get(&self.cleaned, path, self.subject.view).is_none() || self.evidence.is_ignored(path) {
            return false;
        }
        if replicas {
            return *live != 1;
        }
        self.directions.names(path) || self.evidence.covers(path) || self.is_named_status(path)
    }

    fn is_named_status(&self, path: &FieldPath) -> bool {
        path.elements().first() == Some(&PathElement::field("status"))
    }

    fn merge_maps(
        &self,
        manifest: Option<&Map<String, Value>>,
        live: Option<&Map<String, Value>>,
        view: SchemaView<'_>,
        path: &FieldPath,
    ) -> Option<Value> {
        let mut merged = Map::new();
        for (key, value) in manifest.into_iter().flatten() {
            let below = path.child(PathElement::field(key));
            let there = live.and_then(|live| live.get(key));
            // The server drops some zero values instead of storing them: missing then says the same.
            if there.is_none() && defaults::is_dropped(view, key, value) {
                merged.insert(key.clone(), value.clone());
                continue;
            }
            if let Some(value) = self.merge(Some(value), there, view.field(key), &below) {
                merged.insert(key.clone(), value);
            }
        }
        for (key, value) in live.into_iter().flatten() {
            let is_default = live.is_some_and(|live| defaults::is_default(view, key, value, live));
            if !is_default && manifest.is_none_or(|manifest| !manifest.contains_key(key)) {
                let below = path.child(PathElement::field(key));
                if let Some(value) = self.merge(None, Some(value), view.field(key), &below) {
                    merged.insert(key.clone(), value);
                }
            }
        }
        let kept_empty = match (manifest, live) {
            (Some(manifest), live) => manifest.is_empty() && live.is_some() || self.directions.way(path) != self.way,
            (None, Some(live)) => {
                live.is_empty() && self.directions.way(path) == self.way && self.adds(&Value::Object(Map::new()), path)
            }
            (None, None) => false,
        };
        (!merged.is_empty() || kept_empty || path.is_root()).then_some(Value::Object(merged))
    }

    fn merge_keyed(
        &self,
        manifest: Option<&Vec<Value>>,
        live: Option<&Vec<Value>>,
        view: SchemaView<'_>,
        path: &FieldPath,
    ) -> Option<Value> {
        let key = |item: &Value| view.item_key(item).unwrap_or(PathElement::Value(Scalar::Null));
        let mut merged = Vec::new();
        for item in manifest.into_iter().flatten() {
            let element = key(item);
            let there = live.into_iter().flatten().find(|live| key(live) == element);
            let below = path.child(element);
            if there.is_none() && self.directions.way(&below) == self.way && !self.evidence.is_gone_by_ignored(&below) {
                continue;
            }
            merged.extend(self.merge(Some(item), there, view.item(), &below));
        }
        for item in live.into_iter().flatten() {
            let element = key(item);
            if manifest.into_iter().flatten().any(|other| key(other) == element) {
                continue;
            }
            let below = path.child(element);
            if self.directions.way(&below) == self.way && self.adds_item(&below) {
                merged.extend(self.merge(None, Some(item), view.item(), &below).map(|new| with_keys(new, &below)));
            }
        }
        let kept_empty = manifest.is_some_and(|manifest| manifest.is_empty()) || self.directions.way(path) != self.way;
        (!merged.is_empty() || manifest.is_some() && kept_empty).then_some(Value::Array(merged))
    }

    fn adds_item(&self, path: &FieldPath) -> bool {
        self.evidence.touches(path) || self.directions.names(path)
    }

    fn merge_set(&self, manifest: Option<&Vec<Value>>, live: Option<&Vec<Value>>, path: &FieldPath) -> Option<Value> {
        let element = |item: &Value| Some(path.child(PathElement::Value(Scalar::of(item)?)));
        let written = |item: &Value| element(item).is_some_and(|path| self.directions.way(&path) == self.way);
        let contains = |side: Option<&Vec<Value>>, item: &Value| side.is_some_and(|items| items.contains(item));
        let mut merged: Vec<Value> = manifest
            .into_iter()
            .flatten()
            .filter(|item| !written(item) || contains(live, item) || self.evidence.is_gone_by_ignored(path))
            .cloned()
            .collect();
        for item in live.into_iter().flatten() {
            let adds = element(item).is_some_and(|path| self.adds(item, &path));
            if written(item) && adds && !contains(manifest, item) {
                merged.push(item.clone());
            }
        }
        (!merged.is_empty() || manifest.is_some_and(Vec::is_empty)).then_some(Value::Array(merged))
    }
}

/// A new list item carries its keys, declared or defaulted: without them it names nothing.
fn with_keys(item: Value, path: &FieldPath) -> Value {
    let (Value::Object(mut fields), Some(PathElement::Key(keys))) = (item, path.elements().last()) else {
        return Value::Null;
    };
    for (name, value) in keys.iter().rev() {
        if !fields.contains_key(&**name) {
            fields.shift_insert(0, name.to_string(), value.to_value());
        }
    }
    Value::Object(fields)
}
