//! The real binary, killed at random moments while people edit both sides: each restart finds both sides right, everything
//! converges, and no edit is lost or turned back. `KUBEFERRY_KILLS` says how often (20), `KUBEFERRY_SEED` repeats a run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/dice.rs"]
mod dice;
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
mod people;
mod witness;
#[path = "../support/world.rs"]
mod world;

use std::time::Duration;

use kubeferry::report::status::Role;

use dice::Dice;
use ferry::{CommandLine, Ferry, signal};
use git_http::GitHttp;
use people::People;
use witness::Witness;
use world::World;

/// How many instances are killed side by side, each between a repository and a namespace of its own.
const LANES: usize = 4;

/// After so many kills everything has to converge before the next one.
const BETWEEN_CHECKS: usize = 5;

const RULES: &str = "
limits: {deletes: none}
rules:
- name: sizes
  namespaces: [NAMESPACE]
  resources: [configmaps]
  names: [split-*]
  filters: [/data/size]
  syncTo: git
- name: scale
  namespaces: [NAMESPACE]
  resources: [deployments]
  filters: [/spec/replicas]
  syncTo: git
- name: captured
  namespaces: [NAMESPACE]
  resources: [configmaps]
  names: [live-*]
  syncTo: git
- name: declared
  namespaces: [NAMESPACE]
  resources: [configmaps, deployments]
  names: [file-*, split-*, web]
  syncTo: kubernetes
";

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_converges_and_loses_no_edit() {
    let kills = usize::try_from(number("KUBEFERRY_KILLS").unwrap_or(20)).unwrap();
    let seed = number("KUBEFERRY_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        u64::from(now.subsec_nanos())
    });
    println!("KUBEFERRY_SEED={seed} KUBEFERRY_KILLS={kills}");
    let lanes = (0..LANES).map(|lane| {
        let kills = kills / LANES + usize::from(lane < kills % LANES);
        tokio::spawn(async move {
            let world = world(&format!("kill_points_{lane}")).await;
            run_lane(&world, lane, seed + lane as u64, kills).await;
        })
    });
    let failed = futures::future::join_all(lanes).await.into_iter().filter_map(Result::err).next();
    if let Some(failed) = failed {
        println!("repeat it with KUBEFERRY_SEED={seed} KUBEFERRY_KILLS={kills}");
        std::panic::resume_unwind(failed.into_panic());
    }
}

#[cfg(real_server)]
async fn world(name: &str) -> World {
    World::real(name).await
}

#[cfg(not(real_server))]
async fn world(name: &str) -> World {
    World::sandbox(name).await
}

async fn run_lane(world: &World, lane: usize, seed: u64, kills: usize) {
    let mut dice = Dice::new(seed);
    let mut people = People::new(world, seed);
    people.begin().await;
    let witness = Witness::start(world).await;
    world.rules(RULES);
    // Pushes into a folder and pushes over a network end differently when the process dies.
    let server = cfg!(git_http).then_some(()).filter(|()| lane.is_multiple_of(2)).map(|()| served(world));
    let url = server.as_ref().map_or_else(|| world.repo.url(), |server| server.url(""));
    let command = world.command();

    let mut ferry = Some(start(&command, &url).await);
    people.until_converged(ferry.as_ref().unwrap()).await;
    people.until_remembered().await;
    for kill in 1..=kills {
        let mut dying = ferry.take().unwrap();
        let moment = Duration::from_millis(dice.below(1500) as u64);
        if dice.once_in(4) {
            // Early: it has not even read both sides.
        } else {
            until_leader(&dying, &mut people).await;
        }
        let standby = if dice.once_in(4) { Some(start(&command, &url).await) } else { None };
        if let Some(standby) = standby.as_ref().filter(|_| dice.once_in(2)) {
            // It stands still while the other takes over, and wakes up with old news before it is killed. Until its Lease has
            // run out it may well write: nobody takes that away from the living.
            signal(dying.id(), "STOP");
            until_leader(standby, &mut people).await;
            people.edit(&mut dice).await;
            signal(dying.id(), "CONT");
            people.say("one woke up");
        }
        kill_while(&dying, moment, &mut people, &mut dice).await;
        dying.kill();
        drop(dying);
        if standby.is_none() && !dice.once_in(5) {
            // A Lease is waited out now and then only: that takes its time. While another process lives it may be that one's.
            free_lease(world).await;
        }
        for _ in 0..dice.below(4) {
            people.edit(&mut dice).await;
        }
        ferry = Some(match standby {
            Some(standby) => standby,
            None => start(&command, &url).await,
        });
        if kill % BETWEEN_CHECKS == 0 || kill == kills {
            people.until_converged(ferry.as_ref().unwrap()).await;
            people.until_remembered().await;
            println!("lane {lane}: {kill} kills, {} edits, converged", people.edits());
        }
    }
    witness.check(world, &people);
    stays_quiet(world, ferry.unwrap(), &command, &url, &people).await;
    let clones = std::fs::read_dir(world.folder()).unwrap().flatten();
    let clones = clones.filter(|entry| entry.file_name().to_string_lossy().starts_with("kubeferry-clone")).count();
    assert!(clones <= 2, "{clones} clones were left behind");
}

fn served(world: &World) -> GitHttp {
    world.repo.git().config().unwrap().set_bool("http.receivepack", true).unwrap();
    GitHttp::start(&world.repo)
}

async fn start(command: &CommandLine, url: &str) -> Ferry {
    command.run(&[url]).await
}

async fn until_leader(ferry: &Ferry, people: &mut People<'_>) {
    let leads = ferry.until_status("leadership", |page| (page.leader.role == Role::Leader).then_some(()));
    leads.await;
    people.say("leads");
}

/// Nobody holds the Lease any more: what a dead process holds runs out only after some seconds. Not while any lives.
async fn free_lease(world: &World) {
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/{}", world.home, world.namespace);
    world.kubectl.call(http::Method::DELETE, &path, None).await.ok();
}

/// People go on editing until the process is killed, which happens beside them.
async fn kill_while(ferry: &Ferry, moment: Duration, people: &mut People<'_>, dice: &mut Dice) {
    let id = ferry.id();
    let killer = tokio::task::spawn_blocking(move || {
        std::thread::sleep(moment);
        signal(id, "KILL");
    });
    while !killer.is_finished() {
        people.edit(dice).await;
        tokio::time::sleep(Duration::from_millis(dice.below(120) as u64)).await;
    }
    killer.await.unwrap();
}

/// A process that starts with both sides equal writes to neither.
async fn stays_quiet(world: &World, mut ferry: Ferry, command: &CommandLine, url: &str, people: &People<'_>) {
    let before = (world.repo.tip("main"), people.versions().await);
    ferry.kill();
    free_lease(world).await;
    let ferry = start(command, url).await;
    ferry.ready().await;
    people.until_converged(&ferry).await;
    assert_eq!((world.repo.tip("main"), people.versions().await), before, "there was nothing to do");
}
