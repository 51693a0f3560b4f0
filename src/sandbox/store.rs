//! Owns the sandbox's objects and the verbs on them, with the API server's semantics and without HTTP. Must never wait
//! or sleep: time and identity come from its options, and what controllers do happens only in [`Store::settle`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use crate::object::{GroupKind, ObjectId};

use super::allocate::{self, Taken};
use super::kinds::{self, Resource, Subresource};
pub use super::patch::Patch;
use super::selector::Selector;
pub use super::status::Status;
use super::status::{self, Cause};
use super::storage::{Key, Storage};
use super::write::{Asked, Body, Prepared, Target, Writer};
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

/// More Events than this are not kept; the oldest go, as they do on a real server with time.
const MAX_EVENTS: usize = 1000;
/// Namespaces that cannot be deleted.
const IMMORTAL: &[&str] = &["default", "kube-system", "kube-public"];

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

/// What a write led to.
#[derive(Debug)]
pub(super) struct Written {
    pub object: Value,
    pub created: bool,
    pub warnings: Vec<String>,
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

    fn uid(&self, state: &mut State) -> String {
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

    pub(super) fn read(&self, target: &Target) -> Result<Value, Status> {
        let state = self.state();
        let live = state.storage.get(&key_of(target)).ok_or_else(|| missing(target))?;
        Ok(events::from_stored(target.resource, (**live).clone()))
    }

    /// POST to a collection.
    pub(super) fn post(&self, target: &Target, body: Value, asked: &Asked) -> Result<Written, Status> {
        let mut state = self.state();
        let uid = self.uid(&mut state);
        let now = self.now();
        let name = body.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("").to_owned();
        admit(&state, target, &name)?;
        let prepared = Writer { target, asked, now: &now }.create(body, &uid)?;
        self.give_birth(&mut state, target, prepared, asked)
    }

    /// PUT, PATCH or apply to an object or a part of it.
    pub(super) fn write(&self, target: &Target, body: Body, asked: &Asked) -> Result<Written, Status> {
        let mut state = self.state();
        let now = self.now();
        let writer = Writer { target, asked, now: &now };
        let key = key_of(target);
        let Some(stored) = state.storage.get(&key).cloned() else {
            let uid = self.uid(&mut state);
            let prepared = match body {
                Body::Apply(config) if target.subresource.is_none() => {
                    admit(&state, target, &target.name)?;
                    writer.create_by_apply(&config, &uid)?
                }
                Body::Put(body) if target.resource.put_creates => {
                    admit(&state, target, &target.name)?;
                    writer.create(body, &uid)?
                }
                _ => return Err(missing(target)),
            };
            return self.give_birth(&mut state, target, prepared, asked);
        };
        let live = events::from_stored(target.resource, (*stored).clone());
        let Prepared { mut object, warnings } = writer.change(&live, body)?;
        if target.resource.is("Service") {
            let mut taken = taken(&state, &key);
            allocate::allocate(&mut object, Some(&live), &mut taken).map_err(|cause| invalid(target, &[cause]))?;
        }
        if object != live && !asked.dry_run {
            let stored = events::to_stored(target.resource, object);
            let written = if is_finished(&stored) {
                state.storage.remove(&key);
                stored
            } else {
                (*state.storage.put(&key, stored)).clone()
            };
            object = events::from_stored(target.resource, written);
            self.publish(&state);
        }
        Ok(Written { object: self.shown(target, object), created: false, warnings })
    }

    /// What a path shows of an object.
    fn shown(&self, target: &Target, object: Value) -> Value {
        if target.subresource == Some(Subresource::Scale) { scale_of(&object) } else { object }
    }

    fn give_birth(
        &self,
        state: &mut State,
        target: &Target,
        prepared: Prepared,
        asked: &Asked,
    ) -> Result<Written, Status> {
        let Prepared { mut object, warnings } = prepared;
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("").to_owned();
        let key = Key::new(target.resource, &target.namespace, &name);
        if state.storage.get(&key).is_some() {
            return Err(Status::already_exists(target.resource, &name));
        }
        if target.resource.is("Service") {
            let mut taken = taken(state, &key);
            let named = Target { name: name.clone(), ..target.clone() };
            allocate::allocate(&mut object, None, &mut taken).map_err(|cause| invalid(&named, &[cause]))?;
        }
        if !asked.dry_run {
            let stored = state.storage.put(&key, events::to_stored(target.resource, object));
            object = events::from_stored(target.resource, (*stored).clone());
            if target.resource.is("Event") {
                forget_old_events(&mut state.storage);
            }
            self.publish(state);
        }
        Ok(Written { object, created: true, warnings })
    }

    /// DELETE; answers what the server sends.
    pub(super) fn remove(&self, target: &Target, options: &DeleteOptions) -> Result<Value, Status> {
        let mut state = self.state();
        let key = key_of(target);
        let live = state.storage.get(&key).cloned().ok_or_else(|| missing(target))?;
        let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str).unwrap_or("").to_owned();
        let (uid, version) = (text("/metadata/uid"), text("/metadata/resourceVersion"));
        if let Some(asked) = options.uid.as_ref().filter(|asked| **asked != uid) {
            let why = format!(
                "the UID in the precondition ({asked}) does not match the UID in record ({uid}). The object might have been \
                 deleted and then recreated"
            );
            return Err(Status::precondition(target.resource, &target.name, &why));
        }
        if let Some(asked) = options.resource_version.as_ref().filter(|asked| **asked != version) {
            let why = format!(
                "the ResourceVersion in the precondition ({asked}) does not match the ResourceVersion in record \
                 ({version}). The object might have been modified"
            );
            return Err(Status::precondition(target.resource, &target.name, &why));
        }
        let is_namespace = target.resource.is("Namespace");
        if is_namespace && IMMORTAL.contains(&target.name.as_str()) {
            return Err(Status::forbidden(target.resource, &target.name, "this namespace may not be deleted"));
        }
        let held = live.pointer("/metadata/finalizers").and_then(Value::as_array).is_some_and(|all| !all.is_empty());
        if !is_namespace && !held {
            if !options.dry_run {
                state.storage.remove(&key);
                self.publish(&state);
            }
            return Ok(status::deleted(target.resource, &target.name, &uid));
        }
        if live.pointer("/metadata/deletionTimestamp").is_some() || options.dry_run {
            return Ok(events::from_stored(target.resource, (*live).clone()));
        }
        let terminating = state.storage.put(&key, terminating((*live).clone(), &self.now(), is_namespace));
        self.publish(&state);
        Ok(events::from_stored(target.resource, (*terminating).clone()))
    }

    /// DELETE of a collection; answers what it deleted.
    pub(super) fn remove_all(
        &self,
        resource: &'static Resource,
        namespace: &str,
        selector: &Selector,
        dry_run: bool,
    ) -> Result<Vec<Value>, Status> {
        let found: Vec<_> = {
            let state = self.state();
            let all = state.storage.list(&resource.plural, namespace);
            all.filter(|(_, object)| selector.matches(resource, object))
                .map(|(key, object)| (key.clone(), object.clone()))
                .collect()
        };
        let mut removed = Vec::new();
        for (key, object) in found {
            let target = Target { resource, namespace: key.namespace, name: key.name, subresource: None };
            match self.remove(&target, &DeleteOptions { dry_run, ..DeleteOptions::default() }) {
                Ok(_) => removed.push(events::from_stored(resource, (*object).clone())),
                // Gone in the meantime.
                Err(status) if status.code == 404 => {}
                Err(status) => return Err(status),
            }
        }
        Ok(removed)
    }
}

/// An object that is to go once its finalizers are done.
pub(super) fn terminating(mut object: Value, now: &str, is_namespace: bool) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("deletionTimestamp".into(), now.into());
        if !is_namespace {
            metadata.insert("deletionGracePeriodSeconds".into(), 0.into());
        }
        if let Some(generation) = metadata.get("generation").and_then(Value::as_i64) {
            metadata.insert("generation".into(), (generation + 1).into());
        }
    }
    if is_namespace && let Value::Object(object) = &mut object {
        object.insert("status".into(), json!({"phase": "Terminating"}));
    }
    object
}

/// The scale of a Deployment, as it is shown: without entries of managers.
pub(super) fn scale_of(deployment: &Value) -> Value {
    let mut scale = super::scale::of(deployment);
    if let Some(metadata) = scale.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    scale
}

fn is_finished(object: &Value) -> bool {
    let finalizers = object.pointer("/metadata/finalizers").and_then(Value::as_array);
    let is_namespace = object.get("kind").and_then(Value::as_str) == Some("Namespace");
    object.pointer("/metadata/deletionTimestamp").is_some() && finalizers.is_none_or(Vec::is_empty) && !is_namespace
}

fn forget_old_events(storage: &mut Storage) {
    let mut all: Vec<_> = storage.list("events", "").map(|(key, object)| (version_of(object), key.clone())).collect();
    all.sort();
    let surplus = all.len().saturating_sub(MAX_EVENTS);
    for (_, key) in all.into_iter().take(surplus) {
        storage.remove(&key);
    }
}

/// The resourceVersion of a stored object.
pub(super) fn version_of(object: &Value) -> u64 {
    let text = object.pointer("/metadata/resourceVersion").and_then(Value::as_str);
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn taken(state: &State, except: &Key) -> Taken {
    Taken::by(state.storage.list("services", "").filter(|(key, _)| *key != except).map(|(_, service)| &**service))
}

fn invalid(target: &Target, causes: &[Cause]) -> Status {
    Status::invalid(target.resource, &target.name, causes)
}

fn missing(target: &Target) -> Status {
    Status::not_found(target.resource, &target.name)
}

/// Whether something new may be made here.
fn admit(state: &State, target: &Target, name: &str) -> Result<(), Status> {
    if !target.resource.namespaced {
        return Ok(());
    }
    let namespace = Key { plural: "namespaces", namespace: String::new(), name: target.namespace.clone() };
    let Some(found) = state.storage.get(&namespace) else {
        return Err(Status::namespace_not_found(&target.namespace));
    };
    if found.pointer("/metadata/deletionTimestamp").is_some() {
        return Err(Status::terminating(target.resource, name, &target.namespace));
    }
    Ok(())
}

pub(super) fn key_of(target: &Target) -> Key {
    Key::new(target.resource, &target.namespace, &target.name)
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
