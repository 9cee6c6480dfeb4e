//! What the service gets: a head written anew, the exact body, and nothing that speaks in the sidecar's name.

use std::fmt::Write as _;

use hookwarden::clock::Now;

use super::harness::{Outcome, Record, Request, Sidecar, Signer, Upstream, secret_of};

const FORWARDED: Outcome = Outcome { decision: "forwarded", reason: "forwarded", status: 200, route: Some("github") };

/// The exact bytes that the service must get: the sender's fields but for the dropped ones, then ours, then the body.
fn onward(line: &str, request: &Request, dropped: &[&str], record: &Record) -> Vec<u8> {
    let mut head = format!("{line}\r\n");
    let is_dropped = |name: &str| dropped.iter().any(|other| other.eq_ignore_ascii_case(name));
    for (name, value) in request.fields.iter().filter(|(name, _)| !is_dropped(name)) {
        write!(head, "{name}: {value}\r\n").expect("a string grows");
    }
    if line.starts_with("POST") {
        write!(head, "Content-Length: {}\r\n", request.body.len()).expect("a string grows");
    }
    for (name, value) in [
        ("X-Request-Id", record.text("request_id")),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Host", request.field("Host").expect("a host")),
        ("X-Hookwarden-Route", record.text("route")),
        ("X-Hookwarden-Provider", record.text("provider")),
        ("X-Hookwarden-Key-Id", record.text("key_id")),
        ("X-Hookwarden-Verified", "true"),
    ] {
        write!(head, "{name}: {value}\r\n").expect("a string grows");
    }
    head.push_str("\r\n");
    [head.into_bytes(), request.body.clone()].concat()
}

/// Sends the bytes, and holds what the service gets against what it must get.
#[track_caller]
fn check(upstream: &Upstream, proxy: &Sidecar, sent: &[u8], line: &str, request: &Request, dropped: &[&str]) -> Record {
    let mut client = proxy.client();
    let response = client.send(sent).read();
    let record = proxy.expect_answer(&response, &FORWARDED);
    let expected = onward(line, request, dropped, &record);
    let got = upstream.last().bytes;
    assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(&expected));
    assert_eq!(got, expected, "the same text in other bytes");
    record
}

const LINE: &str = "POST /hooks/github HTTP/1.1";

#[test]
fn the_head_is_written_anew_and_the_body_stays_as_it_was() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").start();
    let body = "\u{20}{\"zen\": \"caf\u{e9}\", \"n\" : 1e2,\"cr\":\"\\r\\n\"}\r\n\r\n";
    let request = Signer::new("github")
        .path("/hooks/github?attempt=1&x=%2F|[]")
        .sign_with(&[("X-GitHub-Event", "push"), ("X-GitHub-Delivery", "72d3162e-cc78")], body)
        .with("User-Agent", "GitHub-Hookshot/abc")
        .with("Cookie", "a=b; c=d")
        .with("X-Empty", "")
        .with("X-Latin", "caf\u{e9}")
        .with("X-Twice", "1")
        .with("x-twice", "2");
    let line = "POST /hooks/github?attempt=1&x=%2F|[] HTTP/1.1";
    let record = check(&upstream, &proxy, &request.bytes(), line, &request, &[]);
    for (name, value) in [
        ("method", "POST"),
        ("path", "/hooks/github"),
        ("source", "127.0.0.1"),
        ("key_id", "1"),
        ("delivery_id", "72d3162e-cc78"),
        ("event", "push"),
        ("content_type", "application/json"),
        ("tls", ""),
        ("client_san", ""),
        ("body_sha256", ""),
    ] {
        assert_eq!(record.text(name), value, "{name}");
    }
    assert_eq!(record.number("body_bytes"), Some(body.len() as u64));
    assert_eq!(record.number("upstream_status"), Some(200));
    proxy.finish();
}

/// Fields that end at this hop, or by which a service would believe what a proxy says.
const DROPPED: &[&[(&str, &str)]] = &[
    &[("Connection", "keep-alive"), ("Keep-Alive", "timeout=5")],
    &[("Connection", "X-Hop, x-Other"), ("X-Hop", "1"), ("x-hop", "2"), ("X-OTHER", "3")],
    &[("Connection", "x-hop"), ("connection", ",, x-next ,"), ("X-Next", "1")],
    &[("Proxy-Connection", "keep-alive"), ("Proxy-Authenticate", "Basic"), ("Proxy-Authorization", "Basic eDp5")],
    &[("TE", "trailers"), ("Trailer", "X-Sum")],
    &[("proxy_connection", "close"), ("Keep_Alive", "1")],
    &[("X-Forwarded-For", "203.0.113.9"), ("x-forwarded-for", "203.0.113.8"), ("X_Forwarded_For", "203.0.113.7")],
    &[("X-Forwarded_Proto", "https"), ("X-FORWARDED-HOST", "evil.test"), ("x_forwarded-port", "443")],
    &[("X-Forwarded-Prefix", "/admin"), ("X-Forwarded-User", "root"), ("X-Forwarded-Client-Cert", "By=x")],
    &[("Forwarded", "for=203.0.113.9;proto=https"), ("FORWARDED", "by=x"), ("forwarded", "host=evil.test")],
    &[("X-Request-Id", "0"), ("x_request_id", "1"), ("X-Request_ID", "2")],
    &[("X-Real-IP", "203.0.113.9"), ("x_real_ip", "203.0.113.8")],
    &[("X-Hookwarden-Verified", "true"), ("x-hookwarden-verified", "true"), ("X_Hookwarden_Verified", "true")],
    &[("X-Hookwarden-Route", "admin"), ("X-HOOKWARDEN_PROVIDER", "stripe"), ("x_hookwarden-key_id", "9")],
    &[("X-Hookwarden-Made-Up", "1"), ("X_HOOKWARDEN_", "1"), ("X-Hookwarden-", "1")],
];

#[test]
fn what_ends_here_or_speaks_for_us_is_gone_in_every_spelling() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").start();
    let signer = Signer::new("github");
    for row in DROPPED {
        let request = row.iter().fold(signer.sample(), |request, (name, value)| request.with(name, value));
        let dropped: Vec<_> = row.iter().map(|(name, _)| *name).collect();
        check(&upstream, &proxy, &request.bytes(), LINE, &request, &dropped);
    }
    proxy.finish();
}

#[test]
fn what_only_looks_like_ours_stays() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").start();
    let request = [
        ("X-Forwarded", "1"),
        ("Forwarded-By", "1"),
        ("X-Hookwardens", "1"),
        ("X-Request-Ids", "1"),
        ("Via", "1.1 cdn"),
        ("Authorization", "Bearer token"),
        ("X-Real-IPs", "1"),
        ("Teapot", "1"),
        ("X-Hub-Signature", "sha1=0000"),
    ]
    .into_iter()
    .fold(Signer::new("github").sample(), |request, (name, value)| request.with(name, value));
    check(&upstream, &proxy, &request.bytes(), LINE, &request, &[]);
    proxy.finish();
}

#[test]
fn chunks_become_one_length_and_extensions_and_trailers_are_gone() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").start();
    let signer = Signer::new("github");
    for size in [1, 7, 4096] {
        let request = signer.sample();
        check(&upstream, &proxy, &request.chunked(size), LINE, &request, &[]);
    }
    let request = signer.sign("{\"a\":1}").with("Transfer-Encoding", "chunked").with("Trailer", "X-Sum");
    let chunks = concat!(
        "3;name=value;q=\"x\"\r\n{\"a\r\n",
        "0004\r\n\":1}\r\n",
        "00;last\r\nX-Sum: 1\r\nX-Hookwarden-Verified: true\r\nContent-Length: 9\r\n\r\n"
    );
    let sent = [request.head(), chunks.as_bytes().to_vec()].concat();
    check(&upstream, &proxy, &sent, LINE, &request, &["Transfer-Encoding", "Trailer"]);
    proxy.finish();
}

#[test]
fn an_empty_body_stays_empty_and_no_body_stays_none() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider_as("github", "github", &[("METHODS", "POST,GET,PUT")]).start();
    let signer = Signer::new("github");
    let empty = signer.sign("");
    check(&upstream, &proxy, &empty.bytes(), LINE, &empty, &[]);
    // The same signed bytes: the claim knows them, whatever the method.
    proxy.check(&empty.clone().method("GET").head(), &Outcome::of("replayed").on("github"));
    proxy.finish();

    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider_as("github", "github", &[("METHODS", "GET")]).start();
    let none = empty.method("GET");
    check(&upstream, &proxy, &none.head(), "GET /hooks/github HTTP/1.1", &none, &[]);
    assert!(upstream.last().values("content-length").is_empty());
    proxy.finish();
}

#[test]
fn an_absolute_target_is_forwarded_in_origin_form() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").start();
    let request = Signer::new("github").sample().target("http://hooks.test/hooks/github?a=b");
    check(&upstream, &proxy, &request.bytes(), "POST /hooks/github?a=b HTTP/1.1", &request, &[]);
    proxy.finish();
}

#[test]
fn a_client_of_http_1_0_is_answered_and_closed_and_the_service_speaks_1_1() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").start();
    let request = Signer::new("github").sample();
    let sent = String::from_utf8(request.bytes()).expect("text").replacen("HTTP/1.1", "HTTP/1.0", 1);
    let mut client = proxy.client();
    let response = client.send(sent.as_bytes()).read();
    client.expect_closed();
    assert!(response.closes(), "{response:?}");
    let record = proxy.expect_answer(&response, &FORWARDED);
    assert_eq!(upstream.last().bytes, onward(LINE, &request, &[], &record));
    proxy.finish();
}

#[test]
fn the_body_waits_for_100_continue_and_the_expectation_ends_here() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").start();
    let request = Signer::new("github").sample();
    let length = request.body.len().to_string();
    let head = request.clone().with("Expect", "100-continue").with("Content-Length", &length).head();
    let mut client = proxy.client();
    assert_eq!(client.send(&head).read().status, 100);
    let response = client.send(&request.body).read();
    let record = proxy.expect_answer(&response, &FORWARDED);
    assert_eq!(upstream.last().bytes, onward(LINE, &request, &[], &record));
    proxy.finish();
}

#[test]
fn a_route_may_name_another_path_and_another_service() {
    let (upstream, other) = (Upstream::start(), Upstream::start());
    let proxy = Sidecar::before(&upstream)
        .also(&other)
        .provider_as("moved", "github", &[("UPSTREAM_PATH", "/internal/events")])
        .provider_as("tree", "github", &[("PATH", "/tree/*"), ("UPSTREAM", other.address())])
        .start();
    let signer = Signer::new("github");
    proxy.check(&signer.clone().path("/hooks/moved?a=1").sample().bytes(), &Outcome::forwarded("moved"));
    assert_eq!(upstream.last().line(), "POST /internal/events?a=1 HTTP/1.1");
    proxy.check(&signer.clone().path("/tree/a/b%20c").sample().bytes(), &Outcome::forwarded("tree"));
    assert_eq!(other.last().line(), "POST /tree/a/b%20c HTTP/1.1");
    assert_eq!((upstream.received().len(), other.received().len()), (1, 1));
    proxy.finish();
}

#[test]
fn the_service_may_listen_on_a_unix_socket() {
    let directory = tempfile::tempdir().expect("a directory");
    let upstream = Upstream::at_unix(&directory.path().join("app.sock"), []);
    let proxy = Sidecar::before(&upstream).provider("github").start();
    let request = Signer::new("github").sample();
    check(&upstream, &proxy, &request.bytes(), LINE, &request, &[]);
    proxy.finish();
}

#[test]
fn the_service_learns_which_key_proved_the_message() {
    let directory = tempfile::tempdir().expect("a directory");
    for (id, secret) in [("2026-summer", "old secret"), ("2026-autumn", "new secret")] {
        std::fs::write(directory.path().join(id), secret).expect("a file");
    }
    let keys = directory.path().to_str().expect("a plain path");
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream)
        .route("github", &[("PATH", "/hooks/github"), ("PROVIDER", "github"), ("SECRET_FILE", keys)])
        .start();
    for (id, secret) in [("2026-summer", "old secret"), ("2026-autumn", "new secret")] {
        let request = Signer::new("github").secret(secret).sample();
        let record = check(&upstream, &proxy, &request.bytes(), LINE, &request, &[]);
        assert_eq!(record.text("key_id"), id);
    }
    proxy.finish();
}

#[test]
fn pipelined_requests_are_answered_in_order_over_one_connection_each() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").start();
    let signer = Signer::new("github");
    let requests = [signer.sample(), signer.sample(), signer.sample()];
    let sent = [requests[0].bytes(), requests[1].chunked(5), requests[2].bytes()].concat();
    let (mut client, began) = (proxy.client(), Now::read().instant);
    client.send(&sent);
    let responses = [client.read(), client.read(), client.read()];
    let records = proxy.expect_all(&[FORWARDED, FORWARDED, FORWARDED]);
    let received = upstream.received();
    assert_eq!(received.len(), 3);
    upstream.expect_one_connection(began);
    for (((request, response), record), got) in requests.iter().zip(&responses).zip(&records).zip(received) {
        assert_eq!((response.status, &response.body[..]), (200, &b"ok"[..]));
        assert_eq!(got.bytes, onward(LINE, request, &[], record));
    }
    proxy.finish();
}

#[test]
fn however_a_request_is_cut_into_writes_the_service_gets_the_same_bytes() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider_as("github", "github", &[("REPLAY", "off")]).start();
    let request = Signer::new("github").sample();
    let mut client = proxy.client();
    for sent in [request.bytes(), request.chunked(9)] {
        let end = sent.windows(4).position(|four| four == b"\r\n\r\n").expect("a head's end");
        let around_the_end = (end - 2)..=(end + 8);
        let here_and_there = (1..sent.len()).step_by(11);
        let single = around_the_end.chain(here_and_there).map(|cut| vec![cut]);
        let every_byte = (1..sent.len()).collect::<Vec<_>>();
        let every_line = every_byte.iter().copied().filter(|&at| sent[at - 1] == b'\n').collect();
        for cuts in single.chain([every_byte, every_line]) {
            let response = client.send_cut(&sent, &cuts).read();
            let record = proxy.expect_answer(&response, &FORWARDED);
            assert_eq!(upstream.last().bytes, onward(LINE, &request, &[], &record), "cut at {cuts:?}");
        }
    }
    proxy.finish();
}

#[test]
fn a_request_that_is_signed_anew_is_proven_by_any_standard_webhooks_verifier() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, secret) = (directory.path().join("resign"), secret_of("standard_webhooks"));
    std::fs::write(&path, &secret).expect("a file");
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream)
        .set("RESIGN_SECRET_FILE", path.as_os_str())
        .provider("github")
        .provider("stripe")
        .provider_as("watched", "github", &[("MODE", "monitor")])
        .start();
    // The verifier: another sidecar, with the app's secret as its one key.
    let app = Upstream::start();
    let resigned = [("PATH", "/hooks/*"), ("PROVIDER", "standard_webhooks"), ("SECRET", secret.as_str())];
    let verifier = Sidecar::before(&app).route("app", &resigned).start();

    let forged = |request: Request| {
        let fields = [("webhook-id", "forged"), ("Webhook_Timestamp", "1"), ("WEBHOOK-SIGNATURE", "v1,AAAA")];
        fields.into_iter().fold(request, |request, (name, value)| request.with(name, value))
    };
    let with_id = Signer::new("github").sign_with(&[("X-GitHub-Delivery", "72d3162e-cc78")], "{\"a\":1}");
    let without_id = Signer::new("github").sample();
    let stripe = Signer::new("stripe").sample();
    for (route, request) in [("github", with_id), ("github", without_id), ("stripe", stripe)] {
        let (mut client, sent) = (proxy.client(), forged(request.clone()));
        let response = client.send(&sent.bytes()).read();
        let record = proxy.expect_answer(&response, &Outcome::forwarded(route));
        let got = upstream.last();
        let id = Some(record.text("delivery_id")).filter(|id| !id.is_empty()).unwrap_or(record.text("request_id"));
        assert_eq!(got.values("webhook-id"), [id]);
        for name in ["webhook-timestamp", "webhook-signature"] {
            assert_eq!(got.values(name).len(), 1, "{name} in {}", got.head());
        }
        assert!(!got.head().contains("forged") && !got.head().contains("Webhook_"), "{}", got.head());
        verifier.check(&got.bytes, &Outcome::forwarded("app"));
        assert_eq!(app.last().body(), request.body);
        let mut tampered = got.bytes;
        *tampered.last_mut().expect("a body") = b' ';
        verifier.check(&tampered, &Outcome::of("credential_invalid").on("app"));
    }

    // What was not proven is not vouched for.
    let unproven = Signer::new("github").path("/hooks/watched").sample().body("{\"evil\":1}");
    proxy.check(&unproven.bytes(), &Outcome::monitored("credential_invalid", "watched"));
    let got = upstream.last();
    assert!(!got.head().to_ascii_lowercase().contains("webhook-signature"), "{}", got.head());
    assert_eq!(got.values("x-hookwarden-verified"), ["false"]);
    verifier.finish();
    proxy.finish();
}

/// The record tells the media type alone, also of what was refused because of it, and nothing more of the field.
#[test]
fn the_record_tells_what_kind_of_body_it_was() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream)
        .provider("github")
        .provider_as("json", "github", &[("CONTENT_TYPES", "application/json")])
        .start();
    let (any, json) = (Signer::new("github"), Signer::new("github").path("/hooks/json"));
    let refused = Outcome::of("content_type_not_allowed").on("json");
    let long = format!("a/{}", "b".repeat(300));
    let rows = [
        (&any, None, FORWARDED, ""),
        (&any, Some(""), FORWARDED, ""),
        (&any, Some("; charset=secret"), FORWARDED, ""),
        (&any, Some("Text/Plain ; charset=secret"), FORWARDED, "text/plain"),
        (&any, Some("caf\u{e9}/\"x\\"), FORWARDED, "caf\u{e9}/\"x\\"),
        (&any, Some(&long), FORWARDED, &*format!("{}…", &long[..255])),
        (&json, Some("application/json"), Outcome::forwarded("json"), "application/json"),
        (&json, Some("Application/XML"), refused, "application/xml"),
        (&json, None, refused, ""),
    ];
    for (number, (signer, sent, outcome, told)) in rows.into_iter().enumerate() {
        // Each body is another: none is a replay.
        let signed = signer.sign(number.to_string()).without("Content-Type");
        let request = sent.map_or(signed.clone(), |value| signed.with("Content-Type", value));
        let response = proxy.client().send(&request.bytes()).read();
        let record = proxy.expect_answer(&response, &outcome);
        assert_eq!(record.text("content_type"), told, "{sent:?}");
        assert_eq!(record.value()["content_type"].is_null(), told.is_empty(), "{sent:?}");
        assert!(!record.value().to_string().contains("secret"), "{record:?}");
    }
    let twice = json.sign("twice").with("content-type", "text/plain");
    let response = proxy.client().send(&twice.bytes()).read();
    assert!(proxy.expect_answer(&response, &refused).value()["content_type"].is_null());
    proxy.finish();
}
