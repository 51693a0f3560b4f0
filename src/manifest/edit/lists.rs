//! Owns editing the items of a list. Must never take another order of a keyed list or a set for a change.

use granit_parser::ScalarStyle;
use serde_json::Value;

use super::flow::Added;
use super::pairs::Pairs;
use super::parts::Parts;
use super::plan::{ListNode, Outcome, Planner};
use super::splice::{begins_line, last_line_end, lines_start};
use crate::manifest::quote::{self, Context};
use crate::manifest::tree::{Form, Item, Node};
use crate::manifest::write::column;
use crate::object::{PathElement, SchemaView};

/// Whether two values are the same but for the order of keyed lists and sets.
pub(super) fn same(one: &Value, other: &Value, view: SchemaView<'_>) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(name, value)| other.get(name).is_some_and(|other| same(value, other, view.field(name))))
        }
        (Value::Array(from), Value::Array(to)) => {
            let pairs = Pairs::of(from, to, view);
            let equal = |(from, to): (&Value, &Option<usize>)| {
                to.and_then(|to| other.get(to)).is_some_and(|to| same(from, to, view.item()))
            };
            pairs.added.is_empty() && from.iter().zip(&pairs.to).all(equal)
        }
        _ => one == other,
    }
}

/// The quotes in which all texts of a list stand, if one of them needs none: so that a new one stands in them too.
fn quotes(items: &[Item], values: &[Value]) -> Option<ScalarStyle> {
    let mut texts = items.iter().zip(values).filter(|(_, value)| value.is_string()).peekable();
    let style = |item: &Item| match item.node.form {
        Form::Inline(style @ (ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted)) => Some(style),
        _ => None,
    };
    let quotes = style(texts.peek()?.0)?;
    let mut bare = false;
    let all = texts.all(|(item, value)| {
        bare |= !quote::scalar(value, None, Context::Flow).starts_with('"');
        style(item) == Some(quotes)
    });
    (all && bare).then_some(quotes)
}

impl Planner<'_> {
    /// Makes the items of a list those that are wanted.
    pub(super) fn list(&mut self, list: &ListNode<'_>, from: &[Value], to: &[Value], view: SchemaView<'_>) -> Outcome {
        let mut pairs = Pairs::of(from, to, view);
        if !pairs.moved.is_empty() && !pairs.moved.values().all(|old| self.can_move(list, *old)) {
            pairs = Pairs::by_position(from, to);
        }
        let outer = self.near(list.node);
        let mut parts = Parts::new(list.items.iter().map(|item| (item.start, item.node.end)));
        let mut items: Vec<Option<Value>> = Vec::with_capacity(from.len());
        for (position, (item, current)) in list.items.iter().zip(from).enumerate() {
            let slot = self.item_slot(item, list.flow);
            let wanted = pairs.to.get(position).copied().flatten().and_then(|position| to.get(position));
            let element = view.item_key(current).unwrap_or(PathElement::Index(position));
            let outcome = self.below(element, |own| match wanted {
                Some(wanted) => Some(own.value(&item.node, slot, current, wanted, view.item())),
                None if own.is_needed(&item.node) => Some(own.skip_aliased(&item.node, slot, current)),
                None => None,
            });
            parts.set(position, outcome.as_ref().map(|outcome| outcome.end));
            items.push(outcome.map(|outcome| outcome.value));
        }
        let last = parts.last();
        let quotes = quotes(list.items, from);
        let added: Vec<Added<'_>> = pairs
            .added
            .iter()
            .filter_map(|(behind, position)| {
                let behind = if pairs.at_end { last } else { *behind };
                let moved = pairs.moved.get(position).and_then(|old| list.items.get(*old));
                let text = moved.and_then(|item| self.moved_text(item, list.flow));
                Some(Added { behind, name: None, value: to.get(*position)?, quotes, text })
            })
            .collect();
        let new: Value = added.iter().map(|added| added.value.clone()).collect();
        if self.is_rewritten(list.flow, list.slot, &parts, &new) {
            self.style = outer;
            return self.replace(list.node, list.slot, &Value::from(from), &new);
        }
        if list.flow {
            self.flow_parts(list.node, &parts, &added);
        } else {
            self.remove_lines(&parts);
            added.iter().for_each(|added| self.add_item(&parts, added));
        }
        self.style = outer;
        let mut value: Vec<Value> = Vec::new();
        let behind =
            |position| added.iter().filter(move |added| added.behind == position).map(|added| added.value.clone());
        value.extend(behind(None));
        for (position, item) in items.into_iter().enumerate() {
            value.extend(item);
            value.extend(behind(Some(position)));
        }
        let end = if list.flow { None } else { parts.end() };
        Outcome { value: Value::Array(value), end: end.unwrap_or(list.node.end) }
    }

    /// Whether an item can be carried elsewhere as it is written.
    fn can_move(&self, list: &ListNode<'_>, position: usize) -> bool {
        let text = self.text.get(list.node.start..list.node.end).unwrap_or_default();
        // What follows it decides how much of such a text counts, and an alias has to stand behind its anchor.
        let is_bound =
            |node: &Node| node.anchor != 0 || matches!(node.form, Form::Alias(_) | Form::Block { keep: true, .. });
        let Some(item) = list.items.get(position).filter(|item| !item.node.any(&is_bound)) else { return false };
        if list.flow {
            !text.contains('#')
        } else {
            let begin = |item: &Item| begins_line(self.text, item.start);
            begin(item) && list.items.first().is_some_and(begin)
        }
    }

    /// An item as it is written, with the comments that belong to it.
    fn moved_text(&self, item: &Item, flow: bool) -> Option<String> {
        let (start, end) = if flow {
            (item.start, item.node.end)
        } else {
            let end = last_line_end(self.text, item.node.end, column(self.text, item.start));
            (lines_start(self.text, item.start), end)
        };
        self.text.get(start..end).map(str::to_owned)
    }

    /// Adds an item to a list in block style.
    fn add_item(&mut self, parts: &Parts, added: &Added<'_>) {
        let Some(first) = parts.first().and_then(|first| parts.get(first)) else { return };
        let column = column(self.text, first.start);
        let text = || match added.quotes.filter(|_| added.value.as_str().is_some_and(|text| !text.contains('\n'))) {
            Some(_) => {
                let text = quote::scalar(added.value, added.quotes, Context::Block);
                format!("-{:gap$}{text}", "", gap = self.style.dash - 1)
            }
            None => format!("-{}", self.style.after(added.value, column, true)),
        };
        let lines = added.text.clone().unwrap_or_else(|| format!("{:column$}{}", "", text()));
        let eol = self.style.eol;
        match added.behind.and_then(|behind| parts.get(behind)) {
            Some(part) => self.splices.insert(self.behind(part), format!("{eol}{lines}")),
            None if begins_line(self.text, first.start) => {
                self.splices.insert(lines_start(self.text, first.start), format!("{lines}{eol}"));
            }
            None => self.splices.insert(first.start, format!("{}{eol}{:column$}", text(), "")),
        }
    }
}
