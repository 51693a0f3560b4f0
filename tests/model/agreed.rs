//! The test's own record of what was once the same on both sides: nothing else may ever be deleted.

use std::collections::{BTreeMap, BTreeSet};

use kubeferry::object::{ObjectId, Schema, compare};
use serde_json::Value;

use super::hands::Manifest;
use super::memory_cluster::{at, text};
use super::objects::leaves;
use super::rules::{Rule, Way, way};

/// What agreed, by the UIDs of the live objects.
#[derive(Clone, Debug, Default)]
pub struct Agreed(BTreeSet<(ObjectId, String)>);

impl Agreed {
    pub fn contains(&self, id: &ObjectId, uid: &str) -> bool {
        self.0.contains(&(id.clone(), uid.to_owned()))
    }

    pub fn knows(&self, id: &ObjectId) -> bool {
        self.0.iter().any(|(of, _)| of == id)
    }

    pub fn forget(&mut self, id: &ObjectId) {
        self.0.retain(|(of, _)| of != id);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Looks at both sides as they are.
    pub fn look(&mut self, rules: &[Rule], manifests: &[Manifest], live: &BTreeMap<ObjectId, Value>) {
        for manifest in manifests {
            let Some(live) = live.get(&manifest.id) else { continue };
            let key = (manifest.id.clone(), text(live, "/metadata/uid").to_owned());
            if !self.0.contains(&key) && differs(rules, &manifest.id, &manifest.value, live, is_carried).is_none() {
                self.0.insert(key);
            }
        }
    }
}

/// Whether a field goes either way.
pub fn is_carried(way: Way) -> bool {
    way.applies() || way.writes()
}

/// A field of the manifest that is not the same live, of those that go one of these ways.
pub fn differs(
    rules: &[Rule],
    id: &ObjectId,
    manifest: &Value,
    live: &Value,
    counts: impl Fn(Way) -> bool,
) -> Option<String> {
    let schema = Schema::builtin();
    let view = schema.view_of(manifest);
    for path in leaves(manifest) {
        let (wanted, there) = (compare::get(manifest, &path, view), compare::get(live, &path, view));
        let same = match (wanted, there) {
            // An empty map asks for nothing.
            (Some(Value::Object(wanted)), _) if wanted.is_empty() => true,
            (Some(wanted), Some(there)) => compare::same(wanted, there, at(view, &path)),
            _ => false,
        };
        if !same && counts(way(rules, id, &path)) {
            return Some(format!("{path}: {wanted:?} in Git, {there:?} live"));
        }
    }
    None
}
