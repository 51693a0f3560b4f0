//! Owns the words for what becomes of an object and on which side. Must never know an object.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The side that a change is made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The Kubernetes cluster.
    Cluster,
    /// The Git repository.
    Git,
}

impl Side {
    /// `cluster` or `git`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Git => "git",
        }
    }
}

impl fmt::Display for Side {
    /// `cluster` or `Git`, as it reads in a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cluster => "cluster",
            Self::Git => "Git",
        })
    }
}

/// What became of an object. The first seven are done, the others are left undone; they are ordered so that what a person
/// must look at comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Made in the cluster.
    Created,
    /// Changed in the cluster.
    Configured,
    /// Deleted from the cluster.
    Deleted,
    /// Our ownership of fields given up; no value changed.
    Released,
    /// Our ownership of fields taken; no value changed.
    Adopted,
    /// Its manifest written or changed in Git.
    Written,
    /// Its manifest removed from Git.
    Removed,
    /// Waits for something that comes by itself: a batch, a watch, a namespace.
    Pending,
    /// Left alone for a reason that a person may want to know.
    Skipped,
    /// The two sides differ, and the rule only observes.
    Differs,
    /// Live, not in Git, and not ours to delete.
    NotOurs,
    /// In Git, not live, and not ours to remove.
    Missing,
    /// Refused by a guard until a person decides.
    Held,
    /// Tried and refused, or the network failed; tried again.
    Failed,
}

impl Verb {
    /// Every verb, in order.
    pub const ALL: [Self; 14] = [
        Self::Created,
        Self::Configured,
        Self::Deleted,
        Self::Released,
        Self::Adopted,
        Self::Written,
        Self::Removed,
        Self::Pending,
        Self::Skipped,
        Self::Differs,
        Self::NotOurs,
        Self::Missing,
        Self::Held,
        Self::Failed,
    ];

    /// The word for machines and tables, for example `not-ours`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Deleted => "deleted",
            Self::Released => "released",
            Self::Adopted => "adopted",
            Self::Written => "written",
            Self::Removed => "removed",
            Self::Pending => "pending",
            Self::Skipped => "skipped",
            Self::Differs => "differs",
            Self::NotOurs => "not-ours",
            Self::Missing => "missing",
            Self::Held => "held",
            Self::Failed => "failed",
        }
    }

    /// The `reason` of a Kubernetes Event, for example `NotOurs`.
    pub fn event_reason(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::Configured => "Configured",
            Self::Deleted => "Deleted",
            Self::Released => "Released",
            Self::Adopted => "Adopted",
            Self::Written => "Written",
            Self::Removed => "Removed",
            Self::Pending => "Pending",
            Self::Skipped => "Skipped",
            Self::Differs => "Differs",
            Self::NotOurs => "NotOurs",
            Self::Missing => "Missing",
            Self::Held => "Held",
            Self::Failed => "Failed",
        }
    }

    /// Whether something was changed on a side.
    pub fn is_done(self) -> bool {
        self < Self::Pending
    }

    /// Whether it makes `once` exit with 1: held or failed.
    pub fn is_trouble(self) -> bool {
        self >= Self::Held
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_know_what_is_done_and_what_is_trouble() {
        let done: Vec<_> = Verb::ALL.into_iter().filter(|verb| verb.is_done()).collect();
        assert_eq!(
            done,
            [
                Verb::Created,
                Verb::Configured,
                Verb::Deleted,
                Verb::Released,
                Verb::Adopted,
                Verb::Written,
                Verb::Removed
            ]
        );
        let trouble: Vec<_> = Verb::ALL.into_iter().filter(|verb| verb.is_trouble()).collect();
        assert_eq!(trouble, [Verb::Held, Verb::Failed]);
        for verb in Verb::ALL {
            assert_eq!(serde_json::to_value(verb).unwrap(), verb.as_str());
        }
    }
}
