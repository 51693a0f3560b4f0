//! What is written to Git, for the kinds that people keep there: each hand-written manifest of `kinds/` is made by `kubectl
//! create`, by client-side and by server-side apply, captured by the real binary, edited, scaled and applied again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod beside;
#[path = "../support/envtest.rs"]
mod envtest;
#[path = "../support/ferry.rs"]
mod ferry;
#[path = "../support/git.rs"]
mod git;
mod kinds;
mod shop;

use std::collections::BTreeMap;

use kubeferry::object::{ApiVersion, FieldPath, Schema, clean, compare, managed};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use kinds::{Kind, Way, kinds};
use shop::Shop;

/// Three of each, in namespaces and names of their own.
const RULES: &str = "
limits: {fileBytes: 1Mi}
rules:
- name: namespaced
  namespaces: ['*-kinds']
  secrets: plain
  resources: [configmaps, secrets, serviceaccounts, services, pods, podtemplates, replicationcontrollers,
    resourcequotas, limitranges, persistentvolumeclaims, deployments, statefulsets, daemonsets, replicasets, jobs,
    cronjobs, horizontalpodautoscalers, poddisruptionbudgets, ingresses, networkpolicies, roles, rolebindings, leases,
    endpointslices, resourceclaimtemplates, applications, releases]
  syncTo: git
- name: cluster-wide
  names: ['*-created', '*-applied', '*-server-side', 'widgets.*.example.com']
  resources: [namespaces, persistentvolumes, storageclasses, csidrivers, priorityclasses, runtimeclasses, clusterroles,
    clusterrolebindings, ingressclasses, validatingwebhookconfigurations, mutatingwebhookconfigurations,
    validatingadmissionpolicies, validatingadmissionpolicybindings, customresourcedefinitions, bundles, flowschemas]
  syncTo: git
";

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn what_people_keep_in_git_is_captured_edited_and_made_again() {
    let shop = Shop::open("kinds", RULES).await;
    let kinds = kinds();
    shop.kubectl(&["apply", "--server-side", "-f", "-"], include_str!("definitions.yaml"));
    let served = ["customresourcedefinition", "--all", "--for", "condition=Established"];
    shop.kubectl(&[&["wait"][..], &served].concat(), "");
    for way in Way::ALL {
        for namespace in [way.namespace(), way.other_namespace()] {
            shop.kubectl(&["create", "namespace", &namespace], "");
        }
        let text = texts(&kinds, |kind| kind.text(way));
        shop.kubectl(&[&["-n", &way.namespace()], way.arguments()].concat(), &text);
    }

    shop.once().await;
    let made = shop.files();
    let before = live(&shop, &made);
    let mut wrong = Vec::new();
    for (kind, way) in each(&kinds) {
        let Some((path, captured)) = find(&made, &kind.object(way)) else {
            wrong.push(format!("{} {way}: not captured", kind.name));
            continue;
        };
        let written = kind.expected(way);
        if sorted(&captured) != sorted(&written) {
            wrong.push(format!("{path}: captured\n{}written\n{}", yaml(&captured), yaml(&written)));
        }
    }
    let known: Vec<_> =
        each(&kinds).filter_map(|(kind, way)| find(&made, &kind.object(way))).map(|(path, _)| path).collect();
    wrong.extend(made.keys().filter(|path| !known.contains(path)).map(|path| format!("{path}: nobody wrote it")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    kept(&shop, &kinds).await;
    shop.repo.replace("main", "Back to what was captured", &borrowed(&made));
    edited(&shop, &kinds, &made).await;
    scaled(&shop, &kinds).await;
    made_again(&shop, &made, &before).await;
}

/// What a person keeps in Git is left as it is, explicit defaults, stamps and spelling included.
async fn kept(shop: &Shop, kinds: &[Kind]) {
    let files = each(kinds).map(|(kind, way)| (format!("by-hand/{way}/{}.yaml", kind.name), kind.in_git(way)));
    let files: BTreeMap<String, String> = files.collect();
    shop.repo.replace("main", "Write by hand", &borrowed(&files));
    shop.once().await;
    let after = shop.files();
    for (path, text) in &files {
        let changed = after.get(path).map(|after| changes(text, after));
        assert!(changed.as_ref().is_some_and(Vec::is_empty), "{path}: {changed:?}");
    }
    assert_eq!(after.len(), files.len());
}

fn borrowed(files: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect()
}

/// Each edit changes the lines that it says, and no other.
async fn edited(shop: &Shop, kinds: &[Kind], made: &BTreeMap<String, String>) {
    let edits: Vec<_> =
        each(kinds).flat_map(|(kind, way)| kind.edits(way).into_iter().map(move |edit| (way, edit))).collect();
    shop.kubectl_all(
        edits.iter().map(|(way, edit)| [vec!["-n".to_owned(), way.namespace()], edit.clone()].concat()).collect(),
    );
    shop.once().await;
    let after = shop.files();
    let mut wrong = Vec::new();
    for (kind, way) in each(kinds) {
        let (path, _) = find(made, &kind.object(way)).unwrap();
        let changed = changes(&made[&path], &after[&path]);
        if changed != kind.changes(way) {
            wrong.push(format!(
                "{path}: changed\n{}\nnot\n{}\nin\n{}",
                changed.join("\n"),
                kind.changes(way).join("\n"),
                after[&path]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Scaling changes one line, also to what would be the default, and to none.
async fn scaled(shop: &Shop, kinds: &[Kind]) {
    for replicas in ["5", "1", "0"] {
        let before = shop.files();
        let scalings = each(kinds).filter_map(|(kind, way)| {
            let object = kind.object(way);
            let target = format!("{}/{}", object["kind"].as_str()?, kind.scaled.as_ref()?);
            let words = ["-n", &way.namespace(), "scale", &target, "--replicas", replicas];
            Some(words.map(ToOwned::to_owned).to_vec())
        });
        shop.kubectl_all(scalings.collect());
        shop.once().await;
        let after = shop.files();
        for (kind, way) in each(kinds) {
            let (path, _) = find(&before, &kind.object(way)).unwrap();
            let changed = changes(&before[&path], &after[&path]);
            if kind.scaled.is_some() {
                let added = changed.last().map(|line| line.starts_with("+   replicas: ") && line.ends_with(replicas));
                let count = changed.iter().filter(|line| line.starts_with('-')).count();
                assert!(added == Some(true) && changed.len() == 1 + count && count < 2, "{path}: {changed:?}");
            } else {
                assert!(changed.is_empty(), "{path}: {changed:?}");
            }
        }
    }
}

/// What was captured is accepted, and gives the same objects where there were none.
async fn made_again(shop: &Shop, made: &BTreeMap<String, String>, before: &BTreeMap<String, Value>) {
    let moved = |text: &str| {
        Way::ALL.iter().fold(text.to_owned(), |text, way| text.replace(&way.namespace(), &way.other_namespace()))
    };
    let is_global =
        |text: &&String| serde_yaml::from_str::<Value>(text).unwrap()["metadata"].get("namespace").is_none();
    let global: Vec<String> = made.values().filter(is_global).cloned().collect();
    // Volumes wait for their claims.
    for way in Way::ALL {
        shop.kubectl(&["-n", &way.namespace(), "delete", "pvc", "--all", "--wait=false"], "");
    }
    shop.kubectl(&["delete", "-f", "-", "--timeout=60s"], &global.join("\n---\n"));
    let texts: Vec<String> = made.values().map(|text| moved(text)).collect();
    // No Pod is accepted without its account, not even for a try.
    let all = texts.join("\n---\n");
    for account in texts.iter().filter(|text| text.starts_with("apiVersion: v1\nkind: ServiceAccount\n")) {
        shop.kubectl(&["apply", "--server-side", "-f", "-"], account);
    }
    shop.kubectl(&["apply", "--dry-run=server", "-f", "-"], &all);
    shop.kubectl(&["apply", "--server-side", "-f", "-"], &all);
    let moved_files = made.iter().map(|(path, text)| (path.clone(), moved(text))).collect();
    let after = live(shop, &moved_files);
    let mut wrong = Vec::new();
    for (path, one) in before {
        let other: Value = serde_json::from_str(
            &Way::ALL
                .iter()
                .fold(after[path].to_string(), |text, way| text.replace(&way.other_namespace(), &way.namespace())),
        )
        .unwrap();
        let schema = shop.schema(one).await;
        let view = schema.view_of(one);
        let is_owned = |path: &FieldPath| {
            [one, &other].iter().any(|live| {
                managed::owners_of(live, path)
                    .iter()
                    .any(|owner| owner.subresource.is_empty() && !is_controller(&owner.name))
            })
        };
        let differences = compare::differences(&clean::for_git(one), &clean::for_git(&other), view);
        let differences: Vec<_> = differences.into_iter().filter(|path| is_owned(path)).collect();
        if !differences.is_empty() {
            wrong.push(format!("{path}: {differences:?}\n{one}\n{other}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn is_controller(name: &str) -> bool {
    name == "kube-controller-manager" || name == "clusterrole-aggregation-controller"
}

fn each(kinds: &[Kind]) -> impl Iterator<Item = (&Kind, Way)> {
    kinds.iter().flat_map(|kind| Way::ALL.into_iter().map(move |way| (kind, way)))
}

fn texts(kinds: &[Kind], text: impl Fn(&Kind) -> String) -> String {
    kinds.iter().map(text).collect::<Vec<_>>().join("\n---\n")
}

/// The live object of each file.
fn live(shop: &Shop, files: &BTreeMap<String, String>) -> BTreeMap<String, Value> {
    let all = files.values().cloned().collect::<Vec<_>>().join("\n---\n");
    let answer = shop.kubectl(&["get", "-f", "-", "-o", "json", "--show-managed-fields"], &all);
    let mut answer: Value = serde_json::from_str(&answer).unwrap();
    let items = answer["items"].as_array_mut().unwrap();
    assert_eq!(items.len(), files.len());
    files.keys().cloned().zip(items.iter_mut().map(Value::take)).collect()
}

/// The file that holds an object, and what it says.
fn find(files: &BTreeMap<String, String>, object: &Value) -> Option<(String, Value)> {
    let named = |value: &Value| {
        ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace"].map(|at| value.pointer(at).cloned())
    };
    files.iter().find_map(|(path, text)| {
        let value: Value = serde_yaml::from_str(text).unwrap();
        (named(&value) == named(object)).then(|| (path.clone(), value))
    })
}

/// Lines that differ, as `diff` marks them.
fn changes(before: &str, after: &str) -> Vec<String> {
    let diff = TextDiff::from_lines(before, after);
    let line = |change: similar::Change<&str>| {
        let mark = match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => return None,
        };
        Some(format!("{mark} {}", change.value().trim_end()))
    };
    diff.iter_all_changes().filter_map(line).collect()
}

fn yaml(value: &Value) -> String {
    serde_yaml::to_string(&sorted(value)).unwrap()
}

/// In one order of keys.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let each: BTreeMap<_, _> = map.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            Value::Object(each.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        scalar => scalar.clone(),
    }
}

/// The schema of the version that an object is in.
pub fn schema_path(object: &Value) -> String {
    let version = ApiVersion::of(object).unwrap();
    let root = if version.group.is_empty() { "api".to_owned() } else { format!("apis/{}", version.group) };
    format!("/openapi/v3/{root}/{}", version.version)
}

/// Reads a schema.
pub fn schema_of(text: &str) -> Schema {
    Schema::from_openapi_text(text.as_bytes()).unwrap()
}
