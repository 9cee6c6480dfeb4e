//! The one signing path: from a scheme to what its provider would send. It serves the `sign` command, the demo and the
//! tests; the proxy itself never signs so.

mod certified;
mod place;
mod rsa_samples;
mod sample;
mod token;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use sha2::{Digest, Sha256};

use crate::clock::Now;
use crate::http1::{Head, Message};
use crate::json;

use super::extract::{Format, Item, ItemValue, MAX_CAPTURES};
use super::feed::{Members, Sources, feed_all, find_members, render};
use super::form;
use super::http_signature::Rules;
use super::keys::Key;
use super::list::{ListFrom, Names};
use super::scheme::{Check, Encoding, Field, KeyIdFrom, Proof, Scheme, TimeUnit, Timestamp, TimestampFrom};
use super::special::Special;
use super::template::Piece;
use super::x509::Source;

pub use certified::sample_ring;
pub use sample::{complete_sample, content_type, sample_body, sample_private, sample_secret};

/// A request that is to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The method.
    pub method: String,
    /// The full URL that the provider would call: `https://host/path?query`.
    pub url: String,
    /// Header fields. Signed ones that are missing are added.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why a draft cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignFault {
    /// The URL has no scheme, authority or path.
    #[error("{0:?} is not a URL such as https://host/path")]
    Url(String),
    /// The draft is no valid request.
    #[error("the method, URL or headers do not make a valid HTTP/1.1 request")]
    Request,
    /// The key does not fit the scheme.
    #[error("the key is of another kind than the scheme")]
    Key,
    /// A public key signs nothing.
    #[error("to sign takes the private key")]
    Private,
    /// The signed time stands in the body, and the body has none or another.
    #[error("the body must be a JSON object whose {0} is the time of signing")]
    Time(String),
    /// The signature stands in the body, and the body has no room for it.
    #[error("the scheme's signature stands in the body, and the body is not {0}")]
    Body(&'static str),
    /// The token brings certificates that only its provider has.
    #[error("the scheme's tokens bring certificates along that only the provider has")]
    Chain,
    /// The scheme does not bind such a body, or reads something of it that is not there.
    #[error(
        "the scheme binds a body only as a form, by a digest in the URL, or by members; this one lacks what it reads"
    )]
    Unbound,
}

impl Draft {
    pub(super) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
    }

    pub(super) fn set(&mut self, name: &str, value: String) {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value));
    }
}

/// Signs a draft: gives it back with every header field, parameter and member that the provider would send.
///
/// # Errors
/// A [`SignFault`].
pub fn sign(scheme: &Scheme, key: &Key, mut draft: Draft, now: Now) -> Result<Draft, SignFault> {
    let captures = captures(scheme, key);
    complete(scheme, key, &mut draft, &captures, now);
    name_key(scheme, key, &mut draft);
    place::reserve(scheme, &mut draft)?;
    set_checked(scheme, key, &mut draft, &captures, now)?;
    check_time(scheme, &draft, now)?;
    if let Some(array) = &scheme.each {
        return place::each(array, draft, &scheme.signature.place, |draft, element| {
            signature(scheme, key, draft, &captures, Some(element), now)
        });
    }
    if scheme.key_source.chain.is_some() {
        return Err(SignFault::Chain);
    }
    // The client's certificate is shown by whoever sends.
    if matches!(scheme.proof, Proof::ClientCertificate) {
        return Ok(draft);
    }
    let value = signature(scheme, key, &draft, &captures, None, now)?;
    place::put(scheme, &mut draft, &value)?;
    Ok(draft)
}

/// The bytes that are signed of a signed draft, where the scheme signs any: what a trial asks an endpoint to sign for it.
#[must_use]
pub fn signed_content(scheme: &Scheme, key: &Key, draft: &Draft, now: Now) -> Option<Vec<u8>> {
    let signed = scheme.signed()?;
    let captures = captures(scheme, key);
    let content = with_sources(scheme, key, draft, &captures, None, now, |sources| {
        render(signed, sources).ok_or(SignFault::Unbound)
    });
    content.ok().map(|content| content.to_vec())
}

/// The value that carries the signature or token.
fn signature(
    scheme: &Scheme,
    key: &Key,
    draft: &Draft,
    captures: &[String],
    element: Option<&[u8]>,
    now: Now,
) -> Result<String, SignFault> {
    let text = match (&scheme.proof, scheme.signed()) {
        (Proof::Jwt(jwt), _) => with_sources(scheme, key, draft, captures, element, now, |sources| {
            token::make(scheme, jwt, key, sources, now)
        })?,
        (Proof::Hmac { .. } | Proof::Digest { .. }, Some(signed)) => {
            let tag = with_sources(scheme, key, draft, captures, element, now, |sources| {
                let mut mac = key.mac_for(scheme, sources).ok_or(SignFault::Key)?;
                let fed = feed_all(signed, sources, &mut |bytes| mac.update(bytes));
                if fed { Ok(mac.finish()) } else { Err(SignFault::Unbound) }
            })?;
            encode(scheme.signature.encoding, tag.as_bytes())
        }
        (Proof::PublicKey { algorithms, form, .. }, Some(signed)) => {
            let private = key.private_key().ok_or(SignFault::Private)?;
            let bytes = with_sources(scheme, key, draft, captures, element, now, |sources| {
                let content = render(signed, sources).ok_or(SignFault::Unbound)?;
                let mut made = algorithms.iter().map(|algorithm| private.sign(*algorithm, *form, &content));
                made.find_map(Result::ok).ok_or(SignFault::Key)
            })?;
            encode(scheme.signature.encoding, &bytes)
        }
        _ => String::from_utf8(key.token().ok_or(SignFault::Key)?.to_vec()).map_err(|_| SignFault::Key)?,
    };
    Ok(value(scheme, key, &text, &timestamp(scheme, now), captures))
}

/// Calls `make` with the draft as its receiver will read it.
fn with_sources<T>(
    scheme: &Scheme,
    key: &Key,
    draft: &Draft,
    captures: &[String],
    element: Option<&[u8]>,
    now: Now,
    make: impl FnOnce(&Sources<'_>) -> Result<T, SignFault>,
) -> Result<T, SignFault> {
    let (base, target) = split_url(&draft.url)?;
    let authority = base.split_once("://").map_or(base, |(_, authority)| authority);
    let mut raw = format!("{} {target} HTTP/1.1\r\nHost: {authority}\r\n", draft.method);
    for (name, value) in &draft.headers {
        raw.extend([name, ": ", value, "\r\n"]);
    }
    raw.push_str("\r\n");
    let head = Head::parse(raw.as_bytes()).map_err(|_| SignFault::Request)?;
    let message = Message { head: &head, bytes: raw.as_bytes(), body: &draft.body };
    let field = scheme.document.as_ref().map(|field| form::field(&message, field));
    let document = match (&field, element) {
        (_, Some(element)) => element,
        (Some(field), None) => field.as_ref().ok().and_then(Option::as_deref).ok_or(SignFault::Unbound)?,
        (None, None) => &draft.body,
    };
    let mut found = Vec::new();
    let broken = !find_members(document, &scheme.members, &mut found);
    let (time, mut texts) = (timestamp(scheme, now), [&b""[..]; MAX_CAPTURES]);
    texts.iter_mut().zip(captures).for_each(|(slot, text)| *slot = text.as_bytes());
    make(&Sources {
        message: Some(&message),
        timestamp: time.as_bytes(),
        url: (base.as_bytes(), message.path()),
        captures: &texts,
        members: Members { document, paths: &scheme.members, found: &found, broken },
        header_list: scheme.header_list.as_ref(),
        rules: scheme.signature.rules(),
        secret: key.secret(),
        ..Sources::default()
    })
}

/// What the grammar's captures say: what a condition compares them with, the announced names of signed fields, or
/// something new.
fn captures(scheme: &Scheme, key: &Key) -> Vec<String> {
    let sources = Sources { secret: key.secret(), ..Sources::default() };
    let checked = |index| {
        let is_it = |check: &&Check| *check.value.before() == [Piece::Item(index)] && !check.value.has_body();
        let expected = render(&scheme.checks.iter().find(is_it)?.equals, &sources)?;
        String::from_utf8(expected.to_vec()).ok()
    };
    let announced = |index| match scheme.header_list.as_ref().map(|list| &list.names) {
        Some(Names::Announced { from: ListFrom::Capture(capture), split, require }) if *capture == index => {
            let names: Vec<&str> = require.iter().map(|name| &**name).chain(["content-type"]).collect();
            Some(names.join(split))
        }
        _ => None,
    };
    let named = |index| (scheme.key_source.key_id == Some(KeyIdFrom::Capture(index))).then(|| key.id.to_string());
    let known = |index| checked(index).or_else(|| announced(index)).or_else(|| named(index));
    let one = |index| known(index).unwrap_or_else(|| random_id(""));
    (0..scheme.signature.captures.len()).map(one).collect()
}

/// Says which key it is, where receivers choose by that.
fn name_key(scheme: &Scheme, key: &Key, draft: &mut Draft) {
    match &scheme.key_source.key_id {
        Some(KeyIdFrom::Field(Field::Header(name))) if !draft.has(name) => draft.set(name, key.id.to_string()),
        Some(KeyIdFrom::Field(Field::Query(name))) if !place::has_query(draft, name) => {
            place::set_query(draft, name, &key.id);
        }
        _ => {}
    }
}

/// Adds what is signed and the draft lacks: the time, ids that are new, announcements.
fn complete(scheme: &Scheme, key: &Key, draft: &mut Draft, captures: &[String], now: Now) {
    match scheme.timestamp.as_ref().map(|timestamp| &timestamp.from) {
        Some(TimestampFrom::Header(name)) => draft.set(name, timestamp(scheme, now)),
        Some(TimestampFrom::Query(name)) => place::set_query(draft, name, &timestamp(scheme, now)),
        Some(TimestampFrom::Form(name)) => place::set_form(draft, name, &timestamp(scheme, now)),
        _ => {}
    }
    if let Some(rules) = scheme.signature.rules() {
        announce(rules, key, draft, now);
    }
    if let Some(list) = &scheme.header_list {
        complete_list(&list.names, draft, captures);
    }
    if let Some(source) = &scheme.key_source.certificate {
        name_certificate(source, draft);
    }
    let checks = scheme.checks.iter().flat_map(|check| [&check.value, &check.equals]);
    for template in scheme.contents().iter().take(1).chain(checks).chain(&scheme.secret.key) {
        template.visit(&mut |piece| complete_piece(piece, draft));
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "all other pieces are alike here")]
fn complete_piece(piece: &Piece, draft: &mut Draft) {
    match piece {
        Piece::Header(name) if !draft.has(name) => draft.headers.push((name.to_string(), random_id("msg_"))),
        Piece::QueryParameter(name) if !place::has_query(draft, name) => {
            place::set_query(draft, name, &random_id(""));
        }
        Piece::Special(Special::Wechat) if !place::has_query(draft, "nonce") => {
            place::set_query(draft, "nonce", &random_id(""));
        }
        _ => {}
    }
}

/// Names an address where the certificate could be, where the draft names none.
#[allow(clippy::wildcard_enum_match_arm, reason = "no definition names addresses otherwise")]
fn name_certificate(source: &Source, draft: &mut Draft) {
    let (Some(template), Some(pin)) = (source.addresses.first(), source.pins.first()) else { return };
    let sample = pin.sample();
    match template.before() {
        [Piece::Json(path)] => place::set_sampled(draft, path, &sample),
        [Piece::Header(name)] if !draft.has(name) => draft.set(name, sample),
        [Piece::Literal(start), Piece::Header(name)] if !draft.has(name) => {
            draft.set(name, sample.strip_prefix(&**start).unwrap_or_default().to_owned());
        }
        _ => {}
    }
}

fn complete_list(names: &Names, draft: &mut Draft, captures: &[String]) {
    let add = |draft: &mut Draft, name: &str| {
        if !draft.has(name) {
            draft.headers.push((name.to_owned(), random_id("")));
        }
    };
    match names {
        Names::Fixed(names) => names.iter().for_each(|(name, _)| add(draft, name)),
        Names::Announced { from, split, require } => {
            require.iter().for_each(|name| add(draft, name));
            if let ListFrom::Capture(index) = from
                && captures.get(*index).is_some_and(|names| names.contains("content-type"))
            {
                add(draft, "content-type");
            }
            if let ListFrom::Header(header) = from {
                let names: Vec<&str> = require.iter().map(|name| &**name).collect();
                draft.set(header, names.join(split));
            }
        }
    }
}

/// RFC 9421: the body's digest and what is covered.
fn announce(rules: &Rules, key: &Key, draft: &mut Draft, now: Now) {
    draft.set("Content-Digest", format!("sha-256=:{}:", BASE64.encode(&Sha256::digest(&draft.body))));
    for name in rules.cover.iter().filter(|name| !name.starts_with('@')) {
        if !draft.has(name) {
            draft.headers.push((name.to_string(), random_id("")));
        }
    }
    draft.set("Signature-Input", rules.announcement(now.unix_seconds(), &key.id, &random_id("")));
}

/// Sets what a condition compares with something: a header field, a parameter, a member that a sample left open. What a
/// capture must say has been set already.
fn set_checked(scheme: &Scheme, key: &Key, draft: &mut Draft, captures: &[String], now: Now) -> Result<(), SignFault> {
    for check in scheme.checks.iter().filter(|check| !check.value.has_body()) {
        let [piece @ (Piece::Header(_) | Piece::QueryParameter(_) | Piece::Json(_))] = check.value.before() else {
            continue;
        };
        let expected = with_sources(scheme, key, draft, captures, None, now, |sources| {
            render(&check.equals, sources).ok_or(SignFault::Unbound)
        })?;
        let expected = String::from_utf8_lossy(&expected).into_owned();
        if let Piece::Header(name) = piece {
            draft.set(name, expected);
        } else if let Piece::QueryParameter(name) = piece {
            place::set_query(draft, name, &expected);
        } else if let Piece::Json(path) = piece {
            place::set_sampled(draft, path, &expected);
        }
    }
    Ok(())
}

/// A time in the body must be there already: it is signed as part of it.
fn check_time(scheme: &Scheme, draft: &Draft, now: Now) -> Result<(), SignFault> {
    let Some(Timestamp { from: TimestampFrom::Json(path), .. }) = &scheme.timestamp else { return Ok(()) };
    if scheme.document.is_some() {
        return Ok(());
    }
    let mut found = [None];
    let scanned = json::scan(&draft.body, &[Some(path)], &mut found);
    let there = found[0].filter(|_| scanned.is_ok()).map(|span| span.get(&draft.body));
    if there == Some(timestamp(scheme, now).as_bytes()) { Ok(()) } else { Err(SignFault::Time(path.0.join("."))) }
}

/// A value in its grammar.
fn value(scheme: &Scheme, key: &Key, signature: &str, timestamp: &str, captures: &[String]) -> String {
    let Format { separator, items, .. } = &scheme.signature.format;
    let one = |value: ItemValue| match value {
        ItemValue::Signature => signature,
        ItemValue::Timestamp => timestamp,
        ItemValue::Capture(index) => captures.get(index).map_or("", String::as_str),
        ItemValue::Part(index) => {
            let part = key.secret().and_then(|secret| secret.part(index));
            part.and_then(|part| str::from_utf8(part).ok()).unwrap_or("sig1")
        }
        ItemValue::Ignored => "sig1",
        ItemValue::Text => "",
    };
    let first = items.iter().position(|item| item.value == ItemValue::Signature);
    let item = |(index, item): (usize, &Item)| {
        // Of several that may be empty, the first carries it.
        let is_other = Some(index) != first && item.optional && item.value == ItemValue::Signature;
        if is_other {
            return item.prefix.to_string();
        }
        let more = item.more.iter().map(|(text, value)| format!("{text}{}", one(*value)));
        format!("{}{}{}{}", item.prefix, one(item.value), more.collect::<String>(), item.suffix)
    };
    let separator = separator.map_or(',', char::from).to_string();
    items.iter().enumerate().map(item).collect::<Vec<_>>().join(&separator)
}

/// The time as the scheme writes it.
fn timestamp(scheme: &Scheme, now: Now) -> String {
    let Some(Timestamp { unit, offset, .. }) = &scheme.timestamp else { return now.unix_seconds().to_string() };
    let second = i64::try_from(now.unix_seconds()).ok();
    let time = second.and_then(|second| jiff::Timestamp::from_second(second).ok());
    let written = |offset, pattern| {
        let offset = jiff::tz::Offset::from_seconds(offset).unwrap_or(jiff::tz::Offset::UTC);
        time.map_or_else(String::new, |time| offset.to_datetime(time).strftime(pattern).to_string())
    };
    match unit {
        TimeUnit::Seconds | TimeUnit::SecondsOrMilliseconds => now.unix_seconds().to_string(),
        TimeUnit::Milliseconds => now.wall.as_millis().to_string(),
        TimeUnit::Microseconds => now.wall.as_micros().to_string(),
        TimeUnit::Rfc3339 => time.map_or_else(String::new, |time| time.to_string()),
        TimeUnit::HttpDate => written(0, "%a, %d %b %Y %H:%M:%S GMT"),
        TimeUnit::DateTime => written(*offset, "%Y-%m-%d %H:%M:%S"),
    }
}

fn encode(encoding: Encoding, bytes: &[u8]) -> String {
    match encoding {
        Encoding::Hex => HEXLOWER.encode(bytes),
        Encoding::HexUpper => HEXUPPER.encode(bytes),
        Encoding::Base64 => BASE64.encode(bytes),
        Encoding::Base64Url => BASE64URL_NOPAD.encode(bytes),
        Encoding::Base64Hex => BASE64.encode(HEXLOWER.encode(bytes).as_bytes()),
    }
}

/// `https://host` and `/path?query`.
fn split_url(url: &str) -> Result<(&str, &str), SignFault> {
    let fault = || SignFault::Url(url.to_owned());
    let authority = url.find("://").ok_or_else(fault)? + 3;
    let path = url[authority..].find('/').ok_or_else(fault)?;
    Ok(url.split_at(authority + path))
}

/// The `bodySHA256` query parameter that a JSON body needs where the URL is signed and the body is not (Twilio).
#[must_use]
pub fn body_digest(body: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(body))
}

/// An id that no other message has. Without the system's random numbers it would repeat, and be refused as a replay.
fn random_id(prefix: &str) -> String {
    let mut bytes = [0; 16];
    let _ = getrandom::fill(&mut bytes);
    format!("{prefix}{}", HEXLOWER.encode(&bytes))
}
