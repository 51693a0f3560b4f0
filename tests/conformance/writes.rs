//! POST, PUT and the patches that are no apply.

use serde_json::{Value, json};

use crate::support::{JSON_PATCH, MERGE, STRATEGIC, Server, entry, owned, version};

pub async fn a_new_object_has_an_identity(server: &Server) {
    let mut object = server.config_map("m", json!({"b": "1", "a": "2"}));
    let invented = json!({"name": "m", "uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z", "selfLink": "x"});
    object["metadata"] = invented.clone();
    let made = server.post("configmaps", &object).await;
    assert_eq!(made.code, 201);
    let made = made.ok();
    let metadata = &made["metadata"];
    assert_eq!((&metadata["namespace"], &made["kind"]), (&json!(server.namespace), &json!("ConfigMap")));
    assert_ne!(metadata["uid"], invented["uid"]);
    assert_ne!(metadata["creationTimestamp"], invented["creationTimestamp"]);
    assert!(version(&made).parse::<u64>().unwrap() > 0);
    let keys: Vec<_> = made["data"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["a", "b"], "maps are sorted");
    let mut named = server.config_map("", json!({}));
    named["metadata"] = json!({"generateName": "made-"});
    let made = server.post("configmaps", &named).await.ok();
    let name = made["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("made-") && name.len() == 10, "{name}");
}

pub async fn generations_count_changes_of_the_specification(server: &Server) {
    let generation = |object: &Value| object["metadata"]["generation"].clone();
    let made = server.post("deployments", &server.deployment("web")).await.ok();
    assert_eq!(generation(&made), 1);
    let labels = json!({"metadata": {"labels": {"l": "1"}}});
    assert_eq!(generation(&server.patch("deployments/web", MERGE, &labels).await.ok()), 1);
    let annotations = json!({"metadata": {"annotations": {"l": "1"}}});
    assert_eq!(generation(&server.patch("deployments/web", MERGE, &annotations).await.ok()), 2);
    let paused = json!({"spec": {"paused": true}});
    assert_eq!(generation(&server.patch("deployments/web", MERGE, &paused).await.ok()), 3);
    let made = server.post("configmaps", &server.config_map("m", json!({}))).await.ok();
    assert_eq!(generation(&made), Value::Null);
}

pub async fn a_put_is_held_to_its_version(server: &Server) {
    let first = server.post("configmaps", &server.config_map("m", json!({"a": "1"}))).await.ok();
    let mut next = first.clone();
    next["data"]["a"] = "2".into();
    server.put("configmaps/m", &next).await.ok();
    let refused = server.put("configmaps/m", &next).await;
    assert!(refused.refused(409).ends_with("please apply your changes to the latest version and try again"));
    let details = json!({"name": "m", "kind": "configmaps"});
    assert_eq!((&refused.body["reason"], &refused.body["details"]), (&json!("Conflict"), &details));
    // Without a version the last one wins, and what it does not say goes.
    let made = server.put("configmaps/m", &server.config_map("m", json!({"b": "1"}))).await.ok();
    assert_eq!(made["data"], json!({"b": "1"}));
    let mut other = server.config_map("m", json!({}));
    other["metadata"]["uid"] = "other".into();
    let uid = made["metadata"]["uid"].as_str().unwrap();
    let wanted = format!("Precondition failed: UID in precondition: other, UID in object meta: {uid}");
    assert!(server.put("configmaps/m", &other).await.refused(409).ends_with(&wanted));
    let refused = server.put("configmaps/n", &server.config_map("m", json!({}))).await;
    assert!(refused.code == 400 || refused.code == 404, "{}", refused.text);
    let refused = server.put("configmaps/none", &server.config_map("none", json!({}))).await;
    assert_eq!(refused.refused(404), "configmaps \"none\" not found");
}

pub async fn a_put_of_the_same_changes_nothing(server: &Server) {
    let first = server.post("configmaps?fieldManager=c", &server.config_map("m", json!({"a": "1"}))).await.ok();
    assert_eq!(server.put("configmaps/m?fieldManager=p", &first).await.ok(), first);
    let same = json!({"data": {"a": "1"}});
    assert_eq!(server.patch("configmaps/m?fieldManager=q", MERGE, &same).await.ok(), first);
}

pub async fn json_patches_test_and_change(server: &Server) {
    server.post("configmaps", &server.config_map("m", json!({"a": "1", "b": "1"}))).await.ok();
    let patch = json!([
        {"op": "test", "path": "/data/a", "value": "1"}, {"op": "replace", "path": "/data/a", "value": "2"},
        {"op": "remove", "path": "/data/b"}, {"op": "add", "path": "/metadata/labels", "value": {"x~/y": "z"}},
    ]);
    let refused = server.patch("configmaps/m", JSON_PATCH, &patch).await;
    assert_eq!(refused.code, 422, "a label that is none: {}", refused.text);
    let mut patch = patch;
    patch[3]["value"] = json!({"x/y": "z"});
    let made = server.patch("configmaps/m?fieldManager=j", JSON_PATCH, &patch).await.ok();
    assert_eq!((&made["data"], &made["metadata"]["labels"]), (&json!({"a": "2"}), &json!({"x/y": "z"})));
    assert_eq!(owned(&made, "j")["f:data"], json!({"f:a": {}}));
    let refused = server.patch("configmaps/m", JSON_PATCH, &patch).await;
    assert_eq!(refused.refused(422), "the server rejected our request due to an error in our request");
    let refused = server.patch("configmaps/m", JSON_PATCH, &json!({"op": "remove"})).await;
    assert!(refused.refused(400).starts_with("error decoding patch"), "{}", refused.text);
}

pub async fn merge_patches_remove_with_null(server: &Server) {
    server.post("configmaps", &server.config_map("m", json!({"a": "1", "b": "1"}))).await.ok();
    let made = server.patch("configmaps/m", MERGE, &json!({"data": {"a": null, "c": "1"}})).await.ok();
    assert_eq!(made["data"], json!({"b": "1", "c": "1"}));
    let stale = json!({"metadata": {"resourceVersion": "1"}});
    server.patch("configmaps/m", MERGE, &stale).await.refused(409);
    let refused = server.patch("configmaps/m", MERGE, &json!({"metadata": {"name": "n"}})).await;
    assert_eq!(refused.refused(400), "the name of the object (n) does not match the name on the URL (m)");
    let refused = server.patch("configmaps/m", MERGE, &json!({"metadata": {"uid": "n"}})).await;
    assert_eq!(refused.causes(), [("metadata.uid", "Invalid value: \"n\": field is immutable")]);
    server.patch("configmaps/none", MERGE, &json!({})).await.refused(404);
}

pub async fn strategic_patches_merge_by_key(server: &Server) {
    let mut object = server.deployment("web");
    object["metadata"]["finalizers"] = json!(["example.org/a", "example.org/b"]);
    object.pointer_mut("/spec/template/spec/containers/0").unwrap()["env"] =
        json!([{"name": "X", "value": "1"}, {"name": "Y", "value": "1"}]);
    server.post("deployments", &object).await.ok();
    let pod = |pod: Value| json!({"spec": {"template": {"spec": pod}}});
    let patch = pod(json!({"containers": [
        {"name": "c", "image": "nginx:2", "env": [{"name": "X", "$patch": "delete"}, {"name": "Z", "value": "1"}],
         "ports": [{"containerPort": 80, "name": "http"}]},
        {"name": "side", "image": "busybox:1"}]}));
    let made = server.patch("deployments/web?fieldManager=s", STRATEGIC, &patch).await.ok();
    let containers = &made["spec"]["template"]["spec"]["containers"];
    let listed: Vec<_> = containers.as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(listed, ["c", "side"]);
    assert_eq!(containers[0]["env"], json!([{"name": "Z", "value": "1"}, {"name": "Y", "value": "1"}]));
    assert_eq!(containers[0]["ports"], json!([{"containerPort": 80, "name": "http", "protocol": "TCP"}]));
    let ordered = pod(json!({"$setElementOrder/containers": [{"name": "side"}, {"name": "c"}]}));
    let made = server.patch("deployments/web", STRATEGIC, &ordered).await.ok();
    assert_eq!(made["spec"]["template"]["spec"]["containers"][0]["name"], "side");
    let list = ["example.org/a"];
    let gone = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": list, "finalizers": ["example.org/c"]}});
    let made = server.patch("deployments/web", STRATEGIC, &gone).await.ok();
    assert_eq!(made["metadata"]["finalizers"], json!(["example.org/c", "example.org/b"]));
    let replaced = pod(json!({"containers": [{"$patch": "replace"}, {"name": "c", "image": "nginx"}]}));
    let made = server.patch("deployments/web", STRATEGIC, &replaced).await.ok();
    assert_eq!(made["spec"]["template"]["spec"]["containers"].as_array().unwrap().len(), 1);
    server.patch("deployments/web", MERGE, &json!({"metadata": {"finalizers": null}})).await.ok();
}

pub async fn a_status_write_changes_status_only(server: &Server) {
    let mut paused = server.deployment("web");
    paused["spec"]["paused"] = true.into();
    server.post("deployments", &paused).await.ok();
    let condition = json!({"type": "Mine", "status": "True", "reason": "R", "message": "M",
                           "lastUpdateTime": "2020-01-01T00:00:00Z", "lastTransitionTime": "2020-01-01T00:00:00Z"});
    let patch = json!({"metadata": {"annotations": {"a": "1"}, "labels": {"l": "1"}}, "spec": {"replicas": 7},
                       "status": {"conditions": [condition]}});
    let made = server.patch("deployments/web/status?fieldManager=s", STRATEGIC, &patch).await.ok();
    assert_eq!((&made["spec"]["replicas"], &made["metadata"]["annotations"]["a"]), (&json!(2), &json!("1")));
    assert_eq!(made["metadata"].get("labels"), None);
    let entry = entry(&made, "s");
    assert_eq!(entry["subresource"], "status");
    let conditions = &entry["fieldsV1"]["f:status"]["f:conditions"];
    assert_eq!(conditions["k:{\"type\":\"Mine\"}"]["f:reason"], json!({}));
    // The other way round: the object's own path leaves status alone.
    let patch = json!({"status": {"conditions": null, "replicas": 100}});
    let made = server.patch("deployments/web?fieldManager=t", MERGE, &patch).await.ok();
    assert!(made["status"]["conditions"].as_array().unwrap().iter().any(|one| one["type"] == "Mine"));
    assert_eq!(owned(&made, "t"), Value::Null);
}

pub async fn events_are_the_same_in_both_groups(server: &Server) {
    let involved = json!({"kind": "ConfigMap", "name": "m", "namespace": server.namespace});
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"}, "regarding": involved, "reason": "R",
        "note": "M", "type": "Normal", "action": "A", "reportingController": "example.org/c", "reportingInstance": "i",
        "eventTime": "2020-01-01T00:00:00.000000Z",
    });
    let path = format!("/apis/events.k8s.io/v1/namespaces/{}/events", server.namespace);
    let made = server.post(&format!("{path}?fieldManager=c"), &event).await.ok();
    assert_eq!(owned(&made, "c")["f:regarding"], json!({}));
    let core = server.get("events/e").await.ok();
    assert_eq!(
        (&core["apiVersion"], &core["message"], &core["involvedObject"]),
        (&json!("v1"), &json!("M"), &involved)
    );
    assert_eq!((&core["reportingComponent"], &core["firstTimestamp"]), (&json!("example.org/c"), &Value::Null));
    let selected = server.get("events?fieldSelector=involvedObject.name%3Dm,reason%3DR").await.ok();
    assert_eq!(selected["items"].as_array().unwrap().len(), 1);
}

pub async fn a_lease_is_made_by_a_put(server: &Server) {
    let lease = |time: &str| {
        json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"},
               "spec": {"holderIdentity": "x", "leaseDurationSeconds": 4, "renewTime": time}})
    };
    let made = server.put("leases/l?fieldManager=c", &lease("2020-01-01T00:00:00.000000Z")).await;
    assert_eq!(made.code, 201);
    let wanted = json!({"f:spec": {"f:holderIdentity": {}, "f:leaseDurationSeconds": {}, "f:renewTime": {}}});
    assert_eq!(owned(&made.body, "c"), wanted);
    let refused = server.put("leases/l", &lease("2020-01-01T00:00:00.1Z")).await;
    assert!(refused.refused(400).contains("parsing time"), "{}", refused.text);
}
