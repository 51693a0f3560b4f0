//! Owns the reading of an OpenAPI v3 document into the reduced table. Must never keep what merging, comparing and
//! defaulting do not need (descriptions, formats, validation).

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::{Field, ListShape, MapShape, Merge, ScalarKind, Shape, Table, Type, TypeRef};

const PREFIX: &str = "#/components/schemas/";
const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const RAW_EXTENSION: &str = "io.k8s.apimachinery.pkg.runtime.RawExtension";
/// Deeper inline schemas do not occur; recursion goes through names, which are read once each.
const MAX_DEPTH: usize = 200;

/// Why a document gives no schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The bytes are no JSON.
    #[error("the OpenAPI document is not JSON: {0}")]
    NotJson(String),
    /// There is no `components.schemas`.
    #[error("the OpenAPI document has no components.schemas; ask for /openapi/v3/apis/GROUP/VERSION")]
    NoSchemas,
    /// Schemas inside schemas without end.
    #[error("the schema {0} of the OpenAPI document is nested too deeply")]
    TooDeep(String),
}

pub(super) fn read(document: &Value) -> Result<Table, SchemaError> {
    let Some(schemas) = document.pointer("/components/schemas").and_then(Value::as_object) else {
        return Err(SchemaError::NoSchemas);
    };
    let mut reader =
        Reader { schemas, types: Vec::new(), named: HashMap::new(), inline: HashMap::new(), wanted: Vec::new() };
    let mut roots = BTreeMap::new();
    for (name, schema) in schemas {
        if is_object(schema) {
            let of = reader.named(name);
            let kinds = schema.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
            for kind in kinds.into_iter().flatten() {
                let text = |key: &str| -> Box<str> { kind.get(key).and_then(Value::as_str).unwrap_or("").into() };
                roots.insert((text("group"), text("version"), text("kind")), of);
            }
        }
    }
    // Only what the objects use is read, so options of requests and the like never enter the table.
    while let Some((name, number)) = reader.wanted.pop() {
        let shape = reader.named_shape(name)?;
        if let Some(slot) = reader.types.get_mut(number as usize) {
            slot.shape = shape;
        }
    }
    reader.types.shrink_to_fit();
    Ok(Table { types: reader.types, roots })
}

/// Whether a schema is that of an object: it has a kind and the metadata of an object (not of a list).
fn is_object(schema: &Value) -> bool {
    schema.get("x-kubernetes-group-version-kind").is_some()
        && schema.pointer("/properties/metadata").is_some_and(|metadata| reference(metadata) == Some(OBJECT_META))
}

/// The name that `$ref` gives, also as the only entry of `allOf`.
fn reference(schema: &Value) -> Option<&str> {
    let direct = schema.get("$ref").or_else(|| match schema.get("allOf")?.as_array()?.as_slice() {
        [only] => only.get("$ref"),
        _ => None,
    });
    direct?.as_str()?.strip_prefix(PREFIX)
}

struct Reader<'a> {
    schemas: &'a serde_json::Map<String, Value>,
    types: Vec<Type>,
    named: HashMap<&'a str, u32>,
    /// Types without a name, so that equal ones are stored once.
    inline: HashMap<Shape, u32>,
    /// Names that were given a number and are still to be read.
    wanted: Vec<(&'a str, u32)>,
}

impl<'a> Reader<'a> {
    fn named(&mut self, name: &'a str) -> TypeRef {
        let number = match self.named.get(name) {
            Some(number) => *number,
            None => {
                let number = self.push(Type { name: Some(name.into()), shape: Shape::Any });
                self.named.insert(name, number);
                self.wanted.push((name, number));
                number
            }
        };
        TypeRef { number, atomic: None }
    }

    fn push(&mut self, of: Type) -> u32 {
        self.types.push(of);
        // A document of four thousand million types does not fit into memory.
        u32::try_from(self.types.len() - 1).unwrap_or(u32::MAX)
    }

    fn named_shape(&mut self, name: &'a str) -> Result<Shape, SchemaError> {
        match (name, self.schemas.get(name)) {
            (QUANTITY, _) => Ok(Shape::Scalar(ScalarKind::Quantity)),
            (RAW_EXTENSION, _) => Ok(Shape::Opaque),
            (_, None) => Ok(Shape::Any),
            (_, Some(schema)) => self.shape(schema, false, 0).map_err(|TooDeep| SchemaError::TooDeep(name.to_owned())),
        }
    }

    /// A use of a type: by name, or one that stands right here.
    fn reference(&mut self, schema: &'a Value, preserve: bool, depth: usize) -> Result<TypeRef, TooDeep> {
        if let Some(name) = reference(schema) {
            return Ok(TypeRef { atomic: map_type(schema), ..self.named(name) });
        }
        let shape = self.shape(schema, preserve, depth + 1)?;
        let number = match self.inline.get(&shape) {
            Some(number) => *number,
            None => {
                let number = self.push(Type { name: None, shape: shape.clone() });
                self.inline.insert(shape, number);
                number
            }
        };
        Ok(TypeRef { number, atomic: None })
    }

    /// `preserve`: whether a schema around this one keeps unknown fields.
    fn shape(&mut self, schema: &'a Value, preserve: bool, depth: usize) -> Result<Shape, TooDeep> {
        if depth > MAX_DEPTH {
            return Err(TooDeep);
        }
        let preserve = preserve || schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
        let has = |key: &str| schema.get(key).is_some();
        Ok(match schema.get("type").and_then(Value::as_str) {
            Some("object") => self.map(schema, preserve, depth)?,
            Some("array") => self.list(schema, preserve, depth)?,
            Some("string") if schema.get("format").and_then(Value::as_str) == Some("byte") => {
                Shape::Scalar(ScalarKind::Bytes)
            }
            Some("string") => Shape::Scalar(ScalarKind::Text),
            Some("integer" | "number" | "boolean") => Shape::Scalar(ScalarKind::Other),
            _ if has("properties") || has("additionalProperties") => self.map(schema, preserve, depth)?,
            _ if has("items") => self.list(schema, preserve, depth)?,
            // `oneOf` of scalars: int-or-string.
            _ if has("oneOf") || has("x-kubernetes-int-or-string") || has("format") => Shape::Scalar(ScalarKind::Other),
            _ => Shape::Any,
        })
    }

    fn map(&mut self, schema: &'a Value, preserve: bool, depth: usize) -> Result<Shape, TooDeep> {
        let mut fields = Vec::new();
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let of = self.reference(property, preserve, depth)?;
            fields.push(Field {
                name: name.as_str().into(),
                of,
                default: property.get("default").cloned().map(Box::new),
            });
        }
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        let others = match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => None,
            Some(additional @ Value::Object(_)) => Some(self.reference(additional, preserve, depth)?),
            Some(_) => Some(self.any()),
            None => (preserve || fields.is_empty()).then(|| self.any()),
        };
        let atomic = map_type(schema).unwrap_or(false);
        Ok(Shape::Map(MapShape { fields: fields.into(), others, atomic }))
    }

    fn list(&mut self, schema: &'a Value, preserve: bool, depth: usize) -> Result<Shape, TooDeep> {
        let item = match schema.get("items") {
            Some(items) => self.reference(items, preserve, depth)?,
            None => self.any(),
        };
        Ok(Shape::List(ListShape { item, merge: merge(schema) }))
    }

    fn any(&mut self) -> TypeRef {
        let number = match self.inline.get(&Shape::Any) {
            Some(number) => *number,
            None => {
                let number = self.push(Type { name: None, shape: Shape::Any });
                self.inline.insert(Shape::Any, number);
                number
            }
        };
        TypeRef { number, atomic: None }
    }
}

struct TooDeep;

fn map_type(schema: &Value) -> Option<bool> {
    match schema.get("x-kubernetes-map-type")?.as_str()? {
        "atomic" => Some(true),
        "granular" => Some(false),
        _ => None,
    }
}

/// As the API server reads it: the list type, else the older patch strategy, else atomic.
fn merge(schema: &Value) -> Merge {
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    match (text("x-kubernetes-list-type"), text("x-kubernetes-patch-strategy")) {
        (Some("set"), _) => Merge::Set,
        (Some("map"), _) => {
            let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
            let keys: Box<[Box<str>]> = keys.into_iter().flatten().filter_map(Value::as_str).map(Into::into).collect();
            if keys.is_empty() { Merge::Atomic } else { Merge::Keys(keys) }
        }
        (None, Some("merge" | "merge,retainKeys")) => match text("x-kubernetes-patch-merge-key") {
            Some(key) => Merge::Keys([key.into()].into()),
            None => Merge::Set,
        },
        _ => Merge::Atomic,
    }
}
