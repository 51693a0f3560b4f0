//! The table of decided cases. Each test names its row of the decisions or its vector of the original controller.

use serde_json::{Value, json};

use super::*;
use crate::manifest::Place;
use crate::object::digest::Digest;
use crate::object::schema::Schema;
use crate::object::{FieldPath, GroupKind, RepoPath};
use crate::repository::BlobId;
use crate::sync::plan::Action;

#[path = "planner_tests/both.rs"]
mod both;
#[path = "planner_tests/fields.rs"]
mod fields;
#[path = "planner_tests/guards.rs"]
mod guards;
#[path = "planner_tests/places.rs"]
mod places;

/// One object, its sides and the rules.
struct Case {
    rules: Rules,
    kind: Kind,
    manifest: Option<Value>,
    live: Option<Value>,
    base: Option<Base>,
    gone: bool,
    unreadable: Option<&'static str>,
    waits: Option<Guard>,
    opted_out: bool,
    withheld: Option<&'static str>,
    fragments: Vec<Fragment>,
    files: TargetFiles,
    tree: Index,
    /// The manifest on which both sides agreed.
    then: Option<Value>,
    past: Past<'static>,
}

const MANAGER: &str = "kubeferry:kubeferry/test";

fn identity() -> Identity {
    Identity { namespace: "kubeferry".into(), name: "test".into(), takes_over: None }
}

fn kind(group: &str, kind: &str, plural: &str) -> Kind {
    Kind {
        group_kind: GroupKind::new(group, kind),
        versions: vec!["v1".into()],
        plural: plural.into(),
        singular: kind.to_lowercase(),
        short_names: Vec::new(),
        namespaced: !matches!(kind, "Namespace" | "CustomResourceDefinition" | "PersistentVolume"),
        verbs: ["get", "list", "watch", "create", "patch", "delete"].map(String::from).to_vec(),
        scalable: kind == "Deployment",
    }
}

fn rules(text: &str) -> Rules {
    crate::rules::load(text, "rules.yaml").unwrap_or_else(|problems| panic!("{problems}")).rules
}

/// Rules that each line `SYNC_TO [KEY: VALUE]...` makes.
fn rule(lines: &[&str]) -> Rules {
    let mut text = "gitUrl: https://git.example.com/a.git\nrules:\n".to_owned();
    for line in lines {
        let (sync_to, more) = line.split_once(' ').unwrap_or((line, ""));
        text.push_str(&format!("  - syncTo: {sync_to}\n"));
        more.split("; ").filter(|more| !more.is_empty()).for_each(|more| text.push_str(&format!("    {more}\n")));
    }
    rules(&text)
}

fn config_map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "shop"}, "data": data})
}

fn deployment(replicas: u32, image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": image}]}}}})
}

/// The object as live, owned by `manager` (an `Apply` entry of everything).
fn live_by(object: &Value, manager: &str) -> Value {
    let schema = Schema::builtin();
    let fields = crate::object::fieldset::FieldSet::of(object, schema.view_of(object)).to_fields_v1();
    let mut live = object.clone();
    let metadata = live["metadata"].as_object_mut().unwrap();
    metadata.insert("uid".into(), "u-1".into());
    metadata.insert("resourceVersion".into(), "7".into());
    metadata.insert(
        "managedFields".into(),
        json!([{"manager": manager, "operation": "Apply",
        "apiVersion": object["apiVersion"], "fieldsType": "FieldsV1", "fieldsV1": fields}]),
    );
    live
}

impl Case {
    fn new(rules: Rules) -> Self {
        Self {
            rules,
            kind: kind("", "ConfigMap", "configmaps"),
            manifest: None,
            live: None,
            base: None,
            gone: false,
            unreadable: None,
            waits: None,
            opted_out: false,
            withheld: None,
            fragments: Vec::new(),
            files: TargetFiles::new(),
            tree: Index::default(),
            then: None,
            past: Past::default(),
        }
    }

    fn of(mut self, group: &str, name: &str, plural: &str) -> Self {
        self.kind = kind(group, name, plural);
        self
    }

    fn deployment(self) -> Self {
        self.of("apps", "Deployment", "deployments")
    }

    fn git(mut self, manifest: Value) -> Self {
        self.manifest = Some(manifest);
        self
    }

    /// Live, applied by us.
    fn ours(mut self, live: Value) -> Self {
        self.live = Some(live_by(&live, MANAGER));
        self
    }

    /// Live, applied by somebody else.
    fn theirs(mut self, live: Value) -> Self {
        self.live = Some(live_by(&live, "somebody"));
        self
    }

    /// Both sides once agreed on this.
    fn agreed(mut self, on: &Value) -> Self {
        let labels = KeptLabels::of(on);
        self.then = Some(on.clone());
        self.base = Some(Base {
            place: Place { path: RepoPath::parse("a.yaml").unwrap(), document: 1, item: Box::default(), line: 1 },
            blob: BlobId([0; 20]),
            manifest: Digest::of_value(on),
            uid: Some("u-1".into()),
            manifest_labels: labels.clone(),
            live_labels: labels,
            existence: Some(0),
            opts_out: false,
            is_whole: true,
        });
        self
    }

    fn gone(mut self) -> Self {
        self.gone = true;
        self
    }

    fn plan(&self) -> Plan {
        self.plan_as(&identity())
    }

    fn plan_as(&self, identity: &Identity) -> Plan {
        self.with_subject(|subject| {
            let plan = plan(subject, &self.rules, identity);
            assert_eq!(plan, super::plan(subject, &self.rules, identity), "planning is deterministic");
            plan
        })
    }

    fn with_subject<T>(&self, take: impl FnOnce(&Subject<'_>) -> T) -> T {
        let object = self.manifest.as_ref().or(self.live.as_ref());
        let fallback = config_map(json!({}));
        let id = ObjectId::of(object.unwrap_or(&fallback)).unwrap();
        let schema = Schema::builtin();
        let subject = Subject {
            id: &id,
            kind: &self.kind,
            git: match (&self.manifest, self.unreadable) {
                (_, Some(reason)) => InGit::Unreadable(reason),
                (Some(manifest), None) => InGit::Present(manifest),
                (None, None) => InGit::Absent,
            },
            live: match &self.live {
                Some(live) => InCluster::Present(live),
                None if self.withheld.is_some() => InCluster::Withheld(self.withheld.unwrap()),
                None if self.gone => InCluster::Gone,
                None => InCluster::Unseen,
            },
            base: self.base.as_ref(),
            answer: None,
            view: schema.view_of(object.unwrap_or(&fallback)),
            namespace_labels: None,
            deletes_wait: self.waits,
            past: Past { manifest: self.then.as_ref(), ..self.past },
            fought: &[],
            opted_out: self.opted_out,
            autoscaled: &[],
            around: Surroundings { fragments: &self.fragments, files: Some(&self.files), tree: Some(&self.tree) },
        };
        take(&subject)
    }

    /// The plan in words: one for each action, then one for each note.
    fn words(&self) -> Vec<String> {
        let plan = self.plan();
        let action = |action: &Action| match action {
            Action::Release { fields, .. } => format!("release {fields:?}"),
            Action::Apply { changed, .. } => format!("apply {changed:?}"),
            Action::Strip { fields, .. } => format!("strip {fields:?}"),
            Action::Create { release, .. } => format!("create, release {release:?}"),
            Action::Delete { .. } => "delete".to_owned(),
            Action::Recreate { .. } => "recreate".to_owned(),
            Action::Write { path, .. } => format!("write {path}"),
            Action::Edit { changed, .. } => format!("edit {changed:?}"),
            Action::Remove { .. } => "remove".to_owned(),
            Action::WritePatch { path, kustomization: None, changed, .. } => format!("patch {path} {changed:?}"),
            Action::WritePatch { path, kustomization: Some(by), .. } => format!("patch {path} in {by}"),
            Action::EditPatch { place, changed, .. } => format!("edit {} {changed:?}", place.path),
            Action::ListPatch { patch, kustomization, .. } => format!("list {patch} in {kustomization}"),
            Action::Set { path, values, .. } => {
                let value = |(steps, value): &(Vec<crate::manifest::Step>, Option<Value>)| {
                    format!("{}={}", crate::manifest::shown(steps), value.clone().unwrap_or_default())
                };
                format!("set {path} {}", values.iter().map(value).collect::<Vec<_>>().join(" "))
            }
        };
        plan.actions.iter().map(action).chain(plan.notes.iter().map(|note| note.verb.to_string())).collect()
    }

    fn applied(&self) -> Value {
        let actions = self.plan().actions;
        actions
            .into_iter()
            .find_map(|action| match action {
                Action::Apply { object, .. } | Action::Create { object, .. } => Some(object),
                _ => None,
            })
            .expect("an apply")
    }

    fn written(&self) -> Value {
        let actions = self.plan().actions;
        actions
            .into_iter()
            .find_map(|action| match action {
                Action::Edit { wanted: object, .. }
                | Action::EditPatch { wanted: object, .. }
                | Action::WritePatch { object, .. }
                | Action::Write { object, .. } => Some(object),
                _ => None,
            })
            .expect("a write")
    }
}

// --- The reconcile vectors of the original controller ---

#[test]
fn vector_a_git_rule_adds_what_only_the_cluster_has() {
    let case = Case::new(rule(&["git"])).theirs(config_map(json!({"a": "1"})));
    assert_eq!(case.words(), ["write shop/ConfigMap/settings.yaml"]);
    assert_eq!(case.written(), config_map(json!({"a": "1"})));
}

#[test]
fn vector_a_kubernetes_rule_adds_what_only_git_has() {
    let case = Case::new(rule(&["kubernetes"])).git(config_map(json!({"a": "1"})));
    assert_eq!(case.words(), ["create, release []"]);
    assert_eq!(case.applied(), config_map(json!({"a": "1"})));
}

#[test]
fn vector_a_git_rule_removes_the_manifest_of_what_has_gone() {
    let object = config_map(json!({"a": "1"}));
    let case = || Case::new(rule(&["git"])).git(object.clone()).gone();
    // Deliberate difference: what never agreed is kept and reported. The original's answer is `prune: matching`.
    assert_eq!(case().words(), ["missing"]);
    assert_eq!(case().agreed(&object).words(), ["remove"]);
    let matching = Case::new(rule(&["git prune: matching"])).git(object.clone()).gone();
    assert_eq!(matching.words(), ["remove"]);
}

#[test]
fn vector_a_kubernetes_rule_deletes_what_git_lacks() {
    let object = config_map(json!({"a": "1"}));
    // Deliberate difference: what this instance never applied is left and reported.
    assert_eq!(Case::new(rule(&["kubernetes"])).ours(object.clone()).words(), ["not-ours"]);
    assert_eq!(Case::new(rule(&["kubernetes"])).theirs(object.clone()).agreed(&object).words(), ["skipped"]);
    assert_eq!(Case::new(rule(&["kubernetes"])).ours(object.clone()).agreed(&object).words(), ["delete"]);
    assert_eq!(Case::new(rule(&["kubernetes prune: matching"])).theirs(object.clone()).words(), ["delete"]);
}

#[test]
fn vector_a_git_rule_updates_git() {
    let case = Case::new(rule(&["git"])).git(config_map(json!({"a": "1"}))).theirs(config_map(json!({"a": "2"})));
    assert_eq!(case.words(), ["edit [.data.a]"]);
    assert_eq!(case.written(), config_map(json!({"a": "2"})));
}

#[test]
fn vector_a_kubernetes_rule_updates_the_cluster() {
    let case = Case::new(rule(&["kubernetes"])).git(config_map(json!({"a": "1"}))).ours(config_map(json!({"a": "2"})));
    assert_eq!(case.words(), ["apply [.data.a]"]);
    assert_eq!(case.applied(), config_map(json!({"a": "1"})));
}

#[test]
fn vector_the_first_of_two_opposite_rules_wins() {
    let sides = |rules| Case::new(rules).git(config_map(json!({"a": "1"}))).ours(config_map(json!({"a": "2"})));
    assert_eq!(sides(rule(&["git", "kubernetes"])).words(), ["release [.data.a]", "edit [.data.a]"]);
    assert_eq!(sides(rule(&["kubernetes", "git"])).words(), ["apply [.data.a]"]);
}

#[test]
fn vector_no_rule_leaves_everything_untouched() {
    let case = Case::new(rule(&["git resources: [secrets]"]))
        .git(config_map(json!({"a": "1"})))
        .ours(config_map(json!({"a": "2"})));
    let plan = case.plan();
    assert!(!plan.selected && plan.actions.is_empty() && plan.notes.is_empty());
}

#[test]
fn vector_a_rule_with_labels_creates() {
    let mut object = config_map(json!({}));
    object["metadata"]["labels"] = json!({"app": "web"});
    let case = Case::new(rule(&["kubernetes labels: app=web"])).git(object);
    assert_eq!(case.words(), ["create, release []"]);
}

#[test]
fn vector_nothing_on_either_side_is_no_crash() {
    assert!(Case::new(rule(&["git"])).words().is_empty());
}

#[test]
fn vector_a_filtered_kubernetes_rule_touches_its_fields_only() {
    let with = |annotations: Value, labels: Value| {
        let mut object = config_map(json!({}));
        object["metadata"]["annotations"] = annotations;
        object["metadata"]["labels"] = labels;
        object
    };
    let case = Case::new(rule(&["kubernetes filters: [/metadata/labels]"]))
        .git(with(json!({"note": "git"}), json!({"team": "shop"})))
        .theirs(with(json!({"note": "live"}), json!({})));
    assert_eq!(case.words(), ["apply [.metadata.labels.team]"]);
    assert_eq!(
        case.applied()["metadata"],
        json!({"name": "settings", "namespace": "shop", "labels": {"team": "shop"}})
    );
}

#[test]
fn vector_a_filtered_git_rule_touches_its_fields_only() {
    let with = |annotations: Value, labels: Value| {
        let mut object = config_map(json!({}));
        object["metadata"]["annotations"] = annotations;
        object["metadata"]["labels"] = labels;
        object
    };
    let case = Case::new(rule(&["git filters: [/metadata/labels]"]))
        .git(with(json!({"note": "git"}), json!({})))
        .theirs(with(json!({"note": "live"}), json!({"team": "shop"})));
    assert_eq!(case.written(), with(json!({"note": "git"}), json!({"team": "shop"})));
}

// --- Rules and existence ---

#[test]
fn decision_1_a_rule_with_filters_never_decides_existence() {
    for rules in [rule(&["git filters: [/data]"]), rule(&["kubernetes filters: [/data]"])] {
        let object = config_map(json!({"a": "1"}));
        assert_eq!(Case::new(rules.clone()).git(object.clone()).agreed(&object).gone().words(), ["skipped"]);
        assert_eq!(Case::new(rules).ours(object.clone()).agreed(&object).words(), ["skipped"]);
    }
}

#[test]
fn decision_2_the_rule_that_held_an_object_carries_a_change_of_labels_through() {
    let labelled = |value: &str, app: Option<&str>| {
        let mut object = config_map(json!({"a": value}));
        if let Some(app) = app {
            object["metadata"]["labels"] = json!({"app": app});
        }
        object
    };
    let rules = || rule(&["kubernetes labels: app=web"]);
    let before = labelled("1", Some("web"));
    // The label leaves Git: the rule still applies that, and only then lets go.
    let leaving = Case::new(rules()).git(labelled("1", None)).ours(before.clone()).agreed(&before);
    assert_eq!(leaving.words(), [r#"apply [.metadata.labels.app]"#]);
    let left = Case::new(rules()).git(labelled("1", None)).ours(labelled("1", None)).agreed(&before);
    assert!(!left.plan().selected);
}

#[test]
fn decision_3_a_suspended_rule_still_covers_its_fields() {
    let case = Case::new(rule(&["git suspend: true; filters: [/spec/replicas]", "kubernetes"]))
        .deployment()
        .git(deployment(2, "web:2"))
        .ours(deployment(5, "web:1"));
    let applied = case.applied();
    assert_eq!(applied["spec"]["replicas"], 5, "left out of the apply it would fall to 1");
    assert_eq!(applied["spec"]["template"]["spec"]["containers"][0]["image"], "web:2");
    assert!(!case.plan().actions.iter().any(|action| matches!(action, Action::Edit { .. } | Action::Release { .. })));
}

#[test]
fn decision_3_a_suspended_rule_keeps_what_we_own_and_nothing_of_others() {
    let with = |image: &str, path: Option<&str>| {
        let mut object = deployment(1, image);
        if let Some(path) = path {
            object["spec"]["template"]["spec"]["containers"][0]["terminationMessagePath"] = path.into();
        }
        object
    };
    let mut case = Case::new(rule(&["git suspend: true; filters: [/spec/template]", "kubernetes"]))
        .deployment()
        .git(deployment(3, "web:2"))
        .ours(with("web:1", None));
    case.live.as_mut().unwrap()["spec"] = with("web:1", Some("/theirs"))["spec"].clone();
    let container = &case.applied()["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(*container, json!({"name": "web", "image": "web:1"}));
}

#[test]
fn decision_3_a_suspended_rule_takes_nothing_over_where_we_own_a_part_of_it() {
    let widget = |spec: Value| {
        json!({"apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": {"name": "w", "namespace": "shop"}, "spec": spec})
    };
    let lines = ["kubernetes filters: [/spec/nested]", "git suspend: true; filters: [/spec]", "kubernetes"];
    let whole = widget(json!({"size": 1, "nested": {"x": "1"}}));
    let mut case = Case::new(rule(&lines))
        .of("example.com", "Widget", "widgets")
        .git(whole.clone())
        .ours(widget(json!({"nested": {"x": "1"}})));
    case.live.as_mut().unwrap()["spec"] = whole["spec"].clone();
    assert!(case.words().is_empty() || case.words() == ["skipped"], "{:?}", case.words());
}

#[test]
fn decision_20_a_key_of_an_item_that_others_hold_is_not_taken_out_of_it() {
    let service = |ports: Value| {
        json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop"}, "spec": {"ports": ports}})
    };
    let both = service(json!([{"name": "a", "port": 1}, {"name": "b", "port": 2}]));
    let mut case = Case::new(rule(&["kubernetes"]))
        .of("", "Service", "services")
        .git(service(json!([{"name": "a", "port": 1}])))
        .ours(both.clone());
    let entry = |manager: &str, field: &str| {
        json!({"manager": manager, "operation": "Update", "apiVersion": "v1",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:ports": {r#"k:{"port":2,"protocol":"TCP"}"#: {field: {}}}}}})
    };
    let entries = case.live.as_mut().unwrap()["metadata"]["managedFields"].as_array_mut().unwrap();
    entries.extend([entry("kubectl-create", "f:port"), entry("flux", "f:nodePort")]);
    let words = case.words();
    assert!(!words.iter().any(|word| word.starts_with("strip")), "{words:?}");
}

#[test]
fn a_zero_value_that_the_server_drops_stays_in_the_manifest() {
    let mut manifest = deployment(2, "web:1");
    manifest["spec"]["template"]["spec"]["hostNetwork"] = false.into();
    let case = Case::new(rule(&["git"])).deployment().git(manifest.clone()).theirs(deployment(5, "web:1"));
    manifest["spec"]["replicas"] = 5.into();
    assert_eq!(case.written(), manifest);
}

#[test]
fn decision_9_what_may_hide_a_manifest_is_no_absence() {
    let object = config_map(json!({"a": "1"}));
    let mut case = Case::new(rule(&["kubernetes"])).ours(object.clone()).agreed(&object);
    case.unreadable = Some("shop.yaml: merge markers at line 3");
    assert_eq!(case.words(), ["held"]);
    let mut case = Case::new(rule(&["git"])).ours(object);
    case.unreadable = Some("shop.yaml: merge markers at line 3");
    assert_eq!(case.words(), ["held"]);
}

#[test]
fn decision_10_an_object_that_is_being_deleted_gets_no_action() {
    let mut case =
        Case::new(rule(&["kubernetes"])).git(config_map(json!({"a": "1"}))).ours(config_map(json!({"a": "2"})));
    case.live.as_mut().unwrap()["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    assert_eq!(case.words(), ["pending"]);
}

#[test]
fn secrets_reach_git_only_when_a_rule_says_so() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key", "namespace": "shop"},
        "type": "Opaque", "data": {"k": "czNjcjN0"}});
    let case = |rules| Case::new(rules).of("", "Secret", "secrets");
    assert_eq!(case(rule(&["git"])).theirs(secret.clone()).words(), ["skipped"]);
    let mut changed = secret.clone();
    changed["data"]["k"] = "bmV3".into();
    assert_eq!(case(rule(&["git"])).git(secret.clone()).theirs(changed.clone()).words(), ["skipped"]);
    assert_eq!(case(rule(&["git secrets: plain"])).git(secret.clone()).theirs(changed).words(), ["edit [.data.k]"]);
    assert_eq!(case(rule(&["kubernetes"])).git(secret).words(), ["create, release []"]);
}
