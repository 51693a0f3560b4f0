use serde_json::json;

use super::*;
use crate::rules::load;

fn rule(text: &str) -> Rule {
    load(&format!("rules: [{{syncTo: git{text}}}]"), "f").unwrap().rules.rules.remove(0)
}

fn kind(group: &str, name: &str) -> Kind {
    Kind {
        group_kind: GroupKind::new(group, name),
        versions: vec!["v1".into()],
        plural: format!("{}s", name.to_lowercase()),
        singular: name.to_lowercase(),
        short_names: vec![],
        namespaced: true,
        verbs: vec![],
        scalable: false,
    }
}

fn is_skipped(rule: &Rule, group: &str, name: &str, live: &Value) -> bool {
    never_captured(live, &kind(group, name), rule).is_some()
}

fn named(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "default"}})
}

#[test]
fn what_a_controller_owns_is_left_alone_unless_its_name_matches() {
    let owned = |controller: Value| json!({"metadata": {"name": "web-1", "ownerReferences": [{"kind": "X", "controller": controller}]}});
    for (text, skipped) in
        [("", true), (", resources: [widgets]", true), (", names: ['web-*']", false), (", names: [api]", true)]
    {
        assert_eq!(is_skipped(&rule(text), "a.io", "Widget", &owned(json!(true))), skipped, "{text}");
    }
    assert!(!is_skipped(&rule(""), "a.io", "Widget", &owned(json!(false))));
}

#[test]
fn generated_objects_are_left_alone_unless_named_exactly() {
    let secret = |kind: &str| json!({"metadata": {"name": "x"}, "type": kind});
    for (name, live) in [
        ("ConfigMap", named("kube-root-ca.crt")),
        ("Secret", secret("kubernetes.io/service-account-token")),
        ("Secret", secret("helm.sh/release.v1")),
    ] {
        assert!(is_skipped(&rule(""), "", name, &live));
        assert!(is_skipped(&rule(", resources: [configmaps, secrets]"), "", name, &live));
        assert!(is_skipped(&rule(", names: ['*']"), "", name, &live));
        assert!(!is_skipped(&rule(", names: [x, kube-root-ca.crt]"), "", name, &live));
    }
    assert!(!is_skipped(&rule(""), "", "Secret", &secret("Opaque")));
}

#[test]
fn kinds_that_nobody_stores_are_left_alone_unless_named() {
    for (group, name) in NOT_STORED {
        assert!(is_skipped(&rule(""), group, name, &named("x")), "{name}");
        assert!(is_skipped(&rule(", resources: ['*']"), group, name, &named("x")), "{name}");
        let own = rule(&format!(", resources: [{name}]"));
        assert!(!is_skipped(&own, group, name, &named("x")), "{name}");
        assert!(is_kind_left_out(&kind(group, name), &rule("")) && !is_kind_left_out(&kind(group, name), &own));
    }
    assert!(!is_skipped(&rule(""), "a.io", "Pod", &named("x")), "another group's kind of that name");
}

#[test]
fn what_the_server_makes_for_itself_is_left_alone_unless_its_kind_is_named() {
    let bootstrapping =
        json!({"metadata": {"name": "cluster-admin", "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}});
    for (group, name, live) in [
        ("rbac.authorization.k8s.io", "ClusterRole", bootstrapping),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding", named("system:node")),
        ("scheduling.k8s.io", "PriorityClass", named("system-node-critical")),
        ("", "ServiceAccount", named("default")),
        ("", "Service", named("kubernetes")),
        ("", "Namespace", named("default")),
        ("", "Namespace", named("kube-system")),
    ] {
        assert!(is_skipped(&rule(""), group, name, &live), "{name}");
        assert!(!is_skipped(&rule(&format!(", resources: [{name}]")), group, name, &live), "{name}");
    }
    for (group, name, live) in [
        ("rbac.authorization.k8s.io", "ClusterRole", named("shop")),
        ("scheduling.k8s.io", "PriorityClass", named("high")),
        ("", "ServiceAccount", named("shop")),
        ("", "Service", json!({"metadata": {"name": "kubernetes", "namespace": "shop"}})),
        ("", "Namespace", named("shop")),
        ("", "ConfigMap", named("settings")),
    ] {
        assert!(!is_skipped(&rule(""), group, name, &live), "{name}");
    }
}

#[test]
fn our_own_state_is_never_selected() {
    let id = |group: &str, kind: &str, namespace: &str, name: &str| {
        is_own(&ObjectId::new(GroupKind::new(group, kind), namespace, name), "ferry", "prod")
    };
    assert!(id("", "ConfigMap", "ferry", "prod-state") && id("coordination.k8s.io", "Lease", "ferry", "prod"));
    assert!(!id("", "ConfigMap", "shop", "prod-state") && !id("", "ConfigMap", "ferry", "prod"));
    assert!(!id("", "Secret", "ferry", "prod-state") && !id("coordination.k8s.io", "Lease", "ferry", "other"));
    let named = rule(", resources: [event]");
    for (live, own) in [
        (json!({"reportingComponent": "kubeferry"}), true),
        (json!({"reportingController": "kubeferry:ferry/prod"}), true),
        (json!({"source": {"component": "kubeferry"}}), true),
        (json!({"source": {"component": "kubelet"}}), false),
    ] {
        assert_eq!(is_skipped(&named, "events.k8s.io", "Event", &live), own, "{live}");
    }
}

/// Every object of a cluster that has no user: `kubectl get` of all kinds on a new server, reduced to what the rules
/// look at.
#[test]
fn nothing_of_an_empty_cluster_is_captured() {
    let text = include_str!("../../../tests/fixtures/rules/empty-cluster.json");
    let objects: Vec<Value> = serde_json::from_str(text).unwrap();
    assert!(objects.len() > 150, "{}", objects.len());
    for live in objects {
        let id = ObjectId::of(&live).unwrap();
        assert!(is_skipped(&rule(""), id.group(), id.kind(), &live), "{id}");
    }
}
