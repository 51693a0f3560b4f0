//! Owns asking the remote for the branch's tip and getting what is new of it. Must never fetch what is known, and never
//! throw away history that is here: later pushes and comparisons need it.

use git2::{AutotagOption, Direction, FetchOptions, Oid, ProxyOptions, RemoteRedirect};

use super::conversation::Conversation;
use super::{CommitId, RepositoryError, failure, local};

/// Keeps the latest tip, so that a fetch can say what we have.
pub(super) const TIP: &str = "refs/kubeferry/tip";

/// What is made in a repository without any branch. A remote does not tell what its HEAD names then.
const FIRST_BRANCH: &str = "main";

/// The branch that is followed, as the remote last told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Branch {
    /// Without `refs/heads/`.
    pub name: String,
    /// Whether the remote has it.
    pub exists: bool,
    /// Its tip; that of the default branch where it does not exist; nothing in an empty repository.
    pub tip: Option<CommitId>,
}

impl Branch {
    pub fn reference(&self) -> String {
        format!("refs/heads/{}", self.name)
    }
}

/// What a remote has, as far as it matters here.
#[derive(Debug, Default)]
struct Advertised {
    /// Where HEAD points to and what it is called.
    head: Option<(Oid, Option<String>)>,
    wanted: Option<Oid>,
    /// The first branches; more than one is as good as many.
    branches: Vec<(String, Oid)>,
    usual: Vec<(String, Oid)>,
}

impl Advertised {
    fn read(heads: &[git2::RemoteHead<'_>], wanted: Option<&str>) -> Self {
        let mut found = Self::default();
        for head in heads {
            if head.name() == "HEAD" {
                found.head = Some((head.oid(), head.symref_target().map(str::to_owned)));
            }
            let Some(name) = head.name().strip_prefix("refs/heads/") else { continue };
            if wanted == Some(name) {
                found.wanted = Some(head.oid());
            }
            if matches!(name, "main" | "master") {
                found.usual.push((name.to_owned(), head.oid()));
            }
            if found.branches.len() < 2 || found.head.as_ref().is_some_and(|(tip, _)| *tip == head.oid()) {
                found.branches.push((name.to_owned(), head.oid()));
            }
        }
        found
    }

    /// The remote's default branch. Its HEAD may name one that does not exist, and is not told then.
    fn default_branch(&self) -> Option<(String, Oid)> {
        if let Some((tip, target)) = &self.head {
            let named = target.as_ref().and_then(|target| target.strip_prefix("refs/heads/")).map(str::to_owned);
            let pointed =
                || self.usual.iter().chain(&self.branches).find(|(_, oid)| oid == tip).map(|(name, _)| name.clone());
            if let Some(name) = named.or_else(pointed) {
                return Some((name, *tip));
            }
        }
        match (self.usual.iter().min(), self.branches.as_slice()) {
            (Some(usual), _) => Some(usual.clone()),
            (None, [only]) => Some(only.clone()),
            _ => None,
        }
    }

    /// The name of the branch, whether it exists, and the tip.
    fn choose(&self, wanted: Option<&str>) -> Result<(String, bool, Option<Oid>), String> {
        let name = |name: &str| name.to_owned();
        match (wanted, self.wanted, self.default_branch()) {
            (Some(wanted), Some(tip), _) => Ok((name(wanted), true, Some(tip))),
            (None, _, Some((default, tip))) => Ok((default, true, Some(tip))),
            (_, _, None) if self.branches.is_empty() => Ok((name(wanted.unwrap_or(FIRST_BRANCH)), false, None)),
            (Some(wanted), None, Some((_, tip))) => Ok((name(wanted), false, Some(tip))),
            (Some(wanted), None, None) => {
                Err(format!("has no branch {wanted:?}, and no default branch to make it from; push it once by hand"))
            }
            (None, _, None) => {
                Err("has several branches and no default one; name the one to use in `branch`".to_owned())
            }
        }
    }
}

/// Whether Git would take this as the name of a branch.
pub(super) fn check_branch_name(name: &str) -> Result<(), RepositoryError> {
    let reference = format!("refs/heads/{name}");
    if name.is_empty() || name.starts_with('-') || name == "HEAD" || !git2::Reference::is_valid_name(&reference) {
        return Err(RepositoryError::Invalid(format!(
            "branch {name:?} is no name for a branch; write it without refs/heads/"
        )));
    }
    if name.starts_with("refs/") {
        return Err(RepositoryError::Invalid(format!(
            "branch {name:?} is a whole reference; write only the branch's name"
        )));
    }
    Ok(())
}

/// Asks for the branch and gets its commits unless they are here.
pub(super) fn fetch(
    git: &git2::Repository,
    talk: &Conversation<'_>,
    wanted: Option<&str>,
) -> Result<Branch, RepositoryError> {
    let failed = |error: git2::Error| failure::remote(&error, talk);
    let mut remote = git.remote_anonymous(&talk.url.for_libgit2()).map_err(failed)?;
    let mut connection =
        remote.connect_auth(Direction::Fetch, Some(talk.callbacks()), Some(proxy(talk))).map_err(failed)?;
    let advertised = Advertised::read(connection.list().map_err(failed)?, wanted);
    let (name, exists, tip) =
        advertised.choose(wanted).map_err(|problem| RepositoryError::Invalid(format!("{} {problem}", talk.url)))?;
    let Some(tip) = tip else { return Ok(Branch { name, exists, tip: None }) };

    // A commit is here only together with all that belongs to it: packs arrive whole or not at all.
    if !git.odb().map_err(failed)?.exists(tip) {
        // The reference in full: a short name could match others too.
        let source = match (exists, advertised.default_branch()) {
            (false, Some((default, _))) => format!("refs/heads/{default}"),
            _ => format!("refs/heads/{name}"),
        };
        let mut options = FetchOptions::new();
        options.remote_callbacks(talk.callbacks()).proxy_options(proxy(talk));
        options.download_tags(AutotagOption::None).follow_redirects(RemoteRedirect::None).update_fetchhead(false);
        // Only the first time: asked for again, a depth would throw away what was fetched since. libgit2 has no shallow
        // clones of repositories on the same machine.
        if git.find_reference(TIP).is_err() && talk.url.as_file().is_none() {
            options.depth(1);
        }
        // What is unusual about a repository on this machine is left to libgit2.
        let copied = talk.url.as_file().is_some_and(|path| local::fetch(git, path, tip).is_ok());
        if !copied {
            connection.remote().download(&[source.as_str()], Some(&mut options)).map_err(failed)?;
        }
    }
    let commit = git.find_commit(tip).map_err(|_| {
        RepositoryError::Git(format!("{} names {tip} as the tip of {name:?} but did not send that commit", talk.url))
    })?;
    let tip = commit_id(commit.id())?;
    remember(git, tip).map_err(|error| failure::local(&error))?;
    Ok(Branch { name, exists, tip: Some(tip) })
}

/// Keeps a commit as the latest that the remote has.
pub(super) fn remember(git: &git2::Repository, tip: CommitId) -> Result<(), git2::Error> {
    git.reference(TIP, Oid::from_bytes(&tip.0)?, true, "").map(|_| ())
}

/// As the environment says (`https_proxy`, `no_proxy`).
pub(super) fn proxy(talk: &Conversation<'_>) -> ProxyOptions<'static> {
    let mut options = ProxyOptions::new();
    if !talk.url.is_on_this_machine() {
        options.auto();
    }
    options
}

pub(super) fn commit_id(oid: Oid) -> Result<CommitId, RepositoryError> {
    oid.as_bytes().try_into().map(CommitId).map_err(|_| {
        RepositoryError::Git(
            "the repository names its objects by SHA-256, which is not supported; use one with SHA-1".into(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(digit: u8) -> Oid {
        Oid::from_bytes(&[digit; 20]).unwrap()
    }

    fn advertised(head: Option<(u8, Option<&str>)>, wanted: Option<u8>, branches: &[(&str, u8)]) -> Advertised {
        let branches: Vec<_> = branches.iter().map(|(name, digit)| ((*name).to_owned(), oid(*digit))).collect();
        Advertised {
            head: head.map(|(digit, target)| (oid(digit), target.map(str::to_owned))),
            wanted: wanted.map(oid),
            usual: branches.iter().filter(|(name, _)| name == "main" || name == "master").cloned().collect(),
            branches,
        }
    }

    #[test]
    fn the_default_branch_is_what_head_names_or_points_to() {
        let both = [("main", 1), ("trunk", 2)];
        let named = advertised(Some((2, Some("refs/heads/trunk"))), None, &both);
        assert_eq!(named.choose(None), Ok(("trunk".into(), true, Some(oid(2)))));
        let pointed = advertised(Some((2, None)), None, &both);
        assert_eq!(pointed.choose(None), Ok(("trunk".into(), true, Some(oid(2)))));
    }

    #[test]
    fn without_a_head_the_usual_or_the_only_branch_is_taken() {
        assert_eq!(
            advertised(None, None, &[("a", 1), ("master", 2)]).choose(None),
            Ok(("master".into(), true, Some(oid(2))))
        );
        assert_eq!(advertised(None, None, &[("a", 1)]).choose(None), Ok(("a".into(), true, Some(oid(1)))));
        assert!(advertised(None, None, &[("a", 1), ("b", 2)]).choose(None).unwrap_err().contains("`branch`"));
    }

    #[test]
    fn a_missing_branch_starts_at_the_default_one() {
        let missing = advertised(Some((1, Some("refs/heads/main"))), None, &[("main", 1)]);
        assert_eq!(missing.choose(Some("new")), Ok(("new".into(), false, Some(oid(1)))));
        let present = advertised(Some((1, Some("refs/heads/main"))), Some(2), &[("main", 1), ("new", 2)]);
        assert_eq!(present.choose(Some("new")), Ok(("new".into(), true, Some(oid(2)))));
        assert!(advertised(None, None, &[("a", 1), ("b", 2)]).choose(Some("new")).is_err());
    }

    #[test]
    fn an_empty_repository_has_nothing_to_start_from() {
        assert_eq!(advertised(None, None, &[]).choose(None), Ok(("main".into(), false, None)));
        assert_eq!(advertised(None, None, &[]).choose(Some("prod")), Ok(("prod".into(), false, None)));
    }

    #[test]
    fn only_names_of_branches_are_taken() {
        for fine in ["main", "release/1.x", "ünï", "a-b"] {
            assert!(check_branch_name(fine).is_ok(), "{fine}");
        }
        for bad in ["", "-f", "a b", "a..b", "a~1", "a:b", "*", "refs/heads/main", "HEAD", "a\nb", "a.lock", "/a", "a/"]
        {
            assert!(check_branch_name(bad).is_err(), "{bad:?}");
        }
    }
}
