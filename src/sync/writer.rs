//! Owns the writes of one plan to the API server: before each it is asked whether we still may, and an apply names the very
//! object that it was planned for. Must never make an object anew by what was planned as a change of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::cluster::{Cluster, ClusterError, DeleteRequest};
use crate::object::ObjectId;

/// Says whether we still hold the Lease under which the engine was told to act.
pub type Fence = Arc<dyn Fn() -> bool + Send + Sync>;

/// The field by which the server says that the object is another one.
const UID: &str = "metadata.uid";

/// Writes to one object.
pub(super) struct Writer<'a, C> {
    cluster: &'a C,
    id: &'a ObjectId,
    /// The version that patches and reads go through.
    version: Option<&'a str>,
    fence: Option<Fence>,
    is_fenced: AtomicBool,
}

impl<'a, C: Cluster> Writer<'a, C> {
    pub fn new(cluster: &'a C, id: &'a ObjectId, version: Option<&'a str>, fence: Option<Fence>) -> Self {
        Self { cluster, id, version, fence, is_fenced: AtomicBool::new(false) }
    }

    /// Whether a write was not made because we lost the right to.
    pub fn is_fenced(&self) -> bool {
        self.is_fenced.load(Ordering::Relaxed)
    }

    fn ask(&self) -> Result<(), ClusterError> {
        if self.fence.as_ref().is_none_or(|fence| fence()) {
            return Ok(());
        }
        self.is_fenced.store(true, Ordering::Relaxed);
        Err(ClusterError::Other("another instance holds the Lease".to_owned()))
    }

    pub async fn get(&self) -> Result<Option<Value>, ClusterError> {
        self.cluster.get(self.id, self.version).await
    }

    /// Applies an object that is not there. Not by force: what somebody created meanwhile has values that first values must
    /// not replace. A conflict is planned again, as an object that is live.
    pub async fn create(&self, object: Value) -> Result<Value, ClusterError> {
        self.ask()?;
        self.cluster.apply(self.id, object, false, false).await
    }

    /// Applies to the object that `live` shows, or to nothing: with our fields alone a deleted one would come back as a stub.
    /// `as_seen`: only if nobody has changed it since.
    pub async fn apply(
        &self,
        live: &Value,
        mut object: Value,
        force: bool,
        as_seen: bool,
    ) -> Result<Value, ClusterError> {
        let pins: &[&str] = if as_seen { &["uid", "resourceVersion"] } else { &["uid"] };
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            for key in pins {
                if let Some(value) = live.get("metadata").and_then(|metadata| metadata.get(key)) {
                    metadata.insert((*key).to_owned(), value.clone());
                }
            }
        }
        self.ask()?;
        match self.cluster.apply(self.id, object, force, false).await {
            Err(ClusterError::Immutable { fields, .. }) if fields.iter().any(|field| field == UID) => {
                Err(ClusterError::Changed(format!("{} was made anew", self.id)))
            }
            outcome => outcome,
        }
    }

    pub async fn patch(&self, patch: Value) -> Result<Value, ClusterError> {
        self.ask()?;
        self.cluster.patch(self.id, self.version, patch).await
    }

    pub async fn delete(&self, request: DeleteRequest) -> Result<(), ClusterError> {
        self.ask()?;
        self.cluster.delete(request).await
    }
}
