//! Owns the text of manifests that were removed lately. Must never grow beyond its bound.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::object::{ObjectId, RepoPath};

use super::clock::Instant;

/// How long a removed manifest is remembered.
const MEMORY: Duration = Duration::from_secs(3600);

/// How many removed manifests are remembered.
const REMEMBERED: usize = 1_000;

/// The text of manifests that were removed lately: an object that comes back gets its bytes back.
#[derive(Debug, Default)]
pub struct Removed {
    texts: BTreeMap<ObjectId, (Instant, RepoPath, Vec<u8>)>,
    order: VecDeque<ObjectId>,
}

impl Removed {
    /// Remembers the text that a manifest had.
    pub fn remember(&mut self, id: &ObjectId, path: RepoPath, text: Vec<u8>, now: Instant) {
        if self.texts.insert(id.clone(), (now, path, text)).is_none() {
            self.order.push_back(id.clone());
        }
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.texts.remove(&oldest);
            }
        }
    }

    /// Where a manifest stood and what its text was, if it was removed within the hour.
    pub fn recall(&self, id: &ObjectId, now: Instant) -> Option<(&RepoPath, &[u8])> {
        let (at, path, text) = self.texts.get(id)?;
        (now <= *at + MEMORY).then_some((path, text.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;

    const fn at(seconds: u64) -> Instant {
        Duration::from_secs(seconds)
    }

    fn id(name: &str) -> ObjectId {
        ObjectId::new(GroupKind::new("", "ConfigMap"), "shop", name)
    }

    #[test]
    fn the_oldest_removed_manifest_is_forgotten_first() {
        let mut removed = Removed::default();
        let path = RepoPath::parse("a.yaml").unwrap();
        for number in 0..=REMEMBERED {
            removed.remember(&id(&number.to_string()), path.clone(), Vec::new(), at(0));
        }
        assert!(removed.recall(&id("0"), at(1)).is_none());
        assert!(removed.recall(&id("1"), at(1)).is_some());
        assert!(removed.recall(&id("1"), at(3601)).is_none());
    }
}
