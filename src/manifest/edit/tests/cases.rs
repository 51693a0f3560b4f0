//! Edits of `tests/fixtures/yaml-edit`, each with the exact bytes that have to come out.

use super::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    fixture: String,
    name: String,
    document: u32,
    path: Vec<Value>,
    set: Option<Value>,
    add: Option<(String, Value)>,
    append: Option<Value>,
    remove: Option<Value>,
    becomes: Vec<(String, String)>,
}

pub fn fixture(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/yaml-edit");
    std::fs::read_to_string(format!("{folder}/{name}")).unwrap()
}

fn step<'v>(value: &'v mut Value, step: &Value) -> &'v mut Value {
    match step {
        Value::String(key) => &mut value[key],
        step => &mut value[step.as_u64().unwrap() as usize],
    }
}

fn wanted(case: &Case, mut value: Value) -> Value {
    let at = case.path.iter().fold(&mut value, step);
    if let Some(new) = &case.set {
        *at = new.clone();
    }
    if let Some((key, new)) = &case.add {
        if at.is_null() {
            *at = json!({});
        }
        at[key] = new.clone();
    }
    if let Some(new) = &case.append {
        at.as_array_mut().unwrap().push(new.clone());
    }
    match &case.remove {
        Some(Value::String(key)) => drop(at.as_object_mut().unwrap().shift_remove(key).unwrap()),
        Some(position) => drop(at.as_array_mut().unwrap().remove(position.as_u64().unwrap() as usize)),
        None => {}
    }
    value
}

#[test]
fn every_known_edit_gives_exactly_the_known_bytes() {
    let cases: Vec<Case> = serde_json::from_str(&fixture("cases.json")).unwrap();
    assert_eq!(cases.len(), 66);
    let schema = Schema::builtin();
    for case in &cases {
        let before = fixture(&format!("{}.yaml", case.fixture));
        let mut after = before.replace("\r\n", "\n");
        for (from, to) in &case.becomes {
            assert_eq!(after.matches(from).count(), 1, "{}: {from:?}", case.name);
            after = after.replace(from, to);
        }
        if before.contains("\r\n") {
            after = after.replace('\n', "\r\n");
        }
        let at = place(case.document, &[]);
        let wanted = wanted(case, read(before.as_bytes(), &at).unwrap());
        for view in [schema.view_of(&wanted), SchemaView::unknown()] {
            let edited =
                edit(before.as_bytes(), &at, &wanted, view).unwrap_or_else(|error| panic!("{}: {error}", case.name));
            assert_eq!(edited.skipped, [], "{}", case.name);
            assert_eq!(String::from_utf8(edited.bytes).unwrap(), after, "{} in {}", case.name, case.fixture);
        }
    }
}
