//! Owns which object waits for which others, and which of those hold up whatever comes later. Must never poll: who waits is
//! asked again when what it waits for had its turn, became ready or went.

use std::collections::{BTreeMap, BTreeSet};

use crate::object::ObjectId;

use super::clock::Instant;
use super::order::Rank;

/// An object that others of a later rank wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Settling {
    /// The first rank that waits.
    from: Rank,
    /// When they wait no longer.
    until: Instant,
}

/// Who waits for whom. It holds only those that wait, and what is not ready yet of what was just written.
#[derive(Debug, Default)]
pub struct Waits {
    on: BTreeMap<ObjectId, BTreeSet<ObjectId>>,
    dependents: BTreeMap<ObjectId, BTreeSet<ObjectId>>,
    settling: BTreeMap<ObjectId, Settling>,
}

impl Waits {
    /// The object waits for these, and for nothing else.
    pub fn set(&mut self, id: &ObjectId, on: BTreeSet<ObjectId>) {
        self.clear(id);
        for awaited in &on {
            self.dependents.entry(awaited.clone()).or_default().insert(id.clone());
        }
        if !on.is_empty() {
            self.on.insert(id.clone(), on);
        }
    }

    /// The object waits for nothing.
    pub fn clear(&mut self, id: &ObjectId) {
        for awaited in self.on.remove(id).unwrap_or_default() {
            if let Some(dependents) = self.dependents.get_mut(&awaited) {
                dependents.remove(id);
                if dependents.is_empty() {
                    self.dependents.remove(&awaited);
                }
            }
        }
    }

    /// Whether the object waits for another.
    pub fn holds(&self, id: &ObjectId) -> bool {
        self.on.contains_key(id)
    }

    /// Everything that waits, and for what.
    pub fn all(&self) -> impl Iterator<Item = (&ObjectId, &BTreeSet<ObjectId>)> {
        self.on.iter()
    }

    /// Whether anything waits for this object.
    pub fn is_awaited(&self, id: &ObjectId) -> bool {
        self.dependents.contains_key(id)
    }

    /// What waits for this object.
    pub fn dependents(&self, awaited: &ObjectId) -> Vec<ObjectId> {
        self.dependents.get(awaited).into_iter().flatten().cloned().collect()
    }

    /// Every object that somebody waits for.
    pub fn awaited(&self) -> impl Iterator<Item = &ObjectId> {
        self.dependents.keys()
    }

    /// The objects that wait for each other in a circle, from `id` on, if it is in one.
    pub fn circle(&self, id: &ObjectId) -> Option<Vec<ObjectId>> {
        let mut came_from: BTreeMap<&ObjectId, &ObjectId> = BTreeMap::new();
        let mut open = vec![id];
        while let Some(at) = open.pop() {
            for next in self.on.get(at).into_iter().flatten() {
                if next == id {
                    let mut path = vec![at.clone()];
                    let mut back = at;
                    while let Some(before) = came_from.get(back) {
                        path.push((*before).clone());
                        back = before;
                    }
                    path.reverse();
                    return Some(path);
                }
                if !came_from.contains_key(next) {
                    came_from.insert(next, at);
                    open.push(next);
                }
            }
        }
        None
    }

    /// The object was written and is not ready: what is of rank `from` or later waits for it, until then at the latest.
    pub fn settle(&mut self, id: &ObjectId, from: Rank, until: Instant) {
        self.settling.insert(id.clone(), Settling { from, until });
    }

    /// The object is ready, or has gone.
    pub fn settled(&mut self, id: &ObjectId) {
        self.settling.remove(id);
    }

    /// An object that one of this rank waits for.
    pub fn holding_up(&self, rank: Rank) -> Option<&ObjectId> {
        self.settling.iter().find(|(_, settling)| settling.from <= rank).map(|(id, _)| id)
    }

    /// Whether something that was written is not ready yet.
    pub fn is_settling(&self) -> bool {
        !self.settling.is_empty()
    }

    /// When the first of them is waited for no longer.
    pub fn next_limit(&self) -> Option<Instant> {
        self.settling.values().map(|settling| settling.until).min()
    }

    /// The objects that are waited for no longer.
    pub fn give_up(&mut self, now: Instant) -> Vec<ObjectId> {
        let late: Vec<ObjectId> =
            self.settling.iter().filter(|(_, settling)| settling.until <= now).map(|(id, _)| id.clone()).collect();
        late.iter().for_each(|id| self.settled(id));
        late
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;

    fn id(name: &str) -> ObjectId {
        ObjectId::new(GroupKind::new("", "ConfigMap"), "shop", name)
    }

    fn on(names: &[&str]) -> BTreeSet<ObjectId> {
        names.iter().map(|name| id(name)).collect()
    }

    #[test]
    fn a_circle_is_found_and_a_chain_is_none() {
        let mut waits = Waits::default();
        waits.set(&id("a"), on(&["b", "x"]));
        waits.set(&id("b"), on(&["c"]));
        assert_eq!(waits.circle(&id("a")), None);
        waits.set(&id("c"), on(&["y", "a"]));
        assert_eq!(waits.circle(&id("a")), Some(vec![id("a"), id("b"), id("c")]));
        assert_eq!(waits.circle(&id("c")), Some(vec![id("c"), id("a"), id("b")]));
        waits.clear(&id("b"));
        assert_eq!((waits.circle(&id("a")), waits.dependents(&id("c"))), (None, vec![]));
        assert_eq!(waits.dependents(&id("b")), [id("a")]);
    }

    #[test]
    fn what_is_not_ready_holds_up_later_ranks_for_a_while() {
        let at = Instant::from_secs;
        let mut waits = Waits::default();
        waits.settle(&id("a"), Rank::Rest, at(300));
        assert_eq!((waits.holding_up(Rank::Class), waits.holding_up(Rank::Webhook)), (None, Some(&id("a"))));
        assert_eq!((waits.next_limit(), waits.give_up(at(299))), (Some(at(300)), vec![]));
        assert_eq!(waits.give_up(at(300)), [id("a")]);
        assert!(!waits.is_settling());
    }
}
