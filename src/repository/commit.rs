//! Owns making a commit in memory from the files that it writes. Must never write through a link or outside of gitPath,
//! and never touch a path that it was not given.

use std::collections::BTreeMap;

use git2::{ObjectType, Oid, Signature, Tree};

use super::tree::oid;
use super::{CommitId, FileContent, FileWrite, NewCommit, RepositoryError, failure, fetch, pack};
use crate::object::RepoPath;

const FILE: i32 = 0o100_644;
const EXECUTABLE: i32 = 0o100_755;
const FOLDER: i32 = 0o040_000;

/// Up to so many files are stored one by one: they are packed some time later.
const FEW: usize = 32;

/// What is to change below one folder.
#[derive(Default)]
struct Folder<'a> {
    folders: BTreeMap<&'a str, Folder<'a>>,
    files: BTreeMap<&'a str, &'a FileContent>,
}

impl FileWrite {
    fn bytes(&self) -> Option<&[u8]> {
        match &self.content {
            FileContent::Bytes(bytes) => Some(bytes),
            FileContent::Stored(_) | FileContent::Gone => None,
        }
    }
}

impl<'a> Folder<'a> {
    fn of(writes: &'a [FileWrite]) -> Result<Self, RepositoryError> {
        let mut root = Self::default();
        for write in writes {
            let mut folder = &mut root;
            let (parents, name) = write.path.as_str().rsplit_once('/').unwrap_or(("", write.path.as_str()));
            for segment in parents.split('/').filter(|segment| !segment.is_empty()) {
                folder = folder.folders.entry(segment).or_default();
            }
            if folder.files.insert(name, &write.content).is_some() {
                return Err(RepositoryError::Invalid(format!("{} is written twice in one commit", write.path)));
            }
        }
        Ok(root)
    }
}

/// Makes the commit; `None` when its files are what the parent has already.
pub(super) fn commit(
    git: &git2::Repository,
    folder: Option<&RepoPath>,
    new: &NewCommit,
) -> Result<Option<CommitId>, RepositoryError> {
    if let Some(outside) = new.writes.iter().find(|write| !is_inside(&write.path, folder)) {
        return Err(RepositoryError::Invalid(format!("{} lies outside of gitPath and is not written", outside.path)));
    }
    let failed = |error: git2::Error| failure::local(&error);
    let parent = new.parent.map(|parent| git.find_commit(oid(&parent.0)?).map_err(failed)).transpose()?;
    let old = parent.as_ref().map(|parent| parent.tree().map_err(failed)).transpose()?;

    let changes = Folder::of(&new.writes)?;
    let is_packed = new.writes.len() > FEW;
    if is_packed {
        pack::store(git, new.writes.iter().filter_map(FileWrite::bytes)).map_err(failed)?;
    }
    let editor = Editor { git, is_packed };
    let tree = match editor.edit(old.as_ref(), &changes, "")? {
        Some(tree) => tree,
        // The last file went: an empty tree is the only one that may stand in a commit.
        None => git.treebuilder(None).and_then(|empty| empty.write()).map_err(failed)?,
    };
    if old.as_ref().map(Tree::id) == Some(tree) || (old.is_none() && editor.is_empty(tree)?) {
        return Ok(None);
    }
    let signature = Signature::now(&new.name, &new.email).map_err(|error| {
        RepositoryError::Invalid(format!(
            "commit.name and commit.email cannot be used ({}); check both",
            error.message()
        ))
    })?;
    let tree = git.find_tree(tree).map_err(failed)?;
    // From the same handle `git`: libgit2 leaves out a parent that another one found, without an error.
    let parents: Vec<_> = parent.iter().collect();
    let id = git.commit(None, &signature, &signature, &new.message, &tree, &parents).map_err(failed)?;
    fetch::commit_id(id).map(Some)
}

fn is_inside(path: &RepoPath, folder: Option<&RepoPath>) -> bool {
    folder.is_none_or(|folder| path != folder && path.starts_with(folder.as_str()))
}

struct Editor<'a> {
    git: &'a git2::Repository,
    /// Whether the contents of files are stored already.
    is_packed: bool,
}

impl Editor<'_> {
    /// The changed tree; `None` when nothing is left in it.
    fn edit(&self, old: Option<&Tree<'_>>, changes: &Folder<'_>, path: &str) -> Result<Option<Oid>, RepositoryError> {
        let failed = |error: git2::Error| failure::local(&error);
        let mut builder = self.git.treebuilder(old).map_err(failed)?;
        for (name, below) in &changes.folders {
            let path = format!("{path}{name}");
            let inner = match old.and_then(|old| old.get_name(name)) {
                None => None,
                Some(entry) if entry.filemode_raw() == FOLDER => Some(self.git.find_tree(entry.id()).map_err(failed)?),
                Some(_) => return Err(in_the_way(&path, "a file, a link or a submodule, not a folder")),
            };
            match self.edit(inner.as_ref(), below, &format!("{path}/"))? {
                Some(tree) => builder.insert(*name, tree, FOLDER).map(drop).map_err(failed)?,
                None if inner.is_some() => builder.remove(*name).map_err(failed)?,
                None => {}
            }
        }
        for (name, content) in &changes.files {
            if changes.folders.contains_key(name) {
                return Err(in_the_way(&format!("{path}{name}"), "a folder of that name in the same commit"));
            }
            let mode = match old.and_then(|old| old.get_name(name)).map(|entry| entry.filemode_raw()) {
                None => None,
                Some(EXECUTABLE) => Some(EXECUTABLE),
                Some(mode) if mode & 0o170_000 == 0o100_000 => Some(FILE),
                Some(FOLDER) => return Err(in_the_way(&format!("{path}{name}"), "a folder")),
                Some(_) => return Err(in_the_way(&format!("{path}{name}"), "a link or a submodule")),
            };
            let blob = match content {
                FileContent::Bytes(bytes) if self.is_packed => Oid::hash_object(ObjectType::Blob, bytes),
                FileContent::Bytes(bytes) => self.git.blob(bytes),
                FileContent::Stored(blob) => Oid::from_bytes(&blob.0),
                FileContent::Gone if mode.is_some() => {
                    builder.remove(*name).map_err(failed)?;
                    continue;
                }
                FileContent::Gone => continue,
            };
            builder.insert(*name, blob.map_err(failed)?, mode.unwrap_or(FILE)).map(drop).map_err(failed)?;
        }
        if builder.is_empty() { Ok(None) } else { builder.write().map(Some).map_err(failed) }
    }

    fn is_empty(&self, tree: Oid) -> Result<bool, RepositoryError> {
        self.git.find_tree(tree).map(|tree| tree.is_empty()).map_err(|error| failure::local(&error))
    }
}

fn in_the_way(path: &str, what: &str) -> RepositoryError {
    RepositoryError::Invalid(format!("{path} cannot be written: there is {what}; move it away or choose another path"))
}
