//! Owns where each key and value of a YAML text stands, and which keys stand twice. Must never decide what they mean,
//! nor fail: where the text is broken, the places up to there are known.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Marker, Parser, Span};

use super::problem::Mark;

/// Deepest place that is remembered: a problem deeper down is shown at the value around it. No key lies deeper than 5.
const DEPTH: usize = 6;

/// One step from a value to a value inside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// A key of a map.
    Key(Box<str>),
    /// A position in a list.
    Item(usize),
}

impl Step {
    pub(super) fn key(name: &str) -> Self {
        Self::Key(name.into())
    }
}

/// `path` and one step more.
pub(super) fn below(path: &[Step], step: Step) -> Vec<Step> {
    path.iter().cloned().chain([step]).collect()
}

/// A key that stands twice in one map.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Duplicate {
    pub(super) key: Box<str>,
    pub(super) first: Mark,
    pub(super) second: Mark,
}

/// What the YAML parser could not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) mark: Mark,
    pub(super) kind: ErrorKind,
}

#[derive(Clone, Copy)]
struct Place {
    key: Option<Mark>,
    value: Mark,
}

/// The places of one document.
#[derive(Default)]
pub(super) struct Positions {
    places: HashMap<Vec<Step>, Place>,
    pub(super) duplicates: Vec<Duplicate>,
    pub(super) unreadable: Option<Unreadable>,
    /// Where a second document starts.
    pub(super) second_document: Option<Mark>,
}

/// A map or list that is being read.
struct Open {
    is_map: bool,
    /// Keys of a map that were read, for finding those that stand twice.
    seen: HashMap<Box<str>, Mark>,
    items: usize,
    /// In a map: the key whose value comes next.
    key: Option<(Box<str>, Mark)>,
    /// Inside a key that is itself a map or list: its content has no path.
    hidden: bool,
}

impl Positions {
    /// Reads the places of the first document of `text`.
    pub(super) fn of(text: &str) -> Self {
        let mut positions = Self::default();
        let mut path: Vec<Step> = Vec::new();
        let mut open: Vec<Open> = Vec::new();
        let mut documents = 0;
        for next in Parser::new_from_str_with_options(text, granit_parser::options! { emit_comments: false }) {
            let (event, span) = match next {
                Ok(event) => event,
                Err(error) => {
                    let mark = mark(*error.marker(), 1);
                    positions.unreadable = Some(Unreadable { mark, kind: error.kind().clone() });
                    break;
                }
            };
            match event {
                Event::DocumentStart(..) => {
                    documents += 1;
                    if documents > 1 {
                        positions.second_document = Some(mark_of(&span));
                        break;
                    }
                }
                Event::Scalar(text, ..) => {
                    let is_value = positions.node(&mut open, &mut path, &span, Some(&text));
                    path.truncate(path.len() - usize::from(is_value));
                }
                Event::Alias(_) => {
                    let is_value = positions.node(&mut open, &mut path, &span, None);
                    path.truncate(path.len() - usize::from(is_value));
                }
                Event::SequenceStart(..) | Event::MappingStart(..) => {
                    let is_value = positions.node(&mut open, &mut path, &span, None);
                    let hidden = !is_value && !open.is_empty();
                    let is_map = matches!(event, Event::MappingStart(..));
                    open.push(Open { is_map, seen: HashMap::new(), items: 0, key: None, hidden });
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    let hidden = open.pop().is_none_or(|closed| closed.hidden);
                    if !hidden && !open.is_empty() {
                        path.pop();
                    }
                }
                _ => {}
            }
        }
        positions
    }

    /// Enters a node. Whether it added a step to the path: not for the root, a key, or what stands inside a key.
    fn node(&mut self, open: &mut [Open], path: &mut Vec<Step>, span: &Span, text: Option<&str>) -> bool {
        let mark = mark_of(span);
        let Some(parent) = open.last_mut() else {
            self.places.insert(Vec::new(), Place { key: None, value: mark });
            return false;
        };
        let mut key_mark = None;
        let step = if parent.hidden {
            return false;
        } else if !parent.is_map {
            parent.items += 1;
            Step::Item(parent.items - 1)
        } else if let Some((key, at)) = parent.key.take() {
            key_mark = Some(at);
            Step::Key(key)
        } else {
            let key: Box<str> = text.unwrap_or_default().into();
            // Aliases and maps as keys have no text; they are unknown keys anyway.
            if text.is_some()
                && let Some(first) = parent.seen.insert(key.clone(), mark)
            {
                self.duplicates.push(Duplicate { key: key.clone(), first, second: mark });
            }
            parent.key = Some((key, mark));
            return false;
        };
        path.push(step);
        if path.len() <= DEPTH {
            self.places.insert(path.clone(), Place { key: key_mark, value: mark });
        }
        true
    }

    /// Where the key of the value at `path` stands; for a list item and for what has no place of its own (it came
    /// through an alias), where the nearest value around it stands.
    pub(super) fn key(&self, path: &[Step]) -> Mark {
        self.find(path, |place| place.key.unwrap_or(place.value))
    }

    /// Where the value at `path` stands; for what has no place of its own, where the nearest value around it stands.
    pub(super) fn value(&self, path: &[Step]) -> Mark {
        self.find(path, |place| place.value)
    }

    fn find(&self, path: &[Step], of: impl Fn(&Place) -> Mark) -> Mark {
        (0..=path.len())
            .rev()
            .filter_map(|length| self.places.get(path.get(..length)?))
            .map(of)
            .next()
            .unwrap_or(Mark::START)
    }
}

fn mark(at: Marker, width: usize) -> Mark {
    Mark { line: at.line().max(1), column: at.col() + 1, width: width.max(1) }
}

fn mark_of(span: &Span) -> Mark {
    // A tagged value starts at its tag for people: `!canary` is a value that forgot its quotes.
    let start = span.tag_start.unwrap_or(span.start);
    let width = if start.line() == span.end.line() { span.end.col().saturating_sub(start.col()) } else { 1 };
    mark(start, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
gitUrl: 'ssh://x'  # comment
rules:
- name: ä
  filters: [/spec/a, \"/b\"]
- &one
  syncTo: git
- *one
- ? {complex: key}
  : value
  last: >-
    folded
    text
";

    fn path(steps: &str) -> Vec<Step> {
        let step = |text: &str| text.parse().map_or_else(|_| Step::key(text), Step::Item);
        steps.split(' ').filter(|text| !text.is_empty()).map(step).collect()
    }

    #[test]
    fn every_key_and_value_has_its_place() {
        let positions = Positions::of(TEXT);
        assert_eq!(positions.unreadable, None);
        for (steps, key, value) in [
            ("", (1, 1), (1, 1)),
            ("gitUrl", (1, 1), (1, 9)),
            // A list in block style starts at its first item's content.
            ("rules", (2, 1), (3, 3)),
            ("rules 0 name", (3, 3), (3, 9)),
            ("rules 0 filters", (4, 3), (4, 12)),
            ("rules 0 filters 0", (4, 13), (4, 13)),
            ("rules 0 filters 1", (4, 22), (4, 22)),
            ("rules 1 syncTo", (6, 3), (6, 11)),
            // Through an alias: where the alias stands.
            ("rules 2 syncTo", (7, 3), (7, 3)),
            ("rules 3 last", (10, 3), (11, 5)),
            ("rules 9 x", (2, 1), (3, 3)),
        ] {
            let found = (positions.key(&path(steps)), positions.value(&path(steps)));
            let places = ((found.0.line, found.0.column), (found.1.line, found.1.column));
            assert_eq!(places, (key, value), "{steps}");
        }
        assert_eq!(positions.value(&path("rules 0 filters 1")).width, 4);
    }

    #[test]
    fn a_key_that_stands_twice_is_found_with_both_places() {
        let positions = Positions::of("a: 1\nb: {c: 1, c: 2}\n'a': 2\n");
        let found: Vec<_> =
            positions.duplicates.iter().map(|twice| (&*twice.key, twice.first.line, twice.second.line)).collect();
        assert_eq!(found, [("c", 2, 2), ("a", 1, 3)]);
    }

    #[test]
    fn a_broken_text_keeps_the_places_before() {
        let positions = Positions::of("a: 1\nb: [1\nc: 2\n");
        assert!(positions.unreadable.is_some());
        assert_eq!(positions.key(&path("b")).line, 2);
        assert_eq!(Positions::of("a: 1\n---\nb: 2\n").second_document.map(|mark| mark.line), Some(2));
        assert_eq!(Positions::of("").value(&[]), Mark::START);
    }
}
