//! Owns the way from an HTTP request to the store and back. Must never decide what a verb means; that is the store's.

use axum::body::Body as HttpBody;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use axum::http::{HeaderMap, Method, Response};
use serde_json::{Value, json};

use crate::manifest;

use super::kinds::Resource;
use super::kinds::Subresource;
use super::list::{list, selector};
use super::patch::Patch;
use super::request::{Body, Target};
use super::respond::{Form, json_response, response, warn};
use super::route::{Query, Route, route};
use super::server::App;
use super::status::{Cause, Status};
use super::store::DeleteOptions;
use super::verbs::{Written, scale_of};
use super::watch::Watch;
use super::{discovery, openapi, protobuf};

/// Larger bodies are refused, as by a real server.
const MAX_BODY: usize = 3 << 20;

/// Answers one request.
pub(super) async fn handle(State(app): State<App>, request: Request) -> Response<HttpBody> {
    let (parts, body) = request.into_parts();
    let query = Query::read(parts.uri.query().unwrap_or(""));
    let path = parts.uri.path().to_owned();
    let route = route(&path);
    app.count(verb(&route, &parts.method, &query), &path);
    let body = match axum::body::to_bytes(body, MAX_BODY).await {
        Ok(body) => body,
        Err(_) => {
            let message = format!("Request entity too large: limit is {MAX_BODY}");
            return json_response(413, &Status::new(413, "RequestEntityTooLarge", message).to_value());
        }
    };
    let call = Call { app: &app, method: parts.method, headers: parts.headers, query, body: body.to_vec() };
    match call.answer(route) {
        Ok(response) => response,
        Err(status) => json_response(status.code, &status.to_value()),
    }
}

/// The verb of a request, in the API's words.
fn verb(route: &Route, method: &Method, query: &Query) -> &'static str {
    match (method.as_str(), route) {
        ("GET", Route::Collection { .. }) if query.is_on("watch") => "watch",
        ("GET", Route::Collection { .. }) => "list",
        ("GET", _) => "get",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", Route::Collection { .. }) => "deletecollection",
        ("DELETE", _) => "delete",
        _ => "other",
    }
}

struct Call<'a> {
    app: &'a App,
    method: Method,
    headers: HeaderMap,
    query: Query,
    body: Vec<u8>,
}

type Answer = Result<Response<HttpBody>, Status>;

fn plain_not_found() -> Response<HttpBody> {
    response(404, "text/plain; charset=utf-8", "404 page not found\n")
}

impl Call<'_> {
    fn header(&self, name: axum::http::HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    fn form(&self) -> Result<Form, Status> {
        Form::read(&self.headers, &self.query)
    }

    fn answer(&self, route: Route) -> Answer {
        match route {
            Route::Collection { resource, namespace } => self.collection(resource, &namespace),
            Route::Object(target) => self.object(&target),
            Route::NotFound => Ok(plain_not_found()),
            Route::NoResource => Err(Status::no_such_resource()),
            _ if self.method != Method::GET => Err(Status::method_not_allowed()),
            route => self.document(&route),
        }
    }

    fn document(&self, route: &Route) -> Answer {
        let found = match route {
            Route::Groups { core } if self.form()? == Form::Aggregated => {
                let body = format!("{}\n", discovery::aggregated(*core));
                return Ok(response(200, discovery::AGGREGATED, body));
            }
            Route::Groups { core: true } => Some(discovery::core_versions(self.header(HOST))),
            Route::Groups { core: false } => Some(discovery::group_list()),
            Route::Group(group) => discovery::group(group),
            Route::Resources { group, version } => discovery::resource_list(group, version),
            Route::Version => Some(discovery::version()),
            Route::Health => return Ok(response(200, "text/plain; charset=utf-8", "ok")),
            Route::OpenApi(path) if path.is_empty() => Some(openapi::index()),
            Route::OpenApi(path) => {
                let Some((text, hash)) = openapi::text(path) else { return Ok(response(404, "text/plain", "")) };
                let mut response = response(200, "application/json", text);
                if let Ok(tag) = format!("\"{hash}\"").parse() {
                    response.headers_mut().insert(axum::http::header::ETAG, tag);
                }
                return Ok(response);
            }
            _ => None,
        };
        Ok(found.map_or_else(plain_not_found, |found| json_response(200, &found)))
    }

    fn collection(&self, resource: &'static Resource, namespace: &str) -> Answer {
        let needs_namespace = resource.namespaced && namespace.is_empty();
        match self.method.as_str() {
            "GET" if self.query.is_on("watch") => {
                let (form, stopped) = (self.form()?, self.app.stopped.clone());
                let watch = Watch::start(&self.app.store, resource, namespace, &self.query, form, stopped)?;
                Ok(response(200, "application/json", HttpBody::from_stream(watch.into_stream())))
            }
            "GET" => {
                let form = self.form()?;
                let listed = list(&self.app.store, resource, namespace, &self.query)?;
                Ok(json_response(200, &form.of_list(resource, listed.metadata, listed.objects)?))
            }
            "POST" if resource.allows("create") && !needs_namespace => {
                let asked = self.query.asked("CreateOptions", false, self.header(USER_AGENT))?;
                let target = Target { resource, namespace: namespace.into(), name: String::new(), subresource: None };
                let form = self.form()?;
                let written = self.app.store.post(&target, self.object_body(&target)?, &asked)?;
                Ok(written_response(form, &target, written))
            }
            "DELETE" if resource.allows("deletecollection") && !needs_namespace => {
                let selector = selector(resource, &self.query)?;
                let options = self.delete_options()?;
                let removed = self.app.store.remove_all(resource, namespace, &selector, options.dry_run)?;
                let metadata = json!({"resourceVersion": self.app.store.resource_version().to_string()});
                Ok(json_response(200, &Form::Whole.of_list(resource, metadata, removed)?))
            }
            _ => Err(Status::method_not_allowed()),
        }
    }

    fn object(&self, target: &Target) -> Answer {
        let resource = target.resource;
        let form = self.form()?;
        let store = &self.app.store;
        match self.method.as_str() {
            "GET" => {
                let version = self.query.resource_version()?.unwrap_or(0);
                let current = store.resource_version();
                if version > current {
                    return Err(Status::too_large(version, current));
                }
                let object = store.read(target)?;
                if target.subresource == Some(Subresource::Scale) {
                    return Ok(json_response(200, &scale_of(&object)));
                }
                Ok(json_response(200, &form.of_object(resource, object)))
            }
            "PUT" if resource.allows("update") => {
                let asked = self.query.asked("UpdateOptions", false, self.header(USER_AGENT))?;
                let written = store.write(target, Body::Put(self.object_body(target)?), &asked)?;
                Ok(written_response(form, target, written))
            }
            "PATCH" if resource.allows("patch") => {
                let body = self.patch_body()?;
                let is_apply = matches!(body, Body::Apply(_));
                let asked = self.query.asked("PatchOptions", is_apply, self.header(USER_AGENT))?;
                Ok(written_response(form, target, store.write(target, body, &asked)?))
            }
            "DELETE" if resource.allows("delete") && target.subresource.is_none() => {
                let options = self.delete_options()?;
                Ok(json_response(200, &store.remove(target, &options)?))
            }
            _ => Err(Status::method_not_allowed()),
        }
    }

    fn media_type(&self) -> &str {
        self.header(CONTENT_TYPE).split(';').next().unwrap_or("").trim()
    }

    fn object_body(&self, target: &Target) -> Result<Value, Status> {
        match self.media_type() {
            "" | "application/json" => serde_json::from_slice(&self.body).map_err(|error| {
                Status::bad_request(format!(
                    "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse \
                     error: {error}",
                    target.resource.kind
                ))
            }),
            "application/yaml" => yaml(&self.body),
            protobuf::MEDIA_TYPE => protobuf::read(&self.body, type_name(target))
                .ok_or_else(|| Status::bad_request("the body of the request is no protobuf of this kind")),
            _ => Err(Status::unsupported_body()),
        }
    }

    fn patch_body(&self) -> Result<Body, Status> {
        let decoded = || {
            serde_json::from_slice(&self.body)
                .map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))
        };
        Ok(match self.media_type() {
            "application/json-patch+json" => Body::Patch(Patch::Json(decoded()?)),
            "application/merge-patch+json" => Body::Patch(Patch::Merge(decoded()?)),
            "application/strategic-merge-patch+json" => Body::Patch(Patch::Strategic(decoded()?)),
            "application/apply-patch+yaml" => Body::Apply(yaml(&self.body)?),
            _ => return Err(Status::unsupported_patch()),
        })
    }

    fn delete_options(&self) -> Result<DeleteOptions, Status> {
        if self.media_type() == protobuf::MEDIA_TYPE && !self.body.is_empty() {
            // Not read, so its preconditions would be lost.
            return Err(Status::unsupported_body());
        }
        let body: Value = if self.body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&self.body).map_err(|error| Status::bad_request(error.to_string()))?
        };
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(String::from);
        let policy = text("/propagationPolicy").unwrap_or_else(|| self.query.get("propagationPolicy").to_owned());
        if !["", "Foreground", "Background", "Orphan"].contains(&policy.as_str()) {
            let supported = &["Foreground", "Background", "Orphan", "nil"];
            let cause = Cause::unsupported("propagationPolicy", &format!("{policy:?}"), supported);
            return Err(Status::invalid_kind("meta.k8s.io", "DeleteOptions", "", &[cause]));
        }
        let dry_run = body.pointer("/dryRun/0").and_then(Value::as_str) == Some("All") || self.query.is_dry_run();
        Ok(DeleteOptions {
            uid: text("/preconditions/uid"),
            resource_version: text("/preconditions/resourceVersion"),
            dry_run,
        })
    }
}

fn written_response(form: Form, target: &Target, written: Written) -> Response<HttpBody> {
    let code = if written.created { 201 } else { 200 };
    let is_scale = target.subresource == Some(Subresource::Scale);
    let body = if is_scale { written.object } else { form.of_object(target.resource, written.object) };
    let mut response = json_response(code, &body);
    warn(&mut response, &written.warnings);
    response
}

fn type_name(target: &Target) -> &'static str {
    match target.subresource {
        Some(Subresource::Scale) => "io.k8s.api.autoscaling.v1.Scale",
        _ => target.resource.type_name,
    }
}

/// A body that may be JSON or YAML.
fn yaml(body: &[u8]) -> Result<Value, Status> {
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        return map_only(value);
    }
    let refused =
        |why: String| Status::bad_request(format!("error decoding YAML: error converting YAML to JSON: yaml: {why}"));
    let text = std::str::from_utf8(body).map_err(|error| refused(error.to_string()))?;
    let caps = manifest::Caps::default();
    let document = manifest::split(text).into_iter().find(|document| !document.is_empty());
    match document.map(|document| document.load(&caps)).transpose() {
        Ok(value) => map_only(value.unwrap_or_default()),
        Err(error) => Err(refused(error.to_string())),
    }
}

fn map_only(value: Value) -> Result<Value, Status> {
    match value {
        Value::Object(_) => Ok(value),
        Value::Null => Ok(json!({})),
        _ => Err(Status::bad_request(
            "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal into Go value of type \
             map[string]interface {}",
        )),
    }
}
