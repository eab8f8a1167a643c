//! Durations as every file of this project writes them: a whole number and a unit, `200ms`, `5s`, `2m`, `1h`.
//!
//! A number without a unit is refused: `timeout: 5` has been read as five of the wrong thing too often.
use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error as _};

/// Reads a duration.
///
/// # Errors
/// A sentence that names the text and the accepted form.
pub fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let millis_per_unit: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(complaint(text)),
    };
    let number: u64 = number.parse().map_err(|_| complaint(text))?;
    number
        .checked_mul(millis_per_unit)
        .map(Duration::from_millis)
        .ok_or_else(|| complaint(text))
}

fn complaint(text: &str) -> String {
    format!(
        "`{}` is not a duration: expected a whole number and ms, s, m or h, such as 200ms",
        text.escape_debug()
    )
}

/// For `#[serde(with = "…")]` on a [`Duration`].
///
/// # Errors
/// When the value is not a text in the form above.
pub fn deserialize<'de, D: Deserializer<'de>>(source: D) -> Result<Duration, D::Error> {
    parse(&String::deserialize(source)?).map_err(D::Error::custom)
}

/// For `#[serde(default, deserialize_with = "…")]` on an optional [`Duration`].
///
/// # Errors
/// When the value is not a text in the form above.
pub fn deserialize_option<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Duration>, D::Error> {
    deserialize(source).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_required() {
        assert_eq!(parse("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(parse("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(parse("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse("1h"), Ok(Duration::from_secs(3600)));
        for wrong in [
            "5",
            "",
            "ms",
            "-1s",
            "1.5s",
            "5 s",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
