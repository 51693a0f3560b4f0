//! Owns how often what we write is undone by somebody, per object and field and for existence, in both directions; and for
//! how long nothing more is written then. Must never take an edit that comes once in a while for a fight.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::Value;

use crate::object::schema::SchemaView;
use crate::object::{Digest, FieldPath, ObjectId, compare};

use super::clock::Instant;
use super::plan::Side;

/// How much of a count is left after [`HALF_LIFE`]: one half. Five reversals within three minutes are a fight, and so are
/// any that come on the average every three and a half minutes for long.
const LIMIT: f64 = 4.5;

/// After this time a reversal counts half.
const HALF_LIFE: Duration = Duration::from_secs(600);

/// For how long nothing is written. Then one more reversal is enough.
const HELD: Duration = Duration::from_secs(600);

/// How long something is remembered that is not undone again.
const MEMORY: Duration = Duration::from_secs(1800);

/// How many objects are remembered at the most; the oldest are forgotten first, those that are held last.
const OBJECTS: usize = 10_000;

/// A field that was written, and what stood there before and afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrote {
    /// The field.
    pub field: FieldPath,
    /// Digest of the value that was replaced.
    pub before: Digest,
    /// Digest of the value as it stands now.
    pub after: Digest,
}

impl Wrote {
    /// What is written of these fields of an object, where it changes something.
    pub fn all(fields: &[FieldPath], before: Option<&Value>, after: Option<&Value>, view: SchemaView<'_>) -> Vec<Self> {
        let of = |object: Option<&Value>, field: &FieldPath| {
            Self::digest(object.and_then(|object| compare::get(object, field, view)))
        };
        let wrote =
            |field: &FieldPath| Self { field: field.clone(), before: of(before, field), after: of(after, field) };
        fields.iter().map(wrote).filter(|wrote| wrote.before != wrote.after).collect()
    }

    /// What a value is compared by.
    pub fn digest(value: Option<&Value>) -> Digest {
        Digest::of_value(value.unwrap_or(&Value::Null))
    }
}

/// What is held: existence when no field is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fought {
    /// The side that nothing is written to.
    pub side: Side,
    /// The field; `None`: neither made nor removed.
    pub field: Option<FieldPath>,
    /// When it is tried again.
    pub until: Instant,
}

#[derive(Clone, Debug)]
struct Rate {
    /// What we left there; `None`: nothing that could be undone.
    left: Option<Digest>,
    count: f64,
    /// When it was last counted or written.
    at: Instant,
    held_until: Option<Instant>,
}

impl Rate {
    fn new(now: Instant) -> Self {
        Self { left: None, count: 0.0, at: now, held_until: None }
    }

    /// Counts a reversal, with which a fight may begin.
    fn count(&mut self, now: Instant) {
        let halves = now.saturating_sub(self.at).as_secs_f64() / HALF_LIFE.as_secs_f64();
        self.count = self.count * 0.5_f64.powf(halves) + 1.0;
        self.at = now;
        if self.count >= LIMIT || self.held_until.is_some() {
            self.held_until = Some(now + HELD);
            // The next try is the first: what stands there then was not done to it.
            self.left = None;
        }
    }

    fn is_held(&self, now: Instant) -> bool {
        self.held_until.is_some_and(|until| now < until)
    }
}

type Rates = BTreeMap<(Side, Option<FieldPath>), Rate>;

/// What was written lately, and how often it was undone.
#[derive(Debug, Default)]
pub struct Fights {
    objects: BTreeMap<ObjectId, Rates>,
    /// Objects in the order in which they were last written, with repeats.
    order: VecDeque<(Instant, ObjectId)>,
}

impl Fights {
    /// Fields of an object were written. One that no longer had the value that we left there was changed by somebody.
    pub fn wrote(&mut self, id: &ObjectId, side: Side, fields: Vec<Wrote>, now: Instant) {
        if fields.is_empty() {
            return;
        }
        self.remember(id, now);
        let rates = self.objects.entry(id.clone()).or_default();
        for Wrote { field, before, after } in fields {
            let rate = rates.entry((side, Some(field))).or_insert_with(|| Rate::new(now));
            if rate.left.replace(after).is_some_and(|left| left != before) {
                rate.count(now);
            } else if rate.count == 0.0 {
                rate.at = now;
            }
        }
    }

    /// An object, or its manifest, was made. `again`: somebody had removed it.
    pub fn made(&mut self, id: &ObjectId, side: Side, again: bool, now: Instant) {
        if let Some(rate) = self.objects.get_mut(id).and_then(|rates| rates.get_mut(&(side, None))) {
            rate.left = None;
        }
        if again {
            self.existence(id, side, now).count(now);
        }
    }

    /// An object, or its manifest, was removed; the second time, because somebody had made it again.
    pub fn removed(&mut self, id: &ObjectId, side: Side, now: Instant) {
        let rate = self.existence(id, side, now);
        if rate.left.replace(Digest::of_bytes(b"")).is_some() {
            rate.count(now);
        }
    }

    fn existence(&mut self, id: &ObjectId, side: Side, now: Instant) -> &mut Rate {
        self.remember(id, now);
        self.objects.entry(id.clone()).or_default().entry((side, None)).or_insert_with(|| Rate::new(now))
    }

    /// What of an object is not written now.
    pub fn held(&self, id: &ObjectId, now: Instant) -> Vec<Fought> {
        let held = |((side, field), rate): (&(Side, Option<FieldPath>), &Rate)| {
            let until = rate.held_until.filter(|_| rate.is_held(now))?;
            Some(Fought { side: *side, field: field.clone(), until })
        };
        self.objects.get(id).into_iter().flatten().filter_map(held).collect()
    }

    /// How many fights towards this side are held.
    pub fn count(&self, side: Side, now: Instant) -> usize {
        let rates = self.objects.values().flatten();
        rates.filter(|((towards, _), rate)| *towards == side && rate.is_held(now)).count()
    }

    /// Every object of which something is held.
    pub fn all_held(&self, now: Instant) -> impl Iterator<Item = &ObjectId> {
        let held = self.objects.iter().filter(move |(_, rates)| rates.values().any(|rate| rate.is_held(now)));
        held.map(|(id, _)| id)
    }

    /// Forgets what is counted against an object. Returns whether anything of it was held.
    pub fn release(&mut self, id: &ObjectId, now: Instant) -> bool {
        let was_held = !self.held(id, now).is_empty();
        self.objects.remove(id);
        was_held
    }

    /// Forgets everything: other rules write other fields.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn remember(&mut self, id: &ObjectId, now: Instant) {
        self.order.push_back((now, id.clone()));
        // Each write adds one entry and takes out two at the most, so this is never more than a multiple of the objects.
        for _ in 0..2 {
            let is_full = self.objects.len() > OBJECTS;
            let Some((at, _)) = self.order.front() else { return };
            if *at + MEMORY > now && !is_full && self.order.len() <= 4 * OBJECTS {
                return;
            }
            let Some((at, oldest)) = self.order.pop_front() else { return };
            let Some(rates) = self.objects.get(&oldest) else { continue };
            let is_held = rates.values().any(|rate| rate.is_held(now));
            let is_later = rates.values().any(|rate| rate.at > at);
            if is_held {
                self.order.push_back((now, oldest));
            } else if !is_later {
                self.objects.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;
    use serde_json::json;

    const fn at(seconds: u64) -> Instant {
        Duration::from_secs(seconds)
    }

    fn id(name: &str) -> ObjectId {
        ObjectId::new(GroupKind::new("", "ConfigMap"), "shop", name)
    }

    fn wrote(before: &str, after: &str) -> Vec<Wrote> {
        let digest = |text: &str| Digest::of_value(&json!(text));
        vec![Wrote { field: FieldPath::fields(["data", "a"]), before: digest(before), after: digest(after) }]
    }

    /// Somebody changes what we wrote every `period` seconds for an hour, and we change it back; when that is first held.
    fn held_after(period: u64) -> Option<u64> {
        let mut fights = Fights::default();
        (0..3_600 / period).map(|round| round * period).find(|second| {
            fights.wrote(&id("a"), Side::Cluster, wrote("theirs", "ours"), at(*second));
            !fights.held(&id("a"), at(*second)).is_empty()
        })
    }

    #[test]
    fn who_writes_every_few_seconds_is_held_within_a_minute_and_a_person_never_is() {
        assert!(held_after(1).is_some_and(|second| second < 60));
        assert!(held_after(10).is_some_and(|second| second < 60));
        assert!(held_after(60).is_some_and(|second| second < 600));
        assert_eq!(held_after(300), None, "twelve times within an hour");
    }

    #[test]
    fn what_changes_because_its_source_does_is_no_fight() {
        let mut fights = Fights::default();
        for round in 0..100_u32 {
            let (before, after) = (round.to_string(), (round + 1).to_string());
            fights.wrote(&id("a"), Side::Git, wrote(&before, &after), at(u64::from(round)));
            assert_eq!(fights.held(&id("a"), at(u64::from(round))), []);
        }
    }

    #[test]
    fn a_fight_is_tried_again_after_a_while_and_then_one_reversal_is_enough() {
        let mut fights = Fights::default();
        (0..5).for_each(|second| fights.made(&id("a"), Side::Cluster, true, at(second)));
        let until = at(604);
        assert_eq!(fights.held(&id("a"), at(5)), [Fought { side: Side::Cluster, field: None, until }]);
        assert_eq!((fights.count(Side::Cluster, at(5)), fights.count(Side::Git, at(5))), (1, 0));
        assert!(fights.held(&id("a"), until).is_empty());
        fights.made(&id("a"), Side::Cluster, true, until + at(1));
        assert!(!fights.held(&id("a"), until + at(2)).is_empty());
        assert!(fights.release(&id("a"), until + at(2)));
        assert!(fights.held(&id("a"), until + at(2)).is_empty());
    }

    #[test]
    fn what_is_removed_again_and_again_is_a_fight_unless_we_made_it_meanwhile() {
        let mut fights = Fights::default();
        for second in 0..20 {
            fights.removed(&id("a"), Side::Cluster, at(second));
            fights.made(&id("a"), Side::Cluster, false, at(second));
        }
        assert_eq!(fights.held(&id("a"), at(20)), []);
        (20..30).for_each(|second| fights.removed(&id("a"), Side::Cluster, at(second)));
        assert!(!fights.held(&id("a"), at(30)).is_empty());
    }

    #[test]
    fn the_memory_is_bounded_and_held_ones_stay() {
        let mut fights = Fights::default();
        (0..5).for_each(|second| fights.made(&id("held"), Side::Cluster, true, at(second)));
        for number in 0..3 * OBJECTS {
            fights.wrote(&id(&number.to_string()), Side::Cluster, wrote("a", "b"), at(10));
        }
        assert!(fights.objects.len() <= OBJECTS + 2, "{}", fights.objects.len());
        assert!(!fights.held(&id("held"), at(11)).is_empty());
        // Much later a write makes room.
        for _ in 0..OBJECTS {
            fights.wrote(&id("x"), Side::Cluster, wrote("a", "a"), at(10_000));
        }
        assert!(fights.objects.len() < 10, "{}", fights.objects.len());
        assert!(fights.order.len() <= OBJECTS + 10, "{}", fights.order.len());
    }
}
