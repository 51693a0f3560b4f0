//! Owns the trailer by which a commit allows the deletes that it causes itself. Must never allow those of another commit.

use std::collections::BTreeSet;

use crate::manifest::{Caps, Index};
use crate::object::{Kinds, ObjectId};
use crate::repository::{CommitId, Remote, RepositoryError};

use super::engine::gather_index;

/// The trailer.
const TRAILER: &str = "Kubeferry-Allow-Deletes";

/// The trailer of commits that an instance of this program made.
const OWN: &str = "Kubeferry-Instance";

/// What one commit allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The commit.
    pub commit: CommitId,
    /// How many deletes.
    pub deletes: usize,
    /// Identities whose manifests went with it.
    went: BTreeSet<ObjectId>,
    /// Those of them that are deleted by its word; `None` until the first pass.
    granted: Option<BTreeSet<ObjectId>>,
}

impl Allowance {
    /// Which of these deletes it allows. It counts once: the first time that there are any.
    pub fn of(&mut self, doomed: &BTreeSet<ObjectId>) -> BTreeSet<ObjectId> {
        if let Some(granted) = &self.granted {
            return granted.intersection(doomed).cloned().collect();
        }
        let caused: BTreeSet<ObjectId> = self.went.intersection(doomed).cloned().collect();
        if caused.is_empty() {
            return caused;
        }
        if caused.len() > self.deletes {
            let (commit, count) = (self.commit.short(), caused.len());
            tracing::warn!(%commit, allowed = self.deletes, count, "a commit causes more deletes than its trailer allows");
            self.granted = Some(BTreeSet::new());
            return BTreeSet::new();
        }
        self.granted.insert(caused).clone()
    }

    /// An object that is in Git again.
    pub fn drop(&mut self, id: &ObjectId) {
        self.went.remove(id);
        if let Some(granted) = &mut self.granted {
            granted.remove(id);
        }
    }
}

/// What the commits after `from` up to `to` allow. Commits that an instance of this program made allow nothing.
///
/// # Errors
/// Those of the repository.
pub async fn allowances<R: Remote>(
    remote: &R,
    from: CommitId,
    to: CommitId,
    kinds: &Kinds,
    caps: &Caps,
) -> Result<Vec<Allowance>, RepositoryError> {
    let mut all = Vec::new();
    for commit in remote.log(from, to).await? {
        let Some(deletes) = trailer(&commit.message) else { continue };
        let before = gather_index(remote, commit.id, commit.parent, kinds, caps).await?;
        let after = gather_index(remote, commit.parent, commit.id, kinds, caps).await?;
        let ids = |index: &Index| index.objects().cloned().collect::<BTreeSet<ObjectId>>();
        let went = ids(&before).difference(&ids(&after)).cloned().collect();
        all.push(Allowance { commit: commit.id, deletes, went, granted: None });
    }
    Ok(all)
}

/// How many deletes a message allows: the trailers are the last paragraph, and never the subject.
fn trailer(message: &str) -> Option<usize> {
    let message = message.trim_end().replace("\r\n", "\n");
    let (_, last) = message.rsplit_once("\n\n")?;
    let value = |key: &str| {
        last.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim_end().eq_ignore_ascii_case(key).then(|| value.trim().to_owned())
        })
    };
    if value(OWN).is_some() { None } else { value(TRAILER)?.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;

    #[test]
    fn only_the_last_paragraph_of_somebody_elses_commit_allows_deletes() {
        for (message, allows) in [
            ("Drop the lab\n\nKubeferry-Allow-Deletes: 12\n", Some(12)),
            ("Drop the lab\n\nIt is empty.\n\nSigned-off-by: Ann\nkubeferry-allow-deletes: 3", Some(3)),
            ("Drop the lab\r\n\r\nKubeferry-Allow-Deletes: 12\r\n", Some(12)),
            ("Kubeferry-Allow-Deletes: 12", None),
            ("Drop the lab\n\nKubeferry-Allow-Deletes: 12\n\nAnd more.", None),
            ("Drop the lab\n\nKubeferry-Allow-Deletes: many", None),
            ("Remove 3\n\nKubeferry-Allow-Deletes: 12\nKubeferry-Instance: a/b uid", None),
        ] {
            assert_eq!(trailer(message), allows, "{message}");
        }
    }

    #[test]
    fn an_allowance_counts_once_and_for_no_more_than_it_says() {
        let id = |name: &str| ObjectId::new(GroupKind::new("", "ConfigMap"), "shop", name);
        let set = |names: &[&str]| names.iter().map(|name| id(name)).collect::<BTreeSet<_>>();
        let allowance =
            |deletes| Allowance { commit: CommitId([1; 20]), deletes, went: set(&["a", "b", "c"]), granted: None };
        let mut two = allowance(2);
        assert_eq!(two.of(&set(&["x"])), set(&[]));
        assert_eq!(two.of(&set(&["a", "b", "x"])), set(&["a", "b"]));
        assert_eq!(two.of(&set(&["a", "c"])), set(&["a"]), "a is tried again, c came later");
        two.drop(&id("a"));
        assert_eq!(two.of(&set(&["a"])), set(&[]), "it was in Git again meanwhile");
        assert_eq!(allowance(2).of(&set(&["a", "b", "c"])), set(&[]), "all or none");
        assert_eq!(allowance(3).of(&set(&["a", "b", "c"])).len(), 3);
    }
}
