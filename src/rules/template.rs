//! Owns how a template is split, and the one for commit messages. Must never know what an object is.

use super::expression::{Expression, Source, Vocabulary};
use super::problem::Fault;

/// What commits say unless the file says otherwise.
const DEFAULT_MESSAGE: &str = "{{ .Summary }}\n\n{{ .Details }}";

const MESSAGE: Vocabulary =
    Vocabulary { fields: &[".Summary", ".Details", ".Objects", ".Rules", ".Managers"], maps: &[] };

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

    /// The message. A line that a value would begin and that looks like a trailer is put in quotes: only the template writes
    /// trailers.
    pub fn render(&self, values: &MessageValues) -> String {
        let value = |source: &Source| match source {
            Source::Field(".Details") => values.details.as_str(),
            Source::Field(".Objects") => &values.objects,
            Source::Field(".Rules") => &values.rules,
            Source::Field(".Managers") => &values.managers,
            _ => &values.summary,
        };
        let mut message = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => message.push_str(text),
                Part::Value(expression) => {
                    for line in expression.evaluate(&value).split_inclusive('\n') {
                        let begins = message.is_empty() || message.ends_with('\n');
                        let (text, end) = line.strip_suffix('\n').map_or((line, ""), |text| (text, "\n"));
                        let posing = begins && trailer(text).is_some();
                        message.push_str(&if posing { format!("\"{text}\"{end}") } else { line.to_owned() });
                    }
                }
            }
        }
        let message = message.trim();
        if message.is_empty() { values.summary.clone() } else { message.to_owned() }
    }
}

/// What the fields of a message stand for; each on one line, `details` aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageValues {
    /// What changed, in a few words.
    pub summary: String,
    /// Each object on a line of its own; may be empty.
    pub details: String,
    /// The objects.
    pub objects: String,
    /// The rules that decided.
    pub rules: String,
    /// Who set the values.
    pub managers: String,
}

/// The value of a trailer (`Token: value`); `None` for any other line.
pub fn trailer(line: &str) -> Option<&str> {
    let (token, value) = line.split_once(':')?;
    let token = token.trim_end_matches([' ', '\t']);
    let fits = !token.is_empty() && token.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    fits.then(|| value.trim())
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
        let render = |template: &MessageTemplate, details: &str| {
            let (summary, details) = ("update web".to_owned(), details.to_owned());
            template.render(&MessageValues { summary, details, ..MessageValues::default() })
        };
        assert_eq!(render(&MessageTemplate::default(), "- a\n- b"), "update web\n\n- a\n- b");
        assert_eq!(render(&MessageTemplate::default(), ""), "update web");
        let own = MessageTemplate::parse("[sync] {{ .Summary }}").unwrap();
        assert_eq!(render(&own, "x"), "[sync] update web");
        assert_eq!(render(&MessageTemplate::parse("{{ .Details }}").unwrap(), ""), "update web");
        let cut = MessageTemplate::parse("x\n\n{{ .Details | replace \"- \" \"\" }}").unwrap();
        assert_eq!(render(&cut, "- Allow: 1\n- B: 2"), "x\n\n\"Allow: 1\"\n\"B: 2\"");
        assert!(MessageTemplate::parse(" \n").is_err() && MessageTemplate::parse("{{ .Name }}").is_err());
    }

    #[test]
    fn trailers_are_told_from_text() {
        assert_eq!(trailer("Signed-off-by : me"), Some("me"));
        for text in ["Update web: .spec", "- Token: x", "no", ": x"] {
            assert_eq!(trailer(text), None, "{text}");
        }
    }
}
