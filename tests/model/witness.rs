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
use super::rules::{Rule, To, Way, existence, way};
use super::slots;
use super::world::World;

/// How long an object is missing before its manifest goes.
const DELETE_DELAY: Duration = Duration::from_secs(15);

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

    fn judge_write(&self, world: &World, write: &Write) {
        let Write { verb, id, before, after } = write;
        let to_cluster = Way::To(To::Cluster);
        let told = || format!("{verb} of {id}:\n{}\n{}", shown(before.as_ref()), shown(after.as_ref()));
        match (before, after) {
            (None, _) => {
                assert!(
                    self.any(|rules| existence(rules, id) == to_cluster),
                    "no rule allows this creation: {}",
                    told()
                );
            }
            (Some(before), None) => {
                let uid = text(before, "/metadata/uid");
                assert!(self.agreed.contains(id, uid), "what never agreed is deleted: {}", told());
                assert!(self.any(|rules| existence(rules, id) == to_cluster), "no rule allows this delete: {}", told());
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
                let all = |rules: &Vec<Rule>| changed.iter().all(|path| way(rules, id, path) == to_cluster);
                assert!(self.any(all), "no rule allows this change of {changed:?}: {} {:?}", told(), world.said(id));
            }
        }
    }

    fn judge_commit(&self, world: &World, before: &Tree, after: &Tree) {
        let (was, is) = (manifests(before), manifests(after));
        let to_git = Way::To(To::Git);
        for Manifest { id, text, value, .. } in &was {
            if is.iter().any(|other| other.id == *id && other.text.trim() == text.trim()) {
                continue;
            }
            let Some(new) = is.iter().find(|other| other.id == *id) else {
                self.judge_removal(world, id);
                continue;
            };
            let changed = changed(value, &new.value);
            let told = || format!("{id}: {changed:?}\n{text}\n{}\n{:?}", new.text, world.said(id));
            assert!(!changed.is_empty(), "a text changed without a reason: {}", told());
            let all = |rules: &Vec<Rule>| changed.iter().all(|path: &FieldPath| way(rules, id, path) == to_git);
            assert!(self.any(all), "no rule allows this edit of {}", told());
            for comment in text.lines().filter(|line| line.starts_with('#') || line.contains(" # why")) {
                assert!(new.text.contains(comment), "a comment is lost in {}", told());
            }
        }
        for Manifest { id, .. } in is.iter().filter(|new| !was.iter().any(|other| other.id == new.id)) {
            let allowed = self.any(|rules| existence(rules, id) == to_git);
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

    fn judge_removal(&self, world: &World, id: &ObjectId) {
        let told = || format!("the manifest of {id}: {:?}", world.said(id));
        assert!(self.any(|rules| existence(rules, id) == Way::To(To::Git)), "no rule allows to remove {}", told());
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
