//! The same on Valkey: what its scripts say, alone and as a Cluster that loses a master.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::harness::Upstream;
use crate::server::{Cluster, Server, valkey};
use crate::shared::pods;
use crate::storm::{Messages, step, wait_until_shared};

const COUNT: usize = 1000;

#[test]
fn never_twice_on_valkey_when_it_loses_its_memory() {
    let (server, upstream) = (Server::of(&valkey(), |_, _| Vec::new()), Upstream::start());
    assert!(server.run::<String>(&["INFO", "server"]).contains("server_name:valkey"));
    let pods = pods(2, &upstream, &server.url(), &[]);
    wait_until_shared(&pods);
    let messages = Messages::signed(COUNT);
    let answers = messages.storm(&pods, &mut [(COUNT / 2, step(|| server.run::<()>(&["FLUSHALL"])))]);
    let answers = messages.retry(&pods, answers);
    assert_eq!(messages.deliveries(&upstream), BTreeMap::from([(1, COUNT)]), "{:?}", answers.reasons);
}

#[test]
fn never_twice_on_a_cluster_of_valkey_when_a_master_is_killed() {
    let (mut cluster, upstream) = (Cluster::of(&valkey(), 1, &[]), Upstream::start());
    let pods = pods(2, &upstream, &cluster.url(), &[]);
    wait_until_shared(&pods);
    let messages = Messages::signed(COUNT);
    let (replica, master) = (cluster.replicas.remove(0), Mutex::new(cluster.masters.remove(0)));
    let answers = messages.storm(&pods, &mut [(COUNT / 2, step(|| master.lock().expect("a lock").stop()))]);
    replica.wait_until(&["INFO", "replication"], |info| info.contains("role:master"));
    let answers = messages.retry(&pods, answers);
    assert_eq!(messages.deliveries(&upstream), BTreeMap::from([(1, COUNT)]), "{:?}", answers.reasons);
}
