//! Owns the page that `/status` serves and `kubeferry status` reads: its shape and nothing else. Must never hold a value
//! of an object or a credential.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::change::{Place, RuleRef};
use super::verb::Verb;

/// The whole page. Additions are compatible; a reader ignores what it does not know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// `NAMESPACE/NAME` of this instance.
    pub instance: String,
    /// Version of the program.
    pub version: String,
    /// When the process started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// Whether both sides were read whole and every action was tried once.
    pub ready: bool,
    /// What readiness waits for, as short texts; empty when ready.
    pub waiting_for: Vec<String>,
    /// Whether this process acts.
    pub leader: Leader,
    /// The rules in force.
    pub rules: Rules,
    /// The Git side.
    pub git: Git,
    /// The cluster side.
    pub cluster: Cluster,
    /// How many objects are in each state that is not in sync; counts all, also what the list leaves out.
    pub states: BTreeMap<String, usize>,
    /// Identities that wait to be planned.
    pub queue: usize,
    /// Objects that are not in sync, failed and held ones first.
    pub objects: Capped<ObjectLine>,
    /// Objects in sync whose controllers are not done with them.
    pub unready: Capped<UnreadyLine>,
    /// Files and documents that could not be read as manifests.
    pub files: Capped<FileLine>,
    /// What was done since the process started.
    pub counters: Counters,
}

/// Whether this process acts or waits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Leader {
    /// The role.
    pub role: Role,
    /// Who holds the Lease, as far as known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Since when the role is what it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// Role of this process towards the Lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Not known yet.
    #[default]
    Starting,
    /// Holds the Lease and acts.
    Leader,
    /// Reads both sides and waits for the Lease.
    Standby,
    /// Is stopping; finishes what is in flight.
    Stopping,
}

impl Role {
    /// The word for tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Leader => "leader",
            Self::Standby => "standby",
            Self::Stopping => "stopping",
        }
    }
}

/// The rules file and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rules {
    /// Where they were read: a file, or `configmap NAMESPACE/NAME`.
    pub origin: String,
    /// When the rules in force were loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loaded: Option<Timestamp>,
    /// Why the latest text is not in force; the last good rules are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Trouble>,
    /// Each rule, in the order in which they are asked.
    pub list: Vec<RuleLine>,
}

/// Something that went wrong, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// What, and what to do; may have several lines.
    pub message: String,
}

/// One rule in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RuleLine {
    /// Position in the file, from 0.
    pub index: usize,
    /// Its name; empty when it has none.
    pub name: String,
    /// `syncTo` as written: `kubernetes`, `git`, `observe`.
    pub sync_to: String,
    /// The same for people: `Git -> cluster`, `cluster -> Git`, `observe`.
    pub direction: String,
    /// The fields that it is limited to, as written; empty means every field.
    pub filters: Vec<String>,
    /// Whether it is suspended.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// Why the rule takes no action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Objects that it decides about.
    pub objects: usize,
    /// How far their controllers are with them.
    pub readiness: Readiness,
    /// How many of them are in each state that is not in sync.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub states: BTreeMap<String, usize>,
    /// What it did since the process started or the rules were loaded.
    pub counters: Counters,
}

impl RuleLine {
    /// Names the rule as changes do.
    pub fn rule_ref(&self) -> RuleRef {
        RuleRef::new(self.index, &self.name)
    }
}

/// How many objects are what their specs ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Readiness {
    /// Ready.
    pub ready: usize,
    /// A controller is at work on them, or has not begun.
    pub in_progress: usize,
    /// A controller has given up, or says that it cannot go on.
    pub failed: usize,
}

/// The Git side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Git {
    /// The remote, without credentials.
    pub remote: String,
    /// The branch.
    pub branch: String,
    /// The folder that is read; `.` is all.
    pub path: String,
    /// Newest commit that was fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// Newest commit whose every action was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synced: Option<String>,
    /// When the remote last answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched: Option<Timestamp>,
    /// Manifests that are read.
    pub manifests: usize,
    /// Objects whose change waits for the next commit.
    pub batched: usize,
    /// Why that commit waits although it is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deferred: Option<Deferred>,
    /// Why the remote cannot be used now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Trouble>,
}

/// A commit that the rules allow only later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deferred {
    /// When it is made.
    pub until: Timestamp,
    /// The key of the rules file that says so: `minPushInterval` or `commitsPerHour`.
    pub key: String,
}

/// The cluster side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cluster {
    /// The API server's address.
    pub server: String,
    /// Every kind that the rules select.
    pub kinds: Vec<KindLine>,
    /// Why the API server cannot be used now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Trouble>,
}

/// The watch of one kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KindLine {
    /// `Deployment.apps`.
    pub kind: String,
    /// Whether its list was read to the end.
    pub synced: bool,
    /// Why it cannot be watched; its objects get no action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unwatched: Option<String>,
    /// Live objects.
    pub objects: usize,
}

/// Something about one object that is not in sync. An object has one for each rule or side concerned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectLine {
    /// `Deployment.apps shop/web`.
    pub object: String,
    /// The rule that decides; none when no rule does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleRef>,
    /// `pending`, `skipped`, `not-ours`, `missing`, `held` or `failed`.
    pub state: Verb,
    /// Why, and what to do.
    pub reason: String,
    /// Which fields; empty means the object as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// Since when it is so.
    pub since: Timestamp,
    /// Where its manifest stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// An object in sync that is not what its spec asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnreadyLine {
    /// `Deployment.apps shop/web`.
    pub object: String,
    /// The rule that decides over its existence.
    pub rule: RuleRef,
    /// `in-progress`, `failed` or `terminating`.
    pub stage: String,
    /// Why.
    pub reason: String,
}

/// A file, or a document of it, that is not read as a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileLine {
    /// From the repository's root, with the document's line.
    #[serde(flatten)]
    pub place: Place,
    /// Why.
    pub reason: String,
}

/// The head of a list that may be long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capped<T> {
    /// The first entries.
    pub list: Vec<T>,
    /// How many entries were left out.
    pub more: usize,
}

impl<T> Default for Capped<T> {
    fn default() -> Self {
        Self { list: Vec::new(), more: 0 }
    }
}

impl<T> Capped<T> {
    /// The first `limit` of `all`.
    pub fn new(mut all: Vec<T>, limit: usize) -> Self {
        let more = all.len().saturating_sub(limit);
        all.truncate(limit);
        Self { list: all, more }
    }
}

/// Objects changed since some start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counters {
    /// Made in the cluster.
    pub created: u64,
    /// Changed in the cluster.
    pub configured: u64,
    /// Deleted from the cluster.
    pub deleted: u64,
    /// Ownership of fields given up.
    pub released: u64,
    /// Ownership of fields taken.
    pub adopted: u64,
    /// Manifests written or changed.
    pub written: u64,
    /// Manifests removed.
    pub removed: u64,
}

impl Counters {
    /// Counts one change; what was left undone is a state, not a count.
    pub fn count(&mut self, verb: Verb) {
        let counter = match verb {
            Verb::Created => &mut self.created,
            Verb::Configured => &mut self.configured,
            Verb::Deleted => &mut self.deleted,
            Verb::Released => &mut self.released,
            Verb::Adopted => &mut self.adopted,
            Verb::Written => &mut self.written,
            Verb::Removed => &mut self.removed,
            Verb::Pending
            | Verb::Skipped
            | Verb::Differs
            | Verb::NotOurs
            | Verb::Missing
            | Verb::Held
            | Verb::Failed => return,
        };
        *counter += 1;
    }

    /// Changes made to either side.
    pub fn done(&self) -> u64 {
        let cluster = self.created + self.configured + self.deleted + self.released + self.adopted;
        cluster + self.written + self.removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_an_older_or_newer_version_is_still_read() {
        let page: Status =
            serde_json::from_str(r#"{"instance": "kubeferry/prod", "ready": true, "invented": {}}"#).unwrap();
        assert_eq!((page.instance.as_str(), page.ready, page.rules.list.len()), ("kubeferry/prod", true, 0));
    }

    #[test]
    fn a_page_survives_the_wire() {
        let since = "2026-11-21T08:00:00Z".parse().unwrap();
        let page = Status {
            leader: Leader { role: Role::Standby, holder: Some("other".into()), since: Some(since) },
            objects: Capped::new(
                vec![ObjectLine {
                    object: "ConfigMap shop/a".into(),
                    rule: Some(RuleRef::new(0, "")),
                    state: Verb::NotOurs,
                    reason: "nobody's".into(),
                    fields: vec![".data.a".into()],
                    since,
                    place: Some(Place::new("a.yaml", None)),
                }],
                10,
            ),
            files: Capped::new(
                vec![FileLine { place: Place::new("b.yaml", Some(3)), reason: "a template".into() }; 3],
                2,
            ),
            ..Status::default()
        };
        let text = serde_json::to_string(&page).unwrap();
        assert!(text.contains(r#"{"path":"b.yaml","line":3,"reason":"a template"}],"more":1}"#), "{text}");
        assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), page);
    }

    #[test]
    fn counters_count_what_was_done() {
        let mut counters = Counters::default();
        Verb::ALL.into_iter().for_each(|verb| counters.count(verb));
        assert_eq!(counters.done(), 7);
    }
}
