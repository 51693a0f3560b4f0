//! Owns the step between values and sets of fields: what a value would own, which part of a live object a set covers, and
//! the rest of it. Must never say otherwise than the API server what an apply owns.

use serde_json::{Map, Value};

use super::fieldset::FieldSet;
use super::path::{PathElement, Scalar};
use super::schema::{ListKind, SchemaView};

/// Metadata that no manager ever owns, as the API server strips it from every entry.
const UNOWNED_METADATA: [&str; 9] = [
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
];

/// Whether a key of the root names the object rather than describing it.
fn is_type(key: &str) -> bool {
    key == "apiVersion" || key == "kind"
}

impl FieldSet {
    /// What an apply of `object` (already cleaned, see [`super::clean::for_apply`]) would own: exactly what the API server
    /// writes into its `managedFields` entry. `view` is that of the object's root.
    pub fn of(object: &Value, view: SchemaView<'_>) -> Self {
        let mut set = Self::new();
        for (key, value) in object.as_object().into_iter().flatten().filter(|(key, _)| !is_type(key)) {
            if key == "metadata" {
                let metadata = view.field(key);
                let mut below = Self::new();
                for (key, value) in value.as_object().into_iter().flatten() {
                    if !UNOWNED_METADATA.contains(&key.as_str()) {
                        insert_field(&mut below, key, value, metadata);
                    }
                }
                set.insert_node(PathElement::field(key), false, below);
            } else {
                insert_field(&mut set, key, value, view);
            }
        }
        set
    }

    /// The part of the live `object` that this set covers. Identity (apiVersion, kind, name and namespace) stays; items of
    /// keyed lists keep the keys that tell them apart, but for one that is not covered and has its default; atomic parts
    /// come whole. `view` is that of the object's root.
    pub fn project(&self, object: &Value, view: SchemaView<'_>) -> Value {
        let mut part = Map::new();
        for (key, value) in object.as_object().into_iter().flatten() {
            if is_type(key) {
                part.insert(key.clone(), value.clone());
            } else if key == "metadata" {
                let mut metadata = identity(value);
                let below = self.below(&PathElement::field(key));
                let rest = below.map(|below| project_map(below, value, view.field(key)));
                metadata.extend(rest.unwrap_or_default());
                if !metadata.is_empty() || self.owns(&PathElement::field(key)) {
                    part.insert(key.clone(), Value::Object(metadata));
                }
            } else if let Some((owned, below)) = self.entry(&PathElement::field(key))
                && let Some(value) = project(owned, below, value, view.field(key))
            {
                part.insert(key.clone(), value);
            }
        }
        Value::Object(part)
    }

    /// The rest of `object`: what [`FieldSet::project`] leaves out. Identity and the keys of items that still have something
    /// stay here too.
    pub fn without(&self, object: &Value, view: SchemaView<'_>) -> Value {
        let mut rest = Map::new();
        for (key, value) in object.as_object().into_iter().flatten() {
            let kept = match self.entry(&PathElement::field(key)) {
                _ if is_type(key) => Some(value.clone()),
                None => Some(value.clone()),
                Some((_, below)) if key == "metadata" => {
                    let mut metadata = identity(value);
                    metadata.extend(without_map(below, value, view.field(key)));
                    (!metadata.is_empty()).then_some(Value::Object(metadata))
                }
                Some((owned, below)) => without(owned, below, value, view.field(key)),
            };
            if let Some(kept) = kept {
                rest.insert(key.clone(), kept);
            }
        }
        Value::Object(rest)
    }
}

fn identity(metadata: &Value) -> Map<String, Value> {
    let of = |key: &str| metadata.get(key).map(|value| (key.to_owned(), value.clone()));
    ["name", "namespace"].into_iter().filter_map(of).collect()
}

/// Adds the key of a map with what its value owns.
fn insert_field(set: &mut FieldSet, key: &str, value: &Value, map: SchemaView<'_>) {
    let (leaf, below) = owned(value, map.field(key));
    let empty = value.as_object().is_some_and(Map::is_empty);
    set.insert_node(PathElement::field(key), leaf || empty || !map.is_struct_field(key), below);
}

/// What a value owns below itself, and whether it is itself a leaf.
fn owned(value: &Value, view: SchemaView<'_>) -> (bool, FieldSet) {
    let mut below = FieldSet::new();
    match value {
        Value::Object(map) if !view.is_atomic_map() => {
            map.iter().for_each(|(key, value)| insert_field(&mut below, key, value, view));
            (false, below)
        }
        // An empty list that is not atomic owns nothing: its items would.
        Value::Array(items) if view.list() != ListKind::Atomic => {
            for item in items {
                if let Some(element) = view.item_key(item) {
                    below.insert_node(element, true, owned(item, view.item()).1);
                }
            }
            (false, below)
        }
        _ => (true, below),
    }
}

/// What a set says of one item of a live list: the element, whether it is owned, what is below.
fn entry_of_item<'s>(
    set: &'s FieldSet,
    item: &Value,
    index: usize,
    list: SchemaView<'_>,
) -> Option<(&'s PathElement, bool, &'s FieldSet)> {
    if let Some(key) = list.item_key(item) {
        return set.entry_of(&key);
    }
    // Without a schema the set itself tells how the items are told apart.
    set.entries().find(|(element, ..)| match element {
        PathElement::Key(keys) => {
            let found = |name: &str| item.get(name).and_then(Scalar::of);
            keys.iter().all(|(name, value)| found(name).is_none_or(|found| found == *value))
                && keys.iter().any(|(name, _)| found(name).is_some())
        }
        PathElement::Value(value) => Scalar::of(item).as_ref() == Some(value),
        PathElement::Index(position) => *position == index,
        PathElement::Field(_) => false,
    })
}

/// Whether a map is one value here, for a set that says `below` of it.
fn is_whole_map(below: &FieldSet, view: SchemaView<'_>) -> bool {
    view.is_atomic_map() || (below.is_empty() && !view.has_schema())
}

/// Whether a list is one value here. Without a schema it is unless the set tells its items apart.
fn is_whole_list(below: &FieldSet, view: SchemaView<'_>) -> bool {
    match view.list() {
        ListKind::Atomic => view.is_list() || below.is_empty(),
        ListKind::Map(_) | ListKind::Set => false,
    }
}

fn project(owned: bool, below: &FieldSet, value: &Value, view: SchemaView<'_>) -> Option<Value> {
    match value {
        Value::Object(_) if !is_whole_map(below, view) => {
            let part = project_map(below, value, view);
            (owned || !part.is_empty()).then_some(Value::Object(part))
        }
        Value::Array(items) if !is_whole_list(below, view) => {
            let part: Vec<_> = items
                .iter()
                .enumerate()
                .filter_map(|(index, item)| {
                    let (element, _, below) = entry_of_item(below, item, index, view)?;
                    Some(project_item(element, below, item, view.below(element)))
                })
                .collect();
            (owned || !part.is_empty()).then_some(Value::Array(part))
        }
        Value::Object(_) | Value::Array(_) => Some(value.clone()),
        _ => owned.then(|| value.clone()),
    }
}

fn project_map(below: &FieldSet, value: &Value, view: SchemaView<'_>) -> Map<String, Value> {
    let mut part = Map::new();
    for (key, value) in value.as_object().into_iter().flatten() {
        if let Some((owned, below)) = below.entry(&PathElement::field(key))
            && let Some(value) = project(owned, below, value, view.field(key))
        {
            part.insert(key.clone(), value);
        }
    }
    part
}

fn project_item(element: &PathElement, below: &FieldSet, item: &Value, view: SchemaView<'_>) -> Value {
    let (PathElement::Key(keys), Some(fields)) = (element, item.as_object()) else { return item.clone() };
    if is_whole_map(below, view) {
        return item.clone();
    }
    let mut part = Map::new();
    for (name, value) in fields {
        if let Some((owned, below)) = below.entry(&PathElement::field(name)) {
            if let Some(value) = project(owned, below, value, view.field(name)) {
                part.insert(name.clone(), value);
            }
        } else if is_key(keys, name) && (keys.len() == 1 || view.field(name).default() != Some(value)) {
            part.insert(name.clone(), value.clone());
        }
    }
    Value::Object(part)
}

fn is_key(keys: &[(Box<str>, Scalar)], name: &str) -> bool {
    keys.iter().any(|(key, _)| **key == *name)
}

fn without(owned: bool, below: &FieldSet, value: &Value, view: SchemaView<'_>) -> Option<Value> {
    match value {
        Value::Object(map) if !is_whole_map(below, view) => {
            let rest = without_map(below, value, view);
            (!rest.is_empty() || (map.is_empty() && !owned)).then_some(Value::Object(rest))
        }
        Value::Array(items) if !is_whole_list(below, view) => {
            let rest: Vec<_> = items
                .iter()
                .enumerate()
                .filter_map(|(index, item)| match entry_of_item(below, item, index, view) {
                    Some((element, owned, below)) => without_item(element, owned, below, item, view.below(element)),
                    None => Some(item.clone()),
                })
                .collect();
            (!rest.is_empty() || (items.is_empty() && !owned)).then_some(Value::Array(rest))
        }
        Value::Object(_) | Value::Array(_) => None,
        _ => (!owned).then(|| value.clone()),
    }
}

fn without_map(below: &FieldSet, value: &Value, view: SchemaView<'_>) -> Map<String, Value> {
    let mut rest = Map::new();
    for (key, value) in value.as_object().into_iter().flatten() {
        let kept = match below.entry(&PathElement::field(key)) {
            Some((owned, below)) => without(owned, below, value, view.field(key)),
            None => Some(value.clone()),
        };
        if let Some(kept) = kept {
            rest.insert(key.clone(), kept);
        }
    }
    rest
}

/// What of an item is left; `None` when that is no more than its keys.
fn without_item(
    element: &PathElement,
    owned: bool,
    below: &FieldSet,
    item: &Value,
    view: SchemaView<'_>,
) -> Option<Value> {
    let (PathElement::Key(keys), Some(fields)) = (element, item.as_object()) else {
        return (!owned).then(|| item.clone());
    };
    if is_whole_map(below, view) {
        return None;
    }
    let mut rest = without_map(below, item, view);
    if rest.keys().all(|name| is_key(keys, name)) {
        return None;
    }
    // In the order in which the live object has them, keys included.
    let kept = fields.iter().filter_map(|(name, value)| {
        let kept = rest.shift_remove(name);
        kept.or_else(|| is_key(keys, name).then(|| value.clone())).map(|value| (name.clone(), value))
    });
    Some(Value::Object(kept.collect()))
}

#[cfg(test)]
mod tests;
