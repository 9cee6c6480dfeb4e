//! Nothing twice, nothing lost: the table of claims, row by row, and the races that it must survive.
//!
//! Svix signs an id (the event key) and the time: a retry of the same event is a new message with new signed bytes.

use std::collections::BTreeSet;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::harness::{ATTEMPTS, Builder, Client, OK, Outcome, Sidecar, Signer, Step, Upstream};

const FORWARDED: Outcome = Outcome { decision: "forwarded", reason: "forwarded", status: 200, route: Some("svix") };

fn svix(reason: &str) -> Outcome {
    Outcome::of(reason).on("svix")
}

fn before(upstream: &Upstream) -> Builder {
    Sidecar::before(upstream).provider("svix")
}

/// An event's first message, and the same event signed anew ten seconds later.
fn event(id: &str) -> (Vec<u8>, Vec<u8>) {
    let (now, body) = (Signer::new("svix"), r#"{"type":"a"}"#);
    let earlier = now.clone().earlier(Duration::from_secs(10));
    (earlier.sign_with(&[("svix-id", id)], body).bytes(), now.sign_with(&[("svix-id", id)], body).bytes())
}

/// A service that holds its first request back, answers it so, and later ones with 200.
fn holding(answer: &str) -> Upstream {
    Upstream::scripted([vec![Step::Read, Step::Wait, Step::write(answer)]])
}

const ACCEPTED: &str = "HTTP/1.1 204 No Content\r\n\r\n";
const FAILED: &str = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";

#[test]
fn no_claim_and_other_events_are_forwarded() {
    let upstream = Upstream::start();
    let proxy = before(&upstream).start();
    for id in ["msg_1", "msg_2"] {
        proxy.check(&event(id).0, &FORWARDED);
    }
    proxy.finish();
}

#[test]
pub(super) fn a_claim_that_is_done() {
    for (setting, same, anew) in [
        (None, "replayed", "duplicate"),
        (Some("ack"), "duplicate", "duplicate"),
        (Some("reject"), "replayed", "replayed"),
    ] {
        let upstream = Upstream::start();
        let fields: Vec<_> = setting.iter().map(|value| ("ON_DUPLICATE", *value)).collect();
        let proxy = Sidecar::before(&upstream).provider_as("svix", "svix", &fields).start();
        let (first, again) = event("msg_1");
        proxy.check(&first, &FORWARDED);
        for _ in 0..2 {
            proxy.check(&first, &svix(same));
            proxy.check(&again, &svix(anew));
        }
        // The message key is claimed before the event's, and must not stay so: else this would be in flight now.
        proxy.check(&again, &svix(anew));
        proxy.finish();
    }
}

#[test]
pub(super) fn a_claim_that_is_pending() {
    let upstream = holding(ACCEPTED);
    let proxy = before(&upstream).start();
    let (first, again) = event("msg_1");
    let mut sender = proxy.client();
    sender.send(&first);
    upstream.wait_for(1);
    for copy in [&first, &again, &first] {
        let response = proxy.check(copy, &svix("in_flight"));
        assert_eq!(response.values("retry-after"), ["1"]);
    }
    upstream.go();
    proxy.expect_answer(&sender.read(), &FORWARDED.status(204));
    proxy.check(&first, &svix("replayed"));
    proxy.check(&again, &svix("duplicate"));
    proxy.finish();
}

#[test]
fn a_claim_that_was_released_after_others_had_to_wait() {
    let upstream = holding(FAILED);
    let proxy = before(&upstream).start();
    let (first, again) = event("msg_1");
    let mut sender = proxy.client();
    sender.send(&first);
    upstream.wait_for(1);
    proxy.check(&again, &svix("in_flight"));
    upstream.go();
    proxy.expect_answer(&sender.read(), &FORWARDED.status(500));
    proxy.check(&again, &FORWARDED);
    proxy.check(&first, &svix("duplicate"));
    proxy.finish();
}

#[test]
fn a_claim_is_released_by_whatever_is_no_success() {
    let answer =
        |status: &str| vec![Step::Read, Step::write(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"))];
    let failures = [
        (answer("300 Multiple Choices"), FORWARDED.status(300)),
        (answer("301 Moved Permanently"), FORWARDED.status(301)),
        (answer("404 Not Found"), FORWARDED.status(404)),
        (answer("409 Conflict"), FORWARDED.status(409)),
        (answer("429 Too Many Requests"), FORWARDED.status(429)),
        (answer("500 Internal Server Error"), FORWARDED.status(500)),
        (answer("503 Service Unavailable"), FORWARDED.status(503)),
        (vec![], svix("upstream_unreachable")),
        (vec![Step::Read], svix("upstream_unreachable")),
        (vec![Step::Read, Step::Reset], svix("upstream_unreachable")),
        (vec![Step::Read, Step::write("nonsense\r\n\r\n")], svix("upstream_invalid_response")),
        (vec![Step::Read, Step::Wait], svix("upstream_timeout")),
    ];
    for (script, outcome) in failures {
        for anew in [false, true] {
            let upstream = Upstream::scripted([script.clone()]);
            let times_out = outcome.reason == "upstream_timeout";
            // Short only where it is waited for.
            let proxy = if times_out { before(&upstream).set("UPSTREAM_TIMEOUT", "1s") } else { before(&upstream) };
            let proxy = proxy.start();
            let (first, again) = event("msg_1");
            proxy.check(&first, &outcome);
            let next = if anew { &again } else { &first };
            // A service that is too slow once more, by accident, releases it once more.
            let passes = (0..ATTEMPTS).any(|_| {
                let mut client = proxy.client();
                let response = client.send(next).read();
                let late = times_out && response.status == 504;
                proxy.expect_answer(&response, if late { &outcome } else { &FORWARDED });
                !late
            });
            assert!(passes);
            proxy.check(next, &svix("replayed"));
            upstream.go();
            proxy.finish();
        }
    }
}

#[test]
fn a_claim_is_released_by_a_later_gate() {
    let upstream = holding(ACCEPTED);
    let proxy = before(&upstream).set("MAX_IN_FLIGHT", "1").start();
    let (held, refused) = (event("msg_1").0, event("msg_2").0);
    let mut sender = proxy.client();
    sender.send(&held);
    upstream.wait_for(1);
    for _ in 0..2 {
        let response = proxy.check(&refused, &svix("overloaded"));
        assert_eq!(response.values("retry-after"), ["1"]);
    }
    upstream.go();
    proxy.expect_answer(&sender.read(), &FORWARDED.status(204));
    proxy.check(&refused, &FORWARDED);
    proxy.finish();
}

#[test]
fn without_claims_everything_is_forwarded_again() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider_as("svix", "svix", &[("REPLAY", "off")]).start();
    let (first, again) = event("msg_1");
    for message in [&first, &first, &again] {
        proxy.check(message, &FORWARDED);
    }
    proxy.finish();
}

#[test]
fn an_id_that_is_not_signed_claims_nothing() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").start();
    let (signer, forwarded) = (Signer::new("github"), Outcome::forwarded("github"));
    let request = signer.sample().with("X-GitHub-Delivery", "1");
    let mut client = proxy.client();
    client.send(&request.bytes());
    let record = proxy.expect_answer(&client.read(), &forwarded);
    assert_eq!(record.text("delivery_id"), "1");
    // Another id does not make the same bytes new, and the same id does not make other bytes old.
    proxy.check(&request.set("X-GitHub-Delivery", "2").bytes(), &Outcome::of("replayed").on("github"));
    proxy.check(&signer.sample().with("X-GitHub-Delivery", "1").bytes(), &forwarded);
    proxy.finish();
}

#[test]
fn another_route_with_the_same_key_does_not_make_a_message_new() {
    let upstream = Upstream::start();
    let proxy = before(&upstream).provider_as("other", "svix", &[]).start();
    let to_other = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("/hooks/svix", "/hooks/other").into_bytes();
    let (first, again) = event("msg_1");
    proxy.check(&first, &FORWARDED);
    proxy.check(&to_other(&first), &Outcome::of("replayed").on("other"));
    // Two senders may well use the same ids: an event is one of its route alone.
    proxy.check(&to_other(&again), &Outcome::forwarded("other"));
    proxy.finish();
}

#[test]
fn of_many_copies_at_once_one_is_delivered() {
    const COPIES: usize = 24;
    let upstream = holding(ACCEPTED);
    let proxy = before(&upstream).set("WORKERS", "2").start();
    let (first, again) = event("msg_1");
    let (sender, answers) = channel();
    thread::scope(|scope| {
        for copy in 0..COPIES {
            let (sender, address) = (sender.clone(), proxy.address());
            let bytes = if copy % 2 == 0 { &first } else { &again };
            let work = move || sender.send(Client::connect(address).send(bytes).read());
            thread::Builder::new().spawn_scoped(scope, work).unwrap();
        }
        // All others are told to wait while the one is on its way, however they race.
        let refused: Vec<_> = answers.iter().take(COPIES - 1).collect();
        let told: BTreeSet<_> = refused.iter().map(|answer| answer.problem()["request_id"].to_string()).collect();
        let records = proxy.expect_all(&[svix("in_flight"); COPIES - 1]);
        let recorded = records.iter().map(|record| record.value()["request_id"].to_string()).collect();
        assert_eq!(told, recorded);
        upstream.go();
        proxy.expect_answer(&answers.recv().unwrap(), &FORWARDED.status(204));
    });
    assert_eq!(upstream.received().len(), 1);
    proxy.finish();
}

#[test]
fn a_sender_that_hangs_up_does_not_undo_a_delivery() {
    for resets in [false, true] {
        let upstream = holding(ACCEPTED);
        let proxy = before(&upstream).start();
        let (first, again) = event("msg_1");
        let mut sender = proxy.client();
        sender.send(&first);
        upstream.wait_for(1);
        if resets {
            sender.reset();
        } else {
            drop(sender);
        }
        proxy.check(&first, &svix("in_flight"));
        upstream.go();
        proxy.expect(&FORWARDED.status(204));
        proxy.check(&first, &svix("replayed"));
        proxy.check(&again, &svix("duplicate"));
        proxy.finish();
    }
}

#[test]
fn a_sender_that_hangs_up_does_not_hide_a_failure() {
    let upstream = holding(FAILED);
    let proxy = before(&upstream).start();
    let (first, _) = event("msg_1");
    let mut sender = proxy.client();
    sender.send(&first);
    upstream.wait_for(1);
    drop(sender);
    upstream.go();
    proxy.expect(&FORWARDED.status(500));
    proxy.check(&first, &FORWARDED);
    proxy.finish();
}

#[test]
fn a_sender_that_only_ends_its_side_still_hears_the_answer() {
    let upstream = Upstream::answering(OK);
    let proxy = before(&upstream).start();
    let mut sender = proxy.client();
    sender.send(&event("msg_1").0).half_close();
    proxy.expect_answer(&sender.read(), &FORWARDED);
    sender.expect_closed();
    proxy.finish();
}
