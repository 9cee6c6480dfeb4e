//! The load: as many connections as asked for, each of which sends its next request when the last one is answered. Of more
//! than 32, as many are busy at one time, in turn, and the others idle meanwhile, as most connections of senders do.
//!
//! Every body is unique, so that a replay check takes each as new. A body ends in a counter: the hash of what stands
//! before it is kept, and signing costs the same whatever the size. Loopback only, ends by itself.
//!
//! With `poisson:RATE` requests become due at random, that many a second on average, whatever the answers do: each goes
//! over the first connection that is free, and its latency counts from when it was due, so that one that had to wait for
//! others tells so. The due times come from a thread of their own, since the runtime's timers know milliseconds only.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::{LocalSet, spawn_local};

/// The counter's digits.
const COUNTER: usize = 20;

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    KeepAlive,
    Poisson(f64),
    NewConnections,
    Invalid,
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
    /// Microseconds from when a request was due to its answer.
    latencies: RefCell<Vec<f64>>,
}

/// When the requests are due.
type Due = Rc<Mutex<UnboundedReceiver<Instant>>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [port, secret, size, connections, seconds, mode] = &arguments[..] else {
        panic!("usage: load PORT SECRET SIZE CONNECTIONS SECONDS keep-alive|new-connections|invalid|poisson:RATE");
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().expect("a port")));
    let mode = match mode.as_str() {
        "keep-alive" => Mode::KeepAlive,
        "new-connections" => Mode::NewConnections,
        "invalid" => Mode::Invalid,
        other => match other.strip_prefix("poisson:").and_then(|rate| rate.parse().ok()) {
            Some(rate) => Mode::Poisson(rate),
            None => panic!("no such mode"),
        },
    };
    let duration = Duration::from_secs_f64(seconds.parse().expect("seconds"));
    // Runs follow one another: their counters do not meet.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let counts = Rc::new(Counts {
        turns: Semaphore::new(BUSY),
        next: Cell::new(u64::try_from(now.as_nanos()).expect("before 2554")),
        expected: Cell::default(),
        others: Cell::default(),
        latencies: RefCell::default(),
    });
    let tasks = LocalSet::new();
    let connections: usize = connections.parse().expect("a number");
    // All are open before the first request: what opening them costs is then the same for runs of any length.
    let mut open = Vec::with_capacity(connections);
    while open.len() < connections {
        open.push(connect(address).await?);
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
            .map(|stream| {
                let request = Request::new(secret.as_bytes(), size.parse().expect("a size"), mode);
                let counts = counts.clone();
                let (due, end) = (due.clone(), start + duration);
                spawn_local(async move {
                    match mode {
                        Mode::Poisson(_) => on_time(stream, request, counts, due).await,
                        _ => connection(address, stream, request, counts, end).await,
                    }
                })
            })
            .collect();
        for task in spawned {
            task.await.expect("no panic")?;
        }
        io::Result::Ok(())
    });
    running.await?;
    let (expected, others) = (counts.expected.get(), counts.others.get());
    let mut latencies = counts.latencies.take();
    latencies.sort_by(f64::total_cmp);
    let part = |part: f64| latencies.get((latencies.len() as f64 * part) as usize).copied().unwrap_or(0.0);
    println!(
        "{{\"expected\":{expected},\"others\":{others},\"seconds\":{:.3},\"p50\":{:.1},\"p99\":{:.1},\"p999\":{:.1}}}",
        start.elapsed().as_secs_f64(),
        part(0.5),
        part(0.99),
        part(0.999)
    );
    Ok(())
}

/// Tells when each request is due, until the end.
fn arrivals(rate: f64, end: Instant, sender: &UnboundedSender<Instant>) {
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

/// Sends what is due, as long as anything is.
async fn on_time(mut stream: TcpStream, mut request: Request, counts: Rc<Counts>, due: Due) -> io::Result<()> {
    let mut buffer = vec![0; 4 * 1024];
    loop {
        let Some(due) = due.lock().await.recv().await else { return Ok(()) };
        counts.next.set(counts.next.get() + 1);
        stream.write_all(request.signed(counts.next.get())).await?;
        let status = answer(&mut stream, &mut buffer).await?;
        let count = if status == request.expected() { &counts.expected } else { &counts.others };
        count.set(count.get() + 1);
        counts.latencies.borrow_mut().push(due.elapsed().as_secs_f64() * 1e6);
    }
}

async fn connection(
    address: SocketAddr,
    stream: TcpStream,
    mut request: Request,
    counts: Rc<Counts>,
    end: Instant,
) -> io::Result<()> {
    let (mut open, mut buffer) = (Some(stream), vec![0; 4 * 1024]);
    loop {
        let _turn = counts.turns.acquire().await.expect("never closed");
        if Instant::now() >= end {
            return Ok(());
        }
        let stream = match &mut open {
            Some(stream) => stream,
            none => none.insert(connect(address).await?),
        };
        counts.next.set(counts.next.get() + 1);
        stream.write_all(request.signed(counts.next.get())).await?;
        let status = answer(stream, &mut buffer).await?;
        let count = if status == request.expected() { &counts.expected } else { &counts.others };
        count.set(count.get() + 1);
        if request.mode == Mode::NewConnections {
            open = None;
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Reads a whole answer, gives its status.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<u16> {
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
