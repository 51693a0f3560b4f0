//! Owns what the engine tells about its own state: how far both sides were read and what still waits. Must never change
//! anything.

use std::time::Duration;

use crate::cluster::Cluster;
use crate::object::readiness::{Stage, Unready};
use crate::object::{GroupKind, ObjectId, RepoPath};
use crate::repository::{CommitId, Remote};

use super::super::autoscalers;
use super::super::clock::Clock;
use super::super::live::Watched;
use super::{Engine, Mode, Standings};

/// How far the engine has come.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Newest commit that was read.
    pub head: Option<CommitId>,
    /// Whether a commit (or an empty repository) was read whole.
    pub head_read: bool,
    /// Objects that Git describes.
    pub manifests: usize,
    /// Objects whose change waits for the next commit.
    pub batched: usize,
    /// What holds that commit back although it is due: the time left and the key of the rules file.
    pub deferred: Option<(Duration, &'static str)>,
    /// Objects that wait to be planned.
    pub queue: usize,
    /// Objects that are being read or written.
    pub in_flight: usize,
    /// How many fights are held towards each side: the cluster, Git.
    pub fights: [usize; 2],
    /// How many planning passes were made.
    pub planned: u64,
    /// For each rule how many objects agree whose existence it decides.
    pub agreed: Vec<usize>,
    /// For each rule how many of these are not ready: in progress, failed.
    pub unready_counts: Vec<[usize; 2]>,
    /// The first of those that agree and are not ready, with the rule that decides their existence.
    pub unready: Vec<(ObjectId, usize, Unready)>,
    /// How many more there are.
    pub unready_more: usize,
    /// Every watched kind.
    pub kinds: Vec<KindProgress>,
}

/// How many objects that are not ready are named.
const NAMED: usize = 200;

/// How far the watch of one kind has come.
#[derive(Clone, Debug)]
pub struct KindProgress {
    /// The kind.
    pub kind: GroupKind,
    /// Whether its list was read to the end.
    pub synced: bool,
    /// Why it cannot be watched.
    pub unwatched: Option<String>,
    /// Live objects.
    pub objects: usize,
}

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// How far the engine has come.
    pub fn progress(&self) -> Progress {
        let kind = |(kind, watched): (&GroupKind, &Watched)| KindProgress {
            kind: kind.clone(),
            synced: *watched == Watched::Synced,
            unwatched: if let Watched::Unwatched(reason) = watched { Some(reason.clone()) } else { None },
            objects: self.live.count(kind),
        };
        let rules = self.rules.rules.len();
        let (mut unready_counts, mut unready, mut unready_more) = (vec![[0, 0]; rules], Vec::new(), 0);
        for (id, rule, why) in self.unready_in_sync() {
            if let Some([in_progress, failed]) = unready_counts.get_mut(rule) {
                *(if why.stage == Stage::Failed { failed } else { in_progress }) += 1;
            }
            match unready.len() < NAMED {
                true => unready.push((id.clone(), rule, why.clone())),
                false => unready_more += 1,
            }
        }
        Progress {
            unready_counts,
            unready,
            unready_more,
            head: self.head,
            head_read: self.head_read,
            manifests: self.index.len(),
            batched: self.batch.len(),
            deferred: self.deferral().map(|deferral| (deferral.until.saturating_sub(self.clock.now()), deferral.key)),
            queue: self.queue.len() + self.paging.len() + self.order.len(),
            in_flight: self.flights.len(),
            fights: self.fights_held(),
            planned: self.planned,
            agreed: (0..self.rules.rules.len()).map(|rule| self.bases.size(rule)).collect(),
            kinds: self.live.kinds().filter(|(kind, watched)| self.is_told(kind, watched)).map(kind).collect(),
        }
    }

    /// Autoscalers are looked at for the sake of others: nobody misses the right to, until a rule selects them.
    fn is_told(&self, kind: &GroupKind, watched: &Watched) -> bool {
        let is_missed = matches!(watched, Watched::Unwatched(_)) && autoscalers::kinds().contains(kind);
        let selects = || self.kinds.get(kind).is_some_and(|kind| self.rules.selects_kind(kind));
        !is_missed || selects()
    }

    /// What must still happen before both sides were read whole and every action was tried once; empty when ready.
    pub fn waiting_for(&self) -> Vec<String> {
        let mut waiting = Vec::new();
        if self.awaits_state() {
            waiting.push("what is kept of earlier runs".to_owned());
        }
        if !self.head_read {
            waiting.push(match self.standings.remote_error() {
                Some(error) => format!("Git: {error}"),
                None => "Git to be read".to_owned(),
            });
        }
        let listing: Vec<String> = self
            .live
            .kinds()
            .filter(|(_, watched)| **watched == Watched::Listing)
            .map(|(kind, _)| kind.to_string())
            .collect();
        if !listing.is_empty() {
            waiting.push(format!("the lists of {}", listing.join(", ")));
        }
        let objects = self.queue.len() + self.paging.len() + self.order.len() + self.flights.len();
        if objects > 0 {
            waiting.push(format!("{objects} objects to be compared"));
        }
        if self.active
            && self.mode == Mode::Run
            && self.batch.failures == 0
            && self.deferral().is_none()
            && !(self.batch.is_empty() && self.git.is_idle())
        {
            waiting.push("the first commit to be pushed".to_owned());
        }
        waiting
    }

    /// Objects that are not in sync, and what is wrong with the remote.
    pub fn standings(&self) -> &Standings {
        &self.standings
    }

    /// Files and documents that are not read as manifests: path, line, reason.
    pub fn skipped_files(&self) -> impl Iterator<Item = (&RepoPath, usize, String)> {
        self.index.skips().map(|skip| (skip.path, skip.line as usize, skip.reason.to_string()))
    }
}
