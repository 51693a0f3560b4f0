//! Owns taking over whole packs of a repository on the same machine, as `git clone --local` does it. Must never bring in an
//! object that is not asked for: a commit that is here is taken for one of the branch, with all that belongs to it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use git2::Oid;

use super::housekeeping;

/// A pack of another repository.
pub(super) struct Pack {
    index: PathBuf,
    /// What is in it, sorted.
    pub ids: Vec<Oid>,
}

impl Pack {
    pub fn has(&self, id: Oid) -> bool {
        self.ids.binary_search(&id).is_ok()
    }

    /// Takes it over. Packs never change, and this one stays here when it is removed there; until we are gone it takes up
    /// space there too. Fails from one file system to another, among others.
    pub fn link(&self, git: &git2::Repository) -> io::Result<()> {
        let name = self.index.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let index = git.path().join("objects/pack").join(name);
        // The index last: without it nobody looks for the pack.
        fs::hard_link(self.index.with_extension("pack"), index.with_extension("pack"))?;
        fs::hard_link(&self.index, index)
    }
}

/// The packs below `objects` of which everything is wanted.
pub(super) fn packs(objects: &Path, wanted: &HashSet<Oid>) -> io::Result<Vec<Pack>> {
    let mut packs = Vec::new();
    for entry in fs::read_dir(objects.join("pack"))? {
        let index = entry?.path();
        if index.extension().is_some_and(|extension| extension == "idx")
            && let Ok(ids) = housekeeping::ids_in(&index)
            && ids.iter().all(|id| wanted.contains(id))
        {
            packs.push(Pack { index, ids });
        }
    }
    Ok(packs)
}
