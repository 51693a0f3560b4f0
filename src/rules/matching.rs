//! Owns the question which rules select an object, and why one does not. Must never look at fields: that is for filters.

use std::fmt;

use crate::object::{GroupKind, Kind, ObjectId};

use super::choices::Direction;
use super::glob::Glob;
use super::problem::Mark;
use super::rule::{Labels, Rule, Rules};

/// An object as rules see it.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its identity; namespaced objects have their namespace.
    pub id: &'a ObjectId,
    /// What discovery knows of its kind.
    pub kind: &'a Kind,
    /// Labels of its manifest; `None` when there is none.
    pub manifest_labels: Option<&'a Labels>,
    /// Labels of the live object; `None` when there is none.
    pub live_labels: Option<&'a Labels>,
    /// Labels when both sides last agreed; they stand in for a side that is missing.
    pub base_labels: Option<&'a Labels>,
    /// Labels of its Namespace; `None` when it has none or they are not known. Rules that ask for them then do not
    /// select, see [`Rules::ask_for_namespace`].
    pub namespace_labels: Option<&'a Labels>,
}

/// The first part of a rule that keeps it from selecting an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// `apiGroups`
    ApiGroups,
    /// `resources`
    Resources,
    /// `namespaces`
    Namespaces,
    /// `namespaceLabels`
    NamespaceLabels,
    /// `names`
    Names,
    /// `labels`
    Labels,
    /// `excludeLabels`
    ExcludeLabels,
}

impl fmt::Display for Mismatch {
    /// The key of the rules file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ApiGroups => "apiGroups",
            Self::Resources => "resources",
            Self::Namespaces => "namespaces",
            Self::NamespaceLabels => "namespaceLabels",
            Self::Names => "names",
            Self::Labels => "labels",
            Self::ExcludeLabels => "excludeLabels",
        })
    }
}

impl Rules {
    /// Every rule that selects the object, in order.
    pub fn matching<'r>(&'r self, candidate: &Candidate<'_>) -> impl Iterator<Item = &'r Rule> {
        self.rules.iter().filter(|rule| rule.selects(candidate))
    }

    /// The rule that decides whether the object is created or deleted: the first that selects it and may
    /// decide that.
    pub fn existence_rule(&self, candidate: &Candidate<'_>) -> Option<&Rule> {
        self.matching(candidate).find(|rule| rule.decides_existence())
    }

    /// What holds for every rule and changes what is done, not only when. Another repository is not among it: that begins
    /// anew. Only compared, never read.
    pub fn planning_text(&self) -> String {
        let Self { branch, git_path, delete_delay, limits, .. } = self;
        format!("{branch:?} {git_path:?} {delete_delay:?} {limits:?}")
    }

    /// Whether any rule is about this kind.
    pub fn selects_kind(&self, kind: &Kind) -> bool {
        self.rules.iter().any(|rule| rule.selects_kind(kind))
    }

    /// Whether a rule that may select objects of this kind asks for the labels of their Namespace. While those are not
    /// known nothing may be planned, or the object would fall through to a rule that it does not belong to.
    pub fn ask_for_namespace(&self, kind: &Kind) -> bool {
        kind.namespaced
            && self.rules.iter().any(|rule| rule.selection.namespace_labels.is_some() && rule.selects_kind(kind))
    }
}

impl Rule {
    /// Whether the rule may create and delete: it is not limited to fields, and its files are whole manifests.
    pub fn decides_existence(&self) -> bool {
        self.fields.is_empty() && !self.format.is_patch()
    }

    /// Whether the rule is about this kind.
    pub fn selects_kind(&self, kind: &Kind) -> bool {
        self.kind_mismatch(kind).is_none()
    }

    /// Whether the rule is about this kind only because it is about any: no entry of `resources` names it.
    pub fn selects_kind_as_any(&self, kind: &Kind) -> bool {
        self.selects_kind(kind) && !self.selection.resources.iter().any(|entry| entry != "*" && kind.is_named(entry))
    }

    /// Whether the rule would be about a kind that the server does not serve (yet), by English inflection.
    pub fn may_select_unserved(&self, kind: &GroupKind) -> bool {
        let named = |entry: &String| entry == "*" || is_inflection(entry, kind);
        self.selects_group(&kind.group)
            && (self.selection.resources.is_empty() || self.selection.resources.iter().any(named))
    }

    /// Whether the rule selects the object, its kind included.
    pub fn selects(&self, candidate: &Candidate<'_>) -> bool {
        self.mismatch(candidate).is_none()
    }

    /// Whether the rule may select an object, whatever the labels of the object and its Namespace are.
    pub fn may_select(&self, id: &ObjectId, kind: &Kind) -> bool {
        self.kind_mismatch(kind).is_none() && self.is_in_namespace(id) && self.has_name(id.name())
    }

    /// Everything that says what the rule selects, whether it acts, and which way that goes. Another text means another selection; only
    /// compared, never read.
    pub fn selection_text(&self) -> String {
        let Self { sync_to, suspend, fields, format, selection, .. } = self;
        let fields: Vec<String> = fields.iter().map(|field| field.filter.to_string()).collect();
        format!("{sync_to:?} {suspend} {format:?} {fields:?} {selection:?}\n")
    }

    /// Everything that the rule says, wherever it stands: `Debug` of its parts shows what they were made from. Another text
    /// means another rule; only compared, never read.
    pub fn text(&self) -> String {
        format!("{:?}", Self { index: 0, mark: Mark::default(), ..self.clone() })
    }

    fn is_in_namespace(&self, id: &ObjectId) -> bool {
        match id.namespace() {
            Some(namespace) => fits(&self.selection.namespaces, namespace),
            None => self.selection.namespaces.is_empty(),
        }
    }

    fn has_name(&self, name: &str) -> bool {
        fits(&self.selection.names, name)
    }

    /// Why the rule does not select the object; `None` when it does.
    pub fn mismatch(&self, candidate: &Candidate<'_>) -> Option<Mismatch> {
        let selection = &self.selection;
        if let Some(mismatch) = self.kind_mismatch(candidate.kind) {
            return Some(mismatch);
        }
        if !self.is_in_namespace(candidate.id) {
            return Some(Mismatch::Namespaces);
        }
        if let Some(wanted) = &selection.namespace_labels
            && !candidate.namespace_labels.is_some_and(|labels| wanted.matches(labels))
        {
            return Some(Mismatch::NamespaceLabels);
        }
        if !self.has_name(candidate.id.name()) {
            return Some(Mismatch::Names);
        }
        let nothing = Labels::new();
        let (first, second) = self.labels_of(candidate);
        let first = self.labels_mismatch(first.unwrap_or(&nothing));
        match second {
            Some(second) if first.is_some() => self.labels_mismatch(second),
            _ => first,
        }
    }

    fn kind_mismatch(&self, kind: &Kind) -> Option<Mismatch> {
        let resources = &self.selection.resources;
        if !self.selects_group(&kind.group_kind.group) {
            Some(Mismatch::ApiGroups)
        } else if !resources.is_empty() && !resources.iter().any(|entry| entry == "*" || kind.is_named(entry)) {
            Some(Mismatch::Resources)
        } else {
            None
        }
    }

    fn selects_group(&self, group: &str) -> bool {
        let groups = &self.selection.api_groups;
        groups.is_empty() || groups.iter().any(|entry| entry == "*" || entry == group)
    }

    fn labels_mismatch(&self, labels: &Labels) -> Option<Mismatch> {
        if self.selection.labels.as_ref().is_some_and(|wanted| !wanted.matches(labels)) {
            Some(Mismatch::Labels)
        } else if self.selection.exclude_labels.as_ref().is_some_and(|unwanted| unwanted.matches(labels)) {
            Some(Mismatch::ExcludeLabels)
        } else {
            None
        }
    }

    /// The labels that decide: those of the source's side; without that side those of the base, else of the other side.
    /// `both` and `observe` have no single source, so that either side will do.
    fn labels_of<'a>(&self, candidate: &Candidate<'a>) -> (Option<&'a Labels>, Option<&'a Labels>) {
        let Candidate { manifest_labels: manifest, live_labels: live, base_labels: base, .. } = *candidate;
        match self.sync_to {
            Direction::Kubernetes => (manifest.or(base).or(live), None),
            Direction::Git => (live.or(base).or(manifest), None),
            Direction::Both | Direction::Observe => (manifest.or(live).or(base), live),
        }
    }

    /// Whether a pattern in `names` matches.
    pub(super) fn names_by_pattern(&self, name: &str) -> bool {
        self.selection.names.iter().any(|glob| glob.matches(name))
    }

    /// Whether `names` has this very name.
    pub(super) fn names_exactly(&self, name: &str) -> bool {
        self.selection.names.iter().any(|glob| glob.is_exact() && glob.matches(name))
    }
}

/// Whether one of the globs matches, or there are none.
fn fits(globs: &[Glob], text: &str) -> bool {
    globs.is_empty() || globs.iter().any(|glob| glob.matches(text))
}

/// Whether `entry` is the kind or its English plural, perhaps with its group: the best that can be said of a kind that
/// discovery does not know.
fn is_inflection(entry: &str, kind: &GroupKind) -> bool {
    let entry = entry.to_ascii_lowercase();
    let (name, group) = entry.split_once('.').map_or((entry.as_str(), None), |(name, group)| (name, Some(group)));
    let singular = kind.kind.to_ascii_lowercase();
    let plural = match singular.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if singular.ends_with(['s', 'x', 'z']) || singular.ends_with("ch") || singular.ends_with("sh") => {
            format!("{singular}es")
        }
        _ => format!("{singular}s"),
    };
    group.is_none_or(|group| group == &*kind.group) && (name == singular || name == plural)
}

#[cfg(test)]
mod tests;
