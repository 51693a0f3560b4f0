//! Owns what the engine keeps for the processes after it: when the state is written, and that a delete is announced in it
//! before it is carried out. Must never let a process delete what another one has seen come back.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::cluster::{Cluster, ClusterError, StateText};
use crate::object::ObjectId;
use crate::report::Verb;
use crate::repository::{CommitId, PushError, Remote};

use super::super::clock::{Clock, Instant};
use super::super::queue::backoff;
use super::super::state::{self, Approval, Binding, Removing, SavedBase};
use super::git_side::{Git, Sent};
use super::recalling::Recall;
use super::{Done, Engine, Mode};

/// How long after a change the state is written, when nothing else is under way.
const QUIET: Duration = Duration::from_secs(1);

/// How long after it while much is under way.
const BUSY: Duration = Duration::from_secs(10);

/// The shortest time between two writes that nothing waits for.
const BETWEEN: Duration = Duration::from_secs(5);

/// What the engine knows of the state.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) recall: Recall,
    /// The state as it was last read or written.
    pub(super) kept: Option<StateText>,
    pub(super) binding: Binding,
    /// What the process before us had kept.
    pub(super) past: Box<SavedBase>,
    /// Since when the remote shows less than is remembered.
    pub(super) lags_since: Option<Instant>,
    /// When something may be tried again.
    pub(super) next: Instant,
    pub(super) failures: u32,
    /// Objects that are about to be deleted from the cluster, or may have been when the process before us ended.
    pub(super) deleting: BTreeSet<ObjectId>,
    /// A commit that removes manifests and waits for its announcement.
    pub(super) removing: Option<Removing>,
    /// What had changed when the state was last written.
    written: Option<Marks>,
    /// What had changed when the write that is under way began.
    writing: Option<Marks>,
    /// Since when something is to be written.
    changed: Option<Instant>,
    last: Option<Instant>,
    /// Whether the API server lets us keep nothing.
    pub(super) is_forbidden: bool,
}

/// By what it is told that the state is to be written again.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Marks {
    head: Option<CommitId>,
    bases: u64,
    holds: u64,
    deleting: BTreeSet<ObjectId>,
    removing: Option<Removing>,
    deletes: u64,
    approvals: Vec<Approval>,
}

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    fn marks(&self) -> Marks {
        Marks {
            head: self.head,
            bases: self.bases.revision(),
            holds: self.holds_revision(),
            deleting: self.memory.deleting.clone(),
            removing: self.memory.removing.clone(),
            deletes: self.deletes.revision(),
            approvals: self.used_approvals().to_vec(),
        }
    }

    /// Whether this process keeps anything.
    fn remembers(&self) -> bool {
        // While what agreed is still being read, nobody knows what did not.
        let is_recalled = matches!(self.memory.recall, Recall::Done) && !matches!(self.git, Git::Recalling);
        let is_read = is_recalled && self.head_read;
        self.active && self.mode != Mode::Preview && is_read && !self.memory.is_forbidden
    }

    /// Whether everything that is to be kept was written.
    pub(super) fn is_remembered(&self) -> bool {
        !self.remembers() || self.memory.writing.is_none() && self.memory.written.as_ref() == Some(&self.marks())
    }

    /// Whether something is to be written, and no write is under way.
    fn has_news(&self) -> bool {
        self.memory.writing.is_none() && !self.is_remembered()
    }

    /// When the state is to be written; `None` when nothing changed.
    pub(super) fn remember_due(&self) -> Option<Instant> {
        let changed = self.memory.changed.filter(|_| self.has_news())?;
        Some(self.due_since(changed))
    }

    /// When what changed at this instant is to be written.
    fn due_since(&self, changed: Instant) -> Instant {
        let is_announced = self.memory.removing.is_some() || !self.memory.deleting.is_empty();
        let wait = match self.mode {
            Mode::Once if self.is_read() => Duration::ZERO,
            _ if self.announces() && is_announced => Duration::ZERO,
            _ if self.is_read() && self.git.is_idle() => QUIET,
            _ => BUSY,
        };
        let between = if wait.is_zero() { None } else { self.memory.last.map(|last| last + BETWEEN) };
        (changed + wait).max(between.unwrap_or_default()).max(self.memory.next)
    }

    /// Whether deletes that wait for their announcement are not in the state yet.
    fn announces(&self) -> bool {
        let written = self.memory.written.as_ref();
        written.is_none_or(|written| {
            written.removing != self.memory.removing || !written.deleting.is_superset(&self.memory.deleting)
        })
    }

    /// Writes the state when that is due.
    pub(super) fn remember(&mut self) -> bool {
        if !self.has_news() {
            return false;
        }
        let now = self.clock.now();
        let changed = *self.memory.changed.get_or_insert(now);
        if now < self.due_since(changed) || self.fenced.is_some() || !self.may_write() {
            return false;
        }
        // Until the lists were read whole nobody knows what is missing: then what was known before holds.
        if !self.live.is_listing() {
            self.memory.past.set_containers(self.live.namespace_uids(), self.live.definition_uids());
        }
        let marks = self.marks();
        let state = self.state_text();
        if self.memory.kept.as_ref() == Some(&state) {
            self.memory.written = Some(marks);
            self.memory.changed = None;
            return true;
        }
        self.memory.writing = Some(marks);
        let cluster = self.cluster.clone();
        self.run(Box::pin(async move {
            let written = match cluster.set_state(state).await {
                // A person's command wrote to it: what it said is taken over, then ours is written again.
                Err(ClusterError::Changed(_)) => cluster.state().await.map(|state| (state, false)),
                written => written.map(|state| (Some(state), true)),
            };
            Done::Remembered(written)
        }));
        true
    }

    /// The state as it is to be written.
    fn state_text(&self) -> StateText {
        let kept = self.memory.kept.clone().unwrap_or_default();
        let mut sections = kept.sections;
        // Before the ConfigMap exists it has no UID to be bound to.
        if !kept.uid.is_empty() {
            sections.insert(state::BASE.to_owned(), self.saved_base().text());
        }
        self.keep_holds(&mut sections);
        let mut state = StateText { sections, ..kept };
        for (name, text) in self.deletes_sections(&state) {
            match text {
                Some(text) => drop(state.sections.insert(name.to_owned(), text)),
                None => drop(state.sections.remove(name)),
            }
        }
        state
    }

    fn saved_base(&self) -> SavedBase {
        let kind_of = |kind: &crate::object::GroupKind| self.kinds.get(kind).cloned();
        let saved = SavedBase::new(self.memory.binding.clone(), &self.rules, self.head, &self.bases, kind_of);
        let deleting = self.memory.deleting.iter();
        saved.with_containers_of(&self.memory.past).removing(self.memory.removing.as_ref()).deleting(deleting)
    }

    pub(super) fn remembered(&mut self, written: Result<(Option<StateText>, bool), ClusterError>) {
        let marks = self.memory.writing.take();
        let now = self.clock.now();
        match written {
            Ok((state, is_ours)) => {
                self.memory.failures = 0;
                self.memory.last = Some(now);
                let uid = state.as_ref().map(|state| state.uid.clone()).unwrap_or_default();
                let is_bound = uid == self.memory.binding.map && !uid.is_empty();
                self.memory.binding.map = uid;
                self.take_approvals(state.as_ref());
                self.memory.kept = state;
                self.take_releases();
                if is_ours && is_bound {
                    self.memory.written = marks;
                    self.memory.changed = None;
                } else {
                    // It was just made, or somebody else wrote to it: what is ours is still to come.
                    self.memory.last = None;
                }
            }
            Err(ClusterError::Forbidden(why)) => {
                tracing::warn!(%why, "the state may not be kept: what vanishes while no process runs is not deleted");
                self.memory.is_forbidden = true;
            }
            Err(error) => {
                self.memory.failures += 1;
                let clock = self.clock.clone();
                let pause = backoff(self.memory.failures, |bound| clock.jitter(bound));
                self.memory.next = now + pause.min(Duration::from_secs(30));
                tracing::warn!(%error, "the state could not be kept; trying again");
            }
        }
    }

    /// Announces deletes in the cluster before they are carried out. Returns whether that was done.
    pub(super) fn announced(&mut self, ids: BTreeSet<ObjectId>) -> bool {
        if !self.remembers() {
            return true;
        }
        if ids.is_subset(&self.memory.deleting) && !self.announces() && self.memory.writing.is_none() {
            return true;
        }
        if !ids.is_subset(&self.memory.deleting) {
            self.memory.deleting.extend(ids);
        }
        false
    }

    /// A commit was made: it is pushed, or first announced when it removes manifests. A later process that finds it in the
    /// history knows then that what comes back under those names is something new.
    pub(super) fn announce_or_push(&mut self, commit: CommitId, sent: Sent) {
        let removed = sent.changes.iter().filter(|change| change.verb == Verb::Removed);
        let ids: Vec<ObjectId> = removed.map(|change| change.object.clone()).collect();
        if ids.is_empty() || !self.remembers() {
            return self.push(commit, sent);
        }
        self.memory.removing = Some(Removing { commit, ids });
        self.git = Git::Announcing(commit, Box::new(sent));
    }

    /// Pushes a commit once it is announced; back to the batch with it when that failed, or another process leads.
    pub(super) fn push_announced(&mut self) -> bool {
        let failed = !self.may_write() || self.memory.failures > 0;
        if !failed && self.announces() && self.remembers() {
            return false;
        }
        let Git::Announcing(commit, sent) = std::mem::take(&mut self.git) else { return false };
        if failed {
            self.memory.removing = None;
            let now = self.clock.now();
            sent.ids.into_iter().for_each(|id| self.batch.add(id, now));
        } else {
            self.push(commit, *sent);
        }
        true
    }

    /// A push failed. What the remote refused is no commit that a later process might find in the history: an answer that
    /// got lost tells nothing.
    pub(super) fn did_not_arrive(&mut self, commit: CommitId, error: &PushError) {
        let is_sure = matches!(error, PushError::Raced | PushError::Refused(_));
        if is_sure && self.memory.removing.as_ref().is_some_and(|removing| removing.commit == commit) {
            self.memory.removing = None;
        }
    }

    /// An object that was about to be deleted was read: gone, nothing of its past counts any more.
    pub(super) fn was_deleted(&mut self, id: &ObjectId, is_gone: bool) {
        if self.memory.deleting.contains(id) && is_gone {
            self.memory.deleting.remove(id);
            self.bases.forget(id, self.is_listed(id));
        }
    }

    /// A list was read whole and does not show an object that agreed before this process began: it went meanwhile.
    pub(super) fn miss(&mut self, id: &ObjectId) {
        if self.bases.get(id).is_some() && self.live.tombstone(id).is_none() {
            let uid = |uid: Option<&String>| uid.map(|uid| uid.as_str().into());
            let namespace = uid(id.namespace().and_then(|name| self.memory.past.namespaces.get(name)));
            let definition = uid(self.memory.past.definition(id.group_kind()));
            self.live.miss(id, self.clock.now(), namespace, definition);
        }
    }

    /// An object has gone. Returns whether it was known.
    pub(super) fn lose(&mut self, id: &ObjectId) -> bool {
        let was_known = self.live.lose(id, self.clock.now());
        self.house(id);
        was_known
    }

    /// What went while its Namespace was not listed yet went from the one that the process before us knew.
    pub(super) fn house(&mut self, id: &ObjectId) {
        if let Some(uid) = id.namespace().and_then(|name| self.memory.past.namespaces.get(name)) {
            self.live.house(id, uid);
        }
    }

    /// Somebody changed what is kept, or it is the echo of our own write.
    pub(super) fn state_changed(&mut self, state: Option<StateText>) {
        if !self.remembers() {
            return;
        }
        self.take_approvals(state.as_ref());
        if self.memory.writing.is_some() {
            return;
        }
        let version = |state: &Option<StateText>| state.as_ref().map(|state| state.version.clone());
        if version(&state) == version(&self.memory.kept) {
            return;
        }
        self.memory.binding.map = state.as_ref().map(|state| state.uid.clone()).unwrap_or_default();
        self.memory.kept = state;
        self.take_releases();
        self.memory.written = None;
    }

    /// The rules changed: what they newly cover has not agreed under them.
    pub(super) fn list_newcomers(&mut self) {
        let new: Vec<ObjectId> =
            self.index.objects().filter(|id| self.bases.get(id).is_none() && self.is_listed(id)).cloned().collect();
        new.iter().for_each(|id| self.bases.differ(id, None));
    }

    /// A section of the state as it was last read or written.
    pub fn section(&self, name: &str) -> Option<&str> {
        self.memory.kept.as_ref()?.sections.get(name).map(String::as_str)
    }
}
