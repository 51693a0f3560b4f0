//! What is served, and its schemas.

use kubeferry::object::{ListKind, Schema};
use serde_json::{Value, json};

use crate::support::Server;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

pub async fn both_forms_of_discovery_name_our_kinds(server: &Server) {
    let core = server.get_as("/api", AGGREGATED).await;
    assert_eq!(core.headers["content-type"], AGGREGATED);
    let groups = server.get_as("/apis", AGGREGATED).await.ok();
    let core = core.ok();
    let resource = |group: &str, plural: &str| -> Value {
        let all = if group.is_empty() { &core } else { &groups };
        let name = |item: &Value| item["metadata"]["name"].as_str().unwrap_or("").to_owned();
        let items = all["items"].as_array().unwrap();
        let version = &items.iter().find(|item| name(item) == group).unwrap()["versions"][0];
        let found = version["resources"].as_array().unwrap().iter().find(|one| one["resource"] == plural);
        found.unwrap_or_else(|| panic!("{plural} of {group}")).clone()
    };
    let all = json!(["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]);
    let own = |kind: &str| json!({"group": "", "version": "", "kind": kind});
    let part = |name: &str, kind: Value| json!({"subresource": name, "responseKind": kind, "verbs": ["get", "patch", "update"]});
    let deployments = json!({
        "resource": "deployments", "responseKind": own("Deployment"), "scope": "Namespaced", "verbs": all,
        "singularResource": "deployment", "shortNames": ["deploy"], "categories": ["all"],
        "subresources": [part("scale", json!({"group": "autoscaling", "version": "v1", "kind": "Scale"})),
                         part("status", own("Deployment"))],
    });
    assert_eq!(resource("apps", "deployments"), deployments);
    let secrets = json!({"resource": "secrets", "responseKind": own("Secret"), "scope": "Namespaced", "verbs": all,
                         "singularResource": "secret"});
    assert_eq!(resource("", "secrets"), secrets);
    assert_eq!(resource("", "namespaces")["scope"], "Cluster");
    for (group, plural, short) in [
        ("", "configmaps", "cm"),
        ("", "services", "svc"),
        ("", "events", "ev"),
        ("events.k8s.io", "events", "ev"),
        ("apiextensions.k8s.io", "customresourcedefinitions", "crd"),
    ] {
        assert_eq!(resource(group, plural)["shortNames"][0], short);
    }
    let legacy = server.get("/apis/apps/v1").await.ok();
    let named = |name: &str| legacy["resources"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
    assert_eq!((&named("deployments")["kind"], &named("deployments")["verbs"]), (&json!("Deployment"), &all));
    let scale = named("deployments/scale");
    assert_eq!(
        (&scale["kind"], &scale["group"], &scale["verbs"]),
        (&json!("Scale"), &json!("autoscaling"), &json!(["get", "patch", "update"]))
    );
    let group = server.get("/apis/apps").await.ok();
    assert_eq!((&group["kind"], &group["preferredVersion"]["version"]), (&json!("APIGroup"), &json!("v1")));
    assert_eq!(server.get("/api").await.ok()["versions"], json!(["v1"]));
    assert_eq!(server.get("/apis").await.ok()["kind"], "APIGroupList");
}

pub async fn schemas_say_how_lists_merge(server: &Server) {
    let index = server.get("/openapi/v3").await.ok();
    let read = async |path: &str| {
        let url = index["paths"][path]["serverRelativeURL"].as_str().unwrap().to_owned();
        assert!(url.starts_with(&format!("/openapi/v3/{path}?hash=")), "{url}");
        let document = server.get(&url).await;
        assert!(document.headers.contains_key("etag"));
        (Schema::from_openapi(&document.body).unwrap(), document.body)
    };
    let (apps, document) = read("apis/apps/v1").await;
    let pod = apps.root("apps", "v1", "Deployment").unwrap().field("spec").field("template").field("spec");
    let container = pod.field("containers").item();
    let keys = |kind: ListKind<'_>| match kind {
        ListKind::Map(keys) => keys.iter().map(|key| key.to_string()).collect(),
        other => vec![format!("{other:?}")],
    };
    assert_eq!(keys(container.field("ports").list()), ["containerPort", "protocol"]);
    assert_eq!(container.field("ports").item().field("protocol").default(), Some(&json!("TCP")));
    assert_eq!(keys(pod.field("topologySpreadConstraints").list()), ["topologyKey", "whenUnsatisfiable"]);
    assert_eq!(keys(pod.field("tolerations").list()), ["Atomic"]);
    assert!(container.field("resources").field("requests").field("cpu").is_quantity());
    assert!(apps.root("apps", "v1", "Deployment").unwrap().field("spec").field("selector").is_atomic_map());
    let (core, _) = read("api/v1").await;
    let service = core.root("", "v1", "Service").unwrap().field("spec");
    assert_eq!(keys(service.field("ports").list()), ["port", "protocol"]);
    assert_eq!(keys(core.root("", "v1", "Namespace").unwrap().field("metadata").field("finalizers").list()), ["Set"]);
    // What kubectl looks for before it asks for the validation of fields.
    let path = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}";
    let patch = &document["paths"][path]["patch"];
    assert_eq!(
        patch["x-kubernetes-group-version-kind"],
        json!({"group": "apps", "version": "v1", "kind": "Deployment"})
    );
    assert!(patch["parameters"].as_array().unwrap().iter().any(|one| one["name"] == "fieldValidation"));
    assert_eq!(server.get("/openapi/v3/apis/no.such.group/v1").await.code, 404);
}

pub async fn health_and_version_are_told(server: &Server) {
    for path in ["/readyz", "/livez", "/healthz"] {
        assert_eq!(server.get(path).await.text, "ok");
    }
    let version = server.get("/version").await.ok();
    assert_eq!((&version["major"], &version["minor"]), (&json!("1"), &json!("36")));
}
