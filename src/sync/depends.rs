//! Owns what a manifest says that it depends on. Must never decide whether that is there.

use serde_json::Value;

use crate::object::{GroupKind, Kinds, ObjectId};

/// What an object depends on: `KIND [NAMESPACE/]NAME, ...`, or as the other annotation has it.
const OURS: &str = "kubeferry.io/depends-on";

/// The annotation of cli-utils: `GROUP/namespaces/NAMESPACE/KIND/NAME`, or `GROUP/KIND/NAME` without a namespace, separated
/// by commas; the core group is empty.
const THEIRS: &str = "config.kubernetes.io/depends-on";

/// The objects that a manifest names in these annotations, each once; what cannot be understood is told instead. Either
/// annotation takes either form.
pub fn references(manifest: &Value, id: &ObjectId, kinds: &Kinds) -> Vec<Result<ObjectId, String>> {
    let Some(annotations) = manifest.pointer("/metadata/annotations").and_then(Value::as_object) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for key in [OURS, THEIRS] {
        let text = annotations.get(key).and_then(Value::as_str).unwrap_or_default();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let reference = reference(entry, id, kinds).ok_or_else(|| {
                format!("`{entry}` in its annotation {key} names no object: write `KIND [NAMESPACE/]NAME`")
            });
            if !found.contains(&reference) {
                found.push(reference);
            }
        }
    }
    found
}

fn reference(entry: &str, id: &ObjectId, kinds: &Kinds) -> Option<ObjectId> {
    if let Some((kind, name)) = entry.split_once(char::is_whitespace) {
        let (namespace, name) = match name.trim().split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, name.trim()),
        };
        if name.is_empty() || name.contains(['/', ' ']) || namespace.is_some_and(str::is_empty) {
            return None;
        }
        let kind = kind_of(kind, kinds)?;
        let own = || id.namespace().unwrap_or_default();
        let is_namespaced = kinds.get(&kind).is_none_or(|kind| kind.namespaced);
        let namespace = if is_namespaced { namespace.unwrap_or_else(own) } else { "" };
        return Some(ObjectId::new(kind, namespace, name));
    }
    let parts: Vec<&str> = entry.split('/').collect();
    let (group, namespace, kind, name) = match parts[..] {
        [group, "namespaces", namespace, kind, name] if !namespace.is_empty() => (group, namespace, kind, name),
        [group, kind, name] => (group, "", kind, name),
        _ => return None,
    };
    (!kind.is_empty() && !name.is_empty()).then(|| ObjectId::new(GroupKind::new(group, kind), namespace, name))
}

/// The kind that people mean; the first by its group when several are called so. One that is not served is taken as written.
fn kind_of(text: &str, kinds: &Kinds) -> Option<GroupKind> {
    if let Some(kind) = kinds.named(text).first() {
        return Some(kind.group_kind.clone());
    }
    let (kind, group) = text.split_once('.').unwrap_or((text, ""));
    (!kind.is_empty()).then(|| GroupKind::new(group, kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Kind;
    use serde_json::json;

    fn kind(group: &str, name: &str, plural: &str, namespaced: bool) -> Kind {
        Kind {
            group_kind: GroupKind::new(group, name),
            versions: vec!["v1".into()],
            plural: plural.into(),
            singular: name.to_lowercase(),
            short_names: Vec::new(),
            namespaced,
            verbs: Vec::new(),
            scalable: false,
        }
    }

    fn read(key: &str, text: &str) -> Vec<Result<String, String>> {
        let kinds = Kinds::new([
            kind("apps", "Deployment", "deployments", true),
            kind("storage.k8s.io", "StorageClass", "storageclasses", false),
        ]);
        let manifest = json!({"metadata": {"annotations": {key: text}}});
        let id = ObjectId::new(GroupKind::new("", "ConfigMap"), "shop", "a");
        references(&manifest, &id, &kinds).into_iter().map(|found| found.map(|id| id.to_string())).collect()
    }

    #[test]
    fn both_forms_name_objects() {
        for (text, expected) in [
            ("Deployment db", "Deployment.apps shop/db"),
            ("deployments.apps lab/db", "Deployment.apps lab/db"),
            ("StorageClass fast", "StorageClass.storage.k8s.io fast"),
            ("Widget.example.com w", "Widget.example.com shop/w"),
            ("apps/namespaces/lab/Deployment/db", "Deployment.apps lab/db"),
            ("/namespaces/lab/ConfigMap/c", "ConfigMap lab/c"),
            ("/Namespace/lab", "Namespace lab"),
            ("storage.k8s.io/StorageClass/fast", "StorageClass.storage.k8s.io fast"),
        ] {
            for key in [OURS, THEIRS] {
                assert_eq!(read(key, text), [Ok(expected.to_owned())], "{text}");
            }
        }
        let several = read(OURS, " Deployment db , Deployment shop/db,\n/namespaces/lab/ConfigMap/c,");
        assert_eq!(several, [Ok("Deployment.apps shop/db".to_owned()), Ok("ConfigMap lab/c".to_owned())]);
    }

    #[test]
    fn what_names_no_object_is_told() {
        for text in
            ["db", "Deployment a/b/c", "Deployment /db", "apps/namespaces//Deployment/db", "a/b", "apps/Deployment/"]
        {
            let found = read(OURS, text);
            assert!(matches!(&found[..], [Err(reason)] if reason.contains(text)), "{text}: {found:?}");
        }
    }
}
