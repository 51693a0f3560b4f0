//! The remote repository is away, slow, refuses, or its answer is lost.

use std::time::Duration;

use kubeferry::report::Status;

use crate::ferry::{CommandLine, Ferry, until};
use crate::git;
use crate::git_http::GitHttp;
use crate::proxy::{Proxy, Weather};
use crate::sshd::{KeyKind, KeyPair, Sshd};
use crate::world::World;
use crate::{edit_live, health, prepare, until_applied, until_trouble, until_well, until_written};

/// A world whose repository is served behind a proxy, and an instance that has read it.
async fn begin(name: &str) -> (World, GitHttp, Proxy, Ferry) {
    let world = World::real(name).await;
    prepare(&world).await;
    world.repo.git().config().unwrap().set_bool("http.receivepack", true).unwrap();
    let server = GitHttp::with_login(&world.repo, "git", "a-token");
    let proxy = Proxy::to(server.address()).await;
    let url = server.url("").replace(&server.address().to_string(), &proxy.address().to_string());
    let command = world.command().with("GIT_USERNAME", "git").with("GIT_TOKEN", "a-token");
    let ferry = running(&command, &url).await;
    until_applied(&world, "a").await;
    (world, server, proxy, ferry)
}

async fn running(command: &CommandLine, url: &str) -> Ferry {
    let ferry = command.run(&[url]).await;
    ferry.ready().await;
    ferry
}

/// Waits until a change waits for the remote.
async fn until_batched(ferry: &Ferry) {
    ferry.until_status("a change that waits", |page| (page.git.batched == 1).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
#[cfg_attr(not(git_http), ignore = "needs git http-backend: install git")]
async fn a_remote_that_is_away_holds_up_nothing_else_and_gets_everything_when_it_is_back() {
    let (world, _server, proxy, ferry) = begin("remote_away").await;
    proxy.set(Weather::Refuses);
    let message = until_trouble(&ferry, "git").await;
    assert!(message.contains("cannot reach") || message.contains("does not answer"), "{message}");
    // What was read stays in force, and what waits for the remote is shown.
    edit_live(&world, "declared", "drift").await;
    until_applied(&world, "a").await;
    edit_live(&world, "live", "b").await;
    until_batched(&ferry).await;
    edit_live(&world, "live", "c").await;
    let commit = world.commit("declared.yaml", &crate::config_map("declared", "b"));
    // No event but the end of the outage.
    proxy.set(Weather::Clear);
    until_written(&world, "c").await;
    until_applied(&world, "b").await;
    until_well(&ferry).await;
    let ours = world.log().into_iter().take_while(|entry| entry.id != commit).count();
    assert_eq!(ours, 1, "one commit for all that waited: {:?}", world.log());
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
#[cfg_attr(not(git_http), ignore = "needs git http-backend: install git")]
async fn a_remote_that_falls_silent_or_is_slow_delays_only_itself() {
    let (world, server, proxy, ferry) = begin("remote_silent").await;
    proxy.set(Weather::Silent);
    let served = server.served();
    edit_live(&world, "live", "b").await;
    until_batched(&ferry).await;
    for round in 0..3 {
        edit_live(&world, "declared", &format!("drift {round}")).await;
        until_applied(&world, "a").await;
    }
    assert!(server.served() <= served + 1, "nothing got through");
    assert!(ferry.status().await.ready);
    proxy.set(Weather::Clear);
    until_written(&world, "b").await;

    proxy.set(Weather::Slow(100, Duration::from_millis(5)));
    edit_live(&world, "live", "c").await;
    until_written(&world, "c").await;
    world.commit("declared.yaml", &crate::config_map("declared", "c"));
    until_applied(&world, "c").await;
    // Connections that break in the middle of a word, again and again.
    proxy.set(Weather::Slow(50, Duration::from_millis(2)));
    edit_live(&world, "live", "d").await;
    for _ in 0..20 {
        proxy.cut();
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    proxy.set(Weather::Clear);
    until_written(&world, "d").await;
    until_well(&ferry).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
#[cfg_attr(not(git_http), ignore = "needs git http-backend: install git")]
async fn a_push_that_arrived_although_its_answer_was_lost_is_neither_lost_nor_repeated() {
    let (world, _server, proxy, ferry) = begin("answer_lost").await;
    let path = |name: &str| world.folder().join(name);
    let (begun, go) = (path("begun"), path("go"));
    let script = format!(": > '{}'\nwhile [ ! -e '{}' ]; do sleep 0.02; done", begun.display(), go.display());
    world.repo.hook("pre-receive", &script);
    edit_live(&world, "live", "b").await;
    until("the push", || async { begun.exists().then_some(()) }).await;
    proxy.set(Weather::LosesAnswers);
    std::fs::write(&go, "").unwrap();
    until_written(&world, "b").await;
    let arrived = world.log();
    until_trouble(&ferry, "git").await;
    proxy.set(Weather::Clear);
    until_well(&ferry).await;
    ferry.until_synced(&arrived[0].id).await;
    assert_eq!(world.log(), arrived, "nothing is committed twice");
    // It knows that this is its own work: the next edit follows on it.
    edit_live(&world, "live", "c").await;
    until_written(&world, "c").await;
    assert_eq!(world.log().len(), arrived.len() + 1);
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
#[cfg_attr(not(git_http), ignore = "needs git http-backend: install git")]
async fn a_push_that_is_refused_is_said_in_the_words_of_the_remote_and_tried_again() {
    let (world, server, _proxy, ferry) = begin("push_refused").await;
    for (number, words) in
        ["GH006: Protected branch update failed", "quota exceeded: 0 bytes left", "policy: ask ops"].iter().enumerate()
    {
        world.repo.hook("pre-receive", &format!("echo '{words}' >&2; exit 1"));
        let value = format!("refused {number}");
        edit_live(&world, "live", &value).await;
        let message = until_trouble(&ferry, "git").await;
        assert!(message.contains(words), "{message}");
        // Reading goes on, and so does the other direction.
        let next = format!("meanwhile {number}");
        world.commit("declared.yaml", &crate::config_map("declared", &next));
        until_applied(&world, &next).await;
        assert!(!health(&ferry).await.0, "that it can be read does not make it well");
        world.repo.hook("pre-receive", "exit 0");
        until_written(&world, &value).await;
        until_well(&ferry).await;
    }
    server.set_login("git", "another-token");
    let message = until_trouble(&ferry, "git").await;
    assert!(message.contains("GIT_TOKEN") && !message.contains("a-token"), "{message}");
    edit_live(&world, "live", "expired").await;
    until_batched(&ferry).await;
    server.set_login("git", "a-token");
    until_written(&world, "expired").await;
    until_well(&ferry).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
#[cfg_attr(not(sshd), ignore = "needs git and OpenSSH: install openssh-server")]
async fn a_key_that_is_revoked_is_said_and_taken_again_when_it_is_registered() {
    let world = World::real("key_revoked").await;
    prepare(&world).await;
    let (sshd, key) = (Sshd::start(), KeyPair::generate(KeyKind::Ed25519, ""));
    sshd.authorize(&[&key]);
    let hosts = git::known_hosts().to_str().unwrap().to_owned();
    let command = world.command().with("SSH_KEY_PATH", key.path().to_str().unwrap()).with("SSH_KNOWN_HOSTS", &hosts);
    let ferry = running(&command, &sshd.url(&world.repo)).await;
    sshd.authorize(&[]);
    edit_live(&world, "live", "b").await;
    let message = until_trouble(&ferry, "git").await;
    assert!(message.contains("registered") && message.contains(key.path().to_str().unwrap()), "{message}");
    sshd.authorize(&[&key]);
    until_written(&world, "b").await;
    until_well(&ferry).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn a_remote_whose_name_leads_nowhere_is_said_and_nothing_is_written() {
    let world = World::real("no_such_host").await;
    prepare(&world).await;
    let ferry = world.command().run(&["https://git.kubeferry.invalid/shop.git"]).await;
    let message = until_trouble(&ferry, "git").await;
    assert!(message.contains("git.kubeferry.invalid"), "{message}");
    let says_so = |page: &Status| page.waiting_for.iter().any(|text| text.starts_with("Git: ")).then_some(page.ready);
    assert!(!ferry.until_status("the reason why it is not ready", says_so).await);
    assert!(world.kubectl.get("ConfigMap", "declared").await.is_none());
}
