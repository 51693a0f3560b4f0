//! Owns how a scalar is spelt so that every YAML reader gives it back, those of YAML 1.1 included. Must never write a text
//! without quotes that any of them takes for something else.

use granit_parser::ScalarStyle;
use serde_json::Value;

use super::scalar::{self, Plain};

/// Where a scalar is to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    /// In block style.
    Block,
    /// Between brackets or braces.
    Flow,
    /// In a JSON document.
    Json,
}

/// The text of a scalar, in the style of the one that it replaces where that can hold it. On one line.
pub(super) fn scalar(value: &Value, like: Option<ScalarStyle>, context: Context) -> String {
    let Value::String(text) = value else { return value.to_string() };
    match like {
        _ if context == Context::Json => double(text),
        Some(ScalarStyle::DoubleQuoted) => double(text),
        Some(ScalarStyle::SingleQuoted) if text.chars().all(is_printable) => format!("'{}'", text.replace('\'', "''")),
        _ if is_plain(text, context) => text.clone(),
        _ => double(text),
    }
}

/// The text of any value on one line.
pub(super) fn flow(value: &Value, context: Context) -> String {
    let context = if context == Context::Block { Context::Flow } else { context };
    match value {
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| flow(item, context)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let entries: Vec<_> =
                map.iter().map(|(name, value)| format!("{}: {}", key(name, context), flow(value, context))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        value => scalar(value, None, context),
    }
}

/// The text of a map key.
pub(super) fn key(name: &str, context: Context) -> String {
    if context != Context::Json && is_plain(name, context) { name.to_owned() } else { double(name) }
}

/// Whether `text` without quotes is read back as this text, by YAML 1.1 and 1.2 alike.
fn is_plain(text: &str, context: Context) -> bool {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return false };
    let second = chars.next();
    let of_flow = |c: char| context == Context::Flow && matches!(c, ',' | '[' | ']' | '{' | '}');
    let indicator =
        matches!(first, '!' | '&' | '*' | '|' | '>' | '@' | '`' | '"' | '\'' | '%' | '#' | ',' | '[' | ']' | '{' | '}');
    let dash = matches!(first, '-' | '?' | ':') && second.is_none_or(|c| c == ' ' || of_flow(c));
    text.chars().all(is_printable)
        && text.trim() == text
        && !indicator
        && !dash
        && !text.chars().any(of_flow)
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with(':')
        && !text.starts_with("---")
        && !text.starts_with("...")
        && !matches!(text, "<<" | "=")
        && !looks_typed(text)
}

/// Whether some reader takes `text` for something else than a text: numbers of every notation, dates, truth values.
fn looks_typed(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let unsigned = lower.trim_start_matches(['+', '-']).replace('_', "");
    let digit_first = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let number = unsigned.parse::<f64>().is_ok() || ["0x", "0o", "0b"].iter().any(|radix| unsigned.starts_with(radix));
    let clock = unsigned.contains(':') && unsigned.chars().all(|c| c.is_ascii_digit() || matches!(c, ':' | '.'));
    let date = unsigned.as_bytes().get(4) == Some(&b'-')
        && unsigned.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | ':' | '.' | '+' | 't' | 'z' | ' '));
    let word = matches!(lower.as_str(), "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n");
    scalar::plain(text) != Plain::Text || word || (digit_first && (number || clock || date))
}

/// Whether `c` may stand in YAML as it is, and is no line break in any version of it, nor a tab.
fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
        && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// In double quotes, with escapes that JSON has too.
fn double(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            c => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

/// The lines of a text as the body of a block scalar, and how many line breaks end it; `None` when a block scalar can't
/// hold it, or is not how a person would write it.
pub(super) fn block_lines(text: &str) -> Option<(Vec<&str>, usize)> {
    let body = text.trim_end_matches('\n');
    let lines: Vec<_> = body.split('\n').collect();
    let fits = !body.is_empty()
        && !body.starts_with('\n')
        && text.chars().all(|c| is_printable(c) || matches!(c, '\n' | '\t'))
        && lines.iter().all(|line| line.is_empty() || !line.trim_matches([' ', '\t']).is_empty());
    fits.then_some((lines, text.len() - body.len()))
}

#[cfg(test)]
pub(super) mod tests;
