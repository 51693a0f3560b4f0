//! Owns the defaults that depend on neighbours. Must never hold one that a plain value can say: those are generated.

use serde_json::{Map, Value, json};

use super::super::schema::SchemaView;

/// What the server fills in beside these neighbours; `None`: nothing.
pub type Rule = fn(SchemaView<'_>, &Map<String, Value>) -> Option<Value>;

/// Every rule by type and field, sorted.
pub const RULES: [(&str, &str, Rule); 27] = [
    ("apiextensions.v1.CustomResourceDefinitionNames", "listKind", |_, names| {
        text(names, "kind").map(|kind| format!("{kind}List").into())
    }),
    ("apiextensions.v1.CustomResourceDefinitionNames", "singular", |_, names| {
        text(names, "kind").map(|kind| kind.to_lowercase().into())
    }),
    ("apps.v1.DaemonSetUpdateStrategy", "rollingUpdate", rolling),
    ("apps.v1.DeploymentStrategy", "rollingUpdate", rolling),
    ("apps.v1.StatefulSetUpdateStrategy", "rollingUpdate", rolling),
    // The type by itself means a strategy without parameters, and none are filled in.
    ("apps.v1.StatefulSetUpdateStrategy", "type", |_, strategy| {
        strategy.contains_key("rollingUpdate").then(|| json!("RollingUpdate"))
    }),
    ("autoscaling.v2.HPAScalingRules", "policies", |of, _| match of.name()? {
        "scaleUp" => Some(json!([{"type": "Pods", "value": 4, "periodSeconds": 15},
            {"type": "Percent", "value": 100, "periodSeconds": 15}])),
        _ => Some(json!([{"type": "Percent", "value": 100, "periodSeconds": 15}])),
    }),
    // Upwards no window is the default, downwards it is a decision.
    ("autoscaling.v2.HPAScalingRules", "stabilizationWindowSeconds", |of, _| {
        (of.name() == Some("scaleUp")).then(|| json!(0))
    }),
    ("batch.v1.JobSpec", "backoffLimit", |of, job| {
        let limit = if job.contains_key("backoffLimitPerIndex") { i32::MAX } else { 6 };
        is_job(of).then(|| json!(limit))
    }),
    // Without completions, but with a parallelism of its own, any success ends the Job: then 1 says something.
    ("batch.v1.JobSpec", "completions", |of, job| {
        (is_job(of) && job.get("parallelism") == Some(&json!(1))).then(|| json!(1))
    }),
    ("batch.v1.JobSpec", "parallelism", |of, job| (is_job(of) && job.contains_key("completions")).then(|| json!(1))),
    ("batch.v1.JobSpec", "podReplacementPolicy", |of, job| {
        let policy = if job.contains_key("podFailurePolicy") { "Failed" } else { "TerminatingOrFailed" };
        is_job(of).then(|| json!(policy))
    }),
    ("core.v1.Container", "imagePullPolicy", |_, container| text(container, "image").map(pull_policy)),
    ("core.v1.ImageVolumeSource", "pullPolicy", |_, image| text(image, "reference").map(pull_policy)),
    ("core.v1.LimitRangeItem", "default", |_, item| {
        (text(item, "type") == Some("Container")).then(|| item.get("max").cloned())?
    }),
    ("core.v1.LimitRangeItem", "defaultRequest", |_, item| {
        let map = |key: &str| item.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
        let mut requests = map("min");
        requests.extend(map("default"));
        (text(item, "type") == Some("Container")).then(|| Value::Object(requests))
    }),
    ("core.v1.PodSpec", "serviceAccount", |_, pod| pod.get("serviceAccountName").cloned()),
    ("core.v1.ReplicationControllerSpec", "selector", |_, controller| {
        controller.get("template")?.pointer("/metadata/labels").cloned()
    }),
    ("core.v1.ServicePort", "targetPort", |_, port| port.get("port").cloned()),
    ("core.v1.ServiceSpec", "allocateLoadBalancerNodePorts", |_, service| {
        (text(service, "type") == Some("LoadBalancer")).then(|| json!(true))
    }),
    ("core.v1.ServiceSpec", "externalTrafficPolicy", |_, service| {
        let external =
            service.get("externalIPs").and_then(Value::as_array).is_some_and(|addresses| !addresses.is_empty());
        let is_seen = matches!(text(service, "type"), Some("LoadBalancer" | "NodePort")) || external;
        is_seen.then(|| json!("Cluster"))
    }),
    ("core.v1.ServiceSpec", "internalTrafficPolicy", |_, service| {
        (text(service, "type") != Some("ExternalName")).then(|| json!("Cluster"))
    }),
    ("core.v1.ServiceSpec", "sessionAffinityConfig", |_, service| {
        (text(service, "sessionAffinity") == Some("ClientIP")).then(|| json!({}))
    }),
    ("networking.v1.NetworkPolicySpec", "policyTypes", |_, policy| {
        let egress = policy.get("egress").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
        Some(if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) })
    }),
    ("rbac.v1.Subject", "apiGroup", |_, subject| {
        matches!(text(subject, "kind"), Some("User" | "Group")).then(|| json!("rbac.authorization.k8s.io"))
    }),
    ("resource.v1.DeviceSubRequest", "count", exact_count),
    ("resource.v1.ExactDeviceRequest", "count", exact_count),
];

/// The rule for a field, if there is one.
pub(super) fn of(of: &str, field: &str) -> Option<Rule> {
    let position = RULES.binary_search_by(|(name, found, _)| (*name, *found).cmp(&(of, field))).ok()?;
    RULES.get(position).map(|(.., rule)| *rule)
}

fn text<'v>(fields: &'v Map<String, Value>, name: &str) -> Option<&'v str> {
    fields.get(name).and_then(Value::as_str)
}

/// Parameters of a rolling update are made for that strategy only.
fn rolling(_: SchemaView<'_>, strategy: &Map<String, Value>) -> Option<Value> {
    (text(strategy, "type") == Some("RollingUpdate")).then(|| json!({}))
}

/// Whether the Job is one, and not a template in a CronJob, into which nothing is filled.
fn is_job(of: SchemaView<'_>) -> bool {
    of.root_type() == Some("io.k8s.api.batch.v1.Job")
}

fn exact_count(_: SchemaView<'_>, request: &Map<String, Value>) -> Option<Value> {
    (text(request, "allocationMode") == Some("ExactCount")).then(|| json!(1))
}

/// An image is pulled always that has the tag `latest`, or neither tag nor digest.
fn pull_policy(image: &str) -> Value {
    let name = image.rsplit_once('/').map_or(image, |(_, name)| name);
    let (named, digest) = name.split_once('@').map_or((name, false), |(named, _)| (named, true));
    let latest = named.rsplit_once(':').map_or(!digest, |(_, tag)| tag == "latest");
    json!(if latest { "Always" } else { "IfNotPresent" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_found_by_type_and_field() {
        assert!(RULES.is_sorted_by_key(|(of, field, _)| (*of, *field)));
        assert!(of("core.v1.Container", "imagePullPolicy").is_some() && of("core.v1.Container", "image").is_none());
    }
}
