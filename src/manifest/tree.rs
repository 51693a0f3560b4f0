//! Owns where each part of a document stands in its bytes: dashes, colons, values, block headers. Must never be out by a
//! byte: what it can't place with certainty it refuses.

use std::collections::HashSet;

use granit_parser::{Event, ScalarStyle, Span, StructureStyle};
use serde_json::Value;

use super::load::{Caps, LoadError, Loader, events};
use super::scalar;

/// One document: its value, and where that stands.
pub(super) struct Tree {
    pub value: Value,
    pub root: Node,
    /// Anchors that some alias stands for.
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
    /// Whether it has an anchor or a tag.
    pub has_properties: bool,
    pub has_tag: bool,
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
    Alias,
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
    /// The key; `None` for a merge, an alias, or a key of several lines behind `?`.
    pub name: Option<String>,
    pub key: Node,
    /// After its `:`; `None` when it has none, or when that is on another line than the key's end.
    pub colon: Option<usize>,
    pub node: Node,
}

impl Entry {
    /// Whether it merges other maps into its own.
    pub fn is_merge(&self, text: &str) -> bool {
        text.get(self.key.start..self.key.end) == Some("<<")
    }

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
        let mut builder = Builder { text, events: found.into_iter().peekable() };
        let begin = skip_to_content(text);
        builder.node(begin, true).map(|root| Some(Self { value: loader.finish(), root, aliased })).map_err(|at| {
            let before = text.get(..at).unwrap_or_default();
            LoadError {
                line: before.matches('\n').count() + 1,
                column: before.chars().rev().take_while(|c| *c != '\n').count() + 1,
                message: "this way of writing can't be edited".to_owned(),
            }
        })
    }
}

/// Turns events into nodes. Every error is the offset at which a part was not where it has to be.
struct Builder<'t, I: Iterator<Item = (Event<'t>, Span)>> {
    text: &'t str,
    events: std::iter::Peekable<I>,
}

impl<'t, I: Iterator<Item = (Event<'t>, Span)>> Builder<'t, I> {
    /// The next node; nothing but blanks, comments, anchor and tag stand between `from` and it.
    fn node(&mut self, from: usize, block: bool) -> Result<Node, usize> {
        let (event, span) = self.events.next().ok_or(from)?;
        let range = span.byte_range().ok_or(from)?;
        let anchored = matches!(self.events.peek(), Some((Event::Anchor(..), _)));
        let anchor_end = if anchored { self.events.next().and_then(|(_, span)| span.end.byte_offset()) } else { None };
        let tag_end = span.tag_span().and_then(|tag| tag.end.byte_offset());
        let properties = anchor_end.max(tag_end);
        let content = trivia(self.text, properties.unwrap_or(from));
        let mut node = Node {
            form: Form::Alias,
            start: range.start,
            end: range.end,
            anchor: event.anchor_id().unwrap_or(0),
            has_properties: properties.is_some(),
            has_tag: span.tag_start.is_some(),
        };
        match event {
            Event::Scalar(_, ScalarStyle::Plain, ..) if range.is_empty() => {
                node.form = Form::Empty;
                (node.start, node.end) = (properties.unwrap_or(from), properties.unwrap_or(from));
            }
            Event::Scalar(_, style @ (ScalarStyle::Literal | ScalarStyle::Folded), ..) => {
                let folded = style == ScalarStyle::Folded;
                self.expect(content, if folded { b'>' } else { b'|' })?;
                let header_end = line_end(self.text, content);
                let keep = self.text.get(content..header_end).unwrap_or_default();
                let keep = keep.split([' ', '\t']).next().unwrap_or_default().contains('+');
                let body = self.text.get(content..range.end).unwrap_or_default();
                let body = if keep { before_last_break(body) } else { body.trim_end() };
                node.form = Form::Block { folded, keep };
                node.start = content;
                // A line may end with blanks, which belong to the content.
                node.end = line_end(self.text, (content + body.len()).max(header_end));
            }
            Event::Scalar(_, style, ..) => node.form = Form::Inline(style),
            Event::Alias(_) => {}
            Event::SequenceStart(style, ..) => {
                let flow = style == StructureStyle::Flow;
                let mut items = Vec::new();
                let mut at = if flow { range.end } else { content };
                while !matches!(self.events.peek().ok_or(at)?.0, Event::SequenceEnd) {
                    let start = trivia(self.text, at);
                    let item = if flow {
                        // The comma, if there is one, and what stands between it and the item.
                        let start =
                            self.text.as_bytes().get(start).filter(|byte| **byte == b',').map_or(start, |_| start + 1);
                        let item = self.node(start, false)?;
                        Item { start: trivia(self.text, start), node: item }
                    } else {
                        self.expect(start, b'-')?;
                        Item { start, node: self.node(start + 1, true)? }
                    };
                    at = item.node.end;
                    items.push(item);
                }
                node.start = if flow { range.start } else { items.first().map_or(content, |item| item.start) };
                node.end = self.close(flow, at)?;
                node.form = Form::List { flow, items };
            }
            Event::MappingStart(style, ..) => {
                let flow = style == StructureStyle::Flow;
                let pair = flow && self.expect(range.start, b'{').is_err();
                let mut entries: Vec<Entry> = Vec::new();
                let mut at = if flow && !pair { range.end } else { content };
                while !matches!(self.events.peek().ok_or(at)?.0, Event::MappingEnd) {
                    let entry = self.entry(at, flow)?;
                    at = entry.end();
                    entries.push(entry);
                }
                node.start = if flow { range.start } else { entries.first().map_or(content, |entry| entry.start) };
                node.end = self.close(flow && !pair, at)?;
                node.form = if pair { Form::Pair { entries } } else { Form::Map { flow, entries } };
            }
            _ => return Err(range.start),
        }
        let fits = node.start <= node.end
            && node.end <= self.text.len()
            && (block || !matches!(node.form, Form::Block { .. }));
        if fits { Ok(node) } else { Err(range.start) }
    }

    /// The end of a list or map whose last part ends at `at`.
    fn close(&mut self, flow: bool, at: usize) -> Result<usize, usize> {
        let (_, span) = self.events.next().ok_or(at)?;
        if flow { span.end.byte_offset().ok_or(at) } else { Ok(at) }
    }

    fn entry(&mut self, from: usize, flow: bool) -> Result<Entry, usize> {
        let mut start = trivia(self.text, from);
        if flow && self.text.as_bytes().get(start) == Some(&b',') {
            start = trivia(self.text, start + 1);
        }
        let explicit = self.text.as_bytes().get(start) == Some(&b'?')
            && self.text.as_bytes().get(start + 1).is_none_or(u8::is_ascii_whitespace);
        let name = match self.events.peek() {
            Some((Event::Scalar(text, ScalarStyle::Plain, _, None), _)) if text != "<<" => scalar::key(text).ok(),
            Some((Event::Scalar(text, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted, _, None), _)) => {
                Some(text.to_string())
            }
            _ => None,
        };
        let key = self.node(if explicit { start + 1 } else { start }, true)?;
        let at = trivia(self.text, key.end);
        let found = self.text.as_bytes().get(at) == Some(&b':');
        let same_line = self.text.get(key.end..at).is_some_and(|between| !between.contains(['\n', '#']));
        let node = self.node(if found { at + 1 } else { key.end }, true)?;
        let colon = (found && same_line && !explicit).then_some(at + 1);
        if !found && !matches!(node.form, Form::Empty) {
            return Err(at);
        }
        Ok(Entry { start, name, key, colon, node })
    }

    fn expect(&self, at: usize, byte: u8) -> Result<(), usize> {
        if self.text.as_bytes().get(at) == Some(&byte) { Ok(()) } else { Err(at) }
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

/// Where the content of a document may begin: after directives and `---`.
fn skip_to_content(text: &str) -> usize {
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let line_text = line.trim_end_matches(['\r', '\n']);
        if line_text == "---" || line_text.starts_with("--- ") || line_text.starts_with("---\t") {
            return offset + 3;
        }
        if !(line_text.trim().is_empty() || line_text.trim_start().starts_with('#') || line_text.starts_with('%')) {
            break;
        }
        offset += line.len();
    }
    0
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

/// The text without its last line break, and the blanks behind that.
fn before_last_break(text: &str) -> &str {
    let line = text.trim_end_matches([' ', '\t']);
    line.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text))
}
