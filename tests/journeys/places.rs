//! Fields that do not go to a manifest: into patches, into a chart's values, into a kustomization.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::world::World;

journeys! {
    a_live_value_changes_one_line_of_a_charts_values,
    a_live_value_lands_in_a_kustomization,
    a_value_is_made_into_another_on_its_way,
    a_field_goes_to_another_path_of_its_manifest,
    replicas_are_handed_over_to_a_patch,
    new_files_are_listed_and_unlisted;
    real only:
    kubectl_accepts_the_patches_of_every_strategy,
    kubectl_builds_what_the_cluster_says,
}

const WEB: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: NAMESPACE
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      nodeSelector: {disk: ssd}
      containers:
      - name: web
        image: registry.example/web:1.0
        env: [{name: LEVEL, value: info}]
      - name: side
        image: registry.example/side:1.0
";

const VALUES: &str = "\
# Values of the chart `web`.

replicaCount: 2      # as many as there are zones
image:
    repository: \"registry.example/web\"
    tag: '1.0'   # pinned

service: {type: ClusterIP, port: 80}
";

/// Nothing moves by itself: `once` finds both sides in sync and commits nothing.
async fn rests(world: &World) {
    let commits = world.log().len();
    let (code, shown, errors) = world.command().output(&["once"]).await;
    assert_eq!(code, 0, "{shown}{errors}");
    assert_eq!(world.log().len(), commits, "{:?}", world.log());
    let (code, shown, errors) = world.command().output(&["diff"]).await;
    assert_eq!(code, 0, "{shown}{errors}");
}

async fn a_live_value_changes_one_line_of_a_charts_values(world: &World) {
    world.commit("chart/values.yaml", VALUES);
    world.kubectl.create(&world.text(WEB)).await;
    let ferry = world
        .ferry(
            "
rules:
- name: values
  namespaces: [NAMESPACE]
  resources: [deployments]
  fields:
  - {path: .spec.replicas, to: 'chart/values.yaml#/replicaCount'}
  syncTo: git
",
        )
        .await;
    world.kubectl.scale("web", 5).await;
    let scaled = VALUES.replace("replicaCount: 2", "replicaCount: 5");
    world.until_file("chart/values.yaml", &scaled).await;
    let message = world.log()[0].message.clone();
    assert!(message.contains(": .spec.replicas 2 -> 5 (rule values, set by "), "{message}");
    let head = world.commit("chart/values.yaml", &VALUES.replace("ClusterIP", "NodePort"));
    world.until_file("chart/values.yaml", &scaled.replace("ClusterIP", "NodePort")).await;
    assert_ne!(world.log()[0].id, head);
    assert_eq!(world.log().len(), 4, "{:?}", world.log());
    ferry.until_synced(&world.log()[0].id).await;
    assert_eq!(ferry.terminate().await, Some(0));
    rests(world).await;
}

const KUSTOMIZATION: &str = "\
# What runs here.
resources:
  - web.yaml
images:
  - name: registry.example/web   # the shop
    newTag: \"1.0\"
";

async fn a_live_value_lands_in_a_kustomization(world: &World) {
    world.commit("app/kustomization.yaml", KUSTOMIZATION);
    world.kubectl.create(&world.text(WEB)).await;
    let ferry = world
        .ferry(
            "
rules:
- name: scale
  namespaces: [NAMESPACE]
  resources: [deployments]
  fields:
  - path: .spec.replicas
    to: \"app/kustomization.yaml#.replicas[?(@.name=='{{ .Name }}')].count\"
  syncTo: git
",
        )
        .await;
    let listed = format!("{KUSTOMIZATION}replicas:\n  - name: web\n    count: 2\n");
    world.until_file("app/kustomization.yaml", &listed).await;
    world.kubectl.scale("web", 4).await;
    world.until_file("app/kustomization.yaml", &listed.replace("count: 2", "count: 4")).await;
    ferry.until_synced(&world.log()[0].id).await;
    assert_eq!(ferry.terminate().await, Some(0));
    rests(world).await;
}

async fn a_value_is_made_into_another_on_its_way(world: &World) {
    world.commit("app/kustomization.yaml", KUSTOMIZATION);
    world.kubectl.create(&world.text(WEB)).await;
    let ferry = world
        .ferry(
            "
rules:
- name: tags
  namespaces: [NAMESPACE]
  resources: [deployments]
  fields:
  - path: \".spec.template.spec.containers[?(@.name=='web')].image\"
    transform: value.split(':')[1]
    to: \"app/kustomization.yaml#.images[?(@.name=='registry.example/web')].newTag\"
  - {path: .spec.replicas, transform: 'object.nothing.here', to: 'app/values.yaml#/replicas'}
  syncTo: git
",
        )
        .await;
    let image =
        json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "registry.example/web:1.1"}]}}}});
    world.kubectl.patch("Deployment", "web", image).await;
    world.until_file("app/kustomization.yaml", &KUSTOMIZATION.replace("1.0", "1.1")).await;
    assert_eq!(world.file("app/values.yaml"), None, "an expression that fails writes nothing");
    let said = ferry.status().await.objects.list;
    assert!(format!("{said:?}").contains("object.nothing.here"), "{said:?}");
}

async fn a_field_goes_to_another_path_of_its_manifest(world: &World) {
    world.commit("web.yaml", WEB);
    let ferry = world
        .ferry(
            "
rules:
- name: note
  namespaces: [NAMESPACE]
  resources: [deployments]
  fields: [{path: .spec.paused, to: /metadata/annotations/paused}, {path: .spec.replicas}]
  syncTo: git
- name: rest
  namespaces: [NAMESPACE]
  resources: [deployments]
  syncTo: kubernetes
",
        )
        .await;
    world.until_live("Deployment", "web", "/spec/replicas", 2).await;
    world.kubectl.patch("Deployment", "web", json!({"spec": {"replicas": 3, "paused": true}})).await;
    let noted = WEB.replace("replicas: 2", "replicas: 3");
    let noted = noted.replace("  namespace: NAMESPACE\n", "  namespace: NAMESPACE\n  annotations:\n    paused: true\n");
    world.until_file("web.yaml", &noted).await;
    ferry.until_synced(&world.log()[0].id).await;
    assert_eq!(world.log().len(), 2, "{:?}", world.log());
}

const HANDOVER: &str = "
rules:
- name: scale
  namespaces: [NAMESPACE]
  resources: [deployments]
  fields: [.spec.replicas]
  format: kustomize-patch
  path: 'app/{{ .Name }}.patch.yaml'
  syncTo: git
- name: rest
  namespaces: [NAMESPACE]
  resources: [deployments]
  syncTo: kubernetes
";

async fn replicas_are_handed_over_to_a_patch(world: &World) {
    world.commit("app/web.yaml", WEB);
    world.commit("app/kustomization.yaml", "resources:\n- web.yaml\n");
    let ferry = world.ferry(HANDOVER).await;
    world.until_live("Deployment", "web", "/spec/replicas", 2).await;
    world.kubectl.scale("web", 5).await;
    let patch =
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  namespace: NAMESPACE\nspec:\n  replicas: 5\n";
    world.until_file("app/web.patch.yaml", patch).await;
    world.until_file("app/kustomization.yaml", "resources:\n- web.yaml\npatches:\n- path: web.patch.yaml\n").await;
    assert_eq!(world.log().len(), 3, "both in one commit: {:?}", world.log());
    world.commit("app/web.patch.yaml", &patch.replace("replicas: 5", "replicas: 1 # by hand"));
    world.until_file("app/web.patch.yaml", &patch.replace("replicas: 5", "replicas: 5 # by hand")).await;
    world.commit("app/web.yaml", &WEB.replace("web:1.0", "web:2.0"));
    world.until_live("Deployment", "web", "/spec/template/spec/containers/0/image", "registry.example/web:2.0").await;
    world.until_live("Deployment", "web", "/spec/replicas", 5).await;
    ferry.until_synced(&world.log()[0].id).await;
    assert_eq!(ferry.terminate().await, Some(0));
    rests(world).await;
    let (code, shown, errors) = world.command().output(&["explain", "deploy", &world.text("NAMESPACE/web")]).await;
    assert_eq!(code, 0, "{errors}");
    assert!(shown.contains("Patch: app/web.patch.yaml:1"), "{shown}");
    world.kubectl.scale("web", 6).await;
    let (code, shown, _) = world.command().output(&["diff"]).await;
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("git app/web.patch.yaml"), "{shown}");
    assert!(shown.contains("-  replicas: 5 # by hand\n+  replicas: 6 # by hand\n"), "the very text: {shown}");
}

async fn new_files_are_listed_and_unlisted(world: &World) {
    let before = "resources:\n  - ./other.yaml # by hand\n";
    world.commit("app/kustomization.yaml", before);
    let ferry = world
        .ferry(
            "
rules:
- name: capture
  namespaces: [NAMESPACE]
  resources: [configmaps]
  names: [settings]
  path: 'app/{{ .Name }}.yaml'
  syncTo: git
",
        )
        .await;
    world.kubectl.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {size: '3'}}").await;
    world.until_file("app/kustomization.yaml", &format!("{before}  - settings.yaml\n")).await;
    ferry.until_synced(&world.log()[0].id).await;
    world.kubectl.delete("ConfigMap", "settings").await;
    world.until_no_file("app/settings.yaml").await;
    assert_eq!(world.file("app/kustomization.yaml").as_deref(), Some(before));
    assert_eq!(world.log().len(), 3, "{:?}", world.log());
}

/// Runs the real kubectl, as kubeferry's own account.
fn kubectl(world: &World, arguments: &[&str]) -> String {
    let program = Path::new(&std::env::var_os("KUBEBUILDER_ASSETS").unwrap()).join("kubectl");
    let mut command = Command::new(program);
    command.env("KUBECONFIG", world.kubeconfig()).current_dir(world.folder()).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn kubectl_accepts_the_patches_of_every_strategy(world: &World) {
    world.kubectl.create(&world.text(WEB)).await;
    world.commit("README.md", "# Shop\n");
    let strategies = [("strategic-merge", "strategic"), ("json-merge", "merge"), ("replace", "strategic")];
    for (strategy, kind) in strategies {
        world.rules(&format!(
            "
rules:
- name: patch
  namespaces: [NAMESPACE]
  resources: [deployments]
  fields:
  - .spec.replicas
  - .spec.template.spec.nodeSelector
  - \".spec.template.spec.containers[?(@.name=='web')].image\"
  - \".spec.template.spec.containers[?(@.name=='web')].env\"
  format: patch
  strategy: {strategy}
  path: '{strategy}.yaml'
  syncTo: git
"
        ));
        let (code, shown, errors) = world.command().output(&["once"]).await;
        assert_eq!(code, 0, "{shown}{errors}");
        let text = world.file(&format!("{strategy}.yaml")).unwrap();
        assert_eq!(text.contains("side"), kind == "merge", "a list stands as a whole only there: {text}");
        assert_eq!(text.contains("$patch"), strategy == "replace", "{text}");
        let file = world.folder().join(strategy);
        std::fs::write(&file, text).unwrap();
        let answer = kubectl(
            world,
            &[
                "patch",
                "deployment",
                "web",
                "-n",
                &world.namespace,
                "--type",
                kind,
                "--patch-file",
                file.to_str().unwrap(),
                "--dry-run=server",
                "-o",
                "json",
            ],
        );
        let after: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let live = world.kubectl.get("Deployment", "web").await.unwrap();
        assert_eq!(after["spec"], live["spec"], "it says what is: {strategy}");
        rests(world).await;
    }
}

async fn kubectl_builds_what_the_cluster_says(world: &World) {
    let base = WEB.replace("  namespace: NAMESPACE\n", "");
    world.commit("base/web.yaml", &base);
    world.commit("base/kustomization.yaml", "resources: [web.yaml]\n");
    world.kubectl.create(&world.text(WEB)).await;
    for (strategy, replicas) in [("strategic-merge", 7), ("replace", 8)] {
        world.commit("over/kustomization.yaml", "namespace: NAMESPACE\nresources:\n- ../base\n");
        world.kubectl.scale("web", replicas).await;
        let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": format!("web:{replicas}")}]}}}});
        world.kubectl.patch("Deployment", "web", image).await;
        world.rules(&format!(
            "
rules:
- name: patch
  namespaces: [NAMESPACE]
  resources: [deployments]
  fields:
  - .spec.replicas
  - .spec.template.spec.nodeSelector
  - \".spec.template.spec.containers[?(@.name=='web')].image\"
  format: kustomize-patch
  strategy: {strategy}
  path: 'over/{{{{ .Name }}}}.{strategy}.yaml'
  syncTo: git
"
        ));
        let (code, shown, errors) = world.command().output(&["once"]).await;
        assert_eq!(code, 0, "{shown}{errors}");
        let text = world.file(&format!("over/web.{strategy}.yaml")).unwrap();
        assert_eq!(text.contains("$patch"), strategy == "replace", "{text}");
        for (path, text) in world.repo.files("main") {
            let file = world.folder().join("tree").join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        let built = kubectl(world, &["kustomize", "tree/over"]);
        let object = &crate::kubectl::documents(&built)[0];
        assert_eq!(object["metadata"]["namespace"], world.namespace.as_str());
        assert_eq!(object["spec"]["replicas"], replicas, "{built}");
        let containers = object["spec"]["template"]["spec"]["containers"].as_array().unwrap();
        assert_eq!(containers.iter().find(|one| one["name"] == "web").unwrap()["image"], format!("web:{replicas}"));
        assert_eq!(
            (containers.len(), object["spec"]["template"]["spec"]["nodeSelector"]["disk"].as_str()),
            (2, Some("ssd"))
        );
        rests(world).await;
        world.remove(&format!("over/web.{strategy}.yaml"));
    }
}
