//! Owns the typed merge of server-side apply: one object laid over another, fields taken out, the set of fields that an
//! object speaks of. Must never know whose fields they are.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::object::{FieldPath, FieldSet, ListKind, PathElement, SchemaView};

/// `over` laid over `base`: maps and keyed lists by key, everything else whole. Nothing of `base` goes.
pub(super) fn merge(base: &Value, over: &Value, view: SchemaView<'_>) -> Value {
    match (base, over) {
        (Value::Object(base), Value::Null) if !base.is_empty() && !view.is_atomic_map() => Value::Object(base.clone()),
        (Value::Object(base), Value::Object(over)) if !view.is_atomic_map() => {
            let mut merged = base.clone();
            for (key, value) in over {
                let value = match base.get(key) {
                    Some(below) => merge(below, value, view.field(key)),
                    None => value.clone(),
                };
                merged.insert(key.clone(), value);
            }
            Value::Object(merged)
        }
        (Value::Array(base), Value::Null) if !base.is_empty() && view.list() != ListKind::Atomic => {
            Value::Array(base.clone())
        }
        (Value::Array(base), Value::Array(over)) if view.list() != ListKind::Atomic => {
            Value::Array(merge_items(base, over, view))
        }
        (_, over) => over.clone(),
    }
}

/// Items of both lists: those of `over` in its order, the others where they stood between them.
fn merge_items(base: &[Value], over: &[Value], view: SchemaView<'_>) -> Vec<Value> {
    let keyed =
        |items: &[Value]| -> Vec<Option<PathElement>> { items.iter().map(|item| view.item_key(item)).collect() };
    let (base_keys, over_keys) = (keyed(base), keyed(over));
    // Of several items with one key the first counts.
    let base_by_key: BTreeMap<_, _> =
        base_keys.iter().zip(base).rev().filter_map(|(key, item)| Some((key.as_ref()?, item))).collect();
    // The items of `over` that `base` has too, in the order of `over`.
    let mut shared = over_keys.iter().flatten().filter(|key| base_by_key.contains_key(key)).peekable();
    let in_over = |key: &Option<PathElement>| key.is_some() && over_keys.contains(key);
    let laid_over = |key: &Option<PathElement>, item: &Value| match key.as_ref().and_then(|key| base_by_key.get(key)) {
        Some(below) => merge(below, item, view.item()),
        None => item.clone(),
    };
    let mut merged = Vec::with_capacity(base.len() + over.len());
    let (mut left, mut right) = (0, 0);
    loop {
        let next_left = base_keys.get(left).zip(base.get(left));
        let next_right = over_keys.get(right).zip(over.get(right));
        match (next_left, next_right) {
            (None, None) => return merged,
            (Some((left_key, _)), Some((right_key, item))) if left_key.is_some() && left_key == right_key => {
                merged.push(laid_over(right_key, item));
                left += 1;
                right += 1;
                shared.next();
            }
            (Some((left_key, _)), Some(_)) if in_over(left_key) && shared.peek().copied() != left_key.as_ref() => {
                left += 1;
            }
            (Some((left_key, item)), _) if !in_over(left_key) => {
                merged.push(item.clone());
                left += 1;
            }
            (_, Some((right_key, item))) => {
                merged.push(laid_over(right_key, item));
                right += 1;
                if right_key.is_some() && shared.peek().copied() == right_key.as_ref() {
                    shared.next();
                }
            }
            (Some(_), None) => left += 1,
        }
    }
}

/// `value` without the fields of `set`. A map or list that loses everything becomes null.
pub(super) fn remove(value: &Value, set: &FieldSet, view: SchemaView<'_>) -> Value {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let mut rest = Map::new();
            for (key, value) in map {
                let element = PathElement::field(key);
                if !set.owns(&element) {
                    rest.insert(key.clone(), remove_below(value, set, &element, view.field(key)));
                }
            }
            if rest.is_empty() { Value::Null } else { Value::Object(rest) }
        }
        Value::Array(items) if view.list() != ListKind::Atomic && !items.is_empty() => {
            let mut rest = Vec::new();
            for item in items {
                match view.item_key(item) {
                    Some(key) if set.owns(&key) => {}
                    Some(key) => rest.push(remove_below(item, set, &key, view.item())),
                    None => rest.push(item.clone()),
                }
            }
            if rest.is_empty() { Value::Null } else { Value::Array(rest) }
        }
        other => other.clone(),
    }
}

fn remove_below(value: &Value, set: &FieldSet, element: &PathElement, view: SchemaView<'_>) -> Value {
    match set.below(element) {
        Some(below) if !below.is_empty() => remove(value, below, view),
        _ => value.clone(),
    }
}

/// The fields that an object speaks of: what an apply of it owns.
pub(super) fn fields_of(object: &Value, view: SchemaView<'_>) -> FieldSet {
    let mut set = FieldSet::new();
    collect(object, view, &mut FieldPath::root(), &mut set);
    set
}

fn collect(value: &Value, view: SchemaView<'_>, path: &mut FieldPath, set: &mut FieldSet) {
    match value {
        Value::Object(map) if !view.is_atomic_map() => {
            for (key, value) in map {
                path.push(PathElement::field(key));
                collect(value, view.field(key), path, set);
                let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                if empty || !view.is_struct_field(key) {
                    set.insert(path);
                }
                path.pop();
            }
        }
        Value::Array(items) if view.list() != ListKind::Atomic => {
            let keys: Vec<_> = items.iter().map(|item| view.item_key(item)).collect();
            for (item, key) in items.iter().zip(&keys) {
                let Some(element) = key else { continue };
                path.push(element.clone());
                if keys.iter().filter(|other| *other == key).count() == 1 {
                    collect(item, view.item(), path, set);
                }
                set.insert(path);
                path.pop();
            }
        }
        _ => set.insert(path),
    }
}

/// `set` with every struct field that something of the set lies below.
pub(super) fn with_parents(set: &FieldSet, view: SchemaView<'_>) -> FieldSet {
    let mut all = set.clone();
    add_parents(set, view, &mut FieldPath::root(), &mut all);
    all
}

fn add_parents(set: &FieldSet, view: SchemaView<'_>, path: &mut FieldPath, all: &mut FieldSet) {
    for element in set.elements() {
        let Some(below) = set.below(element).filter(|below| !below.is_empty()) else { continue };
        path.push(element.clone());
        if let PathElement::Field(name) = element
            && view.is_struct_field(name)
        {
            all.insert(path);
        }
        add_parents(below, view.below(element), path, all);
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::super::{kinds, types};
    use super::*;
    use serde_json::json;

    fn view() -> SchemaView<'static> {
        types::view(kinds::by_kind("apps", "Deployment").unwrap())
    }

    fn containers(names: &[&str]) -> Value {
        let items: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
        json!({"spec": {"template": {"spec": {"containers": items}}}})
    }

    #[test]
    fn keyed_items_follow_the_applied_order_and_keep_the_others_in_place() {
        for (base, over, wanted) in [
            (&["a", "b", "c"][..], &["c", "a"][..], &["b", "c", "a"][..]),
            (&["a", "x", "b"], &["a", "b"], &["a", "x", "b"]),
            (&["a"], &["n", "a"], &["n", "a"]),
            (&[], &["n"], &["n"]),
        ] {
            let merged = merge(&containers(base), &containers(over), view());
            assert_eq!(merged, containers(wanted));
        }
    }

    #[test]
    fn an_atomic_list_is_replaced_and_a_null_takes_nothing_away() {
        let base = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"template": {"spec": {
            "tolerations": [{"key": "a"}]}}}});
        let over = json!({"metadata": {"labels": null}, "spec": {"template": {"spec": {
            "tolerations": [{"key": "b"}]}}}});
        let merged = merge(&base, &over, view());
        assert_eq!(merged["metadata"]["labels"], json!({"a": "b"}));
        assert_eq!(merged["spec"]["template"]["spec"]["tolerations"], json!([{"key": "b"}]));
    }

    #[test]
    fn an_apply_owns_exactly_what_it_says() {
        let object = json!({"metadata": {"labels": {}, "annotations": {"a/b": "c"}}, "spec": {
            "replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": {"spec": {
                "containers": [{"name": "c", "ports": [{"containerPort": 80}], "args": []}]}}}});
        let wanted = json!({
            "f:metadata": {"f:annotations": {"f:a/b": {}}, "f:labels": {}},
            "f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": {"f:spec": {"f:containers": {
                "k:{\"name\":\"c\"}": {".": {}, "f:args": {}, "f:name": {}, "f:ports": {
                    "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}}}}},
        });
        assert_eq!(fields_of(&object, view()).to_fields_v1(), wanted);
    }

    #[test]
    fn removing_takes_fields_and_items_out() {
        let set = FieldSet::from_fields_v1(&json!({"f:metadata": {"f:labels": {"f:a": {}}},
            "f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {".": {}}}}}}}))
        .unwrap();
        let mut object = containers(&["a", "b"]);
        object["metadata"] = json!({"labels": {"a": "b"}, "name": "x"});
        let rest = remove(&object, &set, view());
        assert_eq!(rest["metadata"], json!({"labels": null, "name": "x"}));
        assert_eq!(rest["spec"]["template"]["spec"]["containers"], json!([{"name": "b"}]));
    }
}
