//! Owns the question which fields differ between two objects, as server-side apply asks it. Must never change either.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::object::{FieldPath, FieldSet, ListKind, PathElement, SchemaView};

/// The fields that differ.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub added: FieldSet,
    pub modified: FieldSet,
    pub removed: FieldSet,
}

impl Comparison {
    /// Whether nothing differs.
    pub fn is_same(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }

    /// The fields that have another value now.
    pub fn changed(&self) -> FieldSet {
        self.modified.union(&self.added)
    }

    /// Without the fields at and below `paths`.
    pub fn without(self, paths: &[FieldPath]) -> Self {
        let keep = |set: FieldSet| {
            if paths.is_empty() { set } else { set.filter(|path| !paths.iter().any(|one| one.covers(path))) }
        };
        Self { added: keep(self.added), modified: keep(self.modified), removed: keep(self.removed) }
    }
}

/// What differs in `new` from `old`.
pub(super) fn compare(old: &Value, new: &Value, view: SchemaView<'_>) -> Comparison {
    let mut walker = Walker { path: FieldPath::root(), found: Comparison::default() };
    walker.value(Some(old), Some(new), view);
    walker.found
}

struct Walker {
    path: FieldPath,
    found: Comparison,
}

/// `None` for null and for what is not there.
fn map_of(value: Option<&Value>) -> Option<&Map<String, Value>> {
    value.and_then(Value::as_object)
}

fn list_of(value: Option<&Value>) -> Option<&Vec<Value>> {
    value.and_then(Value::as_array)
}

fn is_null(value: Option<&Value>) -> bool {
    value.is_none_or(Value::is_null)
}

impl Walker {
    fn value(&mut self, old: Option<&Value>, new: Option<&Value>, view: SchemaView<'_>) {
        let fits = |is: fn(&Value) -> bool| {
            [old, new].iter().flatten().any(|value| is(value))
                && [old, new].iter().flatten().all(|value| is(value) || value.is_null())
        };
        let leaf = if fits(Value::is_object) || (is_null(old) && is_null(new) && view.is_known() && !view.is_list()) {
            let (old, new) = (map_of(old), map_of(new));
            let nothing = |map: Option<&Map<String, Value>>| map.is_none_or(Map::is_empty);
            if view.is_atomic_map() || (nothing(old) && nothing(new)) {
                true
            } else {
                self.entries(old, new, view);
                false
            }
        } else if fits(Value::is_array) {
            let (old, new) = (list_of(old), list_of(new));
            let nothing = |list: Option<&Vec<Value>>| list.is_none_or(Vec::is_empty);
            if view.list() == ListKind::Atomic || (nothing(old) && nothing(new)) {
                true
            } else {
                self.items(old, new, view);
                false
            }
        } else {
            true
        };
        match (old, new) {
            (None, Some(_)) => self.found.added.insert(&self.path),
            (Some(_), None) => self.found.removed.insert(&self.path),
            (Some(old), Some(new)) if leaf && !same(old, new) => self.found.modified.insert(&self.path),
            _ => {}
        }
    }

    fn below(&mut self, element: PathElement, old: Option<&Value>, new: Option<&Value>, view: SchemaView<'_>) {
        self.path.push(element);
        self.value(old, new, view);
        self.path.pop();
    }

    fn entries(&mut self, old: Option<&Map<String, Value>>, new: Option<&Map<String, Value>>, view: SchemaView<'_>) {
        for (key, value) in old.into_iter().flatten() {
            self.below(PathElement::field(key), Some(value), new.and_then(|new| new.get(key)), view.field(key));
        }
        for (key, value) in new.into_iter().flatten() {
            if old.is_none_or(|old| !old.contains_key(key)) {
                self.below(PathElement::field(key), None, Some(value), view.field(key));
            }
        }
    }

    fn items(&mut self, old: Option<&Vec<Value>>, new: Option<&Vec<Value>>, view: SchemaView<'_>) {
        let mut items: BTreeMap<PathElement, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
        for item in old.into_iter().flatten() {
            if let Some(key) = view.item_key(item) {
                items.entry(key).or_default().0.push(item);
            }
        }
        for item in new.into_iter().flatten() {
            if let Some(key) = view.item_key(item) {
                items.entry(key).or_default().1.push(item);
            }
        }
        for (key, (old, new)) in items {
            if old.len() <= 1 && new.len() <= 1 {
                self.below(key, old.first().copied(), new.first().copied(), view.item());
            } else if old != new {
                // Items of one key are one value when there are several.
                let path = self.path.child(key);
                match (old.is_empty(), new.is_empty()) {
                    (true, _) => self.found.added.insert(&path),
                    (_, true) => self.found.removed.insert(&path),
                    _ => self.found.modified.insert(&path),
                }
            }
        }
    }
}

/// Whether two values of one leaf are the same: the order of keys does not matter, `1` is `1.0`.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{kinds, types};
    use super::*;
    use serde_json::json;

    fn deployment(old: Value, new: Value) -> Comparison {
        compare(&old, &new, types::view(kinds::by_kind("apps", "Deployment").unwrap()))
    }

    #[test]
    fn new_maps_and_items_are_added_with_all_they_hold() {
        let new = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"template": {"spec": {
            "containers": [{"name": "c", "ports": [{"containerPort": 80}]}]}}}});
        let found = deployment(json!({"metadata": {}, "spec": {"template": {"spec": {"containers": null}}}}), new);
        let wanted = json!({
            "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
            "f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {
                ".": {}, "f:name": {},
                "f:ports": {".": {}, "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
            }}}}},
        });
        assert_eq!(found.added.to_fields_v1(), wanted);
        assert!(found.modified.is_empty() && found.removed.is_empty());
    }

    #[test]
    fn an_atomic_part_is_one_leaf() {
        let selector = |value: &str| json!({"spec": {"selector": {"matchLabels": {"a": value}}}});
        let found = deployment(selector("b"), selector("c"));
        assert_eq!(found.modified.to_fields_v1(), json!({"f:spec": {"f:selector": {}}}));
    }

    #[test]
    fn order_of_keyed_items_and_equal_values_do_not_count() {
        let spec = |containers: Value| json!({"spec": {"template": {"spec": {"containers": containers}}}});
        let found =
            deployment(spec(json!([{"name": "a"}, {"name": "b"}])), spec(json!([{"name": "b"}, {"name": "a"}])));
        assert!(found.is_same());
    }

    #[test]
    fn what_goes_is_removed_and_ignored_paths_do_not_count() {
        let old = json!({"spec": {"replicas": 1}, "status": {"replicas": 1}});
        let found = deployment(old, json!({"spec": {}, "status": {"replicas": 2}}));
        let found = found.without(&[FieldPath::fields(["status"])]);
        assert_eq!(found.removed.to_fields_v1(), json!({"f:spec": {"f:replicas": {}}}));
        assert!(found.changed().is_empty());
    }
}
