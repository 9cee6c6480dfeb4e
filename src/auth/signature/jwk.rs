//! Keys as JWKs (RFC 7517): only what RFC 7518 section 6 and RFC 8037 state for signatures.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

use super::SignatureAlgorithm;
use super::public::{Material, PublicKey, Strength};
use super::text::PublicKeyFault;

/// Members that only a private or a shared key has.
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

/// Reads a public key. One that is for something else than signatures, or for an algorithm that is not known, is none.
pub(super) fn public(jwk: &Map<String, Value>, strength: Strength) -> Result<PublicKey, PublicKeyFault> {
    if PRIVATE.iter().any(|member| jwk.contains_key(*member)) {
        return Err(PublicKeyFault::Private);
    }
    if !is_for_signatures(jwk) {
        return Err(PublicKeyFault::Jwk);
    }
    let only = match text(jwk, "alg") {
        None if jwk.contains_key("alg") => return Err(PublicKeyFault::Jwk),
        None => None,
        Some(name) => Some(SignatureAlgorithm::jose_named(name).ok_or(PublicKeyFault::Kind)?),
    };
    let kid = match text(jwk, "kid") {
        None if jwk.contains_key("kid") => return Err(PublicKeyFault::Jwk),
        kid => kid.filter(|kid| !kid.is_empty()),
    };
    let key = material(jwk, strength)?;
    match only {
        Some(only) if !key.fits(only) => Err(PublicKeyFault::Jwk),
        _ => Ok(key.labelled(kid, only)),
    }
}

fn material(jwk: &Map<String, Value>, strength: Strength) -> Result<PublicKey, PublicKeyFault> {
    let bytes = |name| bytes(jwk, name).ok_or(PublicKeyFault::Jwk);
    match (text(jwk, "kty"), text(jwk, "crv")) {
        (Some("OKP"), Some("Ed25519")) => {
            PublicKey::ed25519(bytes("x")?.try_into().map_err(|_| PublicKeyFault::Point)?)
        }
        (Some("EC"), Some(curve)) => {
            let len = match curve {
                "P-256" => 32,
                "P-384" => 48,
                "P-521" => 66,
                _ => return Err(PublicKeyFault::Kind),
            };
            let (x, y) = (bytes("x")?, bytes("y")?);
            // Of the curve's whole length each (RFC 7518 section 6.2.1.2).
            if x.len() != len || y.len() != len {
                return Err(PublicKeyFault::Point);
            }
            PublicKey::point(&[&[4], &*x, &*y].concat())
        }
        (Some("RSA"), _) => PublicKey::rsa(&bytes("n")?, &bytes("e")?, false, strength),
        _ => Err(PublicKeyFault::Kind),
    }
}

fn is_for_signatures(jwk: &Map<String, Value>) -> bool {
    let use_fits = jwk.get("use").is_none_or(|value| value == "sig");
    let operations = jwk.get("key_ops").map(|value| value.as_array().map_or(&[][..], Vec::as_slice));
    use_fits && operations.is_none_or(|operations| operations.iter().any(|operation| operation == "verify"))
}

fn text<'j>(jwk: &'j Map<String, Value>, name: &str) -> Option<&'j str> {
    jwk.get(name)?.as_str()
}

/// A key as a JWK.
pub(super) fn from_public(key: &Material, kid: Option<&str>, only: Option<SignatureAlgorithm>) -> Map<String, Value> {
    let text = |bytes: &[u8]| Value::from(BASE64URL_NOPAD.encode(bytes));
    let point = |curve: &str, point: &[u8]| {
        let (x, y) = point.split_at(1).1.split_at(point.len() / 2);
        vec![("kty", "EC".into()), ("crv", curve.into()), ("x", text(x)), ("y", text(y))]
    };
    let mut members = match key {
        Material::Ed25519(point) => vec![("kty", "OKP".into()), ("crv", "Ed25519".into()), ("x", text(point))],
        Material::P256(bytes) => point("P-256", bytes),
        Material::P384(bytes) => point("P-384", bytes),
        Material::P521(bytes) => point("P-521", bytes),
        Material::Rsa { n, e, .. } => vec![("kty", "RSA".into()), ("n", text(n)), ("e", text(e))],
    };
    members.push(("use", "sig".into()));
    members.extend(only.and_then(SignatureAlgorithm::jose_name).map(|name| ("alg", name.into())));
    members.extend(kid.map(|kid| ("kid", kid.into())));
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A member in base64url without padding.
pub(super) fn bytes(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(text(jwk, name)?.as_bytes()).ok()
}
