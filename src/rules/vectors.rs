//! The `Rule.Matches` vectors of the original controller (its `config_test.go`), each with the answer of the original
//! and, where ours differs on purpose, why.

use serde_json::{Value, json};

use super::{Candidate, Labels, Rule, load};
use crate::object::{FieldPath, GroupKind, Kind, ObjectId, Schema};

struct Vector {
    name: &'static str,
    rule: &'static str,
    git: Option<Value>,
    live: Option<Value>,
    original: bool,
    /// Our answer where it is another, and why.
    differs: Option<(bool, &'static str)>,
}

fn same(name: &'static str, rule: &'static str, git: Option<Value>, live: Option<Value>, original: bool) -> Vector {
    Vector { name, rule, git, live, original, differs: None }
}

/// A Deployment with these labels and annotations.
fn deployment(labels: Value, annotations: Value) -> Option<Value> {
    Some(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": labels, "annotations": annotations},
    }))
}

fn plain() -> Option<Value> {
    deployment(json!({}), json!({}))
}

fn labelled() -> Option<Value> {
    deployment(json!({"my": "label"}), json!({}))
}

fn annotated() -> Option<Value> {
    deployment(json!({}), json!({"my": "annotation"}))
}

const BY_SOURCE: &str = "labels of a missing side are read on the other one, so that a rule with labels can delete";
const NO_EXISTENCE: &str = "a rule with filters never creates or deletes, so it has nothing to decide here";

fn vectors() -> Vec<Vector> {
    vec![
        same("the group is equal", "apiGroups: [apps], syncTo: kubernetes", plain(), plain(), true),
        same("the group differs", "apiGroups: [extensions], syncTo: kubernetes", plain(), plain(), false),
        same("the resource is the plural", "resources: [deployments], syncTo: kubernetes", plain(), plain(), true),
        same(
            "another group than any",
            "apiGroups: [blah], resources: [deployments], syncTo: git",
            plain(),
            plain(),
            false,
        ),
        same("no resources are any", "apiGroups: [apps], syncTo: git", plain(), plain(), true),
        same("labels in git, to kubernetes", "labels: my=label, syncTo: kubernetes", labelled(), plain(), true),
        same("labels live only, to kubernetes", "labels: my=label, syncTo: kubernetes", plain(), labelled(), false),
        same("labels nowhere", "labels: my=label, syncTo: kubernetes", plain(), plain(), false),
        Vector {
            name: "not in git, labels, to kubernetes",
            rule: "labels: my=label, syncTo: kubernetes",
            git: None,
            live: labelled(),
            original: false,
            differs: Some((true, BY_SOURCE)),
        },
        same("only in git, labelled, to kubernetes", "labels: my=label, syncTo: kubernetes", labelled(), None, true),
        same("annotations changed", "filters: [/metadata/annotations], syncTo: git", plain(), annotated(), true),
        same(
            "a label changed, filter on annotations",
            "filters: [/metadata/annotations], syncTo: git",
            plain(),
            labelled(),
            false,
        ),
        same("a label changed, filter above it", "filters: [/metadata], syncTo: git", plain(), labelled(), true),
        same("a label changed, filter beside it", "filters: [/spec], syncTo: git", plain(), labelled(), false),
        Vector {
            name: "a filter always matches if the object needs to be created",
            rule: "filters: [/metadata/annotations], syncTo: kubernetes",
            git: plain(),
            live: None,
            original: true,
            differs: Some((false, NO_EXISTENCE)),
        },
        Vector {
            name: "a filter always matches if the object needs to be deleted",
            rule: "filters: [/metadata/annotations], syncTo: kubernetes",
            git: None,
            live: plain(),
            original: true,
            differs: Some((false, NO_EXISTENCE)),
        },
    ]
}

fn kind() -> Kind {
    Kind {
        group_kind: GroupKind::new("apps", "Deployment"),
        versions: vec!["v1".into()],
        plural: "deployments".into(),
        singular: "deployment".into(),
        short_names: vec![],
        namespaced: true,
        verbs: vec![],
        scalable: true,
    }
}

fn rule(text: &str) -> Rule {
    load(&format!("rules: [{{{text}}}]"), "f").unwrap().rules.rules.remove(0)
}

fn labels(object: &Value) -> Labels {
    serde_json::from_value(object.pointer("/metadata/labels").unwrap().clone()).unwrap()
}

/// Every leaf in which the two differ; good enough for objects without lists.
fn changed(a: &Value, b: &Value, at: &FieldPath, found: &mut Vec<FieldPath>) {
    match (a.as_object(), b.as_object()) {
        (Some(a), Some(b)) => {
            for key in a.keys().chain(b.keys()) {
                let child = at.child(crate::object::PathElement::field(key));
                changed(a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), &child, found);
            }
        }
        _ if a != b => found.push(at.clone()),
        _ => {}
    }
}

/// Whether the rule has something to decide: it selects the object, and covers what differs.
fn matches(rule: &Rule, git: Option<&Value>, live: Option<&Value>) -> bool {
    let (git_labels, live_labels) = (git.map(labels), live.map(labels));
    let candidate = Candidate {
        id: &ObjectId::of(git.or(live).unwrap()).unwrap(),
        kind: &kind(),
        manifest_labels: git_labels.as_ref(),
        live_labels: live_labels.as_ref(),
        base_labels: None,
        namespace_labels: None,
    };
    if !rule.selects(&candidate) || rule.fields.is_empty() {
        return rule.selects(&candidate);
    }
    let (Some(git), Some(live)) = (git, live) else { return false };
    let mut leaves = Vec::new();
    changed(git, live, &FieldPath::root(), &mut leaves);
    let schema = Schema::builtin();
    let view = schema.view_of(git);
    let covered: Vec<_> =
        rule.fields.iter().flat_map(|field| field.filter.resolve(Some(git), Some(live), view).unwrap()).collect();
    leaves.iter().any(|leaf| covered.iter().any(|filter| filter.covers(leaf)))
}

#[test]
fn the_vectors_of_the_original_are_answered_as_it_does_unless_a_row_says_why_not() {
    for vector in vectors() {
        let expected = vector.differs.map_or(vector.original, |(ours, _)| ours);
        let found = matches(&rule(vector.rule), vector.git.as_ref(), vector.live.as_ref());
        assert_eq!(found, expected, "{} {:?}", vector.name, vector.differs);
        assert!(vector.differs.is_none_or(|(ours, _)| ours != vector.original), "{} differs in nothing", vector.name);
    }
}

#[test]
fn for_watching_a_kind_labels_and_filters_do_not_matter() {
    assert!(rule("apiGroups: [apps], labels: x=y, filters: [/spec], syncTo: git").selects_kind(&kind()));
    assert!(!rule("apiGroups: [blah], syncTo: git").selects_kind(&kind()));
}
