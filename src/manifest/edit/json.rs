//! Owns how a JSON document is laid out, and writing a value that way. Must never write anything that JSON has not.

use granit_parser::ScalarStyle;
use serde_json::Value;

use crate::manifest::quote::{self, Context};
use crate::manifest::tree::{Form, Node, line_start};

/// The layout of a JSON document.
#[derive(Clone, Debug)]
pub(super) struct Json {
    /// What stands between a key and its value.
    colon: String,
    /// What stands between two values of one line.
    pub comma: &'static str,
    /// By what a value is indented from what it stands in; `None` in a document of one line.
    pub unit: Option<String>,
}

impl Json {
    /// The layout of a document; `None` for one that is no JSON.
    pub fn of(text: &str, root: &Node) -> Option<Self> {
        let Form::Map { flow: true, entries } = &root.form else { return None };
        let first = entries.first()?;
        if !matches!(first.key.form, Form::Inline(ScalarStyle::DoubleQuoted)) {
            return None;
        }
        let colon = text.get(first.key.end..first.node.start).unwrap_or_default();
        let is_colon = colon.chars().all(|c| matches!(c, ':' | ' ' | '\t'));
        let colon = if is_colon { colon } else { ": " };
        let indent = text.get(line_start(text, first.start)..first.start).unwrap_or_default();
        let unit = Some(indent).filter(|indent| !indent.is_empty() && indent.trim().is_empty());
        let comma = if unit.is_none() && colon == ":" { "," } else { ", " };
        Some(Self { colon: colon.to_owned(), comma, unit: unit.map(str::to_owned) })
    }

    /// The indentation of the line of a value that has it to itself but for its key.
    pub fn own_line<'t>(&self, text: &'t str, at: usize) -> Option<&'t str> {
        let before = text.get(line_start(text, at)..at)?;
        let key = before.trim_start_matches([' ', '\t']);
        let indent = before.get(..before.len() - key.len())?;
        if key.is_empty() {
            return Some(indent);
        }
        let key = key.trim_end().strip_suffix(':')?.trim_end().strip_prefix('"')?.strip_suffix('"')?;
        (!key.replace("\\\\", "").replace("\\\"", "").contains('"')).then_some(indent)
    }

    /// A value, with its key if it has one. `indent` is that of its line; without, it is written on one.
    pub fn entry(&self, name: Option<&str>, value: &Value, indent: Option<&str>, eol: &str) -> String {
        let mut out = String::new();
        self.write(name, value, indent.filter(|_| self.unit.is_some()), eol, &mut out);
        out
    }

    fn write(&self, name: Option<&str>, value: &Value, indent: Option<&str>, eol: &str, out: &mut String) {
        if let Some(name) = name {
            out.push_str(&quote::key(name, Context::Json));
            out.push_str(&self.colon);
        }
        let (open, close, inner): (_, _, Vec<(Option<&str>, &Value)>) = match value {
            Value::Object(map) => ('{', '}', map.iter().map(|(name, value)| (Some(name.as_str()), value)).collect()),
            Value::Array(items) => ('[', ']', items.iter().map(|item| (None, item)).collect()),
            scalar => return out.push_str(&quote::scalar(scalar, None, Context::Json)),
        };
        out.push(open);
        let indents = indent.zip(self.unit.as_ref()).filter(|_| !inner.is_empty());
        let inner_indent = indents.map(|(indent, unit)| format!("{indent}{unit}"));
        for (position, (name, value)) in inner.into_iter().enumerate() {
            if position > 0 {
                out.push_str(if inner_indent.is_some() { "," } else { self.comma });
            }
            if let Some(inner_indent) = &inner_indent {
                out.push_str(eol);
                out.push_str(inner_indent);
            }
            self.write(name, value, inner_indent.as_deref(), eol, out);
        }
        if let Some((indent, _)) = indents {
            out.push_str(eol);
            out.push_str(indent);
        }
        out.push(close);
    }
}
