//! Owns the way of one create, update, patch or apply from the request's body to the state to store. Must never store it
//! itself, so that a dry run is the same way.

use serde_json::{Map, Value, json};

use crate::object::FieldPath;

use super::kinds::{Resource, Subresource};
use super::managers::Managers;
use super::patch::patched;
use super::request::{Asked, Body, Target};
use super::status::{Cause, Status};
use super::tracker::Tracker;
use super::types::{Type, types, view, view_of};
use super::{allocate, decode, defaults, scale, validate};

/// A new state, and what the client should hear.
#[derive(Debug)]
pub(super) struct Prepared {
    pub object: Value,
    pub warnings: Vec<String>,
}

pub(super) struct Writer<'a> {
    pub target: &'a Target,
    pub asked: &'a Asked,
    pub now: &'a str,
}

/// A string at this place; empty when there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

fn metadata(object: &mut Value) -> Option<&mut Map<String, Value>> {
    object.get_mut("metadata").and_then(Value::as_object_mut)
}

impl Writer<'_> {
    pub(super) fn resource(&self) -> &'static Resource {
        self.target.resource
    }

    pub(super) fn is_scale(&self) -> bool {
        self.target.subresource == Some(Subresource::Scale)
    }

    fn is_status(&self) -> bool {
        self.target.subresource == Some(Subresource::Status)
    }

    /// Group-version and kind of the objects that this path takes and gives.
    pub(super) fn api_version(&self) -> String {
        if self.is_scale() { scale::API_VERSION.to_owned() } else { self.resource().api_version() }
    }

    pub(super) fn kind(&self) -> &str {
        if self.is_scale() { "Scale" } else { &self.resource().kind }
    }

    pub(super) fn of(&self) -> Type {
        if self.is_scale() { types().named("io.k8s.api.autoscaling.v1.Scale") } else { types().root(self.resource()) }
    }

    /// The parts of the object that this path cannot change.
    fn reset(&self) -> Vec<FieldPath> {
        let paths: &[&[&str]] = match (self.kind(), self.is_status()) {
            ("Deployment", true) => &[&["spec"], &["metadata", "labels"]],
            ("Namespace" | "Service", true) => &[&["spec"]],
            ("Deployment" | "Namespace" | "Service" | "Scale", false) => &[&["status"]],
            _ => &[],
        };
        paths.iter().map(|path| FieldPath::fields(path.iter().copied())).collect()
    }

    pub(super) fn tracker<'t>(&'t self, reset: &'t [FieldPath]) -> Tracker<'t> {
        let view = if self.is_scale() { view_of("autoscaling", "v1", "Scale") } else { view(self.resource()) };
        let subresource = self.target.subresource.map_or("", Subresource::name);
        Tracker { view, api_version: self.api_version(), subresource, reset, now: self.now }
    }

    /// A new object from a POST (or a PUT that creates), ready for its first version.
    pub fn create(&self, body: Value, uid: &str) -> Result<Prepared, Status> {
        let (mut object, warnings) = self.decoded(body)?;
        if !text(&object, "/metadata/resourceVersion").is_empty() {
            return Err(Status::internal("resourceVersion should not be set on objects to be created"));
        }
        self.name_it(&mut object, uid)?;
        defaults::fill(self.resource(), &mut object);
        self.give_birth(&mut object, uid);
        let empty = decode::empty(self.resource());
        let reset = self.reset();
        let tracker = self.tracker(&reset);
        let managers = tracker.update(&empty, &object, tracker.starting(&empty, &object), &self.asked.manager);
        managers.write(&mut object);
        self.finish_birth(&mut object);
        self.checked(&object, None)?;
        Ok(Prepared { object, warnings })
    }

    /// A new object from an apply of a name that does not exist.
    pub fn create_by_apply(&self, config: &Value, uid: &str) -> Result<Prepared, Status> {
        self.check_config(config)?;
        let empty = decode::empty(self.resource());
        let reset = self.reset();
        let asked = text(config, "/metadata/uid");
        if !asked.is_empty() {
            return Err(Status::no_such_object(self.resource(), &self.target.name, asked));
        }
        let applied =
            self.tracker(&reset).apply(&empty, config, Managers::default(), &self.asked.manager, true, &empty)?;
        let mut object = self.converted(applied.object.unwrap_or_else(|| empty.clone()), config)?;
        self.name_it(&mut object, uid)?;
        if let Some(metadata) = metadata(&mut object) {
            metadata.remove("resourceVersion");
        }
        defaults::fill(self.resource(), &mut object);
        self.give_birth(&mut object, uid);
        applied.managers.write(&mut object);
        self.finish_birth(&mut object);
        self.checked(&object, None)?;
        Ok(Prepared { object, warnings: Vec::new() })
    }

    /// The next state of an object that exists. The same state when nothing changes.
    pub fn change(&self, live: &Value, body: Body) -> Result<Prepared, Status> {
        if self.is_scale() {
            let shown = scale::of(live);
            let changed = self.changed(&shown, body)?;
            let replicas = changed.object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(0);
            if replicas < 0 {
                let cause = Cause::invalid("spec.replicas", &json!(replicas), "must be greater than or equal to 0");
                return Err(Status::invalid_kind("autoscaling", "Scale", &self.target.name, &[cause]));
            }
            let object = scale::laid_over(live, &changed.object, &self.resource().api_version());
            let object = if object == *live { object } else { self.counted(live, object) };
            return Ok(Prepared { object, ..changed });
        }
        let mut changed = self.changed(live, body)?;
        if changed.object != *live {
            if self.resource().is("Service") {
                allocate::carry_over(live, &mut changed.object);
            }
            self.checked(&changed.object, Some(live))?;
            changed.object = self.counted(live, changed.object);
        }
        Ok(changed)
    }

    fn changed(&self, live: &Value, body: Body) -> Result<Prepared, Status> {
        let reset = self.reset();
        let tracker = self.tracker(&reset);
        let manager = &self.asked.manager;
        let (mut object, managers, warnings) = match body {
            Body::Apply(config) => {
                self.check_config(&config)?;
                let managers = Managers::read(live).unwrap_or_default();
                let empty = decode::empty(self.resource());
                let applied = tracker.apply(live, &config, managers, manager, self.asked.force, &empty)?;
                let object = match applied.object {
                    Some(object) => {
                        let mut object = self.converted(object, &config)?;
                        if !self.is_scale() {
                            defaults::fill(self.resource(), &mut object);
                        }
                        object
                    }
                    None => live.clone(),
                };
                (object, Some(applied.managers), Vec::new())
            }
            Body::Put(body) => {
                let is_put_of = text(&body, "/metadata/uid").to_owned();
                let (object, warnings) = self.decoded(body)?;
                self.check_name(&object)?;
                let uid = text(live, "/metadata/uid");
                if !is_put_of.is_empty() && is_put_of != uid {
                    let target = self.target;
                    return Err(Status::other_object(
                        target.resource,
                        &target.namespace,
                        &target.name,
                        &is_put_of,
                        uid,
                    ));
                }
                (object, None, warnings)
            }
            Body::Patch(patch) => {
                let result = patched(live, &patch, &self.of())?;
                let (object, warnings) = self.decoded_patch(result)?;
                (object, None, warnings)
            }
        };
        self.check_name(&object)?;
        let version = text(&object, "/metadata/resourceVersion").to_owned();
        if !version.is_empty() && version != text(live, "/metadata/resourceVersion") {
            return Err(Status::modified(self.resource(), &self.target.name));
        }
        if !self.is_scale() && managers.is_none() {
            defaults::fill(self.resource(), &mut object);
        }
        self.keep_metadata(live, &mut object);
        for path in &reset {
            keep(live, &mut object, path);
        }
        let managers = match managers {
            Some(managers) => managers,
            None => tracker.update(live, &object, tracker.starting(live, &object), manager),
        };
        managers.write(&mut object);
        // A new time in an entry alone is no change.
        if timeless(&object) == timeless(live) {
            object = live.clone();
        }
        Ok(Prepared { object, warnings })
    }

    /// Name and namespace of a new object.
    fn name_it(&self, object: &mut Value, uid: &str) -> Result<(), Status> {
        let target = self.target;
        let namespace = text(object, "/metadata/namespace");
        if !namespace.is_empty() && namespace != target.namespace {
            let why = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(Status::bad_request(why));
        }
        let prefix = text(object, "/metadata/generateName").to_owned();
        let name = text(object, "/metadata/name").to_owned();
        let Some(metadata) = metadata(object) else { return Ok(()) };
        if !target.namespace.is_empty() {
            metadata.insert("namespace".into(), target.namespace.clone().into());
        }
        if !target.name.is_empty() {
            metadata.insert("name".into(), target.name.clone().into());
        } else if name.is_empty() && !prefix.is_empty() {
            let ending: String = uid.chars().filter(char::is_ascii_alphanumeric).take(5).collect();
            metadata.insert("name".into(), format!("{prefix}{ending}").into());
        }
        Ok(())
    }

    fn give_birth(&self, object: &mut Value, uid: &str) {
        let counts = self.resource().counts_generations();
        if let Some(metadata) = metadata(object) {
            metadata.insert("uid".into(), uid.into());
            metadata.insert("creationTimestamp".into(), self.now.into());
            for key in ["selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"] {
                metadata.remove(key);
            }
            if counts {
                metadata.insert("generation".into(), 1.into());
            }
        }
        let Value::Object(object) = object else { return };
        match self.resource().kind.as_str() {
            "Service" => drop(object.insert("status".into(), json!({"loadBalancer": {}}))),
            "Deployment" | "Namespace" => drop(object.insert("status".into(), json!({}))),
            _ => {}
        }
    }

    /// What the server adds to a new object by itself, and nobody owns.
    fn finish_birth(&self, object: &mut Value) {
        if self.resource().is("Namespace")
            && let Value::Object(object) = object
        {
            object.insert("spec".into(), json!({"finalizers": ["kubernetes"]}));
            object.insert("status".into(), json!({"phase": "Active"}));
        }
    }

    /// What only the server writes stays as it is.
    fn keep_metadata(&self, live: &Value, object: &mut Value) {
        let Some(live) = live.get("metadata").and_then(Value::as_object) else { return };
        let Some(metadata) = metadata(object) else { return };
        for key in ["name", "namespace", "resourceVersion", "creationTimestamp", "generation", "selfLink"] {
            match live.get(key) {
                Some(value) => metadata.insert(key.into(), value.clone()),
                None => metadata.remove(key),
            };
        }
        for key in ["uid", "deletionTimestamp", "deletionGracePeriodSeconds"] {
            if let Some(value) = live.get(key) {
                metadata.entry(key).or_insert_with(|| value.clone());
            }
        }
    }

    fn checked(&self, object: &Value, live: Option<&Value>) -> Result<(), Status> {
        let causes = validate::refusals(self.resource(), object, live);
        let name = text(object, "/metadata/name");
        if causes.is_empty() { Ok(()) } else { Err(Status::invalid(self.resource(), name, &causes)) }
    }

    /// A change of what the specification says counts; annotations count too, status never.
    fn counted(&self, live: &Value, mut object: Value) -> Value {
        let differs = |pointer: &str| live.pointer(pointer) != object.pointer(pointer);
        let counts = self.resource().counts_generations() && !self.is_status();
        if counts && (differs("/spec") || differs("/metadata/annotations")) {
            let generation = live.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
            if let Some(metadata) = metadata(&mut object) {
                metadata.insert("generation".into(), (generation + 1).into());
            }
        }
        object
    }
}

/// Sets the field at `path` (map keys only) to what it is in `live`.
fn keep(live: &Value, object: &mut Value, path: &FieldPath) {
    let pointer: String = path.to_string().replace('.', "/");
    let Some((parent, key)) = pointer.rsplit_once('/') else { return };
    let Some(Value::Object(parent)) = object.pointer_mut(parent) else { return };
    match live.pointer(&pointer) {
        Some(value) => parent.insert(key.to_owned(), value.clone()),
        None => parent.remove(key),
    };
}

fn timeless(object: &Value) -> Value {
    let mut object = object.clone();
    for entry in object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Value::Object(entry) = entry {
            entry.remove("time");
        }
    }
    object
}
