//! Rates, lock-outs and shares: who is refused, what it is told, and that nobody else is.

use super::harness::{Client, Outcome, Request, Response, Sidecar, Signer, Upstream, secret_of};

const FORWARDED: Outcome = Outcome { decision: "forwarded", reason: "forwarded", status: 200, route: Some("github") };

/// Another machine's address.
const OTHER: [u8; 4] = [127, 0, 0, 2];

fn denied(code: &str) -> Outcome {
    Outcome::of(code).on("github")
}

fn sample() -> Vec<u8> {
    Signer::new("github").sample().bytes()
}

fn forged() -> Vec<u8> {
    Signer::new("github").sample().body(r#"{"forged":true}"#).bytes()
}

fn number(response: &Response, name: &str) -> u64 {
    let [value] = response.values(name)[..] else { panic!("{name} in {response:?}") };
    value.parse().expect("a number")
}

/// What a refusal for a rate of one in an hour, with that burst, says.
fn check_rate(response: &Response, burst: u64) {
    // An hour, less what the test itself has taken.
    assert!((3000..=3600).contains(&number(response, "retry-after")), "{response:?}");
    assert_eq!((number(response, "ratelimit-limit"), number(response, "ratelimit-remaining")), (burst, 0));
    assert!((3000..=3600 * burst).contains(&number(response, "ratelimit-reset")), "{response:?}");
}

fn limited(proxy: &Sidecar, route: &str, scope: &str) -> f64 {
    let labels = [format!(r#"route="{route}""#), format!(r#"scope="{scope}""#)];
    let labels: Vec<_> = labels.iter().map(String::as_str).collect();
    proxy.metrics().value("hookwarden_rate_limited_total", &labels)
}

#[test]
pub(crate) fn an_address_has_its_rate_whatever_it_sends_and_another_has_its_own() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).set("RATE_PER_SOURCE", "1/h burst 3").provider("github").start();
    proxy.check(&forged(), &denied("credential_invalid"));
    proxy.check(b"nonsense\r\n\r\n", &Outcome::of("malformed_request"));
    let mut client = proxy.client();
    proxy.exchange(&mut client, &sample(), &FORWARDED);
    let response = proxy.exchange(&mut client, &sample(), &Outcome::of("rate_limited"));
    assert!(response.closes());
    check_rate(&response, 3);
    // Not even a head is waited for.
    let mut slow = proxy.client();
    let response = slow.send(b"P").read();
    proxy.expect_answer(&response, &Outcome::of("rate_limited"));
    proxy.exchange(&mut Client::connect_from((OTHER, 0).into(), proxy.address()), &sample(), &FORWARDED);
    assert!((limited(&proxy, "-", "source") - 2.0).abs() < 0.5);
    assert!((proxy.metrics().value("hookwarden_rated_sources", &[]) - 2.0).abs() < 0.5);
    proxy.finish();
}

#[test]
fn a_route_has_its_rate_which_strangers_do_not_use_up_and_what_it_refuses_may_come_again() {
    let upstream = Upstream::start();
    let rate = [("RATE", "1/h burst 2")];
    let proxy = Sidecar::before(&upstream).provider_as("github", "github", &rate).provider("stripe").start();
    for _ in 0..4 {
        proxy.check(&forged(), &denied("credential_invalid"));
    }
    let first = sample();
    proxy.check(&first, &FORWARDED);
    proxy.check(&first, &denied("replayed"));
    proxy.check(&sample(), &FORWARDED);
    let refused = sample();
    for _ in 0..2 {
        // A claim that was kept would be in_flight now.
        check_rate(&proxy.check(&refused, &denied("rate_limited")), 2);
    }
    proxy.check(&Signer::new("stripe").sample().bytes(), &Outcome::forwarded("stripe"));
    assert!((limited(&proxy, "github", "route") - 2.0).abs() < 0.5);
    proxy.finish();
}

#[test]
fn each_credential_has_its_rate_and_a_route_that_refuses_gives_it_back() {
    let upstream = Upstream::start();
    let directory = tempfile::tempdir().expect("a directory");
    for (name, secret) in [("one", secret_of("github")), ("two", "another secret".to_owned())] {
        std::fs::write(directory.path().join(name), secret).expect("a file");
    }
    let rates = [("RATE_PER_CREDENTIAL", "1/h burst 1"), ("RATE", "1/h burst 2")];
    let proxy = Sidecar::before(&upstream)
        .provider_as("github", "github", &rates)
        .unset("ROUTE_GITHUB_SECRET")
        .set("ROUTE_GITHUB_SECRET_FILE", directory.path())
        .start();
    let other = Signer::new("github").secret("another secret");
    proxy.check(&sample(), &FORWARDED);
    proxy.check(&sample(), &denied("rate_limited"));
    proxy.check(&other.sample().bytes(), &FORWARDED);
    proxy.check(&other.sample().bytes(), &denied("rate_limited"));
    assert!((limited(&proxy, "github", "credential") - 2.0).abs() < 0.5);
    proxy.finish();
}

#[test]
fn a_route_that_monitors_forwards_what_its_rate_would_have_refused() {
    let upstream = Upstream::start();
    let fields = [("RATE", "1/h burst 1"), ("MODE", "monitor")];
    let proxy = Sidecar::before(&upstream).provider_as("github", "github", &fields).start();
    proxy.check(&sample(), &FORWARDED);
    proxy.check(&sample(), &Outcome::monitored("rate_limited", "github"));
    assert!((limited(&proxy, "github", "route") - 1.0).abs() < 0.5);
    proxy.finish();
}

/// One request to the admin port, with the token or without.
fn ask(proxy: &Sidecar, request: &str, token: bool) -> (u16, serde_json::Value) {
    let token = if token { "Authorization: Bearer opensesame\r\n" } else { "" };
    let mut client = Client::connect(proxy.admin());
    client.send(format!("{request} HTTP/1.1\r\nHost: admin.test\r\n{token}Connection: close\r\n\r\n").as_bytes());
    let response = client.read();
    (response.status, serde_json::from_slice(&response.body).unwrap_or_default())
}

#[test]
pub(crate) fn who_fails_too_often_is_locked_out_of_that_route_until_it_is_lifted() {
    let upstream = Upstream::start();
    let directory = tempfile::tempdir().expect("a directory");
    let token = directory.path().join("token");
    std::fs::write(&token, "opensesame").expect("a file");
    let proxy = Sidecar::before(&upstream)
        .set("LOCKOUT", "3/1h for 15m")
        .set("ADMIN_TOKEN_FILE", &token)
        .provider("github")
        .provider_as("exempt", "github", &[("LOCKOUT", "off")])
        .start();
    let exempt = |request: Vec<u8>| {
        let text = String::from_utf8(request).expect("text");
        text.replacen("/hooks/github", "/hooks/exempt", 1).into_bytes()
    };
    for _ in 0..2 {
        proxy.check(&forged(), &denied("credential_invalid"));
    }
    let stale = Request::post("/hooks/github", "{}").bytes();
    proxy.check(&stale, &denied("credential_missing"));
    let locked = proxy.check(&sample(), &denied("locked_out"));
    assert!((600..=900).contains(&number(&locked, "retry-after")), "{locked:?}");
    proxy.wait_for_log("locked out after repeated failures");
    // Another route, even with the same failures, and another address are not.
    for _ in 0..4 {
        proxy.check(&exempt(forged()), &Outcome::of("credential_invalid").on("exempt"));
    }
    proxy.check(&exempt(sample()), &Outcome::forwarded("exempt"));
    proxy.exchange(&mut Client::connect_from((OTHER, 0).into(), proxy.address()), &sample(), &FORWARDED);
    let metrics = proxy.metrics();
    assert!((metrics.value("hookwarden_locked_sources", &[]) - 1.0).abs() < 0.5);
    assert!((metrics.value("hookwarden_lockouts_total", &[]) - 1.0).abs() < 0.5);

    let here = "DELETE /lockouts/github/127.0.0.1";
    for (request, token, status) in [
        ("GET /lockouts", false, 401),
        (here, false, 401),
        ("DELETE /lockouts", false, 401),
        ("DELETE /lockouts/exempt/127.0.0.1", true, 404),
        ("DELETE /lockouts/nowhere/127.0.0.1", true, 404),
        ("DELETE /lockouts/github/127.0.0.2", true, 404),
        ("DELETE /lockouts/github/nobody", true, 400),
    ] {
        assert_eq!(ask(&proxy, request, token).0, status, "{request}");
    }
    let (status, listed) = ask(&proxy, "GET /lockouts", true);
    let lock = &listed["lockouts"][0];
    assert_eq!((status, &lock["source"], &lock["route"]), (200, &"127.0.0.1".into(), &"github".into()), "{listed}");
    proxy.check(&sample(), &denied("locked_out"));
    assert_eq!(ask(&proxy, here, true), (200, serde_json::json!({ "lifted": 1 })));
    proxy.check(&sample(), &FORWARDED);
    for _ in 0..3 {
        proxy.check(&forged(), &denied("credential_invalid"));
    }
    proxy.check(&sample(), &denied("locked_out"));
    assert_eq!(ask(&proxy, "DELETE /lockouts", true), (200, serde_json::json!({ "lifted": 1 })));
    proxy.check(&sample(), &FORWARDED);
    proxy.finish();
}

#[test]
fn locks_cannot_be_lifted_without_a_token_and_a_wrong_clock_locks_nobody_out() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).set("LOCKOUT", "1/1h for 15m").provider("stripe").start();
    let signer = Signer::new("stripe");
    for _ in 0..3 {
        let stale = signer.clone().earlier(std::time::Duration::from_secs(4000)).sample().bytes();
        proxy.check(&stale, &Outcome::of("timestamp_stale").on("stripe"));
    }
    proxy.check(&signer.sample().bytes(), &Outcome::forwarded("stripe"));
    assert_eq!(ask(&proxy, "GET /lockouts", false), (200, serde_json::json!({ "lockouts": [] })));
    assert_eq!(ask(&proxy, "DELETE /lockouts", false).0, 401);
    assert_eq!(ask(&proxy, "DELETE /lockouts", true).0, 401);
    proxy.finish();
}

#[test]
fn an_address_may_hold_so_many_connections() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).set("MAX_CONNECTIONS_PER_SOURCE", "2").provider("github").start();
    let mut held = [proxy.client(), proxy.client()];
    for client in &mut held {
        proxy.exchange(client, &sample(), &FORWARDED);
    }
    let mut third = proxy.client();
    let response = third.read();
    proxy.expect_answer(&response, &Outcome::of("overloaded"));
    third.half_close();
    third.expect_closed();
    proxy.exchange(&mut Client::connect_from((OTHER, 0).into(), proxy.address()), &sample(), &FORWARDED);
    proxy.finish();
}

#[test]
fn a_connection_serves_so_many_requests() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).set("MAX_REQUESTS_PER_CONNECTION", "2").provider("github").start();
    let mut client = proxy.client();
    assert!(!proxy.exchange(&mut client, &sample(), &FORWARDED).closes());
    assert!(proxy.exchange(&mut client, &sample(), &FORWARDED).closes());
    client.expect_closed();
    proxy.finish();
}

#[test]
fn when_connections_are_scarce_those_that_have_proven_nothing_give_way_the_oldest_first() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).set("MAX_CONNECTIONS", "20").provider("github").start();
    let mut proven = proxy.client();
    proxy.exchange(&mut proven, &sample(), &FORWARDED);
    // Each honest request comes over a connection of its own, after one more that says nothing.
    let mut strangers = Vec::new();
    for _ in 0..40 {
        strangers.push(proxy.client());
        proxy.check(&sample(), &FORWARDED);
    }
    strangers.drain(..20).for_each(|mut stranger| stranger.expect_closed());
    proxy.exchange(&mut proven, &sample(), &FORWARDED);
    let mut last = strangers.pop().expect("a stranger");
    proxy.exchange(&mut last, &sample(), &FORWARDED);
    assert!(proxy.metrics().value("hookwarden_connections_shed_total", &[]) >= 20.0);
    proxy.finish();
}

#[test]
fn what_is_unusual_is_recorded_counted_and_explained() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").start();
    // Twenty within five minutes by the clock, or four times as many as in the five minutes before, if they have just ended.
    for _ in 0..200 {
        proxy.check(&forged(), &denied("credential_invalid"));
        if !proxy.anomalies().is_empty() {
            break;
        }
    }
    for number in 0..40 {
        let unknown = Request::post(&format!("/guess/{number}"), "{}").bytes();
        proxy.check(&unknown, &Outcome::of("route_unknown"));
    }
    let told: Vec<_> = proxy.anomalies();
    let named = |index: usize, name: &str| told[index][name].as_str().map(str::to_owned);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!((named(0, "anomaly").as_deref(), named(0, "route").as_deref()), (Some("failure_burst"), Some("github")));
    assert_eq!((named(1, "anomaly").as_deref(), named(1, "source").as_deref()), (Some("probing"), Some("127.0.0.1")));
    for name in ["ts", "saw", "usual", "do"] {
        assert!(named(0, name).is_some_and(|text| !text.is_empty()), "{name} in {told:?}");
    }
    let metrics = proxy.metrics();
    let counted = |route: &str, kind: &str| {
        let labels = [format!(r#"route="{route}""#), format!(r#"kind="{kind}""#)];
        metrics.value("hookwarden_anomalies_total", &[&labels[0], &labels[1]])
    };
    for (route, kind, times) in [
        ("github", "failure_burst", 1.0),
        ("-", "probing", 1.0),
        ("github", "silence", 0.0),
        ("github", "probing", 0.0),
    ] {
        assert!((counted(route, kind) - times).abs() < 0.5, "{kind} on {route}");
    }
    proxy.finish();
}

#[test]
fn behind_a_trusted_proxy_each_sender_has_its_own_share_and_the_proxy_has_none() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream)
        .set("TRUSTED_PROXIES", "127.0.0.1")
        .set("RATE_PER_SOURCE", "1/h burst 3")
        .set("LOCKOUT", "2/1h for 15m")
        .set("MAX_CONNECTIONS_PER_SOURCE", "1")
        .provider("github")
        .start();
    let from = |sender: &str, body: Option<&str>| {
        let request = Signer::new("github").sample().with("X-Forwarded-For", sender);
        body.map_or(request.clone(), |body| request.body(body)).bytes()
    };
    let mut client = proxy.client();
    for _ in 0..2 {
        let response = proxy.exchange(&mut client, &from("192.0.2.1", Some("{}")), &denied("credential_invalid"));
        assert!(!response.closes(), "the proxy's connection carries others too");
    }
    proxy.exchange(&mut client, &from("192.0.2.1", None), &denied("locked_out"));
    let response = proxy.exchange(&mut client, &from("192.0.2.1", None), &Outcome::of("rate_limited"));
    assert!(!response.closes());
    proxy.exchange(&mut client, &from("192.0.2.2", None), &FORWARDED);
    // Who is not named is not counted, and a second connection of the proxy's is let in.
    let mut second = proxy.client();
    for _ in 0..5 {
        proxy.exchange(&mut second, &forged(), &denied("credential_invalid"));
    }
    proxy.exchange(&mut second, &sample(), &FORWARDED);
    proxy.finish();
}
