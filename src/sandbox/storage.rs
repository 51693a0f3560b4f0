//! Owns the stored objects, the counter that versions them, and a bounded history of their changes. Must never interpret
//! an object beyond its resourceVersion.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::kinds::Resource;

/// Where an object is kept. Events of both groups are the same objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub plural: &'static str,
    /// Empty for a cluster-scoped object.
    pub namespace: String,
    pub name: String,
}

impl Key {
    pub fn new(resource: &'static Resource, namespace: &str, name: &str) -> Self {
        Self { plural: &resource.plural, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// As a continue token names it.
    pub fn path(&self) -> String {
        if self.namespace.is_empty() { self.name.clone() } else { format!("{}/{}", self.namespace, self.name) }
    }
}

/// One change of one object.
#[derive(Debug)]
pub(super) struct Change {
    pub version: u64,
    pub key: Key,
    pub old: Option<Arc<Value>>,
    pub new: Option<Arc<Value>>,
}

/// What happened to an object, as seen through a selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventType {
    Added,
    Modified,
    Deleted,
}

impl EventType {
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

impl Change {
    /// What a watcher sees that is shown only the objects for which `shown` says yes.
    pub fn event(&self, shown: impl Fn(&Value) -> bool) -> Option<(EventType, Value)> {
        let old = self.old.as_deref().filter(|object| shown(object));
        let new = self.new.as_deref().filter(|object| shown(object));
        match (old, new) {
            (None, None) => None,
            (None, Some(new)) => Some((EventType::Added, new.clone())),
            (Some(_), Some(new)) => Some((EventType::Modified, new.clone())),
            (Some(old), None) => {
                let mut last = old.clone();
                set_version(&mut last, self.version);
                Some((EventType::Deleted, last))
            }
        }
    }
}

/// The history no longer reaches back far enough; the oldest version that it still reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooOld {
    pub oldest: u64,
}

#[derive(Debug)]
pub(super) struct Storage {
    objects: BTreeMap<Key, Arc<Value>>,
    version: u64,
    history: VecDeque<Arc<Change>>,
    /// How many changes are kept.
    capacity: usize,
    /// Version of the newest change that was forgotten.
    forgotten: u64,
}

fn set_version(object: &mut Value, version: u64) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".into(), version.to_string().into());
    }
}

impl Storage {
    pub fn new(capacity: usize) -> Self {
        // Version 0 means "any" in requests.
        let history = VecDeque::new();
        Self { objects: BTreeMap::new(), version: 1, history, capacity: capacity.max(1), forgotten: 0 }
    }

    /// Version of the latest change.
    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// Stores an object with a new version.
    pub fn put(&mut self, key: &Key, mut object: Value) -> Arc<Value> {
        set_version(&mut object, self.version + 1);
        let object = Arc::new(object);
        let old = self.objects.insert(key.clone(), object.clone());
        self.record(key.clone(), old, Some(object.clone()));
        object
    }

    /// Removes an object; answers its last state.
    pub fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let old = self.objects.remove(key)?;
        self.record(key.clone(), Some(old.clone()), None);
        Some(old)
    }

    fn record(&mut self, key: Key, old: Option<Arc<Value>>, new: Option<Arc<Value>>) {
        self.version += 1;
        self.history.push_back(Arc::new(Change { version: self.version, key, old, new }));
        while self.history.len() > self.capacity {
            if let Some(oldest) = self.history.pop_front() {
                self.forgotten = oldest.version;
            }
        }
    }

    /// The objects of one kind, sorted by namespace and name. An empty namespace means all.
    pub fn list<'a>(
        &'a self,
        plural: &'static str,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
        let from = Key { plural, namespace: namespace.to_owned(), name: String::new() };
        self.objects
            .range(from..)
            .take_while(move |(key, _)| key.plural == plural && (namespace.is_empty() || key.namespace == namespace))
    }

    /// Every object.
    pub fn all(&self) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.iter()
    }

    /// The objects of one kind as they were at `version`.
    ///
    /// # Errors
    ///
    /// When that is too long ago.
    pub fn list_at(
        &self,
        version: u64,
        plural: &'static str,
        namespace: &str,
    ) -> Result<Vec<(Key, Arc<Value>)>, TooOld> {
        let mut objects: BTreeMap<Key, Arc<Value>> =
            self.list(plural, namespace).map(|(key, object)| (key.clone(), object.clone())).collect();
        let later = self.since(version)?;
        for change in later.iter().rev().filter(|change| change.key.plural == plural) {
            if !namespace.is_empty() && change.key.namespace != namespace {
                continue;
            }
            match &change.old {
                Some(old) => objects.insert(change.key.clone(), old.clone()),
                None => objects.remove(&change.key),
            };
        }
        Ok(objects.into_iter().collect())
    }

    /// The changes after `version`, oldest first.
    ///
    /// # Errors
    ///
    /// When some of them are forgotten.
    pub fn since(&self, version: u64) -> Result<Vec<Arc<Change>>, TooOld> {
        if version < self.forgotten {
            return Err(TooOld { oldest: self.forgotten });
        }
        let from = self.history.partition_point(|change| change.version <= version);
        Ok(self.history.range(from..).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::kinds;
    use super::*;
    use serde_json::json;

    fn key(name: &str) -> Key {
        Key::new(kinds::by_kind("", "ConfigMap").unwrap(), "n", name)
    }

    fn object(name: &str, label: &str) -> Value {
        json!({"metadata": {"name": name, "labels": {"l": label}}})
    }

    #[test]
    fn the_past_can_be_listed_as_far_as_the_history_goes() {
        let mut storage = Storage::new(3);
        storage.put(&key("a"), object("a", "1"));
        let then = storage.version();
        storage.put(&key("a"), object("a", "2"));
        storage.put(&key("b"), object("b", "1"));
        storage.remove(&key("a"));
        let past = storage.list_at(then, "configmaps", "n").unwrap();
        assert_eq!(past.len(), 1);
        assert_eq!(past[0].1["metadata"]["labels"]["l"], "1");
        assert_eq!(storage.list("configmaps", "").count(), 1);
        storage.put(&key("c"), object("c", "1"));
        assert_eq!(storage.list_at(then, "configmaps", "n").unwrap_err(), TooOld { oldest: then + 1 });
    }

    #[test]
    fn an_object_that_leaves_a_selector_is_deleted_for_its_watcher() {
        let mut storage = Storage::new(10);
        storage.put(&key("a"), object("a", "1"));
        storage.put(&key("a"), object("a", "2"));
        storage.put(&key("a"), object("a", "1"));
        let shown = |object: &Value| object["metadata"]["labels"]["l"] == "1";
        let events: Vec<_> = storage.since(0).unwrap().iter().filter_map(|change| change.event(shown)).collect();
        let kinds: Vec<_> = events.iter().map(|(of, _)| of.name()).collect();
        assert_eq!(kinds, ["ADDED", "DELETED", "ADDED"]);
        assert_eq!(events[1].1["metadata"]["labels"]["l"], "1");
        assert_eq!(events[1].1["metadata"]["resourceVersion"], "3");
    }
}
