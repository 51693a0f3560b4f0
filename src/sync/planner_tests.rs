//! The table of decided cases. Each test names its row of the decisions or its vector of the original controller.

use serde_json::{Value, json};

use super::*;
use crate::manifest::Place;
use crate::object::digest::Digest;
use crate::object::schema::Schema;
use crate::object::{FieldPath, GroupKind, RepoPath, clean};
use crate::repository::BlobId;
use crate::sync::plan::Action;

#[path = "planner_tests/both.rs"]
mod both;
#[path = "planner_tests/existence.rs"]
mod existence;
#[path = "planner_tests/fields.rs"]
mod fields;
#[path = "planner_tests/guards.rs"]
mod guards;
#[path = "planner_tests/places.rs"]
mod places;
#[path = "planner_tests/settled.rs"]
mod settled_at_a_glance;
#[path = "planner_tests/vectors.rs"]
mod vectors;

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
