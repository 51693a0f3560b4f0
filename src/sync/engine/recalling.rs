//! Owns what a process learns of those before it: the state is read, then the commit at which both sides last agreed, and
//! only then the branch as it is. Must never take anything for agreed that another cluster, repository or folder agreed on.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cluster::{Cluster, ClusterError, StateText};
use crate::object::digest::Digest;
use crate::object::{GroupKind, ObjectId};
use crate::repository::{CommitId, Remote, RepositoryError};
use crate::rules::{Candidate, Labels};

use super::super::base::Base;
use super::super::clock::{Clock, Instant};
use super::super::queue::backoff;
use super::super::state::{self, Binding, SavedBase};
use super::earlier::{Recalled, read_past};
use super::git_side::{Git, GitDone, LAG, Recency};
use super::reading::ReadFile;
use super::{Done, Engine, Mode};

/// How often the state is asked for again when it may not be read.
const FORBIDDEN: u32 = 2;

/// How far the past is known.
#[derive(Debug, Default)]
pub(super) enum Recall {
    /// It is not asked for: another process leads.
    #[default]
    Off,
    /// The state is to be read.
    Due,
    /// That is under way.
    Reading,
    /// It was read; the next fetch tells what it is worth.
    Read(Option<Box<SavedBase>>),
    /// All that is known is in the bases.
    Done,
}

/// What the state said.
pub(super) struct StateRead {
    state: Option<StateText>,
    /// UID of `kube-system`.
    cluster: String,
}

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// The past is to be learnt before anything is planned.
    pub(super) fn recall(&mut self) {
        self.memory.recall = Recall::Due;
        self.memory.lags_since = None;
        self.recency = Recency::Due;
        self.next_fetch = self.clock.now();
    }

    /// Whether Git must wait until the state was read.
    pub(super) fn awaits_state(&self) -> bool {
        matches!(self.memory.recall, Recall::Due | Recall::Reading)
    }

    /// When the state is to be read.
    pub(super) fn recall_due(&self) -> Option<Instant> {
        (matches!(self.memory.recall, Recall::Due) && self.git.is_idle()).then_some(self.memory.next)
    }

    /// Reads the state when that is due.
    pub(super) fn start_recall(&mut self) -> bool {
        if self.recall_due().is_none_or(|due| self.clock.now() < due) {
            return false;
        }
        self.memory.recall = Recall::Reading;
        let cluster = self.cluster.clone();
        self.run(Box::pin(async move {
            let read = async {
                let state = cluster.state().await?;
                let id = ObjectId::new(GroupKind::new("", "Namespace"), "", "kube-system");
                let uid = match cluster.get(&id, None).await? {
                    Some(namespace) => {
                        namespace.pointer("/metadata/uid").and_then(|uid| uid.as_str().map(String::from))
                    }
                    None => None,
                };
                Ok(StateRead { state, cluster: uid.unwrap_or_default() })
            };
            Done::StateRead(read.await.map(Box::new))
        }));
        true
    }

    pub(super) fn state_read(&mut self, read: Result<Box<StateRead>, ClusterError>) {
        if !matches!(self.memory.recall, Recall::Reading) {
            return;
        }
        let StateRead { state, cluster } = match read {
            Ok(read) => *read,
            // It cannot be kept either: as if there were none. Rights that were just given take a moment.
            Err(ClusterError::Forbidden(why)) if self.mode == Mode::Preview || self.memory.failures >= FORBIDDEN => {
                tracing::warn!(%why, "the state may not be read: what vanishes while no process runs is not deleted");
                self.memory.is_forbidden = true;
                StateRead { state: None, cluster: String::new() }
            }
            Err(error) => {
                self.memory.failures += 1;
                let clock = self.clock.clone();
                let pause = backoff(self.memory.failures, |bound| clock.jitter(bound)).min(self.rules.interval);
                self.memory.next = clock.now() + pause;
                self.memory.recall = Recall::Due;
                return tracing::warn!(%error, "the state cannot be read; trying again");
            }
        };
        self.memory.failures = 0;
        let text = state.as_ref().and_then(|state| state.sections.get(state::BASE));
        let saved = text.and_then(|text| SavedBase::read(text));
        let uid = state.as_ref().map(|state| state.uid.clone()).unwrap_or_default();
        self.memory.binding = Binding { cluster, map: uid, source: String::new() };
        self.restore_deletes(state.as_ref());
        self.memory.kept = state;
        self.memory.recall = Recall::Read(saved.map(Box::new));
        self.bases = Default::default();
        self.take_holds();
        self.next_fetch = self.clock.now();
        if self.mode == Mode::Run {
            self.cluster.follow_state();
        }
    }

    /// A fetch that began after the state was read has ended: reads what was remembered. Returns whether it is taken care of.
    pub(super) fn recall_at(&mut self, head: Option<CommitId>) -> bool {
        let Recall::Read(saved) = &mut self.memory.recall else { return false };
        let saved = saved.take();
        self.memory.recall = Recall::Done;
        let source = self.remote.source().unwrap_or_default();
        self.memory.binding.source = Digest::of_bytes(source.as_bytes()).to_string();
        let Some(saved) = saved.filter(|saved| self.fits(saved)) else {
            self.deletes.distrust();
            self.list_newcomers();
            return false;
        };
        self.memory.past = saved.clone();
        let Some(commit) = saved.commit() else {
            // A standby has read the branch already: without a past, what stands there never agreed.
            self.list_newcomers();
            return false;
        };
        self.git = Git::Recalling;
        let from = if self.head_read { self.head } else { None };
        let (remote, caps) = (self.remote.clone(), self.caps());
        let task = async move {
            let recalled = read_past(&*remote, head, saved, from, commit, caps).await;
            Done::Git(GitDone::Recalled(recalled.map(Box::new)))
        };
        self.run(Box::pin(task));
        true
    }

    /// Whether what was kept is about this cluster, repository and folder.
    fn fits(&self, saved: &SavedBase) -> bool {
        let (then, now) = (&saved.binding, &self.memory.binding);
        let other = if then.cluster != now.cluster || now.cluster.is_empty() {
            "another cluster"
        } else if then.map != now.map {
            "another ConfigMap, of which this one is a copy"
        } else if then.source != now.source {
            "another repository, branch or folder"
        } else {
            return true;
        };
        tracing::warn!(
            "what is remembered belongs to {other}: nothing that is missing on one side is deleted on the other"
        );
        false
    }

    /// The past was read.
    pub(super) fn recalled(&mut self, recalled: Result<Box<Recalled>, RepositoryError>) {
        let Recalled { head, saved, given, is_behind, files, earlier, removed } = match recalled {
            Ok(recalled) => *recalled,
            Err(error) => {
                self.memory.recall = Recall::Read(Some(self.memory.past.clone()));
                return self.git_failed(&error);
            }
        };
        let Some(commit) = saved.commit() else { return };
        let is_lost = !given.contains(&commit);
        if (is_lost || is_behind) && self.mode == Mode::Run {
            // A mirror that lags shows the past; it gets a while to catch up.
            let now = self.clock.now();
            let since = *self.memory.lags_since.get_or_insert(now);
            if now < since + LAG {
                self.memory.recall = Recall::Read(Some(saved));
                self.next_fetch = (now + Instant::from_secs(5)).min(since + LAG);
                return;
            }
        }
        let is_same = saved.rules == state::selection(&self.rules).to_string();
        if is_lost {
            let short = commit.short();
            tracing::warn!(
                commit = %short,
                "the history no longer has the commit at which both sides last agreed: nothing that is missing is deleted"
            );
            self.list_newcomers();
        } else {
            self.take_past(&saved, is_same, commit, files);
        }
        for (id, commit, base) in earlier {
            self.bases.agreed_once(&id, Base { is_whole: is_same, ..base }, commit);
        }
        removed.iter().for_each(|id| self.bases.forget(id, self.is_listed(id)));
        for (id, answer) in saved.answers() {
            self.bases.answered(&id, Some(answer));
        }
        self.memory.deleting = saved.was_deleting().collect();
        self.read(head, is_behind);
    }

    /// The index shows the commit at which both sides last agreed, and what stands there has a base.
    /// `is_same`: the rules select what they selected then.
    fn take_past(&mut self, saved: &SavedBase, is_same: bool, commit: CommitId, files: Vec<ReadFile>) {
        let listed: BTreeSet<ObjectId> = saved.listed().map(|(id, _)| id).collect();
        // Nothing is planned before the branch's head was read, and then everything is.
        files.into_iter().for_each(|file| drop(self.take_file(file, false)));
        self.head = Some(commit);
        self.head_read = true;
        let ids: Vec<ObjectId> = self.index.objects().cloned().collect();
        for id in ids {
            match self.base_in_index(&id).filter(|_| is_same && !listed.contains(&id) && self.assumes(saved, &id)) {
                Some(base) => self.bases.agree(&id, base),
                None if self.is_listed(&id) => self.bases.differ(&id, None),
                None => {}
            }
        }
    }

    fn assumes(&self, saved: &SavedBase, id: &ObjectId) -> bool {
        self.kinds.get(id.group_kind()).is_some_and(|kind| saved.assumes(&self.rules, id, kind))
    }

    /// Whether an identity that stands in Git and does not agree must be listed, so that a later process does not take it
    /// for agreed.
    pub(super) fn is_listed(&self, id: &ObjectId) -> bool {
        let may_be = |kind: &Arc<crate::object::Kind>| state::first_rule(&self.rules, id, kind).is_some();
        self.in_git(id) && self.kinds.get(id.group_kind()).is_none_or(may_be)
    }

    /// What the index shows of an object, as the state in which it agreed.
    fn base_in_index(&self, id: &ObjectId) -> Option<Base> {
        let crate::manifest::Found::One(place) = self.index.find(id) else { return None };
        let entry = self.index.entry(id)?;
        let kept = entry.labels().clone();
        let labels = kept.labels();
        let blob = *self.blobs.get(&place.path)?;
        let existence = self.existence_by_manifest(id, &labels);
        let manifest = entry.digest();
        Some(Base {
            place,
            blob,
            manifest,
            uid: None,
            manifest_labels: kept.clone(),
            live_labels: kept,
            existence,
            opts_out: entry.prune_disabled(),
            is_whole: true,
        })
    }

    fn existence_by_manifest(&self, id: &ObjectId, labels: &Labels) -> Option<usize> {
        let kind = self.kinds.get(id.group_kind())?;
        let namespace = id.namespace().and_then(|name| self.live.namespace(name));
        let candidate = Candidate {
            id,
            kind,
            manifest_labels: Some(labels),
            live_labels: Some(labels),
            base_labels: None,
            namespace_labels: namespace.map(|namespace| &*namespace.labels),
        };
        self.rules.existence_rule(&candidate).map(|rule| rule.index)
    }
}
