//! `kubeferry holds`: what is held and why, from the instance's state. Must never change anything, nor need the instance to
//! run.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cluster::StateText;
use crate::object::ObjectId;
use crate::report::terminal::escape_line;
use crate::sync::deletes::{HeldSet, SavedDeletes};
use crate::sync::holds::{Hold, SavedHolds};
use crate::sync::past::Undecided;
use crate::sync::state;

use super::args::{Format, Options};
use super::kept;
use super::say::say;

/// Runs the verb. Exits with 0 when nothing is held, else 1.
///
/// # Errors
/// When the state cannot be read: exit 2.
pub async fn holds(options: &Options) -> anyhow::Result<ExitCode> {
    let (_, kept) = kept::read(options).await?;
    let saved = kept.sections.get(state::HOLDS).map(|text| SavedHolds::read(text)).unwrap_or_default();
    let deletes = held_deletes(&kept);
    match options.output {
        Format::Json => {
            let held: Vec<Value> = saved.held.iter().map(as_json).collect();
            say(format_args!("{}\n", json!({"held": held, "more": saved.more, "deletes": deletes})))?;
        }
        Format::Text if saved.held.is_empty() && deletes.is_empty() => say("nothing is held\n")?,
        Format::Text => {
            let mut text: String = saved.held.iter().map(shown).collect();
            if saved.more > 0 {
                text.push_str(&format!("and {} more\n", saved.more));
            }
            text.extend(deletes.iter().map(shown_set));
            say(text)?;
        }
    }
    Ok(if saved.held.is_empty() && deletes.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Sets of deletes that are held and that nobody has let go.
fn held_deletes(kept: &StateText) -> Vec<HeldSet> {
    let text = kept.sections.get(state::DELETES);
    let saved = text.and_then(|text| serde_json::from_str::<SavedDeletes>(text).ok()).unwrap_or_default();
    saved.held.into_iter().filter(|set| set.approved_by.is_none()).collect()
}

fn as_json(hold: &Hold) -> Value {
    json!({"object": hold.object.to_string(), "waits": hold.waits, "side": hold.side.as_str(), "fields": hold.fields,
        "why": hold.why, "release": release_of(hold)})
}

/// One hold: the object, then why, then what to do about it.
fn shown(hold: &Hold) -> String {
    let fields = if hold.fields.is_empty() { String::new() } else { format!(": {}", hold.fields.join(", ")) };
    let title = escape_line(&format!("{}{fields}", hold.object)).into_owned();
    let release = release_of(hold).map(|command| format!("  {command}\n")).unwrap_or_default();
    format!("{title}\n  {}\n{release}", escape_line(&hold.why))
}

/// The command that decides, where somebody can.
fn release_of(hold: &Hold) -> Option<String> {
    let keep = match hold.waits? {
        Undecided::Conflict | Undecided::Existence => " --keep git|cluster",
        Undecided::Edit => "",
    };
    Some(escape_line(&format!("kubeferry release {}{keep}", arguments(&hold.object))).into_owned())
}

/// An object as `release` takes it.
pub(super) fn arguments(id: &ObjectId) -> String {
    let kind = if id.group().is_empty() { id.kind().to_owned() } else { format!("{}.{}", id.kind(), id.group()) };
    let namespace = id.namespace().map(|namespace| format!("{namespace}/")).unwrap_or_default();
    format!("{kind} {namespace}{}", id.name())
}

fn shown_set(set: &HeldSet) -> String {
    let line = format!("{} deletes in the {}: {}", set.count, set.side, set.reason);
    format!("{}\n  kubeferry approve {}\n", escape_line(&line), escape_line(&set.plan_id))
}
