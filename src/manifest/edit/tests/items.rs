//! Lists whose items move, come and go, and the style that new ones take.

use super::*;

fn becomes(tail: &str, changes: &[(&str, Value)]) -> String {
    let file = edited(&format!("{HEAD}{tail}"), changes);
    file.strip_prefix(HEAD).unwrap().to_owned()
}

#[test]
fn items_that_move_take_their_comments_along() {
    let list = "l:\n# of a\n- a # first\n- b\n  # below b\n# of c\n- k: c\n  z: 1 # one\n- d\nend: 1\n";
    let (a, b, c, d) = ("# of a\n- a # first\n", "- b\n  # below b\n", "# of c\n- k: c\n  z: 1 # one\n", "- d\n");
    let (va, vb, vc, vd) = (json!("a"), json!("b"), json!({"k": "c", "z": 1}), json!("d"));
    for (order, wanted) in [
        ([&vd, &va, &vb, &vc].to_vec(), [d, a, b, c].to_vec()),
        ([&vc, &va, &vb, &vd].to_vec(), [c, a, b, d].to_vec()),
        ([&vd, &vc, &vb, &va].to_vec(), [d, c, b, a].to_vec()),
        ([&vb, &vd, &va].to_vec(), [b, d, a].to_vec()),
        ([&vc, &va, &json!("new"), &vb].to_vec(), [c, a, "- new\n", b].to_vec()),
    ] {
        let order: Value = order.into_iter().cloned().collect();
        assert_eq!(becomes(list, &[("/l", order)]), format!("l:\n{}end: 1\n", wanted.concat()));
    }
    assert_eq!(becomes("l: [a, {b: 1},  'c']\n", &[("/l", json!(["c", {"b": 1}, "a"]))]), "l: ['c',  {b: 1},  a]\n");
    // What is changed in between stays where it stands.
    let args = "args:\n- --a=1 # one\n# two\n- --b=2\n- --c=3\n";
    let wanted = args.replace("--b=2", "--b=3");
    assert_eq!(becomes(args, &[("/args", json!(["--a=1", "--b=3", "--c=3"]))]), wanted);
    // An alias stays behind its anchor: the other one moves.
    let wanted = "l:\n- &x x\n- *x\n- z\n";
    assert_eq!(becomes("l:\n- &x x\n- z\n- *x\n", &[("/l", json!(["x", "x", "z"]))]), wanted);
}

#[test]
fn new_parts_take_the_style_of_the_nearest() {
    let mixed = "wide:\n    list:\n    -   name: a\n    -   name: b\n        args:\n        -   x\nflush:\n  list:\n  - a\nindented:\n  list:\n    - a\n";
    let changes = [
        ("/wide/list/-", json!({"name": "c", "args": ["y"]})),
        ("/flush/more", json!(["b"])),
        ("/indented/more", json!({"m": ["b"]})),
    ];
    let wanted = mixed
        .replace("        -   x\n", "        -   x\n    -   name: c\n        args:\n        -   \"y\"\n")
        .replace("  - a\nindented", "  - a\n  more:\n  - b\nindented")
        + "  more:\n    m:\n      - b\n";
    assert_eq!(becomes(mixed, &changes), wanted);
}

#[test]
fn a_file_without_a_final_line_break_gets_none() {
    assert_eq!(becomes("a: 1\nb: 2", &[("/b", Value::Null)]), "a: 1");
    assert_eq!(becomes("a: 1\nb: 2", &[("/c", json!(3))]), "a: 1\nb: 2\nc: 3");
    assert_eq!(becomes("a: 1\nb: 2", &[("/b", json!([1]))]), "a: 1\nb:\n- 1");
    assert_eq!(becomes("l:\n- 1\n- 2", &[("/l/1", Value::Null)]), "l:\n- 1");
}

#[test]
fn paragraphs_that_stay_keep_their_lines() {
    let text = "f: >-\n  one two\n  three\n\n  four\n  five six\n\n    code\n    more\n\n  end\n  of it\n";
    let value = |text: &str| json!(text);
    for (new, wanted) in [
        (
            value("one two three\nfour five seven\n\n  code\n  more\n\nend of it"),
            text.replace("five six", "five seven"),
        ),
        (value("one two three\nfour five six\n\n  code\n\nend of it"), text.replace("    more\n", "")),
        (
            value("one two three\nnew\nfour five six\n\n  code\n  more\n\nend of it"),
            text.replace("three\n\n", "three\n\n  new\n\n"),
        ),
        (
            value("one two three\nfour five six\n\n  code\n  more\n\nend of it all"),
            text.replace("of it\n", "of it\n  all\n"),
        ),
        (
            value("zero one two three\nfour five six\n\n  code\n  more\n\nend of it"),
            text.replace("one two\n", "zero\n  one two\n"),
        ),
    ] {
        assert_eq!(becomes(text, &[("/f", new.clone())]), wanted, "{new}");
    }
}
