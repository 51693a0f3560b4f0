//! Owns one run of the bench: its settings, its progress lines, its rows. Must never decide what a row means.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::Parser;

use super::report::{Report, Row};

/// The rows that `--only` knows.
const ROWS: [&str; 14] = [
    "empty", "apply", "push", "drift", "restart", "rest", "capture", "edit", "window", "burst", "ssh", "mixed",
    "double", "large",
];

/// How long one change may take.
pub const CHANGE: Duration = Duration::from_secs(30);

/// From how many objects on the bars are those for 100,000.
pub const LARGE: usize = 100_000;

/// Drives kubeferry between a real API server and a repository on this machine, and prints what that takes.
#[derive(Debug, Parser)]
#[command(name = "scale", about, long_about = None)]
pub struct Settings {
    /// How many objects
    #[arg(long, default_value_t = 10_000)]
    pub objects: usize,

    /// A short run: fewer edits, a shorter rest, no doubling, no 100,000
    #[arg(long)]
    pub quick: bool,

    /// Only these rows, and what they need
    #[arg(long, value_delimiter = ',', value_name = "ROW", value_parser = ROWS)]
    pub only: Vec<String>,

    /// What cargo appends
    #[arg(long, hide = true)]
    pub bench: bool,
}

impl Settings {
    /// Why nothing can be measured here.
    pub fn problem(&self) -> Option<String> {
        let assets = std::env::var_os("KUBEBUILDER_ASSETS").unwrap_or_default();
        let server = std::path::Path::new(&assets).join("kube-apiserver");
        if assets.is_empty() || !server.is_file() {
            return Some("set KUBEBUILDER_ASSETS to a folder that has kube-apiserver and etcd".to_owned());
        }
        (self.objects < 40).then(|| "--objects must be at least 40".to_owned())
    }
}

/// One run.
pub struct Run {
    pub settings: Settings,
    pub report: Mutex<Report>,
    started: Instant,
}

impl Run {
    pub fn new(settings: Settings) -> Self {
        Self { settings, report: Mutex::default(), started: Instant::now() }
    }

    /// Whether one of these rows is asked for. `double` alone means all of them, twice.
    pub fn wants(&self, rows: &[&str]) -> bool {
        let only = &self.settings.only;
        only.iter().all(|wanted| wanted == "double") || rows.iter().any(|row| only.iter().any(|wanted| wanted == row))
    }

    /// Whether everything is to be measured for twice as many objects too.
    pub fn doubles(&self) -> bool {
        let only = &self.settings.only;
        if only.is_empty() { !self.settings.quick } else { only.iter().any(|wanted| wanted == "double") }
    }

    /// How often something is done: fewer times when it is to be quick.
    pub fn times(&self, full: usize, quick: usize) -> usize {
        if self.settings.quick { quick } else { full }
    }

    /// A line about what is going on.
    pub fn say(&self, text: &str) {
        eprintln!("[{:8.2}] {text}", self.started.elapsed().as_secs_f64());
    }

    pub fn row(&self, row: Row) {
        self.say(&format!("  {}", row.line()));
        if !row.detail.is_empty() {
            self.say(&format!("    {}", row.detail));
        }
        self.report.lock().unwrap().add(row);
    }
}

/// The most memory, in MiB.
pub fn memory_bar(objects: usize) -> f64 {
    if objects >= LARGE { 300.0 } else { 80.0 }
}

/// The longest that one file takes to be applied after its fetch, in milliseconds.
pub fn push_bar(objects: usize) -> f64 {
    if objects >= LARGE { 60.0 } else { 20.0 }
}

/// The longest restart, in seconds; for 100,000 there is no bar.
pub fn restart_bar(objects: usize) -> Option<f64> {
    (objects < LARGE).then_some(3.0)
}

/// How long work on so many objects may take before it counts as broken.
pub fn patience(objects: usize) -> Duration {
    Duration::from_secs(60 + objects as u64 / 50)
}
