//! Owns how long to wait before trying again. Must never wait itself.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Delays that double from `first` to `longest`, each shortened at random to between a half and the whole.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Starts at `first`.
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// The delay to wait now.
    pub(super) fn next(&mut self) -> Duration {
        let delay = self.next;
        self.next = (delay * 2).min(self.longest);
        between(delay / 2, delay)
    }

    /// Back to the first delay: it worked.
    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }
}

/// A duration between the two, evenly at random.
pub(super) fn between(least: Duration, most: Duration) -> Duration {
    least + most.saturating_sub(least).mul_f64(random() as f64 / u64::MAX as f64)
}

/// A random number; good enough for jitter and for names that must not collide.
pub(super) fn random() -> u64 {
    // The standard library seeds each of these differently.
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_the_longest_and_start_over() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut backoff = Backoff::new(first, longest);
        for whole in [100, 200, 400, 800, 1_000, 1_000].map(Duration::from_millis) {
            let delay = backoff.next();
            assert!(whole / 2 <= delay && delay <= whole, "{delay:?} of {whole:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= first);
    }

    #[test]
    fn random_numbers_differ() {
        assert_ne!(random(), random());
    }
}
