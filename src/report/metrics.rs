//! Owns the numbers that `/metrics` serves. Must never use the name of an object, a file or a commit as a label: label
//! sets are small and fixed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::change::Change;
use super::verb::{Side, Verb};

impl EncodeLabelValue for Side {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        self.as_str().encode(encoder)
    }
}

impl EncodeLabelValue for Verb {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        self.as_str().encode(encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChangeLabels {
    side: Side,
    verb: Verb,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: Verb,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SideLabels {
    side: Side,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

/// How a push ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushResult {
    /// The remote has the commit.
    Pushed,
    /// The branch had moved; planned again on the new head.
    Raced,
    /// The remote declined it.
    Refused,
    /// The remote could not be reached.
    Failed,
}

/// How a fetch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchResult {
    /// A new head.
    Changed,
    /// The head that was known.
    Unchanged,
    /// The remote could not be reached.
    Failed,
}

struct Inner {
    registry: Registry,
    changes: Family<ChangeLabels, Counter>,
    states: Family<StateLabels, Gauge>,
    errors: Family<KindLabels, Counter>,
    commits: Counter,
    pushes: Family<ResultLabels, Counter>,
    fetches: Family<ResultLabels, Counter>,
    fetch_time: Histogram,
    push_time: Histogram,
    apply_time: Histogram,
    plan_time: Histogram,
    reloads: Family<ResultLabels, Counter>,
    queue: Gauge,
    watched: Gauge,
    manifests: Gauge,
    batched: Gauge,
    fights: Family<SideLabels, Gauge>,
    leader: Gauge,
    ready: Gauge,
    synced: Gauge<f64, AtomicU64>,
}

/// The metrics of this process. Cloning is cheap and gives the same metrics.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// New metrics, all zero.
    pub fn new() -> Self {
        // 1 ms to 65 s for what goes over the network, 10 us to 2.6 s for planning.
        let network = || Histogram::new(exponential_buckets(0.001, 4.0, 9));
        let mut inner = Inner {
            registry: Registry::with_prefix("kubeferry"),
            changes: Family::default(),
            states: Family::default(),
            errors: Family::default(),
            commits: Counter::default(),
            pushes: Family::default(),
            fetches: Family::default(),
            fetch_time: network(),
            push_time: network(),
            apply_time: network(),
            plan_time: Histogram::new(exponential_buckets(0.000_01, 4.0, 10)),
            reloads: Family::default(),
            queue: Gauge::default(),
            watched: Gauge::default(),
            manifests: Gauge::default(),
            batched: Gauge::default(),
            fights: Family::default(),
            leader: Gauge::default(),
            ready: Gauge::default(),
            synced: Gauge::default(),
        };
        inner.register();
        // Written once, so that a rate over them is right from the first event on.
        for result in ["ok", "failed"] {
            drop(inner.reloads.get_or_create(&ResultLabels { result }));
        }
        for result in ["pushed", "raced", "refused", "failed"] {
            drop(inner.pushes.get_or_create(&ResultLabels { result }));
        }
        for result in ["changed", "unchanged", "failed"] {
            drop(inner.fetches.get_or_create(&ResultLabels { result }));
        }
        for side in [Side::Cluster, Side::Git] {
            drop(inner.fights.get_or_create(&SideLabels { side }));
        }
        for verb in Verb::ALL {
            match verb {
                Verb::Created | Verb::Configured | Verb::Deleted | Verb::Released | Verb::Adopted => {
                    drop(inner.changes.get_or_create(&ChangeLabels { side: Side::Cluster, verb }));
                }
                Verb::Written | Verb::Removed => {
                    drop(inner.changes.get_or_create(&ChangeLabels { side: Side::Git, verb }));
                }
                _ => drop(inner.states.get_or_create(&StateLabels { state: verb })),
            }
        }
        Self(Arc::new(inner))
    }

    /// Counts what was done.
    pub fn done(&self, change: &Change) {
        self.0.changes.get_or_create(&ChangeLabels { side: change.side, verb: change.verb }).inc();
    }

    /// Sets how many objects are in each state that is not in sync.
    pub fn states(&self, states: &BTreeMap<Verb, usize>) {
        for (verb, count) in states {
            self.0.states.get_or_create(&StateLabels { state: *verb }).set(gauge(*count));
        }
    }

    /// Sets how many fields and objects are held towards each side, the cluster and Git, because somebody keeps undoing
    /// what is written.
    pub fn fights(&self, held: [usize; 2]) {
        for (side, count) in [Side::Cluster, Side::Git].into_iter().zip(held) {
            self.0.fights.get_or_create(&SideLabels { side }).set(gauge(count));
        }
    }

    /// Counts an error; `kind` is a fixed word such as `forbidden`, `conflict`, `git-unreachable`.
    pub fn error(&self, kind: &'static str) {
        self.0.errors.get_or_create(&KindLabels { kind }).inc();
    }

    /// Counts a commit made by us (pushed or not).
    pub fn commit(&self) {
        self.0.commits.inc();
    }

    /// Counts a push and the time it took.
    pub fn push(&self, result: PushResult, took: Duration) {
        let result = match result {
            PushResult::Pushed => "pushed",
            PushResult::Raced => "raced",
            PushResult::Refused => "refused",
            PushResult::Failed => "failed",
        };
        self.0.pushes.get_or_create(&ResultLabels { result }).inc();
        self.0.push_time.observe(took.as_secs_f64());
    }

    /// Counts a fetch and the time it took.
    pub fn fetch(&self, result: FetchResult, took: Duration) {
        let result = match result {
            FetchResult::Changed => "changed",
            FetchResult::Unchanged => "unchanged",
            FetchResult::Failed => "failed",
        };
        self.0.fetches.get_or_create(&ResultLabels { result }).inc();
        self.0.fetch_time.observe(took.as_secs_f64());
    }

    /// The time that one planning of one identity took.
    pub fn planned(&self, took: Duration) {
        self.0.plan_time.observe(took.as_secs_f64());
    }

    /// The time that one change to the cluster took, retries included.
    pub fn applied(&self, took: Duration) {
        self.0.apply_time.observe(took.as_secs_f64());
    }

    /// Counts a reload of the rules.
    pub fn reload(&self, ok: bool) {
        self.0.reloads.get_or_create(&ResultLabels { result: if ok { "ok" } else { "failed" } }).inc();
    }

    /// Identities that wait to be planned.
    pub fn queue(&self, length: usize) {
        self.0.queue.set(gauge(length));
    }

    /// Objects that are watched in the cluster.
    pub fn watched(&self, objects: usize) {
        self.0.watched.set(gauge(objects));
    }

    /// Manifests that are read from Git.
    pub fn manifests(&self, manifests: usize) {
        self.0.manifests.set(gauge(manifests));
    }

    /// Objects whose change waits for the next commit.
    pub fn batched(&self, objects: usize) {
        self.0.batched.set(gauge(objects));
    }

    /// Whether this process holds the Lease.
    pub fn leader(&self, leader: bool) {
        self.0.leader.set(i64::from(leader));
    }

    /// Whether this process is ready.
    pub fn ready(&self, ready: bool) {
        self.0.ready.set(i64::from(ready));
    }

    /// When everything of the newest commit had been tried, in seconds since 1970.
    pub fn synced(&self, seconds: f64) {
        self.0.synced.set(seconds);
    }

    /// All of them in the OpenMetrics text format.
    ///
    /// # Errors
    /// Never in practice: writing to a string does not fail.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.0.registry)?;
        Ok(text)
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Inner {
    fn register(&mut self) {
        let registry = &mut self.registry;
        let build = Info::new(BuildLabels { version: env!("CARGO_PKG_VERSION") });
        registry.register("build", "The program that runs", build);
        registry.register("changes", "Objects changed, by side and what was done", self.changes.clone());
        registry.register("objects_out_of_sync", "Objects that are not in sync, by state", self.states.clone());
        registry.register("errors", "Errors, by kind", self.errors.clone());
        registry.register("commits", "Commits made", self.commits.clone());
        registry.register("pushes", "Pushes, by result; raced ones were planned again", self.pushes.clone());
        registry.register("fetches", "Fetches, by result", self.fetches.clone());
        registry.register_with_unit("fetch", "Time of one fetch", Unit::Seconds, self.fetch_time.clone());
        registry.register_with_unit("push", "Time of one push", Unit::Seconds, self.push_time.clone());
        registry.register_with_unit(
            "apply",
            "Time of one change to the cluster",
            Unit::Seconds,
            self.apply_time.clone(),
        );
        registry.register_with_unit("plan", "Time to plan one object", Unit::Seconds, self.plan_time.clone());
        registry.register("rules_reloads", "Reloads of the rules, by result", self.reloads.clone());
        registry.register("queue_length", "Objects that wait to be planned", self.queue.clone());
        registry.register("watched_objects", "Objects watched in the cluster", self.watched.clone());
        registry.register("manifests", "Manifests read from Git", self.manifests.clone());
        let held = "Fields and objects that are held because somebody keeps undoing what is written";
        registry.register("fights", held, self.fights.clone());
        registry.register("batched_objects", "Objects whose change waits for the next commit", self.batched.clone());
        registry.register("leader", "1 while this process holds the Lease", self.leader.clone());
        registry.register("ready", "1 while this process is ready", self.ready.clone());
        let synced = "When everything of the newest commit had been tried";
        registry.register_with_unit("synced_timestamp", synced, Unit::Seconds, self.synced.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{GroupKind, ObjectId};

    #[test]
    fn the_text_holds_every_family_from_the_start() {
        let text = Metrics::new().text().unwrap();
        for line in [
            concat!("kubeferry_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "kubeferry_changes_total{side=\"cluster\",verb=\"created\"} 0",
            "kubeferry_objects_out_of_sync{state=\"not-ours\"} 0",
            "kubeferry_pushes_total{result=\"raced\"} 0",
            "kubeferry_rules_reloads_total{result=\"failed\"} 0",
            "kubeferry_plan_seconds_count 0",
            "kubeferry_fights{side=\"git\"} 0",
            "kubeferry_leader 0",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn what_happens_is_counted_without_naming_objects() {
        let metrics = Metrics::new();
        let id = ObjectId::new(GroupKind::new("", "ConfigMap"), "shop", "settings");
        metrics.done(&Change::new(id, Side::Git, Verb::Written));
        metrics.states(&BTreeMap::from([(Verb::Held, 3)]));
        metrics.push(PushResult::Raced, Duration::from_millis(3));
        metrics.fetch(FetchResult::Changed, Duration::from_millis(3));
        metrics.error("forbidden");
        metrics.reload(false);
        metrics.leader(true);
        let text = metrics.clone().text().unwrap();
        for line in [
            "kubeferry_changes_total{side=\"git\",verb=\"written\"} 1",
            "kubeferry_objects_out_of_sync{state=\"held\"} 3",
            "kubeferry_pushes_total{result=\"raced\"} 1",
            "kubeferry_fetches_total{result=\"changed\"} 1",
            "kubeferry_errors_total{kind=\"forbidden\"} 1",
            "kubeferry_rules_reloads_total{result=\"failed\"} 1",
            "kubeferry_leader 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("settings"));
    }
}
