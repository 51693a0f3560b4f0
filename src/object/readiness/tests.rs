//! The cases of kstatus' own tests, and the few that are decided here.

use serde_json::{Value, json};

use super::*;

/// One object of kstatus' tests: `apiVersion Kind`, its spec, its status at generation 1.
fn stage(kind: &str, spec: Value, status: Value) -> Option<Stage> {
    let (api_version, kind) = kind.split_once(' ').unwrap();
    let metadata = json!({"name": "test", "namespace": "qual", "generation": 1});
    let object = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec, "status": status});
    unready(&object).map(|unready| unready.stage)
}

const WAITS: Option<Stage> = Some(Stage::InProgress);
const FAILED: Option<Stage> = Some(Stage::Failed);

fn condition(kind: &str, status: &str, reason: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason})
}

#[test]
fn pods_are_ready_when_they_run_and_say_so_or_have_ended() {
    let unschedulable = condition("PodScheduled", "False", "Unschedulable");
    let crashing = json!([{"name": "nginx", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]);
    for (status, expected) in [
        (json!({}), WAITS),
        (json!({"phase": "Running", "conditions": [condition("Ready", "True", "")]}), None),
        (json!({"phase": "Succeeded", "conditions": [condition("Ready", "False", "PodCompleted")]}), None),
        (json!({"phase": "Failed", "conditions": [condition("Ready", "False", "PodCompleted")]}), None),
        (json!({"phase": "Pending", "conditions": [unschedulable]}), WAITS),
        (json!({"phase": "Running", "conditions": [unschedulable], "containerStatuses": crashing}), FAILED),
        (json!({"phase": "Running", "conditions": [condition("Ready", "False", "")]}), WAITS),
    ] {
        assert_eq!(stage("v1 Pod", json!({}), status.clone()), expected, "{status}");
    }
}

#[test]
fn workloads_are_ready_when_their_counts_are_reached() {
    let of = |current: i64, ready: i64, replicas: i64| json!({"observedGeneration": 1, "currentReplicas": current, "readyReplicas": ready, "replicas": replicas});
    let spec = || json!({"replicas": 4});
    for (spec, status, expected) in [
        (json!({}), json!({}), WAITS),
        (json!({}), json!({"observedGeneration": 1, "currentReplicas": 1}), WAITS),
        (spec(), of(4, 4, 4), None),
        (spec(), of(4, 2, 4), WAITS),
        (spec(), of(2, 4, 4), WAITS),
        (spec(), of(4, 4, 8), WAITS),
        (json!({"updateStrategy": {"type": "OnDelete"}}), json!({}), None),
        (json!({"replicas": 4, "updateStrategy": {"rollingUpdate": {"partition": 3}}}), of(4, 4, 4), WAITS),
        (json!({"replicas": 4, "updateStrategy": {"rollingUpdate": {"partition": 4}}}), of(0, 4, 4), None),
    ] {
        assert_eq!(stage("apps/v1 StatefulSet", spec.clone(), status.clone()), expected, "{spec} {status}");
    }
    let daemons = |desired: i64, available: i64, ready: i64, observed: i64| {
        json!({"desiredNumberScheduled": desired, "currentNumberScheduled": 4, "updatedNumberScheduled": 4,
            "numberAvailable": available, "numberReady": ready, "observedGeneration": observed})
    };
    for (status, expected) in [
        (json!({}), WAITS),
        (json!({"observedGeneration": 1, "currentReplicas": 1}), WAITS),
        (daemons(4, 4, 4, 1), None),
        (daemons(4, 4, 4, 0), WAITS),
        (daemons(4, 4, 2, 1), WAITS),
        (daemons(4, 2, 4, 1), WAITS),
    ] {
        assert_eq!(stage("apps/v1 DaemonSet", json!({}), status.clone()), expected, "{status}");
    }
    let set = |available: i64, ready: i64, labelled: i64, replicas: i64| {
        json!({"observedGeneration": 1, "availableReplicas": available, "readyReplicas": ready,
            "fullyLabeledReplicas": labelled, "replicas": replicas})
    };
    for (status, expected) in [
        (json!({}), WAITS),
        (set(2, 2, 2, 2), None),
        (set(1, 2, 2, 2), WAITS),
        (set(2, 1, 2, 2), WAITS),
        (set(2, 2, 1, 2), WAITS),
        (set(2, 2, 2, 4), WAITS),
        (json!({"conditions": [condition("ReplicaFailure", "True", "")]}), WAITS),
    ] {
        assert_eq!(stage("apps/v1 ReplicaSet", json!({"replicas": 2}), status.clone()), expected, "{status}");
    }
}

#[test]
fn deployments_are_ready_when_they_are_rolled_out_and_available() {
    let status = |updated: i64, ready: i64, available: i64, replicas: i64, conditions: &[Value]| {
        json!({"observedGeneration": 1, "updatedReplicas": updated, "readyReplicas": ready,
            "availableReplicas": available, "replicas": replicas, "conditions": conditions})
    };
    let (rolled, available) =
        (condition("Progressing", "True", "NewReplicaSetAvailable"), condition("Available", "True", ""));
    let both = [rolled.clone(), available.clone()];
    let stuck = [condition("Progressing", "False", "Some reason"), available.clone()];
    let deadline = json!({"progressDeadlineSeconds": 45});
    let over = [condition("Progressing", "False", "ProgressDeadlineExceeded")];
    for (spec, status, expected) in [
        (json!({}), json!({}), WAITS),
        (json!({}), status(1, 1, 1, 1, &both), None),
        (deadline.clone(), status(1, 1, 1, 1, &both), None),
        (deadline.clone(), status(1, 1, 1, 1, &stuck), WAITS),
        (json!({}), status(1, 1, 1, 1, &[available]), None),
        (json!({}), status(1, 1, 1, 1, &[rolled, condition("Available", "False", "")]), WAITS),
        (json!({"replicas": 4}), status(4, 4, 4, 3, &both), WAITS),
        (json!({"replicas": 4}), status(3, 4, 4, 4, &both), WAITS),
        (json!({"replicas": 4}), status(4, 4, 4, 5, &both), WAITS),
        (json!({"replicas": 4}), status(4, 4, 3, 4, &both), WAITS),
        (json!({"replicas": 4}), status(4, 3, 4, 4, &both), WAITS),
        (json!({"replicas": 0}), status(0, 0, 0, 0, &both), None),
        (deadline, status(1, 1, 1, 1, &over), FAILED),
    ] {
        assert_eq!(stage("apps/v1 Deployment", spec.clone(), status.clone()), expected, "{spec} {status}");
    }
}

#[test]
fn jobs_claims_services_budgets_and_definitions_have_rules_of_their_own() {
    let job = |conditions: &[Value]| json!({"startTime": "2019-06-04T01:17:13Z", "conditions": conditions});
    let balanced = || json!({"type": "LoadBalancer"});
    let established = |status: &str, reason: &str| json!({"conditions": [condition("Established", status, reason)]});
    for (kind, spec, status, expected) in [
        ("batch/v1 Job", json!({}), json!({}), WAITS),
        ("batch/v1 Job", json!({}), job(&[]), None),
        ("batch/v1 Job", json!({}), job(&[condition("Complete", "True", "")]), None),
        ("batch/v1 Job", json!({}), job(&[condition("Complete", "False", "")]), None),
        ("batch/v1 Job", json!({}), job(&[condition("Failed", "True", "JobFailed")]), FAILED),
        ("batch/v1 Job", json!({}), json!({"conditions": [condition("Suspended", "True", "")]}), None),
        ("batch/v1 CronJob", json!({}), json!({}), None),
        ("v1 PersistentVolumeClaim", json!({}), json!({}), WAITS),
        ("v1 PersistentVolumeClaim", json!({}), json!({"phase": "Pending"}), WAITS),
        ("v1 PersistentVolumeClaim", json!({}), json!({"phase": "Bound"}), None),
        ("v1 Service", json!({}), json!({}), None),
        ("v1 Service", balanced(), json!({}), WAITS),
        ("v1 Service", json!({"type": "LoadBalancer", "clusterIP": "1.2.3.4"}), json!({}), None),
        ("policy/v1 PodDisruptionBudget", json!({}), json!({"observedGeneration": 1}), None),
        ("policy/v1 PodDisruptionBudget", json!({}), json!({"observedGeneration": 0}), WAITS),
        ("apiextensions.k8s.io/v1 CustomResourceDefinition", json!({}), json!({}), WAITS),
        ("apiextensions.k8s.io/v1 CustomResourceDefinition", json!({}), established("False", "Installing"), WAITS),
        ("apiextensions.k8s.io/v1 CustomResourceDefinition", json!({}), established("False", "Refused"), FAILED),
        ("apiextensions.k8s.io/v1 CustomResourceDefinition", json!({}), established("True", "InitialNames"), None),
        (
            "apiextensions.k8s.io/v1 CustomResourceDefinition",
            json!({}),
            json!({"conditions": [condition("NamesAccepted", "False", "Conflict")]}),
            FAILED,
        ),
    ] {
        assert_eq!(stage(kind, spec.clone(), status.clone()), expected, "{kind} {spec} {status}");
    }
}

#[test]
fn any_other_object_is_asked_for_the_usual_conditions() {
    let with = |conditions: &[Value]| json!({"observedGeneration": 1, "conditions": conditions});
    let cases = [
        (json!({}), None),
        (json!({"observedGeneration": 0}), WAITS),
        (with(&[condition("Ready", "True", "")]), None),
        (with(&[condition("Ready", "False", "Waits")]), WAITS),
        (with(&[condition("Ready", "Unknown", "")]), WAITS),
        (with(&[condition("Reconciling", "True", "")]), WAITS),
        (with(&[condition("Reconciling", "False", ""), condition("Ready", "True", "")]), None),
        (with(&[condition("Stalled", "True", "")]), FAILED),
    ];
    for (status, expected) in cases {
        assert_eq!(stage("example.com/v1 Widget", json!({}), status.clone()), expected, "{status}");
    }
    let going =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    assert_eq!(unready(&going).unwrap().stage, Stage::Terminating);
}

#[test]
fn the_reason_is_that_of_the_condition_and_short() {
    let widget = |message: &str| {
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "status": {"conditions":
            [{"type": "Ready", "status": "False", "reason": "Waits", "message": message}]}})
    };
    assert_eq!(&*unready(&widget("the disk is not there")).unwrap().reason, "the disk is not there");
    assert_eq!(&*unready(&widget("")).unwrap().reason, "Waits");
    assert!(unready(&widget(&"é".repeat(LONGEST))).unwrap().reason.len() <= LONGEST);
}
