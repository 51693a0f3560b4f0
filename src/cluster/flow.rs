//! Owns how many requests about objects are under way at the same time: as many as the API server takes. Must never let a
//! server that says "too many" hear more of them at once than before.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The most at the same time.
pub(super) const MOST: usize = 32;

/// Answers of one burst say "too many" once.
const BURST: Duration = Duration::from_secs(1);

/// Turns of requests. Cloning is cheap and gives the same turns.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    permits: Arc<Semaphore>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    /// Permits that are in use and are not given back.
    surplus: usize,
    /// Answers since the limit last changed.
    answers: usize,
    lowered: Option<Instant>,
}

/// The right to have one request under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    flow: Flow,
    permit: Option<OwnedSemaphorePermit>,
}

impl Default for Flow {
    fn default() -> Self {
        let state = State { limit: MOST, surplus: 0, answers: 0, lowered: None };
        Self { permits: Arc::new(Semaphore::new(MOST)), state: Arc::new(Mutex::new(state)) }
    }
}

impl Flow {
    /// Waits for a turn.
    pub async fn turn(&self) -> Turn {
        // The semaphore is never closed, so a permit always comes.
        Turn { flow: self.clone(), permit: self.permits.clone().acquire_owned().await.ok() }
    }

    /// The server said "too many": half of them is enough.
    pub fn busy(&self) {
        let mut state = self.state();
        let now = Instant::now();
        state.answers = 0;
        if state.lowered.is_some_and(|lowered| now < lowered + BURST) || state.limit == 1 {
            return;
        }
        let less = state.limit - state.limit / 2;
        state.lowered = Some(now);
        state.limit -= less;
        state.surplus += less - self.permits.forget_permits(less);
        tracing::debug!(limit = state.limit, "the API server is busy: fewer requests at a time");
    }

    /// The server answered: after as many answers as there are turns it gets one more at a time.
    pub fn answered(&self) {
        let mut state = self.state();
        if state.limit == MOST {
            return;
        }
        state.answers += 1;
        if state.answers < state.limit {
            return;
        }
        state.answers = 0;
        state.limit += 1;
        match state.surplus {
            0 => self.permits.add_permits(1),
            _ => state.surplus -= 1,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.flow.state();
        if state.surplus > 0
            && let Some(permit) = self.permit.take()
        {
            state.surplus -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Flow {
        fn free(&self) -> usize {
            self.permits.available_permits()
        }

        async fn all_turns(&self) -> Vec<Turn> {
            let mut turns = Vec::new();
            while turns.len() < MOST {
                turns.push(self.turn().await);
            }
            turns
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_server_gets_half_as_many_and_then_slowly_more() {
        let flow = Flow::default();
        let mut turns = flow.all_turns().await;
        // The answers of one burst count once.
        (0..MOST).for_each(|_| flow.busy());
        turns.truncate(16);
        assert_eq!(flow.free(), 0, "16 are under way, and that is enough");
        turns.clear();
        assert_eq!(flow.free(), 16);
        for _ in 0..16 {
            flow.answered();
        }
        assert_eq!(flow.free(), 17);
        for expected in [8, 4, 2, 1, 1] {
            tokio::time::advance(BURST).await;
            flow.busy();
            assert_eq!(flow.free(), expected);
        }
        (0..10_000).for_each(|_| flow.answered());
        assert_eq!(flow.free(), MOST, "and no more than at first");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_taken_back_while_in_use_is_given_again_first() {
        let flow = Flow::default();
        let mut turns = flow.all_turns().await;
        flow.busy();
        (0..10_000).for_each(|_| flow.answered());
        turns.clear();
        assert_eq!(flow.free(), MOST);
    }
}
