//! Owns the sandbox's HTTP server: its address, its request counters and its end. Must never listen where it was not told
//! to, and keeps nothing on disk.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::handle::handle;
use super::store::Store;

/// Controllers act this long after a change, so that clients see the state in between, as on a real cluster.
const CONTROLLER_DELAY: Duration = Duration::from_millis(100);
/// How long open connections may take to end.
const STOP: Duration = Duration::from_secs(5);
/// More different requests than this are counted together.
const MAX_COUNTED: usize = 10_000;

/// Why the sandbox does not run.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The address can't be listened on.
    #[error("the sandbox can't listen on {address}: {source}; choose another address")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

/// What every request has at hand.
#[derive(Clone)]
pub(super) struct App {
    pub store: Store,
    pub stopped: CancellationToken,
    requests: Arc<Mutex<BTreeMap<(String, String), u64>>>,
}

impl App {
    pub fn count(&self, verb: &str, path: &str) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (verb.to_owned(), path.to_owned());
        if requests.len() >= MAX_COUNTED && !requests.contains_key(&key) {
            key.1 = "...".into();
        }
        *requests.entry(key).or_default() += 1;
    }
}

/// A running sandbox. It ends when it is dropped; [`Server::stop`] also waits for that.
pub struct Server {
    app: App,
    address: SocketAddr,
    task: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a sandbox with an empty cluster. Port 0 takes any free one.
    ///
    /// # Errors
    ///
    /// When the address can't be listened on.
    pub async fn start(address: SocketAddr) -> Result<Self, SandboxError> {
        Self::serve(address, Store::default()).await
    }

    /// Starts a sandbox that serves this store.
    ///
    /// # Errors
    ///
    /// When the address can't be listened on.
    pub async fn serve(address: SocketAddr, store: Store) -> Result<Self, SandboxError> {
        let refused = |source| SandboxError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let app = App { store, stopped: CancellationToken::new(), requests: Arc::default() };
        let router = Router::new().fallback(handle).with_state(app.clone());
        let stopped = app.stopped.clone();
        let controllers = tokio::spawn(control(app.clone()));
        let task = tokio::spawn(async move {
            let ended = axum::serve(listener, router).with_graceful_shutdown(stopped.clone().cancelled_owned());
            let abandoned = async {
                stopped.cancelled().await;
                tokio::time::sleep(STOP).await;
            };
            tokio::select! {
                ended = ended => if let Err(error) = ended {
                    tracing::warn!(%error, "the sandbox stopped serving");
                },
                () = abandoned => {}
            }
            stopped.cancel();
            // It only ever waits, and ends with the same token.
            let _ = controllers.await;
        });
        Ok(Self { app, address, task: Some(task) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A kubeconfig for it, as YAML. There is no authorization: whoever reaches the address may do everything.
    pub fn kubeconfig(&self) -> String {
        let url = self.url();
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: sandbox\n\
             clusters:\n- name: sandbox\n  cluster:\n    server: {url}\n\
             users:\n- name: sandbox\n  user: {{}}\n\
             contexts:\n- name: sandbox\n  context:\n    cluster: sandbox\n    user: sandbox\n    namespace: default\n"
        )
    }

    /// The objects that it serves.
    pub fn store(&self) -> &Store {
        &self.app.store
    }

    /// How many requests there were, by verb (`get`, `list`, `watch`, `create`, `update`, `patch`, `delete`,
    /// `deletecollection`) and path.
    pub fn requests(&self) -> BTreeMap<(String, String), u64> {
        self.app.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends it: watches close, requests finish.
    pub async fn stop(mut self) {
        self.app.stopped.cancel();
        if let Some(task) = self.task.take() {
            // A panic of the server has been told already.
            let _ = task.await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.app.stopped.cancel();
    }
}

/// Does what controllers do, a moment after each change.
async fn control(app: App) {
    let mut changes = app.store.changes();
    loop {
        while app.store.settle() {}
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = app.stopped.cancelled() => return,
        }
        tokio::select! {
            () = tokio::time::sleep(CONTROLLER_DELAY) => {}
            () = app.stopped.cancelled() => return,
        }
        changes.borrow_and_update();
    }
}
