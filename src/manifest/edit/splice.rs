//! Owns replacing parts of a text. Must never apply two replacements that touch the same byte.

use std::ops::Range;

use crate::manifest::tree::{line_end, line_start, next_line};
use crate::manifest::write::column;

/// Replacements in one text, in the order in which they were asked for.
#[derive(Debug, Default)]
pub(super) struct Splices(Vec<(Range<usize>, String)>);

impl Splices {
    pub fn replace(&mut self, range: Range<usize>, with: impl Into<String>) {
        let with = with.into();
        if !range.is_empty() || !with.is_empty() {
            self.0.push((range, with));
        }
    }

    pub fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.replace(at..at, text);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text with everything replaced; what is put at one and the same place stands in the order in which it was asked
    /// for. `None` when two replacements overlap that are not both removals.
    pub fn apply(mut self, text: &str) -> Option<String> {
        self.0.sort_by_key(|(range, _)| range.start);
        let mut out = String::with_capacity(text.len() + self.0.iter().map(|(_, with)| with.len()).sum::<usize>());
        let mut at = 0;
        let mut removes = false;
        for (range, with) in &self.0 {
            // What goes twice goes once.
            let start = if removes && with.is_empty() { range.start.max(at) } else { range.start };
            out.push_str(text.get(at..start)?);
            out.push_str(with);
            at = range.end.max(start);
            removes = with.is_empty();
        }
        out.push_str(text.get(at..)?);
        Some(out)
    }
}

/// Whether nothing but blanks stands before `at` on its line.
pub(super) fn begins_line(text: &str, at: usize) -> bool {
    text.get(line_start(text, at)..at).is_some_and(|before| before.bytes().all(|byte| byte == b' '))
}

/// Where the lines of something begin that stands in `at`: with the comments directly above, at the same column.
pub(super) fn lines_start(text: &str, at: usize) -> usize {
    let own = column(text, at);
    let mut start = line_start(text, at);
    while start > 0 {
        let above = line_start(text, start - 1);
        match comment_column(text, above) {
            Some(column) if column == own => start = above,
            _ => break,
        }
    }
    start
}

/// Where the last line of something ends, before its line break, that begins in column `own` and whose last byte stands
/// before `end`: with the comments directly below that are indented more.
pub(super) fn last_line_end(text: &str, end: usize, own: usize) -> usize {
    let mut end = line_end(text, end);
    loop {
        let below = next_line(text, end);
        match comment_column(text, below) {
            Some(column) if column > own => end = line_end(text, below),
            _ => return end,
        }
    }
}

/// The column of a comment that has the line at `start` to itself.
fn comment_column(text: &str, start: usize) -> Option<usize> {
    let line = text.get(start..line_end(text, start))?;
    let comment = line.trim_start_matches(' ');
    comment.starts_with('#').then_some(line.len() - comment.len())
}
