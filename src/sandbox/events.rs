//! Owns the two spellings of an Event: that of the core group, in which it is stored, and that of `events.k8s.io`. Must
//! never touch another kind.

use serde_json::{Map, Value};

use super::kinds::Resource;

/// A field in the core group, and in `events.k8s.io`.
const NAMES: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

fn renamed(object: Value, api_version: &str, name: impl Fn(&str) -> Option<&'static str>) -> Value {
    let Value::Object(map) = object else { return object };
    let mut renamed: Map<String, Value> =
        map.into_iter().map(|(key, value)| (name(&key).map_or(key, String::from), value)).collect();
    renamed.insert("apiVersion".into(), api_version.into());
    Value::Object(renamed)
}

/// An object as this resource spells it, from how it is stored.
pub(super) fn from_stored(resource: &Resource, object: Value) -> Value {
    if resource.is_stored() {
        return object;
    }
    let name = |key: &str| NAMES.iter().find(|(core, _)| *core == key).map(|(_, other)| *other);
    let mut event = renamed(object, &resource.api_version(), name);
    if let Value::Object(event) = &mut event {
        event.retain(|key, value| !key.starts_with("reporting") || value.as_str() != Some(""));
    }
    event
}

/// An object as it is stored, from how this resource spells it. What is always written in an Event is added.
pub(super) fn to_stored(resource: &Resource, object: Value) -> Value {
    let mut object = object;
    if !resource.is_stored() {
        let name = |key: &str| NAMES.iter().find(|(_, other)| *other == key).map(|(core, _)| *core);
        object = renamed(object, "v1", name);
    }
    if resource.is("Event")
        && let Value::Object(event) = &mut object
    {
        for key in ["firstTimestamp", "lastTimestamp", "eventTime"] {
            event.entry(key).or_insert(Value::Null);
        }
        for key in ["reportingComponent", "reportingInstance"] {
            event.entry(key).or_insert("".into());
        }
        event.entry("source").or_insert(Value::Object(Map::new()));
    }
    object
}

#[cfg(test)]
mod tests {
    use super::super::kinds;
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_the_same_in_both_groups() {
        let newer = kinds::by_kind("events.k8s.io", "Event").unwrap();
        let event = json!({"kind": "Event", "apiVersion": "events.k8s.io/v1", "note": "M", "regarding": {"name": "a"},
                           "reportingController": "c", "reportingInstance": "i", "eventTime": null,
                           "deprecatedSource": {}, "deprecatedFirstTimestamp": null, "deprecatedLastTimestamp": null});
        let stored = to_stored(newer, event.clone());
        assert_eq!(stored["message"], "M");
        assert_eq!((&stored["apiVersion"], &stored["reportingComponent"]), (&json!("v1"), &json!("c")));
        assert_eq!(from_stored(newer, stored), event);
    }
}
