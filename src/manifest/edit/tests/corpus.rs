//! Files to be edited, and what to put into them.

use super::*;
use crate::manifest::quote::tests::TRICKY;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Every file of `tests/fixtures/yaml-edit`, and every `before` of `tests/write_back`: name and text.
pub fn corpus() -> Vec<(String, String)> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut paths = Vec::new();
    collect(&tests.join("fixtures/yaml-edit"), &mut paths);
    paths.retain(|path| !path.ends_with("cases.json"));
    let mut golden = Vec::new();
    collect(&tests.join("write_back"), &mut golden);
    let named = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("before");
    paths.extend(golden.into_iter().filter(named));
    paths.sort();
    let text = |path: PathBuf| Some((path.display().to_string(), std::fs::read_to_string(&path).ok()?));
    paths.into_iter().filter_map(text).collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
        {
            found.push(path);
        }
    }
}

/// The objects of a file: where they stand, and what they are. None for one that can't be edited whatever is asked.
pub fn objects(text: &str) -> Vec<(Place, Value)> {
    let path = RepoPath::parse("a.yaml").unwrap();
    let file = crate::manifest::ManifestFile::read(path, text.as_bytes(), &Caps::default());
    let value = |place: Place| read(text.as_bytes(), &place).ok().map(|value| (place, value));
    file.objects.into_iter().filter_map(|manifest| value(manifest.place)).collect()
}

/// Tricky values; the first ones most of all.
pub fn values() -> Vec<Value> {
    let first =
        ["l1\nl2\n", "l1\nl2", "l1\n\n\n", "  lead\nx\n", "\n", "\nx", "x\n\ty\n", "a\r\nb", "a\n \nb\n", "plain"];
    let others = [
        json!(5),
        json!(-1.5),
        json!(true),
        Value::Null,
        json!({}),
        json!([]),
        json!([1, "a", {"b": "c"}]),
        json!({"k": "v", "n": {"x": [1, {"y": "z\nw\n"}]}}),
        json!("a text of so many words that somebody would have folded it, in a file where somebody folds"),
    ];
    let texts = first.iter().chain(TRICKY.iter().step_by(4)).chain(&["yes", "0644", "a: b", "a #b", "'a'"]);
    let rest = TRICKY.iter().enumerate().filter(|(position, _)| position % 4 != 0).map(|(_, text)| text);
    others.into_iter().chain(texts.chain(rest).map(|text| json!(text))).collect()
}

/// A way to a value, by keys and positions.
pub type Way = Vec<String>;

pub fn paths(value: &Value, at: &mut Way, found: &mut Vec<Way>) {
    found.push(at.clone());
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(position, item)| (position.to_string(), item)).collect(),
        _ => Vec::new(),
    };
    for (key, value) in children {
        at.push(key);
        paths(value, at, found);
        at.pop();
    }
}

pub fn go<'v>(value: &'v mut Value, path: &[String]) -> &'v mut Value {
    path.iter().fold(value, |value, key| match value {
        Value::Array(items) => &mut items[key.parse::<usize>().unwrap()],
        value => &mut value[key],
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A scalar in the place of one.
    Scalar,
    /// Another value in the place of one.
    Set,
    /// A key or an item more, in a map or list that is not empty.
    Add,
    /// A key or an item more, in one that is empty.
    First,
    /// A key or an item less, in one that keeps others.
    Remove,
    /// The last one goes.
    Empty,
    /// The items in another order.
    Order,
}

/// One change of a value.
pub struct Change {
    pub kind: Kind,
    pub path: Way,
    pub wanted: Value,
}

/// Every single change of a value.
pub fn changes(value: &Value, new: &[Value]) -> Vec<Change> {
    let is_scalar = |value: &Value| !value.is_object() && !value.is_array();
    let mut all = Vec::new();
    let mut found = Vec::new();
    paths(value, &mut Vec::new(), &mut found);
    for path in found {
        let mut change = |kind: Kind, change: &dyn Fn(&mut Value)| {
            let mut wanted = value.clone();
            change(go(&mut wanted, &path));
            all.push(Change { kind, path: path.clone(), wanted });
        };
        let at = go(&mut value.clone(), &path).clone();
        for new in new.iter().filter(|_| !path.is_empty()) {
            let kind = if is_scalar(&at) && is_scalar(new) { Kind::Scalar } else { Kind::Set };
            change(kind, &|at| *at = new.clone());
        }
        let kinds = |count: usize| {
            (if count == 0 { Kind::First } else { Kind::Add }, if count == 1 { Kind::Empty } else { Kind::Remove })
        };
        match &at {
            Value::Object(map) => {
                let (add, remove) = kinds(map.len());
                new.iter().for_each(|new| change(add, &|at| at["newkey"] = new.clone()));
                for key in map.keys() {
                    change(remove, &|at| drop(at.as_object_mut().unwrap().shift_remove(key)));
                }
            }
            Value::Array(items) => {
                let (add, remove) = kinds(items.len());
                for new in new {
                    change(add, &|at| at.as_array_mut().unwrap().push(new.clone()));
                    change(add, &|at| at.as_array_mut().unwrap().insert(items.len() / 2, new.clone()));
                    change(add, &|at| at.as_array_mut().unwrap().insert(0, new.clone()));
                }
                for position in 0..items.len() {
                    change(remove, &|at| drop(at.as_array_mut().unwrap().remove(position)));
                }
                if items.len() > 1 {
                    change(Kind::Order, &|at| at.as_array_mut().unwrap().reverse());
                    change(Kind::Order, &|at| at.as_array_mut().unwrap().rotate_left(1));
                    change(Kind::Order, &|at| at.as_array_mut().unwrap().rotate_right(1));
                }
            }
            _ => {}
        }
    }
    all
}

/// The comments of every document that can be read.
pub fn comments(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for document in split(text) {
        let events = granit_parser::Parser::new_from_str(document.body().0);
        for (event, _) in events.map_while(Result::ok) {
            if let granit_parser::Event::Comment(text, _) = event {
                found.push(text.into_owned());
            }
        }
    }
    found
}

/// Numbers that look random and are the same in each run.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit.max(1)
    }

    pub fn of<'v, T>(&mut self, all: &'v [T]) -> &'v T {
        &all[self.below(all.len())]
    }
}

/// What became of edits.
#[derive(Default, Debug)]
pub struct Tally {
    pub right: usize,
    /// Skipped and refused ones by reason: how many, and one of them.
    left: BTreeMap<String, (usize, String)>,
    /// Wrong ones, likewise.
    wrong: BTreeMap<String, (usize, String)>,
}

impl Tally {
    pub fn leave(&mut self, why: String, example: impl FnOnce() -> String) {
        self.left.entry(why).or_insert_with(|| (0, example())).0 += 1;
    }

    pub fn wrong(&mut self, what: &str, example: impl FnOnce() -> String) {
        self.wrong.entry(what.to_owned()).or_insert_with(|| (0, example())).0 += 1;
    }

    pub fn add(&mut self, other: Self) {
        self.right += other.right;
        for (own, other) in [(&mut self.left, other.left), (&mut self.wrong, other.wrong)] {
            for (why, (count, example)) in other {
                own.entry(why).or_insert((0, example)).0 += count;
            }
        }
    }

    /// Prints what was not carried out, each reason with an example. None may be wrong, and one in a hundred left.
    pub fn check(&self) {
        println!("{} right", self.right);
        for (kind, all) in [("left", &self.left), ("WRONG", &self.wrong)] {
            for (why, (count, example)) in all {
                println!("{count} {kind}: {why}, as in\n{example}");
            }
        }
        assert!(self.wrong.is_empty(), "{:?}", self.wrong.keys());
        assert!(self.left.values().map(|(count, _)| count).sum::<usize>() * 100 <= self.right);
    }
}
