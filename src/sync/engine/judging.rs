//! Owns the judgement of deletes: those of one pass as a set, and which of them go first. Must never delete while anything
//! else waits to be planned.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::Cluster;
use crate::object::ObjectId;
use crate::report::{Side, Verb};
use crate::repository::Remote;
use crate::rules::Direction;

use super::super::act::{Task, act};
use super::super::clock::Clock;
use super::super::deletes::{Verdict, Wanted, Why};
use super::super::guards::Guard;
use super::super::plan::{Action, Plan, RuleIndex};
use super::cluster_side::is_container;
use super::{Done, Engine, Mode, Preview};

/// A delete that nothing but more than one object can keep any more.
#[derive(Clone, Debug)]
pub(super) struct Doomed {
    pub(super) id: ObjectId,
    pub(super) uid: String,
    pub(super) rule: RuleIndex,
    /// Whether a person said so, by an approval or by a trailer.
    pub(super) by_person: bool,
}

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// Deletes of one pass are judged as a set: when everything else is planned and nothing is in flight.
    pub(super) fn judge_deletes(&mut self) -> bool {
        let waits = !self.queue.is_empty() || !self.paging.is_empty() || !self.order.is_empty();
        let is_quiet = !waits && self.flights.is_empty() && self.git.is_idle();
        let is_nothing = self.doomed.is_empty() && self.withheld.is_empty() && self.previewed_removals.is_empty();
        if is_nothing || !is_quiet {
            return false;
        }
        let may_write = self.mode == Mode::Preview || self.fenced.is_none() && self.may_write();
        if !may_write {
            return false;
        }
        let worked = self.judge_withheld() | self.judge_previewed_removals();
        if self.doomed.is_empty() {
            return worked;
        }
        let count = self.doomed.len();
        let allowed = self.allowed(&self.doomed.keys().cloned().collect());
        let mut by_rule: BTreeMap<RuleIndex, BTreeMap<ObjectId, String>> = BTreeMap::new();
        for (id, (rule, uid)) in std::mem::take(&mut self.doomed) {
            by_rule.entry(rule).or_default().insert(id, uid);
        }
        let mut all = Vec::new();
        for (index, doomed) in by_rule {
            let objects: BTreeSet<ObjectId> = doomed.keys().cloned().collect();
            let verdict = self.judge(index, Side::Cluster, &objects, &allowed, 0);
            let go = verdict.go.into_iter().filter_map(|(id, by_person)| {
                let uid = doomed.get(&id)?.clone();
                Some(Doomed { id, uid, rule: index, by_person })
            });
            all.extend(go);
        }
        let any_goes_not = all.len() < count;
        let (data, others): (Vec<Doomed>, Vec<Doomed>) =
            all.into_iter().partition(|doomed| is_data(&doomed.id) && !doomed.by_person);
        let any_stays = any_goes_not || !data.is_empty();
        self.hold_data(data);
        // What holds others is judged again when these have gone.
        let (last, first): (Vec<Doomed>, Vec<Doomed>) =
            others.into_iter().partition(|doomed| is_container(doomed.id.group_kind()));
        let (now, later) = match self.mode {
            Mode::Preview => (first.into_iter().chain(last).collect(), Vec::new()),
            _ if first.is_empty() => (last, Vec::new()),
            _ => (first, last),
        };
        self.doom_again(later);
        if !self.announced(now.iter().map(|doomed| doomed.id.clone()).collect()) {
            self.doom_again(now);
            return worked || any_stays;
        }
        now.into_iter().for_each(|doomed| self.let_go(doomed));
        true
    }

    /// These are judged again in the next step.
    fn doom_again(&mut self, all: Vec<Doomed>) {
        self.doomed.extend(all.into_iter().map(|doomed| (doomed.id, (doomed.rule, doomed.uid))));
    }

    /// What becomes of deletes of one rule; what is held says so.
    pub(super) fn judge(
        &mut self,
        index: RuleIndex,
        side: Side,
        objects: &BTreeSet<ObjectId>,
        allowed: &BTreeSet<ObjectId>,
        written: usize,
    ) -> Verdict {
        let rules = self.rules.clone();
        let Some(rule) = rules.rules.get(index) else { return Verdict::default() };
        let decided = |id: &&ObjectId| self.bases.get(id).is_none_or(|base| base.existence != Some(index));
        let size = self.bases.size(index) + objects.iter().filter(decided).count();
        let wanted = Wanted { rule, side, objects, allowed, size, written };
        let verdict = self.deletes.judge(&wanted, self.clock.wall());
        for (id, reason) in &verdict.held {
            self.leave(id, side, Verb::Held, Some(index), reason.clone());
        }
        verdict
    }

    /// A volume or a claim goes when a person named it, and not before (`docs/decisions.md` 22).
    fn hold_data(&mut self, data: Vec<Doomed>) {
        let mut by_rule: BTreeMap<RuleIndex, BTreeSet<ObjectId>> = BTreeMap::new();
        for doomed in data {
            by_rule.entry(doomed.rule).or_default().insert(doomed.id);
        }
        for (index, objects) in by_rule {
            let reason = "gone from Git; it holds data, so it is only deleted when a person names it";
            self.hold(Why::Content, Side::Cluster, Some(index), objects, reason);
        }
    }

    /// Holds objects as a set, and says so of each.
    pub(super) fn hold(
        &mut self,
        why: Why,
        side: Side,
        rule: Option<RuleIndex>,
        objects: BTreeSet<ObjectId>,
        reason: &str,
    ) {
        let name = rule.map_or_else(String::new, |rule| self.rule_ref(rule).name.to_string());
        let now = self.clock.wall();
        let (known, new): (BTreeSet<ObjectId>, BTreeSet<ObjectId>) =
            objects.into_iter().partition(|id| self.deletes.set_of(side, id).is_some());
        for id in known {
            if let Some(shown) = self.deletes.set_of(side, &id).map(super::super::deletes::HeldSet::shown) {
                self.leave(&id, side, Verb::Held, rule, shown);
            }
        }
        if new.is_empty() {
            return;
        }
        let shown = self.deletes.hold(why, side, &name, new.clone(), reason.to_owned(), now);
        new.iter().for_each(|id| self.leave(id, side, Verb::Held, rule, shown.clone()));
    }

    /// Deletes an object that everything but its own content lets go.
    fn let_go(&mut self, doomed: Doomed) {
        if is_container(doomed.id.group_kind()) {
            return self.delete_when_empty(doomed);
        }
        self.delete(doomed);
    }

    pub(super) fn delete(&mut self, doomed: Doomed) {
        let Doomed { id, uid, rule, by_person } = doomed;
        if self.mode == Mode::Preview {
            let rule = self.rules.rules.get(rule).map(|rule| rule.name.clone()).unwrap_or_default();
            let place = format!("live {id}");
            let before = self.doomed_texts.remove(&id);
            return self.previews.push(Preview {
                verb: Verb::Deleted,
                rule,
                place,
                before,
                ..Preview::of(id, Side::Cluster)
            });
        }
        if !self.may_write() {
            return self.doom_again(vec![Doomed { id, uid, rule, by_person }]);
        }
        if by_person {
            self.by_person.insert(id.clone());
        }
        self.flights.insert(id.clone(), false);
        let since = self.clock.now();
        let (cluster, identity) = ((self.cluster.clone(), self.fence.clone()), self.identity.clone());
        // An edit in between would have kept it.
        let either_side = self.rules.rules.get(rule).is_some_and(|rule| rule.sync_to == Direction::Both);
        let version = self.live.get(&id).filter(|_| either_side).map(|entry| entry.version.to_string());
        let task = Task { actions: vec![Action::Delete { uid, version, rule }], ..Task::default() };
        self.run(Box::pin(async move {
            let acted = act(cluster, identity, id, task).await;
            Done::Acted(since, Box::new(acted), None)
        }));
    }

    /// A delete was carried out.
    pub(super) fn count_delete(&mut self, rule: RuleIndex, side: Side, id: &ObjectId, by_person: bool) {
        let name = self.rule_ref(rule).name;
        self.deletes.count(&name, side, id, self.bases.size(rule), by_person, self.clock.wall());
    }

    /// An object whose plan does not delete it is in no held set any more, unless it only waits.
    pub(super) fn keep_unless_doomed(&mut self, plan: &Plan) {
        let waits = match plan.refused {
            Some(guard) => matches!(guard.verb(Side::Git), Verb::Pending | Verb::Held),
            None => plan.notes.iter().any(|note| matches!(note.verb, Verb::Pending | Verb::Held)),
        };
        if !waits && !plan.actions.iter().any(Action::deletes) {
            self.deletes.came_back(&plan.id);
            self.emptying.remove(&plan.id);
        }
        if plan.refused.is_some_and(Guard::waits_for_reads) {
            self.awaiting_reads.insert(plan.id.clone());
        } else {
            self.awaiting_reads.remove(&plan.id);
        }
        if plan.refused != Some(Guard::Absence) && plan.refused != Some(Guard::Content) {
            self.withheld.remove(&plan.id);
        }
    }

    /// What is removed from Git is judged as it would be when the commit is made.
    fn judge_previewed_removals(&mut self) -> bool {
        let removals = std::mem::take(&mut self.previewed_removals);
        let any = !removals.is_empty();
        for (index, previews) in removals {
            let objects: BTreeSet<ObjectId> = previews.keys().cloned().collect();
            let name = self.rule_ref(index).name;
            let is_new = |preview: &&Preview| {
                preview.verb == Verb::Written
                    && preview.is_manifest
                    && preview.before.is_none()
                    && *preview.rule == *name
            };
            let written = self.previews.iter().filter(is_new).count();
            let verdict = self.judge(index, Side::Git, &objects, &BTreeSet::new(), written);
            let go = previews.into_iter().filter(|(id, _)| verdict.go.contains_key(id));
            self.previews.extend(go.map(|(_, preview)| preview));
        }
        any
    }
}

/// Whether an object of the kind holds what cannot be made again.
fn is_data(id: &ObjectId) -> bool {
    id.is("", "PersistentVolume") || id.is("", "PersistentVolumeClaim")
}
