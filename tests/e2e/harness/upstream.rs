//! The service, by script: what it reads is kept, what it answers is chosen byte for byte.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio_rustls::rustls::{ServerConnection, StreamOwned};

use super::GUARD;
use super::pki::Identity;

/// The answer of a service that accepts.
pub(crate) const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// One step of what the service does on a connection. After the last one it closes.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Reads a whole request, and keeps it.
    Read,
    /// Reads a request's head alone, and keeps it; of its body nothing is kept.
    ReadHead,
    /// Writes these bytes.
    Write(Vec<u8>),
    /// Waits until the test says [`Upstream::go`].
    Wait,
    /// Closes with a reset.
    Reset,
    /// Over TLS: closes without saying so, as somebody between would.
    Cut,
    /// Reads on and on; writes these bytes for each request; ends when the sidecar closes.
    Serve(Vec<u8>),
    /// Writes these bytes again and again; ends when the sidecar closes.
    Flood(Vec<u8>),
}

impl Step {
    /// Writes that text.
    pub(crate) fn write(text: impl Into<Vec<u8>>) -> Self {
        Self::Write(text.into())
    }
}

/// What the service read: one request, or what was left when the connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    /// Which connection it came over, from 0.
    pub(crate) connection: usize,
    /// Its exact bytes.
    pub(crate) bytes: Vec<u8>,
}

impl Received {
    /// The head with its blank line, as text.
    pub(crate) fn head(&self) -> String {
        let end = head_end(&self.bytes).unwrap_or(self.bytes.len());
        String::from_utf8_lossy(&self.bytes[..end]).into_owned()
    }

    /// The request line.
    pub(crate) fn line(&self) -> String {
        self.head().lines().next().unwrap_or_default().to_owned()
    }

    /// The body.
    pub(crate) fn body(&self) -> &[u8] {
        &self.bytes[head_end(&self.bytes).unwrap_or(self.bytes.len())..]
    }

    /// Every field, in order.
    pub(crate) fn fields(&self) -> Vec<(String, String)> {
        let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.head().split("\r\n").skip(1).filter_map(pair).collect()
    }

    /// The values of every field of that name.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        let named = self.fields().into_iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value).collect()
    }
}

/// A service.
#[derive(Clone)]
pub(crate) struct Upstream(Arc<Shared>);

struct Shared {
    address: String,
    state: Mutex<State>,
    changed: Condvar,
    /// Held so that its port stays taken.
    _refusing: Option<socket2::Socket>,
}

#[derive(Default)]
struct State {
    received: Vec<Received>,
    connections: usize,
    open: usize,
    goes: usize,
}

impl Upstream {
    /// Answers every request with [`OK`].
    pub(crate) fn start() -> Self {
        Self::scripted([])
    }

    /// Forgets what it has received so far, so that a long test does not remember everything.
    pub(crate) fn forget(&self) {
        self.0.change(|state| state.received = Vec::new());
    }

    /// Answers every request with these bytes.
    pub(crate) fn answering(answer: impl Into<Vec<u8>>) -> Self {
        Self::listening([], answer.into())
    }

    /// Plays one script a connection, in the order of their arrival; later connections are answered with [`OK`].
    pub(crate) fn scripted(scripts: impl IntoIterator<Item = Vec<Step>>) -> Self {
        Self::listening(scripts, OK.to_vec())
    }

    /// The same on a Unix socket at that path.
    pub(crate) fn at_unix(path: &Path, scripts: impl IntoIterator<Item = Vec<Step>>) -> Self {
        let listener = UnixListener::bind(path).expect("a path that is free");
        let accept = move || listener.accept().map(|(stream, _)| Socket::Unix(stream));
        Self::run(format!("unix:{}", path.display()), accept, scripts.into_iter().collect(), OK.to_vec())
    }

    /// The same over TLS, as `localhost`.
    pub(crate) fn over_tls(identity: &Identity, scripts: impl IntoIterator<Item = Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let config = identity.server();
        let accept = move || {
            let (stream, _) = listener.accept()?;
            let session = ServerConnection::new(config.clone()).expect("a good configuration");
            Ok(Socket::Tls(Box::new(StreamOwned::new(session, stream))))
        };
        Self::run(format!("https://localhost:{port}"), accept, scripts.into_iter().collect(), OK.to_vec())
    }

    /// A port that refuses every connection, and that nobody else can take.
    pub(crate) fn refusing() -> Self {
        use socket2::{Domain, Socket, Type};
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
        let address = socket.local_addr().expect("an address").as_socket().expect("an IP address");
        Self(Arc::new(Shared::new(address.to_string(), Some(socket))))
    }

    /// Its address, as `UPSTREAM` takes it.
    pub(crate) fn address(&self) -> &str {
        &self.0.address
    }

    /// Everything that it has read so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.0.lock().received.clone()
    }

    /// Waits until it has read that many requests in all; gives them.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Received> {
        self.0.wait("requests", |state| state.received.len() >= count).received.clone()
    }

    /// The last of the requests that it has read.
    pub(crate) fn last(&self) -> Received {
        self.0.lock().received.last().expect("a request has come").clone()
    }

    /// How many connections it has accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.0.lock().connections
    }

    /// Asserts that one connection has carried everything since then. One that has been idle for a second and a half is not
    /// used again, and a machine may stand still for that long.
    #[track_caller]
    pub(crate) fn expect_one_connection(&self, since: Instant) {
        let (connections, most) = (self.connections(), 1 + since.elapsed().as_millis() / 1500);
        assert!((1..=most).contains(&(connections as u128)), "{connections} connections in {:?}", since.elapsed());
    }

    /// Waits until every connection that it has accepted is over, and the sidecar's kernel knows.
    pub(crate) fn wait_idle(&self) {
        drop(self.0.wait("an end of every connection", |state| state.open == 0));
    }

    /// Lets one [`Step::Wait`] go on, now or when it comes.
    pub(crate) fn go(&self) {
        self.0.change(|state| state.goes += 1);
    }

    /// How many requests with that id it has read.
    pub(super) fn deliveries(&self, request_id: &str) -> usize {
        let named = |received: &&Received| received.values("x-request-id") == [request_id];
        self.0.lock().received.iter().filter(named).count()
    }

    fn listening(scripts: impl IntoIterator<Item = Vec<Step>>, otherwise: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let accept = move || listener.accept().map(|(stream, _)| Socket::Tcp(stream));
        Self::run(address, accept, scripts.into_iter().collect(), otherwise)
    }

    fn run(
        address: String,
        accept: impl Fn() -> io::Result<Socket> + Send + 'static,
        scripts: Vec<Vec<Step>>,
        otherwise: Vec<u8>,
    ) -> Self {
        let shared = Arc::new(Shared::new(address, None));
        let upstream = Self(shared.clone());
        spawn("upstream", move || {
            let mut scripts = scripts.into_iter();
            while let Ok(socket) = accept() {
                let script = scripts.next().unwrap_or_else(|| vec![Step::Serve(otherwise.clone())]);
                let mut number = 0;
                shared.change(|state| {
                    (number, state.connections, state.open) =
                        (state.connections, state.connections + 1, state.open + 1);
                });
                let connection = Connection { shared: shared.clone(), number, socket, buffer: Vec::new(), owed: 0 };
                spawn("upstream-connection", move || connection.play(&script));
            }
        });
        upstream
    }
}

impl Shared {
    fn new(address: String, refusing: Option<socket2::Socket>) -> Self {
        Self { address, state: Mutex::default(), changed: Condvar::new(), _refusing: refusing }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread of the service has panicked")
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn wait(&self, what: &str, until: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let waited = self.changed.wait_timeout_while(self.lock(), GUARD, |state| !until(state));
        let (state, timeout) = waited.expect("no thread of the service has panicked");
        assert!(!timeout.timed_out(), "the service waited in vain for {what}; it has {:?}", state.received);
        state
    }
}

struct Connection {
    shared: Arc<Shared>,
    number: usize,
    socket: Socket,
    buffer: Vec<u8>,
    /// What is left of a body whose request counts as read.
    owed: usize,
}

impl Connection {
    fn play(mut self, script: &[Step]) {
        let cut = script.iter().any(|step| self.step(step).is_err() && matches!(step, Step::Cut | Step::Reset));
        if !cut {
            self.socket.say_goodbye();
        }
        // What is left was sent, and is part of no request.
        if !self.buffer.is_empty() {
            let rest = std::mem::take(&mut self.buffer);
            self.keep(rest);
        }
        let (shared, ends) = (self.shared.clone(), self.socket.ends());
        drop(self);
        if let Some((ours, theirs)) = ends {
            wait_until_told(ours, theirs);
        }
        shared.change(|state| state.open -= 1);
    }

    fn step(&mut self, step: &Step) -> io::Result<()> {
        match step {
            Step::Read => self.read(true),
            Step::ReadHead => self.read(false),
            Step::Write(bytes) => self.socket.write_all(bytes),
            Step::Wait => {
                self.shared.wait("a go", |state| state.goes > 0).goes -= 1;
                Ok(())
            }
            Step::Reset => {
                self.socket.reset();
                Err(io::ErrorKind::ConnectionReset.into())
            }
            Step::Cut => Err(io::ErrorKind::ConnectionAborted.into()),
            Step::Serve(answer) => loop {
                self.read(true)?;
                self.socket.write_all(answer)?;
            },
            Step::Flood(bytes) => loop {
                self.socket.write_all(bytes)?;
            },
        }
    }

    /// Reads one request, with its body or without.
    fn read(&mut self, whole: bool) -> io::Result<()> {
        let head = loop {
            match head_end(&self.buffer) {
                Some(end) => break end,
                None => self.fill()?,
            }
        };
        let length = body_length(&self.buffer[..head]);
        let wanted = if whole { head + length } else { head };
        while self.buffer.len() < wanted {
            self.fill()?;
        }
        let bytes = self.buffer.drain(..wanted).collect();
        self.owed = head + length - wanted;
        self.pass_over_owed();
        self.keep(bytes);
        Ok(())
    }

    fn pass_over_owed(&mut self) {
        let here = self.owed.min(self.buffer.len());
        self.buffer.drain(..here);
        self.owed -= here;
    }

    fn keep(&self, bytes: Vec<u8>) {
        let received = Received { connection: self.number, bytes };
        self.shared.change(|state| state.received.push(received));
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut part = [0; 16 * 1024];
        let count = self.socket.read(&mut part)?;
        self.buffer.extend_from_slice(&part[..count]);
        self.pass_over_owed();
        if count == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buf),
            Self::Unix(stream) => stream.read(buf),
            Self::Tls(stream) => stream.read(buf),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Unix(stream) => stream.write_all(bytes),
            Self::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    /// Ends a TLS session in an orderly way; the sidecar may be gone already.
    fn say_goodbye(&mut self) {
        if let Self::Tls(stream) = self {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    }

    /// Both addresses; a Unix socket has none, and its end is known at once.
    fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        match self {
            Self::Tcp(stream) => stream.local_addr().ok().zip(stream.peer_addr().ok()),
            Self::Tls(stream) => stream.sock.local_addr().ok().zip(stream.sock.peer_addr().ok()),
            Self::Unix(_) => None,
        }
    }

    fn reset(&self) {
        let stream = match self {
            Self::Tcp(stream) => Some(stream),
            Self::Tls(stream) => Some(&stream.sock),
            Self::Unix(_) => None,
        };
        if let Some(stream) = stream {
            let socket = socket2::SockRef::from(stream);
            socket.set_linger(Some(Duration::ZERO)).expect("a socket that lingers");
        }
    }
}

/// Waits until the sidecar's end of a connection has heard of its end: on a busy machine the kernel takes its time,
/// even on loopback.
fn wait_until_told(ours: SocketAddr, theirs: SocketAddr) {
    let written = |address: SocketAddr| format!("0100007F:{:04X}", address.port());
    // Local address, remote address, state; see proc_pid_net(5).
    let established = format!(" {} {} 01 ", written(theirs), written(ours));
    while std::fs::read_to_string("/proc/net/tcp").is_ok_and(|table| table.contains(&established)) {
        std::thread::yield_now();
    }
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// What the one Content-Length says; 0 without one. The sidecar never sends chunks.
fn body_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    head.lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |value| value.trim().parse().expect("a length"))
}

pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).expect("a thread");
}
