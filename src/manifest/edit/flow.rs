//! Owns adding and removing between brackets and braces, in YAML and JSON. Must never leave a comma too many where JSON
//! takes none, or carry a comment to another neighbour.

use std::ops::Range;

use granit_parser::ScalarStyle;
use serde_json::Value;

use super::json::Json;
use super::parts::{Part, Parts};
use super::plan::Planner;
use super::splice::lines_start;
use crate::manifest::quote::{self, Context};
use crate::manifest::tree::{Node, line_end, line_start, next_line, trivia};

/// An entry of a map or an item of a list that comes.
pub(super) struct Added<'v> {
    /// Position of the part behind which it comes to stand; before all for `None`.
    pub behind: Option<usize>,
    /// The key; `None` in a list.
    pub name: Option<&'v str>,
    pub value: &'v Value,
    /// The quotes that its neighbours have.
    pub quotes: Option<ScalarStyle>,
    /// How it is written already.
    pub text: Option<String>,
}

impl Planner<'_> {
    /// Adds to and removes from a list or map between brackets.
    pub(super) fn flow_parts(&mut self, node: &Node, parts: &Parts, added: &[Added<'_>]) {
        let Some(first) = parts.first().and_then(|first| parts.get(first)) else {
            return self.fill(node, parts, added);
        };
        let behind = |position| added.iter().filter(move |added| added.behind == position);
        let ahead: Vec<_> = behind(None).collect();
        if !ahead.is_empty() {
            let gap = self.gap(parts, first.start);
            let texts = ahead.iter().map(|added| self.added_text(added, self.own_line(first.start)) + &gap);
            let texts: String = texts.collect();
            self.splices.insert(first.start, texts);
        }
        let tail = Tail::of(self, parts);
        for (position, part) in parts.all().iter().enumerate() {
            let texts: Vec<_> =
                behind(Some(position)).map(|added| self.added_text(added, self.own_line(part.start))).collect();
            match &tail {
                _ if texts.is_empty() => {}
                Some(tail) if tail.before == position => self.put_in_tail(parts, tail, &texts),
                _ => self.add_behind(parts, *part, &texts),
            }
        }
        self.remove_runs(parts, tail, added);
    }

    /// Puts something into brackets in which nothing stays.
    fn fill(&mut self, node: &Node, parts: &Parts, added: &[Added<'_>]) {
        let (inner, end) = (node.start + 1, node.end.saturating_sub(1));
        if let (Some(first), Some(last)) = (parts.all().first(), parts.all().last()) {
            let has_comment = self.text.get(inner..end).is_none_or(|text| text.contains('#'));
            if added.is_empty() && !has_comment {
                self.splices.replace(inner..end, "");
                return;
            }
            let gap = self.gap(parts, first.start);
            let texts = added.iter().map(|added| self.added_text(added, self.own_line(first.start)));
            let text = texts.collect::<Vec<_>>().join(&gap);
            let comma = trivia(self.text, last.end);
            let has_comma = self.text.get(comma..).is_some_and(|rest| rest.starts_with(','));
            self.splices.replace(first.start..if has_comma { comma + 1 } else { last.end }, text);
            return;
        }
        let outer = self
            .json
            .as_ref()
            .and_then(|json| Some((json, json.unit.as_ref()?, json.own_line(self.text, node.start)?)));
        if let Some((_, unit, indent)) = outer.filter(|_| !added.is_empty()) {
            let (eol, inner_indent) = (self.style.eol, format!("{indent}{unit}"));
            let texts =
                added.iter().map(|added| format!("{eol}{inner_indent}{}", self.added_text(added, Some(&inner_indent))));
            let text = texts.collect::<Vec<_>>().join(",");
            self.splices.replace(inner..end, format!("{text}{eol}{indent}"));
        } else {
            let comma = self.json.as_ref().map_or(", ", |json| json.comma);
            let texts = added.iter().map(|added| self.added_text(added, None));
            let text = texts.collect::<Vec<_>>().join(comma);
            self.splices.insert(inner, text);
        }
    }

    /// The text of what comes; `indent` is that of the line which it has to itself, if it has one.
    fn added_text(&self, added: &Added<'_>, indent: Option<&str>) -> String {
        if let Some(text) = &added.text {
            return text.clone();
        }
        let context = self.context();
        match (&self.json, added.name) {
            (Some(json), name) => json.entry(name, added.value, indent, self.style.eol),
            (None, Some(name)) => format!("{}: {}", quote::key(name, context), quote::flow(added.value, context)),
            (None, None) if added.value.is_string() => quote::scalar(added.value, added.quotes, context),
            (None, None) => quote::flow(added.value, context),
        }
    }

    /// The text that takes the place of a value between brackets.
    pub(super) fn flow_value(&self, value: &Value, at: usize, was_inline: bool) -> String {
        match &self.json {
            Some(json) => {
                let indent = if was_inline { None } else { json.own_line(self.text, at) };
                json.entry(None, value, indent, self.style.eol)
            }
            None => quote::flow(value, Context::Flow),
        }
    }

    /// Adds behind a part that stays.
    fn add_behind(&mut self, parts: &Parts, part: Part, texts: &[String]) {
        let gap = self.gap(parts, part.start);
        let (Some(indent), Some(end)) = (self.own_line(part.start), self.line_behind(part)) else {
            let text: String = texts.iter().map(|text| format!("{gap}{text}")).collect();
            self.splices.insert(part.end, format!("{}{text}", self.blank_behind(part)));
            return;
        };
        let eol = self.style.eol;
        let lines = texts.iter().map(|text| format!("{eol}{indent}{text}"));
        if end.has_comma {
            let lines: String = lines.map(|line| line + ",").collect();
            self.splices.insert(end.at, lines);
        } else {
            let lines = lines.collect::<Vec<_>>().join(",");
            self.splices.insert(part.end, format!("{},", self.blank_behind(part)));
            self.splices.insert(end.at, lines);
        }
    }

    /// Adds behind the last part that stays, where others that go follow.
    fn put_in_tail(&mut self, parts: &Parts, tail: &Tail, texts: &[String]) {
        let Some(part) = parts.get(tail.before) else { return };
        if let Some((indent, end)) = self.own_line(part.start).zip(self.line_behind(part)).filter(|_| tail.has_lines) {
            let eol = self.style.eol;
            let lines: Vec<_> = texts.iter().map(|text| format!("{eol}{indent}{text}")).collect();
            let comma = if tail.has_comma { "," } else { "" };
            self.splices.insert(end.at, lines.join(",") + comma);
        } else {
            let gap = self.gap(parts, part.start);
            let text: String = texts.iter().map(|text| format!("{gap}{text}")).collect();
            self.splices.insert(part.end, format!("{}{text}", self.blank_behind(part)));
        }
    }

    /// Removes what goes.
    fn remove_runs(&mut self, parts: &Parts, tail: Option<Tail>, added: &[Added<'_>]) {
        let mut run: Vec<Part> = Vec::new();
        for part in parts.all() {
            if part.stays.is_none() {
                run.push(*part);
                continue;
            }
            if let Some(first) = run.first().copied()
                && !self.remove_whole_lines(&run)
            {
                self.splices.replace(first.start..part.start, "");
            }
            run.clear();
        }
        let Some(tail) = tail else { return };
        let Some(before) = parts.get(tail.before) else { return };
        if tail.has_lines {
            self.remove_whole_lines(&run);
            if !tail.has_comma && !added.iter().any(|added| added.behind == Some(tail.before)) {
                self.splices.replace(before.end..trivia(self.text, before.end) + 1, "");
            }
        } else if let Some(last) = run.last() {
            self.splices.replace(before.end..last.end, "");
        }
    }

    /// Removes parts of which each has its lines to itself, with the comments that belong to them.
    fn remove_whole_lines(&mut self, run: &[Part]) -> bool {
        let Some(ranges) = run.iter().map(|part| self.whole_lines(*part)).collect::<Option<Vec<_>>>() else {
            return false;
        };
        ranges.into_iter().for_each(|range| self.splices.replace(range, ""));
        true
    }

    fn whole_lines(&self, part: Part) -> Option<Range<usize>> {
        self.own_line(part.start)?;
        Some(lines_start(self.text, part.start)..next_line(self.text, self.line_behind(part)?.at))
    }

    /// The end of the line on which a part ends, if nothing but a comma and a comment follows there.
    fn line_behind(&self, part: Part) -> Option<LineEnd> {
        let line = line_end(self.text, part.end);
        let rest = self.text.get(part.end..line)?.trim_start_matches([' ', '\t']);
        let has_comma = rest.starts_with(',');
        let rest = rest.strip_prefix(',').unwrap_or(rest).trim_start_matches([' ', '\t']);
        // Where the comma stands on another line, the next part begins with it.
        let next = trivia(self.text, part.end);
        let elsewhere = !has_comma && self.text.get(next..).is_some_and(|next| next.starts_with(','));
        ((rest.is_empty() || rest.starts_with('#')) && !elsewhere).then_some(LineEnd { at: line, has_comma })
    }

    /// What stands before `at` on its line, if that is nothing but blanks.
    fn own_line(&self, at: usize) -> Option<&str> {
        let before = self.text.get(line_start(self.text, at)..at)?;
        before.bytes().all(|byte| matches!(byte, b' ' | b'\t')).then_some(before)
    }

    /// A blank where nothing stands behind the colon of a part: some readers take no comma there.
    fn blank_behind(&self, part: Part) -> &'static str {
        if self.text.get(..part.end).is_some_and(|before| before.ends_with(':')) { " " } else { "" }
    }

    /// What separates two parts, beside the one at `start`.
    fn gap(&self, parts: &Parts, start: usize) -> String {
        if let Some(indent) = self.own_line(start).filter(|_| line_start(self.text, start) > 0) {
            return format!(",{}{indent}", self.style.eol);
        }
        // As between those that stand there.
        let between = parts.all().windows(2).rev().find_map(|pair| match pair {
            [one, other] => self.text.get(one.end..other.start),
            _ => None,
        });
        let is_gap = |gap: &&str| gap.chars().all(|c| matches!(c, ',' | ' ')) && gap.matches(',').count() == 1;
        let default = self.json.as_ref().map_or(", ", |json: &Json| json.comma);
        between.filter(is_gap).unwrap_or(default).to_owned()
    }
}

/// Parts at the end that go.
struct Tail {
    /// The last one that stays.
    before: usize,
    /// Whether each that goes has lines to itself, and the one before ends with a comma on its own.
    has_lines: bool,
    /// Whether a comma follows the last one.
    has_comma: bool,
}

impl Tail {
    fn of(planner: &Planner<'_>, parts: &Parts) -> Option<Self> {
        let before = parts.last()?;
        let run = parts.all().get(before + 1..)?;
        let (last, stays) = (run.last()?, parts.get(before)?);
        let has_comma = planner.line_behind(*last).is_some_and(|end| end.has_comma);
        let stays_on_line = planner.line_behind(stays).is_some_and(|end| end.has_comma);
        let has_lines = stays_on_line && run.iter().all(|part| planner.whole_lines(*part).is_some());
        Some(Self { before, has_lines, has_comma })
    }
}

/// Where lines can be added behind a part, and whether a comma stands there already.
struct LineEnd {
    at: usize,
    has_comma: bool,
}
