//! Owns the execution of the cluster half of a plan, one object at a time. Must never retry what the API server refused
//! for good, nor write from a state older than the response to its own last write.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::cluster::{Cluster, ClusterError, DeleteRequest};
use crate::object::schema::{Schema, SchemaView};
use crate::object::{FieldPath, FieldSet, ObjectId, PathElement, Scalar, compare, managed};

use super::base::Answer;
use super::fights::Wrote;
use super::past::{Apart, Then};
use super::plan::Action;
use super::planner::Identity;
use super::to_cluster;
use super::writer::{Fence, Writer};

/// How often a write that met a newer object is tried again at once.
const TRIES: usize = 3;

/// What came of the cluster actions of one plan.
#[derive(Debug)]
pub struct Acted {
    /// The object.
    pub id: ObjectId,
    /// Actions that were carried out, in order.
    pub done: Vec<Action>,
    /// Whether the object was created rather than changed.
    pub created: bool,
    /// The live object after the last write; `None` when it was deleted or nothing was written.
    pub live: Option<Value>,
    /// Fields whose values an apply changed.
    pub wrote: Vec<Wrote>,
    /// What admission made of the object that was applied last.
    pub answer: Option<Answer>,
    /// Fields of which the API server made something else.
    pub apart: Vec<Apart>,
    /// The action that failed.
    pub failed: Option<Action>,
    /// Why the rest was not carried out.
    pub error: Option<ClusterError>,
    /// Whether that is because we lost the right to write.
    pub is_fenced: bool,
}

/// The cluster actions of one plan.
#[derive(Debug, Default)]
pub struct Task {
    /// The version that patches and reads go through; the preferred one when `None`.
    pub version: Option<String>,
    /// Schema of the kind.
    pub schema: Schema,
    /// The object as it was planned.
    pub live: Option<Value>,
    /// What to do, in order.
    pub actions: Vec<Action>,
    /// Whether a rule asks which side changed a field: then it matters what the API server makes of each.
    pub compares: bool,
}

/// Carries the actions out in order and stops at the first that fails. `fence` is asked before each write.
pub async fn act<C: Cluster>(
    (cluster, fence): (Arc<C>, Option<Fence>),
    identity: Arc<Identity>,
    id: ObjectId,
    task: Task,
) -> Acted {
    let Task { version, schema, mut live, actions, compares } = task;
    let mut done = Vec::new();
    let (mut answer, mut changes, mut apart) = (None, Vec::new(), Vec::new());
    let created = actions.iter().any(|action| matches!(action, Action::Create { .. }));
    let writer = Writer::new(&*cluster, &id, version.as_deref(), fence);
    let step = Step { writer: &writer, identity: &identity, id: &id };
    let (mut failed, mut error) = (None, None);
    for action in actions {
        let view = match &live {
            Some(live) => schema.view_of(live),
            None => SchemaView::unknown(),
        };
        match step.take(&action, live.clone(), view).await {
            Ok(after) => {
                if let Action::Apply { changed, .. } = &action {
                    changes.extend(Wrote::all(changed, live.as_ref(), after.as_ref(), view));
                }
                live = after;
                if let (Action::Apply { object, .. }, Some(live)) = (&action, &live) {
                    answer = to_cluster::other_answer(object, live, schema.view_of(live));
                }
                if let (true, Some(live)) = (compares, &live) {
                    apart.extend(answers(&action, live, schema.view_of(live)));
                }
                done.push(action);
            }
            Err(why) => {
                (failed, error) = (Some(action), Some(why));
                break;
            }
        }
    }
    let is_fenced = writer.is_fenced();
    Acted { id, done, created, live, wrote: changes, answer, apart, failed, error, is_fenced }
}

/// The fields of which the API server, or a webhook, made something else than what was asked for.
fn answers(action: &Action, live: &Value, view: SchemaView<'_>) -> Vec<Apart> {
    let (object, mut paths) = match action {
        Action::Apply { object, changed, .. } => (object, changed.clone()),
        Action::Create { object, .. } => (object, Vec::new()),
        Action::Strip { fields, .. } => (&Value::Null, fields.clone()),
        _ => return Vec::new(),
    };
    if !object.is_null() {
        paths.extend(to_cluster::differences(object, live, view));
        paths.sort();
        paths.dedup();
    }
    let apart = |path: &FieldPath| {
        let (asked, made) = (compare::get(object, path, view), compare::get(live, path, view));
        let is_same = match (asked, made) {
            (Some(asked), Some(made)) => compare::same(asked, made, view),
            (asked, made) => asked.is_none() && made.is_none(),
        };
        (!is_same).then(|| Apart::new(path.clone(), Then::of(asked), Then::of(made)))
    };
    paths.iter().filter_map(apart).collect()
}

struct Step<'a, C> {
    writer: &'a Writer<'a, C>,
    identity: &'a Identity,
    id: &'a ObjectId,
}

impl<C: Cluster> Step<'_, C> {
    async fn take(
        &self,
        action: &Action,
        live: Option<Value>,
        view: SchemaView<'_>,
    ) -> Result<Option<Value>, ClusterError> {
        match action {
            Action::Create { object, release, .. } => {
                let live = self.writer.create(object.clone()).await?;
                self.release(live, release).await
            }
            Action::Apply { object, changed, force, unless_changed: true, .. } => {
                let live = self.apply_unless_changed(live.unwrap_or_default(), object, changed, *force, view).await?;
                self.drop_former(live).await
            }
            Action::Apply { object, force, .. } => {
                let live = self.writer.apply(&live.unwrap_or_default(), object.clone(), *force, false).await?;
                self.drop_former(live).await
            }
            Action::Release { fields, .. } => self.release(live.unwrap_or_default(), fields).await,
            Action::Strip { fields, .. } => self.strip(live.unwrap_or_default(), fields, view).await,
            Action::Delete { uid, version, .. } => self.delete(uid, version.as_deref()).await.map(|()| None),
            Action::Recreate { uid, .. } => self.delete(uid, None).await.map(|()| None),
            Action::Write { .. }
            | Action::Edit { .. }
            | Action::Remove { .. }
            | Action::WritePatch { .. }
            | Action::EditPatch { .. }
            | Action::ListPatch { .. }
            | Action::Set { .. } => Ok(live),
        }
    }

    /// Applies to the object as it was seen. What somebody changed meanwhile may be theirs to decide: that is planned again.
    async fn apply_unless_changed(
        &self,
        mut live: Value,
        object: &Value,
        fields: &[FieldPath],
        force: bool,
        view: SchemaView<'_>,
    ) -> Result<Value, ClusterError> {
        let before = live.clone();
        let is_same = |live: &Value| {
            let text = |live: &Value, pointer: &str| live.pointer(pointer).cloned();
            text(live, "/metadata/uid") == text(&before, "/metadata/uid")
                && fields.iter().all(|path| compare::get(live, path, view) == compare::get(&before, path, view))
        };
        let mut last = ClusterError::Changed(format!("{} keeps moving", self.id));
        for _ in 0..TRIES {
            match self.writer.apply(&live, object.clone(), force, true).await {
                Err(error @ ClusterError::Changed(_)) => last = error,
                outcome => return outcome,
            }
            live = match self.writer.get().await? {
                Some(live) if is_same(&live) => live,
                _ => return Err(last),
            };
        }
        Err(last)
    }

    async fn release(&self, mut live: Value, fields: &[FieldPath]) -> Result<Option<Value>, ClusterError> {
        if fields.is_empty() {
            return Ok(Some(live));
        }
        let released = FieldSet::from_paths(fields);
        let managers = [Some(self.identity.manager()), self.identity.former_manager()];
        for manager in managers.into_iter().flatten() {
            let patch_of = |live: &Value| managed::release(live, &manager, &released);
            live = self.patch_until_done(live, patch_of).await?;
        }
        Ok(Some(live))
    }

    /// Removes the entry of the identity that was taken over, once ours owns what it owned.
    async fn drop_former(&self, live: Value) -> Result<Option<Value>, ClusterError> {
        let Some(former) = self.identity.former_manager() else { return Ok(Some(live)) };
        self.patch_until_done(live, |live| removal_of_entry(live, &former)).await.map(Some)
    }

    async fn strip(
        &self,
        live: Value,
        fields: &[FieldPath],
        view: SchemaView<'_>,
    ) -> Result<Option<Value>, ClusterError> {
        let before = live.clone();
        let patch_of = |live: &Value| {
            let within = |path: &FieldPath| fields.iter().any(|field| field != path && field.covers(path));
            let mut removals: Vec<(String, &Value)> = fields
                .iter()
                .filter(|path| compare::get(live, path, view) == compare::get(&before, path, view) && !within(path))
                .filter_map(|path| Some((pointer(live, path, view)?, compare::get(live, path, view)?)))
                .collect();
            // Positions in lists hold until something before them goes.
            removals.sort_by(|(a, _), (b, _)| positions(b).cmp(&positions(a)));
            let operations: Vec<Value> = removals
                .into_iter()
                .flat_map(|(pointer, value)| {
                    [json!({"op": "test", "path": pointer, "value": value}), json!({"op": "remove", "path": pointer})]
                })
                .collect();
            (!operations.is_empty()).then_some(Value::Array(operations))
        };
        self.patch_until_done(live, patch_of).await.map(Some)
    }

    /// Patches until there is nothing left to patch; when the object moved meanwhile it is read again.
    async fn patch_until_done(
        &self,
        mut live: Value,
        patch_of: impl Fn(&Value) -> Option<Value>,
    ) -> Result<Value, ClusterError> {
        let mut refused = None;
        for _ in 0..TRIES {
            let Some(patch) = patch_of(&live) else { return Ok(live) };
            match self.writer.patch(patch).await {
                Ok(after) => live = after,
                Err(error @ (ClusterError::Invalid(_) | ClusterError::Changed(_))) => {
                    refused = Some(error);
                    live = match self.writer.get().await? {
                        Some(live) => live,
                        None => return Err(ClusterError::NotFound(self.id.to_string())),
                    };
                }
                Err(error) => return Err(error),
            }
        }
        match (patch_of(&live), refused) {
            (None, _) => Ok(live),
            (Some(_), Some(error)) => Err(error),
            (Some(_), None) => Err(ClusterError::Changed(format!("{} keeps moving", self.id))),
        }
    }

    async fn delete(&self, uid: &str, version: Option<&str>) -> Result<(), ClusterError> {
        let mut last = None;
        for _ in 0..TRIES {
            let Some(live) = self.writer.get().await? else { return Ok(()) };
            let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            if text("/metadata/uid") != uid {
                return Err(ClusterError::Invalid(format!("{} was made anew in the meantime; it is left", self.id)));
            }
            if version.is_some_and(|version| text("/metadata/resourceVersion") != version) {
                return Err(ClusterError::Changed(format!("{} changed in the meantime; it is planned again", self.id)));
            }
            let request = DeleteRequest {
                id: self.id.clone(),
                uid: uid.to_owned(),
                resource_version: text("/metadata/resourceVersion").to_owned(),
            };
            match self.writer.delete(request).await {
                Err(error @ ClusterError::Changed(_)) => last = Some(error),
                outcome => return outcome,
            }
        }
        last.map_or(Ok(()), Err)
    }
}

/// JSON pointer of a field in this very object: items of lists by their position.
fn pointer(object: &Value, path: &FieldPath, view: SchemaView<'_>) -> Option<String> {
    let mut pointer = String::new();
    let mut at = (object, view);
    for element in path.elements() {
        let (token, below) = match element {
            PathElement::Field(name) => (name.replace('~', "~0").replace('/', "~1"), at.0.get(&**name)?),
            _ => {
                let position = at.0.as_array()?.iter().position(|item| is_item(item, element, at.1))?;
                (position.to_string(), at.0.get(position)?)
            }
        };
        pointer.push('/');
        pointer.push_str(&token);
        at = (below, at.1.below(element));
    }
    Some(pointer)
}

/// A pointer in an order in which list items stand by their position.
fn positions(pointer: &str) -> Vec<(usize, &str)> {
    pointer.split('/').map(|token| (token.parse().unwrap_or_default(), token)).collect()
}

fn is_item(item: &Value, element: &PathElement, list: SchemaView<'_>) -> bool {
    match element {
        PathElement::Value(value) => Scalar::of(item).as_ref() == Some(value),
        _ => list.item_key(item).as_ref() == Some(element),
    }
}

/// JSON patch that removes the `Apply` entry of a manager; `None` when there is none.
fn removal_of_entry(live: &Value, manager: &str) -> Option<Value> {
    let entries = live.pointer("/metadata/managedFields")?.as_array()?;
    let text = |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
    let is_it = |entry: &Value| {
        text(entry, "manager").as_deref() == Some(manager) && text(entry, "operation").as_deref() == Some("Apply")
    };
    let position = entries.iter().position(is_it)?;
    let entry = format!("/metadata/managedFields/{position}");
    Some(json!([
        {"op": "test", "path": format!("{entry}/manager"), "value": manager},
        {"op": "test", "path": format!("{entry}/operation"), "value": "Apply"},
        {"op": "remove", "path": entry},
    ]))
}
