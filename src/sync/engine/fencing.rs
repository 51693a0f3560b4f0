//! Owns the last question before anything is written: whether we still may. Must never take the latest news for the answer:
//! a process that stood still has old news.

use crate::cluster::Cluster;
use crate::object::ObjectId;
use crate::repository::Remote;

use super::super::clock::{Clock, Instant};
use super::Engine;

pub use super::super::writer::Fence;

/// How soon it is asked again: either it holds again, or the engine is told to stand by.
const AGAIN: Instant = Instant::from_millis(500);

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// What is asked before each push, each delete and each write to the cluster from now on.
    pub fn set_fence(&mut self, fence: Fence) {
        self.fence = Some(fence);
    }

    /// Whether we may write at this very moment. Nothing is lost when not: it is asked again.
    pub(super) fn may_write(&mut self) -> bool {
        if !self.active {
            return false;
        }
        let holds = self.fence.as_ref().is_none_or(|fence| fence());
        self.fenced = if holds { None } else { Some(self.clock.now() + AGAIN) };
        holds
    }

    /// What was under way for an object stopped at the fence: it is planned again once we may.
    pub(super) fn defer(&mut self, id: ObjectId) {
        if self.may_write() {
            self.queue.push(id);
        } else {
            self.deferred.insert(id);
        }
    }

    /// Goes on with what waited, once the fence holds again.
    pub(super) fn ask_fence(&mut self) -> bool {
        let is_due = self.fenced.is_some_and(|due| due <= self.clock.now());
        if !is_due || !self.may_write() {
            return false;
        }
        let deferred = std::mem::take(&mut self.deferred);
        deferred.into_iter().for_each(|id| self.queue.push(id));
        true
    }
}
