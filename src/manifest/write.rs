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
    /// Columns from a dash to what it begins.
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
        let eol = if text.contains("\r\n") { "\r\n" } else { "\n" };
        Self { eol, ..Self::KUBECTL }.near(text, root)
    }

    /// The style that most of a node has; as it is in all that the node does not tell.
    pub fn near(self, text: &str, node: &Node) -> Self {
        let mut found = Measures::default();
        found.take(text, node);
        Self {
            step: most(&found.steps).map_or(self.step, |step| step.clamp(1, 9)),
            list: most(&found.lists).unwrap_or(self.list),
            dash: most(&found.dashes).map_or(self.dash, |dash| dash.clamp(2, 9)),
            ..self
        }
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
                let inner = column + if dash { self.dash } else { self.step };
                for (position, (name, value)) in map.iter().enumerate() {
                    self.begin(inner, dash && position == 0, out);
                    self.entry(name, value, inner, out);
                }
            }
            Value::Array(items) if !items.is_empty() => {
                let inner = column + if dash { self.dash } else { self.list };
                for (position, item) in items.iter().enumerate() {
                    self.begin(inner, dash && position == 0, out);
                    out.push('-');
                    self.write(item, inner, true, out);
                }
            }
            Value::String(text) if text.contains('\n') => match self.literal(text, column) {
                Some(literal) => out.push_str(&literal),
                None => self.beside(&scalar(value, None, Context::Block), dash, out),
            },
            Value::Object(_) | Value::Array(_) => self.beside(&flow(value, Context::Block), dash, out),
            value => self.beside(&scalar(value, None, Context::Block), dash, out),
        }
    }

    /// Something on the line of its key or dash.
    fn beside(self, text: &str, dash: bool, out: &mut String) {
        let blanks = if dash { self.dash - 1 } else { 1 };
        *out += &format!("{:blanks$}{text}", "");
    }

    fn begin(self, column: usize, same_line: bool, out: &mut String) {
        if same_line {
            self.beside("", true, out);
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

/// By how much parts of a document are indented.
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
                    let on_line =
                        text.get(item.start + 1..item.node.start).is_some_and(|gap| gap.trim_matches(' ').is_empty());
                    if on_line && item.node.start > item.start + 1 {
                        self.dashes.push(item.node.start - item.start);
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
