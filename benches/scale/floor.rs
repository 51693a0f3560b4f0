//! Owns what the parts can do without kubeferry: the same requests by a bare client, the same change by git itself. Must
//! never do less than kubeferry has to.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use http::Method;

use super::api::{Ask, send_all};
use super::objects::Object;
use super::remote::{Remote, git};
use super::report::quantile;
use super::stage::Stage;

/// Sends the apply of every object. Answers how long that took.
pub async fn applies(stage: &Stage, objects: &[Object]) -> Result<Duration> {
    send_all(&stage.floor, objects.iter().map(Object::apply).collect()).await
}

/// The median of one change by a bare client until its answer, in milliseconds, of an object that no rule
/// selects.
pub async fn one_apply(stage: &Stage, objects: &[Object], rounds: usize) -> Result<f64> {
    let mut connection = stage.floor.connect().await?;
    let mut times = Vec::new();
    for round in 0..rounds {
        let mut object = objects[0].marked(&format!("floor-{round}"));
        object.value["metadata"]["namespace"] = "bench".into();
        object.collection = object.collection.replace(&object.namespace, "bench");
        let ask = object.apply();
        let start = Instant::now();
        connection.call(&ask).await?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(quantile(&times, 0.5))
}

/// One LIST of everything: the fastest of three.
pub async fn list(stage: &Stage, path: &str) -> Result<Duration> {
    let mut connection = stage.floor.connect().await?;
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        connection.call(&Ask::without_body(Method::GET, path)).await?;
        best = best.min(start.elapsed());
    }
    Ok(best)
}

/// `git add`, `commit` and `push` of the files of a branch, by git itself, to an empty repository: seconds.
pub fn whole_push(remote: &Remote, folder: &Path) -> Result<[f64; 3]> {
    let work = tempfile::Builder::new().prefix("git-").tempdir_in(folder)?;
    run(git(work.path()).args(["clone", "--quiet"]).arg(remote.repo.path()).arg("files"))?;
    let files = work.path().join("files");
    std::fs::remove_dir_all(files.join(".git"))?;
    let target = Remote::empty();
    run(git(&files).args(["init", "--quiet", "--initial-branch", "main"]))?;
    run(git(&files).args(["remote", "add", "origin", &target.repo.url()]))?;
    let timed = |words: &[&str]| -> Result<f64> {
        let start = Instant::now();
        run(git(&files).args(words))?;
        Ok(start.elapsed().as_secs_f64())
    };
    Ok([
        timed(&["add", "--all"])?,
        timed(&["commit", "--quiet", "--message", "first"])?,
        timed(&["push", "--quiet", "origin", "main"])?,
    ])
}

/// The median `git push` of one changed file by git itself, to `url` or a copy of the remote, in milliseconds.
pub fn one_push(remote: &Remote, objects: &[Object], folder: &Path, url: Option<(&str, &str)>) -> Result<f64> {
    let work = tempfile::Builder::new().prefix("git-").tempdir_in(folder)?;
    run(git(work.path()).args(["clone", "--quiet", "--bare"]).arg(remote.repo.path()).arg("copy.git"))?;
    run(git(work.path()).args(["clone", "--quiet", "copy.git", "files"]))?;
    let files = work.path().join("files");
    let copy = work.path().join("copy.git").display().to_string();
    let target = match url {
        Some((url, command)) => {
            run(git(&files).args(["config", "core.sshCommand", command]))?;
            url.replace("PATH", &copy)
        }
        None => format!("file://{copy}"),
    };
    let mut times = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        std::fs::write(files.join(&object.file), object.marked(&format!("floor-{number}")).text())?;
        run(git(&files).args(["commit", "--quiet", "--all", "--message", "change"]))?;
        let start = Instant::now();
        run(git(&files).args(["push", "--quiet", &target, "main"]))?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(quantile(&times, 0.5))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
