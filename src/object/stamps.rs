//! Owns which annotations and labels are stamps: what controllers and other tools leave on an object to remember it by. Must
//! never name what a person sets, even where it only concerns a tool (a sync wave, a hook, `prune: disabled`).

use serde_json::Value;

use super::clean::LAST_APPLIED;

/// Stamps whatever their value is. A request of the moment (`flux reconcile`, a refresh) is one too: it asks for something
/// once and is no state. So are the marks of what an object was restored from, and what a cloud answered.
const STAMPS: [&str; 86] = [
    "applyset.kubernetes.io/additional-namespaces",
    "applyset.kubernetes.io/contains-group-kinds",
    "applyset.kubernetes.io/contains-group-resources",
    "applyset.kubernetes.io/id",
    "applyset.kubernetes.io/part-of",
    "applyset.kubernetes.io/tooling",
    "argocd.argoproj.io/application-set-refresh",
    "argocd.argoproj.io/installation-id",
    "argocd.argoproj.io/instance",
    "argocd.argoproj.io/refresh",
    "argocd.argoproj.io/tracking-id",
    "autoscaling.alpha.kubernetes.io/conditions",
    "autoscaling.alpha.kubernetes.io/current-metrics",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/cronjob-scheduled-timestamp",
    "batch.kubernetes.io/job-name",
    "batch.kubernetes.io/job-tracking",
    "cloud.google.com/neg-status",
    "config.k8s.io/owning-inventory",
    "config.kubernetes.io/index",
    "config.kubernetes.io/path",
    "configsync.gke.io/declared-fields",
    "configsync.gke.io/git-context",
    "configsync.gke.io/resource-id",
    "control-plane.alpha.kubernetes.io/leader",
    "controller-uid",
    "crossplane.io/external-create-failed",
    "crossplane.io/external-create-pending",
    "crossplane.io/external-create-succeeded",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deployment.kubernetes.io/revision",
    "deployment.kubernetes.io/revision-history",
    "deprecated.daemonset.template.generation",
    "endpoints.kubernetes.io/last-change-trigger-time",
    "endpoints.kubernetes.io/over-capacity",
    "field.cattle.io/publicEndpoints",
    "fluxcd.controlplane.io/name",
    "fluxcd.controlplane.io/namespace",
    "helm.toolkit.fluxcd.io/name",
    "helm.toolkit.fluxcd.io/namespace",
    "ingress.kubernetes.io/backends",
    "ingress.kubernetes.io/forwarding-rule",
    "ingress.kubernetes.io/https-forwarding-rule",
    "ingress.kubernetes.io/https-target-proxy",
    "ingress.kubernetes.io/ssl-cert",
    "ingress.kubernetes.io/target-proxy",
    "ingress.kubernetes.io/url-map",
    "job-name",
    "kapp.k14s.io/app",
    "kapp.k14s.io/association",
    "kapp.k14s.io/identity",
    "kapp.k14s.io/original",
    "kapp.k14s.io/original-diff-md5",
    LAST_APPLIED,
    "kubernetes.io/legacy-token-invalid-since",
    "kubernetes.io/legacy-token-last-used",
    "kubernetes.io/limit-ranger",
    "kubernetes.io/metadata.name",
    "kubernetes.io/service-account.uid",
    "kustomize.toolkit.fluxcd.io/checksum",
    "kustomize.toolkit.fluxcd.io/name",
    "kustomize.toolkit.fluxcd.io/namespace",
    "meta.helm.sh/release-name",
    "meta.helm.sh/release-namespace",
    "policies.kyverno.io/last-applied-patches",
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "pv.kubernetes.io/migrated-to",
    "pv.kubernetes.io/provisioned-by",
    "reconcile.fluxcd.io/forceAt",
    "reconcile.fluxcd.io/requestedAt",
    "reconcile.fluxcd.io/resetAt",
    "resourceset.fluxcd.controlplane.io/name",
    "resourceset.fluxcd.controlplane.io/namespace",
    "snapshot.storage.kubernetes.io/volumesnapshot-being-created",
    "snapshot.storage.kubernetes.io/volumesnapshot-being-deleted",
    "velero.io/backup-name",
    "velero.io/restore-name",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/provisioner-deletion-secret-name",
    "volume.kubernetes.io/provisioner-deletion-secret-namespace",
    "volume.kubernetes.io/selected-node",
    "volume.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/storage-resizer",
    "volumehealth.storage.kubernetes.io/health",
];

/// Whole families of stamps.
const FAMILIES: [&str; 2] = ["internal.config.kubernetes.io/", "objectset.rio.cattle.io/"];

/// Written by Helm beside its annotations, and by many charts themselves.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The stamps of one object.
#[derive(Clone, Copy, Debug)]
pub struct Stamps {
    /// Whether Helm holds the object as part of a release: then the label that says so is its stamp.
    of_release: bool,
}

impl Stamps {
    /// What is a stamp on this object.
    pub fn of(object: &Value) -> Self {
        let metadata = |map: &str, key: &str| object.get("metadata")?.get(map)?.get(key)?.as_str();
        let is_helm = metadata("labels", MANAGED_BY) == Some("Helm");
        Self { of_release: is_helm && metadata("annotations", "meta.helm.sh/release-name").is_some() }
    }

    /// Whether an annotation or label of this name is a stamp.
    pub fn contains(self, key: &str) -> bool {
        is_stamp(key) || self.of_release && key == MANAGED_BY
    }
}

/// Whether `key` is a stamp on any object.
pub fn is_stamp(key: &str) -> bool {
    STAMPS.binary_search(&key).is_ok() || FAMILIES.iter().any(|family| key.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_tools_leave_is_a_stamp_and_what_people_tell_them_is_none() {
        assert!(STAMPS.is_sorted());
        for key in [
            "app.kubernetes.io/instance",
            "app.kubernetes.io/managed-by",
            "applyset.kubernetes.io/is-parent-type",
            "argocd.argoproj.io/hook",
            "argocd.argoproj.io/managed-by",
            "argocd.argoproj.io/secret-type",
            "argocd.argoproj.io/sync-options",
            "argocd.argoproj.io/sync-wave",
            "autoscaling.alpha.kubernetes.io/metrics",
            "crossplane.io/external-name",
            "endpointslice.kubernetes.io/managed-by",
            "fluxcd.controlplane.io/reconcile",
            "helm.sh/chart",
            "helm.sh/hook",
            "helm.sh/resource-policy",
            "helm.toolkit.fluxcd.io/driftDetection",
            "kubectl.kubernetes.io/restartedAt",
            "kubeferry.io/prune",
            "kubernetes.io/change-cause",
            "kubernetes.io/service-account.name",
            "kustomize.toolkit.fluxcd.io/force",
            "kustomize.toolkit.fluxcd.io/prune",
            "kustomize.toolkit.fluxcd.io/reconcile",
            "kustomize.toolkit.fluxcd.io/ssa",
            "kustomize.toolkit.fluxcd.io/substitute",
            "storageclass.kubernetes.io/is-default-class",
            "volume.beta.kubernetes.io/storage-class",
        ] {
            assert!(!is_stamp(key), "{key}");
        }
        for key in ["internal.config.kubernetes.io/path", "objectset.rio.cattle.io/hash", LAST_APPLIED, "job-name"] {
            assert!(is_stamp(key), "{key}");
        }
    }

    #[test]
    fn helms_label_is_a_stamp_beside_its_annotations_only() {
        let object = |annotations: Value, by: &str| json!({"metadata": {"annotations": annotations, "labels": {MANAGED_BY: by}}});
        let release = json!({"meta.helm.sh/release-name": "shop"});
        assert!(Stamps::of(&object(release.clone(), "Helm")).contains(MANAGED_BY));
        assert!(!Stamps::of(&object(release, "shop-operator")).contains(MANAGED_BY));
        assert!(!Stamps::of(&object(json!({}), "Helm")).contains(MANAGED_BY));
    }
}
