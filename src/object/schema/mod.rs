//! Owns the reduced view of an OpenAPI schema: what lists merge by, what is atomic, what defaults.

/// The reduced schema of one group-version. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Schema;
