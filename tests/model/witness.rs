//! Looks at every write of the engine, on both sides, and says when one is not allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kubeferry::object::{FieldPath, ObjectId, Schema, compare};
use kubeferry::repository::CommitId;
use kubeferry::sync::clock::Clock;
use serde_json::Value;

use super::agreed::Agreed;
use super::hands::{Manifest, manifests};
use super::memory_cluster::{Write, content, text};
use super::memory_remote::Tree;
use super::objects::changed;
use super::rules::{Conflict, Rule, To, Way, existence, way};
use super::slots;
use super::world::World;

/// How long an object is missing before its manifest goes.
const DELETE_DELAY: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Git,
    Live,
}

pub struct Witness {
    /// The rules in force, and before them those that calls under way may still follow.
    rules: Vec<Vec<Rule>>,
    /// Steps since the rules changed.
    since: usize,
    agreed: Agreed,
    /// Since when an object is not live, and whether it went with its namespace.
    missing: BTreeMap<ObjectId, (Duration, bool)>,
    /// Objects that were missing long enough for their manifests to go, and are live again.
    was_missing: BTreeSet<ObjectId>,
    /// Every value that a field ever had on a side.
    values: BTreeSet<(ObjectId, FieldPath, Side, String)>,
    parsed: BTreeMap<CommitId, Vec<Manifest>>,
    judged: BTreeSet<CommitId>,
    seen: (u64, Option<CommitId>),
    tip: Option<CommitId>,
    /// Writes to the cluster so far.
    pub writes: usize,
    /// Whether everything is printed, for whoever looks into a history.
    tells: bool,
}

impl Witness {
    pub fn new(rules: &[Rule]) -> Self {
        Self {
            rules: vec![rules.to_vec()],
            since: 0,
            agreed: Agreed::default(),
            missing: BTreeMap::new(),
            was_missing: BTreeSet::new(),
            values: BTreeSet::new(),
            parsed: BTreeMap::new(),
            judged: BTreeSet::new(),
            seen: (0, None),
            tip: None,
            writes: 0,
            tells: std::env::var("KUBEFERRY_TELL").is_ok(),
        }
    }

    pub fn reloaded(&mut self, rules: &[Rule]) {
        self.rules.push(rules.to_vec());
        self.since = 0;
    }

    /// What was kept over restarts is lost.
    pub fn forgets(&mut self) {
        self.agreed.clear();
    }

    /// At rest: what stands on neither side has no past any more.
    pub fn rested(&mut self, id: &ObjectId) {
        self.agreed.forget(id);
    }

    pub fn namespace_went(&mut self, name: &str) {
        for id in slots::objects().filter(|id| id.namespace() == Some(name)) {
            self.missing.entry(id).or_insert((Duration::ZERO, true)).1 = true;
        }
    }

    /// Looks at what one step did.
    pub fn look(&mut self, world: &World) {
        self.since += 1;
        // First the branch: what was read from it may be written already.
        self.note_branch(world);
        for write in world.cluster.take_writes() {
            self.writes += 1;
            if self.tells {
                println!("{:?} {} of {}: {}", world.now(), write.verb, write.id, shown(write.after.as_ref()));
            }
            self.judge_write(world, &write);
        }
        self.look_at_branch(world);
        self.look_at_sides(world);
        // Calls that were planned by former rules have ended when nothing was under way for two steps.
        if self.since > 2 && world.pace.is_quiet() {
            self.rules.drain(..self.rules.len() - 1);
        }
    }

    fn look_at_sides(&mut self, world: &World) {
        let now = (world.cluster.version(), world.engine.progress().head);
        if now == self.seen {
            return;
        }
        let before = std::mem::replace(&mut self.seen, now);
        if self.tells {
            println!("{:?} version {}, head {:?}, tip {:?}", world.now(), now.0, now.1, world.git.tip());
        }
        let live = world.cluster.objects();
        for id in slots::objects() {
            if let Some(live) = live.get(&id) {
                self.note_values(&id, live, Side::Live);
            }
            if !live.contains_key(&id) {
                self.missing.entry(id).or_insert((world.clock.now(), false));
            } else if let Some((since, _)) = self.missing.remove(&id)
                && since + DELETE_DELAY <= world.clock.now()
            {
                self.was_missing.insert(id);
            }
        }
        // Within one step an object may agree with the head that the same step leaves behind.
        for head in [before.1, now.1].into_iter().flatten() {
            let parsed = self
                .parsed
                .entry(head)
                .or_insert_with(|| world.git.show(head).map(|(_, tree, _)| manifests(&tree)).unwrap_or_default());
            for rules in &self.rules {
                self.agreed.look(rules, parsed, &live);
            }
        }
    }

    /// What people committed since.
    fn note_branch(&mut self, world: &World) {
        let mut at = world.git.tip();
        while let Some(commit) = at
            && !self.judged.contains(&commit)
            && let Some((parent, tree, _)) = world.git.show(commit)
        {
            for manifest in manifests(&tree) {
                self.note_values(&manifest.id, &manifest.value, Side::Git);
            }
            at = parent;
        }
    }

    fn look_at_branch(&mut self, world: &World) {
        let tip = world.git.tip();
        if tip == self.tip {
            return;
        }
        self.tip = tip;
        let mut at = tip;
        while let Some(commit) = at
            && self.judged.insert(commit)
            && let Some((parent, tree, message)) = world.git.show(commit)
        {
            for manifest in manifests(&tree) {
                self.note_values(&manifest.id, &manifest.value, Side::Git);
            }
            if message.contains("Kubeferry-Instance:") {
                let before = parent.and_then(|parent| world.git.show(parent)).map(|(_, tree, _)| tree);
                self.judge_commit(world, &before.unwrap_or_default(), &tree);
            }
            at = parent;
        }
        self.was_missing.clear();
    }

    /// Whether one of the rules that may still act allows it.
    fn any(&self, allows: impl FnMut(&Vec<Rule>) -> bool) -> bool {
        self.rules.iter().any(allows)
    }

    /// Whether a value that is written over was never on the other side, although either side may be right: an edit is lost.
    fn loses(&self, rules: &[Rule], id: &ObjectId, path: &FieldPath, before: &Value, side: Side) -> bool {
        let Way::To(To::Both(conflict)) = way(rules, id, path) else { return false };
        let schema = Schema::builtin();
        let Some(value) = compare::get(before, path, schema.view_of(before)) else { return false };
        let overrules = if side == Side::Live { Conflict::Git } else { Conflict::Cluster };
        let is_default = side == Side::Live && *path == FieldPath::fields(["spec", "replicas"]) && *value == 1;
        let is_slot = slots::slots(id).contains(path);
        let other = if side == Side::Live { Side::Git } else { Side::Live };
        let was_there = self.values.contains(&(id.clone(), path.clone(), other, value.to_string()));
        is_slot && !is_default && !was_there && conflict != overrules
    }

    fn note_values(&mut self, id: &ObjectId, object: &Value, side: Side) {
        let schema = Schema::builtin();
        let view = schema.view_of(object);
        for path in slots::slots(id) {
            if let Some(value) = compare::get(object, &path, view) {
                self.values.insert((id.clone(), path.clone(), side, value.to_string()));
            }
        }
    }

    fn judge_write(&self, world: &World, write: &Write) {
        let Write { verb, id, before, after } = write;
        let told = || format!("{verb} of {id}:\n{}\n{}", shown(before.as_ref()), shown(after.as_ref()));
        match (before, after) {
            (None, _) => {
                assert!(self.any(|rules| existence(rules, id).applies()), "no rule allows this creation: {}", told());
            }
            (Some(before), None) => {
                let uid = text(before, "/metadata/uid");
                assert!(self.agreed.contains(id, uid), "what never agreed is deleted: {}", told());
                let allows = |rules: &Vec<Rule>| {
                    let unsaid =
                        slots::slots(id).into_iter().find(|path| self.loses(rules, id, path, before, Side::Live));
                    existence(rules, id).applies() && (existence(rules, id) == Way::To(To::Cluster) || unsaid.is_none())
                };
                assert!(self.any(allows), "no rule allows this delete: {}", told());
            }
            (Some(before), Some(after)) => {
                let mut changed = changed(&content(before), &content(after));
                if *verb == "create" {
                    // A creation that somebody else was ahead of may add to what it finds, since no request says "only if
                    // there is none"; it may replace nothing.
                    let schema = Schema::builtin();
                    let view = schema.view_of(before);
                    changed.retain(|path| compare::get(before, path, view).is_some());
                }
                let all = |rules: &Vec<Rule>| {
                    let may = |path: &FieldPath| {
                        way(rules, id, path).applies() && !self.loses(rules, id, path, before, Side::Live)
                    };
                    changed.iter().all(may)
                };
                assert!(self.any(all), "no rule allows this change of {changed:?}: {} {:?}", told(), world.said(id));
            }
        }
    }

    fn judge_commit(&self, world: &World, before: &Tree, after: &Tree) {
        let (was, is) = (manifests(before), manifests(after));
        for Manifest { id, text, value, .. } in &was {
            if is.iter().any(|other| other.id == *id && other.text.trim() == text.trim()) {
                continue;
            }
            let Some(new) = is.iter().find(|other| other.id == *id) else {
                self.judge_removal(world, id, value);
                continue;
            };
            let changed = changed(value, &new.value);
            let told = || format!("{id}: {changed:?}\n{text}\n{}\n{:?}", new.text, world.said(id));
            assert!(!changed.is_empty(), "a text changed without a reason: {}", told());
            let all = |rules: &Vec<Rule>| {
                let may =
                    |path: &FieldPath| way(rules, id, path).writes() && !self.loses(rules, id, path, value, Side::Git);
                changed.iter().all(may)
            };
            assert!(self.any(all), "no rule allows this edit of {}", told());
            for comment in text.lines().filter(|line| line.starts_with('#') || line.contains(" # why")) {
                assert!(new.text.contains(comment), "a comment is lost in {}", told());
            }
        }
        for Manifest { id, .. } in is.iter().filter(|new| !was.iter().any(|other| other.id == new.id)) {
            let allowed = self.any(|rules| existence(rules, id).writes());
            assert!(allowed, "no rule allows a manifest of {id}");
        }
        for (path, bytes) in before {
            let text = String::from_utf8_lossy(bytes);
            if let Some((_, broken)) = text.split_once("<<<<<<<") {
                let broken = broken.split("\n---").next().unwrap_or_default();
                let now = after.get(path).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default();
                assert!(
                    now.contains(broken.trim_end()),
                    "what nobody can read is changed: {path}\n{text}\n=====\n{now}"
                );
            }
        }
    }

    fn judge_removal(&self, world: &World, id: &ObjectId, manifest: &Value) {
        let told = || format!("the manifest of {id}: {:?}", world.said(id));
        let allows = |rules: &Vec<Rule>| {
            let unsaid = slots::slots(id).into_iter().find(|path| self.loses(rules, id, path, manifest, Side::Git));
            existence(rules, id).writes() && (existence(rules, id) == Way::To(To::Git) || unsaid.is_none())
        };
        assert!(self.any(allows), "no rule allows to remove {}", told());
        assert!(self.agreed.knows(id), "what never agreed is removed: {}", told());
        match self.missing.get(id) {
            Some((since, went_along)) => {
                assert!(!went_along, "its namespace went, and so does {}", told());
                assert!(*since + DELETE_DELAY <= world.clock.now(), "it may come back: {}", told());
            }
            None => assert!(self.was_missing.contains(id), "it was never missing long enough: {}", told()),
        }
    }
}

fn shown(object: Option<&Value>) -> String {
    object.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}
