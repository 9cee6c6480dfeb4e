//! Floods: wrong signatures, large bodies, and a hundred thousand addresses.

use std::fmt::Write as _;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::harness::{Builder, Request, Sidecar, Signer, Upstream, uninterrupted};
use crate::world::{Stream, alone, bound, check_recovery, connect, exchange, note, plain, under_attack};

fn builder(upstream: &Upstream) -> Builder {
    Sidecar::before(upstream).with_shipped_deadlines().set("AUDIT_LOG", "off").provider("github")
}

/// Sends one request again and again, over a connection for as long as it lasts.
fn flood<'a>(
    address: SocketAddr,
    request: &'a [u8],
    sent: &'a AtomicUsize,
) -> impl Fn(usize, &Barrier, &AtomicBool) + Sync + 'a {
    move |_, begun, over| {
        begun.wait();
        while !over.load(Ordering::Relaxed) {
            let Ok(mut stream) = connect(address) else { continue };
            while !over.load(Ordering::Relaxed) && exchange(&mut stream, request).is_ok() {
                sent.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

#[test]
fn wrong_signatures_at_several_times_the_honest_load() {
    let _alone = alone();
    let upstream = Upstream::start();
    let proxy = builder(&upstream).start();
    let (forged, sent) = (Signer::new("github").sample().body(r#"{"forged":true}"#).bytes(), AtomicUsize::new(0));
    let attack = flood(proxy.address(), &forged, &sent);
    under_attack(6, attack, &plain(proxy.address())).check("wrong signatures");
    note(&format!("wrong signatures: {} forged requests meanwhile", sent.load(Ordering::Relaxed)));
    assert_eq!(upstream.received().len(), crate::world::HONEST, "nothing forged reached the service");
    check_recovery(&proxy, "wrong signatures", bound(100, false, 100, 64 * 1024, 0));
    proxy.end();
}

#[test]
fn a_megabyte_from_each_stranger() {
    let _alone = alone();
    let upstream = Upstream::start();
    let proxy = builder(&upstream).set("MAX_BUFFERED", "8MiB").start();
    let (forged, sent) = (Signer::new("github").sample().body(vec![b'x'; 1 << 20]).bytes(), AtomicUsize::new(0));
    let attack = flood(proxy.address(), &forged, &sent);
    under_attack(12, attack, &plain(proxy.address())).check("large bodies");
    note(&format!("large bodies: {} MiB meanwhile", sent.load(Ordering::Relaxed)));
    check_recovery(&proxy, "large bodies", bound(100, false, 100, 8 * 1024, 0));
    proxy.end();
}

#[test]
fn a_hundred_thousand_addresses_through_a_trusted_proxy() {
    const ADDRESSES: usize = 100_000;
    const AT_ONCE: usize = 100;
    let _alone = alone();
    let upstream = Upstream::start();
    let proxy = builder(&upstream)
        .set("TRUSTED_PROXIES", "127.0.0.1")
        .set("RATE_PER_SOURCE", "1/h burst 5")
        .set("LOCKOUT", "1/1h for 1h")
        .set("MAX_SOURCES", "4096")
        .set("MAX_REQUESTS_PER_CONNECTION", "1000000")
        .start();
    let (next, address) = (AtomicUsize::new(0), proxy.address());
    let attack = |_: usize, begun: &Barrier, over: &AtomicBool| {
        begun.wait();
        let mut stream = connect(address).expect("a trusted proxy is let in");
        loop {
            let first = next.fetch_add(AT_ONCE, Ordering::Relaxed);
            // All addresses come, and more of them for as long as the honest senders take.
            if first >= ADDRESSES && over.load(Ordering::Relaxed) {
                break;
            }
            let mut requests = String::new();
            for number in first..first + AT_ONCE {
                let [_, a, b, c] = u32::try_from(number).expect("small").to_be_bytes();
                let head = "POST /hooks/github HTTP/1.1\r\nHost: hooks.test\r\nContent-Length: 0\r\n";
                write!(requests, "{head}X-Forwarded-For: 100.{a}.{b}.{c}\r\n\r\n").expect("a string");
            }
            stream.write_all(requests.as_bytes()).expect("taken");
            read_answers(&mut stream, AT_ONCE);
        }
    };
    // The honest sender is one of those behind the proxy that is not named: it has no rate.
    under_attack(2, attack, &plain(proxy.address())).check("many addresses");
    check_recovery(&proxy, "many addresses", bound(100, false, 100, 64 * 1024, 4096));
    // Counted behind the answer: by now the one worker has served others, and so has counted the last.
    let metrics = proxy.metrics();
    let locked = metrics.value("hookwarden_locked_sources", &[]);
    assert!((1000.0..=4096.0).contains(&locked), "{locked} are remembered");
    assert!(metrics.value("hookwarden_lockouts_total", &[]) >= 100_000.0);
    assert!(metrics.value("hookwarden_rated_sources", &[]) <= 4096.0);
    let last = Request::post("/hooks/github", "{}").with("X-Forwarded-For", "100.1.134.159").bytes();
    let refused = exchange(&mut connect(proxy.address()).expect("let in"), &last).expect("an answer");
    assert!(refused.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&refused));
    proxy.end();
}

/// Reads that many answers, each of which has its status line's beginning but once.
fn read_answers(stream: &mut dyn Stream, count: usize) {
    let (mut seen, mut tail, mut part) = (0, Vec::new(), [0; 16 * 1024]);
    while seen < count {
        let read = uninterrupted(|| stream.read(&mut part)).expect("answers");
        assert!(read > 0, "closed after {seen} of {count}: {}", String::from_utf8_lossy(&tail));
        tail.extend_from_slice(&part[..read]);
        // An answer is whole at the end of its problem document, the last bytes of which hold the request's id.
        while let Some(end) = tail.windows(2).position(|end| end == b"\"}") {
            tail.drain(..end + 2);
            seen += 1;
        }
    }
}
