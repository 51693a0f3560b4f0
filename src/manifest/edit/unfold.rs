//! Owns writing out what stands for something else: aliases, merges, tags, and entries without a colon. Must never change
//! what a document says: the text is read again, and has to give the same value.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::plan::{MapNode, Mode, Planner, Slot};
use crate::manifest::load::Caps;
use crate::manifest::quote::{self, Context};
use crate::manifest::tree::{Entry, Form, Marks, Node, Tree, line_end, line_start, next_line};

/// What has to be written out before a document can be edited. Offsets are those of the text that was planned for.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// Anchors whose aliases have to go.
    pub anchors: HashSet<usize>,
    /// Aliases that may stay, because they follow what they stand for: where they begin, and their anchor.
    pub stay: HashMap<usize, usize>,
    /// Values that have to lose their anchor and tag; where the first of these begins.
    pub bare: HashSet<usize>,
    /// Entries that need a colon; where they begin.
    pub colons: HashSet<usize>,
    /// Merges that must no longer bring some keys; where their entries begin.
    pub merges: HashMap<usize, HashSet<String>>,
}

impl Needs {
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty() && self.bare.is_empty() && self.colons.is_empty() && self.merges.is_empty()
    }
}

/// The text of one document, and what it says.
pub(super) struct Draft<'t> {
    pub text: Cow<'t, str>,
    pub tree: Tree,
}

impl Draft<'_> {
    /// Writes out what is needed. Whether that could be done.
    pub fn unfold(&mut self, needs: &mut Needs) -> bool {
        self.try_unfold(needs) || !std::mem::take(&mut needs.stay).is_empty() && self.try_unfold(needs)
    }

    fn try_unfold(&mut self, needs: &Needs) -> bool {
        let caps = Caps::default();
        let mut planner = Planner::new(&self.text, &self.tree, Mode::Last);
        let root = &self.tree.root;
        if planner.unfold(root, Slot::ROOT, Some(&self.tree.value), needs).is_none() || planner.splices.is_empty() {
            return false;
        }
        let Some(text) = planner.splices.apply(&self.text).filter(|text| text.len() <= caps.bytes) else {
            return false;
        };
        match Tree::read(&text, &caps) {
            Ok(Some(tree)) if tree.value == self.tree.value => {
                *self = Self { text: Cow::Owned(text), tree };
                true
            }
            _ => false,
        }
    }
}

impl Planner<'_> {
    /// Writes out what is needed in a node and below. `value` is the node's, where it is known. `None` when it can't be
    /// done.
    fn unfold(&mut self, node: &Node, slot: Slot, value: Option<&Value>, needs: &Needs) -> Option<()> {
        if let Form::Alias(anchor) = &node.form {
            if needs.anchors.contains(anchor) && !needs.stay.contains_key(&node.start) {
                let value = self.tree.anchors.get(anchor)?;
                self.put(node, slot, value)?;
            }
            return Some(());
        }
        if let Some(marks) = &node.marks {
            let is_bare = needs.bare.contains(&marks.start());
            let no_alias = needs.anchors.contains(&node.anchor) && !needs.stay.values().any(|id| *id == node.anchor);
            if is_bare || no_alias {
                self.unmark(marks.anchor.as_ref().map(|at| (at.start, at.end)), node, slot);
            }
            if is_bare {
                self.untag(marks, node, slot, value)?;
            }
        }
        match &node.form {
            Form::Map { flow, entries } => {
                let mut changed = HashSet::new();
                if entries.iter().any(|entry| entry.name.is_none()) {
                    changed = self.write_out_merges(&MapNode { node, slot, flow: *flow, entries }, needs)?;
                }
                for entry in entries.iter().filter(|entry| !changed.contains(&entry.start)) {
                    self.unfold_entry(entry, *flow, value, needs)?;
                }
            }
            Form::Pair { entries } => {
                entries.iter().try_for_each(|entry| self.unfold_entry(entry, true, value, needs))?;
            }
            Form::List { flow, items } => {
                for (position, item) in items.iter().enumerate() {
                    let slot = self.item_slot(item, *flow);
                    self.unfold(&item.node, slot, value.and_then(|value| value.get(position)), needs)?;
                }
            }
            _ => {}
        }
        Some(())
    }

    fn unfold_entry(&mut self, entry: &Entry, flow: bool, value: Option<&Value>, needs: &Needs) -> Option<()> {
        if let Some(name) = &entry.name {
            self.unfold_key(entry, name, flow, needs);
            if needs.colons.contains(&entry.start) {
                // Not behind `?`: such a key has no end that a colon could follow.
                let key = if entry.key.marks.is_none() && !self.text.get(entry.start..entry.key.end)?.contains('\n') {
                    self.text.get(entry.key.start..entry.key.end)?.to_owned()
                } else {
                    quote::key(name, Context::Block)
                };
                self.splices.replace(entry.start..entry.key.end, format!("{key}:"));
            }
        }
        let value = value.zip(entry.name.as_ref()).and_then(|(value, name)| value.get(name));
        self.unfold(&entry.node, self.entry_slot(entry, flow), value, needs)
    }

    /// An alias that is a key, and the anchor of one.
    fn unfold_key(&mut self, entry: &Entry, name: &str, flow: bool, needs: &Needs) {
        let key = &entry.key;
        match (&key.form, &key.marks) {
            _ if needs.colons.contains(&entry.start) => {}
            (Form::Alias(anchor), _) if needs.anchors.contains(anchor) => {
                let context = if flow { Context::Flow } else { Context::Block };
                self.splices.replace(key.start..key.end, quote::key(name, context));
            }
            (_, Some(marks)) if needs.anchors.contains(&key.anchor) => {
                self.unmark(marks.anchor.as_ref().map(|at| (at.start, at.end)), key, Slot::ROOT);
            }
            _ => {}
        }
    }

    /// Writes a value in the place of an alias.
    fn put(&mut self, node: &Node, slot: Slot, value: &Value) -> Option<()> {
        let before = self.skipped.len();
        self.replace(node, slot, &Value::Null, value);
        (self.skipped.len() == before).then_some(())
    }

    /// Takes an anchor or a tag from before its value, with the blanks that this leaves.
    fn unmark(&mut self, mark: Option<(usize, usize)>, node: &Node, slot: Slot) {
        let Some((start, end)) = mark else { return };
        let blanks = |text: &str| text.len() - text.trim_start_matches([' ', '\t']).len();
        let line = (line_start(self.text, start), line_end(self.text, end));
        let after = end + blanks(self.text.get(end..line.1).unwrap_or_default());
        let before = self.text.get(line.0..start).unwrap_or_default();
        let before_end = line.0 + before.trim_end_matches([' ', '\t']).len();
        let below = self.text.get(line.1..node.start).is_some_and(|between| between.trim().is_empty());
        let behind_dash = slot.dash && !slot.flow && slot.after == Some(before_end);
        let range = if after < line.1 && !self.text.get(after..line.1).is_some_and(|rest| rest.starts_with('#')) {
            start..after
        } else if after == line.1 && behind_dash && below && self.is_beside_dash(node, slot) {
            // What follows can take its place beside the dash.
            start..node.start
        } else if before_end == line.0 && after == line.1 && line.0 > 0 {
            line.0..next_line(self.text, end)
        } else {
            before_end.max(slot.after.unwrap_or(0).min(start))..end
        };
        self.splices.replace(range, "");
    }

    /// Whether a map or list stands in the column that it would have beside its dash.
    fn is_beside_dash(&self, node: &Node, slot: Slot) -> bool {
        let is_block = matches!(node.form, Form::Map { flow: false, .. } | Form::List { flow: false, .. });
        is_block && node.start - line_start(self.text, node.start) == slot.column + 2
    }

    /// Takes the tag from a value; a scalar is spelt so that it says the same without.
    fn untag(&mut self, marks: &Marks, node: &Node, slot: Slot, value: Option<&Value>) -> Option<()> {
        let Some(tag) = &marks.tag else { return Some(()) };
        let context = if slot.flow { self.context() } else { Context::Block };
        match &node.form {
            Form::Empty => {
                self.splices.replace(tag.at.clone(), quote::scalar(value?, None, context));
                return Some(());
            }
            Form::Inline(style) => {
                self.splices.replace(node.start..node.end, quote::scalar(value?, Some(*style), context));
            }
            Form::Block { .. } if tag.own.as_deref().is_some_and(|own| own != "str") => {
                let line = line_end(self.text, node.start);
                let header = self.text.get(node.start..line)?.split([' ', '\t']).next()?.len();
                self.splices.replace(node.start..node.start + header, quote::scalar(value?, None, context));
                self.splices.replace(line..node.end, "");
            }
            _ => {}
        }
        self.unmark(Some((tag.at.start, tag.at.end)), node, slot);
        Some(())
    }
}
