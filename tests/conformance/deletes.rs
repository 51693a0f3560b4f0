//! DELETE of one and of many.

use serde_json::{Value, json};

use crate::support::{MERGE, Server, names, version};

pub async fn preconditions_are_held(server: &Server) {
    let made = server.post("configmaps", &server.config_map("m", json!({}))).await.ok();
    let (uid, now) = (made["metadata"]["uid"].as_str().unwrap(), version(&made));
    let with = |preconditions: Value| json!({"preconditions": preconditions, "propagationPolicy": "Background"});
    let refused = server.delete("configmaps/m", Some(&with(json!({"uid": "other"})))).await;
    let wanted = format!(
        "Operation cannot be fulfilled on ConfigMap \"m\": the UID in the precondition (other) does not match the UID in \
         record ({uid}). The object might have been deleted and then recreated"
    );
    assert_eq!(refused.refused(409), wanted);
    assert_eq!(refused.body["reason"], "Conflict");
    let refused = server.delete("configmaps/m", Some(&with(json!({"uid": uid, "resourceVersion": "1"})))).await;
    let wanted = format!(
        "Operation cannot be fulfilled on ConfigMap \"m\": the ResourceVersion in the precondition (1) does not match the \
         ResourceVersion in record ({now}). The object might have been modified"
    );
    assert_eq!(refused.refused(409), wanted);
    server.delete("configmaps/m", Some(&with(json!({"uid": uid, "resourceVersion": now})))).await.ok();
    server.get("configmaps/m").await.refused(404);
}

pub async fn a_delete_answers_with_what_it_deleted(server: &Server) {
    let made = server.post("configmaps", &server.config_map("m", json!({}))).await.ok();
    let uid = &made["metadata"]["uid"];
    let wanted = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                        "details": {"name": "m", "kind": "configmaps", "uid": uid}});
    assert_eq!(server.delete("configmaps/m?dryRun=All", None).await.ok(), wanted);
    assert_eq!(server.get("configmaps/m").await.ok(), made);
    assert_eq!(server.delete("configmaps/m", None).await.ok(), wanted);
    assert_eq!(server.delete("configmaps/m", None).await.refused(404), "configmaps \"m\" not found");
    server.post("deployments", &server.deployment("web")).await.ok();
    let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"});
    let gone = server.delete("deployments/web", Some(&options)).await.ok();
    assert_eq!((&gone["details"]["group"], &gone["details"]["kind"]), (&json!("apps"), &json!("deployments")));
}

pub async fn finalizers_hold_an_object(server: &Server) {
    let mut object = server.config_map("m", json!({}));
    object["metadata"]["finalizers"] = json!(["example.org/hold"]);
    server.post("configmaps", &object).await.ok();
    let leaving = server.delete("configmaps/m", None).await.ok();
    assert!(leaving["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(leaving["metadata"]["deletionGracePeriodSeconds"], 0);
    assert_eq!(server.delete("configmaps/m", None).await.ok(), leaving, "a second time changes nothing");
    let from = version(&leaving);
    let own = "fieldSelector=metadata.name%3Dm";
    let mut watch = server.watch(&format!("configmaps?watch=1&resourceVersion={from}&{own}")).await;
    let last = server.patch("configmaps/m", MERGE, &json!({"metadata": {"finalizers": null}})).await.ok();
    assert_eq!(last["metadata"].get("finalizers"), None);
    assert_eq!(watch.told().await, ("DELETED".into(), "m".into()));
    server.get("configmaps/m").await.refused(404);
}

pub async fn a_collection_is_deleted_by_label(server: &Server) {
    for (name, label) in [("a", "x"), ("b", "y"), ("c", "x")] {
        let mut object = server.config_map(name, json!({}));
        object["metadata"]["labels"] = json!({"l": label});
        server.post("configmaps", &object).await.ok();
    }
    let gone = server.delete("configmaps?labelSelector=l%3Dx", None).await.ok();
    assert_eq!((&gone["kind"], names(&gone)), (&json!("ConfigMapList"), vec!["a", "c"]));
    assert_eq!(names(&server.get("configmaps?labelSelector=l").await.ok()), ["b"]);
}

pub async fn a_namespace_takes_its_objects_along(server: &Server) {
    let mut object = server.config_map("m", json!({}));
    object["metadata"]["finalizers"] = json!(["example.org/hold"]);
    server.post("configmaps", &object).await.ok();
    server.post("secrets", &json!({"metadata": {"name": "s"}})).await.ok();
    let path = format!("/api/v1/namespaces/{}", server.namespace);
    let leaving = server.delete(&path, None).await.ok();
    assert_eq!(leaving["status"]["phase"], "Terminating");
    assert_eq!((&leaving["spec"], &leaving["kind"]), (&json!({"finalizers": ["kubernetes"]}), &json!("Namespace")));
    let refused = server.post("configmaps", &server.config_map("late", json!({}))).await;
    let namespace = &server.namespace;
    let wanted = format!(
        "configmaps \"late\" is forbidden: unable to create new content in namespace {namespace} because it is being terminated"
    );
    assert_eq!(refused.refused(403), wanted);
    assert_eq!(refused.body["details"]["causes"][0]["reason"], "NamespaceTerminating");
    server.until("secrets/s", "the Secret goes", |answer| answer.code == 404).await;
    server
        .until("configmaps/m", "the ConfigMap is to go", |answer| {
            answer.body["metadata"]["deletionTimestamp"].is_string()
        })
        .await;
    assert_eq!(server.get(&path).await.ok()["status"]["phase"], "Terminating");
    server.patch("configmaps/m", MERGE, &json!({"metadata": {"finalizers": null}})).await.ok();
    server.until(&path, "the Namespace goes", |answer| answer.code == 404).await;
}

pub async fn some_namespaces_stay(server: &Server) {
    for name in ["default", "kube-system", "kube-public"] {
        let refused = server.delete(&format!("/api/v1/namespaces/{name}"), None).await;
        let wanted = format!("namespaces \"{name}\" is forbidden: this namespace may not be deleted");
        assert_eq!(refused.refused(403), wanted);
    }
    let own = server.get(&format!("/api/v1/namespaces/{}", server.namespace)).await.ok();
    assert_eq!(own["status"], json!({"phase": "Active"}));
    assert_eq!(own["metadata"]["labels"], json!({"kubernetes.io/metadata.name": server.namespace}));
}
