//! The reconcile vectors of the original controller.

use super::*;

#[test]
fn vector_a_git_rule_adds_what_only_the_cluster_has() {
    let case = Case::new(rule(&["git"])).theirs(config_map(json!({"a": "1"})));
    assert_eq!(case.words(), ["write shop/ConfigMap/settings.yaml"]);
    assert_eq!(case.written(), config_map(json!({"a": "1"})));
}

#[test]
fn vector_a_kubernetes_rule_adds_what_only_git_has() {
    let case = Case::new(rule(&["kubernetes"])).git(config_map(json!({"a": "1"})));
    assert_eq!(case.words(), ["create, release []"]);
    assert_eq!(case.applied(), config_map(json!({"a": "1"})));
}

#[test]
fn vector_a_git_rule_removes_the_manifest_of_what_has_gone() {
    let object = config_map(json!({"a": "1"}));
    let case = || Case::new(rule(&["git"])).git(object.clone()).gone();
    // Deliberate difference: what never agreed is kept and reported. The original's answer is `prune: matching`.
    assert_eq!(case().words(), ["missing"]);
    assert_eq!(case().agreed(&object).words(), ["remove"]);
    let matching = Case::new(rule(&["git prune: matching"])).git(object.clone()).gone();
    assert_eq!(matching.words(), ["remove"]);
}

#[test]
fn vector_a_kubernetes_rule_deletes_what_git_lacks() {
    let object = config_map(json!({"a": "1"}));
    // Deliberate difference: what this instance never applied is left and reported.
    assert_eq!(Case::new(rule(&["kubernetes"])).ours(object.clone()).words(), ["not-ours"]);
    assert_eq!(Case::new(rule(&["kubernetes"])).theirs(object.clone()).agreed(&object).words(), ["skipped"]);
    assert_eq!(Case::new(rule(&["kubernetes"])).ours(object.clone()).agreed(&object).words(), ["delete"]);
    assert_eq!(Case::new(rule(&["kubernetes prune: matching"])).theirs(object.clone()).words(), ["delete"]);
}

#[test]
fn vector_a_git_rule_updates_git() {
    let case = Case::new(rule(&["git"])).git(config_map(json!({"a": "1"}))).theirs(config_map(json!({"a": "2"})));
    assert_eq!(case.words(), ["edit [.data.a]"]);
    assert_eq!(case.written(), config_map(json!({"a": "2"})));
}

#[test]
fn vector_a_kubernetes_rule_updates_the_cluster() {
    let case = Case::new(rule(&["kubernetes"])).git(config_map(json!({"a": "1"}))).ours(config_map(json!({"a": "2"})));
    assert_eq!(case.words(), ["apply [.data.a]"]);
    assert_eq!(case.applied(), config_map(json!({"a": "1"})));
}

#[test]
fn vector_the_first_of_two_opposite_rules_wins() {
    let sides = |rules| Case::new(rules).git(config_map(json!({"a": "1"}))).ours(config_map(json!({"a": "2"})));
    assert_eq!(sides(rule(&["git", "kubernetes"])).words(), ["release [.data.a]", "edit [.data.a]"]);
    assert_eq!(sides(rule(&["kubernetes", "git"])).words(), ["apply [.data.a]"]);
}

#[test]
fn vector_no_rule_leaves_everything_untouched() {
    let case = Case::new(rule(&["git resources: [secrets]"]))
        .git(config_map(json!({"a": "1"})))
        .ours(config_map(json!({"a": "2"})));
    let plan = case.plan();
    assert!(!plan.selected && plan.actions.is_empty() && plan.notes.is_empty());
}

#[test]
fn vector_a_rule_with_labels_creates() {
    let mut object = config_map(json!({}));
    object["metadata"]["labels"] = json!({"app": "web"});
    let case = Case::new(rule(&["kubernetes labels: app=web"])).git(object);
    assert_eq!(case.words(), ["create, release []"]);
}

#[test]
fn vector_nothing_on_either_side_is_no_crash() {
    assert!(Case::new(rule(&["git"])).words().is_empty());
}

#[test]
fn vector_a_filtered_kubernetes_rule_touches_its_fields_only() {
    let with = |annotations: Value, labels: Value| {
        let mut object = config_map(json!({}));
        object["metadata"]["annotations"] = annotations;
        object["metadata"]["labels"] = labels;
        object
    };
    let case = Case::new(rule(&["kubernetes filters: [/metadata/labels]"]))
        .git(with(json!({"note": "git"}), json!({"team": "shop"})))
        .theirs(with(json!({"note": "live"}), json!({})));
    assert_eq!(case.words(), ["apply [.metadata.labels.team]"]);
    assert_eq!(
        case.applied()["metadata"],
        json!({"name": "settings", "namespace": "shop", "labels": {"team": "shop"}})
    );
}

#[test]
fn vector_a_filtered_git_rule_touches_its_fields_only() {
    let with = |annotations: Value, labels: Value| {
        let mut object = config_map(json!({}));
        object["metadata"]["annotations"] = annotations;
        object["metadata"]["labels"] = labels;
        object
    };
    let case = Case::new(rule(&["git filters: [/metadata/labels]"]))
        .git(with(json!({"note": "git"}), json!({})))
        .theirs(with(json!({"note": "live"}), json!({"team": "shop"})));
    assert_eq!(case.written(), with(json!({"note": "git"}), json!({"team": "shop"})));
}
