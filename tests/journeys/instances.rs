//! Starting, stopping and standing by.

use std::time::{Duration, Instant};

use serde_json::json;

use kubeferry::report::status::Role;

use crate::ferry::{Ferry, signal};
use crate::world::World;

journeys! {
    sigterm_gives_the_lease_back,
    a_standby_takes_over_after_a_kill,
    a_suspended_leader_that_wakes_up_writes_nothing,
}

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
    until_leader(&first).await;
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
    println!("the standby had acted {:?} after the kill", killed.elapsed());
    // At most half a second until the last renewal is seen, four until the Lease runs out, and time for a busy machine.
    assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
    assert_eq!(second.status().await.leader.role, Role::Leader);
}

async fn until_leader(ferry: &Ferry) {
    ferry.until_status("leadership", |page| (page.leader.role == Role::Leader).then_some(())).await;
}

async fn a_suspended_leader_that_wakes_up_writes_nothing(world: &World) {
    const CAPTURED: &str = "
rules:
- namespaces: [NAMESPACE]
  resources: [configmaps]
  names: [clerk]
  syncTo: git
";
    let clerk = SETTINGS.replace("settings", "clerk");
    world.commit("settings.yaml", SETTINGS);
    world.commit("clerk.yaml", &clerk);
    world.kubectl.create(&world.text(&clerk)).await;
    let first = world.ferry(&RULES.replace("\nrules:\n", CAPTURED)).await;
    until_leader(&first).await;
    world.until_live("ConfigMap", "settings", "/data/a", "1").await;
    let counters = first.status().await.counters;
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/{}", world.home, world.namespace);
    let hold = async |holder: &str| {
        let spec = json!({"holderIdentity": holder, "leaseDurationSeconds": 3600, "leaseTransitions": holder.len()});
        world.kubectl.call(http::Method::PATCH, &path, Some(&json!({"spec": spec}))).await.unwrap();
    };

    // While it stands still somebody else takes over, and the news of what happens waits at its door.
    signal(first.id(), "STOP");
    hold("somebody-else").await;
    for number in 0..20 {
        world.kubectl.patch("ConfigMap", "settings", json!({"data": {"a": format!("by hand {number}")}})).await;
        world.kubectl.patch("ConfigMap", "clerk", json!({"data": {"a": format!("key {number}")}})).await;
    }
    let commit = world.commit("settings.yaml", &SETTINGS.replace("'1'", "'2'"));
    // Longer than its lease holds: any less would be a short outage.
    tokio::time::sleep(Duration::from_secs(4)).await;
    signal(first.id(), "CONT");
    let has_read = |page: &kubeferry::report::Status| {
        let knows = page.git.head.as_deref() == Some(&*commit) && page.queue == 0 && page.ready;
        (page.leader.role == Role::Standby && knows).then_some(())
    };
    first.until_status("the first to stand by and to have read everything", has_read).await;
    assert_eq!(first.status().await.counters, counters);
    world.until_live("ConfigMap", "settings", "/data/a", "by hand 19").await;
    assert_eq!(world.log()[0].id, commit);

    hold("").await;
    world.until_live("ConfigMap", "settings", "/data/a", "2").await;
    world.until_file("clerk.yaml", &clerk.replace("'1'", "'key 19'")).await;
}
