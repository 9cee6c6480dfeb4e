//! A client that writes raw bytes and reads answers by their framing.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use serde_json::Value;

use super::GUARD;

/// Both ends of a stream.
trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

/// One connection to the sidecar.
pub(crate) struct Client {
    stream: Box<dyn Stream>,
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects in plaintext.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let socket = connect(address);
        let stream = Box::new(socket.try_clone().expect("a second handle"));
        Self { stream, socket, buffer: Vec::new() }
    }

    /// The same, where the sidecar may be gone.
    pub(crate) fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let socket = prepared(TcpStream::connect(address)?);
        Ok(Self { stream: Box::new(socket.try_clone()?), socket, buffer: Vec::new() })
    }

    /// The same from an address of one's own.
    pub(crate) fn connect_from(source: SocketAddr, address: SocketAddr) -> Self {
        let socket = Self::socket_from(source, address);
        let stream = Box::new(socket.try_clone().expect("a second handle"));
        Self { stream, socket, buffer: Vec::new() }
    }

    /// A connection from that address.
    pub(crate) fn socket_from(source: SocketAddr, address: SocketAddr) -> TcpStream {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.bind(&source.into()).expect("an address of this machine");
        socket.connect(&address.into()).expect("a listening server");
        prepared(socket.into())
    }

    /// A client over a stream of its own (TLS, say) on that socket.
    pub(crate) fn over(socket: TcpStream, stream: impl Read + Write + Send + 'static) -> Self {
        Self { stream: Box::new(stream), socket, buffer: Vec::new() }
    }

    /// Sends bytes, in one write where the system takes it.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> &mut Self {
        self.offer(bytes).expect("the sidecar takes the bytes");
        self
    }

    /// The same, where the sidecar may have closed already.
    pub(crate) fn offer(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Sends bytes in several writes, cut at these places.
    pub(crate) fn send_cut(&mut self, bytes: &[u8], cuts: &[usize]) -> &mut Self {
        let ends = cuts.iter().copied().chain([bytes.len()]);
        let starts = [0].into_iter().chain(cuts.iter().copied());
        for (start, end) in starts.zip(ends) {
            self.send(&bytes[start..end]);
        }
        self
    }

    /// Says that nothing more will be sent.
    pub(crate) fn half_close(&mut self) -> &mut Self {
        self.socket.shutdown(Shutdown::Write).expect("an open socket");
        self
    }

    /// Vanishes with a reset.
    pub(crate) fn reset(self) {
        let socket = socket2::SockRef::from(&self.socket);
        socket.set_linger(Some(std::time::Duration::ZERO)).expect("a socket that lingers");
    }

    /// Reads one response, interim ones included.
    pub(crate) fn read(&mut self) -> Response {
        self.read_answer_to("POST")
    }

    /// Reads the response to a request of that method: the answer to a HEAD has no body.
    pub(crate) fn read_answer_to(&mut self, method: &str) -> Response {
        let head = self.take_through(b"\r\n\r\n").expect("a whole response head");
        let mut response = Response::parse(&head);
        response.body = self.read_body(&response, method).expect("a whole response body");
        response
    }

    /// Reads the head of a response alone.
    pub(crate) fn read_head(&mut self) -> Response {
        Response::parse(&self.take_through(b"\r\n\r\n").expect("a whole response head"))
    }

    /// Reads a response that is broken off: its head, and what there is of its body.
    pub(crate) fn read_cut(&mut self) -> Response {
        let head = self.read_head();
        self.read_cut_body(head)
    }

    /// The same, once the head has been read.
    pub(crate) fn read_cut_body(&mut self, mut response: Response) -> Response {
        assert!(self.read_body(&response, "POST").is_err(), "the body is whole: {response:?}");
        response.body = std::mem::take(&mut self.buffer);
        response
    }

    /// Reads one response; `None` where the connection ends, in whatever way, before its first byte.
    pub(crate) fn read_if_any(&mut self) -> Option<Response> {
        let more = if self.buffer.is_empty() { self.fill() } else { Ok(1) };
        match more {
            Ok(0) => None,
            Ok(_) => Some(self.read()),
            Err(error) => {
                assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "neither an answer nor an end");
                None
            }
        }
    }

    /// Asserts that the sidecar closes the connection in an orderly way, without another byte.
    pub(crate) fn expect_closed(&mut self) {
        let more = self.fill().expect("an orderly end");
        assert!(more == 0 && self.buffer.is_empty(), "more came: {:?}", String::from_utf8_lossy(&self.buffer));
    }

    /// Everything up to the end, however it comes.
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        while matches!(self.fill(), Ok(1..)) {}
        std::mem::take(&mut self.buffer)
    }

    fn read_body(&mut self, response: &Response, method: &str) -> io::Result<Vec<u8>> {
        if method == "HEAD" || response.status < 200 || matches!(response.status, 204 | 304) {
            return Ok(Vec::new());
        }
        let lengths = response.values("content-length");
        match (response.values("transfer-encoding").as_slice(), lengths.as_slice()) {
            (["chunked"], []) => self.read_chunks(),
            ([], [length]) => self.take(length.parse().expect("a number")),
            ([], []) => Ok(self.read_to_end()),
            (codings, lengths) => panic!("an ambiguous response: {codings:?}, {lengths:?}"),
        }
    }

    fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.take_through(b"\r\n")?;
            let size = std::str::from_utf8(&line[..line.len() - 2]).expect("ASCII");
            let size = usize::from_str_radix(size, 16).expect("a chunk size alone");
            body.extend(self.take(size)?);
            assert_eq!(self.take(2)?, b"\r\n", "a chunk's end");
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < count {
            self.fill_or_end()?;
        }
        Ok(self.buffer.drain(..count).collect())
    }

    fn take_through(&mut self, mark: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(mark.len()).position(|window| window == mark) {
                return Ok(self.buffer.drain(..at + mark.len()).collect());
            }
            self.fill_or_end()?;
        }
    }

    fn fill_or_end(&mut self) -> io::Result<()> {
        if self.fill()? == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut part = [0; 16 * 1024];
        let count = uninterrupted(|| self.stream.read(&mut part))?;
        self.buffer.extend_from_slice(&part[..count]);
        Ok(count)
    }
}

/// Does it again where a signal has interrupted it: a process that was stopped for a while, by a debugger, say, finds its
/// reads ended, since they have a time-out.
pub(crate) fn uninterrupted<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// A socket whose reads and writes end by themselves if a test is broken.
pub(super) fn connect(address: SocketAddr) -> TcpStream {
    prepared(TcpStream::connect(address).expect("a listening sidecar"))
}

fn prepared(socket: TcpStream) -> TcpStream {
    socket.set_read_timeout(Some(GUARD)).expect("a timeout");
    socket.set_write_timeout(Some(GUARD)).expect("a timeout");
    socket.set_nodelay(true).expect("a TCP socket");
    socket
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    fn parse(head: &[u8]) -> Self {
        let head = std::str::from_utf8(head).expect("an ASCII head");
        let mut lines = head.trim_end_matches("\r\n").split("\r\n");
        let line = lines.next().unwrap_or_default();
        let code = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let status = code.and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("the status line {line:?}"));
        let field = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("the field line {line:?}"));
            (name.to_owned(), value.to_owned())
        };
        Self { status, fields: lines.map(field).collect(), body: Vec::new() }
    }

    /// The values of every field of that name.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// Whether it says that the connection closes.
    pub(crate) fn closes(&self) -> bool {
        self.values("connection").contains(&"close")
    }

    /// The problem document of a denial.
    pub(crate) fn problem(&self) -> Value {
        assert_eq!(self.values("content-type"), ["application/problem+json"], "{self:?}");
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in the body of {self:?}"))
    }
}
