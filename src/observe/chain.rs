//! The chain of the audit log: each line ends in `prev`, the hash of the line before (64 zeros for the first), and `hash`,
//! that of the line as it reads without its `hash` member and line feed. A line that was changed, taken out or put in
//! breaks the chain.
//!
//! The hash is SHA-256, or, where a key is set, HMAC-SHA256: without the key whoever may write the file could make a
//! chain of his own. What neither can show is a tail that was cut off: whoever reads the log has to know its last hash
//! from elsewhere.
//!
//! Links are made and followed on the text of the line, so that no JSON library's spelling matters.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// A hash as it is written.
pub type Hash = [u8; 64];

/// What the first line of a chain names as the one before.
pub const GENESIS: Hash = [b'0'; 64];

/// How hashes are made.
#[derive(Clone)]
pub struct Hasher(Option<Hmac<Sha256>>);

impl Hasher {
    /// With a key, or without one.
    #[must_use]
    pub fn new(key: Option<&[u8]>) -> Self {
        // HMAC takes keys of every length, so making one never fails; the types do not know.
        Self(key.and_then(|key| Hmac::new_from_slice(key).ok()))
    }

    fn hash(&self, text: &[&[u8]]) -> Hash {
        let mut digits = GENESIS;
        if let Some(mac) = &self.0 {
            let mac = text.iter().fold(mac.clone(), Mac::chain_update);
            HEXLOWER.encode_mut(&mac.finalize().into_bytes(), &mut digits);
        } else {
            let hash = text.iter().fold(Sha256::new(), Digest::chain_update);
            HEXLOWER.encode_mut(&hash.finalize(), &mut digits);
        }
        digits
    }

    /// Appends a line, which ends in `}` and a line feed, with its links, and moves `last` on to it.
    pub fn link(&self, line: &[u8], last: &mut Hash, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(line.strip_suffix(b"}\n").unwrap_or(line));
        out.extend_from_slice(PREV);
        out.extend_from_slice(last);
        *last = self.hash(&[&out[start..], END]);
        out.extend_from_slice(b"\"");
        out.extend_from_slice(HASH);
        out.extend_from_slice(last);
        out.extend_from_slice(b"\"}\n");
    }

    /// Whether a link's hash is that of its line.
    #[must_use]
    pub fn holds(&self, link: &Link<'_>) -> bool {
        self.hash(&[link.content, b"}"]) == link.hash
    }
}

impl std::fmt::Debug for Hasher {
    /// Whether there is a key, and nothing of it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Hasher(keyed)" } else { "Hasher(plain)" })
    }
}

/// A chained line, taken apart.
#[derive(Debug, Clone, Copy)]
pub struct Link<'l> {
    /// The line before `,"hash"`.
    content: &'l [u8],
    /// The hash of the line before.
    pub prev: Hash,
    /// Its own.
    pub hash: Hash,
}

impl<'l> Link<'l> {
    /// Takes a line without its line feed apart; `None` where it has no links.
    #[must_use]
    pub fn of(line: &'l [u8]) -> Option<Self> {
        let (content, hash) = split(line.strip_suffix(END)?, HASH)?;
        let (_, prev) = split(content.strip_suffix(b"\"")?, PREV)?;
        Some(Self { content, prev, hash })
    }
}

/// What ends in a member's name and a hash.
fn split<'l>(text: &'l [u8], name: &[u8]) -> Option<(&'l [u8], Hash)> {
    let (rest, hash) = text.split_last_chunk::<64>()?;
    let is_hash = hash.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hash.then_some((rest.strip_suffix(name)?, *hash))
}

const PREV: &[u8] = b",\"prev\":\"";
const HASH: &[u8] = b",\"hash\":\"";
const END: &[u8] = b"\"}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_made_and_followed() {
        for key in [None, Some(&b"a key"[..])] {
            let (hasher, mut last, mut out) = (Hasher::new(key), GENESIS, Vec::new());
            hasher.link(b"{\"a\":1}\n", &mut last, &mut out);
            let line = out.strip_suffix(b"\n").expect("a whole line");
            let link = Link::of(line).expect("a link");
            assert_eq!((link.prev, link.hash), (GENESIS, last));
            assert!(hasher.holds(&link) && !Hasher::new(Some(b"another")).holds(&link));
            let changed = String::from_utf8(line.to_vec()).expect("text").replace(":1", ":2");
            assert!(!hasher.holds(&Link::of(changed.as_bytes()).expect("a link")));
        }
    }

    /// SHA-256 of `{"a":1,"prev":"<64 zeros>"}`, as `sha256sum` gives it.
    #[test]
    fn anyone_can_compute_the_plain_hash() {
        let (mut last, mut out) = (GENESIS, Vec::new());
        Hasher::new(None).link(b"{\"a\":1}\n", &mut last, &mut out);
        let line = format!("{{\"a\":1,\"prev\":\"{}\"}}", "0".repeat(64));
        assert_eq!(last.as_slice(), HEXLOWER.encode(&Sha256::digest(line)).as_bytes());
    }

    #[test]
    fn what_is_no_link() {
        let hash = "0".repeat(64);
        for line in [
            String::new(),
            "{}".to_owned(),
            format!("{{\"hash\":\"{hash}\"}}"),
            format!("{{\"a\":1,\"prev\":\"{hash}\",\"hash\":\"{hash}\"}} "),
            format!("{{\"a\":1,\"prev\":\"{hash}\",\"hash\":\"{}\"}}", "0".repeat(63)),
            format!("{{\"a\":1,\"prev\":\"{hash}\",\"hash\":\"{}\"}}", "F".repeat(64)),
            format!("{{\"a\":1,\"hash\":\"{hash}\",\"prev\":\"{hash}\"}}"),
        ] {
            assert!(Link::of(line.as_bytes()).is_none(), "{line}");
        }
    }
}
