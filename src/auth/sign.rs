//! The one signing path: from a scheme to what its provider would send. It serves the `sign` command, the demo and the
//! tests; the proxy itself never signs so.

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use sha2::{Digest, Sha256};

use crate::clock::Now;
use crate::http1::{Head, Message};

use super::keys::Key;
use super::mac::Tag;
use super::scheme::{Encoding, Field, ItemValue, JsonPath, Proof, Scheme, TimeUnit, TimestampFrom};
use super::template::{Piece, Sources, Template, feed};

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
    /// The signed time stands in the body, and the body has none or another.
    #[error("the body must be a JSON object whose {0} is the time of signing")]
    Time(String),
    /// The scheme does not bind such a body.
    #[error("the scheme binds a body only as a form, or by the digest in the URL's bodySHA256")]
    Unbound,
}

/// Signs a draft: gives it back with every header field that the provider would send.
///
/// # Errors
/// A [`SignFault`].
pub fn sign(scheme: &Scheme, key: &Key, mut draft: Draft, now: Now) -> Result<Draft, SignFault> {
    let signature = match &scheme.proof {
        Proof::Token => String::from_utf8(key.token().ok_or(SignFault::Key)?.to_vec()).map_err(|_| SignFault::Key)?,
        Proof::Hmac { signed, .. } => {
            complete(scheme, signed, &mut draft, now);
            encode(scheme.signature.encoding, &tag(scheme, signed, key, &draft, now)?)
        }
    };
    let value = header_value(scheme, &signature, &timestamp(scheme, now));
    draft.headers.push((scheme.signature.header.to_string(), value));
    Ok(draft)
}

/// A body that has every member that the scheme reads: ids, types and times.
#[must_use]
pub fn sample_body(scheme: &Scheme, now: Now) -> Vec<u8> {
    if scheme.signed().is_some_and(|signed| signed.has(&Piece::FormSorted)) {
        return format!("CallSid={}&From=%2B15550100&To=%2B15550199", random_id("CA")).into_bytes();
    }
    let mut body = serde_json::Map::new();
    if let Some(Field::Json(path)) = &scheme.delivery_id {
        insert(&mut body, path, random_id("evt_").into());
    }
    if let Some(Field::Json(path)) = &scheme.event {
        insert(&mut body, path, "sample.created".into());
    }
    if let Some(TimestampFrom::Json(path)) = scheme.timestamp.as_ref().map(|timestamp| &timestamp.from) {
        let text = timestamp(scheme, now);
        insert(&mut body, path, text.parse::<u64>().map_or_else(|_| text.into(), Into::into));
    }
    body.insert("sample".into(), random_id("").into());
    serde_json::Value::Object(body).to_string().into_bytes()
}

/// Adds the signed fields that the draft lacks: an id that is new, and the time.
fn complete(scheme: &Scheme, signed: &Template, draft: &mut Draft, now: Now) {
    let has = |draft: &Draft, name: &str| draft.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
    if let Some(TimestampFrom::Header(name)) = scheme.timestamp.as_ref().map(|timestamp| &timestamp.from) {
        draft.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        draft.headers.push((name.to_string(), timestamp(scheme, now)));
    }
    for name in signed.headers() {
        if !has(draft, name) {
            draft.headers.push((name.to_owned(), random_id("msg_")));
        }
    }
}

fn tag(scheme: &Scheme, signed: &Template, key: &Key, draft: &Draft, now: Now) -> Result<Tag, SignFault> {
    let (base, target) = split_url(&draft.url)?;
    let authority = base.split_once("://").map_or(base, |(_, authority)| authority);
    let mut raw = format!("{} {target} HTTP/1.1\r\nHost: {authority}\r\n", draft.method);
    for (name, value) in &draft.headers {
        raw.extend([name, ": ", value, "\r\n"]);
    }
    raw.push_str("\r\n");
    let head = Head::parse(raw.as_bytes()).map_err(|_| SignFault::Request)?;
    let message = Message { head: &head, bytes: raw.as_bytes(), body: &draft.body };
    check_time(scheme, draft, now)?;
    let text = timestamp(scheme, now);
    let sources = Sources { timestamp: text.as_bytes(), url: (base.as_bytes(), message.path()) };
    let mut mac = key.mac().ok_or(SignFault::Key)?;
    let mut sink = |bytes: &[u8]| mac.update(bytes);
    let fed = feed(signed.before(), &message, &sources, &mut sink)
        && (!signed.has_body() || feed(&[Piece::Body], &message, &sources, &mut sink))
        && feed(signed.after(), &message, &sources, &mut sink);
    if fed { Ok(mac.finish()) } else { Err(SignFault::Unbound) }
}

/// A time in the body must be there already: it is signed as part of it.
fn check_time(scheme: &Scheme, draft: &Draft, now: Now) -> Result<(), SignFault> {
    let Some(TimestampFrom::Json(path)) = scheme.timestamp.as_ref().map(|timestamp| &timestamp.from) else {
        return Ok(());
    };
    let mut found = [None];
    let scanned = crate::json::scan(&draft.body, &[Some(path)], &mut found);
    let there = found[0].filter(|_| scanned.is_ok()).map(|span| span.get(&draft.body));
    if there == Some(timestamp(scheme, now).as_bytes()) { Ok(()) } else { Err(SignFault::Time(path.0.join("."))) }
}

fn header_value(scheme: &Scheme, signature: &str, timestamp: &str) -> String {
    let format = &scheme.signature.format;
    let item = |item: &super::scheme::Item| match item.value {
        ItemValue::Signature => format!("{}{signature}", item.prefix),
        ItemValue::Timestamp => format!("{}{timestamp}", item.prefix),
    };
    let separator = format.separator.map_or(',', char::from).to_string();
    format.items.iter().map(item).collect::<Vec<_>>().join(&separator)
}

fn timestamp(scheme: &Scheme, now: Now) -> String {
    match scheme.timestamp.as_ref().map(|timestamp| timestamp.unit) {
        None | Some(TimeUnit::Seconds) => now.unix_seconds().to_string(),
        Some(TimeUnit::Milliseconds) => now.wall.as_millis().to_string(),
        Some(TimeUnit::Rfc3339) => i64::try_from(now.unix_seconds())
            .ok()
            .and_then(|second| jiff::Timestamp::from_second(second).ok())
            .map_or_else(String::new, |time| time.to_string()),
    }
}

fn encode(encoding: Encoding, tag: &Tag) -> String {
    match encoding {
        Encoding::Hex => HEXLOWER.encode(tag.as_bytes()),
        Encoding::Base64 => BASE64.encode(tag.as_bytes()),
        Encoding::Base64Url => BASE64URL_NOPAD.encode(tag.as_bytes()),
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

fn insert(object: &mut serde_json::Map<String, serde_json::Value>, path: &JsonPath, value: serde_json::Value) {
    let Some((last, parents)) = path.0.split_last() else { return };
    let mut place = object;
    for parent in parents {
        let child = place.entry(parent.to_string()).or_insert_with(|| serde_json::Map::new().into());
        let serde_json::Value::Object(child) = child else { return };
        place = child;
    }
    place.insert(last.to_string(), value);
}

/// An id that no other message has. Without the system's random numbers it would repeat, and be refused as a replay.
fn random_id(prefix: &str) -> String {
    let mut bytes = [0; 16];
    let _ = getrandom::fill(&mut bytes);
    format!("{prefix}{}", HEXLOWER.encode(&bytes))
}
