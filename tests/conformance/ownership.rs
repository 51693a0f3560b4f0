//! Who owns a field after what.

use serde_json::{Value, json};

use crate::support::{APPLY, JSON_PATCH, MERGE, STRATEGIC, Server, entry, owned};

pub async fn an_apply_owns_exactly_what_it_sent(server: &Server) {
    let made = server.apply("a", &server.deployment("web")).await.ok();
    let wanted = json!({"f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": {
        "f:metadata": {"f:labels": {"f:a": {}}},
        "f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:image": {}, "f:name": {}, "f:ports": {
            "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}}},
    }}});
    assert_eq!(owned(&made, "a"), wanted);
    let entry = entry(&made, "a");
    assert_eq!((&entry["operation"], &entry["apiVersion"]), (&json!("Apply"), &json!("apps/v1")));
    assert!(entry["time"].is_string() && entry.get("subresource").is_none());
}

pub async fn a_create_owns_what_it_sent_and_every_default(server: &Server) {
    let made = server.post("deployments?fieldManager=c", &server.deployment("web")).await.ok();
    let wanted = json!({"f:spec": {
        "f:progressDeadlineSeconds": {}, "f:replicas": {}, "f:revisionHistoryLimit": {}, "f:selector": {},
        "f:strategy": {"f:rollingUpdate": {".": {}, "f:maxSurge": {}, "f:maxUnavailable": {}}, "f:type": {}},
        "f:template": {
            "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
            "f:spec": {
                "f:containers": {"k:{\"name\":\"c\"}": {
                    ".": {}, "f:image": {}, "f:imagePullPolicy": {}, "f:name": {},
                    "f:ports": {".": {}, "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {
                        ".": {}, "f:containerPort": {}, "f:protocol": {}}},
                    "f:resources": {}, "f:terminationMessagePath": {}, "f:terminationMessagePolicy": {}}},
                "f:dnsPolicy": {}, "f:restartPolicy": {}, "f:schedulerName": {}, "f:securityContext": {},
                "f:terminationGracePeriodSeconds": {},
            },
        },
    }});
    assert_eq!(owned(&made, "c"), wanted);
    assert_eq!(entry(&made, "c")["operation"], "Update");
}

pub async fn what_the_server_allocates_has_no_owner(server: &Server) {
    let service = |name: &str, spec: Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec});
    let plain = service("plain", json!({"type": "NodePort", "ports": [{"port": 80}], "selector": {"a": "b"}}));
    let made = server.post("services?fieldManager=c", &plain).await.ok();
    let wanted = json!({"f:spec": {
        "f:externalTrafficPolicy": {}, "f:internalTrafficPolicy": {},
        "f:ports": {".": {}, "k:{\"port\":80,\"protocol\":\"TCP\"}": {
            ".": {}, "f:port": {}, "f:protocol": {}, "f:targetPort": {}}},
        "f:selector": {}, "f:sessionAffinity": {}, "f:type": {}}});
    assert_eq!(owned(&made, "c"), wanted);
    let spec = &made["spec"];
    assert_eq!(json!([spec["clusterIP"]]), spec["clusterIPs"]);
    assert!(spec["clusterIP"].as_str().unwrap().starts_with("10.96."), "{spec}");
    assert_eq!((&spec["ipFamilies"], &spec["ipFamilyPolicy"]), (&json!(["IPv4"]), &json!("SingleStack")));
    assert!((30000..=32767).contains(&spec["ports"][0]["nodePort"].as_i64().unwrap()));

    let headless = service("headless", json!({"clusterIP": "None", "ports": [{"port": 80}]}));
    let made = server.apply("a", &headless).await.ok();
    assert_eq!(owned(&made, "a")["f:spec"]["f:clusterIP"], json!({}));
    assert_eq!(made["spec"]["clusterIPs"], json!(["None"]));
}

pub async fn an_update_takes_the_fields_that_it_changes(server: &Server) {
    server.apply("a", &server.config_map("m", json!({"x": "1", "y": "1"}))).await.ok();
    let patch = json!({"data": {"x": "2", "y": "1", "z": "1"}, "metadata": {"labels": {"l": "1"}}});
    let made = server.patch("configmaps/m?fieldManager=b", MERGE, &patch).await.ok();
    assert_eq!(owned(&made, "a"), json!({"f:data": {"f:y": {}}}));
    let wanted = json!({"f:data": {"f:x": {}, "f:z": {}}, "f:metadata": {"f:labels": {".": {}, "f:l": {}}}});
    assert_eq!(owned(&made, "b"), wanted);
    // What someone removes belongs to nobody.
    let made = server.patch("configmaps/m?fieldManager=c", MERGE, &json!({"data": {"y": null, "z": null}})).await.ok();
    assert_eq!(owned(&made, "a"), Value::Null);
    assert_eq!(owned(&made, "b")["f:data"], json!({"f:x": {}}));
    assert_eq!(owned(&made, "c"), Value::Null);
}

pub async fn empty_maps_and_nulls_are_owned_as_they_were_sent(server: &Server) {
    let mut object = server.config_map("m", json!({"b": null, "c": "1"}));
    object["metadata"]["annotations"] = Value::Null;
    object["metadata"]["labels"] = json!({});
    let made = server.apply("a", &object).await.ok();
    let wanted = json!({"f:data": {"f:b": {}, "f:c": {}}, "f:metadata": {"f:annotations": {}, "f:labels": {}}});
    assert_eq!(owned(&made, "a"), wanted);
    assert_eq!(made["data"], json!({"b": "", "c": "1"}));
    assert_eq!((made["metadata"].get("labels"), made["metadata"].get("annotations")), (None, None));
}

pub async fn plain_secret_values_are_owned_where_they_were_sent(server: &Server) {
    let secret =
        |plain: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": plain});
    let made = server.apply("a", &secret(json!({"x": "b"}))).await.ok();
    assert_eq!(owned(&made, "a"), json!({"f:stringData": {"f:x": {}}}));
    assert_eq!((&made["data"], &made["type"]), (&json!({"x": "Yg=="}), &json!("Opaque")));
    // Nobody owns what it became, so it stays.
    let made = server.apply("a", &secret(json!({"y": "b"}))).await.ok();
    assert_eq!(made["data"], json!({"x": "Yg==", "y": "Yg=="}));
    let made = server.patch("secrets/s?fieldManager=b", MERGE, &json!({"stringData": {"z": "b"}})).await.ok();
    assert_eq!(owned(&made, "b"), json!({"f:data": {"f:z": {}}}));
}

pub async fn a_create_keeps_the_entries_that_it_was_sent(server: &Server) {
    let mut object = server.config_map("m", json!({"a": "1"}));
    object["metadata"]["managedFields"] = json!([{
        "manager": "other", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {"f:z": {}}}}]);
    let made = server.post("configmaps?fieldManager=c", &object).await.ok();
    assert_eq!(owned(&made, "other"), json!({"f:data": {"f:z": {}}}));
    assert_eq!(owned(&made, "c"), json!({"f:data": {".": {}, "f:a": {}}}));
}

pub async fn tracking_that_was_switched_off_stays_off_until_an_apply(server: &Server) {
    server.post("configmaps?fieldManager=c", &server.config_map("m", json!({"a": "1"}))).await.ok();
    let reset = json!([{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]);
    let made = server.patch("configmaps/m", JSON_PATCH, &reset).await.ok();
    assert_eq!(made["metadata"].get("managedFields"), None);
    let made = server.patch("configmaps/m?fieldManager=b", MERGE, &json!({"data": {"b": "1"}})).await.ok();
    assert_eq!(made["metadata"].get("managedFields"), None);
    let made = server.apply("a", &server.config_map("m", json!({"c": "1"}))).await.ok();
    assert_eq!(owned(&made, "a"), json!({"f:data": {"f:c": {}}}));
    assert_eq!(owned(&made, "before-first-apply"), json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}}));
}

pub async fn a_field_is_handed_over_by_rewriting_the_entry(server: &Server) {
    let mut object = server.deployment("web");
    let made = server.apply("a", &object).await.ok();
    let entries = made["metadata"]["managedFields"].as_array().unwrap();
    let at = entries.iter().position(|entry| entry["manager"] == "a").unwrap();
    let release = |manager: &str| {
        let path = |rest: &str| format!("/metadata/managedFields/{at}/{rest}");
        json!([
            {"op": "test", "path": path("manager"), "value": manager},
            {"op": "test", "path": path("operation"), "value": "Apply"},
            {"op": "remove", "path": path("fieldsV1/f:spec/f:replicas")},
        ])
    };
    let refused = server.patch("deployments/web", JSON_PATCH, &release("b")).await;
    assert_eq!(refused.refused(422), "the server rejected our request due to an error in our request");
    let made = server.patch("deployments/web?fieldManager=a", JSON_PATCH, &release("a")).await.ok();
    assert_eq!(owned(&made, "a")["f:spec"].get("f:replicas"), None);
    object["spec"].as_object_mut().unwrap().remove("replicas");
    let made = server.apply("a", &object).await.ok();
    assert_eq!(made["spec"]["replicas"], 2, "released, not dropped");
}

pub async fn a_status_write_can_own_metadata(server: &Server) {
    server.apply("a", &server.deployment("web")).await.ok();
    let rolled = server
        .until("deployments/web", "the Deployment is observed", |answer| {
            let observed = &answer.body["status"]["observedGeneration"];
            observed.is_number() && *observed == answer.body["metadata"]["generation"]
        })
        .await
        .ok();
    let controller = entry(&rolled, "kube-controller-manager");
    assert_eq!((&controller["operation"], &controller["subresource"]), (&json!("Update"), &json!("status")));
    let revision = json!({".": {}, "f:deployment.kubernetes.io/revision": {}});
    assert_eq!(controller["fieldsV1"]["f:metadata"]["f:annotations"], revision);
    let conditions = &controller["fieldsV1"]["f:status"]["f:conditions"];
    assert_eq!(conditions["k:{\"type\":\"Available\"}"]["f:status"], json!({}));
    assert_eq!(rolled["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "1");
    assert_eq!(rolled["metadata"]["generation"], 1, "status does not count");
}

pub async fn kubectl_moves_from_client_side_to_server_side_apply(server: &Server) {
    let note = "kubectl.kubernetes.io/last-applied-configuration";
    let declared = server.config_map("m", json!({"a": "1", "b": "1"}));
    let mut object = declared.clone();
    object["metadata"]["annotations"] = json!({note: declared.to_string()});
    server.post("configmaps?fieldManager=kubectl-client-side-apply", &object).await.ok();
    // Someone else changes what was declared: that is a conflict, the rest is none.
    server.patch("configmaps/m?fieldManager=other", STRATEGIC, &json!({"data": {"b": "2"}})).await.ok();
    let next = server.config_map("m", json!({"a": "9", "b": "9"}));
    let refused = server.apply("kubectl", &next).await;
    assert_eq!(refused.causes(), [(".data.b", "conflict with \"other\" using v1")]);
    let next = server.config_map("m", json!({"a": "9"}));
    let refused = server.patch("configmaps/m?fieldManager=someone", APPLY, &next).await;
    assert_eq!(refused.causes(), [(".data.a", "conflict with \"kubectl-client-side-apply\" using v1")]);
    let made = server.apply("kubectl", &next).await.ok();
    assert_eq!(made["data"], json!({"a": "9", "b": "2"}));
    let noted: Value = serde_json::from_str(made["metadata"]["annotations"][note].as_str().unwrap()).unwrap();
    assert_eq!(noted, next);
    assert_eq!(owned(&made, "kubectl"), json!({"f:data": {"f:a": {}}}));
}
