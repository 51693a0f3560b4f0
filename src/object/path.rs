//! Owns the path of one field inside an object, in the terms of server-side apply. Must never guess: a list item is
//! named by its keys or its value, and by an index only where the list has neither.

use std::fmt;
use std::fmt::Write as _;

use serde_json::Value;

/// A scalar that identifies a list item.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scalar {
    /// JSON null.
    Null,
    /// JSON boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number, as its JSON text.
    Number(Box<str>),
    /// JSON string.
    String(Box<str>),
}

impl Scalar {
    /// The scalar that `value` is; `None` for a list or a map.
    pub fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => match number.as_i64() {
                Some(int) => Self::Int(int),
                None => Self::Number(number.to_string().into()),
            },
            Value::String(text) => Self::String(text.as_str().into()),
            Value::Array(_) | Value::Object(_) => return None,
        })
    }

    /// The JSON value.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Int(int) => Value::from(*int),
            Self::Number(text) => serde_json::from_str(text).unwrap_or(Value::Null),
            Self::String(text) => Value::String(text.to_string()),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_value())
    }
}

/// One step from a field to a field below it; the four kinds of `fieldsV1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PathElement {
    /// `f:name`, a key of a map.
    Field(Box<str>),
    /// `k:{...}`, an item of a keyed list; sorted by key name.
    Key(Vec<(Box<str>, Scalar)>),
    /// `v:...`, an item of a set.
    Value(Scalar),
    /// `i:n`, a position in a list that has neither keys nor set semantics.
    Index(usize),
}

impl PathElement {
    /// A key of a map.
    pub fn field(name: &str) -> Self {
        Self::Field(name.into())
    }

    /// An item of a keyed list; the order of `keys` does not matter.
    pub fn key(keys: impl IntoIterator<Item = (Box<str>, Scalar)>) -> Self {
        let mut keys: Vec<_> = keys.into_iter().collect();
        keys.sort();
        Self::Key(keys)
    }
}

impl fmt::Display for PathElement {
    /// `.name`, `["a/b"]`, `[name="web"]`, `[="v"]`, `[2]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) if is_plain(name) => write!(f, ".{name}"),
            Self::Field(name) => write!(f, "[{}]", Value::from(&**name)),
            Self::Key(keys) => {
                f.write_char('[')?;
                for (position, (name, value)) in keys.iter().enumerate() {
                    let comma = if position == 0 { "" } else { "," };
                    write!(f, "{comma}{name}={value}")?;
                }
                f.write_char(']')
            }
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// The path of a field from the root of an object.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldPath(Vec<PathElement>);

impl FieldPath {
    /// The object itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// A path through map keys only.
    pub fn fields<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(names.into_iter().map(PathElement::field).collect())
    }

    /// The steps, from the root.
    pub fn elements(&self) -> &[PathElement] {
        &self.0
    }

    /// The field `element` below this one.
    #[must_use]
    pub fn child(&self, element: PathElement) -> Self {
        let mut elements = Vec::with_capacity(self.0.len() + 1);
        elements.extend_from_slice(&self.0);
        elements.push(element);
        Self(elements)
    }

    /// The field that holds this one; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.split_last().map(|(_, rest)| Self(rest.to_vec()))
    }

    /// Whether `other` is this field or lies below it.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// Adds one step.
    pub fn push(&mut self, element: PathElement) {
        self.0.push(element);
    }

    /// Takes the last step off.
    pub fn pop(&mut self) -> Option<PathElement> {
        self.0.pop()
    }

    /// Whether this is the object itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<PathElement>> for FieldPath {
    fn from(elements: Vec<PathElement>) -> Self {
        Self(elements)
    }
}

impl fmt::Display for FieldPath {
    /// `.spec.template.spec.containers[name="web"].image`; `.` for the object itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_char('.');
        }
        self.0.iter().try_for_each(|element| write!(f, "{element}"))
    }
}

impl fmt::Debug for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_print_as_people_write_them() {
        let item =
            PathElement::key([("protocol".into(), Scalar::String("TCP".into())), ("port".into(), Scalar::Int(80))]);
        let path = FieldPath::fields(["spec", "ports"]).child(item).child(PathElement::field("app.io/x"));
        assert_eq!(path.to_string(), r#".spec.ports[port=80,protocol="TCP"]["app.io/x"]"#);
        assert_eq!(FieldPath::root().to_string(), ".");
    }

    #[test]
    fn a_path_covers_itself_and_what_lies_below() {
        let spec = FieldPath::fields(["spec"]);
        assert!(spec.covers(&spec) && spec.covers(&FieldPath::fields(["spec", "replicas"])));
        assert!(!spec.covers(&FieldPath::fields(["specs"])) && !FieldPath::fields(["spec", "replicas"]).covers(&spec));
    }
}
