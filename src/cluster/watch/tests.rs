use super::super::address::tests::kind;
use super::super::stub::{Answer, End, Script, event, expired, page, status, version};
use super::*;

/// A world in which this kind is served by this server, and the task that keeps it watched.
fn keeping(script: &Script, kind: Kind) -> (World, AbortOnDropHandle<()>) {
    let connection = script.connection();
    let world = World {
        connection: connection.clone(),
        queue: Arc::new(Queue::new(64)),
        refresh: Arc::new(Refresh::new(Kinds::new([kind.clone()]))),
        schemas: Arc::new(Schemas::new(connection)),
    };
    let task = tokio::spawn(keep(world.clone(), Arc::new(kind)));
    (world, AbortOnDropHandle::new(task))
}

/// Lets time pass, and everything that is due in it happen; what was told meanwhile.
async fn pass(world: &World, time: Duration) -> Vec<String> {
    tokio::time::sleep(time).await;
    let short = |event| match event {
        ClusterEvent::Kinds(_) => "kinds".to_owned(),
        ClusterEvent::Listing(_) => "listing".to_owned(),
        ClusterEvent::Seen(object) => format!("seen {}", object["metadata"]["name"].as_str().unwrap()),
        ClusterEvent::Gone(object) => format!("gone {}", object["metadata"]["name"].as_str().unwrap()),
        ClusterEvent::Synced(_) => "synced".to_owned(),
        ClusterEvent::Unwatched(_, why) => format!("unwatched: {why}"),
        ClusterEvent::State(_) => "state".to_owned(),
    };
    world.queue.take(99).into_iter().map(short).collect()
}

fn config_map() -> Kind {
    kind("", "ConfigMap", "configmaps", true)
}

fn open() -> Answer {
    Answer::Watch(vec![], End::StaysOpen)
}

#[tokio::test(start_paused = true)]
async fn a_forbidden_kind_is_told_once_and_tried_every_ten_minutes() {
    let script =
        Script::new([version("30"), status(403, "Forbidden"), status(403, "Forbidden"), page(&["a"], "7", ""), open()]);
    let (world, _task) = keeping(&script, config_map());
    assert_eq!(pass(&world, REST / 2).await, ["unwatched: not allowed: forbidden"]);
    assert!(pass(&world, REST).await.is_empty(), "the same reason is not told again");
    assert_eq!(script.asked().len(), 3);
    assert_eq!(pass(&world, REST).await, ["listing", "seen a", "synced"]);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_loses_its_permission_is_unwatched_and_listed_anew_later() {
    let script =
        Script::new([version("30"), page(&["a"], "7", ""), status(403, "Forbidden"), page(&[], "9", ""), open()]);
    let (world, _task) = keeping(&script, config_map());
    let told = pass(&world, REST / 2).await;
    assert_eq!(told, ["listing", "seen a", "synced", "unwatched: not allowed: forbidden"]);
    assert_eq!(pass(&world, REST).await, ["listing", "synced"]);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_answers_404_is_tried_soon_for_a_while_and_again_when_a_definition_changes() {
    let missing = || (0..=EAGER).map(|_| status(404, "NotFound"));
    let script = Script::new([version("30")].into_iter().chain(missing()).chain([
        status(404, "NotFound"),
        page(&["a"], "7", ""),
        open(),
    ]));
    let (world, _task) = keeping(&script, config_map());
    assert_eq!(pass(&world, REST / 2).await, ["unwatched: not found: notfound"]);
    assert_eq!(script.asked().len(), EAGER + 2, "no more before something happens");

    let definition = serde_json::json!({"spec": {"group": "", "names": {"kind": "Snap"}}});
    world.refresh.definition(&definition, true);
    assert_eq!(pass(&world, REST / 20).await, ["listing", "seen a", "synced"]);
}

#[tokio::test(start_paused = true)]
async fn a_kind_whose_server_stays_busy_is_told_and_tried_on() {
    // A page is tried several times by itself, a watch is not.
    let busy = (0..PATIENCE).map(|_| status(500, "InternalError"));
    let script = Script::new([version("30")].into_iter().chain(busy).chain([page(&["a"], "7", ""), open()]));
    let (world, _task) = keeping(&script, config_map());
    let told = pass(&world, REST / 2).await;
    assert_eq!(told, ["unwatched: the API server is busy: internalerror", "listing", "seen a", "synced"]);
}

#[tokio::test(start_paused = true)]
async fn expired_credentials_do_not_make_a_kind_unwatched() {
    let script = Script::new([
        version("30"),
        page(&["a"], "7", ""),
        status(401, "Unauthorized"),
        Answer::Watch(vec![event("DELETED", "a", "8")], End::StaysOpen),
    ]);
    let (world, _task) = keeping(&script, config_map());
    assert_eq!(pass(&world, REST / 20).await, ["listing", "seen a", "synced", "gone a"]);
}

#[tokio::test]
async fn a_kind_without_a_list_is_unwatched_without_a_request() {
    let script = Script::new([]);
    let (world, task) = keeping(&script, Kind { verbs: vec!["create".into()], ..config_map() });
    task.await.unwrap();
    let told = pass(&world, Duration::ZERO).await;
    assert_eq!(told, ["unwatched: the API server does not let it be listed and watched"]);
    assert!(script.asked().is_empty());
}

/// A server that forgets where we were as often as this, and then no more.
fn forgetful(times: usize) -> Script {
    let round = |_| {
        let forgets = Answer::Watch(vec![event("MODIFIED", "a", "8"), expired()], End::Closes);
        [page(&["a", "b"], "7", ""), forgets]
    };
    Script::new([version("30")].into_iter().chain((0..times).flat_map(round)).chain([page(&["a"], "9", ""), open()]))
}

#[tokio::test(start_paused = true)]
async fn a_server_that_forgets_again_and_again_is_not_asked_for_everything_again_and_again() {
    let script = forgetful(100);
    let (world, _task) = keeping(&script, config_map());
    let mut told = Vec::new();
    for _ in 0..600 {
        told.extend(pass(&world, Duration::from_secs(1)).await);
    }
    let lists = told.iter().filter(|event| *event == "listing").count();
    assert!((10..=50).contains(&lists), "{lists} lists in ten minutes");
    for _ in 0..3_600 {
        told.extend(pass(&world, Duration::from_secs(1)).await);
    }
    assert_eq!(told[told.len() - 3..], ["listing", "seen a", "synced"], "and it ends when that ends");
    assert!(!told.iter().any(|event| event.starts_with("unwatched")), "{told:?}");

    // Once in a while it is nothing: then everything is listed at once.
    let script = forgetful(1);
    let (world, _task) = keeping(&script, config_map());
    let told = pass(&world, Duration::from_secs(1)).await;
    assert_eq!(told[told.len() - 3..], ["listing", "seen a", "synced"]);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_takes_is_not_kept_however_often_it_is_listed() {
    let script = forgetful(1_000);
    let (world, _task) = keeping(&script, config_map());
    tokio::time::sleep(REST * 100).await;
    let asked = script.asked().len();
    assert!(asked < 64, "{asked} requests while the queue was full");
    assert_eq!(world.queue.take(10_000).len(), 64, "the watch waits for room");
}
