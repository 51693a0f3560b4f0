//! What kubeferry takes for many objects on a real API server, beside what the server and git take by themselves.
//! `cargo bench --bench scale`, with `KUBEBUILDER_ASSETS` set; `-- --objects N --quick --only ROW,ROW` for less.
//!
//! `KUBEFERRY_BENCH_BINARY` names another binary to drive. A missed bar is told, and is no failure of the command.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    missing_docs
)]

#[path = "../../tests/support/envtest.rs"]
mod envtest;
#[path = "../../tests/support/git.rs"]
mod git;
#[path = "../../tests/support/sshd.rs"]
mod sshd;

mod api;
mod apply;
mod audit;
mod capture;
mod empty;
mod ferry;
mod floor;
mod objects;
mod over_ssh;
mod remote;
mod report;
mod restart;
mod run;
mod seen;
mod set;
mod stage;

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use futures::FutureExt as _;
use serde_json::json;

use run::{LARGE, Run, Settings};
use set::Set;

fn main() -> ExitCode {
    let settings = Settings::parse();
    if let Some(problem) = settings.problem() {
        eprintln!("{problem}");
        return ExitCode::from(2);
    }
    envtest::rustls_provider();
    let run = Run::new(settings);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads can be made");
    let stopped = runtime.block_on(async {
        tokio::select! {
            () = everything(&run) => false,
            () = stop_signal() => true,
        }
    });
    // Everything that was started is gone by now, but for what blocks.
    runtime.shutdown_background();
    if stopped {
        eprintln!("stopped");
        return ExitCode::from(130);
    }
    let about = json!({"binary": ferry::binary(), "objects": run.settings.objects, "quick": run.settings.quick,
        "machine": machine()});
    let report = run.report.lock().unwrap();
    let path = target().join("scale.json");
    println!("\n{}\n{}", machine(), report.table());
    if let Err(error) = report.write(&path, about) {
        eprintln!("cannot write {}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    println!("written: {}", path.display());
    if report.is_broken() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

async fn everything(run: &Run) {
    let (count, quick) = (run.settings.objects, run.settings.quick);
    if run.wants(&["empty"]) {
        guarded(run, "empty", empty::measure(run)).await;
    }
    measure(run, count).await;
    if run.wants(&["mixed"]) {
        let plan = apply::Plan { floor: true, restart: true, ..Default::default() };
        guarded(run, "mixed", apply::measure(run, Set::Mixed, count, plan)).await;
    }
    if run.doubles() {
        measure(run, 2 * count).await;
        run.report.lock().unwrap().compare(count);
    }
    if run.wants(&["large"]) && !quick {
        let plan = apply::Plan { push: true, restart: true, ..Default::default() };
        guarded(run, "large apply", apply::measure(run, Set::Plain, LARGE, plan)).await;
        let plan = capture::Plan { edit: true, ..Default::default() };
        guarded(run, "large capture", capture::measure(run, LARGE, plan)).await;
    }
}

/// The rows that are about so many ConfigMaps.
async fn measure(run: &Run, count: usize) {
    let wants = |row| run.wants(&[row]);
    if run.wants(&["apply", "push", "drift", "restart", "rest"]) {
        let (restart, rest) = (run.wants(&["restart", "rest"]), wants("rest"));
        let plan = apply::Plan { floor: wants("apply"), push: wants("push"), drift: wants("drift"), restart, rest };
        guarded(run, "apply", apply::measure(run, Set::Plain, count, plan)).await;
    }
    if run.wants(&["capture", "edit", "window", "burst", "ssh"]) {
        let (edit, window, burst) = (wants("edit"), wants("window"), wants("burst"));
        let plan = capture::Plan { floor: wants("capture"), edit, window, burst, ssh: wants("ssh") };
        guarded(run, "capture", capture::measure(run, count, plan)).await;
    }
}

/// Carries one part out; when it breaks, the others still go on.
async fn guarded(run: &Run, name: &str, part: impl Future<Output = anyhow::Result<()>>) {
    let broken = match AssertUnwindSafe(part).catch_unwind().await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => format!("{error:#}"),
        Err(panic) => panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "panicked".to_owned()),
    };
    run.say(&format!("{name} BROKE: {broken}"));
    let first = broken.lines().next().unwrap_or_default();
    run.report.lock().unwrap().broke(format!("{name}: {first}"));
}

async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).expect("signals can be taken");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// The folder `target`.
fn target() -> &'static Path {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    folder.parent().unwrap_or(folder)
}

/// The machine in words.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let processor = value(&read("/proc/cpuinfo"), "model name");
    let memory = value(&read("/proc/meminfo"), "MemTotal");
    let memory = memory.trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1024.0 / 1024.0;
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{cores} x {processor}, {memory:.0} GiB, Linux {}", kernel.trim())
}
