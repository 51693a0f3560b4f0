//! What a running controller tells of itself: the status page, metrics and Events, from the engine's progress.

use std::sync::Arc;

use jiff::Timestamp;

use crate::cluster::{Cluster as _, Event, EventLevel, Events};
use crate::object::readiness::Unready;
use crate::object::{GroupKind, ObjectId};
use crate::report::reporter::Listener;
use crate::report::status::{Capped, Deferred, FileLine, KindLine, Readiness, RuleLine, Trouble, UnreadyLine};
use crate::report::{Change, Place, Reporter, RuleRef, Side, Status};
use crate::repository::Repository;
use crate::rules::{Direction, Rules};

use crate::sync::planner::Identity;

use super::rules_source::RulesSource;
use super::session::{LiveEngine, Session};

/// How many skipped files the page lists.
const FILES: usize = 200;

/// The page of a process that has just started.
pub fn first_page(session: &Session, source: &RulesSource) -> Status {
    let mut page = Status {
        instance: format!("{}/{}", session.identity.namespace, session.identity.name),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: Some(Timestamp::now()),
        waiting_for: vec!["both sides to be read".to_owned()],
        ..Status::default()
    };
    page.rules.origin = source.name().to_owned();
    page.cluster.server = session.cluster.connection().url().to_owned();
    page
}

/// These rules are in force from now on.
pub fn in_force(reporter: &Reporter, session: &Session, rules: &Rules, source: &RulesSource) {
    let remote = session.git_url(rules).map(|url| url.to_string()).unwrap_or_default();
    tracing::info!(rules = rules.rules.len(), origin = source.name(), remote, "rules in force");
    let line = |rule: &crate::rules::Rule| RuleLine {
        index: rule.index,
        name: rule.name.clone(),
        sync_to: rule.sync_to.as_str().to_owned(),
        direction: match rule.sync_to {
            Direction::Kubernetes => "Git -> cluster",
            Direction::Git => "cluster -> Git",
            Direction::Both => "Git <-> cluster",
            Direction::Observe => "observe",
        }
        .to_owned(),
        filters: rule.fields.iter().map(ToString::to_string).collect(),
        suspended: rule.suspend,
        ..RuleLine::default()
    };
    reporter.status.update(|page| {
        page.rules.list = rules.rules.iter().map(line).collect();
        page.rules.loaded = Some(Timestamp::now());
        page.rules.error = None;
        page.git.remote = remote;
        page.git.path = rules.git_path.clone();
        page.git.branch = rules.branch.clone().unwrap_or_default();
    });
}

/// A newer text of the rules cannot be used.
pub fn reload_failed(reporter: &Reporter, events: &Events, identity: &Identity, problem: &str) {
    events.tell(event_of_rules(identity, problem));
    tracing::error!("the rules were not reloaded, the last good ones stay in force: {problem}");
    reporter.metrics.reload(false);
    reporter.status.update(|page| {
        page.rules.error = Some(Trouble { since: Timestamp::now(), message: problem.to_owned() });
    });
}

/// Brings the page up to the engine's progress.
pub fn publish(reporter: &Reporter, engine: &LiveEngine, repository: &Repository, is_ready: bool) {
    let progress = engine.progress();
    for kind in &progress.kinds {
        let line = KindLine {
            kind: kind.kind.to_string(),
            synced: kind.synced,
            unwatched: kind.unwatched.clone(),
            objects: kind.objects,
        };
        reporter.status.kind(&kind.kind, Some(line));
    }
    let branch = repository.branch();
    let files: Vec<FileLine> = engine
        .skipped_files()
        .take(FILES)
        .map(|(path, line, reason)| FileLine { place: Place::new(path.as_str(), Some(line)), reason })
        .collect();
    reporter.status.files(files);
    reporter.metrics.queue(progress.queue);
    reporter.metrics.manifests(progress.manifests);
    reporter.metrics.batched(progress.batched);
    reporter.metrics.fights(progress.fights);
    reporter.metrics.watched(progress.kinds.iter().map(|kind| kind.objects).sum());
    reporter.status.update(|page| {
        page.git.head = progress.head.map(|head| head.to_string());
        let is_synced = is_ready && progress.queue == 0 && progress.in_flight == 0;
        if is_synced {
            page.git.synced = page.git.head.clone();
        }
        if let Some(branch) = branch {
            page.git.branch = branch;
        }
        page.git.manifests = progress.manifests;
        page.git.batched = progress.batched;
        page.git.deferred = progress.deferred.and_then(|(left, key)| {
            let until = Timestamp::now().checked_add(left).ok()?;
            // To the second, so that a page does not change with every look at the clock.
            Some(Deferred { until: until.round(jiff::Unit::Second).ok()?, key: key.to_owned() })
        });
        page.queue = progress.queue;
        let counts = progress.agreed.iter().zip(&progress.unready_counts);
        for (line, (agreed, [in_progress, failed])) in page.rules.list.iter_mut().zip(counts) {
            line.objects = *agreed;
            let ready = agreed.saturating_sub(in_progress + failed);
            line.readiness = Readiness { ready, in_progress: *in_progress, failed: *failed };
        }
        let rule = |index: usize| page.rules.list.get(index).map_or(RuleRef::new(index, ""), RuleLine::rule_ref);
        let line = |(id, index, why): &(ObjectId, usize, Unready)| UnreadyLine {
            object: id.to_string(),
            rule: rule(*index),
            stage: why.stage.as_str().to_owned(),
            reason: why.reason.to_string(),
        };
        let list = progress.unready.iter().map(line).collect();
        page.unready = Capped { list, more: progress.unready_more };
    });
}

/// The API server is out of reach, or answers again.
pub fn cluster_trouble(reporter: &Reporter, trouble: Option<String>) {
    reporter.status.update(|page| {
        let before = page.cluster.error.take();
        page.cluster.error = trouble.map(|message| {
            let same = before.filter(|before| before.message == message);
            same.unwrap_or_else(|| {
                tracing::warn!("the lease cannot be had, so nothing is written: {message}");
                Trouble { since: Timestamp::now(), message }
            })
        });
    });
}

/// Starts the writer of Events.
pub fn start_events(session: &Session) -> Arc<Events> {
    let instance = std::env::var("HOSTNAME").unwrap_or_else(|_| session.identity.name.clone());
    Arc::new(Events::start(session.cluster.connection(), &instance))
}

/// Writes what a person must look at as Events beside the objects concerned.
pub fn events_of_changes(session: &Session, events: Arc<Events>) -> Listener {
    let cluster = session.cluster.clone();
    Arc::new(move |change: &Change| {
        if !change.verb.is_trouble() {
            return;
        }
        let kinds = cluster.kinds();
        let Some(kind) = kinds.get(change.object.group_kind()) else { return };
        events.tell(Event {
            regarding: change.object.clone(),
            version: kind.preferred_version().into(),
            uid: None,
            level: EventLevel::Warning,
            action: if change.side == Side::Git { "WriteBack" } else { "Apply" },
            reason: change.verb.event_reason(),
            note: change.to_string(),
        });
    })
}

/// The rules were not reloaded: told beside our Lease, the one object that every instance has.
fn event_of_rules(identity: &Identity, problem: &str) -> Event {
    let lease = GroupKind::new("coordination.k8s.io", "Lease");
    Event {
        regarding: ObjectId::new(lease, &identity.namespace, &identity.name),
        version: "v1".into(),
        uid: None,
        level: EventLevel::Warning,
        action: "Reload",
        reason: "RulesRefused",
        note: format!("the rules were not reloaded, the last good ones stay in force: {problem}"),
    }
}
