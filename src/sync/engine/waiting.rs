//! Owns what a delete waits for that concerns no single object: whole reads of both sides, and what was last known of the
//! side that has gone. Must never guess.

use std::collections::BTreeMap;

use crate::cluster::Cluster;
use crate::object::{GroupKind, ObjectId};
use crate::repository::Remote;

use super::super::clock::Clock;
use super::super::guards::Guard;
use super::super::live::Watched;
use super::super::observe::Observed;
use super::super::plan::RuleIndex;
use super::Engine;

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// The guard for which nothing of this kind may be deleted yet.
    pub(super) fn deletes_wait(&self, id: &ObjectId) -> Option<Guard> {
        let is_synced = |kind: &GroupKind| self.live.watched(kind) == Some(&Watched::Synced);
        let guards = [
            (Guard::CompleteRead, self.head_read),
            (Guard::WatchOfKind, is_synced(id.group_kind())),
            (Guard::WatchOfNamespaces, is_synced(&GroupKind::new("", "Namespace"))),
            (Guard::WatchOfDefinitions, is_synced(&GroupKind::new("apiextensions.k8s.io", "CustomResourceDefinition"))),
        ];
        guards.into_iter().find(|(_, is_met)| !is_met).map(|(guard, _)| guard)
    }

    /// Whether the side on which the object has gone opted out of prune when it was last seen there.
    pub(super) fn opted_out(&self, observed: &Observed) -> bool {
        match (&observed.manifest, &observed.live) {
            (None, Some(_)) => self.bases.get(&observed.id).is_some_and(|base| base.opts_out),
            (Some(_), None) => self.live.tombstone(&observed.id).is_some_and(|tombstone| tombstone.opted_out),
            _ => false,
        }
    }

    /// Counts new manifests that the remote has.
    pub(super) fn count_written(&mut self, written: &BTreeMap<RuleIndex, usize>) {
        for (rule, count) in written {
            let name = self.rule_ref(*rule).name;
            self.deletes.count_written(&name, *count, self.bases.size(*rule), self.clock.wall());
        }
    }
}
