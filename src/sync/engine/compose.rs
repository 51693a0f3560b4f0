//! Owns the making of one commit: each object of the batch is read again, planned on the head that the index shows, and
//! its edit put into the file. Must never write a file whose other documents changed by it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::cluster::Cluster;
use crate::manifest::{self, Place};
use crate::object::{ObjectId, RepoPath};
use crate::report::{Change, RuleRef, Side, Verb};
use crate::repository::{BlobId, FileContent, FileWrite, NewCommit, Remote, RepositoryError};

use super::super::clock::Clock;
use super::super::message;
use super::super::observe::Observed;
use super::super::paging::Paging;
use super::super::plan::{Action, Plan, RuleIndex};
use super::super::told::Told;
use super::drafts::Drafts;
use super::fighting::Committed;
use super::git_side::{Git, Sent};
use super::removing::Removal;
use super::{Done, Engine, IN_FLIGHT};

/// A commit that is being made.
#[derive(Default)]
pub(super) struct Composer {
    pub(super) ids: BTreeSet<ObjectId>,
    /// Not read yet.
    pub(super) waiting: BTreeSet<ObjectId>,
    /// Those that lists are to show.
    pub(super) paging: Paging,
    /// Being read.
    pub(super) reading: BTreeSet<ObjectId>,
    /// Files as the commit will have them.
    pub(super) files: Drafts,
    /// Files as the commit before has them, as far as they were read.
    pub(super) read: BTreeMap<RepoPath, Vec<u8>>,
    /// Documents to remove once everything else is in its file.
    pub(super) removals: BTreeMap<RuleIndex, Vec<Removal>>,
    /// New manifests per rule: they are set against removals.
    pub(super) written: BTreeMap<RuleIndex, usize>,
    /// Removals that a person let go.
    pub(super) by_person: BTreeSet<ObjectId>,
    /// What changes, and what the message tells of it.
    pub(super) changes: Vec<(Change, Told)>,
    pub(super) texts: Vec<(ObjectId, RepoPath, Vec<u8>)>,
    pub(super) gone: BTreeSet<RepoPath>,
    committed: Vec<Committed>,
    /// Set when the rules changed meanwhile: what is composed is thrown away and begun anew.
    outdated: bool,
    /// Whether files that were stored are being read again.
    pub(super) is_rereading: bool,
}

impl Composer {
    /// A file as it stands now; an error when it is to be read again first.
    pub(super) fn current(&self, path: &RepoPath) -> Result<Option<&Vec<u8>>, String> {
        if self.files.stored(path).is_some() {
            return Err(format!("{path} was not read again; it is planned again"));
        }
        Ok(self.files.bytes(path).or_else(|| self.read.get(path).filter(|_| !self.gone.contains(path))))
    }
}

/// Existing files that were read for an object, which waits for them.
pub(super) struct Loaded {
    files: Vec<(RepoPath, BlobId)>,
    contents: Result<Vec<Vec<u8>>, RepositoryError>,
    plan: Plan,
    observed: Observed,
}

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    pub(super) fn start_composing(&mut self) {
        let ids = self.batch.take();
        let mut composer = Composer { ids, ..Composer::default() };
        composer.waiting = composer.paging.take(composer.ids.iter().cloned(), |kind| self.live.count(kind));
        self.git = Git::Composing(Box::new(composer));
        self.continue_composing();
    }

    pub(super) fn continue_composing(&mut self) {
        while let Some(id) = self.next_to_compose() {
            self.read_for_commit(id, None);
        }
        self.compose_shown();
        self.finish_composing();
    }

    /// Reads both sides of an object of the batch. One in flight is planned when it lands; its edit goes into the next commit.
    pub(super) fn read_for_commit(&mut self, id: ObjectId, shown: Option<Box<Value>>) {
        let was_in_flight = self.flights.contains_key(&id);
        self.start(id.clone(), shown, true);
        if !was_in_flight
            && self.flights.contains_key(&id)
            && let Git::Composing(composer) = &mut self.git
        {
            composer.reading.insert(id);
        }
    }

    fn next_to_compose(&mut self) -> Option<ObjectId> {
        let Git::Composing(composer) = &mut self.git else { return None };
        if composer.reading.len() < IN_FLIGHT { composer.waiting.pop_first() } else { None }
    }

    /// What is being composed was planned by rules that are no longer in force.
    pub(super) fn outdate_composing(&mut self) {
        if let Git::Composing(composer) = &mut self.git {
            composer.outdated = true;
            composer.waiting.clear();
            composer.paging = Paging::default();
        }
    }

    fn is_composing(&self, id: &ObjectId) -> bool {
        matches!(&self.git, Git::Composing(composer) if composer.reading.contains(id))
    }

    /// The object takes no part in the commit.
    pub(super) fn composed_without(&mut self, id: &ObjectId) {
        if let Git::Composing(composer) = &mut self.git
            && composer.reading.remove(id)
        {
            self.continue_composing();
        }
    }

    /// Both sides of an object of the batch were read: its edit goes into the commit.
    pub(super) fn compose(&mut self, plan: Plan, observed: Observed) {
        self.keep_unless_doomed(&plan);
        self.note_withheld(&plan, &observed);
        self.stand(&plan, &observed);
        if !self.is_composing(&plan.id) {
            return self.queue.push(plan.id);
        }
        let Git::Composing(mut composer) = std::mem::take(&mut self.git) else { return };
        let files = self.files_to_load(&composer, &plan, &observed);
        if !files.is_empty() {
            self.git = Git::Composing(composer);
            return self.load(files, plan, observed);
        }
        composer.reading.remove(&plan.id);
        for action in plan.on(Side::Git) {
            let rule = action.rule().map(|rule| self.rule_ref(rule));
            match self.put(&mut composer, &plan.id, action, &observed, rule) {
                Ok(()) => composer.committed.push(self.committed(&plan.id, action, &observed)),
                Err(reason) => self.leave(&plan.id, Side::Git, Verb::Held, action.rule(), reason),
            }
        }
        if let Some((paths, contents)) = composer.files.take_part() {
            let stored = self.remote.store(contents);
            self.run(Box::pin(async move { Done::Stored(paths, stored.await) }));
        }
        self.git = Git::Composing(composer);
        self.continue_composing();
    }

    /// Files of the commit were stored. Those that could not be are stored when it is made, or fail it.
    pub(super) fn stored(&mut self, paths: Vec<RepoPath>, blobs: Result<Vec<BlobId>, RepositoryError>) {
        if let Git::Composing(composer) = &mut self.git {
            composer.files.note_stored(paths, blobs.unwrap_or_default());
            self.continue_composing();
        }
    }

    /// Files beside the manifest that the actions change, and that are not in memory.
    fn files_to_load(&self, composer: &Composer, plan: &Plan, observed: &Observed) -> Vec<(RepoPath, BlobId)> {
        let mut wanted: BTreeSet<&RepoPath> = BTreeSet::new();
        let place = observed.manifest.as_ref().map(|(place, ..)| &place.path);
        // What these change was read with the object, unless another one of the commit changed it first.
        let mut changed: Vec<&RepoPath> = Vec::new();
        for action in &plan.actions {
            match action {
                Action::Write { path, .. } => {
                    let (path, _) = self.place_of_new(&plan.id, path);
                    wanted.insert(path);
                    wanted.extend(self.index.listing_beside(path));
                }
                Action::WritePatch { path, kustomization, .. } => {
                    wanted.insert(path);
                    wanted.extend(kustomization);
                }
                Action::ListPatch { kustomization, .. } => drop(wanted.insert(kustomization)),
                Action::Remove { .. } => {
                    wanted.extend(place.and_then(|path| self.index.listing_beside(path)));
                }
                Action::Edit { .. } => changed.extend(place),
                Action::EditPatch { place, .. } => changed.push(&place.path),
                Action::Set { path, .. } => changed.push(path),
                _ => {}
            }
        }
        wanted.extend(changed.into_iter().filter(|path| composer.files.stored(path).is_some()));
        let blob = |path: &RepoPath| match composer.files.stored(path) {
            Some(stored) => Some(stored),
            None if composer.read.contains_key(path) || composer.files.contains(path) => None,
            None if composer.gone.contains(path) => None,
            None => self.blobs.get(path).copied(),
        };
        wanted.into_iter().filter_map(|path| Some((path.clone(), blob(path)?))).collect()
    }

    fn load(&mut self, files: Vec<(RepoPath, BlobId)>, plan: Plan, observed: Observed) {
        let read = self.remote.read(files.iter().map(|(_, blob)| *blob).collect());
        self.run(Box::pin(async move {
            let contents = read.await;
            Done::Loaded(Box::new(Loaded { files, contents, plan, observed }))
        }));
    }

    /// Existing files were read for an object: it goes on.
    pub(super) fn loaded(&mut self, loaded: Loaded) {
        let Loaded { files, contents, plan, observed } = loaded;
        let contents = match contents {
            Ok(contents) => contents,
            Err(error) => {
                self.leave(&plan.id, Side::Git, Verb::Failed, None, error.to_string());
                self.queue.push_at(plan.id.clone(), self.clock.now() + self.rules.interval);
                return self.composed_without(&plan.id);
            }
        };
        if let Git::Composing(composer) = &mut self.git
            && composer.reading.contains(&plan.id)
        {
            for ((path, blob), bytes) in files.into_iter().zip(contents) {
                match composer.files.stored(&path) {
                    Some(stored) if stored == blob => composer.files.insert(path, bytes),
                    // Somebody else changed it since it was asked for: it is asked for again.
                    Some(_) => {}
                    None if composer.files.contains(&path) => {}
                    None => drop(composer.read.insert(path, bytes)),
                }
            }
        }
        self.compose(plan, observed);
    }

    fn finish_composing(&mut self) {
        let is_open = |composer: &Composer| {
            let is_read = composer.waiting.is_empty() && composer.paging.is_empty() && composer.reading.is_empty();
            !is_read || composer.files.is_storing() || composer.is_rereading
        };
        if !matches!(&self.git, Git::Composing(composer) if !is_open(composer)) {
            return;
        }
        let Git::Composing(mut composer) = std::mem::take(&mut self.git) else { return };
        if composer.outdated || !self.may_write() {
            let now = self.clock.now();
            return composer.ids.into_iter().for_each(|id| self.batch.add(id, now));
        }
        if self.read_stored(&mut composer) {
            self.git = Git::Composing(composer);
            return;
        }
        self.take_removals(&mut composer);
        // The message names them in an order that does not depend on which answer came first.
        composer.changes.sort_by(|(a, _), (b, _)| a.object.cmp(&b.object));
        let Composer { ids, files, changes, texts, gone, committed, written, by_person, .. } = *composer;
        let mut writes: Vec<FileWrite> =
            files.into_contents().map(|(path, content)| FileWrite { path, content }).collect();
        writes.extend(gone.into_iter().map(|path| FileWrite { path, content: FileContent::Gone }));
        if writes.is_empty() {
            return self.nothing_to_push();
        }
        let cluster = self.live.namespace("kube-system").map(|namespace| namespace.uid.to_string());
        let message = message::of(&changes, &self.rules.commit, &self.identity, cluster.as_deref());
        let changes: Vec<Change> = changes.into_iter().map(|(change, _)| change).collect();
        let committed = committed.into_iter().filter(|committed| committed.is_in(changes.iter())).collect();
        let commit = NewCommit {
            parent: self.head,
            writes,
            message,
            name: self.rules.commit.name.clone(),
            email: self.rules.commit.email.clone(),
        };
        self.commit(commit, Sent { ids, changes, texts, committed, written, by_person });
    }

    pub(super) fn rule_ref(&self, rule: RuleIndex) -> RuleRef {
        RuleRef::new(rule, self.rules.rules.get(rule).map_or("", |rule| &rule.name))
    }

    pub(super) fn place_of(&self, id: &ObjectId) -> Option<crate::report::Place> {
        match self.index.find(id) {
            manifest::Found::One(place) => Some(shown(&place)),
            _ => None,
        }
    }
}

/// The place as reports show it.
pub(super) fn shown(place: &Place) -> crate::report::Place {
    crate::report::Place::new(place.path.as_str(), Some(place.line as usize))
}
