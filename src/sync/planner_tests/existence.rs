//! Rules and existence: what is selected, and what becomes of what stands on one side.

use super::*;

#[test]
fn decision_1_a_rule_with_filters_never_decides_existence() {
    for rules in [rule(&["git filters: [/data]"]), rule(&["kubernetes filters: [/data]"])] {
        let object = config_map(json!({"a": "1"}));
        assert_eq!(Case::new(rules.clone()).git(object.clone()).agreed(&object).gone().words(), ["skipped"]);
        assert_eq!(Case::new(rules).ours(object.clone()).agreed(&object).words(), ["skipped"]);
    }
}

#[test]
fn decision_2_the_rule_that_held_an_object_carries_a_change_of_labels_through() {
    let labelled = |value: &str, app: Option<&str>| {
        let mut object = config_map(json!({"a": value}));
        if let Some(app) = app {
            object["metadata"]["labels"] = json!({"app": app});
        }
        object
    };
    let rules = || rule(&["kubernetes labels: app=web"]);
    let before = labelled("1", Some("web"));
    // The label leaves Git: the rule still applies that, and only then lets go.
    let leaving = Case::new(rules()).git(labelled("1", None)).ours(before.clone()).agreed(&before);
    assert_eq!(leaving.words(), [r#"apply [.metadata.labels.app]"#]);
    let left = Case::new(rules()).git(labelled("1", None)).ours(labelled("1", None)).agreed(&before);
    assert!(!left.plan().selected);
}

#[test]
fn decision_3_a_suspended_rule_still_covers_its_fields() {
    let case = Case::new(rule(&["git suspend: true; filters: [/spec/replicas]", "kubernetes"]))
        .deployment()
        .git(deployment(2, "web:2"))
        .ours(deployment(5, "web:1"));
    let applied = case.applied();
    assert_eq!(applied["spec"]["replicas"], 5, "left out of the apply it would fall to 1");
    assert_eq!(applied["spec"]["template"]["spec"]["containers"][0]["image"], "web:2");
    assert!(!case.plan().actions.iter().any(|action| matches!(action, Action::Edit { .. } | Action::Release { .. })));
}

#[test]
fn decision_3_a_suspended_rule_keeps_what_we_own_and_nothing_of_others() {
    let with = |image: &str, path: Option<&str>| {
        let mut object = deployment(1, image);
        if let Some(path) = path {
            object["spec"]["template"]["spec"]["containers"][0]["terminationMessagePath"] = path.into();
        }
        object
    };
    let mut case = Case::new(rule(&["git suspend: true; filters: [/spec/template]", "kubernetes"]))
        .deployment()
        .git(deployment(3, "web:2"))
        .ours(with("web:1", None));
    case.live.as_mut().unwrap()["spec"] = with("web:1", Some("/theirs"))["spec"].clone();
    let container = &case.applied()["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(*container, json!({"name": "web", "image": "web:1"}));
}

#[test]
fn decision_3_a_suspended_rule_takes_nothing_over_where_we_own_a_part_of_it() {
    let widget = |spec: Value| {
        json!({"apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": {"name": "w", "namespace": "shop"}, "spec": spec})
    };
    let lines = ["kubernetes filters: [/spec/nested]", "git suspend: true; filters: [/spec]", "kubernetes"];
    let whole = widget(json!({"size": 1, "nested": {"x": "1"}}));
    let mut case = Case::new(rule(&lines))
        .of("example.com", "Widget", "widgets")
        .git(whole.clone())
        .ours(widget(json!({"nested": {"x": "1"}})));
    case.live.as_mut().unwrap()["spec"] = whole["spec"].clone();
    assert!(case.words().is_empty() || case.words() == ["skipped"], "{:?}", case.words());
}

#[test]
fn decision_20_a_key_of_an_item_that_others_hold_is_not_taken_out_of_it() {
    let service = |ports: Value| {
        json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop"}, "spec": {"ports": ports}})
    };
    let both = service(json!([{"name": "a", "port": 1}, {"name": "b", "port": 2}]));
    let mut case = Case::new(rule(&["kubernetes"]))
        .of("", "Service", "services")
        .git(service(json!([{"name": "a", "port": 1}])))
        .ours(both.clone());
    let entry = |manager: &str, field: &str| {
        json!({"manager": manager, "operation": "Update", "apiVersion": "v1",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:ports": {r#"k:{"port":2,"protocol":"TCP"}"#: {field: {}}}}}})
    };
    let entries = case.live.as_mut().unwrap()["metadata"]["managedFields"].as_array_mut().unwrap();
    entries.extend([entry("kubectl-create", "f:port"), entry("flux", "f:nodePort")]);
    let words = case.words();
    assert!(!words.iter().any(|word| word.starts_with("strip")), "{words:?}");
}

#[test]
fn a_zero_value_that_the_server_drops_stays_in_the_manifest() {
    let mut manifest = deployment(2, "web:1");
    manifest["spec"]["template"]["spec"]["hostNetwork"] = false.into();
    let case = Case::new(rule(&["git"])).deployment().git(manifest.clone()).theirs(deployment(5, "web:1"));
    manifest["spec"]["replicas"] = 5.into();
    assert_eq!(case.written(), manifest);
}

#[test]
fn decision_9_what_may_hide_a_manifest_is_no_absence() {
    let object = config_map(json!({"a": "1"}));
    let mut case = Case::new(rule(&["kubernetes"])).ours(object.clone()).agreed(&object);
    case.unreadable = Some("shop.yaml: merge markers at line 3");
    assert_eq!(case.words(), ["held"]);
    let mut case = Case::new(rule(&["git"])).ours(object);
    case.unreadable = Some("shop.yaml: merge markers at line 3");
    assert_eq!(case.words(), ["held"]);
}

#[test]
fn decision_10_an_object_that_is_being_deleted_gets_no_action() {
    let mut case =
        Case::new(rule(&["kubernetes"])).git(config_map(json!({"a": "1"}))).ours(config_map(json!({"a": "2"})));
    case.live.as_mut().unwrap()["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    assert_eq!(case.words(), ["pending"]);
}

#[test]
fn secrets_reach_git_only_when_a_rule_says_so() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key", "namespace": "shop"},
        "type": "Opaque", "data": {"k": "czNjcjN0"}});
    let case = |rules| Case::new(rules).of("", "Secret", "secrets");
    assert_eq!(case(rule(&["git"])).theirs(secret.clone()).words(), ["skipped"]);
    let mut changed = secret.clone();
    changed["data"]["k"] = "bmV3".into();
    assert_eq!(case(rule(&["git"])).git(secret.clone()).theirs(changed.clone()).words(), ["skipped"]);
    assert_eq!(case(rule(&["git secrets: plain"])).git(secret.clone()).theirs(changed).words(), ["edit [.data.k]"]);
    assert_eq!(case(rule(&["kubernetes"])).git(secret).words(), ["create, release []"]);
}
