//! Owns the schemas of the group-versions in use, by the server's own hash. Must never keep a document: it is reduced and
//! dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use super::client::Connection;
use super::error::ClusterError;
use super::request::Call;
use crate::object::ApiVersion;
use crate::object::schema::Schema;

/// How long the index of hashes is believed.
const INDEX_AGE: Duration = Duration::from_secs(600);

/// How long it is believed shortly after a definition changed: the server takes a while to show the new schema.
const SUSPECT_AGE: Duration = Duration::from_secs(2);

/// How long that while is.
const SUSPICION: Duration = Duration::from_secs(120);

/// Schemas by group-version. Callers that want the same one at the same time share one request.
pub(super) struct Schemas {
    connection: Connection,
    index: tokio::sync::Mutex<Index>,
    slots: Mutex<HashMap<ApiVersion, Slot>>,
    changed: Mutex<Option<Instant>>,
}

/// Where a schema was read and what it is; locked while it is being read.
type Slot = Arc<tokio::sync::Mutex<Option<(String, Schema)>>>;

/// Where the server keeps each group-version's document; the address holds the content's hash.
#[derive(Default)]
struct Index {
    read: Option<Instant>,
    addresses: HashMap<String, String>,
}

impl Schemas {
    /// Nothing read yet.
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, index: tokio::sync::Mutex::default(), slots: Mutex::default(), changed: Mutex::default() }
    }

    /// Takes note that a definition changed.
    pub(super) fn suspect(&self) {
        *self.changed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// The schema of a group-version.
    ///
    /// # Errors
    ///
    /// [`ClusterError::NotFound`] when the server has none for it, [`ClusterError::Other`] when it can't be understood.
    pub(super) async fn get(&self, api_version: &ApiVersion) -> Result<Schema, ClusterError> {
        let address = self.address(api_version).await?;
        let slot = self.slots().entry(api_version.clone()).or_default().clone();
        let mut slot = slot.lock().await;
        match &*slot {
            Some((read, schema)) if *read == address => Ok(schema.clone()),
            _ => {
                let schema = self.read(api_version, &address).await?;
                *slot = Some((address, schema.clone()));
                Ok(schema)
            }
        }
    }

    async fn read(&self, api_version: &ApiVersion, address: &str) -> Result<Schema, ClusterError> {
        let document = self.connection.call(&Call::get(address)).await?.body;
        // Up to a few megabytes of JSON.
        let parsed = tokio::task::spawn_blocking(move || Schema::from_openapi_text(&document)).await;
        let unreadable = |error: &dyn std::fmt::Display| {
            ClusterError::Other(format!("the schema of {api_version} can't be read: {error}"))
        };
        parsed.map_err(|error| unreadable(&error))?.map_err(|error| unreadable(&error))
    }

    /// Where the document is now. The lock makes concurrent callers share one reading of the index.
    async fn address(&self, api_version: &ApiVersion) -> Result<String, ClusterError> {
        let mut index = self.index.lock().await;
        if self.is_old(&index) {
            let found: Paths = self.connection.json(&Call::get("/openapi/v3")).await?;
            index.addresses = found.paths.into_iter().map(|(path, entry)| (path, entry.server_relative_url)).collect();
            index.read = Some(Instant::now());
            self.slots().retain(|api_version, _| index.addresses.contains_key(&path_of(api_version)));
        }
        match index.addresses.get(&path_of(api_version)) {
            // Never follow an address that leads elsewhere.
            Some(address) if address.starts_with("/openapi/v3/") => Ok(address.clone()),
            _ => Err(ClusterError::NotFound(format!("the API server has no schema of {api_version}"))),
        }
    }

    fn is_old(&self, index: &Index) -> bool {
        let Some(read) = index.read else { return true };
        let changed = *self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        let age = match changed {
            Some(changed) if read <= changed => return true,
            Some(changed) if changed.elapsed() < SUSPICION => SUSPECT_AGE,
            _ => INDEX_AGE,
        };
        read.elapsed() >= age
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<ApiVersion, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn path_of(api_version: &ApiVersion) -> String {
    match &*api_version.group {
        "" => format!("api/{}", api_version.version),
        group => format!("apis/{group}/{}", api_version.version),
    }
}

#[derive(Deserialize)]
struct Paths {
    paths: HashMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "serverRelativeURL")]
    server_relative_url: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::extract::Request;
    use serde_json::json;

    type Log = Arc<Mutex<Vec<String>>>;

    /// Schemas of a server that has `apps/v1` under the hash that is given by how often the index was read before.
    fn stub(hashes: &'static [&'static str]) -> (Schemas, Log) {
        let log = Log::default();
        let noted = log.clone();
        let router = Router::new().fallback(move |request: Request| async move {
            let path = request.uri().to_string();
            let read = {
                let mut log = noted.lock().unwrap();
                log.push(path.clone());
                log.iter().filter(|path| *path == "/openapi/v3").count()
            };
            tokio::task::yield_now().await;
            if path != "/openapi/v3" {
                return json!({"components": {"schemas": {}}}).to_string();
            }
            let hash = hashes[(read - 1).min(hashes.len() - 1)];
            json!({"paths": {"apis/apps/v1": {"serverRelativeURL": format!("/openapi/v3/apis/apps/v1?hash={hash}")}}})
                .to_string()
        });
        (Schemas::new(Connection::over(kube::Client::new(router, "default"))), log)
    }

    fn count(log: &Log) -> (usize, usize) {
        let log = log.lock().unwrap();
        let index = log.iter().filter(|path| *path == "/openapi/v3").count();
        (index, log.len() - index)
    }

    #[tokio::test]
    async fn concurrent_callers_share_one_request() {
        let (schemas, log) = stub(&["a"]);
        let api_version = ApiVersion::parse("apps/v1");
        let all = futures::future::join_all((0..20).map(|_| schemas.get(&api_version))).await;
        assert!(all.iter().all(Result::is_ok), "{all:?}");
        assert_eq!(count(&log), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_document_is_read_again_only_under_another_hash() {
        let (schemas, log) = stub(&["a", "a", "b"]);
        let api_version = ApiVersion::parse("apps/v1");
        for (reads, documents) in [(1, 1), (2, 1), (3, 2)] {
            schemas.get(&api_version).await.unwrap();
            assert_eq!(count(&log), (reads, documents));
            tokio::time::advance(INDEX_AGE).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_change_of_a_definition_the_index_is_believed_for_a_moment_only() {
        let (schemas, log) = stub(&["a"]);
        let api_version = ApiVersion::parse("apps/v1");
        schemas.get(&api_version).await.unwrap();
        schemas.suspect();
        tokio::time::advance(Duration::from_millis(1)).await;
        for reads in [2, 3] {
            schemas.get(&api_version).await.unwrap();
            schemas.get(&api_version).await.unwrap();
            assert_eq!(count(&log), (reads, 1));
            tokio::time::advance(SUSPECT_AGE).await;
        }
        tokio::time::advance(SUSPICION).await;
        schemas.get(&api_version).await.unwrap();
        let (reads, _) = count(&log);
        tokio::time::advance(SUSPICION).await;
        schemas.get(&api_version).await.unwrap();
        assert_eq!(count(&log), (reads, 1));
    }

    #[tokio::test]
    async fn a_group_version_without_a_schema_is_not_found() {
        let (schemas, _) = stub(&["a"]);
        let error = schemas.get(&ApiVersion::parse("metrics.k8s.io/v1")).await.unwrap_err();
        assert!(matches!(error, ClusterError::NotFound(_)), "{error}");
    }
}
