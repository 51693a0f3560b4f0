//! Owns one plain call: its timeout, and how 429 and Retry-After are honoured. Must never wait longer than its limit, and
//! never hold calls back by itself: there is no client-side rate limit, only what `flow` learns from the server.

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, RETRY_AFTER};
use http::{Method, Request, StatusCode};
use kube::client::Body;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout, timeout_at};

use super::backoff::Backoff;
use super::client::Connection;
use super::error::{ClusterError, Texts, names_an_object, of_answer, of_client};

/// How many times one call is tried when the server says that it is busy.
const TRIES: usize = 6;

/// How long a call may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// From asking to the end of the answer, every try and wait included.
    pub(super) limit: Duration,
    /// The first wait after a 429 that names none.
    pub(super) first_wait: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { limit: Duration::from_secs(30), first_wait: Duration::from_millis(500) }
    }
}

/// One request to the API server.
#[derive(Clone, Debug)]
pub(super) struct Call {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
    texts: Texts,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) etag: Option<HeaderValue>,
    pub(super) body: Vec<u8>,
}

impl Call {
    /// GET of a path with its query.
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path.into(), None, Vec::new())
    }

    /// Any method, with a body of this content type.
    pub(super) fn with_body(method: Method, path: String, content_type: &'static str, body: Vec<u8>) -> Self {
        Self::new(method, path, Some(content_type), body)
    }

    fn new(method: Method, path: String, content_type: Option<&'static str>, body: Vec<u8>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        Self { method, path, headers, body, texts: Texts::Shown }
    }

    /// Asks for another representation than plain JSON.
    pub(super) fn accepting(mut self, media_types: &'static str) -> Self {
        self.headers.insert(ACCEPT, HeaderValue::from_static(media_types));
        self
    }

    /// Allows 304 when the content is still what this tag names.
    pub(super) fn unless_still(mut self, etag: Option<HeaderValue>) -> Self {
        if let Some(etag) = etag {
            self.headers.insert(IF_NONE_MATCH, etag);
        }
        self
    }

    /// Says whether the server's texts may be shown.
    pub(super) fn with_texts(mut self, texts: Texts) -> Self {
        self.texts = texts;
        self
    }

    fn request(&self) -> Result<Request<Body>, ClusterError> {
        let mut request = Request::new(Body::from(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() =
            self.path.parse().map_err(|error| ClusterError::Other(format!("{} is no path: {error}", self.path)))?;
        *request.headers_mut() = self.headers.clone();
        Ok(request)
    }
}

impl Connection {
    /// Sends the call, and again while the server is busy, within the time that one call may take.
    ///
    /// # Errors
    ///
    /// What the server answered, or [`ClusterError::Unreachable`].
    pub(super) async fn call(&self, call: &Call) -> Result<Answer, ClusterError> {
        let answer = self.exchange(call).await?;
        if answer.status.is_success() || answer.status == StatusCode::NOT_MODIFIED {
            return Ok(answer);
        }
        Err(of_answer(answer.status, &answer.body, call.texts))
    }

    /// As [`Connection::call`]; `None` when the server knows the kind but has no object of this name.
    ///
    /// # Errors
    ///
    /// As [`Connection::call`]; a 404 for anything but the object is an error.
    pub(super) async fn call_if_there(&self, call: &Call) -> Result<Option<Answer>, ClusterError> {
        let answer = self.exchange(call).await?;
        if answer.status == StatusCode::NOT_FOUND && names_an_object(&answer.body) {
            return Ok(None);
        }
        if answer.status.is_success() {
            return Ok(Some(answer));
        }
        Err(of_answer(answer.status, &answer.body, call.texts))
    }

    /// The first answer that does not say "busy".
    async fn exchange(&self, call: &Call) -> Result<Answer, ClusterError> {
        let end = Instant::now() + self.timing.limit;
        let mut backoff = Backoff::new(self.timing.first_wait, Duration::from_secs(8));
        let mut busy = None;
        for _ in 0..TRIES {
            let (answer, wait) = match timeout_at(end, self.once(call)).await {
                Ok(exchange) => exchange?,
                Err(_) => return Err(busy.unwrap_or_else(|| self.no_answer())),
            };
            if !matches!(answer.status.as_u16(), 429 | 503 | 504) {
                self.flow.answered();
                return Ok(answer);
            }
            if answer.status == StatusCode::TOO_MANY_REQUESTS {
                self.flow.busy();
            }
            let error = of_answer(answer.status, &answer.body, call.texts);
            let wait = wait.unwrap_or(Duration::ZERO).max(backoff.next());
            if Instant::now() + wait >= end {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            busy = Some(error);
        }
        Err(busy.unwrap_or_else(|| self.no_answer()))
    }

    /// As [`Connection::call`], and reads the answer as JSON.
    ///
    /// # Errors
    ///
    /// Also [`ClusterError::Other`] when the answer is not that JSON.
    pub(super) async fn json<T: DeserializeOwned>(&self, call: &Call) -> Result<T, ClusterError> {
        let answer = self.call(call).await?;
        // The parser's text could quote the answer.
        serde_json::from_slice(&answer.body)
            .map_err(|_| ClusterError::Other(format!("the API server's answer to {} could not be read", call.path)))
    }

    /// One try: the answer, and how long the server wants us to wait.
    async fn once(&self, call: &Call) -> Result<(Answer, Option<Duration>), ClusterError> {
        let failed = |error| of_client(&error, call.texts);
        let response = self.client.send(call.request()?).await.map_err(failed)?;
        let (parts, body) = response.into_parts();
        let body = body.collect_bytes().await.map_err(failed)?.into();
        let etag = parts.headers.get(ETAG).cloned();
        Ok((Answer { status: parts.status, etag, body }, retry_after(&parts.headers)))
    }

    /// Whether the server streams lists: from 1.34 on. Asked once.
    ///
    /// # Errors
    ///
    /// When the server does not tell its version because it can't be reached.
    pub(super) async fn streams_lists(&self) -> Result<bool, ClusterError> {
        let asked = self.streams_lists.get_or_try_init(|| async {
            match self.json::<Version>(&Call::get("/version")).await {
                Ok(version) => Ok(version.is_at_least(1, 34)),
                Err(error) if error.is_transient() => Err(error),
                // It may be kept from us; paged lists work everywhere.
                Err(_) => Ok(false),
            }
        });
        asked.await.copied()
    }

    fn no_answer(&self) -> ClusterError {
        ClusterError::Unreachable(format!("no answer within {} s", self.timing.limit.as_secs_f32()))
    }

    /// Opens a watch: waits for the answer's head only.
    ///
    /// # Errors
    ///
    /// Kube's own, since the caller must see 410.
    pub(super) async fn open_watch(&self, path: &str) -> Result<WatchStream, kube::Error> {
        use futures::StreamExt;
        let request = Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
        let opening = self.client.request_events::<serde_json::Value>(request);
        match timeout(self.timing.limit, opening).await {
            Ok(stream) => Ok(stream?.boxed()),
            Err(_) => Err(kube::Error::Service("no answer to a watch request".into())),
        }
    }
}

#[derive(Deserialize)]
struct Version {
    major: String,
    minor: String,
}

impl Version {
    fn is_at_least(&self, major: u32, minor: u32) -> bool {
        // Some providers write `34+`.
        let number = |text: &str| text.trim_end_matches('+').parse::<u32>().unwrap_or(0);
        (number(&self.major), number(&self.minor)) >= (major, minor)
    }
}

/// The events of one watch.
pub(super) type WatchStream =
    futures::stream::BoxStream<'static, Result<kube::api::WatchEvent<serde_json::Value>, kube::Error>>;

/// Seconds only: API servers send no dates.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::response::{IntoResponse, Response};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    /// A connection to a server that answers the n-th request (from 0) with `answer(n)`, and the number of requests.
    fn stub(answer: impl Fn(usize) -> Response + Clone + Send + Sync + 'static) -> (Connection, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let router = Router::new().fallback(move || {
            let answer = answer(counted.fetch_add(1, SeqCst));
            async move { answer }
        });
        (Connection::over(kube::Client::new(router, "default")), count)
    }

    fn busy(seconds: &str) -> Response {
        (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, seconds.to_owned())], "too many").into_response()
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_is_waited_out() {
        let (connection, count) = stub(|n| if n < 2 { busy("3") } else { "{}".into_response() });
        let start = Instant::now();
        let answer = connection.call(&Call::get("/x")).await.unwrap();
        assert_eq!((answer.body.as_slice(), count.load(SeqCst)), (b"{}".as_slice(), 3));
        assert!(start.elapsed() >= Duration::from_secs(6), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_longer_than_the_call_may_take_is_not_begun() {
        let (connection, count) = stub(|_| busy("300"));
        let start = Instant::now();
        let error = connection.call(&Call::get("/x")).await.unwrap_err();
        assert_eq!(error, ClusterError::Busy("too many".into()));
        assert_eq!((start.elapsed(), count.load(SeqCst)), (Duration::ZERO, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_stays_busy_is_given_up() {
        let (connection, count) = stub(|_| StatusCode::SERVICE_UNAVAILABLE.into_response());
        let error = connection.call(&Call::get("/x")).await.unwrap_err();
        assert!(matches!(error, ClusterError::Busy(_)), "{error}");
        assert_eq!(count.load(SeqCst), TRIES);
    }

    #[tokio::test(start_paused = true)]
    async fn other_answers_are_not_tried_again() {
        let (connection, count) = stub(|_| StatusCode::FORBIDDEN.into_response());
        let error = connection.call(&Call::get("/x")).await.unwrap_err();
        assert!(matches!(error, ClusterError::Forbidden(_)), "{error}");
        assert_eq!(count.load(SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_answers_is_unreachable_after_30_seconds() {
        let router = Router::new().fallback(std::future::pending::<StatusCode>);
        let connection = Connection::over(kube::Client::new(router, "default"));
        let start = Instant::now();
        let error = connection.call(&Call::get("/x")).await.unwrap_err();
        assert_eq!(error, ClusterError::Unreachable("no answer within 30 s".into()));
        assert_eq!(start.elapsed(), Duration::from_secs(30));
    }

    #[tokio::test]
    async fn nobody_at_the_address_is_unreachable_with_the_cause() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let client = kube::Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap();
        let error = Connection::over(client).call(&Call::get("/x")).await.unwrap_err();
        assert!(matches!(&error, ClusterError::Unreachable(text) if text.contains("refused")), "{error}");
    }
}
