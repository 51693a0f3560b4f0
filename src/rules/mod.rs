//! The rules file: schema, compiled rules, matching, paths, reload.
//!
//! ```text
//! text -> reader (YAML, keys, types) -> compile (values) -> Rules -> matching, filters, paths, skips
//!              \___ problems, with line and column ___/
//! ```

mod check;
mod choices;
mod compile;
mod duration;
mod expression;
mod field;
mod filter;
mod format;
mod glob;
mod json_schema;
mod matching;
mod naming;
mod notation;
mod placement;
mod position;
mod problem;
mod raw;
mod reader;
pub mod reload;
mod resolve;
mod rule;
mod selector;
pub mod skipped;
mod target;
mod template;
mod transform;
mod values;
mod warnings;

pub use choices::{Conflict, Direction, GitEdits, Prune, Secrets};
pub use duration::display as display_duration;
pub use field::Field;
pub use filter::Filter;
pub use format::{Format, Strategy};
pub use glob::Glob;
pub use json_schema::json_schema;
pub use matching::{Candidate, Mismatch};
pub use naming::PathError;
pub use placement::PathTemplate;
pub use problem::{Fault, Level, Mark, Problem, Problems, Source};
pub use resolve::{FilterError, FilterFault};
pub use rule::{CommitConfig, DeleteLimit, Labels, Limits, Rule, Rules, UrlText};
pub use selector::Selector;
pub use target::{PointerTemplate, Target, TargetStep};
pub use template::{MessageTemplate, MessageValues, trailer};
pub use transform::{Transform, TransformError};

/// A rules file that may be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The rules.
    pub rules: Rules,
    /// What is suspicious; sorted by place.
    pub warnings: Vec<Problem>,
    /// The file's lines, for problems that are found later, with a schema.
    pub source: Source,
}

/// Reads and compiles a rules file. `origin` says where the text came from, for messages.
///
/// # Errors
///
/// Every error that was found, sorted by place. Warnings wait until there is none: they would be about half a file.
pub fn load(text: &str, origin: &str) -> Result<Loaded, Problems> {
    let (mut report, document) = reader::read(text, origin);
    let rules = document.map(|document| compile::compile(&document, &mut report));
    let failed = report.has_errors();
    if let Some(rules) = rules.as_ref().filter(|_| !failed) {
        warnings::warn(&rules.rules, &mut report);
    }
    report.problems.sort_by_key(|problem| (problem.line, problem.column));
    match rules {
        Some(rules) if !failed => Ok(Loaded { rules, warnings: report.problems, source: report.source }),
        _ => {
            report.problems.retain(|problem| problem.level == Level::Error);
            Err(Problems(report.problems))
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
