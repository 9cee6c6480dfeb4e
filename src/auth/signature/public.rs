//! A public key, read once, and what it says of a signature.

use std::fmt;
use std::sync::Arc;

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use ring::signature::{self as known, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use sha1::Sha1;
use sha2::{Digest, Sha512};

use super::der::{self, signature_to_raw};
use super::text::{self, PublicKeyFault};
use super::{EcdsaForm, SignatureAlgorithm};

/// A public key. It is cheap to clone, and printing it prints its id alone.
#[derive(Clone)]
pub struct PublicKey(Arc<Parts>);

#[derive(Clone)]
struct Parts {
    material: Material,
    /// Its id in the set that it comes from.
    kid: Option<Box<str>>,
    /// The one algorithm that it is for, where its owner says so.
    only: Option<SignatureAlgorithm>,
}

/// What kind of key, and its bytes.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Material {
    /// The encoded point (RFC 8032 section 5.1.2).
    Ed25519([u8; 32]),
    /// The uncompressed point (SEC 1 section 2.3.3), as those of the next two.
    P256([u8; 65]),
    P384([u8; 97]),
    P521([u8; 133]),
    /// Modulus and exponent, without leading zeros.
    Rsa {
        n: Box<[u8]>,
        e: Box<[u8]>,
        pss_only: bool,
    },
}

/// How weak an RSA key may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Strength {
    /// 2048 bits at least.
    #[default]
    Usual,
    /// 1024 bits at least: only where a sender has no better.
    Legacy,
}

impl Strength {
    fn least_bits(self) -> usize {
        match self {
            Self::Usual => 2048,
            Self::Legacy => 1024,
        }
    }
}

/// The largest RSA modulus, in bits.
const MOST_BITS: usize = 8192;

impl PublicKey {
    /// Reads a key as users have it: PEM (with or without line breaks), DER in base64, a JWK, or a bare Ed25519 key or
    /// point of a curve in hexadecimal, base64 or base64url.
    ///
    /// # Errors
    /// A [`PublicKeyFault`], which never says what was written.
    pub fn from_text(text: &str, strength: Strength) -> Result<Self, PublicKeyFault> {
        text::parse(text, strength)
    }

    /// Reads a `SubjectPublicKeyInfo` (RFC 5280 section 4.1) in DER.
    ///
    /// # Errors
    /// A [`PublicKeyFault`].
    pub fn from_spki(bytes: &[u8], strength: Strength) -> Result<Self, PublicKeyFault> {
        text::spki(bytes, strength)
    }

    /// Reads a JWK (RFC 7517, RFC 7518 section 6, RFC 8037).
    ///
    /// # Errors
    /// A [`PublicKeyFault`].
    pub fn from_jwk(
        jwk: &serde_json::Map<String, serde_json::Value>,
        strength: Strength,
    ) -> Result<Self, PublicKeyFault> {
        super::jwk::public(jwk, strength)
    }

    pub(super) fn new(material: Material) -> Self {
        Self(Arc::new(Parts { material, kid: None, only: None }))
    }

    /// An Ed25519 key. One of small order verifies what nobody signed, and one that has a second spelling has two ids.
    pub(super) fn ed25519(point: [u8; 32]) -> Result<Self, PublicKeyFault> {
        let mut y = point;
        y[31] &= 0x7f;
        if SMALL_ORDER.contains(&y) || !is_below_p(&y) {
            return Err(PublicKeyFault::Point);
        }
        Ok(Self::new(Material::Ed25519(point)))
    }

    /// A point of a curve (SEC 1), compressed or not; its length tells which curve.
    pub(super) fn point(bytes: &[u8]) -> Result<Self, PublicKeyFault> {
        let fault = |_| PublicKeyFault::Point;
        // The identity and the hybrid form are no keys.
        if !matches!(bytes.first(), Some(2..=4)) {
            return Err(PublicKeyFault::Point);
        }
        let material = match bytes.len() {
            33 | 65 => {
                let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).map_err(fault)?;
                sized(key.to_sec1_point(false).as_bytes()).map(Material::P256)
            }
            49 | 97 => {
                let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(bytes).map_err(fault)?;
                sized(key.to_sec1_point(false).as_bytes()).map(Material::P384)
            }
            67 | 133 => {
                let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(bytes).map_err(fault)?;
                sized(key.to_sec1_point(false).as_bytes()).map(Material::P521)
            }
            _ => None,
        };
        material.map(Self::new).ok_or(PublicKeyFault::Point)
    }

    /// An RSA key.
    pub(super) fn rsa(n: &[u8], e: &[u8], pss_only: bool, strength: Strength) -> Result<Self, PublicKeyFault> {
        let (n, e) = (der::without_zeros(n), der::without_zeros(e));
        let bits = bit_length(n);
        if bits < strength.least_bits() || bits > MOST_BITS {
            return Err(PublicKeyFault::RsaSize { bits, least: strength.least_bits() });
        }
        let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
        // The exponents that ring takes: 3 to 2^33 - 1.
        if !is_odd(n) || !is_odd(e) || *e == [1] || bit_length(e) > 33 {
            return Err(PublicKeyFault::RsaExponent);
        }
        Ok(Self::new(Material::Rsa { n: n.into(), e: e.into(), pss_only }))
    }

    /// The same key with an id, and the one algorithm that it is for.
    #[must_use]
    pub fn labelled(self, kid: Option<&str>, only: Option<SignatureAlgorithm>) -> Self {
        let material = self.0.material.clone();
        Self(Arc::new(Parts { material, kid: kid.map(Into::into), only }))
    }

    /// Its id in the set that it comes from.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.0.kid.as_deref()
    }

    /// Its id where that is plain enough for headers and records.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/+=@-".contains(&byte);
        self.kid().filter(|kid| (1..=128).contains(&kid.len()) && kid.bytes().all(is_plain))
    }

    /// Whether a signature of that algorithm could be its.
    #[must_use]
    pub fn fits(&self, algorithm: SignatureAlgorithm) -> bool {
        use SignatureAlgorithm as A;
        let kind = match (&self.0.material, algorithm) {
            (Material::Ed25519(_), A::Ed25519)
            | (Material::P256(_), A::EcdsaP256Sha256 | A::EcdsaP256Sha1)
            | (Material::P384(_), A::EcdsaP384Sha384)
            | (Material::P521(_), A::EcdsaP521Sha512) => true,
            (Material::Rsa { pss_only, .. }, algorithm) => {
                algorithm.family() == super::Family::Rsa && (!pss_only || algorithm.is_pss())
            }
            _ => false,
        };
        kind && self.0.only.is_none_or(|only| only == algorithm)
    }

    /// Whether the holder of the private key signed that content. False too where the key is not of the algorithm's
    /// kind.
    #[must_use]
    pub fn verify(&self, algorithm: SignatureAlgorithm, form: EcdsaForm, content: &[u8], signature: &[u8]) -> bool {
        if !self.fits(algorithm) {
            return false;
        }
        match &self.0.material {
            Material::Ed25519(point) => by_ring(&known::ED25519, point, content, signature),
            Material::P256(point) if algorithm == SignatureAlgorithm::EcdsaP256Sha1 => {
                p256_sha1(point, form, content, signature).is_some()
            }
            Material::P256(point) => match form {
                EcdsaForm::Raw => by_ring(&known::ECDSA_P256_SHA256_FIXED, point, content, signature),
                EcdsaForm::Der => by_ring(&known::ECDSA_P256_SHA256_ASN1, point, content, signature),
            },
            Material::P384(point) => match form {
                EcdsaForm::Raw => by_ring(&known::ECDSA_P384_SHA384_FIXED, point, content, signature),
                EcdsaForm::Der => by_ring(&known::ECDSA_P384_SHA384_ASN1, point, content, signature),
            },
            Material::P521(point) => p521_sha512(point, form, content, signature).is_some(),
            Material::Rsa { n, e, .. } => {
                let key = RsaPublicKeyComponents { n, e };
                rsa_parameters(algorithm, bit_length(n) < Strength::Usual.least_bits())
                    .is_some_and(|parameters| key.verify(parameters, content, signature).is_ok())
            }
        }
    }

    /// The key as a `SubjectPublicKeyInfo` in PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        text::to_pem("PUBLIC KEY", &text::to_spki(&self.0.material))
    }

    /// The key as a JWK.
    #[must_use]
    pub fn to_jwk(&self) -> serde_json::Map<String, serde_json::Value> {
        super::jwk::from_public(&self.0.material, self.kid(), self.0.only)
    }

    /// The bare key: the encoded point of a curve; `None` for RSA.
    #[must_use]
    pub fn to_raw(&self) -> Option<&[u8]> {
        match &self.0.material {
            Material::Ed25519(point) => Some(point),
            Material::P256(point) => Some(point),
            Material::P384(point) => Some(point),
            Material::P521(point) => Some(point),
            Material::Rsa { .. } => None,
        }
    }

    /// Whether both are the same key, whatever they are called.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.material == other.0.material
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("kid", &self.0.kid).finish_non_exhaustive()
    }
}

fn by_ring(algorithm: &'static dyn VerificationAlgorithm, key: &[u8], content: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(algorithm, key).verify(content, signature).is_ok()
}

/// ECDSA on P-256 over SHA-1, which ring does not have.
fn p256_sha1(point: &[u8], form: EcdsaForm, content: &[u8], signature: &[u8]) -> Option<()> {
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?;
    let signature = p256::ecdsa::Signature::from_slice(&raw(form, signature, 32)?).ok()?;
    key.verify_prehash(&Sha1::digest(content), &signature).ok()
}

/// ECDSA on P-521, which ring does not have.
fn p521_sha512(point: &[u8], form: EcdsaForm, content: &[u8], signature: &[u8]) -> Option<()> {
    let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?;
    let signature = p521::ecdsa::Signature::from_slice(&raw(form, signature, 66)?).ok()?;
    key.verify_prehash(&Sha512::digest(content), &signature).ok()
}

fn raw(form: EcdsaForm, signature: &[u8], len: usize) -> Option<Vec<u8>> {
    match form {
        EcdsaForm::Raw => (signature.len() == 2 * len).then(|| signature.to_vec()),
        EcdsaForm::Der => signature_to_raw(signature, len),
    }
}

/// What ring calls an RSA algorithm. A small key has names of its own; there is none for PSS, which senders with such
/// keys do not use.
fn rsa_parameters(algorithm: SignatureAlgorithm, is_small: bool) -> Option<&'static known::RsaParameters> {
    use SignatureAlgorithm as A;
    Some(match (algorithm, is_small) {
        (A::RsaPkcs1Sha1, false) => &known::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        (A::RsaPkcs1Sha1, true) => &known::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        (A::RsaPkcs1Sha256, false) => &known::RSA_PKCS1_2048_8192_SHA256,
        (A::RsaPkcs1Sha256, true) => &known::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        (A::RsaPkcs1Sha384, false) => &known::RSA_PKCS1_2048_8192_SHA384,
        (A::RsaPkcs1Sha512, false) => &known::RSA_PKCS1_2048_8192_SHA512,
        (A::RsaPkcs1Sha512, true) => &known::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        (A::RsaPssSha256, false) => &known::RSA_PSS_2048_8192_SHA256,
        (A::RsaPssSha384, false) => &known::RSA_PSS_2048_8192_SHA384,
        (A::RsaPssSha512, false) => &known::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn sized<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

/// The length of a number without leading zeros, in bits.
pub(super) fn bit_length(number: &[u8]) -> usize {
    number.first().map_or(0, |first| 8 * number.len() - first.leading_zeros() as usize)
}

/// Whether a little-endian coordinate is below p = 2^255 - 19, so that this is its one spelling.
fn is_below_p(y: &[u8; 32]) -> bool {
    let high = y[31] == 0x7f && y[1..31].iter().all(|byte| *byte == 0xff);
    !(high && y[0] >= 0xed)
}

/// The `y` of the eight points whose order divides the cofactor, in their one spelling: 0, 1, p - 1 and the two of
/// order eight (RFC 7748 section 6.1 names the same on the other form of the curve).
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    {
        let mut most = [0xff; 32];
        (most[0], most[31]) = (0xec, 0x7f);
        most
    },
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];
