//! Signatures made with a private key and checked with the public one: Ed25519, ECDSA, RSA.
//!
//! Checking goes through `ring`, which TLS links anyway. It has neither P-521 nor ECDSA over SHA-1, so that the few
//! senders who use them are checked through the `p521` and `p256` crates: nothing secret is read there, so that their
//! timing tells nobody anything. Signing, which only the signer does, goes through `ring` for Ed25519 and through
//! `RustCrypto` for the rest, so that each side tests the other.
//!
//! What is strict, and where: an Ed25519 key of small order or in a second spelling is refused when it is read, a scalar
//! that is not reduced when it is checked (RFC 8032 section 5.1.7); DER has one spelling; an RSA key has 2048 to 8192
//! bits, or 1024 where the definition says that its sender has no better; RSA padding is compared whole. An ECDSA
//! signature with a high `s` is accepted, as every SDK does: who has one signature can make that second one, but a claim
//! is over the signed content, so that it is a replay all the same.
//!
//! Deliberately absent: choosing an algorithm by what the sender says.

mod der;
mod jwk;
mod private;
mod public;
mod set;
mod text;

pub use private::{PrivateKey, PrivateKeyFault};
pub use public::{PublicKey, Strength};
pub use set::{KeySet, KeySetFault, MAX_KEY_SET};
pub use text::{PublicKeyFault, pem_blocks};

/// What a signature is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// Ed25519 (RFC 8032), without a prehash.
    Ed25519,
    /// ECDSA on P-256 over SHA-256.
    EcdsaP256Sha256,
    /// ECDSA on P-256 over SHA-1: only where a provider has nothing better.
    EcdsaP256Sha1,
    /// ECDSA on P-384 over SHA-384.
    EcdsaP384Sha384,
    /// ECDSA on P-521 over SHA-512.
    EcdsaP521Sha512,
    /// RSASSA-PKCS1-v1_5 over SHA-1: only where a provider has nothing better.
    RsaPkcs1Sha1,
    /// RSASSA-PKCS1-v1_5 over SHA-256.
    RsaPkcs1Sha256,
    /// RSASSA-PKCS1-v1_5 over SHA-384.
    RsaPkcs1Sha384,
    /// RSASSA-PKCS1-v1_5 over SHA-512.
    RsaPkcs1Sha512,
    /// RSASSA-PSS over SHA-256, with a salt of the hash's length.
    RsaPssSha256,
    /// RSASSA-PSS over SHA-384, with a salt of the hash's length.
    RsaPssSha384,
    /// RSASSA-PSS over SHA-512, with a salt of the hash's length.
    RsaPssSha512,
}

/// A family of algorithms: what a definition calls `scheme`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Ed25519.
    Ed25519,
    /// ECDSA.
    Ecdsa,
    /// RSA.
    Rsa,
}

impl Family {
    /// Its name in definitions and lists.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Ecdsa => "ecdsa",
            Self::Rsa => "rsa",
        }
    }
}

/// How an ECDSA signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EcdsaForm {
    /// `r` and `s` side by side, each of the curve's length (IEEE P1363, RFC 7518 section 3.4).
    Raw,
    /// An ASN.1 sequence of both, in DER (RFC 3279 section 2.2.3).
    Der,
}

/// The longest signature, in bytes: that of an RSA key of 8192 bits.
pub const MAX_SIGNATURE: usize = 1024;

/// `(algorithm, name in definitions, name in JWKs and tokens)`; the latter is empty where there is none.
const ALGORITHMS: &[(SignatureAlgorithm, &str, &str)] = &[
    (SignatureAlgorithm::Ed25519, "ed25519", "EdDSA"),
    (SignatureAlgorithm::EcdsaP256Sha256, "p256_sha256", "ES256"),
    (SignatureAlgorithm::EcdsaP256Sha1, "p256_sha1", ""),
    (SignatureAlgorithm::EcdsaP384Sha384, "p384_sha384", "ES384"),
    (SignatureAlgorithm::EcdsaP521Sha512, "p521_sha512", "ES512"),
    (SignatureAlgorithm::RsaPkcs1Sha1, "pkcs1_sha1", ""),
    (SignatureAlgorithm::RsaPkcs1Sha256, "pkcs1_sha256", "RS256"),
    (SignatureAlgorithm::RsaPkcs1Sha384, "pkcs1_sha384", "RS384"),
    (SignatureAlgorithm::RsaPkcs1Sha512, "pkcs1_sha512", "RS512"),
    (SignatureAlgorithm::RsaPssSha256, "pss_sha256", "PS256"),
    (SignatureAlgorithm::RsaPssSha384, "pss_sha384", "PS384"),
    (SignatureAlgorithm::RsaPssSha512, "pss_sha512", "PS512"),
];

impl SignatureAlgorithm {
    /// All, in the order in which they are listed.
    pub fn all() -> impl Iterator<Item = Self> {
        ALGORITHMS.iter().map(|(algorithm, ..)| *algorithm)
    }

    /// The algorithm of that name in definitions: `pkcs1_sha256`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ALGORITHMS.iter().find(|(_, known, _)| *known == name).map(|(algorithm, ..)| *algorithm)
    }

    /// Its name in definitions.
    #[must_use]
    pub fn name(self) -> &'static str {
        ALGORITHMS.iter().find(|(known, ..)| *known == self).map_or("", |(_, name, _)| name)
    }

    /// The algorithm of that name in JWKs and tokens (RFC 7518 section 3.1, RFC 8037, RFC 9864): `RS256`.
    #[must_use]
    pub fn jose_named(name: &str) -> Option<Self> {
        let name = if name == "Ed25519" { "EdDSA" } else { name };
        ALGORITHMS.iter().find(|(.., known)| *known == name && !name.is_empty()).map(|(algorithm, ..)| *algorithm)
    }

    /// Its name in JWKs and tokens; `None` for what they have no name for.
    #[must_use]
    pub fn jose_name(self) -> Option<&'static str> {
        ALGORITHMS.iter().find(|(known, ..)| *known == self).map(|(.., name)| *name).filter(|name| !name.is_empty())
    }

    /// Its family.
    #[must_use]
    pub fn family(self) -> Family {
        match self {
            Self::Ed25519 => Family::Ed25519,
            Self::EcdsaP256Sha256 | Self::EcdsaP256Sha1 | Self::EcdsaP384Sha384 | Self::EcdsaP521Sha512 => {
                Family::Ecdsa
            }
            Self::RsaPkcs1Sha1
            | Self::RsaPkcs1Sha256
            | Self::RsaPkcs1Sha384
            | Self::RsaPkcs1Sha512
            | Self::RsaPssSha256
            | Self::RsaPssSha384
            | Self::RsaPssSha512 => Family::Rsa,
        }
    }

    /// Whether it is RSASSA-PSS.
    #[must_use]
    pub fn is_pss(self) -> bool {
        matches!(self, Self::RsaPssSha256 | Self::RsaPssSha384 | Self::RsaPssSha512)
    }
}

#[cfg(test)]
mod tests;
