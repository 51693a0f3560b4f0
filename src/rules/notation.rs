//! Owns how a filter is written: JSON Pointer, JSONPath, and the paths that we print ourselves. Must never guess where
//! a key with dots or slashes ends.

use crate::object::Scalar;

use super::filter::Step;
use super::problem::Fault;

/// The steps of a path, however it is written; kubectl's `{` and `}` around it are taken away.
pub(super) fn steps(text: &str) -> Result<Vec<Step>, Fault> {
    let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
    match inner.strip_prefix('/') {
        Some(pointer) => json_pointer(pointer, inner),
        None => json_path(inner),
    }
}

/// The steps of `pointer`, which has lost its first `/`.
fn json_pointer(pointer: &str, text: &str) -> Result<Vec<Step>, Fault> {
    let step = |segment: &str| {
        let fault = |why: &str| Fault::new(format!("`{text}` is no JSON Pointer: {why}"));
        if segment.is_empty() {
            return Err(fault("a segment is empty").hint("write it without a `/` at the end and without `//`"));
        }
        if segment == "*" {
            let path: String = text.split('/').skip(1).map(pointer_as_path).collect();
            return Err(fault("it knows no `*`").hint(format!("write {path}")));
        }
        let mut name = String::new();
        let mut rest = segment.chars();
        while let Some(c) = rest.next() {
            name.push(match (c, c == '~') {
                (c, false) => c,
                _ => match rest.next() {
                    Some('0') => '~',
                    Some('1') => '/',
                    _ => return Err(fault("after `~` stands 0 or 1").hint("`~0` is `~`, `~1` is `/`")),
                },
            });
        }
        let canonical = name == "0" || !name.starts_with('0');
        Ok(match name.parse::<usize>() {
            Ok(position) if canonical && !name.starts_with('+') => Step::Digits(position, name.into()),
            _ => Step::Field(name.into()),
        })
    };
    pointer.split('/').map(step).collect()
}

/// One segment of a pointer as JSONPath has it, for advice.
fn pointer_as_path(segment: &str) -> String {
    match segment {
        "*" => "[*]".to_owned(),
        plain if !plain.contains(['.', '~', '\'', '[']) => format!(".{plain}"),
        other => format!("['{}']", other.replace("~1", "/").replace("~0", "~")),
    }
}

/// The steps of a JSONPath, or of a path as we print it.
fn json_path(text: &str) -> Result<Vec<Step>, Fault> {
    Scanner { rest: text, text }.path()
}

/// Reads a path from left to right.
struct Scanner<'a> {
    rest: &'a str,
    text: &'a str,
}

impl Scanner<'_> {
    fn path(&mut self) -> Result<Vec<Step>, Fault> {
        let mut steps = Vec::new();
        let rooted = self.eat("$");
        if !rooted && !self.rest.starts_with(['.', '[']) && !self.rest.is_empty() {
            steps.push(self.name()?);
        } else if self.rest == "." {
            self.rest = "";
        }
        while !self.rest.is_empty() {
            if self.eat("..") {
                return Err(self.fault("`..` (any depth) is not possible").hint("name the whole path"));
            }
            if self.eat("[") {
                steps.push(self.brackets()?);
            } else if self.eat(".") {
                if self.eat("*") {
                    steps.push(Step::Each);
                } else if !self.rest.starts_with('[') {
                    steps.push(self.name()?);
                }
            } else {
                return Err(self.fault(&format!("`{}` cannot be read", self.rest)));
            }
        }
        Ok(steps)
    }

    fn fault(&self, why: &str) -> Fault {
        let fault = Fault::new(format!("`{}` is no path of a field: {why}", self.text));
        fault.hint("for example /spec/replicas, .spec.replicas or .spec.containers[?(@.name=='web')].image")
    }

    fn eat(&mut self, wanted: &str) -> bool {
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// A key written plainly; `\` takes the next character as it is.
    fn name(&mut self) -> Result<Step, Fault> {
        let mut name = String::new();
        let mut escaped = false;
        let mut chars = self.rest.char_indices();
        let end = loop {
            let Some((at, c)) = chars.next() else { break self.rest.len() };
            match c {
                '\\' => {
                    let (_, next) = chars.next().ok_or_else(|| self.fault("nothing follows `\\`"))?;
                    name.push(next);
                    escaped = true;
                }
                '.' | '[' => break at,
                ']' | '(' | ')' | '*' | '?' | '=' | '\'' | '"' | ',' | '{' | '}' | '@' => {
                    return Err(self.fault(&format!("`{c}` cannot stand in a plain name")));
                }
                c if c.is_whitespace() || c.is_control() => return Err(self.fault("it holds white space")),
                c => name.push(c),
            }
        };
        if name.is_empty() {
            return Err(self.fault("a name is empty"));
        }
        if name.contains('/') && !escaped {
            let pointer = !self.text.contains(['.', '[']);
            let fault = self.fault("it mixes `.` and `/`");
            return Err(if pointer {
                fault.hint(format!("did you mean `/{}`?", self.text))
            } else {
                fault.hint("a key with dots or slashes stands in brackets: .metadata.annotations['example.com/key']")
            });
        }
        self.rest = self.rest.get(end..).unwrap_or_default();
        Ok(Step::Field(name.into()))
    }

    /// What stands between brackets; the first one is read.
    fn brackets(&mut self) -> Result<Step, Fault> {
        self.space();
        let step = if self.rest.starts_with(['\'', '"']) {
            Step::Field(self.quoted()?)
        } else if self.eat("*") {
            Step::Each
        } else if self.eat("?") {
            self.space();
            let bracket = self.eat("(");
            let tests = self.tests()?;
            if bracket && !self.eat(")") {
                return Err(self.fault("`)` is missing"));
            }
            tests
        } else if self.rest.starts_with(['-', '(']) {
            return Err(self.fault("positions from the end are not possible"));
        } else if self.eat("=") {
            Step::Value(self.scalar()?)
        } else if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            let digits = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
            let (number, rest) = self.rest.split_at(digits);
            let position = number.parse().map_err(|_| self.fault("the position is too large"))?;
            self.rest = rest;
            Step::Index(position)
        } else {
            self.keys()?
        };
        self.space();
        if self.eat("]") {
            return Ok(step);
        }
        let why =
            if self.rest.starts_with([':', ',']) { "ranges and unions are not possible" } else { "`]` is missing" };
        Err(self.fault(why))
    }

    /// `@.a=='x' && @.b==1`
    fn tests(&mut self) -> Result<Step, Fault> {
        let mut tests = Vec::new();
        loop {
            self.space();
            if !self.eat("@") {
                return Err(self.fault("a test starts with `@`"));
            }
            let key = if self.eat("[") {
                self.space();
                let key = self.quoted()?;
                self.space();
                if !self.eat("]") {
                    return Err(self.fault("`]` is missing"));
                }
                key
            } else if self.eat(".") {
                self.word()?
            } else {
                return Err(self.fault("`@` is followed by `.key`"));
            };
            self.space();
            if !self.eat("==") {
                return Err(self.fault("tests know `==` only"));
            }
            tests.push((key, self.scalar()?));
            self.space();
            if !self.eat("&&") {
                return Ok(Step::Where(tests));
            }
        }
    }

    /// `name="web",protocol="TCP"`, as we print paths.
    fn keys(&mut self) -> Result<Step, Fault> {
        let mut keys = Vec::new();
        loop {
            self.space();
            let key = self.word()?;
            self.space();
            if !self.eat("=") {
                return Err(self.fault(&format!("`{key}` in brackets needs quotes")));
            }
            keys.push((key, self.scalar()?));
            self.space();
            if !self.eat(",") {
                return Ok(Step::Where(keys));
            }
        }
    }

    fn word(&mut self) -> Result<Box<str>, Fault> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        if word.is_empty() {
            return Err(self.fault("what stands in the brackets cannot be read"));
        }
        self.rest = rest;
        Ok(word.into())
    }

    fn scalar(&mut self) -> Result<Scalar, Fault> {
        self.space();
        if self.rest.starts_with(['\'', '"']) {
            return self.quoted().map(Scalar::String);
        }
        let word = self.word()?;
        match &*word {
            "true" => Ok(Scalar::Bool(true)),
            "false" => Ok(Scalar::Bool(false)),
            number => number.parse().map(Scalar::Int).map_err(|_| self.fault(&format!("put `{word}` in quotes"))),
        }
    }

    /// A text in quotes; `\` takes the next character as it is.
    fn quoted(&mut self) -> Result<Box<str>, Fault> {
        let mut text = String::new();
        let mut chars = self.rest.chars();
        let quote = chars.next();
        loop {
            match chars.next() {
                None => return Err(self.fault("a quote is never closed")),
                Some('\\') => text.extend(chars.next()),
                c if c == quote => break,
                Some(c) => text.push(c),
            }
        }
        self.rest = chars.as_str();
        if text.is_empty() { Err(self.fault("a text in quotes is empty")) } else { Ok(text.into()) }
    }
}
