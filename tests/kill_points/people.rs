//! People who edit both sides, and what each field must be in the end because of it. Every value is used once and is greater
//! than all before, so that a value that was turned back shows. Must never edit a field whose source is the other side.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use http::Method;
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::ferry::{Ferry, LIMIT};
use crate::kubectl::documents;
use crate::world::World;

/// A field: kind, name, JSON pointer.
pub type Field = (String, String, String);

const KEY: &str = "/data/key";
const SIZE: &str = "/data/size";
const TEXT: &str = "/data/text";
const REPLICAS: &str = "/spec/replicas";
const IMAGE: &str = "/spec/template/spec/containers/0/image";

/// How many objects of each sort there are from the start.
const OBJECTS: usize = 3;

/// How many there are besides, to be deleted.
const DELETED: usize = 6;

// Paused, so that no pods come of any number of replicas.
const WEB: &str = "\
# The front door.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: NAMESPACE
spec:
  paused: true
  replicas: 1 # the autoscaler's
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
        - name: web
          image: registry.example/web:1 # newest
";

/// Both people and what they want.
pub struct People<'w> {
    world: &'w World,
    /// The greatest value that was used.
    latest: u64,
    created: usize,
    edits: usize,
    wanted: BTreeMap<Field, u64>,
    /// ConfigMaps that have agreed, and that the state says so of: what is deleted of these must go.
    agreed: BTreeSet<String>,
    gone: BTreeSet<String>,
    /// Who did what when, for whoever reads of a failure.
    story: Vec<String>,
    begun: Instant,
}

impl<'w> People<'w> {
    pub fn new(world: &'w World, seed: u64) -> Self {
        let story = vec![format!("seed {seed}")];
        Self {
            world,
            latest: 10,
            created: 0,
            edits: 0,
            wanted: BTreeMap::new(),
            agreed: BTreeSet::new(),
            gone: BTreeSet::new(),
            story,
            begun: Instant::now(),
        }
    }

    /// What stands on both sides before the first process starts.
    pub async fn begin(&mut self) {
        let mut declared = String::from("# Kept by hand.\n");
        for at in 0..OBJECTS {
            let (text, size, key) = (self.want("ConfigMap", &format!("split-{at}"), TEXT), 1, self.next());
            declared.push_str(&format!(
                "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: split-{at}\n  namespace: NAMESPACE\ndata:\n  \
                 text: v{text} # said by Git\n  size: v{size} # said by the cluster\n---\n{}",
                config_map(&format!("file-{at}"), key)
            ));
            self.wanted.insert(field("ConfigMap", &format!("file-{at}"), KEY), key);
        }
        self.world.commit("declared.yaml", &declared);
        self.world.commit("web.yaml", WEB);
        self.wanted.insert(field("Deployment", "web", IMAGE), 1);
        for at in 0..OBJECTS {
            self.create_live(&format!("live-{at}")).await;
        }
        for at in 0..DELETED {
            self.create_live(&format!("live-old-{at}")).await;
            self.create_file(&format!("file-old-{at}"));
        }
    }

    /// How often anybody edited anything.
    pub fn edits(&self) -> usize {
        self.edits
    }

    /// Notes something for whoever reads of a failure.
    pub fn say(&mut self, what: &str) {
        self.story.push(format!("{:8.3} {what}", self.begun.elapsed().as_secs_f64()));
    }

    /// One edit by somebody, somewhere.
    pub async fn edit(&mut self, dice: &mut Dice) {
        self.edits += 1;
        let at = dice.below(OBJECTS);
        match dice.below(18) {
            0..3 => self.patch_live(&format!("live-{at}"), KEY, "key").await,
            3..6 => self.patch_live(&format!("split-{at}"), SIZE, "size").await,
            6..8 => self.scale().await,
            8..10 => self.edit_file("declared.yaml", &format!("file-{at}"), KEY, "  key: v"),
            10..13 => self.edit_file("declared.yaml", &format!("split-{at}"), TEXT, "  text: v"),
            13 => self.edit_file("web.yaml", "web", IMAGE, "          image: registry.example/web:"),
            14 => {
                self.created += 1;
                self.create_live(&format!("live-new-{}", self.created)).await;
            }
            15 => {
                self.created += 1;
                self.create_file(&format!("file-new-{}", self.created));
            }
            _ => self.delete(dice).await,
        }
    }

    fn next(&mut self) -> u64 {
        self.latest += 1;
        self.latest
    }

    fn want(&mut self, kind: &str, name: &str, pointer: &str) -> u64 {
        let value = self.next();
        self.wanted.insert(field(kind, name, pointer), value);
        value
    }

    async fn create_live(&mut self, name: &str) {
        let value = self.want("ConfigMap", name, KEY);
        self.world.kubectl.create(&self.world.text(&config_map(name, value))).await;
        self.say(&format!("{name} was created live with {value}"));
    }

    /// Changes a live object, if it is there by now.
    async fn patch_live(&mut self, name: &str, pointer: &str, key: &str) {
        if self.world.kubectl.get("ConfigMap", name).await.is_none() {
            return;
        }
        let value = self.want("ConfigMap", name, pointer);
        self.world.kubectl.patch("ConfigMap", name, json!({"data": {key: format!("v{value}")}})).await;
        self.say(&format!("{name}{pointer} is {value} live"));
    }

    async fn scale(&mut self) {
        if self.world.kubectl.get("Deployment", "web").await.is_none() {
            return;
        }
        let value = self.want("Deployment", "web", REPLICAS);
        self.world.kubectl.scale("web", i32::try_from(value).unwrap()).await;
        self.say(&format!("web was scaled to {value}"));
    }

    fn create_file(&mut self, name: &str) {
        let value = self.want("ConfigMap", name, KEY);
        let text = self.world.text(&config_map(name, value));
        self.world.repo.edit(&format!("Add {name}"), |_| (format!("{name}.yaml"), Some(text.clone())));
        self.say(&format!("{name} was committed with {value}"));
    }

    /// Deletes one of the objects that nobody edits, at its source.
    async fn delete(&mut self, dice: &mut Dice) {
        let names: Vec<String> = self.agreed.iter().cloned().collect();
        let Some(name) = dice.pick(&names) else { return };
        self.agreed.remove(name);
        self.wanted.remove(&field("ConfigMap", name, KEY));
        self.gone.insert(name.clone());
        if name.starts_with("live-") {
            self.world.kubectl.delete("ConfigMap", name).await;
        } else {
            self.world.repo.edit(&format!("Remove {name}"), |_| (format!("{name}.yaml"), None));
        }
        self.say(&format!("{name} was deleted"));
    }

    /// Waits until the state says of every object that it agreed; from then on it may be deleted at any moment.
    pub async fn until_remembered(&mut self) {
        let path = format!("/api/v1/namespaces/{}/configmaps/{}-state", self.world.home, self.world.namespace);
        let tip = self.world.repo.tip("main").map(|tip| tip.to_string());
        let end = Instant::now() + LIMIT;
        loop {
            let state = self.world.kubectl.call(Method::GET, &path, None).await.unwrap_or_default();
            let base: Value = serde_json::from_str(state["data"]["base"].as_str().unwrap_or("{}")).unwrap();
            if base["commit"].as_str() == tip.as_deref() && base["differs"].is_null() {
                break;
            }
            assert!(Instant::now() < end, "{}\nthe tip is {tip:?}, the state says {base}", self.story.join("\n"));
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let deletable = |name: &&String| {
            ["live-old-", "file-old-", "live-new-", "file-new-"].iter().any(|start| name.starts_with(start))
        };
        self.agreed = self.wanted.keys().map(|(_, name, _)| name).filter(deletable).cloned().collect();
        self.say("everything is remembered");
    }

    /// Changes what follows `before` in the document of an object.
    fn edit_file(&mut self, path: &str, name: &str, pointer: &str, before: &str) {
        let kind = if name == "web" { "Deployment" } else { "ConfigMap" };
        let value = self.want(kind, name, pointer);
        self.world.repo.edit(&format!("{name}: {value}"), |files| {
            let text = &files[path];
            let start = text.find(&format!("  name: {name}\n")).unwrap();
            let at = start + text[start..].find(before).unwrap() + before.len();
            let rest = text[at..].trim_start_matches(|digit: char| digit.is_ascii_digit());
            (path.to_owned(), Some(format!("{}{value}{rest}", &text[..at])))
        });
        self.say(&format!("{name}{pointer} is {value} in Git"));
    }

    /// Waits until every field is on both sides what its source last said, and the process knows it.
    pub async fn until_converged(&self, ferry: &Ferry) {
        let end = Instant::now() + LIMIT * 2;
        loop {
            let mut different = self.differences().await;
            if different.is_empty() {
                let page = ferry.status().await;
                let tip = self.world.repo.tip("main").map(|tip| tip.to_string());
                if page.git.synced == tip && page.git.batched == 0 && page.objects.list.is_empty() {
                    return;
                }
                different.push(format!("the page says {:?} {:?}", page.git, page.objects));
            }
            if Instant::now() > end {
                panic!("{}\n{}", self.told(&different), different.join("\n"));
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// What happened that may explain these differences.
    pub fn told(&self, different: &[String]) -> String {
        format!("{}\n{}", self.story.join("\n"), self.logs(different))
    }

    /// What the processes logged of this run that may explain it: each process has a log of its own.
    fn logs(&self, different: &[String]) -> String {
        let names: Vec<&str> =
            self.wanted.keys().map(|(_, name, _)| name).chain(&self.gone).map(String::as_str).collect();
        let told: Vec<&str> =
            names.into_iter().filter(|name| different.iter().any(|line| line.contains(name))).collect();
        let is_told =
            |line: &&str| line.contains("WARN") || told.iter().any(|name| line.contains(&format!("/{name} ")));
        let mut text = String::new();
        for number in 0.. {
            let Ok(log) = std::fs::read_to_string(self.world.folder().join(format!("log-{number}"))) else { break };
            text.push_str(&format!("--- process {number}\n"));
            let lines = log.lines().filter(|line| is_told(line) || line.contains("fetched") || line.contains("role="));
            lines.for_each(|line| text.push_str(&format!("{line}\n")));
        }
        text
    }

    async fn differences(&self) -> Vec<String> {
        let live = index(self.live().await);
        let files = self.world.repo.files("main");
        let git = index(files.values().flat_map(|text| documents(text)).filter(Value::is_object));
        let mut different = Vec::new();
        for (field, wanted) in &self.wanted {
            for (side, objects) in [("live", &live), ("Git", &git)] {
                let found = value_of(objects.get(&(field.0.clone(), field.1.clone())), &field.2);
                if found != Some(*wanted) {
                    different.push(format!("{field:?} should be {wanted} and is {found:?} in {side}"));
                }
            }
        }
        for name in &self.gone {
            for (side, objects) in [("live", &live), ("Git", &git)] {
                if objects.contains_key(&("ConfigMap".to_owned(), name.clone())) {
                    different.push(format!("{name} should be gone and is still in {side}"));
                }
            }
        }
        // What a person wrote around the values stays.
        let whole = files["declared.yaml"].matches("# said by the cluster\n").count() == OBJECTS
            && files["declared.yaml"].starts_with("# Kept by hand.\n")
            && files["web.yaml"].contains(" # the autoscaler's\n");
        if !whole {
            different.push(format!("{}{}", files["declared.yaml"], files["web.yaml"]));
        }
        different
    }

    async fn live(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for (root, plural, kind) in
            [("/api/v1", "configmaps", "ConfigMap"), ("/apis/apps/v1", "deployments", "Deployment")]
        {
            let path = format!("{root}/namespaces/{}/{plural}", self.world.namespace);
            let list = self.world.kubectl.call(Method::GET, &path, None).await.unwrap();
            for mut object in list["items"].as_array().cloned().unwrap_or_default() {
                object["kind"] = json!(kind);
                all.push(object);
            }
        }
        all
    }

    /// The resourceVersion of each object that is kept in sync.
    pub async fn versions(&self) -> BTreeMap<(String, String), Value> {
        let wanted = |(key, _): &((String, String), Value)| {
            self.wanted.keys().any(|field| (&field.0, &field.1) == (&key.0, &key.1))
        };
        let all = index(self.live().await).into_iter().filter(wanted);
        all.map(|(key, object)| (key, object["metadata"]["resourceVersion"].clone())).collect()
    }
}

fn field(kind: &str, name: &str, pointer: &str) -> Field {
    (kind.to_owned(), name.to_owned(), pointer.to_owned())
}

fn config_map(name: &str, value: u64) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: NAMESPACE\ndata:\n  key: v{value}\n"
    )
}

/// Objects by kind and name.
pub fn index(objects: impl IntoIterator<Item = Value>) -> BTreeMap<(String, String), Value> {
    let text =
        |object: &Value, pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    objects.into_iter().map(|object| ((text(&object, "/kind"), text(&object, "/metadata/name")), object)).collect()
}

/// The number of a value: whatever stands before it is the same for all.
pub fn value_of(object: Option<&Value>, pointer: &str) -> Option<u64> {
    match object?.pointer(pointer)? {
        Value::String(text) => text.rsplit(['v', ':']).next()?.parse().ok(),
        number => number.as_u64(),
    }
}

/// Every field that may be edited.
pub fn fields_of(kind: &str) -> &'static [&'static str] {
    if kind == "Deployment" { &[REPLICAS, IMAGE] } else { &[KEY, SIZE, TEXT] }
}
