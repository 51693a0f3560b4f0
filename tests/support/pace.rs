//! Time and slowness that a test owns: a clock that only a test moves, and calls that take as many turns as it says.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, pending};
use kubeferry::object::RepoPath;
use kubeferry::repository::{BlobId, CommitId, LoggedCommit, NewCommit, PushError, Remote, RepositoryError, Visit};
use kubeferry::sync::clock::{Clock, Instant};

use super::memory_remote::MemoryRemote;

#[path = "dice.rs"]
mod dice;
pub use dice::Dice;

/// A clock that stands until a test moves it. Cloning gives the same clock.
#[derive(Clone, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// Moves it to `instant`, never back.
    pub fn set(&self, instant: Instant) {
        self.0.fetch_max(u64::try_from(instant.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }

    /// The day begins with the clock.
    fn wall(&self) -> jiff::Timestamp {
        let start = jiff::Timestamp::from_second(1_800_000_000).unwrap();
        start.checked_add(jiff::SignedDuration::try_from(self.now()).unwrap()).unwrap()
    }

    fn sleep_until(&self, _instant: Instant) -> BoxFuture<'static, ()> {
        pending().boxed()
    }

    fn jitter(&self, bound: u64) -> u64 {
        bound / 2
    }
}

struct Turns {
    turn: u64,
    /// The most turns that half a call takes; 0: every call is answered at once.
    slowest: usize,
    dice: Dice,
    waiting: BTreeMap<u64, Vec<Waker>>,
    /// Calls that were sent and have not arrived: they do, whatever becomes of who sent them.
    sent: BTreeMap<(u64, u64), Box<dyn FnOnce() + Send>>,
    count: u64,
}

/// What becomes of a call that was sent by a process that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives in its time.
    Arrives,
    /// It never arrives.
    Lost,
    /// It arrives so many turns later.
    Late(u64),
}

/// How slow calls are. Cloning gives the same pace.
#[derive(Clone)]
pub struct Pace(Arc<Mutex<Turns>>);

impl Pace {
    /// Every call is answered at once.
    pub fn instant() -> Self {
        Self::random(0, 0)
    }

    /// Every call waits up to `slowest` turns before its effect and as many after it.
    pub fn random(seed: u64, slowest: usize) -> Self {
        Self(Arc::new(Mutex::new(Turns {
            turn: 0,
            slowest,
            dice: Dice::new(seed),
            waiting: BTreeMap::new(),
            sent: BTreeMap::new(),
            count: 0,
        })))
    }

    /// From now on calls wait up to `slowest` turns on each way.
    pub fn set(&self, seed: u64, slowest: usize) {
        let mut turns = self.0.lock().unwrap();
        turns.dice = Dice::new(seed);
        turns.slowest = slowest;
    }

    /// Lets one turn pass.
    pub fn turn(&self) {
        let mut turns = self.0.lock().unwrap();
        turns.turn += 1;
        let now = turns.turn;
        let rest = turns.sent.split_off(&(now + 1, 0));
        let arriving = std::mem::replace(&mut turns.sent, rest);
        let rest = turns.waiting.split_off(&(now + 1));
        let due = std::mem::replace(&mut turns.waiting, rest);
        drop(turns);
        arriving.into_values().for_each(|call| call());
        due.into_values().flatten().for_each(Waker::wake);
    }

    /// The process that sent what is under way ends.
    pub fn cut(&self, mut fate: impl FnMut() -> Fate) {
        let mut turns = self.0.lock().unwrap();
        for ((at, number), call) in std::mem::take(&mut turns.sent) {
            match fate() {
                Fate::Arrives => drop(turns.sent.insert((at, number), call)),
                Fate::Late(later) => drop(turns.sent.insert((at + later, number), call)),
                Fate::Lost => {}
            }
        }
    }

    /// Whether no call is under way.
    pub fn is_quiet(&self) -> bool {
        let turns = self.0.lock().unwrap();
        turns.waiting.is_empty() && turns.sent.is_empty()
    }

    /// A call: something happens to the world in the middle of it.
    pub fn call<T: Send + 'static>(&self, effect: impl FnOnce() -> T + Send + 'static) -> BoxFuture<'static, T> {
        let pace = self.clone();
        async move {
            let answer = Arc::new(Mutex::new(None));
            let (until, arrived) = (pace.until(), answer.clone());
            let effect = move || *arrived.lock().unwrap() = Some(effect());
            pace.send(until, effect);
            pace.pause(until).await;
            let back = pace.until();
            pace.pause(back).await;
            answer.lock().unwrap().take().expect("it has arrived")
        }
        .boxed()
    }

    /// The turn in which half a call that begins now ends.
    fn until(&self) -> u64 {
        let mut turns = self.0.lock().unwrap();
        let slowest = turns.slowest;
        turns.turn + turns.dice.below(slowest + 1) as u64
    }

    fn send(&self, until: u64, effect: impl FnOnce() + Send + 'static) {
        let mut turns = self.0.lock().unwrap();
        if until <= turns.turn {
            drop(turns);
            return effect();
        }
        turns.count += 1;
        let number = turns.count;
        turns.sent.insert((until, number), Box::new(effect));
    }

    async fn pause(&self, until: u64) {
        poll_fn(|context| {
            let mut turns = self.0.lock().unwrap();
            if turns.turn >= until {
                return Poll::Ready(());
            }
            turns.waiting.entry(until).or_default().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// A branch in memory whose calls take their time.
#[derive(Clone)]
pub struct PacedRemote {
    pub inner: MemoryRemote,
    pub pace: Pace,
}

/// The answer of a call that is answered at once.
fn now<T>(call: BoxFuture<'static, T>) -> T {
    call.now_or_never().expect("the branch in memory answers at once")
}

impl Remote for PacedRemote {
    fn fetch(&self) -> BoxFuture<'static, Result<Option<CommitId>, RepositoryError>> {
        let inner = self.inner.clone();
        self.pace.call(move || now(inner.fetch()))
    }

    fn changes(
        &self,
        from: Option<CommitId>,
        to: Option<CommitId>,
        visit: Visit,
    ) -> BoxFuture<'static, Result<(), RepositoryError>> {
        let inner = self.inner.clone();
        self.pace.call(move || now(inner.changes(from, to, visit)))
    }

    fn read(&self, blobs: Vec<BlobId>) -> BoxFuture<'static, Result<Vec<Vec<u8>>, RepositoryError>> {
        let inner = self.inner.clone();
        self.pace.call(move || now(inner.read(blobs)))
    }

    fn store(&self, contents: Vec<Vec<u8>>) -> BoxFuture<'static, Result<Vec<BlobId>, RepositoryError>> {
        let inner = self.inner.clone();
        self.pace.call(move || now(inner.store(contents)))
    }

    fn commit(&self, commit: NewCommit) -> BoxFuture<'static, Result<Option<CommitId>, RepositoryError>> {
        let inner = self.inner.clone();
        self.pace.call(move || now(inner.commit(commit)))
    }

    fn source(&self) -> Option<String> {
        self.inner.source()
    }

    fn obtain(&self, commits: Vec<CommitId>) -> BoxFuture<'static, Result<Vec<bool>, RepositoryError>> {
        let inner = self.inner.clone();
        self.pace.call(move || now(inner.obtain(commits)))
    }

    fn is_before(&self, earlier: CommitId, later: CommitId) -> BoxFuture<'static, Result<bool, RepositoryError>> {
        self.inner.is_before(earlier, later)
    }

    fn log(&self, from: CommitId, to: CommitId) -> BoxFuture<'static, Result<Vec<LoggedCommit>, RepositoryError>> {
        self.inner.log(from, to)
    }

    fn blobs(
        &self,
        commit: CommitId,
        paths: Vec<RepoPath>,
    ) -> BoxFuture<'static, Result<Vec<Option<BlobId>>, RepositoryError>> {
        self.inner.blobs(commit, paths)
    }

    fn push(&self, commit: CommitId) -> BoxFuture<'static, Result<(), PushError>> {
        let inner = self.inner.clone();
        self.pace.call(move || now(inner.push(commit)))
    }
}
