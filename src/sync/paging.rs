//! Owns which objects lists are to show, page by page, where asking for each by itself would take longer. Must never hold
//! more than a page and a half.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;

use crate::cluster::{Listed, Page};
use crate::object::{GroupKind, ObjectId};

/// From how many objects of a kind on, if these are also one in [`SHARE`] of those that are live.
const MANY: usize = 64;

/// What one object costs in a list is a small part of what it costs by itself.
const SHARE: usize = 10;

/// How many objects one page holds.
const PAGE: u32 = 250;

/// Objects that lists are to show.
#[derive(Debug, Default)]
pub struct Paging {
    wanted: BTreeMap<GroupKind, BTreeSet<ObjectId>>,
    /// The kind whose page is asked for.
    asked: Option<GroupKind>,
    /// Where the list of a kind goes on.
    next: Option<(GroupKind, String)>,
    /// What pages showed, as long as nobody took it.
    shown: VecDeque<(ObjectId, Box<Value>)>,
}

impl Paging {
    /// Takes those of which there are many of one kind. Returns the others. `live`: how many objects of a kind are live.
    pub fn take(
        &mut self,
        ids: impl IntoIterator<Item = ObjectId>,
        live: impl Fn(&GroupKind) -> usize,
    ) -> BTreeSet<ObjectId> {
        let mut kinds: BTreeMap<GroupKind, BTreeSet<ObjectId>> = BTreeMap::new();
        for id in ids {
            kinds.entry(id.group_kind().clone()).or_default().insert(id);
        }
        let mut few = BTreeSet::new();
        for (kind, mut ids) in kinds {
            match ids.len() >= MANY && ids.len() * SHARE >= live(&kind) {
                true => self.wanted.entry(kind).or_default().append(&mut ids),
                false => few.append(&mut ids),
            }
        }
        few
    }

    /// The page to ask for now; its answer goes to [`Paging::read`].
    pub fn ask(&mut self) -> Option<(GroupKind, Page)> {
        // While the rest of a page is taken, the API server makes the next one.
        if self.asked.is_some() || self.shown.len() > PAGE as usize / 2 {
            return None;
        }
        let (kind, next) = match self.next.take() {
            Some((kind, next)) => (kind, Some(next)),
            None => (self.wanted.keys().next()?.clone(), None),
        };
        self.asked = Some(kind.clone());
        Some((kind, Page { limit: PAGE, next, whole: true }))
    }

    /// Takes a page. Returns what no page shows: it has gone, or the list failed; asked for by itself it says which.
    pub fn read(&mut self, kind: &GroupKind, listed: Listed) -> BTreeSet<ObjectId> {
        if self.asked.as_ref() != Some(kind) {
            return BTreeSet::new();
        }
        self.asked = None;
        let Some(wanted) = self.wanted.get_mut(kind) else { return BTreeSet::new() };
        for object in listed.objects {
            if let Some(id) = ObjectId::of(&object).and_then(|id| wanted.take(&id)) {
                self.shown.push_back((id, Box::new(object)));
            }
        }
        match listed.next {
            Some(next) if !wanted.is_empty() => self.next = Some((kind.clone(), next)),
            _ => return self.wanted.remove(kind).unwrap_or_default(),
        }
        BTreeSet::new()
    }

    /// The next object that a page showed.
    pub fn pop(&mut self) -> Option<(ObjectId, Box<Value>)> {
        self.shown.pop_front()
    }

    /// How many objects are still to be shown or taken.
    pub fn len(&self) -> usize {
        self.wanted.values().map(BTreeSet::len).sum::<usize>() + self.shown.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.shown.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(number: usize) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "shop", "name": format!("a{number}")}})
    }

    fn ids(count: usize) -> Vec<ObjectId> {
        (0..count).map(|number| ObjectId::of(&object(number)).unwrap()).collect()
    }

    #[test]
    fn a_list_shows_many_objects_page_by_page_and_leaves_what_it_does_not_show() {
        let mut paging = Paging::default();
        assert_eq!(paging.take(ids(1_000), |_| 4_000), BTreeSet::new());
        let (kind, page) = paging.ask().unwrap();
        assert_eq!((page.next, paging.ask()), (None, None), "one page at a time");
        let objects = (0..200).chain(5_000..5_050).map(object).collect();
        assert_eq!(paging.read(&kind, Listed { objects, next: Some("b".into()) }), BTreeSet::new());
        assert_eq!((paging.len(), paging.ask()), (1_000, None), "the page was not taken yet");
        assert_eq!(std::iter::from_fn(|| paging.pop()).take(100).count(), 100);
        assert_eq!(paging.ask().unwrap().1.next.as_deref(), Some("b"), "half of it was");
        let left = paging.read(&kind, Listed { objects: (500..750).map(object).collect(), next: None });
        assert_eq!(left.len(), 550);
        assert_eq!(std::iter::from_fn(|| paging.pop()).count(), 350);
        assert!(paging.is_empty() && paging.ask().is_none());
    }

    #[test]
    fn a_few_objects_are_asked_for_one_by_one() {
        let mut paging = Paging::default();
        assert_eq!(paging.take(ids(MANY - 1), |_| 10).len(), MANY - 1, "few");
        assert_eq!(paging.take(ids(MANY), |_| MANY * SHARE + 1).len(), MANY, "few among many");
        assert!(paging.is_empty());
    }

    #[test]
    fn a_list_that_fails_leaves_everything() {
        let mut paging = Paging::default();
        paging.take(ids(100), |_| 0);
        let (kind, _) = paging.ask().unwrap();
        assert_eq!(paging.read(&kind, Listed::default()).len(), 100);
        assert!(paging.is_empty());
    }
}
