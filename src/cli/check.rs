//! `kubeferry check`: validates a rules file; with a cluster in reach also against its kinds and schemas.

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use crate::cluster::{ApiServer, Cluster as _, Connection, FieldManager};
use crate::object::schema::Schema;
use crate::object::{ApiVersion, GroupKind, Kind};
use crate::rules::{Level, Loaded, Problem};

use super::args::{Format, Options};
use super::check_autoscalers;
use super::say::say;
use super::session::{connect, identity};

/// How long a cluster may take to answer before the file is judged without it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the verb. Exits with 0 when the file can be used, 2 otherwise.
///
/// # Errors
/// When the file cannot be read: exit 2.
pub async fn check(options: &Options) -> anyhow::Result<ExitCode> {
    let path = &options.file;
    let text = std::fs::read(path)
        .with_context(|| format!("cannot read the rules file {}; name it with -f FILE", path.display()))?;
    let text =
        String::from_utf8(text).with_context(|| format!("the rules file {} is not UTF-8 text", path.display()))?;
    let mut problems = Vec::new();
    let mut cluster = "not asked";
    match crate::rules::load(&text, &path.display().to_string()) {
        Err(found) => problems.extend(found.0),
        Ok(loaded) => {
            problems.extend(loaded.warnings.iter().cloned());
            cluster = "not in reach";
            if let Ok(connection) = connect(options).await
                && let Ok(Ok(found)) =
                    tokio::time::timeout(PATIENCE, against_cluster(options, connection, &loaded)).await
            {
                cluster = "asked";
                problems.extend(found);
            }
        }
    }
    let errors = problems.iter().filter(|problem| problem.level == Level::Error).count();
    let warnings = problems.len() - errors;
    match options.output {
        Format::Json => {
            let page =
                json!({"file": path, "errors": errors, "warnings": warnings, "cluster": cluster, "problems": problems});
            say(format_args!("{page}\n"))?;
        }
        Format::Text => {
            problems.iter().for_each(|problem| eprintln!("{problem}"));
            let path = path.display();
            say(format_args!("{path}: {errors} errors, {warnings} warnings (cluster {cluster})\n"))?;
        }
    }
    Ok(if errors > 0 { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

async fn against_cluster(options: &Options, connection: Connection, loaded: &Loaded) -> anyhow::Result<Vec<Problem>> {
    let identity = identity(options);
    let cluster = ApiServer::start(connection, FieldManager::new(&identity.namespace, &identity.name)?).await?;
    let kinds = cluster.kinds();
    let mut schemas: HashMap<GroupKind, Schema> = HashMap::new();
    for kind in kinds
        .iter()
        .filter(|kind| loaded.rules.rules.iter().any(|rule| !rule.fields.is_empty() && rule.selects_kind(kind)))
    {
        let version = ApiVersion { group: kind.group_kind.group.clone(), version: kind.preferred_version().into() };
        // A kind without a schema says nothing about filters.
        if let Ok(schema) = cluster.schema(&version).await {
            schemas.insert(kind.group_kind.clone(), schema);
        }
    }
    let every: Vec<&Kind> = kinds.iter().map(|kind| &**kind).collect();
    let mut problems = loaded.check_kinds(every.iter().copied());
    problems.extend(check_autoscalers::warnings(&cluster, loaded).await);
    problems.extend(loaded.check_filters(every.iter().copied(), |kind| {
        let schema = schemas.get(&kind.group_kind)?;
        schema.root(&kind.group_kind.group, kind.preferred_version(), &kind.group_kind.kind)
    }));
    Ok(problems)
}
