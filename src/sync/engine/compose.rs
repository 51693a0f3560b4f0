//! Owns the making of one commit: each object of the batch is read again, planned on the head that the index shows, and
//! its edit put into the file. Must never write a file whose other documents changed by it.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::Cluster;
use crate::manifest::{self, ManifestFile, Place};
use crate::object::{ObjectId, RepoPath};
use crate::report::{Change, RuleRef, Side, Verb};
use crate::repository::{BlobId, FileWrite, NewCommit, Remote, RepositoryError};

use super::super::clock::Clock;
use super::super::message;
use super::super::observe::Observed;
use super::super::plan::{Action, Plan, RuleIndex};
use super::super::told::Told;
use super::git_side::{Git, Sent, hides_something};
use super::{Done, Engine, IN_FLIGHT, Mode};

/// A commit that is being made.
#[derive(Default)]
pub(super) struct Composer {
    ids: BTreeSet<ObjectId>,
    /// Not read yet.
    waiting: BTreeSet<ObjectId>,
    /// Being read.
    reading: BTreeSet<ObjectId>,
    /// Files as the commit will have them.
    files: BTreeMap<RepoPath, Vec<u8>>,
    /// Documents to remove once everything else is in its file.
    removals: BTreeMap<RuleIndex, Vec<Removal>>,
    /// New manifests per rule: they are set against removals.
    written: BTreeMap<RuleIndex, usize>,
    changes: Vec<Change>,
    /// What the message tells of them.
    told: BTreeMap<ObjectId, Told>,
    texts: Vec<(ObjectId, RepoPath, Vec<u8>)>,
    gone: BTreeSet<RepoPath>,
    /// Objects that had no manifest before.
    added: BTreeSet<ObjectId>,
    /// Set when the rules changed meanwhile: what is composed is thrown away and begun anew.
    outdated: bool,
}

/// An existing file that was read for a new manifest, and the object that waits for it.
pub(super) struct Loaded {
    path: RepoPath,
    bytes: Result<Vec<u8>, RepositoryError>,
    plan: Plan,
    observed: Observed,
}

struct Removal {
    id: ObjectId,
    place: Place,
    bytes: Vec<u8>,
}

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    pub(super) fn start_composing(&mut self) {
        let ids = self.batch.take();
        let composer = Composer { waiting: ids.clone(), ids, ..Composer::default() };
        self.git = Git::Composing(Box::new(composer));
        self.continue_composing();
    }

    fn continue_composing(&mut self) {
        while let Some(id) = self.next_to_compose() {
            // An object in flight is planned when it lands; its edit goes into the next commit.
            let was_in_flight = self.flights.contains_key(&id);
            self.start(id.clone(), None, true);
            if !was_in_flight
                && self.flights.contains_key(&id)
                && let Git::Composing(composer) = &mut self.git
            {
                composer.reading.insert(id);
            }
        }
        self.finish_composing();
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
        self.stand(&plan, &observed);
        if !self.is_composing(&plan.id) {
            return self.queue.push(plan.id);
        }
        let Git::Composing(mut composer) = std::mem::take(&mut self.git) else { return };
        if let Some((path, blob)) = self.file_to_load(&composer, &plan) {
            self.git = Git::Composing(composer);
            return self.load(path, blob, plan, observed);
        }
        composer.reading.remove(&plan.id);
        for action in plan.on(Side::Git) {
            let rule = action.rule().map(|rule| self.rule_ref(rule));
            if let Err(reason) = self.put(&mut composer, &plan, action, &observed, rule) {
                self.leave(&plan.id, Side::Git, Verb::Held, action.rule(), reason);
            }
        }
        self.git = Git::Composing(composer);
        self.continue_composing();
    }

    /// The file that a new manifest is to be added to, when it exists and was not read yet.
    fn file_to_load(&self, composer: &Composer, plan: &Plan) -> Option<(RepoPath, BlobId)> {
        let path = plan.actions.iter().find_map(|action| match action {
            Action::Write { path, .. } => Some(path),
            _ => None,
        })?;
        let path = self.removed.recall(&plan.id, self.clock.now()).map_or(path, |(path, _)| path);
        let blob = *self.blobs.get(path)?;
        (!composer.files.contains_key(path) && !composer.gone.contains(path)).then(|| (path.clone(), blob))
    }

    fn load(&mut self, path: RepoPath, blob: BlobId, plan: Plan, observed: Observed) {
        let read = self.remote.read(vec![blob]);
        self.tasks.push(Box::pin(async move {
            let bytes = read.await.map(|mut blobs| blobs.pop().unwrap_or_default());
            Done::Loaded(Box::new(Loaded { path, bytes, plan, observed }))
        }));
    }

    /// An existing file was read for a new manifest: the object goes on.
    pub(super) fn loaded(&mut self, loaded: Loaded) {
        let Loaded { path, bytes, plan, observed } = loaded;
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) => {
                self.leave(&plan.id, Side::Git, Verb::Failed, None, error.to_string());
                self.queue.push_at(plan.id.clone(), self.clock.now() + self.rules.interval);
                return self.composed_without(&plan.id);
            }
        };
        if let Git::Composing(composer) = &mut self.git
            && composer.reading.contains(&plan.id)
        {
            composer.files.entry(path).or_insert(bytes);
        }
        self.compose(plan, observed);
    }

    fn put(
        &mut self,
        composer: &mut Composer,
        plan: &Plan,
        action: &Action,
        observed: &Observed,
        rule: Option<RuleRef>,
    ) -> Result<(), String> {
        let id = &plan.id;
        let mut change = Change::new(id.clone(), Side::Git, Verb::Written);
        change.rule = rule;
        match (action, &observed.manifest) {
            (Action::Edit { wanted, .. }, Some((place, bytes, before))) => {
                let bytes = composer.files.get(&place.path).unwrap_or(bytes);
                let view = observed.schema.view_of(before);
                let edited = manifest::edit(bytes, place, wanted, view).map_err(|refusal| refusal.to_string())?;
                if let Some((path, reason)) = edited.skipped.first() {
                    let more = edited.skipped.len() - 1;
                    let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
                    self.leave(
                        id,
                        Side::Git,
                        Verb::Skipped,
                        action.rule(),
                        format!("{path} is not written: {reason}{more}"),
                    );
                }
                if edited.bytes == *bytes {
                    return Ok(());
                }
                let skipped =
                    |path: &&crate::object::FieldPath| !edited.skipped.iter().any(|(skipped, _)| skipped.covers(path));
                if let Action::Edit { changed, .. } = action {
                    change.fields = changed.iter().filter(skipped).cloned().collect();
                }
                let sides = (before, wanted);
                let told = Told::of(id, &change.fields, sides, observed.live.as_ref(), &self.manager, view);
                composer.told.insert(id.clone(), told);
                change.place = Some(shown(place));
                composer.files.insert(place.path.clone(), edited.bytes);
                composer.changes.push(change);
            }
            (Action::Write { object, path, rule }, None) => {
                let text = self.new_text(composer, id, object, path, observed)?;
                change.place = Some(crate::report::Place::new(text.0.as_str(), None));
                composer.files.insert(text.0, text.1);
                *composer.written.entry(*rule).or_default() += 1;
                composer.added.insert(id.clone());
                composer.told.insert(id.clone(), Told::of_new(observed.live.as_ref(), &self.manager));
                composer.changes.push(change);
            }
            (Action::Remove { rule }, Some((place, bytes, _))) => {
                let removal = Removal { id: id.clone(), place: place.clone(), bytes: bytes.clone() };
                composer.removals.entry(*rule).or_default().push(removal);
            }
            _ => {}
        }
        Ok(())
    }

    /// Path and whole new content of the file that takes a new manifest.
    fn new_text(
        &self,
        composer: &Composer,
        id: &ObjectId,
        object: &serde_json::Value,
        path: &RepoPath,
        observed: &Observed,
    ) -> Result<(RepoPath, Vec<u8>), String> {
        let view = observed.schema.view_of(object);
        let (path, text) = match self.removed.recall(id, self.clock.now()) {
            Some((path, text)) => (path, self.revived(id, path, text, object, view)),
            None => (path, None),
        };
        let text = text.unwrap_or_else(|| manifest::render(object).into_bytes());
        if let Some(other) = self.in_the_way(composer, path) {
            return Err(format!("{path} cannot take a manifest: {other} is in the way; give the rule another `path`"));
        }
        let there = composer.files.get(path).cloned();
        match there {
            Some(bytes) => {
                let file = ManifestFile::read(path.clone(), &bytes, &self.caps());
                let is_yaml = !path.as_str().to_ascii_lowercase().ends_with(".json");
                if hides_something(&file) || !is_yaml {
                    return Err(format!("{path} cannot take another manifest; give the rule another `path`"));
                }
                Ok((path.clone(), append(bytes, &text)))
            }
            None => Ok((path.clone(), text)),
        }
    }

    /// What keeps a file from being written at this path: something there that is never read, a file where a folder is
    /// wanted, a folder where the file is wanted. One such path must not hold up a whole commit.
    fn in_the_way(&self, composer: &Composer, path: &RepoPath) -> Option<RepoPath> {
        let is_file = |path: &RepoPath| {
            self.blobs.contains_key(path) || self.unreadable.contains(path) || composer.files.contains_key(path)
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
        let below = |other: &&RepoPath| *other != path && other.starts_with(path.as_str());
        let after = self.blobs.range::<RepoPath, _>(path..).map(|(other, _)| other);
        let mut alike = after.take_while(|other| other.as_str().starts_with(path.as_str()));
        alike.find(below).or_else(|| composer.files.keys().find(below)).cloned()
    }

    /// The bytes that the manifest had before it was removed, edited to what it says now.
    fn revived(
        &self,
        id: &ObjectId,
        path: &RepoPath,
        text: &[u8],
        object: &serde_json::Value,
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

    fn finish_composing(&mut self) {
        let is_whole =
            matches!(&self.git, Git::Composing(composer) if composer.waiting.is_empty() && composer.reading.is_empty());
        if !is_whole {
            return;
        }
        let Git::Composing(mut composer) = std::mem::take(&mut self.git) else { return };
        if composer.outdated || !self.active {
            let now = self.clock.now();
            return composer.ids.into_iter().for_each(|id| self.batch.add(id, now));
        }
        self.take_removals(&mut composer);
        // The message names them in an order that does not depend on which answer came first.
        composer.changes.sort_by(|a, b| a.object.cmp(&b.object));
        let Composer { ids, files, changes, told, texts, gone, added, .. } = *composer;
        let mut writes: Vec<FileWrite> =
            files.into_iter().map(|(path, bytes)| FileWrite { path, bytes: Some(bytes) }).collect();
        writes.extend(gone.into_iter().map(|path| FileWrite { path, bytes: None }));
        if writes.is_empty() {
            return self.nothing_to_push();
        }
        let cluster = self.live.namespace("kube-system").map(|namespace| namespace.uid.to_string());
        let subject = message::Subject { changes: &changes, told: &told, added: &added };
        let message = subject.message(&self.rules.commit, &self.identity, cluster.as_deref());
        let commit = NewCommit {
            parent: self.head,
            writes,
            message,
            name: self.rules.commit.name.clone(),
            email: self.rules.commit.email.clone(),
        };
        self.commit(commit, Sent { ids, changes, texts });
    }

    /// Removals of one rule go together or are held together.
    fn take_removals(&mut self, composer: &mut Composer) {
        let now = self.clock.now();
        let mut admitted: Vec<(RuleIndex, Removal)> = Vec::new();
        for (index, removals) in std::mem::take(&mut composer.removals) {
            let Some(rule) = self.rules.rules.get(index) else { continue };
            let net = removals.len().saturating_sub(composer.written.get(&index).copied().unwrap_or_default());
            if net > 0
                && self.mode == Mode::Run
                && let Err(reason) = self.deletes.admit(rule, Side::Git, net, self.bases.size(index), now)
            {
                removals
                    .iter()
                    .for_each(|removal| self.leave(&removal.id, Side::Git, Verb::Held, Some(index), reason.clone()));
                continue;
            }
            admitted.extend(removals.into_iter().map(|removal| (index, removal)));
        }
        // From the back, whichever rule asked for it, so that the numbers of documents before it stay true.
        admitted.sort_by(|(_, a), (_, b)| b.place.cmp(&a.place));
        for (index, removal) in admitted {
            if let Err(reason) = self.remove(composer, &removal, index) {
                self.leave(&removal.id, Side::Git, Verb::Held, Some(index), reason);
            }
        }
    }

    fn remove(&self, composer: &mut Composer, removal: &Removal, rule: RuleIndex) -> Result<(), String> {
        let Removal { id, place, bytes } = removal;
        let bytes = composer.files.get(&place.path).unwrap_or(bytes).clone();
        // A place is only a number: what stands there must still be the object that goes.
        let there = manifest::read(&bytes, place).map_err(|refusal| refusal.to_string())?;
        if ObjectId::of(&there).is_none_or(|there| (there.group_kind(), there.name()) != (id.group_kind(), id.name())) {
            return Err(format!("{place} holds another object by now; it is removed with the next commit"));
        }
        let text = own_text(&bytes, place);
        match manifest::remove(&bytes, place).map_err(|refusal| refusal.to_string())? {
            Some(rest) => drop(composer.files.insert(place.path.clone(), rest)),
            None => {
                composer.files.remove(&place.path);
                composer.gone.insert(place.path.clone());
            }
        }
        let mut change = Change::new(id.clone(), Side::Git, Verb::Removed).at(shown(place));
        change.rule = Some(self.rule_ref(rule));
        composer.changes.push(change);
        if let Some(text) = text {
            composer.texts.push((id.clone(), place.path.clone(), text));
        }
        Ok(())
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

/// The bytes of one document; `None` for an item of a List, which has no text of its own.
fn own_text(bytes: &[u8], place: &Place) -> Option<Vec<u8>> {
    if !place.item.is_empty() {
        return None;
    }
    let documents = manifest::split(std::str::from_utf8(bytes).ok()?);
    let document = documents.get((place.document as usize).checked_sub(1)?)?;
    Some(document.text.as_bytes().to_vec())
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
