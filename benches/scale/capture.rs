//! Owns what goes from the cluster to Git: first capture, single edits, a burst. Must never count a commit that does not hold
//! what it is waited for.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::api::{Ask, send_all};
use super::floor;
use super::objects::{Object, spread};
use super::over_ssh;
use super::remote::{Remote, Tip, Tips};
use super::report::{Row, Unit, quantile};
use super::run::{CHANGE, Run, memory_bar, patience};
use super::set::Set;
use super::stage::Stage;

/// A commit is made at once.
pub const AT_ONCE: &str = "interval: 1s\nbatchWindow: 0s\n";

/// `batchWindow` as it is by default.
const USUAL: &str = "interval: 1s\n";

/// What that is, in seconds.
const WINDOW: f64 = 2.0;

/// Which rows are measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    /// LIST and git by themselves; without it the first capture has no bar.
    pub floor: bool,
    pub edit: bool,
    pub window: bool,
    pub burst: bool,
    pub ssh: bool,
}

/// What is captured, and where to.
pub struct Scene<'a> {
    pub run: &'a Run,
    pub stage: Stage,
    pub remote: Remote,
    pub tips: Tips,
    pub objects: Vec<Object>,
}

/// Measures with so many ConfigMaps.
pub async fn measure(run: &Run, count: usize, plan: Plan) -> Result<()> {
    run.say(&format!("capture: {count} configmaps, starting an API server"));
    let stage = Stage::start().await?;
    let objects = Set::Plain.objects(count, "team");
    stage.make_namespaces(&objects).await?;
    floor::applies(&stage, &objects).await?;
    let remote = Remote::empty();
    let tips = remote.tips()?;
    let mut scene = Scene { run, stage, remote, tips, objects };
    scene.first(plan.floor).await?;
    if plan.edit {
        scene.edits().await?;
    }
    if plan.window {
        scene.windows().await?;
    }
    if plan.burst {
        scene.burst().await?;
    }
    if plan.ssh {
        over_ssh::measure(&mut scene).await?;
    }
    Ok(())
}

impl Scene<'_> {
    /// The text of the rules file.
    pub fn rules(&self, settings: &str) -> String {
        Set::Plain.rules(&self.remote.repo.url(), settings, "git")
    }

    async fn first(&mut self, with_floor: bool) -> Result<()> {
        let (run, count) = (self.run, self.objects.len());
        let mark = self.stage.audit.mark();
        let mut ferry = self.stage.ferry(&self.rules(AT_ONCE)).await?;
        run.say(&format!("capture: kubeferry runs as {}", ferry.id()));
        let remote = &self.remote;
        let whole = |tip: &Tip| Ok(remote.files(&tip.commit)? == count);
        let tip = self.tips.until(patience(count), whole).await.inspect_err(|_| run.say(&ferry.tail()))?;
        let took = tip.at.duration_since(ferry.started).as_secs_f64();
        let ready = ferry.ready(patience(count)).await?.duration_since(ferry.started).as_secs_f64();
        let tally = self.stage.audit.settled(mark, Duration::from_millis(500), CHANGE).await?;
        let (commits, moves) = (self.remote.commits()? as f64, self.tips.now().moves as f64);
        let vitals = ferry.stop().await?;
        let mut row = Row::new("capture", count, "first capture", took, Unit::Seconds);
        let mut note = format!(
            "from the start of the process, `batchWindow: 0s`; in sync after {ready:.2} s, {:.2} s of CPU",
            vitals.cpu
        );
        if with_floor {
            let list = floor::list(&self.stage, "/api/v1/configmaps").await?.as_secs_f64();
            let [add, commit, push] = floor::whole_push(&self.remote, self.stage.folder())?;
            let whole = list + add + commit + push;
            row = row.floor(whole).bar(2.0 * whole);
            note =
                format!("{note}; floor: LIST {list:.2} s, git add {add:.2} s, commit {commit:.2} s, push {push:.2} s");
        }
        run.row(row.note(note).detail(&tally));
        run.row(Row::new("capture", count, "first capture: commits", commits, Unit::Count).bar(1.0));
        run.row(Row::new("capture", count, "first capture: pushes", moves, Unit::Count).bar(1.0));
        let row = Row::new("memory", count, "memory, peak: captured", vitals.peak, Unit::Mebibytes);
        run.row(row.bar(memory_bar(count)).note(format!("{:.1} MiB at its end", vitals.resident)));
        Ok(())
    }

    /// One live edit after the other, each waited for on the remote: milliseconds from sending it.
    pub async fn edit_each(&mut self, rounds: usize, name: &str) -> Result<Vec<f64>> {
        let mut person = self.stage.person().await?;
        let mut times = Vec::new();
        for round in 0..rounds {
            let object = &self.objects[spread(round, self.objects.len())];
            let marker = format!("{name}-{round}");
            let edited = Instant::now();
            person.call(&object.edit(&marker)).await?;
            let remote = &self.remote;
            let tip = self.tips.until(CHANGE, |tip| remote.holds(&tip.commit, &object.file, &marker)).await?;
            times.push(tip.at.duration_since(edited).as_secs_f64() * 1e3);
        }
        Ok(times)
    }

    async fn edits(&mut self) -> Result<()> {
        let (run, count) = (self.run, self.objects.len());
        let mut ferry = self.stage.ferry(&self.rules(AT_ONCE)).await?;
        ferry.ready(patience(count)).await?;
        let rounds = run.times(100, 20);
        run.say(&format!("edit: {rounds} edits, kubeferry runs as {}", ferry.id()));
        let before = (self.remote.commits()?, ferry.vitals()?.cpu);
        let times = self.edit_each(rounds, "edit").await?;
        let commits = self.remote.commits()? - before.0;
        let vitals = ferry.stop().await?;
        let floor = floor::one_push(&self.remote, &self.objects[..10], self.stage.folder(), None)?;
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

    async fn windows(&mut self) -> Result<()> {
        let (run, count) = (self.run, self.objects.len());
        let mut ferry = self.stage.ferry(&self.rules(USUAL)).await?;
        ferry.ready(patience(count)).await?;
        let rounds = run.times(20, 3);
        run.say(&format!("window: {rounds} edits, kubeferry runs as {}", ferry.id()));
        let times = self.edit_each(rounds, "window").await?;
        ferry.stop().await?;
        let after: Vec<f64> = times.iter().map(|time| time - WINDOW * 1e3).collect();
        let measure = "edit to commit, beyond the default window";
        let row = Row::new("window", count, measure, quantile(&after, 1.0), Unit::Milliseconds);
        run.row(row.bar(100.0).note(format!("largest of {rounds}, median {:.1} ms", quantile(&after, 0.5))));
        Ok(())
    }

    async fn burst(&mut self) -> Result<()> {
        let (run, count) = (self.run, self.objects.len());
        let edited = 1_000.min(count);
        let mut ferry = self.stage.ferry(&self.rules(USUAL)).await?;
        ferry.ready(patience(count)).await?;
        run.say(&format!("burst: {edited} edits at once, kubeferry runs as {}", ferry.id()));
        let (before, commits, cpu) = (self.tips.now().commit, self.remote.commits()?, ferry.vitals()?.cpu);
        let asks: Vec<Ask> = (0..edited).map(|number| self.objects[spread(number, count)].edit("burst")).collect();
        let start = Instant::now();
        let sent = send_all(&self.stage.admin, asks).await?.as_secs_f64();
        let remote = &self.remote;
        let all = |tip: &Tip| Ok(remote.changed(&before, &tip.commit)? == edited);
        let tip = self.tips.until(patience(edited), all).await?;
        let took = tip.at.duration_since(start).as_secs_f64();
        let commits = (self.remote.commits()? - commits) as f64;
        let vitals = ferry.stop().await?;
        let cpu = vitals.cpu - cpu;
        let note = format!("from sending the first, default window; sending took {sent:.2} s; {cpu:.2} s of CPU");
        let measure = format!("{edited} edits at once to commit");
        run.row(Row::new("burst", count, &measure, took, Unit::Seconds).bar(WINDOW + 2.0).note(note));
        run.row(Row::new("burst", count, &format!("{measure}: commits"), commits, Unit::Count).bar(3.0));
        Ok(())
    }
}
