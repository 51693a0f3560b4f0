//! Owns the canonical spelling of resource quantities (`1000m` is `1`, `0.5Gi` is `512Mi`). Must never use floats.

use serde_json::Value;

/// Nine digits after the point are kept, what is smaller is rounded up.
const NANO: i128 = 1_000_000_000;

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Binary,
    Decimal,
    Exponent,
}

const BAD_FORM: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const BAD_SUFFIX: &str = "unable to parse quantity's suffix";

/// The canonical spelling of a quantity.
///
/// # Errors
///
/// The server's text when it is none.
pub(super) fn canonical(value: &Value) -> Result<String, &'static str> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return Err(BAD_FORM),
    };
    let (nanos, format) = parse(&text)?;
    Ok(print(nanos, format))
}

fn parse(text: &str) -> Result<(i128, Format), &'static str> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (digits, suffix) = unsigned.split_at(end);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(BAD_FORM);
    }
    let (format, scale) = suffix_of(suffix).ok_or(BAD_SUFFIX)?;
    // As many digits as an i128 holds; a quantity of the API has at most nineteen before the point.
    let mantissa: i128 = format!("{whole}{fraction}").parse().map_err(|_| BAD_FORM)?;
    let decimals = i32::try_from(fraction.len()).map_err(|_| BAD_FORM)?;
    let nanos = match scale {
        Scale::Two(power) => {
            scaled(mantissa.checked_mul(1i128.checked_shl(power).ok_or(BAD_FORM)?).ok_or(BAD_FORM)?, 9 - decimals)
        }
        Scale::Ten(power) => scaled(mantissa, 9 + power - decimals),
    };
    let nanos = nanos.unwrap_or(i128::MAX).min(i128::from(i64::MAX) * NANO);
    Ok((if negative { -nanos } else { nanos }, format))
}

/// `value` times ten to the `power`, rounded up; `None` when it does not fit.
fn scaled(value: i128, power: i32) -> Option<i128> {
    let factor = 10i128.checked_pow(power.unsigned_abs());
    match (power >= 0, factor) {
        (true, factor) => value.checked_mul(factor?),
        (false, Some(factor)) => Some((value + factor - 1) / factor),
        (false, None) => Some(i128::from(value > 0)),
    }
}

enum Scale {
    Two(u32),
    Ten(i32),
}

fn suffix_of(suffix: &str) -> Option<(Format, Scale)> {
    let decimal = |power| Some((Format::Decimal, Scale::Ten(power)));
    let binary = |power| Some((Format::Binary, Scale::Two(power)));
    match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        _ => {
            let power = suffix.strip_prefix(['e', 'E'])?.parse::<i32>().ok()?;
            (-1000..=1000).contains(&power).then_some((Format::Exponent, Scale::Ten(power)))
        }
    }
}

fn print(nanos: i128, format: Format) -> String {
    if nanos == 0 {
        return "0".into();
    }
    let below_1024 = nanos.abs() < 1024 * NANO;
    if format == Format::Binary && !below_1024 && nanos % NANO == 0 {
        let (mut number, mut step) = (nanos / NANO, 0);
        while number % 1024 == 0 && step < 6 {
            number /= 1024;
            step += 1;
        }
        let suffix = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].get(step).unwrap_or(&"");
        return format!("{number}{suffix}");
    }
    let (mut number, mut power) = (nanos, -9);
    while number % 1000 == 0 && power < 18 {
        number /= 1000;
        power += 3;
    }
    let suffix = match (format, power) {
        (_, 0) => String::new(),
        (Format::Exponent, power) => format!("e{power}"),
        (_, power) => {
            let names = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
            let position = usize::try_from((power + 9) / 3).unwrap_or(3);
            (*names.get(position).unwrap_or(&"")).to_owned()
        }
    };
    format!("{number}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quantities_are_spelt_as_the_server_spells_them() {
        let cases = [
            (json!("1000m"), "1"),
            (json!("0.5Gi"), "512Mi"),
            (json!("1024Mi"), "1Gi"),
            (json!("1.1Gi"), "1181116006400m"),
            (json!("0.5Ki"), "512"),
            (json!("1000"), "1k"),
            (json!("1e3"), "1e3"),
            (json!("12e4"), "120e3"),
            (json!("1500m"), "1500m"),
            (json!("100000000n"), "100m"),
            (json!(" 1"), "1"),
            (json!("0Gi"), "0"),
            (json!("1023"), "1023"),
            (json!("9Ei"), "9223372036854775807"),
            (json!("1.0000000001"), "1000000001n"),
            (json!(".5"), "500m"),
            (json!("1E"), "1E"),
            (json!("0.001Ki"), "1024m"),
            (json!(1000), "1k"),
            (json!(0.5), "500m"),
            (json!("-1500m"), "-1500m"),
        ];
        for (given, wanted) in cases {
            assert_eq!(canonical(&given).as_deref(), Ok(wanted), "{given}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for given in [json!(""), json!("a"), json!(true), json!("1.2.3"), json!(null)] {
            assert_eq!(canonical(&given), Err(BAD_FORM), "{given}");
        }
        for given in [json!("1K"), json!("1e"), json!("1x")] {
            assert_eq!(canonical(&given), Err(BAD_SUFFIX), "{given}");
        }
    }
}
