//! Cluster to Git: what is made, edited, scaled and deleted with kubectl ends up in the repository.

use serde_json::json;

use crate::world::World;

journeys! {
    a_live_object_gets_a_manifest,
    edits_and_scaling_are_written_back,
    a_deleted_object_loses_its_manifest,
    a_deleted_namespace_keeps_its_manifests,
}

const RULES: &str = "
rules:
- name: all
  namespaces: [NAMESPACE]
  resources: [configmaps, services, deployments]
  syncTo: git
";

const WEB: &str = "\
# The front door.
apiVersion: apps/v1
kind: Deployment
metadata:
    name: web # never rename
    namespace: NAMESPACE
spec:
    replicas: 2   # as many as there are zones
    selector: {matchLabels: {app: web}}
    template:
        metadata: {labels: {app: web}}
        spec:
            containers:
            -   name: web
                image: \"registry.example/web:1\" # pinned
";

const NOTES: &str = "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: notes
  namespace: NAMESPACE
data:
  # what this is for
  purpose: testing
";

async fn a_live_object_gets_a_manifest(world: &World) {
    world.commit("README.md", "# Shop\n");
    let ferry = world.ferry(RULES).await;
    world
        .kubectl
        .create("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {size: '3', on: 'yes'}}")
        .await;
    world
        .until_file(
            "NAMESPACE/ConfigMap/settings.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n  namespace: NAMESPACE\ndata:\n  \"on\": \"yes\"\n  size: \"3\"\n",
        )
        .await;
    let log = world.log();
    assert_eq!(log.len(), 2, "{log:?}");
    assert_eq!((log[0].name.as_str(), log[0].email.as_str()), ("kubeferry", "kubeferry@localhost"));
    assert!(log[0].message.contains("settings"), "{}", log[0].message);
    let trailer = format!("\nKubeferry-Instance: {}/{} ", world.home, world.namespace);
    assert!(log[0].message.contains(&trailer), "{}", log[0].message);

    let head = log[0].id.clone();
    ferry.until_synced(&head).await;
    assert!(world.file("NAMESPACE/ConfigMap/kube-root-ca.crt.yaml").is_none());
    assert_eq!(ferry.status().await.objects.list, []);
}

async fn edits_and_scaling_are_written_back(world: &World) {
    world.kubectl.create(&world.text(WEB)).await;
    world.kubectl.create(&world.text(NOTES)).await;
    world.commit("apps/web.yaml", WEB);
    world.commit("notes.yaml", NOTES);
    let ferry = world.ferry(RULES).await;
    assert_eq!(world.log().len(), 2, "what agrees is not written: {:?}", world.log());

    world.kubectl.scale("web", 5).await;
    let scaled = WEB.replace("replicas: 2 ", "replicas: 5 ");
    world.until_file("apps/web.yaml", &scaled).await;
    let message = world.log()[0].message.clone();
    assert!(message.starts_with(&world.text("Update Deployment.apps NAMESPACE/web")), "{message}");
    assert!(message.contains(": .spec.replicas 2 -> 5 (rule all, set by "), "{message}");
    assert!(message.contains(" (scale))\n"), "{message}");

    let image =
        json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "registry.example/web:2"}]}}}});
    world.kubectl.patch("Deployment", "web", image).await;
    world.until_file("apps/web.yaml", &scaled.replace("web:1", "web:2")).await;

    let labels =
        json!({"metadata": {"labels": {"team": "shop"}}, "data": {"purpose": "proving", "more": "text\nof lines\n"}});
    world.kubectl.patch("ConfigMap", "notes", labels).await;
    let notes = NOTES
        .replace("testing\n", "proving\n  more: |\n    text\n    of lines\n")
        .replace("  namespace: NAMESPACE\n", "  namespace: NAMESPACE\n  labels:\n    team: shop\n");
    world.until_file("notes.yaml", &notes).await;

    world.kubectl.patch("ConfigMap", "notes", json!({"metadata": {"labels": null}, "data": {"more": null}})).await;
    world.until_file("notes.yaml", &NOTES.replace("testing", "proving")).await;
    let head = world.log()[0].id.clone();
    ferry.until_synced(&head).await;
    assert_eq!(ferry.status().await.objects.list, []);
}

async fn a_deleted_object_loses_its_manifest(world: &World) {
    world.kubectl.create(&world.text(WEB)).await;
    world.kubectl.create(&world.text(NOTES)).await;
    let two = format!("{NOTES}---\n{}", NOTES.replace("notes", "other"));
    world.commit("web.yaml", WEB);
    world.commit("two.yaml", &two);
    let ferry = world.ferry(RULES).await;
    // Never live, so never agreed: nobody knows whether it is still wanted.
    ferry
        .until_status("the other to be missing", |page| {
            page.objects
                .list
                .iter()
                .find(|line| line.object.ends_with("/other") && line.state.to_string() == "missing")
                .map(|_| ())
        })
        .await;

    world.kubectl.delete("Deployment", "web").await;
    world.until_no_file("web.yaml").await;
    world.until_file("two.yaml", &two).await;
    world.kubectl.delete("ConfigMap", "notes").await;
    world.until_file("two.yaml", &NOTES.replace("notes", "other")).await;

    // Made again, it stands where it stood, as it stood.
    world.kubectl.create(&world.text(WEB)).await;
    world.until_file("web.yaml", WEB).await;
}

async fn a_deleted_namespace_keeps_its_manifests(world: &World) {
    world.kubectl.create(&world.text(NOTES)).await;
    world.commit("notes.yaml", NOTES);
    let ferry = world.ferry(RULES).await;
    world.kubectl.delete("Namespace", &world.namespace).await;
    world.until_gone("Namespace", &world.namespace).await;
    let reason = ferry
        .until_status("the manifest to be held", |page| {
            let line = page.objects.list.iter().find(|line| line.object.ends_with("/notes"))?;
            (line.state.to_string() == "held").then(|| line.reason.clone())
        })
        .await;
    assert!(reason.contains("has gone"), "{reason}");
    assert_eq!(world.file("notes.yaml"), Some(world.text(NOTES)));
    assert_eq!(world.log().len(), 1);
}
