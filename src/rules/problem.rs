//! Owns what is wrong with a rules file and how people see it. Must never show a password or a terminal escape that the
//! file holds.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use serde::Serialize;

/// Longest part of a line that is shown, in characters.
const LINE: usize = 160;
/// Longest message or hint, in characters: they may repeat what the file says.
const MESSAGE: usize = 1000;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The file is not taken.
    Error,
    /// The file is taken, and probably does not do what its author wants.
    Warning,
}

/// One thing that is wrong with a rules file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where the text came from: a file name, or a ConfigMap.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How many characters are meant, from the column on.
    #[serde(skip)]
    pub width: usize,
    /// The offending line; passwords of URLs are masked.
    pub text: String,
    /// What is wrong, in lower case.
    pub message: String,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// How bad it is.
    pub level: Level,
}

impl fmt::Display for Problem {
    /// `file:line:column: message`, the line with the place underlined, and the hint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = if self.level == Level::Warning { "warning: " } else { "" };
        write!(f, "{}:{}:{}: {level}{}", self.file, self.line, self.column, self.message)?;
        if !self.text.trim().is_empty() {
            write!(f, "\n  | {}", self.text)?;
            let before = self.column.saturating_sub(1);
            let shown = self.text.chars().count();
            if before < shown {
                f.write_str("\n  | ")?;
                // A tab must be repeated as one, or the mark would not stand below its place.
                self.text.chars().take(before).try_for_each(|c| f.write_char(if c == '\t' { c } else { ' ' }))?;
                (0..self.width.clamp(1, shown - before)).try_for_each(|_| f.write_char('^'))?;
            }
        }
        match &self.hint {
            Some(hint) => write!(f, "\n  = {hint}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a rules file. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(transparent)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_char('\n')?;
            }
            fmt::Display::fmt(problem, f)?;
        }
        Ok(())
    }
}

/// What is wrong with one value, before it is known where in a file it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// What is wrong, in lower case.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Fault {
    /// A fault without advice.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// The same fault with advice.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same fault with advice, if there is any.
    #[must_use]
    pub fn maybe_hint(self, hint: Option<String>) -> Self {
        Self { hint: hint.or(self.hint), ..self }
    }
}

/// A place in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How many characters are meant, on this line.
    pub width: usize,
}

impl Mark {
    /// The start of a text.
    pub const START: Self = Self { line: 1, column: 1, width: 1 };
}

/// A rules file as text, for showing its lines. Cloning is cheap.
#[derive(Clone)]
pub struct Source {
    file: Arc<str>,
    lines: Arc<[Box<str>]>,
}

impl Source {
    /// `file` says where `text` came from.
    pub fn new(file: &str, text: &str) -> Self {
        Self { file: file.into(), lines: text.lines().map(|line| presentable(line, LINE)).collect() }
    }

    /// A problem at a place of this file.
    pub fn problem(&self, level: Level, mark: Mark, fault: Fault) -> Problem {
        Problem {
            file: self.file.to_string(),
            line: mark.line,
            column: mark.column,
            width: mark.width,
            text: self.lines.get(mark.line.saturating_sub(1)).map_or(String::new(), |line| line.to_string()),
            message: presentable(&fault.message, MESSAGE).into(),
            hint: fault.hint.map(|hint| presentable(&hint, MESSAGE).into()),
            level,
        }
    }
}

impl Source {
    /// The place at a line and column of `text`, which is the value at `value`; `None` when the file does not have the
    /// text as it is, because it is folded or escaped.
    pub(super) fn within(&self, value: Mark, text: &str, at: (usize, usize), width: usize) -> Option<Mark> {
        let (line, column) = at;
        let start = self.lines.get(value.line.checked_sub(1)?)?;
        let behind: String = start.chars().skip(value.column.checked_sub(1)?).collect();
        let quote = usize::from(behind.starts_with(['\'', '"']));
        let is_plain = !text.contains('\n') && behind.chars().skip(quote).collect::<String>().starts_with(text);
        if is_plain && line == 1 {
            return Some(Mark { column: value.column + quote + column - 1, width, ..value });
        }
        // A block in literal style: each of its lines stands indented by the same.
        let wanted = text.lines().nth(line.checked_sub(1)?)?;
        let row = value.line + line - 1;
        let indent = self.lines.get(row.checked_sub(1)?)?.strip_suffix(wanted)?;
        let is_indent = !indent.is_empty() && indent.chars().all(|c| c == ' ');
        (is_indent && !wanted.is_empty()).then(|| Mark { line: row, column: indent.len() + column, width })
    }
}

impl fmt::Debug for Source {
    /// The name only: the text may hold what is masked elsewhere.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.file)
    }
}

/// A text as it may be shown: without control characters, with passwords of URLs masked, not too long.
fn presentable(text: &str, longest: usize) -> Box<str> {
    let is_hostile =
        |c: char| c.is_control() && c != '\t' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut shown = String::new();
    for (count, c) in mask_passwords(text).chars().enumerate() {
        if count == longest {
            shown.push('…');
            break;
        }
        shown.push(if is_hostile(c) { '\u{fffd}' } else { c });
    }
    shown.into()
}

/// Replaces what stands between `:` and `@` in `scheme://user:password@host` by a fixed mark.
pub(super) fn mask_passwords(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        masked.push_str(before);
        masked.push_str("://");
        // Up to white space, not up to the next `/`: people forget to escape one in a password.
        let end = after.find(char::is_whitespace).unwrap_or(after.len());
        let (location, tail) = after.split_at(end);
        match location.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?, host))) {
            Some(((user, password), host)) if !is_port(password) => {
                masked.push_str(user);
                masked.push_str(":***@");
                masked.push_str(host);
            }
            _ => masked.push_str(location),
        }
        rest = tail;
    }
    masked.push_str(rest);
    masked
}

/// Whether what follows the first `:` is the port in `host:8443/path@x`, and not a password.
fn is_port(text: &str) -> bool {
    text.split_once('/').is_some_and(|(port, _)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The candidate that was probably meant by `text`, if one is near enough.
pub(super) fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(text);
    let allowed = folded.chars().count().div_ceil(3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&folded, &fold(candidate), allowed), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `sync-to`, `SyncTo` and `sync_to` are one word.
fn fold(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

/// Edit distance in which swapping two neighbours counts once (optimal string alignment); anything above `allowed` is
/// given as `allowed + 1`.
fn distance(a: &str, b: &str, allowed: usize) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > allowed {
        return allowed + 1;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous_a = None;
    for (row, from) in a.iter().enumerate() {
        let mut current = vec![row + 1];
        let mut previous_b = None;
        for (column, to) in b.iter().enumerate() {
            let at = |cells: &[usize], column: usize| cells.get(column).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&last, column) + usize::from(from != to);
            let mut cost = replaced.min(at(&last, column + 1) + 1).min(at(&current, column) + 1);
            if previous_a == Some(to) && previous_b == Some(from) {
                cost = cost.min(at(&before, column.saturating_sub(1)) + 1);
            }
            current.push(cost);
            previous_b = Some(to);
        }
        before = std::mem::replace(&mut last, current);
        previous_a = Some(from);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_its_line_and_its_hint() {
        let source = Source::new("config.yaml", "rules:\n\t- synTo: git\n");
        let fault = Fault::new("unknown key `synTo`").hint("did you mean `syncTo`?");
        let problem = source.problem(Level::Error, Mark { line: 2, column: 4, width: 5 }, fault);
        assert_eq!(
            problem.to_string(),
            "config.yaml:2:4: unknown key `synTo`\n  | \t- synTo: git\n  | \t  ^^^^^\n  = did you mean `syncTo`?"
        );
    }

    #[test]
    fn a_place_behind_the_text_is_shown_without_a_mark() {
        let source = Source::new("f", "");
        assert_eq!(source.problem(Level::Warning, Mark::START, Fault::new("x")).to_string(), "f:1:1: warning: x");
        let source = Source::new("f", "ab");
        let problem = source.problem(Level::Error, Mark { line: 1, column: 9, width: 4 }, Fault::new("x"));
        assert_eq!(problem.to_string(), "f:1:9: x\n  | ab");
    }

    #[test]
    fn passwords_and_escapes_are_never_shown() {
        for (text, shown) in [
            ("gitUrl: https://bot:hunter2@host/x.git", "gitUrl: https://bot:***@host/x.git"),
            ("gitUrl: https://bot:hun@ter/2@host", "gitUrl: https://bot:***@host"),
            ("ssh://git@host:22/x", "ssh://git@host:22/x"),
            ("https://host:8443/x@y", "https://host:8443/x@y"),
            ("https://:x@host https://a:b@c", "https://:***@host https://a:***@c"),
            ("a \u{1b}[31m b\u{202e}", "a \u{fffd}[31m b\u{fffd}"),
        ] {
            assert_eq!(&*presentable(text, LINE), shown);
        }
        assert_eq!(presentable(&"x".repeat(500), LINE).chars().count(), LINE + 1);
    }

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        let keys = ["syncTo", "suspend", "secrets", "labels", "namespaces", "names"];
        for (text, found) in [
            ("synTo", Some("syncTo")),
            ("sycnTo", Some("syncTo")),
            ("sync-to", Some("syncTo")),
            ("SYNC_TO", Some("syncTo")),
            ("lable", Some("labels")),
            ("namespace", Some("namespaces")),
            ("name", Some("names")),
            ("when", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(text, keys), found, "{text}");
        }
        assert_eq!(distance("ab", "ba", 2), 1);
        assert_eq!(distance("kitten", "sitting", 5), 3);
    }
}
