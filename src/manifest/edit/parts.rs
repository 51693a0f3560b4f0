//! Owns which entries of a map or items of a list stay, and removing those that go as lines. Must never touch a neighbour
//! that stays.

use std::ops::Range;

use super::plan::Planner;
use super::splice::{begins_line, last_line_end, lines_start};
use crate::manifest::tree::{line_end, line_start, next_line};
use crate::manifest::write::column;

/// The entries of a map or the items of a list: where they stand, and which stay.
#[derive(Debug)]
pub(super) struct Parts(Vec<Part>);

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub start: usize,
    pub end: usize,
    /// After the last byte of it that stays; `None` for one that goes.
    pub stays: Option<usize>,
}

impl Parts {
    pub fn new(spans: impl IntoIterator<Item = (usize, usize)>) -> Self {
        Self(spans.into_iter().map(|(start, end)| Part { start, end, stays: Some(end) }).collect())
    }

    pub fn set(&mut self, position: usize, stays: Option<usize>) {
        if let Some(part) = self.0.get_mut(position) {
            part.stays = stays;
        }
    }

    /// Those that go.
    pub fn going(&self) -> impl Iterator<Item = &Part> {
        self.0.iter().filter(|part| part.stays.is_none())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn all(&self) -> &[Part] {
        &self.0
    }

    pub fn get(&self, position: usize) -> Option<Part> {
        self.0.get(position).copied()
    }

    /// Position of the first one that stays.
    pub fn first(&self) -> Option<usize> {
        self.0.iter().position(|part| part.stays.is_some())
    }

    /// Position of the last one that stays.
    pub fn last(&self) -> Option<usize> {
        self.0.iter().rposition(|part| part.stays.is_some())
    }

    /// After the last byte that stays.
    pub fn end(&self) -> Option<usize> {
        self.0.iter().rev().find_map(|part| part.stays)
    }
}

impl Planner<'_> {
    /// Removes what goes, with its lines, the comments directly above and a blank line that would be one too many. Something
    /// has to stay.
    pub(super) fn remove_lines(&mut self, parts: &Parts) {
        let Some(first) = parts.first().and_then(|first| parts.get(first)) else { return };
        for (position, part) in parts.0.iter().enumerate().filter(|(_, part)| part.stays.is_none()) {
            if begins_line(self.text, part.start) {
                let end = last_line_end(self.text, part.end, column(self.text, part.start));
                let range = lines_start(self.text, part.start)..next_line(self.text, end);
                // What stands behind a dash ends where the first one that stays takes its place.
                if part.start > first.start || parts.get(0).is_some_and(|first| begins_line(self.text, first.start)) {
                    self.splices.replace(self.with_blanks(parts, position, range), "");
                }
            } else if position == 0 {
                self.splices.replace(part.start..first.start, "");
            }
        }
    }

    /// The lines of a part that goes, with the blank line below if one stands above too or nothing else does; at the end of
    /// the document with those above.
    fn with_blanks(&self, parts: &Parts, position: usize, lines: Range<usize>) -> Range<usize> {
        let is_blank = |start: usize| {
            start < self.text.len()
                && self.text.get(start..line_end(self.text, start)).is_some_and(|line| line.trim().is_empty())
        };
        let above =
            |at: usize| at.checked_sub(1).map(|before| line_start(self.text, before)).filter(|start| is_blank(*start));
        let Range { mut start, mut end } = lines;
        let before = position.checked_sub(1).and_then(|before| parts.get(before));
        if is_blank(end) && (before.is_none() || above(start).is_some()) {
            end = next_line(self.text, end);
        }
        let to_the_end = || {
            let last = parts.0.last().map_or(0, |last| next_line(self.text, last.end));
            last == self.text.len() && parts.0.iter().skip(position).all(|part| part.stays.is_none())
        };
        if let Some(before) = before.filter(|before| before.stays.is_some() && to_the_end()) {
            while let Some(blank) = above(start).filter(|blank| *blank > before.end) {
                start = blank;
            }
        }
        start..end
    }

    /// Where lines can be added behind a part: below the comments that belong to it, unless its own end goes.
    pub(super) fn behind(&self, part: Part) -> usize {
        let stays = part.stays.unwrap_or(part.end);
        if stays < part.end {
            line_end(self.text, stays)
        } else {
            last_line_end(self.text, stays, column(self.text, part.start))
        }
    }
}
