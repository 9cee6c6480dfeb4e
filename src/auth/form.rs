//! Parameters of forms and queries (WHATWG URL standard, section 5), and fields of multipart forms.
//!
//! A parameter that is read may stand once: two readers could take different ones.

use std::borrow::Cow;

use crate::http1::Message;
use crate::http1::head::Repeated;

use super::multipart;

/// The most parameters: more are not sent by anyone, and sorting them would cost a stranger nothing and us much.
pub(super) const MAX_PARAMETERS: usize = 1000;

/// The decoded value of a query's parameter.
pub(super) fn query_parameter<'m>(message: &Message<'m>, name: &str) -> Result<Option<Cow<'m, [u8]>>, Repeated> {
    one(parse(message.query().unwrap_or_default()), name)
}

/// The value of a form's field: of a urlencoded one decoded, of a multipart one as it stands.
pub(super) fn field<'m>(message: &Message<'m>, name: &str) -> Result<Option<Cow<'m, [u8]>>, Repeated> {
    if is_urlencoded(message) {
        return one(parse(message.body), name);
    }
    match multipart::boundary(content_type(message)) {
        Some(boundary) => multipart::field(message.body, boundary, name),
        None => Ok(None),
    }
}

/// Whether the body says that it is a form.
pub(super) fn is_form(message: &Message<'_>) -> bool {
    is_urlencoded(message) || multipart::boundary(content_type(message)).is_some()
}

/// Whether the body says that it is a urlencoded form.
pub(super) fn is_urlencoded(message: &Message<'_>) -> bool {
    let media_type = content_type(message).split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    media_type.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

fn content_type<'m>(message: &Message<'m>) -> &'m [u8] {
    message.field("content-type").ok().flatten().unwrap_or_default()
}

fn one<'m>(
    parameters: impl Iterator<Item = (Cow<'m, [u8]>, Cow<'m, [u8]>)>,
    name: &str,
) -> Result<Option<Cow<'m, [u8]>>, Repeated> {
    let mut values = parameters.filter(|(found, _)| **found == *name.as_bytes()).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (first, None) => Ok(first),
        _ => Err(Repeated),
    }
}

/// The parameters of a form or query, decoded, in order.
pub(super) fn parse(form: &[u8]) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    form.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let at = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        (decode(&pair[..at]), decode(pair.get(at + 1..).unwrap_or_default()))
    })
}

/// Whether there are too many parameters to be sorted.
pub(super) fn is_too_long(form: &[u8]) -> bool {
    form.split(|&byte| byte == b'&').count() > MAX_PARAMETERS
}

/// `+` is a blank, `%XX` a byte; a `%` without two digits stands for itself, as in the WHATWG URL standard.
pub(super) fn decode(text: &[u8]) -> Cow<'_, [u8]> {
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

/// Every byte that `keeps` does not keep as `%XX`, with upper-case digits.
pub(super) fn encode(text: &[u8], keeps: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(text.len());
    for &byte in text {
        if keeps(byte) {
            encoded.push(byte);
        } else {
            encoded.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    encoded
}

/// The unreserved characters of RFC 3986.
pub(super) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn digit(value: u8) -> u8 {
    match value {
        0..=9 => b'0' + value,
        _ => b'A' + value - 10,
    }
}

pub(super) fn hex_pair(pair: &[u8]) -> Option<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    let &[high, low] = pair else { return None };
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}
