//! Owns what verbs print on standard output. Must never take a reader that has seen enough for a failure.

use std::fmt::Display;
use std::io::{self, Write as _};

/// Prints `text` as it is.
///
/// # Errors
/// When standard output cannot be written for another reason than that its reader has gone.
pub fn say(text: impl Display) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}
