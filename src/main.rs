//! The `kubeferry` binary: arguments -> configuration -> run -> exit code.

use std::io::IsTerminal as _;
use std::process::ExitCode;

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
    log::init(encoding, &progress)?;
    let libgit2 = libgit2?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(cli::dispatch(cli, &libgit2, &progress))
}
