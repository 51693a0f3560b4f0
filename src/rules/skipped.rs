//! Owns which objects are left alone although a rule selects them. Must never skip a manifest for its kind: except for
//! our own state, this is about live objects that stand in no manifest.

use serde_json::Value;

use crate::object::{GroupKind, Kind, ObjectId};

use super::rule::Rule;

/// Kinds that nobody stores in Git: what controllers and kubelets write by themselves.
const NOT_STORED: [(&str, &str); 19] = [
    ("", "Endpoints"),
    ("", "Event"),
    ("", "Node"),
    ("", "Pod"),
    ("apiregistration.k8s.io", "APIService"),
    ("apps", "ControllerRevision"),
    ("apps", "ReplicaSet"),
    ("certificates.k8s.io", "CertificateSigningRequest"),
    ("coordination.k8s.io", "Lease"),
    ("coordination.k8s.io", "LeaseCandidate"),
    ("discovery.k8s.io", "EndpointSlice"),
    ("events.k8s.io", "Event"),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
    ("networking.k8s.io", "IPAddress"),
    ("networking.k8s.io", "ServiceCIDR"),
    ("storage.k8s.io", "CSINode"),
    ("storage.k8s.io", "CSIStorageCapacity"),
    ("storage.k8s.io", "VolumeAttachment"),
];

/// Whether the object is state of the instance `name` in `namespace` itself: its state ConfigMap or its Lease. No rule
/// selects it, in either direction.
pub fn is_own(id: &ObjectId, namespace: &str, name: &str) -> bool {
    if id.namespace() != Some(namespace) {
        return false;
    }
    let is_state = || id.is("", "ConfigMap") && id.name().strip_suffix("-state") == Some(name);
    let is_lease = || id.is("coordination.k8s.io", "Lease") && id.name() == name;
    is_state() || is_lease()
}

/// Whether a live object is an Event that an instance of this program reported. No rule selects it.
pub fn is_own_event(live: &Value, kind: &Kind) -> bool {
    let reporter = |pointer: &str| live.pointer(pointer).and_then(Value::as_str);
    *kind.group_kind.kind == *"Event"
        && ["/reportingComponent", "/reportingController", "/source/component"]
            .iter()
            .filter_map(|pointer| reporter(pointer))
            .any(|reporter| reporter == "kubeferry" || reporter.starts_with("kubeferry:"))
}

/// Whether live objects of the kind are never written to Git by this rule, whatever they are called: it selects any
/// kind, and this is one that nobody stores. A watch of the kind is then needed only for manifests of it.
pub fn is_kind_left_out(kind: &Kind, rule: &Rule) -> bool {
    let GroupKind { group, kind: name } = &kind.group_kind;
    let is_not_stored = NOT_STORED.contains(&(&**group, &**name));
    is_not_stored && rule.selects_kind_as_any(kind)
}

/// Why a live object that stands in no manifest is left alone by the rule; `None` when it is not.
pub fn never_captured(live: &Value, kind: &Kind, rule: &Rule) -> Option<&'static str> {
    if is_own_event(live, kind) {
        return Some("it is an Event of our own");
    }
    let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let name = text("/metadata/name");
    if has_controller(live) && !rule.names_by_pattern(name) {
        return Some("a controller owns it; a pattern in `names` that matches takes it in");
    }
    if let Some(reason) = generated(&kind.group_kind, name, text("/type"))
        && !rule.names_exactly(name)
    {
        return Some(reason);
    }
    if !rule.selects_kind_as_any(kind) {
        return None;
    }
    if is_kind_left_out(kind, rule) {
        return Some("objects of this kind are not stored in Git; naming the kind in `resources` takes them in");
    }
    let is_bootstrapping = live.pointer("/metadata/labels/kubernetes.io~1bootstrapping").is_some();
    made_by_server(&kind.group_kind, text("/metadata/namespace"), name, is_bootstrapping)
        .then_some("the server made it for itself; naming the kind in `resources` takes it in")
}

fn has_controller(live: &Value) -> bool {
    let owners = live.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.into_iter().flatten().any(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))
}

/// Objects that something writes into every namespace or at every release.
fn generated(kind: &GroupKind, name: &str, secret_type: &str) -> Option<&'static str> {
    if !kind.group.is_empty() {
        return None;
    }
    match (&*kind.kind, secret_type) {
        ("ConfigMap", _) if name == "kube-root-ca.crt" => {
            Some("every namespace gets this ConfigMap; its own name in `names` takes it in")
        }
        ("Secret", "kubernetes.io/service-account-token") => {
            Some("it is a token of a service account; its own name in `names` takes it in")
        }
        ("Secret", "helm.sh/release.v1") => Some("it is a release of Helm; its own name in `names` takes it in"),
        _ => None,
    }
}

/// Objects that an API server without any user has.
fn made_by_server(kind: &GroupKind, namespace: &str, name: &str, is_bootstrapping: bool) -> bool {
    match (&*kind.group, &*kind.kind) {
        ("rbac.authorization.k8s.io", _) => is_bootstrapping || name.starts_with("system:"),
        ("scheduling.k8s.io", "PriorityClass") => name.starts_with("system-"),
        ("", "ServiceAccount") => name == "default",
        ("", "Service") => namespace == "default" && name == "kubernetes",
        ("", "Namespace") => name == "default" || name.starts_with("kube-"),
        ("", "ConfigMap") => {
            namespace == "kube-system"
                && matches!(
                    name,
                    "extension-apiserver-authentication" | "kube-apiserver-legacy-service-account-token-tracking"
                )
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
