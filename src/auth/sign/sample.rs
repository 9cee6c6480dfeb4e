//! Samples that have what a scheme reads: a body, its type, a secret.

use data_encoding::{BASE64, BASE64URL, HEXLOWER};
use serde_json::Value;

use crate::auth::scheme::{Field, JsonPath, Scheme, SecretEncoding, SignaturePlace, TimestampFrom};
use crate::auth::signature::{Family, PrivateKey, SignatureAlgorithm};
use crate::auth::special::Special;
use crate::auth::template::Piece;
use crate::clock::Now;

use super::place::{SAMPLED, encoded, insert};
use super::rsa_samples::PRIMES;
use super::{Draft, random_id, timestamp};

const FORM: &str = "application/x-www-form-urlencoded";

/// A body that has every member and field that the scheme reads: ids, types and times.
#[must_use]
pub fn sample_body(scheme: &Scheme, now: Now) -> Vec<u8> {
    if !reads_form(scheme) {
        return document(scheme, now).to_string().into_bytes();
    }
    if scheme.signed().is_some_and(|signed| signed.has(&Piece::FormSorted)) {
        return format!("CallSid={}&From=%2B15550100&To=%2B15550199", random_id("CA")).into_bytes();
    }
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: &str| {
        if !fields.iter().any(|(known, _)| known == name) {
            fields.push((name.to_owned(), value.to_owned()));
        }
    };
    if let Some(name) = &scheme.document {
        add(name, &document(scheme, now).to_string());
    }
    if let Some(TimestampFrom::Form(name)) = scheme.timestamp.as_ref().map(|timestamp| &timestamp.from) {
        add(name, &timestamp(scheme, now));
    }
    for (field, value) in [(&scheme.delivery_id, random_id("evt_")), (&scheme.event, "sample.created".to_owned())] {
        if let Some(Field::Form(name)) = field {
            add(name, &value);
        }
    }
    each_piece(scheme, &mut |piece| {
        if let Piece::Form(name) = piece {
            add(name, &random_id(""));
        }
    });
    add("sample", &random_id(""));
    let pairs: Vec<_> = fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.join("&").into_bytes()
}

/// The Content-Type of a body for the scheme.
#[must_use]
pub fn content_type(scheme: &Scheme, body: &[u8]) -> &'static str {
    if scheme.signature.place == SignaturePlace::Body {
        return "application/jwt";
    }
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
    match (is_json, reads_form(scheme)) {
        (true, _) => "application/json",
        (false, true) => FORM,
        (false, false) => "application/octet-stream",
    }
}

/// Adds what a provider sends beside what it signs: the content's type, and the event's type and the delivery's id
/// where these stand in header fields. A field that is there already stays as it is.
pub fn complete_sample(scheme: &Scheme, draft: &mut Draft) {
    if !draft.has("Content-Type") {
        draft.set("Content-Type", content_type(scheme, &draft.body).into());
    }
    for (field, value) in [(&scheme.event, "sample".to_owned()), (&scheme.delivery_id, random_id(""))] {
        if let Some(Field::Header(name)) = field
            && !draft.has(name)
        {
            draft.headers.push((name.to_string(), value));
        }
    }
}

/// What the signer takes for the scheme: the private key that belongs to the sample of the same seed, or the shared
/// secret.
#[must_use]
pub fn sample_private(scheme: &Scheme, seed: u8) -> String {
    let Some(algorithm) = scheme.public_algorithms().first() else { return sample_secret(scheme, seed) };
    if scheme.key_source.certificate.is_some() {
        // The provider's own key is the same for all; what it signs for is not.
        let pin = sample_secret(scheme, seed);
        return sample_key(*algorithm, 1).map_or_else(String::new, |key| format!("{pin}\n{}", &*key.to_pem()));
    }
    sample_key(*algorithm, seed).map_or_else(String::new, |key| key.to_pem().to_string())
}

fn sample_key(algorithm: SignatureAlgorithm, seed: u8) -> Option<PrivateKey> {
    if algorithm.family() != Family::Rsa {
        // Below the order of each curve.
        return PrivateKey::of_scalar(algorithm, &[seed & 0x7f; 66]);
    }
    let (p, q) = PRIMES.get(usize::from(seed) % PRIMES.len())?;
    let number = |hex: &str| HEXLOWER.decode(hex.as_bytes()).ok();
    PrivateKey::of_primes(&number(p)?, &number(q)?)
}

/// A secret as it would be configured for the scheme, made of `seed`; of a pair of keys the public one.
#[must_use]
pub fn sample_secret(scheme: &Scheme, seed: u8) -> String {
    if let (Some(algorithm), None) = (scheme.public_algorithms().first(), &scheme.key_source.certificate) {
        let public = sample_key(*algorithm, seed).and_then(|key| key.public().ok());
        return public.map_or_else(String::new, |key| match key.to_raw() {
            Some(raw) if !scheme.secret.strip_prefix.is_empty() => {
                format!("{}{}", scheme.secret.strip_prefix, BASE64.encode(raw))
            }
            _ => key.to_pem(),
        });
    }
    let form = &scheme.secret;
    let bytes = [seed; 32];
    let text = match form.encoding {
        _ if !form.parts.is_empty() => {
            return vec![BASE64.encode(&bytes); form.parts.len()].join(&form.join.to_string());
        }
        SecretEncoding::Base64 if form.url_safe => BASE64URL.encode(&bytes),
        SecretEncoding::Base64 => BASE64.encode(&bytes),
        SecretEncoding::Hex | SecretEncoding::Text => HEXLOWER.encode(&bytes),
    };
    format!("{}{text}", form.strip_prefix.replace('*', "test"))
}

/// Whether the body is a form.
fn reads_form(scheme: &Scheme) -> bool {
    let place = matches!(scheme.signature.place, SignaturePlace::Form(_)) || scheme.document.is_some();
    let time = matches!(scheme.timestamp.as_ref().map(|time| &time.from), Some(TimestampFrom::Form(_)));
    let mut reads = place || time;
    each_piece(scheme, &mut |piece| {
        reads |= matches!(
            piece,
            Piece::Form(_) | Piece::FormSorted | Piece::Special(Special::PlivoV3 | Special::PaddleClassic)
        );
    });
    reads
}

fn each_piece(scheme: &Scheme, take: &mut dyn FnMut(&Piece)) {
    let checks = scheme.checks.iter().flat_map(|check| [&check.value, &check.equals]);
    for template in scheme.contents().iter().take(1).chain(checks) {
        template.visit(&mut |piece| take(piece));
    }
}

/// The JSON document.
#[allow(clippy::wildcard_enum_match_arm, reason = "all other pieces are alike here")]
fn document(scheme: &Scheme, now: Now) -> Value {
    let mut element = Value::Object(serde_json::Map::new());
    let mut whole = Value::Object(serde_json::Map::new());
    for path in scheme.members.iter().filter(|path| Some(*path) != scheme.each.as_ref()) {
        insert(&mut element, &path.0, SAMPLED.into());
    }
    each_piece(scheme, &mut |piece| match piece {
        Piece::Raw(path) => insert(&mut element, &path.0, serde_json::json!({ "a/b": "é" })),
        Piece::Special(Special::Tap) => insert(&mut element, &["currency".into()], "USD".into()),
        _ => {}
    });
    for check in &scheme.checks {
        if let ([Piece::Json(path)], [Piece::Literal(text)]) = (check.value.before(), check.equals.before()) {
            insert(&mut element, &path.0, (&**text).into());
        }
    }
    let root = if let Some(array) = &scheme.each {
        insert(&mut whole, &array.0, Value::Array(vec![element]));
        &mut whole
    } else {
        &mut element
    };
    for (field, value) in [(&scheme.delivery_id, random_id("evt_")), (&scheme.event, "sample.created".to_owned())] {
        if let Some(Field::Json(path)) = field {
            insert_new(root, path, value.into());
        }
    }
    if let Some(TimestampFrom::Json(path)) = scheme.timestamp.as_ref().map(|timestamp| &timestamp.from) {
        let text = timestamp(scheme, now);
        insert(root, &path.0, text.parse::<u64>().map_or(text.into(), Value::from));
    }
    if scheme.signed().is_some_and(|signed| signed.has(&Piece::Special(Special::Sns))) {
        insert(root, &["Type".into()], "Notification".into());
        insert(root, &["SignatureVersion".into()], "2".into());
        for of_subscriptions in ["SubscribeURL", "Token"] {
            root.as_object_mut().map(|members| members.shift_remove(of_subscriptions));
        }
    }
    insert_new(root, &JsonPath(Box::new(["sample".into()])), random_id("").into());
    root.take()
}

/// Puts a value at a path; where it leads through something that is there, it is left out.
fn insert_new(root: &mut Value, path: &JsonPath, value: Value) {
    let pointer: String = path.0.iter().flat_map(|part| ["/", part]).collect();
    let passes_scalar = (1..pointer.len())
        .filter(|at| pointer.as_bytes()[*at] == b'/')
        .filter_map(|at| root.pointer(&pointer[..at]))
        .any(|value| !value.is_object() && !value.is_array());
    if !passes_scalar {
        insert(root, &path.0, value);
    }
}
