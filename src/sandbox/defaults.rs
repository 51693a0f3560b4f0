//! Owns the defaults that the API server fills into objects before it stores them. Must never overwrite a value, nor
//! allocate one (that is `allocate`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::kinds::Resource;

type Object = Map<String, Value>;

/// Fills in what is missing.
pub(super) fn fill(resource: &Resource, object: &mut Value) {
    let Value::Object(object) = object else { return };
    match resource.kind.as_str() {
        "Namespace" => namespace(object),
        "Secret" => secret(object),
        "Service" => service(object),
        "Deployment" => deployment(object),
        _ => {}
    }
}

fn put(map: &mut Object, key: &str, value: impl Into<Value>) {
    if !map.contains_key(key) {
        map.insert(key.to_owned(), value.into());
    }
}

fn child<'a>(map: &'a mut Object, key: &str) -> Option<&'a mut Object> {
    map.get_mut(key).and_then(Value::as_object_mut)
}

fn items<'a>(map: &'a mut Object, key: &str) -> impl Iterator<Item = &'a mut Object> {
    map.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

fn text<'a>(map: &'a Object, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or("")
}

fn namespace(object: &mut Object) {
    let name = object.get("metadata").and_then(|metadata| metadata.get("name")).cloned().unwrap_or_default();
    if let Some(metadata) = child(object, "metadata").filter(|_| name.is_string()) {
        put(metadata, "labels", json!({}));
        if let Some(labels) = child(metadata, "labels") {
            labels.insert("kubernetes.io/metadata.name".into(), name);
        }
    }
}

fn secret(object: &mut Object) {
    put(object, "type", "Opaque");
    let Some(Value::Object(plain)) = object.remove("stringData") else { return };
    put(object, "data", json!({}));
    if let Some(data) = child(object, "data") {
        for (key, value) in plain {
            data.insert(key, STANDARD.encode(value.as_str().unwrap_or("")).into());
        }
        let mut entries: Vec<_> = std::mem::take(data).into_iter().collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        data.extend(entries);
    }
}

fn service(object: &mut Object) {
    let Some(spec) = child(object, "spec") else { return };
    put(spec, "sessionAffinity", "None");
    if text(spec, "sessionAffinity") == "None" {
        spec.remove("sessionAffinityConfig");
    }
    if text(spec, "sessionAffinity") == "ClientIP" {
        put(spec, "sessionAffinityConfig", json!({}));
        if let Some(config) = child(spec, "sessionAffinityConfig") {
            put(config, "clientIP", json!({}));
            if let Some(client) = child(config, "clientIP") {
                put(client, "timeoutSeconds", 10800);
            }
        }
    }
    put(spec, "type", "ClusterIP");
    for port in items(spec, "ports") {
        put(port, "protocol", "TCP");
        let unset =
            matches!(port.get("targetPort"), None | Some(Value::Null)) || port.get("targetPort") == Some(&json!(0));
        if unset || text(port, "targetPort").is_empty() && port.get("targetPort").is_some_and(Value::is_string) {
            let number = port.get("port").cloned().unwrap_or_default();
            port.insert("targetPort".into(), number);
        }
    }
    let of = text(spec, "type").to_owned();
    let is_external = matches!(of.as_str(), "NodePort" | "LoadBalancer");
    if is_external || spec.get("externalIPs").is_some() {
        put(spec, "externalTrafficPolicy", "Cluster");
    }
    if is_external || of == "ClusterIP" {
        put(spec, "internalTrafficPolicy", "Cluster");
    }
    if of == "LoadBalancer" {
        put(spec, "allocateLoadBalancerNodePorts", true);
    }
}

fn deployment(object: &mut Object) {
    let Some(spec) = child(object, "spec") else { return };
    put(spec, "replicas", 1);
    put(spec, "revisionHistoryLimit", 10);
    put(spec, "progressDeadlineSeconds", 600);
    if let Some(strategy) = child(spec, "strategy") {
        put(strategy, "type", "RollingUpdate");
        if text(strategy, "type") == "RollingUpdate" {
            put(strategy, "rollingUpdate", json!({}));
            if let Some(rolling) = child(strategy, "rollingUpdate") {
                put(rolling, "maxUnavailable", "25%");
                put(rolling, "maxSurge", "25%");
            }
        }
    }
    if let Some(pod) = child(spec, "template").and_then(|template| child(template, "spec")) {
        pod_spec(pod);
    }
}

fn pod_spec(pod: &mut Object) {
    put(pod, "dnsPolicy", "ClusterFirst");
    put(pod, "restartPolicy", "Always");
    put(pod, "schedulerName", "default-scheduler");
    put(pod, "securityContext", json!({}));
    put(pod, "terminationGracePeriodSeconds", 30);
    // Two names of one field.
    for (from, to) in [("serviceAccountName", "serviceAccount"), ("serviceAccount", "serviceAccountName")] {
        if let Some(name) = pod.get(from).cloned() {
            put(pod, to, name);
        }
    }
    let host_network = pod.get("hostNetwork") == Some(&json!(true));
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in items(pod, list) {
            fill_container(container, host_network);
        }
    }
    for volume in items(pod, "volumes") {
        fill_volume(volume);
    }
    for constraint in items(pod, "topologySpreadConstraints") {
        put(constraint, "maxSkew", 1);
    }
}

fn fill_container(container: &mut Object, host_network: bool) {
    let policy = if is_latest(text(container, "image")) { "Always" } else { "IfNotPresent" };
    put(container, "imagePullPolicy", policy);
    put(container, "terminationMessagePath", "/dev/termination-log");
    put(container, "terminationMessagePolicy", "File");
    for port in items(container, "ports") {
        put(port, "protocol", "TCP");
        if let Some(number) = port.get("containerPort").cloned().filter(|_| host_network) {
            put(port, "hostPort", number);
        }
    }
    for variable in items(container, "env") {
        if let Some(source) = child(variable, "valueFrom") {
            fill_field_ref(source);
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = child(container, probe) {
            put(probe, "timeoutSeconds", 1);
            put(probe, "periodSeconds", 10);
            put(probe, "successThreshold", 1);
            put(probe, "failureThreshold", 3);
            fill_handler(probe);
        }
    }
    if let Some(lifecycle) = child(container, "lifecycle") {
        for hook in ["postStart", "preStop"] {
            if let Some(hook) = child(lifecycle, hook) {
                fill_handler(hook);
            }
        }
    }
}

fn fill_handler(handler: &mut Object) {
    if let Some(get) = child(handler, "httpGet") {
        put(get, "path", "/");
        put(get, "scheme", "HTTP");
    }
    if let Some(grpc) = child(handler, "grpc") {
        put(grpc, "service", "");
    }
}

fn fill_field_ref(source: &mut Object) {
    if let Some(field) = child(source, "fieldRef") {
        put(field, "apiVersion", "v1");
    }
    if let Some(resource) = child(source, "resourceFieldRef") {
        put(resource, "divisor", "0");
    }
}

/// Whether an image names the tag `latest`, or none.
fn is_latest(image: &str) -> bool {
    if image.is_empty() || image.contains('@') {
        return false;
    }
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

fn fill_volume(volume: &mut Object) {
    // A volume that says nothing but its name is an empty directory.
    if volume.keys().all(|key| key == "name") {
        volume.insert("emptyDir".into(), json!({}));
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = child(volume, source) {
            put(source, "defaultMode", 420);
            items(source, "items").for_each(fill_field_ref);
        }
    }
    if let Some(path) = child(volume, "hostPath") {
        put(path, "type", "");
    }
    if let Some(projected) = child(volume, "projected") {
        for source in items(projected, "sources") {
            if let Some(token) = child(source, "serviceAccountToken") {
                put(token, "expirationSeconds", 3600);
            }
            if let Some(api) = child(source, "downwardAPI") {
                items(api, "items").for_each(fill_field_ref);
            }
        }
    }
    if let Some(claim) = child(volume, "ephemeral")
        .and_then(|ephemeral| child(ephemeral, "volumeClaimTemplate"))
        .and_then(|template| child(template, "spec"))
    {
        put(claim, "volumeMode", "Filesystem");
    }
}

#[cfg(test)]
mod tests {
    use super::super::kinds;
    use super::*;

    fn filled(group: &str, kind: &str, mut object: Value) -> Value {
        fill(kinds::by_kind(group, kind).unwrap(), &mut object);
        object
    }

    #[test]
    fn the_pull_policy_follows_the_tag() {
        for (image, wanted) in [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("nginx:1.27", "IfNotPresent"),
            ("registry:5000/nginx", "Always"),
            ("registry:5000/nginx:1", "IfNotPresent"),
            ("nginx@sha256:0123", "IfNotPresent"),
        ] {
            let pod = json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "image": image}]}}}});
            let filled = filled("apps", "Deployment", pod);
            assert_eq!(filled["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"], wanted, "{image}");
        }
    }

    #[test]
    fn plain_secret_values_become_data() {
        let secret = filled("", "Secret", json!({"stringData": {"a": "b"}, "data": {"c": "ZA==", "a": "eA=="}}));
        assert_eq!(secret, json!({"data": {"a": "Yg==", "c": "ZA=="}, "type": "Opaque"}));
    }

    #[test]
    fn a_target_port_is_the_port_unless_said() {
        let ports = json!([{"port": 80}, {"port": 81, "targetPort": "http"}, {"port": 82, "targetPort": 0}]);
        let service = filled("", "Service", json!({"spec": {"ports": ports}}));
        let targets: Vec<_> =
            service["spec"]["ports"].as_array().unwrap().iter().map(|port| &port["targetPort"]).collect();
        assert_eq!(targets, [&json!(80), &json!("http"), &json!(82)]);
    }

    #[test]
    fn a_strategy_that_recreates_gets_no_rolling_update() {
        let made = filled("apps", "Deployment", json!({"spec": {"strategy": {"type": "Recreate"}}}));
        assert_eq!(made["spec"]["strategy"], json!({"type": "Recreate"}));
    }
}
