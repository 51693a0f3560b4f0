//! Owns what waits to be planned: identities, each at most once, at once or at a time, what others need before them. Must never hold a state: what an
//! object looks like is read when its turn comes.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::time::Duration;

use crate::object::ObjectId;

use super::clock::Instant;
use super::order::Rank;

/// The first pause after a failure; doubles up to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two tries.
const MAX_PAUSE: Duration = Duration::from_secs(300);

/// Identities that wait for a planning pass.
#[derive(Debug, Default)]
pub struct Queue {
    /// In the order of ranks; those that do not wait any more are passed over.
    ready: [VecDeque<ObjectId>; Rank::COUNT],
    waiting: HashSet<ObjectId>,
    timers: BTreeSet<(Instant, ObjectId)>,
    at: BTreeMap<ObjectId, Instant>,
    failures: BTreeMap<ObjectId, u32>,
}

impl Queue {
    /// Plans the object as soon as its turn comes.
    pub fn push(&mut self, id: ObjectId) {
        if self.waiting.insert(id.clone())
            && let Some(ready) = self.ready.get_mut(Rank::of(id.group_kind()) as usize)
        {
            ready.push_back(id);
        }
    }

    /// Plans the objects as soon as their turns come.
    pub fn extend(&mut self, ids: impl IntoIterator<Item = ObjectId>) {
        ids.into_iter().for_each(|id| self.push(id));
    }

    /// Plans the object at `at`, or earlier if something else asks for it.
    pub fn push_at(&mut self, id: ObjectId, at: Instant) {
        match self.at.get(&id) {
            Some(earlier) if *earlier <= at => return,
            Some(later) => {
                self.timers.remove(&(*later, id.clone()));
            }
            None => {}
        }
        self.timers.insert((at, id.clone()));
        self.at.insert(id, at);
    }

    /// Plans the object again after a pause that doubles with each failure in a row.
    pub fn retry(&mut self, id: ObjectId, now: Instant, jitter: impl FnOnce(u64) -> u64) {
        let pause = backoff(self.fail(&id), jitter);
        self.push_at(id, now + pause);
    }

    /// Counts a failure; how many in a row there are now.
    pub fn fail(&mut self, id: &ObjectId) -> u32 {
        let failures = self.failures.entry(id.clone()).or_default();
        *failures += 1;
        *failures
    }

    /// How often in a row the object could not be carried out.
    pub fn failures(&self, id: &ObjectId) -> u32 {
        self.failures.get(id).copied().unwrap_or_default()
    }

    /// Forgets the failures of an object that was planned and carried out.
    pub fn succeeded(&mut self, id: &ObjectId) {
        self.failures.remove(id);
    }

    /// The next object whose time has come.
    pub fn pop(&mut self, now: Instant) -> Option<ObjectId> {
        while let Some((at, _)) = self.timers.first()
            && *at <= now
        {
            if let Some((_, id)) = self.timers.pop_first() {
                self.at.remove(&id);
                self.push(id);
            }
        }
        loop {
            let id = self.ready.iter_mut().find_map(VecDeque::pop_front)?;
            if self.waiting.remove(&id) {
                return Some(id);
            }
        }
    }

    /// The object was planned meanwhile: it need not be planned at once any more.
    pub fn cancel(&mut self, id: &ObjectId) {
        self.waiting.remove(id);
    }

    /// When the next timer fires.
    pub fn next_timer(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// How many wait to be planned at once, timers aside.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether the object waits to be planned at once.
    pub fn contains(&self, id: &ObjectId) -> bool {
        self.waiting.contains(id)
    }

    /// Whether nothing waits to be planned at once.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Drops everything that waits.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// The pause after `failures` in a row: doubling, capped, plus up to a quarter.
pub fn backoff(failures: u32, jitter: impl FnOnce(u64) -> u64) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let pause = doubled.min(MAX_PAUSE);
    let quarter = u64::try_from(pause.as_millis() / 4).unwrap_or(u64::MAX);
    pause + Duration::from_millis(jitter(quarter.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;

    fn id(name: &str) -> ObjectId {
        ObjectId::new(GroupKind::new("", "ConfigMap"), "shop", name)
    }

    #[test]
    fn what_was_planned_meanwhile_is_passed_over_until_it_is_asked_for_again() {
        let mut queue = Queue::default();
        queue.extend([id("a"), id("b")]);
        queue.cancel(&id("a"));
        assert!(queue.len() == 1 && !queue.contains(&id("a")));
        queue.push(id("a"));
        let taken: Vec<_> = std::iter::from_fn(|| queue.pop(Instant::ZERO)).collect();
        assert_eq!(taken, [id("a"), id("b")]);
    }

    #[test]
    fn an_object_waits_once_and_in_order() {
        let mut queue = Queue::default();
        for name in ["a", "b", "a"] {
            queue.push(id(name));
        }
        assert_eq!(
            [queue.pop(Duration::ZERO), queue.pop(Duration::ZERO), queue.pop(Duration::ZERO)],
            [Some(id("a")), Some(id("b")), None]
        );
    }

    #[test]
    fn what_others_need_comes_first() {
        let mut queue = Queue::default();
        let namespace = ObjectId::new(GroupKind::new("", "Namespace"), "", "shop");
        queue.push(id("a"));
        queue.push(namespace.clone());
        assert!(queue.contains(&namespace) && queue.len() == 2);
        assert_eq!([queue.pop(Duration::ZERO), queue.pop(Duration::ZERO)], [Some(namespace), Some(id("a"))]);
        assert!(queue.is_empty());
    }

    #[test]
    fn the_earlier_of_two_timers_counts() {
        let mut queue = Queue::default();
        let at = Duration::from_secs;
        queue.push_at(id("a"), at(5));
        queue.push_at(id("a"), at(3));
        queue.push_at(id("a"), at(9));
        assert_eq!(queue.pop(at(2)), None);
        assert_eq!(queue.pop(at(3)), Some(id("a")));
        assert_eq!(queue.pop(at(10)), None);
    }

    #[test]
    fn pauses_double_and_are_capped() {
        assert_eq!(backoff(1, |_| 0), Duration::from_secs(1));
        assert_eq!(backoff(3, |_| 0), Duration::from_secs(4));
        assert_eq!(backoff(60, |_| 0), MAX_PAUSE);
        assert!(backoff(60, |bound| bound - 1) < MAX_PAUSE * 2);
    }
}
