//! A Cluster whose node loses what it had answered: it is killed before its replica has it, or comes back with an old disk.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::harness::Upstream;
use crate::pod::Pod;
use crate::server::{Cluster, Server};
use crate::shared::pods;
use crate::storm::{Answers, Messages, UNAVAILABLE, settled, step, wait_until_shared};

const COUNT: usize = 1000;

/// What is there after a storm in the middle of which a master was killed.
struct Aftermath {
    upstream: Upstream,
    pods: Vec<Pod>,
    messages: Messages,
    answers: Answers,
    /// What is left of it.
    _nodes: (Cluster, Server),
}

/// The master's replica hears nothing any more from a quarter on, so it has missed a quarter of all claims for certain when
/// it takes the master's place.
fn storm_with_failover(settings: &[(&str, &str)]) -> Aftermath {
    let (mut cluster, upstream) = (Cluster::of("redis-server", 1, &[]), Upstream::start());
    let pods = pods(3, &upstream, &cluster.url(), settings);
    wait_until_shared(&pods);
    let messages = Messages::signed(COUNT);
    let replica = cluster.replicas.remove(0);
    let master = Mutex::new(cluster.masters.remove(0));
    let cut_off = || master.lock().expect("a lock").cut_off_replicas();
    let kill = || master.lock().expect("a lock").stop();
    let answers = messages.storm(&pods, &mut [(COUNT / 4, step(cut_off)), (COUNT / 2, step(kill))]);
    replica.wait_until(&["INFO", "replication"], |info| info.contains("role:master"));
    let answers = messages.retry(&pods, answers);
    Aftermath { upstream, pods, messages, answers, _nodes: (cluster, replica) }
}

#[test]
fn never_twice_when_a_master_is_killed_and_its_replica_had_not_heard_all() {
    let Aftermath { upstream, pods, messages, answers, _nodes } = storm_with_failover(&[]);
    assert!(answers.of(UNAVAILABLE) > 0, "the trouble was noticed: {:?}", answers.reasons);
    assert_eq!(messages.deliveries(&upstream), BTreeMap::from([(1, COUNT)]), "{:?}", answers.reasons);
    // What the dead master had taken and its replica had not is there by now: every sidecar knows of every message.
    everybody_knows(&pods, &messages);
    for pod in pods {
        let records = pod.finish();
        assert!(records.iter().all(|record| record["decision"] != "forwarded" || record["claim"] == "shared"));
    }
}

/// A replica that takes over within milliseconds: no sidecar has looked meanwhile, and the client finds the new master by
/// itself. So the claims that it makes there must notice.
#[test]
fn never_twice_when_a_replica_takes_over_before_anybody_has_looked() {
    let (mut cluster, upstream) = (Cluster::of("redis-server", 1, &[]), Upstream::start());
    let pods = pods(2, &upstream, &cluster.url(), &[]);
    wait_until_shared(&pods);
    let messages = Messages::signed(150);
    let (mut master, replica) = (cluster.masters.remove(0), &cluster.replicas[0]);
    master.cut_off_replicas();
    assert!(messages.each().all(|message| settled(&pods[0], message) == "forwarded"));
    master.stop();
    let _: () = replica.run(&["CLUSTER", "FAILOVER", "TAKEOVER"]);
    everybody_knows(&pods[1..], &messages);
    assert_eq!(messages.deliveries(&upstream), BTreeMap::from([(1, 150)]));
}

#[test]
fn never_lost_when_a_master_is_killed() {
    let Aftermath { upstream, pods, messages, answers, _nodes } =
        storm_with_failover(&[("REPLAY_UNAVAILABLE", "local")]);
    assert_eq!(answers.of(UNAVAILABLE), 0, "{:?}", answers.reasons);
    crate::troubles::lost_nothing(pods, &messages, &upstream);
}

#[test]
fn never_twice_when_a_node_comes_back_with_an_old_disk() {
    let (mut cluster, upstream) = (Cluster::start(), Upstream::start());
    let pods = pods(2, &upstream, &cluster.url(), &[]);
    wait_until_shared(&pods);
    let messages = Messages::signed(COUNT);
    let node = Mutex::new(cluster.masters.remove(1));
    let save = || node.lock().expect("a lock").run::<()>(&["SAVE"]);
    let start_again = || node.lock().expect("a lock").start_again();
    let answers = messages.storm(&pods, &mut [(COUNT / 4, step(save)), (COUNT / 2, step(start_again))]);
    let answers = messages.retry(&pods, answers);
    assert_eq!(messages.deliveries(&upstream), BTreeMap::from([(1, COUNT)]), "{:?}", answers.reasons);
    everybody_knows(&pods, &messages);
    assert_eq!(messages.deliveries(&upstream), BTreeMap::from([(1, COUNT)]));
}

/// Each message once more at each sidecar: what one of them accepted is done for all, wherever it was lost.
fn everybody_knows(pods: &[Pod], messages: &Messages) {
    for message in messages.each() {
        assert!(pods.iter().all(|pod| settled(pod, message) == "replayed"));
    }
}
