//! Owns what one measurement happens on: an API server of its own, its users, its namespaces. Must never be shared between
//! two sets of objects, so that none slows another down.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use http::Method;
use serde_json::json;

use super::api::{Access, Ask, Connection, send_all};
use super::audit::Audit;
use super::envtest::{Options, RealServer};
use super::ferry::{Ferry, Launch};
use super::objects::{self, Object};

/// The namespace of the instance's own objects.
pub const HOME: &str = "kubeferry";

/// The name of the instance.
pub const NAME: &str = "bench";

/// An API server and those who ask it.
pub struct Stage {
    _server: RealServer,
    /// The administrator: whoever edits by hand, and the bench's watch. Not in the audit log.
    pub admin: Access,
    /// The bare client of the floors: a service account with the same rights as kubeferry's, audited like it.
    pub floor: Access,
    /// What kubeferry asks.
    pub audit: Audit,
    kubeconfig: PathBuf,
    folder: tempfile::TempDir,
}

impl Stage {
    /// Starts etcd and kube-apiserver with the flags of the tests, and no controllers.
    pub async fn start() -> Result<Self> {
        let accounts = [(HOME, "kubeferry"), ("bench", "floor")];
        let user = |(namespace, name)| format!("system:serviceaccount:{namespace}:{name}");
        let options = Options {
            controllers: false,
            audited_users: accounts.map(user).to_vec(),
            // A log that is rotated is lost to the count.
            apiserver_args: vec!["--audit-log-maxsize=100000".to_owned()],
        };
        let server = tokio::task::spawn_blocking(|| RealServer::start(options)).await?;
        let admin = Access::read(&server.kubeconfig())?;
        let mut connection = admin.connect().await?;
        let mut kubeconfigs = Vec::new();
        for (namespace, name) in accounts {
            let token = server.service_account_token(namespace, name).await;
            kubeconfigs.push(server.kubeconfig_for(&token));
            let binding = json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
                "metadata": {"name": format!("bench-{name}")},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
            });
            let path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings".to_owned();
            connection.call(&Ask::new(Method::POST, path, &binding)).await?;
        }
        for kubeconfig in &kubeconfigs {
            allowed(&Access::read(kubeconfig)?).await?;
        }
        let audit = Audit { file: server.audit_file(), user: user(accounts[0]) };
        let floor = Access::read(&kubeconfigs[1])?;
        let folder = tempfile::Builder::new().prefix("kubeferry-scale-").tempdir()?;
        Ok(Self { _server: server, admin, floor, audit, kubeconfig: kubeconfigs.swap_remove(0), folder })
    }

    /// Makes the namespaces of these objects.
    pub async fn make_namespaces(&self, objects: &[Object]) -> Result<()> {
        let make = |name: String| {
            let space = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            Ask::new(Method::POST, "/api/v1/namespaces".to_owned(), &space)
        };
        let asks = objects::namespaces(objects).into_iter().map(make).collect();
        send_all(&self.admin, asks).await.map(drop)
    }

    /// Deletes these objects, by their collections.
    pub async fn delete(&self, objects: &[Object]) -> Result<()> {
        let collections: BTreeSet<String> = objects::collections(objects);
        let asks = collections.iter().map(|path| Ask::without_body(Method::DELETE, path)).collect();
        send_all(&self.admin, asks).await.map(drop)
    }

    /// A connection of the administrator.
    pub async fn person(&self) -> Result<Connection> {
        self.admin.connect().await
    }

    /// Starts kubeferry with these rules.
    pub async fn ferry(&self, rules: &str) -> Result<Ferry> {
        self.ferry_with(rules, Vec::new()).await
    }

    /// The same with more environment.
    pub async fn ferry_with(&self, rules: &str, variables: Vec<(&str, String)>) -> Result<Ferry> {
        let (folder, kubeconfig) = (self.folder.path(), self.kubeconfig.as_path());
        Ferry::start(&Launch { folder, kubeconfig, rules, variables }).await
    }

    /// For files that may go with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Waits until the API server goes by the binding: it learns of it a moment later.
async fn allowed(access: &Access) -> Result<()> {
    let mut connection = access.connect().await?;
    let ask = Ask::without_body(Method::GET, "/api/v1/namespaces/default/configmaps");
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        match connection.call(&ask).await {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > end => bail!(error.context("the rights do not come into force")),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
