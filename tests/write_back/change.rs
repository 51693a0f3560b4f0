//! Owns what `edit.yaml` says. Must never guess: a path that leads nowhere is an error of the case.

use kubeferry::manifest::{ManifestFile, Place};
use kubeferry::object::ObjectId;
use serde::Deserialize;
use serde_json::{Map, Value};

/// What is to change.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    object: Option<String>,
    #[serde(default)]
    set: Map<String, Value>,
    #[serde(default)]
    remove: Vec<String>,
    wanted: Option<Value>,
    #[serde(default)]
    delete: bool,
}

impl Change {
    pub fn read(text: &str) -> Result<Self, String> {
        let change: Self = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        let ways = [!change.set.is_empty() || !change.remove.is_empty(), change.wanted.is_some(), change.delete];
        match ways.iter().filter(|way| **way).count() {
            1 => Ok(change),
            _ => Err("one of `set` and `remove`, `wanted`, `delete` has to be there".to_owned()),
        }
    }

    /// Whether the object goes.
    pub fn deletes(&self) -> bool {
        self.delete
    }

    /// Where the object stands.
    pub fn place(&self, file: &ManifestFile) -> Result<Place, String> {
        let named = |id: &ObjectId| match self.object.as_deref().and_then(|text| text.split_once(' ')) {
            Some((kind, name)) => {
                let full = format!("{}/{}", id.namespace().unwrap_or_default(), id.name());
                id.kind() == kind && (id.name() == name || full == name)
            }
            None => self.object.is_none(),
        };
        let found: Vec<_> = file.objects.iter().filter(|manifest| named(&manifest.id)).collect();
        match found.as_slice() {
            [one] => Ok(one.place.clone()),
            found => Err(format!("{} objects are meant; skipped: {:?}", found.len(), file.skips)),
        }
    }

    /// The object as it is to be.
    pub fn apply(&self, current: Value) -> Result<Value, String> {
        if let Some(wanted) = &self.wanted {
            return Ok(wanted.clone());
        }
        let mut object = current;
        for path in &self.remove {
            change(&mut object, path, None)?;
        }
        for (path, value) in &self.set {
            change(&mut object, path, Some(value))?;
        }
        Ok(object)
    }
}

/// Puts a value where a path leads, or removes what is there.
fn change(object: &mut Value, path: &str, new: Option<&Value>) -> Result<(), String> {
    let steps = steps(path)?;
    let (last, parents) = steps.split_last().ok_or("an empty path")?;
    let nowhere = |step: &str| format!("{path}: nothing stands at {step:?}");
    let mut at = object;
    for step in parents {
        at = match at {
            Value::Object(map) => map.get_mut(step).ok_or_else(|| nowhere(step))?,
            Value::Array(items) => {
                let position = position(items, step).ok_or_else(|| nowhere(step))?;
                &mut items[position]
            }
            _ => return Err(nowhere(step)),
        };
    }
    match (at, new) {
        (Value::Object(map), Some(new)) => drop(map.insert(last.clone(), new.clone())),
        (at @ Value::Null, Some(new)) => *at = Value::Object([(last.clone(), new.clone())].into_iter().collect()),
        (Value::Object(map), None) => drop(map.shift_remove(last).ok_or_else(|| nowhere(last))?),
        (Value::Array(items), new) => match (last.strip_prefix('+'), new) {
            (Some(""), Some(new)) => items.push(new.clone()),
            (Some(before), Some(new)) => items.insert(before.parse().map_err(|_| nowhere(last))?, new.clone()),
            (_, new) => {
                let position = position(items, last).ok_or_else(|| nowhere(last))?;
                match new {
                    Some(new) => items[position] = new.clone(),
                    None => drop(items.remove(position)),
                }
            }
        },
        _ => return Err(nowhere(last)),
    }
    Ok(())
}

/// `a.b[c.d][0]` is `a`, `b`, `c.d`, `0`.
fn steps(path: &str) -> Result<Vec<String>, String> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (step, after) = inner.split_once(']').ok_or_else(|| format!("{path}: `]` is missing"))?;
            steps.push(step.to_owned());
            rest = after.strip_prefix('.').unwrap_or(after);
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            steps.push(rest[..end].to_owned());
            rest = rest[end..].strip_prefix('.').unwrap_or(&rest[end..]);
        }
    }
    Ok(steps)
}

/// The item that a step means: its position, its `name`, or `key=value`.
fn position(items: &[Value], step: &str) -> Option<usize> {
    if let Ok(position) = step.parse::<usize>() {
        return (position < items.len()).then_some(position);
    }
    let (key, wanted) = step.split_once('=').unwrap_or(("name", step));
    items.iter().position(|item| match item.get(key) {
        Some(Value::String(text)) => text == wanted,
        Some(other) => format!("{other}") == wanted,
        None => item.as_str() == Some(wanted),
    })
}
