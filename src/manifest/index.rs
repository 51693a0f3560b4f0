//! Owns where each object of the tree stands, by identity. Must never guess between two places, and never keep a value:
//! places and digests only.

mod patches;
mod record;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

pub use patches::{Fragment, NoOverlay, Overlay, PatchPaths};
pub use record::{Entry, Skipped};
use record::{Rare, Record, Slot, Spot, Spots};

use super::file::{Manifest, ManifestFile};
use super::kustomize::{Kustomizations, Listed};
use super::place::Place;
use super::skip::Reason;
use crate::object::{Digest, GroupKind, Kinds, ObjectId, RepoPath};

/// What the tree says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// No manifest, and nothing that could be one.
    Absent,
    /// One manifest.
    One(Place),
    /// The same object more than once; sorted.
    Duplicate(Vec<Place>),
    /// No manifest that can be taken, but something that still shows this kind and name; where, and why it is skipped.
    Unreadable(String),
}

/// Where each object of one commit's tree stands.
///
/// Needs about 420 bytes for an object in a file of its own, labels aside.
#[derive(Debug, Default)]
pub struct Index {
    files: HashMap<RepoPath, Slot>,
    by_id: HashMap<ObjectId, Spots>,
    /// Files of which something is skipped that people should know of.
    loud: BTreeSet<RepoPath>,
    /// Names that something skipped shows, with the files that show them.
    shown: HashMap<Box<str>, Vec<RepoPath>>,
    kustomizations: Kustomizations,
    /// Where the rules write patches.
    patches: PatchPaths,
    namespaced: HashMap<GroupKind, bool>,
    group_kinds: HashSet<GroupKind>,
    /// Versions by position, and back.
    versions: Vec<Arc<str>>,
    version_numbers: HashMap<Arc<str>, u32>,
}

impl Index {
    /// Takes a file as it now stands, or that it is gone. Returns every identity for which something changed: its value,
    /// how often it stands in the tree, or whether it is taken at all.
    ///
    /// What merely became *unreadable* elsewhere names no namespace, so it is not among them: identities that were found
    /// [`Found::Unreadable`] are to be asked for again with each new commit. The identities of patches are among them; one
    /// that names no namespace means objects of that kind and name in any.
    pub fn update(&mut self, path: &RepoPath, file: Option<ManifestFile>) -> Vec<ObjectId> {
        self.update_all([(path.clone(), file)])
    }

    /// [`Index::update`] for many files at once, which looks at the kustomizations once only.
    pub fn update_all(&mut self, files: impl IntoIterator<Item = (RepoPath, Option<ManifestFile>)>) -> Vec<ObjectId> {
        let mut touched = Vec::new();
        let mut reach = false;
        for (path, file) in files {
            let kustomization = file.as_ref().and_then(|file| file.kustomization.clone());
            reach |= self.kustomizations.set(&path, kustomization);
            let before = self.drop_file(&path);
            let after = file.map(|file| self.add_file(file)).unwrap_or_default();
            touched.extend(difference(before, after));
        }
        if reach {
            let before = self.kustomizations.reach();
            let mut files = std::mem::take(&mut self.files);
            for (path, slot) in &mut files {
                touched.extend(self.withhold(path, slot, before.get(path.as_str())));
            }
            self.files = files;
        }
        touched.sort_unstable();
        touched.dedup();
        touched
    }

    /// Takes which kinds are namespaced: `default` becomes the namespace of their objects that name none, and objects of
    /// other known kinds lose theirs. Returns every identity that changed, old and new.
    pub fn set_kinds(&mut self, kinds: &Kinds) -> Vec<ObjectId> {
        self.namespaced = kinds.iter().map(|kind| (kind.group_kind.clone(), kind.namespaced)).collect();
        let mut touched = Vec::new();
        let mut files = std::mem::take(&mut self.files);
        for (path, slot) in &mut files {
            let taken = slot.withheld().is_none();
            for (position, record) in (0..).zip(&mut slot.records) {
                let old = record.id.clone();
                if record.resolve(self.namespaced.get(old.group_kind()).copied()) && taken {
                    self.detach(&old, &(path.clone(), position));
                    self.attach(&record.id, (path.clone(), position));
                    touched.extend([old, record.id.clone()]);
                }
            }
        }
        self.files = files;
        touched.sort_unstable();
        touched.dedup();
        touched
    }

    /// Where an object stands.
    pub fn find(&self, id: &ObjectId) -> Found {
        let mut places: Vec<_> = self.records(id).map(|(path, record)| record.place(path)).collect();
        places.sort();
        match places.len() {
            0 => self.unreadable(id, None).map_or(Found::Absent, Found::Unreadable),
            1 => places.pop().map_or(Found::Absent, Found::One),
            _ => Found::Duplicate(places),
        }
    }

    /// What is known of an object's manifest; `None` unless exactly one is found.
    pub fn entry(&self, id: &ObjectId) -> Option<Entry<'_>> {
        let mut records = self.records(id);
        let (_, record) = records.next().filter(|_| records.next().is_none())?;
        let version = self.versions.get(record.version as usize).map_or("", |version| version);
        Some(Entry { record, version })
    }

    /// Why an object that has no manifest can't be called absent: `last_path`, which held its manifest once, still exists
    /// but is skipped in whole or in part, or something skipped anywhere still shows its kind and name.
    pub fn unreadable(&self, id: &ObjectId, last_path: Option<&RepoPath>) -> Option<String> {
        let last = last_path.and_then(|path| self.files.get_key_value(path));
        if let Some(skipped) = last.and_then(|(path, slot)| slot.skipped(path).next()) {
            return Some(format!("{skipped}, and held it before"));
        }
        let showing = |path| self.files.get_key_value(path).and_then(|(path, slot)| slot.showing(path, id));
        let found = self.shown.get(id.name())?.iter().find_map(showing)?;
        Some(format!("{found}, and shows this kind and name"))
    }

    /// Everything that is not taken for a manifest, by path, but for what is quiet.
    pub fn skips(&self) -> impl Iterator<Item = Skipped<'_>> {
        let files = self.loud.iter().filter_map(|path| self.files.get_key_value(path));
        files.flat_map(|(path, slot)| slot.skipped(path)).filter(|skip| !skip.reason.is_quiet())
    }

    /// Every identity that has a manifest, once each, in no particular order.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectId> {
        self.by_id.keys()
    }

    /// The identity by which a manifest is kept; `None` when there is none.
    pub fn known(&self, id: &ObjectId) -> Option<&ObjectId> {
        self.by_id.get_key_value(id).map(|(known, _)| known)
    }

    /// How many identities have a manifest.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether no identity has one.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    fn records<'i>(&'i self, id: &ObjectId) -> impl Iterator<Item = (&'i RepoPath, &'i Record)> {
        let spots = self.by_id.get(id).map(Spots::all).unwrap_or_default();
        spots.iter().filter_map(|(path, position)| {
            let record = self.files.get(path)?.records.get(*position as usize)?;
            Some((path, record))
        })
    }

    /// Forgets a file. Returns what it held that was taken.
    fn drop_file(&mut self, path: &RepoPath) -> Vec<(ObjectId, Digest)> {
        let Some(slot) = self.files.remove(path) else { return Vec::new() };
        self.show(path, &slot, false);
        let held = self.held(path, &slot);
        slot.taken().for_each(|(position, record)| self.detach(&record.id, &(path.clone(), position)));
        held
    }

    /// The objects of a file that is taken, or those whose patches it holds.
    fn held(&self, path: &RepoPath, slot: &Slot) -> Vec<(ObjectId, Digest)> {
        let taken = slot.taken().map(|(_, record)| record.id.clone());
        let digests = slot.records.iter().map(|record| record.digest);
        taken.chain(Self::concerned(slot, self.kustomizations.listed(path))).zip(digests).collect()
    }

    /// Takes a file that is not there yet. Returns what it holds that is taken.
    fn add_file(&mut self, file: ManifestFile) -> Vec<(ObjectId, Digest)> {
        let path = file.path;
        let records: Box<[_]> = file.objects.into_iter().map(|manifest| self.record(manifest)).collect();
        let reason = self.reason(&path, &records);
        let slot = Slot::new(records, file.skips, reason);
        slot.taken().for_each(|(position, record)| self.attach(&record.id, (path.clone(), position)));
        self.show(&path, &slot, true);
        let held = self.held(&path, &slot);
        self.files.insert(path, slot);
        held
    }

    /// Why the objects of a file are not taken as they stand.
    fn reason(&self, path: &RepoPath, records: &[Record]) -> Option<Reason> {
        self.kustomizations.reason(path).or_else(|| self.patches.any(path, records).then_some(Reason::Patch))
    }

    /// Takes or withholds the objects of a file as kustomizations and rules now say; `before`: what listed it as a patch.
    /// Returns the identities that changed.
    fn withhold(&mut self, path: &RepoPath, slot: &mut Slot, before: Option<&Listed>) -> Vec<ObjectId> {
        let reason = self.reason(path, &slot.records);
        if slot.withheld() == reason.as_ref() && self.kustomizations.listed(path) == before {
            return Vec::new();
        }
        self.show(path, slot, false);
        let withhold = reason.is_some();
        let turned = slot.withheld().is_some() != withhold;
        let mut touched: Vec<ObjectId> = Self::concerned(slot, before).collect();
        slot.set_withheld(reason);
        self.show(path, slot, true);
        for (position, record) in (0..).zip(&slot.records).filter(|_| turned) {
            if withhold {
                self.detach(&record.id, &(path.clone(), position));
            } else {
                self.attach(&record.id, (path.clone(), position));
            }
        }
        touched.extend(Self::concerned(slot, self.kustomizations.listed(path)));
        touched.extend(slot.records.iter().filter(|_| turned).map(|record| record.id.clone()));
        touched
    }

    /// Notes or forgets what is skipped in a file, and the names that it shows.
    fn show(&mut self, path: &RepoPath, slot: &Slot, add: bool) {
        if add && slot.skipped(path).any(|skip| !skip.reason.is_quiet()) {
            self.loud.insert(path.clone());
        } else {
            self.loud.remove(path);
        }
        for name in slot.shown_names() {
            if add {
                self.shown.entry(name.into()).or_default().push(path.clone());
            } else if let Some(paths) = self.shown.get_mut(name) {
                paths.retain(|shown| shown != path);
                if paths.is_empty() {
                    self.shown.remove(name);
                }
            }
        }
    }

    fn attach(&mut self, id: &ObjectId, spot: Spot) {
        match self.by_id.get_mut(id) {
            Some(spots) => spots.push(spot),
            None => {
                self.by_id.insert(id.clone(), Spots::One(spot));
            }
        }
    }

    fn detach(&mut self, id: &ObjectId, spot: &Spot) {
        if self.by_id.get_mut(id).is_some_and(|spots| spots.remove(spot)) {
            self.by_id.remove(id);
        }
    }

    fn record(&mut self, manifest: Manifest) -> Record {
        let kind = manifest.id.group_kind();
        let kind = self.group_kinds.get(kind).cloned().unwrap_or_else(|| {
            self.group_kinds.insert(kind.clone());
            kind.clone()
        });
        let raw = ObjectId::new(kind, manifest.id.namespace().unwrap_or(""), manifest.id.name());
        let version = *self.version_numbers.entry(manifest.version).or_insert_with_key(|version| {
            self.versions.push(version.clone());
            (self.versions.len() - 1) as u32
        });
        let rare = Rare { item: manifest.place.item, ..Rare::default() };
        let mut record = Record {
            id: raw,
            digest: manifest.digest,
            version,
            labels: manifest.labels,
            document: manifest.place.document,
            line: manifest.place.line,
            prune_disabled: manifest.prune_disabled,
            bare: false,
            rare: Some(rare).filter(|rare| *rare != Rare::default()).map(Box::new),
        };
        record.resolve(self.namespaced.get(record.id.group_kind()).copied());
        record
    }
}

/// What is not in both, each as often as it is there.
fn difference(mut before: Vec<(ObjectId, Digest)>, mut after: Vec<(ObjectId, Digest)>) -> Vec<ObjectId> {
    before.sort();
    after.sort();
    let (mut before, mut after) = (before.into_iter().peekable(), after.into_iter().peekable());
    let mut differ = Vec::new();
    loop {
        let order = match (before.peek(), after.peek()) {
            (Some(before), Some(after)) => before.cmp(after),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => return differ,
        };
        if order.is_le() {
            let gone = before.next().filter(|_| order.is_lt());
            differ.extend(gone.map(|(id, _)| id));
        }
        if order.is_ge() {
            let new = after.next().filter(|_| order.is_gt());
            differ.extend(new.map(|(id, _)| id));
        }
    }
}

#[cfg(test)]
mod tests;
