//! Owns where else a field is written: the value of `to`. Must never let what an object is called, labelled or
//! annotated with make more than one key, nor name what identifies the object.

use std::fmt;

use serde_json::Value;

use crate::object::{Kind, ObjectId, Scalar};

use super::expression::Source;
use super::filter::{self, Step};
use super::naming::{NAMES, PathError, Subject, allow};
use super::notation;
use super::placement::PathTemplate;
use super::problem::Fault;
use super::template::{Part, parse};

/// Stands for an expression while a path is read: the first character of a private plane, and those after it.
const PLACEHOLDERS: u32 = 0xf_0000;
/// Most expressions in one path.
const MOST: usize = 32;

/// Where the value of a field is written instead of where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Another path in the same document.
    Here(PointerTemplate),
    /// A path in another file.
    File {
        /// The file, below `gitPath`.
        path: PathTemplate,
        /// The path in it.
        at: PointerTemplate,
    },
}

impl Target {
    /// Reads a target: a path in the same document, or `file#path`. The file lies below `folder`.
    ///
    /// # Errors
    ///
    /// When it is neither, names more than one place, or what identifies the object.
    pub fn parse(text: &str, folder: &str) -> Result<Self, Fault> {
        let text = text.trim();
        let file = text.strip_prefix("./").unwrap_or(text);
        let is_here = file.starts_with(['.', '$', '/']) || file.starts_with('{') && !file.starts_with("{{");
        if is_here && file.len() == text.len() && !text.starts_with("../") {
            let at = PointerTemplate::parse(text)?;
            at.keeps_identity()?;
            return Ok(Self::Here(at));
        }
        let Some((path, at)) = split_file(file) else {
            let fault = Fault::new(format!("`{text}` is no path, and names no place in a file"));
            return Err(
                fault.hint("write file#path (values.yaml#/web/replicas), or a path that starts with `/` or `.`")
            );
        };
        let path = PathTemplate::parse(path, folder)?;
        Ok(Self::File { path, at: PointerTemplate::parse(at)? })
    }

    /// Whether objects of different names are written to different places.
    pub(super) fn tells_names_apart(&self) -> bool {
        match self {
            Self::Here(_) => true,
            Self::File { path, at } => path.tells_names_apart() || at.tells_names_apart(),
        }
    }

    /// The path, in whichever document.
    pub fn at(&self) -> &PointerTemplate {
        match self {
            Self::Here(at) | Self::File { at, .. } => at,
        }
    }
}

/// Splits at the first `#` that is not part of an expression.
fn split_file(text: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    loop {
        let rest = text.get(from..)?;
        let hash = rest.find('#')?;
        match rest.find("{{") {
            Some(open) if open < hash => from += open + rest.get(open..)?.find("}}")? + 2,
            _ => return Some((text.get(..from + hash)?, text.get(from + hash + 1..)?)),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(at) => fmt::Display::fmt(at, f),
            Self::File { path, at } => write!(f, "{path}#{at}"),
        }
    }
}

/// One step of a path in a document that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetStep {
    /// A key of a map; of digits, also a position in a list.
    Key(String),
    /// The item of a list whose keys have these values; made when there is none.
    Where(Vec<(String, Scalar)>),
}

/// A path in a document, with names of the object in it.
#[derive(Clone)]
pub struct PointerTemplate {
    text: Box<str>,
    steps: Vec<Place>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Key(Vec<Part>),
    Where(Vec<(Box<str>, Wanted)>),
}

/// What a key of a list's item must be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Scalar(Scalar),
    Text(Vec<Part>),
}

impl PointerTemplate {
    /// Reads a path: a JSON Pointer, or a JSONPath that names one place.
    ///
    /// # Errors
    ///
    /// When it is no path, or names none or many places.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut expressions = Vec::new();
        let mut plain = String::new();
        for part in parse(text, &NAMES)? {
            match part {
                Part::Text(text) if text.chars().any(|c| u32::from(c) >= PLACEHOLDERS) => {
                    return Err(Fault::new(format!("`{text}` holds a character of private use")));
                }
                Part::Text(text) => plain.push_str(&text),
                Part::Value(expression) => {
                    allow(&expression)?;
                    let index = u32::try_from(expressions.len()).unwrap_or(u32::MAX);
                    plain.extend(char::from_u32(PLACEHOLDERS.saturating_add(index)));
                    expressions.push(Part::Value(expression));
                }
            }
        }
        if expressions.len() > MOST {
            return Err(Fault::new(format!("`{text}` has more than {MOST} templates")));
        }
        let blend = |text: &str| blend(text, &expressions);
        let steps = notation::steps(&plain).map_err(|fault| shown(fault, &expressions))?;
        if steps.is_empty() {
            let fault = Fault::new(format!("`{text}` names no place"));
            return Err(fault.hint("for example /web/replicas or .images[?(@.name=='web')].newTag"));
        }
        let place = |step: Step| match step {
            Step::Field(name) | Step::Digits(_, name) => Ok(Place::Key(blend(&name))),
            Step::Index(position) => Ok(Place::Key(blend(&position.to_string()))),
            Step::Where(tests) => Ok(Place::Where(
                tests
                    .into_iter()
                    .map(|(key, value)| match value {
                        Scalar::String(text) => (key, Wanted::Text(blend(&text))),
                        other => (key, Wanted::Scalar(other)),
                    })
                    .collect(),
            )),
            Step::Each => Err(Fault::new(format!("`{text}` names many places; a value is written to one"))
                .hint("say which item: [0] or [?(@.name=='web')]")),
            Step::Value(_) => {
                Err(Fault::new(format!("`{text}` names an item by its whole value, which cannot change"))
                    .hint("say which item: [0] or [?(@.name=='web')]"))
            }
        };
        Ok(Self { text: text.into(), steps: steps.into_iter().map(place).collect::<Result<_, _>>()? })
    }

    /// The path for one object. Labels and annotations are those of `object`.
    ///
    /// # Errors
    ///
    /// When a key would be empty.
    pub fn render(&self, id: &ObjectId, kind: &Kind, object: &Value) -> Result<Vec<TargetStep>, PathError> {
        let subject = Subject { id, kind, object };
        let fill = |parts: &[Part]| -> String {
            let part = |part: &Part| match part {
                Part::Text(text) => text.to_string(),
                Part::Value(expression) => subject.evaluate(expression),
            };
            parts.iter().map(part).collect()
        };
        let empty = || PathError::EmptyKey { object: id.clone(), expression: format!("a key of `{}`", self.text) };
        let step = |place: &Place| match place {
            Place::Key(parts) => Some(fill(parts)).filter(|key| !key.is_empty()).map(TargetStep::Key).ok_or_else(empty),
            Place::Where(tests) => tests
                .iter()
                .map(|(key, wanted)| {
                    let value = match wanted {
                        Wanted::Scalar(scalar) => scalar.clone(),
                        Wanted::Text(parts) => {
                            let text = Some(fill(parts)).filter(|text| !text.is_empty()).ok_or_else(empty)?;
                            Scalar::String(text.into())
                        }
                    };
                    Ok((key.to_string(), value))
                })
                .collect::<Result<_, _>>()
                .map(TargetStep::Where),
        };
        self.steps.iter().map(step).collect()
    }

    /// Refuses a path to what says which object a document is.
    fn keeps_identity(&self) -> Result<(), Fault> {
        let key = |place: Option<&Place>| match place {
            Some(Place::Key(parts)) => match parts.as_slice() {
                [Part::Text(name)] => Some(Some(name.to_string())),
                _ => Some(None),
            },
            _ => None,
        };
        let (first, second) = (key(self.steps.first()), key(self.steps.get(1)));
        let is_metadata = first.as_ref().is_some_and(|first| first.as_deref() == Some("metadata"));
        if first == Some(None) || is_metadata && second == Some(None) {
            let fault = Fault::new(format!("`{}` could name what says which object it is", self.text));
            return Err(fault.hint("write the first keys of the path as they are, without a template"));
        }
        if is_metadata && self.steps.len() == 1 {
            let fault = Fault::new("`metadata` says which object it is and cannot be written as a whole");
            return Err(fault.hint("of metadata, labels and annotations are carried"));
        }
        filter::carried(first.flatten().as_deref(), second.flatten().as_deref())
    }

    /// Whether objects of different names have different places.
    fn tells_names_apart(&self) -> bool {
        let is_name = |source: &Source| *source == Source::Field(".Name");
        let asks = |parts: &Vec<Part>| parts.iter().filter_map(Part::value).any(|expression| expression.asks(&is_name));
        self.steps.iter().any(|place| match place {
            Place::Key(parts) => asks(parts),
            Place::Where(tests) => tests.iter().any(|(_, wanted)| matches!(wanted, Wanted::Text(parts) if asks(parts))),
        })
    }

    /// Whether this path lies at or below what the filter names, or the filter at or below this path, as far as can be
    /// told without an object.
    pub(super) fn overlaps(&self, steps: &[Step]) -> bool {
        self.steps.iter().zip(steps).all(|(place, step)| match (place, step) {
            (Place::Key(parts), Step::Field(name) | Step::Digits(_, name)) => **parts == [Part::Text(name.clone())],
            (Place::Key(parts), Step::Index(at)) => **parts == [Part::Text(at.to_string().into())],
            (Place::Where(tests), Step::Where(keys)) => {
                tests.len() == keys.len()
                    && tests.iter().zip(keys).all(|((key, wanted), (name, value))| {
                        let same = match (wanted, value) {
                            (Wanted::Text(parts), Scalar::String(text)) => **parts == [Part::Text(text.clone())],
                            (Wanted::Scalar(wanted), value) => wanted == value,
                            _ => false,
                        };
                        key == name && same
                    })
            }
            _ => false,
        })
    }
}

/// The text with its placeholders replaced by what they stand for.
fn blend(text: &str, expressions: &[Part]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    for c in text.chars() {
        let at = u32::from(c).checked_sub(PLACEHOLDERS).and_then(|at| usize::try_from(at).ok());
        match at.and_then(|at| expressions.get(at)) {
            None => plain.push(c),
            Some(expression) => {
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain).into()));
                }
                parts.push(expression.clone());
            }
        }
    }
    if !plain.is_empty() {
        parts.push(Part::Text(plain.into()));
    }
    parts
}

/// A fault about a text with placeholders, for people.
fn shown(fault: Fault, expressions: &[Part]) -> Fault {
    let show = |text: String| {
        let part = |part: Part| match part {
            Part::Text(text) => text.to_string(),
            Part::Value(expression) => expression.to_string(),
        };
        blend(&text, expressions).into_iter().map(part).collect::<String>()
    };
    Fault { message: show(fault.message), hint: fault.hint.map(show) }
}

impl PartialEq for PointerTemplate {
    fn eq(&self, other: &Self) -> bool {
        self.steps == other.steps
    }
}

impl Eq for PointerTemplate {}

impl fmt::Display for PointerTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PointerTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests;
