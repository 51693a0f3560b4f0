//! What one object costs without any I/O: planning, indexing, editing, field sets. `cargo bench --bench planner`.
//!
//! Every input is made here from a counter, so a run differs from the one before by the machine's mood alone. Times are
//! for a whole batch; divan's second line is items per second.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::hint::black_box;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use kubeferry::manifest::{self, Caps, Index, ManifestFile, Place};
use kubeferry::object::labels::KeptLabels;
use kubeferry::object::{Digest, FieldSet, GroupKind, Kind, Kinds, ObjectId, RepoPath, Schema};
use kubeferry::repository::BlobId;
use kubeferry::rules::{self, Rules};
use kubeferry::sync::base::Base;
use kubeferry::sync::planner::{self, Identity, InCluster, InGit, Subject};
use serde_json::{Value, json};

/// Objects of one planning batch.
const OBJECTS: usize = 1_000;
/// Manifests of the index.
const MANIFESTS: usize = 10_000;

fn main() {
    divan::main();
}

/// Every object is live as we applied it and Git says the same: what a restart or a relist costs.
#[divan::bench(args = ["ConfigMap", "Deployment"])]
fn plan_1000_in_sync(bencher: Bencher<'_, '_>, kind: &str) {
    let world = World::new(kind);
    bencher.counter(ItemsCount::new(OBJECTS)).bench_local(|| {
        for object in &world.objects {
            let plan = world.plan(object);
            assert!(plan.actions.is_empty() && plan.agrees, "{:?}", plan.notes);
            black_box(plan);
        }
    });
}

/// Somebody changed one value of every object in Git.
#[divan::bench(args = ["ConfigMap", "Deployment"])]
fn plan_1000_changed(bencher: Bencher<'_, '_>, kind: &str) {
    let mut world = World::new(kind);
    for object in &mut world.objects {
        let path = if kind == "ConfigMap" { "/data/greeting" } else { "/spec/template/spec/containers/0/image" };
        *object.manifest.pointer_mut(path).unwrap() = "changed".into();
    }
    bencher.counter(ItemsCount::new(OBJECTS)).bench_local(|| {
        for object in &world.objects {
            let plan = world.plan(object);
            assert_eq!(plan.actions.len(), 1, "{:?}", plan.notes);
            black_box(plan);
        }
    });
}

/// Reading every file of a commit, and indexing what is in it: what the first fetch costs after the network.
#[divan::bench(sample_count = 10)]
fn read_and_index_10000_manifests(bencher: Bencher<'_, '_>) {
    let files = files();
    let kinds = kinds();
    let bytes: usize = files.iter().map(|(_, text)| text.len()).sum();
    bencher.counter(ItemsCount::new(MANIFESTS)).counter(BytesCount::new(bytes)).bench_local(|| {
        let mut index = Index::default();
        index.set_kinds(&kinds);
        for (path, text) in &files {
            index.update(path, Some(ManifestFile::read(path.clone(), text.as_bytes(), &Caps::default())));
        }
        index
    });
}

/// One file of the 10,000 changed: what a push costs after the network.
#[divan::bench]
fn update_one_of_10000_manifests(bencher: Bencher<'_, '_>) {
    let mut index = Index::default();
    index.set_kinds(&kinds());
    for (path, text) in files() {
        let file = ManifestFile::read(path.clone(), text.as_bytes(), &Caps::default());
        index.update(&path, Some(file));
    }
    let (path, text) = files().swap_remove(MANIFESTS / 2);
    let versions = [text.clone(), text.replace("hello", "good morning")];
    let mut turn = 0;
    bencher.bench_local(|| {
        turn += 1;
        let text = &versions[turn % 2];
        let touched = index.update(&path, Some(ManifestFile::read(path.clone(), text.as_bytes(), &Caps::default())));
        assert_eq!(touched.len(), 1);
    });
}

/// One value of a document in the middle of a file of so many documents, re-read and compared.
#[divan::bench(args = [1, 100])]
fn edit_one_value(bencher: Bencher<'_, '_>, documents: usize) {
    let text: String = (0..documents).map(|number| manifest::render(&deployment(number)) + "---\n").collect();
    let path = RepoPath::parse("apps/web.yaml").unwrap();
    let file = ManifestFile::read(path, text.as_bytes(), &Caps::default());
    let place: Place = file.objects[documents / 2].place.clone();
    let mut wanted = manifest::read(text.as_bytes(), &place).unwrap();
    wanted["spec"]["replicas"] = 17.into();
    let schema = Schema::builtin();
    bencher.counter(BytesCount::new(text.len())).bench_local(|| {
        let edited = manifest::edit(black_box(text.as_bytes()), &place, &wanted, schema.view_of(&wanted)).unwrap();
        assert!(edited.skipped.is_empty());
        edited
    });
}

/// What an apply of the object would own.
#[divan::bench(args = ["ConfigMap", "Deployment"])]
fn field_set_of(bencher: Bencher<'_, '_>, kind: &str) {
    let object = object(kind, 1);
    let schema = Schema::builtin();
    bencher.bench_local(|| FieldSet::of(black_box(&object), schema.view_of(&object)));
}

/// One object on both sides.
struct Pair {
    id: ObjectId,
    manifest: Value,
    live: Value,
    base: Base,
}

/// Objects of one kind, and what plans for them depend on.
struct World {
    rules: Rules,
    identity: Identity,
    kind: Kind,
    schema: Schema,
    objects: Vec<Pair>,
}

impl World {
    fn new(name: &str) -> Self {
        let identity = Identity { namespace: "kubeferry".into(), name: "bench".into(), takes_over: None };
        let kind = kind(name);
        let pairs = (0..OBJECTS).map(|number| pair(object(name, number), &identity.manager())).collect();
        Self { rules: loaded_rules(), identity, kind, schema: Schema::builtin(), objects: pairs }
    }

    fn plan(&self, pair: &Pair) -> kubeferry::sync::plan::Plan {
        let subject = Subject {
            id: &pair.id,
            kind: &self.kind,
            git: InGit::Present(&pair.manifest),
            live: InCluster::Present(&pair.live),
            base: Some(&pair.base),
            answer: None,
            view: self.schema.view_of(&pair.manifest),
            namespace_labels: None,
            deletes_wait: None,
            past: Default::default(),
            fought: &[],
            opted_out: false,
            autoscaled: &[],
            around: Default::default(),
        };
        planner::plan(&subject, &self.rules, &self.identity)
    }
}

/// Two rules, as most files have them: one field to Git, the rest to the cluster.
fn loaded_rules() -> Rules {
    let text = "
gitUrl: https://git.example.com/shop.git
rules:
  - {name: replicas, apiGroups: [apps], resources: [deployments], filters: [/spec/replicas], syncTo: git}
  - {name: everything-else, labels: app.kubernetes.io/part-of=shop, syncTo: kubernetes}
";
    rules::load(text, "bench.yaml").unwrap_or_else(|problems| panic!("{problems}")).rules
}

fn pair(manifest: Value, manager: &str) -> Pair {
    let schema = Schema::builtin();
    let id = ObjectId::of(&manifest).unwrap();
    let labels = KeptLabels::of(&manifest);
    let base = Base {
        place: Place { path: RepoPath::parse("apps/web.yaml").unwrap(), document: 1, item: Box::default(), line: 1 },
        blob: BlobId([0; 20]),
        manifest: Digest::of_value(&manifest),
        uid: Some("uid".into()),
        manifest_labels: labels.clone(),
        live_labels: labels,
        existence: Some(1),
        opts_out: false,
        is_whole: true,
    };
    let mut owned = manifest.clone();
    // The rule `replicas` sends this one the other way.
    if let Some(spec) = owned.get_mut("spec").and_then(Value::as_object_mut) {
        spec.shift_remove("replicas");
    }
    let fields = FieldSet::of(&owned, schema.view_of(&owned)).to_fields_v1();
    let mut live = manifest.clone();
    live["metadata"]["uid"] = "uid".into();
    live["metadata"]["resourceVersion"] = "7".into();
    live["metadata"]["managedFields"] = json!([{"manager": manager, "operation": "Apply",
        "apiVersion": manifest["apiVersion"], "fieldsType": "FieldsV1", "fieldsV1": fields}]);
    Pair { id, manifest, live, base }
}

fn object(kind: &str, number: usize) -> Value {
    if kind == "ConfigMap" { config_map(number) } else { deployment(number) }
}

fn config_map(number: usize) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": format!("settings-{number}"), "namespace": "shop",
            "labels": {"app.kubernetes.io/part-of": "shop"}},
        "data": {"greeting": "hello", "currency": "EUR", "number": number.to_string(),
            "long": "a line of text that a person wrote\n".repeat(8)}})
}

fn deployment(number: usize) -> Value {
    let name = format!("web-{number}");
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app.kubernetes.io/part-of": "shop"}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{
                "name": "web", "image": "registry.example.com/web:1.2.3",
                "env": (0..10).map(|n| json!({"name": format!("SETTING_{n}"), "value": "on"})).collect::<Vec<_>>(),
                "ports": [{"containerPort": 8080, "name": "http"}],
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}}]}}}})
}

fn kind(name: &str) -> Kind {
    let (group, plural) = if name == "ConfigMap" { ("", "configmaps") } else { ("apps", "deployments") };
    Kind {
        group_kind: GroupKind::new(group, name),
        versions: vec!["v1".into()],
        plural: plural.into(),
        singular: name.to_lowercase(),
        short_names: Vec::new(),
        namespaced: true,
        verbs: ["get", "list", "watch", "create", "patch", "delete"].map(String::from).to_vec(),
        scalable: name == "Deployment",
    }
}

fn kinds() -> Kinds {
    Kinds::new(["ConfigMap", "Deployment"].map(kind))
}

/// One manifest in each file, a hundred files in each folder.
fn files() -> Vec<(RepoPath, String)> {
    let file = |number: usize| {
        let kind = if number.is_multiple_of(2) { "ConfigMap" } else { "Deployment" };
        let path = format!("team-{}/{kind}/{number}.yaml", number / 100);
        (RepoPath::parse(&path).unwrap(), manifest::render(&object(kind, number)))
    };
    (0..MANIFESTS).map(file).collect()
}
