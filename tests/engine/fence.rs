//! Whoever lost the Lease without knowing writes nothing more, and a new leader is not fooled by a mirror that lags.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use serde_json::json;

use super::world::*;

const BOTH: &str = "\
- {name: apply, resources: [configmaps], namespaces: [shop], syncTo: kubernetes}
- {name: capture, resources: [configmaps], namespaces: [lab], syncTo: git}";

/// A fence that holds for so many questions.
fn fence(world: &mut World, questions: usize) -> Arc<AtomicUsize> {
    let left = Arc::new(AtomicUsize::new(questions));
    let asked = left.clone();
    world.engine.set_fence(Arc::new(move || asked.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok()));
    left
}

#[test]
fn nothing_is_pushed_applied_or_deleted_once_the_fence_is_down_and_nothing_is_lost_by_it() {
    for questions in 0..25 {
        let mut world = World::new(BOTH);
        world.push(&[
            ("gone.yaml", Some(&manifest("gone", "1"))),
            ("stays.yaml", Some(&manifest("stays", "1"))),
            ("too.yaml", Some(&manifest("too", "1"))),
        ]);
        world.cluster.update(&config_map("lab", "b", &json!({"a": "1"})), "kubectl-create");
        world.pass(30);
        world.assert_in_sync();
        world.cluster.take_writes();

        let left = fence(&mut world, questions);
        world.git.commit_by_hand(&[("gone.yaml", None), ("stays.yaml", Some(&manifest("stays", "2")))]);
        let theirs = world.git.tip();
        world.engine.poke();
        world.cluster.update(&config_map("lab", "b", &json!({"a": "2"})), "kubectl-edit");
        world.pass(60);
        let writes = world.cluster.take_writes().len() + usize::from(world.git.tip() != theirs);
        assert!(writes <= questions, "{writes} writes, and {questions} times it was allowed");

        left.store(usize::MAX, SeqCst);
        world.pass(5);
        assert!(world.cluster.object(&config_map_id("shop", "gone")).is_none(), "{questions}");
        assert_eq!(world.live(&config_map_id("shop", "stays"), "/data/a"), "2", "{questions}");
        assert!(world.git.file("lab/ConfigMap/b.yaml").unwrap().contains("a: \"2\""), "{questions}");
        world.assert_in_sync();
    }
}

#[test]
fn a_commit_that_was_made_while_the_lease_went_is_not_pushed() {
    let mut unpushed = 0;
    for questions in 0..10 {
        let mut world = World::new(BOTH);
        world.push(&[("README.md", Some("hello"))]);
        world.cluster.update(&config_map("lab", "b", &json!({"a": "1"})), "kubectl-create");
        let left = fence(&mut world, questions);
        let before = (world.git.tip(), world.git.commits());
        world.pass(60);
        let was_pushed = world.git.tip() != before.0;
        unpushed += usize::from(!was_pushed && world.git.commits() > before.1);
        left.store(usize::MAX, SeqCst);
        world.pass(5);
        assert!(world.git.file("lab/ConfigMap/b.yaml").is_some());
        world.assert_in_sync();
    }
    assert!(unpushed > 0, "the lease never went between commit and push");
}

#[test]
fn the_fence_is_asked_before_each_write_of_a_plan() {
    let rules = "\
- {name: count, resources: [deployments], filters: [/spec/replicas], syncTo: git}
- {name: rest, resources: [deployments], syncTo: kubernetes}";
    for questions in 0..6 {
        let mut world = World::new(rules);
        let left = fence(&mut world, questions);
        // One plan, two writes: it is made, and the replicas are given up.
        world.push(&[("web.yaml", Some(DEPLOYMENT))]);
        world.pass(60);
        let writes = world.cluster.take_writes();
        // The first question is whether to begin at all.
        assert!(writes.len() < questions.max(1), "{questions} times it was allowed: {writes:?}");
        left.store(usize::MAX, SeqCst);
        world.pass(60);
        assert_eq!(world.live(&deployment_id(), "/spec/replicas"), 3);
        world.assert_in_sync();
        world.cluster.scale(&deployment_id(), 5);
        world.pass(60);
        assert_eq!(world.live(&deployment_id(), "/spec/replicas"), 5, "after {questions} questions they are not ours");
    }
}

// Decision 13.
#[test]
fn a_new_leader_takes_a_mirror_that_lags_for_no_news() {
    let mut world = World::new(BOTH);
    world.push(&[("stays.yaml", Some(&manifest("stays", "1"))), ("more.yaml", Some(&manifest("more", "1")))]);
    let older = world.git.tip();
    world.cluster.update(&config_map("lab", "b", &json!({"a": "1"})), "kubectl-create");
    world.push(&[("stays.yaml", Some(&manifest("stays", "2"))), ("new.yaml", Some(&manifest("new", "1")))]);
    world.pass(30);
    let newest = world.git.tip();
    world.cluster.take_writes();

    world.engine.set_active(false);
    world.git.set_tip(older);
    world.engine.set_active(true);
    world.pass(40);
    assert!(world.cluster.take_writes().is_empty(), "what the mirror shows is the past");
    assert_eq!(world.git.tip(), older, "and nothing is written onto it");
    world.git.set_tip(newest);
    world.pass(120);
    assert!(world.cluster.take_writes().is_empty());
    assert_eq!(world.git.tip(), newest);
    assert_eq!(world.live(&config_map_id("shop", "stays"), "/data/a"), "2");
    world.assert_in_sync();
}
