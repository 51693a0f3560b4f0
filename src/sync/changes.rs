//! Owns the question which side changed a field since both agreed. Must never take for a change what the API server, a
//! default or this process itself brought about.

use serde_json::{Map, Value};

use crate::object::schema::{ListKind, SchemaView};
use crate::object::stamps::Stamps;
use crate::object::{FieldPath, PathElement, clean, compare, defaults};

use super::directions::Directions;
use super::evidence::Evidence;
use super::past::{Apart, Past, Then};
use super::planner::Subject;
use super::to_cluster::{self, is_replicas};
use super::to_git::{cleaned, is_fixed};

/// One place of the object: what both sides have there, and what the manifest said when they last agreed.
#[derive(Clone, Copy, Default)]
pub(super) struct Sides<'v> {
    pub git: Option<&'v Value>,
    pub live: Option<&'v Value>,
    pub then: Option<&'v Value>,
}

/// Who changed a field since both sides agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It is not the same on both, and was not when they agreed.
    Agreed,
    /// Only live, and nobody's.
    Nobody,
    Git,
    Cluster,
    /// Both, or that cannot be told.
    Both,
}

/// Whether the live object was changed since both sides agreed; `None`: nobody knows.
pub(super) fn live_changed(subject: &Subject<'_>, live: &Value, directions: &Directions<'_>) -> Option<bool> {
    let then = clean::for_apply(subject.past.manifest?);
    let changes = Changes::new(subject, live, live, directions);
    Some(changes.differs(Some(live), Some(&then), subject.view, &FieldPath::root(), false))
}

/// What tells who changed what of one object.
pub(super) struct Changes<'a> {
    subject: &'a Subject<'a>,
    directions: &'a Directions<'a>,
    pub past: Past<'a>,
    evidence: Evidence<'a>,
    /// What of the live object may be added to Git.
    cleaned: Value,
    stamps: Stamps,
    with_status: bool,
    /// Whether live is what admission made of the manifest that both sides agreed on.
    is_answer: bool,
}

impl<'a> Changes<'a> {
    pub fn new(subject: &'a Subject<'a>, live: &Value, seen: &Value, directions: &'a Directions<'a>) -> Self {
        let past = subject.past;
        let is_answer = past.manifest.zip(subject.answer).is_some_and(|(manifest, answer)| {
            to_cluster::answer(&to_cluster::whole(manifest, subject.id), live, subject.view) == answer
        });
        Self {
            subject,
            directions,
            past,
            evidence: Evidence::new(live, subject.view, directions),
            cleaned: cleaned(seen, directions),
            stamps: Stamps::of(live),
            with_status: directions.names_below("status"),
            is_answer,
        }
    }

    /// Whether the field is nobody's to carry: identity, and what the server owns.
    pub fn is_fixed(&self, path: &FieldPath) -> bool {
        is_fixed(path, self.with_status, &self.stamps)
    }

    /// Who changed the field since both sides agreed.
    pub fn change(&self, sides: Sides<'_>, view: SchemaView<'_>, path: &FieldPath, is_default: bool) -> Change {
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

    /// What is remembered of the field by itself.
    pub fn apart(&self, path: &FieldPath) -> Option<&'a Apart> {
        self.past.apart.iter().find(|apart| apart.path == *path)
    }

    /// What the field was when both sides agreed, to be remembered further. `change`: who changed it since.
    pub fn before(&self, path: &FieldPath, sides: Sides<'_>, change: Change) -> Apart {
        match (self.apart(path), self.past.manifest) {
            (Some(apart), _) => apart.clone(),
            // A side that did not change has what it had, in its own words: quantities, and all that the server added.
            (None, Some(_)) => {
                let then = Then::of(sides.then);
                let is_by = |one| matches!(change, Change::Both) || change == one;
                let git = if is_by(Change::Git) { then } else { Then::of(sides.git) };
                let live = if is_by(Change::Cluster) { then } else { Then::of(sides.live) };
                Apart::new(path.clone(), git, live)
            }
            (None, None) => Apart::new(path.clone(), Then::Unknown, Then::Unknown),
        }
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
        let is_empty = |value: &Value| value.as_object().is_some_and(Map::is_empty);
        if self.is_fixed(path) || live.is_none() && then.is_none_or(is_empty) && is_left_out(path) {
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
                let lists: Lists<'_> = (None, Some(live), Some(then));
                elements(lists, |item| view.item_key(item)).into_iter().any(|element| {
                    let sides = Sides::at(lists, &element, |item| view.item_key(item));
                    self.differs(sides.live, sides.then, view.item(), &path.child(element), false)
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

/// Whether the server leaves the map out of what it stores when there is nothing in it.
fn is_left_out(path: &FieldPath) -> bool {
    ["labels", "annotations"].iter().any(|name| *path == FieldPath::fields(["metadata", name]))
}

/// One list on both sides, and as it was.
pub(super) type Lists<'v> = (Option<&'v Vec<Value>>, Option<&'v Vec<Value>>, Option<&'v Vec<Value>>);

/// What names the items of Git and of the cluster, each once, in their order.
pub(super) fn elements(lists: Lists<'_>, of: impl Fn(&Value) -> Option<PathElement>) -> Vec<PathElement> {
    let mut found: Vec<PathElement> = Vec::new();
    let all = [lists.0, lists.1, lists.2].into_iter().flatten().flatten();
    for element in all.filter_map(of) {
        if !found.contains(&element) {
            found.push(element);
        }
    }
    found
}

impl<'v> Sides<'v> {
    /// One item of a list.
    pub fn at(lists: Lists<'v>, element: &PathElement, of: impl Fn(&Value) -> Option<PathElement>) -> Self {
        let find = |list: Option<&'v Vec<Value>>| list?.iter().find(|item| of(item).as_ref() == Some(element));
        Self { git: find(lists.0), live: find(lists.1), then: find(lists.2) }
    }

    pub fn without_nulls(self) -> Self {
        let present = |value: &&Value| !value.is_null();
        Self { git: self.git.filter(present), live: self.live.filter(present), then: self.then.filter(present) }
    }
}
