//! Decision 15: what holds of every plan for an object that both sides may change, whatever changed.

use kubeferry::object::compare;

use super::*;

const BOTH: [&str; 4] = [
    "{syncTo: both}",
    "{syncTo: both, conflict: git}",
    "{syncTo: both, conflict: cluster}",
    "{syncTo: both, filters: [/spec/replicas, /data, /spec/template, /spec/ports, /spec/nested]}",
];

/// An object on which both sides agree.
fn agreed(dice: &mut Dice, rule: &str) -> Scene {
    let cluster = MemoryCluster::new(&identity().manager(), Pace::instant(), &["shop"]);
    cluster.serve(kind("example.com", "Widget", "widgets"));
    let kinds = [("", "ConfigMap"), ("", "Service"), ("apps", "Deployment"), ("example.com", "Widget")];
    let (group, name) = dice.pick(&kinds).unwrap();
    let id = ObjectId::new(GroupKind::new(group, name), "shop", "web");
    let text = format!("gitUrl: https://git.example.com/a.git\nrules:\n- {rule}\n");
    let rules = kubeferry::rules::load(&text, "rules.yaml").unwrap().rules;
    let object = new(&id, dice);
    cluster.update(&object, "kubectl-create");
    let text = Some(manifest::render(&object));
    let (patches, values, answer) = (Vec::new(), None, None);
    let mut scene = Scene { id, rules, cluster, text, patches, values, answer, then: None, apart: Vec::new() };
    scene.rest();
    scene
}

impl Scene {
    /// Plans and carries out until nothing is left to do, as the engine does.
    fn rest(&mut self) {
        for _ in 0..6 {
            let plan = self.plan();
            assert_eq!(plan, self.plan(), "the same input gives the same plan");
            if let Some(found) = &plan.remembered {
                (self.then, self.apart) = (self.manifest(), found.apart.clone());
            }
            if plan.actions.is_empty() {
                return;
            }
            self.carry_out(&plan);
        }
        panic!("no rest: {:?}\n{:?}\n{}", self.plan(), self.text, self.live().unwrap_or_default());
    }

    fn edit_git(&mut self, dice: &mut Dice) {
        let mut object = self.manifest().unwrap();
        (0..=dice.below(3)).for_each(|_| change(&mut object, dice));
        self.text = Some(manifest::render(&object));
    }

    fn edit_live(&mut self, dice: &mut Dice) {
        let mut object = content(&self.live().unwrap());
        (0..=dice.below(3)).for_each(|_| change(&mut object, dice));
        self.cluster.update(&object, "kubectl-edit");
    }

    /// The values that both sides have at a field.
    fn at(&self, path: &FieldPath) -> (Option<Value>, Option<Value>) {
        let schema = Schema::builtin();
        let of = |side: Option<Value>| {
            let side = side?;
            compare::get(&side, path, schema.view_of(&side)).cloned()
        };
        (of(self.manifest()), of(self.live()))
    }

    fn carries(&self, path: &FieldPath) -> bool {
        self.way(&self.live().unwrap(), path) == Way::Both
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_one_side_changed_arrives_on_the_other(seed: u64) {
        let mut dice = Dice::new(seed);
        let rule = *dice.pick(&BOTH).unwrap();
        let mut scene = agreed(&mut dice, rule);
        for _ in 0..3 {
            let (git, live) = (scene.manifest().unwrap(), content(&scene.live().unwrap()));
            let in_git = dice.once_in(2);
            if in_git { scene.edit_git(&mut dice) } else { scene.edit_live(&mut dice) }
            let edited = if in_git { scene.manifest().unwrap() } else { content(&scene.live().unwrap()) };
            let paths = changed(if in_git { &git } else { &live }, &edited);
            scene.rest();
            for path in paths.into_iter().filter(|path| scene.carries(path)) {
                let (git, live) = scene.at(&path);
                // A number of replicas that leaves Git keeps its value, and a default need not stand there.
                let may_lack = ["spec.replicas", "targetPort", "protocol"].iter().any(|end| path.to_string().ends_with(end));
                let is_released = git.is_none() && may_lack;
                let value = compare::get(&edited, &path, Schema::builtin().view_of(&edited)).cloned();
                prop_assert!(git == live || is_released, "seed {} {} in Git {}: {:?} {:?}", seed, path, in_git, git, live);
                prop_assert!(git == value || is_released, "seed {} {} in Git {}: {:?}", seed, path, in_git, git);
            }
        }
    }

    #[test]
    fn what_both_sides_changed_is_left_alone_or_decided_and_the_rest_is_carried(seed: u64) {
        let mut dice = Dice::new(seed);
        let rule = *dice.pick(&BOTH).unwrap();
        let mut scene = agreed(&mut dice, rule);
        for round in 0..3 {
            let (git, live) = (scene.manifest().unwrap(), content(&scene.live().unwrap()));
            scene.edit_git(&mut dice);
            scene.edit_live(&mut dice);
            let (by_git, by_live) =
                (changed(&git, &scene.manifest().unwrap()), changed(&live, &content(&scene.live().unwrap())));
            let shared = by_git.iter().filter(|path| by_live.contains(path) && scene.carries(path));
            let before: Vec<(FieldPath, _)> = shared.map(|path| (path.clone(), scene.at(path))).collect();
            scene.rest();
            // Later ones begin with what is held of the first: who goes back to what both agreed on has changed nothing.
            if round > 0 {
                continue;
            }
            for (path, (git, live)) in before.into_iter().filter(|(_, (git, live))| git != live) {
                let after = scene.at(&path);
                let is_replicas = path == FieldPath::fields(["spec", "replicas"]);
                match rule {
                    _ if rule.contains("conflict: git") && is_replicas && git.is_none() => {}
                    _ if rule.contains("conflict: git") => prop_assert_eq!(&after, &(git.clone(), git), "{} {}", seed, path),
                    _ if rule.contains("conflict: cluster") => {
                        prop_assert_eq!(&after, &(live.clone(), live), "{} {}", seed, path);
                    }
                    _ => prop_assert_eq!(&after, &(git, live), "{} {}", seed, path),
                }
            }
        }
    }
}
