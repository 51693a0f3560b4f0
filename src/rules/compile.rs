//! Owns the way from keys to compiled rules. Must never take a value that it does not understand, nor stop at the first
//! one.

use std::num::NonZeroU32;
use std::time::Duration;

use serde_yaml::Value;

use super::duration;
use super::position::{Step, below};
use super::problem::Fault;
use super::raw::{RawCommit, RawFile, RawLimits, Text};
use super::reader::{Report, describe, section};
use super::rule::{CommitConfig, DeleteLimit, Limits, Rule, Rules, UrlText};
use super::template::MessageTemplate;
use super::values;

mod fields;
mod rule;
mod sides;

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
        min_push_interval: wait(raw.min_push_interval.as_ref(), "minPushInterval", Duration::ZERO, report),
        commits_per_hour: raw.commits_per_hour.as_ref().and_then(|text| commits_per_hour(text, report)),
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

fn commits_per_hour(text: &Text, report: &mut Report) -> Option<NonZeroU32> {
    let result = values::count(&text.0, 1_000_000)
        .map_err(|fault| fault.hint("leave `commitsPerHour` out for any number; to write nothing, suspend the rules"));
    let count = report.take(&at("commitsPerHour"), result)?;
    NonZeroU32::new(u32::try_from(count).ok()?)
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
            let compiled =
                items.iter().enumerate().map(|(index, item)| rule::rule(item, index, git_path, deletes, report));
            compiled.collect()
        }
        Some(other) => {
            let fault = Fault::new(format!("`rules` is a list, not {}", describe(other)));
            report.value(&path, fault.hint("start each rule with `- `"));
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests;
