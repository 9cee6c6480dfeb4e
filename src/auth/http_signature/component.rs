//! The value of one covered component (RFC 9421 sections 2.1 and 2.2).
//!
//! A field that came in several lines is joined as section 2.1 says. Structured fields that are serialised anew (`sf`)
//! are those that are known to be dictionaries; `key` takes a member of any field that is one. What a value is made of
//! is ASCII: anything else stands in a base only as `bs` writes it.

use std::borrow::Cow;

use data_encoding::BASE64;

use super::structured::{Bare, Dictionary, Item};
use crate::auth::form;
use crate::http1::Message;

/// Fields that are dictionaries (RFC 9218, 9421, 9530), so that `sf` has a meaning.
const DICTIONARIES: [&str; 7] = [
    "content-digest",
    "priority",
    "repr-digest",
    "signature",
    "signature-input",
    "want-content-digest",
    "want-repr-digest",
];

/// Writes the value of a component. `None`: it is not in the message, or nothing that a request has.
pub(super) fn write(item: &Item<'_>, message: &Message<'_>, url: (&[u8], &[u8]), out: &mut Vec<u8>) -> Option<()> {
    let name = item.bare.plain_text().filter(|name| !name.bytes().any(|byte| byte.is_ascii_uppercase()))?;
    let start = out.len();
    match name.strip_prefix('@') {
        Some("query-param") => query_parameter(item, message, out)?,
        Some(derived) if item.parameters.0.is_empty() => self::derived(derived, message, url, out)?,
        Some(_) => return None,
        None => field(name, item, message, out)?,
    }
    // No value can start a line of its own: a head has no line feeds inside a value.
    out.get(start..)?.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t')).then_some(())
}

fn derived(name: &str, message: &Message<'_>, url: (&[u8], &[u8]), out: &mut Vec<u8>) -> Option<()> {
    match name {
        "method" => out.extend_from_slice(message.method()),
        "path" => out.extend_from_slice(&path(message, url)),
        "query" => {
            out.push(b'?');
            out.extend_from_slice(message.query().unwrap_or_default());
        }
        "request-target" => {
            out.extend_from_slice(&path(message, url));
            query(message, out);
        }
        "target-uri" => {
            let _ = after_scheme(url)?;
            out.extend([url.0, url.1].concat());
            query(message, out);
        }
        "scheme" => out.extend(after_scheme(url)?.0.to_ascii_lowercase()),
        "authority" => {
            let (scheme, rest) = after_scheme(url)?;
            let authority = rest.split(|&byte| byte == b'/').next()?.to_ascii_lowercase();
            let default: &[u8] = if scheme.eq_ignore_ascii_case(b"http") { b":80" } else { b":443" };
            out.extend_from_slice(authority.strip_suffix(default).unwrap_or(&authority));
        }
        _ => return None,
    }
    Some(())
}

/// The path that the sender called: of the public URL where that has one, else the request's.
fn path<'m>(message: &Message<'m>, url: (&'m [u8], &'m [u8])) -> Cow<'m, [u8]> {
    let Some((_, rest)) = after_scheme(url) else { return Cow::Borrowed(message.path()) };
    let path = memchr::memchr(b'/', &rest).map(|at| rest[at..].to_vec());
    path.map_or(Cow::Borrowed(message.path()), Cow::Owned)
}

/// The scheme and all that follows it. `None`: the public URL is not known.
fn after_scheme(url: (&[u8], &[u8])) -> Option<(Vec<u8>, Vec<u8>)> {
    let whole = [url.0, url.1].concat();
    let at = memchr::memmem::find(&whole, b"://")?;
    Some((whole.get(..at)?.to_vec(), whole.get(at + 3..)?.to_vec()))
}

fn query(message: &Message<'_>, out: &mut Vec<u8>) {
    if let Some(query) = message.query() {
        out.push(b'?');
        out.extend_from_slice(query);
    }
}

/// Section 2.2.8: one parameter, decoded and encoded in the one way. One that stands twice cannot be covered.
fn query_parameter(item: &Item<'_>, message: &Message<'_>, out: &mut Vec<u8>) -> Option<()> {
    let [("name", name)] = &item.parameters.0[..] else { return None };
    let name = name.plain_text()?.as_bytes();
    let mut parameters = form::parse(message.query()?).filter(|(found, _)| encoded(found) == name);
    let (_, value) = parameters.next()?;
    if parameters.next().is_some() {
        return None;
    }
    out.extend(encoded(&value));
    Some(())
}

/// As the WHATWG URL standard encodes forms, but with `%20` for a blank.
fn encoded(text: &[u8]) -> Vec<u8> {
    form::encode(text, |byte| byte.is_ascii_alphanumeric() || b"*-._".contains(&byte))
}

/// How a field's value is written.
enum Form<'t> {
    AsItStands,
    Serialised,
    Member(&'t str),
    Bytes,
}

fn field(name: &str, item: &Item<'_>, message: &Message<'_>, out: &mut Vec<u8>) -> Option<()> {
    let form = form_of(name, item)?;
    let mut joined = Vec::new();
    let lines = message.fields().filter(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()));
    let mut count = 0;
    for (index, (_, value)) in lines.enumerate() {
        if index > 0 {
            joined.extend_from_slice(b", ");
        }
        match form {
            Form::Bytes => joined.extend(format!(":{}:", BASE64.encode(value)).bytes()),
            Form::AsItStands | Form::Serialised | Form::Member(_) => joined.extend_from_slice(value.trim_ascii()),
        }
        count += 1;
    }
    if count == 0 {
        return None;
    }
    match form {
        Form::AsItStands | Form::Bytes => out.extend(joined),
        Form::Serialised => Dictionary::parse(&joined)?.write(out),
        Form::Member(key) => Dictionary::parse(&joined)?.member(key)?.write_value(out),
    }
    Some(())
}

fn form_of<'t>(name: &str, item: &Item<'t>) -> Option<Form<'t>> {
    let mut form = Form::AsItStands;
    for (parameter, bare) in &item.parameters.0 {
        form = match (*parameter, bare, form) {
            ("bs", Bare::Boolean(true), Form::AsItStands) => Form::Bytes,
            ("sf", Bare::Boolean(true), Form::AsItStands) if DICTIONARIES.contains(&name) => Form::Serialised,
            // A member is serialised anew in any case.
            ("sf", Bare::Boolean(true), form @ Form::Member(_)) => form,
            ("key", bare, Form::AsItStands | Form::Serialised) => Form::Member(bare.plain_text()?),
            _ => return None,
        };
    }
    Some(form)
}
