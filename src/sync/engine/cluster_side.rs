//! Owns what the engine does with events of the cluster. Must never plan before Git was read: until then the watches
//! wait.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cluster::{Cluster, ClusterEvent};
use crate::object::labels::labels;
use crate::object::{GroupKind, Kind, ObjectId};
use crate::repository::Remote;
use crate::rules::{Candidate, Field};

use super::super::autoscalers;
use super::super::clock::Clock;
use super::super::live::Sighting;
use super::git_side::Recency;
use super::{Engine, IN_FLIGHT};

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// Whether events are taken now; otherwise their queue fills and pushes back on the watches.
    pub(super) fn takes_events(&self) -> bool {
        self.head_read && self.recency == Recency::Current && self.flights.len() < IN_FLIGHT
    }

    pub(super) fn take_events(&mut self) -> bool {
        if !self.takes_events() {
            return false;
        }
        let events = self.cluster.events(IN_FLIGHT.saturating_sub(self.flights.len()));
        let any = !events.is_empty();
        events.into_iter().for_each(|event| self.event(event));
        any
    }

    fn event(&mut self, event: ClusterEvent) {
        match event {
            ClusterEvent::Kinds(kinds) => {
                self.kinds = kinds;
                self.schemas.forget();
                let touched = self.index.set_kinds(&self.kinds);
                for id in touched {
                    if self.bases.get(&id).is_none() && self.is_listed(&id) {
                        self.bases.differ(&id, None);
                    }
                    self.queue.push(id);
                }
                self.set_patch_paths();
                let waiting: Vec<ObjectId> = self.standings.waiting_for_kinds().collect();
                waiting.into_iter().for_each(|id| self.queue.push(id));
                self.kinds_changed();
                self.watch();
            }
            ClusterEvent::Listing(kind) => self.live.listing(&kind),
            ClusterEvent::Seen(object) => self.seen(object),
            ClusterEvent::Gone(object) => self.gone(&object),
            ClusterEvent::Synced(kind) => {
                let gone = self.live.synced(&kind, self.clock.now());
                for id in gone {
                    self.house(&id);
                    self.queue.extend(self.autoscalers.lose(&id));
                    self.queue.push(id);
                }
                std::mem::take(&mut self.awaiting_reads).into_iter().for_each(|id| self.queue.push(id));
                self.push_unseen(&kind);
                if kind == GroupKind::new("", "Namespace") {
                    self.push_waiting_for_namespaces();
                }
            }
            ClusterEvent::Unwatched(kind, reason) => {
                self.live.unwatched(&kind, reason);
                self.push_unseen(&kind);
            }
            ClusterEvent::State(state) => self.state_changed(state),
        }
    }

    /// Plans the manifests of a kind that the watch has not shown, and what waited for its list.
    fn push_unseen(&mut self, kind: &GroupKind) {
        let (waited, others) = std::mem::take(&mut self.unlisted).into_iter().partition(|id| id.group_kind() == kind);
        self.unlisted = others;
        let waited: BTreeSet<ObjectId> = waited;
        waited.into_iter().for_each(|id| self.queue.push(id));
        let of_kind = self.index.objects().filter(|id| id.group_kind() == kind);
        // What went from both sides while no process ran: whoever uses its name next makes something new.
        let past = self.bases.ids().chain(&self.memory.deleting).filter(|id| id.group_kind() == kind);
        let mut unseen: Vec<ObjectId> = of_kind.chain(past).filter(|id| self.live.get(id).is_none()).cloned().collect();
        unseen.sort();
        unseen.dedup();
        unseen.into_iter().for_each(|id| {
            self.miss(&id);
            self.queue.push(id);
        });
        self.list_read(kind);
    }

    fn seen(&mut self, object: Box<Value>) {
        let Some(id) = ObjectId::of(&object).map(|id| self.known(id)) else { return };
        match self.see(&id, &object) {
            Sighting::Unchanged => {}
            Sighting::Stale => self.queue.push(id),
            Sighting::Changed => {
                self.applied.remove(&id);
                // A list that shows it is its turn.
                self.unlisted.remove(&id);
                self.consider(id, object);
            }
        }
    }

    /// The same identity, kept in memory once for both sides.
    fn known(&self, id: ObjectId) -> ObjectId {
        if let Some(known) = self.index.known(&id).or(self.live.known(&id)) {
            return known.clone();
        }
        match self.kinds.get(id.group_kind()) {
            Some(kind) => ObjectId::new(kind.group_kind.clone(), id.namespace().unwrap_or_default(), id.name()),
            None => id,
        }
    }

    /// Takes in the state of an object, from an event or from the response to our own write. What depends on a Namespace
    /// is planned anew when that is new or has other labels.
    pub(super) fn see(&mut self, id: &ObjectId, object: &Value) -> Sighting {
        let before = match id.is("", "Namespace") {
            true => self.live.namespace(id.name()).map(|namespace| namespace.labels.clone()),
            false => None,
        };
        let sighting = self.live.see(id, object, &self.manager);
        self.readiness_seen(id);
        if sighting == Sighting::Changed && id.is("apiextensions.k8s.io", "CustomResourceDefinition") {
            self.schemas.forget();
        }
        self.queue.extend(self.autoscalers.see(id, object));
        if !id.is("", "Namespace") {
            return sighting;
        }
        if before.is_none() {
            let within = |waiting: &ObjectId| waiting.namespace() == Some(id.name());
            let housed: Vec<ObjectId> = self.homeless.iter().filter(|id| within(id)).cloned().collect();
            for housed in housed {
                self.homeless.remove(&housed);
                self.queue.push(housed);
            }
        }
        if self.live.namespace(id.name()).map(|now| &now.labels) != before.as_ref() {
            self.push_namespace(id.name());
        }
        sighting
    }

    /// Objects that a rule may select by the labels of their Namespace could not be planned before these were known.
    fn push_waiting_for_namespaces(&mut self) {
        let waits = |id: &&ObjectId| self.waits_for_namespace(id);
        let mut ids: Vec<ObjectId> = self.live.ids().chain(self.index.objects()).filter(waits).cloned().collect();
        ids.sort();
        ids.into_iter().for_each(|id| self.queue.push(id));
    }

    /// Whether a rule may select the object by the labels of its Namespace.
    pub(super) fn waits_for_namespace(&self, id: &ObjectId) -> bool {
        self.kinds.get(id.group_kind()).is_some_and(|kind| self.rules.ask_for_namespace(kind))
    }

    /// Rules may select by the labels of the Namespace: its objects are planned anew.
    fn push_namespace(&mut self, name: &str) {
        let asks = |kind: &GroupKind| self.kinds.get(kind).is_some_and(|kind| self.rules.ask_for_namespace(kind));
        let within = |id: &&ObjectId| id.namespace() == Some(name) && asks(id.group_kind());
        let mut ids: Vec<ObjectId> = self.live.ids().chain(self.index.objects()).filter(within).cloned().collect();
        ids.sort();
        ids.into_iter().for_each(|id| self.queue.push(id));
    }

    fn gone(&mut self, object: &Value) {
        let Some(id) = ObjectId::of(object) else { return };
        let uid = object.pointer("/metadata/uid").and_then(Value::as_str);
        // The response to our own creation may come before the end of the object's former life.
        if self.live.get(&id).is_some_and(|entry| uid.is_some_and(|uid| *entry.uid != *uid)) {
            return;
        }
        if self.lose(&id) {
            self.applied.remove(&id);
            self.waits.settled(&id);
            self.may_be_empty(&id);
            self.queue.extend(self.autoscalers.lose(&id));
            self.queue.push(id);
        }
    }

    /// Plans an object that an event shows, unless nothing could come of it.
    fn consider(&mut self, id: ObjectId, object: Box<Value>) {
        let Some(kind) = self.kinds.get(id.group_kind()).cloned() else { return };
        let has_past = self.bases.get(&id).is_some() || self.in_git(&id) || self.standings.has(&id);
        if !has_past && !self.selects_live(&id, &kind, &object) {
            return;
        }
        self.start(id, Some(object), false);
    }

    fn selects_live(&self, id: &ObjectId, kind: &Kind, object: &Value) -> bool {
        let live_labels = labels(object);
        let namespace = id.namespace().and_then(|name| self.live.namespace(name));
        let candidate = Candidate {
            id,
            kind,
            manifest_labels: None,
            live_labels: Some(&live_labels),
            base_labels: None,
            namespace_labels: namespace.map(|namespace| &*namespace.labels),
        };
        self.rules.matching(&candidate).next().is_some()
    }

    /// Watches what the rules select now.
    pub(super) fn watch(&mut self) {
        let selected = self.kinds.iter().filter(|kind| kind.is_watchable() && self.rules.selects_kind(kind));
        let mut wanted: Vec<GroupKind> = selected.map(|kind| kind.group_kind.clone()).collect();
        if autoscalers::matter_to(&self.rules) {
            // What they write must not be taken from them; without the right to look only those in Git are known.
            let served = |kind: &GroupKind| self.kinds.get(kind).is_some_and(|kind| kind.is_watchable());
            wanted.extend(autoscalers::kinds().into_iter().filter(served));
        }
        wanted.sort();
        wanted.dedup();
        // An expression sees the whole object.
        let sees_status = |field: &Field| field.filter.is_status() || field.transform.is_some();
        self.live.with_status = self.rules.rules.iter().flat_map(|rule| &rule.fields).any(sees_status);
        self.live.with_owners = self.rules.rules.iter().any(|rule| !rule.force_conflicts);
        let is_kept = |kind: &GroupKind| is_container(kind) || wanted.binary_search(kind).is_ok();
        self.live.keep_kinds(is_kept);
        self.unlisted.retain(|id| is_kept(id.group_kind()));
        let containers =
            [GroupKind::new("", "Namespace"), GroupKind::new("apiextensions.k8s.io", "CustomResourceDefinition")];
        let served = containers.iter().filter(|kind| self.kinds.get(kind).is_some());
        wanted.iter().chain(served).for_each(|kind| self.live.expect(kind));
        self.cluster.watch(wanted);
    }
}

/// Namespaces and CustomResourceDefinitions are always watched: what they hold depends on them.
pub(super) fn is_container(kind: &GroupKind) -> bool {
    matches!((&*kind.group, &*kind.kind), ("", "Namespace") | ("apiextensions.k8s.io", "CustomResourceDefinition"))
}
