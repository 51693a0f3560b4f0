//! Owns which rule decides each field of one object. Must never let a fault of one rule fall through to the next: a
//! rule that is suspended or in error still covers its fields.

use serde_json::Value;

use crate::object::FieldPath;
use crate::object::schema::SchemaView;
use crate::rules::{Direction, Rule};

use super::plan::{Note, Plan, Side, Verb};

/// Where a field goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Git is the source.
    ToCluster,
    /// The cluster is the source.
    ToGit,
    /// Differences are only reported.
    Observed,
    /// A rule covers it and takes no action: it is suspended or in error.
    Idle,
    /// No rule covers it.
    Uncovered,
}

struct Covering<'a> {
    rule: &'a Rule,
    /// What the rule is limited to; `None`: every field.
    fields: Option<Vec<FieldPath>>,
    /// Fields whose filter cannot be honoured, and why.
    faults: Vec<(FieldPath, String)>,
}

/// The rules that match one object, with their filters resolved against it.
pub struct Directions<'a> {
    covering: Vec<Covering<'a>>,
}

impl<'a> Directions<'a> {
    /// Resolves the filters of every matching rule, in their order.
    pub fn new(matching: &[&'a Rule], manifest: Option<&Value>, live: Option<&Value>, view: SchemaView<'_>) -> Self {
        let covering = |rule: &&'a Rule| {
            let mut faults = Vec::new();
            let mut fields = Vec::new();
            for field in &rule.fields {
                match field.filter.resolve(manifest, live, view) {
                    Ok(paths) => fields.extend(paths),
                    Err(fault) => faults.push((fault.covers.clone(), fault.to_string())),
                }
            }
            Covering { rule, fields: (!rule.fields.is_empty()).then_some(fields), faults }
        };
        Self { covering: matching.iter().map(covering).collect() }
    }

    /// The first rule that covers the field, and where it sends it.
    pub fn of(&self, path: &FieldPath) -> (Way, Option<&'a Rule>) {
        for covering in &self.covering {
            let rule = covering.rule;
            if covering.faults.iter().any(|(fault, _)| fault.covers(path) || path.covers(fault)) {
                return (Way::Idle, Some(rule));
            }
            let covers = covering.fields.as_ref().is_none_or(|fields| fields.iter().any(|field| field.covers(path)));
            if covers {
                let way = match rule.sync_to {
                    _ if rule.suspend => Way::Idle,
                    Direction::Kubernetes => Way::ToCluster,
                    Direction::Git => Way::ToGit,
                    Direction::Observe => Way::Observed,
                };
                return (way, Some(rule));
            }
        }
        (Way::Uncovered, None)
    }

    /// The rules that match the object, in their order.
    pub fn rules(&self) -> impl Iterator<Item = &'a Rule> {
        self.covering.iter().map(|covering| covering.rule)
    }

    /// The first rule that covers every field.
    pub fn whole(&self) -> Option<&'a Rule> {
        self.covering.iter().find(|covering| covering.fields.is_none()).map(|covering| covering.rule)
    }

    /// Where the field goes.
    pub fn way(&self, path: &FieldPath) -> Way {
        self.of(path).0
    }

    /// Whether a filter of the deciding rule names exactly this field.
    pub fn names(&self, path: &FieldPath) -> bool {
        let Some(rule) = self.of(path).1 else { return false };
        let named = |covering: &&Covering<'_>| covering.rule.index == rule.index;
        self.covering
            .iter()
            .filter(named)
            .filter_map(|covering| covering.fields.as_ref())
            .flatten()
            .any(|field| field == path)
    }

    /// Whether a filter of any matching rule names the field `root` or something below it.
    pub fn names_below(&self, root: &str) -> bool {
        let root = FieldPath::fields([root]);
        self.covering.iter().filter_map(|covering| covering.fields.as_ref()).flatten().any(|field| root.covers(field))
    }

    /// Whether any matching rule sends fields this way.
    pub fn any(&self, way: Way) -> bool {
        self.covering.iter().any(|covering| {
            !covering.rule.suspend
                && match covering.rule.sync_to {
                    Direction::Kubernetes => way == Way::ToCluster,
                    Direction::Git => way == Way::ToGit,
                    Direction::Observe => way == Way::Observed,
                }
        })
    }

    /// Notes every suspended rule and every filter that cannot be honoured.
    pub fn report(&self, plan: &mut Plan) {
        for Covering { rule, faults, .. } in &self.covering {
            if rule.suspend {
                plan.note(Verb::Skipped, side(rule), Some(rule.index), format!("rule {} is suspended", rule.name));
            }
            for (field, fault) in faults {
                plan.notes.push(Note {
                    verb: Verb::Held,
                    side: side(rule),
                    rule: Some(rule.index),
                    reason: format!("rule {}: {fault}", rule.name),
                    fields: vec![field.clone()],
                });
            }
        }
    }
}

/// The side that a rule writes to.
fn side(rule: &Rule) -> Side {
    if rule.sync_to == Direction::Git { Side::Git } else { Side::Cluster }
}
