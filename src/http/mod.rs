//! The endpoints of a running controller. Must never know a cluster or a repository: they read the handles that they are
//! given.

pub mod client;
pub mod connection;
pub mod server;

pub use server::{Handles, HttpError, Server};
