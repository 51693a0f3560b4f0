//! What the demo shows: a push that reaches the cluster, a live change that reaches Git, and a drift that is undone.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;
use tokio::sync::{Mutex, mpsc};

use crate::report::reporter::Listener;
use crate::report::terminal::{self, Style, paint};
use crate::report::{Change, Verb};

use super::NAMESPACE;
use super::remote::DemoRemote;

/// How long one step may take before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The demo while it is told.
pub(super) struct Story {
    remote: DemoRemote,
    client: Client,
    kubeconfig: PathBuf,
    rules: PathBuf,
    is_sandbox: bool,
    changes: Mutex<mpsc::UnboundedReceiver<Change>>,
    colour: bool,
}

impl Story {
    /// The story over a cluster and a repository; the listener is to be told of every change.
    pub(super) async fn begin(
        remote: DemoRemote,
        kubeconfig: PathBuf,
        rules: PathBuf,
        is_sandbox: bool,
    ) -> anyhow::Result<(Self, Listener)> {
        let file = Kubeconfig::read_from(&kubeconfig)?;
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        let client = Client::try_from(config)?;
        let (tell, changes) = mpsc::unbounded_channel();
        let listener: Listener = Arc::new(move |change: &Change| {
            // After the story nobody listens any more.
            let _ = tell.send(change.clone());
        });
        let colour = terminal::colour(&std::io::stdout());
        let changes = Mutex::new(changes);
        Ok((Self { remote, client, kubeconfig, rules, is_sandbox, changes, colour }, listener))
    }

    /// Tells it, each step as it happens.
    pub(super) async fn tell(&self) -> anyhow::Result<()> {
        let what = if self.is_sandbox { "an embedded API server" } else { "your cluster" };
        self.heading(&format!("kubeferry between a new repository and {what}"));
        println!("{}", std::fs::read_to_string(&self.rules)?);

        self.heading("What Git describes is applied");
        // All at once, so in any order; objects that a former demo left in the cluster are adopted.
        let mut waiting = BTreeSet::from(["ConfigMap", "Deployment", "Service"]);
        while !waiting.is_empty() {
            let change = self.wait(&waiting, &[Verb::Created, Verb::Configured]).await?;
            waiting.remove(change.object.kind());
            println!("  {change}");
        }

        self.heading("1. Git -> cluster: Ada pushes a commit");
        let before = self.remote.read("apps/settings.yaml")?;
        let after = before.replace("greeting: hello", "greeting: good morning");
        let commit = self.remote.commit("Greet in the morning", &[("apps/settings.yaml", &after)])?;
        self.show(&self.remote.show(&commit.to_string())?);
        let change = self.wait(&["ConfigMap"].into(), &[Verb::Configured]).await?;
        println!("  {change}");
        println!("  live: greeting is now {:?}", self.greeting().await?);

        self.heading("2. cluster -> Git: somebody scales the Deployment");
        println!("  $ kubectl --namespace {NAMESPACE} scale deployment web --replicas=5");
        self.scale(5).await?;
        let change = self.wait(&["Deployment"].into(), &[Verb::Written]).await?;
        println!("  {change}");
        let commit = change.commit.ok_or_else(|| anyhow!("the change names no commit"))?;
        self.show(&self.remote.show(&commit.to_string())?);

        self.heading("3. Drift: somebody edits what Git decides");
        println!(
            "  $ kubectl --namespace {NAMESPACE} patch configmap settings --type merge -p '{{\"data\":{{\"currency\":\"USD\"}}}}'"
        );
        self.drift().await?;
        let change = self.wait(&["ConfigMap"].into(), &[Verb::Configured]).await?;
        println!("  {change}");
        println!("\nBoth directions work, in one process, per field, without a loop.");
        Ok(())
    }

    /// Says how to play on.
    pub(super) fn invite(&self) -> anyhow::Result<()> {
        self.heading("Play on; this stays up until Ctrl-C");
        println!("  export KUBECONFIG={}", self.kubeconfig.display());
        println!("  kubectl --namespace {NAMESPACE} get deployments,services,configmaps");
        println!("  kubectl --namespace {NAMESPACE} scale deployment web --replicas=3");
        println!("  git clone {} shop && cd shop     # edit, commit, push", self.remote.path().display());
        println!("  {}     # the rules; edit them, they are reloaded", self.rules.display());
        Ok(())
    }

    async fn wait(&self, kinds: &BTreeSet<&str>, verbs: &[Verb]) -> anyhow::Result<Change> {
        let mut changes = self.changes.lock().await;
        let next = async {
            loop {
                let change = changes.recv().await.ok_or_else(|| anyhow!("the loops ended"))?;
                if kinds.contains(change.object.kind()) && verbs.contains(&change.verb) {
                    return Ok(change);
                }
            }
        };
        let waited = tokio::time::timeout(PATIENCE, next).await;
        waited.with_context(|| format!("nothing happened to {kinds:?} within {} s", PATIENCE.as_secs()))?
    }

    async fn greeting(&self) -> anyhow::Result<String> {
        let settings = Api::<ConfigMap>::namespaced(self.client.clone(), NAMESPACE).get("settings").await?;
        Ok(settings.data.and_then(|mut data| data.remove("greeting")).unwrap_or_default())
    }

    async fn scale(&self, replicas: u32) -> anyhow::Result<()> {
        let deployments = Api::<Deployment>::namespaced(self.client.clone(), NAMESPACE);
        let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        deployments.patch_scale("web", &by_hand(), &patch).await?;
        Ok(())
    }

    async fn drift(&self) -> anyhow::Result<()> {
        let settings = Api::<ConfigMap>::namespaced(self.client.clone(), NAMESPACE);
        let patch = Patch::Merge(json!({"data": {"currency": "USD"}}));
        settings.patch("settings", &by_hand(), &patch).await?;
        Ok(())
    }

    fn heading(&self, text: &str) {
        println!("\n{}", paint(text, Style::Bold, self.colour));
    }

    fn show(&self, patch: &str) {
        for line in patch.lines() {
            let style = match line.as_bytes().first() {
                Some(b'+') => Some(Style::Green),
                Some(b'-') => Some(Style::Red),
                Some(b'@') => Some(Style::Cyan),
                _ => None,
            };
            match style {
                Some(style) => println!("    {}", paint(line, style, self.colour)),
                None => println!("    {line}"),
            }
        }
    }
}

/// The writer that a person with kubectl is.
fn by_hand() -> PatchParams {
    PatchParams { field_manager: Some("kubectl".to_owned()), ..PatchParams::default() }
}
