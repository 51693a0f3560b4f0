//! Lists and maps between brackets, in YAML and JSON.

use super::*;

fn becomes(tail: &str, changes: &[(&str, Value)]) -> String {
    let file = edited(&format!("{HEAD}{tail}"), changes);
    file.strip_prefix(HEAD).unwrap().to_owned()
}

#[test]
fn parts_with_lines_of_their_own_come_and_go_with_their_comments() {
    let list = "l: [\n  one,   # of one\n  # above two\n  two,\n\n  # above three\n  three   # of three\n]\n";
    let set = |new: Value| becomes(list, &[("/l", new)]);
    assert_eq!(set(json!(["two", "three"])), list.replace("  one,   # of one\n", ""));
    assert_eq!(set(json!(["one", "three"])), list.replace("  # above two\n  two,\n", ""));
    let wanted = list.replace("two,\n", "two\n").replace("  # above three\n  three   # of three\n", "");
    assert_eq!(set(json!(["one", "two"])), wanted);
    let wanted = list.replace("# of one\n", "# of one\n  new,\n");
    assert_eq!(set(json!(["one", "new", "two", "three"])), wanted);
    let wanted = list.replace("three   # of three\n", "three,   # of three\n  new\n");
    assert_eq!(set(json!(["one", "two", "three", "new"])), wanted);
    assert_eq!(set(json!(["new", "one", "two", "three"])), list.replace("  one,", "  new,\n  one,"));
    let trailing = "m: {\n    a: 1,\n    b: 2,   # c\n}\n";
    let wanted = "m: {\n    a: 1,\n    b: 2,   # c\n    c: 3,\n}\n";
    assert_eq!(becomes(trailing, &[("/m/c", json!(3))]), wanted);
    assert_eq!(becomes(trailing, &[("/m/b", Value::Null)]), "m: {\n    a: 1,\n}\n");
    let wanted = "m: {\n    a: 1,\n    c: 3,\n}\n";
    assert_eq!(becomes(trailing, &[("/m/b", Value::Null), ("/m/c", json!(3))]), wanted);
}

#[test]
fn parts_of_one_line_stand_as_close_as_their_neighbours() {
    assert_eq!(becomes("l: [a,b]\n", &[("/l/-", json!("c"))]), "l: [a,b,c]\n");
    assert_eq!(becomes("l: [ a , b ]\n", &[("/l/-", json!("c"))]), "l: [ a , b , c ]\n");
    assert_eq!(becomes("l: [a]\n", &[("/l/-", json!("c"))]), "l: [a, c]\n");
    assert_eq!(becomes("l: [a,\n    b, c]\n", &[("/l/-", json!("d"))]), "l: [a,\n    b, c, d]\n");
    assert_eq!(becomes("m: {a: 1,b: 2}\n", &[("/m/a", Value::Null), ("/m/c", json!([]))]), "m: {b: 2,c: []}\n");
}

fn json_edited(text: &str, changes: &[(&str, Value)]) -> String {
    let got = edited(text, changes);
    assert!(serde_json::from_str::<Value>(&got).is_ok(), "{got}");
    got
}

#[test]
fn json_keeps_its_layout() {
    let head = "\"apiVersion\": \"v1\",\n\t\"kind\": \"A\",\n\t\"metadata\": {\n\t\t\"name\": \"a\"\n\t}";
    let tabs = format!("{{\n\t{head},\n\t\"e\": {{}},\n\t\"f\": {{\"x\": 1}},\n\t\"l\": [\n\t\t1\n\t]\n}}\n");
    let changes = [
        ("/metadata/labels", json!({"k": "v", "e": []})),
        ("/e/n", json!(1)),
        ("/f/z", json!({"k": 2})),
        ("/l/-", json!({"m": [true]})),
    ];
    let wanted = tabs
        .replace("\"a\"\n", "\"a\",\n\t\t\"labels\": {\n\t\t\t\"k\": \"v\",\n\t\t\t\"e\": []\n\t\t}\n")
        .replace("{}", "{\n\t\t\"n\": 1\n\t}")
        .replace("{\"x\": 1}", "{\"x\": 1, \"z\": {\"k\": 2}}")
        .replace("\t\t1\n", "\t\t1,\n\t\t{\n\t\t\t\"m\": [\n\t\t\t\ttrue\n\t\t\t]\n\t\t}\n");
    assert_eq!(json_edited(&tabs, &changes), wanted);
    assert_eq!(json_edited(&tabs, &[("/l", Value::Null)]), tabs.replace(",\n\t\"l\": [\n\t\t1\n\t]", ""));
    assert_eq!(json_edited(&tabs, &[("/l/0", Value::Null)]), tabs.replace("[\n\t\t1\n\t]", "[]"));
    assert_eq!(json_edited(&tabs, &[("/e", Value::Null)]), tabs.replace("\t\"e\": {},\n", ""));
    let wanted = tabs.replace(",\n\t\"l\": [\n\t\t1\n\t]", ",\n\t\"n\": 1");
    assert_eq!(json_edited(&tabs, &[("/l", Value::Null), ("/n", json!(1))]), wanted);
    let small = "{\"apiVersion\":\"v1\",\"kind\":\"A\",\"metadata\":{\"name\":\"a\"},\"l\":[1],\"e\":{}}";
    let changes = [("/metadata/labels", json!({"k": ["v", 1]})), ("/l/-", json!(2)), ("/e/x", json!({"a": 1}))];
    let wanted = small
        .replace("\"a\"}", "\"a\",\"labels\":{\"k\":[\"v\",1]}}")
        .replace("[1]", "[1,2]")
        .replace("{}", "{\"x\":{\"a\":1}}");
    assert_eq!(json_edited(small, &changes), wanted);
}
