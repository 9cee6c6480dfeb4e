//! Honest senders, attackers beside them, and what is asked of the sidecar afterwards.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hookwarden::clock::Now;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::harness::{GUARD, Sidecar, Signer, uninterrupted};

/// Honest requests over one connection, before the sender opens another.
pub(crate) const PER_CONNECTION: usize = 10;

/// Honest requests while an attack lasts. Of so few none may fail, of 1,000 one may: 99.9 %.
pub(crate) const HONEST: usize = 300;

/// A connection of an attacker's or a sender's.
pub(crate) trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

/// How a sender connects.
pub(crate) type Connect<'c> = dyn Fn() -> io::Result<Box<dyn Stream>> + Sync + 'c;

/// What the honest senders saw.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) failed: Vec<String>,
    times: Vec<Duration>,
}

impl Report {
    /// Prints how long requests took, and asserts that they were answered.
    pub(crate) fn check(mut self, attack: &str) {
        let sent = self.times.len() + self.failed.len();
        self.times.sort_unstable();
        let at = |share: usize| self.times.get(self.times.len() * share / 100).copied().unwrap_or_default();
        let (failed, p50, p99) = (self.failed.len(), at(50), at(99));
        note(&format!("{attack}: {sent} honest, {failed} failed, p50 {p50:?}, p99 {p99:?}"));
        assert!(self.failed.len() * 1000 <= sent, "{attack}: of {sent} honest requests failed {:?}", self.failed);
    }
}

/// One attack at a time: each takes the machine for itself, and its figures are its own.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends the requests one after the other, a few over each connection.
pub(crate) fn send_honestly(requests: &[Vec<u8>], connect: &Connect<'_>) -> Report {
    let mut report = Report::default();
    for part in requests.chunks(PER_CONNECTION) {
        let mut stream = None;
        for request in part {
            let before = Now::read();
            match send_once(&mut stream, request, connect) {
                Ok(answer) if answer.starts_with(b"HTTP/1.1 200 ") => {
                    report.times.push(Now::read().instant - before.instant);
                }
                Ok(answer) => {
                    stream = None;
                    report.failed.push(String::from_utf8_lossy(&answer).into_owned());
                }
                Err(error) => report.failed.push(error.to_string()),
            }
        }
    }
    report
}

/// Sends a request over the connection that there is, or over a new one. A sender that was not scheduled between its
/// connection and its request had time for hundreds of attackers to come, and looked like one of them: it has to try again.
fn send_once(place: &mut Option<Box<dyn Stream>>, request: &[u8], connect: &Connect<'_>) -> io::Result<Vec<u8>> {
    let mut tries = 0;
    loop {
        let (before, is_new) = (Now::read().instant, place.is_none());
        let mut stream = place.take().map_or_else(connect, Ok)?;
        let sent = stream.write_all(request).and_then(|()| stream.flush());
        let was_held_up = is_new && before.elapsed() > HELD_UP;
        match sent.and_then(|()| read_answer(&mut *stream)) {
            Err(error) if was_held_up && tries < 3 => {
                note(&format!("an honest sender was held up, and tries again: {error}"));
                tries += 1;
            }
            Err(error) => return Err(error),
            Ok(answer) => {
                *place = Some(stream);
                return Ok(answer);
            }
        }
    }
}

/// Longer than a sender takes that is not held up, and far shorter than attackers take to push it out.
const HELD_UP: Duration = Duration::from_millis(10);

/// Sends a request, and reads one answer with its body of known length.
pub(crate) fn exchange(stream: &mut dyn Stream, request: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(request)?;
    stream.flush()?;
    read_answer(stream)
}

fn read_answer(stream: &mut dyn Stream) -> io::Result<Vec<u8>> {
    let (mut answer, mut part) = (Vec::new(), [0; 2048]);
    loop {
        match uninterrupted(|| stream.read(&mut part))? {
            0 => return Err(io::Error::other(format!("closed after {:?}", String::from_utf8_lossy(&answer)))),
            count => answer.extend_from_slice(&part[..count]),
        }
        if whole(&answer) {
            return Ok(answer);
        }
    }
}

fn whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    answer.len() >= end + 4 + length.unwrap_or_default()
}

/// Plain connections to an address, which give up in time if a test is broken.
pub(crate) fn plain(address: SocketAddr) -> impl Fn() -> io::Result<Box<dyn Stream>> + Sync {
    move || Ok(Box::new(connect(address)?))
}

/// One connection.
pub(crate) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    prepared(TcpStream::connect(address)?)
}

/// One from that address of loopback's network.
pub(crate) fn connect_from(source: [u8; 4], address: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    socket.connect(&address.into())?;
    prepared(socket.into())
}

fn prepared(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(GUARD))?;
    stream.set_write_timeout(Some(GUARD))?;
    Ok(stream)
}

/// Signed requests, no two alike.
pub(crate) fn signed(count: usize) -> Vec<Vec<u8>> {
    let signer = Signer::new("github");
    (0..count).map(|number| signer.sign(format!(r#"{{"number":{number}}}"#)).bytes()).collect()
}

/// Runs attackers for as long as the honest senders take. An attacker is told when it may stop, and says by the barrier
/// when it has begun.
pub(crate) fn under_attack(
    attackers: usize,
    attack: impl Fn(usize, &Barrier, &AtomicBool) + Sync,
    connect: &Connect<'_>,
) -> Report {
    let (begun, over) = (Barrier::new(attackers + 1), AtomicBool::new(false));
    let requests = signed(HONEST);
    std::thread::scope(|scope| {
        for number in 0..attackers {
            let (attack, begun, over) = (&attack, &begun, &over);
            scope.spawn(move || attack(number, begun, over));
        }
        begun.wait();
        let report = send_honestly(&requests, connect);
        over.store(true, Ordering::Relaxed);
        report
    })
}

/// Asserts that nothing of an attack is left, and that memory never passed the bound, in KiB.
pub(crate) fn check_recovery(proxy: &Sidecar, attack: &str, bound: u64) {
    let deadline = Now::read().plus(GUARD).instant;
    let left = || {
        let metrics = proxy.metrics();
        let held = metrics.value("hookwarden_buffered_bytes", &[]);
        metrics.value("hookwarden_connections", &[r#"state="waiting""#]) + held
    };
    while left() > 0.5 {
        assert!(Now::read().instant < deadline, "{attack}: {} connections and bytes are left", left());
    }
    let peak = proxy.status("VmHWM");
    note(&format!("{attack}: at most {peak} KiB resident, now {}, bound {bound}", proxy.status("VmRSS")));
    assert!(peak <= bound, "{attack}: {peak} KiB were resident, and {bound} are the bound");
}

/// The formula of `deploy/capacity.md`, in KiB.
pub(crate) fn bound(connections: u64, tls: bool, in_flight: u64, buffered: u64, sources: u64) -> u64 {
    let each = if tls { 176 } else { 96 };
    32 * 1024 + connections * each + in_flight * 80 + 2 * buffered + sources * 64 / 1024
}

/// Room for as many descriptors as the system permits. Gives how many connections a test may hold, at most `wanted`.
pub(crate) fn descriptors(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = setrlimit(Resource::Nofile, raised);
    let most = getrlimit(Resource::Nofile).current.map_or(wanted, |most| usize::try_from(most).unwrap_or(wanted));
    wanted.min(most.saturating_sub(200))
}

/// Prints a figure for whoever runs the test.
#[allow(clippy::print_stderr, reason = "figures are what it is run for")]
pub(crate) fn note(figure: &str) {
    eprintln!("{figure}");
}
