//! `kubeferry diff`: what `once` would do, as unified diffs, and nothing done.

use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::manifest;
use crate::object::mask;
use crate::report::diff::{Version, unified};
use crate::report::progress::Progress;
use crate::report::terminal::escape_line;
use crate::report::{Metrics, Reporter, Side, Status, StatusHandle, terminal};
use crate::repository::Libgit2;
use crate::sync::engine::{Mode, Preview};

use super::args::{Diff, Format, Options};
use super::left;
use super::once::settle;
use super::say::say;
use super::session::{Session, load_rules};

/// Runs the verb. Exits with 0 when both sides are in sync, 1 when they differ.
///
/// # Errors
/// When it could not be told: exit 2.
pub async fn diff(options: &Options, args: &Diff, libgit2: &Libgit2, progress: &Progress) -> anyhow::Result<ExitCode> {
    let loaded = load_rules(&options.file)?;
    let session = Session::open(options, args.remote.git_url.as_ref(), libgit2).await?;
    let repository = Arc::new(session.repository(&loaded.rules)?);
    let reporter = Reporter::new(StatusHandle::new(Status::default()), Metrics::new());
    let mut engine = session.engine(repository, Arc::new(loaded.rules), Mode::Preview, false, reporter);
    settle(&mut engine, progress).await?;
    let previews = engine.take_previews();
    match options.output {
        Format::Json => {
            let items: Vec<Value> = previews.iter().map(as_json).collect();
            let left: Vec<Value> =
                engine.standings().changes().filter_map(|change| serde_json::to_value(change).ok()).collect();
            say(format_args!("{}\n", json!({"differences": items, "left": left})))?;
        }
        Format::Text => {
            let colour = terminal::colour(&std::io::stdout());
            for preview in &previews {
                say(text(preview, colour))?;
            }
            for line in left::lines(engine.standings().changes()) {
                say(format_args!("# {line}\n"))?;
            }
        }
    }
    Ok(if previews.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Both halves with the values of Secrets masked.
fn halves(preview: &Preview) -> (Option<Value>, Option<Value>) {
    match (&preview.before, &preview.after) {
        (Some(before), Some(after)) => {
            let (before, after) = mask::masked_pair(before, after);
            (Some(before), Some(after))
        }
        (before, after) => (before.as_ref().map(mask::masked), after.as_ref().map(mask::masked)),
    }
}

fn text(preview: &Preview, colour: bool) -> String {
    let (before, after) = match &preview.texts {
        Some((before, after)) => (Some(before.clone()), Some(after.clone())),
        None => {
            let (before, after) = halves(preview);
            (before.as_ref().map(manifest::render), after.as_ref().map(manifest::render))
        }
    };
    let source = match preview.side {
        Side::Cluster => "after apply",
        Side::Git => "after write-back",
    };
    let title = format!("{} {} by rule {}\n", preview.verb, preview.id, preview.rule);
    let (old, new) =
        (Version { title: &preview.place, text: before.as_deref() }, Version { title: source, text: after.as_deref() });
    let body = unified(old, new, colour);
    let error =
        preview.error.as_ref().map(|error| format!("# the API server refuses it: {error}\n")).unwrap_or_default();
    let adopted: Vec<String> =
        preview.adopted.iter().map(|field| escape_line(&field.to_string()).into_owned()).collect();
    let adopted = match adopted.is_empty() {
        true => String::new(),
        false => format!("# takes over, without a change of value: {}\n", adopted.join(", ")),
    };
    format!("{title}{body}{adopted}{error}")
}

fn as_json(preview: &Preview) -> Value {
    let (before, after) = halves(preview);
    json!({"object": preview.id.to_string(), "side": preview.side, "verb": preview.verb, "rule": preview.rule,
        "place": preview.place, "before": before, "after": after,
        "adopted": preview.adopted.iter().map(ToString::to_string).collect::<Vec<_>>(), "error": preview.error})
}
