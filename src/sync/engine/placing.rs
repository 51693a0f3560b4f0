//! Owns where new documents go in a commit: into a file of their own, behind others, or nowhere, and which kustomization
//! lists them. Must never overwrite a file.

use serde_json::Value;

use crate::cluster::Cluster;
use crate::manifest::{self, Listing, ManifestFile};
use crate::object::{ObjectId, RepoPath};
use crate::repository::Remote;

use super::super::clock::Clock;
use super::super::observe::Observed;
use super::Engine;
use super::compose::Composer;
use super::reading::hides_something;

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// Where a new manifest goes, and what it was there: where it stood when it was removed a while ago, if it may stand there
    /// now.
    pub(super) fn place_of_new<'p>(&'p self, id: &ObjectId, path: &'p RepoPath) -> (&'p RepoPath, Option<&'p [u8]>) {
        let recalled = self.removed.recall(id, self.clock.now());
        let recalled = recalled.filter(|(path, _)| self.index.refuses(path, id).is_none());
        recalled.map_or((path, None), |(path, text)| (path, Some(text)))
    }

    /// The file that takes a new manifest, and its path.
    pub(super) fn new_text(
        &self,
        composer: &Composer,
        id: &ObjectId,
        object: &Value,
        path: &RepoPath,
        observed: &Observed,
    ) -> Result<(RepoPath, Vec<u8>), String> {
        let view = observed.schema.view_of(object);
        let (path, before) = self.place_of_new(id, path);
        let text = before.and_then(|before| self.revived(id, path, before, object, view));
        let text = text.unwrap_or_else(|| manifest::render_for(path, object).into_bytes());
        Ok((path.clone(), self.with_document(composer, path, &text)?))
    }

    /// The file at a path with one more document, or with it alone.
    pub(super) fn with_document(&self, composer: &Composer, path: &RepoPath, text: &[u8]) -> Result<Vec<u8>, String> {
        if let Some(other) = self.in_the_way(composer, path) {
            return Err(format!("{path} cannot be written: {other} is in the way; give the rule another `path`"));
        }
        let Some(bytes) = composer.current(path)? else {
            // Never over a file that is there.
            return match self.blobs.contains_key(path) && !composer.gone.contains(path) {
                true => Err(format!("{path} was not read; it is planned again")),
                false => Ok(text.to_vec()),
            };
        };
        let file = ManifestFile::read(path.clone(), bytes, &self.caps());
        if hides_something(&file) || manifest::is_json(path) {
            return Err(format!("{path} cannot take another manifest; give the rule another `path`"));
        }
        Ok(append(bytes.clone(), text))
    }

    /// The file at a path with a new patch. It holds one of each object.
    pub(super) fn with_patch(
        &self,
        composer: &Composer,
        id: &ObjectId,
        path: &RepoPath,
        object: &Value,
    ) -> Result<Vec<u8>, String> {
        if let Some(bytes) = composer.current(path)? {
            let file = ManifestFile::read(path.clone(), bytes, &self.caps());
            let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
            let is_own = |other: &ObjectId| {
                let same = other.group_kind() == id.group_kind() && other.name() == id.name();
                same && (other.namespace() == namespace || other.namespace().is_none() || namespace.is_none())
            };
            if file.objects.iter().any(|manifest| is_own(&manifest.id)) {
                return Err(format!("{path} holds a patch of it already that is not taken for one of {id}; remove it"));
            }
        }
        self.with_document(composer, path, manifest::render_for(path, object).as_bytes())
    }

    /// A kustomization with one more entry.
    pub(super) fn listed(
        &self,
        composer: &Composer,
        by: &RepoPath,
        listing: Listing,
        file: &RepoPath,
    ) -> Result<Vec<u8>, String> {
        let bytes = composer.current(by)?.ok_or_else(|| format!("{by} is gone; it is planned again"))?;
        manifest::list(bytes, by, listing, file).map_err(|error| format!("{by} cannot list {file}: {error}"))
    }

    /// What keeps a file from being written at this path: something there that is never read, a file where a folder is
    /// wanted, a folder where the file is wanted. One such path must not hold up a whole commit.
    pub(super) fn in_the_way(&self, composer: &Composer, path: &RepoPath) -> Option<RepoPath> {
        let is_file = |path: &RepoPath| {
            self.blobs.contains_key(path) || self.unreadable.contains(path) || composer.files.contains(path)
        };
        if self.unreadable.contains(path) && !self.blobs.contains_key(path) {
            return Some(path.clone());
        }
        let mut folder = path.parent();
        while let Some(at) = folder {
            if is_file(&at) {
                return Some(at);
            }
            folder = at.parent();
        }
        let blobs = self.blobs.range::<RepoPath, _>(path..).map(|(path, _)| path);
        let written = composer.files.paths_from(path);
        first_below(path, blobs).or_else(|| first_below(path, written)).cloned()
    }

    /// The bytes that the manifest had before it was removed, edited to what it says now.
    fn revived(
        &self,
        id: &ObjectId,
        path: &RepoPath,
        text: &[u8],
        object: &Value,
        view: crate::object::schema::SchemaView<'_>,
    ) -> Option<Vec<u8>> {
        let file = ManifestFile::read(path.clone(), text, &self.caps());
        let found = file
            .objects
            .iter()
            .find(|manifest| manifest.id.group_kind() == id.group_kind() && manifest.id.name() == id.name())?;
        let edited = manifest::edit(text, &found.place, object, view).ok()?;
        edited.skipped.is_empty().then_some(edited.bytes)
    }
}

/// The first file in a folder of this name. `from`: files in their order, from that name on.
fn first_below<'f>(path: &RepoPath, from: impl Iterator<Item = &'f RepoPath>) -> Option<&'f RepoPath> {
    let mut alike = from.take_while(|other| other.as_str().starts_with(path.as_str()));
    alike.find(|other| *other != path && other.starts_with(path.as_str()))
}

/// The file with one more document at its end.
fn append(mut bytes: Vec<u8>, text: &[u8]) -> Vec<u8> {
    if !bytes.is_empty() && !bytes.ends_with(b"\n") {
        bytes.push(b'\n');
    }
    if !bytes.is_empty() && !text.starts_with(b"---") {
        bytes.extend_from_slice(b"---\n");
    }
    bytes.extend_from_slice(text);
    bytes
}
