//! TLS ends here: which versions, what the service and the record learn of it, and what is not spoken.

use tokio_rustls::rustls::SupportedProtocolVersion;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use super::harness::{Certificate, Client, Outcome, Request, Sidecar, Signer, Upstream};

const FORWARDED: Outcome = Outcome { decision: "forwarded", reason: "forwarded", status: 200, route: Some("github") };
const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

fn sample() -> Vec<u8> {
    Signer::new("github").sample().bytes()
}

#[track_caller]
fn handshakes(proxy: &Sidecar, successes: f64, failures: f64) {
    let metrics = proxy.metrics();
    let count = |result: &str| metrics.value("hookwarden_tls_handshakes_total", &[&format!("result=\"{result}\"")]);
    assert!((count("success") - successes).abs() < 0.5, "{} successes", count("success"));
    assert!((count("failure") - failures).abs() < 0.5, "{} failures", count("failure"));
}

#[test]
fn both_versions_are_spoken_and_told_of() {
    let (upstream, certificate) = (Upstream::start(), Certificate::new());
    let proxy = certificate.on(Sidecar::before(&upstream).provider("github")).start();
    for (version, name) in [(&TLS12, "1.2"), (&TLS13, "1.3")] {
        let mut client = certificate.connect(&proxy, &[version], &[]).expect("a handshake");
        for _ in 0..2 {
            let response = client.send(&sample()).read();
            let record = proxy.expect_answer(&response, &FORWARDED);
            assert_eq!(record.text("tls"), name);
            assert_eq!(upstream.last().values("x-forwarded-proto"), ["https"]);
        }
    }
    handshakes(&proxy, 2.0, 0.0);
    let expiry = proxy.metrics().value("hookwarden_tls_certificate_expiry_timestamp_seconds", &[]);
    assert!(expiry > 1_700_000_000.0, "{expiry}");
    proxy.finish();
}

#[test]
fn however_the_records_are_cut_the_request_is_the_same() {
    let (upstream, certificate) = (Upstream::start(), Certificate::new());
    let proxy = certificate.on(Sidecar::before(&upstream).provider("github")).start();
    let mut client = certificate.connect(&proxy, BOTH, &[]).expect("a handshake");
    let request = Signer::new("github").sample();
    let bytes = request.chunked(3);
    client.send_cut(&bytes, &(1..bytes.len()).collect::<Vec<_>>());
    let response = client.read();
    proxy.expect_answer(&response, &FORWARDED);
    assert_eq!(upstream.last().body(), request.body);

    // Larger than one record, and than the connection's first buffer.
    let large = Signer::new("github").sign(vec![b'x'; 300_000]);
    let response = client.send(&large.bytes()).read();
    proxy.expect_answer(&response, &FORWARDED);
    assert_eq!(upstream.last().body(), large.body);
    proxy.finish();
}

#[test]
fn plaintext_on_a_tls_port_is_never_looked_at() {
    let (upstream, certificate) = (Upstream::start(), Certificate::new());
    let proxy = certificate.on(Sidecar::before(&upstream).provider("github")).start();
    let request = sample();
    // What is neither TLS nor HTTP is answered by an alert, or not at all.
    let mut nonsense = proxy.client();
    let _ = nonsense.offer(b"\0\0\0\0");
    assert!(!nonsense.half_close().read_to_end().starts_with(b"HTTP/"));
    let mut plain = proxy.client();
    let _ = plain.offer(&request);
    let answer = plain.read_to_end();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("speaks HTTPS"), "{answer}");
    // There is no record, as it was no request; and the same bytes are new when they come encrypted.
    let mut client = certificate.connect(&proxy, BOTH, &[]).expect("a handshake");
    proxy.exchange(&mut client, &request, &FORWARDED);
    handshakes(&proxy, 1.0, 2.0);
    proxy.finish();
}

#[test]
fn a_version_below_the_least_is_refused() {
    let (upstream, certificate) = (Upstream::start(), Certificate::new());
    let proxy = certificate.on(Sidecar::before(&upstream).provider("github").set("TLS_MIN_VERSION", "1.3")).start();
    assert!(certificate.connect(&proxy, &[&TLS12], &[]).is_err(), "1.2 was spoken");
    let mut client = certificate.connect(&proxy, BOTH, &[]).expect("a handshake");
    let response = client.send(&sample()).read();
    assert_eq!(proxy.expect_answer(&response, &FORWARDED).text("tls"), "1.3");
    handshakes(&proxy, 1.0, 1.0);
    proxy.finish();
}

#[test]
fn a_client_of_http_2_alone_learns_in_the_handshake_that_it_is_not_spoken() {
    let (upstream, certificate) = (Upstream::start(), Certificate::new());
    let proxy = certificate.on(Sidecar::before(&upstream).provider("github")).start();
    assert!(certificate.connect(&proxy, BOTH, &["h2"]).is_err(), "h2 was agreed on");
    let mut client = certificate.connect(&proxy, BOTH, &["h2", "http/1.1"]).expect("a handshake");
    proxy.exchange(&mut client, &sample(), &FORWARDED);
    handshakes(&proxy, 1.0, 1.0);
    proxy.finish();
}

#[test]
fn a_handshake_that_does_not_come_is_not_waited_for() {
    let (upstream, certificate) = (Upstream::start(), Certificate::new());
    let proxy = certificate.on(Sidecar::before(&upstream).provider("github").set("HEADER_TIMEOUT", "300ms")).start();
    let (mut silent, mut begun) = (proxy.client(), proxy.client());
    // The beginning of a record, and no more.
    begun.send(&[22, 3, 1, 2, 0]);
    silent.read_to_end();
    begun.read_to_end();
    // A connection is counted just after it has been closed: once a third is closed, the first two have been counted.
    proxy.client().read_to_end();
    let failures = proxy.metrics().value("hookwarden_tls_handshakes_total", &["result=\"failure\""]);
    assert!(failures >= 2.0, "{failures}");
    proxy.finish();
}

#[test]
fn a_connection_that_is_cut_below_tls_leaves_a_body_incomplete() {
    let (upstream, certificate) = (Upstream::start(), Certificate::new());
    let proxy = certificate.on(Sidecar::before(&upstream).provider("github")).start();
    let request = sample();
    let mut client = certificate.connect(&proxy, BOTH, &[]).expect("a handshake");
    // No close_notify: somebody between may have cut it.
    client.send(&request[..request.len() - 2]).half_close();
    let response = client.read();
    proxy.expect_answer(&response, &Outcome::of("body_incomplete").on("github"));
    let mut again = certificate.connect(&proxy, BOTH, &[]).expect("a handshake");
    proxy.exchange(&mut again, &request, &FORWARDED);
    proxy.finish();
}

#[test]
fn after_a_refusal_the_connection_ends_with_a_close_notify() {
    let (upstream, certificate) = (Upstream::start(), Certificate::new());
    let proxy = certificate.on(Sidecar::before(&upstream).provider("github")).start();
    let mut client = certificate.connect(&proxy, BOTH, &[]).expect("a handshake");
    let smuggled = Request::post("/hooks/github", "0\r\n\r\n").with("Transfer-Encoding", "chunked");
    proxy.exchange(&mut client, &smuggled.with("Content-Length", "5").bytes(), &Outcome::of("malformed_request"));
    client.expect_closed();
    proxy.finish();
}

#[test]
fn a_changed_certificate_is_shown_and_open_connections_stay() {
    let (upstream, mut certificate) = (Upstream::start(), Certificate::new());
    let proxy = certificate.on(Sidecar::before(&upstream).provider("github")).start();
    let mut old: Client = certificate.connect(&proxy, BOTH, &[]).expect("a handshake");
    proxy.exchange(&mut old, &sample(), &FORWARDED);
    certificate.replace();
    proxy.wait_for_log("the new policy is in force");
    // The client trusts the new certificate alone.
    let mut new = certificate.connect(&proxy, BOTH, &[]).expect("a handshake");
    proxy.exchange(&mut new, &sample(), &FORWARDED);
    proxy.exchange(&mut old, &sample(), &FORWARDED);
    proxy.finish();
}
