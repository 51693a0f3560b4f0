//! Owns setting values by their path in a file that need not hold an object: a chart's values, a kustomization. Must never
//! touch a file in which it cannot tell the one document that is meant.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::document::split;
use super::edit::{Why, revise};
use super::file::holds_merge_markers;
use super::load::{Caps, LoadError};
use super::place::Place;
use super::render::render_for;
use crate::object::{RepoPath, Scalar};

/// One step towards a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A key of a map; digits also name a position in a list, from 0.
    Key(Box<str>),
    /// The item of a list in which these keys have these values.
    Where(Vec<(Box<str>, Scalar)>),
}

/// Why no value was set in a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// No text in UTF-8.
    #[error("it is no text in UTF-8")]
    NotText,
    /// An unfinished merge.
    #[error("it holds merge markers; finish the merge")]
    MergeMarkers,
    /// Which document is meant cannot be told.
    #[error("it holds {0} documents; keep one, so that it is plain where the value goes")]
    Several(usize),
    /// It is a template.
    #[error("it is a template, which cannot be read as YAML; name the file with its values")]
    Template,
    /// It cannot be read.
    #[error("it can't be read: {0}")]
    Broken(LoadError),
    /// Encrypted by SOPS.
    #[error("it is encrypted by SOPS")]
    Encrypted,
    /// Something on the way can hold nothing.
    #[error("{0} is {1}, which cannot hold what the path names")]
    InTheWay(String, &'static str),
    /// A position behind the end of its list.
    #[error("{0} has only {1} items")]
    NoPosition(String, usize),
    /// Two items fit.
    #[error("more than one item of {0} fits")]
    Ambiguous(String),
    /// The edit did not work out.
    #[error("{0}")]
    Edit(String),
}

impl From<Why> for SetError {
    fn from(why: Why) -> Self {
        Self::Edit(why.to_string())
    }
}

/// Reads the only document of a file; `None` when it has no content.
///
/// # Errors
///
/// When it cannot be read, or holds several documents.
pub fn open(bytes: &[u8]) -> Result<Option<Value>, SetError> {
    Ok(only(bytes)?.map(|(_, value)| value))
}

/// The number of the only document with content, and what it says.
fn only(bytes: &[u8]) -> Result<Option<(usize, Value)>, SetError> {
    let text = std::str::from_utf8(bytes).map_err(|_| SetError::NotText)?;
    if holds_merge_markers(text) {
        return Err(SetError::MergeMarkers);
    }
    let documents = split(text);
    let mut full = documents.iter().filter(|document| !document.is_empty());
    let Some(document) = full.next() else { return Ok(None) };
    let more = full.count();
    if more > 0 {
        return Err(SetError::Several(more + 1));
    }
    let value = document
        .load(&Caps::default())
        .map_err(|error| if text.contains("{{") { SetError::Template } else { SetError::Broken(error) })?;
    if value.get("sops").is_some_and(Value::is_object) {
        return Err(SetError::Encrypted);
    }
    Ok((!value.is_null()).then_some((document.number, value)))
}

/// The value at a path; `None` when it is missing.
pub fn value_at<'v>(value: &'v Value, steps: &[Step]) -> Option<&'v Value> {
    steps.iter().try_fold(value, |value, step| match (step, value) {
        (Step::Key(key), Value::Object(map)) => map.get(&**key),
        (Step::Key(key), Value::Array(items)) => items.get(key.parse::<usize>().ok()?),
        (Step::Where(tests), Value::Array(items)) => items.iter().find(|item| fits(item, tests)),
        _ => None,
    })
}

fn fits(item: &Value, tests: &[(Box<str>, Scalar)]) -> bool {
    tests.iter().all(|(key, wanted)| item.get(&**key).and_then(Scalar::of).as_ref() == Some(wanted))
}

/// Sets the value at a path, making maps, lists and items on the way; `None` takes it away and leaves what held it.
///
/// # Errors
///
/// When something on the way is neither; nothing useful is left in `value` then.
pub fn put(value: &mut Value, steps: &[Step], new: Option<Value>) -> Result<(), SetError> {
    let Some(new) = new else {
        take_away(value, steps);
        return Ok(());
    };
    let mut at = value;
    for (depth, step) in steps.iter().enumerate() {
        let here = || shown(steps.get(..depth).unwrap_or_default());
        if at.is_null() {
            let is_list = match step {
                Step::Where(_) => true,
                Step::Key(key) => &**key == "0",
            };
            *at = if is_list { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
        }
        at = match (step, at) {
            (Step::Key(key), Value::Object(map)) => map.entry(&**key).or_insert(Value::Null),
            (Step::Key(key), Value::Array(items)) => {
                let position: usize = key.parse().map_err(|_| SetError::InTheWay(here(), "a list"))?;
                let count = items.len();
                if position == count {
                    items.push(Value::Null);
                }
                items.get_mut(position).ok_or_else(|| SetError::NoPosition(here(), count))?
            }
            (Step::Where(tests), Value::Array(items)) => {
                let mut found =
                    (0..).zip(items.iter()).filter(|(_, item)| fits(item, tests)).map(|(position, _)| position);
                let position: usize = match (found.next(), found.next()) {
                    (Some(_), Some(_)) => return Err(SetError::Ambiguous(here())),
                    (Some(only), None) => only,
                    _ => {
                        let new = tests.iter().map(|(key, value)| (key.to_string(), value.to_value()));
                        items.push(Value::Object(new.collect()));
                        items.len() - 1
                    }
                };
                items.get_mut(position).ok_or_else(|| SetError::Ambiguous(here()))?
            }
            (Step::Where(_), Value::Object(_)) => return Err(SetError::InTheWay(here(), "a map")),
            _ => return Err(SetError::InTheWay(here(), "a single value")),
        };
    }
    *at = new;
    Ok(())
}

fn take_away(value: &mut Value, steps: &[Step]) {
    let Some((last, rest)) = steps.split_last() else { return };
    let mut at = value;
    for step in rest {
        let below = match (step, at) {
            (Step::Key(key), Value::Object(map)) => map.get_mut(&**key),
            (Step::Key(key), Value::Array(items)) => {
                key.parse::<usize>().ok().and_then(|position| items.get_mut(position))
            }
            (Step::Where(tests), Value::Array(items)) => items.iter_mut().find(|item| fits(item, tests)),
            _ => None,
        };
        let Some(below) = below else { return };
        at = below;
    }
    match (last, at) {
        (Step::Key(key), Value::Object(map)) => drop(map.shift_remove(&**key)),
        (Step::Key(key), Value::Array(items)) => {
            if let Some(position) = key.parse::<usize>().ok().filter(|position| *position < items.len()) {
                items.remove(position);
            }
        }
        (Step::Where(tests), Value::Array(items)) => items.retain(|item| !fits(item, tests)),
        _ => {}
    }
}

/// A path as people write it: `.images[name="web"].newTag`; `the document` for none.
pub fn shown(steps: &[Step]) -> String {
    if steps.is_empty() {
        return "the document".to_owned();
    }
    let mut text = String::new();
    for step in steps {
        let _ = match step {
            Step::Key(key) if key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) => {
                write!(text, ".{key}")
            }
            Step::Key(key) => write!(text, "[{}]", Value::from(&**key)),
            Step::Where(tests) => {
                let tests: Vec<String> = tests.iter().map(|(key, value)| format!("{key}={value}")).collect();
                write!(text, "[{}]", tests.join(","))
            }
        };
    }
    text
}

/// Sets values in a file, byte for byte but for what changes. A file without content becomes one that says only this.
///
/// # Errors
///
/// See [`SetError`]; the file is left as it is then.
pub fn set(bytes: &[u8], path: &RepoPath, changes: &[(Vec<Step>, Option<Value>)]) -> Result<Vec<u8>, SetError> {
    let mut wanted = open(bytes)?.unwrap_or_default();
    for (steps, new) in changes {
        put(&mut wanted, steps, new.clone())?;
    }
    rewrite(bytes, path, &wanted)
}

/// Makes the only document of a file say what is wanted, byte for byte but for what changes.
///
/// # Errors
///
/// See [`SetError`].
pub(super) fn rewrite(bytes: &[u8], path: &RepoPath, wanted: &Value) -> Result<Vec<u8>, SetError> {
    let Some((number, current)) = only(bytes)? else {
        if wanted.is_null() {
            return Ok(bytes.to_vec());
        }
        let mut all = bytes.to_vec();
        if !all.is_empty() && !all.ends_with(b"\n") {
            all.push(b'\n');
        }
        all.extend_from_slice(render_for(path, wanted).as_bytes());
        return Ok(all);
    };
    if current == *wanted {
        return Ok(bytes.to_vec());
    }
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let place = Place { path: path.clone(), document: number, item: Box::default(), line: 1 };
    let edited = revise(bytes, &place, wanted)?;
    match edited.skipped.first() {
        Some((at, obstacle)) => Err(SetError::Edit(format!("{at} can't be changed: {obstacle}"))),
        None => Ok(edited.bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn path(text: &str) -> RepoPath {
        RepoPath::parse(text).unwrap()
    }

    fn steps(text: &str) -> Vec<Step> {
        text.split('/')
            .map(|part| match part.split_once('=') {
                Some((key, value)) => Step::Where(vec![(key.into(), Scalar::String(value.into()))]),
                None => Step::Key(part.into()),
            })
            .collect()
    }

    fn written(file: &str, before: &str, at: &str, new: Option<Value>) -> Result<String, SetError> {
        set(before.as_bytes(), &path(file), &[(steps(at), new)]).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    const VALUES: &str = "# chart\nreplicaCount: 3   # scaled by hand\n\nimage:\n    repository: \"web\"\n    tag: 'v1' # pinned\nlist: [a, b]\n";

    #[test]
    fn one_line_of_a_charts_values_changes() {
        let after = written("values.yaml", VALUES, "replicaCount", Some(json!(5))).unwrap();
        assert_eq!(after, VALUES.replace("replicaCount: 3", "replicaCount: 5"));
        let after = written("values.yaml", VALUES, "image/tag", Some(json!("v2"))).unwrap();
        assert_eq!(after, VALUES.replace("'v1'", "'v2'"));
        assert_eq!(written("values.yaml", VALUES, "image/tag", Some(json!("v1"))).unwrap(), VALUES);
        assert_eq!(written("values.yaml", VALUES, "image/digest", None).unwrap(), VALUES);
        let after = written("values.yaml", VALUES, "image/tag", None).unwrap();
        assert_eq!(after, VALUES.replace("    tag: 'v1' # pinned\n", ""));
    }

    #[test]
    fn maps_lists_and_items_are_made_on_the_way() {
        let before = "resources:\n- web.yaml\nimages:\n- name: api\n  newTag: \"1\"\n";
        let after = written("kustomization.yaml", before, "images/name=web/newTag", Some(json!("2"))).unwrap();
        assert_eq!(after, format!("{before}- name: web\n  newTag: \"2\"\n"));
        let after = written("kustomization.yaml", before, "replicas/name=web/count", Some(json!(4))).unwrap();
        assert_eq!(after, format!("{before}replicas:\n- name: web\n  count: 4\n"));
        assert_eq!(written("a.yaml", "", "a/b", Some(json!(1))).unwrap(), "a:\n  b: 1\n");
        assert_eq!(written("a.yaml", "# c\na:\n", "a/b", Some(json!(1))).unwrap(), "# c\na:\n  b: 1\n");
        assert_eq!(written("a.json", "", "a/b", Some(json!(1))).unwrap(), "{\n  \"a\": {\n    \"b\": 1\n  }\n}\n");
        assert_eq!(written("a.json", "{\"a\": [1, 2]}\n", "a/1", Some(json!(3))).unwrap(), "{\"a\": [1, 3]}\n");
        assert_eq!(written("a.yaml", "a: [1]\n", "a/1", Some(json!(3))).unwrap(), "a: [1, 3]\n");
    }

    #[test]
    fn what_is_not_plain_is_refused() {
        let refused = |before: &str, at: &str| written("a.yaml", before, at, Some(json!(1))).unwrap_err();
        assert_eq!(refused("a: 1\n---\nb: 1\n", "a"), SetError::Several(2));
        assert_eq!(refused("a: text\n", "a/b"), SetError::InTheWay(".a".into(), "a single value"));
        assert_eq!(refused("a: [1]\n", "a/b"), SetError::InTheWay(".a".into(), "a list"));
        assert_eq!(refused("a: [1]\n", "a/2"), SetError::NoPosition(".a".into(), 1));
        assert_eq!(refused("a: {b: 1}\n", "a/b=c/d"), SetError::InTheWay(".a".into(), "a map"));
        assert_eq!(refused("a: [{name: x}, {name: x}]\n", "a/name=x/d"), SetError::Ambiguous(".a".into()));
        assert_eq!(refused("sops: {mac: x}\na: 1\n", "a"), SetError::Encrypted);
        assert_eq!(refused("a: {{ .Values.x }}\n", "a"), SetError::Template);
        assert_eq!(refused("<<<<<<< a\na: 1\n=======\na: 2\n>>>>>>> b\n", "a"), SetError::MergeMarkers);
        assert!(matches!(refused("a: [\n", "a"), SetError::Broken(_)));
        // Documents without content do not count.
        assert_eq!(written("a.yaml", "---\n# c\n---\na: 1\n", "a", Some(json!(2))).unwrap(), "---\n# c\n---\na: 2\n");
    }
}
