//! Owns which item of a list becomes which: by the keys of the schema, by value in a set, by position elsewhere. Must never
//! take another order of a keyed list or a set for a change.

use std::collections::{HashMap, HashSet};

use granit_parser::ScalarStyle;
use serde_json::Value;

use super::parts::Parts;
use super::plan::{ListNode, Outcome, Planner};
use super::splice::{begins_line, lines_start};
use crate::manifest::quote::{self, Context};
use crate::manifest::tree::{Form, Item};
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

/// Which item of one list becomes which of another.
struct Pairs {
    /// For each item of the first, its position in the second; `None` for one that goes.
    to: Vec<Option<usize>>,
    /// Items of the second that are new, each with the position in the first behind which it stands.
    added: Vec<(Option<usize>, usize)>,
    /// Whether new ones stand at the end, whatever `added` says.
    at_end: bool,
}

impl Pairs {
    fn of(from: &[Value], to: &[Value], view: SchemaView<'_>) -> Self {
        match (keys(from, view), keys(to, view)) {
            (Some(old), Some(new)) => Self::by_key(&old, &new),
            _ => Self::by_position(from, to),
        }
    }

    /// Keys stand in the order of their items.
    fn by_key(old: &[PathElement], new: &[PathElement]) -> Self {
        let numbers = |keys: &[PathElement]| -> HashMap<PathElement, usize> {
            keys.iter().enumerate().map(|(position, key)| (key.clone(), position)).collect()
        };
        let (old_numbers, new_numbers) = (numbers(old), numbers(new));
        // One that is named anew where it stands stays the same one.
        let renamed = |position: usize| {
            let key = new.get(position).filter(|_| old.len() == new.len())?;
            (!old_numbers.contains_key(key)).then_some(position)
        };
        let pair = |(position, key)| new_numbers.get(key).copied().or_else(|| renamed(position));
        let to: Vec<Option<usize>> = old.iter().enumerate().map(pair).collect();
        let taken: HashSet<usize> = to.iter().flatten().copied().collect();
        let added = (0..new.len()).filter(|position| !taken.contains(position));
        Self { added: added.map(|position| (None, position)).collect(), to, at_end: true }
    }

    /// What is the same at both ends stays; what is between is paired as far as it goes.
    fn by_position(from: &[Value], to: &[Value]) -> Self {
        let head = from.iter().zip(to).take_while(|(from, to)| from == to).count();
        let rest = from.len().min(to.len()) - head;
        let tail = from.iter().rev().zip(to.iter().rev()).take(rest).take_while(|(from, to)| from == to).count();
        let middle = rest - tail;
        let pair = |position: usize| match position {
            _ if position < head + middle => Some(position),
            _ if position + tail >= from.len() => Some(position + to.len() - from.len()),
            _ => None,
        };
        let behind = (head + middle).checked_sub(1);
        let added = (head + middle..to.len() - tail).map(|position| (behind, position)).collect();
        Self { to: (0..from.len()).map(pair).collect(), added, at_end: false }
    }
}

/// What names each item of a list; `None` when they have no names, or one has that of another.
fn keys(items: &[Value], view: SchemaView<'_>) -> Option<Vec<PathElement>> {
    let keys: Vec<_> = items.iter().map(|item| view.item_key(item)).collect::<Option<_>>()?;
    let distinct: HashSet<_> = keys.iter().collect();
    (distinct.len() == keys.len()).then_some(keys)
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
        let pairs = Pairs::of(from, to, view);
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
        let added: Vec<(Option<usize>, &Value)> = pairs
            .added
            .iter()
            .filter_map(|(behind, position)| Some((if pairs.at_end { last } else { *behind }, to.get(*position)?)))
            .collect();
        let new: Value = added.iter().map(|(_, value)| (*value).clone()).collect();
        if self.is_rewritten(list.flow, list.slot, &parts, &new) {
            return self.replace(list.node, list.slot, &Value::from(from), &new);
        }
        let quotes = quotes(list.items, from);
        if list.flow {
            let context = self.context();
            let text = |(behind, value): &(Option<usize>, &Value)| match value {
                Value::String(_) => (*behind, quote::scalar(value, quotes, context)),
                _ => (*behind, quote::flow(value, context)),
            };
            self.flow_parts(list.node, &parts, added.iter().map(text).collect());
        } else {
            self.remove_lines(&parts);
            added.iter().for_each(|(behind, value)| self.add_item(&parts, *behind, value, quotes));
        }
        let mut value: Vec<Value> = Vec::new();
        let behind =
            |position| added.iter().filter(move |(behind, _)| *behind == position).map(|(_, value)| (*value).clone());
        value.extend(behind(None));
        for (position, item) in items.into_iter().enumerate() {
            value.extend(item);
            value.extend(behind(Some(position)));
        }
        let end = if list.flow { None } else { parts.end() };
        Outcome { value: Value::Array(value), end: end.unwrap_or(list.node.end) }
    }

    /// Adds an item to a list in block style.
    fn add_item(&mut self, parts: &Parts, behind: Option<usize>, value: &Value, quotes: Option<ScalarStyle>) {
        let Some(first) = parts.first().and_then(|first| parts.get(first)) else { return };
        let column = column(self.text, first.start);
        let text = match value {
            Value::String(text) if quotes.is_some() && !text.contains('\n') => {
                format!("{:gap$}{}", "", quote::scalar(value, quotes, Context::Block), gap = self.style.dash - 1)
            }
            _ => self.style.after(value, column, true),
        };
        let eol = self.style.eol;
        match behind.and_then(|behind| parts.get(behind)) {
            Some(part) => self.splices.insert(self.behind(part), format!("{eol}{:column$}-{text}", "")),
            None if begins_line(self.text, first.start) => {
                self.splices.insert(lines_start(self.text, first.start), format!("{:column$}-{text}{eol}", ""));
            }
            None => self.splices.insert(first.start, format!("-{text}{eol}{:column$}", "")),
        }
    }
}
