//! Owns getting, setting and removing a field by its path. Must never touch anything beside the path.

use serde_json::{Map, Value};

use super::path::{FieldPath, PathElement, Scalar};
use super::schema::SchemaView;

/// Why a field could not be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Something on the way is no map or list.
    #[error("{0} is neither a map nor a list that could hold the field below it")]
    NoContainer(FieldPath),
    /// The index lies beyond the end of the list.
    #[error("{0} lies beyond the end of its list")]
    NoSuchIndex(FieldPath),
}

/// The value at `path`; `None` when it is missing.
pub fn get<'v>(value: &'v Value, path: &FieldPath, view: SchemaView<'_>) -> Option<&'v Value> {
    let mut at = (value, view);
    for element in path.elements() {
        let below = match element {
            PathElement::Field(name) => at.0.as_object()?.get(&**name)?,
            _ => {
                let items = at.0.as_array()?;
                items.get(position(items, element, at.1)?)?
            }
        };
        at = (below, at.1.below(element));
    }
    Some(at.0)
}

/// Sets the field at `path`, making the maps, lists and list items on the way. An item of a set is added by its path alone;
/// `new` is then that item.
///
/// # Errors
///
/// When something on the way is of another form; nothing is changed then.
pub fn set(value: &mut Value, path: &FieldPath, new: Value, view: SchemaView<'_>) -> Result<(), AccessError> {
    let mut at = (value, view);
    let mut done = FieldPath::root();
    for element in path.elements() {
        if at.0.is_null() {
            *at.0 =
                if let PathElement::Field(_) = element { Value::Object(Map::new()) } else { Value::Array(Vec::new()) };
        }
        let below = match (element, at.0) {
            (PathElement::Field(name), Value::Object(map)) => map.entry(&**name).or_insert(Value::Null),
            (PathElement::Field(_), _) => return Err(AccessError::NoContainer(done)),
            (_, Value::Array(items)) => {
                let found = match position(items, element, at.1) {
                    Some(found) => found,
                    None => {
                        items.push(new_item(element, at.1, items.len(), &done)?);
                        items.len() - 1
                    }
                };
                items.get_mut(found).ok_or_else(|| AccessError::NoSuchIndex(done.clone()))?
            }
            _ => return Err(AccessError::NoContainer(done)),
        };
        done.push(element.clone());
        at = (below, at.1.below(element));
    }
    *at.0 = new;
    Ok(())
}

/// Takes the field at `path` away and returns what stood there. What held it stays, even when it is empty now: `emptyDir:
/// {}` means something.
pub fn remove(value: &mut Value, path: &FieldPath, view: SchemaView<'_>) -> Option<Value> {
    let (last, rest) = path.elements().split_last()?;
    let mut at = (value, view);
    for element in rest {
        let below = match element {
            PathElement::Field(name) => at.0.as_object_mut()?.get_mut(&**name)?,
            _ => {
                let items = at.0.as_array_mut()?;
                let found = position(items, element, at.1)?;
                items.get_mut(found)?
            }
        };
        at = (below, at.1.below(element));
    }
    match last {
        PathElement::Field(name) => at.0.as_object_mut()?.shift_remove(&**name),
        _ => {
            let items = at.0.as_array_mut()?;
            let found = position(items, last, at.1)?;
            Some(items.remove(found))
        }
    }
}

/// Makes the field at `path` what it is in `source`: set, or taken away together with the maps that this empties and that
/// `source` does not have.
///
/// # Errors
///
/// As [`set`].
pub fn take(value: &mut Value, source: &Value, path: &FieldPath, view: SchemaView<'_>) -> Result<(), AccessError> {
    if let Some(new) = get(source, path, view) {
        return set(value, path, new.clone(), view);
    }
    remove(value, path, view);
    let mut at = path.clone();
    while let Some(PathElement::Field(_)) = at.pop()
        && matches!(at.elements().last(), Some(PathElement::Field(_)))
        && get(value, &at, view).is_some_and(is_empty)
        && get(source, &at, view).is_none()
    {
        remove(value, &at, view);
    }
    Ok(())
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

/// Where in a list the item stands that `element` names.
fn position(items: &[Value], element: &PathElement, list: SchemaView<'_>) -> Option<usize> {
    match element {
        PathElement::Field(_) => None,
        PathElement::Index(index) => (*index < items.len()).then_some(*index),
        PathElement::Value(value) => items.iter().position(|item| Scalar::of(item).as_ref() == Some(value)),
        PathElement::Key(keys) => items.iter().position(|item| match list.item_key(item) {
            Some(key) => key == *element,
            None => keys.iter().all(|(name, value)| item.get(&**name).and_then(Scalar::of).as_ref() == Some(value)),
        }),
    }
}

/// A new item that `element` names. Keys that have their default are left out, as a person would, if another key stays.
fn new_item(element: &PathElement, list: SchemaView<'_>, len: usize, at: &FieldPath) -> Result<Value, AccessError> {
    match element {
        PathElement::Key(keys) => {
            let all = || keys.iter().map(|(name, value)| (name.to_string(), value.to_value()));
            let said = all().filter(|(name, value)| list.item().field(name).default() != Some(value));
            let item: Map<String, Value> = said.collect();
            Ok(Value::Object(if item.is_empty() { all().collect() } else { item }))
        }
        PathElement::Value(value) => Ok(value.to_value()),
        PathElement::Index(index) if *index == len => Ok(Value::Null),
        PathElement::Index(_) => Err(AccessError::NoSuchIndex(at.child(element.clone()))),
        PathElement::Field(_) => Err(AccessError::NoContainer(at.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Schema;
    use serde_json::json;

    fn port(number: i64) -> FieldPath {
        let protocol = ("protocol".into(), Scalar::String("TCP".into()));
        FieldPath::fields(["spec", "ports"]).child(PathElement::key([("port".into(), Scalar::Int(number)), protocol]))
    }

    #[test]
    fn items_are_found_made_and_removed_by_their_keys() {
        let schema = Schema::builtin();
        let view = schema.root("", "v1", "Service").unwrap();
        let mut service = json!({"spec": {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53}]}});
        let name = PathElement::field("name");
        set(&mut service, &port(53).child(name.clone()), json!("dns"), view).unwrap();
        set(&mut service, &port(80).child(name.clone()), json!("http"), view).unwrap();
        let ports = json!([{"port": 53, "protocol": "UDP"}, {"port": 53, "name": "dns"}, {"port": 80, "name": "http"}]);
        assert_eq!(service["spec"]["ports"], ports);
        assert_eq!(get(&service, &port(80).child(name), view), Some(&json!("http")));
        assert_eq!(remove(&mut service, &port(53), view), Some(json!({"port": 53, "name": "dns"})));
        assert_eq!(get(&service, &port(53), view), None);
        assert_eq!(remove(&mut service, &FieldPath::fields(["spec", "nothing"]), view), None);
    }

    #[test]
    fn maps_and_lists_on_the_way_are_made() {
        let schema = Schema::builtin();
        let view = schema.root("", "v1", "Service").unwrap();
        let mut service = json!({"spec": null});
        set(&mut service, &port(80).child(PathElement::field("nodePort")), json!(30000), view).unwrap();
        set(&mut service, &FieldPath::fields(["metadata", "labels", "a/b"]), json!("c"), view).unwrap();
        let wanted =
            json!({"spec": {"ports": [{"port": 80, "nodePort": 30000}]}, "metadata": {"labels": {"a/b": "c"}}});
        assert_eq!(service, wanted);
        let finalizer = FieldPath::fields(["metadata", "finalizers"]);
        let finalizer = finalizer.child(PathElement::Value(Scalar::String("x".into())));
        set(&mut service, &finalizer, json!("x"), view).unwrap();
        assert_eq!(service["metadata"]["finalizers"], json!(["x"]));
    }

    #[test]
    fn a_field_below_a_scalar_cannot_be_set() {
        let mut value = json!({"a": 1});
        let error = set(&mut value, &FieldPath::fields(["a", "b"]), json!(1), SchemaView::unknown()).unwrap_err();
        assert_eq!(error, AccessError::NoContainer(FieldPath::fields(["a"])));
        assert_eq!(value, json!({"a": 1}));
    }
}
