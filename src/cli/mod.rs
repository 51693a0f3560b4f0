//! One file per verb. The only place that knows every other module, and the only one that uses `anyhow`.

mod approve;
pub mod args;
mod check;
mod check_autoscalers;
#[cfg(feature = "sandbox")]
mod demo;
mod diff;
mod explain;
mod holds;
mod kept;
mod left;
pub mod names;
mod narrate;
mod once;
mod release;
mod rules_source;
mod run;
mod say;
mod schema;
mod session;
pub mod status;

use std::process::ExitCode;

use crate::report::progress::Progress;
use crate::repository::Libgit2;

use args::{Cli, Verb};

/// Runs a verb to its end.
///
/// # Errors
/// When it could not run at all: exit 2.
pub async fn dispatch(cli: Cli, libgit2: &Libgit2, progress: &Progress) -> anyhow::Result<ExitCode> {
    let options = &cli.options;
    match &cli.verb {
        Verb::Run(args) => run::run(options, args, libgit2).await,
        Verb::Once(args) => once::once(options, args, libgit2, progress).await,
        Verb::Diff(args) => diff::diff(options, args, libgit2, progress).await,
        Verb::Explain(args) => explain::explain(options, args, libgit2).await,
        Verb::Check(_) => check::check(options).await,
        Verb::Schema => schema::schema(),
        Verb::Approve(args) => approve::approve(options, args).await,
        Verb::Status(args) => status::run(args, options.output).await,
        Verb::Holds => holds::holds(options).await,
        Verb::Release(args) => release::release(options, args).await,
        #[cfg(feature = "sandbox")]
        Verb::Demo(args) => demo::demo(options, args, libgit2).await,
        #[cfg(feature = "sandbox")]
        Verb::Sandbox(args) => demo::sandbox(args).await,
    }
}
