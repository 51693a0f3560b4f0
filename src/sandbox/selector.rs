//! Owns label and field selectors of requests. Must never match what it could not read.

use serde_json::Value;

use super::kinds::Resource;
use super::status::Status;

/// Which objects a request is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(String, String, bool)>,
}

#[derive(Clone, Debug, PartialEq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
}

/// Fields by which every kind can be selected.
const COMMON: &[&str] = &["metadata.name", "metadata.namespace"];

/// Further fields, by kind: the name in a selector, and where it stands.
fn fields_of(resource: &Resource) -> &'static [(&'static str, &'static str)] {
    match resource.kind.as_str() {
        "Namespace" => &[("status.phase", "/status/phase"), ("name", "/metadata/name")],
        "Secret" => &[("type", "/type")],
        "Service" => &[("spec.clusterIP", "/spec/clusterIP"), ("spec.type", "/spec/type")],
        "Event" => &[
            ("involvedObject.kind", "/involvedObject/kind"),
            ("involvedObject.namespace", "/involvedObject/namespace"),
            ("involvedObject.name", "/involvedObject/name"),
            ("involvedObject.uid", "/involvedObject/uid"),
            ("involvedObject.apiVersion", "/involvedObject/apiVersion"),
            ("involvedObject.resourceVersion", "/involvedObject/resourceVersion"),
            ("involvedObject.fieldPath", "/involvedObject/fieldPath"),
            ("reason", "/reason"),
            ("reportingComponent", "/reportingComponent"),
            ("source", "/source/component"),
            ("type", "/type"),
        ],
        _ => &[],
    }
}

impl Selector {
    /// Reads `labelSelector` and `fieldSelector`.
    ///
    /// # Errors
    ///
    /// 400 when one can't be read, or names a field that this kind can't be selected by.
    pub fn read(resource: &Resource, labels: &str, fields: &str) -> Result<Self, Status> {
        let labels =
            parse_labels(labels).map_err(|why| Status::bad_request(format!("unable to parse requirement: {why}")))?;
        let mut tests = Vec::new();
        for part in fields.split(',').filter(|part| !part.trim().is_empty()) {
            let (key, value, equal) = if let Some((key, value)) = part.split_once("!=") {
                (key, value, false)
            } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (key, value, true)
            } else {
                return Err(Status::bad_request(format!("invalid selector: '{part}'; can't understand '{part}'")));
            };
            let key = key.trim();
            let known = fields_of(resource);
            if !COMMON.contains(&key) && !known.iter().any(|(name, _)| *name == key) {
                return Err(unknown_field(resource, key));
            }
            tests.push((key.to_owned(), value.trim().to_owned(), equal));
        }
        Ok(Self { labels, fields: tests })
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether it selects this object, as it is stored.
    pub fn matches(&self, resource: &Resource, object: &Value) -> bool {
        let label = |key: &str| object.get("metadata")?.get("labels")?.get(key)?.as_str();
        let labels_fit = self.labels.iter().all(|requirement| {
            let value = label(&requirement.key);
            match &requirement.test {
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
                Test::In(values) => value.is_some_and(|value| values.iter().any(|one| one == value)),
                Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|one| one != value)),
            }
        });
        labels_fit
            && self.fields.iter().all(|(key, wanted, equal)| {
                let pointer = match key.as_str() {
                    "metadata.name" => "/metadata/name",
                    "metadata.namespace" => "/metadata/namespace",
                    key => fields_of(resource).iter().find(|(name, _)| *name == key).map_or("", |(_, at)| *at),
                };
                let value = object.pointer(pointer).and_then(Value::as_str).unwrap_or("");
                (value == wanted) == *equal
            })
    }
}

fn unknown_field(resource: &Resource, key: &str) -> Status {
    if fields_of(resource).is_empty() {
        let known: Vec<_> = COMMON.iter().map(|one| format!("{one:?}")).collect();
        return Status::bad_request(format!("{key:?} is not a known field selector: only {}", known.join(", ")));
    }
    Status::bad_request(format!("field label not supported: {key}"))
}

/// Splits at commas that stand in no parentheses.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0usize, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.extend(text.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..));
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>, String> {
    parts(text).into_iter().map(parse_requirement).collect()
}

fn parse_requirement(text: &str) -> Result<Requirement, String> {
    let requirement = |key: &str, test: Test| {
        let key = key.trim();
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
        if key.is_empty() || !key.bytes().all(fits) {
            return Err(format!("found '{key}', expected: identifier"));
        }
        Ok(Requirement { key: key.to_owned(), test })
    };
    let value = |value: &str| {
        let value = value.trim();
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if value.bytes().all(fits) {
            Ok(value.to_owned())
        } else {
            Err(format!("found '{value}', expected: identifier"))
        }
    };
    if let Some(rest) = text.strip_suffix(')') {
        let (head, values) = rest.split_once('(').ok_or_else(|| format!("found '{text}', expected: in, notin"))?;
        let values = values.split(',').map(value).collect::<Result<Vec<_>, _>>()?;
        let head = head.trim();
        if let Some(key) = head.strip_suffix(" notin") {
            return requirement(key, Test::NotIn(values));
        }
        let key = head.strip_suffix(" in").ok_or_else(|| format!("found '{head}', expected: in, notin"))?;
        return requirement(key, Test::In(values));
    }
    if let Some((key, text)) = text.split_once("!=") {
        return requirement(key, Test::NotIn(vec![value(text)?]));
    }
    if let Some((key, text)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return requirement(key, Test::In(vec![value(text)?]));
    }
    match text.strip_prefix('!') {
        Some(key) => requirement(key, Test::Absent),
        None => requirement(text, Test::Exists),
    }
}

#[cfg(test)]
mod tests {
    use super::super::kinds;
    use super::*;
    use serde_json::json;

    #[test]
    fn every_form_of_a_label_selector_selects() {
        let resource = kinds::by_kind("", "ConfigMap").unwrap();
        let object = json!({"metadata": {"name": "a", "labels": {"n": "1", "app.io/x": "y"}}});
        for (labels, wanted) in [
            ("n", true),
            ("!n", false),
            ("n=1", true),
            ("n==2", false),
            ("n!=1", false),
            ("m!=1", true),
            ("n in (1,2), app.io/x notin (z)", true),
            ("n in (1,2),n!=1", false),
            ("", true),
        ] {
            let selector = Selector::read(resource, labels, "").unwrap();
            assert_eq!(selector.matches(resource, &object), wanted, "{labels}");
        }
        for bad in ["a===b", "a b", "a in 1", "in (a)"] {
            assert!(Selector::read(resource, bad, "").is_err(), "{bad}");
        }
    }

    #[test]
    fn fields_are_those_that_the_kind_knows() {
        let secret = kinds::by_kind("", "Secret").unwrap();
        let object = json!({"metadata": {"name": "a"}, "type": "Opaque"});
        let selector = Selector::read(secret, "", "metadata.name=a,type!=x").unwrap();
        assert!(selector.matches(secret, &object));
        let error = Selector::read(secret, "", "foo=bar").unwrap_err();
        assert_eq!(error.message, "field label not supported: foo");
        let error = Selector::read(kinds::by_kind("apps", "Deployment").unwrap(), "", "foo=bar").unwrap_err();
        let wanted = "\"foo\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
        assert_eq!(error.message, wanted);
    }
}
