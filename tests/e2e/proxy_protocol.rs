//! The PROXY protocol: connections that begin with whom a proxy speaks for, before TLS and before anything else.

use super::harness::{Builder, Certificate, Outcome, Sidecar, Signer, Upstream};

const FORWARDED: Outcome = Outcome { decision: "forwarded", reason: "forwarded", status: 200, route: Some("github") };
const V1: &[u8] = b"PROXY TCP4 192.0.2.9 127.0.0.1 56324 443\r\n";

fn sample() -> Vec<u8> {
    Signer::new("github").sample().bytes()
}

fn behind(upstream: &Upstream, version: &str) -> Builder {
    let builder = Sidecar::before(upstream).provider("github").set("TRUSTED_PROXIES", "127.0.0.0/8");
    builder.set("PROXY_PROTOCOL", version).set("ROUTE_GITHUB_SOURCES", "192.0.2.0/24")
}

/// A header of version 2 for 192.0.2.9, with records behind the addresses.
fn v2(command: u8, records: &[u8]) -> Vec<u8> {
    let rest = [&[192, 0, 2, 9, 127, 0, 0, 1, 0xdc, 4, 1, 0xbb][..], records].concat();
    let length = u16::try_from(rest.len()).expect("a short one").to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, 0x11][..], &length, &rest].concat()
}

#[track_caller]
fn headers(proxy: &Sidecar, expected: [u8; 3]) {
    let metrics = proxy.metrics();
    let count = |result: &str| metrics.value("hookwarden_proxy_headers_total", &[&format!("result=\"{result}\"")]);
    let found = ["success", "failure", "untrusted"].map(count);
    assert!(found.iter().zip(expected).all(|(found, expected)| (found - f64::from(expected)).abs() < 0.5), "{found:?}");
}

#[test]
fn the_sender_is_whom_the_header_names() {
    for (version, header) in [("v1", V1.to_vec()), ("v2", v2(0x21, &[4, 0, 2, 0, 0]))] {
        let upstream = Upstream::start();
        let proxy = behind(&upstream, version).start();
        for cuts in [vec![], (1..header.len()).collect()] {
            let mut client = proxy.client();
            client.send_cut(&header, &cuts);
            // The next request on the connection needs no header; and what a client says behind a proxy that passes on
            // bytes is its own word.
            for forged in [None, Some("192.0.2.8")] {
                let signed = Signer::new("github").sample();
                let signed = forged.into_iter().fold(signed, |signed, forged| signed.with("X-Forwarded-For", forged));
                let response = client.send(&signed.bytes()).read();
                assert_eq!(proxy.expect_answer(&response, &FORWARDED).text("source"), "192.0.2.9");
            }
        }
        headers(&proxy, [2, 0, 0]);
        proxy.finish();
    }
}

#[test]
fn a_proxy_that_speaks_for_itself_is_itself() {
    let refused = Outcome::of("source_not_allowed").on("github");
    for (version, header) in [("v1", b"PROXY UNKNOWN\r\n".to_vec()), ("v2", v2(0x20, &[]))] {
        let upstream = Upstream::start();
        let proxy = behind(&upstream, version).start();
        let mut client = proxy.client();
        let response = client.send(&header).send(&sample()).read();
        assert_eq!(proxy.expect_answer(&response, &refused).text("source"), "127.0.0.1");
        proxy.finish();
    }
}

#[test]
fn who_is_no_trusted_proxy_or_says_nothing_of_the_kind_is_closed() {
    let upstream = Upstream::start();
    let proxy = behind(&upstream, "v1").set("HEADER_TIMEOUT", "300ms").start();
    // What may be the beginning of a header is waited for; on a busy machine it may even be given up before it comes.
    for bytes in [&V1[..10], b"\x16\x03\x01\x02\x00\x01"] {
        let mut silent = proxy.client();
        let _ = silent.offer(bytes);
        assert!(silent.read_to_end().is_empty());
    }
    headers(&proxy, [0, 2, 0]);
    proxy.finish();

    let upstream = Upstream::start();
    let proxy = behind(&upstream, "v1").start();
    for bytes in [sample(), v2(0x21, &[]), [b"PROXY TCP4 x\r\n", &sample()[..]].concat()] {
        let mut client = proxy.client();
        let _ = client.offer(&bytes);
        assert!(client.read_to_end().is_empty());
    }
    proxy.exchange(proxy.client().send(V1), &sample(), &FORWARDED);
    headers(&proxy, [1, 3, 0]);
    proxy.finish();

    let upstream = Upstream::start();
    let proxy = behind(&upstream, "v1").set("TRUSTED_PROXIES", "10.0.0.0/8").start();
    for bytes in [sample(), [V1, &sample()].concat()] {
        let mut client = proxy.client();
        let _ = client.offer(&bytes);
        assert!(client.read_to_end().is_empty());
    }
    // Each is counted before it is closed.
    let metrics = proxy.metrics().value("hookwarden_proxy_headers_total", &["result=\"untrusted\""]);
    assert!((metrics - 2.0).abs() < 0.5, "{metrics}");
    proxy.finish();
}

#[test]
fn a_header_stands_before_tls() {
    let certificate = Certificate::new();
    for (version, header) in [("v1", V1.to_vec()), ("v2", v2(0x21, &[]))] {
        let upstream = Upstream::start();
        let proxy = certificate.on(behind(&upstream, version)).start();
        let mut client = certificate.connect_behind(&proxy, &header).expect("a handshake");
        let response = client.send(&sample()).read();
        let record = proxy.expect_answer(&response, &FORWARDED);
        assert_eq!((record.text("source"), record.text("tls")), ("192.0.2.9", "1.3"));
        proxy.finish();
    }
}

#[test]
fn tls_that_the_proxy_has_ended_is_told_by_a_record_of_version_2() {
    let upstream = Upstream::start();
    let proxy = behind(&upstream, "v2").set("TLS", "forwarded").start();
    let required = Outcome::of("https_required");
    for (records, outcome) in
        [(&[0x20, 0, 5, 1, 0, 0, 0, 0][..], &FORWARDED), (&[0x20, 0, 5, 0, 0, 0, 0, 0], &required), (&[], &required)]
    {
        let mut client = proxy.client();
        let forged = Signer::new("github").sample().with("X-Forwarded-Proto", "https").bytes();
        let response = client.send(&v2(0x21, records)).send(&forged).read();
        proxy.expect_answer(&response, outcome);
    }
    proxy.finish();
}
