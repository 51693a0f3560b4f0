//! Owns what happens when one side of an object went and the other may have changed since: `syncTo: both`, and manifests
//! that somebody removed under `gitEdits: hold`. Must never delete what changed since both sides agreed.

use serde_json::Value;

use crate::object::digest::Digest;
use crate::object::fieldset::FieldSet;
use crate::object::{FieldPath, clean, compare};
use crate::rules::{GitEdits, Rule};

use super::changes;
use super::disagreements::command;
use super::existence::{create, prune, remove, write};
use super::guards::Guard;
use super::past::{Edit, Remembered, Then, Undecided};
use super::plan::{Plan, Side, Verb};
use super::planner::{Identity, InCluster, Subject, directions};

/// A manifest of a rule with `syncTo: both` whose object is not live.
pub(super) fn only_in_git(plan: &mut Plan, subject: &Subject<'_>, manifest: &Value, rule: &Rule, matching: &[&Rule]) {
    if subject.base.is_none() {
        return create(plan, subject, manifest, rule, matching);
    }
    let is_changed = manifest_changed(subject, manifest);
    let may_be_changed = is_changed != Some(false);
    if subject.past.keep.is_some() {
        uses_release(plan, subject);
    }
    match subject.past.keep {
        Some(Side::Git) => create(plan, subject, manifest, rule, matching),
        None if may_be_changed && matches!(subject.live, InCluster::Unseen) => {
            let reason = Guard::Delay.says("gone from the cluster; it may come back within `deleteDelay`");
            plan.note(Verb::Pending, Side::Git, Some(rule.index), reason);
        }
        None if may_be_changed && matches!(subject.live, InCluster::Gone) => {
            let why = match is_changed {
                Some(_) => "its manifest was changed since both sides agreed",
                None => "the rules before did not compare all of its manifest",
            };
            let reason = format!(
                "gone from the cluster, and {why}: {} makes it again, `--keep cluster` removes the manifest",
                command(subject.id, Some(Side::Git))
            );
            hold(plan, subject, Side::Git, rule, reason);
        }
        Some(Side::Cluster) | None => remove(plan, subject, manifest, rule),
    }
}

/// A live object of a rule with `syncTo: both` that has no manifest.
pub(super) fn only_live(
    plan: &mut Plan,
    subject: &Subject<'_>,
    live: &Value,
    rule: &Rule,
    matching: &[&Rule],
    identity: &Identity,
) {
    if subject.base.is_none() {
        return write(plan, subject, live, rule, matching);
    }
    if subject.past.keep.is_some() {
        uses_release(plan, subject);
    }
    let changed = changes::live_changed(subject, live, &directions(subject, matching, None, Some(live)));
    let why = match (subject.past.keep, changed) {
        (Some(Side::Cluster), _) => return write(plan, subject, live, rule, matching),
        (Some(Side::Git), _) | (None, Some(false)) => return prune(plan, subject, live, rule, identity),
        (None, Some(true)) => "it was changed in the cluster since both sides agreed",
        (None, None) => "what both sides agreed on cannot be read any more",
    };
    let reason = format!(
        "gone from Git, and {why}: {} deletes it, `--keep cluster` writes its manifest again",
        command(subject.id, Some(Side::Git))
    );
    hold(plan, subject, Side::Cluster, rule, reason);
}

/// A live object of which the cluster decides and whose manifest somebody removed. Returns whether that stays so.
pub(super) fn is_removal_kept(plan: &mut Plan, subject: &Subject<'_>, live: &Value, rule: &Rule) -> bool {
    if rule.git_edits != GitEdits::Hold || subject.base.is_none() {
        return false;
    }
    if subject.past.released {
        return uses_release(plan, subject);
    }
    let root = FieldPath::root();
    let part = match subject.past.manifest {
        Some(then) => FieldSet::of(&clean::for_apply(then), subject.view).project(live, subject.view),
        None => clean::for_git(live),
    };
    let now = Edit { path: root.clone(), git: Then::Absent, live: Then::Is(Digest::of_value(&part)) };
    let known = subject.past.edits.iter().find(|edit| edit.path == root).cloned();
    let is_kept = known.as_ref().is_none_or(|known| known.live == now.live);
    let mut next = unchanged(subject);
    next.edits = vec![known.unwrap_or(now)];
    if is_kept {
        next.waits = Some(Undecided::Edit);
        let reason = format!(
            "a commit removed its manifest; that stays until the object changes, or until {}",
            command(subject.id, None)
        );
        plan.note(Verb::Held, Side::Git, Some(rule.index), reason);
    }
    plan.remembered = Some(Box::new(next));
    is_kept
}

fn hold(plan: &mut Plan, subject: &Subject<'_>, side: Side, rule: &Rule, reason: String) {
    plan.note(Verb::Held, side, Some(rule.index), reason);
    plan.remembered = Some(Box::new(Remembered { waits: Some(Undecided::Existence), ..unchanged(subject) }));
}

/// A release decides: it is not spent before what it decides was carried out. Always `false`: nothing is kept.
fn uses_release(plan: &mut Plan, subject: &Subject<'_>) -> bool {
    plan.remembered = Some(Box::new(Remembered { uses_release: true, ..unchanged(subject) }));
    false
}

fn unchanged(subject: &Subject<'_>) -> Remembered {
    let past = subject.past;
    Remembered { apart: past.apart.to_vec(), edits: past.edits.to_vec(), ..Remembered::default() }
}

/// Whether Git says something else than when both sides agreed; `None`: rules that compared fewer fields agreed on less.
fn manifest_changed(subject: &Subject<'_>, manifest: &Value) -> Option<bool> {
    let past = subject.past;
    let is_other = match past.manifest {
        Some(then) => !compare::same(manifest, then, subject.view),
        None => subject.base.is_none_or(|base| base.manifest != Digest::of_value(manifest)),
    };
    let cleaned = clean::for_apply(manifest);
    let now = |path: &FieldPath| Then::of(compare::get(&cleaned, path, subject.view));
    let is_changed = is_other || past.apart.iter().any(|apart| apart.git.differs(now(&apart.path)).unwrap_or(true));
    let is_known = is_changed || past.manifest.is_some() || subject.base.is_some_and(|base| base.is_whole);
    is_known.then_some(is_changed)
}
