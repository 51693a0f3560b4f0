//! Owns the types of the served kinds, read from documents of a real API server: what fields there are and of which
//! type. Must never decide what a value means; merging is the schema's.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::object::{Schema, SchemaView};

use super::kinds::Resource;

const PREFIX: &str = "#/components/schemas/";

/// The type of a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    /// A struct, by number; see [`Types::fields`].
    Struct(usize),
    Map(Box<Type>),
    List(Box<Type>),
    Text,
    /// Base64.
    Bytes,
    Time,
    /// With exactly six digits of a second.
    MicroTime,
    Integer,
    Number,
    Boolean,
    IntOrString,
    Quantity,
    Any,
}

/// A struct: its own name, and its fields by name.
#[derive(Debug, Default)]
pub(super) struct Struct {
    /// As Go calls it, for example `DeploymentSpec`.
    pub name: String,
    /// As the documents call it, for example `io.k8s.api.apps.v1.DeploymentSpec`.
    pub full_name: String,
    pub fields: BTreeMap<String, Field>,
}

#[derive(Debug)]
pub(super) struct Field {
    pub of: Type,
    pub required: bool,
    /// A zero value (`0`, `""`, `false`) stays, because the server can tell it from no value.
    pub keeps_zero: bool,
    /// The server writes `{}` where it is missing.
    pub filled: bool,
    /// Strategic merge patch merges this list's items, by this key (or by their own value).
    pub merges: Option<Option<String>>,
}

/// Every type of the served kinds.
#[derive(Default)]
pub(super) struct Types {
    structs: Vec<Struct>,
    by_name: HashMap<String, usize>,
}

/// The file behind everything that the sandbox knows of types: `documents` (per group-version the roots and the paths
/// that take a PATCH), `keptZeros` (per type the fields whose zero value is kept), `schemas` (as `/openapi/v3` of
/// kube-apiserver 1.36.3 serves them, without descriptions), `wire` (per type the numbers of its fields in protobuf).
pub(super) fn fixture() -> &'static Value {
    static FIXTURE: LazyLock<Value> =
        // Part of the program and read by every test, so it never fails to parse.
        LazyLock::new(|| serde_json::from_str(include_str!("kinds.json")).unwrap_or_default());
    &FIXTURE
}

/// The types.
pub(super) fn types() -> &'static Types {
    static TYPES: LazyLock<Types> = LazyLock::new(|| Types::read(fixture()));
    &TYPES
}

/// The view that merging needs of a kind.
pub(super) fn view(resource: &Resource) -> SchemaView<'static> {
    view_of(&resource.group, &resource.version, &resource.kind)
}

/// The view that merging needs of a kind that may be a subresource's own.
pub(super) fn view_of(group: &str, version: &str, kind: &str) -> SchemaView<'static> {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
        let document = json!({"components": {"schemas": fixture().get("schemas")}});
        Schema::from_openapi(&document).unwrap_or_default()
    });
    SCHEMA.root(group, version, kind).unwrap_or(SchemaView::unknown())
}

impl Types {
    fn read(fixture: &Value) -> Self {
        let mut types = Self::default();
        let schemas = fixture.get("schemas").and_then(Value::as_object);
        for (name, schema) in schemas.into_iter().flatten() {
            if schema.get("properties").is_some() {
                types.by_name.insert(name.clone(), types.structs.len());
                types.structs.push(Struct::default());
            }
        }
        for (name, schema) in schemas.into_iter().flatten() {
            let Some(number) = types.by_name.get(name).copied() else { continue };
            let kept = fixture.pointer(&format!("/keptZeros/{name}")).and_then(Value::as_array);
            let fields = types.fields_of(schema, kept.map_or(&[], Vec::as_slice));
            if let Some(slot) = types.structs.get_mut(number) {
                let short = name.rsplit('.').next().unwrap_or(name).to_owned();
                *slot = Struct { name: short, full_name: name.clone(), fields };
            }
        }
        types
    }

    fn fields_of(&self, schema: &Value, kept: &[Value]) -> BTreeMap<String, Field> {
        let required = schema.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let properties = schema.get("properties").and_then(Value::as_object);
        let has = |names: &[Value], name: &str| names.iter().any(|one| one.as_str() == Some(name));
        properties
            .into_iter()
            .flatten()
            .map(|(name, property)| {
                let text = |key: &str| property.get(key).and_then(Value::as_str);
                let merges = text("x-kubernetes-patch-strategy")
                    .filter(|strategy| strategy.split(',').any(|part| part == "merge"))
                    .map(|_| text("x-kubernetes-patch-merge-key").map(String::from));
                let field = Field {
                    of: self.type_of(property),
                    required: has(required, name),
                    keeps_zero: has(kept, name),
                    filled: property.get("default") == Some(&json!({})),
                    merges,
                };
                (name.clone(), field)
            })
            .collect()
    }

    fn type_of(&self, schema: &Value) -> Type {
        let text = |key: &str| schema.get(key).and_then(Value::as_str);
        let reference = text("$ref").or_else(|| schema.pointer("/allOf/0/$ref").and_then(Value::as_str));
        if let Some(name) = reference.and_then(|reference| reference.strip_prefix(PREFIX)) {
            let last = name.rsplit('.').next().unwrap_or(name);
            return match (self.by_name.get(name), last) {
                (Some(number), _) => Type::Struct(*number),
                (None, "Time") => Type::Time,
                (None, "MicroTime") => Type::MicroTime,
                (None, "Quantity") => Type::Quantity,
                (None, "IntOrString") => Type::IntOrString,
                (None, _) => Type::Any,
            };
        }
        match (text("type"), text("format")) {
            (Some("array"), _) => Type::List(Box::new(schema.get("items").map_or(Type::Any, |of| self.type_of(of)))),
            (Some("object"), _) => match schema.get("additionalProperties") {
                Some(of) => Type::Map(Box::new(self.type_of(of))),
                None => Type::Any,
            },
            (Some("string"), Some("byte")) => Type::Bytes,
            (Some("string"), _) => Type::Text,
            (Some("integer"), _) => Type::Integer,
            (Some("number"), _) => Type::Number,
            (Some("boolean"), _) => Type::Boolean,
            _ => Type::Any,
        }
    }

    /// A struct by its number.
    pub fn struct_of(&self, number: usize) -> Option<&Struct> {
        self.structs.get(number)
    }

    /// The type of the objects of a kind.
    pub fn root(&self, resource: &Resource) -> Type {
        self.named(resource.type_name)
    }

    /// A type by its full name.
    pub fn named(&self, name: &str) -> Type {
        self.by_name.get(name).map_or(Type::Any, |number| Type::Struct(*number))
    }

    /// A field of a struct; `None` for one that it does not have, and for what is no struct.
    pub fn field(&self, of: &Type, name: &str) -> Option<&Field> {
        match of {
            Type::Struct(number) => self.struct_of(*number)?.fields.get(name),
            _ => None,
        }
    }

    /// What Go calls a type in its messages.
    pub fn go_name(&self, of: &Type) -> String {
        match of {
            Type::Struct(number) => self.struct_of(*number).map_or("struct", |found| &found.name).to_owned(),
            Type::Map(of) => format!("map[string]{}", self.go_name(of)),
            Type::List(of) => format!("[]{}", self.go_name(of)),
            Type::Text => "string".into(),
            Type::Bytes => "[]uint8".into(),
            Type::Time | Type::MicroTime => "time".into(),
            Type::Integer => "int32".into(),
            Type::Number => "float64".into(),
            Type::Boolean => "bool".into(),
            Type::IntOrString => "intstr.IntOrString".into(),
            Type::Quantity => "resource.Quantity".into(),
            Type::Any => "any".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::kinds;
    use super::*;

    #[test]
    fn every_kind_has_a_type_and_a_view() {
        for resource in kinds::all() {
            assert_ne!(types().root(resource), Type::Any, "{}", resource.kind);
            assert!(view(resource).is_struct_field("metadata"), "{}", resource.kind);
        }
    }

    #[test]
    fn fields_know_how_they_merge_and_what_they_keep() {
        let types = types();
        let container = types.named("io.k8s.api.core.v1.Container");
        assert_eq!(types.field(&container, "ports").unwrap().merges, Some(Some("containerPort".into())));
        assert!(types.field(&container, "resources").unwrap().filled);
        let spec = types.named("io.k8s.api.apps.v1.DeploymentSpec");
        assert!(types.field(&spec, "replicas").unwrap().keeps_zero);
        assert!(!types.field(&spec, "paused").unwrap().keeps_zero);
        assert_eq!(types.go_name(&types.field(&container, "env").unwrap().of), "[]EnvVar");
    }
}
