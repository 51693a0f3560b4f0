//! Owns a new process that finds everything in sync, and the silence after it. Must never count what is asked before the
//! process started, or after the time that is measured.

use std::time::Duration;

use anyhow::Result;

use super::apply::{asked, few};
use super::ferry::Ferry;
use super::floor;
use super::remote::Remote;
use super::report::{Row, Unit};
use super::run::{CHANGE, Run, memory_bar, patience, restart_bar};
use super::set::Set;
use super::stage::Stage;

/// The state is written at most this often; a moment more.
const STATE: Duration = Duration::from_secs(7);

/// Starts a process where everything was applied by one before; with `rest` also measures a while in which nothing happens.
pub async fn measure(
    run: &Run,
    stage: &Stage,
    set: Set,
    remote: &Remote,
    (count, with_rest): (usize, bool),
) -> Result<()> {
    let mut floor = 0.0;
    for kind in set.kinds() {
        floor += floor::list(stage, kind).await?.as_secs_f64();
    }
    let commits = remote.commits()?;
    let mark = stage.audit.mark();
    let mut ferry = stage.ferry(&set.rules(&remote.repo.url(), "interval: 30s\n", "kubernetes")).await?;
    run.say(&format!("restart: kubeferry runs as {}", ferry.id()));
    let ready = ferry.ready(patience(count)).await?;
    let vitals = ferry.vitals()?;
    let tally = stage.audit.settled(mark, Duration::from_millis(500), CHANGE).await?;
    let id = if set == Set::Plain { "restart" } else { "mixed" };
    let took = ready.duration_since(ferry.started).as_secs_f64();
    let note = format!("{} requests, {:.2} s of CPU; floor: a plain LIST", tally.all(), vitals.cpu);
    let row = Row::new(id, count, &set.called("restart to in sync"), took, Unit::Seconds);
    run.row(row.floor(floor).bar(restart_bar(count)).note(note).detail(&tally));
    let counts = [
        ("PATCHes of objects", asked(&tally, "patch", set), 0.0),
        ("GETs of objects", asked(&tally, "get", set), few(count)),
        ("kinds read more than once", tally.read_again(), 0.0),
        ("commits", remote.commits()? - commits, 0.0),
    ];
    for (what, found, bar) in counts {
        let measure = set.called(&format!("restart: {what}"));
        run.row(Row::new(id, count, &measure, found as f64, Unit::Count).bar(bar));
    }
    let row = Row::new("memory", count, &set.called("memory, peak: restarted"), vitals.peak, Unit::Mebibytes);
    run.row(row.bar(memory_bar(count)));
    if with_rest {
        rest(run, stage, &ferry, count).await?;
    }
    ferry.stop().await.map(drop)
}

/// Nothing happens: what kubeferry asks and computes meanwhile.
async fn rest(run: &Run, stage: &Stage, ferry: &Ferry, count: usize) -> Result<()> {
    // What is left of the start, the state above all, is written by then.
    stage.audit.settled(stage.audit.mark(), STATE, Duration::from_secs(60)).await?;
    let seconds = run.times(60, 20) as f64;
    run.say(&format!("rest: {seconds} s of kubeferry {}", ferry.id()));
    let (mark, before) = (stage.audit.mark(), ferry.vitals()?.cpu);
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    let (tally, vitals) = (stage.audit.since(mark)?, ferry.vitals()?);
    let row = Row::new("rest", count, "at rest: requests", tally.busy() as f64, Unit::Count).bar(0.0);
    run.row(row.note(format!("in {seconds} s, besides watches and the Lease")).detail(&tally));
    let lease = tally.lease() as f64 / seconds;
    // One more than there are seconds falls into any such time.
    let row = Row::new("rest", count, "at rest: Lease requests a second", lease, Unit::Count);
    run.row(row.bar(1.0 + 1.0 / seconds));
    let minute = (vitals.cpu - before) * 60.0 / seconds;
    let row = Row::new("rest", count, "at rest: CPU a minute", minute, Unit::Seconds);
    run.row(row.bar(0.2).note(format!("{:.1} MiB resident", vitals.resident)));
    Ok(())
}
