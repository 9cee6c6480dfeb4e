//! An HTTP message signature (RFC 9421) in a definition: `http_signature = { tag = …, cover = […] }`.

use crate::auth::extract::Format;
use crate::auth::http_signature::{CONTENT_DIGEST, Rules};
use crate::auth::scheme::{Encoding, Signature, SignaturePlace};
use crate::auth::template::Names;

use super::definition::{Fault, fault};
use super::grammar::header_name;
use super::text::{Definition, HttpSignatureText};

/// The derived components that a definition may ask for; the rest follows from `@target-uri`.
const DERIVED: [&str; 6] = ["@method", "@target-uri", "@request-target", "@authority", "@scheme", "@path"];

/// The algorithms that RFC 9421 section 6.2.2 registers, as definitions write them.
const REGISTERED: [(&str, &str, &str); 6] = [
    ("hmac", "sha256", "hmac-sha256"),
    ("ed25519", "ed25519", "ed25519"),
    ("ecdsa", "p256_sha256", "ecdsa-p256-sha256"),
    ("ecdsa", "p384_sha384", "ecdsa-p384-sha384"),
    ("rsa", "pkcs1_sha256", "rsa-v1_5-sha256"),
    ("rsa", "pss_sha512", "rsa-pss-sha512"),
];

/// Compiles where the signature stands, and what it must be to count.
pub(super) fn compile(text: &HttpSignatureText, whole: &Definition, names: &Names<'_>) -> Result<Signature, Fault> {
    if whole.signature.is_some() {
        return Err(fault("signature", "goes without http_signature, which says where the signature stands"));
    }
    let rules = Rules {
        label: text.label.as_deref().map(|text| plain("http_signature.label", text)).transpose()?,
        tag: text.tag.as_deref().map(|text| plain("http_signature.tag", text)).transpose()?,
        algorithm: registered(whole),
        cover: cover(text.cover.as_deref())?,
    };
    Ok(Signature {
        header: "Signature".into(),
        place: SignaturePlace::HttpSignature(Box::new(rules)),
        format: Format::whole(),
        other_formats: Box::new([]),
        encoding: Encoding::Base64,
        written: "{label}=:{signature}:".into(),
        envelope: Box::new([]),
        captures: names.captures.borrow().iter().map(|name| name.as_str().into()).collect(),
    })
}

/// The registered name of the definition's one algorithm.
fn registered(whole: &Definition) -> Option<&'static str> {
    let usual = match whole.scheme.as_str() {
        "hmac" => "sha256",
        "ed25519" => "ed25519",
        "ecdsa" => "p256_sha256",
        "rsa" => "pkcs1_sha256",
        _ => "",
    };
    let texts = whole.algorithm.as_ref().map_or_else(|| vec![usual], |algorithms| algorithms.texts());
    let [algorithm] = *texts else { return None };
    let known = REGISTERED.iter().find(|(scheme, name, _)| *scheme == whole.scheme && *name == algorithm);
    known.map(|(_, _, registered)| *registered)
}

/// What must be covered: always the body's digest, and where the message goes.
fn cover(names: Option<&[String]>) -> Result<Box<[Box<str>]>, Fault> {
    const KEY: &str = "http_signature.cover";
    let Some(names) = names else { return Ok(Rules::COVER.map(Into::into).into()) };
    for must in [&[CONTENT_DIGEST][..], &["@target-uri", "@request-target"]] {
        if !names.iter().any(|name| must.contains(&name.as_str())) {
            return Err(fault(KEY, format!("must have {}, or the signature fits other messages", must.join(" or "))));
        }
    }
    names.iter().map(|name| one(KEY, name)).collect()
}

fn one(key: &'static str, name: &str) -> Result<Box<str>, Fault> {
    if name.starts_with('@') {
        let known = DERIVED.iter().find(|known| *known == &name).ok_or_else(|| {
            fault(key, format!("{name:?} is not known; accepted are {} and header fields", DERIVED.join(", ")))
        })?;
        return Ok((*known).into());
    }
    header_name(key, name).map(|name| name.to_ascii_lowercase().into())
}

/// A text that stands in quotes without escapes, and as a label without them.
fn plain(key: &'static str, text: &str) -> Result<Box<str>, Fault> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/ ".contains(&byte);
    let is_label =
        text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte));
    if text.is_empty() || !text.bytes().all(is_plain) || key.ends_with("label") && !is_label {
        return Err(fault(
            key,
            format!("{text:?} is not such a text: a-z 0-9 _ - . for a label, and A-Z : / for a tag"),
        ));
    }
    Ok(text.into())
}
