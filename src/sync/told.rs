//! Owns what only a commit's message tells of a change: the old and new values of scalars, and who set them. Must never
//! hold a value of a Secret, nor a text that spans lines.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::object::{FieldPath, ObjectId, managed};
use crate::report::terminal::escape_line;

/// The longest value that is told, in characters.
const LONGEST: usize = 48;

/// How many fields a line names before it only counts the rest.
const NAMED: usize = 4;

/// What a message tells of the change of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    is_new: bool,
    /// The old and new value of each changed field whose values can be told; `None` where the field is not there.
    values: BTreeMap<FieldPath, (Option<String>, Option<String>)>,
    /// Field managers that hold the new values, ours left out.
    managers: BTreeSet<String>,
}

impl Told {
    /// What can be told of an edit: each changed field of the object with the value that Git had and has; `None` for none.
    pub fn of<'v>(
        id: &ObjectId,
        values: impl IntoIterator<Item = (&'v FieldPath, Option<&'v Value>, Option<&'v Value>)>,
        live: Option<&Value>,
        own_manager: &str,
    ) -> Self {
        let mut told = Self::default();
        let entries = live.map(managed::entries).unwrap_or_default();
        let text = |value: Option<&Value>| value.map_or(Some(None), |value| short(value).map(Some));
        for (path, old, new) in values {
            if !id.is("", "Secret")
                && let (Some(old), Some(new)) = (text(old), text(new))
            {
                told.values.insert(path.clone(), (old, new));
            }
            let owning = entries.iter().filter(|entry| entry.fields.touches(path) || entry.fields.covers(path));
            let others = owning.filter(|entry| entry.manager.name != own_manager);
            told.managers.extend(others.map(|entry| escape_line(&entry.manager.to_string()).into_owned()));
        }
        told
    }

    /// What can be told of a new manifest: who made the object.
    pub fn of_new(live: Option<&Value>, own_manager: &str) -> Self {
        let entries = live.map(managed::entries).unwrap_or_default().into_iter();
        let makers = entries.map(|entry| entry.manager).filter(|manager| manager.subresource.is_empty());
        let others = makers.filter(|manager| manager.name != own_manager);
        let managers = others.map(|manager| escape_line(&manager.to_string()).into_owned()).collect();
        Self { is_new: true, managers, ..Self::default() }
    }

    /// Whether the object had no manifest before.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// The fields as one short text: `.spec.replicas 3 -> 5, .spec.paused and 2 more`; none when the whole object is meant.
    pub fn fields(&self, changed: &[FieldPath]) -> Option<String> {
        let field = |path: &FieldPath| {
            let name = escape_line(&path.to_string()).into_owned();
            let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_owned());
            let values = self.values.get(path).map(|(old, new)| format!(" {} -> {}", text(old), text(new)));
            format!("{name}{}", values.unwrap_or_default())
        };
        let named: Vec<String> = changed.iter().take(NAMED).map(field).collect();
        match changed.len().checked_sub(NAMED) {
            _ if changed.is_empty() => None,
            Some(more) if more > 0 => Some(format!("{} and {more} more", named.join(", "))),
            _ => Some(named.join(", ")),
        }
    }

    /// Who set the new values, each on one line; empty when nobody is known.
    pub fn managers(&self) -> impl Iterator<Item = &str> {
        self.managers.iter().map(String::as_str)
    }
}

/// A scalar on one line; `None` for a list, a map or a long text. Whatever could be read as something else is quoted.
pub(super) fn short(value: &Value) -> Option<String> {
    let text = match value {
        Value::Array(_) | Value::Object(_) => return None,
        Value::String(text) => {
            let looks_plain = !text.is_empty()
                && !text.contains(|c: char| c.is_whitespace() || matches!(c, '"' | ','))
                && serde_json::from_str::<Value>(text).is_err();
            let shown = if looks_plain { text.clone() } else { value.to_string() };
            escape_line(&shown).into_owned()
        }
        scalar => scalar.to_string(),
    };
    (text.chars().count() <= LONGEST).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;
    use serde_json::json;

    fn told(kind: &str, before: &Value, after: &Value) -> Option<String> {
        let id = ObjectId::new(GroupKind::new("", kind), "shop", "a");
        let path = FieldPath::fields(["data", "a"]);
        let live = json!({"metadata": {"managedFields": [
            {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:data": {"f:a": {}}}},
            {"manager": "kubeferry:x/y", "operation": "Apply", "fieldsV1": {"f:data": {"f:a": {}}}},
            {"manager": "other", "operation": "Update", "fieldsV1": {"f:data": {"f:b": {}}}}]}});
        let values = [(&path, before.pointer("/data/a"), after.pointer("/data/a"))];
        let told = Told::of(&id, values, Some(&live), "kubeferry:x/y");
        assert_eq!(told.managers().collect::<Vec<_>>(), ["kubectl-edit"]);
        told.fields(std::slice::from_ref(&path))
    }

    #[test]
    fn scalars_are_told_with_their_old_and_new_value() {
        let data = |value: Value| json!({"data": {"a": value}});
        for (before, after, text) in [
            (data(json!(3)), data(json!(5)), ".data.a 3 -> 5"),
            (data(json!("nginx:1")), data(json!("nginx:2")), ".data.a nginx:1 -> nginx:2"),
            (json!({}), data(json!("true")), ".data.a (none) -> \"true\""),
            (data(json!("")), json!({"data": {}}), ".data.a \"\" -> (none)"),
            (
                data(json!("a\n\nKubeferry-Allow-Deletes: 9")),
                data(json!(1)),
                r#".data.a "a\n\nKubeferry-Allow-Deletes: 9" -> 1"#,
            ),
            (data(json!("x".repeat(49))), data(json!(1)), ".data.a"),
            (data(json!([1])), data(json!(1)), ".data.a"),
        ] {
            assert_eq!(told("ConfigMap", &before, &after).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_secret_is_told_without_its_values() {
        let data = |value: &str| json!({"data": {"a": value}});
        assert_eq!(told("Secret", &data("aHVudGVyMg=="), &data("aHVudGVyMw==")).as_deref(), Some(".data.a"));
    }
}
