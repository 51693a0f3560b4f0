//! kubeferry carries Kubernetes objects both ways between one Git repository and one cluster.
//!
//! ```text
//!             rules file (mounted ConfigMap, hot reload)
//!                  |
//!                  v
//!  Git remote --> repository --> index ----\                      /--> cluster: server-side apply, delete
//!    fetch        (bare clone,   (identity  \                    /
//!                  blobs by id)   -> place)  +-> planner -> plan +
//!                                           /   (pure)           \
//!  API server --> watches -----> live ------/                     \--> repository: edit bytes, commit, push
//!    list+watch   (per kind)     (hashes)
//! ```
//!
//! Imports point one way: [`object`] <- [`rules`], [`manifest`] <- [`sync`]'s planner; [`repository`], [`cluster`] and
//! [`http`] do not know each other; only [`sync`]'s engine and [`cli`] see all of them.

pub mod cli;
pub mod cluster;
pub mod http;
pub mod manifest;
pub mod object;
pub mod report;
pub mod repository;
pub mod rules;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod sync;
