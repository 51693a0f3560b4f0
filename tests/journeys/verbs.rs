//! The verbs that end by themselves, as a person or a pipeline calls them.

use serde_json::{Value, json};

use crate::world::World;

journeys! { once_and_diff_go_both_ways, explain_names_the_rule_of_each_field, rules_are_checked_against_the_cluster; real only: what_an_autoscaler_writes_too_is_warned_of }

/// `kubeferry schema | head`.
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_kubeferry"))
        .arg("schema")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

const RULES: &str = "
rules:
- name: live
  namespaces: [NAMESPACE]
  resources: [configmaps]
  names: ['live-*']
  syncTo: git
- name: replicas
  namespaces: [NAMESPACE]
  resources: [deployments]
  filters: [/spec/replicas]
  syncTo: git
- name: rest
  namespaces: [NAMESPACE]
  resources: [configmaps, deployments]
  syncTo: kubernetes
";

const SETTINGS: &str = "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  namespace: NAMESPACE
data:
  title: Shop
";

async fn once_and_diff_go_both_ways(world: &World) {
    world.commit("settings.yaml", SETTINGS);
    world.kubectl.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: live-one}, data: {colour: blue}}").await;
    world.rules(RULES);
    let command = world.command();

    let (code, shown, errors) = command.output(&["diff"]).await;
    assert_eq!(code, 1, "{shown}{errors}");
    assert!(shown.contains("+  title: Shop\n") && shown.contains("+  colour: blue\n"), "{shown}");
    assert!(world.kubectl.get("ConfigMap", "settings").await.is_none(), "diff changes nothing");
    assert_eq!(world.log().len(), 1, "diff changes nothing");

    let (code, shown, errors) = command.output(&["once"]).await;
    assert_eq!(code, 0, "{shown}{errors}");
    world.until_live("ConfigMap", "settings", "/data/title", "Shop").await;
    assert!(world.file("NAMESPACE/ConfigMap/live-one.yaml").unwrap().contains("colour: blue"));

    let (code, shown, errors) = command.output(&["diff"]).await;
    assert_eq!((code, shown.as_str()), (0, ""), "{errors}");

    // One line of each side changes, and nothing else is shown as changed.
    world.commit("settings.yaml", &SETTINGS.replace("Shop", "Bazaar"));
    world.kubectl.patch("ConfigMap", "live-one", json!({"data": {"colour": "red"}})).await;
    let (code, shown, _) = command.output(&["diff"]).await;
    assert_eq!(code, 1, "{shown}");
    let is_line = |line: &&str| (line.starts_with('+') || line.starts_with('-')) && line.starts_with(&['+', '-'][..]);
    let mut changed: Vec<&str> =
        shown.lines().filter(is_line).filter(|line| !line.starts_with("+++") && !line.starts_with("---")).collect();
    changed.sort_unstable();
    assert_eq!(changed, ["+  colour: red", "+  title: Bazaar", "-  colour: blue", "-  title: Shop"], "{shown}");
    let (code, shown, _) = command.output(&["diff", "-o", "json"]).await;
    let page: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((code, page["differences"].as_array().unwrap().len()), (1, 2), "{shown}");

    // One `once` knows what the one before it saw agree, and what it never saw.
    let (code, shown, errors) = command.output(&["once"]).await;
    assert_eq!(code, 0, "{shown}{errors}");
    world.kubectl.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: stranger}, data: {a: b}}").await;
    world.remove("settings.yaml");
    let (code, shown, errors) = command.output(&["once"]).await;
    assert_eq!(code, 0, "{shown}{errors}");
    assert!(world.kubectl.get("ConfigMap", "settings").await.is_none(), "{shown}{errors}");
    assert!(world.kubectl.get("ConfigMap", "stranger").await.is_some());

    let (code, _, errors) = command.output(&["diff", "file:///nowhere/at/all.git"]).await;
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains("error: "), "{errors}");
}

async fn explain_names_the_rule_of_each_field(world: &World) {
    world.commit("web.yaml", crate::split::MANIFEST);
    world.rules(RULES);
    let object = format!("{}/web", world.namespace);
    let (code, shown, errors) = world.command().output(&["explain", "deploy", &object]).await;
    assert_eq!(code, 0, "{errors}");
    let line = |path: &str| {
        let line = shown.lines().find(|line| line.split_whitespace().any(|word| word == path));
        line.unwrap_or_else(|| panic!("{path}: {shown}")).to_owned()
    };
    assert!(line(".spec.replicas").contains("cluster -> Git") && line(".spec.replicas").contains("rule replicas"));
    assert!(
        line(".metadata.labels.app").contains("Git -> cluster") && line(".metadata.labels.app").contains("rule rest")
    );
    assert!(shown.contains("web.yaml:3") && shown.contains("not live"), "{shown}");
}

async fn what_an_autoscaler_writes_too_is_warned_of(world: &World) {
    world.commit("README.md", "# Shop\n");
    world.kubectl.create(&world.text(crate::split::MANIFEST)).await;
    world
        .kubectl
        .create(
            "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web},
              spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}}",
        )
        .await;
    world.rules(RULES);
    let (code, _, errors) = world.command().output(&["check"]).await;
    assert_eq!((code, errors.contains("HorizontalPodAutoscaler")), (0, false), "{errors}");

    // Without the rule before it, this one sends the count to the cluster.
    world.rules(&RULES.replace("filters: [/spec/replicas]", "filters: [/spec/paused]"));
    let (code, _, errors) = world.command().output(&["check"]).await;
    let warned = errors.contains("rule rest sends .spec.replicas") && errors.contains("HorizontalPodAutoscaler");
    assert_eq!((code, warned), (0, true), "{errors}");
}

async fn rules_are_checked_against_the_cluster(world: &World) {
    world.commit("README.md", "# Shop\n");
    let path = world.rules(RULES);
    let (code, shown, errors) = world.command().output(&["check"]).await;
    assert_eq!((code, errors.contains("error")), (0, false), "{shown}{errors}");

    world.rules(&RULES.replace("/spec/replicas", "/spec/replicsa"));
    let (_, shown, errors) = world.command().output(&["check"]).await;
    assert!(errors.contains("replicsa"), "a filter that no schema knows: {shown}{errors}");

    world.rules(&RULES.replace("syncTo: git", "syncTo: got"));
    let (code, _, errors) = world.command().output(&["check"]).await;
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains(&format!("{}:", path.display())) && errors.contains("syncTo: got"), "{errors}");
    let (code, _, errors) = world.command().output(&["once"]).await;
    assert_eq!(code, 2, "{errors}");

    let (code, shown, _) = world.command().output(&["schema"]).await;
    let schema: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((code, schema["type"].as_str()), (0, Some("object")));

    let ferry = world.ferry(RULES).await;
    let (code, shown, errors) = world.command().output(&["status", "--url", ferry.url()]).await;
    assert_eq!(code, 0, "{shown}{errors}");
    assert!(shown.contains("replicas") && shown.contains(&world.namespace), "{shown}");
    let (code, shown, _) = world.command().output(&["status", "--url", ferry.url(), "-o", "json"]).await;
    let page: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((code, &page["ready"]), (0, &json!(true)));
    assert_eq!(ferry.terminate().await, Some(0));
}
