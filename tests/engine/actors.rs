//! Who works beside the engine: a person who commits, a controller who writes to the cluster, and faults.

use kubeferry::cluster::ClusterError;
use kubeferry::manifest::{self, Caps, ManifestFile, Place};
use kubeferry::object::{GroupKind, ObjectId, RepoPath, Schema};
use serde_json::Value;

use super::memory_cluster::{content, kind};
use super::objects::{change, new};
use super::pace::Dice;
use super::world::World;

const FILES: [&str; 4] = ["shop/all.yaml", "hand/one.yaml", "hand/two.yaml", "shop/ConfigMap/a.yaml"];
const COPY: &str = "copy.yaml";
const BROKEN: &str = "\n---\n<<<<<<< HEAD\na: [\n";

/// The objects that the actors know of.
pub struct Actors {
    ids: Vec<ObjectId>,
}

/// Every manifest at the tip that can be read: its place and what it says.
pub fn manifests(world: &World) -> Vec<(ObjectId, Place, Value)> {
    let mut found = Vec::new();
    for path in world.git.paths() {
        let text = world.git.file(&path).unwrap_or_default();
        let file = ManifestFile::read(RepoPath::parse(&path).unwrap(), text.as_bytes(), &Caps::default());
        for object in file.objects {
            if let Ok(value) = manifest::read(text.as_bytes(), &object.place) {
                found.push((object.id, object.place, value));
            }
        }
    }
    found
}

impl Actors {
    pub fn new(world: &World) -> Self {
        world.cluster.serve(kind("example.com", "Widget", "widgets"));
        let config_map = |namespace, name| ObjectId::new(GroupKind::new("", "ConfigMap"), namespace, name);
        let ids = vec![
            config_map("shop", "a"),
            config_map("shop", "b"),
            config_map("lab", "a"),
            config_map("lab", "b"),
            ObjectId::new(GroupKind::new("apps", "Deployment"), "shop", "web"),
            ObjectId::new(GroupKind::new("", "Service"), "shop", "web"),
            ObjectId::new(GroupKind::new("example.com", "Widget"), "lab", "w"),
        ];
        Self { ids }
    }

    fn id(&self, dice: &mut Dice) -> ObjectId {
        dice.pick(&self.ids).unwrap().clone()
    }

    /// One commit of a person.
    pub fn person(&self, dice: &mut Dice, world: &World) {
        let id = self.id(dice);
        let there = manifests(world).into_iter().find(|(other, ..)| *other == id);
        let file = *dice.pick(&FILES).unwrap();
        match (dice.below(12), there) {
            (0..6, Some((_, place, mut value))) => {
                change(&mut value, dice);
                edit(world, &place, &value);
            }
            (0..9, None) => {
                let text = manifest::render(&new(&id, dice));
                append(world, file, &text);
            }
            (6 | 7, Some((_, place, _))) => drop(cut(world, &place)),
            (8, Some((_, place, value))) => {
                if cut(world, &place) {
                    append(world, file, &manifest::render(&value));
                }
            }
            (9, _) => append_raw(world, file, BROKEN),
            (10, Some((_, _, value))) => append(world, COPY, &manifest::render(&value)),
            _ => self.mend(world),
        }
    }

    /// Takes away conflict markers and copies.
    pub fn mend(&self, world: &World) {
        for path in world.git.paths() {
            let text = world.git.file(&path).unwrap();
            if text.contains(BROKEN) {
                world.git.commit_by_hand(&[(&path, Some(&text.replace(BROKEN, "\n")))]);
            }
        }
        if world.git.file(COPY).is_some() {
            world.git.commit_by_hand(&[(COPY, None)]);
        }
        // Moving and copying by hand leaves some things twice.
        loop {
            let all = manifests(world);
            let twice =
                all.iter().enumerate().find(|(at, (id, ..))| all.iter().take(*at).any(|(other, ..)| other == id));
            match twice {
                Some((_, (_, place, _))) if cut(world, place) => {}
                _ => return,
            }
        }
    }

    /// One write of somebody else to the cluster.
    pub fn controller(&self, dice: &mut Dice, world: &World) {
        let id = self.id(dice);
        let manager = *dice.pick(&["kubectl-edit", "flux", "kubectl-client-side-apply"]).unwrap();
        match (dice.below(10), world.cluster.object(&id)) {
            (_, None) => world.cluster.update(&new(&id, dice), manager),
            (0..5, Some(live)) => {
                let mut wanted = content(&live);
                change(&mut wanted, dice);
                world.cluster.update(&wanted, manager);
            }
            (5, Some(live)) => {
                let mut wanted = content(&live);
                change(&mut wanted, dice);
                world.cluster.apply_as(&wanted, "argo");
            }
            (6, Some(_)) => world.cluster.scale(&id_of_deployment(), dice.below(5) as u64),
            (7, Some(live)) => {
                world.cluster.remove(&id);
                world.cluster.update(&content(&live), manager);
            }
            (_, Some(_)) => drop(world.cluster.remove(&id)),
        }
    }
}

fn id_of_deployment() -> ObjectId {
    ObjectId::new(GroupKind::new("apps", "Deployment"), "shop", "web")
}

fn edit(world: &World, place: &Place, wanted: &Value) {
    let text = world.git.file(place.path.as_str()).unwrap();
    let schema = Schema::builtin();
    let edited = manifest::edit(text.as_bytes(), place, wanted, schema.view_of(wanted));
    if let Ok(edited) = edited {
        let text = String::from_utf8(edited.bytes).unwrap();
        world.git.commit_by_hand(&[(place.path.as_str(), Some(&text))]);
    }
}

fn cut(world: &World, place: &Place) -> bool {
    let path = place.path.as_str();
    let text = world.git.file(path).unwrap();
    match manifest::remove(text.as_bytes(), place) {
        Ok(rest) => {
            let rest = rest.map(|rest| String::from_utf8(rest).unwrap());
            world.git.commit_by_hand(&[(path, rest.as_deref())]);
            true
        }
        Err(_) => false,
    }
}

fn append(world: &World, path: &str, text: &str) {
    append_raw(world, path, &format!("---\n# by hand\n{}", text.trim_start_matches("---\n")));
}

fn append_raw(world: &World, path: &str, text: &str) {
    let mut all = world.git.file(path).unwrap_or_default();
    if all.contains(BROKEN) {
        return;
    }
    if !all.is_empty() && !all.ends_with('\n') {
        all.push('\n');
    }
    world.git.commit_by_hand(&[(path, Some(&(all + text)))]);
}

/// What is wrong with the world just now.
#[derive(Default)]
pub struct Faults {
    down: bool,
    refused: bool,
}

impl Faults {
    pub fn change(&mut self, dice: &mut Dice, world: &World) {
        match dice.below(5) {
            0 => {
                self.down = !self.down;
                world.git.set_down(self.down);
            }
            1 => {
                self.refused = !self.refused;
                world.git.refuse_pushes(self.refused.then_some("protected"));
            }
            2 => world.cluster.relist(&GroupKind::new("", "ConfigMap")),
            3 => world.cluster.relist(&GroupKind::new("", "Namespace")),
            _ => {
                for _ in 0..=dice.below(3) {
                    let error = match dice.below(4) {
                        0 => ClusterError::Busy("429".into()),
                        1 => ClusterError::Unreachable("timeout".into()),
                        2 => ClusterError::Changed("moved".into()),
                        _ => ClusterError::Invalid("no".into()),
                    };
                    world.cluster.fail_next(error);
                }
            }
        }
    }

    pub fn heal(&mut self, world: &World) {
        *self = Self::default();
        world.git.set_down(false);
        world.git.refuse_pushes(None);
        world.cluster.heal();
    }
}
