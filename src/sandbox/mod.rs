//! An embedded API server for the demo and for fast tests. Never imported by the production path.
//!
//! It serves Namespaces, ConfigMaps, Secrets, Services, Deployments, Leases and Events, and an empty list of
//! CustomResourceDefinitions, as kube-apiserver 1.36 does: discovery, OpenAPI, lists with pages, watches, every kind of
//! patch, server-side apply with `managedFields`, scale, status, tables. `tests/conformance` asks the same questions of it
//! and of a real server.
//!
//! ```text
//!  HTTP    server -> handle -> route (path, query)         respond, table, discovery, openapi: forms of answers
//!                       |  \-> list, watch
//!  verbs             store, verbs -> write, body (one write, pure) -> decode, typed, defaults, validate, allocate, patch, scale
//!                       |                  \-> tracker (who owns what) -> compare, merge, managers
//!  state             storage (objects, versions, bounded history)          kinds, types: what is served
//! ```

mod allocate;
mod body;
mod compare;
mod controllers;
mod decode;
mod defaults;
mod discovery;
mod events;
mod handle;
mod kinds;
mod list;
mod managers;
mod merge;
mod openapi;
mod patch;
mod protobuf;
mod quantity;
mod request;
mod respond;
mod route;
mod scale;
mod selector;
mod server;
mod status;
mod storage;
pub mod store;
mod table;
mod tracker;
mod typed;
mod types;
mod validate;
mod verbs;
mod watch;
mod write;

pub use server::{SandboxError, Server};
pub use store::Store;
