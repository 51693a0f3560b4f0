//! Owns what the sections of the state ConfigMap are called, and those that people's commands write. Must never hold a value
//! of an object: identities, digests and commits only.

mod base;

pub use base::{Binding, Removing, SavedBase, first_rule, selection};
use serde::{Deserialize, Serialize};

use crate::object::ObjectId;

use super::plan::Side;

/// What agreed at which commit; written by the engine.
pub const BASE: &str = "base";
/// Deletes within the hour, and those that are held; written by the engine.
pub const DELETES: &str = "deletes";
/// What else is held, and why; written by the engine.
pub const HOLDS: &str = "holds";
/// Sets of deletes that somebody lets go; written by `kubeferry approve`, taken away by the engine.
pub const APPROVALS: &str = "approvals";
/// Holds that somebody frees; written by `kubeferry release`, taken away by the engine.
pub const RELEASES: &str = "releases";

/// Somebody lets a set of deletes go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// The set.
    pub plan_id: String,
    /// Who, as far as is known.
    pub by: String,
    /// When.
    pub at: jiff::Timestamp,
}

/// Somebody frees what is held of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    /// The object.
    #[serde(with = "key")]
    pub object: ObjectId,
    /// The side whose values stay, where both changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Side>,
    /// Who, as far as is known.
    pub by: String,
    /// When.
    pub at: jiff::Timestamp,
}

/// An identity as it stands in the state: `apps/Deployment/shop/web`, `/Namespace//shop`.
pub mod key {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::object::{GroupKind, ObjectId};

    /// The text of an identity. No part of one holds a `/`.
    pub fn text(id: &ObjectId) -> String {
        format!("{}/{}/{}/{}", id.group(), id.kind(), id.namespace().unwrap_or_default(), id.name())
    }

    /// The identity of a text; `None` when it is none.
    pub fn parse(text: &str) -> Option<ObjectId> {
        let mut parts = text.split('/');
        let (group, kind, namespace, name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_one = parts.next().is_none() && !kind.is_empty() && !name.is_empty();
        is_one.then(|| ObjectId::new(GroupKind::new(group, kind), namespace, name))
    }

    /// For serde.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(id: &ObjectId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&text(id))
    }

    /// For serde.
    ///
    /// # Errors
    /// When the text is no identity.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectId, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| de::Error::custom(format!("{text:?} is no identity of an object")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;

    #[test]
    fn an_identity_is_the_same_after_it_was_kept() {
        for (group, kind, namespace, name) in
            [("apps", "Deployment", "shop", "web"), ("", "Namespace", "", "shop"), ("", "Role", "a", "system:x")]
        {
            let id = ObjectId::new(GroupKind::new(group, kind), namespace, name);
            assert_eq!(key::parse(&key::text(&id)), Some(id));
        }
        for text in ["", "a", "/Namespace/shop", "//shop/a", "/ConfigMap/shop/", "a/b/c/d/e"] {
            assert_eq!(key::parse(text), None, "{text}");
        }
    }
}
