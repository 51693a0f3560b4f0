//! Servers that take a connection and never say a word, and steps that nobody waits for.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use super::*;

/// Accepts until it is dropped, and keeps open what it accepted.
struct Silent {
    port: u16,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Silent {
    fn listen() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let over = Arc::new(AtomicBool::new(false));
        let ends = over.clone();
        let thread = std::thread::spawn(move || {
            let mut open = Vec::new();
            while let Ok((stream, _)) = listener.accept() {
                if ends.load(Ordering::SeqCst) {
                    break;
                }
                open.push(stream);
            }
        });
        Self { port, over, thread: Some(thread) }
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes it; the connections close with its thread.
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok();
        self.thread.take().map(JoinHandle::join);
    }
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    child("silence::child_gives_up", "700");
}

#[tokio::test]
#[ignore = "run by another test"]
async fn child_gives_up() {
    let silent = Silent::listen();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("token"), "secret-token").unwrap();
    for url in [
        format!("ssh://git@127.0.0.1:{}/x", silent.port),
        format!("http://127.0.0.1:{}/x", silent.port),
        format!("https://127.0.0.1:{}/x", silent.port),
    ] {
        let repository = open(settings(&url));
        let error = within(repository.fetch()).await.unwrap_err();
        let RepositoryError::Unreachable { remote, message } = &error else { panic!("{url}: {error}") };
        assert_eq!(*remote, url);
        assert!(message.contains("no answer within 0.7 s"), "{url}: {message}");
    }
}

#[tokio::test]
async fn a_step_ends_when_its_time_is_over_and_others_are_not_delayed() {
    let silent = Silent::listen();
    let url = format!("http://127.0.0.1:{}/x", silent.port);
    let repository = open(RepositorySettings { longest_step: Duration::from_millis(300), ..settings(&url) });
    let begun = Instant::now();
    let error = within(repository.fetch()).await.unwrap_err();
    assert!(
        matches!(&error, RepositoryError::Unreachable { message, .. } if message.contains("not done within")),
        "{error}"
    );
    // Its thread still waits for the server, but what needs no network goes on.
    let made = commit(&repository, None, &[("a.yaml", Some("1"))]).await;
    assert_eq!(texts(&repository, None, made).await, ["a.yaml=1"]);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_step_that_nobody_waits_for_leaves_the_repository_usable() {
    let repo = BareRepo::with(&[("a.yaml", "1")]);
    let repository = open_file(&repo);
    for _ in 0..20 {
        drop(repository.fetch());
        let fetch = tokio::spawn(repository.fetch());
        tokio::task::yield_now().await;
        fetch.abort();
        fetch.await.ok();
    }
    let tip = within(repository.fetch()).await.unwrap();
    assert_eq!(tip, repo.tip("main"));
    let push = {
        let made = commit(&repository, tip, &[("a.yaml", Some("2"))]).await.unwrap();
        tokio::spawn(repository.push(made))
    };
    tokio::task::yield_now().await;
    push.abort();
    push.await.ok();
    // Arrived or not, the next step starts from what is there.
    edit(&repository, "b.yaml", "3").await.unwrap();
    assert_eq!(repo.read("main", "b.yaml").as_deref(), Some("3"));
}
