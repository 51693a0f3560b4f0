use super::*;
use crate::manifest::load::{Caps, load};
use serde_json::json;

/// What some reader or other takes for something else, or can't hold without quotes.
#[rustfmt::skip]
pub(in crate::manifest) const TRICKY: [&str; 80] = [
    "", " ", "~", "null", "Null", "yes", "no", "on", "off", "y", "n", "Y", "YES", "True", "TRUE", "oFF", "0", "0644", "08",
    "0o644", "0x1F", "0b101", "1_000", "1__0", "+12", "-1", "1.", ".5", "1.10", "1e3", "12e03", "1234567e8", ".inf", "-.INF",
    ".nan", "1:30", "12:30:45", "22:22", "2024-01-01", "2024-01-01T00:00:00Z", "2024-1-1 1:2:3 +1", "<<", "=", "-", "- a", "?",
    "? a", ":", ": a", "a: b", "a:", "a #b", "#a", "*a", "&a", "!a", "%a", "@a", "`a", "{a}", "[a]", "a, b", "a]", "|", ">",
    "'a'", "\"a\"", "---", "--- a", "...", " a", "a ", "a\tb", "a\rb", "a\u{0}b", "a\u{85}b", "a\u{2028}b", "\u{feff}a",
    "a\u{7f}", "a\\b'c\"",
];

#[test]
fn tricky_texts_come_back_as_they_are() {
    for text in TRICKY {
        for like in [None, Some(ScalarStyle::Plain), Some(ScalarStyle::SingleQuoted), Some(ScalarStyle::DoubleQuoted)] {
            let block = scalar(&json!(text), like, Context::Block);
            let in_flow = flow(&json!({text: [text]}), Context::Block);
            let document = format!("0k: {block}\nf: {in_flow}\n{}: 1\n", key(text, Context::Block));
            let read = load(&document, &Caps::default());
            assert_eq!(read, Ok(json!({"0k": text, "f": {text: [text]}, text: 1})), "{document}");
        }
        let json_text = flow(&json!({text: [text, 1.5, null]}), Context::Json);
        assert_eq!(serde_json::from_str::<Value>(&json_text).unwrap(), json!({text: [text, 1.5, null]}));
    }
    let plain: Vec<_> = TRICKY.into_iter().filter(|text| is_plain(text, Context::Block)).collect();
    assert_eq!(plain, ["a, b", "a]", "a\\b'c\""]);
}

#[test]
#[rustfmt::skip]
fn ordinary_texts_need_no_quotes() {
    for text in [
        "nginx:1.25", "v1", "1.2.3", "500m", "256Mi", "--port=8080", "-x", "a-b", "http://x/#f", "a'b", "é", "50%", "10.0.0.1",
        "app=web", "12Gi", "1d",
    ] {
        assert!(is_plain(text, Context::Block) && is_plain(text, Context::Flow), "{text}");
    }
}

#[test]
fn the_style_that_stood_there_stays() {
    let with = |text: &str, like| scalar(&json!(text), Some(like), Context::Block);
    assert_eq!(with("it's", ScalarStyle::SingleQuoted), "'it''s'");
    assert_eq!(with("a\nb", ScalarStyle::SingleQuoted), "\"a\\nb\"");
    assert_eq!(with("a", ScalarStyle::DoubleQuoted), "\"a\"");
    assert_eq!(with("a", ScalarStyle::Plain), "a");
    assert_eq!(scalar(&json!(5), Some(ScalarStyle::DoubleQuoted), Context::Block), "5");
}
