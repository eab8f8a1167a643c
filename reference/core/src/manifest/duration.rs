//! Durations of module files: `<int>(ms|s|m|h)` (`config.duration-syntax`), held as microseconds.

/// One second in microseconds.
pub const SECOND: u64 = 1_000_000;
/// One millisecond in microseconds.
pub const MILLISECOND: u64 = 1_000;

/// The longest duration of a module file. Sums of a few of them cannot overflow.
pub(crate) const MAX: u64 = 24 * 3600 * SECOND;

/// Reads a duration; `None` when the text is none. What is too long for a number is the longest number.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() || number.len() > 1 && number.starts_with('0') {
        return None;
    }
    let unit = match unit {
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3600 * SECOND,
        _ => return None,
    };
    // Only digits are left, so that what cannot be read is too large.
    Some(number.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(unit))
}

/// Writes a duration for people, in the largest unit that fits without a rest.
pub fn show(us: u64) -> String {
    match us {
        0 => "0s".to_owned(),
        _ if us.is_multiple_of(3600 * SECOND) => format!("{}h", us / (3600 * SECOND)),
        _ if us.is_multiple_of(60 * SECOND) => format!("{}m", us / (60 * SECOND)),
        _ if us.is_multiple_of(SECOND) => format!("{}s", us / SECOND),
        _ => format!("{}ms", us / MILLISECOND),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, us) in [
            ("0s", 0),
            ("200ms", 200_000),
            ("5s", 5 * SECOND),
            ("2m", 120 * SECOND),
            ("1h", 3600 * SECOND),
        ] {
            assert_eq!(parse(text), Some(us), "{text}");
            assert_eq!(show(us), text);
        }
        for bad in [
            "", "5", "s", "5 s", "-5s", "+5s", "1.5s", "5S", "5sec", "5d", "05s", "00ms",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(parse("24h"), Some(MAX));
        for long in ["25h", "99999999999999999999s", "9999999999h"] {
            assert!(parse(long) > Some(MAX), "{long}");
        }
    }
}
