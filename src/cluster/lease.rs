//! Owns leadership: at most one instance of a name acts at a time. Must never claim to lead when another may do so: whoever
//! could not renew in time stands by before its lease runs out for the others.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::address::{encoded, in_namespace};
use super::backoff::random;
use super::client::Connection;
use super::error::ClusterError;
use super::request::Call;

/// How long a lease holds without being renewed.
const DURATION: Duration = Duration::from_secs(4);

/// How long a leader that can't renew goes on leading, counted from the last renewal that it began and that worked.
const DEADLINE: Duration = Duration::from_secs(3);

/// How long one attempt may take: a second one fits in before the deadline.
const ATTEMPT: Duration = Duration::from_millis(1_500);

/// How often the lease is renewed.
const RETRY: Duration = Duration::from_secs(1);

/// How often those that stand by look at it, and when it may have run out besides: a dead leader is followed soon.
const LOOK: Duration = Duration::from_millis(500);

/// Which lease, and who wants it.
#[derive(Clone, Debug)]
pub struct LeaseName {
    /// Where the Lease lives.
    pub namespace: String,
    /// The instance's name, which is the Lease's.
    pub name: String,
    /// Who we are: unique among all that want it, see [`LeaseName::new`].
    pub holder: String,
}

impl LeaseName {
    /// The lease of an instance. The holder is `pod` (the pod's or the machine's name) and a random number, so that two
    /// processes on one machine differ.
    pub fn new(namespace: &str, name: &str, pod: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into(), holder: format!("{pod}_{:016x}", random()) }
    }
}

/// Whether we may act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leadership {
    /// Somebody else holds the lease; the text says who.
    Standby(Arc<str>),
    /// It can be neither had nor kept, because the API server does not answer or refuses; the text says why.
    Cut(Arc<str>),
    /// We hold it.
    Leader {
        /// How many times the lease has changed hands in all, as it says itself.
        transitions: i64,
        /// How many times this process took it; grows whenever somebody else may have acted in between.
        term: u64,
    },
}

/// One renewal that worked, by both clocks: the machine may have stood still, and then one of them does not know.
#[derive(Clone, Copy, Debug)]
struct Renewal {
    term: u64,
    begun: Instant,
    date: Timestamp,
}

/// What is known of our hold on the lease, to be asked at the very moment of writing: news of a lost lease may still be on
/// its way, above all when this process stood still.
#[derive(Clone, Debug)]
pub struct Hold {
    term: Option<u64>,
    renewals: watch::Receiver<Option<Renewal>>,
}

impl Hold {
    /// Whether we have held the lease without interruption since this was made, and nobody else can have it yet.
    pub fn is_held(&self) -> bool {
        let Some(renewal) = *self.renewals.borrow() else { return false };
        let by_date = Timestamp::now().duration_since(renewal.date).unsigned_abs();
        self.term == Some(renewal.term) && renewal.begun.elapsed() < DEADLINE && by_date < DEADLINE
    }
}

/// A lease that is wanted, and kept once it is had. Dropping it stops renewing; [`Lease::release`] hands it over at once.
pub struct Lease {
    state: watch::Receiver<Leadership>,
    renewals: watch::Receiver<Option<Renewal>>,
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Lease {
    /// Starts to want the lease, until it is released or dropped.
    ///
    /// # Errors
    ///
    /// When the namespace or the name can't be one.
    pub fn acquire(connection: &Connection, name: LeaseName) -> Result<Self, ClusterError> {
        let leases = in_namespace("/apis/coordination.k8s.io/v1", &name.namespace, "leases")?;
        let elector = Elector {
            connection: connection.with_limit(ATTEMPT),
            path: format!("{leases}/{}", encoded(&name.name)),
            leases,
            name,
            held: None,
            seen: None,
            term: (0, 0),
        };
        let (tell, state) = watch::channel(Leadership::Standby("not asked yet".into()));
        let (renewed, renewals) = watch::channel(None);
        let stop = CancellationToken::new();
        let task = AbortOnDropHandle::new(tokio::spawn(elector.run(tell, renewed, stop.clone())));
        Ok(Self { state, renewals, stop, task })
    }

    /// What can be asked whether we still hold the lease as we do now.
    pub fn hold(&self) -> Hold {
        let term = self.renewals.borrow().map(|renewal| renewal.term);
        Hold { term, renewals: self.renewals.clone() }
    }

    /// Tells every change of leadership.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.state.clone()
    }

    /// Waits until we lead, at most for `limit`; why not, otherwise.
    ///
    /// # Errors
    ///
    /// The text of [`Leadership::Standby`] or [`Leadership::Cut`] when the time is over.
    pub async fn wait(&self, limit: Duration) -> Result<(), Arc<str>> {
        let mut state = self.state.clone();
        let leads = |state: &Leadership| matches!(state, Leadership::Leader { .. });
        let waited = timeout(limit, state.wait_for(leads)).await.is_ok_and(|waited| waited.is_ok());
        match (waited, &*self.state.borrow()) {
            (false, Leadership::Standby(why) | Leadership::Cut(why)) => Err(why.clone()),
            _ => Ok(()),
        }
    }

    /// Waits until we do not lead any more; answers why.
    pub async fn lost(&self) -> Arc<str> {
        let mut state = self.state.clone();
        let leads = |state: &Leadership| matches!(state, Leadership::Leader { .. });
        match state.wait_for(|state| !leads(state)).await.as_deref() {
            Ok(Leadership::Standby(why) | Leadership::Cut(why)) => why.clone(),
            _ => "released".into(),
        }
    }

    /// Gives the lease back, if we have it, so that somebody else may take it at once. Takes three seconds at most.
    pub async fn release(self) {
        self.stop.cancel();
        // What is not given back runs out by itself.
        let _ = timeout(ATTEMPT * 2, self.task).await;
    }
}

/// Wants one lease.
struct Elector {
    connection: Connection,
    leases: String,
    path: String,
    name: LeaseName,
    /// The Lease as we last wrote it; `None` when we do not hold it, or can't be sure.
    held: Option<Value>,
    /// Somebody else's hold, when we first saw it in this state, and how long it holds. Their clock is never compared with
    /// ours.
    seen: Option<(Value, Instant, Duration)>,
    /// How often we took the lease, and its transitions when we last did.
    term: (u64, i64),
}

impl Elector {
    async fn run(
        mut self,
        tell: watch::Sender<Leadership>,
        renewals: watch::Sender<Option<Renewal>>,
        stop: CancellationToken,
    ) {
        // When the latest renewal that worked was begun; `None` while standing by.
        let mut renewed: Option<Instant> = None;
        loop {
            let (begun, date) = (Instant::now(), Timestamp::now());
            let end = renewed.map_or(begun + ATTEMPT, |renewed| (begun + ATTEMPT).min(renewed + DEADLINE));
            // Never cut short: what was written must be known, or it could not be given back.
            let attempt = timeout_at(end, self.attempt()).await;
            let standby = match attempt {
                Ok(Ok(Ok(transitions))) => {
                    renewed = Some(begun);
                    renewals.send_replace(Some(Renewal { term: self.term.0, begun, date }));
                    set(&tell, Leadership::Leader { transitions, term: self.term.0 });
                    None
                }
                Ok(Ok(Err(holder))) => {
                    renewed = None;
                    let name = &self.name;
                    let why = format!("{holder} holds the lease {}/{}", name.namespace, name.name);
                    Some(Leadership::Standby(why.into()))
                }
                Ok(Err(error)) => Some(Leadership::Cut(error.to_string().into())),
                Err(_) => Some(Leadership::Cut("the API server does not answer".into())),
            };
            if let Some(standby) = standby
                && renewed.is_none_or(|renewed| Instant::now() >= renewed + DEADLINE)
            {
                renewed = None;
                renewals.send_replace(None);
                set(&tell, standby);
            }
            let next = match (renewed, &self.seen) {
                (Some(renewed), _) => (begun + RETRY).min(renewed + DEADLINE),
                (None, Some((_, since, long))) if *since + *long > begun => (begun + LOOK).min(*since + *long),
                (None, _) => begun + LOOK,
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep_until(next) => {}
            }
        }
        renewals.send_replace(None);
        set(&tell, Leadership::Standby("released".into()));
        self.give_back().await;
    }

    /// Renews or takes the lease: how often it changed hands when it is ours, else who holds it.
    async fn attempt(&mut self) -> Result<Result<i64, String>, ClusterError> {
        if let Some(held) = self.held.take() {
            match self.write(held).await {
                // Somebody wrote to it: look who it was.
                Err(ClusterError::Changed(_)) => {}
                written => return written.map(Ok),
            }
        }
        let Some(answer) = self.connection.call_if_there(&Call::get(&self.path)).await? else {
            return self.create().await;
        };
        let lease: Value = serde_json::from_slice(&answer.body)
            .map_err(|_| ClusterError::Other("the Lease could not be read".into()))?;
        let holder = text(&lease, "holderIdentity").to_owned();
        if holder == self.name.holder || holder.is_empty() || self.has_run_out(&lease) {
            return match self.write(lease).await {
                Err(ClusterError::Changed(_)) => Ok(Err("somebody else".to_owned())),
                written => written.map(Ok),
            };
        }
        Ok(Err(holder))
    }

    /// Whether somebody else's hold stood unrenewed before our eyes for as long as it says that it holds.
    fn has_run_out(&mut self, lease: &Value) -> bool {
        let spec = lease.get("spec").cloned().unwrap_or_default();
        let seconds = spec.get("leaseDurationSeconds").and_then(Value::as_u64).unwrap_or(DURATION.as_secs());
        match &self.seen {
            Some((seen, since, long)) if *seen == spec => since.elapsed() >= *long,
            _ => {
                self.seen = Some((spec, Instant::now(), Duration::from_secs(seconds)));
                false
            }
        }
    }

    /// Writes our hold into the Lease as read or last written; its resourceVersion guards it.
    async fn write(&mut self, mut lease: Value) -> Result<i64, ClusterError> {
        let taken = text(&lease, "holderIdentity") != self.name.holder;
        let before = lease.pointer("/spec/leaseTransitions").and_then(Value::as_i64).unwrap_or(0);
        let acquired = text(&lease, "acquireTime").to_owned();
        let transitions = before + i64::from(taken);
        let mut spec = self.hold(transitions);
        if let (false, Some(spec)) = (taken, spec.as_object_mut()) {
            spec.insert("acquireTime".into(), acquired.into());
        }
        if let Some(lease) = lease.as_object_mut() {
            lease.insert("spec".into(), spec);
        }
        self.send(Method::PUT, &self.path.clone(), &lease).await?;
        if taken || self.term.1 != transitions {
            self.term = (self.term.0 + 1, transitions);
        }
        Ok(transitions)
    }

    async fn create(&mut self) -> Result<Result<i64, String>, ClusterError> {
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": self.name.name, "namespace": self.name.namespace},
            "spec": self.hold(0),
        });
        match self.send(Method::POST, &self.leases.clone(), &lease).await {
            Ok(()) => {
                self.term = (self.term.0 + 1, 0);
                Ok(Ok(0))
            }
            Err(ClusterError::Changed(_)) => Ok(Err("somebody else".to_owned())),
            Err(error) => Err(error),
        }
    }

    async fn send(&mut self, method: Method, path: &str, lease: &Value) -> Result<(), ClusterError> {
        let call = Call::with_body(method, path.to_owned(), "application/json", lease.to_string().into_bytes());
        self.held = Some(self.connection.json(&call).await?);
        Ok(())
    }

    fn hold(&self, transitions: i64) -> Value {
        let now = micro_time();
        json!({
            "holderIdentity": self.name.holder, "leaseDurationSeconds": DURATION.as_secs(),
            "acquireTime": now, "renewTime": now, "leaseTransitions": transitions,
        })
    }

    async fn give_back(&mut self) {
        let Some(mut lease) = self.held.take() else { return };
        if let Some(spec) = lease.get_mut("spec").and_then(Value::as_object_mut) {
            spec.insert("holderIdentity".into(), "".into());
            spec.insert("leaseDurationSeconds".into(), 1.into());
            spec.insert("renewTime".into(), micro_time().into());
        }
        if let Err(error) = self.send(Method::PUT, &self.path.clone(), &lease).await {
            tracing::debug!(%error, "the lease was not given back; it runs out by itself");
        }
    }
}

fn set(tell: &watch::Sender<Leadership>, leadership: Leadership) {
    tell.send_if_modified(|current| {
        let modified = *current != leadership;
        if modified {
            tracing::info!(?leadership, "leadership");
            *current = leadership;
        }
        modified
    });
}

fn text<'a>(lease: &'a Value, key: &str) -> &'a str {
    lease.get("spec").and_then(|spec| spec.get(key)).and_then(Value::as_str).unwrap_or_default()
}

/// Now, as `metav1.MicroTime` is written.
pub(super) fn micro_time() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

#[cfg(test)]
mod tests;
