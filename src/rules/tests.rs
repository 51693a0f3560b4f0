use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::object::{GroupKind, Kind, ObjectId};

const EXAMPLE: &str = include_str!("../../config.example.yaml");

fn fixture(name: &str) -> Loaded {
    let text = std::fs::read_to_string(format!("{}/tests/fixtures/rules/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    load(&text, name).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn the_example_loads_without_a_warning() {
    let loaded = load(EXAMPLE, "config.example.yaml").unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.warnings, []);
    let names: Vec<_> = loaded.rules.rules.iter().map(|rule| &*rule.name).collect();
    assert_eq!(names, ["autoscaled-replicas", "snapshots", "team-settings", "dashboards", "everything-else"]);
}

#[test]
fn the_example_shows_the_defaults_that_are_in_force() {
    let example = load(EXAMPLE, "f").unwrap().rules;
    let bare = load("rules: [{syncTo: git}]", "f").unwrap().rules;
    let waits = |rules: &Rules| (rules.interval, rules.batch_window, rules.batch_max, rules.delete_delay);
    assert_eq!(waits(&example), waits(&bare));
    assert_eq!(
        waits(&bare),
        (Duration::from_secs(30), Duration::from_secs(2), Duration::from_secs(10), Duration::from_secs(15))
    );
    assert_eq!(Limits { deletes: DeleteLimit::Standard, ..example.limits }, bare.limits);
    let values = MessageValues { summary: "a".into(), details: "b".into(), ..MessageValues::default() };
    assert_eq!(example.commit.message.render(&values), bare.commit.message.render(&values));
    assert_eq!((&example.commit.name, &example.commit.email), (&bare.commit.name, &bare.commit.email));
    let rule = |rules: &Rules, index: usize| rules.rules[index].clone();
    assert_eq!(rule(&example, 1).path.to_string(), rule(&bare, 0).path.to_string());
    assert_eq!(rule(&bare, 0).prune, Prune::Owned);
    assert_eq!(
        (rule(&bare, 0).secrets, rule(&bare, 0).suspend, rule(&bare, 0).name.as_str()),
        (Secrets::Skip, false, "rule-1")
    );
    assert_eq!((bare.git_url, bare.branch, bare.git_path.as_str()), (None, None, "."));
}

#[test]
fn the_configurations_of_the_original_load_unchanged() {
    let config = fixture("original-config.yaml");
    assert_eq!(config.warnings, []);
    assert_eq!(config.rules.git_url.as_deref(), Some("git@github.com:justinbarrick/manifests.git"));
    assert_eq!(config.rules.git_path, "manifests");
    assert_eq!(config.rules.rules[0].sync_to, Direction::Git);

    let readme = fixture("original-readme.yaml");
    assert_eq!(readme.rules.rules[0].fields[0].filter.as_str(), "/metadata/annotations");
    assert_eq!(readme.rules.rules[0].sync_to, Direction::Kubernetes);
    let messages: Vec<_> = readme.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(messages, ["there is no `gitUrl`: `run` needs it here or on the command line"]);

    let deploy = fixture("original-deploy.yaml");
    assert_eq!((deploy.rules.git_path.as_str(), deploy.warnings.len()), (".", 0));
}

#[test]
fn new_manifests_go_below_git_path() {
    let loaded = fixture("original-config.yaml");
    let kind = Kind {
        group_kind: GroupKind::new("snapshot.storage.k8s.io", "VolumeSnapshot"),
        versions: vec!["v1".into()],
        plural: "volumesnapshots".into(),
        singular: "volumesnapshot".into(),
        short_names: vec![],
        namespaced: true,
        verbs: vec![],
        scalable: false,
    };
    let id = ObjectId::new(kind.group_kind.clone(), "shop", "daily-1");
    let rule = &loaded.rules.rules[0];
    assert!(rule.selects_kind(&kind));
    assert_eq!(
        rule.path.render(&id, &kind, &serde_json::json!({})).unwrap().as_str(),
        "manifests/shop/VolumeSnapshot/daily-1.yaml"
    );
}

#[test]
fn limits_of_a_rule_stand_before_those_of_the_file() {
    let text = "gitUrl: git@h:x\nlimits: {deletes: 5}\nrules:\n- {syncTo: git, names: [a]}\n- {syncTo: git, limits: {deletes: none}}\n";
    let rules = load(text, "f").unwrap().rules;
    assert_eq!(rules.limits.deletes, DeleteLimit::Count(5));
    assert_eq!((rules.rules[0].deletes, rules.rules[1].deletes), (DeleteLimit::Count(5), DeleteLimit::Unlimited));
}

#[test]
fn a_long_batch_window_lengthens_the_default_of_the_longest_wait() {
    let rules = load("batchWindow: 1m\nrules: [{syncTo: git}]", "f").unwrap().rules;
    assert_eq!(rules.batch_max, Duration::from_secs(60));
}

#[test]
fn anchors_and_merge_keys_are_followed() {
    let text = "gitUrl: git@h:x\nrules:\n- &a {syncTo: git, names: [a]}\n- <<: *a\n  names: [b]\n";
    let rules = load(text, "f").unwrap().rules;
    assert_eq!(rules.rules[1].sync_to, Direction::Git);
    assert_eq!(load("rules:\n- &a {syncTo: git, synTo: x}\n- *a\n", "f").unwrap_err().0.len(), 2);
}

/// Every error of a file that has only errors of its own, as people see them.
fn errors(text: &str) -> String {
    load(text, "config.yaml").map(|loaded| loaded.rules.rules.len()).unwrap_err().to_string()
}

#[test]
fn every_error_shows_its_place_and_what_to_do() {
    let shown: Vec<String> = [
        // Keys.
        "gitUrl: git@h:x\nrules:\n- synTo: git\n",
        "giturl: git@h:x\nrules: []\n",
        "gitUrl: git@h:x\nsyncTo: git\nrules: []\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: bith\n  conflcit: hold\n",
        "gitUrl: git@h:x\nrules:\n- names: [a]\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: git\n  names: [a]\n  syncTo: kubernetes\n",
        // Types.
        "gitUrl: git@h:x\nrules:\n- syncTo: git\n  namespaces: shop\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: git\n  names: [a, 12, on]\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: git\n  suspend: 'yes'\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: git\n  labels: {app: web, tier: db}\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: git\n  labels: !canary\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: git\n  path: {{ .Name }}\n",
        "gitUrl: git@h:x\nrules:\n  syncTo: git\n",
        "- syncTo: git\n",
        "just text\n",
        // Values.
        "gitUrl: git@h:x\nrules:\n- syncTo: k8s\n",
        "gitUrl: git@h:x\ninterval: 30\nbatchMax: 1s\nrules: []\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: git\n  labels: app=web||app=db\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: git\n  filters:\n  - /spec/replicas\n  - spec/paused\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: git\n  path: '../{{ .Name }}.yaml'\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: git\n  prune: no\n  limits: {deletes: lots}\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: git\n  apiGroups: [apps/v1, core]\n  resources: [deployments/scale]\n",
        "gitUrl: 'https://h /x'\ngitPath: /x\nbranch: refs/heads/main\nrules: []\n",
        "gitUrl: git@h:x\ncommit: {name: 'a <b>', message: '{{ .Sumary }}'}\nlimits: {fileBytes: 4MB}\nrules: []\n",
        // Fields and formats.
        "gitUrl: git@h:x\nrules:\n- syncTo: git\n  fields:\n  - path: spec/paused\n    transfrom: value\n    to: values.yaml\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: git\n  transform: value\n  fields: .spec.replicas\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: git\n  fields:\n  - {path: /spec/x, transform: 'vale + 1'}\n  - {path: /spec/y, transform: 'value +'}\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: kubernetes\n  fields:\n  - path: /spec/x\n    to: values.yaml#/x\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: git\n  format: kustomize\n  strategy: replace\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: git\n  format: kustomize-patch\n  strategy: json-merge\n",
        "gitUrl: git@h:x\ncommitsPerHour: 0\nminPushInterval: 5\nrules:\n- syncTo: git\n  path: '{{ .Labels.a/b }}.yaml'\n",
        // Two sides that disagree.
        "gitUrl: git@h:x\nrules:\n- syncTo: git\n  conflict: latest\n- syncTo: both\n  conflict: live\n  gitEdits: hold\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: git\n  gitEdits: keep\n- syncTo: kubernetes\n  gitEdits: hold\n  forceConflicts: 'no'\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: git\n  gitEdits: hold\n  format: patch\n- syncTo: git\n  gitEdits: hold\n  fields: [{path: /spec/x, to: /spec/y}]\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: both\n  format: kustomize-patch\n- syncTo: both\n  fields: [{path: /spec/x, transform: value, to: /spec/y}]\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: both\n  prune: matching\n- syncTo: git\n  restore: true\n  prune: matching\n",
        // YAML.
        "",
        "# nothing\n",
        "gitUrl: git@h:x\nrules:\n\t- syncTo: git\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: git\n  names: [*-web]\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: git\n  path: {{ .Name }}.yaml\n",
        "gitUrl: git@h:x\nrules:\n- syncTo: git\n  labels: a: b\n",
        "gitUrl: git@h:x\nrules: [\n",
        "gitUrl: git@h:x\n---\nrules: []\n",
    ]
    .iter()
    .map(|text| errors(text))
    .collect();
    insta::assert_snapshot!(shown.join("\n\n"));
}

#[test]
fn all_errors_of_a_file_are_shown_in_their_order() {
    let text = "interval: 5\nrules:\n- syncTo: gti\n  labels: '=a'\n  unknown: x\n- names: ['']\nbranch: 'a b'\n";
    let problems = load(text, "f").unwrap_err().0;
    let places: Vec<_> = problems.iter().map(|problem| (problem.line, problem.column)).collect();
    assert_eq!(places, [(1, 11), (3, 11), (4, 11), (5, 3), (6, 3), (6, 11), (7, 9)]);
    assert!(problems.iter().all(|problem| problem.level == Level::Error));
}

#[test]
fn a_hostile_file_is_refused_in_bounded_time_and_space() {
    let huge = format!("gitUrl: {}\n", "x".repeat(1 << 20));
    let many_keys: String = (0..20_000).map(|number| format!("k{number}: 1\n")).collect();
    let bomb: String =
        (0..40).map(|level| format!("a{}: &a{} [*a{level}, *a{level}]\n", level + 1, level + 1)).collect();
    let deep = format!("rules: {}{}\n", "[".repeat(5_000), "]".repeat(5_000));
    for text in [huge, many_keys, format!("a0: &a0 x\n{bomb}"), deep, "\0".to_owned(), "\u{feff}".to_owned()] {
        let problems = load(&text, "f").unwrap_err();
        assert!(!problems.0.is_empty() && problems.0.len() <= 100, "{}", problems.0.len());
    }
}

#[test]
fn countless_warnings_do_not_hide_an_error() {
    let idle = "- {syncTo: kubernetes, secrets: plain}\n".repeat(200);
    for error in ["- {syncTo: gti}\n", "- {syncTo: git, unknown: x}\n", "- {names: [a]}\n"] {
        let problems = load(&format!("rules:\n{idle}{error}"), "f").unwrap_err();
        assert_eq!((problems.0.len(), problems.0[0].line), (1, 202), "{problems}");
    }
    assert_eq!(load(&format!("rules:\n{idle}"), "f").unwrap().warnings.len(), 100);
}

#[test]
fn no_password_is_ever_shown() {
    for text in [
        "giturl: https://bot:hunter2@h/x\nrules: [\n",
        "gitUrl: [https://bot:hunter2@h/x]\nrules: []\n",
        "gitUrl: https://bot:hunter2@h/x\ngitUrl: https://bot:hunter2@h/x\n",
        "branch: https://bot:hunter2@h/x\n",
        "https://bot:hunter2@h/x: 1\n",
    ] {
        let problems = load(text, "f").unwrap_err();
        let json = serde_json::to_string(&problems).unwrap();
        assert!(!format!("{problems} {problems:?} {json}").contains("hunter2"), "{problems}");
    }
    // As the original, we take such a URL, and warn.
    let loaded = load("gitUrl: https://bot:hunter2@h/x\nrules: [{syncTo: git}]\n", "f").unwrap();
    assert_eq!(loaded.warnings.len(), 1);
    assert!(loaded.warnings[0].message.starts_with("the URL holds a password"));
    assert!(!format!("{loaded:?} {}", loaded.warnings[0]).contains("hunter2"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_makes_loading_panic(text in "\\PC{0,80}|[a-c:\\-\\[\\]{}&*!|>'\"#%@`,?\n\t ]{0,60}") {
        let _ = load(&text, "f");
    }

    #[test]
    fn no_change_to_a_good_file_makes_loading_panic(
        from in 0..EXAMPLE.len(),
        length in 0usize..40,
        instead in "[a-z:\\-\\[{'\"*&! \n\t~0-9]{0,6}|\\PC{0,3}",
    ) {
        let is_edge = |at: &usize| EXAMPLE.is_char_boundary(*at);
        let (from, to) = (from, (from + length).min(EXAMPLE.len()));
        prop_assume!(is_edge(&from) && is_edge(&to));
        let text = format!("{}{instead}{}", &EXAMPLE[..from], &EXAMPLE[to..]);
        if let Err(problems) = load(&text, "f") {
            prop_assert!(problems.0.iter().any(|problem| problem.level == Level::Error));
            let lines = text.lines().count() + 1;
            prop_assert!(problems.0.iter().all(|problem| problem.line <= lines && problem.column > 0), "{}", problems);
        }
    }
}
