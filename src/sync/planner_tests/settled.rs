//! What is in sync is told at a glance, and by nothing that the planner would act on.

use super::*;

impl Case {
    fn is_settled(&self) -> bool {
        let (manifest, live) = (self.manifest.as_ref().unwrap(), self.live.as_ref().unwrap());
        self.with_subject(|subject| {
            let matching: Vec<&Rule> = self.rules.rules.iter().collect();
            let is_settled = settled::is_settled(subject, (manifest, live), &matching, &identity());
            let shows = settled::shows(live, Digest::of_value(manifest), subject.view, &identity());
            // What the digest tells is told by the values as well.
            assert!(is_settled || !shows || settled::sole(&matching).is_none());
            is_settled
        })
    }
}

/// What a real API server made of manifests that were applied, with the entry of whoever applied them given to us.
#[test]
fn most_of_what_was_applied_is_settled_at_a_glance() {
    let folder = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/applied");
    let (mut settled, mut others) = (0, Vec::new());
    for file in folder.read_dir().unwrap() {
        let parts: Value = serde_json::from_slice(&std::fs::read(file.unwrap().path()).unwrap()).unwrap();
        let (manifest, mut live) = (parts["manifest"].clone(), parts["live"].clone());
        live["metadata"]["managedFields"] = json!([{"manager": MANAGER, "operation": "Apply",
            "apiVersion": manifest["apiVersion"], "fieldsType": "FieldsV1", "fieldsV1": parts["fields"]}]);
        let name = format!("{} {}", manifest["kind"].as_str().unwrap(), manifest["metadata"]["name"].as_str().unwrap());
        let mut case = Case::new(rule(&["kubernetes"])).git(manifest);
        case.live = Some(live);
        if case.is_settled() {
            settled += 1;
            assert!(case.plan().agrees && case.words().is_empty(), "{name}: {:?}", case.words());
        } else {
            others.push(name);
        }
    }
    others.sort();
    assert!(settled >= 2 * others.len(), "settled: {settled}, not: {others:?}");
}

#[test]
fn what_the_planner_would_act_on_or_speak_of_is_not_settled() {
    let object = config_map(json!({"a": "1", "b": "2"}));
    let in_sync = || Case::new(rule(&["kubernetes"])).git(object.clone()).ours(object.clone());
    assert!(in_sync().is_settled());
    let mut other = object.clone();
    other["data"]["a"] = "2".into();
    let mut more = object.clone();
    more["data"]["c"] = "3".into();
    let mut less = object.clone();
    less["data"].as_object_mut().unwrap().shift_remove("b");
    let annotated = |key: &str| {
        let mut object = object.clone();
        object["metadata"]["annotations"] = json!({key: "x"});
        object
    };
    let mut of_another = in_sync();
    let entries = of_another.live.as_mut().unwrap()["metadata"]["managedFields"].as_array_mut().unwrap();
    let mut entry = entries[0].clone();
    entry["manager"] = "kubeferry:other/one".into();
    entries.push(entry);
    let cases = [
        ("another value", in_sync().ours(other.clone())),
        ("we own more", in_sync().ours(more.clone())),
        ("we own less", in_sync().git(more)),
        ("it lacks a field", in_sync().ours(less)),
        ("we own nothing", in_sync().theirs(object.clone())),
        ("another instance owns it too", of_another),
        ("what is never applied", in_sync().git(annotated(clean::LAST_APPLIED)).ours(annotated(clean::LAST_APPLIED))),
        ("suspended", Case { rules: rule(&["kubernetes suspend: true"]), ..in_sync() }),
        ("to Git", Case { rules: rule(&["git"]), ..in_sync() }),
        ("both ways", Case { rules: rule(&["both"]), ..in_sync() }),
        ("observed", Case { rules: rule(&["observe"]), ..in_sync() }),
        ("some fields", Case { rules: rule(&["kubernetes filters: [/data]"]), ..in_sync() }),
        ("two rules", Case { rules: rule(&["git filters: [/data/a]", "kubernetes"]), ..in_sync() }),
    ];
    for (why, case) in cases {
        assert!(!case.is_settled(), "{why}");
    }
}
