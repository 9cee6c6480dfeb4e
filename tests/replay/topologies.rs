//! A Cluster, Sentinels, TLS and users.

use std::collections::BTreeMap;
use std::fs;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::harness::Upstream;
use crate::pod::Pod;
use crate::server::{Sentinel, Server, cluster};
use crate::shared::pods;
use crate::storm::{Messages, step, wait_until_shared};

const COUNT: usize = 1500;

#[test]
fn a_cluster_of_three_masters() {
    let (nodes, upstream) = (cluster(), Upstream::start());
    let hosts: Vec<_> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
    let pods = pods(3, &upstream, &format!("redis+cluster://{}", hosts.join(",")), &[]);
    wait_until_shared(&pods);
    let messages = Messages::signed(COUNT);
    let answers = messages.storm(&pods, &mut []);
    // Copies that meet in two buckets may refuse each other; the retry passes.
    let answers = messages.retry(&pods, answers);
    assert_eq!(messages.deliveries(&upstream), BTreeMap::from([(1, COUNT)]), "{:?}", answers.reasons);
    for node in &nodes {
        let keys: usize = node.run(&["DBSIZE"]);
        assert!(keys > COUNT / 3, "the claims are spread over all nodes: {keys} of {}", 2 * COUNT);
    }
}

#[test]
fn never_twice_when_a_node_of_a_cluster_loses_its_memory() {
    let (nodes, upstream) = (cluster(), Upstream::start());
    let pods = pods(2, &upstream, &format!("redis+cluster://127.0.0.1:{}", nodes[0].port()), &[]);
    wait_until_shared(&pods);
    let messages = Messages::signed(COUNT);
    let flush = || nodes[1].run::<()>(&["FLUSHALL"]);
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
    let knows_replica = || sentinel.run(&["SENTINEL", "REPLICAS", "claims"]);
    while !format!("{:?}", knows_replica()).contains("slave-priority") {}
    let pods = pods(2, &upstream, &format!("redis+sentinel://127.0.0.1:{}/claims", sentinel.port), &[]);
    wait_until_shared(&pods);
    let messages = Messages::signed(COUNT);
    // Its replica may not be known well enough yet to be promoted.
    let failover = || while sentinel.run(&["SENTINEL", "FAILOVER", "claims"]).is_err() {};
    let answers = messages.storm(&pods, &mut [(COUNT / 3, step(failover))]);
    replica.wait_until(&["INFO", "replication"], |info| info.contains("role:master"));
    let answers = messages.retry(&pods, answers);
    assert_eq!(messages.deliveries(&upstream), BTreeMap::from([(1, COUNT)]), "{:?}", answers.reasons);
    replica.wait_until(&["INFO", "keyspace"], |info| keys_of(info) >= 2 * COUNT);
}

/// How many keys a server says that it holds.
fn keys_of(info: &str) -> usize {
    let keys = info.split_once("keys=").and_then(|(_, rest)| rest.split_once(','));
    keys.and_then(|(keys, _)| keys.parse().ok()).unwrap_or_default()
}

/// What a sidecar's user has to be permitted, and nothing else.
const RULES: &str =
    "~hookwarden:* -@all +evalsha +script|load +mget +get +set +del +pttl +pexpire +info +select +ping +hello";

#[test]
fn tls_with_authorities_and_a_user_with_a_password_in_a_file() {
    let mut params = CertificateParams::new([]).expect("a name");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(["localhost".to_owned()]).expect("a name").signed_by(&key, &authority);
    let files = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        fs::write(&path, text).expect("a file");
        path.to_str().expect("UTF-8").to_owned()
    };
    let ca = file("ca.pem", &authority.pem());
    let (cert, key) =
        (file("cert.pem", &certificate.expect("a certificate").pem()), file("key.pem", &key.serialize_pem()));
    let password = file("password", "correct horse\n");
    let server = Server::with(|port, _| {
        let port = port.to_string();
        let tls = ["--port", "0", "--tls-port", &port, "--tls-cert-file", &cert, "--tls-key-file", &key];
        let rest = ["--tls-ca-cert-file", &ca, "--tls-auth-clients", "no"];
        let user = format!("hook on #{} {RULES}", digest("correct horse"));
        let users = ["--user", "default", "off", "--user"].into_iter().chain(user.split(' '));
        tls.into_iter().chain(rest).chain(users).map(str::to_owned).collect()
    });
    let (url, upstream) = (format!("rediss://hook@localhost:{}", server.port()), Upstream::start());
    let settings = [("REPLAY_PASSWORD_FILE", password.as_str()), ("REPLAY_CA_FILE", ca.as_str())];
    let pods = pods(2, &upstream, &url, &settings);
    wait_until_shared(&pods);
    let messages = Messages::signed(300);
    let answers = messages.storm(&pods, &mut []);
    assert_eq!(answers.of("forwarded"), 300, "{:?}", answers.reasons);
    assert_eq!(messages.deliveries(&upstream), BTreeMap::from([(1, 300)]));

    // An authority of somebody else's, and a wrong password: it starts, is ready, and refuses.
    let other = file(
        "other.pem",
        &CertifiedIssuer::self_signed(other_authority(), KeyPair::generate().expect("a key")).expect("one").pem(),
    );
    let wrong = file("wrong", "battery staple");
    for (name, value, said) in [
        ("REPLAY_CA_FILE", &other, "invalid peer certificate"),
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

fn other_authority() -> CertificateParams {
    let mut params = CertificateParams::new([]).expect("a name");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn digest(password: &str) -> String {
    use sha2::{Digest, Sha256};
    data_encoding::HEXLOWER.encode(&Sha256::digest(password))
}
