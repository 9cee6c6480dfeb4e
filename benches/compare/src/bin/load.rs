//! The load: as many connections as asked for, each of which sends its next request when the last one is answered. Of more
//! than 32, as many are busy at one time, in turn, and the others idle meanwhile, as most connections of senders do.
//!
//! Every body is unique, so that a replay check takes each as new. A body ends in a counter: the hash of what stands
//! before it is kept, and signing costs the same whatever the size. Loopback only, ends by itself.
//!
//! With `poisson:RATE` requests become due at random, that many a second on average, whatever the answers do: each goes
//! over the first connection that is free, and its latency counts from when it was due, so that one that had to wait for
//! others tells so. The due times come from a thread of their own, since the runtime's timers know milliseconds only. The
//! kernel is asked to wake that thread on time, not up to 50 µs later.
//!
//! `idle` sends one request over each connection, says so with the line that the other modes end with, and then keeps all
//! of them open until its standard input ends.
//!
//! With a certificate all of it goes over TLS 1.3, of AES-128-GCM and X25519 alone, so that every proxy does the same work.
//! The certificate must be the proxy's own. `new-connections` shakes hands in full each time, `resumed` goes on with an
//! earlier session; one that did not go as the mode says is counted, and counts as an unexpected answer.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::{LocalSet, spawn_local};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, HandshakeKind, RootCertStore, version};

const USAGE: &str = "usage: load PORT SECRET SIZE CONNECTIONS SECONDS \
                     keep-alive|new-connections|resumed|invalid|idle|poisson:RATE [CERTIFICATE]";

/// The counter's digits.
const COUNTER: usize = 20;

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    KeepAlive,
    Poisson(f64),
    NewConnections,
    Resumed,
    Invalid,
    Idle,
}

impl Mode {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "keep-alive" => Self::KeepAlive,
            "new-connections" => Self::NewConnections,
            "resumed" => Self::Resumed,
            "invalid" => Self::Invalid,
            "idle" => Self::Idle,
            other => Self::Poisson(other.strip_prefix("poisson:")?.parse().ok()?),
        })
    }
}

/// The most connections that are busy at one time.
const BUSY: usize = 32;

/// What all connections count.
struct Counts {
    /// For those that are busy.
    turns: Semaphore,
    next: Cell<u64>,
    expected: Cell<u64>,
    others: Cell<u64>,
    full: Cell<u64>,
    resumed: Cell<u64>,
    /// Microseconds from when a request was due to its answer.
    latencies: RefCell<Vec<f64>>,
}

/// When the requests are due.
type Due = Rc<Mutex<UnboundedReceiver<Instant>>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [port, secret, size, connections, seconds, mode, certificate @ ..] = &arguments[..] else { panic!("{USAGE}") };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().expect("a port")));
    let mode = Mode::named(mode).expect(USAGE);
    let target = Target { address, tls: certificate.first().map(|path| roots(path)), resumes: mode == Mode::Resumed };
    let duration = Duration::from_secs_f64(seconds.parse().expect("seconds"));
    // Runs follow one another: their counters do not meet.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let counts = Rc::new(Counts {
        turns: Semaphore::new(BUSY),
        next: Cell::new(u64::try_from(now.as_nanos()).expect("before 2554")),
        expected: Cell::default(),
        others: Cell::default(),
        full: Cell::default(),
        resumed: Cell::default(),
        latencies: RefCell::default(),
    });
    let tasks = LocalSet::new();
    let connections: usize = connections.parse().expect("a number");
    // All are open before the first request: what opening them costs is then the same for runs of any length.
    let mut open = Vec::with_capacity(connections);
    while open.len() < connections {
        let client = target.client();
        open.push((client.connect(&counts).await?, client));
    }
    let start = Instant::now();
    let (sender, due) = unbounded_channel();
    let due = Rc::new(Mutex::new(due));
    if let Mode::Poisson(rate) = mode {
        std::thread::spawn(move || arrivals(rate, start + duration, &sender));
    }
    let running = tasks.run_until(async {
        let spawned: Vec<_> = open
            .into_iter()
            .map(|(stream, client)| {
                let request = Request::new(secret.as_bytes(), size.parse().expect("a size"), mode);
                let counts = counts.clone();
                let (due, end) = (due.clone(), start + duration);
                spawn_local(async move {
                    match mode {
                        Mode::Poisson(_) => on_time(stream, request, counts, due).await.map(|()| None),
                        Mode::Idle => once(stream, request, counts).await.map(Some),
                        _ => connection(client, stream, request, counts, end).await,
                    }
                })
            })
            .collect();
        let mut open = Vec::new();
        for task in spawned {
            open.extend(task.await.expect("no panic")?);
        }
        report(&counts, start.elapsed());
        if mode == Mode::Idle {
            tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await?;
        }
        io::Result::Ok(())
    });
    running.await
}

fn report(counts: &Counts, elapsed: Duration) {
    let (expected, others) = (counts.expected.get(), counts.others.get());
    let (full, resumed) = (counts.full.get(), counts.resumed.get());
    let mut latencies = counts.latencies.take();
    latencies.sort_by(f64::total_cmp);
    let part = |part: f64| latencies.get((latencies.len() as f64 * part) as usize).copied().unwrap_or(0.0);
    let seconds = elapsed.as_secs_f64();
    let (p50, p99, p999, most) = (part(0.5), part(0.99), part(0.999), latencies.last().copied().unwrap_or(0.0));
    println!(
        "{{\"expected\":{expected},\"others\":{others},\"full\":{full},\"resumed\":{resumed},\
         \"seconds\":{seconds:.3},\"p50\":{p50:.1},\"p99\":{p99:.1},\"p999\":{p999:.1},\"max\":{most:.1}}}"
    );
}

/// Tells when each request is due, until the end.
fn arrivals(rate: f64, end: Instant, sender: &UnboundedSender<Instant>) {
    let _ = wake_on_time();
    let (mut due, mut state) = (Instant::now(), 0x9e37_79b9_7f4a_7c15_u64);
    while due < end {
        // Marsaglia's xorshift (2003): random enough for gaps between requests, and the same in each run.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let uniform = ((state >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
        due += Duration::from_secs_f64(-uniform.ln() / rate);
        while let Some(early) = due.checked_duration_since(Instant::now()).filter(|early| !early.is_zero()) {
            std::thread::park_timeout(early);
        }
        if sender.send(due).is_err() {
            return;
        }
    }
}

/// Has the kernel wake this thread to the nanosecond, as far as it can.
fn wake_on_time() -> io::Result<()> {
    let thread = std::fs::read_link("/proc/thread-self")?;
    let thread = thread.file_name().ok_or(io::ErrorKind::NotFound)?;
    std::fs::write(std::path::Path::new("/proc").join(thread).join("timerslack_ns"), "1")
}

/// Sends what is due, as long as anything is.
async fn on_time(mut stream: Stream, mut request: Request, counts: Rc<Counts>, due: Due) -> io::Result<()> {
    let mut buffer = vec![0; 4 * 1024];
    loop {
        let Some(due) = due.lock().await.recv().await else { return Ok(()) };
        exchange(&mut stream, &mut request, &counts, &mut buffer).await?;
        counts.latencies.borrow_mut().push(due.elapsed().as_secs_f64() * 1e6);
    }
}

/// One request; the connection stays open.
async fn once(mut stream: Stream, mut request: Request, counts: Rc<Counts>) -> io::Result<Stream> {
    let _turn = counts.turns.acquire().await.expect("never closed");
    exchange(&mut stream, &mut request, &counts, &mut vec![0; 4 * 1024]).await?;
    Ok(stream)
}

async fn connection(
    client: Client,
    stream: Stream,
    mut request: Request,
    counts: Rc<Counts>,
    end: Instant,
) -> io::Result<Option<Stream>> {
    let (mut open, mut buffer) = (Some(stream), vec![0; 4 * 1024]);
    loop {
        let _turn = counts.turns.acquire().await.expect("never closed");
        if Instant::now() >= end {
            return Ok(None);
        }
        let stream = match &mut open {
            Some(stream) => stream,
            none => none.insert(client.connect(&counts).await?),
        };
        exchange(stream, &mut request, &counts, &mut buffer).await?;
        if matches!(request.mode, Mode::NewConnections | Mode::Resumed) {
            open = None;
        }
    }
}

async fn exchange(stream: &mut Stream, request: &mut Request, counts: &Counts, buffer: &mut [u8]) -> io::Result<()> {
    counts.next.set(counts.next.get() + 1);
    stream.write_all(request.signed(counts.next.get())).await?;
    stream.flush().await?;
    let status = answer(stream, buffer).await?;
    let count = if status == request.expected() { &counts.expected } else { &counts.others };
    count.set(count.get() + 1);
    Ok(())
}

/// Whom the load is for.
struct Target {
    address: SocketAddr,
    tls: Option<RootCertStore>,
    resumes: bool,
}

impl Target {
    /// A client of one connection at a time, with sessions of its own: rustls keeps eight for a name.
    fn client(&self) -> Client {
        let tls = self.tls.clone().map(|roots| {
            let provider = CryptoProvider {
                cipher_suites: vec![ring::cipher_suite::TLS13_AES_128_GCM_SHA256],
                kx_groups: vec![ring::kx_group::X25519],
                ..ring::default_provider()
            };
            let config = ClientConfig::builder_with_provider(Arc::new(provider));
            let config = config.with_protocol_versions(&[&version::TLS13]).expect("TLS 1.3");
            let mut config = config.with_root_certificates(roots).with_no_client_auth();
            config.resumption = if self.resumes { Resumption::in_memory_sessions(1) } else { Resumption::disabled() };
            TlsConnector::from(Arc::new(config))
        });
        Client { address: self.address, tls, resumes: self.resumes, has_session: Cell::new(false) }
    }
}

struct Client {
    address: SocketAddr,
    tls: Option<TlsConnector>,
    resumes: bool,
    /// There was a handshake, so that the next one can go on with its session.
    has_session: Cell<bool>,
}

impl Client {
    async fn connect(&self, counts: &Counts) -> io::Result<Stream> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = tls.connect(name, stream).await?;
        let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        let count = if resumed { &counts.resumed } else { &counts.full };
        count.set(count.get() + 1);
        if resumed != (self.resumes && self.has_session.replace(true)) {
            counts.others.set(counts.others.get() + 1);
        }
        Ok(Box::new(stream))
    }
}

/// A connection, with TLS or without.
type Stream = Box<dyn Io>;

trait Io: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

fn roots(path: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(path).expect("a certificate")).expect("an authority");
    roots
}

/// Reads a whole answer, gives its status.
async fn answer(stream: &mut Stream, buffer: &mut [u8]) -> io::Result<u16> {
    let mut filled = 0;
    loop {
        let count = stream.read(&mut buffer[filled..]).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += count;
        let text = &buffer[..filled];
        let Some(head) = text.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&text[..head]).unwrap_or_default();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        if filled >= head.len() + 4 + length.unwrap_or(0) {
            return Ok(head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0));
        }
    }
}

/// A request whose signature and counter are written anew each time.
struct Request {
    mode: Mode,
    bytes: Vec<u8>,
    signature: usize,
    before_counter: Hmac<Sha256>,
}

impl Request {
    fn new(secret: &[u8], size: usize, mode: Mode) -> Self {
        let (start, end) = (br#"{"pad":""#, br#"","count":""#);
        let padding = size.saturating_sub(start.len() + end.len() + COUNTER + 2);
        let body = [&start[..], &vec![b'x'; padding], end].concat();
        let length = body.len() + COUNTER + 2;
        let head = format!(
            "POST / HTTP/1.1\r\nHost: hooks.example.com\r\nUser-Agent: GitHub-Hookshot/044aadd\r\nAccept: */*\r\n\
             Content-Type: application/json\r\nX-GitHub-Event: push\r\n\
             X-GitHub-Delivery: 72d3162e-cc78-11e3-81ab-4c9367dc0958\r\n\
             Content-Length: {length}\r\nX-Hub-Signature-256: sha256="
        );
        let key = Hmac::<Sha256>::new_from_slice(secret).expect("any length");
        let bytes = [head.as_bytes(), &[b'0'; 64], b"\r\n\r\n", &body, &[b'0'; COUNTER], b"\"}"].concat();
        Self { mode, signature: head.len(), before_counter: key.chain_update(&body), bytes }
    }

    fn signed(&mut self, counter: u64) -> &[u8] {
        let at = self.bytes.len() - COUNTER - 2;
        self.bytes[at..at + COUNTER].copy_from_slice(format!("{counter:020}").as_bytes());
        let tag = self.before_counter.clone().chain_update(&self.bytes[at..]).finalize().into_bytes();
        HEXLOWER.encode_mut(&tag, &mut self.bytes[self.signature..self.signature + 64]);
        if self.mode == Mode::Invalid {
            let digit = &mut self.bytes[self.signature];
            *digit = if *digit == b'0' { b'1' } else { b'0' };
        }
        &self.bytes
    }

    fn expected(&self) -> u16 {
        if self.mode == Mode::Invalid { 401 } else { 200 }
    }
}
