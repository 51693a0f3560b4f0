//! Owns what a run without consequences finds: for each object the text before and after, on the side that would change.
//! Must never write: the API server is only asked to try.

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::manifest::{self, Place};
use crate::object::{ApiVersion, FieldPath, ObjectId, clean};
use crate::report::{Side, Verb};
use crate::repository::Remote;

use super::super::clock::Clock;
use super::super::observe::Observed;
use super::super::plan::{Action, Plan, changes_of_value};
use super::compose::shown;
use super::removing::own_text;
use super::{Done, Engine};

/// One difference between the sides.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The object.
    pub id: ObjectId,
    /// The side that would change.
    pub side: Side,
    /// What would happen.
    pub verb: Verb,
    /// Name of the deciding rule.
    pub rule: String,
    /// Where the text is from, and what it becomes: `live ...` or `git FILE:LINE`.
    pub place: String,
    /// The text now; `None` when there is none.
    pub before: Option<Value>,
    /// The text afterwards; `None` when there is none.
    pub after: Option<Value>,
    /// The very text that would be edited, and as it would be; `None` where there is none yet, or where it may show a Secret.
    pub texts: Option<(String, String)>,
    /// Whether a whole manifest is written or removed.
    pub is_manifest: bool,
    /// Fields that become ours and keep their value.
    pub adopted: Vec<FieldPath>,
    /// Why it could not be tried.
    pub error: Option<String>,
}

impl Preview {
    /// Nothing that would happen yet to an object.
    pub(super) fn of(id: ObjectId, side: Side) -> Self {
        let (rule, place) = (String::new(), String::new());
        let (before, after, texts, error) = (None, None, None, None);
        let (verb, adopted) = (Verb::Configured, Vec::new());
        Self { id, side, verb, rule, place, before, after, texts, is_manifest: false, adopted, error }
    }
}

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    pub(super) fn preview(&mut self, plan: Plan, observed: Observed) {
        let place = observed.manifest.as_ref().map(|(place, ..)| format!("git {}", shown(place)));
        for action in plan.actions {
            let rule = action.rule().and_then(|rule| self.rules.rules.get(rule)).map(|rule| rule.name.clone());
            let mut preview = Preview {
                rule: rule.unwrap_or_default(),
                place: format!("live {}", plan.id),
                before: observed.live.as_ref().map(clean::for_git),
                ..Preview::of(plan.id.clone(), action.side())
            };
            match action {
                Action::Apply { object, changed, adopted, .. } => {
                    if changes_of_value(&changed, &adopted).next().is_none() {
                        preview.verb = Verb::Adopted;
                    }
                    preview.adopted = adopted;
                    self.try_apply(preview, object, &observed);
                }
                Action::Create { object, .. } => {
                    if preview.before.is_none() {
                        preview.verb = Verb::Created;
                    }
                    self.try_apply(preview, object, &observed);
                }
                // Shown when it is known whether it goes.
                Action::Delete { uid, rule, .. } => {
                    self.doomed_texts.extend(preview.before.map(|text| (plan.id.clone(), text)));
                    self.doomed.insert(plan.id.clone(), (rule, uid));
                }
                Action::Recreate { .. } => {
                    self.previews.push(Preview { verb: Verb::Deleted, ..preview });
                }
                // Ownership moves, no value does.
                Action::Release { .. } | Action::Strip { .. } => {}
                Action::Write { object, path, .. } => {
                    let place = format!("git {path}");
                    self.previews.push(Preview {
                        verb: Verb::Written,
                        place,
                        before: None,
                        after: Some(object),
                        is_manifest: true,
                        ..preview
                    });
                }
                Action::Edit { wanted, .. } => {
                    let before = observed.manifest.as_ref().map(|(_, _, manifest)| manifest.clone());
                    let file = observed.manifest.as_ref().map(|(place, bytes, _)| (place, bytes));
                    preview.texts = file.and_then(|(place, bytes)| edited(&observed, place, bytes, &wanted));
                    let place = place.clone().unwrap_or_default();
                    self.previews.push(Preview { verb: Verb::Written, place, before, after: Some(wanted), ..preview });
                }
                Action::WritePatch { object, path, .. } => {
                    let place = format!("git {path}");
                    let after = Some(object);
                    self.previews.push(Preview { verb: Verb::Written, place, before: None, after, ..preview });
                }
                Action::EditPatch { place, wanted, .. } => {
                    let before = observed.fragments.iter().find(|fragment| fragment.place == place);
                    let before = before.map(|fragment| fragment.value.clone());
                    let bytes = observed.texts.get(&place.path);
                    preview.texts = bytes.and_then(|bytes| edited(&observed, &place, bytes, &wanted));
                    let place = format!("git {}", shown(&place));
                    self.previews.push(Preview { verb: Verb::Written, place, before, after: Some(wanted), ..preview });
                }
                Action::ListPatch { patch, kustomization, .. } => {
                    let place = format!("git {kustomization}");
                    let after = Some(json!({"patches": [{"path": patch.as_str()}]}));
                    self.previews.push(Preview { verb: Verb::Written, place, before: None, after, ..preview });
                }
                Action::Set { path, values, .. } => {
                    let file = observed.files.as_ref().and_then(|files| files.get(&path));
                    let before = file.and_then(|file| file.says.clone().ok().flatten());
                    let (before, after) = whole_or_masked(&plan.id, before, &values);
                    preview.texts = observed.texts.get(&path).filter(|_| !is_secret(&plan.id)).and_then(|bytes| {
                        let after = manifest::set(bytes, &path, &values).ok()?;
                        texts(bytes, &after)
                    });
                    let place = format!("git {path}");
                    self.previews.push(Preview { verb: Verb::Written, place, before, after, ..preview });
                }
                Action::Remove { rule } => {
                    let before = observed.manifest.as_ref().map(|(_, _, manifest)| manifest.clone());
                    let place = place.clone().unwrap_or_default();
                    let preview = Preview { verb: Verb::Removed, place, before, is_manifest: true, ..preview };
                    self.previewed_removals.entry(rule).or_default().insert(plan.id.clone(), preview);
                }
            }
        }
    }

    fn try_apply(&mut self, mut preview: Preview, object: Value, observed: &Observed) {
        let id = preview.id.clone();
        self.flights.insert(id.clone(), false);
        let cluster = self.cluster.clone();
        let same_version = observed.live.as_ref().is_none_or(|live| ApiVersion::of(live) == ApiVersion::of(&object));
        self.run(Box::pin(async move {
            match cluster.apply(&id, object.clone(), true, true).await {
                Ok(after) if same_version => preview.after = Some(clean::for_git(&after)),
                Ok(_) => preview.after = Some(object),
                Err(error) => {
                    preview.after = Some(clean::for_git(&object));
                    preview.error = Some(error.to_string());
                }
            }
            Done::Previewed(Box::new(preview))
        }));
    }

    pub(super) fn previewed(&mut self, preview: Preview) {
        self.flights.remove(&preview.id);
        self.previews.push(preview);
    }
}

/// A document before and after an edit. Other documents and items are left out: they may be Secrets.
fn edited(observed: &Observed, place: &Place, bytes: &[u8], wanted: &Value) -> Option<(String, String)> {
    let view = observed.schema.view_of(wanted);
    let after = manifest::edit(bytes, place, wanted, view).ok().filter(|_| !is_secret(&observed.id))?;
    texts(&own_text(bytes, place)?, &own_text(&after.bytes, place)?)
}

fn texts(before: &[u8], after: &[u8]) -> Option<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    Some((text(before)?, text(after)?))
}

fn is_secret(id: &ObjectId) -> bool {
    id.is("", "Secret")
}

/// A file before and after values are set in it. It does not tell that a value is a Secret's, so of those only the place is
/// shown.
fn whole_or_masked(
    id: &ObjectId,
    before: Option<Value>,
    values: &[(Vec<manifest::Step>, Option<Value>)],
) -> (Option<Value>, Option<Value>) {
    let is_secret = is_secret(id);
    let mut after = if is_secret { Value::Null } else { before.clone().unwrap_or_default() };
    for (steps, value) in values {
        let value = if is_secret { value.as_ref().map(|_| "(a value of a Secret)".into()) } else { value.clone() };
        // What cannot be set is held by the plan.
        drop(manifest::put(&mut after, steps, value));
    }
    (before.filter(|_| !is_secret), Some(after))
}
