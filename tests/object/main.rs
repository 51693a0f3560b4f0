//! What `object/` says of ownership, equality and declaration, asked of a real API server anew for each recorded manifest.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod defaults;
#[path = "../support/envtest.rs"]
mod envtest;
#[path = "../support/filled.rs"]
mod filled;

use std::path::Path;
use std::time::{Duration, Instant};

use kube::Client;
use kube::core::GroupVersionKind;
use kube::discovery::{ApiResource, Scope, pinned_kind};
use kubeferry::object::{ApiVersion, FieldSet, Manager, Schema, clean, compare, declared, managed};
use serde_json::{Value, json};

use envtest::{Options, RealServer};

const MANAGER: &str = "kubeferry:fix/one";

/// Manifests of a folder of fixtures, kinds before their objects.
fn manifests(folder: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
    let mut paths: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path| serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap()["manifest"].take();
    let mut manifests: Vec<Value> = paths.iter().map(read).collect();
    manifests.sort_by_key(|manifest| match manifest["kind"].as_str() {
        Some("CustomResourceDefinition" | "Namespace") => 0,
        Some("Pod" | "Shelf") => 2,
        _ => 1,
    });
    manifests
}

async fn resource(client: &Client, manifest: &Value) -> (ApiResource, Scope) {
    let version = ApiVersion::of(manifest).unwrap();
    let kind = GroupVersionKind::gvk(&version.group, &version.version, manifest["kind"].as_str().unwrap());
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        match pinned_kind(client, &kind).await {
            Ok((resource, capabilities)) => return (resource, capabilities.scope),
            // A new kind is served a moment after its definition.
            Err(error) => assert!(Instant::now() < until, "{kind:?}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn collection(client: &Client, manifest: &Value) -> String {
    let (resource, scope) = resource(client, manifest).await;
    let namespace = manifest["metadata"]["namespace"].as_str().filter(|_| scope == Scope::Namespaced);
    resource_path(&resource, namespace)
}

fn resource_path(resource: &ApiResource, namespace: Option<&str>) -> String {
    let root = if resource.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", resource.group) };
    let namespace = namespace.map(|namespace| format!("/namespaces/{namespace}")).unwrap_or_default();
    format!("{root}/{}{namespace}/{}", resource.version, resource.plural)
}

async fn send(client: &Client, method: &str, path: &str, content: &str, body: &Value) -> Value {
    let request = http::Request::builder().method(method).uri(path).header("content-type", content);
    let request = request.body(serde_json::to_vec(body).unwrap()).unwrap();
    client.request::<Value>(request).await.unwrap_or_else(|error| panic!("{method} {path}: {error}\n{body}"))
}

async fn apply(client: &Client, object: &Value) -> Value {
    let name = object["metadata"]["name"].as_str().unwrap();
    let path = format!("{}/{name}?fieldManager={MANAGER}", collection(client, object).await);
    send(client, "PATCH", &path, "application/apply-patch+yaml", object).await
}

async fn create(client: &Client, object: &Value) -> Value {
    let path = collection(client, object).await;
    send(client, "POST", &path, "application/json", object).await
}

async fn served_schema(client: &Client, object: &Value) -> Schema {
    let version = object["apiVersion"].as_str().unwrap();
    let root = if version.contains('/') { "apis" } else { "api" };
    let request = http::Request::get(format!("/openapi/v3/{root}/{version}")).body(Vec::new()).unwrap();
    let text = client.request_text(request).await.unwrap();
    Schema::from_openapi_text(text.as_bytes()).unwrap()
}

async fn namespaces(client: &Client, names: &[&str]) {
    for name in names {
        create(client, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await;
    }
}

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn what_an_apply_owns_and_whether_it_differs_is_as_the_server_says() {
    let client = RealServer::shared(Options::default()).client().await;
    namespaces(&client, &["fix"]).await;
    for manifest in manifests("applied") {
        let sent = clean::for_apply(&manifest);
        let live = apply(&client, &sent).await;
        let theirs = managed::own_fields(&live, MANAGER).unwrap_or_default();
        let served = served_schema(&client, &manifest).await;
        let builtin = Schema::builtin();
        for (schema, source) in [(&served, "served"), (&builtin, "built in")] {
            let view = schema.view_of(&manifest);
            if !view.has_schema() {
                assert_eq!(manifest["kind"], "Shelf", "only the custom resource is not built in");
                continue;
            }
            let ours = FieldSet::of(&sent, view);
            assert_eq!(ours, theirs, "{source}: {sent}");
            let differences = compare::differences(&sent, &ours.project(&live, view), view);
            assert!(differences.is_empty(), "{source}: {differences:?} of {sent}");
        }
        release_all(&client, &live).await;
    }
}

/// Gives every field up, first one by one as far as there are three, then the rest at once.
async fn release_all(client: &Client, live: &Value) {
    let name = live["metadata"]["name"].as_str().unwrap();
    let path = format!("{}/{name}", collection(client, live).await);
    let mut live = live.clone();
    for step in 0..4 {
        let Some(own) = managed::own_fields(&live, MANAGER) else { return };
        let some = own.paths().into_iter().rev().take(if step < 3 { 1 } else { usize::MAX });
        let released = FieldSet::from_paths(&some.collect::<Vec<_>>());
        let patch = managed::release(&live, MANAGER, &released).unwrap();
        let after = send(client, "PATCH", &path, "application/json-patch+json", &patch).await;
        let rest = managed::own_fields(&after, MANAGER).unwrap_or_default();
        assert_eq!(rest, own.subtract(&released), "{patch}");
        let values = |object: &Value| json!([object.get("spec"), object.get("data"), object["metadata"]["labels"]]);
        assert_eq!(values(&after), values(&live), "{patch}");
        live = after;
    }
    assert_eq!(managed::own_fields(&live, MANAGER), None);
}

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn what_was_created_comes_back_as_it_was_written() {
    let client = RealServer::shared(Options::default()).client().await;
    namespaces(&client, &["fix-created"]).await;
    for mut manifest in manifests("declared") {
        if manifest["kind"] == "Shelf" {
            continue;
        }
        let name = format!("{}-created", manifest["metadata"]["name"].as_str().unwrap());
        manifest["metadata"]["name"] = name.into();
        if manifest["metadata"]["namespace"].is_string() {
            manifest["metadata"]["namespace"] = "fix-created".into();
        }
        let live = create(&client, &manifest).await;
        let schema = Schema::builtin();
        let captured = declared::manifest(&live, schema.view_of(&live), &|_: &Manager| false);
        assert_eq!(captured, manifest);
    }
}
