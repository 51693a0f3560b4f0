use super::*;
use proptest::prelude::*;
use serde_json::json;

mod plain;

/// First line, content line and value of each document; null for one that is empty or broken.
fn read(text: &str) -> Vec<(usize, Option<usize>, Value)> {
    let documents = split(text);
    let joined: String = documents.iter().map(|document| document.text).collect();
    assert_eq!(joined, text);
    documents
        .iter()
        .map(|document| {
            let value = document.load(&Caps::default()).unwrap_or_default();
            (document.first_line, document.content_line, value)
        })
        .collect()
}

#[test]
fn comments_before_the_first_marker_are_no_document() {
    assert_eq!(read("# c\n\n---\na: 1\n"), [(1, Some(4), json!({"a": 1}))]);
    assert_eq!(read("\u{feff}# c\n%YAML 1.2\n---\na: 1\n"), [(1, Some(4), json!({"a": 1}))]);
    assert_eq!(read(""), []);
    assert_eq!(read("# c\n\n"), [(1, None, json!(null))]);
}

#[test]
fn documents_without_content_count() {
    let text = "# c\n---\n---\n# d\n--- # e\na: 1\n---\n";
    assert_eq!(
        read(text),
        [(1, None, json!(null)), (3, None, json!(null)), (5, Some(6), json!({"a": 1})), (7, None, json!(null))]
    );
    assert!(split(text)[1].is_empty());
}

#[test]
fn a_document_ends_at_three_dots() {
    let text = "a: 1\r\n...\r\n# of the next\r\n%YAML 1.2\r\n---\r\nb: 1\r\n...\r\nc: 1\r\n...\r\n# end\r\n";
    let documents = split(text);
    assert_eq!(
        read(text).into_iter().map(|(.., value)| value).collect::<Vec<_>>(),
        [json!({"a": 1}), json!({"b": 1}), json!({"c": 1})]
    );
    assert!(documents[1].directives && documents[1].marker.is_some() && documents[1].ended);
    assert!(!documents[2].directives && documents[2].marker.is_none());
    assert_eq!(documents[1].first_line, 3);
    assert!(documents[2].text.ends_with("# end\r\n"));
}

#[test]
fn a_broken_document_hides_no_other() {
    let text = "a: [1\n---\nb: 1\n---\nc: {{ x }}\n---\n\"d\n---\ne: 1\n--- |\n ---\n--- {f: 1}\n";
    let values: Vec<_> = read(text).into_iter().map(|(.., value)| value).collect();
    let broken = json!(null);
    let wanted =
        [broken.clone(), json!({"b": 1}), broken.clone(), broken, json!({"e": 1}), json!("---\n"), json!({"f": 1})];
    assert_eq!(values, wanted);
}

#[test]
fn what_only_looks_like_a_marker_is_content() {
    assert_eq!(read("a: |\n  ---\n ---\nb: ---x\n").len(), 1);
    assert_eq!(read("---x: 1\n").len(), 1);
    assert_eq!(read("a: 1\n\u{feff}---\nb: 1\n")[1].2, json!({"b": 1}));
}

#[test]
fn errors_name_the_line_of_the_file() {
    let error = split("a: 1\n---\n# c\nb: 1\nb: 2\n")[1].load(&Caps::default()).unwrap_err();
    assert_eq!((error.line, error.column), (5, 1));
}

/// The scalars of each document, as the parser finds them in the whole text; `None` when that is broken.
fn whole(text: &str) -> Option<Vec<Vec<String>>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    for event in granit_parser::Parser::new_from_str(text) {
        match event.ok()?.0 {
            granit_parser::Event::DocumentStart(..) => found.push(Vec::new()),
            granit_parser::Event::Scalar(text, ..) => found.last_mut()?.push(text.into_owned()),
            _ => {}
        }
    }
    Some(found)
}

/// Lines that look like markers, and some that don't.
const LINES: [&str; 24] = [
    "---",
    "...",
    "--- # c",
    "... # c",
    "--- {x: 1}",
    "a: 1",
    "b: |",
    "  text",
    " ---",
    "- x",
    "# c",
    "",
    "%YAML 1.2",
    "---x",
    "...x",
    "c: [",
    "d]",
    "--- |",
    " ...",
    "\u{feff}---",
    "\u{feff}\u{feff}# c",
    "\u{feff}...",
    "é: \u{feff}---",
    " \r\t",
];

/// A file of such lines, with and without a final line break.
fn soup(longest: usize) -> impl Strategy<Value = String> {
    let line = (prop::sample::select(LINES.to_vec()), prop::sample::select(vec!["\n", "\n", "\n", "\r\n"]));
    (prop::collection::vec(line, 0..longest), any::<bool>()).prop_map(|(lines, whole)| {
        let text: String = lines.iter().flat_map(|(line, end)| [*line, *end]).collect();
        if whole { text } else { text.trim_end_matches(['\r', '\n']).to_owned() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn documents_are_those_that_a_parser_finds(lines in prop::collection::vec(prop::sample::select(vec![
        "---", "...", "--- # c", "... # c", "--- {x: 1}", "a: 1", "b: |", "  text", " ---", "- x", "# c", "", "%YAML 1.2", "---x", "c: [", "d]", "--- |", " ...",
    ]), 0..12)) {
        let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        let documents = split(&text);
        prop_assert_eq!(documents.iter().map(|document| document.text).collect::<String>(), text.clone());
        if let Some(theirs) = whole(&text) {
            let holds = |scalars: &Vec<String>| scalars.iter().any(|text| !text.is_empty() && text != "~");
            let own = documents.iter().map(|document| whole(document.body().0).unwrap().concat());
            let own: Vec<_> = own.filter(holds).collect();
            prop_assert_eq!(own, theirs.into_iter().filter(holds).collect::<Vec<_>>(), "{}", text);
            for (document, value) in documents.iter().zip(documents.iter().map(|document| document.load(&Caps::default()))) {
                prop_assert!(!document.is_empty() || value == Ok(Value::Null));
            }
        }
    }

    #[test]
    fn jumping_finds_the_documents_that_looking_at_every_line_finds(text in soup(14)) {
        prop_assert_eq!(split(&text), plain::split(&text));
    }

    #[test]
    fn a_document_is_only_replaced_where_all_others_stay(text in soup(14), number in 0..5_usize, new in soup(5)) {
        let Some(extent) = Scan::new(text.as_bytes()).nth(number) else { return Ok(()) };
        let (span, last) = (extent.span.clone(), extent.span.end == text.len());
        let replaced = [&text[..span.start], &new, &text[span.end..]].concat();
        let texts = |text| -> Vec<String> { plain::split(text).iter().map(|document| document.text.to_owned()).collect() };
        let mut wanted = texts(&text);
        wanted[number] = new.clone();
        if extent.holds(new.as_bytes(), last) {
            prop_assert_eq!(texts(&replaced), wanted, "{:?} {:?}", text, new);
        }
        prop_assert!(extent.content.is_none() || extent.holds(text[span.clone()].as_bytes(), last), "{:?} {:?}", text, span);
    }
}
