//! Every path of every fixture, with every tricky value. What comes out is what was wanted, or nothing.

use super::cases::fixture;
use super::*;
use crate::manifest::quote::tests::TRICKY;
use std::collections::BTreeMap;

fn paths(value: &Value, at: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
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

fn go<'v>(value: &'v mut Value, path: &[String]) -> &'v mut Value {
    path.iter().fold(value, |value, key| match value {
        Value::Array(items) => &mut items[key.parse::<usize>().unwrap()],
        value => &mut value[key],
    })
}

/// Every single change of a value.
fn changes(value: &Value, new: &[Value]) -> Vec<Value> {
    let mut all = Vec::new();
    let mut found = Vec::new();
    paths(value, &mut Vec::new(), &mut found);
    for path in found {
        let mut change = |change: &dyn Fn(&mut Value)| {
            let mut changed = value.clone();
            change(go(&mut changed, &path));
            all.push(changed);
        };
        let at = go(&mut value.clone(), &path).clone();
        for new in new.iter().filter(|_| !path.is_empty()) {
            change(&|at| *at = new.clone());
        }
        match &at {
            Value::Object(map) => {
                for new in new {
                    change(&|at| at["newkey"] = new.clone());
                }
                for key in map.keys() {
                    change(&|at| drop(at.as_object_mut().unwrap().shift_remove(key)));
                }
            }
            Value::Array(items) => {
                for new in new {
                    change(&|at| at.as_array_mut().unwrap().push(new.clone()));
                    change(&|at| at.as_array_mut().unwrap().insert(items.len() / 2, new.clone()));
                }
                for position in 0..items.len() {
                    change(&|at| drop(at.as_array_mut().unwrap().remove(position)));
                }
            }
            _ => {}
        }
    }
    all
}

fn values() -> Vec<Value> {
    let more = ["l1\nl2\n", "l1\nl2", "l1\n\n\n", "  lead\nx\n", "\n", "\nx", "x\n\ty\n", "a\r\nb", "a\n \nb\n"];
    let texts = TRICKY.iter().chain(&more).map(|text| json!(text));
    let others = [
        json!(5),
        json!(-1.5),
        json!(true),
        Value::Null,
        json!({}),
        json!([]),
        json!([1, "a", {"b": "c"}]),
        json!({"k": "v", "n": {"x": [1, {"y": "z\nw\n"}]}}),
    ];
    texts.chain(others).collect()
}

/// Counts what became of edits.
#[derive(Default, Debug)]
struct Tally {
    right: usize,
    skipped: usize,
    refused: BTreeMap<String, usize>,
}

impl Tally {
    fn try_all(&mut self, text: &str, new: &[Value], step: usize) {
        let schema = Schema::builtin();
        for document in split(text).iter().filter(|document| !document.is_empty()) {
            let at = place(document.number as u32, &[]);
            let value = read(text.as_bytes(), &at).unwrap();
            let id = ObjectId::of(&value);
            for wanted in changes(&value, new).iter().filter(|wanted| ObjectId::of(wanted) == id).step_by(step) {
                let view = schema.view_of(wanted);
                match edit(text.as_bytes(), &at, wanted, view) {
                    Ok(edited) => {
                        let got = read(&edited.bytes, &at).unwrap();
                        let right = lists::same(&got, &normal(wanted), view);
                        assert!(
                            right || !edited.skipped.is_empty(),
                            "{wanted}\n{}",
                            String::from_utf8_lossy(&edited.bytes)
                        );
                        if edited.skipped.is_empty() { self.right += 1 } else { self.skipped += 1 }
                    }
                    Err(error) => {
                        *self.refused.entry(format!("{} {wanted}", error.why)).or_default() += 1;
                    }
                }
            }
        }
    }
}

const FIXTURES: [&str; 5] =
    ["a_two_space.yaml", "b_four_space_indented.yaml", "c_anchors_flow.yaml", "d_multidoc_cm.yaml", "e_crlf.yaml"];

#[test]
fn no_edit_gives_anything_but_what_was_wanted() {
    let mut tally = Tally::default();
    for name in FIXTURES {
        tally.try_all(&fixture(name), &values(), 7);
    }
    println!("{tally:?}");
    assert!(tally.right > 1000, "{tally:?}");
    assert!(tally.refused.values().sum::<usize>() * 200 <= tally.right, "{tally:?}");
}

#[test]
#[ignore = "long"]
fn no_edit_gives_anything_but_what_was_wanted_with_every_value_at_every_path() {
    let mut tally = Tally::default();
    for name in FIXTURES {
        tally.try_all(&fixture(name), &values(), 1);
    }
    println!("{} right, {} skipped, {:?}", tally.right, tally.skipped, tally.refused);
    assert!(tally.refused.values().sum::<usize>() * 200 <= tally.right);
}
