//! Watches: the first list, events, ends.

use serde_json::{Value, json};

use crate::support::{APPLY, MERGE, Server, version};

async fn labelled(server: &Server, name: &str, label: &str) -> Value {
    let mut object = server.config_map(name, json!({}));
    object["metadata"]["labels"] = json!({"l": label});
    server.post("configmaps", &object).await.ok()
}

pub async fn a_watch_lists_first_and_says_when_it_has(server: &Server) {
    let made = labelled(server, "a", "x").await;
    labelled(server, "b", "y").await;
    let query =
        "watch=1&labelSelector=l%3Dx&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = server.watch(&format!("configmaps?{query}")).await;
    assert_eq!(watch.next().await.unwrap(), json!({"type": "ADDED", "object": made}));
    let bookmark = watch.next().await.unwrap();
    assert_eq!((&bookmark["type"], &bookmark["object"]["kind"]), (&json!("BOOKMARK"), &json!("ConfigMap")));
    let metadata = &bookmark["object"]["metadata"];
    assert_eq!(metadata["annotations"], json!({"k8s.io/initial-events-end": "true"}));
    assert!(version(&bookmark["object"]).parse::<u64>().unwrap() >= version(&made).parse().unwrap());
    let next = labelled(server, "c", "x").await;
    assert_eq!(watch.next().await.unwrap(), json!({"type": "ADDED", "object": next}));
    let mut plain = server.watch("configmaps?watch=true&labelSelector=l%3Dy").await;
    assert_eq!(plain.told().await, ("ADDED".into(), "b".into()));
}

pub async fn a_watch_goes_on_where_a_list_ended(server: &Server) {
    labelled(server, "a", "x").await;
    let list = server.get("configmaps?labelSelector=l").await.ok();
    server.patch("configmaps/a", MERGE, &json!({"data": {"k": "v"}})).await.ok();
    let from = version(&list);
    let mut watch = server.watch(&format!("configmaps?watch=1&labelSelector=l&resourceVersion={from}")).await;
    assert_eq!(watch.told().await, ("MODIFIED".into(), "a".into()));
    let made = labelled(server, "b", "x").await;
    assert_eq!(watch.told().await, ("ADDED".into(), "b".into()));
    server.delete("configmaps/b", None).await.ok();
    let gone = watch.next().await.unwrap();
    assert_eq!((&gone["type"], &gone["object"]["metadata"]["uid"]), (&json!("DELETED"), &made["metadata"]["uid"]));
    let number = |object: &Value| version(object).parse::<u64>().unwrap();
    assert!(number(&gone["object"]) > number(&made), "the version of the deletion");
    // A dry run and an apply of the same are no events.
    server.patch("configmaps/a?dryRun=All", MERGE, &json!({"data": {"k": "w"}})).await.ok();
    server.patch("configmaps/a", MERGE, &json!({"data": {"k": "v"}})).await.ok();
    labelled(server, "z", "x").await;
    assert_eq!(watch.told().await, ("ADDED".into(), "z".into()));
}

pub async fn what_leaves_a_selector_is_deleted(server: &Server) {
    let made = labelled(server, "a", "x").await;
    let from = version(&made);
    let mut watch = server.watch(&format!("configmaps?watch=1&labelSelector=l%3Dx&resourceVersion={from}")).await;
    let patch = |label: &str| json!({"metadata": {"labels": {"l": label}}});
    let moved = server.patch("configmaps/a", MERGE, &patch("y")).await.ok();
    let gone = watch.next().await.unwrap();
    assert_eq!((&gone["type"], version(&gone["object"])), (&json!("DELETED"), version(&moved)));
    assert_eq!(gone["object"]["metadata"]["labels"]["l"], "x", "as it last was to this watch");
    server.patch("configmaps/a", MERGE, &patch("x")).await.ok();
    assert_eq!(watch.told().await, ("ADDED".into(), "a".into()));
    let mut named = server.watch("configmaps?watch=1&fieldSelector=metadata.name%3Db").await;
    labelled(server, "c", "x").await;
    labelled(server, "b", "x").await;
    assert_eq!(named.told().await, ("ADDED".into(), "b".into()));
}

pub async fn a_watch_ends_when_it_was_told_to(server: &Server) {
    let made = labelled(server, "a", "x").await;
    let from = version(&made);
    let mut watch = server.watch(&format!("secrets?watch=1&timeoutSeconds=1&resourceVersion={from}")).await;
    assert_eq!(watch.next().await, None);
}

pub async fn a_version_of_long_ago_is_an_error_event(server: &Server) {
    let path = server.aged_collection().await;
    let mut watch = server.watch(&format!("{path}?watch=1&resourceVersion=1")).await;
    let event = watch.next().await.unwrap();
    let status = &event["object"];
    assert_eq!((&event["type"], &status["code"], &status["reason"]), (&json!("ERROR"), &json!(410), &json!("Expired")));
    assert!(status["message"].as_str().unwrap().starts_with("too old resource version: 1 ("), "{status}");
    assert_eq!(watch.next().await, None);
}

pub async fn options_of_a_watch_are_checked(server: &Server) {
    let refused = server.get("configmaps?watch=1&sendInitialEvents=true&allowWatchBookmarks=true").await;
    let why = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
    assert_eq!(refused.causes(), [("resourceVersionMatch", why)]);
    let refused = server.get("configmaps?watch=1&resourceVersion=1&resourceVersionMatch=NotOlderThan").await;
    let why = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
    assert_eq!(refused.causes(), [("resourceVersionMatch", why)]);
}

pub async fn a_namespace_goes_after_its_objects(server: &Server) {
    let made = server.patch("configmaps/m?fieldManager=a", APPLY, &server.config_map("m", json!({}))).await.ok();
    let from = version(&made);
    let own = server.namespace.clone();
    let mut objects =
        server.watch(&format!("configmaps?watch=1&resourceVersion={from}&fieldSelector=metadata.name%3Dm")).await;
    let name = format!("fieldSelector=metadata.name%3D{own}");
    let mut spaces = server.watch(&format!("/api/v1/namespaces?watch=1&resourceVersion={from}&{name}")).await;
    server.delete(&format!("/api/v1/namespaces/{own}"), None).await.ok();
    let gone = objects.next().await.unwrap();
    assert_eq!((&gone["type"], gone["object"]["metadata"].get("deletionTimestamp")), (&json!("DELETED"), None));
    let leaving = spaces.next().await.unwrap();
    assert_eq!((&leaving["type"], &leaving["object"]["status"]["phase"]), (&json!("MODIFIED"), &json!("Terminating")));
    let last = loop {
        let event = spaces.next().await.unwrap();
        if event["type"] == "DELETED" {
            break event;
        }
    };
    let number = |object: &Value| version(object).parse::<u64>().unwrap();
    assert!(number(&last["object"]) > number(&gone["object"]));
    assert_eq!(last["object"]["metadata"]["name"], own.as_str());
}
