//! Owns the meaning of a request's path and query. Must never look at a body.

use super::kinds::{self, Resource, Subresource};
use super::request::{Asked, Target, Validation};
use super::status::{Cause, Status};

/// What a path is about.
#[derive(Debug)]
pub(super) enum Route {
    /// `/api` or `/apis`: every group.
    Groups { core: bool },
    /// `/apis/GROUP`.
    Group(String),
    /// `/api/v1` or `/apis/GROUP/VERSION`.
    Resources { group: String, version: String },
    /// A collection; an empty namespace means all of them.
    Collection { resource: &'static Resource, namespace: String },
    /// An object, or a part of it.
    Object(Target),
    /// `/version`.
    Version,
    /// `/readyz` and the like.
    Health,
    /// `/openapi/v3` (empty) or a document below it.
    OpenApi(String),
    /// A group-version is served, but not this.
    NoResource,
    /// Nothing of the kind.
    NotFound,
}

/// Reads a path.
pub(super) fn route(path: &str) -> Route {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["api"] => Route::Groups { core: true },
        ["apis"] => Route::Groups { core: false },
        ["api", version, rest @ ..] => in_version("", version, rest),
        ["apis", group] => Route::Group((*group).to_owned()),
        ["apis", group, version, rest @ ..] => in_version(group, version, rest),
        ["version"] => Route::Version,
        ["readyz" | "livez" | "healthz", ..] => Route::Health,
        ["openapi", "v3", rest @ ..] => Route::OpenApi(rest.join("/")),
        _ => Route::NotFound,
    }
}

fn in_version(group: &str, version: &str, rest: &[&str]) -> Route {
    if !kinds::has_version(group, version) {
        return Route::NotFound;
    }
    let find = |plural: &str| kinds::by_plural(group, version, plural);
    let object = |resource: &'static Resource, namespace: &str, name: &str, part: Option<&str>| {
        let subresource = match part {
            None => None,
            Some(part) => match [Subresource::Status, Subresource::Scale].into_iter().find(|one| one.name() == part) {
                Some(subresource) if resource.has(subresource) => Some(subresource),
                _ => return Route::NoResource,
            },
        };
        Route::Object(Target { resource, namespace: namespace.into(), name: name.into(), subresource })
    };
    match rest {
        [] => Route::Resources { group: group.into(), version: version.into() },
        ["namespaces", name, "status"] if group.is_empty() => match find("namespaces") {
            Some(resource) => object(resource, "", name, Some("status")),
            None => Route::NoResource,
        },
        ["namespaces", namespace, plural, rest @ ..] => match (find(plural).filter(|one| one.namespaced), rest) {
            (Some(resource), []) => Route::Collection { resource, namespace: (*namespace).to_owned() },
            (Some(resource), [name]) => object(resource, namespace, name, None),
            (Some(resource), [name, part]) => object(resource, namespace, name, Some(part)),
            _ => Route::NoResource,
        },
        [plural, rest @ ..] => match (find(plural), rest) {
            (Some(resource), []) => Route::Collection { resource, namespace: String::new() },
            (Some(resource), [name]) if !resource.namespaced => object(resource, "", name, None),
            (Some(resource), [name, part]) if !resource.namespaced => object(resource, "", name, Some(part)),
            _ => Route::NoResource,
        },
    }
}

/// The options of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads the part after `?`.
    pub fn read(text: &str) -> Self {
        Self { pairs: url::form_urlencoded::parse(text.as_bytes()).into_owned().collect() }
    }

    /// The first value of an option; empty when it is not there.
    pub fn get(&self, name: &str) -> &str {
        self.pairs.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Whether an option is switched on.
    pub fn is_on(&self, name: &str) -> bool {
        matches!(self.get(name), "1" | "true" | "True" | "t" | "T" | "TRUE")
    }

    /// A whole number; `None` when it is not there or none.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name).parse().ok()
    }

    /// `resourceVersion`; zero and nothing are `None`.
    ///
    /// # Errors
    ///
    /// 400 when it is no number.
    pub fn resource_version(&self) -> Result<Option<u64>, Status> {
        let text = self.get("resourceVersion");
        if text.is_empty() {
            return Ok(None);
        }
        let version: u64 = text.parse().map_err(|_| {
            let why = "invalid syntax";
            Status::bad_request(format!(
                "invalid resource version: resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: {why}"
            ))
        })?;
        Ok(Some(version).filter(|version| *version != 0))
    }

    /// Whether it is a dry run.
    pub fn is_dry_run(&self) -> bool {
        self.get("dryRun") == "All"
    }

    /// How a write is to be done. `options` names the kind of the options in messages.
    ///
    /// # Errors
    ///
    /// 422 for options that no server takes.
    pub fn asked(&self, options: &str, is_apply: bool, user_agent: &str) -> Result<Asked, Status> {
        let mut causes = Vec::new();
        let dry_run = self.get("dryRun");
        if !["", "All"].contains(&dry_run) {
            causes.push(Cause::unsupported("dryRun", &format!("[{dry_run:?}]"), &["All"]));
        }
        let manager = self.get("fieldManager");
        if manager.is_empty() && is_apply {
            causes.push(Cause::required("fieldManager", "is required for apply patch"));
        }
        if manager.len() > 128 {
            causes.push(Cause::too_long("fieldManager", 128));
        }
        if !is_apply && !self.get("force").is_empty() {
            causes.push(Cause::forbidden("force", "may not be specified for non-apply patch"));
        }
        let validation = match self.get("fieldValidation") {
            "Ignore" => Validation::Ignore,
            "" | "Warn" => Validation::Warn,
            "Strict" => Validation::Strict,
            other => {
                let supported = &["", "Ignore", "Strict", "Warn"];
                causes.push(Cause::unsupported("fieldValidation", &format!("{other:?}"), supported));
                Validation::Warn
            }
        };
        if !causes.is_empty() {
            return Err(Status::invalid_kind("meta.k8s.io", options, "", &causes));
        }
        let manager = if manager.is_empty() { manager_of(user_agent) } else { manager.to_owned() };
        Ok(Asked { manager, force: self.is_on("force"), dry_run: dry_run == "All", validation })
    }
}

/// The manager of a client that names none: the first word of its user agent.
fn manager_of(user_agent: &str) -> String {
    let first = user_agent.split('/').next().unwrap_or("");
    let name: String = first.chars().take(128).collect();
    if name.is_empty() { "unknown".into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_what_they_name() {
        let told = |path: &str| match route(path) {
            Route::Object(target) => {
                let part = target.subresource.map_or("", Subresource::name);
                format!("{} {}/{} {part}", target.resource.kind, target.namespace, target.name)
            }
            Route::Collection { resource, namespace } => format!("{} in {namespace}", resource.kind),
            other => format!("{other:?}"),
        };
        for (path, wanted) in [
            ("/api/v1/namespaces/a", "Namespace /a "),
            ("/api/v1/namespaces/a/status", "Namespace /a status"),
            ("/api/v1/namespaces/a/configmaps", "ConfigMap in a"),
            ("/api/v1/configmaps", "ConfigMap in "),
            ("/apis/apps/v1/namespaces/a/deployments/b/scale", "Deployment a/b scale"),
            ("/api/v1/namespaces/a/configmaps/b/scale", "NoResource"),
            ("/api/v1/foos", "NoResource"),
            ("/apis/foo/v1", "NotFound"),
            ("/apis/apps/v1", "Resources { group: \"apps\", version: \"v1\" }"),
            ("/openapi/v3/apis/apps/v1", "OpenApi(\"apis/apps/v1\")"),
            ("/readyz", "Health"),
            ("/openapi/v2", "NotFound"),
        ] {
            assert_eq!(told(path), wanted, "{path}");
        }
    }

    #[test]
    fn a_client_without_a_manager_is_named_by_its_agent() {
        let asked = Query::read("").asked("PatchOptions", false, "kubectl/v1.36 (linux)").unwrap();
        assert_eq!(asked.manager, "kubectl");
        let refused = Query::read("").asked("PatchOptions", true, "x").unwrap_err();
        let wanted =
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch";
        assert_eq!(refused.message, wanted);
    }
}
