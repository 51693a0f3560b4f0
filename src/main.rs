//! The `kubeferry` binary: arguments -> configuration -> run -> exit code.

#[cfg(target_os = "linux")]
mod allocator;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use kubeferry::cli;
use kubeferry::cli::args::{Cli, Format};
use kubeferry::report::log::{self, Encoding};
use kubeferry::report::progress::Progress;
use kubeferry::repository::{Libgit2, Libgit2Settings};

fn main() -> ExitCode {
    // Before the runtime and any thread exist: these settings are process-wide and not synchronised.
    let libgit2 = Libgit2::initialise(&Libgit2Settings::from_env());
    // Fails only when a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = Cli::parse();
    match run(cli, libgit2) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(cli: Cli, libgit2: Result<Libgit2, kubeferry::repository::RepositoryError>) -> anyhow::Result<ExitCode> {
    let progress = Progress::new(std::io::stderr().is_terminal());
    let encoding = if cli.options.log_format == Format::Json { Encoding::Json } else { Encoding::Text };
    // The demo speaks for itself.
    let level = if cli.verb.is_demo() { "warn" } else { "info" };
    log::init(encoding, &progress, level)?;
    let libgit2 = libgit2?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(cli::dispatch(cli, &libgit2, &progress));
    // A thread that waits for a silent remote must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}
