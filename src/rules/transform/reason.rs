//! Owns what is said of an evaluation that failed. Must never repeat a value: the object may be a Secret, and the
//! library's own messages quote what they are about.

use kube_cel::cel::{ExecutionError, Value};

use super::meter::Failure;
use super::rewrite::{LAYOUT, PLAIN};

/// Why there is no value, without any part of the object.
pub(super) fn of(failure: &Failure, expression: &str) -> String {
    match failure {
        Failure::Error(error) => of_error(error, expression),
        Failure::Spent => {
            "it takes more time or memory than a transform may; go over fewer items, or make shorter texts".to_owned()
        }
        Failure::Panic => "the expression library failed; write it in another way".to_owned(),
    }
}

fn of_error(error: &ExecutionError, expression: &str) -> String {
    match error {
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("a function takes {expected} arguments, not {actual}")
        }
        ExecutionError::MissingArgumentOrTarget => "a function lacks an argument".to_owned(),
        // A key that the expression does not name itself comes from the object.
        ExecutionError::NoSuchKey(key) if expression.contains(key.as_str()) => {
            format!("there is no `{key}`; ask with has(...), or take `.?{key}.orValue(...)`")
        }
        ExecutionError::NoSuchKey(_) => "a map has no such key".to_owned(),
        ExecutionError::UndeclaredReference(name) if expression.contains(name.as_str()) => {
            format!("`{name}` is not known")
        }
        ExecutionError::FunctionError { function, message } if function == LAYOUT || function == PLAIN => {
            message.clone()
        }
        ExecutionError::FunctionError { function, .. } if expression.contains(function.as_str()) => {
            format!("`{function}` cannot take what it is given")
        }
        ExecutionError::NotSupportedAsMethod { method, target } if expression.contains(method.as_str()) => {
            format!("`{method}` cannot be called on a {}", kind(target))
        }
        ExecutionError::UnsupportedTargetType { target } => format!("a function does not take a {}", kind(target)),
        ExecutionError::UnsupportedUnaryOperator(_, value) => format!("an operator does not take a {}", kind(value)),
        ExecutionError::UnsupportedBinaryOperator(name, left, right) => {
            format!("`{name}` does not take a {} and a {}", kind(left), kind(right))
        }
        ExecutionError::ValuesNotComparable(left, right) => {
            format!("a {} and a {} cannot be compared", kind(left), kind(right))
        }
        ExecutionError::UnsupportedKeyType(value) | ExecutionError::UnsupportedMapIndex(value) => {
            format!("a {} is no key of a map", kind(value))
        }
        ExecutionError::UnsupportedListIndex(value) => format!("a {} is no position in a list", kind(value)),
        ExecutionError::UnsupportedIndex(index, value) => {
            format!("a {} cannot be indexed with a {}", kind(value), kind(index))
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "it divides by zero".to_owned(),
        ExecutionError::Overflow(..) => "a number is too large".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "a list has fewer items; ask its size(...)".to_owned(),
        _ => "a function or operator is given a type that it does not take; convert it with int(), string() ..."
            .to_owned(),
    }
}

fn kind(value: &Value) -> String {
    value.type_of().to_string()
}
