//! Owns the labels of an object, and the form in which they are kept: one text, since there are as many as objects. Must
//! never tell two sets of labels apart that are equal.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// Labels of an object. Values that are not strings are left out.
pub fn labels(object: &Value) -> BTreeMap<String, String> {
    let entries = object.pointer("/metadata/labels").and_then(Value::as_object);
    let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    entries.map(|entries| entries.iter().filter_map(text).collect()).unwrap_or_default()
}

/// Labels in few bytes. Cloning is cheap.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KeptLabels(
    /// Their JSON, in the order of keys; `None`: there are none.
    Option<Arc<str>>,
);

impl KeptLabels {
    /// The labels of an object.
    pub fn of(object: &Value) -> Self {
        Self::from(&labels(object))
    }

    /// The labels of an object, in one place in memory with `others` if they are the same.
    pub fn sharing(object: &Value, others: &Self) -> Self {
        let own = Self::of(object);
        if own == *others { others.clone() } else { own }
    }

    /// As rules are matched with them.
    pub fn labels(&self) -> BTreeMap<String, String> {
        // It was written from labels a few lines below.
        self.0.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}

impl From<&BTreeMap<String, String>> for KeptLabels {
    fn from(labels: &BTreeMap<String, String>) -> Self {
        let text = || serde_json::to_string(labels).ok().map(Arc::from);
        Self(if labels.is_empty() { None } else { text() })
    }
}

impl fmt::Debug for KeptLabels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_deref().unwrap_or("{}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_come_back_as_they_went_in() {
        for labels in [json!({}), json!({"b": "2", "a": ""}), json!({"a\u{0}": "\u{0}\"\n", "ü": "\\"})] {
            let object = json!({"metadata": {"labels": labels}});
            let kept = KeptLabels::of(&object);
            assert_eq!(serde_json::to_value(kept.labels()).unwrap(), labels);
            assert_eq!(KeptLabels::sharing(&object, &kept), kept);
        }
    }
}
