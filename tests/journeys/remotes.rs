//! The same journeys over real transports: OpenSSH and `git http-backend`; and what happens when somebody else pushes first.

use crate::ferry::{CommandLine, until};
use crate::git;
use crate::git_http::GitHttp;
use crate::split;
use crate::sshd::{KeyKind, KeyPair, Sshd};
use crate::world::World;

journeys! {
    #[cfg_attr(not(sshd), ignore = "needs git and OpenSSH: install openssh-server")]
    both_directions_over_ssh,
    #[cfg_attr(not(git_http), ignore = "needs git http-backend: install git")]
    both_directions_over_http,
    #[cfg_attr(not(git_http), ignore = "needs git http-backend: install git")]
    a_push_that_lost_a_race_is_planned_again,
    #[cfg_attr(not(git_http), ignore = "needs git http-backend: install git")]
    a_stop_finishes_the_push_in_flight,
}

async fn both_directions(world: &World, command: CommandLine, url: &str) {
    world.commit("web.yaml", split::MANIFEST);
    world.rules(split::RULES);
    let ferry = command.run(&[url]).await;
    ferry.ready().await;
    let text = split::both_ways(world).await;
    let head = world.log()[0].id.clone();
    ferry.until_synced(&head).await;
    assert_eq!(world.file("web.yaml"), Some(world.text(&text)));
}

async fn both_directions_over_ssh(world: &World) {
    let sshd = Sshd::start();
    let key = KeyPair::generate(KeyKind::Ed25519, "");
    sshd.authorize(&[&key]);
    let command = world
        .command()
        .with("SSH_KEY_PATH", key.path().to_str().unwrap())
        .with("SSH_KNOWN_HOSTS", git::known_hosts().to_str().unwrap());
    both_directions(world, command, &sshd.url(&world.repo)).await;
}

/// A server of the repository that wants a token, and the command line that has it.
fn served(world: &World) -> (GitHttp, CommandLine) {
    let config = &mut world.repo.git().config().unwrap();
    config.set_bool("http.receivepack", true).unwrap();
    let server = GitHttp::with_login(&world.repo, "git", "a-token");
    let command = world.command().with("GIT_USERNAME", "git").with("GIT_TOKEN", "a-token");
    (server, command)
}

async fn both_directions_over_http(world: &World) {
    let (server, command) = served(world);
    both_directions(world, command, &server.url("")).await;
}

async fn a_push_that_lost_a_race_is_planned_again(world: &World) {
    let (server, command) = served(world);
    let start = world.repo.write("Start", &[("web.yaml", &world.text(split::MANIFEST))]);
    world.rules(split::RULES);
    let ferry = command.run(&[&server.url("")]).await;
    ferry.ready().await;
    world.until_live("Deployment", "web", "/spec/replicas", 2).await;

    // Somebody's commit to the same file arrives while ours is on its way.
    world.repo.set_branch("theirs", start);
    let theirs = split::MANIFEST.replace("web:1", "web:2").replace("# The front door.", "# The back door.");
    world.repo.commit("theirs", "Newer image", &[("web.yaml", Some(world.text(&theirs).as_bytes()))]);
    let lost = world.folder().join("lost");
    world.repo.hook(
        "pre-receive",
        &format!(
            "[ -e '{0}' ] && exit 0\n: > '{0}'\nunset GIT_QUARANTINE_PATH\ngit update-ref refs/heads/main refs/heads/theirs",
            lost.display()
        ),
    );
    world.kubectl.scale("web", 5).await;
    world.until_file("web.yaml", &theirs.replace("replicas: 2 ", "replicas: 5 ")).await;
    world.until_live("Deployment", "web", "/spec/template/spec/containers/0/image", "registry.example/web:2").await;
    world.until_live("Deployment", "web", "/spec/replicas", 5).await;
    assert!(lost.exists());
    let log = world.log();
    let messages: Vec<_> = log.iter().skip(1).map(|entry| entry.message.trim()).collect();
    assert_eq!(messages, ["Newer image", "Start"], "history is kept");
    ferry.until_synced(&log[0].id).await;
}

async fn a_stop_finishes_the_push_in_flight(world: &World) {
    let (server, command) = served(world);
    world.commit("web.yaml", split::MANIFEST);
    world.rules(split::RULES);
    let ferry = command.run(&[&server.url("")]).await;
    ferry.ready().await;
    world.until_live("Deployment", "web", "/spec/replicas", 2).await;
    let path = |name: &str| world.folder().join(name);
    let (begun, go) = (path("begun"), path("go"));
    let script = format!(": > '{}'\nwhile [ ! -e '{}' ]; do sleep 0.02; done", begun.display(), go.display());
    world.repo.hook("pre-receive", &script);
    world.kubectl.scale("web", 5).await;
    until("the push", || async { begun.exists().then_some(()) }).await;
    let stopped = tokio::spawn(ferry.terminate());
    // The signal has surely arrived when readiness is of no more concern: the push is what it waits for.
    std::fs::write(&go, "").unwrap();
    assert_eq!(stopped.await.unwrap(), Some(0));
    assert_eq!(world.file("web.yaml"), Some(world.text(&split::MANIFEST.replace("replicas: 2 ", "replicas: 5 "))));
}
