//! Owns reading the text of one YAML or JSON document into a JSON value, answering as kubectl does. Must never hang, nest
//! or grow beyond its caps, and never let a key that stands twice pass.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};
use serde_json::{Map, Value};

use super::scalar;

/// How much of one file is read before it is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Bytes of a file.
    pub bytes: usize,
    /// Lists and maps inside each other.
    pub depth: usize,
    /// Scalars, lists and maps of a document.
    pub nodes: usize,
    /// What aliases may add to a document: one for each scalar, list and map, and one for each 64 bytes of text.
    pub alias_nodes: usize,
    /// Documents of a file.
    pub documents: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { bytes: 10 << 20, depth: 200, nodes: 1_000_000, alias_nodes: 100_000, documents: 100_000 }
    }
}

/// Why a document could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct LoadError {
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl LoadError {
    fn at(span: &Span, message: impl Into<String>) -> Self {
        Self { line: span.start.line(), column: span.start.col() + 1, message: message.into() }
    }
}

impl From<ScanError> for LoadError {
    fn from(error: ScanError) -> Self {
        Self { line: error.marker().line(), column: error.marker().col() + 1, message: error.info() }
    }
}

/// The events of one document's text, with the spans that editing needs.
pub(super) fn events<'t>(text: &'t str, caps: &Caps) -> Parser<'t, StrInput<'t>> {
    let options = granit_parser::options! {
        emit_comments: false,
        emit_anchor_events: true,
        flow_nesting_limit: caps.depth,
        block_nesting_limit: caps.depth,
    };
    Parser::new_from_str_with_options(text, options)
}

/// Reads the text of one document.
///
/// # Errors
///
/// When it is no YAML, says something that JSON can't, has a key twice, or goes beyond a cap.
pub(super) fn load(text: &str, caps: &Caps) -> Result<Value, LoadError> {
    let mut loader = Loader::new(caps);
    for event in events(text, caps) {
        let (event, span) = event?;
        loader.take(&event, &span)?;
    }
    Ok(loader.finish().0)
}

/// Builds a value from events.
pub(super) struct Loader {
    depth: usize,
    nodes: usize,
    alias_nodes: usize,
    open: Vec<Open>,
    anchors: HashMap<usize, Value>,
    root: Option<Value>,
    documents: usize,
}

/// A list or map whose end has not come.
enum Open {
    List { items: Vec<Value>, anchor: usize },
    Map { map: Map<String, Value>, key: Option<Key>, merged: Vec<Map<String, Value>>, anchor: usize },
}

enum Key {
    Name(String),
    Merge,
}

impl Loader {
    pub(super) fn new(caps: &Caps) -> Self {
        Self {
            depth: caps.depth,
            nodes: caps.nodes,
            alias_nodes: caps.alias_nodes,
            open: Vec::new(),
            anchors: HashMap::new(),
            root: None,
            documents: 0,
        }
    }

    /// The value, null for a document without any, and what each anchor stands for.
    pub(super) fn finish(self) -> (Value, HashMap<usize, Value>) {
        (self.root.unwrap_or(Value::Null), self.anchors)
    }

    /// Takes the next event.
    pub(super) fn take(&mut self, event: &Event<'_>, span: &Span) -> Result<(), LoadError> {
        let fail = |message: String| LoadError::at(span, message);
        if event.is_node() {
            self.nodes = self.nodes.checked_sub(1).ok_or_else(|| fail("the document is too large".to_owned()))?;
        }
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(fail("a second document begins here without `---` on a line of its own".to_owned()));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let own = tag.as_ref().map(|tag| tag.suffix_in_namespace(scalar::NAMESPACE));
                let plain = *style == ScalarStyle::Plain && own.is_none();
                if plain && self.awaits_key() {
                    let key = if text == "<<" { Key::Merge } else { Key::Name(scalar::key(text).map_err(fail)?) };
                    self.keep(*anchor, || scalar::value(text).unwrap_or_default(), span)?;
                    return self.key(key, span);
                }
                let value = match own {
                    None if plain => scalar::value(text).map_err(fail)?,
                    Some(Some(own)) => scalar::tagged(&own, text).map_err(fail)?,
                    // Quoted, a block, or with a tag of somebody else's: a text.
                    None | Some(None) => Value::String(text.to_string()),
                };
                self.keep(*anchor, || value.clone(), span)?;
                self.node(value, span)?;
            }
            Event::Alias(anchor) => {
                let missing = || fail("an alias inside of what it stands for".to_owned());
                let value = self.anchors.get(anchor).ok_or_else(missing)?.clone();
                self.charge(&value, span)?;
                self.node(value, span)?;
            }
            Event::SequenceStart(_, anchor, _) => {
                self.begin(Open::List { items: Vec::new(), anchor: *anchor }, span)?;
            }
            Event::MappingStart(_, anchor, _) => {
                self.begin(Open::Map { map: Map::new(), key: None, merged: Vec::new(), anchor: *anchor }, span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let (value, anchor) = match self.open.pop() {
                    Some(Open::List { items, anchor }) => (Value::Array(items), anchor),
                    Some(Open::Map { mut map, merged, anchor, .. }) => {
                        for (key, value) in merged.into_iter().flatten() {
                            map.entry(key).or_insert(value);
                        }
                        (Value::Object(map), anchor)
                    }
                    None => return Ok(()),
                };
                self.keep(anchor, || value.clone(), span)?;
                self.node(value, span)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Map { key: None, .. }))
    }

    fn begin(&mut self, open: Open, span: &Span) -> Result<(), LoadError> {
        if self.open.len() >= self.depth {
            return Err(LoadError::at(span, format!("more than {} lists and maps inside each other", self.depth)));
        }
        if self.awaits_key() {
            return Err(LoadError::at(span, "a map key can't be a list or a map"));
        }
        self.open.push(open);
        Ok(())
    }

    /// Remembers an anchored value. It counts like an alias: anchors inside each other would multiply as well.
    fn keep(&mut self, anchor: usize, value: impl FnOnce() -> Value, span: &Span) -> Result<(), LoadError> {
        if anchor != 0 {
            let value = value();
            self.charge(&value, span)?;
            self.anchors.insert(anchor, value);
        }
        Ok(())
    }

    fn charge(&mut self, value: &Value, span: &Span) -> Result<(), LoadError> {
        pay(value, &mut self.alias_nodes).ok_or_else(|| LoadError::at(span, "too much is repeated through aliases"))
    }

    /// Takes a finished value to where it belongs.
    fn node(&mut self, value: Value, span: &Span) -> Result<(), LoadError> {
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some(Open::List { items, .. }) => items.push(value),
            Some(Open::Map { map, key, merged, .. }) => match key.take() {
                None => {
                    let name = scalar::key_of(&value).map_err(|message| LoadError::at(span, message))?;
                    return self.key(Key::Name(name), span);
                }
                Some(Key::Name(name)) => {
                    map.insert(name, value);
                }
                Some(Key::Merge) => {
                    let maps: Option<Vec<_>> = match value {
                        Value::Array(items) => items.into_iter().map(object).collect(),
                        map => object(map).map(|map| vec![map]),
                    };
                    let maps = maps.ok_or_else(|| LoadError::at(span, "`<<` takes a map, or a list of maps"))?;
                    // The first map of one list wins, the last of several merges.
                    merged.splice(0..0, maps);
                }
            },
        }
        Ok(())
    }

    fn key(&mut self, new: Key, span: &Span) -> Result<(), LoadError> {
        if let Some(Open::Map { map, key, .. }) = self.open.last_mut() {
            if let Key::Name(name) = &new
                && map.contains_key(name)
            {
                return Err(LoadError::at(span, format!("the key {name:?} stands twice in one map")));
            }
            *key = Some(new);
        }
        Ok(())
    }
}

fn object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

/// Takes the cost of `value` from `budget`; `None` as soon as that is not enough.
fn pay(value: &Value, budget: &mut usize) -> Option<()> {
    let text = |text: &str| text.len() / 64;
    let own = 1 + value.as_str().map_or(0, text);
    *budget = budget.checked_sub(own)?;
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| pay(item, budget)),
        Value::Object(map) => map.iter().try_for_each(|(key, value)| {
            *budget = budget.checked_sub(text(key))?;
            pay(value, budget)
        }),
        _ => Some(()),
    }
}

#[cfg(test)]
mod tests;
