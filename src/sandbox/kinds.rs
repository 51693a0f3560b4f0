//! Owns the kinds that the sandbox serves: their names, verbs and subresources. Must never hold objects.

use std::sync::LazyLock;

use crate::object::ApiVersion;

/// One kind as one group-version serves it.
#[derive(Debug)]
pub(super) struct Resource {
    pub group: String,
    pub version: String,
    pub kind: String,
    pub plural: String,
    pub singular: String,
    pub short_names: &'static [&'static str],
    pub categories: &'static [&'static str],
    pub namespaced: bool,
    pub verbs: &'static [&'static str],
    pub subresources: &'static [Subresource],
    /// Name of its type in the OpenAPI documents.
    pub type_name: &'static str,
    /// PUT of a name that does not exist makes the object.
    pub put_creates: bool,
}

/// A part of an object with a path of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subresource {
    Status,
    Scale,
}

impl Subresource {
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Scale => "scale",
        }
    }
}

const ALL_VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const NO_COLLECTION: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];
const READ_VERBS: &[&str] = &["get", "list", "watch"];

impl Resource {
    /// `apps/v1`, or `v1` in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `deployments.apps`, or `configmaps` in the core group.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// `Deployment.apps`, or `ConfigMap` in the core group.
    pub fn qualified_kind(&self) -> String {
        if self.group.is_empty() { self.kind.clone() } else { format!("{}.{}", self.kind, self.group) }
    }

    /// As the server prints a group, version and kind: `apps/v1, Kind=Deployment`, `/v1, Kind=ConfigMap`.
    pub fn gvk(&self) -> String {
        format!("{}/{}, Kind={}", self.group, self.version, self.kind)
    }

    pub fn is(&self, kind: &str) -> bool {
        self.kind == kind
    }

    pub fn allows(&self, verb: &str) -> bool {
        self.verbs.contains(&verb)
    }

    pub fn has(&self, subresource: Subresource) -> bool {
        self.subresources.contains(&subresource)
    }

    /// Whether a change of the specification counts in `metadata.generation`.
    pub fn counts_generations(&self) -> bool {
        self.is("Deployment")
    }

    /// Whether this is the kind in which its objects are kept. (Events are served by two groups.)
    pub fn is_stored(&self) -> bool {
        !self.is("Event") || self.group.is_empty()
    }
}

/// Every kind, those of one group-version together.
pub(super) fn all() -> &'static [Resource] {
    static ALL: LazyLock<Vec<Resource>> = LazyLock::new(|| {
        use Subresource::{Scale, Status};
        let base = |api_version: &str, kind: &str, plural: &str, type_name: &'static str| {
            let ApiVersion { group, version } = ApiVersion::parse(api_version);
            Resource {
                group: group.to_string(),
                version: version.to_string(),
                kind: kind.to_owned(),
                plural: plural.to_owned(),
                singular: kind.to_lowercase(),
                short_names: &[],
                categories: &[],
                namespaced: true,
                verbs: ALL_VERBS,
                subresources: &[],
                type_name,
                put_creates: false,
            }
        };
        vec![
            Resource { short_names: &["cm"], ..base("v1", "ConfigMap", "configmaps", "io.k8s.api.core.v1.ConfigMap") },
            Resource {
                short_names: &["ev"],
                put_creates: true,
                ..base("v1", "Event", "events", "io.k8s.api.core.v1.Event")
            },
            Resource {
                short_names: &["ns"],
                namespaced: false,
                verbs: NO_COLLECTION,
                subresources: &[Status],
                ..base("v1", "Namespace", "namespaces", "io.k8s.api.core.v1.Namespace")
            },
            base("v1", "Secret", "secrets", "io.k8s.api.core.v1.Secret"),
            Resource {
                short_names: &["svc"],
                categories: &["all"],
                subresources: &[Status],
                ..base("v1", "Service", "services", "io.k8s.api.core.v1.Service")
            },
            Resource {
                short_names: &["deploy"],
                categories: &["all"],
                subresources: &[Scale, Status],
                ..base("apps/v1", "Deployment", "deployments", "io.k8s.api.apps.v1.Deployment")
            },
            Resource {
                put_creates: true,
                ..base("coordination.k8s.io/v1", "Lease", "leases", "io.k8s.api.coordination.v1.Lease")
            },
            Resource {
                short_names: &["ev"],
                put_creates: true,
                ..base("events.k8s.io/v1", "Event", "events", "io.k8s.api.events.v1.Event")
            },
            Resource {
                short_names: &["crd", "crds"],
                categories: &["api-extensions"],
                namespaced: false,
                verbs: READ_VERBS,
                ..base(
                    "apiextensions.k8s.io/v1",
                    "CustomResourceDefinition",
                    "customresourcedefinitions",
                    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
                )
            },
        ]
    });
    &ALL
}

/// The kind behind a path of the API.
pub(super) fn by_plural(group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
    all().iter().find(|resource| resource.group == group && resource.version == version && resource.plural == plural)
}

/// The kind by its group and name.
pub(super) fn by_kind(group: &str, kind: &str) -> Option<&'static Resource> {
    all().iter().find(|resource| resource.group == group && resource.kind == kind)
}

/// Whether anything of this group-version is served.
pub(super) fn has_version(group: &str, version: &str) -> bool {
    all().iter().any(|resource| resource.group == group && resource.version == version)
}
