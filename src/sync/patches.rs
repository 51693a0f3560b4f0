//! Owns the patches of one object: what those that stand in Git say after a write-back, and which ones a rule with a patch
//! format adds. Must never make one that says nothing new, nor one that its kustomization could not build.

use serde_json::{Map, Value, json};

use crate::object::schema::ListKind;
use crate::object::{FieldPath, RepoPath, compare};
use crate::rules::{Direction, Format, Rule, Strategy, skipped};

use super::directions::{Directions, Way};
use super::existence::{SECRET_STAYS, is_withheld_secret};
use super::merge::{Document, Writing};
use super::plan::{Action, Note, Plan, Side, Verb};
use super::planner::Subject;
use super::spots::{Fragment, PatchDocument, Spots};
use super::to_git::{declared_object, identity};

/// The patch of the rules that write to one file.
struct Group<'a> {
    path: RepoPath,
    rules: Vec<&'a Rule>,
    /// Which of the object's patches it is; `None`: it is not there yet.
    stands: Option<usize>,
}

impl Group<'_> {
    fn strategy(&self, subject: &Subject<'_>) -> Strategy {
        let built_in = subject.view.is_built_in();
        match self.rules.iter().find_map(|rule| rule.strategy) {
            // Neither the API server nor kustomize knows how to merge the lists of custom resources.
            _ if !built_in => Strategy::JsonMerge,
            Some(strategy) => strategy,
            None => Strategy::StrategicMerge,
        }
    }

    fn kustomized(&self) -> Option<&Rule> {
        self.rules.iter().copied().find(|rule| rule.format == Format::KustomizePatch)
    }
}

/// Plans every patch of an object that is live. `manifest`: what Git says of it as a whole, or is about to.
pub(super) fn plan(
    plan: &mut Plan,
    subject: &Subject<'_>,
    manifest: Option<&Value>,
    live: &Value,
    matching: &[&Rule],
    directions: &Directions<'_>,
    spots: &Spots<'_>,
) {
    let groups = groups(plan, subject, live, matching, spots);
    if groups.is_empty() && spots.fragments.is_empty() {
        return;
    }
    let seen = directions.seen(live, subject.view);
    let whole = declared_object(live, subject, directions);
    let pass = Pass { subject, manifest, live, seen: &seen, whole: &whole, directions, spots };
    let mut withheld = None;
    for (position, (fragment, _)) in spots.fragments.iter().enumerate() {
        let own: Vec<&Group<'_>> = groups.iter().filter(|group| group.stands == Some(position)).collect();
        pass.edit(plan, position, fragment, &own, &mut withheld);
        for group in own.iter().filter(|_| fragment.listed.is_none()) {
            pass.list(plan, group, &fragment.place.path);
        }
    }
    let is_left_out = |rule: &Rule| {
        manifest.is_none() && subject.base.is_none() && skipped::never_captured(live, subject.kind, rule).is_some()
    };
    for group in groups.iter().filter(|group| group.stands.is_none()) {
        if !group.rules.iter().all(|rule| is_left_out(rule)) {
            pass.add(plan, group, &mut withheld);
        }
    }
    if let Some(rule) = withheld {
        plan.note(Verb::Skipped, Side::Git, Some(rule), SECRET_STAYS);
    }
}

/// The files that rules with a patch format write for this object.
fn groups<'a>(
    plan: &mut Plan,
    subject: &Subject<'_>,
    live: &Value,
    matching: &[&'a Rule],
    spots: &Spots<'_>,
) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    let writes = |rule: &&&Rule| rule.format.is_patch() && rule.sync_to == Direction::Git && !rule.suspend;
    for rule in matching.iter().filter(writes) {
        let path = match rule.path.render(subject.id, subject.kind, live) {
            Ok(path) => path,
            Err(error) => {
                plan.note(Verb::Held, Side::Git, Some(rule.index), format!("no place for its patch: {error}"));
                continue;
            }
        };
        if let Some(group) = groups.iter_mut().find(|group| group.path == path) {
            group.rules.push(rule);
            continue;
        }
        let at = |fits: &dyn Fn(&RepoPath) -> bool| {
            spots.fragments.iter().position(|(fragment, _)| fits(&fragment.place.path))
        };
        // One that was written under other labels is still its own.
        let stands = at(&|there| *there == path)
            .or_else(|| at(&|there| rule.path.could_be(there, subject.id, Some(subject.kind))));
        groups.push(Group { path, rules: vec![rule], stands });
    }
    groups
}

/// What the patches of one object are planned from.
struct Pass<'a> {
    subject: &'a Subject<'a>,
    manifest: Option<&'a Value>,
    live: &'a Value,
    seen: &'a Value,
    whole: &'a Value,
    directions: &'a Directions<'a>,
    spots: &'a Spots<'a>,
}

impl Pass<'_> {
    /// What a patch says afterwards, and the fields that change.
    fn wanted(
        &self,
        position: Option<usize>,
        before: &Value,
        groups: &[&Group<'_>],
        withheld: &mut Option<usize>,
    ) -> (Value, Vec<FieldPath>) {
        let others = self.spots.fragments.iter().enumerate().filter(|(other, _)| Some(*other) != position);
        let strategies: Vec<Strategy> = groups.iter().map(|group| group.strategy(self.subject)).collect();
        let patch = PatchDocument {
            directions: self.directions,
            sets: position
                .and_then(|own| self.spots.fragments.get(own))
                .map(|(_, sets)| sets.clone())
                .unwrap_or_default(),
            takes: groups.iter().flat_map(|group| &group.rules).map(|rule| rule.index).collect(),
            others: others.map(|(_, (_, sets))| sets).collect(),
            manifest: self.manifest,
            whole: strategies.contains(&Strategy::JsonMerge).then(|| self.whole.clone()),
        };
        let writing = Writing::new(self.subject, self.directions, self.live, self.seen, Document::Patch(&patch));
        let mut wanted = writing.wanted(before, self.seen);
        *withheld = withheld.or(writing.withheld());
        let changed = compare::differences(&wanted, before, self.subject.view);
        for group in groups.iter().filter(|group| group.strategy(self.subject) == Strategy::Replace) {
            group.rules.iter().for_each(|rule| self.replace(rule, &mut wanted));
        }
        (wanted, changed)
    }

    /// Tells how to merge what a rule captures: in place of what is there.
    fn replace(&self, rule: &Rule, wanted: &mut Value) {
        let mut captured: Vec<FieldPath> = self.directions.fields_of(rule).cloned().collect();
        if rule.fields.is_empty() {
            let own = |key: &&String| !matches!(key.as_str(), "apiVersion" | "kind" | "metadata");
            let keys = wanted.as_object().into_iter().flat_map(Map::keys).filter(own);
            captured = keys.map(|key| FieldPath::fields([key.as_str()])).collect();
        }
        for path in captured {
            let list = path.elements().iter().fold(self.subject.view, |view, element| view.below(element));
            let is_keyed = matches!(list.list(), ListKind::Map(_));
            let marked = match compare::get(wanted, &path, self.subject.view) {
                Some(Value::Object(map)) if !map.contains_key("$patch") => {
                    let mark = [("$patch".to_owned(), "replace".into())];
                    Value::Object(mark.into_iter().chain(map.clone()).collect())
                }
                Some(Value::Array(items)) if is_keyed && !items.iter().any(|item| item.get("$patch").is_some()) => {
                    [json!({"$patch": "replace"})].into_iter().chain(items.iter().cloned()).collect()
                }
                _ => continue,
            };
            // The path leads to what was just read.
            drop(compare::set(wanted, &path, marked, self.subject.view));
        }
    }

    fn edit(
        &self,
        plan: &mut Plan,
        position: usize,
        fragment: &Fragment,
        groups: &[&Group<'_>],
        withheld: &mut Option<usize>,
    ) {
        let (wanted, changed) = self.wanted(Some(position), &fragment.value, groups, withheld);
        if changed.is_empty() && marks(&wanted) <= marks(&fragment.value) {
            return;
        }
        let decides = |path: &FieldPath| self.directions.of(path).1;
        let own = || groups.iter().flat_map(|group| &group.rules).copied().next();
        if let Some(rule) = changed.iter().find_map(decides).or_else(own) {
            let rule = rule.index;
            plan.actions.push(Action::EditPatch { place: fragment.place.clone(), wanted, changed, rule });
        }
    }

    fn list(&self, plan: &mut Plan, group: &Group<'_>, patch: &RepoPath) {
        let Some(rule) = group.kustomized() else { return };
        let Some(tree) = self.subject.around.tree else { return };
        match tree.overlay(patch, self.subject.id) {
            Ok(overlay) => plan.actions.push(Action::ListPatch {
                patch: patch.clone(),
                kustomization: overlay.path,
                rule: rule.index,
            }),
            Err(error) => self.hold(plan, group, Vec::new(), format!("its patch {patch} is not listed: {error}")),
        }
    }

    fn add(&self, plan: &mut Plan, group: &Group<'_>, withheld: &mut Option<usize>) {
        let kustomized = group.kustomized().is_some();
        let overlay =
            self.subject.around.tree.filter(|_| kustomized).map(|tree| tree.overlay(&group.path, self.subject.id));
        let namespace = match &overlay {
            Some(Ok(overlay)) => overlay.namespace.as_deref(),
            _ => self.subject.id.namespace(),
        };
        let empty = Value::Object(identity(self.live, self.subject, namespace));
        let (object, changed) = self.wanted(None, &empty, &[group], withheld);
        // A manifest that says all of it needs no patch.
        let view = self.subject.view;
        let says = |path: &FieldPath| match (
            self.manifest.and_then(|manifest| compare::get(manifest, path, view)),
            compare::get(&object, path, view),
        ) {
            (Some(manifest), Some(new)) => compare::same(manifest, new, view) || new.is_object(),
            (None, new) => new.is_none(),
            (Some(_), None) => false,
        };
        if changed.iter().all(says) {
            return;
        }
        let decides = |path: &FieldPath| self.directions.of(path);
        let Some(rule) = changed.iter().map(decides).find(|(way, _)| *way == Way::ToGit).and_then(|(_, rule)| rule)
        else {
            return;
        };
        if is_withheld_secret(self.subject, rule) {
            return;
        }
        let kustomization = match overlay {
            Some(Err(error)) => return self.hold(plan, group, changed, format!("its patch is not written: {error}")),
            Some(Ok(overlay)) => Some(overlay.path),
            None => None,
        };
        plan.actions.push(Action::WritePatch {
            object,
            path: group.path.clone(),
            kustomization,
            changed,
            rule: rule.index,
        });
    }

    fn hold(&self, plan: &mut Plan, group: &Group<'_>, fields: Vec<FieldPath>, reason: String) {
        let rule = group.rules.first().map(|rule| rule.index);
        plan.notes.push(Note { verb: Verb::Held, side: Side::Git, rule, reason, fields });
    }
}

/// How many marks in a patch tell how to merge.
fn marks(value: &Value) -> usize {
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| usize::from(key == "$patch") + marks(value)).sum(),
        Value::Array(items) => items.iter().map(marks).sum(),
        _ => 0,
    }
}
