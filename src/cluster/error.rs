//! Owns why a call to the API server failed and reads it from the server's answer. Must never let a value of a Secret,
//! or a credential, into a message.

use std::fmt::Write as _;

use http::StatusCode;
use serde::Deserialize;

use crate::object::GroupKind;

/// The longest message that is passed on, in bytes: some answers quote the whole object.
const LONGEST: usize = 1_000;

/// Why a call to the API server failed. Messages are the server's, with the object named by the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// No answer in time, or no connection: worth trying again.
    #[error("the API server does not answer: {0}")]
    Unreachable(String),
    /// 429 or 5xx after the retries of one call: worth trying again.
    #[error("the API server is busy: {0}")]
    Busy(String),
    /// 401: the credentials are not accepted. Worth trying again: a token is renewed in its file.
    #[error("the API server does not accept our credentials: {0}")]
    Unauthorized(String),
    /// 403.
    #[error("not allowed: {0}")]
    Forbidden(String),
    /// 404 for something other than a GET of the object: the kind or the namespace is missing.
    #[error("not found: {0}")]
    NotFound(String),
    /// 409 of a server-side apply: field and owner of each conflict.
    #[error("{}", conflict_text(.0))]
    FieldConflict(Vec<FieldConflict>),
    /// 409 of anything else, or a failed test of a JSON patch: the object moved, read it again.
    #[error("the object changed in the meantime: {0}")]
    Changed(String),
    /// 422 or 400: the object is not acceptable as it is; the text names the field.
    #[error("{0}")]
    Invalid(String),
    /// 422: these fields, as the server names them, cannot be changed once the object is made.
    #[error("{message}")]
    Immutable {
        /// For example `spec.selector`.
        fields: Vec<String>,
        /// The server's text.
        message: String,
    },
    /// The kind is not served.
    #[error("the API server does not serve {0}")]
    UnknownKind(GroupKind),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// One field that another manager owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldConflict {
    /// The field as the server prints it, for example `.spec.replicas`.
    pub field: String,
    /// The server's text, which names the other manager.
    pub message: String,
}

fn conflict_text(conflicts: &[FieldConflict]) -> String {
    let each: Vec<_> = conflicts.iter().map(|conflict| format!("{}: {}", conflict.field, conflict.message)).collect();
    format!("fields are owned by others: {}", each.join("; "))
}

impl ClusterError {
    /// Whether the same call may succeed later without anything else changing.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Busy(_) | Self::Unauthorized(_) | Self::Changed(_))
    }
}

/// Whether the texts of an answer may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Texts {
    /// The server's texts are passed on.
    Shown,
    /// The call is about a Secret: only texts that can't quote a value are passed on.
    Withheld,
}

impl Texts {
    /// What holds for calls about objects of this kind.
    pub(super) fn of(kind: &GroupKind) -> Self {
        if kind.group.is_empty() && &*kind.kind == "Secret" { Self::Withheld } else { Self::Shown }
    }
}

/// The parts of a `metav1.Status` that are read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    message: String,
    reason: String,
    details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    name: String,
    causes: Option<Vec<Cause>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cause {
    reason: String,
    message: String,
    field: String,
}

/// The error that an answer other than 2xx stands for.
pub(super) fn of_answer(code: StatusCode, body: &[u8], texts: Texts) -> ClusterError {
    // A proxy, or a path that nobody serves, answers with plain text.
    let status: Status = serde_json::from_slice(body)
        .unwrap_or_else(|_| Status { message: String::from_utf8_lossy(body).into_owned(), ..Status::default() });
    let causes = status.details.as_ref().and_then(|details| details.causes.as_deref()).unwrap_or_default();
    let conflicts: Vec<_> = causes.iter().filter(|cause| cause.reason == "FieldManagerConflict").collect();
    if code == StatusCode::CONFLICT && !conflicts.is_empty() {
        let conflict = |cause: &&Cause| FieldConflict { field: cause.field.clone(), message: cause.message.clone() };
        return ClusterError::FieldConflict(conflicts.iter().map(conflict).collect());
    }
    let text = text_of(code, &status, causes, texts);
    match code.as_u16() {
        401 => ClusterError::Unauthorized(text),
        403 => ClusterError::Forbidden(text),
        404 => ClusterError::NotFound(text),
        // A failed test of a JSON patch, and a path that is not there, answer 422 without a cause.
        422 if causes.is_empty() => ClusterError::Changed(text),
        422 if causes.iter().any(is_immutable) => {
            let fields = causes.iter().filter(|cause| is_immutable(cause)).map(|cause| shortened(&cause.field));
            ClusterError::Immutable { fields: fields.collect(), message: text }
        }
        409 | 410 => ClusterError::Changed(text),
        400 | 413 | 415 | 422 => ClusterError::Invalid(text),
        // What the schema refuses in a server-side apply answers 500 (tried on 1.36); trying again would not help.
        500 if is_refused_by_schema(&status) => ClusterError::Invalid(text),
        429 | 500..=599 => ClusterError::Busy(text),
        _ => ClusterError::Other(text),
    }
}

/// Whether a 404 says that the object is missing, and not its kind, its version or the whole path.
pub(super) fn names_an_object(body: &[u8]) -> bool {
    let status = serde_json::from_slice::<Status>(body).unwrap_or_default();
    status.reason == "NotFound" && status.details.is_some_and(|details| !details.name.is_empty())
}

/// Whether a cause says that the field cannot be changed in place. There is no reason for it, only words, and they differ.
fn is_immutable(cause: &Cause) -> bool {
    let words = [
        "immutable",
        "may not change once set",
        "may not be changed in an update",
        "cannot change roleRef",
        "updates to statefulset spec for fields other than",
        "pod updates may not change fields other than",
        "updates to parameters are forbidden",
        "updates to provisioner are forbidden",
    ];
    words.iter().any(|words| cause.message.contains(words))
}

fn is_refused_by_schema(status: &Status) -> bool {
    status.reason.is_empty()
        && ["failed to create typed ", "failed to convert new object "]
            .iter()
            .any(|start| status.message.starts_with(start))
}

fn text_of(code: StatusCode, status: &Status, causes: &[Cause], texts: Texts) -> String {
    let message = status.message.trim();
    // These name the account, the object and the versions, never a value.
    let plain = matches!(code.as_u16(), 404 | 409 | 410 | 429) || message.contains(" is forbidden: User ");
    if message.is_empty() {
        return code.to_string();
    }
    if texts == Texts::Shown || plain {
        return shortened(message);
    }
    let mut text = if status.reason.is_empty() { code.to_string() } else { format!("{} ({code})", status.reason) };
    let fields = causes.iter().map(|cause| cause.field.as_str()).filter(|field| !field.is_empty());
    for field in fields.chain(typed_path(message)) {
        // Formatting into a string can't fail.
        let _ = write!(text, ", field {}", shortened(field));
    }
    text + "; the server's text is withheld because it may quote a value of the Secret"
}

/// The field in `failed to create typed patch object (...): .data.password: expected string, got ...`.
fn typed_path(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("failed to create typed patch object (")?;
    let (path, _) = rest.split_once("): ")?.1.split_once(": ")?;
    path.starts_with('.').then_some(path)
}

fn shortened(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(LONGEST);
    format!("{}...", text.get(..end).unwrap_or_default())
}

/// The error that a failed exchange stands for: no connection, a broken stream, credentials that could not be had.
pub(super) fn of_client(error: &kube::Error, texts: Texts) -> ClusterError {
    match error {
        kube::Error::Api(status) => {
            let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            of_answer(code, &serde_json::to_vec(status).unwrap_or_default(), texts)
        }
        kube::Error::Auth(error) => ClusterError::Unauthorized(of_auth(error)),
        // Its text may quote what could not be parsed.
        kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => {
            ClusterError::Other("the API server's answer could not be read".into())
        }
        error => ClusterError::Unreachable(chain(error)),
    }
}

fn of_auth(error: &kube::client::AuthError) -> String {
    match error {
        // Holds the output of the program, which may be a token.
        kube::client::AuthError::AuthExecRun { cmd, out } => {
            format!("the credential program {cmd} of the kubeconfig failed with {}", out.status)
        }
        kube::client::AuthError::AuthExecParse(_) => {
            "the output of the kubeconfig's credential program could not be read".into()
        }
        error => error.to_string(),
    }
}

/// The text of an error and of what caused it, each once: hyper keeps "connection refused" three levels down.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    shortened(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn answer(code: u16, status: Value, texts: Texts) -> ClusterError {
        of_answer(StatusCode::from_u16(code).unwrap(), status.to_string().as_bytes(), texts)
    }

    #[test]
    fn a_conflict_of_apply_names_every_field_and_its_owner() {
        let status = json!({"message": "Apply failed with 1 conflict: conflict with \"x\": .data.a", "reason": "Conflict",
            "details": {"causes": [
                {"reason": "FieldManagerConflict", "message": "conflict with \"x\"", "field": ".data.a"}]}, "code": 409});
        let error = answer(409, status, Texts::Shown);
        assert_eq!(error.to_string(), "fields are owned by others: .data.a: conflict with \"x\"");
        assert!(!error.is_transient());
    }

    #[test]
    fn every_code_has_its_meaning() {
        let of = |code| answer(code, json!({"message": "m", "reason": "R"}), Texts::Shown);
        let m = || "m".to_owned();
        assert_eq!(of(401), ClusterError::Unauthorized(m()));
        assert_eq!(of(403), ClusterError::Forbidden(m()));
        assert_eq!(of(404), ClusterError::NotFound(m()));
        assert_eq!(of(409), ClusterError::Changed(m()));
        assert_eq!(of(400), ClusterError::Invalid(m()));
        assert_eq!(of(405), ClusterError::Other(m()));
        for code in [429, 500, 502, 503, 504] {
            assert_eq!(of(code), ClusterError::Busy(m()), "{code}");
        }
        assert_eq!(of(422), ClusterError::Changed(m()), "a failed test of a JSON patch has no cause");
        let invalid = json!({"message": "m", "details": {"causes": [{"field": "spec.x"}]}});
        assert_eq!(answer(422, invalid, Texts::Shown), ClusterError::Invalid(m()));
    }

    #[test]
    fn fields_that_cannot_be_changed_in_place_are_named() {
        for (field, message) in [
            ("spec.selector", "Invalid value: {\"matchLabels\":{\"app\":\"b\"}}: field is immutable"),
            ("spec.clusterIPs[0]", "Invalid value: [\"None\"]: may not change once set"),
            ("spec", "Forbidden: spec is immutable after creation except resources.requests for bound claims"),
            ("spec", "Forbidden: updates to statefulset spec for fields other than 'replicas', ... are forbidden"),
            ("roleRef", "Invalid value: rbac.RoleRef{}: cannot change roleRef"),
            ("data", "Forbidden: field is immutable when `immutable` is set"),
        ] {
            let causes = json!([{"reason": "FieldValueInvalid", "message": message, "field": field},
                {"reason": "FieldValueInvalid", "message": "must be positive", "field": "spec.other"}]);
            let status = json!({"message": "no", "reason": "Invalid", "details": {"causes": causes}});
            for texts in [Texts::Shown, Texts::Withheld] {
                let error = answer(422, status.clone(), texts);
                assert!(!error.is_transient());
                let ClusterError::Immutable { fields, message } = error else { panic!("{field}: {error}") };
                assert_eq!(fields, [field]);
                assert_eq!(message == "no", texts == Texts::Shown);
            }
        }
    }

    #[test]
    fn what_the_schema_refuses_is_invalid_although_the_server_says_500() {
        let message =
            "failed to create typed patch object (/s; /v1, Kind=ConfigMap): .dat: field not declared in schema";
        let error = answer(500, json!({"message": message}), Texts::Shown);
        assert_eq!(error, ClusterError::Invalid(message.into()));
        let error = answer(500, json!({"message": "etcdserver: leader changed"}), Texts::Shown);
        assert!(error.is_transient(), "{error}");
    }

    #[test]
    fn values_of_secrets_never_reach_a_message() {
        let message = "failed to create typed patch object (/s; /v1, Kind=Secret): .data.password: expected string, got \
            &value.valueUnstructured{Value:123456}";
        let error = answer(500, json!({"message": message}), Texts::Withheld).to_string();
        assert!(error.contains(".data.password") && !error.contains("123456"), "{error}");

        let quoted = "Invalid value: \"{\\\"data\\\":{\\\"b\\\":\\\"aHVudGVyMg==\\\"}}\"";
        let causes = json!([{"reason": "FieldValueInvalid", "message": quoted, "field": "patch"}]);
        let status = json!({"message": quoted, "reason": "Invalid", "details": {"causes": causes}});
        for code in [400, 403, 422, 500] {
            let error = answer(code, status.clone(), Texts::Withheld).to_string();
            assert!(error.contains("field patch") && !error.contains("aHVudGVyMg"), "{code}: {error}");
        }
    }

    #[test]
    fn who_may_not_do_what_is_told_for_secrets_too() {
        let message = "secrets \"s\" is forbidden: User \"u\" cannot get resource \"secrets\" in API group \"\"";
        let error = answer(403, json!({"message": message, "reason": "Forbidden"}), Texts::Withheld);
        assert_eq!(error, ClusterError::Forbidden(message.into()));
    }

    #[test]
    fn an_answer_that_is_no_status_is_passed_on_in_short() {
        let page = of_answer(StatusCode::BAD_GATEWAY, "<html>é".repeat(1_000).as_bytes(), Texts::Shown).to_string();
        assert!(page.starts_with("the API server is busy: <html>") && page.len() < 1_100, "{}", page.len());
        let empty = of_answer(StatusCode::TOO_MANY_REQUESTS, b"", Texts::Shown).to_string();
        assert_eq!(empty, "the API server is busy: 429 Too Many Requests");
    }
}
