//! A cluster with everything allowed, a repository, kubectl and kubeferry between them.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use kube::Client;
use kubeferry::object::Schema;
use serde_json::Value;

use super::envtest::{Options, RealServer};
use super::ferry::CommandLine;
use super::git::BareRepo;

/// How many kubectls run at once.
const AT_ONCE: usize = 4;

/// One test's own part of the cluster and a repository.
pub struct Shop {
    /// The remote.
    pub repo: BareRepo,
    kubeconfig: PathBuf,
    folder: tempfile::TempDir,
    name: String,
    client: Client,
    schemas: Mutex<HashMap<String, Schema>>,
}

impl Shop {
    /// Starts what is not running yet; `rules` follow the settings.
    pub async fn open(name: &str, rules: &str) -> Self {
        let server = RealServer::shared(Options { controllers: true, ..Options::default() });
        let folder = tempfile::Builder::new().prefix("capture-").tempdir().unwrap();
        let repo = BareRepo::with(&[("README.md", "# Kinds\n")]);
        let settings = format!("gitUrl: {}\nbranch: main\nbatchWindow: 0s\n{rules}", repo.url());
        std::fs::write(folder.path().join("config.yaml"), settings).unwrap();
        let (client, name) = (server.client().await, name.to_owned());
        Self { repo, kubeconfig: server.kubeconfig(), folder, name, client, schemas: Mutex::default() }
    }

    /// One run of `kubeferry once`, which must find nothing held; what it says.
    pub async fn once(&self) -> String {
        let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
        let arguments = [
            "-f",
            "config.yaml",
            "--kubeconfig",
            &path(&self.kubeconfig),
            "--namespace",
            "ferry",
            "--name",
            &self.name,
        ];
        let mut arguments: Vec<String> = arguments.map(ToOwned::to_owned).into();
        arguments.push("--allow-file-urls".to_owned());
        let (code, out, log) = CommandLine::new(self.folder.path(), arguments).output(&["once"]).await;
        assert_eq!(code, 0, "{out}\n{log}");
        out + &log
    }

    /// Every manifest at the tip of `main`.
    pub fn files(&self) -> BTreeMap<String, String> {
        let mut files = self.repo.files("main");
        // Every namespace has a default account, and its kind is named in the rules.
        files.retain(|path, _| path.ends_with(".yaml") && !path.ends_with("ServiceAccount/default.yaml"));
        files
    }

    /// Runs kubectl; panics when it fails.
    pub fn kubectl<S: AsRef<str>>(&self, arguments: &[S], input: &str) -> String {
        let mut command = Command::new(RealServer::program("kubectl"));
        command.env("KUBECONFIG", &self.kubeconfig).env("HOME", self.folder.path());
        command
            .args(arguments.iter().map(AsRef::as_ref))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let text = input.to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().ok();
        let words: Vec<_> = arguments.iter().map(AsRef::as_ref).collect();
        let errors = String::from_utf8_lossy(&output.stderr);
        let errors: Vec<_> = errors.lines().filter(|line| !line.starts_with("Warning: ")).collect();
        assert!(output.status.success(), "kubectl {}: {}", words.join(" "), errors.join("\n"));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Several at once, in no order.
    pub fn kubectl_all(&self, commands: Vec<Vec<String>>) {
        let commands = Mutex::new(commands.into_iter());
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    while let Some(command) = { commands.lock().unwrap().next() } {
                        self.kubectl(&command, "");
                    }
                });
            }
        });
    }

    /// The schema of an object's version.
    pub async fn schema(&self, object: &Value) -> Schema {
        let path = super::schema_path(object);
        if let Some(schema) = self.schemas.lock().unwrap().get(&path) {
            return schema.clone();
        }
        let request = http::Request::get(&path).body(Vec::new()).unwrap();
        let schema = super::schema_of(&self.client.request_text(request).await.unwrap());
        self.schemas.lock().unwrap().insert(path, schema.clone());
        schema
    }
}
