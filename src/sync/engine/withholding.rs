//! Owns manifests whose objects went with their Namespace or their definition: they are held as one set for each. Must
//! never take such an absence for a wish to delete.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::Cluster;
use crate::object::ObjectId;
use crate::report::Side;
use crate::repository::Remote;

use super::super::clock::Clock;
use super::super::deletes::Why;
use super::super::guards::Guard;
use super::super::observe::Observed;
use super::super::plan::{Plan, RuleIndex};
use super::Engine;

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// Takes note of an object whose manifest stays because of what it lived in, or of what lived in it.
    pub(super) fn note_withheld(&mut self, plan: &Plan, observed: &Observed) {
        let container = match plan.refused {
            Some(Guard::Absence) => observed.absence.as_ref().err().and_then(|withheld| withheld.by.clone()),
            Some(Guard::Content) => Some(plan.id.clone()),
            _ => None,
        };
        if let (Some(container), Some(rule)) = (container, plan.existence) {
            self.withheld.insert(plan.id.clone(), (container, rule));
        }
    }

    /// Whether a person let it go although its absence proves nothing.
    pub(super) fn is_let_go(&self, id: &ObjectId) -> bool {
        let set = self.deletes.set_of(Side::Git, id);
        set.is_some_and(|set| set.approved_by.is_some() && matches!(set.why, Why::GoneWith(_)))
    }

    /// What is withheld is held as one set for each Namespace or definition, once all of it has been missing long enough.
    pub(super) fn judge_withheld(&mut self) -> bool {
        let mut by_container: BTreeMap<ObjectId, BTreeMap<ObjectId, RuleIndex>> = BTreeMap::new();
        for (id, (container, rule)) in std::mem::take(&mut self.withheld) {
            by_container.entry(container).or_default().insert(id, rule);
        }
        let mut any = false;
        for (container, members) in by_container {
            if let Some((last, due)) = self.missing_since(&container) {
                // The set is closed when it is reported: it waits for the last one.
                self.withheld.extend(members.into_iter().map(|(id, rule)| (id, (container.clone(), rule))));
                self.queue.push_at(last, due);
                continue;
            }
            any = true;
            let reason = format!("{container} has gone or is another one: what went with it is kept");
            let rules: BTreeSet<RuleIndex> = members.values().copied().collect();
            let rule = rules.first().copied().filter(|_| rules.len() == 1);
            self.hold(Why::GoneWith(container), Side::Git, rule, members.into_keys().collect(), &reason);
        }
        any
    }

    /// What went with a Namespace or a definition and has not been missing for long enough to be told: the latest of it,
    /// and when its time comes.
    fn missing_since(&self, container: &ObjectId) -> Option<(ObjectId, super::Instant)> {
        let kind = self.kinds.iter().find(|kind| {
            container.is("apiextensions.k8s.io", "CustomResourceDefinition")
                && *container.name() == format!("{}.{}", kind.plural, kind.group_kind.group)
        });
        let within = |id: &ObjectId| {
            id == container
                || container.is("", "Namespace") && id.namespace() == Some(container.name())
                || kind.is_some_and(|kind| kind.group_kind == *id.group_kind())
        };
        let missing = self.live.missing().filter(|(id, _)| within(id));
        let missing = missing.filter(|(id, _)| self.bases.get(id).is_some() && self.in_git(id));
        let (id, since) = missing.max_by_key(|(_, since)| *since)?;
        let due = since + self.rules.delete_delay;
        (due > self.clock.now()).then(|| (id.clone(), due))
    }
}
