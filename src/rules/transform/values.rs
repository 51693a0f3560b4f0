//! Owns the way of values between JSON and CEL. Must never make two files of one value: what has no order gets one.

use std::collections::HashMap;
use std::sync::Arc;

use kube_cel::cel::Value as Cel;
use kube_cel::cel::objects::{Key, Map, OptionalValue};
use serde_json::{Number, Value};

/// Largest result: what is written to one field, in the units of [`weight`].
const LARGEST: u64 = 65_536;
/// Deepest result.
const DEPTH: usize = 64;

/// The value as expressions see it: whole numbers are `int`, beyond its range `uint`, others `double`.
pub(super) fn from_json(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(flag) => Cel::Bool(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => Cel::Int(int),
            (None, Some(uint)) => Cel::UInt(uint),
            (None, None) => Cel::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(items) => Cel::List(Arc::new(items.iter().map(from_json).collect())),
        Value::Object(entries) => {
            let entry = |(key, value): (&String, &Value)| (Key::String(Arc::new(key.clone())), from_json(value));
            Cel::Map(Map { map: Arc::new(entries.iter().map(entry).collect::<HashMap<_, _>>()) })
        }
    }
}

/// How much a value is: one for each value in it, and one for each 16 bytes of text.
pub(super) fn weight(value: &Cel) -> u64 {
    let text = |length: usize| 1 + u64::try_from(length / 16).unwrap_or(u64::MAX);
    match value {
        Cel::String(string) => text(string.len()),
        Cel::Bytes(bytes) => text(bytes.len()),
        Cel::List(items) => 1 + items.iter().map(weight).sum::<u64>(),
        Cel::Map(map) => {
            let key = |key: &Key| if let Key::String(key) = key { text(key.len()) } else { 1 };
            1 + map.map.iter().map(|(name, value)| key(name) + weight(value)).sum::<u64>()
        }
        _ => 1,
    }
}

/// The value as it is written. The keys of maps are sorted, for they have no order of their own.
///
/// # Errors
///
/// A sentence about the type that no file can hold.
pub(super) fn to_json(value: &Cel) -> Result<Value, String> {
    if weight(value) > LARGEST {
        return Err("its result is too large for a field (about 1 MiB)".to_owned());
    }
    convert(value, DEPTH)
}

fn convert(value: &Cel, depth: usize) -> Result<Value, String> {
    let below = depth.checked_sub(1).ok_or("its result is nested too deeply")?;
    Ok(match value {
        Cel::Null => Value::Null,
        Cel::Bool(flag) => Value::Bool(*flag),
        Cel::Int(number) => Value::from(*number),
        Cel::UInt(number) => Value::from(*number),
        Cel::Float(number) => {
            Value::Number(Number::from_f64(*number).ok_or("its result is no finite number, which JSON cannot hold")?)
        }
        Cel::String(text) => Value::String(text.to_string()),
        Cel::Bytes(_) => return Err("its result is bytes; end it with base64.encode(...) or string(...)".to_owned()),
        Cel::Duration(duration) => Value::String(seconds(duration.num_seconds(), duration.subsec_nanos())),
        Cel::Timestamp(time) => {
            let text = time.to_rfc3339();
            Value::String(text.strip_suffix("+00:00").map_or(text.clone(), |text| format!("{text}Z")))
        }
        Cel::List(items) => Value::Array(items.iter().map(|item| convert(item, below)).collect::<Result<_, _>>()?),
        Cel::Map(map) => {
            let mut entries: Vec<(String, &Cel)> =
                map.map.iter().map(|(key, value)| (key.to_string(), value)).collect();
            entries.sort_by(|(left, _), (right, _)| left.cmp(right));
            if entries.windows(2).any(|pair| matches!(pair, [(left, _), (right, _)] if left == right)) {
                return Err("its result is a map with two keys that are written the same".to_owned());
            }
            let entry = |(key, value)| Ok((key, convert(value, below)?));
            Value::Object(entries.into_iter().map(entry).collect::<Result<_, String>>()?)
        }
        Cel::Opaque(opaque) => match opaque.downcast_ref::<OptionalValue>() {
            Some(optional) => optional.value().map_or(Ok(Value::Null), |value| convert(value, below))?,
            None => return Err(no_text(opaque.runtime_type_name())),
        },
        Cel::Function(..) => return Err("its result is a function".to_owned()),
    })
}

fn no_text(kind: &str) -> String {
    let instead = match kind {
        "kubernetes.Quantity" => {
            "asInteger() or asApproximateFloat(), or compare it and give the text that it came from"
        }
        "net.IP" | "net.CIDR" => "string(...)",
        "kubernetes.Semver" => "major(), minor() and patch()",
        _ => "a function that gives a text or a number",
    };
    format!("its result is a {kind}, which has no form in YAML; use {instead}")
}

/// A duration in seconds, as protobuf writes it: `5400s`, `-1.5s`. Kubernetes reads it too.
fn seconds(whole: i64, nanos: i32) -> String {
    let sign = if whole < 0 || nanos < 0 { "-" } else { "" };
    let fraction = format!(".{:09}", nanos.unsigned_abs());
    format!("{sign}{}{}s", whole.unsigned_abs(), fraction.trim_end_matches('0').trim_end_matches('.'))
}
