//! Owns finding the markers between documents, by jumping from one line that may be one to the next. Must never need
//! anything that stands before a document to find its end: so what one document says moves no other's ends.

use std::ops::Range;

use memchr::memmem::Finder;

const BOM: &[u8] = "\u{feff}".as_bytes();

/// Where one document stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::manifest) struct Extent {
    pub span: Range<usize>,
    /// Start of the first line with content.
    pub content: Option<usize>,
    /// Where its `---` stands.
    pub marker: Option<usize>,
    /// Whether directives (`%YAML`) stand before the marker.
    pub directives: bool,
    /// After the line of its `...`.
    pub dots: Option<usize>,
}

impl Extent {
    /// Whether every other document of the file stays the document that it is when `text` takes this one's place.
    /// `is_last` is whether this is the last one.
    pub fn holds(&self, text: &[u8], is_last: bool) -> bool {
        let mut scan = Scan::new(text);
        let (Some(new), None) = (scan.next(), scan.next()) else { return false };
        let start = self.span.start;
        // The one before ends at the same place: at this marker, or because something follows its `...`.
        let begins = new.content.is_some() && new.marker == self.marker.map(|marker| marker - start);
        // The next one begins at the same place: at its own `---`, or because nothing is left behind this one's `...`.
        let same_dots = match new.dots {
            Some(dots) => self.dots.is_some() && dots == text.len(),
            None => self.dots.is_none(),
        };
        begins && (is_last || same_dots && text.ends_with(b"\n"))
    }
}

/// Goes through the documents of a file. Each is found from where it starts, whatever stands before.
pub(in crate::manifest) struct Scan<'t> {
    text: &'t [u8],
    at: usize,
    dashes: Finder<'static>,
    dots: Finder<'static>,
    /// A byte order mark may stand before a marker, wherever files were put together.
    bom: Finder<'static>,
}

impl<'t> Scan<'t> {
    pub fn new(text: &'t [u8]) -> Self {
        let finder = Finder::new;
        Self { text, at: 0, dashes: finder("\n---"), dots: finder("\n..."), bom: finder("\n\u{feff}") }
    }

    fn line(&self, at: usize) -> Line<'t> {
        let rest = self.text.get(at..).unwrap_or_default();
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |newline| newline + 1);
        let mut text = rest.get(..end).unwrap_or_default();
        while let Some(behind) = text.strip_prefix(BOM) {
            text = behind;
        }
        Line { start: at + end - text.len(), end: at + end, text }
    }

    /// The start of the next line behind the line break at `at` that may be a marker; the end of the text if there is none.
    fn candidate(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        // What was looked through once is near, so that the later looks cost little.
        let until = |end: usize| rest.get(..end).unwrap_or_default();
        let dashes = self.dashes.find(rest).unwrap_or(rest.len());
        let dots = self.dots.find(until(dashes)).unwrap_or(dashes);
        let bom = if until(dots).is_ascii() { None } else { self.bom.find(until(dots)) };
        bom.or(Some(dots)).filter(|found| *found < rest.len()).map_or(self.text.len(), |found| at + found + 1)
    }
}

impl Iterator for Scan<'_> {
    type Item = Extent;

    fn next(&mut self) -> Option<Extent> {
        let start = self.at;
        if start >= self.text.len() {
            return None;
        }
        let mut open = Extent { span: start..start, content: None, marker: None, directives: false, dots: None };
        let mut inside = false;
        let mut at = start;
        while at < self.text.len() {
            let line = self.line(at);
            let behind = line.marker(b"---");
            let dots = line.marker(b"...").is_some();
            let content = !dots && has_content(behind.unwrap_or(line.text));
            let directive = line.text.starts_with(b"%");
            if let Some(end) = open.dots {
                // What stands behind the dots belongs to the next document, if there is one.
                if behind.is_some() || content && !directive {
                    at = end;
                    break;
                }
            } else if inside && behind.is_some() {
                break;
            } else if dots {
                open.dots = inside.then_some(line.end);
            } else if directive && !inside {
                open.directives = true;
            } else {
                inside |= behind.is_some() || content;
                open.marker = open.marker.or(behind.map(|_| line.start));
                open.content = open.content.or(content.then_some(at));
            }
            // Only before the content and behind the dots does every line count.
            let jumps = open.content.is_some() && open.dots.is_none();
            at = if jumps { self.candidate(line.end.saturating_sub(1)) } else { line.end };
        }
        open.span.end = at;
        self.at = at;
        Some(open)
    }
}

/// One line, without byte order marks before it.
struct Line<'t> {
    start: usize,
    /// After its line break.
    end: usize,
    text: &'t [u8],
}

impl<'t> Line<'t> {
    /// What follows the marker; `None` when the line is no such marker.
    fn marker(&self, marker: &[u8]) -> Option<&'t [u8]> {
        let behind = self.text.strip_prefix(marker)?;
        behind.first().is_none_or(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).then_some(behind)
    }
}

/// Whether anything but a comment stands there.
fn has_content(line: &[u8]) -> bool {
    let breaks = line.iter().rev().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let first = line.iter().take(line.len() - breaks).find(|byte| !matches!(byte, b' ' | b'\t'));
    first.is_some_and(|byte| *byte != b'#')
}
