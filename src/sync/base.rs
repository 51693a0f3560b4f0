//! Owns the memory of what agreed: per object, what stood on both sides when they were last found equal. Must never
//! call something agreed that this process has not itself seen live and in Git together.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::manifest::Place;
use crate::object::digest::Digest;
use crate::object::{ObjectId, RepoPath};
use crate::repository::BlobId;
use crate::rules::Labels;

use super::plan::RuleIndex;

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
    pub manifest_labels: Arc<Labels>,
    /// Labels of the live object then.
    pub live_labels: Arc<Labels>,
    /// Rule that decided existence then.
    pub existence: Option<RuleIndex>,
}

/// What admission or normalisation made of a manifest that we applied: applying it again changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Digest of what we applied.
    pub applied: Digest,
    /// Digest of the live object, projected on the same fields.
    pub live: Digest,
}

/// Every base and every answer of admission that this process knows.
#[derive(Debug, Default)]
pub struct Bases {
    agreed: BTreeMap<ObjectId, Base>,
    answers: BTreeMap<ObjectId, Answer>,
    sizes: BTreeMap<RuleIndex, usize>,
}

impl Bases {
    /// The base of an object; `None` when its sides never agreed.
    pub fn get(&self, id: &ObjectId) -> Option<&Base> {
        self.agreed.get(id)
    }

    /// The file of every object that agreed.
    pub fn paths(&self) -> impl Iterator<Item = &RepoPath> {
        self.agreed.values().map(|base| &base.place.path)
    }

    /// Remembers that both sides agree.
    pub fn agree(&mut self, id: &ObjectId, base: Base) {
        self.forget(id);
        if let Some(rule) = base.existence {
            *self.sizes.entry(rule).or_default() += 1;
        }
        self.agreed.insert(id.clone(), base);
    }

    /// Forgets an object that has gone from both sides, or that no rule selects.
    pub fn forget(&mut self, id: &ObjectId) {
        let rule = self.agreed.remove(id).and_then(|base| base.existence);
        if let Some(size) = rule.and_then(|rule| self.sizes.get_mut(&rule)) {
            *size = size.saturating_sub(1);
        }
    }

    /// How many objects agree under the rule that decides their existence.
    pub fn size(&self, rule: RuleIndex) -> usize {
        self.sizes.get(&rule).copied().unwrap_or_default()
    }

    /// What admission made of the object when it was last applied.
    pub fn answer(&self, id: &ObjectId) -> Option<Answer> {
        self.answers.get(id).copied()
    }

    /// Remembers what admission made of it; `None` forgets.
    pub fn answered(&mut self, id: &ObjectId, answer: Option<Answer>) {
        match answer {
            Some(answer) => self.answers.insert(id.clone(), answer),
            None => self.answers.remove(id),
        };
    }

    /// Rule positions mean something else after a reload: the objects stay agreed, no rule decided them.
    pub fn renumber(&mut self) {
        self.sizes.clear();
        self.agreed.values_mut().for_each(|base| base.existence = None);
    }
}
