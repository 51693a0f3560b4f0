//! Owns putting another text into a block scalar. Must never write a line anew that says the same as before.

use super::plan::{Planner, Slot};
use crate::manifest::quote;
use crate::manifest::tree::{Node, line_end};

impl Planner<'_> {
    /// Puts another text into a block scalar: its indentation, style, wrapping, final line breaks and comment stay where
    /// they can.
    pub(super) fn block(&mut self, node: &Node, slot: Slot, (folded, keep): (bool, bool), text: &str) -> Option<()> {
        let (lines, breaks) = quote::block_lines(text)?;
        let line = line_end(self.text, node.start);
        let header = self.text.get(node.start..line)?.split([' ', '\t']).next()?;
        let digit = header.chars().find_map(|c| c.to_digit(10)).map(|digit| digit as usize);
        let body = self.text.get(line..node.end)?;
        let first = body.lines().find(|line| !line.trim_matches([' ', '\t']).is_empty());
        let indent = match (digit, first) {
            (Some(digit), _) => slot.column + digit,
            (None, Some(first)) => first.len() - first.trim_start_matches(' ').len(),
            (None, None) => slot.column + self.style.step,
        };
        let digit = match indent.checked_sub(slot.column)? {
            _ if digit.is_none() && !text.starts_with([' ', '\t']) => String::new(),
            digit @ 1..=9 => digit.to_string(),
            _ => return None,
        };
        let chomp = match breaks {
            0 => "-",
            1 if !keep => "",
            // Without `+` the blank lines that follow did not count until now.
            _ if !keep => return None,
            _ => "+",
        };
        // What follows the header's line break; blank lines at the end are counted, not said.
        let old: Vec<&str> = body.trim_end_matches([' ', '\t', '\r', '\n']).lines().skip(1).collect();
        let mut new = String::new();
        if folded {
            let old: Vec<&str> = old.into_iter().map(|line| line.get(indent..).unwrap_or_default()).collect();
            fold(&old, &lines).iter().for_each(|line| self.style.line(line, indent, &mut new));
        } else {
            self.literal_lines(&old, &lines, indent, &mut new);
        }
        (1..breaks).for_each(|_| new.push_str(self.style.eol));
        let new_header = format!("{}{digit}{chomp}", if folded { '>' } else { '|' });
        if new_header != header {
            self.splices.replace(node.start..node.start + header.len(), new_header);
        }
        self.splices.replace(line..node.end, new);
        Some(())
    }

    /// The lines of a text, each behind a line break; those that are said at the start and at the end of `old` stay as
    /// they are written there.
    fn literal_lines(&self, old: &[&str], lines: &[&str], indent: usize, new: &mut String) {
        let says = |(line, old): &(&&str, &&str)| old.get(indent..).unwrap_or_default() == **line;
        let head = lines.iter().zip(old).take_while(says).count();
        let most = lines.len().min(old.len()) - head;
        let tail = lines.iter().rev().zip(old.iter().rev()).take(most).take_while(says).count();
        for (position, line) in lines.iter().enumerate() {
            let same = match lines.len() - position {
                _ if position < head => old.get(position),
                left if left <= tail => old.get(old.len() - left),
                _ => None,
            };
            match same {
                Some(written) => {
                    new.push_str(self.style.eol);
                    new.push_str(written);
                }
                None => self.style.line(line, indent, new),
            }
        }
    }
}

/// Characters that a line may have wherever lines are wrapped: a few short ones do not tell where somebody wraps.
const NARROWEST: usize = 60;

/// The lines of a folded scalar that says `new`, one line of the text each, wrapped as in `old` where that stays.
fn fold(old: &[&str], new: &[&str]) -> Vec<String> {
    let old = paragraphs(old);
    let texts: Vec<String> = old.iter().map(|lines| lines.join(" ")).collect();
    let full: Vec<&str> = new.iter().copied().filter(|line| !line.is_empty()).collect();
    let head = texts.iter().zip(&full).take_while(|(old, new)| old == *new).count();
    let rest = texts.len().min(full.len()) - head;
    let tail = texts.iter().rev().zip(full.iter().rev()).take(rest).take_while(|(old, new)| old == *new).count();
    let was = |position: usize| match position {
        _ if position + tail >= full.len() => old.get(position + old.len() - full.len()),
        _ if position + tail < old.len() => old.get(position),
        _ => None,
    };
    let is_wrapped = old.iter().any(|lines| lines.len() > 1);
    let width = old.iter().flatten().map(|line| line.chars().count()).max().filter(|_| is_wrapped);
    let width = width.map(|width| width.max(NARROWEST));
    let mut out = Vec::new();
    let mut position = 0;
    for (number, line) in new.iter().enumerate() {
        if line.is_empty() {
            out.push(String::new());
            continue;
        }
        wrap(was(position).map_or(&[], Vec::as_slice), line, width, &mut out);
        position += 1;
        // Between lines of which one is indented a line break is a line break; between others it is a blank.
        let next = new.get(number + 1..).and_then(|rest| rest.iter().find(|line| !line.is_empty()));
        if next.is_some_and(|next| !is_indented(line) && !is_indented(next)) {
            out.push(String::new());
        }
    }
    out
}

/// The lines of a folded scalar that make one line of its text each.
fn paragraphs<'t>(lines: &[&'t str]) -> Vec<Vec<&'t str>> {
    let mut found: Vec<Vec<&str>> = Vec::new();
    let mut goes_on = false;
    for line in lines {
        let is_blank = line.trim_matches([' ', '\t']).is_empty();
        match found.last_mut().filter(|_| goes_on && !is_indented(line)) {
            _ if is_blank => {}
            Some(last) => last.push(line),
            None => found.push(vec![line]),
        }
        goes_on = !is_blank && !is_indented(line);
    }
    found
}

fn is_indented(line: &str) -> bool {
    line.starts_with([' ', '\t'])
}

/// Wraps a line: what begins or ends as before keeps its lines, the rest is filled up to `width` characters.
fn wrap(old: &[&str], new: &str, width: Option<usize>, out: &mut Vec<String>) {
    if is_indented(new) {
        out.push(new.to_owned());
        return;
    }
    let mut rest = new;
    let mut head = 0;
    for line in old {
        match rest.strip_prefix(line) {
            Some("") if head + 1 < old.len() => break,
            Some(after) if after.is_empty() || starts_word(after) => {
                out.push((*line).to_owned());
                rest = after.strip_prefix(' ').unwrap_or_default();
                head += 1;
            }
            _ => break,
        }
    }
    let mut tail = Vec::new();
    for line in old.get(head..).unwrap_or_default().iter().rev() {
        match rest.strip_suffix(line) {
            Some(before)
                if before.ends_with(' ')
                    && !before.trim_end_matches(' ').is_empty()
                    && !before.ends_with("  ")
                    && !before.ends_with("\t ") =>
            {
                tail.push((*line).to_owned());
                rest = before.strip_suffix(' ').unwrap_or(before);
            }
            _ => break,
        }
    }
    while !rest.is_empty() {
        let at = width.and_then(|width| break_at(rest, width)).unwrap_or(rest.len());
        let (line, after) = rest.split_at(at);
        out.push(line.to_owned());
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    tail.reverse();
    out.append(&mut tail);
}

/// Whether a text goes on with one blank and a word.
fn starts_word(text: &str) -> bool {
    text.strip_prefix(' ').is_some_and(|word| !word.is_empty() && !word.starts_with([' ', '\t']))
}

/// The last single blank within `width` characters, or the first behind; `None` where the whole text fits.
fn break_at(text: &str, width: usize) -> Option<usize> {
    if text.chars().count() <= width {
        return None;
    }
    let limit = text.char_indices().nth(width).map_or(text.len(), |(at, _)| at);
    let is_single = |at: &usize| {
        let before = text.get(..*at).is_some_and(|before| !before.is_empty() && !before.ends_with([' ', '\t']));
        before && text.get(*at..).is_some_and(starts_word)
    };
    let blanks: Vec<usize> = text.match_indices(' ').map(|(at, _)| at).filter(is_single).collect();
    let within = blanks.iter().rev().find(|at| **at <= limit);
    within.or_else(|| blanks.first()).copied()
}
