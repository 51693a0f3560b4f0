//! Owns what lists show of objects that are to be read: for a pass of planning, and for a commit. Must never take what a
//! list shows for the latest once an event has shown something newer.

use serde_json::Value;

use crate::cluster::{Cluster, ClusterError, Listed, Page};
use crate::object::{GroupKind, ObjectId};
use crate::repository::Remote;

use super::super::clock::Clock;
use super::git_side::Git;
use super::{Done, Engine, IN_FLIGHT};

/// What a page is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    Planning,
    Commit,
}

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// Queues objects that something touched. Those that have to be asked for, and are many, are listed.
    pub(super) fn push_all(&mut self, ids: impl IntoIterator<Item = ObjectId>) {
        let (live, others): (Vec<ObjectId>, Vec<ObjectId>) =
            ids.into_iter().partition(|id| self.live.get(id).is_some() && !self.queue.contains(id));
        let few = self.paging.take(live, |kind| self.live.count(kind));
        self.queue.extend(others.into_iter().chain(few));
    }

    /// Starts what pages show, as far as the number of objects in flight allows, and asks for the next one.
    pub(super) fn start_shown(&mut self) -> bool {
        let mut worked = false;
        while self.takes_events()
            && let Some((id, object)) = self.paging.pop()
        {
            worked = true;
            match self.is_overtaken(&id, &object) {
                true => self.queue.push(id),
                false => self.start(id, Some(object), false),
            }
        }
        if let Some((kind, page)) = self.paging.ask() {
            self.ask_page(For::Planning, kind, page);
            worked = true;
        }
        worked
    }

    /// The same for the commit that is composed.
    pub(super) fn compose_shown(&mut self) {
        loop {
            let Git::Composing(composer) = &mut self.git else { return };
            let page = composer.paging.ask();
            let shown = if composer.reading.len() < IN_FLIGHT { composer.paging.pop() } else { None };
            if let Some((kind, page)) = page {
                self.ask_page(For::Commit, kind, page);
            }
            let Some((id, object)) = shown else { return };
            let object = if self.is_overtaken(&id, &object) { None } else { Some(object) };
            self.read_for_commit(id, object);
        }
    }

    fn ask_page(&mut self, purpose: For, kind: GroupKind, page: Page) {
        let listed = self.cluster.list(&kind, None, page);
        self.run(Box::pin(async move { Done::Paged(purpose, kind, listed.await) }));
    }

    /// A page was read. Asked for by itself, an object that none shows also tells why a list failed.
    pub(super) fn paged(&mut self, purpose: For, kind: &GroupKind, listed: Result<Listed, ClusterError>) {
        let listed = listed.unwrap_or_default();
        match purpose {
            For::Planning => {
                let left = self.paging.read(kind, listed);
                self.queue.extend(left);
            }
            For::Commit => {
                if let Git::Composing(composer) = &mut self.git {
                    let left = composer.paging.read(kind, listed);
                    composer.waiting.extend(left);
                }
                self.continue_composing();
            }
        }
    }

    /// Whether an event has shown the object as it was later than in a list.
    fn is_overtaken(&self, id: &ObjectId, object: &Value) -> bool {
        let version = object.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
        self.live.is_older(id, version)
    }
}
