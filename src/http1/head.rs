//! A request's head: found, tokenised, and checked for everything that two servers could read differently.

use std::mem::MaybeUninit;

use bytes::BytesMut;

use crate::deny::Reason;

use super::buffer::Span;
pub use super::fields::same_folded;
use super::fields::{Fields, Known, is_token_byte, reason_of};
use super::framing::{Framing, Gathered};
use super::target;

/// The most bytes of a head. Twice what the largest known webhook sender needs, and what most servers take.
pub const MAX_HEAD: usize = 16 * 1024;

/// The most header fields. The chattiest senders behind two proxies stay under 50.
pub const MAX_FIELDS: usize = 64;

/// The version that a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: answered, then closed.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// A checked head. Offsets count from the first byte of the request.
#[derive(Debug, Clone)]
pub struct Head {
    /// The method.
    pub method: Span,
    /// The target as it stands in the request line's origin form.
    pub path: Span,
    /// The query without its `?`.
    pub query: Option<Span>,
    /// The value of the one Host field.
    pub host: Span,
    /// The version.
    pub version: Version,
    /// How the body's end is known.
    pub framing: Framing,
    /// Whether the client allows another request on this connection.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// Whether a Connection field names further fields that end at this hop.
    pub nominates: bool,
    /// Length of the head with its final blank line, in bytes.
    pub len: usize,
    fields: Fields,
}

/// A field that may stand only once stood there more often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated;

impl Default for Head {
    /// Room for a head: that of an empty request, which no bytes make.
    fn default() -> Self {
        Self {
            method: Span::default(),
            path: Span::default(),
            query: None,
            host: Span::default(),
            version: Version::Http11,
            framing: Framing::None,
            keep_alive: false,
            expects_continue: false,
            nominates: false,
            len: 0,
            fields: Fields::default(),
        }
    }
}

impl Head {
    /// Parses `bytes`, exactly one head with its final blank line.
    ///
    /// # Errors
    /// [`Reason::MalformedRequest`], [`Reason::HeaderTooLarge`], [`Reason::VersionNotSupported`] or
    /// [`Reason::UnsupportedTransferCoding`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Reason> {
        let mut head = Self::default();
        head.read(bytes).map(|()| head)
    }

    /// Does the same in place: a head is over 1 KiB, and one that is used again is neither
    /// cleared nor moved.
    ///
    /// # Errors
    /// As [`Self::parse`]; what this head then says is of no request.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), Reason> {
        refuse_ambiguous_line(bytes)?;
        let mut storage = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut []);
        let parsed = request.parse_with_uninit_headers(bytes, &mut storage).map_err(reason_of)?;
        let (Some(method), Some(path), Some(minor)) = (request.method, request.path, request.version) else {
            return Err(Reason::MalformedRequest);
        };
        if parsed != httparse::Status::Complete(bytes.len()) {
            return Err(Reason::MalformedRequest);
        }
        let version = if minor == 1 { Version::Http11 } else { Version::Http10 };
        let mut facts = Facts::default();
        self.fields.read(bytes, request.headers, |known, value| facts.take(known, value, version))?;
        let host = facts.host.filter(|host| target::is_valid_host(host)).ok_or(Reason::MalformedRequest)?;
        let target = target::parse(method.as_bytes(), path.as_bytes(), host, bytes).ok_or(Reason::MalformedRequest)?;
        (self.method, self.host) = (Span::of(method.as_bytes(), bytes), Span::of(host, bytes));
        (self.path, self.query) = (target.path, target.query);
        self.version = version;
        self.framing = facts.framing.finish()?;
        self.keep_alive = version == Version::Http11 && !facts.close;
        self.expects_continue = version == Version::Http11 && facts.expects_continue;
        self.nominates = facts.nominates;
        self.len = bytes.len();
        Ok(())
    }

    /// All fields, as `(name, value)` in the order of arrival.
    pub fn fields<'b>(&self, bytes: &'b [u8]) -> impl Iterator<Item = (&'b [u8], &'b [u8])> {
        self.fields.iter(bytes)
    }
}

/// One whole request: the immutable view that authentication, inspection and forwarding read.
#[derive(Debug, Clone, Copy)]
pub struct Message<'b> {
    /// The checked head.
    pub head: &'b Head,
    /// The bytes that the head's spans count in.
    pub bytes: &'b [u8],
    /// The body, decoded from chunks if it came in such; empty while it has not been read.
    pub body: &'b [u8],
}

impl<'b> Message<'b> {
    /// The method.
    #[must_use]
    pub fn method(&self) -> &'b [u8] {
        self.head.method.get(self.bytes)
    }

    /// The raw path.
    #[must_use]
    pub fn path(&self) -> &'b [u8] {
        self.head.path.get(self.bytes)
    }

    /// The raw query without its `?`; `None` where there is no `?`.
    #[must_use]
    pub fn query(&self) -> Option<&'b [u8]> {
        self.head.query.map(|query| query.get(self.bytes))
    }

    /// All fields, as `(name, value)` in the order of arrival.
    pub fn fields(&self) -> impl Iterator<Item = (&'b [u8], &'b [u8])> {
        self.head.fields(self.bytes)
    }

    /// The value of a field that may stand at most once; `name` in any case.
    ///
    /// # Errors
    /// [`Repeated`] when it stands there more often.
    pub fn field(&self, name: &str) -> Result<Option<&'b [u8]>, Repeated> {
        self.head.fields.find(name.as_bytes(), self.bytes)
    }

    /// The value of Content-Type.
    ///
    /// # Errors
    /// [`Repeated`] when it stands there more often than once.
    pub fn content_type(&self) -> Result<Option<&'b [u8]>, Repeated> {
        self.head.fields.known(Known::ContentType, self.bytes)
    }

    /// The request line with its end, where it reads just as it would be written anew: HTTP/1.1, and no authority.
    #[must_use]
    pub fn start_line(&self) -> Option<Span> {
        let head = self.head;
        let target = head.query.unwrap_or(head.path).end();
        let is_plain = head.version == Version::Http11 && head.path.start() == head.method.end() + 1;
        is_plain.then(|| Span::new(0, target + b" HTTP/1.1\r\n".len()))
    }

    /// Appends the lines of the fields that do not end at this hop and that `passes` lets through by their names, after
    /// the request line if that is given.
    pub fn copy_fields(&self, start_line: Option<Span>, out: &mut BytesMut, passes: impl FnMut(&[u8]) -> bool) {
        self.head.fields.copy(self.bytes, start_line.unwrap_or_default(), out, passes);
    }
}

/// What single fields say of the message as a whole.
#[derive(Default)]
struct Facts<'b> {
    host: Option<&'b [u8]>,
    framing: Gathered,
    close: bool,
    expects_continue: bool,
    nominates: bool,
}

impl<'b> Facts<'b> {
    fn take(&mut self, known: Known, value: &'b [u8], version: Version) -> Result<(), Reason> {
        match known {
            Known::Host => match self.host.replace(value) {
                Some(_) => Err(Reason::MalformedRequest),
                None => Ok(()),
            },
            Known::Expect => {
                self.expects_continue = value.eq_ignore_ascii_case(b"100-continue");
                if self.expects_continue { Ok(()) } else { Err(Reason::MalformedRequest) }
            }
            // An upgraded connection would pass bytes that nobody checks (h2c smuggling).
            Known::Upgrade | Known::LikeFraming => Err(Reason::MalformedRequest),
            Known::Connection => self.connection(value),
            Known::ContentLength => self.framing.content_length(value),
            Known::TransferEncoding if version == Version::Http10 => Err(Reason::MalformedRequest),
            Known::TransferEncoding => self.framing.transfer_encoding(value),
            Known::Other | Known::ContentType | Known::Hop => Ok(()),
        }
    }

    /// RFC 9110 section 7.6.1: options that name end-to-end fields must not be sent; honouring one would strip a field
    /// that the message means.
    fn connection(&mut self, value: &[u8]) -> Result<(), Reason> {
        for option in list(value) {
            let close = option.eq_ignore_ascii_case(b"close");
            self.close |= close;
            self.nominates |= !close && !option.eq_ignore_ascii_case(b"keep-alive");
            if END_TO_END.iter().any(|name| option.eq_ignore_ascii_case(name.as_bytes())) {
                return Err(Reason::MalformedRequest);
            }
        }
        Ok(())
    }
}

/// Fields that a Connection option may not strip.
const END_TO_END: [&str; 7] =
    ["host", "content-length", "content-type", "content-encoding", "transfer-encoding", "authorization", "expect"];

/// The elements of a comma-separated list, blanks trimmed, empty ones left out (RFC 9110 section 5.6.1).
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// Exactly `method SP target SP version` (RFC 9112 section 3): httparse takes more than one blank.
fn refuse_ambiguous_line(bytes: &[u8]) -> Result<(), Reason> {
    let end = memchr::memchr(b'\r', bytes).unwrap_or(bytes.len());
    match memchr::memchr_iter(b' ', &bytes[..end]).count() {
        2 => Ok(()),
        1 => Err(Reason::VersionNotSupported), // HTTP/0.9
        _ => Err(Reason::MalformedRequest),
    }
}

/// Looks for the end of a head in `bytes`, of which the first `seen` were looked at before.
///
/// Gives the head's length, or `None` when more bytes are needed.
///
/// # Errors
/// A line that does not end in CRLF, a first byte that starts no method, a head over [`MAX_HEAD`]: there is no point in
/// waiting for the rest.
pub fn find_end(bytes: &[u8], seen: usize) -> Result<Option<usize>, Reason> {
    if bytes.first().is_some_and(|&first| !is_token_byte(first)) {
        return Err(Reason::MalformedRequest);
    }
    let window = &bytes[..bytes.len().min(MAX_HEAD)];
    for at in memchr::memchr_iter(b'\n', window.get(seen..).unwrap_or_default()).map(|at| at + seen) {
        match &window[..at] {
            [.., b'\r', b'\n', b'\r'] => return Ok(Some(at + 1)),
            [.., b'\r'] => {}
            _ => return Err(Reason::MalformedRequest),
        }
    }
    if bytes.len() >= MAX_HEAD { Err(Reason::HeaderTooLarge) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str, expected: Result<Framing, Reason>) {
        assert_eq!(Head::parse(head.as_bytes()).map(|head| head.framing), expected, "{head:?}");
    }

    #[test]
    fn heads() {
        let refused = Err(Reason::MalformedRequest);
        check("POST / HTTP/1.1\r\nHost: a\r\n\r\n", Ok(Framing::None));
        check("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", Ok(Framing::Length(5)));
        check("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", Ok(Framing::Chunked));
        check("POST / HTTP/1.1\r\n\r\n", refused);
        check("POST / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", refused);
        check("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", refused);
        check("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", refused);
        check("POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\n", refused);
        check("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", refused);
        check("POST / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", refused);
        check("POST / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n", refused);
        check("POST / HTTP/1.1\r\nHost: a\r\nConnection: content-type\r\n\r\n", refused);
        check("POST  / HTTP/1.1\r\nHost: a\r\n\r\n", refused);
        check("POST /\r\n\r\n", Err(Reason::VersionNotSupported));
        check("PRI * HTTP/2.0\r\n\r\n", Err(Reason::VersionNotSupported));
        check(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            Err(Reason::UnsupportedTransferCoding),
        );
    }

    #[test]
    fn the_end_is_found_whatever_the_split() {
        let head = b"POST / HTTP/1.1\r\nHost: a\r\n\r\nbody";
        for split in 0..head.len() {
            let first = find_end(&head[..split], 0).unwrap_or(None);
            let found = first.map_or_else(|| find_end(head, split), |end| Ok(Some(end)));
            assert_eq!(found, Ok(Some(head.len() - 4)), "split at {split}");
        }
        assert_eq!(find_end(b"POST / HTTP/1.1\n", 0), Err(Reason::MalformedRequest));
        assert_eq!(find_end(b"\r\nPOST / HTTP/1.1\r\n", 0), Err(Reason::MalformedRequest));
        assert_eq!(find_end(&[b'a'; MAX_HEAD], 0), Err(Reason::HeaderTooLarge));
    }

    #[test]
    fn a_field_that_stands_twice_is_no_value() {
        let bytes = b"POST / HTTP/1.1\r\nHost: a\r\nX-Sig: 1\r\nx-sig: 2\r\n\r\n";
        let head = Head::parse(bytes).expect("a good head");
        let message = Message { head: &head, bytes, body: b"" };
        assert_eq!(message.field("X-SIG"), Err(Repeated));
        assert_eq!(message.field("host"), Ok(Some(&b"a"[..])));
        assert_eq!(message.field("none"), Ok(None));
    }
}
