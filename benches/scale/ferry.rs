//! Owns the binary under test as a process: started as a person or a pod starts it, asked for its readiness, read from
//! outside. Must never outlive the bench.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use kubeferry::http::client;
use serde_json::Value;

/// How long a start, and a stop, may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Ticks of processor time in a second, as /proc counts them on every Linux.
const TICKS: f64 = 100.0;

/// How one process is started.
pub struct Launch<'a> {
    /// For what it writes.
    pub folder: &'a Path,
    pub kubeconfig: &'a Path,
    /// The text of the rules file.
    pub rules: &'a str,
    /// Further environment.
    pub variables: Vec<(&'a str, String)>,
}

/// A running instance. Killed when it is dropped.
pub struct Ferry {
    child: Child,
    log: Log,
    url: String,
    /// Just before the process was made.
    pub started: Instant,
}

/// What a process has used.
#[derive(Clone, Copy, Debug)]
pub struct Vitals {
    /// The most memory that was resident, in MiB.
    pub peak: f64,
    /// What is resident now, in MiB.
    pub resident: f64,
    /// Seconds of processor time.
    pub cpu: f64,
}

impl Ferry {
    /// Starts `run` with a JSON log, and waits until it listens.
    pub async fn start(launch: &Launch<'_>) -> Result<Self> {
        let config = launch.folder.join("config.yaml");
        std::fs::write(&config, launch.rules)?;
        let log = new_file(launch.folder)?;
        let mut command = Command::new(binary());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", launch.folder).env("TMPDIR", launch.folder).envs(launch.variables.iter().cloned());
        command.args(["run", "--listen", "127.0.0.1:0", "--log-format", "json", "--allow-file-urls"]);
        command.arg("-f").arg(&config).arg("--kubeconfig").arg(launch.kubeconfig);
        command.args(["--namespace", super::stage::HOME, "--name", super::stage::NAME]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", binary().display()))?;
        let mut ferry = Self { child, log: Log::open(&log)?, url: String::new(), started };
        let address = |line: &Value| {
            (line["message"] == "listening").then(|| line["address"].as_str().unwrap_or_default().to_owned())
        };
        ferry.url = format!("http://{}", ferry.until_logged("its address", address).await?);
        Ok(ferry)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `/readyz` answers 200; answers when it did.
    pub async fn ready(&mut self, limit: Duration) -> Result<Instant> {
        let end = Instant::now() + limit;
        let url = format!("{}/readyz", self.url);
        loop {
            let answer = client::get(&url).await;
            if matches!(answer, Ok((200, _))) {
                return Ok(Instant::now());
            }
            if Instant::now() > end {
                bail!("not in sync after {limit:?}: {answer:?}\n{}", self.log.tail());
            }
            self.alive()?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits for a line of the log, from where the last search ended, and answers what was found in it.
    pub async fn until_logged<T>(&mut self, what: &str, found: impl Fn(&Value) -> Option<T>) -> Result<T> {
        let end = Instant::now() + LIMIT;
        loop {
            while let Some(line) = self.log.next_line()? {
                if let Some(found) = serde_json::from_str::<Value>(&line).ok().as_ref().and_then(&found) {
                    return Ok(found);
                }
            }
            self.alive()?;
            if Instant::now() > end {
                bail!("waited in vain for {what} in the log\n{}", self.log.tail());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// When the fetch of this commit ended, as the log says.
    pub async fn until_fetched(&mut self, commit: &str) -> Result<Timestamp> {
        let at = |line: &Value| {
            let short = line["commit"].as_str().filter(|short| !short.is_empty() && commit.starts_with(short))?;
            (line["message"] == "fetched").then(|| line["timestamp"].as_str().map(|at| (at.to_owned(), short.len())))?
        };
        let (at, _) = self.until_logged(&format!("the fetch of {commit}"), at).await?;
        at.parse().with_context(|| format!("{at} is no time"))
    }

    pub fn vitals(&self) -> Result<Vitals> {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", self.id()));
        let status = read("status")?;
        let memory = |name: &str| -> Result<f64> {
            let value =
                status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
            Ok(value.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
        };
        let stat = read("stat")?;
        // Behind the name, which may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(") ").context("no stat")?.1.split(' ').collect();
        let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
        Ok(Vitals { peak: memory("VmHWM:")?, resident: memory("VmRSS:")?, cpu: ticks / TICKS })
    }

    /// The last lines of its log.
    pub fn tail(&self) -> String {
        self.log.tail()
    }

    /// SIGTERM, and waits for the end. Answers what it has used.
    pub async fn stop(mut self) -> Result<Vitals> {
        let vitals = self.vitals()?;
        Command::new("kill").args(["-TERM", &self.id().to_string()]).status()?;
        let end = Instant::now() + LIMIT;
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(vitals),
                Some(status) => bail!("kubeferry ended with {status}\n{}", self.log.tail()),
                None if Instant::now() > end => bail!("kubeferry does not end\n{}", self.log.tail()),
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    fn alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("kubeferry ended with {status}\n{}", self.log.tail()),
        }
    }
}

impl Drop for Ferry {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What is driven: the binary that cargo built, unless another is named.
pub fn binary() -> PathBuf {
    std::env::var_os("KUBEFERRY_BENCH_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_kubeferry").into(), PathBuf::from)
}

fn new_file(folder: &Path) -> Result<PathBuf> {
    let path = |number: usize| folder.join(format!("kubeferry-{number}.log"));
    (0..).map(path).find(|path| !path.exists()).context("no free name")
}

/// A log that grows.
struct Log {
    path: PathBuf,
    file: File,
    buffer: Vec<u8>,
    start: usize,
}

impl Log {
    fn open(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), file: File::open(path)?, buffer: Vec::new(), start: 0 })
    }

    fn next_line(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(length) = memchr::memchr(b'\n', &self.buffer[self.start..]) {
                let line = String::from_utf8_lossy(&self.buffer[self.start..self.start + length]).into_owned();
                self.start += length + 1;
                return Ok(Some(line));
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            let mut more = Vec::new();
            if self.file.by_ref().take(1 << 20).read_to_end(&mut more)? == 0 {
                return Ok(None);
            }
            self.buffer.extend(more);
        }
    }

    fn tail(&self) -> String {
        let read = || -> std::io::Result<String> {
            let mut file = File::open(&self.path)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(4_000)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        read().unwrap_or_default()
    }
}
