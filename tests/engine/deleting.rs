//! Prunes on both sides: delays, limits, and what is never deleted.

use kubeferry::cluster::ClusterError;
use serde_json::json;

use super::pace::Pace;
use super::world::*;

fn push_many(world: &mut World, names: impl IntoIterator<Item = String>, value: Option<&str>) {
    let writes: Vec<(String, Option<String>)> =
        names.into_iter().map(|name| (format!("{name}.yaml"), value.map(|value| manifest(&name, value)))).collect();
    let writes: Vec<_> = writes.iter().map(|(path, text)| (path.as_str(), text.as_deref())).collect();
    world.push(&writes);
}

fn names(range: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    range.map(|number| format!("n{number}"))
}

#[test]
fn a_manifest_that_goes_takes_its_object_along() {
    let mut world = World::new(TO_CLUSTER);
    world.push(&[("a.yaml", Some(&manifest("a", "1"))), ("b.yaml", Some(&manifest("b", "1")))]);
    world.push(&[("a.yaml", None)]);
    assert!(world.cluster.object(&config_map_id("shop", "a")).is_none());
    assert!(world.cluster.object(&config_map_id("shop", "b")).is_some());
    world.assert_in_sync();
}

#[test]
fn what_never_agreed_in_this_process_is_not_deleted() {
    let mut world = World::new(TO_CLUSTER);
    world.push(&[("a.yaml", Some(&manifest("a", "1"))), ("b.yaml", Some(&manifest("b", "1")))]);
    world.git.commit_by_hand(&[("a.yaml", None)]);
    world.restart(true);
    world.pass(100);
    let id = config_map_id("shop", "a");
    assert!(world.cluster.object(&id).is_some());
    world.assert_said(&id, "NotOurs");
}

#[test]
fn deletes_beyond_the_limit_are_held_and_those_before_count_for_an_hour() {
    let mut world = World::new(TO_CLUSTER);
    push_many(&mut world, names(0..30), Some("1"));
    push_many(&mut world, names(0..6), None);
    assert_eq!(world.cluster.take_writes().iter().filter(|write| write.verb == "delete").count(), 6);
    push_many(&mut world, names(6..10), None);
    assert!(world.cluster.object(&config_map_id("shop", "n6")).is_some());
    world.assert_said(&config_map_id("shop", "n6"), "within the hour");
}

#[test]
fn a_delete_that_fails_does_not_count() {
    let mut world = World::new(TO_CLUSTER);
    push_many(&mut world, names(0..9), Some("1"));
    world.cluster.fail_deletes(Some(ClusterError::Busy("429".into())));
    push_many(&mut world, names(0..1), None);
    world.pass(3_000);
    world.cluster.fail_deletes(None);
    world.pass(400);
    assert!(
        world.cluster.object(&config_map_id("shop", "n0")).is_none(),
        "{:?}",
        world.said(&config_map_id("shop", "n0"))
    );
    push_many(&mut world, names(1..3), None);
    assert!(world.cluster.object(&config_map_id("shop", "n2")).is_none());
}

#[test]
fn a_manifest_that_comes_back_while_its_delete_waits_saves_the_object() {
    for seed in 0..40 {
        let mut world = World::at_pace(TO_CLUSTER, Pace::random(seed, 3));
        push_many(&mut world, names(0..6), Some("1"));
        let uid = world.live(&config_map_id("shop", "n0"), "/metadata/uid");
        world.git.commit_by_hand(&[("n0.yaml", None)]);
        world.engine.poke();
        for _ in 0..seed % 11 {
            world.step();
        }
        world.cluster.relist(config_map_id("shop", "n0").group_kind());
        world.git.commit_by_hand(&[("n0.yaml", Some(&manifest("n0", "2")))]);
        world.engine.poke();
        world.pass(60);
        assert_eq!(
            world.live(&config_map_id("shop", "n0"), "/data/a"),
            "2",
            "seed {seed}: {uid} {:?} {:?}",
            world.said(&config_map_id("shop", "n0")),
            world.engine.progress()
        );
        world.assert_in_sync();
    }
}

#[test]
fn an_object_that_is_made_anew_keeps_its_manifest_and_gets_its_bytes_back() {
    let mut world = World::new(TO_GIT);
    let old = "deep/config.yaml";
    world.push(&[(old, Some(&manifest("a", "one")))]);
    let (id, object) = (config_map_id("shop", "a"), config_map("shop", "a", &json!({"a": "one"})));
    world.cluster.update(&object, "kubectl-create");
    world.pass(5);
    world.cluster.remove(&id);
    world.pass(10);
    world.cluster.update(&object, "kubectl-create");
    world.pass(60);
    assert_eq!(world.git.commits(), 1, "replaced within deleteDelay");

    world.cluster.remove(&id);
    world.pass(60);
    assert!(world.git.file(old).is_none());
    world.cluster.update(&config_map("shop", "a", &json!({"a": "two"})), "kubectl-create");
    world.pass(5);
    assert_eq!(world.git.file(old).unwrap(), manifest("a", "two"), "comments and place as they were");
    world.assert_in_sync();
}

#[test]
fn documents_of_one_file_that_two_rules_remove_are_the_right_ones() {
    let rules = "\
- {name: one, resources: [configmaps], names: [b], namespaces: [shop], syncTo: git}
- {name: two, resources: [configmaps], namespaces: [shop], syncTo: git}";
    let mut world = World::new(rules);
    let names = ["a", "b", "c", "d"];
    let text = names.map(|name| manifest(name, "one")).join("---\n");
    world.push(&[("all.yaml", Some(&text))]);
    for name in names {
        world.cluster.update(&config_map("shop", name, &json!({"a": "one"})), "kubectl-create");
    }
    world.pass(10);
    world.cluster.remove(&config_map_id("shop", "b"));
    world.cluster.remove(&config_map_id("shop", "c"));
    world.pass(60);
    let left = [manifest("a", "one"), manifest("d", "one")].join("---\n");
    assert_eq!(world.git.file("all.yaml").unwrap(), left);
    world.assert_in_sync();
}

#[test]
fn a_namespace_that_goes_leaves_its_manifests() {
    let mut world = World::new(TO_GIT);
    world.push(&[("a.yaml", Some(&manifest("a", "one")))]);
    world.cluster.update(&config_map("shop", "a", &json!({"a": "one"})), "kubectl-create");
    world.pass(5);
    world.cluster.remove(&config_map_id("shop", "a"));
    let namespace = kubeferry::object::GroupKind::new("", "Namespace");
    world.cluster.remove(&kubeferry::object::ObjectId::new(namespace, "", "shop"));
    world.pass(120);
    assert!(world.git.file("a.yaml").is_some());
    world.assert_said(&config_map_id("shop", "a"), "Namespace shop has gone");
}

#[test]
fn the_absence_of_what_was_listed_before_its_namespace_can_be_proven() {
    let rules = format!("{TO_CLUSTER}\n- {{name: lab, resources: [configmaps], namespaces: [lab], syncTo: git}}");
    let mut world = World::new(&rules);
    let in_lab = manifest("b", "1").replace("shop", "lab");
    world.cluster.update(&config_map("lab", "b", &json!({"a": "1"})), "kubectl-create");
    world.push(&[("a.yaml", Some(&manifest("a", "1"))), ("b.yaml", Some(&in_lab))]);
    world.restart(true);
    world.settle();
    world.cluster.remove(&config_map_id("shop", "a"));
    world.cluster.remove(&config_map_id("lab", "b"));
    world.pass(60);
    assert_eq!(
        world.live(&config_map_id("shop", "a"), "/data/a"),
        "1",
        "{:?}",
        world.said(&config_map_id("shop", "a"))
    );
    assert!(world.git.file("b.yaml").is_none(), "{:?}", world.said(&config_map_id("lab", "b")));
}
