//! Owns the fields that another manager holds with another value under a rule with `forceConflicts: false`. Must never take
//! such a field over, nor give up what we own of it.

use serde_json::Value;

use crate::object::fieldset::FieldSet;
use crate::object::schema::SchemaView;
use crate::object::{FieldPath, compare, managed};

use super::directions::Directions;
use super::plan::{Note, Plan, Side, Verb};
use super::planner::Identity;

/// What a plan leaves to other managers.
#[derive(Default)]
pub(super) struct Contested {
    fields: Vec<FieldPath>,
    managers: Vec<String>,
    /// Whether some rule of the object does not force.
    is_careful: bool,
}

impl Contested {
    /// Takes out of `object` what is not to be forced, of the fields that differ. What we own of it stays at its live value:
    /// left out, it would fall.
    pub(super) fn take_out(
        object: &mut Value,
        live: &Value,
        (own, view): (&FieldSet, SchemaView<'_>),
        directions: &Directions<'_>,
        identity: &Identity,
    ) -> Self {
        let mut contested =
            Self { is_careful: directions.rules().any(|rule| !rule.force_conflicts), ..Self::default() };
        if !contested.is_careful {
            return contested;
        }
        let projected = FieldSet::of(object, view).project(live, view);
        for path in compare::differences(object, &projected, view) {
            if !contested.leaves(&path, live, directions, identity) {
                continue;
            }
            match compare::get(live, &path, view).filter(|_| own.covers(&path)) {
                Some(value) => drop(compare::set(object, &path, value.clone(), view)),
                None => drop(compare::remove(object, &path, view)),
            }
        }
        contested
    }

    /// Whether a field is left to those who hold it; it is noted then.
    pub(super) fn leaves(
        &mut self,
        path: &FieldPath,
        live: &Value,
        directions: &Directions<'_>,
        identity: &Identity,
    ) -> bool {
        if !self.is_careful || directions.of(path).1.is_none_or(|rule| rule.force_conflicts) {
            return false;
        }
        let ours = [Some(identity.manager()), identity.former_manager()];
        // As the API server does it: who owns the map around the field does not hold the field.
        let holding = managed::entries(live).into_iter().filter(|entry| entry.fields.contains(path));
        let others = holding.map(|entry| entry.manager.name);
        let others: Vec<String> = others.filter(|name| !ours.iter().flatten().any(|own| own == name)).collect();
        if others.is_empty() {
            return false;
        }
        self.fields.push(path.clone());
        self.managers.extend(others);
        true
    }

    /// Whether an apply may take fields over: with a rule that does not force it may not, so that a manager who comes in
    /// between is seen as well, unless a rule that forces has a field to take.
    pub(super) fn may_force(
        &self,
        changed: &[FieldPath],
        live: &Value,
        directions: &Directions<'_>,
        identity: &Identity,
    ) -> bool {
        let takes = |path: &FieldPath| {
            directions.of(path).1.is_some_and(|rule| rule.force_conflicts)
                && managed::owners_of(live, path).iter().any(|manager| manager.name != identity.manager())
        };
        !self.is_careful || changed.iter().any(takes)
    }

    /// Says what is left to whom.
    pub(super) fn report(mut self, plan: &mut Plan, directions: &Directions<'_>) {
        self.managers.sort();
        self.managers.dedup();
        let Some(rule) = self.fields.first().and_then(|path| directions.of(path).1) else { return };
        let reason = format!(
            "{} holds another value, and the rule says `forceConflicts: false`; take the field out of Git, or let it be given up \
             there",
            self.managers.join(", ")
        );
        plan.notes.push(Note {
            verb: Verb::Held,
            side: Side::Cluster,
            rule: Some(rule.index),
            reason,
            fields: self.fields,
        });
    }
}
