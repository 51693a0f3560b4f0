//! Many changes at once and after each other, and files that are broken: what comes out is what was wanted, or nothing.

use super::corpus::*;
use super::*;

/// A few random changes at once.
fn random_changes(value: &mut Value, new: &[Value], random: &mut Random) {
    for _ in 0..random.below(6) + 1 {
        let mut found = Vec::new();
        paths(value, &mut Vec::new(), &mut found);
        let at = go(value, &random.of(&found).clone());
        let new = random.of(new).clone();
        match at {
            Value::Object(map) if map.is_empty() || random.below(2) == 0 => {
                drop(map.insert(format!("key{}", random.below(3)), new));
            }
            Value::Object(map) => {
                let key = map.keys().nth(random.below(map.len())).unwrap().clone();
                map.shift_remove(&key);
            }
            Value::Array(items) if items.is_empty() || random.below(3) == 0 => {
                items.insert(random.below(items.len() + 1), new);
            }
            Value::Array(items) if random.below(2) == 0 => drop(items.remove(random.below(items.len()))),
            Value::Array(items) => {
                let item = items.remove(random.below(items.len()));
                items.insert(random.below(items.len() + 1), item);
            }
            at => *at = new,
        }
    }
}

fn random_edits(rounds: usize, seed: u64) -> Tally {
    let mut random = Random(seed);
    let (new, schema) = (values(), Schema::builtin());
    let mut tally = Tally::default();
    for (_, original) in corpus() {
        for _ in 0..rounds {
            let mut text = original.clone();
            for _ in 0..8 {
                let objects = objects(&text);
                if objects.is_empty() {
                    break;
                }
                let (at, value) = random.of(&objects);
                let mut wanted = value.clone();
                random_changes(&mut wanted, &new, &mut random);
                if ObjectId::of(&wanted) != ObjectId::of(value) {
                    continue;
                }
                let view = if random.below(2) == 0 { schema.view_of(&wanted) } else { SchemaView::unknown() };
                match edit(text.as_bytes(), at, &wanted, view) {
                    Ok(edited) => {
                        let file = String::from_utf8(edited.bytes).unwrap();
                        let right = lists::same(&read(file.as_bytes(), at).unwrap(), &normal(&wanted), view);
                        match edited.skipped.first() {
                            None if right => tally.right += 1,
                            None => tally.wrong("not what was wanted", || format!("{wanted}\n{text}\nbecame\n{file}")),
                            Some((_, why)) => tally.leave(why.to_string(), || format!("{text}\nto {wanted}")),
                        }
                        text = file;
                    }
                    Err(error) => {
                        tally.leave(error.why.to_string(), || format!("{error} {text}\nto {wanted}"));
                        break;
                    }
                }
            }
        }
    }
    tally
}

#[test]
fn many_changes_at_once_and_after_each_other_give_what_was_wanted() {
    let tally = random_edits(13, 11);
    tally.check();
    assert!(tally.right > 1000);
}

#[test]
#[ignore = "long"]
fn very_many_changes_at_once_and_after_each_other_give_what_was_wanted() {
    let tally = random_edits(800, 5);
    tally.check();
}

/// Broken and mutilated files: whatever is still an object is edited and removed rightly, or refused.
fn mutilated(rounds: usize, seed: u64) -> (usize, usize) {
    let mut random = Random(seed);
    let pieces = [
        "\n", "  ", "-", "- ", ":", ": ", "#", " #", "\"", "'", "{", "}", "[", "]", ",", "|", ">", "&a ", "*a", "!x ",
        "? ", "---\n", "...\n", "\t", "\r\n", "<<: ", "é", "\u{feff}",
    ];
    let (new, mut edited, mut refused) = (values(), 0, 0);
    for (_, original) in corpus() {
        let original: Vec<char> = original.chars().collect();
        for _ in 0..rounds {
            let mut text = original.clone();
            for _ in 0..random.below(4) + 1 {
                let start = random.below(text.len());
                let end = (start + random.below(12)).min(text.len());
                let with = if random.below(2) == 0 { "" } else { random.of(&pieces) };
                text.splice(start..end, with.chars());
            }
            let text: String = text.into_iter().collect();
            for (at, value) in objects(&text) {
                let mut wanted = value.clone();
                random_changes(&mut wanted, &new, &mut random);
                if ObjectId::of(&wanted) != ObjectId::of(&value) {
                    continue;
                }
                match edit(text.as_bytes(), &at, &wanted, SchemaView::unknown()) {
                    Ok(result) => {
                        let got = read(&result.bytes, &at).unwrap();
                        assert!(got == normal(&wanted) || !result.skipped.is_empty(), "{wanted}\n{text}");
                        edited += 1;
                    }
                    Err(_) => refused += 1,
                }
                let _ = remove(text.as_bytes(), &at);
            }
        }
    }
    (edited, refused)
}

#[test]
fn mutilated_files_are_edited_rightly_or_not_at_all() {
    let (edited, refused) = mutilated(40, 3);
    assert!(edited > 100 && refused * 10 < edited, "{edited} edited, {refused} refused");
}

#[test]
#[ignore = "long"]
fn very_many_mutilated_files_are_edited_rightly_or_not_at_all() {
    let (edited, refused) = mutilated(5_000, 17);
    println!("{edited} edited, {refused} refused");
    assert!(refused * 10 < edited);
}
