//! Tokens made: header and claims that say what the scheme asks for, and a signature over them.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value, json};

use crate::auth::feed::{Sources, render};
use crate::auth::filter::Filter;
use crate::auth::jwt::{Algorithms, ClaimRules, Jwt, Payload, Required};
use crate::auth::keys::Key;
use crate::auth::list::{ListFrom, Names};
use crate::auth::scheme::{Field, JsonPath, Scheme, SignaturePlace, TimestampFrom};
use crate::auth::signature::EcdsaForm;
use crate::auth::template::Piece;
use crate::clock::Now;

use super::place::insert;
use super::{SignFault, random_id, timestamp};

/// How long a made token holds, in seconds: what senders of one token a message write.
const LIFETIME: u64 = 300;

/// A token for a message. A body that is to be the token itself, and a member that is to be one, bring their claims.
pub(super) fn make(
    scheme: &Scheme,
    jwt: &Jwt,
    key: &Key,
    sources: &Sources<'_>,
    now: Now,
) -> Result<String, SignFault> {
    let header = header(scheme, jwt, key, sources, now)?;
    let protected = BASE64URL_NOPAD.encode(header.to_string().as_bytes());
    let (payload, carried) = match &jwt.payload {
        Payload::Claims(rules) => {
            let claims = claims(scheme, rules, sources, now)?;
            let payload = BASE64URL_NOPAD.encode(claims.to_string().as_bytes());
            (payload.clone().into_bytes(), payload)
        }
        Payload::Detached { signed, encoded } => {
            let content = render(signed, sources).ok_or(SignFault::Unbound)?;
            let signed = if *encoded { BASE64URL_NOPAD.encode(&content).into_bytes() } else { content.to_vec() };
            (signed, String::new())
        }
    };
    let input = [protected.as_bytes(), b".", &payload].concat();
    let signature = match &jwt.algorithms {
        Algorithms::Shared(hashes) => {
            let mac = hashes.first().and_then(|hash| key.token_mac(*hash));
            let mut mac = mac.ok_or(SignFault::Key)?;
            mac.update(&input);
            mac.finish().as_bytes().to_vec()
        }
        Algorithms::Public(algorithms) => {
            let private = key.private_key().ok_or(SignFault::Private)?;
            let mut made = algorithms.iter().map(|algorithm| private.sign(*algorithm, EcdsaForm::Raw, &input));
            made.find_map(Result::ok).ok_or(SignFault::Key)?
        }
    };
    Ok(format!("{protected}.{carried}.{}", BASE64URL_NOPAD.encode(&signature)))
}

fn header(scheme: &Scheme, jwt: &Jwt, key: &Key, sources: &Sources<'_>, now: Now) -> Result<Value, SignFault> {
    let mut header = Value::Object(Map::new());
    set(&mut header, "alg", algorithm(jwt, key).ok_or(SignFault::Key)?.into());
    match &jwt.payload {
        Payload::Claims(_) => set(&mut header, "typ", "JWT".into()),
        Payload::Detached { encoded: false, .. } => {
            set(&mut header, "b64", false.into());
            set(&mut header, "crit", json!(["b64"]));
        }
        Payload::Detached { .. } => {}
    }
    // No field beside what is signed anyway.
    if let Some(Names::Announced { from: ListFrom::Jose(path), .. }) =
        scheme.header_list.as_ref().map(|list| &list.names)
    {
        insert(&mut header, &path.0, "".into());
    }
    // A key that has a name of its own is one of a set.
    if !key.id.bytes().all(|byte| byte.is_ascii_digit()) {
        set(&mut header, "kid", (&*key.id).into());
    }
    if let Some(TimestampFrom::Jose(path)) = scheme.timestamp.as_ref().map(|time| &time.from) {
        insert(&mut header, &path.0, written(&timestamp(scheme, now)));
    }
    let is_ours = |piece: &Piece| if let Piece::Jose(path) = piece { Some(path.clone()) } else { None };
    set_checked(scheme, &mut header, sources, &is_ours)?;
    Ok(header)
}

fn set(header: &mut Value, name: &str, value: Value) {
    insert(header, &[name.into()], value);
}

fn algorithm(jwt: &Jwt, key: &Key) -> Option<&'static str> {
    match &jwt.algorithms {
        Algorithms::Shared(hashes) => hashes.first()?.jose_name(),
        Algorithms::Public(algorithms) => {
            let public = key.private_key()?.public().ok()?;
            algorithms.iter().find(|algorithm| public.fits(**algorithm))?.jose_name()
        }
    }
}

/// Claims that say what is asked for. What a body brings stays as it is.
fn claims(scheme: &Scheme, rules: &ClaimRules, sources: &Sources<'_>, now: Now) -> Result<Value, SignFault> {
    let brought = match (&scheme.signature.place, sources.message) {
        (SignaturePlace::Body, Some(message)) => serde_json::from_slice(message.body).ok().filter(Value::is_object),
        _ => None,
    };
    let mut claims = brought.unwrap_or_else(|| Value::Object(Map::new()));
    let seconds = now.unix_seconds();
    if rules.must_expire {
        add(&mut claims, "iat", seconds.into());
        add(&mut claims, "exp", (seconds + LIFETIME).into());
    }
    for (name, accepted) in [("iss", &rules.issuers), ("aud", &rules.audiences)] {
        if let Some(first) = accepted.first() {
            add(&mut claims, name, (&**first).into());
        }
    }
    if let Some(TimestampFrom::Claim(path)) = scheme.timestamp.as_ref().map(|time| &time.from) {
        insert(&mut claims, &path.0, written(&timestamp(scheme, now)));
    }
    for Required { claim, says } in &rules.required {
        let value = match says.as_deref() {
            Some(word @ ("true" | "false")) => (word == "true").into(),
            Some(text) => text.into(),
            None if ["nbf", "iat", "exp"].iter().any(|name| *claim.0 == [Box::from(*name)]) => seconds.into(),
            None => random_id("").into(),
        };
        insert_new(&mut claims, claim, value);
    }
    let facts = [(&scheme.delivery_id, random_id("evt_")), (&scheme.event, "sample.created".to_owned())];
    for (field, value) in facts {
        if let Some(Field::Claim(path)) = field {
            insert_new(&mut claims, path, value.into());
        }
    }
    let is_ours = |piece: &Piece| if let Piece::Claim(path) = piece { Some(path.clone()) } else { None };
    set_checked(scheme, &mut claims, sources, &is_ours)?;
    Ok(claims)
}

/// Sets what a condition compares with something of the message.
fn set_checked(
    scheme: &Scheme,
    part: &mut Value,
    sources: &Sources<'_>,
    is_ours: &dyn Fn(&Piece) -> Option<JsonPath>,
) -> Result<(), SignFault> {
    for check in &scheme.checks {
        let mut found = None;
        check.value.visit(&mut |piece| found = found.take().or_else(|| is_ours(piece)));
        let Some(path) = found else { continue };
        let expected = render(&check.equals, sources).ok_or(SignFault::Unbound)?;
        // A digest is compared raw where its text may be padded or not.
        let text = match str::from_utf8(&expected) {
            Ok(text) if !reads_encoded(&check.value) => text.to_owned(),
            _ => BASE64URL_NOPAD.encode(&expected),
        };
        insert(part, &path.0, text.into());
    }
    Ok(())
}

/// Whether a claim is decoded before it is compared.
fn reads_encoded(template: &crate::auth::template::Template) -> bool {
    template.any_of(&|piece| matches!(piece, Piece::Filtered(_, filters) if filters.contains(&Filter::Unbase64Url)))
}

fn add(claims: &mut Value, name: &str, value: Value) {
    insert_new(claims, &JsonPath(Box::new([name.into()])), value);
}

fn insert_new(claims: &mut Value, path: &JsonPath, value: Value) {
    let pointer: String =
        path.0.iter().flat_map(|part| ["/".to_owned(), part.replace('~', "~0").replace('/', "~1")]).collect();
    if claims.pointer(&pointer).is_none() {
        insert(claims, &path.0, value);
    }
}

/// A time as a token has it: a number where it is one.
fn written(text: &str) -> Value {
    text.parse::<u64>().map_or_else(|_| text.into(), Value::from)
}
