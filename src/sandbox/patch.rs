//! Owns the three patches that are no apply: JSON patch, merge patch, strategic merge patch. Must never look at the
//! store, nor check what comes out.

use serde_json::{Map, Value};

use super::status::Status;
use super::types::{Field, Type, types};

/// A patch as a request brings it.
#[derive(Clone, Debug, PartialEq)]
pub enum Patch {
    /// RFC 6902.
    Json(Value),
    /// RFC 7386.
    Merge(Value),
    /// Lists merge by key, with the directives of Kubernetes.
    Strategic(Value),
}

/// `object` with the patch laid over it. `of` is the object's type.
///
/// # Errors
///
/// 400 for what is no patch, 422 for one that does not fit the object.
pub(super) fn patched(object: &Value, patch: &Patch, of: &Type) -> Result<Value, Status> {
    match patch {
        Patch::Json(operations) => {
            if !operations.is_array() {
                return Err(undecodable(operations, "[]handlers.jsonPatchOp"));
            }
            let operations: json_patch::Patch = serde_json::from_value(operations.clone())
                .map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))?;
            let mut object = object.clone();
            json_patch::patch(&mut object, &operations).map_err(|_| Status::patch_failed())?;
            Ok(object)
        }
        Patch::Merge(patch) => {
            let patch = map_of(patch)?;
            let mut object = object.clone();
            json_patch::merge(&mut object, &Value::Object(patch.clone()));
            Ok(object)
        }
        Patch::Strategic(patch) => {
            let merged = merge_map(object.as_object().cloned().unwrap_or_default(), map_of(patch)?, of)?;
            Ok(Value::Object(merged))
        }
    }
}

fn map_of(patch: &Value) -> Result<&Map<String, Value>, Status> {
    patch.as_object().ok_or_else(|| undecodable(patch, "map[string]interface {}"))
}

fn undecodable(patch: &Value, wanted: &str) -> Status {
    let got = match patch {
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        _ => "value",
    };
    Status::bad_request(format!("error decoding patch: json: cannot unmarshal {got} into Go value of type {wanted}"))
}

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_ITEMS: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

fn merge_map(mut map: Map<String, Value>, patch: &Map<String, Value>, of: &Type) -> Result<Map<String, Value>, Status> {
    match patch.get(DIRECTIVE).and_then(Value::as_str) {
        Some("replace") => return Ok(patch.iter().filter(|(key, _)| *key != DIRECTIVE).map(cloned).collect()),
        Some("delete") => return Ok(Map::new()),
        Some("merge") | None => {}
        Some(other) => return Err(Status::bad_request(format!("Unknown patch type found: {other}"))),
    }
    if let Some(kept) = patch.get(RETAIN_KEYS).and_then(Value::as_array) {
        map.retain(|key, _| kept.iter().any(|one| one.as_str() == Some(key)));
    }
    let before: Vec<(&str, Vec<Value>)> = patch
        .keys()
        .filter_map(|key| key.strip_prefix(ORDER))
        .filter_map(|name| Some((name, map.get(name)?.as_array()?.clone())))
        .collect();
    for (key, value) in patch {
        if key.starts_with('$') {
            continue;
        }
        let field = types().field(of, key);
        let below = match (field, of) {
            (Some(field), _) => &field.of,
            (None, Type::Map(of)) => of,
            (None, _) => &Type::Any,
        };
        match (map.get_mut(key), value) {
            (_, Value::Null) => {
                map.remove(key);
            }
            (Some(Value::Object(live)), Value::Object(patch)) => {
                let merged = merge_map(std::mem::take(live), patch, below)?;
                if patch.get(DIRECTIVE).and_then(Value::as_str) == Some("delete") {
                    map.remove(key);
                } else {
                    map.insert(key.clone(), Value::Object(merged));
                }
            }
            (Some(Value::Array(live)), Value::Array(patch)) if merges(field) => {
                let merged = merge_list(std::mem::take(live), patch, field, below)?;
                map.insert(key.clone(), Value::Array(merged));
            }
            (_, Value::Array(patch)) if merges(field) => {
                map.insert(key.clone(), Value::Array(merge_list(Vec::new(), patch, field, below)?));
            }
            (_, Value::Object(patch)) => {
                map.insert(key.clone(), Value::Object(merge_map(Map::new(), patch, below)?));
            }
            (_, value) => {
                map.insert(key.clone(), value.clone());
            }
        }
    }
    for (key, value) in patch {
        if let Some(name) = key.strip_prefix(DELETE_ITEMS)
            && let (Some(Value::Array(live)), Value::Array(gone)) = (map.get_mut(name), value)
        {
            live.retain(|item| !gone.contains(item));
        }
    }
    for (key, value) in patch {
        if let Some(name) = key.strip_prefix(ORDER)
            && let (Some(Value::Array(live)), Value::Array(order)) = (map.get_mut(name), value)
        {
            let merge_key = types().field(of, name).and_then(|field| field.merges.clone()).flatten();
            let before = before.iter().find(|(found, _)| *found == name).map_or(&[][..], |(_, items)| items);
            *live = ordered(std::mem::take(live), order, before, merge_key.as_deref());
        }
    }
    Ok(map)
}

fn cloned((key, value): (&String, &Value)) -> (String, Value) {
    (key.clone(), value.clone())
}

fn merges(field: Option<&Field>) -> bool {
    field.is_some_and(|field| field.merges.is_some())
}

fn merge_list(mut live: Vec<Value>, patch: &[Value], field: Option<&Field>, of: &Type) -> Result<Vec<Value>, Status> {
    let item_type = match of {
        Type::List(item) => item,
        _ => &Type::Any,
    };
    let before = live.clone();
    let Some(merge_key) = field.and_then(|field| field.merges.clone()).flatten() else {
        live.extend(patch.iter().filter(|item| !live.contains(item)).cloned().collect::<Vec<_>>());
        return Ok(ordered(live, patch, &before, None));
    };
    let directive = |item: &Value| item.get(DIRECTIVE).and_then(Value::as_str).map(String::from);
    if patch.iter().any(|item| directive(item).as_deref() == Some("replace")) {
        return Ok(patch.iter().filter(|item| directive(item).is_none()).cloned().collect());
    }
    for item in patch {
        let key = item.get(&merge_key).ok_or_else(|| {
            Status::bad_request(format!("map: {item} does not contain declared merge key: {merge_key}"))
        })?;
        let position = live.iter().position(|one| one.get(&merge_key) == Some(key));
        match (directive(item).as_deref(), position, item) {
            (Some("delete"), _, _) => live.retain(|one| one.get(&merge_key) != Some(key)),
            (_, Some(position), Value::Object(patch)) => {
                if let Some(Value::Object(found)) = live.get_mut(position) {
                    *found = merge_map(std::mem::take(found), patch, item_type)?;
                }
            }
            (_, _, Value::Object(patch)) => live.push(Value::Object(merge_map(Map::new(), patch, item_type)?)),
            (_, _, other) => live.push(other.clone()),
        }
    }
    Ok(ordered(live, patch, &before, Some(&merge_key)))
}

/// The items that `order` names in its order, before those that it does not name; an item of these comes first only where
/// it stood first in `before`.
fn ordered(items: Vec<Value>, order: &[Value], before: &[Value], merge_key: Option<&str>) -> Vec<Value> {
    let key = |item: &Value| match merge_key {
        Some(key) => item.get(key).cloned().unwrap_or_default(),
        None => item.clone(),
    };
    let place = |items: &[Value], item: &Value| items.iter().position(|one| key(one) == key(item));
    let total = items.len();
    let (mut named, mut others): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| place(order, item).is_some());
    named.sort_by_key(|item| place(order, item));
    others.sort_by_key(|item| place(before, item));
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    let mut sorted = Vec::with_capacity(total);
    while sorted.len() < total {
        let other_first = match (others.peek(), named.peek()) {
            (Some(other), Some(named)) => {
                place(before, other).zip(place(before, named)).is_some_and(|(other, named)| other < named)
            }
            (other, _) => other.is_some(),
        };
        sorted.extend(if other_first { others.next() } else { named.next() });
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::super::kinds;
    use super::*;
    use serde_json::json;

    fn deployment(object: &Value, patch: Value) -> Value {
        let of = types().root(kinds::by_kind("apps", "Deployment").unwrap());
        patched(object, &Patch::Strategic(patch), &of).unwrap()
    }

    fn pod(containers: Value) -> Value {
        json!({"spec": {"template": {"spec": {"containers": containers}}}})
    }

    #[test]
    fn items_merge_by_their_key() {
        let live = pod(json!([{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}, {"name": "Y"}],
                               "ports": [{"containerPort": 80, "protocol": "TCP"}]}, {"name": "b"}]));
        let patch = pod(json!([{"name": "a", "image": "2", "env": [{"$patch": "delete", "name": "X"}],
                                "ports": [{"containerPort": 80, "name": "http"}]}, {"name": "c"}]));
        let wanted = pod(json!([{"name": "a", "image": "2", "env": [{"name": "Y"}],
                                 "ports": [{"containerPort": 80, "protocol": "TCP", "name": "http"}]},
                                {"name": "c"}, {"name": "b"}]));
        assert_eq!(deployment(&live, patch), wanted);
    }

    #[test]
    fn the_order_that_kubectl_sends_is_kept() {
        let live = pod(json!([{"name": "a"}, {"name": "x"}, {"name": "b"}]));
        let mut patch = pod(json!([{"name": "n"}]));
        patch["spec"]["template"]["spec"]["$setElementOrder/containers"] =
            json!([{"name": "b"}, {"name": "n"}, {"name": "a"}]);
        let merged = deployment(&live, patch);
        let names: Vec<_> = merged["spec"]["template"]["spec"]["containers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["x", "b", "n", "a"]);
    }

    #[test]
    fn retained_keys_replace_a_union() {
        let live = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
        let patch = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
        assert_eq!(deployment(&live, patch)["spec"]["strategy"], json!({"type": "Recreate"}));
    }

    #[test]
    fn nulls_atomic_lists_and_primitive_lists() {
        let live = json!({"metadata": {"finalizers": ["a", "b"], "labels": {"x": "y"}},
                          "spec": {"template": {"spec": {"tolerations": [{"key": "a"}]}}}});
        let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"], "labels": null},
                           "spec": {"template": {"spec": {"tolerations": [{"key": "b"}]}}}});
        let merged = deployment(&live, patch);
        assert_eq!(merged["metadata"], json!({"finalizers": ["c", "b"]}));
        assert_eq!(merged["spec"]["template"]["spec"]["tolerations"], json!([{"key": "b"}]));
    }

    #[test]
    fn a_failed_test_of_a_json_patch_says_only_that() {
        let patch = Patch::Json(json!([{"op": "test", "path": "/data/k", "value": "z"}]));
        let refused = patched(&json!({"data": {"k": "v"}}), &patch, &Type::Any).unwrap_err();
        assert_eq!((refused.code, refused.reason), (422, "Invalid"));
        let refused = patched(&json!({}), &Patch::Merge(json!([])), &Type::Any).unwrap_err();
        assert_eq!(refused.code, 400);
    }
}
