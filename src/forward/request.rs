//! The head that the service sees, written anew from the parsed one: no hop-by-hop fields, nothing that speaks in our
//! name, one Content-Length.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

use bytes::{BufMut, BytesMut};

use crate::http1::encode::{Lines, decimal, field, is_hop_by_hop, is_nominated, number_field};
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
    /// The route's name.
    pub route: &'a str,
    /// The provider's catalogue id.
    pub provider: &'a str,
    /// The id of the key that the message was proven with; `None` when it was not proven.
    pub key_id: Option<&'a str>,
    /// The path to ask for instead of the request's.
    pub path: Option<&'a str>,
    /// Signature fields made anew.
    pub resigned: Option<&'a Resigned>,
}

/// Appends the head to `out`.
pub fn write_head(out: &mut BytesMut, message: &Message<'_>, onward: &Onward<'_>) {
    request_line(out, message, onward.path);
    let mut lines = Lines::new(message.bytes);
    for (name, value) in message.fields().filter(|(name, _)| passes(name, message, onward.resigned.is_some())) {
        lines.put(out, name, value);
    }
    lines.end(out);
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
    out.reserve(message.head.len);
    out.put_slice(message.method());
    out.put_u8(b' ');
    out.put_slice(path.map_or_else(|| message.path(), str::as_bytes));
    if let Some(query) = message.query() {
        out.put_u8(b'?');
        out.put_slice(query);
    }
    out.put_slice(b" HTTP/1.1\r\n");
}

fn verdict_fields(out: &mut BytesMut, message: &Message<'_>, onward: &Onward<'_>) {
    field(out, b"X-Request-Id", onward.request_id.as_bytes());
    match onward.source {
        IpAddr::V4(source) => field(out, b"X-Forwarded-For", dotted(source, &mut [0; 15])),
        IpAddr::V6(source) => {
            out.put_slice(b"X-Forwarded-For: ");
            // Writing to a growing buffer cannot fail.
            let _ = write!(out.writer(), "{source}");
            out.put_slice(b"\r\n");
        }
    }
    field(out, b"X-Forwarded-Proto", if onward.encrypted { b"https" } else { b"http" });
    field(out, b"X-Forwarded-Host", message.head.host.get(message.bytes));
    field(out, b"X-Hookwarden-Route", onward.route.as_bytes());
    field(out, b"X-Hookwarden-Provider", onward.provider.as_bytes());
    if let Some(key_id) = onward.key_id {
        field(out, b"X-Hookwarden-Key-Id", key_id.as_bytes());
    }
    field(out, b"X-Hookwarden-Verified", if onward.key_id.is_some() { b"true" } else { b"false" });
}

/// An address as it is written, without the machinery of formatting, which would cost as much as the rest of the head.
fn dotted(address: Ipv4Addr, text: &mut [u8; 15]) -> &[u8] {
    let mut len = 0;
    for octet in address.octets() {
        if len > 0 {
            text[len] = b'.';
            len += 1;
        }
        let mut room = [0; 20];
        let digits = decimal(u64::from(octet), &mut room);
        text[len..len + digits.len()].copy_from_slice(digits);
        len += digits.len();
    }
    &text[..len]
}

/// Whether a sender's field reaches the service.
fn passes(name: &[u8], message: &Message<'_>, resigned: bool) -> bool {
    if is_hop_by_hop(name) || speaks_for_us(name) || (resigned && Resigned::replaces(name)) {
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
        Some(b'x' | b'X') => {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_usual() {
        for address in [[127, 0, 0, 1], [0, 0, 0, 0], [255, 255, 255, 255], [10, 200, 30, 4]] {
            let address = Ipv4Addr::from(address);
            assert_eq!(dotted(address, &mut [0; 15]), address.to_string().as_bytes());
        }
    }
}
