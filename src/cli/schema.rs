//! `kubeferry schema`: the JSON Schema of the rules file, for editors.

use std::process::ExitCode;

use crate::rules::json_schema;

/// Prints the schema. Exits with 0.
///
/// # Errors
/// When standard output is closed.
pub fn schema() -> anyhow::Result<ExitCode> {
    println!("{}", serde_json::to_string_pretty(&json_schema())?);
    Ok(ExitCode::SUCCESS)
}
