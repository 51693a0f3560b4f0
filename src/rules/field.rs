//! Owns one entry of what a rule is limited to: the field, and how its value reaches Git. Must never be about more than
//! one rule.

use std::fmt;

use super::filter::Filter;
use super::target::Target;
use super::transform::Transform;

/// A field that a rule carries.
#[derive(Clone, Debug)]
pub struct Field {
    /// Which field of the object it is, with everything below it.
    pub filter: Filter,
    /// What is made of the value before it is written to Git; `None`: it stays as it is.
    pub transform: Option<Transform>,
    /// Where it is written; `None`: where it stands in the object.
    pub to: Option<Target>,
}

impl From<Filter> for Field {
    fn from(filter: Filter) -> Self {
        Self { filter, transform: None, to: None }
    }
}

impl fmt::Display for Field {
    /// The path, and how it is carried: `/spec/replicas`, `/spec/replicas (transformed) -> values.yaml#/replicas`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.filter, f)?;
        if self.transform.is_some() {
            f.write_str(" (transformed)")?;
        }
        match &self.to {
            Some(target) => write!(f, " -> {target}"),
            None => Ok(()),
        }
    }
}
