//! Owns what is read and planned anew: all of it when we take over, what other rules are about when the rules change. Must
//! never keep what was found by rules that are no longer in force.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cluster::Cluster;
use crate::object::{GroupKind, ObjectId};
use crate::repository::Remote;
use crate::rules::Rules;

use super::super::clock::Clock;
use super::super::live::Watched;
use super::super::reload::Reload;
use super::Engine;
use super::cluster_side::is_container;

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// Rules that replace the ones in force. What they are about in another way than before is read and planned anew, and
    /// everything that is not in sync; what agreed stays agreed.
    pub fn set_rules(&mut self, rules: Arc<Rules>) {
        let before = std::mem::replace(&mut self.rules, rules);
        let reload = Reload::between(&before, &self.rules, &self.kinds);
        self.doubt_pasts(&before, &reload);
        self.set_patch_paths();
        self.outdate_composing();
        self.bases.renumber(&reload);
        self.list_newcomers();
        let mut open: BTreeSet<ObjectId> = self.standings.changes().map(|change| change.object.clone()).collect();
        open.extend(
            self.fights.all_held(self.clock.now()).chain(self.withheld.keys()).chain(self.doomed.keys()).cloned(),
        );
        open.extend(self.order.take_unlisted());
        // What is in the air was decided by the rules before.
        self.flights.values_mut().for_each(|again| *again = true);
        self.fights.clear();
        self.withheld.clear();
        self.standings.clear();
        // A reload also asks once more for what could not be watched: rights may have changed with the rules.
        let unwatched = self.live.kinds().filter(|(_, watched)| matches!(watched, Watched::Unwatched(_)));
        let unwatched: BTreeSet<GroupKind> = unwatched.map(|(kind, _)| kind.clone()).collect();
        self.reread(|kind| reload.touches(kind) || unwatched.contains(kind));
        self.queue.extend(open);
    }

    /// Whether we may write from now on. Taking over begins with a fresh read of both sides.
    pub fn set_active(&mut self, active: bool) {
        if active && !self.active {
            self.recall();
            let deferred = std::mem::take(&mut self.deferred);
            deferred.into_iter().for_each(|id| self.queue.push(id));
            self.reread(|_| true);
        }
        self.active = active;
        self.fenced = None;
    }

    /// Lists kinds anew: each of their objects is compared as the list shows it.
    fn reread(&mut self, touched: impl Fn(&GroupKind) -> bool) {
        self.doomed.clear();
        (self.is_surveyed, self.surveyed_since) = (false, self.clock.now());
        // Namespaces and definitions stay watched throughout: there is no list to wait for.
        let is_listed = |kind: &GroupKind| touched(kind) && !is_container(kind);
        let left = self.live.kinds().map(|(kind, _)| kind).filter(|kind| !touched(kind) && !is_container(kind));
        self.cluster.watch(left.cloned().collect());
        self.live.expect_again(is_listed);
        self.watch();
        let containers = self.live.ids().filter(|id| is_container(id.group_kind()));
        let known = containers.chain(self.index.objects()).filter(|id| touched(id.group_kind()));
        let known: BTreeSet<ObjectId> = known.cloned().collect();
        known.into_iter().for_each(|id| self.queue.push(id));
    }
}
