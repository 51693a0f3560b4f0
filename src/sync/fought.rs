//! Owns what a plan does not do, and says of it, while somebody keeps undoing it. Must never write what is held.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::object::schema::SchemaView;
use crate::object::{FieldPath, compare, managed};

use super::plan::{Action, Note, Plan, Side, Verb};
use super::planner::{Identity, Subject};

/// Notes the fields that are fought over and differ now.
pub(super) fn fields(plan: &mut Plan, subject: &Subject<'_>, manifest: &Value, live: &Value, identity: &Identity) {
    for side in [Side::Cluster, Side::Git] {
        let fields =
            subject.fought.iter().filter(|fought| fought.side == side).filter_map(|fought| fought.field.as_ref());
        let differs = |field: &&FieldPath| !is_same(manifest, live, field, subject.view);
        let fields: Vec<FieldPath> = fields.filter(differs).cloned().collect();
        if fields.is_empty() {
            continue;
        }
        let reason = match side {
            Side::Cluster => {
                let others = others(live, &fields, identity);
                format!(
                    "{others} keeps changing it back, so nothing more is written there for a while; take it out of Git, give \
                     it a rule of another direction, or stop the other, then {}",
                    release(subject)
                )
            }
            Side::Git => format!(
                "commits keep changing it back, so nothing more is written there for a while; stop them, or give the field \
                 a rule of another direction, then {}",
                release(subject)
            ),
        };
        plan.notes.push(Note { verb: Verb::Held, side, rule: plan.existence, reason, fields });
    }
}

/// Takes out what would make an object or its manifest, or remove it, while that is fought over.
pub(super) fn existence(plan: &mut Plan, subject: &Subject<'_>) {
    for fought in subject.fought.iter().filter(|fought| fought.field.is_none()) {
        let decides = |action: &Action| {
            let decides = matches!(action, Action::Create { .. } | Action::Write { .. }) || action.deletes();
            decides && action.side() == fought.side
        };
        if !plan.actions.iter().any(decides) {
            continue;
        }
        plan.actions.retain(|action| !decides(action));
        plan.agrees = false;
        let what = if fought.side == Side::Cluster { "the object" } else { "its manifest" };
        let reason = format!(
            "somebody keeps undoing that {what} is made or removed, so it is left for a while; stop that, or give it a rule \
             of another direction, then {}",
            release(subject)
        );
        plan.note(Verb::Held, fought.side, plan.existence, reason);
    }
}

fn release(subject: &Subject<'_>) -> String {
    format!("`kubeferry release {}`", subject.id)
}

fn is_same(manifest: &Value, live: &Value, field: &FieldPath, view: SchemaView<'_>) -> bool {
    let of_field = field.elements().iter().fold(view, |view, element| view.below(element));
    match (compare::get(manifest, field, view), compare::get(live, field, view)) {
        (Some(manifest), Some(live)) => compare::same(manifest, live, of_field),
        (None, None) => true,
        _ => false,
    }
}

/// Who else owns one of the fields, as it reads in a sentence.
fn others(live: &Value, fields: &[FieldPath], identity: &Identity) -> String {
    let ours = [Some(identity.manager()), identity.former_manager()];
    let owners = fields.iter().flat_map(|field| managed::owners_of(live, field)).map(|manager| manager.name);
    let others: BTreeSet<String> = owners.filter(|name| !ours.iter().flatten().any(|own| own == name)).collect();
    match others.is_empty() {
        true => "somebody who leaves no field manager".to_owned(),
        false => others.into_iter().collect::<Vec<_>>().join(", "),
    }
}
