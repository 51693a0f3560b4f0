//! Owns what the engine keeps over restarts. Must never take for agreed what the kept state does not say.

use crate::cluster::{Cluster, StateText};
use crate::repository::Remote;

use super::super::clock::Clock;
use super::Engine;

impl<C: Cluster, R: Remote, K: Clock> Engine<C, R, K> {
    /// Somebody changed what is kept, or it is the echo of our own write.
    pub(super) fn state_changed(&mut self, _state: Option<StateText>) {}
}
