//! Owns the reading of what `examples/record.rs` recorded from a real API server, for the tests beside it.

use std::path::PathBuf;

use serde_json::Value;

use super::{Schema, SchemaView};

/// One recorded manifest.
pub(super) struct Case {
    /// File name without its ending.
    pub name: String,
    /// Everything that was recorded.
    pub parts: Value,
    schema: Schema,
}

impl Case {
    pub fn view(&self) -> SchemaView<'_> {
        self.schema.view_of(&self.parts["manifest"])
    }

    pub fn manifest(&self) -> &Value {
        &self.parts["manifest"]
    }
}

/// Every case of a folder below `tests/fixtures`, by name.
pub(super) fn cases(folder: &str) -> Vec<Case> {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let read = |path: PathBuf| std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let shelf = Schema::from_openapi_text(&read(fixtures.join("shelf-openapi.json"))).unwrap();
    let mut paths: Vec<_> = fixtures.join(folder).read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let cases: Vec<_> = paths
        .into_iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let parts: Value = serde_json::from_slice(&read(path)).unwrap();
            let is_shelf = parts["manifest"]["kind"] == "Shelf";
            Case { name, parts, schema: if is_shelf { shelf.clone() } else { Schema::builtin() } }
        })
        .collect();
    assert!(cases.len() > 20, "{folder} has only {} cases", cases.len());
    cases
}

/// The schema of the recorded custom resource, which has one field of every form.
pub(super) fn shelf() -> Schema {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/shelf-openapi.json");
    Schema::from_openapi_text(&std::fs::read(path).unwrap()).unwrap()
}

pub(super) mod strategies {
    use proptest::collection::{btree_map, btree_set, vec};
    use proptest::option::of;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    fn word() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["a", "b", "c", "d/e", "f~g", "", "1"]).prop_map(str::to_owned)
    }

    /// Any JSON but null, small.
    pub fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![any_scalar(), Just(json!({})), Just(json!([]))];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..3).prop_map(Value::Array),
                btree_map(word(), inner, 0..3).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn any_scalar() -> impl Strategy<Value = Value> {
        prop_oneof![
            word().prop_map(Value::from),
            (-2_i64..3).prop_map(Value::from),
            proptest::bool::ANY.prop_map(Value::from)
        ]
    }

    fn put(map: &mut Map<String, Value>, key: &str, value: Option<Value>) {
        map.extend(value.map(|value| (key.to_owned(), value)));
    }

    fn port() -> impl Strategy<Value = Value> {
        (of(word()),).prop_map(|(note,)| {
            let mut port = Map::new();
            put(&mut port, "note", note.map(Value::from));
            Value::Object(port)
        })
    }

    /// An object of the recorded custom resource, with some fields of each form.
    pub fn shelf() -> impl Strategy<Value = Value> {
        let ports =
            btree_map((0_i64..3, of(prop::sample::select(vec!["TCP", "UDP"]))), port(), 0..4).prop_map(|ports| {
                let mut seen = std::collections::BTreeSet::new();
                let mut items = Vec::new();
                for ((number, protocol), mut item) in ports {
                    if seen.insert((number, protocol.unwrap_or("TCP"))) {
                        item["port"] = number.into();
                        if let Some(protocol) = protocol {
                            item["protocol"] = protocol.into();
                        }
                        items.push(item);
                    }
                }
                Value::Array(items)
            });
        let tags = btree_set(word(), 0..3).prop_map(|tags| tags.into_iter().map(Value::from).collect::<Value>());
        let plain = vec(of(word()).prop_map(|a| a.map_or(json!({}), |a| json!({"a": a}))), 0..3).prop_map(Value::Array);
        let labels = || btree_map(word(), word(), 0..3).prop_map(|labels| json!(labels));
        let nested = of(0_i64..3).prop_map(|x| x.map_or(json!({}), |x| json!({"x": x})));
        let whole = of(word()).prop_map(|a| a.map_or(json!({}), |a| json!({"a": a})));
        (of(0_i64..3), of(ports), of(tags), of(plain), of(whole), of(json()), of(labels()), of(nested), of(labels()))
            .prop_map(|(size, ports, tags, plain, whole, free, labels, nested, annotations)| {
                let mut spec = Map::new();
                put(&mut spec, "size", size.map(Value::from));
                for (key, value) in [("ports", ports), ("tags", tags), ("plain", plain), ("whole", whole)] {
                    put(&mut spec, key, value);
                }
                put(&mut spec, "free", free.filter(Value::is_object));
                put(&mut spec, "labels", labels);
                put(&mut spec, "nested", nested);
                let mut metadata = Map::from_iter([("name".to_owned(), json!("one"))]);
                put(&mut metadata, "annotations", annotations);
                json!({"apiVersion": "fix.example.org/v1", "kind": "Shelf", "metadata": metadata, "spec": spec})
            })
    }
}
