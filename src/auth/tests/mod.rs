//! What is signed here verifies, and nothing that was changed does: for every provider of the catalogue, and for a
//! definition of every kind of piece. That our signing is the providers' own is shown by their published vectors and by
//! their SDKs, not here.

mod app_store;
mod battery;
mod certified;
mod challenges;
mod messages;
mod public_keys;
mod rows;
mod rules;
mod tokens;

use std::time::Duration;

use super::keys::{Key, KeyText, Keys};
use super::scheme::{Scheme, SignaturePlace};
use super::sign::{self, Draft, sample_body, sample_private, sample_ring, sample_secret};
use super::*;
use crate::http1::{Head, Message};

/// When the tests sign and verify.
const NOW: Duration = Duration::from_secs(1_700_000_000);

fn now() -> Now {
    Now { wall: NOW, ..Now::read() }
}

/// The scheme of a definition that has these keys beside what every definition has.
fn scheme(keys: &str) -> Scheme {
    let about = "id = \"test\"\nname = \"Test\"\ndocs = \"https://example.com\"\nconfidence = \"docs\"\n";
    let provider = crate::providers::parse("test.toml", &format!("{about}{keys}"));
    let provider = provider.unwrap_or_else(|errors| panic!("{keys}: {errors:?}"));
    Scheme::clone(&provider.scheme)
}

/// The providers whose messages can be made here: not those whose connection is the proof, or whose certificates nobody
/// else has.
fn signable() -> impl Iterator<Item = &'static crate::providers::Provider> {
    let is_signed_by_us = |provider: &&crate::providers::Provider| {
        provider.kind() != "mtls" && provider.scheme.key_source.chain.is_none()
    };
    crate::providers::all().iter().filter(is_signed_by_us)
}

fn keys(scheme: &Scheme, seeds: &[u8]) -> Keys {
    let secret = |seed: &u8| KeyText::new(&format!("key-{seed}"), sample_secret(scheme, *seed).as_bytes());
    Keys::new(scheme, &seeds.iter().map(secret).collect::<Vec<_>>()).expect("good secrets")
}

fn draft(scheme: &Scheme, body: Option<Vec<u8>>) -> Draft {
    let body = body.unwrap_or_else(|| sample_body(scheme, now()));
    Draft {
        method: "POST".into(),
        url: "https://example.com/hook?a=1".into(),
        headers: vec![("Content-Type".into(), sign::content_type(scheme, &body).into())],
        body,
    }
}

fn signed(scheme: &Scheme, keys: &Keys, body: Option<Vec<u8>>) -> Draft {
    let key = signing_key(scheme, keys);
    sign::sign(scheme, &key, draft(scheme, body), now()).expect("a sample can be signed")
}

/// What the first key's owner signs with.
fn signing_key(scheme: &Scheme, keys: &Keys) -> Key {
    let id = &keys.at(0).expect("a first key").id;
    let seed = id.strip_prefix("key-").and_then(|seed| seed.parse().ok()).expect("a sample's id");
    Key::for_signing(scheme, &KeyText::new(id, sample_private(scheme, seed).as_bytes())).expect("a good sample")
}

fn raw_head(draft: &Draft) -> Vec<u8> {
    let target = draft.url.split_once("example.com").expect("our own URL").1;
    let mut raw = format!("{} {target} HTTP/1.1\r\nHost: example.com\r\n", draft.method);
    for (name, value) in &draft.headers {
        raw.extend([name, ": ", value, "\r\n"]);
    }
    format!("{raw}\r\n").into_bytes()
}

fn site<'s>(scheme: &'s Scheme, keys: &'s Keys) -> Site<'s> {
    let in_path = scheme.signature.place == SignaturePlace::PathSegment;
    let (route_path, prefix) = if in_path { ("/hook/", true) } else { ("/hook", false) };
    Site { scheme, keys, key_ring: None, client: None, public_url: Some("https://example.com"), route_path, prefix }
}

/// Verifies a draft whose body arrives in parts of `part` bytes.
fn verify(scheme: &Scheme, keys: &Keys, draft: &Draft, part: usize) -> Result<Verified, Denial> {
    let raw = raw_head(draft);
    let head = Head::parse(&raw)?;
    let ring = sample_ring(scheme, now());
    let site = Site { key_ring: ring.as_ref(), ..site(scheme, keys) };
    let mut verifier = Verifier::default();
    verifier.at(now());
    verifier.begin(&site, &Message { head: &head, bytes: &raw, body: b"" })?;
    draft.body.chunks(part).for_each(|part| verifier.update(part));
    let verified = verifier.finish(&site, &Message { head: &head, bytes: &raw, body: &draft.body })?;
    fresh(verified.signed_time(), scheme.tolerance, now())?;
    verified.validity().check(now())?;
    Ok(verified)
}
