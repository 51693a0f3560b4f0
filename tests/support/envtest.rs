//! Owns a real control plane for one test binary: etcd, kube-apiserver (RBAC, loopback, free ports) and, if wanted,
//! kube-controller-manager, from the folder that `KUBEBUILDER_ASSETS` names. Must never outlive the test binary and must
//! never touch a cluster that it did not start.
//!
//! ```ignore
//! #[path = "../support/envtest.rs"]
//! mod envtest;
//!
//! #[tokio::test]
//! #[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
//! async fn something_happens() {
//!     let server = RealServer::shared(Options::default()); // the first caller of a test binary decides the options
//!     let client = server.client().await;
//! }
//! ```

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::Write as _;
use std::iter;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

/// How long a part of the control plane may take to come up.
const START: Duration = Duration::from_secs(90);

/// Runs beside the test binary: starts what it is told (`NAME COMMAND` per line), and kills all of it and removes the
/// folder when its stdin closes, which happens however the test binary ends.
const SUPERVISOR: &str = r#"
cd "$1" || exit 1
run() { eval "exec $2" >"$1.log" 2>&1 </dev/null & echo $! >"$1.pid"; wait $!; echo $? >"$1.exit"; }
while read -r name line; do
  rm -f "$name.pid" "$name.exit"
  run "$name" "$line" &
  until [ -s "$name.pid" ]; do sleep 0.02; done
done
for file in *.pid; do [ -e "${file%.pid}.exit" ] || kill -9 "$(cat "$file")"; done
wait; cd /; rm -rf "$1"
"#;

/// What the control plane is made of.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Also start kube-controller-manager: Deployments roll, namespaces are deleted for good, owners are collected.
    pub controllers: bool,
    /// Users whose requests go to the audit log at level Metadata, for example `system:serviceaccount:ns:name`.
    pub audited_users: Vec<String>,
    /// Further flags of kube-apiserver.
    pub apiserver_args: Vec<String>,
}

/// A running control plane. Lives until the test binary ends (or until it is dropped).
pub struct RealServer {
    folder: PathBuf,
    url: String,
    certificate: String,
    supervisor: Mutex<(Child, Option<ChildStdin>)>,
}

impl RealServer {
    /// The one server of this test binary; the first call starts it and decides the options.
    pub fn shared(options: Options) -> &'static RealServer {
        static SERVER: OnceLock<RealServer> = OnceLock::new();
        SERVER.get_or_init(|| Self::start(options))
    }

    /// Starts another server. Panics, quoting the logs, when it does not come up.
    pub fn start(options: Options) -> Self {
        // A thread of its own, so that it works within any runtime or none.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(Self::come_up(options))
        })
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// The kubeconfig of the cluster's administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// A client of the cluster's administrator, bound to the calling runtime.
    pub async fn client(&self) -> Client {
        client_of(&self.kubeconfig()).await
    }

    /// A kubeconfig with this bearer token.
    pub fn kubeconfig_for(&self, token: &str) -> PathBuf {
        let mut file = tempfile::Builder::new().prefix("kubeconfig-").tempfile_in(&self.folder).unwrap();
        file.write_all(self.kubeconfig_text(token).as_bytes()).unwrap();
        file.into_temp_path().keep().unwrap()
    }

    /// Makes the namespace and the service account when they are missing; answers a token of it, valid for an hour.
    pub async fn service_account_token(&self, namespace: &str, name: &str) -> String {
        let client = self.client().await;
        let create = PostParams::default();
        let space = serde_json::from_value(json!({"metadata": {"name": namespace}})).unwrap();
        exists(Api::<Namespace>::all(client.clone()).create(&create, &space).await);
        let accounts = Api::<ServiceAccount>::namespaced(client, namespace);
        let account = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        exists(accounts.create(&create, &account).await);
        let spec = TokenRequestSpec { expiration_seconds: Some(3600), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let answer = accounts.create_token_request(name, &create, &request).await.unwrap();
        answer.status.unwrap().token
    }

    /// What the audited users have asked so far, as audit events (`verb`, `requestURI`, `user.username`, `stage`, ...).
    pub fn audit_log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.audit_file()).unwrap_or_default();
        // The last line may be half written.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The file of the audit log, for whom it is too long to be read as a whole.
    pub fn audit_file(&self) -> PathBuf {
        self.folder.join("audit.log")
    }

    /// A program of the assets, for example `kubectl`.
    pub fn program(name: &str) -> PathBuf {
        let assets =
            std::env::var_os("KUBEBUILDER_ASSETS").expect("KUBEBUILDER_ASSETS names the folder of kube-apiserver");
        Path::new(&assets).join(name)
    }

    async fn come_up(options: Options) -> Self {
        rustls_provider();
        let folder = tempfile::Builder::new().prefix("kubeferry-envtest-").tempdir().unwrap().keep();
        fs::create_dir(folder.join("pki")).unwrap();
        let signing = rcgen::KeyPair::generate().unwrap();
        fs::write(folder.join("pki/sa.key"), signing.serialize_pem()).unwrap();
        fs::write(folder.join("pki/sa.pub"), signing.public_key_pem()).unwrap();
        let secret = rcgen::KeyPair::generate().unwrap().serialize_der();
        let token: String = secret.iter().rev().take(16).map(|byte| format!("{byte:02x}")).collect();
        fs::write(folder.join("token.csv"), format!("{token},admin,admin,system:masters\n")).unwrap();
        if !options.audited_users.is_empty() {
            fs::write(folder.join("audit.json"), audit_policy(&options.audited_users).to_string()).unwrap();
        }

        let mut supervisor = Command::new("sh")
            .args(["-c", SUPERVISOR, "sh"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C must not reach it before it has cleaned up.
            .process_group(0)
            .spawn()
            .expect("sh starts");
        let stdin = supervisor.stdin.take();
        let [client, peer, secure] = free_ports();
        let mut server = Self {
            folder,
            url: format!("https://127.0.0.1:{secure}"),
            certificate: String::new(),
            supervisor: Mutex::new((supervisor, stdin)),
        };

        server.run("etcd", &etcd_args(client, peer));
        server.run("kube-apiserver", &apiserver_args(client, secure, &options));
        let certificate = server.folder.join("pki/apiserver.crt");
        let written = || async { fs::read(&certificate).ok().filter(|bytes| bytes.ends_with(b"-----\n")) };
        server.certificate =
            base64::engine::general_purpose::STANDARD.encode(server.wait("kube-apiserver", written).await);
        fs::write(server.kubeconfig(), server.kubeconfig_text(&token)).unwrap();
        let admin = server.client().await;
        server.wait("kube-apiserver", || is_ready(admin.clone())).await;
        if options.controllers {
            server.run("kube-controller-manager", &controller_args());
            let accounts = Api::<ServiceAccount>::namespaced(admin, "default");
            server.wait("kube-controller-manager", || async { accounts.get("default").await.ok() }).await;
        }
        server
    }

    fn run(&self, program: &str, args: &[String]) {
        let path = Self::program(program);
        let words = std::iter::once(path.to_str().unwrap()).chain(args.iter().map(String::as_str)).map(quoted);
        let line = format!("{program} {}\n", words.collect::<Vec<_>>().join(" "));
        self.supervisor.lock().unwrap().1.as_mut().unwrap().write_all(line.as_bytes()).expect("the supervisor runs");
    }

    /// Asks until there is an answer. Panics with the logs when the program ends or the time is over.
    async fn wait<T, F: Future<Output = Option<T>>>(&self, program: &str, ask: impl Fn() -> F) -> T {
        let end = Instant::now() + START;
        loop {
            let answer = tokio::time::timeout(Duration::from_secs(5), ask()).await;
            if let Ok(Some(answer)) = answer {
                return answer;
            }
            let ended = ["etcd", program].iter().any(|name| self.folder.join(format!("{name}.exit")).exists());
            assert!(!ended && Instant::now() < end, "{program} did not come up\n{}", self.logs());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The last lines of every log.
    pub fn logs(&self) -> String {
        let quote = |name: &str| {
            let text = fs::read_to_string(self.folder.join(format!("{name}.log"))).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            format!("--- {name}\n{}\n", lines[lines.len().saturating_sub(25)..].join("\n"))
        };
        ["etcd", "kube-apiserver", "kube-controller-manager"].map(quote).concat()
    }

    fn kubeconfig_text(&self, token: &str) -> String {
        let (url, certificate) = (&self.url, &self.certificate);
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "envtest",
            "clusters": [{"name": "envtest", "cluster": {"server": url, "certificate-authority-data": certificate}}],
            "users": [{"name": "user", "user": {"token": token}}],
            "contexts": [{"name": "envtest", "context": {"cluster": "envtest", "user": "user"}}],
        })
        .to_string()
    }
}

impl Drop for RealServer {
    /// Waits until everything is gone. (The shared server is never dropped: there the closing pipe does it.)
    fn drop(&mut self) {
        let (supervisor, stdin) = self.supervisor.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        drop(stdin.take());
        let _ = supervisor.wait();
    }
}

/// A client for a kubeconfig, bound to the calling runtime.
pub async fn client_of(kubeconfig: &Path) -> Client {
    rustls_provider();
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

/// Makes ring the provider of every TLS connection of this process; harmless when it is one already.
pub fn rustls_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

async fn is_ready(admin: Client) -> Option<()> {
    admin.request_text(http::Request::get("/readyz").body(Vec::new()).unwrap()).await.ok()?;
    let namespaces = Api::<Namespace>::all(admin);
    // Made by the server a moment after it says that it is ready.
    for name in ["default", "kube-system"] {
        namespaces.get(name).await.ok()?;
    }
    Some(())
}

fn exists<T>(answer: kube::Result<T>) {
    match answer {
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        answer => drop(answer.unwrap()),
    }
}

/// Below the range from which the system takes the ports of outgoing connections: nobody comes between.
fn free_ports<const N: usize>() -> [u16; N] {
    let random = || 12_000 + (RandomState::new().build_hasher().finish() % 20_000) as u16;
    let free = |()| iter::repeat_with(random).find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok()).unwrap();
    // All are bound before the first is let go, so that they differ.
    let listeners = [(); N].map(free);
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn audit_policy(users: &[String]) -> Value {
    json!({
        "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata", "users": users}, {"level": "None"}],
    })
}

fn strings(text: &str) -> Vec<String> {
    text.split_whitespace().map(String::from).collect()
}

fn etcd_args(client: u16, peer: u16) -> Vec<String> {
    strings(&format!(
        "--data-dir etcd --listen-client-urls http://127.0.0.1:{client} --advertise-client-urls http://127.0.0.1:{client} \
         --listen-peer-urls http://127.0.0.1:{peer} --initial-advertise-peer-urls http://127.0.0.1:{peer} \
         --initial-cluster default=http://127.0.0.1:{peer} --unsafe-no-fsync --log-level error"
    ))
}

fn apiserver_args(client: u16, secure: u16, options: &Options) -> Vec<String> {
    let mut args = strings(&format!(
        "--etcd-servers http://127.0.0.1:{client} --bind-address 127.0.0.1 --secure-port {secure} --cert-dir pki \
         --service-account-issuer https://kubernetes.default.svc.cluster.local --service-account-key-file pki/sa.pub \
         --service-account-signing-key-file pki/sa.key --service-cluster-ip-range 10.96.0.0/16 --authorization-mode RBAC \
         --token-auth-file token.csv --allow-privileged=true --profiling=false"
    ));
    if !options.audited_users.is_empty() {
        args.extend(strings("--audit-policy-file audit.json --audit-log-path audit.log"));
    }
    args.extend(options.apiserver_args.iter().cloned());
    args
}

fn controller_args() -> Vec<String> {
    strings(
        "--kubeconfig kubeconfig --leader-elect=false --secure-port 0 --use-service-account-credentials=false \
         --service-account-private-key-file pki/sa.key --root-ca-file pki/apiserver.crt \
         --controllers *,-nodeipam,-node-route-controller,-service-lb-controller",
    )
}
