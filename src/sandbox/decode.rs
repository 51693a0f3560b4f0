//! Owns the way of a request's object through the server's own types and back: unknown fields fall away, types are
//! checked, quantities and times are spelt canonically, zero values that mean nothing are left out. Must never fill in a
//! default that the types do not have.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::kinds::Resource;
use super::quantity;
use super::types::{Field, Type, Types, types};

/// An object as the server would write it.
#[derive(Debug)]
pub(super) struct Decoded {
    pub object: Value,
    /// Fields that the types do not have, as the server names them.
    pub unknown: Vec<String>,
}

/// Reads an object of this kind.
///
/// # Errors
///
/// What Go's JSON decoder says when a value is of the wrong type.
pub(super) fn decode(resource: &Resource, object: Value) -> Result<Decoded, String> {
    decode_as(&types().root(resource), object)
}

/// Reads a value of this type.
///
/// # Errors
///
/// As [`decode`].
pub(super) fn decode_as(of: &Type, value: Value) -> Result<Decoded, String> {
    let mut reader = Reader { types: types(), unknown: Vec::new() };
    let object = reader.value(of, value, &At { within: "", path: "" })?.unwrap_or_else(|| Value::Object(Map::new()));
    Ok(Decoded { object, unknown: reader.unknown })
}

/// An object of this kind in which nothing was said: what the server compares a new object with, to tell who owns what.
pub(super) fn empty(resource: &Resource) -> Value {
    let types = types();
    let mut object = decode(resource, Value::Object(Map::new())).map_or(Value::Null, |decoded| decoded.object);
    add_required(types, &types.root(resource), &mut object);
    if let Value::Object(object) = &mut object {
        object.insert("apiVersion".into(), resource.api_version().into());
        object.insert("kind".into(), resource.kind.clone().into());
    }
    object
}

/// Fields without which the types cannot be written stand in every object, even in an empty one.
fn add_required(types: &Types, of: &Type, value: &mut Value) {
    let (Type::Struct(number), Value::Object(map)) = (of, value) else { return };
    for (name, field) in types.struct_of(*number).into_iter().flat_map(|of| &of.fields) {
        if let Some(value) = map.get_mut(name) {
            add_required(types, &field.of, value);
        } else if field.required && !field.filled {
            let zero = match field.of {
                Type::Text => Value::from(""),
                Type::Integer => Value::from(0),
                _ => Value::Null,
            };
            map.insert(name.clone(), zero);
        }
    }
}

/// Where a value stands.
#[derive(Clone, Copy)]
struct At<'a> {
    /// The struct around it.
    within: &'a str,
    path: &'a str,
}

struct Reader<'a> {
    types: &'a Types,
    unknown: Vec<String>,
}

impl Reader<'_> {
    /// `None`: nothing that the server would write.
    fn value(&mut self, of: &Type, value: Value, at: &At<'_>) -> Result<Option<Value>, String> {
        if value.is_null() {
            return Ok(None);
        }
        Ok(Some(match (of, value) {
            (Type::Any, value) => value,
            (Type::Struct(number), Value::Object(map)) => Value::Object(self.fields(*number, map, at)?),
            (Type::Map(of), Value::Object(map)) => Value::Object(self.entries(of, map, at)?),
            (Type::List(of), Value::Array(items)) => Value::Array(self.items(of, items, at)?),
            (Type::Text, Value::String(text)) => Value::String(text),
            (Type::Boolean, Value::Bool(flag)) => Value::Bool(flag),
            (Type::Integer, Value::Number(number)) if number.is_i64() => Value::Number(number),
            (Type::Number, Value::Number(number)) => Value::Number(number),
            (Type::IntOrString, Value::String(text)) => Value::String(text),
            (Type::IntOrString, Value::Number(number)) if number.is_i64() => Value::Number(number),
            (Type::Bytes, Value::String(text)) => Value::String(bytes(&text)?),
            (Type::Time | Type::MicroTime, Value::String(text)) => Value::String(time(&text, *of == Type::MicroTime)?),
            (Type::Quantity, value) => Value::String(quantity::canonical(&value)?),
            (of, value) => return Err(self.mismatch(of, &value, at)),
        }))
    }

    fn mismatch(&self, of: &Type, value: &Value, at: &At<'_>) -> String {
        let got = match value {
            Value::Bool(_) => "bool".to_owned(),
            Value::Number(number) if number.is_i64() => "number".to_owned(),
            Value::Number(number) => format!("number {number}"),
            Value::String(_) => "string".to_owned(),
            Value::Array(_) => "array".to_owned(),
            _ => "object".to_owned(),
        };
        let of = self.types.go_name(of);
        format!("json: cannot unmarshal {got} into Go struct field {}.{} of type {of}", at.within, at.path)
    }

    fn fields(&mut self, number: usize, map: Map<String, Value>, at: &At<'_>) -> Result<Map<String, Value>, String> {
        let types = self.types;
        let Some(of) = types.struct_of(number) else { return Ok(map) };
        let mut written = Map::new();
        for (name, value) in map {
            let path = if at.path.is_empty() { name.clone() } else { format!("{}.{name}", at.path) };
            let Some(field) = of.fields.get(&name) else {
                self.unknown.push(path);
                continue;
            };
            let value = self.value(&field.of, value, &At { within: &of.name, path: &path })?;
            if let Some(value) = value.filter(|value| says_something(field, value)) {
                written.insert(name, value);
            }
        }
        for (name, field) in &of.fields {
            if field.filled && !written.contains_key(name) {
                let empty = self.value(&field.of, Value::Object(Map::new()), at)?;
                written.insert(name.clone(), empty.unwrap_or_default());
            }
        }
        Ok(written)
    }

    fn entries(&mut self, of: &Type, map: Map<String, Value>, at: &At<'_>) -> Result<Map<String, Value>, String> {
        let mut entries = Vec::with_capacity(map.len());
        for (key, value) in map {
            let value = self.value(of, value, at)?.unwrap_or_else(|| zero(of));
            entries.push((key, value));
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(entries.into_iter().collect())
    }

    fn items(&mut self, of: &Type, items: Vec<Value>, at: &At<'_>) -> Result<Vec<Value>, String> {
        let mut written = Vec::with_capacity(items.len());
        for (position, item) in items.into_iter().enumerate() {
            let path = format!("{}[{position}]", at.path);
            let item = self.value(of, item, &At { path: &path, ..*at })?;
            written.push(item.unwrap_or_else(|| zero(of)));
        }
        Ok(written)
    }
}

/// Whether the server would write this value of this field.
fn says_something(field: &Field, value: &Value) -> bool {
    let is_zero = match value {
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Bool(flag) => !flag,
        Value::Array(items) => items.is_empty(),
        // A struct of its own stays even when it is empty.
        Value::Object(map) => map.is_empty() && matches!(field.of, Type::Map(_)),
        Value::Null => true,
    };
    !is_zero || field.required || field.keeps_zero
}

/// What null means as an item or as the value of a map.
fn zero(of: &Type) -> Value {
    match of {
        Type::Text | Type::Bytes => Value::from(""),
        Type::Integer | Type::Number | Type::IntOrString => Value::from(0),
        Type::Boolean => Value::from(false),
        Type::Quantity => Value::from("0"),
        Type::Struct(_) | Type::Map(_) => Value::Object(Map::new()),
        Type::List(_) | Type::Time | Type::MicroTime | Type::Any => Value::Null,
    }
}

fn bytes(text: &str) -> Result<String, String> {
    let text: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    let decoded = STANDARD.decode(&text).map_err(|error| {
        let at = match error {
            base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
            _ => text.len(),
        };
        format!("illegal base64 data at input byte {at}")
    })?;
    Ok(STANDARD.encode(decoded))
}

fn time(text: &str, micro: bool) -> Result<String, String> {
    let layout = if micro { "2006-01-02T15:04:05.000000Z07:00" } else { "2006-01-02T15:04:05Z07:00" };
    let refused = || format!("parsing time {text:?} as {layout:?}: cannot parse {text:?}");
    let fraction = text.split_once('.').map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).count());
    if micro && fraction != Some(6) {
        return Err(refused());
    }
    let time: jiff::Timestamp = text.parse().map_err(|_| refused())?;
    let format = if micro { "%Y-%m-%dT%H:%M:%S.%6fZ" } else { "%Y-%m-%dT%H:%M:%SZ" };
    Ok(time.strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use super::super::kinds;
    use super::*;
    use serde_json::json;

    fn read(group: &str, kind: &str, object: Value) -> Result<Decoded, String> {
        decode(kinds::by_kind(group, kind).unwrap(), object)
    }

    #[test]
    fn zero_values_go_unless_the_server_can_tell_them_from_nothing() {
        let spec = json!({"replicas": 0, "minReadySeconds": 0, "paused": false, "template": {"spec": {
            "volumes": [], "nodeSelector": {}, "securityContext": {}, "hostNetwork": false,
            "containers": [{"name": "a", "env": [{"name": "E", "value": ""}], "command": null}]}}});
        let decoded = read("apps", "Deployment", json!({"spec": spec})).unwrap();
        let wanted = json!({"replicas": 0, "strategy": {}, "template": {"metadata": {}, "spec": {
            "securityContext": {}, "containers": [{"name": "a", "env": [{"name": "E"}], "resources": {}}]}}});
        assert_eq!(decoded.object["spec"], wanted);
        assert_eq!(decoded.object["status"], json!({}));
    }

    #[test]
    fn unknown_fields_are_named_and_dropped() {
        let object = json!({"metadata": {"foo": 1}, "dat": {}, "data": {"b": null, "a": "1"}});
        let decoded = read("", "ConfigMap", object).unwrap();
        assert_eq!(decoded.unknown, ["metadata.foo", "dat"]);
        assert_eq!(decoded.object["data"], json!({"a": "1", "b": ""}));
    }

    #[test]
    fn wrong_types_are_refused_in_the_servers_words() {
        let error = read("", "ConfigMap", json!({"data": {"a": 1}})).unwrap_err();
        assert_eq!(error, "json: cannot unmarshal number into Go struct field ConfigMap.data of type string");
        let error = read("apps", "Deployment", json!({"spec": {"replicas": "x"}})).unwrap_err();
        let wanted = "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32";
        assert_eq!(error, wanted);
        let error = read("", "Secret", json!({"data": {"a": "!"}})).unwrap_err();
        assert_eq!(error, "illegal base64 data at input byte 0");
    }

    #[test]
    fn an_empty_object_has_what_cannot_be_left_out() {
        let empty = empty(kinds::by_kind("apps", "Deployment").unwrap());
        assert_eq!(empty["spec"]["template"]["spec"]["containers"], Value::Null);
        assert_eq!(empty["spec"]["strategy"], json!({}));
    }

    #[test]
    fn times_are_spelt_one_way() {
        let lease = json!({"metadata": {"creationTimestamp": "2020-01-01T01:00:00+01:00"},
                           "spec": {"renewTime": "2020-01-01T00:00:00.100000Z"}});
        let decoded = read("coordination.k8s.io", "Lease", lease).unwrap();
        assert_eq!(decoded.object["metadata"]["creationTimestamp"], "2020-01-01T00:00:00Z");
        assert_eq!(decoded.object["spec"]["renewTime"], "2020-01-01T00:00:00.100000Z");
        let bad = json!({"spec": {"renewTime": "2020-01-01T00:00:00.1Z"}});
        assert!(read("coordination.k8s.io", "Lease", bad).is_err());
    }
}
