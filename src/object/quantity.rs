//! Owns the equality of resource quantities (`1000m` is `1`). Must never round through a float.

use serde_json::Value;

/// A resource quantity as a whole number of billionths, the finest step that the API server keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(i128);

impl Quantity {
    /// Reads a quantity as the API server does; what is finer than a billionth is rounded away from zero. `None` when the
    /// text is none, or too large to be told exactly.
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, rest) = match text.as_bytes().first()? {
            b'-' => (-1, text.get(1..)?),
            b'+' => (1, text.get(1..)?),
            _ => (1, text),
        };
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        let digits = format!("{whole}{fraction}");
        let digits: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
        let (binary, decimal) = scale(suffix)?;
        // The value is digits x 2^binary x 10^exponent billionths.
        let exponent = decimal.checked_add(9)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        let scaled = digits.checked_mul(1_i128.checked_shl(binary)?)?;
        let nano = if digits == 0 {
            0
        } else if exponent >= 0 {
            scaled.checked_mul(10_i128.checked_pow(exponent.unsigned_abs())?)?
        } else {
            let divisor = 10_i128.checked_pow(exponent.unsigned_abs())?;
            scaled / divisor + i128::from(scaled % divisor != 0)
        };
        Some(Self(sign * nano))
    }

    /// Reads a quantity that stands as a string or a number.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => Self::parse(&number.to_string()),
            _ => None,
        }
    }
}

/// Powers of 2 and of 10 that a suffix stands for.
fn scale(suffix: &str) -> Option<(u32, i32)> {
    Some(match suffix {
        "" => (0, 0),
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        _ => (0, suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn several_spellings_are_one_quantity() {
        for (one, other) in [
            ("1000m", "1"),
            ("0.5Gi", "512Mi"),
            ("1024Mi", "1Gi"),
            ("1.5", "1500m"),
            ("1e3", "1k"),
            ("1E3", "1000"),
            ("0", "0m"),
            ("-1", "-1000m"),
            ("+2", "2"),
            (".5", "500m"),
            ("2.", "2"),
            ("100n", "0.1u"),
            ("0.1n", "1n"),
            ("1.50Ei", "1536Pi"),
            ("12e-1", "1200m"),
        ] {
            assert_eq!(Quantity::parse(one).unwrap(), Quantity::parse(other).unwrap(), "{one} {other}");
        }
        assert_eq!(Quantity::of(&json!(1)), Quantity::of(&json!("1")));
        assert_eq!(Quantity::of(&json!(0.5)), Quantity::of(&json!("500m")));
    }

    #[test]
    fn different_quantities_differ() {
        for (one, other) in
            [("1", "1m"), ("1M", "1Mi"), ("1G", "1Gi"), ("1", "-1"), ("0.3", "0.299999999"), ("1k", "1Ki")]
        {
            assert_ne!(Quantity::parse(one).unwrap(), Quantity::parse(other).unwrap(), "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_none() {
        for text in ["", "-", "m", "1x", "1 ", " 1", "1.2.3", "1e", "1ee3", "1mi", "0x1", "1e99999999999", "--1", "é"]
        {
            assert_eq!(Quantity::parse(text), None, "{text:?}");
        }
        for value in [json!(null), json!([]), json!(true)] {
            assert_eq!(Quantity::of(&value), None);
        }
    }

    proptest! {
        #[test]
        fn thousandths_are_exact(number in -1_000_000_000_000_i64..1_000_000_000_000) {
            let milli = Quantity::parse(&format!("{number}m"));
            let sign = if number < 0 { "-" } else { "" };
            let (whole, rest) = (number.unsigned_abs() / 1000, number.unsigned_abs() % 1000);
            prop_assert_eq!(milli, Quantity::parse(&format!("{sign}{whole}.{rest:03}")));
            prop_assert!(milli.is_some());
        }

        #[test]
        fn no_text_makes_it_fail(text in ".{0,40}") {
            let _ = Quantity::parse(&text);
        }

        #[test]
        fn no_number_makes_it_fail(text in "[-+]?[0-9]{0,45}\\.?[0-9]{0,45}(e-?[0-9]{1,12}|[numkMGTPE]i?)?") {
            let _ = Quantity::parse(&text);
        }
    }
}
