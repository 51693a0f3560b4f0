//! Keys, host keys and refusals of a real sshd.

use kubeferry::repository::Source;

use super::sshd::{KeyKind, KeyPair, Sshd};
use super::*;

fn denied(error: &RepositoryError) -> &str {
    match error {
        RepositoryError::Denied { message, .. } => message,
        other => panic!("{other}"),
    }
}

#[tokio::test]
#[cfg_attr(not(sshd), ignore = "needs git and OpenSSH: install openssh-server")]
async fn every_type_of_key_is_taken() {
    let (repo, sshd) = (BareRepo::with(&[("a.yaml", "1")]), Sshd::start());
    for kind in [KeyKind::Ed25519, KeyKind::Ecdsa, KeyKind::Ecdsa521, KeyKind::Rsa, KeyKind::RsaPem] {
        let key = KeyPair::generate(kind, "");
        sshd.authorize(&[&key]);
        let repository = open(with_key(&sshd.url(&repo), &key));
        edit(&repository, "a.yaml", &format!("{kind:?}")).await.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
    }
    assert_eq!(repo.log("main").len(), 6);
}

#[tokio::test]
#[cfg_attr(not(sshd), ignore = "needs git and OpenSSH: install openssh-server")]
async fn a_key_may_have_a_passphrase() {
    let (repo, sshd) = (BareRepo::with(&[("a.yaml", "1")]), Sshd::start());
    for kind in [KeyKind::Ed25519, KeyKind::Ecdsa, KeyKind::RsaPem] {
        let key = KeyPair::generate(kind, "correct horse");
        sshd.authorize(&[&key]);
        let mut settings = with_key(&sshd.url(&repo), &key);

        let error = within(open(settings.clone()).fetch()).await.unwrap_err();
        assert!(denied(&error).contains("set SSH_KEY_PASSPHRASE"), "{error}");

        let file = key.path().with_extension("passphrase");
        std::fs::write(&file, "battery staple\n").unwrap();
        settings.credentials.passphrase = Source::File(file.clone());
        let repository = open(settings);
        let error = within(repository.fetch()).await.unwrap_err();
        assert!(denied(&error).contains("does not open the key"), "{kind:?}: {error}");
        assert!(!error.to_string().contains("staple"), "{error}");

        // Corrected on disk, while this runs.
        std::fs::write(&file, "correct horse\n").unwrap();
        assert_eq!(within(repository.fetch()).await.unwrap(), repo.tip("main"), "{kind:?}");
    }
}

#[tokio::test]
#[cfg_attr(not(sshd), ignore = "needs git and OpenSSH: install openssh-server")]
async fn a_key_is_replaced_on_disk_while_we_run() {
    let (repo, sshd) = (BareRepo::with(&[("a.yaml", "1")]), Sshd::start());
    let (mounted, new) = (KeyPair::generate(KeyKind::Ed25519, ""), KeyPair::generate(KeyKind::Ecdsa, ""));
    sshd.authorize(&[&mounted]);
    let repository = open(with_key(&sshd.url(&repo), &mounted));
    edit(&repository, "a.yaml", "2").await.unwrap();

    sshd.authorize(&[&new]);
    let error = within(repository.fetch()).await.unwrap_err();
    assert!(denied(&error).contains("was refused"), "{error}");
    // As a Secret often comes: foreign line ends, none at the end.
    let text = std::fs::read_to_string(new.path()).unwrap().trim_end().replace('\n', "\r\n");
    std::fs::write(mounted.path(), text).unwrap();
    edit(&repository, "a.yaml", "3").await.unwrap();

    std::fs::write(mounted.path(), "garbage").unwrap();
    let error = within(repository.fetch()).await.unwrap_err();
    assert!(denied(&error).contains("holds no private key"), "{error}");
    std::fs::write(mounted.path(), "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n")
        .unwrap();
    let error = within(repository.fetch()).await.unwrap_err();
    assert!(denied(&error).contains("is damaged"), "{error}");
    std::fs::remove_file(mounted.path()).unwrap();
    let error = within(repository.fetch()).await.unwrap_err();
    assert!(denied(&error).contains("SSH_KEY_PATH"), "{error}");
}

#[tokio::test]
#[cfg_attr(not(sshd), ignore = "needs git and OpenSSH: install openssh-server")]
async fn an_unknown_or_changed_host_key_is_refused_and_named() {
    let (repo, key) = (BareRepo::with(&[("a.yaml", "1")]), KeyPair::generate(KeyKind::Ed25519, ""));
    let sshd = Sshd::with_host_keys(&[KeyKind::Ed25519]);
    sshd.authorize(&[&key]);
    let repository = open(with_key(&sshd.url(&repo), &key));
    let real = sshd.host_key(0);

    let error = within(repository.fetch()).await.unwrap_err();
    let message = denied(&error);
    for part in
        [&real.fingerprint(), "ssh-ed25519", &sshd.host(), "is not in", &git::known_hosts().display().to_string()]
    {
        assert!(message.contains(part), "{part}: {message}");
    }
    // Following the advice helps.
    let line = message.split('`').nth(1).unwrap().to_owned();
    assert_eq!(line, format!("{} {}", sshd.host(), real.public()));

    let other = KeyPair::generate(KeyKind::Ed25519, "");
    sshd.trust([&other]);
    let error = within(repository.fetch()).await.unwrap_err();
    let message = denied(&error);
    for part in [&real.fingerprint(), &other.fingerprint(), "is not the one in"] {
        assert!(message.contains(part), "{part}: {message}");
    }

    git::change_known_hosts(&format!("{} ", sshd.host()), &[line]);
    assert_eq!(within(repository.fetch()).await.unwrap(), repo.tip("main"));

    git::change_known_hosts("", &[format!("@revoked * {}", real.public())]);
    let error = within(repository.fetch()).await.unwrap_err();
    assert!(denied(&error).contains("@revoked"), "{error}");
}

#[tokio::test]
#[cfg_attr(not(sshd), ignore = "needs git and OpenSSH: install openssh-server")]
async fn the_server_is_asked_for_the_key_that_is_known() {
    let (repo, key) = (BareRepo::with(&[("a.yaml", "1")]), KeyPair::generate(KeyKind::Ed25519, ""));
    let sshd = Sshd::with_host_keys(&[KeyKind::Ed25519, KeyKind::Ecdsa, KeyKind::Ecdsa521, KeyKind::Rsa]);
    sshd.authorize(&[&key]);
    let repository = open(with_key(&sshd.url(&repo), &key));
    // sshd takes one ECDSA key only, the last one.
    for index in [0, 2, 3] {
        sshd.trust([sshd.host_key(index)]);
        assert_eq!(within(repository.fetch()).await.unwrap(), repo.tip("main"), "{index}");
    }
    let host = sshd.host();
    let hashed = KeyPair::generate(KeyKind::Ecdsa, "");
    sshd.trust([&hashed]);
    let error = within(repository.fetch()).await.unwrap_err();
    assert!(error.to_string().contains(&host) || error.to_string().contains("ecdsa-sha2-nistp256"), "{error}");
}

#[tokio::test]
#[cfg_attr(not(sshd), ignore = "needs git and OpenSSH: install openssh-server")]
async fn a_repository_that_is_not_there_is_told_from_one_that_cannot_be_reached() {
    let (repo, sshd, key) = (BareRepo::new(), Sshd::start(), KeyPair::generate(KeyKind::Ed25519, ""));
    sshd.authorize(&[&key]);
    let error = within(open(with_key(&format!("{}x", sshd.url(&repo)), &key)).fetch()).await.unwrap_err();
    assert!(denied(&error).contains("does not appear to be a git repository"), "{error}");

    let url = sshd.url(&repo);
    drop(sshd);
    let error = within(open(with_key(&url, &key)).fetch()).await.unwrap_err();
    assert!(matches!(&error, RepositoryError::Unreachable { remote, .. } if *remote == url), "{error}");
    let error = within(open(with_key("ssh://git@nowhere.invalid/x", &key)).fetch()).await.unwrap_err();
    assert!(
        matches!(&error, RepositoryError::Unreachable { message, .. } if message.contains("nowhere.invalid")),
        "{error}"
    );
}

#[tokio::test]
#[cfg_attr(not(sshd), ignore = "needs git and OpenSSH: install openssh-server")]
async fn a_declined_push_is_refused_with_the_remotes_words() {
    let (repo, sshd, key) =
        (BareRepo::with(&[("a.yaml", "1")]), Sshd::start(), KeyPair::generate(KeyKind::Ed25519, ""));
    sshd.authorize(&[&key]);
    let repository = open(with_key(&sshd.url(&repo), &key));
    let before = repo.tip("main");
    repo.hook("pre-receive", "echo 'main is protected: \u{1b}[31mopen a pull request' >&2; exit 1");
    let error = edit(&repository, "a.yaml", "2").await.unwrap_err();
    assert!(matches!(&error, PushError::Refused(_)), "{error}");
    let text = error.to_string();
    assert!(text.contains("pre-receive hook declined") && text.contains("main is protected:"), "{text}");
    assert!(!text.chars().any(char::is_control), "{text:?}");
    assert_eq!(repo.tip("main"), before);

    repo.hook("pre-receive", "exit 0");
    edit(&repository, "a.yaml", "2").await.unwrap();
}

#[tokio::test]
#[cfg_attr(not(sshd), ignore = "needs git and OpenSSH: install openssh-server")]
async fn a_branch_that_moves_during_the_push_is_a_lost_race() {
    let (repo, sshd, key) =
        (BareRepo::with(&[("a.yaml", "1")]), Sshd::start(), KeyPair::generate(KeyKind::Ed25519, ""));
    sshd.authorize(&[&key]);
    let repository = open(with_key(&sshd.url(&repo), &key));
    let theirs = repo.commit("side", "theirs", &[("b.yaml", Some(b"2"))]);
    // The hook runs after the server has told us where the branch stands, and before it looks again. Its own objects are
    // held back from other programs until then, so the reference is written by hand.
    repo.hook("pre-receive", &format!("echo {theirs} > refs/heads/main"));
    let error = edit(&repository, "a.yaml", "3").await.unwrap_err();
    assert!(matches!(error, PushError::Raced), "{error}");
    repo.hook("pre-receive", "exit 0");
    edit(&repository, "a.yaml", "3").await.unwrap();
    assert_eq!(repo.files("main").len(), 2);
}

#[test]
#[cfg_attr(not(sshd), ignore = "needs git and OpenSSH: install openssh-server")]
fn a_line_that_spoils_the_known_hosts_is_named() {
    child("ssh::child_meets_a_broken_line", "60001");
}

#[tokio::test]
#[ignore = "run by another test"]
async fn child_meets_a_broken_line() {
    let (repo, sshd, key) =
        (BareRepo::with(&[("a.yaml", "1")]), Sshd::start(), KeyPair::generate(KeyKind::Ed25519, ""));
    sshd.authorize(&[&key]);
    let repository = open(with_key(&sshd.url(&repo), &key));
    git::change_known_hosts("", &["github.com ssh-rsa".to_owned()]);
    let error = within(repository.fetch()).await.unwrap_err();
    assert!(denied(&error).contains("known_hosts:3 is no `host type key`"), "{error}");
    std::fs::remove_file(git::known_hosts()).unwrap();
    let error = within(repository.fetch()).await.unwrap_err();
    assert!(denied(&error).contains("cannot be read") && denied(&error).contains("SSH_KNOWN_HOSTS"), "{error}");
}
