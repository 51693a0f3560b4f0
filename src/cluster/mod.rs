//! The API server: discovery, watches, live state, apply, delete.
//!
//! The engine sees it through [`Cluster`] only; [`ApiServer`] is the real one.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;

use crate::object::schema::Schema;
use crate::object::{ApiVersion, GroupKind, Kinds, ObjectId};

mod address;
mod backoff;
mod calls;
mod client;
mod configmap;
mod definition;
mod discovery;
mod error;
mod events;
mod flow;
mod lease;
mod listing;
mod queue;
mod refresh;
mod request;
mod schemas;
mod server;
mod state;
mod stream;
#[cfg(test)]
mod stub;
mod watch;

pub use calls::FieldManager;
pub use client::{ClusterOptions, Connection};
pub use configmap::{ConfigMapText, ConfigMapWatch};
pub use error::{ClusterError, FieldConflict};
pub use events::{Event, EventLevel, Events};
pub use lease::{Hold, Leadership, Lease, LeaseName};
pub use listing::{Listed, Page};
pub use server::ApiServer;
pub use state::{StateMap, StateText};

/// Something that happened in the cluster, in the order in which the watch of its kind told it.
#[derive(Debug)]
pub enum ClusterEvent {
    /// Discovery was refreshed.
    Kinds(Arc<Kinds>),
    /// A list of this kind begins: what it does not show before [`ClusterEvent::Synced`] has gone.
    Listing(GroupKind),
    /// An object as it is now, whole, in the kind's watched version. Only passed through, never kept.
    Seen(Box<Value>),
    /// An object has gone; the last state the server sent.
    Gone(Box<Value>),
    /// The list of this kind was read to its end; from here on events follow.
    Synced(GroupKind),
    /// The kind cannot be listed or watched (forbidden, gone). Tried again by itself.
    Unwatched(GroupKind, String),
    /// The state of the instance as it now is; `None`: it does not exist. Told once [`Cluster::follow_state`] was called.
    State(Option<StateText>),
}

/// What to delete, exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteRequest {
    /// The object.
    pub id: ObjectId,
    /// The UID it must still have.
    pub uid: String,
    /// The resourceVersion it must still have.
    pub resource_version: String,
}

/// One API server, as the engine sees it. Every call has a timeout and honours 429 with Retry-After.
pub trait Cluster: Send + Sync + 'static {
    /// The kinds as of the latest discovery.
    fn kinds(&self) -> Arc<Kinds>;

    /// Watches exactly these kinds from now on (unknown ones are ignored until discovery knows them). Namespaces and
    /// CustomResourceDefinitions are always watched in addition.
    fn watch(&self, kinds: Vec<GroupKind>);

    /// Up to `limit` events that wait, oldest first. Never blocks. The queue behind it is bounded and pushes back on the watches.
    fn events(&self, limit: usize) -> Vec<ClusterEvent>;

    /// Resolves when [`Cluster::events`] has something to give.
    fn changed(&self) -> BoxFuture<'static, ()>;

    /// Schema of one group-version, cached by the server's hash.
    fn schema(&self, api_version: &ApiVersion) -> BoxFuture<'static, Result<Schema, ClusterError>>;

    /// The live object in `version` (preferred one when `None`); `Ok(None)` when the server answers 404.
    fn get(&self, id: &ObjectId, version: Option<&str>) -> BoxFuture<'static, Result<Option<Value>, ClusterError>>;

    /// One page of the objects of a kind, over all namespaces or in one.
    fn list(
        &self,
        kind: &GroupKind,
        namespace: Option<&str>,
        page: Page,
    ) -> BoxFuture<'static, Result<Listed, ClusterError>>;

    /// Server-side apply with our field manager of an object that names its apiVersion. With `force`, fields of others are taken over.
    /// Returns the live object. `dry_run`: nothing is stored.
    fn apply(
        &self,
        id: &ObjectId,
        object: Value,
        force: bool,
        dry_run: bool,
    ) -> BoxFuture<'static, Result<Value, ClusterError>>;

    /// JSON patch (RFC 6902) in `version`. Returns the live object.
    fn patch(
        &self,
        id: &ObjectId,
        version: Option<&str>,
        patch: Value,
    ) -> BoxFuture<'static, Result<Value, ClusterError>>;

    /// Deletes with background propagation and both preconditions. Gone already: `Ok`.
    fn delete(&self, request: DeleteRequest) -> BoxFuture<'static, Result<(), ClusterError>>;

    /// What the instance keeps over restarts; `None` when nothing was kept yet.
    fn state(&self) -> BoxFuture<'static, Result<Option<StateText>, ClusterError>>;

    /// Keeps it. [`ClusterError::Changed`] when it is not what was read any more.
    fn set_state(&self, state: StateText) -> BoxFuture<'static, Result<StateText, ClusterError>>;

    /// Tells the state, and each change of it, as [`ClusterEvent::State`] from now on.
    fn follow_state(&self);
}
