use super::*;
use crate::object::fixtures::{shelf, strategies};
use crate::object::{FieldSet, Schema};
use proptest::prelude::*;
use serde_json::json;

fn deployment(container: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": {"containers": [container]}}}})
}

/// Differences of two containers, from the container on.
fn container(wanted: Value, live: Value) -> Vec<String> {
    let schema = Schema::builtin();
    let (wanted, live) = (deployment(wanted), deployment(live));
    let view = schema.view_of(&wanted);
    let found = differences(&wanted, &live, view);
    assert_eq!(found.is_empty(), same(&wanted, &live, view));
    found.iter().map(|path| path.to_string().replace(".spec.template.spec.containers", "")).collect()
}

#[test]
fn quantities_numbers_and_key_defaults_are_compared_by_meaning() {
    let wanted = json!({"name": "a", "ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 80}],
        "resources": {"limits": {"cpu": 1, "memory": "1024Mi"}, "requests": {"cpu": "1000m"}}});
    let live = json!({"name": "a", "ports": [{"protocol": "TCP", "containerPort": 80.0}, {"containerPort": 53, "protocol": "UDP"}],
        "resources": {"limits": {"memory": "1Gi", "cpu": "1"}, "requests": {"cpu": "1"}}});
    // 80.0 is no key that equals 80: the server never answers so.
    let live: Value = serde_json::from_str(&live.to_string().replace("80.0", "80")).unwrap();
    assert!(container(wanted.clone(), live.clone()).is_empty());
    let mut other = live;
    other["resources"]["limits"]["cpu"] = json!("1001m");
    assert_eq!(container(wanted, other), [r#"[name="a"].resources.limits.cpu"#]);
}

#[test]
fn a_leaf_is_named_by_the_keys_of_its_items() {
    let env = |value: &str| json!({"name": "a", "env": [{"name": "X", "value": value}, {"name": "Y", "value": "1"}]});
    assert_eq!(container(env("1"), env("2")), [r#"[name="a"].env[name="X"].value"#]);
    let wanted = json!({"name": "a", "env": [{"name": "X", "value": "1"}]});
    assert_eq!(container(wanted, env("1")), [r#"[name="a"].env[name="Y"]"#, r#"[name="a"].env[name="Y"].value"#]);
}

#[test]
fn what_the_server_drops_is_no_difference_and_what_it_keeps_is_one() {
    let bare = json!({"name": "a"});
    for nothing in [
        json!({"name": "a", "env": []}),
        json!({"name": "a", "tty": false, "workingDir": ""}),
        json!({"name": "a", "env": null, "image": null}),
        json!({"name": "a", "args": []}),
    ] {
        assert!(container(nothing.clone(), bare.clone()).is_empty(), "{nothing}");
        assert!(container(bare.clone(), nothing.clone()).is_empty(), "{nothing}");
    }
    for something in [
        json!({"name": "a", "securityContext": {}}),
        json!({"name": "a", "securityContext": {"allowPrivilegeEscalation": false}}),
        json!({"name": "a", "tty": true}),
        json!({"name": "a", "livenessProbe": {"tcpSocket": {"port": 0}}}),
    ] {
        assert_eq!(container(something.clone(), bare.clone()).len(), 1, "{something}");
        assert_eq!(container(bare.clone(), something.clone()).len(), 1, "{something}");
    }
}

#[test]
fn an_atomic_part_is_one_leaf_and_its_defaults_do_not_count() {
    let env = |reference: Value| json!({"name": "a", "env": [{"name": "X", "valueFrom": {"fieldRef": reference}}]});
    let live = env(json!({"apiVersion": "v1", "fieldPath": "metadata.name"}));
    assert!(container(env(json!({"fieldPath": "metadata.name"})), live.clone()).is_empty());
    let leaf = [r#"[name="a"].env[name="X"].valueFrom.fieldRef"#];
    assert_eq!(container(env(json!({"fieldPath": "metadata.uid"})), live), leaf);
    let args = |args: Value| json!({"name": "a", "args": args});
    assert_eq!(container(args(json!(["a", "b"])), args(json!(["b", "a"]))), [r#"[name="a"].args"#]);
}

#[test]
fn outside_of_atomic_parts_a_default_is_a_value_like_any_other() {
    let bare = json!({"name": "a"});
    let found = container(bare, json!({"name": "a", "terminationMessagePolicy": "File"}));
    assert_eq!(found, [r#"[name="a"].terminationMessagePolicy"#]);
}

#[test]
fn items_that_share_a_key_are_compared_in_order() {
    let env = |values: &[&str]| {
        let items: Vec<_> = values.iter().map(|value| json!({"name": "X", "value": value})).collect();
        json!({"name": "a", "env": items})
    };
    assert!(container(env(&["1", "2"]), env(&["1", "2"])).is_empty());
    assert_eq!(container(env(&["1", "2"]), env(&["2", "1"])).len(), 2);
    assert_eq!(container(env(&["1", "2"]), env(&["1"])), [r#"[name="a"].env[name="X"]"#]);
}

#[test]
fn a_null_among_free_keys_is_an_empty_text() {
    let schema = Schema::builtin();
    let view = schema.root("", "v1", "ConfigMap").unwrap();
    let null = json!({"data": {"a": null}});
    assert!(same(&null, &json!({"data": {"a": ""}}), view));
    assert!(!same(&null, &json!({"data": {}}), view));
    assert!(same(&json!({"data": null}), &json!({}), view) && same(&json!({"data": {}}), &json!({}), view));
}

#[test]
fn custom_resources_keep_what_they_were_given() {
    let schema = shelf();
    let view = schema.root("fix.example.org", "v1", "Shelf").unwrap();
    let spec = |spec: Value| json!({ "spec": spec });
    assert!(!same(&spec(json!({"cpu": "1000m"})), &spec(json!({"cpu": "1"})), view));
    assert!(!same(&spec(json!({"labels": {}})), &spec(json!({})), view));
    assert!(!same(&spec(json!({"size": 0})), &spec(json!({})), view));
    assert!(same(&spec(json!({"plain": [{"a": "x", "b": "x"}]})), &spec(json!({"plain": [{"a": "x"}]})), view));
    assert!(same(&spec(json!({"free": {"n": 1}})), &spec(json!({"free": {"n": 1.0}})), view));
    assert!(!same(&spec(json!({"amount": 5})), &spec(json!({"amount": "5"})), view));
}

#[test]
fn line_breaks_in_base64_do_not_count() {
    let schema = Schema::builtin();
    let view = schema.root("", "v1", "Secret").unwrap();
    assert!(same(&json!({"data": {"a": "YWJj\nZGVm\n"}}), &json!({"data": {"a": "YWJjZGVm"}}), view));
    assert!(!same(&json!({"data": {"a": "YWJj"}}), &json!({"data": {"a": "YWJk"}}), view));
}

#[test]
fn values_of_different_forms_differ_at_their_place() {
    for (one, other) in [(json!({"a": 1}), json!({"a": {"b": 1}})), (json!({"a": [1]}), json!({"a": 1}))] {
        assert_eq!(differences(&one, &other, SchemaView::unknown()), [FieldPath::fields(["a"])]);
    }
}

/// The same value with keyed lists, sets and the keys of maps turned round.
fn reversed(value: &Value, view: SchemaView<'_>) -> Value {
    match value {
        Value::Object(map) => {
            map.iter().rev().map(|(key, value)| (key.clone(), reversed(value, view.field(key)))).collect()
        }
        Value::Array(items) if view.list() != ListKind::Atomic => {
            items.iter().rev().map(|item| reversed(item, view.item())).collect()
        }
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn a_value_is_the_same_as_itself_in_any_order(object in strategies::shelf()) {
        let schema = shelf();
        let view = schema.view_of(&object);
        prop_assert!(same(&object, &object, view));
        prop_assert!(same(&object, &reversed(&object, view), view));
    }

    #[test]
    fn there_are_differences_exactly_when_values_are_not_the_same(one in strategies::shelf(), other in strategies::shelf()) {
        let schema = shelf();
        let view = schema.view_of(&one);
        let found = differences(&one, &other, view);
        prop_assert_eq!(found.is_empty(), same(&one, &other, view));
        prop_assert_eq!(same(&one, &other, view), same(&other, &one, view));
        let back = differences(&other, &one, view);
        prop_assert_eq!(&found, &{ let mut back = back; back.sort_by_key(|path| found.iter().position(|found| found == path)); back });
    }

    #[test]
    fn taking_every_difference_makes_two_values_the_same(source in strategies::shelf(), target in strategies::shelf()) {
        let schema = shelf();
        let view = schema.view_of(&source);
        let mut taken = target.clone();
        for path in differences(&source, &target, view) {
            take(&mut taken, &source, &path, view).unwrap();
        }
        prop_assert!(same(&source, &taken, view), "{:?}\n{source}\n{target}\n{taken}", differences(&source, &taken, view));
    }

    #[test]
    fn a_value_projected_on_what_it_owns_is_the_same(object in strategies::shelf()) {
        let schema = shelf();
        let view = schema.view_of(&object);
        let set = FieldSet::of(&object, view);
        prop_assert!(same(&object, &set.project(&object, view), view));
        prop_assert!(same(&object, &FieldSet::of(&object, SchemaView::unknown()).project(&object, SchemaView::unknown()), view));
    }

    #[test]
    fn without_a_schema_the_same_laws_hold(one in strategies::json(), other in strategies::json()) {
        let view = SchemaView::unknown();
        prop_assert!(same(&one, &one, view));
        prop_assert_eq!(differences(&one, &other, view).is_empty(), same(&one, &other, view));
        prop_assert_eq!(same(&one, &other, view), same(&other, &one, view));
    }
}
