//! Owns the text of a commit: what changed, in words, and who wrote it. Must never hold a value of a field.

use std::collections::BTreeMap;

use crate::report::{Change, Verb};
use crate::rules::CommitConfig;

use super::planner::Identity;

/// How many changes a message lists before it only counts the rest.
const LISTED: usize = 50;

/// The longest subject, in characters.
const SUBJECT: usize = 72;

/// The whole message of a commit that carries these changes, with the trailer that names this instance and its cluster.
pub fn of(changes: &[Change], config: &CommitConfig, identity: &Identity, cluster: Option<&str>) -> String {
    let summary = summary(changes);
    let mut details: Vec<String> = Vec::new();
    if changes.len() > 1 || changes.first().is_some_and(|change| line(change) != summary) {
        details.extend(changes.iter().take(LISTED).map(|change| format!("- {}", line(change))));
        if changes.len() > LISTED {
            details.push(format!("- and {} more", changes.len() - LISTED));
        }
    }
    let text = config.message.render(&summary, &details.join("\n"));
    let cluster = cluster.unwrap_or("unknown");
    format!("{text}\n\nKubeferry-Instance: {}/{} {cluster}\n", identity.namespace, identity.name)
}

/// One line that says what the commit does.
fn summary(changes: &[Change]) -> String {
    if let [change] = changes {
        let mut line = line(change);
        if line.chars().count() > SUBJECT {
            line = format!("{} {}", word(change.verb), change.object);
        }
        return line;
    }
    let mut kinds: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for change in changes {
        *kinds.entry((word(change.verb), change.object.kind().to_owned())).or_default() += 1;
    }
    let parts: Vec<String> = kinds
        .iter()
        .map(
            |((word, kind), count)| {
                if *count == 1 { format!("{word} a {kind}") } else { format!("{word} {count} {kind}s") }
            },
        )
        .collect();
    let text = parts.join(", ");
    if text.chars().count() <= SUBJECT { text } else { format!("Update {} objects from the cluster", changes.len()) }
}

fn line(change: &Change) -> String {
    let fields = change.field_text().map(|fields| format!(": {fields}")).unwrap_or_default();
    format!("{} {}{fields}", word(change.verb), change.object)
}

fn word(verb: Verb) -> &'static str {
    match verb {
        Verb::Removed => "Remove",
        Verb::Created => "Add",
        _ => "Update",
    }
}
