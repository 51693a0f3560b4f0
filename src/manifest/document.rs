//! Owns where the documents of a file begin and end. Must never let a broken document hide the others: it looks at
//! markers at the start of a line only, which no content may look like.

use std::ops::Range;

use serde_json::Value;

use super::load::{Caps, LoadError, load};

/// One document of a file. The spans of all documents of a file cover it without a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document<'t> {
    /// Position in the file, from 1. What stands before the first `---` is only a document of its own if it holds
    /// content; a document without content counts.
    pub number: usize,
    /// Bytes of the file: what stands before its `---`, the marker, the content, `...` and what follows that.
    pub span: Range<usize>,
    /// The text of `span`.
    pub text: &'t str,
    /// Line of the file on which `span` begins, from 1.
    pub first_line: usize,
    /// Line of the file with the first content, from 1; `None` for a document without any.
    pub content_line: Option<usize>,
    /// Where its `---` stands in the file.
    pub marker: Option<usize>,
    /// Whether directives (`%YAML`) stand before the marker.
    pub directives: bool,
    /// Whether it ends with `...`.
    pub ended: bool,
}

const BOM: char = '\u{feff}';

impl<'t> Document<'t> {
    /// Whether it holds nothing but comments and blank lines.
    pub fn is_empty(&self) -> bool {
        self.content_line.is_none()
    }

    /// What a YAML reader takes, and where that begins in the file.
    pub(super) fn body(&self) -> (&'t str, usize) {
        let body = self.text.trim_start_matches(BOM);
        (body, self.span.end - body.len())
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// As the loader; lines are those of the file.
    pub fn load(&self, caps: &Caps) -> Result<Value, LoadError> {
        load(self.body().0, caps).map_err(|error| self.in_file(error))
    }

    pub(super) fn in_file(&self, error: LoadError) -> LoadError {
        LoadError { line: error.line + self.first_line - 1, ..error }
    }
}

/// Where the scan of a document is.
#[derive(PartialEq)]
enum State {
    /// Comments, blank lines and directives so far.
    Before,
    /// After `---`, or after the first content.
    Inside,
    /// After `...`: what comes belongs to the next document, if there is one. Where that begins: offset and line.
    After(usize, usize),
}

/// The documents of a file, in order; none for an empty file.
pub fn split(text: &str) -> Vec<Document<'_>> {
    let mut documents = Vec::new();
    let mut open = begin(text, 0, 1);
    let mut state = State::Before;
    let (mut offset, mut number) = (0, 0);
    for raw in text.split_inclusive('\n') {
        number += 1;
        let line = raw.trim_start_matches(BOM);
        let after_marker = marker(line, "---");
        let content = has_content(after_marker.unwrap_or(line));
        let next = match state {
            State::Inside if after_marker.is_some() => Some((offset, number)),
            State::After(start, first_line)
                if after_marker.is_some() || (content && marker(line, "...").is_none() && !line.starts_with('%')) =>
            {
                Some((start, first_line))
            }
            _ => None,
        };
        if let Some((start, first_line)) = next {
            let directives =
                text.get(start..offset).is_some_and(|before| before.lines().any(|line| line.starts_with('%')));
            close(text, &mut documents, open, start);
            open = begin(text, start, first_line);
            open.directives = directives;
            state = State::Before;
        }
        if after_marker.is_some() {
            open.marker = Some(offset + raw.len() - line.len());
            state = State::Inside;
        } else if marker(line, "...").is_some() {
            if state == State::Inside {
                open.ended = true;
                state = State::After(offset + raw.len(), number + 1);
            }
            offset += raw.len();
            continue;
        } else if state == State::Before && line.starts_with('%') {
            open.directives = true;
            offset += raw.len();
            continue;
        }
        if content && !matches!(state, State::After(..)) {
            state = State::Inside;
            open.content_line.get_or_insert(number);
        }
        offset += raw.len();
    }
    if !text.is_empty() {
        close(text, &mut documents, open, text.len());
    }
    documents
}

fn begin(text: &str, start: usize, first_line: usize) -> Document<'_> {
    Document {
        number: 0,
        span: start..start,
        text: text.get(..0).unwrap_or_default(),
        first_line,
        content_line: None,
        marker: None,
        directives: false,
        ended: false,
    }
}

fn close<'t>(text: &'t str, documents: &mut Vec<Document<'t>>, open: Document<'t>, end: usize) {
    let span = open.span.start..end;
    let number = documents.len() + 1;
    documents.push(Document { number, text: text.get(span.clone()).unwrap_or_default(), span, ..open });
}

/// What follows the marker on its line; `None` when the line is no such marker.
fn marker<'l>(line: &'l str, marker: &str) -> Option<&'l str> {
    line.strip_prefix(marker).filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// Whether anything but a comment stands there.
fn has_content(line: &str) -> bool {
    let line = line.trim_start_matches([' ', '\t']).trim_end_matches(['\r', '\n']);
    !line.is_empty() && !line.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

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
    }
}
