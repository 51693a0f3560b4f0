//! Owns the answers to requests that fail, in the API server's words. Must never carry more than the server would say.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::kinds::Resource;

/// Why the sandbox refused a request: what a real API server sends as `kind: Status`.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Status {
    /// HTTP status code.
    pub code: u16,
    /// Machine-readable reason, for example `Conflict`; empty when the server gives none.
    pub reason: &'static str,
    /// What a person reads.
    pub message: String,
    /// `details`, when there are any.
    pub details: Option<Value>,
}

/// One field that was refused.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cause {
    pub reason: &'static str,
    pub message: String,
    pub field: String,
}

impl Cause {
    pub fn invalid(field: impl Into<String>, value: &Value, why: &str) -> Self {
        Self {
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {}: {why}", go_json(value)),
            field: field.into(),
        }
    }

    pub fn required(field: impl Into<String>, why: &str) -> Self {
        let message = if why.is_empty() { "Required value".to_owned() } else { format!("Required value: {why}") };
        Self { reason: "FieldValueRequired", message, field: field.into() }
    }

    pub fn forbidden(field: impl Into<String>, why: &str) -> Self {
        Self { reason: "FieldValueForbidden", message: format!("Forbidden: {why}"), field: field.into() }
    }

    pub fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self {
            reason: "FieldValueDuplicate",
            message: format!("Duplicate value: {}", go_json(value)),
            field: field.into(),
        }
    }

    pub fn unsupported(field: impl Into<String>, value: &str, supported: &[&str]) -> Self {
        let supported: Vec<_> = supported.iter().map(|one| format!("{one:?}")).collect();
        let message = format!("Unsupported value: {value}: supported values: {}", supported.join(", "));
        Self { reason: "FieldValueNotSupported", message, field: field.into() }
    }

    pub fn too_long(field: impl Into<String>, limit: usize) -> Self {
        let message = format!("Too long: may not be more than {limit} bytes");
        Self { reason: "FieldValueTooLong", message, field: field.into() }
    }

    fn to_value(&self) -> Value {
        json!({"reason": self.reason, "message": self.message, "field": self.field})
    }
}

/// JSON as Go writes it: keys of maps sorted.
pub(super) fn go_json(value: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                Value::Object(entries.into_iter().collect())
            }
            Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
            other => other.clone(),
        }
    }
    sorted(value).to_string()
}

impl Status {
    pub(super) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None }
    }

    fn with(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "", message)
    }

    pub(super) fn not_found(resource: &Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", resource.qualified());
        Self::new(404, "NotFound", message).with(object_details(resource, &resource.plural, name))
    }

    pub(super) fn namespace_not_found(name: &str) -> Self {
        Self::new(404, "NotFound", format!("namespaces \"{name}\" not found"))
            .with(json!({"name": name, "kind": "namespaces"}))
    }

    /// There is no such path.
    pub(super) fn no_such_resource() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource").with(json!({}))
    }

    pub(super) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message).with(json!({}))
    }

    pub(super) fn not_acceptable() -> Self {
        let message = "406: Not Acceptable\n\nAvailable representations: application/json, \
                       application/json;stream=watch";
        Self::new(406, "NotAcceptable", message).with(json!({}))
    }

    pub(super) fn unsupported_patch() -> Self {
        Self::new(415, "UnsupportedMediaType", "415: Unsupported Media Type").with(json!({}))
    }

    pub(super) fn unsupported_body() -> Self {
        let message = "the body of the request was in an unknown format - accepted media types include: application/json, \
                       application/yaml, application/vnd.kubernetes.protobuf";
        Self::new(415, "UnsupportedMediaType", message)
    }

    pub(super) fn already_exists(resource: &Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", resource.qualified());
        Self::new(409, "AlreadyExists", message).with(object_details(resource, &resource.plural, name))
    }

    pub(super) fn forbidden(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", resource.qualified());
        Self::new(403, "Forbidden", message).with(object_details(resource, &resource.plural, name))
    }

    pub(super) fn terminating(resource: &Resource, name: &str, namespace: &str) -> Self {
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut status = Self::forbidden(resource, name, &why);
        let cause = json!([{
            "reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace",
        }]);
        if let Some(Value::Object(details)) = &mut status.details {
            details.insert("causes".into(), cause);
        }
        status
    }

    /// The object changed since it was read.
    pub(super) fn modified(resource: &Resource, name: &str) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again".to_owned();
        Self::conflict(&resource.qualified(), resource, &resource.plural, name, &why)
    }

    /// A UID in the body of a PUT is not that of the object.
    pub(super) fn other_object(resource: &Resource, namespace: &str, name: &str, asked: &str, is: &str) -> Self {
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: /registry/{}/{namespace}/{name}, ResourceVersion: 0, \
             AdditionalErrorMsg: Precondition failed: UID in precondition: {asked}, UID in object meta: {is}",
            resource.plural
        );
        Self::conflict(&resource.qualified(), resource, &resource.plural, name, &why)
    }

    /// An apply names the UID of an object that is not there.
    pub(super) fn no_such_object(resource: &Resource, name: &str, asked: &str) -> Self {
        let why = format!("uid mismatch: the provided object specified uid {asked}, and no existing object was found");
        Self::conflict(&resource.qualified(), resource, &resource.plural, name, &why)
    }

    /// A precondition of a delete does not hold. (Here the server names the kind, not the resource.)
    pub(super) fn precondition(resource: &Resource, name: &str, why: &str) -> Self {
        Self::conflict(&resource.qualified_kind(), resource, &resource.kind, name, why)
    }

    fn conflict(qualified: &str, resource: &Resource, kind: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {qualified} \"{name}\": {why}");
        Self::new(409, "Conflict", message).with(object_details(resource, kind, name))
    }

    /// Fields of an apply that others own: path, and the server's words for the owner.
    pub(super) fn apply_conflict(message: String, causes: &[(String, String)]) -> Self {
        let causes: Vec<_> = causes
            .iter()
            .map(|(field, owner)| {
                json!({"reason": "FieldManagerConflict", "message": format!("conflict with {owner}"), "field": field})
            })
            .collect();
        Self::new(409, "Conflict", message).with(json!({"causes": causes}))
    }

    pub(super) fn invalid(resource: &Resource, name: &str, causes: &[Cause]) -> Self {
        Self::invalid_kind(&resource.group, &resource.kind, name, causes)
    }

    /// 422 for any kind, also for options of requests.
    pub(super) fn invalid_kind(group: &str, kind: &str, name: &str, causes: &[Cause]) -> Self {
        let mut texts: Vec<String> = Vec::new();
        for cause in causes {
            let text = format!("{}: {}", cause.field, cause.message);
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let texts = if texts.len() == 1 { texts.concat() } else { format!("[{}]", texts.join(", ")) };
        let mut qualified = kind.to_owned();
        if !group.is_empty() {
            let _ = write!(qualified, ".{group}");
        }
        let mut details = details_of(group, kind, name);
        details.insert("causes".into(), causes.iter().map(Cause::to_value).collect());
        Self::new(422, "Invalid", format!("{qualified} \"{name}\" is invalid: {texts}")).with(Value::Object(details))
    }

    /// A patch gave something that is no object of this kind.
    pub(super) fn invalid_patch(result: &Value, why: &str) -> Self {
        let value = Value::String(go_json(result));
        Self::invalid_kind("", "", "", &[Cause::invalid("patch", &value, why)])
    }

    /// A JSON patch does not fit the object (a failed test among the reasons).
    pub(super) fn patch_failed() -> Self {
        Self::new(422, "Invalid", "the server rejected our request due to an error in our request").with(json!({}))
    }

    /// The history no longer reaches back to this resourceVersion.
    pub(super) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    pub(super) fn too_large(asked: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let cause = json!([{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]);
        Self::new(504, "Timeout", message).with(json!({"causes": cause, "retryAfterSeconds": 1}))
    }

    /// As `kind: Status`.
    pub fn to_value(&self) -> Value {
        let mut status = Map::new();
        status.insert("kind".into(), "Status".into());
        status.insert("apiVersion".into(), "v1".into());
        status.insert("metadata".into(), json!({}));
        status.insert("status".into(), "Failure".into());
        status.insert("message".into(), self.message.clone().into());
        if !self.reason.is_empty() {
            status.insert("reason".into(), self.reason.into());
        }
        if let Some(details) = &self.details {
            status.insert("details".into(), details.clone());
        }
        status.insert("code".into(), self.code.into());
        Value::Object(status)
    }

    /// The fields of a server-side apply that others own, as the server prints them.
    pub fn conflicting_fields(&self) -> Vec<&str> {
        let causes = self.details.as_ref().and_then(|details| details.get("causes")).and_then(Value::as_array);
        causes
            .into_iter()
            .flatten()
            .filter(|cause| cause.get("reason").and_then(Value::as_str) == Some("FieldManagerConflict"))
            .filter_map(|cause| cause.get("field").and_then(Value::as_str))
            .collect()
    }
}

fn object_details(resource: &Resource, kind: &str, name: &str) -> Value {
    Value::Object(details_of(&resource.group, kind, name))
}

fn details_of(group: &str, kind: &str, name: &str) -> Map<String, Value> {
    let entries = [("name", name), ("group", group), ("kind", kind)];
    entries.into_iter().filter(|(_, text)| !text.is_empty()).map(|(key, text)| (key.into(), text.into())).collect()
}

/// The answer to a DELETE that removed the object at once.
pub(super) fn deleted(resource: &Resource, name: &str, uid: &str) -> Value {
    let mut details = details_of(&resource.group, &resource.plural, name);
    details.insert("uid".into(), uid.into());
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}
