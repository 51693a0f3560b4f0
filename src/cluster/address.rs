//! Owns the paths under which the API server serves kinds and objects. Must never let a name escape its segment.

use std::fmt::Write as _;

use super::error::ClusterError;
use crate::object::{Kind, ObjectId};

/// The path of every object of a kind, over all namespaces: `/api/v1/configmaps`, `/apis/apps/v1/deployments`.
pub(super) fn of_kind(kind: &Kind, version: &str) -> String {
    format!("{}/{}", of_version(kind, version), encoded(&kind.plural))
}

/// The path of one object: `/apis/apps/v1/namespaces/shop/deployments/web`.
///
/// # Errors
///
/// [`ClusterError::Invalid`] when the namespace is missing or a name could not be one.
pub(super) fn of_object(kind: &Kind, version: &str, id: &ObjectId) -> Result<String, ClusterError> {
    let name = segment(id.name(), "name")?;
    let (root, plural) = (of_version(kind, version), encoded(&kind.plural));
    if !kind.namespaced {
        return Ok(format!("{root}/{plural}/{name}"));
    }
    let namespace = id.namespace().ok_or_else(|| ClusterError::Invalid("metadata.namespace is missing".into()))?;
    Ok(format!("{root}/namespaces/{}/{plural}/{name}", segment(namespace, "namespace")?))
}

/// The path of one kind in one namespace.
///
/// # Errors
///
/// [`ClusterError::Invalid`] when the namespace could not be one.
pub(super) fn in_namespace(api: &str, namespace: &str, plural: &str) -> Result<String, ClusterError> {
    Ok(format!("{api}/namespaces/{}/{plural}", segment(namespace, "namespace")?))
}

/// The path of a group and version: `/api/v1`, `/apis/apps/v1`.
pub(super) fn of_version(kind: &Kind, version: &str) -> String {
    let group = &*kind.group_kind.group;
    if group.is_empty() {
        format!("/api/{}", encoded(version))
    } else {
        format!("/apis/{}/{}", encoded(group), encoded(version))
    }
}

/// What no API server accepts as a name, it must not be asked for: `..` would be another object's path.
fn segment(text: &str, what: &str) -> Result<String, ClusterError> {
    if matches!(text, "" | "." | "..") || text.contains(['/', '%']) {
        return Err(ClusterError::Invalid(format!("metadata.{what} {text:?} is not possible: see RFC 1123")));
    }
    Ok(encoded(text))
}

/// Percent-encodes everything but what RFC 3986 leaves unreserved, and `:`, which RBAC names hold.
pub(super) fn encoded(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            result.push(char::from(byte));
        } else {
            // Writing into a string can't fail.
            let _ = write!(result, "%{byte:02X}");
        }
    }
    result
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::object::GroupKind;

    pub(in crate::cluster) fn kind(group: &str, kind: &str, plural: &str, namespaced: bool) -> Kind {
        Kind {
            group_kind: GroupKind::new(group, kind),
            versions: vec!["v1".into()],
            plural: plural.into(),
            singular: kind.to_lowercase(),
            short_names: Vec::new(),
            namespaced,
            verbs: ["get", "list", "watch"].map(String::from).to_vec(),
            scalable: false,
        }
    }

    #[test]
    fn paths_are_the_servers() {
        let deployment = kind("apps", "Deployment", "deployments", true);
        let role = kind("rbac.authorization.k8s.io", "ClusterRole", "clusterroles", false);
        let map = kind("", "ConfigMap", "configmaps", true);
        let id = |kind: &Kind, namespace, name| ObjectId::new(kind.group_kind.clone(), namespace, name);
        assert_eq!(of_kind(&map, "v1"), "/api/v1/configmaps");
        assert_eq!(
            of_object(&deployment, "v1", &id(&deployment, "shop", "web")).unwrap(),
            "/apis/apps/v1/namespaces/shop/deployments/web"
        );
        assert_eq!(
            of_object(&role, "v1", &id(&role, "", "system:a b?")).unwrap(),
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:a%20b%3F"
        );
    }

    #[test]
    fn names_that_would_lead_elsewhere_are_refused() {
        let map = kind("", "ConfigMap", "configmaps", true);
        for (namespace, name) in [("a", ".."), ("a", "b/c"), ("..", "b"), ("a", "b%2Fc"), ("", "b"), ("a", "")] {
            let id = ObjectId::new(map.group_kind.clone(), namespace, name);
            assert!(matches!(of_object(&map, "v1", &id), Err(ClusterError::Invalid(_))), "{namespace:?} {name:?}");
        }
    }
}
