//! Owns the walk over both sides of an object and what they last agreed on: which side changed each field, and so which way
//! it goes. Must never let one side's change be written over by a value that the other side did not change.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::object::schema::{ListKind, SchemaView};
use crate::object::{FieldPath, PathElement, Scalar, clean, compare, defaults};
use crate::rules::{Conflict, Direction, GitEdits, Rule};

use super::autoscalers;
use super::changes::{Change, Changes, Lists, Sides, elements};
use super::directions::{Directions, Way};
use super::existence::is_withheld_secret;
use super::past::{Apart, Edit, Remembered, Then};
use super::plan::Side;
use super::planner::Subject;
use super::spots::Spots;
use super::to_cluster::is_replicas;

/// What the walk found.
#[derive(Default)]
pub(super) struct Settled {
    /// Which way each field goes that either side may have changed.
    pub ways: BTreeMap<FieldPath, Way>,
    /// Fields that left Git and go from the cluster.
    pub removed: Vec<FieldPath>,
    /// Fields that both sides changed.
    pub conflicts: Vec<Disagreement>,
    /// Fields that somebody changed in Git and that the cluster decides.
    pub edits: Vec<Disagreement>,
    /// Fields that a patch sets: the manifest does not tell what they are.
    pub patched: Vec<FieldPath>,
    /// Fields whose live value loses, with that value.
    pub overruled: Vec<Disagreement>,
    /// Whether a field differs about which a rule that rests would ask who changed it: that is no agreement.
    pub rests: bool,
    /// What is to be remembered.
    pub next: Remembered,
}

/// A field with what each side says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Disagreement {
    pub path: FieldPath,
    pub rule: usize,
    pub git: Option<Value>,
    pub live: Option<Value>,
}

/// Whether any rule asks which side changed a field.
pub(super) fn concerns(rule: &Rule) -> bool {
    rule.sync_to == Direction::Both || rule.git_edits == GitEdits::Hold
}

/// Finds which way each field goes. `seen`: the live object as Git is to see it.
pub(super) fn settle(
    subject: &Subject<'_>,
    manifest: &Value,
    live: &Value,
    seen: &Value,
    directions: &Directions<'_>,
    spots: &Spots<'_>,
) -> Settled {
    let changes = Changes::new(subject, live, seen, directions);
    let mut walk = Walk { subject, directions, spots, changes, out: Settled::default() };
    let manifest = clean::for_apply(manifest);
    let then = subject.past.manifest.map(clean::for_apply);
    let sides = Sides { git: Some(&manifest), live: Some(seen), then: then.as_ref() };
    walk.node(sides, subject.view, &FieldPath::root(), false);
    walk.out
}

struct Walk<'a> {
    subject: &'a Subject<'a>,
    directions: &'a Directions<'a>,
    spots: &'a Spots<'a>,
    changes: Changes<'a>,
    out: Settled,
}

impl Walk<'_> {
    fn node(&mut self, sides: Sides<'_>, view: SchemaView<'_>, path: &FieldPath, is_default: bool) {
        let sides = sides.without_nulls();
        let Sides { git, live, then } = sides;
        if git.is_none() && live.is_none() || self.changes.is_fixed(path) {
            return;
        }
        let all = |is: fn(&Value) -> bool| git.is_none_or(is) && live.is_none_or(is);
        let is_empty = |value: &Value| value.as_object().is_some_and(Map::is_empty);
        if all(Value::is_object) && !view.is_atomic_map() && (path.is_root() || !all(is_empty)) {
            self.inner(sides, path);
            return self.maps(sides, view, path);
        }
        let then_list = then.and_then(Value::as_array);
        if all(Value::is_array) {
            let lists = (git.and_then(Value::as_array), live.and_then(Value::as_array), then_list);
            match view.list() {
                ListKind::Map(_) => {
                    self.inner(sides, path);
                    return self.items(lists, view, path);
                }
                ListKind::Set => {
                    self.inner(sides, path);
                    return self.members(lists, view, path);
                }
                ListKind::Atomic => {}
            }
        }
        self.leaf(sides, view, path, is_default);
    }

    /// A map or list of which each part goes its own way.
    fn inner(&mut self, sides: Sides<'_>, path: &FieldPath) {
        if self.directions.way(path) != Way::Both {
            return;
        }
        let is_removal = sides.then.is_some();
        let way = match (sides.git, sides.live) {
            (Some(_), None) if is_removal => Way::ToGit,
            (None, Some(_)) if !is_removal => Way::ToGit,
            _ => Way::ToCluster,
        };
        self.out.ways.insert(path.clone(), way);
    }

    fn maps(&mut self, sides: Sides<'_>, view: SchemaView<'_>, path: &FieldPath) {
        let none = Map::new();
        let [git, live, then] =
            [sides.git, sides.live, sides.then].map(|side| side.and_then(Value::as_object).unwrap_or(&none));
        let new = live.keys().filter(|key| !git.contains_key(*key));
        for key in git.keys().chain(new) {
            let parts = Sides { git: git.get(key), live: live.get(key), then: then.get(key) };
            // The server drops some zero values instead of storing them: missing then says the same.
            if parts.live.is_none() && parts.git.is_some_and(|value| defaults::is_dropped(view, key, value)) {
                continue;
            }
            let is_default = parts.live.is_some_and(|value| defaults::is_default(view, key, value, live));
            self.node(parts, view.field(key), &path.child(PathElement::field(key)), is_default);
        }
    }

    fn items(&mut self, lists: Lists<'_>, view: SchemaView<'_>, path: &FieldPath) {
        for element in elements(lists, |item| view.item_key(item)) {
            let sides = Sides::at(lists, &element, |item| view.item_key(item));
            let below = path.child(element);
            let is_whole = matches!(self.directions.way(&below), Way::Both | Way::ToGit);
            if sides.git.is_some() == sides.live.is_some() || !is_whole {
                self.inner(sides, &below);
                self.node(sides, view.item(), &below, false);
            } else {
                // An item that one side lacks comes or goes as a whole: a part of it would be no item.
                self.leaf(sides, view.item(), &below, false);
            }
        }
    }

    fn members(&mut self, lists: Lists<'_>, view: SchemaView<'_>, path: &FieldPath) {
        let element = |item: &Value| Scalar::of(item).map(PathElement::Value);
        for member in elements(lists, element) {
            let sides = Sides::at(lists, &member, element);
            self.leaf(sides, view.item(), &path.child(member), false);
        }
    }

    fn leaf(&mut self, sides: Sides<'_>, view: SchemaView<'_>, path: &FieldPath, is_default: bool) {
        let (way, Some(rule)) = self.directions.of(path) else { return };
        let is_edit = way == Way::ToGit && rule.git_edits == GitEdits::Hold;
        if way != Way::Both && !is_edit {
            // Nothing is done about it now; what it was is not to be forgotten.
            let is_same = sides.git.zip(sides.live).is_some_and(|(git, live)| compare::same(git, live, view));
            if way == Way::Idle && concerns(rule) && !is_same {
                let change = self.changes.change(sides, view, path, is_default);
                self.out.next.apart.push(self.changes.before(path, sides, change));
                self.out.rests |= change != Change::Nobody;
            }
            return;
        }
        let in_manifest = self.spots.is_in_manifest(path);
        if !in_manifest {
            if way == Way::Both {
                self.out.ways.insert(path.clone(), Way::Idle);
                self.out.patched.push(path.clone());
            }
            return;
        }
        let is_same = match (sides.git, sides.live) {
            (Some(git), Some(live)) => compare::same(git, live, view),
            // Left out, a default means the same.
            (None, Some(_)) => is_default && self.changes.apart(path).is_none(),
            _ => false,
        };
        if is_same {
            if way == Way::Both {
                self.out.ways.insert(path.clone(), Way::ToCluster);
            }
            return;
        }
        let change = self.changes.change(sides, view, path, is_default);
        if sides.git.is_none() && change == Change::Nobody {
            return;
        }
        if is_edit { self.edit(sides, path, rule, change) } else { self.both(sides, path, rule, change) }
    }

    fn both(&mut self, sides: Sides<'_>, path: &FieldPath, rule: &Rule, change: Change) {
        let winner = match change {
            Change::Git => Some(Side::Git),
            Change::Cluster => Some(Side::Cluster),
            Change::Both => self.changes.past.keep.or(match rule.conflict {
                Conflict::Hold => None,
                Conflict::Git => Some(Side::Git),
                Conflict::Cluster => Some(Side::Cluster),
                Conflict::Latest => self.changes.past.latest,
            }),
            Change::Agreed | Change::Nobody => {
                self.out.ways.insert(path.clone(), Way::Idle);
                return self.remember_as_it_is(sides, path);
            }
        };
        let told =
            Disagreement { path: path.clone(), rule: rule.index, git: sides.git.cloned(), live: sides.live.cloned() };
        self.out.next.uses_release |= change == Change::Both && self.changes.past.keep.is_some();
        let mut next = self.changes.before(path, sides, change);
        match winner {
            None => {
                self.out.ways.insert(path.clone(), Way::Idle);
                self.out.conflicts.push(told);
            }
            Some(Side::Git) => {
                self.out.ways.insert(path.clone(), Way::ToCluster);
                if change == Change::Both {
                    self.out.overruled.push(told);
                }
                if sides.git.is_none() && (is_replicas(path, self.subject) || autoscalers::writes(path, self.subject)) {
                    // It is given up, and keeps its value.
                    return self.remember_as_it_is(sides, path);
                }
                if sides.git.is_none() {
                    self.out.removed.push(path.clone());
                }
                next.send(Side::Cluster, Then::of(sides.git));
            }
            Some(Side::Cluster) => {
                self.send_to_git(path);
                if is_withheld_secret(self.subject, rule) {
                    return self.remember_as_it_is(sides, path);
                }
                next.send(Side::Git, Then::of(sides.live));
            }
        }
        self.out.next.apart.push(next);
    }

    fn send_to_git(&mut self, path: &FieldPath) {
        self.out.ways.insert(path.clone(), Way::ToGit);
        if let ([PathElement::Field(data), PathElement::Field(key)], true) =
            (path.elements(), self.subject.id.is("", "Secret"))
            && &**data == "data"
        {
            // A key of `stringData` would stand before that of `data`.
            self.out.ways.insert(FieldPath::fields(["stringData", key]), Way::ToGit);
        }
    }

    /// A field of which the cluster decides, and that somebody may have changed in Git.
    fn edit(&mut self, sides: Sides<'_>, path: &FieldPath, rule: &Rule, change: Change) {
        let now = Edit { path: path.clone(), git: Then::of(sides.git), live: Then::of(sides.live) };
        let known = self.changes.past.edits.iter().find(|edit| edit.path == *path && edit.git == now.git);
        let is_edit = matches!(change, Change::Git | Change::Both) || known.is_some();
        let is_answered = known.is_some_and(|edit| edit.live != now.live);
        let mut next = self.changes.before(path, sides, change);
        self.out.next.uses_release |= is_edit && self.changes.past.released;
        if is_edit && !self.changes.past.released {
            self.out.next.edits.push(known.cloned().unwrap_or_else(|| now.clone()));
        }
        if is_edit && !is_answered && !self.changes.past.released {
            self.out.ways.insert(path.clone(), Way::Idle);
            let told = Disagreement {
                path: path.clone(),
                rule: rule.index,
                git: sides.git.cloned(),
                live: sides.live.cloned(),
            };
            self.out.edits.push(told);
        } else {
            next.send(Side::Git, now.live);
        }
        self.out.next.apart.push(next);
    }

    /// The sides may differ here from now on: that is how they agree.
    fn remember_as_it_is(&mut self, sides: Sides<'_>, path: &FieldPath) {
        self.out.next.apart.push(Apart::new(path.clone(), Then::of(sides.git), Then::of(sides.live)));
    }
}
