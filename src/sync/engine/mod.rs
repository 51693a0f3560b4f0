//! Owns the loop that carries plans out. It sees the cluster, the repository and the clock only through [`Cluster`],
//! [`Remote`] and [`Clock`], and advances by [`Engine::step`] alone, so that a test can drive it without any of them.
//! Must never hold an object longer than its planning pass takes.

mod acting;
mod approving;
mod around;
mod cluster_side;
mod compose;
mod disputes;
mod drafts;
mod earlier;
mod emptying;
mod fencing;
mod fighting;
mod git_side;
mod glancing;
mod judging;
mod objects;
mod ordering;
mod paging;
mod placing;
mod preview;
mod progress;
mod putting;
mod readers;
mod reading;
mod recalling;
mod refusing;
mod reloading;
mod remembering;
mod removing;
mod standing;
mod tasks;
mod waiting;
mod withholding;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::manifest::Index;
use crate::object::digest::Digest;
use crate::object::{Kinds, ObjectId, RepoPath};
use crate::report::Reporter;
use crate::repository::{BlobId, CommitId, Remote};
use crate::rules::Rules;

use super::autoscalers::Autoscalers;
use super::base::Bases;
use super::batch::Batch;
use super::clock::{Clock, Instant};
use super::deletes::Deletes;
use super::fights::Fights;
use super::live::LiveTable;
use super::order::Order;
use super::paging::Paging;
use super::pasts::Pasts;
use super::plan::RuleIndex;
use super::planner::Identity;
use super::queue::Queue;
use super::removed::Removed;
use super::targets::Claims;
use super::waits::Waits;

pub use disputes::with_releases;
pub use fencing::Fence;
pub use preview::Preview;
pub use progress::{KindProgress, Progress};
pub(super) use reading::gather_index;
pub use standing::Standings;

use tasks::{Done, has_threads};

/// How many objects are read or written at the same time: enough that the API server always has as many requests as it
/// gets at once, while others are read from Git and planned.
const IN_FLIGHT: usize = 48;

/// What the engine is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Keep both sides in sync until stopped.
    Run,
    /// Bring both sides in sync once: nothing waits for a quiet moment.
    Once,
    /// Say what would be done and do nothing.
    Preview,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something was done; another step may do more.
    Worked,
    /// Nothing to do before `until` (for ever when `None`) unless a task ends or an event comes.
    Idle {
        /// When a timer fires.
        until: Option<Instant>,
    },
}

/// Both reconcile loops.
pub struct Engine<C, R, K> {
    cluster: Arc<C>,
    remote: Arc<R>,
    clock: Arc<K>,
    identity: Arc<Identity>,
    manager: String,
    mode: Mode,
    rules: Arc<Rules>,
    kinds: Arc<Kinds>,
    /// Whether we may write: false while another instance holds the Lease.
    active: bool,
    /// Asked at the moment of writing whether that is still so.
    fence: Option<Fence>,
    /// When it is asked again, after it said no.
    fenced: Option<Instant>,

    index: Index,
    blobs: BTreeMap<RepoPath, BlobId>,
    live: LiveTable,
    bases: Bases,
    pasts: Pasts,
    queue: Queue,
    paging: Paging,
    fights: Fights,
    autoscalers: Autoscalers,
    /// Changes that the API server refuses for good.
    refused: HashMap<ObjectId, refusing::Refused>,
    schemas: glancing::Schemas,
    order: Order,
    waits: Waits,
    /// When a run that ends no longer waits for objects to become ready, and whether that was so.
    patience: Option<Instant>,
    gave_up: bool,
    /// Objects that are being read or written, and whether something happened to them meanwhile.
    flights: HashMap<ObjectId, bool>,
    /// Digest of what was last applied, until its effect was planned: applied twice in a row it does not settle.
    applied: HashMap<ObjectId, Digest>,
    /// Objects whose turn came while their kind was not listed: the end of the list, which may show them as they were,
    /// queues them again.
    unlisted: BTreeSet<ObjectId>,
    /// Objects that could not be created for want of their Namespace.
    homeless: BTreeSet<ObjectId>,
    /// Deletes that wait until everything is planned, so that a set is judged as a whole.
    doomed: BTreeMap<ObjectId, (RuleIndex, String)>,
    deletes: Deletes,
    let_go: approving::LetGo,
    /// Deletes under way that a person let go.
    by_person: BTreeSet<ObjectId>,
    /// Namespaces and definitions that are to be empty before they go.
    emptying: BTreeMap<ObjectId, emptying::Emptying>,
    /// Objects that are deleted once both sides were read whole.
    awaiting_reads: BTreeSet<ObjectId>,
    /// Manifests that are kept because of what their objects went with, and the rule that would remove them.
    withheld: BTreeMap<ObjectId, (ObjectId, RuleIndex)>,
    /// In a [`Mode::Preview`]: what would be deleted, and what would be removed by which rule.
    doomed_texts: BTreeMap<ObjectId, Value>,
    previewed_removals: BTreeMap<RuleIndex, BTreeMap<ObjectId, Preview>>,
    /// Objects whose plans wait until we may write.
    deferred: BTreeSet<ObjectId>,

    git: git_side::Git,
    /// When the remote was last asked for something.
    git_since: Instant,
    head: Option<CommitId>,
    head_read: bool,
    recency: git_side::Recency,
    /// Earlier heads, by which a branch that went back is told.
    history: VecDeque<CommitId>,
    went_back: Option<(CommitId, Instant)>,
    /// Objects that vanished in a commit that also made a file unreadable.
    suspects: BTreeMap<ObjectId, RepoPath>,
    /// Files that hold something unreadable which does not show what it is.
    unreadable: BTreeSet<RepoPath>,
    /// Objects whose manifests could not be read or told: the next commit may show them.
    hidden_ids: BTreeSet<ObjectId>,
    /// Which objects are written to which other files.
    claims: Claims,
    next_fetch: Instant,
    fetch_failures: u32,
    batch: Batch,
    /// Whether everything was compared once since both sides began to be read, and when they began to be.
    is_surveyed: bool,
    surveyed_since: Instant,
    removed: Removed,
    memory: remembering::Memory,

    planned: u64,
    standings: Standings,
    previews: Vec<Preview>,
    tasks: FuturesUnordered<BoxFuture<'static, Done>>,
}

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// An engine that has read nothing yet. `active`: whether it may write from the start.
    pub fn new(
        (cluster, remote, clock): (Arc<C>, Arc<R>, Arc<K>),
        identity: Identity,
        rules: Arc<Rules>,
        mode: Mode,
        active: bool,
        reporter: Reporter,
    ) -> Self {
        let kinds = cluster.kinds();
        let mut index = Index::default();
        index.set_kinds(&kinds);
        let mut engine = Self {
            manager: identity.manager(),
            identity: Arc::new(identity),
            next_fetch: clock.now(),
            surveyed_since: clock.now(),
            cluster,
            remote,
            clock,
            mode,
            rules,
            kinds,
            active,
            fence: None,
            fenced: None,
            index,
            blobs: BTreeMap::new(),
            live: LiveTable::default(),
            bases: Bases::default(),
            pasts: Pasts::default(),
            queue: Queue::default(),
            paging: Paging::default(),
            fights: Fights::default(),
            autoscalers: Autoscalers::default(),
            refused: HashMap::new(),
            schemas: Default::default(),
            order: Order::default(),
            waits: Waits::default(),
            patience: None,
            gave_up: false,
            flights: HashMap::new(),
            applied: HashMap::new(),
            unlisted: BTreeSet::new(),
            homeless: BTreeSet::new(),
            doomed: BTreeMap::new(),
            deletes: Deletes::default(),
            let_go: Default::default(),
            by_person: BTreeSet::new(),
            emptying: BTreeMap::new(),
            awaiting_reads: BTreeSet::new(),
            withheld: BTreeMap::new(),
            doomed_texts: BTreeMap::new(),
            previewed_removals: BTreeMap::new(),
            deferred: BTreeSet::new(),
            git: git_side::Git::Idle,
            git_since: Instant::ZERO,
            head: None,
            head_read: false,
            recency: git_side::Recency::Current,
            history: VecDeque::new(),
            went_back: None,
            suspects: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            hidden_ids: BTreeSet::new(),
            claims: Claims::default(),
            fetch_failures: 0,
            batch: Batch::default(),
            is_surveyed: false,
            removed: Removed::default(),
            memory: remembering::Memory::default(),
            planned: 0,
            standings: Standings::new(reporter),
            previews: Vec::new(),
            tasks: FuturesUnordered::new(),
        };
        engine.set_patch_paths();
        engine.watch();
        if active || mode == Mode::Preview {
            engine.recall();
        }
        engine
    }

    /// Advances by what can be done without waiting.
    pub fn step(&mut self) -> Step {
        let mut worked = false;
        while let Some(Some(done)) = self.tasks.next().now_or_never() {
            self.done(done);
            worked = true;
        }
        worked |= self.ask_fence();
        worked |= self.take_events();
        worked |= self.start_objects();
        worked |= self.start_shown();
        self.is_surveyed |= self.is_read();
        worked |= self.judge_deletes();
        worked |= self.start_recall();
        worked |= self.start_git();
        worked |= self.remember();
        worked |= self.give_up_waiting();
        if worked { Step::Worked } else { Step::Idle { until: self.deadline() } }
    }

    /// Waits until a step has something to do, or until `until`.
    pub async fn wait(&mut self, until: Option<Instant>) {
        let timer = match until {
            Some(instant) => self.clock.sleep_until(instant),
            None => futures::future::pending().boxed(),
        };
        let takes_events = self.takes_events();
        let changed = if takes_events { self.cluster.changed() } else { futures::future::pending().boxed() };
        let ended = async {
            match self.tasks.next().await {
                Some(done) => done,
                None => futures::future::pending().await,
            }
        };
        let done = futures::select_biased! {
            done = Box::pin(ended).fuse() => Some(done),
            () = changed.fuse() => None,
            () = timer.fuse() => None,
        };
        if let Some(done) = done {
            self.done(done);
        }
    }

    /// Asks the remote at the next step, whatever the interval says.
    pub fn poke(&mut self) {
        self.next_fetch = self.clock.now();
    }

    /// Whether both sides were read whole and every action was tried.
    pub fn is_settled(&self) -> bool {
        self.is_done() && self.is_remembered() && !self.is_waiting()
    }

    fn is_done(&self) -> bool {
        let is_judged = self.doomed.is_empty() && self.withheld.is_empty() && self.previewed_removals.is_empty();
        self.is_read() && self.batch.is_empty() && self.git.is_idle() && is_judged
    }

    /// What the run of a [`Mode::Preview`] engine found, in the order of identities.
    pub fn take_previews(&mut self) -> Vec<Preview> {
        let mut previews = std::mem::take(&mut self.previews);
        previews.sort_by(|a, b| a.id.cmp(&b.id));
        previews
    }

    fn is_read(&self) -> bool {
        self.head_read
            && !self.live.is_listing()
            && self.queue.is_empty()
            && self.flights.is_empty()
            && self.order.is_empty()
            && self.paging.is_empty()
    }

    fn deadline(&self) -> Option<Instant> {
        let may_write = self.active && self.fenced.is_none();
        let is_free = self.git.is_idle() && !self.awaits_state();
        let batch = if is_free && may_write { self.batch_due() } else { None };
        let fetch = (is_free && self.wants_fetch()).then_some(self.next_fetch);
        // A timer that is due while everything is in flight waits for the end of a task, not for itself.
        let queue = if self.takes_events() { self.queue.next_timer() } else { None };
        let remember = if may_write { self.remember_due() } else { None };
        let others = [self.wait_limit(), self.recall_due(), remember, self.fenced];
        [batch, fetch, queue].into_iter().chain(others).flatten().min()
    }
}
