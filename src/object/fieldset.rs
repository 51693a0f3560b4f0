//! Owns sets of fields exactly as `managedFields` writes them (`fieldsV1`), and their algebra. Must never look at values:
//! what a value owns, and what part of one a set covers, is `projection`'s.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use serde_json::{Map, Value};

use super::path::{FieldPath, PathElement, Scalar};

/// A set of fields: a trie in which some paths are marked as owned. An owned path says nothing about what lies below it,
/// unless it is a leaf of an atomic part, which only a schema can tell.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct FieldSet {
    // Never holds a node that neither is owned nor has anything owned below.
    nodes: BTreeMap<PathElement, Node>,
}

#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Node {
    owned: bool,
    below: FieldSet,
}

/// Why a value is no `fieldsV1`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldSetError {
    /// Neither a map nor null where a map belongs.
    #[error("fieldsV1 below {0} is not a map")]
    NotAMap(FieldPath),
    /// A key that is none of `f:`, `k:`, `v:`, `i:` and `.`.
    #[error("fieldsV1 has the key {key:?} below {path}, which names no field")]
    BadKey {
        /// Where it stands.
        path: FieldPath,
        /// The key.
        key: String,
    },
}

impl FieldSet {
    /// The set of no field.
    pub fn new() -> Self {
        Self::default()
    }

    /// The set of these fields.
    pub fn from_paths<'a>(paths: impl IntoIterator<Item = &'a FieldPath>) -> Self {
        let mut set = Self::new();
        paths.into_iter().for_each(|path| set.insert(path));
        set
    }

    /// Reads `fieldsV1` of a `managedFields` entry.
    ///
    /// # Errors
    ///
    /// When the value is not of that form.
    pub fn from_fields_v1(value: &Value) -> Result<Self, FieldSetError> {
        read(value, &mut FieldPath::root()).map(|node| node.below)
    }

    /// The set as `fieldsV1`.
    pub fn to_fields_v1(&self) -> Value {
        Value::Object(self.nodes.iter().map(|(element, node)| (element_key(element), node.to_value())).collect())
    }

    /// Adds one field. The object itself (the empty path) cannot be owned and is ignored.
    pub fn insert(&mut self, path: &FieldPath) {
        self.insert_elements(path.elements());
    }

    fn insert_elements(&mut self, elements: &[PathElement]) {
        if let Some((first, rest)) = elements.split_first() {
            let node = self.nodes.entry(first.clone()).or_default();
            if rest.is_empty() {
                node.owned = true;
            } else {
                node.below.insert_elements(rest);
            }
        }
    }

    /// Adds `element` here, owned or not, with everything in `below`. Adds nothing when that would say nothing.
    pub(super) fn insert_node(&mut self, element: PathElement, owned: bool, below: FieldSet) {
        if owned || !below.is_empty() {
            match self.nodes.entry(element) {
                Entry::Vacant(entry) => {
                    entry.insert(Node { owned, below });
                }
                Entry::Occupied(mut entry) => {
                    let node = entry.get_mut();
                    node.owned |= owned;
                    let merged = node.below.union(&below);
                    node.below = merged;
                }
            }
        }
    }

    fn node(&self, path: &FieldPath) -> Option<&Node> {
        let (first, rest) = path.elements().split_first()?;
        rest.iter().try_fold(self.nodes.get(first)?, |node, element| node.below.nodes.get(element))
    }

    /// Whether exactly this field is owned.
    pub fn contains(&self, path: &FieldPath) -> bool {
        self.node(path).is_some_and(|node| node.owned)
    }

    /// Whether this field is owned, or lies below an owned leaf (as the parts of an atomic list or struct do).
    pub fn covers(&self, path: &FieldPath) -> bool {
        let mut set = self;
        let mut last = false;
        for element in path.elements() {
            match set.nodes.get(element) {
                Some(node) if node.owned && node.below.is_empty() => return true,
                Some(node) => {
                    last = node.owned;
                    set = &node.below;
                }
                None => return false,
            }
        }
        last
    }

    /// Whether this field, one that covers it, or anything below it is owned.
    pub fn touches(&self, path: &FieldPath) -> bool {
        self.covers(path) || self.node(path).is_some()
    }

    /// Whether `element` is owned here.
    pub fn owns(&self, element: &PathElement) -> bool {
        self.nodes.get(element).is_some_and(|node| node.owned)
    }

    /// What is owned below `element`; `None` when neither it nor anything below it is owned.
    pub fn below(&self, element: &PathElement) -> Option<&Self> {
        self.nodes.get(element).map(|node| &node.below)
    }

    /// What the set says of `element` here: whether it is owned, and what is below it.
    pub(super) fn entry(&self, element: &PathElement) -> Option<(bool, &Self)> {
        self.nodes.get(element).map(|node| (node.owned, &node.below))
    }

    /// [`FieldSet::entry`] with the set's own copy of `element`.
    pub(super) fn entry_of(&self, element: &PathElement) -> Option<(&PathElement, bool, &Self)> {
        self.nodes.get_key_value(element).map(|(element, node)| (element, node.owned, &node.below))
    }

    /// Everything that the set says here, by element.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&PathElement, bool, &Self)> {
        self.nodes.iter().map(|(element, node)| (element, node.owned, &node.below))
    }

    /// The elements here that are owned or have something owned below.
    pub fn elements(&self) -> impl Iterator<Item = &PathElement> {
        self.nodes.keys()
    }

    /// Whether nothing is owned.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Every owned field, a field before those below it.
    pub fn paths(&self) -> Vec<FieldPath> {
        let mut paths = Vec::new();
        self.collect(&mut FieldPath::root(), &mut paths);
        paths
    }

    fn collect(&self, at: &mut FieldPath, paths: &mut Vec<FieldPath>) {
        for (element, node) in &self.nodes {
            at.push(element.clone());
            if node.owned {
                paths.push(at.clone());
            }
            node.below.collect(at, paths);
            at.pop();
        }
    }

    /// The fields that either set owns.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut union = self.clone();
        for (element, node) in &other.nodes {
            union.insert_node(element.clone(), node.owned, node.below.clone());
        }
        union
    }

    /// The fields of this set that `other` does not own, path by path.
    #[must_use]
    pub fn subtract(&self, other: &Self) -> Self {
        let mut rest = Self::new();
        for (element, node) in &self.nodes {
            match other.nodes.get(element) {
                Some(taken) => {
                    rest.insert_node(element.clone(), node.owned && !taken.owned, node.below.subtract(&taken.below));
                }
                None => rest.insert_node(element.clone(), node.owned, node.below.clone()),
            }
        }
        rest
    }

    /// The fields that both sets own, path by path.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let mut both = Self::new();
        for (element, node) in &self.nodes {
            if let Some(other) = other.nodes.get(element) {
                both.insert_node(element.clone(), node.owned && other.owned, node.below.intersect(&other.below));
            }
        }
        both
    }

    /// The owned fields for which `keep` says yes.
    #[must_use]
    pub fn filter(&self, mut keep: impl FnMut(&FieldPath) -> bool) -> Self {
        self.filter_at(&mut FieldPath::root(), &mut keep)
    }

    fn filter_at(&self, at: &mut FieldPath, keep: &mut dyn FnMut(&FieldPath) -> bool) -> Self {
        let mut kept = Self::new();
        for (element, node) in &self.nodes {
            at.push(element.clone());
            let owned = node.owned && keep(at);
            let below = node.below.filter_at(at, keep);
            at.pop();
            kept.insert_node(element.clone(), owned, below);
        }
        kept
    }
}

impl Node {
    fn to_value(&self) -> Value {
        let Value::Object(below) = self.below.to_fields_v1() else { return Value::Null };
        // A leaf is written as `{}`; the mark `.` is needed only beside something below.
        let mark = (self.owned && !below.is_empty()).then(|| (".".to_owned(), Value::Object(Map::new())));
        Value::Object(mark.into_iter().chain(below).collect())
    }
}

fn read(value: &Value, at: &mut FieldPath) -> Result<Node, FieldSetError> {
    let entries = match value {
        Value::Object(entries) => entries,
        Value::Null => return Ok(Node { owned: true, below: FieldSet::new() }),
        _ => return Err(FieldSetError::NotAMap(at.clone())),
    };
    let mut node = Node { owned: entries.is_empty(), below: FieldSet::new() };
    for (key, value) in entries {
        if key == "." {
            node.owned = true;
            continue;
        }
        let element = parse_element(key).ok_or_else(|| FieldSetError::BadKey { path: at.clone(), key: key.clone() })?;
        at.push(element);
        let child = read(value, at)?;
        if let Some(element) = at.pop() {
            node.below.insert_node(element, child.owned, child.below);
        }
    }
    Ok(node)
}

/// A step as a key of `fieldsV1`.
fn element_key(element: &PathElement) -> String {
    match element {
        PathElement::Field(name) => format!("f:{name}"),
        PathElement::Key(keys) => {
            let keys: Map<String, Value> =
                keys.iter().map(|(name, value)| (name.to_string(), value.to_value())).collect();
            format!("k:{}", Value::Object(keys))
        }
        PathElement::Value(value) => format!("v:{value}"),
        PathElement::Index(index) => format!("i:{index}"),
    }
}

/// The step that a key of `fieldsV1` names; `None` for `.` and for what is no such key.
pub(super) fn parse_element(key: &str) -> Option<PathElement> {
    let (kind, text) = key.split_once(':')?;
    Some(match kind {
        "f" => PathElement::field(text),
        "i" => PathElement::Index(text.parse().ok()?),
        "v" => PathElement::Value(Scalar::of(&serde_json::from_str(text).ok()?)?),
        "k" => {
            let keys: Map<String, Value> = serde_json::from_str(text).ok()?;
            let keys: Option<Vec<_>> =
                keys.iter().map(|(name, value)| Some((name.as_str().into(), Scalar::of(value)?))).collect();
            PathElement::key(keys?)
        }
        _ => return None,
    })
}

impl fmt::Debug for FieldSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.paths()).finish()
    }
}

#[cfg(test)]
mod tests;
