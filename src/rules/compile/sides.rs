//! Owns the keys that say what happens when the two sides disagree. Must never take a key that its direction gives no
//! meaning, without saying why.

use super::super::choices::{Conflict, Direction, GitEdits, choose};
use super::super::field::Field;
use super::super::format::Format;
use super::super::position::{Step, below};
use super::super::problem::Fault;
use super::super::raw::RawRule;
use super::super::reader::Report;

/// What a rule says of disagreement.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sides {
    pub(super) conflict: Conflict,
    pub(super) git_edits: GitEdits,
}

/// Reads `conflict` and `gitEdits`; `sync_to` is `None` when the rule does not say where changes go.
pub(super) fn sides(
    raw: &RawRule,
    rule: &[Step],
    sync_to: Option<Direction>,
    fields: &[Field],
    format: Format,
    report: &mut Report,
) -> Sides {
    let here = |name: &str| below(rule, Step::key(name));
    let conflict =
        raw.conflict.as_ref().and_then(|text| report.take(&here("conflict"), choose(&text.0, &Conflict::ALL)));
    let git_edits =
        raw.git_edits.as_ref().and_then(|text| report.take(&here("gitEdits"), choose(&text.0, &GitEdits::ALL)));
    let Some(sync_to) = sync_to else { return Sides::default() };
    if raw.conflict.is_some() && sync_to != Direction::Both {
        let who = match sync_to {
            Direction::Kubernetes => "Git always wins",
            Direction::Git => "the cluster always wins",
            Direction::Both | Direction::Observe => "nothing is written",
        };
        let fault = Fault::new(format!(
            "`conflict` says who wins when both sides changed a field; with `syncTo: {}` {who}",
            sync_to.as_str()
        ));
        report.key(&here("conflict"), fault.hint("write `syncTo: both`, or leave `conflict` out"));
    }
    if raw.git_edits.is_some() && sync_to != Direction::Git {
        let (why, hint) = match sync_to {
            Direction::Both => (
                "a commit counts as much as a change in the cluster",
                "`conflict` says who wins when both sides changed a field; leave `gitEdits` out",
            ),
            Direction::Observe => ("nothing is written", "write `syncTo: git`, or leave `gitEdits` out"),
            Direction::Kubernetes | Direction::Git => {
                ("Git decides, and every commit is applied", "write `syncTo: git`, or leave `gitEdits` out")
            }
        };
        let fault = Fault::new(format!(
            "`gitEdits` is about commits to what the cluster decides; with `syncTo: {}` {why}",
            sync_to.as_str()
        ));
        report.key(&here("gitEdits"), fault.hint(hint));
    }
    if git_edits == Some(GitEdits::Hold) && sync_to == Direction::Git {
        hold_needs_manifests(rule, fields, format, report);
    }
    creates_and_removes(raw, rule, sync_to, report);
    Sides { conflict: conflict.unwrap_or_default(), git_edits: git_edits.unwrap_or_default() }
}

/// `prune: matching` takes what stands on one side only for deleted on the other.
fn creates_and_removes(raw: &RawRule, rule: &[Step], sync_to: Direction, report: &mut Report) {
    if raw.prune.as_ref().is_none_or(|text| text.0 != "matching") {
        return;
    }
    let why = match sync_to {
        Direction::Both => "with `syncTo: both` the missing side is made",
        Direction::Git if raw.restore == Some(true) => "with `restore: true` the object is made",
        _ => return,
    };
    let fault = Fault::new(format!("`prune: matching` deletes what was never seen on both sides, and {why}"));
    report.value(&below(rule, Step::key("prune")), fault.hint("write `prune: owned`, or leave `prune` out"));
}

/// What a person changed is told by what the manifest said before: patches and other files have no such past.
fn hold_needs_manifests(rule: &[Step], fields: &[Field], format: Format, report: &mut Report) {
    let here = below(rule, Step::key("gitEdits"));
    if format.is_patch() {
        let fault = Fault::new(format!(
            "`gitEdits: hold` looks after fields of manifests, and a rule with `format: {}` writes patches",
            format.as_str()
        ));
        report.value(&here, fault.hint("leave `gitEdits` out, or leave `format` out"));
    } else if let Some(field) = fields.iter().find(|field| field.to.is_some()) {
        let fault = Fault::new(format!(
            "`gitEdits: hold` looks after fields where they stand, and `{}` is written elsewhere",
            field.filter
        ));
        report.value(&here, fault.hint("leave `gitEdits` out, or give that field a rule of its own"));
    }
}
