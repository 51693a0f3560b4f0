//! Owns what is asked of the API server about single objects: get, apply, patch, delete. Must never force, store or delete
//! more than its caller said.

use std::fmt;
use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};

use super::address::{encoded, of_object};
use super::client::Connection;
use super::error::{ClusterError, Texts};
use super::request::Call;
use super::{DeleteRequest, address};
use crate::object::{ApiVersion, Kind, ObjectId};

/// The longest field manager that the API server takes, in bytes.
const LONGEST_MANAGER: usize = 128;

/// Who we are in `managedFields`: `kubeferry:NAMESPACE/NAME`. Cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldManager {
    text: Arc<str>,
    namespace: Arc<str>,
    name: Arc<str>,
}

impl FieldManager {
    /// The manager of the instance `name` whose state lives in `namespace`.
    ///
    /// # Errors
    ///
    /// [`ClusterError::Other`] when it is longer than 128 bytes (an instance's name may have 54).
    pub fn new(namespace: &str, name: &str) -> Result<Self, ClusterError> {
        let manager = format!("kubeferry:{namespace}/{name}");
        if manager.len() > LONGEST_MANAGER {
            return Err(ClusterError::Other(format!(
                "the field manager {manager} is longer than {LONGEST_MANAGER} bytes: take a shorter --name"
            )));
        }
        Ok(Self { text: manager.into(), namespace: namespace.into(), name: name.into() })
    }

    /// As it stands in `managedFields`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where the instance keeps its state.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name of the instance.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for FieldManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// See [`super::Cluster::get`].
pub(super) async fn get(
    connection: &Connection,
    kind: &Kind,
    version: Option<&str>,
    id: &ObjectId,
) -> Result<Option<Value>, ClusterError> {
    let path = of_object(kind, version.unwrap_or(kind.preferred_version()), id)?;
    let call = Call::get(path).with_texts(Texts::of(id.group_kind()));
    let _turn = connection.flow.turn().await;
    let Some(answer) = connection.call_if_there(&call).await? else { return Ok(None) };
    object_of(&answer.body).map(Some)
}

/// See [`super::Cluster::apply`].
pub(super) async fn apply(
    connection: &Connection,
    manager: &FieldManager,
    kind: &Kind,
    id: &ObjectId,
    object: &Value,
    (force, dry_run): (bool, bool),
) -> Result<Value, ClusterError> {
    let api_version = ApiVersion::of(object).ok_or_else(|| ClusterError::Invalid("apiVersion is missing".into()))?;
    // As kubectl does it: a field that no schema knows is an error that names it, never dropped in silence.
    let path = format!(
        "{}?fieldManager={}&fieldValidation=Strict&force={force}{}",
        of_object(kind, &api_version.version, id)?,
        encoded(manager.as_str()),
        if dry_run { "&dryRun=All" } else { "" },
    );
    send(connection, id, Method::PATCH, path, "application/apply-patch+yaml", object).await
}

/// See [`super::Cluster::patch`].
pub(super) async fn patch(
    connection: &Connection,
    manager: &FieldManager,
    kind: &Kind,
    version: Option<&str>,
    id: &ObjectId,
    patch: &Value,
) -> Result<Value, ClusterError> {
    let path = of_object(kind, version.unwrap_or(kind.preferred_version()), id)?;
    let path = format!("{path}?fieldManager={}&fieldValidation=Strict", encoded(manager.as_str()));
    send(connection, id, Method::PATCH, path, "application/json-patch+json", patch).await
}

/// See [`super::Cluster::delete`].
pub(super) async fn delete(connection: &Connection, kind: &Kind, request: &DeleteRequest) -> Result<(), ClusterError> {
    let path = address::of_object(kind, kind.preferred_version(), &request.id)?;
    let options = json!({
        "apiVersion": "v1", "kind": "DeleteOptions",
        // Without a policy a Job would leave its pods.
        "propagationPolicy": "Background",
        "preconditions": {"uid": request.uid, "resourceVersion": request.resource_version},
    });
    let call = Call::with_body(Method::DELETE, path, "application/json", options.to_string().into_bytes());
    let _turn = connection.flow.turn().await;
    connection.call_if_there(&call.with_texts(Texts::of(request.id.group_kind()))).await.map(drop)
}

async fn send(
    connection: &Connection,
    id: &ObjectId,
    method: Method,
    path: String,
    content_type: &'static str,
    body: &Value,
) -> Result<Value, ClusterError> {
    let call = Call::with_body(method, path, content_type, body.to_string().into_bytes());
    let turn = connection.flow.turn().await;
    let answer = connection.call(&call.with_texts(Texts::of(id.group_kind()))).await?;
    drop(turn);
    object_of(&answer.body)
}

fn object_of(body: &[u8]) -> Result<Value, ClusterError> {
    serde_json::from_slice(body).map_err(|_| ClusterError::Other("the API server's answer could not be read".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::address::tests::kind;
    use axum::Router;
    use axum::extract::Request;
    use http::StatusCode;
    use std::sync::Mutex;

    /// A connection to a server that gives one answer and writes down what it is asked.
    fn stub(code: u16, answer: Value) -> (Connection, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = asked.clone();
        let router = Router::new().fallback(move |request: Request| async move {
            let head = format!("{} {}", request.method(), request.uri());
            let body = axum::body::to_bytes(request.into_body(), 9_999).await.unwrap();
            noted.lock().unwrap().push(format!("{head} {}", String::from_utf8_lossy(&body)).trim().to_owned());
            (StatusCode::from_u16(code).unwrap(), answer.to_string())
        });
        (Connection::over(kube::Client::new(router, "default")), asked)
    }

    fn settings() -> (Kind, ObjectId) {
        let kind = kind("", "ConfigMap", "configmaps", true);
        let id = ObjectId::new(kind.group_kind.clone(), "shop", "settings");
        (kind, id)
    }

    #[test]
    fn a_field_manager_has_at_most_128_bytes() {
        let manager = FieldManager::new(&"n".repeat(63), &"i".repeat(54)).unwrap();
        assert_eq!(manager.as_str().len(), 128);
        assert!(FieldManager::new(&"n".repeat(63), &"i".repeat(55)).is_err());
    }

    #[tokio::test]
    async fn apply_names_our_manager_and_is_strict() {
        let (connection, asked) = stub(200, json!({}));
        let (kind, id) = settings();
        let manager = FieldManager::new("ns", "main").unwrap();
        let object = json!({"apiVersion": "v1"});
        apply(&connection, &manager, &kind, &id, &object, (true, true)).await.unwrap();
        let path = "/api/v1/namespaces/shop/configmaps/settings";
        let query = "fieldManager=kubeferry:ns%2Fmain&fieldValidation=Strict&force=true&dryRun=All";
        assert_eq!(*asked.lock().unwrap(), [format!(r#"PATCH {path}?{query} {{"apiVersion":"v1"}}"#)]);
    }

    #[tokio::test]
    async fn only_a_404_that_names_the_object_means_that_it_is_not_there() {
        let (kind, id) = settings();
        let missing = json!({"reason": "NotFound", "details": {"name": "settings", "kind": "configmaps"}});
        assert_eq!(get(&stub(404, missing).0, &kind, None, &id).await.unwrap(), None);
        let unserved = json!({"reason": "NotFound", "details": {}, "message": "could not find the requested resource"});
        let error = get(&stub(404, unserved).0, &kind, None, &id).await.unwrap_err();
        assert!(matches!(error, ClusterError::NotFound(_)), "{error}");
    }

    #[tokio::test]
    async fn delete_is_in_the_background_with_both_preconditions() {
        let (connection, asked) = stub(200, json!({}));
        let (kind, id) = settings();
        let request = DeleteRequest { id, uid: "u".into(), resource_version: "7".into() };
        delete(&connection, &kind, &request).await.unwrap();
        let asked = asked.lock().unwrap();
        let (head, body) = asked[0].split_once(" {").unwrap();
        assert_eq!(head, "DELETE /api/v1/namespaces/shop/configmaps/settings");
        let body: Value = serde_json::from_str(&format!("{{{body}")).unwrap();
        assert_eq!(body["propagationPolicy"], "Background");
        assert_eq!(body["preconditions"], json!({"uid": "u", "resourceVersion": "7"}));
    }
}
