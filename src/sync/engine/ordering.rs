//! Owns which writes wait for other objects: for what must be made first, for what a manifest depends on, and for what a
//! rule says to wait for. Must never hold up anything else, nor poll: a waiting object is asked again when what it waits for
//! had its turn, became ready or went.

use std::collections::BTreeSet;

use crate::cluster::Cluster;
use crate::object::readiness::Unready;
use crate::object::{GroupKind, ObjectId};
use crate::report::{Change, Side, Verb};
use crate::repository::Remote;

use super::super::clock::{Clock, Instant};
use super::super::depends;
use super::super::live::Watched;
use super::super::observe::Observed;
use super::super::order::Rank;
use super::super::plan::{Action, Plan};
use super::{Engine, Mode};

/// How long others wait for an object to become ready, and how long `once` does: as long as Flux by default.
const READY_WITHIN: Instant = Instant::from_secs(300);

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// The next object whose turn it is.
    pub(super) fn next_turn(&mut self, now: Instant) -> Option<ObjectId> {
        let id = self.order.pop().or_else(|| self.queue.pop(now))?;
        self.order.begin(&id);
        Some(id)
    }

    /// An object that is neither read nor written any more: its turn has ended, and who waits for it is asked again.
    pub(super) fn turn_ended(&mut self, id: &ObjectId) {
        if self.flights.contains_key(id) {
            return;
        }
        self.order.end(id);
        if self.waits.is_awaited(id) && self.lacks(id).is_none() {
            self.wake_dependents(id);
        }
    }

    pub(super) fn wake_dependents(&mut self, id: &ObjectId) {
        self.waits.dependents(id).into_iter().for_each(|dependent| self.queue.push(dependent));
    }

    /// Whether an object that is to be made waits until others were.
    pub(super) fn waits_for_order(&mut self, id: &ObjectId) -> bool {
        let rank = Rank::of(id.group_kind());
        if rank == Rank::Namespace || self.mode == Mode::Preview || !self.active {
            return false;
        }
        let listed = |(kind, watched): (&GroupKind, &Watched)| *watched != Watched::Listing || Rank::of(kind) >= rank;
        if !self.live.kinds().all(listed) {
            self.order.wait_for_lists(id);
            return true;
        }
        if self.order.parks(id) {
            return true;
        }
        let Some(first) = self.waits.holding_up(rank).cloned() else { return false };
        let reason = format!("waits for {first} to be ready: {}", self.not_ready(&first));
        self.waits.set(id, BTreeSet::from([first]));
        self.leave(id, Side::Cluster, Verb::Pending, None, reason);
        true
    }

    /// A list was read: who waited for it, or for an object of its kind, is asked again.
    pub(super) fn list_read(&mut self, kind: &GroupKind) {
        if Rank::of(kind) < Rank::Webhook {
            self.order.take_unlisted().into_iter().for_each(|id| self.queue.push(id));
        }
        let of_kind: Vec<ObjectId> = self.waits.awaited().filter(|id| id.group_kind() == kind).cloned().collect();
        of_kind.iter().for_each(|id| self.wake_dependents(id));
    }

    /// Kinds came or went: what depends on objects of theirs is asked again.
    pub(super) fn kinds_changed(&mut self) {
        let waiting: Vec<ObjectId> = self.waits.all().map(|(id, _)| id.clone()).collect();
        waiting.into_iter().for_each(|id| self.queue.push(id));
    }

    /// The state of an object was taken in: if it is ready, who waited for that is asked again.
    pub(super) fn readiness_seen(&mut self, id: &ObjectId) {
        if self.live.get(id).is_some() && self.live.unready(id).is_none() {
            self.waits.settled(id);
            self.wake_dependents(id);
        }
    }

    /// Takes the writes out of a plan that must wait for what its manifest depends on, and says why.
    pub(super) fn hold_for_dependencies(&mut self, plan: &mut Plan, observed: &Observed) {
        let id = plan.id.clone();
        self.waits.clear(&id);
        let is_write = |action: &Action| matches!(action, Action::Create { .. } | Action::Apply { .. });
        let Some((_, _, manifest)) = &observed.manifest else { return };
        if !plan.actions.iter().any(is_write) {
            return;
        }
        let (mut held, mut waits_on) = (Vec::new(), Vec::new());
        for reference in depends::references(manifest, &id, &self.kinds) {
            match reference {
                Err(reason) => held.push(reason),
                Ok(on) if on == id => held.push("it depends on itself".to_owned()),
                Ok(on) => waits_on.extend(self.lacks(&on).map(|reason| (on, reason))),
            }
        }
        if held.is_empty() && waits_on.is_empty() {
            return;
        }
        plan.actions.retain(|action| !is_write(action) && !matches!(action, Action::Strip { .. }));
        let existence = plan.existence;
        self.waits.set(&id, waits_on.iter().map(|(on, _)| on.clone()).collect());
        if let Some(circle) = self.waits.circle(&id) {
            let names: Vec<String> = circle.iter().map(ToString::to_string).collect();
            let reason = format!("these depend on each other: {}; none of them is written", names.join(" -> "));
            circle.iter().filter(|member| **member != id).for_each(|member| {
                self.leave(member, Side::Cluster, Verb::Held, None, reason.clone());
            });
            held.push(reason);
        }
        for reason in &held {
            plan.note(Verb::Held, Side::Cluster, existence, reason.clone());
        }
        if held.is_empty() {
            let reasons: Vec<String> = waits_on.iter().map(|(on, reason)| format!("{on}, which {reason}")).collect();
            plan.note(Verb::Pending, Side::Cluster, existence, format!("depends on {}", reasons.join("; and on ")));
        }
    }

    /// Why an object that another depends on does not do yet; `None` when it does.
    fn lacks(&self, on: &ObjectId) -> Option<String> {
        let in_git = self.in_git(on);
        let kind = on.group_kind();
        if self.kinds.get(kind).is_none() {
            return Some(format!("is of a kind that the API server does not serve: {kind}"));
        }
        match self.live.watched(kind) {
            None => {
                return Some(
                    "no rule selects, so it is not watched; let a rule select it, `observe` will do".to_owned(),
                );
            }
            Some(Watched::Unwatched(reason)) => return Some(format!("cannot be watched: {reason}")),
            Some(Watched::Listing) => return Some("was not listed yet".to_owned()),
            Some(Watched::Synced) => {}
        }
        if self.live.get(on).is_none() {
            let nowhere = "is neither in Git nor in the cluster";
            return Some(if in_git { "is not live yet" } else { nowhere }.to_owned());
        }
        if let Some(unready) = self.live.unready(on) {
            return Some(format!("is not ready: {}", unready.reason));
        }
        let failed = |change: &&Change| change.verb == Verb::Failed && change.side == Side::Cluster;
        if let Some(failed) = self.standings.of(on).iter().find(failed) {
            return Some(format!("could not be brought up to date: {}", failed.reason.as_deref().unwrap_or_default()));
        }
        let is_under_way = self.queue.contains(on) || self.flights.contains_key(on) || self.order.holds(on);
        (is_under_way || self.waits.holds(on)).then(|| "is not up to date yet".to_owned())
    }

    fn not_ready(&self, id: &ObjectId) -> String {
        self.live.unready(id).map_or_else(|| "it was not seen yet".to_owned(), |unready| unready.reason.to_string())
    }

    /// An object was written: others wait until it is ready, if its rule says so. Webhooks wait for definitions anyway.
    pub(super) fn written(&mut self, id: &ObjectId, actions: &[Action]) {
        let is_write = |action: &&Action| matches!(action, Action::Create { .. } | Action::Apply { .. });
        let Some(action) = actions.iter().rfind(is_write) else { return };
        if self.live.unready(id).is_none() {
            return self.waits.settled(id);
        }
        let rank = Rank::of(id.group_kind());
        let rule = action.rule().and_then(|rule| self.rules.rules.get(rule));
        let from = match rank {
            _ if rule.is_some_and(|rule| rule.wait) => Rank::ALL.into_iter().find(|later| *later > rank),
            Rank::Definition => Some(Rank::Webhook),
            _ => None,
        };
        if let Some(from) = from {
            self.waits.settle(id, from, self.clock.now() + READY_WITHIN);
        }
    }

    /// What was waited for long enough is waited for no longer.
    pub(super) fn give_up_waiting(&mut self) -> bool {
        let now = self.clock.now();
        let late = self.waits.give_up(now);
        late.iter().for_each(|id| self.wake_dependents(id));
        if self.mode != Mode::Once || self.gave_up {
            return !late.is_empty();
        }
        if !self.is_done() {
            return !late.is_empty();
        }
        if !self.is_waiting() {
            self.patience = None;
            return !late.is_empty();
        }
        if now < *self.patience.get_or_insert(now + READY_WITHIN) {
            return !late.is_empty();
        }
        self.gave_up = true;
        let limit = READY_WITHIN.as_secs() / 60;
        let unready: Vec<(ObjectId, Option<usize>, String)> = self
            .unready_under_wait()
            .map(|(id, rule, why)| {
                (id.clone(), Some(rule), format!("is not ready after {limit} minutes: {}", why.reason))
            })
            .chain(self.waits.all().map(|(id, on)| {
                let names: Vec<String> = on.iter().map(ToString::to_string).collect();
                (id.clone(), None, format!("was not written: it waited {limit} minutes for {}", names.join(", ")))
            }))
            .collect();
        unready.into_iter().for_each(|(id, rule, reason)| self.leave(&id, Side::Cluster, Verb::Failed, rule, reason));
        true
    }

    /// When the next wait ends by itself.
    pub(super) fn wait_limit(&self) -> Option<Instant> {
        // A limit that has passed is judged as soon as everything else was tried.
        let patience = self.patience.filter(|_| !self.gave_up && self.is_done());
        [self.waits.next_limit(), patience].into_iter().flatten().min()
    }

    /// Whether a run that ends waits for something that comes by itself: for objects under a rule that says `wait`, for what
    /// others depend on, for a kind whose definition was made.
    pub(super) fn is_waiting(&self) -> bool {
        self.mode == Mode::Once
            && !self.gave_up
            && (self.waits.is_settling()
                || self.unready_under_wait().next().is_some()
                || self.waits.all().any(|(id, on)| !self.is_held(id) && on.iter().any(|on| self.may_come(on)))
                || self.standings.waiting_for_kinds().any(|id| self.live.definition(id.group_kind()).is_some()))
    }

    fn is_held(&self, id: &ObjectId) -> bool {
        self.standings.of(id).iter().any(|change| change.verb == Verb::Held)
    }

    fn may_come(&self, on: &ObjectId) -> bool {
        let is_trouble = |change: &Change| change.verb.is_trouble();
        (self.in_git(on) || self.live.get(on).is_some())
            && self.live.watched(on.group_kind()) == Some(&Watched::Synced)
            && !self.standings.of(on).iter().any(is_trouble)
    }

    /// Objects that agree and are not ready, with the rule that decides their existence.
    pub(super) fn unready_in_sync(&self) -> impl Iterator<Item = (&ObjectId, usize, &Unready)> {
        self.live.all_unready().filter_map(|(id, unready)| Some((id, self.bases.get(id)?.existence?, unready)))
    }

    /// Those of them whose rule says `wait`.
    fn unready_under_wait(&self) -> impl Iterator<Item = (&ObjectId, usize, &Unready)> {
        let waits = |rule: usize| self.rules.rules.get(rule).is_some_and(|rule| rule.wait);
        self.unready_in_sync().filter(move |(_, rule, _)| waits(*rule))
    }
}
