//! Owns which cluster is meant and how it is reached: kubeconfig or service account, credentials, user agent, connect
//! timeout. Must never log or quote a credential.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::header::USER_AGENT;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use tokio::sync::OnceCell;

use super::error::{ClusterError, chain};
use super::flow::Flow;
use super::request::Timing;

/// How long a TCP and TLS connection may take to come up.
const CONNECT: Duration = Duration::from_secs(5);

/// Which cluster is meant.
#[derive(Clone, Debug, Default)]
pub struct ClusterOptions {
    /// This kubeconfig and no other; otherwise `KUBECONFIG`, then `~/.kube/config`, then the pod's service account.
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; its current one when `None`.
    pub context: Option<String>,
}

/// A way to one API server: pooled connections, credentials that renew themselves. Cloning is cheap.
#[derive(Clone)]
pub struct Connection {
    pub(super) client: kube::Client,
    pub(super) timing: Timing,
    /// Turns of requests about objects.
    pub(super) flow: Flow,
    /// Whether the server streams lists, once that was asked.
    pub(super) streams_lists: Arc<OnceCell<bool>>,
    namespace: Arc<str>,
    url: Arc<str>,
}

impl Connection {
    /// Reads the configuration. Asks the API server nothing yet.
    ///
    /// # Errors
    ///
    /// [`ClusterError::Other`] when there is no configuration or it can't be used; the text names the file.
    pub async fn open(options: ClusterOptions) -> Result<Self, ClusterError> {
        let (mut config, source) = configuration(&options).await?;
        config.connect_timeout = Some(CONNECT);
        // It would try for minutes; ours is bounded, see `request`.
        config.default_retry = false;
        let agent = concat!("kubeferry/", env!("CARGO_PKG_VERSION"));
        config.headers.push((USER_AGENT, HeaderValue::from_static(agent)));
        // Kube takes `HTTPS_PROXY` for every cluster; a proxy never leads to a cluster on this very machine.
        if config.cluster_url.host().is_some_and(is_loopback) {
            config.proxy_url = None;
        }
        let namespace = config.default_namespace.as_str().into();
        let url = config.cluster_url.to_string().into();
        // A kubeconfig may name a program that yields the credentials: it is run here, and blocks.
        let client = tokio::task::spawn_blocking(move || kube::Client::try_from(config)).await;
        let client = client
            .map_err(|panic| ClusterError::Other(format!("cannot use {source}: {panic}")))?
            .map_err(|error| ClusterError::Other(format!("cannot use {source}: {}", unquoted(&error))))?;
        Ok(Self::with(client, namespace, url))
    }

    /// A connection through this client, for tests.
    #[cfg(test)]
    pub(super) fn over(client: kube::Client) -> Self {
        Self::with(client, "default".into(), "http://stub".into())
    }

    fn with(client: kube::Client, namespace: Arc<str>, url: Arc<str>) -> Self {
        let (timing, flow, streams_lists) = (Timing::default(), Flow::default(), Arc::default());
        Self { client, timing, flow, streams_lists, namespace, url }
    }

    /// The same connection with another limit for each call.
    pub(super) fn with_limit(&self, limit: Duration) -> Self {
        Self { timing: Timing { limit, ..self.timing }, ..self.clone() }
    }

    /// The namespace of the kubeconfig's context or of the pod; `default` when none is named.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Where the API server is.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// The configuration and, for messages, where it came from.
async fn configuration(options: &ClusterOptions) -> Result<(kube::Config, String), ClusterError> {
    let (kubeconfig, source) = match &options.kubeconfig {
        Some(path) => (Some(read(path)?), format!("the kubeconfig {}", path.display())),
        None => usual_kubeconfig()?,
    };
    let chosen = KubeConfigOptions { context: options.context.clone(), ..KubeConfigOptions::default() };
    let config = match kubeconfig {
        Some(kubeconfig) => kube::Config::from_custom_kubeconfig(kubeconfig, &chosen)
            .await
            .map_err(|error| ClusterError::Other(format!("cannot use {source}: {}", text_of(&error))))?,
        None if options.context.is_some() => {
            return Err(ClusterError::Other("a context is named, but there is no kubeconfig to find it in".into()));
        }
        None => kube::Config::incluster().map_err(|error| {
            ClusterError::Other(format!(
                "no cluster is configured: name one with --kubeconfig FILE or KUBECONFIG, or run in a pod ({})",
                chain(&error)
            ))
        })?,
    };
    Ok((config, source))
}

/// `KUBECONFIG` (a list of files), else `~/.kube/config`, else none. A broken file is an error, never skipped.
fn usual_kubeconfig() -> Result<(Option<Kubeconfig>, String), ClusterError> {
    let broken = |error| ClusterError::Other(format!("cannot use the kubeconfig of KUBECONFIG: {}", text_of(&error)));
    if let Some(kubeconfig) = Kubeconfig::from_env().map_err(broken)? {
        return Ok((Some(kubeconfig), "the kubeconfig of KUBECONFIG".into()));
    }
    let home = std::env::home_dir().map(|home| home.join(".kube").join("config"));
    match home.filter(|path| path.is_file()) {
        Some(path) => Ok((Some(read(&path)?), format!("the kubeconfig {}", path.display()))),
        None => Ok((None, "the pod's service account".into())),
    }
}

fn read(path: &Path) -> Result<Kubeconfig, ClusterError> {
    Kubeconfig::read_from(path).map_err(|error| {
        ClusterError::Other(format!("cannot use the kubeconfig {}: {}", path.display(), text_of(&error)))
    })
}

fn text_of(error: &KubeconfigError) -> String {
    match error {
        // The parser's text quotes the lines around, where tokens and keys stand.
        KubeconfigError::Parse(_) => "it is not the YAML of a kubeconfig (kubectl config view tells where)".into(),
        KubeconfigError::LoadContext(name) => {
            format!("it has no context {name} (kubectl config get-contexts lists them)")
        }
        KubeconfigError::CurrentContextNotSet => "it has no current context: name one with --context".into(),
        error => chain(error),
    }
}

fn unquoted(error: &kube::Error) -> String {
    match error {
        kube::Error::InferKubeconfig(error) => text_of(error),
        error => super::error::of_client(error, super::error::Texts::Shown).to_string(),
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(folder: &tempfile::TempDir, text: &str, context: Option<&str>) -> ClusterOptions {
        let path = folder.path().join("kubeconfig");
        std::fs::write(&path, text).unwrap();
        ClusterOptions { kubeconfig: Some(path), context: context.map(String::from) }
    }

    const TWO: &str = r#"{apiVersion: v1, kind: Config, current-context: one,
        clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}, {name: d, cluster: {server: "https://127.0.0.1:2"}}],
        users: [{name: u, user: {token: sesame}}],
        contexts: [{name: one, context: {cluster: c, user: u}}, {name: two, context: {cluster: d, user: u, namespace: n}}]}"#;

    #[tokio::test]
    async fn the_named_context_of_the_named_file_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let one = Connection::open(options(&folder, TWO, None)).await.unwrap();
        assert_eq!((one.url(), one.namespace()), ("https://127.0.0.1:1/", "default"));
        let two = Connection::open(options(&folder, TWO, Some("two"))).await.unwrap();
        assert_eq!((two.url(), two.namespace()), ("https://127.0.0.1:2/", "n"));
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_kubeconfig_is_told_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Connection::open(options(&folder, TWO, Some("three"))).await.err().unwrap().to_string();
        assert!(missing.contains("kubeconfig: it has no context three"), "{missing}");
        let broken = "users:\n- name: u\n  user: {token: sesame, token: [sesame\n";
        let broken = Connection::open(options(&folder, broken, None)).await.err().unwrap().to_string();
        assert!(broken.contains("not the YAML of a kubeconfig") && !broken.contains("sesame"), "{broken}");
        let absent = ClusterOptions { kubeconfig: Some(folder.path().join("absent")), context: None };
        let absent = Connection::open(absent).await.err().unwrap().to_string();
        assert!(absent.contains("absent: failed to read kubeconfig"), "{absent}");
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (host, loopback) in [("127.0.0.1", true), ("[::1]", true), ("localhost", true), ("10.0.0.1", false)] {
            assert_eq!(is_loopback(host), loopback, "{host}");
        }
    }
}
