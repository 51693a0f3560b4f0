//! Owns in which document of Git each field of one object is written: a patch that sets it, the patch of its rule, or the
//! manifest. Must never send a field to two kinds of place at once.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::manifest::{PatchPaths, Place};
use crate::object::fieldset::FieldSet;
use crate::object::schema::SchemaView;
use crate::object::{FieldPath, Kind, Kinds, ObjectId, PathElement, RepoPath};
use crate::rules::{Candidate, Mismatch, Rule, Rules};

use super::directions::Directions;
use super::plan::RuleIndex;

/// A patch of the object that stands in Git.
#[derive(Clone, Debug, PartialEq)]
pub struct Fragment {
    /// Where.
    pub place: Place,
    /// What it says.
    pub value: Value,
    /// The kustomization that lists it.
    pub listed: Option<RepoPath>,
}

/// Where the rules write patches.
pub fn patch_paths(rules: &Arc<Rules>, kinds: &Arc<Kinds>) -> PatchPaths {
    if !rules.rules.iter().any(|rule| rule.format.is_patch()) {
        return PatchPaths::default();
    }
    let (rules, kinds) = (rules.clone(), kinds.clone());
    PatchPaths::new(move |path, id| {
        rules.rules.iter().filter(|rule| rule.format.is_patch()).any(|rule| match kinds.get(id.group_kind()) {
            Some(kind) => may_select(rule, id, kind) && rule.path.could_be(path, id, Some(kind)),
            None => rule.may_select_unserved(id.group_kind()) && rule.path.could_be(path, id, None),
        })
    })
}

/// Whether the rule selects objects of this name, if their labels fit.
fn may_select(rule: &Rule, id: &ObjectId, kind: &Kind) -> bool {
    let candidate =
        Candidate { id, kind, manifest_labels: None, live_labels: None, base_labels: None, namespace_labels: None };
    use Mismatch::{ApiGroups, Names, Namespaces, Resources};
    !matches!(rule.mismatch(&candidate), Some(ApiGroups | Resources | Namespaces | Names))
}

/// The patches of one object, and what each of them sets.
pub(super) struct Spots<'a> {
    pub fragments: Vec<(&'a Fragment, FieldSet)>,
    directions: &'a Directions<'a>,
}

impl<'a> Spots<'a> {
    /// Patches for another version of the object are left out.
    pub fn new(
        fragments: &'a [Fragment],
        live: Option<&Value>,
        directions: &'a Directions<'a>,
        view: SchemaView<'_>,
    ) -> Self {
        let version = |value: &Value| value.get("apiVersion").cloned();
        let fits = |fragment: &&Fragment| live.is_none_or(|live| version(live) == version(&fragment.value));
        let fragments = fragments.iter().filter(fits);
        let fragments = fragments.map(|fragment| (fragment, FieldSet::of(&without_directives(&fragment.value), view)));
        Self { fragments: fragments.collect(), directions }
    }

    /// Whether the field is written to the manifest, if it goes to Git at all.
    pub fn is_in_manifest(&self, path: &FieldPath) -> bool {
        let is_item = matches!(path.elements().last(), Some(PathElement::Key(_)));
        !self.directions.is_elsewhere(path)
            && self.directions.of(path).1.is_none_or(|rule| !rule.format.is_patch())
            && (is_item || !self.fragments.iter().any(|(_, sets)| sets.covers(path)))
    }
}

/// A patch that is written.
pub(super) struct PatchDocument<'a> {
    pub directions: &'a Directions<'a>,
    /// What it sets already.
    pub sets: FieldSet,
    /// Rules whose fields it takes.
    pub takes: Vec<RuleIndex>,
    /// What other patches of the object set.
    pub others: Vec<&'a FieldSet>,
    /// The manifest that it changes, where that is known.
    pub manifest: Option<&'a Value>,
    /// The object as declared, where lists are taken as a whole.
    pub whole: Option<Value>,
}

impl PatchDocument<'_> {
    /// Whether the field is written here, if it goes to Git at all.
    pub fn writes(&self, path: &FieldPath) -> bool {
        !self.directions.is_elsewhere(path) && (self.sets.covers(path) || self.takes(path))
    }

    fn takes(&self, path: &FieldPath) -> bool {
        self.directions.of(path).1.is_some_and(|rule| self.takes.contains(&rule.index))
            && !self.others.iter().any(|sets| sets.covers(path))
    }

    /// Whether a filter whose field is taken names this one or one below it.
    pub fn leads_to(&self, path: &FieldPath) -> bool {
        self.directions.named().any(|field| path.covers(field) && self.takes(field))
    }
}

/// Whether a key of a patch tells how to merge, and is no field.
pub(super) fn is_directive(key: &str) -> bool {
    key.starts_with('$')
}

/// A patch without what only tells how to merge.
pub(super) fn without_directives(value: &Value) -> Value {
    let is_told = |item: &Value| item.as_object().is_some_and(|item| item.keys().any(|key| is_directive(key)));
    match value {
        Value::Object(map) => {
            let fields = map.iter().filter(|(key, _)| !is_directive(key));
            Value::Object(fields.map(|(key, value)| (key.clone(), without_directives(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().filter(|item| !is_told(item)).map(without_directives).collect(),
        scalar => scalar.clone(),
    }
}
