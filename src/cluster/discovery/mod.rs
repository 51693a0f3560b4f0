//! Owns asking the API server which kinds it serves. Must never let one group that does not answer hide the others, or
//! make its own kinds vanish.

use std::collections::HashMap;
use std::sync::Arc;

use super::address::encoded;
use super::client::Connection;
use super::error::ClusterError;
use super::request::Call;
use crate::object::{GroupKind, Kind, Kinds};
use futures::StreamExt;
use http::StatusCode;
use http::header::HeaderValue;

mod wire;
pub(super) use wire::or_default;
use wire::{LegacyGroup, LegacyList, Root};

/// Aggregated discovery where the server has it, the old lists otherwise: one request either way.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
    application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// How many groups are asked at once where discovery is not aggregated.
const AT_ONCE: usize = 8;

/// Asks for the kinds, and remembers what it needs to ask cheaply the next time.
pub(super) struct Discovery {
    connection: Connection,
    core: Part,
    groups: Part,
}

/// What one of the two roots (`/api` and `/apis`) served.
#[derive(Default)]
struct Part {
    etag: Option<HeaderValue>,
    groups: Vec<Group>,
}

/// One API group, its preferred version first.
#[derive(Clone, Debug, Default, PartialEq)]
struct Group {
    name: String,
    versions: Vec<Version>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Version {
    name: String,
    /// The server that is behind it did not answer: what is listed is incomplete or old.
    stale: bool,
    resources: Vec<Resource>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Resource {
    kind: String,
    plural: String,
    singular: String,
    short_names: Vec<String>,
    namespaced: bool,
    verbs: Vec<String>,
    scalable: bool,
}

impl Discovery {
    /// Nothing asked yet.
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, core: Part::default(), groups: Part::default() }
    }

    /// Every kind that is served now. Two requests, which cost the server little when nothing changed.
    ///
    /// # Errors
    ///
    /// When either root does not answer; what was found before stays remembered.
    pub(super) async fn run(&mut self) -> Result<Kinds, ClusterError> {
        if let Some(core) = read_part(&self.connection, "/api", &self.core).await? {
            self.core = core;
        }
        if let Some(groups) = read_part(&self.connection, "/apis", &self.groups).await? {
            self.groups = groups;
        }
        Ok(kinds_of(self.core.groups.iter().chain(&self.groups.groups)))
    }
}

/// Reads one root; `None` when it is as before.
async fn read_part(connection: &Connection, root: &str, before: &Part) -> Result<Option<Part>, ClusterError> {
    let call = Call::get(root).accepting(AGGREGATED).unless_still(before.etag.clone());
    let answer = connection.call(&call).await?;
    if answer.status == StatusCode::NOT_MODIFIED {
        return Ok(None);
    }
    let mut groups = match serde_json::from_slice::<Root>(&answer.body) {
        Ok(Root::Aggregated { items }) => items.into_iter().map(Group::from).collect(),
        Ok(Root::Legacy { groups }) => legacy_groups(connection, groups).await,
        Ok(Root::LegacyCore { versions }) => legacy_groups(connection, vec![LegacyGroup::core(versions)]).await,
        Err(_) => return Err(ClusterError::Other(format!("the API server's answer to {root} could not be read"))),
    };
    let stale = fill_in(&mut groups, &before.groups);
    // What is incomplete must be asked for again, whatever its tag says.
    Ok(Some(Part { etag: answer.etag.filter(|_| !stale), groups }))
}

/// Puts what a group served before in place of what it does not tell now; whether that was needed.
fn fill_in(groups: &mut [Group], before: &[Group]) -> bool {
    let mut stale = false;
    for group in groups {
        let earlier = before.iter().find(|earlier| earlier.name == group.name);
        for version in group.versions.iter_mut().filter(|version| version.stale) {
            stale = true;
            tracing::debug!(
                group = group.name,
                version = version.name,
                "the API server could not tell what this group serves"
            );
            let known = earlier.and_then(|group| group.versions.iter().find(|known| known.name == version.name));
            if let Some(known) = known.filter(|_| version.resources.is_empty()) {
                version.resources = known.resources.clone();
            }
        }
    }
    stale
}

fn kinds_of<'a>(groups: impl Iterator<Item = &'a Group>) -> Kinds {
    let mut kinds: HashMap<GroupKind, Kind> = HashMap::new();
    for group in groups {
        for version in &group.versions {
            let name: Arc<str> = version.name.as_str().into();
            for resource in &version.resources {
                let group_kind = GroupKind::new(&group.name, &resource.kind);
                let found = resource.in_version(&name, group_kind.clone());
                match kinds.get_mut(&group_kind) {
                    None => drop(kinds.insert(group_kind, found)),
                    // The same kind under another path of one version: the one that can be kept in sync counts.
                    Some(kind) if kind.versions.contains(&name) => {
                        if !kind.is_watchable() && found.is_watchable() {
                            *kind = Kind { versions: kind.versions.clone(), ..found };
                        }
                    }
                    Some(kind) => kind.versions.push(name.clone()),
                }
            }
        }
    }
    Kinds::new(kinds.into_values())
}

impl Resource {
    fn in_version(&self, version: &Arc<str>, group_kind: GroupKind) -> Kind {
        Kind {
            group_kind,
            versions: vec![version.clone()],
            plural: self.plural.clone(),
            singular: self.singular.clone(),
            short_names: self.short_names.clone(),
            namespaced: self.namespaced,
            verbs: self.verbs.clone(),
            scalable: self.scalable,
        }
    }
}

async fn legacy_groups(connection: &Connection, groups: Vec<LegacyGroup>) -> Vec<Group> {
    let asked = groups.into_iter().map(|group| async move {
        let mut versions = Vec::new();
        for version in group.preferred_first() {
            versions.push(legacy_version(connection, &group.name, version).await);
        }
        Group { name: group.name, versions }
    });
    futures::stream::iter(asked).buffered(AT_ONCE).collect().await
}

async fn legacy_version(connection: &Connection, group: &str, version: String) -> Version {
    let path = match group {
        "" => format!("/api/{}", encoded(&version)),
        group => format!("/apis/{}/{}", encoded(group), encoded(&version)),
    };
    match connection.json::<LegacyList>(&Call::get(path)).await {
        Ok(list) => Version { name: version, stale: false, resources: list.resources() },
        Err(_) => Version { name: version, stale: true, resources: Vec::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::extract::Request;
    use axum::response::{IntoResponse, Response};
    use http::header::{ETAG, IF_NONE_MATCH};
    use serde_json::{Value, json};
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    use std::sync::Mutex;

    type Answers = Arc<Mutex<HashMap<String, Value>>>;

    /// A discovery against a server that answers by path, tags what it answers, and writes down the status it gave.
    fn stub(answers: Value) -> (Discovery, Answers, Arc<Mutex<Vec<String>>>) {
        let answers: Answers = Arc::new(Mutex::new(serde_json::from_value(answers).unwrap()));
        let log = Arc::new(Mutex::new(Vec::new()));
        let (served, noted) = (answers.clone(), log.clone());
        let router = Router::new().fallback(move |request: Request| async move {
            let path = request.uri().path().to_owned();
            let answer = answer(served.lock().unwrap().get(&path), request.headers().get(IF_NONE_MATCH));
            noted.lock().unwrap().push(format!("{path} {}", answer.status().as_u16()));
            answer
        });
        (Discovery::new(Connection::over(kube::Client::new(router, "default"))), answers, log)
    }

    fn answer(content: Option<&Value>, tag: Option<&HeaderValue>) -> Response {
        let Some(content) = content else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
        let etag = format!("\"{:x}\"", BuildHasherDefault::<DefaultHasher>::default().hash_one(content.to_string()));
        if tag.is_some_and(|tag| tag.as_bytes() == etag.as_bytes()) {
            return StatusCode::NOT_MODIFIED.into_response();
        }
        ([(ETAG, etag)], content.to_string()).into_response()
    }

    fn aggregated(group: &str, versions: &[(&str, &str, &[&str])]) -> Value {
        let resource = |kind: &&str| {
            json!({"resource": format!("{}s", kind.to_lowercase()), "responseKind": {"kind": kind}, "scope": "Namespaced",
                "verbs": ["get", "list", "watch"], "subresources": [{"subresource": "scale"}]})
        };
        let version = |(name, freshness, kinds): &(&str, &str, &[&str])| json!({"version": name, "freshness": freshness, "resources": kinds.iter().map(resource).collect::<Vec<_>>()});
        json!({"metadata": {"name": group}, "versions": versions.iter().map(version).collect::<Vec<_>>()})
    }

    fn names(kinds: &Kinds) -> Vec<String> {
        let mut names: Vec<_> =
            kinds.iter().map(|kind| format!("{} {}", kind.group_kind, kind.versions.join(","))).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn every_version_is_found_the_preferred_one_first() {
        let core = json!({"items": [aggregated("", &[("v1", "Current", &["Pod"])])]});
        let apps = aggregated("apps", &[("v2", "Current", &["Deployment"]), ("v1", "Current", &["Deployment", "Old"])]);
        let (mut discovery, _, log) = stub(json!({"/api": core, "/apis": {"items": [apps]}}));
        let kinds = discovery.run().await.unwrap();
        assert_eq!(names(&kinds), ["Deployment.apps v2,v1", "Old.apps v1", "Pod v1"]);
        assert!(kinds.get(&GroupKind::new("apps", "Deployment")).unwrap().scalable);
        assert_eq!(*log.lock().unwrap(), ["/api 200", "/apis 200"]);

        assert_eq!(names(&discovery.run().await.unwrap()), names(&kinds));
        assert_eq!(log.lock().unwrap()[2..], ["/api 304", "/apis 304"]);
    }

    #[tokio::test]
    async fn a_group_that_does_not_answer_keeps_its_kinds_and_hides_no_other() {
        let core = json!({"items": []});
        let metrics = |freshness, kinds| aggregated("metrics.k8s.io", &[("v1", freshness, kinds)]);
        let fresh = json!({"items": [metrics("Current", &["NodeMetrics"])]});
        let (mut discovery, answers, log) = stub(json!({"/api": core, "/apis": fresh}));
        discovery.run().await.unwrap();

        let stale =
            json!({"items": [metrics("Stale", &[]), aggregated("apps", &[("v1", "Current", &["Deployment"])])]});
        answers.lock().unwrap().insert("/apis".into(), stale);
        assert_eq!(names(&discovery.run().await.unwrap()), ["Deployment.apps v1", "NodeMetrics.metrics.k8s.io v1"]);
        discovery.run().await.unwrap();
        assert_eq!(log.lock().unwrap().last().unwrap(), "/apis 200", "what is incomplete is asked for again");

        answers.lock().unwrap().insert("/apis".into(), json!({"items": [metrics("Current", &[])]}));
        assert!(discovery.run().await.unwrap().is_empty(), "what is really gone goes");
    }

    #[tokio::test]
    async fn servers_without_aggregated_discovery_are_asked_group_by_group() {
        let verbs = ["get", "list", "watch"];
        let deployments = json!([
            {"name": "deployments", "singularName": "deployment", "namespaced": true, "kind": "Deployment",
             "verbs": verbs, "shortNames": ["deploy"]},
            {"name": "deployments/scale", "namespaced": true, "kind": "Scale", "verbs": ["get"]}]);
        let versions = json!([{"version": "v1beta1"}, {"version": "v1"}]);
        let (mut discovery, _, _) = stub(json!({
            "/api": {"versions": ["v1"]},
            "/api/v1": {"resources": [{"name": "nodes", "kind": "Node", "namespaced": false, "verbs": verbs}]},
            "/apis": {"groups": [{"name": "apps", "versions": versions, "preferredVersion": {"version": "v1"}},
                {"name": "broken", "versions": [{"version": "v1"}]}]},
            "/apis/apps/v1": {"resources": deployments},
            "/apis/apps/v1beta1": {"resources": null},
        }));
        discovery.connection = discovery.connection.with_limit(std::time::Duration::from_secs(5));
        let kinds = discovery.run().await.unwrap();
        assert_eq!(names(&kinds), ["Deployment.apps v1", "Node v1"]);
        let deployment = kinds.named("deploy").pop().unwrap();
        assert!(deployment.scalable && deployment.namespaced && deployment.is_watchable());
    }

    #[tokio::test]
    async fn a_server_that_does_not_answer_is_an_error_and_forgets_nothing() {
        let (mut discovery, answers, _) = stub(json!({"/api": {"items": []}, "/apis": {"items": []}}));
        discovery.run().await.unwrap();
        answers.lock().unwrap().remove("/apis");
        assert!(matches!(discovery.run().await, Err(ClusterError::Busy(_))));
    }
}
