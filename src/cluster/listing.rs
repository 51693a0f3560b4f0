//! Owns one page of a list, asked for once: the objects of a kind, whole or without what they say. Must never ask for more
//! than a page at a time.

use std::time::Duration;

use serde_json::Value;

use super::address::{encoded, in_namespace, of_kind, of_version};
use super::client::Connection;
use super::error::{ClusterError, Texts};
use super::request::Call;
use crate::object::Kind;

/// Metadata is all that is needed; a server that has no such form gives whole objects.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/// How long a page of whole objects may take: large ones need longer than a single call.
pub(super) const PAGE_LIMIT: Duration = Duration::from_secs(60);

/// Which part of a list is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// How many objects at most.
    pub limit: u32,
    /// What the page before named; `None`: the first page.
    pub next: Option<String>,
    /// Whether the objects come whole; otherwise their metadata is all that there is.
    pub whole: bool,
}

/// A page of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listed {
    /// The objects, whole or with their metadata alone.
    pub objects: Vec<Value>,
    /// What names the next page; `None`: this was the last.
    pub next: Option<String>,
}

/// See [`super::Cluster::list`].
pub(super) async fn list(
    connection: &Connection,
    kind: &Kind,
    namespace: Option<&str>,
    page: &Page,
) -> Result<Listed, ClusterError> {
    let version = kind.preferred_version();
    let path = match namespace {
        Some(namespace) => in_namespace(&of_version(kind, version), namespace, &encoded(&kind.plural))?,
        None => of_kind(kind, version),
    };
    let next = page.next.as_ref().map(|next| format!("&continue={}", encoded(next))).unwrap_or_default();
    let call = Call::get(format!("{path}?limit={}{next}", page.limit));
    let (call, connection) = match page.whole {
        true => (call, connection.with_limit(PAGE_LIMIT)),
        false => (call.accepting(METADATA), connection.clone()),
    };
    let mut list: Value = connection.json(&call.with_texts(Texts::of(&kind.group_kind))).await?;
    let next = list.pointer("/metadata/continue").and_then(Value::as_str).filter(|next| !next.is_empty());
    let next = next.map(str::to_owned);
    let text = |key: &str| list.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, list_kind) = (text("apiVersion"), text("kind"));
    let mut objects = match list.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        // So the server spells an empty list of some kinds.
        Some(Value::Null) => Vec::new(),
        _ => return Err(ClusterError::Other(format!("the list of {} could not be read", kind.plural))),
    };
    let item_kind = list_kind.strip_suffix("List").unwrap_or_default();
    objects.iter_mut().for_each(|object| complete(object, &api_version, item_kind));
    Ok(Listed { objects, next })
}

/// The items of a list of a built-in kind do not say what they are.
pub(super) fn complete(object: &mut Value, api_version: &str, kind: &str) {
    let Value::Object(map) = object else { return };
    for (place, (key, value)) in [("apiVersion", api_version), ("kind", kind)].into_iter().enumerate() {
        if !map.contains_key(key) {
            map.shift_insert(place.min(map.len()), key.to_owned(), value.into());
        }
    }
}
