//! Owns the text of a commit: what changed, in words, and who wrote it. Must never hold a value of a field.

use std::collections::BTreeMap;

use crate::object::ObjectId;
use crate::report::{Change, Verb};
use crate::rules::CommitConfig;

use super::planner::Identity;

/// How many changes a message lists before it only counts the rest.
const LISTED: usize = 50;

/// The longest subject, in characters.
const SUBJECT: usize = 72;

/// The whole message of a commit that carries these changes, with the trailer that names this instance and its cluster.
/// `is_new` says whether a manifest did not exist before.
pub fn of(
    changes: &[Change],
    is_new: impl Fn(&ObjectId) -> bool,
    config: &CommitConfig,
    identity: &Identity,
    cluster: Option<&str>,
) -> String {
    let lines: Vec<Line<'_>> = changes.iter().map(|change| Line::of(change, is_new(&change.object))).collect();
    let summary = summary(&lines);
    let mut details: Vec<String> = Vec::new();
    if lines.len() > 1 || lines.first().is_some_and(|line| line.text() != summary) {
        details.extend(lines.iter().take(LISTED).map(|line| format!("- {}", line.text())));
        if lines.len() > LISTED {
            details.push(format!("- and {} more", lines.len() - LISTED));
        }
    }
    let text = config.message.render(&summary, &details.join("\n"));
    let cluster = cluster.unwrap_or("unknown");
    format!("{text}\n\nKubeferry-Instance: {}/{} {cluster}\n", identity.namespace, identity.name)
}

/// One change in words.
struct Line<'a> {
    word: &'static str,
    change: &'a Change,
}

impl<'a> Line<'a> {
    fn of(change: &'a Change, is_new: bool) -> Self {
        let word = match change.verb {
            Verb::Removed => "Remove",
            _ if is_new => "Add",
            _ => "Update",
        };
        Self { word, change }
    }

    fn text(&self) -> String {
        let fields = self.change.field_text().map(|fields| format!(": {fields}")).unwrap_or_default();
        format!("{} {}{fields}", self.word, self.change.object)
    }
}

/// One line that says what the commit does: the change itself, or how many objects are added, updated and removed.
fn summary(lines: &[Line<'_>]) -> String {
    if let [line] = lines {
        let text = line.text();
        let is_short = text.chars().count() <= SUBJECT;
        return if is_short { text } else { format!("{} {}", line.word, line.change.object) };
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    lines.iter().for_each(|line| *counts.entry(line.word).or_default() += 1);
    let parts: Vec<String> = counts
        .iter()
        .enumerate()
        .map(|(position, (word, count))| {
            let word = if position == 0 { (*word).to_owned() } else { word.to_lowercase() };
            let objects = if *count == 1 { "object" } else { "objects" };
            if position == 0 { format!("{word} {count} {objects}") } else { format!("{word} {count}") }
        })
        .collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{FieldPath, GroupKind};
    use crate::report::Side;

    fn change(name: &str, verb: Verb) -> Change {
        Change::new(ObjectId::new(GroupKind::new("", "ConfigMap"), "shop", name), Side::Git, verb)
    }

    fn message(changes: &[Change]) -> String {
        let identity = Identity { namespace: "kubeferry".into(), name: "prod".into(), takes_over: None };
        of(changes, |id| id.name() == "new", &CommitConfig::default(), &identity, Some("uid-1"))
    }

    #[test]
    fn one_change_is_the_subject() {
        let edit = change("settings", Verb::Written).of_fields(vec![FieldPath::fields(["data", "greeting"])]);
        assert_eq!(
            message(&[edit]),
            "Update ConfigMap shop/settings: .data.greeting\n\nKubeferry-Instance: kubeferry/prod uid-1\n"
        );
        assert!(message(&[change("new", Verb::Written)]).starts_with("Add ConfigMap shop/new\n"));
        assert!(message(&[change("old", Verb::Removed)]).starts_with("Remove ConfigMap shop/old\n"));
    }

    #[test]
    fn many_changes_are_counted_and_listed() {
        let text = message(&[change("new", Verb::Written), change("a", Verb::Written), change("b", Verb::Written)]);
        assert!(
            text.starts_with("Add 1 object, update 2\n\n- Add ConfigMap shop/new\n- Update ConfigMap shop/a\n"),
            "{text}"
        );
        let many = vec![change("a", Verb::Written); LISTED + 7];
        assert!(message(&many).contains("\n- and 7 more\n"));
    }
}
