//! A head's field lines, judged once: each is told what its name says of the message or of this hop, so that nobody looks
//! at it a second time to know.
//!
//! `httparse` finds them by the grammar of RFC 9112 section 5. What it lets pass that another reader might not is refused
//! here: a line that does not end in CRLF, and blank lines before the first. Deliberately absent: repair.

use bytes::{BufMut, BytesMut};
use httparse::Header;

use crate::deny::Reason;

use super::buffer::Span;
use super::encode::field;
use super::head::{MAX_FIELDS, Repeated};

/// What a field's name says of the message as a whole, or of this hop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing.
    #[default]
    Other,
    Host,
    Expect,
    Upgrade,
    Connection,
    ContentLength,
    TransferEncoding,
    /// What a server that folds `_` and `-` together might take for one of the two above.
    LikeFraming,
    ContentType,
    /// It speaks of one hop, and of nothing that is asked about here.
    Hop,
}

/// One field: where its name and its trimmed value stand.
#[derive(Debug, Clone, Copy, Default)]
struct Field {
    name: Span,
    value: Span,
    /// The length of its name and its first letter, which nearly all names are told apart by.
    tag: u16,
    known: Known,
    /// Whether its line reads just as it would be written anew.
    plain: bool,
}

/// The fields of a head, in the order of arrival.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    fields: [Field; MAX_FIELDS],
    count: usize,
}

impl Default for Fields {
    fn default() -> Self {
        Self { fields: [Field::default(); MAX_FIELDS], count: 0 }
    }
}

impl Fields {
    /// Keeps the `headers` that were found in `head`, a whole one; `take` is shown every field that is known, and its
    /// value.
    ///
    /// # Errors
    /// [`Reason::MalformedRequest`]; what `take` says.
    pub(super) fn read<'h>(
        &mut self,
        head: &'h [u8],
        headers: &[Header<'h>],
        mut take: impl FnMut(Known, &'h [u8]) -> Result<(), Reason>,
    ) -> Result<(), Reason> {
        // Beside tabs, the parser takes no control characters but those of line ends: a CR before an LF, which may be
        // missing. With a first line that is not blank, and two for each line, none is.
        let starts = head.first().is_some_and(|&first| first > b' ');
        if !starts || controls(head) != 2 * (headers.len() + 2) {
            return Err(Reason::MalformedRequest);
        }
        self.count = headers.len();
        for (slot, header) in self.fields.iter_mut().zip(headers) {
            *slot = Field::of(header, head);
            if slot.known != Known::Other {
                take(slot.known, header.value)?;
            }
        }
        Ok(())
    }

    /// All fields, as `(name, value)`.
    pub(super) fn iter<'b>(&self, bytes: &'b [u8]) -> impl Iterator<Item = (&'b [u8], &'b [u8])> {
        self.all().iter().map(move |field| (field.name.get(bytes), field.value.get(bytes)))
    }

    /// The value of a field that may stand at most once; `name` in any case.
    pub(super) fn find<'b>(&self, name: &[u8], bytes: &'b [u8]) -> Result<Option<&'b [u8]>, Repeated> {
        let tag = tag(name);
        // Nearly every sender spells a name as its documentation does, which is seen faster.
        let is_named = |found: &[u8]| found == name || found.eq_ignore_ascii_case(name);
        let is_it = |field: &&Field| field.tag == tag && is_named(field.name.get(bytes));
        let mut found = self.all().iter().filter(is_it);
        let first = found.next();
        if found.next().is_some() { Err(Repeated) } else { Ok(first.map(|field| field.value.get(bytes))) }
    }

    /// The value of a field that is known, and may stand at most once.
    pub(super) fn known<'b>(&self, known: Known, bytes: &'b [u8]) -> Result<Option<&'b [u8]>, Repeated> {
        let mut found = self.all().iter().filter(|field| field.known == known);
        let first = found.next();
        if found.next().is_some() { Err(Repeated) } else { Ok(first.map(|field| field.value.get(bytes))) }
    }

    /// Appends the lines of the fields that do not end at this hop and that `passes` lets through by their names, as they
    /// are written anew. Lines that stand one after the other, and just so, are copied as one, and so is what `before`
    /// spans.
    pub(super) fn copy(&self, bytes: &[u8], before: Span, out: &mut BytesMut, mut passes: impl FnMut(&[u8]) -> bool) {
        let mut run = before.start()..before.end();
        for one in self.all().iter().filter(|one| !one.known.ends_here() && passes(one.name.get(bytes))) {
            let start = one.name.start();
            if !one.plain {
                out.put_slice(bytes.get(run).unwrap_or_default());
                field(out, one.name.get(bytes), one.value.get(bytes));
                run = 0..0;
                continue;
            }
            if run.end != start {
                out.put_slice(bytes.get(run).unwrap_or_default());
                run = start..start;
            }
            run.end = one.value.end() + 2;
        }
        out.put_slice(bytes.get(run).unwrap_or_default());
    }

    fn all(&self) -> &[Field] {
        self.fields.get(..self.count).unwrap_or_default()
    }
}

impl Field {
    fn of(header: &Header<'_>, head: &[u8]) -> Self {
        let (name, value) = (Span::of(header.name.as_bytes(), head), Span::of(header.value, head));
        let plain = value.start() == name.end() + 2
            && head.get(name.end() + 1) == Some(&b' ')
            && head.get(value.end()) == Some(&b'\r');
        Self { name, value, tag: tag(header.name.as_bytes()), known: Known::of(header.name.as_bytes()), plain }
    }
}

/// What the parser's refusal means to a client.
pub(super) fn reason_of(error: httparse::Error) -> Reason {
    match error {
        httparse::Error::TooManyHeaders => Reason::HeaderTooLarge,
        httparse::Error::Version => Reason::VersionNotSupported,
        httparse::Error::HeaderName
        | httparse::Error::HeaderValue
        | httparse::Error::NewLine
        | httparse::Error::Status
        | httparse::Error::Token => Reason::MalformedRequest,
    }
}

impl Known {
    /// By length and first letter no two of them can be mistaken, so that nearly every other name leaves at once.
    fn of(name: &[u8]) -> Self {
        let (known, text) = match (name.len(), name.first().map_or(0, u8::to_ascii_lowercase)) {
            (2, b't') => (Self::Hop, "te"),
            (4, b'h') => (Self::Host, "host"),
            (6, b'e') => (Self::Expect, "expect"),
            (7, b't') => (Self::Hop, "trailer"),
            (7, b'u') => (Self::Upgrade, "upgrade"),
            (10, b'c') => (Self::Connection, "connection"),
            (10, b'k') => (Self::Hop, "keep-alive"),
            (12, b'c') => (Self::ContentType, "content-type"),
            (14, b'c') => (Self::ContentLength, "content-length"),
            (16, b'p') => (Self::Hop, "proxy-connection"),
            (17, b't') => (Self::TransferEncoding, "transfer-encoding"),
            (18, b'p') => (Self::Hop, "proxy-authenticate"),
            (19, b'p') => (Self::Hop, "proxy-authorization"),
            _ => return Self::Other,
        };
        if is_lower(name, text) {
            return known;
        }
        let folded = same_folded(name, text);
        if folded && matches!(known, Self::ContentLength | Self::TransferEncoding) {
            Self::LikeFraming
        } else if folded && known == Self::Hop {
            Self::Hop
        } else {
            Self::Other
        }
    }

    /// Whether the field ends at this hop: it speaks of one hop only (RFC 9110 section 7.6.1), or is written anew.
    fn ends_here(self) -> bool {
        !matches!(self, Self::Other | Self::Host | Self::ContentType)
    }
}

/// Whether a token of the same length is `text` in some case. `text` has small letters and hyphens alone, which no two
/// token bytes become by the bit that tells cases apart; without an early exit the compiler compares many at once.
fn is_lower(name: &[u8], text: &str) -> bool {
    name.iter().zip(text.bytes()).fold(0, |unlike, (byte, wanted)| unlike | ((byte | 0x20) ^ wanted)) == 0
}

/// Whether two field names are the same to a server that folds case and reads `_` as `-`, as CGI-like ones do.
#[must_use]
pub fn same_folded(name: &[u8], known: &str) -> bool {
    name.len() == known.len()
        && name.iter().zip(known.bytes()).all(|(&byte, wanted)| {
            let byte = if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
            byte == wanted
        })
}

fn tag(name: &[u8]) -> u16 {
    let first = name.first().map_or(0, u8::to_ascii_lowercase);
    // Longer names than that share a tag with others; they are told apart by their bytes.
    let len = u8::try_from(name.len()).unwrap_or(u8::MAX);
    u16::from_be_bytes([len, first])
}

/// How many bytes are control characters other than tabs. In blocks of a fixed size, which the compiler makes vector
/// instructions of, with a counter that none of them can make overflow.
fn controls(bytes: &[u8]) -> usize {
    const BLOCK: usize = 128;
    let is_control = |byte: u8| u8::from((byte < b' ' && byte != b'\t') || byte == 0x7f);
    let count = |block: &[u8]| block.iter().fold(0_u8, |sum, &byte| sum.wrapping_add(is_control(byte)));
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    blocks.iter().map(|block| usize::from(count(block))).sum::<usize>() + usize::from(count(rest))
}

/// `tchar` of RFC 9110 section 5.6.2.
pub(super) fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

const TOKEN: [bool; 256] = alphanumeric_or(b"!#$%&'*+-.^_`|~");

/// A table of ASCII letters, digits and the `others`.
pub(super) const fn alphanumeric_or(others: &[u8]) -> [bool; 256] {
    let (mut table, mut byte, mut at) = ([false; 256], 0_u8, 0);
    while byte < 0x80 {
        table[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests;
