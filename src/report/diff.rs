//! Owns how two versions of one text are shown side by side: unified diffs. Must never mask anything itself: it is given
//! texts whose secrets are masked already.

use std::fmt::Write as _;
use std::time::Duration;

use similar::{ChangeTag, TextDiff};

use super::terminal::{Style, escape_line, escape_text, paint};

/// Unchanged lines around a change.
const CONTEXT: usize = 3;
/// After this the diff of two huge texts gets coarser, and stays right.
const PATIENCE: Duration = Duration::from_secs(2);

/// One of the two versions.
#[derive(Clone, Copy, Debug)]
pub struct Version<'a> {
    /// Where it stands, for example `live Deployment.apps shop/web` or `git apps/web.yaml:12`.
    pub title: &'a str,
    /// The whole text; `None` when there is nothing on that side.
    pub text: Option<&'a str>,
}

impl<'a> Version<'a> {
    /// A version that exists.
    pub fn new(title: &'a str, text: &'a str) -> Self {
        Self { title, text: Some(text) }
    }

    /// A side on which there is nothing.
    pub fn absent(title: &'a str) -> Self {
        Self { title, text: None }
    }

    fn header(&self) -> String {
        let absent = if self.text.is_none() { " (absent)" } else { "" };
        format!("{}{absent}", escape_line(self.title))
    }
}

/// The unified diff that turns `old` into `new`; empty when they are equal. In Git to cluster direction `old` is live, in
/// cluster to Git direction `old` is the file. Control characters are escaped.
pub fn unified(old: Version<'_>, new: Version<'_>, colour: bool) -> String {
    if old.text == new.text {
        return String::new();
    }
    let (before, after) = (escape_text(old.text.unwrap_or("")), escape_text(new.text.unwrap_or("")));
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(before.as_ref(), after.as_ref());
    let mut shown = String::new();
    let mut line = |text: &str, style: Option<Style>| {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let painted = style.map_or(text.into(), |style| paint(text, style, colour));
        // Writing to a string does not fail.
        let _ = writeln!(shown, "{painted}");
    };
    line(&format!("--- {}", old.header()), Some(Style::Bold));
    line(&format!("+++ {}", new.header()), Some(Style::Bold));
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        line(&hunk.header().to_string(), Some(Style::Cyan));
        for change in hunk.iter_changes() {
            let (sign, style) = match change.tag() {
                ChangeTag::Delete => ('-', Some(Style::Red)),
                ChangeTag::Insert => ('+', Some(Style::Green)),
                ChangeTag::Equal => (' ', None),
            };
            line(&format!("{sign}{}", change.value()), style);
            if change.missing_newline() {
                line("\\ No newline at end of file", Some(Style::Dim));
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_value_shows_both_places_and_its_surroundings() {
        let live = "spec:\n  replicas: 2\n  paused: true\n";
        let git = "spec:\n  replicas: 3\n  paused: true\n";
        assert_eq!(
            unified(
                Version::new("live Deployment.apps shop/web", live),
                Version::new("git apps/web.yaml:12", git),
                false
            ),
            "--- live Deployment.apps shop/web\n+++ git apps/web.yaml:12\n@@ -1,3 +1,3 @@\n spec:\n-  replicas: 2\n+  replicas: 3\n   paused: true\n"
        );
    }

    #[test]
    fn equal_texts_have_no_diff_and_an_absent_side_is_named() {
        assert_eq!(unified(Version::new("a", "x\n"), Version::new("b", "x\n"), true), "");
        assert_eq!(unified(Version::absent("a"), Version::absent("b"), true), "");
        let made = unified(
            Version::absent("git shop/web.yaml"),
            Version::new("live ConfigMap shop/web", "kind: ConfigMap\n"),
            false,
        );
        assert_eq!(
            made,
            "--- git shop/web.yaml (absent)\n+++ live ConfigMap shop/web\n@@ -0,0 +1 @@\n+kind: ConfigMap\n"
        );
        // An empty file is not an absent one.
        assert!(unified(Version::absent("a"), Version::new("b", ""), false).starts_with("--- a (absent)\n+++ b\n"));
    }

    #[test]
    fn a_missing_last_newline_and_line_endings_are_seen() {
        let shown = unified(Version::new("a", "x\r\ny"), Version::new("b", "x\ny\n"), false);
        assert!(shown.contains("-x\\r\n") && shown.contains("-y\n\\ No newline at end of file\n+x\n+y\n"), "{shown}");
    }

    #[test]
    fn colours_are_ours_alone() {
        let shown = unified(Version::new("a\u{1b}[2J", "k: \u{1b}[31mred\n"), Version::new("b", "k: v\n"), true);
        assert!(shown.contains("\u{1b}[31m-k: \\u{1b}[31mred\u{1b}[0m\n\u{1b}[32m+k: v\u{1b}[0m\n"), "{shown}");
        assert!(shown.contains("--- a\\u{1b}[2J"), "{shown}");
    }
}
