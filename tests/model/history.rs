//! What may happen, as data that shrinks: nothing in it depends on what happened before, so that any part of a history is
//! a history.

use std::fmt;

use proptest::prelude::*;

use super::rules::{self, Rule};
use super::slots::{OBJECTS, SLOTS};

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Happening {
    // --- People and Git ---
    Edit {
        object: usize,
        slot: usize,
        remove: bool,
    },
    Commit {
        object: usize,
        file: usize,
    },
    RemoveManifest {
        object: usize,
    },
    MoveManifest {
        object: usize,
        file: usize,
    },
    CopyManifest {
        object: usize,
    },
    Spoil {
        file: usize,
    },
    Mend,
    Revert,
    ForcePush,
    /// Somebody pushes between our fetch and our push.
    Race {
        object: usize,
        slot: usize,
    },
    /// The remote is asked at once, as by a webhook.
    Poke,
    // --- Others and the cluster ---
    Touch {
        object: usize,
        slot: usize,
        remove: bool,
        how: usize,
    },
    Make {
        object: usize,
    },
    Delete {
        object: usize,
    },
    Replace {
        object: usize,
    },
    NamespaceGoes {
        namespace: usize,
    },
    NamespaceComes {
        namespace: usize,
    },
    // --- Faults ---
    Relist {
        kind: usize,
        back: usize,
    },
    LoseEvents {
        kind: usize,
    },
    Lag {
        turns: usize,
    },
    Fail {
        error: usize,
        times: usize,
    },
    LoseAnswer {
        of_push: bool,
    },
    Down(bool),
    Refuse(bool),
    // --- The process ---
    Reload(Vec<Rule>),
    Active(bool),
    /// The process is killed, and another begins: calls under way arrive, late or never, as `fate` says.
    Kill {
        fate: u64,
        kept: Kept,
        active: bool,
    },
    /// Everything comes to rest, and is looked at.
    Rest,
}

/// What a new process finds of what the one before it kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// What was written last.
    Latest,
    /// Nothing.
    Nothing,
    /// A backup of something older.
    Backup,
}

/// What happens, and how the world goes on until the next thing happens.
#[derive(Clone)]
pub struct Moment {
    pub happening: Happening,
    /// Steps of the engine.
    pub steps: usize,
    /// Seconds.
    pub seconds: u64,
    /// How slow calls are from now on.
    pub slowness: usize,
    pub pace: u64,
}

/// Rules, and what happens under them.
#[derive(Clone)]
pub struct History {
    pub rules: Vec<Rule>,
    pub moments: Vec<Moment>,
}

/// Histories under rules at random.
pub fn histories(length: usize) -> BoxedStrategy<History> {
    under(rules::rules().boxed(), length)
}

/// Histories in which fields are kept beside the manifests.
pub fn elsewhere(length: usize) -> BoxedStrategy<History> {
    under(Just(rules::elsewhere()).boxed(), length)
}

fn under(rules: BoxedStrategy<Vec<Rule>>, length: usize) -> BoxedStrategy<History> {
    let moments = prop::collection::vec(moment(rules.clone()), 1..=length);
    (rules, moments).prop_map(|(rules, moments)| History { rules, moments }).boxed()
}

fn moment(rules: BoxedStrategy<Vec<Rule>>) -> impl Strategy<Value = Moment> {
    let seconds = prop_oneof![8 => Just(0), 2 => 0..5u64, 1 => 5..60u64];
    let slowness = prop_oneof![2 => Just(0), 1 => 1..6usize];
    (happening(rules), 0..12usize, seconds, slowness, 0..1000u64)
        .prop_map(|(happening, steps, seconds, slowness, pace)| Moment { happening, steps, seconds, slowness, pace })
}

fn happening(rules: BoxedStrategy<Vec<Rule>>) -> impl Strategy<Value = Happening> {
    use Happening::*;
    let object = || 0..OBJECTS;
    let slot = || 0..SLOTS;
    let remove = || prop::bool::weighted(0.25);
    let git = prop_oneof![
        6 => (object(), slot(), remove()).prop_map(|(object, slot, remove)| Edit { object, slot, remove }),
        5 => (object(), 0..3usize).prop_map(|(object, file)| Commit { object, file }),
        2 => object().prop_map(|object| RemoveManifest { object }),
        1 => (object(), 0..3usize).prop_map(|(object, file)| MoveManifest { object, file }),
        1 => (object(), slot()).prop_map(|(object, slot)| Race { object, slot }),
        3 => Just(Poke),
    ];
    let odd_git = prop_oneof![
        object().prop_map(|object| CopyManifest { object }),
        (0..3usize).prop_map(|file| Spoil { file }),
        Just(Mend),
        Just(Revert),
        Just(ForcePush),
    ];
    let cluster = prop_oneof![
        6 => (object(), slot(), remove(), 0..4usize)
            .prop_map(|(object, slot, remove, how)| Touch { object, slot, remove, how }),
        4 => object().prop_map(|object| Make { object }),
        2 => object().prop_map(|object| Delete { object }),
        1 => object().prop_map(|object| Replace { object }),
    ];
    let odd_cluster = prop_oneof![
        1 => (0..2usize).prop_map(|namespace| NamespaceGoes { namespace }),
        2 => (0..2usize).prop_map(|namespace| NamespaceComes { namespace }),
    ];
    let fault = prop_oneof![
        (0..6usize, 0..5usize).prop_map(|(kind, back)| Relist { kind, back }),
        (0..6usize).prop_map(|kind| LoseEvents { kind }),
        (1..30usize).prop_map(|turns| Lag { turns }),
        (0..4usize, 1..4usize).prop_map(|(error, times)| Fail { error, times }),
        any::<bool>().prop_map(|of_push| LoseAnswer { of_push }),
        any::<bool>().prop_map(Down),
        any::<bool>().prop_map(Refuse),
    ];
    let kept = prop_oneof![6 => Just(Kept::Latest), 1 => Just(Kept::Nothing), 1 => Just(Kept::Backup)];
    let process = prop_oneof![
        2 => rules.prop_map(Reload),
        1 => any::<bool>().prop_map(Active),
        2 => (0..1000u64, kept, prop::bool::weighted(0.8))
            .prop_map(|(fate, kept, active)| Kill { fate, kept, active }),
    ];
    prop_oneof![30 => git, 3 => odd_git, 26 => cluster, 2 => odd_cluster, 8 => fault, 8 => process, 4 => Just(Rest)]
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", rules::text(&self.rules))?;
        for Moment { happening, steps, seconds, slowness, pace } in &self.moments {
            match happening {
                Happening::Reload(rules) => write!(f, "Reload\n{}", rules::text(rules).trim_end())?,
                happening => write!(f, "{happening:?}")?,
            }
            write!(f, "; {steps} steps")?;
            if *seconds > 0 {
                write!(f, ", {seconds} s")?;
            }
            if *slowness > 0 {
                write!(f, ", calls take up to {slowness} (dice {pace})")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.happening)
    }
}
