//! A receiver's reading of HTTP: strict, but for the one fault that it is given.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hookwarden::clock::Now;

use crate::harness::uninterrupted;
use crate::receiver::Fault;

/// How long a strict receiver waits for the rest of a request, from its first byte on. What has come is read, however late:
/// it is not to blame for a machine that stands still.
const WHOLE: Duration = Duration::from_secs(2);

/// How long it waits for a first byte: as long as a sender may need that has just connected.
const IDLE: Duration = Duration::from_secs(180);

/// How long it looks for what has come already, once its patience is over.
const LOOK: Duration = Duration::from_millis(10);

/// The largest body and head of a strict receiver.
const MAX_BODY: usize = 1 << 20;
const MAX_HEAD: usize = 16 << 10;

/// One request as it was read.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
}

/// Why there is none: with what it is answered, if at all.
pub(crate) type Refusal = Option<u16>;

impl Request {
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| &**value).collect()
    }

    pub(crate) fn value(&self, name: &str) -> &str {
        self.values(name).first().copied().unwrap_or_default()
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// A parameter of the query, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let query = self.target.split_once('?')?.1;
        let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
        Some(decoded(value))
    }

    pub(crate) fn closes(&self) -> bool {
        self.values("connection").iter().any(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// `%41` as `A`.
pub(crate) fn decoded(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let escape =
            text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(escape.unwrap_or(bytes[at]));
        at += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A connection and what was read ahead.
pub(crate) struct Reader<'s> {
    stream: &'s TcpStream,
    ahead: Vec<u8>,
    fault: Fault,
    begun: bool,
    until: Option<Now>,
}

impl<'s> Reader<'s> {
    pub(crate) fn new(stream: &'s TcpStream, fault: Fault) -> Self {
        Self { stream, ahead: Vec::new(), fault, begun: false, until: None }
    }

    /// The next request; `Err(None)` at the connection's end.
    pub(crate) fn request(&mut self) -> Result<Request, Refusal> {
        self.begun = !self.ahead.is_empty();
        self.has_time(if self.begun { WHOLE } else { IDLE });
        let end = loop {
            if let Some(at) = find(&self.ahead, b"\r\n\r\n") {
                break at + 4;
            }
            if self.ahead.len() > MAX_HEAD && self.fault != Fault::NoLimit {
                return Err(Some(431));
            }
            self.more(None)?;
        };
        if end > MAX_HEAD && self.fault != Fault::NoLimit {
            return Err(Some(431));
        }
        let head: Vec<u8> = self.ahead.drain(..end).collect();
        let text = String::from_utf8_lossy(&head).into_owned();
        let mut request = self.head(&text)?;
        request.bytes = head;
        request.body = self.body(&mut request)?;
        Ok(request)
    }

    fn head(&self, text: &str) -> Result<Request, Refusal> {
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if words.next() != Some("HTTP/1.1") && self.fault != Fault::AnyVersion {
            return Err(Some(505));
        }
        let mut fields = Vec::new();
        for line in lines {
            if line.contains(['\r', '\n']) && self.fault != Fault::BareLineEnds {
                return Err(Some(400));
            }
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
            if !name.chars().all(plain) && !matches!(self.fault, Fault::LaxCoding | Fault::LaxLength) {
                return Err(Some(400));
            }
            fields.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        let count = |wanted: &str| fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).count();
        if count("host") != 1 && self.fault != Fault::AnyHost {
            return Err(Some(400));
        }
        let (method, target) = (method.to_owned(), target.to_owned());
        Ok(Request { method, target, fields, body: Vec::new(), bytes: Vec::new() })
    }

    fn body(&mut self, request: &mut Request) -> Result<Vec<u8>, Refusal> {
        let coding = request.values("transfer-encoding").join(",");
        let lengths: Vec<String> = request.values("content-length").iter().map(ToString::to_string).collect();
        let has_both = !coding.is_empty() && !lengths.is_empty();
        let chunked = match self.fault {
            Fault::LengthOverChunks | Fault::LaxCoding if has_both => false,
            Fault::ChunksOverLength if has_both => true,
            _ if has_both => return Err(Some(400)),
            _ if coding.is_empty() => false,
            _ if coding == "chunked" => true,
            _ => return Err(Some(501)),
        };
        if chunked {
            return self.chunks(request);
        }
        let length = match lengths.as_slice() {
            [] => return Ok(Vec::new()),
            [one] => one,
            [first, ..] if self.fault == Fault::FirstLength => first,
            [.., last] if self.fault == Fault::LastLength => last,
            _ => return Err(Some(400)),
        };
        let length = self.number(length).ok_or(Some(400))?;
        self.exactly(length)
    }

    /// A length; a lax one takes what the standard library takes: a sign, for one.
    fn number(&self, text: &str) -> Option<usize> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if digits || self.fault == Fault::LaxLength { text.parse().ok() } else { None }
    }

    fn exactly(&mut self, length: usize) -> Result<Vec<u8>, Refusal> {
        if length > MAX_BODY && self.fault != Fault::NoLimit {
            return Err(Some(413));
        }
        while self.ahead.len() < length {
            match self.more(Some(400)) {
                Err(_) if self.fault == Fault::ShortBody => return Ok(std::mem::take(&mut self.ahead)),
                other => other?,
            }
        }
        Ok(self.ahead.drain(..length).collect())
    }

    fn line(&mut self) -> Result<String, Refusal> {
        let end = loop {
            if let Some(at) = find(&self.ahead, b"\r\n") {
                break at;
            }
            self.more(Some(400))?;
        };
        let line: Vec<u8> = self.ahead.drain(..end + 2).collect();
        Ok(String::from_utf8_lossy(&line[..end]).into_owned())
    }

    fn chunks(&mut self, request: &mut Request) -> Result<Vec<u8>, Refusal> {
        let mut body = Vec::new();
        loop {
            let line = match self.line() {
                Err(_) if self.fault == Fault::ShortBody => return Ok(body),
                line => line?,
            };
            let digits = !line.is_empty() && line.len() <= 15 && line.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !digits && self.fault != Fault::LaxChunks {
                return Err(Some(400));
            }
            // A sign is what the standard library takes beside digits.
            let size = usize::from_str_radix(&line, 16).map_err(|_| Some(400))?;
            if size == 0 {
                self.trailers(request)?;
                return Ok(body);
            }
            body.extend(self.exactly(size)?);
            if body.len() > MAX_BODY && self.fault != Fault::NoLimit {
                return Err(Some(413));
            }
            if !self.line()?.is_empty() {
                return Err(Some(400));
            }
        }
    }

    fn trailers(&mut self, request: &mut Request) -> Result<(), Refusal> {
        loop {
            let line = self.line()?;
            match line.split_once(':') {
                Some((name, value)) if self.fault == Fault::MergesTrailers => {
                    request.fields.push((name.to_owned(), value.trim().to_owned()));
                }
                Some(_) => {}
                None => return Ok(()),
            }
        }
    }

    fn has_time(&mut self, patience: Duration) {
        self.until = (self.fault != Fault::NoTimeout).then(|| Now::read().plus(patience));
    }

    /// Reads on; what the connection's end is answered with.
    fn more(&mut self, at_end: Refusal) -> Result<(), Refusal> {
        let left = self.until.map(|until| until.instant.saturating_duration_since(Now::read().instant));
        self.stream.set_read_timeout(left.map(|left| left.max(LOOK))).expect("a timeout");
        let mut part = [0; 16 << 10];
        match uninterrupted(|| self.stream.read(&mut part)) {
            Ok(0) => Err(at_end),
            Ok(count) => {
                self.ahead.extend_from_slice(&part[..count]);
                if !self.begun {
                    self.begun = true;
                    self.has_time(WHOLE);
                }
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Err(Some(408)),
            Err(_) => Err(None),
        }
    }
}

/// Writes an answer; a peer that is gone does not want it.
pub(crate) fn answer(mut stream: &TcpStream, status: u16, kind: &str, body: &str, closes: bool) {
    let end = if closes { "Connection: close\r\n" } else { "" };
    let length = body.len();
    let text = format!("HTTP/1.1 {status} Said\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{end}\r\n{body}");
    let _ = stream.write_all(text.as_bytes());
}

pub(crate) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
