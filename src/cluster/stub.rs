//! Owns a scripted API server in memory for unit tests. Must never answer what was not scripted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use http::StatusCode;
use serde_json::{Value, json};

use super::client::Connection;

/// One scripted answer to the next request.
pub(super) enum Answer {
    /// This status and body.
    Plain(u16, Value),
    /// A watch that sends these events and then ends, or stays open.
    Watch(Vec<Value>, End),
}

/// How a scripted watch goes on after its events.
pub(super) enum End {
    Closes,
    StaysOpen,
}

/// What a server was asked, and what it will still answer.
#[derive(Clone, Default)]
pub(super) struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Script {
    /// A script that gives these answers one after the other, then 500.
    pub(super) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), asked: Arc::default() }
    }

    /// A connection to the server.
    pub(super) fn connection(&self) -> Connection {
        let script = self.clone();
        let router = Router::new().fallback(move |request: Request| async move { script.answer(&request) });
        Connection::over(kube::Client::new(router, "default"))
    }

    /// Every path and query that was asked so far.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// What the `number`-th request asked, with the parameters sorted and the varying timeout left out.
    pub(super) fn query(&self, number: usize) -> String {
        let asked = self.asked();
        let (path, query) = asked[number].split_once('?').unwrap_or((&asked[number], ""));
        let mut parameters: Vec<_> = query.split('&').filter(|part| !part.starts_with("timeoutSeconds=")).collect();
        parameters.sort_unstable();
        format!("{path}?{}", parameters.join("&"))
    }

    fn answer(&self, request: &Request) -> Response {
        self.asked.lock().unwrap().push(request.uri().to_string());
        match self.answers.lock().unwrap().pop_front() {
            Some(Answer::Plain(code, body)) => (StatusCode::from_u16(code).unwrap(), body.to_string()).into_response(),
            Some(Answer::Watch(events, end)) => {
                let lines =
                    futures::stream::iter(events.into_iter().map(|event| Ok::<_, String>(format!("{event}\n"))));
                match end {
                    End::Closes => Body::from_stream(lines).into_response(),
                    End::StaysOpen => Body::from_stream(lines.chain(futures::stream::pending())).into_response(),
                }
            }
            None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

/// The answer to `/version`.
pub(super) fn version(minor: &str) -> Answer {
    Answer::Plain(200, json!({"major": "1", "minor": minor}))
}

/// An error as the API server writes it.
pub(super) fn status(code: u16, reason: &str) -> Answer {
    Answer::Plain(code, json!({"kind": "Status", "code": code, "reason": reason, "message": reason.to_lowercase()}))
}

/// One page of a list.
pub(super) fn page(names: &[&str], resource_version: &str, token: &str) -> Answer {
    let items: Vec<_> = names.iter().map(|name| json!({"metadata": {"name": name}})).collect();
    let metadata = json!({"resourceVersion": resource_version, "continue": token});
    Answer::Plain(200, json!({"apiVersion": "v1", "kind": "ConfigMapList", "metadata": metadata, "items": items}))
}

/// One event about an object.
pub(super) fn event(kind: &str, name: &str, resource_version: &str) -> Value {
    let metadata = json!({"name": name, "resourceVersion": resource_version});
    json!({"type": kind, "object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}})
}

/// A bookmark; `ends_list` is the one after a streaming list.
pub(super) fn bookmark(resource_version: &str, ends_list: bool) -> Value {
    let annotations = if ends_list { json!({"k8s.io/initial-events-end": "true"}) } else { json!({}) };
    let metadata = json!({"resourceVersion": resource_version, "creationTimestamp": null, "annotations": annotations});
    json!({"type": "BOOKMARK", "object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}})
}

/// The event that says that the server forgot where we were.
pub(super) fn expired() -> Value {
    json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}})
}
