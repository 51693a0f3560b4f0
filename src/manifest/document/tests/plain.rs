//! The documents of a file, found by looking at every line.

use super::super::{BOM, Document};

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
            let directives = text
                .get(start..offset)
                .is_some_and(|before| before.lines().any(|line| line.trim_start_matches(BOM).starts_with('%')));
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
