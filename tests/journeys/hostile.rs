//! A repository and a cluster full of what should not be there: each is refused or left with a reason, and the rest goes on.

use git2::FileMode;
use serde_json::json;

use crate::ferry::{CommandLine, until};
use crate::world::World;

journeys! {
    a_repository_full_of_bombs_holds_up_no_manifest,
    what_a_value_says_becomes_no_trailer,
    ; real only:
    an_object_too_large_for_the_cluster_fails_alone,
}

const TO_CLUSTER: &str = "
limits: {fileBytes: 2Mi}
rules:
- name: all
  namespaces: [NAMESPACE]
  resources: [configmaps]
  syncTo: kubernetes
";

const TO_GIT: &str = "
rules:
- name: all
  namespaces: [NAMESPACE]
  resources: [configmaps]
  names: [loud]
  syncTo: git
";

fn config_map(name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: NAMESPACE\ndata:\n  key: {value}\n"
    )
}

/// A billion laughs: ten aliases in each of ten levels.
fn laughs() -> String {
    let mut text = String::from("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: laughs}\nbomb:\n- &a0 ha\n");
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("- &a{level} [{aliases}]\n"));
    }
    text
}

async fn a_repository_full_of_bombs_holds_up_no_manifest(world: &World) {
    let good = world.text(&config_map("good", "one"));
    let head = "apiVersion: v1\nkind: ConfigMap\nmetadata: ";
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("laughs.yaml", laughs().into_bytes()),
        ("deep.yaml", format!("{head}{{name: deep}}\ndata: {}", "[".repeat(100_000)).into_bytes()),
        ("huge.yaml", format!("{head}{{name: huge}}\ndata: {{key: {}}}\n", "x".repeat(3 << 20)).into_bytes()),
        ("latin.yaml", [head.as_bytes(), b"{name: caf\xe9}\n"].concat()),
        ("nul.yaml", [head.as_bytes(), b"{name: \"a\"}\n\0\0\n"].concat()),
        ("merge.yaml", format!("<<<<<<< HEAD\n{good}=======\n>>>>>>> theirs\n").replace("good", "merged").into_bytes()),
        ("escape.yaml", format!("{head}{{name: \"\\e[31mred\\u202e\"}}\n").into_bytes()),
        ("climb.yaml", format!("{head}{{name: \"../../etc\", namespace: \"a/b\"}}\n").into_bytes()),
        (
            "lfs.yaml",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n".to_vec(),
        ),
        (".gitattributes", b"*.yaml text eol=crlf filter=evil\n".to_vec()),
        ("good.yaml", good.clone().into_bytes()),
    ];
    let writes: Vec<_> = files.iter().map(|(path, bytes)| (*path, Some(bytes.as_slice()))).collect();
    world.repo.commit("main", "Everything at once", &writes);
    world.repo.put("A link", b"link.yaml", "/etc/passwd", FileMode::Link);
    world.repo.put("A submodule", b"module.yaml", "", FileMode::Commit);
    world.repo.put("No text", b"caf\xe9.yaml", &config_map("hidden", "x"), FileMode::Blob);

    let ferry = world.ferry(TO_CLUSTER).await;
    world.until_live("ConfigMap", "good", "/data/key", "one").await;
    let page = ferry.status().await;
    for name in [
        "laughs.yaml",
        "deep.yaml",
        "huge.yaml",
        "latin.yaml",
        "nul.yaml",
        "merge.yaml",
        "escape.yaml",
        "climb.yaml",
        "lfs.yaml",
        "link.yaml",
        "module.yaml",
        "caf",
    ] {
        let line = page.files.list.iter().find(|line| line.place.path.starts_with(name));
        assert!(line.is_some_and(|line| !line.reason.is_empty()), "{name} is not in {:?}", page.files);
    }
    // And it goes on, with the good one and with those that are mended.
    world.commit("good.yaml", &config_map("good", "two"));
    let commit = world.commit("laughs.yaml", &config_map("laughs", "mended"));
    world.until_live("ConfigMap", "good", "/data/key", "two").await;
    world.until_live("ConfigMap", "laughs", "/data/key", "mended").await;
    ferry.until_synced(&commit).await;
    let (_, shown, errors) =
        CommandLine::new(world.folder(), Vec::new()).output(&["status", "--url", ferry.url()]).await;
    for text in [ferry.log(), shown, errors] {
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
    }
    assert!(world.kubectl.get("ConfigMap", "hidden").await.is_none());
}

async fn what_a_value_says_becomes_no_trailer(world: &World) {
    world.commit("README.md", "# Shop\n");
    let ferry = world.ferry(TO_GIT).await;
    let loud = "quiet\n\nKubeferry-Instance: evil/evil 0\nKubeferry-Allow-Deletes: 99\n\u{1b}]0;title\u{7}\u{202e}";
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "loud", "annotations": {"example.com/\u{6e}ote": loud}},
        "data": {"key": loud, "more": "a"},
    });
    world.kubectl.create(&object.to_string()).await;
    let path = world.text("NAMESPACE/ConfigMap/loud.yaml");
    until("the manifest", || async { world.file(&path) }).await;
    world.kubectl.patch("ConfigMap", "loud", json!({"data": {"key": format!("{loud}!"), "more": loud}})).await;
    until("the edit", || async { (world.log().len() == 3).then_some(()) }).await;
    let written = world.file(&path).unwrap();
    let read = &crate::kubectl::documents(&written)[0];
    assert_eq!((&read["data"]["key"], &read["data"]["more"]), (&json!(format!("{loud}!")), &json!(loud)));
    assert!(!written.contains(['\u{1b}', '\u{7}']), "{written:?}");
    for entry in world.log().iter().take(2) {
        let trailers: Vec<_> = entry.message.lines().filter(|line| line.starts_with("Kubeferry-")).collect();
        assert!(trailers.len() == 1 && !trailers[0].contains("evil"), "{:?}", entry.message);
        assert!(!entry.message.contains(['\u{1b}', '\u{202e}']), "{:?}", entry.message);
    }
    assert!(!ferry.log().contains(['\u{1b}', '\u{202e}']));
}

async fn an_object_too_large_for_the_cluster_fails_alone(world: &World) {
    let large = config_map("large", &"x".repeat((1 << 20) + 100));
    world.commit("large.yaml", &large);
    world.commit("good.yaml", &config_map("good", "one"));
    let ferry = world.ferry(TO_CLUSTER).await;
    world.until_live("ConfigMap", "good", "/data/key", "one").await;
    let reason = ferry.until_status("the failure", |page| {
        let line = page.objects.list.iter().find(|line| line.object.ends_with("/large"))?;
        (line.state.to_string() == "failed").then(|| line.reason.clone())
    });
    let reason = reason.await;
    assert!(reason.contains("Too long") && reason.len() < 2_000, "{reason}");
    world.commit("good.yaml", &config_map("good", "two"));
    world.until_live("ConfigMap", "good", "/data/key", "two").await;
    world.commit("large.yaml", &config_map("large", "small"));
    world.until_live("ConfigMap", "large", "/data/key", "small").await;
    ferry.until_status("peace", |page| page.objects.list.is_empty().then_some(())).await;
}
