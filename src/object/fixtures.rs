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
