//! Owns whether an object may be deleted and made anew because one of its fields cannot be changed in place. Must never allow
//! that without the manifest asking for it, nor where a prune would be refused for what the object is.

use serde_json::Value;

use crate::object::ObjectId;
use crate::rules::{Direction, Rule};

use super::planner::{Identity, opts_out_of_prune};

/// The annotation of a manifest whose object may be deleted and made anew: `enabled`.
pub const ANNOTATION: &str = "kubeferry.io/recreate";

/// Why the object is not made anew, and what to do; `None` when it may be. `rule`: the one that decides over its existence.
pub fn refusal(
    id: &ObjectId,
    manifest: &Value,
    live: &Value,
    rule: Option<&Rule>,
    identity: &Identity,
) -> Option<String> {
    let annotation = manifest.pointer("/metadata/annotations").and_then(|annotations| annotations.get(ANNOTATION));
    if annotation.and_then(Value::as_str) != Some("enabled") {
        return Some(format!(
            "take the change back, or set the annotation `{ANNOTATION}: enabled` on its manifest, and it is deleted and \
             made anew"
        ));
    }
    let holds_something = [
        ("", "Namespace"),
        ("", "PersistentVolume"),
        ("", "PersistentVolumeClaim"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ];
    let is_kind = |(group, kind): &(&str, &str)| id.is(group, kind);
    let space = id.namespace().unwrap_or_default();
    let is_owned =
        live.pointer("/metadata/ownerReferences").and_then(Value::as_array).is_some_and(|all| !all.is_empty());
    let makes = |rule: &Rule| !rule.suspend && matches!(rule.sync_to, Direction::Kubernetes | Direction::Both);
    let why = if holds_something.iter().any(is_kind) {
        "an object of this kind is never made anew: what it holds would go with it"
    } else if space == identity.namespace || space.starts_with("kube-") {
        "an object of this namespace is never deleted"
    } else if opts_out_of_prune(manifest) || opts_out_of_prune(live) {
        "it is not made anew, because it says `kubeferry.io/prune: disabled`"
    } else if is_owned {
        "it is not made anew: its owner decides over it"
    } else if !rule.is_some_and(makes) {
        "it is not made anew: no rule makes it in the cluster"
    } else {
        return None;
    };
    Some(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;
    use serde_json::json;

    fn rules(direction: &str) -> crate::rules::Rules {
        let text = format!("gitUrl: https://git.example.com/a.git\nrules:\n- {{name: all, syncTo: {direction}}}\n");
        crate::rules::load(&text, "rules.yaml").unwrap().rules
    }

    #[test]
    fn each_guard_keeps_the_object() {
        let identity = Identity { namespace: "home".into(), name: "test".into(), takes_over: None };
        let asks = json!({"metadata": {"annotations": {"kubeferry.io/recreate": "enabled"}}});
        let plain = json!({"metadata": {}});
        let opted_out = json!({"metadata": {"annotations": {"kubeferry.io/prune": "disabled",
            "kubeferry.io/recreate": "enabled"}}});
        let owned = json!({"metadata": {"ownerReferences": [{"uid": "1"}]}});
        let web = ("apps", "Deployment", "shop");
        for ((group, kind, namespace), manifest, live, direction, expected) in [
            (web, &asks, &plain, "kubernetes", None),
            (web, &plain, &plain, "kubernetes", Some("set the annotation")),
            (web, &plain, &asks, "kubernetes", Some("set the annotation")),
            (("", "Namespace", ""), &asks, &plain, "kubernetes", Some("of this kind")),
            (("", "PersistentVolumeClaim", "shop"), &asks, &plain, "kubernetes", Some("of this kind")),
            (("", "PersistentVolume", ""), &asks, &plain, "kubernetes", Some("of this kind")),
            (
                ("apiextensions.k8s.io", "CustomResourceDefinition", ""),
                &asks,
                &plain,
                "kubernetes",
                Some("of this kind"),
            ),
            (("apps", "Deployment", "home"), &asks, &plain, "kubernetes", Some("of this namespace")),
            (("apps", "Deployment", "kube-system"), &asks, &plain, "kubernetes", Some("of this namespace")),
            (web, &opted_out, &plain, "kubernetes", Some("prune: disabled")),
            (web, &asks, &opted_out, "kubernetes", Some("prune: disabled")),
            (web, &asks, &owned, "kubernetes", Some("its owner")),
            (web, &asks, &plain, "git", Some("no rule makes it")),
        ] {
            let id = ObjectId::new(GroupKind::new(group, kind), namespace, "web");
            let found = refusal(&id, manifest, live, rules(direction).rules.first(), &identity);
            match expected {
                None => assert_eq!(found, None, "{id}"),
                Some(part) => assert!(found.as_ref().is_some_and(|why| why.contains(part)), "{id}: {found:?}"),
            }
        }
    }
}
