//! Owns putting another text into a block scalar. Must never touch a line of it that says the same as before.

use super::plan::{Planner, Slot};
use crate::manifest::quote;
use crate::manifest::tree::{Node, line_end};

impl Planner<'_> {
    /// Puts another text into a block scalar: its indentation, style, final line breaks and comment stay where they can.
    pub(super) fn block(&mut self, node: &Node, slot: Slot, (folded, keep): (bool, bool), text: &str) -> Option<()> {
        let (lines, breaks) = quote::block_lines(text)?;
        let stays_folded = folded && !lines.iter().any(|line| line.starts_with([' ', '\t']));
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
        let new_header = format!("{}{digit}{chomp}", if stays_folded { '>' } else { '|' });
        if new_header != header {
            self.splices.replace(node.start..node.start + header.len(), new_header);
        }
        // What follows the header's line break; blank lines at the end are counted, not said.
        let old: Vec<&str> = body.trim_end_matches([' ', '\t', '\r', '\n']).lines().skip(1).collect();
        let old = match (folded, stays_folded) {
            (false, _) => Some(old.into_iter().map(|line| Said::line(line, indent)).collect()),
            (true, true) => folded_lines(&old, indent),
            (true, false) => None,
        };
        let mut new = self.block_body(&lines, &old.unwrap_or_default(), indent, stays_folded);
        (1..breaks).for_each(|_| new.push_str(self.style.eol));
        self.splices.replace(line..node.end, new);
        Some(())
    }

    /// The lines of a text, each after a line break; those that are said at the start and at the end of `old` stay as they
    /// are written there.
    fn block_body(&self, lines: &[&str], old: &[Said<'_>], indent: usize, folded: bool) -> String {
        let head = lines.iter().zip(old).take_while(|(line, said)| said.is(line)).count();
        let most = lines.len().min(old.len()) - head;
        let tail = lines.iter().rev().zip(old.iter().rev()).take(most).take_while(|(line, said)| said.is(line)).count();
        // One paragraph in the place of one: those of its lines stay that did not change.
        let one = (folded && lines.len() == old.len() && head + tail + 1 == lines.len()).then_some(head);
        let mut new = String::new();
        for (position, line) in lines.iter().enumerate() {
            let same = if position < head {
                old.get(position)
            } else {
                (lines.len() - position <= tail).then(|| old.get(position + old.len() - lines.len())).flatten()
            };
            let changed = one.filter(|one| *one == position).and_then(|one| old.get(one));
            match (same, changed) {
                (Some(said), _) => said.written.iter().for_each(|line| {
                    new.push_str(self.style.eol);
                    new.push_str(line);
                }),
                (None, Some(said)) => {
                    said.reflow(line).iter().for_each(|line| self.style.line(line, indent, &mut new));
                }
                (None, None) => self.style.line(line, indent, &mut new),
            }
            if folded && !line.is_empty() && position + 1 < lines.len() {
                new.push_str(self.style.eol);
            }
        }
        new
    }
}

/// One line of a block scalar's text, and the lines of the file that say it.
struct Said<'t> {
    written: Vec<&'t str>,
    indent: usize,
}

impl<'t> Said<'t> {
    fn line(written: &'t str, indent: usize) -> Self {
        Self { written: vec![written], indent }
    }

    fn parts(&self) -> impl DoubleEndedIterator<Item = &'t str> {
        self.written.iter().map(|line| line.get(self.indent..).unwrap_or_default())
    }

    fn is(&self, line: &str) -> bool {
        self.parts().collect::<Vec<_>>().join(" ") == line
    }

    /// The lines of another paragraph in the place of this one: those at its start and end that say the same stay.
    fn reflow<'n>(&self, line: &'n str) -> Vec<&'n str> {
        let (mut head, mut tail, mut rest) = (Vec::new(), Vec::new(), line);
        for part in self.parts() {
            let Some(after) = rest.strip_prefix(part).and_then(|after| after.strip_prefix(' ')) else { break };
            head.push(rest.get(..part.len()).unwrap_or_default());
            rest = after;
        }
        for part in self.parts().rev() {
            let Some(before) = rest.strip_suffix(part).and_then(|before| before.strip_suffix(' ')) else { break };
            tail.push(rest.get(before.len() + 1..).unwrap_or_default());
            rest = before;
        }
        head.push(rest);
        head.extend(tail.into_iter().rev());
        // A line that is blank, or begins or ends with one, would be read in another way.
        if head.iter().any(|line| line.is_empty() || line.starts_with([' ', '\t']) || line.ends_with([' ', '\t'])) {
            vec![line]
        } else {
            head
        }
    }
}

/// The paragraphs of a folded block scalar; `None` when some of its lines are not folded.
fn folded_lines<'t>(lines: &[&'t str], indent: usize) -> Option<Vec<Said<'t>>> {
    let mut found: Vec<Said<'t>> = Vec::new();
    let mut blank = 1;
    for line in lines {
        let text = line.get(indent..).unwrap_or_default();
        if line.trim_matches([' ', '\t']).is_empty() {
            // The first line break only ends the line before.
            if blank > 0 {
                found.push(Said::line("", indent));
            }
            blank += 1;
        } else if text.starts_with([' ', '\t']) {
            return None;
        } else if blank == 0 {
            found.last_mut()?.written.push(line);
        } else {
            found.push(Said::line(line, indent));
            blank = 0;
        }
    }
    Some(found)
}
