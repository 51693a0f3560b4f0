//! Each field of an object that stands on both sides goes its own way.

use super::*;

#[test]
fn two_rules_split_one_object_and_agree() {
    let rules = || rule(&["git filters: [/spec/replicas]", "kubernetes"]);
    let mut live = live_by(&deployment(2, "web:1"), MANAGER);
    live["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"].as_object_mut().unwrap().remove("f:replicas");
    let mut case = Case::new(rules()).deployment().git(deployment(2, "web:1"));
    case.live = Some(live.clone());
    assert!(case.words().is_empty() && case.plan().agrees);

    // Scaled by hand, with no owner left: the change reaches Git, and nothing else does.
    live["spec"]["replicas"] = 5.into();
    case.live = Some(live.clone());
    assert_eq!(case.words(), ["edit [.spec.replicas]"]);

    // A new image in Git: applied without the replicas.
    case.manifest = Some(deployment(2, "web:2"));
    let applied = case.applied();
    assert_eq!(applied["spec"].get("replicas"), None);
    assert_eq!(applied["spec"]["template"]["spec"]["containers"][0]["image"], "web:2");
}

#[test]
fn decision_16_creation_carries_first_values_and_gives_them_up() {
    let case =
        Case::new(rule(&["git filters: [/spec/replicas]", "kubernetes"])).deployment().git(deployment(3, "web:1"));
    assert_eq!(case.applied()["spec"]["replicas"], 3);
    assert_eq!(case.words(), ["create, release [.spec.replicas]"]);
}

#[test]
fn decision_20_replicas_that_leave_git_are_released_and_never_dropped() {
    let mut manifest = deployment(3, "web:1");
    manifest["spec"].as_object_mut().unwrap().shift_remove("replicas");
    let case = Case::new(rule(&["kubernetes"])).deployment().git(manifest).ours(deployment(3, "web:1"));
    assert_eq!(case.words(), ["release [.spec.replicas]"]);
}

#[test]
fn decision_20_a_field_that_left_git_and_that_kubectl_holds_is_removed() {
    let mut case = Case::new(rule(&["kubernetes"]))
        .git(config_map(json!({"a": "1"})))
        .ours(config_map(json!({"a": "1", "b": "2"})));
    let entries = case.live.as_mut().unwrap()["metadata"]["managedFields"].as_array_mut().unwrap();
    entries
        .push(json!({"manager": "kubectl-create", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {".": {}, "f:b": {}}}}));
    assert_eq!(case.words(), ["strip [.data.b]", "apply [.data.b]"]);

    case.live.as_mut().unwrap()["metadata"]["managedFields"][1]["manager"] = "operator".into();
    assert_eq!(case.words(), ["apply [.data.b]", "skipped"]);
}

#[test]
fn decision_25_another_instance_is_reported_and_never_forced() {
    let mut case = Case::new(rule(&["kubernetes"])).git(config_map(json!({"a": "1"})));
    case.live = Some(live_by(&config_map(json!({"a": "2"})), "kubeferry:elsewhere/other"));
    assert_eq!(case.words(), ["held"]);
}

#[test]
fn decision_26_fields_that_another_direction_takes_over_are_released() {
    let sides = |rules| Case::new(rules).deployment().git(deployment(3, "web:1")).ours(deployment(3, "web:1"));
    let split = sides(rule(&["git filters: [/spec/replicas]", "kubernetes"]));
    assert_eq!(split.words(), ["release [.spec.replicas]"]);
}

#[test]
fn an_object_that_nobody_applied_is_adopted_by_one_apply() {
    let object = config_map(json!({"a": "1"}));
    let case = Case::new(rule(&["kubernetes"])).git(object.clone()).theirs(object);
    assert_eq!(case.words(), ["apply [.data.a]"]);
}

#[test]
fn values_that_mean_the_same_need_no_action() {
    let with = |cpu: &str| {
        let mut object = deployment(1, "web:1");
        object["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": cpu}});
        object
    };
    for direction in ["kubernetes", "git"] {
        let mut case = Case::new(rule(&[direction])).deployment().git(with("1000m"));
        case.live = Some(live_by(&with("1"), if direction == "git" { "somebody" } else { MANAGER }));
        assert!(case.words().is_empty(), "{direction}: {:?}", case.words());
        assert!(case.plan().agrees);
    }
}

#[test]
fn decision_18_a_default_is_not_written_where_nobody_wrote_it() {
    let mut live = deployment(1, "web:1");
    live["spec"]["revisionHistoryLimit"] = 10.into();
    live["spec"]["template"]["spec"]["restartPolicy"] = "Always".into();
    let mut manifest = deployment(1, "web:1");
    manifest["spec"].as_object_mut().unwrap().shift_remove("replicas");
    let case = Case::new(rule(&["git"])).deployment().git(manifest.clone()).theirs(live);
    assert!(case.words().is_empty(), "{:?}", case.words());
}

#[test]
fn decision_17_replicas_are_written_owned_or_not_when_they_differ_from_the_default() {
    let mut manifest = deployment(1, "web:1");
    manifest["spec"].as_object_mut().unwrap().shift_remove("replicas");
    let mut case = Case::new(rule(&["git"])).deployment().git(manifest);
    let mut live = live_by(&deployment(4, "web:1"), "somebody");
    live["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"].as_object_mut().unwrap().remove("f:replicas");
    case.live = Some(live);
    assert_eq!(case.words(), ["edit [.spec.replicas]"]);
}

#[test]
fn a_new_manifest_has_no_trace_of_the_server() {
    let mut live = live_by(&deployment(2, "web:1"), "somebody");
    live["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
    live["metadata"]["generation"] = 3.into();
    live["status"] = json!({"replicas": 2});
    let mut case = Case::new(rule(&["git"])).deployment();
    case.live = Some(live);
    assert_eq!(case.written(), deployment(2, "web:1"));
}

#[test]
fn observe_reports_and_does_nothing() {
    let case = Case::new(rule(&["observe"])).git(config_map(json!({"a": "1"}))).theirs(config_map(json!({"a": "2"})));
    assert_eq!(case.words(), ["differs"]);
    assert_eq!(Case::new(rule(&["observe"])).git(config_map(json!({}))).words(), ["differs"]);
    assert_eq!(Case::new(rule(&["observe"])).theirs(config_map(json!({}))).words(), ["differs"]);
}

#[test]
fn a_manifest_keeps_what_the_server_owns_and_what_another_direction_owns() {
    let mut manifest = config_map(json!({"a": "1", "b": "1"}));
    manifest["metadata"]["creationTimestamp"] = Value::Null;
    let case = Case::new(rule(&["git filters: [/data/a]"]))
        .git(manifest.clone())
        .theirs(config_map(json!({"a": "2", "b": "2"})));
    manifest["data"]["a"] = "2".into();
    assert_eq!(case.written(), manifest);
    assert_eq!(case.plan().actions.len(), 1);
    assert!(case.plan().actions.iter().all(|action| match action {
        Action::Edit { changed, .. } => *changed == [FieldPath::fields(["data", "a"])],
        _ => false,
    }));
}

/// What a server that knows no schema of the kind keeps of `spec`: a mark, and the fields.
fn widget(spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "settings", "namespace": "shop"}, "spec": spec})
}

#[test]
fn a_map_is_not_applied_for_its_mark_when_all_that_is_left_in_it_goes_the_other_way() {
    let case = |manifest: Value| {
        Case::new(rule(&["git filters: [/spec/nested]", "kubernetes"]))
            .of("example.com", "Widget", "widgets")
            .git(manifest)
    };
    let mut live = live_by(&widget(json!({"size": 3, "nested": {"x": "1"}})), MANAGER);
    live["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"].as_object_mut().unwrap().remove("f:nested");
    let mut split = case(widget(json!({"nested": {"x": "1", "y": "2"}})));
    split.live = Some(live.clone());
    // Dropped with the size, the mark would take along what is live below it.
    assert_eq!(split.words(), ["release [.spec]", "apply [.spec.size]", "edit [.spec.nested.y]"]);
    assert_eq!(split.applied().get("spec"), None);

    let new = case(widget(json!({"nested": {"x": "1"}})));
    assert_eq!(new.words(), ["create, release [.spec, .spec.nested, .spec.nested.x]"]);
}
