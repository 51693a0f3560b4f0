//! Owns why a document is not taken for a manifest, and what it still shows of kinds and names. Must never let a text that
//! may still hold an object count as empty.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::load::LoadError;
use crate::object::{ObjectId, RepoPath};

/// A document, or an item of a `kind: List`, that is not taken for a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// Which document of the file, from 1; 0 for the whole file.
    pub document: u32,
    /// Line on which it begins, from 1.
    pub line: u32,
    /// Why.
    pub reason: Reason,
    /// What it still shows.
    pub shows: Shows,
}

impl Skip {
    /// Whether it may hold objects of which not even the identity can be told.
    pub fn hides_identity(&self) -> bool {
        let readable = matches!(
            self.reason,
            Reason::NotAManifest
                | Reason::Incomplete(_)
                | Reason::NoName
                | Reason::GenerateName
                | Reason::BadIdentity(..)
                | Reason::Kustomization
        );
        !readable && self.shows.is_empty()
    }
}

/// Why something is not taken for a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Neither `apiVersion` nor `kind`: some other file, of which nothing needs to be said.
    NotAManifest,
    /// Only one of `apiVersion` and `kind`; the one that is missing.
    Incomplete(&'static str),
    /// No `metadata.name`.
    NoName,
    /// `metadata.generateName` instead of a name: every apply would make another object.
    GenerateName,
    /// A part of the identity is no text, or holds what no identity can; which part, and what stands there.
    BadIdentity(&'static str, String),
    /// A template of Helm or another tool.
    Template,
    /// A kustomization or a component of one.
    Kustomization,
    /// Encrypted by SOPS.
    Encrypted,
    /// A pointer to a file in Git LFS.
    LfsPointer,
    /// An unfinished merge.
    MergeMarkers,
    /// Can't be read.
    Broken(LoadError),
    /// No text in UTF-8.
    NotText,
    /// Larger than this many bytes.
    TooLarge(usize),
    /// More than this many documents.
    TooManyDocuments(usize),
    /// Not read at all; the text says why (a symbolic link, a submodule, ...).
    Unread(&'static str),
    /// This kustomization lists it as a patch.
    Fragment(RepoPath),
    /// It stands where a rule with a patch format writes.
    Patch,
    /// This kustomization gives what it reaches another namespace, prefix or suffix.
    Renamed(RepoPath),
}

impl Reason {
    /// Whether nobody needs to be told.
    pub fn is_quiet(&self) -> bool {
        *self == Self::NotAManifest
    }

    /// Whether it is a patch: a place for write-back, and no manifest.
    pub fn is_patch(&self) -> bool {
        matches!(self, Self::Fragment(_) | Self::Patch)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAManifest => f.write_str("has neither apiVersion nor kind"),
            Self::Incomplete(missing) => write!(f, "has no {missing}; add it, or remove the document"),
            Self::NoName => f.write_str("has no metadata.name; add one"),
            Self::GenerateName => f.write_str("has metadata.generateName instead of a name; give it a name"),
            Self::BadIdentity(part, found) => write!(f, "{part} is {found}, which no object can have; correct it"),
            Self::Template => f.write_str("is a template; render it first"),
            Self::Kustomization => f.write_str("is a kustomization; what it builds is not applied from here"),
            Self::Encrypted => f.write_str("is encrypted by SOPS"),
            Self::LfsPointer => f.write_str("is a pointer to a file in Git LFS; keep manifests in Git itself"),
            Self::MergeMarkers => f.write_str("holds merge markers; finish the merge"),
            Self::Broken(error) => write!(f, "can't be read: {error}"),
            Self::NotText => f.write_str("is no text in UTF-8"),
            Self::TooLarge(cap) => write!(f, "is larger than {cap} bytes; split it, or raise limits.fileBytes"),
            Self::TooManyDocuments(cap) => write!(f, "holds more than {cap} documents; split it"),
            Self::Unread(why) => write!(f, "is {why}"),
            Self::Fragment(by) => write!(f, "is a patch of {by}"),
            Self::Patch => f.write_str("is a patch: a rule with a patch format writes it"),
            Self::Renamed(by) => write!(f, "is given another namespace or name by {by}"),
        }
    }
}

/// Kinds and names that can still be seen in something that is not taken for a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shows {
    kinds: BTreeSet<Box<str>>,
    names: BTreeSet<Box<str>>,
}

impl Shows {
    /// What a document that can be read shows: its own kind and name.
    pub(super) fn of(value: &Value) -> Self {
        let text = |pointer| value.pointer(pointer).and_then(Value::as_str);
        let name = text("/metadata/name").filter(|name| !name.contains("{{"));
        Self {
            kinds: text("/kind").map(Box::from).into_iter().collect(),
            names: name.map(Box::from).into_iter().collect(),
        }
    }

    /// What a text that can't be read shows: whatever stands after `kind:` and `name:` anywhere in it.
    pub(super) fn scan(text: &str) -> Self {
        Self { kinds: values_of(text, "kind"), names: values_of(text, "name") }
    }

    /// Whether this kind and name are among what is shown.
    pub fn includes(&self, id: &ObjectId) -> bool {
        self.kinds.contains(id.kind()) && self.names.contains(id.name())
    }

    /// The names that are shown.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().filter(|_| !self.kinds.is_empty()).map(|name| &**name)
    }

    /// Whether no identity can be told from it.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty() || self.names.is_empty()
    }
}

/// Every plain or quoted value that follows `key:` in YAML or JSON, however broken the rest is.
fn values_of(text: &str, key: &str) -> BTreeSet<Box<str>> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices(key) {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/')) {
            continue;
        }
        let after = text.get(at + key.len()..).unwrap_or_default();
        let after = after.strip_prefix(['"', '\'']).unwrap_or(after).trim_start_matches([' ', '\t']);
        let Some(mut value) = after.strip_prefix(':') else { continue };
        value = value.trim_start_matches([' ', '\t']);
        while value.starts_with(['&', '!']) {
            value = value.trim_start_matches(|c: char| !c.is_whitespace()).trim_start_matches([' ', '\t']);
        }
        value = value.strip_prefix(['"', '\'']).unwrap_or(value);
        let end = value.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '}' | ']' | '{' | '['));
        let value = value.get(..end.unwrap_or(value.len())).unwrap_or_default();
        if !value.is_empty() && !found.contains(value) {
            found.insert(value.into());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;
    use serde_json::json;

    fn id(kind: &str, name: &str) -> ObjectId {
        ObjectId::new(GroupKind::new("", kind), "shop", name)
    }

    #[test]
    fn kinds_and_names_are_seen_in_any_text() {
        let text = "{{ if x }}\nkind: Deployment # c\n- {kind: 'Service', \"name\":\"web\"}\n  name: &n !!str api\nkindly: no\n\
                    nodename: no\nname: {{ .Release.Name }}-x\nname:\n";
        let shows = Shows::scan(text);
        assert!(shows.includes(&id("Deployment", "web")) && shows.includes(&id("Service", "api")));
        assert!(!shows.includes(&id("no", "web")) && !shows.includes(&id("Service", "no")));
        assert_eq!(shows.names().collect::<Vec<_>>(), ["api", "web"]);
        assert!(Shows::scan("kind: A").is_empty());
    }

    #[test]
    fn what_can_not_be_read_and_shows_nothing_hides_an_identity() {
        let skip = |reason, text| Skip { document: 1, line: 1, reason, shows: Shows::scan(text) };
        assert!(skip(Reason::LfsPointer, "").hides_identity() && skip(Reason::Template, "kind: A").hides_identity());
        assert!(!skip(Reason::Template, "kind: A\nname: b").hides_identity());
        assert!(!skip(Reason::NotAManifest, "").hides_identity());
    }

    #[test]
    fn a_readable_document_shows_itself_only() {
        let shows = Shows::of(&json!({"kind": "Secret", "metadata": {"name": "a"}, "x": {"kind": "B", "name": "c"}}));
        assert!(shows.includes(&id("Secret", "a")) && !shows.includes(&id("B", "c")));
    }
}
