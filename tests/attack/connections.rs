//! Connections that hold room and say little: idle ones, slow heads, endless heads, slow bodies, handshakes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::{Builder, Certificate, Sidecar, Upstream};
use crate::world::{
    Stream, alone, bound, check_recovery, connect, connect_from, descriptors, note, plain, under_attack,
};

fn builder(upstream: &Upstream) -> Builder {
    Sidecar::before(upstream).with_shipped_deadlines().set("AUDIT_LOG", "off").provider("github")
}

/// Each attacker holds `count` connections, which it feeds in turn: `feed` hears whether it is the first time. One that
/// was closed is made anew.
fn hold(
    proxy: &Sidecar,
    count: usize,
    feed: impl Fn(&mut TcpStream, bool) -> std::io::Result<()> + Sync,
) -> impl Fn(usize, &Barrier, &AtomicBool) + Sync {
    let address = proxy.address();
    move |_, begun, over| {
        let mut held: Vec<_> = (0..count).map(|_| connect(address).ok().map(|stream| (stream, true))).collect();
        begun.wait();
        while !over.load(Ordering::Relaxed) {
            for place in &mut held {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                *place = match place.take() {
                    Some((mut stream, first)) => feed(&mut stream, first).is_ok().then_some((stream, false)),
                    None => connect(address).ok().map(|stream| (stream, true)),
                };
            }
        }
    }
}

#[test]
fn two_thousand_idle_connections() {
    let _alone = alone();
    let count = descriptors(2000);
    let upstream = Upstream::start();
    let proxy = builder(&upstream).set("MAX_CONNECTIONS", "1000").start();
    // Whoever is closed comes again: a read tells, without waiting.
    let feed = |stream: &mut TcpStream, _: bool| {
        stream.set_nonblocking(true)?;
        match stream.read(&mut [0; 512]) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(std::io::ErrorKind::UnexpectedEof.into()),
        }
    };
    let attack = hold(&proxy, count / 2, feed);
    under_attack(2, attack, &plain(proxy.address())).check("idle");
    assert!(proxy.metrics().value("hookwarden_connections_shed_total", &[]) > 100.0);
    check_recovery(&proxy, "idle", bound(1000, false, 1024, 64 * 1024, 0));
    proxy.end();
}

#[test]
fn slowloris() {
    let _alone = alone();
    let count = descriptors(600);
    let upstream = Upstream::start();
    let proxy = builder(&upstream).set("MAX_CONNECTIONS", "400").start();
    let feed = |stream: &mut TcpStream, _: bool| stream.write_all(b"X");
    let attack = hold(&proxy, count / 2, feed);
    under_attack(2, attack, &plain(proxy.address())).check("slowloris");
    check_recovery(&proxy, "slowloris", bound(400, false, 1024, 64 * 1024, 0));
    proxy.end();
}

#[test]
fn heads_that_never_end() {
    let _alone = alone();
    let upstream = Upstream::start();
    let proxy = builder(&upstream).start();
    let feed = |stream: &mut TcpStream, _: bool| {
        stream.write_all(b"POST /hooks/github HTTP/1.1\r\nHost: hooks.test\r\n")?;
        loop {
            stream.write_all(b"X-Field: it goes on and on, and so does the next one\r\n")?;
        }
    };
    let attack = hold(&proxy, 8, feed);
    under_attack(2, attack, &plain(proxy.address())).check("endless heads");
    check_recovery(&proxy, "endless heads", bound(100, false, 100, 64 * 1024, 0));
    proxy.end();
}

#[test]
fn bodies_that_trickle() {
    let _alone = alone();
    let upstream = Upstream::start();
    let proxy = builder(&upstream).set("MAX_BUFFERED", "16MiB").start();
    let head = format!(
        "POST /hooks/github HTTP/1.1\r\nHost: hooks.test\r\nContent-Type: application/json\r\nX-Hub-Signature-256: sha256={}\r\nContent-Length: 1048576\r\n\r\n",
        "0".repeat(64)
    );
    let feed = |stream: &mut TcpStream, first: bool| stream.write_all(if first { head.as_bytes() } else { b"x" });
    let attack = hold(&proxy, 100, feed);
    under_attack(2, attack, &plain(proxy.address())).check("slow bodies");
    check_recovery(&proxy, "slow bodies", bound(300, false, 300, 16 * 1024, 0));
    proxy.end();
}

#[test]
fn handshakes_without_end() {
    let _alone = alone();
    let (upstream, certificate) = (Upstream::start(), Certificate::new());
    // The attackers come from another address than the honest senders, whose proxy is trusted and has no rate.
    let proxy = certificate
        .on(builder(&upstream))
        .set("RATE_PER_SOURCE", "20/s burst 20")
        .set("TRUSTED_PROXIES", "127.0.0.1")
        .start();
    let address = proxy.address();
    let attack = |number: usize, begun: &Barrier, over: &AtomicBool| {
        begun.wait();
        while !over.load(Ordering::Relaxed) {
            let Ok(mut socket) = connect_from([127, 0, 0, 9], address) else { continue };
            if number == 0 {
                let _ = certificate.over(socket);
            } else {
                let _ = socket.write_all(&[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]).and_then(|()| socket.read(&mut [0; 64]));
            }
        }
    };
    let honest = || Ok(Box::new(certificate.over(connect(address)?)?) as Box<dyn Stream>);
    under_attack(2, attack, &honest).check("handshakes");
    let handshakes = |result: &str| proxy.metrics().value("hookwarden_tls_handshakes_total", &[result]);
    let (worked, failed) = (handshakes(r#"result="success""#), handshakes(r#"result="failure""#));
    note(&format!("handshakes: {worked} worked, {failed} failed"));
    check_recovery(&proxy, "handshakes", bound(300, true, 300, 64 * 1024, 65536));
    proxy.end();
}
