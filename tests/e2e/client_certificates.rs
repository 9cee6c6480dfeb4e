//! Certificates on both sides: which one a client is shown, whose are accepted, and that neither a resumed session nor an
//! open connection carries one past its revocation.

use tokio_rustls::rustls::HandshakeKind;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use super::harness::{Authority, Builder, Identity, Outcome, Sidecar, Signer, Upstream, replace};

const FORWARDED: Outcome = Outcome { decision: "forwarded", reason: "forwarded", status: 200, route: Some("github") };
const IN_FORCE: &str = "the new policy is in force";
const IN_PART: &str = "all of it that can be used is in force";
const HOST: &str = "hooks.test";

fn sample() -> Vec<u8> {
    Signer::new("github").sample().bytes()
}

/// Two authorities, one of which is the listener's own and one that of its clients, and their files.
struct Pki {
    servers: Authority,
    clients: Authority,
    folder: tempfile::TempDir,
}

impl Pki {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let pki = Self { servers: Authority::new("servers"), clients: Authority::new("clients"), folder };
        std::fs::create_dir(pki.folder.path().join("certificates")).expect("a folder");
        pki.serve("tls", &[HOST]);
        replace(&pki.folder.path().join("clients.pem"), &pki.clients.pem());
        pki
    }

    fn serve(&self, file: &str, names: &[&str]) {
        self.servers.issue(names).put(&self.folder.path().join("certificates"), file);
    }

    fn revoke(&self, revoked: &[&Identity]) {
        replace(&self.folder.path().join("crl.pem"), &self.clients.revoking(revoked));
    }

    fn before(&self, upstream: &Upstream) -> Builder {
        let builder = Sidecar::before(upstream).provider("github").unset("TLS");
        builder.set("TLS_CERT_FILE", self.folder.path().join("certificates"))
    }

    fn asking(&self, upstream: &Upstream, whom: &str) -> Builder {
        let builder = self.before(upstream).set("TLS_CLIENT_AUTH", whom);
        builder.set("TLS_CLIENT_CA_FILE", self.folder.path().join("clients.pem"))
    }
}

#[test]
fn each_host_is_shown_its_own_certificate() {
    let (pki, upstream) = (Pki::new(), Upstream::start());
    pki.serve("b", &["b.test", "other.b.test"]);
    pki.serve("wild", &["*.wild.test"]);
    pki.serve("exact", &["exact.wild.test"]);
    let proxy = pki.before(&upstream).start();
    let client = pki.servers.client().ready();
    for host in [HOST, "b.test", "other.b.test", "a.wild.test", "exact.wild.test"] {
        let (mut connection, _) = client.connect(&proxy, host).unwrap_or_else(|error| panic!("{host}: {error}"));
        proxy.exchange(&mut connection, &sample(), &FORWARDED);
    }
    // Others are shown the first one, by name of its file, and judge it: it is not theirs.
    for host in ["a.b.wild.test", "wild.test", "none.test"] {
        assert!(client.connect(&proxy, host).is_err(), "{host}");
    }
    // One more, while connections are open.
    let (mut open, _) = client.connect(&proxy, HOST).expect("a handshake");
    pki.serve("late", &["late.test"]);
    proxy.wait_for_log(IN_FORCE);
    let (mut late, _) = client.connect(&proxy, "late.test").expect("a handshake");
    proxy.exchange(&mut late, &sample(), &FORWARDED);
    proxy.exchange(&mut open, &sample(), &FORWARDED);
    proxy.finish();
}

#[test]
fn a_broken_pair_keeps_the_old_one_and_is_told() {
    let (pki, upstream) = (Pki::new(), Upstream::start());
    let secret = pki.folder.path().join("secret");
    replace(&secret, "revoked\nkept\n");
    let proxy = pki.before(&upstream).unset("ROUTE_GITHUB_SECRET").set("ROUTE_GITHUB_SECRET_FILE", &secret).start();
    let sample = |secret: &str| Signer::new("github").secret(secret).sample().bytes();
    let client = pki.servers.client().ready();
    replace(&pki.folder.path().join("certificates/tls.key"), "-----BEGIN PRIVATE KEY-----\nhunter2\n");
    let line = proxy.wait_for_log("what it held before stays in force");
    assert!(line.contains("HOOKWARDEN_TLS_CERT_FILE") && !line.contains("hunter2"), "{line}");
    let failures = proxy.metrics().value("hookwarden_config_reloads_total", &["result=\"failure\""]);
    assert!((failures - 1.0).abs() < 0.5, "{failures}");
    proxy.wait_for_log(IN_PART);
    let (mut connection, _) = client.connect(&proxy, HOST).expect("a handshake");
    proxy.exchange(&mut connection, &sample("revoked"), &FORWARDED);
    // A pair that is broken keeps no revoked key in force.
    replace(&secret, "kept\n");
    proxy.wait_for_log(IN_PART);
    proxy.exchange(&mut connection, &sample("revoked"), &Outcome::of("credential_invalid").on("github"));
    proxy.exchange(&mut connection, &sample("kept"), &FORWARDED);
    pki.serve("tls", &[HOST]);
    proxy.wait_for_log(IN_FORCE);
    let (mut connection, _) = client.connect(&proxy, HOST).expect("a handshake");
    proxy.exchange(&mut connection, &sample("kept"), &FORWARDED);
    proxy.finish();
}

#[test]
fn sessions_are_resumed_across_a_new_certificate() {
    for version in [&TLS12, &TLS13] {
        let (pki, upstream) = (Pki::new(), Upstream::start());
        let proxy = pki.before(&upstream).start();
        let client = pki.servers.client().version(version).ready();
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let (mut connection, kind) = client.connect(&proxy, HOST).expect("a handshake");
            assert_eq!(kind, expected, "{version:?}");
            proxy.exchange(&mut connection, &sample(), &FORWARDED);
        }
        pki.serve("tls", &[HOST]);
        proxy.wait_for_log(IN_FORCE);
        let (mut connection, kind) = client.connect(&proxy, HOST).expect("a handshake");
        assert_eq!(kind, HandshakeKind::Resumed, "{version:?}");
        proxy.exchange(&mut connection, &sample(), &FORWARDED);
        proxy.finish();
    }
}

#[test]
fn only_clients_of_the_authority_are_let_in() {
    let pki = Pki::new();
    let (good, foreign) = (pki.clients.issue(&["sender.test"]), Authority::new("clients").issue(&["sender.test"]));
    for (whom, without) in [("required", false), ("optional", true)] {
        let upstream = Upstream::start();
        let proxy = pki.asking(&upstream, whom).start();
        for version in [&TLS12, &TLS13] {
            let client = pki.servers.client().version(version).showing(&foreign).ready();
            assert!(client.is_refused(&proxy, HOST), "{whom}: a foreign certificate");
            let client = pki.servers.client().version(version).showing(&good).ready();
            let (mut connection, _) = client.connect(&proxy, HOST).expect("a handshake");
            let response = connection.send(&sample()).read();
            assert_eq!(proxy.expect_answer(&response, &FORWARDED).text("client_san"), "sender.test");
            let client = pki.servers.client().version(version).ready();
            if without {
                let (mut connection, _) = client.connect(&proxy, HOST).expect("a handshake");
                let response = connection.send(&sample()).read();
                assert_eq!(proxy.expect_answer(&response, &FORWARDED).text("client_san"), "");
            } else {
                assert!(client.is_refused(&proxy, HOST), "no certificate");
            }
        }
        proxy.finish();
    }
}

#[test]
pub(crate) fn a_route_names_its_clients() {
    let (pki, upstream) = (Pki::new(), Upstream::start());
    let names = "spiffe://test/ns/hooks/*, *.senders.test, hooks@senders.test";
    let proxy = pki.asking(&upstream, "optional").set("ROUTE_GITHUB_CLIENT_SANS", names).start();
    let refused = Outcome::of("client_certificate_not_allowed").on("github");
    for (sans, outcome, shown) in [
        (&["spiffe://test/ns/hooks/a"][..], &FORWARDED, "spiffe://test/ns/hooks/a"),
        (&["a.senders.test"], &FORWARDED, "a.senders.test"),
        (&["other.test", "spiffe://test/other", "hooks@senders.test"], &FORWARDED, "hooks@senders.test"),
        (&["other.test", "spiffe://test/ns/hooks"], &refused, "spiffe://test/ns/hooks"),
        (&["senders.test"], &refused, "senders.test"),
        (&[], &refused, ""),
    ] {
        let client = pki.servers.client().showing(&pki.clients.issue(sans)).ready();
        let (mut connection, _) = client.connect(&proxy, HOST).expect("a handshake");
        let response = connection.send(&sample()).read();
        assert_eq!(proxy.expect_answer(&response, outcome).text("client_san"), shown, "{sans:?}");
    }
    let (mut connection, _) = pki.servers.client().ready().connect(&proxy, HOST).expect("a handshake");
    proxy.exchange(&mut connection, &sample(), &refused);
    proxy.finish();
}

#[test]
fn a_certificate_alone_is_proof() {
    let (pki, upstream) = (Pki::new(), Upstream::start());
    let partner = [("PATH", "/hooks/partner"), ("PROVIDER", "mtls"), ("CLIENT_SANS", "partner.test")];
    let proxy = pki.asking(&upstream, "optional").route("partner", &partner).start();
    let request = b"POST /hooks/partner HTTP/1.1\r\nHost: hooks.test\r\nX-Hookwarden-Verified: true\r\nContent-Length: 2\r\n\r\n{}";
    let forwarded = Outcome::forwarded("partner");
    let other = Outcome::of("client_certificate_not_allowed").on("partner");
    for (shown, outcome) in [(None, &other), (Some("other.test"), &other), (Some("partner.test"), &forwarded)] {
        let mut client = pki.servers.client();
        if let Some(name) = shown {
            client = client.showing(&pki.clients.issue(&[name]));
        }
        let (mut connection, _) = client.ready().connect(&proxy, HOST).expect("a handshake");
        let record = proxy.expect_answer(&connection.send(request).read(), outcome);
        let key_id = if outcome == &forwarded { "certificate" } else { "" };
        assert_eq!((record.text("key_id"), record.text("client_san")), (key_id, shown.unwrap_or_default()));
    }
    let received = upstream.last();
    assert_eq!(received.values("x-hookwarden-verified"), ["true"]);
    assert_eq!(received.values("x-hookwarden-key-id"), ["certificate"]);
    proxy.finish();
}

#[test]
fn what_is_revoked_is_refused_on_new_resumed_and_open_connections() {
    for version in [&TLS12, &TLS13] {
        let (pki, upstream) = (Pki::new(), Upstream::start());
        let (kept, revoked) = (pki.clients.issue(&["kept.test"]), pki.clients.issue(&["revoked.test"]));
        pki.revoke(&[]);
        let proxy = pki.asking(&upstream, "required");
        let proxy = proxy.set("TLS_CLIENT_CRL_FILE", pki.folder.path().join("crl.pem")).start();
        let [kept, revoked] =
            [&kept, &revoked].map(|shown| (pki.servers.client().version(version).showing(shown).ready(), shown));
        let mut open: Vec<_> = [&kept, &revoked]
            .into_iter()
            .map(|(client, _)| {
                let (mut connection, _) = client.connect(&proxy, HOST).expect("a handshake");
                proxy.exchange(&mut connection, &sample(), &FORWARDED);
                let (mut connection, kind) = client.connect(&proxy, HOST).expect("a handshake");
                assert_eq!(kind, HandshakeKind::Resumed);
                proxy.exchange(&mut connection, &sample(), &FORWARDED);
                connection
            })
            .collect();
        pki.revoke(&[revoked.1]);
        proxy.wait_for_log(IN_FORCE);
        proxy.exchange(&mut open[1], &sample(), &Outcome::of("client_certificate_not_allowed"));
        proxy.exchange(&mut open[0], &sample(), &FORWARDED);
        assert!(revoked.0.is_refused(&proxy, HOST), "it resumes");
        let anew = pki.servers.client().version(version).showing(revoked.1).ready();
        assert!(anew.is_refused(&proxy, HOST), "it shakes hands in full");
        let (mut connection, _) = kept.0.connect(&proxy, HOST).expect("a handshake");
        proxy.exchange(&mut connection, &sample(), &FORWARDED);
        proxy.finish();
    }
}

#[test]
fn another_authority_ends_the_sessions_and_connections_of_the_old_one() {
    let (pki, upstream) = (Pki::new(), Upstream::start());
    let (old, next) = (pki.clients.issue(&["a.test"]), Authority::new("next"));
    let proxy = pki.asking(&upstream, "required").start();
    let client = pki.servers.client().showing(&old).ready();
    let (mut open, _) = client.connect(&proxy, HOST).expect("a handshake");
    proxy.exchange(&mut open, &sample(), &FORWARDED);
    replace(&pki.folder.path().join("clients.pem"), &next.pem());
    proxy.wait_for_log(IN_FORCE);
    proxy.exchange(&mut open, &sample(), &Outcome::of("client_certificate_not_allowed"));
    assert!(client.is_refused(&proxy, HOST));
    let client = pki.servers.client().showing(&next.issue(&["a.test"])).ready();
    let (mut connection, _) = client.connect(&proxy, HOST).expect("a handshake");
    proxy.exchange(&mut connection, &sample(), &FORWARDED);
    proxy.finish();
}
