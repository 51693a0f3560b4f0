//! Owns the walk over a document of Git and its live object: what the document says once the cluster's fields are in it.
//! Must never touch a field that goes another way or elsewhere, nor write what nobody declared.

use std::cell::Cell;

use serde_json::{Map, Value};

use crate::object::schema::{ListKind, SchemaView};
use crate::object::stamps::Stamps;
use crate::object::{FieldPath, PathElement, Scalar, compare, defaults};
use crate::rules::Secrets;

use super::directions::{Directions, Way};
use super::evidence::Evidence;
use super::existence::SECRET_STAYS;
use super::plan::{Plan, RuleIndex, Side, Verb};
use super::planner::Subject;
use super::spots::{PatchDocument, Spots, is_directive, without_directives};
use super::to_cluster::is_replicas;
use super::to_git::{cleaned, is_fixed};

/// What is written.
pub(super) enum Document<'a> {
    /// The manifest, by rules that only observe.
    Observed,
    /// The manifest.
    Manifest(&'a Spots<'a>),
    /// A patch.
    Patch(&'a PatchDocument<'a>),
}

/// One walk over a document and the live object.
pub(super) struct Writing<'a> {
    subject: &'a Subject<'a>,
    directions: &'a Directions<'a>,
    /// Whose the live fields are.
    evidence: Evidence<'a>,
    /// What of the live object may be added; what stands in the document already is compared with the whole.
    cleaned: Value,
    /// Annotations and labels that are left as the document has them.
    stamps: Stamps,
    /// Whether a filter names the status.
    with_status: bool,
    document: Document<'a>,
    /// A rule that keeps a Secret's value out of Git, if there is one that differs.
    withheld: Cell<Option<RuleIndex>>,
}

impl<'a> Writing<'a> {
    /// `live` is the object as the API server has it, `seen` as Git is to see it.
    pub(super) fn new(
        subject: &'a Subject<'a>,
        directions: &'a Directions<'a>,
        live: &Value,
        seen: &Value,
        document: Document<'a>,
    ) -> Self {
        Self {
            subject,
            directions,
            evidence: Evidence::new(live, subject.view, directions),
            cleaned: cleaned(seen, directions),
            stamps: Stamps::of(live),
            with_status: directions.names_below("status"),
            document,
            withheld: Cell::new(None),
        }
    }

    /// What the document says afterwards.
    pub(super) fn wanted(&self, before: &Value, seen: &Value) -> Value {
        self.merge(Some(before), Some(seen), self.subject.view, &FieldPath::root()).unwrap_or_default()
    }

    /// Says what differs and stays as it is in the document: a value of a Secret, one of a manager that is ignored.
    pub(super) fn report(self, plan: &mut Plan) {
        if let Some(rule) = self.withheld.get() {
            plan.note(Verb::Skipped, Side::Git, Some(rule), SECRET_STAYS);
        }
        self.evidence.report(plan);
    }

    /// The rule that kept a differing value of a Secret out of Git.
    pub(super) fn withheld(&self) -> Option<RuleIndex> {
        self.withheld.get()
    }

    fn patch(&self) -> Option<&'a PatchDocument<'a>> {
        if let Document::Patch(patch) = self.document { Some(patch) } else { None }
    }

    /// Whether the live value of the field goes into this document.
    fn writes(&self, path: &FieldPath) -> bool {
        self.is_here(path) && self.keeps_out(path).is_none()
    }

    fn is_here(&self, path: &FieldPath) -> bool {
        let way = self.directions.way(path);
        match &self.document {
            Document::Observed => way == Way::Observed,
            Document::Manifest(spots) => way == Way::ToGit && spots.is_in_manifest(path),
            Document::Patch(patch) => way == Way::ToGit && patch.writes(path),
        }
    }

    /// The rule that keeps the field, one of a Secret, out of Git.
    fn keeps_out(&self, path: &FieldPath) -> Option<RuleIndex> {
        if !self.subject.id.is("", "Secret") || matches!(self.document, Document::Observed) {
            return None;
        }
        let rule = self.directions.of(path).1.filter(|rule| rule.secrets != Secrets::Plain)?;
        Some(rule.index)
    }

    /// What stands at `path` afterwards; `None`: nothing.
    fn merge(
        &self,
        manifest: Option<&Value>,
        live: Option<&Value>,
        view: SchemaView<'_>,
        path: &FieldPath,
    ) -> Option<Value> {
        if is_fixed(path, self.with_status, &self.stamps) {
            return manifest.cloned();
        }
        let map = |value: Option<&Value>| value.is_none_or(Value::is_object);
        let list = |value: Option<&Value>| value.is_none_or(Value::is_array);
        if map(manifest) && map(live) && !view.is_atomic_map() {
            return self.merge_maps(manifest.and_then(Value::as_object), live.and_then(Value::as_object), view, path);
        }
        if list(manifest) && list(live) {
            let items = (manifest.and_then(Value::as_array), live.and_then(Value::as_array));
            if let Some(whole) = self.patch().and_then(|patch| patch.whole.as_ref())
                && view.list() != ListKind::Atomic
            {
                return self.whole_list(items, whole, view, path);
            }
            match view.list() {
                ListKind::Map(_) => return self.merge_keyed(items.0, items.1, view, path),
                ListKind::Set => return self.merge_set(items.0, items.1, path),
                ListKind::Atomic => {}
            }
        }
        self.leaf(manifest, live, view, path)
    }

    fn leaf(
        &self,
        manifest: Option<&Value>,
        live: Option<&Value>,
        view: SchemaView<'_>,
        path: &FieldPath,
    ) -> Option<Value> {
        if !self.writes(path) {
            self.note_withheld(manifest, live, view, path);
            return manifest.cloned();
        }
        match (manifest, live) {
            // Patches take a field away by a null.
            (Some(Value::Null), None) if self.patch().is_some() => Some(Value::Null),
            (Some(manifest), Some(live))
                if self.patch().is_some() && compare::same(&without_directives(manifest), live, view) =>
            {
                Some(manifest.clone())
            }
            (Some(manifest), Some(live)) if compare::same(manifest, live, view) => Some(manifest.clone()),
            (Some(manifest), Some(_)) if self.evidence.leaves(path) => Some(manifest.clone()),
            (Some(manifest), None) if self.evidence.is_gone_by_ignored(path) => Some(manifest.clone()),
            (Some(_), live) => live.cloned(),
            (None, Some(live)) if self.adds(live, path) => Some(live.clone()),
            (None, _) => None,
        }
    }

    fn note_withheld(&self, manifest: Option<&Value>, live: Option<&Value>, view: SchemaView<'_>, path: &FieldPath) {
        let Some(rule) = self.keeps_out(path).filter(|_| self.withheld.get().is_none() && self.is_here(path)) else {
            return;
        };
        let differs = match (manifest, live) {
            (Some(manifest), Some(live)) => !compare::same(manifest, live, view),
            (None, Some(live)) => self.adds(live, path),
            (manifest, None) => manifest.is_some(),
        };
        if differs {
            self.withheld.set(Some(rule));
        }
    }

    /// Whether a live field that the manifest lacks is written.
    fn adds(&self, live: &Value, path: &FieldPath) -> bool {
        let replicas = is_replicas(path, self.subject);
        if compare::get(&self.cleaned, path, self.subject.view).is_none() || self.evidence.is_ignored(path) {
            return false;
        }
        if self.directions.is_transformed(path) || self.is_for_patch(live, path) {
            return true;
        }
        if replicas {
            return *live != 1;
        }
        self.directions.names(path) || self.evidence.covers(path) || self.is_named_status(path)
    }

    /// Whether a patch says the field, default or not: its filter names it, or the manifest below says something else.
    fn is_for_patch(&self, live: &Value, path: &FieldPath) -> bool {
        let Some(patch) = self.patch() else { return false };
        let below = patch.manifest.and_then(|manifest| compare::get(manifest, path, self.subject.view));
        self.directions.names(path) || below.is_some_and(|below| below != live)
    }

    /// Whether a live default has to be looked at all the same.
    fn looks_at_default(&self, path: &FieldPath) -> bool {
        let Some(patch) = self.patch() else { return self.directions.is_transformed(path) };
        let stands = |manifest: &&Value| compare::get(manifest, path, self.subject.view).is_some();
        self.directions.is_transformed(path) || patch.leads_to(path) || patch.manifest.as_ref().is_some_and(stands)
    }

    fn is_named_status(&self, path: &FieldPath) -> bool {
        path.elements().first() == Some(&PathElement::field("status"))
    }

    fn merge_maps(
        &self,
        manifest: Option<&Map<String, Value>>,
        live: Option<&Map<String, Value>>,
        view: SchemaView<'_>,
        path: &FieldPath,
    ) -> Option<Value> {
        let mut merged = Map::new();
        for (key, value) in manifest.into_iter().flatten() {
            if self.patch().is_some() && is_directive(key) {
                merged.insert(key.clone(), value.clone());
                continue;
            }
            let below = path.child(PathElement::field(key));
            let there = live.and_then(|live| live.get(key));
            // The server drops some zero values instead of storing them: missing then says the same.
            if there.is_none() && defaults::is_dropped(view, key, value) {
                merged.insert(key.clone(), value.clone());
                continue;
            }
            if let Some(value) = self.merge(Some(value), there, view.field(key), &below) {
                merged.insert(key.clone(), value);
            }
        }
        for (key, value) in live.into_iter().flatten() {
            let below = path.child(PathElement::field(key));
            let is_default = live.is_some_and(|live| defaults::is_default(view, key, value, live));
            let is_new = manifest.is_none_or(|manifest| !manifest.contains_key(key));
            if is_new
                && (!is_default || self.looks_at_default(&below))
                && let Some(value) = self.merge(None, Some(value), view.field(key), &below)
            {
                merged.insert(key.clone(), value);
            }
        }
        let kept_empty = match (manifest, live) {
            (Some(manifest), live) => manifest.is_empty() && live.is_some() || !self.writes(path),
            (None, Some(live)) => live.is_empty() && self.writes(path) && self.adds(&Value::Object(Map::new()), path),
            (None, None) => false,
        };
        (!merged.is_empty() || kept_empty || path.is_root()).then_some(Value::Object(merged))
    }

    fn merge_keyed(
        &self,
        manifest: Option<&Vec<Value>>,
        live: Option<&Vec<Value>>,
        view: SchemaView<'_>,
        path: &FieldPath,
    ) -> Option<Value> {
        let key = |item: &Value| view.item_key(item).unwrap_or(PathElement::Value(Scalar::Null));
        let mut merged = Vec::new();
        for item in manifest.into_iter().flatten() {
            if self.patch().is_some() && item.as_object().is_some_and(|item| item.keys().any(|key| is_directive(key))) {
                merged.push(item.clone());
                continue;
            }
            let element = key(item);
            let there = live.into_iter().flatten().find(|live| key(live) == element);
            let below = path.child(element);
            if there.is_none() && self.writes(&below) && !self.evidence.is_gone_by_ignored(&below) {
                continue;
            }
            merged.extend(self.merge(Some(item), there, view.item(), &below));
        }
        for item in live.into_iter().flatten() {
            let element = key(item);
            if manifest.into_iter().flatten().any(|other| key(other) == element) {
                continue;
            }
            let below = path.child(element);
            let leads = self.patch().is_some_and(|patch| patch.leads_to(&below));
            if leads || self.writes(&below) && self.adds_item(&below) {
                merged.extend(self.merge(None, Some(item), view.item(), &below).map(|new| with_keys(new, &below)));
            }
        }
        let kept_empty = manifest.is_some_and(|manifest| manifest.is_empty()) || !self.writes(path);
        (!merged.is_empty() || manifest.is_some() && kept_empty).then_some(Value::Array(merged))
    }

    /// The list of a patch that cannot name items: as a whole, once anything in it is carried.
    fn whole_list(
        &self,
        (own, live): (Option<&Vec<Value>>, Option<&Vec<Value>>),
        whole: &Value,
        view: SchemaView<'_>,
        path: &FieldPath,
    ) -> Option<Value> {
        let carries = || match view.list() {
            ListKind::Set => self.merge_set(None, live, path),
            _ => self.merge_keyed(None, live, view, path),
        };
        if own.is_none() && carries().is_none() {
            return None;
        }
        let live = live.map(|live| Value::Array(live.clone()))?;
        let new = compare::get(whole, path, self.subject.view).cloned().unwrap_or(live);
        let own = own.map(|own| Value::Array(own.clone()));
        Some(own.filter(|own| compare::same(own, &new, view)).unwrap_or(new))
    }

    fn adds_item(&self, path: &FieldPath) -> bool {
        self.evidence.touches(path) || self.directions.names(path)
    }

    fn merge_set(&self, manifest: Option<&Vec<Value>>, live: Option<&Vec<Value>>, path: &FieldPath) -> Option<Value> {
        let element = |item: &Value| Some(path.child(PathElement::Value(Scalar::of(item)?)));
        let written = |item: &Value| element(item).is_some_and(|path| self.writes(&path));
        let contains = |side: Option<&Vec<Value>>, item: &Value| side.is_some_and(|items| items.contains(item));
        let mut merged: Vec<Value> = manifest
            .into_iter()
            .flatten()
            .filter(|item| !written(item) || contains(live, item) || self.evidence.is_gone_by_ignored(path))
            .cloned()
            .collect();
        for item in live.into_iter().flatten() {
            let adds = element(item).is_some_and(|path| self.adds(item, &path));
            if written(item) && adds && !contains(manifest, item) {
                merged.push(item.clone());
            }
        }
        (!merged.is_empty() || manifest.is_some_and(Vec::is_empty)).then_some(Value::Array(merged))
    }
}

/// A new list item carries its keys, declared or defaulted: without them it names nothing.
fn with_keys(item: Value, path: &FieldPath) -> Value {
    let (Value::Object(mut fields), Some(PathElement::Key(keys))) = (item, path.elements().last()) else {
        return Value::Null;
    };
    for (name, value) in keys.iter().rev() {
        if !fields.contains_key(&**name) {
            fields.shift_insert(0, name.to_string(), value.to_value());
        }
    }
    Value::Object(fields)
}
