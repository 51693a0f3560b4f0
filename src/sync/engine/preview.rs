//! Owns what a run without consequences finds: for each object the text before and after, on the side that would change.
//! Must never write: the API server is only asked to try.

use crate::cluster::Cluster;
use crate::object::{ApiVersion, ObjectId, clean};
use crate::report::{Side, Verb};
use crate::repository::Remote;

use super::super::clock::Clock;
use super::super::observe::Observed;
use super::super::plan::{Action, Plan};
use super::compose::shown;
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
    pub before: Option<serde_json::Value>,
    /// The text afterwards; `None` when there is none.
    pub after: Option<serde_json::Value>,
    /// Why it could not be tried.
    pub error: Option<String>,
}

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    pub(super) fn preview(&mut self, plan: Plan, observed: Observed) {
        let place = observed.manifest.as_ref().map(|(place, ..)| format!("git {}", shown(place)));
        for action in plan.actions {
            let rule = action.rule().and_then(|rule| self.rules.rules.get(rule)).map(|rule| rule.name.clone());
            let mut preview = Preview {
                id: plan.id.clone(),
                side: action.side(),
                verb: Verb::Configured,
                rule: rule.unwrap_or_default(),
                place: format!("live {}", plan.id),
                before: observed.live.as_ref().map(clean::for_git),
                after: None,
                error: None,
            };
            match action {
                Action::Create { object, .. } | Action::Apply { object, .. } => {
                    if preview.before.is_none() {
                        preview.verb = Verb::Created;
                    }
                    self.try_apply(preview, object, &observed);
                }
                Action::Delete { .. } => self.previews.push(Preview { verb: Verb::Deleted, ..preview }),
                // Ownership moves, no value does.
                Action::Release { .. } | Action::Strip { .. } => {}
                Action::Write { object, path, .. } => {
                    let place = format!("git {path}");
                    self.previews.push(Preview {
                        verb: Verb::Written,
                        place,
                        before: None,
                        after: Some(object),
                        ..preview
                    });
                }
                Action::Edit { wanted, .. } => {
                    let before = observed.manifest.as_ref().map(|(_, _, manifest)| manifest.clone());
                    let place = place.clone().unwrap_or_default();
                    self.previews.push(Preview { verb: Verb::Written, place, before, after: Some(wanted), ..preview });
                }
                Action::Remove { .. } => {
                    let before = observed.manifest.as_ref().map(|(_, _, manifest)| manifest.clone());
                    let place = place.clone().unwrap_or_default();
                    self.previews.push(Preview { verb: Verb::Removed, place, before, ..preview });
                }
            }
        }
    }

    fn try_apply(&mut self, mut preview: Preview, object: serde_json::Value, observed: &Observed) {
        let id = preview.id.clone();
        self.flights.insert(id.clone(), false);
        let cluster = self.cluster.clone();
        let same_version = observed.live.as_ref().is_none_or(|live| ApiVersion::of(live) == ApiVersion::of(&object));
        self.tasks.push(Box::pin(async move {
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
