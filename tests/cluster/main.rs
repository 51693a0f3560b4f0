//! The cluster module against a real API server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/envtest.rs"]
mod envtest;

mod calls;
mod discovery;
mod lease;
mod server;
mod side_channels;
mod support;
mod watch;
