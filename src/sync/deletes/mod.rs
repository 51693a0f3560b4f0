//! Owns how much may be deleted: per rule and side over a sliding hour, and the sets that are held until a person lets them
//! go. Must never let a set through in part: what one pass wants to delete under one rule goes or is held together.

mod sets;
mod window;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::object::ObjectId;
use crate::rules::Rule;

use super::guards::Guard;
use super::plan::Side;
use super::state::Approval;

pub use sets::{HeldSet, Why, plan_id};
use window::{Window, minute_of};

/// A rule of at most this many objects may be emptied.
const SMALL: usize = 2;

/// How many identities of held sets outlive the process.
const KEPT: usize = 2_000;

/// How many identities of a set are kept when there is no room for all.
const SHOWN: usize = 20;

/// How many held sets outlive the process.
const KEPT_SETS: usize = 100;

/// Deletes that were carried out, and those that are held.
#[derive(Debug, Default)]
pub struct Deletes {
    windows: BTreeMap<(String, Side), Window>,
    sets: Vec<HeldSet>,
    revision: u64,
}

/// What outlives the process: the section `deletes` of the state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SavedDeletes {
    /// Counts of the latest hour.
    counts: Vec<SavedCount>,
    /// What is held.
    pub held: Vec<HeldSet>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SavedCount {
    rule: String,
    side: Side,
    minutes: Window,
}

/// Deletes of one rule on one side that one pass wants.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// Where.
    pub side: Side,
    /// What is to go.
    pub objects: &'a BTreeSet<ObjectId>,
    /// Those of them that a commit allows by its trailer.
    pub allowed: &'a BTreeSet<ObjectId>,
    /// How many objects agree under the rule now, those that are to go among them.
    pub size: usize,
    /// New manifests in the same commit.
    pub written: usize,
}

/// What becomes of the deletes of one pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// These go; whether a person said so, by an approval or by a trailer.
    pub go: BTreeMap<ObjectId, bool>,
    /// These stay, and why.
    pub held: BTreeMap<ObjectId, String>,
}

/// What came of an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approved {
    /// The set goes with the next pass: what is in it.
    Goes(BTreeSet<ObjectId>),
    /// It was approved before and is on its way.
    Already,
    /// No set of this id is held any more, or yet.
    Unknown,
}

impl Deletes {
    /// What becomes of the deletes that a pass wants. Those that are neither in a held set nor allowed go together or make
    /// up a new held set.
    pub fn judge(&mut self, wanted: &Wanted<'_>, now: Timestamp) -> Verdict {
        let mut verdict = Verdict::default();
        let mut rest: BTreeSet<ObjectId> = BTreeSet::new();
        self.recognise(wanted);
        for id in wanted.objects {
            let set = self.sets.iter().find(|set| set.side == wanted.side && set.objects.contains(id));
            match set {
                Some(set) if set.approved_by.is_some() => drop(verdict.go.insert(id.clone(), true)),
                _ if wanted.allowed.contains(id) => drop(verdict.go.insert(id.clone(), true)),
                Some(set) if set.why == Why::Limit => drop(verdict.held.insert(id.clone(), set.shown())),
                _ => drop(rest.insert(id.clone())),
            }
        }
        if rest.is_empty() {
            return verdict;
        }
        match self.admit(wanted, &rest, now) {
            Ok(()) => verdict.go.extend(rest.into_iter().map(|id| (id, false))),
            Err(reason) => {
                let shown = self.hold(Why::Limit, wanted.side, &wanted.rule.name, rest.clone(), reason, now);
                verdict.held.extend(rest.into_iter().map(|id| (id, shown.clone())));
            }
        }
        verdict
    }

    /// A set that came back from a restart without its identities is the one that has the same id.
    fn recognise(&mut self, wanted: &Wanted<'_>) {
        let known: BTreeSet<&ObjectId> = self.sets.iter().flat_map(|set| &set.objects).collect();
        let is_of = |set: &HeldSet| set.side == wanted.side && set.rule == wanted.rule.name && !set.is_whole();
        if !self.sets.iter().any(is_of) {
            return;
        }
        // What it shows of itself belongs to it.
        let shown: BTreeSet<ObjectId> =
            self.sets.iter().filter(|set| is_of(set)).flat_map(|set| set.objects.iter().cloned()).collect();
        let loose: BTreeSet<ObjectId> =
            wanted.objects.iter().filter(|id| !known.contains(id) || shown.contains(*id)).cloned().collect();
        let id = plan_id(wanted.side, &loose);
        for set in self.sets.iter_mut().filter(|set| is_of(set)) {
            if set.plan_id == id {
                set.objects = loose.clone();
            }
        }
        // What is left of them cannot be told any more: what they held is judged anew.
        self.sets.retain(|set| !is_of(set));
    }

    /// Whether deletes may go by their number.
    fn admit(&mut self, wanted: &Wanted<'_>, new: &BTreeSet<ObjectId>, now: Timestamp) -> Result<(), String> {
        let Wanted { rule, side, .. } = *wanted;
        let window = self.windows.entry((rule.name.clone(), side)).or_default();
        window.forget(now);
        // These at least belong to the rule.
        let size = wanted.size.max(new.len());
        let at_start = window.size().unwrap_or(size);
        let before = at_start.max(new.len());
        let Some(limit) = rule.deletes.held_from(before) else { return Ok(()) };
        let is_recent = |set: &&HeldSet| minute_of(now) - minute_of(set.since) < window::WINDOW;
        let of_rule = |set: &&HeldSet| set.why == Why::Limit && set.side == side && set.rule == rule.name;
        let held: usize = self.sets.iter().filter(of_rule).filter(is_recent).map(|set| set.objects.len()).sum();
        let done = window.deleted();
        // What a rule writes when it has nothing yet is a first capture, and no rotation.
        let written = if side == Side::Git { (window.written() + wanted.written).min(at_start) } else { 0 };
        let count = new.len();
        if (done + held + count).saturating_sub(written) >= limit {
            let others = match (done, held) {
                (0, 0) => String::new(),
                (done, 0) => format!(", with {done} within the hour,"),
                (0, held) => format!(", with {held} held already,"),
                (done, held) => format!(", with {done} within the hour and {held} held already,"),
            };
            return Err(format!("{count} deletes of rule {}{others} reach the limit of {limit}", rule.name));
        }
        if before > SMALL && count >= size && wanted.written == 0 {
            return Err(format!("{count} deletes would leave rule {} without any object", rule.name));
        }
        Ok(())
    }

    /// Holds deletes as one set, unless they are that set already. Answers why they are held and what lets them go.
    pub fn hold(
        &mut self,
        why: Why,
        side: Side,
        rule: &str,
        objects: BTreeSet<ObjectId>,
        reason: String,
        now: Timestamp,
    ) -> String {
        let plan_id = plan_id(side, &objects);
        // The set is the same although the reason may be put in other words by now.
        if let Some(set) = self.sets.iter().find(|set| set.plan_id == plan_id && set.side == side) {
            return set.shown();
        }
        let (count, rule) = (objects.len(), rule.to_owned());
        let set = HeldSet { plan_id, side, rule, why, reason, since: now, approved_by: None, count, objects };
        tracing::warn!(plan = set.plan_id, side = side.as_str(), count, reason = set.reason, "deletes are held");
        self.revision += 1;
        let shown = set.shown();
        self.sets.push(set);
        shown
    }

    /// The held set that an object is in.
    pub fn set_of(&self, side: Side, id: &ObjectId) -> Option<&HeldSet> {
        self.sets.iter().find(|set| set.side == side && set.objects.contains(id))
    }

    /// Every held set.
    pub fn sets(&self) -> &[HeldSet] {
        &self.sets
    }

    /// Somebody lets a set go.
    pub fn approve(&mut self, approval: &Approval) -> Approved {
        let Some(set) = self.sets.iter_mut().find(|set| set.plan_id == approval.plan_id) else {
            return Approved::Unknown;
        };
        if set.approved_by.replace(approval.by.clone()).is_some() {
            return Approved::Already;
        }
        self.revision += 1;
        Approved::Goes(set.objects.clone())
    }

    /// Counts a delete that was carried out. What a person let go does not count against the limit.
    pub fn count(&mut self, rule: &str, side: Side, id: &ObjectId, size: usize, by_person: bool, now: Timestamp) {
        if !by_person {
            self.windows.entry((rule.to_owned(), side)).or_default().count(1, 0, size, now);
        }
        self.revision += 1;
        self.leave(side, id);
    }

    /// Counts new manifests in Git: they are set against those that are removed.
    pub fn count_written(&mut self, rule: &str, written: usize, size: usize, now: Timestamp) {
        if written > 0 {
            self.windows.entry((rule.to_owned(), Side::Git)).or_default().count(0, written, size, now);
            self.revision += 1;
        }
    }

    /// The object is not to be deleted any more: it came back, or it has gone from both sides. Its set keeps its id; one
    /// that is empty dissolves.
    pub fn came_back(&mut self, id: &ObjectId) {
        self.leave(Side::Cluster, id);
        self.leave(Side::Git, id);
    }

    fn leave(&mut self, side: Side, id: &ObjectId) {
        let mut left = false;
        for set in self.sets.iter_mut().filter(|set| set.side == side) {
            if set.objects.remove(id) {
                set.count = set.count.saturating_sub(1);
                left = true;
            }
        }
        if left {
            self.revision += 1;
            self.sets.retain(|set| set.count > 0);
        }
    }

    /// What was let go in another cluster, repository or folder is not let go here.
    pub fn distrust(&mut self) {
        self.sets.iter_mut().for_each(|set| set.approved_by = None);
        self.revision += 1;
    }

    /// Changes whenever there is something to be saved.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What is to outlive the process. Bounded: of large sets only the first identities are kept, which errs on the side of
    /// holding.
    pub fn save(&self, now: Timestamp) -> SavedDeletes {
        let count = |((rule, side), window): (&(String, Side), &Window)| {
            let mut minutes = window.clone();
            minutes.forget(now);
            (!minutes.is_empty()).then(|| SavedCount { rule: rule.clone(), side: *side, minutes })
        };
        let mut room = KEPT;
        let held = self.sets.iter().take(KEPT_SETS).map(|set| {
            let keeps = if set.objects.len() <= room { set.objects.len() } else { SHOWN.min(room) };
            room -= keeps;
            HeldSet { objects: set.objects.iter().take(keeps).cloned().collect(), ..set.clone() }
        });
        SavedDeletes { held: held.collect(), counts: self.windows.iter().filter_map(count).collect() }
    }

    /// Takes over what an earlier process left.
    pub fn restore(&mut self, saved: SavedDeletes, now: Timestamp) {
        for SavedCount { rule, side, mut minutes } in saved.counts {
            minutes.forget(now);
            self.windows.insert((rule, side), minutes);
        }
        self.sets = saved.held;
    }
}

impl HeldSet {
    /// Why one of its objects is held, and what lets it go.
    pub fn shown(&self) -> String {
        let guard = match self.why {
            Why::Limit => Guard::Limit,
            Why::Content => Guard::Content,
            Why::GoneWith(_) => Guard::Absence,
        };
        let plan = &self.plan_id;
        guard.says(format_args!("{}; held as plan {plan}: `kubeferry approve {plan}` lets it go", self.reason))
    }
}

#[cfg(test)]
mod tests;
