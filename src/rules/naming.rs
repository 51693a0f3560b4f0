//! Owns what the fields of path templates stand for, and why an object may have no place. Must never let what an object
//! is called, labelled or annotated with steer a path.

use serde_json::Value;

use crate::object::repo_path::RepoPathError;
use crate::object::{Kind, ObjectId};

use super::expression::{Expression, Source, Vocabulary};
use super::problem::Fault;

/// Longest name of a file or folder that every common file system takes, in bytes.
pub(super) const LONGEST_NAME: usize = 255;
/// What the templates of paths know.
pub(super) const NAMES: Vocabulary = Vocabulary {
    fields: &[".Namespace", ".Name", ".Kind", ".Group", ".Version", ".Resource"],
    maps: &[".Labels", ".Annotations"],
};
/// Annotations that hold the object itself, for a Secret its values.
const WHOLE_OBJECTS: [&str; 1] = ["kubectl.kubernetes.io/last-applied-configuration"];

/// Why an object has no path for a new file, or no place in one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A `/` in what a field stands for would make folders that nobody asked for.
    #[error(
        "{expression} of {object} holds a `/` or `\\`; write its manifest by hand, or add `| replace \"/\" \"-\"` to \
         the rule's template"
    )]
    Slash {
        /// The object.
        object: ObjectId,
        /// The template's expression.
        expression: String,
    },
    /// A file or folder name that a checkout could not hold.
    #[error(
        "the path of {object} has a name of {bytes} bytes, at most {LONGEST_NAME} are possible; shorten the rule's \
         template, for example with `trunc 63`"
    )]
    TooLong {
        /// The object.
        object: ObjectId,
        /// Length of the name.
        bytes: usize,
    },
    /// Nothing is left of the file's name but its ending.
    #[error("the path of {object} has no file name: what `{template}` names is empty there; add `| default \"name\"`")]
    NoName {
        /// The object.
        object: ObjectId,
        /// The rule's template.
        template: String,
    },
    /// A key that would be empty.
    #[error("{expression} of {object} is empty and cannot be a key; add `| default \"name\"`")]
    EmptyKey {
        /// The object.
        object: ObjectId,
        /// The part of the template.
        expression: String,
    },
    /// A place in the manifest that says which object it is.
    #[error("`{template}` of {object} names a field that is never carried; it identifies the object")]
    Identity {
        /// The object.
        object: ObjectId,
        /// The template.
        template: String,
    },
    /// The result names something outside of the folder, or Git's own.
    #[error("the path of {object} is not possible: {source}")]
    Refused {
        /// The object.
        object: ObjectId,
        /// What is wrong with it.
        source: RepoPathError,
    },
}

/// An object as templates see it.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) id: &'a ObjectId,
    pub(super) kind: &'a Kind,
    pub(super) object: &'a Value,
}

impl<'a> Subject<'a> {
    /// What a source stands for; nothing is the empty text.
    pub(super) fn value(&self, source: &Source) -> &'a str {
        match source {
            Source::Field(field) => name(field, self.id, Some(self.kind)).unwrap_or_default(),
            Source::Entry(map, key) => {
                let map = if *map == ".Labels" { "labels" } else { "annotations" };
                let entries = self.object.get("metadata").and_then(|metadata| metadata.get(map));
                entries.and_then(|entries| entries.get(&**key)).and_then(Value::as_str).unwrap_or_default()
            }
        }
    }

    /// What an expression stands for.
    pub(super) fn evaluate(&self, expression: &Expression) -> String {
        expression.evaluate(&|source| self.value(source))
    }
}

/// What a field stands for; `None` when that depends on the kind and it is not known.
pub(super) fn name<'a>(field: &str, id: &'a ObjectId, kind: Option<&'a Kind>) -> Option<&'a str> {
    Some(match field {
        ".Namespace" => id.namespace().unwrap_or(""),
        ".Name" => id.name(),
        ".Kind" => id.kind(),
        ".Group" => id.group(),
        ".Version" => kind?.preferred_version(),
        _ => kind?.plural.as_str(),
    })
}

/// Refuses an expression that could put the values of a Secret into a path.
pub(super) fn allow(expression: &Expression) -> Result<(), Fault> {
    let tells_all = |source: &Source| matches!(source, Source::Entry(_, key) if WHOLE_OBJECTS.contains(&&**key));
    if expression.asks(&tells_all) {
        let fault = Fault::new(format!("`{expression}` holds the whole object, which does not belong in a path"));
        return Err(fault.hint("take a label or another annotation"));
    }
    Ok(())
}
