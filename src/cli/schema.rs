//! `kubeferry schema`: the JSON Schema of the rules file, for editors.

use std::process::ExitCode;

use crate::rules::json_schema;

use super::say::say;

/// Prints the schema. Exits with 0.
///
/// # Errors
/// When standard output cannot be written.
pub fn schema() -> anyhow::Result<ExitCode> {
    say(format_args!("{}\n", serde_json::to_string_pretty(&json_schema())?))?;
    Ok(ExitCode::SUCCESS)
}
