use super::super::stub::{Answer, End, Script, bookmark, event, expired, page, status, version};
use super::*;

fn stream(script: &Script) -> ObjectStream {
    ObjectStream::new(script.connection(), "/api/v1/configmaps".into(), Texts::Shown)
}

/// The next `count` steps in short, errors included.
async fn steps(stream: &mut ObjectStream, count: usize) -> Vec<String> {
    let name = |object: &Value| {
        format!("{} {}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap())
    };
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(match stream.next().await {
            Ok(Step::Listing) => "listing".into(),
            Ok(Step::Seen(object)) => format!("seen {}", name(&object)),
            Ok(Step::Gone(object)) => format!("gone {}", name(&object)),
            Ok(Step::Synced) => "synced".into(),
            Err(error) => error.to_string(),
        });
    }
    all
}

const PAGED: &str = "/api/v1/configmaps?limit=500";
const STREAMED: &str =
    "/api/v1/configmaps?allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&sendInitialEvents=true&watch=1";

fn resumed(version: &str) -> String {
    format!("/api/v1/configmaps?allowWatchBookmarks=true&resourceVersion={version}&watch=1")
}

#[tokio::test]
async fn a_new_server_streams_its_list() {
    let events =
        vec![event("ADDED", "a", "5"), bookmark("7", true), event("MODIFIED", "a", "8"), event("DELETED", "a", "9")];
    let script = Script::new([version("36"), Answer::Watch(events, End::StaysOpen)]);
    let told = steps(&mut stream(&script), 5).await;
    assert_eq!(told, ["listing", "seen ConfigMap a", "synced", "seen ConfigMap a", "gone ConfigMap a"]);
    assert_eq!(script.query(1), STREAMED);
}

#[tokio::test]
async fn an_old_server_is_listed_in_pages_and_its_items_say_what_they_are() {
    let script = Script::new([
        version("33+"),
        page(&["a"], "7", "next+page"),
        page(&["b"], "7", ""),
        Answer::Watch(vec![event("ADDED", "c", "8")], End::StaysOpen),
    ]);
    let told = steps(&mut stream(&script), 5).await;
    assert_eq!(told, ["listing", "seen ConfigMap a", "seen ConfigMap b", "synced", "seen ConfigMap c"]);
    assert_eq!(script.query(1), PAGED);
    assert_eq!(script.query(2), "/api/v1/configmaps?continue=next%2Bpage&limit=500");
    assert_eq!(script.query(3), resumed("7"));
}

#[tokio::test]
async fn a_server_that_does_not_know_streaming_lists_is_listed_in_pages() {
    let script = Script::new([version("36"), status(422, "Invalid"), page(&["a"], "7", "")]);
    let told = steps(&mut stream(&script), 3).await;
    assert_eq!(told, ["listing", "seen ConfigMap a", "synced"]);
    assert_eq!((script.query(1), script.query(2)), (STREAMED.into(), PAGED.into()));
}

#[tokio::test(start_paused = true)]
async fn a_streaming_list_that_falls_silent_is_listed_in_pages() {
    let script =
        Script::new([version("36"), Answer::Watch(vec![event("ADDED", "a", "5")], End::StaysOpen), page(&[], "7", "")]);
    let told = steps(&mut stream(&script), 5).await;
    let silent = "the API server does not answer: a streaming list fell silent";
    assert_eq!(told, ["listing", "seen ConfigMap a", silent, "listing", "synced"]);
    assert_eq!(script.query(2), PAGED);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_is_resumed_after_the_last_thing_seen() {
    for (last, version_seen) in [(event("ADDED", "b", "8"), "8"), (bookmark("12", false), "12")] {
        let script = Script::new([
            version("30"),
            page(&[], "7", ""),
            Answer::Watch(vec![last], End::Closes),
            Answer::Watch(vec![event("ADDED", "c", "13")], End::StaysOpen),
        ]);
        let mut stream = stream(&script);
        let mut told = steps(&mut stream, 3).await;
        while told.last().unwrap() != "seen ConfigMap c" {
            assert!(told.len() < 9, "{told:?}");
            told.extend(steps(&mut stream, 1).await);
        }
        assert_eq!(script.query(3), resumed(version_seen), "{told:?}");
        assert_eq!(told.iter().filter(|step| *step == "listing").count(), 1, "{told:?}");
    }
}

#[tokio::test]
async fn after_410_everything_is_listed_anew() {
    for answer in [Answer::Watch(vec![expired()], End::Closes), status(410, "Expired")] {
        let script = Script::new([version("30"), page(&["a"], "7", ""), answer, page(&["b"], "9", "")]);
        let told = steps(&mut stream(&script), 7).await;
        let gone = "the object changed in the meantime: ";
        assert_eq!(told[..3], ["listing", "seen ConfigMap a", "synced"]);
        assert!(told[3].starts_with(gone), "{told:?}");
        assert_eq!(told[4..], ["listing", "seen ConfigMap b", "synced"]);
    }
}

#[tokio::test]
async fn a_list_whose_next_page_expired_is_then_read_at_once() {
    let script =
        Script::new([version("30"), page(&["a"], "7", "token"), status(410, "Expired"), page(&["a", "b"], "9", "")]);
    let told = steps(&mut stream(&script), 7).await;
    assert!(told[2].starts_with("the object changed"), "{told:?}");
    assert_eq!(told[3..], ["listing", "seen ConfigMap a", "seen ConfigMap b", "synced"]);
    assert_eq!(script.query(3), "/api/v1/configmaps?");
}

#[tokio::test]
async fn a_failure_while_watching_does_not_list_anew() {
    let script = Script::new([
        version("30"),
        page(&[], "7", ""),
        status(500, "InternalError"),
        Answer::Watch(vec![event("ADDED", "a", "8")], End::StaysOpen),
    ]);
    let mut stream = stream(&script);
    let told = steps(&mut stream, 4).await;
    assert_eq!(told, ["listing", "synced", "the API server is busy: internalerror", "seen ConfigMap a"]);
    assert_eq!(script.query(3), resumed("7"));
}

#[tokio::test(start_paused = true)]
async fn a_dead_watch_is_noticed() {
    let script = Script::new([version("30"), page(&[], "7", ""), Answer::Watch(vec![], End::StaysOpen)]);
    let start = Instant::now();
    let told = steps(&mut stream(&script), 3).await;
    assert_eq!(told[2], "the API server does not answer: a watch did not end when it should");
    assert!(start.elapsed() <= Duration::from_secs(OPEN.1) + GRACE);
}
