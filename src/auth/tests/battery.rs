//! What every scheme must hold: its own signature verifies, with its key alone; every signed part that is changed, missing
//! or there twice is refused.

use serde_json::Value;

use super::*;
use crate::auth::extract::{self, MAX_CAPTURES, Presented};
use crate::auth::scheme::{Binding, Encoding, Field, JsonPath, KeyIdFrom, Proof};
use crate::auth::template::{Piece, Template};

#[test]
fn every_provider_of_the_catalogue() {
    for provider in signable() {
        battery(&provider.id, &provider.scheme);
    }
}

/// Everything that must hold of a scheme.
pub(super) fn battery(name: &str, scheme: &Scheme) {
    verifies_with_its_key_alone(name, scheme);
    no_changed_header_verifies(name, scheme);
    if scheme.binding == Binding::Full {
        no_changed_body_verifies(name, scheme);
    }
    no_changed_piece_verifies(name, scheme);
    missing_or_repeated(name, scheme);
}

fn verifies_with_its_key_alone(name: &str, scheme: &Scheme) {
    let draft = signed(scheme, &keys(scheme, &[1]), None);
    for part in [1, 3, 1000] {
        let verified = verify(scheme, &keys(scheme, &[2, 1]), &draft, part);
        let verified = verified.unwrap_or_else(|denial| panic!("{name}: {denial:?}: {draft:?}"));
        assert_eq!(verified.key_index(), Some(1), "{name}");
        assert_eq!(verified.message_keys().is_empty(), !scheme.is_per_message(), "{name}");
    }
    refused(name, scheme, &keys(scheme, &[2, 3]), &draft, "other keys");
}

fn refused(name: &str, scheme: &Scheme, keys: &Keys, draft: &Draft, what: &str) {
    let verdict = verify(scheme, keys, draft, 1000).map(|verified| verified.key_index());
    assert!(verdict.is_err(), "{name}: accepted with {what}: {draft:?}");
}

fn no_changed_header_verifies(name: &str, scheme: &Scheme) {
    let keys = keys(scheme, &[1]);
    let draft = signed(scheme, &keys, None);
    for (at, (header, value)) in draft.headers.iter().enumerate() {
        let names_key = scheme.key_source.key_id == Some(KeyIdFrom::Field(Field::Header(header.as_str().into())));
        // Configured keys are all tried, whatever a message says which one it is for.
        if header.eq_ignore_ascii_case("content-type") || names_key {
            continue;
        }
        for bit in bits(scheme, value.len()) {
            let mut bytes = value.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            if says_the_same(scheme, header, value, &changed) {
                continue;
            }
            let mut other = draft.clone();
            other.headers[at].1 = changed;
            refused(name, scheme, &keys, &other, header);
        }
    }
}

/// The bits to change: all, but where a check costs a thousand hashes, one of each byte.
fn bits(scheme: &Scheme, len: usize) -> impl Iterator<Item = usize> {
    let is_costly = !scheme.public_algorithms().is_empty();
    (0..len * 8).filter(move |bit| !is_costly || bit % 8 == bit / 8 % 8)
}

/// Whether two values of a header field are the same to the scheme: hexadecimal in another case, a part that nobody
/// reads, blanks around the value.
#[allow(clippy::wildcard_enum_match_arm, reason = "no other place is a header field")]
fn says_the_same(scheme: &Scheme, header: &str, one: &str, other: &str) -> bool {
    let is_hex = matches!(scheme.signature.encoding, Encoding::Hex | Encoding::HexUpper);
    let hex = |text: &[u8]| {
        if is_hex && !scheme.contents().is_empty() { text.to_ascii_lowercase() } else { text.to_vec() }
    };
    let formats = || std::iter::once(&scheme.signature.format).chain(&scheme.signature.other_formats);
    let read = |value: &str| {
        let value = value.trim().to_owned();
        let said = |presented: Presented<'_>| {
            let mut captures: [Vec<u8>; MAX_CAPTURES] = presented.captures.map(<[u8]>::to_vec);
            if let Some(KeyIdFrom::Capture(index)) = scheme.key_source.key_id {
                captures[index].clear();
            }
            let candidates: Vec<_> = presented.candidates().iter().map(|text| hex(text)).collect();
            (candidates, presented.timestamp.map(<[u8]>::to_vec), captures)
        };
        let opened = extract::opened(&scheme.signature, value.as_bytes())?;
        formats().find_map(|format| extract::presented(format, &opened).map(said))
    };
    let carries = match &scheme.signature.place {
        SignaturePlace::Header | SignaturePlace::RepeatedHeader => *header == *scheme.signature.header,
        SignaturePlace::Headers { names, .. } => names.iter().any(|name| *header == **name),
        SignaturePlace::NumberedHeaders(prefix) => header.starts_with(&**prefix),
        _ => false,
    };
    carries && read(one).is_some() && read(one) == read(other) || one.trim() == other.trim()
}

fn no_changed_body_verifies(name: &str, scheme: &Scheme) {
    let keys = keys(scheme, &[1]);
    let draft = signed(scheme, &keys, None);
    for bit in bits(scheme, draft.body.len()) {
        let mut changed = draft.clone();
        changed.body[bit / 8] ^= 1 << (bit % 8);
        if !is_same_form(&draft.body, &changed.body) && !is_same_signature(scheme, &draft, &changed) {
            refused(name, scheme, &keys, &changed, "a changed body");
        }
    }
}

/// The same parameters, escaped in another way.
fn is_same_form(one: &[u8], other: &[u8]) -> bool {
    let pairs =
        |body: &[u8]| form::parse(body).map(|(name, value)| (name.to_vec(), value.to_vec())).collect::<Vec<_>>();
    one.contains(&b'%') && pairs(one) == pairs(other)
}

/// Hexadecimal in another case, where the signature itself stands in the body.
fn is_same_signature(scheme: &Scheme, one: &Draft, other: &Draft) -> bool {
    let is_hex = !matches!(scheme.proof, Proof::Jwt(_));
    is_hex && !scheme.signature.place.is_in_head() && one.body.eq_ignore_ascii_case(&other.body)
}

/// Changes every parameter, field and member that is signed or compared.
fn no_changed_piece_verifies(name: &str, scheme: &Scheme) {
    let keys = keys(scheme, &[1]);
    let draft = signed(scheme, &keys, None);
    let checks = scheme.checks.iter().flat_map(|check| [&check.value, &check.equals]);
    for template in scheme.contents().iter().take(1).chain(checks) {
        template.visit(&mut |piece| {
            if let Some(changed) = change(scheme, &draft, piece) {
                refused(name, scheme, &keys, &changed, &format!("{piece:?} changed"));
            }
        });
    }
    let bound = || scheme.signed().into_iter().chain(scheme.bound_by_claims());
    if bound().any(|signed| signed.has(&Piece::Method)) {
        refused(name, scheme, &keys, &Draft { method: "PUT".into(), ..draft.clone() }, "another method");
    }
    if bound().any(Template::binds_query) {
        let other = Draft { url: format!("{}&b=2", draft.url), ..draft.clone() };
        refused(name, scheme, &keys, &other, "another query");
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "no other piece can be changed by itself")]
fn change(scheme: &Scheme, draft: &Draft, piece: &Piece) -> Option<Draft> {
    let mut changed = draft.clone();
    match piece {
        Piece::QueryParameter(name) => changed.url = with_parameter(&draft.url, name),
        Piece::Form(name) => changed.body = in_form(&draft.body, name, &|value| value.push('x')),
        Piece::Json(path) | Piece::Raw(path) => changed.body = in_json(scheme, &draft.body, path, &alter),
        _ => return None,
    }
    Some(changed)
}

/// The URL with another value of a parameter.
fn with_parameter(url: &str, name: &str) -> String {
    let (path, query) = url.split_once('?').expect("a query");
    let change = |pair: &str| match pair.split_once('=') {
        Some((found, value)) if form::decode(found.as_bytes()) == name.as_bytes() => format!("{found}={value}x"),
        _ => pair.to_owned(),
    };
    format!("{path}?{}", query.split('&').map(change).collect::<Vec<_>>().join("&"))
}

fn in_form(body: &[u8], name: &str, change: &dyn Fn(&mut String)) -> Vec<u8> {
    let pairs = form::parse(body).map(|(found, value)| {
        let mut value = String::from_utf8(value.into_owned()).expect("text");
        if *found == *name.as_bytes() {
            change(&mut value);
        }
        let encode = |text: &[u8]| String::from_utf8(form::encode(text, form::is_unreserved)).expect("ASCII");
        format!("{}={}", encode(&found), encode(value.as_bytes()))
    });
    pairs.collect::<Vec<_>>().join("&").into_bytes()
}

/// The body with a changed member: of the document, of the form's field, or of the array's first element.
fn in_json(scheme: &Scheme, body: &[u8], path: &JsonPath, change: &dyn Fn(&mut Value)) -> Vec<u8> {
    if let Some(field) = &scheme.document {
        return in_form(body, field, &|text| {
            let mut document: Value = serde_json::from_str(text).expect("JSON");
            change(document.pointer_mut(&pointer(path)).expect("the member"));
            *text = document.to_string();
        });
    }
    let mut document: Value = serde_json::from_slice(body).expect("JSON");
    let root = match &scheme.each {
        Some(array) => document.pointer_mut(&format!("{}/0", pointer(array))).expect("an element"),
        None => &mut document,
    };
    change(root.pointer_mut(&pointer(path)).expect("the member"));
    document.to_string().into_bytes()
}

fn pointer(path: &JsonPath) -> String {
    path.0.iter().flat_map(|part| ["/", part]).collect()
}

fn alter(value: &mut Value) {
    *value = match value.take() {
        Value::String(text) => Value::String(format!("{text}x")),
        Value::Number(number) => (number.as_u64().expect("a count") + 1).into(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Value::String("x".into()),
    };
}

fn missing_or_repeated(name: &str, scheme: &Scheme) {
    let keys = keys(scheme, &[1]);
    let good = signed(scheme, &keys, None);
    let invalid = |draft: &Draft| {
        let verdict = verify(scheme, &keys, draft, 9).map(|_| ());
        assert_eq!(verdict, Err(Reason::CredentialInvalid.into()), "{name}: repeated");
    };
    let missing = |draft: &Draft| {
        let verdict = verify(scheme, &keys, draft, 9).map(|_| ());
        assert_eq!(verdict, Err(Reason::CredentialMissing.into()), "{name}: missing");
    };
    let (mut without, mut twice) = (good.clone(), good.clone());
    match &scheme.signature.place {
        SignaturePlace::RepeatedHeader => {
            let carrier = good.headers.last().expect("the signature").clone();
            twice.headers.push(carrier.clone());
            assert!(verify(scheme, &keys, &twice, 9).is_ok(), "{name}: it may be repeated");
            without.headers.retain(|(name, _)| *name != carrier.0);
            return missing(&without);
        }
        SignaturePlace::Header
        | SignaturePlace::Headers { .. }
        | SignaturePlace::NumberedHeaders(_)
        | SignaturePlace::HttpSignature(_) => {
            let carrier = good.headers.last().expect("the signature").clone();
            without.headers.retain(|(name, _)| !name.starts_with(&*scheme.signature.header) && *name != carrier.0);
            twice.headers.push(carrier);
        }
        SignaturePlace::Query(_) => {
            let (rest, pair) = good.url.rsplit_once('&').expect("the signature");
            (without.url, twice.url) = (rest.to_owned(), format!("{}&{pair}", good.url));
        }
        SignaturePlace::Form(field) => {
            let body = String::from_utf8(good.body.clone()).expect("text");
            let (others, pairs): (Vec<_>, Vec<_>) =
                body.split('&').partition(|pair| !pair.starts_with(&format!("{field}=")));
            (without.body, twice.body) =
                (others.join("&").into_bytes(), format!("{body}&{}", pairs.concat()).into_bytes());
        }
        SignaturePlace::Json(path) => {
            without.body = in_json(scheme, &good.body, path, &|value| *value = Value::Null);
            let name = path.0.last().expect("a name");
            let member = format!("\"{name}\":");
            let escaped = format!("\"\\u{:04x}{}\":\"x\",{member}", u32::from(name.as_bytes()[0]), &name[1..]);
            for again in [format!("{member}\"x\",{member}"), escaped] {
                let twice = |text: &str| text.replace(&member, &again);
                let body = match &scheme.document {
                    Some(field) => in_form(&good.body, field, &|text| *text = twice(text)),
                    None => twice(str::from_utf8(&good.body).expect("text")).into_bytes(),
                };
                invalid(&Draft { body, ..good.clone() });
            }
            return missing(&without);
        }
        SignaturePlace::Body => {
            without.body.clear();
            twice.body.extend_from_slice(&good.body);
        }
        SignaturePlace::Nowhere => return,
        SignaturePlace::PathSegment => {
            without.url = "https://example.com/hook/".into();
            return missing(&without);
        }
    }
    missing(&without);
    invalid(&twice);
}
