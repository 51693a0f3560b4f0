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

/// Every single change of a value, and whether it only adds something or puts one scalar in the place of another.
fn changes(value: &Value, new: &[Value]) -> Vec<(Value, bool)> {
    let is_scalar = |value: &Value| !value.is_object() && !value.is_array();
    let mut all = Vec::new();
    let mut found = Vec::new();
    paths(value, &mut Vec::new(), &mut found);
    for path in found {
        let mut change = |keeps: bool, change: &dyn Fn(&mut Value)| {
            let mut changed = value.clone();
            change(go(&mut changed, &path));
            all.push((changed, keeps));
        };
        let at = go(&mut value.clone(), &path).clone();
        for new in new.iter().filter(|_| !path.is_empty()) {
            change(is_scalar(&at) && is_scalar(new), &|at| *at = new.clone());
        }
        match &at {
            Value::Object(map) => {
                for new in new {
                    change(true, &|at| at["newkey"] = new.clone());
                }
                for key in map.keys() {
                    change(false, &|at| drop(at.as_object_mut().unwrap().shift_remove(key)));
                }
            }
            Value::Array(items) => {
                for new in new {
                    change(true, &|at| at.as_array_mut().unwrap().push(new.clone()));
                    change(true, &|at| at.as_array_mut().unwrap().insert(items.len() / 2, new.clone()));
                }
                for position in 0..items.len() {
                    change(false, &|at| drop(at.as_array_mut().unwrap().remove(position)));
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

fn comments(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for event in granit_parser::Parser::new_from_str(text.trim_start_matches('\u{feff}')) {
        if let granit_parser::Event::Comment(text, _) = event.unwrap().0 {
            found.push(text.into_owned());
        }
    }
    found
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
            let changes = changes(&value, new);
            for (wanted, keeps) in changes.iter().filter(|(wanted, _)| ObjectId::of(wanted) == id).step_by(step) {
                let view = schema.view_of(wanted);
                match edit(text.as_bytes(), &at, wanted, view) {
                    Ok(edited) => {
                        let got = read(&edited.bytes, &at).unwrap();
                        let right = lists::same(&got, &normal(wanted), view);
                        let file = std::str::from_utf8(&edited.bytes).unwrap();
                        assert!(right || !edited.skipped.is_empty(), "{wanted}\n{file}");
                        if *keeps {
                            assert_eq!(comments(file), comments(text), "{wanted}\n{file}");
                        }
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

const FIXTURES: [&str; 7] = [
    "a_two_space.yaml",
    "b_four_space_indented.yaml",
    "c_anchors_flow.yaml",
    "d_multidoc_cm.yaml",
    "e_crlf.yaml",
    "f_odd_styles.yaml",
    "g_list.json",
];

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

/// A few random changes at once.
fn random_changes(value: &mut Value, new: &[Value], random: &mut impl FnMut(usize) -> usize) {
    for _ in 0..random(6) + 1 {
        let mut found = Vec::new();
        paths(value, &mut Vec::new(), &mut found);
        let at = go(value, &found[random(found.len())]);
        let new = new[random(new.len())].clone();
        match at {
            Value::Object(map) if map.is_empty() || random(2) == 0 => {
                drop(map.insert(format!("key{}", random(3)), new))
            }
            Value::Object(map) => {
                let key = map.keys().nth(random(map.len())).unwrap().clone();
                map.shift_remove(&key);
            }
            Value::Array(items) if items.is_empty() || random(2) == 0 => items.insert(random(items.len() + 1), new),
            Value::Array(items) => drop(items.remove(random(items.len()))),
            at => *at = new,
        }
    }
}

fn random_edits(rounds: usize, seed: u64) -> (usize, BTreeMap<String, usize>) {
    let mut seed = seed;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % below
    };
    let (new, schema) = (values(), Schema::builtin());
    let (mut done, mut refused) = (0, BTreeMap::new());
    for name in FIXTURES {
        for _ in 0..rounds {
            let mut text = fixture(name);
            for _ in 0..8 {
                let documents = split(&text);
                let full: Vec<_> = documents.iter().filter(|document| !document.is_empty()).collect();
                let at = place(full[random(full.len())].number as u32, &[]);
                let value = read(text.as_bytes(), &at).unwrap();
                let mut wanted = value.clone();
                random_changes(&mut wanted, &new, &mut random);
                if ObjectId::of(&wanted) != ObjectId::of(&value) {
                    continue;
                }
                let view = if random(2) == 0 { schema.view_of(&wanted) } else { SchemaView::unknown() };
                match edit(text.as_bytes(), &at, &wanted, view) {
                    Ok(edited) => {
                        let file = String::from_utf8(edited.bytes).unwrap();
                        let right = lists::same(&read(file.as_bytes(), &at).unwrap(), &normal(&wanted), view);
                        assert!(right || !edited.skipped.is_empty(), "{wanted}\n{text}\nbecame\n{file}");
                        done += 1;
                        text = file;
                    }
                    Err(error) => {
                        *refused.entry(format!("{} {text}\n to {wanted}", error.why)).or_default() += 1;
                        break;
                    }
                }
            }
        }
    }
    (done, refused)
}

#[test]
fn many_changes_at_once_and_after_each_other_give_what_was_wanted() {
    let (done, refused) = random_edits(25, 11);
    assert!(done > 800 && refused.values().sum::<usize>() * 100 <= done, "{done} done, {refused:#?}");
}

#[test]
#[ignore = "long"]
fn very_many_changes_at_once_and_after_each_other_give_what_was_wanted() {
    let (done, refused) = random_edits(2000, 5);
    println!("{done} done, {} refused", refused.values().sum::<usize>());
    assert!(refused.values().sum::<usize>() * 100 <= done, "{refused:#?}");
}

/// Broken and mutilated files: whatever is still an object is edited and removed rightly, or refused.
fn mutilated(rounds: usize, seed: u64) -> (usize, usize) {
    let mut seed = seed;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % below.max(1)
    };
    let pieces = [
        "\n", "  ", "-", "- ", ":", ": ", "#", " #", "\"", "'", "{", "}", "[", "]", ",", "|", ">", "&a ", "*a", "!x ",
        "? ", "---\n", "...\n", "\t", "\r\n", "<<: ", "é", "\u{feff}",
    ];
    let (new, mut edited, mut refused) = (values(), 0, 0);
    for name in FIXTURES {
        let original: Vec<char> = fixture(name).chars().collect();
        for _ in 0..rounds {
            let mut text = original.clone();
            for _ in 0..random(4) + 1 {
                let start = random(text.len());
                let end = (start + random(12)).min(text.len());
                let with = if random(2) == 0 { "" } else { pieces[random(pieces.len())] };
                text.splice(start..end, with.chars());
            }
            let text: String = text.into_iter().collect();
            let path = RepoPath::parse("a.yaml").unwrap();
            let file = crate::manifest::ManifestFile::read(path, text.as_bytes(), &Caps::default());
            for manifest in &file.objects {
                let at = &manifest.place;
                let mut wanted = read(text.as_bytes(), at).unwrap();
                let id = ObjectId::of(&wanted);
                random_changes(&mut wanted, &new, &mut random);
                if ObjectId::of(&wanted) != id {
                    continue;
                }
                match edit(text.as_bytes(), at, &wanted, SchemaView::unknown()) {
                    Ok(result) => {
                        let got = read(&result.bytes, at).unwrap();
                        assert!(got == normal(&wanted) || !result.skipped.is_empty(), "{wanted}\n{text}");
                        edited += 1;
                    }
                    Err(_) => refused += 1,
                }
                let _ = remove(text.as_bytes(), at);
            }
        }
    }
    (edited, refused)
}

#[test]
fn mutilated_files_are_edited_rightly_or_not_at_all() {
    let (edited, refused) = mutilated(120, 3);
    assert!(edited > 100 && refused * 10 < edited, "{edited} edited, {refused} refused");
}

#[test]
#[ignore = "long"]
fn very_many_mutilated_files_are_edited_rightly_or_not_at_all() {
    let (edited, refused) = mutilated(10_000, 17);
    println!("{edited} edited, {refused} refused");
    assert!(refused * 10 < edited);
}
