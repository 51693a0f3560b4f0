//! Runs the real `kubeferry` as a child process, as a person or a pod would. Must never outlive its test, nor pass the
//! environment of the test on.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kubeferry::http::client;
use kubeferry::report::Status;

/// How long anything may take.
pub const LIMIT: Duration = Duration::from_secs(30);

/// A command line of the real binary, with nothing in its environment but what a container has.
#[derive(Clone)]
pub struct CommandLine {
    folder: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

impl CommandLine {
    /// `arguments` come before what each call adds. Temporary files go below `folder`.
    pub fn new(folder: &Path, arguments: Vec<String>) -> Self {
        Self { folder: folder.to_owned(), arguments, variables: Vec::new() }
    }

    /// Sets an environment variable.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubeferry"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", &self.folder).env("TMPDIR", &self.folder).env("NO_COLOR", "1").env("RUST_BACKTRACE", "1");
        command.env("KUBEFERRY_LOG", "info,kubeferry=debug").envs(self.variables.clone());
        command.args(arguments).args(&self.arguments).current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    /// Runs a verb that ends by itself: exit code, standard output, standard error.
    pub async fn output(&self, arguments: &[&str]) -> (i32, String, String) {
        let (out, stdout) = self.new_file("out");
        let (err, stderr) = self.new_file("err");
        let child = self.command(arguments).stdout(stdout).stderr(stderr).spawn().unwrap();
        let mut running = Ferry { child, log: err.clone(), url: String::new() };
        let code = running.ended(&format!("{arguments:?}")).await;
        let text = |path: &Path| std::fs::read_to_string(path).unwrap();
        (code.unwrap_or(-1), text(&out), text(&err))
    }

    fn new_file(&self, name: &str) -> (PathBuf, std::fs::File) {
        let new = |number| {
            let path = self.folder.join(format!("{name}-{number}"));
            let file = std::fs::File::create_new(&path).ok()?;
            Some((path, file))
        };
        (0..).find_map(new).unwrap()
    }

    /// Starts `run`, on a port that the system chooses.
    pub async fn run(&self, arguments: &[&str]) -> Ferry {
        let (log, file) = self.new_file("log");
        let mut all = vec!["run", "--listen", "127.0.0.1:0"];
        all.extend(arguments);
        let child = self.command(&all).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        let mut ferry = Ferry { child, log, url: String::new() };
        ferry.url = ferry.listening().await;
        ferry
    }
}

/// A running instance. Killed when it is dropped; its log is printed when the test fails.
pub struct Ferry {
    child: Child,
    log: PathBuf,
    url: String,
}

impl Ferry {
    async fn listening(&mut self) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            let log = self.log();
            let address = log.split_once("listening address=").and_then(|(_, rest)| rest.split_once('\n'));
            if let Some((address, _)) = address {
                return format!("http://{}", address.trim());
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < end, "kubeferry does not start: {ended:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until `/readyz` says yes.
    pub async fn ready(&self) {
        until("readiness", || async {
            let (code, _) = client::get(&format!("{}/readyz", self.url)).await.ok()?;
            (code == 200).then_some(())
        })
        .await;
    }

    /// The page `/status`.
    pub async fn status(&self) -> Status {
        client::status(&self.url).await.unwrap()
    }

    /// Waits until the page says what is wanted.
    pub async fn until_status<T>(&self, what: &str, wanted: impl Fn(&Status) -> Option<T>) -> T {
        until(what, || async { wanted(&self.status().await) }).await
    }

    /// Waits until the commit was read and everything that it asks for was tried.
    pub async fn until_synced(&self, commit: &str) {
        let same = |page: &Status| (page.git.synced.as_deref()? == commit && page.git.batched == 0).then_some(());
        self.until_status(&format!("the end of the work for {commit}"), same).await;
    }

    /// Its process, for [`signal`].
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM, then waits for the exit code.
    pub async fn terminate(mut self) -> Option<i32> {
        signal(self.id(), "TERM");
        self.ended("the process after SIGTERM").await
    }

    async fn ended(&mut self, what: &str) -> Option<i32> {
        let end = Instant::now() + LIMIT;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{what} does not end");
    }

    /// SIGKILL: it has no time to give anything back.
    pub fn kill(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Sends a signal, named as `kill` names it, to a process that is our child.
pub fn signal(process: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status().unwrap().success());
}

impl Drop for Ferry {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), std::fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// Asks again and again until the answer is as wanted. Panics when that takes too long.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    };
    tokio::time::timeout(LIMIT, asking).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}
