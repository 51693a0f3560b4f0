//! Owns the one way by which the engine reports: each change goes to log, status, metrics and listeners alike. Must never
//! block for longer than a listener does.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::board::StatusHandle;
use super::change::{Change, ChangeSet};
use super::metrics::Metrics;
use super::status::{Leader, Role, Trouble};
use crate::object::ObjectId;

/// Something that hears of every change once, for example the writer of Events or the demo. Must return at once.
pub type Listener = Arc<dyn Fn(&Change) + Send + Sync>;

/// Tells everybody. Cloning is cheap and gives the same reporter.
#[derive(Clone)]
pub struct Reporter {
    /// The status page.
    pub status: StatusHandle,
    /// The metrics.
    pub metrics: Metrics,
    listeners: Vec<Listener>,
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reporter({} listeners)", self.listeners.len())
    }
}

impl Reporter {
    /// A reporter without listeners.
    pub fn new(status: StatusHandle, metrics: Metrics) -> Self {
        Self { status, metrics, listeners: Vec::new() }
    }

    /// The same, with one more listener.
    #[must_use]
    pub fn with(mut self, listener: Listener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Reports what was done.
    pub fn done(&self, changes: &ChangeSet) {
        for change in &changes.changes {
            self.status.done(change);
            self.metrics.done(change);
            self.tell(change);
        }
    }

    /// Reports everything that is left undone for one object; empty when it is in sync or gone. What was said before is
    /// not told again.
    pub fn left(&self, object: &ObjectId, changes: Vec<Change>, now: Timestamp) {
        let news = self.status.left(object, changes, now);
        self.metrics.states(&self.status.states());
        news.iter().for_each(|change| self.tell(change));
    }

    /// Reports whether this process is ready, else what it waits for.
    pub fn ready(&self, waiting_for: Vec<String>) {
        let ready = waiting_for.is_empty();
        self.metrics.ready(ready);
        let before = self.status.readiness();
        if before == (ready, waiting_for.clone()) {
            return;
        }
        match (before.0, ready) {
            (false, true) => tracing::info!("ready"),
            (true, false) => tracing::warn!(waiting_for = waiting_for.join("; "), "no longer ready"),
            _ => {}
        }
        self.status.update(|page| {
            page.ready = ready;
            page.waiting_for = waiting_for;
        });
    }

    /// Reports the role of this process towards the Lease.
    pub fn role(&self, role: Role, holder: Option<String>, now: Timestamp) {
        self.metrics.leader(role == Role::Leader);
        self.status.update(|page| {
            let since = if page.leader.role == role { page.leader.since } else { None };
            if since.is_none() {
                tracing::info!(role = role.as_str(), holder, "role");
            }
            page.leader = Leader { role, holder, since: since.or(Some(now)) };
        });
    }

    /// Reports that the remote cannot be used, and why.
    pub fn remote_failed(&self, message: &str, now: Timestamp) {
        tracing::warn!(reason = message, "the remote cannot be used");
        self.status.update(|page| page.git.error = Some(Trouble { since: now, message: message.to_owned() }));
    }

    /// Reports that the remote answered.
    pub fn remote_answered(&self, now: Timestamp) {
        self.status.update(|page| {
            if page.git.error.take().is_some() {
                tracing::info!("the remote answers again");
            }
            page.git.fetched = Some(now);
        });
    }

    fn tell(&self, change: &Change) {
        change.log();
        self.listeners.iter().for_each(|listener| listener(change));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;
    use crate::report::status::Status;
    use crate::report::verb::{Side, Verb};
    use std::sync::Mutex;

    #[test]
    fn one_change_reaches_status_metrics_and_listeners_and_a_repeat_reaches_none() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = heard.clone();
        let reporter = Reporter::new(StatusHandle::new(Status::default()), Metrics::new())
            .with(Arc::new(move |change: &Change| ear.lock().unwrap().push(change.verb)));
        let id = ObjectId::new(GroupKind::new("", "ConfigMap"), "shop", "a");
        let held = Change::new(id.clone(), Side::Git, Verb::Held).because("too many deletes");
        reporter.done(&ChangeSet { changes: vec![Change::new(id.clone(), Side::Cluster, Verb::Created)] });
        reporter.left(&id, vec![held.clone()], Timestamp::UNIX_EPOCH);
        reporter.left(&id, vec![held], Timestamp::UNIX_EPOCH);
        assert_eq!(*heard.lock().unwrap(), [Verb::Created, Verb::Held]);
        assert_eq!(reporter.status.page(1).counters.created, 1);
        let text = reporter.metrics.text().unwrap();
        assert!(text.contains("kubeferry_objects_out_of_sync{state=\"held\"} 1"), "{text}");
        reporter.left(&id, vec![], Timestamp::UNIX_EPOCH);
        assert!(reporter.metrics.text().unwrap().contains("kubeferry_objects_out_of_sync{state=\"held\"} 0"));
    }

    #[test]
    fn readiness_and_role_show_in_status_and_metrics() {
        let reporter = Reporter::new(StatusHandle::new(Status::default()), Metrics::new());
        let now = Timestamp::UNIX_EPOCH;
        reporter.ready(vec!["the first fetch".into()]);
        assert_eq!(reporter.status.readiness(), (false, vec!["the first fetch".into()]));
        reporter.ready(vec![]);
        reporter.role(Role::Leader, Some("me".into()), now);
        reporter.role(Role::Leader, Some("me".into()), now + jiff::SignedDuration::from_secs(9));
        let page = reporter.status.page(0);
        assert_eq!((page.ready, page.leader.role, page.leader.since), (true, Role::Leader, Some(now)));
        let text = reporter.metrics.text().unwrap();
        assert!(text.contains("kubeferry_ready 1") && text.contains("kubeferry_leader 1"));
    }
}
