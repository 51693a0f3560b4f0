//! Server-side apply: what changes, what conflicts, what is refused.

use serde_json::{Value, json};

use crate::support::{APPLY, MERGE, Server, entry, owned, version};

pub async fn the_same_apply_changes_nothing(server: &Server) {
    let object = server.config_map("m", json!({"a": "1"}));
    let first = server.apply("a", &object).await;
    assert_eq!(first.code, 201);
    let first = first.ok();
    let list = server.get("configmaps").await.ok();
    let from = version(&list);
    // A real cluster puts one of its own into every namespace.
    let ours = "fieldSelector=metadata.name!%3Dkube-root-ca.crt";
    let mut watch = server.watch(&format!("configmaps?watch=1&resourceVersion={from}&{ours}")).await;
    let again = server.apply("a", &object).await;
    assert_eq!(again.code, 200);
    assert_eq!(again.ok(), first);
    server.post("configmaps", &server.config_map("next", json!({}))).await.ok();
    assert_eq!(watch.told().await, ("ADDED".into(), "next".into()), "no event between");
}

pub async fn a_dry_run_changes_nothing(server: &Server) {
    let first = server.apply("a", &server.config_map("m", json!({"a": "1"}))).await.ok();
    let next = server.config_map("m", json!({"a": "2"}));
    let tried = server.apply_with("fieldManager=b&force=true&dryRun=All", &next).await.ok();
    assert_eq!((&tried["data"]["a"], version(&tried)), (&json!("2"), version(&first)));
    assert_eq!(owned(&tried, "b"), json!({"f:data": {"f:a": {}}}));
    assert_eq!(server.get("configmaps/m").await.ok(), first);
    let tried = server.apply_with("fieldManager=b&dryRun=All", &server.config_map("new", json!({}))).await;
    assert_eq!((tried.code, tried.body["metadata"].get("resourceVersion")), (201, None));
    server.get("configmaps/new").await.refused(404);
}

pub async fn a_dropped_field_falls_to_its_default_or_goes(server: &Server) {
    let mut object = server.deployment("web");
    object["metadata"]["labels"] = json!({"x": "y"});
    object["spec"]["paused"] = true.into();
    server.apply("a", &object).await.ok();
    object["metadata"].as_object_mut().unwrap().remove("labels");
    object["spec"].as_object_mut().unwrap().remove("replicas");
    object["spec"].as_object_mut().unwrap().remove("paused");
    let made = server.apply("a", &object).await.ok();
    assert_eq!(made["spec"]["replicas"], 1);
    assert_eq!(made["spec"].get("paused"), None);
    assert_eq!(made["metadata"].get("labels"), None);
    assert_eq!(made["metadata"]["name"], "web");
}

pub async fn a_dropped_field_that_another_owns_stays(server: &Server) {
    let both = server.config_map("m", json!({"x": "1", "y": "1"}));
    server.apply("a", &both).await.ok();
    server.apply("b", &server.config_map("m", json!({"x": "1"}))).await.ok();
    let made = server.apply("a", &server.config_map("m", json!({}))).await.ok();
    assert_eq!(made["data"], json!({"x": "1"}));
    // An apply of nothing leaves an entry only where something was said.
    assert_eq!(owned(&made, "a"), json!({"f:data": {}}));
    // Owned together with someone who does not apply.
    server.post("configmaps?fieldManager=c", &server.config_map("n", json!({"x": "1"}))).await.ok();
    server.apply("a", &server.config_map("n", json!({"x": "1"}))).await.ok();
    let made = server.apply("a", &server.config_map("n", json!({"z": "1"}))).await.ok();
    assert_eq!(made["data"], json!({"x": "1", "z": "1"}));
}

pub async fn a_conflict_names_each_field_and_its_owner(server: &Server) {
    server.apply("f", &server.config_map("m", json!({"a": "1", "b": "2"}))).await.ok();
    let one = server.apply("g", &server.config_map("m", json!({"a": "2"}))).await;
    assert_eq!(one.refused(409), "Apply failed with 1 conflict: conflict with \"f\": .data.a");
    assert_eq!(one.body["reason"], "Conflict");
    let cause = json!([{"reason": "FieldManagerConflict", "message": "conflict with \"f\"", "field": ".data.a"}]);
    assert_eq!(one.body["details"]["causes"], cause);
    let two = server.apply("g", &server.config_map("m", json!({"a": "2", "b": "3", "c": "4"}))).await;
    assert_eq!(two.refused(409), "Apply failed with 2 conflicts: conflicts with \"f\":\n- .data.a\n- .data.b");
    let patch = json!({"metadata": {"labels": {"app.io/x": "1"}}});
    server.patch("configmaps/m?fieldManager=u", MERGE, &patch).await.ok();
    let mut object = server.config_map("m", json!({"a": "2"}));
    object["metadata"]["labels"] = json!({"app.io/x": "2"});
    let several = server.apply("g", &object).await;
    let wanted = "Apply failed with 2 conflicts: conflicts with \"f\":\n- .data.a\nconflicts with \"u\" using v1:\n\
                  - .metadata.labels.app.io/x";
    assert_eq!(several.refused(409), wanted);
    let forced = server.apply_with("fieldManager=g&force=true", &object).await.ok();
    assert_eq!(owned(&forced, "f"), json!({"f:data": {"f:b": {}}}));
    let wanted = json!({"f:data": {"f:a": {}}, "f:metadata": {"f:labels": {"f:app.io/x": {}}}});
    assert_eq!(owned(&forced, "g"), wanted);
}

pub async fn owning_together_needs_no_force_and_writes_no_time(server: &Server) {
    let object = server.config_map("m", json!({"a": "1"}));
    let first = server.apply("f", &object).await.ok();
    let made = server.apply("g", &object).await.ok();
    assert_eq!(
        (owned(&made, "f"), owned(&made, "g")),
        (json!({"f:data": {"f:a": {}}}), json!({"f:data": {"f:a": {}}}))
    );
    assert!(entry(&made, "f")["time"].is_string());
    assert_eq!(entry(&made, "g").get("time"), None, "nothing but ownership changed");
    assert_ne!(version(&made), version(&first));
}

pub async fn an_empty_map_is_a_value_of_its_own(server: &Server) {
    let (some, none) = (server.config_map("m", json!({"a": "1"})), server.config_map("m", json!({})));
    server.apply("a", &some).await.ok();
    let made = server.apply("b", &none).await.ok();
    assert_eq!((&made["data"], owned(&made, "b")), (&json!({"a": "1"}), json!({"f:data": {}})));
    // The last key goes and takes the map along; then even the same apply conflicts with the other's empty map.
    let made = server.apply("a", &none).await.ok();
    assert_eq!((made.get("data"), owned(&made, "a")), (None, json!({"f:data": {}})));
    let refused = server.apply("a", &none).await;
    assert_eq!(refused.causes(), [(".data", "conflict with \"b\"")]);
    let refused = server.apply("c", &some).await;
    assert_eq!(refused.causes().len(), 2, "{}", refused.text);
}

pub async fn two_appliers_of_one_name_erase_each_other(server: &Server) {
    server.apply("same", &server.config_map("m", json!({"a": "1"}))).await.ok();
    let made = server.apply("same", &server.config_map("m", json!({"b": "1"}))).await.ok();
    assert_eq!(made["data"], json!({"b": "1"}));
}

pub async fn an_atomic_list_is_replaced_whole(server: &Server) {
    let mut object = server.deployment("web");
    let pod = "/spec/template/spec";
    object.pointer_mut(pod).unwrap()["tolerations"] = json!([{"key": "x", "operator": "Exists"}]);
    let made = server.apply("a", &object).await.ok();
    assert_eq!(owned(&made, "a")["f:spec"]["f:template"]["f:spec"]["f:tolerations"], json!({}));
    object.pointer_mut(pod).unwrap()["tolerations"] = json!([{"key": "y", "operator": "Exists"}]);
    let made = server.apply("a", &object).await.ok();
    let tolerations = made.pointer("/spec/template/spec/tolerations").unwrap();
    assert_eq!(*tolerations, json!([{"key": "y", "operator": "Exists"}]));
    let other = server.apply("b", &object).await.ok();
    object.pointer_mut(pod).unwrap()["tolerations"] = json!([{"key": "z", "operator": "Exists"}]);
    let refused = server.apply("b", &object).await;
    assert_eq!(refused.causes(), [(".spec.template.spec.tolerations", "conflict with \"a\"")]);
    assert_eq!(other["spec"], made["spec"]);
}

pub async fn items_merge_by_key_and_go_with_what_they_held(server: &Server) {
    let mut object = server.deployment("web");
    server.apply("a", &object).await.ok();
    // Another manager brings a container, and a variable in ours.
    let mut other = server.deployment("web");
    other["spec"] = json!({"selector": {"matchLabels": {"a": "b"}}, "template": {"spec": {"containers": [
        {"name": "side", "image": "busybox:1"}, {"name": "c", "env": [{"name": "X", "value": "1"}]}]}}});
    let made = server.apply("b", &other).await.ok();
    let containers = |object: &Value| object.pointer("/spec/template/spec/containers").unwrap().clone();
    let listed: Vec<_> = containers(&made).as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(listed, ["side", "c"]);
    assert_eq!(containers(&made)[1]["env"], json!([{"name": "X", "value": "1"}]));
    assert_eq!(containers(&made)[1]["ports"], json!([{"containerPort": 80, "protocol": "TCP"}]));
    // Our port goes, with the default that it got; the other's container stays, and goes with its owner.
    object.pointer_mut("/spec/template/spec/containers/0").unwrap().as_object_mut().unwrap().remove("ports");
    let made = server.apply("a", &object).await.ok();
    assert_eq!(containers(&made)[1].get("ports"), None);
    other["spec"]["template"]["spec"]["containers"] = json!([{"name": "c", "env": []}]);
    let made = server.apply("b", &other).await.ok();
    assert_eq!(containers(&made).as_array().unwrap().len(), 1);
    assert_eq!(containers(&made)[0].get("env"), None);
}

pub async fn quantities_are_normalised(server: &Server) {
    let mut object = server.deployment("web");
    let container = "/spec/template/spec/containers/0";
    object.pointer_mut(container).unwrap()["resources"] =
        json!({"requests": {"cpu": "1000m", "memory": "0.5Gi"}, "limits": {"cpu": 2, "memory": "1024Mi"}});
    let made = server.apply("a", &object).await.ok();
    let wanted = json!({"requests": {"cpu": "1", "memory": "512Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}});
    assert_eq!(made.pointer(container).unwrap()["resources"], wanted);
    // Another spelling is another value to another manager.
    let refused = server.apply("b", &object).await;
    assert!(refused.causes().iter().any(|(field, _)| field.ends_with("resources.requests.cpu")), "{}", refused.text);
    let generation = &made["metadata"]["generation"];
    let again = server.apply("a", &object).await.ok();
    assert_eq!(again["metadata"]["generation"], *generation);
}

pub async fn an_applied_version_is_a_precondition(server: &Server) {
    let mut object = server.config_map("m", json!({"a": "1"}));
    let first = server.apply("a", &object).await.ok();
    server.apply("b", &server.config_map("m", json!({"b": "1"}))).await.ok();
    object["metadata"]["resourceVersion"] = version(&first).into();
    let refused = server.apply("a", &object).await;
    let wanted = "Operation cannot be fulfilled on configmaps \"m\": the object has been modified; please apply your changes \
                  to the latest version and try again";
    assert_eq!(refused.refused(409), wanted);
    object["metadata"] = json!({"name": "m", "uid": "other"});
    let refused = server.apply("a", &object).await;
    assert_eq!(refused.causes(), [("metadata.uid", "Invalid value: \"other\": field is immutable")]);
    object["metadata"] = json!({"name": "m", "uid": first["metadata"]["uid"]});
    let same = server.apply("a", &object).await.ok();
    assert_eq!(owned(&same, "a"), owned(&first, "a"), "nobody owns it");
}

pub async fn an_applied_uid_makes_nothing_anew_and_an_applied_version_does(server: &Server) {
    let mut object = server.config_map("m", json!({"a": "1"}));
    object["metadata"] = json!({"name": "m", "uid": "other"});
    let wanted = "Operation cannot be fulfilled on configmaps \"m\": uid mismatch: the provided object specified uid other, \
                  and no existing object was found";
    assert_eq!(server.apply("a", &object).await.refused(409), wanted);
    object["metadata"]["resourceVersion"] = "7".into();
    assert_eq!(server.apply("a", &object).await.refused(409), wanted);
    object["metadata"] = json!({"name": "m", "resourceVersion": "7"});
    assert_eq!(server.apply("a", &object).await.code, 201);
}

pub async fn an_apply_may_be_yaml(server: &Server) {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata:\n  a: |\n    one\n    two\n";
    let path = "configmaps/m?fieldManager=a";
    let made = server.send("PATCH", path, &[("content-type", APPLY)], text.into()).await.ok();
    assert_eq!(made["data"]["a"], "one\ntwo\n");
    let refused = server.send("PATCH", path, &[("content-type", APPLY)], "a: [b".into()).await;
    assert!(refused.refused(400).starts_with("error decoding YAML"), "{}", refused.text);
}

pub async fn an_apply_that_makes_no_sense_is_refused(server: &Server) {
    let object = server.config_map("m", json!({"a": "1"}));
    let send = async |path: &str, object: &Value| server.patch(path, APPLY, object).await;
    let refused = send("configmaps/m", &object).await;
    assert_eq!(refused.causes(), [("fieldManager", "Required value: is required for apply patch")]);
    let refused = send("configmaps/n?fieldManager=a", &object).await;
    assert_eq!(refused.refused(400), "the name of the object (m) does not match the name on the URL (n)");
    let refused = send("secrets/m?fieldManager=a", &object).await;
    assert_eq!(refused.refused(400), "invalid object type: /v1, Kind=ConfigMap");
    let mut managed = object.clone();
    managed["metadata"]["managedFields"] = json!([]);
    let refused = send("configmaps/m?fieldManager=a", &managed).await;
    assert_eq!(refused.refused(400), "metadata.managedFields must be nil");
    let mut unknown = object.clone();
    unknown["dat"] = json!({});
    let refused = send("configmaps/m?fieldManager=a", &unknown).await;
    let wanted = "failed to create typed patch object (/m; /v1, Kind=ConfigMap): .dat: field not declared in schema";
    assert_eq!(refused.refused(500), wanted);
    let refused = send("configmaps/m?fieldManager=a", &server.config_map("m", json!({"k": 1}))).await;
    assert!(refused.refused(500).contains(".data.k: expected string, got"), "{}", refused.text);
    let mut twice = server.deployment("web");
    let container = twice.pointer_mut("/spec/template/spec/containers/0").unwrap();
    container["env"] = json!([{"name": "a"}, {"name": "a"}]);
    let refused = send("deployments/web?fieldManager=a", &twice).await;
    let wanted = ".spec.template.spec.containers[name=\"c\"].env: duplicate entries for key [name=\"a\"]";
    assert!(refused.refused(500).ends_with(wanted), "{}", refused.text);
}

pub async fn a_terminating_object_takes_an_apply_but_no_finalizer(server: &Server) {
    let mut object = server.config_map("m", json!({"a": "1"}));
    object["metadata"]["finalizers"] = json!(["example.org/hold"]);
    server.post("configmaps?fieldManager=c", &object).await.ok();
    let leaving = server.delete("configmaps/m", None).await.ok();
    assert!(leaving["metadata"]["deletionTimestamp"].is_string());
    let made = server.apply("a", &server.config_map("m", json!({"b": "1"}))).await.ok();
    assert_eq!(made["data"], json!({"a": "1", "b": "1"}));
    let mut held = server.config_map("m", json!({}));
    held["metadata"]["finalizers"] = json!(["example.org/more"]);
    let refused = server.apply("a", &held).await;
    let why = "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers \
               []string{\"example.org/more\"}";
    assert_eq!(refused.causes(), [("metadata.finalizers", why)]);
    server.patch("configmaps/m", MERGE, &json!({"metadata": {"finalizers": null}})).await.ok();
    server.get("configmaps/m").await.refused(404);
}
