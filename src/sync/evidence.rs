//! Owns the question whose a live field is: whether somebody declared it, and whether only managers wrote it whose changes
//! are no edits (`ignoreManagers`). Must never look at values.

use std::cell::RefCell;

use serde_json::Value;

use crate::object::declared::{self, declared};
use crate::object::managed::{self, ManagedEntry, Manager};
use crate::object::schema::SchemaView;
use crate::object::{FieldPath, FieldSet};
use crate::rules::{Glob, Rule};

use super::directions::Directions;
use super::plan::{Note, Plan, Side, Verb};

/// Who wrote what of one live object.
pub(super) struct Evidence<'a> {
    directions: &'a Directions<'a>,
    entries: Vec<ManagedEntry>,
    /// What somebody declared, for each list of managers that a rule ignores.
    declared: Vec<(&'a [Glob], FieldSet)>,
    /// Fields of the manifest that would have been written over.
    left: RefCell<Vec<FieldPath>>,
}

impl<'a> Evidence<'a> {
    /// Reads the managers of `live`.
    pub(super) fn new(live: &Value, view: SchemaView<'_>, directions: &'a Directions<'a>) -> Self {
        let mut ignored: Vec<&[Glob]> = directions.rules().map(|rule| &*rule.ignore_managers).collect();
        ignored.sort_by_key(|globs| globs.len());
        ignored.dedup();
        let each = ignored.into_iter().map(|globs| (globs, declared(live, view, &|manager| is_in(globs, manager))));
        Self { directions, entries: managed::entries(live), declared: each.collect(), left: RefCell::default() }
    }

    /// Whether somebody declared this field, or a whole that it is a part of.
    pub(super) fn covers(&self, path: &FieldPath) -> bool {
        self.declared_for(path).is_some_and(|set| set.covers(path))
    }

    /// Whether somebody declared this field, a whole that it is a part of, or anything below it.
    pub(super) fn touches(&self, path: &FieldPath) -> bool {
        self.declared_for(path).is_some_and(|set| set.touches(path))
    }

    /// Whether the live value is no edit: it has owners, and the rule ignores every one of them.
    pub(super) fn is_ignored(&self, path: &FieldPath) -> bool {
        let Some(globs) = self.globs(path) else { return false };
        let mut owners = self.entries.iter().filter(|entry| entry.fields.covers(path)).peekable();
        owners.peek().is_some() && owners.all(|entry| is_in(globs, &entry.manager))
    }

    /// [`Evidence::is_ignored`] for a field that stands in the manifest with another value; it is remembered.
    pub(super) fn leaves(&self, path: &FieldPath) -> bool {
        let is_ignored = self.is_ignored(path);
        if is_ignored {
            self.left.borrow_mut().push(path.clone());
        }
        is_ignored
    }

    /// Says which fields differ and are left as they are in the manifest.
    pub(super) fn report(self, plan: &mut Plan) {
        let fields = self.left.into_inner();
        let Some((rule, path)) = fields.iter().find_map(|path| Some((self.directions.of(path).1?, path))) else {
            return;
        };
        let owners = self.entries.iter().filter(|entry| entry.fields.covers(path));
        let mut names: Vec<_> = owners.map(|entry| entry.manager.name.as_str()).collect();
        names.dedup();
        let reason = format!("set by {}, whose changes are no edits (`ignoreManagers`)", names.join(", "));
        plan.notes.push(Note { verb: Verb::Skipped, side: Side::Git, rule: Some(rule.index), reason, fields });
    }

    /// Whether a field that is missing live was not taken away by anybody who counts. What is gone has no owner to ask: it
    /// counts as theirs when nobody else has anything in the object.
    pub(super) fn is_gone_by_ignored(&self, path: &FieldPath) -> bool {
        self.globs(path).is_some_and(|globs| are_only_ignored(&self.entries, globs))
    }

    /// What the rule that decides a field ignores; `None`: nothing.
    fn globs(&self, path: &FieldPath) -> Option<&'a [Glob]> {
        if self.declared.iter().all(|(globs, _)| globs.is_empty()) {
            return None;
        }
        self.directions.of(path).1.map(|rule| &*rule.ignore_managers).filter(|globs| !globs.is_empty())
    }

    fn declared_for(&self, path: &FieldPath) -> Option<&FieldSet> {
        let globs = self.globs(path).unwrap_or_default();
        self.declared.iter().find(|(found, _)| *found == globs).map(|(_, set)| set)
    }
}

/// Why a live object gets no manifest: only parts of the control plane and managers that the rule ignores have written it,
/// or those have written most of it, so that the rest would be no whole. `None`: it gets one, or nobody can tell.
pub(super) fn unclaimed(live: &Value, view: SchemaView<'_>, rule: &Rule) -> Option<String> {
    let entries = managed::entries(live);
    let is_theirs = |manager: &Manager| is_in(&rule.ignore_managers, manager);
    writers(&entries).next()?;
    if writers(&entries).all(|manager| declared::is_control_plane(manager) || is_theirs(manager)) {
        let why = if writers(&entries).any(is_theirs) { "its managers are ignored" } else { "nobody declared it" };
        return Some(format!("{why}: only {} wrote it", names(&entries, |_| true)));
    }
    if rule.ignore_managers.is_empty() {
        return None;
    }
    let metadata = FieldPath::fields(["metadata"]);
    let count = |set: &FieldSet| set.paths().iter().filter(|path| !metadata.covers(path)).count();
    let rest = declared(live, view, &is_theirs);
    let all = declared(live, view, &|_| false);
    let is_mostly_theirs = count(&all.subtract(&rest)) >= count(&rest).max(1);
    is_mostly_theirs.then(|| format!("its managers are ignored: {} wrote most of it", names(&entries, is_theirs)))
}

fn names(entries: &[ManagedEntry], wanted: impl Fn(&Manager) -> bool) -> String {
    let mut names: Vec<&str> = writers(entries).filter(|found| wanted(found)).map(|found| &*found.name).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

/// Whether a rule's `ignoreManagers` names this manager.
pub(super) fn is_in(globs: &[Glob], manager: &Manager) -> bool {
    globs.iter().any(|glob| glob.matches(&manager.name))
}

fn are_only_ignored(entries: &[ManagedEntry], globs: &[Glob]) -> bool {
    let mut others = writers(entries).filter(|manager| !declared::is_control_plane(manager)).peekable();
    others.peek().is_some() && others.all(|manager| is_in(globs, manager))
}

/// Managers of the wanted state.
fn writers(entries: &[ManagedEntry]) -> impl Iterator<Item = &Manager> {
    entries.iter().map(|entry| &entry.manager).filter(|manager| matches!(&*manager.subresource, "" | "scale"))
}
