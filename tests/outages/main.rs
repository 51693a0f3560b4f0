//! What is out of reach, slow, or refuses: nothing is lost, it is said where people look, and it goes on by itself. The real
//! binary, between a real API server, a real sshd and a real git, behind a network with weather.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/envtest.rs"]
mod envtest;
#[path = "../support/ferry.rs"]
mod ferry;
#[path = "../support/git.rs"]
mod git;
#[path = "../support/git_http.rs"]
mod git_http;
#[path = "../support/kubectl.rs"]
mod kubectl;
#[path = "../support/proxy.rs"]
mod proxy;
#[path = "../support/sshd.rs"]
mod sshd;
#[path = "../support/world.rs"]
mod world;

mod api_server;
mod remote;

use kubeferry::http::client;
use serde_json::{Value, json};

use ferry::{Ferry, until};
use world::World;

/// One object for each direction.
const RULES: &str = "
rules:
- name: captured
  namespaces: [NAMESPACE]
  resources: [configmaps]
  names: [live]
  syncTo: git
- name: declared
  namespaces: [NAMESPACE]
  resources: [configmaps]
  names: [declared]
  syncTo: kubernetes
";

fn config_map(name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: NAMESPACE\ndata:\n  key: {value}\n"
    )
}

/// Both objects on both sides.
async fn prepare(world: &World) {
    world.commit("live.yaml", &config_map("live", "a"));
    world.commit("declared.yaml", &config_map("declared", "a"));
    world.kubectl.create(&world.text(&config_map("live", "a"))).await;
    world.rules(RULES);
}

async fn edit_live(world: &World, name: &str, value: &str) {
    world.kubectl.patch("ConfigMap", name, json!({"data": {"key": value}})).await;
}

async fn until_written(world: &World, value: &str) {
    world.until_file("live.yaml", &config_map("live", value)).await;
}

async fn until_applied(world: &World, value: &str) {
    world.until_live("ConfigMap", "declared", "/data/key", value).await;
}

/// What `/health` says, and whether it is well.
async fn health(ferry: &Ferry) -> (bool, Value) {
    let (code, text) = client::get(&format!("{}/health", ferry.url())).await.unwrap();
    (code == 200, serde_json::from_str(&text).unwrap())
}

/// Waits until `/health` names trouble at this place; answers the message.
async fn until_trouble(ferry: &Ferry, place: &str) -> String {
    until(&format!("trouble with {place}"), || async {
        let (well, page) = health(ferry).await;
        let message = page["errors"][place]["message"].as_str().map(ToOwned::to_owned);
        assert!(message.is_none() || !well, "{page}");
        message
    })
    .await
}

async fn until_well(ferry: &Ferry) {
    until("health", || async { health(ferry).await.0.then_some(()) }).await;
}
