//! The scale of a Deployment.

use serde_json::{Value, json};

use crate::support::{APPLY, MERGE, Server, entry, owned};

fn replicas_of(object: &Value, manager: &str) -> bool {
    owned(object, manager)["f:spec"].get("f:replicas").is_some()
}

pub async fn a_scale_shows_replicas_and_selector(server: &Server) {
    let made = server.apply("a", &server.deployment("web")).await.ok();
    let scale = server.get("deployments/web/scale").await.ok();
    assert_eq!((&scale["kind"], &scale["apiVersion"]), (&json!("Scale"), &json!("autoscaling/v1")));
    assert_eq!((&scale["spec"], &scale["status"]["selector"]), (&json!({"replicas": 2}), &json!("a=b")));
    assert_eq!(scale["metadata"]["uid"], made["metadata"]["uid"]);
    assert_eq!(scale["metadata"].get("managedFields"), None);
    let refused = server.get("deployments/none/scale").await;
    assert_eq!(refused.refused(404), "deployments.apps \"none\" not found");
}

pub async fn scaling_takes_the_replicas_from_everyone(server: &Server) {
    let object = server.deployment("web");
    server.apply("a", &object).await.ok();
    server.apply("b", &object).await.ok();
    let patch = json!({"spec": {"replicas": 5}});
    let scale = server.patch("deployments/web/scale?fieldManager=kubectl", MERGE, &patch).await.ok();
    assert_eq!(scale["spec"]["replicas"], 5);
    let made = server.get("deployments/web").await.ok();
    assert_eq!((&made["spec"]["replicas"], &made["metadata"]["generation"]), (&json!(5), &json!(2)));
    assert!(!replicas_of(&made, "a") && !replicas_of(&made, "b"));
    let wanted = json!({"manager": "kubectl", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
                        "fieldsV1": {"f:spec": {"f:replicas": {}}}, "subresource": "scale"});
    assert_eq!(entry(&made, "kubectl"), wanted, "an entry without time");
    let refused = server.apply("a", &object).await;
    let owner = "conflict with \"kubectl\" with subresource \"scale\" using apps/v1";
    assert_eq!(refused.refused(409), format!("Apply failed with 1 conflict: {owner}: .spec.replicas"));
    // The same value again is no change.
    server.patch("deployments/web/scale?fieldManager=other", MERGE, &patch).await.ok();
    let made = server.get("deployments/web").await.ok();
    assert_eq!(owned(&made, "other"), Value::Null);
    assert!(replicas_of(&made, "kubectl"));
}

pub async fn scaling_what_nobody_owns_leaves_it_so(server: &Server) {
    let mut object = server.deployment("web");
    object["spec"].as_object_mut().unwrap().remove("replicas");
    server.apply("a", &object).await.ok();
    server.patch("deployments/web/scale?fieldManager=kubectl", MERGE, &json!({"spec": {"replicas": 4}})).await.ok();
    let made = server.get("deployments/web").await.ok();
    assert_eq!((&made["spec"]["replicas"], owned(&made, "kubectl")), (&json!(4), Value::Null));
    let made = server.apply("a", &object).await.ok();
    assert_eq!(made["spec"]["replicas"], 4);
}

pub async fn scaling_to_zero_leaves_no_owner(server: &Server) {
    server.apply("a", &server.deployment("web")).await.ok();
    let none = json!({"spec": {"replicas": 0}});
    let scale = server.patch("deployments/web/scale?fieldManager=kubectl", MERGE, &none).await.ok();
    assert_eq!(scale["spec"], json!({}));
    let made = server.get("deployments/web").await.ok();
    assert_eq!(made["spec"]["replicas"], 0);
    assert!(!replicas_of(&made, "a"));
    assert_eq!(owned(&made, "kubectl"), Value::Null);
    server.patch("deployments/web/scale?fieldManager=kubectl", MERGE, &json!({"spec": {"replicas": 3}})).await.ok();
    let made = server.get("deployments/web").await.ok();
    assert_eq!((&made["spec"]["replicas"], owned(&made, "kubectl")), (&json!(3), Value::Null));
}

pub async fn a_scale_can_be_applied(server: &Server) {
    let made = server.apply("a", &server.deployment("web")).await.ok();
    let scale = |replicas: i64| {
        let metadata = json!({"name": "web", "namespace": made["metadata"]["namespace"]});
        json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": {"replicas": replicas}})
    };
    let path = "deployments/web/scale?fieldManager=s";
    let refused = server.patch(path, APPLY, &scale(4)).await;
    assert_eq!(refused.causes(), [(".spec.replicas", "conflict with \"a\"")]);
    server.patch(&format!("{path}&force=true"), APPLY, &scale(4)).await.ok();
    let made = server.get("deployments/web").await.ok();
    assert!(replicas_of(&made, "s") && !replicas_of(&made, "a"));
    assert_eq!(
        (&entry(&made, "s")["operation"], &entry(&made, "s")["subresource"]),
        (&json!("Apply"), &json!("scale"))
    );
    let put = server.put("deployments/web/scale?fieldManager=p", &scale(6)).await.ok();
    assert_eq!(put["spec"]["replicas"], 6);
    assert!(replicas_of(&server.get("deployments/web").await.ok(), "p"));
}

pub async fn a_negative_scale_is_refused(server: &Server) {
    server.apply("a", &server.deployment("web")).await.ok();
    let refused = server.patch("deployments/web/scale", MERGE, &json!({"spec": {"replicas": -1}})).await;
    let wanted =
        "Scale.autoscaling \"web\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0";
    assert_eq!(refused.refused(422), wanted);
    let stale = json!({"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 3}});
    let refused = server.patch("deployments/web/scale", MERGE, &stale).await;
    assert!(refused.refused(409).starts_with("Operation cannot be fulfilled on deployments.apps \"web\""));
}
