//! A repository and a cluster full of what should not be there: each is refused or left with a reason, and the rest goes on.

use git2::FileMode;
use serde_json::json;

use crate::ferry::{CommandLine, until};
use crate::world::World;

journeys! {
    a_repository_full_of_bombs_holds_up_no_manifest,
    what_a_value_says_becomes_no_trailer,
    attributes_of_the_repository_convert_no_byte,
    bombs_in_rules_are_refused_and_those_before_go_on,
    an_endless_expression_holds_its_field_alone,
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

async fn attributes_of_the_repository_convert_no_byte(world: &World) {
    let text = |name: &str, end: &str| world.text(&config_map(name, "one")).replace('\n', end);
    let attributes = "* text=auto eol=crlf working-tree-encoding=UTF-16 ident filter=evil merge=evil\n";
    // What `ident` would write over, in a manifest that is edited beside it.
    let ident = |text: String| text.replacen("\ndata:", "\n# $Id$\ndata:", 1);
    world.repo.write(
        "All at once",
        &[
            (".gitattributes", attributes),
            ("unix.yaml", &ident(text("unix", "\n"))),
            ("windows.yaml", &text("windows", "\r\n")),
        ],
    );
    for name in ["unix", "windows"] {
        world.kubectl.create(&text(name, "\n")).await;
    }
    let ferry = world.ferry(&TO_GIT.replace("[loud]", "[unix, windows, made]")).await;
    for name in ["unix", "windows"] {
        world.kubectl.patch("ConfigMap", name, json!({"data": {"key": "two"}})).await;
    }
    world.kubectl.create(&text("made", "\n")).await;
    world.until_file("unix.yaml", &ident(text("unix", "\n")).replace("key: one", "key: two")).await;
    world.until_file("windows.yaml", &text("windows", "\r\n").replace("key: one", "key: two")).await;
    let made = until("the new manifest", || async { world.file("NAMESPACE/ConfigMap/made.yaml") }).await;
    assert!(!made.contains('\r') && made.contains("key: one\n"), "{made:?}");
    assert_eq!(world.file(".gitattributes").as_deref(), Some(attributes));
    ferry.until_status("peace", |page| page.objects.list.is_empty().then_some(())).await;
}

async fn bombs_in_rules_are_refused_and_those_before_go_on(world: &World) {
    world.commit("good.yaml", &config_map("good", "'0'"));
    let ferry = world.ferry(TO_CLUSTER).await;
    world.until_live("ConfigMap", "good", "/data/key", "0").await;
    let field = |transform: &str| format!("  fields: [{{path: /data/key, transform: {transform:?}}}]\n");
    let with = |more: &str| TO_CLUSTER.replace("syncTo: kubernetes\n", &format!("syncTo: git\n{more}"));
    let laughs = laughs().split_once("bomb:").unwrap().1.to_owned();
    let bombs = [
        ("laughs", format!("{TO_CLUSTER}  names:{}", laughs.replace('\n', "\n    "))),
        ("depth", format!("{TO_CLUSTER}  names: {}", "[".repeat(100_000))),
        ("size", format!("{TO_CLUSTER}# {}\n", "x".repeat(2 << 20))),
        ("a long expression", with(&field(&format!("value + '{}'", "x".repeat(5_000))))),
        ("a deep expression", with(&field(&format!("{}value{}", "(".repeat(1_500), ")".repeat(1_500))))),
        ("a selector", format!("{TO_CLUSTER}  labels: 'a in ({}'\n", "b,".repeat(100_000))),
    ];
    for (number, (name, rules)) in bombs.iter().enumerate() {
        world.rules(rules);
        let what = format!("the refusal of {name}");
        let error = ferry.until_status(&what, |page| page.rules.error.clone()).await;
        assert!(!error.message.is_empty() && error.message.len() < 20_000, "{name}: {}", error.message);
        let value = format!("{}", number + 1);
        world.commit("good.yaml", &config_map("good", &format!("'{value}'")));
        world.until_live("ConfigMap", "good", "/data/key", value).await;
        world.rules(TO_CLUSTER);
        ferry.until_status("rules that hold", |page| page.rules.error.is_none().then_some(())).await;
    }
}

async fn an_endless_expression_holds_its_field_alone(world: &World) {
    let long = "x".repeat(200_000);
    for name in ["bomb", "good"] {
        world.commit(&format!("{name}.yaml"), &config_map(name, "one"));
        world.kubectl.create(&world.text(&config_map(name, "one"))).await;
    }
    // Each of these grows with a power of what the cluster's users put into the value.
    let rule = |name: &str, transform: &str| {
        format!(
            "- {{name: {name}, namespaces: [NAMESPACE], resources: [configmaps], names: [bomb], syncTo: git, \
             fields: [{{path: /data/key, transform: {transform:?}}}]}}\n"
        )
    };
    let rest = "- {name: rest, namespaces: [NAMESPACE], resources: [configmaps], names: [bomb, good], syncTo: git}\n";
    for (number, transform) in [
        "value.matches('(x+x+)+y') ? 'a' : value",
        "value.matches('((x{1,500}){1,500}){1,500}y') ? 'a' : 'b'",
        "value.split('').map(a, value.split('').map(b, a + b)).size() > 0 ? 'a' : 'b'",
    ]
    .into_iter()
    .enumerate()
    {
        let ferry = world.ferry(&format!("rules:\n{}{rest}", rule("heavy", transform))).await;
        world.kubectl.patch("ConfigMap", "bomb", json!({"data": {"key": long}})).await;
        let value = format!("value-{number}");
        world.kubectl.patch("ConfigMap", "good", json!({"data": {"key": value}})).await;
        world.until_file("good.yaml", &config_map("good", &value)).await;
        world.kubectl.patch("ConfigMap", "bomb", json!({"data": {"key": "one", "note": "still here"}})).await;
        world.kubectl.patch("ConfigMap", "good", json!({"data": {"key": format!("{value}-more")}})).await;
        world.until_file("good.yaml", &config_map("good", &format!("{value}-more"))).await;
        assert_eq!(ferry.terminate().await, Some(0), "{transform}");
    }
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
