//! Owns the one value that says what was done, or left undone, to an object; log, status, metrics and Events are all fed
//! from it. Must never hold a value of a field, so that no secret can leave through it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use super::terminal::escape_line;
use super::verb::{Side, Verb};
use crate::object::{FieldPath, ObjectId};
use crate::repository::CommitId;

/// Names a rule of the rules file. Cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleRef {
    /// Position in the file, from 0.
    pub index: usize,
    /// Its `name`; empty when it has none.
    pub name: Arc<str>,
}

impl RuleRef {
    /// The rule at `index`, from 0; `name` is empty when it has none.
    pub fn new(index: usize, name: &str) -> Self {
        Self { index, name: name.into() }
    }
}

impl fmt::Display for RuleRef {
    /// The name, else `rules[2]` as the messages about the file say.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() { f.pad(&format!("rules[{}]", self.index)) } else { f.pad(&escape_line(&self.name)) }
    }
}

/// A place in the repository, for people. The path is text, because a path that kubeferry refuses must be shown too.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// From the repository's root.
    pub path: Arc<str>,
    /// From 1; none for the whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
}

impl Place {
    /// A line (from 1) of a file.
    pub fn new(path: &str, line: Option<usize>) -> Self {
        Self { path: path.into(), line }
    }
}

impl fmt::Display for Place {
    /// `apps/web.yaml:12`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape_line(&self.path))?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// What was done to one object on one side, or left undone, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Which object.
    #[serde(serialize_with = "as_text")]
    pub object: ObjectId,
    /// Where it was, or would have been, changed.
    pub side: Side,
    /// What became of it.
    pub verb: Verb,
    /// The rule that decided; none when no rule did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleRef>,
    /// Why, as one line for people; always there for what was left undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The commit that brought it, or that carries it.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text_if_any")]
    pub commit: Option<CommitId>,
    /// Which fields; empty means the object as a whole.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_texts")]
    pub fields: Vec<FieldPath>,
    /// Where its manifest stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

fn as_text<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn as_text_if_any<S: Serializer>(value: &Option<CommitId>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(|commit| commit.to_string()).serialize(serializer)
}

fn as_texts<S: Serializer>(values: &[FieldPath], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(ToString::to_string))
}

/// How many fields a line names before it only counts the rest.
const FIELDS_NAMED: usize = 4;

impl Change {
    /// A change with neither rule, reason, commit, fields nor place; set those that are known.
    pub fn new(object: ObjectId, side: Side, verb: Verb) -> Self {
        Self { object, side, verb, rule: None, reason: None, commit: None, fields: Vec::new(), place: None }
    }

    /// The same, decided by `rule`.
    #[must_use]
    pub fn by(mut self, rule: RuleRef) -> Self {
        self.rule = Some(rule);
        self
    }

    /// The same, for a reason.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// The same, brought or carried by `commit`.
    #[must_use]
    pub fn in_commit(mut self, commit: CommitId) -> Self {
        self.commit = Some(commit);
        self
    }

    /// The same, limited to `fields`.
    #[must_use]
    pub fn of_fields(mut self, fields: Vec<FieldPath>) -> Self {
        self.fields = fields;
        self
    }

    /// The same, with the place of its manifest.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// The fields as one short text, `.spec.replicas, .spec.paused and 3 more`; none when the whole object is meant.
    pub fn field_text(&self) -> Option<String> {
        let named: Vec<_> =
            self.fields.iter().take(FIELDS_NAMED).map(|field| escape_line(&field.to_string()).into_owned()).collect();
        match self.fields.len().checked_sub(FIELDS_NAMED) {
            _ if self.fields.is_empty() => None,
            Some(more) if more > 0 => Some(format!("{} and {more} more", named.join(", "))),
            _ => Some(named.join(", ")),
        }
    }

    /// Tells the log. What failed is an error, what is held a warning, what is done information; what is merely left
    /// alone is for who looks closer.
    pub fn log(&self) {
        let message = format!("{} {}", self.verb, self.object);
        let (side, reason, fields) = (self.side.as_str(), self.reason.as_deref(), self.field_text());
        let fields = fields.as_deref();
        let rule = self.rule.as_ref().map(tracing::field::display);
        let commit = self.commit.map(|commit| commit.short());
        let commit = commit.as_deref();
        let place = self.place.as_ref().map(tracing::field::display);
        match self.verb {
            Verb::Failed => tracing::error!(side, rule, fields, commit, place, reason, "{message}"),
            Verb::Held => tracing::warn!(side, rule, fields, commit, place, reason, "{message}"),
            verb if verb.is_done() => tracing::info!(side, rule, fields, commit, place, reason, "{message}"),
            // As many as the cluster has objects that a rule selects and Git does not know; the status counts them.
            _ => tracing::debug!(side, rule, fields, commit, place, reason, "{message}"),
        }
    }
}

impl fmt::Display for Change {
    /// One line: `configured Deployment.apps shop/web in the cluster: .spec.replicas (rule web, commit 1a2b3c4d5e6f, apps/web.yaml:12): because`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, escape_line(&self.object.to_string()))?;
        f.write_str(match self.side {
            Side::Cluster => " in the cluster",
            Side::Git => " in Git",
        })?;
        if let Some(fields) = self.field_text() {
            write!(f, ": {fields}")?;
        }
        let notes: Vec<_> = [
            self.rule.as_ref().map(|rule| format!("rule {rule}")),
            self.commit.map(|commit| format!("commit {}", commit.short())),
            self.place.as_ref().map(ToString::to_string),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !notes.is_empty() {
            write!(f, " ({})", notes.join(", "))?;
        }
        self.reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {}", escape_line(reason)))
    }
}

/// What one pass did and left undone, in the order in which it happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct ChangeSet {
    /// The changes.
    pub changes: Vec<Change>,
}

impl ChangeSet {
    /// Adds one.
    pub fn push(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Whether nothing was done and nothing left undone.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// How many of each verb there are, in the order of [`Verb::ALL`], without zeroes.
    pub fn counts(&self) -> Vec<(Verb, usize)> {
        let count = |verb: Verb| self.changes.iter().filter(|change| change.verb == verb).count();
        Verb::ALL.into_iter().map(|verb| (verb, count(verb))).filter(|(_, count)| *count > 0).collect()
    }
}

impl Extend<Change> for ChangeSet {
    fn extend<T: IntoIterator<Item = Change>>(&mut self, changes: T) {
        self.changes.extend(changes);
    }
}

impl fmt::Display for ChangeSet {
    /// The summary: `2 created, 1 held`, or `nothing to do`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing to do");
        }
        let counts: Vec<_> = self.counts().into_iter().map(|(verb, count)| format!("{count} {verb}")).collect();
        f.write_str(&counts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;

    fn web() -> ObjectId {
        ObjectId::new(GroupKind::new("apps", "Deployment"), "shop", "web")
    }

    #[test]
    fn a_line_names_object_side_fields_rule_commit_and_place() {
        let change = Change::new(web(), Side::Cluster, Verb::Configured)
            .by(RuleRef::new(1, "everything-else"))
            .in_commit(CommitId([0x1a; 20]))
            .of_fields(vec![FieldPath::fields(["spec", "replicas"])])
            .at(Place::new("apps/web.yaml", Some(12)));
        assert_eq!(
            change.to_string(),
            "configured Deployment.apps shop/web in the cluster: .spec.replicas (rule everything-else, commit 1a1a1a1a1a1a, apps/web.yaml:12)"
        );
        assert_eq!(
            serde_json::to_value(&change).unwrap(),
            serde_json::json!({"object": "Deployment.apps shop/web", "side": "cluster", "verb": "configured",
                "rule": {"index": 1, "name": "everything-else"}, "commit": "1a".repeat(20), "fields": [".spec.replicas"],
                "place": {"path": "apps/web.yaml", "line": 12}})
        );
    }

    #[test]
    fn long_field_lists_are_counted_and_hostile_text_is_escaped() {
        let fields = ["a", "b", "c", "d", "e", "f"].map(|name| FieldPath::fields([name])).to_vec();
        let evil = ObjectId::new(GroupKind::new("", "ConfigMap"), "shop", "x\u{1b}[2J");
        let change = Change::new(evil, Side::Git, Verb::Held).of_fields(fields).because("line one\nline two");
        assert_eq!(
            change.to_string(),
            r"held ConfigMap shop/x\u{1b}[2J in Git: .a, .b, .c, .d and 2 more: line one\nline two"
        );
        assert_eq!(RuleRef::new(2, "").to_string(), "rules[2]");
    }

    #[test]
    fn a_set_sums_up_by_verb() {
        let mut set = ChangeSet::default();
        assert_eq!(set.to_string(), "nothing to do");
        set.extend([Verb::Held, Verb::Created, Verb::Created].map(|verb| Change::new(web(), Side::Cluster, verb)));
        assert_eq!(set.to_string(), "2 created, 1 held");
    }
}
