//! Owns the grammar of templates, and the one for commit messages. Must never know more functions than the two that
//! names need.

use super::problem::{Fault, nearest};

/// What commits say unless the file says otherwise.
const DEFAULT_MESSAGE: &str = "{{ .Summary }}\n\n{{ .Details }}";

const MESSAGE_FIELDS: [&str; 2] = [".Summary", ".Details"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(Box<str>),
    Field { name: &'static str, case: Option<Case> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Lower,
    Upper,
}

/// Splits a template into text and fields.
pub(super) fn parse(text: &str, fields: &[&'static str]) -> Result<Vec<Part>, Fault> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((inside, tail)) = after.split_once("}}") else {
            return Err(Fault::new("`{{` is never closed").hint("write `{{ .Name }}`"));
        };
        if !before.is_empty() {
            parts.push(Part::Text(before.into()));
        }
        parts.push(field(inside, fields)?);
        rest = tail;
    }
    if rest.contains("}}") {
        return Err(Fault::new("`}}` closes nothing").hint("write `{{ .Name }}`"));
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.into()));
    }
    Ok(parts)
}

/// `.Name`, `lower .Name` or `.Name | lower`.
fn field(inside: &str, fields: &[&'static str]) -> Result<Part, Fault> {
    let mut stages: Vec<Vec<&str>> = inside.split('|').map(|stage| stage.split_whitespace().collect()).collect();
    // `lower .Name` is `.Name | lower`.
    if let Some([function, name]) =
        stages.first().map(Vec::as_slice).and_then(|words| <[&str; 2]>::try_from(words).ok())
    {
        stages.splice(..1, [vec![name], vec![function]]);
    }
    let mut stages = stages.iter();
    let name = match stages.next().map(Vec::as_slice) {
        Some([name]) => known(name, fields)?,
        _ => {
            return Err(
                Fault::new(format!("`{{{{{inside}}}}}` names no field")).hint(format!("fields: {}", fields.join(" ")))
            );
        }
    };
    let mut case = None;
    for stage in stages {
        case = match stage.as_slice() {
            ["lower"] => Some(Case::Lower),
            ["upper"] => Some(Case::Upper),
            other => {
                let fault = Fault::new(format!("`{}` is no function of templates", other.join(" ")));
                return Err(fault.hint("the functions are lower and upper, for example `{{ .Kind | lower }}`"));
            }
        };
    }
    Ok(Part::Field { name, case })
}

fn known(name: &str, fields: &[&'static str]) -> Result<&'static str, Fault> {
    if let Some(field) = fields.iter().find(|field| **field == name) {
        return Ok(field);
    }
    let dotted = format!(".{}", name.trim_start_matches('.'));
    let hint = match nearest(&dotted, fields.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("fields: {}", fields.join(" ")),
    };
    Err(Fault::new(format!("`{name}` is no field of this template")).hint(hint))
}

pub(super) fn fill(value: &str, case: Option<Case>) -> String {
    match case {
        None => value.to_owned(),
        Some(Case::Lower) => value.to_lowercase(),
        Some(Case::Upper) => value.to_uppercase(),
    }
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
        parse(text, &MESSAGE_FIELDS).map(Self)
    }

    /// The message. `summary` is one line that says what changed; `details` names each object and may be empty.
    pub fn render(&self, summary: &str, details: &str) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.to_string(),
            Part::Field { name, case } => fill(if *name == ".Summary" { summary } else { details }, *case),
        };
        let message: String = self.0.iter().map(part).collect();
        let message = message.trim();
        if message.is_empty() { summary.to_owned() } else { message.to_owned() }
    }
}

impl Default for MessageTemplate {
    fn default() -> Self {
        Self(parse(DEFAULT_MESSAGE, &MESSAGE_FIELDS).unwrap_or_default())
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
