//! Owns what goes from the cluster to Git: first capture, single edits, a burst. Must never count a commit that does not hold
//! what it is waited for.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::api::{Ask, send_all};
use super::apply::spread;
use super::floor;
use super::objects::{self, Object};
use super::remote::{Remote, Tips};
use super::report::{Row, Unit, quantile};
use super::run::{Run, patience};
use super::stage::{Stage, rules};

const SELECTS: &str = "apiGroups: [''], resources: [configmaps], namespaces: ['team-*']";

/// A commit is made at once.
const AT_ONCE: &str = "interval: 1s\nbatchWindow: 0s\n";

/// What `batchWindow` is by default, in seconds.
const WINDOW: f64 = 2.0;

/// How long one change may take.
const CHANGE: Duration = Duration::from_secs(30);

/// Measures with so many ConfigMaps.
pub async fn measure(run: &Run, count: usize) -> Result<()> {
    run.say(&format!("capture: {count} ConfigMaps, starting an API server"));
    let stage = Stage::start().await?;
    let objects = objects::config_maps(count, "team");
    stage.make_namespaces(&objects).await?;
    floor::applies(&stage, &objects).await?;
    let remote = Remote::empty();
    let mut tips = remote.tips()?;
    first(run, &stage, &remote, &mut tips, count).await?;
    if run.wants(&["edit"]) {
        edits(run, &stage, &remote, &mut tips, &objects).await?;
    }
    if run.wants(&["window"]) {
        windows(run, &stage, &remote, &mut tips, &objects).await?;
    }
    if run.wants(&["burst"]) {
        burst(run, &stage, &remote, &mut tips, &objects).await?;
    }
    Ok(())
}

async fn first(run: &Run, stage: &Stage, remote: &Remote, tips: &mut Tips, count: usize) -> Result<()> {
    let mark = stage.audit.mark();
    let mut ferry = stage.ferry(&rules(&remote.repo.url(), AT_ONCE, SELECTS, "git")).await?;
    run.say(&format!("capture: kubeferry runs as {}", ferry.id()));
    let whole = |tip: &super::remote::Tip| Ok(remote.files(&tip.commit)? == count);
    let tip = tips.until(patience(count), whole).await.inspect_err(|_| run.say(&ferry.tail()))?;
    let took = tip.at.duration_since(ferry.started).as_secs_f64();
    ferry.ready(patience(count)).await?;
    let tally = stage.audit.settled(mark, Duration::from_millis(500), CHANGE).await?;
    let (commits, moves) = (remote.commits()? as f64, tips.now().moves as f64);
    let vitals = ferry.stop().await?;
    let mut row = Row::new("capture", count, "first capture", took, Unit::Seconds);
    let mut note = format!("from the start of the process, `batchWindow: 0s`, {:.2} s of CPU", vitals.cpu);
    if run.wants(&["capture"]) {
        let list = floor::list(stage, "/api/v1/configmaps").await?.as_secs_f64();
        let git = floor::whole_push(remote, stage.folder())?.as_secs_f64();
        row = row.floor(list + git).bar(2.0 * (list + git));
        note = format!("{note}; floor: LIST {list:.2} s, git {git:.2} s");
    }
    run.row(row.note(note));
    run.row(Row::new("capture", count, "first capture: commits", commits, Unit::Count).bar(1.0).detail(&tally));
    run.row(Row::new("capture", count, "first capture: pushes", moves, Unit::Count).bar(1.0));
    let bar = if count > 10_000 { 300.0 } else { 80.0 };
    run.row(Row::new("memory", count, "memory, peak: captured", vitals.peak, Unit::Mebibytes).bar(bar));
    Ok(())
}

/// One live edit after the other, each waited for on the remote: milliseconds from sending it.
async fn edit_each(
    stage: &Stage,
    remote: &Remote,
    tips: &mut Tips,
    objects: &[Object],
    (rounds, name): (usize, &str),
) -> Result<Vec<f64>> {
    let mut person = stage.person().await?;
    let mut times = Vec::new();
    for round in 0..rounds {
        let object = &objects[spread(round, objects.len())];
        let marker = format!("{name}-{round}");
        let edited = Instant::now();
        person.call(&object.edit(&marker)).await?;
        let tip = tips.until(CHANGE, |tip| remote.holds(&tip.commit, &object.file, &marker)).await?;
        times.push(tip.at.duration_since(edited).as_secs_f64() * 1e3);
    }
    Ok(times)
}

async fn edits(run: &Run, stage: &Stage, remote: &Remote, tips: &mut Tips, objects: &[Object]) -> Result<()> {
    let count = objects.len();
    let mut ferry = stage.ferry(&rules(&remote.repo.url(), AT_ONCE, SELECTS, "git")).await?;
    ferry.ready(patience(count)).await?;
    let rounds = run.times(100, 20);
    run.say(&format!("edit: {rounds} edits, kubeferry runs as {}", ferry.id()));
    let before = (remote.commits()?, ferry.vitals()?.cpu);
    let times = edit_each(stage, remote, tips, objects, (rounds, "edit")).await?;
    let commits = remote.commits()? - before.0;
    let vitals = ferry.stop().await?;
    let floor = floor::one_push(remote, &objects[..10], stage.folder(), None)?;
    let note = format!(
        "{rounds} edits, {commits} commits, {:.2} s of CPU, from sending the edit; floor: `git push` alone",
        vitals.cpu - before.1
    );
    let row = Row::new("edit", count, "edit to commit, median", quantile(&times, 0.5), Unit::Milliseconds);
    run.row(row.floor(floor).bar(50.0).note(note));
    let row = Row::new("edit", count, "edit to commit, p99", quantile(&times, 0.99), Unit::Milliseconds);
    run.row(row.bar(150.0).note(format!("largest {:.1} ms", quantile(&times, 1.0))));
    Ok(())
}

async fn windows(run: &Run, stage: &Stage, remote: &Remote, tips: &mut Tips, objects: &[Object]) -> Result<()> {
    let mut ferry = stage.ferry(&rules(&remote.repo.url(), "interval: 1s\n", SELECTS, "git")).await?;
    ferry.ready(patience(objects.len())).await?;
    let rounds = run.times(20, 3);
    run.say(&format!("window: {rounds} edits, kubeferry runs as {}", ferry.id()));
    let times = edit_each(stage, remote, tips, objects, (rounds, "window")).await?;
    ferry.stop().await?;
    let after: Vec<f64> = times.iter().map(|time| time - WINDOW * 1e3).collect();
    let measure = "edit to commit, default window: beyond it";
    let row = Row::new("window", objects.len(), measure, quantile(&after, 1.0), Unit::Milliseconds);
    run.row(row.bar(100.0).note(format!("largest of {rounds}, median {:.1} ms", quantile(&after, 0.5))));
    Ok(())
}

async fn burst(run: &Run, stage: &Stage, remote: &Remote, tips: &mut Tips, objects: &[Object]) -> Result<()> {
    let edited = 1_000.min(objects.len());
    let mut ferry = stage.ferry(&rules(&remote.repo.url(), "interval: 1s\n", SELECTS, "git")).await?;
    ferry.ready(patience(objects.len())).await?;
    run.say(&format!("burst: {edited} edits at once, kubeferry runs as {}", ferry.id()));
    let (before, commits) = (tips.now().commit, remote.commits()?);
    let asks: Vec<Ask> = (0..edited).map(|number| objects[spread(number, objects.len())].edit("burst")).collect();
    let start = Instant::now();
    let sent = send_all(&stage.admin, asks).await?.as_secs_f64();
    let tip = tips.until(patience(edited), |tip| Ok(remote.changed(&before, &tip.commit)? == edited)).await?;
    let took = tip.at.duration_since(start).as_secs_f64();
    let commits = (remote.commits()? - commits) as f64;
    let vitals = ferry.stop().await?;
    let note = format!("from sending the first, default window; sending took {sent:.2} s; {:.2} s of CPU", vitals.cpu);
    let measure = format!("{edited} edits at once to commit");
    run.row(Row::new("burst", objects.len(), &measure, took, Unit::Seconds).bar(WINDOW + 2.0).note(note));
    run.row(Row::new("burst", objects.len(), &format!("{measure}: commits"), commits, Unit::Count).bar(3.0));
    Ok(())
}
