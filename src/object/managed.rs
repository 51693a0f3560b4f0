//! Owns the reading of `managedFields` and the patch that gives a field up. Must never write another manager's entry.

use std::fmt;

use serde_json::{Map, Value, json};

use super::fieldset::{FieldSet, parse_element};
use super::path::FieldPath;

/// How a manager wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// Server-side apply: the entry holds exactly what was sent.
    Apply,
    /// Anything else: the entry holds what was sent and the defaults.
    Update,
}

/// Who owns fields: one entry of `managedFields` is of one manager.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Manager {
    /// How it wrote.
    pub operation: Operation,
    /// Its name, for example `kubectl-edit`.
    pub name: String,
    /// Subresource it wrote through; empty for the object itself.
    pub subresource: String,
}

impl fmt::Display for Manager {
    /// `kubectl-edit`, `kubectl (scale)`, `flux (apply)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match (self.operation, self.subresource.as_str()) {
            (Operation::Update, "") => Ok(()),
            (Operation::Apply, "") => f.write_str(" (apply)"),
            (_, subresource) => write!(f, " ({subresource})"),
        }
    }
}

/// One entry of `managedFields`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedEntry {
    /// Where it stands in the list.
    pub index: usize,
    /// Whose it is.
    pub manager: Manager,
    /// Version in which its fields are told.
    pub api_version: String,
    /// What it owns.
    pub fields: FieldSet,
    /// When it last changed, as the server writes it; entries of subresources may have none.
    pub time: Option<String>,
}

/// Every entry that can be understood, in the order of the list.
pub fn entries(live: &Value) -> Vec<ManagedEntry> {
    list(live).iter().enumerate().filter_map(|(index, entry)| read(index, entry)).collect()
}

/// The entries of the managers whose names are wanted; what others own is not even read.
pub fn entries_of(live: &Value, is_wanted: impl Fn(&str) -> bool) -> Vec<ManagedEntry> {
    let name = |entry: &Value| is_wanted(entry.get("manager").and_then(Value::as_str).unwrap_or(""));
    let wanted = list(live).iter().enumerate().filter(|(_, entry)| name(entry));
    wanted.filter_map(|(index, entry)| read(index, entry)).collect()
}

fn list(live: &Value) -> &[Value] {
    live.pointer("/metadata/managedFields").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn read(index: usize, entry: &Value) -> Option<ManagedEntry> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    let operation = match text("operation")? {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return None,
    };
    let subresource = text("subresource").unwrap_or("").to_owned();
    Some(ManagedEntry {
        index,
        manager: Manager { operation, name: text("manager").unwrap_or("").to_owned(), subresource },
        api_version: text("apiVersion").unwrap_or("").to_owned(),
        fields: FieldSet::from_fields_v1(entry.get("fieldsV1")?).ok()?,
        time: text("time").map(str::to_owned),
    })
}

/// What we own: the Apply entries of `manager` on the object itself (more than one after a change of version). `None` when
/// there is none.
pub fn own_fields(live: &Value, manager: &str) -> Option<FieldSet> {
    own_entries(live, manager).map(|entry| entry.fields).reduce(|all, more| all.union(&more))
}

fn own_entries(live: &Value, manager: &str) -> impl Iterator<Item = ManagedEntry> {
    entries_of(live, |name| name == manager).into_iter().filter(|ManagedEntry { manager: found, .. }| {
        found.operation == Operation::Apply && found.subresource.is_empty()
    })
}

/// Every manager that owns this field, or a leaf that covers it.
pub fn owners_of(live: &Value, path: &FieldPath) -> Vec<Manager> {
    let owning = entries(live).into_iter().filter(|entry| entry.fields.covers(path));
    owning.map(|entry| entry.manager).collect()
}

/// The JSON patch that takes `fields` out of our own entries: each entry's manager and operation are tested, so that it
/// fails (422) when entries have moved; then read the object again and ask once more. Values stay as they are. `None` when
/// we own none of the fields. After the last entry of an object is gone, the next apply finds everything owned by a manager
/// `before-first-apply`.
pub fn release(live: &Value, manager: &str, fields: &FieldSet) -> Option<Value> {
    let (mut tests, mut removals, mut emptied) = (Vec::new(), Vec::new(), Vec::new());
    for entry in own_entries(live, manager) {
        let rest = entry.fields.subtract(fields);
        if rest == entry.fields {
            continue;
        }
        let at = format!("/metadata/managedFields/{}", entry.index);
        tests.push(json!({"op": "test", "path": format!("{at}/manager"), "value": manager}));
        tests.push(json!({"op": "test", "path": format!("{at}/operation"), "value": "Apply"}));
        if rest.is_empty() {
            emptied.push(json!({"op": "remove", "path": at}));
        } else if let Some(Value::Object(raw)) = list(live).get(entry.index).and_then(|entry| entry.get("fieldsV1")) {
            removals_below(raw, &rest, &format!("{at}/fieldsV1"), &mut removals);
        }
    }
    if !emptied.is_empty() && emptied.len() == list(live).len() {
        // For a custom resource the server takes an empty list for a client that knows no better and keeps the old one; one
        // empty entry means none (tried). The test makes sure that nobody else's entry has come in between.
        let path = "/metadata/managedFields";
        emptied = vec![
            json!({"op": "test", "path": path, "value": list(live)}),
            json!({"op": "replace", "path": path, "value": [{}]}),
        ];
    } else {
        // From the end, so that no index moves before it is used.
        emptied.reverse();
    }
    (!tests.is_empty()).then(|| Value::Array([tests, removals, emptied].concat()))
}

/// Removes from an entry what `rest` does not have. A map that would become empty goes with its last key: `{}` would own
/// the map itself.
fn removals_below(raw: &Map<String, Value>, rest: &FieldSet, at: &str, removals: &mut Vec<Value>) {
    for (key, value) in raw {
        // The key is taken as the server wrote it: JSON texts inside may be spelt in more than one way.
        let Some(element) = parse_element(key) else { continue };
        let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        match (rest.below(&element), value) {
            (None, _) => removals.push(json!({"op": "remove", "path": at})),
            (Some(below), Value::Object(raw)) => {
                if raw.contains_key(".") && !rest.owns(&element) {
                    removals.push(json!({"op": "remove", "path": format!("{at}/.")}));
                }
                removals_below(raw, below, &at, removals);
            }
            (Some(_), _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::path::{PathElement, Scalar};

    fn live() -> Value {
        json!({"metadata": {"managedFields": [
            {"manager": "kubectl", "operation": "Update", "apiVersion": "apps/v1", "subresource": "scale",
             "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            {"manager": "kubeferry:a/b", "operation": "Apply", "apiVersion": "apps/v1", "time": "2026-01-01T00:00:00Z",
             "fieldsV1": {"f:metadata": {"f:annotations": {"f:a.io/b~c": {}}, "f:labels": {".": {}, "f:app": {}}},
                "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"a/b\"}": {
                    ".": {}, "f:name": {}, "f:image": {}}}}}}}},
            {"manager": "kubeferry:a/b", "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:spec": {"f:x": {}}}},
            {"manager": "odd", "operation": "Update", "apiVersion": "v1", "fieldsV1": {"nonsense": {}}},
        ]}})
    }

    /// What the API server does with a patch.
    fn patched(live: &Value, patch: &Value) -> Value {
        let mut live = live.clone();
        for op in patch.as_array().unwrap() {
            let path = op["path"].as_str().unwrap();
            if op["op"] == "test" {
                assert_eq!(live.pointer(path), Some(&op["value"]), "{path}");
                continue;
            }
            let (parent, key) = path.rsplit_once('/').unwrap();
            let key = key.replace("~1", "/").replace("~0", "~");
            match live.pointer_mut(parent).unwrap() {
                Value::Object(map) => drop(map.remove(&key).unwrap_or_else(|| panic!("{path} is missing"))),
                Value::Array(list) => drop(list.remove(key.parse().unwrap())),
                other => panic!("{path} below {other}"),
            }
        }
        live
    }

    fn releasing(paths: &[FieldPath]) -> (Value, Value) {
        let patch = release(&live(), "kubeferry:a/b", &FieldSet::from_paths(paths)).unwrap();
        let after = patched(&live(), &patch);
        (patch, after)
    }

    #[test]
    fn a_field_is_given_up_by_a_patch_that_tests_the_entry() {
        let (patch, _) = releasing(&[FieldPath::fields(["spec", "replicas"])]);
        assert_eq!(
            patch,
            json!([
                {"op": "test", "path": "/metadata/managedFields/1/manager", "value": "kubeferry:a/b"},
                {"op": "test", "path": "/metadata/managedFields/1/operation", "value": "Apply"},
                {"op": "remove", "path": "/metadata/managedFields/1/fieldsV1/f:spec/f:replicas"},
            ])
        );
    }

    #[test]
    fn what_is_left_is_what_subtraction_says() {
        let containers = FieldPath::fields(["spec", "template", "spec", "containers"]);
        let container = containers.child(PathElement::key([("name".into(), Scalar::String("a/b".into()))]));
        let all = own_fields(&live(), "kubeferry:a/b").unwrap();
        let sets = [
            vec![FieldPath::fields(["metadata", "annotations", "a.io/b~c"])],
            vec![FieldPath::fields(["metadata", "labels"])],
            vec![FieldPath::fields(["metadata", "labels", "app"])],
            vec![FieldPath::fields(["metadata", "labels"]), FieldPath::fields(["metadata", "labels", "app"])],
            vec![container.child(PathElement::field("image"))],
            vec![container.child(PathElement::field("image")), container.child(PathElement::field("name"))],
            vec![
                container.child(PathElement::field("image")),
                container.child(PathElement::field("name")),
                container.clone(),
                FieldPath::fields(["spec", "replicas"]),
            ],
        ];
        for paths in sets {
            let (patch, after) = releasing(&paths);
            let rest = own_fields(&after, "kubeferry:a/b").unwrap();
            assert_eq!(rest, all.subtract(&FieldSet::from_paths(&paths)), "{patch}");
        }
    }

    #[test]
    fn an_entry_that_would_be_empty_goes_whole() {
        let (patch, after) = releasing(&own_fields(&live(), "kubeferry:a/b").unwrap().paths());
        assert_eq!(patch[2], json!({"op": "remove", "path": "/metadata/managedFields/1"}));
        assert_eq!(own_fields(&after, "kubeferry:a/b"), None);
        assert_eq!(entries(&after).len(), 2);
    }

    #[test]
    fn the_last_entry_of_an_object_is_replaced_by_the_sign_for_none() {
        let mut live = live();
        let entries = live["metadata"]["managedFields"].as_array_mut().unwrap();
        entries.retain(|entry| entry["operation"] == "Apply");
        let patch = release(&live, "kubeferry:a/b", &own_fields(&live, "kubeferry:a/b").unwrap()).unwrap();
        let path = "/metadata/managedFields";
        assert_eq!(patch[2], json!({"op": "test", "path": path, "value": live["metadata"]["managedFields"]}));
        assert_eq!(patch[3], json!({"op": "replace", "path": path, "value": [{}]}));
    }

    #[test]
    fn what_we_do_not_own_gives_no_patch() {
        let other = FieldSet::from_paths(&[FieldPath::fields(["spec", "x"]), FieldPath::fields(["spec"])]);
        assert_eq!(release(&live(), "kubeferry:a/b", &other), None);
        assert_eq!(release(&live(), "nobody", &FieldSet::from_paths(&[FieldPath::fields(["spec", "replicas"])])), None);
        assert_eq!(release(&json!({}), "kubeferry:a/b", &other), None);
    }

    #[test]
    fn every_owner_is_named() {
        let names = |path: &[&str]| -> Vec<String> {
            owners_of(&live(), &FieldPath::fields(path.iter().copied())).iter().map(Manager::to_string).collect()
        };
        assert_eq!(names(&["spec", "replicas"]), ["kubectl (scale)", "kubeferry:a/b (apply)"]);
        assert_eq!(names(&["spec", "x"]), ["kubeferry:a/b"]);
        assert!(names(&["spec"]).is_empty());
    }
}
