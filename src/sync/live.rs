//! Owns what is known of the cluster between events: per object a UID, a version and a digest, and why it is not ready;
//! per kind how far its watch has come. Must never keep an object.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::object::digest::Digest;
use crate::object::readiness::{self, Unready};
use crate::object::{GroupKind, ObjectId};

use super::clock::Instant;
use super::containers::{Container, Containers, Made, made};
use super::planner::opts_out_of_prune;
use super::relevance::relevance;

/// What is kept of one live object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its UID.
    pub uid: Arc<str>,
    /// Its resourceVersion.
    pub version: Box<str>,
    /// Digest of what a plan depends on; `None` when it is to be planned whatever it shows.
    pub digest: Option<Digest>,
    /// UID of its Namespace when it was seen.
    pub namespace_uid: Option<Arc<str>>,
    /// Whether it opts out of being deleted.
    pub opts_out: bool,
    made: Made,
    /// The listing in which it was last seen.
    listing: u32,
}

/// An object that was live and is not any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// UID that it had; `None`: this process has not seen it.
    pub uid: Option<Arc<str>>,
    /// When this process first missed it.
    pub since: Instant,
    /// UID of its Namespace when it was last seen.
    pub namespace_uid: Option<Arc<str>>,
    /// UID of its CustomResourceDefinition when it was last seen.
    pub definition_uid: Option<Arc<str>>,
    /// Whether it opted out of being deleted when it was last seen.
    pub opted_out: bool,
}

/// How far the watch of a kind has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Its list is being read.
    Listing,
    /// It was read whole; events follow.
    Synced,
    /// It cannot be listed or watched; says why.
    Unwatched(String),
}

/// The live side of every watched kind.
#[derive(Debug, Default)]
pub struct LiveTable {
    entries: BTreeMap<ObjectId, Entry>,
    tombstones: BTreeMap<ObjectId, Tombstone>,
    kinds: BTreeMap<GroupKind, (Watched, u32)>,
    containers: Containers,
    counts: BTreeMap<GroupKind, usize>,
    /// Live objects that are not ready, and why.
    unready: BTreeMap<ObjectId, Unready>,
    /// Whether status is part of the digest, because a filter names it.
    pub with_status: bool,
    /// Whether it is part of the digest what other managers own, because a rule takes nothing over.
    pub with_owners: bool,
}

/// What an event means for the planner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// Nothing that a plan depends on changed.
    Unchanged,
    /// Something did; the event shows the latest state.
    Changed,
    /// The event is older than what is known: only a fresh read tells.
    Stale,
}

impl LiveTable {
    /// Takes in the state of an object, from an event or from the response to our own write.
    pub fn see(&mut self, id: &ObjectId, object: &Value, manager: &str) -> Sighting {
        if let Some(namespace) = self.containers.see(id, object) {
            place_in(&mut self.entries, id.name(), namespace);
        }
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let version = text("/metadata/resourceVersion");
        let listing = self.kinds.get(id.group_kind()).map_or(0, |(_, listing)| *listing);
        let is_listing = self.watched(id.group_kind()) == Some(&Watched::Listing);
        let uid = text("/metadata/uid");
        // Of its former life too: a response to our creation may come before the last events of what it replaced.
        if let Some(entry) = self.entries.get_mut(id) {
            // The event of our own write shows what its response did.
            let is_known = *entry.version == *version && *entry.uid == *uid && entry.digest.is_some();
            if is_known || is_older(version, &entry.version) {
                entry.listing = listing;
                return if is_listing && !is_known { Sighting::Stale } else { Sighting::Unchanged };
            }
        }
        match readiness::unready(object) {
            Some(unready) => drop(self.unready.insert(id.clone(), unready)),
            None => drop(self.unready.remove(id)),
        }
        let digest = Some(relevance(object, manager, self.with_status, self.with_owners));
        let made = made(object);
        let namespace = self.containers.namespace_of(id).and_then(|namespace| namespace.uid_for(made));
        // Shown once more by a watch that lags, it is still of the Namespace that it was in, which may be another by now.
        let of_entry = self.entries.get(id).filter(|entry| *entry.uid == *uid);
        let of_tombstone = self.tombstones.get(id).filter(|tombstone| tombstone.uid.as_deref() == Some(uid));
        let known = of_entry.and_then(|entry| entry.namespace_uid.clone());
        let known = known.or_else(|| of_tombstone.and_then(|tombstone| tombstone.namespace_uid.clone()));
        let entry = Entry {
            uid: uid.into(),
            version: version.into(),
            digest,
            namespace_uid: known.or_else(|| namespace.cloned()),
            opts_out: opts_out_of_prune(object),
            made,
            listing,
        };
        let before = self.entries.insert(id.clone(), entry);
        if before.is_none() {
            *self.counts.entry(id.group_kind().clone()).or_default() += 1;
        }
        let back = self.tombstones.remove(id).is_some();
        match before {
            Some(before) if before.digest == digest && *before.uid == *uid && !back => Sighting::Unchanged,
            _ => Sighting::Changed,
        }
    }

    /// Takes in that an object has gone. Returns whether it was known.
    pub fn lose(&mut self, id: &ObjectId, now: Instant) -> bool {
        self.containers.lose(id);
        self.unready.remove(id);
        let Some(entry) = self.entries.remove(id) else { return false };
        if let Some(count) = self.counts.get_mut(id.group_kind()) {
            *count = count.saturating_sub(1);
        }
        let definition = self.definition(id.group_kind());
        let definition_uid = definition.and_then(|definition| definition.uid_for(entry.made)).cloned();
        let (namespace_uid, opted_out) = (entry.namespace_uid, entry.opts_out);
        let tombstone = Tombstone { uid: Some(entry.uid), since: now, namespace_uid, definition_uid, opted_out };
        self.tombstones.entry(id.clone()).or_insert(tombstone);
        true
    }

    /// An object that went before its Namespace was listed was in this one, as far as is known.
    pub fn house(&mut self, id: &ObjectId, namespace_uid: &str) {
        if let Some(tombstone) = self.tombstones.get_mut(id).filter(|tombstone| tombstone.namespace_uid.is_none()) {
            tombstone.namespace_uid = Some(namespace_uid.into());
        }
    }

    /// An object that was live before this process began, in these containers, is not.
    pub fn miss(
        &mut self,
        id: &ObjectId,
        now: Instant,
        namespace_uid: Option<Arc<str>>,
        definition_uid: Option<Arc<str>>,
    ) {
        let tombstone = Tombstone { uid: None, since: now, namespace_uid, definition_uid, opted_out: false };
        self.tombstones.entry(id.clone()).or_insert(tombstone);
    }

    /// A list of the kind begins.
    pub fn listing(&mut self, kind: &GroupKind) {
        let listing = self.kinds.get(kind).map_or(0, |(_, listing)| *listing) + 1;
        self.kinds.insert(kind.clone(), (Watched::Listing, listing));
    }

    /// The list was read whole. Returns the objects that it did not show any more.
    pub fn synced(&mut self, kind: &GroupKind, now: Instant) -> Vec<ObjectId> {
        let listing = self.kinds.get(kind).map_or(0, |(_, listing)| *listing);
        self.kinds.insert(kind.clone(), (Watched::Synced, listing));
        let gone: Vec<ObjectId> =
            self.of_kind(kind).filter(|(_, entry)| entry.listing != listing).map(|(id, _)| id.clone()).collect();
        for id in &gone {
            self.lose(id, now);
        }
        gone
    }

    /// The kind cannot be watched for now. What was known of it is kept.
    pub fn unwatched(&mut self, kind: &GroupKind, reason: String) {
        let listing = self.kinds.get(kind).map_or(0, |(_, listing)| *listing);
        self.kinds.insert(kind.clone(), (Watched::Unwatched(reason), listing));
    }

    /// The kind is watched from now on; nothing is known of it before its list was read.
    pub fn expect(&mut self, kind: &GroupKind) {
        self.kinds.entry(kind.clone()).or_insert((Watched::Listing, 0));
    }

    /// Every kind for which `listed` says yes is listed anew: what is known of the objects stays until the lists show
    /// otherwise, and what they show is news even if it is the same.
    pub fn expect_again(&mut self, listed: impl Fn(&GroupKind) -> bool) {
        let again = self.kinds.iter_mut().filter(|(kind, _)| listed(kind));
        again.for_each(|(_, (watched, _))| *watched = Watched::Listing);
        let entries = self.entries.iter_mut().filter(|(id, _)| listed(id.group_kind()));
        entries.for_each(|(_, entry)| entry.digest = None);
    }

    /// Whether any list is still being read.
    pub fn is_listing(&self) -> bool {
        self.kinds.values().any(|(watched, _)| *watched == Watched::Listing)
    }

    /// Forgets kinds that are not watched any more.
    pub fn keep_kinds(&mut self, keep: impl Fn(&GroupKind) -> bool) {
        self.kinds.retain(|kind, _| keep(kind));
        self.counts.retain(|kind, _| keep(kind));
        self.entries.retain(|id, _| keep(id.group_kind()));
        self.tombstones.retain(|id, _| keep(id.group_kind()));
        self.unready.retain(|id, _| keep(id.group_kind()));
    }

    /// Why a live object is not ready; `None` when it is.
    pub fn unready(&self, id: &ObjectId) -> Option<&Unready> {
        self.unready.get(id)
    }

    /// Every live object that is not ready.
    pub fn all_unready(&self) -> impl Iterator<Item = (&ObjectId, &Unready)> {
        self.unready.iter()
    }

    /// What is kept of an object; `None` when it is not live.
    pub fn get(&self, id: &ObjectId) -> Option<&Entry> {
        self.entries.get(id)
    }

    /// Whether a state of the object came before the one that is known.
    pub fn is_older(&self, id: &ObjectId, version: &str) -> bool {
        self.entries.get(id).is_some_and(|entry| is_older(version, &entry.version))
    }

    /// The identity by which an object is kept; `None` when it is not live.
    pub fn known(&self, id: &ObjectId) -> Option<&ObjectId> {
        self.entries.get_key_value(id).map(|(known, _)| known)
    }

    /// When and where an object was missed.
    pub fn tombstone(&self, id: &ObjectId) -> Option<&Tombstone> {
        self.tombstones.get(id)
    }

    /// Every object that was live and is not any more, and since when it is missed.
    pub fn missing(&self) -> impl Iterator<Item = (&ObjectId, Instant)> {
        self.tombstones.iter().map(|(id, tombstone)| (id, tombstone.since))
    }

    /// Forgets that an object was ever live.
    pub fn bury(&mut self, id: &ObjectId) {
        self.tombstones.remove(id);
    }

    /// How far the kind's watch has come; `None` when it is not watched.
    pub fn watched(&self, kind: &GroupKind) -> Option<&Watched> {
        self.kinds.get(kind).map(|(watched, _)| watched)
    }

    /// How many objects of a kind are live.
    pub fn count(&self, kind: &GroupKind) -> usize {
        self.counts.get(kind).copied().unwrap_or_default()
    }

    /// Every kind and how far its watch has come.
    pub fn kinds(&self) -> impl Iterator<Item = (&GroupKind, &Watched)> {
        self.kinds.iter().map(|(kind, (watched, _))| (kind, watched))
    }

    /// Every live object.
    pub fn ids(&self) -> impl Iterator<Item = &ObjectId> {
        self.entries.keys()
    }

    /// A Namespace that is live.
    pub fn namespace(&self, name: &str) -> Option<&Container> {
        self.containers.namespaces.get(name)
    }

    /// The CustomResourceDefinition of a kind, if it has one.
    pub fn definition(&self, kind: &GroupKind) -> Option<&Container> {
        self.containers.definitions.get(kind)
    }

    /// Every Namespace that is live, with its UID, unless something lived in another one of its name when it was last seen:
    /// a later process could not tell that it went with its Namespace.
    pub fn namespace_uids(&self) -> impl Iterator<Item = (&str, &str)> {
        let missing = self.tombstones.iter().map(|(id, tombstone)| (id, tombstone.namespace_uid.as_ref()));
        let live = self.entries.iter().map(|(id, entry)| (id, entry.namespace_uid.as_ref()));
        let is_other = |id: &ObjectId, then: Option<&Arc<str>>| {
            self.containers.namespace_of(id).is_some_and(|now| Some(&now.uid) != then)
        };
        let others = missing.chain(live).filter(|(id, then)| is_other(id, *then)).filter_map(|(id, _)| id.namespace());
        let others: BTreeSet<&str> = others.collect();
        let known = self.containers.namespaces.iter().filter(move |(name, _)| !others.contains(&***name));
        known.map(|(name, namespace)| (&**name, &*namespace.uid))
    }

    /// Every kind that has a CustomResourceDefinition, with its UID, unless that is another one by now, as above.
    pub fn definition_uids(&self) -> impl Iterator<Item = (&GroupKind, &str)> {
        let is_other = |kind: &GroupKind, definition: &Container| {
            let missing = self.tombstones.iter().filter(|(id, _)| id.group_kind() == kind);
            let missing = missing.map(|(_, tombstone)| tombstone.definition_uid.as_ref());
            let live = self.of_kind(kind).map(|(_, entry)| definition.uid_for(entry.made));
            missing.chain(live).any(|then| then != Some(&definition.uid))
        };
        let known = self.containers.definitions.iter().filter(move |(kind, definition)| !is_other(kind, definition));
        known.map(|(kind, definition)| (kind, &*definition.uid))
    }

    fn of_kind<'a>(&'a self, kind: &'a GroupKind) -> impl Iterator<Item = (&'a ObjectId, &'a Entry)> {
        let first = ObjectId::new(kind.clone(), "", "");
        self.entries.range(first..).take_while(move |(id, _)| id.group_kind() == kind)
    }
}

/// Objects may be listed before their Namespace is. Without its UID their absence could never be proven.
fn place_in(entries: &mut BTreeMap<ObjectId, Entry>, name: &str, namespace: &Container) {
    for (_, entry) in entries.iter_mut().filter(|(id, _)| id.namespace() == Some(name)) {
        if entry.namespace_uid.is_none() {
            entry.namespace_uid = namespace.uid_for(entry.made).cloned();
        }
    }
}

/// Whether `version` came before `known`. Versions that are not numbers cannot be compared: the newcomer counts.
fn is_older(version: &str, known: &str) -> bool {
    match (version.parse::<u64>(), known.parse::<u64>()) {
        (Ok(version), Ok(known)) => version < known,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(version: &str, value: &str) -> Value {
        let metadata = json!({"name": "settings", "namespace": "shop", "uid": "1", "resourceVersion": version});
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": value}})
    }

    #[test]
    fn an_object_that_is_listed_anew_counts_as_changed_once() {
        let mut live = LiveTable::default();
        let object = settings("7", "a");
        let id = ObjectId::of(&object).unwrap();
        let kind = id.group_kind().clone();
        live.expect(&kind);
        live.listing(&kind);
        assert_eq!(live.see(&id, &object, "us"), Sighting::Changed);
        live.synced(&kind, Instant::ZERO);
        assert_eq!(live.see(&id, &settings("8", "a"), "us"), Sighting::Unchanged);

        // New rules, or leadership: what was decided about the object no longer holds, though it has not changed.
        live.expect_again(|_| true);
        live.listing(&kind);
        assert_eq!(live.see(&id, &settings("8", "a"), "us"), Sighting::Changed);
        assert_eq!(live.see(&id, &settings("9", "a"), "us"), Sighting::Unchanged);
        assert_eq!(live.synced(&kind, Instant::ZERO), []);
    }
}
