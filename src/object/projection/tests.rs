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

mod laws {
    use super::*;
    use crate::object::FieldPath;
    use crate::object::fixtures::{shelf, strategies};
    use proptest::prelude::*;

    /// Leaves of a value, without the keys that items repeat.
    fn leaves(value: &Value, view: SchemaView<'_>) -> Vec<FieldPath> {
        let set = FieldSet::of(value, view);
        let is_leaf = |path: &FieldPath| !set.paths().iter().any(|other| other != path && path.covers(other));
        let is_key = |path: &FieldPath| match path.elements() {
            [.., PathElement::Key(keys), PathElement::Field(name)] => is_key(keys, name),
            _ => false,
        };
        set.paths().into_iter().filter(|path| is_leaf(path) && !is_key(path)).collect()
    }

    proptest! {
        #[test]
        fn part_and_rest_share_no_leaf_and_lose_none(object in strategies::shelf(), picks in any::<u64>()) {
            let schema = shelf();
            let view = schema.view_of(&object);
            let mut position = 0;
            let set = FieldSet::of(&object, view).filter(|_| { position += 1; picks >> (position % 64) & 1 == 1 });
            let (part, rest) = (set.project(&object, view), set.without(&object, view));
            let (in_part, in_rest) = (leaves(&part, view), leaves(&rest, view));
            for leaf in leaves(&object, view) {
                let places = (in_part.contains(&leaf), in_rest.contains(&leaf));
                prop_assert_eq!(places, (set.contains(&leaf), !set.contains(&leaf)), "{} of {}\n{}\n{}", leaf, object, part, rest);
            }
        }

        #[test]
        fn what_a_part_owns_is_what_was_asked_for(object in strategies::shelf()) {
            let schema = shelf();
            let view = schema.view_of(&object);
            let set = FieldSet::of(&object, view);
            prop_assert_eq!(FieldSet::of(&set.project(&object, view), view), set);
        }
    }
}
