//! Owns the question whether a live object has become what its spec asks for, by the rules of kstatus. Must never look at a
//! clock: the same object always gives the same answer.

use std::fmt;

use serde_json::Value;

/// What an object that is not ready is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Its controller is still at work, or has not begun.
    InProgress,
    /// Its controller has given up, or says that it cannot go on.
    Failed,
    /// It is being deleted.
    Terminating,
}

impl Stage {
    /// The word for machines and tables, for example `in-progress`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in-progress",
            Self::Failed => "failed",
            Self::Terminating => "terminating",
        }
    }
}

/// An object that is not ready, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unready {
    /// How it stands.
    pub stage: Stage,
    /// Why, as one line for people; at most [`LONGEST`] bytes.
    pub reason: Box<str>,
}

impl fmt::Display for Unready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.stage.as_str(), self.reason)
    }
}

/// The longest reason that is kept: some controllers write whole logs into a condition.
const LONGEST: usize = 300;

/// Why a live object is not ready; `None` when it is. First what every object may say (deletion, generation, the conditions
/// Reconciling and Stalled), then the rules of its kind, then the condition Ready. An object that says nothing is ready.
///
/// One thing differs from kstatus: a pod that cannot be scheduled counts as in progress, however long it waits.
pub fn unready(live: &Value) -> Option<Unready> {
    let of = Of(live);
    if live.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null()) {
        return Some(told(Stage::Terminating, "is being deleted"));
    }
    if let (Some(generation), Some(observed)) =
        (of.number("/metadata/generation"), of.number("/status/observedGeneration"))
        && generation != observed
    {
        return waits(format!("generation is {generation}, its controller has seen {observed}"));
    }
    for condition in of.conditions().filter(|condition| condition.is("True")) {
        match condition.kind() {
            "Reconciling" => return waits(condition.says()),
            "Stalled" => return failed(condition.says()),
            _ => {}
        }
    }
    let group = live.get("apiVersion").and_then(Value::as_str).and_then(|version| version.split_once('/'));
    let kind = live.get("kind").and_then(Value::as_str).unwrap_or_default();
    match (group.map_or("", |(group, _)| group), kind) {
        ("", "ConfigMap" | "Secret") | ("batch", "CronJob") => None,
        ("", "Service") => of.service(),
        ("", "Pod") => of.pod(),
        ("", "PersistentVolumeClaim") => of.claim(),
        ("apps", "StatefulSet") => of.stateful_set(),
        ("apps", "DaemonSet") => of.daemon_set(),
        ("apps", "Deployment") => of.deployment(),
        ("apps", "ReplicaSet") => of.replica_set(),
        // Its controller has seen the latest generation: it has counted.
        ("policy", "PodDisruptionBudget") => None,
        ("batch", "Job") => of.job(),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => of.definition(),
        _ => of.ready_condition(),
    }
}

fn told(stage: Stage, reason: impl AsRef<str>) -> Unready {
    let reason = reason.as_ref();
    let end = reason.floor_char_boundary(LONGEST);
    Unready { stage, reason: reason.get(..end).unwrap_or_default().into() }
}

fn waits(reason: impl AsRef<str>) -> Option<Unready> {
    Some(told(Stage::InProgress, reason))
}

fn failed(reason: impl AsRef<str>) -> Option<Unready> {
    Some(told(Stage::Failed, reason))
}

struct Condition<'a>(&'a Value);

impl<'a> Condition<'a> {
    fn text(&self, key: &str) -> &'a str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    fn kind(&self) -> &'a str {
        self.text("type")
    }

    fn is(&self, status: &str) -> bool {
        self.text("status") == status
    }

    /// Its message, else its reason, else its name.
    fn says(&self) -> &'a str {
        let texts = [self.text("message"), self.text("reason"), self.kind()];
        texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
    }
}

struct Of<'a>(&'a Value);

impl<'a> Of<'a> {
    fn number(&self, pointer: &str) -> Option<i64> {
        self.0.pointer(pointer).and_then(Value::as_i64)
    }

    fn count(&self, pointer: &str) -> i64 {
        self.number(pointer).unwrap_or_default()
    }

    fn text(&self, pointer: &str) -> &'a str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    fn conditions(&self) -> impl Iterator<Item = Condition<'a>> {
        self.0.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten().map(Condition)
    }

    fn condition(&self, kind: &str) -> Option<Condition<'a>> {
        self.conditions().find(|condition| condition.kind() == kind)
    }

    /// The first of these that has not reached its goal: (what it counts, how many there are, how many there should be).
    fn short(&self, counts: &[(&str, i64, i64)]) -> Option<Unready> {
        let (what, is, should) = counts.iter().find(|(_, is, should)| should > is)?;
        waits(format!("{what}: {is} of {should}"))
    }

    fn deployment(&self) -> Option<Unready> {
        let progressing = self.condition("Progressing");
        if progressing.as_ref().is_some_and(|condition| condition.text("reason") == "ProgressDeadlineExceeded") {
            return failed("its progress deadline has passed");
        }
        let wanted = self.number("/spec/replicas").unwrap_or(1);
        let (replicas, updated) = (self.count("/status/replicas"), self.count("/status/updatedReplicas"));
        if let Some(short) = self.short(&[("replicas", replicas, wanted), ("updated replicas", updated, wanted)]) {
            return Some(short);
        }
        if replicas > wanted {
            return waits(format!("{} replicas are still to be terminated", replicas - wanted));
        }
        let (ready, available) = (self.count("/status/readyReplicas"), self.count("/status/availableReplicas"));
        if let Some(short) =
            self.short(&[("available replicas", available, updated), ("ready replicas", ready, wanted)])
        {
            return Some(short);
        }
        // Without a deadline the condition is not set.
        let has_deadline =
            self.number("/spec/progressDeadlineSeconds").is_some_and(|limit| limit != i64::from(i32::MAX));
        let has_rolled =
            |condition: &Condition<'_>| condition.is("True") && condition.text("reason") == "NewReplicaSetAvailable";
        if has_deadline && !progressing.as_ref().is_some_and(has_rolled) {
            return waits("its new ReplicaSet is not available");
        }
        if self.condition("Available").is_none_or(|condition| !condition.is("True")) {
            return waits("it is not available");
        }
        None
    }

    fn stateful_set(&self) -> Option<Unready> {
        if self.text("/spec/updateStrategy/type") == "OnDelete" {
            return None;
        }
        let wanted = self.number("/spec/replicas").unwrap_or(1);
        let (replicas, ready) = (self.count("/status/replicas"), self.count("/status/readyReplicas"));
        if let Some(short) = self.short(&[("replicas", replicas, wanted), ("ready replicas", ready, wanted)]) {
            return Some(short);
        }
        if replicas > wanted {
            return waits(format!("{} replicas are still to be terminated", replicas - wanted));
        }
        if let Some(partition) = self.number("/spec/updateStrategy/rollingUpdate/partition") {
            return self.short(&[("updated replicas", self.count("/status/updatedReplicas"), wanted - partition)]);
        }
        if let Some(short) = self.short(&[("current replicas", self.count("/status/currentReplicas"), wanted)]) {
            return Some(short);
        }
        (self.text("/status/currentRevision") != self.text("/status/updateRevision"))
            .then(|| told(Stage::InProgress, "the updated revision is not the current one yet"))
    }

    fn replica_set(&self) -> Option<Unready> {
        if self.condition("ReplicaFailure").is_some_and(|condition| condition.is("True")) {
            return waits("pods cannot be made; see its condition ReplicaFailure");
        }
        let wanted = self.number("/spec/replicas").unwrap_or(1);
        let short = self.short(&[
            ("labelled replicas", self.count("/status/fullyLabeledReplicas"), wanted),
            ("available replicas", self.count("/status/availableReplicas"), wanted),
            ("ready replicas", self.count("/status/readyReplicas"), wanted),
        ]);
        let extra = self.count("/status/replicas") - wanted;
        short.or_else(|| {
            (extra > 0).then(|| told(Stage::InProgress, format!("{extra} replicas are still to be terminated")))
        })
    }

    fn daemon_set(&self) -> Option<Unready> {
        if self.number("/metadata/generation").is_none() || self.number("/status/observedGeneration").is_none() {
            return waits("its controller has not seen it yet");
        }
        let Some(wanted) = self.number("/status/desiredNumberScheduled") else {
            return waits("its controller has not counted the nodes yet");
        };
        self.short(&[
            ("scheduled pods", self.count("/status/currentNumberScheduled"), wanted),
            ("updated pods", self.count("/status/updatedNumberScheduled"), wanted),
            ("available pods", self.count("/status/numberAvailable"), wanted),
            ("ready pods", self.count("/status/numberReady"), wanted),
        ])
    }

    fn pod(&self) -> Option<Unready> {
        match self.text("/status/phase") {
            "Succeeded" | "Failed" => None,
            "Running" if self.condition("Ready").is_some_and(|condition| condition.is("True")) => None,
            "Running" => {
                let containers = self.0.pointer("/status/containerStatuses").and_then(Value::as_array);
                let crashes = |container: &&Value| {
                    container.pointer("/state/waiting/reason").and_then(Value::as_str) == Some("CrashLoopBackOff")
                };
                let names: Vec<&str> = containers
                    .into_iter()
                    .flatten()
                    .filter(crashes)
                    .filter_map(|container| container.get("name").and_then(Value::as_str))
                    .collect();
                if names.is_empty() {
                    return waits("it runs and is not ready");
                }
                failed(format!("containers crash again and again: {}", names.join(", ")))
            }
            "Pending" => match self.condition("PodScheduled") {
                Some(condition) if condition.is("False") => waits(format!("not scheduled: {}", condition.says())),
                _ => waits("it is pending"),
            },
            _ => waits("nobody has seen it yet"),
        }
    }

    fn claim(&self) -> Option<Unready> {
        match self.text("/status/phase") {
            "Bound" => None,
            "" => waits("it is not bound"),
            phase => waits(format!("it is not bound but {phase}")),
        }
    }

    fn job(&self) -> Option<Unready> {
        for condition in self.conditions().filter(|condition| condition.is("True")) {
            match condition.kind() {
                "Complete" | "Suspended" => return None,
                "Failed" => return failed(condition.says()),
                _ => {}
            }
        }
        self.text("/status/startTime").is_empty().then(|| told(Stage::InProgress, "it has not started"))
    }

    fn service(&self) -> Option<Unready> {
        let waits_for_address = self.text("/spec/type") == "LoadBalancer" && self.text("/spec/clusterIP").is_empty();
        waits_for_address.then(|| told(Stage::InProgress, "it has no address yet"))
    }

    fn definition(&self) -> Option<Unready> {
        for condition in self.conditions() {
            match condition.kind() {
                "NamesAccepted" if condition.is("False") => return failed(condition.says()),
                "Established" if condition.is("True") => return None,
                "Established" if condition.is("False") && condition.text("reason") != "Installing" => {
                    return failed(condition.says());
                }
                _ => {}
            }
        }
        waits("it is not established yet")
    }

    fn ready_condition(&self) -> Option<Unready> {
        let condition = self.condition("Ready").filter(|condition| !condition.is("True"))?;
        waits(condition.says())
    }
}

#[cfg(test)]
mod tests;
