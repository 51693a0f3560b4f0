//! Sees every state that an object ever had, live and in Git, and knows that values only grow. Must never change anything.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::StreamExt as _;
use kube::api::WatchEvent;
use kubeferry::repository::CommitId;
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use crate::envtest::client_of;
use crate::kubectl::documents;
use crate::people::{People, fields_of, index, value_of};
use crate::world::World;

type Greatest = BTreeMap<(String, String, &'static str), u64>;

/// Watches one namespace until it is dropped.
pub struct Witness {
    problems: Arc<Mutex<Vec<String>>>,
    _watches: Vec<AbortOnDropHandle<()>>,
}

impl Witness {
    /// Watches from here on.
    pub async fn start(world: &World) -> Self {
        let problems = Arc::new(Mutex::new(Vec::new()));
        let client = client_of(world.kubeconfig()).await;
        let watches = [("/api/v1", "configmaps"), ("/apis/apps/v1", "deployments")].map(|(root, plural)| {
            let path = format!("{root}/namespaces/{}/{plural}?watch=1&timeoutSeconds=3000", world.namespace);
            AbortOnDropHandle::new(tokio::spawn(watch(client.clone(), path, problems.clone())))
        });
        Self { problems, _watches: watches.into() }
    }

    /// Panics when anything was ever turned back, on either side.
    pub fn check(&self, world: &World, people: &People<'_>) {
        let mut problems = self.problems.lock().unwrap().clone();
        let mut greatest = Greatest::new();
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        for entry in world.log().iter().rev() {
            let files = world.repo.files_of(Some(commit_id(&entry.id)));
            for (path, text) in &files {
                if known.get(path) == Some(text) {
                    continue;
                }
                for ((kind, name), object) in index(documents(text).into_iter().filter(Value::is_object)) {
                    problems.extend(
                        look(&mut greatest, &kind, &name, &object).map(|problem| {
                            format!("commit {} of {}: {problem}: {}", entry.id, entry.name, entry.message)
                        }),
                    );
                }
            }
            known = files;
        }
        assert!(problems.is_empty(), "{}\n{}", people.told(&problems), problems.join("\n"));
    }
}

fn commit_id(text: &str) -> CommitId {
    CommitId(git2::Oid::from_str(text).unwrap().as_bytes().try_into().unwrap())
}

async fn watch(client: kube::Client, path: String, problems: Arc<Mutex<Vec<String>>>) {
    let mut greatest = Greatest::new();
    let mut version = String::new();
    loop {
        let from = if version.is_empty() { String::new() } else { format!("&resourceVersion={version}") };
        let request = http::Request::get(format!("{path}{from}")).body(Vec::new()).unwrap();
        let Ok(events) = client.request_events::<Value>(request).await else {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let mut events = std::pin::pin!(events);
        while let Some(Ok(event)) = events.next().await {
            let (WatchEvent::Added(object) | WatchEvent::Modified(object)) = event else { continue };
            version = object["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
            let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let (kind, name) = (text("/kind"), text("/metadata/name"));
            let by = &object["metadata"]["managedFields"];
            let problem = look(&mut greatest, kind, name, &object).map(|problem| format!("live: {problem}: {by}"));
            problems.lock().unwrap().extend(problem);
        }
    }
}

/// Says what is less than it was.
fn look(greatest: &mut Greatest, kind: &str, name: &str, object: &Value) -> Option<String> {
    let mut problem = None;
    for pointer in fields_of(kind) {
        let Some(value) = value_of(Some(object), pointer) else { continue };
        let key = (kind.to_owned(), name.to_owned(), *pointer);
        let before = greatest.insert(key, value).unwrap_or_default();
        if value < before {
            problem = Some(format!("{kind} {name}{pointer} went from {before} back to {value}"));
        }
    }
    problem
}
