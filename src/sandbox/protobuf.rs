//! Owns the reading of objects that clients send as protobuf (`kubectl create namespace` does). Must never write any:
//! every client also reads JSON.

use std::collections::HashMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::types::{Type, fixture, types};

/// The media type.
pub(super) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";
/// How every body begins.
const MAGIC: &[u8] = b"k8s\0";
const MAX_DEPTH: usize = 50;

/// What a number of a message stands for.
#[derive(Clone, Debug)]
enum Slot {
    Field(String),
    /// Fields that JSON has in the type around them.
    Inline(String),
}

type Slots = HashMap<u64, Slot>;

/// The numbers of each type, by its full name.
fn slots(name: &str) -> Option<&'static Slots> {
    static SLOTS: LazyLock<HashMap<String, Slots>> = LazyLock::new(|| {
        let all = fixture().get("wire").and_then(Value::as_object);
        let read = |text: &str| -> Slots {
            let parts = text.split(',').filter_map(|part| part.split_once('='));
            parts
                .filter_map(|(name, number)| {
                    let slot = match name.strip_prefix('>') {
                        Some(inline) => Slot::Inline(inline.to_owned()),
                        None => Slot::Field(name.to_owned()),
                    };
                    Some((number.parse().ok()?, slot))
                })
                .collect()
        };
        all.into_iter().flatten().map(|(name, text)| (name.clone(), read(text.as_str().unwrap_or("")))).collect()
    });
    SLOTS.get(name)
}

/// Reads an object of the type of this name, with its own apiVersion and kind. `None` when the bytes are none.
pub(super) fn read(body: &[u8], type_name: &str) -> Option<Value> {
    // An envelope: apiVersion and kind, then the object itself.
    let envelope = Fields(body.strip_prefix(MAGIC)?).collect::<Option<Vec<_>>>()?;
    let part = |number: u64| envelope.iter().find(|(found, _)| *found == number).and_then(|(_, wire)| wire.bytes());
    let kind = Fields(part(1)?).collect::<Option<Vec<_>>>()?;
    let text = |number: u64| {
        let found = kind.iter().find(|(found, _)| *found == number).and_then(|(_, wire)| wire.bytes());
        String::from_utf8_lossy(found.unwrap_or_default()).into_owned()
    };
    let mut object = json!({"apiVersion": text(1), "kind": text(2)});
    message(part(2)?, type_name, &types().named(type_name), object.as_object_mut()?, 0)?;
    Some(object)
}

/// A value as it stands in the bytes.
#[derive(Clone, Copy)]
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Wire<'a> {
    fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Number(_) => None,
        }
    }
}

/// The fields of one message; `None` where the bytes make no sense.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(first & 0x7f).checked_shl(shift)?;
            if first & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u64, Wire<'a>)> {
        let tag = self.number()?;
        let wire = match tag & 7 {
            0 => Wire::Number(self.number()?),
            1 => Wire::Number(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Number(u64::from(u32::from_le_bytes(self.take(4)?.try_into().ok()?))),
            _ => return None,
        };
        Some((tag >> 3, wire))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Wire<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

fn message(bytes: &[u8], name: &str, of: &Type, into: &mut Map<String, Value>, depth: usize) -> Option<()> {
    if depth > MAX_DEPTH {
        return None;
    }
    let slots = slots(name)?;
    for field in Fields(bytes) {
        let (number, wire) = field?;
        match slots.get(&number) {
            Some(Slot::Inline(inline)) => message(wire.bytes()?, inline, of, into, depth + 1)?,
            Some(Slot::Field(field)) => {
                let found = types().field(of, field)?;
                match &found.of {
                    Type::List(of) => {
                        let item = value(wire, of, depth)?;
                        let list = into.entry(field.clone()).or_insert_with(|| json!([]));
                        list.as_array_mut()?.push(item);
                    }
                    Type::Map(of) => {
                        let (key, value) = entry(wire.bytes()?, of, depth)?;
                        let map = into.entry(field.clone()).or_insert_with(|| json!({}));
                        map.as_object_mut()?.insert(key, value);
                    }
                    of => {
                        let value = value(wire, of, depth)?;
                        into.insert(field.clone(), value);
                    }
                }
            }
            // What this version does not know.
            None => {}
        }
    }
    Some(())
}

fn entry(bytes: &[u8], of: &Type, depth: usize) -> Option<(String, Value)> {
    let (mut key, mut found) = (String::new(), Value::Null);
    for field in Fields(bytes) {
        match field? {
            (1, wire) => key = String::from_utf8(wire.bytes()?.to_vec()).ok()?,
            (2, wire) => found = value(wire, of, depth)?,
            _ => {}
        }
    }
    Some((key, found))
}

fn value(wire: Wire<'_>, of: &Type, depth: usize) -> Option<Value> {
    let part = |number: u64| -> Option<Option<Wire<'_>>> {
        let fields = Fields(wire.bytes()?).collect::<Option<Vec<_>>>()?;
        Some(fields.into_iter().find(|(found, _)| *found == number).map(|(_, wire)| wire))
    };
    let number = |wire: Option<Wire<'_>>| match wire {
        Some(Wire::Number(number)) => number.cast_signed(),
        _ => 0,
    };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok().map(Value::String);
    match (of, wire) {
        (Type::Text, Wire::Bytes(bytes)) => text(bytes),
        (Type::Bytes, Wire::Bytes(bytes)) => Some(STANDARD.encode(bytes).into()),
        (Type::Integer, Wire::Number(number)) => Some(number.cast_signed().into()),
        (Type::Boolean, Wire::Number(number)) => Some((number != 0).into()),
        (Type::Quantity, Wire::Bytes(_)) => text(part(1)?.and_then(Wire::bytes).unwrap_or_default()),
        (Type::IntOrString, Wire::Bytes(_)) => match number(part(1)?) {
            0 => Some(number(part(2)?).into()),
            _ => text(part(3)?.and_then(Wire::bytes).unwrap_or_default()),
        },
        // No time is an empty message.
        (Type::Time | Type::MicroTime, Wire::Bytes([])) => Some(Value::Null),
        (Type::Time | Type::MicroTime, Wire::Bytes(_)) => {
            let nanos = i32::try_from(number(part(2)?)).ok()?;
            let time = jiff::Timestamp::new(number(part(1)?), nanos).ok()?;
            let format = if *of == Type::Time { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S.%6fZ" };
            Some(time.strftime(format).to_string().into())
        }
        // fieldsV1: JSON inside.
        (Type::Any, Wire::Bytes(_)) => serde_json::from_slice(part(1)?.and_then(Wire::bytes)?).ok(),
        (Type::Struct(found), Wire::Bytes(bytes)) => {
            let mut map = Map::new();
            message(bytes, &types().struct_of(*found)?.full_name, of, &mut map, depth + 1)?;
            Some(Value::Object(map))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubectl_sends_for_a_new_namespace_is_read() {
        let mut body = b"k8s\0".to_vec();
        body.extend(b"\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12\x1c\x0a\x14\x0a\x04shop\x12\0\x1a\0\"\0*\0");
        body.extend(b"2\x008\0B\0\x12\0\x1a\x02\x0a\0\x1a\0\"\0");
        let read = read(&body, "io.k8s.api.core.v1.Namespace").unwrap();
        assert_eq!((&read["kind"], &read["apiVersion"]), (&json!("Namespace"), &json!("v1")));
        assert_eq!((&read["metadata"]["name"], &read["metadata"]["creationTimestamp"]), (&json!("shop"), &Value::Null));
    }

    #[test]
    fn half_a_body_is_no_object() {
        let body = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12\x1c\x0a\x14";
        for end in 0..body.len() {
            assert_eq!(read(&body[..end], "io.k8s.api.core.v1.Namespace"), None, "{end}");
        }
    }
}
