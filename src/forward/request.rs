//! The head that the service sees, written anew from the parsed one: no hop-by-hop fields, nothing that speaks in our
//! name, one Content-Length.

use std::io::Write;
use std::net::IpAddr;

use bytes::{BufMut, BytesMut};

use crate::http1::encode::{dotted, is_nominated, number_field};
use crate::http1::head::same_folded;
use crate::http1::{Framing, Message};

use super::resign::Resigned;

/// What the head says beside the sender's own fields.
#[derive(Debug, Clone, Copy)]
pub struct Onward<'a> {
    /// The id of this request, in log and service alike.
    pub request_id: &'a str,
    /// The sender's address.
    pub source: IpAddr,
    /// Whether the sender's connection is encrypted.
    pub encrypted: bool,
    /// The lines that name the route and its provider.
    pub route_fields: &'a [u8],
    /// The id of the key that the message was proven with; `None` when it was not proven.
    pub key_id: Option<&'a str>,
    /// The path to ask for instead of the request's.
    pub path: Option<&'a str>,
    /// Signature fields made anew.
    pub resigned: Option<&'a Resigned>,
}

/// Room for what is said beside the sender's own fields, in bytes: most of it fits, and the buffer grows for the rest.
const ADDED: usize = 512;

/// Appends the head to `out`.
pub fn write_head(out: &mut BytesMut, message: &Message<'_>, onward: &Onward<'_>) {
    out.reserve(message.head.len + ADDED);
    let as_it_stands = message.start_line().filter(|_| onward.path.is_none());
    if as_it_stands.is_none() {
        request_line(out, message, onward.path);
    }
    message.copy_fields(as_it_stands, out, |name| passes(name, message, onward.resigned.is_some()));
    if message.head.framing != Framing::None {
        number_field(out, b"Content-Length", message.body.len() as u64);
    }
    verdict_fields(out, message, onward);
    if let Some(resigned) = onward.resigned {
        resigned.write(out);
    }
    out.put_slice(b"\r\n");
}

fn request_line(out: &mut BytesMut, message: &Message<'_>, path: Option<&str>) {
    out.put_slice(message.method());
    out.put_u8(b' ');
    out.put_slice(path.map_or_else(|| message.path(), str::as_bytes));
    if let Some(query) = message.query() {
        out.put_u8(b'?');
        out.put_slice(query);
    }
    out.put_slice(b" HTTP/1.1\r\n");
}

/// What the sidecar says itself, in as few pieces as it changes in.
fn verdict_fields(out: &mut BytesMut, message: &Message<'_>, onward: &Onward<'_>) {
    out.put_slice(b"X-Request-Id: ");
    out.put_slice(onward.request_id.as_bytes());
    out.put_slice(b"\r\nX-Forwarded-For: ");
    match onward.source {
        IpAddr::V4(source) => out.put_slice(dotted(source, &mut [0; 15])),
        // Writing to a growing buffer cannot fail.
        IpAddr::V6(source) => drop(write!(out.writer(), "{source}")),
    }
    out.put_slice(if onward.encrypted {
        b"\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: "
    } else {
        b"\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: "
    });
    out.put_slice(message.head.host.get(message.bytes));
    out.put_slice(b"\r\n");
    out.put_slice(onward.route_fields);
    match onward.key_id {
        Some(key_id) => {
            out.put_slice(b"X-Hookwarden-Key-Id: ");
            out.put_slice(key_id.as_bytes());
            out.put_slice(b"\r\nX-Hookwarden-Verified: true\r\n");
        }
        None => out.put_slice(b"X-Hookwarden-Verified: false\r\n"),
    }
}

/// Whether a sender's field that does not end at this hop anyway reaches the service.
fn passes(name: &[u8], message: &Message<'_>, resigned: bool) -> bool {
    if speaks_for_us(name) || (resigned && Resigned::replaces(name)) {
        return false;
    }
    if !message.head.nominates {
        return true;
    }
    let connection = message.fields().filter(|(name, _)| name.eq_ignore_ascii_case(b"connection"));
    !is_nominated(name, connection.map(|(_, value)| value))
}

/// Fields by which a service believes what a proxy says, in every spelling that some server takes for them.
fn speaks_for_us(name: &[u8]) -> bool {
    match name.first() {
        Some(b'f' | b'F') => same_folded(name, "forwarded"),
        // The third letter tells nearly every other name apart.
        Some(b'x' | b'X') if matches!(name.get(2), Some(b'f' | b'F' | b'h' | b'H' | b'r' | b'R')) => {
            starts_folded(name, "x-hookwarden-")
                || starts_folded(name, "x-forwarded-")
                || same_folded(name, "x-request-id")
                || same_folded(name, "x-real-ip")
        }
        _ => false,
    }
}

fn starts_folded(name: &[u8], prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| same_folded(start, prefix))
}
