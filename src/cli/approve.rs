//! `kubeferry approve`: lets a held set of deletes go, by a word in the instance's state. Must never delete anything itself.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde_json::json;

use crate::cluster::StateText;
use crate::report::terminal::escape_line;
use crate::sync::deletes::{HeldSet, SavedDeletes};
use crate::sync::state::{self, Approval};

use super::args::{Approve, Format, Options};
use super::kept;
use super::say::say;

/// How many objects of a set are named.
const NAMED: usize = 50;

/// Runs the verb: approves a plan, or lists what is held when none is named.
///
/// # Errors
/// When the plan is not held, or the state cannot be read or written.
pub async fn approve(options: &Options, args: &Approve) -> anyhow::Result<ExitCode> {
    let Some(plan) = &args.plan_id else {
        let (_, kept) = kept::read(options).await?;
        return list(&held(&kept)?, options.output);
    };
    let by = kept::by(args.by.as_ref());
    let set = kept::change(options, |kept| {
        let held = held(&kept)?;
        let Some(set) = held.iter().find(|set| set.plan_id == *plan) else {
            bail!("no plan {} is held; {}", escape_line(plan), summary(&held));
        };
        Ok((approved(kept, plan, &by)?, set.clone()))
    })
    .await?;
    match options.output {
        Format::Json => say(format_args!("{}\n", json!({"approved": set})))?,
        Format::Text => say(format_args!("approved: {}\n", shown(&set)))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn held(state: &StateText) -> anyhow::Result<Vec<HeldSet>> {
    let Some(text) = state.sections.get(state::DELETES) else { return Ok(Vec::new()) };
    let saved: SavedDeletes = serde_json::from_str(text)
        .with_context(|| format!("the section `{}` of the state cannot be read", state::DELETES))?;
    Ok(saved.held)
}

/// The state with one more approval. Another one for the same plan is replaced.
fn approved(mut state: StateText, plan: &str, by: &str) -> anyhow::Result<StateText> {
    let text = state.sections.get(state::APPROVALS);
    let mut all: Vec<Approval> = match text {
        Some(text) => serde_json::from_str(text)
            .with_context(|| format!("the section `{}` of the state cannot be read", state::APPROVALS))?,
        None => Vec::new(),
    };
    all.retain(|approval| approval.plan_id != plan);
    all.push(Approval { plan_id: plan.to_owned(), by: by.to_owned(), at: Timestamp::now() });
    state.sections.insert(state::APPROVALS.to_owned(), serde_json::to_string(&all)?);
    Ok(state)
}

fn list(held: &[HeldSet], output: Format) -> anyhow::Result<ExitCode> {
    match output {
        Format::Json => say(format_args!("{}\n", json!({"held": held})))?,
        Format::Text if held.is_empty() => say("no deletes are held\n")?,
        Format::Text => say(held.iter().map(shown).collect::<String>())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn summary(held: &[HeldSet]) -> String {
    if held.is_empty() {
        return "no deletes are held".to_owned();
    }
    let all: Vec<String> = held.iter().map(|set| escape_line(&title(set)).into_owned()).collect();
    format!("held are:\n  {}", all.join("\n  "))
}

fn title(set: &HeldSet) -> String {
    let state = if set.approved_by.is_some() { ", approved already" } else { "" };
    let deletes = if set.count == 1 { "delete" } else { "deletes" };
    format!("plan {}: {} {deletes} in {}{state}: {}", set.plan_id, set.count, set.side, set.reason)
}

/// A set and what is in it.
fn shown(set: &HeldSet) -> String {
    let mut text = format!("{}\n", escape_line(&title(set)));
    for id in set.objects.iter().take(NAMED) {
        text.push_str(&format!("  {}\n", escape_line(&id.to_string())));
    }
    let more = set.count.saturating_sub(set.objects.len().min(NAMED));
    if more > 0 {
        text.push_str(&format!("  and {more} more\n"));
    }
    text
}
