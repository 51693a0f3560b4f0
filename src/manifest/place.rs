//! Owns where in the repository an object stands. Must never hold an offset: bytes move with every edit, numbers do not.

use std::fmt;

use crate::object::RepoPath;

/// Where the manifest of an object stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub path: RepoPath,
    /// Which document of the file, from 1.
    pub document: u32,
    /// Position in `items` of the document's `kind: List`, from 0, and of each List inside that; empty for the document
    /// itself.
    pub item: Box<[u32]>,
    /// Line on which it begins, from 1. For messages only.
    pub line: u32,
}

impl fmt::Display for Place {
    /// `apps/web.yaml:12`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.line)
    }
}
