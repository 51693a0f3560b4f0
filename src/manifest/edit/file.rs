//! Owns the bytes around the document that is edited. Must never hand out a file in which any other document has changed.

use serde_json::Value;

use super::{Place, Why};
use crate::manifest::document::{BOM, Extent, Scan, newlines};
use crate::manifest::load::{Caps, LoadError, load};
use crate::manifest::tree::Tree;

/// A file, opened at the document that is to be edited.
pub(super) struct File<'t> {
    pub bytes: &'t [u8],
    pub extent: Extent,
    /// What a YAML reader takes of the document, and where that begins in the file.
    pub body: &'t str,
    pub begin: usize,
}

impl<'t> File<'t> {
    pub fn open(bytes: &'t [u8], place: &Place) -> Result<Self, Why> {
        let position = (place.document as usize).checked_sub(1).ok_or(Why::Gone)?;
        let extent = Scan::new(bytes).nth(position).ok_or(Why::Gone)?;
        // The other documents are bytes, which stay.
        let text = std::str::from_utf8(bytes.get(extent.span.clone()).unwrap_or_default()).map_err(|_| Why::NotText)?;
        let body = text.trim_start_matches(BOM);
        Ok(Self { bytes, begin: extent.span.end - body.len(), extent, body })
    }

    /// What the document says.
    pub fn value(&self) -> Result<Value, Why> {
        load(self.body, &Caps::default()).map_err(|error| self.in_file(error))
    }

    pub fn tree(&self) -> Result<Tree, Why> {
        let tree = Tree::read(self.body, &Caps::default());
        tree.map_err(|error| self.in_file(error))?.ok_or(Why::Gone)
    }

    fn in_file(&self, error: LoadError) -> Why {
        let before = newlines(self.bytes.get(..self.begin).unwrap_or_default());
        Why::Broken(LoadError { line: error.line + before, ..error })
    }

    /// The file with another body in the document, read again: it has to say what is expected, and every other document
    /// has to be there as it was.
    pub fn with(&self, body: &str, expected: &Value) -> Result<Vec<u8>, Why> {
        let span = &self.extent.span;
        let before = self.bytes.get(..self.begin).unwrap_or_default();
        let after = self.bytes.get(span.end..).unwrap_or_default();
        let new = [before, body.as_bytes(), after].concat();
        let document = new.get(span.start..self.begin + body.len()).unwrap_or_default();
        if !self.extent.holds(document, after.is_empty()) {
            return Err(Why::Wrong("other documents"));
        }
        match load(body, &Caps::default()) {
            Ok(value) if value == *expected => Ok(new),
            Ok(_) => Err(Why::Wrong("something that was not wanted")),
            Err(_) => Err(Why::Wrong("the document into one that can't be read")),
        }
    }
}
