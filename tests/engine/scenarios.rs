//! Whole stories on the engine's own clock: nothing is held that should flow, nothing flows that should be held.

use kubeferry::object::ObjectId;
use kubeferry::sync::clock::Clock;
use serde_json::json;

use super::memory_cluster::text;
use super::world::*;

/// ConfigMaps of `shop` come from Git, those of `lab` from the cluster; limits as they are by default.
const BOTH_NAMESPACES: &str = "\
- {name: apply, resources: [configmaps], namespaces: [shop], syncTo: kubernetes}
- {name: capture, resources: [configmaps], namespaces: [lab], syncTo: git}";

/// More than `limits.deletes` allows to go at once.
const MANY: usize = 30;

fn names(prefix: &str) -> Vec<String> {
    (0..MANY).map(|number| format!("{prefix}{number}")).collect()
}

fn text_of(namespace: &str, name: &str, value: &str) -> String {
    manifest(name, value).replace("namespace: shop", &format!("namespace: {namespace}"))
}

fn path_of(namespace: &str, name: &str) -> String {
    format!("{namespace}/ConfigMap/{name}.yaml")
}

/// Makes objects on either side, as they stood before anybody thought of us.
fn stand(world: &World, namespace: &str, name: &str, in_git: Option<&str>, live: Option<&str>) {
    if let Some(value) = in_git {
        let (path, text) = (path_of(namespace, name), text_of(namespace, name, value));
        world.git.commit_by_hand(&[(&path, Some(&text))]);
    }
    if let Some(value) = live {
        world.cluster.update(&config_map(namespace, name, &json!({"a": value})), "kubectl-create");
    }
}

fn is_live(world: &World, namespace: &str, name: &str) -> bool {
    world.cluster.object(&config_map_id(namespace, name)).is_some()
}

fn in_git(world: &World, namespace: &str, name: &str) -> Option<String> {
    world.git.file(&path_of(namespace, name))
}

fn held(world: &World) -> Vec<ObjectId> {
    let held = world.engine.standings().changes().filter(|change| format!("{:?}", change.verb) == "Held");
    held.map(|change| change.object.clone()).collect()
}

#[test]
fn a_first_install_on_an_existing_cluster_and_repository() {
    let mut world = World::new(BOTH_NAMESPACES);
    for namespace in ["shop", "lab"] {
        stand(&world, namespace, "same", Some("1"), Some("1"));
        stand(&world, namespace, "other", Some("git"), Some("live"));
        names("git").iter().for_each(|name| stand(&world, namespace, name, Some("1"), None));
        names("live").iter().for_each(|name| stand(&world, namespace, name, None, Some("1")));
    }
    let commits = world.git.commits();
    world.pass(600);

    // Whatever has a direction flows, however much it is: creations, new manifests, differences.
    for name in names("git") {
        assert_eq!(world.live(&config_map_id("shop", &name), "/data/a"), "1");
        assert!(in_git(&world, "lab", &name).is_some(), "in Git only, and never seen live: it is kept");
        world.assert_said(&config_map_id("lab", &name), "Missing");
    }
    for name in names("live") {
        assert!(in_git(&world, "lab", &name).is_some_and(|text| text.contains("a: \"1\"")));
        assert!(is_live(&world, "shop", &name), "live only, and never seen in Git: it is left");
        world.assert_said(&config_map_id("shop", &name), "NotOurs");
    }
    assert_eq!(world.live(&config_map_id("shop", "other"), "/data/a"), "git");
    let other = in_git(&world, "lab", "other").unwrap();
    assert_eq!(other, text_of("lab", "other", "live"), "and the rest of the text is as it was");
    assert_eq!(in_git(&world, "lab", "same").unwrap(), text_of("lab", "same", "1"));
    assert_eq!(in_git(&world, "shop", "same").unwrap(), text_of("shop", "same", "1"));
    assert_eq!(held(&world), []);
    assert_eq!(world.git.commits(), commits + 1, "one commit for all of it");

    // Then nothing more, also after another process took over.
    let writes = world.cluster.take_writes();
    assert!(writes.iter().all(|write| write.after.is_some()), "nothing is deleted");
    world.restart(true);
    world.pass(4_000);
    assert!(world.cluster.take_writes().is_empty());
    assert_eq!(world.git.commits(), commits + 1);

    // From now on what people take away goes from the other side too, as it did agree.
    let path = path_of("shop", "same");
    world.push(&[(&path, None)]);
    world.cluster.remove(&config_map_id("lab", "same"));
    world.pass(60);
    assert!(!is_live(&world, "shop", "same"));
    assert_eq!(in_git(&world, "lab", "same"), None);
    assert_eq!(held(&world), []);
    // What never agreed does not.
    world.cluster.remove(&config_map_id("shop", "live0"));
    let path = path_of("lab", "git0");
    world.push(&[(&path, None)]);
    world.pass(60);
    assert!(world.cluster.take_writes().iter().filter(|write| write.after.is_none()).count() == 1);
}

#[test]
fn a_rule_that_is_added_later() {
    let only_shop = BOTH_NAMESPACES.lines().next().unwrap();
    let mut world = World::new(only_shop);
    for namespace in ["shop", "lab"] {
        stand(&world, namespace, "same", Some("1"), Some("1"));
        stand(&world, namespace, "other", Some("git"), Some("live"));
        names("git").iter().for_each(|name| stand(&world, namespace, name, Some("1"), None));
        names("live").iter().for_each(|name| stand(&world, namespace, name, None, Some("1")));
    }
    // It is on both sides now and will be gone from the cluster when its rule comes.
    stand(&world, "lab", "gone", Some("1"), Some("1"));
    world.pass(600);
    world.cluster.remove(&config_map_id("lab", "gone"));
    world.pass(600);
    let commits = world.git.commits();
    assert!(world.cluster.take_writes().iter().all(|write| write.id.namespace() == Some("shop")));

    world.reload(BOTH_NAMESPACES);
    world.pass(600);
    for name in names("git").iter().map(String::as_str).chain(["gone"]) {
        assert!(in_git(&world, "lab", name).is_some(), "{name} never agreed under a rule");
        world.assert_said(&config_map_id("lab", name), "Missing");
    }
    for name in names("live") {
        assert!(in_git(&world, "lab", &name).is_some());
    }
    assert_eq!(in_git(&world, "lab", "other").unwrap(), text_of("lab", "other", "live"));
    assert!(world.cluster.take_writes().is_empty(), "the rule writes to Git only");
    assert_eq!(world.git.commits(), commits + 1);
    assert_eq!(held(&world), []);

    // What agreed before it came still has its past, in the next process too.
    world.restart(true);
    world.pass(60);
    let path = path_of("shop", "same");
    world.push(&[(&path, None)]);
    world.cluster.remove(&config_map_id("lab", "same"));
    world.pass(60);
    assert!(!is_live(&world, "shop", "same"));
    assert_eq!(in_git(&world, "lab", "same"), None);

    // And a rule that comes while no process runs.
    world.reload(only_shop);
    world.pass(60);
    world.rules = rules(BOTH_NAMESPACES);
    world.cluster.remove(&config_map_id("lab", "other"));
    world.restart(true);
    world.pass(600);
    assert!(in_git(&world, "lab", "other").is_some(), "it left under no rule");
    assert_eq!(held(&world), []);
}

#[test]
fn replicas_that_move_to_an_autoscaler_never_fall() {
    let apply = SPLIT.lines().nth(1).unwrap();
    let mut world = World::new(apply);
    world.push(&[("web.yaml", Some(DEPLOYMENT))]);
    world.pass(60);
    let id = deployment_id();
    let least = |world: &World, least: u64| {
        let writes = world.cluster.take_writes().into_iter().filter(|write| write.id == deployment_id());
        for after in writes.filter_map(|write| write.after) {
            let replicas = after["spec"]["replicas"].as_u64().unwrap();
            assert!(replicas >= least, "{replicas} replicas at version {}", text(&after, "/metadata/resourceVersion"));
        }
    };
    // The rule that hands them over, under load: the autoscaler is at work at once.
    world.reload(SPLIT);
    world.cluster.scale(&id, 8);
    world.pass(60);
    least(&world, 3);
    assert!(world.git.file("web.yaml").unwrap().contains("replicas: 8"));
    // Another image does not touch them, and back they go as Git has them by then.
    let image = world.git.file("web.yaml").unwrap().replace("web:1", "web:2");
    world.push(&[("web.yaml", Some(&image))]);
    world.pass(60);
    world.reload(apply);
    world.pass(60);
    least(&world, 8);
    // Taken out of Git they are released.
    let without = world.git.file("web.yaml").unwrap().replace("  replicas: 8\n", "");
    world.push(&[("web.yaml", Some(&without))]);
    world.pass(60);
    least(&world, 8);
    world.cluster.scale(&id, 5);
    let now = world.now();
    world.pass(600);
    assert_eq!(world.live(&id, "/spec/replicas"), 5);
    assert!(world.clock.now() > now);
    assert_eq!(held(&world), []);
}
