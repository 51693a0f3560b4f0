//! Documents in Git: reading, indexing, editing bytes, placing and writing new ones.

mod document;
mod edit;
mod file;
mod index;
mod kustomize;
mod listing;
mod load;
mod place;
mod quote;
mod render;
mod scalar;
mod set;
mod skip;
mod tree;
mod write;

pub use document::{Document, split};
pub use edit::{Edited, Obstacle, Refusal, Why, edit, read, remove};
pub use file::{Manifest, ManifestFile, PRUNE_ANNOTATION, is_manifest_path};
pub use index::{Entry, Found, Fragment, Index, NoOverlay, Overlay, PatchPaths, Skipped};
pub use kustomize::Kustomization;
pub use listing::{Listing, list, unlist};
pub use load::{Caps, LoadError};
pub use place::Place;
pub use render::{is_json, render, render_for};
pub use set::{SetError, Step, open, put, set, shown, value_at};
pub use skip::{Reason, Shows, Skip};
