//! The names by which the core and its shell speak about modules and control connections.
//!
//! It owns the syntax of a module id (`unit.id-syntax`) and refuses every other text: an id becomes a file name,
//! an environment value and a word in log lines, so that nothing unchecked may travel under this type.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The longest id that is accepted, in bytes.
pub const MAX_ID_BYTES: usize = 64;

/// A checked module id: `[a-z0-9]([a-z0-9-]*[a-z0-9])?`, at most 64 bytes. A clone is cheap.
///
/// Implements `unit.id-syntax`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleId(Arc<str>);

impl ModuleId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for ModuleId {
    type Error = InvalidId;

    fn try_from(text: &str) -> Result<Self, InvalidId> {
        let bytes = text.as_bytes();
        let edge = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let inner = bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
        if bytes.len() <= MAX_ID_BYTES && edge(bytes.first()) && edge(bytes.last()) && inner {
            Ok(Self(Arc::from(text)))
        } else {
            Err(InvalidId)
        }
    }
}

/// A text that is no module id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is lower-case letters, digits and inner hyphens, at most 64 bytes")]
pub struct InvalidId;

impl Borrow<str> for ModuleId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModuleId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for ModuleId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// One connection to the control socket. The shell gives each accepted connection a number that it never uses again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_the_syntax() {
        let longest = "a".repeat(64);
        let too_long = "a".repeat(65);
        for good in ["a", "0", "web", "a-b", "a--b", "9lives", longest.as_str()] {
            assert!(ModuleId::try_from(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-",
            "-a",
            "a-",
            "A",
            "a_b",
            "a/b",
            "..",
            "ä",
            "a b",
            "a\n",
            too_long.as_str(),
        ] {
            assert!(ModuleId::try_from(bad).is_err(), "{bad:?}");
        }
    }
}
