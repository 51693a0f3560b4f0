//! Owns the guards that stand before every delete: which there are, in which order they are asked, and what each says when
//! it refuses. Must never do I/O, and must never let a delete through that a guard did not see.

use std::fmt;

use serde_json::Value;

use crate::object::{GroupKind, ObjectId, managed};
use crate::rules::{Prune, Rule};

use super::plan::{Plan, Side, Verb};
use super::planner::{Identity, InCluster, Subject, opts_out_of_prune};

/// Something that may stand in the way of a delete. Reasons end with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Guard {
    /// Both sides never agreed, so that nothing says that what is there once was on the other side too.
    Base,
    /// The rule says `prune: never`.
    Rule,
    /// The object, or what was last known of it on the side where it has gone, says `kubeferry.io/prune: disabled`.
    OptOut,
    /// It lives in the namespace of our own state, or is that namespace.
    OwnNamespace,
    /// It lives in `kube-*`, or is such a namespace or `default`.
    SystemNamespace,
    /// It has an owner, which decides over it.
    Owner,
    /// No field of the live object was applied by us.
    Ownership,
    /// The live object is another one than the one that agreed.
    Uid,
    /// No commit was read whole yet.
    CompleteRead,
    /// The watch of its kind is not synced.
    WatchOfKind,
    /// The watch of Namespaces is not synced.
    WatchOfNamespaces,
    /// The watch of CustomResourceDefinitions is not synced.
    WatchOfDefinitions,
    /// It did not go by itself, but with its Namespace or its definition.
    Absence,
    /// It has not been missing for `deleteDelay` yet, or its absence is not proven.
    Delay,
    /// It holds other objects, or data.
    Content,
    /// So many deletes within the hour, or the last objects of the rule.
    Limit,
}

impl Guard {
    /// The name by which status, log and plans show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Rule => "rule",
            Self::OptOut => "opt-out",
            Self::OwnNamespace => "own-namespace",
            Self::SystemNamespace => "system-namespace",
            Self::Owner => "owner",
            Self::Ownership => "ownership",
            Self::Uid => "uid",
            Self::CompleteRead => "complete-read",
            Self::WatchOfKind => "watch-of-kind",
            Self::WatchOfNamespaces => "watch-of-namespaces",
            Self::WatchOfDefinitions => "watch-of-definitions",
            Self::Absence => "absence",
            Self::Delay => "delete-delay",
            Self::Content => "content",
            Self::Limit => "limit",
        }
    }

    /// How an object stands that it keeps.
    pub fn verb(self, side: Side) -> Verb {
        match self {
            Self::Base if side == Side::Git => Verb::Missing,
            Self::Base | Self::Uid => Verb::NotOurs,
            Self::Rule | Self::OptOut | Self::OwnNamespace | Self::SystemNamespace | Self::Owner | Self::Ownership => {
                Verb::Skipped
            }
            Self::CompleteRead
            | Self::WatchOfKind
            | Self::WatchOfNamespaces
            | Self::WatchOfDefinitions
            | Self::Delay => Verb::Pending,
            Self::Absence | Self::Content | Self::Limit => Verb::Held,
        }
    }

    /// Whether it goes out of the way when something was read whole.
    pub fn waits_for_reads(self) -> bool {
        matches!(self, Self::CompleteRead | Self::WatchOfKind | Self::WatchOfNamespaces | Self::WatchOfDefinitions)
    }

    /// A reason, with the guard's name.
    pub fn says(self, reason: impl fmt::Display) -> String {
        format!("{reason} (guard {self})")
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One delete that is asked for.
struct Asked<'a> {
    subject: &'a Subject<'a>,
    /// What is there: the live object, or the manifest.
    object: &'a Value,
    rule: &'a Rule,
    identity: Option<&'a Identity>,
}

type Check = fn(&Asked<'_>) -> Option<String>;

/// The guards before an object is deleted from the cluster, in the order in which they are asked. [`Guard::Content`] and
/// [`Guard::Limit`] need more than one object and are asked by the engine.
const TO_CLUSTER: [(Guard, Check); 12] = [
    (Guard::Base, |asked| asked.has_no_base().then(|| "never seen in Git: it is left".to_owned())),
    (Guard::Rule, |asked| asked.never()),
    (Guard::OptOut, |asked| asked.opts_out()),
    (Guard::OwnNamespace, |asked| {
        let is_own = asked
            .namespace()
            .is_some_and(|namespace| asked.identity.is_some_and(|identity| identity.namespace == namespace));
        is_own.then(|| "what the namespace of this instance holds is never deleted".to_owned())
    }),
    (Guard::SystemNamespace, |asked| {
        let is_system = asked.namespace().is_some_and(|namespace| namespace.starts_with("kube-"))
            || asked.subject.id.is("", "Namespace") && asked.subject.id.name() == "default";
        is_system.then(|| "the namespaces of the system are never touched".to_owned())
    }),
    (Guard::Owner, |asked| {
        let owners = asked.object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        owners.is_some_and(|owners| !owners.is_empty()).then(|| "its owner decides over it".to_owned())
    }),
    (Guard::Ownership, |asked| {
        // Who says which side stays has looked at it.
        let is_ours = asked.rule.prune == Prune::Matching
            || asked.subject.past.keep.is_some()
            || asked.identity.is_some_and(|identity| {
                let managers = [Some(identity.manager()), identity.former_manager()];
                managers.iter().flatten().any(|manager| managed::own_fields(asked.object, manager).is_some())
            });
        (!is_ours).then(|| "we own no field of the live object, so it is left".to_owned())
    }),
    (Guard::Uid, |asked| {
        let uid = asked.object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
        let then = asked.subject.base.and_then(|base| base.uid.as_ref());
        then.is_some_and(|then| **then != *uid)
            .then(|| "the live object is another one of that name: it is left".to_owned())
    }),
    (Guard::CompleteRead, |asked| asked.waits_for(Guard::CompleteRead)),
    (Guard::WatchOfKind, |asked| asked.waits_for(Guard::WatchOfKind)),
    (Guard::WatchOfNamespaces, |asked| asked.waits_for(Guard::WatchOfNamespaces)),
    (Guard::WatchOfDefinitions, |asked| asked.waits_for(Guard::WatchOfDefinitions)),
];

/// The guards before a manifest is removed from Git, in the order in which they are asked; [`Guard::Limit`] is asked by the
/// engine.
const TO_GIT: [(Guard, Check); 10] = [
    (Guard::Base, |asked| asked.has_no_base().then(|| "never seen live: the manifest is kept".to_owned())),
    (Guard::Rule, |asked| asked.never()),
    (Guard::OptOut, |asked| asked.opts_out()),
    (Guard::CompleteRead, |asked| asked.waits_for(Guard::CompleteRead)),
    (Guard::WatchOfKind, |asked| asked.waits_for(Guard::WatchOfKind)),
    (Guard::WatchOfNamespaces, |asked| asked.waits_for(Guard::WatchOfNamespaces)),
    (Guard::WatchOfDefinitions, |asked| asked.waits_for(Guard::WatchOfDefinitions)),
    (Guard::Absence, |asked| match asked.subject.live {
        InCluster::Withheld(reason) => Some(reason.to_owned()),
        _ => None,
    }),
    (Guard::Delay, |asked| match asked.subject.live {
        InCluster::Unseen | InCluster::Present(_) => {
            Some("its manifest goes too unless it comes back within `deleteDelay`".to_owned())
        }
        InCluster::Gone | InCluster::Withheld(_) => None,
    }),
    (Guard::Content, |asked| asked.has_manifests_within()),
];

/// Whether the live object may be deleted, as far as it alone can tell; otherwise the plan says which guard keeps it.
pub(super) fn may_delete(
    plan: &mut Plan,
    subject: &Subject<'_>,
    live: &Value,
    rule: &Rule,
    identity: &Identity,
) -> bool {
    let asked = Asked { subject, object: live, rule, identity: Some(identity) };
    ask(plan, &asked, &TO_CLUSTER, Side::Cluster)
}

/// Whether the manifest may be removed, as far as it alone can tell; otherwise the plan says which guard keeps it.
pub(super) fn may_remove(plan: &mut Plan, subject: &Subject<'_>, manifest: &Value, rule: &Rule) -> bool {
    let asked = Asked { subject, object: manifest, rule, identity: None };
    ask(plan, &asked, &TO_GIT, Side::Git)
}

fn ask(plan: &mut Plan, asked: &Asked<'_>, guards: &[(Guard, Check)], side: Side) -> bool {
    let refused = guards.iter().find_map(|(guard, check)| Some((*guard, check(asked)?)));
    let Some((guard, reason)) = refused else { return true };
    let gone = match (side, guard) {
        (Side::Cluster, Guard::Base) => "in the cluster only",
        (Side::Git, Guard::Base) => "in Git only",
        (Side::Cluster, _) => "gone from Git",
        (Side::Git, _) => "gone from the cluster",
    };
    let between = if guard == Guard::Base { " and " } else { "; " };
    plan.refused = Some(guard);
    plan.note(guard.verb(side), side, Some(asked.rule.index), guard.says(format_args!("{gone}{between}{reason}")));
    false
}

/// Whether the delete would go if this guard were not there: it alone keeps the object.
#[cfg(test)]
pub(super) fn is_kept_by_alone(guard: Guard, subject: &Subject<'_>, rule: &Rule, identity: &Identity) -> bool {
    let (object, guards): (&Value, &[(Guard, Check)]) = match (subject.live, subject.git) {
        (InCluster::Present(live), _) => (live, &TO_CLUSTER),
        (_, super::planner::InGit::Present(manifest)) => (manifest, &TO_GIT),
        _ => return false,
    };
    let asked = Asked { subject, object, rule, identity: Some(identity) };
    let others = guards.iter().filter(|(other, _)| *other != guard);
    guards.len() > others.clone().count() && others.into_iter().all(|(_, check)| check(&asked).is_none())
}

/// Every guard of one object, on either side.
#[cfg(test)]
pub(super) fn all() -> std::collections::BTreeSet<(Side, Guard)> {
    let cluster = TO_CLUSTER.iter().map(|(guard, _)| (Side::Cluster, *guard));
    cluster.chain(TO_GIT.iter().map(|(guard, _)| (Side::Git, *guard))).collect()
}

impl Asked<'_> {
    fn has_no_base(&self) -> bool {
        self.subject.base.is_none() && self.rule.prune != Prune::Matching
    }

    fn never(&self) -> Option<String> {
        (self.rule.prune == Prune::Never).then(|| "the rule says `prune: never`".to_owned())
    }

    fn opts_out(&self) -> Option<String> {
        if opts_out_of_prune(self.object) {
            return Some("it says `kubeferry.io/prune: disabled`".to_owned());
        }
        self.subject.opted_out.then(|| "where it has gone it said `kubeferry.io/prune: disabled`".to_owned())
    }

    /// The namespace that it lives in, or that it is.
    fn namespace(&self) -> Option<&str> {
        let id = self.subject.id;
        id.namespace().or_else(|| id.is("", "Namespace").then(|| id.name()))
    }

    fn waits_for(&self, guard: Guard) -> Option<String> {
        let what = match guard {
            Guard::CompleteRead => "Git was not read whole yet",
            Guard::WatchOfKind => "the watch of its kind is not synced",
            Guard::WatchOfNamespaces => "the watch of Namespaces is not synced",
            _ => "the watch of CustomResourceDefinitions is not synced",
        };
        (self.subject.deletes_wait == Some(guard)).then(|| what.to_owned())
    }

    /// The manifest of a Namespace or a definition goes after those of everything within.
    fn has_manifests_within(&self) -> Option<String> {
        let within = held_by(self.subject.id, self.object)?;
        let tree = self.subject.around.tree?;
        let first = tree.objects().filter(|id| within.holds(id)).min()?;
        Some(format!("Git still has manifests of what it held, {first} for one; they go first"))
    }
}

/// What a Namespace or a CustomResourceDefinition holds.
pub(super) enum Within<'a> {
    Namespace(&'a str),
    Kind(GroupKind),
}

impl Within<'_> {
    pub(super) fn holds(&self, id: &ObjectId) -> bool {
        match self {
            Self::Namespace(name) => id.namespace() == Some(name),
            Self::Kind(kind) => id.group_kind() == kind,
        }
    }
}

/// What the object holds, if it is a Namespace or a CustomResourceDefinition.
pub(super) fn held_by<'a>(id: &'a ObjectId, object: &Value) -> Option<Within<'a>> {
    if id.is("", "Namespace") {
        return Some(Within::Namespace(id.name()));
    }
    if !id.is("apiextensions.k8s.io", "CustomResourceDefinition") {
        return None;
    }
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    Some(Within::Kind(GroupKind::new(text("/spec/group")?, text("/spec/names/kind")?)))
}
