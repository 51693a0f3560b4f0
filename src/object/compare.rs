//! Owns the question whether two values mean the same to the API server. Must never call different what the server itself
//! would respell, reorder or fill in, and never the same what it would keep apart: a PATCH or a commit hangs on it.

use std::collections::BTreeMap;
use std::ops::ControlFlow::{self, Break, Continue};

use serde_json::{Map, Value};

pub use super::access::{AccessError, get, remove, set, take};
use super::defaults;
use super::path::{FieldPath, PathElement};
use super::quantity::Quantity;
use super::schema::{ListKind, SchemaView};

/// Whether `wanted` and `live` mean the same: quantities and numbers by value, keyed lists and sets in any order, missing
/// list keys by their defaults, null and what the server drops as missing. Inside atomic parts, which nobody owns field by
/// field, a default that only one side spells out does not count either.
pub fn same(wanted: &Value, live: &Value, view: SchemaView<'_>) -> bool {
    Walk { at: FieldPath::root(), inside: false, found: &mut |_| Break(()) }.value(wanted, live, view).is_continue()
}

/// [`same`] as inside an atomic part: defaults count as missing everywhere.
pub(super) fn same_part(wanted: &Value, live: &Value, view: SchemaView<'_>) -> bool {
    Walk { at: FieldPath::root(), inside: true, found: &mut |_| Break(()) }.value(wanted, live, view).is_continue()
}

/// The leaves at which the two differ, items of lists named by their keys. Empty exactly when they are [`same`]. What only
/// one side has is told leaf by leaf, an item of a list also by itself, before its leaves; an atomic part is one leaf.
/// [`take`] at each of them makes two values the same.
pub fn differences(wanted: &Value, live: &Value, view: SchemaView<'_>) -> Vec<FieldPath> {
    let mut found = Vec::new();
    let mut push = |path: &FieldPath| {
        found.push(path.clone());
        Continue(())
    };
    let _ = Walk { at: FieldPath::root(), inside: false, found: &mut push }.value(wanted, live, view);
    found
}

/// A walk through two values at once.
struct Walk<'f> {
    at: FieldPath,
    /// Whether this is inside an atomic part.
    inside: bool,
    /// Told each difference; may end the walk.
    found: &'f mut dyn FnMut(&FieldPath) -> ControlFlow<()>,
}

static EMPTY_TEXT: Value = Value::String(String::new());

impl Walk<'_> {
    fn differs(&mut self) -> ControlFlow<()> {
        (self.found)(&self.at)
    }

    fn value(&mut self, wanted: &Value, live: &Value, view: SchemaView<'_>) -> ControlFlow<()> {
        match (wanted, live) {
            (Value::Object(wanted), Value::Object(live)) => {
                if view.is_atomic_map() {
                    self.part(|walk| walk.maps(wanted, live, view, &[]))
                } else {
                    self.maps(wanted, live, view, &[])
                }
            }
            (Value::Array(wanted), Value::Array(live)) => match (keyed(wanted, view), keyed(live, view)) {
                (Some(wanted), Some(live)) => self.items(wanted, live, view),
                _ => self.part(|walk| walk.in_order(wanted, live, view)),
            },
            _ if scalars_are_same(wanted, live, view) => Continue(()),
            _ => self.differs(),
        }
    }

    /// Compares something that is one leaf to the outside.
    fn part(&mut self, compare: impl Fn(&mut Walk<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        if self.inside {
            return compare(self);
        }
        let mut walk = Walk { at: FieldPath::root(), inside: true, found: &mut |_| Break(()) };
        if compare(&mut walk).is_break() { self.differs() } else { Continue(()) }
    }

    /// `keys`: the fields that name this map in its list.
    fn maps(
        &mut self,
        wanted: &Map<String, Value>,
        live: &Map<String, Value>,
        view: SchemaView<'_>,
        keys: &[Box<str>],
    ) -> ControlFlow<()> {
        let (filled_wanted, filled_live) = (defaults::filled(view, wanted), defaults::filled(view, live));
        let (wanted, live) = (filled_wanted.as_ref().unwrap_or(wanted), filled_live.as_ref().unwrap_or(live));
        for key in wanted.keys().chain(live.keys().filter(|key| !wanted.contains_key(*key))) {
            let field = view.field(key);
            let default = field.default().filter(|_| keys.iter().any(|name| **name == **key));
            let (one, other) = (read(wanted, key, view).or(default), read(live, key, view).or(default));
            self.at.push(PathElement::field(key));
            let step = match (one, other) {
                (Some(wanted), Some(live)) => self.value(wanted, live, field),
                (Some(only), None) if !self.is_absent(view, key, only, wanted) => self.only(only, field),
                (None, Some(only)) if !self.is_absent(view, key, only, live) => self.only(only, field),
                _ => Continue(()),
            };
            self.at.pop();
            step?;
        }
        Continue(())
    }

    /// Whether `value`, which only one side has, says no more than nothing at all.
    fn is_absent(&self, of: SchemaView<'_>, key: &str, value: &Value, siblings: &Map<String, Value>) -> bool {
        let field = of.field(key);
        let empty = match value {
            // Go leaves empty slices and maps out; an empty struct is kept and may mean "all of them".
            Value::Array(items) => {
                items.is_empty() && ((field.is_built_in() && field.is_known()) || !field.has_schema())
            }
            Value::Object(map) => map.is_empty() && field.is_built_in() && field.is_free_map(),
            _ => false,
        };
        empty
            || owns_nothing(value, field)
            || defaults::is_dropped(of, key, value)
            || (self.inside && defaults::is_default(of, key, value, siblings))
    }

    /// Tells every leaf of a value that only one side has.
    fn only(&mut self, value: &Value, view: SchemaView<'_>) -> ControlFlow<()> {
        match value {
            Value::Object(map) if !map.is_empty() && !view.is_atomic_map() => {
                let mut told = false;
                for (key, value) in map {
                    if read(map, key, view).is_some() && !self.is_absent(view, key, value, map) {
                        self.at.push(PathElement::field(key));
                        let step = self.only(value, view.field(key));
                        self.at.pop();
                        step?;
                        told = true;
                    }
                }
                if told { Continue(()) } else { self.differs() }
            }
            Value::Array(items) if !items.is_empty() => match keyed(items, view) {
                Some(items) => {
                    for (element, item) in items {
                        self.at.push(element);
                        let step = self.only_item(item, view);
                        self.at.pop();
                        step?;
                    }
                    Continue(())
                }
                None => self.differs(),
            },
            _ => self.differs(),
        }
    }

    /// Tells an item that only one list has, and every leaf of it but the keys, which its name implies.
    fn only_item(&mut self, item: &Value, list: SchemaView<'_>) -> ControlFlow<()> {
        self.differs()?;
        let (view, keys) = (list.item(), keys(list));
        let Some(map) = item.as_object().filter(|_| !view.is_atomic_map()) else { return Continue(()) };
        for (key, value) in map.iter().filter(|(key, _)| !keys.iter().any(|name| **name == ***key)) {
            if read(map, key, view).is_some() && !self.is_absent(view, key, value, map) {
                self.at.push(PathElement::field(key));
                let step = self.only(value, view.field(key));
                self.at.pop();
                step?;
            }
        }
        Continue(())
    }

    /// Compares the items of a keyed list or a set. Two with the same key (a list that the server took with a warning) are
    /// compared in their order.
    fn items(&mut self, wanted: Keyed<'_>, live: Keyed<'_>, view: SchemaView<'_>) -> ControlFlow<()> {
        let mut groups: BTreeMap<PathElement, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
        wanted.into_iter().for_each(|(key, item)| groups.entry(key).or_default().0.push(item));
        live.into_iter().for_each(|(key, item)| groups.entry(key).or_default().1.push(item));
        for (element, (wanted, live)) in groups {
            self.at.push(element);
            let step = match (wanted.as_slice(), live.as_slice()) {
                ([], [only]) | ([only], []) => self.only_item(only, view),
                (wanted, live) if wanted.len() == live.len() => wanted
                    .iter()
                    .zip(live)
                    .try_for_each(|(wanted, live)| self.item(wanted, live, view.item(), keys(view))),
                _ => self.differs(),
            };
            self.at.pop();
            step?;
        }
        Continue(())
    }

    fn item(&mut self, wanted: &Value, live: &Value, view: SchemaView<'_>, keys: &[Box<str>]) -> ControlFlow<()> {
        match (wanted, live) {
            (Value::Object(wanted), Value::Object(live)) if !view.is_atomic_map() => {
                self.maps(wanted, live, view, keys)
            }
            _ => self.value(wanted, live, view),
        }
    }

    fn in_order(&mut self, wanted: &[Value], live: &[Value], view: SchemaView<'_>) -> ControlFlow<()> {
        if wanted.len() != live.len() {
            return self.differs();
        }
        wanted.iter().zip(live).try_for_each(|(wanted, live)| self.value(wanted, live, view.item()))
    }
}

/// Whether an apply of `value` would own nothing: an empty list that is not atomic, or a map of only such.
fn owns_nothing(value: &Value, view: SchemaView<'_>) -> bool {
    match value {
        Value::Array(items) => items.is_empty() && view.list() != ListKind::Atomic,
        Value::Object(map) if !map.is_empty() && !view.is_atomic_map() => {
            map.iter().all(|(key, value)| owns_nothing(value, view.field(key)))
        }
        _ => false,
    }
}

type Keyed<'v> = Vec<(PathElement, &'v Value)>;

fn keys(list: SchemaView<'_>) -> &[Box<str>] {
    if let ListKind::Map(keys) = list.list() { keys } else { &[] }
}

/// Items by what names them; `None` when the list is atomic or an item has no name.
fn keyed<'v>(items: &'v [Value], view: SchemaView<'_>) -> Option<Keyed<'v>> {
    if view.list() == ListKind::Atomic {
        return None;
    }
    items.iter().map(|item| Some((view.item_key(item)?, item))).collect()
}

/// The value of a key as the server reads it: null is nothing, but an empty text among the free keys of a built-in map.
fn read<'v>(map: &'v Map<String, Value>, key: &str, view: SchemaView<'_>) -> Option<&'v Value> {
    match map.get(key)? {
        Value::Null if view.is_free_map() && view.is_built_in() && view.field(key).is_text() => Some(&EMPTY_TEXT),
        Value::Null => None,
        value => Some(value),
    }
}

fn scalars_are_same(wanted: &Value, live: &Value, view: SchemaView<'_>) -> bool {
    match (wanted, live) {
        _ if wanted == live => true,
        (Value::Number(one), Value::Number(other)) => {
            one.as_f64() == other.as_f64() && (one.is_f64() || other.is_f64())
        }
        // Custom resources keep the text of what looks like a quantity.
        _ if view.is_quantity() && view.is_built_in() => {
            Quantity::of(wanted).is_some_and(|wanted| Some(wanted) == Quantity::of(live))
        }
        // Line breaks inside base64 are skipped, and gone when it comes back.
        (Value::String(one), Value::String(other)) if view.is_bytes() && view.is_built_in() => {
            let significant = |c: &char| !matches!(c, '\r' | '\n');
            one.chars().filter(significant).eq(other.chars().filter(significant))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
