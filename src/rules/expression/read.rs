//! Owns what may stand between `{{` and `}}`, as Go's templates write it. Must never guess what a name means.

use super::super::problem::{Fault, nearest};
use super::{Expression, Function, Operand, Source, Vocabulary};

/// Deepest nesting of parentheses.
const DEPTH: usize = 8;
const FUNCTIONS: &str = "lower, upper, default \"x\", replace \"/\" \"-\" and trunc 63";

impl Expression {
    /// Reads what follows `{{`: the expression, and the text behind its `}}`.
    pub(in super::super) fn read<'t>(text: &'t str, known: &Vocabulary) -> Result<(Self, &'t str), Fault> {
        let mut scanner = Scanner { rest: text, known, depth: 0 };
        scanner.space();
        if scanner.rest.starts_with("}}") {
            let fields = Fault::new("`{{ }}` names no field").hint(format!("fields: {}", known.listed()));
            return Err(fields);
        }
        let expression = scanner.pipeline()?;
        scanner.space();
        match scanner.rest.strip_prefix("}}") {
            Some(behind) => Ok((expression, behind)),
            None if scanner.rest.contains("}}") => Err(scanner.unexpected()),
            None => Err(unclosed()),
        }
    }
}

impl Vocabulary {
    fn listed(&self) -> String {
        self.fields.iter().chain(self.maps).copied().collect::<Vec<_>>().join(" ")
    }

    /// The field or map that `name` is.
    fn find(&self, name: &str) -> Result<Named, Fault> {
        if let Some(field) = self.fields.iter().find(|field| **field == name) {
            return Ok(Named::Field(field));
        }
        if let Some(map) = self.maps.iter().find(|map| **map == name) {
            return Ok(Named::Map(map));
        }
        let dotted = format!(".{}", name.trim_start_matches('.'));
        let hint = match nearest(&dotted, self.fields.iter().chain(self.maps).copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("fields: {}", self.listed()),
        };
        Err(Fault::new(format!("`{name}` is no field of this template")).hint(hint))
    }
}

enum Named {
    Field(&'static str),
    Map(&'static str),
}

fn unclosed() -> Fault {
    Fault::new("`{{` is never closed").hint("write `{{ .Name }}`")
}

/// Reads an expression from left to right.
struct Scanner<'t, 'v> {
    rest: &'t str,
    known: &'v Vocabulary,
    depth: usize,
}

impl<'t> Scanner<'t, '_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, wanted: char) -> bool {
        self.space();
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn unexpected(&self) -> Fault {
        let inside = self.rest.split("}}").next().unwrap_or_default().trim();
        Fault::new(format!("`{inside}` cannot be read in a template")).hint("for example `{{ .Kind | lower }}`")
    }

    /// Whether the expression, or the part of it in parentheses, ends here.
    fn at_end(&mut self) -> bool {
        self.space();
        self.rest.is_empty() || self.rest.starts_with("}}") || self.rest.starts_with(['|', ')'])
    }

    /// `.Name | lower | default "x"`
    fn pipeline(&mut self) -> Result<Expression, Fault> {
        let mut expression = self.first()?;
        while self.eat('|') {
            self.space();
            let name = self.word();
            let function = self.function(name)?;
            if !self.at_end() {
                return Err(self.unexpected());
            }
            expression.functions.push(function);
        }
        Ok(expression)
    }

    /// `.Name`, or a function with its value: `lower .Name`, `index .Labels "app"`.
    fn first(&mut self) -> Result<Expression, Fault> {
        self.space();
        if !self.rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return self.value();
        }
        let name = self.word();
        if name == "index" {
            self.space();
            let written = self.dotted();
            let Named::Map(map) = self.known.find(written)? else {
                let fault = Fault::new(format!("`{written}` has no entries"));
                return Err(fault.hint(format!("index knows {}", self.known.maps.join(" and "))));
            };
            self.space();
            let key = self.quoted()?.ok_or_else(|| self.unexpected())?;
            return Ok(Operand::Source(Source::Entry(map, key)).into());
        }
        if self.at_end() {
            // A field that has lost its dot.
            self.known.find(name)?;
            return Err(self.unexpected());
        }
        let function = self.function(name)?;
        let mut expression = self.value()?;
        expression.functions.push(function);
        if self.at_end() { Ok(expression) } else { Err(self.unexpected()) }
    }

    /// The arguments of a function, without the value that it works on.
    fn function(&mut self, name: &str) -> Result<Function, Fault> {
        match name {
            "lower" => Ok(Function::Lower),
            "upper" => Ok(Function::Upper),
            "default" => Ok(Function::Default(Box::new(self.argument("default \"none\"")?))),
            "replace" => {
                let example = "replace \"/\" \"-\"";
                let from = self.literal(example)?;
                if from.is_empty() {
                    return Err(Fault::new("`replace` needs a text to look for").hint(format!("write {example}")));
                }
                Ok(Function::Replace(from, self.literal(example)?))
            }
            "trunc" => {
                let length = self.literal("trunc 63")?;
                match length.parse() {
                    Ok(length @ 1..) => Ok(Function::Truncate(length)),
                    _ => Err(Fault::new(format!("`trunc {length}` has no length")).hint("write `trunc 63`")),
                }
            }
            other => {
                let fault = Fault::new(format!("`{other}` is no function of templates"));
                Err(fault.hint(format!("the functions are {FUNCTIONS}, for example `{{{{ .Kind | lower }}}}`")))
            }
        }
    }

    fn argument(&mut self, example: &str) -> Result<Expression, Fault> {
        if self.at_end() {
            let name = example.split(' ').next().unwrap_or_default();
            return Err(Fault::new(format!("`{name}` lacks a value")).hint(format!("write {example}")));
        }
        self.value()
    }

    fn literal(&mut self, example: &str) -> Result<Box<str>, Fault> {
        match self.argument(example)? {
            Expression { operand: Operand::Text(text), functions } if functions.is_empty() => Ok(text),
            other => Err(Fault::new(format!("`{other}` is no fixed text")).hint(format!("write {example}"))),
        }
    }

    /// `.Name`, `.Labels.app`, `.Labels["x/y"]`, a text, a number, or an expression in parentheses.
    fn value(&mut self) -> Result<Expression, Fault> {
        if self.eat('(') {
            self.depth += 1;
            if self.depth > DEPTH {
                return Err(Fault::new("parentheses are nested too deeply"));
            }
            let inner = self.pipeline()?;
            self.depth -= 1;
            return if self.eat(')') { Ok(inner) } else { Err(Fault::new("`)` is missing in a template")) };
        }
        if let Some(text) = self.quoted()? {
            return Ok(Operand::Text(text).into());
        }
        if self.rest.starts_with('.') {
            return self.source().map(|source| Operand::Source(source).into());
        }
        let digits = self.rest.len() - self.rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = self.rest.split_at(digits);
        if number.is_empty() {
            return Err(self.unexpected());
        }
        self.rest = rest;
        Ok(Operand::Text(number.into()).into())
    }

    fn source(&mut self) -> Result<Source, Fault> {
        let written = self.dotted();
        let map = match self.known.find(written)? {
            Named::Field(name) => return Ok(Source::Field(name)),
            Named::Map(map) => map,
        };
        let example = format!("write `index {map} \"example.com/team\"`");
        if self.rest.starts_with('[') {
            self.rest = self.rest.get(1..).unwrap_or_default();
            let key = self.quoted()?;
            return match key {
                Some(key) if self.eat(']') => Ok(Source::Entry(map, key)),
                _ => Err(Fault::new(format!("the key of `{map}[` cannot be read")).hint(example)),
            };
        }
        let Some(behind) = self.rest.strip_prefix('.') else {
            return Err(Fault::new(format!("`{map}` is a map; say which entry")).hint(example));
        };
        let end = behind.find(|c: char| c.is_whitespace() || "|()}[".contains(c)).unwrap_or(behind.len());
        let (key, rest) = behind.split_at(end);
        if key.is_empty() || key.contains(['.', '/', '"', '\'']) {
            let fault = Fault::new(format!("`{map}.{key}`: a key with dots or slashes stands in quotes"));
            return Err(fault.hint(format!("write `index {map} \"{key}\"`")));
        }
        self.rest = rest;
        Ok(Source::Entry(map, key.into()))
    }

    /// A dot and a name.
    fn dotted(&mut self) -> &'t str {
        let dot = usize::from(self.rest.starts_with('.'));
        let name = self.rest.get(dot..).unwrap_or_default();
        let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
        let (written, rest) = self.rest.split_at(dot + end);
        self.rest = rest;
        written
    }

    fn word(&mut self) -> &'t str {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// A text in quotes, if one stands here; in double quotes `\` takes the next character as it is.
    fn quoted(&mut self) -> Result<Option<Box<str>>, Fault> {
        self.space();
        let mut chars = self.rest.chars();
        let Some(quote @ ('"' | '\'' | '`')) = chars.next() else { return Ok(None) };
        let mut text = String::new();
        loop {
            match chars.next() {
                None => return Err(Fault::new("a quote is never closed in a template")),
                Some('\\') if quote == '"' => text.extend(chars.next()),
                Some(c) if c == quote => break,
                Some(c) => text.push(c),
            }
        }
        self.rest = chars.as_str();
        Ok(Some(text.into()))
    }
}
