//! One file per verb.

pub mod args;
pub mod names;
pub mod status;
