//! Owns the values of a rule that are one of a few words. Must never take a word for another without saying so.

use schemars::JsonSchema;

use super::problem::{Fault, nearest};

/// Which side is the source of what a rule covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema)]
#[schemars(rename_all = "lowercase", inline)]
pub enum Direction {
    /// Git is the source: what it says is applied to the cluster.
    Kubernetes,
    /// The cluster is the source: what it says is committed to Git.
    Git,
    /// Whichever side changed since both agreed: what one says reaches the other.
    Both,
    /// Neither side is changed; differences are reported.
    Observe,
}

impl Direction {
    /// Every direction, as it is written.
    pub(super) const ALL: [(&'static str, Self); 4] =
        [("kubernetes", Self::Kubernetes), ("git", Self::Git), ("both", Self::Both), ("observe", Self::Observe)];

    /// As it is written in the rules file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Git => "git",
            Self::Both => "both",
            Self::Observe => "observe",
        }
    }

    /// Whether fields may be applied to the cluster.
    pub fn applies(self) -> bool {
        matches!(self, Self::Kubernetes | Self::Both)
    }

    /// Whether fields may be written to Git.
    pub fn writes(self) -> bool {
        matches!(self, Self::Git | Self::Both)
    }
}

/// What happens to a field that both sides changed to different values, or that differs before both ever agreed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, JsonSchema)]
#[schemars(rename_all = "lowercase", inline)]
pub enum Conflict {
    /// It is left as it is on both sides, until somebody decides.
    #[default]
    Hold,
    /// Git's value wins.
    Git,
    /// The cluster's value wins.
    Cluster,
    /// The side wins that was seen to change last; held when that is not known.
    Latest,
}

impl Conflict {
    pub(super) const ALL: [(&'static str, Self); 4] =
        [("hold", Self::Hold), ("git", Self::Git), ("cluster", Self::Cluster), ("latest", Self::Latest)];
}

/// What happens to a commit of somebody else that changes a field of which the cluster is the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, JsonSchema)]
#[schemars(rename_all = "lowercase", inline)]
pub enum GitEdits {
    /// The live value is written over it.
    #[default]
    Overwrite,
    /// It stays until the live value changes, or until somebody releases it.
    Hold,
}

impl GitEdits {
    pub(super) const ALL: [(&'static str, Self); 2] = [("overwrite", Self::Overwrite), ("hold", Self::Hold)];
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
    let sides: &[&str] = match text.to_ascii_lowercase().as_str() {
        "k8s" | "k8" | "kube" | "cluster" | "kubernetes" | "live" => &["kubernetes", "cluster"],
        "repo" | "repository" | "github" | "gitlab" => &["git"],
        "two-way" | "bidirectional" => &["both"],
        "newest" | "last" | "newer" => &["latest"],
        "false" | "off" | "no" | "none" | "disabled" => &["never"],
        _ => &[],
    };
    let near = sides.iter().copied().find(|side| names.contains(side)).or_else(|| nearest(text, names.iter().copied()));
    let fault = Fault::new(format!("`{text}` is none of {}", names.join(", ")));
    Err(fault.maybe_hint(near.map(|near| format!("did you mean `{near}`?"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_choice_is_answered_with_the_nearest() {
        let hint = |text: &str| choose(text, &Direction::ALL).unwrap_err().hint;
        assert_eq!(hint("k8s").as_deref(), Some("did you mean `kubernetes`?"));
        assert_eq!(hint("Git").as_deref(), Some("did you mean `git`?"));
        assert_eq!(hint("kuberntes").as_deref(), Some("did you mean `kubernetes`?"));
        assert_eq!(hint("Both").as_deref(), Some("did you mean `both`?"));
        assert_eq!(hint("sideways"), None);
        let conflict = |text: &str| choose(text, &Conflict::ALL).unwrap_err().hint;
        assert_eq!(conflict("kubernetes").as_deref(), Some("did you mean `cluster`?"));
        assert_eq!(conflict("newest").as_deref(), Some("did you mean `latest`?"));
        let prune = choose("false", &Prune::ALL).unwrap_err();
        assert_eq!(prune.to_string(), "`false` is none of owned, matching, never");
        assert_eq!(prune.hint.as_deref(), Some("did you mean `never`?"));
    }
}
