//! Owns the fields that go from Git to the cluster, for an object that stands on both sides or is about to be created.
//! Must never apply a field that another direction owns, nor let a live value fall by dropping it.

use serde_json::{Map, Value};

use crate::object::digest::Digest;
use crate::object::fieldset::FieldSet;
use crate::object::schema::SchemaView;
use crate::object::{FieldPath, ObjectId, PathElement, clean, compare, managed};
use crate::rules::Direction;

use super::autoscalers;
use super::base::Answer;
use super::contested::Contested;
use super::directions::{Directions, Way};
use super::plan::{Action, Note, Plan, RuleIndex, Side, Verb};
use super::planner::{Identity, Subject};

/// Plans release, removal and apply of an object that stands on both sides.
pub(super) fn plan(
    plan: &mut Plan,
    subject: &Subject<'_>,
    manifest: &Value,
    live: &Value,
    directions: &Directions<'_>,
    removed: &[FieldPath],
    identity: &Identity,
) {
    let own = own_fields(live, identity);
    let mut object = to_apply(manifest, live, &own, subject, directions);
    let mut contested = Contested::take_out(&mut object, live, (&own, subject.view), directions, identity);
    let ours = FieldSet::of(&object, subject.view);
    if ours.is_empty() && own.is_empty() && removed.is_empty() {
        return contested.report(plan, directions);
    }
    if let Some(other) = other_instance(live, &ours, identity) {
        return plan.note(
            Verb::Held,
            Side::Cluster,
            plan.existence,
            format!("its fields are owned by another instance, {other}; give it one owner, or start with --takes-over"),
        );
    }
    let mut left = Left::of(&own.subtract(&ours), live, subject, directions, identity);
    // What only we own goes by being left out.
    let removed = removed.iter().filter(|path| !is_only_ours(live, path, &own, identity));
    left.stripped.extend(removed.filter(|path| !contested.leaves(path, live, directions, identity)).cloned());
    let mut changed = differences(&object, live, subject.view);
    if subject.answer.is_some_and(|known| known == answer(&object, live, subject.view)) {
        changed.clear();
    }
    let adopted = adopted(&ours.subtract(&own), &changed, live, subject.view);
    changed.extend(ours.subtract(&own).paths());
    changed.extend(left.dropped.iter().cloned());
    changed.sort();
    changed.dedup();
    changed.retain(|path| !is_identity(path));

    let rule = |paths: &[FieldPath]| paths.iter().find_map(|path| directions.of(path).1).map(|rule| rule.index);
    let first = rule(&changed).or(plan.existence).unwrap_or_default();
    if !left.released.is_empty() {
        let rule = rule(&left.released);
        plan.actions.push(Action::Release { fields: left.released, rule });
    }
    if !left.stripped.is_empty() {
        plan.actions.push(Action::Strip { fields: left.stripped, rule: first });
    }
    plan.notes.extend(left.kept);
    autoscalers::note(plan, subject, &ours.paths(), directions);
    if !changed.is_empty() {
        // Nothing of the manifest goes to the cluster any more: what we still own goes by an apply of nothing.
        if ours.is_empty() {
            identify(&mut object, manifest, subject.id);
        }
        let force = contested.may_force(&changed, live, directions, identity);
        let either_side = |path: &FieldPath| directions.of(path).1.is_some_and(|rule| rule.sync_to == Direction::Both);
        let unless_changed = changed.iter().any(either_side);
        plan.actions.push(Action::Apply { object, changed, adopted, force, unless_changed, rule: first });
    }
    contested.report(plan, directions);
}

/// Fields that become ours and keep the value that they have live.
fn adopted(new: &FieldSet, changed: &[FieldPath], live: &Value, view: SchemaView<'_>) -> Vec<FieldPath> {
    let changes = |path: &FieldPath| changed.iter().any(|other| other.covers(path) || path.covers(other));
    let keeps = |path: &FieldPath| !is_identity(path) && !changes(path) && compare::get(live, path, view).is_some();
    leaves(new).filter(keeps).collect()
}

/// The whole object that a creation applies, and the fields of it that are only first values.
pub(super) fn first_values(
    manifest: &Value,
    subject: &Subject<'_>,
    directions: &Directions<'_>,
) -> (Value, Vec<FieldPath>) {
    let mut object = clean::for_apply(manifest);
    identify(&mut object, manifest, subject.id);
    if directions.all_go(Way::ToCluster) && object.pointer("/metadata/finalizers").is_none() {
        return (object, Vec::new());
    }
    let finalizers = FieldPath::fields(["metadata", "finalizers"]);
    let all = FieldSet::of(&object, subject.view);
    let is_ours = |path: &FieldPath| matches!(directions.way(path), Way::ToCluster | Way::Both);
    let is_kept = |path: &FieldPath| !finalizers.covers(path) && is_ours(path);
    let kept = leaves(&all).filter(is_kept).fold(FieldSet::new(), |mut kept, path| {
        kept.insert(&path);
        kept
    });
    // The mark of a map goes with the last field in it.
    let release = all.paths().into_iter().filter(|path| !is_kept(path) || !kept.touches(path)).collect();
    (object, release)
}

/// What admission made of `object`: the key under which the same apply is not repeated.
pub fn answer(object: &Value, live: &Value, view: SchemaView<'_>) -> Answer {
    let fields = FieldSet::of(object, view);
    Answer { applied: Digest::of_value(object), live: Digest::of_value(&fields.project(live, view)) }
}

/// [`answer`], when admission or normalisation made something else of it.
pub fn other_answer(object: &Value, live: &Value, view: SchemaView<'_>) -> Option<Answer> {
    (!differences(object, live, view).is_empty()).then(|| answer(object, live, view))
}

/// The fields in which the live object is not what `object` asks for. An empty map asks for nothing within it.
pub(super) fn differences(object: &Value, live: &Value, view: SchemaView<'_>) -> Vec<FieldPath> {
    let mut found = compare::differences(object, &FieldSet::of(object, view).project(live, view), view);
    let is_empty = |path: &FieldPath| {
        compare::get(object, path, view).and_then(Value::as_object).is_some_and(|fields| fields.is_empty())
    };
    found.retain(|path| !std::iter::successors(path.parent(), FieldPath::parent).any(|above| is_empty(&above)));
    found
}

/// What is applied of a manifest all of whose fields go to the cluster.
pub(super) fn whole(manifest: &Value, id: &ObjectId) -> Value {
    let mut object = clean::for_apply(manifest);
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("finalizers");
    }
    identify(&mut object, manifest, id);
    object
}

/// What we are to own: the manifest's fields that go to the cluster, and what a rule that takes no action now already
/// owns, at its live value (left out, it would fall).
fn to_apply(
    manifest: &Value,
    live: &Value,
    own: &FieldSet,
    subject: &Subject<'_>,
    directions: &Directions<'_>,
) -> Value {
    let view = subject.view;
    let mut cleaned = clean::for_apply(manifest);
    // Sent only at creation: applied again they would hold up a deletion that has begun.
    if let Some(metadata) = cleaned.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("finalizers");
    }
    let mut ours = FieldSet::default();
    for path in leaves(&FieldSet::of(&cleaned, view)) {
        if directions.way(&path) == Way::ToCluster {
            ours.insert(&path);
        }
    }
    let mut object = ours.project(&cleaned, view);
    let mut any = !ours.is_empty();
    for path in leaves(own).filter(|path| directions.keeps(path)) {
        if let Some(value) = compare::get(live, &path, view) {
            any |= compare::set(&mut object, &path, value.clone(), view).is_ok();
        }
    }
    if any {
        identify(&mut object, manifest, subject.id);
    } else {
        object = Value::Object(Map::new());
    }
    object
}

/// The owned fields without the marks of maps and list items. A mark stands before what is owned below it, whichever way
/// that goes: taken by itself it would take the whole.
fn leaves(set: &FieldSet) -> impl Iterator<Item = FieldPath> {
    let mut paths = set.paths().into_iter().peekable();
    std::iter::from_fn(move || {
        loop {
            let path = paths.next()?;
            if !paths.peek().is_some_and(|next| path.covers(next)) {
                return Some(path);
            }
        }
    })
}

/// Gives the object its apiVersion, kind, name and namespace, in front.
fn identify(object: &mut Value, manifest: &Value, id: &ObjectId) {
    let mut identified = Map::new();
    for key in ["apiVersion", "kind"] {
        identified.insert(key.to_owned(), manifest.get(key).cloned().unwrap_or_default());
    }
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), id.name().into());
    if let Some(namespace) = id.namespace() {
        metadata.insert("namespace".to_owned(), namespace.into());
    }
    let rest = std::mem::take(object);
    if let Value::Object(rest) = rest {
        for (key, value) in rest {
            match (key.as_str(), value) {
                ("apiVersion" | "kind", _) => {}
                ("metadata", Value::Object(fields)) => {
                    metadata.extend(fields.into_iter().filter(|(key, _)| key != "name" && key != "namespace"));
                }
                (_, value) => {
                    identified.insert(key, value);
                }
            }
        }
    }
    identified.insert("metadata".to_owned(), Value::Object(metadata));
    *object = Value::Object(identified);
}

fn own_fields(live: &Value, identity: &Identity) -> FieldSet {
    let own = managed::own_fields(live, &identity.manager()).unwrap_or_default();
    match identity.former_manager().and_then(|former| managed::own_fields(live, &former)) {
        Some(former) => own.union(&former),
        None => own,
    }
}

/// Another instance of this tool that owns one of the fields; it is reported, never forced.
fn other_instance(live: &Value, ours: &FieldSet, identity: &Identity) -> Option<String> {
    managed::entries_of(live, |name| identity.is_other_instance(name))
        .into_iter()
        .find(|entry| !entry.fields.intersect(ours).is_empty())
        .map(|entry| entry.manager.name)
}

/// Fields that we own and that the next apply no longer holds.
#[derive(Default)]
struct Left {
    /// Given up, value kept: another direction owns them now.
    released: Vec<FieldPath>,
    /// Dropped by the apply: they left Git and nobody else holds them.
    dropped: Vec<FieldPath>,
    /// Removed by hand: they left Git and kubectl still holds them.
    stripped: Vec<FieldPath>,
    /// They left Git and somebody else holds them.
    kept: Vec<Note>,
}

impl Left {
    fn of(
        fields: &FieldSet,
        live: &Value,
        subject: &Subject<'_>,
        directions: &Directions<'_>,
        identity: &Identity,
    ) -> Self {
        let mut left = Self::default();
        for path in fields.paths() {
            let (way, rule) = directions.of(&path);
            match way {
                _ if directions.keeps(&path) => {}
                Way::Idle => {}
                Way::ToGit | Way::Observed | Way::Uncovered => left.released.push(path),
                // People move to an autoscaler by taking the number out of Git: it must not fall to 1.
                Way::ToCluster | Way::Both if is_replicas(&path, subject) || autoscalers::writes(&path, subject) => {
                    left.released.push(path);
                }
                Way::ToCluster | Way::Both if holds_others(&path, live, subject, directions) => {
                    left.released.push(path)
                }
                // What left Git while the cluster did not change it goes, whoever owns it: the walk over both sides says so.
                Way::ToCluster | Way::Both if rule.is_some_and(|rule| rule.sync_to == Direction::Both) => {
                    left.dropped.push(path);
                }
                Way::ToCluster | Way::Both => left.gone_from_git(path, live, rule.map(|rule| rule.index), identity),
            }
        }
        left
    }

    fn gone_from_git(&mut self, path: FieldPath, live: &Value, rule: Option<RuleIndex>, identity: &Identity) {
        let ours = [Some(identity.manager()), identity.former_manager()];
        let others: Vec<String> = managed::owners_of(live, &path)
            .into_iter()
            .map(|manager| manager.name)
            .filter(|name| !ours.iter().flatten().any(|own| own == name))
            .collect();
        // An item or a map goes as a whole only if nobody else has anything in it; its fields are looked at one by one.
        let foreign = |entry: &managed::ManagedEntry| {
            let name = &entry.manager.name;
            !ours.iter().flatten().any(|own| own == name) && !is_kubectl(name) && entry.fields.touches(&path)
        };
        if !others.is_empty()
            && others.iter().all(|name| is_kubectl(name))
            && !is_key(&path)
            && !managed::entries(live).iter().any(foreign)
        {
            self.stripped.push(path.clone());
        } else if others.iter().any(|name| !is_kubectl(name)) {
            self.kept.push(Note {
                verb: Verb::Skipped,
                side: Side::Cluster,
                rule,
                reason: format!("left Git and is kept by {}", others.join(", ")),
                fields: vec![path.clone()],
            });
        }
        self.dropped.push(path);
    }
}

/// Whether nobody but us owns the field, or anything in it.
fn is_only_ours(live: &Value, path: &FieldPath, own: &FieldSet, identity: &Identity) -> bool {
    let ours = [Some(identity.manager()), identity.former_manager()];
    let foreign = |entry: &managed::ManagedEntry| {
        !ours.iter().flatten().any(|own| *own == entry.manager.name)
            && (entry.fields.touches(path) || entry.fields.covers(path))
    };
    own.contains(path) && !managed::entries(live).iter().any(foreign)
}

/// Whether the field is the mark of a map in which something goes another way: dropped, it would take the whole map along.
/// An item of a list goes as a whole.
fn holds_others(path: &FieldPath, live: &Value, subject: &Subject<'_>, directions: &Directions<'_>) -> bool {
    let is_map = matches!(path.elements().last(), Some(PathElement::Field(_)))
        && compare::get(live, path, subject.view).is_some_and(Value::is_object);
    let goes_elsewhere = |way: Way| !matches!(way, Way::ToCluster | Way::Both);
    is_map
        && FieldSet::of(live, subject.view)
            .paths()
            .iter()
            .any(|below| below != path && path.covers(below) && goes_elsewhere(directions.way(below)))
}

/// Whether the field is a key of its list item: it goes with its item and never by itself.
fn is_key(path: &FieldPath) -> bool {
    match path.elements() {
        [.., PathElement::Key(keys), PathElement::Field(name)] => keys.iter().any(|(key, _)| key == name),
        _ => false,
    }
}

/// The entries that kubectl leaves behind where people once created or applied by hand.
fn is_kubectl(manager: &str) -> bool {
    matches!(manager, "kubectl" | "kubectl-create" | "kubectl-client-side-apply" | "before-first-apply")
}

/// Whether the field is the replica count of a kind that can be scaled.
pub(super) fn is_replicas(path: &FieldPath, subject: &Subject<'_>) -> bool {
    subject.kind.scalable && *path == FieldPath::fields(["spec", "replicas"])
}

fn is_identity(path: &FieldPath) -> bool {
    ["apiVersion", "kind"].iter().any(|key| *path == FieldPath::fields([*key]))
        || ["name", "namespace"].iter().any(|key| *path == FieldPath::fields(["metadata", *key]))
}
