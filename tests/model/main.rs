//! The model test: random histories of people, controllers, faults and restarts against one engine. Whatever happens, it
//! comes to rest, each field has the value that its direction demands, and on the way nothing is written that no rule
//! allows. What is right is told by the history and the rules alone, never by the planner.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/memory_cluster.rs"]
mod memory_cluster;
#[path = "../support/memory_remote.rs"]
mod memory_remote;
#[path = "../support/objects.rs"]
mod objects;
#[path = "../support/pace.rs"]
mod pace;
#[path = "../engine/world.rs"]
#[allow(dead_code)]
mod world;

mod agreed;
mod elsewhere;
mod hands;
mod history;
mod rest;
mod rules;
mod run;
mod slots;
mod witness;

use std::time::Instant;

use proptest::strategy::{BoxedStrategy, Strategy};
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use history::History;

/// Happenings of the longest history.
const LENGTH: usize = 80;

/// Makes histories up to a length.
type Histories = fn(usize) -> BoxedStrategy<History>;

/// The history of a seed, run; a failing one is made small and printed. Answers how many happenings it had, and how many
/// steps the engine made.
fn run_seed(histories: Histories, seed: u64, length: usize) -> (usize, usize) {
    let config = Config { failure_persistence: None, max_shrink_iters: 6_000, ..Config::default() };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let tree = histories(length).new_tree(&mut runner).unwrap();
    let count = std::cell::Cell::new((0, 0));
    let outcome = runner.run_one(tree, |history: History| {
        count.set((history.moments.len(), run::run(&history)));
        Ok(())
    });
    match outcome {
        Ok(_) => count.get(),
        Err(TestError::Fail(reason, history)) => {
            panic!("KUBEFERRY_SEED={seed} KUBEFERRY_LENGTH={length}: {reason}\n{history}")
        }
        Err(TestError::Abort(reason)) => panic!("seed {seed}: {reason}"),
    }
}

/// Runs histories from `first` on until so many happenings were survived.
fn run_all(histories: Histories, first: u64, happenings: usize, length: usize) {
    let env = |name| std::env::var(name).ok().map(|value: String| value.parse::<u64>().unwrap());
    let length = env("KUBEFERRY_LENGTH").map_or(length, |length| usize::try_from(length).unwrap());
    let happenings = env("KUBEFERRY_STEPS").map_or(happenings, |steps| usize::try_from(steps).unwrap());
    let first = env("KUBEFERRY_FIRST").unwrap_or(first);
    let hook = std::panic::take_hook();
    if let Some(seed) = env("KUBEFERRY_SEED") {
        std::panic::set_hook(hook);
        run_seed(histories, seed, length);
        return;
    }
    // Making a history small fails again and again: only its last words count.
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload().downcast_ref::<String>().map_or("", |text| text);
        if text.contains("KUBEFERRY_SEED") {
            hook(info);
        }
    }));
    // For whoever looks for more than the first failure.
    let goes_on = std::env::var("KUBEFERRY_GO_ON").is_ok();
    let start = Instant::now();
    let (mut done, mut steps, mut seed) = (0, 0, first);
    while done < happenings {
        let of_seed = || run_seed(histories, seed, length);
        let (happenings, made) =
            if goes_on { std::panic::catch_unwind(of_seed).unwrap_or((length / 2, 0)) } else { of_seed() };
        done += happenings;
        steps += made;
        seed += 1;
    }
    let took = start.elapsed();
    println!("{done} steps of histories (seeds {first} to {}) in {took:.1?}: {steps} steps of the engine", seed - 1);
}

#[test]
fn whatever_happens_it_comes_to_rest_and_nothing_is_lost() {
    run_all(history::histories, 0, 10_000, LENGTH);
}

#[test]
fn whatever_happens_in_short_histories_it_comes_to_rest_and_nothing_is_lost() {
    run_all(history::histories, 1_000_000, 10_000, LENGTH / 2);
}

#[test]
fn whatever_happens_every_field_ends_up_in_its_place() {
    run_all(history::elsewhere, 4_000_000, 2_500, LENGTH / 2);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    assert_eq!(run_seed(history::histories, 11, LENGTH), run_seed(history::histories, 11, LENGTH));
}

#[test]
#[ignore = "half an hour"]
fn a_million_steps_come_to_rest_and_nothing_is_lost() {
    let half = |first| {
        run_all(history::histories, first, 450_000, LENGTH);
        run_all(history::elsewhere, first + 500_000, 50_000, LENGTH);
    };
    let halves = [2_000_000, 3_000_000].map(|first| std::thread::spawn(move || half(first)));
    halves.into_iter().for_each(|half| half.join().unwrap());
}
