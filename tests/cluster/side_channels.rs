//! Events that we write, and rules that come from a ConfigMap.

use kubeferry::cluster::{Cluster, ConfigMapText, ConfigMapWatch, Event, EventLevel, Events};
use kubeferry::object::ObjectId;
use serde_json::json;
use tokio::sync::watch;

use crate::support::{LIMIT, cluster, config_map, connection_as, events_until, id, kind, namespace};

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn an_event_is_written_beside_its_object() {
    let cluster = cluster("events").await;
    namespace(&cluster, "events").await;
    let events = Events::start(cluster.connection(), "pod-1");
    for regarding in
        [ObjectId::new(kind("apps", "Deployment"), "events", "web"), ObjectId::new(kind("", "Namespace"), "", "events")]
    {
        events.tell(Event {
            regarding,
            version: "v1".into(),
            uid: None,
            level: EventLevel::Warning,
            action: "Apply",
            reason: "FieldConflict",
            note: "spec.replicas is owned by somebody".into(),
        });
    }
    cluster.watch(vec![kind("events.k8s.io", "Event")]);
    let mut missing = vec!["Deployment", "Namespace"];
    events_until(&cluster, |event| {
        if let kubeferry::cluster::ClusterEvent::Seen(object) = event
            && object["reportingController"] == "kubeferry"
        {
            missing.retain(|wanted| object["regarding"]["kind"] != *wanted);
        }
        missing.is_empty()
    })
    .await;
}

async fn next(text: &mut watch::Receiver<ConfigMapText>) -> ConfigMapText {
    tokio::time::timeout(LIMIT, text.changed()).await.unwrap().unwrap();
    text.borrow_and_update().clone()
}

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn rules_are_followed_in_their_config_map() {
    let cluster = cluster("rules").await;
    // Only that one object may be read.
    let reader = connection_as("rules", "reader").await;
    let rule = json!({"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["main"],
        "verbs": ["get", "list", "watch"]});
    let metadata = json!({"name": "reader", "namespace": "rules"});
    let api = "rbac.authorization.k8s.io";
    let role = json!({"apiVersion": format!("{api}/v1"), "kind": "Role", "metadata": metadata, "rules": [rule]});
    let binding = json!({"apiVersion": format!("{api}/v1"), "kind": "RoleBinding", "metadata": metadata,
        "roleRef": {"apiGroup": api, "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": "rules"}]});
    for object in [role, binding] {
        cluster.apply(&id(&object), object, true, false).await.unwrap();
    }
    let watch = ConfigMapWatch::start(&reader, "rules", "main").unwrap();
    let mut text = watch.text();
    assert_eq!(next(&mut text).await, ConfigMapText::Missing("ConfigMap rules/main: it does not exist".into()));

    for (name, value) in [("other", "no: this"), ("main", "rules: []"), ("main", "rules: [a]")] {
        let map = config_map("rules", name, json!({"config.yaml": value}));
        cluster.apply(&id(&map), map, true, false).await.unwrap();
        if name == "main" {
            assert_eq!(next(&mut text).await, ConfigMapText::Text(value.into()));
        }
    }
    let map = config_map("rules", "main", json!({"other": "x"}));
    cluster.apply(&id(&map), map, true, false).await.unwrap();
    assert_eq!(next(&mut text).await, ConfigMapText::Missing("ConfigMap rules/main: it has no key config.yaml".into()));
}
