//! Owns what people let go: approvals in the state, and trailers of commits. Must never let go what was not shown to them.

use std::collections::BTreeSet;

use crate::cluster::{Cluster, StateText};
use crate::object::ObjectId;
use crate::report::terminal::escape_line;
use crate::repository::Remote;

use super::super::allowance::Allowance;
use super::super::clock::Clock;
use super::super::deletes::{Approved, SavedDeletes};
use super::super::state::{self, Approval};
use super::Engine;

/// How many commits with a trailer are remembered.
const ALLOWANCES: usize = 20;

/// What people let go, as far as it is not done.
#[derive(Debug, Default)]
pub(super) struct LetGo {
    /// Approvals that were taken up and still stand in the state.
    used: Vec<Approval>,
    allowances: Vec<Allowance>,
}

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// Takes over what an earlier process had counted and held.
    pub(super) fn restore_deletes(&mut self, state: Option<&StateText>) {
        let text = state.and_then(|state| state.sections.get(state::DELETES));
        let saved = text.map(|text| serde_json::from_str::<SavedDeletes>(text));
        match saved {
            Some(Ok(saved)) => self.deletes.restore(saved, self.clock.wall()),
            // Without counts more would be let go than should, but what is held is found again.
            Some(Err(error)) => tracing::warn!(%error, "the section `{}` of the state cannot be read", state::DELETES),
            None => {}
        }
        self.take_approvals(state);
    }

    /// Takes up approvals that the state holds.
    pub(super) fn take_approvals(&mut self, state: Option<&StateText>) {
        let approvals = approvals_of(state);
        self.let_go.used.retain(|used| approvals.contains(used));
        for approval in approvals {
            if self.let_go.used.contains(&approval) {
                continue;
            }
            let plan = escape_line(&approval.plan_id).into_owned();
            let by = escape_line(&approval.by).into_owned();
            match self.deletes.approve(&approval) {
                Approved::Goes(objects) => {
                    tracing::info!(%plan, %by, objects = objects.len(), "held deletes were approved");
                    objects.into_iter().for_each(|id| self.queue.push(id));
                }
                Approved::Already => {}
                Approved::Unknown => {
                    tracing::warn!(%plan, %by, "an approval does nothing: no such plan is held any more");
                }
            }
            self.let_go.used.push(approval);
        }
    }

    /// Approvals that were taken up: they are to go from the state.
    pub(super) fn used_approvals(&self) -> &[Approval] {
        &self.let_go.used
    }

    /// What deletes have to be kept of: a section each, `None` where it goes.
    pub(super) fn deletes_sections(&self, state: &StateText) -> [(&'static str, Option<String>); 2] {
        let saved = self.deletes.save(self.clock.wall());
        let saved = if saved == SavedDeletes::default() { None } else { serde_json::to_string(&saved).ok() };
        let mut left = approvals_of(Some(state));
        left.retain(|approval| !self.let_go.used.contains(approval));
        let left = if left.is_empty() { None } else { serde_json::to_string(&left).ok() };
        [(state::DELETES, saved), (state::APPROVALS, left)]
    }

    /// Commits came that allow deletes.
    pub(super) fn allow(&mut self, allowances: Vec<Allowance>) {
        for allowance in allowances {
            let commit = allowance.commit.short();
            tracing::info!(%commit, deletes = allowance.deletes, "a commit allows the deletes that it causes");
            self.let_go.allowances.push(allowance);
        }
        let excess = self.let_go.allowances.len().saturating_sub(ALLOWANCES);
        self.let_go.allowances.drain(..excess);
    }

    /// What is in Git again is no delete of the commit that removed it.
    pub(super) fn disallow<'i>(&mut self, touched: impl IntoIterator<Item = &'i ObjectId>) {
        if self.let_go.allowances.is_empty() {
            return;
        }
        for id in touched {
            if self.in_git(id) {
                self.let_go.allowances.iter_mut().for_each(|allowance| allowance.drop(id));
            }
        }
    }

    /// Which of these deletes a commit allows by its trailer. Which ones that are is settled when they are first asked for.
    pub(super) fn allowed(&mut self, doomed: &BTreeSet<ObjectId>) -> BTreeSet<ObjectId> {
        self.let_go.allowances.iter_mut().flat_map(|allowance| allowance.of(doomed)).collect()
    }
}

fn approvals_of(state: Option<&StateText>) -> Vec<Approval> {
    let text = state.and_then(|state| state.sections.get(state::APPROVALS));
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}
