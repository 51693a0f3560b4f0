//! Objects that both sides may change: what is carried, what is held, and how a person decides.

use serde_json::{Value, json};

use crate::ferry::until;
use crate::world::World;

journeys! {
    an_edit_on_either_side_reaches_the_other,
    a_conflict_is_held_until_it_is_released,
    a_commit_to_what_the_cluster_decides_can_stay
}

const RULES: &str = "
rules:
- name: settings
  namespaces: [NAMESPACE]
  resources: [configmaps]
  names: [settings]
  syncTo: both
";

const SETTINGS: &str = "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  namespace: NAMESPACE
data:
  title: Shop # as it is printed
  colour: blue
";

async fn an_edit_on_either_side_reaches_the_other(world: &World) {
    world.commit("settings.yaml", SETTINGS);
    let _ferry = world.ferry(RULES).await;
    world.until_live("ConfigMap", "settings", "/data/title", "Shop").await;

    world.kubectl.patch("ConfigMap", "settings", json!({"data": {"title": "Bazaar"}})).await;
    let bazaar = SETTINGS.replace("Shop", "Bazaar");
    world.until_file("settings.yaml", &bazaar).await;
    world.commit("settings.yaml", &bazaar.replace("blue", "green"));
    world.until_live("ConfigMap", "settings", "/data/colour", "green").await;

    // A field that one side removes goes from the other.
    world.kubectl.patch("ConfigMap", "settings", json!({"data": {"colour": null}})).await;
    world.until_file("settings.yaml", &bazaar.replace("  colour: blue\n", "")).await;
    world.commit("settings.yaml", &bazaar);
    world.until_live("ConfigMap", "settings", "/data/colour", "blue").await;
    world.commit("settings.yaml", &bazaar.replace("  colour: blue\n", ""));
    world.until_live("ConfigMap", "settings", "/data/colour", Value::Null).await;

    // So does the whole object.
    world.remove("settings.yaml");
    world.until_gone("ConfigMap", "settings").await;
    world.kubectl.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {title: New}}").await;
    until("the new manifest", || async {
        let path =
            ["settings.yaml", "NAMESPACE/ConfigMap/settings.yaml"].into_iter().find_map(|path| world.file(path))?;
        path.contains("title: New").then_some(())
    })
    .await;
}

async fn a_conflict_is_held_until_it_is_released(world: &World) {
    world.commit("settings.yaml", SETTINGS);
    world.rules(RULES);
    let command = world.command();
    let (code, shown, errors) = command.output(&["once"]).await;
    assert_eq!(code, 0, "{shown}{errors}");

    // Both change while nobody looks.
    world.commit("settings.yaml", &SETTINGS.replace("Shop", "Bazaar").replace("blue", "green"));
    world.kubectl.patch("ConfigMap", "settings", json!({"data": {"title": "Market"}})).await;
    let _ferry = world.ferry(RULES).await;
    world.until_live("ConfigMap", "settings", "/data/colour", "green").await;
    let held = until("the hold", || async {
        let (code, shown, _) = command.output(&["holds", "-o", "json"]).await;
        let page: Value = serde_json::from_str(&shown).ok()?;
        (code == 1 && !page["held"].as_array()?.is_empty()).then_some(page)
    })
    .await;
    assert_eq!(held["held"][0]["fields"], json!([".data.title"]), "{held}");
    let (_, text, _) = command.output(&["holds"]).await;
    assert!(text.contains("both sides changed it") && text.contains("--keep git|cluster"), "{text}");
    assert!(!text.contains("Bazaar") && !text.contains("Market"), "no value stands in the state: {text}");
    assert_eq!(world.kubectl.get("ConfigMap", "settings").await.unwrap()["data"]["title"], "Market");

    let name = world.text("NAMESPACE/settings");
    let (code, _, errors) = command.output(&["release", "configmap", &name]).await;
    assert!(code == 2 && errors.contains("--keep cluster"), "{errors}");
    let (code, _, errors) = command.output(&["release", "cm", &world.text("NAMESPACE/other"), "--keep", "git"]).await;
    assert!(code == 2 && errors.contains("nothing is held"), "{errors}");
    let (code, shown, errors) = command.output(&["release", "cm", &name, "--keep", "cluster"]).await;
    assert_eq!(code, 0, "{shown}{errors}");
    world.until_file("settings.yaml", &SETTINGS.replace("Shop", "Market").replace("blue", "green")).await;
    until("the end of the hold", || async {
        let (code, ..) = command.output(&["holds"]).await;
        (code == 0).then_some(())
    })
    .await;
}

async fn a_commit_to_what_the_cluster_decides_can_stay(world: &World) {
    world.commit("settings.yaml", SETTINGS);
    let object = "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {title: Shop, colour: blue}}";
    world.kubectl.create(object).await;
    let ferry = world.ferry(&RULES.replace("syncTo: both", "syncTo: git\n  gitEdits: hold")).await;
    let edited = SETTINGS.replace("Shop", "Bazaar");
    let commit = world.commit("settings.yaml", &edited);
    ferry.until_synced(&commit).await;
    let command = world.command();
    until("the hold", || async {
        let (_, shown, _) = command.output(&["holds"]).await;
        shown.contains("a commit changed it").then_some(())
    })
    .await;
    assert_eq!(world.file("settings.yaml").unwrap(), world.text(&edited));
    world.kubectl.patch("ConfigMap", "settings", json!({"data": {"title": "Market"}})).await;
    world.until_file("settings.yaml", &SETTINGS.replace("Shop", "Market")).await;
}
