//! What goes wrong in daily life, and what must not come of it.

use serde_json::json;

use crate::ferry::{Ferry, until};
use crate::world::World;

journeys! {
    a_refused_manifest_holds_up_nothing_else,
    a_broken_manifest_deletes_nothing,
    a_manifest_moved_to_another_file_stays_live,
    what_is_deleted_while_nobody_looks_is_kept,
    a_replaced_object_keeps_its_manifest,
    a_namespace_and_what_it_holds_arrive_in_one_commit,
    what_observe_finds_is_only_told,
    ; real only:
    a_definition_and_its_object_arrive_in_one_commit,
}

const TO_CLUSTER: &str = "
rules:
- name: all
  namespaces: [NAMESPACE]
  resources: [configmaps, services, deployments]
  syncTo: kubernetes
";

const TO_GIT: &str = "
rules:
- name: all
  namespaces: [NAMESPACE]
  resources: [configmaps]
  syncTo: git
";

fn config_map(name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: NAMESPACE\ndata:\n  key: {value}\n"
    )
}

/// Waits until the page says this of an object; answers why.
async fn until_state(ferry: &Ferry, object: &str, state: &str) -> String {
    ferry
        .until_status(&format!("{object} to be {state}"), |page| {
            let line = page.objects.list.iter().find(|line| line.object.ends_with(object))?;
            (line.state.to_string() == state).then(|| line.reason.clone())
        })
        .await
}

async fn a_refused_manifest_holds_up_nothing_else(world: &World) {
    let service =
        "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: NAMESPACE}\nspec: {ports: [{port: 99999}]}\n";
    world.commit("bad.yaml", service);
    world.commit("good.yaml", &config_map("good", "one"));
    let ferry = world.ferry(TO_CLUSTER).await;
    world.until_live("ConfigMap", "good", "/data/key", "one").await;
    let reason = until_state(&ferry, "/web", "failed").await;
    assert!(reason.contains("99999") || reason.contains("65535"), "{reason}");
    world.commit("bad.yaml", &service.replace("99999", "80"));
    world.until_live("Service", "web", "/spec/ports/0/port", 80).await;
    ferry.until_status("peace", |page| page.objects.list.is_empty().then_some(())).await;
}

async fn a_broken_manifest_deletes_nothing(world: &World) {
    let two = format!("{}---\n{}", config_map("one", "a"), config_map("two", "a"));
    world.commit("two.yaml", &two);
    world.commit("other.yaml", &config_map("other", "a"));
    world.commit("another.yaml", &config_map("another", "a"));
    let ferry = world.ferry(TO_CLUSTER).await;
    for name in ["one", "two", "other", "another"] {
        world.until_live("ConfigMap", name, "/data/key", "a").await;
    }
    // Both objects still show in it; what vanishes elsewhere in that commit is another matter.
    let broken = format!("<<<<<<< HEAD\n{two}=======\n>>>>>>> theirs\n");
    world.repo.commit("main", "Merge", &[("two.yaml", Some(world.text(&broken).as_bytes())), ("another.yaml", None)]);
    until_state(&ferry, "/one", "held").await;
    until_state(&ferry, "/two", "held").await;
    world.until_gone("ConfigMap", "another").await;
    assert!(ferry.status().await.files.list.iter().all(|line| &*line.place.path == "two.yaml"));
    // Nothing shows in this: what vanished in the same commit could have been moved into it.
    world.repo.commit("main", "Merge", &[("two.yaml", Some(b"a: [\n")), ("other.yaml", None)]);
    until_state(&ferry, "/one", "held").await;
    until_state(&ferry, "/other", "held").await;
    for name in ["one", "two", "other"] {
        assert!(world.kubectl.get("ConfigMap", name).await.is_some(), "{name}");
    }
    let commit = world.commit("two.yaml", &two);
    world.until_gone("ConfigMap", "other").await;
    ferry.until_synced(&commit).await;
    assert_eq!(ferry.status().await.objects.list, []);
    world.until_live("ConfigMap", "one", "/data/key", "a").await;
}

async fn a_manifest_moved_to_another_file_stays_live(world: &World) {
    for name in ["one", "two", "three"] {
        world.commit(&format!("{name}.yaml"), &config_map(name, "a"));
    }
    let ferry = world.ferry(TO_CLUSTER).await;
    world.until_live("ConfigMap", "one", "/data/key", "a").await;
    let uid = world.kubectl.get("ConfigMap", "one").await.unwrap()["metadata"]["uid"].clone();
    let moved = world.text(&config_map("one", "b"));
    let commit = world.repo.commit("main", "Move", &[("one.yaml", None), ("deep/moved.yaml", Some(moved.as_bytes()))]);
    world.until_live("ConfigMap", "one", "/data/key", "b").await;
    ferry.until_synced(&commit.to_string()).await;
    assert_eq!(world.kubectl.get("ConfigMap", "one").await.unwrap()["metadata"]["uid"], uid);
}

async fn what_is_deleted_while_nobody_looks_is_kept(world: &World) {
    world.commit("one.yaml", &config_map("one", "a"));
    world.commit("two.yaml", &config_map("two", "a"));
    let mut ferry = world.ferry(TO_CLUSTER).await;
    world.until_live("ConfigMap", "one", "/data/key", "a").await;
    world.until_live("ConfigMap", "two", "/data/key", "a").await;
    ferry.kill();
    let commit = world.remove("one.yaml");
    let ferry = world.ferry(TO_CLUSTER).await;
    until_state(&ferry, "/one", "not-ours").await;
    ferry.until_synced(&commit).await;
    assert!(world.kubectl.get("ConfigMap", "one").await.is_some());
    drop(ferry);

    // And the other way.
    world.kubectl.delete("ConfigMap", "two").await;
    let ferry = world.ferry(TO_GIT).await;
    until_state(&ferry, "/two", "missing").await;
    assert!(world.file("two.yaml").is_some());
    // What a person once applied is taken into Git when the direction changes.
    crate::ferry::until("the manifest of one", || async { world.file(&world.text("NAMESPACE/ConfigMap/one.yaml")) })
        .await;
}

async fn a_replaced_object_keeps_its_manifest(world: &World) {
    let text = format!("# kept\n{}", config_map("one", "a"));
    world.commit("one.yaml", &text);
    world.kubectl.create(&world.text(&text)).await;
    let ferry = world.ferry(&format!("deleteDelay: 20s\n{TO_GIT}")).await;
    world.kubectl.delete("ConfigMap", "one").await;
    world.kubectl.create(&world.text(&text.replace("key: a", "key: b"))).await;
    world.until_file("one.yaml", &text.replace("key: a", "key: b")).await;
    let head = world.log()[0].id.clone();
    ferry.until_synced(&head).await;
    assert_eq!(world.log().len(), 2, "{:?}", world.log());
}

const CONTAINER_ROLES: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: write-namespaces}
rules:
- apiGroups: ['']
  resources: [namespaces]
  verbs: [get, list, watch, create, patch]
- apiGroups: ['']
  resources: [configmaps]
  verbs: [create, patch]
";

async fn a_namespace_and_what_it_holds_arrive_in_one_commit(world: &World) {
    world.role(CONTAINER_ROLES).await;
    world.commit("README.md", "# Shop\n");
    let ferry = world
        .ferry(
            "
rules:
- resources: [namespaces]
  names: [NAMESPACE-more]
  syncTo: kubernetes
- resources: [configmaps]
  namespaces: [NAMESPACE-more]
  syncTo: kubernetes
",
        )
        .await;
    let map = config_map("one", "a").replace("NAMESPACE", "NAMESPACE-more");
    let space = "apiVersion: v1\nkind: Namespace\nmetadata: {name: NAMESPACE-more}\n";
    let commit = world.commit("more.yaml", &format!("{map}---\n{space}"));
    let path = format!("/api/v1/namespaces/{}-more/configmaps/one", world.namespace);
    let live = until("the object in the new namespace", || async {
        world.kubectl.call(http::Method::GET, &path, None).await.ok()
    })
    .await;
    assert_eq!(live["data"]["key"], "a");
    ferry.until_status("peace", |page| page.objects.list.is_empty().then_some(())).await;
    ferry.until_synced(&commit).await;
}

async fn what_observe_finds_is_only_told(world: &World) {
    world.commit("one.yaml", &config_map("one", "a"));
    world.commit("two.yaml", &config_map("two", "a"));
    world.kubectl.create(&world.text(&config_map("two", "b"))).await;
    world.kubectl.create(&world.text(&config_map("three", "a"))).await;
    let ferry = world.ferry(&TO_GIT.replace("syncTo: git", "syncTo: observe")).await;
    for name in ["/one", "/two", "/three"] {
        until_state(&ferry, name, "differs").await;
    }
    assert!(world.kubectl.get("ConfigMap", "one").await.is_none());
    world.until_live("ConfigMap", "two", "/data/key", "b").await;
    assert_eq!(world.log().len(), 2);
    world.kubectl.patch("ConfigMap", "two", json!({"data": {"key": "a"}})).await;
    ferry
        .until_status("the agreement", |page| {
            page.objects.list.iter().all(|line| !line.object.ends_with("/two")).then_some(())
        })
        .await;
}

const DEFINITION: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: lamps.journeys.example}
spec:
  group: journeys.example
  scope: Namespaced
  names: {kind: Lamp, plural: lamps, singular: lamp}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties: {spec: {type: object, properties: {colour: {type: string, default: white}, watt: {type: integer}}}}
";

const DEFINITION_ROLES: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: write-definitions}
rules:
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  verbs: [create, patch]
- apiGroups: [journeys.example]
  resources: [lamps]
  verbs: [get, list, watch, create, patch]
";

async fn a_definition_and_its_object_arrive_in_one_commit(world: &World) {
    world.role(DEFINITION_ROLES).await;
    world.commit("README.md", "# Shop\n");
    let ferry = world
        .ferry(
            "
rules:
- resources: [customresourcedefinitions]
  names: [lamps.journeys.example]
  syncTo: kubernetes
- apiGroups: [journeys.example]
  namespaces: [NAMESPACE]
  syncTo: kubernetes
",
        )
        .await;
    let lamp =
        "apiVersion: journeys.example/v1\nkind: Lamp\nmetadata: {name: desk, namespace: NAMESPACE}\nspec: {watt: 7}\n";
    let commit = world.commit("lamps.yaml", &format!("{lamp}---{DEFINITION}"));
    let path = format!("/apis/journeys.example/v1/namespaces/{}/lamps/desk", world.namespace);
    let live = until("the lamp", || async { world.kubectl.call(http::Method::GET, &path, None).await.ok() }).await;
    assert_eq!(live["spec"], json!({"watt": 7, "colour": "white"}));
    ferry.until_status("peace", |page| page.objects.list.is_empty().then_some(())).await;
    ferry.until_synced(&commit).await;
}
