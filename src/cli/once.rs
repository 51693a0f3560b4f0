//! `kubeferry once`: converge both sides, then exit.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};
use serde_json::json;

use crate::cluster::{Lease, LeaseName};
use crate::report::progress::{Progress, Work};
use crate::report::{Change, Metrics, Reporter, Status, StatusHandle};
use crate::repository::Libgit2;
use crate::sync::engine::{Mode, Step};

use super::args::{Format, Once, Options};
use super::left;
use super::say::say;
use super::session::{LiveEngine, Session, load_rules};

/// How long to wait for another instance to give the Lease back.
const LEASE: Duration = Duration::from_secs(10);

/// Runs the verb. Exits with 0 in sync, 1 when something is held, failed or refused.
///
/// # Errors
/// When it could not run: exit 2.
pub async fn once(options: &Options, args: &Once, libgit2: &Libgit2, progress: &Progress) -> anyhow::Result<ExitCode> {
    let loaded = load_rules(&options.file)?;
    let session = Session::open(options, args.remote.git_url.as_ref(), libgit2).await?;
    let repository = Arc::new(session.repository(&loaded.rules)?);
    session.ensure_namespace(&session.identity.namespace).await?;
    let name = LeaseName::new(&session.identity.namespace, &session.identity.name, "once");
    let lease = Lease::acquire(session.cluster.connection(), name)?;
    if let Err(why) = lease.wait(LEASE).await {
        bail!("another instance is at work, or the Lease cannot be had: {why}");
    }
    let reporter = Reporter::new(StatusHandle::new(Status::default()), Metrics::new());
    let mut engine = session.engine(repository, Arc::new(loaded.rules), Mode::Once, true, reporter);
    let hold = lease.hold();
    engine.set_fence(Arc::new(move || hold.is_held()));
    let outcome = tokio::select! {
        outcome = settle(&mut engine, progress) => outcome,
        why = lease.lost() => Err(anyhow!("the Lease was lost before both sides were in sync: {why}; run it again")),
    };
    if outcome.is_err() {
        engine.drain().await;
    }
    lease.release().await;
    outcome?;
    let mut troubled = engine.standings().changes().any(|change| change.verb.is_trouble());
    match options.output {
        Format::Json => {
            let left: Vec<&Change> = engine.standings().changes().collect();
            say(format_args!("{}\n", json!({"left": left})))?;
        }
        Format::Text => {
            let lines = left::lines(engine.standings().changes());
            say(lines.iter().flat_map(|line| [line, "\n"]).collect::<String>())?;
        }
    }
    if let Some(error) = engine.standings().remote_error() {
        eprintln!("{error}");
        troubled = true;
    }
    Ok(if troubled { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Steps until both sides were read whole and every action was tried.
///
/// # Errors
/// When the remote cannot be read.
pub async fn settle(engine: &mut LiveEngine, progress: &Progress) -> anyhow::Result<()> {
    let mut work: Option<Work> = None;
    let mut shown = 0;
    loop {
        // A few at a time: what is shown of them is made from everything.
        let mut step = engine.step();
        for _ in 0..64 {
            if step != Step::Worked {
                break;
            }
            step = engine.step();
        }
        let now = engine.progress();
        if now.head_read {
            let total = u64::try_from(now.manifests).unwrap_or(u64::MAX);
            let work = work.get_or_insert_with(|| progress.begin("comparing", total));
            work.advance(now.planned.saturating_sub(shown));
            shown = now.planned;
        }
        if engine.is_settled() {
            return Ok(());
        }
        if let Some(error) = engine.standings().remote_error() {
            // Without a commit nothing was compared; a push that failed leaves its batch behind, and what could be done was.
            return if now.head_read { Ok(()) } else { Err(anyhow!("{error}")) };
        }
        match step {
            Step::Worked => tokio::task::yield_now().await,
            Step::Idle { until } => engine.wait(until).await,
        }
    }
}
