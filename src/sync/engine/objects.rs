//! Owns the way of one object through the engine: read both sides, plan, carry out. Must never carry out a plan that was
//! made from a state which something newer has overtaken.

use serde_json::Value;

use crate::cluster::{Cluster, ClusterError};
use crate::manifest::{self, Found};
use crate::object::digest::Digest;
use crate::object::labels::KeptLabels;
use crate::object::schema::SchemaView;
use crate::object::{GroupKind, ObjectId};
use crate::report::{Change, RuleRef, Side, Verb};
use crate::repository::Remote;

use super::super::base::Base;
use super::super::clock::Clock;
use super::super::live::Watched;
use super::super::observe::{ObserveError, Observed, Proof, Request, Source, observe};
use super::super::plan::{Action, Plan, RuleIndex};
use super::super::planner::{self, InCluster, InGit, Subject, Surroundings};
use super::{Done, Engine, Mode};

/// How often what may come by itself is tried before that counts as a failure.
const PATIENCE: u32 = 4;

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// Starts what waits, as far as the number of objects in flight allows.
    pub(super) fn start_objects(&mut self) -> bool {
        let mut worked = false;
        let now = self.clock.now();
        while self.takes_events()
            && let Some(id) = self.next_turn(now)
        {
            self.start(id.clone(), None, false);
            self.turn_ended(&id);
            worked = true;
        }
        worked
    }

    /// Reads both sides of an object, unless what is known already settles it.
    pub(super) fn start(&mut self, id: ObjectId, shown: Option<Box<Value>>, composing: bool) {
        if let Some(again) = self.flights.get_mut(&id) {
            *again = true;
            return;
        }
        if !composing {
            // It was doomed by what was known then; its new plan says whether it still is.
            self.doomed.remove(&id);
        }
        let found = self.index.find(&id);
        let is_live = shown.is_some() || self.live.get(&id).is_some();
        if matches!(found, Found::Absent) && !is_live {
            // It agreed before this process began, and a list that was not read to its end may still show it.
            let has_past = self.bases.get(&id).is_some() || self.deletes.set_of(Side::Cluster, &id).is_some();
            if self.live.watched(id.group_kind()) != Some(&Watched::Synced) && has_past {
                self.unlisted.insert(id);
                return;
            }
            self.memory.deleting.remove(&id);
            return self.forget(&id);
        }
        let Some(kind) = self.kinds.get(id.group_kind()).cloned() else {
            let selected = self.rules.rules.iter().any(|rule| rule.may_select_unserved(id.group_kind()));
            self.standings.wait_for_kind(&id, selected);
            return;
        };
        match self.live.watched(id.group_kind()) {
            Some(Watched::Synced) => {}
            Some(Watched::Listing) if shown.is_some() => {}
            Some(Watched::Listing) => {
                self.unlisted.insert(id);
                return;
            }
            Some(Watched::Unwatched(reason)) => {
                self.unlisted.insert(id.clone());
                let reason = format!("{} cannot be watched: {reason}", id.group_kind());
                return self.leave(&id, Side::Cluster, Verb::Pending, None, reason);
            }
            None => return self.forget(&id),
        }
        let namespaces = self.live.watched(&GroupKind::new("", "Namespace"));
        if namespaces == Some(&Watched::Listing) && id.namespace().is_some() && self.waits_for_namespace(&id) {
            return;
        }
        if !composing && !is_live && matches!(found, Found::One(_)) && self.waits_for_order(&id) {
            return;
        }
        let shown = match (shown, &found) {
            (Some(live), Found::One(place)) if !composing => match self.agrees_at_a_glance(&id, &kind, place, live) {
                None => return,
                to_be_planned => to_be_planned,
            },
            (shown, _) => shown,
        };
        let (manifest, proof) = match &found {
            Found::One(place) => {
                let blob = self.blobs.get(&place.path).copied();
                (blob.map(|blob| (blob, place.clone())), if is_live { None } else { self.proof(&id) })
            }
            _ => (None, None),
        };
        let live = match shown {
            Some(object) => Source::Shown(object),
            None if is_live => Source::Ask,
            None => Source::Absent,
        };
        let shown = matches!(live, Source::Shown(_));
        let blob = |fragment: manifest::Fragment| Some((*self.blobs.get(&fragment.place.path)?, fragment));
        let fragments = self.index.fragments(&id).into_iter().filter_map(blob).collect();
        self.flights.insert(id.clone(), false);
        let then = self.past_manifest(&id, &kind);
        let request = Request { id: id.clone(), kind, manifest, then, fragments, live, proof, composing };
        let (cluster, remote) = (self.cluster.clone(), self.remote.clone());
        self.run(Box::pin(async move {
            let observed = observe(cluster, remote, request).await;
            Done::Observed(id, shown, observed.map(Box::new))
        }));
    }

    /// The proof that the object was deleted by itself, once it has been missing long enough.
    fn proof(&mut self, id: &ObjectId) -> Option<Proof> {
        self.bases.get(id)?;
        let tombstone = self.live.tombstone(id)?.clone();
        let due = tombstone.since + self.rules.delete_delay;
        if self.clock.now() < due {
            self.queue.push_at(id.clone(), due);
            return None;
        }
        let definition = self.live.definition(id.group_kind()).cloned().map(|container| {
            let name = format!("{}.{}", self.kinds.get(id.group_kind()).map_or("", |kind| &kind.plural), id.group());
            (ObjectId::new(GroupKind::new("apiextensions.k8s.io", "CustomResourceDefinition"), "", &name), container)
        });
        Some(Proof { tombstone, definition })
    }

    pub(super) fn forget(&mut self, id: &ObjectId) {
        self.bases.forget(id, self.is_listed(id));
        self.bases.answered(id, None);
        self.pasts.forget(id);
        self.live.bury(id);
        self.refused.remove(id);
        self.waits.clear(id);
        self.waits.settled(id);
        self.wake_dependents(id);
        self.standings.clear_of(id);
        self.doomed.remove(id);
        self.emptying.remove(id);
        self.withheld.remove(id);
        self.awaiting_reads.remove(id);
        self.deletes.came_back(id);
        self.applied.remove(id);
        self.claims.forget(id);
        self.queue.succeeded(id);
    }

    /// Both sides were read: plan, and carry out.
    pub(super) fn observed(&mut self, id: &ObjectId, shown: bool, observed: Result<Box<Observed>, ObserveError>) {
        let observed = match observed {
            Ok(observed) => match self.read_targets(shown, observed) {
                Some(observed) => Ok(observed),
                None => return,
            },
            Err(error) => Err(error),
        };
        let again = self.flights.remove(id).unwrap_or_default();
        if again {
            self.queue.push(id.clone());
        }
        let observed = match observed {
            Ok(observed) => *observed,
            Err(error) => return self.failed_to_read(id, &error),
        };
        let composing = observed.composing;
        // An event overtook the state that was shown: the next turn asks for the latest.
        if again && shown && !composing {
            return;
        }
        if observed.live.is_none() && self.live.get(id).is_some() {
            // It was deleted before its event, or it was made while it was read: then the event is the newer one.
            if !again {
                self.lose(id);
                self.queue.push(id.clone());
            }
            return self.composed_without(id);
        }
        self.was_deleted(id, observed.live.is_none());
        self.schemas.know(&observed);
        let hidden = self.hidden_manifest(&observed);
        if hidden.is_some() {
            self.hidden_ids.insert(id.clone());
        }
        self.note_changes(&observed);
        let since = self.clock.now();
        let plan = self.plan(&observed, hidden.as_deref());
        self.standings.metrics().planned(self.clock.now().saturating_sub(since));
        self.planned += 1;
        self.ask_again_if_held(&plan);
        self.remember_fields(&plan, &observed);
        if composing { self.compose(plan, observed) } else { self.carry_out(plan, observed) }
    }

    fn failed_to_read(&mut self, id: &ObjectId, error: &ObserveError) {
        // A kind that has just come is served a moment before its schema is.
        let may_come = matches!(error, ObserveError::Cluster(ClusterError::NotFound(_)));
        let verb = if may_come && self.queue.failures(id) < PATIENCE { Verb::Pending } else { Verb::Failed };
        self.leave(id, Side::Cluster, verb, None, error.to_string());
        let clock = self.clock.clone();
        self.queue.retry(id.clone(), clock.now(), |bound| clock.jitter(bound));
        self.composed_without(id);
    }

    /// Why the manifest cannot be told, if so.
    fn hidden_manifest(&self, observed: &Observed) -> Option<String> {
        match self.index.find(&observed.id) {
            Found::Unreadable(reason) => Some(reason),
            Found::Duplicate(places) => Some(duplicate(&places)),
            Found::Absent | Found::One(_) if observed.manifest.is_none() => self.hidden(&observed.id),
            Found::Absent | Found::One(_) => None,
        }
    }

    fn plan(&self, observed: &Observed, hidden: Option<&str>) -> Plan {
        let fought = self.fights.held(&observed.id, self.clock.now());
        let autoscaled = self.autoscalers.of(&observed.id);
        let subject = Subject { fought: &fought, autoscaled: &autoscaled, ..self.subject(observed, hidden) };
        planner::plan(&subject, &self.rules, &self.identity)
    }

    /// What a plan depends on.
    pub(super) fn subject<'a>(&'a self, observed: &'a Observed, hidden: Option<&'a str>) -> Subject<'a> {
        let id = &observed.id;
        let git = match (&observed.manifest, hidden) {
            (_, Some(reason)) => InGit::Unreadable(reason),
            (Some((_, _, manifest)), None) => InGit::Present(manifest),
            (None, None) => InGit::Absent,
        };
        let live = match (&observed.live, &observed.absence) {
            (Some(live), _) => InCluster::Present(live),
            (None, Ok(true)) => InCluster::Gone,
            (None, Ok(false)) => InCluster::Unseen,
            (None, Err(_)) if self.is_let_go(id) => InCluster::Gone,
            (None, Err(withheld)) => InCluster::Withheld(&withheld.reason),
        };
        let view = match observed.shape() {
            Some(object) => observed.schema.view_of(object),
            None => SchemaView::unknown(),
        };
        let namespace = id.namespace().and_then(|name| self.live.namespace(name));
        // The rules may have changed since it was read.
        let then = observed.then.as_ref().filter(|_| self.past_manifest(id, &observed.kind).is_some());
        Subject {
            id,
            kind: &observed.kind,
            git,
            live,
            base: self.bases.get(id),
            answer: self.bases.answer(id),
            view,
            namespace_labels: namespace.map(|namespace| &*namespace.labels),
            deletes_wait: self.deletes_wait(id),
            past: self.pasts.past(id, then),
            fought: &[],
            opted_out: self.opted_out(observed),
            autoscaled: &[],
            around: Surroundings {
                fragments: &observed.fragments,
                files: observed.files.as_ref(),
                tree: Some(&self.index),
            },
        }
    }

    /// Says how the object stands by its plan.
    pub(super) fn stand(&mut self, plan: &Plan, observed: &Observed) {
        let rules = self.rules.clone();
        let rule = |index: usize| RuleRef::new(index, rules.rules.get(index).map_or("", |rule| &rule.name));
        self.standings.set(plan, observed.manifest.as_ref().map(|(place, ..)| place), rule);
    }

    /// Says one more thing of an object that is left as it is.
    pub(super) fn leave(&mut self, id: &ObjectId, side: Side, verb: Verb, rule: Option<RuleIndex>, reason: String) {
        let mut change = Change::new(id.clone(), side, verb).because(reason);
        change.rule = rule.map(|rule| self.rule_ref(rule));
        change.place = self.place_of(id);
        self.standings.put(change);
    }

    pub(super) fn carry_out(&mut self, mut plan: Plan, observed: Observed) {
        let id = plan.id.clone();
        if !plan.selected {
            return self.forget(&id);
        }
        self.keep_unless_doomed(&plan);
        self.note_withheld(&plan, &observed);
        if self.mode == Mode::Preview {
            self.stand(&plan, &observed);
            return self.preview(plan, observed);
        }
        let applied = plan.actions.iter().find_map(|action| match action {
            Action::Apply { object, .. } => Some(Digest::of_value(object)),
            _ => None,
        });
        if applied.is_some() && self.applied.get(&id) == applied.as_ref() {
            plan.actions.retain(|action| action.side() == Side::Git);
            plan.note(
                Verb::Held,
                Side::Cluster,
                plan.existence,
                "was applied and still differs; the API server or a webhook changes it back",
            );
        }
        self.try_again_later(&id);
        self.hold_refused(&mut plan, &observed);
        self.hold_for_dependencies(&mut plan, &observed);
        self.stand(&plan, &observed);
        if plan.agrees {
            self.agree(&plan, &observed);
        } else if self.bases.get(&id).is_some() || self.is_listed(&id) {
            self.bases.differ(&id, self.head);
        }
        if plan.actions.is_empty() {
            self.queue.succeeded(&id);
            self.doomed.remove(&id);
            return;
        }
        if !self.may_write() {
            self.deferred.insert(id);
            return;
        }
        if plan.on(Side::Git).next().is_some() {
            self.batch.add(id.clone(), self.clock.now());
        }
        let (deletes, writes): (Vec<Action>, Vec<Action>) =
            plan.actions.into_iter().filter(|action| action.side() == Side::Cluster).partition(Action::deletes);
        match deletes.into_iter().next() {
            Some(Action::Delete { uid, rule, .. }) => drop(self.doomed.insert(id.clone(), (rule, uid))),
            _ => drop(self.doomed.remove(&id)),
        }
        if !writes.is_empty() {
            self.act(id, observed, writes);
        }
    }

    /// Remembers that both sides of an object are equal.
    fn agree(&mut self, plan: &Plan, observed: &Observed) {
        let (Some((place, _, manifest)), Some(live)) = (&observed.manifest, &observed.live) else { return };
        let Some(blob) = observed.blob else { return };
        let uid = live.pointer("/metadata/uid").and_then(Value::as_str);
        // Kept once for the live side and the base.
        let known = self.live.get(&plan.id).map(|entry| &entry.uid).filter(|known| Some(&***known) == uid);
        let is_indexed = self.blobs.get(&place.path) == Some(&blob);
        let (digest, manifest_labels, opts_out) = match self.index.entry(&plan.id).filter(|_| is_indexed) {
            Some(entry) => (entry.digest(), entry.labels().clone(), entry.prune_disabled()),
            None => (Digest::of_value(manifest), KeptLabels::of(manifest), planner::opts_out_of_prune(manifest)),
        };
        let base = Base {
            place: place.clone(),
            blob,
            manifest: digest,
            uid: known.cloned().or(uid.map(Into::into)),
            live_labels: KeptLabels::sharing(live, &manifest_labels),
            manifest_labels,
            existence: plan.existence,
            opts_out,
            is_whole: true,
        };
        self.bases.agree(&plan.id, base);
        self.applied.remove(&plan.id);
    }
}

fn duplicate(places: &[crate::manifest::Place]) -> String {
    let places: Vec<String> = places.iter().map(ToString::to_string).collect();
    format!("it stands more than once: {}; keep one", places.join(", "))
}
