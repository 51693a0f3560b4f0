//! Owns the way from a text to its keys: every problem of syntax and type is gathered, with its place, before anything
//! is compiled. Must never stop at the first problem where it can go on.

use std::any::TypeId;
use std::collections::HashMap;
use std::rc::Rc;

use granit_parser::ErrorKind;
use schemars::{JsonSchema, schema_for};
use serde::de::DeserializeOwned;
use serde_yaml::{Mapping, Value};

use super::position::{Positions, Step, below};
use super::problem::{Fault, Level, Mark, Problem, Source, nearest};
use super::raw::{RawCommit, RawField, RawFile, RawLimits, RawRule};

/// Largest rules file, in bytes: what fits into a ConfigMap.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// A file with more errors, or more warnings, is something else than a rules file; the rest would hide the first ones.
const MAX_PROBLEMS: usize = 100;

/// Everything that was found so far.
pub(super) struct Report {
    pub(super) source: Source,
    positions: Positions,
    pub(super) problems: Vec<Problem>,
    /// How many transforms were compiled.
    pub(super) transforms: usize,
    /// The keys of each section: making a schema for every rule would cost more than all the rest.
    keys: HashMap<TypeId, Rc<[String]>>,
}

impl Report {
    fn new(source: Source, positions: Positions) -> Self {
        Self { source, positions, problems: Vec::new(), transforms: 0, keys: HashMap::new() }
    }

    fn keys_of<T: JsonSchema + 'static>(&mut self) -> Rc<[String]> {
        self.keys.entry(TypeId::of::<T>()).or_insert_with(|| keys_of::<T>().into()).clone()
    }

    fn add(&mut self, level: Level, mark: Mark, fault: Fault) {
        if !self.is_full(level) {
            self.problems.push(self.source.problem(level, mark, fault));
        }
    }

    /// Each level for itself: warnings must never crowd out the error for which the file is not taken.
    fn is_full(&self, level: Level) -> bool {
        self.problems.iter().filter(|problem| problem.level == level).count() >= MAX_PROBLEMS
    }

    /// An error of a key: it is unknown, missing its fellow, or in the wrong place.
    pub(super) fn key(&mut self, path: &[Step], fault: Fault) {
        self.add(Level::Error, self.positions.key(path), fault);
    }

    /// An error of a value.
    pub(super) fn value(&mut self, path: &[Step], fault: Fault) {
        self.add(Level::Error, self.positions.value(path), fault);
    }

    /// An error inside a text value: at this line and column of the text, if it stands in the file as it is.
    pub(super) fn within(&mut self, path: &[Step], text: &str, at: Option<(usize, usize)>, width: usize, fault: Fault) {
        let mark = self.positions.value(path);
        let inner = at.and_then(|at| self.source.within(mark, text, at, width));
        let fault = match (inner, at) {
            (None, Some((line, column))) if line > 1 || column > 1 => {
                let place = if text.trim_end().contains('\n') { format!("line {line}, ") } else { String::new() };
                Fault { message: format!("{} ({place}column {column} of the text)", fault.message), ..fault }
            }
            _ => fault,
        };
        self.add(Level::Error, inner.unwrap_or(mark), fault);
    }

    /// A warning about a key.
    pub(super) fn warn(&mut self, path: &[Step], fault: Fault) {
        self.add(Level::Warning, self.positions.key(path), fault);
    }

    /// Where the value at `path` stands.
    pub(super) fn mark(&self, path: &[Step]) -> Mark {
        self.positions.value(path)
    }

    /// The value, or nothing after noting what is wrong with it.
    pub(super) fn take<T>(&mut self, path: &[Step], result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.value(path, fault)).ok()
    }

    pub(super) fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.level == Level::Error)
    }
}

/// Reads a text as far as it is one YAML document: the report, and the document if there is one.
pub(super) fn read(text: &str, origin: &str) -> (Report, Option<Value>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MAX_BYTES {
        let mut report = Report::new(Source::new(origin, ""), Positions::default());
        let fault = Fault::new(format!("the file has {} bytes; a rules file has at most {MAX_BYTES}", text.len()));
        report.add(Level::Error, Mark::START, fault.hint("is this the right file?"));
        return (report, None);
    }
    let mut report = Report::new(Source::new(origin, text), Positions::of(text));
    for twice in std::mem::take(&mut report.positions.duplicates) {
        let fault = Fault::new(format!("the key `{}` stands here a second time", twice.key));
        report.add(Level::Error, twice.second, fault.hint(format!("the first one is in line {}", twice.first.line)));
    }
    if let Some(mark) = report.positions.second_document {
        let fault = Fault::new("a second YAML document starts here; a rules file is one document");
        report.add(Level::Error, mark, fault.hint("remove the `---`, or put the rules under one `rules:`"));
    }
    if let Some(unreadable) = report.positions.unreadable.take() {
        let line = text.lines().nth(unreadable.mark.line.saturating_sub(1)).unwrap_or_default();
        let fault =
            Fault::new(format!("not YAML: {}", unreadable.kind)).maybe_hint(syntax_hint(text, line, &unreadable.kind));
        report.add(Level::Error, unreadable.mark, fault);
    }
    if report.has_errors() {
        return (report, None);
    }
    match parse(text) {
        Ok(Value::Null) => {
            let fault = Fault::new("the file is empty; it needs at least `rules:`");
            report.add(Level::Error, Mark::START, fault.hint("config.example.yaml explains every key"));
            (report, None)
        }
        Ok(value) if !value.is_mapping() => {
            let fault = Fault::new(format!("a rules file is a map of keys, not {}", describe(&value)));
            let hint = value.is_sequence().then(|| "put the rules under the key `rules:`".to_owned());
            report.value(&[], fault.maybe_hint(hint));
            (report, None)
        }
        Ok(value) => (report, Some(value)),
        Err(error) => {
            let at = error.location().map(|at| Mark { line: at.line(), column: at.column(), width: 1 });
            report.add(Level::Error, at.unwrap_or(Mark::START), Fault::new(format!("not YAML: {error}")));
            (report, None)
        }
    }
}

fn parse(text: &str) -> Result<Value, serde_yaml::Error> {
    let mut value: Value = serde_yaml::from_str(text)?;
    value.apply_merge()?;
    Ok(value)
}

fn syntax_hint(text: &str, line: &str, kind: &ErrorKind) -> Option<String> {
    let value = line.split_once(": ").map_or(line, |(_, value)| value).trim_start_matches(['-', ' ', '[']);
    let indent = line.len() - line.trim_start().len();
    let hint = if line.get(..indent).is_some_and(|space| space.contains('\t')) || text.contains("\n\t") {
        "YAML takes no tabs for indentation: use spaces"
    } else if line.contains("{{") {
        "put a template in quotes: '{{ .Namespace }}/{{ .Name }}.yaml'"
    } else if value.starts_with('*') || matches!(kind, ErrorKind::UnknownAnchor) {
        "put a glob that starts with `*` in quotes: '*-web'"
    } else if value.starts_with(['%', '@', '`', '&', '!']) || line.matches(": ").count() > 1 {
        "put the value in quotes"
    } else {
        return None;
    };
    Some(hint.to_owned())
}

/// Reads the keys of one map, each for itself: one that is unknown or has a wrong type is noted and left out.
pub(super) fn section<T>(value: &Value, path: &[Step], report: &mut Report) -> T
where
    T: DeserializeOwned + Default + JsonSchema + 'static,
{
    let Value::Mapping(entries) = value else {
        if !value.is_null() {
            report.value(path, Fault::new(format!("a map of keys belongs here, not {}", describe(value))));
        }
        return T::default();
    };
    let known = report.keys_of::<T>();
    let mut good = Mapping::new();
    for (key, value) in entries {
        if report.is_full(Level::Error) {
            break;
        }
        let Some(name) = key.as_str().filter(|name| known.iter().any(|known| known == name)) else {
            let name = key.as_str().map_or_else(|| describe(key), str::to_owned);
            let here = below(path, Step::key(&name));
            report.key(&here, Fault::new(format!("unknown key `{name}`")).maybe_hint(meant(&name, &known)));
            continue;
        };
        let alone = Value::Mapping(Mapping::from_iter([(key.clone(), value.clone())]));
        match serde_yaml::from_value::<T>(alone) {
            Ok(_) => {
                good.insert(key.clone(), value.clone());
            }
            Err(error) => wrong_type::<T>(name, value, &error, &below(path, Step::key(name)), report),
        }
    }
    serde_yaml::from_value(Value::Mapping(good)).unwrap_or_default()
}

/// Notes a value of a wrong type; in a list, the items at fault.
fn wrong_type<T: DeserializeOwned>(
    name: &str,
    value: &Value,
    error: &serde_yaml::Error,
    path: &[Step],
    report: &mut Report,
) {
    let fails = |item: &Value| {
        let list = Value::Sequence(vec![item.clone()]);
        serde_yaml::from_value::<T>(Value::Mapping(Mapping::from_iter([(name.into(), list)]))).err()
    };
    let before = report.problems.len();
    if let Value::Sequence(items) = value {
        for (position, item) in items.iter().enumerate() {
            if let Some(error) = fails(item) {
                let fault = unexpected(name, item, &error).maybe_hint(item_hint(item));
                report.value(&below(path, Step::Item(position)), fault);
            }
        }
    }
    if report.problems.len() == before {
        report.value(path, unexpected(name, value, error).maybe_hint(type_hint(name, value, error)));
    }
}

/// A wrong type in the words of the rules file instead of serde's.
fn unexpected(name: &str, value: &Value, error: &serde_yaml::Error) -> Fault {
    let message = error.to_string();
    let expected = match message.split_once("expected ").map(|(_, expected)| expected) {
        Some("a sequence") => "a list",
        Some("a boolean") => "true or false",
        Some("a string") => "a text",
        Some(other) => other,
        None => return Fault::new(format!("`{name}`: {message}")),
    };
    Fault::new(format!("`{name}` takes {expected}, not {}", describe(value)))
}

fn item_hint(item: &Value) -> Option<String> {
    Some(match item {
        Value::Number(number) => format!("put it in quotes: '{number}'"),
        Value::Bool(flag) => format!("put it in quotes: '{flag}'"),
        Value::Null => "an empty text is written \"\"".to_owned(),
        other => return type_hint("", other, &""),
    })
}

fn type_hint(name: &str, value: &Value, error: &dyn ToString) -> Option<String> {
    let expects = error.to_string();
    Some(match value {
        Value::Tagged(tagged) => format!("what starts with `!` is a YAML tag; put it in quotes: '{}'", tagged.tag),
        Value::Mapping(map) if map.keys().any(|key| key.is_mapping() || key.is_null()) => {
            "put a template in quotes: '{{ .Namespace }}/{{ .Name }}.yaml'".to_owned()
        }
        Value::Mapping(map) if name.to_lowercase().ends_with("labels") => {
            let pairs = map.iter().map(|(key, value)| Some(format!("{}={}", key.as_str()?, value.as_str()?)));
            format!("write a selector: {name}: {}", pairs.collect::<Option<Vec<_>>>()?.join(","))
        }
        Value::String(text) if expects.contains("sequence") => format!("write a list: {name}: [{text}]"),
        Value::String(_) if expects.contains("boolean") => "write true or false, without quotes".to_owned(),
        Value::Number(number) if expects.contains("string") => format!("put it in quotes: '{number}'"),
        Value::Bool(flag) if expects.contains("string") => format!("put it in quotes: '{flag}'"),
        _ => return None,
    })
}

/// What an unknown key was probably meant to be: one of this map, or one that belongs elsewhere.
fn meant(name: &str, known: &[String]) -> Option<String> {
    if let Some(near) = nearest(name, known.iter().map(String::as_str)) {
        return Some(format!("did you mean `{near}`?"));
    }
    let elsewhere = [
        ("at the top level", keys_of::<RawFile>()),
        ("in a rule, under `rules:`", keys_of::<RawRule>()),
        ("under `limits:`", keys_of::<RawLimits>()),
        ("under `commit:`", keys_of::<RawCommit>()),
        ("in an entry of `fields:`", keys_of::<RawField>()),
    ];
    let (place, _) = elsewhere.iter().find(|(_, keys)| keys.iter().any(|key| key == name))?;
    Some(format!("`{name}` belongs {place}"))
}

/// The keys of a map, as they are written.
fn keys_of<T: JsonSchema>() -> Vec<String> {
    let schema = schema_for!(T);
    let properties = schema.get("properties").and_then(serde_json::Value::as_object);
    properties.map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
}

/// What a value is, for people.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("the text `{text}`"),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "a map".to_owned(),
        Value::Tagged(tagged) => format!("the YAML tag {}", tagged.tag),
    }
}
