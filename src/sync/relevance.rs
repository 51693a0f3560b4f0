//! Owns what of a live object a plan depends on. Must never leave out what somebody may have changed, nor take in what the
//! API server and controllers keep changing.

use serde_json::{Map, Value};

use crate::object::digest::{Digest, Part};

/// Digest of what a plan depends on: not the status, not the server's counters, of managedFields only what we own,
/// or what anybody owns of the wanted state.
pub(super) fn relevance(object: &Value, manager: &str, with_status: bool, with_owners: bool) -> Digest {
    let entries = object.as_object().into_iter().flatten().filter(|(key, _)| with_status || *key != "status");
    Digest::of_entries(entries.map(|(key, value)| match (key.as_str(), value) {
        ("metadata", Value::Object(metadata)) => ("metadata", metadata_part(metadata, manager, with_owners)),
        (key, value) => (key, Part::Value(value)),
    }))
}

fn metadata_part<'a>(metadata: &'a Map<String, Value>, manager: &str, with_owners: bool) -> Part<'a> {
    const COUNTERS: [&str; 4] = ["resourceVersion", "generation", "managedFields", "creationTimestamp"];
    let is = |entry: &Value, key: &str, wanted: &str| entry.get(key).and_then(Value::as_str) == Some(wanted);
    let fields = metadata.iter().filter(|(key, _)| !COUNTERS.contains(&key.as_str()));
    let mut fields: Vec<(&str, Part<'_>)> = fields.map(|(key, value)| (key.as_str(), Part::Value(value))).collect();
    let entries = metadata.get("managedFields").and_then(Value::as_array).into_iter().flatten();
    let counts = |entry: &&Value| is(entry, "manager", manager) || with_owners && !is(entry, "subresource", "status");
    let owned = entries.filter(counts).filter_map(|entry| entry.get("fieldsV1"));
    fields.push(("managedFields", Part::Items(owned.collect())));
    Part::Entries(fields)
}
