//! Owns where the documents of a file begin and end. Must never let a broken document hide the others: it looks at
//! markers at the start of a line only, which no content may look like.

mod scan;

use std::ops::Range;

use serde_json::Value;

use super::load::{Caps, LoadError, load};
pub(super) use scan::{Extent, Scan};

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

pub(super) const BOM: char = '\u{feff}';

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

    fn in_file(&self, error: LoadError) -> LoadError {
        LoadError { line: error.line + self.first_line - 1, ..error }
    }
}

/// The documents of a file, in order; none for an empty file.
pub fn split(text: &str) -> Vec<Document<'_>> {
    let mut line = 1;
    let mut line_of = |range: Range<usize>| {
        line += newlines(text.as_bytes().get(range).unwrap_or_default());
        line
    };
    let document = |(position, extent): (usize, Extent)| {
        let Extent { span, content, marker, directives, dots } = extent;
        let first_line = line_of(0..0);
        let content_line = content.map(|content| line_of(span.start..content));
        line_of(content.unwrap_or(span.start)..span.end);
        let text = text.get(span.clone()).unwrap_or_default();
        let (number, ended) = (position + 1, dots.is_some());
        Document { number, span, text, first_line, content_line, marker, directives, ended }
    };
    Scan::new(text.as_bytes()).enumerate().map(document).collect()
}

/// How many line breaks stand there.
pub(super) fn newlines(text: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', text).count()
}

#[cfg(test)]
mod tests;
