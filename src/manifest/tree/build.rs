//! Owns turning a parser's events into nodes: where each dash, colon, header and mark stands. Must never take a byte for
//! something that no event told of.

use std::collections::HashMap;

use granit_parser::{Event, ScalarStyle, Span, StructureStyle};
use serde_json::Value;

use super::{Entry, Form, Item, Marks, Node, Tag, line_end, trivia};
use crate::manifest::scalar;

/// The root of a document; else the offset of what can't be placed.
pub(super) fn root(text: &str, events: Vec<(Event<'_>, Span)>, anchors: &HashMap<usize, Value>) -> Result<Node, usize> {
    Builder { text, events: events.into_iter().peekable(), anchors }.node(skip_to_content(text), true)
}

/// Turns events into nodes. Every error is the offset at which a part was not where it has to be.
struct Builder<'t, I: Iterator<Item = (Event<'t>, Span)>> {
    text: &'t str,
    events: std::iter::Peekable<I>,
    anchors: &'t HashMap<usize, Value>,
}

impl<'t, I: Iterator<Item = (Event<'t>, Span)>> Builder<'t, I> {
    /// The next node; nothing but blanks, comments, anchor and tag stand between `from` and it.
    fn node(&mut self, from: usize, block: bool) -> Result<Node, usize> {
        let (event, span) = self.events.next().ok_or(from)?;
        let range = span.byte_range().ok_or(from)?;
        let anchored = matches!(self.events.peek(), Some((Event::Anchor(..), _)));
        let anchor = if anchored { self.events.next().and_then(|(_, span)| span.byte_range()) } else { None };
        let tag = span.tag_span().and_then(|tag| tag.byte_range()).map(|at| Tag { at, own: own_tag(&event) });
        let properties = anchor.as_ref().map(|at| at.end).max(tag.as_ref().map(|tag| tag.at.end));
        let content = trivia(self.text, properties.unwrap_or(from));
        let mut node = Node {
            form: Form::Empty,
            start: range.start,
            end: range.end,
            anchor: event.anchor_id().unwrap_or(0),
            marks: properties.map(|_| Box::new(Marks { anchor, tag })),
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
            Event::Alias(anchor) => node.form = Form::Alias(anchor),
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
        let name = self.name();
        let key = self.node(if explicit { start + 1 } else { start }, true)?;
        let at = trivia(self.text, key.end);
        let found = self.text.as_bytes().get(at) == Some(&b':');
        let node = self.node(if found { at + 1 } else { key.end }, true)?;
        let colon = found.then_some(at + 1);
        if !found && !matches!(node.form, Form::Empty) {
            return Err(at);
        }
        Ok(Entry { start, name, explicit, key, colon, node })
    }

    /// The key that comes next; `None` for a merge.
    fn name(&mut self) -> Option<String> {
        match self.events.peek()? {
            (Event::Scalar(text, ScalarStyle::Plain, _, None), _) if text == "<<" => None,
            (Event::Scalar(text, ScalarStyle::Plain, _, None), _) => scalar::key(text).ok(),
            (event @ Event::Scalar(text, ..), _) => match own_tag(event) {
                Some(own) => scalar::key_of(&scalar::tagged(&own, text).ok()?).ok(),
                None => Some(text.to_string()),
            },
            (Event::Alias(anchor), _) => scalar::key_of(self.anchors.get(anchor)?).ok(),
            _ => None,
        }
    }

    fn expect(&self, at: usize, byte: u8) -> Result<(), usize> {
        if self.text.as_bytes().get(at) == Some(&byte) { Ok(()) } else { Err(at) }
    }
}

/// The name of a tag that is one of YAML's own.
fn own_tag(event: &Event<'_>) -> Option<String> {
    let (Event::Scalar(.., tag) | Event::SequenceStart(.., tag) | Event::MappingStart(.., tag)) = event else {
        return None;
    };
    tag.as_ref()?.suffix_in_namespace(scalar::NAMESPACE).map(std::borrow::Cow::into_owned)
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

/// The text without its last line break, and the blanks behind that.
fn before_last_break(text: &str) -> &str {
    let line = text.trim_end_matches([' ', '\t']);
    line.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text))
}
