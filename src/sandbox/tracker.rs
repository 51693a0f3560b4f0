//! Owns the rules by which ownership of fields moves at an update and at a server-side apply. Must never store anything,
//! and never look beyond the two objects that it is given.

use serde_json::{Value, json};

use crate::object::{FieldPath, FieldSet, SchemaView};

use super::compare::{Comparison, compare};
use super::managers::{Entry, ManagerId, Managers};
use super::merge::{fields_of, merge, remove, with_parents};
use super::status::{Status, go_json};

/// Fields of `metadata` that nobody can own, besides `apiVersion` and `kind`.
const UNOWNED_METADATA: &[&str] = &[
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
];

/// The manager as which kubectl applies server-side.
const KUBECTL: &str = "kubectl";
/// Where kubectl notes what it applied from the client's side.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// One write, as far as ownership is concerned.
pub(super) struct Tracker<'a> {
    pub view: SchemaView<'static>,
    pub api_version: String,
    /// Empty for the main resource.
    pub subresource: &'static str,
    /// Parts of the object that this write cannot change, so cannot own.
    pub reset: &'a [FieldPath],
    /// Time of new entries.
    pub now: &'a str,
}

/// What an apply leads to.
pub(super) struct Applied {
    /// The object before defaults; `None` when it stays as it is.
    pub object: Option<Value>,
    pub managers: Managers,
}

impl Tracker<'_> {
    fn id(&self, name: &str, applies: bool) -> ManagerId {
        ManagerId {
            name: name.to_owned(),
            applies,
            api_version: if applies { String::new() } else { self.api_version.clone() },
            subresource: self.subresource.to_owned(),
        }
    }

    /// The entries that a write starts from: those that the new object brings, so that they can be edited, else the live
    /// ones. `[{}]` drops all.
    pub fn starting(&self, live: &Value, new: &Value) -> Managers {
        let live = || Managers::read(live).unwrap_or_default();
        if !self.subresource.is_empty() {
            return live();
        }
        if new.pointer("/metadata/managedFields") == Some(&json!([{}])) {
            return Managers::default();
        }
        Managers::read(new).filter(|managers| !managers.is_empty()).unwrap_or_else(live)
    }

    /// Ownership after `manager` changed `live` to `new` by anything but an apply.
    pub fn update(&self, live: &Value, new: &Value, mut managers: Managers, manager: &str) -> Managers {
        // Whoever switched tracking off does not get it back by the way; only a new object starts one.
        if managers.is_empty() && live.pointer("/metadata/uid").is_some() {
            return managers;
        }
        let compared = self.compare(live, new);
        let changed = compared.changed();
        managers.take(&changed, None);
        managers.take(&compared.removed, None);
        managers.drop_empty();
        let taken = changed.subtract(&unowned());
        if !taken.is_empty() {
            let entry = managers.0.entry(self.id(manager, false)).or_insert_with(|| self.entry(FieldSet::new()));
            entry.set = entry.set.union(&taken);
            entry.time = Some(self.now.to_owned());
        }
        managers.cap();
        managers
    }

    fn entry(&self, set: FieldSet) -> Entry {
        Entry { set, api_version: self.api_version.clone(), time: None }
    }

    fn compare(&self, old: &Value, new: &Value) -> Comparison {
        compare(&without_managers(old), &without_managers(new), self.view).without(self.reset)
    }

    /// The object and the ownership after `manager` applied `config` to `live`.
    ///
    /// # Errors
    ///
    /// 409 when others own what would change, unless `force`.
    pub fn apply(
        &self,
        live: &Value,
        config: &Value,
        mut managers: Managers,
        manager: &str,
        force: bool,
        empty: &Value,
    ) -> Result<Applied, Status> {
        if managers.is_empty() {
            managers = self.update(empty, live, managers, "before-first-apply");
        }
        let applied = self.apply_or_adopt(live, config, managers, manager, force)?;
        Ok(if manager == KUBECTL { with_last_applied(applied, live, config) } else { applied })
    }

    fn apply_or_adopt(
        &self,
        live: &Value,
        config: &Value,
        managers: Managers,
        manager: &str,
        force: bool,
    ) -> Result<Applied, Status> {
        match self.try_apply(live, config, managers.clone(), manager, force) {
            Ok(applied) => Ok(applied),
            // kubectl's own client-side apply is no other owner to its server-side apply.
            Err(conflicts) if manager == KUBECTL => {
                let allowed = self.last_applied(live);
                let rest: Vec<_> = conflicts.into_iter().filter(|(_, path)| !allowed.contains(path)).collect();
                if rest.is_empty() {
                    self.try_apply(live, config, managers, manager, true).map_err(|conflicts| conflict(&conflicts))
                } else {
                    Err(conflict(&rest))
                }
            }
            Err(conflicts) => Err(conflict(&conflicts)),
        }
    }

    fn try_apply(
        &self,
        live: &Value,
        config: &Value,
        mut managers: Managers,
        manager: &str,
        force: bool,
    ) -> Result<Applied, Vec<(ManagerId, FieldPath)>> {
        let id = self.id(manager, true);
        let merged = merge(&without_managers(live), config, self.view);
        // Name and namespace count here, or metadata would go with the last label that this manager applied.
        let set = fields_of(config, self.view).filter(|path| !self.reset.iter().any(|one| one.covers(path)));
        let last = managers.0.get(&id).map(|entry| (entry.set.clone(), entry.time.clone()));
        let (last, time) = last.unwrap_or_default();
        managers.0.insert(id.clone(), Entry { time, ..self.entry(set) });
        let pruned = self.prune(&merged, &managers, &last);
        let compared = self.compare(live, &pruned);
        let changed = compared.changed();
        let conflicts = managers.owners(&changed, &id);
        if !force && !conflicts.is_empty() {
            return Err(conflicts);
        }
        managers.take(&changed, Some(&id));
        managers.take(&compared.removed, Some(&id));
        let object = if compared.is_same() { None } else { Some(pruned) };
        if let Some(entry) = managers.0.get_mut(&id) {
            entry.set = entry.set.subtract(&unowned());
            if object.is_some() {
                entry.time = Some(self.now.to_owned());
            }
        }
        managers.drop_empty();
        Ok(Applied { object, managers })
    }

    /// `merged` without what this manager applied before and no longer does, as far as nobody else owns it.
    fn prune(&self, merged: &Value, managers: &Managers, last: &FieldSet) -> Value {
        if last.is_empty() {
            return merged.clone();
        }
        let view = self.view;
        let last = with_parents(last, view);
        let pruned = remove(merged, &last, view);
        // What others own, or this apply still says, comes back; then what was never ours.
        let all = with_parents(&fields_of(merged, view), view);
        let owned = with_parents(&managers.owned(), view);
        let kept = with_parents(&fields_of(&pruned, view), view).union(&owned);
        let pruned = remove(merged, &all.subtract(&kept), view);
        let left = with_parents(&fields_of(&pruned, view), view);
        remove(merged, &all.subtract(&left).intersect(&last), view)
    }

    /// The fields that client-side apply declared and that still have that value.
    fn last_applied(&self, live: &Value) -> FieldSet {
        let text = live.pointer("/metadata/annotations").and_then(|annotations| annotations.get(LAST_APPLIED));
        let Some(declared) = text.and_then(Value::as_str).and_then(|text| serde_json::from_str::<Value>(text).ok())
        else {
            return FieldSet::new();
        };
        let compared = compare(&declared, live, self.view);
        fields_of(&declared, self.view).subtract(&compared.changed()).subtract(&compared.removed)
    }
}

/// kubectl's note, where there is one, follows its server-side apply; nobody owns that change.
fn with_last_applied(applied: Applied, live: &Value, config: &Value) -> Applied {
    let mut noted = config.clone();
    if let Some(annotations) = noted.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(LAST_APPLIED);
    }
    let mut object = applied.object.clone().unwrap_or_else(|| live.clone());
    match object.pointer_mut("/metadata/annotations").and_then(|annotations| annotations.get_mut(LAST_APPLIED)) {
        Some(note) => {
            *note = format!("{}\n", go_json(&noted)).into();
            Applied { object: Some(object), ..applied }
        }
        None => applied,
    }
}

fn without_managers(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}

fn unowned() -> FieldSet {
    let mut paths: Vec<_> = UNOWNED_METADATA.iter().map(|name| FieldPath::fields(["metadata", name])).collect();
    paths.extend(["apiVersion", "kind", "metadata"].map(|name| FieldPath::fields([name])));
    FieldSet::from_paths(&paths)
}

/// A path as the server prints it: names of fields are never quoted.
fn go_path(path: &FieldPath) -> String {
    use crate::object::PathElement;
    path.elements()
        .iter()
        .map(|element| match element {
            PathElement::Field(name) => format!(".{name}"),
            other => other.to_string(),
        })
        .collect()
}

fn conflict(conflicts: &[(ManagerId, FieldPath)]) -> Status {
    let causes: Vec<_> = conflicts.iter().map(|(id, path)| (go_path(path), id.describe())).collect();
    let message = match causes.as_slice() {
        [(path, owner)] => format!("Apply failed with 1 conflict: conflict with {owner}: {path}"),
        _ => {
            let mut lines: Vec<String> = Vec::new();
            let mut last = None;
            for (id, path) in conflicts {
                if last != Some(id) {
                    lines.push(format!("conflicts with {}:", id.describe()));
                    last = Some(id);
                }
                lines.push(format!("- {}", go_path(path)));
            }
            format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
        }
    };
    Status::apply_conflict(message, &causes)
}

#[cfg(test)]
mod tests {
    use super::super::{decode, kinds, types};
    use super::*;

    fn tracker(resource: &kinds::Resource) -> Tracker<'static> {
        let now = "2020-01-01T00:00:00Z";
        Tracker { view: types::view(resource), api_version: resource.api_version(), subresource: "", reset: &[], now }
    }

    fn owns(managers: &Managers, name: &str) -> Value {
        let entry = managers.0.iter().find(|(id, _)| id.name == name);
        entry.map_or(Value::Null, |(_, entry)| entry.set.to_fields_v1())
    }

    #[test]
    fn an_update_takes_what_it_changes_and_nothing_else() {
        let resource = kinds::by_kind("", "ConfigMap").unwrap();
        let (tracker, empty) = (tracker(resource), decode::empty(resource));
        let made = json!({"metadata": {"name": "a", "uid": "u"}, "data": {"a": "1", "b": "2"}});
        let managers = tracker.update(&empty, &made, Managers::default(), "first");
        assert_eq!(owns(&managers, "first"), json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}}));
        let changed = json!({"metadata": {"name": "a", "uid": "u"}, "data": {"a": "9", "b": "2"}});
        let managers = tracker.update(&made, &changed, managers, "second");
        assert_eq!(owns(&managers, "first"), json!({"f:data": {".": {}, "f:b": {}}}));
        assert_eq!(owns(&managers, "second"), json!({"f:data": {"f:a": {}}}));
    }

    #[test]
    fn the_last_label_of_an_applier_leaves_the_rest_of_metadata_alone() {
        let resource = kinds::by_kind("", "ConfigMap").unwrap();
        let (tracker, empty) = (tracker(resource), decode::empty(resource));
        let config = |labels: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": labels}});
        let first = config(json!({"x": "y"}));
        let applied = tracker.apply(&empty, &first, Managers::default(), "m", false, &empty).unwrap();
        assert_eq!(owns(&applied.managers, "m"), json!({"f:metadata": {"f:labels": {"f:x": {}}}}));
        let mut live = applied.object.unwrap();
        live["metadata"]["uid"] = "u".into();
        let bare = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
        let applied = tracker.apply(&live, &bare, applied.managers, "m", false, &empty).unwrap();
        let metadata = &applied.object.unwrap()["metadata"];
        assert_eq!((&metadata["name"], &metadata["uid"], metadata.get("labels")), (&json!("a"), &json!("u"), None));
        assert!(applied.managers.is_empty());
    }

    #[test]
    fn a_conflict_names_each_field_and_its_owner() {
        let resource = kinds::by_kind("", "ConfigMap").unwrap();
        let (tracker, empty) = (tracker(resource), decode::empty(resource));
        let config =
            |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data});
        let first = config(json!({"a": "1", "b": "2"}));
        let applied = tracker.apply(&empty, &first, Managers::default(), "f", false, &empty).unwrap();
        let mut live = applied.object.unwrap();
        live["metadata"]["uid"] = "u".into();
        let other = config(json!({"a": "2", "b": "3", "c": "4"}));
        let refused = tracker.apply(&live, &other, applied.managers.clone(), "g", false, &empty).err().unwrap();
        assert_eq!(refused.message, "Apply failed with 2 conflicts: conflicts with \"f\":\n- .data.a\n- .data.b");
        assert_eq!(refused.conflicting_fields(), [".data.a", ".data.b"]);
        let forced = tracker.apply(&live, &other, applied.managers, "g", true, &empty).unwrap();
        assert_eq!(owns(&forced.managers, "g"), json!({"f:data": {"f:a": {}, "f:b": {}, "f:c": {}}}));
        assert_eq!(owns(&forced.managers, "f"), Value::Null);
    }
}
