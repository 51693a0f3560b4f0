//! `kubeferry run`: both loops until stopped.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cluster::{Events, Leadership, Lease, LeaseName};
use crate::http::{Handles, Server};
use crate::report::reporter::Listener;
use crate::report::status::Role;
use crate::report::{Metrics, Reporter, StatusHandle};
use crate::repository::{Libgit2, Repository};
use crate::rules::Rules;
use crate::sync::engine::{Mode, Step};

use super::args::{Options, Run};
use super::names::NamespacedName;
use super::narrate;
use super::rules_source::{RulesSource, Update};
use super::session::{LiveEngine, Session};

/// The page is made from everything that is known, so it is not made for every event of a burst.
const BETWEEN_PAGES: Duration = Duration::from_millis(50);

/// How long a start waits to know who leads.
const VERDICT: Duration = Duration::from_secs(2);

/// How long a stop waits for the push and the writes in flight.
const STOP: Duration = Duration::from_secs(20);

/// Runs the verb until SIGTERM or an interrupt; exits with 0.
///
/// # Errors
/// When it could not start: exit 2.
pub async fn run(options: &Options, args: &Run, libgit2: &Libgit2) -> anyhow::Result<ExitCode> {
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        stop_signal().await;
        tracing::info!("stopping: what is in flight is finished first");
        stopped.cancel();
    });
    let session = Session::open(options, args.remote.git_url.as_ref(), libgit2).await?;
    run_session(session, args.listen, args.config_map.as_ref(), Vec::new(), stop).await?;
    Ok(ExitCode::SUCCESS)
}

/// Resolves at SIGTERM or an interrupt.
pub async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt => {}
            },
            Err(_) => drop(interrupt.await),
        }
    }
    #[cfg(not(unix))]
    drop(interrupt.await);
}

/// Runs both loops over an open session until `stop`. `listeners` hear of every change.
///
/// # Errors
/// When rules, repository, endpoints or Lease could not be set up.
pub async fn run_session(
    session: Session,
    listen: SocketAddr,
    config_map: Option<&NamespacedName>,
    listeners: Vec<Listener>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut source = RulesSource::open(&session, config_map).await?;
    let status = StatusHandle::new(narrate::first_page(&session, &source));
    let events = narrate::start_events(&session);
    let mut reporter = Reporter::new(status, Metrics::new()).with(narrate::events_of_changes(&session, events.clone()));
    for listener in listeners {
        reporter = reporter.with(listener);
    }
    let server = Server::bind(listen).await?;
    tracing::info!(address = %server.address(), "listening");
    let handles = Handles { status: reporter.status.clone(), metrics: reporter.metrics.clone() };
    let serving = tokio::spawn(server.serve(handles, stop.clone()));
    session.ensure_namespace(&session.identity.namespace).await?;
    let holder = std::env::var("HOSTNAME").unwrap_or_else(|_| "kubeferry".to_owned());
    let name = LeaseName::new(&session.identity.namespace, &session.identity.name, &holder);
    let lease = Lease::acquire(session.cluster.connection(), name)?;
    let mut leadership = lease.leadership();
    // What is read before it is known who leads would be read once more. An API server that does not answer is waited for
    // by the engine as well.
    let _ = tokio::time::timeout(VERDICT, leadership.changed()).await;
    loop {
        let rules = source.rules();
        let repository = Arc::new(session.repository(&rules)?);
        narrate::in_force(&reporter, &session, &rules, &source);
        let term = term(&leadership.borrow());
        let engine = session.engine(repository.clone(), rules, Mode::Run, term.is_some(), reporter.clone());
        let mut running = Running {
            session: &session,
            lease: &lease,
            repository,
            engine,
            term,
            reporter: &reporter,
            events: &events,
            is_ready: false,
            published: None,
        };
        match running.drive(&mut source, &mut leadership, &stop).await {
            Ended::Stopped => break,
            // Another repository, branch or folder: nothing that was known of Git holds.
            Ended::Elsewhere => {
                tracing::info!("the rules name another place in Git; reading it anew");
                session.cluster.restart().await;
            }
        }
    }
    reporter.role(Role::Stopping, None, Timestamp::now());
    lease.release().await;
    // Ends with the token that ended the loop; a panic in it must not keep the process.
    let _ = serving.await;
    Ok(())
}

enum Ended {
    Stopped,
    Elsewhere,
}

struct Running<'a> {
    session: &'a Session,
    lease: &'a Lease,
    repository: Arc<Repository>,
    engine: LiveEngine,
    /// The term in which the engine acts.
    term: Option<u64>,
    reporter: &'a Reporter,
    events: &'a Events,
    is_ready: bool,
    /// When the page was last brought up to date.
    published: Option<Instant>,
}

impl Running<'_> {
    async fn drive(
        &mut self,
        source: &mut RulesSource,
        leadership: &mut watch::Receiver<Leadership>,
        stop: &CancellationToken,
    ) -> Ended {
        self.follow_leadership(leadership);
        loop {
            let mut until = None;
            let mut worked = 0;
            // A burst must not keep the timers and signals of this task waiting.
            while worked < 64 {
                match self.engine.step() {
                    Step::Worked => worked += 1,
                    Step::Idle { until: instant } => {
                        until = Some(instant);
                        break;
                    }
                }
            }
            let is_stale = !self.publish();
            let idle = async {
                match until {
                    Some(instant) => self.engine.wait(instant).await,
                    None => tokio::task::yield_now().await,
                }
            };
            let led = async {
                // Without an elector nothing changes any more.
                if leadership.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = stop.cancelled() => {
                    self.finish().await;
                    return Ended::Stopped;
                }
                () = led => self.follow_leadership(leadership),
                update = source.changed() => {
                    if let Some(ended) = self.reload(source, update) {
                        return ended;
                    }
                }
                () = idle => {}
                () = tokio::time::sleep(BETWEEN_PAGES), if is_stale => {}
            }
        }
    }

    fn follow_leadership(&mut self, leadership: &mut watch::Receiver<Leadership>) {
        let state = leadership.borrow_and_update().clone();
        let (role, holder, trouble) = match &state {
            Leadership::Leader { .. } => (Role::Leader, None, None),
            Leadership::Standby(why) => (Role::Standby, Some(why.to_string()), None),
            Leadership::Cut(why) => (Role::Standby, None, Some(why.to_string())),
        };
        self.reporter.role(role, holder, Timestamp::now());
        narrate::cluster_trouble(self.reporter, trouble);
        let term = term(&state);
        if self.term != term {
            // Between two terms of ours somebody else may have acted: what was planned is planned anew.
            self.engine.set_active(false);
        }
        if term.is_some() {
            let hold = self.lease.hold();
            self.engine.set_fence(Arc::new(move || hold.is_held()));
            self.engine.set_active(true);
        }
        self.term = term;
    }

    /// New rules, or a text that is none: the last good ones stay in force.
    fn reload(&mut self, source: &mut RulesSource, update: Update) -> Option<Ended> {
        match update {
            Update::Broken(problem) => {
                self.refuse(&problem);
                None
            }
            Update::Rules(rules) => {
                if let Err(error) = self.session.git_url(&rules) {
                    self.refuse(&format!("{error:#}"));
                    return None;
                }
                let before = source.replace(rules.clone());
                narrate::in_force(self.reporter, self.session, &rules, source);
                self.reporter.metrics.reload(true);
                if is_elsewhere(&before, &rules) {
                    return Some(Ended::Elsewhere);
                }
                self.engine.set_rules(rules);
                None
            }
        }
    }

    fn refuse(&self, problem: &str) {
        narrate::reload_failed(self.reporter, self.events, &self.session.identity, problem);
    }

    /// Brings the page up to date, unless that was done a moment ago. Returns whether it is up to date.
    fn publish(&mut self) -> bool {
        if self.published.is_some_and(|at| at.elapsed() < BETWEEN_PAGES) {
            return false;
        }
        self.published = Some(Instant::now());
        let waiting = self.engine.waiting_for();
        if !self.is_ready {
            self.is_ready = waiting.is_empty();
            self.reporter.ready(waiting);
        }
        narrate::publish(self.reporter, &self.engine, &self.repository, self.is_ready);
        true
    }

    /// Lets what is in flight end.
    async fn finish(&mut self) {
        let end = async {
            self.engine.drain().await;
        };
        if tokio::time::timeout(STOP, end).await.is_err() {
            tracing::warn!("something in flight did not end in time; it is planned again at the next start");
        }
    }
}

/// The term in which we lead.
fn term(state: &Leadership) -> Option<u64> {
    if let Leadership::Leader { term, .. } = state { Some(*term) } else { None }
}

fn is_elsewhere(before: &Rules, after: &Rules) -> bool {
    (&before.git_url, &before.branch, &before.git_path) != (&after.git_url, &after.branch, &after.git_path)
        || before.limits.file_bytes != after.limits.file_bytes
}
