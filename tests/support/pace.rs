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
use kubeferry::repository::{BlobId, CommitId, NewCommit, PushError, Remote, RepositoryError, Visit};
use kubeferry::sync::clock::{Clock, Instant};

use super::memory_remote::MemoryRemote;

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

/// A small generator of random numbers: the same seed gives the same run.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03)
    }

    /// A number in `0..bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap() % bound.max(1)
    }

    /// Whether something that happens once in `times` happens.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of these; `None` when there is none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let at = self.below(from.len());
        from.get(at)
    }
}

struct Turns {
    turn: u64,
    /// The most turns that half a call takes; 0: every call is answered at once.
    slowest: usize,
    dice: Dice,
    waiting: BTreeMap<u64, Vec<Waker>>,
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
        Self(Arc::new(Mutex::new(Turns { turn: 0, slowest, dice: Dice::new(seed), waiting: BTreeMap::new() })))
    }

    /// Lets one turn pass.
    pub fn turn(&self) {
        let mut turns = self.0.lock().unwrap();
        turns.turn += 1;
        let rest = {
            let turn = turns.turn;
            turns.waiting.split_off(&(turn + 1))
        };
        let due = std::mem::replace(&mut turns.waiting, rest);
        drop(turns);
        due.into_values().flatten().for_each(Waker::wake);
    }

    /// Whether no call is under way.
    pub fn is_quiet(&self) -> bool {
        self.0.lock().unwrap().waiting.is_empty()
    }

    /// A call: something happens to the world in the middle of it.
    pub fn call<T: Send + 'static>(&self, effect: impl FnOnce() -> T + Send + 'static) -> BoxFuture<'static, T> {
        let pace = self.clone();
        async move {
            pace.pause().await;
            let result = effect();
            pace.pause().await;
            result
        }
        .boxed()
    }

    async fn pause(&self) {
        let until = {
            let mut turns = self.0.lock().unwrap();
            let slowest = turns.slowest;
            turns.turn + turns.dice.below(slowest + 1) as u64
        };
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
