//! A service behind TLS: who it must prove to be, and that its connections are used, and used again, like any others.

use hookwarden::clock::Now;

use super::harness::{Authority, Builder, OK, Outcome, Sidecar, Signer, Step, Upstream, replace};

const FORWARDED: Outcome = Outcome { decision: "forwarded", reason: "forwarded", status: 200, route: Some("github") };

fn sample() -> Vec<u8> {
    Signer::new("github").sample().bytes()
}

/// An authority, and the file that the sidecar knows it from.
struct Trust {
    authority: Authority,
    folder: tempfile::TempDir,
}

impl Trust {
    fn new() -> Self {
        let trust = Self { authority: Authority::new("services"), folder: tempfile::tempdir().expect("a folder") };
        trust.put(&trust.authority);
        trust
    }

    fn put(&self, authority: &Authority) {
        replace(&self.folder.path().join("ca.pem"), &authority.pem());
    }

    fn service(&self, scripts: impl IntoIterator<Item = Vec<Step>>) -> Upstream {
        Upstream::over_tls(&self.authority.issue(&["localhost"]), scripts)
    }

    fn before(&self, upstream: &Upstream) -> Builder {
        Sidecar::before(upstream).provider("github").set("UPSTREAM_CA_FILE", self.folder.path().join("ca.pem"))
    }
}

#[test]
fn requests_of_all_sizes_go_over_one_connection() {
    let trust = Trust::new();
    let upstream = trust.service([]);
    let proxy = trust.before(&upstream).start();
    let (mut client, began) = (proxy.client(), Now::read().instant);
    for size in [1, 20_000, 900_000] {
        let request = Signer::new("github").sign(vec![b'x'; size]);
        proxy.exchange(&mut client, &request.bytes(), &FORWARDED);
        assert_eq!(upstream.last().body(), request.body);
    }
    // A handshake for each would cost more than the request.
    upstream.expect_one_connection(began);
    proxy.finish();
}

#[test]
fn a_service_that_cannot_prove_itself_is_told_nothing() {
    let trust = Trust::new();
    let unreachable = Outcome::of("upstream_unreachable").on("github");
    let foreign = Authority::new("services").issue(&["localhost"]);
    let other_name = trust.authority.issue(&["app.test", "127.0.0.1"]);
    for identity in [foreign, other_name] {
        let upstream = Upstream::over_tls(&identity, []);
        let proxy = trust.before(&upstream).start();
        proxy.check(&sample(), &unreachable);
        assert_eq!(upstream.received(), []);
        proxy.finish();
    }
}

#[test]
fn an_authority_that_is_taken_out_is_not_believed_by_connections_that_are_kept() {
    let trust = Trust::new();
    let upstream = trust.service([]);
    let proxy = trust.before(&upstream).start();
    let mut client = proxy.client();
    proxy.exchange(&mut client, &sample(), &FORWARDED);
    trust.put(&Authority::new("others"));
    proxy.wait_for_log("the new policy is in force");
    proxy.exchange(&mut client, &sample(), &Outcome::of("upstream_unreachable").on("github"));
    trust.put(&trust.authority);
    proxy.wait_for_log("the new policy is in force");
    proxy.exchange(&mut client, &sample(), &FORWARDED);
    proxy.finish();
}

#[test]
fn a_connection_that_the_service_has_closed_loses_nothing() {
    let trust = Trust::new();
    let upstream = trust.service([vec![Step::Read, Step::write(OK)], vec![Step::Read, Step::write(OK), Step::Cut]]);
    let proxy = trust.before(&upstream).start();
    let mut client = proxy.client();
    for expected in 1..=3 {
        proxy.exchange(&mut client, &sample(), &FORWARDED);
        assert_eq!(upstream.connections(), expected);
        if expected < 3 {
            upstream.wait_idle();
        }
    }
    proxy.finish();
}

#[test]
fn what_comes_behind_an_answer_is_no_answer_to_the_next_request() {
    let trust = Trust::new();
    let poisoned = [OK, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"].concat();
    let upstream = trust.service([vec![Step::Read, Step::write(poisoned), Step::Read]]);
    let proxy = trust.before(&upstream).start();
    let mut client = proxy.client();
    for _ in 0..2 {
        let response = proxy.exchange(&mut client, &sample(), &FORWARDED);
        assert_eq!(response.body, b"ok");
    }
    assert_eq!(upstream.connections(), 2);
    proxy.finish();
}

#[test]
fn a_body_that_ends_with_the_connection_is_whole_only_if_the_service_says_so() {
    let trust = Trust::new();
    let answer = || Step::write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf");
    let upstream = trust.service([vec![Step::Read, answer(), Step::Cut], vec![Step::Read, answer()]]);
    let proxy = trust.before(&upstream).start();
    let mut client = proxy.client();
    let response = client.send(&sample()).read_cut();
    proxy.expect_answer(&response, &FORWARDED);
    let response = proxy.check(&sample(), &FORWARDED);
    assert_eq!(response.body, b"half");
    proxy.finish();
}

#[test]
fn a_service_that_answers_before_it_has_read_everything_is_heard() {
    let trust = Trust::new();
    let answer = Step::write("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy");
    let upstream = trust.service([vec![Step::ReadHead, answer, Step::Wait]]);
    let proxy = trust.before(&upstream).start();
    let request = Signer::new("github").sign(vec![b'x'; 900_000]);
    let response = proxy.check(&request.bytes(), &FORWARDED.status(503));
    assert_eq!(response.body, b"busy");
    upstream.go();
    upstream.wait_idle();
    proxy.finish();
}

#[test]
fn authorities_that_nobody_is_believed_by_are_a_mistake() {
    let (trust, upstream) = (Trust::new(), Upstream::start());
    let output = trust.before(&upstream).refuse();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("HOOKWARDEN_UPSTREAM_CA_FILE: is set, but no UPSTREAM begins with https://"), "{said}");
    assert_eq!(output.status.code(), Some(78));
}
