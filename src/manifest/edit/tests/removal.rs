//! Taking documents and items out of files.

use super::*;

fn object(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n")
}

fn removed(text: &str, document: u32, item: &[u32]) -> Option<String> {
    let left = remove(text.as_bytes(), &place(document, item)).unwrap_or_else(|error| panic!("{error}\n{text}"));
    left.map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn the_last_object_takes_the_file_with_it() {
    let a = object("a1");
    for text in
        [a.clone(), format!("# c\n---\n{a}---\n# d\n"), format!("\u{feff}{a}...\n# end\n"), format!("---\n---\n{a}")]
    {
        let document = if text.starts_with("---\n---") { 2 } else { 1 };
        assert_eq!(removed(&text, document, &[]), None, "{text}");
    }
    let kept = format!("{a}---\nbroken: [\n");
    assert_eq!(removed(&kept, 1, &[]), Some("broken: [\n".to_owned()));
}

#[test]
fn every_other_document_keeps_its_bytes_and_separators_stay_right() {
    let (a, b, c) = (object("a1"), format!("# of b\n{}\n", object("b1")), object("c1"));
    for (text, document, wanted) in [
        (format!("{a}---\n{b}---\n{c}"), 1, format!("{b}---\n{c}")),
        (format!("{a}---\n{b}---\n{c}"), 2, format!("{a}---\n{c}")),
        (format!("{a}---\n{b}---\n{c}"), 3, format!("{a}---\n{b}")),
        (format!("---\n{a}---\n{b}"), 1, format!("---\n{b}")),
        (format!("# head\n---\n{a}---\n{b}"), 1, format!("# head\n---\n{b}")),
        (format!("# of a\n{a}--- # of b\n{b}"), 1, format!("--- # of b\n{b}")),
        (format!("{a}...\n# of b\n---\n{b}"), 1, format!("# of b\n---\n{b}")),
        (format!("{a}---\n{b}...\n{c}"), 2, format!("{a}...\n{c}")),
        (format!("{a}---\n{b}...\n%YAML 1.1\n---\n{c}"), 2, format!("{a}...\n%YAML 1.1\n---\n{c}")),
        (format!("{a}...\n{b}...\n{c}"), 2, format!("{a}...\n{c}")),
        (format!("{a}...\n{b}...\n{c}"), 1, format!("{b}...\n{c}")),
        (format!("%YAML 1.1\n---\n{a}---\n{b}"), 1, format!("---\n{b}")),
        (format!("\u{feff}{a}---\n{b}"), 1, format!("\u{feff}{b}")),
        (format!("{a}---\n# only this\n---\n{b}"), 1, format!("# only this\n---\n{b}")),
        (format!("{a}---\n{b}---\nbroken: [\n"), 2, format!("{a}---\nbroken: [\n")),
        (format!("{a}---\n{}", b.trim_end()), 1, b.trim_end().to_owned()),
    ] {
        assert_eq!(removed(&text, document, &[]), Some(wanted.clone()), "{document} of\n{text}");
        let crlf = text.replace('\n', "\r\n");
        assert_eq!(removed(&crlf, document, &[]), Some(wanted.replace('\n', "\r\n")), "{document} of\n{text}");
    }
}

#[test]
fn an_item_leaves_its_list() {
    let item = |name: &str| format!("# of {name}\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {{name: {name}}}\n");
    let head = "apiVersion: v1\nkind: List\nitems:\n";
    let text = format!("{head}{}{}{}---\n{}", item("a1"), item("b1"), item("c1"), object("d1"));
    for (position, left) in [(0, ["b1", "c1"]), (1, ["a1", "c1"]), (2, ["a1", "b1"])] {
        let wanted = format!("{head}{}{}---\n{}", item(left[0]), item(left[1]), object("d1"));
        assert_eq!(removed(&text, 1, &[position]), Some(wanted));
    }
    let one = format!("{head}{}", item("a1"));
    assert_eq!(removed(&one, 1, &[0]), None);
    assert_eq!(removed(&format!("{one}---\n{}", object("d1")), 1, &[0]), Some(object("d1")));
    let json = "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [\n  {\"kind\": \"List\", \"items\": [{\"a\": 1}]},\n  {\"b\": 2}\n]}\n";
    let wanted = "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [\n  {\"b\": 2}\n]}\n";
    assert_eq!(removed(json, 1, &[0, 0]), Some(wanted.to_owned()));
    assert!(matches!(remove(json.as_bytes(), &place(1, &[2])).unwrap_err().why, Why::Gone));
}
