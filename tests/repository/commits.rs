//! What a commit of ours does to the tree, and what it never does.

use git2::FileMode;

use super::*;

#[tokio::test]
async fn only_the_paths_written_change() {
    let repo = BareRepo::with(&[("a/1.yaml", "1"), ("a/2.yaml", "2"), ("b/c/3.yaml", "3"), ("4.yaml", "4")]);
    repo.put("an executable file", b"run.sh", "#!", FileMode::BlobExecutable);
    repo.put("a link", b"link", "a", FileMode::Link);
    let repository = open_file(&repo);
    let tip = within(repository.fetch()).await.unwrap();
    let writes =
        [("a/1.yaml", Some("new")), ("b/c/3.yaml", None), ("run.sh", Some("#!/bin/sh")), ("x/y/z.yaml", Some("z"))];
    let made = commit(&repository, tip, &writes).await.unwrap();
    within(repository.push(made)).await.unwrap();

    let files: Vec<_> = repo.files("main").into_iter().map(|(path, text)| format!("{path}={text}")).collect();
    assert_eq!(files, ["4.yaml=4", "a/1.yaml=new", "a/2.yaml=2", "link=a", "run.sh=#!/bin/sh", "x/y/z.yaml=z"]);
    assert_eq!((repo.mode("run.sh"), repo.mode("link")), (Some(0o100_755), Some(0o120_000)));
    // The folders of the last file went with it.
    assert_eq!((repo.mode("b"), repo.mode("x/y/z.yaml")), (None, Some(0o100_644)));

    let entry = &repo.log("main")[0];
    assert_eq!(entry.message, "Update web\n\nKubeferry-Instance: a/b c\n");
    assert_eq!((entry.name.as_str(), entry.email.as_str()), ("kubeferry", "kubeferry@example.com"));
    assert_eq!(repo.log("main")[1].id, tip.unwrap().to_string());
}

#[tokio::test]
async fn a_commit_that_changes_nothing_is_none() {
    let repo = BareRepo::with(&[("a.yaml", "1")]);
    let repository = open_file(&repo);
    let tip = within(repository.fetch()).await.unwrap();
    assert_eq!(commit(&repository, tip, &[("a.yaml", Some("1"))]).await, None);
    assert_eq!(commit(&repository, tip, &[("gone.yaml", None), ("no/folder/x.yaml", None)]).await, None);
    assert_eq!(commit(&repository, None, &[("gone.yaml", None)]).await, None);
}

#[tokio::test]
async fn the_last_file_may_go() {
    let repo = BareRepo::with(&[("a/b.yaml", "1")]);
    let repository = open_file(&repo);
    let tip = within(repository.fetch()).await.unwrap();
    let made = commit(&repository, tip, &[("a/b.yaml", None)]).await.unwrap();
    within(repository.push(made)).await.unwrap();
    assert!(repo.files("main").is_empty());
    edit(&repository, "c.yaml", "2").await.unwrap();
    assert_eq!(repo.read("main", "c.yaml").as_deref(), Some("2"));
}

/// What stands in the way of writing to a path below something that is no folder.
fn blocked(path: &str) -> &str {
    path.split('/').next().unwrap()
}

#[tokio::test]
async fn nothing_is_written_through_a_link_or_over_something_else() {
    let repo = BareRepo::with(&[("folder/a.yaml", "1"), ("file", "2")]);
    repo.put("a link", b"link", "folder", FileMode::Link);
    repo.put("a submodule", b"module", "", FileMode::Commit);
    let repository = open_file(&repo);
    let tip = within(repository.fetch()).await.unwrap();
    for path in ["link/a.yaml", "link", "module/a.yaml", "module", "file/a.yaml", "folder"] {
        for text in [Some("x"), None] {
            let error = within(repository.commit(new_commit(tip, &[(path, text)]))).await.unwrap_err();
            assert!(
                matches!(&error, RepositoryError::Invalid(why) if why.contains(&format!("{} cannot", blocked(path)))),
                "{path}: {error}"
            );
        }
    }
    let twice = new_commit(tip, &[("a.yaml", Some("1")), ("a.yaml", Some("2"))]);
    assert!(within(repository.commit(twice)).await.is_err());
    let both = new_commit(tip, &[("new", Some("1")), ("new/a.yaml", Some("2"))]);
    assert!(within(repository.commit(both)).await.is_err());
}

#[tokio::test]
async fn nothing_is_written_outside_of_git_path() {
    let repo = BareRepo::with(&[("prod/a.yaml", "1"), ("b.yaml", "2")]);
    let repository = open(RepositorySettings { folder: git_path("prod"), ..settings(&repo.url()) });
    let tip = within(repository.fetch()).await.unwrap();
    for path in ["b.yaml", "production/c.yaml", "prod"] {
        let error = within(repository.commit(new_commit(tip, &[(path, Some("x"))]))).await.unwrap_err();
        assert!(
            matches!(&error, RepositoryError::Invalid(why) if why.contains("outside of gitPath")),
            "{path}: {error}"
        );
    }
    edit(&repository, "prod/c/d.yaml", "3").await.unwrap();
    assert_eq!(repo.read("main", "b.yaml").as_deref(), Some("2"));
}

#[tokio::test]
async fn an_author_that_git_cannot_write_down_is_an_error() {
    let repo = BareRepo::with(&[("a.yaml", "1")]);
    let repository = open_file(&repo);
    let tip = within(repository.fetch()).await.unwrap();
    let nameless = NewCommit { name: "<>".into(), ..new_commit(tip, &[("a.yaml", Some("2"))]) };
    let error = within(repository.commit(nameless)).await.unwrap_err();
    assert!(error.to_string().contains("commit.name"), "{error}");
}

#[tokio::test]
async fn a_large_commit_arrives_whole() {
    let repo = BareRepo::with(&[("a.yaml", "1")]);
    let repository = open_file(&repo);
    let tip = within(repository.fetch()).await.unwrap();
    let names: Vec<_> = (0..1000).map(|n| format!("apps/{}/{n}.yaml", n % 7)).collect();
    let writes: Vec<_> = names.iter().map(|name| (name.as_str(), Some(name.as_str()))).collect();
    let made = commit(&repository, tip, &writes).await.unwrap();
    within(repository.push(made)).await.unwrap();
    assert_eq!(repo.files("main").len(), 1001);
    let other = open_file(&repo);
    assert_eq!(within(other.fetch()).await.unwrap(), Some(made));
    assert_eq!(texts(&other, tip, Some(made)).await.len(), 1000);
}

#[tokio::test]
async fn what_many_files_say_may_be_the_same_or_stand_there_already() {
    let repo = BareRepo::with(&[("old.txt", "same"), ("gone.txt", "gone")]);
    let repository = open_file(&repo);
    let tip = within(repository.fetch()).await.unwrap();
    let texts: Vec<String> = (0..3_000).map(|number| format!("text {}", number % 2_500)).collect();
    let names: Vec<String> = (0..3_000).map(|number| format!("dir-{}/{number}", number % 7)).collect();
    let mut writes: Vec<_> =
        names.iter().zip(&texts).map(|(name, text)| (name.as_str(), Some(text.as_str()))).collect();
    writes.extend([("new.txt", Some("same")), ("gone.txt", None)]);
    let made = commit(&repository, tip, &writes).await.unwrap();
    within(repository.push(made)).await.unwrap();

    let files = repo.files("main");
    assert_eq!(files.len(), 3_002);
    assert!(writes.iter().all(|(path, text)| files.get(*path).map(String::as_str) == *text));
    // What is stored in the clone can be changed further.
    let next = commit(&repository, Some(made), &[("dir-0/0", Some("changed"))]).await.unwrap();
    within(repository.push(next)).await.unwrap();
    assert_eq!(repo.read("main", "dir-0/0").as_deref(), Some("changed"));
}

#[tokio::test]
async fn what_was_stored_before_is_committed_and_pushed_with_the_rest() {
    let repo = BareRepo::with(&[("a.yaml", "0")]);
    let repository = open_file(&repo);
    let tip = within(repository.fetch()).await.unwrap();
    let texts = ["1", "2", "1"].map(|text| text.as_bytes().to_vec()).to_vec();
    let blobs = within(repository.store(texts)).await.unwrap();
    assert!(blobs.len() == 3 && blobs[0] == blobs[2] && blobs[0] != blobs[1]);
    assert_eq!(within(repository.read(vec![blobs[1]])).await.unwrap(), [b"2"]);
    let mut new = new_commit(tip, &[("c.yaml", Some("3"))]);
    let stored = |path: &str, blob| FileWrite { path: path.parse().unwrap(), content: FileContent::Stored(blob) };
    new.writes.extend([stored("a.yaml", blobs[0]), stored("d/b.yaml", blobs[1])]);
    let made = within(repository.commit(new)).await.unwrap().unwrap();
    within(repository.push(made)).await.unwrap();
    let read = ["a.yaml", "c.yaml", "d/b.yaml"].map(|path| repo.read("main", path));
    assert_eq!(read, ["1", "3", "2"].map(|text| Some(text.to_owned())));

    let missing = NewCommit { writes: vec![stored("e", BlobId([7; 20]))], ..new_commit(Some(made), &[]) };
    within(repository.commit(missing)).await.unwrap_err();
}

#[tokio::test]
async fn commits_may_follow_each_other_without_a_fetch() {
    let repo = BareRepo::with(&[("a.yaml", "0")]);
    let repository = open_file(&repo);
    let mut tip = within(repository.fetch()).await.unwrap();
    for text in ["1", "2", "3"] {
        tip = commit(&repository, tip, &[("a.yaml", Some(text))]).await;
        within(repository.push(tip.unwrap())).await.unwrap();
    }
    assert_eq!(repo.log("main").len(), 4);
}
