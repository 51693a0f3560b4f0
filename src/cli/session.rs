//! Owns what every verb that touches both sides needs: the rules, the repository, the cluster, and who we are. Must never
//! write to either side.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use serde_json::json;

use crate::cluster::{ApiServer, Cluster as _, ClusterError, ClusterOptions, Connection, FieldManager};
use crate::object::{GroupKind, ObjectId};
use crate::report::Reporter;
use crate::repository::{Credentials, GitUrl, Libgit2, LocalUrls, Repository, RepositorySettings, parse_git_path};
use crate::rules::{Loaded, Rules};
use crate::sync::clock::SystemClock;
use crate::sync::engine::{Engine, Mode};
use crate::sync::planner::Identity;

use super::args::{GitUrl as GitUrlText, Options};

/// The engine as it runs.
pub type LiveEngine = Engine<ApiServer, Repository, SystemClock>;

/// Where state, Lease and Events live when nothing says otherwise.
const NAMESPACE: &str = "kubeferry";

/// Everything that stays the same while rules change.
pub struct Session {
    /// Options of the command line.
    pub options: Options,
    git_url: Option<GitUrlText>,
    /// Process-wide settings of libgit2, proof that they were made.
    pub libgit2: Libgit2,
    /// Who we are.
    pub identity: Identity,
    /// The cluster.
    pub cluster: Arc<ApiServer>,
}

impl Session {
    /// Connects to the cluster that the command line names.
    pub async fn open(options: &Options, git_url: Option<&GitUrlText>, libgit2: &Libgit2) -> anyhow::Result<Self> {
        let identity = identity(options);
        let manager = FieldManager::new(&identity.namespace, &identity.name)?;
        let connection = connect(options).await?;
        let server = connection.url().to_owned();
        let cluster = ApiServer::start(connection, manager).await;
        let cluster = Arc::new(cluster.with_context(|| format!("cannot use the cluster at {server}"))?);
        let (options, git_url, libgit2) = (options.clone(), git_url.cloned(), libgit2.clone());
        Ok(Self { options, git_url, libgit2, identity, cluster })
    }

    /// Makes a namespace when it is missing and we may; otherwise whoever needs it says what is wrong.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn ensure_namespace(&self, name: &str) -> anyhow::Result<()> {
        let id = ObjectId::new(GroupKind::new("", "Namespace"), "", name);
        match self.cluster.get(&id, None).await {
            Ok(Some(_)) | Err(ClusterError::Forbidden(_)) => return Ok(()),
            Ok(None) => {}
            Err(error) => return Err(error.into()),
        }
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        match self.cluster.apply(&id, namespace, false, false).await {
            Ok(_) => tracing::info!("made the namespace {name}"),
            Err(error) => tracing::warn!("the namespace {name} is missing and cannot be made: {error}"),
        }
        Ok(())
    }

    /// The URL of the repository: the command line's, else that of the rules file.
    pub fn git_url(&self, rules: &Rules) -> anyhow::Result<GitUrl> {
        let text = self.git_url.as_ref().map(GitUrlText::reveal).or(rules.git_url.as_deref());
        let text =
            text.ok_or_else(|| anyhow!("no repository is named: set gitUrl in the rules file or give a GIT_URL"))?;
        let local = if self.options.allow_file_urls { LocalUrls::Allowed } else { LocalUrls::Refused };
        Ok(GitUrl::parse(text, local)?)
    }

    /// The repository that the rules name; nothing is asked of it yet.
    pub fn repository(&self, rules: &Rules) -> anyhow::Result<Repository> {
        let mut settings = RepositorySettings::new(self.git_url(rules)?);
        settings.branch = rules.branch.clone();
        settings.folder = parse_git_path(&rules.git_path)?;
        settings.file_bytes = rules.limits.file_bytes.try_into().unwrap_or(u64::MAX);
        settings.credentials = Credentials::from_env();
        Ok(Repository::new(&self.libgit2, settings)?)
    }

    /// An engine that has read nothing yet.
    pub fn engine(
        &self,
        repository: Arc<Repository>,
        rules: Arc<Rules>,
        mode: Mode,
        active: bool,
        reporter: Reporter,
    ) -> LiveEngine {
        let sides = (self.cluster.clone(), repository, Arc::new(SystemClock::start()));
        Engine::new(sides, self.identity.clone(), rules, mode, active, reporter)
    }
}

/// Opens the connection that the command line names; asks the API server nothing yet.
pub async fn connect(options: &Options) -> anyhow::Result<Connection> {
    let (kubeconfig, context) = (options.kubeconfig.clone(), options.context.clone());
    Ok(Connection::open(ClusterOptions { kubeconfig, context }).await?)
}

/// Who we are, by the command line.
pub fn identity(options: &Options) -> Identity {
    let namespace = options
        .namespace
        .as_ref()
        .map(|name| name.as_str().to_owned())
        .or_else(pod_namespace)
        .unwrap_or_else(|| NAMESPACE.to_owned());
    let takes_over = options.takes_over.as_ref().map(ToString::to_string);
    Identity { namespace, name: options.name.as_str().to_owned(), takes_over }
}

/// The namespace of the pod that this process runs in.
fn pod_namespace() -> Option<String> {
    let path = PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount/namespace");
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|namespace| !namespace.is_empty())
}

/// Reads and compiles the rules file. Warnings go to the log.
pub fn load_rules(path: &Path) -> anyhow::Result<Loaded> {
    let text = std::fs::read(path)
        .with_context(|| format!("cannot read the rules file {}; name it with -f FILE", path.display()))?;
    let Ok(text) = String::from_utf8(text) else { bail!("the rules file {} is not UTF-8 text", path.display()) };
    let loaded = crate::rules::load(&text, &path.display().to_string())?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    Ok(loaded)
}
