//! Two rules that share one object between the two directions.

use serde_json::json;

use crate::world::World;

journeys! { what_is_created_under_a_split_keeps_its_scale, two_rules_split_one_object }

/// Replicas are decided in the cluster, everything else in Git.
pub const RULES: &str = "
rules:
- name: replicas
  namespaces: [NAMESPACE]
  apiGroups: [apps]
  resources: [deployments]
  filters: [/spec/replicas]
  syncTo: git
- name: rest
  namespaces: [NAMESPACE]
  resources: [configmaps, deployments]
  syncTo: kubernetes
";

/// One file with two objects, in a style of its own.
pub const MANIFEST: &str = "\
# The front door.
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web   # never rename
  namespace: NAMESPACE
  labels: { app: web }
spec:
  replicas: 2   # as the cluster decides

  selector: { matchLabels: { app: web } }
  template:
    metadata:
      labels: { app: web }
    spec:
      containers:
        - name: web
          image: \"registry.example/web:1\"   # pinned
          resources: { limits: { cpu: '0.5', memory: 1G } }
--- # another one
apiVersion: v1
kind: ConfigMap
metadata: { name: settings, namespace: NAMESPACE }
data:
  'title':   Shop
  text: |+
    two
    lines

...
";

/// Drives the split through both directions; ends in sync with five replicas and the second image.
pub async fn both_ways(world: &World) -> String {
    world.until_live("Deployment", "web", "/spec/replicas", 2).await;
    world.kubectl.scale("web", 5).await;
    let scaled = MANIFEST.replace("replicas: 2 ", "replicas: 5 ");
    world.until_file("web.yaml", &scaled).await;

    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "by-hand:1"}]}}}});
    world.kubectl.patch("Deployment", "web", image).await;
    let image = "/spec/template/spec/containers/0/image";
    world.until_live("Deployment", "web", image, "registry.example/web:1").await;

    let newer = scaled.replace("web:1", "web:2");
    world.commit("web.yaml", &newer);
    world.until_live("Deployment", "web", image, "registry.example/web:2").await;
    world.until_live("Deployment", "web", "/spec/replicas", 5).await;
    newer
}

async fn two_rules_split_one_object(world: &World) {
    world.commit("web.yaml", MANIFEST);
    let ferry = world.ferry(RULES).await;
    let text = both_ways(world).await;
    let head = world.log()[0].id.clone();
    ferry.until_synced(&head).await;
    world.until_file("web.yaml", &text).await;
    assert_eq!(world.log().len(), 3, "{:?}", world.log());
    assert_eq!(ferry.status().await.objects.list, []);
}

async fn what_is_created_under_a_split_keeps_its_scale(world: &World) {
    world.commit("README.md", "# Shop\n");
    let ferry = world.ferry(RULES).await;
    world.commit("web.yaml", MANIFEST);
    // Scaled as soon as it is there, while kubeferry still gives up the first value.
    world.until_live("Deployment", "web", "/spec/replicas", 2).await;
    world.kubectl.scale("web", 6).await;
    let scaled = MANIFEST.replace("replicas: 2 ", "replicas: 6 ");
    world.until_file("web.yaml", &scaled).await;
    let head = world.log()[0].id.clone();
    ferry.until_synced(&head).await;
    // And through a later change of the rest.
    world.commit("web.yaml", &scaled.replace("web:1", "web:2"));
    world.until_live("Deployment", "web", "/spec/template/spec/containers/0/image", "registry.example/web:2").await;
    world.until_live("Deployment", "web", "/spec/replicas", 6).await;
    assert_eq!(world.file("web.yaml"), Some(world.text(&scaled.replace("web:1", "web:2"))));
}
