//! Any bytes as a file: splitting, reading, and edits and the removal of an object in it. What comes out of an edit reads
//! as it was wanted or lists what was left; every other document keeps its bytes. `cargo +nightly fuzz run manifest`.
//!
//! What follows a NUL byte is no part of the file: it says which edits are made. Without one they follow from the file.

#![no_main]

use std::sync::LazyLock;

use kubeferry::manifest::{self, Caps, Document, ManifestFile, Place, split};
use kubeferry::object::{ObjectId, RepoPath, Schema, SchemaView};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// Small enough that the slowest legal file is quick.
const CAPS: Caps = Caps { bytes: 16 << 10, depth: 40, nodes: 5_000, alias_nodes: 1_000, documents: 50 };
static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::builtin);

fuzz_target!(|data: &[u8]| {
    let (file, script) = match data.iter().position(|byte| *byte == 0) {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &[][..]),
    };
    let mut choices = Choices::new(file, script);
    if let Ok(text) = std::str::from_utf8(file) {
        let documents = split(text);
        let joined: String = documents.iter().map(|document| document.text).collect();
        assert_eq!(joined, text);
        for document in documents.iter().take(CAPS.documents) {
            let _ = document.load(&CAPS);
        }
    }
    let path = RepoPath::parse("a.yaml").unwrap();
    let read = ManifestFile::read(path, file, &CAPS);
    if !read.objects.is_empty() {
        let place = &read.objects[choices.below(read.objects.len())].place;
        edit(file, place, &mut choices);
        remove(file, &read, place);
    }
});

fn edit(file: &[u8], place: &Place, choices: &mut Choices<'_>) {
    let current = manifest::read(file, place).unwrap();
    let mut wanted = current.clone();
    for _ in 0..=choices.below(3) {
        change(&mut wanted, choices);
    }
    if ObjectId::of(&wanted) != ObjectId::of(&current) || ObjectId::of(&wanted).is_none() {
        return;
    }
    let view = if choices.below(2) == 0 { SCHEMA.view_of(&wanted) } else { SchemaView::unknown() };
    let Ok(edited) = manifest::edit(file, place, &wanted, view) else { return };
    let read = manifest::read(&edited.bytes, place).unwrap();
    assert!(!edited.skipped.is_empty() || same(&read, &wanted, view), "{read:#}\nis not\n{wanted:#}");
    let again = manifest::edit(&edited.bytes, place, &read, view).unwrap();
    assert_eq!(again.bytes, edited.bytes, "an edit that changes nothing has changed something");
    let (before, after) = (std::str::from_utf8(file).unwrap(), std::str::from_utf8(&edited.bytes).unwrap());
    let others = |text| -> Vec<String> {
        let others = split(text).into_iter().filter(|document| document.number != place.document as usize);
        others.map(|document| document.text.to_owned()).collect()
    };
    assert_eq!(others(before), others(after));
}

fn remove(file: &[u8], before: &ManifestFile, place: &Place) {
    match manifest::remove(file, place) {
        Ok(Some(left)) => {
            let after = ManifestFile::read(before.path.clone(), &left, &CAPS);
            let digests = |file: &ManifestFile| -> Vec<_> {
                let others = file.objects.iter().filter(|manifest| manifest.place.document != place.document);
                others.map(|manifest| (manifest.id.clone(), manifest.digest)).collect()
            };
            // Documents behind one that went have moved up; those of an item that went have not.
            let all: Vec<_> = after.objects.iter().map(|manifest| (manifest.id.clone(), manifest.digest)).collect();
            assert!(digests(before).iter().all(|other| all.contains(other)));
            assert_eq!(after.objects.len() + 1, before.objects.len());
        }
        Ok(None) => {
            let text = std::str::from_utf8(file).unwrap();
            let other = |document: &Document<'_>| document.number != place.document as usize;
            assert!(split(text).iter().filter(|document| other(document)).all(Document::is_empty));
        }
        Err(_) => {}
    }
}

/// Changes one value, somewhere below `value`.
fn change(value: &mut Value, choices: &mut Choices<'_>) {
    let inner = match value {
        Value::Object(map) => map.len(),
        Value::Array(items) => items.len(),
        _ => 0,
    };
    if inner > 0 && choices.below(4) > 0 {
        let position = choices.below(inner);
        let child = match value {
            Value::Object(map) => map.values_mut().nth(position),
            Value::Array(items) => items.get_mut(position),
            _ => None,
        };
        return child.map_or((), |child| change(child, choices));
    }
    match value {
        Value::Object(map) => match choices.below(3) {
            0 if inner > 0 => {
                let key = map.keys().nth(choices.below(inner)).cloned().unwrap();
                map.shift_remove(&key);
            }
            _ => drop(map.insert(KEYS[choices.below(KEYS.len())].to_owned(), new(choices))),
        },
        Value::Array(items) => match choices.below(4) {
            0 if inner > 0 => drop(items.remove(choices.below(inner))),
            1 if inner > 1 => items.swap(0, inner - 1),
            2 => items.push(new(choices)),
            _ => items.insert(choices.below(inner + 1), new(choices)),
        },
        scalar => *scalar = new(choices),
    }
}

const KEYS: [&str; 9] = ["k", "name", "a/b", "yes", "1", "key: x", "", "#", "labels"];

/// Another value.
fn new(choices: &mut Choices<'_>) -> Value {
    const TEXTS: [&str; 24] = [
        "",
        "x",
        "yes",
        "~",
        "0644",
        "1e3",
        "2001-01-01",
        "a: b",
        "a #b",
        "- x",
        "*a",
        "&a",
        "!x",
        "%",
        "@",
        "'",
        "\"",
        "{",
        "é\u{2028}",
        "\u{7}",
        "two words",
        " lead",
        "tail ",
        "\ttab",
    ];
    const LINES: [&str; 10] =
        ["a\nb\n", "a\nb", "a\n\n", "\n", "\na", "  a\nb\n", "a\n \nb\n", "a\r\nb", "---\na\n...\n", "a\n\tb\n"];
    match choices.below(10) {
        0..4 => json!(TEXTS[choices.below(TEXTS.len())]),
        4 | 5 => json!(LINES[choices.below(LINES.len())]),
        6 => json!([-1, 0, i64::MAX, 7][choices.below(4)]),
        7 => [json!(true), json!(null), json!({}), json!([])][choices.below(4)].clone(),
        8 => json!([new_scalar(choices), {"name": new_scalar(choices)}, []]),
        _ => json!({"k": new_scalar(choices), "l": [new_scalar(choices)], "m": {"n": new_scalar(choices)}}),
    }
}

fn new_scalar(choices: &mut Choices<'_>) -> Value {
    [json!("v"), json!("a\nb\n"), json!(1), json!("no"), json!(null)][choices.below(5)].clone()
}

/// Whether two values are the same but for the order of lists with keys and of sets.
fn same(one: &Value, other: &Value, view: SchemaView<'_>) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let equal = |(key, value): (&String, &Value)| {
                other.get(key).is_some_and(|other| same(value, other, view.field(key)))
            };
            one.len() == other.len() && one.iter().all(equal)
        }
        (Value::Array(one), Value::Array(other)) => {
            let in_order = one.iter().zip(other).all(|(one, other)| same(one, other, view.item()));
            let paired = |item: &Value| {
                let key = view.item_key(item);
                key.is_some() && other.iter().any(|other| view.item_key(other) == key && same(item, other, view.item()))
            };
            one.len() == other.len() && (in_order || one.iter().all(paired))
        }
        _ => one == other,
    }
}

/// Which edits are made: by the script, and by the file itself where that ends.
struct Choices<'s> {
    script: std::slice::Iter<'s, u8>,
    state: u64,
}

impl<'s> Choices<'s> {
    fn new(file: &[u8], script: &'s [u8]) -> Self {
        let mix = |state: u64, byte: &u8| (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Self { script: script.iter(), state: file.iter().fold(0xcbf2_9ce4_8422_2325, mix) }
    }

    /// A number below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        if let Some(byte) = self.script.next() {
            return usize::from(*byte) % end;
        }
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) as usize % end
    }
}
