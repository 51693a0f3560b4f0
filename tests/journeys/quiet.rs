//! Once both sides agree there is silence. The witness is the API server's audit log.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::envtest::{Options, RealServer};
use crate::split;
use crate::world::World;

/// How long nothing may happen.
const SILENCE: Duration = Duration::from_secs(60);

/// What kubeferry asked, watches and its own Lease aside.
fn requests(server: &RealServer, lease: &str) -> Vec<String> {
    let is_noise = |event: &Value| {
        let is_lease = event["objectRef"]["resource"] == "leases" && event["objectRef"]["name"] == lease;
        event["verb"] == "watch" || is_lease
    };
    let log = server.audit_log();
    let text = |event: &Value| format!("{} {} at {}", event["verb"], event["requestURI"], event["stageTimestamp"]);
    log.iter().filter(|event| !is_noise(event)).map(text).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn a_split_object_in_sync_causes_no_request_and_no_commit() {
    let journey = "silence";
    let audited_users = vec![World::account(journey)];
    let server = RealServer::start(Options { controllers: true, audited_users, ..Options::default() });
    let world = World::on(&server, journey).await;
    world.commit("web.yaml", split::MANIFEST);
    let ferry = world.ferry(split::RULES).await;
    let text = split::both_ways(&world).await;
    let head = world.log()[0].id.clone();
    ferry.until_synced(&head).await;
    assert!(!requests(&server, &world.namespace).is_empty(), "the audit log is empty");

    // The last answers of the controllers (the status of the Deployment) and to them are let pass: three quiet seconds.
    let end = Instant::now() + Duration::from_secs(60);
    let mut before = (requests(&server, &world.namespace).len(), Instant::now());
    while before.1.elapsed() < Duration::from_secs(3) {
        assert!(Instant::now() < end, "it does not come to rest: {:#?}", requests(&server, &world.namespace));
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = requests(&server, &world.namespace).len();
        if now != before.0 {
            before = (now, Instant::now());
        }
    }
    tokio::time::sleep(SILENCE).await;
    let after = requests(&server, &world.namespace);
    assert_eq!(after.get(before.0..), Some(&[][..]), "requests in the silence");
    assert_eq!(world.log()[0].id, head);
    assert_eq!(world.file("web.yaml"), Some(world.text(&text)));
    assert_eq!(ferry.status().await.objects.list, []);
}
