//! Owns which rule decides each field of one object. Must never let a fault of one rule fall through to the next: a
//! rule that is suspended or in error still covers its fields.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::manifest::Step;
use crate::object::schema::SchemaView;
use crate::object::{FieldPath, Kind, ObjectId, RepoPath, compare};
use crate::rules::{Direction, GitEdits, Rule};

use super::carried::Carried;
use super::fights::Fought;
use super::plan::{Note, Plan, Side, Verb};

/// Where a field goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Git is the source.
    ToCluster,
    /// The cluster is the source.
    ToGit,
    /// Either side is: whichever changed since both agreed.
    Both,
    /// Differences are only reported.
    Observed,
    /// A rule covers it and takes no action: it is suspended or in error, or somebody keeps changing the field back.
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
    /// Fields that reach Git as another value, or elsewhere.
    carried: Vec<Carried<'a>>,
    /// Which way fields go that either side may have changed; empty until that is settled.
    settled: BTreeMap<FieldPath, Way>,
    /// Fields that nothing is written to for now.
    held: Vec<FieldPath>,
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
        let covering = matching.iter().map(covering).collect();
        Self { covering, carried: Vec::new(), settled: BTreeMap::new(), held: Vec::new() }
    }

    /// The same, but nothing is written to what is fought over.
    #[must_use]
    pub fn without(mut self, fought: &[Fought]) -> Self {
        self.held = fought.iter().filter_map(|fought| fought.field.clone()).collect();
        self
    }

    /// The same, with the values of the fields that reach Git as another value, or elsewhere.
    #[must_use]
    pub fn carrying(
        mut self,
        id: &ObjectId,
        kind: &Kind,
        manifest: Option<&Value>,
        live: Option<&Value>,
        view: SchemaView<'_>,
    ) -> Self {
        let mut carried = Vec::new();
        for position in 0..self.covering.len() {
            let Some(rule) = self.covering.get(position).map(|covering| covering.rule) else { continue };
            for field in rule.fields.iter().filter(|field| field.transform.is_some() || field.to.is_some()) {
                match Carried::of(rule, field, (id, kind), manifest, live, view) {
                    Ok(found) => {
                        let decides = |source: &FieldPath| self.of(source).1.is_some_and(|by| by.index == rule.index);
                        carried.extend(found.into_iter().filter(|carried| decides(&carried.source)));
                    }
                    Err(fault) => self.covering.get_mut(position).into_iter().for_each(|all| {
                        if !all.faults.contains(&fault) {
                            all.faults.push(fault.clone());
                        }
                    }),
                }
            }
        }
        self.carried = carried;
        self
    }

    /// The same, where it was found which side changed which field.
    #[must_use]
    pub(super) fn settled(mut self, ways: BTreeMap<FieldPath, Way>) -> Self {
        self.settled = ways;
        self
    }

    /// The first rule that covers the field, and where it sends it.
    pub fn of(&self, path: &FieldPath) -> (Way, Option<&'a Rule>) {
        let (way, rule) = self.decided(path);
        let is_held = !self.held.is_empty() && self.held.iter().any(|held| held.covers(path));
        if is_held && rule.is_some() { (Way::Idle, rule) } else { (way, rule) }
    }

    fn decided(&self, path: &FieldPath) -> (Way, Option<&'a Rule>) {
        let (way, rule) = self.by_rule(path);
        let is_open =
            way == Way::Both || way == Way::ToGit && rule.is_some_and(|rule| rule.git_edits == GitEdits::Hold);
        if !is_open || self.settled.is_empty() {
            return (way, rule);
        }
        let mut above = path.clone();
        loop {
            if let Some(settled) = self.settled.get(&above) {
                return (*settled, rule);
            }
            if above.pop().is_none() {
                return (if way == Way::Both { Way::ToCluster } else { way }, rule);
            }
        }
    }

    /// Whether what we own of the field stays ours at its live value, whichever way that goes: left out of an apply, it
    /// would fall.
    pub(super) fn keeps(&self, path: &FieldPath) -> bool {
        let (way, rule) = self.of(path);
        way == Way::Idle || way == Way::ToGit && rule.is_some_and(|rule| rule.sync_to == Direction::Both)
    }

    /// The first rule that covers the field, and what it says. What a rule writes another field to is its own.
    fn by_rule(&self, path: &FieldPath) -> (Way, Option<&'a Rule>) {
        if let Some(carried) = self.carried.iter().find(|carried| carried.writes_to(path)) {
            return (if carried.rule.suspend { Way::Idle } else { Way::ToGit }, Some(carried.rule));
        }
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
                    Direction::Both => Way::Both,
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

    /// Whether one rule alone decides, about every field, and sends all of them this way.
    pub(super) fn all_go(&self, way: Way) -> bool {
        let is_whole = |only: &Covering<'_>| only.fields.is_none() && only.faults.is_empty();
        matches!(self.covering.as_slice(), [only] if is_whole(only))
            && self.held.is_empty()
            && self.carried.is_empty()
            && self.way(&FieldPath::root()) == way
    }

    /// Where the field goes.
    pub fn way(&self, path: &FieldPath) -> Way {
        self.of(path).0
    }

    /// Whether a filter of the deciding rule names exactly this field.
    pub fn names(&self, path: &FieldPath) -> bool {
        let Some(rule) = self.of(path).1 else { return false };
        self.fields_of(rule).any(|field| field == path)
    }

    /// The fields that the filters of a rule name in this object; none for a rule without.
    pub(super) fn fields_of(&self, rule: &Rule) -> impl Iterator<Item = &FieldPath> {
        let index = rule.index;
        let own = self.covering.iter().filter(move |covering| covering.rule.index == index);
        own.filter_map(|covering| covering.fields.as_ref()).flatten()
    }

    /// Every field that a filter names in this object.
    pub(super) fn named(&self) -> impl Iterator<Item = &FieldPath> {
        self.covering.iter().filter_map(|covering| covering.fields.as_ref()).flatten()
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
                    Direction::Both => matches!(way, Way::Both | Way::ToCluster | Way::ToGit),
                    Direction::Observe => way == Way::Observed,
                }
        })
    }

    /// Fields that reach Git as another value, or elsewhere.
    pub(super) fn carried(&self) -> &[Carried<'a>] {
        &self.carried
    }

    /// Whether the field is written elsewhere than where it stands, or is what another field is written to.
    pub(super) fn is_elsewhere(&self, path: &FieldPath) -> bool {
        self.carried
            .iter()
            .any(|carried| carried.to.is_some() && carried.source.covers(path) || carried.writes_to(path))
    }

    /// Whether the field, or one below it, reaches Git as another value.
    pub(super) fn is_transformed(&self, path: &FieldPath) -> bool {
        let as_other = |carried: &Carried<'_>| carried.is_transformed && carried.to.is_none();
        self.carried
            .iter()
            .any(|carried| as_other(carried) && (carried.source.covers(path) || path.covers(&carried.source)))
    }

    /// The live object as Git is to see it: with the values that transforms make.
    pub(super) fn seen<'v>(&self, live: &'v Value, view: SchemaView<'_>) -> Cow<'v, Value> {
        let mut seen = Cow::Borrowed(live);
        for carried in self.carried.iter().filter(|carried| carried.is_transformed && carried.to.is_none()) {
            let object = seen.to_mut();
            match &carried.value {
                Some(value) => drop(compare::set(object, &carried.source, value.clone(), view)),
                None => drop(compare::remove(object, &carried.source, view)),
            }
        }
        seen
    }

    /// The files that fields of the object are written to, and the paths in them.
    pub fn files(&self) -> impl Iterator<Item = (&RepoPath, &[Step])> {
        self.carried.iter().filter_map(Carried::file)
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
