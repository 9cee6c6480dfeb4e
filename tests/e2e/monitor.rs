//! A route in monitor mode: what would have been denied is recorded as such, and goes on unverified. What cannot be
//! understood at all, or cannot be held, is denied all the same.

use std::time::Duration;

use super::harness::{Outcome, Request, Sidecar, Signer, Upstream};

const MONITOR: (&str, &str) = ("MODE", "monitor");

/// Expects that the request goes on, and that the service is told not to believe it.
#[track_caller]
fn check(upstream: &Upstream, proxy: &Sidecar, sent: &[u8], code: &str, route: &'static str) {
    let mut client = proxy.client();
    let response = client.send(sent).read();
    let record = proxy.expect_answer(&response, &Outcome::monitored(code, route));
    assert_eq!(response.body, b"ok", "the sender gets the service's answer");
    let got = upstream.last();
    assert_eq!(got.values("x-request-id"), [record.text("request_id")]);
    assert_eq!(got.values("x-hookwarden-verified"), ["false"], "{code}: {}", got.head());
    assert_eq!(got.values("x-hookwarden-route"), [route]);
    assert!(got.values("x-hookwarden-key-id").is_empty(), "{code}: {}", got.head());
}

#[test]
fn what_would_have_been_denied_goes_on_unverified_with_its_reason() {
    let directory = tempfile::tempdir().expect("a directory");
    let (schema, aged) = (directory.path().join("schema.json"), directory.path().join("aged"));
    std::fs::write(&schema, r#"{"required": ["a"]}"#).expect("a file");
    std::fs::write(&aged, "aged secret").expect("a file");
    let long_ago = std::time::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    std::fs::File::options().append(true).open(&aged).and_then(|file| file.set_modified(long_ago)).expect("a time");
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream)
        .provider_as("github", "github", &[MONITOR, ("CONTENT_TYPES", "application/json"), ("EVENTS", "push")])
        .provider_as("stripe", "stripe", &[MONITOR])
        .provider_as("slack", "slack", &[MONITOR])
        .provider_as("svix", "svix", &[MONITOR])
        .provider_as("far", "github", &[MONITOR, ("SOURCES", "192.0.2.0/24")])
        .provider_as("over", "github", &[MONITOR, ("EXPIRES", "2020-01-01")])
        .provider_as("shaped", "github", &[MONITOR])
        .set("ROUTE_SHAPED_SCHEMA_FILE", &schema)
        .route("aged", &[("PATH", "/hooks/aged"), ("PROVIDER", "github"), ("SECRET_MAX_AGE", "90d"), MONITOR])
        .set("ROUTE_AGED_SECRET_FILE", &aged)
        .start();
    let push = |body: &str| Signer::new("github").sign_with(&[("X-GitHub-Event", "push")], body);
    let on = |path: &str| Signer::new("github").path(path).sample();
    let stripe = || Signer::new("stripe");
    let tolerance = Duration::from_secs(1_000);
    let timeless = Signer::new("slack").sample().without("X-Slack-Request-Timestamp");
    let empty = Signer::new("github").sign("");
    for (sent, code, route) in [
        (push("{}").without("X-Hub-Signature-256").bytes(), "credential_missing", "github"),
        (push("{}").body("{\"evil\":1}").bytes(), "credential_invalid", "github"),
        (push("{\"n\":1}").method("PUT").bytes(), "method_not_allowed", "github"),
        (empty.head(), "length_required", "github"),
        (push("{\"n\":2}").set("Content-Type", "text/plain").bytes(), "content_type_not_allowed", "github"),
        (push("{\"n\":3}").set("X-GitHub-Event", "delete").bytes(), "event_not_allowed", "github"),
        (push("{\"n\":").bytes(), "payload_invalid", "github"),
        (stripe().earlier(tolerance).sample().bytes(), "timestamp_stale", "stripe"),
        (stripe().later(tolerance).sample().bytes(), "timestamp_future", "stripe"),
        (timeless.bytes(), "timestamp_missing", "slack"),
        (on("/hooks/far").bytes(), "source_not_allowed", "far"),
        (on("/hooks/over").bytes(), "permission_expired", "over"),
        (on("/hooks/shaped").bytes(), "schema_violation", "shaped"),
        (
            Signer::new("github").path("/hooks/aged").secret("aged secret").sample().bytes(),
            "credential_expired",
            "aged",
        ),
    ] {
        check(&upstream, &proxy, &sent, code, route);
    }

    let genuine = push("{\"n\":4}");
    proxy.check(&genuine.bytes(), &Outcome::forwarded("github"));
    assert_eq!(upstream.last().values("x-hookwarden-verified"), ["true"]);
    check(&upstream, &proxy, &genuine.bytes(), "replayed", "github");
    let svix =
        |second: u64| Signer::new("svix").earlier(Duration::from_secs(second)).sign_with(&[("svix-id", "msg_1")], "{}");
    proxy.check(&svix(0).bytes(), &Outcome::forwarded("svix"));
    check(&upstream, &proxy, &svix(9).bytes(), "duplicate", "svix");
    proxy.finish();
}

#[test]
fn a_monitored_body_arrives_as_it_was_sent() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider_as("github", "github", &[MONITOR]).start();
    let unsigned = Request::post("/hooks/github", "a=1&b=2\r\n").with("Content-Type", "text/plain");
    for sent in [unsigned.bytes(), unsigned.chunked(4)] {
        check(&upstream, &proxy, &sent, "credential_missing", "github");
        assert_eq!(upstream.last().body(), unsigned.body);
        assert_eq!(upstream.last().values("content-length"), ["9"]);
    }
    proxy.finish();
}

#[test]
fn what_cannot_be_understood_or_held_is_denied_in_monitor_mode_too() {
    let refusing = Upstream::refusing();
    let fields = [MONITOR, ("MAX_BODY", "16")];
    let proxy = Sidecar::before(&refusing).provider_as("github", "github", &fields).start();
    let post = |body: &str| Request::post("/hooks/github", body);
    let smuggled = post("0\r\n\r\n").with("Transfer-Encoding", "chunked").with("Content-Length", "5");
    proxy.check(&smuggled.bytes(), &Outcome::of("malformed_request"));
    proxy.check(&Request::post("/elsewhere", "{}").bytes(), &Outcome::of("route_unknown"));
    let denied = |code: &str| Outcome::of(code).on("github");
    proxy.check(&post("a body of 17 byte").bytes(), &denied("body_too_large"));
    proxy.check(&post("a body of 17 byte").chunked(3), &denied("body_too_large"));
    let broken = [post("").with("Transfer-Encoding", "chunked").head(), b"3\nabc".to_vec()].concat();
    proxy.check(&broken, &denied("malformed_request"));
    let mut client = proxy.client();
    client.send(&post("half").bytes()[..post("half").bytes().len() - 1]).half_close();
    let response = client.read();
    proxy.expect_answer(&response, &denied("body_incomplete"));
    // What became of the request in the end is what counts, whether it was verified or not.
    proxy.check(&post("unsigned").bytes(), &denied("upstream_unreachable"));
    proxy.check(&Signer::new("github").sign("{}").bytes(), &denied("upstream_unreachable"));
    proxy.finish();
}

#[test]
fn a_route_that_enforces_is_not_moved_by_one_that_monitors() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider_as("watched", "github", &[MONITOR]).provider("github").start();
    let watched = Request::post("/hooks/watched", "{}");
    check(&upstream, &proxy, &watched.bytes(), "credential_missing", "watched");
    let enforced = watched.target("/hooks/github");
    proxy.check(&enforced.bytes(), &Outcome::of("credential_missing").on("github"));
    // A monitored refusal claims nothing.
    let genuine = Signer::new("github").sample();
    let elsewhere = genuine.clone().target("/hooks/watched").method("PUT");
    check(&upstream, &proxy, &elsewhere.bytes(), "method_not_allowed", "watched");
    proxy.check(&genuine.bytes(), &Outcome::forwarded("github"));
    proxy.finish();
}
