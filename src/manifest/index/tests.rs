use super::*;
use crate::manifest::{Caps, Reason};
use crate::object::Kind;
use std::collections::BTreeSet;

fn path(text: &str) -> RepoPath {
    RepoPath::parse(text).unwrap()
}

fn put(index: &mut Index, at: &str, text: &str) -> Vec<String> {
    let file = ManifestFile::read(path(at), text.as_bytes(), &Caps::default());
    shown(index.update(&path(at), Some(file)))
}

fn shown(ids: Vec<ObjectId>) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

fn object(kind: &str, name: &str) -> String {
    format!("apiVersion: v1\nkind: {kind}\nmetadata: {{name: {name}}}\n")
}

fn id(kind: &str, namespace: &str, name: &str) -> ObjectId {
    ObjectId::new(GroupKind::new("", kind), namespace, name)
}

fn kinds(all: &[(&str, bool)]) -> Kinds {
    Kinds::new(all.iter().map(|(kind, namespaced)| Kind {
        group_kind: GroupKind::new("", kind),
        versions: vec!["v1".into()],
        plural: String::new(),
        singular: String::new(),
        short_names: Vec::new(),
        namespaced: *namespaced,
        verbs: Vec::new(),
        scalable: false,
    }))
}

fn line(found: Found) -> String {
    match found {
        Found::Absent => "absent".to_owned(),
        Found::One(place) => place.to_string(),
        Found::Duplicate(places) => places.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Found::Unreadable(why) => why,
    }
}

#[test]
fn an_update_touches_what_changed_and_nothing_else() {
    let mut index = Index::default();
    let one = object("A", "a1");
    assert_eq!(put(&mut index, "a.yaml", &one), ["A a1"]);
    assert_eq!(put(&mut index, "a.yaml", &format!("# moved\n\n{one}")), [""; 0]);
    assert_eq!(line(index.find(&id("A", "", "a1"))), "a.yaml:3");
    assert_eq!(
        put(&mut index, "a.yaml", &format!("{one}data: {{x: 1}}\n---\n{}", object("B", "b1"))),
        ["A a1", "B b1"]
    );
    assert_eq!(shown(index.update(&path("a.yaml"), None)), ["A a1", "B b1"]);
    assert_eq!(index.find(&id("A", "", "a1")), Found::Absent);
    assert_eq!((index.objects().count(), index.skips().count(), index.shown.len()), (0, 0, 0));
}

#[test]
fn the_same_object_twice_is_reported_with_both_places() {
    let mut index = Index::default();
    put(&mut index, "b.yaml", &format!("{}---\n{}", object("B", "b1"), object("A", "a1")));
    assert_eq!(put(&mut index, "a.yaml", &object("A", "a1")), ["A a1"]);
    assert_eq!(line(index.find(&id("A", "", "a1"))), "a.yaml:1 b.yaml:5");
    assert!(index.entry(&id("A", "", "a1")).is_none() && index.entry(&id("B", "", "b1")).is_some());
    assert_eq!(index.objects().count(), 2);
    assert_eq!(put(&mut index, "a.yaml", ""), ["A a1"]);
    assert_eq!(line(index.find(&id("A", "", "a1"))), "b.yaml:5");
}

#[test]
fn what_discovery_says_of_namespaces_applies() {
    let mut index = Index::default();
    let text = "apiVersion: v1\nkind: B\nmetadata: {name: b1, namespace: shop}\n";
    put(&mut index, "a.yaml", &object("A", "a1"));
    put(&mut index, "b.yaml", text);
    assert_eq!(
        shown(index.set_kinds(&kinds(&[("A", true), ("B", false)]))),
        ["A a1", "A default/a1", "B b1", "B shop/b1"]
    );
    assert_eq!(line(index.find(&id("A", "default", "a1"))), "a.yaml:1");
    assert_eq!(line(index.find(&id("B", "", "b1"))), "b.yaml:1");
    assert_eq!(put(&mut index, "c.yaml", &object("A", "c1")), ["A default/c1"]);
    assert_eq!(
        put(&mut index, "d.yaml", "apiVersion: v1\nkind: A\nmetadata: {name: a1, namespace: default}\n"),
        ["A default/a1"]
    );
    assert_eq!(line(index.find(&id("A", "default", "a1"))), "a.yaml:1 d.yaml:1");
    assert_eq!(index.set_kinds(&kinds(&[("A", true), ("B", false)])), []);
    assert_eq!(
        shown(index.set_kinds(&kinds(&[("A", false), ("B", true)]))),
        ["A a1", "A c1", "A default/a1", "A default/c1", "B b1", "B shop/b1"]
    );
    assert_eq!(line(index.find(&id("B", "shop", "b1"))), "b.yaml:1");
    assert_eq!(line(index.find(&id("A", "", "a1"))), "a.yaml:1 d.yaml:1");
}

#[test]
fn what_became_unreadable_is_not_absent() {
    let mut index = Index::default();
    put(&mut index, "a.yaml", &object("A", "a1"));
    assert_eq!(put(&mut index, "a.yaml", "apiVersion: v1\nkind: A\nmetadata: [\n"), ["A a1"]);
    let a1 = id("A", "any", "a1");
    assert_eq!(index.find(&a1), Found::Absent);
    let why = index.unreadable(&a1, Some(&path("a.yaml"))).unwrap();
    assert!(why.starts_with("a.yaml:1 can't be read: line 3") && why.ends_with("and held it before"), "{why}");
    assert_eq!(index.unreadable(&a1, Some(&path("b.yaml"))), None);
    put(&mut index, "b.yaml", &format!("{}x: {{{{ y }}}}\n", object("A", "a1")));
    assert_eq!(line(index.find(&a1)), "b.yaml:1 is a template; render it first, and shows this kind and name");
    assert_eq!(index.find(&id("B", "any", "a1")), Found::Absent);
    put(&mut index, "b.yaml", "# gone\n");
    put(&mut index, "a.yaml", "no: manifest\n");
    assert_eq!(index.find(&a1), Found::Absent);
    assert!(index.unreadable(&a1, Some(&path("a.yaml"))).unwrap().contains("neither apiVersion nor kind"));
    put(&mut index, "a.yaml", "# all of it is commented out\n");
    assert_eq!(index.unreadable(&a1, Some(&path("a.yaml"))), None);
    index.update(&path("a.yaml"), Some(ManifestFile::unread(path("a.yaml"), "a symbolic link")));
    assert!(index.unreadable(&a1, Some(&path("a.yaml"))).unwrap().starts_with("a.yaml:1 is a symbolic link"));
}

#[test]
fn kustomizations_withhold_what_they_patch_or_rename() {
    let mut index = Index::default();
    put(&mut index, "base/a.yaml", &object("A", "a1"));
    put(&mut index, "base/kustomization.yaml", "resources: [a.yaml]\n");
    put(&mut index, "over/patch.yaml", &object("A", "a1"));
    assert_eq!(line(index.find(&id("A", "", "a1"))), "base/a.yaml:1 over/patch.yaml:1");
    assert_eq!(
        put(&mut index, "over/kustomization.yaml", "resources: [../base]\npatches: [{path: patch.yaml}]\n"),
        ["A a1"]
    );
    assert_eq!(line(index.find(&id("A", "", "a1"))), "base/a.yaml:1");
    let renaming = "namespace: x\nresources: [../base]\npatches: [{path: patch.yaml}]\n";
    assert_eq!(put(&mut index, "over/kustomization.yaml", renaming), ["A a1"]);
    let why = line(index.find(&id("A", "x", "a1")));
    assert!(why.contains("shows this kind and name"), "{why}");
    let reasons: BTreeSet<String> = index.skips().map(|skipped| skipped.to_string()).collect();
    assert_eq!(
        reasons.into_iter().collect::<Vec<_>>(),
        [
            "base/a.yaml:1 is given another namespace or name by over/kustomization.yaml",
            "base/kustomization.yaml:1 is a kustomization; what it builds is not applied from here",
            "base/kustomization.yaml:1 is given another namespace or name by over/kustomization.yaml",
            "over/kustomization.yaml:1 is a kustomization; what it builds is not applied from here",
            "over/kustomization.yaml:1 is given another namespace or name by over/kustomization.yaml",
            "over/patch.yaml:1 is a patch of over/kustomization.yaml",
        ]
    );
    assert_eq!(put(&mut index, "base/b.yaml", &object("B", "b1")), [""; 0]);
    assert!(matches!(index.find(&id("B", "x", "b1")), Found::Unreadable(_)));
    assert_eq!(shown(index.update(&path("over/kustomization.yaml"), None)), ["A a1", "B b1"]);
    assert_eq!(line(index.find(&id("A", "", "a1"))), "base/a.yaml:1 over/patch.yaml:1");
    assert!(index.skips().all(|skipped| *skipped.reason == Reason::Kustomization));
}

#[test]
fn many_files_at_once_see_each_others_kustomizations() {
    let mut index = Index::default();
    let file = |at: &str, text: &str| (path(at), Some(ManifestFile::read(path(at), text.as_bytes(), &Caps::default())));
    let touched =
        index.update_all([file("a.yaml", &object("A", "a1")), file("kustomization.yaml", "namePrefix: x-\n")]);
    assert_eq!((shown(touched), index.objects().count()), (vec!["A a1".to_owned()], 0));
}

#[test]
fn what_is_known_of_a_manifest_is_kept() {
    let mut index = Index::default();
    let text = "apiVersion: apps/v1beta1\nkind: A\nmetadata:\n  name: a1\n  labels: {a: b, c: ''}\n  annotations: {kubeferry.io/prune: disabled}\n";
    put(&mut index, "a.yaml", text);
    let entry = index.entry(&ObjectId::new(GroupKind::new("apps", "A"), "", "a1")).unwrap();
    assert_eq!(entry.version(), "v1beta1");
    assert_eq!(
        entry.labels().labels(),
        [("a", "b"), ("c", "")].map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    );
    assert!(entry.prune_disabled());
}

#[test]
fn an_object_needs_few_bytes() {
    // The fixed parts. With strings and tables, each of 400,000 objects in files of their own took 424 bytes of memory.
    assert!(size_of::<Record>() <= 64, "{}", size_of::<Record>());
    assert!(size_of::<(ObjectId, Spots)>() <= 32, "{}", size_of::<(ObjectId, Spots)>());
    assert!(size_of::<(RepoPath, Slot)>() <= 40, "{}", size_of::<(RepoPath, Slot)>());
}

/// Random updates end in the same state, whatever the order, and name every identity whose answer changed.
#[test]
fn any_sequence_of_updates_is_the_same_as_the_last_tree() {
    let mut seed = 7_u64;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % below
    };
    let texts: Vec<String> = vec![
        object("A", "a1"),
        object("B", "b1"),
        format!("{}---\n{}", object("A", "a1"), object("A", "a2")),
        format!("{}x: {{{{", object("A", "a2")),
        "namespace: q\n".to_owned(),
        "patches: [{path: d0/f0.yaml}, {path: f1.yaml}]\n".to_owned(),
        "resources: [d0, ../d1, f2.yaml]\nnamePrefix: q\n".to_owned(),
        "x: 1\n".to_owned(),
    ];
    let paths: Vec<String> = (0..3)
        .flat_map(|dir| ["f0.yaml", "f1.yaml", "f2.yaml", "kustomization.yaml"].map(|name| format!("d{dir}/{name}")))
        .chain(["f0.yaml".to_owned(), "kustomization.yaml".to_owned()])
        .collect();
    let ids: Vec<ObjectId> = ["default", ""]
        .iter()
        .flat_map(|namespace| [("A", "a1"), ("A", "a2"), ("B", "b1")].map(|(kind, name)| id(kind, namespace, name)))
        .collect();
    let known = kinds(&[("A", true)]);
    let mut index = Index::default();
    let mut tree: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    for step in 0..600 {
        let before: Vec<Found> = ids.iter().map(|id| index.find(id)).collect();
        let touched = if step % 50 == 49 {
            index.set_kinds(&if step % 100 == 49 { known.clone() } else { Kinds::default() })
        } else {
            let at = &paths[random(paths.len())];
            let text = &texts[random(texts.len())];
            if random(3) == 0 {
                tree.remove(at);
                index.update(&path(at), None)
            } else {
                tree.insert(at.clone(), text.clone());
                index.update(&path(at), Some(ManifestFile::read(path(at), text.as_bytes(), &Caps::default())))
            }
        };
        let mut fresh = Index { namespaced: index.namespaced.clone(), ..Index::default() };
        fresh.update_all(
            tree.iter()
                .map(|(at, text)| (path(at), Some(ManifestFile::read(path(at), text.as_bytes(), &Caps::default())))),
        );
        for (id, before) in ids.iter().zip(before) {
            let (now, anew) = (index.find(id), fresh.find(id));
            let unreadable = |found: &Found| matches!(found, Found::Unreadable(_));
            assert!(now == anew || (unreadable(&now) && unreadable(&anew)), "{id}: {now:?}, read anew {anew:?}");
            let quiet = |found: &Found| matches!(found, Found::Unreadable(_) | Found::Absent);
            assert!(
                now == before || touched.contains(id) || (quiet(&now) && quiet(&before)),
                "{id}: {before:?}, then {now:?}"
            );
        }
        assert_eq!(index.objects().collect::<BTreeSet<_>>(), fresh.objects().collect::<BTreeSet<_>>());
        assert_eq!(index.shown.keys().collect::<BTreeSet<_>>(), fresh.shown.keys().collect::<BTreeSet<_>>());
    }
}

fn fragments(index: &Index, id: &ObjectId) -> Vec<String> {
    index.fragments(id).into_iter().map(|fragment| fragment.place.to_string()).collect()
}

#[test]
fn a_patch_stands_for_the_object_that_is_built_of_it() {
    let mut index = Index::default();
    index.set_kinds(&kinds(&[("A", true)]));
    put(&mut index, "base/kustomization.yaml", "resources: [a.yaml]\n");
    put(&mut index, "base/a.yaml", &object("A", "a"));
    put(&mut index, "over/kustomization.yaml", "namespace: shop\nresources: [../base]\npatches: [{path: p.yaml}]\n");
    put(&mut index, "over/p.yaml", &object("A", "a"));
    assert_eq!(fragments(&index, &id("A", "shop", "a")), ["over/p.yaml:1"]);
    assert_eq!(fragments(&index, &id("A", "default", "a")), [""; 0]);
    assert_eq!(fragments(&index, &id("A", "shop", "b")), [""; 0]);
    // Another value of a patch touches the object that is built of it.
    let changed = format!("{}spec: 1\n", object("A", "a"));
    assert_eq!(put(&mut index, "over/p.yaml", &changed), ["A shop/a"]);
    // So does another kustomization, for the object that it was and the one that it becomes.
    let lab = "namespace: lab\nresources: [../base]\npatches: [{path: p.yaml}]\n";
    let touched = put(&mut index, "over/kustomization.yaml", lab);
    assert!(touched.contains(&"A shop/a".to_owned()) && touched.contains(&"A lab/a".to_owned()), "{touched:?}");
    // Names that change on the way, and patches that are aimed elsewhere, stand for nothing that is known.
    for unclear in ["namePrefix: x-\npatches: [{path: p.yaml}]\n", "patches: [{path: p.yaml, target: {kind: A}}]\n"] {
        put(&mut index, "over/kustomization.yaml", unclear);
        assert_eq!(fragments(&index, &id("A", "default", "a")), [""; 0], "{unclear}");
    }
    put(&mut index, "over/kustomization.yaml", "patches: [{path: p.yaml, target: {kind: A, name: a}}]\n");
    assert_eq!(fragments(&index, &id("A", "default", "a")), ["over/p.yaml:1"]);
}

#[test]
fn what_a_rule_could_have_written_is_a_patch_as_long_as_the_rule_stands() {
    let mut index = Index::default();
    index.set_kinds(&kinds(&[("A", true)]));
    let at = "shop/a.patch.yaml";
    put(&mut index, at, &object("A", "a"));
    assert_eq!(line(index.find(&id("A", "default", "a"))), "shop/a.patch.yaml:1");
    let writes = |path: &RepoPath, id: &ObjectId| path.as_str() == format!("{}/a.patch.yaml", id.namespace().unwrap());
    let touched = shown(index.set_patches(PatchPaths::new(writes)));
    assert!(touched.contains(&"A default/a".to_owned()), "{touched:?}");
    // Its namespace is told by its path alone.
    assert_eq!(fragments(&index, &id("A", "shop", "a")), ["shop/a.patch.yaml:1"]);
    assert!(matches!(index.find(&id("A", "shop", "a")), Found::Unreadable(_)), "no manifest, and no absence");
    assert_eq!(index.refuses(&path(at), &id("A", "shop", "a")), Some(Reason::Patch));
    put(&mut index, at, &format!("{}spec: 1\n", object("A", "a")));
    let touched = shown(index.set_patches(PatchPaths::default()));
    assert!(touched.contains(&"A default/a".to_owned()), "{touched:?}");
    assert_eq!(line(index.find(&id("A", "default", "a"))), "shop/a.patch.yaml:1");
}
