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
    Ok(loader.finish())
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

    /// The value; null for a document without any.
    pub(super) fn finish(self) -> Value {
        self.root.unwrap_or(Value::Null)
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
                let own = tag.as_ref().map(|tag| tag.suffix_in_namespace("tag:yaml.org,2002:"));
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
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Result<Value, LoadError> {
        load(text, &Caps::default())
    }

    fn fixtures() -> Vec<(String, String, String)> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/yaml-kubectl");
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".yaml")?.to_owned()))
            .collect();
        names.sort();
        let text = |name: String| std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
        names
            .into_iter()
            .map(|name| (text(format!("{name}.yaml")), text(format!("{name}.kubectl.json")), name))
            .collect()
    }

    #[test]
    fn documents_read_as_kubectl_reads_them() {
        let fixtures = fixtures();
        assert_eq!(fixtures.len(), 42);
        let (mut same, mut twice, mut other) = (0, Vec::new(), Vec::new());
        for (yaml, kubectl, name) in &fixtures {
            let own = read(yaml);
            let theirs = serde_json::from_str::<Value>(kubectl);
            assert_eq!(theirs.is_err(), kubectl.starts_with("ERR"), "{name}");
            match (&own, theirs) {
                (Ok(own), Ok(theirs)) if *own == theirs => same += 1,
                (Err(_), Err(_)) => same += 1,
                (Err(error), Ok(_)) if error.message.contains("twice") => twice.push((name.as_str(), error.line)),
                _ => other.push((name.as_str(), own)),
            }
        }
        assert_eq!(same, 36);
        // kubectl takes the last one in silence.
        assert_eq!(twice, [("02_boolkeys", 2), ("14_dupkey", 2), ("15_dupnested", 4), ("16_dup_boolspelling", 3)]);
        // There kubectl lets a merge that comes later win over the map's own key; here it takes no pair of surrogates.
        let differ = [
            ("13_mergeafter", Ok(json!({"b1": {"a": 1}, "d": {"a": 5}}))),
            ("32b_surrogates", Ok(json!({"a": "\u{1f600}"}))),
        ];
        assert_eq!(other, differ);
    }

    #[test]
    fn an_error_names_line_and_column() {
        let error = read("a:\n  b: 1\n  b: 2\n").unwrap_err();
        assert_eq!(error.to_string(), r#"line 3, column 3: the key "b" stands twice in one map"#);
        assert_eq!(read("a: b: c").unwrap_err().line, 1);
    }

    #[test]
    fn tags_that_are_not_of_yaml_leave_a_text() {
        assert_eq!(
            read("a: !Ref 12\nb: ! 12\nc: !!str\nd: !!int '7'").unwrap(),
            json!({"a": "12", "b": "12", "c": "", "d": 7})
        );
    }

    #[test]
    fn merges_give_way_to_own_keys_and_to_later_merges() {
        let text = "x: &x {a: 1, b: 1, c: 1}\ny: &y {b: 2, c: 2}\nz:\n  <<: *x\n  <<: *y\n  c: 3\n";
        assert_eq!(read(text).unwrap()["z"], json!({"a": 1, "b": 2, "c": 3}));
        assert_eq!(read("z: {'<<': 1}").unwrap(), json!({"z": {"<<": 1}}));
        assert!(read("z:\n  <<: [{a: 1}, 2]").is_err());
    }

    #[test]
    fn json_reads_as_it_stands() {
        let text = r#"{
	"a": [1, -2.5, 1E3, true, null],
	"b\u0041\/": "\ud83d\ude00\/",
	"c":{},"d":"x: #y"
}
"#;
        let wanted = json!({"a": [1, -2.5, 1000, true, null], "bA/": "\u{1f600}/", "c": {}, "d": "x: #y"});
        assert_eq!(read(text).unwrap(), wanted);
    }

    #[test]
    fn hostile_documents_end_at_a_cap() {
        let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..30 {
            laughs += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 9].join(", "));
        }
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), ["*a"; 100].join(", "));
        let nested = format!("a: {}1{}\n", "&x [".repeat(150), "]".repeat(150));
        let anchors = nested.replacen('1', &format!("[{}]", ["1"; 2000].join(", ")), 1);
        for (text, reason) in [
            (laughs, "too much is repeated"),
            (long, "too much is repeated"),
            (anchors, "too much is repeated"),
            ("[".repeat(20_000), ""),
            ((0..3000).map(|level| format!("{}a:\n", " ".repeat(level))).collect(), ""),
            ("a: &x [*x]".to_owned(), "inside of what it stands for"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.message.contains(reason), "{error}");
        }
        let merges = format!("a: &a {{b: 1}}\nc:\n{}", "- <<: [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n".repeat(2000));
        assert!(read(&merges).is_ok());
        assert!(load("[1, 2, 3]", &Caps { nodes: 3, ..Caps::default() }).is_err());
        assert!(load("[[[1]]]", &Caps { depth: 2, ..Caps::default() }).is_err());
        let wide: String = (0..200_000).map(|key| format!("k{key}: v\n")).collect();
        assert_eq!(read(&wide).unwrap().as_object().unwrap().len(), 200_000);
    }
}
