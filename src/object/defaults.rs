//! Owns what the API server fills into built-in kinds, by schema type and field, and what it drops. Must never take a
//! value for a default that means something else when it is left out. What custom resources default to stands in their
//! schema. Seen on kube-apiserver 1.36.3: objects made without the field came back with the value.

use serde_json::{Map, Value, json};

use super::compare;
use super::schema::SchemaView;

/// Whether `value` at `field` of a struct is what the server fills in when the field is left out. `siblings` is the struct
/// as it is live: some defaults depend on neighbours.
pub fn is_default(of: SchemaView<'_>, field: &str, value: &Value, siblings: &Map<String, Value>) -> bool {
    let declared = of.field(field).default();
    if !of.is_built_in() {
        return declared.is_some_and(|default| compare::same_part(default, value, of.field(field)));
    }
    if let Some(fill) = of.type_name().and_then(short).and_then(|name| fill(name, field)) {
        return fill.is(value, siblings);
    }
    // Schemas of built-in kinds write `""` and `{}` for "required": those are not filled in.
    declared.is_some_and(|default| *default == *value && *default != json!("") && *default != json!({}))
}

/// Whether the server drops this zero value instead of storing it: then a missing field says the same.
pub fn is_dropped(of: SchemaView<'_>, field: &str, value: &Value) -> bool {
    let zero = match value {
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        _ => false,
    };
    zero && of.is_built_in() && of.is_struct_field(field) && DROPPED.contains(&field)
}

/// Fields that are stored only when they are not zero, whatever their type; `storageClassName: ""` of a claim and
/// `automountServiceAccountToken: false`, for example, are stored and mean something.
const DROPPED: [&str; 52] = [
    "chapAuthDiscovery",
    "chapAuthSession",
    "clusterIP",
    "containerName",
    "deprecated",
    "description",
    "directory",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "externalName",
    "format",
    "fsType",
    "globalDefault",
    "healthCheckNodePort",
    "host",
    "hostIP",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostPort",
    "hostname",
    "initialDelaySeconds",
    "loadBalancerIP",
    "medium",
    "minReadySeconds",
    "namespace",
    "nodeName",
    "nodePort",
    "nullable",
    "operator",
    "path",
    "paused",
    "pattern",
    "prefix",
    "preserveUnknownFields",
    "priorityClassName",
    "publishNotReadyAddresses",
    "readOnly",
    "secretName",
    "serviceAccountName",
    "stdin",
    "stdinOnce",
    "subPath",
    "subPathExpr",
    "subdomain",
    "title",
    "tty",
    "uniqueItems",
    "value",
    "workingDir",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
];

/// What the server fills in.
enum Fill {
    Text(&'static str),
    Int(i64),
    Flag(bool),
    EmptyMap,
    /// The value of a neighbour.
    Like(&'static str),
    /// A list or map, or whatever else needs more than a word.
    When(fn(&Value, &Map<String, Value>) -> bool),
}

impl Fill {
    fn is(&self, value: &Value, siblings: &Map<String, Value>) -> bool {
        match self {
            Self::Text(text) => value.as_str() == Some(text),
            Self::Int(number) => value.as_i64() == Some(*number),
            Self::Flag(flag) => value.as_bool() == Some(*flag),
            Self::EmptyMap => value.as_object().is_some_and(Map::is_empty),
            Self::Like(neighbour) => siblings.get(*neighbour) == Some(value),
            Self::When(holds) => holds(value, siblings),
        }
    }
}

/// `core.v1.Container` of `io.k8s.api.core.v1.Container`.
fn short(name: &str) -> Option<&str> {
    name.strip_prefix("io.k8s.api.").or_else(|| name.strip_prefix("io.k8s.apiextensions-apiserver.pkg.apis."))
}

fn fill(of: &str, field: &str) -> Option<Fill> {
    use Fill::{EmptyMap, Flag, Int, Like, Text, When};
    let (group, kind) = of.rsplit_once('.')?;
    Some(match (group, kind, field) {
        ("apps.v1", "DeploymentSpec" | "StatefulSetSpec", "replicas") => Int(1),
        ("apps.v1", _, "revisionHistoryLimit") => Int(10),
        ("apps.v1", "DeploymentSpec", "progressDeadlineSeconds") => Int(600),
        ("apps.v1", "DeploymentStrategy" | "StatefulSetUpdateStrategy" | "DaemonSetUpdateStrategy", "type") => {
            Text("RollingUpdate")
        }
        ("apps.v1", "RollingUpdateDeployment", "maxSurge" | "maxUnavailable") => Text("25%"),
        ("apps.v1", "RollingUpdateDaemonSet", "maxSurge") => Int(0),
        ("apps.v1", "RollingUpdateDaemonSet", "maxUnavailable") => Int(1),
        ("apps.v1", "RollingUpdateStatefulSetStrategy", "partition") => Int(0),
        ("apps.v1", "StatefulSetSpec", "podManagementPolicy") => Text("OrderedReady"),
        ("apps.v1", "StatefulSetPersistentVolumeClaimRetentionPolicy", "whenDeleted" | "whenScaled") => Text("Retain"),

        ("autoscaling.v2", "HorizontalPodAutoscalerSpec", "minReplicas") => Int(1),
        ("autoscaling.v2", "HorizontalPodAutoscalerSpec", "metrics") => When(|value, _| *value == cpu_at_80()),
        ("autoscaling.v2", "HPAScalingRules", "selectPolicy") => Text("Max"),
        ("autoscaling.v2", "HPAScalingRules", "policies") => {
            When(|value, _| *value == scale_up_policies() || *value == scale_down_policies())
        }
        // Upwards no window is the default, downwards it is a decision; the default policies tell which this is.
        ("autoscaling.v2", "HPAScalingRules", "stabilizationWindowSeconds") => {
            When(|value, siblings| *value == json!(0) && siblings.get("policies") == Some(&scale_up_policies()))
        }

        ("batch.v1", "CronJobSpec", "concurrencyPolicy") => Text("Allow"),
        ("batch.v1", "CronJobSpec", "failedJobsHistoryLimit") => Int(1),
        ("batch.v1", "CronJobSpec", "successfulJobsHistoryLimit") => Int(3),
        ("batch.v1", "CronJobSpec" | "JobSpec", "suspend") => Flag(false),
        ("batch.v1", "JobSpec", "backoffLimit") => Int(6),
        ("batch.v1", "JobSpec", "completionMode") => Text("NonIndexed"),
        ("batch.v1", "JobSpec", "manualSelector") => Flag(false),
        ("batch.v1", "JobSpec", "parallelism") => Int(1),
        // Without completions, but with a parallelism of several, any success ends the Job: then 1 says something.
        ("batch.v1", "JobSpec", "completions") => {
            When(|value, siblings| *value == json!(1) && siblings.get("parallelism") == Some(&json!(1)))
        }
        ("batch.v1", "JobSpec", "podReplacementPolicy") => When(|value, siblings| {
            let wanted = if siblings.contains_key("podFailurePolicy") { "Failed" } else { "TerminatingOrFailed" };
            value.as_str() == Some(wanted)
        }),
        ("batch.v1", "JobTemplateSpec", "metadata") => EmptyMap,
        ("batch.v1", "PodFailurePolicyOnPodConditionsPattern", "status") => Text("True"),

        ("core.v1", "Container", "terminationMessagePath") => Text("/dev/termination-log"),
        ("core.v1", "Container", "terminationMessagePolicy") => Text("File"),
        ("core.v1", "Container", "imagePullPolicy") => When(|value, siblings| {
            let image = siblings.get("image").and_then(Value::as_str);
            value.as_str() == image.map(|image| if is_latest(image) { "Always" } else { "IfNotPresent" })
        }),
        ("core.v1", "Container", "resources") => EmptyMap,
        ("core.v1", "ContainerPort" | "ServicePort", "protocol") => Text("TCP"),
        ("core.v1", "ClientIPConfig", "timeoutSeconds") => Int(10_800),
        (
            "core.v1",
            "ConfigMapVolumeSource" | "SecretVolumeSource" | "DownwardAPIVolumeSource" | "ProjectedVolumeSource",
            "defaultMode",
        ) => Int(0o644),
        ("core.v1", "GRPCAction", "service") | ("core.v1", "HostPathVolumeSource", "type") => Text(""),
        ("core.v1", "HTTPGetAction", "path") => Text("/"),
        ("core.v1", "HTTPGetAction", "scheme") => Text("HTTP"),
        ("core.v1", "ISCSIVolumeSource" | "ISCSIPersistentVolumeSource", "iscsiInterface") => Text("default"),
        ("core.v1", "NamespaceSpec", "finalizers") => When(|value, _| *value == json!(["kubernetes"])),
        ("core.v1", "ObjectFieldSelector", "apiVersion") => Text("v1"),
        // Only in templates of claims: of an object's root neither apiVersion nor kind is ever asked for.
        ("core.v1", "PersistentVolumeClaim", "apiVersion") => Text("v1"),
        ("core.v1", "PersistentVolumeClaim", "kind") => Text("PersistentVolumeClaim"),
        ("core.v1", "PersistentVolumeClaim", "status") => When(|value, _| *value == json!({"phase": "Pending"})),
        ("core.v1", "PersistentVolumeClaimSpec" | "PersistentVolumeSpec", "volumeMode") => Text("Filesystem"),
        ("core.v1", "PersistentVolumeSpec", "persistentVolumeReclaimPolicy") => Text("Retain"),
        ("core.v1", "PodTemplateSpec" | "PersistentVolumeClaimTemplate", "metadata") => EmptyMap,
        ("core.v1", "PodSpec", "dnsPolicy") => Text("ClusterFirst"),
        ("core.v1", "PodSpec", "enableServiceLinks") => Flag(true),
        ("core.v1", "PodSpec", "preemptionPolicy") => Text("PreemptLowerPriority"),
        ("core.v1", "PodSpec", "restartPolicy") => Text("Always"),
        ("core.v1", "PodSpec", "schedulerName") => Text("default-scheduler"),
        ("core.v1", "PodSpec", "securityContext") => EmptyMap,
        ("core.v1", "PodSpec", "serviceAccount") => Like("serviceAccountName"),
        ("core.v1", "PodSpec", "terminationGracePeriodSeconds") => Int(30),
        ("core.v1", "Probe", "failureThreshold") => Int(3),
        ("core.v1", "Probe", "periodSeconds") => Int(10),
        ("core.v1", "Probe", "successThreshold" | "timeoutSeconds") => Int(1),
        ("core.v1", "ResourceFieldSelector", "divisor") => Text("0"),
        ("core.v1", "Secret", "type") => Text("Opaque"),
        ("core.v1", "ServiceAccountTokenProjection", "expirationSeconds") => Int(3600),
        ("core.v1", "ServicePort", "targetPort") => Like("port"),
        ("core.v1", "ServiceSpec", "allocateLoadBalancerNodePorts") => Flag(true),
        ("core.v1", "ServiceSpec", "externalTrafficPolicy" | "internalTrafficPolicy") => Text("Cluster"),
        ("core.v1", "ServiceSpec", "sessionAffinity") => Text("None"),
        ("core.v1", "ServiceSpec", "type") => Text("ClusterIP"),

        ("apiextensions.v1", "CustomResourceConversion", "strategy") => Text("None"),
        ("apiextensions.v1", "CustomResourceDefinitionNames", "listKind") => {
            When(|value, siblings| kind_of(siblings).is_some_and(|kind| value.as_str() == Some(&format!("{kind}List"))))
        }
        ("apiextensions.v1", "CustomResourceDefinitionNames", "singular") => {
            When(|value, siblings| kind_of(siblings).is_some_and(|kind| value.as_str() == Some(&kind.to_lowercase())))
        }

        ("networking.v1", "NetworkPolicyPort", "protocol") => Text("TCP"),
        ("networking.v1", "NetworkPolicySpec", "policyTypes") => When(|value, siblings| {
            let egress = siblings.get("egress").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
            *value == if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) }
        }),
        ("rbac.v1", "RoleRef", "apiGroup") => Text("rbac.authorization.k8s.io"),
        ("rbac.v1", "Subject", "apiGroup") => When(|value, siblings| {
            let service_account = siblings.get("kind").and_then(Value::as_str) == Some("ServiceAccount");
            value.as_str() == Some(if service_account { "" } else { "rbac.authorization.k8s.io" })
        }),
        ("scheduling.v1", "PriorityClass", "preemptionPolicy") => Text("PreemptLowerPriority"),
        ("storage.v1", "StorageClass", "reclaimPolicy") => Text("Delete"),
        ("storage.v1", "StorageClass", "volumeBindingMode") => Text("Immediate"),
        _ => return None,
    })
}

/// A struct in which the server fills the keys of one map from another: `LimitRangeItem` as it would come back. `None` for
/// every other type.
pub(super) fn filled(of: SchemaView<'_>, fields: &Map<String, Value>) -> Option<Map<String, Value>> {
    let is_container = fields.get("type").and_then(Value::as_str) == Some("Container");
    if of.type_name() != Some("io.k8s.api.core.v1.LimitRangeItem") || !is_container {
        return None;
    }
    let mut filled = fields.clone();
    for (to, from) in [("default", "max"), ("defaultRequest", "default"), ("defaultRequest", "min")] {
        let source = filled.get(from).and_then(Value::as_object).cloned().unwrap_or_default();
        if let Value::Object(target) = filled.entry(to).or_insert_with(|| json!({})) {
            source.into_iter().for_each(|(key, value)| {
                target.entry(key).or_insert(value);
            });
        }
    }
    Some(filled)
}

/// Whether an image without a pull policy is pulled always: tag `latest`, or neither tag nor digest.
fn is_latest(image: &str) -> bool {
    let name = image.rsplit_once('/').map_or(image, |(_, name)| name);
    !name.contains('@') && name.rsplit_once(':').is_none_or(|(_, tag)| tag == "latest")
}

fn kind_of(names: &Map<String, Value>) -> Option<&str> {
    names.get("kind").and_then(Value::as_str)
}

fn cpu_at_80() -> Value {
    json!([{"type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}])
}

fn scale_up_policies() -> Value {
    json!([{"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15}])
}

fn scale_down_policies() -> Value {
    json!([{"type": "Percent", "value": 100, "periodSeconds": 15}])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Schema;

    fn container(image: &str, policy: &str) -> bool {
        let schema = Schema::builtin();
        let pod = schema.root("apps", "v1", "Deployment").unwrap().field("spec").field("template").field("spec");
        let container = json!({"image": image, "imagePullPolicy": policy});
        is_default(pod.field("containers").item(), "imagePullPolicy", &json!(policy), container.as_object().unwrap())
    }

    #[test]
    fn the_pull_policy_follows_the_tag() {
        for image in ["nginx", "nginx:latest", "registry:5000/nginx", "a.b/c/d:latest"] {
            assert!(container(image, "Always") && !container(image, "IfNotPresent"), "{image}");
        }
        for image in ["nginx:1", "registry:5000/nginx:1", "nginx@sha256:00", "nginx:latest@sha256:00"] {
            assert!(container(image, "IfNotPresent") && !container(image, "Always"), "{image}");
        }
    }

    #[test]
    fn a_target_port_is_a_default_only_beside_its_port() {
        let schema = Schema::builtin();
        let port = schema.root("", "v1", "Service").unwrap().field("spec").field("ports").item();
        let siblings = json!({"port": 80, "targetPort": 80});
        assert!(is_default(port, "targetPort", &json!(80), siblings.as_object().unwrap()));
        assert!(!is_default(port, "targetPort", &json!(8080), siblings.as_object().unwrap()));
        assert!(!is_default(port, "targetPort", &json!("http"), siblings.as_object().unwrap()));
    }

    #[test]
    fn what_means_something_when_left_out_is_no_default() {
        let schema = Schema::builtin();
        let none = Map::new();
        let policy = schema.root("networking.k8s.io", "v1", "NetworkPolicy").unwrap().field("spec");
        assert!(!is_default(policy, "podSelector", &json!({}), &none));
        let claim = schema.root("", "v1", "PersistentVolumeClaim").unwrap().field("spec");
        assert!(!is_dropped(claim, "storageClassName", &json!("")));
        assert!(!is_default(claim, "volumeMode", &json!("Block"), &none));
        let pod = schema.root("", "v1", "Pod").unwrap().field("spec");
        assert!(!is_dropped(pod, "automountServiceAccountToken", &json!(false)));
        assert!(is_dropped(pod, "hostNetwork", &json!(false)) && !is_dropped(pod, "hostNetwork", &json!(true)));
        assert!(!is_dropped(SchemaView::unknown(), "hostNetwork", &json!(false)));
        let job = schema.root("batch", "v1", "Job").unwrap().field("spec");
        let several = json!({"parallelism": 3, "completions": 1});
        assert!(!is_default(job, "completions", &json!(1), several.as_object().unwrap()));
    }
}
