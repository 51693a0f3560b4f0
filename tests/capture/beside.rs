//! Beside Flux: what it applies is no edit, what people do with kubectl is.

use crate::shop::Shop;

const RULES: &str = "
rules:
- name: people
  namespaces: [beside-flux]
  resources: [configmaps, deployments]
  syncTo: git
  ignoreManagers: ['kustomize-*', helm]
";

const WEB: &str = "\
# What people wrote.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: beside-flux
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: web
        image: nginx:1.27 # pinned
";

const NOTES: &str = "
---
apiVersion: v1
kind: ConfigMap
metadata: {name: notes, namespace: beside-flux}
data: {from: flux}
";

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn beside_flux_only_what_people_do_reaches_git() {
    let shop = Shop::open("beside", RULES).await;
    let flux = |text: &str| {
        let manager = "--field-manager=kustomize-controller";
        shop.kubectl(&["apply", "--server-side", "--force-conflicts", manager, "-f", "-"], text)
    };
    let people = |arguments: &[&str]| shop.kubectl(&[&["-n", "beside-flux"], arguments].concat(), "");
    let web = || shop.files().get("web.yaml").cloned();
    shop.kubectl(&["create", "namespace", "beside-flux"], "");
    flux(&format!("{WEB}{NOTES}"));
    people(&["create", "configmap", "by-hand", "--from-literal=who=me"]);
    let said = shop.once().await;
    assert_eq!(shop.files().keys().collect::<Vec<_>>(), ["beside-flux/ConfigMap/by-hand.yaml"]);
    assert!(said.contains("its managers are ignored: only kustomize-controller wrote it"), "{said}");

    shop.repo.write("Add what people wrote", &[("web.yaml", WEB)]);
    let labelled = WEB.replace("  name: web\n  namespace", "  name: web\n  labels: {team: flux}\n  namespace");
    flux(&labelled.replace("1.27", "1.28"));
    let said = shop.once().await;
    assert_eq!(web().as_deref(), Some(WEB));
    assert!(said.contains("set by kustomize-controller"), "{said}");

    people(&["scale", "deployment/web", "--replicas=5"]);
    people(&["label", "deployment/web", "tier=front"]);
    shop.once().await;
    let scaled = WEB.replace("replicas: 2", "replicas: 5");
    let scaled = scaled.replace("  namespace: beside-flux\n", "  namespace: beside-flux\n  labels:\n    tier: front\n");
    assert_eq!(web(), Some(scaled.clone()));

    people(&["set", "image", "deployment/web", "web=nginx:1.29"]);
    shop.once().await;
    assert_eq!(web(), Some(scaled.replace("1.27", "1.29")));
}
