//! A cluster in memory, with server-side apply on [`FieldSet`]: what the engine's tests write to and other managers
//! change beside it.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use kubeferry::cluster::{Cluster, ClusterError, ClusterEvent, DeleteRequest, FieldConflict, Listed, Page, StateText};
use kubeferry::object::managed::{self, Operation};
use kubeferry::object::schema::Schema;
use kubeferry::object::{
    ApiVersion, FieldPath, FieldSet, GroupKind, Kind, Kinds, ListKind, Manager, ObjectId, PathElement, SchemaView,
    compare,
};
use serde_json::{Value, json};

use super::pace::Pace;

/// A write of the engine, and what it did.
#[derive(Clone, Debug)]
pub struct Write {
    pub verb: &'static str,
    pub id: ObjectId,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

#[derive(Default)]
struct State {
    kinds: Arc<Kinds>,
    objects: BTreeMap<ObjectId, Value>,
    version: u64,
    uids: u64,
    watched: BTreeSet<GroupKind>,
    events: VecDeque<ClusterEvent>,
    /// What the next calls answer instead.
    faults: VecDeque<ClusterError>,
    /// How many of the next writes arrive without an answer.
    unanswered: usize,
    /// How many more turns pass before the watches tell anything.
    lag: usize,
    /// The objects as they were after each of the latest changes.
    past: VecDeque<BTreeMap<ObjectId, Value>>,
    /// Whether the past is kept.
    keeps_past: bool,
    /// What the next applies answer instead.
    apply_faults: VecDeque<ClusterError>,
    /// What every delete answers instead.
    delete_fault: Option<ClusterError>,
    /// Kinds that may not be listed.
    unlistable: BTreeSet<GroupKind>,
    writes: Vec<Write>,
    calls: usize,
    lists: Vec<GroupKind>,
    /// The state ConfigMap, and whether its changes are told.
    kept: Option<StateText>,
    follows: bool,
}

/// One cluster in memory. Cloning gives the same cluster.
#[derive(Clone)]
pub struct MemoryCluster {
    state: Arc<Mutex<State>>,
    pace: Pace,
    manager: String,
}

/// A kind as discovery tells it.
pub fn kind(group: &str, name: &str, plural: &str) -> Kind {
    Kind {
        group_kind: GroupKind::new(group, name),
        versions: vec!["v1".into()],
        plural: plural.into(),
        singular: name.to_lowercase(),
        short_names: Vec::new(),
        namespaced: !matches!(name, "Namespace" | "CustomResourceDefinition"),
        verbs: ["get", "list", "watch", "create", "patch", "delete"].map(String::from).to_vec(),
        scalable: name == "Deployment",
    }
}

/// The kinds that are served from the start.
pub fn kinds() -> Vec<Kind> {
    vec![
        kind("", "Namespace", "namespaces"),
        kind("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions"),
        kind("", "ConfigMap", "configmaps"),
        kind("", "Service", "services"),
        kind("apps", "Deployment", "deployments"),
    ]
}

impl MemoryCluster {
    /// A cluster with these Namespaces, as `manager` sees it.
    pub fn new(manager: &str, pace: Pace, namespaces: &[&str]) -> Self {
        let state = State { kinds: Arc::new(Kinds::new(kinds())), ..State::default() };
        let cluster = Self { state: Arc::new(Mutex::new(state)), pace, manager: manager.to_owned() };
        for name in ["kube-system"].iter().chain(namespaces) {
            cluster.update(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}), "setup");
        }
        cluster
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Creates or replaces an object as another manager does (PUT): the fields that change are its own afterwards.
    pub fn update(&self, object: &Value, manager: &str) {
        self.state().update(object, manager);
    }

    /// Applies as another manager does, by force.
    pub fn apply_as(&self, object: &Value, manager: &str) {
        self.state().apply(&ObjectId::of(object).unwrap(), object, manager, true, false).unwrap();
    }

    /// Scales through the subresource.
    pub fn scale(&self, id: &ObjectId, replicas: u64) {
        self.state().scale(id, replicas);
    }

    /// What a controller says of an object.
    pub fn set_status(&self, id: &ObjectId, status: &Value) {
        let mut state = self.state();
        let Some(mut live) = state.objects.get(id).cloned() else { return };
        live["status"] = status.clone();
        let entries = entries(&live);
        state.store(id, live, &entries);
    }

    /// Deletes as another manager does; whether it was there.
    pub fn remove(&self, id: &ObjectId) -> bool {
        self.state().remove(id)
    }

    /// The live object.
    pub fn object(&self, id: &ObjectId) -> Option<Value> {
        self.state().objects.get(id).cloned()
    }

    /// How many changes there were.
    pub fn version(&self) -> u64 {
        self.state().version
    }

    /// Every live object.
    pub fn objects(&self) -> BTreeMap<ObjectId, Value> {
        self.state().objects.clone()
    }

    /// Serves a kind from now on, with its definition.
    pub fn serve(&self, new: Kind) {
        let mut state = self.state();
        let (group, name) = (new.group_kind.group.to_string(), new.group_kind.kind.to_string());
        let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{}.{group}", new.plural)},
            "spec": {"group": group, "names": {"kind": name, "plural": new.plural}}});
        state.update(&definition, "setup");
        let kinds: Vec<Kind> = state.kinds.iter().map(|kind| (**kind).clone()).chain([new]).collect();
        state.kinds = Arc::new(Kinds::new(kinds));
        let kinds = state.kinds.clone();
        state.events.push_back(ClusterEvent::Kinds(kinds));
    }

    /// Lists a kind anew, as after a lost watch.
    pub fn relist(&self, kind: &GroupKind) {
        let mut state = self.state();
        if state.is_watched(kind) {
            state.list(kind);
        }
    }

    /// Lists a kind as it was so many changes ago; what happened since follows.
    pub fn relist_from(&self, kind: &GroupKind, back: usize) {
        let mut state = self.state();
        if !state.is_watched(kind) {
            return;
        }
        state.events.retain(|event| !is_about(event, kind));
        let start = state.past.len().saturating_sub(back + 1);
        let of_kind = |objects: &BTreeMap<ObjectId, Value>| -> BTreeMap<ObjectId, Value> {
            let of_kind = objects.iter().filter(|(id, _)| id.group_kind() == kind);
            of_kind.map(|(id, live)| (id.clone(), live.clone())).collect()
        };
        let seen = |live: &Value| ClusterEvent::Seen(Box::new(live.clone()));
        let mut shown = state.past.get(start).map_or_else(|| of_kind(&state.objects), of_kind);
        let mut events = vec![ClusterEvent::Listing(kind.clone())];
        events.extend(shown.values().map(seen));
        events.push(ClusterEvent::Synced(kind.clone()));
        for next in state.past.iter().skip(start).map(of_kind) {
            events.extend(
                shown
                    .iter()
                    .filter(|(id, _)| !next.contains_key(id))
                    .map(|(_, live)| ClusterEvent::Gone(Box::new(live.clone()))),
            );
            events.extend(next.iter().filter(|(id, live)| shown.get(id) != Some(live)).map(|(_, live)| seen(live)));
            shown = next;
        }
        state.events.extend(events);
    }

    /// Keeps what [`MemoryCluster::relist_from`] shows.
    pub fn keep_past(&self) {
        self.state().keeps_past = true;
    }

    /// What the watch of a kind has to tell is lost; it lists anew.
    pub fn lose_events(&self, kind: &GroupKind) {
        let mut state = self.state();
        if state.is_watched(kind) {
            state.events.retain(|event| !is_about(event, kind));
            state.list(kind);
        }
    }

    /// Whether a kind may be listed and watched.
    pub fn forbid(&self, kind: &GroupKind, is_forbidden: bool) {
        let mut state = self.state();
        if is_forbidden {
            state.unlistable.insert(kind.clone());
        } else {
            state.unlistable.remove(kind);
        }
        if state.is_watched(kind) {
            state.list(kind);
        }
    }

    /// The watches tell nothing for so many turns.
    pub fn lag(&self, turns: usize) {
        self.state().lag = turns;
    }

    /// Lets one turn pass.
    pub fn turn(&self) {
        let mut state = self.state();
        state.lag = state.lag.saturating_sub(1);
    }

    /// Whether the watches have something to tell later.
    pub fn lags(&self) -> bool {
        let state = self.state();
        state.lag > 0 && !state.events.is_empty()
    }

    /// The next write arrives, and its answer is lost.
    pub fn lose_answer(&self) {
        self.state().unanswered += 1;
    }

    /// What the next calls answer.
    pub fn fail_next(&self, error: ClusterError) {
        self.state().faults.push_back(error);
    }

    /// What the next apply answers.
    pub fn refuse_next_apply(&self, error: ClusterError) {
        self.state().apply_faults.push_back(error);
    }

    /// What deletes answer from now on.
    pub fn fail_deletes(&self, error: Option<ClusterError>) {
        self.state().delete_fault = error;
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.apply_faults.clear();
        state.delete_fault = None;
        state.unanswered = 0;
        state.lag = 0;
    }

    /// The engine's writes since this was last asked.
    pub fn take_writes(&self) -> Vec<Write> {
        std::mem::take(&mut self.state().writes)
    }

    /// How many calls were made, watches aside.
    pub fn calls(&self) -> usize {
        self.state().calls
    }

    /// The kinds whose watches began with a list since this was asked.
    pub fn take_lists(&self) -> Vec<GroupKind> {
        std::mem::take(&mut self.state().lists)
    }

    /// The state that the engine keeps.
    pub fn kept(&self) -> Option<StateText> {
        self.state().kept.clone()
    }

    /// Changes the state as somebody else does, or takes it away.
    pub fn keep(&self, change: impl FnOnce(Option<StateText>) -> Option<StateText>) {
        let mut state = self.state();
        let changed = change(state.kept.clone());
        state.keep(changed);
    }

    /// A process that ends stops its watches.
    pub fn forget_watches(&self) {
        let mut state = self.state();
        state.follows = false;
        state.watched.clear();
        state.events.clear();
    }

    fn call<T: Send + 'static>(
        &self,
        effect: impl FnOnce(&mut State) -> Result<T, ClusterError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, ClusterError>> {
        let state = self.state.clone();
        self.pace.call(move || {
            let mut state = state.lock().unwrap();
            state.calls += 1;
            if let Some(error) = state.faults.pop_front() {
                return Err(error);
            }
            let writes = state.writes.len();
            let answer = effect(&mut state)?;
            if state.unanswered > 0 && state.writes.len() > writes {
                state.unanswered -= 1;
                return Err(ClusterError::Unreachable("no answer".into()));
            }
            Ok(answer)
        })
    }
}

/// Whether an event is one of the watch of a kind.
fn is_about(event: &ClusterEvent, kind: &GroupKind) -> bool {
    match event {
        ClusterEvent::Listing(of) | ClusterEvent::Synced(of) | ClusterEvent::Unwatched(of, _) => of == kind,
        ClusterEvent::Seen(object) | ClusterEvent::Gone(object) => {
            ObjectId::of(object).is_some_and(|id| id.group_kind() == kind)
        }
        ClusterEvent::Kinds(_) | ClusterEvent::State(_) => false,
    }
}

fn always() -> [GroupKind; 2] {
    [GroupKind::new("", "Namespace"), GroupKind::new("apiextensions.k8s.io", "CustomResourceDefinition")]
}

impl Cluster for MemoryCluster {
    fn kinds(&self) -> Arc<Kinds> {
        self.state().kinds.clone()
    }

    fn watch(&self, kinds: Vec<GroupKind>) {
        let mut state = self.state();
        let wanted: BTreeSet<GroupKind> = kinds.into_iter().chain(always()).collect();
        let new: Vec<GroupKind> = wanted.difference(&state.watched).cloned().collect();
        state.watched = wanted;
        for kind in new {
            if state.kinds.get(&kind).is_some() {
                state.list(&kind);
            }
        }
    }

    fn events(&self, limit: usize) -> Vec<ClusterEvent> {
        let mut state = self.state();
        if state.lag > 0 {
            return Vec::new();
        }
        let count = limit.min(state.events.len());
        state.events.drain(..count).collect()
    }

    fn changed(&self) -> BoxFuture<'static, ()> {
        ready(()).boxed()
    }

    fn schema(&self, _api_version: &ApiVersion) -> BoxFuture<'static, Result<Schema, ClusterError>> {
        ready(Ok(Schema::builtin())).boxed()
    }

    fn get(&self, id: &ObjectId, _version: Option<&str>) -> BoxFuture<'static, Result<Option<Value>, ClusterError>> {
        let id = id.clone();
        self.call(move |state| Ok(state.objects.get(&id).cloned()))
    }

    fn list(
        &self,
        kind: &GroupKind,
        namespace: Option<&str>,
        _page: Page,
    ) -> BoxFuture<'static, Result<Listed, ClusterError>> {
        let (kind, namespace) = (kind.clone(), namespace.map(String::from));
        self.call(move |state| {
            if state.unlistable.contains(&kind) {
                return Err(ClusterError::Forbidden(format!("list of {kind}")));
            }
            let is_in = |id: &ObjectId| namespace.as_deref().is_none_or(|namespace| id.namespace() == Some(namespace));
            let of_kind = state.objects.iter().filter(|(id, _)| *id.group_kind() == kind && is_in(id));
            Ok(Listed { objects: of_kind.map(|(_, live)| live.clone()).collect(), next: None })
        })
    }

    fn apply(
        &self,
        id: &ObjectId,
        object: Value,
        force: bool,
        dry_run: bool,
    ) -> BoxFuture<'static, Result<Value, ClusterError>> {
        let (id, manager) = (id.clone(), self.manager.clone());
        self.call(move |state| {
            if let Some(error) = state.apply_faults.pop_front() {
                return Err(error);
            }
            let before = state.objects.get(&id).cloned();
            let after = state.apply(&id, &object, &manager, force, dry_run)?;
            if !dry_run {
                let verb = if force { "apply" } else { "create" };
                state.writes.push(Write { verb, id, before, after: Some(after.clone()) });
            }
            Ok(after)
        })
    }

    fn patch(
        &self,
        id: &ObjectId,
        _version: Option<&str>,
        patch: Value,
    ) -> BoxFuture<'static, Result<Value, ClusterError>> {
        let id = id.clone();
        self.call(move |state| {
            let before = state.objects.get(&id).cloned();
            let after = state.patch(&id, patch)?;
            state.writes.push(Write { verb: "patch", id, before, after: Some(after.clone()) });
            Ok(after)
        })
    }

    fn delete(&self, request: DeleteRequest) -> BoxFuture<'static, Result<(), ClusterError>> {
        self.call(move |state| {
            let Some(live) = state.objects.get(&request.id).cloned() else { return Ok(()) };
            if text(&live, "/metadata/uid") != request.uid
                || text(&live, "/metadata/resourceVersion") != request.resource_version
            {
                return Err(ClusterError::Changed(format!("{} moved", request.id)));
            }
            if let Some(error) = &state.delete_fault {
                return Err(error.clone());
            }
            state.remove(&request.id);
            state.writes.push(Write { verb: "delete", id: request.id, before: Some(live), after: None });
            Ok(())
        })
    }

    fn state(&self) -> BoxFuture<'static, Result<Option<StateText>, ClusterError>> {
        self.call(move |state| Ok(state.kept.clone()))
    }

    fn set_state(&self, new: StateText) -> BoxFuture<'static, Result<StateText, ClusterError>> {
        self.call(move |state| {
            let version = state.kept.as_ref().map_or("", |kept| &kept.version);
            if version != new.version {
                return Err(ClusterError::Changed("the state is another one by now".into()));
            }
            state.keep(Some(new));
            state.kept.clone().ok_or_else(|| ClusterError::Other("no state".into()))
        })
    }

    fn follow_state(&self) {
        let mut state = MemoryCluster::state(self);
        state.follows = true;
        let kept = state.kept.clone();
        state.events.push_back(ClusterEvent::State(kept));
    }
}

/// A text of an object, or none.
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// What somebody wrote: the object without what the server adds by itself.
pub fn content(live: &Value) -> Value {
    let mut content = live.clone();
    content.as_object_mut().unwrap().shift_remove("status");
    let metadata = content["metadata"].as_object_mut().unwrap();
    for key in ["uid", "resourceVersion", "managedFields", "creationTimestamp", "generation", "deletionTimestamp"] {
        metadata.shift_remove(key);
    }
    content
}

type Entries = Vec<(Manager, FieldSet)>;

fn entries(live: &Value) -> Entries {
    managed::entries(live).into_iter().map(|entry| (entry.manager, entry.fields)).collect()
}

impl State {
    /// Takes a state, as it is stored.
    fn keep(&mut self, new: Option<StateText>) {
        let before = self.kept.take();
        self.kept = new.map(|mut new| {
            self.version += 1;
            new.version = self.version.to_string();
            match before {
                Some(before) => new.uid = before.uid,
                None => {
                    self.uids += 1;
                    new.uid = format!("uid-{}", self.uids);
                }
            }
            new
        });
        if self.follows {
            let kept = self.kept.clone();
            self.events.push_back(ClusterEvent::State(kept));
        }
    }

    fn is_watched(&self, kind: &GroupKind) -> bool {
        self.watched.contains(kind)
    }

    fn list(&mut self, kind: &GroupKind) {
        if self.unlistable.contains(kind) {
            return self.events.push_back(ClusterEvent::Unwatched(kind.clone(), "forbidden".into()));
        }
        self.lists.push(kind.clone());
        self.events.push_back(ClusterEvent::Listing(kind.clone()));
        let of_kind = self.objects.iter().filter(|(id, _)| id.group_kind() == kind);
        let seen: Vec<ClusterEvent> = of_kind.map(|(_, live)| ClusterEvent::Seen(Box::new(live.clone()))).collect();
        self.events.extend(seen);
        self.events.push_back(ClusterEvent::Synced(kind.clone()));
    }

    fn note_past(&mut self) {
        if self.keeps_past {
            self.past.push_back(self.objects.clone());
            if self.past.len() > 6 {
                self.past.pop_front();
            }
        }
    }

    /// What stands before a write: the live object, or what the server makes of a new one.
    fn born(&mut self, id: &ObjectId, object: &Value) -> Result<Value, ClusterError> {
        if let Some(namespace) = id.namespace() {
            let namespace = ObjectId::new(GroupKind::new("", "Namespace"), "", namespace);
            if !self.objects.contains_key(&namespace) {
                return Err(ClusterError::NotFound(format!("namespace of {id}")));
            }
        }
        if self.kinds.get(id.group_kind()).is_none() {
            return Err(ClusterError::UnknownKind(id.group_kind().clone()));
        }
        self.uids += 1;
        // Each object is made an hour after the one before it: what is older is told from what is newer.
        let made = jiff::Timestamp::from_second(1_767_225_600 + 3_600 * i64::try_from(self.uids).unwrap()).unwrap();
        let mut live = json!({"apiVersion": object["apiVersion"], "kind": object["kind"],
            "metadata": {"name": id.name(), "uid": format!("uid-{}", self.uids), "creationTimestamp": made.to_string()}});
        if let Some(namespace) = id.namespace() {
            live["metadata"]["namespace"] = namespace.into();
        }
        if id.is("", "Namespace") {
            live["status"] = json!({"phase": "Active"});
        }
        if id.is("apiextensions.k8s.io", "CustomResourceDefinition") {
            live["status"] = json!({"conditions": [{"type": "Established", "status": "True"}]});
        }
        Ok(live)
    }

    fn store(&mut self, id: &ObjectId, mut live: Value, entries: &Entries) -> Value {
        let entry = |(manager, fields): &(Manager, FieldSet)| {
            let operation = if manager.operation == Operation::Apply { "Apply" } else { "Update" };
            let mut entry = json!({"manager": manager.name, "operation": operation,
                "apiVersion": live["apiVersion"], "fieldsType": "FieldsV1", "fieldsV1": fields.to_fields_v1()});
            if !manager.subresource.is_empty() {
                entry["subresource"] = manager.subresource.clone().into();
            }
            entry
        };
        let entries: Vec<Value> = entries.iter().filter(|(_, fields)| !fields.is_empty()).map(entry).collect();
        live["metadata"]["managedFields"] = entries.into();
        if self.objects.get(id) == Some(&live) {
            return live;
        }
        self.version += 1;
        live["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.objects.insert(id.clone(), live.clone());
        self.note_past();
        if self.is_watched(id.group_kind()) {
            self.events.push_back(ClusterEvent::Seen(Box::new(live.clone())));
        }
        live
    }

    fn apply(
        &mut self,
        id: &ObjectId,
        object: &Value,
        manager: &str,
        force: bool,
        dry_run: bool,
    ) -> Result<Value, ClusterError> {
        let schema = Schema::builtin();
        let view = schema.view_of(object);
        let mut object = object.clone();
        let mut ask = |key: &str| object["metadata"].as_object_mut().and_then(|metadata| metadata.remove(key));
        let (uid, version) = (ask("uid"), ask("resourceVersion"));
        let object = &object;
        // As the API server does it: a version alone does not keep an object from being made anew.
        match self.objects.get(id).map(|live| &live["metadata"]) {
            None if uid.is_some() => return Err(ClusterError::Changed(format!("uid mismatch: there is no {id}"))),
            Some(live) if uid.is_some_and(|uid| uid != live["uid"]) => {
                let (fields, message) = (vec!["metadata.uid".to_owned()], "field is immutable".to_owned());
                return Err(ClusterError::Immutable { fields, message });
            }
            Some(live) if version.is_some_and(|version| version != live["resourceVersion"]) => {
                return Err(ClusterError::Changed(format!("{id} moved")));
            }
            _ => {}
        }
        let fields = FieldSet::of(object, view);
        let mut live = match self.objects.get(id) {
            Some(live) => live.clone(),
            None => self.born(id, object)?,
        };
        let is_own = |of: &Manager| of.operation == Operation::Apply && of.name == manager;
        let (own, mut others): (Entries, Entries) = entries(&live).into_iter().partition(|(of, _)| is_own(of));
        let own = own.into_iter().map(|(_, fields)| fields).reduce(|a, b| a.union(&b)).unwrap_or_default();
        for (of, set) in &mut others {
            let differs = |path: &FieldPath| {
                let wanted = compare::get(object, path, view);
                wanted.is_some_and(|wanted| is_leaf(wanted, at(view, path)))
                    && wanted != compare::get(&live, path, view)
            };
            let taken: Vec<FieldPath> = set.intersect(&fields).paths().into_iter().filter(differs).collect();
            if !taken.is_empty() && !force {
                let conflict = |path: &FieldPath| FieldConflict { field: path.to_string(), message: of.name.clone() };
                return Err(ClusterError::FieldConflict(taken.iter().map(conflict).collect()));
            }
            *set = set.subtract(&FieldSet::from_paths(&taken));
        }
        // An item goes as a whole, with what the server added to it, before its keys.
        for path in own.subtract(&fields).paths() {
            // A key stays as long as anybody has a part of its item.
            let parent = path.parent().filter(|_| is_key(&path));
            let holds = |set: &FieldSet| set.touches(&path) || parent.as_ref().is_some_and(|item| set.touches(item));
            if !others.iter().any(|(_, set)| holds(set)) {
                compare::remove(&mut live, &path, view);
            }
        }
        merge(&mut live, object, view);
        defaults(&mut live);
        let own = Manager { operation: Operation::Apply, name: manager.to_owned(), subresource: String::new() };
        others.push((own, fields));
        Ok(if dry_run { live } else { self.store(id, live, &others) })
    }

    fn update(&mut self, object: &Value, manager: &str) {
        let id = ObjectId::of(object).unwrap();
        let schema = Schema::builtin();
        let view = schema.view_of(object);
        let before = self.objects.get(&id).cloned();
        let mut live = match &before {
            Some(live) => live.clone(),
            None => self.born(&id, object).unwrap(),
        };
        let mut after = content(object);
        defaults(&mut after);
        let kept = ["uid", "creationTimestamp", "managedFields", "resourceVersion"];
        for key in kept {
            if let Some(value) = live["metadata"].get(key) {
                after["metadata"][key] = value.clone();
            }
        }
        if let Some(status) = live.get("status") {
            after["status"] = status.clone();
        }
        let fields = FieldSet::of(&content(&after), view);
        let differs = |path: &FieldPath| {
            let wanted = compare::get(&after, path, view);
            wanted.is_some_and(|wanted| is_leaf(wanted, at(view, path))) && wanted != compare::get(&live, path, view)
                || compare::get(&live, path, view).is_none()
        };
        let changed = FieldSet::from_paths(&fields.paths().into_iter().filter(differs).collect::<Vec<_>>());
        let own = Manager { operation: Operation::Update, name: manager.to_owned(), subresource: String::new() };
        let mut entries = entries(&live);
        for (of, set) in &mut entries {
            let rest = set.intersect(&fields);
            *set = if *of == own { rest } else { rest.subtract(&changed) };
        }
        match entries.iter_mut().find(|(of, _)| *of == own) {
            Some((_, set)) => *set = set.union(&changed),
            None => entries.push((own, changed)),
        }
        live = after;
        self.store(&id, live, &entries);
    }

    fn scale(&mut self, id: &ObjectId, replicas: u64) {
        let Some(mut live) = self.objects.get(id).cloned() else { return };
        if live["spec"]["replicas"] == replicas {
            return;
        }
        live["spec"]["replicas"] = replicas.into();
        let fields = FieldSet::from_paths(&[FieldPath::fields(["spec", "replicas"])]);
        let mut entries = entries(&live);
        entries.iter_mut().for_each(|(_, set)| *set = set.subtract(&fields));
        let scaler =
            Manager { operation: Operation::Update, name: "scaler".to_owned(), subresource: "scale".to_owned() };
        entries.retain(|(of, _)| *of != scaler);
        entries.push((scaler, fields));
        self.store(id, live, &entries);
    }

    fn patch(&mut self, id: &ObjectId, patch: Value) -> Result<Value, ClusterError> {
        let mut live = self.objects.get(id).cloned().ok_or_else(|| ClusterError::NotFound(id.to_string()))?;
        let patch: json_patch::Patch = serde_json::from_value(patch).unwrap();
        json_patch::patch(&mut live, &patch).map_err(|error| ClusterError::Changed(error.to_string()))?;
        defaults(&mut live);
        let schema = Schema::builtin();
        let fields = FieldSet::of(&content(&live), schema.view_of(&live));
        let mut entries = entries(&live);
        entries.iter_mut().for_each(|(_, set)| *set = set.intersect(&fields));
        Ok(self.store(id, live, &entries))
    }

    fn remove(&mut self, id: &ObjectId) -> bool {
        let Some(mut live) = self.objects.remove(id) else { return false };
        self.version += 1;
        self.note_past();
        live["metadata"]["resourceVersion"] = self.version.to_string().into();
        if self.is_watched(id.group_kind()) {
            self.events.push_back(ClusterEvent::Gone(Box::new(live)));
        }
        true
    }
}

fn is_key(path: &FieldPath) -> bool {
    match path.elements() {
        [.., PathElement::Key(keys), PathElement::Field(name)] => keys.iter().any(|(key, _)| key == name),
        _ => false,
    }
}

/// The schema at a path.
pub fn at<'a>(view: SchemaView<'a>, path: &FieldPath) -> SchemaView<'a> {
    path.elements().iter().fold(view, |view, element| view.below(element))
}

/// Whether a value is owned as a whole.
pub fn is_leaf(value: &Value, view: SchemaView<'_>) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty() || view.is_atomic_map(),
        Value::Array(items) => items.is_empty() || view.list() == ListKind::Atomic,
        _ => true,
    }
}

fn merge(live: &mut Value, applied: &Value, view: SchemaView<'_>) {
    match (live, applied) {
        (Value::Object(live), Value::Object(applied)) if !view.is_atomic_map() => {
            for (key, value) in applied {
                match live.get_mut(key) {
                    Some(there) => merge(there, value, view.field(key)),
                    None => drop(live.insert(key.clone(), value.clone())),
                }
            }
        }
        (Value::Array(live), Value::Array(applied)) if view.list() == ListKind::Set => {
            let new: Vec<Value> = applied.iter().filter(|item| !live.contains(item)).cloned().collect();
            live.extend(new);
        }
        (Value::Array(live), Value::Array(applied)) if view.list() != ListKind::Atomic => {
            for item in applied {
                match live.iter_mut().find(|there| view.item_key(there) == view.item_key(item)) {
                    Some(there) => merge(there, item, view.item()),
                    None => live.push(item.clone()),
                }
            }
        }
        (live, applied) => *live = applied.clone(),
    }
}

/// A few of the defaults that the server fills in.
fn defaults(live: &mut Value) {
    // A map without anything in it is left out of what is stored.
    if let Some(metadata) = live.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|key, value| !matches!(&**key, "annotations" | "labels") || *value != json!({}));
    }
    let fill = |value: &mut Value, key: &str, default: Value| {
        if let Some(fields) = value.as_object_mut() {
            fields.entry(key).or_insert(default);
        }
    };
    match live["kind"].as_str() {
        Some("Deployment") => {
            fill(&mut live["spec"], "replicas", json!(1));
            fill(&mut live["spec"], "revisionHistoryLimit", json!(10));
            fill(&mut live["spec"], "progressDeadlineSeconds", json!(600));
            let containers = live.pointer_mut("/spec/template/spec/containers").and_then(Value::as_array_mut);
            for container in containers.into_iter().flatten() {
                fill(container, "terminationMessagePath", json!("/dev/termination-log"));
                let ports = container.get_mut("ports").and_then(Value::as_array_mut);
                ports.into_iter().flatten().for_each(|port| fill(port, "protocol", json!("TCP")));
            }
        }
        Some("Service") => {
            fill(&mut live["spec"], "type", json!("ClusterIP"));
            fill(&mut live["spec"], "sessionAffinity", json!("None"));
            let ports = live.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
            for port in ports.into_iter().flatten() {
                fill(port, "protocol", json!("TCP"));
                let target = port["port"].clone();
                fill(port, "targetPort", target);
            }
        }
        _ => {}
    }
}
