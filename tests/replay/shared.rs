//! The table of claims over several sidecars, and storms while all is well.

use std::collections::BTreeMap;

use crate::harness::{GUARD, Signer, Step, Upstream};
use crate::pod::Pod;
use crate::server::Server;
use crate::storm::{COPIES, Messages, UNAVAILABLE, held, reason, settled, told, wait_until_shared};

const FAILED: &str = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";

/// That many sidecars before one service, with claims shared at that URL.
pub(crate) fn pods(count: usize, upstream: &Upstream, url: &str, settings: &[(&str, &str)]) -> Vec<Pod> {
    let settings: Vec<_> = [("REPLAY_URL", url)].into_iter().chain(settings.iter().copied()).collect();
    (0..count).map(|_| Pod::before(upstream, &settings)).collect()
}

#[test]
fn the_table_over_two_sidecars() {
    let (server, signer) = (Server::start(), Signer::new("svix"));
    let script = |answer: &str| vec![Step::Read, Step::Wait, Step::write(answer)];
    let upstream = Upstream::start();
    let pods = pods(2, &upstream, &server.url(), &[]);
    wait_until_shared(&pods);
    let earlier = signer.clone().earlier(std::time::Duration::from_secs(10));
    let message = |id: &str| signer.sign_with(&[("svix-id", id)], "{}").bytes();
    let anew = |id: &str| earlier.sign_with(&[("svix-id", id)], "{}").bytes();

    assert_eq!(settled(&pods[0], &message("done")), "forwarded");
    assert_eq!(settled(&pods[1], &message("done")), "replayed");
    assert_eq!(settled(&pods[1], &anew("done")), "duplicate");
    drop(pods);

    let holding = Upstream::scripted([script(FAILED)]);
    let pods = self::pods(2, &holding, &server.url(), &[]);
    for pod in &pods {
        pod.wait_for_log("the shared replay store is in use");
    }
    let sender = held(&pods[0], &message("failed"), &holding);
    for copy in [message("failed"), anew("failed")] {
        let answer = told(&pods[1], &copy);
        assert_eq!((reason(&answer).as_str(), answer.values("retry-after").concat().as_str()), ("in_flight", "1"));
    }
    holding.go();
    assert_eq!(sender.recv_timeout(GUARD).expect("an answer").status, 500);
    // Whoever was told of the failure finds the way free, at every sidecar.
    assert_eq!(settled(&pods[1], &message("failed")), "forwarded");
}

#[test]
fn in_a_storm_over_three_sidecars_each_message_passes_once() {
    let (server, upstream) = (Server::start(), Upstream::start());
    let pods = pods(3, &upstream, &server.url(), &[]);
    wait_until_shared(&pods);
    let messages = Messages::signed(10_000);
    // A machine that is busy elsewhere can make the server too slow for a claim: then its sender sends again.
    let answers = messages.retry(&pods, messages.storm(&pods, &mut []));
    assert_eq!(answers.of("forwarded"), 10_000, "{:?}", answers.reasons);
    let refused = ["replayed", "in_flight", UNAVAILABLE].map(|reason| answers.of(reason)).iter().sum::<usize>();
    assert!(refused >= (COPIES - 1) * 10_000, "{:?}", answers.reasons);
    assert_eq!(answers.reasons.values().sum::<usize>(), 10_000 + refused, "{:?}", answers.reasons);
    assert_eq!(messages.deliveries(&upstream), BTreeMap::from([(1, 10_000)]));
    for pod in pods {
        let records = pod.finish();
        let forwarded = records.iter().filter(|record| record["decision"] == "forwarded");
        assert!(forwarded.clone().count() > 1000 && forwarded.into_iter().all(|record| record["claim"] == "shared"));
    }
}

#[test]
fn what_this_sidecar_knows_is_answered_without_the_server() {
    let (mut server, upstream) = (Server::start(), Upstream::start());
    let pods = pods(2, &upstream, &server.url(), &[]);
    wait_until_shared(&pods);
    let message = Signer::new("svix").sign_with(&[("svix-id", "known")], "{}").bytes();
    assert_eq!(settled(&pods[0], &message), "forwarded");
    assert_eq!(settled(&pods[1], &message), "replayed");
    server.stop();
    for pod in &pods {
        assert_eq!(reason(&pod.send(&message)), "replayed");
    }
    let new = Signer::new("svix").sign_with(&[("svix-id", "new")], "{}").bytes();
    let answer = pods[0].send(&new);
    assert_eq!((reason(&answer).as_str(), answer.status), (UNAVAILABLE, 503));
    assert_eq!(answer.values("retry-after"), ["1"]);
    assert_eq!(pods[0].ask_admin("/readyz").status, 200, "an outage of the store is none of the sidecar's");
}

#[test]
fn every_key_has_the_prefix_and_a_time_to_live() {
    let (server, upstream) = (Server::start(), Upstream::start());
    let pods = pods(1, &upstream, &server.url(), &[]);
    wait_until_shared(&pods);
    let messages = Messages::signed(20);
    messages.retry(&pods, messages.storm(&pods, &mut []));
    drop(pods);
    let mut connection = server.connection();
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(&mut connection).expect("keys");
    assert!(keys.len() > 40, "a message key and an event key each: {}", keys.len());
    for key in keys {
        assert!(key.starts_with(b"hookwarden:{0}"), "{}", String::from_utf8_lossy(&key));
        let left: i64 = redis::cmd("PTTL").arg(&key).query(&mut connection).expect("a time");
        assert!(left > 0, "{}", String::from_utf8_lossy(&key));
    }
}
