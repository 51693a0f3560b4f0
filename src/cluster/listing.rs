//! Owns one page of a list, asked for once: what is in a namespace, without what the objects say. Must never ask for more
//! than a page at a time.

use serde_json::Value;

use super::address::{encoded, in_namespace, of_kind, of_version};
use super::client::Connection;
use super::error::{ClusterError, Texts};
use super::request::Call;
use crate::object::Kind;

/// Metadata is all that is needed; a server that has no such form gives whole objects.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/// Which part of a list is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// How many objects at most.
    pub limit: u32,
    /// What the page before named; `None`: the first page.
    pub next: Option<String>,
}

/// A page of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listed {
    /// The metadata of each object.
    pub metadata: Vec<Value>,
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
    let call = Call::get(format!("{path}?limit={}{next}", page.limit)).accepting(METADATA);
    let list: Value = connection.json(&call.with_texts(Texts::of(&kind.group_kind))).await?;
    let items = match list.get("items") {
        Some(Value::Array(items)) => items.as_slice(),
        // So the server spells an empty list of some kinds.
        Some(Value::Null) => &[],
        _ => return Err(ClusterError::Other(format!("the list of {} could not be read", kind.plural))),
    };
    let next = list.pointer("/metadata/continue").and_then(Value::as_str).filter(|next| !next.is_empty());
    Ok(Listed {
        metadata: items.iter().map(|item| item.get("metadata").cloned().unwrap_or_default()).collect(),
        next: next.map(str::to_owned),
    })
}
