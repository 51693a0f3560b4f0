//! Owns which bytes of a document have to change so that it says what is wanted. Must never touch a byte of what is the
//! same, and gives up on one path rather than on being right.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::Obstacle;
use super::flow::Added;
use super::json::Json;
use super::lists::same;
use super::parts::Parts;
use super::splice::Splices;
use super::unfold::Needs;
use crate::manifest::quote::Context;
use crate::manifest::tree::{Entry, Form, Item, Marks, Node, Tree};
use crate::manifest::write::{Style, column};
use crate::object::{FieldPath, PathElement, SchemaView};

/// Collects the changes of one document.
pub(super) struct Planner<'t> {
    pub(super) text: &'t str,
    pub(super) style: Style,
    /// How it is laid out, if it is JSON.
    pub(super) json: Option<Json>,
    pub(super) tree: &'t Tree,
    mode: Mode,
    path: FieldPath,
    pub(super) splices: Splices,
    pub(super) skipped: Vec<(FieldPath, Obstacle)>,
    /// What has to be written out first. What was planned is of no use then.
    pub(super) needs: Needs,
    /// What anchored values will be.
    anchored: HashMap<usize, Value>,
}

/// What is done about a value that can't be edited as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Ask for it to be written out.
    Ask,
    /// As `Ask`, but anchored values are changed, and an alias that is to become the same follows.
    Follow,
    /// Leave it as it is.
    Last,
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

impl Slot {
    pub const ROOT: Self = Self { after: None, column: 0, dash: false, flow: false };
}

impl<'t> Planner<'t> {
    pub fn new(text: &'t str, tree: &'t Tree, mode: Mode) -> Self {
        let style = Style::of(text, &tree.root);
        let json = Json::of(text, &tree.root);
        Self {
            text,
            style,
            json,
            tree,
            mode,
            path: FieldPath::root(),
            splices: Splices::default(),
            skipped: Vec::new(),
            needs: Needs::default(),
            anchored: HashMap::new(),
        }
    }

    /// Makes `wanted` of a value.
    pub fn value(&mut self, node: &Node, slot: Slot, current: &Value, wanted: &Value, view: SchemaView<'_>) -> Outcome {
        if current == wanted {
            return keep(node, slot, current);
        }
        if let Form::Alias(anchor) = &node.form
            && self.mode != Mode::Last
            && self.anchored.get(anchor) == Some(wanted)
        {
            self.needs.stay.insert(node.start, *anchor);
            if self.mode == Mode::Follow {
                return Outcome { value: wanted.clone(), ..keep(node, slot, current) };
            }
        }
        if self.is_aliased(node) {
            // Aliases come later, and may be meant to become the same.
            self.anchored.insert(node.anchor, wanted.clone());
            if self.mode != Mode::Follow {
                self.needs.anchors.insert(node.anchor);
                return self.skip(node, slot, current, Obstacle::Anchor);
            }
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
        let outer = self.near(map.node);
        let mut value = Map::new();
        let mut added = Map::new();
        let mut parts = Parts::new(map.entries.iter().map(|entry| (entry.start, entry.end())));
        for (position, entry) in map.entries.iter().enumerate() {
            let Some((name, current)) = entry.name.as_deref().and_then(|name| from.get_key_value(name)) else {
                continue;
            };
            let slot = self.entry_slot(entry, map.flow);
            let outcome = self.below(PathElement::field(name), |own| match to.get(name) {
                Some(wanted) if wanted != current && !map.flow && entry.colon.is_none() => {
                    own.needs.colons.insert(entry.start);
                    Some(own.skip(&entry.node, slot, current, Obstacle::Key))
                }
                Some(wanted) => Some(own.value(&entry.node, slot, current, wanted, view.field(name))),
                None if own.is_merged(map.entries, name) => {
                    own.skip_merged(map.entries, name);
                    Some(keep(&entry.node, slot, current))
                }
                None if own.is_needed(&entry.key) => Some(own.skip_aliased(&entry.key, slot, current)),
                None if own.is_needed(&entry.node) => Some(own.skip_aliased(&entry.node, slot, current)),
                None => None,
            });
            parts.set(position, outcome.as_ref().map(|outcome| outcome.end));
            if let Some(outcome) = outcome {
                value.insert(name.clone(), outcome.value);
            }
        }
        let own: HashSet<&str> = map.entries.iter().filter_map(|entry| entry.name.as_deref()).collect();
        for (name, current) in from.iter().filter(|(name, _)| !own.contains(name.as_str())) {
            let follows = self.mode == Mode::Follow && self.merge_follows(map.entries, name, to.get(name));
            match to.get(name) {
                Some(wanted) if same(current, wanted, view.field(name)) => {}
                wanted if follows => {
                    value.extend(wanted.map(|wanted| (name.clone(), wanted.clone())));
                    continue;
                }
                Some(wanted) => {
                    added.insert(name.clone(), wanted.clone());
                    continue;
                }
                None => self.below(PathElement::field(name), |own| own.skip_merged(map.entries, name)),
            }
            value.insert(name.clone(), current.clone());
        }
        added.extend(
            to.iter().filter(|(name, _)| !from.contains_key(*name)).map(|(name, new)| (name.clone(), new.clone())),
        );
        let new = Value::Object(added);
        if self.is_rewritten(map.flow, map.slot, &parts, &new) {
            self.style = outer;
            return self.replace(map.node, map.slot, &Value::Object(from.clone()), &new);
        }
        let Value::Object(added) = new else { return keep(map.node, map.slot, &Value::Object(value)) };
        if map.flow {
            let behind = parts.last();
            let entry = |(name, value)| Added { behind, name: Some(name), value, quotes: None, text: None };
            let added: Vec<_> = added.iter().map(|(name, value)| entry((name.as_str(), value))).collect();
            self.flow_parts(map.node, &parts, &added);
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
        self.style = outer;
        value.extend(added);
        let end = if map.flow { None } else { parts.end() };
        Outcome { value: Value::Object(value), end: end.unwrap_or(map.node.end) }
    }

    /// Takes the style of what stands in a node, as far as that tells; what it was before.
    pub(super) fn near(&mut self, node: &Node) -> Style {
        let near = if std::ptr::eq(node, &self.tree.root) { self.style } else { self.style.near(self.text, node) };
        std::mem::replace(&mut self.style, near)
    }

    pub(super) fn context(&self) -> Context {
        if self.json.is_some() { Context::Json } else { Context::Flow }
    }

    /// Plans what lies below `element`.
    pub(super) fn below<T>(&mut self, element: PathElement, plan: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(element);
        let planned = plan(self);
        self.path.pop();
        planned
    }

    pub(super) fn entry_slot(&self, entry: &Entry, flow: bool) -> Slot {
        // Between brackets no column matters, and lines may be very long.
        let column = |at| if flow { 0 } else { column(self.text, at) };
        match entry.colon {
            // Behind the colon of such a key stands what could stand behind a dash.
            Some(colon) if entry.explicit => Slot { after: Some(colon), column: column(colon - 1), dash: true, flow },
            after => Slot { after, column: column(entry.start), dash: false, flow },
        }
    }

    pub(super) fn item_slot(&self, item: &Item, flow: bool) -> Slot {
        let column = if flow { 0 } else { column(self.text, item.start) };
        Slot { after: Some(if flow { item.start } else { item.start + 1 }), column, dash: true, flow }
    }

    fn is_aliased(&self, node: &Node) -> bool {
        node.anchor != 0 && self.tree.aliased.contains(&node.anchor)
    }

    /// Whether something in a node that is to go is needed by an alias.
    pub(super) fn is_needed(&self, node: &Node) -> bool {
        self.mode != Mode::Follow && node.any(&|node| self.is_aliased(node))
    }

    /// Asks for the aliases of what stands in a node to be written out.
    pub(super) fn skip_aliased(&mut self, node: &Node, slot: Slot, current: &Value) -> Outcome {
        node.each(&mut |node| {
            if self.is_aliased(node) {
                self.needs.anchors.insert(node.anchor);
            }
        });
        self.skip(node, slot, current, Obstacle::Anchor)
    }

    /// Asks for an anchor and a tag to be taken away.
    pub(super) fn skip_marked(&mut self, marks: &Marks, node: &Node, slot: Slot, current: &Value) -> Outcome {
        self.needs.bare.insert(marks.start());
        self.skip(node, slot, current, if marks.tag.is_some() { Obstacle::Tag } else { Obstacle::Anchor })
    }

    /// Whether a key is brought by something merged that is going to bring just what is wanted.
    fn merge_follows(&self, entries: &[Entry], name: &str, wanted: Option<&Value>) -> bool {
        let mut follows = false;
        for entry in entries.iter().filter(|entry| entry.name.is_none()) {
            entry.node.each(&mut |node| {
                let Form::Alias(anchor) = &node.form else { return };
                let now = self.tree.anchors.get(anchor).and_then(|map| map.get(name));
                follows |= now.is_some() && self.anchored.get(anchor).is_some_and(|new| new.get(name) == wanted);
            });
        }
        follows
    }

    /// Whether a key would be there without its own entry.
    fn is_merged(&self, entries: &[Entry], name: &str) -> bool {
        entries.iter().any(|entry| entry.name.is_none() && self.merge_brings(entry, name))
    }

    /// Asks for a key that is to go to be brought by no merge.
    fn skip_merged(&mut self, entries: &[Entry], name: &str) {
        let merges = entries.iter().filter(|entry| entry.name.is_none() && self.merge_brings(entry, name));
        for entry in merges.collect::<Vec<_>>() {
            entry.node.each(&mut |node| {
                if self.is_aliased(node) {
                    self.needs.anchors.insert(node.anchor);
                }
            });
            self.needs.merges.entry(entry.start).or_default().insert(name.to_owned());
        }
        self.skipped.push((self.path.clone(), Obstacle::Merge));
    }

    pub(super) fn skip(&mut self, node: &Node, slot: Slot, current: &Value, obstacle: Obstacle) -> Outcome {
        self.skipped.push((self.path.clone(), obstacle));
        keep(node, slot, current)
    }
}

fn keep(node: &Node, slot: Slot, current: &Value) -> Outcome {
    Outcome { value: current.clone(), end: node.end.max(slot.after.unwrap_or(0)) }
}

/// A map to be edited.
pub(super) struct MapNode<'n> {
    pub node: &'n Node,
    pub slot: Slot,
    pub flow: bool,
    pub entries: &'n [Entry],
}

/// A list to be edited.
pub(super) struct ListNode<'n> {
    pub node: &'n Node,
    pub slot: Slot,
    pub flow: bool,
    pub items: &'n [Item],
}
