//! Owns what of holds outlives the process: for people what is held and why, for the next process what it cannot find out
//! anew. Must never keep a value of an object, nor anything of a Secret.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::object::{FieldPath, FieldSet, ObjectId};
use crate::report::{Change, Verb};

use super::disagreements::RELEASE;
use super::past::{Edit, Then, Undecided};
use super::pasts::Pasts;
use super::plan::Side;
use super::state::key;

/// How many objects the list for people names.
pub const LISTED: usize = 200;

/// Most bytes that paths of edited fields take. What does not fit is found anew by the next process, as held from then on.
const EDITS: usize = 200_000;

/// What is held.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedHolds {
    /// The first of what is held, by identity.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Hold>,
    /// How many more are.
    #[serde(default, skip_serializing_if = "is_none")]
    pub more: usize,
    /// Commits that stay although the cluster decides: what the cluster had then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<SavedEdit>,
}

/// One thing that is held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// The object.
    #[serde(with = "key")]
    pub object: ObjectId,
    /// What somebody has to decide; `None`: it is held for another reason, which says what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<Undecided>,
    /// The side that is left as it is.
    pub side: Side,
    /// Fields concerned; none for the whole object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// Why, without values.
    pub why: String,
}

/// One field that somebody changed in Git.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedEdit {
    /// The object.
    #[serde(with = "key")]
    pub object: ObjectId,
    /// The field, as in `fieldsV1`; `{}` for the whole manifest.
    pub field: Value,
    /// What Git says.
    pub git: Then,
    /// What the cluster had when this was first seen.
    pub live: Then,
}

impl SavedHolds {
    /// What is to be kept. `changes`: what is left undone.
    pub fn of<'a>(changes: impl Iterator<Item = &'a Change>, pasts: &Pasts) -> Self {
        let held: Vec<&Change> = changes.filter(|change| change.verb == Verb::Held).collect();
        let mut size = 0;
        let is_secret = |id: &ObjectId| id.is("", "Secret");
        let edits = pasts.edits().filter(|(id, _)| !is_secret(id));
        let edits = edits.flat_map(|(id, edits)| edits.iter().map(move |edit| (id, edit)));
        let edits = edits.map(|(id, edit)| SavedEdit {
            object: id.clone(),
            field: FieldSet::from_paths([&edit.path]).to_fields_v1(),
            git: edit.git,
            live: edit.live,
        });
        let fits = |edit: &SavedEdit| {
            size += key::text(&edit.object).len() + edit.field.to_string().len() + 100;
            size <= EDITS
        };
        Self {
            more: held.len().saturating_sub(LISTED),
            held: held.into_iter().take(LISTED).map(|change| Hold::of(change, pasts)).collect(),
            edits: edits.take_while(fits).collect(),
        }
    }

    /// Reads the section; nothing when it is of another form.
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// The text of the section; `None`: nothing is held.
    pub fn text(&self) -> Option<String> {
        (*self != Self::default()).then(|| serde_json::to_string(self).unwrap_or_default())
    }

    /// What people had changed in Git when the former process ended, by object.
    pub fn edits(&self) -> Vec<(ObjectId, Vec<Edit>)> {
        let mut all: Vec<(ObjectId, Vec<Edit>)> = Vec::new();
        for saved in &self.edits {
            let Ok(field) = FieldSet::from_fields_v1(&saved.field) else { continue };
            let path = field.paths().pop().unwrap_or_else(FieldPath::root);
            let edit = Edit { path, git: saved.git, live: saved.live };
            match all.last_mut() {
                Some((id, edits)) if *id == saved.object => edits.push(edit),
                _ => all.push((saved.object.clone(), vec![edit])),
            }
        }
        all
    }
}

impl Hold {
    fn of(change: &Change, pasts: &Pasts) -> Self {
        let waits = pasts.waits(&change.object).filter(|_| is_decidable(change));
        let why = match waits {
            Some(Undecided::Conflict) => "both sides changed it".to_owned(),
            Some(Undecided::Existence) => "one side has gone, the other one changed since both agreed".to_owned(),
            Some(Undecided::Edit) => "a commit changed it, and the cluster decides".to_owned(),
            None => change.reason.clone().unwrap_or_default(),
        };
        let fields = change.fields.iter().take(20).map(ToString::to_string).collect();
        Self { object: change.object.clone(), waits, side: change.side, fields, why }
    }
}

/// Whether this is what somebody has to decide, and not another reason why the same object is held.
fn is_decidable(change: &Change) -> bool {
    change.reason.as_ref().is_some_and(|reason| reason.contains(RELEASE))
}

fn is_none(count: &usize) -> bool {
    *count == 0
}
