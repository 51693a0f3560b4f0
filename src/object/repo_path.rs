//! Owns the path of a file inside the repository. Must never name anything outside of it, or Git's own folder.

use std::fmt;
use std::sync::Arc;

/// A path from the repository's root: relative, `/`-separated, without empty, `.` and `..` segments. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepoPath(Arc<str>);

/// Why a text is no path inside the repository.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RepoPathError {
    /// Nothing at all, or a trailing, leading or double `/`.
    #[error("{0:?}: a path in the repository is relative and has no empty segment; remove the extra `/`")]
    EmptySegment(String),
    /// A segment `.` or `..`.
    #[error("{0:?}: a path in the repository has no segment `.` or `..`; write it from the repository's root")]
    DotSegment(String),
    /// A control character, which no checkout could show.
    #[error("{0:?}: a path in the repository holds no control characters; rename it")]
    ControlCharacter(String),
    /// A segment that some file system takes for Git's own folder.
    #[error("{0:?}: a path in the repository never names Git's own folder; rename the segment")]
    GitFolder(String),
}

impl RepoPath {
    /// Reads a path.
    ///
    /// # Errors
    ///
    /// When it could name something outside of the repository or Git's own folder on any common file system.
    pub fn parse(text: &str) -> Result<Self, RepoPathError> {
        for segment in text.split('/') {
            if segment.is_empty() {
                return Err(RepoPathError::EmptySegment(text.to_owned()));
            }
            if segment == "." || segment == ".." {
                return Err(RepoPathError::DotSegment(text.to_owned()));
            }
            if segment.chars().any(char::is_control) {
                return Err(RepoPathError::ControlCharacter(text.to_owned()));
            }
            if is_git_folder(segment) {
                return Err(RepoPathError::GitFolder(text.to_owned()));
            }
        }
        Ok(Self(text.into()))
    }

    /// The path as text, `/`-separated.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder that holds it; `None` when that is the repository's root.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.into()))
    }

    /// The last segment.
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&*self.0, |(_, name)| name)
    }

    /// The path `below` inside this folder.
    ///
    /// # Errors
    ///
    /// As [`RepoPath::parse`].
    pub fn join(&self, below: &str) -> Result<Self, RepoPathError> {
        Self::parse(&format!("{}/{below}", self.0))
    }

    /// Whether this is `dir` or lies below it, segment by segment. The root is `""` or `"."`; a trailing `/` is ignored.
    pub fn starts_with(&self, dir: &str) -> bool {
        let dir = dir.strip_prefix("./").unwrap_or(dir).trim_end_matches('/');
        if dir.is_empty() || dir == "." {
            return true;
        }
        self.0.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Whether NTFS, HFS+ or a case-insensitive file system would take `segment` for `.git`.
fn is_git_folder(segment: &str) -> bool {
    // HFS+ ignores these characters when it compares names.
    let seen: String = segment
        .chars()
        .filter(
            |c| !matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}'),
        )
        .collect::<String>()
        .to_ascii_lowercase();
    // Windows takes `\` as a separator, `:` as the start of a stream, and drops trailing dots and spaces.
    seen.split('\\').any(|part| {
        let name = part.split(':').next().unwrap_or(part).trim_end_matches(['.', ' ']);
        name == ".git" || name == "git~1"
    })
}

impl std::str::FromStr for RepoPath {
    type Err = RepoPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl AsRef<str> for RepoPath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for RepoPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_paths_are_read_and_taken_apart() {
        let path = RepoPath::parse("clusters/prod/web deployment.yaml").unwrap();
        assert_eq!(path.file_name(), "web deployment.yaml");
        assert_eq!(path.parent().unwrap().as_str(), "clusters/prod");
        assert_eq!(path.parent().unwrap().join("a/b.yaml").unwrap().as_str(), "clusters/prod/a/b.yaml");
        let top = RepoPath::parse("a.yaml").unwrap();
        assert_eq!((top.parent(), top.file_name()), (None, "a.yaml"));
        for fine in [".gitignore", ".github/x.yml", "git", "a.git", ".gitattributes", "..a", "a..", "ünï/x", "git~10"]
        {
            assert!(RepoPath::parse(fine).is_ok(), "{fine}");
        }
    }

    #[test]
    fn nothing_outside_of_the_repository_has_a_path() {
        for bad in ["", "/a", "a/", "a//b", ".", "..", "./a", "a/../b", "a/..", "a/./b", "a\nb", "a\0b", "\u{7f}"] {
            assert!(RepoPath::parse(bad).is_err(), "{bad:?}");
        }
        assert!(RepoPath::parse("a").unwrap().join("../b").is_err());
    }

    #[test]
    fn gits_own_folder_has_no_path_in_any_spelling() {
        for bad in [
            ".git",
            ".GIT/config",
            "a/.Git",
            ".git ",
            ".git.",
            ".git. .",
            "git~1",
            "GIT~1/hooks",
            ".git::$INDEX_ALLOCATION",
            ".g\u{200c}it",
            "a\\.git\\config",
            ".git\\hooks",
        ] {
            assert!(matches!(RepoPath::parse(bad), Err(RepoPathError::GitFolder(_))), "{bad:?}");
        }
    }

    #[test]
    fn a_folder_is_matched_by_whole_segments() {
        let path = RepoPath::parse("clusters/prod/a.yaml").unwrap();
        for dir in ["", ".", "clusters", "clusters/", "./clusters/prod", "clusters/prod/a.yaml"] {
            assert!(path.starts_with(dir), "{dir:?}");
        }
        for dir in ["cluster", "clusters/pro", "prod", "clusters/prod/a.yaml/b"] {
            assert!(!path.starts_with(dir), "{dir:?}");
        }
    }
}
