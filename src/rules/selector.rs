//! Owns label selectors: the grammar and the answers of Kubernetes (`labels.Parse` of apimachinery), nothing more and
//! nothing less. Must never treat a missing label as an empty one.

use std::collections::BTreeSet;
use std::fmt;
use std::fmt::Write as _;

use super::Labels;
use super::problem::Fault;

/// A label selector: every requirement must hold. Without requirements it matches everything.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Selector {
    /// Sorted by key.
    requirements: Vec<Requirement>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Requirement {
    key: Box<str>,
    test: Test,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Test {
    /// `a=b` and `a==b`, which mean `a in (b)`.
    Equals(Box<str>),
    /// `a!=b`, which means `a notin (b)`.
    Differs(Box<str>),
    In(BTreeSet<Box<str>>),
    NotIn(BTreeSet<Box<str>>),
    Exists,
    Absent,
    Above(i64),
    Below(i64),
}

impl Selector {
    /// Reads a selector; an empty text matches everything.
    ///
    /// # Errors
    ///
    /// When Kubernetes would refuse it.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut parser = Parser { tokens: tokens(text)?, next: 0, text };
        let mut requirements = parser.selector()?;
        requirements.sort();
        Ok(Self { requirements })
    }

    /// Whether an object with these labels is selected.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|Requirement { key, test }| {
            let value = labels.get(&**key);
            match test {
                Test::Equals(wanted) => value.is_some_and(|value| **value == **wanted),
                Test::Differs(unwanted) => value.is_none_or(|value| **value != **unwanted),
                Test::In(wanted) => value.is_some_and(|value| wanted.contains(value.as_str())),
                Test::NotIn(unwanted) => value.is_none_or(|value| !unwanted.contains(value.as_str())),
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
                Test::Above(bound) => number(value).is_some_and(|value| value > *bound),
                Test::Below(bound) => number(value).is_some_and(|value| value < *bound),
            }
        })
    }

    /// Whether it selects everything.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether it surely selects everything that `other` selects. May say no where the answer is yes.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.requirements.iter().all(|requirement| other.requirements.contains(requirement))
    }
}

fn number(value: Option<&String>) -> Option<i64> {
    value?.parse().ok()
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, Requirement { key, test }) in self.requirements.iter().enumerate() {
            if position > 0 {
                f.write_char(',')?;
            }
            let list = |values: &BTreeSet<Box<str>>| values.iter().map(|value| &**value).collect::<Vec<_>>().join(",");
            match test {
                Test::Equals(value) => write!(f, "{key}={value}")?,
                Test::Differs(value) => write!(f, "{key}!={value}")?,
                Test::In(values) => write!(f, "{key} in ({})", list(values))?,
                Test::NotIn(values) => write!(f, "{key} notin ({})", list(values))?,
                Test::Exists => f.write_str(key)?,
                Test::Absent => write!(f, "!{key}")?,
                Test::Above(bound) => write!(f, "{key}>{bound}")?,
                Test::Below(bound) => write!(f, "{key}<{bound}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Selector({self})")
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Token<'a> {
    /// A key, a value, or one of the words `in` and `notin`.
    Word(&'a str),
    /// `=`, `==`, `!=`, `!`, `(`, `)`, `,`, `<`, `>`.
    Sign(&'static str),
}

const NO_OR: &str = "requirements are joined by commas and must all hold; for `or` write two rules, or `a in (b,c)`";
const SIGNS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", "<", ">"];

fn tokens(text: &str) -> Result<Vec<Token<'_>>, Fault> {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
    let mut found = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let taken = match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            Some(sign) => {
                found.push(Token::Sign(sign));
                sign.len()
            }
            None => {
                let end = rest.find(|c| is_space(c) || "=!(),<>".contains(c)).unwrap_or(rest.len());
                let (word, _) = rest.split_at(end);
                found.push(Token::Word(word));
                end
            }
        };
        rest = rest.get(taken..).unwrap_or_default().trim_start_matches(is_space);
    }
    Ok(found)
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    next: usize,
    text: &'a str,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next).copied()
    }

    fn take(&mut self) -> Option<Token<'a>> {
        let token = self.peek();
        self.next += 1;
        token
    }

    fn unexpected(&self, found: Option<Token<'_>>, expected: &str) -> Fault {
        let found = match found {
            Some(Token::Word(text)) => format!("`{text}`"),
            Some(Token::Sign(text)) => format!("`{text}`"),
            None => "the end".to_owned(),
        };
        let fault = Fault::new(format!("`{}` is no label selector: found {found}, expected {expected}", self.text));
        let hint = if self.text.contains(['|', '&']) {
            NO_OR
        } else if self.text.contains(':') {
            "write `key=value`"
        } else {
            "for example: app=web,tier!=test,env in (a,b),!canary"
        };
        fault.hint(hint)
    }

    fn selector(&mut self) -> Result<Vec<Requirement>, Fault> {
        let mut requirements = Vec::new();
        if self.peek().is_none() {
            return Ok(requirements);
        }
        loop {
            requirements.push(self.requirement()?);
            match self.take() {
                None => return Ok(requirements),
                Some(Token::Sign(",")) => {}
                other => return Err(self.unexpected(other, "`,` or the end")),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, Fault> {
        let absent = self.peek() == Some(Token::Sign("!"));
        if absent {
            self.next += 1;
        }
        let key = match self.take() {
            Some(Token::Word(key)) => key,
            other => return Err(self.unexpected(other, "a label's name")),
        };
        check_key(key)?;
        let test = if absent {
            Test::Absent
        } else if matches!(self.peek(), None | Some(Token::Sign(","))) {
            Test::Exists
        } else {
            self.comparison()?
        };
        Ok(Requirement { key: key.into(), test })
    }

    fn comparison(&mut self) -> Result<Test, Fault> {
        let operator = self.take();
        Ok(match operator {
            Some(Token::Sign("=" | "==")) => Test::Equals(self.value()?),
            Some(Token::Sign("!=")) => Test::Differs(self.value()?),
            Some(Token::Sign(">")) => Test::Above(self.bound()?),
            Some(Token::Sign("<")) => Test::Below(self.bound()?),
            Some(Token::Word("in")) => Test::In(self.values()?),
            Some(Token::Word("notin")) => Test::NotIn(self.values()?),
            other => return Err(self.unexpected(other, "one of = == != in notin < >")),
        })
    }

    /// One value; nothing before a comma or the end is the empty value.
    fn value(&mut self) -> Result<Box<str>, Fault> {
        if matches!(self.peek(), None | Some(Token::Sign(","))) {
            return Ok("".into());
        }
        match self.take() {
            Some(Token::Word(value)) => check_value(value),
            other => Err(self.unexpected(other, "a value")),
        }
    }

    fn bound(&mut self) -> Result<i64, Fault> {
        let value = self.value()?;
        value.parse().map_err(|_| {
            let fault = Fault::new(format!("`{}` is no label selector: `{value}` is no whole number", self.text));
            fault.hint("`<` and `>` compare whole numbers")
        })
    }

    /// `(a,b)`, in which nothing stands for the empty value.
    fn values(&mut self) -> Result<BTreeSet<Box<str>>, Fault> {
        match self.take() {
            Some(Token::Sign("(")) => {}
            other => {
                return Err(self
                    .unexpected(other, "`(`")
                    .hint("values of `in` and `notin` stand in brackets: a in (b,c)"));
            }
        }
        let mut values = BTreeSet::new();
        loop {
            let value = match self.peek() {
                Some(Token::Word(value)) => {
                    self.next += 1;
                    check_value(value)?
                }
                _ => "".into(),
            };
            values.insert(value);
            match self.take() {
                Some(Token::Sign(",")) => {}
                Some(Token::Sign(")")) => return Ok(values),
                other => return Err(self.unexpected(other, "`,` or `)`")),
            }
        }
    }
}

/// A label's name: an optional DNS subdomain and `/`, then at most 63 characters.
fn check_key(key: &str) -> Result<(), Fault> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let fault = |why: &str| Err(Fault::new(format!("`{key}` is no name of a label: {why}")));
    if let Some(prefix) = prefix
        && !is_subdomain(prefix)
    {
        return fault("before the `/` stands a DNS name in lower case, at most 253 characters");
    }
    if name.is_empty() || name.len() > 63 || !is_value(name) {
        let hint = if key.contains(':') { "write `key=value`" } else { "for example app.kubernetes.io/name" };
        return fault("1 to 63 letters, digits, `-`, `_` and `.`, the first and the last a letter or digit")
            .map_err(|fault| fault.hint(hint));
    }
    Ok(())
}

fn check_value(value: &str) -> Result<Box<str>, Fault> {
    if value.len() <= 63 && is_value(value) {
        return Ok(value.into());
    }
    let why = "at most 63 letters, digits, `-`, `_` and `.`, the first and the last a letter or digit";
    let fault = Fault::new(format!("`{value}` is no value of a label: {why}"));
    Err(fault.maybe_hint(value.contains(['|', '&']).then(|| NO_OR.to_owned())))
}

/// Empty, or letters, digits, `-`, `_`, `.` with a letter or digit at either end.
fn is_value(text: &str) -> bool {
    let is_end = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    is_end(bytes.first())
        && is_end(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

fn is_subdomain(text: &str) -> bool {
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        let is_end = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        is_end(bytes.first())
            && is_end(bytes.last())
            && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests;
