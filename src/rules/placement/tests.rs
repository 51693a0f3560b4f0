use proptest::prelude::*;
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
    json!({"metadata": {
        "labels": {"app": "Shop", "app.kubernetes.io/name": "web", "team-x": "blue", "n": 5},
        "annotations": {"owner": "a/b", "escape": "..", "lines": "a\nb", "git": ".git ", "windows": "..\\..\\x"},
    }})
}

fn render(template: &str, folder: &str, namespace: &str, name: &str) -> Result<String, PathError> {
    let id = ObjectId::new(GroupKind::new("apps", "Deployment"), namespace, name);
    let template = PathTemplate::parse(template, folder).unwrap_or_else(|fault| panic!("{template}: {fault}"));
    template.render(&id, &kind(), &object()).map(|path| path.as_str().to_owned())
}

#[test]
fn the_default_is_the_layout_of_the_original() {
    let path = Format::Yaml.standard_path();
    assert_eq!(render(path, ".", "shop", "web").unwrap(), "shop/Deployment/web.yaml");
    assert_eq!(render(path, "clusters/prod", "", "web").unwrap(), "clusters/prod/Deployment/web.yaml");
    for (_, format) in Format::ALL {
        let written = PathTemplate::parse(format.standard_path(), "a").unwrap();
        assert_eq!(written, PathTemplate::standard(format, "a"));
    }
}

#[test]
fn every_field_and_function_is_filled_in() {
    for (template, path) in [
        ("{{.Group}}/{{.Version}}/{{ .Resource }}.{{.Name}}.json", "apps/v1/deployments.web.json"),
        ("{{ lower .Kind }}-{{ .Namespace | upper }}.yml", "deployment-SHOP.yml"),
        ("a//b/{{ .Kind | lower | upper }}.yaml", "a/b/DEPLOYMENT.yaml"),
        ("{{ .Labels.app | lower }}/{{ .Name }}.yaml", "shop/web.yaml"),
        ("{{ index .Labels \"app.kubernetes.io/name\" }}.yaml", "web.yaml"),
        ("{{ .Labels[\"app.kubernetes.io/name\"] }}.yaml", "web.yaml"),
        ("{{ .Labels['app.kubernetes.io/name'] }}.yaml", "web.yaml"),
        ("{{ index .Labels `app.kubernetes.io/name` | upper }}.yaml", "WEB.yaml"),
        ("{{ .Labels.team-x }}.yaml", "blue.yaml"),
        // What the object does not have, or has as a number, is empty; empty segments are dropped.
        ("{{ .Labels.tier }}/{{ .Labels.n }}/{{ .Name }}.yaml", "web.yaml"),
        ("{{ .Labels.tier | default \"none\" }}/{{ .Name }}.yaml", "none/web.yaml"),
        ("{{ default \"none\" .Labels.tier }}/{{ .Name }}.yaml", "none/web.yaml"),
        ("{{ default \"none\" (index .Labels \"app\") }}/{{ .Name }}.yaml", "Shop/web.yaml"),
        ("{{ .Labels.tier | default .Namespace | upper }}/{{ .Name }}.yaml", "SHOP/web.yaml"),
        ("{{ .Labels.tier | default (.Labels.x | default .Kind) }}/{{ .Name }}.yaml", "Deployment/web.yaml"),
        ("{{ .Annotations.owner | replace \"/\" \"-\" }}/{{ .Name }}.yaml", "a-b/web.yaml"),
        ("{{ .Resource | trunc 6 }}/{{ trunc 2 .Name }}.yaml", "deploy/we.yaml"),
        ("{{ \"}}\" }}{{ .Name }}.yaml", "}}web.yaml"),
    ] {
        assert_eq!(render(template, ".", "shop", "web").unwrap(), path, "{template}");
    }
}

#[test]
fn a_bad_template_is_refused_with_advice() {
    for (template, message, hint) in [
        ("{{ .Nmae }}.yaml", "`.Nmae` is no field of this template", "did you mean `.Name`?"),
        ("{{ name }}.yaml", "`name` is no field of this template", "did you mean `.Name`?"),
        ("{{ .Label.app }}.yaml", "`.Label` is no field of this template", "did you mean `.Labels`?"),
        ("{{ .Name }.yaml", "`{{` is never closed", "write `{{ .Name }}`"),
        ("{{ .Name", "`{{` is never closed", "write `{{ .Name }}`"),
        (".Name }}.yaml", "`}}` closes nothing", "write `{{ .Name }}`"),
        ("{{ title .Name }}.yaml", "`title` is no function", "the functions are lower, upper"),
        ("{{ .Name | title }}.yaml", "`title` is no function", "the functions are lower, upper"),
        ("{{ }}.yaml", "`{{ }}` names no field", "fields: .Namespace"),
        ("{{ .Labels }}.yaml", "`.Labels` is a map", "index .Labels"),
        ("{{ .Labels.a.b/c }}.yaml", "a key with dots or slashes", "write `index .Labels \"a.b/c\"`"),
        ("{{ .Labels[app] }}.yaml", "the key of `.Labels[` cannot be read", "index .Labels"),
        ("{{ index .Name \"x\" }}.yaml", "`.Name` has no entries", "index knows .Labels and .Annotations"),
        ("{{ .Name | default }}.yaml", "`default` lacks a value", "write default \"none\""),
        ("{{ .Name | trunc x }}.yaml", "`x` cannot be read", ""),
        ("{{ .Name | trunc 0 }}.yaml", "has no length", "trunc 63"),
        ("{{ .Name | replace \"\" \"a\" }}.yaml", "needs a text to look for", "replace"),
        ("{{ .Name | lower upper }}.yaml", "`upper` cannot be read", ""),
        ("{{ .Name .Kind }}.yaml", "`.Kind` cannot be read", ""),
        ("{{ (.Name }}.yaml", "`)` is missing", ""),
        ("{{ .Name | default \"a }}.yaml", "a quote is never closed", ""),
        ("{{ .Name | replace \"-\" \"/\" }}.yaml", "would make folders", "outside of the `{{ }}`"),
        ("{{ .Labels.x | default \"a/b\" }}.yaml", "would make folders", ""),
        (
            "{{ .Annotations[\"kubectl.kubernetes.io/last-applied-configuration\"] }}.yaml",
            "holds the whole object",
            "take a label",
        ),
        ("/{{ .Name }}.yaml", "is absolute", "leave the first `/` out"),
        ("{{ .Name }}", "does not end in", "not read as manifests"),
        ("../{{ .Name }}.yaml", "..", ""),
        ("a/./{{ .Name }}.yaml", ".", ""),
        (".git/{{ .Name }}.yaml", ".git", ""),
        ("a\u{7}/{{ .Name }}.yaml", "control", ""),
    ] {
        let fault = PathTemplate::parse(template, ".").unwrap_err();
        assert!(fault.message.contains(message), "{template}: {fault}");
        assert!(fault.hint.clone().unwrap_or_default().contains(hint), "{template}: {fault:?}");
    }
}

#[test]
fn nothing_that_an_object_is_called_leads_elsewhere() {
    assert!(matches!(render("{{ .Name }}.yaml", ".", "", "../x"), Err(PathError::Slash { .. })));
    assert!(matches!(render("{{ .Name }}/x.yaml", ".", "", ".."), Err(PathError::Refused { .. })));
    assert!(matches!(render("{{ .Name }}/x.yaml", "a", "", ".GIT"), Err(PathError::Refused { .. })));
    assert!(matches!(render("{{ .Name }}.yaml", "", "", "a\nb"), Err(PathError::Refused { .. })));
    assert!(matches!(render("{{ .Name }}.yaml", "", "", &"a".repeat(253)), Err(PathError::TooLong { bytes: 258, .. })));
    assert_eq!(render("{{ .Name }}.yaml", "", "", "system:node").unwrap(), "system:node.yaml");
    for (annotation, is_slash) in
        [("owner", true), ("windows", true), ("escape", false), ("lines", false), ("git", false)]
    {
        let error = render(&format!("{{{{ .Annotations.{annotation} }}}}/x.yaml"), "a", "", "web").unwrap_err();
        assert_eq!(matches!(error, PathError::Slash { .. }), is_slash, "{error}");
        assert!(is_slash || matches!(error, PathError::Refused { .. }), "{error}");
    }
}

#[test]
fn a_file_keeps_a_name() {
    for template in ["{{ .Labels.tier }}.yaml", "x/{{ .Labels.tier }}.patch.yaml", "{{ .Labels.tier }}/.yaml"] {
        let found = render(template, ".", "shop", "web");
        assert_eq!(matches!(found, Err(PathError::NoName { .. })), !template.ends_with("/.yaml"), "{found:?}");
    }
    assert_eq!(render(".hidden/{{ .Name }}.yaml", ".", "", "web").unwrap(), ".hidden/web.yaml");
}

#[test]
fn a_path_is_known_as_one_that_the_template_could_have_yielded() {
    let id = ObjectId::new(GroupKind::new("apps", "Deployment"), "shop", "web");
    let cluster = ObjectId::new(GroupKind::new("apps", "Deployment"), "", "web");
    let could = |template: &str, path: &str, id: &ObjectId, kind: Option<&Kind>| {
        PathTemplate::parse(template, "prod").unwrap().could_be(&RepoPath::parse(path).unwrap(), id, kind)
    };
    for (template, path, is_possible) in [
        ("{{ .Namespace }}/{{ .Name }}.yaml", "prod/shop/web.yaml", true),
        ("{{ .Namespace }}/{{ .Name }}.yaml", "prod/web.yaml", false),
        ("{{ .Namespace }}/{{ .Name }}.yaml", "shop/web.yaml", false),
        ("{{ .Labels.team }}/{{ .Name }}.yaml", "prod/any/web.yaml", true),
        ("{{ .Labels.team }}/{{ .Name }}.yaml", "prod/web.yaml", true),
        ("{{ .Labels.team }}/{{ .Name }}.yaml", "prod/a/b/web.yaml", false),
        ("{{ .Labels.a }}-{{ .Labels.b }}-{{ .Name }}.yaml", "prod/x-y-z-web.yaml", true),
        ("{{ .Labels.a }}-{{ .Labels.b }}-{{ .Name }}.yaml", "prod/x-web.yaml", false),
        ("{{ .Labels.a }}/x/{{ .Labels.b }}/{{ .Name }}.yaml", "prod/x/web.yaml", true),
        ("{{ .Labels.a }}/x/{{ .Labels.b }}/{{ .Name }}.yaml", "prod/y/web.yaml", false),
        ("{{ .Version }}/{{ .Name }}.yaml", "prod/v1beta1/web.yaml", true),
        ("{{ .Kind | lower }}/{{ .Name }}.yaml", "prod/deployment/web.yaml", true),
        ("{{ .Resource }}/{{ .Name }}.yaml", "prod/deployments/web.yaml", true),
        ("{{ .Resource }}/{{ .Name }}.yaml", "prod/pods/web.yaml", false),
    ] {
        assert_eq!(could(template, path, &id, Some(&kind())), is_possible, "{template} {path}");
    }
    assert!(could("{{ .Resource }}/{{ .Name }}.yaml", "prod/pods/web.yaml", &id, None), "unknown kind");
    assert!(could("{{ .Namespace }}/{{ .Name }}.yaml", "prod/web.yaml", &cluster, None));
}

proptest! {
    #[test]
    fn what_is_rendered_could_be(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("{{ .Namespace }}"), Just("{{ .Name | upper }}"), Just("{{ .Labels.app }}"), Just("/"), Just("-"),
                Just("{{ .Labels.none }}"), Just("{{ .Annotations.owner | replace \"/\" \"\" }}"), Just("a"),
                Just("{{ .Labels.none | default .Kind }}"), Just("{{ .Version }}"), Just("{{ .Resource }}"), Just("/x/"),
            ],
            0..8,
        ),
        folder in prop_oneof![Just("."), Just("a"), Just("a/b")],
        namespace in "[a-z]{0,3}",
        name in "[a-z.-]{1,4}",
        with_kind: bool,
    ) {
        let text = format!("{}{{{{ .Name }}}}.yaml", pieces.concat());
        prop_assume!(!text.starts_with('/'));
        let id = ObjectId::new(GroupKind::new("apps", "Deployment"), &namespace, &name);
        let template = PathTemplate::parse(&text, folder).unwrap();
        if let Ok(path) = template.render(&id, &kind(), &object()) {
            prop_assert!(template.could_be(&path, &id, with_kind.then_some(&kind())), "{text} {path}");
            prop_assert!(path.starts_with(folder));
        }
    }

    #[test]
    fn no_template_makes_it_panic(text in "(\\{\\{|\\}\\}|[ .|()\"'\\[\\]/a-z0-9]|\\.Name|\\.Labels|index|default|replace){0,16}|\\PC{0,16}") {
        let _ = PathTemplate::parse(&text, ".");
        let _ = super::super::Target::parse(&text, ".");
    }
}
