//! Owns the repository's turn: fetch, read what changed, commit and push. One thing at a time, so that a commit is always
//! planned on the head that the index shows. Must never forget a change that the remote does not have.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use crate::cluster::Cluster;
use crate::manifest::Caps;
use crate::object::{ObjectId, RepoPath};
use crate::report::metrics::{FetchResult, PushResult};
use crate::report::{Change, Verb};
use crate::repository::{CommitId, NewCommit, PushError, Remote, RepositoryError};

use super::super::allowance::{Allowance, allowances};
use super::super::batch::{Deferral, Pacing};
use super::super::clock::{Clock, Instant};
use super::super::plan::RuleIndex;
use super::super::queue::backoff;
use super::compose::Composer;
use super::earlier::Recalled;
use super::fighting::Committed;
use super::reading::{ReadFile, gather};
use super::{Done, Engine, Mode};

/// How long an answer of the remote that shows an earlier head is taken for a lagging mirror.
pub(super) const LAG: Instant = Instant::from_secs(60);

/// How long a commit waits until everything was compared once.
const SURVEY: Instant = Instant::from_secs(60);

/// What is under way.
#[derive(Default)]
pub(super) enum Git {
    /// Nothing.
    #[default]
    Idle,
    /// The remote is asked for its tip.
    Fetching,
    /// The commit at which both sides last agreed is read.
    Recalling,
    /// What differs between two commits is read.
    Reading,
    /// The objects of a batch are read again and their edits gathered.
    Composing(Box<Composer>),
    /// A commit is made.
    Committing,
    /// A commit that removes manifests waits until that stands in the state.
    Announcing(CommitId, Box<Sent>),
    /// A commit is on its way.
    Pushing,
}

impl Git {
    pub(super) fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }
}

/// Whether Git was read since we took over: a fetch that began before shows nothing of what the former leader did last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recency {
    /// It was.
    Current,
    /// A fetch must begin; nothing is planned until it was read.
    Due,
    /// That fetch is under way.
    Asked,
}

/// What a commit carries, kept until the remote has it.
#[derive(Default)]
pub(super) struct Sent {
    pub(super) ids: BTreeSet<ObjectId>,
    pub(super) changes: Vec<Change>,
    pub(super) texts: Vec<(ObjectId, RepoPath, Vec<u8>)>,
    pub(super) committed: Vec<Committed>,
    /// New manifests per rule.
    pub(super) written: BTreeMap<RuleIndex, usize>,
    /// Removals that a person let go.
    pub(super) by_person: BTreeSet<ObjectId>,
}

/// The end of a task of the repository.
pub(super) enum GitDone {
    Fetched(Result<Option<CommitId>, RepositoryError>),
    Recalled(Result<Box<Recalled>, RepositoryError>),
    Read { to: Option<CommitId>, went_back: bool, files: Result<(Vec<ReadFile>, Vec<Allowance>), RepositoryError> },
    Committed(Result<Option<CommitId>, RepositoryError>, Sent),
    Pushed(CommitId, Result<(), PushError>, Sent),
}

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// Starts what is due, when nothing of the repository is under way.
    pub(super) fn start_git(&mut self) -> bool {
        if matches!(self.git, Git::Announcing(..)) {
            return self.push_announced();
        }
        if !self.git.is_idle() || self.awaits_state() {
            return false;
        }
        let now = self.clock.now();
        if self.next_fetch <= now && self.wants_fetch() {
            self.git = Git::Fetching;
            self.git_since = now;
            // From its beginning, so that who asks for another one meanwhile gets it.
            self.next_fetch = now + self.rules.interval;
            if self.recency == Recency::Due {
                self.recency = Recency::Asked;
            }
            let fetched = self.remote.fetch();
            self.run(Box::pin(async move { Done::Git(GitDone::Fetched(fetched.await)) }));
            return true;
        }
        if self.fenced.is_none() && self.batch_due().is_some_and(|due| due <= now) && self.may_write() {
            self.start_composing();
            return true;
        }
        false
    }

    /// Whether the remote is to be asked again, sooner or later.
    pub(super) fn wants_fetch(&self) -> bool {
        self.mode == Mode::Run || !self.head_read || self.batch.failures > 0 || self.recency != Recency::Current
    }

    pub(super) fn batch_due(&self) -> Option<Instant> {
        // A commit is planned on what was read, and one run without a later one has nothing to wait for.
        match self.mode {
            Mode::Run if self.is_surveyed => self.batch.due(&self.pacing()),
            // What both sides differ by from the start makes one commit.
            Mode::Run => self.batch.due(&self.pacing()).map(|due| due.max(self.surveyed_since + SURVEY)),
            Mode::Once if self.is_read() => self.batch.due(&Pacing::default()),
            Mode::Once | Mode::Preview => None,
        }
    }

    /// What holds back a commit that is due.
    pub(super) fn deferral(&self) -> Option<Deferral> {
        if self.mode == Mode::Run { self.batch.deferred(&self.pacing()) } else { None }
    }

    fn pacing(&self) -> Pacing {
        Pacing {
            window: self.rules.batch_window,
            max: self.rules.batch_max,
            between: self.rules.min_push_interval,
            per_hour: self.rules.commits_per_hour.map(NonZeroU32::get),
        }
    }

    /// Counts what the remote answered, and how long that took.
    fn measure(&self, done: &GitDone) {
        let took = self.clock.now().saturating_sub(self.git_since);
        let metrics = self.standings.metrics();
        match done {
            GitDone::Fetched(Ok(head)) if *head == self.head => metrics.fetch(FetchResult::Unchanged, took),
            GitDone::Fetched(Ok(_)) => metrics.fetch(FetchResult::Changed, took),
            GitDone::Fetched(Err(_)) => metrics.fetch(FetchResult::Failed, took),
            GitDone::Committed(Ok(Some(_)), _) => metrics.commit(),
            GitDone::Pushed(_, Ok(()), _) => metrics.push(PushResult::Pushed, took),
            GitDone::Pushed(_, Err(PushError::Raced), _) => metrics.push(PushResult::Raced, took),
            GitDone::Pushed(_, Err(PushError::Refused(_)), _) => metrics.push(PushResult::Refused, took),
            GitDone::Pushed(_, Err(PushError::Repository(_)), _) => metrics.push(PushResult::Failed, took),
            GitDone::Recalled(_) | GitDone::Read { .. } | GitDone::Committed(..) => {}
        }
    }

    pub(super) fn git_done(&mut self, done: GitDone) {
        self.git = Git::Idle;
        self.measure(&done);
        match done {
            GitDone::Fetched(Ok(head)) => self.fetched(head),
            GitDone::Fetched(Err(error)) => self.git_failed(&error),
            GitDone::Recalled(recalled) => self.recalled(recalled),
            GitDone::Read { files: Err(error), .. } => self.git_failed(&error),
            GitDone::Read { to, went_back, files: Ok((files, allowances)) } => {
                self.allow(allowances);
                self.take_commit(to, went_back, files);
            }
            GitDone::Committed(Ok(Some(commit)), sent) => self.announce_or_push(commit, sent),
            GitDone::Committed(Ok(None), _) => self.nothing_to_push(),
            GitDone::Committed(Err(error), sent) => self.not_pushed(&error.into(), sent),
            GitDone::Pushed(commit, Ok(()), sent) => self.pushed(commit, sent),
            GitDone::Pushed(commit, Err(error), sent) => {
                self.did_not_arrive(commit, &error);
                self.not_pushed(&error, sent);
            }
        }
    }

    pub(super) fn git_failed(&mut self, error: &RepositoryError) {
        self.fetch_failures += 1;
        if self.recency == Recency::Asked {
            self.recency = Recency::Due;
        }
        let clock = self.clock.clone();
        let pause = backoff(self.fetch_failures, |bound| clock.jitter(bound))
            .min(self.rules.interval.max(Instant::from_secs(1)));
        self.next_fetch = clock.now() + pause;
        self.standings.remote_failed(error.to_string());
    }

    fn fetched(&mut self, head: Option<CommitId>) {
        let now = self.clock.now();
        self.fetch_failures = 0;
        // While pushes fail, that is what is wrong with the remote, although it lets itself be read.
        if self.batch.failures == 0 {
            self.standings.remote_answered();
        }
        if self.recall_at(head) {
            return;
        }
        if self.head_read && head == self.head {
            self.went_back = None;
            return self.caught_up();
        }
        let went_back = head.is_some_and(|head| self.history.contains(&head));
        if let (true, Some(head)) = (went_back && self.head_read, head) {
            let since = match self.went_back {
                Some((earlier, since)) if earlier == head => since,
                _ => now,
            };
            self.went_back = Some((head, since));
            if now < since + LAG {
                return self.caught_up();
            }
        }
        // The moment from which on a change in Git is ours to carry; what it holds is told once it was read.
        let commit = head.map(|head| head.short()).unwrap_or_default();
        tracing::info!(%commit, "fetched");
        self.read(head, went_back);
    }

    pub(super) fn caught_up(&mut self) {
        if self.recency == Recency::Asked {
            self.recency = Recency::Current;
        }
    }

    /// Reads every file that differs from the head that the index shows.
    pub(super) fn read(&mut self, to: Option<CommitId>, went_back: bool) {
        self.git = Git::Reading;
        let from = if self.head_read { self.head } else { None };
        let (remote, caps, kinds) = (self.remote.clone(), self.caps(), self.kinds.clone());
        self.run(Box::pin(async move {
            let read = async {
                let files = gather(&*remote, from, to, &caps).await?;
                let allowances = match (from, to) {
                    (Some(from), Some(to)) if !went_back => allowances(&*remote, from, to, &kinds, &caps).await?,
                    _ => Vec::new(),
                };
                Ok((files, allowances))
            };
            Done::Git(GitDone::Read { to, went_back, files: read.await })
        }));
    }

    pub(super) fn caps(&self) -> Caps {
        {
            let limits = &self.rules.limits;
            Caps {
                bytes: limits.file_bytes,
                depth: limits.depth,
                nodes: limits.nodes,
                documents: limits.documents,
                ..Caps::default()
            }
        }
    }

    pub(super) fn commit(&mut self, commit: NewCommit, sent: Sent) {
        self.git = Git::Committing;
        let committed = self.remote.commit(commit);
        self.run(Box::pin(async move { Done::Git(GitDone::Committed(committed.await, sent)) }));
    }

    /// Sends a commit on its way, unless we lost the right to write while it was made. One that is on its way then is
    /// refused by the remote as soon as anybody else has pushed.
    pub(super) fn push(&mut self, commit: CommitId, sent: Sent) {
        if !self.may_write() {
            self.memory.removing = None;
            let now = self.clock.now();
            return sent.ids.into_iter().for_each(|id| self.batch.add(id, now));
        }
        self.git = Git::Pushing;
        self.git_since = self.clock.now();
        let pushed = self.remote.push(commit);
        self.run(Box::pin(async move { Done::Git(GitDone::Pushed(commit, pushed.await, sent)) }));
    }

    fn pushed(&mut self, commit: CommitId, sent: Sent) {
        let now = self.clock.now();
        self.batch.pushed(now);
        self.standings.remote_answered();
        self.memory.removing = None;
        let Sent { ids, changes, texts, committed, written, by_person } = sent;
        self.count_committed(committed);
        self.count_written(&written);
        for (id, path, text) in texts {
            self.removed.remember(&id, path, text, now);
        }
        let changed: BTreeSet<ObjectId> = changes.iter().map(|change| change.object.clone()).collect();
        for change in changes {
            if change.verb == Verb::Removed
                && let Some(rule) = &change.rule
            {
                self.count_delete(rule.index, change.side, &change.object, by_person.contains(&change.object));
                self.may_be_empty(&change.object);
            }
            self.standings.done(change.in_commit(commit));
        }
        // The others are planned as soon as the commit that changes them was read.
        ids.difference(&changed).cloned().for_each(|id| self.queue.push(id));
        self.read(Some(commit), false);
    }

    pub(super) fn nothing_to_push(&mut self) {
        if self.batch.failures > 0 {
            self.standings.remote_answered();
        }
        self.batch.settled();
    }

    /// Everything that did not arrive waits again, and is planned anew on the head that is fetched first.
    pub(super) fn not_pushed(&mut self, error: &PushError, sent: Sent) {
        let clock = self.clock.clone();
        let now = clock.now();
        let raced = matches!(error, PushError::Raced);
        let failures = self.batch.failures + 1;
        let pause = if raced && failures <= 5 {
            Instant::from_millis(clock.jitter(200) * u64::from(failures))
        } else {
            backoff(failures, |bound| clock.jitter(bound))
        };
        if raced {
            tracing::info!("the branch moved meanwhile; planning again on its new head");
        } else {
            self.standings.remote_failed(error.to_string());
        }
        self.batch.put_back(sent.ids, now, pause);
        self.next_fetch = now;
    }
}
