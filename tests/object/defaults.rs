//! The table of defaults, asked of a real API server anew: what it fills in for each field that a probe leaves out, and
//! whether a probe comes back as it was sent.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use kubeferry::object::{FieldSet, Manager, Schema, clean, declared, managed};
use serde_json::{Value, json};

use crate::envtest::{Options, RealServer};
use crate::filled::{Seen, expected, probes};

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn every_default_is_what_the_server_fills_in_and_is_known() {
    let client = RealServer::shared(Options::default()).client().await;
    // No controller makes it here, and no Pod is accepted without.
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}});
    crate::create(&client, &account).await;
    let (mut seen, mut schemas, mut paths) = (Seen::default(), HashMap::new(), HashMap::new());
    let mut wrong = Vec::new();
    for probe in probes() {
        let object = &probe.object;
        let version = object["apiVersion"].as_str().unwrap().to_owned();
        let kind = object["kind"].as_str().unwrap().to_owned();
        if let Entry::Vacant(place) = schemas.entry(version.clone()) {
            place.insert(crate::served_schema(&client, &probe.object).await);
        }
        if let Entry::Vacant(place) = paths.entry((version.clone(), kind.clone())) {
            let mut object = probe.object.clone();
            object["metadata"]["namespace"] = "default".into();
            place.insert(crate::collection(&client, &object).await);
        }
        let path = format!("{}?dryRun=All&fieldManager=kubectl-create", paths[&(version.clone(), kind)]);
        let schema: &Schema = &schemas[&version];
        let live = crate::send(&client, "POST", &path, "application/json", object).await;
        seen.add(&probe, &live, schema.view_of(&live));

        let mut captured = declared::manifest(&live, schema.view_of(&live), &|_: &Manager| false);
        captured["metadata"].as_object_mut().unwrap().shift_remove("namespace");
        let mut sent = expected(&probe.object, &live, schema.view_of(&live));
        // Whether the group was written cannot be told, and people do write it.
        for key in ["roleRef", "subjects"] {
            if let Some(part) = live.get(key).filter(|_| sent.get(key).is_some()) {
                sent[key] = part.clone();
            }
        }
        if sorted(&captured) != sorted(&sent) {
            wrong.push(format!("{}: captured\n{captured}\nwas sent\n{sent}", probe.name));
        }
        let again = crate::send(&client, "POST", &path, "application/json", &captured).await;
        let owned = managed::entries(&live).into_iter().fold(FieldSet::new(), |all, entry| all.union(&entry.fields));
        let view = schema.view_of(&live);
        let (before, after) = (owned.project(&live, view), owned.project(&again, view));
        if clean::for_git(&before) != clean::for_git(&after) {
            wrong.push(format!("{}: captured and made again it is\n{after}\nand was\n{before}", probe.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));

    let (entries, open) = seen.table();
    assert!(open.is_empty(), "these depend on neighbours, and no rule says how: {open:?}");
    assert_eq!(seen.unreached_rules(), [], "rules that no probe reaches");
    let mut found: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    for (of, root, field, value) in entries {
        let name = root.map_or_else(|| of.clone(), |root| format!("{of} in {root}"));
        found.entry(name).or_default().insert(field, value);
    }
    let table: Value = serde_json::from_str(include_str!("../../src/object/defaults/table.json")).unwrap();
    // A failure means another server than the one that the table was made from: `cargo run --example record -- defaults`.
    assert_eq!(json!(found), table);
}

/// Lists of maps without a schema have no order of keys to compare; JSON text in one order has.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let each: BTreeMap<_, _> = map.iter().map(|(key, value)| (key, sorted(value))).collect();
            json!(each)
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        scalar => scalar.clone(),
    }
}
