//! Owns the walk over both sides of an object and what they last agreed on: which side changed each field, and so which way
//! it goes. Must never let one side's change be written over by a value that the other side did not change.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::object::digest::Digest;
use crate::object::fieldset::FieldSet;
use crate::object::schema::{ListKind, SchemaView};
use crate::object::stamps::Stamps;
use crate::object::{FieldPath, PathElement, Scalar, clean, compare, defaults};
use crate::rules::{Conflict, GitEdits, Rule};

use super::directions::{Directions, Way};
use super::evidence::Evidence;
use super::existence::is_withheld_secret;
use super::past::{Apart, Edit, Past, Remembered, Then};
use super::plan::Side;
use super::planner::Subject;
use super::spots::Spots;
use super::to_cluster::is_replicas;
use super::to_git::{cleaned, is_fixed};

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

/// One place of the object: what both sides have there, and what the manifest said when they last agreed.
#[derive(Clone, Copy, Default)]
struct Sides<'v> {
    git: Option<&'v Value>,
    live: Option<&'v Value>,
    then: Option<&'v Value>,
}

/// Whether any rule asks which side changed a field.
pub(super) fn concerns(rule: &Rule) -> bool {
    rule.sync_to == crate::rules::Direction::Both || rule.git_edits == GitEdits::Hold
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
    let mut walk = Walk::new(subject, live, seen, directions, Some(spots));
    let manifest = clean::for_apply(manifest);
    let then = walk.past.manifest.map(clean::for_apply);
    let sides = Sides { git: Some(&manifest), live: Some(seen), then: then.as_ref() };
    walk.node(sides, subject.view, &FieldPath::root(), false);
    walk.out
}

/// Whether the live object was changed since both sides agreed; `None`: nobody knows.
pub(super) fn live_changed(subject: &Subject<'_>, live: &Value, directions: &Directions<'_>) -> Option<bool> {
    let then = clean::for_apply(subject.past.manifest?);
    let walk = Walk::new(subject, live, live, directions, None);
    Some(walk.differs(Some(live), Some(&then), subject.view, &FieldPath::root(), false))
}

struct Walk<'a> {
    subject: &'a Subject<'a>,
    directions: &'a Directions<'a>,
    spots: Option<&'a Spots<'a>>,
    past: Past<'a>,
    evidence: Evidence<'a>,
    /// What of the live object may be added to Git.
    cleaned: Value,
    stamps: Stamps,
    with_status: bool,
    /// Whether live is what admission made of the manifest that both sides agreed on.
    is_answer: bool,
    out: Settled,
}

impl<'a> Walk<'a> {
    fn new(
        subject: &'a Subject<'a>,
        live: &Value,
        seen: &Value,
        directions: &'a Directions<'a>,
        spots: Option<&'a Spots<'a>>,
    ) -> Self {
        let past = subject.past;
        let is_answer = past.manifest.zip(subject.answer).is_some_and(|(manifest, answer)| {
            let fields = FieldSet::of(&clean::for_apply(manifest), subject.view);
            Digest::of_value(&fields.project(live, subject.view)) == answer.live
        });
        Self {
            subject,
            directions,
            spots,
            past,
            evidence: Evidence::new(live, subject.view, directions),
            cleaned: cleaned(seen, directions),
            stamps: Stamps::of(live),
            with_status: directions.names_below("status"),
            is_answer,
            out: Settled::default(),
        }
    }

    fn node(&mut self, sides: Sides<'_>, view: SchemaView<'_>, path: &FieldPath, is_default: bool) {
        let sides = sides.without_nulls();
        let Sides { git, live, then } = sides;
        if git.is_none() && live.is_none() || is_fixed(path, self.with_status, &self.stamps) {
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
        let map = |value: Option<&'_ Value>| value.and_then(Value::as_object).cloned().unwrap_or_default();
        let (git, live, then) = (map(sides.git), map(sides.live), map(sides.then));
        let new = live.keys().filter(|key| !git.contains_key(*key));
        for key in git.keys().chain(new) {
            let parts = Sides { git: git.get(key), live: live.get(key), then: then.get(key) };
            // The server drops some zero values instead of storing them: missing then says the same.
            if parts.live.is_none() && parts.git.is_some_and(|value| defaults::is_dropped(view, key, value)) {
                continue;
            }
            let is_default = parts.live.is_some_and(|value| defaults::is_default(view, key, value, &live));
            self.node(parts, view.field(key), &path.child(PathElement::field(key)), is_default);
        }
    }

    fn items(&mut self, lists: Lists<'_>, view: SchemaView<'_>, path: &FieldPath) {
        for element in elements(lists, |item| view.item_key(item)) {
            let of = |list: Option<&'_ Vec<Value>>| {
                list.into_iter().flatten().find(|item| view.item_key(item).as_ref() == Some(&element)).cloned()
            };
            let (git, live, then) = (of(lists.0), of(lists.1), of(lists.2));
            let sides = Sides { git: git.as_ref(), live: live.as_ref(), then: then.as_ref() };
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
            let of = |list: Option<&'_ Vec<Value>>| {
                list.into_iter().flatten().find(|item| element(item).as_ref() == Some(&member)).cloned()
            };
            let (git, live, then) = (of(lists.0), of(lists.1), of(lists.2));
            let sides = Sides { git: git.as_ref(), live: live.as_ref(), then: then.as_ref() };
            self.leaf(sides, view.item(), &path.child(member), false);
        }
    }

    fn leaf(&mut self, sides: Sides<'_>, view: SchemaView<'_>, path: &FieldPath, is_default: bool) {
        let (way, Some(rule)) = self.directions.of(path) else { return };
        let is_edit = way == Way::ToGit && rule.git_edits == GitEdits::Hold;
        if way != Way::Both && !is_edit {
            return;
        }
        let in_manifest = self.spots.is_none_or(|spots| spots.is_in_manifest(path));
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
            (None, Some(_)) => is_default && self.apart(path).is_none(),
            _ => false,
        };
        if is_same {
            if way == Way::Both {
                self.out.ways.insert(path.clone(), Way::ToCluster);
            }
            return;
        }
        let change = self.change(sides, view, path, is_default);
        if sides.git.is_none() && change == Change::Nobody {
            return;
        }
        if is_edit { self.edit(sides, path, rule, change) } else { self.both(sides, path, rule, change) }
    }

    /// Who changed the field since both sides agreed.
    fn change(&self, sides: Sides<'_>, view: SchemaView<'_>, path: &FieldPath, is_default: bool) -> Change {
        let Sides { git, live, then } = sides;
        let (now_git, now_live) = (Then::of(git), Then::of(live));
        let counts = |value: &Value| !is_default && self.counts(value, path);
        let apart = self.apart(path);
        if let Some(apart) = apart {
            if apart.to_git.contains(&now_git) {
                return Change::Cluster;
            }
            if apart.to_cluster.contains(&now_live) {
                return Change::Git;
            }
        }
        let (by_git, by_cluster) = match (apart, self.past.manifest) {
            (Some(apart), _) => (apart.git.differs(now_git), apart.live.differs(now_live)),
            (None, Some(_)) => {
                let by_git = match (git, then) {
                    (Some(git), Some(then)) => !compare::same(git, then, view),
                    (git, then) => git.is_some() != then.is_some(),
                };
                let by_cluster = match (live, then) {
                    (Some(live), None) => counts(live),
                    _ => self.differs(live, then, view, path, is_default),
                };
                (Some(by_git), Some(by_cluster && !self.is_answer))
            }
            (None, None) => (None, None),
        };
        let by_cluster = if self.evidence.is_ignored(path) { Some(false) } else { by_cluster };
        match (by_git, by_cluster) {
            (Some(false), Some(false)) if git.is_none() && then.is_none() && apart.is_none() => Change::Nobody,
            (Some(false), Some(false)) => Change::Agreed,
            (Some(true), Some(false)) => Change::Git,
            (Some(false), Some(true)) => Change::Cluster,
            (Some(true), _) | (_, Some(true)) => Change::Both,
            // Never agreed: what only one side has is new there.
            _ if git.is_none() => live.map_or(Change::Nobody, |live| match counts(live) {
                true => Change::Cluster,
                false => Change::Nobody,
            }),
            _ if live.is_none() => Change::Git,
            _ => Change::Both,
        }
    }

    fn both(&mut self, sides: Sides<'_>, path: &FieldPath, rule: &Rule, change: Change) {
        let winner = match change {
            Change::Git => Some(Side::Git),
            Change::Cluster => Some(Side::Cluster),
            Change::Both => self.past.keep.or(match rule.conflict {
                Conflict::Hold => None,
                Conflict::Git => Some(Side::Git),
                Conflict::Cluster => Some(Side::Cluster),
                Conflict::Latest => self.past.latest,
            }),
            Change::Agreed | Change::Nobody => {
                self.out.ways.insert(path.clone(), Way::Idle);
                return self.remember_as_it_is(sides, path);
            }
        };
        let told =
            Disagreement { path: path.clone(), rule: rule.index, git: sides.git.cloned(), live: sides.live.cloned() };
        self.out.next.uses_release |= change == Change::Both && self.past.keep.is_some();
        let mut next = self.before(path, sides.then);
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
                if sides.git.is_none() && is_replicas(path, self.subject) {
                    // It is given up, and keeps its value.
                    return self.remember_as_it_is(sides, path);
                }
                if sides.git.is_none() {
                    self.out.removed.push(path.clone());
                }
                next.send(Side::Cluster, Then::of(sides.git));
            }
            Some(Side::Cluster) => {
                self.to_git(path);
                if is_withheld_secret(self.subject, rule) {
                    return self.remember_as_it_is(sides, path);
                }
                next.send(Side::Git, Then::of(sides.live));
            }
        }
        self.out.next.apart.push(next);
    }

    fn to_git(&mut self, path: &FieldPath) {
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
        let known = self.past.edits.iter().find(|edit| edit.path == *path && edit.git == now.git);
        let is_edit = matches!(change, Change::Git | Change::Both) || known.is_some();
        let is_answered = known.is_some_and(|edit| edit.live != now.live);
        let mut next = self.before(path, sides.then);
        self.out.next.uses_release |= is_edit && self.past.released;
        if is_edit && !self.past.released {
            self.out.next.edits.push(known.cloned().unwrap_or_else(|| now.clone()));
        }
        if is_edit && !is_answered && !self.past.released {
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

    fn apart(&self, path: &FieldPath) -> Option<&'a Apart> {
        self.past.apart.iter().find(|apart| apart.path == *path)
    }

    /// What the field was when both sides agreed, to be remembered further.
    fn before(&self, path: &FieldPath, then: Option<&Value>) -> Apart {
        let is_item = matches!(path.elements().last(), Some(PathElement::Key(_)));
        match (self.apart(path), self.past.manifest) {
            (Some(apart), _) => apart.clone(),
            // The live item has more in it than the manifest said.
            (None, Some(_)) if is_item && then.is_some() => Apart::new(path.clone(), Then::of(then), Then::Unknown),
            (None, Some(_)) => Apart::new(path.clone(), Then::of(then), Then::of(then)),
            (None, None) => Apart::new(path.clone(), Then::Unknown, Then::Unknown),
        }
    }

    /// The sides may differ here from now on: that is how they agree.
    fn remember_as_it_is(&mut self, sides: Sides<'_>, path: &FieldPath) {
        self.out.next.apart.push(Apart::new(path.clone(), Then::of(sides.git), Then::of(sides.live)));
    }

    /// Whether a live value that Git does not have is somebody's.
    fn counts(&self, live: &Value, path: &FieldPath) -> bool {
        if compare::get(&self.cleaned, path, self.subject.view).is_none() || self.evidence.is_ignored(path) {
            return false;
        }
        if is_replicas(path, self.subject) {
            // An autoscaler's number is nobody's; before both agreed it cannot be told from a person's.
            return *live != 1 && (self.past.manifest.is_none() || self.evidence.covers(path));
        }
        let is_item = matches!(path.elements().last(), Some(PathElement::Key(_)));
        self.directions.names(path) || self.evidence.covers(path) || is_item && self.evidence.touches(path)
    }

    /// Whether the live value is another than what both sides agreed on.
    fn differs(
        &self,
        live: Option<&Value>,
        then: Option<&Value>,
        view: SchemaView<'_>,
        path: &FieldPath,
        is_default: bool,
    ) -> bool {
        let present = |value: Option<&'_ Value>| value.is_some_and(|value| !value.is_null());
        if is_fixed(path, self.with_status, &self.stamps) {
            return false;
        }
        if let Some(apart) = self.apart(path) {
            return apart.live.differs(Then::of(live)).unwrap_or(true);
        }
        match (live, then) {
            (Some(Value::Object(live)), Some(Value::Object(then))) if !view.is_atomic_map() => {
                let keys = live.keys().chain(then.keys().filter(|key| !live.contains_key(*key)));
                keys.into_iter().any(|key| {
                    let value = live.get(key);
                    let is_dropped =
                        value.is_none() && then.get(key).is_some_and(|then| defaults::is_dropped(view, key, then));
                    let is_default = value.is_some_and(|value| defaults::is_default(view, key, value, live));
                    let below = path.child(PathElement::field(key));
                    !is_dropped && self.differs(value, then.get(key), view.field(key), &below, is_default)
                })
            }
            (Some(Value::Array(live)), Some(Value::Array(then))) if matches!(view.list(), ListKind::Map(_)) => {
                let lists = (Some(live), None, Some(then));
                elements(lists, |item| view.item_key(item)).into_iter().any(|element| {
                    let of = |list: &'_ Vec<Value>| {
                        list.iter().find(|item| view.item_key(item).as_ref() == Some(&element)).cloned()
                    };
                    let (live, then) = (of(live), of(then));
                    self.differs(live.as_ref(), then.as_ref(), view.item(), &path.child(element), false)
                })
            }
            (Some(live), Some(then)) => !compare::same(then, live, view),
            (None, then) => present(then),
            // A map by itself is nobody's: what is in it may be.
            (Some(Value::Object(live)), None) if !view.is_atomic_map() && !live.is_empty() => {
                live.iter().any(|(key, value)| {
                    let is_default = defaults::is_default(view, key, value, live);
                    self.differs(Some(value), None, view.field(key), &path.child(PathElement::field(key)), is_default)
                })
            }
            (Some(live), None) => !is_default && self.counts(live, path),
        }
    }
}

/// Who changed a field since both sides agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// It is not the same on both, and was not when they agreed.
    Agreed,
    /// Only live, and nobody's.
    Nobody,
    Git,
    Cluster,
    /// Both, or that cannot be told.
    Both,
}

type Lists<'v> = (Option<&'v Vec<Value>>, Option<&'v Vec<Value>>, Option<&'v Vec<Value>>);

/// What names the items of Git and of the cluster, each once, in their order.
fn elements(lists: Lists<'_>, of: impl Fn(&Value) -> Option<PathElement>) -> Vec<PathElement> {
    let mut found: Vec<PathElement> = Vec::new();
    let all = [lists.0, lists.1, lists.2].into_iter().flatten().flatten();
    for element in all.filter_map(of) {
        if !found.contains(&element) {
            found.push(element);
        }
    }
    found
}

impl Sides<'_> {
    fn without_nulls(self) -> Self {
        let present = |value: &&Value| !value.is_null();
        Self { git: self.git.filter(present), live: self.live.filter(present), then: self.then.filter(present) }
    }
}
