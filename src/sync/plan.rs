//! Owns what a planning pass yields for one object: actions, and notes about what is left alone and why. Must never
//! hold a handle to anything: a plan is data.

use serde_json::Value;

use crate::manifest::{Place, Step};
use crate::object::{FieldPath, ObjectId, RepoPath};
pub use crate::report::{Side, Verb};

use super::guards::Guard;
use super::past::Remembered;

/// The position of a rule in the rules file.
pub type RuleIndex = usize;

/// Something to do on one side.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Give up ownership of fields and leave their live values as they are.
    Release {
        /// Fields to give up.
        fields: Vec<FieldPath>,
        /// Rule that decides.
        rule: Option<RuleIndex>,
    },
    /// Apply what we are to own of an object that is live.
    Apply {
        /// The whole set that we own afterwards, with apiVersion, kind and identity.
        object: Value,
        /// Fields whose live value or ownership changes.
        changed: Vec<FieldPath>,
        /// Those of them that become ours and keep their value.
        adopted: Vec<FieldPath>,
        /// Whether fields of other managers are taken over.
        force: bool,
        /// Whether it must find those fields as they were when it was planned: either side may change one of them.
        unless_changed: bool,
        /// First rule that decides a changed field.
        rule: RuleIndex,
    },
    /// Remove fields that left Git and that kubectl still holds, while they have the value they had in Git.
    Strip {
        /// Fields to remove.
        fields: Vec<FieldPath>,
        /// Rule that decides.
        rule: RuleIndex,
    },
    /// Create an object that is not live, then give up the ownership of some of its first values.
    Create {
        /// The whole object.
        object: Value,
        /// Fields that are only first values.
        release: Vec<FieldPath>,
        /// Rule that decides existence.
        rule: RuleIndex,
    },
    /// Delete the live object.
    Delete {
        /// UID that it must still have.
        uid: String,
        /// resourceVersion that it must still have; `None`: whichever.
        version: Option<String>,
        /// Rule that decides existence.
        rule: RuleIndex,
    },
    /// Delete the live object to have it made anew: something in it cannot be changed in place.
    Recreate {
        /// UID that it must still have.
        uid: String,
        /// What cannot be changed.
        reason: String,
        /// Rule that decides existence.
        rule: RuleIndex,
    },
    /// Write a new manifest.
    Write {
        /// What it says.
        object: Value,
        /// Where.
        path: RepoPath,
        /// Rule that decides existence.
        rule: RuleIndex,
    },
    /// Edit the manifest in place.
    Edit {
        /// What the document says afterwards.
        wanted: Value,
        /// Fields that change.
        changed: Vec<FieldPath>,
        /// First rule that decides a changed field.
        rule: RuleIndex,
    },
    /// Remove the document from Git.
    Remove {
        /// Rule that decides existence.
        rule: RuleIndex,
    },
    /// Write a new patch of the object.
    WritePatch {
        /// What it says.
        object: Value,
        /// Where.
        path: RepoPath,
        /// The kustomization that is to list it.
        kustomization: Option<RepoPath>,
        /// Fields that it sets.
        changed: Vec<FieldPath>,
        /// First rule that decides one of them.
        rule: RuleIndex,
    },
    /// Edit a patch of the object in place.
    EditPatch {
        /// Where it stands.
        place: Place,
        /// What it says afterwards.
        wanted: Value,
        /// Fields that change.
        changed: Vec<FieldPath>,
        /// First rule that decides a changed field.
        rule: RuleIndex,
    },
    /// List a patch of the object in a kustomization.
    ListPatch {
        /// The patch.
        patch: RepoPath,
        /// The kustomization.
        kustomization: RepoPath,
        /// Rule that writes the patch.
        rule: RuleIndex,
    },
    /// Set values in a file that holds something else.
    Set {
        /// The file.
        path: RepoPath,
        /// Paths in it and what stands there afterwards; `None`: nothing.
        values: Vec<(Vec<Step>, Option<Value>)>,
        /// Fields of the object that these come from.
        changed: Vec<FieldPath>,
        /// Rule that decides the first of them.
        rule: RuleIndex,
    },
}

impl Action {
    /// Which side it writes to.
    pub fn side(&self) -> Side {
        match self {
            Self::Release { .. }
            | Self::Apply { .. }
            | Self::Strip { .. }
            | Self::Create { .. }
            | Self::Recreate { .. }
            | Self::Delete { .. } => Side::Cluster,
            Self::Write { .. }
            | Self::Edit { .. }
            | Self::Remove { .. }
            | Self::WritePatch { .. }
            | Self::EditPatch { .. }
            | Self::ListPatch { .. }
            | Self::Set { .. } => Side::Git,
        }
    }

    /// Whether it deletes on its side.
    pub fn deletes(&self) -> bool {
        matches!(self, Self::Delete { .. } | Self::Remove { .. })
    }

    /// The rule that decides.
    pub fn rule(&self) -> Option<RuleIndex> {
        match self {
            Self::Release { rule, .. } => *rule,
            Self::Apply { rule, .. }
            | Self::Strip { rule, .. }
            | Self::Create { rule, .. }
            | Self::Recreate { rule, .. }
            | Self::Delete { rule, .. }
            | Self::Write { rule, .. }
            | Self::Edit { rule, .. }
            | Self::WritePatch { rule, .. }
            | Self::EditPatch { rule, .. }
            | Self::ListPatch { rule, .. }
            | Self::Set { rule, .. }
            | Self::Remove { rule } => Some(*rule),
        }
    }
}

/// Those fields of an apply whose value changes.
pub fn changes_of_value<'a>(changed: &'a [FieldPath], adopted: &'a [FieldPath]) -> impl Iterator<Item = &'a FieldPath> {
    // The mark of a map or item is adopted with what is in it.
    changed.iter().filter(|field| !adopted.iter().any(|adopted| field.covers(adopted)))
}

/// One thing that is left as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// How it stands; never a verb that is done.
    pub verb: Verb,
    /// The side that is left as it is.
    pub side: Side,
    /// Rule concerned, where there is one.
    pub rule: Option<RuleIndex>,
    /// Why, and what to do about it.
    pub reason: String,
    /// Fields concerned; empty for the whole object.
    pub fields: Vec<FieldPath>,
}

/// What one planning pass decided for one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The object.
    pub id: ObjectId,
    /// What to do, in this order within one side.
    pub actions: Vec<Action>,
    /// What is left alone, and why.
    pub notes: Vec<Note>,
    /// Rule that decides existence, where there is one.
    pub existence: Option<RuleIndex>,
    /// Whether any rule selects the object.
    pub selected: bool,
    /// Whether both sides were read, an active rule was in force and nothing differs.
    pub agrees: bool,
    /// What is to be remembered of single fields, where a rule asks which side changed them.
    pub remembered: Option<Box<Remembered>>,
    /// The guard that keeps what would be deleted otherwise.
    pub refused: Option<Guard>,
}

impl Plan {
    /// A plan that does nothing.
    pub fn nothing(id: &ObjectId) -> Self {
        Self {
            id: id.clone(),
            actions: Vec::new(),
            notes: Vec::new(),
            existence: None,
            selected: false,
            agrees: false,
            remembered: None,
            refused: None,
        }
    }

    /// The actions for one side.
    pub fn on(&self, side: Side) -> impl Iterator<Item = &Action> {
        self.actions.iter().filter(move |action| action.side() == side)
    }

    /// Adds a note about the whole object.
    pub(super) fn note(&mut self, verb: Verb, side: Side, rule: Option<RuleIndex>, reason: impl Into<String>) {
        self.notes.push(Note { verb, side, rule, reason: reason.into(), fields: Vec::new() });
    }
}
