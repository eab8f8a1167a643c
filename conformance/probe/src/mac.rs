//! The proofs of the handshake, over the raw bytes of its lines.
//!
//! A line enters with its LF, exactly as it travelled. Nothing is parsed and nothing is put into another form, which is
//! the whole point of the construction. The vectors in `spec/vectors` bind these functions.
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The label of the orchestrator's proof.
pub const ORCHESTRATOR_LABEL: &[u8] = b"partenza/1 orchestrator\n";
/// The label of the module's proof.
pub const MODULE_LABEL: &[u8] = b"partenza/1 module\n";
/// The label of the session key.
pub const SESSION_LABEL: &[u8] = b"partenza/1 session\n";

/// What the orchestrator has to send in L3.
#[must_use]
pub fn orchestrator_proof(key: &[u8; 32], l1: &[u8], l2: &[u8]) -> [u8; 32] {
    hmac_sha256(key, &[ORCHESTRATOR_LABEL, l1, l2])
}

/// What the module has to send in L4.
#[must_use]
pub fn module_proof(key: &[u8; 32], l1: &[u8], l2: &[u8], l3: &[u8]) -> [u8; 32] {
    hmac_sha256(key, &[MODULE_LABEL, l1, l2, l3])
}

/// The key that both sides share once L4 has been accepted.
#[must_use]
pub fn session_key(key: &[u8; 32], l1: &[u8], l2: &[u8], l3: &[u8], l4: &[u8]) -> [u8; 32] {
    hmac_sha256(key, &[SESSION_LABEL, l1, l2, l3, l4])
}

/// HMAC-SHA256 over the parts, one after the other.
#[must_use]
pub fn hmac_sha256(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC pads a key that is shorter than a block of the hash with zeros.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The digest of a module file as L1 names it: `sha256:` and 64 digits.
#[must_use]
pub fn manifest_digest(file: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(file)))
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(*byte)])
        .collect()
}

/// Reads lower-case hexadecimal digits; `None` for anything else, upper case included, as the contract says.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    pairs
        .iter()
        .map(|&[high, low]| Some(nibble(high)? << 4 | nibble(low)?))
        .collect()
}

/// Reads the 64 digits of a key, a nonce or a proof.
#[must_use]
pub fn unhex_32(text: &str) -> Option<[u8; 32]> {
    unhex(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_lower_case_and_strict() {
        assert_eq!(hex(&[0x00, 0xfe, 0x10]), "00fe10");
        assert_eq!(unhex("00fe10"), Some(vec![0x00, 0xfe, 0x10]));
        for wrong in ["0", "0g", "FE", " 0", "é"] {
            assert_eq!(unhex(wrong), None, "{wrong}");
        }
        assert_eq!(unhex_32(&"ab".repeat(32)), Some([0xab; 32]));
        assert_eq!(unhex_32(&"ab".repeat(31)), None);
    }

    #[test]
    fn the_primitive_is_rfc_4231_case_2_padded_to_our_key_length() {
        // HMAC pads short keys with zeros, so that the RFC's four-byte key is the same as a 32-byte one.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        assert_eq!(
            hex(&hmac_sha256(&key, &[b"what do ya want ", b"for nothing?"])),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn labels_keep_the_three_uses_apart() {
        let key = [7; 32];
        let (a, b) = (b"a\n".as_slice(), b"b\n".as_slice());
        assert_ne!(
            orchestrator_proof(&key, a, b),
            hmac_sha256(&key, &[MODULE_LABEL, a, b])
        );
        assert_ne!(module_proof(&key, a, b, a), session_key(&key, a, b, a, b""));
    }
}
