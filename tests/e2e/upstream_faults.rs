//! What the sender is told when the service fails, and what of an unusual answer still reaches the sender.
//!
//! After each failure the same signed bytes are sent again: they must be let through, once.

use hookwarden::clock::Now;

use super::harness::{ATTEMPTS, OK, Outcome, Sidecar, Signer, Step, Upstream};

const FORWARDED: Outcome = Outcome { decision: "forwarded", reason: "forwarded", status: 200, route: Some("github") };

fn failure(code: &str) -> Outcome {
    Outcome::of(code).on("github")
}

fn start(upstream: &Upstream) -> Sidecar {
    Sidecar::before(upstream).provider("github").start()
}

/// A service that fails as the script says, and then accepts.
fn check(script: Vec<Step>, code: &str) {
    let upstream = Upstream::scripted([script]);
    let proxy = start(&upstream);
    let request = Signer::new("github").sample().bytes();
    let mut client = proxy.client();
    let response = proxy.exchange(&mut client, &request, &failure(code));
    assert!(!response.closes(), "the sender's connection is not to blame: {response:?}");
    proxy.exchange(&mut client, &request, &FORWARDED);
    assert_eq!(upstream.connections(), 2, "a connection that failed is not used again");
    proxy.finish();
}

#[test]
fn a_service_that_closes_without_an_answer_is_unreachable() {
    for script in [vec![], vec![Step::Reset], vec![Step::ReadHead], vec![Step::Read], vec![Step::Read, Step::Reset]] {
        check(script, "upstream_unreachable");
    }
}

#[test]
fn a_service_that_is_not_there_is_unreachable() {
    let upstream = Upstream::refusing();
    let directory = tempfile::tempdir().expect("a directory");
    let named = upstream.address().replace("127.0.0.1", "localhost");
    let nowhere = format!("unix:{}", directory.path().join("none.sock").display());
    let proxy = Sidecar::before(&upstream)
        .provider("github")
        .provider_as("unix", "github", &[("UPSTREAM", &nowhere)])
        .provider_as("named", "github", &[("UPSTREAM", &named)])
        .start();
    let signer = Signer::new("github");
    let mut client = proxy.client();
    for (path, route) in [("/hooks/github", "github"), ("/hooks/unix", "unix"), ("/hooks/named", "named")] {
        let outcome = Outcome::of("upstream_unreachable").on(route);
        let request = signer.clone().path(path).sample().bytes();
        for _ in 0..2 {
            let response = proxy.exchange(&mut client, &request, &outcome);
            assert_eq!(response.problem()["reason"], "upstream_unreachable");
        }
    }
    proxy.finish();
}

#[test]
fn a_service_that_is_too_slow_is_timed_out() {
    for begun in ["", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 103 Early Hints\r\n"] {
        let upstream = Upstream::scripted([vec![Step::Read, Step::write(begun), Step::Wait]]);
        let proxy = Sidecar::before(&upstream).set("UPSTREAM_TIMEOUT", "300ms").provider("github").start();
        let (request, mut client) = (Signer::new("github").sample().bytes(), proxy.client());
        proxy.exchange(&mut client, &request, &failure("upstream_timeout"));
        upstream.go();
        // The same bytes go through as soon as the service is in time, which on a busy machine it may not be at once.
        let in_time = (0..ATTEMPTS).any(|_| {
            let response = client.send(&request).read();
            let outcome = if response.status == 200 { FORWARDED } else { failure("upstream_timeout") };
            proxy.expect_answer(&response, &outcome);
            outcome == FORWARDED
        });
        assert!(in_time);
        proxy.finish();
    }
}

/// Answers that are not one valid HTTP/1.x response, though many a client would make something of them.
const INVALID: &[&str] = &[
    // Two framings, or none that is certain.
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 3\r\n\r\nok!",
    "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    // Status lines.
    "HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 600 High\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 20 Short\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 2000 Long\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 +20 Sign\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "ICY 200 OK\r\nContent-Length: 0\r\n\r\n",
    "200 OK\r\nContent-Length: 0\r\n\r\n",
    "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    " HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n",
    // A connection that nobody would check any more.
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    // Fields.
    "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nNo colon\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n: no name\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX Y: 1\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: 1\r\n folded\r\n\r\nok",
    "HTTP/1.1 200 OK\r\n Content-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: a\0b\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: a\rb\r\n\r\nok",
    "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nok",
    // No HTTP at all, or not all of it.
    "\u{16}\u{3}\u{1}\u{2}",
    "SSH-2.0-OpenSSH_9.9\r\n",
    "<html></html>",
    "HTTP/1.1 200 OK\r\nContent-Length: 2",
    "H",
];

#[test]
fn an_answer_that_is_not_one_valid_response_is_not_sent_on() {
    let fail = |answer: &str| vec![Step::Read, Step::write(answer)];
    let serve = || vec![Step::Read, Step::write(OK)];
    let too_many_fields = format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", "X: 1\r\n".repeat(64));
    let too_long = format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "a".repeat(17 * 1024));
    let endless = "a".repeat(17 * 1024);
    let answers = [too_many_fields, too_long, endless];
    let answers: Vec<_> = INVALID.iter().copied().chain(answers.iter().map(String::as_str)).collect();
    let upstream = Upstream::scripted(answers.iter().flat_map(|answer| [fail(answer), serve()]));
    let proxy = start(&upstream);
    let (signer, mut client) = (Signer::new("github"), proxy.client());
    for answer in answers {
        // A service that has closed its last connection is asked over a fresh one, and so plays the next script.
        upstream.wait_idle();
        let request = signer.sample().bytes();
        client.send(&request);
        let response = client.read();
        assert_eq!(response.status, 502, "{answer:?}");
        assert_eq!(response.problem()["reason"], "upstream_invalid_response", "{answer:?}");
        proxy.expect_answer(&response, &failure("upstream_invalid_response"));
        upstream.wait_idle();
        proxy.exchange(&mut client, &request, &FORWARDED);
    }
    proxy.finish();
}

/// What the service answers, and what of it the sender gets: status, body, and whether the connection stays.
const UNUSUAL: &[(&str, u16, &str)] = &[
    ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, ""),
    ("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 200, "ok"),
    ("HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", 200, "ok"),
    ("HTTP/1.1 201 Made it, ok?\r\nContent-Length: 2\r\n\r\nok", 201, "ok"),
    ("HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
    ("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, ""),
    ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, ""),
    ("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", 302, ""),
    ("HTTP/1.1 410 Gone\r\nContent-Length: 4\r\n\r\ngone", 410, "gone"),
    ("HTTP/1.1 500 Oh\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno", 500, "no"),
    ("HTTP/1.1 599 Odd\r\nContent-Length: 2\r\n\r\nno", 599, "no"),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\nX-Trailer: 1\r\n\r\n",
        200,
        "ok",
    ),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, ""),
    ("HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, "until the end"),
    ("HTTP/1.1 200 OK\r\n\r\n", 200, ""),
    ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"),
    ("HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, "until the end"),
    ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"),
];

#[test]
fn an_unusual_answer_reaches_the_sender_whole_and_its_connection_stays() {
    let script = |answer: &str| vec![Step::Read, Step::write(answer)];
    let upstream = Upstream::scripted(UNUSUAL.iter().map(|(answer, ..)| script(answer)));
    let proxy = start(&upstream);
    let (signer, mut client) = (Signer::new("github"), proxy.client());
    for (answer, status, body) in UNUSUAL {
        let response = client.send(&signer.sample().bytes()).read();
        assert_eq!((response.status, String::from_utf8_lossy(&response.body)), (*status, (*body).into()), "{answer:?}");
        assert!(!response.closes(), "{answer:?}: {response:?}");
        assert!(response.values("x-trailer").is_empty(), "{answer:?}: {response:?}");
        proxy.expect_answer(&response, &FORWARDED.status(*status));
        upstream.wait_idle();
    }
    proxy.finish();
}

#[test]
fn the_fields_of_an_answer_stay_but_for_those_of_its_hop() {
    let upstream = Upstream::scripted([vec![
        Step::Read,
        Step::write(concat!(
            "HTTP/1.1 202 Accepted for later\r\nServer: app\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n",
            "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\n",
            "Trailer: X-Sum\r\nUpgrade: h2c\r\nContent-Length: 0\r\nRetry-After: 7\r\nX-Latin: caf\u{e9}\r\n\r\n"
        )),
    ]]);
    let proxy = start(&upstream);
    let mut client = proxy.client();
    let request = Signer::new("github").sample().bytes();
    client.send(&request).half_close();
    let answer = String::from_utf8(client.read_to_end()).expect("text");
    assert_eq!(
        answer,
        concat!(
            "HTTP/1.1 202 Accepted for later\r\nServer: app\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n",
            "Retry-After: 7\r\nX-Latin: caf\u{e9}\r\nContent-Length: 0\r\n\r\n"
        )
    );
    proxy.expect(&FORWARDED.status(202));
    proxy.finish();
}

#[test]
fn a_client_of_http_1_0_gets_neither_chunks_nor_interim_answers() {
    for answer in [
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nok",
    ] {
        let upstream = Upstream::scripted([vec![Step::Read, Step::write(answer)]]);
        let proxy = start(&upstream);
        let request = String::from_utf8(Signer::new("github").sample().bytes()).expect("text");
        let mut client = proxy.client();
        client.send(request.replacen("HTTP/1.1", "HTTP/1.0", 1).as_bytes());
        let got = String::from_utf8(client.read_to_end()).expect("text");
        assert_eq!(got, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok");
        proxy.expect(&FORWARDED);
        proxy.finish();
    }
}

#[test]
fn the_answer_to_a_head_request_has_a_length_and_no_body() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n");
    let proxy = Sidecar::before(&upstream).provider_as("github", "github", &[("METHODS", "HEAD")]).start();
    let (mut client, began) = (proxy.client(), Now::read().instant);
    let request = |body: &str| Signer::new("github").sign(body).method("HEAD").bytes();
    client.send(&[request(""), request("{}")].concat());
    for _ in 0..2 {
        let response = client.read_answer_to("HEAD");
        assert_eq!((response.status, response.values("content-length"), response.closes()), (200, vec!["7"], false));
    }
    proxy.expect_all(&[FORWARDED, FORWARDED]);
    upstream.expect_one_connection(began);
    proxy.finish();
}

const HINT: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";

#[test]
fn interim_answers_are_sent_on_but_for_100_and_but_for_a_flood() {
    let answer =
        |hints: usize| format!("HTTP/1.1 100 Continue\r\n\r\n{}{}", HINT.repeat(hints), "HTTP/1.1 204 Done\r\n\r\n");
    let upstream = Upstream::scripted([
        vec![Step::Read, Step::write(answer(1))],
        vec![Step::Read, Step::write(answer(7))],
        vec![Step::Read, Step::write(answer(8))],
        vec![Step::Read, Step::write(HINT.repeat(1000))],
    ]);
    let proxy = start(&upstream);
    let (signer, mut client) = (Signer::new("github"), proxy.client());
    for (hints, outcome) in [
        (1, FORWARDED.status(204)),
        (7, FORWARDED.status(204)),
        (7, failure("upstream_invalid_response")),
        (8, failure("upstream_invalid_response")),
    ] {
        client.send(&signer.sample().bytes());
        for _ in 0..hints {
            let response = client.read();
            assert_eq!((response.status, response.values("link")), (103, vec!["</a>"]));
        }
        let response = client.read();
        proxy.expect_answer(&response, &outcome);
        upstream.wait_idle();
    }
    proxy.finish();
}

#[test]
fn an_answer_before_the_whole_request_was_read_counts() {
    const REFUSED: &str = "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno";
    // Far more than the sockets between can hold; the service must not read on, or all of it might get through.
    let body = vec![b' '; 12 << 20];
    for script in [vec![Step::ReadHead, Step::write(REFUSED), Step::Wait], vec![Step::ReadHead, Step::write(REFUSED)]] {
        let upstream = Upstream::scripted([script]);
        let proxy = Sidecar::before(&upstream).provider_as("github", "github", &[("MAX_BODY", "16MiB")]).start();
        let request = Signer::new("github").sign(body.clone()).bytes();
        let mut client = proxy.client();
        let response = proxy.exchange(&mut client, &request, &FORWARDED.status(413));
        assert_eq!(response.body, b"no");
        // The rest of the first request must not become the beginning of the next.
        proxy.exchange(&mut client, &Signer::new("github").sample().bytes(), &FORWARDED);
        assert_eq!(upstream.connections(), 2);
        upstream.go();
        proxy.finish();
    }
}

/// Answers whose end never comes, or comes in the wrong form: the head was good, so the sender has it already or not
/// at all.
const CUT: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsho",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n0\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort!!0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nshort\n0\n\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nshort\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nshort\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nshort\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nshort\r\n0\r\n\r\n",
];

#[test]
fn an_answer_that_breaks_off_never_looks_whole_to_the_sender() {
    let upstream = Upstream::scripted(CUT.iter().map(|answer| vec![Step::Read, Step::write(*answer)]));
    let proxy = start(&upstream);
    for answer in CUT {
        let request = Signer::new("github").sample().bytes();
        let mut client = proxy.client();
        let got = String::from_utf8(client.send(&request).read_to_end()).expect("text");
        proxy.expect(&FORWARDED);
        upstream.wait_idle();
        if let Some((_, body)) = got.split_once("\r\n\r\n") {
            let whole = if got.contains("chunked") { body.ends_with("0\r\n\r\n") } else { body.len() >= 10 };
            assert!(!whole, "{answer:?} became {got:?}");
        }
        // The service said 200: it has the webhook, and does not get it twice.
        proxy.check(&request, &failure("replayed"));
    }
    proxy.finish();
}

#[test]
fn an_answer_that_stalls_is_cut_off() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        "HTTP/1.1 200 OK\r\n\r\nshort",
    ] {
        let stalling = || vec![Step::Read, Step::write(answer), Step::Wait];
        let upstream = Upstream::scripted((0..ATTEMPTS).map(|_| stalling()));
        let proxy = Sidecar::before(&upstream).set("UPSTREAM_TIMEOUT", "300ms").provider("github").start();
        let cut = (0..ATTEMPTS).any(|_| {
            let mut client = proxy.client();
            let head = client.send(&Signer::new("github").sample().bytes()).read_head();
            if head.status == 200 {
                client.read_cut_body(head);
                proxy.expect(&FORWARDED);
                return true;
            }
            proxy.expect(&failure("upstream_timeout"));
            false
        });
        assert!(cut);
        (0..ATTEMPTS).for_each(|_| upstream.go());
        proxy.finish();
    }
}

#[test]
fn what_follows_an_answer_never_answers_the_next_request() {
    const EVIL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let ok = String::from_utf8_lossy(OK);
    for script in [
        // At once, and in the same write.
        vec![Step::Read, Step::write(format!("{ok}{EVIL}"))],
        vec![Step::Read, Step::write(format!("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil{EVIL}"))],
        vec![Step::Read, Step::write(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{EVIL}"))],
        // Later, on an idle connection.
        vec![Step::Read, Step::write(OK), Step::Wait, Step::write(EVIL)],
    ] {
        let upstream = Upstream::scripted([script]);
        let proxy = start(&upstream);
        let mut client = proxy.client();
        let response = client.send(&Signer::new("github").sample().bytes()).read();
        proxy.expect_answer(&response, &FORWARDED.status(response.status));
        upstream.go();
        upstream.wait_idle();
        let response = proxy.exchange(&mut client, &Signer::new("github").sample().bytes(), &FORWARDED);
        assert_eq!(response.body, b"ok");
        assert_eq!(upstream.connections(), 2);
        proxy.finish();
    }
}

#[test]
fn an_idle_connection_that_the_service_has_closed_costs_nobody_anything() {
    for last in [vec![Step::Wait], vec![Step::Wait, Step::Reset]] {
        let upstream = Upstream::scripted([[vec![Step::Read, Step::write(OK)], last].concat()]);
        let proxy = start(&upstream);
        let mut client = proxy.client();
        proxy.exchange(&mut client, &Signer::new("github").sample().bytes(), &FORWARDED);
        upstream.go();
        upstream.wait_idle();
        proxy.exchange(&mut client, &Signer::new("github").sample().bytes(), &FORWARDED);
        assert_eq!((upstream.received().len(), upstream.connections()), (2, 2));
        proxy.finish();
    }
}

#[test]
fn a_request_that_the_service_has_read_is_not_sent_again() {
    for last in [vec![Step::Read], vec![Step::Read, Step::Reset], vec![Step::ReadHead]] {
        // A sidecar that has stood still in between sends the second over a connection of its own.
        let reused = (0..ATTEMPTS).any(|_| {
            let upstream = Upstream::scripted([[vec![Step::Read, Step::write(OK)], last.clone()].concat()]);
            let proxy = start(&upstream);
            let (first, second) = (Signer::new("github").sample().bytes(), Signer::new("github").sample().bytes());
            let (mut client, began) = (proxy.client(), Now::read().instant);
            // In one write, so that the second goes out over the connection that the first has just left.
            client.send(&[&first[..], &second].concat());
            assert_eq!(client.read().status, 200);
            if client.read().status == 200 {
                upstream.expect_one_connection(began);
                proxy.expect_all(&[FORWARDED, FORWARDED]);
                proxy.finish();
                return false;
            }
            proxy.expect_all(&[FORWARDED, failure("upstream_unreachable")]);
            assert_eq!(upstream.connections(), 1, "it was sent over a fresh connection too");
            proxy.exchange(&mut client, &second, &FORWARDED);
            proxy.finish();
            true
        });
        assert!(reused);
    }
}

#[test]
fn a_service_that_closes_without_saying_so_loses_nothing_and_gets_nothing_twice() {
    const REQUESTS: usize = 60;
    let upstream = Upstream::scripted((0..2 * REQUESTS).map(|_| vec![Step::Read, Step::write(OK)]));
    let proxy = start(&upstream);
    let requests: Vec<_> = (0..REQUESTS).map(|_| Signer::new("github").sample().bytes()).collect();
    let mut client = proxy.client();
    client.send(&requests.concat());
    // Whether the end of a connection is seen before, while or after the next request is written is a matter of luck;
    // what becomes of the request is not.
    let mut again = Vec::new();
    let mut outcomes = Vec::new();
    for request in &requests {
        if client.read().status == 200 {
            outcomes.push(FORWARDED);
        } else {
            outcomes.push(failure("upstream_unreachable"));
            again.push(request);
        }
    }
    proxy.expect_all(&outcomes);
    for request in again {
        upstream.wait_idle();
        proxy.exchange(&mut client, request, &FORWARDED);
    }
    assert_eq!(upstream.received().len(), REQUESTS);
    proxy.finish();
}
