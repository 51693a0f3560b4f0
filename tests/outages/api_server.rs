//! The API server is away, falls silent, or ends every watch, for all or for the leader alone.

use std::time::Duration;

use kubeferry::report::status::Role;

use http::Method;

use crate::envtest::{Options, RealServer};
use crate::ferry::{CommandLine, Ferry, until};
use crate::proxy::{Proxy, Weather};
use crate::world::World;
use crate::{config_map, edit_live, prepare, until_applied, until_trouble, until_well, until_written};

/// A world whose API server is behind a proxy for kubeferry, though not for people, and the command line that leads there.
async fn behind_a_proxy(name: &str) -> (World, Proxy, CommandLine) {
    lead_through_a_proxy(World::real(name).await).await
}

async fn lead_through_a_proxy(world: World) -> (World, Proxy, CommandLine) {
    prepare(&world).await;
    let kubeconfig = std::fs::read_to_string(world.kubeconfig()).unwrap();
    let server = kubeconfig.split_once("https://").unwrap().1.split('"').next().unwrap().to_owned();
    let proxy = Proxy::to(server.parse().unwrap()).await;
    let path = world.folder().join("through-the-proxy");
    std::fs::write(&path, kubeconfig.replace(&server, &proxy.address().to_string())).unwrap();
    let command = world.command_through(&path);
    (world, proxy, command)
}

async fn until_role(ferry: &Ferry, role: Role) {
    ferry.until_status(&format!("{role:?}"), |page| (page.leader.role == role).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn an_api_server_that_was_away_finds_everything_done_soon_after() {
    let (world, proxy, command) = behind_a_proxy("api_away").await;
    let ferry = command.run(&[]).await;
    ferry.ready().await;
    until_applied(&world, "a").await;
    for (round, weather) in [Weather::Refuses, Weather::Silent].into_iter().enumerate() {
        proxy.set(weather);
        let message = until_trouble(&ferry, "cluster").await;
        assert!(message.contains("the API server does not answer"), "{message}");
        until_role(&ferry, Role::Standby).await;
        let value = format!("round-{round}");
        edit_live(&world, "live", &value).await;
        edit_live(&world, "declared", "drift").await;
        world.commit("declared.yaml", &config_map("declared", &value));
        proxy.set(Weather::Clear);
        until_written(&world, &value).await;
        until_applied(&world, &value).await;
        until_well(&ferry).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn watches_that_end_again_and_again_lose_no_event() {
    let (world, proxy, command) = behind_a_proxy("watch_storm").await;
    let ferry = command.run(&[]).await;
    ferry.ready().await;
    for round in 0..40 {
        edit_live(&world, "live", &format!("round-{round}")).await;
        proxy.cut();
        tokio::time::sleep(Duration::from_millis(30)).await;
        edit_live(&world, "declared", &format!("drift-{round}")).await;
    }
    until_written(&world, "round-39").await;
    until_applied(&world, "a").await;
    until_well(&ferry).await;
}

/// Waits until the API server no longer knows what was there at this version: a watch from then on ends with 410.
async fn until_forgotten(world: &World, version: &str) {
    let path = format!("/api/v1/namespaces/{}/configmaps", world.namespace);
    let then = format!("{path}?resourceVersion={version}&resourceVersionMatch=Exact");
    until("the past is forgotten", || async {
        match world.kubectl.call(Method::GET, &then, None).await {
            Err(kube::Error::Api(status)) if status.code == 410 => Some(()),
            _ => None,
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn a_server_that_forgets_its_past_again_and_again_loses_no_event() {
    let options = ["--watch-cache-sizes=configmaps#0", "--etcd-compaction-interval=1s"];
    let options = Options { apiserver_args: options.map(String::from).to_vec(), ..Options::default() };
    let server = RealServer::start(options);
    let (world, proxy, command) = lead_through_a_proxy(World::on(&server, "forgotten").await).await;
    let ferry = command.with("KUBEFERRY_LOG", "info,kubeferry::cluster=debug").run(&[]).await;
    ferry.ready().await;
    until_applied(&world, "a").await;
    for round in 0..4 {
        // From now on it sees nothing: what is listed now is at least as new as all that it knows.
        proxy.set(Weather::Refuses);
        let list = format!("/api/v1/namespaces/{}/configmaps", world.namespace);
        let list = world.kubectl.call(Method::GET, &list, None).await.unwrap();
        let value = format!("round-{round}");
        edit_live(&world, "live", &value).await;
        edit_live(&world, "declared", "drift").await;
        until_forgotten(&world, list["metadata"]["resourceVersion"].as_str().unwrap()).await;
        proxy.set(Weather::Clear);
        until_written(&world, &value).await;
        until_applied(&world, "a").await;
        until_well(&ferry).await;
    }
    let anew = ferry.log().lines().filter(|line| line.contains("listing anew") && line.contains("ConfigMap")).count();
    assert!(anew >= 3, "{anew} lists anew: {}", ferry.log());
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn a_leader_that_is_cut_off_stands_by_while_another_leads_and_does_not_come_back_by_itself() {
    let (world, proxy, command) = behind_a_proxy("leader_cut_off").await;
    let first = command.run(&[]).await;
    first.ready().await;
    until_role(&first, Role::Leader).await;
    let second = world.command().run(&[]).await;
    second.ready().await;
    proxy.set(Weather::Silent);
    edit_live(&world, "live", "b").await;
    world.commit("declared.yaml", &config_map("declared", "b"));
    until_role(&second, Role::Leader).await;
    until_written(&world, "b").await;
    until_applied(&world, "b").await;
    until_role(&first, Role::Standby).await;
    let counters = first.status().await.counters;
    proxy.set(Weather::Clear);
    until_well(&first).await;
    edit_live(&world, "live", "c").await;
    until_written(&world, "c").await;
    until_role(&first, Role::Standby).await;
    assert_eq!(first.status().await.counters, counters, "one writes");
    let ours = world.log().into_iter().filter(|entry| entry.name != "Ada").count();
    assert_eq!(ours, 2, "{:?}", world.log());
}
