//! The three uses of the launch key (chapter 7.2): two proofs and the session key.
//!
//! MACs are over the raw bytes of the lines with their LFs, so that no two readers can disagree about what was signed.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::key::Key;

/// The label of the orchestrator's proof; over L1 and L2.
pub const ORCHESTRATOR: &[u8] = b"partenza/1 orchestrator\n";
/// The label of the module's proof; over L1 to L3.
pub const MODULE: &[u8] = b"partenza/1 module\n";
/// The label of the session key; over L1 to L4.
pub const SESSION: &[u8] = b"partenza/1 session\n";

/// HMAC-SHA256 under the key over the label and the transcript.
pub fn mac(key: &Key, label: &[u8], transcript: &[u8]) -> [u8; 32] {
    // HMAC fills a short key up with zeros to the block size, so that this is the same key in the type that cannot fail.
    let mut block = Zeroizing::new([0_u8; 64]);
    block[..32].copy_from_slice(key.bytes());
    let mut hmac = <Hmac<Sha256> as KeyInit>::new((&*block).into());
    hmac.update(label);
    hmac.update(transcript);
    hmac.finalize().into_bytes().into()
}

/// Whether two MACs are equal, in a time that does not depend on where they differ (`handshake.constant-time`).
pub fn equal(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.ct_eq(other).into()
}
