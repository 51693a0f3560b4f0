//! A repository in memory: what the engine's tests push to and a person commits to beside it.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use kubeferry::object::RepoPath;
use kubeferry::object::digest::Digest;
use kubeferry::repository::{
    BlobId, CommitId, FileContent, FileState, LoggedCommit, NewCommit, PushError, Remote, RepositoryError, Visit,
};

/// The files of one commit.
pub type Tree = BTreeMap<RepoPath, Vec<u8>>;

#[derive(Default)]
struct State {
    tip: Option<CommitId>,
    trees: HashMap<CommitId, (Option<CommitId>, Tree, String)>,
    blobs: HashMap<BlobId, Vec<u8>>,
    commits: u64,
    /// What the next fetches and pushes answer instead.
    down: bool,
    refuse: Option<String>,
    /// How many of the next pushes arrive without an answer.
    unanswered: usize,
    /// What somebody does to the branch just before the next pushes.
    races: VecDeque<Race>,
    /// Blobs that were read, for tests that count.
    read: usize,
    asked: usize,
    stored: usize,
    /// Another repository, as the rules name it.
    source: String,
    /// Commits that are not given any more.
    lost: Vec<CommitId>,
    /// Whether commits are given that the branch never had.
    gives_all: bool,
}

/// What somebody does to the branch just before a push.
pub type Race = Box<dyn FnOnce(&MemoryRemote) + Send>;

/// One branch in memory. Cloning gives the same branch.
#[derive(Clone, Default)]
pub struct MemoryRemote(Arc<Mutex<State>>);

impl MemoryRemote {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Commits as a person does: `None` removes the file.
    pub fn commit_by_hand(&self, writes: &[(&str, Option<&str>)]) -> CommitId {
        self.commit_saying("by hand", writes)
    }

    /// Commits as a person does, with a message.
    pub fn commit_saying(&self, message: &str, writes: &[(&str, Option<&str>)]) -> CommitId {
        let mut state = self.state();
        let mut tree = state.tip.map(|tip| state.trees[&tip].1.clone()).unwrap_or_default();
        for (path, text) in writes {
            let path = RepoPath::parse(path).unwrap();
            match text {
                Some(text) => drop(tree.insert(path, text.as_bytes().to_vec())),
                None => drop(tree.remove(&path)),
            }
        }
        let parent = state.tip;
        let id = state.store(parent, tree, message.to_owned());
        state.tip = Some(id);
        id
    }

    /// Moves the branch, as a force-push does.
    pub fn set_tip(&self, tip: Option<CommitId>) {
        self.state().tip = tip;
    }

    /// The branch's tip.
    pub fn tip(&self) -> Option<CommitId> {
        self.state().tip
    }

    /// The text of a file at the tip.
    pub fn file(&self, path: &str) -> Option<String> {
        let state = self.state();
        let tree = &state.trees.get(&state.tip?)?.1;
        tree.get(&RepoPath::parse(path).unwrap()).map(|bytes| String::from_utf8(bytes.clone()).unwrap())
    }

    /// The paths at the tip.
    pub fn paths(&self) -> Vec<String> {
        let state = self.state();
        let tree = state.tip.and_then(|tip| state.trees.get(&tip));
        tree.map(|(_, tree, _)| tree.keys().map(ToString::to_string).collect()).unwrap_or_default()
    }

    /// The messages of the branch, newest first.
    pub fn messages(&self) -> Vec<String> {
        let state = self.state();
        let mut messages = Vec::new();
        let mut at = state.tip;
        while let Some(commit) = at.and_then(|id| state.trees.get(&id)) {
            messages.push(commit.2.clone());
            at = commit.0;
        }
        messages
    }

    /// Parent, files and message of a commit.
    pub fn show(&self, commit: CommitId) -> Option<(Option<CommitId>, Tree, String)> {
        self.state().trees.get(&commit).cloned()
    }

    /// How many commits were ever made.
    pub fn commits(&self) -> u64 {
        self.state().commits
    }

    /// Whether the remote answers.
    pub fn set_down(&self, down: bool) {
        self.state().down = down;
    }

    /// Why pushes are refused; `None` lets them through.
    pub fn refuse_pushes(&self, reason: Option<&str>) {
        self.state().refuse = reason.map(ToOwned::to_owned);
    }

    /// Is another repository from now on, with the same content.
    pub fn set_source(&self, source: &str) {
        self.state().source = source.to_owned();
    }

    /// Does not give a commit any more, other than as the tip.
    pub fn lose(&self, commit: CommitId) {
        self.state().lost.push(commit);
    }

    /// Gives every commit by its id from now on, whether the branch has it or not.
    pub fn give_all(&self) {
        self.state().gives_all = true;
    }

    /// The next push arrives, and its answer is lost.
    pub fn lose_answer(&self) {
        self.state().unanswered += 1;
    }

    /// Somebody else is faster than the next push.
    pub fn race(&self, race: Race) {
        self.state().races.push_back(race);
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        let mut state = self.state();
        state.down = false;
        state.refuse = None;
        state.unanswered = 0;
        state.races.clear();
    }

    /// How many blobs were asked for by themselves, not as part of a commit.
    pub fn asked(&self) -> usize {
        self.state().asked
    }

    /// How many files were stored before the commit that has them.
    pub fn stored(&self) -> usize {
        self.state().stored
    }

    /// How many blobs were read.
    pub fn blobs_read(&self) -> usize {
        self.state().read
    }
}

impl State {
    fn store(&mut self, parent: Option<CommitId>, tree: Tree, message: String) -> CommitId {
        self.commits += 1;
        let mut id = [0; 20];
        id[..8].copy_from_slice(&self.commits.to_be_bytes());
        for bytes in tree.values() {
            self.blobs.insert(blob_id(bytes), bytes.clone());
        }
        let id = CommitId(id);
        self.trees.insert(id, (parent, tree, message));
        id
    }

    /// A commit and those it was made from.
    fn history(&self, mut at: Option<CommitId>) -> Vec<CommitId> {
        let mut all = Vec::new();
        while let Some(commit) = at {
            all.push(commit);
            at = self.trees.get(&commit).and_then(|(parent, ..)| *parent);
        }
        all
    }

    /// The commits of the branch.
    fn branch(&self) -> Vec<CommitId> {
        self.history(self.tip)
    }

    fn tree(&self, commit: Option<CommitId>) -> Tree {
        commit.and_then(|id| self.trees.get(&id)).map(|(_, tree, _)| tree.clone()).unwrap_or_default()
    }

    fn answer(&self) -> Result<(), RepositoryError> {
        if self.down {
            return Err(RepositoryError::Unreachable { remote: "memory".into(), message: "it is down".into() });
        }
        Ok(())
    }
}

fn blob_id(bytes: &[u8]) -> BlobId {
    let mut id = [0; 20];
    id[..16].copy_from_slice(&Digest::of_bytes(bytes).0);
    BlobId(id)
}

impl Remote for MemoryRemote {
    fn fetch(&self) -> BoxFuture<'static, Result<Option<CommitId>, RepositoryError>> {
        let state = self.state();
        ready(state.answer().map(|()| state.tip)).boxed()
    }

    fn changes(
        &self,
        from: Option<CommitId>,
        to: Option<CommitId>,
        mut visit: Visit,
    ) -> BoxFuture<'static, Result<(), RepositoryError>> {
        let mut state = self.state();
        let (before, after) = (state.tree(from), state.tree(to));
        for (path, bytes) in &after {
            if before.get(path) != Some(bytes) {
                state.read += 1;
                visit(path.clone(), FileState::File { blob: blob_id(bytes), bytes });
            }
        }
        for path in before.keys().filter(|path| !after.contains_key(*path)) {
            visit(path.clone(), FileState::Gone);
        }
        ready(Ok(())).boxed()
    }

    fn read(&self, blobs: Vec<BlobId>) -> BoxFuture<'static, Result<Vec<Vec<u8>>, RepositoryError>> {
        let mut state = self.state();
        state.asked += blobs.len();
        let bytes = blobs.iter().map(|blob| state.blobs.get(blob).cloned());
        let found: Option<Vec<_>> = bytes.collect();
        ready(found.ok_or_else(|| RepositoryError::Git("no such blob".into()))).boxed()
    }

    fn store(&self, contents: Vec<Vec<u8>>) -> BoxFuture<'static, Result<Vec<BlobId>, RepositoryError>> {
        let mut state = self.state();
        state.stored += contents.len();
        let stored = contents.into_iter().map(|bytes| {
            let blob = blob_id(&bytes);
            state.blobs.insert(blob, bytes);
            blob
        });
        ready(Ok(stored.collect())).boxed()
    }

    fn commit(&self, commit: NewCommit) -> BoxFuture<'static, Result<Option<CommitId>, RepositoryError>> {
        let mut state = self.state();
        let before = state.tree(commit.parent);
        let mut tree = before.clone();
        for write in commit.writes {
            match write.content {
                FileContent::Bytes(bytes) => drop(tree.insert(write.path, bytes)),
                FileContent::Stored(blob) => drop(tree.insert(write.path, state.blobs[&blob].clone())),
                FileContent::Gone => drop(tree.remove(&write.path)),
            }
        }
        if tree == before {
            return ready(Ok(None)).boxed();
        }
        let id = state.store(commit.parent, tree, commit.message);
        ready(Ok(Some(id))).boxed()
    }

    fn source(&self) -> Option<String> {
        Some(self.state().source.clone())
    }

    fn obtain(&self, commits: Vec<CommitId>) -> BoxFuture<'static, Result<Vec<bool>, RepositoryError>> {
        let state = self.state();
        let is_there =
            |commit: &CommitId| state.branch().contains(commit) || state.gives_all && state.trees.contains_key(commit);
        let given = |commit: &CommitId| is_there(commit) && !state.lost.contains(commit);
        ready(state.answer().map(|()| commits.iter().map(given).collect())).boxed()
    }

    fn is_before(&self, earlier: CommitId, later: CommitId) -> BoxFuture<'static, Result<bool, RepositoryError>> {
        let state = self.state();
        ready(Ok(earlier != later && state.history(Some(later)).contains(&earlier))).boxed()
    }

    fn log(&self, from: CommitId, to: CommitId) -> BoxFuture<'static, Result<Vec<LoggedCommit>, RepositoryError>> {
        let state = self.state();
        let mut all = Vec::new();
        let mut id = to;
        while id != from {
            let Some((Some(parent), _, message)) = state.trees.get(&id).cloned() else {
                return ready(Ok(Vec::new())).boxed();
            };
            all.push(LoggedCommit { id, parent, message });
            id = parent;
        }
        ready(Ok(all)).boxed()
    }

    fn blobs(
        &self,
        commit: CommitId,
        paths: Vec<RepoPath>,
    ) -> BoxFuture<'static, Result<Vec<Option<BlobId>>, RepositoryError>> {
        let tree = self.state().tree(Some(commit));
        ready(Ok(paths.iter().map(|path| tree.get(path).map(|bytes| blob_id(bytes))).collect())).boxed()
    }

    fn push(&self, commit: CommitId) -> BoxFuture<'static, Result<(), PushError>> {
        let race = self.state().races.pop_front();
        if let Some(race) = race {
            race(self);
        }
        let mut state = self.state();
        let parent = state.trees[&commit].0;
        let result = match (state.answer(), &state.refuse) {
            (Err(error), _) => Err(error.into()),
            (Ok(()), Some(reason)) => Err(PushError::Refused(reason.clone())),
            (Ok(()), None) if state.tip != parent => Err(PushError::Raced),
            (Ok(()), None) => Ok(()),
        };
        if result.is_ok() {
            state.tip = Some(commit);
            if state.unanswered > 0 {
                state.unanswered -= 1;
                let lost = RepositoryError::Unreachable { remote: "memory".into(), message: "no answer".into() };
                return ready(Err(lost.into())).boxed();
            }
        }
        ready(result).boxed()
    }
}
