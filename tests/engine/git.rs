//! What happens to the branch: commits that wait, races, refusals, a remote that is away, a branch that went back.

use std::time::Duration;

use serde_json::json;

use super::pace::Pace;
use super::world::*;

fn data(value: &str) -> serde_json::Value {
    config_map("shop", "a", &json!({"a": value}))
}

#[test]
fn changes_wait_for_quiet_but_not_for_ever() {
    let mut world = World::new(TO_GIT);
    world.push(&[("README.md", Some("hello"))]);
    for second in 0..10 {
        world.cluster.update(&data(&second.to_string()), "kubectl-edit");
        world.pass(1);
        assert_eq!(world.git.commits(), if second < 9 { 1 } else { 2 }, "second {second}");
    }
    world.cluster.update(&data("x"), "kubectl-edit");
    world.pass(1);
    assert_eq!(world.git.commits(), 2);
    world.pass(1);
    assert_eq!(world.git.commits(), 3);
    assert!(world.git.file("shop/ConfigMap/a.yaml").unwrap().contains("a: \"x\""));
}

#[test]
fn commits_keep_their_distance_and_nothing_is_dropped() {
    let mut world = World::new(&format!("{TO_GIT}\nminPushInterval: 1m\ncommitsPerHour: 3"));
    world.push(&[("README.md", Some("hello"))]);
    let mut commits = Vec::new();
    for second in 1..600 {
        world.cluster.update(&data(&second.to_string()), "kubectl-edit");
        world.pass(1);
        if world.git.commits() > 1 + commits.len() as u64 {
            commits.push(second);
        }
    }
    // At once, a minute later and another minute later; what came then waits for the hour of the first to be over.
    assert_eq!(commits, [10, 70, 130]);
    let deferred = world.engine.progress().deferred.expect("a commit waits");
    assert_eq!(deferred, (Duration::from_secs(10 + 3600 - 599), "commitsPerHour"));
    assert_eq!(world.engine.waiting_for(), [""; 0], "waiting on purpose is being ready");
    world.pass(deferred.0.as_secs());
    assert_eq!(world.git.commits(), 5);
    assert!(world.git.file("shop/ConfigMap/a.yaml").unwrap().contains("a: \"599\""));
    assert_eq!(world.engine.progress().deferred, None);
    world.assert_in_sync();
}

#[test]
fn a_change_that_is_taken_back_makes_no_commit() {
    let mut world = World::new(TO_GIT);
    world.push(&[("a.yaml", Some(&manifest("a", "one")))]);
    world.cluster.update(&data("one"), "kubectl-create");
    world.pass(5);
    world.cluster.update(&data("two"), "kubectl-edit");
    world.pass(1);
    world.cluster.update(&data("one"), "kubectl-edit");
    world.pass(30);
    assert_eq!(world.git.commits(), 1);
    world.assert_in_sync();
}

#[test]
fn a_raced_push_keeps_both_changes() {
    let mut world = World::at_pace(TO_GIT, Pace::random(3, 3));
    world.push(&[("a.yaml", Some(&manifest("a", "one")))]);
    world.cluster.update(&data("one"), "kubectl-create");
    world.pass(5);
    for round in 0..20 {
        world.cluster.update(&data(&format!("v{round}")), "kubectl-edit");
        // Somebody pushes until ours has arrived.
        for push in 0..3 {
            world.git.commit_by_hand(&[("README.md", Some(&format!("{round} {push}")))]);
            world.pass(1);
        }
        world.pass(30);
        assert_eq!(world.git.file("a.yaml").unwrap(), manifest("a", &format!("v{round}")));
        assert_eq!(world.git.file("README.md").unwrap(), format!("{round} 2"));
    }
    world.assert_in_sync();
}

#[test]
fn a_refused_push_is_said_and_tried_again() {
    let mut world = World::new(TO_GIT);
    world.push(&[("README.md", Some("hello"))]);
    world.git.refuse_pushes(Some("protected branch"));
    world.cluster.update(&data("1"), "kubectl-create");
    world.pass(120);
    assert_eq!(world.git.paths(), ["README.md"]);
    let said = world.engine.standings().remote_error().map(ToOwned::to_owned);
    assert!(said.as_ref().is_some_and(|said| said.contains("protected branch")), "{said:?}");
    assert!(world.git.commits() < 20, "it does not insist: {}", world.git.commits());
    world.git.refuse_pushes(None);
    world.pass(600);
    assert!(world.git.file("shop/ConfigMap/a.yaml").is_some());
    assert_eq!(world.engine.standings().remote_error(), None);
}

#[test]
fn a_remote_that_was_away_is_read_again() {
    let mut world = World::new(TO_CLUSTER);
    world.push(&[("a.yaml", Some(&manifest("a", "1")))]);
    world.git.set_down(true);
    world.git.commit_by_hand(&[("a.yaml", Some(&manifest("a", "2")))]);
    world.pass(300);
    assert!(world.engine.standings().remote_error().is_some());
    let id = config_map_id("shop", "a");
    world.cluster.update(&data("drift"), "kubectl-edit");
    world.settle();
    assert_eq!(world.live(&id, "/data/a"), "1", "what was read stays in force");
    world.git.set_down(false);
    world.pass(60);
    assert_eq!(world.live(&id, "/data/a"), "2");
    world.assert_in_sync();
}

#[test]
fn a_poke_during_a_fetch_is_not_lost() {
    for seed in 0..20 {
        let mut world = World::at_pace(TO_CLUSTER, Pace::random(seed, 5));
        world.push(&[]);
        world.engine.poke();
        for _ in 0..seed % 10 {
            world.step();
        }
        world.git.commit_by_hand(&[("a.yaml", Some(&manifest("a", "1")))]);
        world.engine.poke();
        world.settle();
        assert_eq!(world.live(&config_map_id("shop", "a"), "/data/a"), "1", "seed {seed}");
    }
}

#[test]
fn a_branch_that_went_back_deletes_nothing() {
    let mut world = World::new(TO_CLUSTER);
    world.push(&[("README.md", Some("hello"))]);
    // More heads than are remembered: the latest count.
    for number in 0..150 {
        world.push(&[("README.md", Some(&number.to_string()))]);
    }
    let before = world.git.tip();
    world.push(&[("a.yaml", Some(&manifest("a", "1")))]);
    let id = config_map_id("shop", "a");
    assert_eq!(world.live(&id, "/data/a"), "1");
    world.git.set_tip(before);
    world.pass(40);
    assert!(world.said(&id).is_empty(), "a mirror may lag");
    world.pass(120);
    assert!(world.cluster.object(&id).is_some());
    world.assert_said(&id, "NotOurs");
}

#[test]
fn an_emptied_repository_is_held() {
    let mut world = World::new(TO_CLUSTER);
    let names = ["a", "b", "c", "d"];
    let texts: Vec<String> = names.iter().map(|name| manifest(name, "1")).collect();
    let paths: Vec<String> = names.iter().map(|name| format!("{name}.yaml")).collect();
    let writes: Vec<_> = paths.iter().zip(&texts).map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect();
    world.push(&writes);
    let gone: Vec<_> = paths.iter().map(|path| (path.as_str(), None)).collect();
    world.git.commit_by_hand(&gone);
    world.pass(100);
    for name in names {
        let id = config_map_id("shop", name);
        assert!(world.cluster.object(&id).is_some(), "{name}");
        world.assert_said(&id, "without any object");
    }
    world.push(&writes);
    world.assert_in_sync();
    // The same while the rules are loaded anew.
    world.git.commit_by_hand(&gone);
    world.reload(TO_CLUSTER);
    world.pass(100);
    assert!(names.iter().all(|name| world.cluster.object(&config_map_id("shop", name)).is_some()));
}

#[test]
fn a_path_that_is_taken_holds_back_its_object_alone() {
    let mut world = World::new(TO_GIT);
    world.push(&[("shop", Some("a file where a folder is wanted"))]);
    world.cluster.update(&data("1"), "kubectl-create");
    world.pass(60);
    world.assert_said(&config_map_id("shop", "a"), "is in the way");
    world.reload(&format!("{TO_GIT}\n- {{name: lab, resources: [configmaps], namespaces: [lab], syncTo: git}}"));
    world.cluster.update(&config_map("lab", "b", &json!({"b": "1"})), "kubectl-create");
    world.pass(5);
    assert!(world.git.file("lab/ConfigMap/b.yaml").is_some());
}
