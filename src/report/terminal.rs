//! Owns what may be written to a terminal: colours, and the escaping of text that others chose. Must never let a control
//! character of an object's name, a file or a server's message through.

use std::borrow::Cow;
use std::io::IsTerminal;

/// Whether `character` could move the cursor, change colours, or show text in another order than it is stored.
pub(super) fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' // invisible marks
            | '\u{2028}' | '\u{2029}'                         // line and paragraph separators
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' // bidirectional overrides and isolates
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn escape_unless(text: &str, harmless: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(|character| is_hostile(character) && !harmless(character)) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_hostile(character) && !harmless(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// `text` as one line: control and direction-changing characters, line ends and tabs among them, become `\n`, `\u{1b}` ...
pub fn escape_line(text: &str) -> Cow<'_, str> {
    escape_unless(text, |_| false)
}

/// `text` with its line ends and tabs kept and every other control or direction-changing character escaped.
pub fn escape_text(text: &str) -> Cow<'_, str> {
    escape_unless(text, |character| matches!(character, '\n' | '\t'))
}

/// Whether colours are wanted on `stream`: it is a terminal, `NO_COLOR` is empty or unset and `TERM` is not `dumb`.
pub fn colour(stream: &impl IsTerminal) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The few styles that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Headings.
    Bold,
    /// What matters less.
    Dim,
    /// Removed lines, failures.
    Red,
    /// Added lines, success.
    Green,
    /// What waits or is held.
    Yellow,
    /// Places in a diff.
    Cyan,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Red => "31",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Cyan => "36",
        }
    }
}

/// `text` in `style` when `colour` is on. Does not escape: what others chose goes through [`escape_line`] first.
pub fn paint(text: &str, style: Style, colour: bool) -> Cow<'_, str> {
    if colour && !text.is_empty() {
        Cow::Owned(format!("\u{1b}[{}m{text}\u{1b}[0m", style.code()))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_hostile_name_cannot_write_to_the_terminal() {
        assert_eq!(
            escape_line("web\u{1b}[2J\r\nok\u{202e}gpj.exe\u{9b}31m"),
            r"web\u{1b}[2J\r\nok\u{202e}gpj.exe\u{9b}31m"
        );
        assert!(matches!(escape_line("Grüße, 世界 👩🏽‍💻"), Cow::Borrowed(_)));
        assert_eq!(escape_text("a:\n\tb\r\u{7}"), "a:\n\tb\\r\\u{7}");
    }

    #[test]
    fn paint_is_silent_without_colour() {
        assert_eq!(paint("held", Style::Yellow, true), "\u{1b}[33mheld\u{1b}[0m");
        assert_eq!(paint("held", Style::Yellow, false), "held");
    }

    proptest! {
        #[test]
        fn nothing_hostile_survives_and_escaping_twice_is_escaping_once(text in any::<String>()) {
            let once = escape_line(&text).into_owned();
            prop_assert!(!once.chars().any(is_hostile));
            prop_assert_eq!(escape_line(&once), once.as_str());
        }
    }
}
