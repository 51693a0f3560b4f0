//! Owns what is kept of one file and of one object, in as few bytes as possible. Must never hold a value of an object.

use std::collections::BTreeSet;
use std::fmt;

use crate::manifest::{Place, Reason, Skip};
use crate::object::labels::KeptLabels;
use crate::object::{Digest, ObjectId, RepoPath};

/// A file.
#[derive(Debug)]
pub(super) struct Slot {
    pub records: Box<[Record]>,
    /// Most files have none.
    notes: Option<Box<Notes>>,
}

#[derive(Debug, Default)]
struct Notes {
    skips: Vec<Skip>,
    withheld: Option<Reason>,
}

/// An object of a file, in as few bytes as possible.
#[derive(Debug)]
pub(super) struct Record {
    /// As it is looked up: with the namespace that applies.
    pub id: ObjectId,
    pub digest: Digest,
    /// Position among the index's versions.
    pub version: u32,
    pub labels: KeptLabels,
    pub document: u32,
    pub line: u32,
    pub prune_disabled: bool,
    /// Whether the file names no namespace, although one applies.
    pub bare: bool,
    pub rare: Option<Box<Rare>>,
}

/// What few objects have.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Rare {
    /// Position in Lists.
    pub item: Box<[u32]>,
    /// The namespace that the file names, although none applies.
    pub namespace: Box<str>,
}

/// File and position of a record.
pub(super) type Spot = (RepoPath, u32);

#[derive(Debug)]
#[expect(
    clippy::box_collection,
    reason = "hardly any object stands twice, and this saves 8 bytes for each of the others"
)]
pub(super) enum Spots {
    One(Spot),
    Many(Box<Vec<Spot>>),
}

impl Spots {
    pub fn all(&self) -> &[Spot] {
        match self {
            Self::One(spot) => std::slice::from_ref(spot),
            Self::Many(spots) => spots,
        }
    }

    pub fn push(&mut self, spot: Spot) {
        match self {
            Self::One(first) => *self = Self::Many(Box::new(vec![first.clone(), spot])),
            Self::Many(spots) => spots.push(spot),
        }
    }

    /// Takes one out. Returns whether none is left.
    pub fn remove(&mut self, spot: &Spot) -> bool {
        match self {
            Self::One(only) => only == spot,
            Self::Many(spots) => {
                spots.retain(|other| other != spot);
                if let [only] = &spots[..] {
                    *self = Self::One(only.clone());
                }
                false
            }
        }
    }
}

/// What is known of an object's manifest beside its place.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'i> {
    pub(super) record: &'i Record,
    pub(super) version: &'i str,
}

impl<'i> Entry<'i> {
    /// Digest of the whole object as it is written.
    pub fn digest(&self) -> Digest {
        self.record.digest
    }

    /// The version in its `apiVersion`.
    pub fn version(&self) -> &'i str {
        self.version
    }

    /// Its labels.
    pub fn labels(&self) -> &'i KeptLabels {
        &self.record.labels
    }

    /// Whether it carries [`crate::manifest::PRUNE_ANNOTATION`] with `disabled`.
    pub fn prune_disabled(&self) -> bool {
        self.record.prune_disabled
    }
}

/// Something that is not taken for a manifest, for `/status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped<'i> {
    /// The file.
    pub path: &'i RepoPath,
    /// Line on which it begins, from 1.
    pub line: u32,
    /// Why.
    pub reason: &'i Reason,
    /// Whether it may hold objects of which not even the identity can be told.
    pub hides_identity: bool,
}

impl fmt::Display for Skipped<'_> {
    /// `apps/web.yaml:12 is encrypted by SOPS`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} {}", self.path, self.line, self.reason)
    }
}

impl Slot {
    pub fn new(records: Box<[Record]>, skips: Vec<Skip>, withheld: Option<Reason>) -> Self {
        let notes = Some(Notes { skips, withheld }).filter(|notes| !notes.skips.is_empty() || notes.withheld.is_some());
        Self { records, notes: notes.map(Box::new) }
    }

    pub fn skips(&self) -> &[Skip] {
        self.notes.as_ref().map_or(&[], |notes| &notes.skips)
    }

    /// Why none of its objects is taken.
    pub fn withheld(&self) -> Option<&Reason> {
        self.notes.as_ref()?.withheld.as_ref()
    }

    pub fn set_withheld(&mut self, reason: Option<Reason>) {
        self.notes.get_or_insert_default().withheld = reason;
    }

    /// The objects that are taken, with their positions.
    pub fn taken(&self) -> impl Iterator<Item = (u32, &Record)> {
        (0..).zip(&self.records).filter(|_| self.withheld().is_none())
    }

    /// What of the file at `path` is not taken.
    pub fn skipped<'i>(&'i self, path: &'i RepoPath) -> impl Iterator<Item = Skipped<'i>> {
        let withheld = self.withheld().map(|reason| Skipped { path, line: 1, reason, hides_identity: false });
        withheld.into_iter().chain(self.skips().iter().map(|skip| skipped(path, skip)))
    }

    /// What of the file at `path` is not taken and shows the kind and name of `id`.
    pub fn showing<'i>(&'i self, path: &'i RepoPath, id: &ObjectId) -> Option<Skipped<'i>> {
        let shows = |record: &Record| record.id.kind() == id.kind() && record.id.name() == id.name();
        if self.withheld().is_some() && self.records.iter().any(shows) {
            return self.skipped(path).next();
        }
        self.skips().iter().find(|skip| skip.shows.includes(id)).map(|skip| skipped(path, skip))
    }

    /// The names that something shows which is not taken.
    pub fn shown_names(&self) -> BTreeSet<&str> {
        let withheld = self.records.iter().filter(|_| self.withheld().is_some()).map(|record| record.id.name());
        self.skips().iter().flat_map(|skip| skip.shows.names()).chain(withheld).collect()
    }
}

fn skipped<'i>(path: &'i RepoPath, skip: &'i Skip) -> Skipped<'i> {
    Skipped { path, line: skip.line, reason: &skip.reason, hides_identity: skip.hides_identity() }
}

impl Record {
    pub fn place(&self, path: &RepoPath) -> Place {
        let item = self.rare.as_ref().map(|rare| rare.item.clone()).unwrap_or_default();
        Place { path: path.clone(), document: self.document, item, line: self.line }
    }

    /// The identity as it is written.
    pub fn raw(&self) -> ObjectId {
        let dropped = self.rare.as_ref().map(|rare| &*rare.namespace).filter(|namespace| !namespace.is_empty());
        match dropped {
            _ if self.bare => self.id.with_namespace(""),
            Some(namespace) => self.id.with_namespace(namespace),
            None => self.id.clone(),
        }
    }

    /// Takes which kinds are namespaced. Returns whether that gave it another identity.
    pub fn resolve(&mut self, namespaced: Option<bool>) -> bool {
        let raw = self.raw();
        let item = self.rare.take().map(|rare| rare.item).unwrap_or_default();
        let (id, bare, namespace) = match (namespaced, raw.namespace()) {
            (Some(true), None) => (raw.with_namespace("default"), true, ""),
            (Some(false), Some(namespace)) => (raw.with_namespace(""), false, namespace),
            _ => (raw.clone(), false, ""),
        };
        self.rare =
            Some(Rare { item, namespace: namespace.into() }).filter(|rare| *rare != Rare::default()).map(Box::new);
        self.bare = bare;
        let changed = id != self.id;
        if changed {
            self.id = id;
        }
        changed
    }
}
