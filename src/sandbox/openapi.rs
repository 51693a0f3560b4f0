//! Owns `/openapi/v3`: an index with hashes, and per group-version the schemas of the kinds served. Must never serve a
//! schema that is not a real server's.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::object::Digest;

use super::types::fixture;

const PREFIX: &str = "#/components/schemas/";

/// Parameters that every PATCH takes; kubectl looks for them before it uses them.
const PARAMETERS: &[&str] = &["dryRun", "fieldManager", "fieldValidation", "force", "pretty"];

struct Document {
    hash: String,
    text: String,
}

fn documents() -> &'static BTreeMap<String, Document> {
    static DOCUMENTS: LazyLock<BTreeMap<String, Document>> = LazyLock::new(|| {
        let all = fixture().get("documents").and_then(Value::as_object);
        all.into_iter()
            .flatten()
            .map(|(path, parts)| {
                let document = document(parts);
                let hash = Digest::of_value(&document).to_string().to_uppercase();
                (path.clone(), Document { hash, text: document.to_string() })
            })
            .collect()
    });
    &DOCUMENTS
}

/// `/openapi/v3`.
pub(super) fn index() -> Value {
    let paths: Map<String, Value> = documents()
        .iter()
        .map(|(path, document)| {
            let url = format!("/openapi/v3/{path}?hash={}", document.hash);
            (path.clone(), json!({"serverRelativeURL": url}))
        })
        .collect();
    json!({"paths": paths})
}

/// The document of one group-version (`api/v1`, `apis/apps/v1`) and its hash.
pub(super) fn text(path: &str) -> Option<(&'static str, &'static str)> {
    documents().get(path).map(|document| (document.text.as_str(), document.hash.as_str()))
}

fn document(parts: &Value) -> Value {
    let schemas = fixture().get("schemas").and_then(Value::as_object);
    let roots = parts.get("roots").and_then(Value::as_array);
    let mut wanted: Vec<String> = roots.into_iter().flatten().filter_map(Value::as_str).map(String::from).collect();
    let mut found: BTreeMap<String, Value> = BTreeMap::new();
    while let Some(name) = wanted.pop() {
        if let Some(schema) = schemas.and_then(|schemas| schemas.get(&name)).filter(|_| !found.contains_key(&name)) {
            references(schema, &mut wanted);
            found.insert(name, schema.clone());
        }
    }
    let patches = parts.get("patch").and_then(Value::as_object);
    let paths: Map<String, Value> = patches
        .into_iter()
        .flatten()
        .map(|(path, kind)| {
            let parameters: Vec<_> = PARAMETERS
                .iter()
                .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}}))
                .collect();
            let operation = json!({"parameters": parameters, "responses": {"200": {"description": "OK"}},
                                   "x-kubernetes-action": "patch", "x-kubernetes-group-version-kind": kind});
            (path.clone(), json!({"patch": operation}))
        })
        .collect();
    json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "1.36"}, "paths": paths,
           "components": {"schemas": found}})
}

fn references(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                match value.as_str().and_then(|text| text.strip_prefix(PREFIX)) {
                    Some(name) if key == "$ref" => found.push(name.to_owned()),
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::kinds;
    use super::*;
    use crate::object::Schema;

    #[test]
    fn every_document_reads_as_a_schema_of_its_kinds() {
        let index = index();
        for resource in kinds::all() {
            let path = if resource.group.is_empty() {
                "api/v1".to_owned()
            } else {
                format!("apis/{}", resource.api_version())
            };
            let (text, hash) = text(&path).unwrap();
            let url = index["paths"][&path]["serverRelativeURL"].as_str().unwrap();
            assert!(url.ends_with(&format!("?hash={hash}")), "{url}");
            let schema = Schema::from_openapi_text(text.as_bytes()).unwrap();
            assert!(schema.root(&resource.group, &resource.version, &resource.kind).is_some(), "{}", resource.kind);
        }
    }
}
