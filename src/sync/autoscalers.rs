//! Owns which fields of which objects are an autoscaler's to write, as autoscalers in the cluster and in Git say. Must never
//! hold an autoscaler itself.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::manifest::ManifestFile;
use crate::object::{ApiVersion, FieldPath, GroupKind, ObjectId, PathElement, RepoPath};
use crate::rules::{Direction, Rules};

use super::directions::{Directions, Way};
use super::plan::{Note, Plan, Side, Verb};
use super::planner::Subject;

/// Fields of one object that an autoscaler writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aim {
    /// The object.
    pub target: ObjectId,
    /// The autoscaler.
    pub by: ObjectId,
    scales: Scales,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scales {
    Replicas,
    Resources,
}

impl Aim {
    /// What an autoscaler aims at; `None` for any other object, and for one that only recommends.
    pub fn of(object: &Value) -> Option<Self> {
        let by = ObjectId::of(object)?;
        let mode = object.pointer("/spec/updatePolicy/updateMode").and_then(Value::as_str);
        let (pointer, scales) = match (by.group(), by.kind()) {
            ("autoscaling", "HorizontalPodAutoscaler") => ("/spec/scaleTargetRef", Scales::Replicas),
            ("autoscaling.k8s.io", "VerticalPodAutoscaler") if mode != Some("Off") => {
                ("/spec/targetRef", Scales::Resources)
            }
            _ => return None,
        };
        let reference = object.pointer(pointer)?;
        let text = |key: &str| reference.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let group = text("apiVersion").map(ApiVersion::parse).map_or_else(|| "".into(), |version| version.group);
        let kind = GroupKind { group, kind: text("kind")?.into() };
        let target = ObjectId::new(kind, by.namespace()?, text("name")?);
        Some(Self { target, by, scales })
    }

    /// Whether the autoscaler writes this field of its target.
    pub fn covers(&self, path: &FieldPath) -> bool {
        match self.scales {
            Scales::Replicas => *path == FieldPath::fields(["spec", "replicas"]),
            Scales::Resources => {
                let is = |element: Option<&PathElement>, name: &str| element == Some(&PathElement::field(name));
                let elements = path.elements();
                let lists = ["containers", "initContainers"];
                FieldPath::fields(["spec", "template", "spec"]).covers(path)
                    && lists.iter().any(|list| is(elements.get(3), list))
                    && is(elements.get(5), "resources")
            }
        }
    }
}

/// The kinds of autoscalers.
pub fn kinds() -> [GroupKind; 2] {
    [
        GroupKind::new("autoscaling", "HorizontalPodAutoscaler"),
        GroupKind::new("autoscaling.k8s.io", "VerticalPodAutoscaler"),
    ]
}

/// Whether any rule sends fields to the cluster, so that autoscalers matter to it.
pub fn matter_to(rules: &Rules) -> bool {
    let sends = |direction| matches!(direction, Direction::Kubernetes | Direction::Both);
    rules.rules.iter().any(|rule| !rule.suspend && sends(rule.sync_to))
}

/// What the autoscalers of a file aim at. They count from when they stand in Git: a commit may bring an autoscaler and take
/// out what it scales.
pub fn in_file(file: &ManifestFile, bytes: &[u8]) -> Vec<Aim> {
    if memchr::memmem::find(bytes, b"PodAutoscaler").is_none() {
        return Vec::new();
    }
    let is_one = |id: &ObjectId| kinds().contains(id.group_kind());
    let objects = file.objects.iter().filter(|manifest| is_one(&manifest.id));
    objects.filter_map(|manifest| Aim::of(&crate::manifest::read(bytes, &manifest.place).ok()?)).collect()
}

/// Every autoscaler that is known.
#[derive(Debug, Default)]
pub struct Autoscalers {
    live: BTreeMap<ObjectId, Aim>,
    files: BTreeMap<RepoPath, Vec<Aim>>,
}

impl Autoscalers {
    /// Takes in the state of a live object. Returns the objects whose fields have another writer now.
    pub fn see(&mut self, id: &ObjectId, object: &Value) -> Vec<ObjectId> {
        if !kinds().contains(id.group_kind()) {
            return Vec::new();
        }
        let now = Aim::of(object);
        let before = match now.clone() {
            Some(aim) => self.live.insert(id.clone(), aim),
            None => self.live.remove(id),
        };
        if before == now { Vec::new() } else { [before, now].into_iter().flatten().map(|aim| aim.target).collect() }
    }

    /// A live object has gone. Returns the object that it aimed at.
    pub fn lose(&mut self, id: &ObjectId) -> Option<ObjectId> {
        self.live.remove(id).map(|aim| aim.target)
    }

    /// Takes in what a file of the repository holds. Returns the objects whose fields may have another writer now.
    pub fn set_file(&mut self, path: &RepoPath, aims: Vec<Aim>) -> Vec<ObjectId> {
        let targets: Vec<ObjectId> = aims.iter().map(|aim| aim.target.clone()).collect();
        let before = if aims.is_empty() { self.files.remove(path) } else { self.files.insert(path.clone(), aims) };
        before.into_iter().flatten().map(|aim| aim.target).chain(targets).collect()
    }

    /// What autoscalers write of an object, each autoscaler once.
    pub fn of(&self, target: &ObjectId) -> Vec<Aim> {
        let mut found: Vec<Aim> = Vec::new();
        for aim in self.live.values().chain(self.files.values().flatten()).filter(|aim| aim.target == *target) {
            if !found.iter().any(|known| known.by == aim.by) {
                found.push(aim.clone());
            }
        }
        found
    }
}

/// Whether an autoscaler writes this field of the object.
pub(super) fn writes(path: &FieldPath, subject: &Subject<'_>) -> bool {
    subject.autoscaled.iter().any(|aim| aim.covers(path))
}

/// Notes the fields that both Git and an autoscaler write.
pub(super) fn note(plan: &mut Plan, subject: &Subject<'_>, fields: &[FieldPath], directions: &Directions<'_>) {
    for aim in subject.autoscaled {
        let goes = |path: &&FieldPath| aim.covers(path) && matches!(directions.way(path), Way::ToCluster | Way::Both);
        let fields: Vec<FieldPath> = fields.iter().filter(goes).cloned().collect();
        let Some(rule) = fields.first().and_then(|field| directions.of(field).1) else { continue };
        plan.notes.push(Note {
            verb: Verb::Skipped,
            side: Side::Cluster,
            rule: Some(rule.index),
            reason: format!(
                "{} writes it too, and rule {} sets it back: take it out of Git, or let a rule before it send it to Git",
                aim.by, rule.name
            ),
            fields,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn horizontal(name: &str) -> Value {
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "h", "namespace": "shop"},
            "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}}})
    }

    fn vertical(mode: Option<&str>) -> Value {
        json!({"apiVersion": "autoscaling.k8s.io/v1", "kind": "VerticalPodAutoscaler",
            "metadata": {"name": "v", "namespace": "shop"},
            "spec": {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "updatePolicy": {"updateMode": mode}}})
    }

    fn web() -> ObjectId {
        ObjectId::new(GroupKind::new("apps", "Deployment"), "shop", "web")
    }

    #[test]
    fn autoscalers_aim_at_replicas_or_resources() {
        let resources = |list: &str| {
            let key = PathElement::key([("name".into(), crate::object::Scalar::of(&json!("web")).unwrap())]);
            let mut path = FieldPath::fields(["spec", "template", "spec", list]);
            path.push(key);
            ["resources", "requests", "cpu"].iter().for_each(|name| path.push(PathElement::field(name)));
            path
        };
        let replicas = FieldPath::fields(["spec", "replicas"]);
        let aim = Aim::of(&horizontal("web")).unwrap();
        assert_eq!(aim.target, web());
        assert!(aim.covers(&replicas) && !aim.covers(&resources("containers")));
        let aim = Aim::of(&vertical(None)).unwrap();
        assert!(!aim.covers(&replicas) && aim.covers(&resources("containers")) && !aim.covers(&resources("volumes")));
        assert_eq!(Aim::of(&vertical(Some("Off"))), None);
        assert_eq!(Aim::of(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})), None);
    }

    #[test]
    fn targets_are_told_when_their_autoscaler_comes_changes_or_goes() {
        let mut known = Autoscalers::default();
        let id = ObjectId::of(&horizontal("web")).unwrap();
        assert_eq!(known.see(&id, &horizontal("web")), [web()]);
        assert_eq!(known.see(&id, &horizontal("web")), []);
        assert_eq!(known.see(&id, &horizontal("db")).len(), 2);
        assert_eq!((known.of(&web()).len(), known.lose(&id).is_some()), (0, true));
        let path = RepoPath::parse("a.yaml").unwrap();
        let bytes = serde_json::to_vec(&horizontal("web")).unwrap();
        let file = ManifestFile::read(path.clone(), &bytes, &crate::manifest::Caps::default());
        assert_eq!(known.set_file(&path, in_file(&file, &bytes)), [web()]);
        known.see(&id, &horizontal("web"));
        assert_eq!(known.of(&web()).len(), 1, "the same one, in Git and live");
        assert_eq!(known.set_file(&path, Vec::new()), [web()]);
    }
}
