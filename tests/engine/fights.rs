//! Decision 24: what somebody keeps changing back is held, in both directions, and what comes once in a while is not.

use kubeferry::object::ObjectId;
use serde_json::json;

use super::world::*;

/// A map whose other fields are nobody's quarrel.
fn two(a: &str, b: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: m\n  namespace: shop\ndata:\n  a: \"{a}\"\n  b: \"{b}\"\n"
    )
}

fn id() -> ObjectId {
    config_map_id("shop", "m")
}

fn writes(world: &World) -> usize {
    world.cluster.take_writes().len()
}

/// Another controller writes its value wherever it differs, every `period` seconds for `seconds`.
fn controller(world: &mut World, period: u64, seconds: u64) {
    for _ in 0..seconds / period {
        if world.live(&id(), "/data/a") != "theirs" {
            let b = world.live(&id(), "/data/b");
            world.cluster.update(&config_map("shop", "m", &json!({"a": "theirs", "b": b})), "their-controller");
        }
        world.pass(period);
    }
}

#[test]
fn a_field_that_a_controller_keeps_changing_back_is_held_and_the_others_are_not() {
    let mut world = World::new(TO_CLUSTER);
    world.push(&[("m.yaml", Some(&two("ours", "1")))]);
    controller(&mut world, 3, 60);
    let said = world.said(&id());
    assert!(said.iter().any(|text| text.starts_with("Held: their-controller keeps changing it back")), "{said:?}");
    assert_eq!(world.engine.progress().fights, [1, 0]);
    writes(&world);
    controller(&mut world, 3, 300);
    assert_eq!(writes(&world), 0, "nothing more is written");

    // Other fields of the object go on, and this one is left as it is.
    world.push(&[("m.yaml", Some(&two("ours", "2")))]);
    assert_eq!(world.live(&id(), "/data"), json!({"a": "theirs", "b": "2"}));
    world.assert_said(&id(), "keeps changing it back");

    // It is tried again now and then, by no event, and held again at once.
    writes(&world);
    controller(&mut world, 3, 3_600);
    let tried = writes(&world);
    assert!((1..=14).contains(&tried), "{tried} tries within an hour");

    // The other stops: it settles by itself.
    world.pass(601);
    assert_eq!(world.live(&id(), "/data/a"), "ours");
    world.assert_in_sync();
    assert_eq!(world.engine.progress().fights, [0, 0]);
}

#[test]
fn a_drift_that_a_person_makes_once_in_a_while_is_never_held() {
    let mut world = World::new(TO_CLUSTER);
    world.push(&[("m.yaml", Some(&two("ours", "1")))]);
    for round in 0..50 {
        world.cluster.update(&config_map("shop", "m", &json!({"a": "theirs", "b": "1"})), "kubectl-edit");
        world.pass(300);
        assert_eq!(world.live(&id(), "/data/a"), "ours", "round {round}");
    }
    world.assert_in_sync();
}

#[test]
fn changes_in_git_are_no_fight_however_many() {
    let mut world = World::new(TO_CLUSTER);
    for round in 0..30 {
        world.push(&[("m.yaml", Some(&two(if round % 2 == 0 { "x" } else { "y" }, "1")))]);
        world.pass(2);
        world.assert_in_sync();
    }
    // Nor are changes in the cluster that go to Git.
    let mut world = World::new(SPLIT);
    world.push(&[("web.yaml", Some(DEPLOYMENT))]);
    for replicas in 0..30 {
        world.cluster.scale(&deployment_id(), 1 + replicas % 7);
        world.push(&[("other.md", Some(&replicas.to_string()))]);
        world.pass(15);
        world.assert_in_sync();
    }
}

#[test]
fn a_field_that_commits_keep_changing_back_is_held_towards_git() {
    let mut world = World::new(TO_GIT);
    world.push(&[("m.yaml", Some(&two("theirs", "1")))]);
    world.cluster.update(&config_map("shop", "m", &json!({"a": "live", "b": "1"})), "kubectl-create");
    world.pass(5);
    let mut ours = 0;
    for _ in 0..20 {
        if world.git.file("m.yaml").unwrap().contains("live") {
            ours += 1;
            world.push(&[("m.yaml", Some(&two("theirs", "1")))]);
        }
        world.pass(30);
    }
    assert!((5..=8).contains(&ours), "{ours} commits were undone before it was held");
    world.assert_said(&id(), "Held: commits keep changing it back");
    assert_eq!(world.engine.progress().fights, [0, 1]);
    // Another value of the object still arrives.
    world.cluster.update(&config_map("shop", "m", &json!({"a": "live", "b": "2"})), "kubectl-edit");
    world.pass(5);
    assert_eq!(world.git.file("m.yaml").unwrap(), two("theirs", "2"));
    // Released, it is written at once.
    assert!(world.engine.release(&id()));
    world.pass(5);
    assert_eq!(world.git.file("m.yaml").unwrap(), two("live", "2"));
    world.assert_in_sync();
}

#[test]
fn an_object_that_somebody_keeps_deleting_is_not_made_again_for_a_while() {
    let mut world = World::new(TO_CLUSTER);
    world.push(&[("m.yaml", Some(&two("ours", "1")))]);
    let mut removed = 0;
    for _ in 0..60 {
        removed += usize::from(world.cluster.remove(&id()));
        world.pass(5);
    }
    assert!((4..=6).contains(&removed), "{removed} times");
    world.assert_said(&id(), "Held: somebody keeps undoing that the object is made");
    world.pass(600);
    assert!(world.cluster.object(&id()).is_some(), "it is tried again: {:?} {:?}", world.said(&id()), world.now());
    // And one that somebody keeps making is not deleted for ever.
    let mut world = World::new(&TO_CLUSTER.replace("syncTo", "prune: matching, limits: {deletes: none}, syncTo"));
    world.push(&[("other.yaml", Some(&manifest("other", "1")))]);
    let mut made = 0;
    for _ in 0..60 {
        if world.cluster.object(&id()).is_none() {
            made += 1;
            world.cluster.update(&config_map("shop", "m", &json!({"a": "x"})), "their-controller");
        }
        world.pass(5);
    }
    assert!((5..=7).contains(&made), "{made} times");
    world.assert_said(&id(), "Held: somebody keeps undoing");
}

#[test]
fn new_rules_and_a_release_free_what_was_held() {
    let mut world = World::new(TO_CLUSTER);
    world.push(&[("m.yaml", Some(&two("ours", "1")))]);
    controller(&mut world, 3, 60);
    world.assert_said(&id(), "keeps changing it back");
    assert!(world.engine.release(&id()));
    world.settle();
    assert_eq!(world.live(&id(), "/data/a"), "ours");
    controller(&mut world, 3, 60);
    world.assert_said(&id(), "keeps changing it back");
    // The way out that the reason names: another direction.
    world.reload(TO_GIT);
    world.pass(10);
    assert_eq!(world.git.file("m.yaml").unwrap(), two("theirs", "1"));
    world.assert_in_sync();
}
