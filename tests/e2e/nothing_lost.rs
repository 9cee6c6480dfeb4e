//! Nothing is lost and nothing is delivered twice: not by a failing service, a sender that hangs up, or a stop.

use std::net::SocketAddr;

use rustix::process::Signal;

use super::harness::{Client, OK, Outcome, Sidecar, Signer, Step, Upstream};

const FORWARDED: Outcome = Outcome { decision: "forwarded", reason: "forwarded", status: 200, route: Some("github") };

fn denied(code: &str) -> Outcome {
    Outcome::of(code).on("github")
}

fn sample() -> Vec<u8> {
    Signer::new("github").sample().bytes()
}

fn answering(status: u16) -> Step {
    Step::write(format!("HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n\r\n"))
}

/// A service that holds its first request until it is told to go on, and then accepts it.
fn holding() -> Upstream {
    Upstream::scripted([vec![Step::Read, Step::Wait, Step::write(OK)]])
}

/// A client whose request the service holds.
fn held(upstream: &Upstream, proxy: &Sidecar) -> Client {
    let mut client = proxy.client();
    client.send(&sample());
    upstream.wait_for(1);
    client
}

#[test]
fn what_the_service_did_not_accept_may_come_again_and_what_it_did_may_not() {
    let (again, done) = ([300, 301, 304, 400, 401, 404, 409, 410, 429, 500, 503, 599], [200, 201, 202, 204, 299]);
    let script = |status: &u16| [vec![Step::Read, answering(*status)], vec![Step::Read, answering(200)]];
    let scripts = again.iter().flat_map(script).chain(done.iter().map(|status| vec![Step::Read, answering(*status)]));
    let upstream = Upstream::scripted(scripts);
    let proxy = Sidecar::before(&upstream).provider("github").start();
    let mut client = proxy.client();
    let mut exchange = |request: &[u8], outcome: Outcome| {
        proxy.exchange(&mut client, request, &outcome);
        upstream.wait_idle();
    };
    for status in again {
        let request = sample();
        exchange(&request, FORWARDED.status(status));
        exchange(&request, FORWARDED);
        exchange(&request, denied("replayed"));
    }
    for status in done {
        let request = sample();
        exchange(&request, FORWARDED.status(status));
        exchange(&request, denied("replayed"));
    }
    proxy.finish();
}

#[test]
fn what_came_while_the_service_was_down_is_delivered_once_it_is_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let (here, away) = (directory.path().join("app.sock"), directory.path().join("app.away"));
    let upstream = Upstream::at_unix(&here, []);
    let proxy = Sidecar::before(&upstream).provider("github").start();
    let requests = [sample(), sample(), sample()];
    std::fs::rename(&here, &away).expect("a socket that moves");
    for request in &requests {
        proxy.check(request, &denied("upstream_unreachable"));
        proxy.check(request, &denied("upstream_unreachable"));
    }
    std::fs::rename(&away, &here).expect("a socket that moves back");
    for request in &requests {
        proxy.check(request, &FORWARDED);
        proxy.check(request, &denied("replayed"));
    }
    assert_eq!(upstream.received().len(), requests.len());
    proxy.finish();
}

#[test]
fn a_request_that_broke_off_may_come_again() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).provider("github").start();
    let request = Signer::new("github").sample();
    for (whole, outcome) in [(request.bytes(), "body_incomplete"), (request.chunked(6), "body_incomplete")] {
        let mut client = proxy.client();
        client.send(&whole[..whole.len() - 3]).half_close();
        let response = client.read();
        client.expect_closed();
        proxy.expect_answer(&response, &denied(outcome));
    }
    let mut vanishing = proxy.client();
    vanishing.send(&request.bytes()[..request.bytes().len() - 3]);
    vanishing.reset();
    proxy.expect(&denied("body_incomplete"));
    proxy.check(&request.bytes(), &FORWARDED);
    proxy.finish();
}

/// How a sender leaves.
#[derive(Debug, Clone, Copy)]
enum Leaving {
    Close,
    Reset,
}

#[test]
fn a_sender_that_hangs_up_changes_nothing_for_its_claim() {
    for (leaving, status, next) in [
        (Leaving::Close, 200, denied("replayed")),
        (Leaving::Reset, 200, denied("replayed")),
        (Leaving::Close, 503, FORWARDED),
        (Leaving::Reset, 503, FORWARDED),
    ] {
        let upstream = Upstream::scripted([vec![Step::Read, Step::Wait, answering(status)]]);
        let proxy = Sidecar::before(&upstream).provider("github").start();
        let (request, mut client) = (sample(), proxy.client());
        client.send(&request);
        upstream.wait_for(1);
        match leaving {
            Leaving::Close => drop(client),
            Leaving::Reset => client.reset(),
        }
        // Meanwhile its outcome is not known: a retry must wait.
        let response = proxy.check(&request, &denied("in_flight"));
        assert_eq!(response.values("retry-after"), ["1"]);
        upstream.go();
        proxy.expect(&FORWARDED.status(status));
        proxy.check(&request, &next);
        proxy.finish();
    }
}

#[test]
fn a_sender_that_only_stops_sending_gets_its_answer() {
    let upstream = holding();
    let proxy = Sidecar::before(&upstream).provider("github").start();
    let mut client = held(&upstream, &proxy);
    client.half_close();
    upstream.go();
    let response = client.read();
    proxy.expect_answer(&response, &FORWARDED);
    client.expect_closed();
    proxy.finish();
}

#[test]
fn at_a_stop_idle_connections_close_and_exchanges_end_well() {
    let upstream = holding();
    let proxy = Sidecar::before(&upstream).provider("github").start();
    let mut busy = held(&upstream, &proxy);
    let (mut served, mut silent) = (proxy.client(), proxy.client());
    proxy.exchange(&mut served, &sample(), &FORWARDED);
    let rest = sample();
    let mut begun = proxy.client();
    begun.send(&rest[..20]);
    proxy.terminate();
    served.expect_closed();
    silent.expect_closed();
    // A request that has begun is taken to its end.
    let response = begun.send(&rest[20..]).read();
    assert!(response.closes(), "{response:?}");
    begun.expect_closed();
    proxy.expect_answer(&response, &FORWARDED);
    assert!(Client::try_connect(proxy.address()).is_err(), "the door is closed");

    upstream.go();
    let response = busy.read();
    assert_eq!((response.status, response.closes()), (200, true));
    busy.expect_closed();
    proxy.join_with(&[FORWARDED]);
}

#[test]
fn what_waits_at_the_door_when_the_stop_comes_is_served() {
    const SENDERS: usize = 8;
    for workers in ["1", "2"] {
        let upstream = Upstream::start();
        let proxy = Sidecar::before(&upstream).set("WORKERS", workers).provider("github").start();
        let mut kept: Vec<_> = (0..SENDERS).map(|_| proxy.client()).collect();
        for client in &mut kept {
            proxy.exchange(client, &sample(), &FORWARDED);
        }
        // While it is held, requests gather in its sockets, and connections before its door.
        proxy.signal(Signal::STOP);
        let mut clients: Vec<_> = kept.into_iter().chain((0..SENDERS).map(|_| proxy.client())).collect();
        for client in &mut clients {
            client.send(&sample());
        }
        proxy.terminate();
        proxy.signal(Signal::CONT);
        for client in &mut clients {
            assert_eq!(client.read().status, 200);
            client.expect_closed();
        }
        proxy.join_with(&[FORWARDED; 2 * SENDERS]);
    }
}

#[test]
fn during_the_drain_delay_webhooks_are_still_served_while_load_balancers_are_told() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).set("DRAIN_DELAY", "1h").provider("github").start();
    assert_eq!(proxy.ask_admin("/readyz").status, 200);
    proxy.terminate();
    proxy.wait_for_log("draining");
    for (path, status) in [("/readyz", 503), ("/healthz", 200), ("/startupz", 200)] {
        assert_eq!(proxy.ask_admin(path).status, status, "{path}");
    }
    let mut client = proxy.client();
    let response = proxy.exchange(&mut client, &sample(), &FORWARDED);
    assert!(!response.closes());
    // A second signal ends the delay.
    proxy.terminate();
    client.expect_closed();
    proxy.join();
}

#[test]
fn when_the_grace_is_over_the_sender_is_told_so() {
    let upstream = holding();
    let proxy = Sidecar::before(&upstream).set("SHUTDOWN_GRACE", "200ms").provider("github").start();
    let mut client = held(&upstream, &proxy);
    proxy.terminate();
    let response = client.read();
    assert_eq!((response.status, response.closes()), (504, true));
    assert_eq!(response.problem()["reason"], "upstream_timeout");
    client.expect_closed();
    upstream.go();
    proxy.join_with(&[denied("upstream_timeout")]);
}

#[test]
fn a_second_signal_ends_the_grace() {
    let upstream = holding();
    let proxy = Sidecar::before(&upstream).set("SHUTDOWN_GRACE", "1h").provider("github").start();
    let (mut idle, mut client) = (proxy.client(), held(&upstream, &proxy));
    proxy.terminate();
    // Its end tells that the delay is over and the grace has begun.
    idle.expect_closed();
    proxy.terminate();
    assert_eq!(client.read().status, 504);
    upstream.go();
    proxy.join_with(&[denied("upstream_timeout")]);
}

#[test]
fn a_body_that_is_still_coming_when_the_grace_is_over_is_refused() {
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream).set("SHUTDOWN_GRACE", "200ms").provider("github").start();
    let request = Signer::new("github").sample();
    let length = request.body.len().to_string();
    let mut client = proxy.client();
    let head = request.with("Expect", "100-continue").with("Content-Length", &length).head();
    assert_eq!(client.send(&head).read().status, 100);
    proxy.terminate();
    let response = client.read();
    assert_eq!((response.status, response.closes()), (503, true));
    assert_eq!(response.problem()["reason"], "overloaded");
    proxy.join_with(&[denied("overloaded")]);
}

/// Sends webhooks until the sidecar takes no more; gives each one's id, and the status that came back.
fn send_until_refused(address: SocketAddr, sender: usize) -> Vec<(String, Option<u16>)> {
    let mut sent = Vec::new();
    let mut kept = None;
    for number in 0.. {
        let Some(mut client) = kept.take().or_else(|| Client::try_connect(address).ok()) else { break };
        let id = format!("{sender}-{number}");
        let request = Signer::new("github").sample().with("X-GitHub-Delivery", &id);
        let _ = client.offer(&request.bytes());
        let response = client.read_if_any();
        let status = response.as_ref().map(|response| response.status);
        sent.push((id, status));
        match response {
            // Some senders keep their connections, and some do not.
            Some(response) if sender.is_multiple_of(2) && !response.closes() => kept = Some(client),
            Some(_) => {}
            None => break,
        }
    }
    sent
}

#[test]
fn a_stop_in_the_middle_of_traffic_loses_nothing_and_delivers_nothing_unsaid() {
    const SENDERS: usize = 16;
    // One exchange is held, so that the metrics of all others can still be asked for.
    let upstream = holding();
    let proxy = Sidecar::before(&upstream).set("WORKERS", "2").provider("github").start();
    let mut busy = held(&upstream, &proxy);
    let address = proxy.address();
    let sent: Vec<_> = std::thread::scope(|scope| {
        let senders: Vec<_> =
            (0..SENDERS).map(|sender| scope.spawn(move || send_until_refused(address, sender))).collect();
        upstream.wait_for(4 * SENDERS);
        proxy.terminate();
        senders.into_iter().flat_map(|sender| sender.join().expect("a sender that ends")).collect()
    });
    let received = upstream.received();
    for (id, status) in &sent {
        let deliveries = received.iter().filter(|request| request.values("x-github-delivery") == [&id[..]]).count();
        match status {
            Some(200) => assert_eq!(deliveries, 1, "webhook {id} was acknowledged"),
            Some(503) | None => assert_eq!(deliveries, 0, "webhook {id} was not acknowledged: {status:?}"),
            Some(other) => panic!("webhook {id} was answered with {other}"),
        }
    }
    let outcome = |status: u16| if status == 200 { FORWARDED } else { Outcome::of("overloaded") };
    let outcomes: Vec<_> = sent.iter().filter_map(|(_, status)| status.map(outcome)).collect();
    assert!(outcomes.len() >= 4 * SENDERS - 1);
    proxy.expect_all(&outcomes);
    upstream.go();
    assert_eq!(busy.read().status, 200);
    proxy.join_with(&[FORWARDED]);
}
