//! Fields that go to Git and do not go to the manifest: patches, other paths, other files.

use super::*;
use crate::manifest::{Caps, ManifestFile, Place, Step};
use crate::sync::targets::TargetFile;

const REPLICAS: &str = "git fields: [.spec.replicas]; format: patch";

fn path(text: &str) -> RepoPath {
    RepoPath::parse(text).unwrap()
}

/// The Deployment `web` under these rules.
fn web(rules: &[&str]) -> Case {
    Case::new(rule(rules)).deployment()
}

impl Case {
    /// A patch of the object that stands in Git, in the default place.
    fn patch(mut self, value: Value) -> Self {
        let place = Place { path: path(PATCH), document: 1, item: Box::default(), line: 1 };
        self.fragments.push(Fragment { place, value, listed: None });
        self
    }

    /// A file of the tree.
    pub(super) fn file(mut self, at: &str, text: &str) -> Self {
        self.tree.update(&path(at), Some(ManifestFile::read(path(at), text.as_bytes(), &Caps::default())));
        self
    }

    /// A file that fields are written to.
    fn target(mut self, at: &str, says: Value) -> Self {
        let says = Ok(Some(says).filter(|says| !says.is_null()));
        self.files.insert(path(at), TargetFile { says, taken: Vec::new() });
        self
    }

    fn reasons(&self) -> Vec<String> {
        self.plan().notes.into_iter().map(|note| note.reason).collect()
    }
}

const PATCH: &str = "shop/Deployment/web.patch.yaml";

fn replicas(count: u32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": count}})
}

#[test]
fn a_patch_holds_identity_and_captured_fields_and_nothing_else() {
    let case = web(&[REPLICAS]).theirs(deployment(3, "web:1"));
    assert_eq!(case.words(), [format!("patch {PATCH} [.spec.replicas]")]);
    assert_eq!(case.written(), replicas(3));
    let case = web(&[REPLICAS]).theirs(deployment(1, "web:1"));
    assert_eq!(case.written(), replicas(1), "a named field is written, default or not");
    let case = web(&[REPLICAS]).theirs(deployment(3, "web:1")).patch(replicas(3));
    assert_eq!(case.words(), [""; 0]);
    let case = web(&[REPLICAS]).theirs(deployment(4, "web:1")).patch(replicas(3));
    assert_eq!(case.words(), [format!("edit {PATCH} [.spec.replicas]")]);
}

#[test]
fn decision_6_a_field_of_a_patch_is_not_written_to_the_manifest() {
    let rules = ["git fields: [.spec.replicas]", "kubernetes"];
    let case = web(&rules).git(deployment(1, "web:1")).ours(deployment(5, "web:1"));
    let edited = |case: Case| case.plan().actions.iter().any(|action| matches!(action, Action::Edit { .. }));
    assert!(edited(case));
    let case = web(&rules).git(deployment(1, "web:1")).ours(deployment(5, "web:1")).patch(replicas(2));
    let words = case.words();
    assert!(words.contains(&format!("edit {PATCH} [.spec.replicas]")) && !edited(case), "{words:?}");
}

#[test]
fn a_manifest_that_says_the_same_needs_no_patch() {
    let rules = [REPLICAS, "kubernetes"];
    let case = |live| web(&rules).git(deployment(3, "web:1")).ours(deployment(live, "web:1"));
    let patched = |case: Case| case.words().iter().any(|word| word.starts_with("patch"));
    assert!(!patched(case(3)) && patched(case(4)));
}

#[test]
fn marks_and_nulls_of_a_patch_are_left_alone() {
    let mut patch = replicas(3);
    patch["spec"]["strategy"] = json!({"$patch": "delete"});
    patch["spec"]["paused"] = Value::Null;
    patch["spec"]["template"] =
        json!({"spec": {"containers": [{"name": "old", "$patch": "delete"}, {"name": "web", "image": "web:0"}]}});
    let case = web(&["git fields: [.spec]"]).theirs(deployment(4, "web:1")).patch(patch.clone());
    patch["spec"]["replicas"] = json!(4);
    patch["spec"]["template"]["spec"]["containers"][1]["image"] = json!("web:1");
    assert_eq!(case.written(), patch);
}

#[test]
fn each_strategy_says_what_its_reader_understands() {
    let live = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"nodeSelector": {"a": "b"},
            "containers": [{"name": "web", "image": "web:1"}, {"name": "side", "image": "side:1"}]}}}});
    let spec = |strategy: &str, fields: &str| {
        let rule = format!("git fields: [{fields}]; format: patch; strategy: {strategy}");
        let case = web(&[&rule]).theirs(live.clone());
        let written = case.written();
        let again = web(&[&rule]).theirs(live.clone()).patch(written.clone());
        assert_eq!(again.words(), [""; 0], "{strategy}");
        written["spec"]["template"]["spec"].clone()
    };
    let image = r#"".spec.template.spec.containers[?(@.name=='web')].image""#;
    assert_eq!(spec("strategic-merge", image), json!({"containers": [{"name": "web", "image": "web:1"}]}));
    let both = json!({"containers": [{"name": "web", "image": "web:1"}, {"name": "side", "image": "side:1"}]});
    assert_eq!(spec("json-merge", image), both);
    let node = ".spec.template.spec.nodeSelector";
    assert_eq!(spec("strategic-merge", node), json!({"nodeSelector": {"a": "b"}}));
    assert_eq!(spec("replace", node), json!({"nodeSelector": {"$patch": "replace", "a": "b"}}));
    assert_eq!(
        spec("replace", ".spec.template.spec.containers"),
        json!({"containers": [{"$patch": "replace"}, {"name": "web", "image": "web:1"}, {"name": "side", "image": "side:1"}]})
    );
}

#[test]
fn a_rule_with_a_patch_format_and_no_fields_writes_what_was_declared() {
    let case = web(&["git format: patch"]).theirs(deployment(2, "web:1"));
    assert_eq!(case.written(), deployment(2, "web:1"));
    let case = web(&["git format: patch"]).git(deployment(2, "web:1")).gone();
    assert!(!case.words().contains(&"remove".to_owned()), "it never decides existence");
}

#[test]
fn decision_9_only_a_whole_manifest_waits_for_what_may_hide_it() {
    let case = |rules: &[&str]| {
        let mut case = web(rules).theirs(deployment(4, "web:1")).patch(replicas(3));
        case.unreadable = Some("a patch shows it");
        case
    };
    let edit = format!("edit {PATCH} [.spec.replicas]");
    assert_eq!(case(&[REPLICAS, "kubernetes"]).words(), [edit.clone(), "held".to_owned()]);
    assert_eq!(case(&[REPLICAS]).words(), [edit]);
}

const OVERLAY: &str = "resources:\n- web.yaml\n";
const BASE: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n";

#[test]
fn a_kustomize_patch_names_what_its_kustomization_builds() {
    let rules = ["git fields: [.spec.replicas]; format: kustomize-patch; path: 'shop/web.patch.yaml'"];
    let case = || web(&rules).theirs(deployment(3, "web:1"));
    assert!(case().reasons()[0].contains("no kustomization at or above"), "{:?}", case().reasons());
    let built =
        case().file("shop/kustomization.yaml", &format!("namespace: shop\n{OVERLAY}")).file("shop/web.yaml", BASE);
    assert_eq!(built.words(), ["patch shop/web.patch.yaml in shop/kustomization.yaml"]);
    assert_eq!(built.written()["metadata"], json!({"name": "web"}), "as the manifest that it changes");
    let above = case().file("kustomization.yml", "resources: [shop/web.yaml]\n");
    let above = above.file("shop/web.yaml", &format!("{BASE}  namespace: shop\n"));
    assert_eq!(above.words(), ["patch shop/web.patch.yaml in kustomization.yml"]);
    assert_eq!(above.written()["metadata"]["namespace"], "shop");
    for (kustomization, reason) in [
        (format!("namespace: lab\n{OVERLAY}"), "builds for namespace lab"),
        (format!("namePrefix: x-\n{OVERLAY}"), "a prefix or suffix"),
        ("resources: [api.yaml]\n".to_owned(), "builds no such object"),
    ] {
        let held = case().file("shop/kustomization.yaml", &kustomization).file("shop/web.yaml", BASE);
        let held = held.file("shop/api.yaml", &BASE.replace("web", "api"));
        assert!(held.reasons().iter().any(|said| said.contains(reason)), "{:?}", held.reasons());
        assert_eq!(held.words(), ["held"]);
    }
    let remote = case().file("shop/kustomization.yaml", "resources: ['https://example.com/base']\n");
    assert_eq!(remote.words(), ["patch shop/web.patch.yaml in shop/kustomization.yaml"]);
}

#[test]
fn a_patch_that_nothing_lists_is_listed() {
    let rules = ["git fields: [.spec.replicas]; format: kustomize-patch"];
    let case = web(&rules).theirs(deployment(3, "web:1")).patch(replicas(3));
    let case = case.file("shop/kustomization.yaml", "resources: ['https://example.com/base']\n");
    assert_eq!(case.words(), [format!("list {PATCH} in shop/kustomization.yaml")]);
}

#[test]
fn a_new_manifest_never_lands_where_it_would_get_another_name() {
    let case = Case::new(rule(&["git"])).theirs(config_map(json!({"a": "1"})));
    let case = case.file("shop/ConfigMap/kustomization.yaml", "namePrefix: x-\n");
    assert_eq!(case.words(), ["held"]);
    assert!(case.reasons()[0].contains("give the rule another `path`"), "{:?}", case.reasons());
}

#[test]
fn a_field_goes_to_another_file_and_nowhere_else() {
    let rules = ["git fields: [{path: .spec.replicas, to: 'values.yaml#/web/replicas'}]", "kubernetes"];
    let case = |says| web(&rules).git(deployment(1, "web:1")).ours(deployment(5, "web:1")).target("values.yaml", says);
    let git = |case: Case| {
        let words = case.words();
        words.into_iter().filter(|word| word.starts_with("set") || word.starts_with("edit")).collect::<Vec<_>>()
    };
    assert_eq!(git(case(json!({"web": {"replicas": 1}}))), ["set values.yaml .web.replicas=5"]);
    assert_eq!(git(case(Value::Null)), ["set values.yaml .web.replicas=5"]);
    assert_eq!(git(case(json!({"web": {"replicas": 5}}))), [""; 0]);
    let held = case(json!({"web": "text"}));
    assert!(held.reasons().iter().any(|said| said.contains("cannot hold")), "{:?}", held.reasons());
}

#[test]
fn two_objects_do_not_write_to_one_path() {
    let rules = ["git fields: [{path: .spec.replicas, to: 'values.yaml#/replicas'}]"];
    let mut case = web(&rules).theirs(deployment(5, "web:1")).target("values.yaml", json!({"replicas": 1}));
    let other = ObjectId::new(GroupKind::new("apps", "Deployment"), "shop", "api");
    case.files.get_mut(&path("values.yaml")).unwrap().taken.push((vec![Step::Key("replicas".into())], other));
    assert_eq!(case.words(), ["held"]);
}

#[test]
fn a_field_goes_to_another_path_of_its_manifest() {
    let rules = ["git fields: [{path: .spec.replicas, to: \"/metadata/annotations/scaled\"}]", "kubernetes"];
    let case = web(&rules).git(deployment(1, "web:1")).ours(deployment(5, "web:1"));
    let mut wanted = deployment(1, "web:1");
    wanted["metadata"]["annotations"] = json!({"scaled": 5});
    assert_eq!(case.written(), wanted);
    let case = web(&rules).git(wanted.clone()).ours(deployment(5, "web:1"));
    assert!(!case.words().iter().any(|word| word.starts_with("edit")), "{:?}", case.words());
    let applied = web(&rules).git(wanted).theirs(deployment(5, "web:1")).applied();
    assert_eq!(applied["metadata"].get("annotations"), None, "no other rule touches it");
}

#[test]
fn values_of_a_secret_go_nowhere_unless_a_rule_says_so() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "shop"}, "data": {"a": "eA=="}});
    for more in [
        "format: patch",
        "path: a.yaml",
        "fields: [{path: .data.a, to: 'values.yaml#/a'}]",
        "fields: [{path: .data.a, to: /data/b}]",
    ] {
        let case = |more: &str| {
            let case = Case::new(rule(&[&format!("git {more}")])).of("", "Secret", "secrets");
            case.git(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "shop"}}))
                .theirs(secret.clone())
                .target("values.yaml", json!({"a": "b"}))
        };
        assert_eq!(case(more).words(), ["skipped"], "{more}");
        let plain = case(&format!("secrets: plain; {more}")).words();
        assert!(plain.len() == 1 && plain[0] != "skipped", "{more}: {plain:?}");
    }
}
