//! `kubeferry release`: frees what is held of an object, by a word in the instance's state. Must never write to the object or
//! to Git itself.

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use jiff::Timestamp;
use serde_json::json;

use crate::cluster::{ApiServer, Cluster as _, FieldManager, StateText};
use crate::object::ObjectId;
use crate::report::Side;
use crate::report::terminal::escape_line;
use crate::sync::engine::with_releases;
use crate::sync::holds::SavedHolds;
use crate::sync::past::Undecided;
use crate::sync::state::{self, Release};

use super::args::{Format, Options, Release as Arguments};
use super::holds::arguments;
use super::kept;
use super::say::say;
use super::session;

/// Runs the verb: releases one object, or everything that waits for somebody.
///
/// # Errors
/// When nothing is held of the object, a side has to be named, or the state cannot be read or written.
pub async fn release(options: &Options, args: &Arguments) -> anyhow::Result<ExitCode> {
    let named = match (&args.kind, &args.object) {
        (Some(kind), Some(object)) => Some(find(options, kind, object).await?),
        _ => None,
    };
    let (by, keep, at) = (kept::by(args.by.as_ref()), args.keep.map(Into::into), Timestamp::now());
    let ids = kept::change(options, |kept| {
        let ids = ids(&kept, named.as_ref(), args)?;
        let release = |object: &ObjectId| Release { object: object.clone(), keep, by: by.clone(), at };
        Ok((with_releases(kept, ids.iter().map(release).collect()), ids))
    })
    .await?;
    let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
    match options.output {
        Format::Json => say(format_args!("{}\n", json!({"released": names})))?,
        Format::Text => say(names.iter().map(|name| format!("released: {}\n", escape_line(name))).collect::<String>())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The object that the arguments name.
async fn find(options: &Options, kind: &str, object: &super::names::ObjectName) -> anyhow::Result<ObjectId> {
    let identity = session::identity(options);
    let manager = FieldManager::new(&identity.namespace, &identity.name)?;
    let cluster = ApiServer::start(session::connect(options).await?, manager).await?;
    let kinds = cluster.kinds();
    let kind = match &*kinds.named(kind) {
        [] => bail!("the API server does not serve {kind}; `kubectl api-resources` lists what it does"),
        [kind] => kind.clone(),
        several => several.iter().find(|kind| kind.group_kind.group.is_empty()).cloned().ok_or_else(|| {
            anyhow!("{kind} is ambiguous: name its group too, as in {kind}.GROUP; `kubeferry holds` shows it")
        })?,
    };
    let namespace = object.namespace.clone().or_else(|| kind.namespaced.then(|| "default".to_owned()));
    Ok(ObjectId::new(kind.group_kind.clone(), namespace.as_deref().unwrap_or(""), &object.name))
}

/// What is to be released.
fn ids(kept: &StateText, named: Option<&ObjectId>, args: &Arguments) -> anyhow::Result<Vec<ObjectId>> {
    let saved = kept.sections.get(state::HOLDS).map(|text| SavedHolds::read(text)).unwrap_or_default();
    let is_meant = |id: &ObjectId| named.is_none_or(|named| named == id);
    let held: Vec<_> = saved.held.iter().filter(|hold| is_meant(&hold.object)).collect();
    if let Some(named) = named
        && held.is_empty()
        && saved.more == 0
    {
        bail!("nothing is held of {}; `kubeferry holds` lists what is", escape_line(&named.to_string()));
    }
    let needs_side = |waits: Option<Undecided>| matches!(waits, Some(Undecided::Conflict | Undecided::Existence));
    if args.keep.is_none()
        && let Some(hold) = held.iter().find(|hold| needs_side(hold.waits))
    {
        let command = escape_line(&format!("kubeferry release {} --keep git", arguments(&hold.object))).into_owned();
        bail!("both sides changed {}: say which one stays, with `{command}` or `--keep cluster`", hold.object);
    }
    let mut ids: Vec<ObjectId> = match named {
        Some(named) => vec![named.clone()],
        None => held.iter().filter(|hold| hold.waits.is_some()).map(|hold| hold.object.clone()).collect(),
    };
    ids.dedup();
    if ids.is_empty() {
        bail!("nothing is held that can be released; `kubeferry holds` lists what is held");
    }
    Ok(ids)
}

impl From<super::args::Keep> for Side {
    fn from(keep: super::args::Keep) -> Self {
        match keep {
            super::args::Keep::Git => Self::Git,
            super::args::Keep::Cluster => Self::Cluster,
        }
    }
}
