//! Storms while the server is away, slow or without memory: never twice with `deny`, never lost with `local`.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::harness::Upstream;
use crate::pod::Pod;
use crate::server::Server;
use crate::shared::pods;
use crate::storm::{Messages, UNAVAILABLE, step, wait_until_shared};

/// Messages of a storm with trouble in it: enough to be on the way while it happens.
const COUNT: usize = 1500;

type Step = fn(&mut Server);

/// A storm during which the server has some trouble and gets over it; then retries. Each message passes exactly once.
fn never_twice(begins: Step, ends: Step) {
    let (server, upstream) = (Mutex::new(Server::start()), Upstream::start());
    let url = server.lock().expect("a lock").url();
    let pods = pods(3, &upstream, &url, &[]);
    wait_until_shared(&pods);
    let messages = Messages::signed(COUNT);
    let take = |step: Step| step(&mut server.lock().expect("a lock"));
    let steps = &mut [(COUNT / 3, step(|| take(begins))), (2 * COUNT / 3, step(|| take(ends)))];
    let answers = messages.storm(&pods, steps);
    assert!(answers.of(UNAVAILABLE) > 0, "the trouble was noticed: {:?}", answers.reasons);
    let answers = messages.retry(&pods, answers);
    assert_eq!(messages.deliveries(&upstream), BTreeMap::from([(1, COUNT)]), "{:?}", answers.reasons);
    for pod in pods {
        assert!(pod.metric("hookwarden_replay_unconfirmed_claims_total") < 1.0);
        let records = pod.finish();
        assert!(records.iter().all(|record| record["decision"] != "forwarded" || record["claim"] == "shared"));
        assert!(records.iter().any(|record| record["reason"] == UNAVAILABLE));
    }
}

#[test]
fn never_twice_while_it_is_stopped_and_comes_back_without_memory() {
    never_twice(Server::stop, Server::start_again);
}

#[test]
fn never_twice_while_it_stands_still() {
    never_twice(|server| server.freeze(true), |server| server.freeze(false));
}

#[test]
fn never_twice_when_it_loses_its_memory() {
    never_twice(|server| server.run(&["FLUSHALL"]), |_| {});
}

#[test]
fn never_twice_when_it_loses_its_memory_and_scripts_again_and_again() {
    let flush: Step = |server| {
        let _: () = server.run(&["SCRIPT", "FLUSH"]);
        let _: () = server.run(&["FLUSHALL"]);
    };
    never_twice(flush, flush);
}

/// With `local` every message passes while the trouble lasts, and the records say which ones nobody else confirmed.
fn never_lost(begins: Step, ends: Step) {
    let (server, upstream) = (Mutex::new(Server::start()), Upstream::start());
    let url = server.lock().expect("a lock").url();
    let pods = pods(2, &upstream, &url, &[("REPLAY_UNAVAILABLE", "local")]);
    wait_until_shared(&pods);
    let messages = Messages::signed(COUNT);
    let take = |step: Step| step(&mut server.lock().expect("a lock"));
    let steps = &mut [(COUNT / 3, step(|| take(begins))), (2 * COUNT / 3, step(|| take(ends)))];
    let answers = messages.storm(&pods, steps);
    assert_eq!(answers.of(UNAVAILABLE), 0, "{:?}", answers.reasons);
    lost_nothing(pods, &messages, &upstream);
}

/// Every message passed, once a sidecar at most, and the records say which ones nobody else confirmed.
pub(crate) fn lost_nothing(pods: Vec<Pod>, messages: &Messages, upstream: &Upstream) {
    let deliveries = messages.deliveries(upstream);
    assert!(!deliveries.contains_key(&0), "lost: {deliveries:?}");
    assert!(deliveries.keys().all(|times| *times <= pods.len()), "once a sidecar at most: {deliveries:?}");
    for pod in pods {
        let unconfirmed = pod.metric("hookwarden_replay_unconfirmed_claims_total");
        let records = pod.finish();
        let of = |claim: &str| records.iter().filter(|record| record["claim"] == claim).count();
        assert!(of("shared") > 0 && of("local") > 0, "{} shared, {} local", of("shared"), of("local"));
        #[allow(clippy::cast_precision_loss, reason = "a small number")]
        let told = of("local") as f64;
        assert!((unconfirmed - told).abs() < 0.5, "{unconfirmed} counted, {told} recorded");
    }
}

#[test]
fn never_lost_while_it_is_stopped() {
    never_lost(Server::stop, Server::start_again);
}

#[test]
fn never_lost_while_it_stands_still() {
    never_lost(|server| server.freeze(true), |server| server.freeze(false));
}

#[test]
fn never_lost_when_it_loses_its_memory() {
    never_lost(|server| server.run(&["FLUSHALL"]), |_| {});
}
