//! Owns the comparison of what was sent with what came back: which fields of which types the server filled in. Must never
//! take an allocation for a default: what nobody owns is left out.

// Each user has its own part of this.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kubeferry::object::defaults::{self, short};
use kubeferry::object::{FieldPath, FieldSet, PathElement, SchemaView, managed};
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

/// An object that leaves out what the server fills in.
pub struct Probe {
    /// File and kind and name.
    pub name: String,
    /// What is sent.
    pub object: Value,
}

/// Every document of `tests/fixtures/defaults`.
pub fn probes() -> Vec<Probe> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/defaults");
    let mut paths: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut probes = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        for document in serde_yaml::Deserializer::from_str(&text) {
            let object = Value::deserialize(document).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let (file, kind) = (path.file_stem().unwrap().to_string_lossy(), &object["kind"]);
            let name = format!("{file}: {} {}", kind.as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
            probes.push(Probe { name, object });
        }
    }
    assert!(probes.len() > 100, "only {} probes", probes.len());
    probes
}

/// One struct that came back: what was sent of it, and what is there now.
struct Instance {
    of: String,
    root: String,
    probe: String,
    sent: BTreeSet<String>,
    live: Map<String, Value>,
}

/// What was seen of all probes.
#[derive(Default)]
pub struct Seen {
    instances: Vec<Instance>,
}

/// A default: type, the type of the object if it is filled in only there, field, value (`{}`: a struct).
pub type Entry = (String, Option<String>, String, Value);

impl Seen {
    /// Adds what came back for a probe.
    pub fn add(&mut self, probe: &Probe, live: &Value, view: SchemaView<'_>) {
        let owned = managed::entries(live).into_iter().fold(FieldSet::new(), |all, entry| all.union(&entry.fields));
        let root = short(view.type_name().unwrap()).unwrap().to_owned();
        let mut walk = Walk { probe, root, owned, seen: self };
        walk.map(Some(&probe.object), live.as_object().unwrap(), view, &FieldPath::root());
    }

    /// Every field that was filled in somewhere.
    fn filled(&self) -> BTreeSet<(&str, &str)> {
        let of = |instance: &'_ Instance| {
            let filled = instance.live.keys().filter(|key| !instance.sent.contains(*key));
            filled.map(|key| (instance.of.clone(), key.clone())).collect::<Vec<_>>()
        };
        let all: BTreeSet<_> = self.instances.iter().flat_map(of).collect();
        let borrowed = self
            .instances
            .iter()
            .flat_map(|instance| instance.live.keys().map(move |key| (instance.of.as_str(), key.as_str())));
        borrowed.filter(|(of, key)| all.contains(&((*of).to_owned(), (*key).to_owned()))).collect()
    }

    /// What came back where a field of a type was left out, in each root type: with one probe of each answer.
    fn answers(&self, of: &str, field: &str) -> BTreeMap<&str, Vec<(Option<Value>, &str)>> {
        let mut answers: BTreeMap<&str, Vec<(Option<Value>, &str)>> = BTreeMap::new();
        let left_out = |instance: &&Instance| instance.of == of && !instance.sent.contains(field);
        for instance in self.instances.iter().filter(left_out) {
            let answer = instance.live.get(field).cloned();
            let known = answers.entry(&instance.root).or_default();
            if !known.iter().any(|(other, _)| *other == answer) {
                known.push((answer, &instance.probe));
            }
        }
        answers
    }

    /// The table of all plain defaults, and what no plain value can say though no rule does.
    pub fn table(&self) -> (Vec<Entry>, Vec<String>) {
        let (mut entries, mut open) = (Vec::new(), Vec::new());
        for (of, field) in self.filled() {
            if is_ruled(of, field) {
                continue;
            }
            let answers = self.answers(of, field);
            let mut all: Vec<_> = answers.values().flatten().map(|(answer, _)| answer).collect();
            all.dedup();
            if let [Some(value)] = all.as_slice() {
                entries.push((of.to_owned(), None, field.to_owned(), value.clone()));
                continue;
            }
            for (root, answers) in &answers {
                match answers.as_slice() {
                    [(None, _)] => {}
                    [(Some(value), _)] => {
                        entries.push((of.to_owned(), Some((*root).to_owned()), field.to_owned(), value.clone()));
                    }
                    several => open.push(format!("{of} {field} in {root}: {several:?}")),
                }
            }
        }
        entries.sort_by(|one, other| (&one.0, &one.1, &one.2).cmp(&(&other.0, &other.1, &other.2)));
        (entries, open)
    }

    /// The rules that no probe reaches.
    pub fn unreached_rules(&self) -> Vec<(&'static str, &'static str)> {
        let filled = self.filled();
        let rules = defaults::RULES.iter().map(|(of, field, _)| (*of, *field)).chain(defaults::COPIED);
        rules.filter(|rule| !filled.contains(rule)).collect()
    }
}

/// Whether a field is looked after by code.
fn is_ruled(of: &str, field: &str) -> bool {
    let mut ruled = defaults::RULES.iter().map(|(of, field, _)| (*of, *field)).chain(defaults::COPIED);
    ruled.any(|rule| rule == (of, field))
}

struct Walk<'w> {
    probe: &'w Probe,
    root: String,
    owned: FieldSet,
    seen: &'w mut Seen,
}

impl Walk<'_> {
    fn map(&mut self, sent: Option<&Value>, live: &Map<String, Value>, view: SchemaView<'_>, path: &FieldPath) {
        let sent = sent.and_then(Value::as_object);
        let mut there = Map::new();
        for (key, value) in live {
            let is_root = path.is_root();
            if is_root && matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status") {
                continue;
            }
            let below = path.child(PathElement::field(key));
            let given = sent.and_then(|sent| sent.get(key));
            if given.is_none() && !self.owned.touches(&below) {
                continue;
            }
            let field = view.field(key);
            there.insert(key.clone(), summary(value, field));
            self.value(given, value, field, &below);
        }
        if let Some(of) = view.type_name().and_then(short) {
            let sent = sent.into_iter().flatten().map(|(key, _)| key.clone()).collect();
            let (of, root, probe) = (of.to_owned(), self.root.clone(), self.probe.name.clone());
            self.seen.instances.push(Instance { of, root, probe, sent, live: there });
        }
    }

    fn value(&mut self, sent: Option<&Value>, live: &Value, view: SchemaView<'_>, path: &FieldPath) {
        match live {
            Value::Object(map) => self.map(sent, map, view, path),
            Value::Array(items) => {
                let Some(Value::Array(sent)) = sent else { return };
                for (index, item) in items.iter().enumerate() {
                    let key = view.item_key(item);
                    let given = match &key {
                        Some(key) => sent.iter().find(|sent| view.item_key(sent).as_ref() == Some(key)),
                        None => sent.get(index),
                    };
                    let below = path.child(key.unwrap_or(PathElement::Index(index)));
                    if given.is_some() {
                        self.value(given, item, view.item(), &below);
                    }
                }
            }
            _ => {}
        }
    }
}

/// What a table says of a value: a struct is made, and what it holds is told of its type.
fn summary(value: &Value, view: SchemaView<'_>) -> Value {
    let is_struct = value.is_object() && view.type_name().is_some() && !view.is_free_map();
    if is_struct { json!({}) } else { value.clone() }
}

/// What must be captured of a probe: what was sent, without the empty maps that the server would have made itself.
pub fn expected(sent: &Value, live: &Value, view: SchemaView<'_>) -> Value {
    match (sent, live) {
        (Value::Object(sent), Value::Object(live)) => {
            let each = sent.iter().filter_map(|(key, value)| {
                let Some(there) = live.get(key) else { return Some((key.clone(), value.clone())) };
                let kept = expected(value, there, view.field(key));
                let is_made = kept == json!({}) && defaults::is_default(view, key, there, live);
                (!is_made).then(|| (key.clone(), kept))
            });
            Value::Object(each.collect())
        }
        (Value::Array(sent), Value::Array(live)) if sent.len() == live.len() => {
            sent.iter().zip(live).map(|(sent, live)| expected(sent, live, view.item())).collect()
        }
        _ => sent.clone(),
    }
}
