//! Owns the verbs on one path of the API: what is read, stored, published and removed, in one step each. Must never decide
//! what a new state looks like; that is `write`'s.

use serde_json::{Value, json};

use super::allocate::{self, Taken};
use super::events;
use super::kinds::{Resource, Subresource};
use super::request::{Asked, Body, Target};
use super::selector::Selector;
use super::status::{self, Cause, Status};
use super::storage::{Key, Storage};
use super::store::{DeleteOptions, State, Store};
use super::write::{Prepared, Writer};

/// More Events than this are not kept; the oldest go, as they do on a real server with time.
const MAX_EVENTS: usize = 1000;
/// Namespaces that cannot be deleted.
const IMMORTAL: &[&str] = &["default", "kube-system", "kube-public"];

/// What a write led to.
#[derive(Debug)]
pub(super) struct Written {
    pub object: Value,
    pub created: bool,
    pub warnings: Vec<String>,
}

impl Store {
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
