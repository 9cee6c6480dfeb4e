//! The load: as many connections as asked for, each of which sends its next request when the last one is answered.
//!
//! Every body is unique, so that a replay check takes each as new. A body ends in a counter: the hash of what stands
//! before it is kept, and signing costs the same whatever the size. One thread, loopback only, ends by itself.

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{LocalSet, spawn_local};

/// The counter's digits.
const COUNTER: usize = 20;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    KeepAlive,
    NewConnections,
    Invalid,
}

/// What all connections count.
#[derive(Default)]
struct Counts {
    next: Cell<u64>,
    expected: Cell<u64>,
    others: Cell<u64>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [port, secret, size, connections, seconds, mode] = &arguments[..] else {
        panic!("usage: load PORT SECRET SIZE CONNECTIONS SECONDS keep-alive|new-connections|invalid");
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().expect("a port")));
    let mode = match mode.as_str() {
        "keep-alive" => Mode::KeepAlive,
        "new-connections" => Mode::NewConnections,
        "invalid" => Mode::Invalid,
        _ => panic!("no such mode"),
    };
    let duration = Duration::from_secs_f64(seconds.parse().expect("seconds"));
    let counts = Rc::new(Counts::default());
    // Runs follow one another: their counters do not meet.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    counts.next.set(u64::try_from(now.as_nanos()).expect("before 2554"));
    let start = Instant::now();
    let tasks = LocalSet::new();
    let connections: usize = connections.parse().expect("a number");
    let running = tasks.run_until(async {
        let spawned: Vec<_> = (0..connections)
            .map(|_| {
                let request = Request::new(secret.as_bytes(), size.parse().expect("a size"), mode);
                spawn_local(connection(address, request, counts.clone(), start + duration))
            })
            .collect();
        for task in spawned {
            task.await.expect("no panic")?;
        }
        io::Result::Ok(())
    });
    running.await?;
    let (expected, others) = (counts.expected.get(), counts.others.get());
    println!("{{\"expected\":{expected},\"others\":{others},\"seconds\":{:.3}}}", start.elapsed().as_secs_f64());
    Ok(())
}

async fn connection(address: SocketAddr, mut request: Request, counts: Rc<Counts>, end: Instant) -> io::Result<()> {
    let (mut stream, mut buffer) = (connect(address).await?, vec![0; 16 * 1024]);
    while Instant::now() < end {
        counts.next.set(counts.next.get() + 1);
        stream.write_all(request.signed(counts.next.get())).await?;
        let status = answer(&mut stream, &mut buffer).await?;
        let count = if status == request.expected() { &counts.expected } else { &counts.others };
        count.set(count.get() + 1);
        if request.mode == Mode::NewConnections {
            stream = connect(address).await?;
        }
    }
    Ok(())
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
