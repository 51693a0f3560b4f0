//! Owns the path of a file inside the repository. Must never name anything outside of it, or Git's own folder.

use std::sync::Arc;

/// A path from the repository's root.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepoPath(Arc<str>);

impl RepoPath {
    /// The path as text, `/`-separated.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
