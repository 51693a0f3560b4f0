//! Owns the endpoints `/livez`, `/readyz`, `/health`, `/metrics` and `/status`. Must never change anything: every answer is
//! read from the handles.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::connection::{Limited, Limits};
use crate::report::board::PAGE_LIMIT;
use crate::report::status::{Role, Trouble};
use crate::report::{Metrics, StatusHandle};

/// Most entries of a list that `/status?limit=N` gives.
const LIMIT_MAX: usize = 10_000;
/// How long open connections may take to finish when the process stops.
const GRACE: Duration = Duration::from_secs(5);
const HINT: &str = "no such page: there are /livez, /readyz, /health, /metrics and /status\n";

/// What the endpoints read.
#[derive(Clone, Debug)]
pub struct Handles {
    /// The status page.
    pub status: StatusHandle,
    /// The metrics.
    pub metrics: Metrics,
}

/// Why the endpoints cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}; choose another with --listen")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A socket that listens but is not served yet, so that a taken address is known at start.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Listens on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub async fn bind(address: SocketAddr) -> Result<Self, HttpError> {
        let failed = |source| HttpError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// The address with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, then lets open requests finish for a few seconds.
    pub async fn serve(self, handles: Handles, stop: CancellationToken) {
        self.serve_within(handles, stop, Limits::default()).await;
    }

    async fn serve_within(self, handles: Handles, stop: CancellationToken, limits: Limits) {
        let listener = Limited::new(self.listener, limits);
        let stopped = stop.clone();
        let serving = axum::serve(listener, router(handles)).with_graceful_shutdown(stop.cancelled_owned());
        let overdue = async move {
            stopped.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            // Serving has no error of its own: those of connections end the connection.
            _ = serving.into_future() => {}
            () = overdue => tracing::debug!("open connections were cut"),
        }
    }
}

fn router(handles: Handles) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .fallback(|uri: Uri| async move {
            tracing::debug!(path = uri.path(), "no such page");
            (StatusCode::NOT_FOUND, HINT)
        })
        .layer(map_response(|mut response: Response| async move {
            let headers = response.headers_mut();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            response
        }))
        .with_state(handles)
}

fn code(well: bool) -> StatusCode {
    if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// What `/readyz` answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    ready: bool,
    waiting_for: Vec<String>,
}

async fn readyz(State(handles): State<Handles>) -> Response {
    let (ready, waiting_for) = handles.status.readiness();
    (code(ready), Json(Ready { ready, waiting_for })).into_response()
}

/// What `/health` answers: 200 when ready and nothing is in the way.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Health {
    healthy: bool,
    instance: String,
    version: String,
    role: Role,
    waiting_for: Vec<String>,
    /// By place: `git`, `cluster`, `rules`.
    errors: BTreeMap<&'static str, Trouble>,
    /// Objects that are not in sync, by state. They do not make the process unhealthy.
    states: BTreeMap<String, usize>,
}

async fn health(State(handles): State<Handles>) -> Response {
    let page = handles.status.page(0);
    let errors: BTreeMap<_, _> =
        [("git", page.git.error), ("cluster", page.cluster.error), ("rules", page.rules.error)]
            .into_iter()
            .filter_map(|(place, error)| error.map(|error| (place, error)))
            .collect();
    let healthy = page.ready && errors.is_empty();
    let health = Health {
        healthy,
        instance: page.instance,
        version: page.version,
        role: page.leader.role,
        waiting_for: page.waiting_for,
        errors,
        states: page.states,
    };
    (code(healthy), Json(health)).into_response()
}

async fn metrics(State(handles): State<Handles>) -> Response {
    match handles.metrics.text() {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

#[derive(Debug, Deserialize)]
struct Page {
    /// Most entries of each list.
    limit: Option<usize>,
}

async fn status(State(handles): State<Handles>, Query(page): Query<Page>) -> Response {
    Json(handles.status.page(page.limit.unwrap_or(PAGE_LIMIT).min(LIMIT_MAX))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::client;
    use crate::report::status::Status;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::task::JoinHandle;
    use tokio::time::timeout;

    const BOUND: Duration = Duration::from_secs(20);

    struct Running {
        handles: Handles,
        address: SocketAddr,
        stop: CancellationToken,
        task: JoinHandle<()>,
    }

    async fn running(limits: Limits) -> Running {
        let status = StatusHandle::new(Status { waiting_for: vec!["the first fetch".into()], ..Status::default() });
        let handles = Handles { status, metrics: Metrics::new() };
        let server = Server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (address, stop) = (server.address(), CancellationToken::new());
        let task = tokio::spawn(server.serve_within(handles.clone(), stop.clone(), limits));
        Running { handles, address, stop, task }
    }

    impl Running {
        async fn get(&self, path: &str) -> (u16, String) {
            timeout(BOUND, client::get(&format!("http://{}{path}", self.address))).await.unwrap().unwrap()
        }
    }

    #[tokio::test]
    async fn readiness_is_503_with_what_it_waits_for_then_200() {
        let server = running(Limits::default()).await;
        assert_eq!(server.get("/livez").await, (200, "ok\n".into()));
        let waiting = r#"{"ready":false,"waitingFor":["the first fetch"]}"#;
        assert_eq!(server.get("/readyz").await, (503, waiting.into()));
        server.handles.status.update(|page| (page.ready, page.waiting_for) = (true, vec![]));
        assert_eq!(server.get("/readyz").await, (200, r#"{"ready":true,"waitingFor":[]}"#.into()));
    }

    #[tokio::test]
    async fn health_names_each_error_and_is_503_until_all_are_gone() {
        let server = running(Limits::default()).await;
        let trouble = Trouble { since: jiff::Timestamp::UNIX_EPOCH, message: "no route".into() };
        server.handles.status.update(|page| (page.ready, page.git.error) = (true, Some(trouble)));
        let (code, text) = server.get("/health").await;
        assert!(
            code == 503 && text.contains(r#""errors":{"git":{"since":"1970-01-01T00:00:00Z","message":"no route"}}"#),
            "{text}"
        );
        server.handles.status.update(|page| page.git.error = None);
        assert_eq!(server.get("/health").await.0, 200);
    }

    #[tokio::test]
    async fn metrics_and_status_are_served_and_other_pages_get_a_hint() {
        let server = running(Limits::default()).await;
        let (code, text) = server.get("/metrics").await;
        assert!(code == 200 && text.ends_with("# EOF\n"), "{text}");
        let (code, text) = server.get("/status?limit=3").await;
        assert_eq!((code, serde_json::from_str::<Status>(&text).unwrap()), (200, server.handles.status.page(3)));
        let (code, text) = server.get("/").await;
        assert_eq!((code, text.as_str()), (404, HINT));
        assert_eq!(server.get("/status?limit=x").await.0, 400);
    }

    #[tokio::test]
    async fn the_client_reads_the_status_and_says_what_else_it_found() {
        let server = running(Limits::default()).await;
        let base = format!("http://{}", server.address);
        let page = timeout(BOUND, client::status(&base)).await.unwrap().unwrap();
        assert_eq!(page.waiting_for, ["the first fetch"]);
        let error = timeout(BOUND, client::status(&format!("{base}/wrong"))).await.unwrap().unwrap_err().to_string();
        assert!(error.contains("answered 404"), "{error}");
        server.stop.cancel();
        timeout(BOUND, server.task).await.unwrap().unwrap();
        let error = timeout(BOUND, client::status(&base)).await.unwrap().unwrap_err().to_string();
        assert!(error.contains("cannot reach") && error.contains(&base[7..]), "{error}");
    }

    #[tokio::test]
    async fn only_reading_is_allowed() {
        let server = running(Limits::default()).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"POST /status HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc").await.unwrap();
        let mut answer = String::new();
        timeout(BOUND, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.0 405") || answer.starts_with("HTTP/1.1 405"), "{answer}");
        assert!(answer.contains("x-content-type-options: nosniff"), "{answer}");
    }

    #[tokio::test]
    async fn a_client_that_trickles_is_cut_and_others_get_their_turn() {
        let server = running(Limits { connections: 1, quiet: Duration::from_millis(200) }).await;
        let mut slow = TcpStream::connect(server.address).await.unwrap();
        slow.write_all(b"GET /livez HTT").await.unwrap();
        // With one connection allowed, this one is only answered once the slow one was cut.
        assert_eq!(server.get("/livez").await.0, 200);
        let mut rest = Vec::new();
        let _ = timeout(BOUND, slow.read_to_end(&mut rest)).await.unwrap();
        assert!(!String::from_utf8_lossy(&rest).contains("200 OK"));
    }

    #[tokio::test]
    async fn a_taken_address_is_an_error_that_names_it() {
        let server = running(Limits::default()).await;
        let error = Server::bind(server.address).await.unwrap_err().to_string();
        assert!(error.contains(&server.address.to_string()) && error.contains("--listen"), "{error}");
    }
}
