//! Owns the cluster half of a plan on its way: what is written, and what came of it. Must never take a write that failed
//! for one that was made.

use serde_json::Value;

use crate::cluster::{Cluster, ClusterError};
use crate::manifest::Found;
use crate::object::ObjectId;
use crate::object::digest::Digest;
use crate::report::{Change, Side, Verb};
use crate::repository::Remote;

use super::super::act::{Acted, Task, act};
use super::super::clock::Clock;
use super::super::live::Watched;
use super::super::observe::Observed;
use super::super::plan::{Action, changes_of_value};
use super::{Done, Engine};

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    pub(super) fn act(&mut self, id: ObjectId, mut observed: Observed, actions: Vec<Action>) {
        self.flights.insert(id.clone(), false);
        let version =
            observed.shape().and_then(crate::object::ApiVersion::of).map(|version| version.version.to_string());
        let (schema, live) = (observed.schema.clone(), observed.live.take());
        let compares = self.is_asked_about(&id, &observed.kind);
        let task = Task { version, schema, live, actions, compares };
        let since = self.clock.now();
        let (cluster, identity) = ((self.cluster.clone(), self.fence.clone()), self.identity.clone());
        self.run(Box::pin(async move {
            let acted = act(cluster, identity, id, task).await;
            Done::Acted(since, Box::new(acted), Some(Box::new(observed)))
        }));
    }

    /// The cluster half of a plan was carried out, or failed. `observed`: what it was planned from.
    pub(super) fn acted(&mut self, mut acted: Acted, observed: Option<Box<Observed>>) {
        self.count_writes(&mut acted);
        self.note_answers(&mut acted);
        let Acted { id, done, created, live, answer, failed, error, is_fenced, .. } = acted;
        let again = self.flights.remove(&id).unwrap_or_default();
        let by_person = self.by_person.remove(&id);
        if let Some(live) = &live {
            self.see(&id, live);
        }
        self.written(&id, &done);
        let place = self.place_of(&id);
        for action in &done {
            let verb = match action {
                Action::Create { .. } => Verb::Created,
                Action::Release { .. } => Verb::Released,
                Action::Delete { .. } | Action::Recreate { .. } => Verb::Deleted,
                _ if created => Verb::Created,
                _ => Verb::Configured,
            };
            let mut change = Change::new(id.clone(), Side::Cluster, verb);
            change.rule = action.rule().map(|rule| self.rule_ref(rule));
            if let Action::Recreate { reason, .. } = action {
                change.reason = Some(format!("to be made anew: {reason}"));
            }
            change.commit = self.head;
            change.place = place.clone();
            match action {
                Action::Apply { changed, adopted, .. } => {
                    change.fields = changes_of_value(changed, adopted).cloned().collect();
                    if !adopted.is_empty() && !created {
                        let adoption = Change { verb: Verb::Adopted, fields: adopted.clone(), ..change.clone() };
                        self.standings.done(adoption);
                        if change.fields.is_empty() {
                            continue;
                        }
                    }
                }
                Action::Release { fields, .. } | Action::Strip { fields, .. } => change.fields = fields.clone(),
                _ => {}
            }
            self.tell_overruled(&mut change, action);
            self.standings.done(change);
        }
        if is_fenced {
            return self.defer(id);
        }
        if let Some(error) = error {
            return match self.refuses(&id, failed.as_ref(), &error) {
                true => {}
                false => self.failed_to_write(&id, &error),
            };
        }
        if done.iter().any(|action| matches!(action, Action::Recreate { .. })) {
            return self.makes_anew(&id, again);
        }
        let deleted = done.iter().find(|action| action.deletes());
        if let Some(rule) = deleted.and_then(Action::rule) {
            self.count_delete(rule, Side::Cluster, &id, by_person);
            self.lose(&id);
            self.forget(&id);
            self.memory.deleting.remove(&id);
            self.may_be_empty(&id);
            // Its manifest may have come back meanwhile, and what follows the delete is no news.
            return self.queue.push(id);
        }
        self.queue.succeeded(&id);
        if let Some(Action::Apply { object, .. }) = done.last() {
            // What somebody did meanwhile is not the API server's answer.
            match again {
                true => drop(self.applied.remove(&id)),
                false => drop(self.applied.insert(id.clone(), Digest::of_value(object))),
            }
            self.bases.answered(&id, answer);
        }
        match (live, observed) {
            (Some(live), Some(observed)) if !again => self.look_again(observed, live),
            _ => self.queue.push(id),
        }
    }

    /// Plans an object as the API server answered. What was read of Git serves again while it stands where it stood.
    fn look_again(&mut self, mut observed: Box<Observed>, live: Value) {
        let id = observed.id.clone();
        let stands = match (&observed.manifest, self.index.find(&id)) {
            (Some((place, ..)), Found::One(now)) => {
                *place == now && self.blobs.get(&now.path) == observed.blob.as_ref()
            }
            _ => false,
        };
        let is_alone = observed.fragments.is_empty() && observed.files.is_none() && observed.then.is_none();
        let is_same = stands
            && is_alone
            && self.index.fragments(&id).is_empty()
            && self.past_manifest(&id, &observed.kind).is_none()
            && self.live.watched(id.group_kind()) == Some(&Watched::Synced);
        if !is_same {
            return self.start(id, Some(Box::new(live)), false);
        }
        self.doomed.remove(&id);
        observed.live = Some(live);
        observed.absence = Ok(false);
        self.observed(&id, true, Ok(observed));
    }

    fn failed_to_write(&mut self, id: &ObjectId, error: &ClusterError) {
        if let (ClusterError::NotFound(_), Some(namespace)) = (error, id.namespace()) {
            if self.live.namespace(namespace).is_none() {
                self.homeless.insert(id.clone());
                self.queue.succeeded(id);
                let reason = format!("waits for Namespace {namespace}, which does not exist yet");
                return self.leave(id, Side::Cluster, Verb::Pending, None, reason);
            }
            if self.queue.failures(id) == 0 {
                // It came while the answer was on its way: tried once more at once.
                self.queue.fail(id);
                return self.queue.push(id.clone());
            }
        }
        let mut change = Change::new(id.clone(), Side::Cluster, Verb::Failed).because(error.to_string());
        change.place = self.place_of(id);
        self.standings.put(change);
        let clock = self.clock.clone();
        self.queue.retry(id.clone(), clock.now(), |bound| clock.jitter(bound));
    }
}
