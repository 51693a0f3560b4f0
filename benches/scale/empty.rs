//! Owns what a process needs that has nothing to do. Must never give it an object.

use std::time::Duration;

use anyhow::Result;

use super::remote::Remote;
use super::report::{Row, Unit};
use super::run::{Run, patience};
use super::set::Set;
use super::stage::Stage;

/// Starts kubeferry between an empty repository and an empty cluster.
pub async fn measure(run: &Run) -> Result<()> {
    run.say("empty: starting an API server");
    let stage = Stage::start().await?;
    let remote = Remote::filled(&[], &[("README.md", "Nothing yet.\n".to_owned())])?;
    let mut ferry = stage.ferry(&Set::Plain.rules(&remote.repo.url(), "interval: 1s\n", "kubernetes")).await?;
    run.say(&format!("empty: kubeferry runs as {}", ferry.id()));
    let ready = ferry.ready(patience(0)).await?.duration_since(ferry.started);
    // A few fetches and renewals of the Lease belong to it.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let vitals = ferry.stop().await?;
    let note = format!("in sync after {:.2} s, {:.1} MiB at its end", ready.as_secs_f64(), vitals.resident);
    run.row(Row::new("empty", 0, "memory, peak: empty", vitals.peak, Unit::Mebibytes).bar(20.0).note(note));
    Ok(())
}
