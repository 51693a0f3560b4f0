//! Owns what the engine tells [`Fights`](super::super::fights::Fights) of its writes, and the release of what is held. Must
//! never count a write that did not arrive.

use crate::cluster::Cluster;
use crate::manifest;
use crate::object::ObjectId;
use crate::report::{Change, Side, Verb};
use crate::repository::Remote;

use super::super::act::Acted;
use super::super::clock::Clock;
use super::super::fights::Wrote;
use super::super::observe::Observed;
use super::super::plan::Action;
use super::Engine;

/// What one action for Git writes, to be counted when the remote has it.
pub(super) struct Committed {
    id: ObjectId,
    fields: Vec<Wrote>,
    existence: Option<Existence>,
}

impl Committed {
    /// Whether the commit holds it: a removal may have been held as one of a set.
    pub(super) fn is_in<'a>(&self, mut changes: impl Iterator<Item = &'a Change>) -> bool {
        !matches!(self.existence, Some(Existence::Removed))
            || changes.any(|change| change.verb == Verb::Removed && change.object == self.id)
    }
}

/// What is written of the existence of an object or its manifest.
#[derive(Clone, Copy)]
enum Existence {
    /// It is made; whether it was there before.
    Made { again: bool },
    /// It is removed.
    Removed,
}

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// Frees an object from everything that is held because somebody kept undoing it, and plans it again.
    pub fn release(&mut self, id: &ObjectId) -> bool {
        let was_held = self.fights.release(id, self.clock.now());
        self.queue.push(id.clone());
        was_held
    }

    /// What is held of an object is tried again when its time has come.
    pub(super) fn try_again_later(&mut self, id: &ObjectId) {
        let held = self.fights.held(id, self.clock.now());
        if let Some(until) = held.iter().map(|fought| fought.until).min() {
            self.queue.push_at(id.clone(), until);
        }
    }

    /// How many fights are held towards each side: the cluster, Git.
    pub(super) fn fights_held(&self) -> [usize; 2] {
        let now = self.clock.now();
        [Side::Cluster, Side::Git].map(|side| self.fights.count(side, now))
    }

    /// Counts what was written to the cluster.
    pub(super) fn count_writes(&mut self, acted: &mut Acted) {
        let fields = std::mem::take(&mut acted.wrote);
        let existence = acted.done.iter().find_map(|action| match action {
            Action::Create { .. } => Some(Existence::Made { again: self.bases.get(&acted.id).is_some() }),
            Action::Delete { .. } => Some(Existence::Removed),
            _ => None,
        });
        self.count(&acted.id, Side::Cluster, fields, existence);
    }

    /// Counts what a commit brought to the remote.
    pub(super) fn count_committed(&mut self, committed: Vec<Committed>) {
        for Committed { id, fields, existence } in committed {
            self.count(&id, Side::Git, fields, existence);
        }
    }

    fn count(&mut self, id: &ObjectId, side: Side, fields: Vec<Wrote>, existence: Option<Existence>) {
        let now = self.clock.now();
        match existence {
            Some(Existence::Made { again }) => self.fights.made(id, side, again, now),
            Some(Existence::Removed) => self.fights.removed(id, side, now),
            None => {}
        }
        self.fights.wrote(id, side, fields, now);
    }

    /// What an action for Git writes.
    pub(super) fn committed(&self, id: &ObjectId, action: &Action, observed: &Observed) -> Committed {
        let mut committed = Committed { id: id.clone(), fields: Vec::new(), existence: None };
        match action {
            Action::Edit { wanted, changed, .. } => {
                let before = observed.manifest.as_ref().map(|(_, _, manifest)| manifest);
                committed.fields = Wrote::all(changed, before, Some(wanted), observed.schema.view_of(wanted));
            }
            Action::EditPatch { place, wanted, changed, .. } => {
                let before = observed.fragments.iter().find(|fragment| fragment.place == *place);
                let before = before.map(|fragment| &fragment.value);
                committed.fields = Wrote::all(changed, before, Some(wanted), observed.schema.view_of(wanted));
            }
            Action::Set { path, values, changed, .. } => {
                let file = observed.files.as_ref().and_then(|files| files.get(path));
                let said = file.and_then(|file| file.says.as_ref().ok()?.as_ref()).cloned().unwrap_or_default();
                let values = changed.iter().zip(values).map(|(field, (steps, after))| Wrote {
                    field: field.clone(),
                    before: Wrote::digest(manifest::value_at(&said, steps)),
                    after: Wrote::digest(after.as_ref()),
                });
                committed.fields = values.collect();
            }
            Action::Write { .. } => {
                committed.existence = Some(Existence::Made { again: self.bases.get(id).is_some() });
            }
            Action::Remove { .. } => committed.existence = Some(Existence::Removed),
            _ => {}
        }
        committed
    }
}
