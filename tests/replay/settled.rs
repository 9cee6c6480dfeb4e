//! When the server hears of a success: before its sender does, but no sender waits for long.

use crate::harness::{Client, Signer, Step, Upstream};
use crate::server::{Cluster, Server};
use crate::shared::pods;
use crate::storm::{reason, wait_until_shared};

const ACCEPTED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A sidecar is killed as soon as its sender has its 2xx. Another one knows at once, without waiting for any deadline.
fn known_to_others_at_once(url: &str) {
    let (upstream, signer) = (Upstream::start(), Signer::new("svix"));
    let pods = pods(2, &upstream, url, &[]);
    wait_until_shared(&pods);
    let signer = signer.earlier(std::time::Duration::from_secs(10));
    let message = |number: usize| signer.sign_with(&[("svix-id", &format!("msg_{number}"))], "{}").bytes();
    for number in 0..100 {
        assert_eq!(reason(&pods[0].send(&message(number))), "forwarded", "{number}");
        if number == 99 {
            pods[0].kill();
        }
        assert_eq!(reason(&pods[1].send(&message(number))), "replayed", "{number}");
    }
    let anew = Signer::new("svix").sign_with(&[("svix-id", "msg_99")], "{}").bytes();
    assert_eq!(reason(&pods[1].send(&anew)), "duplicate");
}

#[test]
fn who_had_its_2xx_is_known_to_others_at_once() {
    known_to_others_at_once(&Server::start().url());
}

#[test]
fn who_had_its_2xx_is_known_to_others_at_once_in_a_cluster() {
    known_to_others_at_once(&Cluster::start().url());
}

#[test]
fn a_server_that_stands_still_holds_no_answer_up() {
    let (server, signer) = (Server::start(), Signer::new("svix"));
    let upstream = Upstream::start();
    let pods_before = pods(2, &upstream, &server.url(), &[]);
    wait_until_shared(&pods_before);
    drop(pods_before);
    let holding = Upstream::scripted([vec![Step::Read, Step::Wait, Step::write(ACCEPTED)]]);
    let pods = pods(2, &holding, &server.url(), &[]);
    for pod in &pods {
        pod.wait_for_log("the shared replay store is in use");
    }
    let message = signer.sign_with(&[("svix-id", "held")], "{}").bytes();
    let mut sender = Client::connect(pods[0].address());
    sender.send(&message);
    holding.wait_for(1);
    server.freeze(true);
    holding.go();
    assert_eq!(sender.read().status, 200);
    assert!((pods[0].metric("hookwarden_replay_late_settlements_total") - 1.0).abs() < 0.5);
    server.freeze(false);
    // It is told as soon as it can be.
    let known = || reason(&pods[1].send(&message));
    let last =
        std::iter::repeat_with(known).find(|reason| reason != "in_flight" && reason != "replay_store_unavailable");
    assert_eq!(last.as_deref(), Some("replayed"));
}
