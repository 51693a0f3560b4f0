//! Git to cluster: what is pushed is applied, and what is changed by hand is put right.

use serde_json::{Value, json};

use crate::world::World;

journeys! { a_push_is_applied, drift_is_corrected, a_removed_manifest_is_pruned, an_emptied_repository_deletes_nothing }

const RULES: &str = "
rules:
- name: all
  namespaces: [NAMESPACE]
  resources: [configmaps, services, deployments]
  syncTo: kubernetes
";

const SETTINGS: &str = "
# What the shop is called.
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  namespace: NAMESPACE
data:
  title: Shop
  size: '3'
";

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NAMESPACE}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: registry.example/web:1
        ports: [{containerPort: 80}]
        resources: {requests: {cpu: 1000m, memory: 1024Mi}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: NAMESPACE}
spec:
  selector: {app: web}
  ports: [{port: 80}]
";

async fn a_push_is_applied(world: &World) {
    world.commit("settings.yaml", SETTINGS);
    let ferry = world.ferry(RULES).await;
    world.until_live("ConfigMap", "settings", "/data/title", "Shop").await;

    let commit = world.commit("deep/below/web.yml", WEB);
    world.until_live("Deployment", "web", "/spec/replicas", 2).await;
    world.until_live("Service", "web", "/spec/ports/0/port", 80).await;
    ferry.until_synced(&commit).await;

    let commit = world.commit("settings.yaml", &SETTINGS.replace("Shop", "Bazaar").replace("  size: '3'\n", ""));
    world.until_live("ConfigMap", "settings", "/data", json!({"title": "Bazaar"})).await;
    ferry.until_synced(&commit).await;

    let live = world.kubectl.get("ConfigMap", "settings").await.unwrap();
    let managers: Vec<&str> =
        live["metadata"]["managedFields"].as_array().unwrap().iter().filter_map(|it| it["manager"].as_str()).collect();
    assert_eq!(managers, [format!("kubeferry:{}/{}", world.home, world.namespace)]);
    assert_eq!(ferry.status().await.objects.list, []);
    assert_eq!(world.log().len(), 3, "nothing is committed: {:?}", world.log());
}

async fn drift_is_corrected(world: &World) {
    world.commit("all.yaml", &format!("{SETTINGS}---{WEB}"));
    let _ferry = world.ferry(RULES).await;
    world.until_live("Deployment", "web", "/spec/replicas", 2).await;

    world.kubectl.patch("ConfigMap", "settings", json!({"data": {"title": "Changed by hand", "own": "kept"}})).await;
    world.until_live("ConfigMap", "settings", "/data/title", "Shop").await;
    world.kubectl.scale("web", 7).await;
    world.until_live("Deployment", "web", "/spec/replicas", 2).await;
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "other:2"}]}}}});
    world.kubectl.patch("Deployment", "web", image).await;
    world.until_live("Deployment", "web", "/spec/template/spec/containers/0/image", "registry.example/web:1").await;
    world.kubectl.delete("Service", "web").await;
    world.until_live("Service", "web", "/spec/ports/0/port", 80).await;
    // What Git does not speak of is somebody else's.
    world.until_live("ConfigMap", "settings", "/data/own", "kept").await;
}

async fn a_removed_manifest_is_pruned(world: &World) {
    world.commit("settings.yaml", SETTINGS);
    world.commit("web.yaml", WEB);
    world.commit("more.yaml", &SETTINGS.replace("settings", "more"));
    let ferry = world.ferry(RULES).await;
    for (kind, name) in [("ConfigMap", "settings"), ("ConfigMap", "more"), ("Service", "web")] {
        world.until_live(kind, name, "/metadata/name", name).await;
    }
    world.kubectl.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: foreign}}").await;

    let commit = world.remove("settings.yaml");
    world.until_gone("ConfigMap", "settings").await;
    ferry.until_synced(&commit).await;
    for (kind, name) in [("ConfigMap", "more"), ("Deployment", "web"), ("Service", "web"), ("ConfigMap", "foreign")] {
        assert!(world.kubectl.get(kind, name).await.is_some(), "{kind} {name}");
    }
}

async fn an_emptied_repository_deletes_nothing(world: &World) {
    world.commit("settings.yaml", SETTINGS);
    world.commit("web.yaml", WEB);
    let ferry = world.ferry(RULES).await;
    world.until_live("Service", "web", "/spec/ports/0/port", 80).await;

    let commit = world.repo.replace("main", "Start anew", &[("README.md", "nothing here\n")]).to_string();
    let held = ferry
        .until_status("the deletes to be held", |page| {
            let held: Vec<_> = page.objects.list.iter().filter(|line| line.state.to_string() == "held").collect();
            (page.git.head.as_ref() == Some(&commit) && held.len() == 3).then(|| held[0].reason.clone())
        })
        .await;
    assert!(held.contains("without any object"), "{held}");
    for (kind, name) in [("ConfigMap", "settings"), ("Deployment", "web"), ("Service", "web")] {
        let live: Value = world.kubectl.get(kind, name).await.unwrap();
        assert_eq!(live["metadata"].get("deletionTimestamp"), None, "{kind} {name}");
    }
}
