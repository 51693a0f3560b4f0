//! What has to be true when nothing is under way and nothing fails: each field has the value that its direction demands,
//! each object exists where it has to.

use std::collections::{BTreeMap, BTreeSet};

use kubeferry::object::managed::{self, own_fields};
use kubeferry::object::{FieldPath, ObjectId, Schema, compare};
use serde_json::Value;

use super::agreed::differs;
use super::elsewhere;
use super::hands::{self, Manifest};
use super::memory_cluster::{content, text};
use super::rules::{Conflict, To, Way, existence, names, way};
use super::run::{Run, namespace};
use super::slots;
use super::world::MANAGER;

/// How things stood at rest; as long as nothing but plain edits follows, it tells what must have become of each object.
pub struct Checkpoint {
    live: BTreeMap<ObjectId, String>,
    manifests: BTreeSet<ObjectId>,
    patched: BTreeSet<ObjectId>,
    /// What both sides said.
    values: BTreeMap<ObjectId, (Option<Value>, Option<Value>)>,
    /// Objects of which something is held: a person decides what becomes of them.
    held: BTreeSet<ObjectId>,
    /// Objects of which it tells nothing more.
    pub loose: BTreeSet<ObjectId>,
}

impl Checkpoint {
    /// Whether the object stands on neither side.
    pub fn is_nowhere(&self, id: &ObjectId) -> bool {
        !self.live.contains_key(id) && !self.manifests.contains(id)
    }

    /// Another process goes on, or the same one anew: of what is held it knows only since when it does not agree, so what
    /// changes further is held with it.
    pub fn taken_over(&mut self) {
        self.loose.extend(self.held.iter().cloned());
    }
}

/// Looks at the world at rest.
pub fn look(run: &Run) -> Checkpoint {
    let world = &run.world;
    let progress = world.engine.progress();
    assert_eq!((progress.queue, progress.in_flight, progress.batched), (0, 0, 0), "{progress:?}");
    assert_eq!(progress.head, world.git.tip(), "the engine has another head than the remote");
    let failed: Vec<_> =
        world.engine.standings().changes().filter(|change| format!("{:?}", change.verb) == "Failed").collect();
    assert!(failed.is_empty(), "{failed:?}");

    let manifests = hands::manifests(&hands::tree(&world.git));
    let live = world.cluster.objects();
    for id in slots::objects() {
        let manifest = manifests.iter().find(|manifest| manifest.id == id);
        exists(run, &id, manifest, live.get(&id));
        if let (Some(manifest), Some(live)) = (manifest, live.get(&id)) {
            fields(run, &id, &manifest.value, live);
        }
    }
    elsewhere::look(run, &manifests, &live);
    let uid = |(id, live): (&ObjectId, &Value)| (id.clone(), text(live, "/metadata/uid").to_owned());
    let checkpoint = Checkpoint {
        live: live.iter().map(uid).collect(),
        manifests: manifests.iter().map(|manifest| manifest.id.clone()).collect(),
        patched: hands::patches(&hands::tree(&world.git)).into_iter().map(|patch| patch.id).collect(),
        values: slots::objects()
            .map(|id| {
                let manifest = manifests.iter().find(|manifest| manifest.id == id).map(|found| found.value.clone());
                let live = live.get(&id).map(content);
                (id, (manifest, live))
            })
            .collect(),
        held: slots::objects().filter(|id| said(run, id).contains("Held")).collect(),
        loose: BTreeSet::new(),
    };
    if let Some(before) = &run.checkpoint {
        followed(run, before, &checkpoint);
    }
    checkpoint
}

fn said(run: &Run, id: &ObjectId) -> String {
    format!("{:?}", run.world.said(id))
}

/// What exists on the deciding side exists on the other.
fn exists(run: &Run, id: &ObjectId, manifest: Option<&Manifest>, live: Option<&Value>) {
    let housed = run.world.cluster.object(&namespace(id.namespace().unwrap())).is_some();
    match (existence(&run.rules, id), manifest, live) {
        (Way::To(To::Cluster), Some(_), None) => assert!(!housed, "{id} is not created: {}", said(run, id)),
        (Way::To(To::Git), None, Some(live)) => {
            let has_writer = managed::entries(live).iter().any(|entry| entry.manager.name != MANAGER);
            assert!(!has_writer, "{id} has no manifest: {}\n{live}", said(run, id));
        }
        (Way::To(To::Both(_)), Some(_), None) | (Way::To(To::Both(_)), None, Some(_)) => {
            assert!(!housed || !run.world.said(id).is_empty(), "{id} is on one side only, and nobody says why");
        }
        _ => {}
    }
}

/// What stands on the deciding side stands on the other.
fn fields(run: &Run, id: &ObjectId, manifest: &Value, live: &Value) {
    let told = || format!("{}\n{manifest}\n{live}", said(run, id));
    let one_way = |way: Way| matches!(way, Way::To(To::Cluster | To::Git));
    if let Some(difference) = differs(&run.rules, id, manifest, live, one_way) {
        panic!("{id} differs: {difference}: {}", told());
    }
    let schema = Schema::builtin();
    let view = schema.view_of(live);
    for path in slots::slots(id) {
        let (None, Some(there)) = (compare::get(manifest, &path, view), compare::get(live, &path, view)) else {
            continue;
        };
        // A container that Git does not have is there or not as a whole.
        let is_default = path == FieldPath::fields(["spec", "replicas"]);
        match way(&run.rules, id, &path) {
            Way::To(To::Cluster) => {
                let owned = own_fields(live, MANAGER).is_some_and(|own| own.contains(&path));
                assert!(!owned, "{id} {path} left Git and is still applied: {}", told());
            }
            Way::To(To::Git) => {
                let entries = managed::entries(live);
                let declared =
                    entries.iter().any(|entry| entry.manager.name != MANAGER && entry.fields.contains(&path));
                let is_wanted = if is_default { *there != 1 } else { declared || names(&run.rules, id, &path) };
                let in_item = path.elements().len() > 4 && path.elements()[0] != slots::slots(id)[0].elements()[0];
                assert!(!is_wanted || in_item, "{id} {path} is not written to Git: {}", told());
            }
            _ => {}
        }
    }
}

/// What was deleted on the deciding side is gone from the other.
fn followed(run: &Run, before: &Checkpoint, now: &Checkpoint) {
    for (id, uid) in before.live.iter().filter(|(id, _)| before.values.contains_key(*id)) {
        if !before.manifests.contains(id) || before.loose.contains(id) {
            continue;
        }
        let (then, is) = (&before.values[id], &now.values[id]);
        if let Some(uid_now) = now.live.get(id)
            && uid_now == uid
            && now.manifests.contains(id)
        {
            merged(run, id, then, is);
        }
        match existence(&run.rules, id) {
            // One side differs from what both agreed on, and so it is held as well.
            Way::To(To::Both(_)) if before.held.contains(id) => {}
            Way::To(To::Both(_)) if is.0.is_none() && is.1 == then.1 && now.live.get(id) == Some(uid) => {
                let live = run.world.cluster.object(id).unwrap();
                let owned = own_fields(&live, MANAGER).is_some_and(|own| !own.is_empty());
                assert!(!owned, "{id} left Git, was not changed and is still live: {}", said(run, id));
            }
            Way::To(To::Both(_)) if is.1.is_none() && is.0 == then.0 => {
                panic!("{id} is gone from the cluster, was not changed and is still in Git: {}", said(run, id));
            }
            // As long as a patch shows it, nobody knows.
            Way::To(To::Cluster) if now.patched.contains(id) => {}
            Way::To(To::Cluster) if !now.manifests.contains(id) && now.live.get(id) == Some(uid) => {
                let live = run.world.cluster.object(id).unwrap();
                let owned = own_fields(&live, MANAGER).is_some_and(|own| !own.is_empty());
                assert!(!owned, "{id} left Git and is still live: {}", said(run, id));
            }
            Way::To(To::Git) if !now.live.contains_key(id) && now.manifests.contains(id) => {
                panic!("{id} is gone from the cluster and still in Git: {}", said(run, id));
            }
            _ => {}
        }
    }
}

/// A field that either side may change, and that one side changed, is the same on both now; one that both changed is held or
/// decided.
fn merged(run: &Run, id: &ObjectId, then: &(Option<Value>, Option<Value>), now: &(Option<Value>, Option<Value>)) {
    let schema = Schema::builtin();
    let get = |side: &Option<Value>, path: &FieldPath| {
        let object = side.as_ref()?;
        compare::get(object, path, schema.view_of(object)).cloned()
    };
    for path in slots::slots(id) {
        let Way::To(To::Both(conflict)) = way(&run.rules, id, &path) else { continue };
        let (git, live) = (get(&now.0, &path), get(&now.1, &path));
        let (git_then, live_then) = (get(&then.0, &path), get(&then.1, &path));
        // Left out, the replicas are what somebody scaled them to.
        let is_replicas = path == FieldPath::fields(["spec", "replicas"]) && (git.is_none() || git_then.is_none());
        if git == live || git_then != live_then || is_replicas {
            continue;
        }
        let told = || format!("{id} {path} was {git_then:?}, is {git:?} in Git and {live:?} live: {}", said(run, id));
        let (in_git, in_cluster) = (git != git_then, live != live_then);
        assert!(in_git && in_cluster, "a change on one side does not arrive: {}", told());
        assert!(conflict == Conflict::Neither, "a conflict is not decided: {}", told());
        assert!(!run.world.said(id).is_empty(), "a conflict is not told: {}", told());
    }
}
