//! Every gate says no, for each of its reasons, and in its order.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use data_encoding::HEXLOWER;
use hookwarden::deny::Reason;

use crate::harness::{OK, Outcome, Request, Response, Sidecar, Signer, Step, Upstream, secret_of};
use crate::{client_certificates, front, keys, limits, replay};

/// Reasons that need a sidecar or a service of their own, and the test that reaches each.
const ELSEWHERE: [(&str, fn()); 16] = [
    ("overloaded", a_connection_beyond_the_budget_is_told_so),
    ("header_timeout", a_head_that_stalls_times_out),
    ("body_timeout", a_body_that_stalls_times_out),
    ("replay_store_full", a_full_store_refuses_what_it_could_not_remember),
    ("replayed", replay::a_claim_that_is_done),
    ("duplicate", replay::a_claim_that_is_done),
    ("in_flight", replay::a_claim_that_is_pending),
    ("upstream_unreachable", a_service_that_fails_is_told_of),
    ("upstream_invalid_response", a_service_that_fails_is_told_of),
    ("upstream_timeout", a_service_that_fails_is_told_of),
    ("replay_store_unavailable", a_store_that_cannot_be_reached_refuses),
    ("https_required", front::https_is_what_the_trusted_proxy_says),
    ("client_certificate_not_allowed", client_certificates::a_route_names_its_clients),
    ("locked_out", limits::who_fails_too_often_is_locked_out_of_that_route_until_it_is_lifted),
    ("rate_limited", limits::an_address_has_its_rate_whatever_it_sends_and_another_has_its_own),
    ("keys_unavailable", keys::until_there_are_keys_messages_are_unavailable_and_then_they_are_not),
];

/// One request and what becomes of it.
struct Row {
    outcome: Outcome,
    bytes: Vec<u8>,
    half_closes: bool,
}

fn row(outcome: Outcome, request: &Request) -> Row {
    bytes(outcome, request.bytes())
}

fn bytes(outcome: Outcome, bytes: Vec<u8>) -> Row {
    Row { outcome, bytes, half_closes: false }
}

fn denied(reason: &str, route: &'static str) -> Outcome {
    Outcome::of(reason).on(route)
}

/// The sidecar that all rows meet: a route for each thing that a route can ask for.
fn start(upstream: &Upstream, folder: &Path) -> Sidecar {
    let (key, schema) = (folder.join("key"), folder.join("schema.json"));
    fs::write(&key, secret_of("github")).unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    File::options().write(true).open(&key).unwrap().set_modified(long_ago).unwrap();
    fs::write(&schema, r#"{"type":"object","required":["id"]}"#).unwrap();
    Sidecar::before(upstream)
        .provider("github")
        .provider("linear")
        .provider("slack")
        .provider("stripe")
        .provider("svix")
        .provider_as("closed", "github", &[("EXPIRES", "2020-01-01")])
        .provider_as("far", "github", &[("SOURCES", "192.0.2.0/24,2001:db8::/32")])
        .provider_as("json", "github", &[("CONTENT_TYPES", "application/json")])
        .provider_as("small", "github", &[("MAX_BODY", "64")])
        .provider_as("narrow", "github", &[("EVENTS", "push,release.*")])
        .provider_as("shaped", "github", &[("SCHEMA_FILE", schema.to_str().unwrap())])
        .provider_as("old", "github", &[("SECRET_FILE", key.to_str().unwrap()), ("SECRET_MAX_AGE", "90d")])
        .unset("ROUTE_OLD_SECRET")
        .start()
}

/// What GitHub would send to a route of that name.
fn github(route: &str) -> Signer {
    Signer::new("github").path(&format!("/hooks/{route}"))
}

/// Refusals that need no body, in the order of the gates.
fn head_rows() -> Vec<Row> {
    let (plain, stripe, slack, svix) =
        (github("github").sample(), Signer::new("stripe"), Signer::new("slack"), Signer::new("svix"));
    let an_hour = Duration::from_secs(3600);
    let version = String::from_utf8(plain.bytes()).unwrap().replace("HTTP/1.1", "HTTP/2.0").into_bytes();
    vec![
        row(Outcome::of("malformed_request"), &plain.clone().with("Host", "other.test")),
        row(Outcome::of("header_too_large"), &plain.clone().with("X-A", &"a".repeat(16 * 1024))),
        row(Outcome::of("unsupported_transfer_coding"), &plain.clone().with("Transfer-Encoding", "gzip")),
        bytes(Outcome::of("version_not_supported"), version),
        row(Outcome::of("route_unknown"), &plain.clone().target("/hooks")),
        row(Outcome::of("route_unknown"), &plain.clone().target("/hooks/github/")),
        row(Outcome::of("route_unknown"), &plain.clone().target("/HOOKS/github")),
        row(denied("method_not_allowed", "github"), &plain.clone().method("PUT")),
        row(denied("method_not_allowed", "github"), &plain.clone().method("post")),
        row(denied("method_not_allowed", "github"), &plain.clone().method("HEAD").body("")),
        row(denied("permission_expired", "closed"), &github("closed").sample()),
        row(denied("source_not_allowed", "far"), &github("far").sample()),
        bytes(denied("length_required", "github"), plain.clone().body("").head()),
        row(denied("content_type_not_allowed", "json"), &github("json").sample().set("Content-Type", "text/plain")),
        row(denied("content_type_not_allowed", "json"), &github("json").sample().without("Content-Type")),
        row(denied("body_too_large", "small"), &github("small").sign("a".repeat(65))),
        row(denied("credential_missing", "github"), &plain.clone().without("X-Hub-Signature-256")),
        row(denied("credential_missing", "github"), &plain.clone().set("X-Hub-Signature-256", "")),
        row(denied("credential_missing", "svix"), &svix.sample().without("svix-id")),
        row(denied("credential_invalid", "github"), &plain.clone().set("X-Hub-Signature-256", "nonsense")),
        row(denied("timestamp_missing", "slack"), &slack.sample().without("X-Slack-Request-Timestamp")),
        row(denied("timestamp_missing", "slack"), &slack.sample().set("X-Slack-Request-Timestamp", "+1700000000")),
        row(denied("timestamp_stale", "stripe"), &stripe.clone().earlier(an_hour).sample()),
        row(denied("timestamp_stale", "slack"), &slack.sample().set("X-Slack-Request-Timestamp", "0")),
        row(denied("timestamp_future", "stripe"), &stripe.later(an_hour).sample()),
        row(
            denied("timestamp_future", "slack"),
            &slack.sample().set("X-Slack-Request-Timestamp", &u64::MAX.to_string()),
        ),
    ]
}

/// Outcomes that need the body, in the order of the gates.
fn body_rows() -> Vec<Row> {
    let (plain, linear, slack) = (github("github").sample(), Signer::new("linear"), Signer::new("slack"));
    let broken_off = Row {
        half_closes: true,
        ..row(denied("body_incomplete", "github"), &plain.clone().with("Content-Length", "9999"))
    };
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let twice = r#"{"type":"a","event_id":"1","event_id":"2"}"#;
    let hour_ago = linear.clone().earlier(Duration::from_secs(3600)).sample();
    let timeless = Request::post("/hooks/linear", "{}").with("Linear-Signature", &HEXLOWER.encode(&linear.mac(b"{}")));
    let event = |event: &str| github("narrow").sample().with("X-GitHub-Event", event);
    vec![
        bytes(denied("body_too_large", "small"), github("small").sign("a".repeat(65)).chunked(13)),
        broken_off,
        row(denied("credential_invalid", "github"), &plain.clone().body("{}")),
        row(denied("credential_invalid", "github"), &github("github").secret("another").sample()),
        row(denied("credential_expired", "old"), &github("old").sample()),
        row(denied("timestamp_missing", "linear"), &timeless),
        row(denied("timestamp_stale", "linear"), &hour_ago),
        row(denied("event_not_allowed", "narrow"), &event("issues")),
        row(denied("event_not_allowed", "narrow"), &event("pushed")),
        row(denied("event_not_allowed", "narrow"), &github("narrow").sample()),
        row(denied("payload_invalid", "github"), &github("github").sign("{")),
        row(denied("payload_invalid", "github"), &github("github").sign(deep).set("Content-Type", "application/json")),
        row(denied("payload_invalid", "slack"), &slack.sign(twice)),
        row(denied("schema_violation", "shaped"), &github("shaped").sign("{}")),
        row(denied("challenge_answered", "slack"), &slack.sign(r#"{"type":"url_verification","challenge":"abc"}"#)),
        row(Outcome::forwarded("narrow"), &event("release.published")),
        row(Outcome::forwarded("shaped"), &github("shaped").sign(r#"{"id":1}"#)),
        row(Outcome::forwarded("small"), &github("small").sign("a".repeat(64))),
        row(Outcome::forwarded("json"), &github("json").sample()),
        row(Outcome::forwarded("github"), &plain),
    ]
}

#[test]
fn every_reason_has_its_request() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let proxy = start(&upstream, folder.path());
    for row in head_rows().into_iter().chain(body_rows()) {
        proxy.about(format_args!("{:?}", row.outcome));
        let response = run(&proxy, &row);
        check_fields(&response, &row.outcome);
    }
    proxy.finish();
}

/// Sends a row's request, and tries whether the connection goes on as the reason's row in the table says.
fn run(proxy: &Sidecar, row: &Row) -> Response {
    let mut client = proxy.client();
    let _ = client.offer(&row.bytes);
    if row.half_closes {
        client.half_close();
    }
    let method = if row.bytes.starts_with(b"HEAD") { "HEAD" } else { "POST" };
    let response = client.read_answer_to(method);
    proxy.expect_answer(&response, &row.outcome);
    let closes = Reason::from_code(row.outcome.reason).unwrap().row().closes;
    assert_eq!(response.closes(), closes, "{response:?}");
    if closes {
        client.expect_closed();
    } else {
        proxy.exchange(&mut client, &github("github").sample().bytes(), &Outcome::forwarded("github"));
    }
    response
}

/// What certain statuses must carry.
fn check_fields(response: &Response, outcome: &Outcome) {
    let has = |name: &str| !response.values(name).is_empty();
    if outcome.decision != "forwarded" {
        assert!(has("date"), "{response:?}");
        assert_eq!(response.values("cache-control"), ["no-store"], "{response:?}");
    }
    assert_eq!(has("www-authenticate"), outcome.status == 401, "{response:?}");
    assert_eq!(has("allow"), outcome.status == 405, "{response:?}");
    if outcome.status == 405 {
        assert_eq!(response.values("allow"), ["POST"]);
    }
}

#[test]
fn a_stranger_cannot_tell_one_401_from_another() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let proxy = start(&upstream, folder.path());
    let mut faces = BTreeSet::new();
    let mut reasons = BTreeSet::new();
    for row in head_rows().into_iter().chain(body_rows()).filter(|row| row.outcome.status == 401) {
        let response = proxy.check(&row.bytes, &row.outcome);
        let mut problem = response.problem();
        problem["request_id"] = "any".into();
        let fields: Vec<_> = response.fields.iter().filter(|(name, _)| name != "Date").cloned().collect();
        faces.insert(format!("{fields:?} {problem}"));
        reasons.insert(row.outcome.reason);
    }
    assert_eq!(faces.len(), 1, "{faces:#?}");
    assert_eq!(reasons.len(), 6, "{reasons:?}");
    proxy.finish();
}

#[test]
fn the_first_gate_that_says_no_is_the_one_that_is_heard() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("schema.json");
    fs::write(&schema, r#"{"required":["amount"]}"#).unwrap();
    let fields = [
        ("CONTENT_TYPES", "application/json"),
        ("EVENTS", "invoice.*"),
        ("MAX_BODY", "128"),
        ("SCHEMA_FILE", schema.to_str().unwrap()),
    ];
    let proxy = Sidecar::before(&upstream).provider_as("strict", "stripe", &fields).start();
    let signer = Signer::new("stripe").path("/hooks/strict");
    let (stale, forger) = (signer.clone().earlier(Duration::from_secs(3600)), signer.clone().secret("another"));
    let (event, amount) = (r#""id":"evt_1","type":"invoice.paid""#, r#""amount":1"#);
    let good = signer.sign(format!("{{{event},{amount}}}"));
    let large = stale.sign("a".repeat(129)).set("Content-Type", "text/plain").without("Stripe-Signature");
    // Each request has all the faults of those behind it, as far as they go together.
    let steps = [
        row(Outcome::of("malformed_request"), &large.clone().method("PUT").target("/hooks/./x")),
        row(Outcome::of("route_unknown"), &large.clone().method("PUT").target("/hooks/x")),
        row(denied("method_not_allowed", "strict"), &large.clone().method("PUT")),
        bytes(denied("length_required", "strict"), large.head()),
        row(denied("content_type_not_allowed", "strict"), &large),
        row(denied("body_too_large", "strict"), &large.set("Content-Type", "application/json")),
        row(denied("credential_missing", "strict"), &stale.sign("{}").without("Stripe-Signature")),
        row(denied("timestamp_stale", "strict"), &stale.secret("another").sign("{}")),
        row(denied("credential_invalid", "strict"), &forger.sign("{}")),
        row(denied("payload_invalid", "strict"), &signer.sign("{")),
        row(denied("event_not_allowed", "strict"), &signer.sign(r#"{"id":"evt_0","type":"charge.failed"}"#)),
        row(denied("schema_violation", "strict"), &signer.sign(format!("{{{event}}}"))),
        row(Outcome::forwarded("strict"), &good),
        row(denied("replayed", "strict"), &good),
    ];
    for step in steps {
        proxy.check(&step.bytes, &step.outcome);
    }
    proxy.finish();
}

#[test]
fn a_connection_beyond_the_budget_is_told_so() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).set("MAX_CONNECTIONS", "1").provider("github").start();
    let mut first = proxy.client();
    proxy.exchange(&mut first, &Signer::new("github").sample().bytes(), &Outcome::forwarded("github"));
    let mut second = proxy.client();
    let response = second.read();
    proxy.expect_answer(&response, &Outcome::of("overloaded"));
    assert_eq!(response.values("retry-after"), ["1"]);
    assert!(response.closes());
    second.expect_closed();
    proxy.exchange(&mut first, &Signer::new("github").sample().bytes(), &Outcome::forwarded("github"));
    proxy.finish();
}

#[test]
fn a_head_that_stalls_times_out() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).set("HEADER_TIMEOUT", "200ms").provider("github").start();
    let (_client, response) = proxy.begin(b"POST /hooks/github HTTP/1.1\r\nHost: hooks");
    proxy.expect_answer(&response, &Outcome::of("header_timeout"));
    assert!(response.closes());
    // A connection on which no request was begun is closed without a word.
    proxy.client().expect_closed();
    proxy.finish();
}

#[test]
fn a_body_that_stalls_times_out() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).set("BODY_TIMEOUT", "200ms").provider("github").start();
    let stalled = Signer::new("github").sign("{}").with("Content-Length", "3").bytes();
    let response = proxy.check(&stalled, &denied("body_timeout", "github"));
    assert!(response.closes());
    proxy.finish();
}

#[test]
fn a_full_store_refuses_what_it_could_not_remember() {
    let upstream = Upstream::start();
    // Zoom signs the time and no delivery id: one claim a message, and none that may give way.
    let proxy = Sidecar::before(&upstream).set("REPLAY_MAX_ENTRIES", "2").provider("zoom").start();
    let signer = Signer::new("zoom");
    let first = signer.sample().bytes();
    proxy.check(&first, &Outcome::forwarded("zoom"));
    proxy.check(&signer.sample().bytes(), &Outcome::forwarded("zoom"));
    let response = proxy.check(&signer.sample().bytes(), &denied("replay_store_full", "zoom"));
    assert_eq!(response.values("retry-after"), ["1"]);
    proxy.check(&first, &denied("replayed", "zoom"));
    proxy.finish();
}

#[test]
fn a_service_that_fails_is_told_of() {
    let (down, broken) =
        (Upstream::refusing(), Upstream::scripted([vec![Step::Read, Step::write("HTTP/1.1 200 OK\n\n")]]));
    let silent = Upstream::scripted([vec![Step::Read, Step::Wait, Step::Write(OK.to_vec())]]);
    let proxy = Sidecar::before(&down).also(&broken).provider_as("down", "github", &[]).provider_as(
        "broken",
        "github",
        &[("UPSTREAM", broken.address())],
    );
    // Of its own, since the others have time.
    let hasty = Sidecar::before(&silent).set("UPSTREAM_TIMEOUT", "1s").provider_as("silent", "github", &[]);
    let check = |proxy: &Sidecar, route, reason| {
        let response = proxy.check(&github(route).sample().bytes(), &denied(reason, route));
        assert!(!response.closes(), "it is not the sender's fault: {response:?}");
    };
    let proxy = proxy.start();
    check(&proxy, "down", "upstream_unreachable");
    check(&proxy, "broken", "upstream_invalid_response");
    proxy.finish();
    let proxy = hasty.start();
    check(&proxy, "silent", "upstream_timeout");
    silent.go();
    proxy.finish();
}

#[test]
fn a_store_that_cannot_be_reached_refuses() {
    let upstream = Upstream::start();
    let nobody = Upstream::refusing();
    let url = format!("redis://{}", nobody.address());
    let proxy = Sidecar::before(&upstream).set("REPLAY_URL", url).provider("github").start();
    proxy.check(&github("github").sample().bytes(), &denied("replay_store_unavailable", "github"));
    assert!(upstream.received().is_empty());
    proxy.finish();
}

#[test]
fn every_reason_is_reached() {
    let rows = head_rows().into_iter().chain(body_rows()).map(|row| row.outcome.reason);
    let reached: BTreeSet<_> = rows.chain(ELSEWHERE.iter().map(|(reason, _)| *reason)).collect();
    for reason in Reason::all().map(Reason::code) {
        assert!(reached.contains(reason), "{reason}: no test reaches it");
    }
}
