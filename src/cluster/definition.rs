//! Owns what a CustomResourceDefinition promises that discovery will show. Must never guess: a definition that is not in
//! force, or on its way out, promises nothing.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::object::{GroupKind, Kind, Kinds};

/// What discovery shows once it has caught up with a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// The kind, as the definition names it.
    Served(Box<Served>),
    /// The kind no longer.
    Gone,
}

/// A kind that a definition in force brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Served {
    plural: String,
    singular: String,
    short_names: Vec<String>,
    namespaced: bool,
    /// Each with whether it has a scale subresource.
    versions: BTreeSet<(String, bool)>,
}

/// The kind of a definition and what it promises now; `None` when that is nothing yet.
pub(super) fn promise(definition: &Value, deleted: bool) -> Option<(GroupKind, Promise)> {
    let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str);
    let spec = definition.get("spec")?;
    let names = definition.pointer("/status/acceptedNames").or_else(|| spec.get("names"))?;
    let name = |key: &str| names.get(key).and_then(Value::as_str).unwrap_or_default();
    let kind = GroupKind::new(text("/spec/group")?, text("/spec/names/kind")?);
    if deleted {
        return Some((kind, Promise::Gone));
    }
    let leaving = text("/metadata/deletionTimestamp").is_some() || condition(definition, "Terminating");
    if leaving || !condition(definition, "Established") {
        return None;
    }
    let short_names = names.get("shortNames").and_then(Value::as_array).into_iter().flatten();
    let versions = spec.get("versions").and_then(Value::as_array)?.iter();
    let served = Served {
        plural: name("plural").to_owned(),
        singular: name("singular").to_owned(),
        short_names: short_names.filter_map(Value::as_str).map(String::from).collect(),
        namespaced: spec.get("scope").and_then(Value::as_str) == Some("Namespaced"),
        versions: versions.filter_map(served_version).collect(),
    };
    Some((kind, Promise::Served(Box::new(served))))
}

fn condition(definition: &Value, kind: &str) -> bool {
    let conditions = definition.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let text = |condition: &Value, key: &str| condition.get(key).and_then(Value::as_str).map(String::from);
    conditions
        .filter(|condition| text(condition, "type").as_deref() == Some(kind))
        .any(|condition| text(condition, "status").as_deref() == Some("True"))
}

fn served_version(version: &Value) -> Option<(String, bool)> {
    version.get("served").and_then(Value::as_bool).filter(|served| *served)?;
    Some((version.get("name")?.as_str()?.to_owned(), version.pointer("/subresources/scale").is_some()))
}

impl Promise {
    /// Whether discovery shows what was promised.
    pub(super) fn is_kept(&self, group_kind: &GroupKind, kinds: &Kinds) -> bool {
        match (self, kinds.get(group_kind)) {
            (Self::Gone, known) => known.is_none(),
            (Self::Served(served), Some(kind)) => served.is_as(kind),
            // No version is served: then discovery shows nothing.
            (Self::Served(served), None) => served.versions.is_empty(),
        }
    }
}

impl Served {
    fn is_as(&self, kind: &Kind) -> bool {
        let versions: BTreeSet<&str> = self.versions.iter().map(|(name, _)| name.as_str()).collect();
        versions == kind.versions.iter().map(|version| &**version).collect()
            && self.versions.contains(&(kind.preferred_version().to_owned(), kind.scalable))
            && (&self.plural, &self.singular, &self.short_names) == (&kind.plural, &kind.singular, &kind.short_names)
            && self.namespaced == kind.namespaced
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn definition(condition: &str) -> Value {
        json!({
            "metadata": {"name": "snaps.example.org"},
            "spec": {"group": "example.org", "scope": "Namespaced",
                "names": {"kind": "Snap", "plural": "snaps", "singular": "snap", "shortNames": ["sn"]},
                "versions": [{"name": "v1", "served": true, "subresources": {"scale": {}}},
                    {"name": "v1alpha1", "served": false}]},
            "status": {"acceptedNames": {"kind": "Snap", "plural": "snaps", "singular": "snap", "shortNames": ["sn"]},
                "conditions": [{"type": condition, "status": "True"}]},
        })
    }

    fn snap() -> Kind {
        Kind {
            group_kind: GroupKind::new("example.org", "Snap"),
            versions: vec!["v1".into()],
            plural: "snaps".into(),
            singular: "snap".into(),
            short_names: vec!["sn".into()],
            namespaced: true,
            verbs: Vec::new(),
            scalable: true,
        }
    }

    #[test]
    fn an_established_definition_promises_its_kind_as_it_is_served() {
        let (kind, promise) = promise(&definition("Established"), false).unwrap();
        assert!(promise.is_kept(&kind, &Kinds::new([snap()])));
        assert!(!promise.is_kept(&kind, &Kinds::default()));
        for other in [
            Kind { versions: vec!["v1".into(), "v2".into()], ..snap() },
            Kind { scalable: false, ..snap() },
            Kind { short_names: Vec::new(), ..snap() },
            Kind { plural: "snapz".into(), ..snap() },
        ] {
            assert!(!promise.is_kept(&kind, &Kinds::new([other.clone()])), "{other:?}");
        }
    }

    #[test]
    fn a_definition_not_yet_or_no_longer_in_force_promises_nothing() {
        assert_eq!(promise(&definition("NonStructuralSchema"), false), None);
        let mut leaving = definition("Established");
        leaving["metadata"]["deletionTimestamp"] = json!("2026-11-21T08:42:14Z");
        assert_eq!(promise(&leaving, false), None);
        assert_eq!(promise(&json!({}), false), None);
    }

    #[test]
    fn a_deleted_definition_promises_that_its_kind_goes() {
        let (kind, promise) = promise(&definition("Established"), true).unwrap();
        assert!(!promise.is_kept(&kind, &Kinds::new([snap()])));
        assert!(promise.is_kept(&kind, &Kinds::default()));
    }
}
