//! Owns changing and removing objects in files that exist. Must never change a byte that it need not, render a document
//! anew, or hand out bytes that it has not read again and compared.

mod block;
mod file;
mod flow;
mod json;
mod lists;
mod merge;
mod pairs;
mod parts;
mod plan;
mod remove;
mod replace;
mod splice;
mod unfold;

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use super::load::LoadError;
use super::place::Place;
use super::scalar::normal;
use super::tree::{Form, Node};
use crate::object::{FieldPath, ObjectId, SchemaView};
use file::File;
use plan::{Mode, Planner, Slot};
pub use remove::remove;
use unfold::Draft;

/// A file after an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The whole file; the same bytes when nothing had to change.
    pub bytes: Vec<u8>,
    /// What was left as it is, each with the reason.
    pub skipped: Vec<(FieldPath, Obstacle)>,
}

/// Why one field was left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// It has an anchor that stands for the value elsewhere too, or lies below one.
    Anchor,
    /// It has a tag, or lies below one.
    Tag,
    /// It comes out of a merge (`<<`) and can't be removed here.
    Merge,
    /// Its key is written with `?`, over several lines or as an alias.
    Key,
    /// It is laid out in a way that can't be edited.
    Layout,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anchor => "an alias elsewhere stands for it; write the value out there",
            Self::Tag => "it has a tag; remove the tag",
            Self::Merge => "it comes from a merge key; write the map out",
            Self::Key => "its key is written in a way that can't be edited; write `key: value`",
            Self::Layout => "it is laid out in a way that can't be edited; write it on lines of its own",
        })
    }
}

/// Why a file was not edited at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct Refusal {
    /// The object that was to be edited.
    pub place: Box<Place>,
    /// Why not.
    pub why: Why,
}

/// The kinds of [`Refusal`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// The document is no text in UTF-8.
    #[error("the document is no text in UTF-8")]
    NotText,
    /// The document can't be read, or not edited.
    #[error(transparent)]
    Broken(#[from] LoadError),
    /// Nothing stands at this place any more.
    #[error("no object stands here any more; read the file again")]
    Gone,
    /// Another object stands there, or the wanted one is none; what stands there.
    #[error("here stands {0} now; read the file again")]
    Other(String),
    /// The edited file did not say what was wanted; what else it said.
    #[error("the edit would have changed {0}; edit the file by hand")]
    Wrong(&'static str),
}

/// Reads the object at a place.
///
/// # Errors
///
/// When nothing stands there any more, or it can't be read.
pub fn read(bytes: &[u8], place: &Place) -> Result<Value, Refusal> {
    let open = || -> Result<Value, Why> {
        let file = File::open(bytes, place)?;
        let value = file.value()?;
        item_of(&value, &place.item).cloned().ok_or(Why::Gone)
    };
    open().map_err(|why| refuse(place, why))
}

/// Makes the object at a place `wanted`: changes scalars, adds and removes keys and items, and leaves every other byte as it
/// is. `wanted` is the whole object as the file is to spell it: what it lacks is removed. Lists with keys and sets that only
/// stand in another order are the same. What can't be changed in place is left and listed.
///
/// # Errors
///
/// When the file is not what the place says, or when the result, read again, is not what was planned.
pub fn edit(bytes: &[u8], place: &Place, wanted: &Value, view: SchemaView<'_>) -> Result<Edited, Refusal> {
    edit_item(bytes, place, wanted, view, true).map_err(|why| refuse(place, why))
}

/// [`edit`] for a document that need not be an object.
///
/// # Errors
///
/// As [`edit`].
pub(super) fn revise(bytes: &[u8], place: &Place, wanted: &Value) -> Result<Edited, Why> {
    edit_item(bytes, place, wanted, SchemaView::unknown(), false)
}

fn edit_item(
    bytes: &[u8],
    place: &Place,
    wanted: &Value,
    view: SchemaView<'_>,
    is_object: bool,
) -> Result<Edited, Why> {
    let file = File::open(bytes, place)?;
    let tree = file.tree()?;
    let current = item_of(&tree.value, &place.item).ok_or(Why::Gone)?;
    let (from, to) = (ObjectId::of(current), ObjectId::of(wanted));
    let named = |id: &Option<ObjectId>| id.as_ref().map(|id| id.with_namespace(""));
    if is_object && (to.is_none() || named(&from) != named(&to)) {
        return Err(Why::Other(from.map_or("no object".to_owned(), |id| id.to_string())));
    }
    let wanted = normal(wanted);
    let mut draft = Draft { text: Cow::Borrowed(file.body), tree };
    for _ in 0..ROUNDS {
        let mut planner = draft.plan(Mode::Ask, place, &wanted, view)?;
        if planner.0.needs.is_empty() {
            return finish(&file, place, planner);
        }
        // Where all aliases become what their anchor becomes, they can stay.
        if !planner.0.needs.anchors.is_empty() {
            let follow = draft.plan(Mode::Follow, place, &wanted, view)?;
            if follow.0.skipped.is_empty()
                && let Ok(edited) = finish(&file, place, follow)
            {
                return Ok(edited);
            }
        }
        let mut needs = std::mem::take(&mut planner.0.needs);
        if !draft.unfold(&mut needs) {
            break;
        }
    }
    finish(&file, place, draft.plan(Mode::Last, place, &wanted, view)?)
}

/// How often something is written out before the rest is given up.
const ROUNDS: usize = 16;

impl Draft<'_> {
    fn plan<'p>(
        &'p self,
        mode: Mode,
        place: &Place,
        wanted: &Value,
        view: SchemaView<'_>,
    ) -> Result<(Planner<'p>, Value), Why> {
        let mut planner = Planner::new(&self.text, &self.tree, mode);
        let (node, slot) = find(&planner, &place.item).ok_or(Why::Gone)?;
        let current = item_of(&self.tree.value, &place.item).ok_or(Why::Gone)?;
        let outcome = planner.value(node, slot, current, wanted, view);
        Ok((planner, outcome.value))
    }
}

/// Applies what was planned, and reads the result again.
fn finish(file: &File<'_>, place: &Place, (planner, value): (Planner<'_>, Value)) -> Result<Edited, Why> {
    let Planner { text, tree, splices, skipped, json, .. } = planner;
    if splices.is_empty() {
        return Ok(Edited { bytes: file.bytes.to_vec(), skipped });
    }
    let new = splices.apply(text).ok_or(Why::Wrong("the same bytes twice"))?;
    // A YAML reader takes a comma that JSON does not.
    if json.is_some() && is_json(text) && !is_json(&new) {
        return Err(Why::Wrong("the document into one that is no JSON"));
    }
    let mut expected = tree.value.clone();
    *item_of_mut(&mut expected, &place.item).ok_or(Why::Gone)? = value;
    // A file that had no final line break gets none, unless a text needs it.
    let stripped = new.strip_suffix('\n').filter(|_| !text.ends_with('\n'));
    if let Some(Ok(bytes)) = stripped.map(|new| file.with(new.strip_suffix('\r').unwrap_or(new), &expected)) {
        return Ok(Edited { bytes, skipped });
    }
    Ok(Edited { bytes: file.with(&new, &expected)?, skipped })
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

fn refuse(place: &Place, why: Why) -> Refusal {
    Refusal { place: Box::new(place.clone()), why }
}

fn item_of<'v>(value: &'v Value, item: &[u32]) -> Option<&'v Value> {
    item.iter().try_fold(value, |value, position| value.get("items")?.get(*position as usize))
}

fn item_of_mut<'v>(value: &'v mut Value, item: &[u32]) -> Option<&'v mut Value> {
    item.iter().try_fold(value, |value, position| value.get_mut("items")?.get_mut(*position as usize))
}

/// The node of a document or of an item of its Lists, and where that hangs.
fn find<'n>(planner: &Planner<'n>, item: &[u32]) -> Option<(&'n Node, Slot)> {
    let mut found = (&planner.tree.root, Slot::ROOT);
    for position in item {
        let list = &found.0.get("items")?.node;
        let item = list.item(*position as usize)?;
        let flow = matches!(list.form, Form::List { flow: true, .. });
        found = (&item.node, planner.item_slot(item, flow));
    }
    Some(found)
}

#[cfg(test)]
mod tests;
