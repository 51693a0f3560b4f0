//! Starting, stopping and standing by.

use std::time::{Duration, Instant};

use serde_json::json;

use kubeferry::report::status::Role;

use crate::ferry::until;
use crate::world::World;

journeys! { sigterm_gives_the_lease_back, a_standby_takes_over_after_a_kill }

const RULES: &str = "
rules:
- namespaces: [NAMESPACE]
  resources: [configmaps]
  syncTo: kubernetes
";

const SETTINGS: &str =
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: NAMESPACE}, data: {a: '1'}}\n";

async fn sigterm_gives_the_lease_back(world: &World) {
    world.commit("settings.yaml", SETTINGS);
    let ferry = world.ferry(RULES).await;
    world.until_live("ConfigMap", "settings", "/data/a", "1").await;
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/{}", world.home, world.namespace);
    let lease = || async { world.kubectl.call(http::Method::GET, &path, None).await.unwrap() };
    assert_eq!(lease().await["spec"]["leaseDurationSeconds"], 4);
    assert_eq!(ferry.terminate().await, Some(0));
    let holder = lease().await["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned();
    assert_eq!(holder, "", "the next one need not wait");
}

async fn a_standby_takes_over_after_a_kill(world: &World) {
    world.commit("settings.yaml", SETTINGS);
    let mut first = world.ferry(RULES).await;
    until("the first to lead", || async { (first.status().await.leader.role == Role::Leader).then_some(()) }).await;
    let second = world.command().run(&[]).await;
    second.ready().await;
    assert_eq!(second.status().await.leader.role, Role::Standby);

    // Two may read, one acts.
    world.commit("settings.yaml", &SETTINGS.replace("'1'", "'2'"));
    world.until_live("ConfigMap", "settings", "/data/a", "2").await;
    let live = world.kubectl.get("ConfigMap", "settings").await.unwrap();
    assert_eq!(live["metadata"]["managedFields"].as_array().unwrap().len(), 1);
    assert_eq!(second.status().await.counters, Default::default(), "the standby does nothing");

    first.kill();
    let killed = Instant::now();
    world.kubectl.patch("ConfigMap", "settings", json!({"data": {"a": "by hand"}})).await;
    world.until_live("ConfigMap", "settings", "/data/a", "2").await;
    // Four seconds until the Lease runs out, one until that is seen, and time for a busy machine.
    assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
    assert_eq!(second.status().await.leader.role, Role::Leader);
}
