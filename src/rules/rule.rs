//! Owns the compiled rules: what a rules file means once it is known to be right. Must never hold text that still has
//! to be parsed, nor a credential.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use super::choices::{Conflict, Direction, GitEdits, Prune, Secrets};
use super::field::Field;
use super::format::{Format, Strategy};
use super::glob::Glob;
use super::placement::PathTemplate;
use super::problem::{Fault, Mark, mask_passwords};
use super::selector::Selector;
use super::template::MessageTemplate;

/// Labels of an object or a namespace.
pub type Labels = BTreeMap<String, String>;

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
    /// How long after a push the next one is made at the earliest.
    pub min_push_interval: Duration,
    /// How many commits are made within an hour at the most; `None`: any number.
    pub commits_per_hour: Option<NonZeroU32>,
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
    /// What happens to a field that both sides changed; means something with `both` only.
    pub conflict: Conflict,
    /// Whether fields of other managers are taken over when they differ; means something where fields are applied.
    pub force_conflicts: bool,
    /// What happens to people's commits that change a field of the rule; means something with `git` only.
    pub git_edits: GitEdits,
    /// Whether a manifest whose object is missing, and that never agreed with one, is created; means something with `git`
    /// only.
    pub restore: bool,
    /// Whether what comes after an object waits until the object is ready.
    pub wait: bool,
    /// What may be deleted.
    pub prune: Prune,
    /// Whether Secrets reach Git.
    pub secrets: Secrets,
    /// Whether it decides without acting.
    pub suspend: bool,
    /// The fields it is limited to, from `fields` and then from `filters`; empty: every field. The first one that covers
    /// a field says how it is carried.
    pub fields: Vec<Field>,
    /// Where new manifests go; in a rule with a patch format, where its fragments are.
    pub path: PathTemplate,
    /// How new files are written.
    pub format: Format,
    /// How a patch format says what changes; `None`: what fits the kind best.
    pub strategy: Option<Strategy>,
    /// Field managers whose changes are not edits.
    pub ignore_managers: Vec<Glob>,
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
}
