use super::*;
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// A server that keeps one Lease, guarded by its resourceVersion.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Option<Value>>>);

impl Server {
    /// A connection to it that can be cut: then nothing is answered any more.
    fn connection(&self) -> (Connection, Arc<AtomicBool>) {
        let (server, cut) = (self.clone(), Arc::new(AtomicBool::new(false)));
        let is_cut = cut.clone();
        let router = Router::new().fallback(move |request: Request| {
            let (server, is_cut) = (server.clone(), is_cut.clone());
            async move {
                if is_cut.load(SeqCst) {
                    std::future::pending::<()>().await;
                }
                server.answer(request).await
            }
        });
        (Connection::over(kube::Client::new(router, "default")), cut)
    }

    async fn answer(&self, request: Request) -> Response {
        let method = request.method().clone();
        let body = axum::body::to_bytes(request.into_body(), 99_999).await.unwrap();
        let mut lease = self.0.lock().unwrap();
        let version = |lease: &Value| lease.pointer("/metadata/resourceVersion").cloned();
        let mut written: Value = match (method, &*lease) {
            (Method::GET, Some(lease)) => return lease.to_string().into_response(),
            (Method::GET, None) => {
                let missing = json!({"reason": "NotFound", "details": {"name": "main"}});
                return (StatusCode::NOT_FOUND, missing.to_string()).into_response();
            }
            (Method::POST, None) => serde_json::from_slice(&body).unwrap(),
            (Method::PUT, Some(lease)) => {
                let written = serde_json::from_slice(&body).unwrap();
                if version(&written) != version(lease) {
                    return StatusCode::CONFLICT.into_response();
                }
                written
            }
            _ => return StatusCode::CONFLICT.into_response(),
        };
        let next = lease.as_ref().and_then(version).and_then(|version| version.as_str()?.parse().ok()).unwrap_or(0) + 1;
        written["metadata"]["resourceVersion"] = next.to_string().into();
        *lease = Some(written.clone());
        written.to_string().into_response()
    }
}

fn lease(connection: &Connection, pod: &str) -> Lease {
    Lease::acquire(connection, LeaseName::new("ns", "main", pod)).unwrap()
}

fn transitions(lease: &Lease) -> Option<i64> {
    match *lease.leadership().borrow() {
        Leadership::Leader { transitions, .. } => Some(transitions),
        Leadership::Standby(_) | Leadership::Cut(_) => None,
    }
}

async fn pass(seconds: f32) {
    tokio::time::sleep(Duration::from_secs_f32(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn the_first_leads_the_second_says_who_holds_it() {
    let server = Server::default();
    let first = lease(&server.connection().0, "one");
    first.wait(Duration::from_secs(1)).await.unwrap();
    let second = lease(&server.connection().0, "two");
    let why = second.wait(Duration::from_secs(10)).await.unwrap_err();
    assert!(why.starts_with("one_") && why.ends_with("holds the lease ns/main"), "{why}");
    assert_eq!((transitions(&first), transitions(&second)), (Some(0), None));
}

#[tokio::test(start_paused = true)]
async fn a_released_lease_is_taken_at_the_next_look() {
    let server = Server::default();
    let (first, second) = (lease(&server.connection().0, "one"), lease(&server.connection().0, "two"));
    pass(5.0).await;
    let (leader, other) = if transitions(&first).is_some() { (first, second) } else { (second, first) };
    leader.release().await;
    other.wait(LOOK + Duration::from_millis(100)).await.unwrap();
    assert_eq!(transitions(&other), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_dead_leader_is_followed_after_its_lease_ran_out() {
    let server = Server::default();
    let first = lease(&server.connection().0, "one");
    first.wait(Duration::from_secs(1)).await.unwrap();
    let second = lease(&server.connection().0, "two");
    pass(5.0).await;
    drop(first);
    let dead = Instant::now();
    second.wait(Duration::from_secs(20)).await.unwrap();
    // It was seen renewed up to one look after its death, and is found run out as soon as it is.
    assert!(dead.elapsed() >= DURATION - RETRY && dead.elapsed() <= DURATION + LOOK, "{:?}", dead.elapsed());
    assert_eq!(transitions(&second), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_cut_off_stands_by_before_another_may_lead() {
    let server = Server::default();
    let (connection, cut) = server.connection();
    let first = lease(&connection, "one");
    first.wait(Duration::from_secs(1)).await.unwrap();
    let second = lease(&server.connection().0, "two");
    pass(3.3).await;
    cut.store(true, SeqCst);
    let mut together = 0;
    for _ in 0..1_000 {
        pass(0.01).await;
        together += usize::from(transitions(&first).is_some() && transitions(&second).is_some());
    }
    assert_eq!((transitions(&first), transitions(&second), together), (None, Some(1), 0));

    cut.store(false, SeqCst);
    pass(5.0).await;
    assert_eq!((transitions(&first), transitions(&second)), (None, Some(1)));
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_does_not_cost_the_lead() {
    let server = Server::default();
    let (connection, cut) = server.connection();
    let first = lease(&connection, "one");
    first.wait(Duration::from_secs(1)).await.unwrap();
    let mut leadership = first.leadership();
    leadership.mark_unchanged();
    pass(0.9).await;
    cut.store(true, SeqCst);
    pass(0.9).await; // the renewal that is due meanwhile never gets an answer
    cut.store(false, SeqCst);
    pass(10.0).await;
    assert!(!leadership.has_changed().unwrap(), "{:?}", *leadership.borrow());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_may_not_be_had_says_why() {
    let router = Router::new().fallback(|| async { (StatusCode::FORBIDDEN, "no leases for you") });
    let connection = Connection::over(kube::Client::new(router, "default"));
    let why = lease(&connection, "one").wait(Duration::from_secs(10)).await.unwrap_err();
    assert_eq!(&*why, "not allowed: no leases for you");
}

#[tokio::test(start_paused = true)]
async fn a_hold_ends_by_either_clock_before_anybody_says_so() {
    let renewal = Renewal { term: 1, begun: Instant::now(), date: Timestamp::now() };
    let (renewed, renewals) = watch::channel(Some(renewal));
    let hold = Hold { term: Some(1), renewals };
    assert!(hold.is_held());
    tokio::time::advance(DEADLINE).await;
    assert!(!hold.is_held(), "this process stood still");
    let begun = Instant::now();
    renewed.send_replace(Some(Renewal { begun, ..renewal }));
    assert!(hold.is_held());
    // The whole machine stood still, and its monotonic clock with it.
    renewed.send_replace(Some(Renewal { begun, date: Timestamp::now() - DEADLINE, ..renewal }));
    assert!(!hold.is_held());
    renewed.send_replace(Some(Renewal { begun, term: 2, ..renewal }));
    assert!(!hold.is_held());
    renewed.send_replace(None);
    assert!(!hold.is_held());
}

#[tokio::test(start_paused = true)]
async fn a_hold_is_never_that_of_a_later_term() {
    let server = Server::default();
    let (connection, cut) = server.connection();
    let first = lease(&connection, "one");
    assert!(!first.hold().is_held(), "nothing is held yet");
    first.wait(Duration::from_secs(1)).await.unwrap();
    let hold = first.hold();
    pass(10.0).await;
    assert!(hold.is_held(), "renewing goes on");
    cut.store(true, SeqCst);
    let second = lease(&server.connection().0, "two");
    second.wait(Duration::from_secs(20)).await.unwrap();
    assert!(!hold.is_held());
    let lost = timeout(Duration::from_secs(1), first.lost()).await.unwrap();
    assert!(lost.starts_with("the API server does not answer"), "{lost}");
    second.release().await;
    cut.store(false, SeqCst);
    first.wait(Duration::from_secs(20)).await.unwrap();
    assert!(first.hold().is_held() && !hold.is_held(), "somebody else led in between");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_deleted_and_made_anew_is_another_term() {
    let server = Server::default();
    let first = lease(&server.connection().0, "one");
    first.wait(Duration::from_secs(1)).await.unwrap();
    let hold = first.hold();
    *server.0.lock().unwrap() = None;
    pass(3.0).await;
    assert_eq!(transitions(&first), Some(0));
    assert!(first.hold().is_held() && !hold.is_held());
}
