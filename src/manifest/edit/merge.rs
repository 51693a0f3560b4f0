//! Owns what the merges (`<<`) of a map bring, and writing that out beside them. Must never change which of two maps wins.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::parts::Parts;
use super::plan::{MapNode, Planner};
use super::splice::{begins_line, last_line_end};
use super::unfold::Needs;
use crate::manifest::load::{Caps, load};
use crate::manifest::quote;
use crate::manifest::tree::{Entry, Form, Node, line_end, line_start, next_line};
use crate::manifest::write::column;

/// One map that is merged into another.
struct Source {
    /// Position of its entry in the map.
    entry: usize,
    /// Position in the list that the entry holds; 0 where it holds no list.
    item: usize,
    /// What it brings that neither the map has nor another source that wins over it.
    brings: Map<String, Value>,
    /// Whether it is to be written out.
    goes: bool,
}

/// The sources of a map; those that win first. `None` when what one brings can't be told.
fn sources(planner: &Planner<'_>, entries: &[Entry], needs: &Needs) -> Option<Vec<Source>> {
    let mut taken: HashSet<String> = entries.iter().filter_map(|entry| entry.name.clone()).collect();
    let mut sources = Vec::new();
    // The first map of one list wins, and the last of several merges.
    for (position, entry) in entries.iter().enumerate().rev().filter(|(_, entry)| entry.name.is_none()) {
        let unwanted = needs.merges.get(&entry.start);
        for (item, node) in maps(entry).into_iter().enumerate() {
            let mut brings = value(planner, node)?;
            let is_written_out = |id: &usize| needs.anchors.contains(id) && !needs.stay.contains_key(&node.start);
            let goes = matches!(&node.form, Form::Alias(id) if is_written_out(id))
                || unwanted.is_some_and(|names| names.iter().any(|name| brings.contains_key(name)));
            brings.retain(|name, _| taken.insert(name.clone()));
            sources.push(Source { entry: position, item, brings, goes });
        }
    }
    Some(sources)
}

fn maps(entry: &Entry) -> Vec<&Node> {
    match &entry.node.form {
        Form::List { items, .. } => items.iter().map(|item| &item.node).collect(),
        _ => vec![&entry.node],
    }
}

/// The map that is merged, whether it stands there or an alias does.
fn value(planner: &Planner<'_>, node: &Node) -> Option<Map<String, Value>> {
    let anchor = if let Form::Alias(anchor) = &node.form { *anchor } else { node.anchor };
    let value = if let Some(value) = planner.tree.anchors.get(&anchor) {
        value.clone()
    } else {
        let text = planner.text.get(node.start..node.end)?;
        let indent = if text.contains('\n') { column(planner.text, node.start) } else { 0 };
        load(&format!("{:indent$}{text}", ""), &Caps::default()).ok()?
    };
    match value {
        Value::Object(map) => Some(map),
        Value::Array(maps) => {
            let mut all = Map::new();
            for map in maps {
                let Value::Object(map) = map else { return None };
                map.into_iter().for_each(|(name, value)| {
                    all.entry(name).or_insert(value);
                });
            }
            Some(all)
        }
        _ => None,
    }
}

/// The comments in a merge; none where a text might only look like one.
fn comments(text: &str) -> Vec<&str> {
    let comment = |line: &'_ str| {
        let at = line.match_indices('#').map(|(at, _)| at);
        at.into_iter()
            .find(|at| line.get(..*at).is_some_and(|before| before.is_empty() || before.ends_with([' ', '\t'])))
    };
    let lines = text.lines().filter(|_| !text.contains(['"', '\'']));
    lines.filter_map(|line| line.get(comment(line)?..)).map(str::trim_end).collect()
}

impl Planner<'_> {
    /// Whether a merge brings a key.
    pub(super) fn merge_brings(&self, entry: &Entry, name: &str) -> bool {
        maps(entry).into_iter().any(|node| value(self, node).is_none_or(|map| map.contains_key(name)))
    }

    /// Writes out what merges bring, as far as that is needed. Where the entries begin that were changed; `None` when it
    /// can't be done.
    pub(super) fn write_out_merges(&mut self, map: &MapNode<'_>, needs: &Needs) -> Option<HashSet<usize>> {
        let sources = sources(self, map.entries, needs)?;
        let mut parts = Parts::new(map.entries.iter().map(|entry| (entry.start, entry.end())));
        let mut changed = HashSet::new();
        for (position, entry) in map.entries.iter().enumerate() {
            let of_entry = || sources.iter().filter(|source| source.entry == position);
            if !of_entry().any(|source| source.goes) {
                continue;
            }
            changed.insert(entry.start);
            let going = of_entry().filter(|source| source.goes);
            let unwanted = |name: &str| needs.merges.get(&entry.start).is_some_and(|names| names.contains(name));
            let new = going.flat_map(|source| source.brings.clone());
            // What is to go next stands last, so that it takes no comment with it.
            let (last, mut new): (Map<_, _>, Map<_, _>) = new.partition(|(name, _)| unwanted(name));
            new.extend(last);
            if of_entry().all(|source| source.goes) {
                match new.is_empty() {
                    true => parts.set(position, None),
                    false => self.replace_merge(entry, &new, map.flow)?,
                }
                continue;
            }
            let mut items = Parts::new(match &entry.node.form {
                Form::List { items, .. } => items.iter().map(|item| (item.start, item.node.end)).collect(),
                _ => Vec::new(),
            });
            of_entry().filter(|source| source.goes).for_each(|source| items.set(source.item, None));
            match &entry.node.form {
                Form::List { flow: true, .. } => self.flow_parts(&entry.node, &items, &[]),
                _ => {
                    for part in items.going() {
                        let line = line_start(self.text, part.start);
                        self.splices.replace(line..next_line(self.text, part.end), "");
                    }
                }
            }
            if !new.is_empty() {
                let text = self.entries(&new, map.flow, column(self.text, entry.start));
                if map.flow {
                    self.splices.insert(entry.end(), format!(", {text}"));
                } else {
                    let indent = column(self.text, entry.start);
                    let end = match items.last().and_then(|last| items.get(last)).filter(|_| self.is_block(entry)) {
                        Some(last) => line_end(self.text, last.end),
                        None => last_line_end(self.text, entry.end(), indent),
                    };
                    self.splices.insert(end, format!("{}{:indent$}{text}", self.style.eol, ""));
                }
            }
        }
        if parts.going().next().is_some() {
            parts.first()?;
            match map.flow {
                true => self.flow_parts(map.node, &parts, &[]),
                false => self.remove_lines(&parts),
            }
        }
        Some(changed)
    }

    fn is_block(&self, entry: &Entry) -> bool {
        matches!(entry.node.form, Form::List { flow: false, .. })
    }

    /// Puts entries in the place of a merge. A comment behind it comes to stand above them.
    fn replace_merge(&mut self, entry: &Entry, new: &Map<String, Value>, flow: bool) -> Option<()> {
        let (text, column) = (self.text, column(self.text, entry.start));
        let new = self.entries(new, flow, column);
        let line = line_end(text, entry.end());
        let comment = comments(text.get(entry.start..line)?);
        if flow || comment.is_empty() {
            self.splices.replace(entry.start..entry.end(), new);
        } else if begins_line(text, entry.start) {
            let indent = text.get(line_start(text, entry.start)..entry.start)?;
            let lines: String = comment.iter().map(|line| format!("{line}{}{indent}", self.style.eol)).collect();
            self.splices.replace(entry.start..line, lines + &new);
        } else {
            let lines = comment.iter().map(|line| format!("{line}{}{:column$}", self.style.eol, ""));
            self.splices.replace(entry.start..line, lines.collect::<String>() + &new);
        }
        Some(())
    }

    /// The entries of a map as lines without the first one's indentation, or between braces.
    fn entries(&self, map: &Map<String, Value>, flow: bool, column: usize) -> String {
        let mut text = String::new();
        for (position, (name, value)) in map.iter().enumerate() {
            match (position, flow) {
                (0, _) => {}
                (_, true) => text.push_str(", "),
                (_, false) => text += &format!("{}{:column$}", self.style.eol, ""),
            }
            if flow {
                let context = self.context();
                text += &format!("{}: {}", quote::key(name, context), quote::flow(value, context));
            } else {
                self.style.entry(name, value, column, &mut text);
            }
        }
        text
    }
}
