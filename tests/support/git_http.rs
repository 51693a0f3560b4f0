//! Serves one repository over HTTP with `git http-backend`, with or without a login. Must never outlive its test.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use base64::Engine as _;
use tokio::sync::oneshot;

use super::git::BareRepo;

struct Shared {
    repo: PathBuf,
    /// `user:password`; `None` lets everybody in.
    login: Mutex<Option<String>>,
    /// Where every request is sent on to instead of being answered.
    elsewhere: Option<String>,
    served: AtomicUsize,
    authorized: AtomicUsize,
}

/// A running server.
pub struct GitHttp {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl GitHttp {
    /// Everybody may read and write.
    pub fn start(repo: &BareRepo) -> Self {
        Self::run(repo, None, None)
    }

    /// Only this user may read and write.
    pub fn with_login(repo: &BareRepo, user: &str, password: &str) -> Self {
        Self::run(repo, Some(format!("{user}:{password}")), None)
    }

    /// Answers only with a redirect to the same path on another server.
    pub fn redirecting(repo: &BareRepo, to: &str) -> Self {
        Self::run(repo, None, Some(to.to_owned()))
    }

    fn run(repo: &BareRepo, login: Option<String>, elsewhere: Option<String>) -> Self {
        let shared = Arc::new(Shared {
            repo: repo.path().to_owned(),
            login: Mutex::new(login),
            elsewhere,
            served: AtomicUsize::new(0),
            authorized: AtomicUsize::new(0),
        });
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let app = axum::Router::new().fallback(serve).with_state(shared.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    served = axum::serve(listener, app).into_future() => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self { address, shared, stop: Some(stop), thread: Some(thread) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The repository's address, with `user` (`name:password@`, or nothing) in it.
    pub fn url(&self, user: &str) -> String {
        let name = self.shared.repo.file_name().unwrap().to_str().unwrap();
        format!("http://{user}{}/{name}", self.address)
    }

    /// From now on another user.
    pub fn set_login(&self, user: &str, password: &str) {
        *self.shared.login.lock().unwrap() = Some(format!("{user}:{password}"));
    }

    /// How many requests came.
    pub fn served(&self) -> usize {
        self.shared.served.load(Ordering::SeqCst)
    }

    /// How many of them held credentials.
    pub fn authorized(&self) -> usize {
        self.shared.authorized.load(Ordering::SeqCst)
    }
}

impl Drop for GitHttp {
    fn drop(&mut self) {
        self.stop.take().map(|stop| stop.send(()));
        self.thread.take().map(JoinHandle::join);
    }
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    shared.served.fetch_add(1, Ordering::SeqCst);
    let (head, body) = request.into_parts();
    let given = head.headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
    shared.authorized.fetch_add(usize::from(given.is_some()), Ordering::SeqCst);
    let answer = Response::builder();
    if let Some(elsewhere) = &shared.elsewhere {
        let to = format!("{elsewhere}{}", head.uri.path_and_query().unwrap());
        return answer.status(StatusCode::FOUND).header(header::LOCATION, to).body(Body::empty()).unwrap();
    }
    let wanted = shared.login.lock().unwrap().clone();
    let wanted = wanted.map(|login| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(login)));
    if wanted.is_some() && wanted != given {
        let answer = answer.status(StatusCode::UNAUTHORIZED).header(header::WWW_AUTHENTICATE, "Basic realm=\"git\"");
        return answer.body(Body::empty()).unwrap();
    }
    let body = axum::body::to_bytes(body, 256 << 20).await.unwrap();
    let (method, uri) = (head.method.to_string(), head.uri);
    tokio::task::spawn_blocking(move || backend(&shared, &method, &uri, &head.headers, &body)).await.unwrap()
}

/// As a web server runs a CGI program (RFC 3875).
fn backend(shared: &Shared, method: &str, uri: &axum::http::Uri, headers: &HeaderMap, body: &Bytes) -> Response<Body> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", shared.repo.parent().unwrap())
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", uri.path())
        .env("QUERY_STRING", uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", text(header::CONTENT_TYPE))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("REMOTE_USER", "somebody")
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = body.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&input).ok());
    let output = child.wait_with_output().unwrap().stdout;
    writer.join().unwrap();

    let end = output.windows(4).position(|window| window == b"\r\n\r\n").expect("a header");
    let mut answer = Response::builder();
    for line in String::from_utf8_lossy(&output[..end]).lines() {
        let (name, value) = line.split_once(": ").unwrap();
        answer = match name {
            "Status" => answer.status(value[..3].parse::<u16>().unwrap()),
            _ => answer.header(name, value),
        };
    }
    answer.body(Body::from(output[end + 4..].to_vec())).unwrap()
}
