use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

fn element() -> impl Strategy<Value = PathElement> {
    let scalar = prop_oneof![
        (0_i64..3).prop_map(Scalar::Int),
        prop::sample::select(vec!["a", "b/c", "d~e", "\"", "ü", ""]).prop_map(|text| Scalar::String(text.into())),
        any::<bool>().prop_map(Scalar::Bool),
    ];
    prop_oneof![
        3 => prop::sample::select(vec!["a", "b", "x.io/y~z", ".", "f:g", ""]).prop_map(PathElement::field),
        1 => scalar.clone().prop_map(|value| PathElement::key([("name".into(), value)])),
        1 => scalar.prop_map(PathElement::Value),
        1 => (0_usize..3).prop_map(PathElement::Index),
    ]
}

fn set() -> impl Strategy<Value = FieldSet> {
    vec(vec(element(), 1..4).prop_map(FieldPath::from), 0..8).prop_map(|paths| FieldSet::from_paths(&paths))
}

proptest! {
    #[test]
    fn reading_what_was_written_gives_the_same_set(set in set()) {
        prop_assert_eq!(FieldSet::from_fields_v1(&set.to_fields_v1()).unwrap(), set.clone());
        prop_assert_eq!(FieldSet::from_paths(&set.paths()), set);
    }

    #[test]
    fn the_algebra_of_sets_holds(a in set(), b in set(), c in set()) {
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert_eq!(a.union(&b).union(&c), a.union(&b.union(&c)));
        prop_assert_eq!(a.intersect(&b), b.intersect(&a));
        prop_assert_eq!(a.intersect(&b.union(&c)), a.intersect(&b).union(&a.intersect(&c)));
        prop_assert_eq!(a.subtract(&b).union(&a.intersect(&b)), a.clone());
        prop_assert!(a.subtract(&b).intersect(&b).is_empty() && a.subtract(&a).is_empty());
        prop_assert_eq!(a.union(&a), a.clone());
        prop_assert_eq!(a.filter(|path| b.contains(path)), a.intersect(&b));
        prop_assert_eq!(a.filter(|path| !b.contains(path)), a.subtract(&b));
        prop_assert_eq!(a.is_empty(), a.paths().is_empty());
    }

    #[test]
    fn a_path_is_covered_by_itself_or_by_a_leaf_above(set in set(), path in vec(element(), 1..4).prop_map(FieldPath::from)) {
        let leaf = |owned: &FieldPath| set.paths().iter().all(|other| other == owned || !owned.covers(other));
        let above = set.paths().iter().any(|owned| owned.covers(&path) && leaf(owned));
        prop_assert_eq!(set.covers(&path), set.contains(&path) || above);
    }
}

#[test]
fn a_map_and_its_keys_are_marked_apart() {
    let set = FieldSet::from_fields_v1(&json!({"f:a": {".": {}, "f:b": {}}, "f:c": {"f:d": {}}})).unwrap();
    let names: Vec<_> = set.paths().iter().map(ToString::to_string).collect();
    assert_eq!(names, [".a", ".a.b", ".c.d"]);
    let a = FieldPath::fields(["a"]);
    assert!(set.contains(&a) && set.covers(&a) && !set.covers(&FieldPath::fields(["a", "x"])));
    assert!(set.touches(&FieldPath::fields(["c"])) && !set.touches(&FieldPath::fields(["e"])));
    assert!(set.covers(&FieldPath::fields(["c", "d", "deep"])) && !set.contains(&FieldPath::fields(["c"])));
}

#[test]
fn what_is_no_fields_v1_is_refused_with_its_place() {
    let error = FieldSet::from_fields_v1(&json!({"f:a": {"x": {}}})).unwrap_err();
    assert_eq!(error.to_string(), r#"fieldsV1 has the key "x" below .a, which names no field"#);
    assert!(FieldSet::from_fields_v1(&json!({"f:a": 1})).is_err());
    for key in ["k:{", "k:[]", "v:{}", "i:-1", "i:x", "q:a"] {
        assert!(FieldSet::from_fields_v1(&json!({ key: {} })).is_err(), "{key}");
    }
}
