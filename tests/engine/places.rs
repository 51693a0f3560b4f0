//! Fields that do not go to the manifest: patches, values in other files, and what kustomizations list.

use serde_json::json;

use super::world::*;

const HANDOVER: &str = "\
- {name: scaled, apiGroups: [apps], resources: [deployments], fields: [.spec.replicas], format: kustomize-patch, path: 'app/{{ .Name }}.patch.yaml', syncTo: git}
- {name: apply, apiGroups: [apps], resources: [deployments], syncTo: kubernetes}";

const KUSTOMIZATION: &str = "# what is deployed\nresources:\n  - ./web.yaml # the door\n";

const PATCH: &str =
    "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  replicas: 5\n";

/// A world in which the replicas of `web` were handed over and scaled to five.
fn handed_over() -> World {
    let mut world = World::new(HANDOVER);
    world.push(&[("app/web.yaml", Some(DEPLOYMENT)), ("app/kustomization.yaml", Some(KUSTOMIZATION))]);
    world.pass(5);
    assert_eq!(world.live(&deployment_id(), "/spec/replicas"), 3);
    assert_eq!(world.git.commits(), 1, "the manifest says it all");
    world.cluster.scale(&deployment_id(), 5);
    world.pass(5);
    world
}

#[test]
fn a_field_that_is_handed_over_gets_a_patch_and_its_entry_in_one_commit() {
    let mut world = handed_over();
    assert_eq!(world.git.file("app/web.patch.yaml").unwrap(), PATCH);
    let listed = format!("{KUSTOMIZATION}patches:\n  - path: web.patch.yaml\n");
    assert_eq!(world.git.file("app/kustomization.yaml").unwrap(), listed);
    assert_eq!(world.git.file("app/web.yaml").unwrap(), DEPLOYMENT, "the patch has the field now");
    assert_eq!(world.git.commits(), 2);
    world.pass(100);
    assert_eq!(world.git.commits(), 2);
    world.assert_in_sync();

    world.cluster.scale(&deployment_id(), 7);
    world.pass(5);
    assert_eq!(world.git.file("app/web.patch.yaml").unwrap(), PATCH.replace("5", "7"));
    // The rest still goes the other way.
    world.push(&[("app/web.yaml", Some(&DEPLOYMENT.replace("web:1", "web:2")))]);
    world.pass(5);
    let image = world.live(&deployment_id(), "/spec/template/spec/containers/0/image");
    assert_eq!((image, world.live(&deployment_id(), "/spec/replicas")), (json!("web:2"), json!(7)));
    world.restart(true);
    world.pass(100);
    assert_eq!(world.git.commits(), 4);
    world.assert_in_sync();
}

#[test]
fn what_a_person_changes_in_a_patch_is_written_over() {
    let mut world = handed_over();
    let by_hand = PATCH.replace("  replicas: 5", "  replicas: 9 # more!\n  paused: false");
    world.push(&[("app/web.patch.yaml", Some(&by_hand))]);
    world.pass(5);
    assert_eq!(world.git.file("app/web.patch.yaml").unwrap(), by_hand.replace("9", "5"));
    assert_eq!(world.live(&deployment_id(), "/spec/paused"), json!(null), "a patch is never applied");
    // Taken out of the kustomization it is listed again, and gone it is made again.
    world.push(&[("app/kustomization.yaml", Some(KUSTOMIZATION))]);
    world.pass(5);
    assert!(world.git.file("app/kustomization.yaml").unwrap().contains("path: web.patch.yaml"));
    world.push(&[("app/web.patch.yaml", None)]);
    world.pass(5);
    assert_eq!(world.git.file("app/web.patch.yaml").unwrap(), PATCH);
    world.assert_in_sync();
    let commits = world.git.commits();
    world.pass(100);
    assert_eq!(world.git.commits(), commits);
}

#[test]
fn a_patch_is_no_existence_and_no_absence() {
    let mut world = handed_over();
    // Its manifest goes, and only the patch shows it: it is not deleted, and what goes to the patch still goes there.
    world.push(&[("app/web.yaml", None), ("app/kustomization.yaml", Some("patches:\n- path: web.patch.yaml\n"))]);
    world.pass(60);
    assert!(world.cluster.object(&deployment_id()).is_some());
    world.assert_said(&deployment_id(), "is a patch of app/kustomization.yaml");
    world.cluster.scale(&deployment_id(), 8);
    world.pass(5);
    assert_eq!(world.git.file("app/web.patch.yaml").unwrap(), PATCH.replace("5", "8"));
    world.cluster.remove(&deployment_id());
    world.pass(60);
    assert_eq!(world.git.file("app/web.patch.yaml").unwrap(), PATCH.replace("5", "8"), "a patch is never removed");
    assert!(world.cluster.object(&deployment_id()).is_none(), "nor is anything created from it");
}

#[test]
fn a_patch_that_has_no_kustomization_waits_for_one() {
    let mut world = World::new(HANDOVER);
    world.push(&[("app/web.yaml", Some(DEPLOYMENT))]);
    world.pass(5);
    world.cluster.scale(&deployment_id(), 5);
    world.pass(60);
    world.assert_said(&deployment_id(), "there is no kustomization at or above app/web.patch.yaml");
    assert_eq!(world.git.commits(), 1);
    world.push(&[("kustomization.yaml", Some("resources: [app/web.yaml]\n"))]);
    world.pass(5);
    assert_eq!(world.git.file("app/web.patch.yaml").unwrap(), PATCH);
    let listed = "resources: [app/web.yaml]\npatches:\n- path: app/web.patch.yaml\n";
    assert_eq!(world.git.file("kustomization.yaml").unwrap(), listed);
    world.assert_in_sync();
}

#[test]
fn new_rules_say_anew_what_is_a_patch() {
    let text = manifest("a", "one");
    let mut world = World::new(TO_CLUSTER);
    world.push(&[("shop/ConfigMap/a.patch.yaml", Some(&text))]);
    world.pass(5);
    let id = config_map_id("shop", "a");
    assert_eq!(world.live(&id, "/data/a"), "one");
    let patches = "- {name: patches, resources: [configmaps], fields: [/data/a], format: patch, syncTo: git}";
    world.reload(&format!("{patches}\n{TO_CLUSTER}"));
    world.pass(60);
    assert!(world.cluster.object(&id).is_some(), "a manifest that became a patch has not gone");
    world.cluster.update(&config_map("shop", "a", &json!({"a": "two"})), "kubectl-edit");
    world.pass(5);
    assert_eq!(world.git.file("shop/ConfigMap/a.patch.yaml").unwrap(), text.replace("one", "two"));
    world.reload(TO_CLUSTER);
    world.pass(60);
    world.assert_in_sync();
}

#[test]
fn patches_that_go_to_one_file_stand_behind_each_other() {
    let mut world = World::new(
        "- {name: all, resources: [configmaps], namespaces: [shop], format: patch, path: all.yaml, syncTo: git}",
    );
    world.push(&[("README.md", Some("hello"))]);
    for name in ["a", "b", "c"] {
        world.cluster.update(&config_map("shop", name, &json!({"x": name})), "kubectl-create");
    }
    world.pass(60);
    let document = |name: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: shop\ndata:\n  x: {name}\n")
    };
    assert_eq!(world.git.file("all.yaml").unwrap(), ["a", "b", "c"].map(document).join("---\n"));
    assert_eq!(world.git.commits(), 2);
    world.cluster.remove(&config_map_id("shop", "b"));
    world.pass(100);
    assert_eq!(world.git.commits(), 2, "patches are never removed");
}

const VALUES: &str = "# of the chart\nweb:\n    replicas: 3    # as many as there are zones\nother: [1,2]\n";

const TO_VALUES: &str = "\
- {name: values, apiGroups: [apps], resources: [deployments], fields: [{path: .spec.replicas, to: 'values.yaml#/{{ .Name }}/replicas'}], syncTo: git}";

#[test]
fn a_live_value_lands_in_a_charts_values() {
    let mut world = World::new(TO_VALUES);
    world.push(&[("values.yaml", Some(VALUES))]);
    world.cluster.update(&deployment(3), "helm");
    world.pass(60);
    assert_eq!(world.git.commits(), 1, "it says so already");
    world.cluster.scale(&deployment_id(), 6);
    world.pass(5);
    let scaled = VALUES.replace("replicas: 3 ", "replicas: 6 ");
    assert_eq!(world.git.file("values.yaml").unwrap(), scaled);
    assert_eq!(world.git.paths(), ["values.yaml"]);
    // A person's edit of that value is written over; the rest of the file is theirs.
    world.push(&[("values.yaml", Some(&VALUES.replace("replicas: 3 ", "replicas: 1 ").replace("[1,2]", "[3]")))]);
    world.pass(5);
    assert_eq!(world.git.file("values.yaml").unwrap(), scaled.replace("[1,2]", "[3]"));
    let commits = world.git.commits();
    world.restart(true);
    world.pass(100);
    assert_eq!(world.git.commits(), commits);
    // One that cannot take it says so, and nothing else happens.
    world.push(&[("values.yaml", Some("a: 1\n---\nb: 2\n"))]);
    world.pass(60);
    world.assert_said(&deployment_id(), "it holds 2 documents");
    // Gone, it is made.
    world.push(&[("values.yaml", None)]);
    world.pass(5);
    assert_eq!(world.git.file("values.yaml").unwrap(), "web:\n  replicas: 6\n");
    world.assert_in_sync();
}

#[test]
fn objects_that_ask_for_one_path_do_not_take_turns() {
    let mut world = World::new(
        "- {name: values, resources: [configmaps], namespaces: [shop], fields: [{path: /data/a, to: 'values.yaml#/a'}], syncTo: git}",
    );
    world.push(&[("README.md", Some("hello"))]);
    for name in ["a", "b"] {
        world.cluster.update(&config_map("shop", name, &json!({"a": name})), "kubectl-create");
    }
    world.pass(100);
    assert_eq!(world.git.file("values.yaml").unwrap(), "a: a\n");
    let commits = world.git.commits();
    world.assert_said(&config_map_id("shop", "b"), "ConfigMap shop/a is written there");
    world.pass(1_000);
    assert_eq!(world.git.commits(), commits);
}

#[test]
fn new_files_are_listed_beside_their_kustomization_and_unlisted_with_it() {
    let mut world = World::new(
        "- {name: capture, resources: [configmaps], namespaces: [shop], path: 'app/{{ .Name }}.yaml', syncTo: git}",
    );
    let before = "# by hand\nresources:\n  - deploy.yaml\n  - ./c.yaml\nnamePrefix: ''\n";
    world.push(&[("app/kustomization.yaml", Some(before))]);
    for name in ["a", "b", "c"] {
        world.cluster.update(&config_map("shop", name, &json!({"x": name})), "kubectl-create");
    }
    world.pass(60);
    let listed = before.replace("c.yaml\n", "c.yaml\n  - a.yaml\n  - b.yaml\n");
    assert_eq!(world.git.file("app/kustomization.yaml").unwrap(), listed);
    assert_eq!(world.git.commits(), 2);
    world.cluster.remove(&config_map_id("shop", "a"));
    world.cluster.remove(&config_map_id("shop", "c"));
    world.pass(60);
    let left = before.replace("  - ./c.yaml\n", "  - b.yaml\n");
    assert_eq!(world.git.file("app/kustomization.yaml").unwrap(), left);
    assert!(world.git.file("app/a.yaml").is_none() && world.git.file("app/b.yaml").is_some());
    world.assert_in_sync();
}

#[test]
fn a_new_manifest_is_json_where_its_path_says_so() {
    let mut world =
        World::new("- {name: capture, resources: [configmaps], namespaces: [shop], format: json, syncTo: git}");
    world.push(&[("README.md", Some("hello"))]);
    world.cluster.update(&config_map("shop", "a", &json!({"x": "1"})), "kubectl-create");
    world.pass(60);
    let text = world.git.file("shop/ConfigMap/a.json").unwrap();
    assert!(text.starts_with("{\n  \"apiVersion\": \"v1\",\n") && text.ends_with("}\n"), "{text}");
    world.assert_in_sync();
    assert_eq!(world.git.commits(), 2);
}

#[test]
fn a_manifest_that_cannot_come_back_where_it_was_joins_the_others_of_its_file() {
    let mut world = World::new("- {resources: [configmaps], syncTo: git, path: '{{ .Namespace }}.yaml'}");
    let others = format!("{}---\n{}", manifest("b", "1"), manifest("c", "1"));
    for name in ["a", "b", "c"] {
        world.cluster.update(&config_map("shop", name, &json!({"a": "1"})), "kubectl-create");
    }
    world.push(&[("a.yaml", Some(&manifest("a", "1"))), ("shop.yaml", Some(&others))]);
    world.pass(5);
    world.cluster.remove(&config_map_id("shop", "a"));
    world.pass(30);
    assert_eq!(world.git.file("a.yaml"), None);

    let listed = "resources:\n- shop.yaml\npatches:\n- path: a.yaml\n";
    world.push(&[("kustomization.yaml", Some(listed))]);
    world.cluster.update(&config_map("shop", "a", &json!({"a": "2"})), "kubectl-create");
    world.pass(30);
    let all = world.git.file("shop.yaml").unwrap();
    assert!(all.starts_with(&others) && all.contains("name: a\n"), "{all}");
    assert_eq!(world.git.file("a.yaml"), None);
}
