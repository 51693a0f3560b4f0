//! Owns the section `base` of the state: which identities agreed at which commit, and in which world. Must never say that
//! something agreed which did not: what has no room is left out, together with every other object of its rule.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::object::digest::Digest;
use crate::object::{GroupKind, Kind, ObjectId};
use crate::repository::CommitId;
use crate::rules::{Direction, Rule, Rules};

use super::super::base::{Answer, Bases, LastAgreed};
use super::super::three_way;
use super::key;

/// The form of this section. Another one is not read.
const FORM: u32 = 1;

/// The most identities that are listed.
const MOST_LISTED: usize = 5_000;

/// The most answers of admission that are kept.
const MOST_ANSWERS: usize = 2_000;

/// The most Namespaces and definitions whose UIDs are kept.
const MOST_CONTAINERS: usize = 4_000;

/// What the base belongs to. Where any of it differs, there is no base.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Binding {
    /// UID of the Namespace `kube-system`.
    pub cluster: String,
    /// UID of the ConfigMap that holds it.
    pub map: String,
    /// Digest of repository, branch and folder.
    pub source: String,
}

/// The section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SavedBase {
    form: u32,
    /// What it belongs to.
    pub binding: Binding,
    /// Digest of everything in the rules that selects.
    pub rules: String,
    /// The commit at which everything agreed that is not listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    /// A commit that removes manifests and may have been pushed, and what it removes.
    #[serde(skip_serializing_if = "Option::is_none")]
    removing: Option<(String, Vec<String>)>,
    /// Objects that were about to be deleted from the cluster.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    deleting: BTreeSet<String>,
    /// Identities that did not agree there: by the commit at which they last did (empty: never) and the file.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    differs: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// Rules whose objects have no base.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub withheld: BTreeSet<String>,
    /// What admission made of what was applied.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    answers: BTreeMap<String, (String, String)>,
    /// UIDs of Namespaces.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub namespaces: BTreeMap<String, String>,
    /// UIDs of definitions, by `group/Kind`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    definitions: BTreeMap<String, String>,
}

/// A removal that is about to be pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removing {
    /// The commit.
    pub commit: CommitId,
    /// What it removes.
    pub ids: Vec<ObjectId>,
}

impl SavedBase {
    /// What is kept of `bases` at `commit`.
    pub fn new(
        binding: Binding,
        rules: &Rules,
        commit: Option<CommitId>,
        bases: &Bases,
        kind_of: impl Fn(&GroupKind) -> Option<std::sync::Arc<Kind>>,
    ) -> Self {
        let rule_of = |id: &ObjectId| Some(first_rule(rules, id, &*kind_of(id.group_kind())?)?.name.clone());
        let mut listed: BTreeMap<String, Vec<(&ObjectId, &LastAgreed)>> = BTreeMap::new();
        for (id, past) in bases.open() {
            listed.entry(rule_of(id).unwrap_or_default()).or_default().push((id, past));
        }
        let mut withheld = BTreeSet::new();
        while listed.values().map(Vec::len).sum::<usize>() > MOST_LISTED
            && let Some(largest) = listed.iter().max_by_key(|(_, ids)| ids.len()).map(|(rule, _)| rule.clone())
        {
            listed.remove(&largest);
            withheld.insert(largest);
        }
        // Where a rule asks which side changed a field, a past that may not tell of that field is none.
        let is_asked = |id: &ObjectId| {
            kind_of(id.group_kind()).is_none_or(|kind| {
                rules.rules.iter().any(|rule| three_way::concerns(rule) && rule.may_select(id, &kind))
            })
        };
        let mut differs: BTreeMap<String, BTreeMap<String, Vec<String>>> = BTreeMap::new();
        for (id, past) in listed.into_values().flatten() {
            let (commit, path) = match past {
                LastAgreed::At(commit) => match bases.get(id).filter(|base| base.is_whole || !is_asked(id)) {
                    Some(base) => (commit.to_string(), base.place.path.to_string()),
                    None => Default::default(),
                },
                LastAgreed::Never => Default::default(),
            };
            differs.entry(commit).or_default().entry(path).or_default().push(key::text(id));
        }
        // A digest of a short value can be guessed, and more people read this than Secrets.
        let answers = bases.answers().filter(|(id, _)| !id.is("", "Secret")).take(MOST_ANSWERS);
        let answer =
            |(id, answer): (&ObjectId, &Answer)| (key::text(id), (answer.applied.to_string(), answer.live.to_string()));
        Self {
            form: FORM,
            binding,
            rules: selection(rules).to_string(),
            commit: commit.map(|commit| commit.to_string()),
            differs,
            withheld,
            answers: answers.map(answer).collect(),
            ..Self::default()
        }
    }

    /// Takes the UIDs of Namespaces and definitions as they are now; none when there are too many.
    pub fn set_containers<'a>(
        &mut self,
        namespaces: impl Iterator<Item = (&'a str, &'a str)>,
        definitions: impl Iterator<Item = (&'a GroupKind, &'a str)>,
    ) {
        self.namespaces = namespaces.map(|(name, uid)| (name.to_owned(), uid.to_owned())).collect();
        self.definitions =
            definitions.map(|(kind, uid)| (format!("{}/{}", kind.group, kind.kind), uid.to_owned())).collect();
        if self.namespaces.len() + self.definitions.len() > MOST_CONTAINERS {
            self.namespaces.clear();
            self.definitions.clear();
        }
    }

    /// The same with the Namespaces and definitions of another.
    #[must_use]
    pub fn with_containers_of(mut self, other: &Self) -> Self {
        self.namespaces.clone_from(&other.namespaces);
        self.definitions.clone_from(&other.definitions);
        self
    }

    /// The same with a removal that is about to be pushed.
    #[must_use]
    pub fn removing(mut self, removing: Option<&Removing>) -> Self {
        self.removing =
            removing.map(|removing| (removing.commit.to_string(), removing.ids.iter().map(key::text).collect()));
        self
    }

    /// The same with objects that are about to be deleted from the cluster.
    #[must_use]
    pub fn deleting<'a>(mut self, ids: impl Iterator<Item = &'a ObjectId>) -> Self {
        self.deleting = ids.map(key::text).collect();
        self
    }

    /// Objects that were about to be deleted from the cluster when this was kept.
    pub fn was_deleting(&self) -> impl Iterator<Item = ObjectId> {
        self.deleting.iter().filter_map(|id| key::parse(id))
    }

    /// Reads the section; `None` when it is not of a form that is known.
    pub fn read(text: &str) -> Option<Self> {
        let saved: Self = serde_json::from_str(text).ok()?;
        (saved.form == FORM).then_some(saved)
    }

    /// The text of the section.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The commit at which everything agreed that is not listed.
    pub fn commit(&self) -> Option<CommitId> {
        commit_of(self.commit.as_ref()?)
    }

    /// A removal that was about to be pushed when this was kept.
    pub fn was_removing(&self) -> Option<Removing> {
        let (commit, ids) = self.removing.as_ref()?;
        Some(Removing { commit: commit_of(commit)?, ids: ids.iter().filter_map(|id| key::parse(id)).collect() })
    }

    /// The identities that did not agree at the commit: when they last did, and in which file.
    pub fn listed(&self) -> impl Iterator<Item = (ObjectId, Option<(CommitId, &str)>)> {
        self.differs.iter().flat_map(|(commit, files)| {
            let commit = commit_of(commit);
            files.iter().flat_map(move |(path, ids)| {
                let past = commit.map(|commit| (commit, path.as_str()));
                ids.iter().filter_map(move |id| Some((key::parse(id)?, past)))
            })
        })
    }

    /// What admission made of what was applied.
    pub fn answers(&self) -> impl Iterator<Item = (ObjectId, Answer)> {
        self.answers.iter().filter_map(|(id, (applied, live))| {
            let answer = Answer { applied: applied.parse().ok()?, live: live.parse().ok()? };
            Some((key::parse(id)?, answer))
        })
    }

    /// UID of the definition of a kind when this was kept.
    pub fn definition(&self, kind: &GroupKind) -> Option<&String> {
        self.definitions.get(&format!("{}/{}", kind.group, kind.kind))
    }

    /// Whether an identity that stands in the commit and is not listed agreed there: some rule must decide over it, and
    /// that rule must have had room.
    pub fn assumes(&self, rules: &Rules, id: &ObjectId, kind: &Kind) -> bool {
        first_rule(rules, id, kind).is_some_and(|rule| !self.withheld.contains(&rule.name))
    }
}

/// The first rule that acts and may select an identity, whatever its labels are. An identity that none may select never
/// agrees, so it needs no entry in the list.
pub fn first_rule<'r>(rules: &'r Rules, id: &ObjectId, kind: &Kind) -> Option<&'r Rule> {
    rules.rules.iter().find(|rule| rule.sync_to != Direction::Observe && rule.may_select(id, kind))
}

/// Digest of everything in the rules that says what is selected, and which way it goes.
pub fn selection(rules: &Rules) -> Digest {
    let text: String = rules.rules.iter().map(|rule| rule.selection_text()).collect();
    Digest::of_bytes(text.as_bytes())
}

fn commit_of(text: &str) -> Option<CommitId> {
    text.parse().ok()
}
