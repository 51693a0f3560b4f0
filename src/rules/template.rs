//! Owns how a template is split, and the one for commit messages. Must never know what an object is.

use super::expression::{Expression, Source, Vocabulary};
use super::problem::Fault;

/// What commits say unless the file says otherwise.
const DEFAULT_MESSAGE: &str = "{{ .Summary }}\n\n{{ .Details }}";

const MESSAGE: Vocabulary = Vocabulary { fields: &[".Summary", ".Details"], maps: &[] };

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// As it is.
    Text(Box<str>),
    /// What stood between `{{` and `}}`.
    Value(Expression),
}

impl Part {
    /// The expression, if it is one.
    pub(super) fn value(&self) -> Option<&Expression> {
        match self {
            Self::Text(_) => None,
            Self::Value(expression) => Some(expression),
        }
    }
}

/// Splits a template into text and expressions.
pub(super) fn parse(text: &str, known: &Vocabulary) -> Result<Vec<Part>, Fault> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        if !before.is_empty() {
            parts.push(Part::Text(before.into()));
        }
        let (expression, behind) = Expression::read(after, known)?;
        parts.push(Part::Value(expression));
        rest = behind;
    }
    if rest.contains("}}") {
        return Err(Fault::new("`}}` closes nothing").hint("write `{{ .Name }}`"));
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.into()));
    }
    Ok(parts)
}

/// What a commit says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageTemplate(Vec<Part>);

impl MessageTemplate {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// When it is blank or names an unknown field.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text.trim().is_empty() {
            return Err(Fault::new("a commit needs a message").hint("leave the key out for the default"));
        }
        parse(text, &MESSAGE).map(Self)
    }

    /// The message. `summary` is one line that says what changed; `details` names each object and may be empty.
    pub fn render(&self, summary: &str, details: &str) -> String {
        let value = |source: &Source| if *source == Source::Field(".Summary") { summary } else { details };
        let part = |part: &Part| match part {
            Part::Text(text) => text.to_string(),
            Part::Value(expression) => expression.evaluate(&value),
        };
        let message: String = self.0.iter().map(part).collect();
        let message = message.trim();
        if message.is_empty() { summary.to_owned() } else { message.to_owned() }
    }
}

impl Default for MessageTemplate {
    fn default() -> Self {
        Self(parse(DEFAULT_MESSAGE, &MESSAGE).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commit_messages_are_filled_in() {
        assert_eq!(MessageTemplate::default().render("update web", "- a\n- b"), "update web\n\n- a\n- b");
        assert_eq!(MessageTemplate::default().render("update web", ""), "update web");
        let own = MessageTemplate::parse("[sync] {{ .Summary }}").unwrap();
        assert_eq!(own.render("update web", "x"), "[sync] update web");
        assert_eq!(MessageTemplate::parse("{{ .Details }}").unwrap().render("update web", ""), "update web");
        assert!(MessageTemplate::parse(" \n").is_err() && MessageTemplate::parse("{{ .Name }}").is_err());
    }
}
