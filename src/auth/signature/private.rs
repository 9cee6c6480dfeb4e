//! Private keys, for the signer alone: the proxy checks signatures and makes none of these.
//!
//! RSA goes through the `rsa` crate: ring signs neither with SHA-1 nor makes keys. Its private-key operations are not
//! constant in time (RUSTSEC-2023-0071). That matters where an attacker can measure many signatures over the network;
//! here a person signs a test message on their own machine, and what verifies never holds a private key.

use std::fmt;

use getrandom::SysRng;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use ring::signature::{Ed25519KeyPair, KeyPair};
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use rsa::{BoxedUint, Pkcs1v15Sign, PrivateKey as RsaPrivateKey, Pss};
use serde_json::{Map, Value};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::der::{self, Reader, signature_from_raw};
use super::public::{PublicKey, Strength};
use super::text::{self, Algorithm};
use super::{EcdsaForm, SignatureAlgorithm};

/// A private key. Printing it prints nothing.
pub struct PrivateKey(Material);

enum Material {
    /// The seed beside the pair: ring does not give it back.
    Ed25519(Zeroizing<[u8; 32]>, Ed25519KeyPair),
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
    Rsa(Box<RsaPrivateKey>),
}

/// Why a text is no private key, or cannot make a signature. Never says what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrivateKeyFault {
    /// It is a public key.
    #[error("is a public key; to sign takes the private one")]
    Public,
    /// It is locked with a password, or of OpenSSH.
    #[error("is locked or of another format; unlocked PKCS#8, SEC 1 and PKCS#1 are accepted")]
    Format,
    /// It is no private key.
    #[error("is no private key in PEM, DER in base64, a JWK, or a bare Ed25519 seed in hexadecimal or base64")]
    Text,
    /// It is not of the kind that the algorithm needs.
    #[error("is of another kind than {0} needs")]
    Kind(&'static str),
    /// The key is too small for the hash, or the system has no random numbers.
    #[error("cannot make a signature")]
    Failed,
}

impl PrivateKey {
    /// Reads a key: PEM (PKCS#8, SEC 1, PKCS#1) or the same in DER and base64, a JWK, or the bare seed of Ed25519, with
    /// or without the public key behind it.
    ///
    /// # Errors
    /// A [`PrivateKeyFault`].
    pub fn from_text(text: &str) -> Result<Self, PrivateKeyFault> {
        let text = text.trim();
        if text.starts_with('{') {
            let jwk = serde_json::from_str(text).map_err(|_| PrivateKeyFault::Text)?;
            return from_jwk(&jwk).ok_or(PrivateKeyFault::Text);
        }
        let mut is_public = false;
        for block in text::pem_blocks(text) {
            let (label, bytes) = text::pem(block).ok_or(PrivateKeyFault::Text)?;
            let bytes = Zeroizing::new(bytes);
            match label {
                "PRIVATE KEY" => return pkcs8(&bytes).ok_or(PrivateKeyFault::Text),
                "EC PRIVATE KEY" => return sec1(&bytes, None).ok_or(PrivateKeyFault::Text),
                "RSA PRIVATE KEY" => return pkcs1(&bytes).ok_or(PrivateKeyFault::Text),
                // What openssl writes before a key of a curve.
                "EC PARAMETERS" => {}
                label if label.ends_with("PRIVATE KEY") => return Err(PrivateKeyFault::Format),
                _ => is_public = true,
            }
        }
        if is_public {
            return Err(PrivateKeyFault::Public);
        }
        let bytes = Zeroizing::new(text::bare(text).ok_or(PrivateKeyFault::Text)?);
        let seed = match bytes.len() {
            32 => bytes.first_chunk(),
            64 => bytes.first_chunk().filter(|_| bytes.first() != Some(&der::SEQUENCE)),
            _ => None,
        };
        let of_seed = seed.and_then(ed25519).filter(|key| is_followed_by_its_public_key(key, &bytes));
        of_seed.or_else(|| pkcs8(&bytes)).or_else(|| sec1(&bytes, None)).or_else(|| pkcs1(&bytes)).ok_or_else(|| {
            let is_public = PublicKey::from_text(text, Strength::Legacy).is_ok();
            if is_public { PrivateKeyFault::Public } else { PrivateKeyFault::Text }
        })
    }

    /// Makes a new key for an algorithm; an RSA key has 2048 bits.
    ///
    /// # Errors
    /// [`PrivateKeyFault::Failed`]: the system has no random numbers.
    pub fn generate(algorithm: SignatureAlgorithm) -> Result<Self, PrivateKeyFault> {
        if algorithm.family() == super::Family::Rsa {
            let key = RsaPrivateKey::new(&mut SysRng, 2048).map_err(|_| PrivateKeyFault::Failed)?;
            return Ok(Self(Material::Rsa(Box::new(key))));
        }
        // A random number is no key of its curve as good as never.
        let attempt = |_| {
            let mut bytes = Zeroizing::new([0; 66]);
            getrandom::fill(&mut *bytes).ok()?;
            Self::of_scalar(algorithm, &bytes)
        };
        (0..64).find_map(attempt).ok_or(PrivateKeyFault::Failed)
    }

    /// The key whose number is the first of these bytes; `None` where they are none, and for RSA.
    #[must_use]
    pub fn of_scalar(algorithm: SignatureAlgorithm, bytes: &[u8; 66]) -> Option<Self> {
        use SignatureAlgorithm as A;
        match algorithm {
            A::Ed25519 => ed25519(bytes.first_chunk()?),
            A::EcdsaP256Sha256 | A::EcdsaP256Sha1 => scalar(0, &bytes[..32]),
            A::EcdsaP384Sha384 => scalar(1, &bytes[..48]),
            A::EcdsaP521Sha512 => {
                let mut scalar_bytes = Zeroizing::new(*bytes);
                // The curve's order has 521 bits.
                scalar_bytes[0] &= 1;
                scalar(2, &*scalar_bytes)
            }
            A::RsaPkcs1Sha1
            | A::RsaPkcs1Sha256
            | A::RsaPkcs1Sha384
            | A::RsaPkcs1Sha512
            | A::RsaPssSha256
            | A::RsaPssSha384
            | A::RsaPssSha512 => None,
        }
    }

    /// The RSA key of two primes.
    #[must_use]
    pub fn of_primes(p: &[u8], q: &[u8]) -> Option<Self> {
        let number = |bytes: &[u8]| BoxedUint::from_be_slice_vartime(bytes);
        let key = RsaPrivateKey::from_p_q(number(p), number(q), number(&[1, 0, 1])).ok()?;
        Some(Self(Material::Rsa(Box::new(key))))
    }

    /// Signs content.
    ///
    /// # Errors
    /// [`PrivateKeyFault::Kind`], [`PrivateKeyFault::Failed`].
    pub fn sign(
        &self,
        algorithm: SignatureAlgorithm,
        form: EcdsaForm,
        content: &[u8],
    ) -> Result<Vec<u8>, PrivateKeyFault> {
        use SignatureAlgorithm as A;
        let failed = |_| PrivateKeyFault::Failed;
        let raw = match (&self.0, algorithm) {
            (Material::Ed25519(_, pair), A::Ed25519) => return Ok(pair.sign(content).as_ref().to_vec()),
            (Material::Rsa(key), _) if algorithm.family() == super::Family::Rsa => {
                return rsa_sign(key, algorithm, content);
            }
            (Material::P256(key), A::EcdsaP256Sha256) => p256_sign(key, &Sha256::digest(content)).map_err(failed)?,
            (Material::P256(key), A::EcdsaP256Sha1) => p256_sign(key, &Sha1::digest(content)).map_err(failed)?,
            (Material::P384(key), A::EcdsaP384Sha384) => {
                let signature: p384::ecdsa::Signature = key.sign_prehash(&Sha384::digest(content)).map_err(failed)?;
                signature.to_bytes().to_vec()
            }
            (Material::P521(key), A::EcdsaP521Sha512) => {
                let signature: p521::ecdsa::Signature = key.sign_prehash(&Sha512::digest(content)).map_err(failed)?;
                signature.to_bytes().to_vec()
            }
            _ => return Err(PrivateKeyFault::Kind(algorithm.name())),
        };
        Ok(match form {
            EcdsaForm::Raw => raw,
            EcdsaForm::Der => signature_from_raw(&raw),
        })
    }

    /// The public key.
    ///
    /// # Errors
    /// [`PrivateKeyFault::Failed`]: it is one that nobody may verify with, such as a small RSA key.
    pub fn public(&self) -> Result<PublicKey, PrivateKeyFault> {
        let key = match &self.0 {
            Material::Ed25519(_, pair) => {
                let point = pair.public_key().as_ref().try_into().map_err(|_| PrivateKeyFault::Failed)?;
                PublicKey::ed25519(point)
            }
            Material::P256(key) => PublicKey::point(key.verifying_key().to_sec1_point(false).as_bytes()),
            Material::P384(key) => PublicKey::point(key.verifying_key().to_sec1_point(false).as_bytes()),
            Material::P521(key) => PublicKey::point(key.verifying_key().to_sec1_point(false).as_bytes()),
            Material::Rsa(key) => PublicKey::rsa(&key.n_bytes(), &key.e_bytes(), false, Strength::Legacy),
        };
        key.map_err(|_| PrivateKeyFault::Failed)
    }

    /// The key as PKCS#8 in PEM (RFC 5208, RFC 8410 for Ed25519).
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        let curve = |index, scalar: &[u8], point: &[u8]| {
            let point = der::value(0xa1, &der::bits(point));
            let key = der::sequence(&[der::unsigned(&[1]), der::value(der::OCTET_STRING, scalar), point]);
            (text::curve_identifier(index), key)
        };
        let (identifier, key) = match &self.0 {
            Material::Ed25519(seed, _) => {
                (text::identifier(text::OID_ED25519, &[]), der::value(der::OCTET_STRING, &**seed))
            }
            Material::P256(key) => curve(0, &key.to_bytes(), key.verifying_key().to_sec1_point(false).as_bytes()),
            Material::P384(key) => curve(1, &key.to_bytes(), key.verifying_key().to_sec1_point(false).as_bytes()),
            Material::P521(key) => curve(2, &key.to_bytes(), key.verifying_key().to_sec1_point(false).as_bytes()),
            Material::Rsa(key) => (text::identifier(text::OID_RSA, &der::value(der::NULL, &[])), to_pkcs1(key)),
        };
        let key = Zeroizing::new(key);
        let info = der::sequence(&[der::unsigned(&[]), identifier, der::value(der::OCTET_STRING, &key)]);
        Zeroizing::new(text::to_pem("PRIVATE KEY", &Zeroizing::new(info)))
    }
}

#[cfg(test)]
impl PrivateKey {
    /// RSA's private operation on content that is padded, but in no other way what a signature would hold.
    pub(super) fn rsa_sign_bare(&self, padding: Pkcs1v15Sign, content: &[u8]) -> Option<Vec<u8>> {
        let Material::Rsa(key) = &self.0 else { return None };
        key.sign(padding, content).ok()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

fn p256_sign(key: &p256::ecdsa::SigningKey, hash: &[u8]) -> Result<Vec<u8>, p256::ecdsa::Error> {
    let signature: p256::ecdsa::Signature = key.sign_prehash(hash)?;
    Ok(signature.to_bytes().to_vec())
}

fn rsa_sign(key: &RsaPrivateKey, algorithm: SignatureAlgorithm, content: &[u8]) -> Result<Vec<u8>, PrivateKeyFault> {
    use SignatureAlgorithm as A;
    let rng = &mut SysRng;
    let signature = match algorithm {
        A::RsaPkcs1Sha1 => key.sign_with_rng(rng, Pkcs1v15Sign::new::<Sha1>(), &Sha1::digest(content)),
        A::RsaPkcs1Sha256 => key.sign_with_rng(rng, Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(content)),
        A::RsaPkcs1Sha384 => key.sign_with_rng(rng, Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(content)),
        A::RsaPkcs1Sha512 => key.sign_with_rng(rng, Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(content)),
        A::RsaPssSha256 => key.sign_with_rng(rng, Pss::<Sha256>::new(), &Sha256::digest(content)),
        A::RsaPssSha384 => key.sign_with_rng(rng, Pss::<Sha384>::new(), &Sha384::digest(content)),
        A::RsaPssSha512 => key.sign_with_rng(rng, Pss::<Sha512>::new(), &Sha512::digest(content)),
        A::Ed25519 | A::EcdsaP256Sha256 | A::EcdsaP256Sha1 | A::EcdsaP384Sha384 | A::EcdsaP521Sha512 => {
            return Err(PrivateKeyFault::Kind(algorithm.name()));
        }
    };
    signature.map_err(|_| PrivateKeyFault::Failed)
}

fn ed25519(seed: &[u8; 32]) -> Option<PrivateKey> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
    Some(PrivateKey(Material::Ed25519(Zeroizing::new(*seed), pair)))
}

/// Whether what stands behind a seed is nothing or its public key, as in Standard Webhooks' `whsk_`.
fn is_followed_by_its_public_key(key: &PrivateKey, bytes: &[u8]) -> bool {
    let Material::Ed25519(_, pair) = &key.0 else { return false };
    matches!(bytes.get(32..), Some([])) || bytes.get(32..) == Some(pair.public_key().as_ref())
}

/// A key of the curve at that place in [`text::CURVES`].
fn scalar(curve: usize, bytes: &[u8]) -> Option<PrivateKey> {
    let material = match curve {
        0 => Material::P256(p256::ecdsa::SigningKey::from_slice(bytes).ok()?),
        1 => Material::P384(p384::ecdsa::SigningKey::from_slice(bytes).ok()?),
        _ => Material::P521(p521::ecdsa::SigningKey::from_slice(bytes).ok()?),
    };
    Some(PrivateKey(material))
}

/// A `PrivateKeyInfo` or `OneAsymmetricKey` (RFC 5958).
fn pkcs8(bytes: &[u8]) -> Option<PrivateKey> {
    let mut whole = Reader(bytes);
    let mut info = whole.sequence()?;
    whole.end()?;
    if !matches!(info.unsigned()?, [] | [1]) {
        return None;
    }
    let algorithm = text::algorithm(&mut info)?;
    let key = info.take(der::OCTET_STRING)?;
    match algorithm {
        Algorithm::Ed25519 => ed25519(Reader(key).take(der::OCTET_STRING)?.try_into().ok()?),
        Algorithm::Curve(len) => sec1(key, text::CURVES.iter().position(|(_, known)| *known == len)),
        Algorithm::Rsa { .. } => pkcs1(key),
        Algorithm::Other => None,
    }
}

/// An `ECPrivateKey` (RFC 5915), whose curve is stated outside or inside.
fn sec1(bytes: &[u8], curve: Option<usize>) -> Option<PrivateKey> {
    let mut whole = Reader(bytes);
    let mut key = whole.sequence()?;
    whole.end()?;
    if key.unsigned()? != [1] {
        return None;
    }
    let number = key.take(der::OCTET_STRING)?;
    let stated = key.take_if(0xa0).and_then(|parameters| Reader(parameters).take(der::OID));
    let inside = stated.and_then(|oid| text::CURVES.iter().position(|(known, _)| *known == oid));
    scalar(curve.or(inside)?, number)
}

/// An `RSAPrivateKey` (RFC 8017 appendix A.1.2) of two primes.
fn pkcs1(bytes: &[u8]) -> Option<PrivateKey> {
    let mut whole = Reader(bytes);
    let mut key = whole.sequence()?;
    whole.end()?;
    if !key.unsigned()?.is_empty() {
        return None;
    }
    let mut numbers = [&[][..]; 5];
    for number in &mut numbers {
        *number = key.unsigned()?;
    }
    rsa_key(numbers)
}

/// The key of these numbers, in the order of PKCS#1: modulus, exponents, primes.
fn rsa_key([modulus, public, private, one, other]: [&[u8]; 5]) -> Option<PrivateKey> {
    let number = |bytes: &[u8]| BoxedUint::from_be_slice_vartime(bytes);
    let primes = vec![number(one), number(other)];
    let key = RsaPrivateKey::from_components(number(modulus), number(public), number(private), primes).ok()?;
    Some(PrivateKey(Material::Rsa(Box::new(key))))
}

fn to_pkcs1(key: &RsaPrivateKey) -> Vec<u8> {
    let number = |number: &BoxedUint| der::unsigned(&number.to_be_bytes());
    let none = || der::unsigned(&[]);
    let mut numbers = vec![none(), der::unsigned(&key.n_bytes()), der::unsigned(&key.e_bytes()), number(key.d())];
    numbers.extend(key.primes().iter().map(|prime| number(prime)));
    numbers.push(key.dp().map_or_else(none, number));
    numbers.push(key.dq().map_or_else(none, number));
    numbers.push(key.crt_coefficient().map_or_else(none, |inverse| number(&inverse)));
    der::sequence(&numbers)
}

/// A private JWK (RFC 7518 section 6, RFC 8037).
fn from_jwk(jwk: &Map<String, Value>) -> Option<PrivateKey> {
    let bytes = |name| super::jwk::bytes(jwk, name).map(Zeroizing::new);
    let text = |name: &str| jwk.get(name)?.as_str();
    match (text("kty")?, text("crv")) {
        ("OKP", Some("Ed25519")) => ed25519(bytes("d")?.as_slice().try_into().ok()?),
        ("EC", Some(curve)) => {
            let curve = ["P-256", "P-384", "P-521"].iter().position(|known| *known == curve)?;
            scalar(curve, &bytes("d")?)
        }
        ("RSA", _) => rsa_key([&bytes("n")?, &bytes("e")?, &bytes("d")?, &bytes("p")?, &bytes("q")?]),
        _ => None,
    }
}
