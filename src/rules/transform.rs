//! Owns what is made of a field's value on its way to Git: an expression in CEL. Must never show a value of an object,
//! nor take more time or memory than its budget.

use std::fmt;
use std::sync::Arc;

use kube_cel::cel::IdedExpr;
use kube_cel::cel::parser::{ParseErrors, Parser};
use serde_json::Value;

use super::problem::Fault;

mod known;
mod meter;
mod reason;
mod rewrite;
mod values;

/// Longest expression, in bytes.
const LONGEST: usize = 4096;
/// Stack of the thread that compiles: a parser is recursive, and its depth is the author's.
const STACK: usize = 64 << 20;
/// Deepest expression that is evaluated on the caller's stack: without optimisation a level takes about 70 KiB.
const SHALLOW: usize = 8;
/// Stack of the thread that evaluates a deeper one.
const DEEP_STACK: usize = 8 << 20;

/// An expression over `value` (the field) and `object` (the whole live object).
#[derive(Clone)]
pub struct Transform {
    text: Arc<str>,
    /// As it is evaluated: each step that makes something is metered.
    program: Arc<IdedExpr>,
    /// Whether it asks for `object`.
    asks_object: bool,
    is_deep: bool,
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

/// What is wrong with an expression, and where in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) fault: Fault,
    /// Line, from 1, and column in characters, from 1.
    pub(super) at: Option<(usize, usize)>,
    /// How many characters are meant.
    pub(super) width: usize,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { fault, at: None, width: 1 }
    }
}

impl Transform {
    /// Compiles an expression.
    ///
    /// # Errors
    ///
    /// When it is no expression, names what nobody knows, or is too large.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        Self::compile(text).map_err(|refusal| refusal.fault)
    }

    /// As [`Transform::parse`], with the place of what is wrong.
    pub(super) fn compile(text: &str) -> Result<Self, Refusal> {
        if text.trim().is_empty() {
            let fault = Fault::new("the expression is empty");
            return Err(fault.hint("leave `transform` out to take the value as it is").into());
        }
        if text.len() > LONGEST {
            return Err(Fault::new(format!("the expression is longer than {LONGEST} bytes")).into());
        }
        let source = text.to_owned();
        let compile = move || -> Result<_, Refusal> {
            let parsed = Parser::new().enable_optional_syntax(true).parse(&source);
            let expression = parsed.map_err(|errors| syntax(&errors))?;
            let depth = known::check(&expression, &source)?;
            let asks_object = expression.references().has_variable("object");
            Ok((rewrite::metered(expression), asks_object, depth > SHALLOW))
        };
        let unreadable = || Refusal::from(Fault::new("the expression cannot be read"));
        let thread = std::thread::Builder::new().name("cel".to_owned()).stack_size(STACK);
        let compiled = meter::quietly(|| thread.spawn(move || meter::quietly(compile)).map(|thread| thread.join()));
        let (program, asks_object, is_deep) = match compiled {
            Ok(Ok(compiled)) => compiled?,
            _ => return Err(unreadable()),
        };
        Ok(Self { text: text.trim().into(), program: Arc::new(program), asks_object, is_deep })
    }

    /// What is written for a field: `value` is the field's, `object` the whole live object. Null means that the field
    /// is left out.
    ///
    /// # Errors
    ///
    /// When the expression fails for this object, gives what no file can hold, or takes more than its budget.
    pub fn evaluate(&self, value: &Value, object: &Value) -> Result<Value, TransformError> {
        let fail = |reason| TransformError { expression: self.text.to_string(), reason };
        let object = self.asks_object.then_some(object);
        let work = || meter::evaluate(&self.program, value, object).map_err(|error| reason::of(&error, &self.text));
        let result = if self.is_deep { with_stack(work) } else { work() };
        values::to_json(&result.map_err(fail)?).map_err(fail)
    }

    /// The expression as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Runs `work` on a thread of its own with a large stack.
fn with_stack<T: Send>(work: impl FnOnce() -> Result<T, String> + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("cel".to_owned()).stack_size(DEEP_STACK);
        let running = thread.spawn_scoped(scope, work).map_err(|error| format!("it needs a thread: {error}"))?;
        running.join().unwrap_or_else(|_| Err("the expression library failed".to_owned()))
    })
}

/// The first thing that the parser did not understand.
fn syntax(errors: &ParseErrors) -> Refusal {
    let Some(error) = errors.errors.first() else { return Fault::new("the expression cannot be read").into() };
    let message = error.msg.strip_prefix("Syntax error: ").unwrap_or(&error.msg);
    // What the parser would have taken instead is a list of its own names.
    let found = message.split(" expecting ").next().unwrap_or(message);
    let found = if found.contains("<EOF>") { "it ends too early" } else { found };
    let fault = Fault::new(format!("not CEL: {found}"));
    let fault = fault.hint("for example value.split(':')[1], or value > 3 ? 3 : value");
    let place = |at: isize| usize::try_from(at).ok().filter(|at| *at > 0);
    Refusal { fault, at: place(error.pos.0).zip(place(error.pos.1)), width: 1 }
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

#[cfg(test)]
mod tests;
