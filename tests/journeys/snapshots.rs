//! The rules of the original project, unchanged, on its kinds: in both directions, and with definitions that come later than
//! the controller.

use serde_json::json;

use crate::world::World;

journeys! { ; real only: snapshots_go_both_ways }

/// What `deploy.yaml` does not give, because its rules are about other kinds.
const ROLES: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: read-snapshots}
rules:
- apiGroups: [snapshot.storage.k8s.io]
  resources: [volumesnapshots, volumesnapshotcontents]
  verbs: [get, list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: write-snapshots, namespace: NAMESPACE}
rules:
- apiGroups: [snapshot.storage.k8s.io]
  resources: [volumesnapshots]
  verbs: [create, patch, delete]
";

const NIGHTLY: &str = "\
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshot
metadata:
  name: nightly
  namespace: NAMESPACE
spec:
  source:
    persistentVolumeClaimName: data
";

const CONTENT: &str = "
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshotContent
metadata: {name: NAMESPACE-nightly}
spec:
  deletionPolicy: Retain
  driver: csi.example.org
  source: {snapshotHandle: abc}
  volumeSnapshotRef: {name: nightly, namespace: NAMESPACE}
";

async fn snapshots_go_both_ways(world: &World) {
    world.role(ROLES).await;
    // `manifests` is the folder that the original's configuration names.
    world.commit("manifests/README.md", "# Snapshots\n");
    let rules = world.folder().join("original.yaml");
    std::fs::write(&rules, include_str!("../fixtures/rules/original-config.yaml")).unwrap();
    let ferry = world.command_with(&rules).run(&[&world.repo.url()]).await;
    ferry.ready().await;

    // Nobody has told the API server of snapshots before.
    world.kubectl.create(include_str!("../fixtures/snapshot-crds.yaml")).await;
    ferry
        .until_status("the new kinds to be watched", |page| {
            let new = page.cluster.kinds.iter().filter(|line| line.kind.starts_with("VolumeSnapshot") && line.synced);
            (new.count() == 2).then_some(())
        })
        .await;
    world.kubectl.create(&world.text(NIGHTLY)).await;
    world.kubectl.create(&world.text(CONTENT)).await;
    let path = "manifests/NAMESPACE/VolumeSnapshot/nightly.yaml";
    world.until_file(path, NIGHTLY).await;
    let content = world.text("manifests/VolumeSnapshotContent/NAMESPACE-nightly.yaml");
    crate::ferry::until("the content", || async { world.file(&content) }).await;
    assert!(world.file(&content).unwrap().contains("snapshotHandle: abc"));

    // What a storage driver reports is nobody's wish.
    let status = json!({"status": {"readyToUse": true}, "metadata": {"annotations": {"team": "shop"}}});
    world.kubectl.patch("VolumeSnapshot", "nightly", status).await;
    let annotated = NIGHTLY.replace("namespace: NAMESPACE\n", "namespace: NAMESPACE\n  annotations:\n    team: shop\n");
    world.until_file(path, &annotated).await;
    assert_eq!(ferry.terminate().await, Some(0));

    // The other way: the rule of the original's README, and one for whole objects.
    let readme = include_str!("../fixtures/rules/original-readme.yaml");
    let rule = "- resources: [volumesnapshots]\n  syncTo: kubernetes\n";
    let ferry = world.ferry(&format!("{readme}{rule}")).await;
    let path = world.text(path);
    world.commit(&path, &annotated.replace("team: shop", "team: pay\n    cost: \"7\""));
    let wanted = json!({"team": "pay", "cost": "7"});
    world.until_live("VolumeSnapshot", "nightly", "/metadata/annotations", wanted).await;
    let commit = world.commit("weekly.yaml", &NIGHTLY.replace("nightly", "weekly"));
    world.until_live("VolumeSnapshot", "weekly", "/spec/source/persistentVolumeClaimName", "data").await;
    ferry.until_synced(&commit).await;
}
