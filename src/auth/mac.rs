//! Keyed hashes in progress: HMAC (RFC 2104), and the plain hashes of schemes that put the secret into the content.
//!
//! A key keeps one prepared state; a request clones it, which saves the key schedule.

use hmac::{Hmac, KeyInit, Mac as _};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use sha3::{Keccak256, Sha3_256};
use subtle::{Choice, ConstantTimeEq};

use super::scheme::Algorithm;

/// The longest tag, that of SHA-512.
pub const MAX_TAG: usize = 64;

/// An HMAC or a plain hash that takes more bytes.
#[derive(Clone)]
pub struct Mac(State);

#[derive(Clone)]
enum State {
    HmacMd5(Hmac<Md5>),
    HmacSha1(Hmac<Sha1>),
    HmacSha256(Hmac<Sha256>),
    HmacSha384(Hmac<Sha384>),
    HmacSha512(Hmac<Sha512>),
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
    Sha3(Sha3_256),
    Keccak256(Keccak256),
}

/// A finished HMAC or hash.
#[derive(Clone, Copy)]
pub struct Tag {
    bytes: [u8; MAX_TAG],
    len: usize,
}

impl Algorithm {
    /// The length of its tags, in bytes.
    #[must_use]
    pub fn tag_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 | Self::Sha3 | Self::Keccak256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

impl Mac {
    /// Prepares the HMAC of a key of any length; `None` for a hash that no provider makes HMACs with.
    #[must_use]
    pub fn new(algorithm: Algorithm, key: &[u8]) -> Option<Self> {
        // HMAC takes keys of every length, so making one never fails; the types do not know.
        Some(Self(match algorithm {
            Algorithm::Md5 => State::HmacMd5(Hmac::new_from_slice(key).ok()?),
            Algorithm::Sha1 => State::HmacSha1(Hmac::new_from_slice(key).ok()?),
            Algorithm::Sha256 => State::HmacSha256(Hmac::new_from_slice(key).ok()?),
            Algorithm::Sha384 => State::HmacSha384(Hmac::new_from_slice(key).ok()?),
            Algorithm::Sha512 => State::HmacSha512(Hmac::new_from_slice(key).ok()?),
            Algorithm::Sha3 | Algorithm::Keccak256 => return None,
        }))
    }

    /// A plain hash.
    #[must_use]
    pub fn plain(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Md5 => State::Md5(Md5::new()),
            Algorithm::Sha1 => State::Sha1(Sha1::new()),
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha384 => State::Sha384(Sha384::new()),
            Algorithm::Sha512 => State::Sha512(Sha512::new()),
            Algorithm::Sha3 => State::Sha3(Sha3_256::new()),
            Algorithm::Keccak256 => State::Keccak256(Keccak256::new()),
        })
    }

    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::HmacMd5(mac) => mac.update(bytes),
            State::HmacSha1(mac) => mac.update(bytes),
            State::HmacSha256(mac) => mac.update(bytes),
            State::HmacSha384(mac) => mac.update(bytes),
            State::HmacSha512(mac) => mac.update(bytes),
            State::Md5(hash) => hash.update(bytes),
            State::Sha1(hash) => hash.update(bytes),
            State::Sha256(hash) => hash.update(bytes),
            State::Sha384(hash) => hash.update(bytes),
            State::Sha512(hash) => hash.update(bytes),
            State::Sha3(hash) => hash.update(bytes),
            State::Keccak256(hash) => hash.update(bytes),
        }
    }

    /// The tag.
    #[must_use]
    pub fn finish(self) -> Tag {
        match self.0 {
            State::HmacMd5(mac) => Tag::new(&mac.finalize().into_bytes()),
            State::HmacSha1(mac) => Tag::new(&mac.finalize().into_bytes()),
            State::HmacSha256(mac) => Tag::new(&mac.finalize().into_bytes()),
            State::HmacSha384(mac) => Tag::new(&mac.finalize().into_bytes()),
            State::HmacSha512(mac) => Tag::new(&mac.finalize().into_bytes()),
            State::Md5(hash) => Tag::new(&hash.finalize()),
            State::Sha1(hash) => Tag::new(&hash.finalize()),
            State::Sha256(hash) => Tag::new(&hash.finalize()),
            State::Sha384(hash) => Tag::new(&hash.finalize()),
            State::Sha512(hash) => Tag::new(&hash.finalize()),
            State::Sha3(hash) => Tag::new(&hash.finalize()),
            State::Keccak256(hash) => Tag::new(&hash.finalize()),
        }
    }
}

/// The plain hash of some bytes.
#[must_use]
pub fn hash(algorithm: Algorithm, bytes: &[u8]) -> Tag {
    let mut hash = Mac::plain(algorithm);
    hash.update(bytes);
    hash.finish()
}

impl std::fmt::Debug for Mac {
    /// Nothing: the state is as good as the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mac(…)")
    }
}

impl Tag {
    fn new(tag: &[u8]) -> Self {
        let (mut bytes, len) = ([0; MAX_TAG], tag.len().min(MAX_TAG));
        bytes[..len].copy_from_slice(&tag[..len]);
        Self { bytes, len }
    }

    /// The tag's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Whether it is what was decoded, of the same length and padded with zeros as it is. Eight bytes at a time, each with
    /// the care of one: a tag takes an eighth of the steps.
    #[must_use]
    pub fn is(&self, decoded: &[u8; MAX_TAG]) -> Choice {
        let words = |bytes: &[u8; MAX_TAG]| -> [u64; MAX_TAG / 8] {
            std::array::from_fn(|at| bytes.as_chunks::<8>().0.get(at).copied().map_or(0, u64::from_le_bytes))
        };
        let both = words(&self.bytes).into_iter().zip(words(decoded));
        both.fold(Choice::from(1), |equal, (own, other)| equal & own.ct_eq(&other))
    }

    /// The first 128 bits: what a claim remembers of the message.
    #[must_use]
    pub fn claim_key(&self) -> [u8; 16] {
        std::array::from_fn(|at| self.bytes[at])
    }
}

impl std::fmt::Debug for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tag(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    /// RFC 2202 and RFC 4231, test case 2.
    #[test]
    fn published_vectors() {
        for (algorithm, expected) in [
            (Algorithm::Md5, "750c783e6ab0b503eaa86e310a5db738"),
            (Algorithm::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Algorithm::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                Algorithm::Sha384,
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
            ),
            (
                Algorithm::Sha512,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd\
                 caeab1a34d4a6b4b636e070a38bce737",
            ),
        ] {
            let mut mac = Mac::new(algorithm, b"Jefe").expect("any length");
            mac.update(b"what do ya want ");
            mac.update(b"for nothing?");
            assert_eq!(HEXLOWER.encode(mac.finish().as_bytes()), expected, "{algorithm:?}");
        }
        assert!(Mac::new(Algorithm::Keccak256, b"k").is_none() && Mac::new(Algorithm::Sha3, b"k").is_none());
    }

    /// RFC 1321, FIPS 180 and FIPS 202 for `abc`; the original Keccak for the empty text.
    #[test]
    fn plain_hashes() {
        for (algorithm, text, expected) in [
            (Algorithm::Md5, "abc", "900150983cd24fb0d6963f7d28e17f72"),
            (Algorithm::Sha1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Algorithm::Sha256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (Algorithm::Sha3, "abc", "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
            (Algorithm::Keccak256, "", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        ] {
            let tag = hash(algorithm, text.as_bytes());
            assert_eq!(HEXLOWER.encode(tag.as_bytes()), expected, "{algorithm:?}");
            assert_eq!(tag.as_bytes().len(), algorithm.tag_len());
        }
        for algorithm in [Algorithm::Sha384, Algorithm::Sha512] {
            assert_eq!(hash(algorithm, b"").as_bytes().len(), algorithm.tag_len());
        }
    }
}
