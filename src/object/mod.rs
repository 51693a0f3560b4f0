//! What an object is: identity, paths, field sets, schema, cleaning, equality, masking. Pure; imports nothing of the
//! other modules.

mod access;
pub mod clean;
pub mod compare;
pub mod declared;
pub mod defaults;
pub mod digest;
pub mod fieldset;
#[cfg(test)]
mod fixtures;
pub mod identity;
pub mod kind;
pub mod labels;
pub mod managed;
pub mod mask;
pub mod path;
mod projection;
pub mod quantity;
pub mod readiness;
pub mod repo_path;
pub mod schema;
pub mod stamps;

pub use digest::Digest;
pub use fieldset::FieldSet;
pub use identity::{ApiVersion, GroupKind, ObjectId};
pub use kind::{Kind, Kinds};
pub use managed::Manager;
pub use mask::Redacted;
pub use path::{FieldPath, PathElement, Scalar};
pub use repo_path::RepoPath;
pub use schema::{ListKind, Schema, SchemaView};
