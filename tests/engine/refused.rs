//! Changes that the API server refuses because the field cannot be changed in place.

use kubeferry::cluster::ClusterError;

use super::world::*;

fn refusal() -> ClusterError {
    ClusterError::Immutable { fields: vec!["data.a".to_owned()], message: "field is immutable".to_owned() }
}

/// A map whose change of value is refused.
fn refused(text: &str) -> World {
    let mut world = World::new(TO_CLUSTER);
    world.push(&[("m.yaml", Some(&manifest("m", "1"))), ("other.yaml", Some(&manifest("other", "1")))]);
    world.cluster.refuse_next_apply(refusal());
    world.push(&[("m.yaml", Some(text))]);
    world
}

fn anew(value: &str) -> String {
    manifest("m", value)
        .replace("  name: m\n", "  name: m\n  annotations: {kubeferry.io/recreate: enabled, kubeferry.io/note: x}\n")
}

#[test]
fn the_field_is_named_and_the_change_not_asked_for_again_and_again() {
    let id = config_map_id("shop", "m");
    let mut world = refused(&manifest("m", "2"));
    world.assert_said(&id, "Held: data.a cannot be changed in place: field is immutable; take the change back");
    world.pass(20);
    let calls = world.cluster.calls();
    world.pass(500);
    assert_eq!(world.cluster.calls(), calls);
    // Other changes of the object change nothing about it.
    for round in 0..5 {
        let data = serde_json::json!({"a": "1", "theirs": round.to_string()});
        world.cluster.update(&config_map("shop", "m", &data), "kubectl-edit");
        world.settle();
    }
    world.assert_said(&id, "cannot be changed in place");
    assert_eq!(world.live(&id, "/data/a"), "1");
    world.push(&[("other.yaml", Some(&manifest("other", "2")))]);
    assert_eq!(world.live(&config_map_id("shop", "other"), "/data/a"), "2", "nobody else is held up");
    // The change is taken back.
    world.push(&[("m.yaml", Some(&manifest("m", "1")))]);
    world.assert_in_sync();
    // After ten minutes the server is asked again: it may have changed its mind.
    let mut world = refused(&manifest("m", "2"));
    world.pass(605);
    assert_eq!(world.live(&id, "/data/a"), "2");
    world.assert_in_sync();
}

#[test]
fn an_object_is_made_anew_only_where_its_manifest_asks_for_it() {
    let id = config_map_id("shop", "m");
    let mut world = World::new(TO_CLUSTER);
    world.push(&[("m.yaml", Some(&manifest("m", "1")))]);
    let before = world.live(&id, "/metadata/uid");
    world.cluster.take_writes();
    world.cluster.refuse_next_apply(refusal());
    world.push(&[("m.yaml", Some(&anew("2")))]);
    let verbs: Vec<&str> = world.cluster.take_writes().iter().map(|write| write.verb).collect();
    assert_eq!(verbs, ["delete", "create"]);
    assert_eq!(world.live(&id, "/data/a"), "2");
    assert_ne!(world.live(&id, "/metadata/uid"), before);
    world.assert_in_sync();
    // Asked for once, it goes on as any other object.
    world.push(&[("m.yaml", Some(&anew("3")))]);
    assert_eq!(world.live(&id, "/data/a"), "3");
    assert_eq!(world.cluster.take_writes().len(), 1);

    // An object that opts out of being deleted stays.
    world.cluster.refuse_next_apply(refusal());
    world.push(&[("m.yaml", Some(&anew("4").replace("kubeferry.io/note: x", "kubeferry.io/prune: disabled")))]);
    world.assert_said(&id, "it says `kubeferry.io/prune: disabled`");
    assert_eq!(world.live(&id, "/data/a"), "3");
}
