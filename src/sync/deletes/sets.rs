//! Owns the sets of deletes that are held: what is in each, why, and the id by which a person lets it go. Must never let a
//! set grow: its id stands for what was shown.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::super::plan::Side;
use super::super::state::key;
use crate::object::ObjectId;

/// Names a held set: the first 12 hexadecimal digits of the SHA-256 of its side and identities.
pub fn plan_id<'a>(side: Side, objects: impl IntoIterator<Item = &'a ObjectId>) -> String {
    let mut hasher = Sha256::new();
    hasher.update(side.as_str());
    let sorted: BTreeSet<&ObjectId> = objects.into_iter().collect();
    for id in sorted {
        // No part of an identity holds a line break.
        hasher.update("\n");
        hasher.update(key::text(id));
    }
    hasher.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Why a set is held.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Why {
    /// There are so many of them, or they are the last ones of their rule.
    Limit,
    /// Each holds data or other objects.
    Content,
    /// They went with this Namespace or CustomResourceDefinition.
    GoneWith(#[serde(with = "key")] ObjectId),
}

/// Deletes that wait for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldSet {
    /// Its name, made from what was in it at first.
    pub plan_id: String,
    /// Where they would be deleted.
    pub side: Side,
    /// Name of the rule that deletes them; empty where several do.
    pub rule: String,
    /// Why it is held.
    pub why: Why,
    /// The same in words.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Who let it go; `None`: nobody yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// How many are in it.
    pub count: usize,
    /// What is in it; kept over a restart as far as there is room, otherwise only the first few.
    #[serde(with = "keys")]
    pub objects: BTreeSet<ObjectId>,
}

impl HeldSet {
    /// Whether it knows all that is in it.
    pub(super) fn is_whole(&self) -> bool {
        self.objects.len() == self.count
    }
}

/// Identities as they stand in the state.
mod keys {
    use std::collections::BTreeSet;

    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::super::super::state::key;
    use crate::object::ObjectId;

    pub(super) fn serialize<S: Serializer>(ids: &BTreeSet<ObjectId>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(ids.iter().map(key::text))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<ObjectId>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let parse = |text: String| {
            key::parse(&text).ok_or_else(|| de::Error::custom(format!("{text:?} is no identity of an object")))
        };
        texts.into_iter().map(parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;

    #[test]
    fn a_plan_id_stands_for_what_is_in_the_set_and_for_its_side() {
        let id = |name: &str| ObjectId::new(GroupKind::new("", "ConfigMap"), "shop", name);
        let (a, b) = (id("a"), id("b"));
        let plan = plan_id(Side::Cluster, [&a, &b]);
        assert_eq!(plan, plan_id(Side::Cluster, [&b, &a]), "in any order");
        assert_eq!(plan.len(), 12);
        assert_ne!(plan, plan_id(Side::Git, [&a, &b]));
        assert_ne!(plan, plan_id(Side::Cluster, [&a]));
    }
}
