//! Documents in Git: reading, indexing, editing bytes, placing and writing new ones.

mod document;
mod load;
mod scalar;

pub use document::{Document, split};
pub use load::{Caps, LoadError};
