//! The engine through [`Engine::step`](kubeferry::sync::engine::Engine::step) alone, between a cluster and a branch in
//! memory, on a clock that only the test moves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/memory_cluster.rs"]
mod memory_cluster;
#[path = "../support/memory_remote.rs"]
mod memory_remote;
#[path = "../support/pace.rs"]
mod pace;

mod both;
mod deleting;
mod fence;
mod fights;
mod git;
mod guards;
mod handover;
mod large;
mod order;
mod places;
mod refused;
mod remembering;
mod rounds;
mod scenarios;
mod world;
