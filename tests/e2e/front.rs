//! Proxies in front: whose word on the sender and on encryption is taken, and what the service and the record learn.

use super::harness::{Builder, Outcome, Request, Sidecar, Signer, Upstream, replace};

const FORWARDED: Outcome = Outcome { decision: "forwarded", reason: "forwarded", status: 200, route: Some("github") };

fn sample() -> Request {
    Signer::new("github").sample()
}

/// One whose clients, all on this machine, are trusted proxies.
fn behind(upstream: &Upstream) -> Builder {
    Sidecar::before(upstream).provider("github").set("TRUSTED_PROXIES", "127.0.0.0/8,10.0.0.0/8")
}

#[test]
fn a_trusted_proxy_names_the_sender() {
    let upstream = Upstream::start();
    let proxy = behind(&upstream).set("ROUTE_GITHUB_SOURCES", "192.0.2.0/24,2001:db8::/32").start();
    let refused = Outcome::of("source_not_allowed").on("github");
    let mut client = proxy.client();
    for (fields, source, outcome) in [
        (&["192.0.2.9"][..], "192.0.2.9", &FORWARDED),
        (&["192.0.2.9", "10.0.0.1"], "192.0.2.9", &FORWARDED),
        (&["192.0.2.9, 203.0.113.1"], "203.0.113.1", &refused),
        (&["::ffff:192.0.2.9"], "192.0.2.9", &FORWARDED),
        (&["203.0.113.1, [2001:db8::9]:443"], "2001:db8::9", &FORWARDED),
        (&["192.0.2.9, unknown"], "127.0.0.1", &refused),
        // The connection is the same; what the last request said is not.
        (&[], "127.0.0.1", &refused),
    ] {
        let signed = sample();
        let named = fields.iter().fold(signed, |request, value| request.with("X-Forwarded-For", value));
        let response = client.send(&named.bytes()).read();
        let record = proxy.expect_answer(&response, outcome);
        assert_eq!(record.text("source"), source, "{fields:?}");
        if outcome == &FORWARDED {
            assert_eq!(upstream.last().values("x-forwarded-for"), [source], "the sender alone, once");
        }
    }
    proxy.finish();
}

#[test]
fn a_stranger_names_nobody() {
    let upstream = Upstream::start();
    let builder = Sidecar::before(&upstream).provider("github").set("TRUSTED_PROXIES", "10.0.0.0/8");
    let proxy = builder.set("ROUTE_GITHUB_SOURCES", "192.0.2.0/24").start();
    let forged = sample().with("X-Forwarded-For", "192.0.2.9").with("Forwarded", "for=192.0.2.9");
    proxy.check(&forged.bytes(), &Outcome::of("source_not_allowed").on("github"));
    proxy.finish();
}

#[test]
fn a_head_that_cannot_be_read_is_the_proxys() {
    let upstream = Upstream::start();
    let proxy = behind(&upstream).start();
    let mut client = proxy.client();
    let record =
        proxy.expect_answer(&client.send(&sample().with("X-Forwarded-For", "192.0.2.9").bytes()).read(), &FORWARDED);
    assert_eq!(record.text("source"), "192.0.2.9");
    let record =
        proxy.expect_answer(&client.send(b"POST  / HTTP/1.1\r\n\r\n").read(), &Outcome::of("malformed_request"));
    assert_eq!(record.text("source"), "127.0.0.1", "not the last request's sender");
    proxy.finish();
}

#[test]
pub(crate) fn https_is_what_the_trusted_proxy_says() {
    let upstream = Upstream::start();
    let proxy = behind(&upstream).set("TLS", "forwarded").start();
    let required = Outcome::of("https_required");
    for (name, value, outcome) in [
        ("X-Forwarded-Proto", "https", &FORWARDED),
        ("X-Forwarded-Proto", "http", &required),
        ("X-Forwarded-Proto", "https, https", &required),
        ("X-Forwarded-Proto", "https,http", &required),
        ("X_Forwarded_Proto", "https", &required),
        ("Forwarded", "for=192.0.2.9;proto=https", &required),
        ("X-None", "", &required),
    ] {
        let response = proxy.client().send(&sample().with(name, value).bytes()).read();
        let record = proxy.expect_answer(&response, outcome);
        assert_eq!(response.closes(), outcome == &required, "{name}: {value}");
        if outcome == &FORWARDED {
            assert_eq!(record.text("tls"), "forwarded");
            assert_eq!(upstream.last().values("x-forwarded-proto"), ["https"]);
        }
    }
    // Whether there is such a route is not told over plaintext, nor does a route that only monitors pass it on.
    proxy.check(&Request::post("/none", "").bytes(), &required);
    proxy.finish();

    let upstream = Upstream::start();
    let proxy = behind(&upstream).set("TLS", "forwarded").set("ROUTE_GITHUB_MODE", "monitor").start();
    proxy.check(&sample().bytes(), &required);
    proxy.finish();
}

#[test]
fn https_by_a_strangers_word_is_none() {
    let upstream = Upstream::start();
    let builder = Sidecar::before(&upstream).provider("github").set("TLS", "forwarded");
    let proxy = builder.set("TRUSTED_PROXIES", "10.0.0.0/8").start();
    proxy.check(&sample().with("X-Forwarded-Proto", "https").bytes(), &Outcome::of("https_required"));
    proxy.finish();
}

#[test]
fn the_other_kind_of_field_is_heard_alone() {
    let upstream = Upstream::start();
    let proxy = behind(&upstream).set("TLS", "forwarded").set("FORWARDED_HEADER", "forwarded").start();
    let named = sample().with("Forwarded", "for=\"[2001:db8::9]\";proto=https").with("X-Forwarded-For", "192.0.2.1");
    let record = proxy.expect_answer(&proxy.client().send(&named.bytes()).read(), &FORWARDED);
    assert_eq!(record.text("source"), "2001:db8::9");
    let received = upstream.last();
    assert!(received.values("forwarded").is_empty());
    assert_eq!(received.values("x-forwarded-for"), ["2001:db8::9"]);
    let other = sample().with("X-Forwarded-Proto", "https");
    proxy.check(&other.bytes(), &Outcome::of("https_required"));
    proxy.finish();
}

#[test]
fn named_networks_come_of_a_file_that_is_watched() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("sources.json");
    replace(&file, r#"{"github": ["192.0.2.0/24"]}"#);
    let upstream = Upstream::start();
    let proxy = behind(&upstream).set("SOURCES_FILE", &file).set("ROUTE_GITHUB_SOURCES", "@github,10.0.0.7").start();
    let mut client = proxy.client();
    let refused = Outcome::of("source_not_allowed").on("github");
    let mut from = |source: &str, outcome: &Outcome| {
        let request = sample().with("X-Forwarded-For", source).bytes();
        proxy.exchange(&mut client, &request, outcome);
    };
    from("192.0.2.9", &FORWARDED);
    from("198.51.100.9", &refused);
    replace(&file, r#"{"github": ["198.51.100.0/24"]}"#);
    proxy.wait_for_log("the new policy is in force");
    from("192.0.2.9", &refused);
    from("198.51.100.9", &FORWARDED);
    // A list that is empty, or that has lost a name, permits nobody new and everybody that it did before.
    for broken in [r#"{"github": []}"#, "{}"] {
        replace(&file, broken);
        proxy.wait_for_log("what it held before stays in force");
        from("203.0.113.9", &refused);
        from("198.51.100.9", &FORWARDED);
    }
    proxy.finish();
}
