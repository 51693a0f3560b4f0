use serde_json::json;

use super::*;
use crate::object::GroupKind;

fn kind() -> Kind {
    Kind {
        group_kind: GroupKind::new("apps", "Deployment"),
        versions: vec!["v1".into()],
        plural: "deployments".into(),
        singular: "deployment".into(),
        short_names: vec![],
        namespaced: true,
        verbs: vec![],
        scalable: true,
    }
}

fn object() -> Value {
    json!({"metadata": {"labels": {"app": "shop", "odd": "a/b~c.d'e]"}}})
}

fn id() -> ObjectId {
    ObjectId::new(GroupKind::new("apps", "Deployment"), "shop", "web")
}

fn key(name: &str) -> TargetStep {
    TargetStep::Key(name.to_owned())
}

fn item(key: &str, value: Scalar) -> TargetStep {
    TargetStep::Where(vec![(key.to_owned(), value)])
}

fn text(value: &str) -> Scalar {
    Scalar::String(value.into())
}

/// The file, if it is one, and the steps.
fn render(to: &str) -> Result<(Option<String>, Vec<TargetStep>), PathError> {
    let target = Target::parse(to, "prod").unwrap_or_else(|fault| panic!("{to}: {fault}"));
    let path = match &target {
        Target::Here(_) => None,
        Target::File { path, .. } => Some(path.render(&id(), &kind(), &object())?.as_str().to_owned()),
    };
    Ok((path, target.at().render(&id(), &kind(), &object())?))
}

#[test]
fn a_target_is_a_path_here_or_in_a_file() {
    let here = |steps: Vec<TargetStep>| (None, steps);
    let file = |path: &str, steps: Vec<TargetStep>| (Some(path.to_owned()), steps);
    for (to, target) in [
        ("/spec/replicas", here(vec![key("spec"), key("replicas")])),
        (".spec.replicas", here(vec![key("spec"), key("replicas")])),
        ("{.spec.replicas}", here(vec![key("spec"), key("replicas")])),
        ("$.spec['a.b'][2]", here(vec![key("spec"), key("a.b"), key("2")])),
        (".metadata.annotations['a#b']", here(vec![key("metadata"), key("annotations"), key("a#b")])),
        ("values.yaml#/web/replicas", file("prod/values.yaml", vec![key("web"), key("replicas")])),
        ("values.yaml#web.replicas", file("prod/values.yaml", vec![key("web"), key("replicas")])),
        ("./values.json#.web", file("prod/values.json", vec![key("web")])),
        (
            "kustomization.yaml#.images[?(@.name=='web')].newTag",
            file("prod/kustomization.yaml", vec![key("images"), item("name", text("web")), key("newTag")]),
        ),
        (
            "{{ .Namespace }}/{{ .Labels['x#y'] | default \"v\" }}.yaml#/{{ .Name }}/replicas",
            file("prod/shop/v.yaml", vec![key("web"), key("replicas")]),
        ),
        (
            "v.yaml#.list[?(@.name=='{{ .Name }}-{{ .Labels.app }}' && @.port==80)].x",
            file(
                "prod/v.yaml",
                vec![
                    key("list"),
                    TargetStep::Where(vec![("name".into(), text("web-shop")), ("port".into(), Scalar::Int(80))]),
                    key("x"),
                ],
            ),
        ),
    ] {
        assert_eq!(render(to).as_ref(), Ok(&target), "{to}");
    }
}

#[test]
fn what_an_object_is_called_is_one_key_whatever_it_holds() {
    let odd = "a/b~c.d'e]";
    for (to, steps) in [
        ("v.yaml#/x/{{ .Labels.odd }}/y", vec![key("x"), key(odd), key("y")]),
        ("v.yaml#.x.{{ .Labels.odd }}.y", vec![key("x"), key(odd), key("y")]),
        ("v.yaml#.x['{{ .Labels.odd }}']", vec![key("x"), key(odd)]),
        ("v.yaml#.x[?(@.a=='{{ .Labels.odd }}')]", vec![key("x"), item("a", text(odd))]),
        (".spec.pre-{{ .Labels.odd }}-post", vec![key("spec"), key(&format!("pre-{odd}-post"))]),
    ] {
        assert_eq!(render(to).unwrap().1, steps, "{to}");
    }
    for to in ["v.yaml#/x/{{ .Labels.none }}", "v.yaml#.x[?(@.a=='{{ .Labels.none }}')].b"] {
        assert!(matches!(render(to), Err(PathError::EmptyKey { .. })), "{to}");
    }
}

#[test]
fn what_is_no_target_is_refused_with_advice() {
    for (to, message, hint) in [
        ("", "names no place in a file", "write file#path"),
        ("values.yaml", "names no place in a file", "write file#path"),
        ("values.yaml#", "names no place", "/web/replicas"),
        ("values.yaml#/", "a segment is empty", ""),
        ("values.txt#/a", "does not end in .yaml", ""),
        ("../values.yaml#/a", "..", ""),
        (".git/x.yaml#/a", "", ""),
        ("x/.git/y.yaml#/a", "Git's own", ""),
        ("values.yaml#.a[*].b", "names many places", "say which item"),
        ("values.yaml#.a[=\"x\"]", "whole value", "say which item"),
        ("values.yaml#..a", "any depth", ""),
        ("values.yaml#.a[{{ .Name }}]", "{{ .Name }}", ""),
        ("values.yaml#/{{ .Nmae }}", "`.Nmae` is no field", "did you mean `.Name`?"),
        ("/kind", "says which object it is", ""),
        ("/metadata/name", "never carried", ""),
        ("/metadata", "as a whole", "labels and annotations"),
        ("/{{ .Labels.app }}/x", "could name", "without a template"),
        ("/metadata/{{ .Labels.app }}", "could name", ""),
        ("v.yaml#/a\u{f0000}b", "private use", ""),
    ] {
        let fault = Target::parse(to, ".").unwrap_err();
        assert!(fault.message.contains(message), "{to}: {fault}");
        assert!(fault.hint.clone().unwrap_or_default().contains(hint), "{to}: {fault:?}");
        assert!(!fault.message.contains('\u{f0000}') || to.contains('\u{f0000}'), "{to}: {fault}");
    }
}

#[test]
fn two_targets_are_the_same_however_they_are_written() {
    let same = |a: &str, b: &str| Target::parse(a, ".").unwrap() == Target::parse(b, ".").unwrap();
    assert!(same("v.yaml#/a/b", "v.yaml#.a.b") && same("/spec/x", "{.spec.x}"));
    assert!(same("v.yaml#/a/{{.Name}}", "v.yaml#/a/{{ .Name }}"));
    assert!(!same("v.yaml#/a/b", "w.yaml#/a/b") && !same("v.yaml#/a/b", "v.yaml#/a"));
}
