//! What is visited and read between two commits.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use git2::FileMode;
use proptest::prelude::*;

use super::*;

#[tokio::test]
async fn only_what_differs_is_read() {
    let names: Vec<_> = (0..1000).map(|n| format!("apps/{}/{n}.yaml", n % 20)).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), "same")).collect();
    let repo = BareRepo::with(&files);
    let repository = open_file(&repo);
    let first = within(repository.fetch()).await.unwrap();
    assert_eq!(changes(&repository, None, first).await.unwrap().len(), 1000);
    assert_eq!(repository.blobs_read(), 1000);

    repo.commit("main", "edit", &[("apps/3/3.yaml", Some(b"new")), ("apps/4/4.yaml", None), ("new.yaml", Some(b"n"))]);
    let second = within(repository.fetch()).await.unwrap();
    assert_eq!(texts(&repository, first, second).await, ["apps/3/3.yaml=new", "apps/4/4.yaml gone", "new.yaml=n"]);
    assert_eq!(repository.blobs_read(), 1002);

    // Back again: known blobs are read again, and only those.
    assert_eq!(texts(&repository, second, first).await, ["apps/3/3.yaml=same", "apps/4/4.yaml=same", "new.yaml gone"]);
    assert_eq!(repository.blobs_read(), 1004);
    assert!(texts(&repository, first, first).await.is_empty());
    assert_eq!(texts(&repository, second, None).await.len(), 1000);
    assert_eq!(repository.blobs_read(), 1004);
}

#[tokio::test]
async fn a_thousand_changed_files_are_all_visited_in_order() {
    let names: Vec<_> = (0..1000).map(|n| format!("{}/{n:04}.yaml", n / 100)).collect();
    let repo = BareRepo::with(&names.iter().map(|name| (name.as_str(), "1")).collect::<Vec<_>>());
    let repository = open_file(&repo);
    let first = within(repository.fetch()).await.unwrap();
    repo.write("all", &names.iter().map(|name| (name.as_str(), "2")).collect::<Vec<_>>());
    let second = within(repository.fetch()).await.unwrap();
    let expected: Vec<_> = names.iter().map(|name| format!("{name}=2")).collect();
    assert_eq!(texts(&repository, first, second).await, expected);
}

#[tokio::test]
async fn what_a_repository_on_this_machine_has_packed_stays_here_when_it_packs_anew() {
    // From one file system to another no file can be linked.
    for directory in ["/dev/shm", env!("CARGO_TARGET_TMPDIR")].map(Path::new).into_iter().filter(|path| path.is_dir()) {
        let names: Vec<_> = (0..300).map(|n| format!("apps/{n:03}.yaml")).collect();
        let repo = BareRepo::with(&names.iter().map(|name| (name.as_str(), name.as_str())).collect::<Vec<_>>());
        let git = |arguments: &[&str]| {
            let done = Command::new("git").arg("-C").arg(repo.path()).args(arguments).status().unwrap();
            assert!(done.success(), "git {arguments:?}");
        };
        git(&["repack", "-adq"]);
        repo.write("one that is in no pack", &[("loose.yaml", "loose")]);
        let repository = open(RepositorySettings { directory: directory.into(), ..settings(&repo.url()) });
        let first = within(repository.fetch()).await.unwrap();
        repo.replace("main", "another history", &[("a.yaml", "1")]);
        git(&["reflog", "expire", "--expire=now", "--all"]);
        git(&["gc", "--prune=now", "--quiet"]);

        let mut expected: Vec<_> = names.iter().map(|name| format!("{name}={name}")).collect();
        expected.push("loose.yaml=loose".to_owned());
        assert_eq!(texts(&repository, None, first).await, expected);
        let second = within(repository.fetch()).await.unwrap();
        assert_eq!(texts(&repository, None, second).await, ["a.yaml=1"]);
        let made = commit(&repository, second, &[("a.yaml", Some("2"))]).await.unwrap();
        within(repository.push(made)).await.unwrap();
        assert_eq!(repo.read("main", "a.yaml").as_deref(), Some("2"));
    }
}

#[tokio::test]
async fn what_another_branch_has_packed_is_not_taken_for_what_came_with_ours() {
    let repo = BareRepo::with(&[("a.yaml", "1")]);
    let main = repo.tip("main").unwrap();
    repo.set_branch("feature", main);
    let between = repo.commit("feature", "in no pack", &[("b.yaml", Some(b"2"))]);
    let feature = repo.commit("feature", "in a pack", &[("c.yaml", Some(b"3"))]);
    let script = format!(
        "cd {} && git rev-list --objects {between}..{feature} | git pack-objects -q objects/pack/pack && git prune-packed",
        repo.path().display()
    );
    assert!(Command::new("sh").args(["-c", &script]).stdout(Stdio::null()).status().unwrap().success());
    let repository = open(RepositorySettings { branch: Some("main".into()), ..settings(&repo.url()) });
    assert_eq!(within(repository.fetch()).await.unwrap(), Some(main));

    repo.set_branch("main", feature);
    assert_eq!(within(repository.fetch()).await.unwrap(), Some(feature));
    assert_eq!(texts(&repository, Some(main), Some(feature)).await, ["b.yaml=2", "c.yaml=3"]);
}

#[tokio::test]
async fn blobs_are_read_again_by_id() {
    let repo = BareRepo::with(&[("a.yaml", "one"), ("b.yaml", "two")]);
    let repository = open_file(&repo);
    let tip = within(repository.fetch()).await.unwrap();
    let found = changes(&repository, None, tip).await.unwrap();
    let blobs: Vec<_> = found
        .iter()
        .rev()
        .map(|(_, change)| match change {
            Change::File(_, blob) => *blob,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(within(repository.read(blobs)).await.unwrap(), [b"two".to_vec(), b"one".to_vec()]);
    assert!(within(repository.read(vec![BlobId([9; 20])])).await.is_err());
}

#[tokio::test]
async fn only_git_path_is_looked_at() {
    let repo = BareRepo::with(&[("clusters/prod/a.yaml", "1"), ("clusters/production/b.yaml", "2"), ("c.yaml", "3")]);
    let repository = open(RepositorySettings { folder: git_path("clusters/prod"), ..settings(&repo.url()) });
    let first = within(repository.fetch()).await.unwrap();
    assert_eq!(texts(&repository, None, first).await, ["clusters/prod/a.yaml=1"]);
    repo.write("elsewhere", &[("c.yaml", "4"), ("clusters/production/b.yaml", "5")]);
    let second = within(repository.fetch()).await.unwrap();
    assert!(texts(&repository, first, second).await.is_empty());
    assert_eq!(repository.blobs_read(), 1);
    repo.commit("main", "all gone", &[("clusters/prod/a.yaml", None)]);
    let third = within(repository.fetch()).await.unwrap();
    assert_eq!(texts(&repository, second, third).await, ["clusters/prod/a.yaml gone"]);
}

#[tokio::test]
async fn a_git_path_that_is_no_folder_is_an_error_and_no_deletion() {
    let repo = BareRepo::with(&[("prod/a.yaml", "1")]);
    let repository = open(RepositorySettings { folder: git_path("prod"), ..settings(&repo.url()) });
    let first = within(repository.fetch()).await.unwrap();
    repo.commit("main", "gone", &[("prod/a.yaml", None)]);
    repo.put("a link", b"prod", "elsewhere", FileMode::Link);
    let second = within(repository.fetch()).await.unwrap();
    let error = changes(&repository, first, second).await.unwrap_err();
    assert!(matches!(&error, RepositoryError::Invalid(why) if why.contains("gitPath prod")), "{error}");
}

#[tokio::test]
async fn links_submodules_and_strange_names_are_named_and_not_read() {
    let repo = BareRepo::with(&[("z.yaml", "1"), ("file-then-link", "2")]);
    let repository = open_file(&repo);
    let first = within(repository.fetch()).await.unwrap();
    repo.put("a", b"link", "/etc/passwd", FileMode::Link);
    repo.put("b", b"module", "", FileMode::Commit);
    repo.put("c", b"file-then-link", "z.yaml", FileMode::Link);
    repo.put("d", b"run.sh", "#!", FileMode::BlobExecutable);
    repo.put("e", b"two\nlines.yaml", "3", FileMode::Blob);
    repo.put("f", b"\xff.yaml", "4", FileMode::Blob);
    let second = within(repository.fetch()).await.unwrap();
    let expected = [
        "file-then-link: a symbolic link",
        "link: a symbolic link",
        "module: a submodule",
        "run.sh=#!",
        "two\u{fffd}lines.yaml: a name that is no plain text",
        "\u{fffd}.yaml: a name that is no plain text",
    ];
    assert_eq!(texts(&repository, first, second).await, expected);
    assert_eq!(repository.blobs_read(), 1);
    assert_eq!(texts(&repository, second, first).await[0], "file-then-link=2");
}

#[tokio::test]
async fn a_file_that_becomes_a_folder_is_both_gone_and_new() {
    let repo = BareRepo::with(&[("a", "1"), ("a-b", "2"), ("a.c", "3")]);
    let repository = open_file(&repo);
    let first = within(repository.fetch()).await.unwrap();
    repo.commit("main", "folder", &[("a", None)]);
    repo.write("folder", &[("a/x.yaml", "4")]);
    let second = within(repository.fetch()).await.unwrap();
    assert_eq!(texts(&repository, first, second).await, ["a gone", "a/x.yaml=4"]);
    assert_eq!(texts(&repository, second, first).await, ["a=1", "a/x.yaml gone"]);
}

#[tokio::test]
async fn a_file_over_the_limit_is_named_and_not_read() {
    let repo = BareRepo::with(&[("big.yaml", "12345678901"), ("small.yaml", "1234567890")]);
    let repository = open(RepositorySettings { file_bytes: 10, ..settings(&repo.url()) });
    let tip = within(repository.fetch()).await.unwrap();
    assert_eq!(texts(&repository, None, tip).await, ["big.yaml: a file over the size limit", "small.yaml=1234567890"]);
    assert_eq!(repository.blobs_read(), 1);
}

#[tokio::test]
async fn folders_nested_without_end_are_not_followed() {
    let path = format!("{}x.yaml", "d/".repeat(200));
    let repo = BareRepo::with(&[(&path, "1"), ("a.yaml", "2")]);
    let repository = open_file(&repo);
    let tip = within(repository.fetch()).await.unwrap();
    let found = texts(&repository, None, tip).await;
    assert_eq!(found.len(), 2);
    assert!(found[1].ends_with("d: folders nested too deeply"), "{found:?}");
}

#[tokio::test]
async fn a_commit_that_is_not_here_is_an_error() {
    let repo = BareRepo::with(&[("a.yaml", "1")]);
    let repository = open_file(&repo);
    let tip = within(repository.fetch()).await.unwrap();
    let error = changes(&repository, Some(CommitId([9; 20])), tip).await.unwrap_err();
    assert!(error.to_string().contains("fetch first"), "{error}");
}

#[tokio::test]
async fn hundreds_of_fetches_leave_few_packs_and_the_whole_history() {
    let repo = BareRepo::with(&[("a.yaml", "start")]);
    let directory = tempfile::tempdir().unwrap();
    let repository = open(RepositorySettings { directory: directory.path().to_owned(), ..settings(&repo.url()) });
    let first = within(repository.fetch()).await.unwrap();
    let mut tip = first;
    for n in 0..200 {
        let text = n.to_string();
        repo.write("by hand", &[("a.yaml", &text)]);
        let next = within(repository.fetch()).await.unwrap();
        assert_eq!(texts(&repository, tip, next).await, [format!("a.yaml={n}")]);
        tip = next;
    }
    let clone = std::fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path().join("clone.git");
    let files = std::fs::read_dir(clone.join("objects/pack")).unwrap().count();
    assert!(files < 100, "{files}");
    assert_eq!(texts(&repository, tip, first).await, ["a.yaml=start"]);
    edit(&repository, "b.yaml", "1").await.unwrap();
    assert_eq!(repo.log("main").len(), 202);
}

/// Files by path. Names of folders are beginnings of names of files and of each other, because Git sorts these in a way of
/// its own.
fn files() -> impl Strategy<Value = BTreeMap<String, String>> {
    let folder = prop::sample::select(vec!["", "a/", "a-/", "a/b/", "a/b/c/", "a./", "b/"]);
    let name = prop::sample::select(vec!["a.y", "a-y", "a0y", "b.y"]);
    let path = (folder, name).prop_map(|(folder, name)| format!("{folder}{name}"));
    prop::collection::btree_map(path, "[xyz]", 0..12)
}

/// What turns one set of files into another.
fn difference(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> BTreeMap<String, Option<String>> {
    let gone = old.keys().filter(|path| !new.contains_key(*path)).map(|path| (path.clone(), None));
    let changed = new.iter().filter(|(path, text)| old.get(*path) != Some(text));
    gone.chain(changed.map(|(path, text)| (path.clone(), Some(text.clone())))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn comparing_commits_gives_back_what_was_written(steps in prop::collection::vec(files(), 1..4)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let repository = open(settings("file:///never/asked"));
            let (mut held, mut commits) = (BTreeMap::new(), vec![(None, BTreeMap::new())]);
            for files in steps {
                let wanted = difference(&held, &files);
                let writes: Vec<_> = wanted.iter().map(|(path, text)| (path.as_str(), text.as_deref())).collect();
                let parent = commits.last().unwrap().0;
                match commit(&repository, parent, &writes).await {
                    Some(made) => commits.push((Some(made), files.clone())),
                    None => assert!(wanted.is_empty()),
                }
                held = files;
            }
            for (from, old) in &commits {
                for (to, new) in &commits {
                    let seen = changes(&repository, *from, *to).await.unwrap();
                    let count = seen.len();
                    let seen: BTreeMap<_, _> = seen
                        .into_iter()
                        .map(|(path, change)| match change {
                            Change::Gone => (path, None),
                            Change::File(text, _) => (path, Some(text)),
                            Change::Unread(why) => panic!("{path}: {why}"),
                        })
                        .collect();
                    assert_eq!((count, &seen), (seen.len(), &difference(old, new)));
                }
            }
        });
    }
}
