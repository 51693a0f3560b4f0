//! Owns how each object that is not in sync stands, and why, and tells the reporter. Must never grow with what is in
//! sync.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::manifest;
use crate::object::ObjectId;
use crate::report::{Change, ChangeSet, Metrics, Reporter, RuleRef, Side, Verb};

use super::super::plan::Plan;
use super::compose::shown;

/// Every object that is not in sync, and what is wrong with the remote.
pub struct Standings {
    objects: BTreeMap<ObjectId, Vec<Change>>,
    /// Objects whose kind is not served.
    kindless: BTreeSet<ObjectId>,
    remote_error: Option<String>,
    /// Grows when something begins or ends to be held, or is held for another reason.
    held_revision: u64,
    reporter: Reporter,
}

impl Standings {
    pub(super) fn new(reporter: Reporter) -> Self {
        Self { objects: BTreeMap::new(), kindless: BTreeSet::new(), remote_error: None, held_revision: 0, reporter }
    }

    /// Where times and counts go.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.reporter.metrics
    }

    /// Tells of a change that was carried out.
    pub(super) fn done(&self, change: Change) {
        self.reporter.done(&ChangeSet { changes: vec![change] });
    }

    /// Takes over the notes of a plan in place of everything said of its object before.
    pub(super) fn set(&mut self, plan: &Plan, place: Option<&manifest::Place>, rule: impl Fn(usize) -> RuleRef) {
        self.kindless.remove(&plan.id);
        let change = |note: &super::super::plan::Note| {
            let mut change = Change::new(plan.id.clone(), note.side, note.verb).because(note.reason.clone());
            change.rule = note.rule.map(&rule);
            change.fields = note.fields.clone();
            change.place = place.map(shown);
            change
        };
        self.replace(&plan.id, plan.notes.iter().map(change).collect());
    }

    /// Says one more thing of an object, in place of what was said with the same verb and side.
    pub(super) fn put(&mut self, change: Change) {
        let id = change.object.clone();
        let mut changes = self.objects.get(&id).cloned().unwrap_or_default();
        changes.retain(|other| (other.verb, other.side) != (change.verb, change.side));
        changes.push(change);
        self.replace(&id, changes);
    }

    /// The kind is not served: the object waits alone for it. `selected`: whether a rule may select it.
    pub(super) fn wait_for_kind(&mut self, id: &ObjectId, selected: bool) {
        self.kindless.insert(id.clone());
        if selected {
            let reason =
                format!("the API server does not serve {}; it is applied when the kind appears", id.group_kind());
            self.replace(id, vec![Change::new(id.clone(), Side::Cluster, Verb::Pending).because(reason)]);
        }
    }

    /// Objects that wait for their kind.
    pub(super) fn waiting_for_kinds(&self) -> impl Iterator<Item = ObjectId> {
        self.kindless.iter().cloned()
    }

    /// Whether anything is said of an object.
    pub(super) fn has(&self, id: &ObjectId) -> bool {
        self.objects.contains_key(id)
    }

    /// What is said of an object.
    pub(super) fn of(&self, id: &ObjectId) -> &[Change] {
        self.objects.get(id).map_or(&[], Vec::as_slice)
    }

    pub(super) fn clear_of(&mut self, id: &ObjectId) {
        self.kindless.remove(id);
        self.replace(id, Vec::new());
    }

    pub(super) fn clear(&mut self) {
        self.kindless.clear();
        let ids: Vec<ObjectId> = self.objects.keys().cloned().collect();
        ids.iter().for_each(|id| self.replace(id, Vec::new()));
    }

    fn replace(&mut self, id: &ObjectId, changes: Vec<Change>) {
        let before = self.objects.remove(id);
        if before.is_none() && changes.is_empty() {
            return;
        }
        let held = |changes: &[Change]| -> Vec<Change> {
            changes.iter().filter(|change| change.verb == Verb::Held).cloned().collect()
        };
        if before.as_deref().map(held).unwrap_or_default() != held(&changes) {
            self.held_revision += 1;
        }
        if !changes.is_empty() {
            self.objects.insert(id.clone(), changes.clone());
        }
        self.reporter.left(id, changes, Timestamp::now());
    }

    pub(super) fn remote_failed(&mut self, message: String) {
        if self.remote_error.as_ref() != Some(&message) {
            self.reporter.remote_failed(&message, Timestamp::now());
            self.remote_error = Some(message);
        }
    }

    pub(super) fn remote_answered(&mut self) {
        self.remote_error = None;
        self.reporter.remote_answered(Timestamp::now());
    }

    /// Grows with what is held.
    pub(super) fn held_revision(&self) -> u64 {
        self.held_revision
    }

    /// Everything that is left undone, in the order of identities.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.objects.values().flatten()
    }

    /// Why the remote cannot be used; `None` when it answers.
    pub fn remote_error(&self) -> Option<&str> {
        self.remote_error.as_deref()
    }
}
