//! Owns what is known of the past of one object's fields: what each side had when a field was last the same on both. Must
//! never hold a value: digests only.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use crate::object::FieldPath;
use crate::object::digest::Digest;

use super::plan::Side;

/// How many values that are on their way are remembered of one field.
const SENT: usize = 8;

/// What one side had at a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Nobody knows: both sides never agreed there.
    Unknown,
    /// Nothing.
    Absent,
    /// A value of this digest.
    Is(Digest),
}

impl Then {
    /// What a side has now.
    pub fn of(value: Option<&Value>) -> Self {
        value.map_or(Self::Absent, |value| Self::Is(Digest::of_value(value)))
    }

    /// Whether a side that had this has something else now; `None`: nobody knows.
    pub(super) fn differs(self, now: Self) -> Option<bool> {
        (self != Self::Unknown).then_some(self != now)
    }
}

/// A field whose past is another than what the manifest of the base says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apart {
    /// The field, with everything below it.
    pub path: FieldPath,
    /// What Git said.
    pub git: Then,
    /// What the cluster had.
    pub live: Then,
    /// Values of the cluster that we were about to write to Git: found there, they are nobody's edit.
    pub to_git: Vec<Then>,
    /// Values of Git that we were about to apply.
    pub to_cluster: Vec<Then>,
}

impl Apart {
    /// A field at which the sides had these values.
    pub fn new(path: FieldPath, git: Then, live: Then) -> Self {
        Self { path, git, live, to_git: Vec::new(), to_cluster: Vec::new() }
    }

    /// Remembers that the value of one side is on its way to the other.
    pub(super) fn send(&mut self, to: Side, value: Then) {
        let sent = if to == Side::Git { &mut self.to_git } else { &mut self.to_cluster };
        if !sent.contains(&value) {
            sent.push(value);
        }
        if sent.len() > SENT {
            sent.remove(0);
        }
    }
}

/// What somebody changed in Git although the cluster decides, and what the cluster had then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The field; the root for a manifest that was removed.
    pub path: FieldPath,
    /// What Git says.
    pub git: Then,
    /// What the cluster had when this was first seen.
    pub live: Then,
}

/// What a plan knows of the past of its object beside the base.
#[derive(Clone, Copy, Debug, Default)]
pub struct Past<'a> {
    /// What the manifest said when both sides last agreed; `None`: that is not known.
    pub manifest: Option<&'a Value>,
    /// Fields of which that manifest does not tell.
    pub apart: &'a [Apart],
    /// What people changed in Git and the cluster has not answered.
    pub edits: &'a [Edit],
    /// Whether somebody released what is held.
    pub released: bool,
    /// The side that a release keeps.
    pub keep: Option<Side>,
    /// The side that this process saw change last.
    pub latest: Option<Side>,
}

/// What is to be remembered of the fields once a plan was made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Remembered {
    /// Fields of which the manifest, as it is now, does not tell.
    pub apart: Vec<Apart>,
    /// What people changed in Git and the cluster has not answered.
    pub edits: Vec<Edit>,
    /// What waits for somebody to decide.
    pub waits: Option<Undecided>,
    /// Whether a release decided something.
    pub uses_release: bool,
    /// Values of the cluster that Git's win over.
    pub overruled: Option<String>,
}

/// What somebody has to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undecided {
    /// Both sides changed a field: which one stays.
    Conflict,
    /// One side has gone, the other one changed: which one stays.
    Existence,
    /// Git was changed where the cluster decides: whether that is written over.
    Edit,
}

impl Serialize for Then {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unknown => serializer.serialize_str("?"),
            Self::Absent => serializer.serialize_str(""),
            Self::Is(digest) => serializer.collect_str(digest),
        }
    }
}

impl<'de> Deserialize<'de> for Then {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "?" => Ok(Self::Unknown),
            "" => Ok(Self::Absent),
            text => text.parse().map(Self::Is).map_err(de::Error::custom),
        }
    }
}
