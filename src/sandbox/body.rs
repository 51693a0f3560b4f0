//! Owns the reading of what a write brings: into the server's types, with the right kind and name. Must never look at what
//! is stored.

use serde_json::Value;

use super::request::Validation;
use super::status::Status;
use super::write::{Writer, text};
use super::{decode, typed};

impl Writer<'_> {
    /// A whole object as a client sent it.
    pub(super) fn decoded(&self, mut body: Value) -> Result<(Value, Vec<String>), Status> {
        let wanted = self.kind();
        if !body.is_object() {
            let why = format!("the object provided is unrecognized (must be of type {wanted})");
            return Err(Status::bad_request(why));
        }
        let (api_version, kind) = (text(&body, "/apiVersion").to_owned(), text(&body, "/kind").to_owned());
        let version = api_version.rsplit('/').next().unwrap_or("").to_owned();
        if !api_version.is_empty() && api_version != self.api_version() {
            let expected = self.api_version();
            return Err(Status::bad_request(format!(
                "the API version in the data ({api_version}) does not match the expected API version ({expected})"
            )));
        }
        let refused = |why: &str| {
            let kind = if kind.is_empty() { wanted } else { kind.as_str() };
            let version = if version.is_empty() { "v1" } else { version.as_str() };
            let message = format!("{kind} in version \"{version}\" cannot be handled as a {wanted}: {why}");
            Status::bad_request(message)
        };
        if !kind.is_empty() && kind != wanted {
            return Err(refused("it is of another kind"));
        }
        if let Value::Object(body) = &mut body {
            body.insert("kind".into(), wanted.into());
            body.insert("apiVersion".into(), self.api_version().into());
        }
        let decoded = decode::decode_as(&self.of(), body).map_err(|why| refused(&why))?;
        let warnings = self.warnings(&decoded.unknown).map_err(|why| refused(&why))?;
        Ok((decoded.object, warnings))
    }

    /// An object as a patch left it.
    pub(super) fn decoded_patch(&self, mut result: Value) -> Result<(Value, Vec<String>), Status> {
        let shown = result.clone();
        if text(&result, "/kind") != self.kind() || text(&result, "/apiVersion") != self.api_version() {
            return Err(Status::invalid_patch(&shown, "a patch may not change apiVersion and kind"));
        }
        if let Value::Object(result) = &mut result {
            result.insert("kind".into(), self.kind().into());
            result.insert("apiVersion".into(), self.api_version().into());
        }
        let decoded = decode::decode_as(&self.of(), result).map_err(|why| Status::invalid_patch(&shown, &why))?;
        let warnings = self.warnings(&decoded.unknown).map_err(|why| Status::invalid_patch(&shown, &why))?;
        Ok((decoded.object, warnings))
    }

    fn warnings(&self, unknown: &[String]) -> Result<Vec<String>, String> {
        let texts: Vec<_> = unknown.iter().map(|path| format!("unknown field {path:?}")).collect();
        match self.asked.validation {
            Validation::Strict if !texts.is_empty() => Err(format!("strict decoding error: {}", texts.join(", "))),
            Validation::Ignore => Ok(Vec::new()),
            _ => Ok(texts),
        }
    }

    /// What an apply may not say.
    pub(super) fn check_config(&self, config: &Value) -> Result<(), Status> {
        let (api_version, kind) = (text(config, "/apiVersion"), text(config, "/kind"));
        if api_version != self.api_version() || kind != self.kind() {
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            return Err(Status::bad_request(format!("invalid object type: {group}/{version}, Kind={kind}")));
        }
        let name = &self.target.name;
        if text(config, "/metadata/name").is_empty() {
            let why = format!("the name of the object ({name} based on URL) was undeterminable: name must be provided");
            return Err(Status::bad_request(why));
        }
        self.check_name(config)?;
        if config.pointer("/metadata/managedFields").is_some_and(|entries| !entries.is_null()) {
            return Err(Status::bad_request("metadata.managedFields must be nil"));
        }
        typed::check(config, &self.of(), self.tracker(&[]).view).map_err(|why| {
            let named = format!("{}/{}", text(config, "/metadata/namespace"), text(config, "/metadata/name"));
            let kind = self.gvk();
            Status::internal(format!("failed to create typed patch object ({named}; {kind}): {why}"))
        })
    }

    fn gvk(&self) -> String {
        if self.is_scale() { "autoscaling/v1, Kind=Scale".into() } else { self.resource().gvk() }
    }

    /// A merged object through the server's own types.
    pub(super) fn converted(&self, object: Value, config: &Value) -> Result<Value, Status> {
        let decoded = decode::decode_as(&self.of(), object).map_err(|why| {
            let named = format!("{}/{}", text(config, "/metadata/namespace"), text(config, "/metadata/name"));
            let kind = self.gvk();
            Status::internal(format!(
                "failed to convert new object ({named}; {kind}) to proper version: unable to convert unstructured object \
                 to {kind}: error decoding from json: {why}"
            ))
        })?;
        Ok(decoded.object)
    }

    pub(super) fn check_name(&self, object: &Value) -> Result<(), Status> {
        let (name, namespace) = (text(object, "/metadata/name"), text(object, "/metadata/namespace"));
        let wanted = &self.target.name;
        if !name.is_empty() && name != wanted {
            let why = format!("the name of the object ({name}) does not match the name on the URL ({wanted})");
            return Err(Status::bad_request(why));
        }
        if !namespace.is_empty() && namespace != self.target.namespace {
            let why = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(Status::bad_request(why));
        }
        Ok(())
    }
}
