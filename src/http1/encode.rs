//! Heads written anew from parsed ones: nothing of the peer's own framing or hop is copied.

use bytes::{BufMut, BytesMut};

use super::buffer::Span;
use super::head::{list, same_folded};

/// Fields that speak of one hop only (RFC 9110 section 7.6.1), and those that are written anew.
const HOP_BY_HOP: [&str; 11] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "expect",
];

/// Whether a field ends at this hop.
#[must_use]
pub fn is_hop_by_hop(name: &[u8]) -> bool {
    // Few fields start with these letters: most names leave at once.
    matches!(name.first().map(u8::to_ascii_lowercase), Some(b'c' | b'e' | b'k' | b'p' | b't' | b'u'))
        && HOP_BY_HOP.iter().any(|known| same_folded(name, known))
}

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

/// Field lines written anew, run by run: lines that stand in the head one after the other, and just as they would be
/// written, are copied as one.
#[derive(Debug)]
pub struct Lines<'b> {
    bytes: &'b [u8],
    run: (usize, usize),
}

impl<'b> Lines<'b> {
    /// Lines of fields that stand in `bytes`.
    #[must_use]
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, run: (0, 0) }
    }

    /// Appends one field line, or remembers it for the run.
    pub fn put(&mut self, out: &mut BytesMut, name: &[u8], value: &[u8]) {
        let (name_at, value_at) = (Span::of(name, self.bytes), Span::of(value, self.bytes));
        let (start, end) = (name_at.start(), value_at.end() + 2);
        let plain = self.bytes.get(name_at.end()..value_at.start()) == Some(b": ")
            && self.bytes.get(value_at.end()..end) == Some(b"\r\n");
        if !plain {
            self.end(out);
            return field(out, name, value);
        }
        if self.run.1 != start {
            self.end(out);
            self.run.0 = start;
        }
        self.run.1 = end;
    }

    /// Appends what is left.
    pub fn end(&mut self, out: &mut BytesMut) {
        out.extend_from_slice(self.bytes.get(self.run.0..self.run.1).unwrap_or_default());
        self.run = (0, 0);
    }
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
    fn lines_in_runs_are_the_same_as_one_by_one() {
        let head = b"A: 1\r\nBb: 2\r\nC:3\r\nD:  4\r\nE: 5 \r\nF: \r\nG: 7\r\nH: 8";
        let parts: Vec<(&[u8], &[u8])> = head
            .split(|&byte| byte == b'\n')
            .filter_map(|line| {
                let colon = line.iter().position(|&byte| byte == b':')?;
                Some((&line[..colon], line[colon + 1..].trim_ascii()))
            })
            .collect();
        for left_out in 0..=parts.len() {
            let (mut runs, mut single, mut lines) = (BytesMut::new(), BytesMut::new(), Lines::new(head));
            for (_, (name, value)) in parts.iter().enumerate().filter(|(at, _)| *at != left_out) {
                lines.put(&mut runs, name, value);
                field(&mut single, name, value);
            }
            lines.end(&mut runs);
            assert_eq!(runs, single, "without line {left_out}");
        }
    }

    #[test]
    fn hop_by_hop_in_every_spelling() {
        for name in ["Connection", "TE", "transfer_encoding", "Keep-Alive", "EXPECT"] {
            assert!(is_hop_by_hop(name.as_bytes()), "{name}");
        }
        for name in ["Content-Type", "X-TE", "Teapot", "User-Agent"] {
            assert!(!is_hop_by_hop(name.as_bytes()), "{name}");
        }
        assert!(is_nominated(b"X-A", [&b"close, x-a"[..]].into_iter()));
        assert!(!is_nominated(b"X-B", [&b"close, x-a"[..]].into_iter()));
    }
}
