//! `kubeferry demo` and `kubeferry sandbox`: both directions at work, with the real loops, on a bare machine.

mod remote;
mod story;

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use tokio_util::sync::CancellationToken;

use crate::repository::Libgit2;
use crate::sandbox::Server;

use super::args::{Demo, Options, Sandbox};
use super::run::{run_session, stop_signal};
use super::session::Session;

use remote::DemoRemote;
use story::Story;

/// The namespace that the demo lives in.
pub(super) const NAMESPACE: &str = "kubeferry-demo";

/// Runs the demo. Exits with 0 after the round trip (`--exit`) or when it is interrupted.
///
/// # Errors
/// When a step does not happen in time, or the cluster of `--kubeconfig` may not be used: exit 2.
pub async fn demo(options: &Options, args: &Demo, libgit2: &Libgit2) -> anyhow::Result<ExitCode> {
    let folder = tempfile::Builder::new().prefix("kubeferry-demo-").tempdir().context("no temporary folder")?;
    let (kubeconfig, sandbox) = match &options.kubeconfig {
        Some(kubeconfig) => {
            ask(kubeconfig, args.yes)?;
            (kubeconfig.clone(), None)
        }
        None => {
            let server =
                Server::start(([127, 0, 0, 1], 0).into()).await.context("the embedded API server does not start")?;
            let kubeconfig = folder.path().join("kubeconfig");
            write(&kubeconfig, &server.kubeconfig())?;
            (kubeconfig, Some(server))
        }
    };
    let remote = DemoRemote::seed(&folder.path().join("shop.git"))?;
    let rules = folder.path().join("config.yaml");
    write(&rules, &include_str!("config.yaml").replace("REMOTE", &remote.path().display().to_string()))?;

    let mut options = options.clone();
    options.kubeconfig = Some(kubeconfig.clone());
    options.file = rules.clone();
    options.allow_file_urls = true;
    if options.namespace.is_none() {
        options.namespace = Some(NAMESPACE.parse()?);
    }
    let session = Session::open(&options, None, libgit2).await?;
    session.ensure_namespace(NAMESPACE).await?;
    let (story, listener) = Story::begin(remote, kubeconfig, rules, sandbox.is_some()).await?;
    let stop = CancellationToken::new();
    let listen = ([127, 0, 0, 1], 0).into();
    let mut running = tokio::spawn(run_session(session, listen, None, vec![listener], stop.clone()));

    let told = tokio::select! {
        told = story.tell() => told,
        ended = &mut running => {
            ended.context("the loops ended")??;
            bail!("the loops ended before the round trip was over");
        }
        () = stop_signal() => Ok(()),
    };
    if told.is_ok() && !args.exit {
        story.invite()?;
        stop_signal().await;
    }
    stop.cancel();
    running.await.context("the loops ended")??;
    drop(sandbox);
    told?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the embedded API server until it is interrupted. Exits with 0.
///
/// # Errors
/// When it cannot listen, or the kubeconfig cannot be written: exit 2.
pub async fn sandbox(args: &Sandbox) -> anyhow::Result<ExitCode> {
    let server = Server::start(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    match &args.kubeconfig_out {
        Some(path) => {
            write(path, &server.kubeconfig())?;
            println!("API server at {}; export KUBECONFIG={}", server.url(), path.display());
        }
        None => print!("{}", server.kubeconfig()),
    }
    std::io::stdout().flush()?;
    stop_signal().await;
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Asks before a cluster that is not ours is used.
fn ask(kubeconfig: &Path, yes: bool) -> anyhow::Result<()> {
    println!(
        "The demo will create the namespace {NAMESPACE} in the cluster of {} and work in it.",
        kubeconfig.display()
    );
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        bail!("nobody is there to agree; start it on a terminal, or with --yes");
    }
    print!("Go on? [y/N] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if !matches!(answer.trim(), "y" | "Y" | "yes") {
        bail!("not agreed; nothing was done");
    }
    Ok(())
}
