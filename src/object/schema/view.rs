//! Owns the look at one place of an object through its schema. Must never allocate for a look.

use serde_json::Value;

use super::{Field, ListShape, MapShape, Merge, ScalarKind, Shape, Table, TypeRef};
use crate::object::path::{PathElement, Scalar};

/// What a schema says of one place in an object.
#[derive(Clone, Copy)]
pub struct SchemaView<'a> {
    at: Option<(&'a Table, TypeRef)>,
    default: Option<&'a Value>,
    /// The nearest named type on the way down to here, this one's included.
    owner: Option<&'a str>,
    /// Name of the root's type.
    root: Option<&'a str>,
    /// The field of a struct that this is, or is an item of.
    name: Option<&'a str>,
    /// Where no schema speaks: whether everything here is one leaf.
    opaque: bool,
}

/// Beginnings of the names of types that are compiled into the API server.
const BUILT_IN: [&str; 4] =
    ["io.k8s.api.", "io.k8s.apimachinery.pkg.", "io.k8s.apiextensions-apiserver.pkg.", "io.k8s.kube-aggregator.pkg."];

/// How the items of a list are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKind<'a> {
    /// By the values of these keys of each item; see [`SchemaView::item_key`] for their defaults.
    Map(&'a [Box<str>]),
    /// By their own value.
    Set,
    /// Not at all: the list is one value.
    Atomic,
}

impl<'a> SchemaView<'a> {
    pub(super) fn root(table: &'a Table, of: TypeRef) -> Self {
        let view = SchemaView::unknown().to(table, of, None);
        SchemaView { root: view.owner, ..view }
    }

    /// The view of a place below this one.
    fn to<'b>(self, table: &'b Table, of: TypeRef, default: Option<&'b Value>) -> SchemaView<'b>
    where
        'a: 'b,
    {
        let name = table.types.get(of.number as usize).and_then(|found| found.name.as_deref());
        SchemaView { at: Some((table, of)), default, owner: name.or(self.owner), opaque: false, ..self }
    }

    /// The view where no schema is known: maps are granular, lists atomic, nothing has a default.
    pub const fn unknown() -> SchemaView<'static> {
        SchemaView { at: None, default: None, owner: None, root: None, name: None, opaque: false }
    }

    const fn opaque() -> SchemaView<'static> {
        SchemaView { opaque: true, ..Self::unknown() }
    }

    fn shape(self) -> Option<&'a Shape> {
        self.at.map(|(table, of)| table.shape(of))
    }

    fn map(self) -> Option<(&'a Table, &'a MapShape)> {
        match (self.at, self.shape()) {
            (Some((table, _)), Some(Shape::Map(map))) => Some((table, map)),
            _ => None,
        }
    }

    fn list_shape(self) -> Option<(&'a Table, &'a ListShape)> {
        match (self.at, self.shape()) {
            (Some((table, _)), Some(Shape::List(list))) => Some((table, list)),
            _ => None,
        }
    }

    fn struct_field(self, name: &str) -> Option<&'a Field> {
        let (_, map) = self.map()?;
        let position = map.fields.binary_search_by(|field| (*field.name).cmp(name)).ok()?;
        map.fields.get(position)
    }

    /// The view of the key `name` of a struct or map.
    #[must_use]
    pub fn field(self, name: &str) -> SchemaView<'a> {
        if let (Some((table, _)), Some(field)) = (self.at, self.struct_field(name)) {
            return SchemaView { name: Some(&field.name), ..self }.to(table, field.of, field.default.as_deref());
        }
        match (self.at, self.shape()) {
            (Some((table, _)), Some(Shape::Map(MapShape { others: Some(others), .. }))) => {
                self.to(table, *others, None)
            }
            // What stands below anything may be anything.
            (Some((table, of)), Some(Shape::Any)) => self.to(table, TypeRef { atomic: None, ..of }, None),
            _ if self.is_opaque() => Self::opaque(),
            _ => Self::unknown(),
        }
    }

    /// The view of the items of a list.
    #[must_use]
    pub fn item(self) -> SchemaView<'a> {
        match self.list_shape() {
            Some((table, list)) => self.to(table, list.item, None),
            None => Self::opaque(),
        }
    }

    /// The view of what `element` names below here.
    #[must_use]
    pub fn below(self, element: &PathElement) -> SchemaView<'a> {
        match element {
            PathElement::Field(name) => self.field(name),
            // Somebody told the items apart, so they are no part of an atomic list, whatever no schema says.
            PathElement::Key(_) if self.at.is_none() && !self.opaque => Self::unknown(),
            _ => self.item(),
        }
    }

    fn is_opaque(self) -> bool {
        self.opaque || matches!(self.shape(), Some(Shape::Opaque))
    }

    /// How the items of a list here are told apart.
    pub fn list(self) -> ListKind<'a> {
        match self.list_shape() {
            Some((_, ListShape { merge: Merge::Keys(keys), .. })) => ListKind::Map(keys),
            Some((_, ListShape { merge: Merge::Set, .. })) => ListKind::Set,
            _ => ListKind::Atomic,
        }
    }

    /// Whether a map here is one value.
    pub fn is_atomic_map(self) -> bool {
        let said = self.at.and_then(|(_, of)| of.atomic);
        said.unwrap_or_else(|| self.is_opaque() || self.map().is_some_and(|(_, map)| map.atomic))
    }

    /// The value that the server fills in when the field is missing, as the schema says. Built-in kinds have more
    /// defaults than their schemas say, and some of what theirs say (`""`, `{}`) is not filled in.
    pub fn default(self) -> Option<&'a Value> {
        self.default
    }

    /// Whether the schema has `name` here: as a field, or because any key may stand here. Yes where nothing is known.
    pub fn is_known_field(self, name: &str) -> bool {
        match self.shape() {
            None | Some(Shape::Any | Shape::Opaque) => true,
            Some(Shape::Map(map)) => map.others.is_some() || self.struct_field(name).is_some(),
            Some(Shape::Scalar(_) | Shape::List(_)) => false,
        }
    }

    /// Whether `name` is a field of a struct here, not merely a key that any name may be.
    pub fn is_struct_field(self, name: &str) -> bool {
        self.struct_field(name).is_some()
    }

    /// Whether the schema says what stands here. `false` for [`SchemaView::unknown`] and where anything may stand.
    pub fn is_known(self) -> bool {
        !matches!(self.shape(), None | Some(Shape::Any | Shape::Opaque))
    }

    /// Whether a schema was found at all, even if it lets anything stand here.
    pub fn has_schema(self) -> bool {
        self.at.is_some()
    }

    /// Whether this belongs to a type that is compiled into the API server, which reads and writes it in its own way:
    /// empty parts vanish, quantities are respelt. Custom resources are kept as they were sent, but for their metadata.
    pub fn is_built_in(self) -> bool {
        self.owner.is_some_and(|name| BUILT_IN.iter().any(|prefix| name.starts_with(prefix)))
    }

    /// Whether this is a map from any key to values of one type (`labels`, `data`, `limits`).
    pub fn is_free_map(self) -> bool {
        self.map().is_some_and(|(_, map)| map.fields.is_empty())
    }

    /// Whether this is a list.
    pub fn is_list(self) -> bool {
        self.list_shape().is_some()
    }

    /// Whether this is a string.
    pub fn is_text(self) -> bool {
        matches!(self.shape(), Some(Shape::Scalar(ScalarKind::Text)))
    }

    /// Whether this is binary data in base64.
    pub fn is_bytes(self) -> bool {
        matches!(self.shape(), Some(Shape::Scalar(ScalarKind::Bytes)))
    }

    /// Whether this is a resource quantity, of which several spellings are the same.
    pub fn is_quantity(self) -> bool {
        matches!(self.shape(), Some(Shape::Scalar(ScalarKind::Quantity)))
    }

    /// Name of the type, for example `io.k8s.api.core.v1.Container`; `None` for a type without one.
    pub fn type_name(self) -> Option<&'a str> {
        let (table, of) = self.at?;
        table.types.get(of.number as usize)?.name.as_deref()
    }

    /// Name of the type of the object that this is a part of; `None` where it is not known.
    pub fn root_type(self) -> Option<&'a str> {
        self.root
    }

    /// Name of the field of a struct that this is, or is an item of.
    pub fn name(self) -> Option<&'a str> {
        self.name
    }

    /// What names `item` in a list here: its keys, with defaults for those it lacks, or its value. `None` in an atomic
    /// list, and for an item without any key.
    pub fn item_key(self, item: &Value) -> Option<PathElement> {
        match self.list() {
            ListKind::Map(keys) => {
                let item = item.as_object()?;
                let keys: Vec<_> = keys
                    .iter()
                    .filter_map(|key| {
                        let value = item.get(&**key).or_else(|| self.item().field(key).default())?;
                        Some((key.clone(), Scalar::of(value)?))
                    })
                    .collect();
                (!keys.is_empty()).then(|| PathElement::key(keys))
            }
            ListKind::Set => Scalar::of(item).filter(|scalar| *scalar != Scalar::Null).map(PathElement::Value),
            ListKind::Atomic => None,
        }
    }
}

impl std::fmt::Debug for SchemaView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SchemaView({})", self.type_name().unwrap_or("inline or unknown"))
    }
}
