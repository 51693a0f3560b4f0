//! Owns what the controllers of a cluster do to objects, as far as anyone waits for it: Deployments roll out and
//! terminating namespaces empty. Must never act unless it is called.

use serde_json::{Value, json};

use crate::object::Digest;

use super::kinds::{self, Subresource};
use super::patch::Patch;
use super::request::{Asked, Body, Target};
use super::storage::Key;
use super::store::{State, Store};
use super::verbs::terminating;

const MANAGER: &str = "kube-controller-manager";
const REVISION: &str = "deployment.kubernetes.io/revision";

/// One round; answers whether anything changed.
pub(super) fn settle(store: &Store) -> bool {
    let emptied = {
        let now = store.now();
        let mut state = store.state();
        let changed = empty_namespaces(&mut state, &now);
        store.publish(&state);
        changed
    };
    let rolled = store.options().rollouts && roll_out(store);
    emptied || rolled
}

fn is_terminating(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

fn empty_namespaces(state: &mut State, now: &str) -> bool {
    let leaving: Vec<Key> = state
        .storage
        .list("namespaces", "")
        .filter(|(_, namespace)| is_terminating(namespace))
        .map(|(key, _)| key.clone())
        .collect();
    let mut changed = false;
    for namespace in leaving {
        let content: Vec<_> = state
            .storage
            .all()
            .filter(|(key, _)| key.namespace == namespace.name)
            .map(|(key, object)| (key.clone(), object.clone()))
            .collect();
        let mut is_empty = true;
        for (key, object) in content {
            let finalizers = object.pointer("/metadata/finalizers").and_then(Value::as_array);
            if finalizers.is_none_or(Vec::is_empty) {
                state.storage.remove(&key);
                changed = true;
            } else {
                is_empty = false;
                if !is_terminating(&object) {
                    state.storage.put(&key, terminating((*object).clone(), now, false));
                    changed = true;
                }
            }
        }
        if is_empty {
            state.storage.remove(&namespace);
            changed = true;
        }
    }
    changed
}

/// Writes the status of every Deployment that changed since its last one.
fn roll_out(store: &Store) -> bool {
    let Some(resource) = kinds::by_kind("apps", "Deployment") else { return false };
    let waiting: Vec<_> = {
        let state = store.state();
        let all = state.storage.list(&resource.plural, "");
        all.filter(|(_, deployment)| !is_terminating(deployment) && is_behind(deployment))
            .map(|(key, deployment)| (key.clone(), deployment.clone()))
            .collect()
    };
    let mut changed = false;
    for (key, deployment) in waiting {
        let target =
            Target { resource, namespace: key.namespace, name: key.name, subresource: Some(Subresource::Status) };
        let patch = Patch::Merge(rolled_out(&deployment, &store.now()));
        let asked = Asked { manager: MANAGER.into(), ..Asked::default() };
        // It may have gone in the meantime.
        changed |= store.write(&target, Body::Patch(patch), &asked).is_ok();
    }
    changed
}

fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

fn is_behind(deployment: &Value) -> bool {
    number(deployment, "/status/observedGeneration") != number(deployment, "/metadata/generation")
}

/// A merge patch that makes a Deployment look as if all its pods ran.
fn rolled_out(deployment: &Value, now: &str) -> Value {
    let text = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_str).unwrap_or("").to_owned();
    let template = deployment.pointer("/spec/template").unwrap_or(&Value::Null);
    let hash: String = Digest::of_value(template).to_string().chars().take(9).collect();
    let message = format!("ReplicaSet \"{}-{hash}\" has successfully progressed.", text("/metadata/name"));
    let conditions = deployment.pointer("/status/conditions").and_then(Value::as_array);
    let of_type = |of: &str| {
        let mut all = conditions.into_iter().flatten();
        all.find(|condition| condition.get("type").and_then(Value::as_str) == Some(of))
    };
    let is_same_set =
        of_type("Progressing").and_then(|one| one.get("message")).and_then(Value::as_str) == Some(&message);
    let revision: u64 = text(&format!("/metadata/annotations/{}", REVISION.replace('/', "~1"))).parse().unwrap_or(0);
    let revision = if is_same_set && revision > 0 { revision } else { revision + 1 };
    let condition = |of: &str, reason: &str, message: &str| {
        let since = of_type(of).and_then(|one| one.get("lastTransitionTime")).cloned().unwrap_or_else(|| now.into());
        let updated = of_type(of).filter(|one| one.get("message").and_then(Value::as_str) == Some(message));
        let updated = updated.and_then(|one| one.get("lastUpdateTime")).cloned().unwrap_or_else(|| now.into());
        json!({"type": of, "status": "True", "lastUpdateTime": updated, "lastTransitionTime": since, "reason": reason,
               "message": message})
    };
    let replicas = number(deployment, "/spec/replicas");
    json!({
        "metadata": {"annotations": {REVISION: revision.to_string()}},
        "status": {
            "observedGeneration": number(deployment, "/metadata/generation"),
            "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas,
            "terminatingReplicas": 0,
            "conditions": [
                condition("Available", "MinimumReplicasAvailable", "Deployment has minimum availability."),
                condition("Progressing", "NewReplicaSetAvailable", &message),
            ],
        },
    })
}
