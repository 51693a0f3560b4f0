//! Owns what is known of Namespaces and CustomResourceDefinitions: what lived in one that has gone went with it. Must never
//! take an object for one of a container that was made after it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::object::labels::labels;
use crate::object::{GroupKind, ObjectId};
use crate::rules::Labels;

/// How far the clocks of API servers may be apart, in seconds: so much older than its container an object may look.
const SKEW: i64 = 60;

/// When an object was made, in seconds since 1970; `None`: the API server does not tell.
pub type Made = Option<i64>;

/// When the object was made.
pub fn made(object: &Value) -> Made {
    let text = object.pointer("/metadata/creationTimestamp").and_then(Value::as_str)?;
    text.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

/// What is kept of a Namespace or a CustomResourceDefinition.
#[derive(Clone, Debug, Default)]
pub struct Container {
    /// Its UID.
    pub uid: Arc<str>,
    /// Its labels.
    pub labels: Arc<Labels>,
    made: Made,
}

impl Container {
    /// Its UID, unless what was made at `made` lived in an earlier one of this name.
    pub fn uid_for(&self, made: Made) -> Option<&Arc<str>> {
        let is_earlier = made.zip(self.made).is_some_and(|(object, container)| object + SKEW < container);
        (!is_earlier).then_some(&self.uid)
    }
}

/// The live Namespaces and definitions.
#[derive(Debug, Default)]
pub struct Containers {
    pub(super) namespaces: BTreeMap<Box<str>, Container>,
    pub(super) definitions: BTreeMap<GroupKind, Container>,
}

impl Containers {
    /// Takes in an object, if it is a container. Returns the Namespace if it was not known.
    pub fn see(&mut self, id: &ObjectId, object: &Value) -> Option<&Container> {
        let container = || Container {
            uid: object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().into(),
            labels: Arc::new(labels(object)),
            made: made(object),
        };
        if id.is("", "Namespace") {
            let before = self.namespaces.insert(id.name().into(), container());
            return self.namespaces.get(id.name()).filter(|_| before.is_none());
        }
        if let Some(kind) = defined_kind(id, object) {
            self.definitions.insert(kind, container());
        }
        None
    }

    /// An object has gone: if it is a Namespace, nothing lives in it. What a definition defined is told by its kind.
    pub fn lose(&mut self, id: &ObjectId) {
        if id.is("", "Namespace") {
            self.namespaces.remove(id.name());
        }
    }

    /// The Namespace of an object.
    pub fn namespace_of(&self, id: &ObjectId) -> Option<&Container> {
        self.namespaces.get(id.namespace()?)
    }
}

/// The kind that a CustomResourceDefinition defines.
fn defined_kind(id: &ObjectId, object: &Value) -> Option<GroupKind> {
    if !id.is("apiextensions.k8s.io", "CustomResourceDefinition") {
        return None;
    }
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    Some(GroupKind::new(text("/spec/group")?, text("/spec/names/kind")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_older_than_its_namespace_lived_in_an_earlier_one() {
        let of = |name: &str, made: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": "new", "creationTimestamp": made}});
        let namespace = of("shop", "2026-01-01T12:00:00Z");
        let mut containers = Containers::default();
        let id = ObjectId::of(&namespace).unwrap();
        assert!(containers.see(&id, &namespace).is_some() && containers.see(&id, &namespace).is_none());
        let container = &containers.namespaces["shop"];
        for (time, lives_in_it) in [
            ("2026-01-01T12:00:01Z", true),
            // Another API server's clock is behind.
            ("2026-01-01T11:59:50Z", true),
            ("2026-01-01T11:00:00Z", false),
            ("no time", true),
        ] {
            assert_eq!(container.uid_for(made(&of("x", time))).is_some(), lives_in_it, "{time}");
        }
    }
}
