//! Owns the gathering of changes for Git: which objects wait for the next commit and when it is due. Must never hold
//! what they look like: that is read when the commit is composed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::object::{ObjectId, RepoPath};

use super::clock::Instant;

/// Objects whose manifests wait for a commit.
#[derive(Debug, Default)]
pub struct Batch {
    ids: BTreeSet<ObjectId>,
    first: Option<Instant>,
    last: Option<Instant>,
    /// Pushes that failed in a row.
    pub failures: u32,
    not_before: Instant,
}

impl Batch {
    /// Adds an object whose manifest is to change.
    pub fn add(&mut self, id: ObjectId, now: Instant) {
        self.ids.insert(id);
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    /// When the commit is due: `window` after the latest change, at most `max` after the first, and never before a
    /// pause that a failed push asked for.
    pub fn due(&self, window: Duration, max: Duration) -> Option<Instant> {
        let (first, last) = (self.first?, self.last?);
        Some((last + window).min(first + max).max(self.not_before))
    }

    /// Takes what waits.
    pub fn take(&mut self) -> BTreeSet<ObjectId> {
        self.first = None;
        self.last = None;
        std::mem::take(&mut self.ids)
    }

    /// Puts back what a failed push did not bring to the remote. Due again after `pause`, without a new change.
    pub fn put_back(&mut self, ids: BTreeSet<ObjectId>, now: Instant, pause: Duration) {
        self.ids.extend(ids);
        self.first.get_or_insert(now);
        self.last.get_or_insert(now);
        self.failures += 1;
        self.not_before = now + pause;
    }

    /// A push arrived: pauses begin anew.
    pub fn arrived(&mut self) {
        self.failures = 0;
        self.not_before = Instant::ZERO;
    }

    /// How many objects wait.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Drops everything that waits.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// How long a removed manifest is remembered.
const MEMORY: Duration = Duration::from_secs(3600);

/// How many removed manifests are remembered.
const REMEMBERED: usize = 1_000;

/// The text of manifests that were removed lately: an object that comes back gets its bytes back.
#[derive(Debug, Default)]
pub struct Removed {
    texts: BTreeMap<ObjectId, (Instant, RepoPath, Vec<u8>)>,
    order: VecDeque<ObjectId>,
}

impl Removed {
    /// Remembers the text that a manifest had.
    pub fn remember(&mut self, id: &ObjectId, path: RepoPath, text: Vec<u8>, now: Instant) {
        if self.texts.insert(id.clone(), (now, path, text)).is_none() {
            self.order.push_back(id.clone());
        }
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.texts.remove(&oldest);
            }
        }
    }

    /// Where a manifest stood and what its text was, if it was removed within the hour.
    pub fn recall(&self, id: &ObjectId, now: Instant) -> Option<(&RepoPath, &[u8])> {
        let (at, path, text) = self.texts.get(id)?;
        (now <= *at + MEMORY).then_some((path, text.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;

    const fn at(seconds: u64) -> Instant {
        Duration::from_secs(seconds)
    }

    fn id(name: &str) -> ObjectId {
        ObjectId::new(GroupKind::new("", "ConfigMap"), "shop", name)
    }

    #[test]
    fn a_commit_waits_for_quiet_but_not_for_ever() {
        let mut batch = Batch::default();
        assert_eq!(batch.due(at(2), at(10)), None);
        for second in 0..=9 {
            batch.add(id("a"), at(second));
        }
        assert_eq!(batch.due(at(2), at(10)), Some(at(10)));
        assert_eq!(batch.due(at(1), at(100)), Some(at(10)));
        assert_eq!(batch.take().len(), 1);
        assert_eq!(batch.due(at(2), at(10)), None);
    }

    #[test]
    fn what_a_failed_push_left_is_due_without_a_new_change() {
        let mut batch = Batch::default();
        batch.add(id("a"), at(0));
        let ids = batch.take();
        batch.put_back(ids, at(5), at(30));
        assert_eq!(batch.due(at(2), at(10)), Some(at(35)));
        batch.arrived();
        assert_eq!(batch.due(at(2), at(10)), Some(at(7)));
    }

    #[test]
    fn the_oldest_removed_manifest_is_forgotten_first() {
        let mut removed = Removed::default();
        let path = RepoPath::parse("a.yaml").unwrap();
        for number in 0..=REMEMBERED {
            removed.remember(&id(&number.to_string()), path.clone(), Vec::new(), at(0));
        }
        assert!(removed.recall(&id("0"), at(1)).is_none());
        assert!(removed.recall(&id("1"), at(1)).is_some());
        assert!(removed.recall(&id("1"), at(3601)).is_none());
    }
}
