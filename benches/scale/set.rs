//! Owns the sets of objects that are applied: what is in them, how they are watched, which rules select them. Must never
//! hold the objects themselves.

use anyhow::{Result, bail};
use http::Method;
use serde_json::Value;

use super::api::Ask;
use super::objects::{self, Object};
use super::stage::Stage;

/// A kind of set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// ConfigMaps.
    Plain,
    /// Deployments, Services and custom resources, with their definition.
    Mixed,
}

impl Set {
    /// So many objects in namespaces `PREFIX-*`.
    pub fn objects(self, count: usize, prefix: &str) -> Vec<Object> {
        match self {
            Self::Plain => objects::config_maps(count, prefix),
            Self::Mixed => objects::mixed(count, prefix),
        }
    }

    /// The collections to watch. Those of a definition are served once it was made.
    pub fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &["/api/v1/configmaps"],
            Self::Mixed => &["/apis/apps/v1/deployments", "/api/v1/services", "/apis/bench.kubeferry.io/v1/shelves"],
        }
    }

    /// What the API server calls them.
    pub fn resources(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &["configmaps"],
            Self::Mixed => &["deployments", "services", "shelves", "customresourcedefinitions"],
        }
    }

    /// Files beside those of the objects.
    pub fn more(self) -> Vec<(&'static str, String)> {
        match self {
            Self::Plain => Vec::new(),
            Self::Mixed => vec![("definitions/shelf.yaml", kubeferry::manifest::render(&objects::shelf_definition()))],
        }
    }

    /// The text of a rules file.
    pub fn rules(self, url: &str, settings: &str, direction: &str) -> String {
        let rules = match self {
            Self::Plain => {
                "{name: all, apiGroups: [''], resources: [configmaps], namespaces: ['team-*'], syncTo: DIRECTION}"
            }
            Self::Mixed => {
                "{name: definitions, resources: [customresourcedefinitions], names: ['shelves.*'], syncTo: DIRECTION}\n  \
                 - {name: all, resources: [deployments, services, shelves], namespaces: ['team-*'], syncTo: DIRECTION}"
            }
        };
        format!("gitUrl: {url}\nbranch: main\n{settings}rules:\n  - {}\n", rules.replace("DIRECTION", direction))
    }

    /// How the set is called in the table.
    pub fn called(self, measure: &str) -> String {
        match self {
            Self::Plain => measure.to_owned(),
            Self::Mixed => format!("mixed: {measure}"),
        }
    }

    /// Makes what must be there before the first object.
    pub async fn prepare(self, stage: &Stage) -> Result<()> {
        if self == Self::Plain {
            return Ok(());
        }
        let mut person = stage.person().await?;
        let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        person.call(&Ask::new(Method::POST, definitions.to_owned(), &objects::shelf_definition())).await?;
        let path = format!("{definitions}/shelves.bench.kubeferry.io");
        for _ in 0..200 {
            let definition: Value =
                serde_json::from_slice(&person.call(&Ask::without_body(Method::GET, &path)).await?)?;
            let conditions =
                definition.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
            let established = |condition: &Value| condition["type"] == "Established" && condition["status"] == "True";
            // A list is served a moment after the condition says so.
            let served = person.call(&Ask::without_body(Method::GET, "/apis/bench.kubeferry.io/v1/shelves")).await;
            if conditions.iter().any(established) && served.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        bail!("the definition is not established: {path}")
    }
}
