//! Owns the memory of single fields, per object that a rule with `syncTo: both` or `gitEdits: hold` concerns: where the
//! manifest stands that both sides last agreed on, which fields it does not tell of, and who releases what. Must never hold
//! a value; of objects whose sides are equal it holds nothing, but for two digests where the later change wins.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::manifest::Place;
use crate::object::digest::Digest;
use crate::object::{ObjectId, clean};
use crate::repository::BlobId;

use super::clock::Instant;
use super::past::{Apart, Edit, Past, Remembered, Undecided};
use super::plan::Side;
use super::state::Release;

/// What is known of one object.
#[derive(Clone, Debug, Default, PartialEq)]
struct Known {
    /// The manifest that the fields were compared with last; `None`: that of the base.
    place: Option<(BlobId, Place)>,
    apart: Vec<Apart>,
    edits: Vec<Edit>,
    waits: Option<Undecided>,
    overruled: Option<String>,
}

/// When this process saw a side change.
#[derive(Clone, Copy, Debug)]
struct Seen {
    now: Digest,
    /// `None`: it has not changed since it was first seen.
    changed: Option<Instant>,
}

/// The memory of single fields.
#[derive(Debug, Default)]
pub struct Pasts {
    known: BTreeMap<ObjectId, Known>,
    releases: BTreeMap<ObjectId, Release>,
    /// Releases that were carried out and still stand in the state.
    spent: BTreeSet<(ObjectId, Timestamp)>,
    revision: u64,
    seen: BTreeMap<ObjectId, (Option<Seen>, Option<Seen>)>,
}

impl Pasts {
    /// Where the manifest stands that the fields were compared with last, where that is not the base's.
    pub fn place(&self, id: &ObjectId) -> Option<&(BlobId, Place)> {
        self.known.get(id)?.place.as_ref()
    }

    /// Every object of which something is known.
    pub fn ids(&self) -> impl Iterator<Item = &ObjectId> {
        self.known.keys()
    }

    /// What a plan is to know; `manifest`: what that manifest says.
    pub fn past<'a>(&'a self, id: &ObjectId, manifest: Option<&'a Value>) -> Past<'a> {
        let known = self.known.get(id);
        let release = self.releases.get(id);
        Past {
            manifest,
            apart: known.map_or(&[], |known| &known.apart),
            edits: known.map_or(&[], |known| &known.edits),
            released: release.is_some(),
            keep: release.and_then(|release| release.keep),
            latest: self.latest(id),
        }
    }

    /// Takes what a plan found. `place`: the manifest that it was planned from, if there is one.
    pub fn remember(&mut self, id: &ObjectId, place: Option<(BlobId, Place)>, found: Option<&Remembered>) {
        let before = self.known.remove(id).unwrap_or_default();
        let (waits, edits) = (before.waits, before.edits.clone());
        let mut known = before;
        if let Some(found) = found {
            known.place = place.or(known.place);
            (known.apart, known.edits) = (found.apart.clone(), found.edits.clone());
            (known.waits, known.overruled) = (found.waits, found.overruled.clone());
        } else {
            known = Known::default();
        }
        let is_news = (known.waits, &known.edits) != (waits, &edits);
        if known != Known::default() {
            self.known.insert(id.clone(), known);
        }
        self.revision += u64::from(is_news);
    }

    /// What was released was carried out, or there was nothing to release.
    pub fn spend(&mut self, id: &ObjectId) {
        if let Some(release) = self.releases.remove(id) {
            self.spent.insert((id.clone(), release.at));
            self.revision += 1;
        }
    }

    /// Grows with everything that changes what is to be kept.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Other rules ask about an object now: what its fields were compared with tells nothing of those that they cover.
    pub fn doubt(&mut self, id: &ObjectId) {
        if let Some(known) = self.known.get_mut(id) {
            known.place = None;
        }
    }

    /// Both sides agree: the base tells of every field but those that are apart.
    pub fn agree(&mut self, id: &ObjectId) {
        let is_plain = |known: &Known| known.apart.is_empty() && known.edits.is_empty() && known.waits.is_none();
        if self.known.get(id).is_some_and(is_plain) {
            self.known.remove(id);
        }
    }

    /// What the API server made of values that were applied: so they are from now on.
    pub fn answered(&mut self, id: &ObjectId, apart: Vec<Apart>) {
        let known = self.known.entry(id.clone()).or_default();
        for new in apart {
            known.apart.retain(|old| old.path != new.path);
            known.apart.push(new);
        }
    }

    /// What the cluster lost by the last plan, to be told once.
    pub fn take_overruled(&mut self, id: &ObjectId) -> Option<String> {
        self.known.get_mut(id)?.overruled.take()
    }

    /// Forgets an object that has gone from both sides.
    pub fn forget(&mut self, id: &ObjectId) {
        self.seen.remove(id);
        self.spend(id);
        let is_news = self.known.remove(id).is_some_and(|known| known.waits.is_some() || !known.edits.is_empty());
        self.revision += u64::from(is_news);
    }

    /// Takes both sides of an object of which the later change wins.
    pub fn see(&mut self, id: &ObjectId, manifest: Option<&Value>, live: Option<&Value>, now: Instant) {
        let (git, cluster) = self.seen.entry(id.clone()).or_default();
        for (seen, value) in [(git, manifest), (cluster, live)] {
            let digest = Digest::of_value(&value.map(clean::for_git).unwrap_or_default());
            match seen {
                Some(seen) if seen.now == digest => {}
                Some(seen) => *seen = Seen { now: digest, changed: Some(now) },
                None => *seen = Some(Seen { now: digest, changed: None }),
            }
        }
    }

    /// The side that was seen to change last; `None`: nobody knows.
    fn latest(&self, id: &ObjectId) -> Option<Side> {
        let (git, cluster) = self.seen.get(id)?;
        match ((*git)?.changed?, (*cluster)?.changed?) {
            (git, cluster) if git > cluster => Some(Side::Git),
            (git, cluster) if git < cluster => Some(Side::Cluster),
            _ => None,
        }
    }

    /// Takes what people release. Returns the objects that are released anew.
    pub fn release(&mut self, all: Vec<Release>) -> Vec<ObjectId> {
        self.spent.retain(|(id, at)| all.iter().any(|release| release.object == *id && release.at == *at));
        let open = all.into_iter().filter(|release| !self.is_spent(release));
        let open: BTreeMap<ObjectId, Release> = open.map(|release| (release.object.clone(), release)).collect();
        let new = open.iter().filter(|(id, release)| self.releases.get(*id) != Some(release));
        let new = new.map(|(id, _)| id.clone()).collect();
        self.releases = open;
        new
    }

    /// Whether a release that stands in the state was carried out.
    pub fn is_spent(&self, release: &Release) -> bool {
        self.spent.contains(&(release.object.clone(), release.at))
    }

    /// Whether somebody released the object.
    pub fn is_released(&self, id: &ObjectId) -> bool {
        self.releases.contains_key(id)
    }

    /// What somebody has to decide about the object.
    pub fn waits(&self, id: &ObjectId) -> Option<Undecided> {
        self.known.get(id)?.waits
    }

    /// What people changed in Git and the cluster has not answered, for what outlives the process.
    pub fn edits(&self) -> impl Iterator<Item = (&ObjectId, &[Edit])> {
        self.known.iter().filter(|(_, known)| !known.edits.is_empty()).map(|(id, known)| (id, &*known.edits))
    }

    /// Takes back what outlived the process that found it.
    pub fn restore(&mut self, edits: impl IntoIterator<Item = (ObjectId, Vec<Edit>)>) {
        for (id, edits) in edits {
            self.known.entry(id).or_default().edits = edits;
        }
    }
}
