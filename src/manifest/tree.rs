//! Owns where each part of a document stands in its bytes: dashes, colons, values, block headers. Must never be out by a
//! byte: what it can't place with certainty it refuses.

mod build;

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use granit_parser::{Event, ScalarStyle};
use serde_json::Value;

use super::load::{Caps, LoadError, Loader, events};

/// One document: its value, and where that stands.
pub(super) struct Tree {
    pub value: Value,
    pub root: Node,
    /// What each anchor stands for, by its number: one that is set anew has another.
    pub anchors: HashMap<usize, Value>,
    /// Anchors that some alias uses.
    pub aliased: HashSet<usize>,
}

/// A value as it is written. Offsets are bytes of the document's text.
#[derive(Debug)]
pub(super) struct Node {
    pub form: Form,
    /// First byte, without anchor and tag; of a block list its first dash; of a block scalar its header.
    pub start: usize,
    /// After the last byte of content: comments and blank lines that follow do not belong to it.
    pub end: usize,
    /// Number of its anchor; 0 for none.
    pub anchor: usize,
    /// Its anchor and tag, if it has any.
    pub marks: Option<Box<Marks>>,
}

/// What stands before a value.
#[derive(Debug)]
pub(super) struct Marks {
    pub anchor: Option<Range<usize>>,
    pub tag: Option<Tag>,
}

#[derive(Debug)]
pub(super) struct Tag {
    pub at: Range<usize>,
    /// `str`, `int`, ... for one of YAML's own.
    pub own: Option<String>,
}

impl Marks {
    /// Where the first of them begins.
    pub fn start(&self) -> usize {
        let starts = [self.anchor.as_ref(), self.tag.as_ref().map(|tag| &tag.at)];
        starts.into_iter().flatten().map(|at| at.start).min().unwrap_or(0)
    }
}

#[derive(Debug)]
pub(super) enum Form {
    /// Nothing is written: null.
    Empty,
    /// A scalar on the spot.
    Inline(ScalarStyle),
    /// `|` or `>`.
    Block {
        folded: bool,
        keep: bool,
    },
    /// Stands for the value of the anchor with this number.
    Alias(usize),
    List {
        flow: bool,
        items: Vec<Item>,
    },
    Map {
        flow: bool,
        entries: Vec<Entry>,
    },
    /// A pair without braces in a list between brackets.
    Pair {
        entries: Vec<Entry>,
    },
}

#[derive(Debug)]
pub(super) struct Item {
    /// Its `-`; in flow style its first byte.
    pub start: usize,
    pub node: Node,
}

#[derive(Debug)]
pub(super) struct Entry {
    /// First byte, `?` and the key's anchor and tag included.
    pub start: usize,
    /// The key; `None` for a merge of other maps into this one.
    pub name: Option<String>,
    /// Whether the key stands behind `?`.
    pub explicit: bool,
    pub key: Node,
    /// After its `:`; `None` when it has none.
    pub colon: Option<usize>,
    pub node: Node,
}

impl Entry {
    /// After its last byte.
    pub fn end(&self) -> usize {
        self.node.end.max(self.colon.unwrap_or(0)).max(self.key.end)
    }
}

impl Node {
    /// Whether `test` holds for this node or one below.
    pub fn any(&self, test: &impl Fn(&Node) -> bool) -> bool {
        test(self)
            || match &self.form {
                Form::List { items, .. } => items.iter().any(|item| item.node.any(test)),
                Form::Map { entries, .. } | Form::Pair { entries } => {
                    entries.iter().any(|entry| entry.key.any(test) || entry.node.any(test))
                }
                _ => false,
            }
    }

    /// Shows `see` this node and all below.
    pub fn each(&self, see: &mut impl FnMut(&Node)) {
        see(self);
        match &self.form {
            Form::List { items, .. } => items.iter().for_each(|item| item.node.each(see)),
            Form::Map { entries, .. } | Form::Pair { entries } => {
                for entry in entries {
                    entry.key.each(see);
                    entry.node.each(see);
                }
            }
            _ => {}
        }
    }

    /// The value of a map's key.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        match &self.form {
            Form::Map { entries, .. } => entries.iter().find(|entry| entry.name.as_deref() == Some(name)),
            _ => None,
        }
    }

    /// The item of a list.
    pub fn item(&self, position: usize) -> Option<&Item> {
        match &self.form {
            Form::List { items, .. } => items.get(position),
            _ => None,
        }
    }
}

impl Tree {
    /// Reads the text of one document; `None` for one without content.
    ///
    /// # Errors
    ///
    /// As the loader, and where the parts can't be placed.
    pub fn read(text: &str, caps: &Caps) -> Result<Option<Self>, LoadError> {
        let mut loader = Loader::new(caps);
        let mut found = Vec::new();
        for event in events(text, caps) {
            let (event, span) = event?;
            loader.take(&event, &span)?;
            if event.is_node() || matches!(event, Event::Anchor(..) | Event::SequenceEnd | Event::MappingEnd) {
                found.push((event, span));
            }
        }
        if found.is_empty() {
            return Ok(None);
        }
        let aliased = found.iter().filter_map(|(event, _)| event.alias_id()).collect();
        let (value, anchors) = loader.finish();
        build::root(text, found, &anchors).map(|root| Some(Self { value, root, anchors, aliased })).map_err(|at| {
            let before = text.get(..at).unwrap_or_default();
            LoadError {
                line: before.matches('\n').count() + 1,
                column: before.chars().rev().take_while(|c| *c != '\n').count() + 1,
                message: "this way of writing can't be edited".to_owned(),
            }
        })
    }
}

/// The offset after blanks, line breaks and comments.
pub(super) fn trivia(text: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(rest) = text.get(at..) {
        let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        at += blank;
        let comment = text.get(at..).is_some_and(|rest| rest.starts_with('#'));
        let after_blank =
            text.get(..at).is_none_or(|before| before.is_empty() || before.ends_with([' ', '\t', '\n', '\r']));
        if !comment || !after_blank {
            break;
        }
        at = line_end(text, at);
    }
    at
}

/// The end of the line that `at` is on, before its line break.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let line = rest.split_inclusive('\n').next().unwrap_or_default();
    at + line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line)).len()
}

/// The start of the line that `at` is on.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
}

/// The start of the line after the one that `at` is on, or the end of the text.
pub(super) fn next_line(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |newline| at + newline + 1)
}
