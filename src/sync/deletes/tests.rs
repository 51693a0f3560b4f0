//! Decision 21: how much may go within an hour, and how what is held is let go.

use super::*;
use crate::object::GroupKind;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + minutes * 60).unwrap()
}

fn id(name: &str) -> ObjectId {
    ObjectId::new(GroupKind::new("", "ConfigMap"), "shop", name)
}

fn ids(range: std::ops::Range<usize>) -> BTreeSet<ObjectId> {
    range.map(|number| id(&format!("n{number:03}"))).collect()
}

fn rule(more: &str) -> Rule {
    let text = format!("gitUrl: https://h/r\nrules:\n- {{name: all, syncTo: kubernetes{more}}}\n");
    crate::rules::load(&text, "rules.yaml").unwrap().rules.rules.remove(0)
}

/// One rule over some objects.
struct World {
    deletes: Deletes,
    rule: Rule,
    side: Side,
    size: usize,
}

impl World {
    fn new(side: Side, size: usize) -> Self {
        Self { deletes: Deletes::default(), rule: rule(""), side, size }
    }

    fn judge(&mut self, objects: &BTreeSet<ObjectId>, written: usize, minutes: i64) -> Verdict {
        let (side, size, allowed) = (self.side, self.size, BTreeSet::new());
        let wanted = Wanted { rule: &self.rule, side, objects, allowed: &allowed, size, written };
        self.deletes.judge(&wanted, at(minutes))
    }

    /// Wants deletes and carries out those that go; how many went and how many are held.
    fn pass(&mut self, objects: &BTreeSet<ObjectId>, minutes: i64) -> (usize, usize) {
        let verdict = self.judge(objects, 0, minutes);
        for (id, by_person) in &verdict.go {
            self.deletes.count("all", self.side, id, self.size, *by_person, at(minutes));
            self.size -= 1;
        }
        (verdict.go.len(), verdict.held.len())
    }

    fn approve(&mut self, plan_id: &str) -> Approved {
        let approval = Approval { plan_id: plan_id.to_owned(), by: "ann".into(), at: at(0) };
        self.deletes.approve(&approval)
    }

    fn plans(&self) -> Vec<String> {
        self.deletes.sets().iter().map(|set| set.plan_id.clone()).collect()
    }
}

#[test]
fn deletes_that_come_one_by_one_are_counted_over_an_hour() {
    let mut world = World::new(Side::Cluster, 50);
    for number in 0..9 {
        assert_eq!(world.pass(&ids(number..number + 1), number as i64), (1, 0));
    }
    assert_eq!(world.pass(&ids(9..10), 20), (0, 1), "the tenth of the hour");
    assert_eq!(world.pass(&ids(10..11), 70), (1, 0), "an hour later it no longer counts");
}

#[test]
fn the_limit_goes_by_the_size_at_the_beginning_of_the_hour() {
    let mut world = World::new(Side::Cluster, 200);
    assert_eq!(world.pass(&ids(0..19), 0), (19, 0));
    // 181 are left, a tenth of which is 18.
    assert_eq!(world.pass(&ids(19..20), 1), (0, 1), "the twentieth of 200");
    world.size = 5_000;
    assert_eq!(world.pass(&ids(20..21), 2), (0, 1), "what was added meanwhile raises no limit");
}

#[test]
fn a_rule_of_more_than_two_objects_is_not_emptied() {
    assert_eq!(World::new(Side::Cluster, 3).pass(&ids(0..3), 0), (0, 3));
    assert_eq!(World::new(Side::Cluster, 3).pass(&ids(0..2), 0), (2, 0));
    assert_eq!(World::new(Side::Cluster, 2).pass(&ids(0..2), 0), (2, 0));
    // Nor one by one.
    let mut world = World::new(Side::Cluster, 4);
    assert_eq!(world.pass(&ids(0..1), 0), (1, 0));
    assert_eq!(world.pass(&ids(1..3), 1), (2, 0));
    assert_eq!(world.pass(&ids(3..4), 2), (0, 1));
}

#[test]
fn none_switches_the_limit_off() {
    let mut world = World::new(Side::Cluster, 40);
    world.rule = rule(", limits: {deletes: none}");
    assert_eq!(world.pass(&ids(0..40), 0), (40, 0));
}

#[test]
fn towards_git_what_was_written_within_the_hour_is_set_against_it() {
    let mut world = World::new(Side::Git, 288);
    // A day's snapshots of a dozen claims: as many go as come, the writes a while before.
    for hour in 0..24 {
        world.deletes.count_written("all", 12, world.size, at(hour * 60));
        world.size += 12;
        let old = ids(hour as usize * 12..hour as usize * 12 + 12);
        assert_eq!(world.pass(&old, hour * 60 + 1), (12, 0), "hour {hour}");
    }
    // Without new ones it is another matter.
    assert_eq!(world.pass(&ids(500..530), 24 * 60 + 30), (0, 30));
    // In the same commit they count too.
    assert_eq!(world.judge(&ids(600..630), 30, 26 * 60).go.len(), 30);
}

#[test]
fn what_a_first_capture_wrote_is_set_against_nothing() {
    let mut world = World::new(Side::Git, 0);
    world.deletes.count_written("all", 300, 0, at(0));
    world.size = 300;
    assert_eq!(world.pass(&ids(0..12), 5), (0, 12));
}

#[test]
fn a_held_set_keeps_its_id_and_later_deletes_open_another() {
    let mut world = World::new(Side::Cluster, 50);
    assert_eq!(world.pass(&ids(0..12), 0), (0, 12));
    let [first] = world.plans().try_into().unwrap();
    assert_eq!(first, plan_id(Side::Cluster, &ids(0..12)));
    // The same again, and one more: those before count with it.
    assert_eq!(world.pass(&ids(0..13), 1), (0, 13));
    assert_eq!(world.plans(), [first.clone(), plan_id(Side::Cluster, &ids(12..13))]);

    // One comes back: the set keeps its id, and goes without it.
    world.deletes.came_back(&id("n000"));
    let held = world.judge(&ids(1..12), 0, 2).held;
    assert!(held.values().all(|reason| reason.contains(&format!("`kubeferry approve {first}`"))), "{held:?}");
    assert_eq!(world.approve(&first), Approved::Goes(ids(1..12)));
    assert_eq!(world.approve(&first), Approved::Already);
    assert_eq!(world.pass(&ids(0..13), 3), (11, 2), "the one that came back and goes anew is not of the set");
    assert_eq!(world.approve(&first), Approved::Unknown, "good for that set only");
}

#[test]
fn a_set_whose_objects_come_back_dissolves() {
    let mut world = World::new(Side::Git, 50);
    world.pass(&ids(0..12), 0);
    ids(0..12).iter().for_each(|id| world.deletes.came_back(id));
    assert_eq!(world.plans(), Vec::<String>::new());
}

#[test]
fn what_a_person_let_go_does_not_count() {
    let mut world = World::new(Side::Cluster, 50);
    world.pass(&ids(0..12), 0);
    let plan = world.plans().remove(0);
    world.approve(&plan);
    assert_eq!(world.pass(&ids(0..12), 1), (12, 0));
    assert_eq!(world.pass(&ids(12..14), 2), (2, 0));
}

#[test]
fn what_a_trailer_allows_goes_and_the_rest_is_judged() {
    let mut world = World::new(Side::Cluster, 50);
    let (objects, allowed) = (ids(0..14), ids(0..12));
    let wanted =
        Wanted { rule: &world.rule, side: Side::Cluster, objects: &objects, allowed: &allowed, size: 50, written: 0 };
    let verdict = world.deletes.judge(&wanted, at(0));
    assert_eq!(verdict.go.values().filter(|by_person| **by_person).count(), 12);
    assert_eq!((verdict.go.len(), verdict.held.len()), (14, 0));
}

#[test]
fn counts_and_held_sets_outlive_the_process() {
    let mut world = World::new(Side::Cluster, 50);
    world.pass(&ids(0..9), 0);
    world.pass(&ids(9..20), 1);
    assert!(world.deletes.revision() > 0);
    let text = serde_json::to_string(&world.deletes.save(at(2))).unwrap();

    let mut later = World::new(Side::Cluster, 41);
    later.deletes.restore(serde_json::from_str(&text).unwrap(), at(30));
    assert_eq!(later.plans(), world.plans());
    assert_eq!(later.pass(&ids(9..21), 31), (0, 12), "nine within the hour, eleven held, and one more");
    assert_eq!(later.plans().len(), 2);
}

#[test]
fn a_set_too_large_to_be_kept_is_known_by_its_id_again_and_the_state_stays_small() {
    let mut world = World::new(Side::Cluster, 9_000);
    let all = ids(0..5_000);
    world.pass(&all, 0);
    let [plan] = world.plans().try_into().unwrap();
    let text = serde_json::to_string(&world.deletes.save(at(1))).unwrap();
    assert!(text.len() < 4_000, "{}", text.len());
    let restored = || {
        let mut later = World::new(Side::Cluster, 9_000);
        later.deletes.restore(serde_json::from_str(&text).unwrap(), at(1));
        later
    };

    let mut same = restored();
    assert_eq!(same.approve(&plan), Approved::Goes(ids(0..20)));
    assert_eq!(same.pass(&all, 2), (5_000, 0), "an approval holds for the set that has the same id");

    let mut changed = restored();
    changed.approve(&plan);
    assert_eq!(changed.pass(&ids(0..4_999), 2), (0, 4_999), "of another set nobody has said anything");
    assert_ne!(changed.plans(), [plan]);
}
