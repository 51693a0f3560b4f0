//! Owns what becomes of a change that the API server refuses because the field cannot be changed in place: it is held, or the
//! object made anew where its manifest asks for that. Must never delete what a guard keeps, nor ask again for the same at
//! once.

use serde_json::Value;

use crate::cluster::{Cluster, ClusterError};
use crate::object::ObjectId;
use crate::object::digest::Digest;
use crate::report::{Side, Verb};
use crate::repository::Remote;

use super::super::clock::{Clock, Instant};
use super::super::observe::Observed;
use super::super::plan::{Action, Plan};
use super::super::recreate;
use super::Engine;

/// When a refused change is asked for again, in case the server's mind has changed.
const AGAIN: Instant = Instant::from_secs(600);

/// A change that the API server refused.
#[derive(Debug)]
pub(super) struct Refused {
    /// Digest of what was applied.
    applied: Digest,
    /// UID of the object that it was refused for.
    uid: Box<str>,
    /// The fields, as the server names them, and its words.
    reason: String,
    until: Instant,
}

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// Remembers a refusal that asking again would not change. Returns whether it is one.
    pub(super) fn refuses(&mut self, id: &ObjectId, failed: Option<&Action>, error: &ClusterError) -> bool {
        let (Some(Action::Apply { object, .. }), ClusterError::Immutable { fields, message }) = (failed, error) else {
            return false;
        };
        let Some(entry) = self.live.get(id) else { return false };
        let refused = Refused {
            applied: Digest::of_value(object),
            uid: (*entry.uid).into(),
            reason: format!("{} cannot be changed in place: {message}", fields.join(", ")),
            until: self.clock.now() + AGAIN,
        };
        self.refused.insert(id.clone(), refused);
        self.queue.succeeded(id);
        self.queue.push(id.clone());
        true
    }

    /// Takes a change that was refused out of a plan, and says why, or has the object made anew.
    pub(super) fn hold_refused(&mut self, plan: &mut Plan, observed: &Observed) {
        let id = plan.id.clone();
        let Some(refused) = self.refused.get(&id) else { return };
        let uid = observed.live.as_ref().and_then(|live| live.pointer("/metadata/uid")).and_then(Value::as_str);
        let applies = |action: &Action| matches!(action, Action::Apply { object, .. } if Digest::of_value(object) == refused.applied);
        let is_same = plan.actions.iter().any(applies) && uid == Some(&*refused.uid);
        if !is_same || refused.until <= self.clock.now() {
            self.refused.remove(&id);
            return;
        }
        let (reason, until) = (refused.reason.clone(), refused.until);
        plan.actions.retain(|action| action.side() == Side::Git);
        let (Some((_, _, manifest)), Some(live)) = (&observed.manifest, &observed.live) else { return };
        let rule = plan.existence.and_then(|rule| self.rules.rules.get(rule));
        match recreate::refusal(&id, manifest, live, rule, &self.identity) {
            None => {
                let (uid, rule) = (uid.unwrap_or_default().to_owned(), plan.existence.unwrap_or_default());
                plan.actions.push(Action::Recreate { uid, reason, rule });
            }
            Some(why_not) => {
                plan.note(Verb::Held, Side::Cluster, plan.existence, format!("{reason}; {why_not}"));
                self.queue.push_at(id, until);
            }
        }
    }

    /// The object was deleted to be made anew, which happens when it has gone.
    pub(super) fn makes_anew(&mut self, id: &ObjectId, again: bool) {
        self.refused.remove(id);
        self.bases.forget(id, self.in_git(id));
        self.bases.answered(id, None);
        self.leave(id, Side::Cluster, Verb::Pending, None, "was deleted and is made anew when it has gone".to_owned());
        if again {
            self.queue.push(id.clone());
        }
    }
}
