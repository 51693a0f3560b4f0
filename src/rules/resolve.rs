//! Owns which fields of one object a filter names, and whether Kubernetes can keep them apart from their neighbours.
//! Must never name a part of what server-side apply owns as one value.

use serde_json::Value;

use crate::object::schema::{ListKind, SchemaView};
use crate::object::{FieldPath, PathElement};

use super::filter::{Filter, Step};

/// Why a filter cannot be honoured for one kind of object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("filter `{filter}`: {fault}")]
pub struct FilterError {
    /// The filter, as it is written.
    pub filter: String,
    /// The widest field that the filter is about: the fault makes its direction unknown, so nothing there may be changed.
    pub covers: FieldPath,
    /// What is wrong.
    pub fault: FilterFault,
}

/// What is wrong with a filter for one kind of object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterFault {
    /// It ends inside an atomic list or struct.
    #[error("it ends inside `{0}`, which Kubernetes owns as one value; name `{0}` itself")]
    InsideAtomic(FieldPath),
    /// It tests something else than the keys that tell a list's items apart.
    #[error("`{key}` does not tell the items of `{list}` apart; {keys}")]
    NotMergeKey {
        /// The list.
        list: FieldPath,
        /// What is tested.
        key: String,
        /// What may be tested, as a sentence.
        keys: String,
    },
    /// It names such a key itself.
    #[error("`{key}` tells the items of `{list}` apart and cannot go its own way; name the item")]
    KeyOfItem {
        /// The list.
        list: FieldPath,
        /// The key.
        key: String,
    },
    /// It goes on below a list without saying in which item.
    #[error("`{list}` is a list; say which item: [*], [0] or {example}")]
    NoItem {
        /// The list.
        list: FieldPath,
        /// How to name an item.
        example: String,
    },
    /// It names an item of something that has none.
    #[error("`{0}` is no list")]
    NotAList(FieldPath),
}

/// A place that the first steps of a filter lead to, on both sides.
#[derive(Clone)]
struct Spot<'v, 's> {
    path: FieldPath,
    manifest: Option<&'v Value>,
    live: Option<&'v Value>,
    view: SchemaView<'s>,
    /// Keys of the list of which this is an item.
    item_keys: &'s [Box<str>],
}

impl Filter {
    /// The fields of one object that the filter names, sorted; what lies below them is meant too. An index means the
    /// item that stands there in the manifest; items that stand on neither side are not named unless their keys are.
    ///
    /// # Errors
    ///
    /// When the filter cannot be honoured for this kind, see [`FilterFault`].
    pub fn resolve(
        &self,
        manifest: Option<&Value>,
        live: Option<&Value>,
        view: SchemaView<'_>,
    ) -> Result<Vec<FieldPath>, FilterError> {
        let mut spots = vec![Spot { path: FieldPath::root(), manifest, live, view, item_keys: &[] }];
        for step in &self.steps {
            let mut next = Vec::new();
            for spot in &spots {
                spot.allows(step).map_err(|fault| self.error(spot, fault))?;
                spot.follow(step, &mut next);
            }
            spots = next;
        }
        let mut paths: Vec<FieldPath> = spots.into_iter().map(|spot| spot.path).collect();
        paths.sort();
        paths.dedup();
        Ok(paths)
    }

    /// Looks at the filter without any object: the first field of it that the schema does not have, or nothing.
    ///
    /// # Errors
    ///
    /// When the filter cannot be honoured for any object of this kind.
    pub fn check(&self, view: SchemaView<'_>) -> Result<Option<FieldPath>, FilterError> {
        let mut spot = Spot { path: FieldPath::root(), manifest: None, live: None, view, item_keys: &[] };
        for step in &self.steps {
            spot.allows(step).map_err(|fault| self.error(&spot, fault))?;
            let is_list = spot.is_list();
            spot = match step {
                Step::Field(name) | Step::Digits(_, name) if !is_list => {
                    let known = spot.view.is_known_field(name);
                    spot = spot.child(name);
                    if !known {
                        return Ok(Some(spot.path));
                    }
                    spot
                }
                // An item has no name without an object; its list's path stands for it.
                _ if is_list => Spot { view: spot.view.item(), item_keys: spot.keys(), ..spot },
                _ => Spot { view: spot.view.field(""), ..spot },
            };
        }
        Ok(None)
    }

    fn error(&self, spot: &Spot<'_, '_>, fault: FilterFault) -> FilterError {
        let covers = match &fault {
            FilterFault::KeyOfItem { list, .. } => list.clone(),
            _ => spot.path.clone(),
        };
        FilterError { filter: self.as_str().to_owned(), covers, fault }
    }
}

impl<'v, 's> Spot<'v, 's> {
    fn values(&self) -> impl Iterator<Item = &'v Value> {
        self.manifest.into_iter().chain(self.live)
    }

    fn is_list(&self) -> bool {
        self.view.is_list() || !self.view.is_known() && self.values().any(Value::is_array)
    }

    fn is_map(&self) -> bool {
        !self.is_list() && (self.view.is_known() || self.values().any(Value::is_object))
    }

    fn keys(&self) -> &'s [Box<str>] {
        if let ListKind::Map(keys) = self.view.list() { keys } else { &[] }
    }

    /// Whether a step may be taken from here.
    fn allows(&self, step: &Step) -> Result<(), FilterFault> {
        let atomic = || Err(FilterFault::InsideAtomic(self.path.clone()));
        let list = || self.path.clone();
        if !self.is_list() {
            return match step {
                Step::Field(_) | Step::Digits(..) | Step::Each if self.view.is_atomic_map() => atomic(),
                Step::Field(name) | Step::Digits(_, name) if self.item_keys.contains(name) => {
                    Err(FilterFault::KeyOfItem { list: self.list_around(), key: name.to_string() })
                }
                Step::Index(_) | Step::Where(_) | Step::Value(_) if self.is_map() => Err(FilterFault::NotAList(list())),
                _ => Ok(()),
            };
        }
        let not_key =
            |key: &str, keys: String| Err(FilterFault::NotMergeKey { list: list(), key: key.to_owned(), keys });
        match (self.view.list(), step) {
            (ListKind::Atomic, _) => atomic(),
            (_, Step::Field(_)) => Err(FilterFault::NoItem { list: list(), example: self.example() }),
            (ListKind::Map(keys), Step::Where(tests)) => match tests.iter().find(|(key, _)| !keys.contains(key)) {
                Some((key, _)) => not_key(key, format!("test {}", keys.join(" and "))),
                None => Ok(()),
            },
            (ListKind::Map(keys), Step::Value(value)) => {
                not_key(&value.to_string(), format!("test {}", keys.join(" and ")))
            }
            (ListKind::Set, Step::Where(tests)) => {
                let key = tests.first().map_or("", |(key, _)| key);
                not_key(key, format!("its items are plain values, write {}", self.example()))
            }
            _ => Ok(()),
        }
    }

    /// The list of which this is an item. Without an object an item has the path of its list.
    fn list_around(&self) -> FieldPath {
        match self.path.elements().last() {
            Some(PathElement::Field(_)) => self.path.clone(),
            _ => self.path.parent().unwrap_or_default(),
        }
    }

    /// How an item of the list here can be named.
    fn example(&self) -> String {
        match self.view.list() {
            ListKind::Map(keys) => {
                format!("[?({})]", keys.iter().map(|key| format!("@.{key}==...")).collect::<Vec<_>>().join(" && "))
            }
            _ => "[=\"value\"]".to_owned(),
        }
    }

    /// Takes a step that is allowed: the places that it leads to.
    fn follow(&self, step: &Step, next: &mut Vec<Self>) {
        if !self.is_list() {
            match step {
                Step::Field(name) | Step::Digits(_, name) => next.push(self.child(name)),
                Step::Each => {
                    let mut names: Vec<&String> =
                        self.values().filter_map(Value::as_object).flat_map(|map| map.keys()).collect();
                    names.sort();
                    names.dedup();
                    next.extend(names.into_iter().map(|name| self.child(name)));
                }
                _ => {}
            }
            return;
        }
        match step {
            Step::Index(position) | Step::Digits(position, _) => {
                let item = self.manifest.and_then(|list| list.get(position));
                next.extend(item.and_then(|item| self.view.item_key(item)).map(|key| self.item(key)));
            }
            Step::Each => next.extend(self.items(|_| true)),
            Step::Value(value) => next.push(self.item(PathElement::Value(value.clone()))),
            Step::Where(tests) if self.keys().iter().all(|key| tests.iter().any(|(tested, _)| tested == key)) => {
                next.push(self.item(PathElement::key(tests.iter().cloned())));
            }
            Step::Where(tests) => {
                next.extend(self.items(
                    |key| matches!(key, PathElement::Key(pairs) if tests.iter().all(|test| pairs.contains(test))),
                ))
            }
            Step::Field(_) => {}
        }
    }

    fn child(&self, name: &str) -> Self {
        Self {
            path: self.path.child(PathElement::field(name)),
            manifest: self.manifest.and_then(|map| map.get(name)),
            live: self.live.and_then(|map| map.get(name)),
            view: self.view.field(name),
            item_keys: &[],
        }
    }

    /// The items of the list here, on either side, whose name is wanted; each once.
    fn items(&self, wanted: impl Fn(&PathElement) -> bool) -> Vec<Self> {
        let items = self.values().filter_map(Value::as_array).flatten();
        let mut keys: Vec<PathElement> = items.filter_map(|item| self.view.item_key(item)).filter(wanted).collect();
        keys.sort();
        keys.dedup();
        keys.into_iter().map(|key| self.item(key)).collect()
    }

    fn item(&self, key: PathElement) -> Self {
        let find = |side: Option<&'v Value>| {
            side.and_then(Value::as_array)?.iter().find(|item| self.view.item_key(item).as_ref() == Some(&key))
        };
        Self {
            manifest: find(self.manifest),
            live: find(self.live),
            view: self.view.item(),
            item_keys: self.keys(),
            path: self.path.child(key),
        }
    }
}

#[cfg(test)]
mod tests;
