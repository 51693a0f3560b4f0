//! Aliases, merges, tags and odd keys in the way of an edit.

use super::*;

/// What becomes of a document with this tail.
fn becomes(tail: &str, changes: &[(&str, Value)]) -> String {
    let file = edited(&format!("{HEAD}{tail}"), changes);
    file.strip_prefix(HEAD).unwrap().to_owned()
}

#[test]
fn aliases_are_written_out_before_what_they_stand_for_is_changed() {
    let change = [("/a/x", json!(2))];
    for (before, after) in [
        ("a: &a\n  x: 1 # c\nb: *a\n", "a:\n  x: 2 # c\nb:\n  x: 1\n"),
        ("a: &a {x: 1}\nb: [*a, {c: *a}]\n", "a: {x: 2}\nb: [{x: 1}, {c: {x: 1}}]\n"),
        ("a: &a # c\n  x: 1\nb: *a # d\nc:\n- *a\n", "a: # c\n  x: 2\nb: # d\n  x: 1\nc:\n- x: 1\n"),
        (
            "a: &a\n  k: &k [1]\n  x: &x 1\nb: *a\nc: *k\n",
            "a:\n  k: &k [1]\n  x: &x 2\nb:\n  k:\n  - 1\n  x: 1\nc: *k\n",
        ),
        ("a:\n  x: &x 1\nb: {*x : *x, c: d}\n", "a:\n  x: 2\nb: {\"1\" : 1, c: d}\n"),
        ("a:\n  &a\n  x: 1\nb: *a\n", "a:\n  x: 2\nb:\n  x: 1\n"),
        ("z: &a 0\na: &a\n  x: 1\nb: *a\nu: &a 3\nc: *a\n", "z: &a 0\na:\n  x: 2\nb:\n  x: 1\nu: &a 3\nc: *a\n"),
        ("a: {&k x: 1}\nb: *k\n", "a: {&k x: 2}\nb: *k\n"),
    ] {
        assert_eq!(becomes(before, &change), after, "{before}");
    }
    let before = "l:\n- &a\n  x: 1\n- &b s\n- *a\nm: *b\n";
    assert_eq!(becomes(before, &[("/l/0/x", json!(2)), ("/l/1", json!("z"))]), "l:\n- x: 2\n- z\n- x: 1\nm: s\n");
}

#[test]
fn what_aliases_stand_for_can_be_removed() {
    assert_eq!(becomes("a: &a\n  x: 1\nb: *a\n", &[("/a", Value::Null)]), "b:\n  x: 1\n");
    assert_eq!(becomes("a: {b: &b c}\nd: *b\n", &[("/a", json!(1))]), "a: 1\nd: c\n");
    assert_eq!(becomes("&k a: 1\nb: *k\n", &[("/a", Value::Null)]), "b: a\n");
    assert_eq!(becomes("a: [&x 1, 2]\nb: *x\n", &[("/a/0", Value::Null)]), "a: [2]\nb: 1\n");
    let text = "apiVersion: v1\nkind: List\nitems:\n- &a {apiVersion: v1, kind: A, metadata: {name: a}, l: &l [x]}\n- {apiVersion: v1, kind: B, metadata: {name: b}, l: *l}\n";
    let left = remove(text.as_bytes(), &place(1, &[0])).unwrap().unwrap();
    let wanted = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: B, metadata: {name: b}, l: [x]}\n";
    assert_eq!(String::from_utf8(left).unwrap(), wanted);
}

#[test]
fn aliases_that_become_what_their_anchor_becomes_stay() {
    let change = [("/a/x", json!(2)), ("/b/x", json!(2))];
    assert_eq!(becomes("a: &a\n  x: 1\nb: *a\n", &change), "a: &a\n  x: 2\nb: *a\n");
    assert_eq!(becomes("a: &a\n  x: 1\nb: *a\nc: *a\n", &change), "a: &a\n  x: 2\nb: *a\nc:\n  x: 1\n");
    assert_eq!(becomes("a: &a\n  x: 1\nb:\n  <<: *a\n", &change), "a: &a\n  x: 2\nb:\n  <<: *a\n");
    // An alias alone is replaced, never followed.
    assert_eq!(becomes("a: &a\n  x: 1\nb: *a # c\n", &change[1..]), "a: &a\n  x: 1\nb: # c\n  x: 2\n");
}

#[test]
fn merges_are_written_out_as_far_as_needed() {
    let base = "a: &a {x: 1, k: 2}\nb: &b {k: 3, z: [4]}\n";
    for (before, changes, after) in [
        ("c:\n  <<: *a\n  w: 0\n", vec![("/c/x", json!(5))], "c:\n  <<: *a\n  w: 0\n  x: 5\n"),
        ("c:\n  <<: *a # why\n  w: 0\n", vec![("/c/x", Value::Null)], "c:\n  # why\n  k: 2\n  w: 0\n"),
        ("c:\n  <<: [*a, *b]\n", vec![("/c/x", Value::Null)], "c:\n  <<: [*b]\n  k: 2\n"),
        ("c:\n  <<:\n  - *a\n  - *b\n", vec![("/c/z", Value::Null)], "c:\n  <<:\n  - *a\n"),
        ("c:\n  <<: *a\n  <<: *b\n", vec![("/c/k", Value::Null)], "c:\n  x: 1\n  z:\n  - 4\n"),
        ("c: {<<: *a, w: 0}\n", vec![("/c/x", Value::Null)], "c: {k: 2, w: 0}\n"),
        ("c: {<<: [*b, *a], w: 0}\n", vec![("/c/x", Value::Null)], "c: {<<: [*b], w: 0}\n"),
    ] {
        assert_eq!(becomes(&format!("{base}{before}"), &changes), format!("{base}{after}"), "{before}");
    }
    let got = becomes(&format!("{base}c:\n  <<: *a\n  w: 0\n"), &[("/a/x", json!(7))]);
    assert_eq!(got, "a: {x: 7, k: 2}\nb: &b {k: 3, z: [4]}\nc:\n  x: 1\n  k: 2\n  w: 0\n");
}

#[test]
fn a_tag_stays_where_it_fits_what_is_new() {
    for (before, new, after) in [
        ("t: !!str 5 # c\n", json!("6"), "t: !!str \"6\" # c\n"),
        ("t: !!str 5\n", json!(6), "t: 6\n"),
        ("t: !!int \"5\"\n", json!(6), "t: !!int 6\n"),
        ("t: !!binary aGk=\n", json!("ho"), "t: ho\n"),
        ("t: !!binary | # c\n  aGk=\n", json!("ho"), "t: ho # c\n"),
        ("t: !own x\n", json!("v"), "t: !own v\n"),
        ("t: !own x\n", json!(["v"]), "t:\n- v\n"),
        ("t: !!map\n  a: 1\n", json!({"a": 2}), "t: !!map\n  a: 2\n"),
        ("t: !!map\n  a: 1\n", json!("s"), "t: s\n"),
        ("t: !!str\n", json!("s"), "t: \"s\"\n"),
        ("t: [!!str 1, 2]\n", json!([1, 2]), "t: [1, 2]\n"),
        ("t: !!str &x 1\nu: *x\n", json!(2), "t: 2\nu: \"1\"\n"),
    ] {
        assert_eq!(becomes(before, &[("/t", new)]), after, "{before}");
    }
}

#[test]
fn entries_behind_a_question_mark_are_edited() {
    for (before, new, after) in [
        ("? t # c\n: x # d\n", json!("v"), "? t # c\n: v # d\n"),
        ("? t\n: x\n", json!({"a": 1, "b": [2]}), "? t\n: a: 1\n  b:\n  - 2\n"),
        ("? t\n: a: 1\n", json!({"a": 1, "b": 2}), "? t\n: a: 1\n  b: 2\n"),
        ("? t\n: - 1\n", json!("l\nm\n"), "? t\n: |\n  l\n  m\n"),
        ("? t # c\n", json!(1), "t: 1 # c\n"),
        ("? |-\n  t\n: x\n", json!(1), "? |-\n  t\n: 1\n"),
        ("!!str t: x\n", json!(1), "!!str t: 1\n"),
        ("t : x\n", json!([1]), "t :\n- 1\n"),
    ] {
        assert_eq!(becomes(before, &[("/t", new)]), after, "{before}");
    }
    assert_eq!(
        becomes("m: {t, u: 1, ? v}\n", &[("/m/t", json!(1)), ("/m/v", json!("w"))]),
        "m: {t: 1, u: 1, ? v: w}\n"
    );
}

#[test]
fn a_document_that_repeats_too_much_is_refused() {
    let mut text = HEAD.to_owned() + "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
    for level in 1..30 {
        text += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 9].join(", "));
    }
    let wanted = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    let error = edit(text.as_bytes(), &place(1, &[]), &wanted, SchemaView::unknown()).unwrap_err();
    assert!(matches!(error.why, Why::Broken(_)), "{error}");
}
