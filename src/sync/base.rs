//! Owns the memory of what agreed: per object, what stood on both sides when they were last found equal, and which objects
//! are not equal now. Must never call something agreed that was not seen live and in Git together.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::manifest::Place;
use crate::object::digest::Digest;
use crate::object::labels::KeptLabels;
use crate::object::{ObjectId, RepoPath};
use crate::repository::{BlobId, CommitId};

use super::plan::RuleIndex;
use super::reload::Reload;

/// The state in which both sides of one object last agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Where the manifest stood.
    pub place: Place,
    /// The file that held it, by which it can be read again.
    pub blob: BlobId,
    /// Digest of the manifest.
    pub manifest: Digest,
    /// UID of the live object; `None`: this process has not seen it.
    pub uid: Option<Arc<str>>,
    /// Labels of the manifest then.
    pub manifest_labels: KeptLabels,
    /// Labels of the live object then.
    pub live_labels: KeptLabels,
    /// Rule that decided existence then.
    pub existence: Option<RuleIndex>,
    /// Whether it tells of each field that the rules in force ask about: other rules may have compared fewer.
    pub is_whole: bool,
    /// Whether the manifest opted out of prune.
    pub opts_out: bool,
}

/// What admission or normalisation made of a manifest that we applied: applying it again changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Digest of what we applied.
    pub applied: Digest,
    /// Digest of the live object, projected on the same fields.
    pub live: Digest,
}

/// When the sides of an object that are not equal now last were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastAgreed {
    /// At this commit; the object has a [`Base`].
    At(CommitId),
    /// Never, as far as is known.
    Never,
}

/// Every base and every answer of admission that this process knows.
#[derive(Debug, Default)]
pub struct Bases {
    agreed: BTreeMap<ObjectId, Base>,
    /// Objects that stand in Git, or did when they agreed, and do not agree with it now.
    open: BTreeMap<ObjectId, LastAgreed>,
    answers: BTreeMap<ObjectId, Answer>,
    sizes: BTreeMap<RuleIndex, usize>,
    revision: u64,
}

impl Bases {
    /// The base of an object; `None` when its sides never agreed.
    pub fn get(&self, id: &ObjectId) -> Option<&Base> {
        self.agreed.get(id)
    }

    /// Every object that agrees, or did.
    pub fn ids(&self) -> impl Iterator<Item = &ObjectId> {
        self.agreed.keys()
    }

    /// The file of every object that agreed.
    pub fn paths(&self) -> impl Iterator<Item = &RepoPath> {
        self.agreed.values().map(|base| &base.place.path)
    }

    /// Remembers that both sides agree.
    pub fn agree(&mut self, id: &ObjectId, base: Base) {
        if self.open.remove(id).is_some() || self.agreed.get(id).is_none_or(|before| before.manifest != base.manifest) {
            self.revision += 1;
        }
        self.shrink(id);
        if let Some(rule) = base.existence {
            *self.sizes.entry(rule).or_default() += 1;
        }
        self.agreed.insert(id.clone(), base);
    }

    /// Remembers that the sides of an object are not known to be equal any more, at `head`: what it says is the latest at
    /// which they were.
    pub fn differ(&mut self, id: &ObjectId, head: Option<CommitId>) {
        if self.open.contains_key(id) {
            return;
        }
        let past = match (self.agreed.get(id), head) {
            (Some(_), Some(head)) => LastAgreed::At(head),
            _ => LastAgreed::Never,
        };
        self.open.insert(id.clone(), past);
        self.revision += 1;
    }

    /// Remembers a state in which the sides of an object agreed once, and do not now.
    pub fn agreed_once(&mut self, id: &ObjectId, base: Base, commit: CommitId) {
        self.agree(id, base);
        self.open.insert(id.clone(), LastAgreed::At(commit));
    }

    /// Forgets that an object ever agreed. `listed`: whether it stands in Git, where a later process would take it for
    /// agreed unless it is told.
    pub fn forget(&mut self, id: &ObjectId, listed: bool) {
        let had = self.shrink(id);
        let before = if listed { self.open.insert(id.clone(), LastAgreed::Never) } else { self.open.remove(id) };
        if had || before.is_some() != listed || before.is_some_and(|before| listed && before != LastAgreed::Never) {
            self.revision += 1;
        }
    }

    /// Takes away a base. Returns whether there was one.
    fn shrink(&mut self, id: &ObjectId) -> bool {
        let before = self.agreed.remove(id);
        let rule = before.as_ref().and_then(|base| base.existence);
        if let Some(size) = rule.and_then(|rule| self.sizes.get_mut(&rule)) {
            *size = size.saturating_sub(1);
        }
        before.is_some()
    }

    /// The objects that are not known to agree now.
    pub fn open(&self) -> impl Iterator<Item = (&ObjectId, &LastAgreed)> {
        self.open.iter()
    }

    /// Whether an object is among them.
    pub fn is_open(&self, id: &ObjectId) -> bool {
        self.open.contains_key(id)
    }

    /// Grows with everything that changes what is to be kept.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// How many objects agree under the rule that decides their existence.
    pub fn size(&self, rule: RuleIndex) -> usize {
        self.sizes.get(&rule).copied().unwrap_or_default()
    }

    /// What admission made of the object when it was last applied.
    pub fn answer(&self, id: &ObjectId) -> Option<Answer> {
        self.answers.get(id).copied()
    }

    /// Every answer of admission that is known.
    pub fn answers(&self) -> impl Iterator<Item = (&ObjectId, &Answer)> {
        self.answers.iter()
    }

    /// Remembers what admission made of it; `None` forgets.
    pub fn answered(&mut self, id: &ObjectId, answer: Option<Answer>) {
        let before = match answer {
            Some(answer) => self.answers.insert(id.clone(), answer),
            None => self.answers.remove(id),
        };
        self.revision += u64::from(before != answer);
    }

    /// Other rules ask about an object now: what they cover may never have been compared.
    pub fn doubt(&mut self, id: &ObjectId) {
        if let Some(base) = self.agreed.get_mut(id) {
            base.is_whole = false;
        }
    }

    /// Rule positions mean something else after a reload: the objects stay agreed, and are decided by the rule that has the
    /// position now, if any is known.
    pub fn renumber(&mut self, reload: &Reload) {
        self.sizes.clear();
        for (id, base) in &mut self.agreed {
            base.existence = base.existence.and_then(|rule| reload.index(id.group_kind(), rule));
            if let Some(rule) = base.existence {
                *self.sizes.entry(rule).or_default() += 1;
            }
        }
        self.revision += 1;
    }
}
