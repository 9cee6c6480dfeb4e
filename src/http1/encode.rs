//! Heads written anew from parsed ones: nothing of the peer's own framing or hop is copied.

use std::net::Ipv4Addr;

use bytes::{BufMut, BytesMut};

use super::head::list;

/// Whether one of the values of Connection names the field.
pub fn is_nominated<'b>(name: &[u8], connection: impl Iterator<Item = &'b [u8]>) -> bool {
    connection.flat_map(list).any(|option| option.eq_ignore_ascii_case(name))
}

/// Appends one field line.
pub fn field(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.put_slice(name);
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

/// Appends a field line with a decimal value.
pub fn number_field(out: &mut BytesMut, name: &[u8], value: u64) {
    let mut digits = [0; 20];
    field(out, name, decimal(value, &mut digits));
}

/// The decimal digits of `value`, without an allocation.
pub fn decimal(mut value: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + u8::try_from(value % 10).unwrap_or_default();
        at -= 1;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    &digits[at..]
}

/// An address as it is written, without the machinery of formatting, which would cost as much as the rest of a head.
pub fn dotted(address: Ipv4Addr, text: &mut [u8; 15]) -> &[u8] {
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

/// Appends the size line of a chunk.
pub fn chunk_size(out: &mut BytesMut, size: usize) {
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1);
    for shift in (0..digits).rev() {
        out.put_u8(b"0123456789abcdef"[(size >> (shift * 4)) & 15]);
    }
    out.put_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for value in [0, 7, 10, 65_535, u64::MAX] {
            assert_eq!(decimal(value, &mut [0; 20]), value.to_string().as_bytes());
        }
        for size in [0_usize, 1, 15, 16, 255, 256, 1 << 20] {
            let mut out = BytesMut::new();
            chunk_size(&mut out, size);
            assert_eq!(out, format!("{size:x}\r\n").as_bytes());
        }
    }

    #[test]
    fn addresses_are_written_as_usual() {
        for address in [[127, 0, 0, 1], [0, 0, 0, 0], [255, 255, 255, 255], [10, 200, 30, 4]] {
            let address = Ipv4Addr::from(address);
            assert_eq!(dotted(address, &mut [0; 15]), address.to_string().as_bytes());
        }
    }

    #[test]
    fn nominated_by_connection() {
        assert!(is_nominated(b"X-A", [&b"close, x-a"[..]].into_iter()));
        assert!(!is_nominated(b"X-B", [&b"close, x-a"[..]].into_iter()));
    }
}
