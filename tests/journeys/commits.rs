//! What the commits look like that carry the cluster's changes to Git.

use std::fmt::Write as _;

use serde_json::json;

use crate::ferry::until;
use crate::world::World;

journeys! {
    many_changes_become_one_commit,
    the_first_commit_makes_the_branch,
    the_cluster_wins_over_a_commit_of_a_person,
    a_force_push_is_followed,
}

const RULES: &str = "
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

async fn many_changes_become_one_commit(world: &World) {
    world.commit("README.md", "# Shop\n");
    let mut all = String::new();
    for number in 0..60 {
        write!(all, "---\n{}", config_map(&format!("map-{number}"), "a")).unwrap();
    }
    // All are there when kubeferry starts, so one batch takes them.
    world.kubectl.create(&world.text(&all)).await;
    let ferry = world.ferry(&format!("commit: {{name: Ferry, email: ferry@example.org}}\n{RULES}")).await;
    until("60 files", || async { (world.repo.files("main").len() == 61).then_some(()) }).await;
    let log = world.log();
    assert_eq!(log.len(), 2, "{log:?}");
    assert_eq!((log[0].name.as_str(), log[0].email.as_str()), ("Ferry", "ferry@example.org"));
    let mut named: Vec<&str> = log[0].message.lines().filter(|line| line.starts_with("- Add ConfigMap ")).collect();
    assert!(log[0].message.starts_with("Add 60 objects\n") && named.len() > 10, "{}", log[0].message);
    let before = named.clone();
    named.sort_unstable();
    assert_eq!(before, named, "in order, whichever was read first");
    ferry.until_synced(&log[0].id).await;
}

async fn the_first_commit_makes_the_branch(world: &World) {
    let _ferry = world.ferry(RULES).await;
    world.kubectl.create(&world.text(&config_map("one", "a"))).await;
    world.until_file("NAMESPACE/ConfigMap/one.yaml", &config_map("one", "a")).await;
    assert_eq!(world.log().len(), 1);
    world.kubectl.patch("ConfigMap", "one", json!({"data": {"key": "b"}})).await;
    world.until_file("NAMESPACE/ConfigMap/one.yaml", &config_map("one", "b")).await;
}

async fn the_cluster_wins_over_a_commit_of_a_person(world: &World) {
    world.kubectl.create(&world.text(&config_map("one", "live"))).await;
    world.commit("one.yaml", &config_map("one", "live"));
    let _ferry = world.ferry(RULES).await;
    let edited = format!("# A remark.\n{}", config_map("one", "edited"));
    world.commit("one.yaml", &edited);
    world.until_file("one.yaml", &edited.replace("edited", "live")).await;
    world.until_live("ConfigMap", "one", "/data/key", "live").await;
    // A removed manifest comes back: in this direction Git does not decide over existence.
    world.remove("one.yaml");
    world.until_file("NAMESPACE/ConfigMap/one.yaml", &config_map("one", "live")).await;
}

async fn a_force_push_is_followed(world: &World) {
    world.commit("one.yaml", &config_map("one", "a"));
    let ferry = world.ferry(&RULES.replace("syncTo: git", "syncTo: kubernetes")).await;
    world.until_live("ConfigMap", "one", "/data/key", "a").await;
    let text = world.text(&config_map("one", "b"));
    let commit = world.repo.replace("main", "History rewritten", &[("other/one.yaml", &text)]);
    world.until_live("ConfigMap", "one", "/data/key", "b").await;
    ferry.until_synced(&commit.to_string()).await;
    assert_eq!(world.log().len(), 1);
}
