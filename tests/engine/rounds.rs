//! Both directions: apply, correction of drift, write-back, and what changes while it runs.

use kubeferry::cluster::ClusterError;
use kubeferry::object::{GroupKind, ObjectId};
use serde_json::json;

use super::memory_cluster::kind;
use super::pace::Pace;
use super::world::*;

#[test]
fn a_push_is_applied_and_drift_is_corrected() {
    let mut world = World::new(TO_CLUSTER);
    world.push(&[("a.yaml", Some(&manifest("a", "1")))]);
    let id = config_map_id("shop", "a");
    assert_eq!(world.live(&id, "/data/a"), "1");
    world.cluster.update(&config_map("shop", "a", &json!({"a": "2", "other": "x"})), "kubectl-edit");
    world.settle();
    assert_eq!(world.live(&id, "/data"), json!({"a": "1", "other": "x"}), "fields of others stay");
    world.push(&[("a.yaml", Some(&manifest("a", "3")))]);
    assert_eq!(world.live(&id, "/data/a"), "3");
    world.assert_in_sync();
    assert_eq!(world.git.commits(), 2, "Git is only read");
}

#[test]
fn an_object_in_sync_costs_nothing() {
    let mut world = World::new(TO_CLUSTER);
    world.push(&[("a.yaml", Some(&manifest("a", "1")))]);
    // What is kept over restarts is written a moment later.
    world.pass(20);
    let calls = world.cluster.calls();
    world.pass(600);
    assert_eq!(world.cluster.calls(), calls);
}

#[test]
fn what_lists_show_as_git_says_is_not_read_of_git_again() {
    let mut world = World::new(TO_CLUSTER);
    let paths: Vec<String> = (0..200).map(|number| format!("a{number}.yaml")).collect();
    let texts: Vec<String> = (0..200).map(|number| manifest(&format!("a{number}"), "1")).collect();
    let files: Vec<_> = paths.iter().zip(&texts).map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect();
    world.push(&files);
    world.pass(20);
    let (writes, read) = (world.cluster.version(), world.git.asked());
    world.reload(&TO_CLUSTER.replace("kubernetes", "kubernetes, wait: true"));
    world.pass(20);
    assert_eq!(world.git.asked(), read, "new rules");
    world.engine.set_active(false);
    world.engine.set_active(true);
    world.pass(20);
    assert_eq!(world.git.asked(), read, "new leadership");
    world.restart(true);
    world.pass(20);
    let read = world.git.asked() - read;
    assert!(read < 100, "only until the schema is known: {read}");
    assert_eq!(world.cluster.version(), writes);
    world.assert_in_sync();

    // It knows them well enough to delete one that leaves Git, and to see what somebody changes.
    world.cluster.update(&config_map("shop", "a1", &json!({"a": "2"})), "kubectl-edit");
    world.push(&[("a0.yaml", None)]);
    world.pass(20);
    assert_eq!(world.cluster.object(&config_map_id("shop", "a0")), None);
    assert_eq!(world.live(&config_map_id("shop", "a1"), "/data/a"), "1");
}

#[test]
fn many_new_objects_are_one_commit_and_nobody_asks_for_them_one_by_one() {
    let mut world = World::new("- {resources: [secrets], syncTo: observe}");
    for number in 0..200 {
        let object = config_map("shop", &format!("a{number}"), &json!({"a": "1"}));
        world.cluster.update(&object, "kubectl-create");
    }
    world.push(&[("README.md", Some("hello"))]);
    world.settle();
    let calls = world.cluster.calls();
    world.reload(TO_GIT);
    world.pass(10);
    assert_eq!(world.git.paths().len(), 201);
    assert_eq!(world.git.commits(), 2, "ours is one");
    assert!(world.cluster.calls() - calls < 20, "{} calls", world.cluster.calls() - calls);
    world.assert_in_sync();
}

#[test]
fn a_create_an_edit_and_a_delete_reach_git() {
    let mut world = World::new(TO_GIT);
    world.push(&[("README.md", Some("hello"))]);
    world.cluster.update(&config_map("shop", "a", &json!({"a": "1"})), "kubectl-create");
    world.pass(3);
    let path = "shop/ConfigMap/a.yaml";
    let written = world.git.file(path).expect("a new manifest");
    assert!(written.contains("a: \"1\""), "{written}");

    world.push(&[(path, Some(&manifest("a", "1")))]);
    world.cluster.update(&config_map("shop", "a", &json!({"a": "2"})), "kubectl-edit");
    world.pass(3);
    assert_eq!(world.git.file(path).unwrap(), manifest("a", "2"), "only the value changes");

    world.cluster.remove(&config_map_id("shop", "a"));
    world.pass(14);
    assert!(world.git.file(path).is_some(), "not before deleteDelay");
    world.pass(5);
    assert_eq!(world.git.paths(), ["README.md"]);
    world.assert_in_sync();
}

#[test]
fn two_rules_split_one_deployment() {
    let mut world = World::new(SPLIT);
    world.push(&[("web.yaml", Some(DEPLOYMENT))]);
    let id = deployment_id();
    assert_eq!(world.live(&id, "/spec/replicas"), 3);
    world.cluster.scale(&id, 7);
    world.pass(3);
    assert_eq!(world.git.file("web.yaml").unwrap(), DEPLOYMENT.replace("replicas: 3", "replicas: 7"));
    assert_eq!(world.live(&id, "/spec/replicas"), 7);

    let image = DEPLOYMENT.replace("replicas: 3", "replicas: 7").replace("web:1", "web:2");
    world.push(&[("web.yaml", Some(&image))]);
    assert_eq!(world.live(&id, "/spec/template/spec/containers/0/image"), "web:2");
    assert_eq!(world.live(&id, "/spec/replicas"), 7);
    world.pass(20);
    let (calls, commits) = (world.cluster.calls(), world.git.commits());
    world.pass(60);
    assert_eq!((world.cluster.calls(), world.git.commits()), (calls, commits), "and then there is rest");
}

#[test]
fn a_deployment_that_is_scaled_while_it_is_created_keeps_its_replicas() {
    for seed in 0..50 {
        let mut world = World::at_pace(SPLIT, Pace::random(seed, 3));
        world.git.commit_by_hand(&[("web.yaml", Some(DEPLOYMENT))]);
        let id = deployment_id();
        while world.cluster.object(&id).is_none() {
            world.step();
        }
        world.cluster.scale(&id, 9);
        world.pass(20);
        assert_eq!(world.live(&id, "/spec/replicas"), 9, "seed {seed}");
        assert!(world.git.file("web.yaml").unwrap().contains("replicas: 9"), "seed {seed}");
        world.assert_in_sync();
    }
}

#[test]
fn a_kind_that_comes_later_is_applied_then() {
    let rule = "- {name: all, apiGroups: ['*'], resources: ['*'], namespaces: [shop], syncTo: kubernetes}";
    let mut world = World::new(rule);
    let widget =
        "apiVersion: example.com/v1\nkind: Widget\nmetadata:\n  name: w\n  namespace: shop\nspec:\n  size: 1\n";
    world.push(&[("w.yaml", Some(widget)), ("a.yaml", Some(&manifest("a", "1")))]);
    let id = ObjectId::new(GroupKind::new("example.com", "Widget"), "shop", "w");
    world.assert_said(&id, "does not serve");
    assert_eq!(world.live(&config_map_id("shop", "a"), "/data/a"), "1", "nobody else waits");
    world.cluster.serve(kind("example.com", "Widget", "widgets"));
    world.settle();
    assert_eq!(world.live(&id, "/spec/size"), 1);
    world.assert_in_sync();
}

#[test]
fn new_rules_plan_everything_anew() {
    let mut world = World::new(TO_CLUSTER);
    world.push(&[("a.yaml", Some(&manifest("a", "1")))]);
    world.cluster.update(&config_map("shop", "b", &json!({"b": "1"})), "kubectl-create");
    world.cluster.update(&config_map("shop", "a", &json!({"a": "1", "more": "x"})), "kubectl-edit");
    world.pass(60);
    assert_eq!(world.git.commits(), 1);
    world.reload(TO_GIT);
    world.pass(5);
    let written = world.git.file("a.yaml").unwrap();
    assert!(written.contains("more: x"), "an object that did not change is planned by the new rules: {written}");
    assert!(world.git.file("shop/ConfigMap/b.yaml").is_some(), "so is one that no rule wrote before");
    world.assert_in_sync();
    // And back: the fields are taken over from whoever wrote them.
    world.reload(TO_CLUSTER);
    world.pass(5);
    let text = world.git.file("a.yaml").unwrap().replace("\"1\"", "\"5\"");
    world.push(&[("a.yaml", Some(&text))]);
    assert_eq!(world.live(&config_map_id("shop", "a"), "/data/a"), "5");
    world.assert_in_sync();
}

#[test]
fn new_rules_plan_only_what_they_are_about_and_what_is_not_in_sync() {
    const TWO: &str = "\
- {name: a, apiGroups: [''], resources: [configmaps], syncTo: kubernetes, limits: {deletes: 20%}}
- {name: b, apiGroups: [apps], resources: [deployments], syncTo: kubernetes}";
    let mut world = World::new(TWO);
    world.push(&[("web.yaml", Some(DEPLOYMENT)), ("a.yaml", Some(&manifest("a", "1"))), ("b.yaml", Some("nothing"))]);
    let names: Vec<String> = (0..20).map(|number| format!("n{number}")).collect();
    let texts: Vec<_> = names.iter().map(|name| (format!("{name}.yaml"), manifest(name, "1"))).collect();
    world.push(&texts.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect::<Vec<_>>());
    world.pass(20);
    world.cluster.take_lists();
    let calls = world.cluster.calls();
    world.reload(&format!("{TWO}\nbatchWindow: 20s"));
    world.pass(10);
    assert_eq!((world.cluster.calls(), world.cluster.take_lists()), (calls, vec![]), "the same rules in another file");
    world.reload(&TWO.replace("syncTo: kubernetes}", "syncTo: kubernetes, wait: true}"));
    world.pass(10);
    assert_eq!(world.cluster.take_lists(), [GroupKind::new("apps", "Deployment")]);
    assert_eq!(world.cluster.calls(), calls, "the list says it all");

    // Deletes of the rule that stands elsewhere now are still measured by its objects.
    world.reload(&format!("- {{name: c, resources: [secrets], syncTo: observe}}\n{TWO}"));
    let gone: Vec<_> = texts.iter().take(6).map(|(path, _)| (path.as_str(), None)).collect();
    world.push(&gone[..3]);
    assert!(world.cluster.object(&config_map_id("shop", "n2")).is_none(), "three of 21 are fewer than 20%");
    world.push(&gone[3..]);
    assert!(world.cluster.object(&config_map_id("shop", "n5")).is_some(), "six are more");
    world.assert_said(&config_map_id("shop", "n5"), "within the hour");

    // What is said of an object that is not in sync is said again, of whichever kind it is.
    world.reload(&format!("{TWO}\n- {{name: c, resources: [secrets], syncTo: observe}}"));
    world.pass(10);
    world.assert_said(&config_map_id("shop", "n5"), "within the hour");
}

#[test]
fn a_commit_that_comes_while_a_kind_is_listed_anew_is_applied() {
    let mut world = World::at_pace(TO_CLUSTER, Pace::random(7, 2));
    world.push(&[("a.yaml", Some(&manifest("a", "1")))]);
    world.settle();
    // The list shows the object as it was: only Git changed.
    for round in 2..40 {
        world.git.commit_by_hand(&[("a.yaml", Some(&manifest("a", &format!("v{round}"))))]);
        world.engine.poke();
        for _ in 0..round % 9 {
            world.step();
        }
        let wait = if round % 2 == 0 { "kubernetes, wait: true" } else { "kubernetes" };
        world.reload(&TO_CLUSTER.replace("kubernetes", wait));
        world.settle();
        assert_eq!(world.live(&config_map_id("shop", "a"), "/data/a"), format!("v{round}"));
    }
}

#[test]
fn a_standby_writes_nothing_and_catches_up_as_leader() {
    let mut world = World::new(&format!(
        "{TO_CLUSTER}\n- {{name: capture, resources: [configmaps], namespaces: [lab], syncTo: git}}"
    ));
    world.restart(false);
    world.git.commit_by_hand(&[("a.yaml", Some(&manifest("a", "1")))]);
    world.cluster.update(&config_map("lab", "b", &json!({"b": "1"})), "kubectl-create");
    world.pass(120);
    assert!(world.cluster.object(&config_map_id("shop", "a")).is_none());
    assert_eq!(world.git.commits(), 1);
    assert!(world.engine.waiting_for().is_empty(), "a standby is ready: {:?}", world.engine.waiting_for());
    world.engine.set_active(true);
    world.pass(5);
    assert_eq!(world.live(&config_map_id("shop", "a"), "/data/a"), "1");
    assert!(world.git.file("lab/ConfigMap/b.yaml").is_some());
    world.assert_in_sync();
}

#[test]
fn a_new_leader_asks_git_before_it_plans() {
    for seed in 0..30 {
        let mut world = World::at_pace(TO_CLUSTER, Pace::random(seed, 4));
        world.restart(false);
        world.push(&[("a.yaml", Some(&manifest("a", "1")))]);
        // What the former leader did is not known here yet: the manifest went, and so did the object.
        world.git.commit_by_hand(&[("a.yaml", None), ("b.yaml", Some(&manifest("b", "1")))]);
        for _ in 0..seed % 7 {
            world.step();
        }
        if seed % 2 == 0 {
            world.engine.poke();
            world.step();
        }
        world.engine.set_active(true);
        world.pass(5);
        assert!(world.cluster.object(&config_map_id("shop", "a")).is_none(), "seed {seed}");
        assert!(!world.cluster.take_writes().iter().any(|write| write.id.name() == "a"), "seed {seed}");
        assert_eq!(world.live(&config_map_id("shop", "b"), "/data/a"), "1");
    }
}

#[test]
fn an_error_of_the_api_server_is_tried_again() {
    let mut world = World::new(TO_CLUSTER);
    world.push(&[]);
    for error in
        [ClusterError::Busy("429".into()), ClusterError::Invalid("no".into()), ClusterError::Forbidden("no".into())]
    {
        world.cluster.fail_next(error);
    }
    world.push(&[("a.yaml", Some(&manifest("a", "1")))]);
    world.assert_said(&config_map_id("shop", "a"), "Failed");
    world.pass(60);
    assert_eq!(world.live(&config_map_id("shop", "a"), "/data/a"), "1");
    world.assert_in_sync();
}

#[test]
fn duplicates_and_broken_files_are_left_alone() {
    let mut world = World::new(TO_CLUSTER);
    world.push(&[("a.yaml", Some(&manifest("a", "1"))), ("b.yaml", Some(&manifest("b", "1")))]);
    let (a, b) = (config_map_id("shop", "a"), config_map_id("shop", "b"));
    world.push(&[("copy.yaml", Some(&manifest("a", "2")))]);
    world.assert_said(&a, "more than once");
    assert_eq!(world.live(&a, "/data/a"), "1");
    world.push(&[("b.yaml", Some("<<<<<<< HEAD\na: [\n"))]);
    world.pass(60);
    assert_eq!(world.live(&b, "/data/a"), "1", "not pruned");
    world.push(&[("copy.yaml", None), ("b.yaml", Some(&manifest("b", "3")))]);
    assert_eq!(world.live(&b, "/data/a"), "3");
    world.assert_in_sync();
}

#[test]
fn an_object_that_somebody_creates_first_keeps_its_values() {
    for seed in 0..30 {
        let mut world = World::at_pace(SPLIT, Pace::random(seed, 3));
        world.push(&[("README.md", Some("hello"))]);
        world.git.commit_by_hand(&[("web.yaml", Some(DEPLOYMENT))]);
        world.engine.poke();
        for _ in 0..seed {
            world.step();
        }
        let id = deployment_id();
        if world.cluster.object(&id).is_some() {
            continue;
        }
        world.cluster.update(&deployment(8), "kubectl-create");
        world.pass(30);
        assert_eq!(world.live(&id, "/spec/replicas"), 8, "seed {seed}");
        assert_eq!(world.live(&id, "/spec/template/spec/containers/0/image"), "web:1", "seed {seed}");
        assert!(world.git.file("web.yaml").unwrap().contains("replicas: 8"), "seed {seed}");
        world.assert_in_sync();
    }
}

#[test]
fn items_that_leave_git_go_although_kubectl_made_them_once() {
    let rule = "- {name: apply, resources: [services], syncTo: kubernetes}";
    let text = |ports: &[u32]| {
        let head = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  ports:\n";
        let port = |port: &u32| format!("  - name: p{port}\n    port: {port}\n");
        head.to_owned() + &ports.iter().map(port).collect::<String>()
    };
    let ports: Vec<_> = [1, 2, 3].map(|port| json!({"name": format!("p{port}"), "port": port})).into();
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"ports": ports}});
    let mut world = World::new(rule);
    world.cluster.update(&service, "kubectl-client-side-apply");
    world.push(&[("web.yaml", Some(&text(&[1, 2, 3])))]);
    world.push(&[("web.yaml", Some(&text(&[2])))]);
    let id = ObjectId::new(GroupKind::new("", "Service"), "shop", "web");
    let left: Vec<_> =
        world.live(&id, "/spec/ports").as_array().unwrap().iter().map(|port| port["port"].clone()).collect();
    assert_eq!(left, [2], "{:?}", world.said(&id));
    world.assert_in_sync();
}

#[test]
fn an_object_whose_namespace_is_missing_waits_for_it_also_after_another_error() {
    let mut world = World::new(TO_CLUSTER);
    let shop = ObjectId::new(GroupKind::new("", "Namespace"), "", "shop");
    world.cluster.remove(&shop);
    world.cluster.fail_next(ClusterError::Busy("429".into()));
    world.push(&[("a.yaml", Some(&manifest("a", "1")))]);
    world.pass(600);
    world.assert_said(&config_map_id("shop", "a"), "waits for Namespace shop");
    world.cluster.update(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}), "people");
    world.pass(1);
    assert_eq!(world.live(&config_map_id("shop", "a"), "/data/a"), "1");
}

#[test]
fn an_object_is_made_again_in_a_namespace_that_comes_back() {
    let mut world = World::new(TO_CLUSTER);
    let shop = ObjectId::new(GroupKind::new("", "Namespace"), "", "shop");
    let id = config_map_id("shop", "a");
    world.push(&[("a.yaml", Some(&manifest("a", "1")))]);
    world.pass(60);
    world.cluster.remove(&id);
    world.cluster.remove(&shop);
    // Longer than `deleteDelay`: by then somebody has asked what became of the object.
    world.pass(600);
    world.assert_said(&id, "waits for Namespace shop");
    world.cluster.update(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}), "people");
    world.pass(60);
    assert_eq!(world.live(&id, "/data/a"), "1");
    world.assert_in_sync();
}
