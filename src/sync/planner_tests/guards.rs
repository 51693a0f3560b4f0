//! The guards before deletes, one by one: each case differs from one that deletes in what its guard looks at, and no more.

use super::*;
use crate::sync::guards::{self, Guard};

fn settings() -> Value {
    config_map(json!({"a": "1"}))
}

/// An object that goes: ours, agreed, and no longer in Git.
fn pruned(object: &Value) -> Case {
    Case::new(rule(&["kubernetes"])).ours(object.clone()).agreed(object)
}

/// A manifest that goes: it agreed, and its object was deleted.
fn removed(object: &Value) -> Case {
    Case::new(rule(&["git"])).git(object.clone()).gone().agreed(object)
}

/// Another manifest in Git.
fn beside(case: Case, path: &str, object: &Value) -> Case {
    case.file(path, &object.to_string())
}

fn refused(case: &Case) -> (Option<Guard>, Verb) {
    let plan = case.plan();
    assert!(plan.actions.is_empty(), "{plan:?}");
    let [note] = plan.notes.as_slice() else { panic!("{plan:?}") };
    let guard = plan.refused.expect("a guard");
    assert!(note.reason.ends_with(&format!("(guard {})", guard.name())), "{}", note.reason);
    // Without this guard nothing else would keep it.
    let rule = &case.rules.rules[0];
    let is_alone = case.with_subject(|subject| guards::is_kept_by_alone(guard, subject, rule, &identity()));
    assert!(is_alone, "{guard} is not what keeps it alone: {}", note.reason);
    (plan.refused, note.verb)
}

fn of_side(side: Side) -> std::collections::BTreeSet<Guard> {
    guards::all().into_iter().filter(|(of, _)| *of == side).map(|(_, guard)| guard).collect()
}

fn with(mut case: Case, pointer: &str, value: Value) -> Case {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    case.live.as_mut().unwrap().pointer_mut(parent).unwrap()[key] = value;
    case
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

#[test]
fn without_a_guard_in_the_way_both_sides_delete() {
    assert_eq!(pruned(&settings()).words(), ["delete"]);
    assert_eq!(removed(&settings()).words(), ["remove"]);
}

#[test]
fn guards_of_the_cluster_each_keep_their_object() {
    let mut seen = std::collections::BTreeSet::new();
    let never = Case::new(rule(&["kubernetes prune: never"])).ours(settings()).agreed(&settings());
    let annotations = json!({"kubeferry.io/prune": "disabled"});
    let in_namespace = |name: &str| {
        let mut object = settings();
        object["metadata"]["namespace"] = name.into();
        pruned(&object)
    };
    let of = |object: Value| {
        let case = pruned(&object);
        case.of("", "Namespace", "namespaces")
    };
    let waiting = |guard| {
        let mut case = pruned(&settings());
        case.waits = Some(guard);
        case
    };
    let mut opted_out = pruned(&settings());
    opted_out.opted_out = true;
    let theirs = Case::new(rule(&["kubernetes"])).theirs(settings()).agreed(&settings());
    for (case, guard, verb) in [
        (Case::new(rule(&["kubernetes"])).ours(settings()), Guard::Base, Verb::NotOurs),
        (never, Guard::Rule, Verb::Skipped),
        (with(pruned(&settings()), "/metadata/annotations", annotations), Guard::OptOut, Verb::Skipped),
        (opted_out, Guard::OptOut, Verb::Skipped),
        (in_namespace("kubeferry"), Guard::OwnNamespace, Verb::Skipped),
        (of(namespace("kubeferry")), Guard::OwnNamespace, Verb::Skipped),
        (in_namespace("kube-system"), Guard::SystemNamespace, Verb::Skipped),
        (of(namespace("kube-public")), Guard::SystemNamespace, Verb::Skipped),
        (of(namespace("default")), Guard::SystemNamespace, Verb::Skipped),
        (with(pruned(&settings()), "/metadata/ownerReferences", json!([{"kind": "App"}])), Guard::Owner, Verb::Skipped),
        (theirs, Guard::Ownership, Verb::Skipped),
        (with(pruned(&settings()), "/metadata/uid", "u-2".into()), Guard::Uid, Verb::NotOurs),
        (waiting(Guard::CompleteRead), Guard::CompleteRead, Verb::Pending),
        (waiting(Guard::WatchOfKind), Guard::WatchOfKind, Verb::Pending),
        (waiting(Guard::WatchOfNamespaces), Guard::WatchOfNamespaces, Verb::Pending),
        (waiting(Guard::WatchOfDefinitions), Guard::WatchOfDefinitions, Verb::Pending),
    ] {
        assert_eq!(refused(&case), (Some(guard), verb));
        seen.insert(guard);
    }
    assert_eq!(seen, of_side(Side::Cluster), "each guard has its case");
    // Objects in `default` are people's.
    assert_eq!(in_namespace("default").words(), ["delete"]);
}

#[test]
fn guards_of_git_each_keep_their_manifest() {
    let mut seen = std::collections::BTreeSet::from([Guard::Content]);
    let never = Case::new(rule(&["git prune: never"])).git(settings()).gone().agreed(&settings());
    let mut annotated = settings();
    annotated["metadata"]["annotations"] = json!({"kubeferry.io/prune": "disabled"});
    let waiting = |guard| {
        let mut case = removed(&settings());
        case.waits = Some(guard);
        case
    };
    let mut opted_out = removed(&settings());
    opted_out.opted_out = true;
    let mut withheld = removed(&settings());
    withheld.withheld = Some("Namespace shop has gone");
    let unseen = Case::new(rule(&["git"])).git(settings()).agreed(&settings());
    for (case, guard, verb) in [
        (Case::new(rule(&["git"])).git(settings()).gone(), Guard::Base, Verb::Missing),
        (never, Guard::Rule, Verb::Skipped),
        (removed(&annotated), Guard::OptOut, Verb::Skipped),
        (opted_out, Guard::OptOut, Verb::Skipped),
        (waiting(Guard::CompleteRead), Guard::CompleteRead, Verb::Pending),
        (waiting(Guard::WatchOfKind), Guard::WatchOfKind, Verb::Pending),
        (waiting(Guard::WatchOfNamespaces), Guard::WatchOfNamespaces, Verb::Pending),
        (waiting(Guard::WatchOfDefinitions), Guard::WatchOfDefinitions, Verb::Pending),
        // Decision 7.
        (withheld, Guard::Absence, Verb::Held),
        (unseen, Guard::Delay, Verb::Pending),
    ] {
        assert_eq!(refused(&case), (Some(guard), verb));
        seen.insert(guard);
    }
    assert_eq!(seen, of_side(Side::Git), "each guard has its case");
}

// Decision 22: what it holds goes first.
#[test]
fn the_manifest_of_a_namespace_goes_after_those_of_what_it_held() {
    let shop = namespace("shop");
    let case = || removed(&shop).of("", "Namespace", "namespaces");
    assert_eq!(case().words(), ["remove"]);
    assert_eq!(refused(&beside(case(), "a.yaml", &settings())), (Some(Guard::Content), Verb::Held));
    let mut elsewhere = settings();
    elsewhere["metadata"]["namespace"] = "lab".into();
    assert_eq!(beside(case(), "a.yaml", &elsewhere).words(), ["remove"]);

    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "ships.example.org"}, "spec": {"group": "example.org", "names": {"kind": "Ship"}}});
    let case =
        || removed(&definition).of("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions");
    let ship = json!({"apiVersion": "example.org/v1", "kind": "Ship", "metadata": {"name": "a", "namespace": "shop"}});
    assert_eq!(refused(&beside(case(), "ship.yaml", &ship)), (Some(Guard::Content), Verb::Held));
    assert_eq!(beside(case(), "a.yaml", &settings()).words(), ["remove"]);
}

// Decision 23.
#[test]
fn a_former_identity_that_is_taken_over_counts_as_ours() {
    let case = Case::new(rule(&["kubernetes"])).agreed(&settings());
    let mut case = case;
    case.live = Some(live_by(&settings(), "kubeferry:old/name"));
    assert_eq!(refused(&case), (Some(Guard::Ownership), Verb::Skipped));
    let mut identity = identity();
    identity.takes_over = Some("old/name".into());
    assert!(case.plan_as(&identity).actions.iter().any(Action::deletes));
}
