//! Watches every write of the engine and says when one is not allowed: the oracle of the model test.

use std::collections::BTreeSet;
use std::sync::Arc;

use kubeferry::manifest::{self, Caps, ManifestFile};
use kubeferry::object::managed::own_fields;
use kubeferry::object::{FieldPath, ObjectId, RepoPath, Schema, compare};
use kubeferry::repository::CommitId;
use kubeferry::rules::{Candidate, Direction, Rule, Rules};
use kubeferry::sync::directions::{Directions, Way};
use serde_json::Value;

use super::actors::manifests;
use super::memory_cluster::{Write, at, content, text};
use super::memory_remote::Tree;
use super::objects::{changed, leaves};
use super::world::{MANAGER, World};

pub struct Witness {
    /// The rules that a write may still follow: those in force, and for a while those before.
    rules: Vec<(Arc<Rules>, usize)>,
    /// Objects that were live since the process began, with their UIDs.
    lived: BTreeSet<(ObjectId, String)>,
    /// Objects that a head described which this process has read.
    described: BTreeSet<ObjectId>,
    /// Version of the cluster that was looked at last.
    version: u64,
    head: Option<CommitId>,
    tip: Option<CommitId>,
    steps: usize,
    /// Writes to the cluster so far.
    pub writes: usize,
}

/// How many steps a write of former rules may take.
const LINGER: usize = 60;

impl Witness {
    pub fn new(world: &World) -> Self {
        Self {
            rules: vec![(world.rules.clone(), 0)],
            lived: BTreeSet::new(),
            described: BTreeSet::new(),
            version: 0,
            head: None,
            tip: None,
            steps: 0,
            writes: 0,
        }
    }

    pub fn reloaded(&mut self, world: &World) {
        self.rules.push((world.rules.clone(), self.steps));
    }

    pub fn restarted(&mut self, world: &World) {
        self.look(world);
        self.head = None;
    }

    fn remember_live(&mut self, world: &World) {
        let uid = |live: &Value| text(live, "/metadata/uid").to_owned();
        self.lived.extend(world.cluster.objects().into_iter().map(|(id, live)| (id, uid(&live))));
    }

    /// Looks at what one step did.
    pub fn look(&mut self, world: &World) {
        self.steps += 1;
        while self.rules.len() > 1 && self.rules.get(1).is_some_and(|(_, since)| since + LINGER < self.steps) {
            self.rules.remove(0);
        }
        let version = world.cluster.version();
        if version != self.version {
            self.version = version;
            self.remember_live(world);
        }
        let head = world.engine.progress().head;
        if head != self.head {
            self.head = head;
            let tree = head.and_then(|head| world.git.show(head)).map(|(_, tree, _)| tree).unwrap_or_default();
            self.described.extend(described(&tree));
        }
        for write in world.cluster.take_writes() {
            self.writes += 1;
            self.judge_write(world, &write);
        }
        let tip = world.git.tip();
        if tip != self.tip {
            let mut at = tip;
            while at != self.tip
                && let Some((parent, tree, message)) = at.and_then(|at| world.git.show(at))
            {
                if message.contains("Kubeferry-Instance:") {
                    let before = parent.and_then(|parent| world.git.show(parent)).map(|(_, tree, _)| tree);
                    self.judge_commit(world, &before.unwrap_or_default(), &tree);
                }
                at = parent;
            }
            self.tip = tip;
        }
    }

    /// Whether one of the rules that may still act allows it.
    fn any(&self, mut allows: impl FnMut(&Rules) -> bool) -> bool {
        self.rules.iter().any(|(rules, _)| allows(rules))
    }

    fn judge_write(&self, world: &World, write: &Write) {
        let Write { verb, id, before, after } = write;
        let allowed = match (before, after) {
            (None, _) => self.any(|rules| existence(rules, world, id) == Some(Direction::Kubernetes)),
            (Some(before), None) => {
                let known = (id.clone(), text(before, "/metadata/uid").to_owned());
                assert!(
                    self.lived.contains(&known) && self.described.contains(id),
                    "{id} was deleted and never agreed in this process"
                );
                self.any(|rules| existence(rules, world, id) == Some(Direction::Kubernetes))
            }
            (Some(before), Some(after)) => {
                let mut changed = changed(&content(before), &content(after));
                if own_fields(before, MANAGER).is_none() {
                    // A creation that somebody else was ahead of may add to what it finds, since no request says
                    // "only if there is none"; it may replace nothing.
                    let schema = Schema::builtin();
                    let view = schema.view_of(before);
                    changed.retain(|path| compare::get(before, path, view).is_some());
                }
                self.any(|rules| changed.iter().all(|path| way(rules, world, id, before, path) == Way::ToCluster))
            }
        };
        assert!(allowed, "no rule allows this {verb} of {id}:\n{before:?}\n{after:?}");
    }

    fn judge_commit(&self, world: &World, before: &Tree, after: &Tree) {
        let (was, is) = (all(before), all(after));
        for (id, text, value) in &was {
            if is.iter().any(|(other, same, _)| other == id && same.trim() == text.trim()) {
                continue;
            }
            let Some((_, new_text, new)) = is.iter().find(|(other, ..)| other == id) else {
                assert!(
                    self.lived.iter().any(|(other, _)| other == id) && self.described.contains(id),
                    "the manifest of {id} was removed and never agreed in this process"
                );
                let allowed = self.any(|rules| existence(rules, world, id) == Some(Direction::Git));
                assert!(allowed, "no rule allows to remove the manifest of {id}");
                continue;
            };
            let changed = changed(value, new);
            assert!(!changed.is_empty(), "{id} did not change, but its text did:\n{text}\n{new_text}");
            let allows = |rules: &Rules, path: &FieldPath| {
                way(rules, world, id, value, path) == Way::ToGit && !is_elsewhere(rules, world, id, value, path)
            };
            let allowed = self.any(|rules| changed.iter().all(|path| allows(rules, path)));
            assert!(allowed, "no rule allows this edit of {id}: {changed:?}\n{text}\n{new_text}");
        }
        for (id, ..) in is.iter().filter(|(id, ..)| !was.iter().any(|(other, ..)| other == id)) {
            let allowed = self.any(|rules| existence(rules, world, id) == Some(Direction::Git));
            assert!(allowed, "no rule allows a manifest of {id}");
        }
        for (path, bytes) in before {
            let text = String::from_utf8_lossy(bytes);
            if let Some((_, broken)) = text.split_once("<<<<<<<") {
                let broken = broken.split("\n---").next().unwrap_or_default();
                let now = String::from_utf8_lossy(&after[path]).into_owned();
                assert!(
                    now.contains(broken.trim_end()),
                    "what nobody can read stays as it is: {path}\n{text}\n=====\n{now}"
                );
            }
        }
    }

    /// Nothing is under way, and both sides are equal where the rules say so.
    pub fn at_rest(&self, world: &World) {
        let progress = world.engine.progress();
        assert_eq!((progress.queue, progress.in_flight, progress.batched), (0, 0, 0), "{progress:?}");
        assert_eq!(progress.head, world.git.tip());
        let rules = &*world.rules;
        let mut manifests = manifests(world);
        manifests.retain(|(_, place, _)| !place.path.as_str().ends_with(".patch.yaml"));
        let live = world.cluster.objects();
        let skipped: BTreeSet<ObjectId> =
            world.engine.standings().changes().map(|change| change.object.clone()).collect();
        for (id, _, manifest) in &manifests {
            let said = || format!("{:?}\n{manifest}\n{:?}", world.said(id), live.get(id));
            match live.get(id) {
                None => {
                    assert!(existence(rules, world, id) != Some(Direction::Kubernetes), "{id} is not live: {}", said())
                }
                Some(live) => {
                    for path in leaves(manifest) {
                        let schema = Schema::builtin();
                        let view = schema.view_of(manifest);
                        let (wanted, there) = (compare::get(manifest, &path, view), compare::get(live, &path, view));
                        let same = match (wanted, there) {
                            // An empty map asks for nothing that others would have to give up.
                            (Some(Value::Object(wanted)), Some(Value::Object(_))) if wanted.is_empty() => true,
                            (Some(wanted), Some(there)) => compare::same(wanted, there, at(view, &path)),
                            _ => false,
                        };
                        let decided = matches!(way(rules, world, id, live, &path), Way::ToCluster | Way::ToGit);
                        let decided = decided && !is_elsewhere(rules, world, id, live, &path);
                        assert!(same || !decided || skipped.contains(id), "{id} {path} differs: {}", said());
                    }
                }
            }
        }
        for id in live.keys().filter(|id| !manifests.iter().any(|(other, ..)| other == *id)) {
            let missing = existence(rules, world, id) == Some(Direction::Git) && !skipped.contains(id);
            assert!(!missing, "{id} has no manifest: {:?}", world.said(id));
        }
        let failed: Vec<_> =
            world.engine.standings().changes().filter(|change| format!("{:?}", change.verb) == "Failed").collect();
        assert!(failed.is_empty(), "{failed:?}");
    }
}

fn described(tree: &Tree) -> BTreeSet<ObjectId> {
    all(tree).into_iter().map(|(id, ..)| id).collect()
}

/// Every manifest of a tree: its text and what it says.
fn all(tree: &Tree) -> Vec<(ObjectId, String, Value)> {
    let mut all = Vec::new();
    for (path, bytes) in tree.iter().filter(|(path, _)| !path.as_str().ends_with(".patch.yaml")) {
        let file = ManifestFile::read(RepoPath::parse(path.as_str()).unwrap(), bytes, &Caps::default());
        let text = std::str::from_utf8(bytes).unwrap();
        let documents = manifest::split(text);
        for object in file.objects {
            let value = manifest::read(bytes, &object.place).unwrap();
            let text = documents[object.place.document as usize - 1].text.trim().trim_start_matches("---").to_owned();
            all.push((object.id, text, value));
        }
    }
    all
}

fn matching<'r>(rules: &'r Rules, world: &World, id: &ObjectId) -> Vec<&'r Rule> {
    use kubeferry::cluster::Cluster;
    let kinds = world.cluster.kinds();
    let kind = kinds.get(id.group_kind()).unwrap();
    let labels = Default::default();
    let candidate = Candidate {
        id,
        kind,
        manifest_labels: Some(&labels),
        live_labels: Some(&labels),
        base_labels: None,
        namespace_labels: None,
    };
    rules.matching(&candidate).collect()
}

fn existence(rules: &Rules, world: &World, id: &ObjectId) -> Option<Direction> {
    matching(rules, world, id).into_iter().find(|rule| rule.decides_existence()).map(|rule| rule.sync_to)
}

fn way(rules: &Rules, world: &World, id: &ObjectId, object: &Value, path: &FieldPath) -> Way {
    let schema = Schema::builtin();
    let matching = matching(rules, world, id);
    Directions::new(&matching, Some(object), Some(object), schema.view_of(object)).way(path)
}

/// Whether the field has another place than the manifest.
fn is_elsewhere(rules: &Rules, world: &World, id: &ObjectId, object: &Value, path: &FieldPath) -> bool {
    let schema = Schema::builtin();
    let matching = matching(rules, world, id);
    let rule = Directions::new(&matching, Some(object), Some(object), schema.view_of(object)).of(path).1;
    rule.is_some_and(|rule| rule.format.is_patch() || rule.fields.iter().any(|field| field.to.is_some()))
}
