//! Owns the documents that say what the sandbox serves: discovery in its two forms, and the version. Must never name a
//! kind that is not served.

use serde_json::{Value, json};

use super::kinds::{self, Resource, Subresource};

/// Media type of aggregated discovery.
pub(super) const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

const SUBRESOURCE_VERBS: &[&str] = &["get", "patch", "update"];

/// Groups and their only versions, in the order in which they are listed; the core group among them.
fn groups() -> Vec<(&'static str, &'static str)> {
    let mut groups: Vec<(&str, &str)> = Vec::new();
    for resource in kinds::all() {
        if !groups.iter().any(|(group, _)| *group == resource.group) {
            groups.push((&resource.group, &resource.version));
        }
    }
    groups
}

fn of_version(group: &str, version: &str) -> impl Iterator<Item = &'static Resource> {
    let (group, version) = (group.to_owned(), version.to_owned());
    kinds::all().iter().filter(move |resource| resource.group == group && resource.version == version)
}

/// `/api`.
pub(super) fn core_versions(address: &str) -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"],
           "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]})
}

fn group_value(group: &str, version: &str) -> Value {
    let version = json!({"groupVersion": format!("{group}/{version}"), "version": version});
    json!({"name": group, "versions": [version], "preferredVersion": version})
}

/// `/apis`.
pub(super) fn group_list() -> Value {
    let groups: Vec<_> = groups()
        .into_iter()
        .filter(|(group, _)| !group.is_empty())
        .map(|(group, version)| group_value(group, version))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`.
pub(super) fn group(name: &str) -> Option<Value> {
    let (group, version) = groups().into_iter().find(|(group, _)| *group == name)?;
    let mut value = group_value(group, version);
    if let Value::Object(value) = &mut value {
        value.insert("kind".into(), "APIGroup".into());
        value.insert("apiVersion".into(), "v1".into());
    }
    Some(value)
}

/// `/api/v1` and `/apis/GROUP/VERSION`.
pub(super) fn resource_list(group: &str, version: &str) -> Option<Value> {
    let mut resources = Vec::new();
    for resource in of_version(group, version) {
        resources.push(listed(resource));
        resources.extend(resource.subresources.iter().map(|part| listed_part(resource, *part)));
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    (!resources.is_empty()).then(|| {
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources})
    })
}

fn listed(resource: &Resource) -> Value {
    let mut value = json!({"name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
                           "kind": resource.kind, "verbs": resource.verbs});
    add_names(&mut value, resource);
    value
}

fn add_names(value: &mut Value, resource: &Resource) {
    let Value::Object(value) = value else { return };
    for (key, names) in [("shortNames", resource.short_names), ("categories", resource.categories)] {
        if !names.is_empty() {
            value.insert(key.into(), json!(names));
        }
    }
}

fn listed_part(resource: &Resource, part: Subresource) -> Value {
    let name = format!("{}/{}", resource.plural, part.name());
    match part {
        Subresource::Scale => json!({"name": name, "singularName": "", "namespaced": resource.namespaced,
            "group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": SUBRESOURCE_VERBS}),
        Subresource::Status => json!({"name": name, "singularName": "", "namespaced": resource.namespaced,
            "kind": resource.kind, "verbs": SUBRESOURCE_VERBS}),
    }
}

/// `/api` (the core group) or `/apis` (all others), aggregated.
pub(super) fn aggregated(core: bool) -> Value {
    let items: Vec<_> = groups()
        .into_iter()
        .filter(|(group, _)| group.is_empty() == core)
        .map(|(group, version)| {
            let resources: Vec<_> = of_version(group, version).map(aggregated_resource).collect();
            let metadata = if group.is_empty() { json!({}) } else { json!({"name": group}) };
            json!({"metadata": metadata,
                   "versions": [{"version": version, "resources": resources, "freshness": "Current"}]})
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn aggregated_resource(resource: &'static Resource) -> Value {
    let scope = if resource.namespaced { "Namespaced" } else { "Cluster" };
    // The server leaves the group out where it is that of the list.
    let own = json!({"group": "", "version": "", "kind": resource.kind});
    let mut value = json!({"resource": resource.plural, "responseKind": own, "scope": scope,
                           "singularResource": resource.singular, "verbs": resource.verbs});
    add_names(&mut value, resource);
    let parts: Vec<_> = resource
        .subresources
        .iter()
        .map(|part| {
            let kind = match part {
                Subresource::Scale => json!({"group": "autoscaling", "version": "v1", "kind": "Scale"}),
                Subresource::Status => own.clone(),
            };
            json!({"subresource": part.name(), "responseKind": kind, "verbs": SUBRESOURCE_VERBS})
        })
        .collect();
    if let Value::Object(value) = &mut value
        && !parts.is_empty()
    {
        value.insert("subresources".into(), parts.into());
    }
    value
}

/// `/version`.
pub(super) fn version() -> Value {
    json!({"major": "1", "minor": "36", "gitVersion": "v1.36.3+kubeferry-sandbox", "gitCommit": "", "gitTreeState": "clean",
           "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none", "compiler": "rustc",
           "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH)})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_name_the_same_resources() {
        for (core, group, version) in [(true, "", "v1"), (false, "apps", "v1"), (false, "events.k8s.io", "v1")] {
            let aggregated = aggregated(core);
            let item = aggregated["items"]
                .as_array()
                .unwrap()
                .iter()
                .find(|item| item["metadata"].get("name").and_then(Value::as_str).unwrap_or("") == group)
                .unwrap()
                .clone();
            let names: Vec<_> =
                item["versions"][0]["resources"].as_array().unwrap().iter().map(|one| &one["resource"]).collect();
            let legacy = resource_list(group, version).unwrap();
            let listed = legacy["resources"].as_array().unwrap();
            for name in names {
                assert!(listed.iter().any(|one| &one["name"] == name), "{name}");
            }
        }
        assert_eq!(resource_list("apps", "v2"), None);
        assert_eq!(group("apps").unwrap()["preferredVersion"]["groupVersion"], "apps/v1");
    }
}
