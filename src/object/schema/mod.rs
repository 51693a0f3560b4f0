//! Owns the reduced view of an OpenAPI schema: what lists merge by, what is atomic, what defaults. Must never keep the
//! document it was read from.

mod parse;
mod view;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

pub use parse::SchemaError;
pub use view::{ListKind, SchemaView};

/// The reduced schema of one group-version (or of several). Cloning is cheap.
#[derive(Clone, Default)]
pub struct Schema(Arc<Table>);

/// Types by number; a type is stored once, however often it is used.
#[derive(Default)]
struct Table {
    types: Vec<Type>,
    roots: BTreeMap<Root, TypeRef>,
}

/// Group, version and kind of an object.
type Root = (Box<str>, Box<str>, Box<str>);

/// A use of a type.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct TypeRef {
    number: u32,
    /// Says otherwise than the type itself whether it is atomic.
    atomic: Option<bool>,
}

struct Type {
    /// Name of the type in the document; `None` for one that stands where it is used.
    name: Option<Box<str>>,
    shape: Shape,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Shape {
    /// Anything: maps granular, lists atomic.
    Any,
    /// Anything, and one leaf whatever it is.
    Opaque,
    /// A string, number or boolean.
    Scalar(ScalarKind),
    /// A struct, a map, or both.
    Map(MapShape),
    List(ListShape),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum ScalarKind {
    Text,
    /// Base64.
    Bytes,
    Other,
    /// A resource quantity: `1000m` is `1`.
    Quantity,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct MapShape {
    /// Sorted by name.
    fields: Box<[Field]>,
    /// The type of every other key; `None` when there is none.
    others: Option<TypeRef>,
    atomic: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Field {
    name: Box<str>,
    of: TypeRef,
    default: Option<Box<Value>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct ListShape {
    item: TypeRef,
    merge: Merge,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Merge {
    Atomic,
    Set,
    Keys(Box<[Box<str>]>),
}

impl Schema {
    /// The kinds that are known without a server: a document generated from one, see `examples/record.rs`.
    pub fn builtin() -> Self {
        static BUILTIN: LazyLock<Schema> = LazyLock::new(|| {
            // The file is part of the program and a test reads it, so it never fails to parse.
            Schema::from_openapi_text(include_bytes!("builtin.json")).unwrap_or_default()
        });
        BUILTIN.clone()
    }

    /// Reads an OpenAPI v3 document as `/openapi/v3/apis/GROUP/VERSION` serves it.
    ///
    /// # Errors
    ///
    /// When the bytes are no JSON, or hold no schemas, or one that can't be understood.
    pub fn from_openapi_text(document: &[u8]) -> Result<Self, SchemaError> {
        Self::from_openapi(&serde_json::from_slice(document).map_err(|error| SchemaError::NotJson(error.to_string()))?)
    }

    /// Reads an OpenAPI v3 document.
    ///
    /// # Errors
    ///
    /// When it holds no schemas, or one that can't be understood.
    pub fn from_openapi(document: &Value) -> Result<Self, SchemaError> {
        parse::read(document).map(|table| Self(Arc::new(table)))
    }

    /// The view of an object of this kind; `None` when the schema does not have it.
    pub fn root(&self, group: &str, version: &str, kind: &str) -> Option<SchemaView<'_>> {
        let of = self.0.roots.get(&(group.into(), version.into(), kind.into()))?;
        Some(SchemaView::root(&self.0, *of))
    }

    /// The view of `object` by its own `apiVersion` and `kind`; [`SchemaView::unknown`] when the schema does not have it.
    pub fn view_of(&self, object: &Value) -> SchemaView<'_> {
        let api_version = super::ApiVersion::of(object);
        let kind = object.get("kind").and_then(Value::as_str);
        api_version
            .zip(kind)
            .and_then(|(api_version, kind)| self.root(&api_version.group, &api_version.version, kind))
            .unwrap_or(SchemaView::unknown())
    }

    /// Every group, version and kind that it has, sorted.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.0.roots.keys().map(|(group, version, kind)| (&**group, &**version, &**kind))
    }
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schema").field("kinds", &self.0.roots.len()).field("types", &self.0.types.len()).finish()
    }
}

impl Table {
    fn shape(&self, of: TypeRef) -> &Shape {
        self.types.get(of.number as usize).map_or(&Shape::Any, |found| &found.shape)
    }
}

#[cfg(test)]
mod tests;
