//! The test support itself: a server that comes up, restricted accounts, the audit log.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::ListParams;

use crate::envtest::client_of;
use crate::support::{AUDITED, server};

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn a_service_account_is_restricted_and_audited() {
    let admin = Api::<ConfigMap>::namespaced(server().client().await, "kube-system");
    admin.list(&ListParams::default()).await.unwrap();

    let token = server().service_account_token(AUDITED.0, AUDITED.1).await;
    let reader = Api::<ConfigMap>::namespaced(client_of(&server().kubeconfig_for(&token)).await, "kube-system");
    let refused = reader.list(&ListParams::default()).await.unwrap_err();
    assert!(refused.to_string().contains("forbidden"), "{refused}");

    let log = server().audit_log();
    assert!(log.iter().any(|event| event["verb"] == "list" && event["responseStatus"]["code"] == 403), "{log:?}");
    assert!(log.iter().all(|event| event["user"]["username"] == "system:serviceaccount:audited:reader"), "{log:?}");
}
