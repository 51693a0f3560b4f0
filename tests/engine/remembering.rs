//! Decisions 11 to 13: what a process knows of those before it, and what it must not take for known.

use std::sync::Arc;

use kubeferry::cluster::ClusterError;
use kubeferry::object::{GroupKind, ObjectId};
use kubeferry::sync::state::{self, SavedBase};
use serde_json::json;

use super::world::{DEPLOYMENT, TO_CLUSTER, TO_GIT, World, config_map, config_map_id, deployment_id, manifest};

const PATH: &str = "shop/ConfigMap/a.yaml";

/// A world in which an object came from the cluster to Git and agrees, and that is kept.
fn captured() -> World {
    let mut world = World::new(TO_GIT);
    world.push(&[("README.md", Some("hello"))]);
    world.cluster.update(&config_map("shop", "a", &json!({"a": "1"})), "kubectl-create");
    world.cluster.update(&config_map("shop", "b", &json!({"a": "1"})), "kubectl-create");
    world.cluster.update(&config_map("shop", "c", &json!({"a": "1"})), "kubectl-create");
    world.pass(20);
    world.assert_in_sync();
    assert!(world.git.file(PATH).is_some());
    world
}

/// A world in which manifests were applied and agree, and that is kept.
fn applied() -> World {
    let mut world = World::new(TO_CLUSTER);
    world.push(
        &["a", "b", "c"]
            .map(|name| (name, manifest(name, "1")))
            .each_ref()
            .map(|(name, text)| (path(name), Some(&**text))),
    );
    world.pass(20);
    world.assert_in_sync();
    world
}

fn path(name: &str) -> &'static str {
    match name {
        "a" => "a.yaml",
        "b" => "b.yaml",
        _ => "c.yaml",
    }
}

/// What is kept, after another change to it.
fn change_base(world: &World, change: impl FnOnce(&mut SavedBase)) {
    world.cluster.keep(|kept| {
        let mut kept = kept.unwrap();
        let mut base = SavedBase::read(&kept.sections[state::BASE]).unwrap();
        change(&mut base);
        kept.sections.insert(state::BASE.to_owned(), base.text());
        Some(kept)
    });
}

#[test]
fn what_was_deleted_in_the_cluster_while_no_process_ran_goes_from_git() {
    let mut world = captured();
    world.cluster.remove(&config_map_id("shop", "a"));
    world.restart(true);
    world.pass(10);
    assert!(world.git.file(PATH).is_some(), "not before deleteDelay");
    world.pass(30);
    assert_eq!(world.git.file(PATH), None);
    world.assert_in_sync();
}

#[test]
fn what_was_removed_from_git_while_no_process_ran_goes_from_the_cluster() {
    let mut world = applied();
    world.git.commit_by_hand(&[("a.yaml", None)]);
    world.restart(true);
    world.pass(30);
    assert!(world.cluster.object(&config_map_id("shop", "a")).is_none());
    assert!(world.cluster.object(&config_map_id("shop", "b")).is_some());
    world.assert_in_sync();
}

#[test]
fn what_an_autoscaler_in_git_writes_is_known_after_a_restart() {
    let mut world = World::new("- {name: apply, apiGroups: [apps], resources: [deployments], syncTo: kubernetes}");
    let autoscaler = "\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}
";
    world.push(&[("web.yaml", Some(DEPLOYMENT)), ("scale.yaml", Some(autoscaler))]);
    world.pass(20);
    world.assert_said(&deployment_id(), "HorizontalPodAutoscaler");
    world.restart(true);
    world.pass(20);
    world.assert_said(&deployment_id(), "HorizontalPodAutoscaler");
}

#[test]
fn a_restart_writes_nothing_when_nothing_changed() {
    let mut world = applied();
    world.cluster.take_writes();
    let (kept, commits) = (world.cluster.kept(), world.git.commits());
    world.restart(true);
    world.pass(60);
    assert_eq!(world.cluster.kept(), kept);
    assert!(world.cluster.take_writes().is_empty());
    assert_eq!(world.git.commits(), commits);
}

#[test]
fn what_never_agreed_is_kept_after_a_restart() {
    let mut world = captured();
    // Only in Git: written by hand while nobody looked, or left by another cluster.
    world.git.commit_by_hand(&[("d.yaml", Some(&manifest("d", "1")))]);
    world.restart(true);
    world.pass(60);
    world.restart(true);
    world.pass(60);
    assert!(world.git.file("d.yaml").is_some());
    world.assert_said(&config_map_id("shop", "d"), "never seen live");
}

/// Everything is gone from a cluster that is not the one that agreed: nothing goes from Git.
fn nothing_goes_from_git(world: &mut World) {
    for name in ["a", "b", "c"] {
        world.cluster.remove(&config_map_id("shop", name));
    }
    world.restart(true);
    world.pass(600);
    assert!(world.git.file(PATH).is_some());
    world.assert_said(&config_map_id("shop", "a"), "never seen live");
    // And it stays so.
    world.restart(true);
    world.pass(600);
    assert!(world.git.file(PATH).is_some());
}

#[test]
fn a_rebuilt_cluster_deletes_nothing() {
    let mut world = captured();
    change_base(&world, |base| base.binding.cluster = "another".to_owned());
    nothing_goes_from_git(&mut world);
}

#[test]
fn a_state_that_was_copied_or_restored_deletes_nothing() {
    let mut world = captured();
    let kept = world.cluster.kept().unwrap();
    world.cluster.keep(|_| None);
    world.cluster.keep(|_| Some(kept));
    nothing_goes_from_git(&mut world);
}

#[test]
fn another_folder_or_repository_deletes_nothing() {
    let mut world = captured();
    world.git.set_source("another folder");
    nothing_goes_from_git(&mut world);
}

#[test]
fn a_state_that_is_gone_or_cannot_be_read_deletes_nothing() {
    let mut world = captured();
    world.cluster.keep(|_| None);
    nothing_goes_from_git(&mut world);
    let mut world = captured();
    world.cluster.keep(|kept| {
        let mut kept = kept.unwrap();
        kept.sections.insert(state::BASE.to_owned(), "{\"form\": 1, \"commit\": 7".to_owned());
        Some(kept)
    });
    nothing_goes_from_git(&mut world);
}

#[test]
fn a_commit_that_history_no_longer_has_deletes_nothing() {
    let mut world = captured();
    let tip = world.git.tip().unwrap();
    world.git.commit_by_hand(&[("README.md", Some("squashed"))]);
    world.git.lose(tip);
    nothing_goes_from_git(&mut world);
}

#[test]
fn what_newly_falls_under_a_rule_has_not_agreed() {
    let mut world = captured();
    // The rules changed while no process ran, and one of the objects went as well.
    world.rules = super::world::rules("- {name: all, resources: [configmaps], namespaces: [shop, lab], syncTo: git}");
    world.cluster.remove(&config_map_id("shop", "a"));
    world.restart(true);
    world.pass(600);
    assert!(world.git.file(PATH).is_some());
    world.assert_said(&config_map_id("shop", "a"), "never seen live");
}

#[test]
fn a_namespace_that_was_made_anew_while_no_process_ran_takes_nothing_from_git() {
    let mut world = captured();
    let namespace = kubeferry::object::ObjectId::new(GroupKind::new("", "Namespace"), "", "shop");
    for name in ["a", "b", "c"] {
        world.cluster.remove(&config_map_id("shop", name));
    }
    world.cluster.remove(&namespace);
    world.cluster.update(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}), "people");
    world.restart(true);
    world.pass(600);
    assert!(world.git.file(PATH).is_some());
    world.assert_said(&config_map_id("shop", "a"), "Namespace shop has gone or is another one");
}

#[test]
fn what_goes_before_its_namespace_is_listed_goes_from_git_unless_that_was_made_anew() {
    for is_made_anew in [false, true] {
        let mut world = captured();
        world.restart(true);
        let space = ObjectId::new(GroupKind::new("", "Namespace"), "", "shop");
        world.cluster.remove(&config_map_id("shop", "a"));
        if is_made_anew {
            let object = world.cluster.object(&space).unwrap();
            world.cluster.remove(&space);
            world.cluster.update(&object, "people");
        }
        // The list of the ConfigMaps, in which it still stands, and its end come before the list of the Namespaces.
        world.cluster.lose_events(space.group_kind());
        world.pass(60);
        assert_eq!(world.git.file(PATH).is_some(), is_made_anew, "{:?}", world.said(&config_map_id("shop", "a")));
    }
}

#[test]
fn what_had_not_arrived_when_the_process_ended_keeps_its_past() {
    let mut world = applied();
    // A delete that the API server refuses, and an edit that it refuses: neither agrees with the new commit.
    world.cluster.fail_deletes(Some(kubeferry::cluster::ClusterError::Forbidden("no".into())));
    world.push(&[("a.yaml", None), ("b.yaml", Some(&manifest("b", "2")))]);
    world.pass(20);
    let base = SavedBase::read(&world.cluster.kept().unwrap().sections[state::BASE]).unwrap();
    let listed: Vec<_> = base.listed().filter(|(_, past)| past.is_some()).map(|(id, _)| id).collect();
    assert_eq!(listed, [config_map_id("shop", "a")]);
    assert_eq!(base.commit(), world.git.tip());

    world.cluster.heal();
    world.restart(true);
    world.pass(30);
    assert!(world.cluster.object(&config_map_id("shop", "a")).is_none(), "the delete is not forgotten");
    world.assert_in_sync();
}

#[test]
fn a_mirror_that_lags_behind_what_is_remembered_is_not_believed_at_once() {
    let mut world = applied();
    let old = world.git.tip();
    world.push(&[("d.yaml", Some(&manifest("d", "1")))]);
    world.pass(20);
    let new = world.git.tip();
    world.restart(true);
    world.git.set_tip(old);
    world.pass(30);
    assert!(world.cluster.object(&config_map_id("shop", "d")).is_some());
    assert!(!world.engine.progress().head_read || world.engine.progress().head != old, "nothing is planned on it");
    world.git.set_tip(new);
    world.pass(60);
    world.assert_in_sync();

    // It stays: then somebody moved the branch back. That is planned, but deletes nothing.
    world.restart(true);
    world.git.set_tip(old);
    world.pass(600);
    assert_eq!(world.engine.progress().head, old);
    assert!(world.cluster.object(&config_map_id("shop", "d")).is_some());
}

#[test]
fn a_manifest_that_came_back_after_its_removal_is_not_removed_again() {
    let mut world = captured();
    world.cluster.remove(&config_map_id("shop", "a"));
    let text = world.git.file(PATH).unwrap();
    // The process ends right after its push, before it could keep that it did.
    world.pass(16);
    while world.git.file(PATH).is_some() {
        assert!(world.now().as_secs() < 120, "it is removed");
        if let Some(until) = world.step() {
            world.clock.set(until.unwrap());
        }
    }
    world.git.commit_by_hand(&[(PATH, Some(&text))]);
    world.restart(true);
    world.pass(600);
    assert_eq!(world.git.file(PATH), Some(text));
}

/// Steps until the state says that a manifest is about to be removed.
fn until_removal_is_announced(world: &mut World) {
    let says = |world: &World| {
        let kept = world.cluster.kept().unwrap();
        SavedBase::read(&kept.sections[state::BASE]).unwrap().was_removing().is_some()
    };
    while !says(world) {
        assert!(world.now().as_secs() < 120, "it is announced");
        if let Some(until) = world.step() {
            world.clock.set(until.unwrap());
        }
    }
}

#[test]
fn a_removal_that_was_announced_and_never_arrived_is_made_by_the_next_process() {
    let mut world = captured();
    // Decision 13. Servers may give a commit that they have seen, whatever became of its push.
    world.git.give_all();
    world.cluster.remove(&config_map_id("shop", "a"));
    world.git.refuse_pushes(Some("protected branch"));
    until_removal_is_announced(&mut world);
    assert!(world.git.file(PATH).is_some());
    world.git.heal();
    world.restart(true);
    world.pass(60);
    assert_eq!(world.git.file(PATH), None);
    world.assert_in_sync();
}

#[test]
fn a_removal_that_was_refused_is_made_by_the_next_process_on_another_head() {
    let mut world = captured();
    world.git.give_all();
    world.cluster.remove(&config_map_id("shop", "a"));
    until_removal_is_announced(&mut world);
    world.git.refuse_pushes(Some("protected branch"));
    // Long enough to keep that it did not arrive, not long enough for another attempt after the last one.
    let is_announced = |world: &World| {
        let kept = world.cluster.kept().unwrap();
        SavedBase::read(&kept.sections[state::BASE]).unwrap().was_removing().is_some()
    };
    while is_announced(&world) {
        assert!(world.now().as_secs() < 600, "that it was refused is kept");
        if let Some(until) = world.step() {
            world.clock.set(until.unwrap());
        }
    }
    world.git.heal();
    world.git.commit_by_hand(&[("README.md", Some("moved on"))]);
    world.restart(true);
    world.pass(60);
    assert_eq!(world.git.file(PATH), None);
    world.assert_in_sync();
}

#[test]
fn a_list_that_is_too_long_leaves_its_rule_without_a_past() {
    let rules = super::world::rules(
        "- {name: many, resources: [configmaps], namespaces: [lab], syncTo: git}\n- {name: few, resources: [configmaps], syncTo: git}",
    );
    let mut bases = kubeferry::sync::base::Bases::default();
    for number in 0..6_000 {
        bases.differ(&config_map_id("lab", &format!("c{number}")), None);
    }
    bases.differ(&config_map_id("shop", "a"), None);
    let kind = Arc::new(super::memory_cluster::kind("", "ConfigMap", "configmaps"));
    let saved = SavedBase::new(state::Binding::default(), &rules, None, &bases, |_| Some(kind.clone()));
    assert_eq!(saved.listed().count(), 1);
    assert!(!saved.assumes(&rules, &config_map_id("lab", "other"), &kind), "its rule keeps no past");
    assert!(saved.assumes(&rules, &config_map_id("shop", "b"), &kind));
    assert!(saved.text().len() < 10_000);
    assert_eq!(SavedBase::read(&saved.text()), Some(saved));
}

#[test]
fn what_vanished_while_nothing_ran_is_deleted_however_long_the_list_is() {
    let mut world = World::new(TO_CLUSTER);
    world.cluster.update(&config_map("lab", "not-ours", &json!({"a": "1"})), "kubectl-create");
    let many: Vec<(String, String)> =
        (0..100).map(|number| (format!("{number:03}.yaml"), manifest(&format!("map-{number:03}"), "1"))).collect();
    let writes: Vec<_> = many.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect();
    world.push(&writes);
    world.pass(30);
    world.assert_in_sync();
    world.git.commit_by_hand(&[("099.yaml", None)]);
    // It is planned when the list shows only a part of what there is.
    world.restart(true);
    world.pass(30);
    assert!(world.cluster.object(&config_map_id("shop", "map-099")).is_none());
    world.assert_in_sync();
}

#[test]
fn what_was_deleted_as_the_process_ended_is_forgotten_and_may_be_made_anew() {
    let mut world = applied();
    let id = config_map_id("shop", "a");
    world.git.commit_by_hand(&[("a.yaml", None)]);
    world.engine.poke();
    let announced =
        |world: &World| world.cluster.kept().is_some_and(|kept| kept.sections[state::BASE].contains("deleting"));
    for _ in 0..1000 {
        if announced(&world) {
            break;
        }
        world.step();
    }
    assert!(announced(&world) && world.cluster.object(&id).is_some(), "it is said before it is done");
    // The request arrives, the answer finds nobody.
    world.cluster.remove(&id);
    world.restart(true);
    world.pass(30);
    let kept = world.cluster.kept().unwrap().sections[state::BASE].clone();
    assert!(!kept.contains("deleting") && !kept.contains("differs"), "{kept}");
    world.cluster.update(&config_map("shop", "a", &json!({"a": "by hand"})), "kubectl-create");
    world.pass(60);
    assert_eq!(world.live(&id, "/data/a"), "by hand");
    world.restart(true);
    world.pass(60);
    assert_eq!(world.live(&id, "/data/a"), "by hand");
}

#[test]
fn a_commit_that_is_due_waits_for_the_state_and_does_not_spin() {
    let mut world = captured();
    world.cluster.update(&config_map("shop", "a", &json!({"a": "2"})), "kubectl-edit");
    world.pass(1);
    world.engine.set_active(false);
    world.engine.set_active(true);
    for _ in 0..4 {
        world.cluster.fail_next(ClusterError::Busy("429".into()));
    }
    world.pass(120);
    assert!(world.git.file(PATH).unwrap().contains("a: \"2\""));
}

#[test]
fn what_went_with_its_namespace_stays_in_git_also_when_a_later_process_asks() {
    let mut world = captured();
    let shop = ObjectId::new(GroupKind::new("", "Namespace"), "", "shop");
    for name in ["a", "b", "c"] {
        world.cluster.remove(&config_map_id("shop", name));
    }
    world.cluster.remove(&shop);
    world.pass(60);
    world.cluster.update(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}), "people");
    world.pass(60);
    // Twice: what the first one finds is kept for the second.
    for _ in 0..2 {
        world.restart(true);
        world.pass(600);
        assert!(world.git.file(PATH).is_some());
        world.assert_said(&config_map_id("shop", "a"), "Namespace shop has gone or is another one");
    }
    // What is made there from now on is nobody's loss when it goes by itself.
    world.cluster.update(&config_map("shop", "a", &json!({"a": "2"})), "kubectl-create");
    world.pass(60);
    world.cluster.remove(&config_map_id("shop", "a"));
    world.pass(60);
    assert_eq!(world.git.file(PATH), None);
}

#[test]
fn what_went_with_its_namespace_stays_in_git_also_when_a_watch_that_lags_shows_it_once_more() {
    let shop = ObjectId::new(GroupKind::new("", "Namespace"), "", "shop");
    for (seconds, by_another_process) in [(0, false), (5, false), (0, true)] {
        let mut world = captured();
        world.cluster.keep_past();
        for name in ["c", "b", "a"] {
            world.cluster.remove(&config_map_id("shop", name));
        }
        world.cluster.remove(&shop);
        world.cluster.update(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}), "people");
        if by_another_process {
            world.restart(true);
        } else {
            world.pass(seconds);
        }
        world.cluster.relist_from(config_map_id("shop", "a").group_kind(), 3);
        world.pass(600);
        assert!(world.git.file(PATH).is_some(), "after {seconds} s, {by_another_process}");
        // What was learnt meanwhile misleads nobody.
        world.restart(true);
        world.pass(600);
        assert!(world.git.file(PATH).is_some(), "after {seconds} s, {by_another_process}");
    }
}

#[test]
fn a_standby_that_takes_over_without_a_past_takes_nothing_for_agreed() {
    for steps in 0..40 {
        let mut world = World::new(TO_GIT);
        world.restart(false);
        world.git.commit_by_hand(&[("d.yaml", Some(&manifest("d", "1")))]);
        world.pass(60);
        // It leads for a moment only, whatever it has kept by then.
        world.engine.set_active(true);
        for _ in 0..steps {
            if let Some(Some(until)) = world.step() {
                world.clock.set(until);
            }
        }
        world.engine.set_active(false);
        world.pass(60);
        world.engine.set_active(true);
        world.pass(600);
        assert!(world.git.file("d.yaml").is_some(), "after {steps} steps");
        world.assert_said(&config_map_id("shop", "d"), "never seen live");
    }
}

#[test]
fn who_leads_again_keeps_nothing_before_it_has_learnt_what_agreed() {
    for steps in 0..60 {
        let mut world = World::new(TO_GIT);
        world.push(&[("README.md", Some("hello"))]);
        world.pass(60);
        // What it has seen by now is not kept yet when another one leads.
        world.push(&[("README.md", Some("hello there"))]);
        world.engine.set_active(false);
        world.git.commit_by_hand(&[("d.yaml", Some(&manifest("d", "1")))]);
        world.pass(60);
        world.pace.set(steps, 2);
        world.engine.set_active(true);
        for _ in 0..steps {
            if let Some(Some(until)) = world.step() {
                world.clock.set(until);
            }
        }
        world.pace.set(0, 0);
        world.restart(true);
        world.pass(600);
        assert!(world.git.file("d.yaml").is_some(), "after {steps} steps");
        world.assert_said(&config_map_id("shop", "d"), "never seen live");
    }
}
