//! Owns what a rule is limited to: a path pattern that is known to be right. Must never name what identifies an object.

use std::fmt;

use crate::object::Scalar;

use super::notation;
use super::problem::{Fault, Mark};

/// A path pattern that limits a rule to some fields; it covers everything below what it names.
#[derive(Clone)]
pub struct Filter {
    text: Box<str>,
    pub(super) steps: Vec<Step>,
    /// Where it stands in the rules file.
    pub(super) mark: Mark,
}

/// One step of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A key of a map.
    Field(Box<str>),
    /// Digits in a JSON Pointer: a position in a list, a key in a map.
    Digits(usize, Box<str>),
    /// The item at a position.
    Index(usize),
    /// Every item of a list, every value of a map.
    Each,
    /// The items whose keys have these values.
    Where(Vec<(Box<str>, Scalar)>),
    /// The item of a set with this value.
    Value(Scalar),
}

/// Fields of `metadata` that no rule carries, because they identify the object or belong to the API server.
const NOT_CARRIED: [&str; 13] = [
    "name",
    "namespace",
    "generateName",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
    "ownerReferences",
    "clusterName",
];

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    ///
    /// When it is no path, names everything, or names what identifies an object.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let written = text.trim();
        let steps = notation::steps(written)?;
        if steps.is_empty() {
            let fault = Fault::new(format!("`{text}` names no field"));
            return Err(fault.hint("to cover every field leave `filters` out"));
        }
        let field = |position: usize| match steps.get(position) {
            Some(Step::Field(name)) => Some(&**name),
            _ => None,
        };
        carried(field(0), field(1))?;
        Ok(Self { text: written.into(), steps, mark: Mark::START })
    }

    /// Whether it names `status` or a field below it.
    pub fn is_status(&self) -> bool {
        matches!(self.steps.first(), Some(Step::Field(name)) if **name == *"status")
    }

    /// The filter as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether everything that `other` covers is surely covered. May say no where the answer is yes.
    pub(super) fn covers(&self, other: &Self) -> bool {
        other.steps.starts_with(&self.steps)
    }
}

/// Refuses a path, by its first two keys, to what identifies an object or belongs to the API server.
pub(super) fn carried(first: Option<&str>, second: Option<&str>) -> Result<(), Fault> {
    match (first, second) {
        (Some(name @ ("apiVersion" | "kind")), _) => {
            Err(Fault::new(format!("`{name}` says which object it is and cannot go its own way")))
        }
        (Some("metadata"), Some(name)) if NOT_CARRIED.contains(&name) => {
            let fault = Fault::new(format!(
                "`metadata.{name}` is never carried: it identifies the object or is set by the server"
            ));
            Err(fault.hint("of metadata, labels and annotations are carried"))
        }
        _ => Ok(()),
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests;
