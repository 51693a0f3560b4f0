//! Owns durations as Go and kubectl write them: `2s`, `1m30s`, `500ms`, `1.5h`. Must never guess a unit.

use std::time::Duration;

use super::problem::Fault;

/// Longest duration that is taken: a year. Longer ones are mistakes, and clocks overflow.
pub(super) const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Nanoseconds of each unit; longer names first, so that `ms` is not read as `m`.
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a duration.
///
/// # Errors
///
/// When it has no unit or another one, is negative, or is longer than a year.
pub fn parse(text: &str) -> Result<Duration, Fault> {
    let bad = || Fault::new(format!("`{text}` is no duration")).hint("durations are written 500ms, 30s, 1m30s or 2h");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(Fault::new(format!("`{text}` has no unit")).hint(format!("did you mean `{text}s`?")));
    }
    if text.starts_with('-') {
        return Err(Fault::new(format!("`{text}` is negative")).hint("0s switches the wait off"));
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut nanoseconds: u128 = 0;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let (number, tail) = rest.split_at(digits);
        let (unit, factor) =
            UNITS.iter().find(|(unit, _)| tail.starts_with(unit)).ok_or_else(|| bad_unit(text, tail))?;
        nanoseconds += scaled(number, *factor).ok_or_else(bad)?;
        if nanoseconds > LONGEST.as_nanos() {
            return Err(Fault::new(format!("`{text}` is longer than a year")).hint("at most 8760h"));
        }
        rest = tail.get(unit.len()..).unwrap_or_default();
        if !rest.is_empty() && !rest.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return Err(bad_unit(text, tail));
        }
    }
    Ok(Duration::from_nanos(u64::try_from(nanoseconds).map_err(|_| bad())?))
}

fn bad_unit(text: &str, tail: &str) -> Fault {
    let unit: String = tail.chars().take_while(|c| c.is_alphabetic()).collect();
    let hint = match unit.as_str() {
        "d" | "day" | "days" => "there is no unit for days: write 24h".to_owned(),
        "sec" | "secs" | "second" | "seconds" => "seconds are written `s`".to_owned(),
        "min" | "mins" | "minute" | "minutes" => "minutes are written `m`".to_owned(),
        "hour" | "hours" => "hours are written `h`".to_owned(),
        _ => "the units are ns, us, ms, s, m and h".to_owned(),
    };
    Fault::new(format!("`{text}` is no duration: `{}` is no unit", if unit.is_empty() { tail } else { &unit }))
        .hint(hint)
}

/// `number` (digits, perhaps with one point) times `factor`, cut to whole nanoseconds.
fn scaled(number: &str, factor: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') || whole.len() > 18 {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut sum = whole.checked_mul(factor)?;
    let mut place = factor;
    for digit in fraction.chars() {
        place /= 10;
        sum = sum.checked_add(u128::from(digit.to_digit(10)?) * place)?;
    }
    Some(sum)
}

/// A duration as people write it: the inverse of [`parse`].
pub fn display(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for unit in ["h", "m", "s", "ms", "us", "ns"] {
        let factor = UNITS.iter().find(|(name, _)| *name == unit).map_or(1, |(_, factor)| *factor);
        if rest >= factor {
            text.push_str(&format!("{}{unit}", rest / factor));
            rest %= factor;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("500ms", 500),
            ("2s", 2_000),
            ("1m30s", 90_000),
            ("1h0m1s", 3_601_000),
            ("1.5h", 5_400_000),
            (".5s", 500),
            ("1.s", 1_000),
            ("+3s", 3_000),
            ("1000us", 1),
            ("2000000ns", 2),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_advice() {
        for (text, hint) in [
            ("30", "did you mean `30s`?"),
            ("1.5", "did you mean `1.5s`?"),
            ("-1s", "0s switches the wait off"),
            ("1d", "there is no unit for days: write 24h"),
            ("30sec", "seconds are written `s`"),
            ("5 s", "the units are ns, us, ms, s, m and h"),
            ("s", "durations are written 500ms, 30s, 1m30s or 2h"),
            ("", "durations are written 500ms, 30s, 1m30s or 2h"),
            ("1.2.3s", "durations are written 500ms, 30s, 1m30s or 2h"),
            ("9000h", "at most 8760h"),
            ("99999999999999999999999999999h", "durations are written 500ms, 30s, 1m30s or 2h"),
        ] {
            assert_eq!(parse(text).unwrap_err().hint.as_deref(), Some(hint), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_duration_reads_back(nanoseconds in 0..u64::try_from(LONGEST.as_nanos()).unwrap()) {
            let duration = Duration::from_nanos(nanoseconds);
            prop_assert_eq!(parse(&display(duration)), Ok(duration));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+0-9.nuµmsh ]{0,12}|\\PC{0,12}") {
            let _ = parse(&text);
        }
    }
}
