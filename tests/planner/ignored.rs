//! `ignoreManagers`: whose changes are edits.

use kubeferry::object::{FieldPath, FieldSet, GroupKind, ObjectId, Schema};
use kubeferry::report::{Side, Verb};
use kubeferry::sync::plan::{Action, Plan};
use kubeferry::sync::planner::{self, InCluster, InGit, Subject};
use serde_json::{Value, json};

use crate::identity;
use crate::memory_cluster::kind;

const FLUX: &str = "kustomize-controller";

fn web(replicas: u32, image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": image}]}}}})
}

/// Live, with the fields that each manager has applied.
fn live(mut object: Value, managers: &[(&str, Value)]) -> Value {
    let schema = Schema::builtin();
    let entry = |(manager, part): &(&str, Value)| {
        let fields = FieldSet::of(part, schema.view_of(&object)).to_fields_v1();
        json!({"manager": manager, "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": fields})
    };
    object["metadata"]["managedFields"] = managers.iter().map(entry).collect();
    object
}

fn plan(manifest: Option<&Value>, live: &Value, rule: &str) -> Plan {
    let text = format!("gitUrl: https://git.example.com/a.git\nrules:\n- {rule}\n");
    let rules = kubeferry::rules::load(&text, "rules.yaml").unwrap().rules;
    let (schema, kind) = (Schema::builtin(), kind("apps", "Deployment", "deployments"));
    let id = ObjectId::new(GroupKind::new("apps", "Deployment"), "shop", "web");
    let subject = Subject {
        id: &id,
        kind: &kind,
        git: manifest.map_or(InGit::Absent, InGit::Present),
        live: InCluster::Present(live),
        base: None,
        answer: None,
        view: schema.view_of(live),
        namespace_labels: None,
        deletes_wait: None,
        past: Default::default(),
        fought: &[],
        opted_out: false,
        autoscaled: &[],
        around: Default::default(),
    };
    planner::plan(&subject, &rules, &identity())
}

const IGNORING: &str = "{syncTo: git, ignoreManagers: ['kustomize-*']}";

/// The fields that are written to Git.
fn written(plan: &Plan) -> Vec<String> {
    let paths = |action: &Action| -> Vec<String> {
        let Action::Edit { changed, .. } = action else { panic!("{action:?}") };
        changed.iter().map(FieldPath::to_string).collect()
    };
    plan.on(Side::Git).flat_map(paths).collect()
}

#[test]
fn a_field_that_only_an_ignored_manager_owns_is_not_written_over() {
    let (manifest, now) = (web(2, "web:1"), web(3, "web:2"));
    let by_flux = live(now.clone(), &[(FLUX, now.clone())]);
    let left = plan(Some(&manifest), &by_flux, IGNORING);
    assert_eq!(written(&left), Vec::<String>::new());
    let note = left.notes.iter().find(|note| note.verb == Verb::Skipped).unwrap();
    assert!(note.reason.contains("set by kustomize-controller") && note.fields.len() == 2, "{note:?}");
    assert_eq!(written(&plan(Some(&manifest), &by_flux, "{syncTo: git}")).len(), 2);
}

#[test]
fn a_field_that_somebody_else_owns_too_is_theirs() {
    let (manifest, now) = (web(2, "web:1"), web(3, "web:2"));
    let replicas = json!({"spec": {"replicas": 3}});
    let both = live(now.clone(), &[(FLUX, now.clone()), ("kubectl", replicas)]);
    assert_eq!(written(&plan(Some(&manifest), &both, IGNORING)), [".spec.replicas"]);
}

#[test]
fn a_field_without_an_owner_is_compared_as_ever() {
    let (manifest, now) = (web(2, "web:1"), web(3, "web:2"));
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}}});
    let half = live(now, &[(FLUX, image)]);
    assert_eq!(written(&plan(Some(&manifest), &half, IGNORING)), [".spec.replicas"]);
}

#[test]
fn what_an_ignored_manager_adds_stays_out() {
    let mut now = web(2, "web:1");
    let whole = now.clone();
    now["metadata"]["labels"] = json!({"team": "a", "tier": "b"});
    now["spec"]["template"]["spec"]["containers"] = json!([{"name": "web", "image": "web:1"}, {"name": "mesh", "image": "mesh:1"}, {"name": "mine", "image": "mine:1"}]);
    let flux = json!({"metadata": {"labels": {"team": "a"}},
        "spec": {"template": {"spec": {"containers": [{"name": "mesh", "image": "mesh:1"}]}}}});
    let mine = json!({"metadata": {"labels": {"tier": "b"}},
        "spec": {"template": {"spec": {"containers": [{"name": "mine", "image": "mine:1"}]}}}});
    let now = live(now, &[("kubectl", whole.clone()), (FLUX, flux), ("kubectl-edit", mine)]);
    let plan = plan(Some(&whole), &now, IGNORING);
    let Some(Action::Edit { wanted, .. }) = plan.on(Side::Git).next() else { panic!("{plan:?}") };
    assert_eq!(wanted["metadata"]["labels"], json!({"tier": "b"}));
    let names: Vec<_> =
        wanted["spec"]["template"]["spec"]["containers"].as_array().unwrap().iter().map(|item| &item["name"]).collect();
    assert_eq!(names, ["web", "mine"]);
}

#[test]
fn what_is_gone_stays_only_where_nobody_else_has_anything() {
    let mut manifest = web(2, "web:1");
    manifest["metadata"]["labels"] = json!({"team": "a"});
    manifest["spec"]["template"]["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "mesh", "image": "mesh:1"}));
    let now = web(2, "web:1");
    let alone = live(now.clone(), &[(FLUX, now.clone())]);
    assert_eq!(written(&plan(Some(&manifest), &alone, IGNORING)), Vec::<String>::new());
    let beside = live(now.clone(), &[(FLUX, now.clone()), ("kubectl-edit", json!({"spec": {"replicas": 2}}))]);
    assert!(!written(&plan(Some(&manifest), &beside, IGNORING)).is_empty());
}

#[test]
fn what_only_ignored_managers_or_the_control_plane_wrote_gets_no_manifest() {
    let now = web(2, "web:1");
    let by = |names: &[&str]| live(now.clone(), &names.iter().map(|name| (*name, now.clone())).collect::<Vec<_>>());
    for (managers, is_written) in [
        (&[FLUX][..], false),
        (&[FLUX, "kube-controller-manager"], false),
        (&["kube-controller-manager"], false),
        (&[FLUX, "kubectl-edit"], true),
        (&["kubectl-create"], true),
        (&[], true),
    ] {
        let plan = plan(None, &by(managers), IGNORING);
        assert_eq!(plan.on(Side::Git).next().is_some(), is_written, "{managers:?}");
        assert_eq!(plan.notes.iter().any(|note| note.verb == Verb::Skipped), !is_written, "{managers:?}: {plan:?}");
    }
}

#[test]
fn a_new_manifest_holds_what_people_declared_and_must_be_a_whole() {
    let now = web(3, "web:1");
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:1"}]}}}});
    let theirs = live(now.clone(), &[(FLUX, now.clone()), ("kubectl-set", image.clone())]);
    let left = plan(None, &theirs, IGNORING);
    assert!(left.on(Side::Git).next().is_none() && left.notes[0].reason.contains("wrote most of it"), "{left:?}");

    let mut people = now.clone();
    people["spec"].as_object_mut().unwrap().shift_remove("replicas");
    let replicas = json!({"spec": {"replicas": 3}});
    let plan = plan(None, &live(now, &[("kubectl", people.clone()), (FLUX, replicas)]), IGNORING);
    let Some(Action::Write { object, .. }) = plan.on(Side::Git).next() else { panic!("{plan:?}") };
    assert_eq!(*object, people);
}

#[test]
fn a_stamp_that_stands_in_the_manifest_stays_as_it_is_and_no_other_is_added() {
    let mut manifest = web(2, "web:1");
    manifest["metadata"]["annotations"] =
        json!({"deployment.kubernetes.io/revision": "1", "meta.helm.sh/release-name": "x"});
    let mut now = web(2, "web:1");
    now["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": "7", "argocd.argoproj.io/sync-wave": "2",
        "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"});
    now["metadata"]["labels"] = json!({"kustomize.toolkit.fluxcd.io/name": "shop"});
    let plan = plan(Some(&manifest), &live(now.clone(), &[("kubectl", now)]), "{syncTo: git}");
    assert_eq!(written(&plan), [r#".metadata.annotations["argocd.argoproj.io/sync-wave"]"#]);
}
