//! Owns what an expression in a template stands for: a field, and functions over it. Must never grow into a language:
//! what a path or a message needs, and no more.

use std::fmt;

mod read;

/// Longest text that a replacement may make, in bytes.
const LONGEST_TEXT: usize = 1 << 20;

/// The names that a template knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vocabulary {
    /// Fields, with their dot.
    pub(super) fields: &'static [&'static str],
    /// Maps whose entries can be asked for, with their dot.
    pub(super) maps: &'static [&'static str],
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// `.Name`
    Field(&'static str),
    /// `.Labels.app`
    Entry(&'static str, Box<str>),
}

/// What an expression starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Operand {
    Source(Source),
    Text(Box<str>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Function {
    Lower,
    Upper,
    Default(Box<Expression>),
    Replace(Box<str>, Box<str>),
    /// In characters.
    Truncate(usize),
}

/// A value and what is done to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expression {
    operand: Operand,
    functions: Vec<Function>,
}

impl Expression {
    /// What it stands for. `value` gives what each source stands for; nothing is the empty text.
    pub(super) fn evaluate<'v>(&self, value: &dyn Fn(&Source) -> &'v str) -> String {
        let mut text = match &self.operand {
            Operand::Source(source) => value(source).to_owned(),
            Operand::Text(text) => text.to_string(),
        };
        for function in &self.functions {
            text = match function {
                Function::Lower => text.to_lowercase(),
                Function::Upper => text.to_uppercase(),
                Function::Default(other) if text.is_empty() => other.evaluate(value),
                Function::Default(_) => text,
                // A row of replacements could make any size; what is left alone is far too long for a path.
                Function::Replace(_, to) if text.len().saturating_mul(to.len()) > LONGEST_TEXT => text,
                Function::Replace(from, to) => text.replace(&**from, to),
                Function::Truncate(length) => text.chars().take(*length).collect(),
            };
        }
        text
    }

    /// Whether any source that it may ask passes the test.
    pub(super) fn asks(&self, test: &dyn Fn(&Source) -> bool) -> bool {
        let own = matches!(&self.operand, Operand::Source(source) if test(source));
        own || self.functions.iter().any(|function| match function {
            Function::Default(other) => other.asks(test),
            _ => false,
        })
    }

    /// The first text of its own that holds one of these characters.
    pub(super) fn text_with(&self, characters: &[char]) -> Option<&str> {
        let own = match &self.operand {
            Operand::Text(text) => Some(&**text),
            Operand::Source(_) => None,
        };
        let holds = |text: &&str| text.contains(characters);
        own.filter(holds).or_else(|| {
            self.functions.iter().find_map(|function| match function {
                Function::Default(other) => other.text_with(characters),
                Function::Replace(_, to) => Some(&**to).filter(holds),
                _ => None,
            })
        })
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{{ ")?;
        self.write(f)?;
        f.write_str(" }}")
    }
}

impl Expression {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.operand {
            Operand::Source(Source::Field(name)) => f.write_str(name)?,
            Operand::Source(Source::Entry(map, key)) => write!(f, "{map}[{key:?}]")?,
            Operand::Text(text) => write!(f, "{text:?}")?,
        }
        for function in &self.functions {
            match function {
                Function::Lower => f.write_str(" | lower")?,
                Function::Upper => f.write_str(" | upper")?,
                Function::Default(other) => {
                    f.write_str(" | default (")?;
                    other.write(f)?;
                    f.write_str(")")?;
                }
                Function::Replace(from, to) => write!(f, " | replace {from:?} {to:?}")?,
                Function::Truncate(length) => write!(f, " | trunc {length}")?,
            }
        }
        Ok(())
    }
}

impl From<Operand> for Expression {
    fn from(operand: Operand) -> Self {
        Self { operand, functions: Vec::new() }
    }
}
