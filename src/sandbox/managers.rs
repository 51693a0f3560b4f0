//! Owns `metadata.managedFields` as a table: read, written, cut to its bound. Must never decide who owns what.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::object::{FieldPath, FieldSet};

/// More entries of updates than this are folded together, the oldest first.
const MAX_UPDATERS: usize = 10;

/// What tells one entry from another. Ordered as the server orders managers in its messages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ManagerId {
    pub name: String,
    /// Whether it applies (server-side) or updates.
    pub applies: bool,
    /// `apiVersion` of an updater; empty for an applier, which is the same one in every version.
    pub api_version: String,
    /// Empty for the main resource.
    pub subresource: String,
}

/// What one manager owns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub set: FieldSet,
    pub api_version: String,
    /// When it last took a field; some entries have none.
    pub time: Option<String>,
}

/// Every entry of one object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Managers(pub BTreeMap<ManagerId, Entry>);

impl ManagerId {
    /// As the server names it in a conflict.
    pub fn describe(&self) -> String {
        let mut text = format!("{:?}", self.name);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if !self.applies {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }
}

impl Managers {
    /// Reads `metadata.managedFields`; `None` when an entry can't be understood.
    pub fn read(object: &Value) -> Option<Self> {
        let mut managers = BTreeMap::new();
        let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        for entry in entries.into_iter().flatten() {
            let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
            let applies = match text("operation").as_str() {
                "Apply" => true,
                "Update" => false,
                _ => return None,
            };
            let api_version = text("apiVersion");
            let id = ManagerId {
                name: text("manager"),
                applies,
                api_version: if applies { String::new() } else { api_version.clone() },
                subresource: text("subresource"),
            };
            let set = FieldSet::from_fields_v1(entry.get("fieldsV1").unwrap_or(&json!({}))).ok()?;
            let time = Some(text("time")).filter(|time| !time.is_empty());
            managers.insert(id, Entry { set, api_version, time });
        }
        Some(Self(managers))
    }

    /// As `metadata.managedFields`, in the server's order.
    pub fn to_value(&self) -> Value {
        let mut entries: Vec<_> = self.0.iter().collect();
        entries.sort_by(|(a, a_entry), (b, b_entry)| {
            let key = |id: &ManagerId, entry: &Entry| {
                (!id.applies, entry.time.clone(), id.name.clone(), entry.api_version.clone(), id.subresource.clone())
            };
            key(a, a_entry).cmp(&key(b, b_entry))
        });
        entries.into_iter().map(|(id, entry)| entry_value(id, entry)).collect()
    }

    /// Writes them into an object; none leaves the field out.
    pub fn write(&self, object: &mut Value) {
        let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
        if self.0.is_empty() {
            metadata.remove("managedFields");
        } else {
            metadata.insert("managedFields".into(), self.to_value());
        }
    }

    /// Whether nobody owns anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes `fields` from everyone but `except`.
    pub fn take(&mut self, fields: &FieldSet, except: Option<&ManagerId>) {
        if !fields.is_empty() {
            for (id, entry) in &mut self.0 {
                if Some(id) != except {
                    entry.set = entry.set.subtract(fields);
                }
            }
        }
    }

    /// Drops the entries that own nothing.
    pub fn drop_empty(&mut self) {
        self.0.retain(|_, entry| !entry.set.is_empty());
    }

    /// Everything that anyone owns.
    pub fn owned(&self) -> FieldSet {
        self.0.values().fold(FieldSet::new(), |all, entry| all.union(&entry.set))
    }

    /// The fields of `wanted` that others than `except` own, with their owners.
    pub fn owners(&self, wanted: &FieldSet, except: &ManagerId) -> Vec<(ManagerId, FieldPath)> {
        let others = self.0.iter().filter(|(id, _)| *id != except);
        others
            .flat_map(|(id, entry)| entry.set.intersect(wanted).paths().into_iter().map(move |path| (id.clone(), path)))
            .collect()
    }

    /// Folds the oldest updaters of a version together when there are too many.
    pub fn cap(&mut self) {
        let mut updaters: Vec<_> =
            self.0.iter().filter(|(id, _)| !id.applies).map(|(id, entry)| (entry.time.clone(), id.clone())).collect();
        updaters.sort();
        let mut count = updaters.len();
        let mut first_of: BTreeMap<String, ManagerId> = BTreeMap::new();
        for (time, id) in updaters {
            if count <= MAX_UPDATERS {
                return;
            }
            let Some(first) = first_of.get(&id.api_version) else {
                first_of.insert(id.api_version.clone(), id);
                continue;
            };
            let bucket = ManagerId {
                name: "ancient-changes".into(),
                applies: false,
                api_version: id.api_version.clone(),
                subresource: String::new(),
            };
            if !self.0.contains_key(&bucket)
                && let Some(entry) = self.0.remove(first)
            {
                self.0.insert(bucket.clone(), entry);
            }
            if bucket != id
                && let Some(folded) = self.0.remove(&id)
                && let Some(entry) = self.0.get_mut(&bucket)
            {
                entry.set = entry.set.union(&folded.set);
                entry.time = time;
                count -= 1;
            }
        }
    }
}

fn entry_value(id: &ManagerId, entry: &Entry) -> Value {
    let mut value = Map::new();
    value.insert("manager".into(), id.name.clone().into());
    value.insert("operation".into(), if id.applies { "Apply" } else { "Update" }.into());
    value.insert("apiVersion".into(), entry.api_version.clone().into());
    if let Some(time) = &entry.time {
        value.insert("time".into(), time.clone().into());
    }
    value.insert("fieldsType".into(), "FieldsV1".into());
    value.insert("fieldsV1".into(), entry.set.to_fields_v1());
    if !id.subresource.is_empty() {
        value.insert("subresource".into(), id.subresource.clone().into());
    }
    Value::Object(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(entries: Value) -> Value {
        json!({"metadata": {"managedFields": entries}})
    }

    fn entry(name: &str, operation: &str, time: &str, field: &str) -> Value {
        json!({"manager": name, "operation": operation, "apiVersion": "v1", "time": time, "fieldsType": "FieldsV1",
               "fieldsV1": {"f:data": {format!("f:{field}"): {}}}})
    }

    #[test]
    fn entries_are_read_and_written_in_the_servers_order() {
        let apply = entry("b", "Apply", "2020-01-01T00:00:02Z", "x");
        let early = entry("z", "Update", "2020-01-01T00:00:00Z", "y");
        let late = entry("a", "Update", "2020-01-01T00:00:01Z", "z");
        let managers = Managers::read(&object(json!([late, early, apply]))).unwrap();
        assert_eq!(managers.to_value(), json!([apply, early, late]));
    }

    #[test]
    fn an_unknown_operation_is_not_understood() {
        assert_eq!(Managers::read(&object(json!([entry("a", "Foo", "", "x")]))), None);
    }

    #[test]
    fn the_oldest_of_too_many_updaters_are_folded_together() {
        let entries: Vec<_> = (0..13)
            .map(|n| entry(&format!("m{n:02}"), "Update", &format!("2020-01-01T00:00:{n:02}Z"), &format!("f{n}")))
            .collect();
        let mut managers = Managers::read(&object(json!(entries))).unwrap();
        let owned = managers.owned();
        managers.cap();
        assert_eq!(managers.0.len(), MAX_UPDATERS);
        assert_eq!(managers.owned(), owned);
        assert!(managers.0.keys().any(|id| id.name == "ancient-changes"));
    }
}
