//! Get, apply, patch and delete.

use std::sync::Arc;

use kubeferry::cluster::{Cluster, ClusterError, DeleteRequest};
use kubeferry::object::{ObjectId, Schema};
use kubeferry::sync::act::{Task, act};
use kubeferry::sync::plan::{Action, RuleIndex};
use kubeferry::sync::planner::Identity;
use serde_json::{Value, json};

use crate::support::{cluster, config_map, id, kind, namespace};

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} in {object}"))
}

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn an_applied_object_is_ours_and_applying_it_again_changes_nothing() {
    let cluster = cluster("calls-apply").await;
    namespace(&cluster, "calls-apply").await;
    let wanted = config_map("calls-apply", "settings", json!({"a": "1"}));
    let id = id(&wanted);
    assert_eq!(cluster.get(&id, None).await.unwrap(), None);

    let dry = cluster.apply(&id, wanted.clone(), false, true).await.unwrap();
    assert_eq!(dry["data"], json!({"a": "1"}));
    assert_eq!(cluster.get(&id, None).await.unwrap(), None, "a dry run stores nothing");

    let live = cluster.apply(&id, wanted.clone(), false, false).await.unwrap();
    assert_eq!(text(&live, "/metadata/managedFields/0/manager"), "kubeferry:kubeferry/calls-apply");
    assert_eq!(text(&live, "/metadata/managedFields/0/operation"), "Apply");
    let again = cluster.apply(&id, wanted, false, false).await.unwrap();
    assert_eq!(text(&again, "/metadata/resourceVersion"), text(&live, "/metadata/resourceVersion"));
    assert_eq!(cluster.get(&id, Some("v1")).await.unwrap(), Some(live));
}

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn a_field_of_another_manager_is_a_conflict_until_it_is_forced() {
    let (one, two) = (cluster("calls-one").await, cluster("calls-two").await);
    namespace(&one, "calls-conflict").await;
    let wanted = |value: &str| config_map("calls-conflict", "settings", json!({"a": value}));
    let id = id(&wanted("1"));
    one.apply(&id, wanted("1"), false, false).await.unwrap();

    let error = two.apply(&id, wanted("2"), false, false).await.unwrap_err();
    let ClusterError::FieldConflict(conflicts) = &error else { panic!("{error:?}") };
    assert_eq!(conflicts[0].field, ".data.a");
    assert!(conflicts[0].message.contains("kubeferry:kubeferry/calls-one"), "{error}");
    assert!(!error.is_transient());
    let live = two.apply(&id, wanted("2"), true, false).await.unwrap();
    assert_eq!(live["data"], json!({"a": "2"}));
}

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn what_can_not_be_applied_says_why_and_is_not_tried_again() {
    let cluster = cluster("calls-invalid").await;
    namespace(&cluster, "calls-invalid").await;
    let apply = |object: Value| {
        let id = id(&object);
        let cluster = &cluster;
        async move { cluster.apply(&id, object, true, false).await.unwrap_err() }
    };
    let mut unknown = config_map("calls-invalid", "settings", json!({}));
    unknown["dat"] = json!({"a": "b"});
    let error = apply(unknown).await;
    assert!(matches!(&error, ClusterError::Invalid(text) if text.contains(".dat: field not declared")), "{error:?}");

    let error = apply(config_map("calls-invalid", "No_Name", json!({}))).await;
    assert!(matches!(&error, ClusterError::Invalid(text) if text.contains("metadata.name")), "{error:?}");

    let error = apply(config_map("calls-nowhere", "settings", json!({}))).await;
    assert!(matches!(&error, ClusterError::NotFound(text) if text.contains("calls-nowhere")), "{error:?}");

    let metadata = json!({"namespace": "calls-invalid", "name": "s"});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"password": 123_456}});
    let error = apply(secret).await;
    let shown = format!("{error} {error:?}");
    assert!(matches!(error, ClusterError::Invalid(_)), "{error:?}");
    assert!(shown.contains(".data.password") && !shown.contains("123456"), "{shown}");

    let thing = json!({"apiVersion": "example.org/v1", "kind": "Nothing", "metadata": {"name": "n"}});
    let error = apply(thing).await;
    assert_eq!(error, ClusterError::UnknownKind(kind("example.org", "Nothing")));
}

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn a_patch_changes_what_it_tested_and_nothing_else() {
    let cluster = cluster("calls-patch").await;
    namespace(&cluster, "calls-patch").await;
    let wanted = config_map("calls-patch", "settings", json!({"a": "1"}));
    let id = id(&wanted);
    cluster.apply(&id, wanted, true, false).await.unwrap();

    let patch = |tested: &str, value: Value| json!([{"op": "test", "path": "/data/a", "value": tested}, {"op": "replace", "path": "/data/a", "value": value}]);
    let live = cluster.patch(&id, None, patch("1", json!("2"))).await.unwrap();
    assert_eq!(live["data"], json!({"a": "2"}));
    let moved = cluster.patch(&id, None, patch("1", json!("3"))).await.unwrap_err();
    assert!(matches!(moved, ClusterError::Changed(_)) && moved.is_transient(), "{moved:?}");
    let wrong = cluster.patch(&id, Some("v1"), patch("2", json!(3))).await.unwrap_err();
    assert!(matches!(wrong, ClusterError::Invalid(_)), "{wrong:?}");
}

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn only_the_very_object_is_deleted() {
    let cluster = cluster("calls-delete").await;
    namespace(&cluster, "calls-delete").await;
    let wanted = config_map("calls-delete", "settings", json!({"a": "1"}));
    let id: ObjectId = id(&wanted);
    let live = cluster.apply(&id, wanted, true, false).await.unwrap();
    let request = |uid: &str, resource_version: &str| DeleteRequest {
        id: id.clone(),
        uid: uid.into(),
        resource_version: resource_version.into(),
    };
    let (uid, version) = (text(&live, "/metadata/uid"), text(&live, "/metadata/resourceVersion"));
    for stale in [request("another", version), request(uid, "1")] {
        let error = cluster.delete(stale).await.unwrap_err();
        assert!(matches!(error, ClusterError::Changed(_)), "{error:?}");
    }
    cluster.delete(request(uid, version)).await.unwrap();
    assert_eq!(cluster.get(&id, None).await.unwrap(), None);
    cluster.delete(request(uid, version)).await.unwrap();
}

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn an_apply_to_an_object_that_went_meanwhile_makes_no_stub_of_it() {
    let cluster = Arc::new(cluster("calls-stub").await);
    namespace(&cluster, "calls-stub").await;
    let wanted = |data: Value| config_map("calls-stub", "settings", data);
    let id = id(&wanted(json!({})));
    let identity = Identity { namespace: "kubeferry".into(), name: "calls-stub".into(), takes_over: None };
    let identity = Arc::new(identity);
    for (unless_changed, comes_back) in [(false, false), (true, false), (false, true), (true, true)] {
        let live = cluster.apply(&id, wanted(json!({"a": "1", "b": "1"})), true, false).await.unwrap();
        let seen = live.clone();
        let act_on = |object: Value, live: Value| {
            let rule = RuleIndex::default();
            let apply = Action::Apply { object, changed: vec![], adopted: vec![], force: true, unless_changed, rule };
            let sides = (cluster.clone(), None);
            let (schema, live) = (Schema::builtin(), Some(live));
            let task = Task { schema, live, actions: vec![apply], ..Task::default() };
            act(sides, identity.clone(), id.clone(), task)
        };
        let acted = act_on(wanted(json!({"a": "2", "b": "1"})), live).await;
        assert_eq!(acted.error, None, "it is there");
        let live = acted.live.unwrap();
        assert_eq!(live["data"]["a"], "2");

        let (uid, resource_version) = (text(&live, "/metadata/uid"), text(&live, "/metadata/resourceVersion"));
        let request = DeleteRequest { id: id.clone(), uid: uid.into(), resource_version: resource_version.into() };
        cluster.delete(request).await.unwrap();
        let people = json!({"of": "people"});
        if comes_back {
            cluster.apply(&id, wanted(people.clone()), true, false).await.unwrap();
        }
        let acted = act_on(wanted(json!({"a": "3"})), seen).await;
        assert!(matches!(acted.error, Some(ClusterError::Changed(_))), "{:?}", acted.error);
        let left = cluster.get(&id, None).await.unwrap();
        assert_eq!(left.map(|live| live["data"].clone()), comes_back.then_some(people));
    }
}
