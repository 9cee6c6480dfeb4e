//! Public keys in a definition: which algorithms, how a signature is written, where keys come from.

use crate::auth::scheme::{Field, Jwks, KeyIdFrom, KeySource, Proof};
use crate::auth::signature::{EcdsaForm, Family, SignatureAlgorithm, Strength};
use crate::auth::template::{Names, Template};
use crate::auth::x509::{Purpose, Rules};

use super::definition::{Fault, fault, json_path, word};
use super::grammar::header_name;
use super::text::{Definition, JwksText, KeysText, OneOrMany};

/// The family that a definition's `scheme` names.
pub(super) fn family(scheme: &str) -> Option<Family> {
    [Family::Ed25519, Family::Ecdsa, Family::Rsa].into_iter().find(|family| family.name() == scheme)
}

/// Compiles the proof of a scheme with public keys.
pub(super) fn proof(definition: &Definition, family: Family, signed: Box<[Template]>) -> Result<Proof, Fault> {
    let usual = match family {
        Family::Ed25519 => "ed25519",
        Family::Ecdsa => "p256_sha256",
        Family::Rsa => "pkcs1_sha256",
    };
    let texts = definition.algorithm.as_ref().map_or_else(|| vec![usual], |algorithms| algorithms.texts());
    let algorithms = texts.iter().map(|text| algorithm(family, text)).collect::<Result<Box<[_]>, _>>()?;
    if algorithms.is_empty() {
        return Err(fault("algorithm", "the list is empty"));
    }
    if definition.ecdsa_form.is_some() && family != Family::Ecdsa {
        return Err(fault("ecdsa_form", "is for scheme = \"ecdsa\""));
    }
    let forms = [("der", EcdsaForm::Der), ("raw", EcdsaForm::Raw)];
    // RFC 9421 section 3.3.4 has one form.
    let usual = if definition.http_signature.is_some() { "raw" } else { "der" };
    let form = word("ecdsa_form", definition.ecdsa_form.as_deref().unwrap_or(usual), &forms)?;
    // Under a certificate, the secret is what must be signed for.
    if definition.certificate.is_none() && signed.iter().any(Template::reads_secret) {
        return Err(fault("signed", "a public key is no secret: {secret} has no place here"));
    }
    Ok(Proof::PublicKey { algorithms, form, signed })
}

fn algorithm(family: Family, text: &str) -> Result<SignatureAlgorithm, Fault> {
    let found = SignatureAlgorithm::named(text).filter(|algorithm| algorithm.family() == family);
    found.ok_or_else(|| {
        let of_family = SignatureAlgorithm::all().filter(|algorithm| algorithm.family() == family);
        let names: Vec<_> = of_family.map(SignatureAlgorithm::name).collect();
        fault("algorithm", format!("{text:?} is not known; accepted are {}", names.join(", ")))
    })
}

/// Compiles where keys come from.
pub(super) fn key_source(definition: &Definition, names: &Names<'_>) -> Result<KeySource, Fault> {
    let certificate = super::certificate::compile(definition, names)?;
    let Some(KeysText { jwks, x5c, key_id, legacy, api }) = &definition.keys else {
        return Ok(KeySource { certificate, ..KeySource::default() });
    };
    if certificate.is_some() {
        return Err(fault("keys", "goes without certificate, which says where the key is"));
    }
    if family(&definition.scheme).is_none() && definition.scheme != "jwt" {
        return Err(fault("keys", "is for schemes with public keys"));
    }
    let is_shared = |texts: &OneOrMany<String>| texts.texts().iter().any(|text| text.trim_start().starts_with("HS"));
    if definition.scheme == "jwt" && definition.algorithm.as_ref().is_some_and(is_shared) {
        return Err(fault("keys", "is for schemes with public keys; HS… takes shared ones"));
    }
    if key_id.is_some() && definition.scheme == "jwt" {
        return Err(fault("keys.key_id", "a token says it itself"));
    }
    let jwks = match jwks {
        None | Some(JwksText::Somewhere(false)) => Jwks::None,
        Some(JwksText::Somewhere(true)) => Jwks::Somewhere,
        Some(JwksText::At(url)) if url.starts_with("https://") => Jwks::At(url.as_str().into()),
        Some(JwksText::At(_)) => return Err(fault("keys.jwks", "accepted are true and an address with https://")),
    };
    let key_id = key_id.as_deref().map(|from| key_id_from(from, names)).transpose()?;
    let strength = if *legacy { Strength::Legacy } else { Strength::Usual };
    let chain = x5c.as_deref().map(|purpose| chain(definition, &jwks, purpose)).transpose()?;
    let api = api.as_ref().map(super::key_api::compile).transpose()?.map(Box::new);
    if api.is_some() && (chain.is_some() || definition.scheme != "jwt" && key_id.is_none()) {
        return Err(fault("keys.api", "goes with key_id, or with a token, and without x5c"));
    }
    Ok(KeySource { jwks, key_id, strength, certificate, chain, api })
}

/// What a token's own certificates must be.
fn chain(definition: &Definition, jwks: &Jwks, purpose: &str) -> Result<Box<Rules>, Fault> {
    if definition.scheme != "jwt" || *jwks != Jwks::None {
        return Err(fault("keys.x5c", "is for tokens, and goes without jwks"));
    }
    let purpose = word("keys.x5c", purpose, &[("app_store", Purpose::AppStore), ("signing", Purpose::Signing)])?;
    Ok(Box::new(Rules { purpose, ..Rules::default() }))
}

fn key_id_from(text: &str, names: &Names<'_>) -> Result<KeyIdFrom, Fault> {
    Ok(match text.split_once(':') {
        Some(("item", name)) if !name.is_empty() => KeyIdFrom::Capture(names.capture(name)),
        Some(("header", name)) => KeyIdFrom::Field(Field::Header(header_name("keys.key_id", name)?)),
        Some(("query", name)) if !name.is_empty() => KeyIdFrom::Field(Field::Query(name.into())),
        Some(("json", path)) => KeyIdFrom::Field(Field::Json(json_path("keys.key_id", path)?)),
        _ => return Err(fault("keys.key_id", "accepted are header:Name, item:name, query:name, json:/a/b")),
    })
}
