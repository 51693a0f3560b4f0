//! Owns the formats in which API servers list what they serve, aggregated (v2) and old. Must never do I/O.

use serde::{Deserialize, Deserializer};

use super::{Group, Resource, Version};

/// What either root answers, new or old.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Root {
    /// Everything at once.
    Aggregated { items: Vec<AggregatedGroup> },
    /// `/apis`: the names of the groups and of their versions.
    Legacy { groups: Vec<LegacyGroup> },
    /// `/api`: the versions of the core group.
    LegacyCore { versions: Vec<String> },
}

/// One group of aggregated discovery.
#[derive(Deserialize)]
pub(super) struct AggregatedGroup {
    #[serde(default, deserialize_with = "or_default")]
    metadata: AggregatedName,
    #[serde(default, deserialize_with = "or_default")]
    versions: Vec<AggregatedVersion>,
}

#[derive(Default, Deserialize)]
struct AggregatedName {
    #[serde(default, deserialize_with = "or_default")]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AggregatedVersion {
    version: String,
    #[serde(default, deserialize_with = "or_default")]
    freshness: String,
    #[serde(default, deserialize_with = "or_default")]
    resources: Vec<AggregatedResource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AggregatedResource {
    resource: String,
    #[serde(default)]
    response_kind: Option<ResponseKind>,
    #[serde(default, deserialize_with = "or_default")]
    scope: String,
    #[serde(default, deserialize_with = "or_default")]
    singular_resource: String,
    #[serde(default, deserialize_with = "or_default")]
    short_names: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    verbs: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    subresources: Vec<Subresource>,
}

#[derive(Deserialize)]
struct ResponseKind {
    #[serde(default, deserialize_with = "or_default")]
    kind: String,
}

#[derive(Deserialize)]
struct Subresource {
    #[serde(default, deserialize_with = "or_default")]
    subresource: String,
}

impl From<AggregatedGroup> for Group {
    fn from(group: AggregatedGroup) -> Self {
        let versions = group.versions.into_iter().map(|version| Version {
            name: version.version,
            stale: version.freshness == "Stale",
            // One without a kind is served by nobody at the moment.
            resources: version.resources.into_iter().filter_map(AggregatedResource::read).collect(),
        });
        Self { name: group.metadata.name, versions: versions.collect() }
    }
}

impl AggregatedResource {
    fn read(self) -> Option<Resource> {
        Some(Resource {
            kind: self.response_kind?.kind,
            scalable: self.subresources.iter().any(|part| part.subresource == "scale"),
            namespaced: self.scope == "Namespaced",
            plural: self.resource,
            singular: self.singular_resource,
            short_names: self.short_names,
            verbs: self.verbs,
        })
        .filter(|resource| !resource.kind.is_empty())
    }
}

/// One group as `/apis` lists it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LegacyGroup {
    pub(super) name: String,
    #[serde(default, deserialize_with = "or_default")]
    versions: Vec<LegacyVersion>,
    preferred_version: Option<LegacyVersion>,
}

#[derive(Deserialize)]
struct LegacyVersion {
    version: String,
}

/// What one group-version serves, as its own path lists it.
#[derive(Deserialize)]
pub(super) struct LegacyList {
    #[serde(default, deserialize_with = "or_default")]
    resources: Vec<LegacyResource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LegacyResource {
    name: String,
    kind: String,
    #[serde(default, deserialize_with = "or_default")]
    singular_name: String,
    #[serde(default, deserialize_with = "or_default")]
    namespaced: bool,
    #[serde(default, deserialize_with = "or_default")]
    verbs: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    short_names: Vec<String>,
}

impl LegacyGroup {
    /// The core group, which lists its versions alone.
    pub(super) fn core(versions: Vec<String>) -> Self {
        let versions = versions.into_iter().map(|version| LegacyVersion { version }).collect();
        Self { name: String::new(), versions, preferred_version: None }
    }

    /// Its versions, the preferred one first, the others in the server's order.
    pub(super) fn preferred_first(&self) -> Vec<String> {
        let mut versions: Vec<_> = self.versions.iter().map(|version| version.version.clone()).collect();
        let preferred = self.preferred_version.as_ref().map(|preferred| &preferred.version);
        versions.sort_by_key(|version| Some(version) != preferred);
        versions
    }
}

impl LegacyList {
    /// What it lists, without subresources.
    pub(super) fn resources(self) -> Vec<Resource> {
        let scalable: Vec<String> =
            self.resources.iter().filter_map(|entry| entry.name.strip_suffix("/scale")).map(String::from).collect();
        let whole = self.resources.into_iter().filter(|entry| !entry.name.contains('/'));
        whole
            .map(|entry| Resource {
                scalable: scalable.contains(&entry.name),
                kind: entry.kind,
                plural: entry.name,
                singular: entry.singular_name,
                short_names: entry.short_names,
                namespaced: entry.namespaced,
                verbs: entry.verbs,
            })
            .collect()
    }
}

/// Go writes an empty list as null.
pub(in crate::cluster) fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
