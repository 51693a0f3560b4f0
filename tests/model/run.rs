//! Runs one history.

use std::time::Duration;

use kubeferry::cluster::{ClusterError, StateText};
use kubeferry::object::{GroupKind, ObjectId};
use serde_json::json;

use super::hands;
use super::history::{Happening, History, Kept, Moment};
use super::memory_cluster::kind;
use super::pace::{Dice, Fate, Pace};
use super::rest::Checkpoint;
use super::rules;
use super::slots;
use super::witness::Witness;
use super::world::World;

/// More steps than this without rest are an endless loop.
const PATIENCE: usize = 5_000;

pub struct Run {
    pub world: World,
    pub witness: Witness,
    pub rules: Vec<rules::Rule>,
    pub checkpoint: Option<Checkpoint>,
    /// What a process before this one had kept.
    backup: Option<StateText>,
    number: u64,
    steps: usize,
}

/// Runs a history; how many steps the engine made.
pub fn run(history: &History) -> usize {
    let mut run = Run::new(history);
    let tells = std::env::var("KUBEFERRY_TELL").is_ok();
    for moment in &history.moments {
        if tells {
            println!("{:?} {:?}", run.world.now(), moment);
        }
        run.world.pace.set(moment.pace, moment.slowness);
        run.happen(&moment.happening);
        run.go_on(moment);
    }
    run.rest();
    run.stay_at_rest();
    run.steps
}

pub fn namespace(name: &str) -> ObjectId {
    ObjectId::new(GroupKind::new("", "Namespace"), "", name)
}

fn kind_of(number: usize) -> GroupKind {
    let (group, name) = [
        ("", "ConfigMap"),
        ("apps", "Deployment"),
        ("example.com", "Widget"),
        ("", "Service"),
        ("", "Namespace"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ][number];
    GroupKind::new(group, name)
}

impl Run {
    fn new(history: &History) -> Self {
        let world = World::at_pace(&rules::text(&history.rules), Pace::instant());
        world.cluster.keep_past();
        world.cluster.serve(kind("example.com", "Widget", "widgets"));
        let run = Self {
            witness: Witness::new(&history.rules),
            world,
            rules: history.rules.clone(),
            checkpoint: None,
            backup: None,
            number: 100,
            steps: 0,
        };
        run.open("wild");
        run
    }

    fn open(&self, name: &str) {
        if self.world.cluster.object(&namespace(name)).is_none() {
            let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            self.world.cluster.update(&object, "people");
        }
    }

    pub fn step(&mut self) -> Option<Option<Duration>> {
        let rest = self.world.step();
        self.steps += 1;
        self.witness.look(&self.world);
        rest
    }

    fn go_on(&mut self, moment: &Moment) {
        for _ in 0..moment.steps {
            if let Some(Some(until)) = self.step() {
                // A little time: no more than until the next timer.
                self.world.clock.set(until.min(self.world.now() + Duration::from_millis(300)));
            }
        }
        if moment.seconds > 0 {
            self.pass(moment.seconds);
        }
    }

    pub fn pass(&mut self, seconds: u64) {
        let end = self.world.now() + Duration::from_secs(seconds);
        let mut patience = 0;
        loop {
            match self.step() {
                Some(_) if self.world.now() >= end => return,
                Some(until) => {
                    self.world.clock.set(until.map_or(end, |until| until.min(end)));
                    patience = 0;
                }
                None => patience += 1,
            }
            assert!(patience < PATIENCE, "it does not come to rest: {:?}", self.world.engine.progress());
        }
    }

    fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    fn happen(&mut self, happening: &Happening) {
        use Happening::*;
        let number = self.next();
        let (git, cluster) = (self.world.git.clone(), self.world.cluster.clone());
        match *happening {
            Edit { object, slot, remove } => hands::edit(&git, &slots::object(object), slot, remove, number),
            Commit { object, file } => {
                if hands::create(&git, &slots::object(object), file, number) {
                    self.loosen(object);
                }
            }
            RemoveManifest { object } => drop(hands::remove(&git, &slots::object(object))),
            MoveManifest { object, file } => hands::relocate(&git, &slots::object(object), file, number),
            CopyManifest { object } => {
                hands::copy(&git, &slots::object(object), number);
                self.loosen(object);
            }
            Spoil { file } => {
                hands::spoil(&git, file);
                self.checkpoint = None;
            }
            Mend => hands::mend(&git),
            Revert => {
                hands::turn_back(&git, false);
                self.checkpoint = None;
            }
            ForcePush => {
                hands::turn_back(&git, true);
                self.checkpoint = None;
            }
            Race { object, slot } => {
                git.race(Box::new(move |git| hands::edit(git, &slots::object(object), slot, false, number)));
            }
            Poke => self.world.engine.poke(),
            Touch { object, slot, remove, how } => {
                hands::touch(&cluster, &slots::object(object), slot, remove, how, number);
            }
            Make { object } => hands::make(&cluster, &slots::object(object), number),
            Delete { object } => drop(cluster.remove(&slots::object(object))),
            Replace { object } => hands::replace(&cluster, &slots::object(object)),
            NamespaceGoes { namespace: which } => {
                let name = ["shop", "lab"][which];
                for id in slots::objects().filter(|id| id.namespace() == Some(name)) {
                    cluster.remove(&id);
                }
                cluster.remove(&namespace(name));
                self.witness.namespace_went(name);
                self.checkpoint = None;
            }
            NamespaceComes { namespace } => self.open(["shop", "lab"][namespace]),
            Relist { kind, back } => cluster.relist_from(&kind_of(kind), back),
            LoseEvents { kind } => cluster.lose_events(&kind_of(kind)),
            Lag { turns } => cluster.lag(turns),
            Fail { error, times } => {
                for _ in 0..times {
                    cluster.fail_next(match error {
                        0 => ClusterError::Busy("429".into()),
                        1 => ClusterError::Unreachable("timeout".into()),
                        2 => ClusterError::Changed("moved".into()),
                        _ => ClusterError::Invalid("no".into()),
                    });
                }
            }
            LoseAnswer { of_push: true } => git.lose_answer(),
            LoseAnswer { of_push: false } => cluster.lose_answer(),
            Down(down) => git.set_down(down),
            Refuse(refuse) => git.refuse_pushes(refuse.then_some("protected")),
            Reload(ref rules) => {
                self.rules = rules.clone();
                self.world.reload(&rules::text(rules));
                self.witness.reloaded(rules);
                self.checkpoint = None;
            }
            Active(active) => {
                self.world.engine.set_active(active);
                self.checkpoint.iter_mut().for_each(Checkpoint::taken_over);
            }
            Kill { fate, kept, active } => self.kill(fate, kept, active),
            Rest => self.rest(),
        }
    }

    fn kill(&mut self, fate: u64, kept: Kept, active: bool) {
        let mut dice = Dice::new(fate);
        self.world.pace.cut(|| match dice.below(3) {
            0 => Fate::Lost,
            1 => Fate::Arrives,
            _ => Fate::Late(1 + dice.below(60) as u64),
        });
        self.witness.look(&self.world);
        let now = self.world.cluster.kept();
        match kept {
            Kept::Latest => {}
            Kept::Nothing => self.world.cluster.keep(|_| None),
            Kept::Backup => {
                self.world.cluster.keep(|_| None);
                let backup = self.backup.take();
                self.world.cluster.keep(|_| backup);
            }
        }
        self.backup = now.or(self.backup.take());
        self.world.restart(active);
        self.checkpoint.iter_mut().for_each(Checkpoint::taken_over);
        if kept != Kept::Latest {
            self.witness.forgets();
            self.checkpoint = None;
        }
    }

    /// What becomes of this object is no longer told by the checkpoint.
    fn loosen(&mut self, object: usize) {
        if let Some(checkpoint) = &mut self.checkpoint {
            checkpoint.loose.insert(slots::object(object));
        }
    }

    /// Nothing fails any more, and everything comes to rest.
    fn rest(&mut self) {
        self.world.pace.set(0, 0);
        self.world.git.heal();
        self.world.cluster.heal();
        hands::mend(&self.world.git);
        self.world.engine.set_active(true);
        // Longer than the longest pause after failures, twice: what waited may have to wait for Git once more.
        self.pass(1_000);
        let checkpoint = super::rest::look(self);
        slots::objects().filter(|id| checkpoint.is_nowhere(id)).for_each(|id| self.witness.rested(&id));
        self.checkpoint = Some(checkpoint);
    }

    /// Hours go by, and nothing happens.
    fn stay_at_rest(&mut self) {
        let commits = self.world.git.commits();
        let writes = self.witness.writes;
        self.pass(4_000);
        assert_eq!((self.world.git.commits(), self.witness.writes), (commits, writes), "it goes on without a reason");
        super::rest::look(self);
    }
}
