//! Owns the bench's own way to the API server: one TLS connection a caller, HTTP/1.1, bytes out and bytes in. Must never
//! retry, wait or look into an answer, so that what it takes is the server's time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// How many requests of [`send_all`] are on their way at one time.
pub const IN_FLIGHT: usize = 32;

/// One request, ready to be sent.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: Method,
    pub path: String,
    pub content_type: &'static str,
    pub body: Bytes,
}

impl Ask {
    pub fn new(method: Method, path: String, body: &Value) -> Self {
        let content_type = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        Self { method, path, content_type, body: body.to_string().into() }
    }

    pub fn without_body(method: Method, path: &str) -> Self {
        Self { method, path: path.to_owned(), content_type: "application/json", body: Bytes::new() }
    }
}

/// Where the API server is, and as whom it is asked.
pub struct Access {
    authority: String,
    name: ServerName<'static>,
    connector: TlsConnector,
    token: HeaderValue,
}

impl Access {
    /// What a kubeconfig with a token says.
    pub fn read(kubeconfig: &Path) -> Result<Self> {
        let kubeconfig: Value = serde_json::from_slice(&std::fs::read(kubeconfig)?)?;
        let text = |pointer: &str| kubeconfig.pointer(pointer).and_then(Value::as_str).context("not our kubeconfig");
        let url = url::Url::parse(text("/clusters/0/cluster/server")?)?;
        let host = url.host_str().context("no host")?.to_owned();
        let pem = base64::engine::general_purpose::STANDARD
            .decode(text("/clusters/0/cluster/certificate-authority-data")?)?;
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            roots.add(certificate?)?;
        }
        let tls = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Self {
            authority: format!("{host}:{}", url.port().context("no port")?),
            name: ServerName::try_from(host)?,
            connector: TlsConnector::from(Arc::new(tls)),
            token: format!("Bearer {}", text("/users/0/user/token")?).parse()?,
        })
    }

    pub async fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect(&self.authority).await?;
        stream.set_nodelay(true)?;
        let stream = self.connector.connect(self.name.clone(), stream).await?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(driver);
        Ok(Connection { sender, authority: self.authority.parse()?, token: self.token.clone() })
    }
}

/// One connection. Closed when it is dropped.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    authority: HeaderValue,
    token: HeaderValue,
}

impl Connection {
    /// Sends; answers when the answer's head has come.
    pub async fn open(&mut self, ask: &Ask) -> Result<Response<Incoming>> {
        let mut request = Request::new(Full::new(ask.body.clone()));
        *request.method_mut() = ask.method.clone();
        *request.uri_mut() = ask.path.parse()?;
        let headers = request.headers_mut();
        headers.insert(HOST, self.authority.clone());
        headers.insert(AUTHORIZATION, self.token.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(ask.content_type));
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }

    /// Sends and reads the whole answer. Anything but success is an error.
    pub async fn call(&mut self, ask: &Ask) -> Result<Bytes> {
        let answer = self.open(ask).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            bail!("{} {}: {status}: {}", ask.method, ask.path, String::from_utf8_lossy(&body));
        }
        Ok(body)
    }
}

/// Sends all of them, [`IN_FLIGHT`] at a time, each worker over a connection of its own that is made before. Answers the time
/// from the first request to the last answer.
pub async fn send_all(access: &Access, asks: Vec<Ask>) -> Result<Duration> {
    ensure!(!asks.is_empty(), "nothing to send");
    let mut connections = Vec::new();
    for _ in 0..IN_FLIGHT.min(asks.len()) {
        connections.push(access.connect().await?);
    }
    let (asks, next) = (Arc::new(asks), Arc::new(AtomicUsize::new(0)));
    let start = Instant::now();
    let mut workers = JoinSet::new();
    for mut connection in connections {
        let (asks, next) = (asks.clone(), next.clone());
        workers.spawn(async move {
            while let Some(ask) = asks.get(next.fetch_add(1, Ordering::Relaxed)) {
                connection.call(ask).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended??;
    }
    Ok(start.elapsed())
}
