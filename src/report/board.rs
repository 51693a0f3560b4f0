//! Owns the live state behind the status page, which the engine updates and the endpoints read. Must never do I/O or hold
//! its lock across an await.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use super::change::Change;
use super::status::{Capped, FileLine, KindLine, ObjectLine, Status};
use super::verb::Verb;
use crate::object::{GroupKind, ObjectId};

/// One thing left undone, and since when.
#[derive(Debug)]
struct Left {
    change: Change,
    since: Timestamp,
}

impl Left {
    /// Whether `change` says the same again; a new commit or place alone is no news.
    fn says(&self, change: &Change) -> bool {
        let known = &self.change;
        (known.verb, known.side) == (change.verb, change.side)
            && known.rule == change.rule
            && known.reason == change.reason
            && known.fields == change.fields
    }

    fn line(&self) -> ObjectLine {
        ObjectLine {
            object: self.change.object.to_string(),
            rule: self.change.rule.clone(),
            state: self.change.verb,
            reason: self.change.reason.clone().unwrap_or_default(),
            fields: self.change.fields.iter().map(ToString::to_string).collect(),
            since: self.since,
            place: self.change.place.clone(),
        }
    }
}

/// Everything that a page is made from.
#[derive(Debug, Default)]
struct Board {
    /// The page without its long lists.
    page: Status,
    kinds: BTreeMap<GroupKind, KindLine>,
    objects: BTreeMap<ObjectId, Vec<Left>>,
    files: BTreeMap<Arc<str>, Vec<FileLine>>,
    /// Objects by state; one that is in two states counts in both.
    states: BTreeMap<Verb, usize>,
}

impl Board {
    fn count(&mut self, verbs: BTreeSet<Verb>, by: isize) {
        for verb in verbs {
            let count = self.states.entry(verb).or_default();
            *count = count.saturating_add_signed(by);
        }
    }

    fn page(&self, limit: usize) -> Status {
        let mut page = self.page.clone();
        page.cluster.kinds = self.kinds.values().cloned().collect();
        page.states = self
            .states
            .iter()
            .filter(|(_, count)| **count > 0)
            .map(|(verb, count)| (verb.to_string(), *count))
            .collect();
        let mut left: Vec<&Left> = self.objects.values().flatten().collect();
        // The sort is stable, so within a state objects stay in order of identity.
        left.sort_by_key(|left| std::cmp::Reverse(left.change.verb));
        for rule in &mut page.rules.list {
            let mut seen = BTreeSet::new();
            for left in left.iter().filter(|left| left.change.rule.as_ref().is_some_and(|of| of.index == rule.index)) {
                if seen.insert((left.change.verb, &left.change.object)) {
                    *rule.states.entry(left.change.verb.to_string()).or_default() += 1;
                }
            }
        }
        let more = left.len().saturating_sub(limit);
        page.objects = Capped { list: left.into_iter().take(limit).map(Left::line).collect(), more };
        page.files = Capped::new(self.files.values().flatten().cloned().collect(), limit);
        page
    }
}

/// The live status of this process. Cloning is cheap and gives the same status.
#[derive(Clone, Debug)]
pub struct StatusHandle(Arc<watch::Sender<Board>>);

impl StatusHandle {
    /// A status that starts as `page`.
    pub fn new(page: Status) -> Self {
        Self(Arc::new(watch::Sender::new(Board { page, ..Board::default() })))
    }

    /// Changes the page. Its lists of kinds, objects and files, and its states, are kept apart and what is written to them
    /// is ignored: use the other functions.
    pub fn update(&self, change: impl FnOnce(&mut Status)) {
        self.0.send_modify(|board| change(&mut board.page));
    }

    /// Sets what is known of the watch of a kind; `None` when it is no longer watched.
    pub fn kind(&self, kind: &GroupKind, line: Option<KindLine>) {
        self.0.send_modify(|board| match line {
            Some(line) => drop(board.kinds.insert(kind.clone(), line)),
            None => drop(board.kinds.remove(kind)),
        });
    }

    /// Sets what of a file is not read as a manifest; empty when all of it is.
    pub fn file(&self, path: &str, lines: Vec<FileLine>) {
        self.0.send_modify(|board| match lines.is_empty() {
            false => drop(board.files.insert(path.into(), lines)),
            true => drop(board.files.remove(path)),
        });
    }

    /// Sets everything that is not read as a manifest.
    pub fn files(&self, lines: Vec<FileLine>) {
        self.0.send_if_modified(|board| {
            let mut files: BTreeMap<Arc<str>, Vec<FileLine>> = BTreeMap::new();
            for line in lines {
                files.entry(line.place.path.clone()).or_default().push(line);
            }
            let modified = files != board.files;
            board.files = files;
            modified
        });
    }

    /// Counts what was done, in all and for the rule that decided.
    pub fn done(&self, change: &Change) {
        self.0.send_modify(|board| {
            board.page.counters.count(change.verb);
            let rule = change.rule.as_ref().map(|rule| rule.index);
            if let Some(line) = board.page.rules.list.iter_mut().find(|line| Some(line.index) == rule) {
                line.counters.count(change.verb);
            }
        });
    }

    /// Sets everything that is left undone for one object; empty when it is in sync or gone. Returns what is news: what
    /// was not said of it before, so that a state is logged once and not at every pass.
    pub fn left(&self, object: &ObjectId, changes: Vec<Change>, now: Timestamp) -> Vec<Change> {
        let mut news = Vec::new();
        self.0.send_if_modified(|board| {
            let known = board.objects.remove(object).unwrap_or_default();
            let was: BTreeSet<_> = known.iter().map(|left| left.change.verb).collect();
            let is: BTreeSet<_> = changes.iter().map(|change| change.verb).collect();
            let modified = !(known.is_empty() && changes.is_empty());
            board.count(was, -1);
            board.count(is, 1);
            let mut lines = Vec::with_capacity(changes.len());
            for change in changes {
                let before = known.iter().find(|left| left.says(&change)).map(|left| left.since);
                if before.is_none() {
                    news.push(change.clone());
                }
                lines.push(Left { change, since: before.unwrap_or(now) });
            }
            if !lines.is_empty() {
                board.objects.insert(object.clone(), lines);
            }
            modified
        });
        news
    }

    /// How many objects are in each state that is not in sync, zeroes for states that were there before.
    pub fn states(&self) -> BTreeMap<Verb, usize> {
        self.0.borrow().states.clone()
    }

    /// The page as of now, with at most `limit` objects and files.
    pub fn page(&self, limit: usize) -> Status {
        self.0.borrow().page(limit)
    }

    /// Whether this process is ready, and what it waits for.
    pub fn readiness(&self) -> (bool, Vec<String>) {
        let board = self.0.borrow();
        (board.page.ready, board.page.waiting_for.clone())
    }

    /// Resolves with the page once `wanted` holds for it; checked at every change.
    pub async fn wait_for(&self, mut wanted: impl FnMut(&Status) -> bool) -> Status {
        let mut changes = self.0.subscribe();
        loop {
            // Bounded like the page itself; whoever waits looks at counters and flags, not at the tail of a list.
            let page = changes.borrow_and_update().page(PAGE_LIMIT);
            if wanted(&page) {
                return page;
            }
            // The sender lives in `self`, so this never fails.
            let _ = changes.changed().await;
        }
    }
}

/// How many objects and files a page lists unless asked for more.
pub const PAGE_LIMIT: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::change::{Place, RuleRef};
    use crate::report::status::{RuleLine, Rules};
    use crate::report::verb::Side;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn id(name: &str) -> ObjectId {
        ObjectId::new(GroupKind::new("", "ConfigMap"), "shop", name)
    }

    fn change(name: &str, verb: Verb) -> Change {
        Change::new(id(name), Side::Cluster, verb).because("why").by(RuleRef::new(0, "all"))
    }

    fn handle() -> StatusHandle {
        let rules = Rules { list: vec![RuleLine { name: "all".into(), ..RuleLine::default() }], ..Rules::default() };
        StatusHandle::new(Status { rules, ..Status::default() })
    }

    #[test]
    fn a_state_is_news_once_and_keeps_its_start() {
        let handle = handle();
        assert_eq!(handle.left(&id("a"), vec![change("a", Verb::Held)], at(0)).len(), 1);
        let again = change("a", Verb::Held).at(Place::new("moved.yaml", None));
        assert_eq!(handle.left(&id("a"), vec![again, change("a", Verb::Failed)], at(5)), [change("a", Verb::Failed)]);
        let page = handle.page(10);
        let shown: Vec<_> = page.objects.list.iter().map(|line| (line.state, line.since)).collect();
        assert_eq!(shown, [(Verb::Failed, at(5)), (Verb::Held, at(0))]);
        assert!(page.objects.list[1].place.is_some());
        assert!(handle.left(&id("a"), vec![], at(6)).is_empty());
        assert!(handle.page(10).objects.list.is_empty() && handle.page(10).states.is_empty());
        assert_eq!(handle.left(&id("a"), vec![change("a", Verb::Held)], at(7)).len(), 1);
    }

    #[test]
    fn lists_are_capped_with_the_worst_first_and_counts_stay_whole() {
        let handle = handle();
        for name in ["a", "b", "c"] {
            handle.left(&id(name), vec![change(name, Verb::Skipped), change(name, Verb::Skipped)], at(0));
        }
        handle.left(&id("z"), vec![change("z", Verb::Failed)], at(1));
        let page = handle.page(2);
        assert_eq!((page.objects.list[0].object.as_str(), page.objects.more), ("ConfigMap shop/z", 5));
        assert_eq!(page.states, BTreeMap::from([("failed".into(), 1), ("skipped".into(), 3)]));
        assert_eq!(page.rules.list[0].states, page.states);
    }

    #[test]
    fn what_is_done_counts_for_its_rule_and_in_all() {
        let handle = handle();
        handle.done(&change("a", Verb::Created));
        handle.done(&Change::new(id("b"), Side::Git, Verb::Written));
        let page = handle.page(0);
        assert_eq!((page.counters.done(), page.rules.list[0].counters.done()), (2, 1));
    }

    #[test]
    fn kinds_and_files_come_and_go() {
        let handle = handle();
        let kind = GroupKind::new("apps", "Deployment");
        handle.kind(&kind, Some(KindLine { kind: kind.to_string(), ..KindLine::default() }));
        handle.file("a.yaml", vec![FileLine { place: Place::new("a.yaml", Some(1)), reason: "a template".into() }]);
        let page = handle.page(5);
        assert_eq!((page.cluster.kinds.len(), page.files.list.len()), (1, 1));
        handle.kind(&kind, None);
        handle.file("a.yaml", vec![]);
        let page = handle.page(5);
        assert_eq!((page.cluster.kinds.len(), page.files.list.len()), (0, 0));
    }

    #[tokio::test]
    async fn waiting_ends_when_the_page_is_as_wanted() {
        let handle = handle();
        let waiting = handle.wait_for(|page| page.ready);
        let other = handle.clone();
        let setting = async move { other.update(|page| page.ready = true) };
        let (page, ()) =
            tokio::time::timeout(std::time::Duration::from_secs(10), futures::future::join(waiting, setting))
                .await
                .unwrap();
        assert!(page.ready && handle.readiness().0);
    }
}
