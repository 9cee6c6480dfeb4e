//! When the server hears of a success: before its sender does, but no sender waits for long.

use crate::harness::{GUARD, Signer, Step, Upstream};
use crate::server::{Cluster, Server};
use crate::shared::pods;
use crate::storm::{held, reason, settled, told, wait_until_shared};

const ACCEPTED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A sidecar is killed as soon as its sender has its 2xx. Another one knows at once, without waiting for any deadline.
fn known_to_others_at_once(url: &str) {
    let (upstream, signer) = (Upstream::start(), Signer::new("svix"));
    let pods = pods(2, &upstream, url, &[]);
    wait_until_shared(&pods);
    let signer = signer.earlier(std::time::Duration::from_secs(10));
    let message = |number: usize| signer.sign_with(&[("svix-id", &format!("msg_{number}"))], "{}").bytes();
    let late = || pods[0].metric("hookwarden_replay_late_settlements_total");
    for number in 0.. {
        let before = late();
        assert_eq!(settled(&pods[0], &message(number)), "forwarded", "{number}");
        // Unless the server was so slow that its sender was not kept waiting for it: a busy machine can make it so.
        let in_time = (late() - before).abs() < 0.5;
        let is_last = number >= 99 && in_time;
        if is_last {
            pods[0].kill();
        }
        let known =
            if in_time { reason(&told(&pods[1], &message(number))) } else { settled(&pods[1], &message(number)) };
        assert_eq!(known, "replayed", "{number}");
        if is_last {
            let anew = Signer::new("svix").sign_with(&[("svix-id", &format!("msg_{number}"))], "{}").bytes();
            assert_eq!(reason(&told(&pods[1], &anew)), "duplicate");
            return;
        }
    }
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
    let sender = held(&pods[0], &message, &holding);
    server.freeze(true);
    holding.go();
    assert_eq!(sender.recv_timeout(GUARD).expect("an answer").status, 200);
    assert!((pods[0].metric("hookwarden_replay_late_settlements_total") - 1.0).abs() < 0.5);
    server.freeze(false);
    // It is told as soon as it can be.
    assert_eq!(settled(&pods[1], &message), "replayed");
}
