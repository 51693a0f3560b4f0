//! What is made before what, what waits for what, and that nothing else does.

use std::sync::Arc;

use kubeferry::cluster::ClusterError;
use kubeferry::object::{GroupKind, Kind, ObjectId};
use kubeferry::report::{Metrics, Reporter, Status, StatusHandle};
use kubeferry::sync::engine::{Engine, Mode};
use kubeferry::sync::planner::Identity;
use serde_json::{Value, json};

use super::memory_cluster::kind;
use super::pace::{Pace, PacedRemote};
use super::world::*;

const ALL: &str = "- {name: all, apiGroups: ['*'], resources: ['*'], namespaces: [shop, new, bad], syncTo: kubernetes}
- {name: cluster, apiGroups: ['*'], resources: [namespaces, hooks], names: [new, bad, gate], syncTo: kubernetes}";

fn hook_kind() -> Kind {
    Kind { namespaced: false, ..kind("admissionregistration.k8s.io", "Hook", "hooks") }
}

fn hook_id() -> ObjectId {
    ObjectId::new(GroupKind::new("admissionregistration.k8s.io", "Hook"), "", "gate")
}

const HOOK: &str = "apiVersion: admissionregistration.k8s.io/v1\nkind: Hook\nmetadata:\n  name: gate\n";

fn namespace(name: &str) -> String {
    format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n")
}

fn map_in(namespace: &str, name: &str) -> String {
    manifest(name, "1").replace("namespace: shop", &format!("namespace: {namespace}"))
}

/// A Deployment that depends on something.
fn dependent(name: &str, image: &str, on: &str) -> String {
    DEPLOYMENT
        .replace("  name: web\n", &format!("  name: {name}\n  annotations:\n    kubeferry.io/depends-on: {on}\n"))
        .replace("web:1", image)
}

fn deployment_of(name: &str) -> ObjectId {
    ObjectId::new(GroupKind::new("apps", "Deployment"), "shop", name)
}

fn rolled_out() -> Value {
    json!({"replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3, "conditions": [
        {"type": "Available", "status": "True"},
        {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]})
}

fn once(world: &mut World) {
    let remote = PacedRemote { inner: world.git.clone(), pace: world.pace.clone() };
    let identity = Identity { namespace: "kubeferry".into(), name: "test".into(), takes_over: None };
    let reporter = Reporter::new(StatusHandle::new(Status::default()), Metrics::new());
    let sides = (Arc::new(world.cluster.clone()), Arc::new(remote), Arc::new(world.clock.clone()));
    world.cluster.forget_watches();
    world.engine = Engine::new(sides, identity, world.rules.clone(), Mode::Once, true, reporter);
}

#[test]
fn namespaces_come_before_what_is_in_them_and_webhooks_last() {
    for seed in 0..40 {
        let mut world = World::at_pace(ALL, Pace::random(seed, 5));
        world.cluster.serve(hook_kind());
        let maps: Vec<(String, String)> =
            (0..60).map(|n| (format!("a/{n}.yaml"), map_in("new", &format!("m{n}")))).collect();
        let mut files: Vec<(&str, Option<&str>)> =
            maps.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect();
        let namespace = namespace("new");
        files.extend([("hook.yaml", Some(HOOK)), ("z/namespace.yaml", Some(&*namespace))]);
        world.git.commit_by_hand(&files);
        world.pass(1);
        world.assert_in_sync();
        let made: Vec<ObjectId> = world.cluster.take_writes().into_iter().map(|write| write.id).collect();
        assert_eq!(made.len(), 62, "seed {seed}: nothing is tried twice");
        assert!(made[0].is("", "Namespace"), "seed {seed}: {}", made[0]);
        assert_eq!(made[61], hook_id(), "seed {seed}");
    }
}

#[test]
fn a_namespace_that_cannot_be_made_holds_up_only_its_own_objects() {
    let mut world = World::new(ALL);
    world.cluster.refuse_next_apply(ClusterError::Forbidden("not that one".into()));
    world.push(&[
        ("bad.yaml", Some(&namespace("bad"))),
        ("new.yaml", Some(&namespace("new"))),
        ("a.yaml", Some(&map_in("bad", "a"))),
        ("b.yaml", Some(&map_in("new", "b"))),
    ]);
    assert_eq!(world.live(&config_map_id("new", "b"), "/data/a"), "1");
    world.assert_said(&config_map_id("bad", "a"), "waits for Namespace bad");
    world.pass(5);
    assert_eq!(world.live(&config_map_id("bad", "a"), "/data/a"), "1", "it was tried again");
    world.assert_in_sync();
}

#[test]
fn a_dependent_waits_until_what_it_depends_on_is_live_and_ready() {
    for on in ["Deployment db", "apps/namespaces/shop/Deployment/db"] {
        let mut world = World::new(ALL);
        let (db, web) = (deployment_of("db"), deployment_of("web"));
        world.push(&[("web.yaml", Some(&dependent("web", "web:1", on)))]);
        world.assert_said(&web, "depends on Deployment.apps shop/db, which is neither in Git nor in the cluster");
        let db_text = DEPLOYMENT.replace("name: web\n", "name: db\n");
        world.push(&[("db.yaml", Some(&db_text)), ("a.yaml", Some(&manifest("a", "1")))]);
        assert!(world.cluster.object(&db).is_some() && world.cluster.object(&web).is_none());
        assert_eq!(world.live(&config_map_id("shop", "a"), "/data/a"), "1", "nobody else waits");
        world.pass(20);
        let calls = world.cluster.calls();
        world.pass(120);
        assert_eq!(world.cluster.calls(), calls, "waiting costs nothing");
        world.cluster.set_status(&db, &rolled_out());
        world.settle();
        assert!(world.cluster.object(&web).is_some(), "{:?}", world.said(&web));

        // Both change in one commit: the second waits for the first to roll out again.
        world.cluster.set_status(&web, &rolled_out());
        world.cluster.take_writes();
        let mut rolling = rolled_out();
        rolling["updatedReplicas"] = json!(1);
        world.cluster.set_status(&db, &rolling);
        world.push(&[
            ("db.yaml", Some(&db_text.replace("web:1", "web:2"))),
            ("web.yaml", Some(&dependent("web", "web:2", on))),
        ]);
        assert_eq!(world.live(&db, "/spec/template/spec/containers/0/image"), "web:2");
        assert_eq!(world.live(&web, "/spec/template/spec/containers/0/image"), "web:1");
        world.assert_said(&web, "which is not ready: updated replicas: 1 of 3");
        world.cluster.set_status(&db, &rolled_out());
        world.settle();
        assert_eq!(world.live(&web, "/spec/template/spec/containers/0/image"), "web:2");
        world.assert_in_sync();
    }
}

#[test]
fn what_changes_together_is_written_in_the_order_of_dependencies() {
    for seed in 0..40 {
        let mut world = World::at_pace(ALL, Pace::random(seed, 5));
        let files = |image: &str| {
            let a = dependent("a", image, "Deployment z");
            (a, DEPLOYMENT.replace("name: web\n", "name: z\n").replace("web:1", image))
        };
        let (a, z) = files("web:1");
        world.push(&[("a.yaml", Some(&a)), ("z.yaml", Some(&z))]);
        for name in ["z", "a"] {
            world.cluster.set_status(&deployment_of(name), &rolled_out());
            world.settle();
        }
        world.cluster.take_writes();
        let (a, z) = files("web:2");
        world.push(&[("a.yaml", Some(&a)), ("z.yaml", Some(&z))]);
        let written: Vec<ObjectId> = world.cluster.take_writes().into_iter().map(|write| write.id).collect();
        assert_eq!(written, [deployment_of("z"), deployment_of("a")], "seed {seed}");
        world.assert_in_sync();
    }
}

#[test]
fn what_depends_on_itself_or_in_a_circle_is_held_and_nothing_else_is() {
    let mut world = World::new(ALL);
    world.push(&[
        ("a.yaml", Some(&dependent("a", "web:1", "Deployment b"))),
        ("b.yaml", Some(&dependent("b", "web:1", "Deployment c"))),
        ("c.yaml", Some(&dependent("c", "web:1", "Deployment a"))),
        ("self.yaml", Some(&dependent("self", "web:1", "Deployment self"))),
        ("odd.yaml", Some(&dependent("odd", "web:1", "nonsense"))),
        ("m.yaml", Some(&manifest("m", "1"))),
    ]);
    for name in ["a", "b", "c"] {
        world.assert_said(&deployment_of(name), "Held: these depend on each other");
    }
    world.assert_said(&deployment_of("self"), "Held: it depends on itself");
    world.assert_said(&deployment_of("odd"), "Held: `nonsense` in its annotation");
    assert_eq!(world.live(&config_map_id("shop", "m"), "/data/a"), "1");
    // The circle is broken.
    world.push(&[("c.yaml", Some(&DEPLOYMENT.replace("name: web\n", "name: c\n")))]);
    for name in ["c", "b", "a"] {
        assert!(world.cluster.object(&deployment_of(name)).is_some(), "{name}");
        world.cluster.set_status(&deployment_of(name), &rolled_out());
        world.settle();
    }
}

#[test]
fn a_rule_that_waits_holds_up_later_ranks_until_its_objects_are_ready_or_five_minutes_have_passed() {
    let list = format!(
        "- {{name: apps, resources: [deployments], namespaces: [shop], syncTo: kubernetes, wait: true}}\n{ALL}"
    );
    for comes in [true, false] {
        let mut world = World::new(&list);
        world.cluster.serve(hook_kind());
        world.push(&[("hook.yaml", Some(HOOK)), ("web.yaml", Some(DEPLOYMENT)), ("a.yaml", Some(&manifest("a", "1")))]);
        assert_eq!(world.live(&config_map_id("shop", "a"), "/data/a"), "1", "the same rank does not wait");
        world.assert_said(&hook_id(), "waits for Deployment.apps shop/web to be ready");
        world.pass(290);
        assert!(world.cluster.object(&hook_id()).is_none());
        if comes {
            world.cluster.set_status(&deployment_id(), &rolled_out());
            world.settle();
        } else {
            world.pass(11);
        }
        assert!(world.cluster.object(&hook_id()).is_some(), "{:?}", world.said(&hook_id()));
    }
}

#[test]
fn once_ends_when_what_a_rule_waits_for_is_ready_or_five_minutes_have_passed() {
    let list = "- {name: apps, resources: [deployments], namespaces: [shop], syncTo: kubernetes, wait: true}";
    for comes in [true, false] {
        let mut world = World::new(list);
        once(&mut world);
        world.git.commit_by_hand(&[
            ("web.yaml", Some(DEPLOYMENT)),
            ("db.yaml", Some(&dependent("db", "db:1", "Deployment web"))),
        ]);
        world.pass(200);
        assert!(!world.engine.is_settled(), "it waits");
        if comes {
            world.cluster.set_status(&deployment_id(), &rolled_out());
            world.settle();
            assert!(!world.engine.is_settled(), "for the other one too");
            world.cluster.set_status(&deployment_of("db"), &rolled_out());
            world.settle();
            assert!(world.engine.is_settled(), "{:?} {:?}", world.engine.progress(), world.said(&deployment_of("db")));
            world.assert_in_sync();
        } else {
            world.pass(101);
            assert!(world.engine.is_settled());
            world.assert_said(&deployment_id(), "Failed: is not ready after 5 minutes: replicas: 0 of 3");
            world.assert_said(&deployment_of("db"), "Failed: was not written: it waited 5 minutes for Deployment.apps");
        }
    }
}

#[test]
fn a_change_of_status_plans_nothing() {
    let mut world = World::new(ALL);
    world.push(&[("web.yaml", Some(DEPLOYMENT))]);
    let (planned, calls) = (world.engine.progress().planned, world.cluster.calls());
    for available in 0..3 {
        world.cluster.set_status(&deployment_id(), &json!({"replicas": available}));
        world.settle();
    }
    assert_eq!((world.engine.progress().planned, world.cluster.calls()), (planned, calls));
}
