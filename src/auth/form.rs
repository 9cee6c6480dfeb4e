//! Form parameters in the order in which Twilio signs them, and its rule for every other body.
//!
//! Source: <https://www.twilio.com/docs/usage/security#validating-requests>. Parameters are sorted by name, then by
//! distinct value; each name is followed by its decoded value. A body that is no form is signed only through the query
//! parameter `bodySHA256` of the signed URL; one without it is bound by nothing, so it is refused.

use std::borrow::Cow;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::http1::Message;

/// The most parameters: more are not sent by anyone, and sorting them would cost a stranger nothing and us much.
const MAX_PARAMETERS: usize = 1000;

/// Feeds the parameters to `sink`. False: the body is not bound by the signature.
pub(super) fn feed_sorted(message: &Message<'_>, sink: &mut impl FnMut(&[u8])) -> bool {
    if message.body.is_empty() {
        return true;
    }
    if !is_form(message) {
        return binds_by_digest(message);
    }
    if message.body.split(|&byte| byte == b'&').count() > MAX_PARAMETERS {
        return false;
    }
    let mut parameters: Vec<_> = parse(message.body).collect();
    parameters.sort();
    parameters.dedup();
    for (name, value) in parameters {
        sink(&name);
        sink(&value);
    }
    true
}

fn is_form(message: &Message<'_>) -> bool {
    let content_type = message.field("content-type").ok().flatten().unwrap_or_default();
    let media_type = content_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    media_type.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

/// Whether the signed URL's one `bodySHA256` is the body's digest.
fn binds_by_digest(message: &Message<'_>) -> bool {
    let mut digests = parse(message.query().unwrap_or_default()).filter(|(name, _)| &**name == b"bodySHA256");
    let (Some((_, stated)), None) = (digests.next(), digests.next()) else { return false };
    // No secret: whoever sees the URL sees the digest.
    *stated == *HEXLOWER.encode(&Sha256::digest(message.body)).as_bytes()
}

/// The parameters of a form or query, decoded.
fn parse(form: &[u8]) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    form.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let at = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        (decode(&pair[..at]), decode(pair.get(at + 1..).unwrap_or_default()))
    })
}

/// `+` is a blank, `%XX` a byte; a `%` without two digits stands for itself, as in the WHATWG URL standard.
fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'+', b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    let (mut decoded, mut at) = (Vec::with_capacity(text.len()), 0);
    while let Some(&byte) = text.get(at) {
        let escaped = text.get(at + 1..at + 3).filter(|_| byte == b'%').and_then(hex_pair);
        decoded.push(match (escaped, byte) {
            (Some(escaped), _) => escaped,
            (None, b'+') => b' ',
            (None, other) => other,
        });
        at += if escaped.is_some() { 3 } else { 1 };
    }
    Cow::Owned(decoded)
}

fn hex_pair(pair: &[u8]) -> Option<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    let &[high, low] = pair else { return None };
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}
