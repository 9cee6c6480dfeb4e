//! What strangers, slow peers and too many of them can take up, and that it is given back.

use super::harness::{ATTEMPTS, Client, OK, Outcome, Request, Sidecar, Signer, Step, Upstream};

const FORWARDED: Outcome = Outcome { decision: "forwarded", reason: "forwarded", status: 200, route: Some("github") };

fn denied(code: &str) -> Outcome {
    Outcome::of(code).on("github")
}

fn sample() -> Vec<u8> {
    Signer::new("github").sample().bytes()
}

/// Sends the head and the first part of a request that the sidecar has taken in once this returns, and gives its rest.
fn begin(client: &mut Client, request: &Request) -> Vec<u8> {
    let length = request.body.len().to_string();
    let head = request.clone().with("Expect", "100-continue").with("Content-Length", &length).head();
    assert_eq!(client.send(&head).read().status, 100);
    request.body.clone()
}

#[test]
fn a_connection_beyond_the_budget_is_told_so_and_room_is_given_back() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).set("MAX_CONNECTIONS", "2").provider("github").start();
    let (mut one, mut other) = (proxy.client(), proxy.client());
    proxy.exchange(&mut one, &sample(), &FORWARDED);
    proxy.exchange(&mut other, &sample(), &FORWARDED);
    for _ in 0..3 {
        let mut third = proxy.client();
        let response = third.read();
        assert!(response.closes() && response.values("retry-after") == ["1"], "{response:?}");
        proxy.expect_answer(&response, &Outcome::of("overloaded"));
        third.half_close();
        third.expect_closed();
    }
    // Those that are there go on, and one that leaves makes room.
    proxy.exchange(&mut one, &sample(), &FORWARDED);
    let last = Signer::new("github").sample().with("Connection", "close").bytes();
    assert!(proxy.exchange(&mut one, &last, &FORWARDED).closes());
    one.expect_closed();
    proxy.check(&sample(), &FORWARDED);
    proxy.finish();
}

#[test]
fn a_request_beyond_the_budget_in_flight_is_refused_and_may_come_again() {
    let upstream = Upstream::scripted([vec![Step::Read, Step::Wait, Step::write(OK), Step::Serve(OK.to_vec())]]);
    let proxy = Sidecar::before(&upstream).set("MAX_IN_FLIGHT", "1").provider("github").start();
    let mut busy = proxy.client();
    busy.send(&sample());
    upstream.wait_for(1);
    let second = sample();
    let response = proxy.check(&second, &denied("overloaded"));
    assert!(response.closes() && response.values("retry-after") == ["1"], "{response:?}");
    // Neither strangers nor replays are told of it: they do not come so far.
    let forged = Signer::new("github").sample().body("{}").bytes();
    proxy.check(&forged, &denied("credential_invalid"));
    upstream.go();
    let response = busy.read();
    proxy.expect_answer(&response, &FORWARDED);
    // Over the same connection, so that the first exchange is over for certain.
    proxy.exchange(&mut busy, &second, &FORWARDED);
    proxy.finish();
}

#[test]
fn bodies_beyond_the_budget_are_refused_before_they_are_read_and_may_come_again() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream)
        .set("MAX_BUFFERED", "1000")
        .provider_as("github", "github", &[("MAX_BODY", "1000")])
        .start();
    let (large, small) = (Signer::new("github").sign(vec![b'l'; 800]), Signer::new("github").sign(vec![b's'; 300]));
    // Who has proven something before does not give way, however long it takes.
    let mut holder = proxy.client();
    proxy.exchange(&mut holder, &Signer::new("github").sign("{}").bytes(), &FORWARDED);
    let rest = begin(&mut holder, &large);
    for sent in [small.bytes(), small.chunked(100)] {
        let response = proxy.check(&sent, &denied("overloaded"));
        assert_eq!(response.values("retry-after"), ["1"]);
    }
    let response = holder.send(&rest).read();
    proxy.expect_answer(&response, &FORWARDED);
    proxy.exchange(&mut holder, &small.bytes(), &FORWARDED);
    // A client that vanishes with half a body gives its share back as well.
    let mut vanishing = proxy.client();
    let rest = begin(&mut vanishing, &Signer::new("github").sign(vec![b'v'; 900]));
    vanishing.send(&rest[..10]);
    vanishing.reset();
    proxy.expect(&denied("body_incomplete"));
    proxy.exchange(&mut holder, &Signer::new("github").sign(vec![b'w'; 900]).bytes(), &FORWARDED);
    proxy.finish();
}

#[test]
fn a_head_that_does_not_come_to_its_end_is_not_waited_for() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).set("HEADER_TIMEOUT", "300ms").provider("github").start();
    for part in
        ["P", "POST /hooks/github HTTP/1.1\r\nHost: hooks.test\r\n", "POST / HTTP/1.1\r\nHost: hooks.test\r\n\r"]
    {
        let (mut client, response) = proxy.begin(part.as_bytes());
        assert!(response.closes(), "{response:?}");
        proxy.expect_answer(&response, &Outcome::of("header_timeout"));
        client.half_close();
        client.expect_closed();
    }
    // Who says nothing at all has made no request: no answer, no record.
    proxy.client().expect_closed();
    proxy.finish();
}

#[test]
fn a_body_that_does_not_come_to_its_end_is_not_waited_for() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).set("BODY_TIMEOUT", "300ms").provider("github").start();
    let request = Signer::new("github").sample();
    for whole in [request.bytes(), request.chunked(5)] {
        let mut client = proxy.client();
        let response = client.send(&whole[..whole.len() - 2]).read();
        assert!(response.closes(), "{response:?}");
        proxy.expect_answer(&response, &denied("body_timeout"));
        client.half_close();
        client.expect_closed();
    }
    let mut client = proxy.client();
    begin(&mut client, &request);
    let response = client.read();
    proxy.expect_answer(&response, &denied("body_timeout"));
    proxy.check(&request.bytes(), &FORWARDED);
    proxy.finish();
}

#[test]
fn a_body_that_comes_too_slowly_is_not_waited_for() {
    let upstream = Upstream::start();
    let proxy =
        Sidecar::before(&upstream).set("BODY_TIMEOUT", "1h").set("BODY_MIN_RATE", "1MiB").provider("github").start();
    // Seconds pass here: the grace before the rate counts.
    let request = sample();
    let mut client = proxy.client();
    let response = client.send(&request[..request.len() - 2]).read();
    proxy.expect_answer(&response, &denied("body_timeout"));
    proxy.finish();
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).set("IDLE_TIMEOUT", "300ms").provider("github").start();
    let mut client = proxy.client();
    let response = proxy.exchange(&mut client, &sample(), &FORWARDED);
    assert!(!response.closes());
    client.expect_closed();
    proxy.finish();
}

#[test]
fn a_sender_that_does_not_read_its_answer_is_given_up() {
    let endless = || vec![Step::Read, Step::write("HTTP/1.1 200 OK\r\n\r\n"), Step::Flood(vec![b'a'; 64 * 1024])];
    let upstream = Upstream::scripted((0..ATTEMPTS).map(|_| endless()));
    let proxy = Sidecar::before(&upstream).set("UPSTREAM_TIMEOUT", "300ms").provider("github").start();
    // On a busy machine the service may be too slow by accident.
    let answered = (0..ATTEMPTS).find_map(|_| {
        let (mut client, request) = (proxy.client(), sample());
        let head = client.send(&request).read_head();
        if head.status == 200 {
            return Some((client, request, head));
        }
        proxy.expect(&denied("upstream_timeout"));
        None
    });
    let (mut client, request, head) = answered.expect("an answer in time");
    // The record comes once the sender has been given up.
    proxy.expect(&FORWARDED);
    client.read_cut_body(head);
    // The service has said 200, whatever the sender made of it.
    proxy.check(&request, &denied("replayed"));
    proxy.finish();
}

#[test]
fn a_large_body_and_answer_pass_whole_and_what_they_took_is_given_back() {
    let body = vec![b'a'; 3 << 20];
    let answer =
        [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes(), body.clone()].concat();
    let upstream = Upstream::answering(answer);
    let proxy = Sidecar::before(&upstream)
        .set("MAX_BUFFERED", "4MiB")
        .provider_as("github", "github", &[("MAX_BODY", "4MiB")])
        .start();
    let mut client = proxy.client();
    for chunked in [false, true] {
        let mut different = body.clone();
        different.push(u8::from(chunked));
        let request = Signer::new("github").sign(different);
        let sent = if chunked { request.chunked(70_000) } else { request.bytes() };
        let response = proxy.exchange(&mut client, &sent, &FORWARDED);
        assert_eq!(response.body.len(), body.len());
        assert_eq!(upstream.last().body(), request.body);
    }
    proxy.exchange(&mut client, &Request::post("/nowhere", "").bytes(), &Outcome::of("route_unknown"));
    proxy.wait_for_metric("hookwarden_buffered_bytes", &[], 0.0);
    proxy.finish();
}
