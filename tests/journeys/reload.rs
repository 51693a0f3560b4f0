//! Rules that change under way.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::ferry::Ferry;
use crate::world::World;

journeys! { rules_follow_a_mounted_config_map, rules_follow_a_config_map_in_the_cluster }

const ONE: &str = "
rules:
- name: settings
  namespaces: [NAMESPACE]
  resources: [configmaps]
  names: [one]
  syncTo: kubernetes
";

const SETTINGS: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: one, namespace: NAMESPACE}
data: {number: '1'}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: two, namespace: NAMESPACE}
data: {number: '1'}
";

/// A folder as the kubelet fills it from a ConfigMap: links to links, exchanged in one move.
struct Mount(PathBuf);

impl Mount {
    fn new(folder: &Path, text: &str) -> Self {
        let mount = Self(folder.join("mount"));
        std::fs::create_dir(&mount.0).unwrap();
        mount.put(text);
        symlink("..data/config.yaml", mount.file()).unwrap();
        mount
    }

    fn file(&self) -> PathBuf {
        self.0.join("config.yaml")
    }

    fn put(&self, text: &str) {
        let before = std::fs::read_link(self.0.join("..data")).ok();
        let folder =
            (0..).map(|number| format!("..version-{number}")).find(|name| !self.0.join(name).exists()).unwrap();
        std::fs::create_dir(self.0.join(&folder)).unwrap();
        std::fs::write(self.0.join(&folder).join("config.yaml"), text).unwrap();
        symlink(&folder, self.0.join("..data_tmp")).unwrap();
        std::fs::rename(self.0.join("..data_tmp"), self.0.join("..data")).unwrap();
        if let Some(before) = before {
            std::fs::remove_dir_all(self.0.join(before)).unwrap();
        }
    }
}

/// Good rules, bad rules, good rules.
async fn rules_change(world: &World, ferry: &Ferry, put: impl AsyncFn(&str)) {
    world.until_live("ConfigMap", "one", "/data/number", "1").await;
    assert_eq!(world.kubectl.get("ConfigMap", "two").await, None);
    put(&ONE.replace("[one]", "[one, two]")).await;
    world.until_live("ConfigMap", "two", "/data/number", "1").await;

    put(&ONE.replace("syncTo", "snycTo")).await;
    let error = ferry.until_status("the refusal", |page| page.rules.error.clone()).await;
    assert!(error.message.contains("snycTo") && error.message.contains("did you mean `syncTo`"), "{}", error.message);
    assert!(ferry.status().await.ready);
    // Both objects are still in the rules' hands.
    world.commit("settings.yaml", &SETTINGS.replace("'1'", "'2'"));
    world.until_live("ConfigMap", "one", "/data/number", "2").await;
    world.until_live("ConfigMap", "two", "/data/number", "2").await;

    put(ONE).await;
    ferry.until_status("the end of the refusal", |page| page.rules.error.is_none().then_some(())).await;
    let commit = world.commit("settings.yaml", &SETTINGS.replace("'1'", "'3'"));
    world.until_live("ConfigMap", "one", "/data/number", "3").await;
    ferry.until_synced(&commit).await;
    world.until_live("ConfigMap", "two", "/data", json!({"number": "2"})).await;
}

async fn rules_follow_a_mounted_config_map(world: &World) {
    world.commit("settings.yaml", SETTINGS);
    let mount = Mount::new(world.folder(), &world.config(ONE));
    let ferry = world.command_with(&mount.file()).run(&[]).await;
    ferry.ready().await;
    rules_change(world, &ferry, async |text| mount.put(&world.config(text))).await;
}

async fn rules_follow_a_config_map_in_the_cluster(world: &World) {
    world.commit("settings.yaml", SETTINGS);
    let map = |text: &str| {
        let data = json!({"config.yaml": world.config(text)});
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rules"}, "data": data})
    };
    world.kubectl.create(&map(ONE).to_string()).await;
    let name = format!("{}/rules", world.namespace);
    let ferry = world.command().run(&["--config-map", &name]).await;
    ferry.ready().await;
    let put = async |text: &str| world.kubectl.patch("ConfigMap", "rules", map(text)).await;
    rules_change(world, &ferry, put).await;
}
