//! What an object is: identity, paths, field sets, schema, cleaning, equality, masking. Pure; imports nothing of the
//! other modules.

pub mod identity;
pub mod kind;
pub mod path;
pub mod repo_path;
pub mod schema;

pub use identity::{ApiVersion, GroupKind, ObjectId};
pub use kind::{Kind, Kinds};
pub use path::{FieldPath, PathElement, Scalar};
pub use repo_path::RepoPath;
