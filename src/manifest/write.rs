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
    /// Line break.
    pub eol: &'static str,
}

/// Keys longer than this are written behind `?`: readers look for a `:` only so far.
const LONGEST_KEY: usize = 1000;

impl Style {
    /// As kubectl prints.
    pub const KUBECTL: Self = Self { step: 2, list: 0, eol: "\n" };

    /// The style that most of a document has.
    pub fn of(text: &str, root: &Node) -> Self {
        let (mut steps, mut lists) = (Vec::new(), Vec::new());
        measure(text, root, &mut steps, &mut lists);
        let eol = if text.contains("\r\n") { "\r\n" } else { "\n" };
        Self { step: most(&steps).unwrap_or(2).clamp(1, 9), list: most(&lists).unwrap_or(0), eol }
    }

    /// What follows `key:` or `-`, beginning with a blank or a line break, without a final line break. `column` is that of
    /// the key or the dash.
    pub fn after(self, value: &Value, column: usize, dash: bool) -> String {
        let mut out = String::new();
        self.write(value, column, dash, &mut out);
        out
    }

    fn write(self, value: &Value, column: usize, dash: bool, out: &mut String) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                let inner = column + if dash { 2 } else { self.step };
                for (position, (name, value)) in map.iter().enumerate() {
                    self.begin(inner, dash && position == 0, out);
                    self.entry(name, value, inner, out);
                }
            }
            Value::Array(items) if !items.is_empty() => {
                let inner = column + if dash { 2 } else { self.list };
                for (position, item) in items.iter().enumerate() {
                    self.begin(inner, dash && position == 0, out);
                    out.push('-');
                    self.write(item, inner, true, out);
                }
            }
            Value::String(text) if text.contains('\n') => match self.literal(text, column) {
                Some(literal) => out.push_str(&literal),
                None => *out += &format!(" {}", scalar(value, None, Context::Block)),
            },
            Value::Object(_) | Value::Array(_) => *out += &format!(" {}", flow(value, Context::Block)),
            value => *out += &format!(" {}", scalar(value, None, Context::Block)),
        }
    }

    fn begin(self, column: usize, same_line: bool, out: &mut String) {
        if same_line {
            out.push(' ');
        } else {
            *out += &format!("{}{:column$}", self.eol, "");
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

    /// ` |` and the lines below it.
    fn literal(self, text: &str, column: usize) -> Option<String> {
        let (lines, breaks) = block_lines(text)?;
        let chomp = match breaks {
            0 => "-",
            1 => "",
            // What follows might be blank and would count.
            _ => return None,
        };
        let indicator = if text.starts_with([' ', '\t']) { self.step.to_string() } else { String::new() };
        let mut out = format!(" |{indicator}{chomp}");
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

fn measure(text: &str, node: &Node, steps: &mut Vec<usize>, lists: &mut Vec<usize>) {
    match &node.form {
        Form::Map { flow: false, entries } => {
            for entry in entries {
                let below = line_start(text, entry.node.start) > entry.start;
                let by = column(text, entry.node.start).checked_sub(column(text, entry.start)).filter(|_| below);
                match (&entry.node.form, by) {
                    (Form::Map { flow: false, .. }, Some(by)) => steps.push(by),
                    (Form::List { flow: false, .. }, Some(by)) => lists.push(by),
                    _ => {}
                }
                measure(text, &entry.node, steps, lists);
            }
        }
        Form::List { flow: false, items } => items.iter().for_each(|item| measure(text, &item.node, steps, lists)),
        _ => {}
    }
}

fn most(numbers: &[usize]) -> Option<usize> {
    let count = |number: &usize| numbers.iter().filter(|other| *other == number).count();
    let mut distinct = numbers.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    distinct.into_iter().rev().max_by_key(count)
}
