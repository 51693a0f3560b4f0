//! The bare repository of the demo, and the person who commits to it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use git2::{DiffFormat, DiffOptions, Oid, Repository, RepositoryInitOptions, Signature};

/// The branch of the demo.
const BRANCH: &str = "refs/heads/main";

/// A bare repository with a small application in it.
pub(super) struct DemoRemote {
    path: PathBuf,
}

impl DemoRemote {
    /// Makes the repository and its first commit.
    pub(super) fn seed(path: &Path) -> anyhow::Result<Self> {
        let mut options = RepositoryInitOptions::new();
        options.bare(true).initial_head("main").external_template(false);
        Repository::init_opts(path, &options).context("cannot make the demo's repository")?;
        let remote = Self { path: path.to_owned() };
        remote.commit(
            "The shop",
            &[("apps/web.yaml", include_str!("web.yaml")), ("apps/settings.yaml", include_str!("settings.yaml"))],
        )?;
        Ok(remote)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The text of a file at the branch's tip.
    pub(super) fn read(&self, path: &str) -> anyhow::Result<String> {
        let git = Repository::open_bare(&self.path)?;
        let tree = git.find_reference(BRANCH)?.peel_to_tree()?;
        let blob = tree.get_path(Path::new(path))?.to_object(&git)?.peel_to_blob()?;
        Ok(String::from_utf8_lossy(blob.content()).into_owned())
    }

    /// Commits as a person who pushes does.
    pub(super) fn commit(&self, message: &str, files: &[(&str, &str)]) -> anyhow::Result<Oid> {
        let git = Repository::open_bare(&self.path)?;
        let parent = git.find_reference(BRANCH).ok().map(|branch| branch.peel_to_commit()).transpose()?;
        let base = match &parent {
            Some(parent) => parent.tree()?,
            None => git.find_tree(git.treebuilder(None)?.write()?)?,
        };
        let mut update = git2::build::TreeUpdateBuilder::new();
        for (path, text) in files {
            update.upsert(*path, git.blob(text.as_bytes())?, git2::FileMode::Blob);
        }
        let tree = git.find_tree(update.create_updated(&git, &base)?)?;
        let person = Signature::now("Ada", "ada@example.com")?;
        let parents: Vec<_> = parent.iter().collect();
        Ok(git.commit(Some(BRANCH), &person, &person, message, &tree, &parents)?)
    }

    /// Author, subject and patch of a commit.
    pub(super) fn show(&self, commit: &str) -> anyhow::Result<String> {
        let git = Repository::open_bare(&self.path)?;
        let commit = git.find_commit(Oid::from_str(commit)?)?;
        let before = commit.parent(0).ok().map(|parent| parent.tree()).transpose()?;
        let mut options = DiffOptions::new();
        options.context_lines(2);
        let diff = git.diff_tree_to_tree(before.as_ref(), Some(&commit.tree()?), Some(&mut options))?;
        let author = commit.author().name().map(ToOwned::to_owned).unwrap_or_default();
        let subject = commit.summary().ok().flatten().map(ToOwned::to_owned).unwrap_or_default();
        let mut text = format!("commit {:.12}  {author}: {subject}\n", commit.id().to_string());
        diff.print(DiffFormat::Patch, |_, _, line| {
            let content = String::from_utf8_lossy(line.content());
            match line.origin() {
                origin @ ('+' | '-' | ' ') => text.push_str(&format!("{origin}{content}")),
                'H' => text.push_str(&content),
                _ => {}
            }
            true
        })?;
        Ok(text)
    }
}
