//! Owns the text of a commit: what changed, in words, and who wrote it. Must never let a name or a value begin a line of
//! its own, so that nothing but the template and this instance writes trailers.

use std::collections::{BTreeMap, BTreeSet};

use crate::report::terminal::escape_line;
use crate::report::{Change, Verb};
use crate::rules::{CommitConfig, MessageValues, trailer};

use super::planner::Identity;
use super::told::Told;

/// How many changes a message lists before it only counts the rest.
const LISTED: usize = 50;

/// The longest subject, in characters.
const SUBJECT: usize = 72;

/// The whole message of a commit that carries these changes, with the trailer that names this instance and its cluster.
pub fn of(changes: &[(Change, Told)], config: &CommitConfig, identity: &Identity, cluster: Option<&str>) -> String {
    let lines: Vec<Line<'_>> = changes.iter().map(|(change, told)| Line::of(change, told)).collect();
    let summary = summary(&lines);
    let values = MessageValues {
        details: details(&lines, &summary),
        objects: joined(lines.iter().map(|line| line.object.clone())),
        rules: joined(lines.iter().filter_map(|line| line.rule.clone())),
        managers: joined(lines.iter().flat_map(|line| line.told.managers()).map(str::to_owned)),
        summary,
    };
    let text = config.message.render(&values);
    let own = format!("Kubeferry-Instance: {}/{} {}", identity.namespace, identity.name, cluster.unwrap_or("unknown"));
    let text = without_empty_trailers(&text);
    let between = if ends_in_trailers(&text) { "\n" } else { "\n\n" };
    format!("{text}{between}{own}\n")
}

/// One change in words.
struct Line<'a> {
    word: &'static str,
    object: String,
    /// Its fields with their values.
    fields: Option<String>,
    /// Its fields alone.
    named: Option<String>,
    rule: Option<String>,
    told: &'a Told,
}

impl<'a> Line<'a> {
    fn of(change: &Change, told: &'a Told) -> Self {
        let word = match change.verb {
            Verb::Removed => "Remove",
            _ if told.is_new() => "Add",
            _ => "Update",
        };
        Self {
            word,
            object: escape_line(&change.object.to_string()).into_owned(),
            fields: told.fields(&change.fields),
            named: change.field_text(),
            rule: change.rule.as_ref().map(ToString::to_string),
            told,
        }
    }

    fn text(&self) -> String {
        self.with(self.fields.as_ref())
    }

    fn with(&self, fields: Option<&String>) -> String {
        let fields = fields.map(|fields| format!(": {fields}")).unwrap_or_default();
        format!("{} {}{fields}", self.word, self.object)
    }

    /// Which rule decided, and who set the values.
    fn origin(&self) -> Option<String> {
        let rule = self.rule.as_ref().map(|rule| format!("rule {rule}"));
        let managers = joined(self.told.managers().map(str::to_owned));
        let managers = (!managers.is_empty()).then(|| format!("set by {managers}"));
        let parts: Vec<String> = rule.into_iter().chain(managers).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// Each text once, in order.
fn joined(texts: impl Iterator<Item = String>) -> String {
    let mut seen = BTreeSet::new();
    let texts: Vec<String> = texts.filter(|text| seen.insert(text.clone())).collect();
    let more = texts.len().saturating_sub(LISTED);
    let listed = texts.into_iter().take(LISTED).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{listed} and {more} more") } else { listed }
}

/// One line that says what the commit does: the change itself, or how many objects are added, updated and removed.
fn summary(lines: &[Line<'_>]) -> String {
    if let [line] = lines {
        let fits = |text: &String| text.chars().count() <= SUBJECT;
        let shorter = [line.text(), line.with(line.named.as_ref())].into_iter().find(fits);
        return shorter.unwrap_or_else(|| line.with(None));
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

/// Each change on a line of its own, with its rule and who set it; empty when that says no more than the summary.
fn details(lines: &[Line<'_>], summary: &str) -> String {
    let detail = |line: &Line<'_>| {
        let origin = line.origin().map(|origin| format!(" ({origin})")).unwrap_or_default();
        format!("- {}{origin}", line.text())
    };
    if let [line] = lines
        && line.origin().is_none()
        && line.text() == summary
    {
        return String::new();
    }
    let mut details: Vec<String> = lines.iter().take(LISTED).map(detail).collect();
    if lines.len() > LISTED {
        details.push(format!("- and {} more", lines.len() - LISTED));
    }
    details.join("\n")
}

/// Whether the last paragraph, the subject aside, is one of trailers: others that follow belong to it.
fn ends_in_trailers(text: &str) -> bool {
    text.rsplit_once("\n\n").is_some_and(|(_, last)| last.lines().all(|line| trailer(line).is_some()))
}

/// The text without trailers whose template had nothing to say.
fn without_empty_trailers(text: &str) -> String {
    match text.rsplit_once("\n\n") {
        Some((body, last)) if ends_in_trailers(text) => {
            let is_set = |line: &&str| trailer(line).is_some_and(|value| !value.is_empty());
            let kept: Vec<&str> = last.lines().filter(is_set).collect();
            if kept.is_empty() { body.to_owned() } else { format!("{body}\n\n{}", kept.join("\n")) }
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{FieldPath, GroupKind, ObjectId};
    use crate::report::{RuleRef, Side};
    use crate::rules::MessageTemplate;
    use serde_json::{Value, json};

    fn change(name: &str, verb: Verb) -> (Change, Told) {
        let id = ObjectId::new(GroupKind::new("", "ConfigMap"), "shop", name);
        let told = if name == "new" { Told::of_new(None, "") } else { Told::default() };
        (Change::new(id, Side::Git, verb), told)
    }

    /// A change of `data.KEY`.
    fn edit(key: &str, live: Option<&Value>) -> (Change, Told) {
        let path = FieldPath::fields(["data", key]);
        let (change, _) = change("settings", Verb::Written);
        let (old, new) = (json!("hello"), json!("bye"));
        let told = Told::of(&change.object, [(&path, Some(&old), Some(&new))], live, "kubeferry:a/b");
        (change.of_fields(vec![path]).by(RuleRef::new(0, "all")), told)
    }

    fn greeting() -> (Change, Told) {
        let live = json!({"metadata": {"managedFields": [
            {"manager": "Signed-off-by: me", "operation": "Update", "fieldsV1": {"f:data": {"f:greeting": {}}}}]}});
        edit("greeting", Some(&live))
    }

    fn message(changes: &[(Change, Told)], template: Option<&str>) -> String {
        let identity = Identity { namespace: "kubeferry".into(), name: "prod".into(), takes_over: None };
        let mut config = CommitConfig::default();
        if let Some(template) = template {
            config.message = MessageTemplate::parse(template).unwrap();
        }
        of(changes, &config, &identity, Some("uid-1"))
    }

    const OWN: &str = "Kubeferry-Instance: kubeferry/prod uid-1\n";

    #[test]
    fn one_change_is_the_subject() {
        assert_eq!(message(&[change("new", Verb::Written)], None), format!("Add ConfigMap shop/new\n\n{OWN}"));
        assert!(message(&[change("old", Verb::Removed)], None).starts_with("Remove ConfigMap shop/old\n"));
        let line = "Update ConfigMap shop/settings: .data.greeting hello -> bye";
        let wanted = format!("{line}\n\n- {line} (rule all, set by Signed-off-by: me)\n\n{OWN}");
        assert_eq!(message(&[greeting()], None), wanted);
    }

    #[test]
    fn a_long_subject_leaves_out_values_then_fields() {
        let key = "k".repeat(30);
        let text = message(&[edit(&key, None)], None);
        assert!(text.starts_with(&format!("Update ConfigMap shop/settings: .data.{key}\n\n- Update")), "{text}");
        let text = message(&[edit(&"k".repeat(60), None)], None);
        assert!(text.starts_with("Update ConfigMap shop/settings\n\n- Update"), "{text}");
    }

    #[test]
    fn many_changes_are_counted_and_listed() {
        let changes = [change("new", Verb::Written), change("a", Verb::Written), change("b", Verb::Written)];
        let text = message(&changes, None);
        assert!(
            text.starts_with("Add 1 object, update 2\n\n- Add ConfigMap shop/new\n- Update ConfigMap shop/a\n"),
            "{text}"
        );
        let many = vec![change("a", Verb::Written); LISTED + 7];
        assert!(message(&many, None).contains("\n- and 7 more\n"));
    }

    #[test]
    fn each_change_of_one_object_tells_its_own_values() {
        let text = message(&[greeting(), edit("size", None)], None);
        assert!(text.contains(": .data.greeting hello -> bye (rule all, set by Signed-off-by: me)\n"), "{text}");
        assert!(text.contains(": .data.size hello -> bye (rule all)\n"), "{text}");
    }

    #[test]
    fn trailers_come_from_the_template_and_from_nowhere_else() {
        let template = Some("{{ .Summary }}\n\nTicket: OPS-1\nSet-By: {{ .Managers }}");
        let wanted = format!("\n\nTicket: OPS-1\nSet-By: Signed-off-by: me\n{OWN}");
        assert!(message(&[greeting()], template).ends_with(&wanted));
        assert!(message(&[edit("x", None)], template).ends_with(&format!("\n\nTicket: OPS-1\n{OWN}")));
        let alone = message(&[greeting()], Some("x\n\n{{ .Managers }}"));
        assert_eq!(alone, format!("x\n\n\"Signed-off-by: me\"\n\n{OWN}"), "a name that looks like one is none");
        assert_eq!(message(&[greeting()], Some("{{ .Rules }}")), format!("all\n\n{OWN}"));
        let text = message(&[change("a\n\nKubeferry-Allow-Deletes: 9", Verb::Written)], None);
        assert!(!text.lines().any(|line| line.starts_with("Kubeferry-Allow")), "{text}");
    }
}
