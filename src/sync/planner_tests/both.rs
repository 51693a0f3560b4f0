//! Both sides may change an object: which change wins, what is held, and what a missing side means (decisions 14 and 15).

use super::*;
use crate::sync::past::{Apart, Edit, Then, Undecided};

fn both(more: &str) -> Case {
    Case::new(rule(&[&format!("both {more}")]))
}

/// Both sides agreed on `a: 1, b: 1`.
fn agreed(rule: &str, git: Value, live: Value) -> Case {
    both(rule).git(config_map(git)).ours(config_map(live)).agreed(&config_map(json!({"a": "1", "b": "1"})))
}

fn reason(case: &Case) -> String {
    case.plan().notes.iter().map(|note| note.reason.clone()).collect::<Vec<_>>().join("; ")
}

#[test]
fn decision_15_the_side_that_changed_wins() {
    let base = || json!({"a": "1", "b": "1"});
    for (git, live, words) in [
        (base(), base(), vec![]),
        (json!({"a": "2", "b": "1"}), base(), vec!["apply [.data.a]"]),
        (base(), json!({"a": "2", "b": "1"}), vec!["edit [.data.a]"]),
        (json!({"a": "2", "b": "1"}), json!({"a": "1", "b": "2"}), vec!["apply [.data.a]", "edit [.data.b]"]),
        (json!({"a": "2", "b": "1"}), json!({"a": "2", "b": "1"}), vec![]),
        // New on one side.
        (json!({"a": "1", "b": "1", "c": "1"}), base(), vec!["apply [.data.c]"]),
        (base(), json!({"a": "1", "b": "1", "c": "1"}), vec!["edit [.data.c]"]),
        // Removed on one side.
        (json!({"a": "1"}), base(), vec!["apply [.data.b]"]),
        (base(), json!({"a": "1"}), vec!["edit [.data.b]"]),
        // Both changed it.
        (json!({"a": "2", "b": "1"}), json!({"a": "3", "b": "1"}), vec!["held"]),
        (json!({"a": "1"}), json!({"a": "1", "b": "2"}), vec!["held"]),
        (json!({"a": "1", "b": "2"}), json!({"a": "1"}), vec!["held"]),
        (json!({"a": "1", "b": "1", "c": "1"}), json!({"a": "1", "b": "1", "c": "2"}), vec!["held"]),
        // The rest goes on.
        (json!({"a": "2", "b": "1"}), json!({"a": "3", "b": "2"}), vec!["edit [.data.b]", "held"]),
    ] {
        let case = agreed("", git.clone(), live.clone());
        assert_eq!(case.words(), words, "Git {git}, live {live}");
        assert_eq!(case.plan().agrees, words.is_empty());
    }
}

#[test]
fn decision_15_a_conflict_is_decided_as_its_rule_says() {
    let case = |rule: &str| agreed(rule, json!({"a": "2", "b": "1"}), json!({"a": "3", "b": "1"}));
    assert_eq!(case("conflict: git").words(), ["apply [.data.a]"]);
    assert_eq!(case("conflict: cluster").words(), ["edit [.data.a]"]);
    let plan = case("conflict: git").plan();
    let overruled = plan.remembered.unwrap().overruled.unwrap();
    assert!(
        overruled.contains(".data.a (\"2\" in Git, \"3\" in the cluster)"),
        "the losing value is told: {overruled}"
    );

    let mut latest = case("conflict: latest");
    assert_eq!(latest.words(), ["held"], "nobody knows which change came last");
    latest.past.latest = Some(Side::Git);
    assert_eq!(latest.words(), ["apply [.data.a]"]);
    latest.past.latest = Some(Side::Cluster);
    assert_eq!(latest.words(), ["edit [.data.a]"]);

    let mut held = case("");
    let said = reason(&held);
    assert!(said.contains(".data.a (\"2\" in Git, \"3\" in the cluster)"), "{said}");
    assert!(said.contains("`kubeferry release ConfigMap shop/settings --keep git` or `--keep cluster`"), "{said}");
    assert_eq!(held.plan().remembered.unwrap().waits, Some(Undecided::Conflict));
    held.past.released = true;
    held.past.keep = Some(Side::Git);
    assert_eq!(held.words(), ["apply [.data.a]"]);
    held.past.keep = Some(Side::Cluster);
    assert_eq!(held.words(), ["edit [.data.a]"]);
}

#[test]
fn without_a_base_what_one_side_has_is_new_and_what_differs_is_held() {
    let case = both("").git(config_map(json!({"a": "1", "b": "1"}))).ours(config_map(json!({"a": "2", "c": "1"})));
    assert_eq!(case.words(), ["apply [.data.b]", "edit [.data.c]", "held"]);
    let case = both("").git(config_map(json!({"a": "1"}))).theirs(config_map(json!({"a": "1"})));
    assert_eq!(case.words(), ["apply [.data.a]"], "what is equal becomes ours, so that a removal can be told");
}

#[test]
fn the_values_of_a_secret_are_never_told_and_never_written() {
    let secret = |value: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key", "namespace": "shop"},
            "data": {"a": value}})
    };
    let case = |git: &str, live: &str| {
        both("").of("", "Secret", "secrets").git(secret(git)).ours(secret(live)).agreed(&secret("MQ=="))
    };
    assert_eq!(case("Mg==", "MQ==").words(), ["apply [.data.a]"]);
    assert_eq!(case("MQ==", "Mg==").words(), ["skipped"]);
    let said = reason(&case("Mg==", "Mw=="));
    assert!(said.contains(".data.a") && !said.contains("Mg==") && !said.contains("Mw=="), "{said}");
    // The cluster's own change stays until Git changes the same field.
    let mut later = case("Mg==", "Mw==");
    let (git, live) = (Then::of(Some(&json!("MQ=="))), Then::of(Some(&json!("Mw=="))));
    later.past.apart = vec![Apart::new(FieldPath::fields(["data", "a"]), git, live)].leak();
    assert_eq!(later.words(), ["apply [.data.a]"]);
}

#[test]
fn an_item_that_one_side_removed_goes_as_a_whole() {
    let with = |names: &[&str]| {
        let mut object = deployment(1, "web:1");
        let items: Vec<Value> = names.iter().map(|name| json!({"name": name, "image": format!("{name}:1")})).collect();
        object["spec"]["template"]["spec"]["containers"] = items.into();
        object
    };
    let case =
        |git: &[&str], live: Value| both("").deployment().git(with(git)).ours(live).agreed(&with(&["web", "side"]));
    let item = ".spec.template.spec.containers[?(@.name=='side')]";
    let words = case(&["web"], with(&["web", "side"])).words().join(" ");
    assert!(words.starts_with("apply [") && words.contains("side"), "{words}");
    let words = case(&["web", "side"], with(&["web"])).words().join(" ");
    assert!(words.starts_with("edit [") && words.contains("side"), "{words}");
    // It was changed on the other side.
    let mut changed = with(&["web", "side"]);
    changed["spec"]["template"]["spec"]["containers"][1]["image"] = "side:2".into();
    let case = case(&["web"], changed);
    assert_eq!(case.words(), ["held"]);
    assert!(format!("{:?}", case.plan().notes[0].fields).contains("side"), "{item}");
}

#[test]
fn what_left_git_goes_whoever_owns_it() {
    let live = config_map(json!({"a": "1", "b": "1"}));
    let case = both("").git(config_map(json!({"a": "1"}))).theirs(live.clone()).agreed(&live);
    assert_eq!(case.words(), ["strip [.data.b]", "apply [.data.a]"]);
}

#[test]
fn decision_20_replicas_that_leave_git_are_released_and_stay_out() {
    let mut manifest = deployment(3, "web:1");
    manifest["spec"].as_object_mut().unwrap().shift_remove("replicas");
    let mut case =
        both("").deployment().git(manifest.clone()).ours(deployment(3, "web:1")).agreed(&deployment(3, "web:1"));
    assert_eq!(case.words(), ["release [.spec.replicas]"]);
    // From now on that is how both agree, whatever an autoscaler makes of it.
    let next = case.plan().remembered.unwrap();
    case.past.apart = next.apart.leak();
    case.then = Some(manifest);
    let live = case.live.as_mut().unwrap();
    live["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"].as_object_mut().unwrap().remove("f:replicas");
    assert_eq!(case.words(), [] as [&str; 0]);
    assert!(case.plan().agrees);
    case.past.apart = &[];
    case.live.as_mut().unwrap()["spec"]["replicas"] = 7.into();
    assert_eq!(case.words(), [] as [&str; 0], "nobody declared it");
}

#[test]
fn decision_19_what_admission_made_of_a_value_is_no_change() {
    let mut case = agreed("", json!({"a": "2", "b": "1"}), json!({"a": "TWO", "b": "1"}));
    assert_eq!(case.words(), ["held"]);
    let answer =
        Apart::new(FieldPath::fields(["data", "a"]), Then::of(Some(&json!("2"))), Then::of(Some(&json!("TWO"))));
    case.past.apart = vec![answer].leak();
    assert_eq!(case.words(), [] as [&str; 0]);
    case.manifest = Some(config_map(json!({"a": "3", "b": "1"})));
    assert_eq!(case.words(), ["apply [.data.a]"]);
}

#[test]
fn what_was_on_its_way_is_nobodys_change() {
    let two = Then::of(Some(&json!("2")));
    let on_its_way = |to_git: bool| {
        let one = Then::of(Some(&json!("1")));
        let mut apart = Apart::new(FieldPath::fields(["data", "a"]), one, one);
        if to_git {
            apart.to_git.push(two)
        } else {
            apart.to_cluster.push(two)
        }
        vec![apart].leak()
    };
    // We wrote 2 to Git, and by then the cluster had moved on.
    let mut case = agreed("", json!({"a": "2", "b": "1"}), json!({"a": "3", "b": "1"}));
    case.past.apart = on_its_way(true);
    assert_eq!(case.words(), ["edit [.data.a]"]);
    // We applied 2, and by then Git had moved on.
    let mut case = agreed("", json!({"a": "3", "b": "1"}), json!({"a": "2", "b": "1"}));
    case.past.apart = on_its_way(false);
    assert_eq!(case.words(), ["apply [.data.a]"]);
}

#[test]
fn filters_limit_what_goes_both_ways() {
    let rules = || rule(&["both filters: [/spec/replicas]", "kubernetes"]);
    let case =
        |git: Value, live: Value| Case::new(rules()).deployment().git(git).ours(live).agreed(&deployment(1, "web:1"));
    assert_eq!(case(deployment(1, "web:1"), deployment(4, "web:1")).words(), ["edit [.spec.replicas]"]);
    assert_eq!(case(deployment(4, "web:1"), deployment(1, "web:1")).words(), ["apply [.spec.replicas]"]);
    let words = case(deployment(1, "web:1"), deployment(4, "web:2")).words();
    assert_eq!(words[1], "edit [.spec.replicas]");
    assert!(words[0].starts_with("apply [.spec.template"), "{words:?}");
}

// --- Existence ---

#[test]
fn existence_both_makes_the_side_that_is_missing() {
    assert_eq!(both("").git(config_map(json!({"a": "1"}))).words(), ["create, release []"]);
    assert_eq!(both("").theirs(config_map(json!({"a": "1"}))).words(), ["write shop/ConfigMap/settings.yaml"]);
}

#[test]
fn existence_both_deletes_where_nothing_changed_since_and_holds_where_it_did() {
    let (one, two) = (config_map(json!({"a": "1"})), config_map(json!({"a": "2"})));
    let gone = |manifest: &Value| {
        let mut case = both("").git(manifest.clone()).agreed(&one);
        case.gone = true;
        case
    };
    assert_eq!(gone(&one).words(), ["remove"]);
    assert_eq!(gone(&two).words(), ["held"]);
    let unseen = both("").git(two.clone()).agreed(&one);
    assert_eq!(unseen.words(), ["pending"], "it may come back");
    let removed = |live: &Value| both("").ours(live.clone()).agreed(&one);
    assert_eq!(removed(&one).words(), ["delete"]);
    assert_eq!(removed(&two).words(), ["held"]);
    // What somebody added counts; what nobody declared does not.
    assert_eq!(removed(&config_map(json!({"a": "1", "b": "1"}))).words(), ["held"]);
    let mut lost = removed(&one);
    lost.then = None;
    assert_eq!(lost.words(), ["held"], "nobody knows what they agreed on");

    for (keep, live_words, git_words) in
        [(Side::Git, "delete", "create, release []"), (Side::Cluster, "write shop/ConfigMap/settings.yaml", "remove")]
    {
        let (mut live, mut git) = (removed(&two), gone(&two));
        (live.past.keep, git.past.keep) = (Some(keep), Some(keep));
        assert_eq!((live.words(), git.words()), (vec![live_words.to_owned()], vec![git_words.to_owned()]));
    }
    let mut on_its_way = gone(&two);
    on_its_way.then = Some(two.clone());
    assert_eq!(on_its_way.words(), ["remove"]);
    on_its_way.past.apart =
        vec![Apart::new(FieldPath::fields(["data", "a"]), Then::of(Some(&json!("1"))), Then::Unknown)].leak();
    assert_eq!(on_its_way.words(), ["held"], "Git's change had not arrived in the cluster");
}

#[test]
fn restore_makes_what_never_agreed_and_nothing_else() {
    let one = config_map(json!({"a": "1"}));
    assert_eq!(Case::new(rule(&["git"])).git(one.clone()).words(), ["missing"]);
    let mut with_status = one.clone();
    with_status["status"] = json!({"x": 1});
    with_status["metadata"]["uid"] = "old".into();
    let case = Case::new(rule(&["git restore: true"])).git(with_status);
    assert_eq!(case.words(), ["create, release [.data.a]"]);
    assert_eq!(case.applied(), one);
    let mut gone = Case::new(rule(&["git restore: true"])).git(one.clone()).agreed(&one);
    gone.gone = true;
    assert_eq!(gone.words(), ["remove"]);
}

// --- Decision 14 ---

fn hold(git: Value, live: Value) -> Case {
    let base = config_map(json!({"a": "1", "b": "1"}));
    Case::new(rule(&["git gitEdits: hold"])).git(config_map(git)).theirs(config_map(live)).agreed(&base)
}

#[test]
fn decision_14_a_commit_is_written_over_unless_it_is_held() {
    let edited = json!({"a": "2", "b": "1"});
    let base = json!({"a": "1", "b": "1"});
    let overwritten = Case { rules: rule(&["git"]), ..hold(edited.clone(), base.clone()) };
    assert_eq!(overwritten.words(), ["edit [.data.a]"]);

    let mut held = hold(edited.clone(), base.clone());
    assert_eq!(held.words(), ["held"]);
    assert!(reason(&held).contains("`kubeferry release ConfigMap shop/settings`"), "{}", reason(&held));
    let next = held.plan().remembered.unwrap();
    assert_eq!((next.edits.len(), next.waits), (1, Some(Undecided::Edit)));
    // It stays held, until the live value is another than at that moment.
    held.past.edits = next.edits.leak();
    assert_eq!(held.words(), ["held"]);
    held.live = Some(live_by(&config_map(json!({"a": "3", "b": "1"})), "somebody"));
    assert_eq!(held.words(), ["edit [.data.a]"]);
    assert_eq!(held.plan().remembered.unwrap().edits.len(), 1, "until it is written");
    // Edited again: a new moment.
    held.manifest = Some(config_map(json!({"a": "4", "b": "1"})));
    assert_eq!(held.words(), ["held"]);

    let mut released = hold(edited, base);
    released.past.released = true;
    assert_eq!(released.words(), ["edit [.data.a]"]);
}

#[test]
fn decision_14_the_cluster_still_wins_where_nobody_edited() {
    assert_eq!(hold(json!({"a": "1", "b": "1"}), json!({"a": "2", "b": "1"})).words(), ["edit [.data.a]"]);
    assert_eq!(hold(json!({"a": "2", "b": "1"}), json!({"a": "1", "b": "2"})).words(), ["edit [.data.b]", "held"]);
    // A field that somebody added or removed.
    assert_eq!(hold(json!({"a": "1", "b": "1", "c": "1"}), json!({"a": "1", "b": "1"})).words(), ["held"]);
    assert_eq!(hold(json!({"a": "1"}), json!({"a": "1", "b": "1"})).words(), ["held"]);
    // What we wrote ourselves is no edit, though the cluster has moved on.
    let mut case = hold(json!({"a": "2", "b": "1"}), json!({"a": "3", "b": "1"}));
    let one = Then::of(Some(&json!("1")));
    let mut sent = Apart::new(FieldPath::fields(["data", "a"]), one, one);
    sent.to_git.push(Then::of(Some(&json!("2"))));
    case.past.apart = vec![sent].leak();
    assert_eq!(case.words(), ["edit [.data.a]"]);
}

#[test]
fn decision_14_a_manifest_that_somebody_removed_stays_away_until_the_object_changes() {
    let base = config_map(json!({"a": "1"}));
    let mut case = Case::new(rule(&["git gitEdits: hold"])).theirs(base.clone()).agreed(&base);
    assert_eq!(case.words(), ["held"]);
    let edits: &'static [Edit] = case.plan().remembered.unwrap().edits.leak();
    case.past.edits = edits;
    assert_eq!(case.words(), ["held"]);
    case.live = Some(live_by(&config_map(json!({"a": "2"})), "somebody"));
    assert_eq!(case.words(), ["write shop/ConfigMap/settings.yaml"]);
    case.live = Some(live_by(&base, "somebody"));
    case.past.released = true;
    assert_eq!(case.words(), ["write shop/ConfigMap/settings.yaml"]);
    let overwrite = Case::new(rule(&["git"])).theirs(base.clone()).agreed(&base);
    assert_eq!(overwrite.words(), ["write shop/ConfigMap/settings.yaml"]);
}

// --- forceConflicts ---

#[test]
fn what_another_manager_holds_is_left_to_it_where_nothing_is_forced() {
    let manifest = config_map(json!({"a": "2", "b": "2"}));
    let case = |sync_to: &str| {
        let mut case = Case::new(rule(&[sync_to])).git(manifest.clone());
        let mut live = live_by(&config_map(json!({"a": "1", "b": "1"})), MANAGER);
        live["metadata"]["managedFields"].as_array_mut().unwrap().push(json!({
            "manager": "flux", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:b": {}}}}));
        case.live = Some(live);
        case
    };
    assert_eq!(case("kubernetes").words(), ["apply [.data.a, .data.b]"]);
    let careful = case("kubernetes forceConflicts: false");
    assert_eq!(careful.words(), ["apply [.data.a]", "held"]);
    assert_eq!(careful.applied()["data"], json!({"a": "2", "b": "1"}), "what we own of it is not given up");
    let is_forced = |action: &Action| matches!(action, Action::Apply { force: true, .. });
    assert!(!careful.plan().actions.iter().any(is_forced), "who comes in between is seen too");
    assert!(reason(&careful).starts_with("flux holds another value"), "{}", reason(&careful));

    // It lets go.
    let mut free = careful;
    free.live.as_mut().unwrap()["metadata"]["managedFields"].as_array_mut().unwrap().pop();
    assert_eq!(free.words(), ["apply [.data.a, .data.b]"]);

    // Nobody disagrees: several may own the same value.
    let mut same = case("kubernetes forceConflicts: false");
    same.manifest = Some(config_map(json!({"a": "1", "b": "1"})));
    assert_eq!(same.words(), [] as [&str; 0]);
}
