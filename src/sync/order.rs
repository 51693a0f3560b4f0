//! Owns the order in which objects are made: what others need comes first. Must never hold up an object for one that was
//! asked for later, nor longer than until that one was tried.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use crate::object::{GroupKind, ObjectId};

/// What is made before what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rank {
    /// Namespaces: nothing can be made in one that is not there.
    Namespace,
    /// CustomResourceDefinitions.
    Definition,
    /// What other objects name: classes of storage, ingress, priority, runtime, snapshots, ...
    Class,
    /// Everything else.
    Rest,
    /// What looks at every request: made earlier it would refuse what its own server needs.
    Webhook,
}

impl Rank {
    /// How many there are.
    pub const COUNT: usize = 5;

    /// Every rank, in order.
    pub const ALL: [Self; Self::COUNT] = [Self::Namespace, Self::Definition, Self::Class, Self::Rest, Self::Webhook];

    /// The rank of a kind.
    pub fn of(kind: &GroupKind) -> Self {
        match (&*kind.group, &*kind.kind) {
            ("", "Namespace") => Self::Namespace,
            ("apiextensions.k8s.io", "CustomResourceDefinition") => Self::Definition,
            ("admissionregistration.k8s.io", _) | ("apiregistration.k8s.io", "APIService") => Self::Webhook,
            ("storage.k8s.io", "StorageClass" | "VolumeAttributesClass" | "CSIDriver")
            | ("networking.k8s.io", "IngressClass")
            | ("gateway.networking.k8s.io", "GatewayClass")
            | ("scheduling.k8s.io", "PriorityClass")
            | ("node.k8s.io", "RuntimeClass")
            | ("resource.k8s.io", "DeviceClass")
            | ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => Self::Class,
            ("snapshot.storage.k8s.io", kind) | ("groupsnapshot.storage.k8s.io", kind) if kind.ends_with("Class") => {
                Self::Class
            }
            _ => Self::Rest,
        }
    }
}

/// Whose turn it is, and who waits for others to have had theirs. It holds what is under way, and what waits for that.
#[derive(Debug, Default)]
pub struct Order {
    serial: u64,
    /// Objects whose turn it is: that are being read or written.
    turns: HashMap<ObjectId, (Rank, u64)>,
    /// When these turns began, by rank.
    began: BTreeSet<(Rank, u64)>,
    /// Objects to be made that wait until the turns before theirs have ended.
    parked: BTreeMap<(Rank, u64), ObjectId>,
    /// Objects that waited long enough.
    released: VecDeque<ObjectId>,
    /// Both of these.
    waiting: HashSet<ObjectId>,
    /// Objects to be made that wait until the lists of earlier kinds were read.
    unlisted: BTreeSet<ObjectId>,
}

impl Order {
    /// The object's turn begins. Turns are begun in the order of ranks.
    pub fn begin(&mut self, id: &ObjectId) {
        if !self.turns.contains_key(id) {
            self.serial += 1;
            let key = (Rank::of(id.group_kind()), self.serial);
            self.turns.insert(id.clone(), key);
            self.began.insert(key);
        }
    }

    /// The object's turn has ended, whatever came of it.
    pub fn end(&mut self, id: &ObjectId) {
        if self.leave(id).is_none() {
            return;
        }
        for rank in Rank::ALL {
            while let Some(key) = self.first_parked(rank)
                && !self.is_after_another(key)
            {
                let Some(id) = self.parked.remove(&key) else { break };
                self.turns.insert(id.clone(), key);
                self.began.insert(key);
                self.released.push_back(id);
            }
        }
    }

    /// Whether an object whose turn it is waits until earlier ranks have had theirs; then it is kept until they have.
    pub fn parks(&mut self, id: &ObjectId) -> bool {
        let Some(key) = self.turns.get(id).copied().filter(|key| self.is_after_another(*key)) else { return false };
        self.leave(id);
        self.parked.insert(key, id.clone());
        self.waiting.insert(id.clone());
        true
    }

    /// Keeps an object until the lists of earlier kinds were read.
    pub fn wait_for_lists(&mut self, id: &ObjectId) {
        self.leave(id);
        self.unlisted.insert(id.clone());
    }

    /// The objects that waited for lists.
    pub fn take_unlisted(&mut self) -> BTreeSet<ObjectId> {
        std::mem::take(&mut self.unlisted)
    }

    /// The next object that waited long enough.
    pub fn pop(&mut self) -> Option<ObjectId> {
        let next = self.released.pop_front()?;
        self.waiting.remove(&next);
        Some(next)
    }

    /// Whether the object waits for its turn.
    pub fn holds(&self, id: &ObjectId) -> bool {
        self.unlisted.contains(id) || self.waiting.contains(id)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.parked.len() + self.released.len() + self.unlisted.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn first_parked(&self, rank: Rank) -> Option<(Rank, u64)> {
        self.parked.range((rank, 0)..=(rank, u64::MAX)).next().map(|(key, _)| *key)
    }

    /// Whether a turn of an earlier rank began before this one and has not ended.
    fn is_after_another(&self, (rank, serial): (Rank, u64)) -> bool {
        let first = |other: Rank| self.began.range((other, 0)..=(other, u64::MAX)).next().copied();
        let earliest = |other: Rank| first(other).into_iter().chain(self.first_parked(other)).min();
        let earlier = Rank::ALL.into_iter().take_while(|other| *other < rank).filter_map(earliest);
        earlier.into_iter().any(|(_, since)| since < serial)
    }

    fn leave(&mut self, id: &ObjectId) -> Option<(Rank, u64)> {
        let key = self.turns.remove(id)?;
        self.began.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(group: &str, kind: &str, name: &str) -> ObjectId {
        ObjectId::new(GroupKind::new(group, kind), "", name)
    }

    #[test]
    fn what_others_need_comes_first() {
        let rank = |group, kind| Rank::of(&GroupKind::new(group, kind));
        assert!(rank("", "Namespace") < rank("apiextensions.k8s.io", "CustomResourceDefinition"));
        for (group, kind) in [
            ("storage.k8s.io", "StorageClass"),
            ("networking.k8s.io", "IngressClass"),
            ("scheduling.k8s.io", "PriorityClass"),
            ("node.k8s.io", "RuntimeClass"),
            ("snapshot.storage.k8s.io", "VolumeSnapshotClass"),
        ] {
            assert_eq!(rank(group, kind), Rank::Class, "{kind}");
        }
        for (group, kind) in [("", "Secret"), ("apps", "Deployment"), ("snapshot.storage.k8s.io", "VolumeSnapshot")] {
            assert_eq!(rank(group, kind), Rank::Rest, "{kind}");
        }
        assert_eq!(rank("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"), Rank::Webhook);
    }

    #[test]
    fn an_object_waits_for_the_turns_of_earlier_ranks_and_no_longer() {
        let (namespace, map) = (id("", "Namespace", "shop"), id("", "ConfigMap", "a"));
        let hook = id("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "h");
        let mut order = Order::default();
        for object in [&namespace, &map, &hook] {
            order.begin(object);
        }
        assert!(!order.parks(&namespace) && order.parks(&map) && order.parks(&hook));
        order.end(&map);
        assert_eq!(order.pop(), None, "the end of a turn that it does not have changes nothing");
        order.end(&namespace);
        assert_eq!((order.pop(), order.pop()), (Some(map.clone()), None));
        assert!(!order.parks(&map));
        order.end(&map);
        assert_eq!(order.pop(), Some(hook.clone()));
        assert!(!order.parks(&hook) && order.is_empty());
    }

    #[test]
    fn what_is_asked_for_later_holds_up_nobody() {
        let (map, namespace) = (id("", "ConfigMap", "a"), id("", "Namespace", "shop"));
        let mut order = Order::default();
        order.begin(&map);
        order.begin(&namespace);
        assert!(!order.parks(&map));
    }
}
