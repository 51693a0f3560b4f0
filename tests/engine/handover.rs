//! Fields that change their direction: what is taken in is told, and what is handed over keeps its value.

use std::sync::{Arc, Mutex};

use kubeferry::report::{Change, Metrics, Reporter, Status, StatusHandle, Verb};
use kubeferry::sync::engine::{Engine, Mode};
use kubeferry::sync::planner::Identity;
use serde_json::json;

use super::memory_cluster::kind;
use super::pace::{Pace, PacedRemote};
use super::world::*;

/// Git is the source of everything.
const WHOLE: &str = "- {name: apply, apiGroups: [apps], resources: [deployments], syncTo: kubernetes}";

/// The next process tells what it does.
fn told(world: &mut World, mode: Mode) -> Arc<Mutex<Vec<Change>>> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = heard.clone();
    let reporter = Reporter::new(StatusHandle::new(Status::default()), Metrics::new())
        .with(Arc::new(move |change: &Change| ear.lock().unwrap().push(change.clone())));
    let remote = PacedRemote { inner: world.git.clone(), pace: world.pace.clone() };
    let identity = Identity { namespace: "kubeferry".into(), name: "test".into(), takes_over: None };
    let sides = (Arc::new(world.cluster.clone()), Arc::new(remote), Arc::new(world.clock.clone()));
    world.cluster.forget_watches();
    world.engine = Engine::new(sides, identity, world.rules.clone(), mode, true, reporter);
    heard
}

#[test]
fn what_becomes_ours_without_a_change_is_told_as_adopted() {
    let data = json!({"a": "1"});
    let mut world = World::new(TO_CLUSTER);
    world.cluster.update(&config_map("shop", "m", &data), "kubectl-create");
    world.git.commit_by_hand(&[("m.yaml", Some(&manifest("m", "1")))]);

    told(&mut world, Mode::Preview);
    world.settle();
    let previews = world.engine.take_previews();
    assert_eq!(previews.len(), 1);
    assert_eq!(previews[0].verb, Verb::Adopted);
    assert_eq!(previews[0].adopted.iter().map(ToString::to_string).collect::<Vec<_>>(), [".data.a"]);

    let heard = told(&mut world, Mode::Run);
    world.pass(2);
    let told_of = |heard: &Mutex<Vec<Change>>| -> Vec<(Verb, String)> {
        let all = std::mem::take(&mut *heard.lock().unwrap());
        all.iter().map(|change| (change.verb, change.field_text().unwrap_or_default())).collect()
    };
    assert_eq!(told_of(&heard), [(Verb::Adopted, ".data.a".to_owned())]);
    // A value and ownership in one apply are told apart.
    world.cluster.update(&config_map("shop", "m", &json!({"a": "1", "b": "1"})), "kubectl-edit");
    world.push(&[("m.yaml", Some(&manifest("m", "2").replace("\ndata:\n", "\ndata:\n  b: \"1\"\n")))]);
    assert_eq!(told_of(&heard), [(Verb::Adopted, ".data.b".to_owned()), (Verb::Configured, ".data.a".to_owned())]);
    world.assert_in_sync();
}

/// The Deployment with resources of its container.
fn with_resources() -> String {
    DEPLOYMENT.replace("image: web:1\n", "image: web:1\n        resources: {requests: {cpu: 100m}}\n")
}

const VPA: &str = "apiVersion: autoscaling.k8s.io/v1\nkind: VerticalPodAutoscaler\nmetadata: {name: v, namespace: shop}\n\
    spec: {targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}\n";

fn hpa() -> serde_json::Value {
    json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h", "namespace": "shop"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}})
}

#[test]
fn decision_20_what_an_autoscaler_writes_is_released_when_it_leaves_git_and_anything_else_dropped() {
    let cpu = "/spec/template/spec/containers/0/resources/requests/cpu";
    for autoscaled in [true, false] {
        let mut world = World::new(WHOLE);
        world.push(&[("web.yaml", Some(&with_resources()))]);
        assert_eq!(world.live(&deployment_id(), cpu), "100m");
        // One commit brings the autoscaler and takes out what it scales.
        let mut files = vec![("web.yaml", Some(DEPLOYMENT))];
        if autoscaled {
            files.push(("z.yaml", Some(VPA)));
        }
        world.push(&files);
        let left = if autoscaled { json!("100m") } else { json!(null) };
        assert_eq!(world.live(&deployment_id(), cpu), left);
        world.push(&[("web.yaml", Some(&DEPLOYMENT.replace("web:1", "web:2")))]);
        assert_eq!(world.live(&deployment_id(), cpu), left, "nor does it fall with the next apply");
    }
}

#[test]
fn fields_that_git_and_an_autoscaler_write_are_told_without_being_trouble() {
    let mut world = World::new(WHOLE);
    world.cluster.serve(kind("autoscaling", "HorizontalPodAutoscaler", "horizontalpodautoscalers"));
    world.push(&[("web.yaml", Some(DEPLOYMENT))]);
    world.assert_in_sync();
    world.cluster.update(&hpa(), "kubectl-create");
    world.settle();
    world.assert_said(
        &deployment_id(),
        "Skipped: HorizontalPodAutoscaler.autoscaling shop/h writes it too, and rule apply sets it back",
    );
    // Another image is applied all the same; with the number out of Git there is nothing to tell.
    world.push(&[("web.yaml", Some(&DEPLOYMENT.replace("web:1", "web:2")))]);
    assert_eq!(world.live(&deployment_id(), "/spec/template/spec/containers/0/image"), "web:2");
    world.cluster.remove(&kubeferry::object::ObjectId::of(&hpa()).unwrap());
    world.settle();
    world.assert_in_sync();
    world.cluster.update(&hpa(), "kubectl-create");
    world.push(&[("web.yaml", Some(&DEPLOYMENT.replace("  replicas: 3\n", "")))]);
    world.assert_in_sync();
    assert_eq!(world.live(&deployment_id(), "/spec/replicas"), 3);
}

#[test]
fn replicas_that_go_from_git_to_the_cluster_and_back_under_load_never_fall() {
    for seed in 0..60 {
        let mut world = World::at_pace(WHOLE, Pace::random(seed, 4));
        let id = deployment_id();
        world.push(&[("web.yaml", Some(DEPLOYMENT))]);
        let scaled = |world: &World, replicas: u64| world.cluster.scale(&id, replicas);
        for round in 0..6 {
            world.reload(if round % 2 == 0 { SPLIT } else { WHOLE });
            for step in 0..(seed + round) % 17 {
                if step % 3 == 0 {
                    scaled(&world, 4 + (step + seed) % 5);
                }
                world.step();
            }
            scaled(&world, 3 + round);
            world.pass(8);
            world.assert_in_sync();
            let live = world.live(&id, "/spec/replicas");
            let file = world.git.file("web.yaml").unwrap();
            assert!(file.contains(&format!("replicas: {live}")), "seed {seed}, round {round}: {live} and\n{file}");
        }
        for write in world.cluster.take_writes() {
            let replicas = write.after.as_ref().and_then(|after| after.pointer("/spec/replicas")).cloned();
            assert!(replicas.as_ref().and_then(|count| count.as_u64()) >= Some(3), "seed {seed}: {replicas:?}");
        }
    }
}

/// What becomes of the Deployment when somebody deletes it, whenever that comes after a commit that changes its image.
fn deleted_after_a_commit(rules: &str, judge: impl Fn(&World, u64)) {
    for steps in 0..60 {
        let mut world = World::new(rules);
        world.cluster.update(&deployment(5), "kubectl-create");
        world.push(&[("web.yaml", Some(DEPLOYMENT))]);
        world.pass(20);
        world.assert_in_sync();
        world.pace.set(steps, 3);
        let text = world.git.file("web.yaml").unwrap().replace("web:1", "web:2");
        world.git.commit_by_hand(&[("web.yaml", Some(&text))]);
        world.engine.poke();
        for _ in 0..steps {
            if let Some(until) = world.step() {
                world.clock.set(until.unwrap_or_default());
            }
        }
        world.cluster.remove(&deployment_id());
        world.pace.set(0, 0);
        world.pass(1_000);
        judge(&world, steps);
    }
}

#[test]
fn an_object_that_is_deleted_while_it_is_applied_comes_back_whole() {
    deleted_after_a_commit(SPLIT, |world, steps| {
        let said = world.said(&deployment_id());
        assert_eq!(world.live(&deployment_id(), "/spec/replicas"), 5, "after {steps} steps: {said:?}");
        assert!(world.git.file("web.yaml").unwrap().contains("replicas: 5"), "after {steps} steps");
        world.assert_in_sync();
    });
}

#[test]
fn an_object_that_the_cluster_decides_over_is_not_brought_back_by_an_apply() {
    let rules = "\
- {name: image, resources: [deployments], filters: [/spec/template], syncTo: kubernetes}
- {name: rest, resources: [deployments], syncTo: git}";
    deleted_after_a_commit(rules, |world, steps| {
        assert!(world.cluster.object(&deployment_id()).is_none(), "after {steps} steps");
        assert_eq!(world.git.file("web.yaml"), None, "after {steps} steps: {:?}", world.said(&deployment_id()));
    });
}
