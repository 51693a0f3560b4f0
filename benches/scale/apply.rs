//! Owns what goes from Git to the cluster: first apply, a push, drift, restart, rest. Must never measure what a floor does
//! not have to do as well.

use std::time::{Duration, Instant};

use anyhow::Result;
use jiff::Timestamp;

use super::ferry::Ferry;
use super::floor;
use super::objects::{self, Object};
use super::remote::Remote;
use super::report::{Row, Unit, quantile};
use super::run::{Run, patience};
use super::seen::Seen;
use super::stage::{Stage, rules};

const SELECTS: &str = "apiGroups: [''], resources: [configmaps], namespaces: ['team-*']";

/// How long one change may take.
const CHANGE: Duration = Duration::from_secs(30);

/// Measures with so many ConfigMaps.
pub async fn measure(run: &Run, count: usize) -> Result<()> {
    run.say(&format!("apply: {count} ConfigMaps, starting an API server"));
    let stage = Stage::start().await?;
    let objects = objects::config_maps(count, "team");
    stage.make_namespaces(&objects).await?;
    let remote = Remote::filled(&objects, &[])?;
    let seen = Seen::start(&stage.admin, &["/api/v1/configmaps"], "team-").await?;
    let floor = if run.wants(&["apply"]) { Some(floor_of(run, &stage, count).await?) } else { None };

    let quick = rules(&remote.repo.url(), "interval: 1s\n", SELECTS, "kubernetes");
    let mut ferry = first(run, &stage, &seen, &quick, count, floor).await?;
    if run.wants(&["push"]) {
        push(run, &stage, &remote, &seen, &mut ferry, &objects).await?;
    }
    if run.wants(&["drift"]) {
        drift(run, &stage, &seen, &objects).await?;
    }
    let vitals = ferry.stop().await?;
    let bar = if count > 10_000 { 300.0 } else { 80.0 };
    run.row(Row::new("memory", count, "memory, peak: applied, drifted", vitals.peak, Unit::Mebibytes).bar(bar));

    if run.wants(&["restart", "rest"]) {
        restart(run, &stage, &remote, count).await?;
    }
    Ok(())
}

/// The same requests by a bare client in other namespaces, before kubeferry has anything to watch: the faster of two times.
async fn floor_of(run: &Run, stage: &Stage, count: usize) -> Result<Duration> {
    let objects = objects::config_maps(count, "floor");
    stage.make_namespaces(&objects).await?;
    let mut best = Duration::MAX;
    for _ in 0..run.times(2, 1) {
        best = best.min(floor::applies(stage, &objects).await?);
        run.say(&format!("  floor: {count} PATCHes by a bare client, best {:.2} s", best.as_secs_f64()));
        stage.delete(&objects).await?;
    }
    Ok(best)
}

async fn first(
    run: &Run,
    stage: &Stage,
    seen: &Seen,
    rules: &str,
    count: usize,
    floor: Option<Duration>,
) -> Result<Ferry> {
    let mark = stage.audit.mark();
    let mut ferry = stage.ferry(rules).await?;
    run.say(&format!("apply: kubeferry runs as {}", ferry.id()));
    let applied = seen.until_live(count, patience(count)).await.inspect_err(|_| run.say(&ferry.tail()))?;
    let ready = ferry.ready(patience(count)).await?;
    let cpu = ferry.vitals()?.cpu;
    let tally = stage.audit.settled(mark, Duration::from_millis(500), CHANGE).await?;
    let seconds = |at: Instant| at.duration_since(ferry.started).as_secs_f64();
    let note = format!("from the start of the process; in sync after {:.2} s, {cpu:.2} s of CPU", seconds(ready));
    let mut row = Row::new("apply", count, "first apply", seconds(applied), Unit::Seconds).note(note);
    if let Some(floor) = floor.map(|floor| floor.as_secs_f64()) {
        row = row.floor(floor).bar(1.2 * floor);
    }
    run.row(row);
    let patches = tally.of("patch", "configmaps") as f64 / count as f64;
    let row = Row::new("apply", count, "first apply: PATCHes an object", patches, Unit::Count).bar(1.0);
    run.row(row.detail(&tally));
    let gets = tally.of("get", "configmaps") as f64 / count as f64;
    run.row(Row::new("apply", count, "first apply: GETs an object", gets, Unit::Count).bar(0.0));
    Ok(ferry)
}

/// One file changes in Git, again and again.
async fn push(
    run: &Run,
    stage: &Stage,
    remote: &Remote,
    seen: &Seen,
    ferry: &mut Ferry,
    objects: &[Object],
) -> Result<()> {
    let rounds = run.times(20, 5);
    run.say(&format!("push: {rounds} commits of one file"));
    let (mut after_fetch, mut whole) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let object = objects[spread(round, objects.len())].marked(&format!("push-{round}"));
        let pushed = Instant::now();
        let commit = remote.commit(&object);
        let sight = seen.until_marker(&object.key(), &format!("push-{round}"), CHANGE).await?;
        let fetched = ferry.until_fetched(&commit).await?;
        let applied = Timestamp::try_from(sight.wall)?;
        after_fetch.push((applied.as_microsecond() - fetched.as_microsecond()) as f64 / 1e3);
        whole.push(sight.at.duration_since(pushed).as_secs_f64() * 1e3);
    }
    let floor = floor::one_apply(stage, &objects::config_maps(20, "team")).await?;
    let bar = if objects.len() > 10_000 { 60.0 } else { 20.0 };
    let note = format!(
        "median of {rounds} after the fetch ended, largest {:.1} ms; from the commit on, median {:.0} ms; floor: one PATCH",
        quantile(&after_fetch, 1.0),
        quantile(&whole, 0.5)
    );
    let row = Row::new("push", objects.len(), "push to applied", quantile(&after_fetch, 0.5), Unit::Milliseconds);
    run.row(row.floor(floor).bar(bar).note(note));
    Ok(())
}

/// Somebody changes live objects, one after the other, each once.
async fn drift(run: &Run, stage: &Stage, seen: &Seen, objects: &[Object]) -> Result<()> {
    let rounds = run.times(100, 20).min(objects.len() / 2);
    run.say(&format!("drift: {rounds} edits"));
    let mut person = stage.person().await?;
    let mut times = Vec::new();
    for round in 0..rounds {
        // The other half: what a push has changed has another marker.
        let object = &objects[objects.len() - 1 - spread(round, objects.len() / 2)];
        let wanted = object.value["data"]["marker"].as_str().unwrap();
        let edited = Instant::now();
        person.call(&object.edit(&format!("drift-{round}"))).await?;
        seen.until_marker(&object.key(), &format!("drift-{round}"), CHANGE).await.ok();
        let sight = seen.until_marker(&object.key(), wanted, CHANGE).await?;
        times.push(sight.at.duration_since(edited).as_secs_f64() * 1e3);
    }
    let note = format!("of {rounds} edits, median {:.1} ms, from sending the edit", quantile(&times, 0.5));
    let row = Row::new("drift", objects.len(), "drift to corrected, p99", quantile(&times, 0.99), Unit::Milliseconds);
    run.row(row.bar(300.0).note(note));
    Ok(())
}

/// A new process with everything in sync, then a while in which nothing happens.
async fn restart(run: &Run, stage: &Stage, remote: &Remote, count: usize) -> Result<()> {
    let commits = remote.commits()?;
    let mark = stage.audit.mark();
    let slow = rules(&remote.repo.url(), "interval: 30s\n", SELECTS, "kubernetes");
    let mut ferry = stage.ferry(&slow).await?;
    run.say(&format!("restart: kubeferry runs as {}", ferry.id()));
    let ready = ferry.ready(patience(count)).await?;
    let vitals = ferry.vitals()?;
    let tally = stage.audit.settled(mark, Duration::from_millis(500), CHANGE).await?;
    let took = ready.duration_since(ferry.started).as_secs_f64();
    let note = format!("{} requests, {:.2} s of CPU", tally.all(), vitals.cpu);
    run.row(Row::new("restart", count, "restart to in sync", took, Unit::Seconds).bar(3.0).note(note));
    let patches = tally.verb("patch") as f64;
    run.row(Row::new("restart", count, "restart: PATCHes", patches, Unit::Count).bar(0.0).detail(&tally));
    let again = tally.read_again() as f64;
    run.row(Row::new("restart", count, "restart: kinds read more than once", again, Unit::Count).bar(0.0));
    let made = (remote.commits()? - commits) as f64;
    run.row(Row::new("restart", count, "restart: commits", made, Unit::Count).bar(0.0));
    let row = Row::new("memory", count, "memory, peak: restarted", vitals.peak, Unit::Mebibytes);
    run.row(row.bar(if count > 10_000 { 300.0 } else { 80.0 }));
    if run.wants(&["rest"]) {
        rest(run, stage, &ferry, count).await?;
    }
    ferry.stop().await.map(drop)
}

/// Nothing happens: what kubeferry asks and computes meanwhile.
async fn rest(run: &Run, stage: &Stage, ferry: &Ferry, count: usize) -> Result<()> {
    // What is left of the start, the state above all, is written by then.
    stage.audit.settled(stage.audit.mark(), Duration::from_secs(7), Duration::from_secs(60)).await?;
    let seconds = run.times(60, 20) as f64;
    run.say(&format!("rest: {seconds} s of kubeferry {}", ferry.id()));
    let (mark, before) = (stage.audit.mark(), ferry.vitals()?.cpu);
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    let (tally, cpu) = (stage.audit.since(mark)?, ferry.vitals()?.cpu - before);
    let row = Row::new("rest", count, "at rest: requests", tally.busy() as f64, Unit::Count).bar(0.0);
    run.row(row.note(format!("in {seconds} s, besides watches and the Lease")).detail(&tally));
    let lease = tally.lease() as f64 / seconds;
    // One more than there are seconds falls into any such time.
    let bar = 1.0 + 1.0 / seconds;
    run.row(Row::new("rest", count, "at rest: Lease requests a second", lease, Unit::Count).bar(bar));
    let minute = cpu * 60.0 / seconds;
    run.row(Row::new("rest", count, "at rest: CPU a minute", minute, Unit::Seconds).bar(0.2));
    Ok(())
}

/// Spreads numbers over a range without meeting one twice.
pub fn spread(number: usize, range: usize) -> usize {
    number * 7_919 % range
}
