//! Owns the way from the keys of one rule to the rule. Must never stop at the first key that it does not understand.

use serde_yaml::Value;

use super::super::choices::{Direction, Prune, Secrets, choose};
use super::super::format::{Format, Strategy};
use super::super::glob::Glob;
use super::super::placement::PathTemplate;
use super::super::position::{Step, below};
use super::super::problem::Fault;
use super::super::raw::{RawRule, RawRuleLimits};
use super::super::reader::{Report, section};
use super::super::rule::{DeleteLimit, Rule, Selection};
use super::super::selector::Selector;
use super::super::values;
use super::{deletes, fields, sides};

/// Compiles one rule.
pub(super) fn rule(
    value: &Value,
    index: usize,
    git_path: &str,
    file_deletes: DeleteLimit,
    report: &mut Report,
) -> Rule {
    let path = [Step::key("rules"), Step::Item(index)];
    let before = report.problems.len();
    let raw: RawRule = section(value, &path, report);
    let here = |name: &str| below(&path, Step::key(name));
    let sync_to = raw.sync_to.as_ref().and_then(|text| report.take(&here("syncTo"), choose(&text.0, &Direction::ALL)));
    if raw.sync_to.is_none() && !explains_missing_direction(value, report, before) {
        let fault = Fault::new(format!("rule {} has no `syncTo`", index + 1));
        report.value(
            &path,
            fault.hint("add syncTo: kubernetes (Git is the source), git (the cluster is), both or observe"),
        );
    }
    let selection = Selection {
        api_groups: list(raw.api_groups.as_deref(), &here("apiGroups"), values::api_group, report),
        resources: list(raw.resources.as_deref(), &here("resources"), values::resource, report),
        namespaces: list(raw.namespaces.as_deref(), &here("namespaces"), Glob::parse, report),
        namespace_labels: selector(raw.namespace_labels.as_deref(), &here("namespaceLabels"), report),
        names: list(raw.names.as_deref(), &here("names"), Glob::parse, report),
        labels: selector(raw.labels.as_deref(), &here("labels"), report),
        exclude_labels: selector(raw.exclude_labels.as_deref(), &here("excludeLabels"), report),
    };
    let fields = fields::fields(&raw, &path, sync_to, git_path, report);
    let known_direction = sync_to.is_some();
    let sync_to = sync_to.unwrap_or(Direction::Observe);
    let limits = raw.limits.as_ref().unwrap_or(&Value::Null);
    let own: RawRuleLimits = section(limits, &here("limits"), report);
    let name = raw.name.as_deref().and_then(|text| report.take(&here("name"), values::name(text)));
    let prune = raw.prune.as_ref().and_then(|text| report.take(&here("prune"), choose(&text.0, &Prune::ALL)));
    let secrets = raw.secrets.as_ref().and_then(|text| report.take(&here("secrets"), choose(&text.0, &Secrets::ALL)));
    let ignored = list(raw.ignore_managers.as_deref(), &here("ignoreManagers"), Glob::parse_manager, report);
    let (format, strategy) = format(&raw, &path, known_direction.then_some(sync_to), report);
    let sides = sides::sides(&raw, &path, known_direction.then_some(sync_to), &fields, format, report);
    let written = raw.path.as_deref().map(|text| report.take(&here("path"), PathTemplate::parse(text, git_path)));
    let template = written.flatten().unwrap_or_else(|| PathTemplate::standard(format, git_path));
    if known_direction {
        warn_of_idle(&raw, &path, sync_to, fields.is_empty(), format, report);
    }
    if !template.tells_names_apart() {
        let fault = Fault::new("objects of one kind and namespace get the same path");
        report.warn(&here("path"), fault.hint("add {{ .Name }}"));
    }
    Rule {
        index,
        name: name.unwrap_or_else(|| format!("rule-{}", index + 1)),
        sync_to,
        conflict: sides.conflict,
        force_conflicts: raw.force_conflicts.unwrap_or(true),
        git_edits: sides.git_edits,
        restore: raw.restore.unwrap_or_default(),
        wait: raw.wait.unwrap_or_default(),
        prune: prune.unwrap_or_default(),
        secrets: secrets.unwrap_or_default(),
        suspend: raw.suspend.unwrap_or_default(),
        fields,
        path: template,
        format,
        strategy,
        ignore_managers: ignored,
        deletes: deletes(own.deletes.as_ref(), &here("limits"), report).unwrap_or(file_deletes),
        selection,
        mark: report.mark(&path),
    }
}

/// How new files look.
fn format(raw: &RawRule, path: &[Step], sync_to: Option<Direction>, report: &mut Report) -> (Format, Option<Strategy>) {
    let here = |name: &str| below(path, Step::key(name));
    let chosen = raw.format.as_ref().map(|text| report.take(&here("format"), choose(&text.0, &Format::ALL)));
    let strategy =
        raw.strategy.as_ref().and_then(|text| report.take(&here("strategy"), choose(&text.0, &Strategy::ALL)));
    // What is wrong with the format would be said a second time.
    if chosen == Some(None) {
        return (Format::default(), None);
    }
    let chosen = chosen.flatten();
    let settled = report.take(&here("format"), Format::of(chosen, raw.path.as_deref()));
    let format = settled.or(chosen).unwrap_or_default();
    if let Some(sync_to) = sync_to {
        report.take(&here("format"), format.suits(sync_to));
    }
    let strategy = strategy.filter(|strategy| report.take(&here("strategy"), strategy.suits(format)).is_some());
    (format, strategy)
}

/// Warns of the keys that say how something is done that the rule never does.
fn warn_of_idle(
    raw: &RawRule,
    path: &[Step],
    sync_to: Direction,
    every_field: bool,
    format: Format,
    report: &mut Report,
) {
    let decides = every_field && !format.is_patch();
    let (to_git, applies) = (sync_to.writes(), sync_to.applies());
    let unlimited = if every_field {
        format!("a rule with `format: {}` never creates or deletes", format.as_str())
    } else {
        "a rule with filters never creates or deletes".to_owned()
    };
    let no_files = format!("a rule with `syncTo: {}` writes no manifests", sync_to.as_str());
    let no_apply = format!("a rule with `syncTo: {}` applies nothing", sync_to.as_str());
    let no_restore = match sync_to {
        Direction::Observe => no_apply.clone(),
        _ => format!("a rule with `syncTo: {}` creates what is missing in the cluster anyway", sync_to.as_str()),
    };
    let no_edits = format!("a rule with `syncTo: {}` takes no changes from the cluster", sync_to.as_str());
    let whole = every_field || format.is_patch();
    let keys = [
        ("prune", raw.prune.is_some(), decides, &unlimited),
        ("limits", raw.limits.is_some(), decides, &unlimited),
        ("path", raw.path.is_some(), whole, &unlimited),
        ("path", raw.path.is_some(), to_git, &no_files),
        ("format", raw.format.is_some(), whole, &unlimited),
        ("format", raw.format.is_some(), to_git, &no_files),
        ("secrets", raw.secrets.is_some(), to_git, &no_files),
        ("restore", raw.restore.is_some(), decides, &unlimited),
        ("restore", raw.restore.is_some(), sync_to == Direction::Git, &no_restore),
        ("forceConflicts", raw.force_conflicts.is_some(), applies, &no_apply),
        ("wait", raw.wait.is_some(), applies, &no_apply),
        ("ignoreManagers", raw.ignore_managers.is_some(), sync_to != Direction::Kubernetes, &no_edits),
    ];
    if let Some((key, _, _, why)) = keys.iter().find(|(_, given, in_use, _)| *given && !in_use) {
        report.warn(&below(path, Step::key(key)), Fault::new(format!("`{key}` has no effect: {why}")));
    }
}

/// Whether an error of this rule already says why it has no direction: it is misspelt, or not a text.
fn explains_missing_direction(value: &Value, report: &Report, before: usize) -> bool {
    let misspelt = Some("did you mean `syncTo`?");
    let problems = report.problems.get(before..).unwrap_or_default();
    value.get("syncTo").is_some_and(|value| !value.is_null())
        || !(value.is_mapping() || value.is_null())
        || problems.iter().any(|problem| problem.hint.as_deref() == misspelt)
}

/// Every item that can be read; the others are noted where they stand.
fn list<T>(
    items: Option<&[String]>,
    path: &[Step],
    parse: impl Fn(&str) -> Result<T, Fault>,
    report: &mut Report,
) -> Vec<T> {
    let items = items.unwrap_or_default().iter().enumerate();
    items.filter_map(|(position, item)| report.take(&below(path, Step::Item(position)), parse(item))).collect()
}

fn selector(text: Option<&str>, path: &[Step], report: &mut Report) -> Option<Selector> {
    let selector = text.and_then(|text| report.take(path, Selector::parse(text)));
    selector.filter(|selector| !selector.is_everything())
}
