use super::*;
use crate::manifest::{Caps, split};
use crate::object::{RepoPath, Schema};
use serde_json::json;

mod cases;
mod corpus;
mod flow;
mod fuzz;
mod items;
mod removal;
mod sequences;
mod unfolding;

fn place(document: u32, item: &[u32]) -> Place {
    Place { path: RepoPath::parse("a.yaml").unwrap(), document, item: item.into(), line: 1 }
}

/// What a document is with another value at a JSON pointer: null removes, anything else is put there.
fn with(text: &str, at: &Place, changes: &[(&str, Value)]) -> Value {
    let mut value = read(text.as_bytes(), at).unwrap();
    for (pointer, new) in changes {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let key = key.replace("~1", "/").replace("~0", "~");
        match value.pointer_mut(parent).unwrap() {
            Value::Object(map) if new.is_null() => drop(map.shift_remove(&key).unwrap()),
            Value::Object(map) => drop(map.insert(key, new.clone())),
            Value::Array(items) if new.is_null() => drop(items.remove(key.parse().unwrap())),
            Value::Array(items) if key == "-" => items.push(new.clone()),
            Value::Array(items) => items[key.parse::<usize>().unwrap()] = new.clone(),
            other => panic!("{other}"),
        }
    }
    value
}

/// The file after an edit in which nothing is skipped.
fn edited(text: &str, changes: &[(&str, Value)]) -> String {
    let (text, skipped) = tried(text, changes);
    assert_eq!(skipped, [""; 0]);
    text
}

/// The file after an edit, and what was skipped.
fn tried(text: &str, changes: &[(&str, Value)]) -> (String, Vec<String>) {
    let wanted = with(text, &place(1, &[]), changes);
    let schema = Schema::builtin();
    let edited = edit(text.as_bytes(), &place(1, &[]), &wanted, schema.view_of(&wanted)).unwrap();
    let skipped = edited.skipped.iter().map(|(path, why)| format!("{path}: {why}")).collect();
    (String::from_utf8(edited.bytes).unwrap(), skipped)
}

const HEAD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n";

#[test]
fn nothing_wanted_changes_nothing() {
    let text = format!("# c\r\n{HEAD}data: {{a: 0x10, b: &x [1.0], c: *x}}\n...\n# end");
    assert_eq!(edited(&text, &[]), text);
    let whole = with(&text, &place(1, &[]), &[("/data/b/0", json!(1.0)), ("/data/a", json!(16.0))]);
    assert_eq!(edit(text.as_bytes(), &place(1, &[]), &whole, SchemaView::unknown()).unwrap().bytes, text.as_bytes());
}

#[test]
fn another_order_of_keyed_lists_and_sets_is_no_change() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  finalizers: [x/a, x/b]\nspec:\n  containers:\n  - name: a\n    \
                ports:\n    - containerPort: 80\n    - containerPort: 81\n  - name: b\n";
    let wanted = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "finalizers": ["x/b", "x/a"]},
        "spec": {"containers": [{"name": "b"}, {"name": "a", "ports": [{"containerPort": 81}, {"containerPort": 80}]}]}});
    let schema = Schema::builtin();
    let edit = |wanted: &Value| edit(text.as_bytes(), &place(1, &[]), wanted, schema.view_of(wanted)).unwrap();
    assert_eq!(edit(&wanted), Edited { bytes: text.into(), skipped: Vec::new() });
    // The key's default names the item; what else differs is edited in the item that it names.
    let mut other = wanted.clone();
    other["spec"]["containers"][1]["ports"][1] = json!({"containerPort": 80, "protocol": "TCP", "name": "web"});
    let wanted = text.replace("- containerPort: 80\n", "- containerPort: 80\n      protocol: TCP\n      name: web\n");
    assert_eq!(String::from_utf8(edit(&other).bytes).unwrap(), wanted);
}

#[test]
fn several_changes_at_once_keep_out_of_each_others_way() {
    let text = format!(
        "{HEAD}  labels:\n    a: b # c\n    # of c\n    c: d\n    e: f\ndata:\n  x: y\n  # of z\n  z: |\n    1\n\nend: 1\n"
    );
    let changes = [
        ("/metadata/labels/c", Value::Null),
        ("/metadata/labels/e", Value::Null),
        ("/metadata/labels/g", json!("h")),
        ("/metadata/annotations", json!({"i": "j"})),
        ("/data/z", Value::Null),
        ("/data/k", json!("l\nm\n")),
        ("/immutable", json!(true)),
        ("/end", Value::Null),
    ];
    let wanted = format!(
        "{HEAD}  labels:\n    a: b # c\n    g: h\n  annotations:\n    i: j\ndata:\n  x: y\n  k: |\n    l\n    m\nimmutable: true\n"
    );
    assert_eq!(edited(&text, &changes), wanted);
}

#[test]
fn a_map_or_list_that_becomes_empty_keeps_its_header() {
    let text = format!("{HEAD}  labels: # why\n    a: b\ndata: {{x: y}}\nlist: # l\n# m\n- 1\n- 2\nend: 1\n");
    let changes = [
        ("/metadata/labels/a", Value::Null),
        ("/data/x", Value::Null),
        ("/list", json!([])),
        ("/end", json!([{"a": []}])),
    ];
    let wanted = format!("{HEAD}  labels: {{}} # why\ndata: {{}}\nlist: [] # l\nend:\n- a: []\n");
    assert_eq!(edited(&text, &changes), wanted);
}

#[test]
fn block_scalars_keep_header_indentation_and_comment() {
    let text = format!(
        "{HEAD}data:\n  a: |2- # lead\n      x\n  b: >\n     folded\n     text\n\n     more\n  c: |+\n    keep\n\n  d: |\n    last\n"
    );
    let changes = [
        ("/data/a", json!("    x\n  y")),
        ("/data/b", json!("folded words\nand\n\nmore\n")),
        ("/data/c", json!("keep\nit\n\n\n")),
        ("/data/d", json!("last\n\n")),
    ];
    let wanted = format!(
        "{HEAD}data:\n  a: |2- # lead\n        x\n      y\n  b: >\n     folded\n     words\n\n     and\n\n\n     more\n  c: |+\n    keep\n    it\n\n\n  \
         d: \"last\\n\\n\"\n"
    );
    assert_eq!(edited(&text, &changes), wanted);
    let changes =
        [("/data/a", json!(1)), ("/data/b", json!(["x"])), ("/data/c", json!("k\n")), ("/data/d", json!("l"))];
    let wanted = format!("{HEAD}data:\n  a: 1 # lead\n  b:\n  - x\n  c: |+\n    k\n  d: l\n");
    assert_eq!(edited(&text, &changes), wanted);
}

#[test]
fn items_of_atomic_lists_come_and_go_where_they_stand() {
    let text = format!("{HEAD}args:\n# first\n- a\n- b # two\n- c\nnested:\n- - x\n  - y\n");
    let changes = |args: Value| [("/args", args), ("/nested/0", json!(["w", "x", "z"]))];
    let wanted = format!("{HEAD}args:\n# first\n- a\n- b # two\n- new\n- c\nnested:\n- - w\n  - x\n  - z\n");
    assert_eq!(edited(&text, &changes(json!(["a", "b", "new", "c"]))), wanted);
    let wanted = format!("{HEAD}args:\n- new\n# first\n- a\n- c\nnested:\n- - w\n  - x\n  - z\n");
    assert_eq!(edited(&edited(&text, &changes(json!(["a", "c"]))), &[("/args", json!(["new", "a", "c"]))]), wanted);
}

#[test]
fn json_files_stay_json() {
    let text = "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"ConfigMap\",\n  \"metadata\": {\"name\": \"a\", \"labels\": {}},\n  \"data\": {\n    \
                \"n\": 1,\n    \"s\": \"x\"\n  }\n}\n";
    let changes = [
        ("/data/n", json!("yes\u{7}")),
        ("/data/s", Value::Null),
        ("/data/t", json!({"a": ["b", 1.5, null]})),
        ("/metadata/labels/l", json!("m")),
    ];
    let wanted = "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"ConfigMap\",\n  \"metadata\": {\"name\": \"a\", \"labels\": {\"l\": \
                  \"m\"}},\n  \"data\": {\n    \"n\": \"yes\\u0007\",\n    \"t\": {\n      \"a\": [\n        \"b\",\n        1.5,\n        null\n      ]\n    }\n  }\n}\n";
    let got = edited(text, &changes);
    assert_eq!(got, wanted);
    assert!(serde_json::from_str::<Value>(&got).is_ok());
}

#[test]
fn items_of_lists_are_edited_in_place() {
    let text = "apiVersion: v1\nkind: List\nitems:\n# a\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: a}\n  data:\n    x: \"1\"\n\
                - {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n";
    let schema = Schema::builtin();
    let at = place(1, &[0]);
    let wanted = with(text, &at, &[("/data/x", json!("2")), ("/data/z", json!("3"))]);
    let got = edit(text.as_bytes(), &at, &wanted, schema.view_of(&wanted)).unwrap();
    assert_eq!(String::from_utf8(got.bytes).unwrap(), text.replace("x: \"1\"\n", "x: \"2\"\n    z: \"3\"\n"));
    let at = place(1, &[1]);
    let wanted = with(text, &at, &[("/data", json!({"x": "y\n"}))]);
    let got = edit(text.as_bytes(), &at, &wanted, schema.view_of(&wanted)).unwrap();
    assert_eq!(String::from_utf8(got.bytes).unwrap(), text.replace("{name: b}}", "{name: b}, data: {x: \"y\\n\"}}"));
}

#[test]
fn a_place_that_holds_something_else_is_refused() {
    let text = format!("{HEAD}---\n{}", HEAD.replace("name: a", "name: b"));
    let wanted = read(text.as_bytes(), &place(2, &[])).unwrap();
    let why =
        |at: &Place, wanted: &Value| edit(text.as_bytes(), at, wanted, SchemaView::unknown()).unwrap_err().to_string();
    assert_eq!(why(&place(1, &[]), &wanted), "a.yaml:1: here stands ConfigMap a now; read the file again");
    assert_eq!(why(&place(3, &[]), &wanted), "a.yaml:1: no object stands here any more; read the file again");
    assert_eq!(why(&place(1, &[0]), &wanted), "a.yaml:1: no object stands here any more; read the file again");
    assert_eq!(why(&place(1, &[]), &json!({})), "a.yaml:1: here stands ConfigMap a now; read the file again");
    let broken = edit(b"a: [\n---\nb: 1\n", &place(1, &[]), &wanted, SchemaView::unknown()).unwrap_err();
    assert!(matches!(broken.why, Why::Broken(_)), "{broken}");
}
