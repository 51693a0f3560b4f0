//! Owns what the engine does about fields that both sides may change: it reads what they agreed on, remembers what a plan
//! found, and takes what people release. Must never let go of a person's commit before its release was carried out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::cluster::{Cluster, StateText};
use crate::manifest::Place;
use crate::object::{Kind, ObjectId};
use crate::report::{Change, Verb};
use crate::repository::{BlobId, Remote};
use crate::rules::{Conflict, Rule, Rules};

use super::super::act::Acted;
use super::super::clock::Clock;
use super::super::holds::SavedHolds;
use super::super::observe::Observed;
use super::super::pasts::Pasts;
use super::super::plan::{Action, Plan};
use super::super::reload::Reload;
use super::super::state::{self, Release};
use super::super::three_way;
use super::Engine;

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// The rules that may ask which side of an object changed a field.
    fn asking<'a>(&'a self, id: &'a ObjectId, kind: &'a Kind) -> impl Iterator<Item = &'a Rule> {
        let rules = self.rules.rules.iter().filter(|rule| three_way::concerns(rule));
        rules.filter(|rule| rule.may_select(id, kind))
    }

    /// Whether a rule may ask which side of the object changed a field.
    pub(super) fn is_asked_about(&self, id: &ObjectId, kind: &Kind) -> bool {
        self.asking(id, kind).next().is_some()
    }

    /// The manifest that both sides last agreed on, where a rule asks for it.
    pub(super) fn past_manifest(&self, id: &ObjectId, kind: &Kind) -> Option<(BlobId, Place)> {
        self.asking(id, kind).next()?;
        let base = || self.bases.get(id).filter(|base| base.is_whole);
        let of_base = || base().map(|base| (base.blob, base.place.clone()));
        self.pasts.place(id).cloned().or_else(of_base)
    }

    /// The rules changed: where others may select an object now, nobody has compared all the fields that they are about, and
    /// a difference there says nothing of who made it.
    pub(super) fn doubt_pasts(&mut self, before: &Rules, reload: &Reload) {
        let texts = |rules: &Rules| rules.rules.iter().map(Rule::selection_text).collect::<Vec<String>>();
        let (then, now) = (texts(before), texts(&self.rules));
        let is_other = |id: &&ObjectId| {
            let Some(kind) = self.kinds.get(id.group_kind()) else { return true };
            let selecting = |rules: &'_ [Rule], texts: &[String]| -> Vec<String> {
                let pairs = rules.iter().zip(texts);
                pairs.filter(|(rule, _)| rule.may_select(id, kind)).map(|(_, text)| text.clone()).collect()
            };
            selecting(&before.rules, &then) != selecting(&self.rules.rules, &now)
        };
        let known = self.bases.ids().chain(self.pasts.ids()).filter(|id| reload.touches(id.group_kind()));
        let known: BTreeSet<&ObjectId> = known.collect();
        let doubtful: Vec<ObjectId> = known.into_iter().filter(is_other).cloned().collect();
        for id in doubtful {
            self.bases.doubt(&id);
            self.pasts.doubt(&id);
        }
    }

    /// Notes how both sides stand where the later change wins.
    pub(super) fn note_changes(&mut self, observed: &Observed) {
        let is_latest = |rule: &Rule| rule.conflict == Conflict::Latest;
        if self.asking(&observed.id, &observed.kind).any(is_latest) {
            let manifest = observed.manifest.as_ref().map(|(_, _, manifest)| manifest);
            let now = self.clock.now();
            self.pasts.see(&observed.id, manifest, observed.live.as_ref(), now);
        }
    }

    /// Remembers what a plan found of single fields.
    pub(super) fn remember_fields(&mut self, plan: &Plan, observed: &Observed) {
        // A manifest alone was compared with nothing: what it says may be a change that is still to be asked about.
        let compared = observed.manifest.as_ref().filter(|_| observed.live.is_some());
        let place = observed.blob.zip(compared.map(|(place, ..)| place.clone()));
        let found = plan.remembered.as_deref();
        self.pasts.remember(&plan.id, place, found);
        let is_at_rest = || plan.actions.is_empty() && plan.notes.iter().all(|note| note.verb != Verb::Held);
        if found.map_or_else(is_at_rest, |found| !found.uses_release) {
            self.pasts.spend(&plan.id);
        }
        if plan.agrees {
            self.pasts.agree(&plan.id);
        }
    }

    /// Remembers what the API server made of what was applied.
    pub(super) fn note_answers(&mut self, acted: &mut Acted) {
        let apart = std::mem::take(&mut acted.apart);
        let kind = self.kinds.get(acted.id.group_kind());
        if !apart.is_empty() && kind.is_some_and(|kind| self.is_asked_about(&acted.id, kind)) {
            self.pasts.answered(&acted.id, apart);
        }
    }

    /// Says which value of the cluster lost by what was applied.
    pub(super) fn tell_overruled(&mut self, change: &mut Change, action: &Action) {
        if matches!(action, Action::Apply { .. } | Action::Strip { .. })
            && let Some(lost) = self.pasts.take_overruled(&change.object)
        {
            change.reason = Some(lost);
        }
    }

    /// Takes what the state says of holds when it was read first: of the process before us, and of people.
    pub(super) fn take_holds(&mut self) {
        self.pasts = Pasts::default();
        let edits = self.section(state::HOLDS).map(SavedHolds::read).unwrap_or_default().edits();
        self.pasts.restore(edits);
        self.take_releases();
    }

    /// Takes what people released. What they wrote stays in the state until it was carried out.
    pub(super) fn take_releases(&mut self) {
        let releases = self.section(state::RELEASES).map(releases).unwrap_or_default();
        let released = self.pasts.release(releases);
        for id in released {
            tracing::info!(object = %id, "released");
            self.release(&id);
        }
    }

    /// By what it is told that holds are to be kept again.
    pub(super) fn holds_revision(&self) -> u64 {
        self.pasts.revision() + self.standings.held_revision()
    }

    /// Puts what is held into the state, and takes away what was released and carried out.
    pub(super) fn keep_holds(&self, sections: &mut BTreeMap<String, String>) {
        match SavedHolds::of(self.standings.changes(), &self.pasts).text() {
            Some(text) => drop(sections.insert(state::HOLDS.to_owned(), text)),
            None => drop(sections.remove(state::HOLDS)),
        }
        if let Some(text) = sections.get(state::RELEASES) {
            let mut left = releases(text);
            left.retain(|release| !self.pasts.is_spent(release));
            match serde_json::to_string(&left) {
                Ok(text) if !left.is_empty() => drop(sections.insert(state::RELEASES.to_owned(), text)),
                _ => drop(sections.remove(state::RELEASES)),
            }
        }
    }
}

/// What people released. One entry that cannot be read does not keep the others from being taken.
fn releases(text: &str) -> Vec<Release> {
    let all: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
    all.into_iter().filter_map(|release| serde_json::from_value(release).ok()).collect()
}

/// What is kept of a person's release: for `kubeferry release`.
pub fn with_releases(mut state: StateText, new: Vec<Release>) -> StateText {
    let mut all = state.sections.get(state::RELEASES).map(|text| releases(text)).unwrap_or_default();
    all.retain(|old| !new.iter().any(|release| release.object == old.object));
    all.extend(new);
    state.sections.insert(state::RELEASES.to_owned(), serde_json::to_string(&all).unwrap_or_default());
    state
}
