//! Owns the forms in which an answer can be asked for: whole objects, tables, metadata only. Must never change what is
//! stored.

use axum::body::Body;
use axum::http::header::{ACCEPT, CONTENT_TYPE, WARNING};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::events;
use super::kinds::Resource;
use super::route::Query;
use super::status::Status;
use super::table;

/// A form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Whole,
    Table(Include),
    /// Metadata of one object.
    Metadata,
    /// Metadata of the objects of a list.
    MetadataList,
    /// Aggregated discovery.
    Aggregated,
}

/// What a row of a table carries beside its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Include {
    Nothing,
    Metadata,
    Object,
}

impl Form {
    /// The first form in `Accept` that is served.
    ///
    /// # Errors
    ///
    /// 406 when there is none.
    pub fn read(headers: &HeaderMap, query: &Query) -> Result<Self, Status> {
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
        if accept.trim().is_empty() {
            return Ok(Self::Whole);
        }
        let include = match query.get("includeObject") {
            "None" => Include::Nothing,
            "Object" => Include::Object,
            _ => Include::Metadata,
        };
        let form = accept.split(',').find_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            if !["application/json", "application/*", "*/*"].contains(&parts.next().unwrap_or("")) {
                return None;
            }
            match parts.find_map(|part| part.strip_prefix("as=")) {
                None => Some(Self::Whole),
                Some("Table") => Some(Self::Table(include)),
                Some("PartialObjectMetadata") => Some(Self::Metadata),
                Some("PartialObjectMetadataList") => Some(Self::MetadataList),
                Some("APIGroupDiscoveryList") => Some(Self::Aggregated),
                Some(_) => None,
            }
        });
        form.ok_or_else(Status::not_acceptable)
    }

    /// One object in this form.
    pub fn of_object(self, resource: &Resource, object: Value) -> Value {
        match self {
            Self::Table(include) => {
                let version = object.pointer("/metadata/resourceVersion").cloned();
                let row = row(resource, object, include);
                table_value(resource, json!({"resourceVersion": version}), vec![row])
            }
            Self::Metadata | Self::MetadataList => metadata_of(&object),
            Self::Whole | Self::Aggregated => object,
        }
    }

    /// A list in this form. `metadata` is that of the list.
    ///
    /// # Errors
    ///
    /// 406 when this is the form of one object only.
    pub fn of_list(self, resource: &Resource, metadata: Value, objects: Vec<Value>) -> Result<Value, Status> {
        Ok(match self {
            Self::Table(include) => {
                let rows = objects.into_iter().map(|object| row(resource, object, include)).collect();
                table_value(resource, metadata, rows)
            }
            Self::Metadata => {
                let message = format!(
                    "you requested PartialObjectMetadata, but the requested object is a list (*core.{}List)",
                    resource.kind
                );
                return Err(Status::new(406, "NotAcceptable", message));
            }
            Self::MetadataList => {
                let items: Vec<_> = objects.iter().map(metadata_of).collect();
                json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
                       "items": items})
            }
            Self::Whole | Self::Aggregated => {
                let items: Vec<_> = objects.into_iter().map(without_kind).collect();
                json!({"kind": format!("{}List", resource.kind), "apiVersion": resource.api_version(),
                       "metadata": metadata, "items": items})
            }
        })
    }
}

/// Items of a list of one kind do not repeat it.
fn without_kind(object: Value) -> Value {
    let Value::Object(mut object) = object else { return object };
    object.remove("kind");
    object.remove("apiVersion");
    Value::Object(object)
}

fn metadata_of(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object.get("metadata")})
}

fn row(resource: &Resource, object: Value, include: Include) -> Value {
    let shown = match include {
        Include::Nothing => Value::Null,
        Include::Metadata => metadata_of(&object),
        Include::Object => object.clone(),
    };
    let cells = table::cells(resource, &events::to_stored(resource, object), jiff::Timestamp::now());
    json!({"cells": cells, "object": shown})
}

fn table_value(resource: &Resource, metadata: Value, rows: Vec<Value>) -> Value {
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
           "columnDefinitions": table::definitions(resource), "rows": rows})
}

/// A bookmark of a watch: an object of the kind that says a version and nothing else.
pub(super) fn bookmark(form: Form, resource: &Resource, version: u64, ends_list: bool) -> Value {
    let mut metadata = Map::new();
    metadata.insert("resourceVersion".into(), version.to_string().into());
    if ends_list {
        metadata.insert("annotations".into(), json!({"k8s.io/initial-events-end": "true"}));
    }
    let metadata = Value::Object(metadata);
    match form {
        Form::Table(_) => table_value(resource, metadata, Vec::new()),
        Form::Metadata | Form::MetadataList => {
            json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
        }
        Form::Whole | Form::Aggregated => {
            let mut object = super::decode::empty(resource);
            if let Value::Object(object) = &mut object {
                object.insert("metadata".into(), metadata);
            }
            object
        }
    }
}

/// An answer with a JSON body.
pub(super) fn json_response(code: u16, body: &Value) -> Response<Body> {
    response(code, "application/json", format!("{body}\n"))
}

/// An answer with any body.
pub(super) fn response(code: u16, content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Adds warnings, which kubectl prints.
pub(super) fn warn(response: &mut Response<Body>, warnings: &[String]) {
    for warning in warnings {
        let text = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{text}\"")) {
            response.headers_mut().append(WARNING, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(accept: &str) -> Result<Form, Status> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
        Form::read(&headers, &Query::default())
    }

    #[test]
    fn the_first_form_that_is_served_is_taken() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
        assert_eq!(form(table), Ok(Form::Table(Include::Metadata)));
        assert_eq!(form("application/vnd.kubernetes.protobuf,application/json"), Ok(Form::Whole));
        assert_eq!(form("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"), Ok(Form::Metadata));
        assert_eq!(form(super::super::discovery::AGGREGATED), Ok(Form::Aggregated));
        assert_eq!(form("*/*"), Ok(Form::Whole));
        assert_eq!(form("application/xml").unwrap_err().code, 406);
    }
}
