//! What remotes do to branches, over every transport: the network ones are shallow, the one on disk is not.

use super::git_http::GitHttp;
use super::sshd::{KeyKind, KeyPair, Sshd};
use super::*;

/// The same life of a branch on any transport. `base` says where `repo` is reached.
async fn life_of_a_branch(repo: &BareRepo, base: RepositorySettings) {
    let named = |branch: &str| RepositorySettings { branch: Some(branch.to_owned()), ..base.clone() };

    // An empty repository: nothing is there, and the first push makes it.
    let first = open(base.clone());
    assert_eq!(within(first.fetch()).await.unwrap(), None);
    let made = commit(&first, None, &[("a/web.yaml", Some("1"))]).await.unwrap();
    within(first.push(made)).await.unwrap();
    assert_eq!((repo.tip("main"), repo.read("main", "a/web.yaml")), (Some(made), Some("1".to_owned())));
    assert_eq!(within(first.fetch()).await.unwrap(), Some(made));
    assert_eq!(first.branch().as_deref(), Some("main"));

    // A person adds commits; only the difference is seen.
    for text in ["2", "3", "4"] {
        repo.write("by hand", &[("b.yaml", text)]);
    }
    let tip = within(first.fetch()).await.unwrap();
    assert_eq!(tip, repo.tip("main"));
    assert_eq!(texts(&first, Some(made), tip).await, ["b.yaml=4"]);

    // A second clone begins where the branch is, and both push in turn.
    let second = open(named("main"));
    let theirs = edit(&second, "c.yaml", "5").await.unwrap();
    let ours = edit(&first, "d.yaml", "6").await.unwrap();
    assert_eq!(repo.tip("main"), Some(ours));
    assert_eq!(texts(&first, Some(theirs), Some(ours)).await, ["d.yaml=6"]);

    // The second one plans on what has moved: it must look again.
    let late = commit(&second, Some(theirs), &[("e.yaml", Some("7"))]).await.unwrap();
    assert!(matches!(within(second.push(late)).await, Err(PushError::Raced)));
    let again = edit(&second, "e.yaml", "7").await.unwrap();
    assert_eq!(repo.read("main", "d.yaml").as_deref(), Some("6"));
    // An answer that got lost: the commit is there already.
    within(second.push(again)).await.unwrap();

    // A branch that does not exist begins at the default branch.
    let third = open(named("env/prod"));
    assert_eq!(within(third.fetch()).await.unwrap(), Some(again));
    assert_eq!(repo.tip("env/prod"), None);
    let made = edit(&third, "f.yaml", "8").await.unwrap();
    assert_eq!((repo.tip("env/prod"), repo.tip("main")), (Some(made), Some(again)));

    // Somebody deletes it: we neither bring it back by accident nor get stuck.
    repo.delete_branch("env/prod");
    let orphan = commit(&third, Some(made), &[("g.yaml", Some("9"))]).await.unwrap();
    assert!(matches!(within(third.push(orphan)).await, Err(PushError::Raced)));
    assert_eq!(repo.tip("env/prod"), None);
    assert_eq!(within(third.fetch()).await.unwrap(), Some(again));
    let made = edit(&third, "g.yaml", "9").await.unwrap();
    assert_eq!((repo.tip("env/prod"), repo.read("env/prod", "f.yaml")), (Some(made), None));

    // Somebody makes it anew with another history.
    let replaced = repo.replace("env/prod", "anew", &[("h.yaml", "10")]);
    assert_eq!(within(third.fetch()).await.unwrap(), Some(replaced));
    assert!(texts(&third, Some(made), Some(replaced)).await.contains(&"h.yaml=10".to_owned()));
    edit(&third, "i.yaml", "11").await.unwrap();
    assert_eq!(repo.log("env/prod").len(), 2);

    // Somebody takes commits back with a force-push: what they took stays taken.
    repo.set_branch("main", theirs);
    let stale = commit(&first, Some(ours), &[("j.yaml", Some("12"))]).await.unwrap();
    assert!(matches!(within(first.push(stale)).await, Err(PushError::Raced)));
    assert_eq!(within(first.fetch()).await.unwrap(), Some(theirs));
    assert_eq!(texts(&first, Some(ours), Some(theirs)).await, ["d.yaml gone"]);
    edit(&first, "j.yaml", "12").await.unwrap();
    assert_eq!(repo.read("main", "d.yaml"), None);
    assert_eq!(repo.read("main", "j.yaml").as_deref(), Some("12"));
}

/// As many commits as the clone of a repository holds, and whether it is shallow.
fn depth(directory: &std::path::Path) -> (usize, bool) {
    let clone = std::fs::read_dir(directory).unwrap().flatten().map(|entry| entry.path().join("clone.git"));
    let git = git2::Repository::open_bare(clone.into_iter().find(|path| path.exists()).unwrap()).unwrap();
    let mut walk = git.revwalk().unwrap();
    walk.push_ref("refs/kubeferry/tip").unwrap();
    (walk.count(), git.is_shallow())
}

/// A long history is not fetched; what is fetched later is kept.
async fn history_is_shallow_at_first_and_then_grows(repo: &BareRepo, base: RepositorySettings) {
    for text in ["1", "2", "3", "4", "5"] {
        repo.write("old", &[("a.yaml", text)]);
    }
    let directory = tempfile::tempdir().unwrap();
    let repository = open(RepositorySettings { directory: directory.path().to_owned(), ..base });
    let old = within(repository.fetch()).await.unwrap();
    assert_eq!(depth(directory.path()), (1, true));
    for text in ["6", "7", "8"] {
        repo.write("new", &[("a.yaml", text)]);
        within(repository.fetch()).await.unwrap();
    }
    assert_eq!(depth(directory.path()), (4, true));
    let ours = edit(&repository, "b.yaml", "9").await.unwrap();
    repo.write("after ours", &[("a.yaml", "10"), ("c.yaml", "11")]);
    let tip = within(repository.fetch()).await.unwrap();
    assert_eq!(depth(directory.path()), (6, true));
    assert_eq!(texts(&repository, Some(ours), tip).await, ["a.yaml=10", "c.yaml=11"]);
    assert_eq!(texts(&repository, old, tip).await, ["a.yaml=10", "b.yaml=9", "c.yaml=11"]);
    assert_eq!(repo.log("main").len(), 10);
}

#[tokio::test]
async fn a_branch_lives_in_a_repository_on_disk() {
    let repo = BareRepo::new();
    life_of_a_branch(&repo, settings(&repo.url())).await;
}

#[tokio::test]
#[cfg_attr(not(sshd), ignore = "needs git and OpenSSH: install openssh-server")]
async fn a_branch_lives_behind_ssh() {
    let (repo, sshd, key) = (BareRepo::new(), Sshd::start(), KeyPair::generate(KeyKind::Ed25519, ""));
    sshd.authorize(&[&key]);
    life_of_a_branch(&repo, with_key(&sshd.url(&repo), &key)).await;
}

#[tokio::test]
#[cfg_attr(not(git_http), ignore = "needs git with its http-backend: install git")]
async fn a_branch_lives_behind_http() {
    let repo = BareRepo::new();
    let server = GitHttp::start(&repo);
    life_of_a_branch(&repo, settings(&server.url(""))).await;
}

#[tokio::test]
#[cfg_attr(not(sshd), ignore = "needs git and OpenSSH: install openssh-server")]
async fn history_behind_ssh_is_shallow_at_first_and_then_grows() {
    let (repo, sshd, key) = (BareRepo::new(), Sshd::start(), KeyPair::generate(KeyKind::Ed25519, ""));
    sshd.authorize(&[&key]);
    history_is_shallow_at_first_and_then_grows(&repo, with_key(&sshd.url(&repo), &key)).await;
}

#[tokio::test]
#[cfg_attr(not(git_http), ignore = "needs git with its http-backend: install git")]
async fn history_behind_http_is_shallow_at_first_and_then_grows() {
    let repo = BareRepo::new();
    let server = GitHttp::start(&repo);
    history_is_shallow_at_first_and_then_grows(&repo, settings(&server.url(""))).await;
}

#[tokio::test]
async fn the_default_branch_is_the_remotes() {
    let repo = BareRepo::with(&[("a.yaml", "main")]);
    let trunk = repo.commit("trunk", "other", &[("a.yaml", Some(b"trunk"))]);
    repo.set_head("trunk");
    let repository = open_file(&repo);
    assert_eq!(repository.branch(), None);
    assert_eq!(within(repository.fetch()).await.unwrap(), Some(trunk));
    assert_eq!(repository.branch().as_deref(), Some("trunk"));
    // HEAD may name a branch that does not exist.
    repo.set_head("nowhere");
    assert_eq!(within(repository.fetch()).await.unwrap(), repo.tip("main"));
}

#[tokio::test]
async fn a_tag_or_a_longer_name_is_not_taken_for_the_branch() {
    let repo = BareRepo::with(&[("a.yaml", "1")]);
    let other = repo.commit("x/main", "other", &[("b.yaml", Some(b"2"))]);
    let id = git2::Oid::from_bytes(&other.0).unwrap();
    for name in ["refs/tags/main", "refs/tags/refs/heads/main", "refs/main", "refs/remotes/main"] {
        repo.git().reference(name, id, true, "").unwrap();
    }
    let repository = open(RepositorySettings { branch: Some("main".into()), ..settings(&repo.url()) });
    assert_eq!(within(repository.fetch()).await.unwrap(), repo.tip("main"));
}

#[tokio::test]
async fn a_lost_race_on_disk_loses_nothing() {
    let repo = BareRepo::with(&[("a.yaml", "0")]);
    let clones: Vec<_> = (0..4).map(|_| Arc::new(open_file(&repo))).collect();
    let writers: Vec<_> = clones
        .iter()
        .enumerate()
        .map(|(writer, repository)| {
            let repository = repository.clone();
            tokio::spawn(async move {
                for number in 0..10 {
                    let path = format!("{writer}/{number}.yaml");
                    while let Err(error) = edit(&repository, &path, "x").await {
                        assert!(matches!(error, PushError::Raced), "{error}");
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        within(writer).await.unwrap();
    }
    assert_eq!(repo.files("main").len(), 41);
    assert_eq!(repo.log("main").len(), 41);
}

#[tokio::test]
async fn what_cannot_be_a_repository_is_told() {
    let missing = open(settings("file:///nowhere/x.git"));
    let error = within(missing.fetch()).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("file:///nowhere/x.git"), "{error}");
    let never_fetched = open_file(&BareRepo::new());
    assert!(matches!(within(never_fetched.push(CommitId([1; 20]))).await, Err(PushError::Repository(_))));
    let bad = RepositorySettings { branch: Some("a b".into()), ..settings("file:///x") };
    assert!(matches!(Repository::new(git::libgit2(), bad), Err(RepositoryError::Invalid(_))));
}

#[tokio::test]
async fn a_repository_with_a_work_tree_is_read_and_not_pushed_to() {
    let dir = tempfile::tempdir().unwrap();
    git::libgit2();
    let work =
        git2::Repository::init_opts(dir.path(), git2::RepositoryInitOptions::new().initial_head("main")).unwrap();
    let person = git2::Signature::now("Ada", "ada@example.com").unwrap();
    let tree = work.find_tree(work.treebuilder(None).unwrap().write().unwrap()).unwrap();
    work.commit(Some("refs/heads/main"), &person, &person, "start", &tree, &[]).unwrap();
    let repository = open(settings(&dir.path().display().to_string()));
    let error = edit(&repository, "a.yaml", "1").await.unwrap_err();
    assert!(matches!(&error, PushError::Refused(why) if why.contains("work tree")), "{error}");
}
