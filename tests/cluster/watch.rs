//! Watches: what they tell, in which order, and what they do when they may not.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use kubeferry::cluster::{ApiServer, Cluster, ClusterEvent, ClusterOptions, Connection, DeleteRequest, FieldManager};
use serde_json::{Value, json};

use crate::envtest::{Options, RealServer};

use crate::support::{cluster, config_map, connection_as, events_until, id, kind, namespace, short};

fn place(told: &[String], what: &str) -> usize {
    told.iter().position(|event| event == what).unwrap_or_else(|| panic!("{what} in {told:?}"))
}

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn a_kind_is_listed_and_then_followed() {
    let cluster = cluster("watch-follow").await;
    namespace(&cluster, "watch-follow").await;
    let object = |value: &str| config_map("watch-follow", "settings", json!({"a": value}));
    let settings = id(&object("1"));
    cluster.apply(&settings, object("1"), true, false).await.unwrap();

    let maps = kind("", "ConfigMap");
    cluster.watch(vec![maps.clone()]);
    let told = events_until(&cluster, |event| matches!(event, ClusterEvent::Synced(kind) if *kind == maps)).await;
    let told: Vec<_> = told.iter().map(short).collect();
    assert_eq!(told[0], "kinds");
    let seen = format!("seen {settings}");
    assert!(place(&told, "listing ConfigMap") < place(&told, &seen), "{told:?}");
    assert!(place(&told, &seen) < place(&told, "synced ConfigMap"), "{told:?}");

    let live = cluster.apply(&settings, object("2"), true, false).await.unwrap();
    let seen = events_until(&cluster, |event| short(event) == seen).await.pop();
    let Some(ClusterEvent::Seen(seen)) = seen else { panic!("{seen:?}") };
    assert_eq!(*seen, live, "whole, as a GET answers it");

    let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
    let request = DeleteRequest {
        id: settings.clone(),
        uid: text("/metadata/uid"),
        resource_version: text("/metadata/resourceVersion"),
    };
    cluster.delete(request).await.unwrap();
    let gone = events_until(&cluster, |event| short(event) == format!("gone {settings}")).await;
    assert!(gone.iter().all(|event| !matches!(event, ClusterEvent::Listing(kind) if *kind == maps)));
}

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn namespaces_and_definitions_are_always_watched() {
    let cluster = cluster("watch-always").await;
    let mut missing = vec!["synced Namespace", "synced CustomResourceDefinition.apiextensions.k8s.io"];
    events_until(&cluster, |event| {
        missing.retain(|wanted| *wanted != short(event));
        missing.is_empty()
    })
    .await;
    namespace(&cluster, "watch-always").await;
    events_until(&cluster, |event| short(event) == "seen Namespace watch-always").await;
}

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn a_kind_no_longer_wanted_is_left_alone_and_listed_anew_when_wanted_again() {
    let cluster = cluster("watch-stop").await;
    namespace(&cluster, "watch-stop").await;
    let (maps, secrets) = (kind("", "ConfigMap"), kind("", "Secret"));
    let synced = |wanted: &'static str| move |event: &ClusterEvent| short(event) == format!("synced {wanted}");
    cluster.watch(vec![maps.clone()]);
    events_until(&cluster, synced("ConfigMap")).await;
    cluster.watch(vec![secrets]);
    events_until(&cluster, synced("Secret")).await;

    let object = config_map("watch-stop", "settings", json!({}));
    let settings = id(&object);
    cluster.apply(&settings, object, true, false).await.unwrap();
    // A later event of another kind is the proof that there was time enough.
    namespace(&cluster, "watch-stop-later").await;
    let told = events_until(&cluster, |event| short(event) == "seen Namespace watch-stop-later").await;
    assert!(told.iter().all(|event| short(event) != format!("seen {settings}")));

    cluster.watch(vec![maps]);
    let told = events_until(&cluster, synced("ConfigMap")).await;
    assert!(told.iter().any(|event| short(event) == format!("seen {settings}")));
}

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn a_kind_that_may_not_be_listed_is_unwatched_and_blocks_no_other() {
    let connection = connection_as("watch-forbidden", "restricted").await;
    let admin = cluster("watch-forbidden").await;
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "watch-forbidden"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "watch", "get"]}],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "watch-forbidden"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "watch-forbidden"},
        "subjects": [{"kind": "ServiceAccount", "name": "restricted", "namespace": "watch-forbidden"}],
    });
    for object in [role, binding] {
        admin.apply(&id(&object), object, true, false).await.unwrap();
    }
    let cluster = ApiServer::start(connection, FieldManager::new("ns", "forbidden").unwrap()).await.unwrap();
    cluster.watch(vec![kind("", "ConfigMap"), kind("", "Secret")]);
    let mut missing = vec!["synced ConfigMap", "unwatched Secret", "unwatched Namespace"];
    let told = events_until(&cluster, |event| {
        missing.retain(|wanted| !short(event).starts_with(wanted));
        missing.is_empty()
    })
    .await;
    let why = told.iter().map(short).find(|event| event.starts_with("unwatched Secret")).unwrap();
    assert!(why.contains("not allowed: secrets is forbidden: User"), "{why}");
}

/// More than one page, and more than the queue holds.
const MANY: usize = 1_100;

async fn make_many(cluster: &ApiServer, name: &str) {
    namespace(cluster, name).await;
    let applying = (0..MANY).map(|number| {
        let object = config_map(name, &format!("m-{number}"), json!({"a": "b"}));
        async move { cluster.apply(&id(&object), object, true, false).await.unwrap() }
    });
    futures::stream::iter(applying).buffer_unordered(16).for_each(|_| async {}).await;
}

/// How many of them a cluster that has seen nothing yet is told of before the list ends.
async fn count_many(reader: &ApiServer, name: &str) -> usize {
    reader.watch(vec![kind("", "ConfigMap")]);
    let told = events_until(reader, |event| short(event) == "synced ConfigMap").await;
    let start = format!("seen ConfigMap {name}/");
    told.iter().map(short).filter(|event| event.starts_with(&start)).collect::<HashSet<_>>().len()
}

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn more_objects_than_the_queue_holds_all_arrive() {
    make_many(&cluster("watch-many").await, "watch-many").await;
    assert_eq!(count_many(&cluster("watch-many-reader").await, "watch-many").await, MANY);
}

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn a_server_that_does_not_stream_lists_is_read_in_pages() {
    let server = RealServer::start(Options {
        apiserver_args: vec!["--feature-gates=WatchList=false".into()],
        ..Options::default()
    });
    make_many(&connect(&server.kubeconfig()).await, "watch-pages").await;
    let reader = connect(&server.kubeconfig()).await;
    assert_eq!(count_many(&reader, "watch-pages").await, MANY);
    namespace(&reader, "watch-pages-later").await;
    events_until(&reader, |event| short(event) == "seen Namespace watch-pages-later").await;
}

#[tokio::test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
#[cfg_attr(real_server, ignore = "long")]
async fn at_rest_nothing_but_watches_is_asked() {
    let (account, name) = ("watch-rest", "at-rest");
    let server = RealServer::start(Options {
        audited_users: vec![format!("system:serviceaccount:{account}:{name}")],
        ..Options::default()
    });
    let token = server.service_account_token(account, name).await;
    let admin = connect(&server.kubeconfig()).await;
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "at-rest"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": account}],
    });
    admin.apply(&id(&binding), binding, true, false).await.unwrap();

    let cluster = connect(&server.kubeconfig_for(&token)).await;
    let kinds: Vec<_> =
        cluster.kinds().iter().filter(|kind| kind.is_watchable()).map(|kind| kind.group_kind.clone()).collect();
    let mut missing = kinds.clone();
    cluster.watch(kinds);
    events_until(&cluster, |event| {
        missing.retain(|kind| !matches!(event, ClusterEvent::Synced(synced) if synced == kind));
        missing.is_empty()
    })
    .await;
    let settled = server.audit_log().len();
    // A minute in which nothing must happen can't be waited for in another way.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let asked: Vec<_> = server.audit_log().split_off(settled);
    assert!(asked.iter().all(|event| event["verb"] == "watch"), "{asked:?}");
}

async fn connect(kubeconfig: &Path) -> ApiServer {
    let options = ClusterOptions { kubeconfig: Some(kubeconfig.into()), context: None };
    let connection = Connection::open(options).await.unwrap();
    ApiServer::start(connection, FieldManager::new("ns", "at-rest").unwrap()).await.unwrap()
}
