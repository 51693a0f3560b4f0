//! Both sides may change an object (decisions 14 and 15): what is carried, what is held, and what a release does.

use std::time::Duration;

use kubeferry::cluster::ClusterError;
use kubeferry::object::ObjectId;
use kubeferry::report::Side;
use kubeferry::sync::engine::with_releases;
use kubeferry::sync::holds::SavedHolds;
use kubeferry::sync::past::Undecided;
use kubeferry::sync::state::{self, Release};
use serde_json::{Value, json};

use super::memory_cluster::kind;
use super::world::*;

const BOTH: &str = "- {name: both, resources: [configmaps], namespaces: [shop], syncTo: both}";
const HOLD: &str = "- {name: hold, resources: [configmaps], namespaces: [shop], syncTo: git, gitEdits: hold}";
const PATH: &str = "a.yaml";

fn id() -> ObjectId {
    config_map_id("shop", "a")
}

fn with_policy(policy: &str) -> String {
    BOTH.replace("syncTo: both", &format!("syncTo: both, conflict: {policy}"))
}

/// A world in which `a: "1"` stands on both sides and agrees.
fn agreed(rules: &str) -> World {
    let mut world = World::new(rules);
    world.cluster.update(&config_map("shop", "a", &json!({"a": "1"})), "kubectl-create");
    world.push(&[(PATH, Some(&manifest("a", "1")))]);
    world.pass(20);
    world.assert_in_sync();
    world
}

#[test]
fn an_empty_map_of_annotations_in_a_manifest_is_no_change_of_the_cluster() {
    let mut world = World::new(BOTH);
    let text = manifest("a", "1").replace("metadata:\n", "metadata:\n  annotations: {}\n");
    assert!(text.contains("annotations: {}"), "{text}");
    world.push(&[(PATH, Some(&text))]);
    world.pass(20);
    world.assert_in_sync();
    world.push(&[(PATH, None)]);
    world.pass(60);
    assert_eq!(world.cluster.object(&id()), None, "{:?}", world.said(&id()));
}

/// Both sides change `a` before the engine sees either: in Git to `2`, in the cluster to `3`.
fn disagree(world: &mut World) {
    world.git.commit_by_hand(&[(PATH, Some(&manifest("a", "2")))]);
    edit(world, json!({"a": "3"}));
    world.engine.poke();
}

fn edit(world: &World, data: Value) {
    world.cluster.update(&config_map("shop", "a", &data), "kubectl-edit");
}

fn git(world: &World) -> String {
    world.git.file(PATH).unwrap_or_default()
}

fn live(world: &World) -> Value {
    world.live(&id(), "/data")
}

fn holds(world: &World) -> SavedHolds {
    let kept = world.cluster.kept().unwrap_or_default();
    kept.sections.get(state::HOLDS).map(|text| SavedHolds::read(text)).unwrap_or_default()
}

/// What somebody does in the cluster is there at the end, whenever it comes after a commit. `commit`: what it says of `a`.
fn an_edit_stays_whenever_it_comes_after(commit: Option<&str>) {
    for steps in 0..80 {
        let mut world = agreed(BOTH);
        world.pace.set(steps, 3);
        world.git.commit_by_hand(&[(PATH, commit), ("README.md", Some("hello"))]);
        world.engine.poke();
        for _ in 0..steps {
            if let Some(until) = world.step() {
                world.clock.set(until.unwrap_or_default());
            }
        }
        edit(&world, json!({"a": "3"}));
        world.pace.set(0, 0);
        world.pass(1_000);
        assert_eq!(live(&world), json!({"a": "3"}), "after {steps} steps: {:?}", world.said(&id()));
    }
}

#[test]
fn an_edit_that_comes_while_a_commit_is_applied_is_not_written_over() {
    an_edit_stays_whenever_it_comes_after(Some(&manifest("a", "2")));
}

#[test]
fn an_edit_that_comes_while_the_object_is_deleted_keeps_it() {
    an_edit_stays_whenever_it_comes_after(None);
}

/// What `kubeferry release` does.
fn release(world: &mut World, keep: Option<Side>) {
    world.cluster.keep(|kept| {
        let at = jiff::Timestamp::from_second(1_000_000).unwrap();
        let release = Release { object: id(), keep, by: "someone".into(), at };
        Some(with_releases(kept.unwrap_or_default(), vec![release]))
    });
}

#[test]
fn a_change_on_one_side_reaches_the_other() {
    let mut world = agreed(BOTH);
    world.push(&[(PATH, Some(&manifest("a", "2")))]);
    assert_eq!(live(&world), json!({"a": "2"}));
    edit(&world, json!({"a": "3"}));
    world.pass(20);
    assert_eq!(git(&world), manifest("a", "3"), "only the value changes");
    edit(&world, json!({"a": "3", "b": "new"}));
    world.pass(20);
    assert!(git(&world).contains("b: new"), "{}", git(&world));
    edit(&world, json!({"a": "3"}));
    world.pass(20);
    assert_eq!(git(&world), manifest("a", "3"));
    world.push(&[(PATH, Some(&format!("{}  c: \"1\"\n", manifest("a", "3"))))]);
    world.push(&[(PATH, Some(&manifest("a", "3")))]);
    assert_eq!(live(&world), json!({"a": "3"}), "what left Git goes");
    world.pass(20);
    world.assert_in_sync();
    let (calls, commits) = (world.cluster.calls(), world.git.commits());
    world.pass(600);
    assert_eq!((world.cluster.calls(), world.git.commits()), (calls, commits), "and then there is rest");
}

#[test]
fn what_other_rules_never_compared_is_nobodys_edit() {
    let mut world = World::new("- {name: apply, resources: [configmaps], namespaces: [shop], syncTo: kubernetes}");
    world.push(&[(PATH, Some(&manifest("a", "1")))]);
    world.pass(20);
    // One rule covers every field and rests, another acts: what is committed now reaches nobody.
    world.reload(
        "- {name: idle, resources: [configmaps], namespaces: [shop], suspend: true, syncTo: kubernetes}
- {name: rest, resources: [configmaps], syncTo: kubernetes}",
    );
    world.push(&[(PATH, Some(&manifest("a", "2")))]);
    world.pass(20);
    for restarts in [false, true] {
        if restarts {
            world.restart(true);
        } else {
            world.reload(BOTH);
        }
        world.pass(20);
        assert!(git(&world).contains("a: \"2\""), "what was committed is not written over: {}", git(&world));
        assert_eq!(live(&world), json!({"a": "1"}));
        world.assert_said(&id(), "kubeferry release");
    }
    release(&mut world, Some(Side::Git));
    world.pass(20);
    assert_eq!(live(&world), json!({"a": "2"}));
}

#[test]
fn a_field_that_both_sides_changed_is_held_and_the_others_are_carried() {
    let mut world = agreed(BOTH);
    disagree(&mut world);
    world.pass(20);
    assert_eq!((git(&world), live(&world)), (manifest("a", "2"), json!({"a": "3"})));
    world.assert_said(&id(), "--keep git");
    let held = holds(&world);
    assert_eq!(held.held.len(), 1);
    assert_eq!((held.held[0].waits, &held.held[0].fields), (Some(Undecided::Conflict), &vec![".data.a".to_owned()]));
    assert!(!held.held[0].why.contains('2'), "no value is kept: {held:?}");

    // Another field goes on both ways, again and again.
    for value in ["one", "two", "three"] {
        edit(&world, json!({"a": "3", "b": value}));
        world.pass(20);
        assert_eq!(git(&world), format!("{}  b: {value}\n", manifest("a", "2")));
        let text = git(&world).replace(&format!("b: {value}"), &format!("b: {value}-git"));
        world.push(&[(PATH, Some(&text))]);
        world.pass(20);
        assert_eq!(live(&world), json!({"a": "3", "b": format!("{value}-git")}));
    }
    let (calls, commits) = (world.cluster.calls(), world.git.commits());
    world.pass(600);
    assert_eq!((world.cluster.calls(), world.git.commits()), (calls, commits), "a hold costs nothing");

    // Somebody makes them equal.
    edit(&world, json!({"a": "2", "b": "three-git"}));
    world.pass(20);
    world.assert_in_sync();
    assert_eq!(holds(&world), SavedHolds::default());
}

#[test]
fn a_release_takes_the_side_that_is_kept_once() {
    for (keep, value) in [(Side::Git, "2"), (Side::Cluster, "3")] {
        let mut world = agreed(BOTH);
        disagree(&mut world);
        world.pass(20);
        release(&mut world, Some(keep));
        world.pass(30);
        assert_eq!((git(&world), live(&world)), (manifest("a", value), json!({"a": value})), "{keep:?}");
        world.assert_in_sync();
        let kept = world.cluster.kept().unwrap();
        assert_eq!(kept.sections.get(state::RELEASES), None, "it is carried out, and gone");
        assert_eq!(kept.sections.get(state::HOLDS), None);

        // It was for that once.
        world.git.commit_by_hand(&[(PATH, Some(&manifest("a", "4")))]);
        edit(&world, json!({"a": "5"}));
        world.engine.poke();
        world.pass(20);
        world.assert_said(&id(), "both sides changed");
    }
}

#[test]
fn a_release_is_carried_out_by_the_next_process() {
    let mut world = agreed(BOTH);
    disagree(&mut world);
    world.pass(20);
    release(&mut world, Some(Side::Cluster));
    world.restart(true);
    world.pass(60);
    assert_eq!(git(&world), manifest("a", "3"), "{:?}", world.said(&id()));
    world.assert_in_sync();
}

#[test]
fn a_conflict_stays_one_over_a_restart() {
    let mut world = agreed(BOTH);
    disagree(&mut world);
    world.pass(20);
    world.restart(true);
    world.pass(60);
    assert_eq!((git(&world), live(&world)), (manifest("a", "2"), json!({"a": "3"})));
    world.assert_said(&id(), "both sides changed");
}

#[test]
fn what_changed_on_one_side_while_no_process_ran_reaches_the_other() {
    let mut world = agreed(BOTH);
    edit(&world, json!({"a": "2"}));
    world.restart(true);
    world.pass(60);
    assert_eq!(git(&world), manifest("a", "2"), "{:?}", world.said(&id()));
    world.pass(20);
    world.git.commit_by_hand(&[(PATH, Some(&manifest("a", "3")))]);
    world.restart(true);
    world.pass(60);
    assert_eq!(live(&world), json!({"a": "3"}), "{:?}", world.said(&id()));
    world.assert_in_sync();
}

#[test]
fn each_policy_decides_and_the_losing_value_is_told() {
    for (policy, value) in [("git", "2"), ("cluster", "3")] {
        let mut world = agreed(&with_policy(policy));
        disagree(&mut world);
        world.pass(20);
        assert_eq!((git(&world), live(&world)), (manifest("a", value), json!({"a": value})), "{policy}");
        world.assert_in_sync();
        if policy == "cluster" {
            let messages = world.git.messages();
            assert!(messages.iter().any(|text| text.contains(r#".data.a "2" -> "3""#)), "{messages:?}");
        }
    }
    let mut world = agreed(&with_policy("latest"));
    disagree(&mut world);
    world.pass(20);
    world.assert_said(&id(), "both sides changed");

    // The cluster's change was seen first; before it is committed Git changes too.
    let mut world = agreed(&with_policy("latest"));
    edit(&world, json!({"a": "3"}));
    world.settle();
    world.push(&[(PATH, Some(&manifest("a", "2")))]);
    world.pass(1);
    world.push(&[(PATH, Some(&manifest("a", "4")))]);
    world.pass(20);
    assert_eq!((git(&world), live(&world)), (manifest("a", "4"), json!({"a": "4"})));
    world.assert_in_sync();
}

#[test]
fn values_that_keep_moving_are_no_conflict() {
    let mut world = agreed(BOTH);
    for round in 0..20 {
        edit(&world, json!({"a": format!("live-{round}")}));
        // The commit is made after two quiet seconds; at that moment the value moves on.
        world.pass(round % 4);
    }
    world.pass(30);
    assert_eq!(git(&world), manifest("a", "live-19"));
    world.assert_in_sync();
    for round in 0..10 {
        world.git.commit_by_hand(&[(PATH, Some(&manifest("a", &format!("git-{round}"))))]);
        world.engine.poke();
        for _ in 0..round % 5 {
            world.step();
        }
    }
    world.pass(30);
    assert_eq!(live(&world), json!({"a": "git-9"}), "{:?}", world.said(&id()));
    world.assert_in_sync();
}

#[test]
fn a_side_that_is_missing_is_made() {
    let mut world = World::new(BOTH);
    world.cluster.update(&config_map("shop", "b", &json!({"a": "1"})), "kubectl-create");
    world.push(&[(PATH, Some(&manifest("a", "1")))]);
    world.pass(20);
    assert_eq!(live(&world), json!({"a": "1"}));
    assert!(world.git.file("shop/ConfigMap/b.yaml").is_some());
    world.assert_in_sync();
}

#[test]
fn what_goes_from_one_side_goes_from_the_other_unless_it_changed_there() {
    let mut world = agreed(BOTH);
    world.push(&[(PATH, None)]);
    world.pass(20);
    assert!(world.cluster.object(&id()).is_none(), "{:?}", world.said(&id()));

    let mut world = agreed(BOTH);
    world.cluster.remove(&id());
    world.pass(60);
    assert!(world.git.file(PATH).is_none(), "{:?}", world.said(&id()));

    for (keep, stays) in [(Side::Git, false), (Side::Cluster, true)] {
        let mut world = agreed(BOTH);
        world.git.commit_by_hand(&[(PATH, None)]);
        edit(&world, json!({"a": "2"}));
        world.engine.poke();
        world.pass(20);
        assert_eq!(live(&world), json!({"a": "2"}));
        world.assert_said(&id(), "was changed in the cluster");
        release(&mut world, Some(keep));
        world.pass(60);
        assert_eq!(world.cluster.object(&id()).is_some(), stays, "{:?}", world.said(&id()));
        assert_eq!(world.git.file("shop/ConfigMap/a.yaml").is_some(), stays);
        world.assert_in_sync();
    }
    for (keep, stays) in [(Side::Git, true), (Side::Cluster, false)] {
        let mut world = agreed(BOTH);
        world.git.commit_by_hand(&[(PATH, Some(&manifest("a", "2")))]);
        world.cluster.remove(&id());
        world.engine.poke();
        world.pass(60);
        assert_eq!(git(&world), manifest("a", "2"));
        world.assert_said(&id(), "gone from the cluster, and its manifest was changed");
        release(&mut world, Some(keep));
        world.pass(60);
        assert_eq!(world.cluster.object(&id()).is_some(), stays, "{:?}", world.said(&id()));
        assert_eq!(world.git.file(PATH).is_some(), stays);
        world.assert_in_sync();
    }
}

// --- Decision 14 ---

#[test]
fn a_commit_by_hand_stays_until_the_object_changes_also_over_a_restart() {
    for restarts in [false, true] {
        let mut world = agreed(HOLD);
        world.push(&[(PATH, Some(&manifest("a", "2")))]);
        world.pass(20);
        assert_eq!((git(&world), live(&world)), (manifest("a", "2"), json!({"a": "1"})));
        world.assert_said(&id(), "a commit changed .data.a");
        assert_eq!(holds(&world).held[0].waits, Some(Undecided::Edit));
        if restarts {
            world.restart(true);
            world.pass(60);
            assert_eq!(git(&world), manifest("a", "2"), "{:?}", world.said(&id()));
            world.assert_said(&id(), "a commit changed .data.a");
            // It changes while no process runs.
            world.restart(false);
            edit(&world, json!({"a": "3"}));
            world.restart(true);
        } else {
            edit(&world, json!({"a": "3"}));
        }
        world.pass(60);
        assert_eq!(git(&world), manifest("a", "3"), "restarts {restarts}: {:?}", world.said(&id()));
        world.assert_in_sync();
        assert_eq!(holds(&world), SavedHolds::default());
    }
}

#[test]
fn a_commit_by_hand_that_is_released_is_written_over() {
    let mut world = agreed(HOLD);
    world.push(&[(PATH, Some(&manifest("a", "2")))]);
    world.pass(20);
    release(&mut world, None);
    world.pass(20);
    assert_eq!(git(&world), manifest("a", "1"), "{:?}", world.said(&id()));
    world.assert_in_sync();
    assert_eq!(world.cluster.kept().unwrap().sections.get(state::RELEASES), None);
    world.push(&[(PATH, Some(&manifest("a", "4")))]);
    world.pass(20);
    assert_eq!(git(&world), manifest("a", "4"), "it was for that once");
}

#[test]
fn a_manifest_that_somebody_removed_stays_away_until_the_object_changes() {
    let mut world = agreed(HOLD);
    world.push(&[(PATH, None)]);
    world.pass(60);
    assert_eq!(world.git.paths(), [] as [&str; 0]);
    world.assert_said(&id(), "a commit removed its manifest");
    world.restart(true);
    world.pass(60);
    assert_eq!(world.git.paths(), [] as [&str; 0], "{:?}", world.said(&id()));
    edit(&world, json!({"a": "2"}));
    world.pass(60);
    assert_eq!(world.git.paths(), ["shop/ConfigMap/a.yaml"], "{:?}", world.said(&id()));
    world.assert_in_sync();
}

#[test]
fn a_value_that_keeps_moving_is_nobodys_commit() {
    let mut world = agreed(HOLD);
    for round in 0..20 {
        edit(&world, json!({"a": format!("live-{round}")}));
        world.pass(round % 4);
    }
    world.pass(30);
    assert_eq!(git(&world), manifest("a", "live-19"));
    world.assert_in_sync();
}

// --- restore ---

#[test]
fn what_a_lost_cluster_had_is_made_again_where_the_rule_says_so() {
    let mut world = World::new(&TO_GIT.replace("syncTo: git", "syncTo: git, restore: true"));
    world.push(&[(PATH, Some(&manifest("a", "1")))]);
    world.pass(20);
    assert_eq!(live(&world), json!({"a": "1"}));
    world.assert_in_sync();
    edit(&world, json!({"a": "2"}));
    world.pass(20);
    assert_eq!(git(&world), manifest("a", "2"), "and from then on the cluster decides");
    world.cluster.remove(&id());
    world.pass(60);
    assert!(world.git.file(PATH).is_none(), "what agreed and went is not made again");
}

// --- forceConflicts ---

#[test]
fn a_field_that_another_manager_holds_is_applied_once_it_is_given_up() {
    let rules = TO_CLUSTER.replace("syncTo: kubernetes", "syncTo: kubernetes, forceConflicts: false");
    let mut world = World::new(&rules);
    world.cluster.apply_as(&config_map("shop", "a", &json!({"a": "flux"})), "flux");
    world.push(&[(PATH, Some(&format!("{}  b: one\n", manifest("a", "git"))))]);
    world.pass(30);
    assert_eq!(live(&world), json!({"a": "flux", "b": "one"}), "the rest is applied");
    world.assert_said(&id(), "flux holds another value");
    let calls = world.cluster.calls();
    world.pass(3_000);
    assert_eq!(world.cluster.calls(), calls, "it is not tried again and again");
    world.cluster.apply_as(&config_map("shop", "a", &json!({})), "flux");
    world.pass(30);
    assert_eq!(live(&world), json!({"a": "git", "b": "one"}), "{:?}", world.said(&id()));
    world.assert_in_sync();
}

const CONTAINERS: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  replicas: 3
  selector:
    matchLabels:
      app: web
  template:
    metadata:
      labels:
        app: web
    spec:
      containers:
      - name: web
        image: web:1
        ports:
        - containerPort: 80
      - name: side
        image: side:1
";

const DEPLOYMENTS: &str = "- {name: both, resources: [deployments], namespaces: [shop], syncTo: both}";

/// A world in which [`CONTAINERS`] stands on both sides and agrees.
fn two_containers() -> World {
    let mut world = World::new(DEPLOYMENTS);
    world.push(&[(PATH, Some(CONTAINERS))]);
    world.pass(20);
    world.assert_in_sync();
    world
}

fn without_side() -> &'static str {
    CONTAINERS.split("      - name: side").next().unwrap()
}

#[test]
fn an_item_that_is_taken_out_of_the_cluster_is_taken_out_of_git() {
    let mut world = two_containers();
    let mut object = world.cluster.object(&deployment_id()).unwrap();
    object["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap().pop();
    world.cluster.update(&object, "kubectl-edit");
    world.pass(60);
    assert_eq!(git(&world), without_side(), "{:?}", world.said(&deployment_id()));
    world.assert_in_sync();
}

#[test]
fn an_item_that_left_git_goes_from_the_cluster_also_when_that_fails_at_first() {
    let mut world = two_containers();
    for _ in 0..2 {
        world.cluster.refuse_next_apply(ClusterError::Busy("429".into()));
    }
    world.push(&[(PATH, Some(without_side()))]);
    world.pass(60);
    let containers = world.live(&deployment_id(), "/spec/template/spec/containers");
    assert_eq!(containers.as_array().map(Vec::len), Some(1), "{:?}", world.said(&deployment_id()));
    world.assert_in_sync();
}

#[test]
fn a_manifest_of_which_former_rules_did_not_compare_every_field_is_not_removed() {
    let mut world = World::new("- {name: apply, resources: [configmaps], namespaces: [shop], syncTo: kubernetes}");
    world.push(&[(PATH, Some(&manifest("a", "1")))]);
    world.pass(20);
    // One rule covers every field and rests, another acts: what is committed now reaches nobody.
    world.reload(
        "- {name: idle, resources: [configmaps], namespaces: [shop], suspend: true, syncTo: kubernetes}
- {name: rest, resources: [configmaps], syncTo: kubernetes}",
    );
    world.push(&[(PATH, Some(&manifest("a", "2")))]);
    world.pass(20);
    world.reload(BOTH);
    world.cluster.remove(&id());
    world.pass(60);
    assert_eq!(git(&world), manifest("a", "2"));
    world.assert_said(&id(), "kubeferry release");
}

#[test]
fn a_manifest_that_was_changed_when_its_object_went_stays() {
    let mut world = World::new(BOTH);
    world.push(&[(PATH, Some(&manifest("a", "1")))]);
    world.pass(1);
    assert_eq!(live(&world), json!({"a": "1"}));
    world.cluster.remove(&id());
    world.git.commit_by_hand(&[(PATH, Some(&manifest("a", "2")))]);
    world.pass(300);
    assert_eq!(git(&world), manifest("a", "2"));
    world.assert_said(&id(), "kubeferry release");
}

#[test]
fn what_both_sides_say_when_both_begin_is_held_whatever_the_rules_before_were_about_to_do() {
    for steps in 0..60 {
        let mut world = World::new(&format!("{TO_GIT}\n{BOTH}"));
        world.git.commit_by_hand(&[(PATH, Some(&manifest("a", "1")))]);
        world.cluster.update(&config_map("shop", "a", &json!({"a": "2"})), "kubectl-create");
        for _ in 0..steps {
            if let Some(until) = world.step() {
                world.clock.set(until.unwrap_or_default());
            }
        }
        world.reload(BOTH);
        world.settle();
        // A commit that was on its way arrives.
        let was_written = git(&world) != manifest("a", "1");
        world.pass(60);
        if !was_written {
            assert_eq!(git(&world), manifest("a", "1"), "after {steps} steps: {:?}", world.said(&id()));
            assert_eq!(live(&world), json!({"a": "2"}), "after {steps} steps");
            world.assert_said(&id(), "kubeferry release");
        }
    }
}

#[test]
fn a_field_that_comes_back_while_its_removal_is_written_comes_back_in_git() {
    for steps in 0..60 {
        let mut world = World::new("- {name: both, resources: [widgets], namespaces: [shop], syncTo: both}");
        world.cluster.serve(kind("example.com", "Widget", "widgets"));
        let widget = |nested: Option<&str>| {
            let mut spec = json!({"size": 1, "nested": {}});
            nested.into_iter().for_each(|value| spec["nested"] = json!({"x": value}));
            let metadata = json!({"name": "w", "namespace": "shop"});
            json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": metadata, "spec": spec})
        };
        let id = ObjectId::of(&widget(None)).unwrap();
        world.push(&[(PATH, Some(&kubeferry::manifest::render(&widget(Some("1")))))]);
        world.pass(20);
        world.assert_in_sync();
        world.cluster.update(&widget(None), "kubectl-edit");
        for _ in 0..steps {
            if let Some(until) = world.step() {
                world.clock.set(until.unwrap_or_default().min(world.now() + Duration::from_millis(300)));
            }
        }
        world.cluster.update(&widget(Some("2")), "kubectl-edit");
        world.pass(100);
        assert!(git(&world).contains("x: \"2\""), "after {steps} steps: {} {:?}", git(&world), world.said(&id));
        world.assert_in_sync();
    }
}

#[test]
fn what_differs_while_a_rule_rests_has_not_agreed_for_the_next_process_either() {
    let rests = format!("{}\n{TO_CLUSTER}", BOTH.replace("syncTo: both", "syncTo: both, suspend: true"));
    let mut world = World::new(&rests);
    world.git.commit_by_hand(&[(PATH, Some(&manifest("a", "1")))]);
    world.cluster.update(&config_map("shop", "a", &json!({"a": "2"})), "kubectl-create");
    world.pass(60);
    world.restart(true);
    world.pass(60);
    world.reload(&format!("{BOTH}\n{TO_CLUSTER}"));
    world.pass(60);
    assert_eq!((git(&world), live(&world)), (manifest("a", "1"), json!({"a": "2"})));
    world.assert_said(&id(), "both sides changed");
}
