//! The service's response head, checked as strictly as a request's: an ambiguous response could be used to poison the
//! next one on the connection.

use std::mem::MaybeUninit;

use bytes::BytesMut;

use crate::deny::Reason;

use super::buffer::Span;
use super::fields::{Fields, Known};
use super::framing::digits;
use super::head::{MAX_FIELDS, list};

/// How the end of a response's body is known (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEnd {
    /// No body, whatever the fields say.
    None,
    /// This many bytes.
    Length(u64),
    /// Chunked.
    Chunked,
    /// The end of the connection.
    Close,
}

/// A checked response head. Offsets count from its first byte.
#[derive(Debug, Clone)]
pub struct ResponseHead {
    /// The status code, 100 to 599.
    pub status: u16,
    /// The reason phrase.
    pub phrase: Span,
    /// How the body's end is known.
    pub body: BodyEnd,
    /// Content-Length as the service stated it, which a response to HEAD or a 304 may carry without a body.
    pub length: Option<u64>,
    /// Whether the connection can serve another request.
    pub keep_alive: bool,
    /// Length of the head with its final blank line, in bytes.
    pub len: usize,
    /// Whether a Connection field names further fields that end at this hop.
    pub nominates: bool,
    fields: Fields,
}

/// The bytes were not one valid HTTP/1.x response head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid;

impl Default for ResponseHead {
    /// Room for a head: that of an empty response, which no bytes make.
    fn default() -> Self {
        Self {
            status: 0,
            phrase: Span::default(),
            body: BodyEnd::Close,
            length: None,
            keep_alive: false,
            len: 0,
            nominates: false,
            fields: Fields::default(),
        }
    }
}

impl ResponseHead {
    /// Parses `bytes`, exactly one response head with its final blank line, as the answer to `method`.
    ///
    /// # Errors
    /// [`Invalid`].
    pub fn parse(bytes: &[u8], method: &[u8]) -> Result<Self, Invalid> {
        let mut head = Self::default();
        head.read(bytes, method).map(|()| head)
    }

    /// Does the same in place: a head is over 1 KiB, and one that is used again is neither
    /// cleared nor moved.
    ///
    /// # Errors
    /// As [`Self::parse`]; what this head then says is of no response.
    pub fn read(&mut self, bytes: &[u8], method: &[u8]) -> Result<(), Invalid> {
        let mut storage = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        let parsed = config.parse_response_with_uninit_headers(&mut response, bytes, &mut storage);
        let (Some(minor), Some(status)) = (response.version, response.code) else {
            return Err(Invalid);
        };
        // 101 would turn the connection into something that nobody checks.
        if parsed != Ok(httparse::Status::Complete(bytes.len())) || !(100..600).contains(&status) || status == 101 {
            return Err(Invalid);
        }
        let mut facts = Facts::default();
        self.fields.read(bytes, response.headers, |known, value| facts.take(known, value))?;
        self.body = facts.body_end(status, minor, method)?;
        self.keep_alive = minor == 1 && !facts.close && self.body != BodyEnd::Close;
        (self.status, self.length) = (status, facts.length);
        self.phrase = Span::of(response.reason.unwrap_or_default().as_bytes(), bytes);
        (self.len, self.nominates) = (bytes.len(), facts.nominates);
        Ok(())
    }

    /// Whether this is an interim response, after which the final one follows.
    #[must_use]
    pub fn is_interim(&self) -> bool {
        self.status < 200
    }

    /// All fields, as `(name, value)` in the order of arrival.
    pub fn fields<'b>(&self, bytes: &'b [u8]) -> impl Iterator<Item = (&'b [u8], &'b [u8])> {
        self.fields.iter(bytes)
    }

    /// Appends the lines of the fields that do not end at this hop and that `passes` lets through by their names.
    pub fn copy_fields(&self, bytes: &[u8], out: &mut BytesMut, passes: impl FnMut(&[u8]) -> bool) {
        self.fields.copy(bytes, Span::default(), out, passes);
    }
}

#[derive(Default)]
struct Facts {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    nominates: bool,
}

impl Facts {
    fn take(&mut self, known: Known, value: &[u8]) -> Result<(), Reason> {
        match known {
            Known::ContentLength => {
                let length = digits(value).ok_or(INVALID)?;
                self.length.replace(length).map_or(Ok(()), |_| Err(INVALID))
            }
            Known::TransferEncoding if self.chunked || !value.eq_ignore_ascii_case(b"chunked") => Err(INVALID),
            Known::TransferEncoding => {
                self.chunked = true;
                Ok(())
            }
            Known::Connection => {
                for option in list(value) {
                    let close = option.eq_ignore_ascii_case(b"close");
                    self.close |= close;
                    self.nominates |= !close && !option.eq_ignore_ascii_case(b"keep-alive");
                }
                Ok(())
            }
            Known::Other
            | Known::Host
            | Known::Expect
            | Known::Upgrade
            | Known::LikeFraming
            | Known::ContentType
            | Known::Hop => Ok(()),
        }
    }

    fn body_end(&self, status: u16, minor: u8, method: &[u8]) -> Result<BodyEnd, Invalid> {
        if self.chunked && (self.length.is_some() || minor == 0) {
            return Err(Invalid);
        }
        Ok(match (self.length, self.chunked) {
            _ if status < 200 || status == 204 || status == 304 || method == b"HEAD" => BodyEnd::None,
            (_, true) => BodyEnd::Chunked,
            (Some(length), false) => BodyEnd::Length(length),
            (None, false) => BodyEnd::Close,
        })
    }
}

/// What the fields' reader says, which speaks of requests too; [`Invalid`] comes of it.
const INVALID: Reason = Reason::UpstreamInvalidResponse;

impl From<Reason> for Invalid {
    fn from(_: Reason) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str, expected: Result<(u16, BodyEnd, bool), Invalid>) {
        let parsed = ResponseHead::parse(head.as_bytes(), b"POST");
        assert_eq!(parsed.map(|head| (head.status, head.body, head.keep_alive)), expected, "{head:?}");
    }

    #[test]
    fn responses() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", Ok((200, BodyEnd::Length(2), true)));
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Ok((200, BodyEnd::Chunked, true)));
        check("HTTP/1.1 200\r\n\r\n", Ok((200, BodyEnd::Close, false)));
        check("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n", Ok((200, BodyEnd::Length(2), false)));
        check("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", Ok((204, BodyEnd::None, true)));
        check(
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nConnection: close\r\n\r\n",
            Ok((304, BodyEnd::None, false)),
        );
        check("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", Ok((103, BodyEnd::None, true)));
        for invalid in [
            "HTTP/1.1 101 Switching\r\n\r\n",
            "HTTP/1.1 600 X\r\n\r\n",
            "HTTP/1.1 099 X\r\n\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\nA: b\n\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
            "200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            check(invalid, Err(Invalid));
        }
    }
}
