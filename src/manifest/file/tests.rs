use super::*;

fn read(path: &str, text: &str) -> ManifestFile {
    ManifestFile::read(RepoPath::parse(path).unwrap(), text.as_bytes(), &Caps::default())
}

/// Identities with their places.
fn objects(file: &ManifestFile) -> Vec<String> {
    let place = |manifest: &Manifest| {
        let Place { document, item, line, .. } = &manifest.place;
        format!("{} at {document}{item:?}:{line}", manifest.id)
    };
    file.objects.iter().map(place).collect()
}

/// The one reason of a file that holds no object.
fn reason(path: &str, text: &str) -> Reason {
    let mut file = read(path, text);
    assert_eq!((file.objects.len(), file.skips.len()), (0, 1), "{text}\n{file:?}");
    file.skips.remove(0).reason
}

#[test]
fn every_object_has_its_place() {
    let text = "# head\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  namespace: shop\n  labels:\n    \
                app: web\n    on: 1\n  annotations: {kubeferry.io/prune: disabled}\n---\n# nothing\n---\n\n{apiVersion: v1, \
                kind: Namespace, metadata: {name: shop, namespace: }}\n";
    let file = read("a.yaml", text);
    assert_eq!(objects(&file), ["Deployment.apps shop/web at 1[]:3", "Namespace shop at 3[]:16"]);
    assert_eq!(file.skips, []);
    let [web, shop] = &file.objects[..] else { panic!() };
    assert_eq!(web.labels.labels(), [("app".to_owned(), "web".to_owned())].into());
    assert!(web.prune_disabled && !shop.prune_disabled && shop.labels.labels().is_empty());
    assert_eq!((&*web.version, &*shop.version), ("v1", "v1"));
    assert_ne!(web.digest, shop.digest);
}

#[test]
fn items_of_lists_are_objects() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: a}\n-\n  apiVersion: v1\n  \
                kind: List\n  items:\n  - null\n  - # c\n    apiVersion: v1\n    kind: ConfigMap\n    metadata: {name: b}\n- kind: \
                Secret\n  metadata: {name: c}\n";
    let file = read("a.yaml", text);
    assert_eq!(objects(&file), ["ConfigMap a at 1[0]:4", "ConfigMap b at 1[1, 1]:13"]);
    let reasons: Vec<_> = file.skips.iter().map(|skip| (skip.line, skip.reason.clone())).collect();
    assert_eq!(reasons, [(11, Reason::NotAManifest), (16, Reason::Incomplete("apiVersion"))]);
    let typed = "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMapList\", \"items\": [\n{\"apiVersion\": \"v1\", \"kind\": \
                 \"ConfigMap\", \"metadata\": {\"name\": \"d\"}}]}";
    assert_eq!(objects(&read("a.json", typed)), ["ConfigMap d at 1[0]:2"]);
    let custom = "apiVersion: x.io/v1\nkind: AllowList\nmetadata: {name: l}\nitems: [1]\n";
    assert_eq!(objects(&read("a.yml", custom)), ["AllowList.x.io l at 1[]:1"]);
}

#[test]
fn what_is_no_manifest_has_its_reason() {
    let head = "apiVersion: v1\nkind: Secret\n";
    for (path, text, wanted) in [
        ("values.yaml", "image: x\nreplicas: {{ .x }}\n".to_owned(), Reason::NotAManifest),
        ("compose.yaml", "services:\n  web:\n    image: x\n".to_owned(), Reason::NotAManifest),
        ("Chart.yaml", "apiVersion: v2\nname: x\nversion: 1.0.0\n".to_owned(), Reason::NotAManifest),
        (".github/workflows/ci.yml", "on: push\njobs: {kind: {runs-on: x}}\n".to_owned(), Reason::NotAManifest),
        ("secrets.yaml", "kind: x\nsops: {mac: x}\n".to_owned(), Reason::NotAManifest),
        ("values.yaml", "# of this kind\n{{ x }}: 1\n".to_owned(), Reason::NotAManifest),
        ("package.json", "{\"name\": \"x\"}\n".to_owned(), Reason::NotAManifest),
        ("list.json", "[{\"kind\": \"x\"}]\n".to_owned(), Reason::NotAManifest),
        ("a.yaml", "apiVersion: v1\nmetadata: {name: x}\n".to_owned(), Reason::Incomplete("kind")),
        ("a.yaml", format!("{head}metadata: {{}}\n"), Reason::NoName),
        ("a.yaml", format!("{head}metadata: {{generateName: x-}}\n"), Reason::GenerateName),
        (
            "a.yaml",
            format!("{head}metadata: {{name: 1}}\n"),
            Reason::BadIdentity("metadata.name", "1 without quotes".into()),
        ),
        ("a.yaml", format!("{head}metadata: {{name: a/b}}\n"), Reason::BadIdentity("metadata.name", "\"a/b\"".into())),
        (
            "a.yaml",
            format!("{head}metadata: {{name: a, namespace: yes}}\n"),
            Reason::BadIdentity("metadata.namespace", "true without quotes".into()),
        ),
        ("a.yaml", format!("{head}metadata: {{name: \"{{{{ .x }}}}\"}}\n"), Reason::Template),
        ("a.yaml", format!("{head}metadata: {{name: \"${{x}}\"}}\n"), Reason::Template),
        ("a.yaml", format!("{{{{- if .x }}}}\n{head}metadata: {{name: a}}\n{{{{- end }}}}\n"), Reason::Template),
        ("chart/templates/a.yaml", format!("{head}metadata: {{name: a}}\nx: \"{{{{ .x }}}}\"\n"), Reason::Template),
        (
            "a.yaml",
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n".to_owned(),
            Reason::Kustomization,
        ),
        ("a/kustomization.yaml", "resources: [b.yaml]\n".to_owned(), Reason::Kustomization),
        ("a.yaml", format!("{head}metadata: {{name: a}}\nsops: {{mac: x}}\n"), Reason::Encrypted),
        ("a.yaml", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n".to_owned(), Reason::LfsPointer),
        ("a.yaml", format!("{head}<<<<<<< HEAD\nmetadata: {{name: a}}\n=======\n>>>>>>> x\n"), Reason::MergeMarkers),
    ] {
        assert_eq!(reason(path, &text), wanted, "{text}");
    }
    let broken = reason("a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: [\n");
    assert!(matches!(&broken, Reason::Broken(error) if error.line == 3), "{broken}");
    for fine in [
        "# only a comment\n",
        "",
        "---\n---\n",
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: a}\n",
    ] {
        assert_eq!(read("kustomization.yaml", fine).skips, [], "{fine}");
    }
}

#[test]
fn a_broken_document_hides_no_other_and_still_shows_what_it_held() {
    let text =
        "kind: A\napiVersion: v1\nmetadata:\n  name: x\n bad: [\n---\napiVersion: v1\nkind: B\nmetadata: {name: b}\n";
    let file = read("a.yaml", text);
    assert_eq!(objects(&file), ["B b at 2[]:7"]);
    let held = ObjectId::new(crate::object::GroupKind::new("", "A"), "any", "x");
    assert!(file.skips[0].shows.includes(&held) && !file.skips[0].shows.includes(&file.objects[0].id));
}

#[test]
fn merge_markers_may_reach_over_documents() {
    let object = |name: &str| format!("apiVersion: v1\nkind: A\nmetadata: {{name: {name}}}\n");
    let text = format!(
        "{}---\n<<<<<<< a\n{}---\n{}=======\n>>>>>>> b\n---\n{}",
        object("x"),
        object("y"),
        object("z"),
        object("w")
    );
    let file = read("a.yaml", &text);
    assert_eq!(objects(&file), ["A x at 1[]:1", "A w at 4[]:16"]);
    assert!(file.skips.iter().all(|skip| skip.reason == Reason::MergeMarkers) && file.skips.len() == 2);
}

#[test]
fn caps_hold_for_whole_files() {
    let path = || RepoPath::parse("a.yaml").unwrap();
    let read = |bytes: &[u8], caps: &Caps| ManifestFile::read(path(), bytes, caps).skips.remove(0).reason;
    assert_eq!(read(b"a: 1", &Caps { bytes: 3, ..Caps::default() }), Reason::TooLarge(3));
    assert_eq!(read(b"---\n---\n", &Caps { documents: 1, ..Caps::default() }), Reason::TooManyDocuments(1));
    assert_eq!(read(b"\xff\xfekind: a", &Caps::default()), Reason::NotText);
    assert_eq!(ManifestFile::unread(path(), "a symbolic link").skips[0].reason.to_string(), "is a symbolic link");
}

#[test]
fn only_yaml_and_json_is_looked_at() {
    for (name, wanted) in [
        ("a.yaml", true),
        ("b/a.YML", true),
        ("a.Json", true),
        ("x/Kustomization", true),
        ("a.yaml.gz", false),
        ("yaml", false),
        ("a.txt", false),
    ] {
        assert_eq!(is_manifest_path(&RepoPath::parse(name).unwrap()), wanted, "{name}");
    }
}
