use super::*;
use crate::object::Schema;
use crate::object::fixtures::{cases, shelf};
use serde_json::json;

const NOBODY: &dyn Fn(&Manager) -> bool = &|_| false;

#[test]
fn a_hand_written_manifest_comes_back_line_by_line_in_three_ways() {
    for case in cases("declared") {
        for way in ["created", "applied", "server-side"] {
            let captured = manifest(&case.parts[way], case.view(), NOBODY);
            let (captured, written) = (pretty(&captured), pretty(case.manifest()));
            assert_eq!(captured, written, "{} {way}", case.name);
        }
    }
}

#[test]
fn what_was_edited_scaled_and_patched_afterwards_is_declared_too() {
    for case in cases("declared").iter().filter(|case| case.parts.get("edits").is_some()) {
        for way in ["created", "applied", "server-side"] {
            let live = &case.parts[format!("{way}-edited")];
            let mut expected = case.parts["edited"].clone();
            // Scaled to the default: only evidence that names the field exactly, or the manifest, can tell it from one.
            if manifest(live, case.view(), NOBODY).pointer("/spec/replicas").is_none() {
                compare::remove(&mut expected, &FieldPath::fields(["spec", "replicas"]), case.view());
            }
            assert_eq!(pretty(&manifest(live, case.view(), NOBODY)), pretty(&expected), "{} {way}", case.name);
        }
    }
}

fn deployment(entries: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "managedFields": entries, "finalizers": ["x"],
            "annotations": {"deployment.kubernetes.io/revision": "1"}, "labels": {"team": "a"}},
        "spec": {"replicas": 3, "paused": true, "progressDeadlineSeconds": 600, "strategy": {"type": "Recreate"}},
        "status": {"replicas": 3}})
}

fn entry(manager: &str, operation: &str, subresource: &str, fields: Value) -> Value {
    json!({"manager": manager, "operation": operation, "subresource": subresource, "apiVersion": "apps/v1", "fieldsV1": fields})
}

fn captured(entries: Value, ignore: &dyn Fn(&Manager) -> bool) -> Vec<String> {
    let live = deployment(entries);
    let schema = Schema::builtin();
    declared(&live, schema.view_of(&live), ignore).paths().iter().map(ToString::to_string).collect()
}

#[test]
fn subresources_declare_the_wanted_state_only() {
    let status = json!({"f:metadata": {"f:annotations": {"f:deployment.kubernetes.io/revision": {}}}, "f:status": {"f:replicas": {}}});
    let entries = json!([
        entry("kube-controller-manager", "Update", "status", status),
        entry("kube-controller-manager", "Update", "scale", json!({"f:spec": {"f:replicas": {}}})),
    ]);
    assert_eq!(captured(entries, NOBODY), [".spec.replicas"]);
}

#[test]
fn an_ignored_manager_is_no_evidence_and_our_own_apply_is() {
    let entries = json!([
        entry("kubeferry:a/b", "Apply", "", json!({"f:spec": {"f:progressDeadlineSeconds": {}}})),
        entry("flux", "Apply", "", json!({"f:spec": {"f:paused": {}}})),
    ]);
    assert_eq!(captured(entries.clone(), NOBODY), [".spec.paused", ".spec.progressDeadlineSeconds"]);
    assert_eq!(captured(entries, &|manager| manager.name == "flux"), [".spec.progressDeadlineSeconds"]);
}

#[test]
fn whoever_applied_on_the_client_side_is_taken_by_the_annotation() {
    let fields = json!({"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/last-applied-configuration": {}}},
        "f:spec": {"f:progressDeadlineSeconds": {}, "f:paused": {}, "f:replicas": {}}});
    let mut live = deployment(json!([entry("argocd-controller", "Update", "", fields)]));
    let given = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"progressDeadlineSeconds": 600}});
    live["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = given.to_string().into();
    let schema = Schema::builtin();
    let paths = |ignore| -> Vec<String> {
        declared(&live, schema.view_of(&live), ignore).paths().iter().map(ToString::to_string).collect()
    };
    assert_eq!(paths(NOBODY), [".spec.progressDeadlineSeconds"]);
    assert_eq!(paths(&|manager: &Manager| manager.name == "argocd-controller"), Vec::<String>::new());
}

#[test]
fn what_nobody_owns_at_all_is_taken_without_defaults_and_allocations() {
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "uid": "1"},
        "spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
            "internalTrafficPolicy": "Cluster", "sessionAffinity": "None", "type": "NodePort", "selector": {"app": "web"},
            "externalTrafficPolicy": "Cluster",
            "ports": [{"port": 80, "targetPort": 80, "protocol": "TCP", "nodePort": 30000}]}, "status": {"loadBalancer": {}}});
    let schema = Schema::builtin();
    let written = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80}]}});
    assert_eq!(manifest(&service, schema.view_of(&service), NOBODY), written);
}

#[test]
fn the_control_plane_declares_nothing_and_stamps_are_nobodys() {
    let metadata = json!({"f:annotations": {".": {}, "f:deployment.kubernetes.io/revision": {}}, "f:finalizers": {"v:\"x\"": {}},
        "f:labels": {".": {}, "f:team": {}}});
    let entries = json!([
        entry("kube-controller-manager", "Update", "", json!({"f:spec": {"f:paused": {}}})),
        entry(
            "kubectl-create",
            "Update",
            "",
            json!({"f:metadata": metadata, "f:spec": {
            "f:progressDeadlineSeconds": {}, "f:strategy": {"f:type": {}}, "f:gone": {}}})
        ),
    ]);
    assert_eq!(captured(entries, NOBODY), [".metadata.labels", ".metadata.labels.team", ".spec.strategy.type"]);
}

#[test]
fn defaults_of_custom_resources_come_from_their_schema() {
    let schema = shelf();
    let live = json!({"apiVersion": "fix.example.org/v1", "kind": "Shelf", "metadata": {"name": "a", "managedFields": [
            entry("kubectl-create", "Update", "", json!({"f:spec": {".": {}, "f:size": {}, "f:cpu": {},
                "f:nested": {".": {}, "f:x": {}}}}))]},
        "spec": {"size": 3, "cpu": "1", "nested": {"x": 1}}});
    assert_eq!(manifest(&live, schema.view_of(&live), NOBODY)["spec"], json!({"cpu": "1"}));
    let mut other = live;
    other["spec"]["size"] = json!(4);
    other["spec"]["nested"]["x"] = json!(2);
    assert_eq!(
        manifest(&other, schema.view_of(&other), NOBODY)["spec"],
        json!({"size": 4, "cpu": "1", "nested": {"x": 2}})
    );
}

/// In one order of keys, so that a failure reads well.
fn pretty(value: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                Value::Object(entries.into_iter().collect())
            }
            Value::Array(items) => items.iter().map(sorted).collect(),
            scalar => scalar.clone(),
        }
    }
    serde_json::to_string_pretty(&sorted(value)).unwrap()
}
