//! Owns the removal of manifests in a commit: which removals go together, and what goes with a file. Must never remove a
//! document that has become another object's.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::Cluster;
use crate::manifest::{self, Listing, Place};
use crate::object::{ObjectId, RepoPath};
use crate::report::{Change, Side, Verb};
use crate::repository::{BlobId, Remote, RepositoryError};

use super::super::clock::Clock;
use super::super::plan::RuleIndex;
use super::super::told::Told;
use super::compose::{Composer, shown};
use super::git_side::{Git, Sent};
use super::{Done, Engine};

/// A document to remove.
pub(super) struct Removal {
    pub(super) id: ObjectId,
    pub(super) place: Place,
    pub(super) bytes: Vec<u8>,
}

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// Removals of one rule go together or are held together.
    pub(super) fn take_removals(&mut self, composer: &mut Composer) {
        let mut admitted: Vec<(RuleIndex, Removal)> = Vec::new();
        for (index, removals) in std::mem::take(&mut composer.removals) {
            let objects = removals.iter().map(|removal| removal.id.clone()).collect();
            let written = composer.written.get(&index).copied().unwrap_or_default();
            let mut go = self.judge(index, Side::Git, &objects, &BTreeSet::new(), written).go;
            for removal in removals {
                match go.remove(&removal.id) {
                    Some(true) => drop(composer.by_person.insert(removal.id.clone())),
                    Some(false) => {}
                    None => continue,
                }
                admitted.push((index, removal));
            }
        }
        // From the back, whichever rule asked for it, so that the numbers of documents before it stay true.
        admitted.sort_by(|(_, a), (_, b)| b.place.cmp(&a.place));
        for (index, removal) in admitted {
            if let Err(reason) = self.remove(composer, &removal, index) {
                self.leave(&removal.id, Side::Git, Verb::Held, Some(index), reason);
            }
        }
    }

    /// Whether files that removals change have to be read again first: they were stored since they changed.
    pub(super) fn read_stored(&mut self, composer: &mut Composer) -> bool {
        let touched = composer.removals.values().flatten().map(|removal| &removal.place.path);
        let touched = touched.flat_map(|path| self.index.listing_beside(path).into_iter().chain([path]));
        let stored: BTreeMap<RepoPath, BlobId> =
            touched.filter_map(|path| Some((path.clone(), composer.files.stored(path)?))).collect();
        if stored.is_empty() {
            return false;
        }
        composer.is_rereading = true;
        let (paths, blobs) = stored.into_iter().unzip();
        let read = self.remote.read(blobs);
        self.run(Box::pin(async move { Done::StoredRead(paths, read.await) }));
        true
    }

    pub(super) fn stored_read(&mut self, paths: Vec<RepoPath>, files: Result<Vec<Vec<u8>>, RepositoryError>) {
        let Git::Composing(composer) = &mut self.git else { return };
        composer.is_rereading = false;
        match files {
            Ok(files) => paths.into_iter().zip(files).for_each(|(path, bytes)| composer.files.insert(path, bytes)),
            Err(error) => {
                let sent = Sent { ids: std::mem::take(&mut composer.ids), ..Sent::default() };
                self.git = Git::Idle;
                return self.not_pushed(&error.into(), sent);
            }
        }
        self.continue_composing();
    }

    fn remove(&self, composer: &mut Composer, removal: &Removal, rule: RuleIndex) -> Result<(), String> {
        let Removal { id, place, bytes } = removal;
        let bytes = composer.current(&place.path)?.unwrap_or(bytes).clone();
        // A place is only a number: what stands there must still be the object that goes.
        let there = manifest::read(&bytes, place).map_err(|refusal| refusal.to_string())?;
        if ObjectId::of(&there).is_none_or(|there| (there.group_kind(), there.name()) != (id.group_kind(), id.name())) {
            return Err(format!("{place} holds another object by now; it is removed with the next commit"));
        }
        let text = own_text(&bytes, place);
        match manifest::remove(&bytes, place).map_err(|refusal| refusal.to_string())? {
            Some(rest) => composer.files.insert(place.path.clone(), rest),
            None => {
                if let Some(by) = self.index.listing_beside(&place.path)
                    && let Some(bytes) = composer.current(by)?
                {
                    let rest = manifest::unlist(bytes, by, Listing::Resources, &place.path);
                    let rest = rest.map_err(|error| format!("{by} lists it and can't be edited: {error}"))?;
                    if rest != *bytes {
                        composer.files.insert(by.clone(), rest);
                    }
                }
                composer.files.remove(&place.path);
                composer.gone.insert(place.path.clone());
            }
        }
        let mut change = Change::new(id.clone(), Side::Git, Verb::Removed).at(shown(place));
        change.rule = Some(self.rule_ref(rule));
        composer.changes.push((change, Told::default()));
        if let Some(text) = text {
            composer.texts.push((id.clone(), place.path.clone(), text));
        }
        Ok(())
    }
}

/// The bytes of one document; `None` for an item of a List, which has no text of its own.
pub(super) fn own_text(bytes: &[u8], place: &Place) -> Option<Vec<u8>> {
    if !place.item.is_empty() {
        return None;
    }
    let documents = manifest::split(std::str::from_utf8(bytes).ok()?);
    let document = documents.get((place.document as usize).checked_sub(1)?)?;
    Some(document.text.as_bytes().to_vec())
}
