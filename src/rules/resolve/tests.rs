use serde_json::json;

use super::*;
use crate::object::Schema;

fn deployment(containers: &[&str]) -> Value {
    let containers: Vec<Value> = containers
        .iter()
        .map(|name| json!({"name": name, "image": "x", "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]}))
        .collect();
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "finalizers": ["a"]},
        "spec": {"template": {"spec": {"containers": containers}}}})
}

fn resolve(filter: &str, manifest: Option<&Value>, live: Option<&Value>) -> Result<Vec<String>, String> {
    let schema = Schema::builtin();
    let view = schema.root("apps", "v1", "Deployment").unwrap();
    let paths = Filter::parse(filter).unwrap().resolve(manifest, live, view);
    paths.map(|paths| paths.iter().map(ToString::to_string).collect()).map_err(|error| error.to_string())
}

const POD: &str = ".spec.template.spec";

#[test]
fn plain_fields_are_named_whether_they_stand_or_not() {
    let manifest = deployment(&["web"]);
    for (filter, path) in [
        ("/spec/replicas", ".spec.replicas"),
        ("/metadata/annotations/a.b~1c", ".metadata.annotations[\"a.b/c\"]"),
        ("/status", ".status"),
        ("/metadata/annotations/0", ".metadata.annotations.0"),
    ] {
        assert_eq!(resolve(filter, Some(&manifest), None).unwrap(), [path]);
        assert_eq!(resolve(filter, None, None).unwrap(), [path]);
    }
}

#[test]
fn an_index_means_the_item_that_stands_there_in_the_manifest() {
    let (manifest, live) = (deployment(&["web", "proxy"]), deployment(&["injected", "proxy", "web"]));
    for filter in ["/spec/template/spec/containers/0/image", ".spec.template.spec.containers[0].image"] {
        let found = resolve(filter, Some(&manifest), Some(&live)).unwrap();
        assert_eq!(found, [format!("{POD}.containers[name=\"web\"].image")]);
        assert!(resolve(filter, None, Some(&live)).unwrap().is_empty(), "no manifest, no position");
    }
    assert!(resolve(".spec.template.spec.containers[2]", Some(&manifest), Some(&live)).unwrap().is_empty());
}

#[test]
fn items_are_named_by_their_keys_on_both_sides() {
    let (manifest, live) = (deployment(&["web"]), deployment(&["injected"]));
    let each = resolve(".spec.template.spec.containers[*].image", Some(&manifest), Some(&live)).unwrap();
    assert_eq!(each, ["injected", "web"].map(|name| format!("{POD}.containers[name=\"{name}\"].image")));
    let absent = resolve(".spec.template.spec.containers[?(@.name=='db')]", Some(&manifest), None).unwrap();
    assert_eq!(absent, [format!("{POD}.containers[name=\"db\"]")]);
    // One of two keys: every item that has it; the schema's default stands for a key that is left out.
    let ports =
        resolve(".spec.template.spec.containers[0].ports[?(@.containerPort==80)]", Some(&manifest), None).unwrap();
    assert_eq!(
        ports,
        ["TCP", "UDP"].map(|protocol| {
            format!("{POD}.containers[name=\"web\"].ports[containerPort=80,protocol=\"{protocol}\"]")
        })
    );
    assert_eq!(
        resolve(".metadata.finalizers[=\"a\"]", Some(&manifest), None).unwrap(),
        [".metadata.finalizers[=\"a\"]"]
    );
    assert_eq!(resolve("/metadata/finalizers/0", Some(&manifest), None).unwrap(), [".metadata.finalizers[=\"a\"]"]);
}

#[test]
fn a_printed_path_of_a_field_resolves_to_itself() {
    let manifest = deployment(&["web"]);
    for path in [
        ".spec.template.spec.containers[name=\"web\"].ports[containerPort=80,protocol=\"TCP\"].name",
        ".metadata.labels[\"example.com/team\"]",
    ] {
        assert_eq!(resolve(path, Some(&manifest), None).unwrap(), [path]);
    }
}

#[test]
fn a_filter_that_cannot_be_honoured_says_why() {
    let manifest = deployment(&["web"]);
    let containers = ".spec.template.spec.containers";
    for (filter, error) in [
        // Atomic list, atomic struct, list without a schema.
        (
            format!("{containers}[0].command[0]"),
            "it ends inside `.spec.template.spec.containers[name=\"web\"].command`, which Kubernetes owns as one value; name \
             `.spec.template.spec.containers[name=\"web\"].command` itself",
        ),
        (
            "/spec/selector/matchLabels/app".to_owned(),
            "it ends inside `.spec.selector`, which Kubernetes owns as one value; name `.spec.selector` itself",
        ),
        (
            format!("{containers}[?(@.image=='x')]"),
            "`image` does not tell the items of `.spec.template.spec.containers` apart; test name",
        ),
        (
            format!("{containers}[=\"web\"]"),
            "`\"web\"` does not tell the items of `.spec.template.spec.containers` apart; test name",
        ),
        (
            ".metadata.finalizers[name=\"a\"]".to_owned(),
            "`name` does not tell the items of `.metadata.finalizers` apart; its items are plain values, write [=\"value\"]",
        ),
        (
            format!("{containers}[0].name"),
            "`name` tells the items of `.spec.template.spec.containers` apart and cannot go its own way; name the item",
        ),
        (
            format!("{containers}.image"),
            "`.spec.template.spec.containers` is a list; say which item: [*], [0] or [?(@.name==...)]",
        ),
        (".spec.template[0]".to_owned(), "`.spec.template` is no list"),
    ] {
        let found = resolve(&filter, Some(&manifest), None).unwrap_err();
        assert_eq!(found, format!("filter `{filter}`: {error}"));
    }
}

#[test]
fn an_error_covers_the_whole_part_that_it_is_about() {
    let manifest = deployment(&["web"]);
    let schema = Schema::builtin();
    let view = schema.root("apps", "v1", "Deployment").unwrap();
    for (filter, covers) in [
        ("/spec/selector/matchLabels", ".spec.selector"),
        (".spec.template.spec.containers[0].name", ".spec.template.spec.containers"),
        (".spec.template.spec.containers[?(@.image=='x')].ports", ".spec.template.spec.containers"),
    ] {
        let filter = Filter::parse(filter).unwrap();
        assert_eq!(filter.resolve(Some(&manifest), None, view).unwrap_err().covers.to_string(), covers);
        assert_eq!(filter.check(view).unwrap_err().covers.to_string(), covers);
    }
}

#[test]
fn without_a_schema_maps_are_followed_and_lists_are_one_value() {
    let object = json!({"spec": {"list": [{"name": "a"}], "map": {"0": 1, "b": {}}}});
    let resolve = |filter: &str| {
        let paths = Filter::parse(filter).unwrap().resolve(Some(&object), None, SchemaView::unknown());
        paths
            .map(|paths| paths.iter().map(ToString::to_string).collect::<Vec<_>>())
            .map_err(|error| error.covers.to_string())
    };
    assert_eq!(resolve("/spec/map/0"), Ok(vec![".spec.map.0".to_owned()]));
    assert_eq!(resolve("/spec/map/b/c"), Ok(vec![".spec.map.b.c".to_owned()]));
    assert_eq!(resolve(".spec.map.*"), Ok(vec![".spec.map.0".to_owned(), ".spec.map.b".to_owned()]));
    for filter in ["/spec/list/0", ".spec.list[*].name", ".spec.list[name=\"a\"]", ".spec.list.name"] {
        assert_eq!(resolve(filter), Err(".spec.list".to_owned()), "{filter}");
    }
    assert_eq!(resolve(".spec.map[0]"), Err(".spec.map".to_owned()));
    assert_eq!(resolve(".spec.absent[0]"), Ok(vec![]));
}

#[test]
fn a_field_that_the_schema_does_not_have_is_found_without_an_object() {
    let schema = Schema::builtin();
    let view = schema.root("apps", "v1", "Deployment").unwrap();
    let check = |filter: &str| Filter::parse(filter).unwrap().check(view).unwrap().map(|path| path.to_string());
    assert_eq!(check("/spec/replicas"), None);
    assert_eq!(check("/metadata/annotations/any~1thing"), None);
    assert_eq!(check(".spec.template.spec.containers[0].image"), None);
    assert_eq!(check("/spec/template/spec/containers/0/image"), None);
    assert_eq!(check("/spec/replcas").as_deref(), Some(".spec.replcas"));
    assert_eq!(check("/spec/replicas/x").as_deref(), Some(".spec.replicas.x"));
    let wrong = check(".spec.template.spec.containers[0].imag");
    assert_eq!(wrong.as_deref(), Some(".spec.template.spec.containers.imag"));
}
