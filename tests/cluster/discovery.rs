//! Which kinds are served, and their schemas, as definitions come, change and go.

use kubeferry::cluster::{ApiServer, Cluster, ClusterEvent, DeleteRequest, FieldManager};
use kubeferry::object::ApiVersion;
use serde_json::{Value, json};

use crate::support::{
    AUDITED, cluster, connection_as, definition, events_until, id, kind, namespace, server, short, until,
};

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn built_in_kinds_are_found_with_all_that_is_known_of_them() {
    let kinds = cluster("discovery-builtin").await.kinds();
    let deployment = kinds.named("deploy").pop().unwrap();
    assert_eq!(deployment.group_kind, kind("apps", "Deployment"));
    assert!(deployment.namespaced && deployment.scalable && deployment.is_watchable());
    assert_eq!((deployment.preferred_version(), deployment.plural.as_str()), ("v1", "deployments"));
    let autoscaler = kinds.get(&kind("autoscaling", "HorizontalPodAutoscaler")).unwrap();
    assert_eq!(autoscaler.versions.iter().map(|version| &**version).collect::<Vec<_>>(), ["v2", "v1"]);
    assert!(!kinds.get(&kind("", "Namespace")).unwrap().namespaced);
    assert!(!kinds.get(&kind("", "ConfigMap")).unwrap().scalable);
    assert!(!kinds.get(&kind("authentication.k8s.io", "TokenReview")).unwrap().is_watchable());
}

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn a_definition_that_comes_changes_and_goes_is_followed() {
    let cluster = cluster("discovery-definition").await;
    namespace(&cluster, "discovery-definition").await;
    let gadget = kind("example.org", "Gadget");
    cluster.watch(vec![gadget.clone()]);
    assert!(cluster.kinds().get(&gadget).is_none());

    let mut wanted = definition("Gadget", &json!({"size": {"type": "integer"}}));
    let wanted_id = id(&wanted);
    cluster.apply(&wanted_id, wanted.clone(), true, false).await.unwrap();
    let synced = |event: &ClusterEvent| matches!(event, ClusterEvent::Synced(kind) if *kind == gadget);
    let told: Vec<_> = events_until(&cluster, synced).await.iter().map(short).collect();
    assert!(told.contains(&"listing Gadget.example.org".to_owned()), "{told:?}");
    assert_eq!(cluster.kinds().named("gadgetx").len(), 1);

    let object = json!({"apiVersion": "example.org/v1", "kind": "Gadget",
        "metadata": {"name": "g", "namespace": "discovery-definition"}, "spec": {"size": 1}});
    let live = cluster.apply(&id(&object), object.clone(), true, false).await.unwrap();
    assert_eq!(live["spec"], json!({"size": 1}));

    let mut second = wanted["spec"]["versions"][0].clone();
    second["name"] = json!("v2");
    second["storage"] = json!(false);
    second["subresources"] = json!({"scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}});
    wanted["spec"]["versions"].as_array_mut().unwrap().push(second);
    cluster.apply(&wanted_id, wanted, true, false).await.unwrap();
    until("the second version", || async {
        let kinds = cluster.kinds();
        kinds.get(&gadget).filter(|kind| kind.versions.len() == 2 && kind.scalable).map(drop)
    })
    .await;

    // The instance goes with its definition. Whether a last event tells that is the server's affair: it ends the watches
    // of the kind at some point on the way.
    let live = cluster.get(&wanted_id, None).await.unwrap().unwrap();
    delete(&cluster, &live).await;
    let unwatched = |event: &ClusterEvent| matches!(event, ClusterEvent::Unwatched(kind, _) if *kind == gadget);
    events_until(&cluster, unwatched).await;
    until("the end of the kind", || async { cluster.kinds().get(&gadget).is_none().then_some(()) }).await;

    // And everything again, under the same name.
    let wanted = definition("Gadget", &json!({"size": {"type": "integer"}}));
    until("the definition again", || async { cluster.apply(&wanted_id, wanted.clone(), true, false).await.ok() }).await;
    let told: Vec<_> = events_until(&cluster, synced).await.iter().map(short).collect();
    assert!(told.contains(&"listing Gadget.example.org".to_owned()), "{told:?}");
    assert!(!told.iter().any(|event| event.starts_with("seen Gadget")), "{told:?}");
}

async fn delete(cluster: &ApiServer, live: &Value) {
    let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
    let request =
        DeleteRequest { id: id(live), uid: text("/metadata/uid"), resource_version: text("/metadata/resourceVersion") };
    cluster.delete(request).await.unwrap();
}

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn a_schema_is_read_once_however_many_ask_for_it() {
    let connection = connection_as(AUDITED.0, AUDITED.1).await;
    let cluster = ApiServer::start(connection, FieldManager::new("ns", "schemas").unwrap()).await.unwrap();
    let api_version = ApiVersion::parse("apps/v1");
    let all = futures::future::join_all((0..10).map(|_| cluster.schema(&api_version))).await;
    for schema in all {
        assert!(schema.unwrap().root("apps", "v1", "Deployment").is_some());
    }
    cluster.schema(&api_version).await.unwrap();
    let log = server().audit_log();
    let asked = |start: &str| {
        let uri = |event: &&Value| event["requestURI"].as_str().is_some_and(|uri| uri.starts_with(start));
        log.iter().filter(uri).count()
    };
    assert_eq!((asked("/openapi/v3/apis/apps/v1"), asked("/openapi/v3")), (1, 2), "one document, one index");
}

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn the_schema_of_a_custom_resource_follows_its_definition() {
    let cluster = cluster("discovery-schema").await;
    let api_version = ApiVersion::parse("example.org/v1");
    let knows = |field: &'static str| {
        let cluster = &cluster;
        let api_version = &api_version;
        async move {
            let schema = cluster.schema(api_version).await.ok()?;
            schema.root("example.org", "v1", "Widget")?.field("spec").is_known_field(field).then_some(())
        }
    };
    for (field, fields) in [
        ("size", json!({"size": {"type": "integer"}})),
        ("colour", json!({"size": {"type": "integer"}, "colour": {"type": "string"}})),
    ] {
        let wanted = definition("Widget", &fields);
        cluster.apply(&id(&wanted), wanted, true, false).await.unwrap();
        until(field, || knows(field)).await;
    }
}
