//! The launch key: 32 bytes that one module and the orchestrator share for the length of one handshake.
//!
//! It owns erasing and hiding. It never prints its bytes (`secret.not-in-logs`), and they are overwritten when the key
//! is dropped.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// A launch key. It is neither `Clone` nor comparable, so that there is one copy to erase.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Key([u8; 32]);

impl Key {
    /// A key of these bytes. The caller erases its own copy.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// What goes into the module's secret pipe: 64 lower-case hex digits and an LF.
    pub fn pipe_line(&self) -> Zeroizing<[u8; 65]> {
        let mut line = Zeroizing::new([b'\n'; 65]);
        for (pair, byte) in line.chunks_exact_mut(2).zip(self.0) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        line
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Key(hidden)")
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_hidden_and_written_as_one_line() {
        let key = Key::new([0xa5; 32]);
        assert_eq!(format!("{key:?}"), "Key(hidden)");
        assert_eq!(&key.pipe_line()[..], format!("{}\n", "a5".repeat(32)).as_bytes());
    }
}
