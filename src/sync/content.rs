//! Owns what is in a Namespace, or of a defined kind, that would go with it. Must never take for empty what it may not see.

use serde_json::Value;

use crate::cluster::{Cluster, ClusterError, Page};
use crate::object::{GroupKind, Kind, Kinds, ObjectId};

/// How many objects are asked for at once.
const PAGE: u32 = 100;

/// How many pages of one kind are read before what is left counts as content.
const PAGES: usize = 20;

/// Kinds of objects that come and go by themselves.
const TRACES: [(&str, &str); 5] = [
    ("", "Endpoints"),
    ("", "Event"),
    ("coordination.k8s.io", "Lease"),
    ("discovery.k8s.io", "EndpointSlice"),
    ("events.k8s.io", "Event"),
];

/// What a Namespace or a CustomResourceDefinition holds that somebody may miss, in words; `None`: nothing.
///
/// # Errors
/// When it could not be told and may be told later.
pub async fn find<C: Cluster>(cluster: &C, kinds: &Kinds, id: &ObjectId) -> Result<Option<String>, ClusterError> {
    if id.is("", "Namespace") {
        let mut within: Vec<&Kind> = kinds.iter().map(|kind| &**kind).filter(|kind| is_kept(kind)).collect();
        within.sort_by(|a, b| a.group_kind.cmp(&b.group_kind));
        for kind in within {
            if let Some(found) = first(cluster, kind, Some(id.name())).await? {
                return Ok(Some(found));
            }
        }
        return Ok(None);
    }
    let is_defined = |kind: &&Kind| *id.name() == format!("{}.{}", kind.plural, kind.group_kind.group);
    match kinds.iter().map(|kind| &**kind).find(is_defined) {
        Some(kind) => first(cluster, kind, None).await,
        None => Ok(Some("objects of a kind that is not served, so that they cannot be counted".to_owned())),
    }
}

/// Whether objects of the kind are kept in a Namespace: what cannot be deleted is only a view of something else.
fn is_kept(kind: &Kind) -> bool {
    let has = |verb: &str| kind.verbs.iter().any(|served| served == verb);
    let GroupKind { group, kind: name } = &kind.group_kind;
    kind.namespaced && has("list") && has("delete") && !TRACES.contains(&(&**group, &**name))
}

/// The first object of a kind that counts.
async fn first<C: Cluster>(cluster: &C, kind: &Kind, namespace: Option<&str>) -> Result<Option<String>, ClusterError> {
    let mut next = None;
    for _ in 0..PAGES {
        let page = Page { limit: PAGE, next, whole: false };
        let listed = match cluster.list(&kind.group_kind, namespace, page).await {
            Ok(listed) => listed,
            Err(ClusterError::Forbidden(_)) => return Ok(Some(format!("{}, which may not be listed", kind.plural))),
            // It is not served any more.
            Err(ClusterError::NotFound(_) | ClusterError::UnknownKind(_)) if namespace.is_some() => return Ok(None),
            Err(error) => return Err(error),
        };
        let counts = |metadata: &&Value| match namespace {
            Some(_) => is_content(&kind.group_kind, metadata),
            None => !is_going(metadata),
        };
        let metadata = listed.objects.iter().filter_map(|object| object.get("metadata"));
        if let Some(found) = metadata.clone().find(counts) {
            let text = |key: &str| found.get(key).and_then(Value::as_str).unwrap_or_default();
            let id = ObjectId::new(kind.group_kind.clone(), text("namespace"), text("name"));
            return Ok(Some(id.to_string()));
        }
        next = listed.next;
        if next.is_none() {
            return Ok(None);
        }
    }
    Ok(Some(format!("more {} than can be looked at", kind.plural)))
}

fn is_going(metadata: &Value) -> bool {
    metadata.get("deletionTimestamp").is_some_and(|time| !time.is_null())
}

/// Whether somebody may miss the object: nobody misses what the server makes for each Namespace, what goes with its owner,
/// and what is going already.
fn is_content(kind: &GroupKind, metadata: &Value) -> bool {
    let name = metadata.get("name").and_then(Value::as_str).unwrap_or_default();
    let is_default = matches!(
        (&*kind.group, &*kind.kind, name),
        ("", "ConfigMap", "kube-root-ca.crt") | ("", "ServiceAccount", "default")
    );
    let owners = metadata.get("ownerReferences").and_then(Value::as_array);
    let is_owned = owners.is_some_and(|owners| !owners.is_empty());
    !is_default && !is_owned && !is_going(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn decision_22_what_nobody_misses_is_no_content() {
        let content = |group: &str, kind: &str, metadata: Value| is_content(&GroupKind::new(group, kind), &metadata);
        assert!(content("", "ConfigMap", json!({"name": "settings"})));
        assert!(!content("", "ConfigMap", json!({"name": "kube-root-ca.crt"})));
        assert!(!content("", "ServiceAccount", json!({"name": "default"})));
        assert!(content("", "ServiceAccount", json!({"name": "builder"})));
        assert!(!content("", "Pod", json!({"name": "web-1", "ownerReferences": [{"kind": "ReplicaSet"}]})));
        assert!(!content("", "Pod", json!({"name": "bare", "deletionTimestamp": "2026-01-01T00:00:00Z"})));
        assert!(content("", "Pod", json!({"name": "bare"})));
    }
}
