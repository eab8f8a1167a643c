//! Signals by name, in the two spellings the specification uses: `TERM` in scripts and `SIGTERM` in status objects.
//!
//! It knows names and numbers only; it sends and handles nothing.
use std::{fmt, str::FromStr};

use nix::sys::signal::Signal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A signal that has a name. Real-time signals have none and are only ever shown by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SignalName(Signal);

impl SignalName {
    /// SIGTERM, the polite request to end.
    pub const TERM: Self = Self(Signal::SIGTERM);
    /// SIGKILL, which nobody can refuse.
    pub const KILL: Self = Self(Signal::SIGKILL);

    /// The name without its prefix, as scripts write it: `TERM`.
    #[must_use]
    pub fn short(self) -> &'static str {
        self.long().trim_start_matches("SIG")
    }

    /// The full name, as status objects write it: `SIGTERM`.
    #[must_use]
    pub fn long(self) -> &'static str {
        self.0.as_str()
    }

    /// The number on this machine.
    #[must_use]
    pub fn number(self) -> i32 {
        self.0 as i32
    }

    /// The signal with this number, when it has a name.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        Signal::try_from(number).ok().map(Self)
    }

    /// The value that `nix` functions take.
    #[must_use]
    pub fn as_nix(self) -> Signal {
        self.0
    }
}

/// The name of a signal number, `SIG` included; a number without a name is shown as `signal 34`.
#[must_use]
pub fn long_name(number: i32) -> String {
    SignalName::from_number(number).map_or_else(|| format!("signal {number}"), |name| name.long().to_owned())
}

/// The short names of the signals whose bits are set in a mask of `/proc/PID/status`.
#[must_use]
pub fn names_in_mask(mask: u64) -> Vec<String> {
    (1..=64)
        .filter(|number| mask & (1 << (number - 1)) != 0)
        .map(|number| {
            SignalName::from_number(number).map_or_else(|| number.to_string(), |name| name.short().to_owned())
        })
        .collect()
}

impl fmt::Display for SignalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

impl FromStr for SignalName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let full = if text.starts_with("SIG") {
            text.to_owned()
        } else {
            format!("SIG{text}")
        };
        Signal::from_str(&full).map(Self).map_err(|_| {
            format!(
                "`{}` is not the name of a signal, such as TERM, KILL or STOP",
                text.escape_debug()
            )
        })
    }
}

impl<'de> Deserialize<'de> for SignalName {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        String::deserialize(source)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for SignalName {
    fn serialize<S: Serializer>(&self, sink: S) -> Result<S::Ok, S::Error> {
        sink.serialize_str(self.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read_and_each_is_written_where_it_belongs() {
        let term: SignalName = "TERM".parse().unwrap();
        assert_eq!(term, "SIGTERM".parse().unwrap());
        assert_eq!(
            (term.short(), term.long(), term.number()),
            ("TERM", "SIGTERM", 15)
        );
        assert!("TREM".parse::<SignalName>().unwrap_err().contains("TREM"));
    }

    #[test]
    fn a_mask_is_shown_by_name_and_unnamed_signals_by_number() {
        assert_eq!(names_in_mask(0x4001 | 1 << 39), ["HUP", "TERM", "40"]);
        assert_eq!(long_name(9), "SIGKILL");
        assert_eq!(long_name(40), "signal 40");
    }
}
