//! Owns the progress of long work: a bar on a terminal, a log line now and then elsewhere. Must never be needed for the
//! work to go on.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Elsewhere than on a terminal a line is logged at each of these parts of the whole.
const LINES: u64 = 5;
/// Work on fewer things than this is over before anybody wonders.
const WORTH_SHOWING: u64 = 100;

/// Where progress is shown. Cloning is cheap and gives the same place.
#[derive(Clone)]
pub struct Progress(Option<MultiProgress>);

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Progress({})", if self.0.is_some() { "bar" } else { "lines" })
    }
}

impl Progress {
    /// Bars on standard error when `terminal` is true, log lines otherwise.
    pub fn new(terminal: bool) -> Self {
        Self(terminal.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr())))
    }

    /// Begins work on `total` things; `what` reads like `applying`.
    pub fn begin(&self, what: &'static str, total: u64) -> Work {
        let bar = self.0.as_ref().filter(|_| total >= WORTH_SHOWING).map(|bars| {
            let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {eta}");
            let bar = bars.add(ProgressBar::new(total));
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_message(what);
            bar
        });
        let inner = Inner { what, total, bar, done: AtomicU64::new(0), told: Mutex::new(0), lines: self.0.is_none() };
        Work(Arc::new(inner))
    }

    /// Runs `write` with bars out of the way.
    pub fn suspended<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }
}

struct Inner {
    what: &'static str,
    total: u64,
    bar: Option<ProgressBar>,
    done: AtomicU64,
    told: Mutex<u64>,
    lines: bool,
}

impl Inner {
    /// Whether `done` has entered a part of the whole that was not told of yet.
    fn is_due(&self, done: u64) -> bool {
        let part = done.saturating_mul(LINES).checked_div(self.total).unwrap_or(0);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let due = part > *told;
        *told = part.max(*told);
        due
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Work that is going on; it ends when the last clone is dropped.
#[derive(Clone)]
pub struct Work(Arc<Inner>);

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.0.what, self.0.done.load(Ordering::Relaxed), self.0.total)
    }
}

impl Work {
    /// Says that `count` more things are done.
    pub fn advance(&self, count: u64) {
        let work = &self.0;
        let done = work.done.fetch_add(count, Ordering::Relaxed) + count;
        if let Some(bar) = &work.bar {
            bar.set_position(done);
        } else if work.lines && work.total >= WORTH_SHOWING && work.is_due(done) {
            tracing::info!(done, total = work.total, "{}", work.what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_due_at_each_part_once() {
        let work = Progress::new(false).begin("applying", 1000);
        let due: Vec<_> = (1..=1000).filter(|done| work.0.is_due(*done)).collect();
        assert_eq!(due, [200, 400, 600, 800, 1000]);
        assert!(!work.0.is_due(1000));
    }

    #[test]
    fn small_work_shows_no_bar_and_nothing_panics_at_nothing() {
        let work = Progress::new(true).begin("applying", 0);
        work.advance(1);
        assert!(work.0.bar.is_none());
        assert_eq!(format!("{work:?}"), "applying 1/0");
        assert_eq!(Progress::new(false).suspended(|| 7), 7);
    }
}
