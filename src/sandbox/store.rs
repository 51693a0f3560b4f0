//! Owns the sandbox's objects and the verbs on them, with the API server's semantics and without HTTP. Must never wait
//! or sleep: time and identity come from its options, and what controllers do happens only in [`Store::settle`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use crate::object::{GroupKind, ObjectId};

use super::kinds::{self, Subresource};
pub use super::patch::Patch;
use super::request::{Asked, Body, Target};
pub use super::status::Status;
use super::storage::Storage;
use super::{controllers, events};

/// How a store behaves.
#[derive(Clone)]
pub struct Options {
    /// Source of UIDs: equal seeds and equal requests give equal UIDs. Two clusters must differ.
    pub seed: u64,
    /// The time now.
    pub clock: Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>,
    /// How many changes watchers can be behind before they are told to list again.
    pub history: usize,
    /// Whether [`Store::settle`] also writes the status of Deployments, as if their pods ran.
    pub rollouts: bool,
}

impl Default for Options {
    fn default() -> Self {
        let now = jiff::Timestamp::now();
        let seed = now.as_nanosecond().unsigned_abs() as u64 ^ u64::from(std::process::id()).rotate_left(32);
        Self { seed, clock: Arc::new(jiff::Timestamp::now), history: 4096, rollouts: true }
    }
}

/// The objects of one sandbox. Cloning is cheap; clones are the same store.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    options: Options,
    version: watch::Sender<u64>,
}

pub(super) struct State {
    pub storage: Storage,
    uids: u64,
}

/// What a delete asks for.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// The UID that the object must have.
    pub uid: Option<String>,
    /// The resourceVersion that the object must have.
    pub resource_version: Option<String>,
    /// Nothing is deleted.
    pub dry_run: bool,
}

impl Default for Store {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl Store {
    /// A store with what every cluster has: its namespaces, and the Service of the API server.
    pub fn new(options: Options) -> Self {
        let storage = Storage::new(options.history);
        let version = watch::Sender::new(storage.version());
        let store = Self(Arc::new(Shared { state: Mutex::new(State { storage, uids: 0 }), options, version }));
        let namespaces = ["default", "kube-node-lease", "kube-public", "kube-system"];
        let mut first: Vec<_> = namespaces
            .iter()
            .map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
            .collect();
        let labels = json!({"component": "apiserver", "provider": "kubernetes"});
        first.push(json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
            "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443, "targetPort": 6443}]},
        }));
        for object in first {
            // These are valid by themselves.
            let _ = store.create(object, "kube-apiserver");
        }
        store
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Every change is made whole or not at all, so a panic elsewhere leaves it sound.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn options(&self) -> &Options {
        &self.0.options
    }

    /// Tells watchers that there may be something new.
    pub(super) fn publish(&self, state: &State) {
        let version = state.storage.version();
        self.0.version.send_if_modified(|seen| std::mem::replace(seen, version) != version);
    }

    /// Follows the version of the latest change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.version.subscribe()
    }

    /// Version of the latest change.
    pub fn resource_version(&self) -> u64 {
        self.state().storage.version()
    }

    pub(super) fn now(&self) -> String {
        (self.0.options.clock)().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    pub(super) fn uid(&self, state: &mut State) -> String {
        state.uids += 1;
        let mut hash = Sha256::new();
        hash.update(self.0.options.seed.to_be_bytes());
        hash.update(state.uids.to_be_bytes());
        let hex: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or("").to_owned();
        format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
    }

    /// One object; `None` when there is none of this identity.
    pub fn get(&self, id: &ObjectId) -> Option<Value> {
        let target = target_of(id).ok()?;
        self.read(&target).ok()
    }

    /// Every object of a kind, sorted by namespace and name.
    pub fn list(&self, kind: &GroupKind) -> Vec<Value> {
        let Some(resource) = kinds::by_kind(&kind.group, &kind.kind) else { return Vec::new() };
        let state = self.state();
        state
            .storage
            .list(&resource.plural, "")
            .map(|(_, object)| events::from_stored(resource, (**object).clone()))
            .collect()
    }

    /// POST of an object that names its apiVersion, kind and namespace.
    ///
    /// # Errors
    ///
    /// The server's answer.
    pub fn create(&self, object: Value, manager: &str) -> Result<Value, Status> {
        let target = Target { name: String::new(), ..target_in(&object)? };
        Ok(self.post(&target, object, &asked(manager))?.object)
    }

    /// PUT of an object that exists.
    ///
    /// # Errors
    ///
    /// The server's answer.
    pub fn update(&self, object: Value, manager: &str) -> Result<Value, Status> {
        Ok(self.write(&target_in(&object)?, Body::Put(object), &asked(manager))?.object)
    }

    /// Server-side apply.
    ///
    /// # Errors
    ///
    /// The server's answer; for fields of others see [`Status::conflicting_fields`].
    pub fn apply(
        &self,
        id: &ObjectId,
        object: Value,
        manager: &str,
        force: bool,
        dry_run: bool,
    ) -> Result<Value, Status> {
        let asked = Asked { force, dry_run, ..asked(manager) };
        Ok(self.write(&target_of(id)?, Body::Apply(object), &asked)?.object)
    }

    /// PATCH other than an apply.
    ///
    /// # Errors
    ///
    /// The server's answer.
    pub fn patch(&self, id: &ObjectId, patch: Patch, manager: &str) -> Result<Value, Status> {
        Ok(self.write(&target_of(id)?, Body::Patch(patch), &asked(manager))?.object)
    }

    /// Sets the replicas through the scale subresource, as `kubectl scale` and autoscalers do.
    ///
    /// # Errors
    ///
    /// The server's answer.
    pub fn scale(&self, id: &ObjectId, replicas: i64, manager: &str) -> Result<Value, Status> {
        let target = Target { subresource: Some(Subresource::Scale), ..target_of(id)? };
        let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        Ok(self.write(&target, Body::Patch(patch), &asked(manager))?.object)
    }

    /// DELETE. An object with finalizers, and a Namespace, stays until they are done.
    ///
    /// # Errors
    ///
    /// The server's answer.
    pub fn delete(&self, id: &ObjectId, options: &DeleteOptions) -> Result<(), Status> {
        self.remove(&target_of(id)?, options).map(drop)
    }

    /// What controllers would do next: Deployments roll out, terminating namespaces empty. Answers whether anything
    /// changed; call it until it says no.
    pub fn settle(&self) -> bool {
        controllers::settle(self)
    }
}

fn asked(manager: &str) -> Asked {
    Asked { manager: manager.to_owned(), ..Asked::default() }
}

fn target_of(id: &ObjectId) -> Result<Target, Status> {
    let resource = kinds::by_kind(id.group(), id.kind()).ok_or_else(Status::no_such_resource)?;
    let namespace = if resource.namespaced { id.namespace().unwrap_or("default") } else { "" };
    Ok(Target { resource, namespace: namespace.to_owned(), name: id.name().to_owned(), subresource: None })
}

fn target_in(object: &Value) -> Result<Target, Status> {
    let refused = || Status::bad_request("the object names no apiVersion and kind");
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or("");
    let api_version = crate::object::ApiVersion::of(object).ok_or_else(refused)?;
    let kind = GroupKind::new(&api_version.group, text("/kind"));
    target_of(&ObjectId::new(kind, text("/metadata/namespace"), text("/metadata/name")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn store() -> Store {
        let clock = Arc::new(|| "2020-01-01T00:00:00Z".parse().unwrap());
        Store::new(Options { seed: 1, clock, history: 100, rollouts: true })
    }

    /// Without `data` when there is none: an empty map is a value of its own, and two appliers of it conflict.
    fn config_map(data: &BTreeMap<String, String>) -> Value {
        let metadata = json!({"name": "m", "namespace": "default"});
        let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
        if !data.is_empty() {
            object["data"] = json!(data);
        }
        object
    }

    fn id() -> ObjectId {
        ObjectId::new(GroupKind::new("", "ConfigMap"), "default", "m")
    }

    #[test]
    fn equal_stores_that_are_asked_the_same_answer_the_same() {
        let run = || {
            let store = store();
            let made = store.create(config_map(&BTreeMap::new()), "a").unwrap();
            (made, store.list(&GroupKind::new("", "Namespace")), store.resource_version())
        };
        assert_eq!(run(), run());
        let other = Store::new(Options { seed: 2, ..store().options().clone() });
        assert_ne!(other.list(&GroupKind::new("", "Namespace")), store().list(&GroupKind::new("", "Namespace")));
    }

    #[test]
    fn a_deployment_rolls_out_when_controllers_act() {
        let store = store();
        let pod = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
                            "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": pod}});
        store.create(object, "a").unwrap();
        let web = ObjectId::new(GroupKind::new("apps", "Deployment"), "default", "web");
        let revision =
            || store.get(&web).unwrap()["metadata"]["annotations"]["deployment.kubernetes.io/revision"].clone();
        assert!(store.settle() && !store.settle());
        assert_eq!((&store.get(&web).unwrap()["status"]["availableReplicas"], revision()), (&json!(2), json!("1")));
        store.scale(&web, 5, "k").unwrap();
        assert!(store.settle() && !store.settle());
        assert_eq!((&store.get(&web).unwrap()["status"]["replicas"], revision()), (&json!(5), json!("1")));
        let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "i:2"}]}}}});
        store.patch(&web, Patch::Strategic(image), "k").unwrap();
        assert!(store.settle());
        assert_eq!(revision(), "2");
    }

    #[test]
    fn only_so_many_events_are_kept() {
        let store = store();
        for number in 0..1010 {
            let event = json!({"apiVersion": "v1", "kind": "Event",
                               "metadata": {"name": format!("e{number}"), "namespace": "default"}, "involvedObject": {}});
            store.create(event, "a").unwrap();
        }
        let kept = store.list(&GroupKind::new("", "Event"));
        assert_eq!(kept.len(), 1000);
        assert!(kept.iter().all(|event| event["metadata"]["name"] != "e9"));
    }

    fn data() -> impl Strategy<Value = BTreeMap<String, String>> {
        proptest::collection::btree_map("[a-d]", "[12]", 0..4)
    }

    proptest! {
        #[test]
        fn an_apply_says_what_stands_and_saying_it_again_changes_nothing(
            steps in proptest::collection::vec((0..3usize, data(), any::<bool>()), 1..12),
        ) {
            let store = store();
            for (who, data, force) in steps {
                let manager = format!("m{who}");
                match store.apply(&id(), config_map(&data), &manager, force, false) {
                    Ok(made) => {
                        for (key, value) in &data {
                            prop_assert_eq!(&made["data"][key], value);
                        }
                        let again = store.apply(&id(), config_map(&data), &manager, false, false).unwrap();
                        prop_assert_eq!(&again, &made);
                        // Whatever stands belongs to whoever still says so.
                        let entries = made["metadata"]["managedFields"].to_string();
                        for key in made["data"].as_object().into_iter().flat_map(|data| data.keys()) {
                            let mark = format!("\"f:{key}\"");
                            prop_assert!(entries.contains(&mark), "{} is of nobody", key);
                        }
                    }
                    Err(refused) => {
                        prop_assert!(!force && !refused.conflicting_fields().is_empty());
                    }
                }
            }
        }
    }
}
