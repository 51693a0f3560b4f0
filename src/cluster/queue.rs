//! Owns the bounded queue between the watches and the engine. Must never hold more than its bound: who fills it waits.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};

/// A bounded first-in-first-out queue with many writers that wait for room and a reader that never waits.
pub(super) struct Queue<T> {
    items: Mutex<VecDeque<T>>,
    room: Semaphore,
    filled: Notify,
}

impl<T> Queue<T> {
    /// An empty queue for at most `bound` items.
    pub(super) fn new(bound: usize) -> Self {
        Self { items: Mutex::default(), room: Semaphore::new(bound), filled: Notify::new() }
    }

    /// Appends, waiting for room first. Cancelled before it returns, nothing was appended.
    pub(super) async fn push(&self, item: T) {
        // Never closed, so this is never an error.
        if let Ok(permit) = self.room.acquire().await {
            permit.forget();
        }
        self.items().push_back(item);
        self.filled.notify_waiters();
    }

    /// Up to `limit` items, oldest first. Never waits.
    pub(super) fn take(&self, limit: usize) -> Vec<T> {
        let taken: Vec<T> = {
            let mut items = self.items();
            let count = limit.min(items.len());
            items.drain(..count).collect()
        };
        self.room.add_permits(taken.len());
        taken
    }

    /// Resolves when there is something to take. Cancel-safe; several may wait.
    pub(super) async fn filled(&self) {
        loop {
            let filled = self.filled.notified();
            let mut filled = std::pin::pin!(filled);
            // From here on no push goes unnoticed.
            filled.as_mut().enable();
            if !self.items().is_empty() {
                return;
            }
            filled.await;
        }
    }

    fn items(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::sync::Arc;

    #[tokio::test]
    async fn items_come_out_in_order_and_no_more_than_asked_for() {
        let queue = Queue::new(8);
        for item in 0..5 {
            queue.push(item).await;
        }
        assert_eq!(queue.take(2), [0, 1]);
        assert_eq!(queue.take(9), [2, 3, 4]);
        assert!(queue.take(1).is_empty());
    }

    #[tokio::test]
    async fn who_fills_it_waits_for_room() {
        let queue = Queue::new(2);
        queue.push(1).await;
        queue.push(2).await;
        let mut third = std::pin::pin!(queue.push(3));
        assert!(third.as_mut().now_or_never().is_none());
        assert_eq!(queue.take(1), [1]);
        third.await;
        assert_eq!(queue.take(9), [2, 3]);
    }

    #[tokio::test]
    async fn a_cancelled_push_appends_nothing_and_takes_no_room() {
        let queue = Queue::new(1);
        queue.push(1).await;
        assert!(queue.push(2).now_or_never().is_none());
        assert_eq!(queue.take(9), [1]);
        queue.push(3).await;
        assert_eq!(queue.take(9), [3]);
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken_and_may_give_up() {
        let queue = Arc::new(Queue::new(1));
        assert!(queue.filled().now_or_never().is_none());
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { queue.filled().await }
        });
        tokio::task::yield_now().await;
        queue.push(1).await;
        waiting.await.unwrap();
        assert!(queue.filled().now_or_never().is_some(), "still there, nobody took it");
    }
}
