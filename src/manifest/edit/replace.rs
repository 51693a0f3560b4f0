//! Owns putting another value in the place of one. Must never take more of the old value's surroundings with it than its own
//! lines: comments of the line of its key stay.

use granit_parser::ScalarStyle;
use serde_json::{Map, Value};

use super::Obstacle;
use super::parts::Parts;
use super::plan::{Outcome, Planner, Slot};
use super::splice::last_line_end;
use crate::manifest::quote::{self, Context};
use crate::manifest::scalar;
use crate::manifest::tree::{Form, Marks, Node, line_end, line_start};

impl Planner<'_> {
    /// Puts `wanted` in the place of a value.
    pub(super) fn replace(&mut self, node: &Node, slot: Slot, current: &Value, wanted: &Value) -> Outcome {
        if self.is_needed(node) {
            return self.skip_aliased(node, slot, current);
        }
        if let Some(marks) = node.marks.as_ref().filter(|marks| !fits(marks, node, wanted)) {
            return self.skip_marked(marks, node, slot, current);
        }
        if let Some(text) = self.on_the_spot(node, slot, current, wanted) {
            self.splices.replace(node.start..node.end, text);
        } else if let Some(after) = slot.after.filter(|_| !slot.flow && self.json.is_none()) {
            let block = match (&node.form, wanted) {
                // A text of one line in the place of one of several no longer needs a block.
                (Form::Block { folded, keep }, Value::String(text))
                    if *folded || has_lines(wanted) || !has_lines(current) =>
                {
                    self.block(node, slot, (*folded, *keep), text)
                }
                _ => None,
            };
            if block.is_none() {
                if let Some(marks) = &node.marks {
                    return self.skip_marked(marks, node, slot, current);
                }
                if self.lay_out(node, slot, after, wanted).is_none() {
                    return self.skip(node, slot, current, Obstacle::Layout);
                }
            }
        } else {
            return self.skip(node, slot, current, Obstacle::Key);
        }
        Outcome { value: wanted.clone(), end: node.end.max(slot.after.unwrap_or(0)) }
    }

    /// The text that takes exactly the place of the old one; `None` when that needs other lines.
    fn on_the_spot(&self, node: &Node, slot: Slot, current: &Value, wanted: &Value) -> Option<String> {
        if slot.flow || self.json.is_some() {
            let was_inline = match &node.form {
                Form::Map { entries, .. } => !entries.is_empty(),
                Form::List { items, .. } => !items.is_empty(),
                _ => false,
            };
            let text = match &node.form {
                Form::Inline(style) if wanted.is_string() => quote::scalar(wanted, Some(*style), self.context()),
                _ => self.flow_value(wanted, node.start, was_inline),
            };
            let is_empty = matches!(node.form, Form::Empty);
            let colon = if slot.after.is_none() { ":" } else { "" };
            return Some(if is_empty { format!("{colon} {text}") } else { text });
        }
        let is_collection = wanted.is_object() || wanted.is_array();
        match &node.form {
            Form::List { flow: true, items } if is_collection && !(items.is_empty() && is_roomy(wanted)) => {
                Some(quote::flow(wanted, Context::Block))
            }
            Form::Map { flow: true, entries } if is_collection && !(entries.is_empty() && is_roomy(wanted)) => {
                Some(quote::flow(wanted, Context::Block))
            }
            _ if is_collection => None,
            Form::Inline(style) => {
                // Several lines get a block, unless they stood in double quotes already.
                let stays = *style == ScalarStyle::DoubleQuoted && has_lines(current);
                (stays || !gets_block(wanted)).then(|| quote::scalar(wanted, Some(*style), Context::Block))
            }
            Form::Alias(_) if !gets_block(wanted) => Some(quote::scalar(wanted, None, Context::Block)),
            _ => None,
        }
    }

    /// Whether nothing of a collection stays that it could be edited around, or it is `{}` and gets more than fits there.
    pub(super) fn is_rewritten(&self, flow: bool, slot: Slot, parts: &Parts, added: &Value) -> bool {
        if flow {
            parts.is_empty() && is_roomy(added) && !slot.flow && self.json.is_none()
        } else {
            parts.last().is_none()
        }
    }

    /// Writes a value in block style in the place of one. `None` when the old one is laid out in a way that is not known.
    fn lay_out(&mut self, node: &Node, slot: Slot, after: usize, wanted: &Value) -> Option<()> {
        let new = self.style.after(wanted, slot.column, slot.dash);
        let (head, tail) = new.split_at(new.find(self.style.eol).unwrap_or(new.len()));
        let same_line = !self.text.get(after..node.start)?.contains('\n');
        let line = line_end(self.text, after);
        // Comments inside of a list or map go with it; those below the line of anything else stay.
        let last = match &node.form {
            Form::List { flow: false, .. } | Form::Map { flow: false, .. } => {
                last_line_end(self.text, node.end, slot.column)
            }
            _ => line_end(self.text, node.end),
        };
        match &node.form {
            Form::Empty => {
                self.splices.insert(node.end, head);
                self.splices.insert(last, tail);
            }
            Form::Block { .. } if same_line => {
                let header = self.text.get(node.start..line)?.split([' ', '\t']).next()?.len();
                self.splices.replace(after..node.start + header, head);
                self.splices.replace(line..node.end, tail);
            }
            Form::List { flow: false, .. } | Form::Map { flow: false, .. } if same_line => {
                self.splices.replace(after..last, new);
            }
            _ if same_line => {
                self.splices.replace(after..node.end, head);
                self.splices.insert(last, tail);
            }
            // Comments between the key and the value stay there.
            Form::Inline(_) | Form::Block { .. } if self.text.get(line..node.start)?.contains('#') => {
                if head.is_empty() {
                    let tail = tail.strip_prefix(self.style.eol)?;
                    self.splices.replace(line_start(self.text, node.start)..last, tail);
                } else {
                    self.splices.replace(node.start..node.end, head.trim_start());
                    self.splices.insert(last, tail);
                }
            }
            _ => {
                self.splices.insert(after, head);
                self.splices.replace(line..last, tail);
            }
        }
        Some(())
    }
}

/// Whether a value can stay behind the tag that stands there.
fn fits(marks: &Marks, node: &Node, wanted: &Value) -> bool {
    let Some(tag) = &marks.tag else { return true };
    match (&node.form, wanted, &tag.own) {
        (Form::Map { .. } | Form::Pair { .. }, wanted, _) => wanted.is_object(),
        (Form::List { .. }, wanted, _) => wanted.is_array(),
        (_, Value::Object(_) | Value::Array(_), _) => false,
        (_, Value::String(text), Some(own)) => scalar::tagged(own, text).as_ref() == Ok(wanted),
        (_, wanted, Some(own)) => scalar::tagged(own, &wanted.to_string()).as_ref() == Ok(wanted),
        (_, wanted, None) => wanted.is_string(),
    }
}

fn has_lines(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.contains('\n'))
}

/// Whether a value is a text of several lines that a block scalar can hold.
fn gets_block(value: &Value) -> bool {
    let block = |text: &str| quote::block_lines(text).is_some_and(|(_, breaks)| breaks < 2);
    has_lines(value) && value.as_str().is_some_and(block)
}

/// Whether a list or map holds more than scalars of one line.
fn is_roomy(value: &Value) -> bool {
    let is_large = |value: &Value| match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        value => has_lines(value),
    };
    value.as_array().is_some_and(|items| items.iter().any(is_large))
        || value.as_object().map(Map::values).is_some_and(|mut values| values.any(is_large))
}
