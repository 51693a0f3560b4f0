//! Owns the counts of one rule and side over a sliding hour, in buckets of a minute. Must never hold more than an hour.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How long a delete counts, in minutes.
pub(super) const WINDOW: i64 = 60;

/// What happened in one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Minute {
    /// Objects deleted, or manifests removed.
    #[serde(skip_serializing_if = "is_zero")]
    deleted: usize,
    /// New manifests written.
    #[serde(skip_serializing_if = "is_zero")]
    written: usize,
    /// The rule's objects when the minute's count began.
    size: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Minutes since 1970, with what happened in each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Window(BTreeMap<i64, Minute>);

/// The minute of an instant.
pub(super) fn minute_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60)
}

impl Window {
    /// Counts deletes and new manifests under a rule that had `size` objects before.
    pub(super) fn count(&mut self, deleted: usize, written: usize, size: usize, now: Timestamp) {
        self.forget(now);
        let minute = self.0.entry(minute_of(now)).or_insert(Minute { size, ..Minute::default() });
        minute.deleted += deleted;
        minute.written += written;
    }

    /// Drops what is older than the window, or so far ahead that the clock must have been set back.
    pub(super) fn forget(&mut self, now: Timestamp) {
        let now = minute_of(now);
        self.0.retain(|minute, _| (now - WINDOW + 1..=now + WINDOW).contains(minute));
    }

    /// Deletes within the window.
    pub(super) fn deleted(&self) -> usize {
        self.0.values().map(|minute| minute.deleted).sum()
    }

    /// New manifests within the window.
    pub(super) fn written(&self) -> usize {
        self.0.values().map(|minute| minute.written).sum()
    }

    /// The rule's objects when the window's first count began.
    pub(super) fn size(&self) -> Option<usize> {
        self.0.values().next().map(|minute| minute.size)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minutes * 60).unwrap()
    }

    #[test]
    fn what_happened_an_hour_ago_no_longer_counts() {
        let mut window = Window::default();
        window.count(3, 0, 40, at(0));
        window.count(2, 1, 37, at(30));
        assert_eq!((window.deleted(), window.written(), window.size()), (5, 1, Some(40)));
        window.forget(at(59));
        assert_eq!(window.deleted(), 5);
        window.forget(at(60));
        assert_eq!((window.deleted(), window.size()), (2, Some(37)));
        window.forget(at(90));
        assert!(window.is_empty());
    }

    #[test]
    fn a_clock_that_was_set_back_neither_forgets_at_once_nor_counts_for_ever() {
        let mut window = Window::default();
        window.count(5, 0, 40, at(0));
        window.forget(at(-30));
        assert_eq!(window.deleted(), 5);
        window.forget(at(-500));
        assert_eq!(window.deleted(), 0);
    }
}
