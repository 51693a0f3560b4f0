//! Owns how a scalar reads: by the YAML 1.1 rules of kubectl's reader, then as JSON. Must never take a text for a number
//! that kubectl takes for a string, or the other way round.

use base64::Engine as _;
use serde_json::{Number, Value};

/// What tags of YAML's own begin with.
pub(super) const NAMESPACE: &str = "tag:yaml.org,2002:";

/// What a scalar without quotes means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Plain {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Infinity or not a number: JSON has no such thing.
    NotJson,
    Text,
}

/// Reads a scalar without quotes and without a tag.
pub(super) fn plain(text: &str) -> Plain {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Plain::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Plain::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Plain::Bool(false),
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf"
        | "-.INF" => Plain::NotJson,
        _ if text.starts_with('.') => float(text),
        _ if text.starts_with(|first: char| first.is_ascii_digit() || first == '+' || first == '-') => {
            let digits = text.replace('_', "");
            integer(&digits).unwrap_or_else(|| float(&digits))
        }
        _ => Plain::Text,
    }
}

/// Signed 64-bit integers in decimal, `0x`, `0o`, `0b` and with a leading `0` in octal; what only fits 64 bits without a
/// sign is a double, as in everything that kubectl sends.
fn integer(text: &str) -> Option<Plain> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (radix, digits) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, unsigned.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, unsigned.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, unsigned.get(2..)?),
        [b'0', _, ..] => (8, unsigned.get(1..)?),
        _ => (10, unsigned),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let size = i128::from(u64::from_str_radix(digits, radix).ok()?);
    let value = if text.starts_with('-') { -size } else { size };
    match i64::try_from(value) {
        Ok(int) => Some(Plain::Int(int)),
        Err(_) if unsigned.len() == text.len() => Some(Plain::Float(size as f64)),
        Err(_) => None,
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, when a double can hold it.
fn float(text: &str) -> Plain {
    fn digits(text: &str) -> (usize, &str) {
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        (text.len() - rest.len(), rest)
    }
    let (whole, mut rest) = digits(text.strip_prefix(['+', '-']).unwrap_or(text));
    let mut fraction = 0;
    if let Some(after) = rest.strip_prefix('.') {
        (fraction, rest) = digits(after);
    }
    if whole + fraction == 0 {
        return Plain::Text;
    }
    if let Some(after) = rest.strip_prefix(['e', 'E']) {
        let (exponent, after) = digits(after.strip_prefix(['+', '-']).unwrap_or(after));
        if exponent == 0 {
            return Plain::Text;
        }
        rest = after;
    }
    match text.parse::<f64>() {
        Ok(value) if rest.is_empty() && value.is_finite() => Plain::Float(value),
        _ => Plain::Text,
    }
}

/// A double as kubectl sends it: a whole one that fits 64 bits is an integer.
fn number(value: f64) -> Option<Number> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if value.fract() == 0.0 && value.abs() < LIMIT { Some((value as i64).into()) } else { Number::from_f64(value) }
}

/// `value` with every number as [`plain`] would give it, so that equal numbers are equal values.
pub(super) fn normal(value: &Value) -> Value {
    match value {
        Value::Number(given) if given.as_i64().is_none() => {
            given.as_f64().and_then(number).map_or_else(|| value.clone(), Value::Number)
        }
        Value::Array(items) => items.iter().map(normal).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), normal(value))).collect(),
        _ => value.clone(),
    }
}

/// The JSON value of a scalar without quotes.
///
/// # Errors
///
/// When JSON can't hold it.
pub(super) fn value(text: &str) -> Result<Value, String> {
    Ok(match plain(text) {
        Plain::Null => Value::Null,
        Plain::Bool(flag) => Value::Bool(flag),
        Plain::Int(int) => int.into(),
        Plain::Float(float) => number(float).map_or(Value::Null, Value::Number),
        Plain::Text => text.into(),
        Plain::NotJson => return Err(format!("{text} is a number that JSON can't hold; quote it if it is a text")),
    })
}

/// The JSON value of a scalar with a tag of YAML's own (`str`, `int`, ...).
///
/// # Errors
///
/// When the text is nothing of that type.
pub(super) fn tagged(tag: &str, text: &str) -> Result<Value, String> {
    let read = match tag {
        "str" | "timestamp" => Some(text.into()),
        "binary" => {
            let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            let bytes = base64::engine::general_purpose::STANDARD.decode(packed).ok();
            bytes.and_then(|bytes| String::from_utf8(bytes).ok()).map(Value::String)
        }
        "null" | "bool" | "int" | "float" => {
            let found = plain(text);
            let fits = match tag {
                "null" => found == Plain::Null,
                "bool" => matches!(found, Plain::Bool(_)),
                "int" => matches!(found, Plain::Int(_)),
                _ => matches!(found, Plain::Int(_) | Plain::Float(_)),
            };
            if fits { Some(value(text)?) } else { None }
        }
        _ => Some(text.into()),
    };
    // The text itself may be a secret.
    read.ok_or_else(|| format!("what stands here is no !!{tag}"))
}

/// The map key that a scalar without quotes is.
///
/// # Errors
///
/// When kubectl takes no such key, or would spell the number in another way than it stands there.
pub(super) fn key(text: &str) -> Result<String, String> {
    Ok(match plain(text) {
        Plain::Text => text.to_owned(),
        Plain::Bool(flag) => flag.to_string(),
        Plain::Int(int) => int.to_string(),
        Plain::Float(float) if float == 0.0 || (1e-4..1e6).contains(&float.abs()) => (float as f32).to_string(),
        Plain::Null => return Err("a map key can't be null; quote it".to_owned()),
        Plain::Float(_) | Plain::NotJson => return Err(format!("the map key {text} is a number; quote it")),
    })
}

/// The map key that a value is, when it comes from an alias.
///
/// # Errors
///
/// When it is no scalar, or null.
pub(super) fn key_of(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Null => Err("a map key can't be null; quote it".to_owned()),
        Value::Array(_) | Value::Object(_) => Err("a map key can't be a list or a map".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_read_as_kubectl_reads_them() {
        for (text, wanted) in [
            ("0", json!(0)),
            ("0644", json!(420)),
            ("-0644", json!(-420)),
            ("0o17", json!(15)),
            ("08", json!(8)),
            ("0x1F", json!(31)),
            ("-0b101", json!(-5)),
            ("1_000", json!(1000)),
            ("+12", json!(12)),
            ("1.", json!(1)),
            (".5", json!(0.5)),
            ("1e3", json!(1000)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("18446744073709551615", json!(1.8446744073709552e19)),
            ("1e400", json!("1e400")),
            (".5_0", json!(".5_0")),
            ("+0xFFFFFFFFFFFFFFFF", json!("+0xFFFFFFFFFFFFFFFF")),
            ("0x", json!("0x")),
            ("0b2", json!("0b2")),
            ("1e", json!("1e")),
            (".", json!(".")),
            ("-", json!("-")),
            ("1:30", json!("1:30")),
            ("2024-01-01", json!("2024-01-01")),
            ("1.2.3", json!("1.2.3")),
            ("_1", json!("_1")),
        ] {
            assert_eq!(value(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn a_tag_of_another_type_than_the_text_is_an_error() {
        assert_eq!(tagged("str", "1"), Ok(json!("1")));
        assert_eq!(tagged("float", "1"), Ok(json!(1)));
        assert_eq!(tagged("binary", "aG\n k="), Ok(json!("hi")));
        for (tag, text) in
            [("int", "x"), ("bool", "1"), ("null", "0"), ("float", "x"), ("binary", "%"), ("int", ".inf")]
        {
            assert!(tagged(tag, text).is_err(), "!!{tag} {text}");
        }
    }

    #[test]
    fn keys_are_spelt_as_kubectl_spells_them() {
        for (text, wanted) in [("0x10", "16"), ("1.50", "1.5"), ("yes", "true"), ("1e3", "1000"), ("a", "a")] {
            assert_eq!(key(text), Ok(wanted.to_owned()), "{text}");
        }
        for text in ["~", ".nan", "1e7", "1e-9"] {
            assert!(key(text).is_err(), "{text}");
        }
    }
}
