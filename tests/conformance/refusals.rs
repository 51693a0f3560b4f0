//! What is refused, and in which words.

use serde_json::json;

use crate::support::{APPLY, MERGE, STRATEGIC, Server};

pub async fn an_object_that_exists_is_not_made_again(server: &Server) {
    let object = server.config_map("m", json!({}));
    server.post("configmaps", &object).await.ok();
    let refused = server.post("configmaps", &object).await;
    assert_eq!(refused.refused(409), "configmaps \"m\" already exists");
    assert_eq!(refused.body["reason"], "AlreadyExists");
    let refused = server.post("configmaps", &json!({"metadata": {"name": "n", "resourceVersion": "5"}})).await;
    assert_eq!(refused.refused(500), "resourceVersion should not be set on objects to be created");
}

pub async fn a_missing_namespace_is_named(server: &Server) {
    let object = server.config_map("m", json!({}));
    let wanted = "namespaces \"no-such-namespace\" not found";
    let path = "/api/v1/namespaces/no-such-namespace/configmaps";
    assert_eq!(server.post(path, &object).await.refused(404), wanted);
    assert_eq!(server.patch(&format!("{path}/m?fieldManager=a"), APPLY, &object).await.refused(404), wanted);
    let listed = server.get(path).await.ok();
    assert_eq!(listed["items"], json!([]));
    let mut elsewhere = object;
    elsewhere["metadata"]["namespace"] = "other".into();
    let refused = server.post("configmaps", &elsewhere).await;
    let wanted = "the namespace of the provided object does not match the namespace sent on the request";
    assert_eq!(refused.refused(400), wanted);
}

pub async fn every_bad_field_is_named(server: &Server) {
    let empty = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "bad"}, "spec": {}});
    let refused = server.post("deployments", &empty).await;
    let wanted = "Deployment.apps \"bad\" is invalid: [spec.selector: Required value, spec.template.metadata.labels: Invalid \
                  value: null: `selector` does not match template `labels`, spec.template.spec.containers: Required value]";
    assert_eq!(refused.refused(422), wanted);
    assert_eq!(refused.body["details"]["group"], "apps");
    let mut nameless = server.deployment("bad");
    nameless["spec"]["template"]["spec"]["containers"] = json!([{"name": "A"}]);
    let refused = server.post("deployments", &nameless).await;
    let fields: Vec<_> = refused.causes().iter().map(|(field, _)| field.to_string()).collect();
    assert_eq!(fields, ["spec.template.spec.containers[0].name", "spec.template.spec.containers[0].image"]);
    let refused = server.post("configmaps", &server.config_map("A_b", json!({}))).await;
    assert!(refused.causes()[0].1.contains("a lowercase RFC 1123 subdomain"), "{}", refused.text);
    let refused = server.post("configmaps", &json!({"metadata": {}})).await;
    assert_eq!(refused.causes(), [("metadata.name", "Required value: name or generateName is required")]);
    let refused = server.post("configmaps", &server.config_map("m", json!({"a b": ""}))).await;
    assert_eq!(refused.causes()[0].0, "data[a b]");
    let mut labelled = server.config_map("m", json!({}));
    labelled["metadata"]["labels"] = json!({"a b": "c d"});
    assert_eq!(server.post("configmaps", &labelled).await.causes().len(), 2);
    let service = |ports: serde_json::Value| json!({"metadata": {"name": "s"}, "spec": {"ports": ports}});
    let refused = server.post("services", &service(json!([]))).await;
    assert_eq!(refused.causes(), [("spec.ports", "Required value")]);
    let refused = server.post("services", &service(json!([{"port": 80}, {"port": 81}]))).await;
    assert_eq!(refused.causes(), [("spec.ports[0].name", "Required value"), ("spec.ports[1].name", "Required value")]);
    let secret = json!({"metadata": {"name": "s"}, "type": "kubernetes.io/tls"});
    let refused = server.post("secrets", &secret).await;
    assert_eq!(refused.causes(), [("data[tls.crt]", "Required value"), ("data[tls.key]", "Required value")]);
}

pub async fn unknown_fields_warn_or_are_refused(server: &Server) {
    let mut object = server.config_map("m", json!({}));
    object["dat"] = json!({});
    object["metadata"]["foo"] = 1.into();
    let warned = server.post("configmaps", &object).await;
    let mut warnings: Vec<_> = warned.headers.get_all("warning").iter().map(|one| one.to_str().unwrap()).collect();
    warnings.sort_unstable();
    assert_eq!(warnings, ["299 - \"unknown field \\\"dat\\\"\"", "299 - \"unknown field \\\"metadata.foo\\\"\""]);
    assert_eq!(warned.ok().get("dat"), None);
    let refused = server.post("configmaps?fieldValidation=Strict", &object).await;
    assert!(refused.refused(400).contains("strict decoding error: unknown field"), "{}", refused.text);
    let quiet = server.patch("configmaps/m?fieldValidation=Ignore", MERGE, &json!({"dat": {}})).await;
    assert!(quiet.headers.get("warning").is_none() && quiet.code == 200);
    let refused = server.patch("configmaps/m?fieldValidation=Strict", MERGE, &json!({"dat": {}})).await;
    assert!(refused.refused(422).ends_with("strict decoding error: unknown field \"dat\""), "{}", refused.text);
}

pub async fn wrong_types_are_refused(server: &Server) {
    let refused = server.post("configmaps", &server.config_map("m", json!({"a": 1}))).await;
    let wanted = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct \
                  field ConfigMap.data of type string";
    assert_eq!(refused.refused(400), wanted);
    let mut object = server.deployment("web");
    object["spec"]["replicas"] = "x".into();
    let refused = server.post("deployments", &object).await;
    let wanted = "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32";
    assert!(refused.refused(400).ends_with(wanted), "{}", refused.text);
    let secret = json!({"metadata": {"name": "s"}, "data": {"a": "!"}});
    let refused = server.post("secrets", &secret).await;
    assert!(refused.refused(400).ends_with("illegal base64 data at input byte 0"), "{}", refused.text);
    let refused = server.send("POST", "configmaps", &[("content-type", "text/plain")], b"{}".to_vec()).await;
    refused.refused(415);
    server.post("configmaps", &server.config_map("m", json!({}))).await.ok();
    let refused = server.patch("configmaps/m", "application/json", &json!({})).await;
    assert_eq!(refused.refused(415), "415: Unsupported Media Type");
    let kind = json!([{"op": "replace", "path": "/kind", "value": "Secret"}]);
    server.patch("configmaps/m", crate::support::JSON_PATCH, &kind).await.refused(422);
}

pub async fn what_is_immutable_stays(server: &Server) {
    server.post("deployments", &server.deployment("web")).await.ok();
    let patch = json!({"spec": {"selector": {"matchLabels": {"c": "d"}},
                                "template": {"metadata": {"labels": {"c": "d"}}}}});
    let refused = server.patch("deployments/web", STRATEGIC, &patch).await;
    let wanted = "Invalid value: {\"matchLabels\":{\"a\":\"b\",\"c\":\"d\"}}: field is immutable";
    assert_eq!(refused.causes(), [("spec.selector", wanted)]);
    let mut fixed = server.config_map("m", json!({"a": "1"}));
    fixed["immutable"] = true.into();
    server.post("configmaps", &fixed).await.ok();
    let why = "Forbidden: field is immutable when `immutable` is set";
    let refused = server.patch("configmaps/m", MERGE, &json!({"data": {"a": "2"}})).await;
    assert_eq!(refused.causes(), [("data", why)]);
    let secret = json!({"metadata": {"name": "s"}, "data": {"a": "eA=="}});
    server.post("secrets", &secret).await.ok();
    let refused = server.patch("secrets/s", MERGE, &json!({"type": "example.org/other"})).await;
    assert_eq!(refused.causes(), [("type", "Invalid value: \"example.org/other\": field is immutable")]);
    let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}});
    server.post("services", &service).await.ok();
    let refused = server.patch("services/s", MERGE, &json!({"spec": {"clusterIP": "10.96.250.250"}})).await;
    let wanted = "Invalid value: [\"10.96.250.250\"]: may not change once set";
    assert_eq!(refused.causes(), [("spec.clusterIPs[0]", wanted)]);
}

pub async fn options_that_no_server_takes_are_refused(server: &Server) {
    server.post("configmaps", &server.config_map("m", json!({}))).await.ok();
    for (query, field) in [
        ("force=true", "force"),
        ("dryRun=Some", "dryRun"),
        ("fieldValidation=Some", "fieldValidation"),
        (&format!("fieldManager={}", "x".repeat(129)), "fieldManager"),
    ] {
        let refused = server.patch(&format!("configmaps/m?{query}"), MERGE, &json!({})).await;
        assert_eq!(refused.causes()[0].0, field, "{query}");
        assert!(refused.refused(422).starts_with("PatchOptions.meta.k8s.io"), "{}", refused.text);
    }
    let refused = server.delete("configmaps/m", Some(&json!({"propagationPolicy": "Some"}))).await;
    assert!(refused.refused(422).starts_with("DeleteOptions.meta.k8s.io"), "{}", refused.text);
}

pub async fn unknown_paths_and_verbs_are_told_apart(server: &Server) {
    for path in ["/apis/no.such.group/v1", "/apis/no.such.group/v1/namespaces/a/things", "/nothing"] {
        let answer = server.get(path).await;
        assert_eq!((answer.code, answer.text.as_str()), (404, "404 page not found\n"), "{path}");
    }
    let wanted = "the server could not find the requested resource";
    assert_eq!(server.get("/api/v1/things").await.refused(404), wanted);
    assert_eq!(server.get("configmaps/m/scale").await.refused(404), wanted);
    let refused = server.get("configmaps/none").await;
    assert_eq!(refused.refused(404), "configmaps \"none\" not found");
    assert_eq!(refused.body["details"], json!({"name": "none", "kind": "configmaps"}));
    let wanted = "the server does not allow this method on the requested resource";
    assert_eq!(server.put("configmaps", &json!({})).await.refused(405), wanted);
    assert_eq!(server.post("configmaps/m", &json!({})).await.refused(405), wanted);
    assert_eq!(server.delete("/api/v1/namespaces", None).await.refused(405), wanted);
}
