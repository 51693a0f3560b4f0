//! Owns the scale of a Deployment: its own object, and how ownership of `spec.replicas` goes there and back. Must never
//! change anything else of the Deployment.

use serde_json::{Value, json};

use crate::object::{FieldPath, FieldSet};

use super::managers::{Entry, ManagerId, Managers};

/// `apiVersion` of a Scale.
pub(super) const API_VERSION: &str = "autoscaling/v1";

fn replicas_path() -> FieldPath {
    FieldPath::fields(["spec", "replicas"])
}

/// The scale of a Deployment, with the ownership of what it shows.
pub(super) fn of(deployment: &Value) -> Value {
    let metadata = |key: &str| deployment.pointer(&format!("/metadata/{key}")).cloned();
    let number = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    let mut scale = json!({"kind": "Scale", "apiVersion": API_VERSION, "metadata": {}, "spec": {}, "status": {}});
    for key in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let (Some(value), Some(Value::Object(to))) = (metadata(key), scale.get_mut("metadata")) {
            to.insert(key.into(), value);
        }
    }
    // As everywhere, a zero is not written.
    if let (replicas @ 1.., Some(Value::Object(spec))) = (number("/spec/replicas"), scale.get_mut("spec")) {
        spec.insert("replicas".into(), replicas.into());
    }
    if let Some(Value::Object(status)) = scale.get_mut("status") {
        status.insert("replicas".into(), number("/status/replicas").into());
        let labels = deployment.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
        let mut labels: Vec<_> = labels
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("")))
            .collect();
        labels.sort();
        status.insert("selector".into(), labels.join(",").into());
    }
    entries_of(&Managers::read(deployment).unwrap_or_default()).write(&mut scale);
    scale
}

/// Who owns the replicas, as entries of the scale.
fn entries_of(deployment: &Managers) -> Managers {
    let mut entries = Managers::default();
    for (id, entry) in &deployment.0 {
        if entry.set.contains(&replicas_path()) {
            let set = FieldSet::from_paths([&replicas_path()]);
            entries
                .0
                .insert(in_version(id, API_VERSION), Entry { set, api_version: API_VERSION.into(), ..entry.clone() });
        }
    }
    entries
}

fn in_version(id: &ManagerId, api_version: &str) -> ManagerId {
    let api_version = if id.applies { String::new() } else { api_version.to_owned() };
    ManagerId { api_version, ..id.clone() }
}

/// The Deployment with the replicas of a changed scale, owned as the scale says.
pub(super) fn laid_over(deployment: &Value, scale: &Value, api_version: &str) -> Value {
    let mut managers = Managers::read(deployment).unwrap_or_default();
    let mut owners = Managers::read(scale).unwrap_or_default();
    let path = FieldSet::from_paths([&replicas_path()]);
    for (id, entry) in &mut managers.0 {
        if entry.set.contains(&replicas_path()) && owners.0.remove(&in_version(id, API_VERSION)).is_none() {
            entry.set = entry.set.subtract(&path);
        }
    }
    managers.drop_empty();
    for (id, entry) in owners.0 {
        if entry.set.contains(&replicas_path()) {
            // The server writes no time here.
            let entry = Entry { set: path.clone(), api_version: api_version.to_owned(), time: None };
            managers.0.insert(in_version(&id, api_version), entry);
        }
    }
    let mut deployment = deployment.clone();
    if let Some(spec) = deployment.get_mut("spec").and_then(Value::as_object_mut) {
        let replicas = scale.pointer("/spec/replicas").cloned().unwrap_or_else(|| 0.into());
        spec.insert("replicas".into(), replicas);
    }
    managers.write(&mut deployment);
    deployment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(managed: Value) -> Value {
        json!({"metadata": {"name": "a", "namespace": "n", "uid": "u", "managedFields": managed},
               "spec": {"replicas": 2, "selector": {"matchLabels": {"b": "c", "a": "b"}}}, "status": {"replicas": 1}})
    }

    fn entry(name: &str, operation: &str) -> Value {
        json!({"manager": name, "operation": operation, "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
               "time": "2020-01-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:paused": {}, "f:replicas": {}}}})
    }

    #[test]
    fn a_scale_shows_the_replicas_and_who_owns_them() {
        let scale = of(&deployment(json!([entry("a", "Apply"), entry("u", "Update")])));
        assert_eq!(scale["spec"], json!({"replicas": 2}));
        assert_eq!(scale["status"], json!({"replicas": 1, "selector": "a=b,b=c"}));
        let owners = scale["metadata"]["managedFields"].as_array().unwrap();
        assert_eq!(owners[1]["apiVersion"], API_VERSION);
        assert_eq!(owners[0]["fieldsV1"], json!({"f:spec": {"f:replicas": {}}}));
    }

    #[test]
    fn ownership_moves_to_an_entry_of_the_subresource() {
        let live = deployment(json!([entry("a", "Apply")]));
        let mut scale = of(&live);
        scale["spec"]["replicas"] = 5.into();
        scale["metadata"]["managedFields"] = json!([{"manager": "k", "operation": "Update", "apiVersion": API_VERSION,
            "time": "2020-01-01T00:00:01Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}, "subresource": "scale"}]);
        let scaled = laid_over(&live, &scale, "apps/v1");
        assert_eq!(scaled["spec"]["replicas"], 5);
        let entries = scaled["metadata"]["managedFields"].as_array().unwrap();
        assert_eq!(entries[0]["fieldsV1"], json!({"f:spec": {"f:paused": {}}}));
        let wanted = json!({"manager": "k", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
                            "fieldsV1": {"f:spec": {"f:replicas": {}}}, "subresource": "scale"});
        assert_eq!(entries[1], wanted);
    }
}
