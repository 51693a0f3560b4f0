use super::*;
use crate::object::fixtures::cases;
use crate::object::{clean, compare};
use serde_json::json;

#[test]
fn an_apply_owns_exactly_what_the_server_says_it_owns() {
    for case in cases("applied") {
        let applied = clean::for_apply(case.manifest());
        let theirs = FieldSet::from_fields_v1(&case.parts["fields"]).unwrap();
        let ours = FieldSet::of(&applied, case.view());
        assert_eq!(
            ours,
            theirs,
            "{}: only ours {:?}, only theirs {:?}",
            case.name,
            ours.subtract(&theirs),
            theirs.subtract(&ours)
        );
        assert_eq!(ours.to_fields_v1(), case.parts["fields"], "{}", case.name);
    }
}

#[test]
fn a_live_object_projected_on_what_was_applied_is_no_different() {
    for case in cases("applied") {
        let applied = clean::for_apply(case.manifest());
        let live = FieldSet::of(&applied, case.view()).project(&case.parts["live"], case.view());
        let differences = compare::differences(&applied, &live, case.view());
        assert!(differences.is_empty(), "{}: {differences:?}\n{applied}\n{live}", case.name);
    }
}

#[test]
fn a_default_key_that_nobody_set_stays_out() {
    let schema = crate::object::Schema::builtin();
    let view = schema.root("", "v1", "Service").unwrap();
    let manifest = json!({"spec": {"ports": [{"port": 80, "name": "http"}]}});
    let live = json!({"spec": {"clusterIP": "10.0.0.1", "ports": [
        {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 80}, {"name": "u", "port": 80, "protocol": "UDP"}]}});
    let set = FieldSet::of(&manifest, view);
    assert_eq!(set.project(&live, view), manifest);
    let rest = json!({"spec": {"clusterIP": "10.0.0.1", "ports": [
        {"port": 80, "protocol": "TCP", "targetPort": 80}, {"name": "u", "port": 80, "protocol": "UDP"}]}});
    assert_eq!(set.without(&live, view), rest);
}

#[test]
fn an_empty_map_that_we_own_does_not_cover_the_keys_of_others() {
    let schema = crate::object::Schema::builtin();
    let view = schema.root("", "v1", "ConfigMap").unwrap();
    let manifest = json!({"metadata": {"name": "a", "labels": {}}});
    let live = json!({"metadata": {"name": "a", "labels": {"x": "y"}}, "data": {"k": "v"}});
    assert_eq!(FieldSet::of(&manifest, view).project(&live, view), manifest);
    assert_eq!(FieldSet::of(&manifest, view).without(&live, view), live);
}

#[test]
fn without_a_schema_the_set_tells_list_items_apart() {
    let set = FieldSet::from_fields_v1(&json!({"f:spec": {
        "f:containers": {r#"k:{"name":"web"}"#: {".": {}, "f:image": {}}},
        "f:ports": {r#"k:{"port":80,"protocol":"TCP"}"#: {".": {}, "f:port": {}}},
        "f:tags": {r#"v:"a""#: {}},
        "f:atomic": {}}}))
    .unwrap();
    let live = json!({"spec": {
        "containers": [{"name": "side", "image": "s"}, {"name": "web", "image": "w", "tty": true}],
        "ports": [{"port": 80}, {"port": 81}],
        "tags": ["b", "a"], "atomic": {"x": [1]}, "other": 1}});
    let part = json!({"spec": {"containers": [{"name": "web", "image": "w"}], "ports": [{"port": 80}], "tags": ["a"],
        "atomic": {"x": [1]}}});
    let view = SchemaView::unknown();
    assert_eq!(set.project(&live, view), part);
    let rest = json!({"spec": {
        "containers": [{"name": "side", "image": "s"}, {"name": "web", "tty": true}],
        "ports": [{"port": 81}], "tags": ["b"], "other": 1}});
    assert_eq!(set.without(&live, view), rest);
}
