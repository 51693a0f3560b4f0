//! Owns what one action for Git does to the files of a commit. Must never write a file whose other documents changed by it.

use serde_json::Value;

use crate::cluster::Cluster;
use crate::manifest::{self, Edited, Listing};
use crate::object::{FieldPath, ObjectId, compare};
use crate::report::{Change, Place, RuleRef, Side, Verb};
use crate::repository::Remote;

use super::super::clock::Clock;
use super::super::observe::Observed;
use super::super::plan::{Action, RuleIndex};
use super::super::told::Told;
use super::Engine;
use super::compose::{Composer, shown};
use super::removing::Removal;

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// Puts what an action changes into the commit; the reason when that is not possible.
    pub(super) fn put(
        &mut self,
        composer: &mut Composer,
        id: &ObjectId,
        action: &Action,
        observed: &Observed,
        rule: Option<RuleRef>,
    ) -> Result<(), String> {
        let mut change = Change::new(id.clone(), Side::Git, Verb::Written);
        let mut told = Told::default();
        change.rule = rule;
        match (action, &observed.manifest) {
            (Action::Edit { wanted, changed, rule }, Some((place, bytes, before))) => {
                let bytes = composer.current(&place.path)?.unwrap_or(bytes);
                let view = observed.schema.view_of(before);
                let edited = manifest::edit(bytes, place, wanted, view).map_err(|refusal| refusal.to_string())?;
                if edited.bytes == *bytes {
                    self.say_skipped(id, &edited, *rule);
                    return Ok(());
                }
                change.fields = self.say_skipped(id, &edited, *rule).of(changed);
                told = self.told(&change, (before, wanted), observed);
                change.place = Some(shown(place));
                composer.files.insert(place.path.clone(), edited.bytes);
            }
            (Action::EditPatch { place, wanted, changed, rule }, _) => {
                let bytes = composer.current(&place.path)?.or_else(|| observed.texts.get(&place.path));
                let bytes = bytes.ok_or_else(|| format!("{place} was not read; it is planned again"))?;
                let view = observed.schema.view_of(wanted);
                let edited = manifest::edit(bytes, place, wanted, view).map_err(|refusal| refusal.to_string())?;
                if edited.bytes == *bytes {
                    self.say_skipped(id, &edited, *rule);
                    return Ok(());
                }
                change.fields = self.say_skipped(id, &edited, *rule).of(changed);
                let before = observed.fragments.iter().find(|fragment| fragment.place == *place);
                if let Some(before) = before {
                    told = self.told(&change, (&before.value, wanted), observed);
                }
                change.place = Some(shown(place));
                composer.files.insert(place.path.clone(), edited.bytes);
            }
            (Action::Write { object, path, rule }, None) => {
                let (path, text) = self.new_text(composer, id, object, path, observed)?;
                let is_new = composer.current(&path)?.is_none();
                if let Some(by) = self.index.listing_beside(&path).filter(|_| is_new) {
                    let list = self.listed(composer, by, Listing::Resources, &path)?;
                    composer.files.insert(by.clone(), list);
                }
                change.place = Some(Place::new(path.as_str(), None));
                composer.files.insert(path, text);
                *composer.written.entry(*rule).or_default() += 1;
                told = Told::of_new(observed.live.as_ref(), &self.manager);
            }
            (Action::WritePatch { object, path, kustomization, changed, .. }, _) => {
                let text = self.with_patch(composer, id, path, object)?;
                if let Some(by) = kustomization {
                    let list = self.listed(composer, by, Listing::Patches, path)?;
                    composer.files.insert(by.clone(), list);
                }
                change.fields = changed.clone();
                told = self.told(&change, (&Value::Null, object), observed);
                change.place = Some(Place::new(path.as_str(), None));
                composer.files.insert(path.clone(), text);
            }
            (Action::ListPatch { patch, kustomization, .. }, _) => {
                let list = self.listed(composer, kustomization, Listing::Patches, patch)?;
                if composer.current(kustomization)? == Some(&list) {
                    return Ok(());
                }
                change.place = Some(Place::new(kustomization.as_str(), None));
                composer.files.insert(kustomization.clone(), list);
            }
            (Action::Set { path, values, changed, .. }, _) => {
                let there = composer.current(path)?.or_else(|| observed.texts.get(path));
                if there.is_none()
                    && let Some(other) = self.in_the_way(composer, path)
                {
                    return Err(format!("{path} cannot be written: {other} is in the way"));
                }
                let before = there.cloned().unwrap_or_default();
                let after = manifest::set(&before, path, values);
                let after = after.map_err(|error| format!("{path} is not written: {error}"))?;
                if after == before {
                    return Ok(());
                }
                change.fields = changed.clone();
                let said = manifest::open(&before).ok().flatten().unwrap_or_default();
                let values = changed
                    .iter()
                    .zip(values)
                    .map(|(source, (steps, value))| (source, manifest::value_at(&said, steps), value.as_ref()));
                told = Told::of(id, values, observed.live.as_ref(), &self.manager);
                change.place = Some(Place::new(path.as_str(), None));
                composer.files.insert(path.clone(), after);
            }
            (Action::Remove { rule }, Some((place, bytes, _))) => {
                let removal = Removal { id: id.clone(), place: place.clone(), bytes: bytes.clone() };
                composer.removals.entry(*rule).or_default().push(removal);
                return Ok(());
            }
            _ => return Ok(()),
        }
        composer.changes.push((change, told));
        Ok(())
    }

    /// What the message tells of an edit: `before` and `after` are the document.
    fn told(&self, change: &Change, (before, after): (&Value, &Value), observed: &Observed) -> Told {
        let view = observed.schema.view_of(after);
        let value = |side, path| compare::get(side, path, view);
        let values = change.fields.iter().map(|path| (path, value(before, path), value(after, path)));
        Told::of(&change.object, values, observed.live.as_ref(), &self.manager)
    }

    /// Says what an edit left as it was.
    fn say_skipped(&mut self, id: &ObjectId, edited: &Edited, rule: RuleIndex) -> Left {
        if let Some((path, reason)) = edited.skipped.first() {
            let more = edited.skipped.len() - 1;
            let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
            let reason = format!("{path} is not written: {reason}{more}");
            self.leave(id, Side::Git, Verb::Skipped, Some(rule), reason);
        }
        Left(edited.skipped.iter().map(|(path, _)| path.clone()).collect())
    }
}

/// Fields that an edit left as they were.
struct Left(Vec<FieldPath>);

impl Left {
    /// The others of those that were to change.
    fn of(&self, changed: &[FieldPath]) -> Vec<FieldPath> {
        changed.iter().filter(|path| !self.0.iter().any(|left| left.covers(path))).cloned().collect()
    }
}
