//! What the server fills in.

use serde_json::{Value, json};

use crate::support::{MERGE, STRATEGIC, Server};

pub async fn a_deployment_gets_every_default(server: &Server) {
    let mut object = server.deployment("web");
    object["spec"].as_object_mut().unwrap().remove("replicas");
    let container = object.pointer_mut("/spec/template/spec/containers/0").unwrap();
    container["livenessProbe"] = json!({"httpGet": {"port": 80}});
    container["readinessProbe"] = json!({"exec": {"command": ["true"]}, "periodSeconds": 3});
    container["startupProbe"] = json!({"grpc": {"port": 80}});
    container["lifecycle"] = json!({"preStop": {"httpGet": {"port": "http"}}});
    object["spec"]["template"]["spec"]["initContainers"] = json!([{"name": "i", "image": "busybox:1"}]);
    object["spec"]["template"]["spec"]["serviceAccountName"] = "robot".into();
    let made = server.post("deployments", &object).await.ok();
    let file =
        json!({"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "resources": {}});
    let with = |mut container: Value| {
        container.as_object_mut().unwrap().extend(file.as_object().unwrap().clone());
        container
    };
    let probe = |mut probe: Value| {
        for (key, value) in
            [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
        {
            probe.as_object_mut().unwrap().entry(key).or_insert(value.into());
        }
        probe
    };
    let wanted = json!({
        "replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
        "selector": {"matchLabels": {"a": "b"}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {
            "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler",
            "securityContext": {}, "terminationGracePeriodSeconds": 30,
            "serviceAccountName": "robot", "serviceAccount": "robot",
            "initContainers": [with(json!({"name": "i", "image": "busybox:1", "imagePullPolicy": "IfNotPresent"}))],
            "containers": [with(json!({
                "name": "c", "image": "nginx", "imagePullPolicy": "Always",
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "livenessProbe": probe(json!({"httpGet": {"path": "/", "port": 80, "scheme": "HTTP"}})),
                "readinessProbe": probe(json!({"exec": {"command": ["true"]}, "periodSeconds": 3})),
                "startupProbe": probe(json!({"grpc": {"port": 80, "service": ""}})),
                "lifecycle": {"preStop": {"httpGet": {"path": "/", "port": "http", "scheme": "HTTP"}}},
            }))],
        }},
    });
    assert_eq!(made["spec"], wanted);
    assert_eq!(made["status"], json!({}));
    // The same values sent are the same object.
    let patch = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
    let made = server.patch("deployments/web", STRATEGIC, &patch).await.ok();
    assert_eq!(made["spec"]["strategy"], json!({"type": "Recreate"}));
}

pub async fn volumes_and_sources_get_their_defaults(server: &Server) {
    let mut object = server.deployment("web");
    let pod = object.pointer_mut("/spec/template/spec").unwrap();
    let field = json!({"fieldPath": "metadata.name"});
    pod["volumes"] = json!([
        {"name": "a", "secret": {"secretName": "s"}}, {"name": "b", "configMap": {"name": "m"}}, {"name": "c"},
        {"name": "d", "hostPath": {"path": "/x"}},
        {"name": "e", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}},
            {"downwardAPI": {"items": [{"path": "p", "fieldRef": field}]}}]}},
        {"name": "f", "downwardAPI": {"items": [{"path": "p", "fieldRef": field}]}},
    ]);
    let resource = json!({"resource": "limits.cpu"});
    pod["containers"][0]["env"] = json!([
        {"name": "N", "valueFrom": {"fieldRef": field}}, {"name": "R", "valueFrom": {"resourceFieldRef": resource}}]);
    let made = server.post("deployments", &object).await.ok();
    let field = json!({"apiVersion": "v1", "fieldPath": "metadata.name"});
    let wanted = json!([
        {"name": "a", "secret": {"secretName": "s", "defaultMode": 420}},
        {"name": "b", "configMap": {"name": "m", "defaultMode": 420}}, {"name": "c", "emptyDir": {}},
        {"name": "d", "hostPath": {"path": "/x", "type": ""}},
        {"name": "e", "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}},
            {"downwardAPI": {"items": [{"path": "p", "fieldRef": field}]}}]}},
        {"name": "f", "downwardAPI": {"defaultMode": 420, "items": [{"path": "p", "fieldRef": field}]}},
    ]);
    assert_eq!(*made.pointer("/spec/template/spec/volumes").unwrap(), wanted);
    let wanted = json!([{"name": "N", "valueFrom": {"fieldRef": field}},
        {"name": "R", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "0"}}}]);
    assert_eq!(*made.pointer("/spec/template/spec/containers/0/env").unwrap(), wanted);
}

fn service(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})
}

/// A specification without what was allocated.
fn declared(service: &Value) -> Value {
    let mut spec = service["spec"].clone();
    spec.as_object_mut().unwrap().retain(|key, _| !["clusterIP", "clusterIPs"].contains(&key.as_str()));
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        port.as_object_mut().unwrap().remove("nodePort");
    }
    spec
}

pub async fn services_get_the_defaults_of_their_type(server: &Server) {
    let make = async |name: &str, spec: Value| declared(&server.post("services", &service(name, spec)).await.ok());
    let port = json!({"port": 80, "protocol": "TCP", "targetPort": 80});
    let single = json!({"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None",
                        "internalTrafficPolicy": "Cluster", "ports": [port]});
    let wanted = |more: Value| {
        let mut spec = single.clone();
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    let ports = json!([{"port": 80}]);
    assert_eq!(make("plain", json!({"ports": ports})).await, wanted(json!({"type": "ClusterIP"})));
    let node = json!({"type": "NodePort", "externalTrafficPolicy": "Cluster"});
    assert_eq!(make("node", json!({"type": "NodePort", "ports": ports})).await, wanted(node));
    let balanced =
        json!({"type": "LoadBalancer", "externalTrafficPolicy": "Cluster", "allocateLoadBalancerNodePorts": true});
    assert_eq!(make("balanced", json!({"type": "LoadBalancer", "ports": ports})).await, wanted(balanced));
    let sticky = json!({"type": "ClusterIP", "sessionAffinity": "ClientIP",
                        "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}}});
    assert_eq!(make("sticky", json!({"sessionAffinity": "ClientIP", "ports": ports})).await, wanted(sticky));
    let any = json!({"type": "ClusterIP", "ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"});
    assert_eq!(make("any", json!({"clusterIP": "None", "ports": ports})).await, wanted(any));
    let external = make("external", json!({"type": "ExternalName", "externalName": "example.org"})).await;
    assert_eq!(external, json!({"type": "ExternalName", "externalName": "example.org", "sessionAffinity": "None"}));
}

pub async fn a_change_of_type_takes_along_what_depended_on_it(server: &Server) {
    let made =
        server.post("services", &service("s", json!({"ports": [{"port": 80}], "selector": {"a": "b"}}))).await.ok();
    let change = async |spec: Value| server.patch("services/s", MERGE, &json!({"spec": spec})).await.ok();
    let node = change(json!({"type": "NodePort"})).await;
    assert!(node["spec"]["ports"][0]["nodePort"].is_number());
    assert_eq!(node["spec"]["clusterIP"], made["spec"]["clusterIP"]);
    let plain = change(json!({"type": "ClusterIP"})).await;
    assert_eq!(plain["spec"], made["spec"]);
    let external = change(json!({"type": "ExternalName", "externalName": "example.org"})).await;
    for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] {
        assert_eq!(external["spec"].get(key), None, "{key}");
    }
    let back = change(json!({"type": "ClusterIP", "externalName": null})).await;
    assert_eq!(declared(&back), declared(&made));
    // A PUT that does not know the address keeps it.
    let put = server.put("services/s", &service("s", json!({"ports": [{"port": 81}]}))).await.ok();
    assert_eq!(put["spec"]["clusterIP"], back["spec"]["clusterIP"]);
}

pub async fn zero_values_stay_where_they_mean_something(server: &Server) {
    let mut object = server.deployment("web");
    object["spec"]["replicas"] = 0.into();
    object["spec"]["minReadySeconds"] = 0.into();
    object["spec"]["paused"] = false.into();
    let pod = object.pointer_mut("/spec/template/spec").unwrap();
    pod["hostNetwork"] = false.into();
    pod["nodeSelector"] = json!({});
    pod["tolerations"] = json!([]);
    pod["volumes"] = Value::Null;
    pod["securityContext"] = json!({"runAsUser": 0});
    let container = &mut pod["containers"][0];
    container["args"] = json!([]);
    container["command"] = Value::Null;
    container["env"] = json!([{"name": "E", "value": ""}]);
    container["securityContext"] = json!({"privileged": false});
    let made = server.post("deployments", &object).await.ok();
    let (spec, pod) = (&made["spec"], &made["spec"]["template"]["spec"]);
    assert_eq!(spec["replicas"], 0);
    for (map, keys) in [
        (spec, &["minReadySeconds", "paused"][..]),
        (pod, &["hostNetwork", "nodeSelector", "tolerations", "volumes"]),
        (&pod["containers"][0], &["args", "command"]),
    ] {
        for key in keys {
            assert_eq!(map.get(*key), None, "{key}");
        }
    }
    assert_eq!(pod["securityContext"], json!({"runAsUser": 0}));
    assert_eq!(pod["containers"][0]["env"], json!([{"name": "E"}]));
    assert_eq!(pod["containers"][0]["securityContext"], json!({"privileged": false}));
}
