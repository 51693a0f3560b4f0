//! Owns how much may be deleted: per rule and side over a sliding hour. Must never let a set through in part: what one
//! pass wants to delete under one rule goes or is held together.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::rules::Rule;

use super::clock::Instant;
use super::plan::{RuleIndex, Side};

/// How long a delete counts.
const WINDOW: Duration = Duration::from_secs(3600);

/// A rule of at most this many objects may be emptied.
const SMALL: usize = 2;

/// Deletes that were carried out, per rule and side.
#[derive(Debug, Default)]
pub struct Deletes {
    done: BTreeMap<(RuleIndex, Side), VecDeque<Instant>>,
}

impl Deletes {
    /// Whether a set of deletes may go. `size`: objects that agree under the rule now, those of the set among them.
    ///
    /// # Errors
    /// Why the set is held, and what releases it.
    pub fn admit(&mut self, rule: &Rule, side: Side, count: usize, size: usize, now: Instant) -> Result<(), String> {
        let done = self.within_window(rule.index, side, now);
        // After a reload nothing is known of the size until the objects were planned again; these at least belong to it.
        let size = size.max(count);
        let before = size + done;
        let Some(limit) = rule.deletes.held_from(before) else { return Ok(()) };
        let remedy = format!("raise `limits.deletes` of rule {} to let them go", rule.name);
        if done + count >= limit {
            return Err(format!(
                "{count} deletes are held: with {done} within the hour they reach the limit, {limit}; {remedy}"
            ));
        }
        if before > SMALL && count >= size {
            let remedy = format!("set `limits.deletes: none` on rule {} to let them go", rule.name);
            return Err(format!("{count} deletes are held: they would leave the rule without any object; {remedy}"));
        }
        Ok(())
    }

    /// Counts a delete that was carried out.
    pub fn count(&mut self, rule: RuleIndex, side: Side, now: Instant) {
        self.done.entry((rule, side)).or_default().push_back(now);
    }

    /// Rule positions mean something else after a reload.
    pub fn renumber(&mut self) {
        self.done.clear();
    }

    fn within_window(&mut self, rule: RuleIndex, side: Side, now: Instant) -> usize {
        let done = self.done.entry((rule, side)).or_default();
        while done.front().is_some_and(|at| *at + WINDOW <= now) {
            done.pop_front();
        }
        done.len()
    }
}
