//! Owns the decision: what to do about one object, from its two sides, its base and the rules. Must never do I/O, look
//! at a clock or remember anything; the same input always gives the same plan.

use serde_json::Value;

use crate::manifest::{Index, Step};
use crate::object::labels::{KeptLabels, labels};
use crate::object::schema::SchemaView;
use crate::object::{Kind, ObjectId, RepoPath};
use crate::rules::{Candidate, Direction, Labels, Rule, Rules, Target, skipped};

use super::autoscalers::Aim;
use super::base::{Answer, Base};
use super::directions::Directions;
use super::existence;
use super::fights::Fought;
use super::fought;
use super::guards::Guard;
use super::past::Past;
use super::plan::{Action, Plan, Side, Verb};
use super::spots::{Fragment, Spots};
use super::targets::{self, TargetFiles};
use super::{disagreements, patches, settled, three_way, to_cluster, to_git};

/// Who we are: the names by which our own work is told from that of others.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Namespace of the state, the Lease and the Events.
    pub namespace: String,
    /// Name of the instance.
    pub name: String,
    /// A former identity (`NAMESPACE/NAME`) whose field-manager entries count as ours.
    pub takes_over: Option<String>,
}

impl Identity {
    /// Field manager of server-side apply.
    pub fn manager(&self) -> String {
        format!("{MANAGER_PREFIX}{}/{}", self.namespace, self.name)
    }

    /// Whether a field manager is another instance of this tool.
    pub(super) fn is_other_instance(&self, manager: &str) -> bool {
        manager.starts_with(MANAGER_PREFIX)
            && manager != self.manager()
            && self.former_manager().is_none_or(|former| manager != former)
    }

    /// Field manager of the identity that is taken over.
    pub fn former_manager(&self) -> Option<String> {
        self.takes_over.as_ref().map(|former| format!("{MANAGER_PREFIX}{former}"))
    }
}

/// What every field manager of this tool begins with.
pub const MANAGER_PREFIX: &str = "kubeferry:";

/// The Git side of one object.
#[derive(Clone, Copy, Debug)]
pub enum InGit<'a> {
    /// No manifest, and nothing that may hide one.
    Absent,
    /// One manifest, as it is written.
    Present(&'a Value),
    /// There may be a manifest, but it cannot be read or told; says why.
    Unreadable(&'a str),
}

/// The cluster side of one object.
#[derive(Clone, Copy, Debug)]
pub enum InCluster<'a> {
    /// Not live, and it is proven that it was deleted: see `docs/decisions.md` 7.
    Gone,
    /// Not seen by a synced watch; enough to create it, never enough to remove its manifest.
    Unseen,
    /// Not live for a reason that is not its own deletion; says which.
    Withheld(&'a str),
    /// Live, whole.
    Present(&'a Value),
}

/// Everything that a plan for one object depends on, the rules aside.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The object.
    pub id: &'a ObjectId,
    /// What discovery knows of its kind.
    pub kind: &'a Kind,
    /// Its manifest.
    pub git: InGit<'a>,
    /// Its live state.
    pub live: InCluster<'a>,
    /// The state in which both last agreed.
    pub base: Option<&'a Base>,
    /// What admission made of our last apply.
    pub answer: Option<Answer>,
    /// Schema of the kind.
    pub view: SchemaView<'a>,
    /// Labels of its Namespace; `None` when it has none or it is not known.
    pub namespace_labels: Option<&'a Labels>,
    /// The guard for which nothing may be deleted yet on either side (no whole commit read, a watch not synced).
    pub deletes_wait: Option<Guard>,
    /// Whether the side on which it has gone said `kubeferry.io/prune: disabled` when it was last seen there.
    pub opted_out: bool,
    /// What is known of its fields' past.
    pub past: Past<'a>,
    /// What is not written because somebody keeps undoing it.
    pub fought: &'a [Fought],
    /// What autoscalers write of the object.
    pub autoscaled: &'a [Aim],
    /// What else of Git it depends on.
    pub around: Surroundings<'a>,
}

/// What of Git a plan depends on beside the manifest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings<'a> {
    /// Patches of the object.
    pub fragments: &'a [Fragment],
    /// Files that its fields are written to.
    pub files: Option<&'a TargetFiles>,
    /// Kustomizations, and where what stands.
    pub tree: Option<&'a Index>,
}

impl Subject<'_> {
    fn manifest(&self) -> Option<&Value> {
        if let InGit::Present(manifest) = self.git { Some(manifest) } else { None }
    }

    fn live(&self) -> Option<&Value> {
        if let InCluster::Present(live) = self.live { Some(live) } else { None }
    }
}

/// Plans one object.
///
/// An object with a base is first matched by the labels it had then, so that the rule that held it carries a change of
/// labels through; once its sides agree, its own labels decide.
pub fn plan(subject: &Subject<'_>, rules: &Rules, identity: &Identity) -> Plan {
    let by_base = plan_as(subject, rules, identity, subject.base);
    let carries_through = by_base.selected && !by_base.agrees;
    let mut plan = match carries_through || !has_other_labels(subject) {
        true => by_base,
        false => plan_as(subject, rules, identity, None),
    };
    fought::existence(&mut plan, subject);
    plan
}

/// Whether a side has other labels than when both agreed.
fn has_other_labels(subject: &Subject<'_>) -> bool {
    let Some(base) = subject.base else { return false };
    let moved = |side: Option<&Value>, then: &KeptLabels| side.is_some_and(|object| KeptLabels::of(object) != *then);
    moved(subject.manifest(), &base.manifest_labels) || moved(subject.live(), &base.live_labels)
}

/// The files that the object's fields are written to, and the paths in them: a plan needs to know what they say.
pub fn files(subject: &Subject<'_>, rules: &Rules) -> Vec<(RepoPath, Vec<Step>)> {
    let (Some(live), true) = (subject.live(), rules.rules.iter().any(writes_to_file)) else { return Vec::new() };
    let mut found = Vec::new();
    // With the labels of its base it is selected as with its own, unless those have changed.
    let labels: &[Option<&Base>] = if has_other_labels(subject) { &[subject.base, None] } else { &[None] };
    for labels_of in labels {
        let matching = matching(subject, rules, *labels_of);
        if matching.iter().copied().any(writes_to_file) {
            let directions = directions(subject, &matching, subject.manifest(), Some(live));
            found.extend(directions.files().map(|(path, steps)| (path.clone(), steps.to_vec())));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Whether a field of the rule is written to another file.
fn writes_to_file(rule: &Rule) -> bool {
    rule.fields.iter().any(|field| matches!(field.to, Some(Target::File { .. })))
}

/// The rules that select the object, by the labels of its base if it is given.
fn matching<'r>(subject: &Subject<'_>, rules: &'r Rules, labels_of: Option<&Base>) -> Vec<&'r Rule> {
    // When a side is missing, its labels are those of its base, else those of the other side (`docs/decisions.md` 2).
    let of_base = |kept: fn(&Base) -> &KeptLabels| subject.base.map(|base| kept(base).labels());
    let side = |object: Option<&Value>, kept: fn(&Base) -> &KeptLabels| match labels_of {
        Some(base) => Some(kept(base).labels()),
        None => object.map(labels).or_else(|| of_base(kept)),
    };
    let manifest_labels = side(subject.manifest(), |base| &base.manifest_labels);
    let live_labels = side(subject.live(), |base| &base.live_labels);
    let candidate = Candidate {
        id: subject.id,
        kind: subject.kind,
        manifest_labels: manifest_labels.as_ref(),
        live_labels: live_labels.as_ref(),
        base_labels: None,
        namespace_labels: subject.namespace_labels,
    };
    rules.matching(&candidate).collect()
}

fn plan_as(subject: &Subject<'_>, rules: &Rules, identity: &Identity, labels_of: Option<&Base>) -> Plan {
    let mut plan = Plan::nothing(subject.id);
    if skipped::is_own(subject.id, &identity.namespace, &identity.name) {
        return plan;
    }
    let matching = matching(subject, rules, labels_of);
    let existence = matching.iter().copied().find(|rule| rule.decides_existence());
    plan.selected = !matching.is_empty();
    plan.existence = existence.map(|rule| rule.index);
    if matching.is_empty() {
        return plan;
    }
    if let InGit::Unreadable(reason) = subject.git
        && (existence.is_some() || !goes_elsewhere(subject, &matching))
    {
        plan.note(Verb::Held, Side::Git, plan.existence, format!("its manifest cannot be read: {reason}"));
    }
    if subject.live().is_some_and(is_terminating) {
        plan.note(Verb::Pending, Side::Cluster, plan.existence, "is being deleted");
        return plan;
    }
    match (subject.git, subject.live()) {
        (InGit::Absent, None) | (InGit::Unreadable(_), None) => {}
        (InGit::Unreadable(_), Some(live)) => {
            let directions = directions(subject, &matching, None, Some(live));
            beside(&mut plan, subject, None, live, &matching, &directions);
        }
        (InGit::Present(manifest), None) => {
            existence::only_in_git(&mut plan, subject, manifest, existence, &matching);
        }
        (InGit::Absent, Some(live)) => {
            existence::only_live(&mut plan, subject, live, existence, &matching, identity);
            let written = plan.actions.iter().find_map(|action| match action {
                Action::Write { object, .. } => Some(object.clone()),
                _ => None,
            });
            if plan.selected && !plan.actions.iter().any(Action::deletes) {
                let directions = directions(subject, &matching, None, Some(live));
                beside(&mut plan, subject, written.as_ref(), live, &matching, &directions);
            }
        }
        (InGit::Present(manifest), Some(live)) => {
            on_both_sides(&mut plan, subject, manifest, live, &matching, identity);
        }
    }
    plan
}

/// Whether fields of the object have places of their own, whatever becomes of its manifest.
pub(super) fn goes_elsewhere(subject: &Subject<'_>, matching: &[&Rule]) -> bool {
    !subject.around.fragments.is_empty() || matching.iter().any(|rule| rule.format.is_patch() || writes_to_file(rule))
}

pub(super) fn directions<'r>(
    subject: &Subject<'_>,
    matching: &[&'r Rule],
    manifest: Option<&Value>,
    live: Option<&Value>,
) -> Directions<'r> {
    let directions = Directions::new(matching, manifest, live, subject.view);
    directions.without(subject.fought).carrying(subject.id, subject.kind, manifest, live, subject.view)
}

/// Plans what goes to Git beside the manifest: patches, and values in other files.
fn beside(
    plan: &mut Plan,
    subject: &Subject<'_>,
    manifest: Option<&Value>,
    live: &Value,
    matching: &[&Rule],
    directions: &Directions<'_>,
) {
    if !goes_elsewhere(subject, matching) {
        return;
    }
    if manifest.is_none() {
        directions.report(plan);
    }
    let spots = Spots::new(subject.around.fragments, Some(live), directions, subject.view);
    patches::plan(plan, subject, manifest, live, matching, directions, &spots);
    targets::plan(plan, subject, directions);
}

fn on_both_sides(
    plan: &mut Plan,
    subject: &Subject<'_>,
    manifest: &Value,
    live: &Value,
    matching: &[&Rule],
    identity: &Identity,
) {
    let is_settled = settled::is_settled(subject, (manifest, live), matching, identity);
    if is_settled && !cfg!(debug_assertions) {
        plan.agrees = true;
        return;
    }
    let mut directions = directions(subject, matching, Some(manifest), Some(live));
    let (mut removed, mut rests) = (Vec::new(), false);
    if matching.iter().copied().any(three_way::concerns) {
        let seen = directions.seen(live, subject.view);
        let spots = Spots::new(subject.around.fragments, Some(live), &directions, subject.view);
        let mut settled = three_way::settle(subject, manifest, live, &seen, &directions, &spots);
        (removed, rests) = (std::mem::take(&mut settled.removed), settled.rests);
        let ways = std::mem::take(&mut settled.ways);
        drop(spots);
        drop(seen);
        disagreements::report(plan, settled);
        directions = directions.settled(ways);
    }
    let spots = Spots::new(subject.around.fragments, Some(live), &directions, subject.view);
    directions.report(plan);
    to_cluster::plan(plan, subject, manifest, live, &directions, &removed, identity);
    to_git::plan(plan, subject, manifest, live, &directions, &spots);
    beside(plan, subject, Some(manifest), live, matching, &directions);
    fought::fields(plan, subject, manifest, live, identity);
    let active = matching.iter().any(|rule| !rule.suspend && rule.sync_to != Direction::Observe);
    let open = plan.notes.iter().any(|note| matches!(note.verb, Verb::Held | Verb::Pending));
    plan.agrees = active && plan.actions.is_empty() && !open && !rests;
    debug_assert!(!is_settled || plan.agrees && plan.notes.is_empty(), "{}: {:?}", plan.id, plan.notes);
}

/// Whether an annotation on the object opts it out of being deleted by us.
pub(super) fn opts_out_of_prune(object: &Value) -> bool {
    object.pointer("/metadata/annotations/kubeferry.io~1prune").and_then(Value::as_str) == Some("disabled")
}

pub(super) fn is_terminating(live: &Value) -> bool {
    live.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null())
}

#[cfg(test)]
#[path = "planner_tests.rs"]
mod tests;
