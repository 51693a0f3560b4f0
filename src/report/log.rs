//! Owns how log lines look: text for people, JSON for machines. Must never let a control character of a field through, so
//! that whoever names an object cannot write to the terminal of who reads the log.

use std::fmt::{self, Write as _};
use std::io;

use tracing::Dispatch;
use tracing::field::{Field, Visit};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{FormatFields, Writer};
use tracing_subscriber::fmt::{MakeWriter, SubscriberBuilder};
use tracing_subscriber::util::SubscriberInitExt;

use super::progress::Progress;
use super::terminal::{self, escape_line};

/// The variables that name the level, the first that is set wins.
const VARIABLES: [&str; 2] = ["KUBEFERRY_LOG", "RUST_LOG"];

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `2026-11-21T08:00:00.000000Z  INFO kubeferry::sync: created Deployment.apps shop/web side=cluster`, coloured on a
    /// terminal.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level does not parse.
    #[error("{variable}: {message}; write for example `info` or `info,kubeferry::sync=debug`")]
    Level {
        /// Where it was given.
        variable: &'static str,
        /// What is wrong.
        message: String,
    },
    /// Something else has set a global logger before.
    #[error("logging was started twice")]
    Started,
}

/// Starts logging to standard error, at level `default` unless the environment says otherwise, above `progress` where that draws a bar. Once per process.
///
/// # Errors
/// When the level in the environment does not parse, or logging has started before.
pub fn init(encoding: Encoding, progress: &Progress, default: &str) -> Result<(), LogError> {
    let (variable, directives) = directives(|name| std::env::var(name).ok(), default);
    let colour = encoding == Encoding::Text && terminal::colour(&io::stderr());
    let filter = filter(variable, &directives)?;
    let progress = progress.clone();
    let writer = move || AboveProgress(progress.clone());
    // Takes lines of libraries that use `log` along.
    dispatch(encoding, colour, filter, writer).try_init().map_err(|_| LogError::Started)
}

/// The level and the variable that gave it; an empty one counts as unset.
fn directives(variable: impl Fn(&str) -> Option<String>, default: &str) -> (&'static str, String) {
    let set = |name: &'static str| variable(name).filter(|text| !text.trim().is_empty()).map(|text| (name, text));
    VARIABLES.into_iter().find_map(set).unwrap_or(("", default.to_owned()))
}

fn filter(variable: &'static str, directives: &str) -> Result<EnvFilter, LogError> {
    let message = |error: tracing_subscriber::filter::ParseError| error.to_string();
    EnvFilter::builder().parse(directives).map_err(|error| LogError::Level { variable, message: message(error) })
}

fn dispatch<W>(encoding: Encoding, colour: bool, filter: EnvFilter, writer: W) -> Dispatch
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let builder: SubscriberBuilder = tracing_subscriber::fmt();
    match encoding {
        Encoding::Text => {
            let lines = builder.with_ansi(colour).fmt_fields(EscapedFields).with_env_filter(filter);
            Dispatch::new(lines.with_writer(writer).finish())
        }
        Encoding::Json => {
            let lines = builder.json().flatten_event(true).with_current_span(false).with_env_filter(filter);
            Dispatch::new(lines.with_writer(EscapedJson(writer)).finish())
        }
    }
}

/// Fields as `message key=value`, values escaped, and quoted where they hold spaces.
struct EscapedFields;

impl<'w> FormatFields<'w> for EscapedFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut line = Line { writer, first: true, result: Ok(()) };
        fields.record(&mut line);
        line.result
    }
}

struct Line<'w> {
    writer: Writer<'w>,
    first: bool,
    result: fmt::Result,
}

impl Line<'_> {
    fn add(&mut self, name: &str, value: &str) -> fmt::Result {
        if !std::mem::take(&mut self.first) {
            self.writer.write_char(' ')?;
        }
        let value = escape_line(value);
        if name == "message" {
            return self.writer.write_str(&value);
        }
        let dim = self.writer.has_ansi_escapes();
        let key = format!("{}=", name.trim_start_matches("r#"));
        self.writer.write_str(&terminal::paint(&key, terminal::Style::Dim, dim))?;
        if value.is_empty() || value.contains([' ', '"', '=']) {
            write!(self.writer, "\"{}\"", value.replace('"', "\\\""))
        } else {
            self.writer.write_str(&value)
        }
    }
}

impl Visit for Line<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        // What the bridge from `log` adds has been handled.
        if self.result.is_ok() && !field.name().starts_with("log.") {
            self.result = self.add(field.name(), value);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_str(field, &value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// Writes JSON whose strings hold what JSON itself lets through: direction marks and the upper control characters.
struct EscapedJson<W>(W);

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for EscapedJson<W> {
    type Writer = EscapedJson<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        EscapedJson(self.0.make_writer())
    }
}

impl<W: io::Write> io::Write for EscapedJson<W> {
    /// An event is written by one call, so no character is ever cut in two.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Most lines hold nothing that could be hostile.
        if bytes.strip_suffix(b"\n").unwrap_or(bytes).iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return self.0.write_all(bytes).map(|()| bytes.len());
        }
        let text = String::from_utf8_lossy(bytes);
        let body = text.strip_suffix('\n').unwrap_or(&text);
        let mut escaped = String::with_capacity(text.len());
        for character in body.chars() {
            if terminal::is_hostile(character) {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    write!(escaped, "\\u{unit:04x}").map_err(io::Error::other)?;
                }
            } else {
                escaped.push(character);
            }
        }
        escaped.push_str(if body.len() < text.len() { "\n" } else { "" });
        self.0.write_all(escaped.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Standard error, with the progress bar out of the way while it is written to.
struct AboveProgress(Progress);

impl io::Write for AboveProgress {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspended(|| io::stderr().lock().write_all(bytes)).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(encoding: Encoding, colour: bool, log: impl FnOnce()) -> String {
        let page = Page::default();
        let writer = page.clone();
        let filter = filter("", "info").unwrap();
        tracing::dispatcher::with_default(&dispatch(encoding, colour, filter, move || writer.clone()), log);
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    const HOSTILE: &str = "web\u{1b}[2J\u{202e}gpj\u{9b}x\r\nINFO forged";

    #[test]
    fn text_lines_hold_message_and_fields_and_are_always_one_line() {
        let text = logged(Encoding::Text, false, || {
            tracing::info!(object = HOSTILE, empty = "", fields = tracing::field::debug(HOSTILE), "applied {HOSTILE}");
            tracing::debug!("below the level");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        let wanted = concat!(
            r"applied web\u{1b}[2J\u{202e}gpj\u{9b}x\r\nINFO forged ",
            r#"object="web\u{1b}[2J\u{202e}gpj\u{9b}x\r\nINFO forged" empty="" fields="#
        );
        assert!(text.contains(wanted), "{text}");
        assert!(text.contains(" INFO kubeferry::report::log::tests: "), "{text}");
        assert!(!text.trim_end().chars().any(terminal::is_hostile), "{text}");
    }

    #[test]
    fn a_missing_field_is_not_shown_and_colour_is_only_in_our_own_marks() {
        let text = logged(Encoding::Text, true, || tracing::warn!(rule = None::<&str>, object = HOSTILE, "held"));
        assert!(!text.contains("rule"), "{text}");
        assert!(text.contains("\u{1b}[2mobject=\u{1b}[0m\"web\\u{1b}[2J"), "{text}");
    }

    #[test]
    fn json_lines_keep_the_value_and_hold_no_raw_control_character() {
        let text = logged(Encoding::Json, false, || tracing::error!(object = HOSTILE, tag = "\u{e0041}", "failed"));
        assert!(!text.trim_end().chars().any(terminal::is_hostile), "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((line["object"].as_str(), line["tag"].as_str()), (Some(HOSTILE), Some("\u{e0041}")));
        assert_eq!((line["level"].as_str(), line["message"].as_str()), (Some("ERROR"), Some("failed")));
        let timestamp = line["timestamp"].as_str().unwrap();
        assert!(timestamp.len() == "2026-11-21T08:00:00.000000Z".len() && timestamp.ends_with('Z'), "{timestamp}");
    }

    #[test]
    fn our_own_variable_wins_and_a_bad_level_is_an_error() {
        let both = |name: &str| Some(name.to_lowercase());
        assert_eq!(directives(both, "info"), ("KUBEFERRY_LOG", "kubeferry_log".into()));
        assert_eq!(directives(|name| (name == "RUST_LOG").then(|| "warn".into()), "info"), ("RUST_LOG", "warn".into()));
        assert_eq!(directives(|_| Some(" ".into()), "info"), ("", "info".into()));
        let error = filter("RUST_LOG", "kubeferry=loud").unwrap_err().to_string();
        assert!(error.starts_with("RUST_LOG: ") && error.contains("info,kubeferry::sync=debug"), "{error}");
    }
}
