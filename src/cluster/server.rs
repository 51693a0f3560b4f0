//! Owns the real API server as the engine sees it: puts discovery, watches, schemas and calls together. Must never keep an
//! object.

use std::sync::{Arc, OnceLock};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use super::calls::{self, FieldManager};
use super::client::Connection;
use super::discovery::Discovery;
use super::error::ClusterError;
use super::listing;
use super::queue::Queue;
use super::refresh::Refresh;
use super::schemas::Schemas;
use super::state::{StateMap, StateText};
use super::watch::{Watches, World};
use super::{Cluster, ClusterEvent, DeleteRequest, Listed, Page};
use crate::object::schema::Schema;
use crate::object::{ApiVersion, GroupKind, Kind, Kinds, ObjectId};

/// How many events wait at most; whole objects, so this bounds memory.
const EVENTS: usize = 256;

/// A real API server. Dropping it ends every watch.
pub struct ApiServer {
    connection: Connection,
    manager: FieldManager,
    queue: Arc<Queue<ClusterEvent>>,
    refresh: Arc<Refresh>,
    schemas: Arc<Schemas>,
    watches: Arc<Watches>,
    state: StateMap,
    /// Follows the state, once that was asked for.
    following: OnceLock<AbortOnDropHandle<()>>,
    /// Keeps discovery up to date.
    _discovery: AbortOnDropHandle<()>,
}

impl ApiServer {
    /// Asks which kinds are served, and begins to watch Namespaces and CustomResourceDefinitions.
    ///
    /// # Errors
    ///
    /// When discovery fails: no connection, or credentials that are not accepted.
    pub async fn start(connection: Connection, manager: FieldManager) -> Result<Self, ClusterError> {
        let state = StateMap::new(&connection, manager.clone(), manager.namespace(), manager.name())?;
        let mut discovery = Discovery::new(connection.clone());
        let refresh = Arc::new(Refresh::new(discovery.run().await?));
        let schemas = Arc::new(Schemas::new(connection.clone()));
        let queue = Arc::new(Queue::new(EVENTS));
        queue.push(ClusterEvent::Kinds(refresh.kinds())).await;
        let world = World {
            connection: connection.clone(),
            queue: queue.clone(),
            refresh: refresh.clone(),
            schemas: schemas.clone(),
        };
        let watches = Arc::new(Watches::new(world.clone()));
        watches.want(Vec::new());
        let discovery = keep_discovered(discovery, world, watches.clone());
        let discovery = AbortOnDropHandle::new(tokio::spawn(discovery));
        let following = OnceLock::new();
        Ok(Self { connection, manager, queue, refresh, schemas, watches, state, following, _discovery: discovery })
    }

    /// Ends every watch and drops what they told, for an engine that knows nothing yet: it is shown every object again.
    pub async fn restart(&self) {
        self.watches.stop().await;
        drop(self.queue.take(usize::MAX));
    }

    /// The connection, for what is not about synced objects: Lease, Events, a ConfigMap of rules.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    fn kind(&self, group_kind: &GroupKind) -> Result<Arc<Kind>, ClusterError> {
        let known = self.refresh.kinds().get(group_kind).cloned();
        known.ok_or_else(|| ClusterError::UnknownKind(group_kind.clone()))
    }
}

async fn keep_discovered(discovery: Discovery, world: World, watches: Arc<Watches>) {
    let changed = |kinds: Arc<Kinds>| {
        let (world, watches) = (world.clone(), watches.clone());
        async move {
            // Aggregated APIs bring schemas too.
            world.schemas.suspect();
            world.queue.push(ClusterEvent::Kinds(kinds.clone())).await;
            for gone in watches.follow(&kinds) {
                let why = "the API server no longer serves it".to_owned();
                world.queue.push(ClusterEvent::Unwatched(gone, why)).await;
            }
        }
    };
    world.refresh.run(discovery, changed).await;
}

impl Cluster for ApiServer {
    fn kinds(&self) -> Arc<Kinds> {
        self.refresh.kinds()
    }

    fn watch(&self, kinds: Vec<GroupKind>) {
        self.watches.want(kinds);
    }

    fn events(&self, limit: usize) -> Vec<ClusterEvent> {
        self.queue.take(limit)
    }

    fn changed(&self) -> BoxFuture<'static, ()> {
        let queue = self.queue.clone();
        async move { queue.filled().await }.boxed()
    }

    fn schema(&self, api_version: &ApiVersion) -> BoxFuture<'static, Result<Schema, ClusterError>> {
        let (schemas, api_version) = (self.schemas.clone(), api_version.clone());
        async move { schemas.get(&api_version).await }.boxed()
    }

    fn get(&self, id: &ObjectId, version: Option<&str>) -> BoxFuture<'static, Result<Option<Value>, ClusterError>> {
        let (connection, kind, id) = (self.connection.clone(), self.kind(id.group_kind()), id.clone());
        let version = version.map(String::from);
        async move { calls::get(&connection, &*kind?, version.as_deref(), &id).await }.boxed()
    }

    fn list(
        &self,
        kind: &GroupKind,
        namespace: Option<&str>,
        page: Page,
    ) -> BoxFuture<'static, Result<Listed, ClusterError>> {
        let (connection, kind) = (self.connection.clone(), self.kind(kind));
        let namespace = namespace.map(String::from);
        async move { listing::list(&connection, &*kind?, namespace.as_deref(), &page).await }.boxed()
    }

    fn apply(
        &self,
        id: &ObjectId,
        object: Value,
        force: bool,
        dry_run: bool,
    ) -> BoxFuture<'static, Result<Value, ClusterError>> {
        let (connection, kind, id) = (self.connection.clone(), self.kind(id.group_kind()), id.clone());
        let manager = self.manager.clone();
        async move { calls::apply(&connection, &manager, &*kind?, &id, &object, (force, dry_run)).await }.boxed()
    }

    fn patch(
        &self,
        id: &ObjectId,
        version: Option<&str>,
        patch: Value,
    ) -> BoxFuture<'static, Result<Value, ClusterError>> {
        let (connection, kind, id) = (self.connection.clone(), self.kind(id.group_kind()), id.clone());
        let (manager, version) = (self.manager.clone(), version.map(String::from));
        async move { calls::patch(&connection, &manager, &*kind?, version.as_deref(), &id, &patch).await }.boxed()
    }

    fn delete(&self, request: DeleteRequest) -> BoxFuture<'static, Result<(), ClusterError>> {
        let (connection, kind) = (self.connection.clone(), self.kind(request.id.group_kind()));
        async move { calls::delete(&connection, &*kind?, &request).await }.boxed()
    }

    fn state(&self) -> BoxFuture<'static, Result<Option<StateText>, ClusterError>> {
        let state = self.state.clone();
        async move { state.read().await }.boxed()
    }

    fn set_state(&self, new: StateText) -> BoxFuture<'static, Result<StateText, ClusterError>> {
        let state = self.state.clone();
        async move { state.write(new).await }.boxed()
    }

    fn follow_state(&self) {
        self.following.get_or_init(|| {
            let (state, queue) = (self.state.clone(), self.queue.clone());
            let follow = async move { state.follow(|state| queue.push(ClusterEvent::State(state))).await };
            AbortOnDropHandle::new(tokio::spawn(follow))
        });
    }
}
