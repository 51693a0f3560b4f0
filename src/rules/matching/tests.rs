use super::*;
use crate::rules::load;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn deployment() -> Kind {
    Kind {
        group_kind: GroupKind::new("apps", "Deployment"),
        versions: vec!["v1".into()],
        plural: "deployments".into(),
        singular: "deployment".into(),
        short_names: vec!["deploy".into()],
        namespaced: true,
        verbs: vec![],
        scalable: true,
    }
}

fn rule(text: &str) -> Rule {
    let text = format!("gitUrl: git@host:x\nrules:\n- {{{text}}}\n");
    load(&text, "f").unwrap_or_else(|problems| panic!("{problems}")).rules.rules.remove(0)
}

/// Why the rule does not select `Deployment shop/web`; the sides are manifest, live and base.
fn mismatch(text: &str, sides: [Option<&Labels>; 3]) -> Option<Mismatch> {
    let id = ObjectId::new(GroupKind::new("apps", "Deployment"), "shop", "web");
    let namespace = labels(&[("team", "pay")]);
    rule(text).mismatch(&Candidate {
        id: &id,
        kind: &deployment(),
        manifest_labels: sides[0],
        live_labels: sides[1],
        base_labels: sides[2],
        namespace_labels: Some(&namespace),
    })
}

#[test]
fn every_key_selects_and_says_when_it_does_not() {
    let own = labels(&[("app", "web")]);
    for (text, expected) in [
        ("", None),
        ("apiGroups: [apps]", None),
        ("apiGroups: ['*']", None),
        ("apiGroups: ['']", Some(Mismatch::ApiGroups)),
        ("apiGroups: [batch, apps], resources: [deploy]", None),
        ("resources: [Deployments.apps]", None),
        ("resources: ['*']", None),
        ("resources: [pods]", Some(Mismatch::Resources)),
        ("namespaces: [shop]", None),
        ("namespaces: [x, 's*']", None),
        ("namespaces: [s]", Some(Mismatch::Namespaces)),
        ("namespaceLabels: 'team in (pay,shop)'", None),
        ("namespaceLabels: team=shop", Some(Mismatch::NamespaceLabels)),
        ("names: ['w?b']", None),
        ("names: [api]", Some(Mismatch::Names)),
        ("labels: app=web", None),
        ("labels: app!=web", Some(Mismatch::Labels)),
        ("labels: ''", None),
        ("excludeLabels: app", Some(Mismatch::ExcludeLabels)),
        ("excludeLabels: other", None),
        ("excludeLabels: ''", None),
    ] {
        let text = if text.is_empty() { "syncTo: git".to_owned() } else { format!("syncTo: git, {text}") };
        assert_eq!(mismatch(&text, [Some(&own), Some(&own), None]), expected, "{text}");
    }
}

#[test]
fn labels_are_read_on_the_side_of_the_source() {
    let (yes, no) = (labels(&[("a", "b")]), labels(&[]));
    let (yes, no) = (Some(&yes), Some(&no));
    for (direction, sides, selects) in [
        ("kubernetes", [yes, no, None], true),
        ("kubernetes", [no, yes, None], false),
        ("kubernetes", [None, yes, None], true),
        ("kubernetes", [None, yes, no], false),
        ("kubernetes", [None, no, yes], true),
        ("git", [no, yes, None], true),
        ("git", [yes, no, None], false),
        ("git", [yes, None, None], true),
        ("git", [yes, None, no], false),
        ("git", [no, None, yes], true),
        ("observe", [yes, no, None], true),
        ("observe", [no, yes, None], true),
        ("observe", [no, no, yes], false),
        ("observe", [None, None, yes], true),
        ("kubernetes", [None, None, None], false),
    ] {
        let found = mismatch(&format!("syncTo: {direction}, labels: a=b"), sides).is_none();
        assert_eq!(found, selects, "{direction} {sides:?}");
    }
    // An object is left out only by a side that is also taken in.
    assert_eq!(mismatch("syncTo: observe, excludeLabels: a", [yes, no, None]), None);
    assert_eq!(mismatch("syncTo: observe, excludeLabels: a", [yes, yes, None]), Some(Mismatch::ExcludeLabels));
}

#[test]
fn objects_without_a_namespace_are_in_no_listed_one() {
    let kind = Kind { group_kind: GroupKind::new("", "Namespace"), plural: "namespaces".into(), ..deployment() };
    let id = ObjectId::new(GroupKind::new("", "Namespace"), "", "shop");
    let candidate = Candidate {
        id: &id,
        kind: &kind,
        manifest_labels: None,
        live_labels: None,
        base_labels: None,
        namespace_labels: None,
    };
    assert!(rule("syncTo: git").selects(&candidate));
    assert_eq!(rule("syncTo: git, namespaces: ['*']").mismatch(&candidate), Some(Mismatch::Namespaces));
    assert_eq!(rule("syncTo: git, namespaceLabels: '!x'").mismatch(&candidate), Some(Mismatch::NamespaceLabels));
}

#[test]
fn the_first_rule_without_filters_decides_existence() {
    let text = "
gitUrl: git@host:x
rules:
- {name: replicas, filters: [/spec/replicas], syncTo: git}
- {name: pods, resources: [pods], syncTo: git}
- {name: wide, namespaceLabels: '!x', syncTo: kubernetes}
- {name: wider, syncTo: git}
";
    let rules = load(text, "f").unwrap().rules;
    let id = ObjectId::new(GroupKind::new("apps", "Deployment"), "shop", "web");
    let (kind, none) = (deployment(), labels(&[]));
    let candidate = Candidate {
        id: &id,
        kind: &kind,
        manifest_labels: Some(&none),
        live_labels: None,
        base_labels: None,
        namespace_labels: Some(&none),
    };
    let names: Vec<_> = rules.matching(&candidate).map(|rule| (rule.index, &*rule.name)).collect();
    assert_eq!(names, [(0, "replicas"), (2, "wide"), (3, "wider")]);
    assert_eq!(rules.existence_rule(&candidate).unwrap().name, "wide");
    assert!(rules.selects_kind(&kind) && rules.ask_for_namespace(&kind));
}

#[test]
fn a_kind_that_the_server_does_not_know_is_matched_by_inflection() {
    let selects = |entry: &str, group: &str, kind: &str| {
        rule(&format!("syncTo: git, resources: ['{entry}']")).may_select_unserved(&GroupKind::new(group, kind))
    };
    for (entry, group, kind) in [
        ("widgets", "a.io", "Widget"),
        ("Widget", "a.io", "Widget"),
        ("widgets.a.io", "a.io", "Widget"),
        ("policies", "a.io", "Policy"),
        ("gateways", "a.io", "Gateway"),
        ("ingresses", "a.io", "Ingress"),
        ("*", "a.io", "Widget"),
    ] {
        assert!(selects(entry, group, kind), "{entry}");
    }
    assert!(!selects("widgets.b.io", "a.io", "Widget") && !selects("wid", "a.io", "Widget"));
    assert!(!rule("syncTo: git, apiGroups: [b.io]").may_select_unserved(&GroupKind::new("a.io", "Widget")));
}

#[test]
fn naming_a_kind_is_told_from_selecting_any() {
    assert!(rule("syncTo: git").selects_kind_as_any(&deployment()));
    assert!(rule("syncTo: git, resources: ['*']").selects_kind_as_any(&deployment()));
    assert!(!rule("syncTo: git, resources: ['*', deploy]").selects_kind_as_any(&deployment()));
    assert!(!rule("syncTo: git, resources: [pods]").selects_kind_as_any(&deployment()));
}
