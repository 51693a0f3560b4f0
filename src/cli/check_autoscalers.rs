//! Owns the warnings of `check` about fields that a rule sends to the cluster and an autoscaler there writes too. Must never
//! read more autoscalers than a person would read warnings.

use crate::cluster::{ApiServer, Cluster as _, ClusterError, Page};
use crate::object::labels::labels;
use crate::object::{ApiVersion, FieldPath, GroupKind, ObjectId};
use crate::rules::{Candidate, Loaded, Problem};
use crate::sync::autoscalers::{self, Aim};
use crate::sync::directions::{Directions, Way};

/// The most autoscalers that are looked at, of each kind.
const MOST: u32 = 200;

const HINT: &str = "leave the field out of the manifest, or let a rule before it, with `filters`, send it to Git";

/// A warning for each autoscaler whose target's field goes from Git to the cluster. One that may not be read is passed over.
pub async fn warnings(cluster: &ApiServer, loaded: &Loaded) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !autoscalers::matter_to(&loaded.rules) {
        return problems;
    }
    for kind in autoscalers::kinds() {
        for aim in aims(cluster, &kind).await.unwrap_or_default() {
            problems.extend(warning(cluster, loaded, &aim).await.ok().flatten());
        }
    }
    problems
}

async fn aims(cluster: &ApiServer, kind: &GroupKind) -> Result<Vec<Aim>, ClusterError> {
    let page = Page { limit: MOST, next: None, whole: true };
    let listed = cluster.list(kind, None, page).await?;
    Ok(listed.objects.iter().filter_map(Aim::of).collect())
}

async fn warning(cluster: &ApiServer, loaded: &Loaded, aim: &Aim) -> Result<Option<Problem>, ClusterError> {
    let Some(kind) = cluster.kinds().get(aim.target.group_kind()).cloned() else { return Ok(None) };
    let Some(live) = cluster.get(&aim.target, None).await? else { return Ok(None) };
    let Some(version) = ApiVersion::of(&live) else { return Ok(None) };
    let schema = cluster.schema(&version).await?;
    let namespace = match aim.target.namespace() {
        Some(name) => cluster.get(&ObjectId::new(GroupKind::new("", "Namespace"), "", name), None).await?,
        None => None,
    };
    let (own, namespace) = (labels(&live), namespace.as_ref().map(labels));
    let candidate = Candidate {
        id: &aim.target,
        kind: &kind,
        manifest_labels: Some(&own),
        live_labels: Some(&own),
        base_labels: None,
        namespace_labels: namespace.as_ref(),
    };
    let matching: Vec<_> = loaded.rules.matching(&candidate).collect();
    let view = schema.view_of(&live);
    let directions = Directions::new(&matching, None, Some(&live), view);
    let all = crate::object::FieldSet::of(&live, view).paths();
    let goes = |path: &&FieldPath| aim.covers(path) && matches!(directions.way(path), Way::ToCluster | Way::Both);
    let Some((path, rule)) = all.iter().find(goes).and_then(|path| Some((path, directions.of(path).1?))) else {
        return Ok(None);
    };
    let text =
        format!("rule {} sends {path} of {} to the cluster, and {} writes it there", rule.name, aim.target, aim.by);
    Ok(Some(loaded.warn(rule, text, HINT)))
}
