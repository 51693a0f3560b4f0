//! Owns what discovery knows of each kind and resolves the names that people use for it. Must never do I/O.

use std::collections::HashMap;
use std::sync::Arc;

use super::identity::GroupKind;

/// One kind that the API server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Group and kind.
    pub group_kind: GroupKind,
    /// Served versions, the preferred one first. Never empty.
    pub versions: Vec<Arc<str>>,
    /// Plural resource name, as it stands in URLs.
    pub plural: String,
    /// Singular name; may be empty.
    pub singular: String,
    /// Short names, for example `deploy`.
    pub short_names: Vec<String>,
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
    /// Verbs that the server lists for it.
    pub verbs: Vec<String>,
    /// Whether it has a `scale` subresource.
    pub scalable: bool,
}

impl Kind {
    /// The version that is asked for when nothing else is said.
    pub fn preferred_version(&self) -> &str {
        self.versions.first().map_or("v1", |version| version)
    }

    /// Whether `text` names this kind: plural, singular, kind or short name, in any case, or `plural.group`.
    pub fn is_named(&self, text: &str) -> bool {
        let (name, group) = match text.split_once('.') {
            Some((name, group)) => (name, Some(group)),
            None => (text, None),
        };
        let named = |candidate: &str| !candidate.is_empty() && candidate.eq_ignore_ascii_case(name);
        group.is_none_or(|group| group.eq_ignore_ascii_case(&self.group_kind.group))
            && (named(&self.plural)
                || named(&self.singular)
                || named(&self.group_kind.kind)
                || self.short_names.iter().any(|short| named(short)))
    }

    /// Whether objects of it can be kept in sync: list, watch and get are served.
    pub fn is_watchable(&self) -> bool {
        ["list", "watch", "get"].iter().all(|verb| self.verbs.iter().any(|served| served == verb))
    }
}

/// Every kind that one API server serves, as of one discovery.
#[derive(Clone, Debug, Default)]
pub struct Kinds {
    by_group_kind: HashMap<GroupKind, Arc<Kind>>,
}

impl Kinds {
    /// The kinds of one discovery. A later entry of the same group and kind replaces an earlier one.
    pub fn new(kinds: impl IntoIterator<Item = Kind>) -> Self {
        Self { by_group_kind: kinds.into_iter().map(|kind| (kind.group_kind.clone(), Arc::new(kind))).collect() }
    }

    /// What is known of a kind; `None` when the server does not serve it.
    pub fn get(&self, group_kind: &GroupKind) -> Option<&Arc<Kind>> {
        self.by_group_kind.get(group_kind)
    }

    /// Every kind, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.by_group_kind.values()
    }

    /// Every kind that `text` names (see [`Kind::is_named`]), sorted by group.
    pub fn named(&self, text: &str) -> Vec<Arc<Kind>> {
        let mut found: Vec<_> = self.iter().filter(|kind| kind.is_named(text)).cloned().collect();
        found.sort_by(|a, b| a.group_kind.cmp(&b.group_kind));
        found
    }

    /// How many kinds are served.
    pub fn len(&self) -> usize {
        self.by_group_kind.len()
    }

    /// Whether nothing was discovered.
    pub fn is_empty(&self) -> bool {
        self.by_group_kind.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment() -> Kind {
        Kind {
            group_kind: GroupKind::new("apps", "Deployment"),
            versions: vec!["v1".into()],
            plural: "deployments".into(),
            singular: "deployment".into(),
            short_names: vec!["deploy".into()],
            namespaced: true,
            verbs: ["get", "list", "watch"].map(String::from).to_vec(),
            scalable: true,
        }
    }

    #[test]
    fn every_usual_name_resolves() {
        let kinds = Kinds::new([deployment()]);
        for name in ["deployments", "deployment", "Deployment", "DEPLOY", "deployments.apps"] {
            assert_eq!(kinds.named(name).len(), 1, "{name}");
        }
        for name in ["deployments.batch", "", "pods"] {
            assert!(kinds.named(name).is_empty(), "{name}");
        }
    }
}
