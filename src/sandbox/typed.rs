//! Owns the check that a server-side apply speaks the language of its kind: known fields, right types, no item twice.
//! Must never change the object.

use serde_json::Value;

use crate::object::{FieldPath, ListKind, PathElement, SchemaView};

use super::types::{Type, types};

/// Checks an applied object.
///
/// # Errors
///
/// The server's text for the first thing that does not fit.
pub(super) fn check(config: &Value, of: &Type, view: SchemaView<'_>) -> Result<(), String> {
    Checker { path: FieldPath::root() }.value(config, of, view)
}

struct Checker {
    path: FieldPath,
}

impl Checker {
    fn at(&self) -> String {
        let text: String = self
            .path
            .elements()
            .iter()
            .map(|element| match element {
                PathElement::Field(name) => format!(".{name}"),
                other => other.to_string(),
            })
            .collect();
        text
    }

    fn below(&mut self, element: PathElement, value: &Value, of: &Type, view: SchemaView<'_>) -> Result<(), String> {
        self.path.push(element);
        self.value(value, of, view)?;
        self.path.pop();
        Ok(())
    }

    fn value(&mut self, value: &Value, of: &Type, view: SchemaView<'_>) -> Result<(), String> {
        match (of, value) {
            (_, Value::Null) | (Type::Any, _) => Ok(()),
            (Type::Struct(_), Value::Object(map)) => {
                let sorted: std::collections::BTreeMap<_, _> = map.iter().collect();
                for (name, value) in sorted {
                    let Some(field) = types().field(of, name) else {
                        return Err(format!("{}.{name}: field not declared in schema", self.at()));
                    };
                    self.below(PathElement::field(name), value, &field.of, view.field(name))?;
                }
                Ok(())
            }
            (Type::Map(of), Value::Object(map)) => map
                .iter()
                .try_for_each(|(name, value)| self.below(PathElement::field(name), value, of, view.field(name))),
            (Type::List(of), Value::Array(items)) => self.items(items, of, view),
            (Type::Struct(_) | Type::Map(_), other) => {
                Err(format!("{}: expected map, got &{{{}}}", self.at(), bare(other)))
            }
            (Type::List(_), other) => Err(format!("{}: expected list, got &{{{}}}", self.at(), bare(other))),
            (Type::Text | Type::Bytes | Type::Time | Type::MicroTime, Value::String(_)) => Ok(()),
            (Type::Text | Type::Bytes | Type::Time | Type::MicroTime, other) => {
                Err(format!("{}: expected string, got &value.valueUnstructured{{Value:{}}}", self.at(), bare(other)))
            }
            (Type::Integer | Type::Number, Value::Number(_)) => Ok(()),
            (Type::Integer | Type::Number, other) => {
                Err(format!("{}: expected numeric (int or float), got {}", self.at(), name_of(other)))
            }
            (Type::Boolean, Value::Bool(_)) => Ok(()),
            (Type::Boolean, other) => Err(format!("{}: expected boolean, got {}", self.at(), name_of(other))),
            (Type::IntOrString | Type::Quantity, _) => Ok(()),
        }
    }

    fn items(&mut self, items: &[Value], of: &Type, view: SchemaView<'_>) -> Result<(), String> {
        let mut seen = std::collections::BTreeSet::new();
        for (position, item) in items.iter().enumerate() {
            let key = view.item_key(item);
            if let Some(key) = &key
                && !seen.insert(key.clone())
            {
                let what = if view.list() == ListKind::Set { "set item" } else { "key" };
                return Err(format!("{}: duplicate entries for {what} {key}", self.at()));
            }
            self.below(key.unwrap_or(PathElement::Index(position)), item, of, view.item())?;
        }
        Ok(())
    }
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), String::from)
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "map",
    }
}

#[cfg(test)]
mod tests {
    use super::super::{kinds, types};
    use super::*;
    use serde_json::json;

    #[test]
    fn what_does_not_fit_is_named_as_the_server_names_it() {
        let resource = kinds::by_kind("apps", "Deployment").unwrap();
        let (of, view) = (types().root(resource), types::view(resource));
        let container = |rest: Value| json!({"spec": {"template": {"spec": {"containers": [rest]}}}});
        for (config, wanted) in [
            (json!({"spec": {"bar": 1}}), ".spec.bar: field not declared in schema"),
            (json!({"spec": {"replicas": "x"}}), ".spec.replicas: expected numeric (int or float), got string"),
            (
                json!({"metadata": {"labels": {"a": 1}}}),
                ".metadata.labels.a: expected string, got &value.valueUnstructured{Value:1}",
            ),
            (json!({"metadata": {"labels": "x"}}), ".metadata.labels: expected map, got &{x}"),
            (
                container(json!({"name": "c", "env": [{"name": "a"}, {"name": "a"}]})),
                ".spec.template.spec.containers[name=\"c\"].env: duplicate entries for key [name=\"a\"]",
            ),
        ] {
            assert_eq!(check(&config, &of, view).unwrap_err(), wanted);
        }
        assert_eq!(check(&container(json!({"name": "c", "env": null})), &of, view), Ok(()));
    }
}
