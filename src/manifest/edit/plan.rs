//! Owns which bytes of a document have to change so that it says what is wanted. Must never touch a byte of what is the
//! same, and gives up on one path rather than on being right.

use std::collections::HashSet;

use granit_parser::ScalarStyle;
use serde_json::{Map, Value};

use super::Obstacle;
use super::lists::same;
use super::parts::Parts;
use super::splice::Splices;
use crate::manifest::quote::{self, Context};
use crate::manifest::tree::{Entry, Form, Item, Node, Tree};
use crate::manifest::write::{Style, column};
use crate::object::{FieldPath, PathElement, SchemaView};

/// Collects the changes of one document.
pub(super) struct Planner<'t> {
    pub(super) text: &'t str,
    pub(super) style: Style,
    pub(super) json: bool,
    aliased: &'t HashSet<usize>,
    path: FieldPath,
    pub(super) splices: Splices,
    pub(super) skipped: Vec<(FieldPath, Obstacle)>,
}

/// Where a value hangs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// After the colon or dash; `None` where there is none.
    pub after: Option<usize>,
    /// Column of the key or dash.
    pub column: usize,
    pub dash: bool,
    /// Whether it stands between brackets or braces.
    pub flow: bool,
}

/// What a value will be.
pub(super) struct Outcome {
    pub value: Value,
    /// After the last byte that stays, in the text as it is: what is added behind goes to the end of that line.
    pub end: usize,
}

impl<'t> Planner<'t> {
    pub fn new(text: &'t str, tree: &'t Tree) -> Self {
        let style = Style::of(text, &tree.root);
        let json = match &tree.root.form {
            Form::Map { flow: true, entries } => {
                entries.first().is_some_and(|entry| matches!(entry.key.form, Form::Inline(ScalarStyle::DoubleQuoted)))
            }
            _ => false,
        };
        let path = FieldPath::root();
        let splices = Splices::default();
        Self { text, style, json, aliased: &tree.aliased, path, splices, skipped: Vec::new() }
    }

    /// Makes `wanted` of a value.
    pub fn value(&mut self, node: &Node, slot: Slot, current: &Value, wanted: &Value, view: SchemaView<'_>) -> Outcome {
        if current == wanted {
            return keep(node, slot, current);
        }
        if self.is_aliased(node) {
            return self.skip(node, slot, current, Obstacle::Anchor);
        }
        if node.has_tag {
            return self.skip(node, slot, current, Obstacle::Tag);
        }
        match (&node.form, current, wanted) {
            (Form::Map { flow, entries }, Value::Object(from), Value::Object(to)) => {
                let map = MapNode { node, slot, flow: *flow, entries };
                self.map(&map, from, to, view)
            }
            (Form::List { flow, items }, Value::Array(from), Value::Array(to)) => {
                let list = ListNode { node, slot, flow: *flow, items };
                self.list(&list, from, to, view)
            }
            _ if same(current, wanted, view) => keep(node, slot, current),
            _ => self.replace(node, slot, current, wanted),
        }
    }

    fn map(
        &mut self,
        map: &MapNode<'_>,
        from: &Map<String, Value>,
        to: &Map<String, Value>,
        view: SchemaView<'_>,
    ) -> Outcome {
        let mut value = Map::new();
        let mut added = Map::new();
        let mut parts = Parts::new(map.entries.iter().map(|entry| (entry.start, entry.end())));
        for (position, entry) in map.entries.iter().enumerate() {
            let Some((name, current)) = entry.name.as_deref().and_then(|name| from.get_key_value(name)) else {
                continue;
            };
            // Between brackets no column matters, and lines may be very long.
            let column = if map.flow { 0 } else { column(self.text, entry.start) };
            let slot = Slot { after: entry.colon, column, dash: false, flow: map.flow };
            let outcome = self.below(PathElement::field(name), |own| match to.get(name) {
                Some(wanted) => Some(own.value(&entry.node, slot, current, wanted, view.field(name))),
                None if own.holds_aliased(&entry.node) || own.holds_aliased(&entry.key) => {
                    Some(own.skip(&entry.node, slot, current, Obstacle::Anchor))
                }
                None => None,
            });
            parts.set(position, outcome.as_ref().map(|outcome| outcome.end));
            if let Some(outcome) = outcome {
                value.insert(name.clone(), outcome.value);
            }
        }
        let own: HashSet<&str> = map.entries.iter().filter_map(|entry| entry.name.as_deref()).collect();
        // Only what `<<` brings may get a key of its own beside it.
        let merges = map.entries.iter().all(|entry| entry.name.is_some() || entry.is_merge(self.text));
        for (name, current) in from.iter().filter(|(name, _)| !own.contains(name.as_str())) {
            match to.get(name) {
                Some(wanted) if same(current, wanted, view.field(name)) => {}
                Some(wanted) if merges => {
                    added.insert(name.clone(), wanted.clone());
                    continue;
                }
                _ => {
                    let obstacle = if merges { Obstacle::Merge } else { Obstacle::Key };
                    self.below(PathElement::field(name), |own| own.note(obstacle));
                }
            }
            value.insert(name.clone(), current.clone());
        }
        added.extend(
            to.iter().filter(|(name, _)| !from.contains_key(*name)).map(|(name, new)| (name.clone(), new.clone())),
        );
        let new = Value::Object(added);
        if self.is_rewritten(map.flow, map.slot, &parts, &new) {
            return self.replace(map.node, map.slot, &Value::Object(from.clone()), &new);
        }
        let Value::Object(added) = new else { return keep(map.node, map.slot, &Value::Object(value)) };
        if map.flow {
            let context = self.context();
            let text = |(name, new): (&String, &Value)| {
                format!("{}: {}", quote::key(name, context), quote::flow(new, context))
            };
            let added = added.iter().map(text).collect::<Vec<_>>();
            self.flow_parts(map.node, &parts, added.into_iter().map(|text| (parts.last(), text)).collect());
        } else {
            self.remove_lines(&parts);
            let column = map.entries.first().map_or(map.slot.column, |entry| column(self.text, entry.start));
            let mut text = String::new();
            for (name, new) in &added {
                text += &format!("{}{:column$}", self.style.eol, "");
                self.style.entry(name, new, column, &mut text);
            }
            if let Some(last) = parts.last().and_then(|last| parts.get(last)) {
                self.splices.insert(self.behind(last), text);
            }
        }
        value.extend(added);
        let end = if map.flow { None } else { parts.end() };
        Outcome { value: Value::Object(value), end: end.unwrap_or(map.node.end) }
    }

    pub(super) fn context(&self) -> Context {
        if self.json { Context::Json } else { Context::Flow }
    }

    /// Plans what lies below `element`.
    pub(super) fn below<T>(&mut self, element: PathElement, plan: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(element);
        let planned = plan(self);
        self.path.pop();
        planned
    }

    fn is_aliased(&self, node: &Node) -> bool {
        node.anchor != 0 && self.aliased.contains(&node.anchor)
    }

    pub(super) fn holds_aliased(&self, node: &Node) -> bool {
        node.any(&|node| self.is_aliased(node))
    }

    fn note(&mut self, obstacle: Obstacle) {
        self.skipped.push((self.path.clone(), obstacle));
    }

    pub(super) fn skip(&mut self, node: &Node, slot: Slot, current: &Value, obstacle: Obstacle) -> Outcome {
        self.note(obstacle);
        keep(node, slot, current)
    }
}

fn keep(node: &Node, slot: Slot, current: &Value) -> Outcome {
    Outcome { value: current.clone(), end: node.end.max(slot.after.unwrap_or(0)) }
}

/// A map to be edited.
struct MapNode<'n> {
    node: &'n Node,
    slot: Slot,
    flow: bool,
    entries: &'n [Entry],
}

/// A list to be edited.
pub(super) struct ListNode<'n> {
    pub node: &'n Node,
    pub slot: Slot,
    pub flow: bool,
    pub items: &'n [Item],
}
