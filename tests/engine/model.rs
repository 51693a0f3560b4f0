//! Random people, controllers, faults and restarts against one engine; after each run everything must come to rest, with
//! both sides equal where a rule says so, and on the way nothing may be written that no rule allows.

use serde_json::{Value, json};

use super::actors::{Actors, Faults};
use super::pace::{Dice, Pace};
use super::witness::Witness;
use super::world::World;

/// Rules between which a run changes.
const RULES: [&str; 4] = [
    "\
- {name: scaled, apiGroups: [apps], resources: [deployments], filters: [/spec/replicas], syncTo: git}
- {name: apply, apiGroups: ['', apps], resources: [configmaps, services, deployments], namespaces: [shop], syncTo: kubernetes, limits: {deletes: none}}
- {name: capture, apiGroups: ['', example.com], resources: [configmaps, widgets], namespaces: [lab], syncTo: git, limits: {deletes: none}}",
    "\
- {name: scaled, apiGroups: [apps], resources: [deployments], filters: [/spec/replicas], syncTo: kubernetes}
- {name: capture, apiGroups: ['', apps], resources: [configmaps, services, deployments], namespaces: [shop], syncTo: git, limits: {deletes: none}}
- {name: apply, apiGroups: ['', example.com], resources: [configmaps, widgets], namespaces: [lab], syncTo: kubernetes, limits: {deletes: none}}",
    "\
- {name: one, resources: [configmaps], filters: [/data/a], syncTo: git}
- {name: idle, resources: [configmaps], filters: [/data/b], suspend: true, syncTo: git}
- {name: image, apiGroups: [apps], resources: [deployments], filters: [\".spec.template.spec.containers[?(@.name=='web')].image\"], syncTo: git}
- {name: nested, apiGroups: [example.com], resources: [widgets], filters: [/spec/nested], syncTo: git}
- {name: rest, apiGroups: ['', apps, example.com], resources: [configmaps, services, deployments, widgets], namespaces: [shop, lab], syncTo: kubernetes, limits: {deletes: none}}",
    "\
- {name: meta, apiGroups: ['', apps], resources: [configmaps, deployments], filters: [/metadata/annotations], syncTo: kubernetes}
- {name: look, resources: [configmaps], namespaces: [lab], syncTo: observe}
- {name: capture, apiGroups: ['', apps, example.com], resources: [configmaps, services, deployments, widgets], namespaces: [shop, lab], syncTo: git, limits: {deletes: none}}",
];

/// Rules whose fields go to other places. What is a patch under them is a manifest under others, so a run keeps to them.
const PLACES: &str = "\
- {name: patches, apiGroups: [apps], resources: [deployments], fields: [/spec/replicas], format: patch, syncTo: git}
- {name: values, resources: [configmaps], namespaces: [shop], fields: [{path: /data/a, to: 'values.yaml#/{{ .Name }}/a'}], syncTo: git}
- {name: whole, apiGroups: [example.com], resources: [widgets], format: patch, path: 'all.patch.yaml', syncTo: git}
- {name: rest, apiGroups: ['', apps], resources: [configmaps, services, deployments], namespaces: [shop, lab], syncTo: kubernetes, limits: {deletes: none}}";

struct Run {
    /// Whether the rules stay those of [`PLACES`].
    places: bool,
    world: World,
    witness: Witness,
    actors: Actors,
    faults: Faults,
    dice: Dice,
    seed: u64,
    steps: usize,
}

impl Run {
    fn new(seed: u64, places: bool) -> Self {
        let mut dice = Dice::new(seed);
        let pace = if dice.once_in(3) { Pace::instant() } else { Pace::random(seed, 1 + dice.below(5)) };
        let rules = if places { PLACES } else { RULES[dice.below(RULES.len())] };
        let world = World::at_pace(rules, pace);
        let actors = Actors::new(&world);
        let witness = Witness::new(&world);
        Self { places, world, witness, actors, faults: Faults::default(), dice, seed, steps: 0 }
    }

    fn step(&mut self) -> Option<Option<std::time::Duration>> {
        let rest = self.world.step();
        self.steps += 1;
        self.witness.look(&self.world);
        rest
    }

    /// Some steps, now and then with a little time between them.
    fn go_on(&mut self) {
        for _ in 0..self.dice.below(12) {
            if let Some(until) = self.step() {
                let now = self.world.now();
                let some = now + std::time::Duration::from_millis(self.dice.below(3_000) as u64);
                self.world.clock.set(until.map_or(some, |until| until.min(some)));
            }
        }
        if self.dice.once_in(15) {
            let seconds = 1 + self.dice.below(40) as u64;
            self.pass(seconds);
        }
    }

    fn pass(&mut self, seconds: u64) {
        let end = self.world.now() + std::time::Duration::from_secs(seconds);
        let mut patience = 0;
        while self.world.now() < end {
            match self.step() {
                Some(until) => {
                    self.world.clock.set(until.map_or(end, |until| until.min(end)));
                    patience = 0;
                }
                None => patience += 1,
            }
            assert!(patience < 5_000, "seed {}: no rest: {:?}", self.seed, self.world.engine.progress());
        }
        while self.step().is_none() {
            patience += 1;
            assert!(patience < 5_000, "seed {}: no rest: {:?}", self.seed, self.world.engine.progress());
        }
    }

    fn happen(&mut self) {
        match self.dice.below(20) {
            0..8 => {
                self.actors.person(&mut self.dice, &self.world);
                if self.dice.once_in(2) {
                    // As a webhook does; otherwise the interval finds it.
                    self.world.engine.poke();
                }
            }
            8..15 => self.actors.controller(&mut self.dice, &self.world),
            15 | 16 => self.faults.change(&mut self.dice, &self.world),
            17 if self.places => {}
            17 => {
                let list = RULES[self.dice.below(RULES.len())];
                self.world.reload(list);
                self.witness.reloaded(&self.world);
            }
            18 => {
                let active = self.dice.once_in(2);
                self.world.engine.set_active(active);
            }
            _ => {
                let active = !self.dice.once_in(4);
                self.world.restart(active);
                self.witness.restarted(&self.world);
            }
        }
    }

    /// Lets everything come to rest and looks whether it is as it should be.
    fn rest(&mut self) {
        self.faults.heal(&self.world);
        self.actors.mend(&self.world);
        self.world.engine.set_active(true);
        // Longer than the longest pause after failures, twice: what waited may have to wait for Git once more.
        self.pass(1_000);
        self.witness.at_rest(&self.world);
        let commits = self.world.git.commits();
        let writes = self.witness.writes;
        self.pass(4_000);
        assert_eq!((self.world.git.commits(), self.witness.writes), (commits, writes), "seed {}: no rest", self.seed);
        self.witness.at_rest(&self.world);
        if self.places {
            super::places::at_rest(&self.world);
        }
    }
}

fn run(seed: u64, length: usize, places: bool) -> usize {
    let mut run = Run::new(seed, places);
    for _ in 0..length {
        run.happen();
        run.go_on();
    }
    run.rest();
    run.steps
}

/// Runs seeds, each in the name of its number.
fn run_all(seeds: std::ops::Range<u64>, length: usize, places: bool) {
    if let Ok(seed) = std::env::var("KUBEFERRY_SEED") {
        let length = std::env::var("KUBEFERRY_LENGTH").map_or(length, |length| length.parse().unwrap());
        run(seed.parse().unwrap(), length, places);
        return;
    }
    let failed: Vec<u64> =
        seeds.filter(|seed| std::panic::catch_unwind(|| run(*seed, length, places)).is_err()).collect();
    assert!(failed.is_empty(), "run again with KUBEFERRY_SEED=N, where N is one of {failed:?}");
}

#[test]
fn whatever_happens_it_comes_to_rest_and_both_sides_agree() {
    run_all(0..200, 25, false);
}

#[test]
fn whatever_happens_every_field_ends_up_in_its_place() {
    run_all(0..100, 25, true);
}

#[test]
#[ignore = "long"]
fn a_million_steps_come_to_rest() {
    let mut steps = 0;
    let mut seed = 1_000_000;
    while steps < 1_000_000 {
        eprintln!("{steps} steps, seed {seed}");
        steps += run(seed, 200, seed % 4 == 0);
        seed += 1;
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let end = |seed: u64| -> Value {
        let mut run = Run::new(seed, false);
        for _ in 0..20 {
            run.happen();
            run.go_on();
        }
        let live: Vec<Value> = run.world.cluster.objects().into_values().collect();
        json!([live, run.world.git.commits(), run.steps])
    };
    assert_eq!(end(11), end(11));
}
