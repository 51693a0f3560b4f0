//! Commits whose files are more than is held in memory.

use kubeferry::manifest;
use serde_json::{Value, json};

use super::pace::Pace;
use super::world::*;

/// One file for the two objects of a name, and a window in which edits wait for deletes.
const SHARED: &str = "- {resources: [configmaps], syncTo: git, path: '{{ .Name }}.yaml'}\nbatchWindow: 60s";

const PAIRS: usize = 120;

fn text(value: &str) -> Value {
    json!({"value": value, "text": "some text\n".repeat(2_000)})
}

fn name(number: usize) -> String {
    format!("n{number:03}")
}

fn objects() -> impl Iterator<Item = (&'static str, usize)> {
    ["lab", "shop"].into_iter().flat_map(|namespace| (0..PAIRS).map(move |number| (namespace, number)))
}

/// What the file of a number says of each of its objects.
fn said(world: &World, number: usize) -> Vec<String> {
    let path = format!("{}.yaml", name(number));
    let file = world.git.file(&path).unwrap_or_else(|| panic!("{path} is missing"));
    let documents = manifest::split(&file);
    let objects = documents.iter().map(|document| serde_yaml::from_str::<Value>(document.text).unwrap());
    let mut said: Vec<String> = objects
        .map(|object| {
            let value = object["data"]["value"].as_str().unwrap_or_default();
            assert_eq!(object["data"], text(value), "{path}");
            format!("{}: {value}", object["metadata"]["namespace"].as_str().unwrap_or_default())
        })
        .collect();
    said.sort();
    said
}

#[test]
fn files_that_were_stored_take_further_changes_of_the_same_commit() {
    let mut world = World::at_pace(SHARED, Pace::random(1, 3));
    for (namespace, number) in objects() {
        world.cluster.update(&config_map(namespace, &name(number), &text("1")), "kubectl-create");
    }
    world.push(&[("README.md", Some("hello"))]);
    world.pass(150);
    assert_eq!((world.git.commits(), world.git.paths().len()), (2, PAIRS + 1));
    let stored = world.git.stored();
    assert!(stored > PAIRS / 2, "{stored}");
    for number in 0..PAIRS {
        assert_eq!(said(&world, number), ["lab: 1", "shop: 1"], "{number}");
    }

    for (namespace, number) in objects() {
        match (namespace, number) {
            ("shop", 7) => drop(world.cluster.remove(&config_map_id("shop", &name(7)))),
            _ => world.cluster.update(&config_map(namespace, &name(number), &text("2")), "kubectl-edit"),
        }
    }
    world.pass(150);
    assert!(world.git.stored() > stored && world.git.commits() == 3);
    for number in 0..PAIRS {
        let left: &[&str] = if number == 7 { &["lab: 2"] } else { &["lab: 2", "shop: 2"] };
        assert_eq!(said(&world, number), left, "{number}");
    }
    world.assert_in_sync();
}
