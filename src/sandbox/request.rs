//! Owns the parts of a request that writes: what it is about, how it is to be done, what it brings. Must never act.

use serde_json::Value;

use super::kinds::{Resource, Subresource};
use super::patch::Patch;

/// What a write is about.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub resource: &'static Resource,
    /// Empty for a cluster-scoped object.
    pub namespace: String,
    pub name: String,
    pub subresource: Option<Subresource>,
}

/// What to do with fields that the types do not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Validation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

/// How a write is to be done.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub manager: String,
    pub force: bool,
    pub dry_run: bool,
    pub validation: Validation,
}

/// The body of a write.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Put(Value),
    Patch(Patch),
    Apply(Value),
}
