//! Owns what is made of a field's value on its way to Git: an expression in CEL. Must never show a value of an object,
//! nor take more time or memory than its budget.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::problem::Fault;

/// An expression over `value` (the field) and `object` (the whole live object).
#[derive(Clone)]
pub struct Transform {
    text: Arc<str>,
}

/// Why an expression gave no value. Never holds a value of the object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the transform `{expression}` failed: {reason}")]
pub struct TransformError {
    /// The expression.
    pub expression: String,
    /// What went wrong.
    pub reason: String,
}

impl Transform {
    /// Compiles an expression.
    ///
    /// # Errors
    ///
    /// When it is no expression.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text.trim().is_empty() {
            return Err(Fault::new("the expression is empty").hint("leave `transform` out to take the value as it is"));
        }
        Ok(Self { text: text.into() })
    }

    /// What is written for a field: `value` is the field's, `object` the whole live object. Null means that the field
    /// is left out.
    ///
    /// # Errors
    ///
    /// When the expression fails for this object, or would take more than its budget.
    pub fn evaluate(&self, _value: &Value, _object: &Value) -> Result<Value, TransformError> {
        Err(TransformError { expression: self.text.to_string(), reason: "not possible yet".to_owned() })
    }
}

impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}
