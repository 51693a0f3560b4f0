//! Owns the path of a new file. Must never yield one outside of `gitPath`, nor one that what an object is called was
//! able to steer.

use std::fmt;

use serde_json::Value;

use crate::object::{Kind, ObjectId, RepoPath};

use super::expression::Source;
use super::format::Format;
use super::naming::{LONGEST_NAME, NAMES, PathError, Subject, allow, name};
use super::problem::Fault;
use super::template::{Part, parse};

/// What separates folders on some system.
const SEPARATORS: [char; 2] = ['/', '\\'];

/// Where the file of a new object goes.
#[derive(Clone, PartialEq, Eq)]
pub struct PathTemplate {
    text: Box<str>,
    parts: Vec<Part>,
    /// `gitPath`; empty for the repository's root.
    folder: Box<str>,
}

impl PathTemplate {
    /// Reads a template; what it yields lies below `folder` (`.` is the repository's root).
    ///
    /// # Errors
    ///
    /// When it names an unknown field, is absolute, leaves the folder, or does not end like a manifest's file.
    pub fn parse(text: &str, folder: &str) -> Result<Self, Fault> {
        let folder = if folder == "." { "" } else { folder };
        let template = Self { text: text.into(), parts: parse(text, &NAMES)?, folder: folder.into() };
        if text.starts_with('/') {
            return Err(Fault::new(format!("`{text}` is absolute"))
                .hint("it is below `gitPath` anyway: leave the first `/` out"));
        }
        let ends_well = [".yaml", ".yml", ".json"].iter().any(|ending| text.ends_with(ending));
        if !ends_well {
            return Err(Fault::new(format!("`{text}` does not end in .yaml, .yml or .json"))
                .hint("files with another ending are not read as manifests"));
        }
        for expression in template.parts.iter().filter_map(Part::value) {
            allow(expression)?;
            if let Some(own) = expression.text_with(&SEPARATORS) {
                let fault = Fault::new(format!("`{own}` in `{expression}` would make folders"));
                return Err(fault.hint("write folders outside of the `{{ }}`"));
            }
        }
        let sample = |source: &Source| if *source == Source::Field(".Namespace") { "namespace" } else { "sample" };
        match template.join(&sample).map(|path| RepoPath::parse(&path)) {
            Some(Ok(_)) => Ok(template),
            Some(Err(error)) => Err(Fault::new(error.to_string())),
            None => Err(Fault::new(format!("`{text}` yields no path"))),
        }
    }

    /// The layout of the original, below `folder`.
    pub(super) fn standard(format: Format, folder: &str) -> Self {
        let (text, folder) = (format.standard_path(), if folder == "." { "" } else { folder });
        let parts = parse(text, &NAMES).unwrap_or_default();
        Self { text: text.into(), parts, folder: folder.into() }
    }

    /// Whether objects of one kind and namespace get different paths.
    pub(super) fn tells_names_apart(&self) -> bool {
        let is_name = |source: &Source| *source == Source::Field(".Name");
        self.parts.iter().filter_map(Part::value).any(|expression| expression.asks(&is_name))
    }

    /// The path of the object's file, from the repository's root. Labels and annotations are those of `object`; one
    /// that it does not have is empty, and so is what is no text.
    ///
    /// # Errors
    ///
    /// When what the object is called would lead out of the folder, into Git's own, or make no file name.
    pub fn render(&self, id: &ObjectId, kind: &Kind, object: &Value) -> Result<RepoPath, PathError> {
        let subject = Subject { id, kind, object };
        for expression in self.parts.iter().filter_map(Part::value) {
            if subject.evaluate(expression).contains(SEPARATORS) {
                return Err(PathError::Slash { object: id.clone(), expression: expression.to_string() });
            }
        }
        let path = self.join(&|source| subject.value(source)).unwrap_or_default();
        if let Some(name) = path.split('/').find(|name| name.len() > LONGEST_NAME) {
            return Err(PathError::TooLong { object: id.clone(), bytes: name.len() });
        }
        let path = RepoPath::parse(&path).map_err(|source| PathError::Refused { object: id.clone(), source })?;
        let hides = |path: &str| path.rsplit('/').next().is_some_and(|name| name.starts_with('.'));
        if hides(path.as_str()) && !hides(&self.text) {
            return Err(PathError::NoName { object: id.clone(), template: self.text.to_string() });
        }
        Ok(path)
    }

    /// Whether the template could have yielded `path` for this object, whatever its labels and annotations are, and
    /// whatever version of its kind was preferred. Without a kind, whatever its resource is called.
    pub fn could_be(&self, path: &RepoPath, id: &ObjectId, kind: Option<&Kind>) -> bool {
        let segments: Vec<&str> = path.as_str().split('/').collect();
        // How many segments of the path the template's segments so far may have made: those left empty make none.
        let mut made = vec![0];
        for pattern in self.patterns(id, kind) {
            let empty = made.iter().copied().filter(|_| pattern.may_be_empty());
            let fits = |at: &usize| segments.get(*at).is_some_and(|segment| pattern.matches(segment));
            let one = made.iter().copied().filter(fits).map(|at| at + 1);
            made = empty.chain(one).collect();
            made.sort_unstable();
            made.dedup();
        }
        made.contains(&segments.len())
    }

    /// What each segment of the path looks like for this object.
    fn patterns(&self, id: &ObjectId, kind: Option<&Kind>) -> Vec<Pattern> {
        let known = |source: &Source| match source {
            // Which version is preferred changes with the server.
            Source::Field(".Version") | Source::Entry(..) => None,
            Source::Field(field) => name(field, id, kind),
        };
        let mut patterns: Vec<Pattern> = self.folder.split('/').map(Pattern::of).collect();
        patterns.push(Pattern::default());
        for part in &self.parts {
            let text = match part {
                Part::Text(text) => Some(text.to_string()),
                Part::Value(expression) if expression.asks(&|source| known(source).is_none()) => None,
                Part::Value(expression) => Some(expression.evaluate(&|source| known(source).unwrap_or_default())),
            };
            let Some(text) = text else {
                patterns.last_mut().into_iter().for_each(Pattern::anything);
                continue;
            };
            let mut pieces = text.split('/');
            patterns.last_mut().into_iter().for_each(|pattern| pattern.text(pieces.next().unwrap_or_default()));
            patterns.extend(pieces.map(Pattern::of));
        }
        patterns
    }

    /// Fills the fields in and drops empty segments; `None` when nothing is left.
    fn join<'v>(&self, value: &dyn Fn(&Source) -> &'v str) -> Option<String> {
        let below: String = self
            .parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.to_string(),
                Part::Value(expression) => expression.evaluate(value),
            })
            .collect();
        let segments: Vec<&str> =
            self.folder.split('/').chain(below.split('/')).filter(|part| !part.is_empty()).collect();
        (!segments.is_empty()).then(|| segments.join("/"))
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// What one segment of a path looks like: texts, with anything between each two of them.
struct Pattern(Vec<String>);

impl Default for Pattern {
    fn default() -> Self {
        Self(vec![String::new()])
    }
}

impl Pattern {
    fn of(text: &str) -> Self {
        Self(vec![text.to_owned()])
    }

    fn text(&mut self, text: &str) {
        self.0.last_mut().into_iter().for_each(|last| last.push_str(text));
    }

    fn anything(&mut self) {
        self.0.push(String::new());
    }

    fn may_be_empty(&self) -> bool {
        self.0.iter().all(String::is_empty)
    }

    fn matches(&self, segment: &str) -> bool {
        match self.0.as_slice() {
            [first, between @ .., last] => {
                let inner = segment.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str()));
                // The first place of each text leaves the most for the next.
                let find = |rest: &str, text: &String| {
                    rest.find(text.as_str()).and_then(|at| rest.get(at + text.len()..).map(str::to_owned))
                };
                inner.is_some_and(|inner| {
                    between.iter().try_fold(inner.to_owned(), |rest, text| find(&rest, text)).is_some()
                })
            }
            [only] => only == segment,
            [] => false,
        }
    }
}

#[cfg(test)]
mod tests;
