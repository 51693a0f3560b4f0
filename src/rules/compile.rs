//! Owns the way from keys to compiled rules. Must never take a value that it does not understand, nor stop at the first
//! one.

use std::time::Duration;

use serde_yaml::Value;

use super::duration;
use super::filter::Filter;
use super::glob::Glob;
use super::placement::PathTemplate;
use super::position::{Step, below};
use super::problem::Fault;
use super::raw::{RawCommit, RawFile, RawLimits, RawRule, RawRuleLimits, Text};
use super::reader::{Report, describe, section};
use super::rule::{
    CommitConfig, DeleteLimit, Direction, Limits, Prune, Rule, Rules, Secrets, Selection, UrlText, choose,
};
use super::selector::Selector;
use super::template::MessageTemplate;
use super::values;

/// Asking more often only burdens the Git server.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
const DEFAULT_BATCH_MAX: Duration = Duration::from_secs(10);

fn at(name: &str) -> Vec<Step> {
    vec![Step::key(name)]
}

/// Compiles a document; what is wrong with it is in the report, and what could not be read has its default.
pub(super) fn compile(document: &Value, report: &mut Report) -> Rules {
    let raw: RawFile = section(document, &[], report);
    let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let git_url = given(&raw.git_url).and_then(|text| report.take(&at("gitUrl"), values::git_url(&text)));
    if given(&raw.git_url).is_none() {
        let fault = Fault::new("there is no `gitUrl`: `run` needs it here or on the command line");
        report.warn(&[], fault.hint("for example gitUrl: git@github.com:acme/platform.git"));
    }
    if git_url.as_ref().is_some_and(UrlText::holds_password) {
        let fault = Fault::new("the URL holds a password: everyone who may read the rules can read it");
        let advice = "take it out and set GIT_TOKEN, or GIT_USERNAME and GIT_PASSWORD, from a Secret";
        report.warn(&at("gitUrl"), fault.hint(advice));
    }
    let branch = given(&raw.branch).and_then(|text| report.take(&at("branch"), values::branch(&text)));
    let git_path = raw.git_path.as_deref().and_then(|text| report.take(&at("gitPath"), values::folder(text)));
    let git_path = git_path.unwrap_or_else(|| ".".to_owned());
    let interval = wait(raw.interval.as_ref(), "interval", Duration::from_secs(30), report);
    if interval < SHORTEST_INTERVAL {
        report.value(&at("interval"), Fault::new("Git is asked once a second at the most").hint("write 1s or more"));
    }
    let batch_window = wait(raw.batch_window.as_ref(), "batchWindow", Duration::from_secs(2), report);
    let batch_max = wait(raw.batch_max.as_ref(), "batchMax", DEFAULT_BATCH_MAX.max(batch_window), report);
    if batch_max < batch_window {
        let window = duration::display(batch_window);
        let fault = Fault::new(format!("batchMax is shorter than batchWindow ({window})"));
        report.value(&at("batchMax"), fault.hint(format!("write {window} or more")));
    }
    let limits = limits(raw.limits.as_ref().unwrap_or(&Value::Null), report);
    let rules = rules(raw.rules.as_ref(), &git_path, limits.deletes, report);
    Rules {
        git_url,
        branch,
        interval,
        batch_window,
        batch_max,
        delete_delay: wait(raw.delete_delay.as_ref(), "deleteDelay", Duration::from_secs(15), report),
        commit: commit(raw.commit.as_ref().unwrap_or(&Value::Null), report),
        limits,
        rules,
        git_path,
    }
}

fn wait(text: Option<&Text>, name: &str, default: Duration, report: &mut Report) -> Duration {
    text.and_then(|text| report.take(&at(name), duration::parse(&text.0))).unwrap_or(default)
}

fn limits(value: &Value, report: &mut Report) -> Limits {
    let path = at("limits");
    let raw: RawLimits = section(value, &path, report);
    let default = Limits::default();
    let mut number = |text: Option<Text>, name: &str, parse: &dyn Fn(&str) -> Result<usize, Fault>, default: usize| {
        text.and_then(|text| report.take(&below(&path, Step::key(name)), parse(&text.0))).unwrap_or(default)
    };
    Limits {
        file_bytes: number(raw.file_bytes, "fileBytes", &|text| values::bytes(text, 1 << 28), default.file_bytes),
        documents: number(raw.documents, "documents", &|text| values::count(text, 1_000_000), default.documents),
        nodes: number(raw.nodes, "nodes", &|text| values::count(text, 100_000_000), default.nodes),
        depth: number(raw.depth, "depth", &|text| values::count(text, 250), default.depth),
        deletes: deletes(raw.deletes.as_ref(), &path, report).unwrap_or_default(),
    }
}

fn deletes(text: Option<&Text>, path: &[Step], report: &mut Report) -> Option<DeleteLimit> {
    text.and_then(|text| report.take(&below(path, Step::key("deletes")), DeleteLimit::parse(&text.0)))
}

fn commit(value: &Value, report: &mut Report) -> CommitConfig {
    let path = at("commit");
    let raw: RawCommit = section(value, &path, report);
    let default = CommitConfig::default();
    let mut person = |text: Option<String>, name: &str| {
        text.and_then(|text| report.take(&below(&path, Step::key(name)), values::person(&text)))
    };
    CommitConfig {
        name: person(raw.name, "name").unwrap_or(default.name),
        email: person(raw.email, "email").unwrap_or(default.email),
        message: raw
            .message
            .and_then(|text| report.take(&below(&path, Step::key("message")), MessageTemplate::parse(&text)))
            .unwrap_or(default.message),
    }
}

fn rules(value: Option<&Value>, git_path: &str, deletes: DeleteLimit, report: &mut Report) -> Vec<Rule> {
    let path = at("rules");
    match value {
        None | Some(Value::Null) => {
            report.warn(&path, Fault::new("there are no rules: nothing is kept in sync"));
            Vec::new()
        }
        Some(Value::Sequence(items)) if items.is_empty() => {
            report.warn(&path, Fault::new("there are no rules: nothing is kept in sync"));
            Vec::new()
        }
        Some(Value::Sequence(items)) => {
            let compiled = items.iter().enumerate().map(|(index, item)| rule(item, index, git_path, deletes, report));
            compiled.collect()
        }
        Some(other) => {
            let fault = Fault::new(format!("`rules` is a list, not {}", describe(other)));
            report.value(&path, fault.hint("start each rule with `- `"));
            Vec::new()
        }
    }
}

fn rule(value: &Value, index: usize, git_path: &str, file_deletes: DeleteLimit, report: &mut Report) -> Rule {
    let path = [Step::key("rules"), Step::Item(index)];
    let before = report.problems.len();
    let raw: RawRule = section(value, &path, report);
    let here = |name: &str| below(&path, Step::key(name));
    let sync_to = raw.sync_to.as_ref().and_then(|text| report.take(&here("syncTo"), choose(&text.0, &Direction::ALL)));
    if raw.sync_to.is_none() && !explains_missing_direction(value, report, before) {
        let fault = Fault::new(format!("rule {} has no `syncTo`", index + 1));
        report.value(&path, fault.hint("add syncTo: kubernetes (Git is the source), git (the cluster is) or observe"));
    }
    let sync_to = sync_to.unwrap_or(Direction::Observe);
    let selection = Selection {
        api_groups: list(raw.api_groups.as_deref(), &here("apiGroups"), values::api_group, report),
        resources: list(raw.resources.as_deref(), &here("resources"), values::resource, report),
        namespaces: list(raw.namespaces.as_deref(), &here("namespaces"), Glob::parse, report),
        namespace_labels: selector(raw.namespace_labels.as_deref(), &here("namespaceLabels"), report),
        names: list(raw.names.as_deref(), &here("names"), Glob::parse, report),
        labels: selector(raw.labels.as_deref(), &here("labels"), report),
        exclude_labels: selector(raw.exclude_labels.as_deref(), &here("excludeLabels"), report),
    };
    let mut filters = list(raw.filters.as_deref(), &here("filters"), Filter::parse, report);
    for (position, filter) in filters.iter_mut().enumerate() {
        filter.mark = report.mark(&below(&here("filters"), Step::Item(position)));
    }
    let limits = raw.limits.as_ref().unwrap_or(&Value::Null);
    let own: RawRuleLimits = section(limits, &here("limits"), report);
    let name = raw.name.as_deref().and_then(|text| report.take(&here("name"), values::name(text)));
    let prune = raw.prune.as_ref().and_then(|text| report.take(&here("prune"), choose(&text.0, &Prune::ALL)));
    let secrets = raw.secrets.as_ref().and_then(|text| report.take(&here("secrets"), choose(&text.0, &Secrets::ALL)));
    let written = raw.path.as_deref().map(|text| report.take(&here("path"), PathTemplate::parse(text, git_path)));
    let idle: [(&str, bool, bool); 5] = [
        ("prune", raw.prune.is_some(), filters.is_empty()),
        ("limits", raw.limits.is_some(), filters.is_empty()),
        ("path", raw.path.is_some(), filters.is_empty()),
        ("path", raw.path.is_some(), sync_to == Direction::Git),
        ("secrets", raw.secrets.is_some(), sync_to == Direction::Git),
    ];
    if let Some((key, ..)) = idle.iter().find(|(_, given, in_use)| *given && !in_use) {
        let why = if filters.is_empty() {
            format!("a rule with `syncTo: {}` writes no manifests", sync_to.as_str())
        } else {
            "a rule with filters never creates or deletes".to_owned()
        };
        report.warn(&here(key), Fault::new(format!("`{key}` has no effect: {why}")));
    }
    let path_template = written.flatten().unwrap_or_else(|| PathTemplate::standard(git_path));
    if !path_template.tells_names_apart() {
        let fault = Fault::new("objects of one kind and namespace get the same path");
        report.warn(&here("path"), fault.hint("add {{ .Name }}"));
    }
    Rule {
        index,
        name: name.unwrap_or_else(|| format!("rule-{}", index + 1)),
        sync_to,
        prune: prune.unwrap_or_default(),
        secrets: secrets.unwrap_or_default(),
        suspend: raw.suspend.unwrap_or_default(),
        filters,
        path: path_template,
        deletes: deletes(own.deletes.as_ref(), &here("limits"), report).unwrap_or(file_deletes),
        selection,
        mark: report.mark(&path),
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
