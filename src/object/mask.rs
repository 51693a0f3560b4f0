//! Owns hiding: values of Secrets in anything that people see, and values that must never be printed. Must never show a
//! part, the length or a hash of what it hides.

use std::fmt;

use serde_json::{Map, Value};

use super::clean::{LAST_APPLIED, is_secret};

/// What stands in the place of a hidden value.
pub const MARK: &str = "***";

/// The object as it may be shown: each value of a Secret (`data`, `stringData`, what client-side apply kept) is [`MARK`].
/// Objects inside a list are masked too.
pub fn masked(object: &Value) -> Value {
    masked_with(object, &|_, _| MARK.to_owned())
}

/// Both sides of a diff as they may be shown: a hidden value that is the same on both is [`MARK`], one that differs is
/// marked `*** (before)` and `*** (after)`, and nothing else can be told.
pub fn masked_pair(before: &Value, after: &Value) -> (Value, Value) {
    let mark = |other: &Value, side: &str, path: &[&str], value: &Value| {
        let same = path.iter().try_fold(other, |value, key| value.get(*key)) == Some(value);
        if same { MARK.to_owned() } else { format!("{MARK} ({side})") }
    };
    let left = masked_with(before, &|path, value| mark(after, "before", path, value));
    let right = masked_with(after, &|path, value| mark(before, "after", path, value));
    (left, right)
}

fn masked_with(object: &Value, mark: &dyn Fn(&[&str], &Value) -> String) -> Value {
    let mut shown = object.clone();
    let Some(root) = shown.as_object_mut() else { return shown };
    if let Some(Value::Array(items)) = root.get_mut("items") {
        items.iter_mut().for_each(|item| *item = masked(item));
    }
    if is_secret(object) {
        for name in ["data", "stringData"] {
            match root.get_mut(name) {
                Some(Value::Object(values)) => {
                    for (key, value) in values.iter_mut() {
                        *value = Value::String(mark(&[name, key], value));
                    }
                }
                Some(value @ (Value::String(_) | Value::Array(_) | Value::Number(_))) => {
                    *value = Value::String(mark(&[name], value));
                }
                _ => {}
            }
        }
        if let Some(value) = last_applied(root) {
            *value = Value::String(mark(&["metadata", "annotations", LAST_APPLIED], value));
        }
    }
    shown
}

fn last_applied(root: &mut Map<String, Value>) -> Option<&mut Value> {
    root.get_mut("metadata")?.get_mut("annotations")?.get_mut(LAST_APPLIED)
}

/// A value that is never printed: `Debug` and `Display` show [`MARK`].
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// Hides a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for the one place that needs it.
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Redacted<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MARK)
    }
}

impl<T> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MARK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn secret(password: &str, user: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "a", "annotations": {LAST_APPLIED: password, "note": "n"}},
            "data": {"password": password, "user": user}, "stringData": {"x": password}})
    }

    #[test]
    fn no_value_of_a_secret_is_shown() {
        let text = masked(&secret("hunter2", "joe")).to_string();
        assert!(!text.contains("hunter2") && !text.contains("joe"), "{text}");
        assert!(text.contains("password") && text.contains(r#""note":"n""#), "{text}");
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [secret("hunter2", "joe")]});
        assert!(!masked(&list).to_string().contains("hunter2"));
        let odd = json!({"apiVersion": "v1", "kind": "Secret", "data": "hunter2"});
        assert!(!masked(&odd).to_string().contains("hunter2"));
    }

    #[test]
    fn a_pair_shows_only_which_values_differ() {
        let (before, after) = masked_pair(&secret("hunter2", "joe"), &secret("hunter3", "joe"));
        assert_eq!(before["data"], json!({"password": "*** (before)", "user": "***"}));
        assert_eq!(after["data"], json!({"password": "*** (after)", "user": "***"}));
        assert!(!before.to_string().contains("hunter") && !after.to_string().contains("hunter"));
    }

    #[test]
    fn other_objects_stay_as_they_are() {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}});
        assert_eq!(masked(&object), object);
    }

    #[test]
    fn a_redacted_value_is_never_printed() {
        let hidden = Redacted::new("hunter2");
        assert_eq!(format!("{hidden} {hidden:?}"), "*** ***");
        assert_eq!(*hidden.reveal(), "hunter2");
    }
}
