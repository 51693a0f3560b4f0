//! Secrets: applied from Git when a rule says so, never brought to Git unless a rule says `plain`, and shown nowhere.

use base64::Engine as _;
use serde_json::json;

use crate::world::World;

journeys! { a_secret_stays_out_of_git_and_logs, a_secret_in_git_is_applied_and_masked, plain_secrets_reach_git }

const ROLES: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: read-secrets}
rules:
- apiGroups: ['']
  resources: [secrets]
  verbs: [get, list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: write-secrets, namespace: NAMESPACE}
rules:
- apiGroups: ['']
  resources: [secrets]
  verbs: [create, patch, delete]
";

const RULES: &str = "
rules:
- name: all
  namespaces: [NAMESPACE]
  resources: [configmaps, secrets]
  syncTo: git
";

const SECRET: &str = "
apiVersion: v1
kind: Secret
metadata: {name: login, namespace: NAMESPACE}
stringData: {password: correct-horse}
";

/// Neither the value nor its encoded form may stand in a text.
fn is_clean(text: &str) -> bool {
    let encoded = |value: &str| base64::engine::general_purpose::STANDARD.encode(value);
    ["correct-horse", "battery-staple"].iter().all(|value| !text.contains(value) && !text.contains(&encoded(value)))
}

async fn a_secret_stays_out_of_git_and_logs(world: &World) {
    world.role(ROLES).await;
    world.commit("README.md", "# Shop\n");
    let ferry = world.ferry(RULES).await;
    world.kubectl.create(&world.text(SECRET)).await;
    let reason = ferry
        .until_status("the Secret to be left", |page| {
            page.objects.list.iter().find(|line| line.object.ends_with("/login")).map(|line| line.reason.clone())
        })
        .await;
    assert!(reason.contains("secrets: plain"), "{reason}");
    world.kubectl.patch("Secret", "login", json!({"stringData": {"password": "battery-staple"}})).await;
    // A commit that comes after shows that the Secret's turn is over.
    world.kubectl.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: after}, data: {a: b}}").await;
    crate::ferry::until("the next commit", || async { world.file(&world.text("NAMESPACE/ConfigMap/after.yaml")) })
        .await;
    let files = world.repo.files("main");
    assert_eq!(files.keys().filter(|path| path.contains("login")).count(), 0, "{:?}", files.keys());
    assert!(files.values().all(|text| is_clean(text)));
    let page = serde_json::to_string(&ferry.status().await).unwrap();
    assert!(is_clean(&ferry.log()) && is_clean(&page));
    let (code, shown, errors) = world.command().output(&["diff"]).await;
    assert_eq!(code, 0, "{shown}");
    assert!(is_clean(&shown) && is_clean(&errors));
}

async fn a_secret_in_git_is_applied_and_masked(world: &World) {
    world.role(ROLES).await;
    world.commit("login.yaml", SECRET);
    let rules = RULES.replace("syncTo: git", "syncTo: kubernetes");
    world.rules(&rules);
    let (code, shown, errors) = world.command().output(&["diff"]).await;
    assert_eq!(code, 1);
    assert!(shown.contains("password") && is_clean(&shown) && is_clean(&errors), "{shown}{errors}");
    let ferry = world.ferry(&rules).await;
    let encoded = base64::engine::general_purpose::STANDARD.encode("correct-horse");
    world.until_live("Secret", "login", "/data/password", encoded).await;
    let commit = world.commit("login.yaml", &SECRET.replace("correct-horse", "battery-staple"));
    let encoded = base64::engine::general_purpose::STANDARD.encode("battery-staple");
    world.until_live("Secret", "login", "/data/password", encoded).await;
    ferry.until_synced(&commit).await;
    assert!(is_clean(&ferry.log()));
    assert_eq!(world.log().len(), 2);
}

async fn plain_secrets_reach_git(world: &World) {
    world.role(ROLES).await;
    world.commit("README.md", "# Shop\n");
    let _ferry = world.ferry(&RULES.replace("syncTo: git", "secrets: plain\n  syncTo: git")).await;
    world.kubectl.create(&world.text(SECRET)).await;
    let text = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: login\n  namespace: NAMESPACE\ndata:\n  password: Y29ycmVjdC1ob3JzZQ==\n";
    world.until_file("NAMESPACE/Secret/login.yaml", text).await;
}
