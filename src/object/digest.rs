//! Owns the short hash of content. Must never depend on the order of keys or on how a number was spelt.

use std::fmt;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// SHA-256 of some content, cut to 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 16]);

impl Digest {
    /// Digest of bytes as they are.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self::cut(Sha256::new().chain_update(bytes))
    }

    /// Digest of a JSON value: the same for the same keys in another order and for `1` and `1.0`.
    pub fn of_value(value: &Value) -> Self {
        let mut hasher = Sha256::new();
        feed(&mut hasher, value);
        Self::cut(hasher)
    }

    /// Digest of entries in any order, as of an object that holds them.
    pub fn of_entries<'a>(entries: impl IntoIterator<Item = (&'a str, Part<'a>)>) -> Self {
        let mut hasher = Sha256::new();
        feed_entries(&mut hasher, entries.into_iter().collect());
        Self::cut(hasher)
    }

    fn cut(hasher: Sha256) -> Self {
        let mut short = [0; 16];
        short.iter_mut().zip(hasher.finalize()).for_each(|(to, from)| *to = from);
        Self(short)
    }
}

/// What goes into a digest without being copied together first.
#[derive(Debug)]
pub enum Part<'a> {
    /// A value as it is.
    Value(&'a Value),
    /// An object of these entries.
    Entries(Vec<(&'a str, Part<'a>)>),
    /// An array of these values.
    Items(Vec<&'a Value>),
}

fn feed_entries(hasher: &mut Sha256, mut entries: Vec<(&str, Part<'_>)>) {
    hasher.update(b"{");
    hasher.update((entries.len() as u64).to_be_bytes());
    entries.sort_by_key(|(key, _)| *key);
    for (key, part) in entries {
        feed_text(hasher, key);
        match part {
            Part::Value(value) => feed(hasher, value),
            Part::Entries(entries) => feed_entries(hasher, entries),
            Part::Items(items) => feed_items(hasher, items.into_iter()),
        }
    }
}

fn feed_items<'a>(hasher: &mut Sha256, items: impl ExactSizeIterator<Item = &'a Value>) {
    hasher.update(b"[");
    hasher.update((items.len() as u64).to_be_bytes());
    items.for_each(|item| feed(hasher, item));
}

/// Feeds `value` in a form in which no two different values look alike: a tag, then a length or the text itself.
fn feed(hasher: &mut Sha256, value: &Value) {
    match value {
        Value::Null => hasher.update(b"n"),
        Value::Bool(flag) => hasher.update(if *flag { b"t" } else { b"f" }),
        Value::Number(number) => {
            hasher.update(b"#");
            feed_text(hasher, &number_text(number));
        }
        Value::String(text) => {
            hasher.update(b"s");
            feed_text(hasher, text);
        }
        Value::Array(items) => feed_items(hasher, items.iter()),
        Value::Object(map) => {
            feed_entries(hasher, map.iter().map(|(key, value)| (key.as_str(), Part::Value(value))).collect());
        }
    }
}

fn feed_text(hasher: &mut Sha256, text: &str) {
    hasher.update((text.len() as u64).to_be_bytes());
    hasher.update(text.as_bytes());
}

/// Whole numbers that a double holds exactly are spelt as integers.
fn number_text(number: &serde_json::Number) -> String {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT => format!("{float:.0}"),
        _ => number.to_string(),
    }
}

impl std::str::FromStr for Digest {
    type Err = NoDigest;

    /// Reads 32 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, NoDigest> {
        let is_one = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_one.then(|| u128::from_str_radix(text, 16).ok()).flatten().ok_or(NoDigest)?;
        Ok(Self(number.to_be_bytes()))
    }
}

/// A text that is not a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a digest: 32 hexadecimal digits")]
pub struct NoDigest;

impl fmt::Display for Digest {
    /// 32 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parts_have_the_digest_of_the_object_that_they_would_make() {
        let (name, items) = (json!("a"), [json!(1), json!({"x": null})]);
        let metadata = Part::Entries(vec![("name", Part::Value(&name)), ("list", Part::Items(items.iter().collect()))]);
        let whole = json!({"metadata": {"list": [1, {"x": null}], "name": "a"}, "kind": "a"});
        assert_eq!(
            Digest::of_entries([("metadata", metadata), ("kind", Part::Value(&name))]),
            Digest::of_value(&whole)
        );
    }

    #[test]
    fn the_order_of_keys_and_the_spelling_of_whole_numbers_do_not_matter() {
        let one = json!({"a": 1, "b": {"c": [1, 2], "d": null}});
        let other: Value = serde_json::from_str(r#"{"b": {"d": null, "c": [1.0, 2]}, "a": 1e0}"#).unwrap();
        assert_eq!(Digest::of_value(&one), Digest::of_value(&other));
    }

    #[test]
    fn values_that_differ_have_digests_that_differ() {
        let values = [
            json!(null),
            json!(false),
            json!(0),
            json!(""),
            json!("0"),
            json!([]),
            json!({}),
            json!([[]]),
            json!([null]),
            json!(["a", "b"]),
            json!(["ab"]),
            json!(["b", "a"]),
            json!({"a": "b"}),
            json!({"a": null}),
            json!(1.5),
            json!(-1),
        ];
        for (position, one) in values.iter().enumerate() {
            for other in &values[position + 1..] {
                assert_ne!(Digest::of_value(one), Digest::of_value(other), "{one} and {other}");
            }
        }
    }

    #[test]
    fn a_digest_is_read_as_it_is_shown() {
        let digest = Digest::of_bytes(b"a");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for text in ["", "+f", "g3b0c44298fc1c149afbf4c8996fb924", "+3b0c44298fc1c149afbf4c8996fb924"] {
            assert_eq!(text.parse::<Digest>(), Err(NoDigest), "{text}");
        }
    }

    #[test]
    fn a_digest_of_bytes_is_the_beginning_of_sha_256() {
        assert_eq!(Digest::of_bytes(b"").to_string(), "e3b0c44298fc1c149afbf4c8996fb924");
    }
}
