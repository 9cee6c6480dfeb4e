//! One HTTP/1.1 exchange over a plain connection, for probes and trials: `healthcheck`, `sign --send` and the demo.
//!
//! It blocks, asks for the connection to be closed, and reads one bounded response with the proxy's own strict parsers.
//! Deliberately absent: TLS, redirects, pooling.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::clock::Now;
use crate::http1::chunked::Decoder;
use crate::http1::response::{BodyEnd, ResponseHead};
use crate::http1::target::is_valid_host;

/// The largest response that is read: what a webhook's answer never comes near.
const MAX_RESPONSE: usize = 1 << 20;

/// A URL, in the parts that a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Url<'a> {
    scheme: &'a str,
    /// Host and, where it is stated, port.
    pub(super) authority: &'a str,
    /// Path and query; never empty.
    pub(super) target: &'a str,
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl<'a> Url<'a> {
    /// Takes a URL apart. What is wrong is said in words.
    pub(super) fn parse(text: &'a str) -> Result<Self, String> {
        let fault = || format!("{text:?} is not a URL such as http://127.0.0.1:8443/hooks/github");
        let (scheme, rest) = text.split_once("://").ok_or_else(fault)?;
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let target = if target.is_empty() { "/" } else { target };
        let plain = target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') && target.starts_with('/');
        let known = scheme == "http" || scheme == "https";
        let good = known && plain && is_valid_host(authority.as_bytes());
        good.then_some(Self { scheme, authority, target }).ok_or_else(fault)
    }

    /// Whether it can be sent to: `http`, and not `https`.
    pub(super) fn is_plain(&self) -> bool {
        self.scheme == "http"
    }

    /// Sends one whole request there and reads the response. `method` tells how the response ends.
    ///
    /// # Errors
    /// No connection, no answer in time, or none that is valid; an `https` URL.
    pub(super) fn exchange(&self, method: &str, request: &[u8], patience: Duration) -> io::Result<Response> {
        if !self.is_plain() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "only http:// can be asked; TLS is not spoken here",
            ));
        }
        let deadline = Deadline(Now::read().plus(patience));
        let mut stream = self.connect(&deadline)?;
        stream.set_write_timeout(Some(deadline.left()?))?;
        // A server that refuses a request early may answer before it has read all: the answer counts.
        let sent = stream.write_all(request);
        match read_response(&mut stream, method, &deadline) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(sent.err().unwrap_or(error)),
            response => response,
        }
    }

    fn connect(&self, deadline: &Deadline) -> io::Result<TcpStream> {
        let has_port = self.authority.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let place = if has_port { self.authority.to_owned() } else { format!("{}:80", self.authority) };
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in place.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, deadline.left()?) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// When patience ends.
struct Deadline(Now);

impl Deadline {
    /// What is left, which is more than nothing.
    fn left(&self) -> io::Result<Duration> {
        let left = self.0.instant.saturating_duration_since(Now::read().instant);
        if left.is_zero() { Err(late()) } else { Ok(left) }
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
}

fn read_response(stream: &mut TcpStream, method: &str, deadline: &Deadline) -> io::Result<Response> {
    let (mut bytes, mut part) = (Vec::new(), [0; 8192]);
    loop {
        stream.set_read_timeout(Some(deadline.left()?))?;
        let read = match stream.read(&mut part) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(late()),
            // The process was stopped for a while: that is no answer yet.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        bytes.extend_from_slice(&part[..read]);
        if let Some(response) = parse(&bytes, method, read == 0)? {
            return Ok(response);
        }
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed without an answer"));
        }
        if bytes.len() > MAX_RESPONSE {
            return Err(invalid());
        }
    }
}

/// The final response in `bytes`, once it is whole.
fn parse(bytes: &[u8], method: &str, ended: bool) -> io::Result<Option<Response>> {
    let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let (head_bytes, rest) = bytes.split_at(at + 4);
    let head = ResponseHead::parse(head_bytes, method.as_bytes()).map_err(|_| invalid())?;
    if head.is_interim() {
        return parse(rest, method, ended);
    }
    let body = match head.body {
        BodyEnd::None => Some(Vec::new()),
        BodyEnd::Length(length) => {
            let length = usize::try_from(length).map_err(|_| invalid())?;
            rest.get(..length).map(<[u8]>::to_vec)
        }
        BodyEnd::Chunked => dechunk(rest)?,
        BodyEnd::Close => ended.then(|| rest.to_vec()),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = || head.fields(head_bytes).map(|(name, value)| (text(name), text(value))).collect();
    Ok(body.map(|body| Response { status: head.status, headers: headers(), body }))
}

fn dechunk(raw: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut body = raw.to_vec();
    let decoded = Decoder::default().decode(&mut body).map_err(|_| invalid())?;
    body.truncate(decoded.written);
    Ok(decoded.done.then_some(body))
}

fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the answer is not one valid HTTP/1.1 response of at most 1 MiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let check = |text, expected: Option<(&str, &str)>| {
            assert_eq!(Url::parse(text).ok().map(|url| (url.authority, url.target)), expected, "{text:?}");
        };
        check("http://127.0.0.1:9464/readyz", Some(("127.0.0.1:9464", "/readyz")));
        check("https://example.com", Some(("example.com", "/")));
        check("http://[::1]:80/a?b=c", Some(("[::1]:80", "/a?b=c")));
        for bad in
            ["", "/x", "ftp://a/", "http://", "http:///x", "http://u@a/", "http://a/#f", "http://a/ b", "http://a?x"]
        {
            check(bad, None);
        }
    }

    #[test]
    fn responses_are_whole_or_awaited() {
        let body = |bytes: &str, ended| {
            parse(bytes.as_bytes(), "POST", ended).ok().map(|whole| whole.map(|response| response.body))
        };
        let whole = |text: &str| Some(Some(text.as_bytes().to_vec()));
        assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false), whole("ok"));
        assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", true), Some(None));
        assert_eq!(body("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", false), whole(""));
        assert_eq!(
            body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", false),
            whole("ok")
        );
        assert_eq!(body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok", true), Some(None));
        assert_eq!(body("HTTP/1.1 200 OK\r\n\r\nok", false), Some(None));
        assert_eq!(body("HTTP/1.1 200 OK\r\n\r\nok", true), whole("ok"));
        assert_eq!(body("SMTP\r\n\r\n", false), None);
    }
}
