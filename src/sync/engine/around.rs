//! Owns what the engine knows of Git beside manifests: where patches may stand, which files fields are written to, and
//! which objects these concern. Must never plan a field of such a file before the file was read.

use std::collections::BTreeSet;

use crate::cluster::Cluster;
use crate::manifest;
use crate::object::{ObjectId, RepoPath};
use crate::report::{Side, Verb};
use crate::repository::{BlobId, Remote};

use super::super::clock::Clock;
use super::super::observe::Observed;
use super::super::plan::Plan;
use super::super::planner;
use super::super::spots::patch_paths;
use super::super::targets::{TargetFile, TargetFiles};
use super::{Done, Engine};

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// Takes where the rules in force write patches.
    pub(super) fn set_patch_paths(&mut self) {
        let touched = self.index.set_patches(patch_paths(&self.rules, &self.kinds));
        self.expand(touched).into_iter().for_each(|id| self.queue.push(id));
    }

    /// Patches that name no namespace concern every object of their kind and name.
    pub(super) fn expand(&self, touched: Vec<ObjectId>) -> BTreeSet<ObjectId> {
        let is_open = |id: &ObjectId| {
            id.namespace().is_none() && self.kinds.get(id.group_kind()).is_some_and(|kind| kind.namespaced)
        };
        let (open, mut all): (BTreeSet<ObjectId>, BTreeSet<ObjectId>) = touched.into_iter().partition(is_open);
        if !open.is_empty() {
            let is_meant = |id: &&ObjectId| open.contains(&id.with_namespace(""));
            all.extend(self.live.ids().filter(is_meant).cloned());
        }
        all
    }

    /// Whether some rule has places of its own for what it writes.
    fn has_places(&self) -> bool {
        self.rules.rules.iter().any(|rule| rule.format.is_patch() || rule.fields.iter().any(|field| field.to.is_some()))
    }

    /// What was held for want of a place may find one in the next commit.
    pub(super) fn ask_again_if_held(&mut self, plan: &Plan) {
        let is_held = plan.notes.iter().any(|note| note.verb == Verb::Held && note.side == Side::Git);
        if is_held && self.has_places() {
            self.hidden_ids.insert(plan.id.clone());
        }
    }

    /// Reads the files that fields of the object are written to. `None`: that is under way, and the object stays in flight.
    pub(super) fn read_targets(&mut self, shown: bool, mut observed: Box<Observed>) -> Option<Box<Observed>> {
        if observed.files.is_some() {
            return Some(observed);
        }
        let paths = planner::files(&self.subject(&observed, None), &self.rules);
        self.claims.set(&observed.id, paths.clone());
        let mut files: BTreeSet<RepoPath> = paths.into_iter().map(|(path, _)| path).collect();
        let mut known = TargetFiles::new();
        files.retain(|path| {
            let taken = self.claims.taken(path, &observed.id);
            let is_read = self.blobs.contains_key(path);
            let says = if !is_read && self.unreadable.contains(path) {
                Err("what stands there is not read".to_owned())
            } else {
                Ok(None)
            };
            known.insert(path.clone(), TargetFile { says, taken });
            is_read
        });
        if files.is_empty() {
            observed.files = Some(known);
            return Some(observed);
        }
        let found = files.into_iter().filter_map(|path| Some((*self.blobs.get(&path)?, path)));
        let (blobs, paths): (Vec<BlobId>, Vec<RepoPath>) = found.unzip();
        let read = self.remote.read(blobs);
        self.run(Box::pin(async move {
            let id = observed.id.clone();
            let all = match read.await {
                Ok(all) => all,
                Err(error) => return Done::Observed(id, shown, Err(error.into())),
            };
            for (path, bytes) in paths.into_iter().zip(all) {
                if let Some(file) = known.get_mut(&path) {
                    file.says = manifest::open(&bytes).map_err(|error| error.to_string());
                }
                observed.texts.insert(path, bytes);
            }
            observed.files = Some(known);
            Done::Observed(id, shown, Ok(observed))
        }));
        None
    }
}
