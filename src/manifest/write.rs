//! Owns how a value is laid out in block style, with a file's own indentation. Must never leave a value half in the style
//! of one file and half in that of another.

use serde_json::Value;

use super::quote::{Context, block_lines, flow, key, scalar};
use super::tree::{Form, Node, line_start};

/// How a document is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    /// Columns by which a map is indented in a map.
    pub step: usize,
    /// Columns by which a list's dash is indented from the key above.
    pub list: usize,
    /// Columns from a dash to what follows it on its line.
    pub dash: usize,
    /// Line break.
    pub eol: &'static str,
}

/// Keys longer than this are written behind `?`: readers look for a `:` only so far.
const LONGEST_KEY: usize = 1000;

impl Style {
    /// As kubectl prints.
    pub const KUBECTL: Self = Self { step: 2, list: 0, dash: 2, eol: "\n" };

    /// The style that most of a document has.
    pub fn of(text: &str, root: &Node) -> Self {
        let mut found = Measures::default();
        found.take(text, root);
        let eol = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let step = most(&found.steps).unwrap_or(2).clamp(1, 9);
        Self { step, list: most(&found.lists).unwrap_or(0), dash: most(&found.dashes).unwrap_or(2), eol }
    }

    /// What follows `key:` or `-`, beginning with a blank or a line break, without a final line break. `column` is that of
    /// the key or the dash.
    pub fn after(self, value: &Value, column: usize, dash: bool) -> String {
        let mut out = String::new();
        self.write(value, column, dash, &mut out);
        out
    }

    fn write(self, value: &Value, column: usize, dash: bool, out: &mut String) {
        let gap = " ".repeat(if dash { self.dash - 1 } else { 1 });
        match value {
            Value::Object(map) if !map.is_empty() => {
                let inner = column + if dash { self.dash } else { self.step };
                for (position, (name, value)) in map.iter().enumerate() {
                    self.begin(inner, Some(gap.as_str()).filter(|_| dash && position == 0), out);
                    self.entry(name, value, inner, out);
                }
            }
            Value::Array(items) if !items.is_empty() => {
                let inner = column + if dash { self.dash } else { self.list };
                for (position, item) in items.iter().enumerate() {
                    self.begin(inner, Some(gap.as_str()).filter(|_| dash && position == 0), out);
                    out.push('-');
                    self.write(item, inner, true, out);
                }
            }
            Value::String(text) if text.contains('\n') => match self.literal(text, column) {
                Some(literal) => *out += &format!("{gap}{literal}"),
                None => *out += &format!("{gap}{}", scalar(value, None, Context::Block)),
            },
            Value::Object(_) | Value::Array(_) => *out += &format!("{gap}{}", flow(value, Context::Block)),
            value => *out += &format!("{gap}{}", scalar(value, None, Context::Block)),
        }
    }

    /// A line, unless it goes on behind a dash.
    fn begin(self, column: usize, gap: Option<&str>, out: &mut String) {
        match gap {
            Some(gap) => out.push_str(gap),
            None => *out += &format!("{}{:column$}", self.eol, ""),
        }
    }

    /// A key with its value; `column` is the key's.
    pub fn entry(self, name: &str, value: &Value, column: usize, out: &mut String) {
        let name = key(name, Context::Block);
        if name.len() > LONGEST_KEY {
            *out += &format!("? {name}{}{:column$}:", self.eol, "");
        } else {
            *out += &format!("{name}:");
        }
        self.write(value, column, false, out);
    }

    /// `|` and the lines below it.
    fn literal(self, text: &str, column: usize) -> Option<String> {
        let (lines, breaks) = block_lines(text)?;
        let chomp = match breaks {
            0 => "-",
            1 => "",
            // What follows might be blank and would count.
            _ => return None,
        };
        let indicator = if text.starts_with([' ', '\t']) { self.step.to_string() } else { String::new() };
        let mut out = format!("|{indicator}{chomp}");
        for line in lines {
            self.line(line, column + self.step, &mut out);
        }
        Some(out)
    }

    /// A line of a block scalar.
    pub fn line(self, line: &str, indent: usize, out: &mut String) {
        out.push_str(self.eol);
        if !line.is_empty() {
            *out += &format!("{:indent$}{line}", "");
        }
    }
}

/// The column of a byte, in bytes.
pub(super) fn column(text: &str, at: usize) -> usize {
    at - line_start(text, at)
}

/// How far things stand from each other in a document.
#[derive(Default)]
struct Measures {
    steps: Vec<usize>,
    lists: Vec<usize>,
    dashes: Vec<usize>,
}

impl Measures {
    fn take(&mut self, text: &str, node: &Node) {
        match &node.form {
            Form::Map { flow: false, entries } => {
                for entry in entries {
                    let below = line_start(text, entry.node.start) > entry.start;
                    let by = column(text, entry.node.start).checked_sub(column(text, entry.start)).filter(|_| below);
                    match (&entry.node.form, by) {
                        (Form::Map { flow: false, .. }, Some(by)) => self.steps.push(by),
                        (Form::List { flow: false, .. }, Some(by)) => self.lists.push(by),
                        _ => {}
                    }
                    self.take(text, &entry.node);
                }
            }
            Form::List { flow: false, items } => {
                for item in items {
                    let gap = text.get(item.start + 1..item.node.start).unwrap_or_default();
                    if !gap.is_empty() && gap.len() < 9 && gap.bytes().all(|byte| byte == b' ') {
                        self.dashes.push(gap.len() + 1);
                    }
                    self.take(text, &item.node);
                }
            }
            _ => {}
        }
    }
}

fn most(numbers: &[usize]) -> Option<usize> {
    let count = |number: &usize| numbers.iter().filter(|other| *other == number).count();
    let mut distinct = numbers.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    distinct.into_iter().rev().max_by_key(count)
}
