//! Owns what is said of fields on which the sides disagree: both values, and how somebody decides. Must never show a value
//! of a Secret.

use crate::object::{FieldPath, ObjectId};
use crate::report::terminal::escape_line;

use super::past::Undecided;
use super::plan::{Note, Plan, RuleIndex, Side, Verb};
use super::three_way::{Disagreement, Settled};
use super::told;

/// How many fields a sentence shows with their values.
const SHOWN: usize = 3;

/// Adds what the walk found to a plan.
pub(super) fn report(plan: &mut Plan, settled: Settled) {
    let Settled { conflicts, edits, patched, overruled, mut next, .. } = settled;
    let id = plan.id.clone();
    if let Some(first) = conflicts.first() {
        next.waits = Some(Undecided::Conflict);
        let reason = format!(
            "both sides changed {}; nothing is written there until {} or `--keep cluster`",
            said(&id, &conflicts),
            command(&id, Some(Side::Git))
        );
        hold(plan, Side::Git, first.rule, reason, &conflicts);
    }
    if let Some(first) = edits.first() {
        next.waits = next.waits.or(Some(Undecided::Edit));
        let reason = format!(
            "a commit changed {}; that stays until the cluster's value changes, or until {}",
            said(&id, &edits),
            command(&id, None)
        );
        hold(plan, Side::Git, first.rule, reason, &edits);
    }
    if let Some(first) = patched.first() {
        let rule = plan.existence;
        let reason =
            format!("{first} is set by a patch in Git, which `syncTo: both` does not carry; use `syncTo: git`");
        plan.notes.push(Note { verb: Verb::Skipped, side: Side::Git, rule, reason, fields: patched });
    }
    if !overruled.is_empty() {
        next.overruled = Some(format!("wins over what the cluster changed too: {}", said(&id, &overruled)));
    }
    plan.remembered = Some(Box::new(next));
}

fn hold(plan: &mut Plan, side: Side, rule: RuleIndex, reason: String, fields: &[Disagreement]) {
    let fields: Vec<FieldPath> = fields.iter().map(|field| field.path.clone()).collect();
    plan.notes.push(Note { verb: Verb::Held, side, rule: Some(rule), reason, fields });
}

/// The fields with what each side says: `.data.a (7 in Git, 5 in the cluster) and 2 more`.
fn said(id: &ObjectId, fields: &[Disagreement]) -> String {
    let one = |field: &Disagreement| {
        let name = escape_line(&field.path.to_string()).into_owned();
        let value = |value: &Option<_>| match value {
            None => Some("nothing".to_owned()),
            Some(value) => told::short(value),
        };
        match (value(&field.git), value(&field.live)) {
            (Some(git), Some(live)) if !id.is("", "Secret") => format!("{name} ({git} in Git, {live} in the cluster)"),
            _ if field.git.is_none() => format!("{name} (not in Git any more)"),
            _ if field.live.is_none() => format!("{name} (not in the cluster any more)"),
            _ => name,
        }
    };
    let shown: Vec<String> = fields.iter().take(SHOWN).map(one).collect();
    let more = fields.len().saturating_sub(SHOWN);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

/// What every hold says that somebody can decide.
pub(super) const RELEASE: &str = "`kubeferry release ";

/// The command that decides: `` `kubeferry release ConfigMap shop/a --keep git` ``.
pub(super) fn command(id: &ObjectId, keep: Option<Side>) -> String {
    let kind = if id.group().is_empty() { id.kind().to_owned() } else { format!("{}.{}", id.kind(), id.group()) };
    let name = match id.namespace() {
        Some(namespace) => format!("{namespace}/{}", id.name()),
        None => id.name().to_owned(),
    };
    let keep = keep.map(|side| format!(" --keep {}", side.as_str())).unwrap_or_default();
    format!("{RELEASE}{kind} {name}{keep}`")
}
