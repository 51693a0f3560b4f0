//! Owns the identity of an object: group, kind, namespace and name, never the version. Must never do I/O.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// Group and kind of an object, without its version. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKind {
    /// API group; empty for the core group.
    pub group: Arc<str>,
    /// Kind as the API spells it, for example `Deployment`.
    pub kind: Arc<str>,
}

impl GroupKind {
    /// A group and kind; `group` is empty for the core group.
    pub fn new(group: &str, kind: &str) -> Self {
        Self { group: group.into(), kind: kind.into() }
    }
}

impl fmt::Display for GroupKind {
    /// `Deployment.apps`, or `ConfigMap` in the core group.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() { f.write_str(&self.kind) } else { write!(f, "{}.{}", self.kind, self.group) }
    }
}

impl fmt::Debug for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Group and version as `apiVersion` spells them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApiVersion {
    /// API group; empty for the core group.
    pub group: Arc<str>,
    /// Version, for example `v1`.
    pub version: Arc<str>,
}

impl ApiVersion {
    /// Reads `apps/v1` or `v1`. Never fails: what follows the last `/` is the version.
    pub fn parse(text: &str) -> Self {
        match text.rsplit_once('/') {
            Some((group, version)) => Self { group: group.into(), version: version.into() },
            None => Self { group: "".into(), version: text.into() },
        }
    }

    /// The `apiVersion` of an object; `None` when it is missing, empty or not a string.
    pub fn of(object: &Value) -> Option<Self> {
        object.get("apiVersion").and_then(Value::as_str).filter(|text| !text.is_empty()).map(Self::parse)
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() { f.write_str(&self.version) } else { write!(f, "{}/{}", self.group, self.version) }
    }
}

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Parts {
    kind: GroupKind,
    /// Empty for a cluster-scoped object.
    namespace: Box<str>,
    name: Box<str>,
}

/// Identity of an object. Cloning is cheap; ordering is by group, kind, namespace, name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(Arc<Parts>);

impl ObjectId {
    /// An identity; an empty `namespace` means cluster-scoped (or not yet defaulted).
    pub fn new(kind: GroupKind, namespace: &str, name: &str) -> Self {
        Self(Arc::new(Parts { kind, namespace: namespace.into(), name: name.into() }))
    }

    /// The identity that an object's own `apiVersion`, `kind` and `metadata` give.
    /// `None` when one of apiVersion, kind and name is missing, empty or not a string.
    pub fn of(object: &Value) -> Option<Self> {
        let api_version = ApiVersion::of(object)?;
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        let kind = GroupKind { group: api_version.group, kind: text("/kind")?.into() };
        Some(Self::new(kind, text("/metadata/namespace").unwrap_or(""), text("/metadata/name")?))
    }

    /// Group and kind.
    pub fn group_kind(&self) -> &GroupKind {
        &self.0.kind
    }

    /// API group; empty for the core group.
    pub fn group(&self) -> &str {
        &self.0.kind.group
    }

    /// Kind.
    pub fn kind(&self) -> &str {
        &self.0.kind.kind
    }

    /// Namespace; `None` for a cluster-scoped object.
    pub fn namespace(&self) -> Option<&str> {
        Some(&*self.0.namespace).filter(|namespace| !namespace.is_empty())
    }

    /// Name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The same object in another namespace (empty: cluster-scoped).
    pub fn with_namespace(&self, namespace: &str) -> Self {
        Self::new(self.0.kind.clone(), namespace, &self.0.name)
    }

    /// Whether this is of `group` and `kind`.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.group() == group && self.kind() == kind
    }
}

impl fmt::Display for ObjectId {
    /// `Deployment.apps shop/web`, `ConfigMap shop/settings`, `Namespace shop`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace() {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.0.kind, self.0.name),
            None => write!(f, "{} {}", self.0.kind, self.0.name),
        }
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn identity_is_read_without_the_version() {
        let object =
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}});
        let id = ObjectId::of(&object).unwrap();
        assert_eq!(id.to_string(), "Deployment.apps shop/web");
        assert_eq!(id, ObjectId::new(GroupKind::new("apps", "Deployment"), "shop", "web"));
        assert_eq!(id.with_namespace("").to_string(), "Deployment.apps web");
    }

    #[test]
    fn an_object_without_a_name_has_no_identity() {
        for object in [
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "a-"}}),
            json!({"kind": "Pod"}),
            json!([]),
        ] {
            assert_eq!(ObjectId::of(&object), None, "{object}");
        }
    }
}
