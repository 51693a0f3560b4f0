//! Owns time as the engine sees it. Must never be read by the planner.

use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;

/// An instant: time since the clock was made.
pub type Instant = Duration;

/// Where the engine gets the time from, so that a test can own it.
pub trait Clock: Send + Sync + 'static {
    /// Now; never goes back.
    fn now(&self) -> Instant;

    /// The time of day, for what outlives the process. May be set back.
    fn wall(&self) -> Timestamp;

    /// Resolves at `instant` or at once when it has passed.
    fn sleep_until(&self, instant: Instant) -> BoxFuture<'static, ()>;

    /// A number in `0..bound` that spreads retries; `bound` is never 0.
    fn jitter(&self, bound: u64) -> u64;
}

/// The clock of this machine.
#[derive(Debug)]
pub struct SystemClock {
    start: tokio::time::Instant,
}

impl SystemClock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { start: tokio::time::Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        self.start.elapsed()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep_until(&self, instant: Instant) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep_until(self.start + instant))
    }

    fn jitter(&self, bound: u64) -> u64 {
        // The low digits of the clock are random enough to keep two instances apart.
        u64::from(self.now().subsec_nanos()) % bound.max(1)
    }
}
