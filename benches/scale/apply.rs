//! Owns what goes from Git to the cluster: first apply, a push, drift. Must never measure what a floor does not have to do
//! as well.

use std::time::{Duration, Instant};

use anyhow::Result;
use jiff::Timestamp;

use super::audit::Tally;
use super::ferry::Ferry;
use super::floor;
use super::objects::{self, Object, spread};
use super::remote::Remote;
use super::report::{Row, Unit, quantile};
use super::restart;
use super::run::{CHANGE, Run, memory_bar, patience, push_bar};
use super::seen::Seen;
use super::set::Set;
use super::stage::Stage;

/// Which rows are measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    /// The bare client's time; without it the first apply has no bar.
    pub floor: bool,
    pub push: bool,
    pub drift: bool,
    pub restart: bool,
    pub rest: bool,
}

/// Measures with so many objects.
pub async fn measure(run: &Run, set: Set, count: usize, plan: Plan) -> Result<()> {
    run.say(&format!("apply: {count} {}, starting an API server", set.resources().join(", ")));
    let stage = Stage::start().await?;
    let objects = set.objects(count, "team");
    stage.make_namespaces(&objects).await?;
    let remote = Remote::filled(&objects, &set.more())?;
    set.prepare(&stage).await?;
    let seen = Seen::start(&stage.admin, set.kinds(), "team-").await?;
    let floor = if plan.floor { Some(floor_of(run, &stage, set, count).await?) } else { None };

    let mut ferry = first(run, &stage, set, &remote, &seen, (count, floor)).await?;
    if plan.push {
        push(run, &stage, &remote, &seen, &mut ferry, &objects).await?;
    }
    if plan.drift {
        drift(run, &stage, &seen, &objects).await?;
    }
    let vitals = ferry.stop().await?;
    let row = Row::new("memory", count, &set.called("memory, peak: applied"), vitals.peak, Unit::Mebibytes);
    run.row(row.bar(memory_bar(count)).note(format!("{:.1} MiB at its end", vitals.resident)));

    if plan.restart {
        restart::measure(run, &stage, set, &remote, (count, plan.rest)).await?;
    }
    Ok(())
}

/// The same requests by a bare client in other namespaces, before kubeferry has anything to watch: the faster of two times.
async fn floor_of(run: &Run, stage: &Stage, set: Set, count: usize) -> Result<Duration> {
    let objects = set.objects(count, "floor");
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
    set: Set,
    remote: &Remote,
    seen: &Seen,
    (count, floor): (usize, Option<Duration>),
) -> Result<Ferry> {
    let mark = stage.audit.mark();
    let mut ferry = stage.ferry(&set.rules(&remote.repo.url(), "interval: 1s\n", "kubernetes")).await?;
    run.say(&format!("apply: kubeferry runs as {}", ferry.id()));
    let applied = seen.until_live(count, patience(count)).await.inspect_err(|_| run.say(&ferry.tail()))?;
    let ready = ferry.ready(patience(count)).await?;
    let cpu = ferry.vitals()?.cpu;
    let tally = stage.audit.settled(mark, Duration::from_millis(500), CHANGE).await?;
    let seconds = |at: Instant| at.duration_since(ferry.started).as_secs_f64();
    let note = format!("from the start of the process; in sync after {:.2} s, {cpu:.2} s of CPU", seconds(ready));
    let floor = floor.map(|floor| floor.as_secs_f64());
    let id = if set == Set::Plain { "apply" } else { "mixed" };
    let row = Row::new(id, count, &set.called("first apply"), seconds(applied), Unit::Seconds);
    run.row(row.floor(floor).bar(floor.map(|floor| 1.2 * floor)).note(note).detail(&tally));
    let each = asked(&tally, "patch", set) as f64 / (count + set.more().len()) as f64;
    let row = Row::new(id, count, &set.called("first apply: PATCHes an object"), each, Unit::Count);
    run.row(row.bar(1.0));
    let gets = asked(&tally, "get", set) as f64;
    let row = Row::new(id, count, &set.called("first apply: GETs of objects"), gets, Unit::Count);
    run.row(row.bar(few(count)).note(FEW));
    Ok(ferry)
}

/// What a bar says for which no request an object may be made: a race now and then is none.
pub fn few(count: usize) -> f64 {
    count as f64 / 100.0
}

/// The same in words.
pub const FEW: &str = "none an object: at most one for a hundred, for races";

/// Requests of this verb for objects of the set.
pub fn asked(tally: &Tally, verb: &str, set: Set) -> usize {
    set.resources().iter().map(|resource| tally.of(verb, resource)).sum()
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
        let marker = format!("push-{round}");
        let object = objects[spread(round, objects.len() / 2)].marked(&marker);
        let pushed = Instant::now();
        let commit = remote.commit(&object);
        let sight = seen.until_marker(&object.key(), &marker, CHANGE).await?;
        let fetched = ferry.until_fetched(&commit).await?;
        let applied = Timestamp::try_from(sight.wall)?;
        after_fetch.push((applied.as_microsecond() - fetched.as_microsecond()) as f64 / 1e3);
        whole.push(sight.at.duration_since(pushed).as_secs_f64() * 1e3);
    }
    let floor = floor::one_apply(stage, objects, rounds).await?;
    let note = format!(
        "median of {rounds} after the fetch ended, largest {:.1} ms; from the commit on {:.0} ms; floor: one PATCH",
        quantile(&after_fetch, 1.0),
        quantile(&whole, 0.5)
    );
    let row = Row::new("push", objects.len(), "push to applied", quantile(&after_fetch, 0.5), Unit::Milliseconds);
    run.row(row.floor(floor).bar(push_bar(objects.len())).note(note));
    Ok(())
}

/// Somebody changes live objects, one after the other, each once.
async fn drift(run: &Run, stage: &Stage, seen: &Seen, objects: &[Object]) -> Result<()> {
    // What a push has changed has another marker: it stands in the first half.
    let half = objects.len() / 2;
    let rounds = run.times(100, 20).min(half);
    run.say(&format!("drift: {rounds} edits"));
    let mut person = stage.person().await?;
    let mut times = Vec::new();
    for round in 0..rounds {
        let object = &objects[half + spread(round, half)];
        let marker = format!("drift-{round}");
        let edited = Instant::now();
        person.call(&object.edit(&marker)).await?;
        let restored = seen.until_restored(&object.key(), &marker, objects::MARKER, CHANGE).await?;
        times.push(restored.duration_since(edited).as_secs_f64() * 1e3);
    }
    let note = format!("of {rounds} edits, median {:.1} ms, from sending the edit", quantile(&times, 0.5));
    let row = Row::new("drift", objects.len(), "drift to corrected, p99", quantile(&times, 0.99), Unit::Milliseconds);
    run.row(row.bar(300.0).note(note));
    Ok(())
}
