//! What is made before what, what waits for what, and what becomes of changes that others refuse or undo.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::ferry::until;
use crate::world::World;

journeys! {
    a_fight_is_held_with_the_name_of_the_other, objects_in_sync_cost_a_new_process_nothing;
    real only: everything_comes_in_one_push, a_dependent_waits_for_what_it_depends_on,
    an_immutable_field_is_named_or_the_object_made_anew, replicas_never_fall_while_they_change_direction
}

const RULES: &str = "
rules:
- name: all
  namespaces: [NAMESPACE]
  resources: [configmaps, deployments]
  syncTo: kubernetes
";

fn deployment(name: &str, replicas: u32, annotations: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: NAMESPACE
  annotations: {{{annotations}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}, tier: front}}}}
    spec:
      containers:
      - {{name: {name}, image: 'registry.example/{name}:1'}}
"
    )
}

const PUSH: [(&str, &str); 4] = [
    (
        "a-widget.yaml",
        "apiVersion: NAMESPACE.example.com/v1
kind: Widget
metadata: {name: w, namespace: NAMESPACE-new}
spec: {size: 1}
",
    ),
    (
        "b-settings.yaml",
        "apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: NAMESPACE-new}
data: {a: '1'}
",
    ),
    (
        "c-definition.yaml",
        "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.NAMESPACE.example.com}
spec:
  group: NAMESPACE.example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
",
    ),
    ("z-namespace.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: NAMESPACE-new}\n"),
];

async fn everything_comes_in_one_push(world: &World) {
    world
        .role(
            "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: all}
rules:
- {apiGroups: [''], resources: [namespaces, configmaps], verbs: [get, list, watch, create, patch]}
- {apiGroups: [apps], resources: [deployments], verbs: [get, list, watch, create, patch]}
- {apiGroups: [apiextensions.k8s.io], resources: [customresourcedefinitions], verbs: [get, list, watch, create, patch]}
- {apiGroups: [NAMESPACE.example.com], resources: [widgets], verbs: [get, list, watch, create, patch]}
",
        )
        .await;
    let ferry = world
        .ferry(
            "
rules:
- name: cluster
  apiGroups: ['', apiextensions.k8s.io]
  resources: [namespaces, customresourcedefinitions]
  names: [NAMESPACE-new, widgets.NAMESPACE.example.com]
  syncTo: kubernetes
- name: all
  namespaces: [NAMESPACE-new]
  apiGroups: ['', apps, NAMESPACE.example.com]
  resources: [configmaps, deployments, widgets]
  syncTo: kubernetes
",
        )
        .await;
    let workload = deployment("web", 0, "").replace("NAMESPACE", "NAMESPACE-new");
    let files: Vec<(&str, String)> = PUSH
        .into_iter()
        .chain([("d-web.yaml", workload.as_str())])
        .map(|(path, text)| (path, world.text(text)))
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    world.repo.write("Everything at once", &files);
    let space = format!("{}-new", world.namespace);
    for path in [
        format!("/api/v1/namespaces/{space}/configmaps/settings"),
        format!("/apis/apps/v1/namespaces/{space}/deployments/web"),
        format!("/apis/{}.example.com/v1/namespaces/{space}/widgets/w", world.namespace),
    ] {
        until(&path, || async { world.kubectl.call(Method::GET, &path, None).await.ok().map(drop) }).await;
    }
    ferry.until_status("agreement", |page| page.objects.list.is_empty().then_some(())).await;
    let log = ferry.log();
    assert!(!log.contains("failed "), "nothing was tried in vain:\n{log}");
}

async fn a_dependent_waits_for_what_it_depends_on(world: &World) {
    let ferry = world.ferry(RULES).await;
    // Without nodes a Deployment with replicas never becomes ready; one without is as soon as its controller has seen it.
    world.commit("web.yaml", &deployment("web", 0, "kubeferry.io/depends-on: Deployment db"));
    world.commit("db.yaml", &deployment("db", 1, ""));
    world.until_live("Deployment", "db", "/spec/replicas", 1).await;
    let reason = ferry
        .until_status("web to wait for db", |page| {
            let line = page.objects.list.iter().find(|line| line.object.ends_with("/web"))?;
            line.reason.contains("not ready").then(|| line.reason.clone())
        })
        .await;
    assert!(reason.starts_with("depends on Deployment.apps"), "{reason}");
    assert!(world.kubectl.get("Deployment", "web").await.is_none());
    world.commit("db.yaml", &deployment("db", 0, ""));
    world.until_live("Deployment", "web", "/metadata/name", "web").await;
    ferry.until_status("agreement", |page| page.objects.list.is_empty().then_some(())).await;
}

async fn an_immutable_field_is_named_or_the_object_made_anew(world: &World) {
    let before = deployment("web", 0, "");
    let after = before.replace("matchLabels: {app: web}", "matchLabels: {tier: front}");
    world.commit("web.yaml", &before);
    let ferry = world.ferry(RULES).await;
    world.until_live("Deployment", "web", "/spec/selector/matchLabels", json!({"app": "web"})).await;
    let uid = world.kubectl.get("Deployment", "web").await.unwrap()["metadata"]["uid"].clone();

    world.commit("web.yaml", &after);
    let held = |page: &kubeferry::report::Status| {
        let line = page.objects.list.iter().find(|line| line.state.to_string() == "held")?;
        Some(line.reason.clone())
    };
    let reason = ferry.until_status("the change to be held", held).await;
    assert!(reason.starts_with("spec.selector cannot be changed in place"), "{reason}");
    assert!(reason.contains("kubeferry.io/recreate: enabled"), "{reason}");
    assert_eq!(world.kubectl.get("Deployment", "web").await.unwrap()["metadata"]["uid"], uid);

    world.commit("web.yaml", &after.replace("annotations: {}", "annotations: {kubeferry.io/recreate: enabled}"));
    world.until_live("Deployment", "web", "/spec/selector/matchLabels", json!({"tier": "front"})).await;
    assert_ne!(world.kubectl.get("Deployment", "web").await.unwrap()["metadata"]["uid"], uid);
    ferry.until_status("agreement", |page| page.objects.list.is_empty().then_some(())).await;
}

async fn a_fight_is_held_with_the_name_of_the_other(world: &World) {
    world.commit(
        "m.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, namespace: NAMESPACE}\ndata: {a: ours, b: '1'}\n",
    );
    let ferry = world.ferry(RULES).await;
    world.until_live("ConfigMap", "m", "/data/a", "ours").await;
    // Another controller: it writes its value wherever it finds another one.
    until("the fight to be held", || async {
        let live = world.kubectl.get("ConfigMap", "m").await?;
        if live["data"]["a"] != "theirs" {
            world.kubectl.patch("ConfigMap", "m", json!({"data": {"a": "theirs"}})).await;
        }
        let page = ferry.status().await;
        let line = page.objects.list.iter().find(|line| line.state.to_string() == "held")?;
        assert!(line.reason.starts_with("kubectl-edit keeps changing it back"), "{}", line.reason);
        assert_eq!(line.fields, [".data.a"]);
        Some(())
    })
    .await;
    // The other fields go on.
    world.commit(
        "m.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, namespace: NAMESPACE}\ndata: {a: ours, b: '2'}\n",
    );
    world.until_live("ConfigMap", "m", "/data", json!({"a": "theirs", "b": "2"})).await;
    let (_, metrics) = kubeferry::http::client::get(&format!("{}/metrics", ferry.url())).await.unwrap();
    assert!(metrics.contains("kubeferry_fights{side=\"cluster\"} 1"), "{metrics}");
}

async fn replicas_never_fall_while_they_change_direction(world: &World) {
    const SPLIT: &str = "
rules:
- name: replicas
  namespaces: [NAMESPACE]
  apiGroups: [apps]
  resources: [deployments]
  filters: [/spec/replicas]
  syncTo: git
- name: all
  namespaces: [NAMESPACE]
  resources: [configmaps, deployments]
  syncTo: kubernetes
";
    world.commit("web.yaml", &deployment("web", 5, ""));
    let ferry = world.ferry(RULES).await;
    world.until_live("Deployment", "web", "/spec/replicas", 5).await;
    let (least, ended) = (Arc::new(AtomicI64::new(i64::MAX)), Arc::new(AtomicBool::new(false)));
    let mut load = Vec::new();
    for task in 0..2 {
        let (kubectl, least, ended) = (world.kubectl.clone(), least.clone(), ended.clone());
        load.push(tokio::spawn(async move {
            let mut round = 0;
            while !ended.load(Ordering::Relaxed) {
                let live = kubectl.get("Deployment", "web").await.unwrap();
                least.fetch_min(live["spec"]["replicas"].as_i64().unwrap(), Ordering::Relaxed);
                round += 1;
                // One only looks, the other scales as well.
                if task == 0 && round % 5 == 0 {
                    kubectl.scale("web", 4 + round % 7).await;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }));
    }
    for round in 0..4 {
        world.rules(if round % 2 == 0 { SPLIT } else { RULES });
        let marker = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: marker, namespace: NAMESPACE}}\ndata: {{round: 'r{round}'}}\n"
        );
        world.commit("marker.yaml", &marker);
        let rules = if round % 2 == 0 { 2 } else { 1 };
        ferry.until_status("the rules", |page| (page.rules.list.len() == rules).then_some(())).await;
        world.until_live("ConfigMap", "marker", "/data/round", format!("r{round}")).await;
    }
    ended.store(true, Ordering::Relaxed);
    for task in load {
        task.await.unwrap();
    }
    assert!((4..i64::MAX).contains(&least.load(Ordering::Relaxed)), "{least:?}");
    // In the end the cluster decides again: what somebody scales to arrives in Git.
    world.rules(SPLIT);
    ferry.until_status("the rules", |page| (page.rules.list.len() == 2).then_some(())).await;
    world.kubectl.scale("web", 13).await;
    until("the file", || async { world.file("web.yaml")?.contains("replicas: 13").then_some(()) }).await;
}

async fn objects_in_sync_cost_a_new_process_nothing(world: &World) {
    let map = |name: &str, number: usize| {
        format!(
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}-{number}, namespace: NAMESPACE}}\ndata: {{a: '{number}'}}\n"
        )
    };
    let all = |name: &str| (0..150).map(|number| map(name, number)).collect::<String>();
    world.commit("down.yaml", &all("down"));
    world.commit("up.yaml", &all("up"));
    for document in crate::kubectl::documents(&world.text(&all("up"))) {
        world.kubectl.create(&document.to_string()).await;
    }
    let rules = "
rules:
- {name: down, namespaces: [NAMESPACE], resources: [configmaps], names: ['down-*'], syncTo: kubernetes}
- {name: up, namespaces: [NAMESPACE], resources: [configmaps], names: ['up-*'], syncTo: git}
";
    let ferry = world.ferry(rules).await;
    ferry
        .until_status("agreement", |page| {
            let agreed: usize = page.rules.list.iter().map(|rule| rule.objects).sum();
            (agreed == 300 && page.objects.list.is_empty()).then_some(())
        })
        .await;
    assert_eq!(ferry.terminate().await, Some(0));
    let commits = world.log().len();

    let ferry = world.ferry(rules).await;
    ferry
        .until_status("agreement", |page| {
            let agreed: usize = page.rules.list.iter().map(|rule| rule.objects).sum();
            (agreed == 300).then_some(())
        })
        .await;
    let page = ferry.status().await;
    assert_eq!((page.counters.done(), page.objects.list.len(), world.log().len()), (0, 0, commits));
    let (_, metrics) = kubeferry::http::client::get(&format!("{}/metrics", ferry.url())).await.unwrap();
    assert!(metrics.contains("kubeferry_apply_seconds_count 0"), "a PATCH was sent");
}
