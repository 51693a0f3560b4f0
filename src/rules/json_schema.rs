//! Owns the JSON Schema of the rules file, which editors use to complete and check it. Must never know a key that the
//! reader does not.

use schemars::schema_for;
use serde_json::Value;

use super::raw::RawFile;

/// The JSON Schema (draft 2020-12) of the rules file, with a description of each key.
pub fn json_schema() -> Value {
    let mut schema = schema_for!(RawFile).to_value();
    unwrap_descriptions(&mut schema);
    schema
}

/// Descriptions are wrapped as our source is; editors wrap them to their own width.
fn unwrap_descriptions(schema: &mut Value) {
    match schema {
        Value::Object(entries) => {
            for (key, value) in entries {
                match value {
                    Value::String(text) if key == "description" => *text = text.replace('\n', " "),
                    other => unwrap_descriptions(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(unwrap_descriptions),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `properties` map of the schema: where it stands, and its entries.
    fn properties(schema: &Value, at: &str, found: &mut Vec<(String, Value)>) {
        match schema {
            Value::Object(map) => {
                for (key, value) in map {
                    if key == "properties" {
                        let entries = value.as_object().unwrap();
                        found.extend(entries.iter().map(|(name, entry)| (format!("{at}/{name}"), entry.clone())));
                    }
                    properties(value, &format!("{at}/{key}"), found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| properties(item, at, found)),
            _ => {}
        }
    }

    #[test]
    fn every_key_has_a_description() {
        let mut found = Vec::new();
        properties(&json_schema(), "", &mut found);
        assert!(found.len() > 30, "{found:?}");
        for (name, entry) in found {
            assert!(entry.get("description").is_some(), "{name}: {entry}");
        }
    }

    #[test]
    fn unknown_keys_are_refused_and_a_rule_needs_its_direction() {
        let schema = json_schema();
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["$defs"]["Rule"]["additionalProperties"], false);
        assert_eq!(schema["$defs"]["Rule"]["required"], serde_json::json!(["syncTo"]));
        let directions = schema["$defs"]["Rule"]["properties"]["syncTo"].to_string();
        for direction in super::super::Direction::ALL {
            assert!(directions.contains(&format!("\"{}\"", direction.0)), "{directions}");
        }
    }

    #[test]
    fn an_entry_of_fields_is_a_text_or_a_map_with_its_path() {
        let schema = json_schema();
        let entry = schema["$defs"]["Rule"]["properties"]["fields"]["items"].to_string();
        assert!(entry.contains("\"string\"") && entry.contains("#/$defs/Field"), "{entry}");
        let field = &schema["$defs"]["Field"];
        assert_eq!((&field["required"], &field["additionalProperties"]), (&serde_json::json!(["path"]), &false.into()));
        let formats = schema["$defs"]["Rule"]["properties"]["format"].to_string();
        for (name, _) in super::super::Format::ALL {
            assert!(formats.contains(&format!("\"{name}\"")), "{formats}");
        }
    }

    #[test]
    fn the_example_names_every_key() {
        let example = include_str!("../../config.example.yaml");
        let mut found = Vec::new();
        properties(&json_schema(), "", &mut found);
        for (path, _) in found {
            let name = path.rsplit('/').next().unwrap();
            let mention = |line: &str| line.trim_start_matches(['#', ' ', '-']).starts_with(&format!("{name}:"));
            assert!(example.lines().any(mention), "config.example.yaml does not explain {path}");
        }
    }
}
