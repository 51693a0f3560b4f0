//! Owns what happens to an object that stands on one side only: the table of `docs/architecture.md`, *Existence*. Must
//! never delete without a base, a proof of absence and a complete read of both sides.

use serde_json::Value;

use crate::object::digest::Digest;
use crate::rules::{Direction, Rule, Secrets, skipped};

use super::evidence;
use super::plan::{Action, Plan, Side, Verb};
use super::planner::{Identity, Subject, directions, goes_elsewhere};
use super::{guards, missing, to_cluster, to_git};

/// A manifest whose object is not live.
pub(super) fn only_in_git(
    plan: &mut Plan,
    subject: &Subject<'_>,
    manifest: &Value,
    existence: Option<&Rule>,
    matching: &[&Rule],
) {
    let Some(rule) = existence else {
        return plan.note(
            Verb::Skipped,
            Side::Cluster,
            None,
            "no existence rule: in Git only; every rule that matches it has filters",
        );
    };
    let index = Some(rule.index);
    if rule.suspend {
        return plan.note(Verb::Skipped, Side::Cluster, index, format!("rule {} is suspended", rule.name));
    }
    match rule.sync_to {
        Direction::Kubernetes => create(plan, subject, manifest, rule, matching),
        Direction::Git if rule.restore && subject.base.is_none() => create(plan, subject, manifest, rule, matching),
        Direction::Git => remove(plan, subject, manifest, rule),
        Direction::Both => missing::only_in_git(plan, subject, manifest, rule, matching),
        Direction::Observe => plan.note(Verb::Differs, Side::Cluster, index, "in Git, not in the cluster"),
    }
}

pub(super) fn create(plan: &mut Plan, subject: &Subject<'_>, manifest: &Value, rule: &Rule, matching: &[&Rule]) {
    let index = Some(rule.index);
    if is_finished_job(subject, manifest) {
        return plan.note(
            Verb::Skipped,
            Side::Cluster,
            index,
            "has finished and its ttlSecondsAfterFinished removed it",
        );
    }
    let directions = directions(subject, matching, Some(manifest), None);
    directions.report(plan);
    let (object, release) = to_cluster::first_values(manifest, subject, &directions);
    plan.actions.push(Action::Create { object, release, rule: rule.index });
}

/// A Job that cleans up after itself is not made again while its manifest is the one that ran.
fn is_finished_job(subject: &Subject<'_>, manifest: &Value) -> bool {
    subject.id.is("batch", "Job")
        && manifest.pointer("/spec/ttlSecondsAfterFinished").is_some_and(|ttl| !ttl.is_null())
        && subject.base.is_some_and(|base| base.manifest == Digest::of_value(manifest))
}

/// Removes the manifest of what has gone, past the guards.
pub(super) fn remove(plan: &mut Plan, subject: &Subject<'_>, manifest: &Value, rule: &Rule) {
    if guards::may_remove(plan, subject, manifest, rule) {
        plan.actions.push(Action::Remove { rule: rule.index });
    }
}

/// An object without a manifest.
pub(super) fn only_live(
    plan: &mut Plan,
    subject: &Subject<'_>,
    live: &Value,
    existence: Option<&Rule>,
    matching: &[&Rule],
    identity: &Identity,
) {
    let deciding = existence.or_else(|| matching.first().copied());
    if let Some(rule) = deciding
        && subject.base.is_none()
        && skipped::never_captured(live, subject.kind, rule).is_some()
    {
        plan.selected = false;
        return;
    }
    let Some(rule) = existence else {
        if goes_elsewhere(subject, matching) {
            return;
        }
        return plan.note(
            Verb::Skipped,
            Side::Git,
            None,
            "no existence rule: in the cluster only; every rule that matches it has filters",
        );
    };
    let index = Some(rule.index);
    if rule.suspend {
        return plan.note(Verb::Skipped, Side::Git, index, format!("rule {} is suspended", rule.name));
    }
    match rule.sync_to {
        Direction::Kubernetes => prune(plan, subject, live, rule, identity),
        Direction::Git if missing::is_removal_kept(plan, subject, live, rule) => {}
        Direction::Git => write(plan, subject, live, rule, matching),
        Direction::Both => missing::only_live(plan, subject, live, rule, matching, identity),
        Direction::Observe => plan.note(Verb::Differs, Side::Git, index, "in the cluster, not in Git"),
    }
}

pub(super) fn write(plan: &mut Plan, subject: &Subject<'_>, live: &Value, rule: &Rule, matching: &[&Rule]) {
    let index = Some(rule.index);
    if is_withheld_secret(subject, rule) {
        return plan.note(Verb::Skipped, Side::Git, index, SECRET_STAYS);
    }
    if let Some(reason) = evidence::unclaimed(live, subject.view, rule) {
        return plan.note(Verb::Skipped, Side::Git, index, reason);
    }
    let path = match rule.path.render(subject.id, subject.kind, live) {
        Ok(path) => path,
        Err(error) => return plan.note(Verb::Held, Side::Git, index, format!("no place for its manifest: {error}")),
    };
    if let Some(reason) = subject.around.tree.and_then(|tree| tree.refuses(&path, subject.id)) {
        let reason = format!("{path} cannot take its manifest: it {reason}; give the rule another `path`");
        return plan.note(Verb::Held, Side::Git, index, reason);
    }
    let directions = directions(subject, matching, None, Some(live));
    directions.report(plan);
    let object = to_git::new_manifest(plan, live, subject, &directions);
    plan.actions.push(Action::Write { object, path, rule: rule.index });
}

/// Deletes what Git lacks, past the guards.
pub(super) fn prune(plan: &mut Plan, subject: &Subject<'_>, live: &Value, rule: &Rule, identity: &Identity) {
    if guards::may_delete(plan, subject, live, rule, identity) {
        let uid = live.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
        plan.actions.push(Action::Delete { uid: uid.to_owned(), version: None, rule: rule.index });
    }
}

/// Why a Secret does not reach Git.
pub(super) const SECRET_STAYS: &str = "a Secret does not reach Git unless its rule says `secrets: plain`";

/// Whether the object is a Secret that its rule keeps out of Git.
pub(super) fn is_withheld_secret(subject: &Subject<'_>, rule: &Rule) -> bool {
    subject.id.is("", "Secret") && rule.secrets != Secrets::Plain
}
