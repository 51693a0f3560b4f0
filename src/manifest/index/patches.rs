//! Owns which patches of the tree stand for an object, and where a new one belongs. Must never take a patch whose object it
//! cannot tell.

use std::fmt;
use std::sync::Arc;

use super::Index;
use super::record::{Record, Slot};
use crate::manifest::kustomize::{Listed, Scope, folder};
use crate::manifest::{Place, Reason};
use crate::object::{ObjectId, RepoPath};

/// Says whether a rule with a patch format could write the patch of an object to this file.
type IsPatch = dyn Fn(&RepoPath, &ObjectId) -> bool + Send + Sync;

/// Where the rules write patches; nowhere by default.
#[derive(Clone, Default)]
pub struct PatchPaths(Option<Arc<IsPatch>>);

impl PatchPaths {
    /// `is_patch`: whether a rule with a patch format could write the patch of this object to this file.
    pub fn new(is_patch: impl Fn(&RepoPath, &ObjectId) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(is_patch)))
    }

    fn fits(&self, path: &RepoPath, id: &ObjectId) -> bool {
        self.0.as_ref().is_some_and(|is_patch| is_patch(path, id))
    }

    /// Whether one of the objects that a file names could be written there as a patch.
    pub(super) fn any(&self, path: &RepoPath, records: &[Record]) -> bool {
        if self.0.is_none() {
            return false;
        }
        let fits = |record: &Record| {
            // A patch may name no namespace; then its path most likely does.
            let mut segments = path.as_str().split('/').filter(|_| record.bare || record.id.namespace().is_none());
            self.fits(path, &record.id) || segments.any(|segment| self.fits(path, &record.id.with_namespace(segment)))
        };
        records.iter().any(fits)
    }
}

impl fmt::Debug for PatchPaths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "PatchPaths(..)" } else { "PatchPaths()" })
    }
}

/// A patch of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Where it stands.
    pub place: Place,
    /// The kustomization that lists it; `None` when none does.
    pub listed: Option<RepoPath>,
}

/// The kustomization that takes a new patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    /// Its file.
    pub path: RepoPath,
    /// The namespace that the patch has to name to find its object; `None`: none.
    pub namespace: Option<String>,
}

/// Why no kustomization takes a new patch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoOverlay {
    /// None at or above the file.
    #[error("there is no kustomization at or above {0}; add one, or write `format: patch`")]
    Missing(RepoPath),
    /// It changes names, so that the live name is not that which a patch has to use.
    #[error("{0} gives names a prefix or suffix, so a patch cannot name the live object; give the rule another `path`")]
    Affixes(RepoPath),
    /// It builds for another namespace.
    #[error("{0} builds for namespace {1}; give the rule another `path`")]
    OtherNamespace(RepoPath, String),
    /// It builds no such object, so kustomize would refuse the patch.
    #[error("{0} builds no such object; list its manifest under its `resources`, or give the rule another `path`")]
    Foreign(RepoPath),
}

impl Index {
    /// Takes where the rules in force write patches. Returns every identity that changed.
    pub fn set_patches(&mut self, patches: PatchPaths) -> Vec<ObjectId> {
        if self.patches.0.is_none() && patches.0.is_none() {
            return Vec::new();
        }
        self.patches = patches;
        let mut touched = Vec::new();
        let mut files = std::mem::take(&mut self.files);
        for (path, slot) in &mut files {
            let listed = self.kustomizations.listed(path).cloned();
            touched.extend(self.withhold(path, slot, listed.as_ref()));
        }
        self.files = files;
        touched.sort_unstable();
        touched.dedup();
        touched
    }

    /// Every patch that stands for an object, sorted.
    pub fn fragments(&self, id: &ObjectId) -> Vec<Fragment> {
        let mut found = Vec::new();
        for path in self.shown.get(id.name()).into_iter().flatten() {
            let Some((path, slot)) = self.files.get_key_value(path) else { continue };
            if !slot.withheld().is_some_and(Reason::is_patch) {
                continue;
            }
            let listed = self.kustomizations.listed(path).map(|listed| listed.by.clone());
            let own = slot.records.iter().filter(|record| self.stands_for(path, record, id));
            found.extend(own.map(|record| Fragment { place: record.place(path), listed: listed.clone() }));
        }
        found.sort_by(|a, b| a.place.cmp(&b.place));
        found
    }

    fn stands_for(&self, path: &RepoPath, record: &Record, id: &ObjectId) -> bool {
        if record.id.group_kind() != id.group_kind() || record.id.name() != id.name() {
            return false;
        }
        let as_written = || record.id == *id || (record.bare && self.patches.fits(path, id));
        match self.kustomizations.listed(path) {
            None => as_written(),
            Some(listed) if !listed.is_aimed_at(id.kind(), id.name()) => false,
            Some(listed) => match &listed.scope {
                Scope::AsWritten => as_written(),
                Scope::Namespace(namespace) => id.namespace().is_none_or(|own| own == namespace),
                Scope::Unclear => false,
            },
        }
    }

    /// The identities that the patches of a file concern, as it is listed. One without the namespace that its kind needs
    /// has none here: objects of that kind and name in any namespace are meant.
    pub(super) fn concerned<'s>(
        slot: &'s Slot,
        listed: Option<&'s Listed>,
    ) -> impl Iterator<Item = ObjectId> + use<'s> {
        let is_patch = slot.withheld().is_some_and(Reason::is_patch);
        slot.records.iter().filter(move |_| is_patch).map(move |record| match listed.map(|listed| &listed.scope) {
            Some(Scope::Namespace(namespace)) if record.id.namespace().is_some() => record.id.with_namespace(namespace),
            _ => record.raw(),
        })
    }

    /// Why a new manifest cannot stand in a file: it would be a patch, or a kustomization would give it another name.
    pub fn refuses(&self, path: &RepoPath, id: &ObjectId) -> Option<Reason> {
        self.kustomizations.reason(path).or_else(|| self.patches.fits(path, id).then_some(Reason::Patch))
    }

    /// The kustomization in whose `resources` a new file is to be listed.
    pub fn listing_beside(&self, path: &RepoPath) -> Option<&RepoPath> {
        self.kustomizations.beside(path).filter(|by| *by != path)
    }

    /// The kustomization that takes the patch of an object in this file.
    ///
    /// # Errors
    ///
    /// See [`NoOverlay`].
    pub fn overlay(&self, path: &RepoPath, id: &ObjectId) -> Result<Overlay, NoOverlay> {
        let Some((by, _)) = self.kustomizations.nearest(path) else {
            return Err(NoOverlay::Missing(path.clone()));
        };
        let (namespace, affixes) = self.kustomizations.naming(by);
        if affixes {
            return Err(NoOverlay::Affixes(by.clone()));
        }
        if let (Some(namespace), Some(own)) = (namespace, id.namespace())
            && namespace != own
        {
            return Err(NoOverlay::OtherNamespace(by.clone(), namespace.to_owned()));
        }
        let file = |file: &str| RepoPath::parse(file).ok().and_then(|file| self.files.get_key_value(&file));
        let (files, all) = self.kustomizations.built_from(by, |path| file(path).is_some());
        let mut is_readable = all;
        for (_, slot) in files.iter().filter_map(|path| file(path)) {
            is_readable &= slot.skips().iter().all(|skip| !skip.shows.includes(id) && !skip.hides_identity());
            for record in slot.records.iter().filter(|record| record.id.group_kind() == id.group_kind()) {
                let raw = record.raw();
                let is_own = namespace.is_some() || raw.namespace().is_none() || raw.namespace() == id.namespace();
                if record.id.name() == id.name() && is_own {
                    return Ok(Overlay { path: by.clone(), namespace: raw.namespace().map(ToOwned::to_owned) });
                }
            }
        }
        if is_readable {
            return Err(NoOverlay::Foreign(by.clone()));
        }
        let own = id.namespace().filter(|_| namespace.is_none());
        Ok(Overlay { path: by.clone(), namespace: own.map(ToOwned::to_owned) })
    }

    /// Whether a file lies where this kustomization can list it: in its folder or below.
    pub fn reaches(by: &RepoPath, path: &RepoPath) -> bool {
        path.starts_with(folder(by.as_str()))
    }
}
