//! Logins and refusals of a real `git http-backend`.

use kubeferry::repository::Source;

use super::git_http::GitHttp;
use super::*;

const TOKEN: &str = "glpat-0123456789abcdef";

/// A file that holds a secret.
fn secret(text: &str) -> (tempfile::TempDir, Source) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret"), format!("{text}\n")).unwrap();
    let source = Source::File(dir.path().join("secret"));
    (dir, source)
}

fn rewrite(source: &Source, text: &str) {
    let Source::File(path) = source else { panic!("a file") };
    std::fs::write(path, text).unwrap();
}

#[tokio::test]
#[cfg_attr(not(git_http), ignore = "needs git with its http-backend: install git")]
async fn a_token_lets_us_in_and_may_be_replaced() {
    let repo = BareRepo::with(&[("a.yaml", "1")]);
    let server = GitHttp::with_login(&repo, "x-access-token", TOKEN);
    let (_dir, token) = secret(TOKEN);
    let mut settings = settings(&server.url(""));

    let error = within(open(settings.clone()).fetch()).await.unwrap_err();
    assert!(matches!(&error, RepositoryError::Denied { message, .. } if message.contains("GIT_TOKEN")), "{error}");

    settings.credentials.token = token.clone();
    let repository = open(settings);
    edit(&repository, "a.yaml", "2").await.unwrap();
    server.set_login("x-access-token", "another-token");
    let asked = server.served();
    let error = within(repository.fetch()).await.unwrap_err();
    let RepositoryError::Denied { message, .. } = &error else { panic!("{error}") };
    assert!(message.contains("the token from") && message.contains("was refused"), "{message}");
    assert!(!error.to_string().contains(TOKEN) && !format!("{error:?}").contains(TOKEN), "{error:?}");
    // Once without, once with the token, and then no more.
    assert_eq!(server.served() - asked, 2);
    rewrite(&token, "another-token");
    edit(&repository, "a.yaml", "3").await.unwrap();
    assert_eq!(repo.log("main").len(), 3);
}

#[tokio::test]
#[cfg_attr(not(git_http), ignore = "needs git with its http-backend: install git")]
async fn a_shallow_clone_that_was_read_whole_pushes_without_the_history_before_it() {
    let repo = BareRepo::with(&[("a.yaml", "1")]);
    repo.write("second", &[("a.yaml", "2")]);
    let server = GitHttp::with_login(&repo, "x-access-token", TOKEN);
    let (_dir, token) = secret(TOKEN);
    let mut settings = settings(&server.url(""));
    settings.credentials.token = token;
    let repository = open(settings);
    let tip = within(repository.fetch()).await.unwrap();
    assert_eq!(texts(&repository, None, tip).await, ["a.yaml=2"]);
    let made = commit(&repository, tip, &[("a.yaml", Some("3"))]).await.unwrap();
    within(repository.push(made)).await.unwrap();
    assert_eq!(repo.log("main").len(), 3);
}

#[tokio::test]
#[cfg_attr(not(git_http), ignore = "needs git with its http-backend: install git")]
async fn a_user_and_password_let_us_in() {
    let repo = BareRepo::with(&[("a.yaml", "1")]);
    let server = GitHttp::with_login(&repo, "ada", "p@ss:w/rd");
    let ((_a, username), (_b, password)) = (secret("ada"), secret("p@ss:w/rd"));
    let mut settings = settings(&server.url(""));
    settings.credentials.username = username;
    settings.credentials.password = password;
    edit(&open(settings), "a.yaml", "2").await.unwrap();
    // The same in the address.
    let in_url = super::settings(&server.url("ada:p%40ss%3Aw%2Frd@"));
    edit(&open(in_url), "a.yaml", "3").await.unwrap();
    let wrong = super::settings(&server.url("ada:hunter2hunter2@"));
    assert!(!format!("{wrong:?}").contains("hunter2"), "{wrong:?}");
    let wrong = open(wrong);
    let error = within(wrong.fetch()).await.unwrap_err();
    assert!(error.to_string().contains("the credentials in gitUrl was refused"), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
}

#[tokio::test]
#[cfg_attr(not(git_http), ignore = "needs git with its http-backend: install git")]
async fn credentials_are_not_sent_to_another_server() {
    let repo = BareRepo::with(&[("a.yaml", "1")]);
    let other = GitHttp::with_login(&repo, "x-access-token", TOKEN);
    let name = format!("http://localhost:{}", other.address().port());
    let first = GitHttp::redirecting(&repo, &name);
    let (_dir, token) = secret(TOKEN);
    let mut settings = settings(&first.url(""));
    settings.credentials.token = token;
    let error = within(open(settings).fetch()).await.unwrap_err();
    assert!(error.to_string().contains("localhost") || error.to_string().contains("another server"), "{error}");
    assert_eq!((other.authorized(), first.authorized()), (0, 0));
}

#[tokio::test]
#[cfg_attr(not(git_http), ignore = "needs git with its http-backend: install git")]
async fn a_redirect_on_the_same_host_is_followed_but_another_port_gets_no_credentials() {
    let repo = BareRepo::with(&[("a.yaml", "1")]);
    let open_to_all = GitHttp::start(&repo);
    let moved = GitHttp::redirecting(&repo, &format!("http://{}", open_to_all.address()));
    edit(&open(settings(&moved.url(""))), "a.yaml", "2").await.unwrap();

    let closed = GitHttp::with_login(&repo, "x-access-token", TOKEN);
    let moved = GitHttp::redirecting(&repo, &format!("http://{}", closed.address()));
    let (_dir, token) = secret(TOKEN);
    let mut settings = settings(&moved.url(""));
    settings.credentials.token = token;
    let error = within(open(settings).fetch()).await.unwrap_err();
    assert!(error.to_string().contains("another server"), "{error}");
    assert_eq!(closed.authorized(), 0);
}

#[tokio::test]
#[cfg_attr(not(git_http), ignore = "needs git with its http-backend: install git")]
async fn a_repository_that_is_not_there_is_told() {
    let repo = BareRepo::with(&[("a.yaml", "1")]);
    let server = GitHttp::start(&repo);
    let error = within(open(settings(&format!("{}x", server.url("")))).fetch()).await.unwrap_err();
    assert!(
        matches!(&error, RepositoryError::Denied { message, .. } if message.contains("no such repository")),
        "{error}"
    );
}

#[tokio::test]
#[cfg_attr(not(git_http), ignore = "needs git with its http-backend: install git")]
async fn a_declined_push_is_refused_without_our_token_in_the_text() {
    let repo = BareRepo::with(&[("a.yaml", "1")]);
    let server = GitHttp::with_login(&repo, "x-access-token", TOKEN);
    let (_dir, token) = secret(TOKEN);
    let mut settings = settings(&server.url(""));
    settings.credentials.token = token;
    repo.hook("update", &format!("echo 'no pushes to $1 with {TOKEN}' >&2; exit 1"));
    let error = edit(&open(settings), "a.yaml", "2").await.unwrap_err();
    assert!(matches!(&error, PushError::Refused(_)), "{error}");
    let text = error.to_string();
    assert!(text.contains("hook declined") && text.contains("no pushes to") && text.contains("***"), "{text}");
    assert!(!text.contains(TOKEN), "{text}");
}
