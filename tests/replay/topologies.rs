//! A Cluster, Sentinels, TLS and users.

use std::collections::BTreeMap;

use crate::authority::Authority;
use crate::harness::Upstream;
use crate::pod::Pod;
use crate::server::{Cluster, Sentinel, Server, free_port};
use crate::shared::pods;
use crate::storm::{Messages, step, wait_until_shared};

const COUNT: usize = 1500;

#[test]
fn a_cluster_of_three_masters() {
    let (cluster, upstream) = (Cluster::start(), Upstream::start());
    let pods = pods(3, &upstream, &cluster.url(), &[]);
    wait_until_shared(&pods);
    let messages = Messages::signed(COUNT);
    let answers = messages.storm(&pods, &mut []);
    // Copies that meet in two buckets may refuse each other; the retry passes.
    let answers = messages.retry(&pods, answers);
    assert_eq!(messages.deliveries(&upstream), BTreeMap::from([(1, COUNT)]), "{:?}", answers.reasons);
    for node in &cluster.masters {
        let keys: usize = node.run(&["DBSIZE"]);
        assert!(keys > COUNT / 3, "the claims are spread over all nodes: {keys} of {}", 2 * COUNT);
    }
}

#[test]
fn never_twice_when_a_node_of_a_cluster_loses_its_memory() {
    let (cluster, upstream) = (Cluster::start(), Upstream::start());
    let pods = pods(2, &upstream, &format!("redis+cluster://127.0.0.1:{}", cluster.masters[0].port()), &[]);
    wait_until_shared(&pods);
    let messages = Messages::signed(COUNT);
    let flush = || cluster.masters[1].run::<()>(&["FLUSHALL"]);
    let answers = messages.storm(&pods, &mut [(COUNT / 2, step(flush))]);
    let answers = messages.retry(&pods, answers);
    assert_eq!(messages.deliveries(&upstream), BTreeMap::from([(1, COUNT)]), "{:?}", answers.reasons);
}

#[test]
fn never_twice_when_sentinels_make_another_server_the_master() {
    let (master, upstream) = (Server::start(), Upstream::start());
    let replica =
        Server::with(|_, _| ["--replicaof", "127.0.0.1", &master.port().to_string()].map(str::to_owned).to_vec());
    replica.wait_until(&["INFO", "replication"], |info| info.contains("master_link_status:up"));
    let sentinel = Sentinel::watching(&master);
    sentinel.wait_for_replica();
    let pods = pods(2, &upstream, &format!("redis+sentinel://127.0.0.1:{}/claims", sentinel.port), &[]);
    wait_until_shared(&pods);
    let messages = Messages::signed(COUNT);
    // Its replica may not be known well enough yet to be promoted, and a failover that takes too long is given up.
    let is_master = || {
        let role = replica.try_run::<String>(&["INFO", "replication"]);
        role.is_ok_and(|info| info.contains("role:master"))
    };
    let failover = || {
        while !is_master() {
            let _ = sentinel.run(&["SENTINEL", "FAILOVER", "claims"]);
        }
    };
    let answers = messages.storm(&pods, &mut [(COUNT / 3, step(failover))]);
    let answers = messages.retry(&pods, answers);
    assert_eq!(messages.deliveries(&upstream), BTreeMap::from([(1, COUNT)]), "{:?}", answers.reasons);
    replica.wait_until(&["INFO", "keyspace"], |info| keys_of(info) >= 2 * COUNT);
}

/// How many keys a server says that it holds.
pub(crate) fn keys_of(info: &str) -> usize {
    let keys = info.split_once("keys=").and_then(|(_, rest)| rest.split_once(','));
    keys.and_then(|(keys, _)| keys.parse().ok()).unwrap_or_default()
}

/// What a sidecar's user has to be permitted, and nothing else.
const RULES: &str =
    "~hookwarden:* -@all +evalsha +script|load +mget +get +set +del +pttl +pexpire +info +select +ping +hello";

#[test]
fn tls_with_authorities_and_a_user_with_a_password_in_a_file() {
    let authority = Authority::new();
    let password = authority.file("password", "correct horse\n");
    let server = Server::with(|port, _| {
        let user = format!("hook on #{} {RULES}", digest("correct horse"));
        let tls = ["--port".to_owned(), "0".to_owned(), "--tls-port".to_owned(), port.to_string()];
        let users = ["--user", "default", "off", "--user"].into_iter().chain(user.split(' ')).map(str::to_owned);
        tls.into_iter().chain(authority.command_line()).chain(users).collect()
    });
    let (url, upstream) = (format!("rediss://hook@localhost:{}", server.port()), Upstream::start());
    let settings = [("REPLAY_PASSWORD_FILE", password.as_str()), ("REPLAY_CA_FILE", authority.ca.as_str())];
    let pods = pods(2, &upstream, &url, &settings);
    wait_until_shared(&pods);
    let messages = Messages::signed(300);
    let answers = messages.retry(&pods, messages.storm(&pods, &mut []));
    assert_eq!(answers.of("forwarded"), 300, "{:?}", answers.reasons);
    assert_eq!(messages.deliveries(&upstream), BTreeMap::from([(1, 300)]));

    // An authority of somebody else's, and a wrong password: it starts, is ready, and refuses.
    let others = Authority::new();
    let wrong = authority.file("wrong", "battery staple");
    for (name, value, said) in [
        ("REPLAY_CA_FILE", &others.ca, "invalid peer certificate"),
        ("REPLAY_PASSWORD_FILE", &wrong, "authentication failed"),
    ] {
        let settings: Vec<_> =
            settings.iter().map(|setting| if setting.0 == name { (name, value.as_str()) } else { *setting }).collect();
        let settings: Vec<_> = [("REPLAY_URL", url.as_str())].into_iter().chain(settings).collect();
        let pod = Pod::before(&upstream, &settings);
        pod.wait_for_log(said);
        assert_eq!(pod.ask_admin("/readyz").status, 200);
    }
}

fn digest(password: &str) -> String {
    use sha2::{Digest, Sha256};
    data_encoding::HEXLOWER.encode(&Sha256::digest(password))
}

#[test]
fn a_cluster_with_tls_and_a_user() {
    let authority = Authority::new();
    let user = format!("hook on #{} {RULES} +cluster|slots +cluster|myid +lastsave +time", digest("correct horse"));
    let tls = authority.command_line();
    let further: Vec<_> = tls.iter().map(String::as_str).chain(["--tls-cluster", "yes", "--user"]).collect();
    let further: Vec<_> = further.into_iter().chain(user.split(' ')).collect();
    let (cluster, upstream) = (Cluster::of("redis-server", 0, &further), Upstream::start());
    let url = format!("rediss+cluster://hook@localhost:{}", cluster.masters[0].tls_port());
    let password = authority.file("password", "correct horse\n");
    let settings = [("REPLAY_PASSWORD_FILE", password.as_str()), ("REPLAY_CA_FILE", authority.ca.as_str())];
    let pods = pods(2, &upstream, &url, &settings);
    wait_until_shared(&pods);
    let messages = Messages::signed(300);
    let answers = messages.retry(&pods, messages.storm(&pods, &mut []));
    assert_eq!(messages.deliveries(&upstream), BTreeMap::from([(1, 300)]), "{:?}", answers.reasons);
    assert!(cluster.masters.iter().all(|node| node.run::<usize>(&["DBSIZE"]) > 100), "all nodes hold some");
}

#[test]
fn never_twice_when_a_master_with_tls_is_killed_and_sentinels_with_tls_name_its_replica() {
    let (authority, upstream) = (Authority::new(), Upstream::start());
    let with_tls = |further: &[&str]| {
        Server::with(|_, _| {
            let tls = ["--tls-replication", "yes", "--tls-port", &free_port().to_string()].map(str::to_owned);
            let further = further.iter().map(|word| (*word).to_owned());
            tls.into_iter().chain(authority.command_line()).chain(further).collect()
        })
    };
    let master = std::sync::Mutex::new(with_tls(&[]));
    let watched = master.lock().expect("a lock").tls_port();
    let replica = with_tls(&["--replicaof", "127.0.0.1", &watched.to_string()]);
    replica.wait_until(&["INFO", "replication"], |info| info.contains("master_link_status:up"));
    let tls = authority.arguments().map(|words| words.join(" ")).join("\n");
    let port = free_port();
    let sentinel = Sentinel::with(watched, &format!("tls-port {port}\ntls-replication yes\n{tls}"));
    sentinel.wait_for_replica();
    let url = format!("rediss+sentinel://localhost:{port}/claims");
    let pods = pods(2, &upstream, &url, &[("REPLAY_CA_FILE", &authority.ca)]);
    wait_until_shared(&pods);
    let messages = Messages::signed(COUNT);
    let kill = || master.lock().expect("a lock").stop();
    let answers = messages.storm(&pods, &mut [(COUNT / 3, step(kill))]);
    replica.wait_until(&["INFO", "replication"], |info| info.contains("role:master"));
    let answers = messages.retry(&pods, answers);
    assert_eq!(messages.deliveries(&upstream), BTreeMap::from([(1, COUNT)]), "{:?}", answers.reasons);
}
