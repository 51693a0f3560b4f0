//! Owns the fields that are written to other files: which values change there. Must never write to one path for two objects.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::manifest::{self, Step};
use crate::object::schema::SchemaView;
use crate::object::{FieldPath, ObjectId, RepoPath, compare};

use super::carried::Carried;
use super::directions::{Directions, Way};
use super::existence::{SECRET_STAYS, is_withheld_secret};
use super::plan::{Action, Note, Plan, Side, Verb};
use super::planner::Subject;

/// A file that fields of an object are written to.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetFile {
    /// What its only document says; nothing when it is missing or empty.
    pub says: Result<Option<Value>, String>,
    /// Paths in it that other objects write.
    pub taken: Vec<(Vec<Step>, ObjectId)>,
}

/// The files that fields of one object are written to.
pub type TargetFiles = BTreeMap<RepoPath, TargetFile>;

/// Plans every value in another file, of an object that is live.
pub(super) fn plan(plan: &mut Plan, subject: &Subject<'_>, directions: &Directions<'_>) {
    let mut by_file: BTreeMap<&RepoPath, Vec<(&Carried<'_>, &[Step])>> = BTreeMap::new();
    let mut withheld = BTreeSet::new();
    for carried in directions.carried().iter().filter(|carried| !carried.rule.suspend) {
        let Some((path, steps)) = carried.file() else { continue };
        if directions.way(&carried.source) != Way::ToGit {
            continue;
        }
        if is_withheld_secret(subject, carried.rule) {
            withheld.insert(carried.rule.index);
            continue;
        }
        by_file.entry(path).or_default().push((carried, steps));
    }
    for rule in withheld {
        plan.note(Verb::Skipped, Side::Git, Some(rule), SECRET_STAYS);
    }
    for (path, values) in by_file {
        if let Some(file) = subject.around.files.and_then(|files| files.get(path)) {
            plan_file(plan, path, file, &values);
        }
    }
}

fn plan_file(plan: &mut Plan, path: &RepoPath, file: &TargetFile, values: &[(&Carried<'_>, &[Step])]) {
    let hold = |plan: &mut Plan, carried: &Carried<'_>, reason: String| {
        plan.notes.push(Note {
            verb: Verb::Held,
            side: Side::Git,
            rule: Some(carried.rule.index),
            reason,
            fields: vec![carried.source.clone()],
        });
    };
    let mut says = match &file.says {
        Ok(says) => says.clone().unwrap_or_default(),
        Err(reason) => {
            values.iter().for_each(|(carried, _)| hold(plan, carried, format!("{path} is not written: {reason}")));
            return;
        }
    };
    let (mut new, mut changed, mut rule) = (Vec::new(), Vec::<FieldPath>::new(), None);
    for (carried, steps) in values {
        let at = manifest::shown(steps);
        let overlaps = |(taken, _): &&(Vec<Step>, ObjectId)| taken.starts_with(steps) || steps.starts_with(taken);
        if let Some((_, other)) = file.taken.iter().find(overlaps) {
            hold(plan, carried, format!("{path}{at} is not written: {other} is written there; give each its own path"));
            continue;
        }
        if is_same(manifest::value_at(&says, steps), carried.value.as_ref()) {
            continue;
        }
        let mut put = says.clone();
        if let Err(error) = manifest::put(&mut put, steps, carried.value.clone()) {
            hold(plan, carried, format!("{path}{at} is not written: {error}"));
            continue;
        }
        says = put;
        new.push((steps.to_vec(), carried.value.clone()));
        changed.push(carried.source.clone());
        rule.get_or_insert(carried.rule.index);
    }
    if let Some(rule) = rule {
        plan.actions.push(Action::Set { path: path.clone(), values: new, changed, rule });
    }
}

fn is_same(there: Option<&Value>, wanted: Option<&Value>) -> bool {
    match (there, wanted) {
        (Some(there), Some(wanted)) => compare::same(there, wanted, SchemaView::unknown()),
        (there, wanted) => there.is_none() && wanted.is_none(),
    }
}

/// Which objects write to which files, so that one is planned again when its file changes, and no two write to one path.
#[derive(Debug, Default)]
pub struct Claims {
    by_id: BTreeMap<ObjectId, Vec<(RepoPath, Vec<Step>)>>,
    by_path: BTreeMap<RepoPath, BTreeSet<ObjectId>>,
}

impl Claims {
    /// Takes the paths that an object is to be written to. Where objects ask for one path, the first by name has it.
    pub fn set(&mut self, id: &ObjectId, paths: Vec<(RepoPath, Vec<Step>)>) {
        self.forget(id);
        for (path, _) in &paths {
            self.by_path.entry(path.clone()).or_default().insert(id.clone());
        }
        if !paths.is_empty() {
            self.by_id.insert(id.clone(), paths);
        }
    }

    /// Forgets an object.
    pub fn forget(&mut self, id: &ObjectId) {
        for (path, _) in self.by_id.remove(id).unwrap_or_default() {
            if let Some(ids) = self.by_path.get_mut(&path) {
                ids.remove(id);
                if ids.is_empty() {
                    self.by_path.remove(&path);
                }
            }
        }
    }

    /// The objects that are written to a file.
    pub fn of(&self, path: &RepoPath) -> impl Iterator<Item = &ObjectId> {
        self.by_path.get(path).into_iter().flatten()
    }

    /// The paths in a file that objects with an earlier name write.
    pub fn taken(&self, path: &RepoPath, id: &ObjectId) -> Vec<(Vec<Step>, ObjectId)> {
        let earlier = self.of(path).take_while(|other| *other < id);
        let steps = |other: &ObjectId| {
            let own = self.by_id.get(other).into_iter().flatten().filter(|(at, _)| at == path);
            own.map(|(_, steps)| (steps.clone(), other.clone())).collect::<Vec<_>>()
        };
        earlier.flat_map(steps).collect()
    }
}
