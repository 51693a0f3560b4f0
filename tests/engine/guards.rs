//! Cases in which nothing may be deleted, and what says so; what lets deletes go; and a month in which nothing is held.
//! Decisions 7, 9, 21, 22 and 23.

use kubeferry::object::{GroupKind, ObjectId};
use kubeferry::sync::deletes::{HeldSet, SavedDeletes, plan_id};
use kubeferry::sync::engine::Mode;
use kubeferry::sync::state::{self, Approval};
use serde_json::{Value, json};

use super::memory_cluster::kind;
use super::world::*;

fn id(name: &str) -> ObjectId {
    config_map_id("shop", name)
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("n{number:02}")).collect()
}

/// A commit that writes or removes manifests of ConfigMaps.
fn commit(world: &World, message: &str, names: &[String], value: Option<&str>) {
    let writes: Vec<(String, Option<String>)> =
        names.iter().map(|name| (format!("{name}.yaml"), value.map(|value| manifest(name, value)))).collect();
    let writes: Vec<_> = writes.iter().map(|(path, text)| (path.as_str(), text.as_deref())).collect();
    world.git.commit_saying(message, &writes);
}

fn look(world: &mut World) {
    world.engine.poke();
    world.pass(20);
}

/// Objects that Git describes and the cluster has.
fn applied(count: usize) -> World {
    let mut world = World::new(TO_CLUSTER);
    commit(&world, "Add", &names(count), Some("1"));
    look(&mut world);
    world.assert_in_sync();
    world.cluster.take_writes();
    world
}

/// Objects that the cluster has and Git describes.
fn captured(count: usize) -> World {
    let mut world = World::new(TO_GIT);
    world.push(&[("README.md", Some("hello"))]);
    for name in names(count) {
        world.cluster.update(&config_map("shop", &name, &json!({"a": "1"})), "kubectl-create");
    }
    world.pass(20);
    world.assert_in_sync();
    assert_eq!(world.git.paths().len(), count + 1);
    world
}

fn deleted(world: &World) -> usize {
    world.cluster.take_writes().iter().filter(|write| write.verb == "delete").count()
}

fn held(world: &World) -> Vec<HeldSet> {
    let kept = world.cluster.kept().unwrap();
    let text = kept.sections.get(state::DELETES);
    text.map(|text| serde_json::from_str::<SavedDeletes>(text).unwrap().held).unwrap_or_default()
}

fn only_plan(world: &World) -> String {
    let [set]: [HeldSet; 1] = held(world).try_into().unwrap_or_else(|sets| panic!("{sets:?}"));
    set.plan_id
}

/// What `kubeferry approve` writes.
fn approve(world: &mut World, plan: &str) {
    world.cluster.keep(|kept| {
        let mut kept = kept.unwrap();
        let approval = Approval { plan_id: plan.into(), by: "ann".into(), at: jiff::Timestamp::UNIX_EPOCH };
        kept.sections.insert(state::APPROVALS.into(), serde_json::to_string(&[approval]).unwrap());
        Some(kept)
    });
    world.pass(40);
    let left = world.cluster.kept().unwrap().sections.get(state::APPROVALS).cloned();
    assert_eq!(left, None, "it is taken away once it was taken up");
}

fn container(name: &str) -> ObjectId {
    ObjectId::new(GroupKind::new("", "Namespace"), "", name)
}

fn definition(name: &str) -> ObjectId {
    ObjectId::new(GroupKind::new("apiextensions.k8s.io", "CustomResourceDefinition"), "", name)
}

#[test]
fn an_empty_repository_deletes_nothing_and_says_so() {
    for count in [3, 12] {
        let mut world = applied(count);
        commit(&world, "Oops", &names(count), None);
        look(&mut world);
        assert_eq!(deleted(&world), 0);
        let plan =
            plan_id(kubeferry::report::Side::Cluster, &names(count).iter().map(|name| id(name)).collect::<Vec<_>>());
        world.assert_said(&id("n00"), &format!("`kubeferry approve {plan}`"));
        world.assert_said(&id("n00"), "(guard limit)");
        assert_eq!(only_plan(&world), plan);
    }
}

#[test]
fn a_repository_half_of_which_is_unreadable_deletes_nothing_and_says_so() {
    let mut world = applied(4);
    // One that still shows what it is, and one that could be anything, in the commit in which a third vanished.
    let broken = format!("<<<<<<< HEAD\n{}=======\n>>>>>>> x\n", manifest("n00", "2"));
    world.push(&[("n00.yaml", Some(&broken)), ("n01.yaml", Some("a: [\n")), ("n02.yaml", None)]);
    world.pass(3_600);
    assert_eq!(deleted(&world), 0);
    for name in ["n00", "n01", "n02"] {
        world.assert_said(&id(name), "its manifest cannot be read");
    }
}

#[test]
fn a_deleted_namespace_deletes_no_manifest_and_is_one_set_that_can_be_let_go() {
    let mut world = captured(3);
    for name in names(3) {
        world.cluster.remove(&id(&name));
        world.pass(3);
    }
    world.cluster.remove(&container("shop"));
    world.pass(3_600);
    assert_eq!(world.git.paths().len(), 4);
    world.assert_said(&id("n00"), "Namespace shop has gone");
    world.assert_said(&id("n00"), "(guard absence)");
    let plan = only_plan(&world);
    assert_eq!(held(&world)[0].count, 3);

    approve(&mut world, &plan);
    assert_eq!(world.git.paths(), ["README.md"]);
    assert_eq!(held(&world), []);
    world.assert_in_sync();
}

#[test]
fn what_went_with_its_namespace_and_comes_back_is_held_no_longer() {
    let mut world = captured(2);
    let namespace = world.cluster.object(&container("shop")).unwrap();
    world.cluster.remove(&id("n00"));
    world.cluster.remove(&id("n01"));
    world.cluster.remove(&container("shop"));
    world.pass(120);
    assert_eq!(held(&world)[0].count, 2);
    world.cluster.update(&super::memory_cluster::content(&namespace), "setup");
    for name in names(2) {
        world.cluster.update(&config_map("shop", &name, &json!({"a": "1"})), "kubectl-create");
    }
    world.pass(60);
    assert_eq!(held(&world), []);
    assert_eq!(world.git.paths().len(), 3);
    world.assert_in_sync();
}

#[test]
fn a_deleted_definition_deletes_no_manifest_and_says_so() {
    let mut world = World::new("- {name: ships, apiGroups: [example.org], syncTo: git}");
    world.cluster.serve(kind("example.org", "Ship", "ships"));
    world.push(&[("README.md", Some("hello"))]);
    let ship = json!({"apiVersion": "example.org/v1", "kind": "Ship", "metadata": {"name": "a", "namespace": "shop"}, "spec": {"sails": 2}});
    world.cluster.update(&ship, "kubectl-create");
    world.pass(30);
    assert_eq!(world.git.paths().len(), 2);
    let id = ObjectId::of(&ship).unwrap();
    world.cluster.remove(&id);
    world.cluster.remove(&definition("ships.example.org"));
    world.pass(3_600);
    assert_eq!(world.git.paths().len(), 2);
    world.assert_said(&id, "CustomResourceDefinition.apiextensions.k8s.io ships.example.org has gone");
    let plan = only_plan(&world);
    approve(&mut world, &plan);
    assert_eq!(world.git.paths(), ["README.md"]);
}

#[test]
fn nothing_is_deleted_where_no_watch_is_allowed_and_that_is_said() {
    let config_maps = GroupKind::new("", "ConfigMap");
    let mut world = applied(4);
    world.cluster.forbid(&config_maps, true);
    commit(&world, "Remove", &names(2), None);
    world.pass(3_600);
    assert_eq!(deleted(&world), 0);
    world.assert_said(&id("n00"), "cannot be watched");
    world.cluster.forbid(&config_maps, false);
    world.pass(60);
    assert_eq!(deleted(&world), 2);

    // Nor where what it lives in cannot be seen, on either side.
    for kind in [container("x").group_kind().clone(), definition("x").group_kind().clone()] {
        let mut world = applied(4);
        world.cluster.forbid(&kind, true);
        world.settle();
        commit(&world, "Remove", &names(2), None);
        world.pass(3_600);
        assert_eq!(deleted(&world), 0);
        world.assert_said(&id("n00"), "(guard watch-of-");
        let mut world = captured(4);
        world.cluster.forbid(&kind, true);
        world.settle();
        world.cluster.remove(&id("n00"));
        world.pass(3_600);
        assert_eq!(world.git.paths().len(), 5);
        world.assert_said(&id("n00"), "(guard watch-of-");
    }
}

#[test]
fn a_held_plan_outlives_the_process_is_the_same_in_a_preview_and_goes_when_it_is_approved() {
    let mut world = applied(30);
    commit(&world, "Clean up", &names(12), None);
    look(&mut world);
    let plan = only_plan(&world);
    world.restart(true);
    world.pass(30);
    assert_eq!((only_plan(&world), deleted(&world)), (plan.clone(), 0));
    world.assert_said(&id("n00"), &plan);

    let mut preview = world.then(Mode::Preview);
    preview.settle();
    preview.assert_said(&id("n00"), &plan);
    assert!(preview.engine.take_previews().is_empty(), "it would not be done");
    world.restart(true);
    world.pass(30);

    approve(&mut world, "0123456789ab");
    assert_eq!(deleted(&world), 0, "no such plan");
    // Somebody takes one back before the others are let go.
    commit(&world, "Not that one", &names(1), Some("1"));
    look(&mut world);
    approve(&mut world, &plan);
    assert_eq!(deleted(&world), 11);
    assert!(world.cluster.object(&id("n00")).is_some());
    assert_eq!(held(&world), []);
    world.assert_in_sync();
}

#[test]
fn an_approval_that_was_given_while_no_process_ran_is_carried_out_by_the_next_one() {
    let mut world = applied(30);
    commit(&world, "Clean up", &names(12), None);
    look(&mut world);
    let plan = only_plan(&world);
    world.stop();
    world.cluster.keep(|kept| {
        let mut kept = kept.unwrap();
        let approval = Approval { plan_id: plan, by: "ann".into(), at: jiff::Timestamp::UNIX_EPOCH };
        kept.sections.insert(state::APPROVALS.into(), serde_json::to_string(&[approval]).unwrap());
        Some(kept)
    });
    let mut once = world.then(Mode::Once);
    once.settle();
    assert_eq!(deleted(&once), 12);
    assert_eq!(held(&once), []);
}

#[test]
fn removals_beyond_the_limit_are_held_in_git_too() {
    let mut world = captured(30);
    for name in names(12) {
        world.cluster.remove(&id(&name));
    }
    world.pass(60);
    assert_eq!(world.git.paths().len(), 31);
    world.assert_said(&id("n00"), "(guard limit)");
    let plan = only_plan(&world);
    let mut preview = world.then(Mode::Preview);
    preview.settle();
    preview.pass(20);
    preview.assert_said(&id("n00"), &plan);
    assert!(preview.engine.take_previews().is_empty());
    world.restart(true);
    world.pass(60);
    approve(&mut world, &plan);
    assert_eq!(world.git.paths().len(), 19);
    world.assert_in_sync();
}

#[test]
fn a_commit_lets_go_the_deletes_that_it_causes_itself_and_no_others() {
    let trailer = "Clean up\n\nKubeferry-Allow-Deletes: 12";
    let mut world = applied(40);
    commit(&world, trailer, &names(12), None);
    look(&mut world);
    assert_eq!(deleted(&world), 12);
    world.assert_in_sync();

    // Too many for its word: none.
    let mut world = applied(40);
    commit(&world, trailer, &names(13), None);
    look(&mut world);
    assert_eq!(deleted(&world), 0);

    // Two commits in one fetch: those of the other one are judged by their number.
    let mut world = applied(40);
    commit(&world, "Without a word", &names(40)[20..31], None);
    commit(&world, trailer, &names(12), None);
    look(&mut world);
    assert_eq!(deleted(&world), 12);
    assert_eq!(held(&world)[0].count, 11);

    // It counts once.
    commit(&world, "Back", &names(12), Some("1"));
    look(&mut world);
    commit(&world, "Away again", &names(12), None);
    look(&mut world);
    assert_eq!(deleted(&world), 0);

    // What is pushed while no process runs is told by its history.
    let mut world = applied(40);
    world.pass(30);
    commit(&world, trailer, &names(12), None);
    world.restart(true);
    world.pass(60);
    assert_eq!(deleted(&world), 12);
}

const WITH_NAMESPACE: &str = "\
- {name: namespaces, resources: [namespaces], names: [lab], syncTo: kubernetes}
- {name: apply, resources: [configmaps], namespaces: [lab], syncTo: kubernetes}";

const LAB: &str = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: lab\n  labels:\n    team: lab\n";

fn lab() -> World {
    let mut world = World::new(WITH_NAMESPACE);
    let one = manifest("one", "1").replace("shop", "lab");
    let two = manifest("two", "1").replace("shop", "lab");
    world.push(&[("lab.yaml", Some(LAB)), ("one.yaml", Some(&one)), ("two.yaml", Some(&two))]);
    world.pass(20);
    world.assert_in_sync();
    world.cluster.take_writes();
    world
}

#[test]
fn a_namespace_goes_last_and_only_when_it_is_empty() {
    let mut world = lab();
    world.cluster.update(&config_map("lab", "kube-root-ca.crt", &json!({})), "kube-controller-manager");
    world.push(&[("lab.yaml", None), ("one.yaml", None), ("two.yaml", None), ("README.md", Some("empty now"))]);
    // All of the second rule would go.
    world.pass(700);
    let gone: Vec<String> = world
        .cluster
        .take_writes()
        .iter()
        .filter(|write| write.verb == "delete")
        .map(|write| write.id.name().to_owned())
        .collect();
    assert_eq!(gone, ["one", "two", "lab"]);
    world.assert_in_sync();
}

#[test]
fn a_namespace_that_holds_something_stays_until_it_holds_nothing() {
    let mut world = lab();
    world.cluster.update(&config_map("lab", "theirs", &json!({})), "kubectl-create");
    let start = world.now();
    world.push(&[("lab.yaml", None)]);
    for (seconds, verb) in [(1, "Pending"), (11, "Pending"), (61, "Pending"), (601, "Held")] {
        let passed = (world.now() - start).as_secs();
        world.pass(seconds - passed);
        world.assert_said(&container("lab"), verb);
        world.assert_said(&container("lab"), "still holds ConfigMap lab/");
        world.assert_said(&container("lab"), "(guard content)");
    }
    for name in ["one", "two"] {
        world.push(&[(&format!("{name}.yaml"), None)]);
    }
    world.pass(60);
    assert!(world.cluster.object(&container("lab")).is_some(), "somebody else's object is in it");
    world.cluster.remove(&config_map_id("lab", "theirs"));
    world.pass(60);
    assert!(world.cluster.object(&container("lab")).is_none());
    world.assert_in_sync();
}

#[test]
fn what_may_not_be_listed_counts_as_content() {
    let mut world = lab();
    world.cluster.forbid(&GroupKind::new("", "Service"), true);
    world.push(&[("lab.yaml", None), ("one.yaml", None), ("two.yaml", None)]);
    world.pass(700);
    assert!(world.cluster.object(&container("lab")).is_some());
    world.assert_said(&container("lab"), "services, which may not be listed");
}

#[test]
fn a_definition_with_an_instance_goes_when_a_person_names_it() {
    let mut world = World::new("- {name: crds, apiGroups: [apiextensions.k8s.io], syncTo: kubernetes}");
    world.cluster.serve(kind("example.org", "Ship", "ships"));
    let text = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: ships.example.org}\n\
        spec: {group: example.org, names: {kind: Ship, plural: ships}}\n";
    world.push(&[("crd.yaml", Some(text))]);
    world.pass(20);
    let ship = json!({"apiVersion": "example.org/v1", "kind": "Ship", "metadata": {"name": "a", "namespace": "shop"}});
    world.cluster.update(&ship, "kubectl-create");
    world.push(&[("crd.yaml", None)]);
    world.pass(300);
    let id = definition("ships.example.org");
    world.assert_said(&id, "Pending");
    world.pass(400);
    world.assert_said(&id, "still holds Ship.example.org shop/a; held as plan");
    let plan = only_plan(&world);
    assert_eq!(deleted(&world), 0);
    approve(&mut world, &plan);
    assert_eq!(deleted(&world), 1);
}

fn claim(name: &str) -> (ObjectId, String) {
    let text = format!(
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{storageClassName: fast}}\n"
    );
    (ObjectId::new(GroupKind::new("", "PersistentVolumeClaim"), "shop", name), text)
}

#[test]
fn a_claim_goes_when_a_person_names_it_or_the_commit_allows_it() {
    let claims = || {
        let mut world = World::new("- {name: data, resources: [persistentvolumeclaims], syncTo: kubernetes}");
        world.cluster.serve(kind("", "PersistentVolumeClaim", "persistentvolumeclaims"));
        let texts = ["a", "b", "c", "d"].map(|name| (format!("{name}.yaml"), claim(name).1));
        let writes: Vec<_> = texts.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect();
        world.push(&writes);
        world.pass(20);
        world.assert_in_sync();
        world.cluster.take_writes();
        world
    };
    let mut world = claims();
    world.push(&[("a.yaml", None), ("b.yaml", None)]);
    world.pass(700);
    assert_eq!(deleted(&world), 0);
    world.assert_said(&claim("a").0, "it holds data");
    let plan = only_plan(&world);
    approve(&mut world, &plan);
    assert_eq!(deleted(&world), 2);

    let mut world = claims();
    world.git.commit_saying("Drop a\n\nKubeferry-Allow-Deletes: 1", &[("a.yaml", None)]);
    look(&mut world);
    assert_eq!(deleted(&world), 1);
    world.git.commit_saying("Drop b and c\n\nKubeferry-Allow-Deletes: 1", &[("b.yaml", None), ("c.yaml", None)]);
    look(&mut world);
    assert_eq!(deleted(&world), 0, "its number does not cover all");
}

/// A month of backups of a dozen claims, made hourly and kept for a day, with three hours in which no process runs.
#[test]
fn a_month_of_snapshot_rotation_runs_unattended() {
    let rules = "- {name: snapshots, apiGroups: [snapshot.storage.k8s.io], syncTo: git}";
    let mut world = World::new(rules);
    world.cluster.serve(kind("snapshot.storage.k8s.io", "VolumeSnapshot", "volumesnapshots"));
    world.push(&[("README.md", Some("hello"))]);
    let snapshot = |hour: u64, claim: u64| -> Value {
        json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot",
            "metadata": {"name": format!("claim{claim}-{hour}"), "namespace": "shop"},
            "spec": {"source": {"persistentVolumeClaimName": format!("claim{claim}")}}})
    };
    let mut is_down = false;
    for hour in 0..30 * 24_u64 {
        for claim in 0..12 {
            world.cluster.update(&snapshot(hour, claim), "snapshot-controller");
            if let Some(old) = hour.checked_sub(24) {
                world.cluster.remove(&ObjectId::of(&snapshot(old, claim)).unwrap());
            }
        }
        match hour {
            300 => {
                is_down = true;
                world.stop();
            }
            303 => {
                is_down = false;
                world.restart(true);
            }
            _ => {}
        }
        if is_down {
            world.clock.set(world.now() + std::time::Duration::from_secs(3_600));
            continue;
        }
        world.pass(120);
        world.assert_in_sync();
        let kept = usize::try_from(hour.min(23) + 1).unwrap() * 12;
        assert_eq!(world.git.paths().len(), kept + 1, "hour {hour}");
        // Nothing happens until the next hour.
        world.clock.set(world.now() + std::time::Duration::from_secs(3_480));
    }
    assert_eq!(held(&world), []);
}
