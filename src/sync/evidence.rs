//! Owns the question whose a live field is: whether somebody declared it, and whether only managers wrote it whose changes
//! are no edits (`ignoreManagers`). Must never look at values.

use serde_json::Value;

use crate::object::declared::{self, declared};
use crate::object::managed::{self, ManagedEntry, Manager};
use crate::object::schema::SchemaView;
use crate::object::{FieldPath, FieldSet};
use crate::rules::{Glob, Rule};

use super::directions::Directions;

/// Who wrote what of one live object.
pub(super) struct Evidence<'a> {
    directions: &'a Directions<'a>,
    entries: Vec<ManagedEntry>,
    /// What somebody declared, for each list of managers that a rule ignores.
    declared: Vec<(&'a [Glob], FieldSet)>,
}

impl<'a> Evidence<'a> {
    /// Reads the managers of `live`.
    pub(super) fn new(live: &Value, view: SchemaView<'_>, directions: &'a Directions<'a>) -> Self {
        let mut ignored: Vec<&[Glob]> = directions.rules().map(|rule| &*rule.ignore_managers).collect();
        ignored.sort_by_key(|globs| globs.len());
        ignored.dedup();
        let each = ignored.into_iter().map(|globs| (globs, declared(live, view, &|manager| is_in(globs, manager))));
        Self { directions, entries: managed::entries(live), declared: each.collect() }
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

/// Why nobody is to be taken at their word for this object: only parts of the control plane and managers that the rule
/// ignores have written it. `None`: somebody else has, or nobody can tell.
pub(super) fn unclaimed(live: &Value, rule: &Rule) -> Option<String> {
    let entries = managed::entries(live);
    let mut names: Vec<&str> = writers(&entries).map(|manager| manager.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let is_theirs = |manager: &Manager| is_in(&rule.ignore_managers, manager);
    let is_nobodys = |manager: &Manager| declared::is_control_plane(manager) || is_theirs(manager);
    if names.is_empty() || !writers(&entries).all(is_nobodys) {
        return None;
    }
    let why = if writers(&entries).any(is_theirs) { "rule ignores its managers" } else { "nobody declared it" };
    Some(format!("{why}: only {} wrote it", names.join(", ")))
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
