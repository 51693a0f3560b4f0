//! Owns the compiled rules: what a rules file means once it is known to be right. Must never hold text that still has
//! to be parsed, nor a credential.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;

use super::filter::Filter;
use super::glob::Glob;
use super::placement::PathTemplate;
use super::problem::{Fault, Mark, mask_passwords, nearest};
use super::selector::Selector;
use super::template::MessageTemplate;

/// Labels of an object or a namespace.
pub type Labels = BTreeMap<String, String>;

/// Which side is the source of what a rule covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema)]
#[schemars(rename_all = "lowercase", inline)]
pub enum Direction {
    /// Git is the source: what it says is applied to the cluster.
    Kubernetes,
    /// The cluster is the source: what it says is committed to Git.
    Git,
    /// Neither side is changed; differences are reported.
    Observe,
}

impl Direction {
    /// Every direction, as it is written.
    pub(super) const ALL: [(&'static str, Self); 3] =
        [("kubernetes", Self::Kubernetes), ("git", Self::Git), ("observe", Self::Observe)];

    /// As it is written in the rules file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Git => "git",
            Self::Observe => "observe",
        }
    }
}

/// What may be deleted on one side when it has gone from the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, JsonSchema)]
#[schemars(rename_all = "lowercase", inline)]
pub enum Prune {
    /// In the cluster what this instance applied; in Git what has once agreed with the cluster.
    #[default]
    Owned,
    /// Whatever the rule matches, as the original did.
    Matching,
    /// Nothing.
    Never,
}

impl Prune {
    pub(super) const ALL: [(&'static str, Self); 3] =
        [("owned", Self::Owned), ("matching", Self::Matching), ("never", Self::Never)];
}

/// Whether Secrets reach Git.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, JsonSchema)]
#[schemars(rename_all = "lowercase", inline)]
pub enum Secrets {
    /// They are skipped, with a reason.
    #[default]
    Skip,
    /// They are written as they are, readable by everyone who reads the repository.
    Plain,
}

impl Secrets {
    pub(super) const ALL: [(&'static str, Self); 2] = [("skip", Self::Skip), ("plain", Self::Plain)];
}

/// The value that `text` names in `choices`.
pub(super) fn choose<T: Copy>(text: &str, choices: &[(&'static str, T)]) -> Result<T, Fault> {
    if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    // What people write for one of the two sides.
    let side = match text.to_ascii_lowercase().as_str() {
        "k8s" | "k8" | "kube" | "cluster" | "live" => Some("kubernetes"),
        "repo" | "repository" | "github" | "gitlab" => Some("git"),
        "false" | "off" | "no" | "none" | "disabled" => Some("never"),
        _ => None,
    };
    let near = side.filter(|side| names.contains(side)).or_else(|| nearest(text, names.iter().copied()));
    let fault = Fault::new(format!("`{text}` is none of {}", names.join(", ")));
    Err(fault.maybe_hint(near.map(|near| format!("did you mean `{near}`?"))))
}

/// How many deletes of one rule and direction, within an hour, are held back for a person to look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeleteLimit {
    /// 10, or a tenth of the rule's objects, whichever is more.
    #[default]
    Standard,
    /// That many.
    Count(u32),
    /// That part of the rule's objects, in percent.
    Percent(u8),
    /// Deletes are never held for their number.
    Unlimited,
}

impl DeleteLimit {
    /// The number of deletes that, once reached, holds them, for a rule of `size` objects; `None`: no number does.
    pub fn held_from(self, size: usize) -> Option<usize> {
        match self {
            Self::Standard => Some((size / 10).max(10)),
            Self::Count(count) => usize::try_from(count).ok(),
            Self::Percent(percent) => Some((size * usize::from(percent)).div_ceil(100).max(1)),
            Self::Unlimited => None,
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        if text == "none" {
            return Ok(Self::Unlimited);
        }
        let percent = text.strip_suffix('%').and_then(|number| number.trim_end().parse().ok());
        match (percent, text.parse()) {
            (Some(percent @ 1..=100), _) => Ok(Self::Percent(percent)),
            (None, Ok(count)) => Ok(Self::Count(count)),
            _ => {
                let fault = Fault::new(format!("`{text}` is no limit of deletes"));
                Err(fault.hint("write a number (25), a percentage of the rule's objects (20%) or none"))
            }
        }
    }
}

/// How much of one manifest file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Deletes that are held; rules may set their own.
    pub deletes: DeleteLimit,
    /// Largest file, in bytes.
    pub file_bytes: usize,
    /// Most documents in one file.
    pub documents: usize,
    /// Most values in one file, aliases expanded.
    pub nodes: usize,
    /// Deepest nesting.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { deletes: DeleteLimit::Standard, file_bytes: 10 << 20, documents: 100_000, nodes: 1_000_000, depth: 200 }
    }
}

/// A URL as it is written. It may hold a password, so it prints masked.
#[derive(Clone, PartialEq, Eq)]
pub struct UrlText(pub(super) String);

impl UrlText {
    /// Whether everyone who reads the rules reads a password.
    pub(super) fn holds_password(&self) -> bool {
        mask_passwords(&self.0) != self.0
    }
}

impl std::ops::Deref for UrlText {
    type Target = str;

    /// The whole text, never to be shown.
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UrlText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask_passwords(&self.0))
    }
}

impl fmt::Debug for UrlText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What commits look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitConfig {
    /// Author and committer.
    pub name: String,
    /// Their e-mail address.
    pub email: String,
    /// The message; trailers are added below it.
    pub message: MessageTemplate,
}

impl Default for CommitConfig {
    fn default() -> Self {
        Self {
            name: "kubeferry".to_owned(),
            email: "kubeferry@localhost".to_owned(),
            message: MessageTemplate::default(),
        }
    }
}

/// A rules file, compiled.
#[derive(Clone, Debug)]
pub struct Rules {
    /// URL of the repository; `None`: the command line gives it.
    pub git_url: Option<UrlText>,
    /// Branch; `None`: the remote's default branch.
    pub branch: Option<String>,
    /// Folder that is read and written, without `./` and without a `/` at either end; `.` is the repository's root.
    pub git_path: String,
    /// How often Git is asked.
    pub interval: Duration,
    /// How long after the latest change a commit is made.
    pub batch_window: Duration,
    /// How long after the first change a commit is made at the latest. Never less than `batch_window`.
    pub batch_max: Duration,
    /// How long an object must be missing before its manifest is removed.
    pub delete_delay: Duration,
    /// How much is read.
    pub limits: Limits,
    /// What commits look like.
    pub commit: CommitConfig,
    /// The rules, in order.
    pub rules: Vec<Rule>,
}

/// One compiled rule. What it selects is asked through its methods.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Position in the file, from 0.
    pub index: usize,
    /// Name; `rule-N` (from 1) when it has none.
    pub name: String,
    /// Which side is the source.
    pub sync_to: Direction,
    /// What may be deleted.
    pub prune: Prune,
    /// Whether Secrets reach Git.
    pub secrets: Secrets,
    /// Whether it decides without acting.
    pub suspend: bool,
    /// The fields it is limited to; empty: every field.
    pub filters: Vec<Filter>,
    /// Where new manifests go.
    pub path: PathTemplate,
    /// Deletes that are held.
    pub deletes: DeleteLimit,
    pub(super) selection: Selection,
    /// Where the rule starts in its file.
    pub(super) mark: Mark,
}

/// What a rule selects. An empty list means any.
#[derive(Clone, Debug, Default)]
pub(super) struct Selection {
    pub(super) api_groups: Vec<String>,
    pub(super) resources: Vec<String>,
    pub(super) namespaces: Vec<Glob>,
    pub(super) namespace_labels: Option<Selector>,
    pub(super) names: Vec<Glob>,
    pub(super) labels: Option<Selector>,
    pub(super) exclude_labels: Option<Selector>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_limit_is_ten_or_a_tenth() {
        for (size, held_from) in [(0, 10), (99, 10), (100, 10), (110, 11), (5_000, 500)] {
            assert_eq!(DeleteLimit::Standard.held_from(size), Some(held_from), "{size}");
        }
        assert_eq!(DeleteLimit::Percent(20).held_from(51), Some(11));
        assert_eq!(DeleteLimit::Percent(1).held_from(0), Some(1));
        assert_eq!(DeleteLimit::Count(0).held_from(7), Some(0));
        assert_eq!(DeleteLimit::Unlimited.held_from(7), None);
    }

    #[test]
    fn limits_of_deletes_are_read() {
        for (text, limit) in [
            ("none", Some(DeleteLimit::Unlimited)),
            ("25", Some(DeleteLimit::Count(25))),
            ("0", Some(DeleteLimit::Count(0))),
            ("20%", Some(DeleteLimit::Percent(20))),
            ("100 %", Some(DeleteLimit::Percent(100))),
            ("0%", None),
            ("101%", None),
            ("-1", None),
            ("ten", None),
            ("", None),
            ("1.5", None),
        ] {
            assert_eq!(DeleteLimit::parse(text).ok(), limit, "{text}");
        }
    }

    #[test]
    fn a_wrong_choice_is_answered_with_the_nearest() {
        let hint = |text: &str| choose(text, &Direction::ALL).unwrap_err().hint;
        assert_eq!(hint("k8s").as_deref(), Some("did you mean `kubernetes`?"));
        assert_eq!(hint("Git").as_deref(), Some("did you mean `git`?"));
        assert_eq!(hint("kuberntes").as_deref(), Some("did you mean `kubernetes`?"));
        assert_eq!(hint("both"), None);
        let prune = choose("false", &Prune::ALL).unwrap_err();
        assert_eq!(prune.to_string(), "`false` is none of owned, matching, never");
        assert_eq!(prune.hint.as_deref(), Some("did you mean `never`?"));
    }
}
