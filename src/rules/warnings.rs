//! Owns what is suspicious in rules that are right: rules that can never win, names that stand twice. Must never warn
//! of what may be meant: a rule is called useless only when an earlier one surely covers all of it.

use std::collections::HashMap;

use super::field::Field;
use super::position::Step;
use super::problem::Fault;
use super::reader::Report;
use super::rule::{Rule, Selection};
use super::target::Target;

/// Rules that are compared with each other; the time grows with the square, and a file of 1 MiB holds many thousand.
const COMPARED: usize = 1000;

/// Adds the warnings about a whole set of rules.
pub(super) fn warn(rules: &[Rule], report: &mut Report) {
    warn_of_shared_targets(rules, report);
    let mut names: HashMap<&str, usize> = HashMap::new();
    for (position, rule) in rules.iter().enumerate().take(COMPARED) {
        let path = [Step::key("rules"), Step::Item(position)];
        if let Some(first) = names.insert(&rule.name, position + 1) {
            let fault = Fault::new(format!("the name `{}` stands here a second time", rule.name));
            let named = [path.as_slice(), &[Step::key("name")]].concat();
            report.warn(
                &named,
                fault.hint(format!("rule {first} has it too: status and metrics would not tell them apart")),
            );
        }
        let earlier = rules.get(..position).unwrap_or_default();
        if let Some(winner) = earlier.iter().find(|earlier| covers(earlier, rule)) {
            let fault = Fault::new(format!("rule {} can never win: rule {} covers all of it", rule.name, winner.name));
            report.warn(&path, fault.hint(format!("put it before rule {}", winner.name)));
        }
    }
}

/// Warns of two rules that write to one place of one file, whatever they select.
fn warn_of_shared_targets(rules: &[Rule], report: &mut Report) {
    let mut seen: Vec<(&Rule, &Target)> = Vec::new();
    for rule in rules {
        for field in &rule.fields {
            let Some(to) = field.to.as_ref().filter(|to| !to.tells_names_apart()) else { continue };
            if let Some((first, _)) = seen.iter().find(|(first, twin)| first.index != rule.index && *twin == to) {
                let path = [Step::key("rules"), Step::Item(rule.index), Step::key("fields")];
                let fault = Fault::new(format!("rule {} writes to `{to}` too", first.name));
                report.warn(&path, fault.hint("one would overwrite the other: give each its own place"));
            } else if seen.len() < COMPARED {
                seen.push((rule, to));
            }
        }
    }
}

/// Whether the earlier rule decides every field of every object that the later one selects.
fn covers(earlier: &Rule, later: &Rule) -> bool {
    let covered = |field: &Field| earlier.fields.iter().any(|wider| wider.filter.covers(&field.filter));
    let fields = earlier.fields.is_empty() || !later.fields.is_empty() && later.fields.iter().all(covered);
    // Labels are read on the source's side, so those of two directions are not comparable.
    let same_side = earlier.sync_to == later.sync_to;
    fields && selects_all_of(&earlier.selection, &later.selection, same_side)
}

fn selects_all_of(wide: &Selection, narrow: &Selection, same_side: bool) -> bool {
    let entries = |wide: &[String], narrow: &[String], same: fn(&str, &str) -> bool| {
        wide.is_empty()
            || wide.iter().any(|entry| entry == "*")
            || !narrow.is_empty() && narrow.iter().all(|entry| wide.iter().any(|wider| same(wider, entry)))
    };
    let globs = |wide: &[super::Glob], narrow: &[super::Glob]| {
        wide.is_empty() || !narrow.is_empty() && narrow.iter().all(|glob| wide.iter().any(|wider| wider.covers(glob)))
    };
    let labels = match (&wide.labels, &narrow.labels) {
        (None, _) => true,
        (Some(wide), Some(narrow)) => same_side && wide.covers(narrow),
        (Some(_), None) => false,
    };
    let excluded = match (&wide.exclude_labels, &narrow.exclude_labels) {
        (None, _) => true,
        (Some(wide), Some(narrow)) => same_side && wide == narrow,
        (Some(_), None) => false,
    };
    let namespace_labels = match (&wide.namespace_labels, &narrow.namespace_labels) {
        (None, _) => true,
        (Some(wide), Some(narrow)) => wide.covers(narrow),
        (Some(_), None) => false,
    };
    entries(&wide.api_groups, &narrow.api_groups, |wide, narrow| wide == narrow)
        && entries(&wide.resources, &narrow.resources, |wide, narrow| wide.eq_ignore_ascii_case(narrow))
        && globs(&wide.namespaces, &narrow.namespaces)
        && globs(&wide.names, &narrow.names)
        && namespace_labels
        && labels
        && excluded
}

#[cfg(test)]
mod tests {
    use crate::rules::load;

    /// The warnings of two rules, without the one about `gitUrl`.
    fn warnings(first: &str, second: &str) -> Vec<String> {
        let text = format!("gitUrl: git@host:x\nrules:\n- {{{first}}}\n- {{{second}}}\n");
        let loaded = load(&text, "f").unwrap_or_else(|problems| panic!("{problems}"));
        loaded.warnings.into_iter().map(|warning| format!("{}: {}", warning.line, warning.message)).collect()
    }

    #[test]
    fn a_rule_behind_one_that_covers_it_can_never_win() {
        for (first, second) in [
            ("syncTo: kubernetes", "syncTo: git"),
            ("syncTo: kubernetes", "syncTo: git, filters: [/spec/replicas]"),
            ("apiGroups: ['*'], syncTo: git", "apiGroups: [apps], resources: [Deployments], syncTo: git"),
            ("resources: [deployments], syncTo: git", "resources: [Deployments], names: [a], syncTo: kubernetes"),
            ("namespaces: ['a-*'], syncTo: git", "namespaces: [a-b, a-c], syncTo: git"),
            ("labels: a=b, syncTo: git", "labels: 'a=b,c=d', syncTo: git"),
            ("suspend: true, syncTo: git", "syncTo: git"),
            ("filters: [/spec], syncTo: git", "filters: [/spec/replicas, .spec.template], syncTo: git"),
        ] {
            assert_eq!(
                warnings(first, second),
                ["4: rule rule-2 can never win: rule rule-1 covers all of it"],
                "{first}"
            );
        }
    }

    #[test]
    fn a_rule_that_may_win_is_not_warned_of() {
        for (first, second) in [
            ("filters: [/spec/replicas], syncTo: git", "syncTo: kubernetes"),
            ("filters: [/spec/replicas], syncTo: git", "filters: [/spec], syncTo: kubernetes"),
            ("labels: a=b, syncTo: git", "syncTo: git"),
            ("labels: a=b, syncTo: git", "labels: a=b, syncTo: kubernetes"),
            ("excludeLabels: a, syncTo: git", "syncTo: git"),
            ("namespaces: ['*'], syncTo: git", "syncTo: git"),
            ("resources: [deployments], syncTo: git", "resources: [deployments, services], syncTo: git"),
            ("apiGroups: [apps], syncTo: git", "resources: [deployments], syncTo: git"),
            ("namespaceLabels: a=b, syncTo: git", "namespaces: [a], syncTo: git"),
        ] {
            assert_eq!(warnings(first, second), [] as [&str; 0], "{first} | {second}");
        }
    }

    #[test]
    fn two_rules_that_write_to_one_place_are_warned_of() {
        let rule =
            |name: &str, to: &str| format!("names: [{name}], syncTo: git, fields: [{{path: /spec/x, to: '{to}'}}]");
        let found = warnings(&rule("a", "v.yaml#/x"), &rule("b", "v.yaml#.x"));
        assert_eq!(found, ["4: rule rule-1 writes to `v.yaml#.x` too"]);
        assert_eq!(warnings(&rule("a", "v.yaml#/x"), &rule("b", "v.yaml#/y")), [] as [&str; 0]);
        let named = "v.yaml#/{{ .Name }}";
        assert_eq!(warnings(&rule("a", named), &rule("b", named)), [] as [&str; 0]);
        assert_eq!(warnings(&rule("a", "/data/x"), &rule("b", "/data/x")), [] as [&str; 0]);
    }

    #[test]
    fn names_that_stand_twice_are_warned_of() {
        let found = warnings("name: a, names: [x], syncTo: git", "name: a, names: [y], syncTo: git");
        assert_eq!(found, ["4: the name `a` stands here a second time"]);
    }

    #[test]
    fn keys_without_effect_are_warned_of() {
        let found =
            warnings("prune: never, filters: [/spec], syncTo: git", "path: 'x/{{ .Name }}.yaml', syncTo: kubernetes");
        assert_eq!(
            found,
            [
                "3: `prune` has no effect: a rule with filters never creates or deletes",
                "4: `path` has no effect: a rule with `syncTo: kubernetes` writes no manifests"
            ]
        );
    }
}
