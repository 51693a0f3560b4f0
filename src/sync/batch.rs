//! Owns the gathering of changes for Git: which objects wait for the next commit, when it is due, and how often one may be
//! pushed. Must never hold what the objects look like: that is read when the commit is composed.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::object::ObjectId;

use super::clock::Instant;

/// How long a push counts against [`Pacing::per_hour`].
const HOUR: Duration = Duration::from_secs(3600);

/// When commits are made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pacing {
    /// How long after the latest change.
    pub window: Duration,
    /// How long after the first change at the latest.
    pub max: Duration,
    /// The shortest time between two pushes.
    pub between: Duration,
    /// The most pushes within any hour; `None`: any number.
    pub per_hour: Option<u32>,
}

/// What holds a commit back that is due otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deferral {
    /// When it is due.
    pub until: Instant,
    /// The key of the rules file that says so.
    pub key: &'static str,
}

/// Objects whose manifests wait for a commit.
#[derive(Debug, Default)]
pub struct Batch {
    ids: BTreeSet<ObjectId>,
    first: Option<Instant>,
    last: Option<Instant>,
    /// Pushes that failed in a row.
    pub failures: u32,
    not_before: Instant,
    /// Pushes of the latest hour, oldest first.
    pushes: VecDeque<Instant>,
}

impl Batch {
    /// Adds an object whose manifest is to change.
    pub fn add(&mut self, id: ObjectId, now: Instant) {
        self.ids.insert(id);
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    /// When the commit is due: a while after the latest change, at most another while after the first, never before a
    /// pause that a failed push asked for, and never more often than `pacing` allows.
    pub fn due(&self, pacing: &Pacing) -> Option<Instant> {
        let quiet = self.quiet(pacing)?;
        Some(self.deferred(pacing).map_or(quiet, |deferral| deferral.until))
    }

    /// What holds the commit back although its changes have waited long enough.
    pub fn deferred(&self, pacing: &Pacing) -> Option<Deferral> {
        let quiet = self.quiet(pacing)?;
        let between = self.pushes.back().map(|push| (*push + pacing.between, "minPushInterval"));
        let oldest = pacing.per_hour.and_then(|most| self.pushes.len().checked_sub(most.max(1) as usize));
        let per_hour = oldest.and_then(|oldest| self.pushes.get(oldest)).map(|push| (*push + HOUR, "commitsPerHour"));
        let (until, key) = between.into_iter().chain(per_hour).max_by_key(|(until, _)| *until)?;
        (until > quiet).then_some(Deferral { until, key })
    }

    fn quiet(&self, pacing: &Pacing) -> Option<Instant> {
        let (first, last) = (self.first?, self.last?);
        Some((last + pacing.window).min(first + pacing.max).max(self.not_before))
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

    /// Nothing more is to be brought to the remote: pauses begin anew.
    pub fn settled(&mut self) {
        self.failures = 0;
        self.not_before = Instant::ZERO;
    }

    /// A push arrived.
    pub fn pushed(&mut self, now: Instant) {
        self.settled();
        self.pushes.push_back(now);
        while self.pushes.front().is_some_and(|push| *push + HOUR <= now) {
            self.pushes.pop_front();
        }
    }

    /// How many objects wait.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
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

    fn within(window: u64, max: u64) -> Pacing {
        Pacing { window: at(window), max: at(max), ..Pacing::default() }
    }

    #[test]
    fn a_commit_waits_for_quiet_but_not_for_ever() {
        let mut batch = Batch::default();
        assert_eq!(batch.due(&within(2, 10)), None);
        for second in 0..=9 {
            batch.add(id("a"), at(second));
        }
        assert_eq!(batch.due(&within(2, 10)), Some(at(10)));
        assert_eq!(batch.due(&within(1, 100)), Some(at(10)));
        assert_eq!(batch.take().len(), 1);
        assert_eq!(batch.due(&within(2, 10)), None);
    }

    #[test]
    fn what_a_failed_push_left_is_due_without_a_new_change() {
        let mut batch = Batch::default();
        batch.add(id("a"), at(0));
        let ids = batch.take();
        batch.put_back(ids, at(5), at(30));
        assert_eq!(batch.due(&within(2, 10)), Some(at(35)));
        batch.settled();
        assert_eq!(batch.due(&within(2, 10)), Some(at(7)));
    }

    #[test]
    fn pushes_keep_their_distance_and_their_number() {
        let pacing = Pacing { between: at(60), per_hour: Some(3), ..Pacing::default() };
        let mut batch = Batch::default();
        let mut pushed = Vec::new();
        for _ in 0..5 {
            batch.add(id("a"), pushed.last().map_or(at(100), |last: &Instant| *last + at(1)));
            let due = batch.due(&pacing).unwrap();
            batch.take();
            batch.pushed(due);
            pushed.push(due);
        }
        assert_eq!(pushed, [at(100), at(160), at(220), at(3700), at(3760)]);
        assert_eq!(batch.deferred(&pacing), None, "nothing waits");
        batch.add(id("a"), at(3761));
        let distance = Pacing { per_hour: None, ..pacing };
        assert_eq!(batch.deferred(&distance), Some(Deferral { until: at(3820), key: "minPushInterval" }));
        let pacing = Pacing { per_hour: Some(2), ..pacing };
        assert_eq!(batch.deferred(&pacing), Some(Deferral { until: at(7300), key: "commitsPerHour" }));
        assert_eq!(batch.deferred(&Pacing::default()), None);
    }
}
