//! What has to be true at rest of the fields that are kept beside the manifests: in patches and in files of values.

use std::collections::BTreeMap;

use kubeferry::manifest;
use kubeferry::object::ObjectId;
use serde_json::Value;

use super::hands::{self, Manifest};
use super::rules;
use super::run::Run;

/// Every patch and every value says what is live, under the rules that ask for them.
pub fn look(run: &Run, manifests: &[Manifest], live: &BTreeMap<ObjectId, Value>) {
    if run.rules != rules::elsewhere() {
        return;
    }
    let git = &run.world.git;
    let patches = hands::patches(&hands::tree(git));
    let values = git.file("values.yaml").and_then(|text| manifest::open(text.as_bytes()).unwrap()).unwrap_or_default();
    for (id, live) in live {
        let own: Vec<&Value> = patches.iter().filter(|patch| patch.id == *id).map(|patch| &patch.value).collect();
        let told = || format!("{id}: {:?}\n{own:?}\n{live}", run.world.said(id));
        assert!(own.len() < 2, "two patches of {}", told());
        let is_written = |pointer| own.iter().all(|patch| patch.pointer(pointer) == live.pointer(pointer));
        match id.kind() {
            "Deployment" => assert!(is_written("/spec/replicas"), "another patch of {}", told()),
            // A manifest that a person wrote may say it all.
            "Widget" => {
                let is_there = own.len() == 1 || manifests.iter().any(|manifest| manifest.id == *id);
                assert!(is_there, "no patch of {}", told());
                assert!(is_written("/spec/size"), "another patch of {}", told());
            }
            "ConfigMap" if id.namespace() == Some("shop") => {
                let there = values.get(id.name()).and_then(|own| own.get("a"));
                assert_eq!(there, live.pointer("/data/a"), "another value of {}", told());
            }
            _ => {}
        }
    }
}
