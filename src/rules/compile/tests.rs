use std::num::NonZeroU32;
use std::time::Duration;

use crate::rules::{Conflict, Direction, Format, GitEdits, Loaded, Rule, Strategy, Target, load};

fn loaded(rule: &str) -> Loaded {
    let text = format!("gitUrl: git@h:x\ngitPath: prod\nrules:\n- {{{rule}}}\n");
    load(&text, "f").unwrap_or_else(|problems| panic!("{problems}"))
}

fn rule(text: &str) -> Rule {
    loaded(text).rules.rules.remove(0)
}

fn warnings(rule: &str) -> Vec<String> {
    loaded(rule).warnings.into_iter().map(|warning| warning.message).collect()
}

fn errors(rule: &str) -> Vec<String> {
    let problems = load(&format!("gitUrl: git@h:x\nrules:\n- {{{rule}}}\n"), "f").unwrap_err();
    problems.0.into_iter().map(|problem| problem.message).collect()
}

#[test]
fn an_entry_of_fields_is_a_path_or_a_map() {
    let rule = rule(
        "syncTo: git, filters: [/spec], fields: [.spec.replicas, {path: '{.spec.paused}'}, \
         {path: /spec/image, transform: 'value + 1', to: 'v.yaml#/a'}]",
    );
    let shown: Vec<String> = rule.fields.iter().map(ToString::to_string).collect();
    assert_eq!(shown, [".spec.replicas", "{.spec.paused}", "/spec/image (transformed) -> v.yaml#/a", "/spec"]);
    assert!(matches!(&rule.fields[2].to, Some(Target::File { .. })));
    assert!(!rule.decides_existence());
}

#[test]
fn the_format_decides_over_the_default_path_and_over_existence() {
    for (text, format, path, decides) in [
        ("syncTo: git", Format::Yaml, "{{ .Namespace }}/{{ .Kind }}/{{ .Name }}.yaml", true),
        ("syncTo: git, format: json", Format::Json, "{{ .Namespace }}/{{ .Kind }}/{{ .Name }}.json", true),
        ("syncTo: git, path: '{{ .Name }}.json'", Format::Json, "{{ .Name }}.json", true),
        ("syncTo: git, format: patch", Format::Patch, "{{ .Namespace }}/{{ .Kind }}/{{ .Name }}.patch.yaml", false),
        (
            "syncTo: git, format: kustomize-patch, fields: [/spec/x], path: 'p/{{ .Name }}.yaml'",
            Format::KustomizePatch,
            "p/{{ .Name }}.yaml",
            false,
        ),
    ] {
        let rule = rule(text);
        assert_eq!((rule.format, rule.path.to_string().as_str()), (format, path), "{text}");
        assert_eq!(rule.decides_existence(), decides, "{text}");
        assert_eq!(warnings(text), [] as [&str; 0], "{text}");
    }
    assert_eq!(rule("syncTo: git, format: patch, strategy: replace").strategy, Some(Strategy::Replace));
}

#[test]
fn what_happens_when_sides_disagree_has_defaults() {
    let both = rule("syncTo: both");
    assert_eq!((both.sync_to, both.conflict, both.force_conflicts), (Direction::Both, Conflict::Hold, true));
    let git = rule("syncTo: git");
    assert_eq!((git.git_edits, git.restore, git.wait), (GitEdits::Overwrite, false, false));
    assert_eq!(rule("syncTo: both, conflict: latest").conflict, Conflict::Latest);
    assert_eq!(
        rule("syncTo: git, gitEdits: hold, fields: [{path: /spec/x, transform: value}]").git_edits,
        GitEdits::Hold
    );
    assert!(rule("syncTo: git, restore: true").restore && rule("syncTo: both, wait: true").wait);
    assert!(!rule("syncTo: both, forceConflicts: false").force_conflicts);
}

#[test]
fn what_means_nothing_together_is_an_error() {
    for (text, message) in [
        ("syncTo: kubernetes, format: patch", "`format: patch` says how the cluster's fields are written to Git"),
        ("syncTo: git, strategy: replace", "`strategy: replace` says how a patch is made"),
        ("syncTo: git, format: kustomize-patch, strategy: json-merge", "means nothing to kustomize"),
        ("syncTo: git, format: json, path: '{{ .Name }}.yaml'", "contradict each other"),
        ("syncTo: git, format: patch, path: '{{ .Name }}.json'", "is written as YAML"),
        ("syncTo: git, format: yml", "`yml` is none of yaml, json, patch, kustomize-patch"),
        ("syncTo: git, format: patch, strategy: merge", "`merge` is none of strategic-merge, json-merge, replace"),
        (
            "syncTo: kubernetes, fields: [{path: /spec/x, transform: value}]",
            "`transform` is about what is written to Git",
        ),
        ("syncTo: observe, fields: [{path: /spec/x, to: /spec/y}]", "`to` is about what is written to Git"),
        ("syncTo: git, fields: [{path: /spec, to: /spec/y}]", "lie in each other"),
        ("syncTo: git, fields: [{path: /spec/y/z, to: /spec/y}]", "lie in each other"),
        ("syncTo: git, fields: [{transform: value}]", "the entry has no `path`"),
        ("syncTo: git, fields: [12]", "an entry of `fields` is a path or a map, not 12"),
        ("syncTo: git, ignoreManagers: ['']", "`` names no field manager"),
    ] {
        let found = errors(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].contains(message), "{text}: {found:?}");
    }
}

#[test]
fn what_has_no_effect_is_warned_of() {
    for (text, found) in [
        (
            "syncTo: git, fields: [/spec, {path: /spec/x, to: /data/x}]",
            vec!["`/spec/x` can never decide: `/spec` before it covers it"],
        ),
        (
            "syncTo: git, names: [a], fields: [{path: /spec/x, to: 'v.yaml#/a'}, {path: /spec/y, to: 'v.yaml#.a'}]",
            vec!["`/spec/x` and `/spec/y` are both written to `v.yaml#.a`"],
        ),
        (
            "syncTo: git, fields: [{path: /spec/x, to: 'v.yaml#/a'}]",
            vec!["every object that the rule selects is written to `v.yaml#/a`"],
        ),
        ("syncTo: git, fields: [{path: /spec/x, to: 'v.yaml#/{{ .Name }}'}]", vec![]),
        ("syncTo: git, fields: [{path: /spec/x, to: 'a/{{ .Name }}.yaml#/x'}]", vec![]),
        (
            "syncTo: git, fields: [/spec/x], path: '{{ .Name }}.yaml'",
            vec!["`path` has no effect: a rule with filters never creates or deletes"],
        ),
        (
            "syncTo: git, fields: [/spec/x], format: json",
            vec!["`format` has no effect: a rule with filters never creates or deletes"],
        ),
        (
            "syncTo: git, format: patch, prune: never",
            vec!["`prune` has no effect: a rule with `format: patch` never creates or deletes"],
        ),
        (
            "syncTo: kubernetes, ignoreManagers: [helm]",
            vec!["`ignoreManagers` has no effect: a rule with `syncTo: kubernetes` takes no changes from the cluster"],
        ),
        (
            "syncTo: both, ignoreManagers: [helm], path: 'a/{{ .Name }}.yaml', secrets: plain, forceConflicts: false",
            vec![],
        ),
        (
            "syncTo: git, forceConflicts: false",
            vec!["`forceConflicts` has no effect: a rule with `syncTo: git` applies nothing"],
        ),
        ("syncTo: observe, wait: true", vec!["`wait` has no effect: a rule with `syncTo: observe` applies nothing"]),
        (
            "syncTo: both, restore: true",
            vec!["`restore` has no effect: a rule with `syncTo: both` creates what is missing in the cluster anyway"],
        ),
        (
            "syncTo: git, restore: true, filters: [/spec]",
            vec!["`restore` has no effect: a rule with filters never creates or deletes"],
        ),
    ] {
        assert_eq!(warnings(text), found, "{text}");
    }
}

#[test]
fn rates_are_read() {
    let rates = |text: &str| {
        let rules =
            load(&format!("gitUrl: git@h:x\n{text}\nrules: [{{syncTo: git}}]\n"), "f").map(|loaded| loaded.rules);
        rules.map(|rules| (rules.min_push_interval, rules.commits_per_hour)).map_err(|problems| problems.0.len())
    };
    assert_eq!(rates(""), Ok((Duration::ZERO, None)));
    assert_eq!(rates("minPushInterval: 1m\ncommitsPerHour: 60"), Ok((Duration::from_secs(60), NonZeroU32::new(60))));
    assert_eq!(rates("minPushInterval: 60\ncommitsPerHour: 0"), Err(2));
    assert_eq!(rates("commitsPerHour: many"), Err(1));
}

#[test]
fn managers_are_named_by_globs() {
    let rule = rule("syncTo: git, ignoreManagers: ['flux-*', Mozilla/5.0, 'kubeferry:ns/name']");
    let ignored = |name: &str| rule.ignore_managers.iter().any(|glob| glob.matches(name));
    assert!(ignored("flux-kustomize") && ignored("Mozilla/5.0") && !ignored("helm"));
}

#[test]
fn a_wrong_expression_is_shown_where_it_stands() {
    for (yaml, line, column, width) in [
        ("    transform: value.spilt(':')\n", 6, 22, 5),
        ("    transform: 'value.spilt(\":\")'\n", 6, 23, 5),
        ("    transform: |\n      value\n      .spilt(':')\n", 8, 8, 5),
        ("    transform: >-\n      value\n      .spilt(':')\n", 7, 7, 5),
    ] {
        let text = format!("gitUrl: git@h:x\nrules:\n- syncTo: git\n  fields:\n  - path: /spec/x\n{yaml}");
        let problem = load(&text, "f").unwrap_err().0.remove(0);
        assert!(problem.message.contains("`spilt` is no function"), "{problem}");
        if yaml.contains(">-") {
            assert!(problem.message.ends_with("(column 8 of the text)"), "{problem}");
            assert_eq!(problem.line, 7, "{problem}");
        } else {
            assert_eq!((problem.line, problem.column, problem.width), (line, column, width), "{problem}");
        }
    }
}

#[test]
fn a_file_with_countless_transforms_is_refused() {
    let entries = "  - {path: /spec/x, transform: value}\n".repeat(20_000);
    let problems = load(&format!("gitUrl: git@h:x\nrules:\n- syncTo: git\n  fields:\n{entries}"), "f").unwrap_err();
    assert!(problems.0[0].message.contains("at most 500 transforms"), "{problems}");
}
