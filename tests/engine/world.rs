//! One engine between a cluster and a branch in memory.

use std::sync::Arc;
use std::time::Duration;

use kubeferry::object::{GroupKind, ObjectId};
use kubeferry::report::{Metrics, Reporter, Status, StatusHandle};
use kubeferry::rules::Rules;
use kubeferry::sync::clock::Clock;
use kubeferry::sync::engine::{Engine, Mode, Step};
use kubeferry::sync::planner::Identity;
use serde_json::{Value, json};

use super::memory_cluster::MemoryCluster;
use super::memory_remote::MemoryRemote;
use super::pace::{ManualClock, Pace, PacedRemote};

/// The field manager of the engine under test.
pub const MANAGER: &str = "kubeferry:kubeferry/test";

/// More steps than this without rest are an endless loop.
const PATIENCE: usize = 20_000;

pub struct World {
    pub cluster: MemoryCluster,
    pub git: MemoryRemote,
    pub clock: ManualClock,
    pub pace: Pace,
    pub rules: Arc<Rules>,
    pub engine: Engine<MemoryCluster, PacedRemote, ManualClock>,
}

pub fn rules(list: &str) -> Arc<Rules> {
    let text = format!("gitUrl: https://git.example.com/a.git\ninterval: 30s\nrules:\n{list}\n");
    Arc::new(kubeferry::rules::load(&text, "rules.yaml").unwrap_or_else(|problems| panic!("{problems}\n{text}")).rules)
}

impl World {
    /// A world in which nothing was read yet. `list`: the rules, as YAML items.
    pub fn new(list: &str) -> Self {
        Self::at_pace(list, Pace::instant())
    }

    pub fn at_pace(list: &str, pace: Pace) -> Self {
        let cluster = MemoryCluster::new(MANAGER, pace.clone(), &["shop", "lab"]);
        let (git, clock, rules) = (MemoryRemote::default(), ManualClock::default(), rules(list));
        let engine = engine(&cluster, &git, &clock, &pace, &rules, true);
        Self { cluster, git, clock, pace, rules, engine }
    }

    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    /// The process ends and another begins.
    pub fn restart(&mut self, active: bool) {
        self.cluster.forget_watches();
        self.engine = engine(&self.cluster, &self.git, &self.clock, &self.pace, &self.rules, active);
    }

    /// The process ends, and none begins.
    pub fn stop(&mut self) {
        self.cluster.forget_watches();
    }

    /// Another process on both sides, in another mode. The one before has ended: events are told once.
    pub fn then(&self, mode: Mode) -> Self {
        self.cluster.forget_watches();
        let active = mode != Mode::Preview;
        let engine = engine_in(mode, &self.cluster, &self.git, &self.clock, &self.pace, &self.rules, active);
        let (cluster, git, clock) = (self.cluster.clone(), self.git.clone(), self.clock.clone());
        Self { cluster, git, clock, pace: self.pace.clone(), rules: self.rules.clone(), engine }
    }

    pub fn reload(&mut self, list: &str) {
        self.rules = rules(list);
        self.engine.set_rules(self.rules.clone());
    }

    /// Steps until nothing is left to do at this instant. Answers when a timer fires.
    pub fn settle(&mut self) -> Option<Duration> {
        for _ in 0..PATIENCE {
            if let Some(until) = self.step() {
                return until;
            }
        }
        panic!("no rest at {:?}: {:?}", self.clock.now(), self.engine.progress());
    }

    /// One step; `Some` when the world stands still until that instant.
    pub fn step(&mut self) -> Option<Option<Duration>> {
        self.pace.turn();
        self.cluster.turn();
        match self.engine.step() {
            Step::Idle { until } if self.pace.is_quiet() && !self.cluster.lags() => {
                let now = self.clock.now();
                assert!(until.is_none_or(|until| until > now), "it would spin: idle until {until:?} at {now:?}");
                Some(until)
            }
            Step::Worked | Step::Idle { .. } => None,
        }
    }

    /// Lets time pass, with every timer in it.
    pub fn pass(&mut self, seconds: u64) {
        let end = self.clock.now() + Duration::from_secs(seconds);
        while let Some(until) = self.settle().filter(|until| *until <= end) {
            self.clock.set(until);
        }
        self.clock.set(end);
        self.settle();
    }

    /// Commits by hand and lets the engine see it.
    pub fn push(&mut self, writes: &[(&str, Option<&str>)]) {
        self.git.commit_by_hand(writes);
        self.engine.poke();
        self.settle();
    }

    /// What is said of an object that is not in sync.
    pub fn said(&self, id: &ObjectId) -> Vec<String> {
        let of = self.engine.standings().changes().filter(|change| change.object == *id);
        of.map(|change| format!("{:?}: {}", change.verb, change.reason.clone().unwrap_or_default())).collect()
    }

    pub fn assert_said(&self, id: &ObjectId, part: &str) {
        let said = self.said(id);
        assert!(said.iter().any(|text| text.contains(part)), "{part} is not in {said:?}");
    }

    pub fn assert_in_sync(&self) {
        let left: Vec<_> = self.engine.standings().changes().collect();
        assert!(left.is_empty(), "{left:?}");
    }

    pub fn live(&self, id: &ObjectId, pointer: &str) -> Value {
        let live = self.cluster.object(id);
        live.and_then(|live| live.pointer(pointer).cloned()).unwrap_or_default()
    }
}

fn engine(
    cluster: &MemoryCluster,
    git: &MemoryRemote,
    clock: &ManualClock,
    pace: &Pace,
    rules: &Arc<Rules>,
    active: bool,
) -> Engine<MemoryCluster, PacedRemote, ManualClock> {
    engine_in(Mode::Run, cluster, git, clock, pace, rules, active)
}

fn engine_in(
    mode: Mode,
    cluster: &MemoryCluster,
    git: &MemoryRemote,
    clock: &ManualClock,
    pace: &Pace,
    rules: &Arc<Rules>,
    active: bool,
) -> Engine<MemoryCluster, PacedRemote, ManualClock> {
    let remote = PacedRemote { inner: git.clone(), pace: pace.clone() };
    let identity = Identity { namespace: "kubeferry".into(), name: "test".into(), takes_over: None };
    let reporter = Reporter::new(StatusHandle::new(Status::default()), Metrics::new());
    let sides = (Arc::new(cluster.clone()), Arc::new(remote), Arc::new(clock.clone()));
    Engine::new(sides, identity, rules.clone(), mode, active, reporter)
}

pub fn config_map_id(namespace: &str, name: &str) -> ObjectId {
    ObjectId::new(GroupKind::new("", "ConfigMap"), namespace, name)
}

pub fn config_map(namespace: &str, name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data})
}

/// A manifest of a ConfigMap `name` in `shop` that says `value`.
pub fn manifest(name: &str, value: &str) -> String {
    format!(
        "# by hand\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: shop\ndata:\n  a: \"{value}\" # why\n"
    )
}

pub fn deployment_id() -> ObjectId {
    ObjectId::new(GroupKind::new("apps", "Deployment"), "shop", "web")
}

/// The live object that somebody makes of [`DEPLOYMENT`] with other values.
pub fn deployment(replicas: u32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "web:0"}]}}}})
}

pub const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  replicas: 3
  selector:
    matchLabels:
      app: web
  template:
    metadata:
      labels:
        app: web
    spec:
      containers:
      - name: web
        image: web:1
";

/// Git is the source of ConfigMaps.
pub const TO_CLUSTER: &str = "- {name: apply, resources: [configmaps], namespaces: [shop], syncTo: kubernetes}";

/// The cluster is the source of ConfigMaps.
pub const TO_GIT: &str = "- {name: capture, resources: [configmaps], namespaces: [shop], syncTo: git}";

/// The replicas of Deployments go to Git, everything else to the cluster.
pub const SPLIT: &str = "\
- {name: scaled, apiGroups: [apps], resources: [deployments], filters: [/spec/replicas], syncTo: git}
- {name: apply, apiGroups: [apps], resources: [deployments], syncTo: kubernetes}";
