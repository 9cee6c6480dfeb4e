//! How public keys are written: PEM, DER, a JWK, or bare.

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};

use super::der::{self, Reader};
use super::public::{Material, PublicKey, Strength};

/// Why a text is no public key that can be used. Never says what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyFault {
    /// It is a private key.
    #[error("is a private key: the public one belongs here, and the private one stays with the sender")]
    Private,
    /// It is a certificate or something else in PEM.
    #[error("is PEM, but not of a PUBLIC KEY or an RSA PUBLIC KEY")]
    Label,
    /// It is no DER of a public key.
    #[error("is no SubjectPublicKeyInfo or RSAPublicKey in DER")]
    Der,
    /// It is of a kind that is not known.
    #[error("is of another kind than Ed25519, P-256, P-384, P-521 and RSA")]
    Kind,
    /// It is no point of its curve, or one that nobody may use.
    #[error("is no point of its curve in its one spelling and of full order")]
    Point,
    /// Its modulus is too small or too large.
    #[error("is an RSA key of {bits} bits; {least} to 8192 are accepted")]
    RsaSize {
        /// How many it has.
        bits: usize,
        /// How many it needs.
        least: usize,
    },
    /// Its exponent is even or out of range.
    #[error("is not an RSA key with an odd modulus and an odd exponent from 3 to 2^33")]
    RsaExponent,
    /// It is no JWK for signatures.
    #[error("is no JWK of a public key for signatures")]
    Jwk,
    /// It is none of these.
    #[error("is no public key in PEM, DER in base64, a JWK, or a bare key in hexadecimal or base64")]
    Text,
}

/// The start of a PEM block.
const BEGIN: &str = "-----BEGIN ";

/// `id-Ed25519` (RFC 8410 section 3).
pub(super) const OID_ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// `id-ecPublicKey` (RFC 5480 section 2.1.1).
pub(super) const OID_EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// `secp256r1`, `secp384r1`, `secp521r1` (RFC 5480 section 2.1.1.1), each with the length of its uncompressed points.
pub(super) const CURVES: [(&[u8], usize); 3] = [
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], 65),
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], 97),
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], 133),
];
/// `rsaEncryption` (RFC 8017 appendix C).
pub(super) const OID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// `id-RSASSA-PSS` (RFC 4055 section 1.2).
pub(super) const OID_RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];

/// Reads a key in any of its spellings.
pub(super) fn parse(text: &str, strength: Strength) -> Result<PublicKey, PublicKeyFault> {
    let text = text.trim();
    if text.starts_with(BEGIN) {
        let (label, bytes) = pem(text).ok_or(PublicKeyFault::Text)?;
        return match label {
            "PUBLIC KEY" => spki(&bytes, strength),
            "RSA PUBLIC KEY" => pkcs1(&bytes, strength),
            label if label.ends_with("PRIVATE KEY") => Err(PublicKeyFault::Private),
            _ => Err(PublicKeyFault::Label),
        };
    }
    if text.starts_with('{') {
        let jwk = serde_json::from_str(text).map_err(|_| PublicKeyFault::Jwk)?;
        return PublicKey::from_jwk(&jwk, strength);
    }
    bytes(&bare(text).ok_or(PublicKeyFault::Text)?, strength)
}

/// A key whose length and first byte say what it is.
fn bytes(bytes: &[u8], strength: Strength) -> Result<PublicKey, PublicKeyFault> {
    match (bytes.len(), bytes.first()) {
        (32, _) => PublicKey::ed25519(bytes.try_into().map_err(|_| PublicKeyFault::Text)?),
        (33 | 65 | 49 | 97 | 67 | 133, Some(2..=4)) => PublicKey::point(bytes),
        (_, Some(&der::SEQUENCE)) => match spki(bytes, strength) {
            Err(PublicKeyFault::Der) => pkcs1(bytes, strength),
            read => read,
        },
        _ => Err(PublicKeyFault::Text),
    }
}

/// What hexadecimal or base64 of a key decodes to. No key of the one has the length of the other.
pub(super) fn bare(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    let of_hex = HEXLOWER_PERMISSIVE.decode(text).ok();
    let of_hex = of_hex.filter(|bytes| {
        bytes.first() == Some(&der::SEQUENCE) || [32, 33, 49, 64, 65, 67, 97, 133].contains(&bytes.len())
    });
    let spellings = [&BASE64, &BASE64_NOPAD, &BASE64URL, &BASE64URL_NOPAD];
    of_hex.or_else(|| spellings.iter().find_map(|spelling| spelling.decode(text).ok()))
}

/// The label of the first PEM block (RFC 7468) and its bytes. Line breaks may be missing, or be written as `\n`: that is
/// how keys come out of environments and JSON.
pub(super) fn pem(text: &str) -> Option<(&str, Vec<u8>)> {
    let (label, rest) = text.trim_start().strip_prefix(BEGIN)?.split_once("-----")?;
    let (inside, rest) = rest.split_once("-----END ")?;
    rest.strip_prefix(label)?.strip_prefix("-----")?;
    let inside = inside.replace("\\n", "\n").replace("\\r", "\n");
    let base64: String = inside.split_ascii_whitespace().collect();
    Some((label, BASE64.decode(base64.as_bytes()).ok()?))
}

/// The PEM blocks of a text, each from its first line to its last. What stands between them is passed over.
pub fn pem_blocks(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = &rest[rest.find(BEGIN)?..];
        let end = rest.find("-----END ")? + "-----END ".len();
        let end = end + rest[end..].find("-----")? + "-----".len();
        let (block, after) = rest.split_at(end);
        rest = after;
        Some(block)
    })
}

/// A `SubjectPublicKeyInfo`.
pub(super) fn spki(bytes: &[u8], strength: Strength) -> Result<PublicKey, PublicKeyFault> {
    let (algorithm, key) = spki_parts(bytes).ok_or(PublicKeyFault::Der)?;
    match algorithm {
        Algorithm::Ed25519 => PublicKey::ed25519(key.try_into().map_err(|_| PublicKeyFault::Point)?),
        Algorithm::Curve(len) => {
            let point = PublicKey::point(key)?;
            if point.to_raw().is_some_and(|raw| raw.len() == len) { Ok(point) } else { Err(PublicKeyFault::Point) }
        }
        Algorithm::Rsa { pss_only } => rsa(key, pss_only, strength),
        Algorithm::Other => Err(PublicKeyFault::Kind),
    }
}

fn spki_parts(bytes: &[u8]) -> Option<(Algorithm, &[u8])> {
    let mut whole = Reader(bytes);
    let mut info = whole.sequence()?;
    whole.end()?;
    let algorithm = algorithm(&mut info)?;
    let key = info.bits()?;
    info.end()?;
    Some((algorithm, key))
}

/// What an `AlgorithmIdentifier` says.
pub(super) enum Algorithm {
    Ed25519,
    /// A curve, by the length of its uncompressed points.
    Curve(usize),
    Rsa {
        pss_only: bool,
    },
    Other,
}

/// Reads an `AlgorithmIdentifier`. Parameters that are not those of its RFC make it no DER of ours.
pub(super) fn algorithm(info: &mut Reader<'_>) -> Option<Algorithm> {
    let mut identifier = info.sequence()?;
    let oid = identifier.take(der::OID)?;
    let algorithm = if oid == OID_ED25519 {
        Algorithm::Ed25519
    } else if oid == OID_EC {
        let curve = identifier.take(der::OID)?;
        CURVES.iter().find(|(oid, _)| *oid == curve).map_or(Algorithm::Other, |(_, len)| Algorithm::Curve(*len))
    } else if oid == OID_RSA {
        identifier.take(der::NULL).filter(|content| content.is_empty())?;
        Algorithm::Rsa { pss_only: false }
    } else if oid == OID_RSA_PSS {
        // A key with parameters is for one hash and salt; nobody sends such, so that they are not read.
        Algorithm::Rsa { pss_only: true }
    } else {
        return Some(Algorithm::Other);
    };
    identifier.end()?;
    Some(algorithm)
}

/// An `RSAPublicKey` (RFC 8017 appendix A.1.1).
fn pkcs1(bytes: &[u8], strength: Strength) -> Result<PublicKey, PublicKeyFault> {
    rsa(bytes, false, strength)
}

fn rsa(bytes: &[u8], pss_only: bool, strength: Strength) -> Result<PublicKey, PublicKeyFault> {
    let numbers = || {
        let mut whole = Reader(bytes);
        let mut key = whole.sequence()?;
        whole.end()?;
        let numbers = (key.unsigned()?, key.unsigned()?);
        key.end()?;
        Some(numbers)
    };
    let (n, e) = numbers().ok_or(PublicKeyFault::Der)?;
    PublicKey::rsa(n, e, pss_only, strength)
}

/// A key as a `SubjectPublicKeyInfo`.
pub(super) fn to_spki(material: &Material) -> Vec<u8> {
    let (identifier, key): (Vec<u8>, Vec<u8>) = match material {
        Material::Ed25519(point) => (identifier(OID_ED25519, &[]), point.to_vec()),
        Material::P256(point) => (curve_identifier(0), point.to_vec()),
        Material::P384(point) => (curve_identifier(1), point.to_vec()),
        Material::P521(point) => (curve_identifier(2), point.to_vec()),
        Material::Rsa { n, e, pss_only } => {
            let identifier = match pss_only {
                true => identifier(OID_RSA_PSS, &[]),
                false => identifier(OID_RSA, &der::value(der::NULL, &[])),
            };
            (identifier, der::sequence(&[der::unsigned(n), der::unsigned(e)]))
        }
    };
    der::sequence(&[identifier, der::bits(&key)])
}

/// An `AlgorithmIdentifier`.
pub(super) fn identifier(oid: &[u8], parameters: &[u8]) -> Vec<u8> {
    der::value(der::SEQUENCE, &[&der::value(der::OID, oid), parameters].concat())
}

/// That of a curve, by its place in [`CURVES`].
pub(super) fn curve_identifier(index: usize) -> Vec<u8> {
    identifier(OID_EC, &der::value(der::OID, CURVES.get(index).map_or(&[][..], |(oid, _)| oid)))
}

/// A PEM block with lines of 64 characters.
pub(super) fn to_pem(label: &str, bytes: &[u8]) -> String {
    let base64 = BASE64.encode(bytes);
    let lines = base64.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned() + "\n");
    format!("-----BEGIN {label}-----\n{}-----END {label}-----\n", lines.collect::<String>())
}
