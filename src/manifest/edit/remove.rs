//! Owns taking an object out of its file. Must never lose a byte of another document.

use std::borrow::Cow;

use serde_json::Value;

use super::file::File;
use super::parts::Parts;
use super::plan::{Mode, Planner};
use super::unfold::Draft;
use super::{Place, Refusal, Why, find, item_of, item_of_mut, refuse};
use crate::manifest::document::{Document, split};
use crate::manifest::tree::{Form, Node, line_start, next_line};

/// Removes an object: its document with its separator, or its item of a List; a List that would be left without any item
/// goes as a whole. `None` when nothing but comments is left, so that the file can go.
///
/// # Errors
///
/// When the file is not what the place says, or when the result, read again, lacks anything else.
pub fn remove(bytes: &[u8], place: &Place) -> Result<Option<Vec<u8>>, Refusal> {
    let run = || {
        let file = File::open(bytes, place)?;
        match remove_item(&file, &place.item)? {
            Some(bytes) => Ok(Some(bytes)),
            None => file.without_document(),
        }
    };
    run().map_err(|why| refuse(place, why))
}

/// The file without an item of a List; `None` when the whole document is to go.
fn remove_item(file: &File<'_>, item: &[u32]) -> Result<Option<Vec<u8>>, Why> {
    if item.is_empty() {
        return Ok(None);
    }
    let mut item = item;
    let tree = file.tree()?;
    let (list, position) = loop {
        let Some((position, outer)) = item.split_last() else { return Ok(None) };
        let list = item_of(&tree.value, outer).and_then(|list| list.get("items")?.as_array()).ok_or(Why::Gone)?;
        if list.len() > 1 {
            break (outer, *position as usize);
        }
        item = outer;
    };
    let mut expected = tree.value.clone();
    let wanted = item_of_mut(&mut expected, list).and_then(|list| list.get_mut("items")?.as_array_mut());
    let wanted = wanted.filter(|wanted| position < wanted.len()).ok_or(Why::Gone)?;
    wanted.remove(position);
    let mut draft = Draft { text: Cow::Borrowed(file.body), tree };
    let mut mode = Mode::Ask;
    loop {
        let mut planner = Planner::new(&draft.text, &draft.tree, mode);
        let node = &find(&planner, list).and_then(|(list, _)| list.get("items")).ok_or(Why::Gone)?.node;
        planner.remove_item(node, position);
        let (mut needs, skipped) = (std::mem::take(&mut planner.needs), !planner.skipped.is_empty());
        if skipped && mode == Mode::Ask {
            if !draft.unfold(&mut needs) {
                mode = Mode::Last;
            }
            continue;
        }
        if skipped {
            return Err(Why::Wrong("what an alias elsewhere stands for"));
        }
        let new = planner.splices.apply(&draft.text).ok_or(Why::Wrong("the same bytes twice"))?;
        return file.with(&new, &expected).map(Some);
    }
}

impl File<'_> {
    /// The file without the document; `None` when nothing but comments is left.
    fn without_document(&self) -> Result<Option<Vec<u8>>, Why> {
        let text = std::str::from_utf8(self.bytes).map_err(|_| Why::NotText)?;
        let documents = split(text);
        let position = documents.iter().position(|document| document.span == self.extent.span).ok_or(Why::Gone)?;
        let own = documents.get(position).ok_or(Why::Gone)?;
        let others = || documents.iter().filter(|document| document.number != own.number);
        if others().all(Document::is_empty) {
            return Ok(None);
        }
        let before = position.checked_sub(1).and_then(|before| documents.get(before));
        let next = documents.get(position + 1);
        let mut range = own.span.clone();
        let mut between = "";
        match (before, next) {
            (None, Some(next)) => {
                // The head of the file stays, and the next document needs no separator that this one did not have.
                let bom = self.begin;
                range.start = own.marker.filter(|_| !own.directives).map_or(bom, |marker| line_start(text, marker));
                if let Some(marker) = next.marker.filter(|_| own.marker.is_none() && !next.directives) {
                    let line = next_line(text, marker);
                    let is_bare = text.get(marker..line).is_some_and(|line| line.trim_end() == "---");
                    if is_bare && text.get(next.span.start..marker).is_some_and(|head| head.trim().is_empty()) {
                        range.end = line;
                    }
                }
            }
            (Some(before), Some(next)) if !before.ended && (next.marker.is_none() || next.directives) => {
                between = if text.contains("\r\n") { "...\r\n" } else { "...\n" };
            }
            _ => {}
        }
        let head = text.get(..range.start).unwrap_or_default();
        let tail = text.get(range.end..).unwrap_or_default();
        let new = [head, between, tail].concat();
        // The next document may have lost its separator, the one before may have got an end.
        let cut = range.end - own.span.end;
        let left = split(&new);
        let left: Vec<_> = left.iter().filter(|document| !document.is_empty()).collect();
        let kept: Vec<_> = others().filter(|document| !document.is_empty()).collect();
        let same = left.len() == kept.len()
            && kept.iter().zip(&left).all(|(kept, left)| {
                let cut = if kept.number == own.number + 1 { cut } else { 0 };
                kept.text.get(cut..).is_some_and(|text| left.text.contains(text))
            });
        if same { Ok(Some(new.into_bytes())) } else { Err(Why::Wrong("other documents")) }
    }
}

impl Planner<'_> {
    /// Takes one item out of a list that has others.
    fn remove_item(&mut self, list: &Node, position: usize) {
        let Form::List { flow, items } = &list.form else { return };
        let Some(item) = items.get(position) else { return };
        if self.is_needed(&item.node) {
            self.skip_aliased(&item.node, self.item_slot(item, *flow), &Value::Null);
            return;
        }
        let mut parts = Parts::new(items.iter().map(|item| (item.start, item.node.end)));
        parts.set(position, None);
        if *flow {
            self.flow_parts(list, &parts, &[]);
        } else {
            self.remove_lines(&parts);
        }
    }
}
