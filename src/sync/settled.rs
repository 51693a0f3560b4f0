//! Owns the quick answer for what most objects are most of the time: all of it goes to the cluster, and is there as Git says.
//! Must never give it where the planner would do or say anything; where it is not sure it says no, and the planner looks.

use serde_json::{Map, Value};

use crate::object::digest::Digest;
use crate::object::fieldset::FieldSet;
use crate::object::schema::{ListKind, SchemaView};
use crate::object::{clean, compare, managed};
use crate::rules::{Direction, Rule};

use super::planner::{Identity, Subject, is_terminating};
use super::three_way;

/// The rule that alone selects an object and sends all of it to the cluster, if that is how it is.
pub(super) fn sole<'r>(matching: &[&'r Rule]) -> Option<&'r Rule> {
    let [rule] = matching else { return None };
    let sends_all = rule.sync_to == Direction::Kubernetes && rule.fields.is_empty() && !rule.suspend;
    (sends_all && !three_way::concerns(rule) && !rule.format.is_patch()).then_some(*rule)
}

/// Whether nothing is to be done about an object that stands on both sides, nor to be said of it.
pub(super) fn is_settled(
    subject: &Subject<'_>,
    (manifest, live): (&Value, &Value),
    matching: &[&Rule],
    identity: &Identity,
) -> bool {
    let is_plain = sole(matching).is_some()
        && subject.around.fragments.is_empty()
        && subject.fought.is_empty()
        && subject.autoscaled.is_empty()
        && identity.takes_over.is_none();
    is_plain
        && is_clean(manifest)
        && is_there(manifest, live, subject.view)
        && is_only_ours(live, identity)
        && own_fields(live, identity).is_some_and(|own| own == FieldSet::of(manifest, subject.view))
}

/// Whether what we own of a live object is the manifest of this digest, and so nothing is to be done about it: for an
/// object that one rule alone sends to the cluster, and about which nothing else is known.
pub(super) fn shows(live: &Value, manifest: Digest, view: SchemaView<'_>, identity: &Identity) -> bool {
    let is_what_we_own = |own: FieldSet| {
        let part = own.project(live, view);
        Digest::of_value(&part) == manifest && is_clean(&part) && own == FieldSet::of(&part, view)
    };
    !is_terminating(live) && is_only_ours(live, identity) && own_fields(live, identity).is_some_and(is_what_we_own)
}

/// Whether an apply of the manifest carries every field of it.
fn is_clean(manifest: &Value) -> bool {
    let is_applied = |key: &String| !matches!(key.as_str(), "status" | "stringData");
    let is_plain = |(key, value): (&String, &Value)| match key.as_str() {
        "name" | "namespace" | "labels" => true,
        "annotations" => value.get(clean::LAST_APPLIED).is_none(),
        _ => false,
    };
    let metadata = manifest.get("metadata").and_then(Value::as_object);
    manifest.as_object().is_some_and(|root| root.keys().all(is_applied)) && metadata.into_iter().flatten().all(is_plain)
}

/// Whether the live object has every value of the manifest.
fn is_there(manifest: &Value, live: &Value, view: SchemaView<'_>) -> bool {
    manifest.as_object().into_iter().flatten().all(|(key, wanted)| {
        let live = live.get(key);
        match wanted {
            Value::Object(metadata) if key == "metadata" => {
                let described = metadata.iter().filter(|(key, _)| !matches!(key.as_str(), "name" | "namespace"));
                let view = view.field(key);
                described.into_iter().all(|(key, wanted)| {
                    live.and_then(|live| live.get(key)).is_some_and(|live| holds(live, wanted, view.field(key)))
                })
            }
            wanted => live.is_some_and(|live| holds(live, wanted, view.field(key))),
        }
    })
}

fn holds(live: &Value, wanted: &Value, view: SchemaView<'_>) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) if !view.is_atomic_map() => holds_map(live, wanted, view),
        (Value::Array(live), Value::Array(wanted)) if matches!(view.list(), ListKind::Map(_)) => {
            let is_same = |(live, wanted): (&Value, &Value)| {
                view.item_key(live) == view.item_key(wanted) && holds(live, wanted, view.item())
            };
            live.len() == wanted.len() && live.iter().zip(wanted).all(is_same)
        }
        (_, Value::Null) => false,
        (live, wanted) => live == wanted || compare::same(wanted, live, view),
    }
}

fn holds_map(live: &Map<String, Value>, wanted: &Map<String, Value>, view: SchemaView<'_>) -> bool {
    wanted.iter().all(|(key, wanted)| live.get(key).is_some_and(|live| holds(live, wanted, view.field(key))))
}

fn own_fields(live: &Value, identity: &Identity) -> Option<FieldSet> {
    managed::own_fields(live, &identity.manager())
}

/// Whether no other instance owns anything.
fn is_only_ours(live: &Value, identity: &Identity) -> bool {
    managed::entries_of(live, |name| identity.is_other_instance(name)).is_empty()
}
