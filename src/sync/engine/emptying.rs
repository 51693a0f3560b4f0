//! Owns the deletion of Namespaces and definitions: only when nothing is in them, which is looked up a few times. Must never
//! delete one with what it holds, unless a person named it.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::cluster::{Cluster, ClusterError};
use crate::object::ObjectId;
use crate::report::{Side, Verb};
use crate::repository::Remote;

use super::super::clock::{Clock, Instant};
use super::super::content;
use super::super::deletes::Why;
use super::super::guards::Guard;
use super::judging::Doomed;
use super::{Done, Engine, Mode};

/// When the content is looked up, counted from the first time.
const LOOKS: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(600)];

/// What is known of something that is to be empty.
#[derive(Debug)]
pub(super) struct Emptying {
    first: Instant,
    looks: usize,
    /// What was in it when it was last looked.
    found: String,
}

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// Deletes a Namespace or a definition if it holds nothing; otherwise it is looked at again.
    pub(super) fn delete_when_empty(&mut self, doomed: Doomed) {
        let is_named = doomed.by_person && !doomed.id.is("", "Namespace");
        if is_named {
            return self.delete(doomed);
        }
        let now = self.clock.now();
        let looks = self.emptying.get(&doomed.id).map_or(0, |emptying| emptying.looks);
        let next = self.emptying.get(&doomed.id).and_then(|emptying| Some(emptying.first + *LOOKS.get(looks)?));
        if let (Some(due), Some(emptying)) = (next.filter(|due| *due > now), self.emptying.get(&doomed.id)) {
            let found = emptying.found.clone();
            return self.wait_for_content(&doomed, &found, due);
        }
        let (cluster, kinds, id) = (self.cluster.clone(), self.kinds.clone(), doomed.id.clone());
        self.flights.insert(id.clone(), false);
        self.run(Box::pin(async move {
            let found = content::find(&*cluster, &kinds, &id).await;
            Done::LookedInto(doomed, found)
        }));
    }

    /// A Namespace or a definition was looked into.
    pub(super) fn looked_into(&mut self, doomed: Doomed, found: Result<Option<String>, ClusterError>) {
        if self.flights.remove(&doomed.id).unwrap_or_default() {
            // Something happened to it meanwhile.
            return self.queue.push(doomed.id);
        }
        let found = match found {
            Ok(Some(found)) => found,
            Ok(None) => return self.delete(doomed),
            Err(error) => {
                let reason = format!("gone from Git; what it holds cannot be told: {error}");
                self.leave(&doomed.id, Side::Cluster, Verb::Failed, Some(doomed.rule), reason);
                let clock = self.clock.clone();
                return self.queue.retry(doomed.id, clock.now(), |bound| clock.jitter(bound));
            }
        };
        self.memory.deleting.remove(&doomed.id);
        let now = self.clock.now();
        let emptying = self.emptying.entry(doomed.id.clone());
        let emptying = emptying.or_insert(Emptying { first: now, looks: 0, found: String::new() });
        emptying.looks = (emptying.looks + 1).min(LOOKS.len());
        emptying.found.clone_from(&found);
        let next = LOOKS.get(emptying.looks).map(|after| emptying.first + *after);
        match next.filter(|_| self.mode == Mode::Run) {
            Some(due) => self.wait_for_content(&doomed, &found, due),
            None => self.hold_for_content(&doomed, &found),
        }
    }

    fn wait_for_content(&mut self, doomed: &Doomed, found: &str, due: Instant) {
        self.memory.deleting.remove(&doomed.id);
        let again = due.saturating_sub(self.clock.now()).as_secs().max(1);
        let reason =
            Guard::Content.says(format_args!("gone from Git; it still holds {found}; looked at again in {again} s"));
        self.leave(&doomed.id, Side::Cluster, Verb::Pending, Some(doomed.rule), reason);
        self.queue.push_at(doomed.id.clone(), due);
    }

    fn hold_for_content(&mut self, doomed: &Doomed, found: &str) {
        if doomed.id.is("", "Namespace") {
            let reason =
                Guard::Content.says(format_args!("gone from Git; it still holds {found}; it goes once it is empty"));
            return self.leave(&doomed.id, Side::Cluster, Verb::Held, Some(doomed.rule), reason);
        }
        let reason = format!("gone from Git; it still holds {found}");
        let set: BTreeSet<ObjectId> = [doomed.id.clone()].into();
        self.hold(Why::Content, Side::Cluster, Some(doomed.rule), set, &reason);
    }

    /// Something has gone: what it was in may be empty now.
    pub(super) fn may_be_empty(&mut self, gone: &ObjectId) {
        let holds = |id: &&ObjectId| match gone.namespace() {
            Some(namespace) if id.is("", "Namespace") => id.name() == namespace,
            _ => id.name().ends_with(&format!(".{}", gone.group())) && !gone.group().is_empty(),
        };
        let waiting: Vec<ObjectId> = self
            .emptying
            .iter()
            .filter(|(id, state)| holds(id) && state.looks == LOOKS.len())
            .map(|(id, _)| id.clone())
            .collect();
        waiting.into_iter().for_each(|id| self.queue.push(id));
    }
}
